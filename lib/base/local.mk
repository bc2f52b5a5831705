# Knows nothing of kith.
lib_libkith_all_la_SOURCES += \
	lib/base/budget.c \
	lib/base/budget.h \
	lib/base/cgroup.c \
	lib/base/cgroup.h \
	lib/base/container.c \
	lib/base/container.h \
	lib/base/cpus.c \
	lib/base/cpus.h \
	lib/base/descriptors.c \
	lib/base/descriptors.h \
	lib/base/env.c \
	lib/base/env.h \
	lib/base/error.c \
	lib/base/error.h \
	lib/base/handle.h \
	lib/base/list.h \
	lib/base/log.c \
	lib/base/log.h \
	lib/base/maps.c \
	lib/base/maps.h \
	lib/base/module.c \
	lib/base/module.h \
	lib/base/moves.c \
	lib/base/moves.h \
	lib/base/oom.c \
	lib/base/oom.h \
	lib/base/own.c \
	lib/base/own.h \
	lib/base/standin.c \
	lib/base/standin.h \
	lib/base/system.c \
	lib/base/system.h \
	lib/base/table.h \
	lib/base/threads.c \
	lib/base/threads.h
