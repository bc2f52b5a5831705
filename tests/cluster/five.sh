#!/bin/bash
# Five nodes, made of namespaces: objects and Processes of all of them; with KITH_TEST_LONG=1 also the pool, with KITH_TEST_SOAK=1 the examples on three
# nodes and five.
# kith-test: limit=900
set -u

mine=$top_builddir/tests/cluster/five.$$        # files that the nodes see too
failed=0 count=5
export CLUSTER=five$$

. "$top_srcdir/tests/cluster/common"

tour()
{
    local k
    run 5 KITH_WORKERS=1 "$top_builddir/tests/cluster/objects" tour >"$TMPDIR/tour" 2>&1 || { cat "$TMPDIR/tour"; return 1; }
    for k in 0 1 2 3 4; do
        grep -q "^hello from node $k, node$((k + 1))$" "$TMPDIR/tour" || { cat "$TMPDIR/tour"; return 1; }
    done
    grep -q "^waited for 5 nodes at once" "$TMPDIR/tour" || { cat "$TMPDIR/tour"; return 1; }
}

examples() { KITH_TEST_LONG="" "$top_srcdir/tests/examples/nodes.sh" "$1" && KITH_TEST_LONG=1 "$top_srcdir/tests/examples/nodes.sh" "$1"; }

check "objects and Processes" tour
if [ -n "${KITH_TEST_LONG-}" ]; then
    check "all workers" all_workers 5
    check "the same bits on one node, three and five" same_bits 1 3 5
fi
if [ -n "${KITH_TEST_SOAK-}" ]; then
    check "the examples on three nodes" examples 3
    check "the examples on five nodes" examples 5
fi
exit $failed
