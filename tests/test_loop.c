/* test_loop.c: loops of cheap blocks: how they are claimed, that dear ones are shared all the same, and
 * callers that work on them, too. */
#include "config.h"
#include "check.h"
#include "base/system.h"
#include "object/object.h"
#include "pool/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { WORKERS = 2, BLOCKS = 128, FEW = 8 };

static struct shared {
    _Atomic int counts, claims;
    _Atomic int alone;      /* 1: a task has waited for its neighbour in vain */
    _Atomic int pid[FEW];   /* who has begun the block */
    _Atomic int runs[4096]; /* of each index */
} * shared;                 /* by all processes */

static kith_pool pool;

static void hook(const char *step)
{
    if (shared->counts && strcmp(step, "claim: confirmed") == 0)
        atomic_fetch_add(&shared->claims, 1);
}

static int goes_on(int64_t *end)
{
    if (*end == 0)
        *end = kith__now_ns() + 10000 * KITH__MS;
    sched_yield();
    return kith__now_ns() < *end;
}

static int count(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    for (uint64_t i = lo; i < hi; i++)
        atomic_fetch_add(&shared->runs[i], 1);
    return 0;
}

/* Its cost has nothing to do with its neighbour's. */
static int count_unevenly(uint64_t lo, uint64_t hi, const void *arg)
{
    int64_t until = kith__now_ns() + (lo * 2654435761u >> 7) % 16 / 15 * 300000;

    while (kith__now_ns() < until)
        ;
    return count(lo, hi, arg);
}

static int wrong(int n)
{
    int wrong = 0;

    for (int i = 0; i < n; i++)
        wrong += atomic_exchange(&shared->runs[i], 0) != 1;
    return wrong;
}

/* A machine that has much to do stops a worker in the middle of its share, which seems to be dear then: so
 * the best of some. */
static void an_even_loop_is_claimed_by_shares(void)
{
    int least = BLOCKS;

    for (int round = 0; round < 50; round++) {
        atomic_store(&shared->claims, 0);
        atomic_store(&shared->counts, 1);
        PASS(kith_for(pool, count, NULL, 0, BLOCKS));
        atomic_store(&shared->counts, 0);
        CU_ASSERT_EQUAL(wrong(BLOCKS), 0);
        if (atomic_load(&shared->claims) < least)
            least = atomic_load(&shared->claims);
    }
    CU_ASSERT(least <= WORKERS + 2);
}

/* ---- maps */

static int begins_and_awaits(int i)
{
    int64_t end = 0;

    atomic_fetch_add(&shared->runs[i], 1);
    while (atomic_load(&shared->runs[i ^ 1]) == 0 && !atomic_load(&shared->alone))
        if (!goes_on(&end))
            atomic_store(&shared->alone, 1);
    return i + 1;
}

static int one_more(int i)
{
    return i + 1;
}

static void map_by_ones(int (*fn)(int))
{
    kith_pool ones = near_pool(WORKERS, .chunk = 1);
    static int in[4096], out[4096];

    for (int i = 0; i < 4096; i++)
        in[i] = i;
    atomic_store(&shared->claims, 0);
    atomic_store(&shared->counts, 1);
    PASS(kith_map(ones, fn, in, out, 4096));
    atomic_store(&shared->counts, 0);
    for (int i = 0; i < 4096; i++)
        CU_ASSERT_EQUAL_FATAL(out[i], i + 1);
    PASS(kith_pool_close(ones));
}

/* However cheap they are. */
static void chunks_of_one_are_claimed_one_by_one(void)
{
    map_by_ones(one_more);
    CU_ASSERT_EQUAL(atomic_load(&shared->claims), 4096);
}

/* Each of two is begun by another worker, though tasks are short: nobody holds one back behind another. */
static void tasks_of_a_map_may_wait_for_their_neighbours(void)
{
    map_by_ones(begins_and_awaits);
    CU_ASSERT_EQUAL(wrong(4096), 0);
    CU_ASSERT_EQUAL(atomic_load(&shared->alone), 0);
}

/* ---- contexts */

enum { ENDS_MOST = 6 << 20 };

/* Both ends of a context of n ints. */
static double ends_of(uint64_t lo, uint64_t hi, const void *arg)
{
    const int *x = arg;
    size_t n = kith_arg_size() / sizeof *x;

    return (double)(hi - lo) * (x[0] + x[n - 1]);
}

/* A small one lies in the job, a larger one in a block that stays for the next loop, a large one in its own.
 */
static void contexts_have_any_size(void)
{
    static const size_t sizes[] = { 8, 64, 68, 4096, 16, 65536, ENDS_MOST, 64, 8 };
    static int x[ENDS_MOST / sizeof(int)];
    double sum;

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            x[sizes[i] / sizeof *x - 1] = 1000 + (int)i;
            x[0] = 1;
            PASS(kith_sum(pool, ends_of, x, sizes[i], BLOCKS, &sum));
            CU_ASSERT_EQUAL(sum, BLOCKS * (1001.0 + (double)i));
        }
}

