# The command kith. It needs nothing of libkith at run time; the files that count CPUs and know containers are compiled into it,
# so that both say the same.
bin_PROGRAMS += kith

kith_SOURCES = \
	launcher/capture.c \
	launcher/capture.h \
	launcher/command.h \
	launcher/env.c \
	launcher/facts.c \
	launcher/facts.h \
	launcher/local_host.c \
	launcher/local_host.h \
	launcher/frame.h \
	launcher/hosts.c \
	launcher/hosts.h \
	launcher/job.c \
	launcher/job.h \
	launcher/line.c \
	launcher/line.h \
	launcher/lockout.c \
	launcher/lockout.h \
	launcher/loss.c \
	launcher/loss.h \
	launcher/main.c \
	launcher/mpi.c \
	launcher/mpi.h \
	launcher/mpich.c \
	launcher/open_mpi.c \
	launcher/network.c \
	launcher/network.h \
	launcher/overdue.c \
	launcher/overdue.h \
	launcher/option.c \
	launcher/option.h \
	launcher/peer.c \
	launcher/peer.h \
	launcher/picture.c \
	launcher/picture.h \
	launcher/processes.c \
	launcher/processes.h \
	launcher/program.c \
	launcher/program.h \
	launcher/range.c \
	launcher/range.h \
	launcher/rank.c \
	launcher/reach.c \
	launcher/reach.h \
	launcher/request.c \
	launcher/request.h \
	launcher/run.c \
	launcher/scale.c \
	launcher/session.c \
	launcher/session.h \
	launcher/ssh.c \
	launcher/ssh.h \
	launcher/survey.c \
	launcher/tags.c \
	launcher/tags.h \
	launcher/timing.c \
	launcher/timing.h \
	launcher/log.c \
	launcher/log.h \
	launcher/filter.c \
	launcher/filter.h \
	launcher/mpirun_messages.c \
	launcher/mpirun_messages.h \
	lib/base/cgroup.c \
	lib/base/cgroup.h \
	lib/base/container.c \
	lib/base/container.h \
	lib/base/cpus.c \
	lib/base/cpus.h \
	lib/base/env.c \
	lib/base/env.h \
	lib/net/subnet.c \
	lib/net/subnet.h
# Flags of its own, so that the objects of lib/ do not meet those of the library.
kith_CFLAGS = $(AM_CFLAGS)
kith_LDADD = $(LIBM)

dist_man_MANS += man/kith.1
EXTRA_DIST += \
	hostfiles/README.md \
	hostfiles/cluster \
	hostfiles/localhost \
	hostfiles/mpich \
	hostfiles/slurm-node.sh \
	hostfiles/slurm.sh
