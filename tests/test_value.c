/* test_value.c: Values as users see them, over each way that one can be reached (see test_queue.c). */
#include "config.h"
#include "steps.h"
#include "object/class.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define FAR(type, x) far_value_open(type, &(x), sizeof(x), 0)

static int ends_with(kith_process p)
{
    int code = -1; /* asked for: else that it was killed is in the status of the job */

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
    return code;
}

/* ------------------------------------------------------------------------- numbers */

#define NUMBER_TEST(letter, T, low, high)                              \
    static void a_value_of_##letter(void)                              \
    {                                                                  \
        const T first = 5, least = (low), most = (high);               \
        kith_value v = FAR((#letter)[0], first);                       \
        T x = 0, old = 0, expected = 6;                                \
                                                                       \
        PASS(kith_load(v, &x));                                        \
        CU_ASSERT(x == 5);                                             \
        PASS(kith_add(v, (T)3));                                       \
        PASS(kith_update(v, KITH_ADD, (T)1, &old));                    \
        CU_ASSERT(old == 8);                                           \
        PASS(kith_update(v, KITH_MIN, (T)7, &old));                    \
        CU_ASSERT(old == 9);                                           \
        PASS(kith_update(v, KITH_MIN, (T)8, &old));                    \
        CU_ASSERT(old == 7);                                           \
        PASS(kith_update(v, KITH_MAX, (T)2, &old));                    \
        CU_ASSERT(old == 7);                                           \
        PASS(kith_update(v, KITH_MAX, most, &old));                    \
        PASS(kith_update(v, KITH_EXCHANGE, least, &old));              \
        CU_ASSERT(old == most);                                        \
        CU_ASSERT_EQUAL(kith_compare_exchange(v, &expected, (T)1), 0); \
        CU_ASSERT(expected == least);                                  \
        CU_ASSERT_EQUAL(kith_compare_exchange(v, &expected, (T)1), 1); \
        PASS(kith_update(v, KITH_MIN, least, NULL));                   \
        PASS(kith_load(v, &x));                                        \
        CU_ASSERT(x == least);                                         \
        PASS(kith_store(v, most));                                     \
        PASS(kith_load(v, &x));                                        \
        CU_ASSERT(x == most);                                          \
        PASS(kith_value_close(v));                                     \
    }

NUMBER_TEST(i, int, INT_MIN, INT_MAX)
NUMBER_TEST(I, unsigned, 0, UINT_MAX)
NUMBER_TEST(l, long, LONG_MIN, LONG_MAX)
NUMBER_TEST(L, unsigned long, 0, ULONG_MAX)
NUMBER_TEST(q, long long, LLONG_MIN, LLONG_MAX)
NUMBER_TEST(f, float, -INFINITY, INFINITY)
NUMBER_TEST(d, double, -1e308, 1e308)

static void bits_are_of_integers(void)
{
    const unsigned long mask = 0xf0f0;
    const double number = 1;
    kith_value v = FAR('L', mask), d = FAR('d', number);
    unsigned long old;
    double x;

    PASS(kith_update(v, KITH_AND, 0xff00UL, &old));
    CU_ASSERT_EQUAL(old, 0xf0f0);
    PASS(kith_update(v, KITH_OR, 0x000fUL, &old));
    CU_ASSERT_EQUAL(old, 0xf000);
    PASS(kith_update(v, KITH_XOR, ULONG_MAX, &old));
    CU_ASSERT_EQUAL(old, 0xf00f);
    PASS(kith_load(v, &old));
    CU_ASSERT_EQUAL(old, ~0xf00fUL);
    FAILS_WITH(KITH_ETYPE, kith_update(d, KITH_OR, 1.0, NULL));
    FAILS_WITH(KITH_EINVAL, kith_update(d, 77, 1.0, NULL));
    PASS(kith_load(d, &x));
    CU_ASSERT(x == 1);
    PASS(kith_value_close(v));
    PASS(kith_value_close(d));
}

static void of_adds_each_counts_once_and_wraps(void)
{
    const int most = INT_MAX;
    kith_value v = FAR('i', most);
    int x;

    PASS(kith_add(v, 1));
    PASS(kith_load(v, &x));
    CU_ASSERT_EQUAL(x, INT_MIN);
    PASS(kith_value_close(v));
}

struct adder {
    kith_value v;
    int rounds, how;
};

enum { ADDS, COMPARES, LOCKS };

static int adds_one(const struct adder *a)
{
    long x;
    int rc;

    if (a->how == ADDS)
        return kith_add(a->v, 1L);
    if (a->how == LOCKS) {
        if ((rc = kith_value_lock(a->v, KITH_FOREVER)) < 0 || (rc = kith_load(a->v, &x)) < 0 ||
            (rc = kith_store(a->v, x + 1)) < 0)
            return rc;
        return kith_value_unlock(a->v);
    }
    if ((rc = kith_load(a->v, &x)) < 0)
        return rc;
    while ((rc = kith_compare_exchange(a->v, &x, x + 1)) == 0)
        ;
    return rc == 1 ? 0 : rc;
}

static int adds(const void *arg)
{
    const struct adder *a = arg;

    for (int i = 0; i < a->rounds; i++)
        if (adds_one(a) < 0)
            return 1;
    return 0;
}

/* As many as it takes that two meet between a load and a store, in code that is wrong. */
static int enough_rounds(int how)
{
    if (getenv("KITH_TRANSPORT") || kith_nodes() > 1)
        return 500;
    return (how == ADDS ? 1000000 : how == COMPARES ? 200000 : 20000) / (SANITIZED ? 20 : 1);
}

struct starter {
    struct adder a;
    kith_queue ready, go;
};

static int adds_when_all_are_there(const void *arg)
{
    const struct starter *s = arg;
    int n = 0;

    return kith_put(s->ready, n) < 0 || kith_get(s->go, &n) < 0 || adds(&s->a);
}

/* On all nodes. */
static void processes_add_and_none_is_lost(void)
{
    const long zero = 0;

    for (int how = ADDS; how <= LOCKS; how++) {
        struct starter s = { { FAR('l', zero), enough_rounds(how), how },
                             kith_queue_open(0),
                             kith_queue_open(0) };
        kith_process p[3];
        long sum = -1;
        int n;

        for (int i = 0; i < 3; i++)
            p[i] = kith_process_start_with(adds_when_all_are_there, KITH_ARG(s),
                                           .node = KITH_NODE(i % kith_nodes()));
        for (int i = 0; i < 3; i++)
            PASS(kith_get(s.ready, &n));
        for (int i = 0; i < 3; i++)
            PASS(kith_put(s.go, n));
        CU_ASSERT_EQUAL(adds(&s.a), 0);
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(ends_with(p[i]), 0);
        PASS(kith_load(s.a.v, &sum));
        CU_ASSERT_EQUAL(sum, 4L * s.a.rounds);
        PASS(kith_value_close(s.a.v));
        PASS(kith_queue_close(s.ready));
        PASS(kith_queue_close(s.go));
    }
}

static void *thread_adds(void *arg)
{
    return adds(arg) ? arg : NULL;
}

static void threads_add_too(void)
{
    const long zero = 0;

    for (int how = ADDS; how <= LOCKS; how++) {
        struct adder a = { FAR('l', zero), 300, how };
        pthread_t t[4];
        void *failed;
        long sum = -1;

        for (int i = 0; i < 4; i++)
            CU_ASSERT_FATAL(pthread_create(&t[i], NULL, thread_adds, &a) == 0);
        for (int i = 0; i < 4; i++) {
            pthread_join(t[i], &failed);
            CU_ASSERT_PTR_NULL(failed);
        }
        PASS(kith_load(a.v, &sum));
        CU_ASSERT_EQUAL(sum, 4 * 300);
        PASS(kith_value_close(a.v));
    }
}

/* --------------------------------------------------------------------------- bytes */

struct text {
    char c[512];
};

static int is_uniform(const struct text *t)
{
    for (size_t i = 1; i < sizeof t->c; i++)
        if (t->c[i] != t->c[0])
            return 0;
    return 1;
}

static struct text text_of(int c)
{
    struct text t;

    memset(&t, c, sizeof t);
    return t;
}

static int writes_texts(const void *arg)
{
    const struct adder *a = arg;

    for (int i = 0; i < a->rounds; i++) {
        struct text t = text_of(i % 64 + 1), old;

        if (kith_value_update(a->v, 'b', KITH_EXCHANGE, &t, &old, sizeof t) < 0 || !is_uniform(&old) ||
            kith_value_store(a->v, 'b', &t, sizeof t) < 0 || kith_load(a->v, &old) < 0 || !is_uniform(&old))
            return 1;
    }
    return 0;
}

static void bytes_are_seen_whole(void)
{
    struct text t = text_of('a');
    struct adder a = { FAR('b', t), 200, 0 };
    kith_process p[2];

    for (int i = 0; i < 2; i++)
        p[i] = kith_process_start(writes_texts, KITH_ARG(a));
    CU_ASSERT_EQUAL(writes_texts(&a), 0);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(ends_with(p[i]), 0);
    PASS(kith_value_close(a.v));
}

static void bytes_are_compared_and_exchanged(void)
{
    struct text a = text_of('a'), b = text_of('b'), seen = b;
    kith_value v = FAR('b', a);

    CU_ASSERT_EQUAL(kith_value_compare_exchange(v, 'b', &seen, &b, sizeof b), 0);
    CU_ASSERT_EQUAL(memcmp(&seen, &a, sizeof a), 0);
    CU_ASSERT_EQUAL(kith_value_compare_exchange(v, 'b', &seen, &b, sizeof b), 1);
    PASS(kith_load(v, &seen));
    CU_ASSERT_EQUAL(memcmp(&seen, &b, sizeof b), 0);
    FAILS_WITH(KITH_ETYPE, kith_value_update(v, 'b', KITH_ADD, &a, NULL, sizeof a));
    FAILS_WITH(KITH_ESIZE, kith_value_load(v, 'b', &seen, sizeof seen - 1));
    FAILS_WITH(KITH_ESIZE, kith_value_store(v, 'b', &seen, 1));
    PASS(kith_value_close(v));
}

/* --------------------------------------------------------------------------- deaths */

static void changes_once(const void *arg)
{
    const struct adder *a = arg;
    struct text t = text_of('b');

    if (a->how == COMPARES)
        kith_value_store(a->v, 'b', &t, sizeof t);
    else
        adds_one(a);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(((const struct adder *)arg)->rounds, changes_once, arg);
    return 0;
}

/* Where all goes through an agent, it may be done after the death. */
static void whoever_dies_at_any_step_has_added_once_or_not(void)
{
    const long zero = 0;

    for (int how = ADDS; how <= LOCKS; how += LOCKS - ADDS) {
        struct adder a = { FAR('l', zero), 0, how };
        int code, rc;
        long sum;

        AT_EACH_STEP(a.rounds, code) {
            code = end_at_step(kith_process_start(dies_on_the_way, KITH_ARG(a)));
            if (how == LOCKS) { /* free, or soon */
                rc = kith_value_lock(a.v, 30000);
                CU_ASSERT(rc == 0 || rc == KITH_EOWNERDEAD);
                PASS(kith_value_unlock(a.v));
            }
        }
        CU_ASSERT(got_through(a.rounds, code));
        PASS(kith_load(a.v, &sum));
        CU_ASSERT(sum >= 1 && sum <= a.rounds);
        PASS(kith_value_close(a.v));
    }
}

static void whoever_dies_at_any_step_leaves_old_or_new_bytes(void)
{
    struct text t = text_of('a');
    struct adder a = { FAR('b', t), 0, COMPARES };
    int code;

    AT_EACH_STEP(a.rounds, code) {
        code = end_at_step(kith_process_start(dies_on_the_way, KITH_ARG(a)));
        PASS(kith_load(a.v, &t));
        CU_ASSERT(is_uniform(&t) && (t.c[0] == 'a' || t.c[0] == 'b'));
    }
    CU_ASSERT(got_through(a.rounds, code) && t.c[0] == 'b');
    PASS(kith_value_close(a.v));
}

static void die_with_bytes_written(const char *step)
{
    if (strcmp(step, "value: bytes written") == 0)
        raise(SIGKILL);
}

static int writes_and_dies(const void *arg)
{
    const kith_value *v = arg;
    struct text t = text_of('b');

    kith__failpoint_hook = die_with_bytes_written;
    return kith_value_store(*v, 'b', &t, sizeof t);
}

/* Else a death in the middle of the copy would leave half of each. */
static void bytes_do_not_count_before_the_last_is_written(void)
{
    struct text t = text_of('a');
    kith_value v;

    if (getenv("KITH_TRANSPORT"))
        SKIP("the agent writes them");
    v = kith_value_open('b', &t, sizeof t);
    CU_ASSERT_EQUAL(ends_with(kith_process_start_with(writes_and_dies, KITH_ARG(v), .node = KITH_HERE)),
                    -SIGKILL);
    PASS(kith_load(v, &t));
    CU_ASSERT(is_uniform(&t) && t.c[0] == 'a');
    PASS(kith_value_close(v));
}

/* ----------------------------------------------------------------------------- lock */

struct holder {
    kith_value v;
    kith_queue holds;
    int how;
};

/* Takes the lock, says so, and ends in some way with it. */
static int holds_and_ends(const void *arg)
{
    const struct holder *h = arg;

    if (kith_value_lock(h->v, KITH_FOREVER) < 0)
        return 1;
    if (kith_put(h->holds, h->how) < 0)
        return 2;
    if (h->how == 1)
        exit(0);
    if (h->how == 2)
        raise(SIGKILL);
    while (h->how == 3)
        pause();
    return 0;
}

static void what_a_dead_process_held_goes_to_the_next(void)
{
    const int zero = 0;

    for (int how = 0; how < 4; how++) {
        struct holder h = { FAR('i', zero), kith_queue_open(0), how };
        kith_process p = kith_process_start(holds_and_ends, KITH_ARG(h));
        int n;

        PASS(kith_get(h.holds, &n));
        if (how == 3) {
            FAILS_WITH(KITH_ETIMEDOUT, kith_value_lock(h.v, 0));
            FAILS_WITH(KITH_ETIMEDOUT, kith_value_lock(h.v, 20));
            FAILS_WITH(KITH_EOWNER, kith_value_unlock(h.v));
            PASS(kith_add(h.v, 1)); /* it keeps out nobody else */
            PASS(kith_process_kill(p));
        }
        CU_ASSERT_EQUAL(kith_value_lock(h.v, KITH_FOREVER), KITH_EOWNERDEAD);
        ends_with(p);
        PASS(kith_value_unlock(h.v));
        FAILS_WITH(KITH_EOWNER, kith_value_unlock(h.v));
        PASS(kith_value_lock(h.v, 0));
        PASS(kith_value_close(h.v));
        PASS(kith_queue_close(h.holds));
    }
}

/* What another thread of this process gets. */
static void *tries(void *arg)
{
    const kith_value *v = arg;
    static int rc[2];

    rc[0] = kith_value_lock(*v, 0);
    rc[1] = kith_value_unlock(*v);
    return rc;
}

static int codes_of_another_thread_are(kith_value v, int lock, int unlock)
{
    pthread_t thread;
    void *rc = NULL;

    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, tries, &v), 0);
    pthread_join(thread, &rc);
    return ((int *)rc)[0] == lock && ((int *)rc)[1] == unlock;
}

