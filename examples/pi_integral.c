/* pi_integral: the integral of 4 / (1 + x^2) by kith_sum, which cuts the range
 * 0 … steps-1 into blocks, has the workers add up one block after the other, and
 * adds the sums in order: the same digits on one worker and on a thousand.
 *
 *     ./pi_integral 1e9
 *     mpirun -n 4 ./pi_integral 1e9
 */
#include "args.h"
#include "pi.h"

#include <kith.h>
#include <stdio.h>

static double partial_sum(uint64_t lo, uint64_t hi, const void *arg)
{
    const uint64_t *steps = arg;

    return pi_midpoint(lo, hi, *steps);
}

int main(int argc, char **argv)
{
    double sum;

    kith_init(&argc, &argv);
    uint64_t steps = args_count(argc, argv, "steps", PI_MAX_STEPS);

    kith_pool pool = kith_pool_open(0);
    kith_sum(pool, partial_sum, KITH_ARG(steps), steps, &sum);
    kith_pool_close(pool);
    printf("%.15f\n", sum / (double)steps);
    return kith_finalize();
}
