/* test_units.c: the units of an object, which are taken and given back without its guard (object/units.h), as
 * Semaphores have them: what others do between two steps of a process, and the processes that die there. */
#include "config.h"
#include "steps.h"
#include "kith.h"
#include "object/units.h"

#include <signal.h>

/* The one that comes next to this step does something there, once. */
static const char *trap_step;
static void (*trap_action)(void);

static void trap(const char *step)
{
    if (!trap_step || strcmp(step, trap_step) != 0)
        return;
    trap_step = NULL;
    trap_action();
}

static void set_trap(const char *step, void (*action)(void))
{
    trap_step = step;
    trap_action = action;
    kith__failpoint_hook = trap;
}

static void clear_trap(void)
{
    CU_ASSERT_PTR_NULL(trap_step); /* somebody was there */
    kith__failpoint_hook = NULL;
}

/* -------------------------------------------------------------------- objects of the past */

static kith_sem old, next;

/* Closes the Semaphore, and opens others until one of them has its slot. */
static void replace(void)
{
    kith_sem s[200];
    int n = 0;

    PASS(kith_sem_close(old));
    do {
        if (n > 0)
            PASS(kith_sem_close(s[n - 1]));
        s[n] = kith_sem_open(1);
    } while (++n < 200 && (s[n - 1].id ^ old.id) >> 32 != 0);
    next = s[n - 1];
    CU_ASSERT_EQUAL_FATAL((next.id ^ old.id) >> 32, 0);
}

static void a_call_on_a_closed_one_does_nothing_to_its_successor(void)
{
    for (int units = 0; units < 3; units++) {
        old = kith_sem_open(units);
        PASS(kith_sem_release(old));
        set_trap(units == 0 ? "signals: about to change" : "unit: about to be taken", replace);
        FAILS_WITH(KITH_ESTALE, kith_sem_acquire(old, 0));
        clear_trap();
        CU_ASSERT_EQUAL(kith_sem_value(next), 1);
        PASS(kith_sem_acquire(next, 0));
        PASS(kith_sem_close(next));

        old = kith_sem_open(units);
        if (units > 0)
            PASS(kith_sem_acquire(old, 0));
        set_trap(units == 0 ? "signals: about to change" : "unit: about to be given back", replace);
        FAILS_WITH(KITH_ESTALE, kith_sem_release(old));
        clear_trap();
        CU_ASSERT_EQUAL(kith_sem_value(next), 1);
        PASS(kith_sem_close(next));
    }
}

/* --------------------------------------------------------------------- several at a time */

static kith_sem both;

static int takes_one_and_ends(const void *arg)
{
    const kith_sem *s = arg;

    return kith_sem_acquire(*s, 0);
}

static void run(kith_target *fn, kith_sem s)
{
    kith_process p = kith_process_start(fn, KITH_ARG(s));

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_close(p));
}

/* The first is given back, then the other one, which a dead process has left, is taken. */
static void swap(void)
{
    PASS(kith_sem_release(both));
    CU_ASSERT_EQUAL(kith_sem_acquire(both, 0), KITH_EOWNERDEAD);
}

/* At each moment one is free, though not the one that is looked at. */
static void there_is_one_as_long_as_one_is_free(void)
{
    struct kith__caller me = { 0, kith__member(kith__me)->serial, 0 };
    struct kith__object *o;

    both = kith_sem_open(2);
    o = kith__object_slot(both.id);
    PASS(kith_sem_acquire(both, 0));
    run(takes_one_and_ends, both);
    AWAIT(kith_sem_value(both) == 1);
    set_trap("unit: seen", swap);
    CU_ASSERT_EQUAL(kith__units_take(o, atomic_load(&o->ident), &me, 0, NULL), KITH__UNIT);
    clear_trap();
    PASS(kith_sem_close(both));
}

static void is_counted(void)
{
    CU_ASSERT_EQUAL(kith_sem_value(both), 1);
    swap();
}

static void the_value_is_one_of_a_moment(void)
{
    both = kith_sem_open(2);
    PASS(kith_sem_acquire(both, 0));
    run(takes_one_and_ends, both);
    AWAIT(kith_sem_value(both) == 1);
    set_trap("unit: seen", is_counted);
    CU_ASSERT_EQUAL(kith_sem_value(both), 1);
    clear_trap();
    PASS(kith_sem_close(both));
}

/* Somebody else was quicker. */
static void takes_it(void)
{
    PASS(kith_sem_acquire(both, 0));
}

