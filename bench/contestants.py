"""Who takes part in a row on this machine: how each is started, and what it measured. (On nodes: nodes.py.)

A contestant's measure() runs it once and returns {key: [value, ...]}. It raises Missing when it cannot run on this
machine, with a word why, and Failed when it should have run and did not."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
BUILD = SOURCE.parent / "build" / "bench"       # what is measured; bench/run --build sets both
HOME = BUILD.parent                             # where files may be written
PYTHON = "/usr/bin/python3"                     # Debian's: the packages of the peers belong to it
TIME_LIMIT = 90


class Missing(Exception):
    pass


class Failed(Exception):
    pass


def use(build):
    """From now on the programs of this build tree are measured."""
    global BUILD, HOME
    BUILD, HOME = build.resolve() / "bench", build.resolve()


@contextlib.contextmanager
def programs_of(build):
    """Within the block the programs of another build tree are measured; nothing is written to it."""
    global BUILD
    ours, BUILD = BUILD, build.resolve() / "bench"
    try:
        yield
    finally:
        BUILD = ours


def environment(**more):
    """Ours, without settings that would change a figure, and with the modules of this build."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("KITH_", "OMP_", "PYTHON"))}
    return {**env, "KITH_MODULES": str(BUILD.parent / "lib" / ".libs"), "PYTHONDONTWRITEBYTECODE": "1",
            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **more}


def start(command, **options):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, start_new_session=True, **{"env": environment(), **options})


def stop(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def finish(process):
    """What the process printed, as {key: [value, ...]}."""
    try:
        out, err = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        stop(process)
        raise Failed(f"not done after {TIME_LIMIT} s") from None
    if process.returncode:
        said = [line for line in err.splitlines() if line.strip(" -")]
        raise Failed(said[-1] if said else f"exit status {process.returncode}")
    values = {}
    for line in out.splitlines():
        key, value = line.split()
        values.setdefault(key, []).append(float(value))
    return values


class Program:
    """A program of bench/: `path` below it, built or not, and its arguments. An older one may not know all of them:
    `usage` is a word that is in the source of those that do."""

    def __init__(self, path, *arguments, usage=None, repeats=None):
        self.path, self.arguments, self.usage, self.repeats = path, [str(a) for a in arguments], usage, repeats

    def command(self):
        program = built(self.path)
        if self.usage and BUILD.parent != HOME and self.usage not in source(self.path):
            raise Missing(f"{self.path} has no argument {self.usage}")
        return [program, *self.arguments]

    def measure(self):
        return finish(start(self.command()))


class Python(Program):
    """A script of bench/ under Debian's Python; `needs` is a module that must be there."""
    needs = None

    def command(self):
        if not os.access(PYTHON, os.X_OK):
            raise Missing(f"no {PYTHON}")
        if self.needs:
            importable(self.needs)
        return [PYTHON, str(SOURCE / self.path), *self.arguments]


class Numba(Python):
    needs = "numba"


class Mpi4py(Python):
    """The same under mpirun: one rank is the master, so two workers need three."""
    needs = "mpi4py"

    def command(self):
        python, *rest = super().command()
        return [mpirun(), "-n", "3", "--oversubscribe", "--bind-to", "none", python, "-m", "mpi4py.futures", *rest]


class Timed(Program):
    """Another contestant's command, timed from outside."""

    def __init__(self, times, inner, repeats=None):
        super().__init__("stopwatch", times, repeats=repeats)
        self.inner = inner

    def command(self):
        return super().command() + self.inner.command()


class Alike:
    """Another contestant, whose figure under one key counts in rows with other keys, too."""

    def __init__(self, inner, key, *others):
        self.inner, self.key, self.others, self.repeats = inner, key, others, inner.repeats

    def measure(self):
        values = self.inner.measure()
        return {**values, **{other: values[self.key] for other in self.others}}


class Uneven:
    """A run of uneven tasks: its makespan over the bound that no schedule beats, and over what a greedy one needs:
    whoever is free takes the next task, at no cost. Both follow from the times that the tasks themselves took."""

    def __init__(self, inner, workers=2):
        self.inner, self.workers, self.repeats = inner, workers, inner.repeats

    def measure(self):
        values = self.inner.measure()
        makespan, tasks = values["makespan"][0], values["task"]
        bound = max(sum(tasks) / self.workers, max(tasks))
        return {"bound": [makespan / bound], "greedy": [makespan / self.greedy(tasks)]}

    def greedy(self, tasks):
        free_at = [0.0] * self.workers
        for t in tasks:
            first = free_at.index(min(free_at))
            free_at[first] += t
        return max(free_at)


class Idle:
    """A program that waits with an open pool: CPU time of its busiest process, in % of a CPU."""
    SECONDS = 10

    def __init__(self, inner):
        self.inner, self.repeats = inner, 1

    def measure(self):
        mark = f"BENCH_MARK={uuid.uuid4().hex}"
        process = start(self.inner.command(), env=environment(BENCH_MARK=mark.partition("=")[2]))
        try:
            time.sleep(1.5)                     # it has started, and spun for as long as it ever spins
            before, begin = cpu_seconds(mark), time.monotonic()
            time.sleep(self.SECONDS)
            after, took = cpu_seconds(mark), time.monotonic() - begin
        finally:
            stop(process)
        if process.returncode != -signal.SIGKILL:
            raise Failed("it ended by itself")
        if not before or before.keys() != after.keys():
            raise Failed("processes came or went while it was idle")
        return {"processes": [len(before)], "cpu": [100 * max(after[p] - before[p] for p in before) / took]}


def cpu_seconds(mark):
    """{pid: CPU seconds so far} of all processes that have the mark in their environment."""
    used = {}
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (proc / "environ").read_bytes().split(b"\0"):
                used[proc.name] = sum(thread_seconds(t) for t in (proc / "task").iterdir())
        except OSError:
            pass                                # it is gone, or another user's
    return used


def thread_seconds(thread):
    """schedstat counts in ns; stat, where there is no schedstat, in ticks of 10 ms."""
    try:
        return int((thread / "schedstat").read_text().split()[0]) * 1e-9
    except FileNotFoundError:
        fields = (thread / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------------ what is there

def built(path):
    program = BUILD / path
    if not program.exists():
        raise Missing(f"{path} was not built")
    return str(program)


def source(path):
    """Of a program in C; the Makefile of its build tree tells where."""
    try:
        where = re.search(r"^abs_top_srcdir = (.*)$", (BUILD.parent / "Makefile").read_text(), re.MULTILINE)
        return (Path(where.group(1)) / "bench" / f"{path}.c").read_text() if where else ""
    except OSError:
        return ""


def mpirun():
    found = shutil.which("mpirun.openmpi") or shutil.which("mpirun")
    if not found:
        raise Missing("no mpirun")
    return found


def importable(module, known={}):
    if module not in known:
        known[module] = subprocess.run([PYTHON, "-c", f"import {module}"], env=environment(),
                                       capture_output=True).returncode == 0
    if not known[module]:
        raise Missing(f"no python3-{module}")
