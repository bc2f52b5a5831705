#!/bin/sh
# An installed copy is complete, a program outside of the tree builds against it as pkg-config says, with
# the shared and with the static library, and uninstall takes everything away again.
set -u
failed=0
trap 'rm -rf "$TMPDIR"/*' EXIT

fail()
{
    echo "install.sh: $*"
    failed=1
}

root=$TMPDIR/root
make -s -C "$top_builddir" install DESTDIR="$root" >"$TMPDIR/log" 2>&1 || { cat "$TMPDIR/log"; exit 1; }
PKG_CONFIG_PATH=$(dirname "$(find "$root" -name kith.pc)")
PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
libdir=$(pkg-config --variable=libdir kith)
case $libdir in
"$root"*) ;;
*) libdir=$root$libdir ;;
esac
prefix=${libdir%/lib*}

for file in bin/kith include/kith.h share/man/man1/kith.1 share/man/man7/kith.7 share/man/man3/kith_pool_open.3 \
    share/man/man3/kith_pool_close.3; do
    [ -e "$prefix/$file" ] || fail "$file is not installed"
done
for module in "$top_builddir"/lib/.libs/kith-*.so; do
    [ ! -e "$module" ] || [ -e "$libdir/kith/${module##*/}" ] || fail "kith/${module##*/} is not installed"
done
for header in "$prefix"/include/*; do
    [ "${header##*/}" = kith.h ] || fail "${header##*/} is no business of a user"
done
if find "$root" \( -name '*.so' -o -name kith -type f \) -exec readelf -d {} + | grep -E 'R(UN)?PATH' |
    grep -F "$top_builddir"; then
    fail "something looks for libraries in the build directory"
fi

cat >"$TMPDIR/program.c" <<'END'
#include <kith.h>
#include <math.h>
#include <stdio.h>

static double half(double x) { return x / 2; }

int main(int argc, char **argv)
{
    double x[4] = { 4, 16, 64, 256 };

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(2);
    kith_map(pool, sqrt, x, x, 4);
    kith_map(pool, half, x, x, 4);
    kith_pool_close(pool);
    printf("%.0f %.0f %.0f %.0f, kith %s\n", x[0], x[1], x[2], x[3], KITH_VERSION);
    return kith_finalize();
}
END
expected="1 2 4 8, kith $(pkg-config --modversion kith)"

# program NAME FLAGS...: builds and runs it
program()
{
    name=$1
    shift
    # shellcheck disable=SC2086
    $CC -std=c11 $SANITIZER_FLAGS "$TMPDIR/program.c" -o "$TMPDIR/$name" "$@" || { fail "$name does not build"; return; }
    said=$(env -u KITH_MODULES LD_LIBRARY_PATH="$libdir" "$TMPDIR/$name") || fail "$name ended with status $?"
    [ "$said" = "$expected" ] || fail "$name printed \"$said\", not \"$expected\""
}

# shellcheck disable=SC2046
if [ -e "$libdir/libkith.so" ]; then
    program shared $(pkg-config --cflags --libs kith) -lm
    readelf -d "$TMPDIR/shared" | grep -q 'NEEDED.*libkith\.so\.0' || fail "shared does not use the shared library"
fi
# shellcheck disable=SC2046
if [ -e "$libdir/libkith.a" ]; then
    program static $(pkg-config --cflags kith) "$libdir/libkith.a" \
        $(pkg-config --static --libs kith | tr ' ' '\n' | grep -vx -e -lkith) -lm
    readelf -d "$TMPDIR/static" | grep -q 'NEEDED.*libkith' && fail "static uses the shared library"
fi

# Each example compiles by one of the commands in examples/README.md, in a directory of its own.
mkdir "$TMPDIR/examples"
cp "$top_srcdir"/examples/*.[ch] "$TMPDIR/examples"
command_of()
{
    sed -n "s/^cc .*\<$1\.c .*/&/p" "$top_srcdir/examples/README.md" | sed "s,\<$1\>,$2,g"
}
[ "$(command_of to_celsius x | wc -l)$(command_of pi_integral x | wc -l)" = 11 ] || fail "examples/README.md has not two commands"
for source in "$TMPDIR"/examples/*.c; do
    name=$(basename "$source" .c) compiler="$CC $SANITIZER_FLAGS"
    grep -q '^int main' "$source" || continue
    if [ "$name" = pi_ranks ]; then
        [ "$MPI_NAME" = openmpi ] && compiler=$OPENMPI_MPICC || compiler=$MPICH_MPICC
        [ -n "$compiler" ] && [ -z "$SANITIZER_FLAGS" ] || continue
    fi
    model=to_celsius
    ! grep -q '^#include "args.h"' "$source" || model=pi_integral
    (cd "$TMPDIR/examples" && eval "$(command_of $model "$name" | sed "s,^cc ,$compiler ,; s,-O2,-O0,")") ||
        fail "examples/$name.c does not compile as examples/README.md says"
done
[ ! -x "$TMPDIR/examples/to_celsius" ] || LD_LIBRARY_PATH="$libdir" "$TMPDIR/examples/to_celsius" >/dev/null || fail "to_celsius does not run"

# A prefix that was moved as a whole: the modules are found beside the library, by each rank.
if [ -n "$MPIRUN" ] && [ -e "$libdir/libkith.so" ]; then
    mv "$prefix" "$TMPDIR/moved"
    for start in "" "$MPIRUN -n 2"; do
        # shellcheck disable=SC2086
        said=$(env -u KITH_MODULES LD_LIBRARY_PATH="$TMPDIR/moved/${libdir#"$prefix"/}" $start "$TMPDIR/shared" 2>&1)
        [ "$said" = "$expected" ] || fail "from a moved prefix, $start: $said"
    done
    mv "$TMPDIR/moved" "$prefix"
fi

make -s -C "$top_builddir" uninstall DESTDIR="$root" >"$TMPDIR/log" 2>&1 || { cat "$TMPDIR/log"; fail "uninstall"; }
find "$root" ! -type d | grep . && fail "uninstall left these"
exit $failed
