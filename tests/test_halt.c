/* test_halt.c: a call most of whose tasks fail: when its rest is not begun, and what is there then. */
#include "config.h"
#include "check.h"
#include "member/members.h"
#include "shm/guard.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { MANY = 20000, WORKERS = 2 };

static struct shared {
    _Atomic int runs, passed, failed;
    _Atomic int held;         /* 1: workers wait, before they leave a job, until the head sleeps */
    _Atomic uint32_t wakeups; /* that it had had then */
    uint32_t seat;            /* the head's */
} * shared;                   /* by all processes */

static int fail(int x)
{
    shared->runs++;
    return kith_fail(1, "%d fails", x);
}

static int die(int x)
{
    raise(SIGKILL);
    return x;
}

static int fail_from_ten(int x)
{
    return x < 10 ? x * x : fail(x);
}

static int fail_from_ten_bytes(const void *in, void *out)
{
    int x = *(const int *)in;

    *(int *)out = x * x;
    return x < 10 ? 0 : fail(x);
}

static int square(int x)
{
    return x * x;
}

static size_t count_faults(void)
{
    struct kith_fault f;
    size_t n = 0;

    while (kith_last_fault(&f, n) == 0)
        n++;
    return n;
}

static int said(const char *what)
{
    int found = strstr(kith_last_error(), what) != NULL;

    if (!found)
        printf("\n    \"%s\" is not in \"%s\"\n", what, kith_last_error());
    return found;
}

/* 1: those below ten have their results, and nobody else. */
static int only_the_first_are_there(const int *out, int n)
{
    int wrong = 0;

    for (int i = 0; i < n; i++)
        wrong += out[i] != (i < 10 ? i * i : -1);
    return !wrong;
}

static void prepare(int *in, int *out, int n)
{
    for (int i = 0; i < n; i++) {
        in[i] = i;
        out[i] = -1;
    }
    shared->runs = shared->passed = shared->failed = 0;
}

/* ---- the default */

static void a_call_ends_when_a_hundred_have_failed_and_none_succeeded(void)
{
    static int in[MANY], out[MANY], (*const fns[])(int) = { fail, die };
    kith_pool pool = near_pool(WORKERS, .tries = 1);

    for (int k = 0; k < 2; k++) {
        prepare(in, out, MANY);
        FAILS_WITH(KITH_ETASK, kith_map(pool, fns[k], in, out, MANY));
        CU_ASSERT(said("tasks failed and none succeeded, so the rest was cancelled: see .halt"));
        CU_ASSERT(count_faults() >= 100 && count_faults() < 100 + 2 * WORKERS);
        CU_ASSERT(shared->runs < 100 + 2 * WORKERS);
        for (int i = 0; i < MANY; i++)
            CU_ASSERT_EQUAL_FATAL(out[i], -1);
        PASS(kith_map(pool, square, in, out, 100));
        CU_ASSERT(out[99] == 99 * 99);
    }
    PASS(kith_pool_close(pool));
}

static int fail_in_a_block(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)hi;
    (void)arg;
    return fail((int)lo);
}

static void so_does_a_loop_over_a_range(void)
{
    kith_pool pool = near_pool(WORKERS);

    shared->runs = 0;
    FAILS_WITH(KITH_ETASK, kith_for(pool, fail_in_a_block, NULL, 0, 1000000));
    CU_ASSERT(said("the rest was cancelled"));
    CU_ASSERT(shared->runs < 100 + 2 * WORKERS);
    PASS(kith_pool_close(pool));
}

static int fail_in_the_first_half(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)hi;
    (void)arg;
    if (lo >= 5000) {
        shared->passed++;
        usleep(1000);
        return 0;
    }
    while (!shared->passed)
        sched_yield();
    return fail((int)lo);
}

/* Each worker has one half as its share. */
static void a_share_ends_with_the_call(void)
{
    kith_pool pool = near_pool(WORKERS, .halt = 3);

    shared->passed = 0;
    FAILS_WITH(KITH_ETASK, kith_for(pool, fail_in_the_first_half, NULL, 0, 10000));
    CU_ASSERT(said("the rest was cancelled"));
    CU_ASSERT(shared->passed < 1000);
    PASS(kith_pool_close(pool));
}

enum { CLAIM = 500 };

/* One worker has the first half, and fails when the other has come through the first of the second half,
 * which is all that has succeeded, and in the middle of a claim. */
