/* test_threads_ends.c: how pools whose workers are threads end, what runs in them, and their process. */
#include "config.h"
#include "check.h"
#include "shm/heap.h"
#include "base/system.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

static _Atomic int *done; /* by all processes */
static kith_pool own;     /* that of the tasks which call their pool */

static kith_pool open_threads(void)
{
    return kith_pool_open_with(3, .threads = 1);
}

static void nap(void)
{
    nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
}

static int square(int x)
{
    return x * x;
}

static int fib(int n)
{
    int x[2] = { n - 1, n - 2 }, y[2];

    if (n < 2)
        return n;
    if (kith_map(own, fib, x, y, 2) < 0)
        return kith_fail(0, "%s", kith_last_error());
    return y[0] + y[1];
}

/* ---- ending what runs */

static _Atomic int gate, at_gate;

static int waits_at_gate(int x)
{
    at_gate++;
    while (!gate)
        nap();
    return x;
}

static void *terminates(void *pool)
{
    return kith_pool_terminate(*(kith_pool *)pool) == 0 ? NULL : pool;
}

static void close_gate(void)
{
    gate = at_gate = 0;
}

static void what_runs_cannot_be_cancelled(void)
{
    kith_pool pool = kith_pool_open_with(1, .threads = 1);
    int x[2] = { 1, 2 }, out[2] = { 0 }, y = 0;
    kith_result first, second, third;

    close_gate();
    first = kith_apply_async(pool, waits_at_gate, 1);
    while (!at_gate) /* else the map might be begun before it */
        nap();
    second = kith_apply_async(pool, waits_at_gate, 2);
    third = kith_map_async(pool, waits_at_gate, x, out, 2);
    FAILS_WITH(KITH_ERUNNING, kith_result_cancel(first));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "in a thread"));
    PASS(kith_result_cancel(second));
    PASS(kith_result_cancel(third));
    gate = 1;
    PASS(kith_get(first, &y));
    CU_ASSERT_EQUAL(y, 1);
    FAILS_WITH(KITH_ECANCELLED, kith_get(second, &y));
    FAILS_WITH(KITH_ECANCELLED, kith_result_get(third, NULL, 0, KITH_FOREVER));
    PASS(kith_pool_close(pool));
}

static void of_a_map_that_runs_the_rest_is_cancelled(void)
{
    kith_pool pool = kith_pool_open_with(1, .threads = 1, .chunk = 1);
    int x[20] = { 0 }, out[20], y = 0;
    kith_result r;

    close_gate();
    r = kith_map_async(pool, waits_at_gate, x, out, 20);
    while (!at_gate)
        nap();
    PASS(kith_result_cancel(r));
    gate = 1;
    FAILS_WITH(KITH_ECANCELLED, kith_result_get(r, NULL, 0, KITH_FOREVER));
    CU_ASSERT_EQUAL(at_gate, 1);
    PASS(kith_apply(pool, square, &y, 5)); /* by the same thread */
    CU_ASSERT_EQUAL(y, 25);
    PASS(kith_pool_close(pool));
}

static void terminating_waits_for_what_runs(void)
{
    kith_pool pool = kith_pool_open_with(1, .threads = 1);
    kith_result first, rest[50];
    pthread_t thread;
    void *wrong;
    int y = 0;

    close_gate();
    first = kith_apply_async(pool, waits_at_gate, 1);
    for (int i = 0; i < 50; i++)
        rest[i] = kith_apply_async(pool, square, i);
    while (!at_gate)
        nap();
    pthread_create(&thread, NULL, terminates, &pool);
    while (kith_result_ready(rest[49]) == 0) /* all that had not begun is cancelled at once */
        nap();
    CU_ASSERT_EQUAL(kith_result_ready(first), 0);
    gate = 1;
    pthread_join(thread, &wrong);
    CU_ASSERT_PTR_NULL(wrong);
    PASS(kith_get(first, &y));
    for (int i = 0; i < 50; i++)
        FAILS_WITH(KITH_ECANCELLED, kith_get(rest[i], &y));
    FAILS_WITH(KITH_ESTALE, kith_apply(pool, square, &y, 1));
}

static _Atomic int inner_code;

/* Its worker waits for tasks of its own pool, which will not begin. */
static int waits_for_others(int by_results)
{
    int x[2] = { 1, 2 }, y[2];

    waits_at_gate(0);
    if (by_results == 1)
        inner_code = kith_get(kith_apply_async(own, square, 3), y);
    else if (by_results == 2)
        inner_code = kith_result_get(kith_map_async(own, square, x, y, 2), NULL, 0, KITH_FOREVER);
    else
        inner_code = kith_map(own, square, x, y, 2);
    return 1;
}

