# The programs of the course, one file each; expected/ holds what each must print.
noinst_PROGRAMS += \
	examples/account_lock \
	examples/apply_async \
	examples/apply_squares \
	examples/barrier_rounds \
	examples/condition_stages \
	examples/cpu_count \
	examples/daemons \
	examples/event_start \
	examples/exit_codes \
	examples/hello \
	examples/imap \
	examples/map_async \
	examples/manager \
	examples/map_squares \
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
	examples/powers \
	examples/print_queue \
	examples/priority_queue \
	examples/process_ids \
	examples/process_names \
	examples/process_trio \
	examples/product \
	examples/race \
	examples/rand_string \
	examples/resource_pool \
	examples/semaphore_sum \
	examples/separate_memory \
	examples/shared_counters \
	examples/shared_memory \
	examples/shutdown \
	examples/sleepers \
	examples/square_cube \
	examples/squares \
	examples/terminate \
	examples/threads \
	examples/to_celsius \
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

examples_account_lock_SOURCES = examples/account_lock.c $(examples_args)
examples_account_lock_LDADD = lib/libkith.la
examples_apply_async_SOURCES = examples/apply_async.c $(examples_args)
examples_apply_async_LDADD = lib/libkith.la
examples_apply_squares_SOURCES = examples/apply_squares.c $(examples_args)
examples_apply_squares_LDADD = lib/libkith.la
examples_barrier_rounds_SOURCES = examples/barrier_rounds.c $(examples_args)
examples_barrier_rounds_LDADD = lib/libkith.la
examples_condition_stages_SOURCES = examples/condition_stages.c $(examples_args)
examples_condition_stages_LDADD = lib/libkith.la
examples_cpu_count_SOURCES = examples/cpu_count.c $(examples_args)
examples_cpu_count_LDADD = lib/libkith.la
examples_daemons_SOURCES = examples/daemons.c $(examples_args)
examples_daemons_LDADD = lib/libkith.la
examples_event_start_SOURCES = examples/event_start.c $(examples_args)
examples_event_start_LDADD = lib/libkith.la
examples_exit_codes_SOURCES = examples/exit_codes.c $(examples_args)
examples_exit_codes_LDADD = lib/libkith.la
examples_hello_SOURCES = examples/hello.c $(examples_args)
examples_hello_LDADD = lib/libkith.la
examples_imap_SOURCES = examples/imap.c $(examples_args)
examples_imap_LDADD = lib/libkith.la
examples_map_async_SOURCES = examples/map_async.c $(examples_args)
examples_map_async_LDADD = lib/libkith.la -lm
examples_manager_SOURCES = examples/manager.c $(examples_args)
examples_manager_LDADD = lib/libkith.la
examples_map_squares_SOURCES = examples/map_squares.c $(examples_args)
examples_map_squares_LDADD = lib/libkith.la
examples_named_memory_SOURCES = examples/named_memory.c $(examples_args)
examples_named_memory_LDADD = lib/libkith.la
examples_namespace_SOURCES = examples/namespace.c $(examples_args)
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
examples_pipe_SOURCES = examples/pipe.c $(examples_args)
examples_pipe_LDADD = lib/libkith.la
examples_poison_pills_SOURCES = examples/poison_pills.c $(examples_args)
examples_poison_pills_LDADD = lib/libkith.la
examples_powers_SOURCES = examples/powers.c $(examples_args)
examples_powers_LDADD = lib/libkith.la -lm
examples_print_queue_SOURCES = examples/print_queue.c $(examples_args)
examples_print_queue_LDADD = lib/libkith.la
examples_priority_queue_SOURCES = examples/priority_queue.c $(examples_args)
examples_priority_queue_LDADD = lib/libkith.la
examples_process_ids_SOURCES = examples/process_ids.c $(examples_args)
examples_process_ids_LDADD = lib/libkith.la
examples_process_names_SOURCES = examples/process_names.c $(examples_args)
examples_process_names_LDADD = lib/libkith.la
examples_process_trio_SOURCES = examples/process_trio.c $(examples_args)
examples_process_trio_LDADD = lib/libkith.la
examples_product_SOURCES = examples/product.c $(examples_args)
examples_product_LDADD = lib/libkith.la
examples_race_SOURCES = examples/race.c $(examples_args)
examples_race_LDADD = lib/libkith.la
examples_rand_string_SOURCES = examples/rand_string.c $(examples_args)
examples_rand_string_LDADD = lib/libkith.la
examples_resource_pool_SOURCES = examples/resource_pool.c $(examples_args)
examples_resource_pool_LDADD = lib/libkith.la
examples_semaphore_sum_SOURCES = examples/semaphore_sum.c $(examples_args)
examples_semaphore_sum_LDADD = lib/libkith.la
examples_separate_memory_SOURCES = examples/separate_memory.c $(examples_args)
examples_separate_memory_LDADD = lib/libkith.la
examples_shared_counters_SOURCES = examples/shared_counters.c $(examples_args)
examples_shared_counters_LDADD = lib/libkith.la
examples_shared_memory_SOURCES = examples/shared_memory.c $(examples_args)
examples_shared_memory_LDADD = lib/libkith.la
examples_shutdown_SOURCES = examples/shutdown.c $(examples_args)
examples_shutdown_LDADD = lib/libkith.la
examples_sleepers_SOURCES = examples/sleepers.c $(examples_args)
examples_sleepers_LDADD = lib/libkith.la
examples_square_cube_SOURCES = examples/square_cube.c $(examples_args)
examples_square_cube_LDADD = lib/libkith.la
examples_squares_SOURCES = examples/squares.c $(examples_args)
examples_squares_LDADD = lib/libkith.la
examples_terminate_SOURCES = examples/terminate.c $(examples_args)
examples_terminate_LDADD = lib/libkith.la
examples_threads_SOURCES = examples/threads.c $(examples_args)
examples_threads_LDADD = lib/libkith.la
examples_to_celsius_SOURCES = examples/to_celsius.c $(examples_args)
examples_to_celsius_LDADD = lib/libkith.la
examples_wait_many_SOURCES = examples/wait_many.c $(examples_args)
examples_wait_many_LDADD = lib/libkith.la
examples_word_count_SOURCES = examples/word_count.c $(examples_args)
examples_word_count_LDADD = lib/libkith.la
examples_worker_state_SOURCES = examples/worker_state.c $(examples_args)
examples_worker_state_LDADD = lib/libkith.la