static void its_owner_may_take_it_again_and_nobody_else(void)
{
    const int zero = 0;
    kith_value v = FAR('i', zero);

    for (int i = 0; i < 3; i++)
        PASS(kith_value_lock(v, 0));
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(codes_of_another_thread_are(v, KITH_ETIMEDOUT, KITH_EOWNER));
        PASS(kith_value_unlock(v));
    }
    CU_ASSERT(codes_of_another_thread_are(v, 0, 0));
    FAILS_WITH(KITH_EOWNER, kith_value_unlock(v));
    PASS(kith_value_close(v));
}

/* One thread stops when it has just taken the lock, and has not said yet that it owns it. */
static _Atomic int stage;
static pthread_t slow_thread;

static void stops(const char *step)
{
    if (!pthread_equal(pthread_self(), slow_thread) || strcmp(step, "owner: about to be written") != 0)
        return;
    stage = 1;
    while (stage == 1)
        sched_yield();
}

static void *takes_it_slowly(void *v)
{
    slow_thread = pthread_self();
    kith__failpoint_hook = stops;
    PASS(kith_value_lock(*(kith_value *)v, 0));
    PASS(kith_value_unlock(*(kith_value *)v));
    stage = 3;
    return NULL;
}

static void a_former_owner_does_not_own_what_another_thread_has_just_taken(void)
{
    const int zero = 0;
    kith_value v = kith_value_open('i', &zero, sizeof zero);
    pthread_t thread;

    if (getenv("KITH_TRANSPORT"))
        SKIP("the agent takes it");
    PASS(kith_value_lock(v, 0));
    PASS(kith_value_unlock(v));
    stage = 0;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, takes_it_slowly, &v), 0);
    while (stage == 0)
        sched_yield();
    CU_ASSERT_EQUAL(stage, 1);
    FAILS_WITH(KITH_EOWNER, kith_value_unlock(v));
    FAILS_WITH(KITH_ETIMEDOUT, kith_value_lock(v, 0));
    stage = 2;
    pthread_join(thread, NULL);
    kith__failpoint_hook = NULL;
    PASS(kith_value_lock(v, 0));
    PASS(kith_value_close(v));
}

