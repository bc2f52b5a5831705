/* test_pool_memory.c: .memory of a pool: what its workers get no more of, and what is said of a task that
 * dies of that. */
#include "config.h"
#include "check.h"

#include <errno.h>
#include <sys/resource.h>

enum { MIB = 1 << 20, LIMIT = 50 * MIB };

static char *volatile taken; /* else a compiler sees that nobody reads it */

static int takes(int mib)
{
    size_t size = (size_t)mib * MIB;

    if (!(taken = malloc(size)))
        return kith_fail(1, "no memory: errno %d", errno);
    memset(taken, 1, size);
    free(taken);
    return mib;
}

static int believes_in_malloc(int mib)
{
    taken = malloc((size_t)mib * MIB);
    *(volatile char *)taken = 1;
    free(taken);
    return mib;
}

static int exits_without(int mib)
{
    if (!(taken = malloc((size_t)mib * MIB)))
        exit(4);
    free(taken);
    return mib;
}

static int leaves_behind(int mib)
{
    taken = malloc((size_t)mib * MIB);
    *(volatile char *)taken = 1;
    return mib;
}

static int crashes(int x)
{
    if (x < 0)
        *(volatile char *)NULL = 1; /* NOLINT */
    return x;
}

static int takes_shared(int mib)
{
    void *p = kith_alloc((size_t)mib * MIB);

    if (!p)
        return kith_fail(2, "%s", kith_last_error());
    return kith_free(p) == 0 ? mib : -1;
}

static int believes_in_kith_alloc(int mib)
{
    char *volatile p = kith_alloc((size_t)mib * MIB);

    *(volatile char *)p = 1;
    return kith_free(p) == 0 ? mib : -1;
}

/* An emulator may know of no such limit. */
static void try_the_limit(void)
{
    const struct rlimit limit = { LIMIT, LIMIT };

    _exit(setrlimit(RLIMIT_DATA, &limit) < 0 || malloc((size_t)4 * LIMIT) ? 1 : 0);
}

static int limited;
#define NEEDS_THE_LIMIT() \
    if (!limited)         \
    SKIP(SANITIZED ? "a sanitizer takes memory of its own" : "here is no RLIMIT_DATA")

/* One task, in a pool with that limit: 0, or its fault. */
static struct kith_fault fault_of(int (*fn)(int), int x, int tries)
{
    kith_pool pool = kith_pool_open_with(1, .memory = LIMIT, .tries = tries);
    struct kith_fault f = { 0 };
    int y = -1;

    if (kith_apply(pool, fn, &y, x) == KITH_ETASK)
        kith_last_fault(&f, 0);
    else
        CU_ASSERT_EQUAL(y, x);
    PASS(kith_pool_close(pool));
    return f;
}

static void what_is_below_it_is_given(void)
{
    CU_ASSERT_EQUAL(fault_of(takes, 20, 1).end, 0);
    CU_ASSERT_EQUAL(fault_of(takes_shared, 20, 1).end, 0);
}

static void what_is_above_it_is_not(void)
{
    struct kith_fault f;

    NEEDS_THE_LIMIT();
    f = fault_of(takes, 80, 1);
    CU_ASSERT(f.end == KITH_END_FAILED && f.code == 1 && strstr(f.text, "no memory: errno 12"));
    CU_ASSERT_EQUAL(kith_apply(kith_pool_open(1), takes, &f.code, 80), 0);
}

static void a_crash_over_it_is_told_as_what_it_was(void)
{
    struct kith_fault f;

    NEEDS_THE_LIMIT();
    f = fault_of(believes_in_malloc, 80, 2);
    CU_ASSERT(f.end == KITH_END_OVER_MEMORY && f.signal == SIGSEGV && strstr(f.text, "believes_in_malloc"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        kith_last_error(), "got no more memory, as .memory of its pool says, and was killed by signal 11"));
}

static void an_exit_over_it_as_well(void)
{
    struct kith_fault f;

    NEEDS_THE_LIMIT();
    f = fault_of(exits_without, 80, 2);
    CU_ASSERT(f.end == KITH_END_OVER_MEMORY && f.signal == 0 && f.code == 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "and called exit(4)"));
}

static void other_crashes_are_told_as_before(void)
{
    int in[2] = { 80, -1 }, out[2];
    struct kith_fault f;
    kith_pool pool;

    NEEDS_THE_LIMIT();
    CU_ASSERT_EQUAL(fault_of(crashes, -1, 1).end, KITH_END_SIGNALLED);
    /* also in a worker to which an earlier task has shown its limit */
    pool = kith_pool_open_with(1, .memory = LIMIT, .tries = 1);
    FAILS_WITH(KITH_ETASK, kith_apply(pool, takes, out, in[0]));
    FAILS_WITH(KITH_ETASK, kith_apply(pool, crashes, out, in[1]));
    CU_ASSERT(kith_last_fault(&f, 0) == 0 && f.end == KITH_END_SIGNALLED);
    PASS(kith_pool_close(pool));
}

static void what_others_left_behind_is_no_tasks_fault(void)
{
    int in[8] = { 20, 20, 20, 20, 20, 20, 20, 20 }, out[8];
    kith_pool pool;

    NEEDS_THE_LIMIT();
    pool = kith_pool_open_with(1, .memory = LIMIT);
    PASS(kith_map(pool, leaves_behind, in, out, 8));
    CU_ASSERT_EQUAL(memcmp(in, out, sizeof in), 0);
    PASS(kith_pool_close(pool));
}

static void memory_of_kith_alloc_is_limited_too(void)
{
    struct kith_fault f = fault_of(takes_shared, 80, 1);

    CU_ASSERT(f.end == KITH_END_FAILED && f.code == 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "more than the .memory of this worker, 52428800 bytes"));
    NEEDS_THE_LIMIT();
    CU_ASSERT_EQUAL(fault_of(believes_in_kith_alloc, 80, 1).end, KITH_END_OVER_MEMORY);
}

static int begins_large(const void *arg)
{
    (void)arg;
    believes_in_malloc(80);
    return 0;
}

static void initializers_are_limited(void)
{
    NEEDS_THE_LIMIT();
    FAILS_WITH(KITH_ETASK, kith_check(kith_pool_open_with(1, .memory = LIMIT, .init = begins_large)));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "the initializer of the pool got no more memory"));
}

static struct test tests[] = {
    TEST(what_is_below_it_is_given),
    TEST(what_is_above_it_is_not),
    TEST(a_crash_over_it_is_told_as_what_it_was),
    TEST(an_exit_over_it_as_well),
    TEST(other_crashes_are_told_as_before),
    TEST(what_others_left_behind_is_no_tasks_fault),
    TEST(memory_of_kith_alloc_is_limited_too),
    TEST(initializers_are_limited),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    limited = !SANITIZED && check_fork(try_the_limit) == 0;
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("pool_memory", tests);
    return kith_finalize() ? 1 : rc;
}
