/* test_killed.c: Processes and tasks that a signal ends: who is told, what the status of the job is, and
 * whether it was want of memory. Each job is one of a child, whose stderr is read. */
#include "config.h"
#include "check.h"
#include "anyjob.h"
#include "base/cgroup.h"
#include "base/oom.h"
#include "member/members.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char told[4096];                  /* what the last job has written to stderr */
static int with_handler, without_reader; /* of its stdout */

static void print_to_nobody(void)
{
    int out[2];

    REQUIRE(pipe(out) == 0 && dup2(out[1], STDOUT_FILENO) == STDOUT_FILENO);
    close(out[0]);
    close(out[1]);
}

static int run(void (*job)(void))
{
    FILE *said = tmpfile();
    pid_t pid;
    int rc;

    REQUIRE(said);
    fflush(NULL);
    if ((pid = fork()) == 0) {
        if (without_reader)
            print_to_nobody();
        REQUIRE(dup2(fileno(said), STDERR_FILENO) == STDERR_FILENO && kith_init(NULL, NULL) == 0);
        if (with_handler)
            kith_on_fault(NULL);
        job();
        exit(kith_finalize());
    }
    rc = check_wait(pid);
    rewind(said);
    told[fread(told, 1, sizeof told - 1, said)] = '\0';
    fclose(said);
    return rc;
}

static int has_told(const char *text)
{
    if (strstr(told, text))
        return 1;
    printf("\n    no \"%s\" in \"%s\"\n", text, told);
    return 0;
}

static int be_killed(const void *arg)
{
    raise(*(const int *)arg);
    return 0;
}

static kith_process start_and_join(int sig)
{
    kith_process p = kith_process_start_with(be_killed, KITH_ARG(sig), .name = "victim");

    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
    return p;
}

static void ask_nobody(void)
{
    start_and_join(SIGKILL);
}
static void ask_nobody_of_a_crash(void)
{
    start_and_join(SIGSEGV);
}
static void ask_nobody_of_an_end_from_outside(void)
{
    start_and_join(SIGTERM);
}

static void close_at_once(void)
{
    int sig = SIGKILL;

    kith_process_close(kith_process_start(be_killed, KITH_ARG(sig)));
}

static void only_ask_whether_it_lives(void)
{
    REQUIRE(kith_process_alive(start_and_join(SIGKILL)) == 0);
}

static void a_death_that_nobody_asked_about_is_in_the_status(void)
{
    char host[300];

    for (with_handler = 0; with_handler < 2; with_handler++) {
        CU_ASSERT_EQUAL(run(ask_nobody), 1);
        CU_ASSERT_EQUAL(run(ask_nobody_of_an_end_from_outside), 1);
        CU_ASSERT_EQUAL(run(close_at_once), 1);
        CU_ASSERT_EQUAL(run(only_ask_whether_it_lives), 1);
        if (!SANITIZED)
            CU_ASSERT_EQUAL(run(ask_nobody_of_a_crash), 1);
    }
    with_handler = 0;
    snprintf(host, sizeof host, " on %s]", kith_host());
    run(ask_nobody);
    CU_ASSERT(has_told("kith: victim was killed by signal 9 (Killed) [pid ") && has_told(host));
    CU_ASSERT(has_told("kith: 1 Process was ended by a signal, and nobody has asked for its exit code\n"));
    run(ask_nobody_of_an_end_from_outside);
    CU_ASSERT(!strstr(told, "victim"));
    if (!SANITIZED) {
        run(ask_nobody_of_a_crash);
        CU_ASSERT(has_told("kith: victim crashed: SIGSEGV") && has_told(host));
    }
    with_handler = 1;
    run(ask_nobody);
    CU_ASSERT_STRING_EQUAL(told, "");
    with_handler = 0;
}

/* ------------------------------------------------------------------- a pipe is closed */

static int print(const void *how)
{
    if (*(const int *)how)
        signal(SIGPIPE, SIG_IGN);
    puts("a result");
    return 0;
}

/* The Process's exit code. */
static int print_in_a_process(int ignores)
{
    kith_process p = kith_process_start_with(print, KITH_ARG(ignores), .name = "printer");
    int code = 0;

    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0);
    return code;
}

