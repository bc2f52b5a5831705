#!/bin/bash
# Objects and Processes between nodes, made of namespaces; cables that are cut, agents that die, interfaces that lead nowhere.
# kith-test: limit=600
set -u

objects=$top_builddir/tests/cluster/objects
mine=$top_builddir/tests/cluster/objects.$$      # files that the nodes see too
failed=0
export CLUSTER=objects$$

. "$top_srcdir/tests/cluster/common"

tour()
{
    run "$1" "$objects" tour >"$TMPDIR/tour" 2>&1 || { cat "$TMPDIR/tour"; return 1; }
    for ((k = 0; k < $1; k++)); do
        grep -q "^hello from node $k, node$((k + 1))$" "$TMPDIR/tour" || { cat "$TMPDIR/tour"; return 1; }
        grep -q "^\[INFO/greets-[0-9]* on node$((k + 1))\] logged on node $k$" "$TMPDIR/tour" || { cat "$TMPDIR/tour"; return 1; }
        grep -q "^slept 700 ms on node $k$" "$TMPDIR/tour" || { cat "$TMPDIR/tour"; return 1; }
    done
    grep -q "^waited for $1 nodes at once" "$TMPDIR/tour" || { cat "$TMPDIR/tour"; return 1; }
    grep -q "^ends are told between $1 nodes" "$TMPDIR/tour" || { cat "$TMPDIR/tour"; return 1; }
    ! grep "^slept 600000\|was killed" "$TMPDIR/tour"
}

# Where rank 0 is all is right: it would wait for ever for a rank that ends without a word.
elsewhere()
{
    local want=$1
    # shellcheck disable=SC2016
    run 2 sh -c '[ "$(hostname)" = node1 ] || export "$1"; exec "$0" tour' "$objects" "$2" >"$TMPDIR/elsewhere" 2>&1
    [ $? = 1 ] && [ "$(grep -c "^kith: $want" "$TMPDIR/elsewhere")" = 1 ] && [ "$(grep -c '^kith:' "$TMPDIR/elsewhere")" = 1 ] ||
        { cat "$TMPDIR/elsewhere"; return 1; }
}

# Shorter than a peer is waited for, also when this machine stands still in the middle: TCP repeats 0.2, 0.6, 1.4 and 3 s after the cut,
# and a peer is lost after 3. Nothing is lost, nobody notices.
cut_and_heal()
{
    local out=$TMPDIR/stream

    run 2 "$objects" stream 5000 >"$out" 2>&1 &
    await "$out" '^ready' || return
    sleep 1
    "$cluster" cut node2
    sleep 0.4
    "$cluster" heal node2
    wait $! || { cat "$out"; return 1; }
    grep -q '^done' "$out"
}

lost_node()
{
    local out=$TMPDIR/lose

    run 3 "$objects" lose >"$out" 2>&1 &
    await "$out" '^ready' || return
    "$cluster" cut node3
    await "$out" '^done' || { "$cluster" heal node3; return 1; }
    grep '^after [2-9]\.' "$out" || { "$cluster" heal node3; cat "$out"; return 1; }
    "$cluster" heal node3
    end_job
}

# By a debugger, say, for longer than a silent peer is waited for: its kernel still answers.
stopped_agent()
{
    local out=$TMPDIR/stopped

    run 2 "$objects" stream 7000 >"$out" 2>&1 &
    await "$out" '^ready' || return
    signal_all STOP kith-agent node2
    sleep 4.5
    signal_all CONT kith-agent node2
    wait $! || { cat "$out"; return 1; }
    grep -q '^done' "$out"
}

# Over a slow line, so the node is lost in the middle of it.
share_lost()
{
    local out=$TMPDIR/share how

    for how in kill cut; do
        "$cluster" slow node3 5ms 400mbit
        rm -f "$out"
        run 3 "$objects" share-lose >"$out" 2>&1 &
        await "$out" '^ready' || return
        if [ $how = kill ]; then signal_all KILL kith-agent node3; else "$cluster" cut node3; fi
        await "$out" '^done' || { "$cluster" heal node3; return 1; }
        "$cluster" heal node3
        end_job
    done
}

