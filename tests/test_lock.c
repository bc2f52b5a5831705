/* test_lock.c: Locks as users see them, over each way that one can be reached (see test_queue.c). */
#include "config.h"
#include "steps.h"

#include <pthread.h>
#include <signal.h>

static void end(kith_process p)
{
    int code; /* asked for: else that it was killed is in the status of the job */

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
}

static void one_holds_it_at_a_time(void)
{
    kith_lock l = far_lock_open();

    CU_ASSERT_EQUAL(kith_lock_locked(l), 0);
    PASS(kith_lock_acquire(l, 0));
    CU_ASSERT_EQUAL(kith_lock_locked(l), 1);
    FAILS_WITH(KITH_ETIMEDOUT, kith_lock_acquire(l, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_lock_acquire(l, 20));
    PASS(kith_lock_release(l));
    CU_ASSERT_EQUAL(kith_lock_locked(l), 0);
    PASS(kith_lock_acquire(l, KITH_FOREVER));
    PASS(kith_lock_release(l));
    PASS(kith_lock_close(l));
}

static void releasing_a_free_one_is_an_error(void)
{
    kith_lock l = far_lock_open();

    FAILS_WITH(KITH_EINVAL, kith_lock_release(l));
    PASS(kith_lock_acquire(l, 0));
    PASS(kith_lock_release(l));
    FAILS_WITH(KITH_EINVAL, kith_lock_release(l));
    PASS(kith_lock_close(l));
}

struct adder {
    kith_lock l;
    long *sum; /* not atomic: the Lock protects it */
    int rounds;
};

static int adds(const void *arg)
{
    const struct adder *a = arg;

    for (int i = 0; i < a->rounds; i++) {
        long seen;

        if (kith_lock_acquire(a->l, KITH_FOREVER) < 0)
            return 1;
        seen = *a->sum;
        if (i % 16 == 0)
            sched_yield();
        *a->sum = seen + 1;
        if (kith_lock_release(a->l) < 0)
            return 2;
    }
    return 0;
}

static void no_addition_is_lost(void)
{
    enum { ADDERS = 8 };
    struct adder a = { far_lock_open(), kith_alloc(sizeof *a.sum), getenv("KITH_TEST_FAR") ? 100 : 1000 };
    kith_process p[ADDERS];

    *a.sum = 0;
    for (int i = 0; i < ADDERS; i++)
        p[i] = kith_process_start_with(adds, KITH_ARG(a), .node = KITH_HERE);
    for (int i = 0; i < ADDERS; i++)
        end(p[i]);
    CU_ASSERT_EQUAL(*a.sum, (long)ADDERS * a.rounds);
    CU_ASSERT_EQUAL(kith_lock_locked(a.l), 0);
    PASS(kith_lock_close(a.l));
    kith_free(a.sum);
}

struct holder {
    kith_lock l;
    kith_queue holds;
    int how;
};

enum { RETURNS, LEAVES, DIES, STAYS };

/* Takes it, says so, and ends in some way with it. */
static int holds_and_ends(const void *arg)
{
    const struct holder *h = arg;
    int rc = kith_lock_acquire(h->l, KITH_FOREVER);

    if (rc < 0 && rc != KITH_EOWNERDEAD)
        return 1;
    kith_put(h->holds, h->how);
    if (h->how == LEAVES)
        exit(0);
    if (h->how == DIES)
        raise(SIGKILL);
    while (h->how == STAYS)
        pause();
    return 0;
}

static void the_next_one_is_told_of_a_dead_holder(void)
{
    for (int how = RETURNS; how <= STAYS; how++) {
        struct holder h = { far_lock_open(), kith_queue_open(0), how };
        kith_process p = kith_process_start(holds_and_ends, KITH_ARG(h));
        int n;

        PASS(kith_get(h.holds, &n));
        if (how == STAYS) {
            FAILS_WITH(KITH_ETIMEDOUT, kith_lock_acquire(h.l, 10));
            PASS(kith_process_kill(p));
        }
        CU_ASSERT_EQUAL(kith_lock_acquire(h.l, KITH_FOREVER), KITH_EOWNERDEAD);
        end(p);
        PASS(kith_lock_release(h.l));
        PASS(kith_lock_acquire(h.l, 0)); /* once is enough */
        PASS(kith_lock_release(h.l));
        PASS(kith_lock_close(h.l));
        PASS(kith_queue_close(h.holds));
    }
}

static void another_process_may_release(void)
{
    struct holder h = { far_lock_open(), kith_queue_open(0), STAYS };
    kith_process p = kith_process_start(holds_and_ends, KITH_ARG(h));
    int n;

    PASS(kith_get(h.holds, &n));
    CU_ASSERT_EQUAL(kith_lock_locked(h.l), 1);
    PASS(kith_lock_release(h.l));
    PASS(kith_lock_acquire(h.l, 0));
    PASS(kith_process_kill(p)); /* it holds nothing any more: its death takes nothing from us */
    end(p);
    FAILS_WITH(KITH_ETIMEDOUT, kith_lock_acquire(h.l, 50));
    PASS(kith_lock_release(h.l));
    PASS(kith_lock_acquire(h.l, 0));
    PASS(kith_lock_close(h.l));
    PASS(kith_queue_close(h.holds));
}

/* It is always free for a moment only, and who waits for it is slower to wake up than we to come again. */
static void who_waits_gets_it(void)
{
    enum { WAITERS = 3, MOST = 100 };
    struct holder h = { far_lock_open(), kith_queue_open(0), RETURNS };
    kith_process p[WAITERS];
    int rounds = 0;

    PASS(kith_lock_acquire(h.l, KITH_FOREVER));
    for (int i = 0; i < WAITERS; i++)
        p[i] = kith_process_start(holds_and_ends, KITH_ARG(h));
    for (; kith_queue_size(h.holds) < WAITERS && rounds < MOST; rounds++) {
        int rc;

        usleep(3000); /* it is ours for longer than who waits has to wait */
        PASS(kith_lock_release(h.l));
        rc = kith_lock_acquire(h.l, KITH_FOREVER);
        CU_ASSERT(rc == 0 || rc == KITH_EOWNERDEAD);
    }
    CU_ASSERT(rounds < MOST);
    PASS(kith_lock_release(h.l));
    for (int i = 0; i < WAITERS; i++)
        end(p[i]);
    PASS(kith_lock_close(h.l));
    PASS(kith_queue_close(h.holds));
}

static int waits_for_it(const void *arg)
{
    const struct holder *h = arg;
    int rc;

    kith_put(h->holds, h->how);
    rc = kith_lock_acquire(h->l, h->how == LEAVES ? 5 : KITH_FOREVER);
    return rc == KITH_ESTALE ? 3 : rc == KITH_ETIMEDOUT ? 4 : rc < 0;
}

/* They are killed where they wait, also as the next one to get it, or just as they get it. */
static void killed_waiters_take_nothing(void)
{
    struct holder h = { far_lock_open(), kith_queue_open(0), STAYS };
    int n, rc;

    for (int i = 0; i < 10; i++) {
        kith_process p[3];

        PASS((rc = kith_lock_acquire(h.l, KITH_FOREVER)) == KITH_EOWNERDEAD ? 0 : rc);
        for (int k = 0; k < 3; k++) {
            p[k] = kith_process_start(waits_for_it, KITH_ARG(h));
            PASS(kith_get(h.holds, &n));
        }
        usleep((useconds_t)i * 500);
        if (i % 2)
            PASS(kith_lock_release(h.l));
        for (int k = 0; k < 3; k++)
            PASS(kith_process_kill(p[k]));
        for (int k = 0; k < 3; k++)
            end(p[k]);
        if (i % 2 == 0)
            PASS(kith_lock_release(h.l));
        AWAIT(kith_lock_locked(h.l) == 0); /* what a dead process had comes back some moments later */
    }
    PASS(kith_lock_close(h.l));
    PASS(kith_queue_close(h.holds));
}

/* Nobody else has to wait for one that was the next to get it, and whose time is over. */
static void who_gives_up_is_not_waited_for(void)
{
    struct holder h = { far_lock_open(), kith_queue_open(0), LEAVES };
    kith_process p;
    int n, code;

    PASS(kith_lock_acquire(h.l, KITH_FOREVER));
    p = kith_process_start(waits_for_it, KITH_ARG(h));
    PASS(kith_get(h.holds, &n));
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 4);
    PASS(kith_process_close(p));
    PASS(kith_lock_release(h.l));
    PASS(kith_lock_acquire(h.l, 0));
    PASS(kith_lock_close(h.l));
    PASS(kith_queue_close(h.holds));
}

