"""bench/run --old BUILD: is kith slower than an older build of it? Honestly: a row is slower, or it is not, or that
cannot be told from so many runs.

The programs of both builds run in pairs, one right after the other, now this one first and now that one, so that a
machine that gets slower, or a neighbour that comes and goes, hurts both. What a pair tells is a ratio. The median of
all pairs' ratios lies, 96 times in 100, within an interval that is read off the sorted ratios, whatever their
distribution: with 6 pairs between the smallest and the largest one. A row is decided when its interval lies on one side
of the limit. That is looked at three times, after 6, 12 and 24 pairs. As one of fifty rows would be called slower
by chance alone, who is found slower is measured anew, and only that counts."""
import contextlib
import statistics
import sys
import time
from dataclasses import dataclass, field
from math import comb
from typing import List, Optional, Tuple

import contestants
from contestants import Failed, Missing
from results import Allowance, Results

LIMIT = 1.05                                    # times as long as the older build
FEWEST, MOST = 6, 24                            # pairs
SURE = 0.96


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


@dataclass
class Candidate:
    """A contestant of kith's, the rows that its runs measure, and what has come out so far."""
    name: str
    contestant: object
    rows: list
    results: Results = field(default_factory=Results)
    pairs: int = 0
    seconds: float = 0.0                        # of all pairs
    reason: Optional[str] = None                # why it cannot be compared

    def measure_pair(self, old):
        """One run of each build, now this one first and now that one."""
        begin = time.monotonic()
        try:
            for who in ["new", "old"] if self.pairs % 2 else ["old", "new"]:
                with contestants.programs_of(old) if who == "old" else contextlib.nullcontext():
                    self.results.add("", who, self.contestant.measure())
        except (Missing, Failed) as e:
            self.reason = f"{'the older build' if who == 'old' else 'this build'}: {e}"
        self.pairs += 1
        self.seconds += time.monotonic() - begin

    def compared(self):
        """(comparisons of rows that both have a figure for, [(title, why)] of the others)"""
        if self.reason:
            return [], [(row.title, self.reason) for row in self.rows]
        found, missing = [], []
        for row in self.rows:
            old, new = (self.results.of("", who, row.key) for who in ("old", "new"))
            if old and new:
                ratios = [row.cost(statistics.median(n)) / row.cost(statistics.median(o)) for o, n in zip(old, new)]
                medians = [statistics.median(v for turn in turns for v in turn) for turns in (old, new)]
                found.append(Comparison(row.title, row.unit, *medians, ratios))
            else:
                missing.append((row.title, "the older program does not measure this" if new else "no figure"))
        return found, missing

    @property
    def decided(self):
        return self.reason is not None or all(c.verdict != "undecided" for c in self.compared()[0])

    def measure_until_decided(self, old, most, until):
        """Until the next pair would not end in time; None: whenever it ends."""
        for pairs in looks(most):
            while self.pairs < pairs and self.reason is None:
                if until is not None and self.pairs and time.monotonic() + self.seconds / self.pairs > until:
                    return
                self.measure_pair(old)
            if self.decided:
                return


def measure_anew(c, old, most, until):
    """The rows that were found slower; only that counts."""
    slower = {found.title for found in c.compared()[0] if found.verdict == "yes"}
    if not slower:
        return c.compared()
    again = Candidate(c.name, c.contestant, [r for r in c.rows if r.title in slower])
    again.measure_until_decided(old, most, until)
    found, missing = c.compared()
    return [f for f in found if f.title not in slower] + again.compared()[0], missing + again.compared()[1]


def candidates(rows, experiments):
    """By place, in the order of the table: those whose runs can be repeated often."""
    places = {}
    for e in experiments:
        for who in e.contestants if e.often else []:
            mine = [r for r in rows if r.experiment == e.name and r.me == who]
            if mine:
                places.setdefault(e.place, []).append(Candidate(f"{e.name}, {who}", e.contestants[who], mine))
    return places


def compare_there(some, old, most, allowance, older, patience):
    """First a pair of each, as many of them may be known by then not to be comparable; then the quickest come first,
    so that what they do not need of their share of the time is left to the slower ones."""
    quiet = Results()
    for c in some:
        c.measure_pair(old)
    for c in sorted(some, key=lambda c: c.seconds):
        if patience:
            quiet.look_around(patience)
        until = allowance.next()
        c.measure_until_decided(old, most, until)
        found, missing = measure_anew(c, old, most, until)
        older.comparisons += found
        older.missing += missing
        said = c.reason or ", ".join(f"{f.ratio:.3f} {f.verdict}" for f in found)
        print(f"{c.name}: {c.pairs} pairs, {c.seconds:.0f} s: {said}", file=sys.stderr)


def compare(rows, experiments, old, most, patience, seconds=None):
    places = candidates(rows, experiments)
    older, allowance = Older(), Allowance(seconds, sum(map(len, places.values())))
    for row in rows:
        if any(e.name == row.experiment and not e.often for e in experiments):
            older.missing.append((row.title, "takes too long for many runs"))
    for place, some in places.items():
        try:
            with place():
                compare_there(some, old, most, allowance, older, patience)
        except Missing as e:
            older.missing += [(row.title, str(e)) for c in some for row in c.rows]
    order = {row.title: i for i, row in enumerate(rows)}
    older.comparisons.sort(key=lambda c: order[c.title])
    return older
