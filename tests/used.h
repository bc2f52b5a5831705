/* used.h: for tests of a job: how much of its shared memory is in use. */
#ifndef KITH_USED_H
#define KITH_USED_H

#include "check.h"
#include "shm/heap.h"

static inline uint64_t used_bytes(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_bytes;
}

enum { USED_MIB = 1 << 20 };

/* So many blocks of a MiB more are there than before, as soon as janitors have come; all else is small. */
static inline int are_left(uint64_t before, int blocks)
{
    int64_t more = 0;

    for (int i = 0; i < SOON; i++) {
        more = (int64_t)(used_bytes() - before) - (int64_t)blocks * USED_MIB;
        if (more > -USED_MIB / 2 && more < USED_MIB / 2)
            return 1;
        usleep(1000);
    }
    printf("\n    %lld bytes too many are left\n", (long long)more);
    return 0;
}

#endif