EXTRA_DIST += \
	examples/README.md \
	examples/pimc.sh \
	examples/expected/account_lock.txt \
	examples/expected/apply_async.txt \
	examples/expected/apply_squares.txt \
	examples/expected/barrier_rounds.txt \
	examples/expected/condition_stages.txt \
	examples/expected/cpu_count.txt \
	examples/expected/daemons.txt \
	examples/expected/event_start.txt \
	examples/expected/exit_codes.txt \
	examples/expected/hello.txt \
	examples/expected/imap.txt \
	examples/expected/map_async.txt \
	examples/expected/manager.txt \
	examples/expected/map_squares.txt \
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
	examples/expected/powers.txt \
	examples/expected/print_queue.txt \
	examples/expected/priority_queue.txt \
	examples/expected/process_ids.txt \
	examples/expected/process_names.txt \
	examples/expected/process_trio.txt \
	examples/expected/product.txt \
	examples/expected/race.txt \
	examples/expected/rand_string.txt \
	examples/expected/resource_pool.txt \
	examples/expected/semaphore_sum.txt \
	examples/expected/separate_memory.txt \
	examples/expected/shared_counters.txt \
	examples/expected/shared_memory.txt \
	examples/expected/shutdown.txt \
	examples/expected/sleepers.txt \
	examples/expected/square_cube.txt \
	examples/expected/squares.txt \
	examples/expected/terminate.txt \
	examples/expected/threads.txt \
	examples/expected/to_celsius.txt \
	examples/expected/wait_many.txt \
	examples/expected/word_count.txt \
	examples/expected/worker_state.txt \
	examples/texts/harbour.txt \
	examples/texts/mill.txt \
	examples/texts/river.txt
