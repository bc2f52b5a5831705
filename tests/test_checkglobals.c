/* test_checkglobals.c: this program's own globals, changed and not. */
#include "config.h"
#include "check.h"
#include "code/checkglobals.h"

#include <errno.h>
#include <getopt.h>

int test_steps = 100; /* initialised, zeroed, static, static in a function, large */
double test_table[1000];
const int test_constant = 3;
struct {
    char name[3];
} test_odd_size;
static int hidden = 7;
static volatile char huge[64 << 20];
_Thread_local int test_of_a_thread;
extern int test_steps, *volatile test_pointer;
int *volatile test_pointer;

static int counts_calls(void)
{
    static int calls;

    return ++calls;
}

/* Not a global: it would change, too. */
static _Thread_local char names[512];

static int changed(void)
{
    return kith__globals_changed(names, sizeof names);
}

static int named(const char *name)
{
    if (!strstr(names, name))
        printf("\n    %s is not in \"%s\"\n", name, names);
    return strstr(names, name) != NULL;
}

static void watch(void)
{
    setenv("KITH_CHECK", "1", 1);
    PASS(kith__globals_snapshot());
    unsetenv("KITH_CHECK");
}

static void nothing_changed_is_nothing_told(void)
{
    watch();
    CU_ASSERT_EQUAL(changed(), 0);
    CU_ASSERT_STRING_EQUAL(names, "");
}

static void each_kind_of_variable_is_named(void)
{
    watch();
    test_steps = 101;
    CU_ASSERT_EQUAL(changed(), 1);
    CU_ASSERT_STRING_EQUAL(names, "test_steps");
    test_table[999] = 1.0;
    hidden++;
    test_odd_size.name[2] = 'x';
    test_pointer = &test_steps;
    huge[sizeof huge / 2] = 1;
    counts_calls();
    CU_ASSERT_EQUAL(changed(), 7);
    CU_ASSERT(named("test_table") && named("hidden (test_checkglobals.c)") && named("test_odd_size") &&
              named("test_pointer") && named("huge (test_checkglobals.c)") &&
              named("calls (test_checkglobals.c)"));
    test_steps = 100; /* changed back is not changed */
    CU_ASSERT_EQUAL(changed(), 6);
    watch(); /* from here on */
    CU_ASSERT_EQUAL(changed(), 0);
}

static void what_is_not_the_programs_is_left_out(void)
{
    char *const words[] = { "test", "-x", NULL };

    watch();
    test_of_a_thread++;    /* workers have their own anyway */
    getopt(2, words, "x"); /* optind and opterr live in the program, but are the library's */
    stdout = freopen("/dev/null", "w", stderr) ? stdout : NULL;
    setenv("KITH_TEST_VARIABLE", "1", 1);
    errno = 5;
    kith_strerror(3);
    kith_seed(9); /* kith's own, which is linked statically here */
    CU_ASSERT_EQUAL(changed(), 0);
    CU_ASSERT_STRING_EQUAL(names, "");
    CU_ASSERT(optind == 2 && test_of_a_thread == 1);
}

static void without_the_variable_nothing_is_watched(void)
{
    unsetenv("KITH_CHECK");
    PASS(kith__globals_snapshot());
    test_steps++;
    CU_ASSERT_EQUAL(changed(), 0);
    setenv("KITH_CHECK", "0", 1);
    PASS(kith__globals_snapshot());
    setenv("KITH_CHECK", "yes", 1);
    FAILS_WITH(KITH_EINVAL, kith__globals_snapshot());
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "KITH_CHECK=yes"));
    unsetenv("KITH_CHECK");
}

static void names_fit_into_any_room(void)
{
    char small[40];

    watch();
    test_steps++;
    hidden++;
    for (size_t room = 0; room < sizeof small; room++) {
        memset(small, '#', sizeof small);
        CU_ASSERT_EQUAL(kith__globals_changed(small, room), 2);
        CU_ASSERT(room == 0 || strlen(small) < room);
        CU_ASSERT_EQUAL(small[room], '#');
    }
}

static struct test tests[] = { TEST(nothing_changed_is_nothing_told),
                               TEST(each_kind_of_variable_is_named),
                               TEST(what_is_not_the_programs_is_left_out),
                               TEST(without_the_variable_nothing_is_watched),
                               TEST(names_fit_into_any_room),
                               TEST_END };

int main(void)
{
    return run_tests("checkglobals", tests);
}
