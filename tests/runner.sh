#!/bin/sh
# The tests of the tests: limit ends what runs too long, leaks finds what is left, count counts, again tells flaky tests from broken
# ones, and the closing lines of .ci/run are what they are said to be.
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
expect 1 'left: process .* sleep 100' env KITH_TEST_PATIENCE=1 "$limit" "$TMPDIR/leaves_process.sh"

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

# A build directory, played: "make check" gives the result that stands in TEST.next.
build=$TMPDIR/build
mkdir "$build"
printf 'check:\n\t@sh ./play $(TEST_LOGS)\n' >"$build/Makefile"
cat >"$build/play" <<'END'
test=${1%.log} result=$(cat "${1%.log}.next")
echo "$test" >>order
printf ':test-result: %s\n:global-test-result: %s\n' "$result" "$result" >"$test.trs"
echo "the second run of $test" >"$test.log"
echo "$result: $test"
END
# first NAME RESULT NEXT: what a test's first run gave, and what its second one would give
first()
{
    printf ':test-result: %s\n:global-test-result: %s\n' "$2" "$2" >"$build/$1.trs"
    echo "the first run of $1" >"$build/$1.log"
    echo "$3" >"$build/$1.next"
}
# again NAME...: as after a "make check" of these
again()
{
    rm -f "$build/order"
    for name; do echo "$name.trs"; done >"$TMPDIR/names"
    (cd "$build" && unset MAKEFLAGS MFLAGS MAKELEVEL && xargs "$top_srcdir/tests/again" <"$TMPDIR/names") >"$TMPDIR/again" 2>&1 ||
        { echo "runner.sh: again: status $?"; cat "$TMPDIR/again"; failed=1; }
}
# so WHAT COMMAND...
so()
{
    what=$1
    shift
    "$@" && return
    echo "runner.sh: not so: $what"
    cat "$TMPDIR/again"
    failed=1
}