static int waits_for_it(const void *arg)
{
    const struct holder *h = arg;

    kith_put(h->holds, h->how);
    return kith_value_lock(h->v, KITH_FOREVER) == KITH_ESTALE ? 3 : 1;
}

static void waiters_of_a_closed_one_are_told(void)
{
    const int zero = 0;
    struct holder h = { FAR('i', zero), kith_queue_open(0), 0 };
    kith_process p[3];
    int n;

    PASS(kith_value_lock(h.v, KITH_FOREVER));
    for (int i = 0; i < 3; i++) {
        p[i] = kith_process_start(waits_for_it, KITH_ARG(h));
        PASS(kith_get(h.holds, &n));
    }
    PASS(kith_value_close(h.v));
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(ends_with(p[i]), 3);
    FAILS_WITH(KITH_ESTALE, kith_load(h.v, &n));
    FAILS_WITH(KITH_ESTALE, kith_store(h.v, 1));
    FAILS_WITH(KITH_ESTALE, kith_add(h.v, 1));
    FAILS_WITH(KITH_ESTALE, kith_compare_exchange(h.v, &n, 1));
    FAILS_WITH(KITH_ESTALE, kith_value_lock(h.v, 0));
    FAILS_WITH(KITH_ESTALE, kith_value_unlock(h.v));
    FAILS_WITH(KITH_ESTALE, kith_value_close(h.v));
    PASS(kith_queue_close(h.holds));
}

