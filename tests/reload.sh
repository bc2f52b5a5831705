#!/bin/sh
# A library that is closed after kith_init and loaded again as another build: its functions are refused, as the workers have the
# old ones. At the same place and elsewhere, with build-ids and without.
set -u
failed=0
trap 'rm -rf "$TMPDIR"/*' EXIT
libs=$top_builddir/lib/.libs
[ -e "$libs/libkith.so" ] || { echo "skipped: no shared library here"; exit 77; }

# build DIRECTORY FACTOR FLAGS...
build()
{
    mkdir -p "$TMPDIR/$1"
    directory=$1
    factor=$2
    shift 2
    # Without sanitizers: of a library that has no build-id all bytes are read, also those that they forbid.
    $CC -shared -fPIC -DFACTOR="$factor" "$@" "$top_srcdir/tests/embed/tasks.c" -o "$TMPDIR/$directory/tasks.so" \
        -Wl,-soname,tasks.so || exit 1
}

# refuses COMMAND...
refuses()
{
    said=$("$@" 2>"$TMPDIR/place")
    status=$?
    [ "$status" = 0 ] && [ "$said" = "exported: 20
inner: 21
exported: refused
inner: refused
exported: 20
inner: 21" ] || { echo "reload.sh: $*: status $status, printed \"$said\" ($(cat "$TMPDIR/place"))"; failed=1; }
}

# shellcheck disable=SC2086
$CC -std=c11 $SANITIZER_FLAGS -I"$top_srcdir/lib" "$top_srcdir/tests/embed/reload.c" -o "$TMPDIR/reload" -L"$libs" \
    -Wl,-rpath,"$libs" -lkith -ldl || exit 1
for id in sha1 none; do
    build old 2 -Wl,--build-id=$id
    build new 3 -Wl,--build-id=$id
    refuses "$TMPDIR/reload" "$TMPDIR/old/tasks.so" "$TMPDIR/new/tasks.so"
    refuses "$TMPDIR/reload" "$TMPDIR/old/tasks.so" "$TMPDIR/new/tasks.so" elsewhere
done
exit $failed
