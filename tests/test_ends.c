/* test_ends.c: how jobs end: with something still open, with output that cannot be written, with callers that
 * have died. */
#include "config.h"
#include "anyjob.h"
#include "object/process.h"

#include <sched.h>
#include <sys/mman.h>

static void leave_all_open(void)
{
    int one = 1;

    begin();
    for (int i = 0; i < 3; i++) {
        kith_pool pool = kith_pool_open(2);
        kith_queue q = kith_queue_open(4);

        REQUIRE(map_is_right(pool, successor, 64) && kith_put(q, one) == 0);
        kith_process_start(give_7, NULL, 0);
    }
    REQUIRE(kith_finalize() == 0 && kith_finalize() == 0);
    REQUIRE(kith_check(kith_pool_open(1)) == KITH_ENOTINIT);
}

static void print_to_a_full_disk(void)
{
    REQUIRE(freopen("/dev/full", "w", stdout) != NULL);
    begin();
    printf("all my results\n");
    REQUIRE(kith_finalize() == 1 && strstr(kith_last_error(), "output of the program to stdout"));
}

static void print_to_a_full_disk_and_return(void)
{
    REQUIRE(freopen("/dev/full", "w", stdout) != NULL);
    REQUIRE(kith_init(NULL, NULL) == 0);
    printf("all my results\n");
    exit(kith_finalize());
}

static void print_nowhere(void)
{
    begin();
    printf("never mind");
    close(STDOUT_FILENO);
    REQUIRE(kith_finalize() == 0);
}

static int print(int x)
{
    printf("%d\n", x);
    return x + 1;
}

static int print_in_process(const void *arg)
{
    (void)arg;
    printf("all my results\n");
    return 0;
}

static void print_in_tasks_to_a_full_disk(void)
{
    REQUIRE(freopen("/dev/full", "w", stdout) != NULL);
    begin();
    kith_pool pool = kith_pool_open(2);
    REQUIRE(map_is_right(pool, print, 64));
    REQUIRE(kith_finalize() == 1 && strstr(kith_last_error(), "output of tasks or Processes to stdout"));
}

static void print_in_a_process_to_a_full_disk(void)
{
    kith_process p;
    int code = -1;

    REQUIRE(freopen("/dev/full", "w", stdout) != NULL);
    begin();
    p = kith_process_start(print_in_process, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 1);
    REQUIRE(kith_finalize() == 1 && strstr(kith_last_error(), "output of tasks or Processes to stdout"));
}

static void print_in_tasks_and_return(void)
{
    int x = 1, y;

    REQUIRE(freopen("/dev/full", "w", stdout) != NULL);
    REQUIRE(kith_init(NULL, NULL) == 0);
    REQUIRE(kith_map(kith_pool_open(1), print, &x, &y, 1) == 0);
    exit(kith_finalize());
}

static void output_of_tasks_that_cannot_be_written_is_a_fault(void)
{
    CU_ASSERT_EQUAL(check_fork(print_in_tasks_to_a_full_disk), 0);
    CU_ASSERT_EQUAL(check_fork(print_in_a_process_to_a_full_disk), 0);
    CU_ASSERT_EQUAL(check_fork(print_in_tasks_and_return), 1);
}

static int wait_for_ever(int x)
{
    while (x)
        pause();
    return x;
}

/* Whatever goes on by itself ends, and says why; the pool can be closed. */
static void lose_the_server_with_calls_under_way(void)
{
    int x[40] = { 1 }, y[40], z;
    kith_result task, maps[40];
    kith_pool pool;

    begin();
    kith_on_fault(NULL);
    pool = kith_pool_open(1);
    task = kith_apply_async(pool, wait_for_ever, 1);
    for (int i = 0; i < 40; i++) /* most of them are not even begun */
        maps[i] = kith_map_async(pool, wait_for_ever, x, y + i, 1);
    REQUIRE(kith_result_wait(task, 50) == KITH_ETIMEDOUT);
    REQUIRE(kill(kith__shared->server_pid, SIGKILL) == 0);
    REQUIRE(kith_get(task, &z) == KITH_EPEER);
    for (int i = 0; i < 40; i++)
        REQUIRE(kith_result_get(maps[i], NULL, 0, KITH_FOREVER) == KITH_EPEER);
    REQUIRE(kith_check(kith_map_async(pool, wait_for_ever, x, y, 1)) == KITH_EPEER);
    REQUIRE(kith_pool_close(pool) == KITH_EPEER);
    kith_finalize();
}

