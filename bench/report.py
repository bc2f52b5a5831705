"""The results, for the terminal and for RESULTS.md: the goals, all figures, what was skipped, the machine."""
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
from datetime import date
from pathlib import Path

import goals
from goals import quartiles, short

GOALS = ["row", "kith", "beside", "measured", "quartiles", "goal", "reached"]
FIGURES = ["row", "who", "median", "quartiles", "kith is"]
SKIPPED = ["who", "why", "in"]
OLDER = ["row", "older", "now", "takes … × as long", "96 % interval", "pairs", "slower by more than 5 %"]

REACHED = {True: "yes", False: "no", None: "?"}


# ------------------------------------------------------------------ tables: lists of cells

def values_of(row, results):
    return lambda who: results.of(row.experiment, who, row.key)


def verdicts(row, results):
    return [goals.judge(row, goal, values_of(row, results)) for goal in row.goals]


def goal_table(rows, results):
    """A line for each goal: what kith and the other one took, and the figure that the goal is about."""
    for row in rows:
        for v in verdicts(row, results):
            mine, theirs = (median_of(row, who, results) if who else "" for who in (row.me, v.goal.who))
            figure = v.goal.shown(row, v.figure) if v.figure is not None else ""
            spread = " – ".join(v.goal.shown(row, q) for q in v.spread) if v.spread else ""
            title = row.title if row.me == "kith" else f"{row.title} ({row.me})"
            yield [title, mine, theirs, figure, spread, v.goal.text(row), REACHED[v.reached]]


def median_of(row, who, results):
    values = results.values(row.experiment, who, row.key)
    return f"{short(statistics.median(values))} {row.unit}" if values else "not measured"


def figure_table(rows, experiments, results):
    """A line for each contestant; the first one of a row has its title."""
    names = {e.name: list(e.contestants) for e in experiments}
    for row in rows:
        others = row.against or [w for w in names[row.experiment] if w != row.me]
        title = row.title
        for who in [row.me, *others]:
            values = results.values(row.experiment, who, row.key)
            if values:
                yield [title, label(row, who), f"{short(statistics.median(values))} {row.unit}", spread_of(values),
                       compared(row, who, results) if who != row.me else ""]
                title = ""
            elif who == row.me:
                yield [title, label(row, who), "not measured", "", ""]
                title = ""


def label(row, who):
    return "kith, kith memory" if who == "kith" and row.me != who and row.experiment == "map" else who


def spread_of(values):
    return " – ".join(short(q) for q in quartiles(values)) if len(values) > 1 else "one run"


def compared(row, who, results):
    mine, theirs = (results.values(row.experiment, w, row.key) for w in (row.me, who))
    if not mine or min(statistics.median(mine), statistics.median(theirs)) <= 0:
        return ""                               # 0 % of a CPU: no ratio
    times = row.cost(statistics.median(theirs)) / row.cost(statistics.median(mine))
    return f"{short(times)} × faster" if times >= 1 else f"{short(1 / times)} × slower"


def skipped_table(rows, results):
    """Who did not take part, and why; one line for all experiments with the same reason."""
    shown = {r.experiment for r in rows}
    where = {}
    for (experiment, who), reason in results.reasons.items():
        if experiment in shown:
            where.setdefault((who, reason), []).append(experiment)
    return [[who, reason, "; ".join(names)] for (who, reason), names in where.items()]


def older_table(older):
    for c in older.comparisons:
        low, high = c.interval
        yield [c.title, f"{short(c.old)} {c.unit}", f"{short(c.new)} {c.unit}", f"{c.ratio:.3f}",
               f"{low:.3f} – {high:.3f}" if high < math.inf else "too few pairs", str(c.pairs), c.verdict]


def score(rows, results):
    all_of_them = [v.reached for row in rows for v in verdicts(row, results)]
    return (f"{all_of_them.count(True)} of {len(all_of_them)} goals reached, {all_of_them.count(False)} not, "
            f"{all_of_them.count(None)} not measured")


def older_score(older):
    all_of_them = [c.verdict for c in older.comparisons]
    return (f"{all_of_them.count('yes')} of {len(all_of_them)} rows are slower by more than 5 %, "
            f"{all_of_them.count('no')} are not, {all_of_them.count('undecided')} undecided")


