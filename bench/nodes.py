"""Who takes part in a row on several nodes, which are namespaces of this machine (tests/cluster/cluster)."""
import contextlib
import os
import subprocess
import time

import contestants
from contestants import (PYTHON, SOURCE, Failed, Missing, Program, Python, built, environment, finish, importable,
                         mpirun, start, stop)


class Nodes:
    """Nodes made of namespaces, as long as the with-block lasts."""
    count = 2
    script = SOURCE.parent / "tests" / "cluster" / "cluster"
    name = f"bench-{os.getpid()}"
    address = "tcp://10.77.0.1:5555"            # of node1; nobody else is in its network

    def __enter__(self):
        if os.geteuid() != 0:
            raise Missing("only root can make network namespaces")
        if not self.script.exists():
            raise Missing("no tests/cluster/cluster")
        up = self.run("up", str(self.count), str(os.getpid()))
        if up.returncode:
            raise Missing((up.stderr.strip() or "cluster up failed").splitlines()[-1])

    def __exit__(self, *_):
        self.run("down")

    @classmethod
    def run(cls, *arguments):
        # In the build tree: the nodes have a /tmp of their own, but see where "up" was run.
        return subprocess.run([str(cls.script), *arguments], env=environment(CLUSTER=cls.name), cwd=contestants.HOME,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    @classmethod
    def start(cls, *arguments, **variables):
        return start([str(cls.script), *arguments], env=environment(CLUSTER=cls.name, **variables),
                     cwd=contestants.HOME)


class ThreeNodes(Nodes):
    count = 3


class FourNodes(Nodes):
    count = 4


class KithNodes(Program):
    """A program, of kith or of MPI alone, with a rank on each of the nodes; `settings` are variables for all of them;
    `times`: the whole run is timed from outside, so often."""
    flags = ()

    def __init__(self, path, *arguments, nodes=2, settings=(), times=0, repeats=None):
        super().__init__(path, *arguments, repeats=repeats)
        self.ranks, self.settings, self.times = nodes, settings, times

    def measure(self):
        command = self.command()
        clock = [built("stopwatch"), str(self.times)] if self.times else []
        hostfile = contestants.HOME / f"bench-hostfile.{os.getpid()}"
        hostfile.write_text(Nodes.run("hostfile", "1").stdout)
        try:
            return finish(Nodes.start("run-head", *clock, mpirun(), "--allow-run-as-root", *self.flags, "-x",
                                      "KITH_MODULES", *(word for s in self.settings for word in ("-x", s)),
                                      "--hostfile", str(hostfile), "-n", str(self.ranks), "--map-by", "node",
                                      "--bind-to", "none", *command))
        finally:
            hostfile.unlink()


class Mpi4pyNodes(KithNodes):
    """mpi4py.futures: rank 0, on node1, is the master, and the others are workers."""
    flags = ("--oversubscribe",)

    def __init__(self, *arguments, ranks=2, repeats=None):
        super().__init__("peers/python.py", "mpi4py", *arguments, nodes=ranks, repeats=repeats)

    def command(self):
        if not os.access(PYTHON, os.X_OK):
            raise Missing(f"no {PYTHON}")
        importable("mpi4py")
        return [PYTHON, "-m", "mpi4py.futures", str(SOURCE / self.path), *self.arguments]


class TwoEnds:
    """A program without kith: one process on node1, which prints its public key, and one on node2, which measures or
    is measured. `serving` and `calling` are its arguments there, in which KEY and ADDRESS are filled in; `says` is
    which of them prints the figures."""

    def __init__(self, path, serving, calling, says, repeats=None):
        self.path, self.serving, self.calling, self.says, self.repeats = path, serving, calling, says, repeats

    def measure(self):
        program, other = built(self.path), None
        server = Nodes.start("exec", "node1", program, *self.filled(self.serving, ""))
        try:
            key = server.stdout.readline().strip()
            other = Nodes.start("exec", "node2", program, *self.filled(self.calling, key))
            return finish(server if self.says == "serving" else other)
        finally:
            stop(server)
            if other:
                stop(other)

    @staticmethod
    def filled(arguments, key):
        return [{"ADDRESS": Nodes.address, "KEY": key}.get(a, str(a)) for a in arguments]


def raw_stream(size, count, **options):
    """One stream from node2 to node1."""
    return TwoEnds("peers/zmq", ["take", "ADDRESS", size, count], ["put", "ADDRESS", "KEY", size, count], "serving",
                   **options)


def raw_trips(size, count, window=1, hop="none", **options):
    """There and back; `hop`: with a hand-over to another process at one end (near, far), at both, or at none."""
    return TwoEnds("peers/trip", ["answer", "ADDRESS", hop], ["ask", "ADDRESS", "KEY", size, count, window, hop],
                   "calling", **options)


class KithRun(Program):
    """A program under kith run, with a rank and a worker on each node, which goes on when it loses one."""

    @contextlib.contextmanager
    def running(self, count):
        command = contestants.BUILD.parent / "kith"
        if not command.exists():
            raise Missing("the command kith was not built")
        hosts = ",".join(f"node{i + 1}:1" for i in range(count))
        process = Nodes.start("run-head", str(command), "run", "--on-loss", "go-on", "--allow-run-as-root", "--host",
                              hosts, *self.command(), KITH_MPIRUN=mpirun(), KITH_WORKERS="1")
        try:
            yield process
        finally:
            stop(process)


class DaskNodes(Python):
    """Dask: the scheduler and the client on node1, and on each node a worker with one thread."""
    needs = "distributed"
    host, port = "10.77.0.1", "8786"

    def __init__(self, *arguments, repeats=None):
        super().__init__("peers/dask_nodes.py", *arguments, repeats=repeats)

    @contextlib.contextmanager
    def running(self, count=2):
        python, *client = self.command()
        address, started = f"tcp://{self.host}:{self.port}", []

        def begin(node, *command):
            started.append(Nodes.start("exec", node, python, *command))
            return started[-1]

        try:
            begin("node1", "-m", "distributed.cli.dask_scheduler", "--host", self.host, "--port", self.port,
                  "--no-dashboard")
            for i in range(count):
                begin(f"node{i + 1}", "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny",
                      "--no-dashboard")
            yield begin("node1", client[0], address, str(count), *client[1:])
        finally:
            for process in reversed(started):
                stop(process)

    def measure(self):
        with self.running() as client:
            return finish(client)


class LostNode:
    """A map on three nodes, of which the last one loses its power in the middle: the seconds that this has cost. The
    tasks sleep and say for how long, so it is known when the map would have ended if all of them, from the first
    moment to the last, had been shared out evenly, and none had been begun twice."""
    NODES, AFTER = 3, 5.0

    def __init__(self, inner):
        self.inner, self.repeats = inner, inner.repeats

    def measure(self):
        try:
            with self.inner.running(self.NODES) as process:
                return self.lose(process)
        finally:
            Nodes.run("boot", f"node{self.NODES}")      # says so if it is up

    def lose(self, process):
        if not process.stdout.readline().startswith("ready"):
            finish(process)
            raise Failed("the map has not begun")
        begin = time.monotonic()
        time.sleep(self.AFTER)
        Nodes.run("kill", f"node{self.NODES}")
        lost_at = time.monotonic() - begin
        values = finish(process)
        took, work = values["took"][0], values["work"][0]
        ideal = lost_at + (work - self.NODES * lost_at) / (self.NODES - 1)
        return {"lost": [took - ideal], "took": [took]}
