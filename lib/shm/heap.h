/* heap.h: blocks of any size in the arena: what others see of heap.c, block.c and audit.c, which are one
 * thing in three files and share block.h.
 *
 * Descriptors lie in a table of their own, away from the bytes. Every change is one commit of the
 * heap's guard, so that a death at any instruction leaves a sound heap. A block that
 * was just allocated is owned by the process slot that asked; if that process dies before the block
 * was published, kith__heap_sweep takes it back.
 * Freed pages stay warm for the next block, up to some 64 to 256 MiB by the size of the machine, in a memory
 * cgroup an eighth of its limit at most; more go back to the system.
 * The guard is not held while pages are taken or given back: a large block delays nobody.
 */
#ifndef KITH_HEAP_H
#define KITH_HEAP_H

#include "shm/guard.h"

#include <stddef.h>
#include <stdint.h>

int kith__heap_init(void); /* once, by who created the arena */

/* A block of at least size bytes (1 when 0), 64-byte aligned, backed by pages, not zeroed. owner: the process
 * slot (its number + 1), 0: nobody's, published at once. Returns its offset; 0 when there is no memory (the
 * sentence is set). From 64 KiB on it begins at a page and has whole pages. */
uint64_t kith__heap_alloc(size_t size, uint32_t owner);
/* The same for what is meant to stay. The upper half of the owner's word is its own. */
uint64_t kith__heap_alloc_lasting(size_t size, uint64_t owner);
/* The same, but its pages come later, by _fill: for who must not be away for as long as a large block takes.
 */
uint64_t kith__heap_alloc_hollow(size_t size, uint32_t owner);
/* Bytes [from, to) are about to be written, those before have pages. Returns how far the block has some then.
 */
uint64_t kith__heap_fill(uint64_t block, uint64_t from, uint64_t to);
void kith__heap_free(uint64_t block); /* 0, and what is no block in use, does nothing */

/* From now on this process gives freed pages back to the system in steps, as to do so at once takes long for
 * a large block: one step by each _give_back, which is 1 when there may be more to do. Not for threads. */
void kith__heap_back_in_steps(void);
int kith__heap_give_back(void);

/* 0, or KITH_EINVAL when offset is not the start of a block in use. */
int kith__heap_check(uint64_t offset);
size_t kith__heap_size_of(uint64_t block);
/* 1: offset lies in a block in use. As far as one can tell without the guard; looks at all blocks. */
int kith__heap_holds(uint64_t offset);

/* The word that holds block's owner: only the owner, its watchdog or, for 0, who holds the reference may
 * set it, also by the commit of another guard: so "linked into a queue" and "published" are one step. */
kith__word *kith__heap_owner(uint64_t block);
/* from owns the block: it is to's then. Else, and when there is no such block, nothing happens. */
void kith__heap_pass(uint64_t offset, uint64_t from, uint64_t to);
uint64_t kith__heap_owner_now(uint64_t offset); /* what stands there; 0 too when there is no such block */

/* Frees all blocks of that owner, whatever stands in the upper half of the word. For the watchdog, when the
 * process is dead, and when each guard whose commit might publish a block of it was entered since (else a
 * commit that it left complete would publish a block that is free). 0; 1 when somebody is in the heap's
 * guard: call again later. */
int kith__heap_sweep(uint32_t owner);

/* For tests and the log. */
struct kith__heap_stats {
    uint64_t used_bytes, used_blocks, warm_free_bytes, warm_bound, backed_bytes;
};
void kith__heap_stats(struct kith__heap_stats *out);
int kith__heap_audit(void); /* walks everything: 0, or KITH_EBROKEN with a sentence */

/* For arena.c: bytes that the heap has taken pages for, with those for its tables. With exact also those of
 * its index, which takes some ns for each MiB of the heap. Waits for nobody. */
uint64_t kith__heap_pages(int exact);

/* For arena.c: bytes of metadata for a heap of that size: of the index, and of the table of blocks behind it
 * when so much memory may be used at a time (UINT64_MAX: all); tight: address space is scarce. */
uint64_t kith__heap_index_need(uint64_t heap_size);
uint64_t kith__heap_blocks_need(uint64_t heap_size, uint64_t memory, int tight);

#endif
