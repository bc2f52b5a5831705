/* pi_combined: three kinds of parallelism in one program. Vector instructions compute
 * several points at a time (pi.c), the threads of a worker divide its part among them,
 * and the workers of a pool divide all points. There should not be more threads in all
 * than CPUs: kith binds each worker to its share of them and sets OMP_NUM_THREADS and the
 * variables of BLAS libraries there to their number, unless the user has set them.
 *
 *     ./pi_combined 1e9
 *     ./pi_combined -n 4 1e9                      (four workers; by default there are two)
 *     OMP_NUM_THREADS=8 ./pi_combined -n 1 1e9
 */
#include "args.h"
#include "pi.h"

#include <kith.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 256 };

struct part {
    uint64_t lo, hi, hits;
    int threads;
};

static void cut(const struct part *whole, struct part *parts, int n)
{
    uint64_t size = (whole->hi - whole->lo) / (uint64_t)n;

    for (int i = 0; i < n; i++) {
        parts[i].lo = whole->lo + (uint64_t)i * size;
        parts[i].hi = i < n - 1 ? parts[i].lo + size : whole->hi;
    }
}

static void *throw_points(void *arg)
{
    struct part *part = arg;

    part->hits = pi_inside(part->lo, part->hi, 0);
    return NULL;
}

/* The task: as many threads as a library of OpenMP would take here, each with a part. */
static int inside(const void *in, void *out)
{
    const char *variable = getenv("OMP_NUM_THREADS");
    int threads = variable ? atoi(variable) : 1, started = 0;
    struct part *sum = out, parts[MOST];
    pthread_t t[MOST];

    threads = threads < 1 ? 1 : threads < MOST ? threads : MOST;
    cut(in, parts, threads);
    *sum = (struct part){ .threads = threads };
    while (started < threads && pthread_create(&t[started], NULL, throw_points, &parts[started]) == 0)
        started++;
    for (int i = 0; i < started; i++) {
        pthread_join(t[i], NULL);
        sum->hits += parts[i].hits;
    }
    return started == threads ? 0 : kith_fail(1, "%d of %d threads can be started", started, threads);
}

int main(int argc, char **argv)
{
    struct part in[MOST], out[MOST];
    uint64_t hits = 0;

    kith_init(&argc, &argv);
    const char *n = args_option(&argc, argv, "-n");
    struct part whole = { .hi = args_count(argc, argv, "points", UINT64_MAX) };
    int workers = n ? (int)args_number("-n", n, 1, MOST) : 2;

    double start = kith_time();
    kith_pool pool = kith_pool_open(workers);
    cut(&whole, in, workers);
    kith_map(pool, inside, in, out, (size_t)workers);
    kith_pool_close(pool);
    for (int i = 0; i < workers; i++)
        hits += out[i].hits;
    printf("%d worker%s, threads in each: %d\n", workers, workers == 1 ? "" : "s", out[0].threads);
    printf("%.10g\nTime: %.4f\n", 4.0 * (double)hits / (double)whole.hi, kith_time() - start);
    return kith_finalize();
}
