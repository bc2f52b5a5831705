#!/bin/sh
# The objects and Processes once more, through the node agent: what a user sees is the same. With KITH_TEST_LONG too.
# kith-test: limit=600
set -eu
if [ ! -e "$KITH_MODULES/kith-net.so" ]; then
    echo "skipped: kith was built without ZeroMQ"
    exit 77
fi
KITH_TRANSPORT=net
export KITH_TRANSPORT
"$top_builddir/tests/test_queue"
"$top_builddir/tests/test_sem"
for object in sorted value array lock pipe rlock dict list event cond barrier; do
    "$top_builddir/tests/test_$object"
done
"$top_builddir/tests/test_process"
"$top_builddir/tests/test_watch"
"$top_builddir/tests/test_result"
# Half a minute with a sanitizer, which learns nothing from the lack of encryption.
[ -n "$SANITIZER_FLAGS" ] || KITH_NET_SECURITY=plain "$top_builddir/tests/test_queue"
