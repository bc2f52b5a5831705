#!/bin/sh
# tidy.sh: clang-tidy finds nothing in lib/ and launcher/, with what .clang-tidy asks for. Called in a build directory by tests/long: it
# takes a minute.
set -u
failed=0
command -v clang-tidy >/dev/null || { echo "skipped: no clang-tidy here"; exit 77; }
make -s compdb || exit 1
find "$top_srcdir/lib" "$top_srcdir/launcher" -name '*.c' | sort >tidy.files
# What this build has no command for (a module that is not built) is left out.
while read -r file; do
    grep -q "\"file\": \"[^\"]*${file#"$top_srcdir"/}\"" compile_commands.json && echo "$file"
done <tidy.files | xargs -n 8 -P "$(nproc)" clang-tidy -p . --quiet >tidy.log 2>tidy.errors || failed=1
[ -s tidy.files ] || { echo "tidy.sh: no files"; failed=1; }
[ $failed = 0 ] || { cat tidy.log; grep -v 'warnings generated\|Suppressed\|Use -header-filter' tidy.errors; }
rm -f tidy.files tidy.log tidy.errors
exit $failed
