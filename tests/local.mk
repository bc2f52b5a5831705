# The project around the code.
TESTS += \
	tests/bootstrap.sh \
	tests/compile.sh \
	tests/docs.sh \
	tests/exports.sh \
	tests/format.sh \
	tests/install.sh \
	tests/layers.sh \
	tests/man.sh \
	tests/runner.sh
ONCE_TESTS += \
	tests/bootstrap.sh \
	tests/compile.sh \
	tests/docs.sh \
	tests/exports.sh \
	tests/format.sh \
	tests/install.sh \
	tests/layers.sh \
	tests/man.sh \
	tests/runner.sh
EXTRA_DIST += \
	tests/compile/apply_few.c \
	tests/compile/apply_many.c \
	tests/compile/apply_pointer.c \
	tests/compile/apply_result.c \
	tests/compile/fail_format.c \
	tests/compile/for_range.c \
	tests/compile/get_value.c \
	tests/compile/handle_assign.c \
	tests/compile/handle_number.c \
	tests/compile/map_count.c \
	tests/compile/map_function.c \
	tests/compile/map_input.c \
	tests/compile/map_input_mixed.c \
	tests/compile/map_not_pointer.c \
	tests/compile/map_output.c \
	tests/compile/map_output_const.c \
	tests/compile/map_struct.c \
	tests/compile/option_name.c \
	tests/compile/plus_plus.cc \
	tests/compile/pool_map_function.c \
	tests/compile/process_for_queue.c \
	tests/compile/process_target.c \
	tests/compile/queue_for_pool.c \
	tests/compile/queue_for_pool_map.c \
	tests/compile/queue_timeout.c \
	tests/compile/reduce_fold.c \
	tests/compile/right.c \
	tests/compile/starmap_row.c \
	tests/compile/starmap_type.c \
	tests/compile/sum_result.c \
	tests/bootstrap.sh \
	tests/compile.sh \
	tests/docs.sh \
	tests/exports.sh \
	tests/format.sh \
	tests/install.sh \
	tests/layers.sh \
	tests/man.sh \
	tests/runner.sh

# Shared memory.
if HAVE_CUNIT
check_PROGRAMS += \
	tests/test_arena \
	tests/test_budget \
	tests/test_guard \
	tests/test_heap \
	tests/test_heap_death
TESTS += \
	tests/test_arena \
	tests/test_budget \
	tests/test_guard \
	tests/test_heap \
	tests/test_heap_death
endif
tests_test_arena_SOURCES = tests/check.h tests/shared.h tests/test_arena.c
tests_test_arena_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_arena_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_budget_SOURCES = tests/check.h tests/test_budget.c
tests_test_budget_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_budget_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_guard_SOURCES = tests/check.h tests/test_guard.c
tests_test_guard_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_guard_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_heap_SOURCES = tests/check.h tests/shared.h tests/test_heap.c
tests_test_heap_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_heap_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_heap_death_SOURCES = tests/check.h tests/shared.h tests/test_heap_death.c
tests_test_heap_death_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_heap_death_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)

# The examples: what they print, and their kernels.
TESTS += \
	tests/examples/nodes.sh \
	tests/examples/run.sh
EXTRA_DIST += \
	tests/examples/matches \
	tests/examples/nodes.sh \
	tests/examples/run.sh
if HAVE_CUNIT
check_PROGRAMS += tests/examples/test_kernels
TESTS += tests/examples/test_kernels
endif
tests_examples_test_kernels_SOURCES = examples/pi.h tests/check.h tests/examples/test_kernels.c
tests_examples_test_kernels_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_examples_test_kernels_LDADD = examples/libpi.la lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)

# Processes, pools, queues; and their deaths.
if HAVE_CUNIT
check_PROGRAMS += \
	tests/test_board \
	tests/test_chaos \
	tests/test_claims \
	tests/test_ends \
	tests/test_init \
	tests/test_pool \
	tests/test_pool_deaths \
	tests/test_pool_faults \
	tests/test_process \
	tests/test_queue \
	tests/test_scarce \
	tests/test_serial \
	tests/test_storm \
	tests/test_worker
TESTS += \
	tests/test_board \
	tests/test_chaos \
	tests/test_claims \
	tests/test_ends \
	tests/test_init \
	tests/test_pool \
	tests/test_pool_deaths \
	tests/test_pool_faults \
	tests/test_process \
	tests/test_queue \
	tests/test_scarce \
	tests/test_serial \
	tests/test_storm \
	tests/test_worker