struct doomed {
    int step;
    kith_lock l;
};

/* Waits for it, gets it and gives it back. */
static void waits_and_holds(const void *arg)
{
    const struct doomed *d = arg;

    if (kith_lock_acquire(d->l, 3) < 0)
        kith_lock_acquire(d->l, KITH_FOREVER);
    kith_lock_release(d->l);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way_or_waiting(*(const int *)arg, waits_and_holds, arg);
    return 0;
}

static void whoever_dies_at_any_step_leaves_it_free(void)
{
    struct doomed d = { 0, far_lock_open() };
    int code, rc;

    AT_EACH_STEP(d.step, code) {
        kith_process p;

        PASS((rc = kith_lock_acquire(d.l, KITH_FOREVER)) == KITH_EOWNERDEAD ? 0 : rc);
        p = kith_process_start(dies_on_the_way, KITH_ARG(d));
        kith_process_join(p, 6); /* it may have died already, or wait for the second time */
        PASS(kith_lock_release(d.l));
        code = end_at_step(p);
        AWAIT(kith_lock_locked(d.l) == 0);
    }
    CU_ASSERT(got_through(d.step, code));
    PASS(kith_lock_close(d.l));
}

static void waiters_of_a_closed_one_are_told(void)
{
    struct holder h = { far_lock_open(), kith_queue_open(0), STAYS };
    kith_process p[3];
    int n, code;

    PASS(kith_lock_acquire(h.l, 0));
    for (int i = 0; i < 3; i++) {
        p[i] = kith_process_start(waits_for_it, KITH_ARG(h));
        PASS(kith_get(h.holds, &n));
    }
    usleep(3000); /* some are asleep, one is the next */
    PASS(kith_lock_close(h.l));
    for (int i = 0; i < 3; i++) {
        PASS(kith_process_join(p[i], KITH_FOREVER));
        PASS(kith_process_exitcode(p[i], &code));
        CU_ASSERT_EQUAL(code, 3);
        PASS(kith_process_close(p[i]));
    }
    FAILS_WITH(KITH_ESTALE, kith_lock_acquire(h.l, 0));
    FAILS_WITH(KITH_ESTALE, kith_lock_release(h.l));
    FAILS_WITH(KITH_ESTALE, kith_lock_locked(h.l));
    FAILS_WITH(KITH_ESTALE, kith_lock_close(h.l));
    PASS(kith_queue_close(h.holds));
}

