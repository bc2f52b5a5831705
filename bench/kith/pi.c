/* pi: by the kernels of the examples, on a pool that is opened and closed within the time. Prints seconds.
 *     pi montecarlo|midpoint WORKERS POINTS */
#include "config.h"

#include <math.h>
#include <string.h>

#include "../../examples/pi.h"
#include "../bench.h"
#include "kith.h"

enum { SEED = 1 };

static double inside(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return 4.0 * (double)pi_inside(lo, hi, SEED);
}

static double midpoint(uint64_t lo, uint64_t hi, const void *arg)
{
    return pi_midpoint(lo, hi, *(const uint64_t *)arg);
}

int main(int argc, char **argv)
{
    double start, sum = 0.0, limit;
    uint64_t points;
    kith_pool pool;
    int workers;

    kith_init(&argc, &argv);
    workers = (int)number(argc, argv, 2, 2);
    points = number(argc, argv, 3, 1000000000);
    start = now();
    pool = kith_pool_open(workers);
    if (argc > 1 && !strcmp(argv[1], "montecarlo")) {
        kith_sum(pool, inside, NULL, 0, points, &sum);
        limit = 10.0 / sqrt((double)points);
    } else {
        kith_sum(pool, midpoint, KITH_ARG(points), points, &sum);
        limit = 1e-9;
    }
    kith_pool_close(pool);
    say("seconds", now() - start);
    if (fabs(sum / (double)points - acos(-1.0)) > limit)
        die("a wrong result");
    return kith_finalize();
}
