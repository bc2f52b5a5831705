/* test_guard.c: what a guard promises when its owner dies, at each step that there is. */
#include "config.h"
#include "check.h"
#include "shm/guard.h"
#include "base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

enum { WORDS = 6 };

static struct shared {
    struct kith__guard guard;
    kith__word words[WORDS]; /* all equal, but in the middle of a commit */
    _Atomic int steps;       /* of the process that counts */
    _Atomic int ready;
} * shared;

static int die_at; /* 0: only count */

static void count_or_die(const char *step)
{
    (void)step;
    if (atomic_fetch_add(&shared->steps, 1) + 1 == die_at)
        raise(SIGKILL);
}

static void fresh(void)
{
    if (!shared)
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(shared, 0, sizeof *shared);
    PASS(kith__guard_init(&shared->guard));
}

/* All words become one more. */
static void increment(void)
{
    kith__guard_enter(&shared->guard);
    for (int i = 0; i < WORDS; i++)
        kith__guard_set(&shared->guard, &shared->words[i], atomic_load(&shared->words[i]) + 1);
    kith__guard_commit(&shared->guard);
    kith__guard_leave(&shared->guard);
}

static void enter_and_leave(void)
{
    kith__guard_enter(&shared->guard);
    kith__guard_leave(&shared->guard);
}

/* Runs fn in a child that dies at that step. Gives how many steps it made. */
static int run_until(void (*fn)(void), int step, int status)
{
    pid_t pid;

    atomic_store(&shared->steps, 0);
    die_at = step;
    pid = fork();
    if (pid == 0) {
        kith__failpoint_hook = count_or_die;
        fn();
        _exit(0);
    }
    CU_ASSERT_EQUAL(check_wait(pid), status);
    return atomic_load(&shared->steps);
}

static uint64_t all_equal(void)
{
    for (int i = 1; i < WORDS; i++)
        CU_ASSERT_EQUAL(atomic_load(&shared->words[i]), atomic_load(&shared->words[0]));
    return atomic_load(&shared->words[0]);
}

static void commit_makes_all_words_true(void)
{
    fresh();
    increment();
    increment();
    CU_ASSERT_EQUAL(all_equal(), 2);
}

static void what_is_set_and_not_committed_is_dropped(void)
{
    fresh();
    kith__guard_enter(&shared->guard);
    kith__guard_set(&shared->guard, &shared->words[0], 99);
    CU_ASSERT_EQUAL(atomic_load(&shared->words[0]), 0);
    kith__guard_leave(&shared->guard);
    increment();
    CU_ASSERT_EQUAL(all_equal(), 1);
}

static void two_commits_in_one_section_are_two(void)
{
    fresh();
    kith__guard_enter(&shared->guard);
    kith__guard_set(&shared->guard, &shared->words[0], 5);
    kith__guard_commit(&shared->guard);
    CU_ASSERT_EQUAL(atomic_load(&shared->words[0]), 5);
    kith__guard_set(&shared->guard, &shared->words[1], 6);
    kith__guard_commit(&shared->guard);
    kith__guard_leave(&shared->guard);
    CU_ASSERT_EQUAL(atomic_load(&shared->words[0]), 5);
    CU_ASSERT_EQUAL(atomic_load(&shared->words[1]), 6);
}

static void death_at_each_step_changes_all_or_nothing(void)
{
    int steps, before = 0, after = 0;

    fresh();
    steps = run_until(increment, 0, 0);
    CU_ASSERT(steps > 2 * WORDS);
    for (int step = 1; step <= steps; step++) {
        fresh();
        CU_ASSERT_EQUAL(run_until(increment, step, -SIGKILL), step);
        enter_and_leave();
        if (all_equal())
            after++;
        else
            before++;
        CU_ASSERT(atomic_load(&shared->words[0]) <= 1);
        increment();
        all_equal();
    }
    CU_ASSERT(before >= WORDS && after >= WORDS);
}

/* By one store: it is there or it is not, and nothing is left to be finished. */
static void increment_one(void)
{
    kith__guard_enter(&shared->guard);
    kith__guard_set(&shared->guard, &shared->words[0], atomic_load(&shared->words[0]) + 1);
    kith__guard_commit(&shared->guard);
    CU_ASSERT(!kith__guard_is_pending(&shared->guard));
    kith__guard_leave(&shared->guard);
}

static void a_commit_of_one_word_needs_nobody_to_finish_it(void)
{
    int steps, before = 0;

    fresh();
    steps = run_until(increment_one, 0, 0);
    for (int step = 1; step <= steps; step++) {
        uint64_t left;

        fresh();
        CU_ASSERT_EQUAL(run_until(increment_one, step, -SIGKILL), step);
        left = atomic_load(&shared->words[0]);
        CU_ASSERT(!kith__guard_is_pending(&shared->guard));
        increment_one();
        CU_ASSERT_EQUAL(atomic_load(&shared->words[0]), left + 1);
        before += left == 0;
    }
    CU_ASSERT(before > 0 && before < steps);
}

