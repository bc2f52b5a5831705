# The programs of the course, one file each; expected/ holds what each must print.
noinst_PROGRAMS += \
	examples/account_lock \
	examples/apply_async \
	examples/apply_squares \
	examples/barrier_rounds \
	examples/bounded_buffer \
	examples/callback \
	examples/condition_stages \
	examples/cpu_count \
	examples/daemons \
	examples/event_start \
	examples/exit_codes \
	examples/heat \
	examples/hello \
	examples/imap \
	examples/log_lines \
	examples/longest_first \
	examples/map_async \
	examples/manager \
	examples/map_squares \
	examples/memory_limit \
	examples/named_memory \
	examples/namespace \
	examples/pi_combined \
	examples/pi_integral \
	examples/pi_montecarlo \
	examples/pi_overhead \
	examples/pi_serial \
	examples/pi_starmap \
	examples/pipe \
	examples/poison_pills \
	examples/pool_stats \
	examples/powers \
	examples/print_queue \
	examples/priority_queue \
	examples/process_ids \
	examples/process_names \
	examples/process_options \
	examples/process_trio \
	examples/product \
	examples/progress \
	examples/race \
	examples/rand_string \
	examples/resource_pool \
	examples/semaphore_sum \
	examples/separate_memory \
	examples/shared_counters \
	examples/shared_memory \
	examples/shared_table \
	examples/shutdown \
	examples/sleepers \
	examples/spell \
	examples/square_cube \
	examples/squares \
	examples/terminate \
	examples/thread_pool \
	examples/threads \
	examples/to_celsius \
	examples/transfers \
	examples/undo \
	examples/urgent \
	examples/wait_many \
	examples/word_count \
	examples/worker_state
if HAVE_MPI
noinst_PROGRAMS += examples/pi_ranks
endif

# The kernels. The switch makes compilers hear "#pragma omp simd": vectors at -O2 too; no OpenMP is linked.
noinst_LTLIBRARIES += examples/libpi.la
examples_libpi_la_SOURCES = examples/pi.c examples/pi.h
examples_libpi_la_CFLAGS = $(AM_CFLAGS) -fopenmp-simd

examples_args = examples/args.c examples/args.h

examples_account_lock_LDADD = lib/libkith.la
examples_apply_async_LDADD = lib/libkith.la
examples_apply_squares_LDADD = lib/libkith.la
examples_barrier_rounds_LDADD = lib/libkith.la
examples_bounded_buffer_LDADD = lib/libkith.la
examples_callback_LDADD = lib/libkith.la -lm
examples_condition_stages_LDADD = lib/libkith.la
examples_cpu_count_LDADD = lib/libkith.la
examples_daemons_LDADD = lib/libkith.la
examples_event_start_LDADD = lib/libkith.la
examples_exit_codes_LDADD = lib/libkith.la
examples_heat_LDADD = lib/libkith.la
examples_hello_LDADD = lib/libkith.la
examples_imap_LDADD = lib/libkith.la
examples_log_lines_LDADD = lib/libkith.la
examples_longest_first_LDADD = lib/libkith.la
examples_map_async_LDADD = lib/libkith.la
examples_manager_LDADD = lib/libkith.la
examples_map_squares_LDADD = lib/libkith.la
examples_memory_limit_LDADD = lib/libkith.la
examples_named_memory_LDADD = lib/libkith.la
examples_namespace_LDADD = lib/libkith.la
examples_pi_combined_SOURCES = examples/pi_combined.c $(examples_args)
examples_pi_combined_LDADD = examples/libpi.la lib/libkith.la
examples_pi_integral_SOURCES = examples/pi_integral.c $(examples_args)
examples_pi_integral_LDADD = examples/libpi.la lib/libkith.la
examples_pi_montecarlo_SOURCES = examples/pi_montecarlo.c $(examples_args)
examples_pi_montecarlo_LDADD = examples/libpi.la lib/libkith.la
examples_pi_overhead_SOURCES = examples/pi_overhead.c $(examples_args)
examples_pi_overhead_LDADD = examples/libpi.la lib/libkith.la
examples_pi_ranks_SOURCES = examples/pi_ranks.c $(examples_args)
examples_pi_ranks_CFLAGS = $(AM_CFLAGS) $(MPI_CFLAGS)
examples_pi_ranks_LDADD = examples/libpi.la lib/libkith.la $(MPI_LIBS)
examples_pi_serial_SOURCES = examples/pi_serial.c $(examples_args)
examples_pi_serial_LDADD = examples/libpi.la lib/libkith.la
examples_pi_starmap_SOURCES = examples/pi_starmap.c $(examples_args)
examples_pi_starmap_LDADD = lib/libkith.la
examples_pipe_LDADD = lib/libkith.la
examples_poison_pills_LDADD = lib/libkith.la
examples_pool_stats_LDADD = lib/libkith.la
examples_powers_LDADD = lib/libkith.la -lm
examples_print_queue_LDADD = lib/libkith.la
examples_priority_queue_LDADD = lib/libkith.la
examples_process_ids_LDADD = lib/libkith.la
examples_process_names_LDADD = lib/libkith.la
examples_process_options_LDADD = lib/libkith.la
examples_process_trio_LDADD = lib/libkith.la
examples_product_LDADD = lib/libkith.la
examples_progress_LDADD = lib/libkith.la
examples_race_SOURCES = examples/race.c $(examples_args)
examples_race_LDADD = lib/libkith.la
examples_rand_string_LDADD = lib/libkith.la
examples_resource_pool_LDADD = lib/libkith.la
examples_semaphore_sum_LDADD = lib/libkith.la
examples_separate_memory_LDADD = lib/libkith.la
examples_shared_counters_LDADD = lib/libkith.la
examples_shared_memory_LDADD = lib/libkith.la
examples_shared_table_LDADD = lib/libkith.la
examples_shutdown_LDADD = lib/libkith.la
examples_sleepers_LDADD = lib/libkith.la
examples_spell_LDADD = lib/libkith.la
examples_square_cube_LDADD = lib/libkith.la
examples_squares_LDADD = lib/libkith.la
examples_terminate_LDADD = lib/libkith.la
examples_thread_pool_LDADD = lib/libkith.la
examples_threads_LDADD = lib/libkith.la
examples_to_celsius_LDADD = lib/libkith.la
examples_transfers_LDADD = lib/libkith.la
examples_undo_LDADD = lib/libkith.la
examples_urgent_LDADD = lib/libkith.la
examples_wait_many_LDADD = lib/libkith.la
examples_word_count_SOURCES = examples/word_count.c $(examples_args)
examples_word_count_LDADD = lib/libkith.la
examples_worker_state_LDADD = lib/libkith.la