static void a_raw_one_has_no_lock(void)
{
    const int zero = 0;
    kith_value v = far_value_open('i', &zero, sizeof zero, 1);

    FAILS_WITH(KITH_EINVAL, kith_value_lock(v, 0));
    FAILS_WITH(KITH_EINVAL, kith_value_unlock(v));
    PASS(kith_add(v, 1));
    PASS(kith_value_close(v));
    FAILS_WITH(KITH_ESTALE, kith_value_lock(v, 0));
}

static kith_value with_rlock(kith_rlock l)
{
    return kith_value_open_with('i', NULL, sizeof(int), .lock = l);
}

static void several_have_the_lock_that_they_were_given(void)
{
    kith_rlock l = kith_rlock_open();
    kith_value v = with_rlock(l), w = with_rlock(l);
    kith_array a = kith_array_open_with('i', 2, .lock = l);

    PASS(kith_value_lock(v, KITH_FOREVER));
    CU_ASSERT_EQUAL(kith_rlock_locked(l), 1);
    CU_ASSERT(codes_of_another_thread_are(w, KITH_ETIMEDOUT, KITH_EOWNER));
    PASS(kith_value_lock(w, 0)); /* one level deeper */
    PASS(kith_array_lock(a, 0));
    PASS(kith_add(v, 1));
    PASS(kith_value_unlock(v));
    PASS(kith_array_unlock(a));
    PASS(kith_rlock_release(l));
    CU_ASSERT_EQUAL(kith_rlock_locked(l), 0);
    FAILS_WITH(KITH_EOWNER, kith_value_unlock(w));
    PASS(kith_value_close(v));
    PASS(kith_value_lock(w, 0)); /* it is open as before */
    PASS(kith_rlock_close(l));
    FAILS_WITH(KITH_ESTALE, kith_value_lock(w, 0));
    FAILS_WITH(KITH_ESTALE, kith_array_unlock(a));
    PASS(kith_value_close(w));
    PASS(kith_array_close(a));
}