static void calls_that_do_not_wait_end_with_the_fork_server(void)
{
    CU_ASSERT_EQUAL(check_fork(lose_the_server_with_calls_under_way), 0);
}

static void print_to_nobody(void)
{
    static int x[100000], y[100000];
    int out[2];

    REQUIRE(pipe(out) == 0 && dup2(out[1], STDOUT_FILENO) >= 0);
    close(out[0]);
    close(out[1]);
    begin();
    kith_map(kith_pool_open(2), print, x, y, 100000);
    REQUIRE(!"nobody reads");
}

static void print_to_nobody_and_do_not_care(void)
{
    signal(SIGPIPE, SIG_IGN);
    int out[2];

    REQUIRE(pipe(out) == 0 && dup2(out[1], STDOUT_FILENO) >= 0);
    close(out[0]);
    close(out[1]);
    begin();
    kith_pool pool = kith_pool_open(2);
    REQUIRE(map_is_right(pool, print, 64));
    REQUIRE(kith_finalize() == 1 && strstr(kith_last_error(), "output of tasks or Processes to stdout"));
}

static int write_to_nobody(int x)
{
    int out[2];

    REQUIRE(pipe(out) == 0);
    close(out[0]);
    return x + (int)write(out[1], "x", 1);
}

static void lose_a_worker_by_a_pipe_of_its_own(void)
{
    int x = 1, y;

    begin();
    REQUIRE(kith_map(kith_pool_open(1), write_to_nobody, &x, &y, 1) == KITH_ETASK);
    REQUIRE(kith_finalize() == 0);
}

static void sigpipe_of_tasks_ends_the_job_when_nobody_reads_its_output(void)
{
    CU_ASSERT_EQUAL(check_fork(print_to_nobody), -SIGPIPE);
    CU_ASSERT_EQUAL(check_fork(print_to_nobody_and_do_not_care), 0);
    CU_ASSERT_EQUAL(check_fork(lose_a_worker_by_a_pipe_of_its_own), 0);
}

/* ---- atexit in children */

static int last_words[2];

static void say_last_words(void)
{
    REQUIRE(write(last_words[1], "x", 1) == 1);
}

static void at_heads_exit(void)
{
    REQUIRE(write(last_words[1], "head", 4) == 4);
}

static int register_last_words(int x)
{
    atexit(say_last_words);
    return x + 1;
}

static int leave_by(const void *how)
{
    atexit(say_last_words);
    if (*(const int *)how)
        exit(0);
    return 0;
}

/* A file: a pipe would not be there in children. */
static void leave_in_each_way(void)
{
    char name[] = "/tmp/kith-ends-XXXXXX";

    REQUIRE((last_words[1] = mkstemp(name)) >= 0 && unlink(name) == 0 && atexit(at_heads_exit) == 0);
    begin();
    kith_pool pool = kith_pool_open(1);
    REQUIRE(kith_map(pool, register_last_words, (int[]){ 1 }, (int[1]){ 0 }, 1) == 0);
    REQUIRE(kith_pool_close(pool) == 0 && lseek(last_words[1], 0, SEEK_CUR) == 1);
    for (int how = 0; how < 2; how++)
        REQUIRE(kith_process_join(kith_process_start(leave_by, KITH_ARG(how)), KITH_FOREVER) == 0 &&
                lseek(last_words[1], 0, SEEK_CUR) == 2 + how);
    REQUIRE(kith_finalize() == 0 && lseek(last_words[1], 0, SEEK_CUR) == 3);
}

