#!/bin/sh
# Locks and what else one waits at, through the node agent. With KITH_TEST_LONG too.
# kith-test: limit=600
. "$top_srcdir/tests/over_net"

[ -n "${KITH_TEST_LONG-}" ] || over_net sem lock rlock event
over_net cond barrier
