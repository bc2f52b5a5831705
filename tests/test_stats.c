/* test_stats.c: what a pool tells of its workers, and of the slowest tasks. */
#include "config.h"
#include "check.h"
#include "base/system.h"
#include "object/object.h"
#include "pool/board.h"

#include <signal.h>
#include <time.h>

enum { MS = 1000 };

static int same(int x)
{
    return x;
}

static int naps(int ms)
{
    usleep((unsigned)ms * MS);
    return ms;
}

static int is_there(const void *arg)
{
    (void)arg;
    return 0;
}

static kith_pool open_ready(int workers)
{
    return kith_pool_open_with(workers, .init = is_there);
}

static struct kith_pool_stats stats_of(kith_pool pool)
{
    struct kith_pool_stats s;

    memset(&s, -1, sizeof s);
    PASS(kith_pool_stats(pool, &s));
    return s;
}

static int is_near(double x, double y)
{
    return x - y < 1e-3 && y - x < 1e-3;
}

/* That task among them, where it has taken so long: it may lie among those of another worker, too. NULL: it
 * is not there. */
static const struct kith_slow_task *find(const struct kith_pool_stats *s, uint64_t task, double least)
{
    for (size_t i = 0; i < s->slowest_count; i++)
        if (s->slowest[i].task <= task && task < s->slowest[i].task + s->slowest[i].count &&
            s->slowest[i].seconds >= least)
            return &s->slowest[i];
    return NULL;
}

static void a_new_pool_has_done_nothing(void)
{
    kith_pool pool = open_ready(2);
    struct kith_pool_stats s = stats_of(pool);

    CU_ASSERT(s.workers == 2 && s.all.tasks == 0 && s.all.processes == 2 && s.slowest_count == 0);
    CU_ASSERT(s.all.busy == 0 && s.all.start_up > 0 && s.all.start_up <= 2 * s.open);
    PASS(kith_pool_close(pool));
}

static void tasks_are_counted(void)
{
    struct kith_worker_stats w;
    struct kith_pool_stats s;
    kith_pool pool = open_ready(2);
    uint64_t sum = 0;
    int x[1000], y[1000];

    for (int i = 0; i < 1000; i++)
        x[i] = i;
    PASS(kith_map(pool, same, x, y, 1000));
    PASS(kith_map(pool, same, x, y, 500));
    PASS(kith_apply(pool, same, y, 7));
    s = stats_of(pool);
    for (int i = 0; i < 2; i++) {
        PASS(kith_worker_stats(pool, i, &w));
        CU_ASSERT_EQUAL(w.processes, 1);
        sum += w.tasks;
    }
    CU_ASSERT(s.all.tasks == 1501 && sum == 1501);
    PASS(kith_pool_close(pool));
}

static void all_time_is_somewhere(void)
{
    int x[4] = { 50, 50, 50, 50 }, y[4];
    kith_pool pool = near_pool(2, .init = is_there); /* other nodes join, and answer, some moments later */
    struct kith_pool_stats s;

    PASS(kith_map(pool, naps, x, y, 4));
    s = stats_of(pool);
    CU_ASSERT(s.all.busy >= 0.2);
    CU_ASSERT(is_near(s.all.busy + s.all.waiting + s.all.start_up, 2 * s.open));
    PASS(kith_pool_close(pool));
}

static void what_is_under_way_is_in_the_times(void)
{
    kith_pool pool = open_ready(1);
    kith_result r = kith_apply_async(pool, naps, 60000);
    struct kith_pool_stats s = stats_of(pool);
    double end = kith_time() + SOON / 1000;

    while (s.all.busy < 0.05 && kith_time() < end)
        s = stats_of(pool);
    CU_ASSERT(s.all.busy >= 0.05 && s.all.tasks == 0);
    PASS(kith_result_cancel(r));
    PASS(kith_result_drop(r));
    PASS(kith_pool_close(pool));
}

static int dies(int ms)
{
    naps(ms);
    return raise(SIGKILL);
}

static void the_time_of_the_dead_counts(void)
{
    kith_pool pool = kith_pool_open_with(1, .init = is_there, .tries = 1);
    struct kith_pool_stats s;
    int y;

    FAILS_WITH(KITH_ETASK, kith_apply(pool, dies, &y, 50));
    PASS(kith_apply(pool, same, &y, 1));
    s = stats_of(pool);
    CU_ASSERT(s.all.busy >= 0.05 && s.all.processes == 2);
    CU_ASSERT(is_near(s.all.busy + s.all.waiting + s.all.start_up, s.open));
    PASS(kith_pool_close(pool));
}

/* ---- what has not returned */

static int naps_at_5(int x)
{
    return x == 5 ? naps(60000) : x;
}

