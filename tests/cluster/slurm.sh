#!/bin/bash
# Under Slurm, on nodes made of namespaces: how many workers each start brings, the exit status, and one sentence where srun
# starts tasks that do not know of each other.
set -u

mine=$top_builddir/tests/cluster/slurm.$$       # files that the nodes see too
failed=0 passed=0
export CLUSTER=slurm$$ SLURM_TESTBED_CPUS=4     # more than this machine may have: nobody binds

. "$top_srcdir/tests/cluster/common"
with_slurm
actions=$top_builddir/tests/ranks/actions

on_node1() { timeout 60 "$cluster" exec node1 env KITH_MODULES="$KITH_MODULES" "$@" </dev/null; }

# expect NAME STATUS OUT ERR COMMAND...: the lines of OUT in any order; ERR is a pattern of the lines on stderr that are the program's
expect()
{
    local name=$1 want=$2 out=$3 err=$4 status said
    shift 4
    on_node1 "$@" >"$TMPDIR/out" 2>"$TMPDIR/err"
    status=$?
    said=$(sed -f "$top_srcdir/tests/noise.sed" -e '/^srun: \|^slurmstepd/d' "$TMPDIR/err")
    # shellcheck disable=SC2053
    if [ $status = "$want" ] && [ "$(sort "$TMPDIR/out")" = "$(sort <<<"$out")" ] && [[ $said == $err ]]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $name: $*"
    echo "    status $status, should be $want"
    sed 's/^/    /' "$TMPDIR/out" "$TMPDIR/err"
}

sum="sum 332833500"
expect "srun -n 1 -c 4" 0 "$sum" "4 workers, rank 0 of 1" srun -n 1 -c 4 "$actions" count
expect "srun -n 2 -c 2" 0 "$sum" "4 workers, rank 0 of 2" srun -n 2 -c 2 "$actions" count
expect "srun -n 4" 0 "$sum" "4 workers, rank 0 of 4" srun -n 4 "$actions" count
expect "KITH_WORKERS" 0 "$sum" "3 workers, rank 0 of 4" srun -n 4 env KITH_WORKERS=3 "$actions" count
expect "two nodes" 0 "$sum" "4 workers, rank 0 of 2" srun -N 2 -n 2 -c 2 "$actions" count
expect "three nodes" 0 "$sum" "6 workers, rank 0 of 3" srun -N 3 -n 3 -c 2 "$actions" count
expect "three nodes, four ranks" 0 "$sum" "4 workers, rank 0 of 4" srun -N 3 -n 4 "$actions" count
# Rank 0 is late in MPI_Init, where a message of another one that has left it would find nobody to receive it.
cat >"$mine.late.c" <<'END'
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int ompi_win_init(void)
{
    void *mpi = dlopen("libmpi.so.40", RTLD_LAZY | RTLD_NOLOAD);
    void (*progress)(void) = (void (*)(void))dlsym(mpi, "opal_progress");
    int (*of_mpi)(void) = (int (*)(void))dlsym(mpi, "ompi_win_init");
    const char *rank = getenv("PMIX_RANK");

    for (int i = 0; rank && *rank == '0' && i < 5000; i++, usleep(100))
        progress();
    return of_mpi();
}
END
if [ -z "$SANITIZER_FLAGS" ] && cc -shared -fPIC "$mine.late.c" -o "$mine.late.so" 2>/dev/null; then
    expect "a rank that is late in MPI_Init" 0 "$sum" "3 workers, rank 0 of 3" srun -N 3 -n 3 env LD_PRELOAD="$mine.late.so" "$actions" count
fi
expect "each rank" 0 "$sum
$sum" "2 workers, rank * of 2
2 workers, rank * of 2" srun -n 2 "$actions" -e count

# A batch script is no launcher; what it starts has the CPUs of the job.
expect "a batch step" 0 "" "" sbatch -Q --wait -n 1 -o "$mine.out" --wrap "$actions count; $actions masks"
[ "$(grep -c '^1 workers' "$mine.out")" = 2 ] || { failed=$((failed + 1)); echo "FAILED: a batch step: $(cat "$mine.out")"; }
expect "mpirun in an allocation" 0 "$sum" "2 workers, rank 0 of 2" salloc -Q -N 2 -n 2 "$MPIRUN" --allow-run-as-root "$actions" count
# Also of a program that goes on without a node, whose launcher has options of its own for that.
for loss in end go-on; do
    expect "kith run in an allocation, --on-loss $loss" 0 "$sum" "3 workers, rank 0 of 3" \
        salloc -Q -N 3 -n 3 env KITH_MPIRUN="$MPIRUN" "$KITH_COMMAND" run --allow-run-as-root --on-loss $loss "$actions" count
done

# By ssh, with the slots of a hostfile, whatever the job has on each node.
# shellcheck disable=SC2016
expect "kith run --hostfile in an allocation" 0 "$sum" "6 workers, rank 0 of 6" salloc -Q -N 3 -n 6 env KITH_MPIRUN="$MPIRUN" KITH_COMMAND="$KITH_COMMAND" \
    sh -c 'scontrol show hostnames "$SLURM_JOB_NODELIST" | sed "s/$/ slots=2/" >"$0.hosts"; exec "$KITH_COMMAND" run --allow-run-as-root --hostfile "$0.hosts" "$1" count' \
    "$mine" "$actions"

