/* test_result.c: single tasks that go on while their caller does something else, and their results. */
#include "config.h"
#include "pool/pool.h"
#include "gate.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

static long sum3(long a, long b, long c)
{
    return a + 10 * b + 100 * c;
}

static void apply_gives_a_result_later(void)
{
    kith_pool pool = kith_pool_open(2);
    kith_result r = kith_apply_async(pool, cube, 7), s = kith_apply_async(pool, power, 2, 10);
    kith_result t = kith_apply_async(pool, sum3, 1, 2, 3);
    double p = 0;
    long l = 0;
    int y = 0;

    PASS(kith_check(r));
    PASS(kith_get(r, &y));
    CU_ASSERT_EQUAL(y, 343);
    PASS(kith_get(s, &p));
    CU_ASSERT_EQUAL(p, 1024);
    PASS(kith_result_wait(t, KITH_FOREVER));
    CU_ASSERT_EQUAL(kith_result_ready(t), 1);
    CU_ASSERT_EQUAL(kith_result_successful(t), 1);
    PASS(kith_get(t, &l));
    CU_ASSERT_EQUAL(l, 321);
    FAILS_WITH(KITH_ESTALE, kith_get(t, &l));
    FAILS_WITH(KITH_ESTALE, kith_result_ready(t));
    PASS(kith_pool_close(pool));
}

struct pair {
    char name[40];
    int number;
};

static int swap(const void *in, void *out)
{
    const struct pair *p = in;
    struct pair *q = out;

    if (p->number < 0)
        return kith_fail(7, "%d is negative", p->number);
    for (size_t i = 0, n = strlen(p->name); i <= n; i++)
        q->name[i] = i < n ? p->name[n - 1 - i] : '\0';
    q->number = -p->number;
    return 0;
}

static void structs_are_copied_both_ways(void)
{
    kith_pool pool = kith_pool_open(2);
    struct pair in = { "abc", 1 }, out;
    kith_result r = kith_apply_async(pool, swap, KITH_ARG(in), sizeof out), s;

    in.number = -5; /* it has been copied */
    s = kith_pool_apply_async(pool, swap, KITH_ARG(in), sizeof out);
    PASS(kith_get(r, &out));
    CU_ASSERT_STRING_EQUAL(out.name, "cba");
    CU_ASSERT_EQUAL(out.number, -1);
    FAILS_WITH(KITH_ETASK, kith_get(s, &out));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "swap failed: -5 is negative"));
    PASS(kith_pool_close(pool));
}

static void a_result_of_another_size_stays(void)
{
    kith_pool pool = kith_pool_open(1);
    kith_result r = kith_apply_async(pool, cube, 2);
    long wide;
    int y;

    FAILS_WITH(KITH_ESIZE, kith_get(r, &wide));
    FAILS_WITH(KITH_ESIZE, kith_result_get(r, NULL, 4000, KITH_FOREVER));
    PASS(kith_get(r, &y));
    CU_ASSERT_EQUAL(y, 8);
    r = kith_apply_async(pool, cube, 2);
    PASS(kith_result_get(r, NULL, 0, KITH_FOREVER));
    PASS(kith_pool_close(pool));
}