static int dies_with_the_lock(const void *arg)
{
    kith_value_lock(*(const kith_value *)arg, KITH_FOREVER);
    raise(SIGKILL);
    return 1;
}

static void whoever_shares_it_hears_of_a_dead_owner(void)
{
    kith_rlock l = kith_rlock_open();
    kith_value v = with_rlock(l), w = with_rlock(l);

    CU_ASSERT_EQUAL(code_of(kith_process_start(dies_with_the_lock, KITH_ARG(v))), -SIGKILL);
    CU_ASSERT_EQUAL(kith_value_lock(w, KITH_FOREVER), KITH_EOWNERDEAD);
    PASS(kith_value_unlock(w));
    PASS(kith_value_close(v));
    PASS(kith_value_close(w));
    PASS(kith_rlock_close(l));
}

static void a_lock_that_is_none_is_refused(void)
{
    kith_rlock stale = kith_rlock_open(), l = kith_rlock_open();
    kith_lock other = kith_lock_open();
    kith_value v = kith_value_open_with('i', NULL, sizeof(int), .lock = l, .name = "shares");
    kith_array a = kith_array_open_with('i', 2, .lock = l, .name = "shares");

    PASS(kith_rlock_close(stale));
    FAILS_WITH(KITH_ESTALE, kith_check(with_rlock(stale)));
    FAILS_WITH(KITH_ETYPE, kith_check(with_rlock((kith_rlock){ other.id })));
    FAILS_WITH(KITH_ESTALE, kith_check(kith_array_open_with('i', 2, .lock = stale)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_array_open_with('i', 2, .lock = l, .raw = 1)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_value_open_with('i', NULL, sizeof(int), .lock = l, .raw = 1)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_value_open_with('i', NULL, sizeof(int), .name = "shares")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_array_open_with('i', 2, .name = "shares")));
    CU_ASSERT_EQUAL(kith_value_open_with('i', NULL, sizeof(int), .lock = l, .name = "shares").id, v.id);
    PASS(kith_value_close(v));
    PASS(kith_array_close(a));
    PASS(kith_rlock_close(l));
    PASS(kith_lock_close(other));
}

