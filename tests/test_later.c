/* test_later.c: maps that go on while their caller does something else; to cancel them and single tasks; to
 * wait for many; and functions that are called when they have ended. */
#include "config.h"
#include "gate.h"

#include <pthread.h>

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
    kith_pool pool = near_pool(1);
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
    kith_pool pool = near_pool(2);
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
    kith_pool pool = near_pool(2);
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

static int fails_all_the_same(const void *in, void *out)
{
    (void)in;
    (void)out;
    return kith_fail(ends_all_the_same(3), "it was disturbed");
}

/* It comes to its end before it is killed, well or with a fault. The next task must not pay for it. */
static void what_was_cancelled_has_not_ended_well(void)
{
    for (int round = 0; round < 15; round++) {
        kith_pool pool = near_pool(1, .tries = 1);
        int x = 7, y = 0;
        kith_result r;

        reset();
        r = round % 3 == 0   ? kith_map_async(pool, ends_all_the_same, &x, &y, 1)
            : round % 3 == 1 ? kith_apply_async(pool, ends_all_the_same, x)
                             : kith_pool_apply_async(pool, fails_all_the_same, NULL, 0, 0);
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
    kith_pool pool = near_pool(2);
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
        pools[i] = near_pool(1);
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
    kith_pool pool = near_pool(2);
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

static kith_result running;

/* While one is called, neither it nor one that runs gets another. */
static void ask_again(kith_result r, void *arg)
{
    (void)arg;
    FAILS_WITH(KITH_EINVAL, kith_result_notify(r, note, NULL));
    FAILS_WITH(KITH_EINVAL, kith_result_notify(running, note, NULL));
    PASS(kith_result_drop(r));
    atomic_store(&shared[GATE], 1);
}

static void a_result_has_one_function(void)
{
    kith_pool pool = near_pool(4); /* one for each task */
    int one = 1, in[2] = { 1, 2 }, out[2], y;
    kith_result map;

    reset();
    atomic_store(&called, 0);
    running = kith_apply_async(pool, wait_at_gate, 1);
    map = kith_map_async(pool, wait_at_gate, in, out, 2);
    PASS(kith_result_notify(running, note, &one));
    PASS(kith_result_notify(map, note, &one));
    FAILS_WITH(KITH_EINVAL, kith_result_notify(running, note, &one));
    FAILS_WITH(KITH_EINVAL, kith_result_notify(map, note, &one));
    PASS(kith_result_notify(kith_apply_async(pool, cube, 1), ask_again, NULL));
    PASS(kith_pool_close(pool));
    CU_ASSERT_EQUAL(atomic_load(&called), 2);
    PASS(kith_get(running, &y));
    PASS(kith_result_get(map, NULL, 0, KITH_FOREVER));
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
    chained = near_pool(2);
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
    kith_pool pool = near_pool(1);
    static int in[30][2], out[30][2];
    kith_result r[30];

    reset();
    atomic_store(&called, 0);
    doomed = near_pool(2);
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

static struct test tests[] = {
    TEST_LIKE(a_map_goes_on_beside_its_caller,
              "_TestPool.test_map_async _TestPool.test_starmap_async _TestPool.test_async"),
    TEST(more_maps_than_are_under_way),
    TEST(tasks_begin_maps),
    TEST_LIKE(a_map_tells_its_faults_to_whom_asks, "_TestPoolWorkerErrors.test_async_error_callback"),
    TEST(what_is_queued_is_not_begun),
    TEST(what_runs_is_ended_with_its_worker),
    TEST(a_map_is_cancelled),
    TEST(what_was_cancelled_has_not_ended_well),
    TEST(cancelling_at_any_moment),
    TEST(results_of_many_pools_are_waited_for),
    TEST(waiting_for_some_of_many),
    TEST_LIKE(functions_are_called_when_results_are_ready,
              "_TestPool.test_map_async_callbacks _TestPoolWorkerErrors.test_async_error_callback"),
    TEST(a_result_has_one_function),
    TEST(a_function_may_begin_the_next_call),
    TEST(a_function_may_terminate_a_pool),
    TEST_END,
};

int main(int argc, char **argv)
{
    return run_gate_tests("later", tests, &argc, &argv);
}
