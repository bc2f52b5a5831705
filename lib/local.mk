# The library: a convenience library with all of it, which unit tests link, and libkith itself.
include_HEADERS += lib/kith.h
noinst_LTLIBRARIES += lib/libkith-all.la
lib_LTLIBRARIES += lib/libkith.la

lib_libkith_all_la_SOURCES = \
	lib/arena.c \
	lib/arena.h \
	lib/audit.c \
	lib/block.c \
	lib/block.h \
	lib/budget.c \
	lib/budget.h \
	lib/cgroup.c \
	lib/cgroup.h \
	lib/cpus.c \
	lib/cpus.h \
	lib/error.c \
	lib/error.h \
	lib/guard.c \
	lib/guard.h \
	lib/heap.c \
	lib/heap.h \
	lib/image.c \
	lib/image.h \
	lib/kith.h \
	lib/random.c \
	lib/random.h \
	lib/system.c \
	lib/system.h \
	lib/token.c \
	lib/token.h

lib_libkith_la_SOURCES =
lib_libkith_la_LIBADD = lib/libkith-all.la
# current:revision:age; see the libtool manual, "Updating library version information"
lib_libkith_la_LDFLAGS = -version-info 0:0:0 -no-undefined
