# The tests, by subject. A unit test is a CUnit program: a word of unit_tests; its source is the file of that name, unless it says more.
# A script that depends on how kith was built is one of build_scripts, any other one of once_scripts: the builds with other switches
# leave these out. One of long_scripts is run by "make check-long" only.
unit_tests =
build_scripts =
once_scripts =
long_scripts =

# What a unit test needs. Any other program has an LDADD of its own.
AM_CPPFLAGS += $(CUNIT_CFLAGS)
LDADD = lib/libkith-all.la $(CUNIT_LIBS) $(LIBM)
EXTRA_DIST += \
	tests/anyjob.h \
	tests/check.h \
	tests/containers.h \
	tests/far.h \
	tests/foreman.h \
	tests/gate.h \
	tests/killer.h \
	tests/netjob.h \
	tests/noise.sed \
	tests/shared.h \
	tests/steps.h \
	tests/used.h

# The project around the code. What is packed is tested by project_scripts once more; source_scripts read or compile single files, which
# are the same there.
source_scripts = \
	tests/compile.sh \
	tests/cxx_map.sh \
	tests/format.sh \
	tests/layers.sh
project_scripts = \
	tests/bench.sh \
	tests/bootstrap.sh \
	tests/compdb.sh \
	tests/cxx.sh \
	tests/docs.sh \
	tests/exports.sh \
	tests/install.sh \
	tests/man.sh \
	tests/release.sh \
	tests/runner.sh
once_scripts += $(source_scripts) $(project_scripts)
long_scripts += tests/models.sh
EXTRA_DIST += \
	tests/models/claim.pml \
	tests/models/lock.pml \
	tests/cxx/map.cc \
	tests/cxx/output.cc \
	tests/compile/append_to_dict.c \
	tests/compile/apply_async_function.c \
	tests/compile/apply_few.c \
	tests/compile/apply_async_handle.c \
	tests/compile/apply_function.c \
	tests/compile/apply_handle.c \
	tests/compile/apply_many.c \
	tests/compile/apply_pointer.c \
	tests/compile/apply_result.c \
	tests/compile/fail_format.c \
	tests/compile/for_range.c \
	tests/compile/get_value.c \
	tests/compile/handle_assign.c \
	tests/compile/handle_number.c \
	tests/compile/imap_arguments.c \
	tests/compile/imap_input.c \
	tests/compile/map_arguments.c \
	tests/compile/map_bytes.c \
	tests/compile/map_count.c \
	tests/compile/map_function.c \
	tests/compile/map_input.c \
	tests/compile/map_input_mixed.c \
	tests/compile/map_not_pointer.c \
	tests/compile/map_output.c \
	tests/compile/map_output_const.c \
	tests/compile/map_struct.c \
	tests/compile/map_void.c \
	tests/compile/map_with_function.c \
	tests/compile/start_few.c \
	tests/compile/start_function.c \
	tests/compile/starmap_function.c \
	tests/compile/on_pool.c \
	tests/compile/option_name.c \
	tests/compile/plus_plus.cc \
	tests/compile/pool_map_sizes.c \
	tests/compile/process_for_queue.c \
	tests/compile/process_target.c \
	tests/compile/queue_for_pool.c \
	tests/compile/queue_for_pool_map.c \
	tests/compile/queue_timeout.c \
	tests/compile/reduce_fold.c \
	tests/compile/right.c \
	tests/compile/starmap_row.c \
	tests/compile/starmap_type.c \
	tests/compile/start_address.c \
	tests/compile/start_handle.c \
	tests/compile/start_many.c \
	tests/compile/start_mixed.c \
	tests/compile/start_pointer.c \
	tests/compile/set_struct.c \
	tests/compile/store_struct.c \
	tests/compile/sum_result.c \
	tests/compile/update_old.c

# Shared memory.
unit_tests += \
	tests/test_arena \
	tests/test_budget \
	tests/test_guard \
	tests/test_heap \
	tests/test_heap_death

# The examples: what they print, and their kernels.
unit_tests += tests/examples/test_kernels
build_scripts += \
	tests/examples/nodes.sh \
	tests/examples/run.sh
EXTRA_DIST += tests/examples/matches
tests_examples_test_kernels_LDADD = examples/libpi.la $(LDADD)

# Loaded by programs that were not linked with it.
build_scripts += \
	tests/embed.sh \
	tests/reload.sh