static void waiting_has_a_limit(void)
{
    kith_pool pool = near_pool(1);
    kith_result r;
    int y;

    reset();
    r = kith_apply_async(pool, wait_at_gate, 1);
    FAILS_WITH(KITH_ETIMEDOUT, kith_result_get(r, KITH_ARG(y), 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_result_wait(r, 1));
    FAILS_WITH(KITH_EINVAL, kith_result_wait(r, -7));
    FAILS_WITH(KITH_ERUNNING, kith_result_successful(r));
    CU_ASSERT_EQUAL(kith_result_ready(r), 0);
    atomic_store(&shared[GATE], 1);
    PASS(kith_get(r, &y));
    CU_ASSERT_EQUAL(y, 2);
    PASS(kith_pool_close(pool));
}

/* Also in another order than they were given, and while some are given. */
static void a_hundred_thousand_results(void)
{
    enum { N = SANITIZED ? 20000 : 100000 };
    kith_pool pool = kith_pool_open(2);
    kith_result *r = malloc(N * sizeof *r);
    long wrong = 0;
    int y;

    for (int i = 0; i < N; i++)
        r[i] = kith_apply_async(pool, cube, i % 1000);
    for (int i = 0; i < N; i++) {
        int k = (int)((long)i * 7919 % N);

        wrong += kith_get(r[k], &y) != 0 || y != cube(k % 1000);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    for (int i = 0; i < N; i++) {
        r[i] = kith_apply_async(pool, cube, i % 1000);
        if (i >= 5000)
            wrong += kith_get(r[i - 5000], &y) != 0 || y != cube((i - 5000) % 1000);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    PASS(kith_pool_close(pool));
    for (int i = N - 5000; i < N; i++) /* they outlive the pool */
        wrong += kith_get(r[i], &y) != 0 || y != cube(i % 1000);
    CU_ASSERT_EQUAL(wrong, 0);
    free(r);
}

/* Of this thread: what others take meanwhile does not count. */
static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The queue has no limit, and does not become slower as it grows: the last tenth costs what the first does,
 * queued as well as taken. The workers wait at the gate until all are there. */
static void a_million_can_be_queued(void)
{
    enum { N = SANITIZED ? 50000 : 1000000, TENTH = N / 10, TIMES = 3 };
    double queued[11], taken[11];
    kith_result *r = malloc(N * sizeof *r), held[2];
    kith_pool pool = near_pool(2);
    long wrong = 0;
    int y;

    reset();
    for (int i = 0; i < 2; i++)
        held[i] = kith_apply_async(pool, wait_at_gate, i);
    await(BEGUN, 2);
    for (int i = 0; i < N; i++) {
        if (i % TENTH == 0)
            queued[i / TENTH] = cpu_seconds();
        r[i] = kith_apply_async(pool, cube, i % 1000);
    }
    queued[10] = cpu_seconds();
    atomic_store(&shared[GATE], 1);
    PASS(kith_result_wait(r[N - 1], KITH_FOREVER)); /* so taking them is nothing but that */
    for (int i = 0; i < N; i++) {
        if (i % TENTH == 0)
            taken[i / TENTH] = cpu_seconds();
        wrong += kith_get(r[i], &y) != 0 || y != cube(i % 1000);
    }
    taken[10] = cpu_seconds();
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(queued[10] - queued[9] < TIMES * (queued[1] - queued[0]) + 0.01);
    CU_ASSERT(taken[10] - taken[9] < TIMES * (taken[1] - taken[0]) + 0.01);
    for (int i = 0; i < 2; i++)
        PASS(kith_get(held[i], &y));
    PASS(kith_pool_close(pool));
    free(r);
}

static void what_is_dropped_is_done_all_the_same(void)
{
    kith_pool pool = near_pool(2);

    reset();
    for (int i = 0; i < 5000; i++)
        PASS(kith_result_drop(kith_apply_async(pool, count, i)));
    PASS(kith_pool_close(pool)); /* waits for them */
    CU_ASSERT_EQUAL(atomic_load(&shared[COUNT]), 5000);
}

static int dies(int x)
{
    if (atomic_fetch_add(&shared[TRIES], 1) < x)
        raise(SIGKILL);
    return x;
}

static void a_dead_worker_costs_a_try(void)
{
    kith_pool pool = near_pool(2);
    kith_result r, s;
    struct kith_fault f;
    int y;

    reset();
    r = kith_apply_async(pool, dies, 1);
    PASS(kith_get(r, &y));
    CU_ASSERT_EQUAL(y, 1);
    reset();
    r = kith_apply_async(pool, dies, 5);
    s = kith_apply_async(pool, cube, 3);
    FAILS_WITH(KITH_ETASK, kith_get(r, &y));
    CU_ASSERT_EQUAL(atomic_load(&shared[TRIES]), 2);
    PASS(kith_last_fault(&f, 0));
    CU_ASSERT_EQUAL(f.end, KITH_END_SIGNALLED);
    CU_ASSERT_EQUAL(f.signal, SIGKILL);
    CU_ASSERT_STRING_EQUAL(f.function, "dies");
    PASS(kith_get(s, &y));
    CU_ASSERT_EQUAL(y, 27);
    PASS(kith_pool_close(pool));
}

/* One worker: whoever waits in a task runs what it waits for. */
static int fib(int n)
{
    kith_pool pool = { (uint64_t)(unsigned)atomic_load(&shared[8]) << 32 |
                       (unsigned)atomic_load(&shared[9]) };
    kith_result r;
    int a, b;

    if (n < 2)
        return n;
    r = kith_apply_async(pool, fib, n - 1);
    b = fib(n - 2);
    if (kith_get(r, &a) < 0)
        return kith_fail(1, "%s", kith_last_error());
    return a + b;
}

static void tasks_give_tasks(void)
{
    for (int workers = 1; workers <= 3; workers++) {
        kith_pool pool = near_pool(workers);
        kith_result r;
        int y = 0;

        atomic_store(&shared[8], (int)(pool.id >> 32));
        atomic_store(&shared[9], (int)pool.id);
        r = kith_apply_async(pool, fib, 12);
        PASS(kith_get(r, &y));
        CU_ASSERT_EQUAL(y, 144);
        PASS(kith_pool_close(pool));
    }
}

/* Which waits for them: so they may finish what they do. */
static void tasks_give_tasks_to_a_pool_that_is_being_closed(void)
{
    for (int workers = 1; workers <= 2; workers++) {
        kith_pool pool = near_pool(workers);
        kith_result r, s;
        int y = 0;

        reset();
        atomic_store(&shared[8], (int)(pool.id >> 32));
        atomic_store(&shared[9], (int)pool.id);
        r = kith_apply_async(pool, fib, 15);
        s = kith_apply_async(pool, fib, 14);
        PASS(kith_pool_close(pool));
        PASS(kith_get(r, &y));
        CU_ASSERT_EQUAL(y, 610);
        PASS(kith_get(s, &y));
        CU_ASSERT_EQUAL(y, 377);
        FAILS_WITH(KITH_ESTALE, kith_check(kith_apply_async(pool, fib, 3)));
    }
}

static int polls(int x)
{
    kith_pool pool = { (uint64_t)(unsigned)atomic_load(&shared[8]) << 32 |
                       (unsigned)atomic_load(&shared[9]) };
    int y = -1, z[3] = { x, x, x }, wrong = 0;
    kith_result r = kith_apply_async(pool, cube, x), s = kith_map_async(pool, cube, z, z, 3);
    kith_result list[2] = { kith_apply_async(pool, cube, x), kith_apply_async(pool, cube, x) };
    double end = kith_time() + 5;

    while (kith_time() < end && (kith_result_ready(r) == 0 || kith_result_wait(s, 0) == KITH_ETIMEDOUT))
        sched_yield();
    while (kith_time() < end && kith_results_wait(list, 2, 1, 0) == KITH_ETIMEDOUT)
        sched_yield();
    if (kith_time() >= end)
        return kith_fail(1, "nobody runs what a task polls for");
    wrong += kith_get(r, &y) != 0 || y != x * x * x;
    wrong += kith_result_get(s, NULL, 0, KITH_FOREVER) != 0 || z[2] != y;
    wrong += kith_get(list[0], &y) != 0 || kith_get(list[1], &y) != 0;
    return wrong ? -wrong : y;
}

/* Whoever asks again and again keeps the only worker busy that could do it. */
static void tasks_may_poll(void)
{
    for (int workers = 1; workers <= 2; workers++) {
        kith_pool pool = near_pool(workers);
        int in[] = { 2, 3, 4 }, out[3];

        atomic_store(&shared[8], (int)(pool.id >> 32));
        atomic_store(&shared[9], (int)pool.id);
        PASS(kith_map(pool, polls, in, out, 3));
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(out[i], in[i] * in[i] * in[i]);
        PASS(kith_pool_close(pool));
    }
}

static void the_end_of_a_pool_ends_what_waits(void)
{
    kith_pool pool = near_pool(1);
    kith_result r, s;
    int y;

    reset();
    r = kith_apply_async(pool, wait_at_gate, 1);
    s = kith_apply_async(pool, cube, 1);
    await(BEGUN, 1);
    PASS(kith_pool_terminate(pool));
    FAILS_WITH(KITH_ECANCELLED, kith_get(r, &y));
    FAILS_WITH(KITH_ECANCELLED, kith_get(s, &y));
    FAILS_WITH(KITH_ESTALE, kith_get(s, &y));
    FAILS_WITH(KITH_ESTALE, kith_check(kith_apply_async(pool, cube, 1)));
}

static int leave_them(const void *arg)
{
    const kith_pool *pool = arg;

    for (int i = 0; i < 3000; i++)
        kith_apply_async(*pool, wait_at_gate, i);
    raise(SIGKILL);
    return 0;
}

/* The janitor has been there. */
static void await_abandoned(kith_pool pool)
{
    struct kith__object *o;
    const struct kith__pool *p;

    PASS(kith__pool_find(pool, &o));
    p = kith__pool_body(o);
    for (double end = kith_time() + 30; kith_time() < end; usleep(100))
        for (uint32_t i = 0; i < kith__posts(p); i++)
            if (kith__post_job(kith__post(p, i)) &&
                atomic_load(&kith__post_job(kith__post(p, i))->cancelled) == KITH__ABANDONED)
                return;
    CU_FAIL("the janitor does not come");
}

/* What it had not begun is not begun; its places are free again. */
static void a_dead_caller_leaves_nothing(void)
{
    kith_pool pool = near_pool(2);
    kith_process p;
    int code, y;

    reset();
    p = near_process(leave_them, KITH_ARG(pool));
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, -SIGKILL);
    await_abandoned(pool);
    atomic_store(&shared[GATE], 1);
    PASS(kith_apply(pool, cube, &y, 2));
    PASS(kith_pool_close(pool));
    CU_ASSERT(atomic_load(&shared[BEGUN]) <= 4);
}

static void *use_from_thread(void *pool)
{
    kith_result r[200];
    long wrong = 0;
    int y;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 200; i++)
            r[i] = kith_apply_async(*(kith_pool *)pool, cube, i);
        for (int i = 200; i-- > 0;)
            wrong += kith_get(r[i], &y) != 0 || y != cube(i);
    }
    return (void *)wrong;
}

