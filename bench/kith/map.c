/* map: 10^7 cheap tasks. Prints million tasks a second of the first map over two arrays, of the second, and
 * of later ones (median).
 * map kith|malloc CHUNK LATER [THREADS]     the memory of the arrays; tasks a claim, 0: found at run time;
 * how many later ones; 1: the workers are threads */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"

enum { N = 10000000, MOST = 100 };

static double cheap(double x)
{
    return x * 0.5 + 1.0;
}

static double *array(int kith)
{
    double *a = kith ? kith_alloc(N * sizeof *a) : malloc(N * sizeof *a);

    if (!a)
        die("no memory for the arrays");
    return a;
}

static double rate(kith_pool pool, const double *in, double *out)
{
    double start = now();

    kith_map(pool, cheap, in, out, N);
    return N / (now() - start) * 1e-6;
}

int main(int argc, char **argv)
{
    double *in, *out, later[MOST];
    kith_pool pool;
    size_t n;
    int kith;

    kith_init(&argc, &argv);
    kith = argc > 1 && !strcmp(argv[1], "kith");
    in = array(kith);
    out = array(kith);
    for (int i = 0; i < N; i++)
        in[i] = i;
    pool =
        kith_pool_open_with(2, .chunk = number(argc, argv, 2, 0), .threads = (int)number(argc, argv, 4, 0));
    say("first", rate(pool, in, out));
    say("second", rate(pool, in, out));
    n = number(argc, argv, 3, 5);
    for (size_t i = 0; i < n && i < MOST; i++)
        later[i] = rate(pool, in, out);
    if (n)
        say("later", quantile(later, n < MOST ? n : MOST, 0.5));
    for (int i = 0; i < N; i++)
        if (out[i] != cheap(i))
            die("a wrong result");
    kith_pool_close(pool);
    return kith_finalize();
}
