#!/bin/sh
# Processes, results and waiting for many, through the node agent.
# kith-test: limit=600
. "$top_srcdir/tests/over_net"

over_net process start watch result mix
