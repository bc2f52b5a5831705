/* chunk.h: how many tasks to claim at once. Pure functions: no clock, no memory of their own. */
#ifndef KITH_CHUNK_H
#define KITH_CHUNK_H

#include <stdint.h>

enum { KITH__CHUNK_MOST = 32767 };

struct kith__chunk { /* what one worker has learned of one job; zeros at first */
    uint64_t last;   /* units of its last claim */
    double unit_ns;  /* what a unit costs, by the dearest of late */
};

/* Tells of a claim of units that took ns. */
void kith__chunk_learn(struct kith__chunk *c, uint64_t units, int64_t ns);

/* The size of the next claim, 1..KITH__CHUNK_MOST, for left > 0 units that workers share. A chunk grows until
 * it is worth its claim, some 50 µs, eightfold at most each time, and stays below a fair part of what is left
 * (guided self-scheduling; Polychronopoulos and Kuck, IEEE Trans. Computers 36(12), 1987): half of it. */
uint64_t kith__chunk_next(const struct kith__chunk *c, uint64_t left, uint32_t workers);

/* Block b of n elements in blocks: [*lo, *hi). It depends on n and blocks alone. */
void kith__part(uint64_t n, uint64_t blocks, uint64_t b, uint64_t *lo, uint64_t *hi);

struct kith__parts {     /* the same for who wants many of them, without a division for each */
    uint64_t size, rest; /* the first rest blocks have one more */
};

static inline struct kith__parts kith__parts(uint64_t n, uint64_t blocks)
{
    return (struct kith__parts){ n / blocks, n % blocks };
}

static inline uint64_t kith__part_begin(const struct kith__parts *p, uint64_t b)
{
    return b * p->size + (b < p->rest ? b : p->rest);
}

uint64_t kith__block_count(uint64_t n);

#endif
