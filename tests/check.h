/* check.h: what the unit tests share. A test is a program of its own:
 *
 *     static void get_from_closed_queue_is_stale(void)
 *     {
 *         PASS(kith_queue_close(q));
 *         FAILS_WITH(KITH_ESTALE, kith_queue_size(q));
 *     }
 *
 *     static struct test tests[] = { TEST(get_from_closed_queue_is_stale), TEST_END };
 *
 *     int main(void) { return run_tests("queue", tests); }
 *
 * Exit status: 0, 1 when one failed, 77 when all were skipped. KITH_TEST_ONLY=word runs those with word in
 * their name, KITH_TEST_WITHOUT=word,word,... those with none of them, KITH_TEST_SEED=n repeats what was
 * drawn (as far as the moments of processes do). Shortly before the time limit of the program (tests/limit)
 * it ends by itself and names the test.
 */
#ifndef KITH_CHECK_H
#define KITH_CHECK_H

#include "kith.h"

#include <CUnit/Basic.h>
#include <CUnit/TestDB.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* 1: memory and faults are the sanitizer's, and so are crashes. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct test {
    const char *name;
    void (*fn)(void);
};
#define TEST(fn) \
    {            \
#fn, fn  \
    }
/* One that carries tests of CPython's over, "_TestQueue.test_put _TestQueue.test_timeout", say: see
 * README.md. */
#define TEST_LIKE(fn, theirs)        \
    {                                \
#fn " (like " theirs ")", fn \
    }
#define TEST_END   \
    {              \
        NULL, NULL \
    }

/* The call gives 0 or a count; it gives that code. Else: the expression, the code, the sentence. */
#define PASS(call) check_code(#call, (int64_t)(call), 0, 1, __FILE__, __LINE__)
#define FAILS_WITH(code, call) check_code(#call, (int64_t)(call), (code), 0, __FILE__, __LINE__)

/* In a child process, whose CU_ASSERT nobody sees: says what is wrong and ends it. */
#define REQUIRE(condition)                             \
    do {                                               \
        if (!(condition))                              \
            check_die(#condition, __FILE__, __LINE__); \
    } while (0)

/* Leaves the test: what it needs is not here. */
#define SKIP(why)                    \
    do {                             \
        check_skipped++;             \
        printf("skipped: %s ", why); \
        return;                      \
    } while (0)

static int check_skipped;

static inline void check_code(const char *call, int64_t rc, int64_t wanted, int or_more, const char *file,
                              int line)
{
    int ok = or_more ? rc >= wanted : rc == wanted;

    if (!ok)
        printf("\n    %s:%d: %s gives %lld (%s), \"%s\"\n", file, line, call, (long long)rc,
               kith_strerror((int)rc), rc < 0 ? kith_last_error() : "");
    CU_assertImplementation(ok, (unsigned)line, call, file, "", CU_FALSE);
}

static inline void check_die(const char *condition, const char *file, int line)
{
    fprintf(stderr, "\n    %s:%d: process %d: not so: %s; last error: \"%s\"\n", file, line, (int)getpid(),
            condition, kith_last_error());
    _exit(1);
}

/* Waits for a child; 0, its exit status, or -signal. */
static inline int check_wait(pid_t pid)
{
    int status = 0;

    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1000;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* The ranks of mpirun or srun have one job between them. One that a test makes in a child process is that
 * rank's own. */
static inline void check_own_jobs(void)
{
    if (getenv("PMIX_RANK") || getenv("PMI_RANK"))
        setenv("KITH_LAUNCH", "none", 1);
}

/* For tests whose tasks and Processes share more with their caller than kith's objects, such as pages of
 * mmap: they stay on this node, whichever others the test was given. */
#define near_pool(...) kith_pool_open_with(__VA_ARGS__, .nodes = 1)
#define near_process(...) kith_process_start_with(__VA_ARGS__, .node = KITH_HERE)

/* Runs fn in a child process: its exit status, as check_wait. */
static inline int check_fork(void (*fn)(void))
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        check_own_jobs();
        fn();
        fflush(NULL);
        _exit(0);
    }
    return check_wait(pid);
}