static void threads_give_and_take(void)
{
    kith_pool pool = kith_pool_open(2);
    pthread_t thread[4];
    void *wrong;

    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, use_from_thread, &pool);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], &wrong);
        CU_ASSERT_PTR_NULL(wrong);
    }
    PASS(kith_pool_close(pool));
}

static kith_result raced;

static void take_it_before(const char *step)
{
    int y;

    if (strcmp(step, "result: found") != 0)
        return;
    kith__failpoint_hook = NULL;
    PASS(kith_get(raced, &y));
}

/* Between two steps of a call on a Result another thread takes it, the last one of a pool that has ended. */
static void a_result_is_taken_in_the_middle_of_a_call(void)
{
    for (int what = 0; what < 4; what++) {
        kith_pool pool = kith_pool_open(1);
        int y;

        raced = kith_apply_async(pool, cube, 2);
        PASS(kith_pool_close(pool));
        kith__failpoint_hook = take_it_before;
        switch (what) {
        case 0: PASS(kith_result_wait(raced, KITH_FOREVER)); break;
        case 1: FAILS_WITH(KITH_EEND, kith_result_cancel(raced)); break;
        case 2: PASS(kith_results_wait(&raced, 1, 1, KITH_FOREVER) - 1); break;
        default: PASS(kith_result_drop(raced));
        }
        kith__failpoint_hook = NULL;
        FAILS_WITH(KITH_ESTALE, kith_get(raced, &y));
    }
}