EXTRA_DIST += \
	tests/embed/host.c \
	tests/embed/module.c \
	tests/embed/plugin.c \
	tests/embed/program.lua \
	tests/embed/program.py \
	tests/embed/reload.c \
	tests/embed/tasks.c

# Processes, pools, queues; and their deaths.
unit_tests += \
	tests/test_array \
	tests/test_barrier \
	tests/test_before \
	tests/test_board \
	tests/test_branch \
	tests/test_foreman \
	tests/test_foreman_ends \
	tests/test_foreman_rows \
	tests/test_attend \
	tests/test_bytes \
	tests/test_chaos \
	tests/test_claims \
	tests/test_class \
	tests/test_closed \
	tests/test_cond \
	tests/test_costs \
	tests/test_crowd \
	tests/test_deal \
	tests/test_dict \
	tests/test_dict_shared \
	tests/test_ends \
	tests/test_event \
	tests/test_faults_told \
	tests/test_halt \
	tests/test_head \
	tests/test_imap \
	tests/test_init \
	tests/test_inner \
	tests/test_janitor \
	tests/test_lateglobals \
	tests/test_later \
	tests/test_joblog \
	tests/test_killed \
	tests/test_linked \
	tests/test_list \
	tests/test_lock \
	tests/test_locked \
	tests/test_log \
	tests/test_loop \
	tests/test_members \
	tests/test_mix \
	tests/test_named \
	tests/test_orphans \
	tests/test_parcel \
	tests/test_part \
	tests/test_passed_on \
	tests/test_pipe \
	tests/test_pool \
	tests/test_pool_calls \
	tests/test_pool_deaths \
	tests/test_pool_exit \
	tests/test_pool_memory \
	tests/test_pool_faults \
	tests/test_process \
	tests/test_progress \
	tests/test_queue \
	tests/test_random_calls \
	tests/test_result \
	tests/test_rlock \
	tests/test_row \
	tests/test_scarce \
	tests/test_sem \
	tests/test_serial \
	tests/test_setup \
	tests/test_share \
	tests/test_sorted \
	tests/test_stack \
	tests/test_start \
	tests/test_stats \
	tests/test_storm \
	tests/test_threads \
	tests/test_threads_ends \
	tests/test_turn \
	tests/test_units \
	tests/test_value \
	tests/test_wait \
	tests/test_watch \
	tests/test_worker
tests_test_random_calls_SOURCES = \
	tests/random/actor.h \
	tests/random/pools.h \
	tests/test_random_calls.c
tests_test_chaos_SOURCES = \
	tests/chaos/actors.c \
	tests/chaos/actors.h \
	tests/chaos/bytes.c \
	tests/chaos/calls.c \
	tests/chaos/calls.h \
	tests/chaos/action.c \
	tests/chaos/action.h \
	tests/chaos/dice.h \
	tests/chaos/dicts.c \
	tests/chaos/dicts.h \
	tests/chaos/feeds.c \
	tests/chaos/feeds.h \
	tests/chaos/head.c \
	tests/chaos/head.h \
	tests/chaos/jobs.c \
	tests/chaos/jobs.h \
	tests/chaos/kinds.c \
	tests/chaos/kinds.h \
	tests/chaos/leaves.c \
	tests/chaos/leaves.h \
	tests/chaos/locks.c \
	tests/chaos/locks.h \
	tests/chaos/memory.c \
	tests/chaos/memory.h \
	tests/chaos/model.c \
	tests/chaos/model.h \
	tests/chaos/numbers.c \
	tests/chaos/pipes.c \
	tests/chaos/pipes.h \
	tests/chaos/pools.c \
	tests/chaos/pools.h \
	tests/chaos/queues.c \
	tests/chaos/queues.h \
	tests/chaos/ranges.c \
	tests/chaos/sems.c \
	tests/chaos/sems.h \
	tests/chaos/shares.c \
	tests/chaos/shares.h \
	tests/chaos/sync.c \
	tests/chaos/sync.h \
	tests/chaos/tidy.c \
	tests/chaos/tidy.h \
	tests/chaos/values.c \
	tests/chaos/values.h \
	tests/chaos/waits.c \
	tests/chaos/waits.h \
	tests/chaos/world.c \
	tests/chaos/world.h \
	tests/check.h \
	tests/killer.h \
	tests/test_chaos.c

# Functions as tokens, random numbers, CPUs, crashes.
unit_tests += \
	tests/test_builds \
	tests/test_checkglobals \
	tests/test_coverage \
	tests/test_cpus \
	tests/test_crash \
	tests/test_detect \
	tests/test_overdue \
	tests/test_random \
	tests/test_token \
	tests/test_token_fixed
