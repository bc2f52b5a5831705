#!/bin/bash
# A node that is lost in the middle of a job, on nodes made of namespaces: kith run goes on without it and has the program's exit
# status; a plain mpirun ends, and the program's last words say why. Nothing is left on any node.
# Most of it is waiting, so there are several clusters at the same time.
# KITH_TEST_LONG=1: eight losses at random moments, KITH_TEST_SOAK=1: 50; KITH_TEST_SEED=n repeats one of them.
# kith-test: limit=1500
set -u

cluster=$top_srcdir/tests/cluster/cluster
lost=$top_builddir/tests/cluster/lost
hosts=$top_builddir/tests/cluster/lost.$$.hosts      # where the nodes see it
failed=0
lanes=4
exec 3>&1

. "$top_srcdir/tests/cluster/await"
skip() { echo "skipped: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "only root can make nodes of namespaces"
[ "$MPI_NAME" = openmpi ] || skip "only with Open MPI"
"$MPIRUN" --version 2>/dev/null | grep -q 'Open MPI) 4' || skip "only Open MPI 4 goes on without a lost host"
[ -e "$KITH_MODULES/kith-net.so" ] || skip "kith was built for one node only"
[ -e "$KITH_MODULES/kith-mpi-openmpi.so" ] || skip "kith was built without Open MPI"
for tool in ip nsenter unshare setpriv ssh sshd; do
    [ -x "$(PATH=$PATH:/usr/sbin:/sbin command -v $tool)" ] || skip "$tool is missing"
done

cd "$top_builddir" || exit 1

# lane N COMMAND: that, on a cluster of its own
lane()
{
    export CLUSTER=lost$$.$1 TMPDIR=$TMPDIR/$1
    hosts=$hosts.$1
    mkdir "$TMPDIR"
    trap '"$cluster" down; rm -rf "$TMPDIR" "$hosts"' EXIT
    "$cluster" up 3 $$ 2>"$TMPDIR/up" || skip "no namespaces here: $(cat "$TMPDIR/up")"
    "$cluster" hostfile 1 >"$hosts"
    lane=$1
    "$2"
    exit $failed
}

# by_kith WHAT MS, by_mpirun WHAT MS: one rank and one worker on each node
by_kith()
{
    "$cluster" run-head timeout $((120 * KITH_TEST_SLOWDOWN)) env KITH_MPIRUN="$MPIRUN" KITH_WORKERS=1 "$KITH_COMMAND" run \
        --on-loss go-on --allow-run-as-root --host node1:1,node2:1,node3:1 "$lost" "$@" </dev/null
}
by_mpirun()
{
    "$cluster" run-head timeout $((120 * KITH_TEST_SLOWDOWN)) "$MPIRUN" --allow-run-as-root -x KITH_MODULES -x KITH_WORKERS=1 \
        --hostfile "$hosts" -n 3 --map-by node --bind-to none "$lost" "$@" </dev/null
}

by_mpich()
{
    "$cluster" run-head timeout $((120 * KITH_TEST_SLOWDOWN)) "$MPICH_MPIRUN" -hosts node1,node2,node3 -ppn 1 -n 3 \
        -genv KITH_MODULES "$KITH_MODULES" -genv KITH_WORKERS 1 "$lost" "$@" </dev/null
}

# check NAME COMMAND...: says how it went, and whether anything is left.
check()
{
    local name=$1
    shift
    if ("$@" && nothing_is_left) >"$TMPDIR/out" 2>&1; then
        echo "ok: $name"
    else
        failed=1
        echo "FAILED: $name"
        sed 's/^/    /' "$TMPDIR/out"
    fi
    "$cluster" heal node3 2>/dev/null || "$cluster" boot node3
}

# A rank that is cut off gives its line up after 8 s, and ends its launcher some 6 s later; one that is cut off when the job ends does so
# after 20 s.
nothing_is_left()
{
    "$cluster" left $((30 * KITH_TEST_SLOWDOWN))
}

# kill_there NODE NAME [FIRST]: whatever is called so there; the oldest of them only
kill_there()
{
    # shellcheck disable=SC2016
    "$cluster" exec "$1" sh -c 'for p in $(ls /proc | grep "^[0-9]*$" | sort -n); do
        [ "$(cat /proc/$p/comm 2>/dev/null)" = '"$2"' ] && kill -KILL $p && [ -n "'"${3-}"'" ] && break; done; :'
}

# signal_there SIGNAL NODE NAME
signal_there()
{
    # shellcheck disable=SC2016
    "$cluster" exec "$2" sh -c 'for p in /proc/[0-9]*; do
        [ "$(cat "$p/comm" 2>/dev/null)" = '"$3"' ] && kill -'"$1"' "${p#/proc/}"; done; :'
}

# The ways in which node3 is lost.
cable() { "$cluster" cut node3; }
power() { "$cluster" kill node3; }
agent() { kill_there node3 kith-agent; }
daemon() { kill_there node3 orted; }
rank() { kill_there node3 lost; }

# survives WAY WHAT MS DELAY [TEXT]: the job ends well, with the program's own status.
survives()
{
    local out=$TMPDIR/survives status
    rm -f "$out"
    by_kith "$2" "$3" >"$out" 2>&1 &
    await "$out" '^ready' || { cat "$out"; return 1; }
    sleep "$4"
    "$1"
    wait $!
    status=$?
    sed -n 's/^a map/    a map/p' "$out"
    [ $status = 7 ] && grep -q "^done${5-}" "$out" && return
    echo "status $status"
    cat "$out"
    return 1
}

# It is said which host that is.
counts_as_lost='^kith: node 2 (node3) has given no sign of life: it counts as lost'
cut_for_good()
{
    survives cable loss 3000 0.5 " with 2 of 3 workers" && grep "$counts_as_lost" "$TMPDIR/survives"
}

# MPICH does not notice.
cut_under_mpich()
{
    local out=$TMPDIR/mpich status
    rm -f "$out"
    by_mpich map 3000 >"$out" 2>&1 &
    await "$out" '^ready' || { cat "$out"; return 1; }
    sleep 0.3
    "$cluster" cut node3
    wait $!
    status=$?
    [ $status = 7 ] && grep -q "$without" "$out" && grep -q "$counts_as_lost" "$out" || { echo "status $status"; cat "$out"; return 1; }
}

# A map that ends after some 1.6 s, while it is sure only after 3.5 s that a node is lost: what that has is done again before. A busy
# machine may need longer.
last_tasks()
{
    local tries
    for tries in 1 2 3; do
        survives cable map 1000 0.5 && grep -q '^done with 3 of 3 workers' "$TMPDIR/survives" && return
        "$cluster" heal node3
    done
    cat "$TMPDIR/survives"
    return 1
}

# A cable that is cut when all ranks are in MPI_Finalize, and Open MPI's daemon has something to tell: TCP tries that for a quarter of an
# hour, and the daemon would wait for as long.
cut_at_the_end()
{
    local out=$TMPDIR/end status
    KITH_LOG=debug by_kith barrier 200 >"$out" 2>&1 &
    await "$out" '^ready' || { cat "$out"; return 1; }
    signal_there STOP node3 orted
    await "$out" '^kith: rank 0 on node1: ends 007 soon' || { cat "$out"; return 1; }
    "$cluster" cut node3
    signal_there CONT node3 orted
    wait $!
    status=$?
    [ $status = 7 ] && grep -q "^done" "$out" || { echo "status $status"; cat "$out"; return 1; }
}

short_cut()
{
    local out=$TMPDIR/short short
    by_kith map 4000 >"$out" 2>&1 &
    await "$out" '^ready' || { cat "$out"; return 1; }
    sleep 0.7
    cut_briefly node3 0.4
    wait $!
    [ $? = 7 ] && grep -q '^done with [23] of 3 workers' "$out" || { cat "$out"; return 1; }
    [ "$short" = 0 ] || grep -q '^done with 3' "$out" || { cat "$out"; return 1; }
}

# Then mpirun ends by itself, at once, and says nothing.
undisturbed()
{
    local status
    by_kith queue 500 >"$TMPDIR/undisturbed" 2>&1
    status=$?
    [ $status = 7 ] && sed -f "$top_srcdir/tests/noise.sed" -e '/^kith/d' "$TMPDIR/undisturbed" | tr '\n' ' ' | grep -qx 'ready done, 0 items of 1000 a second time ' &&
        ! grep 'kith: mpirun has not ended by itself' "$TMPDIR/undisturbed" || { echo "status $status"; cat "$TMPDIR/undisturbed"; return 1; }
}

# The others end with it; what is left over of mpirun, too.
head_is_killed()
{
    local out=$TMPDIR/head status
    by_kith stay >"$out" 2>&1 &
    await "$out" '^ready' || { cat "$out"; return 1; }
    kill_there node1 lost first
    wait $!
    status=$?
    [ $status = 137 ] && grep -q '^kith: rank 0 on node1 was killed' "$out" || { echo "status $status"; cat "$out"; return 1; }
}

# Before all have come through kith_init the end of one is the end of all.
# Once in many runs Open MPI takes away what MPI_Init needs while rank 0 is in it, and says so: then again.
one_does_not_start()
{
    local status try
    for try in 1 2 3; do
        # shellcheck disable=SC2016
        "$cluster" run-head timeout $((60 * KITH_TEST_SLOWDOWN)) env KITH_MPIRUN="$MPIRUN" "$KITH_COMMAND" run --on-loss go-on --allow-run-as-root \
            --host node1:1,node2:1,node3:1 sh -c '[ "$(hostname)" != node2 ] || exit 3; exec "$0" stay' "$lost" >"$TMPDIR/one" 2>&1 </dev/null
        status=$?
        grep -q 'PMIX ERROR' "$TMPDIR/one" || break
    done
    [ $status = 1 ] && grep -q '^kith: rank 1 ended before all ranks had started' "$TMPDIR/one" || { echo "status $status"; cat "$TMPDIR/one"; return 1; }
}

# plain WAY STATUS TEXT...: no hang; these lines come, whatever mpirun does by itself. STATUS: "other" than 0
plain()
{
    local out=$TMPDIR/plain begin=$SECONDS want=$2 status text
    rm -f "$out"
    by_mpirun map 3000 >"$out" 2>&1 &
    await "$out" '^ready' || { cat "$out"; return 1; }
    sleep 0.3
    "$1"
    wait $!
    status=$?
    shift 2
    [ $status = "$want" ] || { [ "$want" = other ] && [ $status != 0 ] && [ $status != 124 ]; } || { echo "status $status"; cat "$out"; return 1; }
    [ $((SECONDS - begin)) -lt $((60 * KITH_TEST_SLOWDOWN)) ] || { echo "$((SECONDS - begin)) s"; cat "$out"; return 1; }
    for text; do grep -q "$text" "$out" || { echo "nobody says $text"; cat "$out"; return 1; }; done
}
without='^done with 2 of 3 workers'
host_lost='^kith: rank 0 on node1 has ended with status 7, but a host of this job is lost'

# Which programs can do without a host is read in their files.
chooses()
{
    local line
    line=$(KITH_MPIRUN=$MPIRUN "$KITH_COMMAND" run --dry-run --allow-run-as-root --host node1:1,node2:1 "$1" 2>&1)
    case $line in
    *--enable-recovery*" rank --watch -- "*) [ "$2" = 1 ] && return ;;
    *) [ "$2" = 0 ] && return ;;
    esac
    echo "$line"
    return 1
}