static void *give_until_it_is_closed(void *arg)
{
    const kith_pool *pool = arg;
    uintptr_t given = 0, taken = 0;
    kith_result r;
    int y;

    for (; kith_check(r = kith_apply_async(*pool, cube, 3)) == 0; given++)
        taken += kith_get(r, &y) == 0 && y == 27;
    return (void *)(given - taken);
}

/* What was given has its result, and the pool is not touched any more once it is gone. */
static void threads_give_while_the_pool_is_closed(void)
{
    for (int round = 0; round < (SANITIZED ? 6 : 20); round++) {
        kith_pool pool = kith_pool_open(2);
        pthread_t thread[2];
        void *lost;

        for (int i = 0; i < 2; i++)
            pthread_create(&thread[i], NULL, give_until_it_is_closed, &pool);
        usleep(300);
        PASS(kith_pool_close(pool));
        for (int i = 0; i < 2; i++) {
            pthread_join(thread[i], &lost);
            CU_ASSERT_PTR_NULL(lost);
        }
    }
}

static struct {
    kith_result list[100];
    _Atomic int taken, wrong;
} same;

static void *take_each(void *nothing)
{
    for (int i = 0, y = -1; i < 100; i++) {
        int rc = kith_result_get(same.list[i], KITH_ARG(y), KITH_FOREVER);

        same.taken += rc == 0 && y == i * i * i;
        same.wrong += rc < 0 && rc != KITH_ESTALE && rc != KITH_ECANCELLED;
    }
    return nothing;
}

