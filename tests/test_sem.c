/* test_sem.c: Semaphores as users see them, over each way that one can be reached (see test_queue.c). */
#include "config.h"
#include "steps.h"
#include "shm/guard.h"

#include <pthread.h>
#include <signal.h>

static void end(kith_process p)
{
    int code; /* asked for: else that it was killed is in the status of the job */

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
}

/* Few units are words, many are a crowd: object/units.h. */
enum { MANY = 20 };

static void are_counted(int units)
{
    kith_sem s = far_sem_open(units, 0);

    for (int i = units; i > 0; i--) {
        CU_ASSERT_EQUAL(kith_sem_value(s), i);
        PASS(kith_sem_acquire(s, 0));
    }
    FAILS_WITH(KITH_ETIMEDOUT, kith_sem_acquire(s, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_sem_acquire(s, 20));
    for (int i = 0; i < units + 2; i++)
        PASS(kith_sem_release(s));
    CU_ASSERT_EQUAL(kith_sem_value(s), units + 2);
    for (int i = units + 2; i > 0; i--)
        PASS(kith_sem_acquire(s, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_sem_acquire(s, 0));
    PASS(kith_sem_close(s));
}

static void units_are_counted(void)
{
    are_counted(3);
    are_counted(MANY);
}

static void is_bounded(int units)
{
    kith_sem s = far_sem_open(units, 1);

    FAILS_WITH(KITH_EINVAL, kith_sem_release(s));
    PASS(kith_sem_acquire(s, KITH_FOREVER));
    PASS(kith_sem_release(s));
    FAILS_WITH(KITH_EINVAL, kith_sem_release(s));
    CU_ASSERT_EQUAL(kith_sem_value(s), units);
    PASS(kith_sem_close(s));
}

static void a_bounded_one_has_no_more_than_its_units(void)
{
    is_bounded(2);
    is_bounded(MANY);
}

struct user {
    kith_sem s;
    _Atomic int *inside, *most, *ended;
    int rounds;
};

static int uses_it(const void *arg)
{
    const struct user *u = arg;

    for (int i = 0; i < u->rounds; i++) {
        int inside, most;

        if (kith_sem_acquire(u->s, KITH_FOREVER) < 0)
            return 1;
        inside = atomic_fetch_add(u->inside, 1) + 1;
        for (most = atomic_load(u->most);
             inside > most && !atomic_compare_exchange_weak(u->most, &most, inside);)
            ;
        sched_yield();
        atomic_fetch_sub(u->inside, 1);
        if (kith_sem_release(u->s) < 0)
            return 2;
    }
    atomic_fetch_add(u->ended, 1);
    return 0;
}

static void never_more_inside_than_units(void)
{
    enum { USERS = 8 };
    _Atomic int *shared = kith_alloc(3 * sizeof *shared);
    struct user u = { far_sem_open(2, 1), &shared[0], &shared[1], &shared[2], 300 };
    kith_process p[USERS];

    for (int i = 0; i < 3; i++)
        atomic_store(&shared[i], 0);
    for (int i = 0; i < USERS; i++)
        p[i] = kith_process_start_with(uses_it, KITH_ARG(u), .node = KITH_HERE);
    for (int i = 0; i < USERS; i++)
        end(p[i]);
    CU_ASSERT_EQUAL(atomic_load(u.ended), USERS);
    CU_ASSERT(atomic_load(u.most) >= 1 && atomic_load(u.most) <= 2);
    CU_ASSERT_EQUAL(kith_sem_value(u.s), 2);
    PASS(kith_sem_close(u.s));
    kith_free(shared);
}

static int releases_ten(const void *arg)
{
    const kith_sem *s = arg;

    for (int i = 0; i < 10; i++)
        if (kith_sem_release(*s) < 0)
            return 1;
    return 0;
}

static void a_release_wakes_who_waits(void)
{
    kith_sem s = far_sem_open(0, 0);
    kith_process p = kith_process_start(releases_ten, KITH_ARG(s));

    for (int i = 0; i < 10; i++)
        PASS(kith_sem_acquire(s, KITH_FOREVER));
    end(p);
    CU_ASSERT_EQUAL(kith_sem_value(s), 0);
    PASS(kith_sem_close(s));
}

struct holder {
    kith_sem s;
    kith_queue holds;
    int units, how;
};

/* Takes units, says so, and ends in some way with them. */
static int holds_and_ends(const void *arg)
{
    const struct holder *h = arg;

    for (int i = 0; i < h->units; i++)
        if (kith_sem_acquire(h->s, KITH_FOREVER) < 0)
            return 1;
    if (h->how == 0)
        return kith_put(h->holds, h->units);
    if (h->how == 1) {
        kith_put(h->holds, h->units);
        exit(0);
    }
    if (h->how == 2)
        raise(SIGKILL);
    kith_put(h->holds, h->units);
    for (;;)
        pause();
}

static void comes_back(int units)
{
    for (int how = 0; how < 4; how++) {
        struct holder h = { far_sem_open(units, 0), kith_queue_open(0), 3, how };
        kith_process p = kith_process_start(holds_and_ends, KITH_ARG(h));
        int n;

        if (how != 2)
            PASS(kith_get(h.holds, &n));
        if (how == 3) {
            CU_ASSERT_EQUAL(kith_sem_value(h.s), units - 3);
            PASS(kith_process_kill(p));
        }
        end(p);
        AWAIT(kith_sem_value(h.s) == units); /* what a dead process had comes back some moments later */
        /* Three of them were a dead one's, and each is told once. */
        for (int i = 0; i < units; i++)
            CU_ASSERT_EQUAL(kith_sem_acquire(h.s, KITH_FOREVER), i < 3 ? KITH_EOWNERDEAD : 0);
        for (int i = 0; i < units; i++)
            PASS(kith_sem_release(h.s));
        PASS(kith_sem_acquire(h.s, 0));
        PASS(kith_sem_close(h.s));
        PASS(kith_queue_close(h.holds));
    }
}

static void what_an_ended_process_held_comes_back(void)
{
    comes_back(5);
    comes_back(MANY);
}

static void signals_belong_to_nobody(void)
{
    struct holder h = { far_sem_open(0, 0), kith_queue_open(0), 3, 1 };
    kith_process p = kith_process_start(holds_and_ends, KITH_ARG(h));
    int n;

    for (int i = 0; i < 4; i++)
        PASS(kith_sem_release(h.s));
    PASS(kith_get(h.holds, &n));
    end(p);
    usleep(50000); /* nothing comes: there is nothing to wait for */
    CU_ASSERT_EQUAL(kith_sem_value(h.s), 1);
    PASS(kith_sem_close(h.s));
    PASS(kith_queue_close(h.holds));
}

static void is_released_by_another(int units)
{
    struct holder h = { far_sem_open(units, 1), kith_queue_open(0), 3, 3 };
    kith_process p = kith_process_start(holds_and_ends, KITH_ARG(h));
    int n;

    PASS(kith_get(h.holds, &n));
    PASS(kith_sem_release(h.s));
    PASS(kith_sem_release(h.s));
    CU_ASSERT_EQUAL(kith_sem_value(h.s), units - 1);
    PASS(kith_process_kill(p)); /* it holds one */
    end(p);
    AWAIT(kith_sem_value(h.s) == units);
    CU_ASSERT_EQUAL(kith_sem_acquire(h.s, 0), KITH_EOWNERDEAD);
    PASS(kith_sem_acquire(h.s, 0));
    PASS(kith_sem_close(h.s));
    PASS(kith_queue_close(h.holds));
}

static void another_may_release(void)
{
    is_released_by_another(3);
    is_released_by_another(MANY);
}

static int waits_for_one(const void *arg)
{
    const struct holder *h = arg;
    int rc;

    kith_put(h->holds, h->units);
    rc = kith_sem_acquire(h->s, KITH_FOREVER);
    return rc == KITH_ESTALE ? 3 : rc < 0;
}

/* They are killed where they wait, or just as they get it: either way the unit is there for the next. */
static void killed_waiters_take_nothing(void)
{
    struct holder h = { far_sem_open(1, 1), kith_queue_open(0), 1, 0 };
    int n, rc;

    for (int i = 0; i < 10; i++) {
        kith_process p[3];

        PASS((rc = kith_sem_acquire(h.s, KITH_FOREVER)) == KITH_EOWNERDEAD ? 0 : rc);
        for (int k = 0; k < 3; k++) {
            p[k] = kith_process_start(waits_for_one, KITH_ARG(h));
            PASS(kith_get(h.holds, &n));
        }
        usleep((useconds_t)i * 500);
        if (i % 2)
            PASS(kith_sem_release(h.s));
        for (int k = 0; k < 3; k++)
            PASS(kith_process_kill(p[k]));
        for (int k = 0; k < 3; k++)
            end(p[k]);
        if (i % 2 == 0)
            PASS(kith_sem_release(h.s));
        AWAIT(kith_sem_value(h.s) == 1);
    }
    PASS(kith_sem_close(h.s));
    PASS(kith_queue_close(h.holds));
}

struct doomed {
    int step;
    kith_sem s;
};

static void takes_and_gives_back(const void *arg)
{
    const struct doomed *d = arg;

    kith_sem_acquire(d->s, KITH_FOREVER);
    kith_sem_release(d->s);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(*(const int *)arg, takes_and_gives_back, arg);
    return 0;
}

static void no_unit_is_lost(int units)
{
    struct doomed d = { 0, far_sem_open(units, 1) };
    int code;

    AT_EACH_STEP(d.step, code) {
        code = end_at_step(kith_process_start(dies_on_the_way, KITH_ARG(d)));
        AWAIT(kith_sem_value(d.s) == units);
    }
    CU_ASSERT(got_through(d.step, code));
    PASS(kith_sem_close(d.s));
}

static void whoever_dies_at_any_step_loses_no_unit(void)
{
    no_unit_is_lost(2);
    no_unit_is_lost(MANY);
}

static void waiters_of_a_closed_one_are_told(void)
{
    struct holder h = { far_sem_open(0, 0), kith_queue_open(0), 1, 0 };
    kith_process p[3];
    int n, code;

    for (int i = 0; i < 3; i++) {
        p[i] = kith_process_start(waits_for_one, KITH_ARG(h));
        PASS(kith_get(h.holds, &n));
    }
    PASS(kith_sem_close(h.s));
    for (int i = 0; i < 3; i++) {
        PASS(kith_process_join(p[i], KITH_FOREVER));
        PASS(kith_process_exitcode(p[i], &code));
        CU_ASSERT_EQUAL(code, 3);
        PASS(kith_process_close(p[i]));
    }
    FAILS_WITH(KITH_ESTALE, kith_sem_acquire(h.s, 0));
    FAILS_WITH(KITH_ESTALE, kith_sem_release(h.s));
    FAILS_WITH(KITH_ESTALE, kith_sem_value(h.s));
    FAILS_WITH(KITH_ESTALE, kith_sem_close(h.s));
    PASS(kith_queue_close(h.holds));
}

static int finds_by_name(const void *arg)
{
    kith_sem s = kith_sem_open_with(4, .name = "licences");

    (void)arg;
    return kith_sem_acquire(s, KITH_FOREVER) < 0;
}

static void names_lead_to_one_semaphore(void)
{
    kith_sem s = kith_sem_open_with(4, .name = "licences");

    end(kith_process_start(finds_by_name, NULL, 0));
    AWAIT(kith_sem_value(s) == 4);
    CU_ASSERT_EQUAL(kith_sem_acquire(s, 0), KITH_EOWNERDEAD);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_sem_open_with(5, .name = "licences")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_sem_open_with(4, .name = "licences", .bounded = 1)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_sem_open_with(4, .name = "")));
    PASS(kith_sem_close(s));
}

