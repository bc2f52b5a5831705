/* anyjob.h: what every job can do: a pool, a queue, Processes. */
#ifndef ANYJOB_H
#define ANYJOB_H

#include "check.h"

static inline int successor(int x)
{
    return x + 1;
}

static inline int give_7(const void *arg)
{
    (void)arg;
    printf("hello\n");
    return 7;
}

static inline int put_1(const void *arg)
{
    const kith_queue *q = arg;
    int one = 1;

    return kith_put(*q, one) < 0;
}

static inline int map_is_right(kith_pool pool, int (*fn)(int), int n)
{
    int in[64], out[64];

    for (int i = 0; i < n; i++)
        in[i] = i;
    if (kith_map(pool, fn, in, out, n) != 0)
        return 0;
    for (int i = 0; i < n; i++)
        if (out[i] != i + 1)
            return 0;
    return 1;
}

/* What every job can do. */
static inline void work(int (*fn)(int))
{
    kith_pool pool = kith_pool_open(3);
    kith_queue q = kith_queue_open(0);
    kith_process p;
    int code = -1, x = 0;

    for (int i = 0; i < 20; i++)
        REQUIRE(map_is_right(pool, fn, 64));
    p = kith_process_start(give_7, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 7);
    p = kith_process_start(put_1, KITH_ARG(q));
    REQUIRE(kith_get(q, &x) == 0 && x == 1 && kith_process_join(p, KITH_FOREVER) == 0);
    REQUIRE(kith_pool_close(pool) == 0 && kith_queue_close(q) == 0);
}

static inline void begin(void)
{
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_on_fault(NULL);
}

#endif
