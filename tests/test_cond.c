/* test_cond.c: Conditions as users see them, over each way that one can be reached (see test_queue.c): with a
 * lock of their own, and then with one that they were given. */
#include "config.h"
#include "steps.h"
#include "shm/guard.h"

#include <signal.h>

enum { MOST = 6 };

static int has_rlock; /* the Conditions of the tests are given one */

struct scene {
    kith_rlock lock;
    kith_cond c;
    kith_queue there; /* who is about to wait says so, holding the Condition */
    kith_queue woken;
    int timeout_ms, step;
};

static struct scene scene(void)
{
    kith_rlock lock = has_rlock ? far_rlock_open() : (kith_rlock){ 0 };

    return (struct scene){
        lock, far_cond_open_with(lock), kith_queue_open(0), kith_queue_open(0), KITH_FOREVER, 0
    };
}

static void close_lock(kith_rlock l)
{
    if (has_rlock) {
        CU_ASSERT_EQUAL(kith_rlock_locked(l), 0);
        PASS(kith_rlock_close(l));
    }
}

static void close_scene(struct scene *s)
{
    PASS(kith_cond_close(s->c));
    close_lock(s->lock);
    PASS(kith_queue_close(s->there));
    PASS(kith_queue_close(s->woken));
}

/* EOWNERDEAD is fine: some of these tests kill. */
static int acquire(kith_cond c)
{
    int rc = kith_cond_acquire(c, KITH_FOREVER);

    return rc == KITH_EOWNERDEAD ? 0 : rc;
}

static int waits(const void *arg)
{
    const struct scene *s = arg;
    int rc = acquire(s->c);

    if (rc < 0)
        return 1;
    kith_put(s->there, rc);
    rc = kith_cond_wait(s->c, s->timeout_ms);
    kith_put(s->woken, rc);
    if (rc == KITH_ESTALE)
        return 3;
    if (kith_cond_release(s->c) < 0)
        return 4;
    return rc == KITH_ETIMEDOUT ? 5 : rc == KITH_EOWNERDEAD ? 6 : rc < 0;
}

/* Starts n of them, and returns when all wait: each has said so while it held the Condition, which it only
 * gives back by waiting. */
static void start(const struct scene *s, kith_process *p, int n)
{
    int rc;

    for (int i = 0; i < n; i++) {
        p[i] = kith_process_start(waits, s, sizeof *s);
        PASS(kith_get(s->there, &rc));
        PASS(acquire(s->c));
        PASS(kith_cond_release(s->c));
    }
}

static void notify(const struct scene *s, int n)
{
    PASS(acquire(s->c));
    PASS(n > 0 ? kith_cond_notify(s->c, n) : kith_cond_notify_all(s->c));
    PASS(kith_cond_release(s->c));
}

static void await_woken(const struct scene *s, int n)
{
    int rc;

    for (int i = 0; i < n; i++) {
        PASS(kith_get(s->woken, &rc));
        PASS(rc);
    }
}

static void as_many_go_on_as_are_notified(void)
{
    struct scene s = scene();
    kith_process p[MOST];

    start(&s, p, MOST);
    notify(&s, 1);
    await_woken(&s, 1);
    notify(&s, 2);
    await_woken(&s, 2);
    usleep(30000); /* nobody else comes: there is nothing to wait for */
    CU_ASSERT_EQUAL(kith_queue_size(s.woken), 0);
    notify(&s, 0);
    await_woken(&s, MOST - 3);
    for (int i = 0; i < MOST; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    close_scene(&s);
}

enum { SLEEPERS = 4, ROUNDS = 10 };

static int waits_in_rounds(const void *arg)
{
    const struct scene *s = arg;

    for (int i = 0; i < ROUNDS; i++)
        if (acquire(s->c) < 0 || kith_put(s->there, i) < 0 || kith_cond_wait(s->c, KITH_FOREVER) < 0 ||
            kith_cond_release(s->c) < 0 || kith_put(s->woken, i) < 0)
            return 1;
    return 0;
}

/* Who is notified and not woken looks again after a second by itself: so it shows in the time. */
static void all_that_are_notified_wake_up(void)
{
    struct scene s = scene();
    kith_process p[SLEEPERS];
    double begin = 0;
    int n;

    for (int i = 0; i < SLEEPERS; i++)
        p[i] = kith_process_start(waits_in_rounds, KITH_ARG(s));
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < SLEEPERS; k++)
            PASS(kith_get(s.there, &n));
        begin = i == 0 ? kith_time() : begin;
        PASS(acquire(s.c));
        FAILS_WITH(KITH_ETIMEDOUT, kith_cond_wait(s.c, 2)); /* meanwhile the others lie down */
        PASS(kith_cond_notify_all(s.c));
        PASS(kith_cond_release(s.c));
        for (int k = 0; k < SLEEPERS; k++)
            PASS(kith_get(s.woken, &n));
    }
    CU_ASSERT(kith_time() - begin < 0.4 * ROUNDS);
    for (int i = 0; i < SLEEPERS; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    close_scene(&s);
}

