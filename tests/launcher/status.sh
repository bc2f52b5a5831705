#!/bin/sh
# Real jobs, with each MPI that is there: output, input, exit status, and what is said of an unhappy end.
# kith-test: limit=600
. "$(dirname "$0")/common"
export CI=true

job()
{
    expect "$mpi: output and status 0" 0 hello "" "$kith" run -n 1 echo hello
    expect "$mpi: both streams" 0 out err "$kith" run -n 1 sh -c 'echo out; echo err >&2'
    expect "$mpi: two ranks" 0 "rank
rank" "*" "$kith" run -n 2 echo rank
    expect "$mpi: more ranks than CPUs" 0 "$(yes rank | head -n 9)" "" "$kith" run -n 9 --oversubscribe echo rank
    expect "$mpi: arguments arrive as they are" 0 "a b||c\$'d" "" "$kith" run -n 1 sh -c 'printf "%s|%s|%s" "$@"' sh "a b" "" "c\$'d"
    for status in 1 3 125 200 255; do
        expect "$mpi: exit status $status" $status "" "" "$kith" run -n 1 sh -c "exit $status"
    done
    for signal in SEGV:139 ABRT:134 KILL:137 TERM:143; do
        expect "$mpi: death by SIG${signal%:*}" "${signal#*:}" "" "kith: * was killed by signal $((${signal#*:} - 128)) (*)" \
            "$kith" run -n 1 sh -c "kill -${signal%:*} \$\$"
    done
    got=$(printf 'one\ntwo' | "$kith" run -n 1 cat)
    [ "$got" = "one
two" ] && ok "$mpi: stdin" || fail "$mpi: stdin: $got"
    expect "$mpi: -x" 0 "x y" "" "$kith" run -n 1 -x 'KITH_TEST_WORD=x y' sh -c 'echo "$KITH_TEST_WORD"'
    expect "$mpi: variables of kith" 0 "7" "" env KITH_SEED=7 "$kith" run -n 1 sh -c 'echo $KITH_SEED'
    "$kith" run -n 2 --oversubscribe yes 2>err | head -n 1 >out
    [ "$(cat out)" = y ] && [ ! -s err ] && ok "$mpi: a reader that leaves" || fail "$mpi: a reader that leaves: $(cat err)"
    "$kith" run -n 1 sh -c 'seq 20000; echo on >&2' >/dev/full 2>err
    [ "$?,$(cat err)" = "1,on
kith: some output of the program to stdout could not be written" ] && ok "$mpi: a full disk" ||
        fail "$mpi: a full disk: $(cat err)"
    # A sanitizer would tell of what MPI itself has not freed.
    if [ -z "${SANITIZER_FLAGS-}" ] && [ "$mpi" = "${MPI_NAME-}" ] && [ -x "$top_builddir/examples/to_celsius" ]; then
        byhand=$("$top_builddir/examples/to_celsius" 2>&1 >/dev/full; echo $?)
        got=$("$kith" run -n 1 "$top_builddir/examples/to_celsius" 2>&1 >/dev/full; echo $?)
        [ "$got" = "$byhand" ] && ok "$mpi: a full disk, as by hand" || fail "$mpi: a full disk: $got, by hand $byhand"
    fi
    "$kith" run -n 1 sh -c 'seq 20000; exit 3' >/dev/full 2>err
    [ "$?,$(cat err)" = "3," ] && ok "$mpi: a full disk and a status" || fail "$mpi: a full disk and a status: $(cat err)"
    case $(KITH_LOG=info "$kith" run -n 1 true 2>&1) in
    *"kith: "*" -n 1 "*true*) ok "$mpi: KITH_LOG=info shows the call" ;;
    *) fail "$mpi: KITH_LOG=info shows the call" ;;
    esac
    echo not a program >text
    chmod +x text
    expect "$mpi: nothing is left on stdout" 126 "" "kith: *" "$kith" run -n 2 --oversubscribe ./text

    # What --dry-run prints is the call. MPICH's mpiexec may die of SIGPIPE when its program ends at once; kith run keeps it
    # from that.
    line=$("$kith" run -n 1 --dry-run sh -c "echo 'a  b'; exit 4")
    got=$(trap '' PIPE && sh -c "$line" 2>/dev/null)
    status=$?
    [ "$got,$status" = "a  b,4" ] && ok "$mpi: the dry run's line works in a shell" ||
        fail "$mpi: the dry run's line works in a shell: $got, $status"
}

# By CPUs given to ranks: a rank of one or two must not sit on one core alone, as kith's workers do that themselves.
unbound()
{
    whole=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
    expect "$mpi: a rank may use all CPUs" 0 "$whole" "" \
        "$kith" run -n 1 sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status
}

# A rank of MPI: its size, and how it ends.
mpi_program()
{
    case $mpi in
    openmpi) compiler=${OPENMPI_MPICC-} ;;
    mpich) compiler=${MPICH_MPICC-} ;;
    esac
    [ -n "$compiler" ] && command -v "$compiler" >/dev/null || return
    cat >rank.c <<'END'
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    int rank, size, sum;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (argc > 1)
        MPI_Abort(MPI_COMM_WORLD, atoi(argv[1]));
    if (rank == 0)
        printf("%d ranks, sum %d\n", size, sum);
    MPI_Finalize();
    return 0;
}
END
    "$compiler" rank.c -o rank || { fail "$mpi: $compiler"; return; }
    expect "$mpi: an MPI program" 0 "3 ranks, sum 3" "" "$kith" run -n 3 --oversubscribe ./rank
    "$kith" run -n 2 --oversubscribe ./rank 5 >out 2>err
    [ $? = 5 ] && ! grep -q -e '---' err && ok "$mpi: MPI_Abort" || fail "$mpi: MPI_Abort: $(cat err)"
}

each_mpi job
each_mpi unbound
each_mpi mpi_program
done_testing
