#!/bin/bash
# The programs of programs.sh, each by "srun ./program" on three nodes: with KITH_TEST_LONG=1 more of them, with KITH_TEST_SOAK=1 all, and
# all examples.
# kith-test: limit=1500
exec "$top_srcdir/tests/cluster/programs.sh" srun
