/* test_barrier.c: Barriers as users see them, over each way that one can be reached (see test_queue.c). */
#include "config.h"
#include "steps.h"
#include "shm/guard.h"

#include <signal.h>

enum { PARTIES = 5, ROUNDS = 100 };

struct party {
    kith_barrier b;
    kith_queue out;
    int rounds, timeout_ms, step;
};

static int waits(const void *arg)
{
    const struct party *p = arg;

    for (int i = 0; i < p->rounds; i++) {
        int rc = kith_barrier_wait(p->b, p->timeout_ms);

        kith_put(p->out, rc);
        if (rc < 0)
            return rc == KITH_EBROKEN ? 3 : rc == KITH_ETIMEDOUT ? 4 : rc == KITH_ESTALE ? 5 : 1;
    }
    return 0;
}

static struct party party(int parties, int rounds)
{
    return (struct party){ far_barrier_open(parties), kith_queue_open(0), rounds, KITH_FOREVER, 0 };
}

static void close_party(struct party *p)
{
    PASS(kith_barrier_close(p->b));
    PASS(kith_queue_close(p->out));
}

static void start(const struct party *party, kith_process *p, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = kith_process_start(waits, party, sizeof *party);
}

static void each_of_a_round_has_another_place(void)
{
    struct party all = party(PARTIES, getenv("KITH_TEST_FAR") ? 20 : ROUNDS);
    kith_process p[PARTIES];
    int places[PARTIES] = { 0 };

    start(&all, p, PARTIES);
    for (int i = 0; i < PARTIES; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    for (int i = 0; i < PARTIES * all.rounds; i++) {
        int place = -1;

        PASS(kith_get(all.out, &place));
        CU_ASSERT_FATAL(place >= 0 && place < PARTIES);
        places[place]++;
    }
    for (int i = 0; i < PARTIES; i++)
        CU_ASSERT_EQUAL(places[i], all.rounds);
    CU_ASSERT_EQUAL(kith_barrier_waiting(all.b), 0);
    CU_ASSERT_EQUAL(kith_barrier_broken(all.b), 0);
    close_party(&all);
}

struct walker {
    kith_barrier b;
    _Atomic int *steps; /* of each */
    int me;
};

/* Nobody is a round ahead of another. */
static int walks(const void *arg)
{
    const struct walker *w = arg;

    for (int i = 1; i <= 50; i++) {
        atomic_store(&w->steps[w->me], i);
        if (kith_barrier_wait(w->b, KITH_FOREVER) < 0)
            return 1;
        for (int k = 0; k < 3; k++)
            if (atomic_load(&w->steps[k]) < i || atomic_load(&w->steps[k]) > i + 1)
                return 2;
    }
    return 0;
}

static void nobody_goes_on_before_all_are_there(void)
{
    struct walker w = { far_barrier_open(3), kith_alloc(3 * sizeof *w.steps), 0 };
    kith_process p[3];

    for (int i = 0; i < 3; i++)
        atomic_store(&w.steps[i], 0);
    for (w.me = 0; w.me < 3; w.me++)
        p[w.me] = kith_process_start_with(walks, KITH_ARG(w), .node = KITH_HERE);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    PASS(kith_barrier_close(w.b));
    kith_free((void *)w.steps);
}

static void one_party_never_waits(void)
{
    kith_barrier b = far_barrier_open(1);

    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(kith_barrier_wait(b, 0), 0);
    PASS(kith_barrier_close(b));
}

/* ------------------------------------------------------------------------------ action */

struct action {
    kith_queue done;
    int code;
};

static int acts(const void *arg)
{
    const struct action *d = arg;

    kith_put(d->done, d->code);
    return d->code;
}

static void the_last_one_acts_before_all_go_on(void)
{
    struct action d = { kith_queue_open(0), 0 };
    struct party all = { kith_barrier_open_with(3, .action = acts, .arg = &d, .arg_size = sizeof d),
                         kith_queue_open(0), 4, KITH_FOREVER, 0 };
    kith_process p[3];

    start(&all, p, 3);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    CU_ASSERT_EQUAL(kith_queue_size(d.done), 4);
    close_party(&all);
    PASS(kith_queue_close(d.done));
}

static void an_action_that_fails_breaks_it(void)
{
    struct action d = { kith_queue_open(0), 9 };
    struct party all = { kith_barrier_open_with(2, .action = acts, .arg = &d, .arg_size = sizeof d),
                         kith_queue_open(0), 1, KITH_FOREVER, 0 };
    kith_process p[1];

    start(&all, p, 1);
    AWAIT(kith_barrier_waiting(all.b) == 1);
    FAILS_WITH(KITH_ETASK, kith_barrier_wait(all.b, KITH_FOREVER));
    CU_ASSERT_EQUAL(code_of(p[0]), 3);
    CU_ASSERT_EQUAL(kith_barrier_broken(all.b), 1);
    close_party(&all);
    PASS(kith_queue_close(d.done));
}

/* --------------------------------------------------------------------- breaking, resetting */

static void abort_breaks_it_for_those_there_and_those_to_come(void)
{
    struct party all = party(4, 1);
    kith_process p[3];

    start(&all, p, 3);
    AWAIT(kith_barrier_waiting(all.b) == 3);
    PASS(kith_barrier_abort(all.b));
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 3);
    CU_ASSERT_EQUAL(kith_barrier_broken(all.b), 1);
    FAILS_WITH(KITH_EBROKEN, kith_barrier_wait(all.b, KITH_FOREVER));
    close_party(&all);
}

