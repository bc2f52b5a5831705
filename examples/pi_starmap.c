/* pi_starmap: the integral of 4 / (1 + x^2) again, cut by hand: worker number rank
 * of processes takes every processes-th step, beginning with its own number, and
 * the partial answers are added up.
 *
 *     ./pi_starmap 1e8
 *     mpirun -n 4 ./pi_starmap 1e8
 */
#include "args.h"
#include "pi.h"

#include <kith.h>
#include <stdio.h>

static double partial_pi(long rank, long processes, long steps)
{
    double sum = 0.0;

    for (long i = rank; i < steps; i += processes) {
        double x = ((double)i + 0.5) / (double)steps;

        sum += 4.0 / (1.0 + x * x);
    }
    return sum / (double)steps;
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    long steps = (long)args_count(argc, argv, "steps", PI_MAX_STEPS);
    long inputs[][3] = { { 0, 4, steps }, { 1, 4, steps }, { 2, 4, steps }, { 3, 4, steps } };
    double partial[4];

    kith_pool pool = kith_pool_open(4);
    kith_starmap(pool, partial_pi, inputs, partial, 4);
    kith_pool_close(pool);
    printf("%.15f\n", partial[0] + partial[1] + partial[2] + partial[3]);
    return kith_finalize();
}