/* One of them has each; the others learn that it was taken, also when the pool ends meanwhile. */
static void threads_take_the_same_results(void)
{
    for (int round = 0; round < (SANITIZED ? 6 : 20); round++) {
        kith_pool pool = kith_pool_open(2);
        pthread_t thread[3];

        same.taken = same.wrong = 0;
        for (int i = 0; i < 100; i++)
            same.list[i] = kith_apply_async(pool, cube, i);
        for (int i = 0; i < 3; i++)
            pthread_create(&thread[i], NULL, take_each, NULL);
        PASS(round % 2 ? kith_pool_terminate(pool) : kith_pool_close(pool));
        for (int i = 0; i < 3; i++)
            pthread_join(thread[i], NULL);
        CU_ASSERT(same.taken == 100 || (round % 2 && same.taken < 100));
        CU_ASSERT_EQUAL(same.wrong, 0);
    }
}

static int fails_at_once(const void *in, void *out)
{
    (void)in;
    (void)out;
    return 1;
}

static void *take_each_map(void *nothing)
{
    for (int i = 0; i < 100; i++) {
        struct kith_fault f = { 0 };
        int rc = kith_result_get(same.list[i], NULL, 0, KITH_FOREVER);

        same.taken += rc == KITH_ETASK && kith_last_fault(&f, 0) == 0;
        same.wrong += rc != KITH_ETASK && rc != KITH_ESTALE;
    }
    return nothing;
}

/* With its faults, which one thread has. */
static void threads_take_the_same_maps(void)
{
    for (int round = 0; round < (SANITIZED ? 6 : 20); round++) {
        kith_pool pool = kith_pool_open(2);
        pthread_t thread[3];
        int zero = 0, out[100];

        same.taken = same.wrong = 0;
        for (int i = 0; i < 100; i++)
            same.list[i] =
                kith_pool_map_async(pool, fails_at_once, &zero, sizeof zero, &out[i], sizeof zero, 1);
        for (int i = 0; i < 3; i++)
            pthread_create(&thread[i], NULL, take_each_map, NULL);
        for (int i = 0; i < 3; i++)
            pthread_join(thread[i], NULL);
        CU_ASSERT_EQUAL(same.taken, 100);
        CU_ASSERT_EQUAL(same.wrong, 0);
        PASS(kith_pool_close(pool));
    }
}