at_random()
{
    local ways=(cable power agent daemon rank) programs=(map queue locks barrier) seed=$1 r
    r=$(awk -v seed="$seed" 'BEGIN { srand(seed); rand(); print int(rand() * 5), int(rand() * 4), rand() * 2.5 }')
    set -- $r
    echo "${ways[$1]} ${programs[$2]} after $3 s"
    survives "${ways[$1]}" "${programs[$2]}" 3000 "$3"
}

real=$top_builddir/tests/cluster/.libs/lost
[ -x "$real" ] || real=$lost
seeds()
{
    local most=0
    [ -z "${KITH_TEST_LONG-}" ] || most=8
    [ -z "${KITH_TEST_SOAK-}" ] || most=50
    if [ -n "${KITH_TEST_SEED-}" ]; then
        check "seed $KITH_TEST_SEED" at_random "$KITH_TEST_SEED"
    else
        for ((i = lane; i <= most; i += lanes)); do check "seed $i" at_random "$i"; done
    fi
}

lane1()
{
    [ -n "$SANITIZER_FLAGS" ] || check "a program of a head and workers goes on by itself" chooses "$real" 1
    check "another one does not" chooses /bin/true 0
    KITH_LOG=info check "a job that loses nothing" undisturbed
    check "a cable that is cut for 0.4 s in a map" short_cut
    check "no power, items of a queue taken" survives power queue 2000 0.3
    seeds
}

