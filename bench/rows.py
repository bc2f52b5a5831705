"""The table: its experiments, its rows, and what kith is to reach in each.

An experiment is a set of contestants that are run in turn, A B C A B C ..., so that a machine that gets slower hurts
all of them. A row shows one key of an experiment. README.md says what each means, and in what it falls short."""
import contextlib
import random
from dataclasses import dataclass, field
from typing import Callable, Dict, List

from contestants import Alike, Idle, Mpi4py, Numba, Program, Python, Timed, Uneven
from goals import AtLeast, AtMost, Faster, Goal, MoreBy, Within
from nodes import (DaskNodes, FourNodes, KithNodes, KithRun, LostNode, Mpi4pyNodes, Nodes, ThreeNodes, raw_stream,
                   raw_trips)

OPENMP, STATIC, ONE_BY_ONE, TASKS = "OpenMP dynamic,1024", "OpenMP static", "OpenMP dynamic,1", "OpenMP tasks"
PLAIN, RING, CELLS, FUTEX = "plain processes", "ring, one to one", "ring, lock-free cells", "raw futex"
SHM, ALONE = "shm_open and mmap", "kith, nobody to serve"
MUTEX, WORD, POLL = "robust mutex", "atomic word", "pipes and poll"
MP, FUTURES, MPI4PY, DASK = "multiprocessing", "concurrent.futures", "mpi4py.futures", "Dask"
STREAM, TRIP, WOKEN = "raw ZeroMQ, CURVE", "raw ZeroMQ, CURVE, a hop", "raw ZeroMQ, CURVE, a wake-up each way"
ECHO, EMPTY = "raw ZeroMQ, CURVE, there and back", "empty MPI program"
CHAIN, CHAIN_ONCE = "bare chain, AES by each node", "bare chain, AES once for all"


@dataclass
class Experiment:
    name: str
    contestants: Dict[str, object]
    repeats: int = 5                            # a contestant with repeats of its own takes part in the first ones
    together: bool = False                      # all at the same time: for those who do nothing
    often: bool = True                          # can be run as often as a comparison with an older build takes
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
    goals: List[Goal] = field(default_factory=list)

    def cost(self, value):
        return 1 / value if self.more else value


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
            ONE_BY_ONE: Uneven(Program("peers/openmp", "uneven", *lengths)),
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


def far(*arguments, repeats=None):
    return KithNodes("kith/far", *arguments, settings=["KITH_WORKERS=1"], repeats=repeats)


MIB = 1 << 20
CALLS = ["pipe", "lock", "rlock", "add", "add_at", "sem", "event", "condition", "barrier", "set", "get", "append", "name",
         "wait"]                                # of kith/remote

