/* pi_overhead: pi from 10^4 random points, ten times as many, and so on up to a number:
 * how long does it take alone, and by a pool that is opened for it? To start the workers
 * takes a few milliseconds, so for few points one process alone is faster. Its time
 * grows with the points, that of the pool hardly at all at first; sooner or later, the
 * workers win.
 *
 *     ./pi_overhead 1e9
 *     mpirun -n 4 ./pi_overhead 1e9
 */
#include "args.h"
#include "pi.h"

#include <kith.h>
#include <stdio.h>

static double inside(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return (double)pi_inside(lo, hi, 0);
}

static double by_pool(uint64_t points)
{
    kith_pool pool = kith_pool_open(0);
    double hits;

    kith_sum(pool, inside, NULL, 0, points, &hits);
    kith_pool_close(pool);
    return hits;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    uint64_t most = args_count(argc, argv, "points", UINT64_MAX);

    for (uint64_t points = most < 10000 ? most : 10000; points <= most; points *= 10) {
        double start = kith_time(), alone = inside(0, points, NULL), middle = kith_time();
        double pooled = by_pool(points), end = kith_time();

        printf("%llu points: %.5f in %.6f s alone, %.5f in %.6f s by a pool\n", (unsigned long long)points,
               4 * alone / (double)points, middle - start, 4 * pooled / (double)points, end - middle);
        if (points > UINT64_MAX / 10)
            break;
    }
    return kith_finalize();
}
