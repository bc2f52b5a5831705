/* test_overdue.c: a start that makes no progress is told, once a step. */
#include "config.h"
#include "check.h"
#include "start/overdue.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char text[2048];
static int from, before;

/* What goes to stderr can be read from now on. */
static void listen_to_stderr(void)
{
    int ends[2];

    CU_ASSERT_FATAL(pipe2(ends, O_CLOEXEC) == 0);
    before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    from = ends[0];
}

/* Up to the end of a line that has that in it. On a machine that stands still others come before it. */
static void read_line(const char *with)
{
    do {
        size_t used = 0;

        while (used < sizeof text - 1 && read(from, text + used, 1) == 1 && text[used++] != '\n')
            ;
        text[used] = '\0';
    } while (*text && !strstr(text, with));
}

/* What came since then, when nobody writes any more. */
static int count_lines(void)
{
    int lines = 0;
    char c;

    dup2(before, STDERR_FILENO);
    close(before);
    while (read(from, &c, 1) == 1)
        lines += c == '\n';
    close(from);
    return lines;
}

static void a_wait_is_told_once(void)
{
    listen_to_stderr();
    kith__overdue_begin(20, 1);
    kith__overdue_step("the first thing");
    read_line("first thing");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "kith: the start has waited for the first thing on "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "docker0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "--mca btl_tcp_if_include "));
    usleep(100000); /* no second line comes of the same step */
    kith__overdue_step("the second thing");
    read_line("second thing");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "waited for the second thing on "));
    kith__overdue_end();
    CU_ASSERT_EQUAL(count_lines(), 0);
}

static void on_one_host_the_network_is_not_blamed(void)
{
    listen_to_stderr();
    kith__overdue_begin(20, 0);
    read_line("other ranks");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "very busy"));
    CU_ASSERT_PTR_NULL(strstr(text, "docker0"));
    kith__overdue_end();
    CU_ASSERT_EQUAL(count_lines(), 0);
}

static void progress_is_not_told(void)
{
    listen_to_stderr();
    kith__overdue_begin(60000, 1);
    kith__overdue_step("something");
    kith__overdue_end();
    kith__overdue_end();
    kith__overdue_step("nothing");
    CU_ASSERT_EQUAL(count_lines(), 0);
}

static struct test tests[] = { TEST(a_wait_is_told_once), TEST(on_one_host_the_network_is_not_blamed),
                               TEST(progress_is_not_told), TEST_END };

int main(void)
{
    return run_tests("overdue", tests);
}