EXPERIMENTS = [
    Experiment("map", {
        "kith": Program("kith/map", "kith", 0, 5),
        "kith, malloc'ed": Program("kith/map", "malloc", 0, 5),
        "kith, threads": Program("kith/map", "malloc", 0, 5, 1, usage="THREADS"),
        OPENMP: Program("peers/openmp", "map", "dynamic", 1024, 5),
        STATIC: Program("peers/openmp", "map", "static", 0, 5),
        **pythons("map", 1000000)}, repeats=7),
    Experiment("chunk 1", {
        "kith": Program("kith/map", "kith", 1, 0),
        ONE_BY_ONE: Program("peers/openmp", "map", "dynamic", 1, 0),
        **pythons("map", 20000, 1, few=(2000, 1), repeats=2)}),
    Experiment("apply", {"kith": Program("kith/apply", "warm"), **pythons("warm", 1000, repeats=2)}),
    Experiment("apply beside", {"kith": Program("kith/apply", "beside")}, repeats=3),
    Experiment("apply_async", {
        "kith": Program("kith/async", "apply", 1000000),
        TASKS: Program("peers/openmp", "tasks", 1000000),
        MP: Python("peers/python.py", "multiprocessing", "async", 20000, repeats=2)}),
    Experiment("imap_unordered", {
        "kith": Program("kith/async", "imap", 1000000),
        MP: Python("peers/python.py", "multiprocessing", "imap", 30000, repeats=2)}),
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
        **uneven(microseconds()),
        "kith, told the costs": Uneven(Program("kith/uneven", "costs", *microseconds(), usage="costs"))}),
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
        FUTURES: Idle(Python("peers/python.py", "futures", "idle", 60))}, repeats=1, together=True, often=False),
    Experiment("metg", {
        "kith": Program("kith/metg"),
        ONE_BY_ONE: Program("peers/openmp", "metg"),
        **pythons("metg", 1000, few=(200,), repeats=1)}, repeats=3),
    Experiment("tree", {
        "kith": Program("kith/tree"),
        TASKS: Program("peers/openmp", "tree")}, repeats=3),
    Experiment("loop", {
        "kith": Program("kith/loop", 1, usage="CALLER"),
        "kith, two workers": Program("kith/loop"),
        "kith, threads": Program("kith/loop", 1, 1, usage="THREADS"),
        STATIC: Program("peers/openmp", "loop")}),
    Experiment("queue 1+1", {
        **queue(1, 1, 8, 4000000, 1024, 100000),
        RING: ring("pair", 1, 1, 8, 10000000)}),
    Experiment("queue joinable", {
        "kith": Program("kith/queue", 1, 1, 8, 400000, 1024, 0, 1, usage="JOINABLE"),
        "kith, by priority": Program("kith/queue", 1, 1, 8, 400000, 1024, 2, 0, usage="ORDER"),
        "kith, last in first out": Program("kith/queue", 1, 1, 8, 400000, 1024, 1, 0, usage="ORDER"),
        MP: Python("peers/python.py", "multiprocessing", "queue", 1, 1, 8, 50000, 1, repeats=3)}),
    Experiment("queue 2+2", {
        **queue(2, 2, 8, 1500000, 1024, 50000),
        CELLS: ring("cells", 2, 2, 8, 5000000)}),
    Experiment("queue 1 MiB", {
        **queue(1, 1, 1 << 20, 4000, 8, 400),
        RING: ring("pair", 1, 1, 1 << 20, 10000)}),
    Experiment("sem", {
        "kith": Program("kith/sem"),
        FUTEX: Program("peers/sync"),
        "sem_t": Program("peers/sem", "posix"),
        MUTEX: Program("peers/sem", "robust"),
        MP: Python("peers/python.py", "multiprocessing", "sem", 100000, repeats=2)}),
    Experiment("value", {
        "kith": Program("kith/value"),
        WORD: Program("peers/value"),
        MP: Python("peers/python.py", "multiprocessing", "value", 50000, repeats=2)}),
    Experiment("dict", {
        "kith": Program("kith/dict"),
        "LMDB": Program("peers/lmdb"),
        MP: Python("peers/python.py", "multiprocessing", "dict", 20000, repeats=2)}),
    Experiment("list", {
        "kith": Program("kith/list"),
        MP: Python("peers/python.py", "multiprocessing", "list", 10000, repeats=2)}),
    Experiment("named memory", {
        "kith": Program("kith/named"),
        SHM: Program("peers/named"),
        MP: Python("peers/python.py", "multiprocessing", "named", 1000, repeats=3)}),
    Experiment("lock", {
        "kith": Program("kith/lock"),
        MUTEX: Program("peers/lock"),
        MP: Python("peers/python.py", "multiprocessing", "lock", 100000, repeats=2)}),
    Experiment("pipe", {
        "kith": Program("kith/pipe"),
        "ring, spinning": Program("peers/ring", "turns"),
        MP: Python("peers/python.py", "multiprocessing", "pipe", 20000, 1000, repeats=3)}),
    Experiment("wait", {
        "kith": Program("kith/wait"),
        POLL: Program("peers/poll"),
        MP: Python("peers/python.py", "multiprocessing", "wait", 20000, repeats=2)}),
    Experiment("sync", {
        "kith": Program("kith/sync"),
        FUTEX: Program("peers/sync"),
        MP: Python("peers/python.py", "multiprocessing", "sync", 20000, repeats=2)}),
    Experiment("process", {
        "kith": Program("kith/process"),
        PLAIN: Alike(Program("peers/plain", "process"), "median", "start"),
        MP: Alike(Python("peers/python.py", "multiprocessing", "process", 100), "median", "start")}),
    Experiment("log", {
        "kith": Program("kith/log"),
        MP: Python("peers/python.py", "multiprocessing", "log", 50000, repeats=3)}, repeats=3),
    # Two nodes, then three, then four: those that are next to each other share them.
    Experiment("nodes, 8 B", {
        "kith": KithNodes("kith/nodes", 8, 200000, 0),
        "kith, bounded at 1024": KithNodes("kith/nodes", 8, 10000, 1024),
        STREAM: raw_stream(8, 500000)}, repeats=3, place=Nodes),
    Experiment("nodes, 1 MiB", {
        "kith": KithNodes("kith/nodes", MIB, 500, 0),
        "kith, bounded at 16": KithNodes("kith/nodes", MIB, 500, 16),
        STREAM: raw_stream(MIB, 500)}, repeats=3, place=Nodes),
    Experiment("nodes, objects", {
        "kith": KithNodes("kith/remote", "one"),
        TRIP: Alike(raw_trips(8, 5000, hop="near"), "turn", *CALLS)}, repeats=3, place=Nodes),
    Experiment("nodes, many callers", {
        "kith": KithNodes("kith/remote", "many", 16),
        "raw ZeroMQ, CURVE, 16 under way": Alike(raw_trips(8, 100000, window=16), "messages", "calls")},
        repeats=3, place=Nodes),
    Experiment("nodes, tasks", {
        "kith": far("tasks"),
        ECHO: Alike(raw_trips(256 << 10, 500, window=8), "numbers", "tasks"),
        MPI4PY: Alike(Mpi4pyNodes("map", 4000, 1, repeats=2), "second", "tasks")}, repeats=3, place=Nodes),
    Experiment("nodes, single tasks", {
        "kith": far("singles", 100000)}, repeats=3, place=Nodes),
    Experiment("nodes, own worker", {
        "kith": far("own", 2),
        ALONE: far("own", 1)}, repeats=3, place=Nodes),
    Experiment("nodes, apply", {
        "kith": far("apply"),
        "kith, pool of the other node": far("call"),
        WOKEN: raw_trips(8, 5000, hop="far"),
        "raw ZeroMQ, CURVE, two each way": raw_trips(8, 5000, hop="both"),
        MPI4PY: Alike(Mpi4pyNodes("warm", 1000, repeats=2), "median", "turn")}, repeats=3, place=Nodes),
    Experiment("nodes, bulk", {
        "kith": far("bulk", 64),
        "kith, malloc'ed": far("bulk", 64, 1, repeats=1),
        ECHO: raw_trips(MIB, 300, window=16),
        STREAM: raw_stream(MIB, 500),
        MPI4PY: Alike(Mpi4pyNodes("bulk", 4, 16, repeats=1), "second", "bytes")}, repeats=2, place=Nodes),
    Experiment("nodes, METG", {
        "kith": far("metg"),
        MPI4PY: Mpi4pyNodes("metg", 100, ranks=3, repeats=1),
        DASK: DaskNodes("metg", 100, repeats=1)}, repeats=2, place=Nodes),
    Experiment("nodes, start", {
        "kith": KithNodes("kith/empty", nodes=3, times=5),
        "kith, with a pool": KithNodes("kith/program", nodes=3, times=5),
        EMPTY: KithNodes("peers/empty", nodes=3, times=5)}, repeats=3, place=ThreeNodes),
    Experiment("nodes, lost", {
        "kith": LostNode(KithRun("kith/lost", 10)),
        DASK: LostNode(DaskNodes("lost", 10, repeats=1))}, repeats=2, often=False, place=ThreeNodes),
    Experiment("nodes, share", {
        "kith": KithNodes("kith/share", 1024, nodes=4),
        "kith, plain": KithNodes("kith/share", 1024, nodes=4, settings=["KITH_NET_SECURITY=plain"]),
        "kith, one other node": KithNodes("kith/share", 1024, nodes=2),
        "MPI_Bcast": KithNodes("peers/bcast", 1024, nodes=4),
        CHAIN: KithNodes("peers/chain", 1024, nodes=4),
        CHAIN_ONCE: KithNodes("peers/chain", 1024, "once", nodes=4),
        STREAM: raw_stream(MIB, 500)}, repeats=2, place=FourNodes),
]

