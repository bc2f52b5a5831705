/* test_pool_faults.c: what goes wrong in initializers and tasks: what it leaves, and who hears of it. */
#include "config.h"
#include "pool/call.h"
#include "check.h"
#include "used.h"
#include "shm/heap.h"

#include <stdatomic.h>
#include <sys/mman.h>

static struct shared {
    _Atomic int runs[64];
} * shared; /* by all processes */

static int square(int x)
{
    return x * x;
}

static int close_it(const void *arg)
{
    return -kith_pool_close(*(const kith_pool *)arg);
}

/* ---- initializers */

enum { ONCE };

static int fail_from_then_on(const void *arg)
{
    return atomic_fetch_add(&shared->runs[0], 1) > *(const int *)arg ? kith_fail(7, "no more") : 0;
}

static void an_initializer_has_three_tries(void)
{
    int in[8] = { 0 }, out[8], how = ONCE;
    kith_pool pool;

    shared->runs[0] = 0;
    pool =
        near_pool(1, .init = fail_from_then_on, .arg = &how, .arg_size = sizeof how, .tasks_per_worker = 1);
    FAILS_WITH(KITH_ETASK, kith_map(pool, square, in, out, 8));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "no more"));
    CU_ASSERT_EQUAL(shared->runs[0], 1 + 3);
    PASS(kith_pool_terminate(pool));
}

static int ends_its_process(const void *arg)
{
    switch (*(const char *)arg) {
    case 'e': exit(0);
    case '_': _exit(0);
    case 'k': return raise(SIGKILL);
    case 'a': abort();
    }
    for (;;)
        pause();
}

static void it_is_said(const char *how, const char *sentence)
{
    kith_pool pool = near_pool(2, .init = ends_its_process, .arg = how, .arg_size = 1, .init_limit_ms = 200);

    FAILS_WITH(KITH_ETASK, kith_check(pool));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), sentence));
}

static void an_initializer_that_ends_its_process_fails_the_open(void)
{
    it_is_said("e", "called exit(0)");
    it_is_said("_", "called exit(0)");
    it_is_said("k", "was killed by signal 9");
    if (!SANITIZED)
        it_is_said("a", "SIGABRT in ends_its_process");
}

static void an_initializer_that_does_not_end_fails_the_open(void)
{
    it_is_said("h", "timed out after 200 ms, see .init_limit_ms");
}

static int takes_300_ms(const void *arg)
{
    (void)arg;
    usleep(300000);
    return 0;
}

static void an_initializer_has_more_time_than_a_task(void)
{
    PASS(kith_pool_close(near_pool(2, .init = takes_300_ms, .limit_ms = 100)));
    PASS(kith_pool_close(near_pool(2, .init = takes_300_ms, .limit_ms = 10, .init_limit_ms = KITH_FOREVER)));
    FAILS_WITH(KITH_EINVAL, kith_check(near_pool(1, .init_limit_ms = -2)));
}

static int exit_from_then_on(const void *arg)
{
    (void)arg;
    if (atomic_fetch_add(&shared->runs[0], 1) > 0)
        exit(0);
    return 0;
}

static int waits_for_a_close(int x)
{
    shared->runs[2] = 1;
    while (x == 0 && !shared->runs[1])
        usleep(1000);
    return x;
}

