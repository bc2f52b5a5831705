#!/bin/sh
# Ranks that run different programs, or have different builds of a library, are one sentence and a table; KITH_BUILDS=any lets
# libraries differ.
# kith-test: limit=300
. "$(dirname "$0")/common"
libs=$top_builddir/lib/.libs
[ -e "$libs/libkith.so" ] || { echo "skipped: no shared library here"; exit 77; }

cat >"$TMPDIR/solver.c" <<'END'
int solve(int x);
int solve(int x) { return x + DELTA; }
END
cat >"$TMPDIR/program.c" <<'END'
#include <kith.h>
#include <stdio.h>

int solve(int x);

int main(int argc, char **argv)
{
    int x = 1, y = 0;

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(1);
    kith_apply(pool, solve, &y, x);
    printf("%d\n", y);
    return kith_finalize();
}
END

# library DIRECTORY DELTA ID
library()
{
    mkdir "$TMPDIR/$1"
    # shellcheck disable=SC2086
    $CC $SANITIZER_FLAGS -shared -fPIC -DDELTA="$2" "$TMPDIR/solver.c" -o "$TMPDIR/$1/libsolver.so" -Wl,-soname,libsolver.so \
        -Wl,--build-id=0x"$3" || exit 1
}

# program NAME ID
program()
{
    # shellcheck disable=SC2086
    $CC -std=c11 $SANITIZER_FLAGS -I"$top_srcdir/lib" "$TMPDIR/program.c" -o "$TMPDIR/$1" -L"$TMPDIR/0" -L"$libs" \
        -Wl,-rpath,"$libs" -Wl,--build-id=0x"$2" -lsolver -lkith || exit 1
}

library 0 1 1111111111111111111111111111111111111111
library 1 2 2222222222222222222222222222222222222222
program one aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
program two bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb

# as_rank SCRIPT: with $r, the number of the rank, and $0, the directory
as_rank()
{
    ranks 2 sh -c "r=\${OMPI_COMM_WORLD_RANK-\$PMI_RANK}; $1" "$TMPDIR"
}

same_library="LD_LIBRARY_PATH=\$0/0\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}; export LD_LIBRARY_PATH"
own_library="LD_LIBRARY_PATH=\$0/\$r\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}; export LD_LIBRARY_PATH"
expect "the same" 0 2 "" as_rank "$same_library; exec \$0/one"
expect "different programs" 1 "" "*kith: the ranks run different programs: copy one and the same file to each host
    HOST *RANKS *PROGRAM
    * 0 *aaaaaaaaaaaa
    * 1 *bbbbbbbbbbbb*" as_rank "$same_library; [ \$r = 0 ] && exec \$0/one || exec \$0/two"
expect "different builds of a library" 1 "" "*kith: the ranks have different builds of libsolver.so: copy *KITH_BUILDS=any
    HOST *RANKS *PROGRAM *libsolver.so
    * 0 *aaaaaaaaaaaa  111111111111
    * 1 *aaaaaaaaaaaa  222222222222*" as_rank "$own_library; exec \$0/one"
expect "which may differ" 0 2 "*the hosts have different builds of libsolver.so: results may differ*" \
    as_rank "export KITH_BUILDS=any KITH_LOG=warning; $own_library; exec \$0/one"
expect "a word that is none" 1 "" "*KITH_BUILDS=every is unknown: use same or any*" \
    as_rank "KITH_BUILDS=every; export KITH_BUILDS; $same_library; exec \$0/one"
done_testing
