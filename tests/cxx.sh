#!/bin/sh
# A program in C++: see tests/cxx/output.cc.
set -u
cd "$TMPDIR" || exit 99
trap 'rm -rf "$TMPDIR"/*' EXIT
ran=0
for compiler in g++ clang++; do
    command -v $compiler >/dev/null || { echo "cxx.sh: no $compiler here"; continue; }
    $compiler -std=c++17 -I"$top_srcdir/lib" "$top_srcdir/tests/cxx/output.cc" -o output -L"$top_builddir/lib/.libs" \
        -Wl,-rpath,"$top_builddir/lib/.libs" -lkith || exit 1
    rm -f log
    ./output >out || { echo "cxx.sh: $compiler: status $?"; exit 1; }
    [ "$(tr '\n' ' ' <out)" = "before head task after Process Process " ] || { echo "cxx.sh: $compiler: printed:"; cat out; exit 1; }
    [ "$(cat log)" = task ] || { echo "cxx.sh: $compiler: a stream of a task was not closed"; exit 1; }
    ran=$((ran + 1))
done
[ $ran -gt 0 ] || { echo "skipped: no C++ compiler here"; exit 77; }
echo "cxx.sh: $ran compilers"
