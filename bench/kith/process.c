/* process: start and join of a Process, in milliseconds: median and 99th percentile; and of one by
 * kith_start. */
#include "config.h"

#include "../bench.h"
#include "kith.h"

enum { UNTIMED = 20, TIMED = 300 };

static int nothing(const void *arg)
{
    (void)arg;
    return 0;
}

static int zero_of(int x, int y)
{
    return x - y;
}

static double start_and_join_ms(int is_plain)
{
    double start = now();
    kith_process p = is_plain ? kith_start(zero_of, 3, 3) : kith_process_start(nothing, NULL, 0);

    kith_process_join(p, KITH_FOREVER);
    start = now() - start;
    kith_process_close(p);
    return 1e3 * start;
}

int main(int argc, char **argv)
{
    double t[TIMED];

    kith_init(&argc, &argv);
    for (int i = 0; i < UNTIMED; i++)
        start_and_join_ms(i % 2);
    for (int i = 0; i < TIMED; i++)
        t[i] = start_and_join_ms(0);
    say("median", quantile(t, TIMED, 0.5));
    say("p99", quantile(t, TIMED, 0.99));
    for (int i = 0; i < TIMED; i++)
        t[i] = start_and_join_ms(1);
    say("start", quantile(t, TIMED, 0.5));
    return kith_finalize();
}
