#!/bin/sh
# An mpirun that has locked itself out over the end of a job is killed after 10 s, and the status is what the job ended
# by; but only one that has no ranks left, and that was asked for the end or has spoken of it.
. "$(dirname "$0")/common"
locked=$top_builddir/tests/launcher/locked
fakes
dashes=--------------------------------------------------------------------------
killed="mpirun noticed that process rank 1 with PID 0 on node $(hostname) exited on signal 11 (Segmentation fault)."
says="printf '%s\\n' $dashes '$killed' $dashes >&2"
# shellcheck disable=SC2016
is='echo $$ >"$(basename "$0").mpirun"'
fake fakes/crashed "mpirun (Open MPI) 4.1.4" "$is; $says; exec $locked"
fake fakes/asked "mpirun (Open MPI) 4.1.4" "$is; exec $locked"
fake fakes/alive "mpirun (Open MPI) 4.1.4" "$is; $says; exec $locked child"
fake fakes/silent "mpirun (Open MPI) 4.1.4" "$is; exec $locked"
export CI=true

# The first of these that was killed has the longest to wait.
for name in alive silent asked crashed; do
    KITH_MPIRUN=$name "$kith" run -n 2 true </dev/null >$name.out 2>$name.err &
    echo $! >$name.pid
    wait_for $name.mpirun .
done
# Where others may not look, neither may kith.
waits()
{
    n=0
    until grep -qs futex "/proc/$(cat asked.mpirun)/wchan"; do
        n=$((n + 1))
        [ $n -lt 200 ] || return
        sleep 0.05
    done
}
waits || { kill -KILL $(cat ./*.mpirun); wait; echo "skipped: it is not told here where a process waits"; exit 77; }
kill -TERM "$(cat asked.pid)"

# ends NAME STATUS ERR
ends()
{
    wait "$(cat "$1.pid")"
    got=$?
    # shellcheck disable=SC2254
    case $got:$(cat "$1.err") in
    $2:$3) ok "$1" ;;
    *) fail "$1: status $got, should be $2: $(cat "$1.err")" ;;
    esac
}

why="kith: mpirun has locked itself out over the end of the job, and is killed"
ends crashed 139 "kith: rank 1 on $(hostname) was killed by signal 11 (Segmentation fault)
$why"
ends asked 143 "$why"
for name in alive silent; do
    if kill -KILL "$(cat $name.mpirun)" 2>/dev/null; then ok "$name"; else fail "$name: it was killed"; fi
done
wait
done_testing