static int begins(uint64_t block)
{
    atomic_store(&shared->pid[block], getpid());
    return 0;
}

static int has_begun(int block)
{
    return atomic_load(&shared->pid[block]) != 0;
}

enum { MANY = 4096 };

/* The second half is another worker's share, and takes its time until somebody else has a part of it. */
static int hands_on(uint64_t lo, uint64_t hi, const void *arg)
{
    int64_t end = 0;
    int nobody = 0;

    (void)hi;
    (void)arg;
    if (lo == 0)
        while (!has_begun(0) && goes_on(&end))
            ;
    if (lo < MANY / 2)
        return end && kith__now_ns() >= end ? kith_fail(1, "nobody else came") : 0;
    if (!atomic_compare_exchange_strong(&shared->pid[0], &nobody, getpid()) && nobody != getpid())
        atomic_store(&shared->pid[1], getpid());
    if (!has_begun(1))
        usleep(1000);
    return 0;
}

static void what_is_left_of_a_dear_share_is_for_the_idle(void)
{
    memset((void *)shared->pid, 0, sizeof shared->pid);
    PASS(kith_for(pool, hands_on, NULL, 0, MANY));
    CU_ASSERT(has_begun(1));
}

/* Only blocks that the caller runs are cheap. It has one half as its share, and then of the other. */
static int is_slow_elsewhere(uint64_t lo, uint64_t hi, const void *arg)
{
    int64_t end = 0;

    (void)hi;
    if (getpid() != *(const pid_t *)arg) {
        begins(2);
        if (!has_begun(0) || !has_begun(1))
            usleep(1000);
        return 0;
    }
    begins(lo < MANY / 2 ? 0 : 1);
    while (!has_begun(2) && goes_on(&end))
        ;
    return end && kith__now_ns() >= end ? kith_fail(1, "nobody else came") : 0;
}

static int loop_inside(const void *in, void *out)
{
    pid_t me = getpid();

    *(int *)out = kith_pool_for(*(const kith_pool *)in, is_slow_elsewhere, KITH_ARG(me), MANY);
    return 0;
}

/* A task that waits for its own loop is nowhere among those that have nothing to do. */
static void so_it_is_for_a_task_that_waits_for_its_loop(void)
{
    int rc = -1;

    memset((void *)shared->pid, 0, sizeof shared->pid);
    PASS(kith_pool_map(pool, loop_inside, &pool, sizeof pool, &rc, sizeof rc, 1));
    PASS(rc);
    CU_ASSERT(has_begun(0) && has_begun(1));
}

static void each_block_runs_once_however_uneven(void)
{
    int n[] = { 1, 2, 3, 5, 127, 1000, 4096 };

    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++)
        for (int round = 0; round < (n[i] > 1000 ? 1 : 4); round++) {
            PASS(kith_for(pool, n[i] > 1000 ? count : count_unevenly, NULL, 0, (uint64_t)n[i]));
            CU_ASSERT_EQUAL(wrong(n[i]), 0);
        }
}

/* A block waits for the next one, which is another worker's when claims are of one block. */
static int meets_its_neighbour(uint64_t lo, uint64_t hi, const void *arg)
{
    int64_t end = 0;

    (void)hi;
    (void)arg;
    begins(lo);
    while (!has_begun((int)(lo ^ 1)) && goes_on(&end))
        ;
    return end && kith__now_ns() >= end ? kith_fail(1, "nobody else came") : 0;
}

static void a_pool_with_chunk_is_obeyed(void)
{
    kith_pool ones = near_pool(WORKERS, .chunk = 1);

    memset((void *)shared->pid, 0, sizeof shared->pid);
    PASS(kith_for(ones, meets_its_neighbour, NULL, 0, FEW));
    PASS(kith_pool_close(ones));
}

/* ---- .caller */

static int meets_the_caller(uint64_t lo, uint64_t hi, const void *arg)
{
    atomic_store(&shared->runs[lo], kith_worker() + 1);
    return meets_its_neighbour(lo, hi, arg);
}

/* Two blocks that wait for each other: the only worker has one, and the caller the other. */
static void the_caller_works_while_it_waits(void)
{
    kith_pool one = near_pool(1, .caller = 1);

    memset((void *)shared->pid, 0, sizeof shared->pid);
    PASS(kith_for(one, meets_the_caller, NULL, 0, 2));
    CU_ASSERT(shared->pid[0] == getpid() || shared->pid[1] == getpid());
    CU_ASSERT(shared->pid[0] != shared->pid[1]);
    CU_ASSERT_EQUAL(atomic_exchange(&shared->runs[0], 0) + atomic_exchange(&shared->runs[1], 0), 1 + 2);
    CU_ASSERT_EQUAL(kith_worker(), -1);
    PASS(kith_pool_close(one));
}

static double third(double x)
{
    return x / 3.0;
}

