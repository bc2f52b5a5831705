# The library: a convenience library with all of it, which unit tests link, and libkith itself.
include_HEADERS += lib/kith.h
noinst_LTLIBRARIES += lib/libkith-all.la
lib_LTLIBRARIES += lib/libkith.la

lib_libkith_all_la_SOURCES = \
	lib/agent.c \
	lib/agent.h \
	lib/arena.c \
	lib/arena.h \
	lib/around.c \
	lib/around.h \
	lib/audit.c \
	lib/block.c \
	lib/block.h \
	lib/board.c \
	lib/board.h \
	lib/budget.c \
	lib/budget.h \
	lib/call.c \
	lib/call.h \
	lib/cgroup.c \
	lib/cgroup.h \
	lib/checkglobals.c \
	lib/checkglobals.h \
	lib/child.c \
	lib/child.h \
	lib/chunk.c \
	lib/chunk.h \
	lib/container.c \
	lib/container.h \
	lib/coverage.c \
	lib/coverage.h \
	lib/cpus.c \
	lib/cpus.h \
	lib/crash.c \
	lib/crash.h \
	lib/crashtext.c \
	lib/desk.h \
	lib/ending.c \
	lib/ending.h \
	lib/errand.c \
	lib/errand.h \
	lib/error.c \
	lib/error.h \
	lib/family.c \
	lib/family.h \
	lib/guard.c \
	lib/guard.h \
	lib/guest.c \
	lib/guest.h \
	lib/heap.c \
	lib/heap.h \
	lib/image.c \
	lib/image.h \
	lib/init.c \
	lib/init.h \
	lib/kith.h \
	lib/launch.c \
	lib/launch.h \
	lib/line.c \
	lib/line.h \
	lib/mark.h \
	lib/memory.c \
	lib/module.c \
	lib/module.h \
	lib/mpi/load.c \
	lib/mpi/mpi.h \
	lib/muster.c \
	lib/muster.h \
	lib/neighbours.c \
	lib/net/address.c \
	lib/net/address.h \
	lib/net/lane.c \
	lib/net/lane.h \
	lib/net/protocol.c \
	lib/net/protocol.h \
	lib/net/transport.h \
	lib/net/wire.c \
	lib/net/wire.h \
	lib/object.c \
	lib/object.h \
	lib/pool.c \
	lib/pool.h \
	lib/process.c \
	lib/process.h \
	lib/queue.c \
	lib/queue.h \
	lib/random.c \
	lib/random.h \
	lib/ranks.c \
	lib/ranks.h \
	lib/reaper.c \
	lib/reaper.h \
	lib/remote.c \
	lib/remote.h \
	lib/rerun.c \
	lib/serial.c \
	lib/serial.h \
	lib/server.c \
	lib/server.h \
	lib/system.c \
	lib/system.h \
	lib/task.c \
	lib/task.h \
	lib/timelimit.c \
	lib/timelimit.h \
	lib/token.c \
	lib/token.h \
	lib/trace.c \
	lib/trace.h \
	lib/trace/frames.c \
	lib/trunk.c \
	lib/wait.c \
	lib/wait.h \
	lib/where.c \
	lib/where.h \
	lib/worker.c \
	lib/worker.h
lib_libkith_all_la_CPPFLAGS = $(AM_CPPFLAGS) -include $(srcdir)/lib/mark.h

lib_libkith_la_SOURCES =
lib_libkith_la_LIBADD = lib/libkith-all.la
# current:revision:age; see the libtool manual, "Updating library version information". The unwinder of
# libgcc is linked in: libgcc_s.so would make each program start 0.09 ms later.
lib_libkith_la_LDFLAGS = -version-info 0:0:0 -no-undefined -static-libgcc

# What crash reports need of debug information; it is loaded when there is one.
if HAVE_LIBDW
pkglib_LTLIBRARIES += lib/kith-trace.la
endif
lib_kith_trace_la_SOURCES = \
	lib/image.c \
	lib/image.h \
	lib/trace.h \
	lib/trace/dwarf.c \
	lib/trace/frames.c
lib_kith_trace_la_CFLAGS = $(AM_CFLAGS) $(LIBDW_CFLAGS)
lib_kith_trace_la_LIBADD = $(LIBDW_LIBS)
lib_kith_trace_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared

# The way to other nodes; loaded by their agents alone.
if HAVE_ZMQ
pkglib_LTLIBRARIES += lib/kith-net.la
endif
lib_kith_net_la_SOURCES = \
	lib/net/transport.h \
	lib/net/zmq.c
lib_kith_net_la_CFLAGS = $(AM_CFLAGS) $(ZMQ_CFLAGS)
lib_kith_net_la_LIBADD = $(ZMQ_LIBS)
lib_kith_net_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared

# One for each MPI; loaded under its launcher.
if HAVE_OPENMPI
pkglib_LTLIBRARIES += lib/kith-mpi-openmpi.la
endif
lib_kith_mpi_openmpi_la_SOURCES = lib/mpi/mpi.c lib/mpi/mpi.h
lib_kith_mpi_openmpi_la_CPPFLAGS = $(AM_CPPFLAGS) -DKITH_MPIRUN='"$(OPENMPI_MPIRUN)"'
lib_kith_mpi_openmpi_la_CFLAGS = $(AM_CFLAGS) $(OPENMPI_CFLAGS)
lib_kith_mpi_openmpi_la_LIBADD = $(OPENMPI_LIBS)
lib_kith_mpi_openmpi_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
if HAVE_MPICH
pkglib_LTLIBRARIES += lib/kith-mpi-mpich.la
endif
lib_kith_mpi_mpich_la_SOURCES = lib/mpi/mpi.c lib/mpi/mpi.h
lib_kith_mpi_mpich_la_CPPFLAGS = $(AM_CPPFLAGS) -DKITH_MPIRUN='"$(MPICH_MPIRUN)"'
lib_kith_mpi_mpich_la_CFLAGS = $(AM_CFLAGS) $(MPICH_CFLAGS)
lib_kith_mpi_mpich_la_LIBADD = $(MPICH_LIBS)
lib_kith_mpi_mpich_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
