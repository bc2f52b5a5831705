# Forks, reaps, enforces limits.
lib_libkith_all_la_SOURCES += \
	lib/server/child.c \
	lib/server/child.h \
	lib/server/deaths.c \
	lib/server/deaths.h \
	lib/server/head.c \
	lib/server/head.h \
	lib/server/janitors.c \
	lib/server/janitors.h \
	lib/server/launch.c \
	lib/server/launch.h \
	lib/server/orphans.c \
	lib/server/orphans.h \
	lib/server/reap.c \
	lib/server/reap.h \
	lib/server/server.c \
	lib/server/server.h \
	lib/server/snapshot.c \
	lib/server/snapshot.h \
	lib/server/spawn.c \
	lib/server/spawn.h \
	lib/server/timelimit.c \
	lib/server/timelimit.h \
	lib/server/watchdog.c \
	lib/server/watchdog.h