static void nobody_gets_what_another_has_taken(void)
{
    for (int units = 0; units < 3; units++) {
        both = kith_sem_open(units);
        if (units == 0)
            PASS(kith_sem_release(both));
        if (units == 2)
            PASS(kith_sem_acquire(both, 0));
        set_trap(units == 0 ? "signals: about to change" : "unit: about to be taken", takes_it);
        FAILS_WITH(KITH_ETIMEDOUT, kith_sem_acquire(both, 0));
        clear_trap();
        CU_ASSERT_EQUAL(kith_sem_value(both), 0);
        PASS(kith_sem_close(both));
    }
}

static void gives_it_back(void)
{
    PASS(kith_sem_release(both));
}

static void nothing_is_given_back_twice(void)
{
    for (int units = 1; units < 3; units++) {
        both = kith_sem_open_with(units, .bounded = 1);
        PASS(kith_sem_acquire(both, 0));
        set_trap("unit: about to be given back", gives_it_back);
        FAILS_WITH(KITH_EINVAL, kith_sem_release(both));
        clear_trap();
        CU_ASSERT_EQUAL(kith_sem_value(both), units);
        PASS(kith_sem_close(both));
    }
}

/* ------------------------------------------------------------------------- the first one */

struct puppet {
    kith_sem s;
    kith_queue orders, done;
};

/* 1: takes one, -1: gives one back. */
static int obeys(const void *arg)
{
    const struct puppet *p = arg;
    int order;

    while (kith_get(p->orders, &order) >= 0)
        if ((order > 0 ? kith_sem_acquire(p->s, KITH_FOREVER) : kith_sem_release(p->s)) < 0 ||
            kith_put(p->done, order) < 0)
            return 1;
    return 0;
}

static void order(struct puppet *p, int what)
{
    int done;

    PASS(kith_put(p->orders, what));
    PASS(kith_get(p->done, &done));
}

static void end_by_kill(kith_process p)
{
    int code;

    PASS(kith_process_kill(p));
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
}

/* Who has none gives back the one that was taken first, which is not the one that stands first. */
static void who_has_none_gives_back_the_oldest(void)
{
    for (int units = 2; units < 40; units += 30) {
        kith_sem s = kith_sem_open(units);
        struct puppet a = { s, kith_queue_open(0), kith_queue_open(0) };
        struct puppet b = { s, kith_queue_open(0), kith_queue_open(0) };
        kith_process pa = kith_process_start(obeys, KITH_ARG(a)), pb = kith_process_start(obeys, KITH_ARG(b));

        order(&a, 1);
        for (int i = 0; i < 101; i++) /* its unit has changed hands more often */
            order(&b, i % 2 ? -1 : 1);
        order(&a, -1);
        order(&a, 1);
        PASS(kith_sem_release(s)); /* b's */
        CU_ASSERT_EQUAL(kith_sem_value(s), units - 1);
        end_by_kill(pa);
        AWAIT(kith_sem_value(s) == units);
        end_by_kill(pb);
        CU_ASSERT_EQUAL(kith_sem_acquire(s, 0), KITH_EOWNERDEAD);
        PASS(kith_sem_acquire(s, 0));
        PASS(kith_sem_close(s));
        PASS(kith_queue_close(a.orders));
        PASS(kith_queue_close(b.orders));
        PASS(kith_queue_close(a.done));
        PASS(kith_queue_close(b.done));
    }
}

/* ------------------------------------------------------------------------------ the heir */

struct waiter {
    kith_sem s;
    kith_queue has;
    int timeout_ms;
};

static int holds_it_when_told(const void *arg)
{
    const struct waiter *w = arg;
    int rc = kith_sem_acquire(w->s, w->timeout_ms);

    if (rc < 0)
        return 1;
    kith_put(w->has, rc);
    for (;;)
        pause();
}

/* Until somebody is the next to get one, or nobody is. */
static void await_heir(kith_sem s, int is_there)
{
    struct kith__object *o = kith__object_slot(s.id);

    AWAIT((atomic_load(&o->heir) != 0) == is_there);
}

static kith_process with_heir_of(kith_target *fn, struct waiter *w, int units, int timeout_ms)
{
    kith_process p;

    *w = (struct waiter){ kith_sem_open_with(units, .bounded = 1), kith_queue_open(0), timeout_ms };
    for (int i = 0; i < units; i++)
        PASS(kith_sem_acquire(w->s, 0));
    p = kith_process_start(fn, w, sizeof *w);
    await_heir(w->s, 1);
    return p;
}

