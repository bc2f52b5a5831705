#!/bin/sh
# A launcher that is not understood is one sentence and never N heads; and a program whose every rank runs main, started by hand,
# starts itself again, once.
# kith-test: limit=600
. "$(dirname "$0")/common"
fake=$TMPDIR/fake only=$TMPDIR/only
mkdir "$fake" "$only"
for module in "$KITH_MODULES"/kith-*.so; do
    case $module in
    *mpi-*) ;;
    *) ln -s "$module" "$only" ;;
    esac
done
ln -s "$KITH_MODULES/kith-mpi-$MPI_NAME.so" "$only"
export KITH_MODULES="$only"

# fake TEXT: what is called mpirun, first in PATH
fake()
{
    for name in mpirun mpiexec "$(basename "$MPIRUN")"; do
        printf '#!/bin/sh\n%s\n' "$1" >"$fake/$name"
        chmod +x "$fake/$name"
    done
}

cpus=$("$actions" masks | sed -n 's/ workers$//p')
each()
{
    "$@" >"$TMPDIR/all" 2>"$TMPDIR/alsoerr"
    status=$?
    sort "$TMPDIR/all" | uniq -c | tr -s ' '
    grep -v 'workers, rank' "$TMPDIR/alsoerr" >&2
    return $status
}

# By hand: as many ranks as there are CPUs.
expect "by hand" 0 " $cpus sum 332833500" "" each "$actions" -e count
expect "by hand, KITH_WORKERS=3" 0 " 3 sum 332833500" "" each env KITH_WORKERS=3 "$actions" -e count
expect "by hand, KITH_LAUNCH=none" 0 " 1 sum 332833500" "" each env KITH_LAUNCH=none "$actions" -e count
expect "names of ranks" 0 " 1 rank 0
 1 rank 1" "" each ranks 2 "$actions" -e name
expect "the name of the head" 0 " 1 main" "" each ranks 2 "$actions" name
expect "exit status" 3 "" "" "$actions" -e exit 3
expect "one rank fails" 4 "" "" env KITH_WORKERS=3 "$actions" -e -r 2 exit 4
command -v taskset >/dev/null && expect "on one CPU" 0 " 1 sum 332833500" "" \
    each taskset -c "$("$actions" masks | sed -n 's/^worker 0: cpus \([0-9]*\).*/\1/p')" "$actions" -e count
expect "a rank starts a program" 0 " 3 sum 332833500" "" each ranks 2 sh -c '
    "$0" -e count; [ "${OMPI_COMM_WORLD_RANK-$PMI_RANK}" = 0 ] || exit 0; env -u KITH_SEAT KITH_LAUNCH=none "$0" -e count' "$actions"

# Open MPI starts one program in each rank and no second one.
[ "$MPI_NAME" != openmpi ] || expect "two programs, one after the other" 1 "" \
    "*kith: a program of kith has run in these ranks before, *: give each program an mpirun of its own
---*" ranks 3 sh -c '"$0" -e count >"$1" 2>&1 && "$0" -e count' "$actions" /dev/null
# shellcheck disable=SC2016
[ "$MPI_NAME" != mpich ] || expect "two jobs in a step of Slurm that is for Open MPI" 0 " 2 sum 332833500" "" \
    each env PMIX_NAMESPACE=job PMIX_RANK=0 PMIX_SERVER_TMPDIR="$TMPDIR" \
    sh -c '"$1" -n 1 "$0" -e count && "$1" -n 1 "$0" -e count' "$actions" "$MPIRUN"

