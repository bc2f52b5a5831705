#!/bin/sh
# The examples under valgrind's memcheck, with workers and in one process: no use of what was never set or is not
# ours, and no lost memory, in the library's own processes too. As many at a time as there are CPUs. Part of
# "make check-long".
# kith-test: limit=600
set -u
command -v valgrind >/dev/null || { echo "skipped: no valgrind here"; exit 77; }
[ -z "$SANITIZER_FLAGS" ] || { echo "skipped: valgrind and sanitizers exclude each other"; exit 77; }
trap 'rm -rf "$TMPDIR"/*' EXIT
jobs=$(nproc)

# look SERIAL EXAMPLE [ARG]: says what is wrong
look()
{
    serial=$1 example=$2
    shift 2
    logs=$(mktemp -d "$TMPDIR/XXXXXX") || { echo "valgrind.sh: no directory"; return; }
    # shellcheck disable=SC2086
    env $serial "$top_builddir/libtool" --mode=execute valgrind --leak-check=full --errors-for-leak-kinds=definite \
        --log-file="$logs/log.%p" "examples/$example" "$@" >"$logs/said" 2>&1 </dev/null ||
        { echo "valgrind.sh: $serial $example ended with status $?"; cat "$logs/said"; }
    for log in "$logs"/log.*; do
        grep -q 'ERROR SUMMARY: 0 errors' "$log" && continue
        grep -q 'ERROR SUMMARY' "$log" || continue      # it was ended by its parent
        echo "valgrind.sh: $serial $example:"
        cat "$log"
    done
}

# all: a line "SERIAL EXAMPLE [ARG]" for each; in one process a few are enough, one of each kind
all()
{
    for example in cpu_count print_queue process_trio product rand_string squares to_celsius pi_integral apply_async barrier_rounds \
        condition_stages event_start imap manager map_async namespace pipe priority_queue wait_many; do
        echo "KITH_SERIAL=0 $example"
    done
    for example in print_queue process_trio rand_string to_celsius; do
        echo "KITH_SERIAL=1 $example"
    done
}

# lane K: those whose number has the rest K
lane()
{
    all | sed 's/pi_integral/& 100000/' | awk -v k="$1" -v n="$jobs" 'NR % n == k' | while read -r serial example; do
        # shellcheck disable=SC2086
        look "$serial" $example
    done >"$TMPDIR/wrong.$1"
}

for k in $(seq 0 $((jobs - 1))); do
    lane "$k" &
done
wait
cat "$TMPDIR"/wrong.*
[ -z "$(cat "$TMPDIR"/wrong.*)" ]
