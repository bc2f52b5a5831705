#!/bin/bash
# A pool over nodes, made of namespaces: all its workers, the same bits on any number of nodes, a node that is lost.
# kith-test: limit=600
set -u

pool=$top_builddir/tests/cluster/pool
mine=$top_builddir/tests/cluster/pool.$$      # files that the nodes see too
failed=0
export CLUSTER=pool$$

. "$top_srcdir/tests/cluster/common"

same()
{
    local k

    run "$1" KITH_WORKERS=2 "$pool" same >"$TMPDIR/same" 2>&1 || { cat "$TMPDIR/same"; return 1; }
    grep -qx "$((2 * $1)) workers" "$TMPDIR/same" || { cat "$TMPDIR/same"; return 1; }
    for ((k = 0; k < 2 * $1; k++)); do
        grep -qx "worker $k on node$((k / 2 + 1))" "$TMPDIR/same" || { cat "$TMPDIR/same"; return 1; }
    done
}

bits()
{
    local n

    for n in 1 2 3; do
        run 3 KITH_SEED=3 "$pool" bits $n >"$TMPDIR/bits.$n" 2>&1 || { cat "$TMPDIR/bits.$n"; return 1; }
        cmp "$TMPDIR/bits.1" "$TMPDIR/bits.$n" || { cat "$TMPDIR"/bits.*; return 1; }
    done
}

# lost HOW...: node3 is lost by that command in the middle of a map.
lost()
{
    local out=$TMPDIR/lose

    run 3 KITH_WORKERS=1 "$pool" lose >"$out" 2>&1 &
    await "$out" '^ready' || return
    sleep 0.5
    "$@"
    await "$out" '^done with 2 of 3 workers' || return
    "$cluster" heal node3 # else its sshd does not notice that the job has ended
    end_job
}

kill_there()
{
    # shellcheck disable=SC2016
    "$cluster" exec "$1" sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = '"$2"' ] && kill -'"$3"' ${p#/proc/}; done 2>/dev/null; :'
}

# Ends the job in the background, until none of its agents is left.
end_job()
{
    kill_there node1 mpirun TERM
    wait
    for n in 1 2 3; do
        while "$cluster" exec node$n sh -c 'cat /proc/[0-9]*/comm' 2>/dev/null | grep -qx kith-agent; do sleep 0.1; done
    done
}

check "all workers of two nodes" same 2
check "of three" same 3
check "the same bits on one node, two and three" bits
far()
{
    run 2 KITH_WORKERS=2 "$pool" far >"$TMPDIR/far" 2>&1 && grep -qx done "$TMPDIR/far" || { cat "$TMPDIR/far"; return 1; }
}

check "calls from a node without workers" far
check "an agent that is killed" lost kill_there node3 kith-agent KILL
check "a cable that is cut" lost "$cluster" cut node3
exit $failed
