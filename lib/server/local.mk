# Forks, reaps, enforces limits.
lib_libkith_all_la_SOURCES += \
	lib/server/child.c \
	lib/server/child.h \
	lib/server/head.c \
	lib/server/head.h \
	lib/server/orphans.c \
	lib/server/orphans.h \
	lib/server/server.c \
	lib/server/server.h \
	lib/server/snapshot.c \
	lib/server/snapshot.h \
	lib/server/timelimit.c \
	lib/server/timelimit.h \
	lib/server/watchdog.c \
	lib/server/watchdog.h
