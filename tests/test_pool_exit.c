/* test_pool_exit.c: how workers end well: the exit function of a pool, and what a worker keeps for it. */
#include "config.h"
#include "check.h"

#include <stdatomic.h>
#include <sys/mman.h>

static struct shared {
    _Atomic int inits, exits, sum, code, worker;
} * shared; /* by all processes */

static int begins(const void *arg)
{
    (void)arg;
    atomic_fetch_add(&shared->inits, 1);
    return 0;
}

static int ends(const void *arg)
{
    atomic_fetch_add(&shared->exits, arg ? *(const int *)arg : 1);
    return 0;
}

static int same(int x)
{
    return x;
}

static kith_pool open_fresh(struct kith_pool_options options)
{
    memset(shared, 0, sizeof *shared);
    options.nodes = 1;
    return (kith_pool_open_with)(2, &options, sizeof options);
}

static int map(kith_pool pool, int (*fn)(int))
{
    int x[16], y[16];

    for (int i = 0; i < 16; i++)
        x[i] = i;
    return kith_map(pool, fn, x, y, 16);
}

static void a_pool_that_closes_calls_it_in_each_worker(void)
{
    int arg = 10;
    kith_pool pool = open_fresh(
        (struct kith_pool_options){ .init = begins, .exit = ends, .arg = &arg, .arg_size = sizeof arg });

    PASS(map(pool, same));
    CU_ASSERT_EQUAL(shared->exits, 0);
    PASS(kith_pool_close(pool));
    CU_ASSERT(shared->inits == 2 && shared->exits == 20);
}

static void a_worker_that_is_replaced_calls_it(void)
{
    kith_pool pool =
        open_fresh((struct kith_pool_options){ .init = begins, .exit = ends, .tasks_per_worker = 3 });

    PASS(map(pool, same));
    PASS(kith_pool_close(pool));
    CU_ASSERT(shared->inits >= 6 && shared->exits == shared->inits);
}

static int dies_at_3(int x)
{
    return x == 3 ? raise(SIGKILL) : x;
}

static void one_that_dies_does_not(void)
{
    kith_pool pool = open_fresh((struct kith_pool_options){ .init = begins, .exit = ends, .tries = 1 });

    FAILS_WITH(KITH_ETASK, map(pool, dies_at_3));
    PASS(kith_pool_close(pool));
    CU_ASSERT(shared->inits == 3 && shared->exits == 2);
}

static void a_pool_that_is_terminated_does_not_call_it(void)
{
    kith_pool pool = open_fresh((struct kith_pool_options){ .init = begins, .exit = ends });

    PASS(map(pool, same));
    PASS(kith_pool_terminate(pool));
    CU_ASSERT_EQUAL(shared->exits, 0);
}

/* ---- what a worker keeps */

static int adds(int x)
{
    int *sum = kith_worker_state(sizeof *sum);

    *sum += x;
    return x;
}

static int passes_on(const void *arg)
{
    const int *sum = kith_worker_state(sizeof *sum);

    (void)arg;
    atomic_fetch_add(&shared->sum, *sum);
    return 0;
}

static void its_state_lasts_from_task_to_task(void)
{
    kith_pool pool = open_fresh((struct kith_pool_options){ .exit = passes_on });

    PASS(map(pool, adds));
    PASS(map(pool, adds));
    PASS(kith_pool_close(pool));
    CU_ASSERT_EQUAL(shared->sum, 240);
}

static void the_next_process_begins_with_zeros(void)
{
    kith_pool pool = open_fresh((struct kith_pool_options){ .exit = passes_on, .tasks_per_worker = 1 });

    PASS(map(pool, adds));
    PASS(kith_pool_close(pool));
    CU_ASSERT_EQUAL(shared->sum, 120);
}

static int asks_for_more(int x)
{
    if (!kith_worker_state(8) || (uintptr_t)kith_worker_state(8) % 64)
        return 1;
    shared->code = !kith_worker_state(16) && strstr(kith_last_error(), "has 8 bytes") ? 2 : 3;
    return x;
}

static void its_state_has_one_size(void)
{
    kith_pool pool = open_fresh((struct kith_pool_options){ 0 });

    PASS(map(pool, asks_for_more));
    PASS(kith_pool_close(pool));
    CU_ASSERT_EQUAL(shared->code, 2);
    CU_ASSERT_PTR_NULL(kith_worker_state(8)); /* here is no worker */
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "outside"));
}

/* ---- failures */

static int fails(const void *arg)
{
    (void)arg;
    return kith_fail(7, "worker %d cannot write", kith_worker());
}

static int exits_with_3(const void *arg)
{
    (void)arg;
    exit(3);
}

static int is_killed(const void *arg)
{
    (void)arg;
    return raise(SIGKILL);
}

static int hangs(const void *arg)
{
    (void)arg;
    while (pause() < 0)
        ;
    return 0;
}

/* Closes a pool of two, both of which were needed: its fault. */
static struct kith_fault fault_of(struct kith_pool_options options, const char *sentence)
{
    struct kith_fault f = { 0 };
    kith_pool pool;

