#!/bin/sh
# The C files are as clang-format writes them (.clang-format); what must not compile (tests/compile) is short and left alone. In kith.h
# each comment stands above its function, with lines of up to 90.
set -u
cd "$top_srcdir" || exit 99
awk '
    /\/\*/ { comment = 1 }
    comment && length > 90 { print "kith.h:" NR ": a comment of more than 90 columns: " $0; found = 1 }
    /\*\// { comment = 0 }
    /^KITH_API.*\/\*/ { print "kith.h:" NR ": a comment beside its function: " $0; found = 1 }
    END { exit found }' lib/kith.h || exit 1
command -v clang-format >/dev/null || { echo "no clang-format here"; exit 77; }
# Another version lays some things out differently.
case $(clang-format --version) in
*" version 14."*) ;;
*) echo "clang-format 14 is what the files were written with, here is $(clang-format --version)"; exit 77 ;;
esac
trap 'rm -f "$TMPDIR/files" "$TMPDIR/said"' EXIT
find bench examples launcher lib tests -name compile -prune -o -name '*.[ch]' -print >"$TMPDIR/files"
[ -s "$TMPDIR/files" ] || { echo "no C files here"; exit 1; }
xargs clang-format --dry-run -Werror <"$TMPDIR/files" >"$TMPDIR/said" 2>&1 && exit 0
head -n 60 "$TMPDIR/said"
echo "clang-format -i mends it"
exit 1