static double who(double x)
{
    return x * 0.0 + (double)getpid();
}

/* What has to be copied to the tasks is copied by the caller, which has no time for them. */
static void a_caller_that_copies_runs_no_tasks(void)
{
    kith_pool one = near_pool(1, .caller = 1);
    double in[100], out[100], mine = 0.0;

    for (int i = 0; i < 100; i++)
        in[i] = i;
    PASS(kith_map(one, who, in, out, 100));
    for (int i = 0; i < 100; i++)
        mine += out[i] == (double)getpid();
    CU_ASSERT_EQUAL(mine, 0.0);
    PASS(kith_map(one, third, in, out, 100));
    CU_ASSERT_EQUAL(out[99], 99 / 3.0);
    PASS(kith_pool_close(one));
}

static int fail_here(uint64_t lo, uint64_t hi, const void *arg)
{
    meets_its_neighbour(lo, hi, arg);
    return getpid() == *(const int *)arg ? kith_fail(77, "here") : 0;
}

static void a_task_that_fails_in_the_caller_is_told_like_any_other(void)
{
    kith_pool one = near_pool(1, .caller = 1);
    int me = getpid();
    struct kith_fault f;

    memset((void *)shared->pid, 0, sizeof shared->pid);
    FAILS_WITH(KITH_ETASK, kith_for(one, fail_here, KITH_ARG(me), 2));
    CU_ASSERT(kith_last_fault(&f, 0) == 0 && f.code == 77 && f.pid == me && f.worker == 1);
    CU_ASSERT_EQUAL(kith_last_fault(&f, 1), KITH_EEND);
    PASS(kith_pool_close(one));
}

static int ready, left; /* in each process */

static int initialize(const void *arg)
{
    ready += *(const int *)arg;
    return 0;
}

static int leave(const void *arg)
{
    left += *(const int *)arg;
    return 0;
}

static int is_ready(uint64_t lo, uint64_t hi, const void *arg)
{
    meets_its_neighbour(lo, hi, arg);
    return ready == 5 ? 0 : kith_fail(1, "%d", ready);
}

static void the_initializer_runs_once_in_the_caller(void)
{
    int five = 5;
    kith_pool one =
        near_pool(1, .caller = 1, .init = initialize, .exit = leave, .arg = &five, .arg_size = sizeof five);

    ready = left = 0;
    for (int i = 0; i < 3; i++) {
        memset((void *)shared->pid, 0, sizeof shared->pid);
        PASS(kith_for(one, is_ready, NULL, 0, 2));
    }
    CU_ASSERT_EQUAL(ready, 5);
    PASS(kith_pool_close(one));
    CU_ASSERT_EQUAL(left, 5);
}

static double part(uint64_t lo, uint64_t hi, const void *arg)
{
    double sum = 0.0;

    (void)arg;
    for (uint64_t i = lo; i < hi; i++)
        sum += kith_uniform(0.0, 1.0) / (double)(i + 1);
    return sum;
}

static int sums_inside(uint64_t lo, uint64_t hi, const void *arg)
{
    kith_pool p = *(const kith_pool *)arg;
    double sum;

    (void)lo;
    (void)hi;
    return kith_sum(p, part, NULL, 0, 1000, &sum);
}

/* Also in threads at once, and from tasks of the pool, in the caller or a worker. */
static void *sum_up(void *to)
{
    kith_pool p = *(kith_pool *)to;

    for (int i = 0; i < 20; i++)
        PASS(kith_for(p, sums_inside, KITH_ARG(p), 16));
    return NULL;
}

static void callers_at_once_and_calls_in_calls(void)
{
    kith_pool one = near_pool(1, .caller = 1);
    pthread_t thread[3];

    for (int i = 0; i < 3; i++)
        CU_ASSERT_FATAL(pthread_create(&thread[i], NULL, sum_up, &one) == 0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    PASS(kith_pool_close(one));
}

static struct test tests[] = {
    TEST(an_even_loop_is_claimed_by_shares),
    TEST(what_is_left_of_a_dear_share_is_for_the_idle),
    TEST(so_it_is_for_a_task_that_waits_for_its_loop),
    TEST(each_block_runs_once_however_uneven),
    TEST(a_pool_with_chunk_is_obeyed),
    TEST(contexts_have_any_size),
    TEST(chunks_of_one_are_claimed_one_by_one),
    TEST(tasks_of_a_map_may_wait_for_their_neighbours),
    TEST(the_caller_works_while_it_waits),
    TEST(a_caller_that_copies_runs_no_tasks),
    TEST(a_task_that_fails_in_the_caller_is_told_like_any_other),
    TEST(the_initializer_runs_once_in_the_caller),
    TEST(callers_at_once_and_calls_in_calls),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith__failpoint_hook = hook;
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    pool = near_pool(WORKERS);
    rc = run_tests("loop", tests);
    kith_pool_close(pool);
    return kith_finalize() ? 1 : rc;
}
