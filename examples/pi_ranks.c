/* pi_ranks: every rank runs main and does its part, and MPI adds the parts up: what an
 * MPI program that uses kith looks like. Started by hand, it restarts itself under
 * mpirun, on all CPUs.
 *
 *     ./pi_ranks 1e9
 *     mpirun -n 4 ./pi_ranks --montecarlo 1e9
 */
#include "args.h"
#include "pi.h"

#include <kith.h>
#include <mpi.h>
#include <stdio.h>

static void integral(uint64_t lo, uint64_t hi, uint64_t steps)
{
    double part = pi_midpoint(lo, hi, steps), sum;

    MPI_Reduce(&part, &sum, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    /* MPI adds in an order of its own: the digits behind these depend on it. */
    if (kith_rank() == 0)
        printf("%.12f\n", sum / (double)steps);
}

static void montecarlo(uint64_t lo, uint64_t hi, uint64_t points)
{
    uint64_t part = pi_inside(lo, hi, 0), sum;

    MPI_Reduce(&part, &sum, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (kith_rank() == 0)
        printf("%.10g\n", 4.0 * (double)sum / (double)points);
}

int main(int argc, char **argv)
{
    kith_init_ranks(&argc, &argv);
    int random = args_flag(&argc, argv, "--montecarlo");
    uint64_t n =
        random ? args_count(argc, argv, "points", UINT64_MAX) : args_count(argc, argv, "steps", PI_MAX_STEPS);

    /* The first n % size ranks take one more than the others. */
    uint64_t rank = (uint64_t)kith_rank(), size = (uint64_t)kith_size(), share = n / size, more = n % size;
    uint64_t lo = rank * share + (rank < more ? rank : more);
    uint64_t hi = lo + share + (rank < more);

    if (random)
        montecarlo(lo, hi, n);
    else
        integral(lo, hi, n);
    return kith_finalize();
}