MAP_RIVALS = [OPENMP, STATIC, MP, FUTURES, MPI4PY]
REMOTE = dict(experiment="nodes, objects", unit="µs", against=[TRIP], goals=[Within(1.5, TRIP)])

ROWS = [
    Row("map, 10^7 cheap tasks, kith memory, second", "map", "second", "M/s", more=True, against=MAP_RIVALS,
        goals=[Within(1.5, OPENMP)]),
    Row("map, 10^7 cheap tasks, kith memory, first", "map", "first", "M/s", more=True, against=MAP_RIVALS),
    Row("map, 10^7 cheap tasks, kith memory, later", "map", "later", "M/s", more=True, against=[OPENMP, STATIC]),
    Row("map, 10^7 cheap tasks, malloc'ed, second", "map", "second", "M/s", more=True, me="kith, malloc'ed",
        against=["kith", MP, FUTURES, MPI4PY], goals=[Within(4, "kith"), Faster(50, MP)]),
    Row("map, 10^7 cheap tasks, malloc'ed, first", "map", "first", "M/s", more=True, me="kith, malloc'ed",
        against=["kith", MP, FUTURES, MPI4PY]),
    Row("map, 10^7 cheap tasks, pool of threads, second", "map", "second", "M/s", more=True, me="kith, threads",
        against=["kith, malloc'ed", OPENMP, STATIC], goals=[Within(1.5, OPENMP)]),
    Row("map, chunks of one task", "chunk 1", "second", "M/s", more=True,
        goals=[Within(1.3, ONE_BY_ONE), AtLeast(15)]),
    Row("METG(50 %), chunks of one task", "metg", "metg", "µs", goals=[Within(2, ONE_BY_ONE)]),
    Row("map, 64 × 16 MiB in and out, malloc'ed, second", "bulk", "second", "GB/s", more=True,
        goals=[Within(1.5, PLAIN), AtLeast(4)]),
    Row("map, 64 × 16 MiB in and out, malloc'ed, first", "bulk", "first", "GB/s", more=True, goals=[AtLeast(4)]),
    Row("map, 10^5 results of up to 255 bytes", "bytes", "second", "M/s", more=True),
    Row("apply, back to back, median", "apply", "median", "µs", goals=[AtMost(4)]),
    Row("apply, back to back, 99th percentile", "apply", "p99", "µs"),
    Row("apply, beside a long map, median", "apply beside", "beside", "µs"),
    Row("apply, after a second of idling", "apply after idling", "idle", "µs", goals=[AtMost(40)]),
    Row("apply_async, 10^6 trivial tasks, then all results", "apply_async", "second", "M/s", more=True,
        goals=[AtLeast(2)]),
    Row("imap_unordered, chunks of one task", "imap_unordered", "second", "M/s", more=True, goals=[AtLeast(2)]),
    Row("64 uneven tasks, as drawn, over the greedy ideal", "uneven, as drawn", "greedy", "×", goals=[AtMost(1.01)]),
    Row("64 uneven tasks, as drawn, over the bound", "uneven, as drawn", "bound", "×"),
    Row("64 uneven tasks, told what they cost, over the bound", "uneven, as drawn", "bound", "×",
        me="kith, told the costs", against=["kith"], goals=[AtMost(1.01)]),
    Row("64 uneven tasks, longest first, over the greedy ideal", "uneven, longest first", "greedy", "×",
        goals=[AtMost(1.01)]),
    Row("64 uneven tasks, longest first, over the bound", "uneven, longest first", "bound", "×"),
    Row("pi, 10^9 points, Monte Carlo", "pi, Monte Carlo", "seconds", "s", goals=[Within(1.1, PLAIN)]),
    Row("pi, 10^9 points, midpoints", "pi, midpoints", "seconds", "s", goals=[Within(1.1, PLAIN)]),
    Row("calls in calls, tree of 4,130,071 nodes", "tree", "tree", "s", goals=[Within(1, TASKS)]),
    Row("calls in calls, fib(30)", "tree", "fib", "s", goals=[Within(1, TASKS)]),
    Row("loop, 128 empty blocks", "loop", "empty", "µs", goals=[Within(1.5, STATIC)]),
    Row("loop, Jacobi 128 × 128", "loop", "small", "µs", goals=[Within(1.5, STATIC)]),
    Row("loop, Jacobi 1024 × 1024", "loop", "large", "µs", goals=[Within(1.05, STATIC)]),
    Row("loop, 128 empty blocks, pool of threads", "loop", "empty", "µs", me="kith, threads",
        against=["kith", STATIC], goals=[Within(1.5, STATIC)]),
    Row("loop, Jacobi 128 × 128, pool of threads", "loop", "small", "µs", me="kith, threads",
        against=["kith", STATIC], goals=[Within(1.5, STATIC)]),
    Row("idle pool, busiest process", "idle", "cpu", "% CPU", goals=[AtMost(0.05)]),
    Row("whole program, pool of 4, 4 tasks, end", "program", "wall", "ms", goals=[Within(2, PLAIN), AtMost(6)]),
    Row("Process, start and join", "process", "median", "ms", goals=[Within(2, PLAIN), AtMost(0.5)]),
    Row("Process of a plain function by kith_start, start and join", "process", "start", "ms",
        goals=[Within(2, PLAIN), AtMost(0.5)]),
    Row("kith_log, a line that is shown", "log", "shown", "µs", goals=[Within(1, MP)]),
    Row("kith_log, a line that is not shown", "log", "hidden", "µs", goals=[Within(1, MP)]),

    Row("Queue, 8 B, one and one", "queue 1+1", "items", "M/s", more=True, goals=[Within(2, RING), AtLeast(5)]),
    Row("Queue, 8 B, two and two", "queue 2+2", "items", "M/s", more=True, goals=[Within(2.5, CELLS), AtLeast(3)]),
    Row("Queue, 8 B, joinable, one and one", "queue joinable", "items", "M/s", more=True),
    Row("Queue, 8 B, by priority, one and one", "queue joinable", "items", "M/s", more=True, me="kith, by priority",
        against=["kith", MP]),
    Row("Queue, 8 B, last in first out, one and one", "queue joinable", "items", "M/s", more=True,
        me="kith, last in first out", against=["kith", MP]),
    Row("Queue, 1 MiB, one and one", "queue 1 MiB", "bytes", "GB/s", more=True, goals=[AtLeast(5)]),
    Row("Pipe, 8 B, there and back", "pipe", "turn", "µs", goals=[AtMost(1.0)]),
    Row("Pipe, 1 MiB, one way", "pipe", "bytes", "GB/s", more=True, against=[MP], goals=[AtLeast(20)]),
    Row("Lock, alone", "lock", "alone", "M/s", more=True, goals=[Within(1.5, MUTEX)]),
    Row("Lock, two processes", "lock", "contended", "M/s", more=True, goals=[AtLeast(6)]),
    Row("Lock, 64 processes in turn, longest wait over the mean", "lock", "fair", "×", goals=[AtMost(20)]),
    Row("RLock, taken twice, alone", "lock", "rlock", "M/s", more=True, goals=[Within(1.5, MUTEX)]),
    Row("RLock, taken twice, two processes", "lock", "rlock2", "M/s", more=True),
    Row("Value, atomic add, alone", "value", "alone", "M/s", more=True),
    Row("Value, atomic add, two processes", "value", "contended", "M/s", more=True, goals=[Within(3, WORD)]),
    Row("Value, lock, load, store and unlock, two processes", "value", "locked", "M/s", more=True,
        goals=[AtLeast(6)]),
    Row("Array, atomic add to an element, alone", "value", "array", "M/s", more=True, against=[WORD]),
    Row("Semaphore, alone", "sem", "alone", "M/s", more=True, against=["sem_t", MUTEX, MP]),
    Row("Semaphore, two processes, one unit", "sem", "contended", "M/s", more=True, against=["sem_t", MUTEX, MP]),
    Row("Semaphore, hand-over", "sem", "handover", "µs", against=[FUTEX, "sem_t", MP],
        goals=[Within(1.5, FUTEX), Within(1.5, "sem_t")]),
    Row("Event, hand-over", "sync", "event", "µs", goals=[Within(1.5, FUTEX)]),
    Row("Condition, hand-over", "sync", "condition", "µs", goals=[Within(1.5, FUTEX)]),
    Row("Barrier of two, half a round", "sync", "barrier", "µs", goals=[Within(1.5, FUTEX)]),
    Row("Dict, set, alone", "dict", "set", "M/s", more=True),
    Row("Dict, set, two processes", "dict", "set2", "M/s", more=True, goals=[AtLeast(1)]),
    Row("Dict, get, alone", "dict", "get", "M/s", more=True),
    Row("Dict, get, two processes", "dict", "get2", "M/s", more=True, goals=[AtLeast(3)]),
    Row("Dict, get, beside one that sets", "dict", "beside", "M/s", more=True),
    Row("Dict, update of one entry by a function, two processes", "dict", "update", "M/s", more=True),
    Row("List, append, alone", "list", "append", "M/s", more=True),
    Row("List, append, two processes", "list", "append2", "M/s", more=True, goals=[Faster(10, MP)]),
    Row("List, get, alone", "list", "get", "M/s", more=True),
    Row("List, get, two processes", "list", "get2", "M/s", more=True, goals=[Faster(10, MP)]),
    Row("Namespace, set, two processes", "list", "name_set", "M/s", more=True, goals=[Faster(10, MP)]),
    Row("Namespace, get, two processes", "list", "name_get", "M/s", more=True, goals=[Faster(10, MP)]),
    Row("named memory, 64 KiB, made and filled", "named memory", "make", "µs", goals=[Within(1.5, SHM)]),
    Row("named memory, 64 KiB, found by its name", "named memory", "find", "µs", goals=[Within(1.5, SHM)]),
    Row("wait for two Queues, a round", "wait", "queues", "µs", against=[POLL, MP], goals=[Within(1, POLL)]),
    Row("wait for two Queues and a descriptor, a round", "wait", "file", "µs"),

    Row("Queue, 8 B, from another node", "nodes, 8 B", "items", "k/s", more=True, goals=[AtLeast(200)]),
    Row("Queue, 1 MiB, from another node", "nodes, 1 MiB", "bytes", "GB/s", more=True, goals=[Faster(0.9, STREAM)]),
    Row("Pipe, 8 B, between nodes, a call", key="pipe", **REMOTE),
    Row("Lock, from another node, a call", key="lock", **REMOTE),
    Row("RLock, from another node, a call", key="rlock", **REMOTE),
    Row("Value, atomic add, from another node", key="add", **REMOTE),
    Row("Array, atomic add to an element, from another node", key="add_at", **REMOTE),
    Row("Semaphore, from another node, a call", key="sem", **REMOTE),
    Row("Event, from another node, a call", key="event", **REMOTE),
    Row("Condition, from another node, a call", key="condition", **REMOTE),
    Row("Barrier of two, between nodes, a round", key="barrier", **REMOTE),
    Row("Dict, set, from another node", key="set", **REMOTE),
    Row("Dict, get, from another node", key="get", **REMOTE),
    Row("List, append, from another node", key="append", **REMOTE),
    Row("Namespace, set, from another node", key="name", **REMOTE),
    Row("wait for two Queues of another node, of which one has an item", key="wait", **REMOTE),
    Row("objects from another node, 16 callers", "nodes, many callers", "calls", "k/s", more=True,
        goals=[AtLeast(200)]),
    Row("map, cheap tasks on the other node only", "nodes, tasks", "tasks", "M/s", more=True,
        goals=[AtLeast(1), Faster(0.7, ECHO)]),
    Row("apply_async, on the other node, 10^5 trivial tasks", "nodes, single tasks", "singles", "k/s", more=True,
        goals=[AtLeast(100)]),
    Row("map, a node's own worker while it serves another node", "nodes, own worker", "own", "k/s", more=True,
        goals=[Faster(0.9, ALONE)]),
    Row("apply, on the other node, median", "nodes, apply", "turn", "µs", goals=[Within(1.5, WOKEN)]),
    Row("apply, of a pool of the other node, median", "nodes, apply", "turn", "µs",
        me="kith, pool of the other node", against=[WOKEN], goals=[Within(1.5, WOKEN)]),
    Row("map, 64 × 16 MiB in and out on the other node", "nodes, bulk", "bytes", "GB/s", more=True,
        goals=[Faster(0.9, STREAM), Faster(0.9, ECHO)]),
    Row("METG(50 %) on two nodes", "nodes, METG", "metg", "µs"),
    Row("program, start on three nodes", "nodes, start", "wall", "ms", goals=[MoreBy(50, EMPTY)]),
    Row("map of 10 s, time lost with a node", "nodes, lost", "lost", "s", goals=[AtMost(2)]),
    Row("kith_share, 1 GiB to one other node", "nodes, share", "bytes", "GB/s", more=True,
        me="kith, one other node", against=[STREAM], goals=[Within(1.2, STREAM)]),
    Row("kith_share, 1 GiB to three other nodes", "nodes, share", "bytes", "GB/s", more=True,
        against=[STREAM, CHAIN, CHAIN_ONCE], goals=[Within(1.2, STREAM)]),
    Row("kith_share, 1 GiB to three other nodes, not encrypted", "nodes, share", "bytes", "GB/s", more=True,
        me="kith, plain", against=["MPI_Bcast"], goals=[Within(1.2, "MPI_Bcast")]),
]


def mistakes():
    """What is wrong in the tables above."""
    experiments = {e.name: e for e in EXPERIMENTS}
    for row in ROWS:
        who = [row.me, *row.against, *(g.who for g in row.goals if g.who)]
        there = experiments[row.experiment].contestants if row.experiment in experiments else {}
        yield from (f"{row.title}: {w} does not take part in '{row.experiment}'" for w in who if w not in there)
    titles = [r.title for r in ROWS]
    yield from (f"{t}: twice" for t in sorted(set(titles)) if titles.count(t) > 1)
    yield from (f"{name}: no row shows it" for name in experiments.keys() - {r.experiment for r in ROWS})


def speedup(cores):
    """The experiments behind the picture: the pi programs on 1 to 2 × cores workers."""
    return {(kind, workers): Experiment(f"{kind} on {workers}", pi(kind, workers), repeats=5)
            for workers in range(1, 2 * cores + 1) for kind in ("montecarlo", "midpoint")}
