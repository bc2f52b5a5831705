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

static struct test tests[] = {
    TEST(an_initializer_has_three_tries),
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
