"""The table: its experiments, its rows, and what kith is to reach in each.

An experiment is a set of contestants that are run in turn, A B C A B C ..., so that a machine that gets slower hurts
all of them. A row shows one key of an experiment. README.md says what each means."""
import contextlib
import random
from dataclasses import dataclass, field
from typing import Callable, Dict, List

from contestants import FourNodes, Idle, KithNodes, Mpi4py, Nodes, Numba, Program, Python, RawZeroMQ, Timed, Uneven

OPENMP, PLAIN = "OpenMP dynamic,1024", "plain processes"
MP, FUTURES, MPI4PY = "multiprocessing", "concurrent.futures", "mpi4py.futures"


@dataclass
class Experiment:
    name: str
    contestants: Dict[str, object]
    repeats: int = 5                            # a contestant with repeats of its own takes part in the first ones
    together: bool = False                      # all at the same time: for those who do nothing
    place: Callable = contextlib.nullcontext    # around all runs


@dataclass
class Row:
    title: str
    experiment: str
    key: str
    unit: str
    more: bool = False                          # is a larger value better?
    me: str = "kith"
    against: List[str] = field(default_factory=list)    # in this order; empty: all others of the experiment
    targets: List[object] = field(default_factory=list)

    def cost(self, value):
        return 1 / value if self.more else value


# ------------------------------------------------------------------ targets

@dataclass
class AtMost:
    limit: float

    def judge(self, row, medians):
        value = medians[row.me]
        return f"≤ {self.limit:g} {row.unit}", value <= self.limit


@dataclass
class AtLeast:
    limit: float

    def judge(self, row, medians):
        return f"≥ {self.limit:g} {row.unit}", medians[row.me] >= self.limit


@dataclass
class Within:
    """Takes at most so many times as long as somebody else."""
    factor: float
    who: str

    def judge(self, row, medians):
        if self.who not in medians:
            return f"≤ {self.factor:g} × {self.who}", None
        ratio = row.cost(medians[row.me]) / row.cost(medians[self.who])
        return f"≤ {self.factor:g} × {self.who}: {ratio:.2f}", ratio <= self.factor


@dataclass
class Faster:
    """At least so many times as fast as somebody else."""
    factor: float
    who: str

    def judge(self, row, medians):
        text = f"{self.factor:g} × {self.who}" if self.factor >= 1 else f"{100 * self.factor:g} % of {self.who}"
        if self.who not in medians:
            return f"≥ {text}", None
        ratio = row.cost(medians[self.who]) / row.cost(medians[row.me])
        shown = f"{ratio:.3g}" if self.factor >= 1 else f"{100 * ratio:.0f} %"
        return f"≥ {text}: {shown}", ratio >= self.factor


# ------------------------------------------------------------------ contestants by name

def pythons(row, *arguments, few=(), repeats=3):
    """The three executors; the two slower ones get smaller arguments where they would take long."""
    def script(kind, executor, a):
        return kind("peers/python.py", executor, row, *a, repeats=repeats)
    return {MP: script(Python, "multiprocessing", arguments),
            FUTURES: script(Python, "futures", few or arguments),
            MPI4PY: script(Mpi4py, "mpi4py", few or arguments)}


def microseconds(n=64, median=3000.0):
    """Lengths of uneven tasks: lognormal with sigma 1, the same in each run."""
    draw = random.Random(1)
    return [round(median * draw.lognormvariate(0.0, 1.0), 1) for _ in range(n)]


def uneven(lengths):
    return {"kith": Uneven(Program("kith/uneven", *lengths)),
            "OpenMP dynamic,1": Uneven(Program("peers/openmp", "uneven", *lengths)),
            MP: Uneven(Python("peers/python.py", "multiprocessing", "uneven", *lengths, repeats=3))}


def pi(kind, workers=2, points=10**9):
    return {"kith": Program("kith/pi", kind, workers, points),
            PLAIN: Program("peers/pi", kind, workers, points)}


def queue(producers, consumers, size, count, bound, python_count):
    shape = producers, consumers, size
    return {"kith": Program("kith/queue", *shape, count, bound),
            MP: Python("peers/python.py", "multiprocessing", "queue", *shape, python_count, repeats=3)}