static int map_until_broken(const void *arg)
{
    int in[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, out[8];

    return -kith_map(*(const kith_pool *)arg, waits_for_a_close, in, out, 8);
}

/* Its lanes end one after the other, and nobody is there to do what it was given. */
static void a_pool_breaks_while_it_is_closed(void)
{
    kith_pool pool;
    kith_process caller, closer;
    int code = 0;

    shared->runs[0] = shared->runs[1] = shared->runs[2] = 0;
    pool = near_pool(1, .init = exit_from_then_on, .tasks_per_worker = 1);
    caller = near_process(map_until_broken, KITH_ARG(pool));
    while (!shared->runs[2])
        usleep(1000);
    closer = near_process(close_it, KITH_ARG(pool));
    while (kith_pool_workers(pool) != KITH_ESTALE)
        usleep(1000);
    shared->runs[1] = 1;
    PASS(kith_process_join(caller, SOON));
    PASS(kith_process_exitcode(caller, &code));
    CU_ASSERT_EQUAL(code, -KITH_ETASK);
    PASS(kith_process_join(closer, SOON));
    PASS(kith_process_close(caller));
    PASS(kith_process_close(closer));
}

/* ---- how often a task runs */

static int dies_at_three(const void *in, void *out)
{
    int i = *(const int *)in;

    if (atomic_fetch_add(&shared->runs[i], 1) == 0 && i == 3)
        raise(SIGKILL);
    *(int *)out = i;
    return 0;
}

static int dies_in_a_block(uint64_t lo, uint64_t hi, const void *arg)
{
    int in = (int)lo, out;

    (void)arg;
    (void)hi;
    return dies_at_three(&in, &out);
}

static void with_one_try_a_task_is_not_begun_again(void)
{
    kith_pool pool = near_pool(2, .tries = 1);
    int in[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, out[8];
    struct kith_fault f;

    memset(shared->runs, 0, sizeof shared->runs);
    FAILS_WITH(KITH_ETASK, kith_map(pool, dies_at_three, in, out, 8));
    CU_ASSERT(kith_last_fault(&f, 0) == 0 && f.task == 3 && kith_last_fault(&f, 1) == KITH_EEND);
    CU_ASSERT_EQUAL(shared->runs[3], 1);
    memset(shared->runs, 0, sizeof shared->runs);
    FAILS_WITH(KITH_ETASK, kith_for(pool, dies_in_a_block, NULL, 0, 8));
    CU_ASSERT_EQUAL(shared->runs[3], 1);
    PASS(kith_pool_close(pool));
}

enum { INNER = 60 };

/* An element of the inner map: the worker that called it dies in its first one, the other one has work until
 * it is dead. */
static int of_a_task(int i)
{
    pid_t caller = shared->runs[INNER];

    atomic_fetch_add(&shared->runs[i], 1);
    while (getpid() == caller)
        if (shared->runs[INNER + 1])
            raise(SIGKILL);
        else
            usleep(100);
    shared->runs[INNER + 1] = 1;
    usleep(200);
    return i;
}

static int map_in_a_task(const void *in, void *out)
{
    int elements[INNER], results[INNER];

    shared->runs[INNER] = getpid();
    for (int i = 0; i < INNER; i++)
        elements[i] = i;
    *(int *)out = *(const int *)in;
    return kith_map(*(const kith_pool *)in, of_a_task, elements, results, INNER);
}

/* Nobody waits for the inner tasks any more; what they did to memory of kith_alloc must not be done twice. */
static void tasks_of_a_dead_caller_are_not_begun_again(void)
{
    for (int round = 0; round < 10; round++) {
        kith_pool pool = near_pool(2, .tries = 1, .chunk = 1);
        uint64_t out;

        memset(shared->runs, 0, sizeof shared->runs);
        FAILS_WITH(KITH_ETASK, kith_pool_map(pool, map_in_a_task, &pool, sizeof pool, &out, sizeof out, 1));
        PASS(kith_pool_close(pool));
        for (int i = 0; i < INNER; i++)
            CU_ASSERT(shared->runs[i] <= 1);
    }
}

static void places_that_overlap_are_refused(void)
{
    kith_pool pool = near_pool(2);
    int *at = kith_alloc(101 * sizeof *at);

    for (int i = 0; i < 101; i++)
        at[i] = 2;
    FAILS_WITH(KITH_EINVAL, kith_map(pool, square, at, at + 1, 100));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "overlap"));
    FAILS_WITH(KITH_EINVAL, kith_pool_map(pool, dies_at_three, at, 8, at, 4, 50));
    PASS(kith_map(pool, square, at, at + 50, 50));
    PASS(kith_map(pool, square, at + 50, at + 50, 50));
    PASS(kith_map(pool, square, at, at, 1));
    CU_ASSERT(at[0] == 4 && at[1] == 2 && at[50] == 16 && at[99] == 16 && at[100] == 2);
    PASS(kith_free(at));
    PASS(kith_pool_close(pool));
}

/* ---- memory */

enum { MIB = 1 << 20 };

enum how { WELL, FAILED, KILLED, EXITS, EXITS_AT_ONCE, PUTS_FIRST, NESTS };

struct order {
    enum how how;
    kith_pool pool;
    kith_queue queue;
};

static int take_and_end(const void *in, void *out);

static void end_as(const struct order *e)
{
    struct order inner = { .how = WELL };
    void *p;

    switch (e->how) {
    case KILLED: raise(SIGKILL); break;
    case EXITS: exit(0);
    case EXITS_AT_ONCE: _exit(0);
    case PUTS_FIRST:
        kith_put(e->queue, e->how);
        raise(SIGKILL);
        break;
    case NESTS:
        REQUIRE(kith_map(e->pool, take_and_end, &inner, &p, 1) == 0 && kith_free(p) == 0);
        raise(SIGKILL);
        break;
    case WELL:
    case FAILED: break;
    }
}

/* Takes three blocks, and one that it frees. */
static int take_and_end(const void *in, void *out)
{
    const struct order *e = in;
    int *p = kith_alloc(MIB), *freed = kith_alloc(MIB);

    kith_alloc(MIB);
    kith_alloc(MIB);
    kith_free(freed);
    *p = 42;
    *(int **)out = p;
    end_as(e);
    return e->how == FAILED;
}