static void reset_sends_those_there_away_and_begins_again(void)
{
    for (int breaks = 0; breaks < 2; breaks++) {
        struct party all = party(3, 1);
        kith_process p[3];

        start(&all, p, 2);
        AWAIT(kith_barrier_waiting(all.b) == 2);
        if (breaks)
            PASS(kith_barrier_abort(all.b));
        PASS(kith_barrier_reset(all.b));
        for (int i = 0; i < 2; i++)
            CU_ASSERT_EQUAL(code_of(p[i]), 3);
        CU_ASSERT_EQUAL(kith_barrier_broken(all.b), 0);
        start(&all, p, 3);
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(code_of(p[i]), 0);
        close_party(&all);
    }
}

static void who_gives_up_breaks_it(void)
{
    struct party all = party(3, 1);
    kith_process p[1];

    start(&all, p, 1);
    AWAIT(kith_barrier_waiting(all.b) == 1);
    FAILS_WITH(KITH_ETIMEDOUT, kith_barrier_wait(all.b, 20));
    CU_ASSERT_EQUAL(code_of(p[0]), 3);
    FAILS_WITH(KITH_EBROKEN, kith_barrier_wait(all.b, 20));
    PASS(kith_barrier_reset(all.b));
    FAILS_WITH(KITH_ETIMEDOUT, kith_barrier_wait(all.b, 0));
    close_party(&all);
}

/* One that names its own timeout has that. */
static void a_wait_without_a_timeout_has_that_of_the_barrier(void)
{
    struct party all = { kith_barrier_open_with(2, .timeout_ms = 20), kith_queue_open(0), 1, 60000, 0 };
    kith_process p[1];

    FAILS_WITH(KITH_ETIMEDOUT, kith_barrier_wait(all.b, KITH_FOREVER));
    FAILS_WITH(KITH_EBROKEN, kith_barrier_wait(all.b, KITH_FOREVER));
    PASS(kith_barrier_reset(all.b));
    start(&all, p, 1);
    AWAIT(kith_barrier_waiting(all.b) == 1);
    CU_ASSERT_EQUAL(kith_process_join(p[0], 50), KITH_ETIMEDOUT);
    CU_ASSERT(kith_barrier_wait(all.b, KITH_FOREVER) >= 0);
    CU_ASSERT_EQUAL(code_of(p[0]), 0);
    close_party(&all);
}

static void a_death_breaks_it(void)
{
    struct party all = party(4, 1);
    kith_process p[3];

    start(&all, p, 3);
    AWAIT(kith_barrier_waiting(all.b) == 3);
    PASS(kith_process_kill(p[1]));
    CU_ASSERT_EQUAL(code_of(p[0]), 3);
    CU_ASSERT_EQUAL(code_of(p[1]), -SIGKILL);
    CU_ASSERT_EQUAL(code_of(p[2]), 3);
    PASS(kith_barrier_reset(all.b));
    all.rounds = 2;
    start(&all, p, 3);
    CU_ASSERT(kith_barrier_wait(all.b, KITH_FOREVER) >= 0);
    CU_ASSERT(kith_barrier_wait(all.b, KITH_FOREVER) >= 0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    close_party(&all);
}

static int dies_in_the_action(const void *arg)
{
    (void)arg;
    raise(SIGKILL);
    return 0;
}

static void a_death_in_the_action_breaks_it(void)
{
    struct party all = { kith_barrier_open_with(2, .action = dies_in_the_action), kith_queue_open(0), 1,
                         KITH_FOREVER, 0 };
    kith_process p[2];
    int a, b;

    start(&all, p, 2);
    a = code_of(p[0]);
    b = code_of(p[1]);
    CU_ASSERT((a == -SIGKILL && b == 3) || (b == -SIGKILL && a == 3));
    close_party(&all);
}

static int says_nothing(const void *arg)
{
    (void)arg;
    return kith_arg_size() == 3 ? 0 : 9;
}

static int acts_in_a_task(const void *arg)
{
    kith_barrier b = kith_barrier_open_with(1, .action = says_nothing, .arg = arg, .arg_size = 3);

    return kith_barrier_wait(b, 0) != 0 || kith_barrier_close(b) < 0 || kith_arg_size() != 5;
}

static void an_action_leaves_its_task_as_it_was(void)
{
    CU_ASSERT_EQUAL(code_of(kith_process_start(acts_in_a_task, "task", 5)), 0);
}

static void arrives(const void *arg)
{
    REQUIRE(kith_barrier_wait(((const struct party *)arg)->b, KITH_FOREVER) >= 0);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(((const struct party *)arg)->step, arrives, arg);
    return 0;
}

/* The other one goes on, or is told, or is alone: it waits for nobody that is dead. */
static void whoever_dies_at_any_step_keeps_nobody(void)
{
    struct party all = party(2, 1);
    int code, rc = 0;

    AT_EACH_STEP(all.step, code) {
        kith_process p, q;

        PASS(kith_barrier_reset(all.b));
        p = kith_process_start(waits, KITH_ARG(all));
        AWAIT(kith_barrier_waiting(all.b) == 1);
        q = kith_process_start(dies_on_the_way, KITH_ARG(all));
        code = end_at_step(q);
        if (code != 0 && kith_process_join(p, 100) == KITH_ETIMEDOUT) /* it died before it arrived */
            PASS(kith_barrier_abort(all.b));
        rc = code_of(p);
        CU_ASSERT(rc == 0 || rc == 3);
    }
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT(got_through(all.step, code));
    close_party(&all);
}

static void those_that_wait_at_a_closed_one_are_told(void)
{
    struct party all = party(3, 1);
    kith_process p[2];

    start(&all, p, 2);
    AWAIT(kith_barrier_waiting(all.b) == 2);
    PASS(kith_barrier_close(all.b));
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 5);
    FAILS_WITH(KITH_ESTALE, kith_barrier_wait(all.b, 0));
    FAILS_WITH(KITH_ESTALE, kith_barrier_abort(all.b));
    FAILS_WITH(KITH_ESTALE, kith_barrier_reset(all.b));
    FAILS_WITH(KITH_ESTALE, kith_barrier_waiting(all.b));
    FAILS_WITH(KITH_ESTALE, kith_barrier_broken(all.b));
    PASS(kith_queue_close(all.out));
}