/* Who finishes a commit for a dead one may die over it too. */
static void death_in_each_step_of_recovery_is_recovered(void)
{
    int steps, repairs;

    fresh();
    steps = run_until(increment, 0, 0);
    for (int first = 1; first <= steps; first++) {
        fresh();
        run_until(increment, first, -SIGKILL);
        repairs = run_until(enter_and_leave, 0, 0);
        for (int second = 1; second <= repairs; second++) {
            fresh();
            run_until(increment, first, -SIGKILL);
            run_until(enter_and_leave, second, -SIGKILL);
            enter_and_leave();
            CU_ASSERT(all_equal() <= 1);
        }
    }
}

static void hold_for_ever(void)
{
    kith__guard_enter(&shared->guard);
    kith__guard_set(&shared->guard, &shared->words[0], 99);
    atomic_store(&shared->ready, 1);
    for (;;)
        pause();
}

static void try_gives_up_while_somebody_is_in_it(void)
{
    pid_t pid;

    fresh();
    pid = fork();
    if (pid == 0)
        hold_for_ever();
    while (!atomic_load(&shared->ready))
        kith__pause();
    CU_ASSERT_EQUAL(kith__guard_try(&shared->guard), 0);
    CU_ASSERT_EQUAL(kith__guard_try(&shared->guard), 0);
    kill(pid, SIGKILL);
    CU_ASSERT_EQUAL(check_wait(pid), -SIGKILL);
    CU_ASSERT_EQUAL_FATAL(kith__guard_try(&shared->guard), 1);
    kith__guard_leave(&shared->guard);
    CU_ASSERT_EQUAL(all_equal(), 0);
}

static void increment_often(void)
{
    for (int i = 0; i < 20000; i++)
        increment();
}

static void nobody_is_in_it_with_another(void)
{
    pid_t pids[4];

    fresh();
    for (int i = 0; i < 4; i++)
        if ((pids[i] = fork()) == 0) {
            increment_often();
            _exit(0);
        }
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(check_wait(pids[i]), 0);
    CU_ASSERT_EQUAL(all_equal(), 80000);
}

static void increment_for_ever(void)
{
    for (;;)
        increment();
}

/* Real deaths, at instructions that no hook names. */
static void kills_at_random_moments_tear_nothing(void)
{
    unsigned seed = check_seed();
    uint64_t last = 0;

    fresh();
    for (int round = 0; round < 100; round++) {
        struct timespec moment = { 0, (long)(rand_r(&seed) % 2000000) };
        pid_t pids[2];

        for (int i = 0; i < 2; i++)
            if ((pids[i] = fork()) == 0)
                increment_for_ever();
        nanosleep(&moment, NULL);
        for (int i = 0; i < 2; i++) {
            kill(pids[i], SIGKILL);
            CU_ASSERT_EQUAL(check_wait(pids[i]), -SIGKILL);
        }
        enter_and_leave();
        CU_ASSERT(all_equal() >= last);
        last = all_equal();
    }
    CU_ASSERT(last > 100);
}

/* Offsets in the record count from the guard, so another mapping of the same pages finds the words. */
static void record_holds_in_another_mapping(void)
{
    int fd = kith__memfd("guard"), steps;
    struct shared *first = shared, *here, *there;

    CU_ASSERT_FATAL(fd >= 0 && ftruncate(fd, sizeof *shared) == 0);
    here = mmap(NULL, sizeof *here, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    there = mmap(NULL, sizeof *there, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CU_ASSERT_FATAL(here != MAP_FAILED && there != MAP_FAILED && here != there);
    shared = here;
    fresh();
    steps = run_until(increment, 0, 0);
    fresh();
    run_until(increment, steps - WORDS, -SIGKILL); /* it has decided, and not copied all */
    shared = there;
    enter_and_leave();
    CU_ASSERT_EQUAL(all_equal(), 1);
    shared = first;
    munmap(here, sizeof *here);
    munmap(there, sizeof *there);
    close(fd);
}

static struct test tests[] = { TEST(commit_makes_all_words_true),
                               TEST(what_is_set_and_not_committed_is_dropped),
                               TEST(two_commits_in_one_section_are_two),
                               TEST(death_at_each_step_changes_all_or_nothing),
                               TEST(a_commit_of_one_word_needs_nobody_to_finish_it),
                               TEST(death_in_each_step_of_recovery_is_recovered),
                               TEST(try_gives_up_while_somebody_is_in_it),
                               TEST(nobody_is_in_it_with_another),
                               TEST(kills_at_random_moments_tear_nothing),
                               TEST(record_holds_in_another_mapping),
                               TEST_END };

int main(void)
{
    return run_tests("guard", tests);
}
