#!/bin/bash
# The examples with Processes and Queues, and the one with ranks, on two nodes: they print there what
# they print by hand, random numbers included. The nodes are made by tests/cluster/cluster.
set -u
cluster=$top_srcdir/tests/cluster/cluster
expected=$top_srcdir/examples/expected
failed=0

skip()
{
    echo "skipped: $*"
    exit 77
}

[ "$MPI_NAME" = openmpi ] || skip "it needs an mpirun that knows --host node:slots: that of Open MPI"
[ -e "$KITH_MODULES/kith-net.so" ] || skip "kith was built without ZeroMQ"
[ "$(id -u)" = 0 ] || skip "making nodes of namespaces takes root"
cd "$top_builddir" || exit 99           # a cluster sees the folder that it was made in
export CLUSTER=examples$$ KITH_SEED=7
trap '"$cluster" down' EXIT
trap 'exit 99' TERM INT
"$cluster" up 2 >"$TMPDIR/up" 2>&1 || skip "no nodes of namespaces here: $(tail -n 1 "$TMPDIR/up")"

fail()
{
    echo "nodes.sh: $*"
    failed=$((failed + 1))
}

# MPI leaks, see run.sh: LeakSanitizer looks at the runs by hand.
quiet=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export TSAN_OPTIONS=${TSAN_OPTIONS-}

# both PROGRAM [ARG...]: on two nodes as by hand
both()
{
    local options=()
    [ "$1" != pi_ranks ] || options=(env ASAN_OPTIONS="$quiet")         # it starts itself under mpirun
    "${options[@]}" "examples/$1" "${@:2}" >"$TMPDIR/here" 2>&1 || fail "by hand: $*: exit status $?"
    ASAN_OPTIONS=$quiet timeout $((60 * KITH_TEST_SLOWDOWN)) "$cluster" run-head "$MPIRUN" --allow-run-as-root \
        --bind-to none --host node1:2,node2:2 -n 4 -x KITH_SEED -x KITH_MODULES -x ASAN_OPTIONS \
        -x TSAN_OPTIONS "$PWD/examples/$1" "${@:2}" >"$TMPDIR/there" 2>&1
    status=$?
    [ $status = 0 ] || fail "$*: exit status $status"
    "$top_srcdir/tests/examples/matches" "$expected/$1.txt" "$TMPDIR/there" || fail "$*: it printed another thing"
    cmp -s <(sort "$TMPDIR/here") <(sort "$TMPDIR/there") || {
        fail "$*: not what it prints by hand:"
        cat "$TMPDIR/there"
    }
}

both process_trio
both rand_string
both print_queue
both pi_serial 1e6
both pi_ranks 1e6
rm -f "$TMPDIR"/{up,here,there}
[ $failed = 0 ]
