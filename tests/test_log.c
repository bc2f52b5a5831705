/* test_log.c: what is logged, by whom, and where it goes. stderr is a file from before kith_init on. */
#include "config.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char path[200];
static const char *program;

/* Behind the name of a process, where there are several hosts. */
static const char *on_host(void)
{
    static char text[80];

    if (kith_nodes() > 1)
        snprintf(text, sizeof text, " on %s", kith_host());
    return text;
}

/* Lines of a program alone have no host: as if these were such. */
static void leave_out_host(char *text)
{
    char wanted[100];

    snprintf(wanted, sizeof wanted, "%s] ", on_host());
    for (size_t host = strlen(wanted) - 2; host > 0 && (text = strstr(text, wanted));)
        memmove(text, text + host, strlen(text + host) + 1);
}

/* What was written to stderr since the last call. */
static const char *said(void)
{
    static char text[1 << 20];
    static off_t from;
    int fd = open(path, O_RDONLY);
    ssize_t n = pread(fd, text, sizeof text - 1, from);

    close(fd);
    text[n > 0 ? n : 0] = '\0';
    from += n > 0 ? n : 0;
    leave_out_host(text);
    return text;
}

static void is_said(const char *wanted)
{
    const char *text = said();

    if (strcmp(text, wanted) != 0)
        printf("\n    \"%s\" was logged, not \"%s\"\n", text, wanted);
    CU_ASSERT_STRING_EQUAL(text, wanted);
}

static void run(kith_target *fn, const char *name)
{
    kith_process p = near_process(fn, NULL, 0, .name = name);
    int code;

    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 0);
    PASS(kith_process_close(p));
}

static void warnings_are_shown_unless_somebody_says_otherwise(void)
{
    said();
    errno = ENOTTY;
    kith_log(KITH_LOG_WARNING, "disk %d is %s", 3, "full");
    CU_ASSERT_EQUAL(errno, ENOTTY);
    kith_log(KITH_LOG_INFO, "not this");
    kith_log(KITH_LOG_ERROR, "with a newline\n");
    kith_log(KITH_LOG_CRITICAL, "last");
    kith_log(35, "in between");
    is_said("[WARNING/main] disk 3 is full\n[ERROR/main] with a newline\n[CRITICAL/main] last\n"
            "[Level 35/main] in between\n");
    CU_ASSERT(kith_log_on(KITH_LOG_WARNING) && !kith_log_on(KITH_LOG_INFO));
}

static int speak(const void *arg)
{
    (void)arg;
    kith_log(KITH_LOG_INFO, "here");
    return 0;
}

static int speak_as_worker(const void *in, void *out)
{
    (void)in;
    *(int *)out = 1;
    kith_log(KITH_LOG_INFO, "a task");
    return 0;
}

static void a_level_holds_in_all_processes(void)
{
    kith_pool pool = near_pool(1);
    int in = 0, out = 0;

    said();
    run(speak, "quiet");
    is_said("");
    PASS(kith_log_level(KITH_LOG_INFO));
    run(speak, "loader");
    is_said("[INFO/loader] here\n");
    PASS(kith_map(pool, speak_as_worker, &in, &out, 1));
    is_said("[INFO/worker 0] a task\n");
    PASS(kith_pool_close(pool));
    FAILS_WITH(KITH_EINVAL, kith_log_level(0));
    PASS(kith_log_level(KITH_LOG_ERROR));
    kith_log(KITH_LOG_WARNING, "not this");
    is_said("");
    PASS(kith_log_level(KITH_LOG_WARNING));
}

static void threads_of_a_pool_say_which_worker_they_are(void)
{
    kith_pool pool = near_pool(1, .threads = 1);
    int in = 0, out = 0;

    PASS(kith_log_level(KITH_LOG_INFO));
    said();
    PASS(kith_map(pool, speak_as_worker, &in, &out, 1));
    is_said("[INFO/main, worker 0] a task\n");
    kith_log(KITH_LOG_INFO, "not a worker");
    is_said("[INFO/main] not a worker\n");
    PASS(kith_pool_close(pool));
    PASS(kith_log_level(KITH_LOG_WARNING));
}

