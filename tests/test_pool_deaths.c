/* test_pool_deaths.c: the end of a pool when those who use it die, and very many deaths. */
#include "config.h"
#include "pool/call.h"
#include "check.h"
#include "shm/heap.h"
#include "pool/pool.h"
#include "object/process.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* A process costs some 20 ms more with a sanitizer: not each step, and fewer rounds. */
enum { STRIDE = SANITIZED ? 5 : 1, ROUNDS = SANITIZED ? 5 : 20, FEW = SANITIZED ? 8 : 32 };

static int *tries; /* shared by all processes */

static int square(int x)
{
    return x * x;
}

/* ---- deaths around the end of a pool */

static _Atomic int *asleep; /* tasks that will not end */

static int sleep_long(int x)
{
    atomic_fetch_add(asleep, 1);
    for (;;)
        pause();
    return x;
}

static int map_for_long(const void *arg)
{
    int x = 1, y;

    return -kith_map(*(const kith_pool *)arg, sleep_long, &x, &y, 1);
}

static kith_process start_caller(kith_pool pool)
{
    kith_process caller;

    atomic_store(asleep, 0);
    caller = near_process(map_for_long, &pool, sizeof pool);
    while (atomic_load(asleep) == 0)
        sched_yield();
    return caller;
}

static void a_pool_ends_though_a_caller_has_died(void)
{
    for (int round = 0; round < 3; round++) {
        kith_pool pool = near_pool(2);
        kith_process caller = start_caller(pool);

        PASS(kith_process_kill(caller));
        PASS(kith_process_join(caller, KITH_FOREVER));
        PASS(kith_pool_terminate(pool));
        PASS(kith_process_close(caller));
    }
}

static int fail_or_sleep(int x)
{
    return x < 50 ? kith_fail(1, "%d", x) : sleep_long(x);
}

static int map_faults_for_long(const void *arg)
{
    int x[51], y[51];

    for (int i = 0; i < 51; i++)
        x[i] = i;
    return -kith_map(*(const kith_pool *)arg, fail_or_sleep, x, y, 51);
}

/* Nobody will hear of the faults in its job. */
static void faults_of_a_dead_caller_are_freed(void)
{
    kith_pool pool = near_pool(1, .chunk = 1);
    uint64_t before, seen = 0;
    struct kith__heap_stats stats;
    int y;

    PASS(kith_apply(pool, square, &y, 3));
    kith__heap_stats(&stats);
    before = stats.used_blocks;
    for (int round = 0; round < 2; round++) {
        kith_process caller;

        atomic_store(asleep, 0);
        caller = near_process(map_faults_for_long, &pool, sizeof pool);
        while (atomic_load(asleep) == 0)
            sched_yield();
        PASS(kith_process_kill(caller));
        PASS(kith_process_join(caller, KITH_FOREVER));
        PASS(kith_process_close(caller));
        PASS(kith_pool_terminate(pool));
        pool = near_pool(1, .chunk = 1);
        PASS(kith_apply(pool, square, &y, 3));
    }
    /* The janitors of those who were killed come a moment later. */
    for (int i = 0; i < 3000 && (i == 0 || seen > before); i++) {
        kith__heap_stats(&stats);
        seen = stats.used_blocks;
        if (seen > before)
            usleep(10000);
    }
    CU_ASSERT(seen <= before);
    PASS(kith_pool_close(pool));
}

static int close_it(const void *arg)
{
    return -kith_pool_close(*(const kith_pool *)arg);
}

/* Waits until somebody has begun to end it. */
static void await_its_end(kith_pool pool)
{
    while (kith_pool_workers(pool) != KITH_ESTALE)
        sched_yield();
}

static int exitcode(kith_process p)
{
    int code = -1000;

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
    return code;
}

static void callers_find_a_pool_cancelled_whose_closer_has_died(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        kith_pool pool = near_pool(2);
        kith_process caller = start_caller(pool), closer = near_process(close_it, &pool, sizeof pool);

        await_its_end(pool);
        PASS(kith_process_kill(closer));
        CU_ASSERT_EQUAL(exitcode(closer), -SIGKILL);
        CU_ASSERT_EQUAL(exitcode(caller), -KITH_ECANCELLED);
    }
}

static int steps_to_live;

static void die_at_a_step(const char *step)
{
    int counts = strncmp(step, "pool:", 5) == 0 || strcmp(step, "guard: entered") == 0 ||
                 strcmp(step, "guard: value set") == 0 || strcmp(step, "guard: record complete") == 0;

    if (counts && steps_to_live-- == 0)
        raise(SIGKILL);
}

static int greet(const void *arg)
{
    (void)arg;
    return 0;
}

static int copy(const void *in, void *out)
{
    memcpy(out, in, 1000);
    return 0;
}

