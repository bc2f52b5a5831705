#!/bin/sh
# The man pages: each is well formed; together they name every function of kith.h, and no code that it
# has not; the program of each EXAMPLE compiles and prints what the page says.
set -u
failed=0
cd "$TMPDIR" || exit 99
trap 'rm -rf "$TMPDIR"/* "$TMPDIR"/.libs' EXIT

fail()
{
    echo "man.sh: $*"
    failed=1
}

header=$top_srcdir/lib/kith.h
pages=$(ls "$top_srcdir"/man/*.3 "$top_srcdir"/man/*.7)

# block N PAGE: the N-th text between .EX and .EE of the EXAMPLE, as a reader sees it
block()
{
    awk -v n="$1" '
        /^\.SH/ { example = /EXAMPLE/ }
        /^\.EE/ { on = 0 }
        on { print }
        example && /^\.EX/ { on = ++seen == n }' "$2" | sed 's/\\-/-/g; s/\\e/\\/g'
}

if command -v man >/dev/null && command -v groff >/dev/null; then
    for page in $pages; do
        man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null | grep . && fail "$page is not well formed"
    done
fi

cat $pages | awk '/^\.SH/ { name = /NAME/; next } name { print }' | tr -c 'a-z_' '\n' | sort -u >named
{
    grep -o '^KITH_API.*' "$header" | sed -n 's/.*[ *]\(kith_[a-z][a-z_]*\)(.*/\1/p'
    sed -n 's/^#define \(kith_[a-z][a-z_]*\)(.*/\1/p' "$header"
} | sort -u >functions
[ "$(wc -l <functions)" -gt 40 ] || fail "the functions of kith.h were not found"
comm -23 functions named | grep . && fail "in kith.h, but in the NAME of no page"
grep '^kith_' named | comm -13 functions - | grep . && fail "in the NAME of a page, but not in kith.h"
grep -hv '^\.TH' $pages | grep -o 'KITH_E[A-Z_]*' | sort -u >codes
while read -r code; do
    grep -qw "$code" "$header" || fail "$code is no code of kith.h"
done <codes

for page in $pages; do
    name=$(basename "$page")
    block 1 "$page" >example.c
    block 2 "$page" >expected
    [ -s example.c ] && [ -s expected ] || { fail "$name has no example, or does not say what it prints"; continue; }
    "$top_builddir/libtool" --silent --mode=link $CC -std=c11 -Wall -Wextra -Wpedantic -Werror -O1 $SANITIZER_FLAGS \
        -I"$top_srcdir/lib" example.c -o example -no-install "$top_builddir/lib/libkith.la" -lm ||
        { fail "$name: the example does not compile"; continue; }
    ./example >printed 2>&1 || fail "$name: the example ends with status $?"
    diff expected printed || fail "$name: the example prints something else"
done
exit $failed