/* The status of the job says it as well, though the exit code was asked for. */
static void print_as_usual(void)
{
    REQUIRE(print_in_a_process(0) == -SIGPIPE);
}

static void print_without_the_signal(void)
{
    REQUIRE(print_in_a_process(1) == 1);
}

static int write_to_a_pipe_of_its_own(const void *arg)
{
    int out[2];

    (void)arg;
    REQUIRE(pipe(out) == 0);
    close(out[0]);
    return (int)write(out[1], "x", 1);
}

static void lose_a_reader_of_its_own(void)
{
    kith_process p = kith_process_start_with(write_to_a_pipe_of_its_own, NULL, 0, .name = "writer");
    int code = 0;

    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0);
    REQUIRE(code == -SIGPIPE);
}

static void a_process_that_prints_to_nobody_is_told_of(void)
{
    without_reader = 1;
    CU_ASSERT_EQUAL(run(print_as_usual), 1);
    CU_ASSERT(
        has_told("kith: printer was killed by signal 13 (Broken pipe): nobody reads what the job prints"));
    CU_ASSERT(has_told("output of tasks or Processes to stdout cannot be written: Broken pipe"));
    CU_ASSERT_EQUAL(run(print_without_the_signal), 1);
    CU_ASSERT(has_told("output of tasks or Processes to stdout could not be written"));
    without_reader = 0;
    CU_ASSERT_EQUAL(run(lose_a_reader_of_its_own), 0);
    CU_ASSERT(has_told("kith: writer was killed by signal 13 (Broken pipe) [pid "));
}

/* -------------------------------------------------------------- that is as it should be */

static void ask_for_the_code(void)
{
    int code = 0;
    kith_process p = start_and_join(SIGKILL);

    REQUIRE(kith_process_exitcode(p, &code) == 0 && code == -SIGKILL);
    REQUIRE(kith_process_exitcode(p, &code) == 0 && code == -SIGKILL);
}

static int wait_long(const void *arg)
{
    for (;;)
        pause();
    return arg != NULL;
}

static void end_it(void)
{
    kith_process p = kith_process_start(wait_long, NULL, 0), q = kith_process_start(wait_long, NULL, 0);

    REQUIRE(kith_process_kill(p) == 0 && kith_process_join(p, KITH_FOREVER) == 0);
    REQUIRE(kith_process_terminate(q) == 0 && kith_process_join(q, KITH_FOREVER) == 0);
}

static void leave_a_daemon(void)
{
    kith_process_start_with(wait_long, NULL, 0, .daemon = 1);
}

static void a_death_that_was_asked_about_or_wanted_is_none(void)
{
    CU_ASSERT_EQUAL(run(end_it), 0);
    CU_ASSERT_STRING_EQUAL(told, "");
    CU_ASSERT_EQUAL(run(leave_a_daemon), 0);
    CU_ASSERT_STRING_EQUAL(told, "");
    CU_ASSERT_EQUAL(run(ask_for_the_code), 0);
}

static void the_same_through_the_network(void)
{
    int rc;

    CU_ASSERT_EQUAL(setenv("KITH_TRANSPORT", "net", 1), 0);
    if ((rc = run(ask_for_the_code)) != 0 && strstr(told, "cannot be loaded")) {
        unsetenv("KITH_TRANSPORT");
        SKIP("kith was built for one node only");
    }
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_EQUAL(run(ask_nobody), 1);
    unsetenv("KITH_TRANSPORT");
}

/* ----------------------------------------------------------------- out of memory */

static char root[PATH_MAX / 2];

static void file(const char *path, const char *text)
{
    char name[PATH_MAX];
    FILE *f;

    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = '\0';
        mkdir(name, 0755);
    }
    REQUIRE((f = fopen(name, "w")) != NULL);
    fputs(text, f);
    fclose(f);
}

static int counts(const char *path, const char *before, const char *after)
{
    file(path, before);
    kith__oom_watch(root);
    if (kith__oom_has_killed())
        return 0;
    file(path, after);
    return kith__oom_has_killed() && kith__oom_has_killed();
}

