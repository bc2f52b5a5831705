#!/bin/sh
# Ctrl-C at a terminal, for a program by hand and under mpirun, and Ctrl-Z and fg (mpirun does not stop at that). Nothing is left, and no half-dead job.
. "$(dirname "$0")/common"
for tool in python3 bash; do
    command -v $tool >/dev/null || { echo "skipped: no $tool here"; exit 77; }
done
typist=$here/../launcher/typist

# at_terminal NAME WAIT SEND...: and then nothing is left
at_terminal()
{
    name=$1
    shift
    cases=$((${cases:-0} + 1))
    mkdir "$TMPDIR/$cases"
    KITH_TEST_ID=$KITH_TEST_ID.$cases TMPDIR=$TMPDIR/$cases "$typist" "$@" >"$TMPDIR/said" 2>&1 || fail "$name: $(cat "$TMPDIR/said")"
    left=$("$top_srcdir/tests/leaks" "$KITH_TEST_ID.$cases" "$TMPDIR/$cases") || fail "$name: $left"
    [ -z "$(ls -A "$TMPDIR/$cases")" ] || fail "$name: left: $(find "$TMPDIR/$cases" | head -n 3)"
    ok
}

# interrupt NAME COMMAND STATUS
interrupt()
{
    program=$2 status=$3
    at_terminal "$1: Ctrl-C" "prompt> " "$program" "up " "^C" "prompt> " 'echo "status=$?"' "status=$status" "" "prompt> " ""
}

ended=1
[ "$MPI_NAME" = openmpi ] || ended=
interrupt "by hand" "$actions hold" 130
interrupt "mpirun -n 1" "$MPIRUN -n 1 $actions hold" $ended
interrupt "mpirun -n 3" "$MPIRUN $many -n 3 $actions hold" $ended
interrupt "mpirun -n 3, each" "$MPIRUN $many -n 3 $actions -e hold" $ended
interrupt "started again" "$actions -e hold" $ended
at_terminal "by hand: Ctrl-Z, fg, Ctrl-C" "prompt> " "$actions hold" "up " "^Z" "Stopped" "fg" "actions" "" "hold" "^C" "prompt> " \
    'echo "status=$?."' "status=130." "" "prompt> " ""
done_testing