static void one_over_its_limit_is_the_slowest(void)
{
    int x[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, y[8];
    kith_pool pool = kith_pool_open_with(2, .init = is_there, .limit_ms = 500);
    struct kith_pool_stats s;

    FAILS_WITH(KITH_ETASK, kith_map(pool, naps_at_5, x, y, 8));
    s = stats_of(pool);
    CU_ASSERT(s.all.tasks == 7 && s.all.ended == 1);
    CU_ASSERT(s.slowest_count > 0 && s.slowest[0].seconds >= 0.3 && s.slowest[0].end == KITH_END_OVER_LIMIT);
    CU_ASSERT(s.slowest[0].task + s.slowest[0].count == 6 && s.slowest[0].pid > 1);
    CU_ASSERT_STRING_EQUAL(s.slowest[0].function, "naps_at_5");
    for (size_t i = 1; i < s.slowest_count; i++)
        CU_ASSERT_EQUAL(s.slowest[i].end, 0);
    PASS(kith_pool_close(pool));
}

static void each_try_of_one_that_dies_counts(void)
{
    kith_pool pool = kith_pool_open_with(1, .init = is_there, .tries = 3);
    struct kith_pool_stats s;
    int y;

    FAILS_WITH(KITH_ETASK, kith_apply(pool, dies, &y, 20));
    s = stats_of(pool);
    CU_ASSERT(s.all.tasks == 0 && s.all.ended == 3 && s.slowest_count == 3);
    for (size_t i = 0; i < s.slowest_count; i++) {
        CU_ASSERT(s.slowest[i].seconds >= 0.02 && s.slowest[i].end == KITH_END_SIGNALLED);
        CU_ASSERT(s.slowest[i].pid != s.slowest[(i + 1) % 3].pid);
        CU_ASSERT_STRING_EQUAL(s.slowest[i].function, "dies");
    }
    PASS(kith_pool_close(pool));
}

static int exits_at_5(int x)
{
    if (x == 5)
        _exit(naps(30));
    return x;
}

static void what_a_dead_one_has_run_of_its_claim_counts(void)
{
    int x[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, y[10];
    kith_pool pool = kith_pool_open_with(1, .init = is_there, .chunk = 10, .tries = 1);
    const struct kith_slow_task *slow;
    struct kith_pool_stats s;

    FAILS_WITH(KITH_ETASK, kith_map(pool, exits_at_5, x, y, 10));
    s = stats_of(pool);
    CU_ASSERT(s.all.tasks == 9 && s.all.ended == 1);
    slow = find(&s, 5, 0.03); /* a machine that stands still makes another one slower */
    CU_ASSERT(slow && slow->end == KITH_END_EXITED && slow->task == 0 && slow->count == 6);
    PASS(kith_pool_close(pool));
}

static int naps_in_public(kith_event begun)
{
    kith_event_set(begun);
    return naps(60000);
}

static void one_that_is_cancelled_counts(void)
{
    kith_pool pool = open_ready(1);
    kith_event begun = kith_event_open();
    kith_result r = kith_apply_async(pool, naps_in_public, begun);
    struct kith_pool_stats s;

    PASS(kith_event_wait(begun, SOON)); /* a worker is busy before it has claimed anything */
    naps(20);
    PASS(kith_result_cancel(r));
    AWAIT((s = stats_of(pool)).all.ended == 1);
    CU_ASSERT(s.all.tasks == 0 && s.all.ended == 1 && s.slowest_count == 1);
    CU_ASSERT(s.slowest[0].seconds >= 0.02 && s.slowest[0].end == KITH_END_SIGNALLED);
    CU_ASSERT_STRING_EQUAL(s.slowest[0].function, "naps_in_public");
    PASS(kith_result_drop(r));
    PASS(kith_event_close(begun));
    PASS(kith_pool_close(pool));
}

static int calls_naps(const void *in, void *out)
{
    return kith_apply(*(const kith_pool *)in, naps, (int *)out, 60000);
}

static void of_nested_ones_the_outermost_is_told(void)
{
    kith_pool pool = kith_pool_open_with(1, .init = is_there, .limit_ms = 500, .tries = 1);
    struct kith_pool_stats s;
    int y;

    FAILS_WITH(KITH_ETASK, kith_pool_apply(pool, calls_naps, &pool, sizeof pool, &y, sizeof y));
    s = stats_of(pool);
    CU_ASSERT(s.all.tasks == 0 && s.all.ended == 2 && s.slowest_count == 1);
    CU_ASSERT(s.slowest[0].seconds >= 0.3 && s.slowest[0].end == KITH_END_OVER_LIMIT);
    CU_ASSERT_STRING_EQUAL(s.slowest[0].function, "calls_naps");
    PASS(kith_pool_close(pool));
}

/* ---- the slowest */

static void the_five_slowest_are_told(void)
{
    int x[8] = { 10, 80, 20, 70, 30, 60, 40, 50 }, y[8];
    kith_pool pool = open_ready(2);
    struct kith_pool_stats s;

    PASS(kith_map(pool, naps, x, y, 8));
    s = stats_of(pool);
    CU_ASSERT_EQUAL(s.slowest_count, 5);
    for (size_t i = 0; i < s.slowest_count; i++) {
        CU_ASSERT(s.slowest[i].count == 1 && s.slowest[i].seconds >= (80 - 10 * (double)i) / 1000);
        CU_ASSERT(i == 0 || s.slowest[i].seconds <= s.slowest[i - 1].seconds);
        CU_ASSERT(s.slowest[i].worker >= 0 && s.slowest[i].worker < 2 && s.slowest[i].pid > 1);
        CU_ASSERT_STRING_EQUAL(s.slowest[i].function, "naps");
    }
    PASS(kith_pool_close(pool));
}

static void with_costs_it_is_told_by_its_index(void)
{
    int x[8] = { 0, 0, 0, 0, 0, 0, 50, 0 }, y[8];
    const double costs[8] = { 1, 1, 1, 1, 1, 1, 50, 1 };
    kith_pool pool = open_ready(1);
    const struct kith_slow_task *slow;
    struct kith_pool_stats s;

    PASS(kith_map_costs(pool, naps, x, y, 8, costs));
    s = stats_of(pool);
    slow = find(&s, 6, 0.05);
    CU_ASSERT(slow && slow->count == 1);
    PASS(kith_pool_close(pool));
}

static int naps_at_50000(int x)
{
    return x == 50000 ? naps(300) : x;
}

static void it_is_found_among_short_ones(void)
{
    enum { N = 100000 };
    int *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    static const size_t chunks[] = { 0, 1, 10 };
    double end = kith_time() + SOON / 1000;

    for (int i = 0; i < N; i++)
        x[i] = i;
    for (int k = 0; k < 3; k++) {
        kith_pool pool = kith_pool_open_with(2, .init = is_there, .chunk = chunks[k]);
        struct kith_pool_stats s;

        PASS(kith_map(pool, naps_at_50000, x, y, N));
        /* With a size given, its worker may look at the clock just after the map has returned. */
        do
            s = stats_of(pool);
        while (!find(&s, 50000, 0.3) && kith_time() < end);
        CU_ASSERT(s.all.tasks == N && find(&s, 50000, 0.3));
        PASS(kith_pool_close(pool));
    }
    free(x);
    free(y);
}

static int naps_at_100000(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return lo <= 100000 && 100000 < hi ? naps(30) * 0 : 0;
}

static void a_block_is_its_elements(void)
{
    kith_pool pool = open_ready(2);
    const struct kith_slow_task *slow;
    double end = kith_time() + SOON / 1000;
    struct kith_pool_stats s;

    PASS(kith_pool_for(pool, naps_at_100000, NULL, 0, 1000000));
    do /* its worker looks at the clock behind it */
        s = stats_of(pool);
    while (!(slow = find(&s, 100000, 0.03)) && kith_time() < end);
    CU_ASSERT(slow && strcmp(slow->function, "naps_at_100000") == 0);
    PASS(kith_pool_close(pool));
}

static void single_tasks_are_told_by_their_functions(void)
{
    kith_pool pool = open_ready(2);
    kith_result r = kith_apply_async(pool, naps, 30);
    double end = kith_time() + SOON / 1000;
    struct kith_pool_stats s;
    int y;

    PASS(kith_get(r, &y));
    do /* the result is there before its worker looks at the clock */
        s = stats_of(pool);
    while (s.slowest_count == 0 && kith_time() < end);
    CU_ASSERT(s.slowest_count > 0 && s.slowest[0].seconds >= 0.03 && s.slowest[0].count == 1);
    CU_ASSERT_STRING_EQUAL(s.slowest[0].function, "naps");
    PASS(kith_pool_close(pool));
}

static struct kith__lane lane;
static uint32_t while_changed;

static void look_at_count(const char *step)
{
    if (strcmp(step, "stats: list changed") == 0)
        while_changed = atomic_load(&lane.record.writing);
}

static void who_changes_the_list_says_so_before(void)
{
    static struct kith__job job;
    struct kith__pace pace;

    kith__failpoint_hook = look_at_count;
    kith__pace_begin(&pace, &lane);
    kith__pace_claim(&pace, 0, 1);
    kith__pace_end(&pace, &job);
    kith__failpoint_hook = NULL;
    CU_ASSERT(while_changed % 2 == 1 && atomic_load(&lane.record.writing) == while_changed + 1);
    CU_ASSERT(lane.record.slow[0].ns > 0 && atomic_load(&lane.record.busy_since) == 0);
}

static void after_a_long_claim_the_clock_is_looked_at_again(void)
{
    static struct kith__job job = { .chunk = 1 };
    double end = kith_time() + SOON / 1000;
    struct kith__pace pace;

    kith__pace_begin(&pace, &lane);
    for (uint64_t i = 0; pace.stride < 8 && kith_time() < end; i++) { /* short ones, if the machine permits */
        kith__pace_claim(&pace, i, 1);
        if (kith__pace_is_due(&pace, 1))
            kith__pace_look(&pace, &job);
    }
    CU_ASSERT(pace.stride >= 8);
    naps(1);
    kith__pace_claim(&pace, 0, 1);
    kith__pace_look(&pace, &job);
    CU_ASSERT_EQUAL(pace.stride, 1);
    kith__pace_end(&pace, &job);
}

/* A worker may die over its list: the others' are told all the same. */
static void a_list_that_is_half_written_is_left_out(void)
{
    int x[2] = { 20, 20 }, y[2];
    kith_pool pool = kith_pool_open_with(2, .init = is_there, .chunk = 1);
    struct kith__record *r = &kith__lane(kith__pool_body(kith__object_slot(pool.id)), 0)->record;

    PASS(kith_map(pool, naps, x, y, 2));
    atomic_fetch_add(&r->writing, 1);
    for (size_t i = 0; i < stats_of(pool).slowest_count; i++)
        CU_ASSERT_EQUAL(stats_of(pool).slowest[i].worker, 1);
    kith__record_begin(r); /* as its successor */
    CU_ASSERT(atomic_load(&r->writing) % 2 == 0 && r->slow[0].ns == 0);
    PASS(kith_pool_close(pool));
}

/* ---- limits */

static void wrong_arguments_are_refused(void)
{
    kith_pool pool = kith_pool_open(2);
    struct kith_worker_stats w;
    struct kith_pool_stats s;

    FAILS_WITH(KITH_EINVAL, kith_pool_stats(pool, NULL));
    FAILS_WITH(KITH_EINVAL, kith_worker_stats(pool, 2, &w));
    FAILS_WITH(KITH_EINVAL, kith_worker_stats(pool, -1, &w));
    FAILS_WITH(KITH_EINVAL, kith_worker_stats(pool, 0, NULL));
    PASS(kith_pool_close(pool));
    FAILS_WITH(KITH_ESTALE, kith_pool_stats(pool, &s));
    FAILS_WITH(KITH_ESTALE, kith_worker_stats(pool, 0, &w));
}

static int serial_status; /* of a process that began before this one was a job */

static int calls(const void *in, void *out)
{
    int x = 20;

    return kith_apply(*(const kith_pool *)in, naps, (int *)out, x);
}

static void work_in_serial(void)
{
    struct kith_pool_stats s;
    kith_pool pool;
    int y;

    setenv("KITH_SERIAL", "1", 1);
    REQUIRE(kith_init(NULL, NULL) == 0);
    pool = kith_pool_open(4);
    REQUIRE(kith_pool_apply(pool, calls, &pool, sizeof pool, &y, sizeof y) == 0 && y == 20);
    REQUIRE(kith_pool_stats(pool, &s) == 0 && s.workers == 1 && s.all.tasks == 2);
    REQUIRE(s.all.busy >= 0.02 && s.all.busy < s.open + 1e-6 && s.slowest_count == 2);
    REQUIRE(strcmp(s.slowest[0].function, "calls") == 0 && strcmp(s.slowest[1].function, "naps") == 0);
    REQUIRE(kith_finalize() == 0);
}

static void so_it_is_in_serial(void)
{
    CU_ASSERT_EQUAL(serial_status, 0);
}

static struct test tests[] = {
    TEST(a_new_pool_has_done_nothing),
    TEST(tasks_are_counted),
    TEST(all_time_is_somewhere),
    TEST(what_is_under_way_is_in_the_times),
    TEST(the_time_of_the_dead_counts),
    TEST(one_over_its_limit_is_the_slowest),
    TEST(each_try_of_one_that_dies_counts),
    TEST(what_a_dead_one_has_run_of_its_claim_counts),
    TEST(one_that_is_cancelled_counts),
    TEST(of_nested_ones_the_outermost_is_told),
    TEST(the_five_slowest_are_told),
    TEST(with_costs_it_is_told_by_its_index),
    TEST(it_is_found_among_short_ones),
    TEST(a_block_is_its_elements),
    TEST(single_tasks_are_told_by_their_functions),
    TEST(who_changes_the_list_says_so_before),
    TEST(after_a_long_claim_the_clock_is_looked_at_again),
    TEST(a_list_that_is_half_written_is_left_out),
    TEST(wrong_arguments_are_refused),
    TEST(so_it_is_in_serial),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    serial_status = check_fork(work_in_serial);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("stats", tests);
    return kith_finalize() ? 1 : rc;
}