struct doomed {
    kith_pool pool;
    int steps;
};

static int close_and_die(const void *arg)
{
    const struct doomed *d = arg;

    steps_to_live = d->steps;
    kith__failpoint_hook = die_at_a_step;
    kith_pool_close(d->pool);
    kith__failpoint_hook = NULL;
    return 0;
}

/* A pool that has an argument for its workers, a job, and a ring in that. */
static kith_pool open_with_blocks(void)
{
    static char in[20][1000], out[20][1000];
    kith_pool pool = near_pool(1, .init = greet, .arg = in, .arg_size = sizeof in);

    REQUIRE(kith_pool_map(pool, copy, in, sizeof in[0], out, sizeof out[0], 20) == 0);
    return pool;
}

static uint64_t used_blocks(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_blocks;
}

/* Nobody else has the handle of what the dead one has opened. */
static void end_what_was_opened(struct kith__object *o, void *nothing)
{
    (void)nothing;
    kith_pool_terminate((kith_pool){ kith__object_id(o) });
}

/* Its janitor comes a moment later, and may still open a pool or close it. */
static void await_blocks(uint64_t before, int step)
{
    for (int i = 0; i < 3000 && used_blocks() > before; i++) {
        kith__objects_each(KITH__POOL_KIND, end_what_was_opened, NULL);
        usleep(i < 100 ? 100 : 10000);
    }
    if (used_blocks() != before)
        printf("\n    killed at step %d: %d blocks are left\n", step, (int)(used_blocks() - before));
    CU_ASSERT_EQUAL_FATAL(used_blocks(), before);
}

static void what_a_dead_closer_has_not_freed_is_freed(void)
{
    uint64_t before = used_blocks();
    struct doomed d;
    int code = -SIGKILL;

    for (d.steps = 0; code == -SIGKILL; d.steps += STRIDE) {
        d.pool = open_with_blocks();
        code = exitcode(near_process(close_and_die, KITH_ARG(d)));
        if (kith_pool_workers(d.pool) > 0)
            PASS(kith_pool_terminate(d.pool)); /* it died before it had begun */
        await_blocks(before, d.steps);
    }
    CU_ASSERT_EQUAL(code, 0);
    CU_ASSERT(d.steps > 20);
}

static int open_and_die(const void *arg)
{
    kith_pool pool;

    steps_to_live = *(const int *)arg;
    kith__failpoint_hook = die_at_a_step;
    pool = open_with_blocks();
    kith__failpoint_hook = NULL;
    return kith_pool_terminate(pool);
}

static void what_a_dead_opener_had_is_freed(void)
{
    uint64_t before = used_blocks();
    int code = -SIGKILL, steps;

    for (steps = 0; code == -SIGKILL; steps += STRIDE) {
        code = exitcode(near_process(open_and_die, KITH_ARG(steps)));
        await_blocks(before, steps);
    }
    CU_ASSERT_EQUAL(code, 0);
    CU_ASSERT(steps > 20);
}

enum { WHEREVER, WAIT, WAITS };
static _Atomic int *janitor; /* one of these: where it is to wait, and whether it does */

static _Atomic int *settles; /* for so many ms each worker's successor does, before it goes on */

static void wait_at_a_step(const char *step)
{
    int wait = WAIT;

    if (strcmp(step, "settle: a job settled") == 0)
        usleep(1000 * (unsigned)atomic_load(settles));
    if (strcmp(step, "pool: seen") == 0 && atomic_compare_exchange_strong(janitor, &wait, WAITS))
        while (atomic_load(janitor) == WAITS)
            usleep(100);
}

static int die_at_once(const void *arg)
{
    (void)arg;
    return raise(SIGKILL);
}

/* Memory of ours that covers what was at that offset, full of what looks like anything. */
static char *cover(uint64_t offset, uint64_t size)
{
    for (int i = 0; i < 200; i++) {
        char *p = kith_alloc(size);

        memset(p, 0xff, size);
        if (kith__offset(p) <= offset && offset < kith__offset(p) + size)
            return p;
    }
    return NULL;
}

static void a_janitor_changes_no_memory_that_was_a_job(void)
{
    kith_pool pool = open_with_blocks();
    struct kith__object *o;
    uint64_t job, size, wrong = 0;
    kith_process p;
    uint32_t who;
    char *now;

    PASS(kith__pool_find(pool, &o));
    job = atomic_load(&kith__post(kith__pool_body(o), 0)->job);
    CU_ASSERT_FATAL(job != 0);
    size = kith__heap_size_of(job);
    atomic_store(janitor, WAIT);
    p = near_process(die_at_once, NULL, 0);
    who = atomic_load(&kith__process_body(kith__object_slot(p.id))->member);
    while (atomic_load(janitor) != WAITS)
        usleep(100);
    PASS(kith_pool_close(pool));
    CU_ASSERT_FATAL((now = cover(job, size)) != NULL);
    atomic_store(janitor, WHEREVER);
    for (double end = kith_time() + SOON / 1000;
         atomic_load(&kith__member(who)->state) != KITH__FREE && kith_time() < end;)
        usleep(1000);
    CU_ASSERT_EQUAL(atomic_load(&kith__member(who)->state), KITH__FREE);
    for (uint64_t i = 0; i < size; i++)
        wrong += now[i] != (char)0xff;
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(exitcode(p), -SIGKILL);
}

