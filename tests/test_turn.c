/* test_turn.c: several calls in one pool: whose tasks are begun first. */
#include "config.h"
#include "base/system.h"
#include "check.h"
#include "pool/pool.h"
#include "pool/turn.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { ENDLESS = 1000000, ORDERED = 64 };

static struct shared {
    _Atomic int stop, gate, held, count, slow, order[ORDERED];
    _Atomic long done;
} * shared; /* by all processes */

static int64_t soon(void)
{
    return kith__now_ns() + 30000 * KITH__MS;
}

static void await(_Atomic int *word, int value)
{
    for (int64_t end = soon(); atomic_load(word) < value && kith__now_ns() < end;)
        usleep(100);
    CU_ASSERT(atomic_load(word) >= value);
}

static void reset(void)
{
    memset((void *)shared, 0, sizeof *shared);
}

/* 20 us of work, until somebody says that it is enough. */
static int toil(int x)
{
    int64_t end = kith__now_ns() + 20000;

    while (!atomic_load(&shared->stop) && kith__now_ns() < end)
        ;
    atomic_fetch_add(&shared->done, 1);
    return x;
}

static int toil_at_blocks(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    for (uint64_t i = lo; i < hi; i++)
        toil(0);
    return 0;
}

static int note(int x)
{
    atomic_store(&shared->order[atomic_fetch_add(&shared->count, 1) % ORDERED], x);
    return x;
}

static int hold(int x)
{
    int64_t end = soon();

    atomic_fetch_add(&shared->held, 1);
    while (!atomic_load(&shared->gate) && kith__now_ns() < end)
        usleep(100);
    return x;
}

/* ---- fair sharing */

struct long_call {
    kith_pool pool;
    int kind, priority;
    _Atomic int ended;
};

static void *call_for_long(void *arg)
{
    struct long_call *c = arg;
    int *x = kith_alloc(ENDLESS * sizeof *x);

    memset(x, 0, ENDLESS * sizeof *x);
    PASS(kith_priority(c->priority));
    if (c->kind == 0)
        PASS(kith_map(c->pool, toil, x, x, ENDLESS));
    else
        PASS(kith_for(c->pool, toil_at_blocks, NULL, 0, ENDLESS));
    atomic_store(&c->ended, 1);
    PASS(kith_free(x));
    return NULL;
}

/* In the caller: between a job's post and its first unit a worker of another call does a hundred tasks. */
static void be_slow(const char *step)
{
    int64_t end = soon();
    long from = atomic_load(&shared->done);

    if (!atomic_load(&shared->slow) || strcmp(step, "job: posted") != 0)
        return;
    while (atomic_load(&shared->done) < from + 100 && kith__now_ns() < end)
        usleep(100);
}

/* It would take 20 s and more, and another call comes and goes meanwhile. */
static void pass_by(int workers, int kind, int priority, int slow)
{
    struct long_call c = { kith_pool_open(workers), kind, priority, 0 };
    int in[50] = { 0 }, out[50], y;
    pthread_t thread;

    reset();
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, call_for_long, &c) == 0);
    for (int64_t end = soon(); atomic_load(&shared->done) < 100 && kith__now_ns() < end;)
        usleep(100);
    atomic_store(&shared->slow, slow);
    for (int i = 0; i < 5; i++) {
        PASS(kith_apply(c.pool, note, &y, 7));
        CU_ASSERT_EQUAL(y, 7);
    }
    PASS(kith_map(c.pool, toil, in, out, 50));
    CU_ASSERT(!atomic_load(&c.ended));
    CU_ASSERT(atomic_load(&shared->done) < ENDLESS / 2);
    atomic_store(&shared->stop, 1);
    pthread_join(thread, NULL);
    PASS(kith_pool_close(c.pool));
}

