/* test_cond.c: Conditions as users see them, over each way that one can be reached (see test_queue.c). */
#include "config.h"
#include "steps.h"
#include "shm/guard.h"

#include <signal.h>

enum { MOST = 6 };

struct scene {
    kith_cond c;
    kith_queue there; /* who is about to wait says so, holding the Condition */
    kith_queue woken;
    int timeout_ms, step;
};

static struct scene scene(void)
{
    return (struct scene){ far_cond_open(), kith_queue_open(0), kith_queue_open(0), KITH_FOREVER, 0 };
}

static void close_scene(struct scene *s)
{
    PASS(kith_cond_close(s->c));
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
    FAILS_WITH(KITH_ETYPE, kith_lock_acquire((kith_lock){ s.c.id }, 0));
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
    struct box b = { far_cond_open(), kith_alloc(sizeof *b.value) };
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
    kith_free(b.value);
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

static struct test tests[] = {
    TEST(as_many_go_on_as_are_notified),
    TEST(all_that_are_notified_wake_up),
    TEST(a_notification_does_not_wait_for_those_to_come),
    TEST(who_comes_later_leaves_it_to_those_before),
    TEST(it_has_to_be_owned),
    TEST(wait_gives_all_levels_back_and_has_them_again),
    TEST(it_waits_for_what_is_asked),
    TEST(the_dead_take_no_notification_with_them),
    TEST(who_holds_it_next_is_told_of_a_dead_holder),
    TEST(whoever_dies_at_any_step_keeps_nobody),
    TEST(those_that_wait_at_a_closed_one_are_told),
    TEST(names_lead_to_one_condition),
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
