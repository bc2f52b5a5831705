#!/bin/sh
# Values, containers and shared data through the node agent.
# kith-test: limit=600
. "$top_srcdir/tests/over_net"

over_net value array dict dict_shared list share
