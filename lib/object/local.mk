# What a user holds.
lib_libkith_all_la_SOURCES += \
	lib/object/memory.c \
	lib/object/object.c \
	lib/object/object.h \
	lib/object/process.c \
	lib/object/process.h \
	lib/object/queue.c \
	lib/object/queue.h \
	lib/object/target.c \
	lib/object/target.h