static void handlers_of_exit_run_however_a_child_leaves(void)
{
    CU_ASSERT_EQUAL(check_fork(leave_in_each_way), 0);
}

static void output_that_cannot_be_written_is_a_fault(void)
{
    CU_ASSERT_EQUAL(check_fork(print_to_a_full_disk), 0);
    CU_ASSERT_EQUAL(check_fork(print_to_a_full_disk_and_return), 1);
    CU_ASSERT_EQUAL(check_fork(print_nowhere), 0);
}

static void finalize_ends_what_is_open_and_may_come_twice(void)
{
    CU_ASSERT_EQUAL(check_fork(leave_all_open), 0);
}

static int task_for_ever(int x)
{
    for (;;)
        pause();
    return x;
}

static int map_for_ever(const void *arg)
{
    int x = 1, y;

    return kith_map(*(const kith_pool *)arg, task_for_ever, &x, &y, 1) != KITH_EPEER;
}

static _Atomic int *ended;

static int end_late(const void *arg)
{
    (void)arg;
    usleep(200000);
    return ++*ended > 2;
}

static void leave_processes(int by_exit)
{
    begin();
    for (int i = 0; i < 2; i++)
        REQUIRE(kith_check(kith_process_start(end_late, NULL, 0)) == 0);
    if (by_exit)
        exit(0);
    REQUIRE(kith_finalize() == 0 && *ended == 2);
}

static void leave_processes_and_finalize(void)
{
    leave_processes(0);
}
static void leave_processes_and_exit(void)
{
    leave_processes(1);
}

static void the_end_waits_for_processes_that_are_no_daemons(void)
{
    static void (*const ways[])(void) = { leave_processes_and_finalize, leave_processes_and_exit };

    ended = mmap(NULL, sizeof *ended, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_FATAL(ended != MAP_FAILED);
    for (int i = 0; i < 2; i++) {
        *ended = 0;
        CU_ASSERT_EQUAL(check_fork(ways[i]), 0);
        CU_ASSERT_EQUAL(*ended, 2);
    }
    munmap((void *)ended, sizeof *ended);
}

/* A janitor waits for the task of the dead caller, which does not end. */
static void leave_a_dead_callers_task(void)
{
    kith_pool pool;
    kith_process caller;
    double start;

    begin();
    pool = kith_pool_open(1);
    caller = kith_process_start(map_for_ever, &pool, sizeof pool);
    while (kith__node_busy() < 2)
        sched_yield();
    REQUIRE(kith_process_kill(caller) == 0 && kith_process_join(caller, KITH_FOREVER) == 0);
    start = kith_time();
    REQUIRE(kith_finalize() == 0);
    REQUIRE(kith_time() - start < 8); /* not the 10 s after which it would leave the fork server behind */
}

static void finalize_does_not_wait_for_a_dead_callers_task(void)
{
    CU_ASSERT_EQUAL(check_fork(leave_a_dead_callers_task), 0);
}

static struct test tests[] = {
    TEST(output_that_cannot_be_written_is_a_fault),
    TEST_LIKE(output_of_tasks_that_cannot_be_written_is_a_fault,
              "_TestProcess.test_error_on_stdio_flush_1 _TestProcess.test_error_on_stdio_flush_2"),
    TEST(sigpipe_of_tasks_ends_the_job_when_nobody_reads_its_output),
    TEST_LIKE(handlers_of_exit_run_however_a_child_leaves,
              "_TestAtExit.test_atexit "
              "_TestPoolWorkerLifetime.test_worker_finalization_via_atexit_handler_of_multiprocessing"),
    TEST(finalize_ends_what_is_open_and_may_come_twice),
    TEST_LIKE(the_end_waits_for_processes_that_are_no_daemons, "_TestProcess.test_daemon_argument"),
    TEST(finalize_does_not_wait_for_a_dead_callers_task),
    TEST(calls_that_do_not_wait_end_with_the_fork_server),
    TEST_END,
};

int main(void)
{
    return run_tests("ends", tests);
}