# It needs no time limit to be noticed: what the others have left of it does not answer.
dead_agent()
{
    local out=$TMPDIR/agent

    run 3 "$objects" lose >"$out" 2>&1 &
    await "$out" '^ready' || return
    signal_all KILL kith-agent node3
    await "$out" '^after [0-9]\.' || return
    end_job
}

# Sanitizers have a malloc of their own.
buffers()
{
    local there pages here

    run 2 "$objects" frames >"$TMPDIR/frames" 2>&1 || { cat "$TMPDIR/frames"; return 1; }
    read -r there pages here < <(sed -n 's/^\([0-9]*\) faults for \([0-9]*\) pages sent, \([0-9]*\) .*/\1 \2 \3/p' "$TMPDIR/frames")
    [ -n "$SANITIZER_FLAGS" ] || { [ "$there" -lt $((pages / 4)) ] && [ "$here" -lt $((pages / 4)) ]; } ||
        { cat "$TMPDIR/frames"; return 1; }
}

# The agents listen in the range, at the address that the nodes share, and nowhere else; though each has a docker0 with
# the same address, and another interface with one.
places()
{
    local out=$TMPDIR/places n

    for n in 1 2 3; do
        "$cluster" exec node$n sh -c 'ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up
            ip link add ib0 type veth peer name ib1; ip addr add 192.168.99.9/24 dev ib0; ip link set ib0 up; ip link set ib1 up'
    done
    touch "$mine.stay"
    run 3 KITH_PORTS=50100-50109 "$objects" wait "$mine.stay" >"$out" 2>&1 &
    await "$out" '^ready' || return
    for n in 1 2 3; do
        "$cluster" exec node$n ss -Htlnp >"$out.$n"
        grep kith-agent "$out.$n" >"$out.agent"
        [ "$(wc -l <"$out.agent")" = 2 ] && [ "$(grep -c " 10\.77\.0\.$n:5010[0-9] " "$out.agent")" = 2 ] || { cat "$out.$n"; return 1; }
    done
    rm "$mine.stay"
    wait $! && run 3 "$objects" tour
}

# Open MPI would wait for ever by the bridges that places has made; kith run tells it the network.
among_bridges()
{
    "$cluster" run-head timeout $((60 * KITH_TEST_SLOWDOWN)) env KITH_MPIRUN="$MPIRUN" "$KITH_COMMAND" run --allow-run-as-root \
        --host node1:1,node2:1,node3:1 "$objects" tour >"$TMPDIR/run" 2>&1 && grep -q '^hello from node 2, node3$' "$TMPDIR/run" ||
        { cat "$TMPDIR/run"; return 1; }
}

# mpirun by itself waits there, and rank 0 says so.
overdue()
{
    "$cluster" run-head timeout 200 "$MPIRUN" --allow-run-as-root -x KITH_MODULES --hostfile "$mine.hosts" -n 2 --map-by node --bind-to none \
        "$objects" tour </dev/null >"$TMPDIR/overdue" 2>&1 &
    await "$TMPDIR/overdue" "^kith: the start has waited for .* on node1 for 30 s: .*--mca btl_tcp_if_include 10.77.0.0/24" || return
    end_job
}

# With KITH_TEST_LONG=1 what "make check" leaves out.
if [ -n "${KITH_TEST_LONG-}" ]; then
    check "ports and addresses" places
    check "a start that makes no progress" overdue
    exit $failed
fi
check "three nodes: Processes, Queues, names, placement, the end" tour 3
check "two nodes" tour 2
check "agents keep the buffers of frames" buffers
check "a cable that is cut and comes back" cut_and_heal
check "an agent that is stopped for a while" stopped_agent
check "a node that is lost" lost_node
check "an agent that is killed" dead_agent
check "shared data on three nodes" run 3 "$objects" share
check "shared data, of which a node of the chain is lost" share_lost
check "ports and addresses" places
check "kith run among bridges that have one address" among_bridges
check "a module that is missing elsewhere" elsewhere "kith on node2 has no module for Open MPI" KITH_MODULES=/nonexistent
check "a variable that is wrong elsewhere" elsewhere "KITH_SEED=abc is not a seed" KITH_SEED=abc
check "a number of workers that is wrong elsewhere" elsewhere 'KITH_WORKERS is "abc"' KITH_WORKERS=abc
check "without encryption" run 3 KITH_NET_SECURITY=plain "$objects" tour
exit $failed
