/* test_setup.c: what a Process finds as it begins: its environment, folder, output, and limits. */
#include "config.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[200], file[240], other[240], errors[240];

static int code_of(kith_process p)
{
    int code = -1000;

    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
    return code;
}

static const char *content(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* A janitor says it, soon. */
static void is_reported(const char *what)
{
    for (int i = 0; i < SOON && !strstr(content(errors), what); i++)
        usleep(1000);
    CU_ASSERT(strstr(content(errors), what) != NULL);
}

static int look_at_variables(const void *arg)
{
    const char *a = getenv("SETUP_A"), *b = getenv("SETUP_B"), *mine = getenv("SETUP_MINE");

    (void)arg;
    return !(a && strcmp(a, "x=y") == 0 && b && *b == '\0' && !mine && getenv("PATH"));
}

static void variables_are_set_and_taken_away(void)
{
    const char *env[] = { "SETUP_A=x=y", "SETUP_B=", "SETUP_MINE", NULL };

    CU_ASSERT_EQUAL(code_of(kith_process_start_with(look_at_variables, NULL, 0, .env = env)), 0);
    CU_ASSERT(!getenv("SETUP_A") && getenv("SETUP_MINE")); /* here nothing has changed */
}

static int make_file(const void *arg)
{
    return close(open(arg, O_CREAT | O_WRONLY, 0600));
}

static void it_runs_in_its_directory(void)
{
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(make_file, "made", 5, .directory = folder)), 0);
    snprintf(other, sizeof other, "%s/made", folder);
    CU_ASSERT_EQUAL(unlink(other), 0);
}

static int print_both(const void *arg)
{
    const char *text = arg;

    printf("%s on stdout\n", text);
    fprintf(stderr, "%s on stderr\n", text);
    return system("echo a child") != 0;
}

static void output_goes_to_files(void)
{
    snprintf(other, sizeof other, "%s/other", folder);
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(print_both, "one", 4, .out = file, .err = other)), 0);
    CU_ASSERT_STRING_EQUAL(content(file), "one on stdout\na child\n");
    CU_ASSERT_STRING_EQUAL(content(other), "one on stderr\n");
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(print_both, "two", 4, .out = file, .err = file)), 0);
    CU_ASSERT_STRING_EQUAL(content(file), "two on stdout\ntwo on stderr\na child\n"); /* it was emptied */
    CU_ASSERT_EQUAL(
        code_of(kith_process_start_with(print_both, "3", 2, .out = file, .err = file, .append = 1)), 0);
    CU_ASSERT_STRING_EQUAL(content(file), "two on stdout\ntwo on stderr\na child\n"
                                          "3 on stdout\n3 on stderr\na child\n");
    unlink(file);
    unlink(other);
}

static int do_nothing(const void *arg)
{
    (void)arg;
    return 0;
}

/* The messages are on the stderr that the program had at kith_init, see main. */
static void what_cannot_be_done_is_said(void)
{
    snprintf(other, sizeof other, "%s/none", folder);
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(do_nothing, NULL, 0, .name = "a", .directory = other)),
                    127);
    CU_ASSERT(strncmp(content(errors), "kith: a was not started: cannot run in ", 39) == 0);
    snprintf(other, sizeof other, "%s/none/out", folder);
    CU_ASSERT_EQUAL(
        code_of(kith_process_start_with(do_nothing, NULL, 0, .name = "b", .out = file, .err = other)), 127);
    CU_ASSERT(strstr(content(errors), "kith: b was not started: cannot write to ") != NULL);
    unlink(file);
}

static int sleep_or_ignore(const void *arg)
{
    if (*(const int *)arg)
        signal(SIGTERM, SIG_IGN);
    for (;;)
        pause();
    return 0;
}

static void it_is_ended_after_its_limit(void)
{
    for (int ignores = 0; ignores < 2; ignores++) {
        double start = kith_time();
        kith_process p = kith_process_start_with(sleep_or_ignore, KITH_ARG(ignores), .limit_ms = 200);

        CU_ASSERT_EQUAL(code_of(p), ignores ? -SIGKILL : -SIGTERM);
        CU_ASSERT(kith_time() - start >= 0.2);
    }
    is_reported("was killed by signal 9 (Killed): it ran longer than its .limit_ms, 200");
    is_reported("was killed by signal 15 (Terminated): it ran longer than its .limit_ms, 200");
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(do_nothing, NULL, 0, .limit_ms = 60000)), 0);
}