endif
tests_test_board_SOURCES = tests/check.h tests/test_board.c
tests_test_board_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_board_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_chaos_SOURCES = \
	tests/chaos/actors.c \
	tests/chaos/actors.h \
	tests/chaos/bytes.c \
	tests/chaos/action.c \
	tests/chaos/action.h \
	tests/chaos/dice.h \
	tests/chaos/head.c \
	tests/chaos/head.h \
	tests/chaos/kinds.c \
	tests/chaos/kinds.h \
	tests/chaos/leaves.c \
	tests/chaos/leaves.h \
	tests/chaos/memory.c \
	tests/chaos/memory.h \
	tests/chaos/model.c \
	tests/chaos/model.h \
	tests/chaos/numbers.c \
	tests/chaos/pools.c \
	tests/chaos/pools.h \
	tests/chaos/queues.c \
	tests/chaos/queues.h \
	tests/chaos/ranges.c \
	tests/chaos/tidy.c \
	tests/chaos/tidy.h \
	tests/chaos/world.c \
	tests/chaos/world.h \
	tests/check.h \
	tests/killer.h \
	tests/test_chaos.c
tests_test_chaos_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_chaos_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_claims_SOURCES = tests/check.h tests/test_claims.c
tests_test_claims_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_claims_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_ends_SOURCES = tests/anyjob.h tests/check.h tests/test_ends.c
tests_test_ends_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_ends_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_init_SOURCES = tests/anyjob.h tests/check.h tests/test_init.c
tests_test_init_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_init_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_pool_SOURCES = tests/check.h tests/test_pool.c
tests_test_pool_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_pool_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_pool_deaths_SOURCES = tests/check.h tests/test_pool_deaths.c
tests_test_pool_deaths_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_pool_deaths_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_pool_faults_SOURCES = tests/check.h tests/test_pool_faults.c
tests_test_pool_faults_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_pool_faults_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_process_SOURCES = tests/check.h tests/test_process.c
tests_test_process_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_process_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_queue_SOURCES = tests/check.h tests/far.h tests/test_queue.c
tests_test_queue_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_queue_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_scarce_SOURCES = tests/anyjob.h tests/check.h tests/test_scarce.c
tests_test_scarce_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_scarce_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)

tests_test_serial_SOURCES = tests/anyjob.h tests/check.h tests/test_serial.c
tests_test_serial_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_serial_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_storm_SOURCES = tests/check.h tests/killer.h tests/test_storm.c
tests_test_storm_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_storm_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_worker_SOURCES = tests/check.h tests/test_worker.c
tests_test_worker_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_worker_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)

# Functions as tokens, random numbers, CPUs, crashes.
TESTS += tests/coverage.sh
EXTRA_DIST += tests/coverage.sh
if HAVE_CUNIT
check_PROGRAMS += \
	tests/test_checkglobals \
	tests/test_coverage \
	tests/test_cpus \
	tests/test_detect \
	tests/test_crash \
	tests/test_random \
	tests/test_token \
	tests/test_token_fixed
TESTS += \
	tests/test_checkglobals \
	tests/test_coverage \
	tests/test_cpus \
	tests/test_detect \
	tests/test_crash \
	tests/test_random \
	tests/test_token \
	tests/test_token_fixed
endif
tests_test_checkglobals_SOURCES = tests/check.h tests/test_checkglobals.c
tests_test_checkglobals_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_checkglobals_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_coverage_SOURCES = tests/check.h tests/test_coverage.c
tests_test_coverage_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_coverage_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_cpus_SOURCES = tests/check.h tests/test_cpus.c
tests_test_cpus_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_cpus_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_detect_SOURCES = tests/check.h tests/test_detect.c
tests_test_detect_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_detect_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_crash_SOURCES = tests/check.h tests/test_crash.c
tests_test_crash_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_crash_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_random_SOURCES = tests/check.h tests/test_random.c
tests_test_random_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_random_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_token_SOURCES = tests/check.h tests/test_token.c
tests_test_token_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_token_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
# The same in a program that is not position-independent: functions of libraries have stubs in it.
tests_test_token_fixed_SOURCES = tests/check.h tests/test_token.c
tests_test_token_fixed_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_token_fixed_CFLAGS = $(AM_CFLAGS) -fno-pie
tests_test_token_fixed_LDFLAGS = $(AM_LDFLAGS) -no-pie
tests_test_token_fixed_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)

# Other nodes: the protocol between agents, its transport, and objects through them.
if HAVE_CUNIT
check_PROGRAMS += \
	tests/test_address \
	tests/test_protocol \
	tests/test_protocol_frames \
	tests/test_protocol_links \
	tests/test_control
TESTS += \
	tests/test_address \
	tests/test_protocol \
	tests/test_protocol_frames \
	tests/test_protocol_links \
	tests/test_control
if HAVE_ZMQ
check_PROGRAMS += \
	tests/test_agent \
	tests/test_mailbox \
	tests/test_net \
	tests/test_zmq
TESTS += \
	tests/queue_net.sh \
	tests/test_agent \
	tests/test_mailbox \
	tests/test_net \
	tests/test_zmq