/* ------------------------------------------------------------- closed while it is used */

static kith_value old;
static _Atomic int closed;

static void *closes_it(void *arg)
{
    PASS(kith_value_close(old));
    atomic_store(&closed, 1);
    return arg;
}

static pthread_t closer;

static void its_slot_is_nobodys(void)
{
    for (int i = 0; i < 200; i++) {
        kith_value other = kith_value_of(7);

        CU_ASSERT_NOT_EQUAL((other.id ^ old.id) >> 32, 0);
        PASS(kith_value_close(other));
    }
}

/* Another thread closes it, but its slot is nobody else's while we are in it. */
static void close_meanwhile(const char *step)
{
    int x;

    if (strcmp(step, "pin: set") != 0)
        return;
    kith__failpoint_hook = NULL;
    CU_ASSERT_FATAL(pthread_create(&closer, NULL, closes_it, NULL) == 0);
    while (kith_load(old, &x) == 0)
        sched_yield();
    its_slot_is_nobodys();
    CU_ASSERT_EQUAL(atomic_load(&closed), 0);
}

static void die_awaiting(const char *step)
{
    if (strcmp(step, "pin: awaited") == 0)
        raise(SIGKILL);
}

static int closes_and_dies(const void *arg)
{
    const kith_value *v = arg;

    kith__failpoint_hook = die_awaiting;
    return kith_value_close(*v);
}

