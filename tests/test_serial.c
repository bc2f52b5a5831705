/* test_serial.c: KITH_SERIAL=1: the same results, in the process that gives the tasks. */
#include "config.h"
#include "anyjob.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static int factor = 1; /* what an initializer sets is there for each task */
static kith_pool common;

static int set_factor(const void *arg)
{
    factor = *(const int *)arg;
    return kith_worker() == 0 && kith_arg_size() == sizeof(int) ? 0 : 1;
}

static int times_factor(int x)
{
    return x * factor;
}

static int refuse(const void *arg)
{
    (void)arg;
    return kith_fail(3, "no licence for %d", 7);
}

static int worker_here(int x)
{
    (void)x;
    return kith_worker();
}

/* What the others have in their workers by the initializer, a Process has in itself. */
static int multiply_there(const void *arg)
{
    int in[2] = { 2, 3 }, out[2];

    return kith_map(*(const kith_pool *)arg, times_factor, in, out, 2) == 0 ? out[0] + out[1] : 99;
}

static int refuse_number(int x)
{
    return kith_fail(3, "no licence for %d", x);
}

static void halt(void)
{
    int in[300] = { 0 }, out[300];
    struct kith_fault f;

    begin();
    REQUIRE(kith_map(kith_pool_open(2), refuse_number, in, out, 300) == KITH_ETASK);
    REQUIRE(strstr(kith_last_error(), "100 of 300 tasks failed and none succeeded, so the rest was"));
    REQUIRE(kith_last_fault(&f, 99) == 0 && kith_last_fault(&f, 100) == KITH_EEND);
    REQUIRE(kith_map(kith_pool_open_with(2, .halt = -1), refuse_number, in, out, 300) == KITH_ETASK);
    REQUIRE(kith_last_fault(&f, 299) == 0);
}

static void a_call_all_of_whose_tasks_fail_ends_in_serial_pools_too(void)
{
    CU_ASSERT_EQUAL(check_fork(halt), 0);
}

static void initialize(void)
{
    int in[3] = { 1, 2, 3 }, out[3] = { 0 }, five = 5, code = -1;
    kith_process p;
    kith_pool pool;

    begin();
    pool = kith_pool_open_with(2, .init = set_factor, .arg = &five, .arg_size = sizeof five);
    REQUIRE(kith_check(pool) == 0 && kith_map(pool, times_factor, in, out, 3) == 0 && out[0] == 5 &&
            out[2] == 15);
    p = kith_process_start(multiply_there, KITH_ARG(pool));
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 25);
    REQUIRE(kith_check(kith_pool_open_with(2, .init = refuse)) == KITH_ETASK &&
            strstr(kith_last_error(), "no licence for 7"));
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void initializers_run_in_serial_pools_too(void)
{
    CU_ASSERT_EQUAL(check_fork(initialize), 0);
}

static int opens_a_pool(const void *in, void *out)
{
    const int *x = in;
    int five = 5;
    kith_pool pool;

    if (*x == 1)
        kith_fail(4, "said before");
    pool = kith_pool_open_with(1, .init = set_factor, .arg = &five, .arg_size = sizeof five);
    if (kith_apply(pool, times_factor, (int *)out, *x) != 0 || kith_pool_close(pool) != 0)
        return 1;
    return 0;
}

