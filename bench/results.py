"""What was measured, and how busy the machine was meanwhile."""
import json
import time
from pathlib import Path

QUIET = 0.05                                    # of the CPUs


class Allowance:
    """How long each of several parts may go on: its share of what is left of the time for all of them."""

    def __init__(self, seconds, parts):
        self.end = time.monotonic() + seconds if seconds else None
        self.left = parts

    def next(self):
        """Until when; None: no limit. 0: not at all."""
        if self.end is None:
            return None
        now, self.left = time.monotonic(), self.left - 1
        return now + (self.end - now) / (self.left + 1) if now < self.end else 0


class Results:
    """What each contestant said in each experiment, turn by turn."""

    def __init__(self):
        self.turns = {}                         # (experiment, who, key) -> [[value, ...], ...], one list for each turn
        self.reasons = {}                       # (experiment, who) -> why it did not run
        self.foreign = []                       # what part of the CPUs others used, before each experiment

    def look_around(self, patience=0):
        """How busy the machine is while we do nothing: with much else to do on it, the figures say little. Waits for
        a quiet moment, so many seconds at most."""
        until = time.monotonic() + patience
        while (load := foreign_load()) > QUIET and time.monotonic() < until:
            pass
        self.foreign.append(load)

    def add(self, experiment, who, values):
        for key, some in values.items():
            self.turns.setdefault((experiment, who, key), []).append(some)

    def refuse(self, experiment, who, reason):
        self.reasons[experiment, who] = reason

    def of(self, experiment, who, key):
        """Its turns; none when one of them failed: a figure of the others would flatter."""
        return [] if (experiment, who) in self.reasons else self.turns.get((experiment, who, key), [])

    def values(self, experiment, who, key):
        return [v for turn in self.of(experiment, who, key) for v in turn]

    def save(self, path):
        """Every value, for whoever wants to look closer than at medians."""
        runs = [{"experiment": e, "who": w, "key": k, "turns": t} for (e, w, k), t in self.turns.items()]
        path.write_text(json.dumps(runs, indent=1) + "\n")


def foreign_load(seconds=0.3):
    """What part of all CPUs is in use while we sleep."""
    before = cpu_ticks()
    time.sleep(seconds)
    total, idle = (b - a for a, b in zip(before, cpu_ticks()))
    return 1 - idle / total if total else 0.0


def cpu_ticks():
    """(all, idle) of all CPUs since boot."""
    ticks = [int(t) for t in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]
