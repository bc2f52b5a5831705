#!/bin/bash
# A pool over nodes, made of namespaces: all its workers, the same bits on any number of nodes, a node that is lost.
# kith-test: limit=600
set -u

pool=$top_builddir/tests/cluster/pool
mine=$top_builddir/tests/cluster/pool.$$      # files that the nodes see too
failed=0
export CLUSTER=pool$$

. "$top_srcdir/tests/cluster/common"

# lost HOW...: node3 is lost by that command in the middle of a map.
lost()
{
    local out=$TMPDIR/lose

    rm -f "$out"
    run 3 KITH_WORKERS=1 "$pool" lose >"$out" 2>&1 &
    await "$out" '^ready' || return
    sleep 0.5
    "$@"
    await "$out" '^done with 2 of 3 workers' || return
    "$cluster" heal node3 # else its sshd does not notice that the job has ended
    end_job
}

# The node of a pool is lost under calls of another one.
home()
{
    local out=$TMPDIR/home

    rm -f "$out"
    run 3 KITH_WORKERS=1 "$pool" home >"$out" 2>&1 &
    await "$out" '^ready' || return
    signal_all KILL kith-agent node3
    await "$out" '^done' || return
    end_job
}

# signal_node SIGNAL NODE: all of the job there
signal_node()
{
    # shellcheck disable=SC2016
    "$cluster" exec "$2" sh -c 'for p in /proc/[0-9]*; do
        read -r name <$p/comm && case $name in pool | lt-pool | kith-*) kill -'"$1"' ${p#/proc/} ;; esac; done 2>/dev/null; :'
}

# node3 stops in the middle of a map, as a machine does that is suspended, until the map has ended. Then it goes on.
stopped()
{
    local out=$TMPDIR/stop status

    run 3 KITH_WORKERS=1 "$pool" stop >"$out" 2>&1 &
    await "$out" '^ready' || return
    sleep 0.5
    signal_node STOP node3
    await "$out" '^without it'
    status=$?
    signal_node CONT node3
    [ "$status" = 0 ] && wait $! && grep -qx "done" "$out" || { cat "$out"; end_job; return 1; }
}

far()
{
    run 2 KITH_WORKERS=2 "$pool" far >"$TMPDIR/far" 2>&1 && grep -qx done "$TMPDIR/far" || { cat "$TMPDIR/far"; return 1; }
}

options() { run 3 "$top_builddir/tests/cluster/options" >"$TMPDIR/options" 2>&1 && grep -qx done "$TMPDIR/options" || { cat "$TMPDIR/options"; return 1; }; }

# Each task of each call is in one line, of the file of the host that it ran on.
logged()
{
    local n file
    rm -f "$mine".log*
    run 3 KITH_WORKERS=1 KITH_JOBLOG="$mine.log" "$pool" bits >"$TMPDIR/logged" 2>&1 || { cat "$TMPDIR/logged"; return 1; }
    for n in 1 2 3; do
        file=$mine.log
        [ $n = 1 ] || file=$mine.log.node$n
        [ "$(sed 1d "$file" | awk -F'\t' '{ print $2 }' | sort -u)" = node$n ] || { echo "$file:"; cat "$file"; return 1; }
    done
    cat "$mine".log* | awk -F'\t' '
        $1 == "Seq" { next }
        NF != 9 || $7 != 0 || $8 != 0 { print "wrong: " $0; wrong = 1 }
        { split($9, word, /[ -]/); name = word[1]; call[name] = $1 }
        { for (i = word[2]; i <= word[3]; i++) times[$1, name, i]++ }
        END {
            for (name in call) {
                calls++
                for (i = 0; i < 6000; i++)
                    if (times[call[name], name, i] != 1) { print name, i, times[call[name], name, i] + 0; wrong = 1 }
            }
            exit wrong || calls != 4
        }' >"$TMPDIR/logged" 2>&1 || { tail -n 5 "$TMPDIR/logged" "$mine".log*; return 1; }
}

# mpirun hands on no variables: the nodes have the seed of rank 0.
a_seed_of_main()
{
    KITH_SEED=3 run 3 "$pool" bits 3 >"$TMPDIR/seed" 2>"$TMPDIR/err" && cmp "$TMPDIR/bits.3" "$TMPDIR/seed" || { cat "$TMPDIR"/bits.3 "$TMPDIR"/seed "$TMPDIR/err"; return 1; }
}

check "all workers of two nodes" all_workers 2
check "of three" all_workers 3
check "the same bits on one node, two and three" same_bits 1 2 3
check "the same bits with a seed that only main has" a_seed_of_main
check "calls from a node without workers" far
check "initializers, limits, tries, what else a pool has, and tasks that call it" options
check "the job log of three nodes" logged
check "a node that is stopped" stopped
check "the node of a pool that others call" home
check "an agent that is killed" lost signal_all KILL kith-agent node3
check "a cable that is cut" lost "$cluster" cut node3
exit $failed