# One task with all CPUs, in the form of hostfiles/slurm-node.sh: its rank has them all, and they are not those of one core.
cat >"$mine.sh" <<END
#!/bin/sh
#SBATCH -N 1 --cpus-per-task=4
"$MPIRUN" --allow-run-as-root "$actions" masks
"$KITH_COMMAND" run "$actions" count
srun -c 4 "$actions" count
"$MPIRUN" --allow-run-as-root --oversubscribe -n 3 "$actions" count
END
expect "one task of 4 CPUs" 0 "" "" sbatch -Q --wait -o "$mine.out" "$mine.sh"
[ "$(grep -c '^4 workers' "$mine.out")" = 4 ] && ! grep -q '^kith:' "$mine.out" && [ "$(sed -n 's/^worker .*: cpus //p' "$mine.out" | sort -u)" = \
    "$("$cluster" exec node1 sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status | sed 's/^0-1$/0,1/')" ] ||
    { failed=$((failed + 1)); echo "FAILED: one task of 4 CPUs: $(cat "$mine.out")"; }
printf '#!/bin/sh\nexec "%s" count\n' "$actions" >"$mine.prog"
chmod +x "$mine.prog"
sed "s,--cpus-per-task=16,--cpus-per-task=4," "$top_srcdir/hostfiles/slurm-node.sh" >"$mine.sh"
expect "hostfiles/slurm-node.sh" 0 "" "" env PROGRAM="$mine.prog" PATH="${KITH_COMMAND%/*}:$PATH" sbatch -Q --wait -o "$mine.out" "$mine.sh"
grep -q '^4 workers, rank 0 of 1' "$mine.out" || { failed=$((failed + 1)); echo "FAILED: hostfiles/slurm-node.sh: $(cat "$mine.out")"; }

# The batch job of the examples; its number of CPUs is that of the command line.
cp "$top_srcdir/examples/pimc.sh" "$mine.pimc.sh" # which the nodes see, wherever the sources are
expect "examples/pimc.sh" 0 "" "" env PROGRAM="$top_builddir/examples/pi_montecarlo" POINTS=1e6 \
    sbatch -Q --wait --cpus-per-task=1 -o "$mine.out" "$mine.pimc.sh"
[ "$(sed -f "$top_srcdir/tests/noise.sed" "$mine.out" | head -n 3 | tr '\n' ' ')" = "ncpus=1 Points: [1000000] 3.139004 " ] ||
    { failed=$((failed + 1)); echo "FAILED: examples/pimc.sh: $(cat "$mine.out")"; }

# CPUs of the job that are left unused are told once, with the cure.
one="kith: 3 of the 4 CPUs of this Slurm job have no worker: sbatch --cpus-per-task=4 or --ntasks=4, or KITH_WORKERS=4, uses them *"
expect "one rank of one CPU on a whole node" 0 "$sum" "$one
1 workers, rank 0 of 1" salloc -Q -N 1 -n 1 --exclusive "$MPIRUN" --allow-run-as-root "$actions" count
# On this node: mpirun starts its part on another one by srun, which has a number of tasks of its own.
expect "fewer ranks than tasks" 0 "$sum" "kith: 3 of the 4 CPUs of this Slurm job have no worker: start 4 ranks, *
1 workers, rank 0 of 1" salloc -Q -w node1 -n 4 "$MPIRUN" --allow-run-as-root -n 1 "$actions" count
expect "fewer ranks than tasks, on purpose" 0 "$sum" "1 workers, rank 0 of 1" \
    salloc -Q -w node1 -n 4 "$MPIRUN" --allow-run-as-root -n 1 -x KITH_LOG=error "$actions" count

# Tasks that do not know of each other: one sentence.
none="kith: srun started 4 tasks that do not know of each other: use srun --mpi=pmix *"
expect "without PMI" 1 "" "$none" srun --mpi=none -n 4 "$actions" count
expect "without PMI, each rank" 1 "" "$none" srun --mpi=none -n 4 "$actions" -e count
expect "one task without PMI" 0 "$sum" "2 workers, rank 0 of 1" srun --mpi=none -n 1 -c 2 "$actions" count

# shellcheck disable=SC2016
expect "two programs, one after the other" 1 "" "kith: a program of kith has run in these ranks before, *: give each program an srun of its own" \
    srun -n 2 sh -c '"$0" -e count >/dev/null 2>&1 && "$0" -e count' "$actions"

# The exit status is the job's.
expect "exit" 3 "" "" srun -n 2 "$actions" exit 3
expect "return" 3 "" "" srun -n 2 "$actions" return 3
expect "a fault" 1 "" "kith: the handle of a Queue is zero: none was opened into it*" srun -n 2 "$actions" fault
expect "one of the ranks" 3 "" "" srun -n 2 "$actions" -e -r 1 exit 3
expect "a crash" 139 "" "" srun -n 2 "$actions" segv

# The examples on three nodes: they print there what they print by hand.
example()
{
    on_node1 KITH_SEED=7 srun -N 3 -n 3 "$top_builddir/examples/$1" "${@:2}" >"$TMPDIR/out" 2>"$TMPDIR/err"
    status=$?
    sed 's/^~*/~/' "$top_srcdir/examples/expected/$1.txt" >"$TMPDIR/any" # lines of other nodes come in any order
    if [ $status = 0 ] && ! grep -qv "^srun: " "$TMPDIR/err" && "$top_srcdir/tests/examples/matches" "$TMPDIR/any" "$TMPDIR/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: srun $*: status $status"
        sed 's/^/    /' "$TMPDIR/out" "$TMPDIR/err"
    fi
}
example process_trio
example print_queue
example map_squares
example pi_starmap 1e6

if ! "$cluster" left 30; then
    failed=$((failed + 1))
    echo "FAILED: that is left"
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