static void what_a_task_took_that_did_not_end_well_is_free_again(void)
{
    static const enum how ways[] = { FAILED, KILLED, EXITS, EXITS_AT_ONCE, NESTS };
    struct order e = { .how = WELL };
    kith_pool pool = near_pool(2, .tries = 1);
    uint64_t before;
    int *p;

    PASS(kith_map(pool, take_and_end, &e, &p, 1));
    CU_ASSERT(*p == 42);
    e.pool = pool;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        for (int n = 0; n < 3; n++) {
            e.how = ways[i];
            before = used_bytes();
            FAILS_WITH(KITH_ETASK, kith_map(pool, take_and_end, &e, &p, 1));
            CU_ASSERT(are_left(before, ways[i] == NESTS ? 2 : 0)); /* the inner task has ended well */
        }
    PASS(kith_pool_close(pool));
}

static int take_and_end_with(const void *in, void *out, const void *arg)
{
    (void)arg;
    return take_and_end(in, out);
}

static int map_with(kith_pool pool, const struct order *e, int **p, size_t n)
{
    const int nothing = 0;

    return kith_map_with(pool, take_and_end_with, e, p, n, KITH_ARG(nothing));
}

static int map(kith_pool pool, const struct order *e, int **p, size_t n)
{
    return kith_map(pool, take_and_end, e, p, n);
}

/* They are of one claim. */
static void what_the_tasks_before_it_took_stays(void)
{
    enum { N = 10 };
    static int (*const maps[])(kith_pool, const struct order *, int **, size_t) = { map, map_with };
    struct order e[N] = { [7] = { .how = KILLED } };
    kith_pool pool = near_pool(1, .tries = 1, .chunk = N);
    int *p[N], *nothing;
    uint64_t before;

    PASS(kith_map(pool, take_and_end, e, &nothing, 1));
    for (size_t m = 0; m < sizeof maps / sizeof maps[0]; m++) {
        before = used_bytes();
        FAILS_WITH(KITH_ETASK, maps[m](pool, e, p, N));
        CU_ASSERT(are_left(before, 3 * (N - 1)));
        for (int i = 0; i < N; i++)
            CU_ASSERT(i == 7 || (*p[i] == 42 && kith_free(p[i]) == 0));
    }
    PASS(kith_pool_close(pool));
}

static int initialize(const void *arg)
{
    void *p;

    return take_and_end(arg, &p);
}

static void what_an_initializer_took_that_failed_is_free_again(void)
{
    struct order e = { .how = FAILED };
    uint64_t before = used_bytes();

    FAILS_WITH(KITH_ETASK, kith_check(near_pool(2, .init = initialize, .arg = &e, .arg_size = sizeof e)));
    CU_ASSERT(are_left(before, 0));
}

static int take_in_a_process(const void *arg)
{
    void *p;

    take_and_end(arg, &p);
    return 3;
}

/* blocks: how many are left. */
static void end_a_process(enum how how, kith_queue q, int blocks)
{
    struct order e = { .how = how, .queue = q };
    uint64_t before = used_bytes();
    kith_process p = near_process(take_in_a_process, KITH_ARG(e));
    int code;

    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code)); /* else that it was killed is in the status of the job */
    PASS(kith_process_close(p));
    CU_ASSERT(are_left(before, blocks));
}

static void what_a_dead_process_took_is_free_again_unless_it_has_passed_it_on(void)
{
    kith_queue q = kith_queue_open(0);
    enum how how = WELL;

    PASS(kith_put(q, how));
    end_a_process(KILLED, q, 0);
    end_a_process(EXITS_AT_ONCE, q, 0);
    end_a_process(PUTS_FIRST, q, 3);
    end_a_process(EXITS, q, 3);
    end_a_process(WELL, q, 3);
    PASS(kith_queue_close(q));
}

static int take_and_free_often(const void *in, void *out)
{
    void *kept = kith_alloc(64);

    for (int i = 0; i < *(const int *)in; i++)
        kith_free(kith_alloc(64));
    *(void **)out = kept;
    return 0;
}

static void a_task_may_take_and_free_very_often(void)
{
    kith_pool pool = near_pool(1);
    int n = 100000;
    void *p;

    PASS(kith_map(pool, take_and_free_often, &n, &p, 1));
    PASS(kith_free(p));
    PASS(kith_pool_close(pool));
}

static struct test tests[] = {
    TEST(an_initializer_has_three_tries),
    TEST_LIKE(an_initializer_that_ends_its_process_fails_the_open,
              "TestPoolNotLeakOnFailure.test_release_unused_processes"),
    TEST(an_initializer_that_does_not_end_fails_the_open),
    TEST(an_initializer_has_more_time_than_a_task),
    TEST(a_pool_breaks_while_it_is_closed),
    TEST(with_one_try_a_task_is_not_begun_again),
    TEST(tasks_of_a_dead_caller_are_not_begun_again),
    TEST(places_that_overlap_are_refused),
    TEST(what_a_task_took_that_did_not_end_well_is_free_again),
    TEST(what_the_tasks_before_it_took_stays),
    TEST(what_an_initializer_took_that_failed_is_free_again),
    TEST(what_a_dead_process_took_is_free_again_unless_it_has_passed_it_on),
    TEST_LIKE(a_task_may_take_and_free_very_often, "_TestPool.test_release_task_refs"),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("pool faults", tests);
    return kith_finalize() ? 1 : rc;
}