static void *close_in_thread(void *pool)
{
    return (void *)(intptr_t)kith_pool_close(*(kith_pool *)pool);
}

static void terminate_hastens_who_waits_in_close(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        kith_pool pool = near_pool(2);
        kith_process caller = start_caller(pool);
        pthread_t closer;
        void *closed;

        CU_ASSERT_FATAL(pthread_create(&closer, NULL, close_in_thread, &pool) == 0);
        await_its_end(pool);
        PASS(kith_pool_terminate(pool));
        FAILS_WITH(KITH_ESTALE, kith_pool_terminate(pool));
        pthread_join(closer, &closed);
        CU_ASSERT_EQUAL((intptr_t)closed, 0);
        CU_ASSERT_EQUAL(exitcode(caller), -KITH_ECANCELLED);
    }
}

/* ---- no place for more processes */

static int die_once(int x)
{
    if (__atomic_fetch_add(&tries[x], 1, __ATOMIC_SEQ_CST) == 0)
        raise(SIGKILL);
    return x;
}

struct below {
    kith_pool pool;
    int first;
};

/* Its process dies in a call of its own. */
static int die_below(const void *in, void *out)
{
    const struct below *b = in;
    int x[2] = { b->first, b->first + 1 };

    return kith_map(b->pool, die_once, x, out, 2);
}

static void workers_are_replaced_without_a_free_place(void)
{
    static uint32_t taken[KITH__MEMBERS];
    int in[64], out[64], wrong = 0;
    kith_pool own = near_pool(1, .tries = 10), worn = near_pool(2, .tasks_per_worker = 3);
    struct below below = { own, 40 };
    uint32_t n = 0;

    for (int i = 0; i < 64; i++)
        in[i] = i;
    memset(tries, 0, 64 * sizeof *tries);
    PASS(kith_map(worn, square, in, out, 1));
    while ((taken[n] = kith__member_take(KITH__PROCESS)) != 0)
        n++;
    PASS(kith_map(worn, square, in, out, 2 * FEW));
    for (int i = 0; i < 2 * FEW; i++)
        wrong += out[i] != square(i);
    PASS(kith_map(own, die_once, in, out, FEW));
    for (int i = 0; i < FEW; i++)
        wrong += out[i] != i;
    CU_ASSERT_EQUAL(wrong, 0);
    PASS(kith_map(own, die_below, &below, (int(*)[2])(void *)out, 1));
    CU_ASSERT(out[0] == 40 && out[1] == 41 && tries[41] > 1);
    for (uint32_t i = 0; i < n; i++)
        kith__member_free(taken[i]);
    PASS(kith_pool_close(worn));
    PASS(kith_pool_close(own));
}

static int die_each_time(int x)
{
    raise(SIGKILL);
    return x;
}

static int hang(int x)
{
    for (;;)
        pause();
    return x;
}

/* Without a limit of its own this would go on for ever. */
static int fall_below(kith_pool pool, int (*fn)(int))
{
    int x[2] = { 0, 1 }, y[2];

    return __atomic_fetch_add(&tries[0], 1, __ATOMIC_SEQ_CST) > 30 ? 0 : kith_map(pool, fn, x, y, 2);
}

static int die_in_own_call(const void *in, void *out)
{
    (void)out;
    return fall_below(*(const kith_pool *)in, die_each_time);
}

static int hang_in_own_call(const void *in, void *out)
{
    (void)out;
    return fall_below(*(const kith_pool *)in, hang);
}

/* Its worker runs the tasks of its call: with one worker, all of them. */
static void a_task_whose_own_calls_end_its_worker_has_so_many_tries(void)
{
    kith_pool pool = near_pool(1, .tries = 3, .limit_ms = 1500);
    struct kith_fault f;
    int out;

    tries[0] = 0;
    FAILS_WITH(KITH_ETASK, kith_map(pool, die_in_own_call, &pool, &out, 1));
    CU_ASSERT(kith_last_fault(&f, 0) == 0 && f.end == KITH_END_SIGNALLED && f.signal == SIGKILL);
    CU_ASSERT_EQUAL(tries[0], 3);
    tries[0] = 0;
    FAILS_WITH(KITH_ETASK, kith_map(pool, hang_in_own_call, &pool, &out, 1));
    CU_ASSERT(kith_last_fault(&f, 0) == 0 && f.end == KITH_END_OVER_LIMIT);
    CU_ASSERT_EQUAL(tries[0], 3);
    PASS(kith_pool_close(pool));
}

