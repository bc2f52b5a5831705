#!/bin/bash
# Nodes that are far from each other, or busy: round trips of 5 and 50 ms, a line that loses frames and puts them out of order, one that is
# cut for a second, a large item beside small requests. All comes out as it does between near nodes, and no node is taken for lost.
# KITH_TEST_LONG=1: 50 ms, too; KITH_TEST_SOAK=1: all objects, lost frames, and an item of 4 GiB where there is memory for it.
# kith-test: limit=900
set -u

delays=$top_builddir/tests/cluster/delays
lost=$top_builddir/tests/cluster/lost
pool=$top_builddir/tests/cluster/pool
mine=$top_builddir/tests/cluster/delays.$$      # files that the nodes see too
failed=0 count=2
export CLUSTER=delays$$

. "$top_srcdir/tests/cluster/common"

# far DELAY PERCENT COMMAND...: with such a line to node2, which loses so many frames
far()
{
    local status
    "$cluster" slow node2 "$1" 10gbit "$2"
    shift 2
    "$@"
    status=$?
    "$cluster" heal node2
    return $status
}

# map PERCENT: so much of their time the workers of the far node are at work
map()
{
    run 2 KITH_WORKERS=2 "$delays" map "$1" >"$TMPDIR/map" 2>&1 && grep -qx "done" "$TMPDIR/map" || { cat "$TMPDIR/map"; return 1; }
    sed -n 's/^map /    map /p' "$TMPDIR/map" >&3
    grep -qx "well\|nobody knows.*" "$TMPDIR/map" || [ -n "$SANITIZER_FLAGS" ] || { cat "$TMPDIR/map"; return 1; }
}

calls() { run 2 KITH_WORKERS=2 "$pool" far && run 2 KITH_WORKERS=2 "$pool" same; }

# Those that a delay makes long, as they do the same thing many times.
often=threads_add,a_value_of,an_array_of,question_and_answer,messages_,a_large_one,bytes_are,wrong_use,keys_lead,nothing_is,of_a_gibibyte
often+=,order_and_sizes,a_full_,many_,killed_,for_ever,halves,whoever,no_update,elements_,one_holds,each_is_ready,descriptors,notified_wake

# suites OBJECT...: the tests of each at the other node, all at once, as they mostly wait
suites()
{
    local object status=0
    rm -f "$TMPDIR/bad" "$TMPDIR"/suite.*
    for object; do
        run 2 KITH_TEST_FAR=1 KITH_TEST_WITHOUT="$often" "tests/test_$object" >"$TMPDIR/suite.$object" 2>&1 || echo "$object: $?" >>"$TMPDIR/bad" &
    done
    wait
    [ ! -s "$TMPDIR/bad" ] || { cat "$TMPDIR/bad" "$TMPDIR"/suite.*; status=1; }
    return $status
}

# Shorter than a node is waited for. cut TEXT COMMAND...: that runs so long, and says this then
cut()
{
    local out=$TMPDIR/cut text=$1 short
    shift
    rm -f "$out"
    run 2 KITH_WORKERS=1 "$@" >"$out" 2>&1 &
    await "$out" '^ready' || return
    sleep 0.3
    cut_briefly node2 1
    wait $! && grep -q "$text" "$out" && ! grep -q '^kith' "$out" || [ "$short" = 0 ] || { cat "$out"; return 1; }
}

# objects MS: for so long
objects() { run 2 KITH_WORKERS=1 "$delays" objects "$1" >"$TMPDIR/objects" 2>&1 && grep -qx "done" "$TMPDIR/objects" || { cat "$TMPDIR/objects"; return 1; }; }

# As quick as when nothing goes on, or as when the CPUs have as much to do with something else: then what is sent does not queue behind the
# item. Whoever prepares memory for all of it at once is away for some 0.5 ms a MiB; a machine that has more to do than CPUs lets all wait.
large()
{
    local load
    run 2 "$delays" large "$1" >"$TMPDIR/large" 2>&1 && grep -qx "done" "$TMPDIR/large" || { cat "$TMPDIR/large"; return 1; }
    sed -n 's/^\([a-z]* .*requests.*\)/    \1/p' "$TMPDIR/large" >&3
    load=$(awk -v cpus="$(nproc)" '{ b = $1 / cpus; print int(b > 1 ? b + 1 : 1) }' /proc/loadavg)
    sed -n 's/^\([a-z]*\) .*the median \([0-9.]*\).* the worst \([0-9.]*\).*/\1 \2 \3/p' "$TMPDIR/large" | awk -v load="$load" '
        { median[$1] = $2; worst = $3 > worst ? $3 : worst }
        END {
            most = 10 * median["idle"] + 4 * median["busy"] + 4
            exit !(median["put"] > 0 && median["put"] <= most && median["get"] <= most && worst <= 250 * load)
        }' || [ -n "$SANITIZER_FLAGS" ] || { echo "load $load"; cat "$TMPDIR/large"; return 1; }
}

exec 3>&1
check "a map, 5 ms away" far 5ms 0 map 80
check "small requests beside an item of 64 MiB" large 64
check "Queue, Lock, Value, Dict and Pipe, 5 ms away" far 5ms 0 objects 500
check "a line that is cut for 1 s, items of a queue taken" cut '^done, 0 items' "$lost" queue 2500 0
check "the same, Queue, Lock, Value, Dict and Pipe in use, 5 ms away" far 5ms 0 cut '^done' "$delays" objects 2500
if [ -n "${KITH_TEST_LONG-}" ]; then
    check "the same in a map" cut '^done with 2 of 2 workers' "$lost" map 2500 0
    check "the same with locks held" cut '^done, ' "$lost" locks 2500 0
    check "the same at a barrier" cut '^broken by main' "$lost" barrier 2500 0
    check "Queue, Lock, Value, Dict and Pipe, 50 ms away" far 50ms 0 objects 2500
    check "a map, 50 ms away" far 50ms 0 map 85
fi
if [ -n "${KITH_TEST_SOAK-}" ]; then
    check "calls of all kinds, 5 ms away" far 5ms 0 calls
    check "calls of all kinds, 50 ms away" far 50ms 0 calls
    check "frames lost and out of order" far 5ms 1 calls
    check "the same, items of a queue taken" far 5ms 1 run 2 KITH_WORKERS=1 "$lost" queue 500 0
    check "the same with locks held" far 5ms 1 run 2 KITH_WORKERS=1 "$lost" locks 1000 0
    check "objects, 5 ms away" far 5ms 0 suites queue sorted sem value array lock pipe rlock dict
    check "more objects, 5 ms away" far 5ms 0 suites dict_shared list watch event cond barrier share process
    check "objects, 50 ms away" far 50ms 0 suites event cond barrier share
    if [ "$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)" -gt 15000 ]; then
        check "small requests beside an item of 4 GiB" large 4096
    else
        echo "skipped: an item of 4 GiB takes 14 GiB of memory"
        check "small requests beside an item of 512 MiB" large 512
    fi
fi
exit $failed
