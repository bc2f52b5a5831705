#!/bin/bash
# nodes.sh [NODES [srun]]: the examples on two nodes, or as many: they print there what they print by hand, random numbers included,
# whichever node their tasks run on. Every third one is started by kith run, the others by mpirun, or all by srun (of which make check has
# some in tests/cluster/slurm.sh). The nodes are made by tests/cluster/cluster. With KITH_TEST_LONG=1 those that "make check" leaves out.
set -u
cluster=$top_srcdir/tests/cluster/cluster
expected=$top_srcdir/examples/expected
failed=0 count=${1-2} launcher=${2-mpirun} hosts= started=0
for ((n = 1; n <= count; n++)); do hosts+=${hosts:+,}node$n:2; done

skip()
{
    echo "skipped: $*"
    exit 77
}

[ "$MPI_NAME" = openmpi ] || skip "it needs an mpirun that knows --host node:slots: that of Open MPI"
[ -e "$KITH_MODULES/kith-net.so" ] || skip "kith was built for one node only"
[ "$(id -u)" = 0 ] || skip "making nodes of namespaces takes root"
cd "$top_builddir" || exit 99           # a cluster sees the folder that it was made in
export CLUSTER=examples$$ KITH_SEED=7
texts=$PWD/tests/examples/texts.$$
trap '"$cluster" down; rm -rf "$texts" "$TMPDIR"/{up,here,there,any,err}' EXIT
trap 'exit 99' TERM INT
"$cluster" up "$count" $$ >"$TMPDIR/up" 2>&1 || skip "no nodes of namespaces here: $(tail -n 1 "$TMPDIR/up")"
if [ "$launcher" = srun ]; then
    "$top_srcdir/tests/cluster/batch" up >"$TMPDIR/up" 2>&1 || skip "Slurm does not start: $(cat "$TMPDIR/up")"
    "$cluster" mark
fi

fail()
{
    echo "nodes.sh: $*"
    failed=$((failed + 1))
}

# MPI leaks, see run.sh: LeakSanitizer looks at the runs by hand.
quiet=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export TSAN_OPTIONS=${TSAN_OPTIONS-}

mpirun=("$MPIRUN" --allow-run-as-root --bind-to none --host "$hosts" -n $((2 * count)) -x KITH_SEED -x KITH_MODULES)
kith_run=(env KITH_MPIRUN="$MPIRUN" "$KITH_COMMAND" run --allow-run-as-root --host "$hosts")

# there PROGRAM [ARG...]: on two nodes it prints what is expected; what it says on stderr is in $TMPDIR/err
there()
{
    launch=("${mpirun[@]}" -x ASAN_OPTIONS -x TSAN_OPTIONS)
    [ $((started++ % 3)) != 2 ] || launch=("${kith_run[@]}" -x ASAN_OPTIONS -x TSAN_OPTIONS)
    [ "$launcher" != srun ] || launch=(srun -N "$count" -n $((2 * count)))
    ASAN_OPTIONS=$quiet timeout $((60 * KITH_TEST_SLOWDOWN)) "$cluster" run-head "${launch[@]}" \
        "$PWD/examples/$1" "${@:2}" >"$TMPDIR/there" 2>"$TMPDIR/err"
    status=$?
    sed -i -f "$top_srcdir/tests/noise.sed" -e '/^srun: /d' "$TMPDIR/err"
    [ $status = 0 ] || fail "$*: exit status $status: $(cat "$TMPDIR/err")"
    sed -i 's/^\(note\|error\), \([a-z]*\) on node[0-9]*:/\1, \2:/' "$TMPDIR/there"   # a log names the host, too, where there are several
    # What Processes on another node print comes by mpirun, which keeps no order between nodes: a line of the head may overtake it.
    sed 's/^~*/~/' "$expected/$1.txt" >"$TMPDIR/any"
    "$top_srcdir/tests/examples/matches" "$TMPDIR/any" "$TMPDIR/there" || fail "$*: it printed another thing"
}

silent()
{
    [ ! -s "$TMPDIR/err" ] || fail "$1: on stderr: $(cat "$TMPDIR/err")"
}

# same PROGRAM [ARG...]: and what it prints by hand
same()
{
    local options=()
    [ "$1" != pi_ranks ] || options=(env ASAN_OPTIONS="$quiet")         # it starts itself under mpirun
    "${options[@]}" "examples/$1" "${@:2}" >"$TMPDIR/here" || fail "by hand: $*: exit status $?"
    there "$@"
    cmp -s <(sort "$TMPDIR/here") <(sort "$TMPDIR/there") || {
        fail "$*: not what it prints by hand:"
        cat "$TMPDIR/there"
    }
}

# With a sanitizer a few will do.
less()
{
    [ -z "$SANITIZER_FLAGS" ] || case $1 in process_trio | account_lock | "pi_ranks 1e6" | product) ;; *) return 0 ;; esac
    return 1
}

most()
{
    for program in process_trio hello rand_string print_queue pipe manager namespace shared_counters account_lock separate_memory process_names process_options log_lines daemons terminate exit_codes wait_many poison_pills shutdown "pi_serial 1e6" "pi_ranks 1e6" cpu_count condition_stages bounded_buffer barrier_rounds; do
        ! less "$program" || continue
        # shellcheck disable=SC2086
        same $program
        silent "$program"
    done
    # Other ids, and interleavings, than by hand.
    for program in process_ids semaphore_sum resource_pool; do
        ! less "$program" || continue
        there $program
        silent $program
    done
    for program in to_celsius product map_squares "pi_starmap 1e6" "pi_integral 1e6"; do
        ! less "$program" || continue
        # shellcheck disable=SC2086
        same $program
        silent "$program"
    done
    # Their output depends on the number of workers, or on the time.
    for program in squares "pi_montecarlo -n 4 1e6" "pi_overhead 1e6" "pi_combined 1e6"; do
        ! less "$program" || continue
        # shellcheck disable=SC2086
        there $program
        silent "$program"
    done
}

others()
{
    for program in sleepers threads "race 500"; do
        # shellcheck disable=SC2086
        there $program
        silent "$program"
    done
    for program in heat longest_first pool_stats progress spell urgent; do
        there $program
        silent $program
    done
    for program in event_start named_memory priority_queue shared_memory shared_table square_cube thread_pool transfers undo; do
        same $program
        silent $program
    done
    cp -R "$top_srcdir/examples/texts" "$texts"
    for program in apply_async apply_squares imap map_async memory_limit powers callback worker_state \
        "word_count $texts/river.txt $texts/harbour.txt $texts/mill.txt"; do
        # shellcheck disable=SC2086
        same $program
        silent "$program"
    done
}

if [ -z "${KITH_TEST_LONG-}" ]; then most; elif [ -z "$SANITIZER_FLAGS" ]; then others; fi
"$cluster" left $((30 * KITH_TEST_SLOWDOWN)) || fail "that is left"
[ $failed = 0 ]