/* Likewise a Process, which is killed while it waits for us: its janitor waits, too. */
static void close_and_die_meanwhile(const char *step)
{
    if (strcmp(step, "pin: set") != 0)
        return;
    kith__failpoint_hook = NULL;
    CU_ASSERT_EQUAL(ends_with(kith_process_start_with(closes_and_dies, KITH_ARG(old), .node = KITH_HERE)),
                    -SIGKILL);
    its_slot_is_nobodys();
    CU_ASSERT(kith__object_leaves(old.id, KITH__VALUE_KIND));
}

static void one_that_is_in_use_is_not_taken_down(void)
{
    if (getenv("KITH_TRANSPORT"))
        SKIP("the agent does it in the guard");
    old = kith_value_of(5);
    atomic_store(&closed, 0);
    kith__failpoint_hook = close_meanwhile;
    PASS(kith_add(old, 1));
    CU_ASSERT_PTR_NULL(kith__failpoint_hook);
    pthread_join(closer, NULL);
    CU_ASSERT_EQUAL(atomic_load(&closed), 1);
    FAILS_WITH(KITH_ESTALE, kith_add(old, 1));
}

static void a_dead_closer_is_no_way_around_that(void)
{
    if (getenv("KITH_TRANSPORT"))
        SKIP("the agent does it in the guard");
    old = kith_value_of(5);
    kith__failpoint_hook = close_and_die_meanwhile;
    PASS(kith_add(old, 1));
    CU_ASSERT_PTR_NULL(kith__failpoint_hook);
    AWAIT(!kith__object_leaves(old.id, KITH__VALUE_KIND));
    FAILS_WITH(KITH_ESTALE, kith_add(old, 1));
}

/* Those that use it are told that it is closed; those that come after it in its slot have what they were
 * opened with. */
static int adds_until_closed(const void *arg)
{
    const struct adder *a = arg;
    int rc;

    while ((rc = kith_add(a->v, 1L)) == 0)
        ;
    return rc == KITH_ESTALE ? 0 : 1;
}

static void a_successor_is_left_alone(void)
{
    const long zero = 0;

    for (int i = 0; i < 10; i++) {
        struct adder a = { FAR('l', zero), 0, 0 };
        kith_process p = kith_process_start(adds_until_closed, KITH_ARG(a));
        long x;

        do
            PASS(kith_load(a.v, &x));
        while (x == 0);
        PASS(kith_value_close(a.v));
        for (int k = 0; k < 100; k++) {
            kith_value next = FAR('l', zero);

            PASS(kith_load(next, &x));
            CU_ASSERT_EQUAL(x, 0);
            PASS(kith_value_close(next));
            if (kith_nodes() > 1 && k > 2)
                break;
        }
        CU_ASSERT_EQUAL(ends_with(p), 0);
    }
}

/* ------------------------------------------------------------------------ names, wrong use */

static int finds_by_name(const void *arg)
{
    kith_value v = kith_value_open_with('i', arg, sizeof(int), .name = "hits");

    return kith_add(v, 1) < 0;
}

static void names_lead_to_one_value(void)
{
    const int ten = 10, other = 99;
    struct text t = text_of('n'), seen;
    kith_value v = kith_value_open_with('i', KITH_ARG(ten), .name = "hits"), text;
    int x;

    CU_ASSERT_EQUAL(ends_with(kith_process_start(finds_by_name, KITH_ARG(other))), 0);
    PASS(kith_load(v, &x));
    CU_ASSERT_EQUAL(x, 11);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_value_open_with('I', KITH_ARG(ten), .name = "hits")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_value_open_with('i', KITH_ARG(ten), .name = "hits", .raw = 1)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_value_open_with('i', KITH_ARG(ten), .name = "")));
    text = kith_value_open_with('b', KITH_ARG(t), .name = "text");
    PASS(kith_load(text, &seen));
    CU_ASSERT_EQUAL(memcmp(&t, &seen, sizeof t), 0);
    PASS(kith_value_close(text));
    PASS(kith_value_close(v));
}

