#!/bin/bash
# programs.sh [srun]: programs that are not about nodes, started on three of them with nothing changed: the tests of what a job does, those
# that make jobs of their own, which each rank does by itself, and the benchmarks, whose results are checked. Every third one is started by
# kith run, the others by mpirun; or all by srun, for slurm_programs.sh. "make check" runs some of them, KITH_TEST_LONG=1 more,
# KITH_TEST_SOAK=1 all; which cannot be run so, and why, is in tests/README.md.
# kith-test: limit=1500
set -u

launcher=${1-mpirun}
mine=$top_builddir/tests/cluster/programs.$$    # files that the nodes see too
failed=0 started=0
export CLUSTER=programs$$

. "$top_srcdir/tests/cluster/common"
[ "$launcher" != srun ] || with_slurm

kith_run=(env KITH_MPIRUN="$MPIRUN" "$KITH_COMMAND" run --allow-run-as-root --hostfile "$mine.hosts")
mpirun=("$MPIRUN" --allow-run-as-root -x KITH_MODULES -x KITH_TEST_WITHOUT --hostfile "$mine.hosts")

# The nodes have a /tmp of their own.
start()
{
    local launch=("${mpirun[@]}")
    [ $((started % 3)) != 2 ] || launch=("${kith_run[@]}")
    [ "$launcher" != srun ] || launch=(srun -N 3 -n 3)
    timeout $((120 * KITH_TEST_SLOWDOWN)) "$cluster" run-head env TMPDIR=/tmp "${launch[@]}" "$@" </dev/null
}

# each WHAT NAME...: all have to end well
each()
{
    local what=$1 name
    shift
    for name; do
        check "$what: $name" start "tests/test_$name"
        started=$((started + 1))
    done
}

# By the other launchers: tests/examples/nodes.sh and five.sh.
examples() { KITH_TEST_LONG="" "$top_srcdir/tests/examples/nodes.sh" 3 srun && KITH_TEST_LONG=1 "$top_srcdir/tests/examples/nodes.sh" 3 srun; }

# Single tasks that each take a round trip.
export KITH_TEST_WITHOUT=a_million_can_be_queued

each "a job" imap mix passed_on pool_faults process
each "jobs of each rank" faults_told serial
if [ -n "${KITH_TEST_LONG-}" ]; then
    each "a job" costs halt later loop pool pool_calls pool_exit result row threads
    each "jobs of each rank" crash ends wait
fi
if [ -n "${KITH_TEST_SOAK-}" ]; then
    each "a job" array barrier bytes cond dict dict_shared event inner list lock log named pipe pool_deaths pool_memory queue rlock \
        sem setup share sorted start stats threads_ends units value watch
    each "jobs of each rank" class closed head init janitor joblog orphans progress stack worker
    [ "$launcher" != srun ] || check "the examples" examples
    # These find out themselves whether their results are right.
    make -s bench-programs >"$TMPDIR/make" 2>&1 || { cat "$TMPDIR/make"; failed=1; }
    while read -r line; do
        # shellcheck disable=SC2086
        check "benchmark: $line" start bench/kith/$line
        started=$((started + 1))
    done <<END
apply warm
apply beside
async apply 20000
async imap 20000
bulk malloc
bytes
dict
empty
idle 1
list
lock
log
loop
lost 1
map malloc 0 1
metg
named
nodes 8 10000 0
pi montecarlo 3 1000000
pi midpoint 3 1000000
pipe
process
program
queue 1 1 8 10000 1024
remote one
remote many 4
sem
share 64
sync
tree
uneven 100 200 300
value
wait
END
fi
exit $failed
