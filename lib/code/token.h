/* token.h: how a function is named to another process.
 *
 * Ranks of one node have different address layouts, nodes may have other CPUs, and so other
 * variants of sin: a pointer means nothing there. A token does: (library, symbol, version) for what a
 * library exports, (build-id, offset) for all other functions of a library and those of the program.
 * Processes that were forked from one family share the layout, and use the pointer in it at once. */
#ifndef KITH_TOKEN_H
#define KITH_TOKEN_H

#include "kith.h"

#include <stddef.h>
#include <stdint.h>

typedef void kith__anyfn(void);

enum kith__token_kind {
    KITH__TOKEN_NONE,
    KITH__TOKEN_SYMBOL, /* object, symbol, version */
    KITH__TOKEN_OFFSET, /* id, offset of the function */
    KITH__TOKEN_SLOT    /* id, offset of the pointer to the variant for this CPU */
};

/* Plain bytes: it may lie in shared memory and go over the network. */
struct kith__token {
    uint64_t family; /* 0: none of its processes is known to have the function at pointer */
    uint64_t pointer;
    uint64_t offset;
    uint32_t kind;        /* enum kith__token_kind */
    unsigned char id[20]; /* of the object, see image.h */
    char object[64];      /* soname of the library, name of the program */
    char symbol[96];      /* "": not exported */
    char version[48];
};

/* Once, before the first fork: what is loaded now is at the same address in all processes forked later. */
int kith__token_family(void);

/* 0; KITH_EINVAL for NULL; KITH_EFUNC: the pointer leads to no code of the program or a library. */
int kith__token_make(struct kith__token *t, kith__anyfn *fn);

/* 0; KITH_EFUNC: there is no such function in this process. */
int kith__token_resolve(const struct kith__token *t, kith__anyfn **fn);

/* The name of the function for messages, "pi+0x12a4" when it has none. Returns its length as snprintf. */
int kith__token_name(const struct kith__token *t, char *buf, size_t room);

/* Identity of the program: its build-id, or a digest when it was linked without one. */
void kith__program_id(unsigned char id[20]);

#endif