static void a_task_that_waits_for_others_comes_to_its_end(void)
{
    for (int how = 0; how < 3; how++) {
        kith_result r;
        pthread_t thread;
        void *wrong;
        int y;

        close_gate();
        own = kith_pool_open_with(1, .threads = 1);
        r = kith_apply_async(own, waits_for_others, how);
        while (!at_gate)
            nap();
        pthread_create(&thread, NULL, terminates, &own);
        while (kith_check(own) == 0 && kith_pool_workers(own) > 0)
            nap();
        gate = 1;
        pthread_join(thread, &wrong);
        CU_ASSERT_PTR_NULL(wrong);
        CU_ASSERT(inner_code == 0 || inner_code == KITH_ECANCELLED || inner_code == KITH_ESTALE);
        PASS(kith_get(r, &y));
    }
}

enum { ACROSS = 8 };

/* Begun before the end, and waited for across it. */
static int waits_across(int how)
{
    int x[ACROSS] = { 0 }, y[ACROSS];
    kith_result r[ACROSS];

    if (how == 1)
        kith_map(own, waits_at_gate, x, y, ACROSS);
    else if (how == 2)
        kith_result_get(kith_map_async(own, waits_at_gate, x, y, ACROSS), NULL, 0, KITH_FOREVER);
    else {
        for (int i = 0; i < ACROSS; i++)
            r[i] = kith_apply_async(own, waits_at_gate, i);
        for (int i = 0; i < ACROSS; i++)
            kith_get(r[i], y);
    }
    return 1;
}

static void so_does_one_that_waits_across_the_end(void)
{
    for (int round = 0; round < 21; round++) {
        pthread_t thread;
        kith_result r;
        void *wrong;
        int y;

        close_gate();
        own = kith_pool_open_with(2, .threads = 1, .chunk = 1);
        r = kith_apply_async(own, waits_across, round % 3);
        while (at_gate < 1)
            nap();
        pthread_create(&thread, NULL, terminates, &own);
        while (round < 12 && kith_pool_workers(own) > 0) /* later ones go on at the same time */
            nap();
        gate = 1;
        pthread_join(thread, &wrong);
        CU_ASSERT_PTR_NULL(wrong);
        PASS(kith_get(r, &y));
    }
}

static void tasks_call_their_pool_while_it_is_closed(void)
{
    kith_result r;
    int y = 0;

    own = open_threads();
    r = kith_apply_async(own, fib, 10);
    PASS(kith_pool_close(own));
    PASS(kith_get(r, &y));
    CU_ASSERT_EQUAL(y, 55);
}

enum { MAPS = 40 }; /* more than are under way at a time: the others stand in line */

static int maps_many(int n)
{
    int x[MAPS][2], y[MAPS][2], right = 0;
    kith_result r[MAPS];

    waits_at_gate(n);
    for (int i = 0; i < MAPS; i++) {
        x[i][0] = x[i][1] = i;
        r[i] = kith_map_async(own, square, x[i], y[i], 2);
    }
    for (int i = 0; i < MAPS; i++)
        right += kith_result_get(r[i], NULL, 0, KITH_FOREVER) == 0 && y[i][1] == i * i;
    return right;
}

static void *closes(void *pool)
{
    return kith_pool_close(*(kith_pool *)pool) == 0 ? NULL : pool;
}

static void what_stands_in_line_begins_while_it_is_closed(void)
{
    pthread_t thread;
    kith_result r;
    void *wrong;
    int y = 0;

    close_gate();
    own = kith_pool_open_with(2, .threads = 1);
    r = kith_apply_async(own, maps_many, 1);
    while (!at_gate)
        nap();
    pthread_create(&thread, NULL, closes, &own);
    while (kith_pool_workers(own) > 0)
        nap();
    gate = 1;
    pthread_join(thread, &wrong);
    CU_ASSERT_PTR_NULL(wrong);
    PASS(kith_get(r, &y));
    CU_ASSERT_EQUAL(y, MAPS);
}

/* ---- the end of the process */

static int dies(int x)
{
    return x == 20 ? raise(SIGKILL) : x;
}

static int opens_and_dies(const void *arg)
{
    int x[40], y[40];

    for (int i = 0; i < 40; i++)
        x[i] = i;
    own = open_threads();
    kith_apply_async(own, square, 2);
    if (*(const int *)arg)
        return 0; /* it is left open */
    return kith_map(own, dies, x, y, 40);
}

static uint64_t blocks(void)
{
    struct kith__heap_stats s;

    kith__heap_stats(&s);
    return s.used_blocks;
}

static void what_a_dead_process_had_open_is_taken_back(void)
{
    uint64_t before = 0;

    for (int round = 0; round < 6; round++) {
        int well = round % 2;
        kith_process p = kith_process_start(opens_and_dies, KITH_ARG(well));
        int code = -1;

        PASS(kith_process_join(p, KITH_FOREVER));
        PASS(kith_process_exitcode(p, &code));
        CU_ASSERT_EQUAL(code, well ? 0 : -SIGKILL);
        PASS(kith_process_close(p));
        if (round == 1) {
            for (int i = 0; i < 200; i++)
                nap(); /* its janitor */
            before = blocks();
        }
    }
    for (int tries = 0; blocks() > before && tries < 5000; tries++)
        nap();
    CU_ASSERT(blocks() <= before);
}

static int exits_with_3(int x)
{
    exit(x);
}

