"""What kith is to reach in a row: by itself, or beside somebody else.

A goal makes one figure of what kith took and, if it names somebody in `who`, of what that one took; met() judges it.
The same function makes the figure of the medians and of single turns, which tell how far it can be trusted."""
import statistics
from dataclasses import dataclass
from typing import Optional


def short(value):
    """Three digits, without exponents."""
    if value == 0:
        return "0"
    digits = 3 - len(str(int(abs(value)))) if abs(value) >= 1 else min(6, 2 - int(f"{value:e}".partition("e")[2]))
    return f"{value:.{max(0, digits)}f}"


def quartiles(values):
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


@dataclass
class Goal:
    limit: float
    who: Optional[str] = None

    def figure(self, row, mine, theirs):
        return mine

    def met(self, figure):
        return figure <= self.limit

    def text(self, row):
        return f"≤ {self.limit:g} {row.unit}"

    def shown(self, row, figure):
        return f"{short(figure)} {row.unit}"


class AtMost(Goal):
    pass


class AtLeast(Goal):
    def met(self, figure):
        return figure >= self.limit

    def text(self, row):
        return f"≥ {self.limit:g} {row.unit}"


class Within(Goal):
    """Takes at most so many times as long as somebody else."""

    def figure(self, row, mine, theirs):
        return row.cost(mine) / row.cost(theirs)

    def text(self, row):
        return f"≤ {self.limit:g} × {self.who}"

    def shown(self, row, figure):
        return f"{short(figure)} ×"


class Faster(Goal):
    """At least so many times as fast as somebody else."""

    def figure(self, row, mine, theirs):
        return row.cost(theirs) / row.cost(mine)

    def met(self, figure):
        return figure >= self.limit

    def text(self, row):
        return f"≥ {self.limit:g} × {self.who}" if self.limit >= 1 else f"≥ {100 * self.limit:g} % of {self.who}"

    def shown(self, row, figure):
        return f"{short(figure)} ×" if self.limit >= 1 else f"{100 * figure:.0f} %"


class MoreBy(Goal):
    """Takes at most so much more than somebody else, in the row's unit."""

    def figure(self, row, mine, theirs):
        return mine - theirs

    def text(self, row):
        return f"≤ {self.who} + {self.limit:g} {row.unit}"

    def shown(self, row, figure):
        return f"{'+' if figure >= 0 else '−'} {short(abs(figure))} {row.unit}"


@dataclass
class Verdict:
    """How a goal came out; None where somebody is missing."""
    goal: Goal
    figure: Optional[float] = None
    spread: Optional[tuple] = None          # quartiles of the figures of single turns

    @property
    def reached(self):
        return None if self.figure is None else self.goal.met(self.figure)


def judge(row, goal, values):
    """values(who) gives a list of lists: what somebody measured, by turns. The figure is that of the medians over
    all; turn k of kith and turn k of the other one came one after the other, so the spread is that of their figures."""
    mine, theirs = values(row.me), values(goal.who) if goal.who else None
    if not mine or (goal.who and not theirs):
        return Verdict(goal)
    figure = goal.figure(row, over_all(mine), over_all(theirs) if theirs else None)
    single = [goal.figure(row, statistics.median(m), statistics.median(t) if t else None)
              for m, t in zip(mine, theirs or [None] * len(mine))]
    return Verdict(goal, figure, quartiles(single) if len(single) > 1 else None)


def over_all(turns):
    return statistics.median(v for turn in turns for v in turn)