build_scripts += tests/coverage.sh
# The same in a program that is not position-independent: functions of libraries have stubs in it.
tests_test_token_fixed_SOURCES = tests/check.h tests/test_token.c
tests_test_token_fixed_CFLAGS = $(AM_CFLAGS) -fno-pie
tests_test_token_fixed_LDFLAGS = $(AM_LDFLAGS) -no-pie

# Other nodes: the protocol between agents, its transport, and objects through them.
unit_tests += \
	tests/test_address \
	tests/test_calls_sim \
	tests/test_control \
	tests/test_delivery \
	tests/test_objects_sim \
	tests/test_parties_sim \
	tests/test_pool_sim \
	tests/test_protocol \
	tests/test_protocol_frames \
	tests/test_protocol_links \
	tests/test_share_sim \
	tests/test_world_sim
if HAVE_NET
unit_tests += \
	tests/test_agent \
	tests/test_mailbox \
	tests/test_net \
	tests/test_seal \
	tests/test_zmq
endif
once_scripts += \
	tests/cluster/delays.sh \
	tests/cluster/lost.sh \
	tests/cluster/objects.sh \
	tests/cluster/pool.sh \
	tests/cluster/prefix.sh \
	tests/cluster/programs.sh \
	tests/cluster/slurm.sh \
	tests/cluster/slurm_programs.sh \
	tests/cluster/suites.sh
long_scripts += tests/cluster/five.sh
net_scripts = \
	tests/locks_net.sh \
	tests/process_net.sh \
	tests/queue_net.sh \
	tests/values_net.sh
EXTRA_DIST += \
	$(net_scripts) \
	tests/cluster/await \
	tests/cluster/batch \
	tests/cluster/cluster \
	tests/cluster/common \
	tests/cluster/must.h \
	tests/over_net \
	tests/seeds
check_PROGRAMS += tests/cluster/delays tests/cluster/lost tests/cluster/objects tests/cluster/options tests/cluster/pool
tests_cluster_delays_LDADD = lib/libkith.la $(LIBM)
tests_cluster_lost_LDADD = lib/libkith.la $(LIBM)
tests_cluster_objects_LDADD = lib/libkith.la
tests_cluster_options_LDADD = lib/libkith.la
tests_cluster_pool_LDADD = lib/libkith.la $(LIBM)
tests_test_agent_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
protocol_sources = \
	tests/check.h \
	tests/protocol/bytes.c \
	tests/protocol/bytes.h \
	tests/protocol/net.c \
	tests/protocol/net.h \
	tests/protocol/node.c \
	tests/protocol/node.h \
	tests/protocol/weather.c \
	tests/protocol/weather.h
sim_sources = \
	tests/check.h \
	tests/protocol/bytes.c \
	tests/protocol/bytes.h \
	tests/protocol/weather.c \
	tests/protocol/weather.h \
	tests/sim/inside.h \
	tests/sim/node.c \
	tests/sim/server.c \
	tests/sim/sim.c \
	tests/sim/sim.h \
	tests/sim/strand.c \
	tests/sim/strand.h
sim_ldflags = $(AM_LDFLAGS) \
	-Wl,--wrap=kith__maps_hold \
	-Wl,--wrap=pthread_cond_broadcast \
	-Wl,--wrap=pthread_cond_init \
	-Wl,--wrap=pthread_cond_signal \
	-Wl,--wrap=pthread_cond_wait \
	-Wl,--wrap=pthread_key_create \
	-Wl,--wrap=pthread_mutex_init \
	-Wl,--wrap=pthread_mutex_lock \
	-Wl,--wrap=pthread_mutex_trylock \
	-Wl,--wrap=pthread_mutex_unlock \
	-Wl,--wrap=pthread_self \
	-Wl,--wrap=pthread_setspecific
