#!/bin/sh
# Compiles each program of tests/compile with gcc and clang. As it stands it must compile without a
# word; with -DWRONG it must give what its first lines say, "wrong: warning" (or worse) or "wrong: error"
# and perhaps a pattern of its text, at the line marked "here" and at no other.
set -u
here=$top_srcdir/tests/compile
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-unused-variable"
failed=0 ran=0

fail()
{
    echo "compile.sh: $*"
    failed=$((failed + 1))
}

one()
{
    compiler=$1 source=$2
    shift 2
    ran=$((ran + 1))
    "$compiler" "$@" $warnings -fsyntax-only -I"$top_srcdir/lib" "$source" >"$log" 2>&1 && [ ! -s "$log" ] ||
        { fail "$compiler $* ${source##*/} has something to say:"; head -n 20 "$log"; }
    wanted=$(sed -n 's/.*wrong: \([a-z]*\).*/\1/p;4q' "$source")
    [ -n "$wanted" ] || return 0
    text=$(sed -n 's/.*wrong: error \([^*]*[^ *]\).*/\1/p;4q' "$source")
    "$compiler" "$@" $warnings -DWRONG -fsyntax-only -I"$top_srcdir/lib" "$source" >"$log" 2>&1
    line=$(grep -n '/\* here \*/' "$source" | cut -d: -f1)
    if ! grep -Eq "($wanted|error): .*($text)" "$log"; then
        fail "$compiler $* -DWRONG ${source##*/}: no $wanted $text:"
    elif ! grep -q "${source##*/}:$line:" "$log"; then
        fail "$compiler $* -DWRONG ${source##*/}: it does not lead to line $line:"
    elif grep -E "${source##*/}:[0-9:]+ (error|warning): " "$log" | grep -qv "${source##*/}:$line:"; then
        fail "$compiler $* -DWRONG ${source##*/}: something else is wrong too:"
    else
        return
    fi
    head -n 30 "$log"
}

log=$TMPDIR/log
for compiler in gcc clang; do
    command -v $compiler >/dev/null || { echo "compile.sh: no $compiler here"; continue; }
    for source in "$here"/*.c; do
        one $compiler "$source" -std=c11
    done
    for standard in gnu11 c17 c2x; do
        one $compiler "$here/right.c" -std=$standard
    done
done
for compiler in g++ clang++; do
    command -v $compiler >/dev/null || { echo "compile.sh: no $compiler here"; continue; }
    for standard in c++11 c++17 c++20; do
        one $compiler "$here/plus_plus.cc" -std=$standard
    done
done
rm -f "$log"
[ $ran -gt 0 ] || { echo "skipped: neither gcc nor clang here"; exit 77; }
echo "compile.sh: $ran programs, $failed failed"
[ $failed = 0 ]
