"""What Python does of the rows of kith.

    python.py EXECUTOR ROW [ARGUMENT...]       EXECUTOR: multiprocessing, futures, mpi4py

mpi4py runs as: mpirun -n 3 python3 -m mpi4py.futures python.py mpi4py ROW. As the programs in C it prints lines
"key value", and fails when a result is wrong."""
import math
import random
import statistics
import sys
import time

WORKERS = 2
now = time.perf_counter


def say(key, value):
    print(key, f"{value:.9g}")


# ------------------------------------------------------------------ executors: one face for all three

class Multiprocessing:
    def __init__(self, workers=WORKERS):
        import multiprocessing
        self.pool = multiprocessing.Pool(workers)

    def map(self, function, items, chunk):
        return self.pool.map(function, items, chunk)

    def apply(self, function, argument):
        return self.pool.apply(function, (argument,))

    def close(self):
        self.pool.close()
        self.pool.join()


class Futures:
    def __init__(self, workers=WORKERS):
        import concurrent.futures
        self.pool = concurrent.futures.ProcessPoolExecutor(workers)

    def map(self, function, items, chunk):
        return list(self.pool.map(function, items, chunksize=chunk))

    def apply(self, function, argument):
        return self.pool.submit(function, argument).result()

    def close(self):
        self.pool.shutdown()


class Mpi4py(Futures):
    def __init__(self, workers=WORKERS):
        import mpi4py.futures
        self.pool = mpi4py.futures.MPIPoolExecutor(workers)


# ------------------------------------------------------------------ tasks

def cheap(x):
    return x * 0.5 + 1.0


def copy(block):
    return bytes(memoryview(block))


def busy(steps):
    start = now()
    for _ in range(steps):
        pass
    return now() - start


def points_inside(points):
    draw, inside = random.random, 0
    for _ in range(points):
        x = draw()
        y = draw()
        if x * x + y * y <= 1.0:
            inside += 1
    return inside


def midpoints(job):
    low, high, steps = job
    width, total = 1.0 / steps, 0.0
    for i in range(low, high):
        x = (i + 0.5) * width
        total += 4.0 / (1.0 + x * x)
    return total * width


def nothing():
    pass


# ------------------------------------------------------------------ rows

def default_chunk(n):
    return math.ceil(n / (4 * WORKERS))         # what Pool.map chooses; the others have no automatic choice


def rate(pool, items, chunk):
    start = now()
    results = pool.map(cheap, items, chunk)
    seconds = now() - start
    assert results == [cheap(x) for x in items]
    return len(items) / seconds * 1e-6


def row_map(pool, tasks, chunk=0):
    items = [float(i) for i in range(int(tasks))]
    chunk = int(chunk) or default_chunk(len(items))
    say("first", rate(pool, items, chunk))
    say("second", rate(pool, items, chunk))


def repeat(n):
    return bytes([n & 255]) * ((n & 255) + 1)


def row_bytes(pool, tasks):
    items = list(range(int(tasks)))
    for key in "first", "second":
        start = now()
        results = pool.map(repeat, items, default_chunk(len(items)))
        say(key, len(items) / (now() - start) * 1e-6)
        assert results == [repeat(x) for x in items]


def apply_us(pool, x):
    start = now()
    y = pool.apply(cheap, x)
    seconds = now() - start
    assert y == cheap(x)
    return 1e6 * seconds


