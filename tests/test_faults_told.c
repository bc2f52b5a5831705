/* test_faults_told.c: what a call that goes on says on stderr of its tasks that failed. Each job is a child
 * of the test, which reads its stderr line by line and lets its tasks go on. */
#include "config.h"
#include "check.h"
#include "pool/board.h"
#include "pool/fault.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { TASKS = 20 };

static struct shared {
    _Atomic int go; /* tasks below it may end */
} * shared;         /* by all processes */

static int fail_when_told(int x)
{
    while (shared->go <= x)
        usleep(1000);
    return kith_fail(7, "task %d has no input", x);
}

static int call(kith_pool pool)
{
    int in[TASKS], out[TASKS];

    for (int i = 0; i < TASKS; i++)
        in[i] = i;
    return kith_map(pool, fail_when_told, in, out, TASKS);
}

static void call_and_return(void)
{
    kith_init(NULL, NULL);
    call(kith_pool_open_with(2, .chunk = 1));
    exit(kith_finalize());
}

static int call_in_a_process(const void *arg)
{
    return -call(*(const kith_pool *)arg);
}

static void start_a_process_that_calls(void)
{
    kith_pool pool;
    kith_process p;
    int code = -1000;

    kith_init(NULL, NULL);
    pool = kith_pool_open_with(2, .chunk = 1);
    p = kith_process_start(call_in_a_process, KITH_ARG(pool));
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0);
    exit(code == -KITH_ETASK && kith_pool_close(pool) == 0 && kith_finalize() == 0 ? 1 : 0);
}

static int call_in_a_task(const void *in, void *out)
{
    *(int *)out = call(*(const kith_pool *)in);
    return 0;
}

static void call_tasks_that_call(void)
{
    kith_pool pool;
    int code;

    kith_init(NULL, NULL);
    pool = kith_pool_open_with(2, .chunk = 1);
    kith_map(pool, call_in_a_task, &pool, &code, 1);
    exit(code == KITH_ETASK && kith_pool_close(pool) == 0 && kith_finalize() == 0 ? 1 : 0);
}

static void call_in_serial(void)
{
    setenv("KITH_SERIAL", "1", 1);
    call_and_return();
}

static void deal_with_faults(void)
{
    kith_init(NULL, NULL);
    kith_on_fault(NULL);
    exit(call(kith_pool_open_with(2, .chunk = 1)) == KITH_ETASK ? 1 : 0);
}

static int fail_at_once(int x)
{
    return kith_fail(7, "task %d has no input", x);
}

/* Its tasks take long to die. */
static void cancel_a_call(void)
{
    struct kith__job j = { .units = TASKS, .tell_at = 1 };

    kith_init(NULL, NULL);
    atomic_store(&j.fault_count, 1);
    atomic_store(&j.is_ended, 1);
    REQUIRE(kith__faults_tell(&j) == -1);
    exit(kith_finalize() == 0 ? 1 : 0);
}

static void drop_results(void)
{
    kith_pool pool;
    kith_result r;

    kith_init(NULL, NULL);
    pool = kith_pool_open(2);
    r = kith_apply_async(pool, fail_at_once, 3);
    kith_result_wait(r, KITH_FOREVER);
    kith_result_drop(r);
    kith_pool_close(pool);
    exit(kith_finalize() == 0 ? 1 : 0);
}

/* ---- the reader */

static int err; /* the job's stderr */

static pid_t launch(void (*job)(void))
{
    int ends[2];
    pid_t pid;

    shared->go = 0;
    CU_ASSERT_FATAL(pipe(ends) == 0);
    fflush(NULL);
    if ((pid = fork()) == 0) {
        alarm(check_rest());
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        job();
    }
    close(ends[1]);
    err = ends[0];
    return pid;
}

/* The next line of it, "" at its end or when none comes in time. */
static const char *next_line(int timeout_ms)
{
    static char line[1024];
    struct pollfd p = { err, POLLIN, 0 };
    size_t n = 0;

    while (n < sizeof line - 1 && (n == 0 || line[n - 1] != '\n') && poll(&p, 1, timeout_ms) == 1 &&
           read(err, &line[n], 1) == 1)
        n++;
    line[n] = '\0';
    return line;
}