static void a_short_call_passes_a_long_map(void)
{
    pass_by(2, 0, 0, 0);
}
static void a_short_call_passes_a_long_map_on_one_worker(void)
{
    pass_by(1, 0, 0, 0);
}
/* The worker has looked around when it was posted, and there was nothing to claim yet. */
static void so_does_one_whose_data_comes_late(void)
{
    pass_by(1, 0, 0, 1);
}

/* Its row is there since before the long call, and was empty. */
static void a_single_task_passes_a_long_map(void)
{
    struct long_call c = { kith_pool_open(1), 0, 0, 0 };
    kith_result r;
    pthread_t thread;
    int y = 0;

    reset();
    r = kith_apply_async(c.pool, note, 7);
    PASS(kith_result_get(r, &y, sizeof y, KITH_FOREVER));
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, call_for_long, &c) == 0);
    for (int64_t end = soon(); atomic_load(&shared->done) < 100 && kith__now_ns() < end;)
        usleep(100);
    for (int i = 0; i < 5; i++) {
        r = kith_apply_async(c.pool, note, i);
        PASS(kith_result_get(r, &y, sizeof y, KITH_FOREVER));
        CU_ASSERT_EQUAL(y, i);
    }
    CU_ASSERT(!atomic_load(&c.ended));
    CU_ASSERT(atomic_load(&shared->done) < ENDLESS / 2);
    atomic_store(&shared->stop, 1);
    pthread_join(thread, NULL);
    PASS(kith_pool_close(c.pool));
}

static void a_short_call_passes_the_shares_of_a_long_loop(void)
{
    pass_by(2, 1, 0, 0);
}
static void a_call_passes_one_of_lower_priority(void)
{
    pass_by(1, 1, -1, 0);
}

static int meet(int x)
{
    int64_t end = soon();

    (void)x;
    atomic_fetch_add(&shared->held, 1);
    while (atomic_load(&shared->held) < 4 && kith__now_ns() < end)
        sched_yield();
    return atomic_load(&shared->held) >= 4 ? 0 : kith_fail(1, "alone");
}

static int meets_in_a_map(const void *in, void *out)
{
    (void)in;
    *(int *)out = meet(0);
    return 0;
}

static void *call_for_two(void *arg)
{
    kith_pool p = *(kith_pool *)arg;
    int in[2] = { 0 }, out[2];

    PASS(kith_pool_map(p, meets_in_a_map, in, sizeof *in, out, sizeof *out, 2));
    CU_ASSERT(out[0] == 0 && out[1] == 0);
    return NULL;
}

/* Four workers, and two calls of two tasks each that all wait for each other. */
static void workers_are_there_for_both_of_two_calls(void)
{
    kith_pool pool = kith_pool_open(4);
    pthread_t thread;

    reset();
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, call_for_two, &pool) == 0);
    call_for_two(&pool);
    pthread_join(thread, NULL);
    PASS(kith_pool_close(pool));
}

/* ---- priorities */

static int is_order(const int *expected, int n)
{
    int wrong = 0;

    for (int i = 0; i < n; i++)
        wrong += atomic_load(&shared->order[i]) != expected[i];
    for (int i = 0; wrong && i < n; i++)
        printf("%s%d", i ? " " : "\n    in this order: ", atomic_load(&shared->order[i]));
    return !wrong;
}

static void tasks_are_begun_by_priority_and_then_in_order(void)
{
    static const int priorities[] = { 0, -1, 2, 0, 4, -1, 2 }, expected[] = { 5, 3, 7, 1, 4, 2, 6 };
    kith_pool pool = kith_pool_open(1);
    kith_result r[7], held;

    reset();
    held = kith_apply_async(pool, hold, 0);
    await(&shared->held, 1);
    for (int i = 0; i < 7; i++) {
        PASS(kith_priority(priorities[i]));
        r[i] = kith_apply_async(pool, note, i + 1);
    }
    PASS(kith_priority(0));
    atomic_store(&shared->gate, 1);
    CU_ASSERT_EQUAL(kith_results_wait(r, 7, 7, 30000), 7);
    /* Of two rows of one priority each would have its turn after a while: these are done before that. */
    CU_ASSERT(is_order(expected, 7));
    for (int i = 0; i < 7; i++)
        PASS(kith_result_drop(r[i]));
    PASS(kith_result_drop(held));
    PASS(kith_pool_close(pool));
}

