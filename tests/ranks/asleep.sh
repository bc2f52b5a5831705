#!/bin/sh
# Who has nothing to do uses no CPU: ranks that sleep, a head and ranks that wait, idle workers, fork servers.
. "$(dirname "$0")/common"
[ -r /proc/self/schedstat ] || { echo "skipped: no /proc/PID/schedstat here"; exit 77; }

# ticks: nanoseconds on a CPU that each of the job's processes has used since it was started, all threads
ticks()
{
    for pid in $(grep -lsz "^KITH_TEST_ID=$mine\$" /proc/[0-9]*/environ | cut -d/ -f3); do
        case $(cat "/proc/$pid/comm" 2>/dev/null) in
        actions|kith-*) cat "/proc/$pid/task/"*/schedstat 2>/dev/null | awk -v pid="$pid" '{ sum += $1 } END { print pid, sum }' ;;
        esac
    done
}

# asleep NAME PROCESSES COMMAND...: at least so many of them, and none used more than 0.2 % of 2 s. (A thread that spins uses 100 %, one
# that looks every millisecond 1 %.)
asleep()
{
    name=$1 least=$2
    shift 2
    mine=$KITH_TEST_ID.$name
    : >"$TMPDIR/said"
    KITH_TEST_ID=$mine "$@" >"$TMPDIR/said" 2>&1 </dev/null &
    job=$!
    await "$TMPDIR/said" "^up [0-9][0-9]*$" || return
    # Spinning ends after some microseconds, the start of MPI's threads after some more; in a quiet moment.
    tries=0
    while :; do
        ticks >"$TMPDIR/before"
        sleep 2
        ticks >"$TMPDIR/after"
        busy=$(awk 'NR == FNR { before[$1] = $2; next }
            $1 in before { n++; if ($2 - before[$1] > 4e6) printf "process %s: %.1f ms; ", $1, ($2 - before[$1]) / 1e6 }
            END { if (n < '"$least"') printf "%d processes only", n }' "$TMPDIR/before" "$TMPDIR/after")
        tries=$((tries + 1))
        [ -n "$busy" ] && [ $tries -lt 3 ] || break
    done
    if [ -z "$busy" ]; then ok; else fail "$name: in 2 s: $busy$(cat "$TMPDIR/said")"; fi
    kill -TERM $job
    wait $job 2>/dev/null
}

# The head and a fork server and 2 workers; with ranks those that sleep, too.
asleep "by-hand" 4 env KITH_WORKERS=2 "$actions" idle
# shellcheck disable=SC2086
asleep "four-ranks" 9 "$MPIRUN" $many -n 4 "$actions" idle
# shellcheck disable=SC2086
asleep "each-of-four" 9 "$MPIRUN" $many -n 4 "$actions" -e -r 2 idle
# shellcheck disable=SC2086
[ ! -e "$KITH_MODULES/kith-net.so" ] || asleep "with-an-agent" 10 env KITH_TRANSPORT=net "$MPIRUN" $many -n 4 "$actions" idle
done_testing
