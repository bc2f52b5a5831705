/* test_result.c: calls that go on while their caller does something else. */
#include "config.h"
#include "pool/pool.h"
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic int *shared; /* words that tasks and this program share */
enum { GATE, COUNT, BEGUN, TRIES };

static int cube(int x)
{
    return x * x * x;
}

static double power(double x, double y)
{
    double p = 1;

    while (y-- > 0)
        p *= x;
    return p;
}

static long sum3(long a, long b, long c)
{
    return a + 10 * b + 100 * c;
}

static int count(int x)
{
    atomic_fetch_add(&shared[COUNT], 1);
    return x;
}

static int wait_at_gate(int x)
{
    atomic_fetch_add(&shared[BEGUN], 1);
    while (!atomic_load(&shared[GATE]))
        usleep(100);
    return x + 1;
}

static void reset(void)
{
    for (int i = 0; i < 16; i++)
        atomic_store(&shared[i], 0);
}

static void await(int what, int value)
{
    for (double end = kith_time() + 30; atomic_load(&shared[what]) < value && kith_time() < end;)
        usleep(100);
    CU_ASSERT(atomic_load(&shared[what]) >= value);
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
    kith_pool pool = kith_pool_open(1);
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

static void what_is_dropped_is_done_all_the_same(void)
{
    kith_pool pool = kith_pool_open(2);

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
    kith_pool pool = kith_pool_open(2);
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
        kith_pool pool = kith_pool_open(workers);
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
        kith_pool pool = kith_pool_open(workers);
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
        kith_pool pool = kith_pool_open(workers);
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
    kith_pool pool = kith_pool_open(1);
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
    kith_pool pool = kith_pool_open(2);
    kith_process p;
    int code, y;

    reset();
    p = kith_process_start(leave_them, KITH_ARG(pool));
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

/* ---- maps */

static void a_map_goes_on_beside_its_caller(void)
{
    enum { N = 300000 };
    kith_pool pool = kith_pool_open(2);
    int *in = malloc(N * sizeof *in), *out = calloc(N, sizeof *out), *here = kith_alloc(N * sizeof *here);
    kith_result r, s;
    long wrong = 0;

    for (int i = 0; i < N; i++)
        in[i] = here[i] = i % 1000;
    r = kith_map_async(pool, cube, in, out, N);
    s = kith_map_async(pool, cube, here, here, N);
    PASS(kith_result_get(r, NULL, 0, KITH_FOREVER));
    PASS(kith_result_get(s, NULL, 0, KITH_FOREVER));
    FAILS_WITH(KITH_ESTALE, kith_result_get(s, NULL, 0, KITH_FOREVER));
    for (int i = 0; i < N; i++)
        wrong += out[i] != cube(i % 1000) || here[i] != out[i];
    CU_ASSERT_EQUAL(wrong, 0);
    memset(out, 0, N * sizeof *out);
    r = kith_map_async(pool, cube, in, out, N); /* nobody waits for it: a thread of kith's carries it */
    while (!kith_result_ready(r))
        usleep(1000);
    for (int i = 0; i < N; i++)
        wrong += out[i] != cube(i % 1000);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(kith_result_successful(r), 1);
    PASS(kith_result_drop(r));
    PASS(kith_pool_close(pool));
    kith_free(here);
    free(in);
    free(out);
}

static void more_maps_than_are_under_way(void)
{
    enum { CALLS = 300 };
    kith_pool pool = kith_pool_open(2);
    static double rows[CALLS][4][2], out[CALLS][4];
    kith_result r[CALLS];
    long wrong = 0;

    for (int k = 0; k < CALLS; k++) {
        for (int i = 0; i < 4; i++) {
            rows[k][i][0] = k;
            rows[k][i][1] = i;
        }
        r[k] = kith_starmap_async(pool, power, rows[k], out[k], 4);
    }
    for (int k = 0; k < CALLS; k++) {
        PASS(kith_result_get(r[k], NULL, 0, KITH_FOREVER));
        for (int i = 0; i < 4; i++)
            wrong += out[k][i] != power(k, i);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    for (int k = 0; k < CALLS; k++)
        r[k] = kith_starmap_async(pool, power, rows[k], out[k], 4);
    PASS(kith_pool_close(pool)); /* none is forgotten */
    for (int k = 0; k < CALLS; k++)
        PASS(kith_result_get(r[k], NULL, 0, KITH_FOREVER));
}

/* More than are under way, and the last of them first: its worker does them all. */
static int maps_inside(const void *in, void *out)
{
    const kith_pool *pool = in;
    int x[40][2], y[40][2], sum = 0;
    kith_result r[40];

    for (int i = 0; i < 40; i++) {
        x[i][0] = i;
        x[i][1] = 1;
        r[i] = kith_map_async(*pool, cube, x[i], y[i], 2);
    }
    for (int i = 40; i-- > 0;) {
        if (kith_result_get(r[i], NULL, 0, KITH_FOREVER) < 0)
            return kith_fail(1, "%s", kith_last_error());
        sum += y[i][0] == cube(i) && y[i][1] == 1;
    }
    *(int *)out = sum;
    return 0;
}

static void tasks_begin_maps(void)
{
    for (int workers = 1; workers <= 2; workers++) {
        kith_pool pool = kith_pool_open(workers), in[3] = { pool, pool, pool };
        int out[3] = { 0 };

        PASS(kith_map(pool, maps_inside, in, out, 3));
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(out[i], 40);
        PASS(kith_pool_close(pool));
    }
}

static int odd_fails(const void *in, void *out)
{
    int x = *(const int *)in;

    *(int *)out = x;
    return x % 2 ? kith_fail(3, "%d is odd", x) : 0;
}

static void a_map_tells_its_faults_to_whom_asks(void)
{
    kith_pool pool = kith_pool_open(2);
    int in[6] = { 0, 1, 2, 3, 4, 5 }, out[6];
    kith_result r = kith_map_async(pool, odd_fails, in, out, 6);
    struct kith_fault f;

    PASS(kith_result_wait(r, KITH_FOREVER));
    CU_ASSERT_EQUAL(kith_result_successful(r), 0);
    FAILS_WITH(KITH_ETASK, kith_result_get(r, NULL, 0, KITH_FOREVER));
    PASS(kith_last_fault(&f, 2));
    CU_ASSERT_EQUAL(f.task, 5);
    CU_ASSERT_STRING_EQUAL(f.text, "5 is odd");
    FAILS_WITH(KITH_EEND, kith_last_fault(&f, 3));
    r = kith_map_async(pool, odd_fails, in, out, 0);
    PASS(kith_result_get(r, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

/* ---- cancelling */

static void what_is_queued_is_not_begun(void)
{
    kith_pool pool = kith_pool_open(1);
    kith_result r, s, t;
    int y;

    reset();
    r = kith_apply_async(pool, wait_at_gate, 1);
    s = kith_apply_async(pool, count, 1);
    t = kith_apply_async(pool, cube, 3);
    await(BEGUN, 1);
    PASS(kith_result_cancel(s));
    CU_ASSERT_EQUAL(kith_result_ready(s), 1);
    CU_ASSERT_EQUAL(kith_result_successful(s), 0);
    FAILS_WITH(KITH_ECANCELLED, kith_get(s, &y));
    atomic_store(&shared[GATE], 1);
    PASS(kith_get(t, &y));
    CU_ASSERT_EQUAL(atomic_load(&shared[COUNT]), 0);
    PASS(kith_result_wait(r, KITH_FOREVER));
    FAILS_WITH(KITH_EEND, kith_result_cancel(r));
    PASS(kith_get(r, &y));
    PASS(kith_pool_close(pool));
}

static void what_runs_is_ended_with_its_worker(void)
{
    kith_pool pool = kith_pool_open(2);
    kith_result r, s;
    int y;

    for (int round = 0; round < 3; round++) {
        reset();
        r = kith_apply_async(pool, wait_at_gate, 1);
        await(BEGUN, 1);
        s = kith_apply_async(pool, cube, 3);
        PASS(kith_result_cancel(r));
        FAILS_WITH(KITH_ECANCELLED, kith_get(r, &y));
        PASS(kith_get(s, &y));
        CU_ASSERT_EQUAL(atomic_load(&shared[BEGUN]), 1);
    }
    PASS(kith_pool_close(pool));
}

static void a_map_is_cancelled(void)
{
    enum { N = 10000 };
    kith_pool pool = kith_pool_open(2);
    int *in = calloc(N, sizeof *in), *out = calloc(N, sizeof *out), y;
    kith_result r, waits[40];

    reset();
    r = kith_map_async(pool, wait_at_gate, in, out, N);
    await(BEGUN, 2);             /* else they would share the workers with it */
    for (int i = 0; i < 40; i++) /* some of them are not even under way */
        waits[i] = kith_map_async(pool, count, in, out, 1);
    for (int i = 0; i < 40; i++)
        PASS(kith_result_cancel(waits[i]));
    PASS(kith_result_cancel(r));
    FAILS_WITH(KITH_ECANCELLED, kith_result_get(r, NULL, 0, KITH_FOREVER));
    for (int i = 0; i < 40; i++)
        FAILS_WITH(KITH_ECANCELLED, kith_result_get(waits[i], NULL, 0, KITH_FOREVER));
    CU_ASSERT(atomic_load(&shared[BEGUN]) <= 4);
    CU_ASSERT_EQUAL(atomic_load(&shared[COUNT]), 0);
    PASS(kith_apply(pool, cube, &y, 2));
    PASS(kith_pool_close(pool));
    free(in);
    free(out);
}

/* Whatever was cancelled when, the others are done once, and each ends in one way. */
static int ends_all_the_same(int x)
{
    signal(SIGTERM, SIG_IGN);
    atomic_fetch_add(&shared[BEGUN], 1);
    while (!atomic_load(&shared[GATE]))
        sched_yield();
    return x;
}

/* It comes to its end before it is killed. The next task must not pay for it. */
static void what_was_cancelled_has_not_ended_well(void)
{
    for (int round = 0; round < 10; round++) {
        kith_pool pool = kith_pool_open_with(1, .tries = 1);
        int x = 7, y = 0;
        kith_result r;

        reset();
        r = round % 2 ? kith_map_async(pool, ends_all_the_same, &x, &y, 1)
                      : kith_apply_async(pool, ends_all_the_same, x);
        await(BEGUN, 1);
        PASS(kith_result_cancel(r));
        atomic_store(&shared[GATE], 1);
        FAILS_WITH(KITH_ECANCELLED, kith_result_get(r, NULL, 0, KITH_FOREVER));
        PASS(kith_apply(pool, cube, &y, 2));
        CU_ASSERT_EQUAL(y, 8);
        PASS(kith_pool_close(pool));
    }
}

static void cancelling_at_any_moment(void)
{
    enum { N = 400 };
    kith_pool pool = kith_pool_open(2);
    kith_result r[N];
    int done = 0, cancelled = 0, others = 0, lost = 0, y, was[N];

    reset();
    for (int i = 0; i < N; i++)
        r[i] = kith_apply_async(pool, count, i);
    for (int i = 0; i < N; i += 2) {
        int rc = kith_result_cancel(r[i]);

        others += rc != 0 && rc != KITH_EEND;
        was[i] = rc == 0;
    }
    for (int i = 0; i < N; i++) {
        int rc = kith_get(r[i], &y);

        done += rc == 0 && y == i;
        cancelled += rc == KITH_ECANCELLED && i % 2 == 0;
        lost += i % 2 == 0 && was[i] != (rc == KITH_ECANCELLED);
    }
    CU_ASSERT_EQUAL(others, 0);
    CU_ASSERT_EQUAL(lost, 0);
    CU_ASSERT_EQUAL(done + cancelled, N);
    CU_ASSERT(atomic_load(&shared[COUNT]) >= done && atomic_load(&shared[COUNT]) <= N);
    PASS(kith_pool_close(pool));
}

/* ---- many, and functions that are called */

/* More than kith_results_wait knows places for. */
static void results_of_many_pools_are_waited_for(void)
{
    enum { POOLS = 66 };
    kith_pool pools[POOLS];
    kith_result r[POOLS];
    int y;

    reset();
    if (SANITIZED)
        SKIP("so many processes take long");
    for (int i = 0; i < POOLS; i++) {
        pools[i] = kith_pool_open(1);
        r[i] = kith_apply_async(pools[i], wait_at_gate, i);
    }
    FAILS_WITH(KITH_ETIMEDOUT, (int)kith_results_wait(r, POOLS, 1, 20));
    atomic_store(&shared[GATE], 1);
    CU_ASSERT(kith_results_wait(r, POOLS, POOLS - 1, KITH_FOREVER) >= POOLS - 1);
    for (int i = 0; i < POOLS; i++) {
        PASS(kith_get(r[i], &y));
        CU_ASSERT_EQUAL(y, i + 1);
        PASS(kith_pool_close(pools[i]));
    }
}

static void waiting_for_some_of_many(void)
{
    kith_pool pool = kith_pool_open(2);
    kith_result r[5];
    int in[2] = { 1, 2 }, out[2];

    reset();
    r[0] = kith_apply_async(pool, wait_at_gate, 1);
    await(BEGUN, 1);
    CU_ASSERT_EQUAL(kith_results_wait(r, 1, 0, 0), 0);
    FAILS_WITH(KITH_ETIMEDOUT, (int)kith_results_wait(r, 1, 1, 1));
    FAILS_WITH(KITH_EINVAL, (int)kith_results_wait(r, 1, 2, 1));
    for (int i = 1; i < 4; i++)
        r[i] = kith_apply_async(pool, cube, i);
    r[4] = kith_map_async(pool, cube, in, out, 2);
    CU_ASSERT(kith_results_wait(r, 5, 1, KITH_FOREVER) >= 1);
    CU_ASSERT_EQUAL(kith_results_wait(r, 5, 4, KITH_FOREVER), 4);
    FAILS_WITH(KITH_ETIMEDOUT, (int)kith_results_wait(r, 5, 5, 1));
    atomic_store(&shared[GATE], 1);
    CU_ASSERT_EQUAL(kith_results_wait(r, 5, 5, KITH_FOREVER), 5);
    for (int i = 0; i < 5; i++)
        PASS(kith_result_drop(r[i]));
    FAILS_WITH(KITH_ESTALE, (int)kith_results_wait(r, 5, 1, KITH_FOREVER));
    PASS(kith_pool_close(pool));
}

static _Atomic long called, total;

static void add(kith_result r, void *arg)
{
    int y = 0;

    if (kith_get(r, &y) == 0)
        atomic_fetch_add(&total, y);
    atomic_fetch_add(&called, *(int *)arg);
}

static void note(kith_result r, void *arg)
{
    atomic_fetch_add(&called, kith_result_successful(r) == 1 ? *(int *)arg : 1000);
}

static void functions_are_called_when_results_are_ready(void)
{
    enum { N = 3000 };
    kith_pool pool = kith_pool_open(2);
    int one = 1, in[2] = { 1, 2 }, out[2];
    kith_result r;
    long expected = 0;

    atomic_store(&called, 0);
    atomic_store(&total, 0);
    for (int i = 0; i < N; i++) {
        PASS(kith_result_notify(kith_apply_async(pool, cube, i % 100), add, &one));
        expected += cube(i % 100);
    }
    r = kith_map_async(pool, cube, in, out, 2);
    PASS(kith_result_notify(r, note, &one));
    FAILS_WITH(KITH_EINVAL, kith_result_notify(r, NULL, &one));
    PASS(kith_pool_close(pool)); /* all have been called then */
    CU_ASSERT_EQUAL(atomic_load(&called), N + 1);
    CU_ASSERT_EQUAL(atomic_load(&total), expected);
    PASS(kith_result_get(r, NULL, 0, KITH_FOREVER));
}

static kith_pool chained;

static void go_on(kith_result r, void *arg)
{
    int y;

    if (kith_get(r, &y) == 0 && y < 50)
        kith_result_notify(kith_apply_async(chained, wait_at_gate, y), go_on, arg);
    else
        atomic_store(&called, y);
}

static void a_function_may_begin_the_next_call(void)
{
    reset();
    atomic_store(&shared[GATE], 1);
    atomic_store(&called, 0);
    chained = kith_pool_open(2);
    PASS(kith_result_notify(kith_apply_async(chained, wait_at_gate, 0), go_on, NULL));
    while (atomic_load(&called) == 0)
        usleep(100);
    CU_ASSERT_EQUAL(atomic_load(&called), 50);
    PASS(kith_pool_close(chained));
}

static kith_pool doomed;

static void end_the_other_pool(kith_result r, void *arg)
{
    (void)arg;
    PASS(kith_result_drop(r));
    PASS(kith_pool_terminate(doomed));
    atomic_store(&called, 1);
}

/* In the thread that would take the last steps of its maps. */
static void a_function_may_terminate_a_pool(void)
{
    kith_pool pool = kith_pool_open(1);
    static int in[30][2], out[30][2];
    kith_result r[30];

    reset();
    atomic_store(&called, 0);
    doomed = kith_pool_open(2);
    for (int i = 0; i < 30; i++)
        r[i] = kith_map_async(doomed, wait_at_gate, in[i], out[i], 2);
    await(BEGUN, 2);
    PASS(kith_result_notify(kith_apply_async(pool, cube, 1), end_the_other_pool, NULL));
    for (int i = 0; i < 30; i++)
        FAILS_WITH(KITH_ECANCELLED, kith_result_get(r[i], NULL, 0, KITH_FOREVER));
    PASS(kith_pool_close(pool)); /* it has come to its end */
    CU_ASSERT_EQUAL(atomic_load(&called), 1);
    FAILS_WITH(KITH_ESTALE, kith_pool_close(doomed));
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

static struct test tests[] = {
    TEST(apply_gives_a_result_later),
    TEST(structs_are_copied_both_ways),
    TEST(a_result_of_another_size_stays),
    TEST(waiting_has_a_limit),
    TEST(a_hundred_thousand_results),
    TEST(what_is_dropped_is_done_all_the_same),
    TEST(a_dead_worker_costs_a_try),
    TEST(tasks_give_tasks),
    TEST(tasks_give_tasks_to_a_pool_that_is_being_closed),
    TEST(tasks_may_poll),
    TEST(the_end_of_a_pool_ends_what_waits),
    TEST(a_dead_caller_leaves_nothing),
    TEST(threads_give_and_take),
    TEST(a_result_is_taken_in_the_middle_of_a_call),
    TEST(threads_give_while_the_pool_is_closed),
    TEST(threads_take_the_same_results),
    TEST(what_a_task_has_put_is_there_with_its_result),
    TEST(a_map_goes_on_beside_its_caller),
    TEST(more_maps_than_are_under_way),
    TEST(tasks_begin_maps),
    TEST(a_map_tells_its_faults_to_whom_asks),
    TEST(what_is_queued_is_not_begun),
    TEST(what_runs_is_ended_with_its_worker),
    TEST(a_map_is_cancelled),
    TEST(what_was_cancelled_has_not_ended_well),
    TEST(cancelling_at_any_moment),
    TEST(results_of_many_pools_are_waited_for),
    TEST(waiting_for_some_of_many),
    TEST(functions_are_called_when_results_are_ready),
    TEST(a_function_may_begin_the_next_call),
    TEST(a_function_may_terminate_a_pool),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("result", tests);
    return kith_finalize() ? 1 : rc;
}
