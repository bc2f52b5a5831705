/* bcast: MPI_Bcast of so many MiB from rank 0 to all others, into memory that was not touched before, as that
 * of kith's copies. Prints GB/s of one copy.
 *     bcast MIB */
#include "config.h"

#include <mpi.h>
#include <string.h>

#include "../bench.h"

int main(int argc, char **argv)
{
    size_t size = number(argc, argv, 1, 1024) << 20;
    unsigned char *data;
    double t, longest;
    int rank;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (size > INT32_MAX || !(data = malloc(size)))
        die("no memory, or too much for one MPI_Bcast");
    if (rank == 0)
        memset(data, 42, size);
    MPI_Barrier(MPI_COMM_WORLD);
    t = now();
    MPI_Bcast(data, (int)size, MPI_BYTE, 0, MPI_COMM_WORLD);
    t = now() - t;
    if (data[size - 1] != 42)
        die("other bytes have come");
    MPI_Reduce(&t, &longest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    if (rank == 0)
        say("bytes", (double)size / longest * 1e-9);
    free(data);
    return MPI_Finalize();
}
