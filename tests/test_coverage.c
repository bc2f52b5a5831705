/* test_coverage.c: what is called in a process that ends by _exit. The test plays a program that was compiled
 * for coverage: it has a function of that name, hidden, and sets itself up when it is loaded. */
#include "config.h"
#include "check.h"
#include "code/coverage.h"

static int written, looked;

__attribute__((used, noinline)) static void __gcov_dump(void)
{
    written++;
}

__attribute__((destructor)) static void as_compiled_for_coverage(void)
{
    written = 0;
}

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ && !defined __clang__
#define HAVE_HOOK 1
void __lsan_do_leak_check(void);
void __lsan_do_leak_check(void)
{
    looked++;
}
#endif

static void hidden_writer_is_called_once(void)
{
    written = looked = 0;
    kith__coverage_flush();
    CU_ASSERT_EQUAL(written, 1);
}

static void leak_check_is_called(void)
{
#ifdef HAVE_HOOK
    written = looked = 0;
    kith__coverage_flush();
    CU_ASSERT_EQUAL(looked, 1);
#else
    SKIP("a sanitizer has that function");
#endif
}

static struct test tests[] = { TEST(hidden_writer_is_called_once), TEST(leak_check_is_called), TEST_END };

int main(void)
{
    return run_tests("coverage", tests);
}
