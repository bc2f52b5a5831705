/* test_pool_calls.c: many calls of pools at once: of tasks in their own pool, of threads, of several pools.
 */
#include "config.h"
#include "pool/call.h"
#include "check.h"
#include "shm/heap.h"

#include <pthread.h>
#include <sched.h>

static int square(int x)
{
    return x * x;
}

struct nested {
    kith_pool pool;
    int depth;
};

static int descend(const void *in, void *out)
{
    struct nested below = *(const struct nested *)in;
    int sum[3] = { 0 };
    struct nested three[3];

    if (below.depth-- == 0) {
        *(int *)out = 1;
        return 0;
    }
    for (int i = 0; i < 3; i++)
        three[i] = below;
    if (kith_map(below.pool, descend, three, sum, 3) < 0)
        return 1;
    *(int *)out = sum[0] + sum[1] + sum[2];
    return 0;
}

static void tasks_may_call_their_own_pool(void)
{
    kith_pool pool = kith_pool_open(2);
    struct nested top = { pool, 5 };
    int leaves = 0;

    PASS(kith_map(pool, descend, &top, &leaves, 1));
    CU_ASSERT_EQUAL(leaves, 243);
    PASS(kith_pool_close(pool));
}

/* Each of its workers is at its last task when it waits for others: it has to run them all the same. */
static void tasks_may_call_their_own_pool_of_workers_that_wear_out(void)
{
    for (int workers = 1; workers <= 2; workers++) {
        kith_pool pool = kith_pool_open_with(workers, .tasks_per_worker = 1);
        struct nested top[2] = { { pool, 2 }, { pool, 3 } };
        int leaves[2] = { 0, 0 };

        PASS(kith_map(pool, descend, top, leaves, 2));
        CU_ASSERT(leaves[0] == 9 && leaves[1] == 27);
        PASS(kith_pool_close(pool));
    }
}

static int next_int(int x)
{
    return x + 1;
}

static void *map_in_thread(void *arg)
{
    const kith_pool *pool = arg;
    int in[64], out[64];

    for (int k = 0; k < 64; k++)
        in[k] = k;
    for (int i = 0; i < 30; i++) {
        memset(out, 0, sizeof out);
        if (kith_map(*pool, next_int, in, out, 64) < 0)
            return NULL;
        for (int k = 0; k < 64; k++)
            if (out[k] != k + 1)
                return NULL;
    }
    return arg;
}

static int thread_out(const void *in, void *out)
{
    pthread_t threads[3];
    kith_pool pool = *(const kith_pool *)in;
    void *right;
    int wrong = 0;

    for (int i = 0; i < 3; i++)
        if (pthread_create(&threads[i], NULL, map_in_thread, &pool) != 0)
            return 1;
    wrong += map_in_thread(&pool) == NULL;
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &right);
        wrong += right == NULL;
    }
    *(int *)out = wrong;
    return 0;
}

static void threads_of_tasks_map_in_their_own_pool(void)
{
    for (int workers = 1; workers <= 3; workers += 2) {
        kith_pool pool = kith_pool_open(workers), pools[4] = { pool, pool, pool, pool };
        int wrong[4] = { 1, 1, 1, 1 };

        PASS(kith_map(pool, thread_out, pools, wrong, 4));
        CU_ASSERT(wrong[0] + wrong[1] + wrong[2] + wrong[3] == 0);
        PASS(kith_pool_close(pool));
    }
}

static void several_pools_at_once(void)
{
    kith_pool a = kith_pool_open(2), b = kith_pool_open(3);
    int in[10], out[10];

    for (int i = 0; i < 10; i++)
        in[i] = i;
    for (int round = 0; round < 20; round++) {
        PASS(kith_map(round % 2 ? a : b, square, in, out, 10));
        CU_ASSERT_EQUAL(out[9], 81);
    }
    CU_ASSERT(kith_pool_workers(a) == 2 && kith_pool_workers(b) == 3);
    PASS(kith_pool_close(a));
    FAILS_WITH(KITH_ESTALE, kith_map(a, square, in, out, 10));
    PASS(kith_map(b, square, in, out, 10));
    PASS(kith_pool_terminate(b));
    FAILS_WITH(KITH_ESTALE, kith_pool_close(b));
}

static void *take_steps(void *call)
{
    enum kith__step_result *last = malloc(sizeof *last);

    while ((*last = kith__call_step(call)) <= KITH__STEP_MOVED)
        sched_yield();
    return last;
}

