/* empty: the least that an MPI program does, to be timed from outside. */
#include "config.h"

#include <mpi.h>

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    return MPI_Finalize();
}
