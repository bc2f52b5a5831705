# The library: a convenience library with all of it, which unit tests link, and libkith itself.
include_HEADERS += lib/kith.h
noinst_LTLIBRARIES += lib/libkith-all.la
lib_LTLIBRARIES += lib/libkith.la

lib_libkith_all_la_SOURCES = \
	lib/classes.c \
	lib/init.c \
	lib/kith.h \
	lib/many.c \
	lib/mark.h \
	lib/where.c \
	lib/where.h
lib_libkith_all_la_CPPFLAGS = $(AM_CPPFLAGS) -include $(srcdir)/lib/mark.h
# lib/base/own.h says why all variables of threads may be of that model.
lib_libkith_all_la_CFLAGS = $(AM_CFLAGS) -ftls-model=initial-exec

lib_libkith_la_SOURCES =
lib_libkith_la_LIBADD = lib/libkith-all.la
# The folders, in the order in which they depend on each other: a file includes what stands in its own folder or in one before it
# (tests/layers.sh).
include lib/base/local.mk
include lib/shm/local.mk
include lib/code/local.mk
include lib/net/local.mk
include lib/member/local.mk
include lib/rpc/local.mk
include lib/object/local.mk
include lib/start/local.mk
include lib/pool/local.mk
include lib/agent/local.mk
include lib/server/local.mk

# current:revision:age; see the libtool manual, "Updating library version information". The unwinder of
# libgcc is linked in: libgcc_s.so would make each program start 0.09 ms later. It is never unloaded: handlers of exit
# and fork, and destructors of threads, lead into it. Its symbols are bound when it is loaded: otherwise each forked process
# would look up the same ones again, and copy the pages of the table.
lib_libkith_la_LDFLAGS = -version-info 0:0:0 -no-undefined -static-libgcc -Wl,-z,nodelete -Wl,-z,now -Wl,--version-script=$(srcdir)/lib/kith.map
# A function that is missing there is told here, and not by the linker of the first program that calls it.
lib_libkith_la_DEPENDENCIES = lib/libkith-all.la lib/kith.map lib/kith.map.checked
lib/kith.map.checked: lib/kith.map lib/kith.h
	$(AM_V_GEN)awk '/^KITH_API/ { on = 1 } on { print } /;/ { on = 0 }' $(srcdir)/lib/kith.h | \
	sed -n 's/.*[ *]\(kith_[a-z][a-z0-9_]*\)(.*/\1/p' | while read -r name; do \
		grep -q "^ *$$name;" $(srcdir)/lib/kith.map || { echo "lib/kith.map has no $$name, which kith.h declares" >&2; exit 1; }; \
	done && : >$@
CLEANFILES += lib/kith.map.checked
EXTRA_DIST += lib/kith.map

# What crash reports need of debug information; it is loaded when there is one.
if HAVE_LIBDW
pkglib_LTLIBRARIES += lib/kith-trace.la
endif
lib_kith_trace_la_SOURCES = \
	lib/code/cxxname.c \
	lib/code/image.c \
	lib/code/image.h \
	lib/code/trace.h \
	lib/code/dwarf.c \
	lib/code/frames.c \
	lib/code/frames.h
lib_kith_trace_la_CFLAGS = $(AM_CFLAGS) $(LIBDW_CFLAGS)
lib_kith_trace_la_LIBADD = $(LIBDW_LIBS)
lib_kith_trace_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared

# The way to other nodes; loaded by their agents alone.
if HAVE_NET
pkglib_LTLIBRARIES += lib/kith-net.la
endif
lib_kith_net_la_SOURCES = \
	lib/net/door.c \
	lib/net/door.h \
	lib/net/seal.c \
	lib/net/seal.h \
	lib/net/transport.h \
	lib/net/zmq.c
lib_kith_net_la_CFLAGS = $(AM_CFLAGS) $(ZMQ_CFLAGS) $(CRYPTO_CFLAGS)
lib_kith_net_la_LIBADD = $(ZMQ_LIBS) $(CRYPTO_LIBS)
lib_kith_net_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared

# One for each MPI; loaded under its launcher.
if HAVE_OPENMPI
pkglib_LTLIBRARIES += lib/kith-mpi-openmpi.la
endif
lib_kith_mpi_openmpi_la_SOURCES = lib/start/mpi/mpi.c lib/start/mpi/mpi.h
lib_kith_mpi_openmpi_la_CPPFLAGS = $(AM_CPPFLAGS) -DKITH_MPIRUN='"$(OPENMPI_MPIRUN)"'
lib_kith_mpi_openmpi_la_CFLAGS = $(AM_CFLAGS) $(OPENMPI_CFLAGS)
lib_kith_mpi_openmpi_la_LIBADD = $(OPENMPI_LIBS)
lib_kith_mpi_openmpi_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
if HAVE_MPICH
pkglib_LTLIBRARIES += lib/kith-mpi-mpich.la
endif
lib_kith_mpi_mpich_la_SOURCES = lib/start/mpi/mpi.c lib/start/mpi/mpi.h
lib_kith_mpi_mpich_la_CPPFLAGS = $(AM_CPPFLAGS) -DKITH_MPIRUN='"$(MPICH_MPIRUN)"'
lib_kith_mpi_mpich_la_CFLAGS = $(AM_CFLAGS) $(MPICH_CFLAGS)
lib_kith_mpi_mpich_la_LIBADD = $(MPICH_LIBS)
lib_kith_mpi_mpich_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
