# The bench: built and run by "make bench" only, built by "make bench-programs". BENCHFLAGS=--write keeps the table;
# see bench/README.md.
bench_kith = \
	bench/kith/apply \
	bench/kith/async \
	bench/kith/bulk \
	bench/kith/bytes \
	bench/kith/dict \
	bench/kith/empty \
	bench/kith/far \
	bench/kith/idle \
	bench/kith/list \
	bench/kith/lock \
	bench/kith/log \
	bench/kith/loop \
	bench/kith/lost \
	bench/kith/map \
	bench/kith/metg \
	bench/kith/named \
	bench/kith/nodes \
	bench/kith/pi \
	bench/kith/pipe \
	bench/kith/process \
	bench/kith/program \
	bench/kith/queue \
	bench/kith/remote \
	bench/kith/sem \
	bench/kith/share \
	bench/kith/sync \
	bench/kith/tree \
	bench/kith/uneven \
	bench/kith/value \
	bench/kith/wait \
	bench/stopwatch

# A peer that cannot be built here is left out, with a word in the table.
bench_peers = \
	bench/peers/bcast \
	bench/peers/chain \
	bench/peers/empty \
	bench/peers/lmdb \
	bench/peers/lock \
	bench/peers/named \
	bench/peers/openmp \
	bench/peers/pi \
	bench/peers/plain \
	bench/peers/poll \
	bench/peers/ring \
	bench/peers/sem \
	bench/peers/sync \
	bench/peers/trip \
	bench/peers/value \
	bench/peers/zmq

EXTRA_PROGRAMS += $(bench_kith) $(bench_peers)
CLEANFILES += $(bench_kith) $(bench_peers)

# No wrapper scripts of libtool around them: their start would be measured too.
bench_ldflags = $(AM_LDFLAGS) -no-install
bench_kith_apply_LDADD = lib/libkith.la
bench_kith_apply_LDFLAGS = $(bench_ldflags)
bench_kith_async_LDADD = lib/libkith.la
bench_kith_async_LDFLAGS = $(bench_ldflags)
bench_kith_bulk_LDADD = lib/libkith.la
bench_kith_bulk_LDFLAGS = $(bench_ldflags)
bench_kith_bytes_LDADD = lib/libkith.la
bench_kith_bytes_LDFLAGS = $(bench_ldflags)
bench_kith_dict_LDADD = lib/libkith.la
bench_kith_dict_LDFLAGS = $(bench_ldflags)
bench_kith_empty_LDADD = lib/libkith.la
bench_kith_empty_LDFLAGS = $(bench_ldflags)
bench_kith_far_LDADD = lib/libkith.la
bench_kith_far_LDFLAGS = $(bench_ldflags)
bench_kith_idle_LDADD = lib/libkith.la
bench_kith_idle_LDFLAGS = $(bench_ldflags)
bench_kith_list_LDADD = lib/libkith.la
bench_kith_list_LDFLAGS = $(bench_ldflags)
bench_kith_lock_LDADD = lib/libkith.la
bench_kith_lock_LDFLAGS = $(bench_ldflags)
bench_kith_log_LDADD = lib/libkith.la
bench_kith_log_LDFLAGS = $(bench_ldflags)
bench_kith_loop_LDADD = lib/libkith.la
bench_kith_loop_LDFLAGS = $(bench_ldflags)
bench_kith_lost_LDADD = lib/libkith.la
bench_kith_lost_LDFLAGS = $(bench_ldflags)
bench_kith_map_LDADD = lib/libkith.la
bench_kith_map_LDFLAGS = $(bench_ldflags)
bench_kith_metg_LDADD = lib/libkith.la
bench_kith_metg_LDFLAGS = $(bench_ldflags)
bench_kith_named_LDADD = lib/libkith.la
bench_kith_named_LDFLAGS = $(bench_ldflags)
bench_kith_nodes_LDADD = lib/libkith.la
bench_kith_nodes_LDFLAGS = $(bench_ldflags)
bench_kith_pi_LDADD = examples/libpi.la lib/libkith.la -lm
bench_kith_pi_LDFLAGS = $(bench_ldflags)
bench_kith_pipe_LDADD = lib/libkith.la
bench_kith_pipe_LDFLAGS = $(bench_ldflags)
bench_kith_process_LDADD = lib/libkith.la
bench_kith_process_LDFLAGS = $(bench_ldflags)
bench_kith_program_LDADD = lib/libkith.la
bench_kith_program_LDFLAGS = $(bench_ldflags)
bench_kith_queue_LDADD = lib/libkith.la
bench_kith_queue_LDFLAGS = $(bench_ldflags)
bench_kith_remote_LDADD = lib/libkith.la
bench_kith_remote_LDFLAGS = $(bench_ldflags)
bench_kith_uneven_LDADD = lib/libkith.la
bench_kith_uneven_LDFLAGS = $(bench_ldflags)
bench_kith_wait_LDADD = lib/libkith.la
bench_kith_wait_LDFLAGS = $(bench_ldflags)

