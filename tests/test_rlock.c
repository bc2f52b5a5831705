/* test_rlock.c: RLocks as users see them, over each way that one can be reached (see test_queue.c). */
#include "config.h"
#include "steps.h"

#include <pthread.h>
#include <signal.h>

static void its_owner_acquires_it_again(void)
{
    kith_rlock l = far_rlock_open();

    for (int i = 0; i < 3; i++)
        PASS(kith_rlock_acquire(l, 0));
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(kith_rlock_locked(l), 1);
        PASS(kith_rlock_release(l));
    }
    CU_ASSERT_EQUAL(kith_rlock_locked(l), 0);
    FAILS_WITH(KITH_EOWNER, kith_rlock_release(l));
    PASS(kith_rlock_close(l));
}

static int tries_it(const void *arg)
{
    const kith_rlock *l = arg;

    return kith_rlock_locked(*l) == 1 && kith_rlock_release(*l) == KITH_EOWNER &&
           kith_rlock_acquire(*l, 0) == KITH_ETIMEDOUT;
}

static void *thread_tries_it(void *arg)
{
    return tries_it(arg) ? arg : NULL;
}

static void nobody_else_has_it_or_releases_it(void)
{
    kith_rlock l = far_rlock_open();
    pthread_t t;
    void *ok;

    PASS(kith_rlock_acquire(l, 0));
    CU_ASSERT_EQUAL(code_of(kith_process_start(tries_it, KITH_ARG(l))), 1);
    CU_ASSERT_FATAL(pthread_create(&t, NULL, thread_tries_it, &l) == 0);
    pthread_join(t, &ok);
    CU_ASSERT_PTR_NOT_NULL(ok);
    PASS(kith_rlock_acquire(l, 0));
    PASS(kith_rlock_release(l));
    PASS(kith_rlock_release(l));
    PASS(kith_rlock_close(l));
}

struct holder {
    kith_rlock l;
    kith_queue holds;
    int depth, dies;
};

static int holds_it(const void *arg)
{
    const struct holder *h = arg;

    for (int i = 0; i < h->depth; i++) {
        int rc = kith_rlock_acquire(h->l, KITH_FOREVER);

        if (rc < 0 && rc != KITH_EOWNERDEAD)
            return 1;
    }
    kith_put(h->holds, h->depth);
    if (h->dies)
        raise(SIGKILL);
    return 0;
}

/* However deep it was: it is free, and at the first level for the next one. */
static void the_next_one_is_told_of_a_dead_owner(void)
{
    for (int dies = 0; dies < 2; dies++) {
        struct holder h = { far_rlock_open(), kith_queue_open(0), 3, dies };
        kith_process p = kith_process_start(holds_it, KITH_ARG(h));
        int n;

        PASS(kith_get(h.holds, &n));
        CU_ASSERT_EQUAL(kith_rlock_acquire(h.l, KITH_FOREVER), KITH_EOWNERDEAD);
        CU_ASSERT_EQUAL(code_of(p), dies ? -SIGKILL : 0);
        PASS(kith_rlock_acquire(h.l, 0));
        PASS(kith_rlock_release(h.l));
        PASS(kith_rlock_release(h.l));
        CU_ASSERT_EQUAL(kith_rlock_locked(h.l), 0);
        PASS(kith_rlock_close(h.l));
        PASS(kith_queue_close(h.holds));
    }
}

static int waits_for_it(const void *arg)
{
    const struct holder *h = arg;

    kith_put(h->holds, h->depth);
    return kith_rlock_acquire(h->l, KITH_FOREVER) < 0 || kith_rlock_release(h->l) < 0;
}

/* Those who wait, wait for the owner, which must not wait behind them. */
static void its_owner_need_not_queue(void)
{
    struct holder h = { far_rlock_open(), kith_queue_open(0), 1, 0 };
    kith_process p;
    int n;

    PASS(kith_rlock_acquire(h.l, 0));
    p = kith_process_start(waits_for_it, KITH_ARG(h));
    PASS(kith_get(h.holds, &n));
    FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(p, 20)); /* it stands there */
    PASS(kith_rlock_acquire(h.l, 10000 * (int)slowdown()));
    PASS(kith_rlock_release(h.l));
    PASS(kith_rlock_release(h.l));
    CU_ASSERT_EQUAL(code_of(p), 0);
    PASS(kith_rlock_close(h.l));
    PASS(kith_queue_close(h.holds));
}

struct doomed {
    int step;
    kith_rlock l;
};

/* Waits for it, owns it twice, and gives it back. */
static void owns_it_twice(const void *arg)
{
    const struct doomed *d = arg;

    if (kith_rlock_acquire(d->l, 3) < 0)
        kith_rlock_acquire(d->l, KITH_FOREVER);
    kith_rlock_acquire(d->l, KITH_FOREVER);
    kith_rlock_release(d->l);
    kith_rlock_release(d->l);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way_or_waiting(*(const int *)arg, owns_it_twice, arg);
    return 0;
}