EXTRA_DIST += \
	examples/README.md \
	examples/pimc.sh \
	examples/expected/account_lock.txt \
	examples/expected/apply_async.txt \
	examples/expected/apply_squares.txt \
	examples/expected/barrier_rounds.txt \
	examples/expected/bounded_buffer.txt \
	examples/expected/callback.txt \
	examples/expected/condition_stages.txt \
	examples/expected/cpu_count.txt \
	examples/expected/daemons.txt \
	examples/expected/event_start.txt \
	examples/expected/exit_codes.txt \
	examples/expected/heat.txt \
	examples/expected/hello.txt \
	examples/expected/imap.txt \
	examples/expected/log_lines.txt \
	examples/expected/longest_first.txt \
	examples/expected/map_async.txt \
	examples/expected/manager.txt \
	examples/expected/map_squares.txt \
	examples/expected/memory_limit.txt \
	examples/expected/named_memory.txt \
	examples/expected/namespace.txt \
	examples/expected/pi_combined.txt \
	examples/expected/pi_integral.txt \
	examples/expected/pi_montecarlo.txt \
	examples/expected/pi_overhead.txt \
	examples/expected/pi_ranks.txt \
	examples/expected/pi_serial.txt \
	examples/expected/pi_starmap.txt \
	examples/expected/pipe.txt \
	examples/expected/poison_pills.txt \
	examples/expected/pool_stats.txt \
	examples/expected/powers.txt \
	examples/expected/print_queue.txt \
	examples/expected/priority_queue.txt \
	examples/expected/process_ids.txt \
	examples/expected/process_names.txt \
	examples/expected/process_options.txt \
	examples/expected/process_trio.txt \
	examples/expected/product.txt \
	examples/expected/progress.txt \
	examples/expected/race.txt \
	examples/expected/rand_string.txt \
	examples/expected/resource_pool.txt \
	examples/expected/semaphore_sum.txt \
	examples/expected/separate_memory.txt \
	examples/expected/shared_counters.txt \
	examples/expected/shared_memory.txt \
	examples/expected/shared_table.txt \
	examples/expected/shutdown.txt \
	examples/expected/sleepers.txt \
	examples/expected/spell.txt \
	examples/expected/square_cube.txt \
	examples/expected/squares.txt \
	examples/expected/terminate.txt \
	examples/expected/thread_pool.txt \
	examples/expected/threads.txt \
	examples/expected/to_celsius.txt \
	examples/expected/transfers.txt \
	examples/expected/undo.txt \
	examples/expected/urgent.txt \
	examples/expected/wait_many.txt \
	examples/expected/word_count.txt \
	examples/expected/worker_state.txt \
	examples/texts/harbour.txt \
	examples/texts/mill.txt \
	examples/texts/river.txt