static void a_notification_does_not_wait_for_those_to_come(void)
{
    struct scene s = scene();

    notify(&s, 3);
    PASS(acquire(s.c));
    FAILS_WITH(KITH_ETIMEDOUT, kith_cond_wait(s.c, 20));
    FAILS_WITH(KITH_ETIMEDOUT, kith_cond_wait(s.c, 0));
    PASS(kith_cond_release(s.c)); /* which we hold after a timeout, too */
    close_scene(&s);
}

/* Who comes after it must not take it away from one that waits. */
static void who_comes_later_leaves_it_to_those_before(void)
{
    struct scene s = scene();
    kith_process p[1];

    for (int i = 0; i < 20; i++) {
        start(&s, p, 1);
        PASS(acquire(s.c));
        PASS(kith_cond_notify(s.c, 1));
        FAILS_WITH(KITH_ETIMEDOUT, kith_cond_wait(s.c, i));
        PASS(kith_cond_release(s.c));
        await_woken(&s, 1);
        CU_ASSERT_EQUAL(code_of(p[0]), 0);
    }
    close_scene(&s);
}

static int notifies(const void *arg)
{
    const struct scene *s = arg;

    return acquire(s->c) < 0 || kith_cond_notify(s->c, 1) < 0 || kith_cond_release(s->c) < 0;
}

static int cannot_have_it(const void *arg)
{
    const struct scene *s = arg;

    return kith_cond_acquire(s->c, 0) != KITH_ETIMEDOUT || kith_cond_release(s->c) != KITH_EOWNER;
}

static void it_has_to_be_owned(void)
{
    struct scene s = scene();

    FAILS_WITH(KITH_EOWNER, kith_cond_wait(s.c, 0));
    FAILS_WITH(KITH_EOWNER, kith_cond_notify(s.c, 1));
    FAILS_WITH(KITH_EOWNER, kith_cond_notify_all(s.c));
    FAILS_WITH(KITH_EOWNER, kith_cond_release(s.c));
    PASS(kith_cond_acquire(s.c, 0));
    FAILS_WITH(KITH_EINVAL, kith_cond_notify(s.c, -1));
    FAILS_WITH(KITH_EINVAL, kith_cond_wait(s.c, -2));
    FAILS_WITH(KITH_EINVAL, kith_cond_wait_for(s.c, NULL, NULL, 0));
    PASS(kith_cond_release(s.c));
    FAILS_WITH(has_rlock ? KITH_ESTALE : KITH_ETYPE, kith_lock_acquire((kith_lock){ s.c.id }, 0));
    close_scene(&s);
}

/* Somebody else can have it in between, however often it was acquired; afterwards it is as it was. */
static void wait_gives_all_levels_back_and_has_them_again(void)
{
    struct scene s = scene();
    kith_process p;

    for (int i = 0; i < 3; i++)
        PASS(kith_cond_acquire(s.c, 0));
    p = kith_process_start(notifies, KITH_ARG(s));
    PASS(kith_cond_wait(s.c, KITH_FOREVER));
    CU_ASSERT_EQUAL(code_of(p), 0);
    FAILS_WITH(KITH_ETIMEDOUT, kith_cond_wait(s.c, 1));
    for (int i = 0; i < 3; i++) {
        p = kith_process_start(cannot_have_it, KITH_ARG(s));
        CU_ASSERT_EQUAL(code_of(p), 0);
        PASS(kith_cond_release(s.c));
    }
    FAILS_WITH(KITH_EOWNER, kith_cond_release(s.c));
    close_scene(&s);
}

/* ------------------------------------------------------------------------ predicates */

struct box {
    kith_rlock lock;
    kith_cond c;
    int *value;
};

static int is_four(void *arg)
{
    const int *value = arg;

    return *value == 4 ? 7 : 0;
}

