#!/bin/sh
# libkith in a program that was not linked with it: loaded by dlopen, by a plugin, from Python or by a module of Lua, and
# unloaded again.
# It fails when the library can be unloaded (its handlers of exit and of threads are called after that), when its
# variables of threads are many or are looked up, when it does something as it is loaded, and when a kith_init of a
# plugin that was loaded anew begins a second job.
set -u
failed=0
trap 'rm -rf "$TMPDIR"/*' EXIT
libs=$top_builddir/lib/.libs
lib=$libs/libkith.so
[ -e "$lib" ] || { echo "skipped: no shared library here"; exit 77; }

fail()
{
    echo "embed.sh: $*"
    failed=1
}

# All libraries that are loaded later share some 1.6 KiB of static thread-local storage: a few pointers are ours.
most=256
size=$(readelf -lW "$lib" | awk '$1 == "TLS" { print $6 }')
[ $((${size:-0})) -le $most ] || fail "its variables of threads take $((size)) bytes, not up to $most: see lib/base/own.h"
# What lies there anyway is not looked up by a call.
! readelf -rW "$lib" | grep -E '_(DTPMOD|DTPREL|TLSDESC)' || fail "a variable of threads is not of the model initial-exec"
readelf -dW "$lib" | grep -q NODELETE || fail "it can be unloaded, and exit calls what is gone"

# says WORDS COMMAND...: what it prints, and its status 0
says()
{
    words=$1
    shift
    said=$("$@" 2>&1)
    status=$?
    [ $status = 0 ] && [ "$said" = "$words" ] || fail "$*: status $status, printed \"$said\", not \"$words\""
}

plugin=$TMPDIR/plugin.so
host=$TMPDIR/host
# shellcheck disable=SC2086
$CC -std=c11 $SANITIZER_FLAGS -I"$top_srcdir/lib" -shared -fPIC "$top_srcdir/tests/embed/plugin.c" -o "$plugin" -L"$libs" \
    -Wl,-rpath,"$libs" -lkith -pthread &&
    $CC -std=c11 -D_GNU_SOURCE $SANITIZER_FLAGS "$top_srcdir/tests/embed/host.c" -o "$host" -ldl || exit 1
says "plugin: 8
host ends" "$host" "$plugin"
says "host ends" "$host" "$plugin" loadonly

# Not where the runtime of a sanitizer must come first.
if [ -z "$SANITIZER_FLAGS" ] && command -v python3 >/dev/null; then
    says "python: hello" python3 "$top_srcdir/tests/embed/program.py" "$lib"
fi
for lua in lua luajit; do
    if [ -z "$SANITIZER_FLAGS" ] && command -v $lua >/dev/null; then
        # shellcheck disable=SC2086
        [ -e "$TMPDIR/module.so" ] || $CC -std=c11 -I"$top_srcdir/lib" -shared -fPIC "$top_srcdir/tests/embed/module.c" \
            -o "$TMPDIR/module.so" -L"$libs" -Wl,-rpath,"$libs" -lkith || exit 1
        says "lua: 333833500" env LUA_CPATH="$TMPDIR/?.so" $lua "$top_srcdir/tests/embed/program.lua"
    fi
done
exit $failed
