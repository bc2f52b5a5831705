#!/bin/sh
# The bench without measuring: its tables fit together, and its comparison with an older build tells what is slower, what is
# not, and what cannot be told.
set -u

python=/usr/bin/python3
[ -x $python ] || { echo "skipped: no $python"; exit 77; }

cd "$top_srcdir/bench" || exit 99
$python -B - <<'END' || exit 1
import pathlib
import random
import sys

sys.path.insert(0, ".")
import against
import contestants
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

# Too few pairs tell nothing; of 6 the interval is the whole range, of 24 it is narrower.
assert against.interval(range(5)) == (0.0, float("inf"))
assert against.interval(range(6)) == (0, 5) and against.interval(range(24)) == (6, 17)
assert list(against.looks(24)) == [6, 12, 24] and list(against.looks(20)) == [6, 12, 20]


class Played:
    """Takes so many times as long as before, give or take 2 %."""

    def __init__(self, times):
        self.times = times

    def measure(self):
        times = 1.0 if contestants.BUILD != here else self.times
        return {"k": [times * draw.gauss(1, 0.02)]}


here = contestants.BUILD
for seed in range(20):
    draw = random.Random(seed)
    played = {"slower": 1.2, "equal": 1.0, "near": 1.05, "faster": 0.8}
    experiments = [rows.Experiment(name, {"kith": Played(times)}) for name, times in played.items()]
    of_them = [rows.Row(name, name, "k", "s") for name in played] + [rows.Row("new", "equal", "other", "s")]
    older = against.compare(of_them, experiments, pathlib.Path("elsewhere"), against.MOST, 0)
    said = {c.title: c.verdict for c in older.comparisons}
    assert (said["slower"], said["equal"], said["faster"]) == ("yes", "no", "no"), said
    assert [title for title, _ in older.missing] == ["new"]

# Without time there is one pair of each, and nothing is decided by it.
older = against.compare(of_them, experiments, pathlib.Path("elsewhere"), against.MOST, 0, seconds=1e-9)
assert [(c.pairs, c.verdict) for c in older.comparisons] == [(1, "undecided")] * 4
assert contestants.BUILD == here
END
trap 'rm -f "$TMPDIR/list"' EXIT
"$top_srcdir/bench/run" --list >"$TMPDIR/list" || exit 1
grep -q '^Lock, alone; ≤ 1.5 × robust mutex$' "$TMPDIR/list" || { cat "$TMPDIR/list"; exit 1; }
