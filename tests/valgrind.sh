#!/bin/sh
# The examples under valgrind's memcheck, with workers and in one process: no use of what was never set or is not
# ours, and no lost memory, in the library's own processes too. Part of "make check-long".
# kith-test: limit=600
set -u
failed=0
command -v valgrind >/dev/null || { echo "skipped: no valgrind here"; exit 77; }
[ -z "$SANITIZER_FLAGS" ] || { echo "skipped: valgrind and sanitizers exclude each other"; exit 77; }
trap 'rm -rf "$TMPDIR"/*' EXIT

for serial in '' KITH_SERIAL=1; do
    for example in cpu_count print_queue process_trio product rand_string squares to_celsius 'pi_integral 100000'; do
        # shellcheck disable=SC2086
        env $serial "$top_builddir/libtool" --mode=execute valgrind --leak-check=full --errors-for-leak-kinds=definite \
            --log-file="$TMPDIR/log.%p" examples/$example >"$TMPDIR/said" 2>&1 ||
            { echo "valgrind.sh: $serial $example ended with status $?"; cat "$TMPDIR/said"; failed=1; }
        for log in "$TMPDIR"/log.*; do
            grep -q 'ERROR SUMMARY: 0 errors' "$log" && continue
            grep -q 'ERROR SUMMARY' "$log" || continue      # it was ended by its parent
            echo "valgrind.sh: $serial $example:"
            cat "$log"
            failed=1
        done
        rm -f "$TMPDIR"/*
    done
done
exit $failed