static kith_process with_heir(struct waiter *w, int units, int timeout_ms)
{
    return with_heir_of(holds_it_when_told, w, units, timeout_ms);
}

static void close_both(struct waiter *w)
{
    PASS(kith_sem_close(w->s));
    PASS(kith_queue_close(w->has));
}

/* It sleeps, and we are here: but what comes is for it. */
static void who_has_waited_is_the_next(void)
{
    for (int units = 1; units < 4; units++) {
        struct waiter w;
        kith_process p = with_heir(&w, units, KITH_FOREVER);
        int rc;

        PASS(kith_sem_release(w.s));
        FAILS_WITH(KITH_ETIMEDOUT, kith_sem_acquire(w.s, 0));
        PASS(kith_get(w.has, &rc));
        await_heir(w.s, 0);
        if (units > 1) { /* from then on whoever comes */
            PASS(kith_sem_release(w.s));
            PASS(kith_sem_acquire(w.s, 0));
        }
        end_by_kill(p);
        AWAIT(kith_sem_value(w.s) == 1);
        close_both(&w);
    }
}

/* Those who found that what is there is not for them have it when the heir has got its own. */
static void what_the_heir_leaves_is_for_the_others(void)
{
    struct waiter w;
    kith_process p = with_heir(&w, 2, KITH_FOREVER), q = kith_process_start(holds_it_when_told, KITH_ARG(w));
    int rc;

    PASS(kith_sem_release(w.s));
    PASS(kith_sem_release(w.s));
    for (int i = 0; i < 2; i++)
        PASS(kith_get(w.has, &rc));
    end_by_kill(p);
    end_by_kill(q);
    AWAIT(kith_sem_value(w.s) == 2);
    close_both(&w);
}

static void a_dead_heir_inherits_nothing(void)
{
    struct waiter w;
    kith_process p = with_heir(&w, 1, KITH_FOREVER);

    end_by_kill(p);
    await_heir(w.s, 0);
    PASS(kith_sem_release(w.s));
    PASS(kith_sem_acquire(w.s, 0));
    close_both(&w);
}

static void die_when_taken(const char *step)
{
    if (strcmp(step, "unit: taken") == 0)
        raise(SIGKILL);
}

static int dies_when_it_has_it(const void *arg)
{
    const struct waiter *w = arg;

    kith__failpoint_hook = die_when_taken;
    return kith_sem_acquire(w->s, w->timeout_ms);
}

/* Between taking and resigning. Both are undone before anybody is told. */
static void an_heir_that_dies_with_its_unit_leaves_both(void)
{
    struct waiter w;
    kith_process p = with_heir_of(dies_when_it_has_it, &w, 1, KITH_FOREVER);
    int code;

    PASS(kith_sem_release(w.s));
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, -SIGKILL);
    AWAIT(kith_sem_value(w.s) == 1);
    CU_ASSERT_EQUAL(kith_sem_acquire(w.s, 0), KITH_EOWNERDEAD);
    PASS(kith_process_close(p));
    close_both(&w);
}

static void an_heir_whose_time_is_over_inherits_nothing(void)
{
    struct waiter w;
    kith_process p = with_heir(&w, 1, 300);

    PASS(kith_process_join(p, KITH_FOREVER));
    await_heir(w.s, 0);
    PASS(kith_sem_release(w.s));
    PASS(kith_sem_acquire(w.s, 0));
    PASS(kith_process_close(p));
    close_both(&w);
}

/* Somebody looks at it with a debugger, and the others go on. */
static void a_stopped_heir_is_passed_over(void)
{
    struct waiter w;
    kith_process p = with_heir(&w, 1, KITH_FOREVER);

    PASS(kill(kith_process_pid(p), SIGSTOP));
    PASS(kith_sem_release(w.s));
    PASS(kith_sem_acquire(w.s, KITH_FOREVER));
    end_by_kill(p);
    await_heir(w.s, 0);
    close_both(&w);
}

/* The slot is another one's then. */
static void an_heir_of_a_closed_one_is_none_of_its_successor(void)
{
    struct waiter w;
    kith_process p = with_heir(&w, 1, KITH_FOREVER);

    old = w.s;
    replace();
    PASS(kith_process_join(p, KITH_FOREVER));
    await_heir(next, 0);
    PASS(kith_sem_acquire(next, 0));
    PASS(kith_sem_close(next));
    PASS(kith_queue_close(w.has));
    PASS(kith_process_close(p));
}

/* ------------------------------------------------------------------------------ deaths */

struct doomed {
    kith_sem s;
    int steps;
};

