#!/bin/sh
# Queues and Pipes through the node agent. With KITH_TEST_LONG too.
# kith-test: limit=600
. "$top_srcdir/tests/over_net"

over_net queue
[ -n "${KITH_TEST_LONG-}" ] || over_net sorted pipe
# Half a minute with a sanitizer, which learns nothing from the lack of encryption.
[ -n "$SANITIZER_FLAGS" ] || KITH_NET_SECURITY=plain over_net queue
