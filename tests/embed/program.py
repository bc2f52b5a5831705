# libkith by ctypes: program.py LIBKITH; see tests/embed.sh. C functions of a library do the work, as Python's own are made at run time.
import ctypes
import sys

kith = ctypes.CDLL(sys.argv[1])
libc = ctypes.CDLL("libc.so.6")


class Handle(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint64)]


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
assert kith.kith_pool_close(pool) == 0
print("python:", text.value.decode())
sys.exit(kith.kith_finalize())
