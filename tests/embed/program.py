# libkith by ctypes: program.py LIBKITH; see tests/embed.sh. C functions of a library do the work, as Python's own are made at run time.
import ctypes
import sys

kith = ctypes.CDLL(sys.argv[1])
libc = ctypes.CDLL("libc.so.6")


class Handle(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint64)]


class SemOptions(ctypes.Structure):
    _fields_ = [("bounded", ctypes.c_int), ("name", ctypes.c_char_p)]


class WorkerStats(ctypes.Structure):
    _fields_ = [("tasks", ctypes.c_uint64), ("processes", ctypes.c_uint64), ("busy", ctypes.c_double),
                ("waiting", ctypes.c_double), ("start_up", ctypes.c_double)]


kith.kith_sem_open_with.restype = Handle
kith.kith_sem_open_with.argtypes = [ctypes.c_int, ctypes.POINTER(SemOptions), ctypes.c_size_t]
kith.kith_check.argtypes = [Handle]
kith.kith_pool_read_worker_stats.argtypes = [Handle, ctypes.c_int, ctypes.POINTER(WorkerStats), ctypes.c_size_t]
kith.kith_pool_open.restype = kith.kith_queue_open.restype = Handle
kith.kith_queue_open.argtypes = [ctypes.c_size_t]
kith.kith_queue_put.argtypes = [Handle, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
kith.kith_queue_get.argtypes = kith.kith_queue_put.argtypes
kith.kith_queue_get.restype = ctypes.c_int64
kith.kith_pool_map.argtypes = [Handle, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
                               ctypes.c_size_t]
kith.kith_pool_close.argtypes = [Handle]

assert kith.kith_init(None, None) == 0
queue = kith.kith_queue_open(0)
text = ctypes.create_string_buffer(8)
assert kith.kith_queue_put(queue, b"hello", 5, -1) == 0
assert kith.kith_queue_get(queue, text, 8, -1) == 5
pool = kith.kith_pool_open(2)
# Two words of which the second is 0, which strcmp(in, out) takes for two equal strings.
words, out = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
strcmp = ctypes.cast(libc.strcmp, ctypes.c_void_p)
assert kith.kith_pool_map(pool, strcmp, words, 8, out, 8, 8) == 0
tasks = 0
for worker in range(2):
    stats = WorkerStats()
    assert kith.kith_pool_read_worker_stats(pool, worker, stats, ctypes.sizeof(stats)) == 0
    tasks += stats.tasks
assert tasks == 8
assert kith.kith_pool_close(pool) == 0
# Functions that have a macro of their name in C, which fills in the sizes.
options = SemOptions(name=b"of this test")
sem = kith.kith_sem_open_with(1, options, ctypes.sizeof(options))
assert kith.kith_check(sem) == 0
assert kith.kith_sem_open_with(1, options, ctypes.sizeof(options)).id == sem.id
print("python:", text.value.decode())
sys.exit(kith.kith_finalize())
