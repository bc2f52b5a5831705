/* chunk.c: see chunk.h. */
#include "config.h"
#include "pool/chunk.h"

static const double worth_ns = 50000;

void kith__chunk_learn(struct kith__chunk *c, uint64_t units, int64_t ns)
{
    double each = (double)(ns > 0 ? ns : 1) / (double)units;

    /* A dear unit is remembered for some claims: after 1 ms tasks, 64 cheap ones prove little. */
    c->unit_ns = each > c->unit_ns ? each : c->unit_ns * 0.75 + each * 0.25;
    c->last = units;
}

uint64_t kith__chunk_next(const struct kith__chunk *c, uint64_t left, uint32_t workers)
{
    uint64_t fair = left / (2 * (uint64_t)workers), size = 1;

    if (c->last) {
        double worth = worth_ns / c->unit_ns;

        size = worth < 1 ? 1 : worth > KITH__CHUNK_MOST ? KITH__CHUNK_MOST : (uint64_t)worth;
        if (size > c->last * 8)
            size = c->last * 8;
    }
    if (size > fair)
        size = fair;
    if (size > KITH__CHUNK_MOST)
        size = KITH__CHUNK_MOST;
    return size < 1 ? 1 : size;
}

uint64_t kith__block_count(uint64_t n)
{
    return n < 65536 ? n : 65536;
}

void kith__part(uint64_t n, uint64_t blocks, uint64_t b, uint64_t *lo, uint64_t *hi)
{
    const struct kith__parts parts = kith__parts(n, blocks);

    *lo = kith__part_begin(&parts, b);
    *hi = kith__part_begin(&parts, b + 1);
}