static int put_some(const void *in, void *out)
{
    const kith_queue *q = in;

    for (int i = 0; i < 5; i++)
        if (kith_put(*q, i) < 0)
            return 1;
    *(int *)out = 5;
    return 0;
}

/* Also when the Queue is reached through the network, where a put may return before it is stored. */
static void what_a_task_has_put_is_there_with_its_result(void)
{
    kith_pool pool = kith_pool_open(2);
    kith_queue q = kith_queue_open(0);
    kith_result r;
    int y = 0;

    for (int i = 1; i <= 100; i++) {
        r = kith_apply_async(pool, put_some, KITH_ARG(q), sizeof y);
        PASS(kith_get(r, &y));
        CU_ASSERT_EQUAL(kith_queue_size(q), 5 * i);
    }
    PASS(kith_queue_close(q));
    PASS(kith_pool_close(pool));
}
static int use_foreign(const void *arg)
{
    int y;

    return kith_get(*(const kith_result *)arg, &y) == KITH_EINVAL ? 0 : 1;
}

static void wrong_use_is_a_sentence(void)
{
    kith_pool pool = kith_pool_open(1);
    kith_result none = { 0 }, r = kith_apply_async(pool, cube, 2);
    kith_process p = kith_process_start(use_foreign, KITH_ARG(r));
    int y, code = -1;

    FAILS_WITH(KITH_ESTALE, kith_get(none, &y));
    FAILS_WITH(KITH_ESTALE, kith_check(none));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_pool_apply_async(pool, NULL, &y, sizeof y, sizeof y)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_pool_apply_async(pool, swap, NULL, sizeof y, sizeof y)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_map_async(pool, cube, (int *)NULL, &y, 1)));
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 0);
    PASS(kith_get(r, &y));
    PASS(kith_pool_close(pool));
}

static void is_told(kith_result r, void *arg)
{
    (void)r;
    atomic_store((atomic_int *)arg, 1);
}

/* Who closes a pool waits for the functions that are being called for it. */
static void closing_no_pool_waits_for_nothing(void)
{
    static atomic_int told;
    kith_pool pool = kith_pool_open(1), none = { 0 };
    kith_result r = kith_apply_async(pool, cube, 2);
    int y;

    PASS(kith_result_notify(r, is_told, &told));
    PASS(kith_get(r, &y));
    FAILS_WITH(KITH_ESTALE, kith_pool_close(none));
    PASS(kith_pool_close(pool));
    CU_ASSERT_EQUAL(atomic_load(&told), 1);
    FAILS_WITH(KITH_ESTALE, kith_pool_close(pool));
}

static struct test tests[] = {
    TEST_LIKE(apply_gives_a_result_later,
              "_TestPool.test_map_async _TestPool.test_starmap_async _TestPool.test_async"),
    TEST(structs_are_copied_both_ways),
    TEST(a_result_of_another_size_stays),
    TEST_LIKE(waiting_has_a_limit, "_TestPool.test_async_timeout"),
    TEST(a_hundred_thousand_results),
    TEST(a_million_can_be_queued),
    TEST(what_is_dropped_is_done_all_the_same),
    TEST(a_dead_worker_costs_a_try),
    TEST(tasks_give_tasks),
    TEST(tasks_give_tasks_to_a_pool_that_is_being_closed),
    TEST(tasks_may_poll),
    TEST_LIKE(the_end_of_a_pool_ends_what_waits, "_TestPool.test_terminate"),
    TEST(a_dead_caller_leaves_nothing),
    TEST(threads_give_and_take),
    TEST(a_result_is_taken_in_the_middle_of_a_call),
    TEST(threads_give_while_the_pool_is_closed),
    TEST(threads_take_the_same_results),
    TEST(threads_take_the_same_maps),
    TEST(what_a_task_has_put_is_there_with_its_result),
    TEST(wrong_use_is_a_sentence),
    TEST(closing_no_pool_waits_for_nothing),
    TEST_END,
};

int main(int argc, char **argv)
{
    return run_gate_tests("result", tests, &argc, &argv);
}
