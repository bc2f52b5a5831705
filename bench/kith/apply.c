/* apply: one trivial task at a time, in microseconds.
 *     apply warm           back to back: median and 99th percentile of 20000
 *     apply idle TIMES     after a second of idling, each
 *     apply beside         beside a long map in the same pool, whose tasks take 20 us */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "../bench.h"
#include "kith.h"

enum { UNTIMED = 2000, TIMED = 20000 };

static int successor(int i)
{
    return i + 1;
}

static double apply_us(kith_pool pool, int i)
{
    double start = now();
    int y;

    kith_apply(pool, successor, &y, i);
    start = now() - start;
    if (y != i + 1)
        die("a wrong result");
    return 1e6 * start;
}

static void warm(kith_pool pool)
{
    static double t[TIMED];

    for (int i = 0; i < UNTIMED; i++)
        apply_us(pool, i);
    for (int i = 0; i < TIMED; i++)
        t[i] = apply_us(pool, i);
    say("median", quantile(t, TIMED, 0.5));
    say("p99", quantile(t, TIMED, 0.99));
}

static void idle(kith_pool pool, unsigned long times)
{
    apply_us(pool, 0);
    for (unsigned long i = 0; i < times; i++) {
        nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
        say("idle", apply_us(pool, 0));
    }
}

static int busy(int x)
{
    return (int)(work(20000) & 1) + x;
}

static _Atomic int enough;

static void *map_for_long(void *pool)
{
    static int in[10000], out[10000];

    while (!enough)
        kith_map(*(kith_pool *)pool, busy, in, out, 10000);
    return NULL;
}

static void beside(kith_pool pool)
{
    enum { TIMES = 200 };
    double t[TIMES];
    pthread_t thread;

    if (pthread_create(&thread, NULL, map_for_long, &pool) != 0)
        die("no thread");
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    for (int i = 0; i < TIMES; i++)
        t[i] = apply_us(pool, i);
    enough = 1;
    pthread_join(thread, NULL);
    say("beside", quantile(t, TIMES, 0.5));
}

int main(int argc, char **argv)
{
    kith_pool pool;

    kith_init(&argc, &argv);
    pool = kith_pool_open(2);
    if (argc > 1 && !strcmp(argv[1], "idle"))
        idle(pool, number(argc, argv, 2, 1));
    else if (argc > 1 && !strcmp(argv[1], "beside"))
        beside(pool);
    else
        warm(pool);
    kith_pool_close(pool);
    return kith_finalize();
}