static void the_kernels_counters_are_read(void)
{
    const char *directory = getenv("TMPDIR");
    char command[PATH_MAX];

    snprintf(root, sizeof root, "%.1000s/oom-XXXXXX", directory ? directory : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
    file("/proc/self/cgroup", "");
    file("/proc/self/mountinfo", "");
    CU_ASSERT(
        counts("/proc/vmstat", "nr_free_pages 7\noom_kill 3\nx 1\n", "nr_free_pages 7\noom_kill 4\nx 1\n"));
    file("/proc/self/cgroup", "4:memory:/a/b\n0::/\n");
    file("/proc/self/mountinfo", "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    CU_ASSERT(counts("/sys/fs/cgroup/memory/a/b/memory.oom_control",
                     "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
                     "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"));
    CU_ASSERT(!counts("/sys/fs/cgroup/memory/a/memory.oom_control", "oom_kill 0\n", "oom_kill 1\n"));
    file("/proc/self/cgroup", "0::/a/b\n");
    file("/proc/self/mountinfo", "32 31 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    CU_ASSERT(counts("/sys/fs/cgroup/a/b/memory.events", "oom 9\noom_kill 5\noom_group_kill 0\n",
                     "oom 10\noom_kill 6\noom_group_kill 0\n"));
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    CU_ASSERT_EQUAL(system(command), 0);
}

static char group[PATH_MAX];

static void take_first(const char *directory, int version, void *arg)
{
    int *found = arg;

    if (*found == 0) {
        *found = version;
        snprintf(group, sizeof group, "%.3000s/kith-test-%d", directory, (int)getpid());
    }
}

static int write_to(const char *name, const char *text)
{
    char path[PATH_MAX + 64];
    FILE *f;
    int rc;

    snprintf(path, sizeof path, "%s/%s", group, name);
    if (!(f = fopen(path, "w")))
        return -1;
    fputs(text, f);
    rc = fclose(f);
    return rc;
}

static int eat(const void *arg)
{
    size_t size = 400 << 20;
    char *p = malloc(size);

    for (size_t i = 0; p && i < size; i += 4096)
        ((volatile char *)p)[i] = 1;
    return arg != NULL;
}

static int eat_in_a_task(int x)
{
    return eat(NULL) + x;
}

static void eat_all(void)
{
    int in = 0, out;
    kith_pool pool;

    kith_process_join(kith_process_start(eat, NULL, 0), KITH_FOREVER);
    pool = kith_pool_open_with(1, .tries = 1);
    kith_map(pool, eat_in_a_task, &in, &out, 1);
}

static void eat_all_in_a_group(void)
{
    char pid[16];

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    if (write_to("cgroup.procs", pid) < 0)
        _exit(77);
    _exit(run(eat_all) == 1 &&
                  has_told("kith: eat-1 was killed by signal 9 (Killed): out of memory: it had up to ") &&
                  has_told(
                      "eat_in_a_task(task 0) was killed by signal 9 (Killed): out of memory: it had up to ")
              ? 0
              : 1);
}

static void want_of_memory_is_named(void)
{
    int version = 0, rc = 77;

    kith__cgroups("", "memory", take_first, &version);
    if (version == 0 || mkdir(group, 0755) < 0)
        SKIP("no memory cgroup can be made here");
    if (version == 1 ? write_to("memory.limit_in_bytes", "200M") == 0 : write_to("memory.max", "200M") == 0) {
        write_to(version == 1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max",
                 version == 1 ? "200M" : "0");
        rc = check_fork(eat_all_in_a_group);
    }
    while (rmdir(group) < 0 && errno == EBUSY)
        usleep(1000);
    if (rc == 77)
        SKIP("no memory cgroup can be made here");
    CU_ASSERT_EQUAL(rc, 0);
}

static struct test tests[] = {
    TEST(a_death_that_nobody_asked_about_is_in_the_status),
    TEST(a_process_that_prints_to_nobody_is_told_of),
    TEST(a_death_that_was_asked_about_or_wanted_is_none),
    TEST(the_same_through_the_network),
    TEST(the_kernels_counters_are_read),
    TEST(want_of_memory_is_named),
    TEST_END,
};

int main(void)
{
    return run_tests("killed", tests);
}
