"""What Dask does of the rows on several nodes; its scheduler and workers are there (bench/nodes.py).

    dask_nodes.py SCHEDULER WORKERS ROW [ARGUMENT...]"""
import statistics
import sys
import time

from distributed import Client


def say(key, value):
    print(key, f"{value:.9g}", flush=True)


def busy(steps, _):
    start = time.perf_counter()
    for _ in range(steps):
        pass
    return time.perf_counter() - start


def sleeps(seconds, _):
    start = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - start


def map_all(client, function, argument, tasks):
    """A task each: pure=False, as equal ones would be computed once."""
    return client.gather(client.map(function, [argument] * tasks, range(tasks), pure=False))


def row_metg(client, workers, tasks):
    tasks, before = int(tasks), (0.0, 0.0)
    for power in range(10, 40):                 # shorter ones are out of its reach, and cost time
        length = statistics.median(busy(1 << power, 0) for _ in range(20))
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            map_all(client, busy, 1 << power, tasks)
            seconds.append(time.perf_counter() - start)
        efficiency = length * tasks / (workers * statistics.median(seconds))
        if efficiency >= 0.5:
            part = (0.5 - before[1]) / (efficiency - before[1])
            say("metg", 1e6 * (before[0] + part * (length - before[0])))
            return
        before = length, efficiency


def row_lost(client, workers, seconds):
    tasks = workers * int(seconds) * 100
    map_all(client, sleeps, 0.01, 100)
    print("ready", flush=True)
    start = time.perf_counter()
    slept = map_all(client, sleeps, 0.01, tasks)
    say("took", time.perf_counter() - start)
    say("work", sum(slept))
    assert len(slept) == tasks and min(slept) >= 0.01


def main():
    scheduler, workers, row, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    client = Client(scheduler, timeout=30)
    client.wait_for_workers(workers, timeout=30)
    {"metg": row_metg, "lost": row_lost}[row](client, workers, *arguments)
    client.close()


if __name__ == "__main__":
    main()