# ------------------------------------------------------------------ the machine

def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:
        return ""


def machine(results):
    """[(what, its name and version)] of what the figures depend on."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    kernel = platform.uname()
    virtual = output("systemd-detect-virt").strip() or ("virtual" if "hypervisor" in cpuflags() else "")
    found = [
        ("date", date.today().isoformat()),
        ("CPU", f"{cpu.group(1) if cpu else kernel.machine}, {len(os.sched_getaffinity(0))} usable cores"
                + (", virtual machine" if virtual not in ("", "none") else "")),
        ("kernel", f"{kernel.system} {kernel.release}"),
        ("compiler", first(output("gcc", "--version"))),
        ("Python of the peers", output("/usr/bin/python3", "--version").strip()),
        ("mpi4py", output("/usr/bin/python3", "-c", "import mpi4py; print(mpi4py.__version__)").strip()),
        ("MPI", first(output(shutil.which("mpirun.openmpi") or "mpirun", "--version"))),
        ("ZeroMQ", output("pkg-config", "--modversion", "libzmq").strip()),
        ("LMDB", output("pkg-config", "--modversion", "lmdb").strip()),
        ("Dask", output("/usr/bin/python3", "-c", "import distributed; print(distributed.__version__)").strip()),
    ]
    if results.foreign:
        found.append(("others' load", f"{100 * statistics.median(results.foreign):.0f} % of the CPUs, "
                                      f"{100 * max(results.foreign):.0f} % at most, between the experiments"))
    return [(what, value or "missing") for what, value in found]


def cpuflags():
    flags = re.search(r"flags\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return flags.group(1).split() if flags else []


def first(text):
    return text.splitlines()[0] if text else ""


# ------------------------------------------------------------------ two forms

def padded(head, table):
    """Columns as wide as their widest cell; a title has a line of its own."""
    table = list(table)
    widths = [max(len(line[i]) for line in [head, *table]) for i in range(1, len(head))]

    def line(cells):
        return "  " + "  ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip()

    out = [line(head[1:])]
    for title, *cells in table:
        out += ([title] if title else []) + [line(cells)]
    return "\n".join(out)


def for_terminal(rows, experiments, results):
    parts = ["\n".join(f"{what}: {value}" for what, value in machine(results)),
             padded(FIGURES, figure_table(rows, experiments, results)),
             "Goals\n" + padded(GOALS, goal_table(rows, results))]
    skipped = skipped_table(rows, results)
    if skipped:
        parts.append("Skipped\n" + "\n".join(f"  {who}: {why} ({names})" for who, why, names in skipped))
    return "\n\n".join([*parts, score(rows, results)])


def older_for_terminal(older):
    parts = [padded(OLDER, older_table(older))]
    if older.missing:
        parts.append("Not compared\n" + "\n".join(f"  {title}: {why}" for title, why in older.missing))
    return "\n\n".join([*parts, older_score(older)])


def marked(head, table):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(cells) + " |" for cells in table]


def for_markdown(rows, experiments, results, older, picture):
    out = ["# Results", "",
           "Made by `make bench BENCHFLAGS=--write`, all in one run, in which kith and its peers took turns; two "
           "workers. README.md says what each row means, and why a goal is not reached.", ""]
    out += [f"- {what}: {value}" for what, value in machine(results)]
    out += ["", "## Goals", "", f"{score(rows, results)}. What is measured is the figure of the medians; its quartiles "
            "are those of single turns.", "", *marked(GOALS, goal_table(rows, results))]
    out += ["", "## All figures", "", *marked(FIGURES, figure_table(rows, experiments, results))]
    skipped = skipped_table(rows, results)
    out += ["", "## Skipped", "", *(marked(SKIPPED, skipped) if skipped else ["Nothing."])]
    if older:
        out += ["", "## Beside an older build", "", f"{older_score(older)}. README.md says how that is found out.", "",
                *marked(OLDER, older_table(older))]
        out += ["", *(f"- not compared: {title}: {why}" for title, why in older.missing)]
    if picture:
        out += ["", "## Speed-up against workers", "", f"![speed-up of the pi programs]({picture})"]
    return "\n".join([*out, ""])
