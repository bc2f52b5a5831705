/* heat: a plate with a hot edge. Each sweep is a short parallel loop, so main works on it,
 * too, while it waits.
 *
 *     ./heat
 *     mpirun -n 4 ./heat
 */
#include <kith.h>
#include <stdio.h>

enum { N = 128, SWEEPS = 1000, ROW = N + 2 };

struct plate { /* of N times N points, with an edge */
    const double *from;
    double *to;
};

/* Rows lo to hi - 1. */
static int sweep(uint64_t lo, uint64_t hi, const void *arg)
{
    const struct plate *p = arg;

    for (uint64_t y = lo + 1; y <= hi; y++)
        for (uint64_t x = 1; x <= N; x++) {
            const double *at = p->from + y * ROW + x;

            p->to[y * ROW + x] = 0.25 * (at[-1] + at[1] + at[-ROW] + at[ROW]);
        }
    return 0;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open_with(0, .caller = 1);
    double *a = kith_alloc(ROW * ROW * sizeof *a), *b = kith_alloc(ROW * ROW * sizeof *b);

    for (int i = 0; i < ROW * ROW; i++)
        a[i] = b[i] = i < ROW ? 100.0 : 0.0;
    for (int i = 0; i < SWEEPS; i++) {
        struct plate p = i % 2 ? (struct plate){ b, a } : (struct plate){ a, b };

        kith_for(pool, sweep, KITH_ARG(p), N);
    }
    for (int y = 1; y <= N; y *= 2)
        printf("%.3f\n", a[y * ROW + N / 2]);
    kith_pool_close(pool);
    return kith_finalize();
}
