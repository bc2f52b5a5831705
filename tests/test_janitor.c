/* test_janitor.c: what a dead process had is taken back, whatever becomes of the janitors that do it.
 *
 * Each test is a job of its own in a child: a hook that the fork server and its children inherit ends
 * janitors at one of their steps. */
#include "config.h"
#include "check.h"
#include "anyjob.h"
#include "base/system.h"
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
    _Atomic int deaths, asleep, stops, alone;
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

/* Only the first one, until the test goes on. */
static void by_stop(void)
{
    shared->stops = 1;
    while (shared->stops)
        usleep(1000);
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
    static const char *const steps[] = { "janitor: begins",           "janitor: commits finished",
                                         "janitor: units given back", "janitor: settled",
                                         "janitor: jobs swept",       "janitor: all swept" };
    static void (*const ways[])(void) = { by_segv, by_kill, by_exit };

    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++)
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

/* What a Process has when it ends. */
struct held {
    kith_lock lock;
    kith_rlock rlock;
    kith_sem sem;
    kith_value value;
    kith_queue work, plain;
    kith_pipe ends[2];
};

static struct held open_all(void)
{
    struct held h = { kith_lock_open(),
                      kith_rlock_open(),
                      kith_sem_open(1),
                      kith_value_of(1),
                      kith_queue_open_with(0, .joinable = 1),
                      kith_queue_open(0),
                      { { 0 } } };
    int item = 7;

    REQUIRE(kith_put(h.work, item) == 0 && kith_pipe_open(h.ends) == 0);
    return h;
}

static void close_all(const struct held *h)
{
    REQUIRE(kith_lock_close(h->lock) == 0 && kith_rlock_close(h->rlock) == 0 && kith_sem_close(h->sem) == 0);
    REQUIRE(kith_value_close(h->value) == 0 && kith_queue_close(h->work) == 0 &&
            kith_queue_close(h->plain) == 0);
    REQUIRE(kith_pipe_close(h->ends[0]) == 0 && kith_pipe_close(h->ends[1]) == 0);
}

static void die_when_decided(const char *step)
{
    if (strcmp(step, "guard: record complete") == 0)
        raise(SIGKILL);
}

/* When it was given the end: so that a janitor comes, however it ends. */
static int take_all_and_put(const struct held *h, void (*hook)(const char *step))
{
    int item = 0;

    REQUIRE(kith_recv(h->ends[1], &item) == 0);
    REQUIRE(kith_lock_acquire(h->lock, 0) == 0 && kith_rlock_acquire(h->rlock, 0) == 0 &&
            kith_sem_acquire(h->sem, 0) == 0 && kith_value_lock(h->value, 0) == 0);
    REQUIRE(kith_get(h->work, &item) == 0 && item == 7 && kith_send(h->ends[1], item) == 0);
    kith__failpoint_hook = hook;
    return kith_put(h->plain, item);
}

/* It is killed over a put that it has decided. */
static int take_all_and_die(const void *arg)
{
    return take_all_and_put(arg, die_when_decided);
}

static int take_all_and_return(const void *arg)
{
    return take_all_and_put(arg, NULL);
}

static int take_all_and_exit(const void *arg)
{
    exit(take_all_and_put(arg, NULL) == 0 ? 3 : 4);
}

static const struct way_out {
    kith_target *fn;
    int code;
} ways_out[] = { { take_all_and_die, -SIGKILL }, { take_all_and_return, 0 }, { take_all_and_exit, 3 } };

enum { WAYS_OUT = sizeof ways_out / sizeof ways_out[0] };

static const struct way_out *way_out;

/* Nobody waits for anything here. */
static void all_is_settled(const struct held *h)
{
    int item = 0;

    REQUIRE(!kith__guard_is_pending(&kith__object_slot(h->plain.id)->guard));
    REQUIRE(kith_queue_size(h->plain) == 1);
    REQUIRE(kith_lock_acquire(h->lock, 0) == KITH_EOWNERDEAD && kith_lock_release(h->lock) == 0);
    REQUIRE(kith_rlock_acquire(h->rlock, 0) == KITH_EOWNERDEAD && kith_rlock_release(h->rlock) == 0);
    REQUIRE(kith_sem_acquire(h->sem, 0) == KITH_EOWNERDEAD);
    REQUIRE(kith_value_lock(h->value, 0) == KITH_EOWNERDEAD && kith_value_unlock(h->value) == 0);
    REQUIRE(kith_queue_get(h->work, &item, sizeof item, 0) == sizeof item && item == 7);
    REQUIRE(kith_pipe_recv(h->ends[0], &item, sizeof item, 0) == sizeof item);
}