static int leave_each_time(int x)
{
    exit(x + 3);
}

static int leave_in_own_call(const void *in, void *out)
{
    (void)out;
    return fall_below(*(const kith_pool *)in, leave_each_time);
}

static void leave_in_fold(void *total, const void *part)
{
    (void)total;
    (void)part;
    exit(0);
}

static int nothing(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    (void)lo;
    (void)hi;
    (void)arg;
    memset(part, 0, sizeof(int));
    return 0;
}

static int reduce_and_leave(const void *arg)
{
    int total = 0;

    return kith_reduce(*(const kith_pool *)arg, nothing, NULL, 0, 10, leave_in_fold, &total);
}

/* Its call is under way as long as somebody stands for it: else the pool would wait for it. */
static void a_pool_ends_though_a_caller_has_called_exit(void)
{
    kith_pool pool = near_pool(1);
    struct kith_fault f;
    int out;

    tries[0] = 0;
    FAILS_WITH(KITH_ETASK, kith_map(pool, leave_in_own_call, &pool, &out, 1));
    CU_ASSERT(kith_last_fault(&f, 0) == 0 && f.end == KITH_END_EXITED && f.code >= 3);
    CU_ASSERT_EQUAL(exitcode(near_process(reduce_and_leave, KITH_ARG(pool))), 0);
    PASS(kith_pool_close(pool));
}

static int leave_an_orphan(int x)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
    tries[0] = pid;
    raise(SIGKILL);
    return x;
}

static int begin_well(const void *arg)
{
    (void)arg;
    return 0;
}

static void orphans_are_ended_among_very_many_workers(void)
{
    enum { VERY_MANY = 900 }; /* their numbers are more than a page of text */
    kith_pool pool;
    int in = 1, out;

    if (slowdown() > 1)
        SKIP("900 processes are too many where each of them is slow");
    pool = near_pool(VERY_MANY, .tries = 1, .init = begin_well); /* all are there */
    FAILS_WITH(KITH_ETASK, kith_map(pool, leave_an_orphan, &in, &out, 1));
    while (kill(tries[0], 0) == 0) /* until the limit of time */
        sched_yield();
    PASS(kith_pool_terminate(pool));
}

/* It is in the cancelled call for a moment, too. */
static void who_succeeds_a_cancelled_task_is_not_ended(void)
{
    kith_pool pool = near_pool(1, .init = begin_well);
    int x[2] = { 1, 1 }, y[2], square_of_3 = 0;
    struct kith_pool_stats s;
    kith_result r;

    atomic_store(asleep, 0);
    atomic_store(settles, 50);
    r = kith_map_async(pool, sleep_long, x, y, 2);
    while (atomic_load(asleep) == 0)
        sched_yield();
    PASS(kith_result_cancel(r));
    PASS(kith_apply(pool, square, &square_of_3, 3));
    atomic_store(settles, 0);
    CU_ASSERT_EQUAL(square_of_3, 9);
    PASS(kith_pool_stats(pool, &s));
    CU_ASSERT_EQUAL(s.all.processes, 2);
    PASS(kith_result_drop(r));
    PASS(kith_pool_close(pool));
}

static struct test tests[] = {
    TEST(what_a_dead_closer_has_not_freed_is_freed), /* first: the dead of others would still leave blocks */
    TEST(what_a_dead_opener_had_is_freed),
    TEST(a_janitor_changes_no_memory_that_was_a_job),
    TEST(a_pool_ends_though_a_caller_has_died),
    TEST(faults_of_a_dead_caller_are_freed),
    TEST(callers_find_a_pool_cancelled_whose_closer_has_died),
    TEST_LIKE(terminate_hastens_who_waits_in_close, "_TestPool.test_terminate"),
    TEST_LIKE(workers_are_replaced_without_a_free_place,
              "TestPoolNotLeakOnFailure.test_release_unused_processes"),
    TEST(a_task_whose_own_calls_end_its_worker_has_so_many_tries),
    TEST(a_pool_ends_though_a_caller_has_called_exit),
    TEST(who_succeeds_a_cancelled_task_is_not_ended),
    TEST_LIKE(orphans_are_ended_among_very_many_workers, "MiscTestCase.test_large_pool"),
    TEST_END
};

int main(int argc, char **argv)
{
    int rc;

    tries = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    asleep = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    janitor = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    settles = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith__failpoint_hook = wait_at_a_step; /* of all processes */
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("pool deaths", tests);
    return kith_finalize() ? 1 : rc;
}
