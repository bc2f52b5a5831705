/* test_loop.c: loops of cheap blocks: how they are claimed, and that dear ones are shared all the same. */
#include "config.h"
#include "check.h"
#include "base/system.h"
#include "object/object.h"
#include "pool/pool.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { WORKERS = 2, BLOCKS = 128, FEW = 8 };

static struct shared {
    _Atomic int counts, claims;
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
    kith_pool ones = kith_pool_open_with(WORKERS, .chunk = 1);

    memset((void *)shared->pid, 0, sizeof shared->pid);
    PASS(kith_for(ones, meets_its_neighbour, NULL, 0, FEW));
    PASS(kith_pool_close(ones));
}

static struct test tests[] = { TEST(an_even_loop_is_claimed_by_shares),
                               TEST(what_is_left_of_a_dear_share_is_for_the_idle),
                               TEST(so_it_is_for_a_task_that_waits_for_its_loop),
                               TEST(each_block_runs_once_however_uneven),
                               TEST(a_pool_with_chunk_is_obeyed),
                               TEST_END };

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith__failpoint_hook = hook;
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    pool = kith_pool_open(WORKERS);
    rc = run_tests("loop", tests);
    kith_pool_close(pool);
    return kith_finalize() ? 1 : rc;
}
