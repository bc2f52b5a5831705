/* metg: the task length, in microseconds, at which a pool with chunks of one task works half of its time. */
#include "config.h"

#include "../bench.h"
#include "kith.h"
#include "../metg.h"

enum { N = 200000, WORKERS = 2 };

static kith_pool pool;
static uint64_t *lengths, *results;

static double run(uint64_t steps, size_t n)
{
    double start;

    for (size_t i = 0; i < n; i++)
        lengths[i] = steps;
    start = now();
    kith_map(pool, metg_task, lengths, results, n);
    return now() - start;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    lengths = kith_alloc(N * sizeof *lengths);
    results = kith_alloc(N * sizeof *results);
    if (!lengths || !results)
        die("no memory for the arrays");
    pool = kith_pool_open_with(WORKERS, .chunk = 1);
    run(1, N);
    say("metg", 1e6 * metg(run, N, WORKERS));
    kith_pool_close(pool);
    return kith_finalize();
}