static int finds_by_name(const void *arg)
{
    (void)arg;
    return kith_barrier_wait(kith_barrier_open_with(2, .name = "step"), KITH_FOREVER) < 0;
}

static void names_lead_to_one_barrier(void)
{
    kith_barrier b = kith_barrier_open_with(2, .name = "step");
    kith_process p = kith_process_start(finds_by_name, NULL, 0);

    CU_ASSERT(kith_barrier_wait(b, KITH_FOREVER) >= 0);
    CU_ASSERT_EQUAL(code_of(p), 0);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_barrier_open_with(3, .name = "step")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_barrier_open_with(2, .name = "step", .timeout_ms = 5)));
    PASS(kith_barrier_close(b));
}

static void wrong_use_is_a_sentence(void)
{
    kith_barrier b = far_barrier_open(2);

    FAILS_WITH(KITH_EINVAL, kith_check(kith_barrier_open(0)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_barrier_open(1 << 20)));
    FAILS_WITH(KITH_EINVAL,
               kith_check(kith_barrier_open_with(2, .action = acts, .arg = &b, .arg_size = 257)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_barrier_open_with(2, .timeout_ms = KITH_FOREVER)));
    FAILS_WITH(KITH_EINVAL, kith_barrier_wait(b, -2));
    FAILS_WITH(KITH_ETYPE, kith_lock_acquire((kith_lock){ b.id }, 0));
    PASS(kith_barrier_close(b));
}

static struct test tests[] = {
    TEST_LIKE(each_of_a_round_has_another_place, "_TestBarrier.test_wait_return"),
    TEST_LIKE(nobody_goes_on_before_all_are_there,
              "_TestBarrier.test_barrier _TestBarrier.test_barrier_10 _TestBarrier.test_thousand"),
    TEST_LIKE(one_party_never_waits, "_TestBarrier.test_single_thread"),
    TEST_LIKE(the_last_one_acts_before_all_go_on, "_TestBarrier.test_action"),
    TEST_LIKE(an_action_that_fails_breaks_it, "_TestBarrier.test_action"),
    TEST(an_action_leaves_its_task_as_it_was),
    TEST_LIKE(abort_breaks_it_for_those_there_and_those_to_come, "_TestBarrier.test_abort"),
    TEST_LIKE(reset_sends_those_there_away_and_begins_again,
              "_TestBarrier.test_reset _TestBarrier.test_abort_and_reset"),
    TEST_LIKE(who_gives_up_breaks_it, "_TestBarrier.test_timeout"),
    TEST_LIKE(a_wait_without_a_timeout_has_that_of_the_barrier, "_TestBarrier.test_default_timeout"),
    TEST(a_death_breaks_it),
    TEST(a_death_in_the_action_breaks_it),
    TEST(whoever_dies_at_any_step_keeps_nobody),
    TEST(those_that_wait_at_a_closed_one_are_told),
    TEST(names_lead_to_one_barrier),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("barrier", tests);
    return kith_finalize() ? 1 : rc;
}
