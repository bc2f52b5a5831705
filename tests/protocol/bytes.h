/* bytes.h: chance under a seed, and bytes in blocks with numbers, as the protocol sees them. */
#ifndef PROTOCOL_BYTES_H
#define PROTOCOL_BYTES_H

#include <stddef.h>
#include <stdint.h>

void seed_draw(uint64_t seed); /* KITH_TEST_SEED instead, when that is one */
uint64_t draw(uint64_t below); /* 0 .. below - 1; below 0: 0 */

/* Of a call or a reply: often around the sizes where the protocol goes another way. */
uint64_t some_size(void);

/* As malloc and free; the size is the same in both. */
void *new_bytes(size_t size);
void free_bytes(void *bytes, size_t size);

struct block {
    void *bytes;
    uint64_t size, filled; /* in bytes that come in: so many have memory */
};

uint64_t new_block(uint64_t size);       /* its number, never 0 */
struct block *block_of(uint64_t number); /* fatal when there is none */
void drop_block(uint64_t number);
int blocks_in_use(void);

/* What the bytes of call id of a node must be; replies have another salt. */
void paint(unsigned char *at, uint64_t size, uint64_t id, uint32_t salt);
int is_painted(const unsigned char *at, uint64_t size, uint64_t id, uint32_t salt);

#endif
