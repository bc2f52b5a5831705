/* block.h: the parts that the heap is made of, and how they change. For heap.c and audit.c.
 *
 * The region is divided into blocks, each with a descriptor, in order of address:
 *
 *   USED      somebody's
 *   WARM      free, all of its pages are there: taken first
 *   COLD      free, whole pages that are not there: taken last
 *   RESERVED  cold, being backed, or warm, being given back: by who holds a lease, outside the guard
 *
 * A free block is merged with neighbours of its own kind only, so a block's kind tells all about its pages.
 * Blocks of a kind hang in lists by size: a two-level segregated fit (Masmano et al., "TLSF: a new dynamic
 * memory allocator for real-time systems", ECRTS 2004), with its descriptors in a table of their own.
 */
#ifndef KITH_BLOCK_H
#define KITH_BLOCK_H

#include "shm/arena.h"
#include "shm/guard.h"

enum {
    GRANULE = 64,
    PAGE = 4096,            /* cold blocks are multiples; larger pages only make backing wider */
    INDEX_CHUNK = 16 << 10, /* the index is backed in such pieces: one for 256 KiB of the heap */
    CLASSES = 544,
    CLASS_WORDS = (CLASSES + 63) / 64,
    LEASES = 8
};

enum state { NONE, USED, WARM, COLD, RESERVED, END };

struct block {
    kith__word position; /* offset | enum state */
    kith__word phys;     /* the neighbours: next | previous << 32 */
    kith__word list;     /* in its free list: next | previous << 32; unused: the next unused one */
    kith__word owner;
};

struct lease { /* the right to have one RESERVED block */
    struct kith__guard guard;
    kith__word block;          /* 0: none */
    _Atomic uint64_t promised; /* bytes that the budget has granted and that are not backed yet */
};

struct heap {
    /* Where these are, from here on: a bit for each chunk of the index, the index, the table of blocks. */
    struct kith__heap_layout {
        uint64_t bits, index, table;
    } at;
    uint64_t most;              /* blocks in the table */
    _Atomic uint64_t warm_kept; /* bytes of free blocks that keep their pages; 0: nobody has asked yet */
    struct kith__guard guard;
    struct kith__guard budget; /* who asks for pages */
    kith__word unused;         /* list of unused descriptors */
    kith__word high;           /* descriptors from here on were never in use */
    _Atomic uint64_t ready;    /* descriptors from here on are not backed */
    kith__word used_bytes, used_blocks, warm_bytes;
    kith__word bitmap[2][CLASS_WORDS]; /* which lists are not empty */
    kith__word heads[2][CLASSES];      /* WARM, COLD */
    struct lease leases[LEASES];
};

/* Block 0 is none, 1 the end of the region, 2 the first one for ever. */
enum { LAST_BLOCK = 1, FIRST_BLOCK = 2 };

struct kith__heap_layout kith__heap_lay_out(uint64_t heap_size);

/* One change of the heap, under its guard: reads see what was put before, others see it after
 * kith__change_commit. */
struct change {
    struct heap *h;
    uint64_t seen; /* a bit for each word that was put, and for some others: most reads need no search */
    uint32_t count;
    kith__word *words[KITH__GUARD_WORDS];
    uint64_t values[KITH__GUARD_WORDS];
};

uint64_t kith__change_find(const struct change *c, kith__word *word);
void kith__change_put(struct change *c, kith__word *word, uint64_t value);
void kith__change_commit(struct change *c);

/* What an attempt under the guard came to. It changes nothing but when it is DONE. */
enum verdict {
    DONE,
    NOTHING, /* there is no such block */
    BUSY,    /* somebody is in the guard */
    FAILED,  /* the sentence is set */
    NEED_INDEX,
    NEED_BLOCKS /* kith__heap_satisfy, outside of the guard, and again */
};

/* missing: the offset that the index lacks; reserve: the budget is not asked. */
int kith__heap_satisfy(struct heap *h, enum verdict need, uint64_t missing, int reserve);

