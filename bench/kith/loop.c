/* loop: what a short parallel loop takes, in µs: one of 128 empty blocks, and Jacobi sweeps over two grids.
 * loop [CALLER [THREADS]]     two workers; 1: one worker, and the caller works, too; 1: the workers are
 * threads */
#include "config.h"

#include "../loop.h"
#include "kith.h"

enum { ROUNDS = 2000, WARM = 200, SWEEPS_OF_LARGE = 200 };

static int nothing(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)lo;
    (void)hi;
    (void)arg;
    return 0;
}

static int sweep(uint64_t lo, uint64_t hi, const void *arg)
{
    sweep_rows(arg, lo, hi);
    return 0;
}

static void empty(kith_pool pool)
{
    static double took[ROUNDS];

    for (int i = -WARM; i < ROUNDS; i++) {
        double start = now();

        kith_for(pool, nothing, NULL, 0, EMPTY_BLOCKS);
        if (i >= 0)
            took[i] = now() - start;
    }
    say("empty", 1e6 * quantile(took, ROUNDS, 0.5));
}

static void jacobi(kith_pool pool, const char *key, uint64_t n, int sweeps)
{
    double *a = kith_alloc(grid_size(n)), *b = kith_alloc(grid_size(n)), took[ROUNDS];

    if (!a || !b)
        die("no memory for the grids");
    grid_fill(a, n);
    grid_fill(b, n);
    for (int i = 0; i < sweeps; i++) {
        struct grids g = { i % 2 ? b : a, i % 2 ? a : b, n };
        double start = now();

        kith_for(pool, sweep, KITH_ARG(g), n);
        took[i] = now() - start;
    }
    say(key, 1e6 * quantile(took, (size_t)sweeps, 0.5));
    check_sweeps(a, n, sweeps);
    kith_free(a);
    kith_free(b);
}

int main(int argc, char **argv)
{
    kith_pool pool;
    int caller;

    kith_init(&argc, &argv);
    caller = (int)number(argc, argv, 1, 0);
    pool = kith_pool_open_with(caller ? 1 : 2, .caller = caller, .threads = (int)number(argc, argv, 2, 0));
    empty(pool);
    jacobi(pool, "small", SMALL, ROUNDS);
    jacobi(pool, "large", LARGE, SWEEPS_OF_LARGE);
    kith_pool_close(pool);
    return kith_finalize();
}