tests_test_calls_sim_SOURCES = $(sim_sources) tests/test_calls_sim.c
tests_test_calls_sim_LDFLAGS = $(sim_ldflags)
tests_test_objects_sim_SOURCES = $(sim_sources) tests/test_objects_sim.c
tests_test_objects_sim_LDFLAGS = $(sim_ldflags)
tests_test_parties_sim_SOURCES = $(sim_sources) tests/test_parties_sim.c
tests_test_parties_sim_LDFLAGS = $(sim_ldflags)
tests_test_pool_sim_SOURCES = $(sim_sources) tests/test_pool_sim.c
tests_test_pool_sim_LDFLAGS = $(sim_ldflags)
tests_test_share_sim_SOURCES = $(sim_sources) tests/test_share_sim.c
tests_test_share_sim_LDFLAGS = $(sim_ldflags)
tests_test_world_sim_SOURCES = $(sim_sources) \
	tests/test_world_sim.c \
	tests/world/async.c \
	tests/world/calls.c \
	tests/world/nested.c \
	tests/world/singles.c \
	tests/world/sizes.c \
	tests/world/tasks.c \
	tests/world/things.c \
	tests/world/world.h
tests_test_world_sim_LDFLAGS = $(sim_ldflags)
tests_test_protocol_SOURCES = $(protocol_sources) tests/test_protocol.c
tests_test_protocol_frames_SOURCES = $(protocol_sources) tests/test_protocol_frames.c
tests_test_protocol_links_SOURCES = $(protocol_sources) tests/test_protocol_links.c
tests_test_seal_SOURCES = tests/test_seal.c lib/net/seal.c
tests_test_seal_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
tests_test_seal_LDADD = $(LDADD) $(CRYPTO_LIBS)
tests_test_zmq_SOURCES = tests/test_zmq.c lib/net/seal.c
tests_test_zmq_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS) $(CRYPTO_CFLAGS)
tests_test_zmq_LDADD = $(LDADD) $(ZMQ_LIBS) $(CRYPTO_LIBS)

# Ranks: how they start, wait and end.
build_scripts += tests/ranks/endings.sh
once_scripts += \
	tests/ranks/asleep.sh \
	tests/ranks/builds.sh \
	tests/ranks/closed.sh \
	tests/ranks/foreign.sh \
	tests/ranks/kills.sh \
	tests/ranks/storm.sh \
	tests/ranks/terminal.sh \
	tests/ranks/workers.sh
EXTRA_DIST += tests/ranks/common
check_PROGRAMS += \
	tests/ranks/actions \
	tests/ranks/member
tests_ranks_actions_LDADD = lib/libkith.la
tests_ranks_member_LDADD = lib/libkith-all.la

# The command kith.
build_scripts += \
	tests/launcher/env.sh \
	tests/launcher/failures.sh \
	tests/launcher/help.sh \
	tests/launcher/hostfile.sh \
	tests/launcher/hosts.sh \
	tests/launcher/lockout.sh \
	tests/launcher/overdue.sh \
	tests/launcher/signals.sh \
	tests/launcher/status.sh \
	tests/launcher/words.sh
once_scripts += \
	tests/launcher/cluster.sh \
	tests/launcher/dry_run.sh \
	tests/launcher/root.sh \
	tests/launcher/tag.sh \
	tests/launcher/scale.sh \
	tests/launcher/terminal.sh
EXTRA_DIST += \
	tests/launcher/bare.c \
	tests/launcher/common \
	tests/launcher/typist
check_PROGRAMS += tests/launcher/fuzz
tests_launcher_fuzz_SOURCES = launcher/hosts.c launcher/hosts.h launcher/range.c launcher/range.h launcher/filter.c launcher/filter.h \
	launcher/tags.c launcher/tags.h launcher/frame.h tests/launcher/fuzz.c
tests_launcher_fuzz_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/launcher
tests_launcher_fuzz_LDADD =
check_PROGRAMS += tests/launcher/locked
tests_launcher_locked_LDADD =
check_PROGRAMS += tests/launcher/losses
tests_launcher_losses_SOURCES = launcher/filter.c launcher/filter.h launcher/frame.h launcher/log.c launcher/log.h launcher/loss.c \
	launcher/loss.h launcher/tags.c launcher/tags.h lib/base/env.c lib/base/env.h tests/launcher/losses.c
tests_launcher_losses_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/launcher
tests_launcher_losses_LDADD =

# All together. Those that take minutes come first, so that none of them is the last one to run.
TESTS += $(once_scripts) $(build_scripts) tests/launcher/fuzz tests/launcher/losses
if HAVE_CUNIT
check_PROGRAMS += $(unit_tests)
if HAVE_NET
TESTS += $(net_scripts)
endif
TESTS += $(unit_tests)
endif
ONCE_TESTS += $(once_scripts)
EXTRA_DIST += $(build_scripts) $(long_scripts) $(once_scripts) tests/cluster/slurm_lost.sh
