# Memory of the node that survives deaths.
lib_libkith_all_la_SOURCES += \
	lib/shm/arena.c \
	lib/shm/arena.h \
	lib/shm/audit.c \
	lib/shm/block.c \
	lib/shm/block.h \
	lib/shm/grow.c \
	lib/shm/grow.h \
	lib/shm/guard.c \
	lib/shm/guard.h \
	lib/shm/heap.c \
	lib/shm/heap.h
