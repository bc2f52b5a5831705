#!/bin/bash
# The tests of the objects between two nodes, made of namespaces: with KITH_TEST_FAR they open them on the other one.
# kith-test: limit=600
set -u

mine=$top_builddir/tests/cluster/suites.$$       # files that the nodes see too
failed=0 count=2
export CLUSTER=suites$$

. "$top_srcdir/tests/cluster/common"

objects="queue sem value lock pipe dict barrier share process"
# Those that "make check" leaves out, and those that do more.
[ -z "${KITH_TEST_LONG-}" ] || objects="queue barrier sorted array rlock dict_shared list watch event cond"
for object in $objects; do
    check "$object" run 2 KITH_TEST_FAR=1 "tests/test_$object"
done
check "random calls with random handles" run 2 tests/test_random_calls job "$RANDOM"
exit $failed