endif
endif
check_PROGRAMS += tests/cluster/objects
TESTS += \
	tests/cluster/objects.sh \
	tests/cluster/slurm.sh
ONCE_TESTS += \
	tests/cluster/objects.sh \
	tests/cluster/slurm.sh
EXTRA_DIST += \
	tests/cluster/batch \
	tests/cluster/cluster \
	tests/cluster/objects.sh \
	tests/cluster/slurm.sh \
	tests/queue_net.sh
tests_cluster_objects_SOURCES = tests/cluster/objects.c
tests_cluster_objects_LDADD = lib/libkith.la
tests_test_agent_SOURCES = tests/check.h tests/netjob.h tests/test_agent.c
tests_test_agent_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_agent_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
tests_test_agent_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_address_SOURCES = tests/check.h tests/test_address.c
tests_test_address_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_address_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_mailbox_SOURCES = tests/check.h tests/netjob.h tests/test_mailbox.c
tests_test_mailbox_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_mailbox_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_net_SOURCES = tests/check.h tests/netjob.h tests/test_net.c
tests_test_net_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_net_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
protocol_sources = \
	tests/check.h \
	tests/protocol/bytes.c \
	tests/protocol/bytes.h \
	tests/protocol/net.c \
	tests/protocol/net.h \
	tests/protocol/node.c \
	tests/protocol/node.h
tests_test_protocol_SOURCES = $(protocol_sources) tests/test_protocol.c
tests_test_protocol_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_protocol_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_protocol_frames_SOURCES = $(protocol_sources) tests/test_protocol_frames.c
tests_test_protocol_frames_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_protocol_frames_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_protocol_links_SOURCES = $(protocol_sources) tests/test_protocol_links.c
tests_test_protocol_links_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_protocol_links_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_control_SOURCES = tests/check.h tests/test_control.c
tests_test_control_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
tests_test_control_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
tests_test_zmq_SOURCES = tests/check.h tests/test_zmq.c
tests_test_zmq_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS) $(ZMQ_CFLAGS)
tests_test_zmq_LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(ZMQ_LIBS) $(LIBM)

# Ranks: how they start, wait and end.
TESTS += \
	tests/ranks/asleep.sh \
	tests/ranks/endings.sh \
	tests/ranks/foreign.sh \
	tests/ranks/kills.sh \
	tests/ranks/storm.sh \
	tests/ranks/terminal.sh \
	tests/ranks/workers.sh
ONCE_TESTS += \
	tests/ranks/asleep.sh \
	tests/ranks/foreign.sh \
	tests/ranks/kills.sh \
	tests/ranks/storm.sh \
	tests/ranks/terminal.sh \
	tests/ranks/workers.sh
EXTRA_DIST += \
	tests/ranks/asleep.sh \
	tests/ranks/common \
	tests/ranks/endings.sh \
	tests/ranks/foreign.sh \
	tests/ranks/kills.sh \
	tests/ranks/storm.sh \
	tests/ranks/terminal.sh \
	tests/ranks/workers.sh
check_PROGRAMS += \
	tests/ranks/actions \
	tests/ranks/member
tests_ranks_actions_SOURCES = tests/ranks/actions.c
tests_ranks_actions_LDADD = lib/libkith.la
tests_ranks_member_SOURCES = tests/ranks/member.c
tests_ranks_member_LDADD = lib/libkith-all.la

# The command kith.
check_PROGRAMS += tests/launcher/fuzz
TESTS += \
	tests/launcher/cluster.sh \
	tests/launcher/dry_run.sh \
	tests/launcher/failures.sh \
	tests/launcher/fuzz \
	tests/launcher/help.sh \
	tests/launcher/hostfile.sh \
	tests/launcher/root.sh \
	tests/launcher/signals.sh \
	tests/launcher/status.sh \
	tests/launcher/terminal.sh \
	tests/launcher/words.sh
ONCE_TESTS += \
	tests/launcher/cluster.sh \
	tests/launcher/dry_run.sh \
	tests/launcher/root.sh \
	tests/launcher/terminal.sh
EXTRA_DIST += \
	tests/launcher/bare.c \
	tests/launcher/cluster.sh \
	tests/launcher/common \
	tests/launcher/dry_run.sh \
	tests/launcher/failures.sh \
	tests/launcher/help.sh \
	tests/launcher/hostfile.sh \
	tests/launcher/root.sh \
	tests/launcher/signals.sh \
	tests/launcher/status.sh \
	tests/launcher/terminal.sh \
	tests/launcher/typist \
	tests/launcher/words.sh
tests_launcher_fuzz_SOURCES = launcher/hosts.c launcher/hosts.h launcher/filter.c launcher/filter.h tests/launcher/fuzz.c
tests_launcher_fuzz_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/launcher