/* Another one each time, unless KITH_TEST_SEED is set; says it. */
static inline unsigned check_seed(void)
{
    const char *given = getenv("KITH_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)(int64_t)(kith_time() * 1e6);

    printf("KITH_TEST_SEED=%u ", seed);
    return seed;
}

/* In ms: for what takes 2 s at most by itself, and for ever when it is broken, on a machine that may stand
 * still for a while. */
enum { SOON = 30000 };

/* How much slower a sanitizer makes it. */
static inline int slowdown(void)
{
    const char *factor = getenv("KITH_TEST_SLOWDOWN");

    return factor && atoi(factor) > 0 ? atoi(factor) : 1;
}

/* Waits until it is so, which must be soon. It counts when it was so once: a call that a dead process has
 * left behind may arrive late, and changes it for another moment. */
#define AWAIT(condition)                                                                                 \
    do {                                                                                                 \
        double check_until = kith_time() + SOON / 1000.0 * slowdown();                                   \
        int check_holds;                                                                                 \
                                                                                                         \
        while (!(check_holds = (condition)) && kith_time() < check_until)                                \
            usleep(500);                                                                                 \
        CU_assertImplementation(check_holds, __LINE__, "AWAIT(" #condition ")", __FILE__, "", CU_FALSE); \
    } while (0)

/* Seconds that are left. */
static inline unsigned check_rest(void)
{
    enum { BY_HAND = 300, TO_SAY_IT = 2 };
    static double begin;
    const char *given = getenv("KITH_TEST_LIMIT");
    double rest;

    if (begin == 0)
        begin = kith_time();
    rest = begin + (given ? atoi(given) : BY_HAND) - TO_SAY_IT - kith_time();
    return rest > 1 ? (unsigned)rest : 1;
}

static void check_late(int signal)
{
    CU_pTest test = CU_get_current_test();
    const char *name = test ? test->pName : "?";

    (void)signal;
    (void)!write(STDOUT_FILENO, "\n    over its time limit: ", 26);
    (void)!write(STDOUT_FILENO, name, strlen(name));
    (void)!write(STDOUT_FILENO, "\n", 1);
    _exit(1);
}

static void check_begin(void)
{
    signal(SIGALRM, check_late);
    alarm(check_rest());
}

static void check_end(void)
{
    alarm(0);
}

/* 1: name has one of the words in it, which are separated by commas. */
static inline int check_names(const char *words, const char *name)
{
    char word[64];
    size_t n;

    for (; words && *words; words += n + (words[n] == ',')) {
        n = strcspn(words, ",");
        snprintf(word, sizeof word, "%.*s", (int)n, words);
        if (n > 0 && strstr(name, word))
            return 1;
    }
    return 0;
}

static inline int run_tests(const char *name, struct test *tests)
{
    const char *only = getenv("KITH_TEST_ONLY"), *without = getenv("KITH_TEST_WITHOUT");
    unsigned ran, failed;
    CU_pSuite suite;

    setvbuf(stdout, NULL, _IOLBF, 0);
    check_own_jobs();
    if (CU_initialize_registry() != CUE_SUCCESS ||
        !(suite = CU_add_suite_with_setup_and_teardown(name, NULL, NULL, check_begin, check_end)))
        return 1;
    for (; tests->name; tests++)
        if ((!only || strstr(tests->name, only)) && !check_names(without, tests->name) &&
            !CU_add_test(suite, tests->name, tests->fn))
            return 1;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    ran = CU_get_number_of_tests_run();
    failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    if (failed || ran == 0)
        return 1;
    return check_skipped == (int)ran ? 77 : 0;
}

#endif
