/* test_inner.c: calls that tasks make in their own pool, with deaths in the middle of them. */
#include "config.h"
#include "check.h"
#include "pool/call.h"
#include "shm/heap.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* A process costs some 20 ms more with a sanitizer: not each step. */
enum { STRIDE = SANITIZED ? 17 : 1, UNITS = 5 };

static struct shared {
    _Atomic int has_died, steps_to_live, begun;
} * shared; /* by all processes */

static uint64_t used_blocks(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_blocks;
}

static void await_blocks(uint64_t before)
{
    for (int i = 0; i < 3000 && used_blocks() > before; i++)
        usleep(i < 100 ? 100 : 10000);
    CU_ASSERT_EQUAL(used_blocks(), before);
}

static void die_at_a_step(const char *step)
{
    (void)step;
    if (atomic_fetch_sub(&shared->steps_to_live, 1) == 0) {
        atomic_store(&shared->has_died, 1);
        raise(SIGKILL);
    }
}

struct part {
    kith_pool pool;
    int n;
};

/* The sum of 1 to n, of whom n are below it. */
static int sum_up(const void *in, void *out)
{
    const struct part *x = in;
    struct part below[UNITS];
    int sums[UNITS], sum = x->n;

    for (int i = 0; i < x->n; i++)
        below[i] = (struct part){ x->pool, i };
    if (x->n > 0 && kith_map(x->pool, sum_up, below, sums, (size_t)x->n) < 0)
        return 1;
    for (int i = 0; i < x->n; i++)
        sum += sums[i];
    *(int *)out = sum;
    return 0;
}

static int expected(int n)
{
    int sum = n;

    for (int i = 0; i < n; i++)
        sum += expected(i);
    return sum;
}

static int sum_up_and_die(const void *in, void *out)
{
    int rc;

    if (!atomic_load(&shared->has_died))
        kith__failpoint_hook = die_at_a_step;
    rc = sum_up(in, out);
    kith__failpoint_hook = NULL;
    return rc;
}

/* 1: it came to its end without a death. */
static int die_at(int step, int workers)
{
    kith_pool pool = near_pool(workers);
    struct part in = { pool, 3 };
    int out = -1;

    atomic_store(&shared->has_died, 0);
    atomic_store(&shared->steps_to_live, step);
    PASS(kith_map(pool, sum_up_and_die, &in, &out, 1));
    CU_ASSERT_EQUAL(out, expected(3));
    PASS(kith_pool_close(pool));
    return !atomic_load(&shared->has_died);
}

static void a_death_at_any_step_leaves_nothing(void)
{
    uint64_t before = used_blocks();
    int step = 0;

    /* With another worker there may be fewer steps, as that takes some of them. */
    for (; !die_at(step, 1) && !CU_get_number_of_failures(); step += STRIDE)
        die_at(step, 2);
    CU_ASSERT(step > 50);
    await_blocks(before);
}

/* None ends before two are begun, by two workers. The second one dies as it is tried first. */
static int meet(const void *in, void *out)
{
    int i = *(const int *)in;

    atomic_fetch_add(&shared->begun, 1);
    while (atomic_load(&shared->begun) < 2)
        sched_yield();
    if (i == 1 && !atomic_exchange(&shared->has_died, 1))
        raise(SIGKILL);
    *(int *)out = i + 10;
    return 0;
}

static int meet_in_own_call(const void *in, void *out)
{
    kith_pool pool = *(const kith_pool *)in;
    int units[UNITS] = { 0, 1, 2, 3, 4 }, results[UNITS];

    for (int k = 0; k < 3; k++) {
        memset(results, 0, sizeof results);
        if (kith_map(pool, meet, units, results, UNITS) < 0)
            return 1;
        for (int i = 0; i < UNITS; i++)
            if (results[i] != i + 10)
                return 2;
    }
    *(int *)out = 1;
    return 0;
}

static void what_another_worker_takes_survives_its_death(void)
{
    uint64_t before = used_blocks();
    kith_pool pool = near_pool(2);
    int out = 0;

    memset((void *)shared, 0, sizeof *shared);
    PASS(kith_map(pool, meet_in_own_call, &pool, &out, 1));
    CU_ASSERT(out == 1 && atomic_load(&shared->has_died) == 1);
    PASS(kith_pool_close(pool));
    await_blocks(before);
}

static int fail_at_odd(const void *in, void *out)
{
    int i = *(const int *)in;

    if (i % 2)
        return kith_fail(7, "%d is odd", i);
    *(int *)out = i;
    return 0;
}

static int fail_in_own_call(const void *in, void *out)
{
    kith_pool pool = *(const kith_pool *)in;
    int units[UNITS] = { 0, 1, 2, 3, 4 }, results[UNITS] = { -1, -1, -1, -1, -1 };
    struct kith_fault f;

    if (kith_map(pool, fail_at_odd, units, results, UNITS) != KITH_ETASK)
        return 1;
    for (int i = 0; i < UNITS; i++)
        if (results[i] != (i % 2 ? -1 : i))
            return 2;
    if (kith_last_fault(&f, 1) != 0 || f.task != 3 || f.code != 7)
        return 3;
    units[1] = units[3] = 6;
    if (kith_map(pool, fail_at_odd, units, results, UNITS) != 0 || results[3] != 6)
        return 4;
    *(int *)out = 1;
    return 0;
}

static void failures_are_told_to_the_task_that_called(void)
{
    for (int workers = 1; workers <= 2; workers++) {
        kith_pool pool = kith_pool_open(workers);
        int out = 0;

        PASS(kith_map(pool, fail_in_own_call, &pool, &out, 1));
        CU_ASSERT_EQUAL(out, 1);
        PASS(kith_pool_close(pool));
    }
}

/* Workers that are replaced leave no places behind. */
static void workers_that_wear_out_leave_no_places(void)
{
    kith_pool pool = kith_pool_open_with(1, .tasks_per_worker = 1);
    struct part in = { pool, UNITS };
    struct kith__object *o;
    int out;

    for (int i = 0; i < 20; i++) {
        PASS(kith_map(pool, sum_up, &in, &out, 1));
        CU_ASSERT_EQUAL(out, expected(UNITS));
    }
    PASS(kith__pool_find(pool, &o));
    CU_ASSERT(atomic_load(&kith__pool_body(o)->free_from) <= UNITS + 2);
    PASS(kith_pool_close(pool));
}

static struct test tests[] = {
    TEST(a_death_at_any_step_leaves_nothing),
    TEST(what_another_worker_takes_survives_its_death),
    TEST(failures_are_told_to_the_task_that_called),
    TEST(workers_that_wear_out_leave_no_places),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("inner calls", tests);
    return kith_finalize() ? 1 : rc;
}