static void its_end_is_over(const struct held *h)
{
    int item;

    REQUIRE(kith_pipe_recv(h->ends[0], &item, sizeof item, 0) == KITH_EEND);
}

static void it_runs_to_all(kith_process p)
{
    struct kith_waitable on[] = { kith_on(p) };
    kith_process children[2];
    int code;

    REQUIRE(kith_process_join(p, 0) == KITH_ETIMEDOUT && kith_wait(on, 1, 0) == KITH_ETIMEDOUT);
    REQUIRE(kith_process_alive(p) == 1 && kith_process_exitcode(p, &code) == KITH_ERUNNING);
    REQUIRE(kith_processes(children, 2) == 1 && children[0].id == p.id && kith_process_pid(p) > 0);
    REQUIRE(kith_process_kill(p) == 0);
}

/* Before the step it seems to run, where the janitor has stopped; or else it has ended by then. */
static void see_the_end_of(int seems_to_run)
{
    struct held h;
    kith_process p;
    int code = 0;

    shared->deaths = 1;
    kith__failpoint_hook = die_in_janitors;
    begin();
    h = open_all();
    p = kith_process_start(way_out->fn, KITH_ARG(h));
    REQUIRE(kith_pipe_give(h.ends[1], p) == 0 && kith_send(h.ends[0], code) == 0);
    while (shared->stops == 0)
        usleep(1000);
    if (seems_to_run) {
        it_runs_to_all(p);
        shared->stops = 0;
    }
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
    all_is_settled(&h);
    its_end_is_over(&h);
    REQUIRE(kith_process_alive(p) == 0 && kith_processes(NULL, 0) == 0);
    REQUIRE(kith_process_exitcode(p, &code) == 0 && code == way_out->code);
    shared->stops = 0;
    close_all(&h);
    REQUIRE(kith_process_close(p) == 0 && kith_finalize() == 0);
}

static void see_it_run(void)
{
    see_the_end_of(1);
}
static void see_it_ended(void)
{
    see_the_end_of(0);
}

static void however_a_process_ends_it_has_ended_when_what_it_had_is_settled(void)
{
    static const char *const before[] = { "janitor: begins", "janitor: commits finished",
                                          "janitor: units given back" };

    way = by_stop;
    for (int w = 0; w < WAYS_OUT; w++) {
        way_out = &ways_out[w];
        for (int s = 0; s < 3; s++) {
            where = before[s];
            CU_ASSERT_EQUAL(check_fork(see_it_run), 0);
        }
        where = "janitor: settled";
        CU_ASSERT_EQUAL(check_fork(see_it_ended), 0);
    }
}

static int take_some_and_return(const void *arg)
{
    const struct held *h = arg;
    int item = 0;

    REQUIRE(kith_lock_acquire(h->lock, 0) == 0 && kith_rlock_acquire(h->rlock, 0) == 0 &&
            kith_sem_acquire(h->sem, 0) == 0 && kith_value_lock(h->value, 0) == 0);
    REQUIRE(kith_get(h->work, &item) == 0 && item == 7 && kith_send(h->ends[1], item) == 0);
    shared->alone = !kith__has_other_threads(); /* a sanitizer's is one */
    return kith_put(h->plain, item);
}

static void join_without_a_janitor(void)
{
    struct held h;
    kith_process p;

    shared->deaths = 1;
    kith__failpoint_hook = die_in_janitors;
    begin();
    h = open_all();
    p = kith_process_start(take_some_and_return, KITH_ARG(h));
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_close(p) == 0);
    all_is_settled(&h);
    REQUIRE(shared->deaths == 1 || !shared->alone);
    close_all(&h);
    REQUIRE(kith_finalize() == 0);
}