static int finds_by_name(const void *arg)
{
    (void)arg;
    return kith_lock_acquire(kith_lock_named("account"), KITH_FOREVER) < 0;
}

static void names_lead_to_one_lock(void)
{
    kith_lock l = kith_lock_named("account");

    end(kith_process_start(finds_by_name, NULL, 0));
    CU_ASSERT_EQUAL(kith_lock_acquire(l, KITH_FOREVER), KITH_EOWNERDEAD);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_lock_named("")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_lock_named(NULL)));
    PASS(kith_lock_close(l));
}

/* Through the agent, another process, ThreadSanitizer sees no order between them: so it is read and written
 * as an atomic, but not in one step. */
static _Atomic long sum_of_threads;

static void *thread_adds(void *arg)
{
    const kith_lock *l = arg;

    for (int i = 0; i < 500; i++) {
        if (kith_lock_acquire(*l, KITH_FOREVER) < 0)
            return arg;
        atomic_store_explicit(&sum_of_threads,
                              atomic_load_explicit(&sum_of_threads, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        if (kith_lock_release(*l) < 0)
            return arg;
    }
    return NULL;
}

static void threads_use_it_too(void)
{
    kith_lock l = far_lock_open();
    pthread_t t[4];
    void *failed;

    sum_of_threads = 0;
    for (int i = 0; i < 4; i++)
        CU_ASSERT_FATAL(pthread_create(&t[i], NULL, thread_adds, &l) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &failed);
        CU_ASSERT_PTR_NULL(failed);
    }
    CU_ASSERT_EQUAL(sum_of_threads, 2000);
    PASS(kith_lock_close(l));
}

static void wrong_use_is_a_sentence(void)
{
    kith_lock none = { 0 }, l = far_lock_open();
    kith_sem s = far_sem_open(1, 0);

    FAILS_WITH(KITH_ESTALE, kith_lock_acquire(none, 0));
    FAILS_WITH(KITH_EINVAL, kith_lock_acquire(l, -2));
    FAILS_WITH(KITH_ETYPE, kith_lock_acquire((kith_lock){ s.id }, 0));
    FAILS_WITH(KITH_ETYPE, kith_lock_release((kith_lock){ s.id }));
    FAILS_WITH(KITH_ETYPE, kith_sem_acquire((kith_sem){ l.id }, 0));
    FAILS_WITH(KITH_ETYPE, kith_lock_close((kith_lock){ s.id }));
    PASS(kith_sem_close(s));
    PASS(kith_lock_close(l));
}

static struct test tests[] = {
    TEST_LIKE(one_holds_it_at_a_time, "_TestLock.test_lock _TestLock.test_lock_locked_2processes"),
    TEST_LIKE(releasing_a_free_one_is_an_error, "_TestLock.test_lock _TestLock.test_lock_locked_2processes"),
    TEST(no_addition_is_lost),
    TEST(the_next_one_is_told_of_a_dead_holder),
    TEST_LIKE(another_process_may_release, "_TestLock.test_lock _TestLock.test_lock_locked_2processes"),
    TEST(who_waits_gets_it),
    TEST(killed_waiters_take_nothing),
    TEST(who_gives_up_is_not_waited_for),
    TEST(whoever_dies_at_any_step_leaves_it_free),
    TEST(waiters_of_a_closed_one_are_told),
    TEST(names_lead_to_one_lock),
    TEST(threads_use_it_too),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("lock", tests);
    return kith_finalize() ? 1 : rc;
}
