#!/bin/sh
# The tests of the tests: limit ends what runs too long, leaks finds what is left, count counts.
set -u
failed=0
trap 'rm -rf "$TMPDIR"/*' EXIT

# expect STATUS PATTERN COMMAND...
expect()
{
    status=$1 pattern=$2
    shift 2
    env -u KITH_TEST_ID KITH_TEST_SLOWDOWN=1 "$@" >"$TMPDIR/said" 2>&1
    got=$?
    [ $got = "$status" ] && { [ -z "$pattern" ] || grep -q "$pattern" "$TMPDIR/said"; } && return
    echo "runner.sh: $*: status $got, not $status, or it does not say \"$pattern\":"
    cat "$TMPDIR/said"
    failed=1
}

script()
{
    cat >"$TMPDIR/$1"
    chmod +x "$TMPDIR/$1"
}

limit=$top_srcdir/tests/limit
script fine.sh <<'END'
#!/bin/sh
echo "here $KITH_MODULES ${KITH_LOG-no KITH_LOG}"
END
script fails.sh <<'END'
#!/bin/sh
exit 3
END
script skips.sh <<'END'
#!/bin/sh
exit 77
END
script hangs.sh <<'END'
#!/bin/sh
# kith-test: limit=1
sleep 100
END
script stubborn.sh <<'END'
#!/bin/sh
# kith-test: limit=1 what
END
script leaves_file.sh <<'END'
#!/bin/sh
echo >$TMPDIR/x
END
script leaves_process.sh <<'END'
#!/bin/sh
setsid sleep 100 >/dev/null 2>&1 &
END
expect 0 "here $top_builddir/lib/.libs no KITH_LOG" env KITH_LOG=debug "$limit" "$TMPDIR/fine.sh"
expect 3 '' "$limit" "$TMPDIR/fails.sh"
expect 77 '' "$limit" "$TMPDIR/skips.sh"
expect 1 'longer than its limit of 1 s' "$limit" "$TMPDIR/hangs.sh"
expect 99 'what is "what"' "$limit" "$TMPDIR/stubborn.sh"
expect 1 'left: .*/x' "$limit" "$TMPDIR/leaves_file.sh"
expect 1 'left: process .* sleep 100' "$limit" "$TMPDIR/leaves_process.sh"

result()
{
    printf ':test-result: %s\n:global-test-result: %s\n' "$2" "$2" >"$TMPDIR/$1.trs"
    printf 'why %s\nthe harness says %s\n' "$1" "$2" >"$TMPDIR/$1.log"
}
result a PASS; result b PASS; result c FAIL; result d SKIP; result e ERROR
last()
{
    "$top_srcdir/tests/count" "$@" | tail -n 1
}
[ "$(cd "$TMPDIR" && last a.trs b.trs)" = "2 passed, 0 failed" ] || { echo "count of two"; failed=1; }
[ "$(cd "$TMPDIR" && last a.trs c.trs d.trs e.trs)" = "1 passed, 2 failed, 1 skipped" ] || { echo "count of four"; failed=1; }
[ "$(cd "$TMPDIR" && last a.trs missing.trs)" = "1 passed, 1 failed" ] || { echo "count of a missing one"; failed=1; }
expect 0 'why d' "$top_srcdir/tests/count" "$TMPDIR/a.trs" "$TMPDIR/d.trs"
expect 1 'failed: .*/c$' "$top_srcdir/tests/count" "$TMPDIR/a.trs" "$TMPDIR/c.trs"
expect 1 '^0 passed, 0 failed$' "$top_srcdir/tests/count"

# make itself knows how to make "x" of "x.sh", and does so when a tarball is made and x.sh is the newer file. (Where the sources are
# built in their own place, it may be a program, which make is told how to make.)
for script in $(cd "$top_srcdir" && find . -name '*.sh' ! -path './build*'); do
    [ ! -f "$top_srcdir/${script%.sh}" ] || [ "$top_srcdir" = "$top_builddir" ] || { echo "make overwrites ${script%.sh} with $script: give it another name"; failed=1; }
done
exit $failed
