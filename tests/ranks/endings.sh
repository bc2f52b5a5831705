#!/bin/sh
# How a program ends is how its job ends: the exit status passes on, and the launcher has nothing to say.
. "$(dirname "$0")/common"

fault="kith: the handle of a Queue is zero: none was opened into it*"

# endings NAME COMMAND...: of a head; the command stands before the action
endings()
{
    name=$1
    shift
    expect "$name" 0 "" "" "$@" finalize 0
    expect "$name" 3 "" "" "$@" finalize 3
    expect "$name" 0 "" "" "$@" return 0
    expect "$name" 3 "" "" "$@" return 3
    expect "$name" 255 "" "" "$@" exit 255
    expect "$name" 0 "" "" "$@" exit 256
    expect "$name: no newline at the end" 4 "tail" "" "$@" tail 4
    expect "$name: a thread waits for input" 0 "" "" "$@" listen 0
    expect "$name: a thread waits for input" 3 "" "" "$@" listen 3
    expect "$name" 1 "" "$fault" "$@" fault
}

# A sanitizer has a report of its own, and an exit status.
crashes()
{
    [ -z "$SANITIZER_FLAGS" ] || return
    name=$1
    shift
    expect "$name" 134 "" "kith: rank 0 on * was killed by signal 6 (Aborted)" "$@" abort
    expect "$name" 139 "" "kith: rank 0 on * was killed by signal 11 (Segmentation fault)" "$@" segv
    expect "$name" 136 "" "kith: rank 0 on * was killed by signal 8 (Floating point exception)" "$@" raise 8
}

# With KITH_TEST_LONG=1 what "make check" leaves out.
numbers="1 4"
[ -z "${KITH_TEST_LONG-}" ] || numbers="2 7"
[ -n "${KITH_TEST_LONG-}" ] || endings "by hand" "$actions"
for n in $numbers; do
    endings "mpirun -n $n" ranks $n "$actions"
    crashes "mpirun -n $n" ranks $n "$actions"
done

# Each rank runs main: one that fails ends all, also those that wait.
alike()
{
    "$@" >"$TMPDIR/all"
    status=$?
    sort -u "$TMPDIR/all"
    return $status
}
for n in $numbers; do
    expect "each of $n" 0 "sum 332833500" "*" alike ranks $n "$actions" -e count
    [ "$(wc -l <"$TMPDIR/all")" = $n ] || fail "each of $n: $(wc -l <"$TMPDIR/all") lines"
    expect "each of $n" 0 "" "" ranks $n "$actions" -e finalize 0
    expect "each of $n" 0 "" "" ranks $n "$actions" -e return 0
    expect "each of $n" 3 "" "" ranks $n "$actions" -e return 3
    expect "each of $n" 3 "" "" ranks $n "$actions" -e finalize 3
    expect "each of $n: a thread waits for input" 0 "" "" ranks $n "$actions" -e listen 0
done
[ -z "${KITH_TEST_LONG-}" ] || done_testing

# All that was printed before arrives, and what an atexit function of rank 0 says: from rank 0, and from those that sleep. Not
# in whole lines: mpirun reads as much as there is.
bytes()
{
    "$@" | wc -c
}
expect "mpirun -n 4: 5000 lines of 100 before exit" 0 500007 "" bytes ranks 4 "$member" lines 5000
expect "mpirun -n 4: 1000 lines of each that sleeps" 0 300007 "" bytes ranks 4 "$member" chorus 1000

for rank in 0 3; do
    expect "rank $rank of 4" 3 "" "" ranks 4 "$actions" -e -r $rank exit 3
    expect "rank $rank of 4" 3 "" "" ranks 4 "$actions" -e -r $rank return 3
    expect "rank $rank of 4" 1 "" "$fault" ranks 4 "$actions" -e -r $rank fault
    [ -n "$SANITIZER_FLAGS" ] ||
        expect "rank $rank of 4" 134 "" "kith: rank $rank on * was killed by signal 6 (Aborted)" ranks 4 "$actions" -e -r $rank abort
done

# What a rank said last arrives, although who is to pass it on sleeps until the rank has asked for the job's end.
sleeps_at_the_end()
{
    : >"$TMPDIR/said"
    ranks 4 "$actions" -e -r 0 idle >"$TMPDIR/said" 2>"$TMPDIR/last" </dev/null &
    job=$!
    await "$TMPDIR/said" "^up [0-9][0-9]*$" || { kill $job; return; }
    head=$(sed -n 's/^up //p' "$TMPDIR/said")
    starter=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$head/status")
    kill -STOP "$starter"
    kill -ABRT "$head"
    sleep 0.5
    kill -CONT "$starter"
    wait $job
    status=$?
    [ $status = 134 ] && grep -q "^kith: rank 0 on .* was killed by signal 6 (Aborted)" "$TMPDIR/last" && ok ||
        fail "the launcher sleeps while rank 0 of 4 ends: status $status, it said: $(cat "$TMPDIR/last")"
}
for try in 1 2 3; do
    [ -n "$SANITIZER_FLAGS" ] || sleeps_at_the_end
done
done_testing
