"""bench/run --old BUILD: is kith slower than an older build of it? Honestly: a row is slower, or it is not, or that
cannot be told from so many runs.

The programs of both builds run in pairs, one right after the other, now this one first and now that one, so that a
machine that gets slower, or a neighbour that comes and goes, hurts both. What a pair tells is a ratio. The median of
all pairs' ratios lies, 99 times in 100, within an interval that is read off the sorted ratios, whatever their
distribution: with 8 pairs between the smallest and the largest one. A row is decided when its interval lies on one side
of the limit. That is looked at three times, after 8, 16 and 32 pairs. As one of a hundred rows would be called slower
by chance alone, who is found slower is measured anew, and only that counts."""
import contextlib
import statistics
import sys
from dataclasses import dataclass, field
from math import comb
from typing import List, Tuple

import contestants
from contestants import Failed, Missing
from results import Results

LIMIT = 1.05                                    # times as long as the older build
FEWEST, MOST = 8, 32                            # pairs
SURE = 0.99


@dataclass
class Comparison:
    title: str
    unit: str
    old: float                                  # medians, in the row's unit
    new: float
    ratios: List[float]                         # of times: > 1 is slower

    @property
    def pairs(self):
        return len(self.ratios)

    @property
    def ratio(self):
        return statistics.median(self.ratios)

    @property
    def interval(self) -> Tuple[float, float]:
        return interval(self.ratios)

    @property
    def verdict(self):
        low, high = self.interval
        return "yes" if low > LIMIT else "no" if high <= LIMIT else "undecided"


@dataclass
class Older:
    comparisons: List[Comparison] = field(default_factory=list)
    missing: List[Tuple[str, str]] = field(default_factory=list)        # (title, why)

    @property
    def slower(self):
        return [c for c in self.comparisons if c.verdict == "yes"]


def interval(values):
    """Of the median: the narrowest pair of order statistics that is sure enough; that of too few values is endless."""
    ordered, n = sorted(values), len(values)
    inside = [k for k in range(n // 2) if 1 - 2 * sum(comb(n, i) for i in range(k + 1)) / 2 ** n >= SURE]
    return (ordered[inside[-1]], ordered[n - 1 - inside[-1]]) if inside else (0.0, float("inf"))


def looks(most):
    """After how many pairs the rows are looked at."""
    n = FEWEST
    while n < most:
        yield n
        n *= 2
    yield max(most, FEWEST)


def measure_pair(contestant, old, results, turn):
    """One run of each; results has those of "old" and "new"."""
    order = ["old", "new"] if turn % 2 else ["new", "old"]
    for who in order:
        with contestants.programs_of(old) if who == "old" else contextlib.nullcontext():
            results.add("", who, contestant.measure())


def compared(rows, results):
    """(comparisons of rows that both have a figure for, the others)"""
    found, missing = [], []
    for row in rows:
        old, new = (results.of("", who, row.key) for who in ("old", "new"))
        if old and new:
            ratios = [row.cost(statistics.median(n)) / row.cost(statistics.median(o)) for o, n in zip(old, new)]
            medians = [statistics.median(v for turn in turns for v in turn) for turns in (old, new)]
            found.append(Comparison(row.title, row.unit, *medians, ratios))
        else:
            missing.append((row.title, "the older program does not measure this" if new else "no figure"))
    return found, missing


def measure_until_decided(contestant, rows, old, most):
    """All rows of one contestant, which are measured by the same runs."""
    results, turn = Results(), 0
    for pairs in looks(most):
        while turn < pairs:
            measure_pair(contestant, old, results, turn)
            turn += 1
        found, missing = compared(rows, results)
        if all(c.verdict != "undecided" for c in found):
            break
    return found, missing


def compare_contestant(contestant, rows, old, most):
    found, missing = measure_until_decided(contestant, rows, old, most)
    slower = {c.title for c in found if c.verdict == "yes"}
    if slower:
        again, _ = measure_until_decided(contestant, [r for r in rows if r.title in slower], old, most)
        found = [c for c in found if c.title not in slower] + again
    return found, missing


def by_contestant(rows, experiments):
    """{(experiment, who): [row, ...]} of kith's, in the order of the table."""
    groups = {}
    for e in experiments:
        for row in rows:
            if row.experiment == e.name and e.often:
                groups.setdefault((e.name, row.me), (e, []))[1].append(row)
    return groups


def compare(rows, experiments, old, most, patience):
    older, quiet, places = Older(), Results(), {}
    for (name, who), (experiment, mine) in by_contestant(rows, experiments).items():
        places.setdefault(experiment.place, []).append((f"{name}, {who}", experiment.contestants[who], mine))
    for row in rows:
        if any(e.name == row.experiment and not e.often for e in experiments):
            older.missing.append((row.title, "takes too long for many runs"))
    for place, some in places.items():
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(place())
            except Missing as e:
                older.missing += [(row.title, str(e)) for _, _, mine in some for row in mine]
                continue
            for name, contestant, mine in some:
                if patience:
                    quiet.look_around(patience)
                add_to(older, name, contestant, mine, old, most)
    return older


def add_to(older, name, contestant, rows, old, most):
    try:
        found, missing = compare_contestant(contestant, rows, old, most)
        older.comparisons += found
        older.missing += missing
        said = ", ".join(f"{c.ratio:.3f} {c.verdict}" for c in found)
    except (Missing, Failed) as e:
        older.missing += [(row.title, str(e)) for row in rows]
        said = str(e)
    print(f"{name}: {said}", file=sys.stderr)