static void wrong_use_is_a_sentence(void)
{
    const int zero = 0;
    kith_value none = { 0 }, v = FAR('i', zero), bad = kith_value_open('x', &zero, sizeof zero);
    kith_queue q = far_queue_open(0);
    double d;

    FAILS_WITH(KITH_ESTALE, kith_add(none, 1));
    FAILS_WITH(KITH_ESTALE, kith_load(none, &d));
    FAILS_WITH(KITH_EINVAL, kith_check(bad));
    FAILS_WITH(KITH_EINVAL, kith_add(bad, 1));
    FAILS_WITH(KITH_ESIZE, kith_check(kith_value_open('d', &zero, sizeof zero)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_value_open('b', &zero, 0)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_value_open('b', NULL, 1025)));
    FAILS_WITH(KITH_ETYPE, kith_load(v, &d));
    FAILS_WITH(KITH_ETYPE, kith_store(v, 1.0));
    FAILS_WITH(KITH_ETYPE, kith_add(v, 1L));
    FAILS_WITH(KITH_ETYPE, kith_add(v, 1U));
    FAILS_WITH(KITH_EINVAL, kith_value_load(v, 'i', NULL, sizeof(int)));
    FAILS_WITH(KITH_EINVAL, kith_value_lock(v, -2));
    FAILS_WITH(KITH_ETYPE, kith_add((kith_value){ q.id }, 1));
    FAILS_WITH(KITH_ETYPE, kith_value_lock((kith_value){ q.id }, 0));
    FAILS_WITH(KITH_ETYPE, kith_queue_size((kith_queue){ v.id }));
    FAILS_WITH(KITH_ESTALE, kith_add((kith_value){ v.id ^ UINT64_C(0xff00) << 32 }, 1)); /* no such slot */
    PASS(kith_queue_close(q));
    PASS(kith_value_close(v));
}

static struct test tests[] = {
    TEST_LIKE(a_value_of_i, "_TestValue.test_value _TestValue.test_rawvalue"),
    TEST(a_value_of_I),
    TEST(a_value_of_l),
    TEST(a_value_of_L),
    TEST(a_value_of_q),
    TEST(a_value_of_f),
    TEST_LIKE(a_value_of_d, "_TestValue.test_value _TestValue.test_rawvalue"),
    TEST(bits_are_of_integers),
    TEST(of_adds_each_counts_once_and_wraps),
    TEST(processes_add_and_none_is_lost),
    TEST(threads_add_too),
    TEST_LIKE(bytes_are_seen_whole, "_TestValue.test_value _TestValue.test_rawvalue "
                                    "_TestSharedCTypes.test_sharedctypes _TestSharedCTypes.test_synchronize"),
    TEST(bytes_are_compared_and_exchanged),
    TEST(whoever_dies_at_any_step_has_added_once_or_not),
    TEST(whoever_dies_at_any_step_leaves_old_or_new_bytes),
    TEST(bytes_do_not_count_before_the_last_is_written),
    TEST_LIKE(what_a_dead_process_held_goes_to_the_next, "_TestValue.test_getobj_getlock"),
    TEST(its_owner_may_take_it_again_and_nobody_else),
    TEST(a_former_owner_does_not_own_what_another_thread_has_just_taken),
    TEST(waiters_of_a_closed_one_are_told),
    TEST_LIKE(a_raw_one_has_no_lock, "_TestValue.test_value _TestValue.test_rawvalue"),
    TEST_LIKE(several_have_the_lock_that_they_were_given, "_TestValue.test_getobj_getlock"),
    TEST(whoever_shares_it_hears_of_a_dead_owner),
    TEST(a_lock_that_is_none_is_refused),
    TEST(one_that_is_in_use_is_not_taken_down),
    TEST(a_dead_closer_is_no_way_around_that),
    TEST(a_successor_is_left_alone),
    TEST(names_lead_to_one_value),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("value", tests);
    return kith_finalize() ? 1 : rc;
}
