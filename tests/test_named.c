/* test_named.c: shared memory by name. */
#include "config.h"
#include "steps.h"
#include "used.h"
#include "shm/heap.h"

#include <signal.h>

static int ends_with(kith_process p)
{
    int code = -1; /* asked for: else that it was killed is in the status of the job */

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
    return code;
}

static int writes(const void *arg)
{
    const int *how = arg;
    int *x = kith_alloc_named("numbers", 4000);

    if (!x)
        return 3;
    for (int i = 0; i < 1000; i++)
        x[i] += i;
    if (*how)
        raise(SIGKILL);
    return 0;
}

/* Also when who has opened it was killed: the memory is nobody's. */
static void a_name_leads_to_one_memory(void)
{
    for (int how = 0; how < 2; how++) {
        int *x;

        CU_ASSERT_EQUAL(ends_with(kith_process_start_with(writes, KITH_ARG(how), .node = KITH_HERE)),
                        how ? -SIGKILL : 0);
        x = kith_alloc_named("numbers", 4000);
        CU_ASSERT_FATAL(x != NULL);
        CU_ASSERT_EQUAL((uintptr_t)x % 64, 0);
        CU_ASSERT_EQUAL(x[999], 999);
        CU_ASSERT_PTR_EQUAL(kith_alloc_named("numbers", 4000), x);
        PASS(kith_free(x));
    }
}

static void freed_memory_is_there_no_more(void)
{
    char *x = kith_alloc_named("page", 5000), *y = kith_alloc_named("other", 5000);

    CU_ASSERT_FATAL(x != NULL && y != NULL && x != y);
    memset(x, 'x', 5000);
    memset(y, 'y', 5000);
    PASS(kith_free(x));
    FAILS_WITH(KITH_EINVAL, kith_free(x));
    x = kith_alloc_named("page", 300);
    CU_ASSERT_FATAL(x != NULL);
    for (int i = 0; i < 300; i++)
        CU_ASSERT_EQUAL_FATAL(x[i], 0);
    CU_ASSERT_EQUAL(y[4999], 'y');
    PASS(kith_free(x));
    PASS(kith_free(y));
}

static double half(double x)
{
    return x / 2;
}

static void maps_use_it_in_place(void)
{
    double *x = kith_alloc_named("in place", 100 * sizeof *x);
    kith_pool pool = kith_pool_open(2);

    CU_ASSERT_FATAL(x != NULL);
    for (int i = 0; i < 100; i++)
        x[i] = i;
    PASS(kith_map(pool, half, x, x, 100));
    CU_ASSERT(x[99] == 49.5);
    PASS(kith_pool_close(pool));
    PASS(kith_free(x));
}

static void wrong_use_is_a_sentence(void)
{
    static const char long_name[] = "0123456789012345678901234567890123456789012345678901234567890123";
    int *x = kith_alloc_named("four", 4);

    CU_ASSERT_PTR_NULL(kith_alloc_named("four", 5));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "4 bytes, not 5"));
    CU_ASSERT_PTR_NULL(kith_alloc_named("", 4));
    CU_ASSERT_PTR_NULL(kith_alloc_named(NULL, 4));
    CU_ASSERT_PTR_NULL(kith_alloc_named(long_name, 4));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "63 bytes"));
    CU_ASSERT_PTR_NULL(kith_alloc_named("too much", SIZE_MAX / 4));
    FAILS_WITH(KITH_EINVAL, kith_free(x + 1));
    PASS(kith_free(x));
}

static void opens_and_frees(const void *arg)
{
    (void)arg;
    kith_free(kith_alloc_named("mortal", 100000));
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(*(const int *)arg, opens_and_frees, arg);
    return 0;
}

/* It is there, and found by its name, or it is not. */
static void whoever_dies_at_any_step_leaves_it_or_not(void)
{
    uint64_t before = used_bytes();
    int code, step;

    AT_EACH_STEP(step, code)
        code = end_at_step(kith_process_start_with(dies_on_the_way, KITH_ARG(step), .node = KITH_HERE));
    CU_ASSERT(got_through(step, code));
    AWAIT(used_bytes() <= before + 99999); /* janitors are at work */
    PASS(kith_free(kith_alloc_named("mortal", 100000)));
}

static struct test tests[] = {
    TEST_LIKE(a_name_leads_to_one_memory,
              "_TestSharedMemory.test_shared_memory_basics _TestSharedMemory.test_shared_memory_recreate "
              "_TestSharedMemory.test_shared_memory_across_processes"),
    TEST_LIKE(freed_memory_is_there_no_more,
              "_TestSharedMemory.test_shared_memory_basics _TestSharedMemory.test_shared_memory_recreate "
              "_TestSharedMemory.test_shared_memory_across_processes"),
    TEST_LIKE(maps_use_it_in_place,
              "_TestSharedMemory.test_shared_memory_basics _TestSharedMemory.test_shared_memory_recreate "
              "_TestSharedMemory.test_shared_memory_across_processes"),
    TEST_LIKE(wrong_use_is_a_sentence, "_TestSharedMemory.test_invalid_shared_memory_creation "
                                       "_TestSharedMemory.test_shared_memory_name_with_embedded_null"),
    TEST_LIKE(whoever_dies_at_any_step_leaves_it_or_not,
              "_TestSharedMemory.test_shared_memory_cleaned_after_process_termination"),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("named", tests);
    return kith_finalize() ? 1 : rc;
}