    options.init = begins;
    pool = open_fresh(options);
    FAILS_WITH(KITH_ETASK, kith_pool_close(pool));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "the exit function of the pool"));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), sentence));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "; 2 of its calls failed"));
    FAILS_WITH(KITH_ESTALE, kith_pool_workers(pool));
    CU_ASSERT_EQUAL(kith_last_fault(&f, 0), 0);
    return f;
}

static void its_failures_are_told(void)
{
    struct kith_fault f =
        fault_of((struct kith_pool_options){ .exit = fails }, "failed: worker 0 cannot write");

    CU_ASSERT(f.end == KITH_END_FAILED && f.code == 7 && f.task == 0 && f.worker == 0 && f.pid > 0);
    CU_ASSERT_STRING_EQUAL(f.text, "worker 0 cannot write");
    CU_ASSERT(kith_last_fault(&f, 1) == 0 && f.worker == 1);
    FAILS_WITH(KITH_EEND, kith_last_fault(&f, 2));
}

static void its_deaths_are_told(void)
{
    struct kith_fault f = fault_of((struct kith_pool_options){ .exit = exits_with_3 }, "called exit(3)");

    CU_ASSERT(f.end == KITH_END_EXITED && f.code == 3);
    f = fault_of((struct kith_pool_options){ .exit = is_killed }, "killed by signal 9");
    CU_ASSERT(f.end == KITH_END_SIGNALLED && f.signal == SIGKILL);
}

static void one_that_does_not_end_is_ended(void)
{
    struct kith_fault f = fault_of((struct kith_pool_options){ .exit = hangs, .exit_limit_ms = 100 },
                                   "timed out after 100 ms, see .exit_limit_ms");

    CU_ASSERT_EQUAL(f.end, KITH_END_OVER_LIMIT);
}

static void many_failures_are_counted(void)
{
    kith_pool pool = open_fresh((struct kith_pool_options){ .exit = fails, .tasks_per_worker = 1 });
    struct kith_fault f;
    int failures = 0;

    for (int i = 0; i < 5; i++)
        PASS(map(pool, same));
    FAILS_WITH(KITH_ETASK, kith_pool_close(pool));
    while (kith_last_fault(&f, (size_t)failures) == 0)
        failures++;
    CU_ASSERT_EQUAL(failures, 64);
}

static kith_pool own_pool;

static int calls_its_pool(const void *arg)
{
    (void)arg;
    if (own_pool.id)
        shared->code = map(own_pool, same);
    return 0;
}

static int knows_its_pool(const void *in, void *out)
{
    own_pool = *(const kith_pool *)in;
    *(int *)out = 0;
    return 0;
}

static void it_cannot_call_its_pool(void)
{
    kith_pool pool = near_pool(1, .exit = calls_its_pool, .tasks_per_worker = 1);
    int y;

    shared->code = 0;
    PASS(kith_pool_apply(pool, knows_its_pool, &pool, sizeof pool, &y, sizeof y));
    PASS(map(pool, same)); /* by its successors */
    CU_ASSERT_EQUAL(shared->code, KITH_EINVAL);
    PASS(kith_pool_close(pool));
}

static void wrong_limits_are_refused(void)
{
    kith_pool pool = near_pool(1, .exit = ends, .exit_limit_ms = -2);

    FAILS_WITH(KITH_EINVAL, kith_check(pool));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), ".exit_limit_ms -2"));
}

/* ---- KITH_SERIAL=1 */

static int serial_status; /* of a process that began before this one was a job */

static void work_in_serial(void)
{
    kith_pool one, other;

    setenv("KITH_SERIAL", "1", 1);
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_on_fault(NULL);
    one = open_fresh((struct kith_pool_options){ .init = begins, .exit = passes_on });
    other = near_pool(2, .exit = fails);
    REQUIRE(map(one, adds) == 0 && map(other, adds) == 0 && map(one, adds) == 0);
    REQUIRE(kith_pool_close(one) == 0 && shared->sum == 240 && shared->inits == 1);
    REQUIRE(kith_pool_close(other) == KITH_ETASK && strstr(kith_last_error(), "worker 0 cannot write"));
    REQUIRE(!kith_worker_state(4));
    REQUIRE(kith_finalize() == 0);
}

static void so_it_is_in_serial(void)
{
    CU_ASSERT_EQUAL(serial_status, 0);
}

static struct test tests[] = {
    TEST(so_it_is_in_serial),
    TEST(a_pool_that_closes_calls_it_in_each_worker),
    TEST(a_worker_that_is_replaced_calls_it),
    TEST(one_that_dies_does_not),
    TEST(a_pool_that_is_terminated_does_not_call_it),
    TEST(its_state_lasts_from_task_to_task),
    TEST(the_next_process_begins_with_zeros),
    TEST(its_state_has_one_size),
    TEST(its_failures_are_told),
    TEST(its_deaths_are_told),
    TEST(one_that_does_not_end_is_ended),
    TEST(many_failures_are_counted),
    TEST(it_cannot_call_its_pool),
    TEST(wrong_limits_are_refused),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    serial_status = check_fork(work_in_serial);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("pool_exit", tests);
    return kith_finalize() ? 1 : rc;
}