# The guard. This mpirun starts two programs that know nothing of each other; each would start it again. (When configure was given
# an mpirun by its path, it is that one that is called.)
case $MPI_NAME in
openmpi) called=$OPENMPI_MPIRUN ;;
*) called=$MPICH_MPIRUN ;;
esac
guard()
{
    fake "[ \"\$1\" = -n ] && shift 2; \"\$@\" & \"\$@\"; status=\$?; wait; exit \$status"
    expect "an mpirun that is none" 1 "" "kith: the program started itself under */fake/* and is still alone: it works with *
kith: the program started itself under */fake/* and is still alone: it works with *" \
        env PATH="$fake:$PATH" "$actions" -e count
    fake "exit 77"
    expect "an mpirun that starts nothing" 77 "" "" env PATH="$fake:$PATH" "$actions" -e count
    mkdir "$TMPDIR/empty"
    expect "no mpirun" 1 "" "*kith: there is no mpirun of * to run this program on all CPUs: apt install *" \
        env PATH="$TMPDIR/empty" "$actions" -e count
}
case $called in
/*) ;;
*) guard ;;
esac

# The other MPI's launcher, on a program that kith was built for this one only, or that is linked with it.
case $MPI_NAME in
openmpi) other=$MPICH_MPIRUN named="mpiexec of MPICH" ours="Open MPI" ;;
*) other=$OPENMPI_MPIRUN named="mpirun of Open MPI" ours=MPICH ;;
esac
other=$(command -v "${other:-none}")
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none

# Open MPI's mpirun has its own text for a program that fails before MPI: only what kith says counts.
by_other()
{
    "$@" 2>"$TMPDIR/theirs"
    status=$?
    grep '^kith:' "$TMPDIR/theirs" >&2
    [ $status = 0 ] || return 1
}
if [ -n "$other" ]; then
    for n in 1 3; do
        for e in "" -e; do
            # shellcheck disable=SC2086
            expect "$named -n $n $e" 1 "" "kith: $named started this program, but kith was built for $ours: start it with mp* of $ours (*)" \
                by_other "$other" -n $n "$actions" $e count
        done
    done
    [ ! -x examples/pi_ranks ] ||
        expect "$named, linked with $ours" 1 "" "kith: $named started this program, which is linked with $ours: start it with mp* of $ours (*)" \
            by_other "$other" -n 3 examples/pi_ranks 1e6
    fake "exec '$other' \"\$@\""
    if [ "$MPI_NAME:$called" = openmpi:mpirun ]; then
        expect "it calls the other mpirun by itself" 1 "" \
            "kith: $named (*/fake/*, which the program has called) started this program, but kith was built for $ours: *" \
            env PATH="$fake:$PATH" KITH_WORKERS=3 "$actions" -e count
    fi
fi

# srun without PMI: many tasks that do not know of each other.
srun_without_pmi()
{
    rank=0
    while [ $rank -lt 4 ]; do
        SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@"
        echo "task $rank: $?"
        rank=$((rank + 1))
    done
}
statuses="task 0: 1
task 1: 0
task 2: 0
task 3: 0"
expect "srun without PMI" 0 "$statuses" "kith: srun started 4 tasks that do not know of each other: use srun --mpi=*" \
    srun_without_pmi "$actions" count
expect "srun without PMI, each" 0 "$statuses" "kith: srun started 4 tasks that do not know of each other: use srun --mpi=*" \
    srun_without_pmi "$actions" -e count
# Other launchers.
for variable in MV2_COMM_WORLD_RANK PALS_RANKID ALPS_APP_PE JSM_NAMESPACE_RANK; do
    expect "$variable" 1 "" "kith: * started this program, but kith works with Open MPI and MPICH only; *" env $variable=0 "$actions" count
    expect "$variable: one speaks" 0 "" "" env $variable=2 "$actions" count
done
expect "KITH_LAUNCH" 1 "" "kith: KITH_LAUNCH is \"mpi\": it takes none, openmpi or mpich" env KITH_LAUNCH=mpi "$actions" count

# once COMMAND...: what kith says, with how often it says it
once()
{
    "$@" 2>"$TMPDIR/theirs"
    status=$?
    grep '^kith:' "$TMPDIR/theirs" | sort | uniq -c | tr -s ' ' >&2
    [ $status = 0 ] || return 1
}

# A module that is there and cannot be loaded, as where a library that it needs is missing: one rank of the host says so.
mkdir "$TMPDIR/torn"
echo torn >"$TMPDIR/torn/kith-mpi-$MPI_NAME.so"
for e in "" -e; do
    # shellcheck disable=SC2086
    expect "a module that cannot be loaded, $e" 1 "" " 1 kith: kith's module mpi-$MPI_NAME cannot be loaded on $(hostname): *" \
        once ranks 3 env KITH_MODULES="$TMPDIR/torn" "$actions" $e count
done

# A program that cannot load anything.
fixed=$TMPDIR/fixed
if [ -z "$SANITIZER_FLAGS" ] && [ -e "$top_builddir/lib/.libs/libkith.a" ] &&
    $CC -static -I"$top_srcdir/lib" -I"$top_builddir" "$top_srcdir/tests/ranks/actions.c" "$top_builddir/lib/.libs/libkith.a" -lm -lpthread \
        -o "$fixed" 2>"$TMPDIR/cc"
then
    expect "linked with -static, by hand" 0 "sum 332833500" "* workers, rank 0 of 1" "$fixed" count
    for e in "" -e; do
        # shellcheck disable=SC2086
        expect "linked with -static, $e" 1 "" " 1 kith: * started this program, which is linked with -static *" once ranks 3 "$fixed" $e count
    done
fi

# A variable that means nothing is said once, by one of the ranks that all have it.
for wrong in KITH_CHECK KITH_DEBUG KITH_LAUNCH KITH_LOG KITH_MEM KITH_ON_CRASH KITH_SEED KITH_SERIAL KITH_TRANSPORT KITH_WORKERS; do
    for e in "" -e; do
        # shellcheck disable=SC2086
        expect "mpirun -n 3 $e: $wrong" 1 "" " 1 kith: $wrong*" once ranks 3 env $wrong=wrong "$actions" $e count
    done
done
done_testing