static int lets_a_task_exit(const void *arg)
{
    kith_pool pool = open_threads();
    int y;

    (void)arg;
    kith_apply(pool, exits_with_3, &y, 3);
    return 0;
}

static void exit_in_a_task_ends_the_process(void)
{
    kith_process p = kith_process_start(lets_a_task_exit, NULL, 0);
    int code = -1;

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 3);
    PASS(kith_process_close(p));
}

static int leaves(int x)
{
    if (x)
        pthread_exit(NULL);
    return x;
}

static int lets_a_task_leave(const void *arg)
{
    int y;

    (void)arg;
    kith_apply(open_threads(), leaves, &y, 1);
    return 0;
}

static void pthread_exit_in_a_task_does_so_too(void)
{
    kith_process p = kith_process_start_with(lets_a_task_leave, NULL, 0, .err = "/dev/null");
    int code = -1;

    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 1);
    kith_process_kill(p);
    PASS(kith_process_close(p));
}

static int late(int x)
{
    nap();
    atomic_fetch_add(done, 1);
    return x;
}

/* Of a job of its own: kith_finalize closes what is open. */
static int finalize_status;

static void leaves_one_open(void)
{
    kith_pool pool;

    REQUIRE(kith_init(NULL, NULL) == 0);
    pool = open_threads();
    for (int i = 0; i < 20; i++)
        kith_result_drop(kith_apply_async(pool, late, i));
    REQUIRE(kith_finalize() == 0);
    REQUIRE(atomic_load(done) == 20);
}

static void finalize_closes_it(void)
{
    CU_ASSERT_EQUAL(finalize_status, 0);
}

/* ---- signals when the first thread ends: jobs of their own */

#if defined __SANITIZE_THREAD__
enum { SANITIZERS_THREAD_GOES_ON = 1 };
#else
enum { SANITIZERS_THREAD_GOES_ON = 0 };
#endif

static int signal_statuses[3];

static void says_who_hears(int sig)
{
    (void)sig;
    _exit(kith_worker() < 0 ? 7 : 8);
}

static void await_the_end_of_the_first_thread(void)
{
    while (kith__process_state(getpid()) != 'Z') /* which is that of the first thread */
        nap();
}

static int signals_the_program(int sig)
{
    await_the_end_of_the_first_thread();
    kill(getpid(), sig);
    for (int i = 0; i < SOON; i++)
        nap();
    _exit(9);
}

/* Nobody is left but the pool. */
static void is_ended_by_a_signal(void)
{
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_result_drop(kith_apply_async(open_threads(), signals_the_program, SIGTERM));
    pthread_exit(NULL);
}

static void hears_a_signal(void)
{
    signal(SIGTERM, says_who_hears);
    is_ended_by_a_signal();
}

static void *closes_the_pool(void *arg)
{
    await_the_end_of_the_first_thread();
    REQUIRE(kith_pool_close(*(kith_pool *)arg) == 0);
    alarm(SOON / 1000);
    return NULL;
}

/* Who has heard signals in its stead goes with the pool: else the process would not end. */
static void ends_with_its_last_thread(void)
{
    static kith_pool pool;
    pthread_t thread;

    REQUIRE(kith_init(NULL, NULL) == 0);
    pool = open_threads();
    REQUIRE(pthread_create(&thread, NULL, closes_the_pool, &pool) == 0);
    pthread_exit(NULL);
}

static void signals_are_heard_when_the_first_thread_has_ended(void)
{
    CU_ASSERT_EQUAL(signal_statuses[0], -SIGTERM);
    CU_ASSERT_EQUAL(signal_statuses[1], 7);
}

static void who_hears_them_goes_with_the_last_thread(void)
{
    if (SANITIZERS_THREAD_GOES_ON)
        SKIP("the sanitizer has a thread of its own, which does not end");
    CU_ASSERT_EQUAL(signal_statuses[2], 0);
}

static struct test tests[] = {
    TEST(signals_are_heard_when_the_first_thread_has_ended),
    TEST(who_hears_them_goes_with_the_last_thread),
    TEST(finalize_closes_it),
    TEST(what_runs_cannot_be_cancelled),
    TEST(of_a_map_that_runs_the_rest_is_cancelled),
    TEST(terminating_waits_for_what_runs),
    TEST(a_task_that_waits_for_others_comes_to_its_end),
    TEST(so_does_one_that_waits_across_the_end),
    TEST(tasks_call_their_pool_while_it_is_closed),
    TEST(what_stands_in_line_begins_while_it_is_closed),
    TEST(what_a_dead_process_had_open_is_taken_back),
    TEST(exit_in_a_task_ends_the_process),
    TEST(pthread_exit_in_a_task_does_so_too),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (done == MAP_FAILED)
        return 1;
    finalize_status = check_fork(leaves_one_open);
    signal_statuses[0] = check_fork(is_ended_by_a_signal);
    signal_statuses[1] = check_fork(hears_a_signal);
    if (!SANITIZERS_THREAD_GOES_ON)
        signal_statuses[2] = check_fork(ends_with_its_last_thread);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("threads_ends", tests);
    return kith_finalize() ? 1 : rc;
}
