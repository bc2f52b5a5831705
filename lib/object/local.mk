# What a user holds.
lib_libkith_all_la_SOURCES += \
	lib/object/array.c \
	lib/object/class.c \
	lib/object/class.h \
	lib/object/event.c \
	lib/object/holders.c \
	lib/object/holders.h \
	lib/object/lock.c \
	lib/object/memory.c \
	lib/object/memory.h \
	lib/object/number.c \
	lib/object/number.h \
	lib/object/object.c \
	lib/object/object.h \
	lib/object/own_lock.c \
	lib/object/own_lock.h \
	lib/object/pin.c \
	lib/object/pin.h \
	lib/object/pipe.c \
	lib/object/process.c \
	lib/object/process.h \
	lib/object/producers.c \
	lib/object/producers.h \
	lib/object/queue.c \
	lib/object/rlock.c \
	lib/object/sem.c \
	lib/object/setup.c \
	lib/object/setup.h \
	lib/object/start.c \
	lib/object/start.h \
	lib/object/target.c \
	lib/object/target.h \
	lib/object/units.c \
	lib/object/units.h \
	lib/object/value.c \
	lib/object/watch.c \
	lib/object/watch.h
