/* test_row.c: rows of tasks, and deaths at each step of giving, running and taking one. */
#include "config.h"
#include "pool/feed.h"
#include "check.h"
#include "shm/heap.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
    _Atomic int countdown; /* steps of a worker until one dies; 0: none does */
    _Atomic int runs;
} * shared;
/* With a sanitizer a process takes some 20 ms to start. */
enum { STRIDE = SANITIZED ? 7 : 1 };
static int steps_to_live; /* of this process; 0: for ever */

/* Set before kith_init, so in all processes. */
static void die_in_turn(const char *step)
{
    (void)step;
    if (steps_to_live > 0 && --steps_to_live == 0)
        raise(SIGKILL);
    if (kith_worker() >= 0 && atomic_load(&shared->countdown) > 0 &&
        atomic_fetch_sub(&shared->countdown, 1) == 1)
        raise(SIGKILL);
}

static int cube(int x)
{
    atomic_fetch_add(&shared->runs, 1);
    return x * x * x;
}

static int fails(int x)
{
    return kith_fail(x, "as it must");
}

static uint64_t used_blocks(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_blocks;
}

/* There may be fewer: what the one before has left is settled after its end. */
static void await_blocks(uint64_t before, int step)
{
    for (int i = 0; i < 3000 && used_blocks() > before; i++)
        usleep(i < 100 ? 100 : 10000);
    if (used_blocks() > before)
        printf("\n    killed at step %d: %d blocks are left\n", step, (int)(used_blocks() - before));
    CU_ASSERT_FATAL(used_blocks() <= before);
}

/* Whatever it was in the middle of: each task ends once, and in the right way. */
static void a_worker_dies_at_each_step(void)
{
    enum { N = 3 };
    uint64_t before = used_blocks();
    int step = 0, died = 1;

    while (died) {
        kith_pool pool = near_pool(1, .tries = 1000000);
        kith_result r[N], bad;
        int y;

        PASS(kith_apply(pool, cube, &y, 1)); /* it is up */
        atomic_store(&shared->runs, 0);
        step += STRIDE;
        atomic_store(&shared->countdown, step);
        for (int i = 0; i < N; i++)
            r[i] = kith_apply_async(pool, cube, i + 2);
        bad = kith_apply_async(pool, fails, 9);
        for (int i = 0; i < N; i++) {
            PASS(kith_get(r[i], &y));
            CU_ASSERT_EQUAL(y, (i + 2) * (i + 2) * (i + 2));
        }
        FAILS_WITH(KITH_ETASK, kith_get(bad, &y));
        CU_ASSERT(atomic_load(&shared->runs) <= N + 1);
        died = atomic_exchange(&shared->countdown, 0) <= 0;
        PASS(kith_pool_close(pool));
    }
    CU_ASSERT(step > 30);
    /* The last feed of this process goes with the next one that is made. */
    CU_ASSERT(used_blocks() <= before + 16);
}

struct doomed {
    kith_pool pool;
    int steps;
};

static int give_take_and_die(const void *arg)
{
    const struct doomed *d = arg;
    kith_result r[4];
    kith_iter it;
    int y = 0, in[3] = { 1, 2, 3 }, code = 0;

    steps_to_live = d->steps;
    for (int i = 0; i < 4; i++)
        r[i] = kith_apply_async(d->pool, cube, i);
    for (int i = 1; i < 4; i++)
        code |= kith_get(r[i], &y) != 0 || y != i * i * i;
    it = kith_imap(d->pool, cube, in, 3);
    code |= kith_next(it, &y) != 0 || y != 1;
    code |= kith_iter_close(it) != 0;
    steps_to_live = 0;
    return code;
}

/* Through the agent each seat that is used for the first time gets a mailbox, which it keeps. */
static void have_an_owner_that_lives(void)
{
    struct doomed d = { near_pool(2), 0 };
    kith_process p = near_process(give_take_and_die, KITH_ARG(d));

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_close(p));
    PASS(kith_pool_close(d.pool));
}

/* Its tasks, and all memory that they had, are gone; the pool is not. */
static void an_owner_dies_at_each_step(void)
{
    int code = -SIGKILL, y;
    struct doomed d = { .steps = 0 };

    have_an_owner_that_lives();
    while (code == -SIGKILL) {
        uint64_t before = used_blocks();
        kith_process p;

        d.pool = near_pool(2);
        d.steps += STRIDE;
        p = near_process(give_take_and_die, KITH_ARG(d));
        PASS(kith_process_join(p, KITH_FOREVER));
        PASS(kith_process_exitcode(p, &code));
        PASS(kith_process_close(p));
        PASS(kith_apply(d.pool, cube, &y, 3));
        PASS(kith_pool_close(d.pool));
        await_blocks(before, d.steps);
    }
    CU_ASSERT_EQUAL(code, 0);
    CU_ASSERT(d.steps > 50);
}

/* Chunks go back as their results are taken, and those of what was dropped, too; while a worker stands still
 * in the middle of a task, those behind it stay. */
static void memory_is_bounded_by_what_is_under_way(void)
{
    kith_pool pool = near_pool(2);
    kith_result r[500];
    uint64_t most = 0;
    int y;

    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 500; i++)
            r[i] = kith_apply_async(pool, cube, i);
        for (int i = 0; i < 500; i++)
            if (i % 3)
                PASS(kith_get(r[i], &y));
            else
                PASS(kith_result_drop(r[i]));
        if (round == 20)
            most = used_blocks();
    }
    for (int i = 0; i < 3000 && used_blocks() > most + 3; i++) {
        PASS(kith_get(kith_apply_async(pool, cube, i), &y));
        usleep(i < 100 ? 100 : 10000);
    }
    CU_ASSERT(used_blocks() <= most + 3);
    PASS(kith_pool_close(pool));
}

static struct test tests[] = {
    TEST(memory_is_bounded_by_what_is_under_way),
    TEST(a_worker_dies_at_each_step),
    TEST(an_owner_dies_at_each_step),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith__failpoint_hook = die_in_turn;
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("row", tests);
    return kith_finalize() ? 1 : rc;
}
