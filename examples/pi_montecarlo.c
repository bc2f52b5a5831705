/* pi_montecarlo: throws points into a square and counts those inside the circle,
 * with all workers and then alone, and takes the time of both. Where a point falls
 * depends on its number only, so both give the same estimate.
 *
 *     ./pi_montecarlo 1e9
 *     NUM_PROCS=4 ./pi_montecarlo 1e9             (or -n 4)
 *     mpirun -n 4 ./pi_montecarlo --seed 7 --no-serial 1e12
 */
#include "args.h"
#include "pi.h"

#include <kith.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* One row for each worker: its first point, the one behind its last, the seed. */
typedef unsigned long row[3];

static unsigned long inside(unsigned long lo, unsigned long hi, unsigned long seed)
{
    return pi_inside(lo, hi, seed);
}

static void share_out(row *rows, int workers, unsigned long points, unsigned long seed)
{
    unsigned long lo = 0, n = (unsigned long)workers;

    for (unsigned long i = 0; i < n; i++) {
        rows[i][0] = lo;
        rows[i][1] = lo += points / n + (i < points % n);
        rows[i][2] = seed;
    }
}

static void print_points(row *rows, int workers)
{
    printf("ncpus=%d\nPoints: [", workers);
    for (int i = 0; i < workers; i++)
        printf("%s%lu", i > 0 ? ", " : "", rows[i][1] - rows[i][0]);
    printf("]\n");
}

/* Returns the number of points inside. */
static unsigned long count(kith_pool pool, row *rows, int workers)
{
    unsigned long *hits = kith_alloc((size_t)workers * sizeof *hits), total = 0;

    kith_starmap(pool, inside, rows, hits, (size_t)workers);
    for (int i = 0; i < workers; i++)
        total += hits[i];
    kith_free(hits);
    return total;
}

static void print_estimate(unsigned long hits, unsigned long points)
{
    printf("%.10g\n", 4.0 * (double)hits / (double)points);
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    const char *seed_text = args_option(&argc, argv, "--seed");
    const char *n = args_option(&argc, argv, "-n"), *variable = getenv("NUM_PROCS");
    int serial = !args_flag(&argc, argv, "--no-serial"), workers = 0;
    unsigned long points = args_count(argc, argv, "points", ULONG_MAX);
    unsigned long seed = seed_text ? args_number("--seed", seed_text, 0, ULONG_MAX) : 0;

    if (n || variable)
        workers = (int)args_number(n ? "-n" : "NUM_PROCS", n ? n : variable, 1, INT_MAX);

    double begin = kith_time();
    kith_pool pool = kith_pool_open(workers);
    workers = kith_pool_workers(pool);
    row *rows = kith_alloc((size_t)workers * sizeof *rows);
    share_out(rows, workers, points, seed);
    print_points(rows, workers);
    print_estimate(count(pool, rows, workers), points);
    printf("Parallel time on %d cores:%.4f\n", workers, kith_time() - begin);
    kith_pool_close(pool);
    kith_free(rows);

    if (serial) {
        begin = kith_time();
        print_estimate(inside(0, points, seed), points);
        printf("Serial time:%.4f\n", kith_time() - begin);
    }
    return kith_finalize();
}