/* What the asynchronous forms will stand on: a thread of its own copies in and out. */
static void steps_may_be_taken_by_another_thread(void)
{
    kith_pool pool = kith_pool_open(2);
    size_t n = 3000000, wrong = 0;
    int *in = malloc(n * sizeof *in), *out = calloc(n, sizeof *out);
    struct kith__call_spec s = {
        .pool = pool,
        .name = "square",
        .fn = (kith__anyfn *)square,
        .kind = KITH__JOB_NUMBERS,
        .shape = KITH__SHAPE_CODE(i, i, 1),
        .n = n,
        .in = in,
        .out = out,
        .in_size = sizeof *in,
        .out_size = sizeof *out,
    };
    struct kith__call call[3];
    pthread_t thread[3];
    void *last;

    for (size_t i = 0; i < n; i++)
        in[i] = (int)(i % 40000);
    for (int k = 0; k < 3; k++) { /* three calls at once in one pool, each a third of the elements */
        s.n = n / 3;
        s.in = in + k * (n / 3);
        s.out = out + k * (n / 3);
        PASS(kith__call_begin(&call[k], &s));
        pthread_create(&thread[k], NULL, take_steps, &call[k]);
    }
    for (int k = 0; k < 3; k++) {
        pthread_join(thread[k], &last);
        PASS(kith__call_end(&call[k], *(enum kith__step_result *)last));
        free(last);
    }
    for (size_t i = 0; i < n; i++)
        wrong += out[i] != square(in[i]);
    CU_ASSERT_EQUAL(wrong, 0);
    PASS(kith_pool_close(pool));
    free(in);
    free(out);
}

/* Each is begun, and none ends before all are. */
static void as_many_calls_at_once_as_one_likes(void)
{
    enum { CALLS = 1000 };
    static struct kith__call call[CALLS];
    kith_pool pool = kith_pool_open(2);
    int in[CALLS][2], out[CALLS][2], wrong = 0;

    for (int k = 0; k < CALLS; k++) {
        struct kith__call_spec s = {
            .pool = pool,
            .name = "square",
            .fn = (kith__anyfn *)square,
            .kind = KITH__JOB_NUMBERS,
            .shape = KITH__SHAPE_CODE(i, i, 1),
            .n = 2,
            .in = in[k],
            .out = out[k],
            .in_size = sizeof in[k][0],
            .out_size = sizeof out[k][0],
        };

        in[k][0] = k;
        in[k][1] = k + 1;
        PASS(kith__call_begin(&call[k], &s));
    }
    for (int k = CALLS; k-- > 0;) {
        enum kith__step_result last;

        while ((last = kith__call_step(&call[k])) <= KITH__STEP_MOVED)
            sched_yield();
        PASS(kith__call_end(&call[k], last));
        wrong += out[k][0] != square(k) || out[k][1] != square(k + 1);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(kith__posts(kith__pool_body(call[0].object)) >= CALLS);
    PASS(kith_map(pool, square, in[0], out[0], 2)); /* and few calls have the first places again */
    PASS(kith_pool_close(pool));
}

static uint64_t blocks(void)
{
    struct kith__heap_stats s;

    kith__heap_stats(&s);
    return s.used_blocks;
}

/* Each place keeps a block for its next call. A worker may not have left the last one yet when the next one
 * comes. */
static void short_calls_in_turn_share_few_places(void)
{
    kith_pool pool = kith_pool_open(2);
    int y;
    uint64_t before;

    PASS(kith_apply(pool, square, &y, 1));
    before = blocks();
    for (int i = 0; i < 300; i++)
        PASS(kith_apply(pool, square, &y, 1));
    CU_ASSERT(blocks() <= before + 8);
    PASS(kith_pool_close(pool));
}

static struct test tests[] = {
    TEST(tasks_may_call_their_own_pool),
    TEST_LIKE(tasks_may_call_their_own_pool_of_workers_that_wear_out,
              "_TestPoolWorkerLifetime.test_pool_worker_lifetime "
              "_TestPoolWorkerLifetime.test_pool_worker_lifetime_early_close"),
    TEST(threads_of_tasks_map_in_their_own_pool),
    TEST(several_pools_at_once),
    TEST(steps_may_be_taken_by_another_thread),
    TEST(as_many_calls_at_once_as_one_likes),
    TEST(short_calls_in_turn_share_few_places),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("pool_calls", tests);
    return kith_finalize() ? 1 : rc;
}