static void *thread_uses_it(void *arg)
{
    const kith_sem *s = arg;

    for (int i = 0; i < 500; i++)
        if (kith_sem_acquire(*s, KITH_FOREVER) < 0 || kith_sem_release(*s) < 0)
            return arg;
    return NULL;
}

static void threads_use_it_too(void)
{
    kith_sem s = far_sem_open(2, 1);
    pthread_t t[4];
    void *failed;

    for (int i = 0; i < 4; i++)
        CU_ASSERT_FATAL(pthread_create(&t[i], NULL, thread_uses_it, &s) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &failed);
        CU_ASSERT_PTR_NULL(failed);
    }
    CU_ASSERT_EQUAL(kith_sem_value(s), 2);
    PASS(kith_sem_close(s));
}

static void wrong_use_is_a_sentence(void)
{
    kith_sem none = { 0 }, s = far_sem_open(1, 0), bad = kith_sem_open(-1);
    kith_queue q = far_queue_open(0);

    FAILS_WITH(KITH_ESTALE, kith_sem_acquire(none, 0));
    FAILS_WITH(KITH_EINVAL, kith_sem_acquire(s, -2));
    FAILS_WITH(KITH_EINVAL, kith_check(bad));
    FAILS_WITH(KITH_EINVAL, kith_sem_release(bad));
    FAILS_WITH(KITH_ETYPE, kith_sem_release((kith_sem){ q.id }));
    FAILS_WITH(KITH_ETYPE, kith_queue_size((kith_queue){ s.id }));
    FAILS_WITH(KITH_ETYPE, kith_sem_close((kith_sem){ q.id }));
    PASS(kith_queue_close(q));
    PASS(kith_sem_close(s));
}

static struct test tests[] = {
    TEST_LIKE(units_are_counted, "_TestSemaphore.test_semaphore _TestSemaphore.test_timeout"),
    TEST_LIKE(a_bounded_one_has_no_more_than_its_units, "_TestSemaphore.test_bounded_semaphore"),
    TEST(never_more_inside_than_units),
    TEST_LIKE(a_release_wakes_who_waits, "_TestSemaphore.test_timeout"),
    TEST(what_an_ended_process_held_comes_back),
    TEST(signals_belong_to_nobody),
    TEST_LIKE(another_may_release, "_TestSemaphore.test_semaphore"),
    TEST(killed_waiters_take_nothing),
    TEST(whoever_dies_at_any_step_loses_no_unit),
    TEST(waiters_of_a_closed_one_are_told),
    TEST(names_lead_to_one_semaphore),
    TEST(threads_use_it_too),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("sem", tests);
    return kith_finalize() ? 1 : rc;
}