def ring(kind, producers, consumers, size, count):
    return Program("peers/ring", kind, producers, consumers, size, count)


EXPERIMENTS = [
    Experiment("map", {
        "kith": Program("kith/map", "kith", 0, 5),
        "kith, malloc'ed": Program("kith/map", "malloc", 0, 5),
        "kith, threads": Program("kith/map", "malloc", 0, 5, 1),
        OPENMP: Program("peers/openmp", "map", "dynamic", 1024, 5),
        "OpenMP static": Program("peers/openmp", "map", "static", 0, 5),
        **pythons("map", 1000000)}, repeats=7),
    Experiment("chunk 1", {
        "kith": Program("kith/map", "kith", 1, 0),
        "OpenMP dynamic,1": Program("peers/openmp", "map", "dynamic", 1, 0),
        **pythons("map", 20000, 1, few=(3000, 1))}),
    Experiment("apply", {"kith": Program("kith/apply", "warm"), **pythons("warm", 1000)}),
    Experiment("apply beside", {"kith": Program("kith/apply", "beside")}, repeats=3),
    Experiment("apply_async", {
        "kith": Program("kith/async", "apply", 1000000),
        "OpenMP tasks": Program("peers/openmp", "tasks", 1000000),
        MP: Python("peers/python.py", "multiprocessing", "async", 50000, repeats=3)}),
    Experiment("imap_unordered", {
        "kith": Program("kith/async", "imap", 1000000),
        MP: Python("peers/python.py", "multiprocessing", "imap", 100000, repeats=3)}),
    Experiment("apply after idling", {"kith": Program("kith/apply", "idle", 4),
                                      **pythons("after-idling", 2, repeats=2)}, repeats=2),
    Experiment("bulk", {
        "kith": Program("kith/bulk", "malloc"),
        "kith memory": Program("kith/bulk", "kith"),
        PLAIN: Program("peers/plain", "copy"),
        **pythons("bulk", 8, 16, repeats=2)}, repeats=3),
    Experiment("bytes", {
        "kith": Program("kith/bytes"),
        MP: Python("peers/python.py", "multiprocessing", "bytes", 100000, repeats=3)}, repeats=3),
    Experiment("program", {
        "kith": Timed(20, Program("kith/program")),
        PLAIN: Timed(20, Program("peers/plain", "program")),
        MP: Timed(5, Python("peers/program.py", "multiprocessing")),
        FUTURES: Timed(5, Python("peers/program.py", "futures"))}, repeats=3),
    Experiment("uneven, as drawn", {
        **uneven(microseconds()), "kith, told the costs": Uneven(Program("kith/uneven", "costs", *microseconds()))}),
    Experiment("uneven, longest first", uneven(sorted(microseconds(), reverse=True))),
    Experiment("pi, Monte Carlo", {
        **pi("montecarlo"),
        "Numba, Pool of 2": Numba("peers/pi_numba.py", "1e8", "1e9", repeats=3),
        MP: Python("peers/python.py", "multiprocessing", "pi", "montecarlo", "1e7", "1e9", repeats=2)}, repeats=9),
    Experiment("pi, midpoints", {
        **pi("midpoint"),
        MP: Python("peers/python.py", "multiprocessing", "pi", "midpoint", "1e7", "1e9", repeats=2)}, repeats=9),
    Experiment("idle", {
        "kith": Idle(Program("kith/idle", 60)),
        MP: Idle(Python("peers/python.py", "multiprocessing", "idle", 60)),
        FUTURES: Idle(Python("peers/python.py", "futures", "idle", 60))}, repeats=1, together=True),
    Experiment("metg", {
        "kith": Program("kith/metg"),
        "OpenMP dynamic,1": Program("peers/openmp", "metg"),
        **pythons("metg", 1000, few=(200,), repeats=1)}, repeats=3),
    Experiment("tree", {
        "kith": Program("kith/tree"),
        "OpenMP tasks": Program("peers/openmp", "tree")}, repeats=3),
    Experiment("loop", {
        "kith": Program("kith/loop", 1),
        "kith, two workers": Program("kith/loop"),
        "kith, threads": Program("kith/loop", 1, 1),
        "OpenMP static": Program("peers/openmp", "loop")}),
    Experiment("queue 1+1", {
        **queue(1, 1, 8, 4000000, 1024, 100000),
        "ring, one to one": ring("pair", 1, 1, 8, 10000000)}),
    Experiment("queue joinable", {
        "kith": Program("kith/queue", 1, 1, 8, 400000, 1024, 0, 1),
        "kith, by priority": Program("kith/queue", 1, 1, 8, 400000, 1024, 2, 0),
        MP: Python("peers/python.py", "multiprocessing", "queue", 1, 1, 8, 50000, 1, repeats=3)}),
    Experiment("queue 2+2", {
        **queue(2, 2, 8, 1500000, 1024, 50000),
        "ring, lock-free cells": ring("cells", 2, 2, 8, 5000000)}),
    Experiment("queue 1 MiB", {
        **queue(1, 1, 1 << 20, 4000, 8, 400),
        "ring, one to one": ring("pair", 1, 1, 1 << 20, 10000)}),
    Experiment("nodes 8 B", {
        "kith": KithNodes("kith/nodes", 8, 200000, 0),
        "kith, bounded at 1024": KithNodes("kith/nodes", 8, 10000, 1024),
        "raw ZeroMQ, CURVE": RawZeroMQ(8, 500000)}, repeats=3, place=Nodes),
    Experiment("nodes 1 MiB", {
        "kith": KithNodes("kith/nodes", 1 << 20, 500, 0),
        "kith, bounded at 16": KithNodes("kith/nodes", 1 << 20, 500, 16),
        "raw ZeroMQ, CURVE": RawZeroMQ(1 << 20, 500)}, repeats=3, place=Nodes),
    Experiment("share", {
        "kith": KithNodes("kith/share", 1024, nodes=4),
        "kith, plain": KithNodes("kith/share", 1024, nodes=4, settings=["KITH_NET_SECURITY=plain"]),
        "MPI_Bcast": KithNodes("peers/bcast", 1024, nodes=4),
        "raw ZeroMQ, CURVE": RawZeroMQ(1 << 20, 1024)}, repeats=3, place=FourNodes),
    Experiment("sem", {
        "kith": Program("kith/sem"),
        "sem_t": Program("peers/sem", "posix"),
        "robust mutex": Program("peers/sem", "robust"),
        MP: Python("peers/python.py", "multiprocessing", "sem", 100000, repeats=3)}),
    Experiment("value", {
        "kith": Program("kith/value"),
        "atomic word": Program("peers/value"),
        MP: Python("peers/python.py", "multiprocessing", "value", 50000, repeats=3)}),
    Experiment("dict", {
        "kith": Program("kith/dict"),
        "LMDB": Program("peers/lmdb"),
        MP: Python("peers/python.py", "multiprocessing", "dict", 20000, repeats=3)}),
    Experiment("lock", {
        "kith": Program("kith/lock"),
        "robust mutex": Program("peers/lock"),
        MP: Python("peers/python.py", "multiprocessing", "lock", 100000, repeats=3)}),
    Experiment("pipe", {
        "kith": Program("kith/pipe"),
        "ring, spinning": Program("peers/ring", "turns"),
        MP: Python("peers/python.py", "multiprocessing", "pipe", 20000, 1000, repeats=3)}),
    Experiment("wait", {
        "kith": Program("kith/wait"),
        "pipes and poll": Program("peers/poll"),
        MP: Python("peers/python.py", "multiprocessing", "wait", 20000, repeats=3)}),
    Experiment("sync", {
        "kith": Program("kith/sync"),
        "raw futex": Program("peers/sync")}),
    Experiment("process", {
        "kith": Program("kith/process"),
        PLAIN: Program("peers/plain", "process"),
        MP: Python("peers/python.py", "multiprocessing", "process", 100)}),
]

