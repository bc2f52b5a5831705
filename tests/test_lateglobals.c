/* test_lateglobals.c: tasks that use globals which the program has set after kith_init. What is printed to
 * stderr goes to a file, from before kith_init on. */
#include "config.h"
#include "check.h"
#include "member/members.h"

#include <sys/mman.h>
#include <sys/uio.h>

static double *table, constants[] = { 1, 2, 3 };
static struct {
    int size;
    double *cells;
} grid;
static double (*volatile function)(double); /* else a compiler may see that it is half or nothing */
static int err;

static double use_table(double x)
{
    return table[(long)x];
}

static double use_grid(double x)
{
    return grid.cells[(long)x];
}

static double call_function(double x)
{
    return function(x);
}

static double half(double x)
{
    return x / 2;
}

static double use_nothing(double x)
{
    double *volatile p = NULL;

    return x + *p;
}

/* 1: the system allows the head to look into the fork server; an emulator may not know how. */
static int may_look(void)
{
    int there = -1;
    struct iovec here = { &there, sizeof there }, its = { &err, sizeof err };

    return !SANITIZED && process_vm_readv(kith__shared->server_pid, &here, 1, &its, 1, 0) == sizeof there &&
           there == err;
}

/* How the first task of it ended, in a pool whose workers have globals as they were at kith_init. */
static const char *crash_of(double (*fn)(double), double x)
{
    static struct kith_fault f;
    kith_pool pool = kith_pool_open_with(1, .tries = 1);
    double y;

    kith_on_fault(NULL);
    FAILS_WITH(KITH_ETASK, kith_map(pool, fn, &x, &y, 1));
    memset(&f, 0, sizeof f);
    PASS(kith_last_fault(&f, 0));
    PASS(kith_pool_close(pool));
    return f.text;
}

static int has(const char *text, const char *what)
{
    if (!strstr(text, what))
        printf("\n    \"%s\" is not in \"%s\"\n", what, text);
    return strstr(text, what) != NULL;
}

static void nothing_is_said_when_no_global_was_set(void)
{
    if (SANITIZED)
        SKIP("crashes are the sanitizer's");
    CU_ASSERT_PTR_NULL(strstr(crash_of(use_table, 0), "kith_init"));
    CU_ASSERT(has(crash_of(use_table, 0), "a NULL pointer"));
}

static void a_pointer_that_was_set_later_is_named(void)
{
    if (!may_look())
        SKIP("no process may look into another one, or crashes are the sanitizer's");
    table = malloc(1000 * sizeof *table);
    CU_ASSERT(
        has(crash_of(use_table, 7),
            "; table (test_lateglobals.c) was set after kith_init, and tasks and Processes see globals as "
            "they were then: pass the pointer as an argument, to memory from kith_alloc"));
    CU_ASSERT(has(crash_of(use_table, 1e6), "table (test_lateglobals.c) was set after kith_init"));
    CU_ASSERT(has(crash_of(use_nothing, 0), "table (test_lateglobals.c) was set after kith_init"));
    free(table);
    table = NULL;
}

static void so_is_one_in_a_struct_or_of_a_function(void)
{
    if (!may_look())
        SKIP("no process may look into another one, or crashes are the sanitizer's");
    grid.cells = constants;
    grid.size = 3;
    CU_ASSERT(has(crash_of(use_grid, 1), "; grid (test_lateglobals.c) was set after kith_init"));
    function = half;
    CU_ASSERT(has(crash_of(call_function, 1), "function (test_lateglobals.c)"));
    table = constants;
    CU_ASSERT(has(crash_of(use_table, 1), " and others were set after kith_init"));
    table = NULL;
    grid.cells = NULL;
    function = NULL;
}

/* ---- where another process than the head makes the sentence, and has to look into the head */

static int others_may_look(void)
{
    char scope = '0';
    FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");

    if (f && fread(&scope, 1, 1, f) != 1)
        scope = '0';
    if (f)
        fclose(f);
    return may_look() && (scope == '0' || (scope < '3' && geteuid() == 0));
}

static int map_in_a_task(const void *in, void *out)
{
    double x = 1, y;
    struct kith_fault f = { 0 };

    *(int *)out = kith_map(*(const kith_pool *)in, use_table, &x, &y, 1) == KITH_ETASK &&
                  kith_last_fault(&f, 0) == 0 && strstr(f.text, "table (test_lateglobals.c) was set after");
    return 0;
}

static void nested_calls_say_it_as_well(void)
{
    kith_pool outer = kith_pool_open(1), inner = kith_pool_open_with(1, .tries = 1);
    int right = 0;

    if (!others_may_look())
        SKIP("no process may look into another one, or crashes are the sanitizer's");
    kith_on_fault(NULL);
    table = constants;
    PASS(kith_map(outer, map_in_a_task, &inner, &right, 1));
    CU_ASSERT(right);
    table = NULL;
    PASS(kith_pool_close(outer));
    PASS(kith_pool_close(inner));
}

static int use_in_a_process(const void *arg)
{
    return use_table(*(const double *)arg) > 0;
}

static void processes_say_it_as_well(void)
{
    char said[2000] = "";
    double x = 1;
    kith_process p;

    if (!others_may_look())
        SKIP("no process may look into another one, or crashes are the sanitizer's");
    table = constants;
    p = kith_process_start(use_in_a_process, KITH_ARG(x));
    PASS(kith_process_join(p, SOON));
    for (int i = 0; i < SOON && !strstr(said, "crashed"); i++) {
        usleep(1000);
        CU_ASSERT(pread(err, said, sizeof said - 1, 0) >= 0);
    }
    CU_ASSERT(has(said, "table (test_lateglobals.c) was set after kith_init"));
    PASS(kith_process_exitcode(p, &(int){ 0 }));
    PASS(kith_process_close(p));
    table = NULL;
}

static struct test tests[] = {
    TEST(processes_say_it_as_well), /* first, as the program has no fault handler yet */
    TEST(nothing_is_said_when_no_global_was_set),
    TEST(a_pointer_that_was_set_later_is_named),
    TEST(so_is_one_in_a_struct_or_of_a_function),
    TEST(nested_calls_say_it_as_well),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc, out = dup(STDERR_FILENO);

    if ((err = memfd_create("stderr", MFD_CLOEXEC)) < 0 || dup2(err, STDERR_FILENO) < 0)
        return 1;
    if (kith_init(&argc, &argv) < 0)
        return 1;
    dup2(out, STDERR_FILENO);
    close(out);
    rc = run_tests("late globals", tests);
    return kith_finalize() ? 1 : rc;
}
