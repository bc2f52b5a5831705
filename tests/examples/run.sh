#!/bin/sh
# Runs each example by hand, under mpirun with 4 ranks, and with all objects reached over the network; and a few of them
# with 1, 2 and 7 ranks. With KITH_TEST_LONG=1 the others with these numbers: it must print what examples/expected says,
# nothing on stderr, and end with 0. With a sanitizer only a few over the network and under mpirun, and without what is wrong
# on the command line.
# kith-test: limit=600
set -u
TMPDIR=$(mktemp -d) || exit 99
trap 'rm -rf "$TMPDIR"' EXIT
examples=$top_builddir/examples
expected=$top_srcdir/examples/expected
here=$top_srcdir/tests/examples
failed=0 ran=0

# The lines that hold for all ways: numbers that must not change from one to the next are in expected,
# random ones are drawn with this seed.
export KITH_SEED=7

# MPI leaks, in plug-ins that are gone at the end and so cannot be named to LeakSanitizer: with MPI it looks
# at everything else only.
without_leaks()
{
    ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" "$@"
}

fail()
{
    echo "run.sh: $*"
    failed=$((failed + 1))
}

case $MPI_NAME in
openmpi) many="--oversubscribe" ;;
*) many= ;;
esac

# way NAME COMMAND...: sets the command that stands before the program
way()
{
    name=$1
    shift
    before=$*
}

# run PROGRAM [ARG...]: leaves $TMPDIR/out and err, status in $status
run()
{
    ran=$((ran + 1))
    program=$1
    shift
    $before "$examples/$program" "$@" >"$TMPDIR/out" 2>"$TMPDIR/all"
    status=$?
    sed -f "$top_srcdir/tests/noise.sed" "$TMPDIR/all" >"$TMPDIR/err"
}

# good PROGRAM [ARG...]: it prints what is expected
good()
{
    run "$@"
    [ $status = 0 ] || fail "$name: $*: exit status $status"
    [ ! -s "$TMPDIR/err" ] || { fail "$name: $*: on stderr:"; head -n 20 "$TMPDIR/err"; }
    "$here/matches" "$expected/$1.txt" "$TMPDIR/out" || fail "$name: $*: it printed another thing"
}

# same PROGRAM: with the same seed it prints the same as the first time, in any order of lines
same()
{
    sort "$TMPDIR/out" >"$TMPDIR/sorted"
    if [ -f "$TMPDIR/first.$1" ]; then
        cmp -s "$TMPDIR/first.$1" "$TMPDIR/sorted" || fail "$name: $1: not the same random numbers as by hand"
    else
        cp "$TMPDIR/sorted" "$TMPDIR/first.$1"
    fi
}

all()
{
    good cpu_count
    good hello
    good map_squares
    good to_celsius
    awk '{ c = ($1 - 32) * 5 / 9; if (c - $7 > 0.11 || $7 - c > 0.11 || $1 < 32 || $1 > 100) exit 1 }' \
        "$TMPDIR/out" || fail "$name: to_celsius: a wrong result"
    same to_celsius
    good product
    good squares
    good apply_async
    good map_async
    good powers
    good callback
    good imap
    good progress
    good pool_stats
    good worker_state
    good process_trio
    grep -q 'one of them: [13579]$' "$TMPDIR/out" || fail "$name: process_trio: not one of the list"
    same process_trio
    good rand_string
    [ "$(grep -c '^[A-Za-z0-9]\{5\}$' "$TMPDIR/out")" = 4 ] || fail "$name: rand_string: not 4 strings of 5"
    [ "$(sort -u "$TMPDIR/out" | wc -l)" = 4 ] || fail "$name: rand_string: two are equal"
    same rand_string
    good print_queue
    good pipe
    good race 500
    good shared_memory
    good account_lock
    good threads
    good process_ids
    good separate_memory
    good process_names
    good process_options
    good log_lines
    good daemons
    good terminate
    good exit_codes
    good wait_many
    good event_start
    good manager
    good named_memory
    good shared_table
    good namespace
    good shared_counters
    good word_count "$top_srcdir/examples/texts/river.txt" "$top_srcdir/examples/texts/harbour.txt" "$top_srcdir/examples/texts/mill.txt"
    good square_cube
    good semaphore_sum
    good resource_pool
    good apply_squares
    good sleepers
    good poison_pills
    good shutdown
    good priority_queue
    good undo
    good transfers
    good urgent
    good memory_limit
    good spell
    good thread_pool
    good heat
    good longest_first
    good condition_stages
    good bounded_buffer
    good barrier_rounds
    good pi_serial 1_000_000
    good pi_starmap 1e6
    good pi_integral 1000000
    good pi_montecarlo -n 4 1e6
    good pi_montecarlo -n4 --seed=0 1e6
    good pi_overhead 1e6
    good pi_combined 1e6
    combined
    [ ! -x "$examples/pi_ranks" ] || without_leaks ranks
}

