/* test_start.c: plain functions as Processes: kith_start. */
#include "config.h"
#include "check.h"

#include <sys/mman.h>

static struct seen {
    double numbers[3];
    char text[100];
    int calls;
} * seen; /* by all, as it was mapped before kith_init */

static int ends_with(kith_process p)
{
    int code = -1000;

    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
    return code;
}

static int square(int x)
{
    return x * x;
}

static void keep_number(double x)
{
    seen->numbers[0] = x;
}

static void keep_three(long a, long b, long c)
{
    seen->numbers[0] = (double)a;
    seen->numbers[1] = (double)b;
    seen->numbers[2] = (double)c;
}

static double sum(double a, double b)
{
    return seen->numbers[0] = a + b;
}

static int keep_text(const char *text)
{
    snprintf(seen->text, sizeof seen->text, "%s %zu", text ? text : "none", kith_arg_size());
    return 3;
}

static void keep_text_only(const char *text)
{
    keep_text(text);
}

static void count(void)
{
    seen->calls++;
}

static int count_and_tell(void)
{
    return ++seen->calls;
}

static float half(float x)
{
    return x / 2;
}

static int fail(int code)
{
    return kith_fail(code, "as wanted");
}

static void functions_of_numbers_get_them_converted(void)
{
    CU_ASSERT_EQUAL(ends_with(kith_start(square, 10)), 100);
    CU_ASSERT_EQUAL(ends_with(kith_start(keep_number, 7)), 0); /* an int for a double */
    CU_ASSERT_EQUAL(seen->numbers[0], 7.0);
    CU_ASSERT_EQUAL(ends_with(kith_start(keep_three, 1, -2, 1L << 40)), 0);
    CU_ASSERT(seen->numbers[0] == 1 && seen->numbers[1] == -2 && seen->numbers[2] == (double)(1L << 40));
    CU_ASSERT_EQUAL(ends_with(kith_start(sum, 1, 0.5f)), 0); /* what is no int is no exit code */
    CU_ASSERT_EQUAL(seen->numbers[0], 1.5);
    CU_ASSERT_EQUAL(ends_with(kith_start(half, 300)), 0);
}

static void functions_of_a_string_get_a_copy(void)
{
    char name[] = "bob";
    kith_process p = kith_start(keep_text, name);

    memset(name, 'x', 3);
    CU_ASSERT_EQUAL(ends_with(p), 3);
    CU_ASSERT_STRING_EQUAL(seen->text, "bob 4");
    CU_ASSERT_EQUAL(ends_with(kith_start(keep_text_only, "")), 0);
    CU_ASSERT_STRING_EQUAL(seen->text, " 1");
    CU_ASSERT_EQUAL(ends_with(kith_start(keep_text, NULL)), 3);
    CU_ASSERT_STRING_EQUAL(seen->text, "none 0");
}

static void functions_of_nothing_are_called(void)
{
    seen->calls = 0;
    CU_ASSERT_EQUAL(ends_with(kith_start(count)), 0);
    CU_ASSERT_EQUAL(ends_with(kith_start(count_and_tell)), 2);
}

static void they_are_named_after_their_function(void)
{
    kith_process p = kith_start(square, 0);
    char name[64];

    PASS(kith_process_name(p, name, sizeof name));
    CU_ASSERT(strncmp(name, "square-", 7) == 0);
    CU_ASSERT_EQUAL(ends_with(p), 0);
}

static void they_may_fail_like_others(void)
{
    CU_ASSERT_EQUAL(ends_with(kith_start(fail, 9)), 9);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_start((int (*)(int))NULL, 1)));
}

static struct test tests[] = {
    TEST_LIKE(functions_of_numbers_get_them_converted, "_TestProcess.test_args_argument"),
    TEST_LIKE(functions_of_a_string_get_a_copy, "_TestProcess.test_args_argument"),
    TEST_LIKE(functions_of_nothing_are_called, "_TestProcess.test_args_argument"),
    TEST(they_are_named_after_their_function),
    TEST_LIKE(they_may_fail_like_others, "_TestSubclassingProcess.test_sys_exit"),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("start", tests);
    return kith_finalize() ? 1 : rc;
}