/* And at the first level, as nobody can release it. */
static void whoever_dies_at_any_step_leaves_it_free(void)
{
    struct doomed d = { 0, far_rlock_open() };
    int code, rc;

    AT_EACH_STEP(d.step, code) {
        kith_process p;

        PASS((rc = kith_rlock_acquire(d.l, KITH_FOREVER)) == KITH_EOWNERDEAD ? 0 : rc);
        p = kith_process_start(dies_on_the_way, KITH_ARG(d));
        kith_process_join(p, 6); /* it may have died already, or wait for the second time */
        PASS(kith_rlock_release(d.l));
        FAILS_WITH(KITH_EOWNER, kith_rlock_release(d.l));
        code = end_at_step(p);
        AWAIT(kith_rlock_locked(d.l) == 0);
    }
    CU_ASSERT(got_through(d.step, code));
    PASS(kith_rlock_close(d.l));
}

struct adder {
    kith_rlock l;
    long *sum;
    int rounds;
};

static int adds(const void *arg)
{
    const struct adder *a = arg;

    for (int i = 0; i < a->rounds; i++) {
        if (kith_rlock_acquire(a->l, KITH_FOREVER) < 0 || kith_rlock_acquire(a->l, KITH_FOREVER) < 0)
            return 1;
        *(volatile long *)a->sum += 1;
        if (kith_rlock_release(a->l) < 0 || kith_rlock_release(a->l) < 0)
            return 2;
    }
    return 0;
}

static void no_addition_is_lost(void)
{
    enum { ADDERS = 4 };
    struct adder a = { far_rlock_open(), kith_alloc(sizeof *a.sum), getenv("KITH_TEST_FAR") ? 50 : 500 };
    kith_process p[ADDERS];

    *a.sum = 0;
    for (int i = 0; i < ADDERS; i++)
        p[i] = kith_process_start_with(adds, KITH_ARG(a), .node = KITH_HERE);
    for (int i = 0; i < ADDERS; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    CU_ASSERT_EQUAL(*a.sum, (long)ADDERS * a.rounds);
    PASS(kith_rlock_close(a.l));
    kith_free(a.sum);
}

static void who_waits_gets_it(void)
{
    struct holder h = { far_rlock_open(), kith_queue_open(0), 1, 0 };
    kith_process p;
    int rounds = 0, rc;

    PASS(kith_rlock_acquire(h.l, 0));
    p = kith_process_start(holds_it, KITH_ARG(h));
    for (; kith_queue_size(h.holds) == 0 && rounds < 2000; rounds++) {
        usleep(3000); /* it is ours for longer than who waits has to wait */
        PASS(kith_rlock_release(h.l));
        rc = kith_rlock_acquire(h.l, KITH_FOREVER);
        CU_ASSERT(rc == 0 || rc == KITH_EOWNERDEAD);
    }
    CU_ASSERT(rounds < 2000);
    CU_ASSERT_EQUAL(code_of(p), 0);
    PASS(kith_rlock_close(h.l));
    PASS(kith_queue_close(h.holds));
}

static int finds_by_name(const void *arg)
{
    (void)arg;
    return kith_rlock_acquire(kith_rlock_named("tree"), KITH_FOREVER) < 0;
}

static void names_lead_to_one_rlock(void)
{
    kith_rlock l = kith_rlock_named("tree");

    CU_ASSERT_EQUAL(code_of(kith_process_start(finds_by_name, NULL, 0)), 0);
    CU_ASSERT_EQUAL(kith_rlock_acquire(l, KITH_FOREVER), KITH_EOWNERDEAD);
    PASS(kith_rlock_close(l));
    FAILS_WITH(KITH_ESTALE, kith_rlock_acquire(l, 0));
    FAILS_WITH(KITH_ESTALE, kith_rlock_release(l));
    FAILS_WITH(KITH_ESTALE, kith_rlock_locked(l));
    FAILS_WITH(KITH_ETYPE, kith_lock_acquire((kith_lock){ (l = far_rlock_open()).id }, 0));
    PASS(kith_rlock_close(l));
}

static struct test tests[] = {
    TEST_LIKE(its_owner_acquires_it_again, "_TestLock.test_rlock _TestLock.test_rlock_locked_2processes"),
    TEST_LIKE(nobody_else_has_it_or_releases_it,
              "_TestLock.test_rlock _TestLock.test_rlock_locked_2processes"),
    TEST(the_next_one_is_told_of_a_dead_owner),
    TEST(its_owner_need_not_queue),
    TEST(whoever_dies_at_any_step_leaves_it_free),
    TEST(no_addition_is_lost),
    TEST(who_waits_gets_it),
    TEST(names_lead_to_one_rlock),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("rlock", tests);
    return kith_finalize() ? 1 : rc;
}
