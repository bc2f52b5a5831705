#!/bin/sh
# The layers of lib/: a file includes headers of its own folder and of those before it, each by the name of its folder.
set -u
cd "$top_srcdir/lib" || exit 99
order="base shm code net member rpc object start pool agent server"
failed=0

fail()
{
    echo "$1"
    failed=1
}

listed=$(sed -n 's,^include lib/\(.*\)/local.mk$,\1,p' local.mk | tr '\n' ' ')
[ "$listed" = "$order " ] || fail "lib/local.mk has the folders $listed, not $order"
for folder in */; do
    case " $order " in *" ${folder%/} "*) ;; *) fail "lib/$folder has no place in the order" ;; esac
done

below=
for folder in $order; do
    below="$below $folder"
    for file in $(find "$folder" -name '*.[ch]'); do
        for header in $(sed -n 's/^ *# *include *"\(.*\)".*/\1/p' "$file"); do
            case $header in
            config.h|kith.h|mark.h) continue ;;
            esac
            case " $below " in
            *" ${header%%/*} "*) [ -f "$header" ] || fail "lib/$file includes \"$header\", which is not there" ;;
            *) fail "lib/$file includes \"$header\": $folder may include $below" ;;
            esac
        done
    done
done
exit $failed