static void takes_and_gives(const void *arg)
{
    const struct doomed *d = arg;

    kith_sem_acquire(d->s, KITH_FOREVER);
    kith_sem_release(d->s);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(((const struct doomed *)arg)->steps, takes_and_gives, arg);
    return 0;
}

static int waits(const void *arg)
{
    const struct waiter *w = arg;
    int rc = kith_sem_acquire(w->s, KITH_FOREVER);

    kith_put(w->has, rc);
    return kith_sem_release(w->s) < 0;
}

/* One waits while another one is killed at a step of taking and giving: it gets the unit, and there are as
 * many as before. */
static int dies_at(int units, int step)
{
    struct waiter w = { kith_sem_open_with(units, .bounded = 1), kith_queue_open(0), KITH_FOREVER };
    struct doomed d = { w.s, step };
    kith_process dead, p;
    int code, rc;

    for (int i = 1; i < units; i++)
        PASS(kith_sem_acquire(w.s, 0));
    dead = kith_process_start(dies_on_the_way, KITH_ARG(d));
    p = kith_process_start(waits, KITH_ARG(w));
    PASS(kith_get(w.has, &rc));
    CU_ASSERT(rc == 0 || rc == KITH_EOWNERDEAD);
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_close(p));
    PASS(kith_process_join(dead, KITH_FOREVER));
    PASS(kith_process_exitcode(dead, &code));
    PASS(kith_process_close(dead));
    for (int i = 1; i < units; i++)
        PASS(kith_sem_release(w.s));
    AWAIT(kith_sem_value(w.s) == units);
    PASS(kith_sem_close(w.s));
    PASS(kith_queue_close(w.has));
    return code;
}

static void whoever_dies_at_a_step_leaves_it_to_the_next(void)
{
    static const int units[] = { 1, 2, 17 };

    for (int i = 0; i < 3; i++) {
        int n = 0, code;

        while (n < 200 && (code = dies_at(units[i], n)) != 0) {
            CU_ASSERT_EQUAL(code, -SIGKILL);
            n++;
        }
        CU_ASSERT(n >= 4 && n < 200);
    }
}

/* ------------------------------------------------------------------------------- crowds */

enum { ROUNDS = 20000 };

struct crowd {
    kith_sem s;
    long *count;
};

static int counts(const void *arg)
{
    const struct crowd *c = arg;

    for (int i = 0; i < ROUNDS; i++) {
        if (kith_sem_acquire(c->s, KITH_FOREVER) < 0)
            return 1;
        ++*(volatile long *)c->count;
        if (kith_sem_release(c->s) < 0)
            return 2;
    }
    return 0;
}

static void one_unit_keeps_all_others_out(void)
{
    struct crowd c = { kith_sem_open_with(1, .bounded = 1), kith_alloc(sizeof *c.count) };
    kith_process p[3];
    int code;

    *c.count = 0;
    for (int i = 0; i < 3; i++)
        p[i] = kith_process_start(counts, KITH_ARG(c));
    CU_ASSERT_EQUAL(counts(&c), 0);
    for (int i = 0; i < 3; i++) {
        PASS(kith_process_join(p[i], KITH_FOREVER));
        PASS(kith_process_exitcode(p[i], &code));
        CU_ASSERT_EQUAL(code, 0);
        PASS(kith_process_close(p[i]));
    }
    CU_ASSERT_EQUAL(*c.count, 4 * ROUNDS);
    CU_ASSERT_EQUAL(kith_sem_value(c.s), 1);
    PASS(kith_sem_close(c.s));
    kith_free(c.count);
}

static struct test tests[] = {
    TEST(a_call_on_a_closed_one_does_nothing_to_its_successor),
    TEST(there_is_one_as_long_as_one_is_free),
    TEST(the_value_is_one_of_a_moment),
    TEST(nobody_gets_what_another_has_taken),
    TEST(nothing_is_given_back_twice),
    TEST(who_has_none_gives_back_the_oldest),
    TEST(who_has_waited_is_the_next),
    TEST(what_the_heir_leaves_is_for_the_others),
    TEST(a_dead_heir_inherits_nothing),
    TEST(an_heir_that_dies_with_its_unit_leaves_both),
    TEST(an_heir_whose_time_is_over_inherits_nothing),
    TEST(a_stopped_heir_is_passed_over),
    TEST(an_heir_of_a_closed_one_is_none_of_its_successor),
    TEST(whoever_dies_at_a_step_leaves_it_to_the_next),
    TEST(one_unit_keeps_all_others_out),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("units", tests);
    return kith_finalize() ? 1 : rc;
}