enum { MIB = 1 << 20 };

/* 1: malloc had not so many MiB. */
static int take_memory(const void *arg)
{
    size_t wanted = (size_t)(*(const int *)arg * MIB);
    char *volatile p;

    if (!(p = malloc(wanted)))
        return errno == ENOMEM ? 1 : 3;
    memset(p, 1, wanted);
    free(p);
    return 0;
}

enum { SHARED_MIB = 50, SMALL = 1000 };

/* What has been freed or passed on is not counted, however often. */
static int take_shared_memory(const void *arg)
{
    void *const half = kith_alloc((size_t)SHARED_MIB / 2 * MIB), *volatile small;
    kith_queue q = kith_queue_open(0);

    (void)arg;
    if (!half || kith_alloc((size_t)SHARED_MIB * MIB))
        return 1;
    if (!strstr(kith_last_error(), "more than the .memory of this Process, 52428800 bytes"))
        return 2;
    for (int i = 0; i < 2 * SHARED_MIB * MIB / SMALL; i++) {
        if (!(small = kith_alloc(SMALL)))
            return 3;
        kith_free(small);
    }
    kith_free(half);
    for (int i = 0; i < 3; i++) {
        void *passed_on = kith_alloc((size_t)SHARED_MIB * MIB);

        if (!passed_on || kith_put(q, passed_on) < 0)
            return 4;
        kith_free(passed_on);
    }
    return kith_queue_close(q);
}

static void its_shared_memory_is_limited(void)
{
    size_t limit = (size_t)SHARED_MIB * MIB;

    if (SANITIZED)
        SKIP("a sanitizer takes memory of its own");
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(take_shared_memory, NULL, 0, .memory = limit)), 0);
}

static int believe_in_malloc(const void *arg)
{
    char *volatile p = malloc((size_t)(*(const int *)arg * MIB));

    *(volatile char *)p = 1;
    return 0;
}

static void its_memory_is_limited(void)
{
    int little = 20, much = 80;

    if (SANITIZED)
        SKIP("a sanitizer takes memory of its own");
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(take_memory, KITH_ARG(little), .memory = 50 * MIB)), 0);
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(take_memory, KITH_ARG(much), .memory = 50 * MIB)), 1);
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(take_memory, KITH_ARG(much), .memory = 0)), 0);
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(believe_in_malloc, KITH_ARG(much), .memory = 50 * MIB)),
                    -SIGSEGV);
    is_reported("; its .memory is 52428800 bytes");
}

/* Last: what is reported elsewhere is the program's from here on. */
static void wrong_options_are_refused(void)
{
    const char *nameless[] = { "=1", NULL };

    kith_on_fault(NULL);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_process_start_with(look_at_variables, NULL, 0, .env = nameless)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_process_start_with(make_file, "made", 5, .directory = "")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_process_start_with(do_nothing, NULL, 0, .limit_ms = -1)));
}

static struct test tests[] = {
    TEST(variables_are_set_and_taken_away), TEST(it_runs_in_its_directory),    TEST(output_goes_to_files),
    TEST(what_cannot_be_done_is_said),      TEST(it_is_ended_after_its_limit), TEST(its_memory_is_limited),
    TEST(its_shared_memory_is_limited),     TEST(wrong_options_are_refused),   TEST_END,
};

int main(int argc, char **argv)
{
    int before, fd, rc;

    snprintf(folder, sizeof folder, "%s/setup.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    snprintf(file, sizeof file, "%s/file", folder);
    snprintf(errors, sizeof errors, "%s/errors", folder);
    setenv("SETUP_MINE", "1", 1);
    before = dup(STDERR_FILENO);
    fd = open(errors, O_CREAT | O_WRONLY | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    kith_init(&argc, &argv);
    dup2(before, STDERR_FILENO);
    rc = run_tests("setup", tests);
    unlink(errors);
    rmdir(folder);
    return kith_finalize() ? 1 : rc;
}