static int counts_to_four(const void *arg)
{
    const struct box *b = arg;

    for (int i = 0; i < 4; i++) {
        if (acquire(b->c) < 0)
            return 1;
        ++*b->value;
        if (kith_cond_notify(b->c, 1) < 0 || kith_cond_release(b->c) < 0)
            return 2;
    }
    return 0;
}

static void it_waits_for_what_is_asked(void)
{
    kith_rlock lock = has_rlock ? far_rlock_open() : (kith_rlock){ 0 };
    struct box b = { lock, far_cond_open_with(lock), kith_alloc(sizeof *b.value) };
    kith_process p;

    *b.value = 0;
    PASS(kith_cond_acquire(b.c, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_cond_wait_for(b.c, is_four, b.value, 20));
    p = kith_process_start_with(counts_to_four, KITH_ARG(b), .node = KITH_HERE);
    CU_ASSERT_EQUAL(kith_cond_wait_for(b.c, is_four, b.value, KITH_FOREVER), 7);
    CU_ASSERT_EQUAL(kith_cond_wait_for(b.c, is_four, b.value, 0), 7);
    PASS(kith_cond_release(b.c));
    CU_ASSERT_EQUAL(code_of(p), 0);
    PASS(kith_cond_close(b.c));
    close_lock(lock);
    kith_free(b.value);
}

/* ----------------------------------------------------------------- several with one lock */

enum { PLACES = 3, PARTIES = 3, ITEMS = 200 };

struct store {
    kith_rlock lock;
    kith_cond not_empty, not_full;
    kith_array places, counts; /* counts: items that were put, and taken */
};

static int count(const struct store *s, size_t which)
{
    int n = -1;

    kith_load_at(s->counts, which, &n);
    return n;
}

static int has_place(void *arg)
{
    const struct store *s = arg;

    return count(s, 0) - count(s, 1) < PLACES;
}

static int has_item(void *arg)
{
    const struct store *s = arg;

    return count(s, 0) > count(s, 1);
}

static int puts_items(const void *arg)
{
    struct store s = *(const struct store *)arg;

    for (int i = 1; i <= ITEMS; i++) {
        if (kith_cond_acquire(s.not_full, KITH_FOREVER) < 0 ||
            kith_cond_wait_for(s.not_full, has_place, &s, KITH_FOREVER) != 1)
            return 1;
        kith_store_at(s.places, (size_t)(count(&s, 0) % PLACES), i);
        kith_add_at(s.counts, 0, 1);
        if (kith_cond_notify(s.not_empty, 1) < 0 || kith_rlock_release(s.lock) < 0)
            return 2;
    }
    return 0;
}

/* The sum of all that it takes, in the last count. */
static int takes_items(const void *arg)
{
    struct store s = *(const struct store *)arg;
    int x = 0;

    for (int i = 1; i <= ITEMS; i++) {
        if (kith_rlock_acquire(s.lock, KITH_FOREVER) < 0 ||
            kith_cond_wait_for(s.not_empty, has_item, &s, KITH_FOREVER) != 1)
            return 1;
        kith_load_at(s.places, (size_t)(count(&s, 1) % PLACES), &x);
        kith_add_at(s.counts, 1, 1);
        kith_add_at(s.counts, 2, x);
        if (kith_cond_notify(s.not_full, 1) < 0 || kith_cond_release(s.not_empty) < 0)
            return 2;
    }
    return 0;
}

static struct store open_store(void)
{
    kith_rlock l = far_rlock_open();

    return (struct store){ l, far_cond_open_with(l), kith_cond_open_with(.lock = l),
                           kith_array_open('i', PLACES), kith_array_open('i', 3) };
}

static void close_store(const struct store *s)
{
    PASS(kith_cond_close(s->not_empty));
    PASS(kith_cond_close(s->not_full));
    PASS(kith_rlock_close(s->lock));
    PASS(kith_array_close(s->places));
    PASS(kith_array_close(s->counts));
}

static void two_conditions_have_one_lock(void)
{
    struct store s = open_store();
    kith_process p[2 * PARTIES];

    for (int i = 0; i < 2 * PARTIES; i++)
        p[i] = kith_process_start(i % 2 ? puts_items : takes_items, KITH_ARG(s));
    for (int i = 0; i < 2 * PARTIES; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    CU_ASSERT_EQUAL(count(&s, 2), PARTIES * ITEMS * (ITEMS + 1) / 2);
    close_store(&s);
}

/* Those that wait at the other one sleep on. */
static void a_notification_is_for_one_of_them(void)
{
    struct store s = open_store();

    PASS(kith_rlock_acquire(s.lock, KITH_FOREVER));
    PASS(kith_cond_acquire(s.not_full, 0)); /* again */
    PASS(kith_cond_notify_all(s.not_full));
    FAILS_WITH(KITH_ETIMEDOUT, kith_cond_wait(s.not_empty, 10));
    PASS(kith_cond_release(s.not_empty));
    PASS(kith_cond_release(s.not_empty));
    FAILS_WITH(KITH_EOWNER, kith_cond_release(s.not_full));
    FAILS_WITH(KITH_EOWNER, kith_cond_notify(s.not_full, 1));
    FAILS_WITH(KITH_EOWNER, kith_cond_wait(s.not_full, 0));
    close_store(&s);
}

static void a_lock_that_is_none_is_refused(void)
{
    kith_rlock stale = kith_rlock_open(), other = kith_rlock_open();
    kith_lock another = kith_lock_open();
    kith_cond c = kith_cond_open_with(.lock = other, .name = "change");

    PASS(kith_rlock_close(stale));
    FAILS_WITH(KITH_ESTALE, kith_check(kith_cond_open_with(.lock = stale)));
    FAILS_WITH(KITH_ETYPE, kith_check(kith_cond_open_with(.lock = { another.id })));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_cond_named("change")));
    CU_ASSERT_EQUAL(kith_cond_open_with(.lock = other, .name = "change").id, c.id);
    PASS(kith_rlock_close(other));
    FAILS_WITH(KITH_ESTALE, kith_cond_acquire(c, 0));
    PASS(kith_cond_close(c));
    PASS(kith_lock_close(another));
}