static int fail_when_one_has_passed(int x)
{
    if (x == CLAIM)
        return 7;
    if (x == CLAIM + 1)
        shared->passed = 1;
    while (x < CLAIM ? !shared->passed : shared->failed < CLAIM)
        sched_yield();
    shared->failed++;
    return kith_fail(1, "%d", x);
}

static void one_that_has_succeeded_is_enough_to_go_on(void)
{
    static int in[2 * CLAIM], out[2 * CLAIM];
    kith_pool pool = near_pool(2, .chunk = CLAIM);

    prepare(in, out, 2 * CLAIM);
    FAILS_WITH(KITH_ETASK, kith_map(pool, fail_when_one_has_passed, in, out, 2 * CLAIM));
    CU_ASSERT_EQUAL(count_faults(), 2 * CLAIM - 1);
    CU_ASSERT_EQUAL(out[CLAIM], 7);
    PASS(kith_pool_close(pool));
}

/* ---- .halt */

static void a_number_of_failures_ends_a_call(void)
{
    static const size_t chunks[] = { 1, 20, 0 };
    static int in[MANY], out[MANY];

    for (size_t k = 0; k < 3; k++) {
        kith_pool pool = near_pool(1, .halt = 3, .chunk = chunks[k]);

        prepare(in, out, MANY);
        FAILS_WITH(KITH_ETASK, kith_map(pool, fail_from_ten, in, out, MANY));
        CU_ASSERT(said("fail_from_ten(task 10) failed: 10 fails") &&
                  said("; 3 of 20000 tasks failed, so "
                       "the rest was cancelled, as .halt"));
        CU_ASSERT(count_faults() == 3 && shared->runs == 3);
        CU_ASSERT(only_the_first_are_there(out, MANY));
        PASS(kith_pool_close(pool));
    }
}

/* Wherever the results go: through a ring, or in place. */
static void those_that_succeeded_have_their_results(void)
{
    static int copied[MANY], results[MANY];
    int *in = kith_alloc(sizeof copied), *out = kith_alloc(sizeof copied);
    kith_pool pool = near_pool(WORKERS, .halt = 1, .chunk = 7);

    for (int round = 0; round < 4; round++) {
        int *from = round % 2 ? in : copied, *to = round / 2 ? out : results;

        prepare(from, to, MANY);
        FAILS_WITH(KITH_ETASK, kith_map(pool, fail_from_ten, from, to, MANY));
        CU_ASSERT(only_the_first_are_there(to, MANY));
        FAILS_WITH(KITH_ETASK, kith_map(pool, fail_from_ten_bytes, from, results, MANY));
        CU_ASSERT(only_the_first_are_there(results, MANY));
    }
    PASS(kith_pool_close(pool));
    PASS(kith_free(in));
    PASS(kith_free(out));
}

static void no_limit_is_none(void)
{
    enum { SOME = 300 };
    static int in[SOME], out[SOME];
    kith_pool pool = near_pool(WORKERS, .halt = -1);

    prepare(in, out, SOME);
    FAILS_WITH(KITH_ETASK, kith_map(pool, fail, in, out, SOME));
    CU_ASSERT_PTR_NULL(strstr(kith_last_error(), "cancelled"));
    CU_ASSERT(count_faults() == SOME && shared->runs == SOME);
    PASS(kith_pool_close(pool));
    FAILS_WITH(KITH_EINVAL, kith_check(near_pool(1, .halt = -2)));
}

/* ---- who calls */

static int call_inside(const void *in, void *out)
{
    static int inner_in[MANY], inner_out[MANY];
    int rc = kith_map(*(const kith_pool *)in, fail, inner_in, inner_out, MANY);

    *(int *)out = rc == KITH_ETASK && strstr(kith_last_error(), "the rest was cancelled");
    return 0;
}

static int call_in_a_process(const void *arg)
{
    int right = 0;

    return call_inside(arg, &right) == 0 && right ? 0 : 1;
}

static void calls_of_tasks_and_processes_end_as_well(void)
{
    kith_pool pool = near_pool(WORKERS), pools[4] = { pool, pool, pool, pool };
    kith_process p = near_process(call_in_a_process, KITH_ARG(pool));
    int right[4] = { 0 }, code = -1000;

    PASS(kith_map(pool, call_inside, pools, right, 4));
    CU_ASSERT(right[0] && right[1] && right[2] && right[3]);
    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 0);
    PASS(kith_process_close(p));
    PASS(kith_pool_close(pool));
}

