/* test_janitor.c: what a dead process had is taken back, whatever becomes of the janitors that do it.
 *
 * Each test is a job of its own in a child: a hook that the fork server and its children inherit ends
 * janitors at one of their steps. */
#include "config.h"
#include "check.h"
#include "anyjob.h"
#include "shm/guard.h"
#include "shm/heap.h"
#include "member/members.h"
#include "member/wait.h"
#include "object/class.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { DEATHS = 5 };

static struct {
    _Atomic int deaths, asleep;
} * shared;

static const char *where; /* the step at which janitors die */
static void (*way)(void); /* and how */

static void by_segv(void)
{
    raise(SIGSEGV);
}
static void by_kill(void)
{
    raise(SIGKILL);
}
static void by_exit(void)
{
    exit(0);
}

static void die_in_janitors(const char *step)
{
    if (strcmp(step, where) == 0 && atomic_fetch_sub(&shared->deaths, 1) > 0)
        way();
}

static int twice(int x)
{
    return 2 * x;
}

static int sleep_long(int x)
{
    atomic_fetch_add(&shared->asleep, 1);
    for (;;)
        pause();
    return x;
}

static int map_for_long(const void *arg)
{
    int in[100] = { 0 }, out[100];

    kith_alloc(100000);
    return -kith_map(*(const kith_pool *)arg, sleep_long, in, out, 100);
}

/* 1 when no entry in the table of members is taken by the dead. */
static int all_are_swept(void)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++)
        if (atomic_load(&kith__member(i)->state) == KITH__DEAD ||
            atomic_load(&kith__member(i)->state) == KITH__SWEPT)
            return 0;
    return 1;
}

/* A worker is in the task of a Process that was killed: the pool ends when the call is withdrawn. */
static void kill_a_caller(void)
{
    kith_pool pool, other;
    kith_process caller;
    int in = 4, out = 0;

    shared->deaths = DEATHS;
    shared->asleep = 0;
    kith__failpoint_hook = die_in_janitors;
    begin();
    pool = kith_pool_open(1);
    other = kith_pool_open(1);
    caller = kith_process_start(map_for_long, &pool, sizeof pool);
    while (atomic_load(&shared->asleep) == 0)
        sched_yield();
    REQUIRE(kith_process_kill(caller) == 0 && kith_process_join(caller, KITH_FOREVER) == 0);
    REQUIRE(kith_pool_terminate(pool) == 0);
    while (!all_are_swept())
        usleep(1000);
    REQUIRE(shared->deaths < 0);
    REQUIRE(kith_map(other, twice, &in, &out, 1) == 0 && out == 8);
    REQUIRE(kith_pool_close(other) == 0 && kith_finalize() == 0);
}

static void what_a_janitor_left_the_next_one_does(void)
{
    static const char *const steps[] = { "janitor: begins", "janitor: commits finished",
                                         "janitor: jobs swept", "janitor: all swept" };
    static void (*const ways[])(void) = { by_segv, by_kill, by_exit };

    for (int s = 0; s < 4; s++)
        for (int w = 0; w < 3; w++) {
            if (SANITIZED && w == 0)
                continue;
            where = steps[s];
            way = ways[w];
            CU_ASSERT_EQUAL(check_fork(kill_a_caller), 0);
        }
}

static int hold(const void *arg)
{
    int rc = kith_lock_acquire(*(const kith_lock *)arg, KITH_FOREVER);

    atomic_fetch_add(&shared->asleep, 1);
    while (rc == 0)
        pause();
    return rc;
}

/* One that waits is woken by the death of the holder, when there is nothing to be had yet; and once more,
 * though the janitor that gave back what there was has died with its word of it. */
static void kill_a_holder(void)
{
    struct kith__wait w;
    kith_process holder;
    kith_lock l;
    uint32_t word;
    int code;

    shared->deaths = 1;
    shared->asleep = 0;
    kith__failpoint_hook = die_in_janitors;
    begin();
    l = kith_lock_open();
    holder = kith_process_start(hold, &l, sizeof l);
    while (atomic_load(&shared->asleep) == 0)
        sched_yield();
    REQUIRE(kith__wait_begin(&w, kith__object_waiters(kith__object_slot(l.id), 0), KITH_FOREVER) == 0);
    word = w.word;
    REQUIRE(kith_process_kill(holder) == 0);
    while (!all_are_swept() || atomic_load(&w.seat->word) - word < 2)
        usleep(1000);
    kith__wait_end(&w, 1);
    REQUIRE(shared->deaths <= 0);
    REQUIRE(kith_lock_acquire(l, 0) == KITH_EOWNERDEAD);
    REQUIRE(kith_process_join(holder, KITH_FOREVER) == 0 && kith_process_exitcode(holder, &code) == 0);
    REQUIRE(kith_process_close(holder) == 0 && kith_lock_close(l) == 0 && kith_finalize() == 0);
}

static void a_janitor_that_dies_leaves_nobody_asleep(void)
{
    where = "unit: given back";
    way = by_kill;
    CU_ASSERT_EQUAL(check_fork(kill_a_holder), 0);
}

static int crash(const void *arg)
{
    raise(SIGSEGV);
    return arg != NULL;
}

/* Said in fewer words by the second one: the first one may have died over the names of functions. */
static void crash_and_read(void)
{
    int ends[2];
    char text[4096];
    size_t used = 0;
    ssize_t got;
    kith_process p;
    int code;

    shared->deaths = 1;
    kith__failpoint_hook = die_in_janitors;
    REQUIRE(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    REQUIRE(kith_init(NULL, NULL) == 0);
    p = kith_process_start(crash, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0);
    kith_finalize();
    close(STDERR_FILENO);
    while (used < sizeof text - 1 && (got = read(ends[0], text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    REQUIRE(strstr(text, "crashed"));
}

static void a_crash_is_told_though_the_first_janitor_died(void)
{
    if (SANITIZED)
        SKIP("crashes are the sanitizer's");
    where = "janitor: tells";
    way = by_kill;
    CU_ASSERT_EQUAL(check_fork(crash_and_read), 0);
}

static void *map_in_a_thread(void *arg)
{
    map_for_long(arg);
    return NULL;
}

static int return_while_a_thread_waits(const void *arg)
{
    pthread_t thread;

    pthread_create(&thread, NULL, map_in_a_thread, (void *)(uintptr_t)arg);
    while (atomic_load(&shared->asleep) == 0)
        sched_yield();
    return 0;
}

static void leave_a_thread_in_a_call(void)
{
    kith_pool pool;
    kith_process caller;
    int code = -1;

    shared->asleep = 0;
    begin();
    pool = kith_pool_open(1);
    caller = kith_process_start(return_while_a_thread_waits, &pool, sizeof pool);
    REQUIRE(kith_process_join(caller, KITH_FOREVER) == 0 && kith_process_exitcode(caller, &code) == 0 &&
            code == 0);
    REQUIRE(kith_pool_terminate(pool) == 0 && kith_finalize() == 0);
}

static void a_call_of_another_thread_ends_with_its_process(void)
{
    CU_ASSERT_EQUAL(check_fork(leave_a_thread_in_a_call), 0);
}

static struct test tests[] = {
    TEST(what_a_janitor_left_the_next_one_does),
    TEST(a_janitor_that_dies_leaves_nobody_asleep),
    TEST(a_crash_is_told_though_the_first_janitor_died),
    TEST(a_call_of_another_thread_ends_with_its_process),
    TEST_END,
};

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return run_tests("janitor", tests);
}