bench_peers_bcast_CFLAGS = $(AM_CFLAGS) $(OPENMPI_CFLAGS)
bench_peers_bcast_LDADD = $(OPENMPI_LIBS)
bench_peers_chain_CFLAGS = $(AM_CFLAGS) $(OPENMPI_CFLAGS) $(CRYPTO_CFLAGS)
bench_peers_chain_LDADD = $(OPENMPI_LIBS) $(CRYPTO_LIBS)
bench_peers_empty_CFLAGS = $(AM_CFLAGS) $(OPENMPI_CFLAGS)
bench_peers_empty_LDADD = $(OPENMPI_LIBS)
bench_peers_lmdb_LDADD = -llmdb
bench_peers_lock_LDADD =
bench_peers_named_LDADD =
bench_peers_openmp_CFLAGS = $(AM_CFLAGS) -fopenmp
bench_peers_openmp_LDADD = $(LIBM)
bench_peers_plain_LDADD =
bench_peers_poll_LDADD =
bench_kith_sem_LDADD = lib/libkith.la
bench_kith_sem_LDFLAGS = $(bench_ldflags)
bench_kith_share_LDADD = lib/libkith.la
bench_kith_share_LDFLAGS = $(bench_ldflags)
bench_peers_sem_LDADD =
bench_kith_sync_LDADD = lib/libkith.la
bench_kith_sync_LDFLAGS = $(bench_ldflags)
bench_kith_tree_LDADD = lib/libkith.la $(LIBM)
bench_kith_tree_LDFLAGS = $(bench_ldflags)
bench_peers_sync_LDADD =
bench_peers_trip_CFLAGS = $(AM_CFLAGS) $(ZMQ_CFLAGS)
bench_peers_trip_LDADD = $(ZMQ_LIBS)
bench_kith_value_LDADD = lib/libkith.la
bench_kith_value_LDFLAGS = $(bench_ldflags)
bench_peers_value_LDADD =
bench_peers_ring_LDADD =
bench_peers_pi_LDADD = examples/libpi.la -lm
bench_peers_zmq_CFLAGS = $(AM_CFLAGS) $(ZMQ_CFLAGS)
bench_peers_zmq_LDADD = $(ZMQ_LIBS)
bench_stopwatch_LDADD =

EXTRA_DIST += \
	bench/README.md \
	bench/RESULTS.md \
	bench/speedup.svg \
	bench/against.py \
	bench/bench.h \
	bench/contestants.py \
	bench/goals.py \
	bench/loop.h \
	bench/metg.h \
	bench/nodes.py \
	bench/tree.h \
	bench/peers/curve.h \
	bench/peers/dask_nodes.py \
	bench/peers/pi_numba.py \
	bench/peers/program.py \
	bench/peers/python.py \
	bench/peers/word.h \
	bench/picture.py \
	bench/report.py \
	bench/results.py \
	bench/rows.py \
	bench/run

.PHONY: bench bench-programs
bench-programs: $(bench_kith) kith$(EXEEXT) $(pkglib_LTLIBRARIES)
	@$(MAKE) $(AM_MAKEFLAGS) -k $(bench_peers) || echo "bench: the peers that could not be built are left out"

bench: bench-programs
	$(srcdir)/bench/run --build . $(BENCHFLAGS)
