"""The results: what was measured, as one table for the terminal and one for RESULTS.md."""
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import time
from datetime import date
from pathlib import Path

HEAD = ["row", "who", "median", "quartiles", "kith is", "target", "reached"]
QUIET = 0.05                                    # of the CPUs


class Results:
    """What each contestant said in each experiment, over all runs."""

    def __init__(self):
        self.values = {}                        # (experiment, who, key) -> [value, ...]
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
            self.values.setdefault((experiment, who, key), []).extend(some)

    def refuse(self, experiment, who, reason):
        self.reasons[experiment, who] = reason

    def save(self, path):
        """Every value, for whoever wants to look closer than at medians."""
        runs = [{"experiment": e, "who": w, "key": k, "values": v} for (e, w, k), v in self.values.items()]
        path.write_text(json.dumps(runs, indent=1) + "\n")

    def of(self, row, who):
        """Its values in the row; none when one of its runs failed: a figure of the others would flatter."""
        if (row.experiment, who) in self.reasons:
            return []
        return self.values.get((row.experiment, who, row.key), [])


def lines(rows, experiments, results):
    """The table as lists of cells; the first line of a row has its title."""
    names = {e.name: list(e.contestants) for e in experiments}
    for row in rows:
        others = row.against or [w for w in names[row.experiment] if w != row.me]
        present = {w: v for w in [row.me, *others] if (v := results.of(row, w))}
        medians = {w: statistics.median(v) for w, v in present.items()}
        yield own_line(row, medians, present, results)
        for who in others:
            if who in medians:
                yield ["", label(row, who), f"{short(medians[who])} {row.unit}", quartiles(present[who]),
                       compared(row, medians, who), "", ""]
            elif reason := results.reasons.get((row.experiment, who)):
                yield ["", label(row, who), reason, "", "", "", ""]


def own_line(row, medians, present, results):
    targets = []
    if row.me not in medians:
        reason = results.reasons.get((row.experiment, row.me), "no figure")
        return [row.title, row.me, f"not available: {reason}", "", "", "", "no" if row.targets else ""]
    verdicts = [t.judge(row, medians) for t in row.targets]
    targets = "; ".join(text for text, _ in verdicts)
    return [row.title, row.me, f"{short(medians[row.me])} {row.unit}", quartiles(present[row.me]), "", targets,
            verdict([reached for _, reached in verdicts])]


def verdict(reached):
    if not reached:
        return ""
    if False in reached:
        return "no"
    return "?" if None in reached else "yes"


def label(row, who):
    return "kith, kith memory" if who == "kith" and row.me != who else who


def compared(row, medians, who):
    if row.me not in medians:
        return ""
    if not (medians[who] and medians[row.me]):
        return ""                               # 0 % of a CPU: no ratio
    times = row.cost(medians[who]) / row.cost(medians[row.me])
    return f"{short(times)} × faster" if times >= 1 else f"{short(1 / times)} × slower"


def short(value):
    """Three digits, without exponents."""
    if value == 0:
        return "0"
    digits = 3 - len(str(int(abs(value)))) if abs(value) >= 1 else min(6, 2 - int(f"{value:e}".partition("e")[2]))
    return f"{value:.{max(0, digits)}f}"


def quartiles(values):
    if len(values) < 2:
        return "one run"
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{short(low)} – {short(high)}"


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
    ]
    if results.foreign:
        found.append(("others' load", f"{100 * statistics.median(results.foreign):.0f} % of the CPUs, "
                                      f"{100 * max(results.foreign):.0f} % at most, between the experiments"))
    return [(what, value or "missing") for what, value in found]


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


def cpuflags():
    flags = re.search(r"flags\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return flags.group(1).split() if flags else []


def first(text):
    return text.splitlines()[0] if text else ""


# ------------------------------------------------------------------ two forms

def for_terminal(table, about):
    """Columns padded to their widest cell; a title has a line of its own."""
    body = []
    for title, *cells in table:
        body += [(title, cells)] if title else [("", cells)]
    widths = [max(len(cells[i]) for _, cells in body if not spills(cells, i)) for i in range(len(HEAD) - 1)]
    widths = [max(w, len(h)) for w, h in zip(widths, HEAD[1:])]
    out = [f"{what}: {value}" for what, value in about] + [""]
    out.append("  " + "  ".join(h.ljust(w) for h, w in zip(HEAD[1:], widths)).rstrip())
    for title, cells in body:
        if title:
            out += ["", title]
        out.append("  " + "  ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip())
    return "\n".join(out)


def spills(cells, i):
    """A reason stands in the column of the median, and may run over the empty ones behind it."""
    return i == 1 and not any(cells[2:5])


def for_markdown(table, about, picture):
    out = ["# Results", "",
           "Made by `make bench` (`bench/run --write`). Medians and quartiles over several runs that took turns with "
           "their rivals; two workers; README.md says what each row means.", ""]
    out += [f"- {what}: {value}" for what, value in about]
    out += ["", "| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    for title, who, *cells in table:
        who = f"**{who}**" if title else who
        out.append("| " + " | ".join([title, who, *cells]) + " |")
    out += ["", "## Speed-up against workers", "", f"![speed-up of the pi programs]({picture})", ""]
    return "\n".join(out)