static void an_urgent_map_does_not_stand_in_line(void)
{
    enum { LINE = 40 };
    kith_pool pool = kith_pool_open(1);
    kith_result r[LINE + 1], held;
    int in[LINE + 1], out[LINE + 1];

    reset();
    held = kith_apply_async(pool, hold, 0);
    await(&shared->held, 1);
    for (int i = 0; i <= LINE; i++) {
        in[i] = i;
        if (i == LINE)
            PASS(kith_priority(1));
        r[i] = kith_map_async(pool, note, &in[i], &out[i], 1);
    }
    PASS(kith_priority(0));
    atomic_store(&shared->gate, 1);
    for (int i = 0; i <= LINE; i++)
        PASS(kith_result_get(r[i], NULL, 0, 30000));
    CU_ASSERT_EQUAL(atomic_load(&shared->order[0]), LINE);
    PASS(kith_result_drop(held));
    PASS(kith_pool_close(pool));
}

static int inner(int x)
{
    return kith__turn.priority == 3 ? x : -1;
}

static int outer(const void *in, void *out)
{
    kith_pool pool = *(const kith_pool *)in;
    int x[4] = { 1, 2, 3, 4 }, y[4], rc = kith_map(pool, inner, x, y, 4);

    *(int *)out = y[0] + y[3] + (kith_priority(0) == KITH_EINVAL ? 0 : 100);
    return rc;
}

static void what_a_task_calls_has_the_priority_of_its_call(void)
{
    kith_pool pool = kith_pool_open(2);
    int y;

    PASS(kith_priority(3));
    PASS(kith_pool_apply(pool, outer, KITH_ARG(pool), KITH_ARG(y)));
    CU_ASSERT_EQUAL(y, 5);
    PASS(kith_priority(0));
    PASS(kith_pool_close(pool));
}

static void wrong_priorities_are_a_sentence(void)
{
    FAILS_WITH(KITH_EINVAL, kith_priority(5));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "-4 to 4"));
    FAILS_WITH(KITH_EINVAL, kith_priority(-5));
    PASS(kith_priority(0));
}

/* ---- which of the jobs: played in one process */

static kith_pool quiet;
static struct kith__object *object;
static struct kith__pool *board;

static uint32_t post(uint64_t root, int priority, uint64_t units)
{
    struct kith__job *j;
    uint32_t number;
    int rc;

    kith__guard_enter(&object->guard);
    j = kith__job_take(object, &number, &rc);
    kith__object_leave(object);
    CU_ASSERT_FATAL(j != NULL);
    j->root = root;
    j->priority = priority;
    j->units = units;
    kith__job_post(board, j, number);
    atomic_store(&j->limit, units); /* nobody is woken */
    return number;
}

static uint32_t find(struct kith__lane *lane)
{
    uint32_t number = UINT32_MAX;
    struct kith__job *j = kith__job_find(board, lane, &number);

    if (j)
        kith__job_leave(lane, j);
    return j ? number : UINT32_MAX;
}

