#!/bin/sh
# The bench without measuring: its tables fit together, and goals are judged as they should be.
set -u

python=/usr/bin/python3
[ -x $python ] || { echo "skipped: no $python"; exit 77; }

cd "$top_srcdir/bench" || exit 99
$python -B - <<'END' || exit 1
import sys

sys.path.insert(0, ".")
import report
import rows
from goals import Faster, MoreBy, Within, judge
from results import Results

assert not list(rows.mistakes()), list(rows.mistakes())

# Goals: of medians over all turns; spread by turns that belong together; nothing where somebody is missing.
row = rows.Row("r", "e", "k", "ms")
turns = {"kith": [[2.0], [4.0], [6.0]], "peer": [[1.0], [2.0], [3.0]]}
verdict = judge(row, Within(2, "peer"), turns.get)
assert verdict.figure == 2.0 and verdict.spread == (2.0, 2.0) and verdict.reached is True
assert judge(row, Within(1.9, "peer"), turns.get).reached is False
assert judge(row, MoreBy(2, "peer"), turns.get).figure == 2.0
assert judge(row, Within(2, "nobody"), turns.get).reached is None
row.more = True
assert judge(row, Faster(2, "peer"), turns.get).figure == 2.0

# A contestant that failed once has no figures, and is listed.
results = Results()
results.add("lock", "kith", {"alone": [1.0]})
results.refuse("lock", "kith", "it crashed")
assert results.of("lock", "kith", "alone") == []
some = [r for r in rows.ROWS if r.experiment == "lock"]
assert report.skipped_table(some, results) == [["kith", "it crashed", "lock"]]
END
"$top_srcdir/bench/run" --list >"$TMPDIR/list" || exit 1
grep -q '^Lock, alone; ≤ 1.5 × robust mutex$' "$TMPDIR/list" || { cat "$TMPDIR/list"; exit 1; }