static void initialize_in_a_task(void)
{
    int in[2] = { 1, 2 }, out[2] = { 0 };
    struct kith_fault fault;
    kith_pool pool;

    begin();
    pool = kith_pool_open(1);
    REQUIRE(kith_map(pool, opens_a_pool, in, out, 2) == KITH_ETASK && out[1] == 10);
    REQUIRE(kith_last_fault(&fault, 0) == 0 && fault.task == 0 && strcmp(fault.text, "said before") == 0);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void an_initializer_leaves_alone_what_the_task_around_it_has_said(void)
{
    CU_ASSERT_EQUAL(check_fork(initialize_in_a_task), 0);
}

static void ask_for_worker(void)
{
    int worker = -7;
    kith_pool pool;

    begin();
    pool = kith_pool_open(2);
    REQUIRE(kith_worker() == -1 && kith_apply(pool, worker_here, &worker, 1) == 0 && worker == 0 &&
            kith_worker() == -1);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void the_caller_is_a_worker_in_its_tasks_only(void)
{
    CU_ASSERT_EQUAL(check_fork(ask_for_worker), 0);
}

static int close_common(int x)
{
    return kith_pool_close(common) + x;
}

static int close_common_further_in(int x)
{
    kith_pool pool = kith_pool_open(1);
    int y = 0;

    kith_apply(pool, close_common, &y, x);
    kith_pool_close(pool);
    return y;
}

static void close_from_inside(void)
{
    int y = 0;

    begin();
    common = kith_pool_open(2);
    REQUIRE(kith_apply(common, close_common, &y, 0) == 0 && y == KITH_EINVAL);
    REQUIRE(kith_apply(common, close_common_further_in, &y, 0) == 0 && y == KITH_EINVAL);
    REQUIRE(kith_pool_close(common) == 0 && kith_finalize() == 0);
}

static void a_task_cannot_close_the_pool_around_it(void)
{
    CU_ASSERT_EQUAL(check_fork(close_from_inside), 0);
}

static int finalize_here(int x)
{
    return kith_finalize() == 1 ? x : -1;
}

static void finalize_in_a_task(void)
{
    int y = 0;

    begin();
    common = kith_pool_open(1);
    REQUIRE(kith_apply(common, finalize_here, &y, 5) == 0 && y == 5 &&
            kith_apply(common, finalize_here, &y, 6) == 0 && y == 6);
    REQUIRE(kith_pool_close(common) == 0 && kith_finalize() == 0);
}

static void a_task_cannot_end_the_job_around_it(void)
{
    CU_ASSERT_EQUAL(check_fork(finalize_in_a_task), 0);
}

enum { ROUNDS = 50 };
static _Atomic int turn; /* 1: one task has begun; 2: another has taken a block; 3: the first has failed */
static kith_pool shared;

static void await_turn(int n)
{
    while (atomic_load(&turn) != n)
        sched_yield();
}

static int keep_a_block(int round)
{
    int *p;

    await_turn(1);
    p = kith_alloc(64);
    *p = round;
    atomic_store(&turn, 2);
    await_turn(3);
    return *p == round && kith_free(p) == 0;
}

static int take_and_fail(int x)
{
    (void)x;
    kith_free(kith_alloc(64)); /* the other one gets the place of this */
    atomic_store(&turn, 1);
    await_turn(2);
    kith_alloc(64);
    return kith_fail(5, "as it must");
}

static void *fail_in_turn(void *arg)
{
    for (int i = 0, x = 0, y; i < ROUNDS; i++) {
        await_turn(0);
        REQUIRE(kith_map(shared, take_and_fail, &x, &y, 1) == KITH_ETASK);
        atomic_store(&turn, 3);
    }
    return arg;
}

static void fail_beside_another(void)
{
    pthread_t other;

    begin();
    kith_on_fault(NULL);
    shared = kith_pool_open(1);
    REQUIRE(pthread_create(&other, NULL, fail_in_turn, NULL) == 0);
    for (int i = 0, right; i < ROUNDS; i++) {
        REQUIRE(kith_map(shared, keep_a_block, &i, &right, 1) == 0 && right);
        atomic_store(&turn, 0);
    }
    pthread_join(other, NULL);
    REQUIRE(kith_pool_close(shared) == 0);
    REQUIRE(kith_finalize() == 0);
}

static void a_failed_task_frees_nothing_of_another_threads_task(void)
{
    CU_ASSERT_EQUAL(check_fork(fail_beside_another), 0);
}

static struct test tests[] = {
    TEST(initializers_run_in_serial_pools_too),
    TEST(a_call_all_of_whose_tasks_fail_ends_in_serial_pools_too),
    TEST(an_initializer_leaves_alone_what_the_task_around_it_has_said),
    TEST(the_caller_is_a_worker_in_its_tasks_only),
    TEST(a_task_cannot_close_the_pool_around_it),
    TEST(a_task_cannot_end_the_job_around_it),
    TEST(a_failed_task_frees_nothing_of_another_threads_task),
    TEST_END,
};

int main(void)
{
    setenv("KITH_SERIAL", "1", 1);
    return run_tests("serial", tests);
}