static int is_line(const char *line, const char *begin, const char *end)
{
    int right = strncmp(line, begin, strlen(begin)) == 0 && strstr(line, end);

    if (!right)
        printf("\n    \"%s\" does not begin with \"%s\" or has no \"%s\"\n", line, begin, end);
    return right;
}

static void it_ends(pid_t pid)
{
    shared->go = TASKS;
    CU_ASSERT_EQUAL(check_wait(pid), 1);
    close(err);
}

static const char first[] = "kith: fail_when_told(task 0) failed: task 0 has no input [worker ",
                  goes_on[] = "; the call goes on, 1 of 20 tasks failed so far\n";

/* ---- the tests */

static void the_first_fault_is_told_at_once_and_others_counted(void)
{
    pid_t pid = launch(call_and_return);

    shared->go = 1;
    CU_ASSERT(is_line(next_line(SOON), first, goes_on));
    shared->go = 9;
    CU_ASSERT(is_line(next_line(SOON), "kith: fail_when_told goes on: ", "of 20 tasks failed so far\n"));
    shared->go = TASKS;
    CU_ASSERT(is_line(next_line(SOON), first, "; 20 of 20 tasks failed\n"));
    it_ends(pid);
}

static void a_call_that_ends_soon_has_one_line(void)
{
    pid_t pid = launch(call_and_return);
    const char *line;

    shared->go = TASKS;
    line = next_line(SOON);
    if (strstr(line, "goes on")) /* the machine stands still */
        line = next_line(SOON);
    CU_ASSERT(is_line(line, first, "; 20 of 20 tasks failed\n"));
    CU_ASSERT_STRING_EQUAL(next_line(SOON), "");
    it_ends(pid);
}

static void so_are_those_of_processes(void)
{
    pid_t pid = launch(start_a_process_that_calls);

    shared->go = 1;
    CU_ASSERT(is_line(next_line(SOON), first, goes_on));
    it_ends(pid);
}

/* There the caller runs tasks itself, and looks between two of them. */
static void so_are_those_of_serial_pools_and_nested_calls(void)
{
    static void (*const jobs[])(void) = { call_in_serial, call_tasks_that_call };

    for (int i = 0; i < 2; i++) {
        pid_t pid = launch(jobs[i]);
        const char *line = "";

        while (shared->go < TASKS - 2 && !*line) {
            shared->go++;
            line = next_line(150);
        }
        CU_ASSERT(is_line(line, "kith: fail_when_told(task ", "; the call goes on, "));
        it_ends(pid);
    }
}

static void a_program_with_a_fault_handler_is_told_by_it(void)
{
    pid_t pid = launch(deal_with_faults);

    shared->go = 1;
    CU_ASSERT_STRING_EQUAL(next_line(400), "");
    shared->go = TASKS;
    CU_ASSERT_STRING_EQUAL(next_line(SOON), "");
    it_ends(pid);
}

static void of_one_that_was_cancelled_nothing_is_told(void)
{
    pid_t pid = launch(cancel_a_call);

    CU_ASSERT_STRING_EQUAL(next_line(SOON), "");
    it_ends(pid);
}

/* Where nobody asks it would be lost. */
static void of_a_task_whose_result_was_dropped(void)
{
    pid_t pid = launch(drop_results);

    CU_ASSERT(
        is_line(next_line(SOON), "kith: fail_at_once failed: task 3 has no input", "its Result was dropped"));
    it_ends(pid);
}

static struct test tests[] = {
    TEST(the_first_fault_is_told_at_once_and_others_counted),
    TEST(a_call_that_ends_soon_has_one_line),
    TEST(so_are_those_of_processes),
    TEST(so_are_those_of_serial_pools_and_nested_calls),
    TEST(a_program_with_a_fault_handler_is_told_by_it),
    TEST(of_one_that_was_cancelled_nothing_is_told),
    TEST(of_a_task_whose_result_was_dropped),
    TEST_END,
};

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return run_tests("faults told", tests);
}