/* ---------------------------------------------------------------------------- the end */

/* What was meant for a dead one goes to another. */
static void the_dead_take_no_notification_with_them(void)
{
    struct scene s = scene();
    kith_process p[MOST];

    start(&s, p, MOST);
    for (int i = 0; i < MOST - 1; i++)
        PASS(kith_process_kill(p[i]));
    notify(&s, 1); /* some are dead by now, some are not */
    for (int i = 0; i < MOST - 1; i++)
        CU_ASSERT(code_of(p[i]) != 1);
    notify(&s, 1); /* for the last one, if one of the others was quicker than its death */
    CU_ASSERT(kith_process_join(p[MOST - 1], 30000) == 0);
    code_of(p[MOST - 1]);
    close_scene(&s);
}

static int holds_and_dies(const void *arg)
{
    const struct scene *s = arg;

    if (acquire(s->c) < 0)
        return 1;
    kith_cond_notify_all(s->c);
    raise(SIGKILL);
    return 0;
}

static void who_holds_it_next_is_told_of_a_dead_holder(void)
{
    struct scene s = scene();
    kith_process p[1];
    int rc;

    start(&s, p, 1);
    CU_ASSERT_EQUAL(code_of(kith_process_start(holds_and_dies, KITH_ARG(s))), -SIGKILL);
    PASS(kith_get(s.woken, &rc));
    CU_ASSERT_EQUAL(rc, KITH_EOWNERDEAD);
    CU_ASSERT_EQUAL(code_of(p[0]), 6);
    close_scene(&s);
}

static void notifies_and_waits(const void *arg)
{
    const struct scene *s = arg;

    acquire(s->c);
    kith_cond_notify(s->c, 1);
    kith_cond_wait(s->c, 1);
    kith_cond_release(s->c);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(((const struct scene *)arg)->step, notifies_and_waits, arg);
    return 0;
}

/* It may have notified the one that waits or not: with one more that one goes on. */
static void whoever_dies_at_any_step_keeps_nobody(void)
{
    struct scene s = scene();
    int code;

    AT_EACH_STEP(s.step, code) {
        kith_process p[1];
        int rc;

        start(&s, p, 1);
        code = end_at_step(kith_process_start(dies_on_the_way, KITH_ARG(s)));
        notify(&s, 1);
        PASS(kith_get(s.woken, &rc));
        CU_ASSERT(rc == 0 || rc == KITH_EOWNERDEAD);
        code_of(p[0]);
    }
    CU_ASSERT(got_through(s.step, code));
    close_scene(&s);
}

