/* test_pool_faults.c: what goes wrong in initializers and tasks: what it leaves, and who hears of it. */
#include "config.h"
#include "pool/call.h"
#include "check.h"

#include <stdatomic.h>
#include <sys/mman.h>

static struct shared {
    _Atomic int runs[64];
} * shared; /* by all processes */

static int square(int x)
{
    return x * x;
}

static int close_it(const void *arg)
{
    return -kith_pool_close(*(const kith_pool *)arg);
}

/* ---- initializers */

enum { ONCE };

static int fail_from_then_on(const void *arg)
{
    return atomic_fetch_add(&shared->runs[0], 1) > *(const int *)arg ? kith_fail(7, "no more") : 0;
}

static void an_initializer_has_three_tries(void)
{
    int in[8] = { 0 }, out[8], how = ONCE;
    kith_pool pool;

    shared->runs[0] = 0;
    pool = kith_pool_open_with(1, .init = fail_from_then_on, .arg = &how, .arg_size = sizeof how,
                               .tasks_per_worker = 1);
    FAILS_WITH(KITH_ETASK, kith_map(pool, square, in, out, 8));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "no more"));
    CU_ASSERT_EQUAL(shared->runs[0], 1 + 3);
    PASS(kith_pool_terminate(pool));
}

static int ends_its_process(const void *arg)
{
    switch (*(const char *)arg) {
    case 'e': exit(0);
    case '_': _exit(0);
    case 'k': return raise(SIGKILL);
    case 'a': abort();
    }
    for (;;)
        pause();
}

static void it_is_said(const char *how, const char *sentence)
{
    kith_pool pool =
        kith_pool_open_with(2, .init = ends_its_process, .arg = how, .arg_size = 1, .init_limit_ms = 200);

    FAILS_WITH(KITH_ETASK, kith_check(pool));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), sentence));
}

static void an_initializer_that_ends_its_process_fails_the_open(void)
{
    it_is_said("e", "called exit(0)");
    it_is_said("_", "called exit(0)");
    it_is_said("k", "was killed by signal 9");
    if (!SANITIZED)
        it_is_said("a", "SIGABRT in ends_its_process");
}

static void an_initializer_that_does_not_end_fails_the_open(void)
{
    it_is_said("h", "was over its time limit of 200 ms, see .init_limit_ms");
}

static int takes_300_ms(const void *arg)
{
    (void)arg;
    usleep(300000);
    return 0;
}

static void an_initializer_has_more_time_than_a_task(void)
{
    PASS(kith_pool_close(kith_pool_open_with(2, .init = takes_300_ms, .limit_ms = 100)));
    PASS(kith_pool_close(
        kith_pool_open_with(2, .init = takes_300_ms, .limit_ms = 10, .init_limit_ms = KITH_FOREVER)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_pool_open_with(1, .init_limit_ms = -2)));
}

static int exit_from_then_on(const void *arg)
{
    (void)arg;
    if (atomic_fetch_add(&shared->runs[0], 1) > 0)
        exit(0);
    return 0;
}

static int waits_for_a_close(int x)
{
    shared->runs[2] = 1;
    while (x == 0 && !shared->runs[1])
        usleep(1000);
    return x;
}

static int map_until_broken(const void *arg)
{
    int in[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, out[8];

    return -kith_map(*(const kith_pool *)arg, waits_for_a_close, in, out, 8);
}

/* Its lanes end one after the other, and nobody is there to do what it was given. */
static void a_pool_breaks_while_it_is_closed(void)
{
    kith_pool pool;
    kith_process caller, closer;
    int code = 0;

    shared->runs[0] = shared->runs[1] = shared->runs[2] = 0;
    pool = kith_pool_open_with(1, .init = exit_from_then_on, .tasks_per_worker = 1);
    caller = kith_process_start(map_until_broken, KITH_ARG(pool));
    while (!shared->runs[2])
        usleep(1000);
    closer = kith_process_start(close_it, KITH_ARG(pool));
    while (kith_pool_workers(pool) != KITH_ESTALE)
        usleep(1000);
    shared->runs[1] = 1;
    PASS(kith_process_join(caller, SOON));
    PASS(kith_process_exitcode(caller, &code));
    CU_ASSERT_EQUAL(code, -KITH_ETASK);
    PASS(kith_process_join(closer, SOON));
    PASS(kith_process_close(caller));
    PASS(kith_process_close(closer));
}

static struct test tests[] = {
    TEST(an_initializer_has_three_tries),
    TEST(an_initializer_that_ends_its_process_fails_the_open),
    TEST(an_initializer_that_does_not_end_fails_the_open),
    TEST(an_initializer_has_more_time_than_a_task),
    TEST(a_pool_breaks_while_it_is_closed),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("pool faults", tests);
    return kith_finalize() ? 1 : rc;
}