/* The fork server, which was forked before, hears of it, too. */
static void kiths_own_lines_are_shown_with_a_level(void)
{
    int its = 0, kiths = 0;

    PASS(kith_log_level(KITH_LOG_DEBUG));
    said();
    run(speak, "watched");
    for (int i = 0; i < SOON && !(its && kiths); i++) { /* who joins is told first */
        const char *text = said();

        its |= strstr(text, "[INFO/watched] here\n") != NULL;
        kiths |= strncmp(text, "kith[", 5) == 0 || strstr(text, "\nkith[") != NULL;
        usleep(1000);
    }
    PASS(kith_log_level(KITH_LOG_WARNING));
    CU_ASSERT(its && kiths);
}

enum { WRITERS = 8, LINES = 50, WIDE = 3000 };

static int write_much(const void *arg)
{
    char text[WIDE + 1];

    memset(text, 'a' + *(const int *)arg, WIDE);
    text[WIDE] = '\0';
    for (int i = 0; i < LINES; i++)
        kith_log(KITH_LOG_WARNING, "%s", text);
    return 0;
}

static void lines_of_many_do_not_mix(void)
{
    kith_process p[WRITERS];
    int seen[WRITERS] = { 0 }, fd;
    char *text = calloc(1, WRITERS * LINES * (WIDE + 100) + 1), *rest = text, head[100];
    size_t before = (size_t)snprintf(head, sizeof head, "[WARNING/w%s] ", on_host());

    fd = open(path, O_RDONLY);
    lseek(fd, 0, SEEK_END);
    for (int i = 0; i < WRITERS; i++)
        p[i] = near_process(write_much, KITH_ARG(i), .name = "w");
    for (int i = 0; i < WRITERS; i++) {
        PASS(kith_process_join(p[i], SOON));
        PASS(kith_process_close(p[i]));
    }
    CU_ASSERT(read(fd, text, WRITERS * LINES * (WIDE + 100)) ==
              (ssize_t)(WRITERS * LINES * (before + WIDE + 1)));
    close(fd);
    said();
    for (char *line = strtok_r(NULL, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char who = strncmp(line, head, before) == 0 ? line[before] : 'z';

        if (who < 'a' + WRITERS && strlen(line) == before + WIDE &&
            strspn(line + before, (char[]){ who, '\0' }) == WIDE)
            seen[who - 'a']++;
    }
    for (int i = 0; i < WRITERS; i++)
        CU_ASSERT_EQUAL(seen[i], LINES);
    free(text);
}

static void a_long_line_is_cut(void)
{
    char *text = calloc(1, 10001);
    const char *line;

    memset(text, 'x', 10000);
    said();
    kith_log(KITH_LOG_WARNING, "%s", text);
    line = said();
    CU_ASSERT_EQUAL(strlen(line) + strlen(on_host()), 4095);
    CU_ASSERT(strncmp(line, "[WARNING/main] xxx", 18) == 0 && strcmp(line + strlen(line) - 5, "x...\n") == 0);
    free(text);
}

static char caught[200];

static void catch (int level, const char *process, const char *text)
{
    snprintf(caught, sizeof caught, "%d %.*s %s", level, (int)strcspn(process, " "), process, text);
    kith_log(KITH_LOG_ERROR, "handled");
}

static int catch_here(const void *arg)
{
    (void)arg;
    kith_log_to(catch);
    kith_log(KITH_LOG_WARNING, "mine\n");
    return strcmp(caught, "30 catcher mine") != 0;
}

static void a_handler_takes_the_lines_of_its_process(void)
{
    said();
    run(catch_here, "catcher");
    is_said("[ERROR/catcher] handled\n");
    kith_log_to(catch);
    kith_log(KITH_LOG_WARNING, "%d", 5);
    kith_log(KITH_LOG_INFO, "not this");
    CU_ASSERT_STRING_EQUAL(caught, "30 main 5");
    is_said("[ERROR/main] handled\n");
    kith_log_to(NULL);
    kith_log(KITH_LOG_WARNING, "again");
    is_said("[WARNING/main] again\n");
}

/* Runs this program once more, as below. */
static void is_said_by(const char *environment, const char *how, const char *wanted)
{
    char command[1000];

    said();
    snprintf(command, sizeof command, "%s '%s' %s", environment, program, how);
    CU_ASSERT_EQUAL(system(command), 0);
    is_said(wanted);
}

static void the_variable_takes_precedence(void)
{
    is_said_by("KITH_LOG=error", "log", "[ERROR/main] before\n[ERROR/main] error\n[ERROR/p] error\n");
    is_said_by("KITH_LOG=critical", "log", "");
    is_said_by("KITH_LOG=", "log",
               "[ERROR/main] before\n[WARNING/main] warning\n[ERROR/main] error\n[INFO/main] info\n"
               "[WARNING/p] warning\n[ERROR/p] error\n[INFO/p] info\n");
}

static void handlers_from_before_init_are_inherited(void)
{
    is_said_by("KITH_LOG=", "handler", "main: one\np: two\n");
}

static struct test tests[] = {
    TEST_LIKE(warnings_are_shown_unless_somebody_says_otherwise, "_TestLogging.test_level"),
    TEST_LIKE(a_level_holds_in_all_processes, "_TestLogging.test_level"),
    TEST(threads_of_a_pool_say_which_worker_they_are),
    TEST_LIKE(kiths_own_lines_are_shown_with_a_level, "_TestLogging.test_enable_logging"),
    TEST(lines_of_many_do_not_mix),
    TEST(a_long_line_is_cut),
    TEST(a_handler_takes_the_lines_of_its_process),
    TEST(the_variable_takes_precedence),
    TEST(handlers_from_before_init_are_inherited),
    TEST_END,
};

static int say_all(const void *arg)
{
    (void)arg;
    kith_log(KITH_LOG_WARNING, "warning");
    kith_log(KITH_LOG_ERROR, "error");
    kith_log(KITH_LOG_INFO, "info");
    return 0;
}

static int log_by_levels(void)
{
    kith_log(KITH_LOG_ERROR, "before");
    kith_log(KITH_LOG_INFO, "not this");
    kith_log_level(KITH_LOG_INFO);
    kith_init(NULL, NULL);
    say_all(NULL);
    kith_process_join(kith_process_start_with(say_all, NULL, 0, .name = "p"), KITH_FOREVER);
    return kith_finalize();
}

static void print(int level, const char *process, const char *text)
{
    (void)level;
    dprintf(STDERR_FILENO, "%s: %s\n", process, text);
}

static int say_two(const void *arg)
{
    (void)arg;
    kith_log(KITH_LOG_WARNING, "two");
    return 0;
}

static int log_by_handler(void)
{
    kith_log_to(print);
    kith_init(NULL, NULL);
    kith_log(KITH_LOG_WARNING, "one");
    kith_process_join(kith_process_start_with(say_two, NULL, 0, .name = "p"), KITH_FOREVER);
    return kith_finalize();
}

int main(int argc, char **argv)
{
    int fd, before, rc;

    if (argc > 1)
        return strcmp(argv[1], "log") == 0 ? log_by_levels() : log_by_handler();
    program = argv[0];
    unsetenv("KITH_LOG");
    snprintf(path, sizeof path, "%s/log.%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
    fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
    before = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("log", tests);
    dup2(before, STDERR_FILENO);
    unlink(path);
    return kith_finalize() ? 1 : rc;
}