static void those_that_wait_at_a_closed_one_are_told(void)
{
    struct scene s = scene();
    kith_process p[3];

    start(&s, p, 3);
    PASS(kith_cond_close(s.c));
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 3);
    FAILS_WITH(KITH_ESTALE, kith_cond_acquire(s.c, 0));
    FAILS_WITH(KITH_ESTALE, kith_cond_release(s.c));
    FAILS_WITH(KITH_ESTALE, kith_cond_wait(s.c, 0));
    FAILS_WITH(KITH_ESTALE, kith_cond_notify(s.c, 1));
    FAILS_WITH(KITH_ESTALE, kith_cond_close(s.c));
    close_lock(s.lock);
    PASS(kith_queue_close(s.there));
    PASS(kith_queue_close(s.woken));
}

static int finds_by_name(const void *arg)
{
    kith_cond c = kith_cond_named("news");

    (void)arg;
    return acquire(c) < 0 || kith_cond_notify_all(c) < 0 || kith_cond_release(c) < 0;
}

static void names_lead_to_one_condition(void)
{
    kith_cond c = kith_cond_named("news");
    kith_process p;

    PASS(kith_cond_acquire(c, 0));
    p = kith_process_start(finds_by_name, NULL, 0);
    PASS(kith_cond_wait(c, KITH_FOREVER));
    PASS(kith_cond_release(c));
    CU_ASSERT_EQUAL(code_of(p), 0);
    PASS(kith_cond_close(c));
}

/* The same once more, of a Condition that was given its lock. */
#define WITH_AN_RLOCK(test)                \
    static void test##_with_an_rlock(void) \
    {                                      \
        has_rlock = 1;                     \
        test();                            \
        has_rlock = 0;                     \
    }
WITH_AN_RLOCK(as_many_go_on_as_are_notified)
WITH_AN_RLOCK(all_that_are_notified_wake_up)
WITH_AN_RLOCK(who_comes_later_leaves_it_to_those_before)
WITH_AN_RLOCK(it_has_to_be_owned)
WITH_AN_RLOCK(wait_gives_all_levels_back_and_has_them_again)
WITH_AN_RLOCK(it_waits_for_what_is_asked)
WITH_AN_RLOCK(the_dead_take_no_notification_with_them)
WITH_AN_RLOCK(who_holds_it_next_is_told_of_a_dead_holder)
WITH_AN_RLOCK(whoever_dies_at_any_step_keeps_nobody)
WITH_AN_RLOCK(those_that_wait_at_a_closed_one_are_told)

static struct test tests[] = {
    TEST_LIKE(as_many_go_on_as_are_notified, "_TestCondition.test_notify _TestCondition.test_notify_n"),
    TEST_LIKE(all_that_are_notified_wake_up, "_TestCondition.test_notify_all"),
    TEST_LIKE(a_notification_does_not_wait_for_those_to_come,
              "_TestCondition.test_notify_all _TestCondition.test_timeout _TestCondition.test_wait_result"),
    TEST_LIKE(who_comes_later_leaves_it_to_those_before,
              "_TestCondition.test_notify _TestCondition.test_notify_n"),
    TEST(it_has_to_be_owned),
    TEST_LIKE(wait_gives_all_levels_back_and_has_them_again,
              "_TestCondition.test_timeout _TestCondition.test_wait_result"),
    TEST_LIKE(it_waits_for_what_is_asked, "_TestCondition.test_waitfor _TestCondition.test_waitfor_timeout"),
    TEST(the_dead_take_no_notification_with_them),
    TEST(who_holds_it_next_is_told_of_a_dead_holder),
    TEST(whoever_dies_at_any_step_keeps_nobody),
    TEST(those_that_wait_at_a_closed_one_are_told),
    TEST(names_lead_to_one_condition),
    TEST(as_many_go_on_as_are_notified_with_an_rlock),
    TEST(all_that_are_notified_wake_up_with_an_rlock),
    TEST(who_comes_later_leaves_it_to_those_before_with_an_rlock),
    TEST(it_has_to_be_owned_with_an_rlock),
    TEST(wait_gives_all_levels_back_and_has_them_again_with_an_rlock),
    TEST(it_waits_for_what_is_asked_with_an_rlock),
    TEST(the_dead_take_no_notification_with_them_with_an_rlock),
    TEST(who_holds_it_next_is_told_of_a_dead_holder_with_an_rlock),
    TEST(whoever_dies_at_any_step_keeps_nobody_with_an_rlock),
    TEST(those_that_wait_at_a_closed_one_are_told_with_an_rlock),
    TEST(two_conditions_have_one_lock),
    TEST(a_notification_is_for_one_of_them),
    TEST(a_lock_that_is_none_is_refused),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("cond", tests);
    return kith_finalize() ? 1 : rc;
}