/* A lane that has nothing to do with those of the pool, whose workers are busy. */
static void a_job_is_found_by_priority_workers_turn_and_age(void)
{
    static struct kith__lane me; /* large */
    struct kith__lane *other;
    uint32_t a, b, low, high, nested;
    uint64_t was;
    kith_result held[2];

    reset();
    quiet = kith_pool_open(2);
    CU_ASSERT_FATAL(kith__pool_find(quiet, &object) == 0);
    board = kith__pool_body(object);
    for (int i = 0; i < 2; i++)
        held[i] = kith_apply_async(quiet, hold, 0);
    await(&shared->held, 2);
    a = post(0, 0, 10);
    CU_ASSERT_EQUAL(find(&me), a);
    b = post(0, 0, 10);
    CU_ASSERT(find(&me) == b && find(&me) == a && find(&me) == b); /* each in turn */
    CU_ASSERT_EQUAL(me.rivals, KITH__RIVALS_EQUAL);
    other = kith__lane(board, 1);
    was = atomic_exchange(&other->touching[0], kith__touch(1, b));
    CU_ASSERT(find(&me) == a && find(&me) == a); /* b has a worker */
    nested = post(atomic_load(&kith__post(board, a)->root), 0, 10);
    CU_ASSERT_EQUAL(find(&me), a); /* the oldest of its call */
    CU_ASSERT_EQUAL(kith__job_rivals(board, kith__post_job(kith__post(board, b))), KITH__RIVALS_EQUAL);
    low = post(0, -1, 10);
    CU_ASSERT_EQUAL(find(&me), a);
    high = post(0, 1, 10);
    CU_ASSERT_EQUAL(find(&me), high);
    CU_ASSERT_EQUAL(me.rivals, KITH__RIVALS_NONE);
    CU_ASSERT_EQUAL(kith__job_rivals(board, kith__post_job(kith__post(board, a))), KITH__RIVALS_HIGHER);
    CU_ASSERT_EQUAL(kith__job_rivals(board, kith__post_job(kith__post(board, high))), KITH__RIVALS_NONE);
    atomic_store(&other->touching[0], was);
    kith__job_withdraw(board, high);
    kith__job_withdraw(board, a);
    CU_ASSERT(find(&me) == nested || find(&me) == nested); /* or first b, by turns */
    kith__job_withdraw(board, b);
    kith__job_withdraw(board, nested);
    CU_ASSERT_EQUAL(find(&me), low);
    kith__job_withdraw(board, low);
    CU_ASSERT_EQUAL(find(&me), UINT32_MAX);
    atomic_store(&shared->gate, 1);
    for (int i = 0; i < 2; i++)
        PASS(kith_result_get(held[i], NULL, 0, 30000));
    PASS(kith_pool_close(quiet));
}

/* The other worker is busy for long, and so is not one that is about to look around. Nobody but the poster
 * wakes the one that sleeps, which looks by itself once in a second. */
static void a_single_task_wakes_the_only_worker_that_is_idle(void)
{
    kith_pool two = kith_pool_open(2);
    kith_result busy;
    int64_t start;
    int y;

    reset();
    busy = kith_apply_async(two, hold, 0);
    await(&shared->held, 1);
    start = kith__now_ns();
    for (int i = 0; i < 8; i++) {
        kith__nap(5 * KITH__MS);
        PASS(kith_apply(two, note, &y, i));
    }
    CU_ASSERT(kith__now_ns() - start < 3000 * KITH__MS);
    atomic_store(&shared->gate, 1);
    PASS(kith_get(busy, &y));
    PASS(kith_pool_close(two));
}

static struct test tests[] = { TEST(a_short_call_passes_a_long_map),
                               TEST(a_short_call_passes_a_long_map_on_one_worker),
                               TEST(so_does_one_whose_data_comes_late),
                               TEST(a_single_task_passes_a_long_map),
                               TEST(a_single_task_wakes_the_only_worker_that_is_idle),
                               TEST(a_short_call_passes_the_shares_of_a_long_loop),
                               TEST(a_call_passes_one_of_lower_priority),
                               TEST(workers_are_there_for_both_of_two_calls),
                               TEST(tasks_are_begun_by_priority_and_then_in_order),
                               TEST(an_urgent_map_does_not_stand_in_line),
                               TEST(what_a_task_calls_has_the_priority_of_its_call),
                               TEST(wrong_priorities_are_a_sentence),
                               TEST(a_job_is_found_by_priority_workers_turn_and_age),
                               TEST_END };

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith__failpoint_hook = be_slow;
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("turn", tests);
    return kith_finalize() ? 1 : rc;
}
