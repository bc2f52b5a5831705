/* async: many trivial tasks, each a call of its own, in millions a second.
 *     async apply TASKS      kith_apply_async of all of them, then all results
 *     async imap TASKS       kith_imap_unordered over an array */
#include "config.h"

#include <string.h>

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

static double imap_all(kith_pool pool, const int *in, int n)
{
    double start = now();
    kith_iter it = kith_imap_unordered(pool, successor, in, (size_t)n);
    long sum = 0, count = 0;
    int y;

    while (kith_next(it, &y) == 0) {
        sum += y;
        count++;
    }
    kith_iter_close(it);
    start = now() - start;
    if (count != n || sum != (long)n * (n + 1) / 2)
        die("a wrong result");
    return n / start * 1e-6;
}

int main(int argc, char **argv)
{
    int n = (int)number(argc, argv, 2, 1000000), *in;
    kith_result *r;
    kith_pool pool;

    kith_init(&argc, &argv);
    r = malloc((size_t)n * sizeof *r);
    in = malloc((size_t)n * sizeof *in);
    if (!r || !in)
        die("no memory");
    for (int i = 0; i < n; i++)
        in[i] = i;
    pool = kith_pool_open(2);
    if (argc > 1 && !strcmp(argv[1], "imap")) {
        say("first", imap_all(pool, in, n));
        say("second", imap_all(pool, in, n));
    } else {
        say("first", apply_all(pool, r, n));
        say("second", apply_all(pool, r, n));
    }
    kith_pool_close(pool);
    free(in);
    free(r);
    return kith_finalize();
}