first right PASS FAIL
first flaky FAIL PASS
first wrong FAIL FAIL
first stale PASS PASS
echo old >"$build/stale.first.log"
unset KITH_TEST_AGAIN
again right flaky stale
so "without KITH_TEST_AGAIN nothing is run again" [ ! -e "$build/order" ]
so "a log of an earlier run goes" [ ! -e "$build/stale.first.log" ]
KITH_TEST_AGAIN=1
export KITH_TEST_AGAIN
again right flaky wrong
so "what failed is run again, and nothing else" [ "$(cat "$build/order")" = "flaky
wrong" ]
so "the first log is kept" grep -q "the first run of flaky" "$build/flaky.first.log"
so "the second log is kept" grep -q "the second run of flaky" "$build/flaky.log"
so "the first log is shown" grep -q "    the first run of flaky" "$TMPDIR/again"
expect 1 '^flaky: .*/flaky$' "$top_srcdir/tests/count" "$build/right.trs" "$build/flaky.trs" "$build/wrong.trs"
so "the flaky test has passed" [ "$(tail -n 1 "$TMPDIR/said")" = "2 passed, 1 failed" ]
so "of what failed twice both ends are shown" [ "$(grep -c '    the .* run of wrong' "$TMPDIR/said")" = 2 ]
expect 0 '^flaky: .*/flaky$' "$top_srcdir/tests/count" "$build/right.trs" "$build/flaky.trs"
for name in 1 2 3 4 5 6; do first $name FAIL PASS; done
again 1 2 3 4 5 6
so "many failures are no bad moment" [ ! -e "$build/order" ]

# A step of tests/long that is one test: distcheck, which fails at its first try and, when "never" exists, at the second.
mkdir -p "$build/bin" "$build/tests"
cat >"$build/tests/settings" <<END
top_srcdir='$top_srcdir' top_builddir='$build' MPICH_MPICC=
END
script build/bin/make <<'END'
#!/bin/sh
case "$*" in *list-dist-tests*) exit ;; esac
echo "try $(ls tried* 2>/dev/null)"
[ -e tried ] && [ ! -e never ] || { : >tried; exit 2; }
END
script build/bin/git <<'END'
#!/bin/sh
exit 1
END
long()
{
    rm -f "$build/tried"
    (cd "$build" && PATH=$build/bin:$PATH "$top_srcdir/tests/long" distcheck) >"$TMPDIR/again" 2>&1
}
so "a step's second try may pass" long
so "the step is flaky" grep -q '^flaky: .*/long/distcheck$' "$TMPDIR/again"
so "and counts as passed" [ "$(tail -n 1 "$TMPDIR/again")" = "1 passed, 0 failed" ]
so "both logs of the step are kept" [ "$(cat "$build/long/distcheck.first.log" "$build/long/distcheck.log")" = "try 
try tried
not a repository" ]
: >"$build/never"
long
so "a step that fails twice has failed" [ "$(tail -n 1 "$TMPDIR/again")" = "0 passed, 1 failed" ]
rm "$build/never"
unset KITH_TEST_AGAIN
long
so "without KITH_TEST_AGAIN a step has one try" [ "$(tail -n 1 "$TMPDIR/again")" = "0 passed, 1 failed" ]

# .ci/run, with a bootstrap that is played: each part has run 10 tests, and some were flaky.
tree=$TMPDIR/tree
mkdir -p "$tree/.ci" "$tree/build/tests" "$tree/build/long/thread.results"
cp "$top_srcdir/.ci/run" "$tree/.ci"
for name in tests/a tests/b long/thread.results/c; do
    echo "first $name" >"$tree/build/$name.first.log"
    echo "second $name" >"$tree/build/$name.log"
done
script tree/bootstrap <<'END'
#!/bin/sh
[ "$KITH_TEST_AGAIN" = 1 ] || echo "KITH_TEST_AGAIN is missing"
part="$*"
while IFS=: read -r of name; do
    [ "$of" != "$part" ] || echo "flaky: $name"
done <flaky
echo "10 passed, $(cat failed) failed"
END
# run STATUS FAILED LAST: FAILED tests fail in each part; LAST: the lines after those of the parts
run()
{
    echo "$2" >"$tree/failed"
    "$tree/.ci/run" >"$TMPDIR/again" 2>&1
    status=$?
    so ".ci/run ends with status $1, not $status" [ $status = "$1" ]
    so ".ci/run ends with: $3" [ "$(sed '1,/^$/d' "$TMPDIR/again")" = "$3" ]
}
: >"$tree/flaky"
run 0 0 "20 passed, 0 failed"
run 1 1 "20 passed, 2 failed"
printf 'check:tests/a\ncheck --long:%s\n' "$tree/build/long/thread.results/c" >"$tree/flaky"
run 0 0 "flaky: tests/a
flaky: long/thread.results/c
20 passed, 0 failed"
so "their logs are kept" [ "$(cat "$tree"/build/flaky/tests-a.first.log "$tree"/build/flaky/long-thread.results-c.log)" = "first tests/a
second long/thread.results/c" ]
echo "check:tests/b" >>"$tree/flaky"
run 1 0 "flaky: tests/a
flaky: tests/b
flaky: long/thread.results/c
3 flaky tests are too many: they count as failed
17 passed, 3 failed"

# The public CI has a job for each step. (It is not part of a tarball.)
workflow=$top_srcdir/.github/workflows/ci.yml
if [ -f "$workflow" ]; then
    sed -n 's/^ *step: \[\(.*\)\]$/\1/p' "$workflow" | tr ', ' '\n\n' | grep . | sort >"$TMPDIR/jobs"
    { echo check; sed -n 's/^\[ \$# -gt 0 \] || set -- //p' "$top_srcdir/tests/long" | tr ' ' '\n'; } | sort >"$TMPDIR/steps"
    diff "$TMPDIR/jobs" "$TMPDIR/steps" || { echo "runner.sh: the jobs of .github/workflows/ci.yml are not the steps of tests/long"; failed=1; }
fi

# make itself knows how to make "x" of "x.sh", and does so when a tarball is made and x.sh is the newer file. (Where the sources are
# built in their own place, it may be a program, which make is told how to make.)
for script in $(cd "$top_srcdir" && find . -name '*.sh' ! -path './build*'); do
    [ ! -f "$top_srcdir/${script%.sh}" ] || [ "$top_srcdir" = "$top_builddir" ] || { echo "make overwrites ${script%.sh} with $script: give it another name"; failed=1; }
done
exit $failed
