#!/bin/sh
# "make compdb" knows each C file of the library and of the command kith, and its commands compile them.
set -u
failed=0
trap 'rm -f "$TMPDIR"/*' EXIT
cd "$top_builddir" || exit 99
make -s compdb || { echo "compdb.sh: make compdb fails"; exit 1; }
json=compile_commands.json

for file in $(find "$top_srcdir/lib" "$top_srcdir/launcher" -name '*.c'); do
    name=${file#"$top_srcdir"/}
    case $name in
    */zmq.c | */mpi/mpi.c | */dwarf.c) continue ;;      # not in each build
    esac
    grep -q "\"file\": \"[^\"]*$name\"" $json || { echo "compdb.sh: $name is missing"; failed=1; }
done

for name in lib/init.c launcher/main.c; do
    grep -A 1 "\"file\": \"[^\"]*$name\"" $json | sed -n 's/^ *"command": "\(.*\)" },*$/\1/p' | head -n 1 |
        sed 's/\\\(.\)/\1/g; s, -o [^ ]*, -o $TMPDIR/object,' >"$TMPDIR/command"
    sh "$TMPDIR/command" && [ -s "$TMPDIR/object" ] ||
        { echo "compdb.sh: the command of $name does not compile it:"; cat "$TMPDIR/command"; failed=1; }
    rm -f "$TMPDIR/object"
done
exit $failed
