/* async: many trivial tasks, each a call of its own, in millions a second.
 *     async apply TASKS      kith_apply_async of all of them, then all results */
#include "config.h"

#include "../bench.h"
#include "kith.h"

static int successor(int i)
{
    return i + 1;
}

static double apply_all(kith_pool pool, kith_result *r, int n)
{
    double start = now();
    int y = 0, wrong = 0;

    for (int i = 0; i < n; i++)
        r[i] = kith_apply_async(pool, successor, i);
    for (int i = 0; i < n; i++) {
        kith_get(r[i], &y);
        wrong += y != i + 1;
    }
    if (wrong)
        die("a wrong result");
    return n / (now() - start) * 1e-6;
}

int main(int argc, char **argv)
{
    int n = (int)number(argc, argv, 2, 1000000);
    kith_result *r;
    kith_pool pool;

    kith_init(&argc, &argv);
    r = malloc((size_t)n * sizeof *r);
    if (!r)
        die("no memory");
    pool = kith_pool_open(2);
    say("first", apply_all(pool, r, n));
    say("second", apply_all(pool, r, n));
    kith_pool_close(pool);
    free(r);
    return kith_finalize();
}
