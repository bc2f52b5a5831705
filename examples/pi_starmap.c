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

enum { PROCESSES = 4 };

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
    long inputs[PROCESSES][3];
    double partial[PROCESSES], pi = 0.0;

    kith_init(&argc, &argv);
    long steps = (long)args_count(argc, argv, "steps", PI_MAX_STEPS);

    for (int rank = 0; rank < PROCESSES; rank++) {
        inputs[rank][0] = rank;
        inputs[rank][1] = PROCESSES;
        inputs[rank][2] = steps;
    }
    kith_pool pool = kith_pool_open(PROCESSES);
    kith_starmap(pool, partial_pi, inputs, partial, PROCESSES);
    kith_pool_close(pool);
    for (int rank = 0; rank < PROCESSES; rank++)
        pi += partial[rank];
    printf("%.15f\n", pi);
    return kith_finalize();
}
