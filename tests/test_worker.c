/* test_worker.c: what a worker is: what it has of the program, what is its own, and what it leaves. Each job
 * is a child of the test, whose stdout and stderr go into one file. */
#include "config.h"
#include "check.h"
#include "base/system.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

static struct shared {
    _Atomic int coverage, exits, seen[8];
    char variable[8][16];
} * shared;

static volatile int counter = 1;

/* The test plays a program that was compiled for coverage: a second entry in the list of destructors says so.
 */
__attribute__((destructor)) static void as_compiled_for_coverage(void) {}

void __gcov_dump(void);

__attribute__((visibility("hidden"))) void __gcov_dump(void)
{
    atomic_fetch_add(&shared->coverage, 1);
}

/* Runs job in a child: its status, and what it printed in text. */
static int run(void (*job)(void), char *text, size_t room)
{
    static char buffer[BUFSIZ];
    int fd = kith__memfd("said"), status;
    ssize_t n;
    pid_t pid;

    memset(shared, 0, sizeof *shared);
    fcntl(fd, F_SETFL,
          O_APPEND); /* else two who write at once may write to the same place: so it is with a memfd */
    fflush(NULL);
    if ((pid = fork()) == 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        setvbuf(stdout, buffer, _IOFBF, sizeof buffer); /* CUnit has taken it away */
        job();
        exit(kith_finalize());
    }
    status = check_wait(pid);
    n = pread(fd, text, room - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    if (status != 0)
        printf("\n    status %d: %s\n", status, text);
    return status;
}

static int times(const char *text, const char *word)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

static void begin(void)
{
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_on_fault(NULL);
}

static int successor(int x)
{
    return x + 1;
}

static void map_once(kith_pool pool, int (*fn)(int))
{
    int in[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, out[8];

    REQUIRE(kith_map(pool, fn, in, out, 8) == 0);
}

/* ---- what was there before */

static int says(int x)
{
    printf("task %d;", x);
    return x;
}

static void print_before_and_after(void)
{
    FILE *log = fdopen(dup(STDERR_FILENO), "w");
    kith_pool pool;

    REQUIRE(log && fprintf(log, "log;") == 4);
    printf("before;");
    begin();
    printf("after;");
    pool = kith_pool_open(3);
    map_once(pool, says);
    printf("mapped;");
    REQUIRE(kith_pool_close(pool) == 0);
}

static void buffered_text_is_printed_once(void)
{
    char text[4096];

    CU_ASSERT_EQUAL(run(print_before_and_after, text, sizeof text), 0);
    CU_ASSERT(strstr(text, "before;") && strstr(text, "after;task ") &&
              strcmp(text + strlen(text) - 7, "mapped;") == 0);
    CU_ASSERT(strstr(text, "log;") && strstr(text, "log;") < strstr(text, "after;"));
    for (int i = 0; i < 8; i++) {
        char word[16];

        snprintf(word, sizeof word, "task %d;", i);
        CU_ASSERT_EQUAL(times(text, word), 1);
    }
    CU_ASSERT_EQUAL(times(text, ";"), 12);
}

static void count_exit(void)
{
    atomic_fetch_add(&shared->exits, 1);
}

static int reads_stdin(int x)
{
    char c;

    atomic_fetch_add(&shared->seen[0], read(STDIN_FILENO, &c, 1) == 0);
    return x;
}

static void have_stdin_and_handlers(void)
{
    int fds[2];
    kith_pool pool;

    REQUIRE(pipe(fds) == 0 && write(fds[1], "for the head", 12) == 12 && dup2(fds[0], STDIN_FILENO) == 0);
    atexit(count_exit);
    begin();
    pool = kith_pool_open(2);
    map_once(pool, reads_stdin);
    REQUIRE(kith_pool_close(pool) == 0);
}

static void stdin_and_atexit_are_the_heads(void)
{
    char text[4096];

    CU_ASSERT_EQUAL(run(have_stdin_and_handlers, text, sizeof text), 0);
    CU_ASSERT_EQUAL(shared->seen[0], 8);
    CU_ASSERT_EQUAL(shared->exits, 1);
}

/* ---- its own */

static int notes_threads(const void *arg)
{
    (void)arg;
    snprintf(shared->variable[kith_worker()], sizeof shared->variable[0], "%s", getenv("OMP_NUM_THREADS"));
    return 0;
}

static void look_at_threads(void)
{
    char all[16];
    int cpus;

    unsetenv("OMP_NUM_THREADS");
    begin();
    cpus = kith_usable_cpus();
    snprintf(all, sizeof all, "%d", cpus);
    REQUIRE(kith_pool_close(kith_pool_open_with(1, .init = notes_threads)) == 0 &&
            strcmp(shared->variable[0], all) == 0);
    REQUIRE(kith_pool_close(kith_pool_open_with(cpus < 8 ? cpus : 8, .init = notes_threads)) == 0);
    REQUIRE(cpus > 8 || strcmp(shared->variable[0], "1") == 0);
    REQUIRE(getenv("OMP_NUM_THREADS") == NULL);
}

/* Nothing binds it to that one. */
static void look_at_threads_of_one_cpu(void)
{
    setenv("SLURM_CPUS_ON_NODE", "1", 1);
    unsetenv("OMP_NUM_THREADS");
    begin();
    REQUIRE(kith_pool_close(kith_pool_open_with(1, .init = notes_threads)) == 0);
    REQUIRE(strcmp(shared->variable[0], "1") == 0);
}

static void look_at_given_threads(void)
{
    setenv("OMP_NUM_THREADS", "77", 1);
    begin();
    REQUIRE(kith_pool_close(kith_pool_open_with(2, .init = notes_threads)) == 0);
    REQUIRE(strcmp(shared->variable[0], "77") == 0 && strcmp(shared->variable[1], "77") == 0);
}

static void threads_of_libraries_are_as_many_as_its_cores(void)
{
    char text[4096];

    CU_ASSERT_EQUAL(run(look_at_threads, text, sizeof text), 0);
    CU_ASSERT_EQUAL(run(look_at_threads_of_one_cpu, text, sizeof text), 0);
    CU_ASSERT_EQUAL(run(look_at_given_threads, text, sizeof text), 0);
}

static int notes_cpus(const void *arg)
{
    cpu_set_t set;

    (void)arg;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    shared->seen[kith_worker()] = CPU_COUNT(&set);
    return 0;
}

static void be_pinned_or_not(void)
{
    cpu_set_t set;
    int all;

    sched_getaffinity(0, sizeof set, &set);
    all = CPU_COUNT(&set);
    begin();
    REQUIRE(kith_pool_close(kith_pool_open_with(2, .init = notes_cpus)) == 0);
    REQUIRE(all < 2 ||
            (shared->seen[0] + shared->seen[1] == all && shared->seen[0] > 0 && shared->seen[1] > 0));
    REQUIRE(kith_pool_close(kith_pool_open_with(2, .init = notes_cpus, .unpinned = 1)) == 0);
    REQUIRE(shared->seen[0] == all && shared->seen[1] == all);
}

static void it_is_pinned_unless_the_pool_says_otherwise(void)
{
    char text[4096];

    CU_ASSERT_EQUAL(run(be_pinned_or_not, text, sizeof text), 0);
}

static int draws(const void *arg)
{
    (void)arg;
    shared->seen[kith_worker()] = rand();
    return 0;
}

static void draw_in_each(void)
{
    begin();
    REQUIRE(kith_pool_close(kith_pool_open_with(8, .init = draws)) == 0);
}

static void rand_differs_in_each(void)
{
    char text[4096];

    CU_ASSERT_EQUAL(run(draw_in_each, text, sizeof text), 0);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < i; k++)
            CU_ASSERT_NOT_EQUAL(shared->seen[i], shared->seen[k]);
}

/* ---- what it leaves */

static int notes_coverage(int x)
{
    atomic_store(&shared->seen[0], shared->coverage);
    return x;
}

static int is_there(const void *arg)
{
    (void)arg;
    return 0;
}

static void have_coverage(void)
{
    kith_pool pool;

    begin();
    pool = kith_pool_open_with(
        3, .init = is_there); /* else one may not have been needed when the pool is closed */
    map_once(pool, notes_coverage);
    REQUIRE(shared->coverage == 0 && kith_pool_close(pool) == 0);
    REQUIRE(shared->coverage == 3);
}

static void coverage_is_written_at_its_end(void)
{
    char text[4096];

    if (SANITIZED)
        SKIP("a sanitizer has lists of its own");
    CU_ASSERT_EQUAL(run(have_coverage, text, sizeof text), 0);
}

/* ---- switches */

static int sleep_400_ms(int x)
{
    usleep(400000);
    return x;
}

static void work_without_limits(void)
{
    int x = 1, y = 0;

    setenv("KITH_DEBUG", "1", 1);
    begin();
    REQUIRE(kith_apply(kith_pool_open_with(1, .limit_ms = 50), sleep_400_ms, &y, x) == 0 && y == 1);
}

static void debug_switches_limits_off(void)
{
    char text[4096];

    CU_ASSERT_EQUAL(run(work_without_limits, text, sizeof text), 0);
}

static void change_a_global(void)
{
    kith_pool pool;

    setenv("KITH_CHECK", "1", 1);
    begin();
    pool = kith_pool_open(2);
    map_once(pool, successor);
    fprintf(stderr, "changed;");
    counter = 2;
    map_once(pool, successor);
}

static void check_warns_of_changed_globals(void)
{
    char text[4096], *changed;

    CU_ASSERT_EQUAL(run(change_a_global, text, sizeof text), 0);
    changed = strstr(text, "changed;");
    CU_ASSERT(changed == text && strstr(text, "counter"));
}

static struct test tests[] = {
    TEST_LIKE(buffered_text_is_printed_once, "TestStdinBadfiledescriptor.test_flushing"),
    TEST(stdin_and_atexit_are_the_heads),
    TEST(threads_of_libraries_are_as_many_as_its_cores),
    TEST(it_is_pinned_unless_the_pool_says_otherwise),
    TEST(rand_differs_in_each),
    TEST(coverage_is_written_at_its_end),
    TEST(debug_switches_limits_off),
    TEST(check_warns_of_changed_globals),
    TEST_END,
};

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? 1 : run_tests("worker", tests);
}
