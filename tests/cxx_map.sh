#!/bin/sh
# A C++ program with the templates of kith.h compiles in each standard from C++11 without a warning, and runs.
set -u
failed=0 ran=0
trap 'rm -f "$TMPDIR"/*' EXIT
cd "$TMPDIR" || exit 99

[ -z "${SANITIZER_FLAGS-}" ] && [ -f "$top_builddir/lib/.libs/libkith.so" ] ||
    { echo "skipped: no plain shared library in this build"; exit 77; }
cat >expected <<END
map 0: 1 2 3
map of constants 0: 4 5
map of int 0: 0.5 1 1.5
map of structs 0: 5 10
map with a lambda 0: 1 16 81
starmap 0: 6 15
starmap of <cmath> 0: 8 9
map of bytes 0: x xxx 4
map of costs 0: 0.5 1 1.5
apply 0: 1024
apply of int 0: 2.5
apply of three 0: 6
3 is too much 1 3
value 1: 3 7 42 (3, 4)
array 8 4 c
async 0: 6 32, 1 2 3, 6 15
imap 0: 0.5 1
dict 0: 42 1.5 (3, 4)
start 0: hello 3 5
apply of handles 0: 10 15 again
names 1: deep::leaf main::lambda std::terminate refuse
END
for compiler in g++ clang++; do
    command -v $compiler >/dev/null || { echo "cxx_map.sh: no $compiler here"; continue; }
    for standard in c++11 c++17 c++20; do
        ran=$((ran + 1))
        if ! $compiler -std=$standard -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Werror \
            -I"$top_srcdir/lib" "$top_srcdir/tests/cxx/map.cc" -o program -L"$top_builddir/lib/.libs" -lkith \
            -Wl,-rpath,"$top_builddir/lib/.libs"; then
            echo "cxx_map.sh: $compiler -std=$standard does not compile it"
            failed=1
        elif ! ./program >printed 2>&1 || ! diff expected printed; then
            echo "cxx_map.sh: $compiler -std=$standard: the program ends otherwise"
            failed=1
        fi
    done
done
[ $ran -gt 0 ] || { echo "skipped: neither g++ nor clang++ here"; exit 77; }
exit $failed