# One of each kind: Processes, an object, a pool, ranks.
few()
{
    good process_trio
    same process_trio
    good print_queue
    good pi_starmap 1e6
    good pi_montecarlo -n 4 1e6
    [ ! -x "$examples/pi_ranks" ] || without_leaks ranks
}

# The same estimate with any number of workers and of threads in them, which the user may choose.
combined()
{
    for n in 1 3; do
        OMP_NUM_THREADS=5 run pi_combined -n $n 1e6
        [ "$(sed -n 1p "$TMPDIR/out")" = "$n worker$([ $n = 1 ] || echo s), threads in each: 5" ] ||
            fail "$name: OMP_NUM_THREADS=5 pi_combined -n $n: $(head -n 1 "$TMPDIR/out")"
        [ "$(sed -n 2p "$TMPDIR/out")" = "$(sed -n 2p "$expected/pi_combined.txt")" ] ||
            fail "$name: pi_combined -n $n: another estimate: $(sed -n 2p "$TMPDIR/out")"
    done
}

# pi_ranks started by hand starts itself again under mpirun.
ranks()
{
    good pi_ranks 1e6
    run pi_ranks --montecarlo 1e6
    [ "$status:$(cat "$TMPDIR/out")" = "0:$(sed -n 3p "$expected/pi_montecarlo.txt")" ] ||
        fail "$name: pi_ranks --montecarlo: status $status, \"$(cat "$TMPDIR/out" "$TMPDIR/err")\""
}

# The workers of pi_montecarlo, and the same estimate with any number of them.
workers()
{
    for n in 1 3 7; do
        run pi_montecarlo --no-serial -n $n 1e6
        [ "$(sed -n 1p "$TMPDIR/out")" = ncpus=$n ] || fail "$name: pi_montecarlo -n $n: $(head -n 1 "$TMPDIR/out")"
        [ "$(sed -n 3p "$TMPDIR/out")" = "$(sed -n 3p "$expected/pi_montecarlo.txt")" ] ||
            fail "$name: pi_montecarlo -n $n: another estimate: $(sed -n 3p "$TMPDIR/out")"
        [ "$(wc -l <"$TMPDIR/out")" = 4 ] || fail "$name: pi_montecarlo --no-serial: $(wc -l <"$TMPDIR/out") lines"
    done
    NUM_PROCS=3 run pi_montecarlo --no-serial 1000
    [ "$(sed -n 1,2p "$TMPDIR/out" | tr '\n' ' ')" = "ncpus=3 Points: [334, 333, 333] " ] ||
        fail "$name: NUM_PROCS=3 pi_montecarlo 1000: $(cat "$TMPDIR/out")"
    run pi_montecarlo --no-serial -n 3 2
    [ "$(sed -n 2p "$TMPDIR/out")" = "Points: [1, 1, 0]" ] || fail "$name: pi_montecarlo -n 3 2: $(cat "$TMPDIR/out")"
    run pi_montecarlo -n 2 --seed 1 1e6
    [ "$(sed -n 3p "$TMPDIR/out")" != "$(sed -n 3p "$expected/pi_montecarlo.txt")" ] ||
        fail "$name: pi_montecarlo --seed 1: the same points as with seed 0"
    [ "$(sed -n 3p "$TMPDIR/out")" = "$(sed -n 5p "$TMPDIR/out")" ] ||
        fail "$name: pi_montecarlo --seed 1: parallel and serial estimate differ"
}

# refused SENTENCE PROGRAM [ARG...]: "program: sentence" on stderr, nothing else anywhere, and status 2
refused()
{
    sentence=$1
    shift
    run "$@"
    [ $status = 2 ] || fail "$name: $*: exit status $status instead of 2"
    [ "$(cat "$TMPDIR/err")" = "$1: $sentence" ] && [ ! -s "$TMPDIR/out" ] || {
        fail "$name: $*: wanted \"$1: $sentence\", got:"
        cat "$TMPDIR/out" "$TMPDIR/err" | head -n 20
    }
}