static int fail_or_sleep(int x)
{
    if (x == 0) {
        shared->passed = 1;
        pause();
    }
    while (!shared->passed)
        sched_yield();
    return kith_fail(1, "%d", x);
}

static int fail_or_wait(int x)
{
    shared->passed |= x == 0;
    while (x == 0 ? !shared->runs : !shared->passed)
        sched_yield();
    shared->failed++;
    return kith_fail(1, "%d", x);
}

static void *terminate(void *pool)
{
    while (!shared->passed)
        usleep(1000);
    usleep(20000);
    kith_pool_terminate(*(kith_pool *)pool);
    return NULL;
}

/* It waits for what is under way, which may be long; but not for ever. */
static void a_halted_call_can_be_terminated(void)
{
    static int in[1000], out[1000];
    kith_pool pool = near_pool(2, .halt = 1, .chunk = 1);
    pthread_t thread;

    prepare(in, out, 1000);
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, terminate, &pool) == 0);
    FAILS_WITH(KITH_ECANCELLED, kith_map(pool, fail_or_sleep, in, out, 1000));
    pthread_join(thread, NULL);
}

static int call_and_wait(const void *arg)
{
    static int in[1000], out[1000];

    for (int i = 0; i < 1000; i++)
        in[i] = i;
    return kith_map(*(const kith_pool *)arg, fail_or_wait, in, out, 1000) == 0;
}

/* It waits for the task under way; what it has left behind is withdrawn. */
static void the_caller_of_a_halted_call_may_die(void)
{
    kith_pool pool = near_pool(2, .halt = 3, .chunk = 1);
    kith_process caller;
    int y;

    shared->runs = shared->passed = shared->failed = 0;
    caller = near_process(call_and_wait, KITH_ARG(pool));
    while (shared->failed < 3)
        usleep(1000);
    usleep(5000);
    PASS(kith_process_kill(caller));
    PASS(kith_process_join(caller, SOON));
    shared->runs = 1;
    PASS(kith_process_close(caller));
    PASS(kith_apply(pool, square, &y, 3));
    PASS(kith_pool_close(pool));
}

/* In a worker. What woke the head before was spent on looks that have found the worker in the job. */
static void wait_for_sleeper(const char *step)
{
    const struct kith__seat *s;
    uint32_t word;

    if (!shared->held || kith__me == 0 || atomic_load(&kith__member(kith__me)->role) != KITH__WORKER ||
        strcmp(step, "job: about to be left") != 0)
        return;
    s = &kith__shared->seats[shared->seat];
    do {
        sched_yield();
        word = atomic_load(&s->word);
    } while (atomic_load(&s->asleep) != (word << 1 | 1));
    shared->wakeups = word;
}

/* Its caller looks now and then by itself, too, and may do so just when the worker leaves: but not often. */
static void who_leaves_a_halted_job_wakes_its_caller(void)
{
    int in[4] = { 0 }, out[4], woken = 0;
    kith_pool pool = near_pool(1, .halt = 1, .chunk = 1);

    shared->seat = kith__seat_number(kith__seat());
    shared->held = 1;
    for (int round = 0; round < 5 && !woken; round++) {
        FAILS_WITH(KITH_ETASK, kith_map(pool, fail, in, out, 4));
        woken = atomic_load(&kith__seat()->word) != shared->wakeups;
    }
    shared->held = 0;
    CU_ASSERT(woken);
    PASS(kith_pool_close(pool));
}

static struct test tests[] = {
    TEST(a_call_ends_when_a_hundred_have_failed_and_none_succeeded),
    TEST(so_does_a_loop_over_a_range),
    TEST(a_share_ends_with_the_call),
    TEST(one_that_has_succeeded_is_enough_to_go_on),
    TEST(a_number_of_failures_ends_a_call),
    TEST(those_that_succeeded_have_their_results),
    TEST(no_limit_is_none),
    TEST(calls_of_tasks_and_processes_end_as_well),
    TEST(who_leaves_a_halted_job_wakes_its_caller),
    TEST(a_halted_call_can_be_terminated),
    TEST(the_caller_of_a_halted_call_may_die),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith__failpoint_hook = wait_for_sleeper;
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("halt", tests);
    return kith_finalize() ? 1 : rc;
}
