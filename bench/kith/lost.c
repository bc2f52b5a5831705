/* lost: a map over all nodes, in the middle of which bench/run takes the power from one of them. Prints
 * "ready", then the seconds that it has taken, and those that its tasks have slept in all. Started by kith
 * run.
 *     lost SECONDS          as long as it would take if no node were lost */
#include "config.h"

#include "../bench.h"
#include "kith.h"

enum { TASK_MS = 10 };

static double sleeps(double seconds)
{
    double start = now();

    nanosleep(&(struct timespec){ .tv_nsec = (long)(seconds * 1e9) }, NULL);
    return now() - start;
}

int main(int argc, char **argv)
{
    double *in, *out, took, work = 0;
    kith_pool pool;
    size_t n;

    kith_init(&argc, &argv);
    pool = kith_pool_open_with(0, .nodes = -1);
    if (kith_nodes() < 3 || kith_pool_workers(pool) != kith_nodes())
        die("not a worker on each of several nodes");
    n = (size_t)kith_nodes() * number(argc, argv, 1, 10) * 1000 / TASK_MS;
    in = malloc(n * sizeof *in);
    out = malloc(n * sizeof *out);
    if (!in || !out)
        die("no memory for the arrays");
    for (size_t i = 0; i < n; i++)
        in[i] = 1e-3 * TASK_MS;
    kith_map(pool, sleeps, in, out, 100);
    printf("ready\n");
    fflush(stdout);
    took = now();
    kith_map(pool, sleeps, in, out, n);
    took = now() - took;
    for (size_t i = 0; i < n; i++)
        work += out[i] >= in[i] ? out[i] : -1e9;
    if (work < 0)
        die("a task is missing");
    say("took", took);
    say("work", work);
    kith_pool_close(pool);
    free(in);
    free(out);
    return kith_finalize();
}
