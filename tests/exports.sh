#!/bin/sh
# The shared library exports exactly what kith.h declares with KITH_API, each under a version, and lib/kith.map names nothing else. The
# static library has no global name that could clash with a program's. What the shared one takes from the C library is found when it is
# loaded: else each process that is forked would look for it again.
set -u
shared=$top_builddir/lib/.libs/libkith.so static=$top_builddir/lib/.libs/libkith.a
trap 'rm -f "$TMPDIR"/*' EXIT

if [ -f "$shared" ] && [ -z "${SANITIZER_FLAGS-}" ]; then
    printf '#include <kith.h>\n' | $CC -std=c11 -E -P -I"$top_srcdir/lib" -xc - | tr '\n' ' ' | tr ';' '\n' |
        sed -n 's/.*visibility("default"))) .*[ *]\(kith_[A-Za-z0-9_]*\)(.*/\1/p' |
        sort -u >"$TMPDIR/declared"
    nm -D --defined-only "$shared" | awk '{ print $3 }' | sed 's/@.*//' | grep -v '^KITH_' | sort -u >"$TMPDIR/exported"
    [ "$(wc -l <"$TMPDIR/declared")" -gt 50 ] || { echo "exports.sh: the declarations of kith.h were not found"; exit 1; }
    diff "$TMPDIR/declared" "$TMPDIR/exported" >"$TMPDIR/diff"
    status=$?
    sed -n 's/^< /declared in kith.h, not exported: /p; s/^> /exported, not declared in kith.h: /p' "$TMPDIR/diff"
    nm -D --defined-only "$shared" | awk '{ print $3 }' | grep -v -e '@@KITH_[0-9]' -e '^KITH_[0-9.]*$' | sed 's/^/exported without a version: /' |
        grep . && status=1
    sed -n 's/^ *\(kith_[a-z0-9_]*\);.*/\1/p' "$top_srcdir/lib/kith.map" | sort >"$TMPDIR/named"
    comm -23 "$TMPDIR/named" "$TMPDIR/declared" | sed 's/^/in lib\/kith.map, not declared in kith.h: /' | grep . && status=1
    readelf -dW "$shared" | grep -q 'FLAGS_1.*NOW' || { echo "exports.sh: libkith.so is bound lazily"; status=1; }
else
    echo "skipped: no plain shared library in this build"
    exit 77
fi
if [ -f "$static" ]; then
    foreign=$(nm -g --defined-only "$static" | awk 'NF == 3 && $3 !~ /^kith_/ { print $3 }')
    [ -z "$foreign" ] || { echo "global in libkith.a without the prefix:" $foreign; status=1; }
fi
exit $status
