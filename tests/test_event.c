/* test_event.c: Events as users see them, over each way that one can be reached (see test_queue.c). */
#include "config.h"
#include "steps.h"

#include <signal.h>

static void it_is_set_and_cleared(void)
{
    kith_event e = far_event_open();

    CU_ASSERT_EQUAL(kith_event_is_set(e), 0);
    FAILS_WITH(KITH_ETIMEDOUT, kith_event_wait(e, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_event_wait(e, 20));
    for (int i = 0; i < 2; i++) /* twice is once */
        PASS(kith_event_set(e));
    CU_ASSERT_EQUAL(kith_event_is_set(e), 1);
    for (int i = 0; i < 2; i++) /* it stays */
        PASS(kith_event_wait(e, i ? KITH_FOREVER : 0));
    for (int i = 0; i < 2; i++)
        PASS(kith_event_clear(e));
    CU_ASSERT_EQUAL(kith_event_is_set(e), 0);
    FAILS_WITH(KITH_ETIMEDOUT, kith_event_wait(e, 0));
    PASS(kith_event_close(e));
}

struct waiter {
    kith_event e, other;
    kith_queue ready;
};

static int waits(const void *arg)
{
    const struct waiter *w = arg;
    int rc = 0;

    kith_put(w->ready, rc);
    rc = kith_event_wait(w->e, KITH_FOREVER);
    return rc == KITH_ESTALE ? 3 : rc < 0;
}

enum { WAITERS = 4, ROUNDS = 12 };

static void start_waiters(kith_process p[WAITERS], kith_target *fn, const struct waiter *w)
{
    int n;

    for (int i = 0; i < WAITERS; i++)
        p[i] = kith_process_start(fn, w, sizeof *w);
    for (int i = 0; i < WAITERS; i++)
        PASS(kith_get(w->ready, &n));
}

static void close_ends_all_waits(void)
{
    struct waiter w = { far_event_open(), { 0 }, kith_queue_open(0) };
    kith_process p[WAITERS];

    start_waiters(p, waits, &w);
    PASS(kith_event_close(w.e));
    for (int i = 0; i < WAITERS; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 3);
    PASS(kith_queue_close(w.ready));
    FAILS_WITH(KITH_ESTALE, kith_event_wait(w.e, 0));
    FAILS_WITH(KITH_ESTALE, kith_event_set(w.e));
    FAILS_WITH(KITH_ESTALE, kith_event_clear(w.e));
    FAILS_WITH(KITH_ESTALE, kith_event_is_set(w.e));
    FAILS_WITH(KITH_ESTALE, kith_event_close(w.e));
}

/* Even rounds wait for the one Event, odd ones for the other. */
static int waits_in_rounds(const void *arg)
{
    const struct waiter *w = arg;

    for (int i = 0; i <= ROUNDS; i++)
        if (kith_put(w->ready, i) < 0 ||
            (i < ROUNDS && kith_event_wait(i % 2 ? w->other : w->e, KITH_FOREVER) < 0))
            return 1;
    return 0;
}

/* Who is forgotten looks again after a second by itself: so it shows in the time. */
static void set_wakes_all_that_wait(void)
{
    struct waiter w = { far_event_open(), far_event_open(), kith_queue_open(0) };
    kith_process p[WAITERS];
    double begin;
    int n;

    start_waiters(p, waits_in_rounds, &w);
    begin = kith_time();
    for (int i = 0; i < ROUNDS; i++) {
        kith_event e = i % 2 ? w.other : w.e;

        FAILS_WITH(KITH_ETIMEDOUT, kith_event_wait(e, 2)); /* meanwhile the others lie down */
        PASS(kith_event_set(e));
        for (int k = 0; k < WAITERS; k++)
            PASS(kith_get(w.ready, &n));
        PASS(kith_event_clear(e));
    }
    CU_ASSERT(kith_time() - begin < 0.4 * ROUNDS);
    for (int i = 0; i < WAITERS; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    PASS(kith_event_close(w.e));
    PASS(kith_event_close(w.other));
    PASS(kith_queue_close(w.ready));
}

enum { TURNS = 200 };

static int answers(const void *arg)
{
    const struct waiter *w = arg;

    for (int i = 0; i < TURNS; i++)
        if (kith_event_wait(w->e, KITH_FOREVER) < 0 || kith_event_clear(w->e) < 0 ||
            kith_event_set(w->other) < 0)
            return 1;
    return 0;
}

static void two_take_turns(void)
{
    struct waiter w = { far_event_open(), far_event_open(), { 0 } };
    kith_process p = kith_process_start(answers, KITH_ARG(w));

    for (int i = 0; i < TURNS; i++) {
        PASS(kith_event_set(w.e));
        PASS(kith_event_wait(w.other, KITH_FOREVER));
        PASS(kith_event_clear(w.other));
    }
    CU_ASSERT_EQUAL(code_of(p), 0);
    PASS(kith_event_close(w.e));
    PASS(kith_event_close(w.other));
}

static int sets_and_dies(const void *arg)
{
    const kith_event *e = arg;

    kith_event_set(*e);
    raise(SIGKILL);
    return 0;
}

static void it_belongs_to_nobody(void)
{
    kith_event e = far_event_open();

    CU_ASSERT_EQUAL(code_of(kith_process_start(sets_and_dies, KITH_ARG(e))), -SIGKILL);
    PASS(kith_event_wait(e, 0));
    PASS(kith_event_close(e));
}

struct doomed {
    int step;
    kith_event e;
};

static void sets_and_clears(const void *arg)
{
    const struct doomed *d = arg;

    kith_event_wait(d->e, 1);
    kith_event_set(d->e);
    kith_event_wait(d->e, KITH_FOREVER);
    kith_event_clear(d->e);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way_or_waiting(*(const int *)arg, sets_and_clears, arg);
    return 0;
}

/* Another one waits there: it goes on, at the latest when the Event is set once more, which then is set or
 * clear as anybody says. */
static void whoever_dies_at_any_step_keeps_nobody(void)
{
    struct waiter w = { far_event_open(), { 0 }, kith_queue_open(0) };
    struct doomed d = { 0, w.e };
    int code, n;

    AT_EACH_STEP(d.step, code) {
        kith_process waiter = kith_process_start(waits, KITH_ARG(w)), dies;

        PASS(kith_get(w.ready, &n));
        dies = kith_process_start_with(dies_on_the_way, KITH_ARG(d), .node = KITH_HERE);
        kith_process_join(dies, 20); /* another one may have cleared it while this one waits */
        if (kith_process_alive(dies))
            PASS(kith_event_set(w.e));
        code = end_at_step(dies);
        SETTLE(kith_event_is_set(w.e));
        PASS(kith_event_set(w.e));
        CU_ASSERT_EQUAL(code_of(waiter), 0);
        CU_ASSERT_EQUAL(kith_event_is_set(w.e), 1);
        PASS(kith_event_clear(w.e));
        CU_ASSERT_EQUAL(kith_event_is_set(w.e), 0);
    }
    CU_ASSERT(got_through(d.step, code));
    PASS(kith_event_close(w.e));
    PASS(kith_queue_close(w.ready));
}

static int finds_by_name(const void *arg)
{
    (void)arg;
    return kith_event_set(kith_event_named("start")) < 0;
}

static void names_lead_to_one_event(void)
{
    kith_event e = kith_event_named("start");
    kith_event none = { 0 };

    CU_ASSERT_EQUAL(code_of(kith_process_start(finds_by_name, NULL, 0)), 0);
    PASS(kith_event_wait(e, 0));
    FAILS_WITH(KITH_EINVAL, kith_event_wait(e, -2));
    FAILS_WITH(KITH_ESTALE, kith_event_wait(none, 0));
    FAILS_WITH(KITH_ETYPE, kith_lock_acquire((kith_lock){ e.id }, 0));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_event_named(NULL)));
    PASS(kith_event_close(e));
}

static struct test tests[] = {
    TEST_LIKE(it_is_set_and_cleared, "_TestEvent.test_event"),
    TEST(close_ends_all_waits),
    TEST_LIKE(set_wakes_all_that_wait, "_TestEvent.test_event"),
    TEST(two_take_turns),
    TEST(it_belongs_to_nobody),
    TEST(whoever_dies_at_any_step_keeps_nobody),
    TEST(names_lead_to_one_event),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("event", tests);
    return kith_finalize() ? 1 : rc;
}