MAP_RIVALS = [OPENMP, "OpenMP static", MP, FUTURES, MPI4PY]

ROWS = [
    Row("map, 10^7 cheap tasks, kith memory, second map", "map", "second", "M/s", more=True,
        against=MAP_RIVALS, targets=[Within(1.5, OPENMP)]),
    Row("… first map over that memory", "map", "first", "M/s", more=True, against=MAP_RIVALS),
    Row("… later maps", "map", "later", "M/s", more=True, against=[OPENMP, "OpenMP static"]),
    Row("… malloc'ed arrays, second map", "map", "second", "M/s", more=True, me="kith, malloc'ed",
        against=["kith", MP, FUTURES, MPI4PY], targets=[Within(4, "kith"), Faster(50, MP)]),
    Row("… malloc'ed arrays, first map", "map", "first", "M/s", more=True, me="kith, malloc'ed",
        against=["kith", MP, FUTURES, MPI4PY]),
    Row("… the same by a pool of threads", "map", "second", "M/s", more=True, me="kith, threads",
        against=["kith, malloc'ed", OPENMP, "OpenMP static"], targets=[Within(1.5, OPENMP)]),
    Row("map, chunks of one task", "chunk 1", "second", "M/s", more=True, targets=[AtLeast(15)]),
    Row("apply, back to back, median", "apply", "median", "µs", targets=[AtMost(4)]),
    Row("apply, back to back, 99th percentile", "apply", "p99", "µs"),
    Row("apply beside a long map, median", "apply beside", "beside", "µs"),
    Row("apply_async of 10^6 trivial tasks, then all results", "apply_async", "second", "M/s", more=True,
        targets=[AtLeast(2)]),
    Row("imap_unordered, chunks of one task", "imap_unordered", "second", "M/s", more=True, targets=[AtLeast(2)]),
    Row("apply after a second of idling", "apply after idling", "idle", "µs", targets=[AtMost(40)]),
    Row("map, 64 × 16 MiB in and out, malloc'ed, first map", "bulk", "first", "GB/s", more=True,
        targets=[AtLeast(4)]),
    Row("… second map", "bulk", "second", "GB/s", more=True, targets=[AtLeast(4)]),
    Row("map, 10^5 results of up to 255 bytes", "bytes", "second", "M/s", more=True),
    Row("whole program: pool of 4, 4 tasks, end", "program", "wall", "ms", targets=[AtMost(6)]),
    Row("64 uneven tasks as drawn, over the greedy ideal", "uneven, as drawn", "greedy", "×",
        targets=[AtMost(1.01)]),
    Row("… over the bound", "uneven, as drawn", "bound", "×"),
    Row("… told what they cost, over the bound", "uneven, as drawn", "bound", "×", me="kith, told the costs",
        against=["kith"], targets=[AtMost(1.01)]),
    Row("64 uneven tasks, longest first, over the greedy ideal", "uneven, longest first", "greedy", "×",
        targets=[AtMost(1.01)]),
    Row("… over the bound", "uneven, longest first", "bound", "×"),
    Row("pi, 10^9 points, Monte Carlo", "pi, Monte Carlo", "seconds", "s", targets=[Within(1.1, PLAIN)]),
    Row("pi, 10^9 midpoints", "pi, midpoints", "seconds", "s", targets=[Within(1.1, PLAIN)]),
    Row("idle pool, busiest process", "idle", "cpu", "% CPU", targets=[AtMost(0.05)]),
    Row("METG(50 %), chunks of one task", "metg", "metg", "µs"),
    Row("calls in calls: tree of 4,130,071 nodes", "tree", "tree", "s", targets=[Within(1, "OpenMP tasks")]),
    Row("… fib(30)", "tree", "fib", "s", targets=[Within(1, "OpenMP tasks")]),
    Row("loop of 128 empty blocks", "loop", "empty", "µs", targets=[Within(1.5, "OpenMP static")]),
    Row("… Jacobi sweep over 128 × 128 points", "loop", "small", "µs", targets=[Within(1.5, "OpenMP static")]),
    Row("… over 1024 × 1024 points", "loop", "large", "µs", targets=[Within(1.05, "OpenMP static")]),
    Row("loop of 128 empty blocks, by a pool of threads", "loop", "empty", "µs", me="kith, threads",
        against=["kith", "OpenMP static"], targets=[Within(1.5, "OpenMP static")]),
    Row("… Jacobi sweep over 128 × 128 points, likewise", "loop", "small", "µs", me="kith, threads",
        against=["kith", "OpenMP static"], targets=[Within(1.5, "OpenMP static")]),
    Row("Queue, 8 B, one producer, one consumer", "queue 1+1", "items", "M/s", more=True, targets=[AtLeast(5)]),
    Row("Queue, 8 B, two and two", "queue 2+2", "items", "M/s", more=True, targets=[AtLeast(3)]),
    Row("Queue, 8 B, joinable, one and one", "queue joinable", "items", "M/s", more=True),
    Row("Queue, 1 MiB, one and one", "queue 1 MiB", "bytes", "GB/s", more=True, targets=[AtLeast(5)]),
    Row("Queue between two nodes, 8 B", "nodes 8 B", "items", "k/s", more=True, targets=[AtLeast(200)]),
    Row("Queue between two nodes, 1 MiB", "nodes 1 MiB", "bytes", "GB/s", more=True,
        targets=[Faster(0.6, "raw ZeroMQ, CURVE")]),
    Row("kith_share of 1 GiB to three other nodes", "share", "bytes", "GB/s", more=True, against=["raw ZeroMQ, CURVE"],
        targets=[Within(1.2, "raw ZeroMQ, CURVE")]),
    Row("… without encryption", "share", "bytes", "GB/s", more=True, me="kith, plain", against=["MPI_Bcast"],
        targets=[Within(1.2, "MPI_Bcast")]),
    Row("Semaphore, acquire and release, alone", "sem", "alone", "M/s", more=True),
    Row("… two processes, one unit", "sem", "contended", "M/s", more=True),
    Row("… hand-over between two that take turns", "sem", "handover", "µs", against=["sem_t", MP],
        targets=[Within(1.5, "sem_t")]),
    Row("Value, atomic add, alone", "value", "alone", "M/s", more=True),
    Row("… two processes", "value", "contended", "M/s", more=True, targets=[Within(3, "atomic word")]),
    Row("… to an element of an Array, alone", "value", "array", "M/s", more=True, against=["atomic word"]),
    Row("… two processes that lock, load, store, unlock", "value", "locked", "M/s", more=True,
        targets=[AtLeast(6)]),
    Row("Lock, acquire, add and release, alone", "lock", "alone", "M/s", more=True,
        targets=[Within(1.5, "robust mutex")]),
    Row("… two processes", "lock", "contended", "M/s", more=True, targets=[AtLeast(6)]),
    Row("… longest wait of 64 processes, over the mean", "lock", "fair", "×", targets=[AtMost(20)]),
    Row("Pipe, 8 B there and back", "pipe", "turn", "µs", targets=[AtMost(1.0)]),
    Row("Pipe, 1 MiB one way", "pipe", "bytes", "GB/s", more=True, against=[MP], targets=[AtLeast(20)]),
    Row("Dict, set, alone", "dict", "set", "M/s", more=True),
    Row("… two processes", "dict", "set2", "M/s", more=True, targets=[AtLeast(1)]),
    Row("Dict, get, alone", "dict", "get", "M/s", more=True),
    Row("… two processes", "dict", "get2", "M/s", more=True, targets=[AtLeast(3)]),
    Row("… beside one that sets", "dict", "beside", "M/s", more=True),
    Row("Dict, update of one entry by a function, two processes", "dict", "update", "M/s", more=True),
    Row("wait for two Queues, a round", "wait", "queues", "µs", against=["pipes and poll", MP],
        targets=[Faster(1, "pipes and poll")]),
    Row("… and for a descriptor beside them", "wait", "file", "µs"),
    Row("Event, hand-over between two that take turns", "sync", "event", "µs", targets=[Within(1.5, "raw futex")]),
    Row("Condition, hand-over", "sync", "condition", "µs", targets=[Within(1.5, "raw futex")]),
    Row("Barrier of two, half a round", "sync", "barrier", "µs", targets=[Within(1.5, "raw futex")]),
    Row("Process, start and join", "process", "median", "ms", targets=[AtMost(0.5)]),
]


def speedup(cores):
    """The experiments behind the picture: the pi programs on 1 to 2 × cores workers."""
    return {(kind, workers): Experiment(f"{kind} on {workers}", pi(kind, workers), repeats=5)
            for workers in range(1, 2 * cores + 1) for kind in ("montecarlo", "midpoint")}
