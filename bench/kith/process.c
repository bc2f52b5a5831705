/* process: start and join of a Process, in milliseconds: median and 99th percentile. */
#include "config.h"

#include "../bench.h"
#include "kith.h"

enum { UNTIMED = 20, TIMED = 300 };

static int nothing(const void *arg)
{
    (void)arg;
    return 0;
}

static double start_and_join_ms(void)
{
    double start = now();
    kith_process p = kith_process_start(nothing, NULL, 0);

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
        start_and_join_ms();
    for (int i = 0; i < TIMED; i++)
        t[i] = start_and_join_ms();
    say("median", quantile(t, TIMED, 0.5));
    say("p99", quantile(t, TIMED, 0.99));
    return kith_finalize();
}