# wrong PROGRAM WHAT LIMIT: all that is no count
wrong()
{
    refused "$2: missing; try: $1 1e6" "$1"
    for word in many 12x 0x10 1__0 _1 1_ 1e nan . '' ' 5'; do
        refused "$2: \"$word\" is not a number" "$1" "$word"
    done
    refused "$2: 1.5 is not a whole number" "$1" 1.5
    refused "$2: 1e-3 is not a whole number" "$1" 1e-3
    refused "$2: -1000 is negative" "$1" -1000
    refused "$2: 0 is too few, it takes at least 1" "$1" 0
    for word in 1e30 18446744073709551616 99999999999999999999; do
        refused "$2: $word is too many, the limit is $3" "$1" "$word"
    done
    refused "8: one argument is enough, the $2" "$1" 7 8
    refused "--fast: there is no such option" "$1" --fast 7
}

# helped PROGRAM [ARGUMENT...]: "usage: PROGRAM [ARGUMENT...]" once on stdout, and status 0
helped()
{
    for word in --help -h; do
        run "$1" 7 $word
        [ "$status:$(cat "$TMPDIR/out" "$TMPDIR/err")" = "0:usage: $*" ] ||
            fail "$name: $1 $word: status $status, \"$(cat "$TMPDIR/out" "$TMPDIR/err")\""
    done
}

wrong_options()
{
    refused '-n: it is there twice' pi_montecarlo -n 2 -n3 1e6
    refused '--seed: it is there twice' pi_montecarlo --seed=2 1e6 --seed 3
    refused '-n: "x" is not a number' pi_montecarlo -n x 1e6
    refused '-n: 0 is too few, it takes at least 1' pi_montecarlo -n0 1e6
    refused '-n: its value is missing' pi_montecarlo 1e6 -n
    refused '--seed: -1 is negative' pi_montecarlo --seed=-1 1e6
    NUM_PROCS=four refused 'NUM_PROCS: "four" is not a number' pi_montecarlo 1e6
}

steps=4503599627370496

# What does not depend on how the program was built or started.
command_line()
{
    for program in pi_serial pi_starmap pi_integral; do
        wrong $program steps $steps
    done
    for program in pi_montecarlo pi_overhead pi_combined; do
        wrong $program points 18446744073709551615
    done
    wrong_options
    helped pi_serial steps
    helped pi_montecarlo '[--seed N] [-n N] [--no-serial]' points
    helped pi_combined '[-n N]' points
    refused '-n: 257 is too many, the limit is 256' pi_combined -n 257 1e6
}

# Built without ZeroMQ there is no such part.
net=
[ ! -e "${KITH_MODULES:-.}/kith-net.so" ] || net=yes

on_one_machine()
{
    workers
    [ -n "$SANITIZER_FLAGS" ] || command_line
    if [ -n "$net" ]; then
        way "KITH_TRANSPORT=net" env KITH_TRANSPORT=net
        # What a sanitizer sees of the network is in tests/*_net.sh, too.
        if [ -z "$SANITIZER_FLAGS" ]; then all; else few; fi
    else
        echo "run.sh: no ZeroMQ: nothing goes over the network"
    fi
}

four_ranks()
{
    way "mpirun -n 4" "$MPIRUN" $many -n 4
    if [ -n "$SANITIZER_FLAGS" ]; then
        few
        return
    fi
    all
    workers
    command_line_of_ranks
}

# other_ranks EXAMPLES: all or few
other_ranks()
{
    for n in 1 2 7; do
        way "mpirun -n $n" "$MPIRUN" $many -n $n
        $1
    done
    if [ -n "$net" ]; then
        way "mpirun -n 2, KITH_TRANSPORT=net" env KITH_TRANSPORT=net "$MPIRUN" $many -n 2
        $1
    fi
}

under_mpirun()
{
    if [ -n "${KITH_TEST_LONG-}" ]; then
        other_ranks all
    else
        four_ranks
        [ -n "$SANITIZER_FLAGS" ] || other_ranks few
    fi
}

command_line_of_ranks()
{
    for program in pi_serial pi_starmap pi_integral pi_montecarlo pi_ranks; do
        case $program in
        pi_montecarlo) what=points ;;
        *) what=steps ;;
        esac
        refused "$what: \"many\" is not a number" $program many
        refused "$what: missing; try: $program 1e6" $program
    done
    helped pi_ranks '[--montecarlo]' steps
    refused "points: 1e20 is too many, the limit is 18446744073709551615" pi_ranks --montecarlo 1e20
}

way "by hand"
all
[ -n "${KITH_TEST_LONG-}" ] || on_one_machine
if [ -n "$MPIRUN" ]; then
    without_leaks under_mpirun
else
    echo "run.sh: no mpirun: started by hand only"
fi

echo "run.sh: $ran runs, $failed failures"
[ $failed = 0 ]
