# Who started the program, and how ranks find each other.
lib_libkith_all_la_SOURCES += \
	lib/start/allocation.c \
	lib/start/allocation.h \
	lib/start/beside.c \
	lib/start/beside.h \
	lib/start/builds.c \
	lib/start/builds.h \
	lib/start/conn.c \
	lib/start/conn.h \
	lib/start/control.c \
	lib/start/control.h \
	lib/start/detect.c \
	lib/start/detect.h \
	lib/start/discovery.c \
	lib/start/discovery.h \
	lib/start/ending.c \
	lib/start/ending.h \
	lib/start/environment.c \
	lib/start/environment.h \
	lib/start/mpi/load.c \
	lib/start/mpi/load.h \
	lib/start/mpi/mpi.h \
	lib/start/overdue.c \
	lib/start/overdue.h \
	lib/start/ranks.c \
	lib/start/ranks.h \
	lib/start/rendezvous.c \
	lib/start/rendezvous.h \
	lib/start/rerun.c \
	lib/start/rerun.h