/* Unless another process may have named it as a holder. */
static void who_returns_gives_back_what_it_had_itself(void)
{
    where = "janitor: begins";
    way = by_kill;
    CU_ASSERT_EQUAL(check_fork(join_without_a_janitor), 0);
}

/* At one of their steps all janitors die, until it was joined. */
static void join_though_all_janitors_die(void)
{
    struct held h;
    kith_process p;
    int code = 0;

    shared->deaths = 1000000;
    kith__failpoint_hook = die_in_janitors;
    begin();
    kith_log_level(KITH_LOG_CRITICAL); /* that janitors die is told */
    h = open_all();
    p = kith_process_start(way_out->fn, KITH_ARG(h));
    REQUIRE(kith_pipe_give(h.ends[1], p) == 0 && kith_send(h.ends[0], code) == 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
    REQUIRE(kith_process_exitcode(p, &code) == 0 && code == way_out->code);
    shared->deaths = 0;
    while (!all_are_swept())
        usleep(1000);
    all_is_settled(&h);
    its_end_is_over(&h);
    close_all(&h);
    REQUIRE(kith_process_close(p) == 0 && kith_finalize() == 0);
}

static void a_process_is_joined_though_its_janitors_die(void)
{
    static const char *const steps[] = { "janitor: begins",   "janitor: commits finished",
                                         "unit: given back",  "janitor: units given back",
                                         "janitor: settled",  "janitor: jobs swept",
                                         "janitor: all swept" };

    way = by_kill;
    for (size_t s = 0; s < WAYS_OUT * sizeof steps / sizeof steps[0]; s++) {
        way_out = &ways_out[s % WAYS_OUT];
        where = steps[s / WAYS_OUT];
        CU_ASSERT_EQUAL(check_fork(join_though_all_janitors_die), 0);
    }
}

struct locked_call {
    kith_pool pool;
    kith_lock lock;
};

static int wait_for_the_lock(const void *in, void *out, const void *arg)
{
    const struct locked_call *c = arg;
    int rc;

    (void)in;
    atomic_fetch_add(&shared->asleep, 1);
    *(int *)out = rc = kith_lock_acquire(c->lock, KITH_FOREVER);
    return rc == KITH_EOWNERDEAD ? kith_lock_release(c->lock) : -1;
}

static int call_with_the_lock(const void *arg)
{
    const struct locked_call *c = arg;
    int in[1] = { 0 }, out[1];

    (void)!kith_lock_acquire(c->lock, KITH_FOREVER);
    return kith_map_with(c->pool, wait_for_the_lock, in, out, 1, KITH_ARG(*c));
}

/* A task waits for what its caller holds: so the janitor must not wait for the task first. */
static void kill_a_caller_with_a_lock(void)
{
    struct locked_call c;
    kith_process caller;
    int code;

    shared->asleep = 0;
    alarm(check_rest());
    begin();
    c.pool = kith_pool_open(1);
    c.lock = kith_lock_open();
    caller = kith_process_start(call_with_the_lock, KITH_ARG(c));
    while (atomic_load(&shared->asleep) == 0)
        sched_yield();
    REQUIRE(kith_process_kill(caller) == 0 && kith_process_join(caller, KITH_FOREVER) == 0);
    REQUIRE(kith_process_exitcode(caller, &code) == 0 && kith_process_close(caller) == 0);
    REQUIRE(kith_pool_close(c.pool) == 0);
    REQUIRE(kith_lock_acquire(c.lock, 0) == 0 && kith_lock_release(c.lock) == 0);
    REQUIRE(kith_lock_close(c.lock) == 0 && kith_finalize() == 0);
}

static void a_task_gets_what_its_dead_caller_held(void)
{
    CU_ASSERT_EQUAL(check_fork(kill_a_caller_with_a_lock), 0);
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
    TEST(however_a_process_ends_it_has_ended_when_what_it_had_is_settled),
    TEST(who_returns_gives_back_what_it_had_itself),
    TEST(a_process_is_joined_though_its_janitors_die),
    TEST(a_task_gets_what_its_dead_caller_held),
    TEST(a_crash_is_told_though_the_first_janitor_died),
    TEST(a_call_of_another_thread_ends_with_its_process),
    TEST_END,
};

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return run_tests("janitor", tests);
}
