#!/bin/sh
# A head that closes all descriptors under mpirun: the work is done, MPI cannot end, and a sentence says so. It
# fails when something of kith is read from or written to by a number that is the program's now, in the work or at
# the end, and when MPI_Finalize is called all the same, which hangs, or writes to such a number.
. "$(dirname "$0")/common"
[ "$MPI_NAME" = openmpi ] || { echo "skipped: MPICH's launcher kills such a program at once"; exit 77; }

mpi="*kith: rank 0 on * ends without MPI_Finalize, as the program has closed the descriptors of *"
expect "by hand" 0 "sum 332833500" "*" "$actions" closed
# Of several ranks it also breaks the lines to the others, for which alone MPI_Finalize is left out.
expect "one rank" 1 "sum 332833500" "$mpi" ranks 1 "$actions" closed
expect "two ranks" 1 "sum 332833500" "$mpi" ranks 2 "$actions" closed
if [ -e "$KITH_MODULES/kith-net.so" ]; then
    export KITH_TRANSPORT=net
    expect "with an agent" 1 "sum 332833500" "$mpi" ranks 2 "$actions" closed
fi
done_testing