lane2()
{
    check "a cable that is cut for good in a map" cut_for_good
    check "the same, with the last tasks of a map" last_tasks
    seeds
}

lane3()
{
    check "a cable that is cut, locks held" survives cable locks 1500 0.2
    check "a rank that ends before the others have started" one_does_not_start
    check "a cable that is cut when the job ends" cut_at_the_end
    [ -z "$MPICH_MPIRUN" ] || [ ! -e "$KITH_MODULES/kith-mpi-mpich.so" ] || check "a cable that is cut, with MPICH" cut_under_mpich
    [ -z "${KITH_TEST_LONG-}" ] || check "a rank killed" survives rank map 2000 0.3
    seeds
}

lane4()
{
    check "a plain mpirun, and a cable that is cut" plain cable other "$without" "$host_lost"
    # All ranks can still end.
    check "the same, and an agent killed" plain agent 7 "$without"
    # It ends the job at once, and says why.
    check "the same, and its daemon killed" plain daemon other "ORTE has lost communication with a remote daemon" "on node node3"
    [ -z "${KITH_TEST_LONG-}" ] || check "the same, and a node without power" plain power other "$without" "$host_lost"
    check "the head killed" head_is_killed
    check "Open MPI's daemon killed, at a barrier" survives daemon barrier 3000 0.1
    seeds
}

if [ -n "${KITH_TEST_SEED-}" ]; then
    (lane 1 seeds)
    exit
fi
trap 'rm -f "$TMPDIR"/lane?' EXIT
for ((n = 1; n <= lanes; n++)); do (lane $n lane$n) >"$TMPDIR/lane$n" 2>&1 & job[n]=$!; done
for ((n = 1; n <= lanes; n++)); do
    wait "${job[n]}"
    status=$?
    cat "$TMPDIR/lane$n"
    [ $status != 77 ] || exit 77
    [ $status = 0 ] || failed=1
done
exit $failed