def row_warm(pool, times):
    for i in range(100):
        apply_us(pool, float(i))
    t = sorted(apply_us(pool, float(i)) for i in range(int(times)))
    say("median", t[len(t) // 2])
    say("p99", t[len(t) * 99 // 100])


def row_async(pool, tasks):
    for key in "first", "second":
        start = now()
        results = [pool.pool.apply_async(cheap, (float(i),)) for i in range(int(tasks))]
        values = [r.get() for r in results]
        say(key, len(values) / (now() - start) * 1e-6)
        assert values == [cheap(float(i)) for i in range(int(tasks))]


def row_imap(pool, tasks):
    for key in "first", "second":
        start = now()
        total = sum(pool.pool.imap_unordered(cheap, map(float, range(int(tasks)))))
        say(key, int(tasks) / (now() - start) * 1e-6)
        assert total == sum(cheap(float(i)) for i in range(int(tasks)))


def row_after_idling(pool, times):
    apply_us(pool, 0.0)
    for i in range(int(times)):
        time.sleep(1)
        say("idle", apply_us(pool, 0.0))


def row_bulk(pool, elements, mebibytes):
    blocks = [bytes([i + 1]) * (int(mebibytes) << 20) for i in range(int(elements))]
    for key in "first", "second":
        start = now()
        results = pool.map(copy, blocks, 1)
        say(key, len(blocks) * len(blocks[0]) / (now() - start) * 1e-9)
        assert results == blocks


def steps_per_us():
    return max(1e5 / (1e6 * busy(100000)) for _ in range(10))


def row_uneven(pool, *microseconds):
    speed = steps_per_us()
    steps = [int(speed * float(us)) for us in microseconds]
    pool.map(busy, steps[:2], 1)
    start = now()
    took = pool.map(busy, steps, default_chunk(len(steps)))
    say("makespan", now() - start)
    for t in took:
        say("task", t)


def row_metg(pool, tasks):
    tasks, before = int(tasks), (0.0, 0.0)
    for power in range(40):
        steps = [1 << power] * tasks
        length = statistics.median(busy(1 << power) for _ in range(20))
        seconds = []
        for _ in range(3):
            start = now()
            pool.map(busy, steps, 1)
            seconds.append(now() - start)
        efficiency = length * tasks / (WORKERS * statistics.median(seconds))
        if efficiency >= 0.5:
            part = (0.5 - before[1]) / (efficiency - before[1])
            say("metg", 1e6 * (before[0] + part * (length - before[0])))
            return
        before = length, efficiency


def row_pi(pool, kind, points, of):
    """Seconds for `of` points, as the time of fewer points tells: it grows in proportion."""
    points, of = int(float(points)), int(float(of))
    start = now()
    if kind == "montecarlo":
        pi = 4.0 * sum(pool.map(points_inside, [points // WORKERS] * WORKERS, 1)) / points
    else:
        cuts = [points * w // WORKERS for w in range(WORKERS + 1)]
        pi = sum(pool.map(midpoints, [(a, b, points) for a, b in zip(cuts, cuts[1:])], 1))
    say("seconds", (now() - start) * of / points)
    assert abs(pi - math.pi) < 0.01


def row_idle(pool, seconds):
    pool.map(cheap, [1.0, 2.0, 3.0, 4.0], 1)
    time.sleep(float(seconds))


# ------------------------------------------------------------------ rows that need no pool

def put(queue, go, item, count):
    go.wait()
    for _ in range(count):
        queue.put(item)


def take(queue, done):
    taken = 0
    while queue.get() is not None:
        taken += 1
    done.put((taken, now()))


def take_and_tell(queue, done):
    taken = 0
    while queue.get() is not None:
        queue.task_done()
        taken += 1
    queue.task_done()
    done.put((taken, now()))


def row_queue(producers, consumers, size, count, joinable=0):
    import multiprocessing as mp
    producers, consumers, size, count = int(producers), int(consumers), int(size), int(count)
    queue, done, go = mp.JoinableQueue() if int(joinable) else mp.Queue(), mp.Queue(), mp.Event()
    takes = [mp.Process(target=take_and_tell if int(joinable) else take, args=(queue, done)) for _ in range(consumers)]
    puts = [mp.Process(target=put, args=(queue, go, bytes(size), count)) for _ in range(producers)]
    for p in takes + puts:
        p.start()
    time.sleep(0.1)                             # all wait now
    start = now()
    go.set()
    for p in puts:
        p.join()
    for _ in takes:
        queue.put(None)
    reports = [done.get() for _ in takes]
    seconds = max(end for _, end in reports) - start
    assert sum(taken for taken, _ in reports) == producers * count
    say("items", producers * count / seconds * 1e-6)
    say("bytes", producers * count * size / seconds * 1e-9)


def row_process(times):
    import multiprocessing as mp
    t = []
    for _ in range(int(times)):
        start = now()
        p = mp.Process(target=nothing)
        p.start()
        p.join()
        t.append(1e3 * (now() - start))
    t.sort()
    say("median", t[len(t) // 2])
    say("p99", t[len(t) * 99 // 100])


def row_log(lines):
    """To a stderr that nobody reads."""
    import logging
    import multiprocessing as mp
    import os
    sys.stderr = open(os.devnull, "w")
    logger = mp.log_to_stderr(logging.WARNING)
    for key, level, n in ("shown", logging.WARNING, int(lines)), ("hidden", logging.INFO, 20 * int(lines)):
        start = now()
        for i in range(n):
            logger.log(level, "%d of %d", i, n)
        say(key, 1e6 * (now() - start) / n)


def use_semaphore(semaphore, rounds):
    for _ in range(rounds):
        semaphore.acquire()
        semaphore.release()


def take_turns(mine, other, rounds):
    for _ in range(rounds):
        mine.acquire()
        other.release()


def row_sem(rounds):
    import multiprocessing as mp

    def seconds(function, here, there):
        begin = time.perf_counter()
        process = mp.Process(target=function, args=there)
        process.start()
        function(*here)
        process.join()
        return time.perf_counter() - begin

    rounds = int(rounds)
    one = mp.Semaphore(1)
    begin = time.perf_counter()
    use_semaphore(one, rounds)
    say("alone", 1e-6 * rounds / (time.perf_counter() - begin))
    say("contended", 2e-6 * rounds / seconds(use_semaphore, (one, rounds), (one, rounds)))
    mine, other = mp.Semaphore(1), mp.Semaphore(0)
    say("handover", 1e6 * seconds(take_turns, (mine, other, rounds), (other, mine, rounds)) / (2 * rounds))


def by_events(me, events, rounds):
    for _ in range(rounds):
        events[me].wait()
        events[me].clear()
        events[1 - me].set()


def by_condition(me, condition, turn, rounds):
    for _ in range(rounds):
        with condition:
            condition.wait_for(lambda: turn.value == me)
            turn.value = 1 - me
            condition.notify()


def by_barrier(me, barrier, rounds):
    for _ in range(rounds):
        barrier.wait()


def row_sync(rounds):
    import multiprocessing as mp

    rounds = int(rounds)
    events = mp.Event(), mp.Event()
    events[0].set()
    for key, function, arguments in (("event", by_events, (events, rounds)),
                                     ("condition", by_condition, (mp.Condition(), mp.RawValue("i", 0), rounds)),
                                     ("barrier", by_barrier, (mp.Barrier(2), rounds))):
        begin = time.perf_counter()
        process = mp.Process(target=function, args=(1, *arguments))
        process.start()
        function(0, *arguments)
        process.join()
        assert process.exitcode == 0
        say(key, 1e6 * (time.perf_counter() - begin) / (2 * rounds))


def add_locked(value, rounds):
    for _ in range(rounds):
        with value.get_lock():
            value.value += 1


def row_value(rounds):
    import multiprocessing as mp

    rounds = int(rounds)
    value = mp.Value("l", 0)
    begin = time.perf_counter()
    add_locked(value, rounds)
    say("alone", 1e-6 * rounds / (time.perf_counter() - begin))
    begin = time.perf_counter()
    process = mp.Process(target=add_locked, args=(value, rounds))
    process.start()
    add_locked(value, rounds)
    process.join()
    contended = 2e-6 * rounds / (time.perf_counter() - begin)
    say("contended", contended)
    say("locked", contended)


def add(lock, value, rounds):
    for _ in range(rounds):
        with lock:
            value.value += 1


def add_two_deep(lock, value, rounds):
    for _ in range(rounds):
        with lock, lock:
            value.value += 1


def row_lock(rounds):
    import multiprocessing as mp

    rounds = int(rounds)
    for alone, contended, lock, target in (("alone", "contended", mp.Lock(), add),
                                           ("rlock", "rlock2", mp.RLock(), add_two_deep)):
        value = mp.RawValue("l", 0)
        say(alone, rate_of_one(target, (lock, value, rounds), rounds))
        say(contended, rate_of_two(target, (lock, value, rounds), rounds))
        assert value.value == 3 * rounds


def rate_of_one(target, arguments, rounds):
    begin = time.perf_counter()
    target(*arguments)
    return 1e-6 * rounds / (time.perf_counter() - begin)


def rate_of_two(target, arguments, rounds):
    import multiprocessing as mp

    begin = time.perf_counter()
    process = mp.Process(target=target, args=arguments)
    process.start()
    target(*arguments)
    process.join()
    return 2e-6 * rounds / (time.perf_counter() - begin)


def answer(end, turns):
    for _ in range(turns):
        end.send(end.recv())


def pour(end, messages):
    block = bytes(1 << 20)
    for _ in range(messages):
        end.send_bytes(block)


def row_pipe(turns, messages):
    import multiprocessing as mp
    turns, messages = int(turns), int(messages)
    here, there = mp.Pipe()
    process = mp.Process(target=answer, args=(there, turns))
    process.start()
    here.send(0)
    here.recv()
    begin = time.perf_counter()
    for i in range(turns - 1):
        here.send(i)
        here.recv()
    say("turn", 1e6 * (time.perf_counter() - begin) / (turns - 1))
    process.join()
    here, there = mp.Pipe(duplex=False)
    process = mp.Process(target=pour, args=(there, messages))
    process.start()
    here.recv_bytes()
    begin = time.perf_counter()
    for _ in range(messages - 1):
        here.recv_bytes()
    say("bytes", (messages - 1) * (1 << 20) / (time.perf_counter() - begin) * 1e-9)
    process.join()


def send_back(there, back):
    while (x := there.recv()) >= 0:
        back[x & 1].send(x)


def row_wait(rounds):
    import multiprocessing as mp
    from multiprocessing.connection import wait

    rounds = int(rounds)
    out, there = mp.Pipe(duplex=False)
    ends = [mp.Pipe(duplex=False) for _ in range(2)]
    process = mp.Process(target=send_back, args=(out, [end[1] for end in ends]))
    process.start()
    readers = [end[0] for end in ends]
    begin = time.perf_counter()
    for i in range(rounds):
        there.send(i)
        assert wait(readers)[0].recv() == i
    say("queues", 1e6 * (time.perf_counter() - begin) / rounds)
    there.send(-1)
    process.join()


def set_keys(shared, rounds):
    for i in range(rounds):
        shared[i % 1000] = i


def get_keys(shared, rounds):
    for i in range(rounds):
        shared[i % 1000]


def row_dict(rounds):
    import multiprocessing as mp

    rounds = int(rounds)
    with mp.Manager() as manager:
        shared = manager.dict()
        for key, target in (("set", set_keys), ("get", get_keys)):
            say(key, rate_of_one(target, (shared, rounds), rounds))
            say(key + "2", rate_of_two(target, (shared, rounds), rounds))


def append_all(shared, rounds):
    for i in range(rounds):
        shared.append(i)


def set_name(names, rounds):
    for i in range(rounds):
        names.steps = i


def get_name(names, rounds):
    for _ in range(rounds):
        names.steps


def row_list(rounds):
    import multiprocessing as mp

    rounds = int(rounds)
    with mp.Manager() as manager:
        shared, names = manager.list(), manager.Namespace()
        append_all(shared, 1000)
        for key, target, arguments in (("append", append_all, (shared, rounds)), ("get", get_keys, (shared, rounds))):
            say(key, rate_of_one(target, arguments, rounds))
            say(key + "2", rate_of_two(target, arguments, rounds))
        assert len(shared) == 1000 + 3 * rounds
        say("name_set", rate_of_two(set_name, (names, rounds), rounds))
        say("name_get", rate_of_two(get_name, (names, rounds), rounds))


def row_named(times):
    from multiprocessing.shared_memory import SharedMemory

    size, took = 64 << 10, {"make": [], "find": []}
    for _ in range(int(times)):
        begin = time.perf_counter()
        made = SharedMemory(create=True, size=size)
        made.buf[:] = bytes(size)
        took["make"].append(1e6 * (time.perf_counter() - begin))
        begin = time.perf_counter()
        found = SharedMemory(made.name)
        found.buf[0]
        took["find"].append(1e6 * (time.perf_counter() - begin))
        found.close()
        made.close()
        made.unlink()
    for key, some in took.items():
        say(key, statistics.median(some))


EXECUTORS = {"multiprocessing": Multiprocessing, "futures": Futures, "mpi4py": Mpi4py}
WITH_POOL = {"map": row_map, "bytes": row_bytes, "async": row_async, "imap": row_imap, "warm": row_warm,
             "after-idling": row_after_idling, "bulk": row_bulk, "uneven": row_uneven, "metg": row_metg, "pi": row_pi,
             "idle": row_idle}
WITHOUT = {"queue": row_queue, "process": row_process, "sem": row_sem, "sync": row_sync, "value": row_value,
           "lock": row_lock, "pipe": row_pipe, "wait": row_wait, "dict": row_dict, "list": row_list,
           "named": row_named, "log": row_log}


def main():
    executor, row, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    if row in WITHOUT:
        WITHOUT[row](*arguments)
        return
    pool = EXECUTORS[executor]()
    WITH_POOL[row](pool, *arguments)
    pool.close()


if __name__ == "__main__":
    main()
