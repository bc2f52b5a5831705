#!/bin/sh
# Whoever is killed, the job ends and nothing is left of it: no process, not even one that a task has started, no shared memory, no
# file, no directory of the launcher.
# kith-test: limit=600
. "$(dirname "$0")/common"

marked()
{
    grep -lsz "^KITH_TEST_ID=$mine\$" /proc/[0-9]*/environ | cut -d/ -f3
}

# named NAME: those of the job that are called so
named()
{
    marked | while read -r pid; do
        [ "$(cat "/proc/$pid/comm")" != "$1" ] || echo "$pid"
    done 2>/dev/null
}

# start N [-e]: a job that has something of everything, as $launcher; its rank 0 is $head
start()
{
    cases=$((${cases:-0} + 1))
    mine=$KITH_TEST_ID.$cases files=$TMPDIR/$cases
    mkdir "$files"
    : >"$TMPDIR/said"
    # What runs in the background of a script would ignore Ctrl-C.
    # shellcheck disable=SC2086
    KITH_TEST_ID=$mine TMPDIR=$files env --default-signal=INT,QUIT "$MPIRUN" $many -n "$1" "$actions" $2 hold >"$TMPDIR/said" 2>&1 </dev/null &
    launcher=$!
    await "$TMPDIR/said" "^up [0-9][0-9]*$" || return
    # With -e each rank says it.
    [ -z "$2" ] || until [ "$(grep -c '^up [0-9]*$' "$TMPDIR/said")" = "$1" ]; do sleep 0.05; done
    head=$(sed -n 's/^up //p;1q' "$TMPDIR/said")
    segments=$(sed -n 's,.*\(/dev/shm/\(vader\|sm\)_segment.*\),\1,p' "/proc/$head/maps" | sort -u)
    # Its Process says that it is there before it starts that.
    waited=0
    while [ -z "$(named sleep)" ]; do
        waited=$((waited + 1))
        [ $waited -lt 600 ] || { fail "no Process has started a sleep"; return; }
        sleep 0.05
    done
}

# The fork server is the watchdog's child; its own children are called so too, at first.
server()
{
    named kith-server | while read -r pid; do
        parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
        [ "$(cat "/proc/$parent/comm")" != kith-watchdog ] || echo "$pid"
    done 2>/dev/null
}

children()
{
    grep -ls "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status | cut -d/ -f3
}

# The process that has started the ranks: mpirun, or a proxy of it.
starter()
{
    sed -n 's/^PPid:[[:space:]]*//p' "/proc/$head/status"
}

# ended NAME STATUS...: with one of these, and nothing is left
ended()
{
    name=$1
    shift
    wait $launcher 2>/dev/null
    status=$?
    case " $* " in
    *" $status "*) ok ;;
    *) fail "$name: status $status, should be one of $*: $(cat "$TMPDIR/said")" ;;
    esac
    left=$("$top_srcdir/tests/leaks" "$mine" "$files") || fail "$name: $left"
    for file in $(find "$files" -mindepth 1 | head -n 3) $segments; do
        [ ! -e "$file" ] || { fail "$name: left: $file"; rm -f "$file"; }
    done
    rm -rf "$files"
}

kills()
{
    start $n $e
    kill -KILL "$head"
    ended "mpirun -n $n $e: SIGKILL of rank 0" 137 9
    if [ $n -gt 1 ]; then
        start $n $e
        kill -KILL "$(children "$(starter)" | grep -vx "$head" | tail -n 1)"
        ended "mpirun -n $n $e: SIGKILL of another rank" 137 9
    fi
    start $n $e
    kill -KILL "$(server)"
    ended "mpirun -n $n $e: SIGKILL of the fork server" 1
    start $n $e
    kill -KILL $launcher
    ended "mpirun -n $n $e: SIGKILL of mpirun" 137
    for signal in TERM:143 INT:130 HUP:129; do
        start $n $e
        kill -${signal%:*} $launcher
        case $MPI_NAME in
        openmpi) ended "mpirun -n $n $e: SIG${signal%:*} of mpirun" 1 ;;
        *) ended "mpirun -n $n $e: SIG${signal%:*} of mpirun" "${signal#*:}" $((${signal#*:} - 128)) 0 ;;     # MPICH's is not sure
        esac
    done
}

for n in 1 4; do
    for e in "" -e; do
        kills
    done
done
done_testing