/* A free block of that kind that holds size bytes at a multiple of align; 0: none. */
uint64_t kith__block_find(const struct change *c, enum state kind, uint64_t size, uint64_t align);
uint64_t kith__block_largest(const struct change *c, enum state kind); /* one of the largest, or 0 */
uint32_t kith__block_class(uint64_t size);

/* Takes [start, end) out of the free block *d: from then on *d is that, in that state; what is left stays
 * free. */
enum verdict kith__block_carve(struct change *c, uint64_t *d, uint64_t start, uint64_t end, enum state state,
                               uint64_t *missing);

/* Cuts off what lies from offset on, if anything does, and makes it WARM. d is in no list. */
enum verdict kith__block_shorten(struct change *c, uint64_t d, uint64_t offset, uint64_t *missing);

/* d, in no list, becomes free of that kind, together with its neighbours. */
void kith__block_release(struct change *c, uint64_t d, enum state kind);

static inline uint64_t up(uint64_t n, uint64_t power_of_two)
{
    return (n + power_of_two - 1) & ~(power_of_two - 1);
}

static inline struct heap *the_heap(void)
{
    return kith__at(kith__layout.heap_tables);
}

static inline struct block *block(const struct heap *h, uint64_t d)
{
    return (struct block *)((char *)h + h->at.table) + d;
}

/* Which descriptor was last seen to begin at offset. It may be of the past: the descriptor itself decides. */
static inline _Atomic uint32_t *index_of(const struct heap *h, uint64_t offset)
{
    return (_Atomic uint32_t *)((char *)h + h->at.index) + (offset - kith__layout.heap_start) / GRANULE;
}

static inline _Atomic uint64_t *index_bit(const struct heap *h, uint64_t offset, uint64_t *bit)
{
    uint64_t chunk = (offset - kith__layout.heap_start) / GRANULE * sizeof(uint32_t) / INDEX_CHUNK;

    *bit = UINT64_C(1) << chunk % 64;
    return (_Atomic uint64_t *)((char *)h + h->at.bits) + chunk / 64;
}

static inline int index_ready(const struct heap *h, uint64_t offset)
{
    uint64_t bit;
    _Atomic uint64_t *word = index_bit(h, offset, &bit);

    return (atomic_load_explicit(word, memory_order_acquire) & bit) != 0;
}

static inline uint64_t bit_of(const kith__word *word)
{
    return UINT64_C(1) << (uintptr_t)word / sizeof *word % 64;
}

static inline uint64_t get(const struct change *c, kith__word *word)
{
    return c->seen & bit_of(word) ? kith__change_find(c, word)
                                  : atomic_load_explicit(word, memory_order_relaxed);
}

static inline void put(struct change *c, kith__word *word, uint64_t value)
{
    kith__change_put(c, word, value);
}

static inline void add(struct change *c, kith__word *word, uint64_t value)
{
    put(c, word, get(c, word) + value);
}

static inline enum state state_of(const struct change *c, uint64_t d)
{
    return (enum state)(get(c, &block(c->h, d)->position) % GRANULE);
}

static inline uint64_t start_of(const struct change *c, uint64_t d)
{
    return get(c, &block(c->h, d)->position) & ~(uint64_t)(GRANULE - 1);
}

static inline uint64_t next_of(const struct change *c, uint64_t d)
{
    return get(c, &block(c->h, d)->phys) & UINT32_MAX;
}

static inline uint64_t prev_of(const struct change *c, uint64_t d)
{
    return get(c, &block(c->h, d)->phys) >> 32;
}

static inline uint64_t end_of(const struct change *c, uint64_t d)
{
    return start_of(c, next_of(c, d));
}

static inline uint64_t size_of(const struct change *c, uint64_t d)
{
    return end_of(c, d) - start_of(c, d);
}

static inline void set_state(struct change *c, uint64_t d, enum state state)
{
    put(c, &block(c->h, d)->position, start_of(c, d) | state);
}

#endif
