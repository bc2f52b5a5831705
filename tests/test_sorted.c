/* test_sorted.c: Queues that are last in, first out, or by priority, or joinable, over each way that one can
 * be reached (see test_queue.c). */
#include "config.h"
#include "steps.h"
#include "used.h"
#include "object/queue.h"
#include "shm/heap.h"

#include <pthread.h>

static void end(kith_process p)
{
    int code; /* asked for: else that it was killed is in the status of the job */

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
}

/* What comes back, does so some moments after a death. */
static int take(kith_queue q, int *x)
{
    return kith_queue_get(q, x, sizeof *x, 10000 * slowdown()) == sizeof *x ? 0 : -1;
}

static void last_in_first_out(void)
{
    kith_queue q = far_sorted_open(0, KITH_LIFO, 0);
    static char large[20000], back[20000];
    int x;

    for (x = 0; x < 500; x++)
        PASS(kith_put(q, x));
    memset(large, 7, sizeof large);
    PASS(kith_queue_put(q, large, sizeof large, 0));
    PASS(kith_queue_put(q, NULL, 0, 0));
    CU_ASSERT_EQUAL(kith_queue_size(q), 502);
    CU_ASSERT_EQUAL(kith_queue_next(q, 0), 0);
    CU_ASSERT_EQUAL(kith_queue_get(q, NULL, 0, 0), 0);
    FAILS_WITH(KITH_ETOOBIG, kith_queue_get(q, back, 100, 0));
    FAILS_WITH(KITH_ESIZE, kith_get(q, &x));
    CU_ASSERT_EQUAL(kith_queue_get(q, back, sizeof back, 0), sizeof large);
    CU_ASSERT(memcmp(large, back, sizeof large) == 0);
    for (int i = 499; i >= 0; i--) {
        PASS(kith_get(q, &x));
        CU_ASSERT_EQUAL(x, i);
    }
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_get(q, &x, sizeof x, 20));
    FAILS_WITH(KITH_EINVAL, kith_queue_task_done(q));
    FAILS_WITH(KITH_EINVAL, kith_queue_join(q, 0));
    PASS(kith_queue_close(q));
    FAILS_WITH(KITH_ESTALE, kith_put(q, x));
    FAILS_WITH(KITH_ESTALE, kith_queue_close(q));
}

static void by_priority_and_then_first_in_first_out(void)
{
    kith_queue q = far_sorted_open(0, KITH_PRIORITY, 0);
    int items[3] = { 1, 2, 3 }, x, last = -1;

    for (int i = 0; i < 640; i++) {
        x = i * 37 % 64 * 1000 + i;
        PASS(kith_queue_put_priority(q, &x, sizeof x, x / 1000, KITH_FOREVER));
    }
    for (int i = 0; i < 640; i++) {
        PASS(kith_get(q, &x));
        CU_ASSERT(x > last);
        last = x;
    }
    FAILS_WITH(KITH_EINVAL, kith_queue_put_priority(q, &x, sizeof x, 64, 0));
    FAILS_WITH(KITH_EINVAL, kith_queue_put_priority(q, &x, sizeof x, -1, 0));
    CU_ASSERT_EQUAL(kith_queue_put_many(q, items, sizeof items[0], 3, 0), 3);
    memset(items, 0, sizeof items);
    CU_ASSERT_EQUAL(kith_queue_get_many(q, items, sizeof items[0], 3, 0), 3);
    CU_ASSERT(items[0] == 1 && items[1] == 2 && items[2] == 3);
    PASS(kith_queue_close(q));
}

static void a_bound_and_a_shutdown_hold(void)
{
    kith_queue q = far_sorted_open(2, KITH_LIFO, 0);
    int x = 1;

    PASS(kith_put(q, x));
    PASS(kith_put(q, x));
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_put(q, &x, sizeof x, 20));
    PASS(kith_get(q, &x));
    PASS(kith_queue_put(q, &x, sizeof x, 0));
    PASS(kith_queue_shutdown(q));
    FAILS_WITH(KITH_EEND, kith_put(q, x));
    PASS(kith_get(q, &x));
    PASS(kith_get(q, &x));
    FAILS_WITH(KITH_EEND, kith_get(q, &x));
    FAILS_WITH(KITH_EEND, kith_queue_next(q, KITH_FOREVER));
    PASS(kith_queue_close(q));
}

static int joins(const void *arg)
{
    const kith_queue *q = arg;

    return kith_queue_join(*q, KITH_FOREVER) < 0;
}

/* What is out is to be done, by whoever has it; what was not taken is done. */
static void a_shutdown_now_lets_joiners_go(void)
{
    kith_queue q = far_sorted_open(0, KITH_FIFO, 1);
    kith_process p;
    int x = 1;

    for (int i = 0; i < 600; i++)
        PASS(kith_put(q, x));
    p = kith_process_start(joins, KITH_ARG(q));
    PASS(kith_get(q, &x));
    PASS(kith_get(q, &x));
    PASS(kith_queue_task_done(q));
    PASS(kith_queue_shutdown_now(q));
    CU_ASSERT_EQUAL(kith_queue_size(q), 0);
    FAILS_WITH(KITH_EEND, kith_get(q, &x));
    FAILS_WITH(KITH_EEND, kith_queue_next(q, KITH_FOREVER));
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_join(q, 20));
    PASS(kith_queue_task_done(q));
    CU_ASSERT_EQUAL(code_of(p), 0);
    PASS(kith_queue_join(q, 0));
    PASS(kith_queue_close(q));
}

static void other_orders_are_emptied_too(void)
{
    for (int order = KITH_LIFO; order <= KITH_PRIORITY; order++) {
        kith_queue q = far_sorted_open(0, order, 0);
        int x = 1;

        for (int i = 0; i < 10; i++)
            PASS(kith_queue_put_priority(q, &x, sizeof x, i, KITH_FOREVER));
        PASS(kith_queue_shutdown_now(q));
        CU_ASSERT_EQUAL(kith_queue_size(q), 0);
        FAILS_WITH(KITH_EEND, kith_get(q, &x));
        PASS(kith_queue_close(q));
    }
}

struct holder {
    kith_queue q, taken;
};

static int takes_and_sleeps(const void *arg)
{
    const struct holder *h = arg;
    int x;

    kith_get(h->q, &x);
    kith_put(h->taken, x);
    for (;;)
        pause();
    return 0;
}

/* Nobody would take it again. */
static void what_a_dead_one_had_is_thrown_away_after_a_shutdown_now(void)
{
    struct holder h = { far_sorted_open(0, KITH_FIFO, 1), kith_queue_open(0) };
    kith_process p;
    int x = 1;

    PASS(kith_put(h.q, x));
    p = kith_process_start(takes_and_sleeps, KITH_ARG(h));
    PASS(kith_get(h.taken, &x));
    PASS(kith_queue_shutdown_now(h.q));
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_join(h.q, 10));
    PASS(kith_process_kill(p));
    PASS(kith_queue_join(h.q, KITH_FOREVER));
    FAILS_WITH(KITH_EEND, kith_get(h.q, &x));
    CU_ASSERT_EQUAL(code_of(p), -SIGKILL);
    PASS(kith_queue_close(h.q));
    PASS(kith_queue_close(h.taken));
}

struct shutter {
    kith_queue q;
    int step;
};

static void shuts_down_now(const void *arg)
{
    const struct shutter *s = arg;

    kith_queue_shutdown_now(s->q);
}

static int dies_over_it(const void *arg)
{
    die_on_the_way(((const struct shutter *)arg)->step, shuts_down_now, arg);
    return 0;
}

static void put_all_sizes(kith_queue q, int n)
{
    static char large[10000];

    for (int i = 0; i < n; i++)
        PASS(kith_queue_put(q, large, i % 2 ? sizeof large : (size_t)i, KITH_FOREVER));
}

/* 1: they are there, in their order; 0: none is. */
static int are_there(kith_queue q, int n)
{
    static char buf[10000];
    int64_t size = kith_queue_size(q), rc;

    CU_ASSERT(size == 0 || size == n);
    for (int i = 0; i < size; i++)
        CU_ASSERT_EQUAL(kith_queue_get(q, buf, sizeof buf, 0), i % 2 ? (int64_t)sizeof buf : i);
    rc = kith_queue_get(q, buf, sizeof buf, 0);
    CU_ASSERT_EQUAL(rc, size > 0 ? KITH_ETIMEDOUT : KITH_EEND);
    return size > 0;
}

/* Of the plain one, and of one with priorities. */
static void whoever_dies_over_a_shutdown_now_has_thrown_away_all_or_nothing(void)
{
    for (int order = KITH_FIFO; order <= KITH_PRIORITY; order += KITH_PRIORITY) {
        struct shutter s;
        int code, kept = 0;

        AT_EACH_STEP(s.step, code) {
            s.q = far_sorted_open(0, order, 0);
            put_all_sizes(s.q, 5);
            code = end_at_step(kith_process_start_with(dies_over_it, KITH_ARG(s), .node = KITH_HERE));
            SETTLE(kith_queue_size(s.q));
            kept += are_there(s.q, 5);
            PASS(kith_queue_close(s.q));
        }
        CU_ASSERT(got_through(s.step, code));
        CU_ASSERT(kept > 0);
    }
}

/* Also what is more than one step of it frees. */
static void a_shutdown_now_frees_what_it_throws_away(void)
{
    enum { MANY = 3 * KITH__QUEUE_FREE_MOST, SIZE = 9000 };
    static char item[SIZE];

    for (int order = KITH_FIFO; order <= KITH_PRIORITY; order++) {
        kith_queue q = kith_queue_open_with(0, .order = order);
        uint64_t before = used_bytes();

        for (int i = 0; i < MANY; i++)
            PASS(kith_queue_put(q, item, sizeof item, KITH_FOREVER));
        CU_ASSERT_EQUAL(kith_queue_size(q), MANY); /* through an agent, when all puts are done */
        CU_ASSERT(used_bytes() >= before + (uint64_t)MANY * SIZE);
        PASS(kith_queue_shutdown_now(q));
        AWAIT(used_bytes() < before + (uint64_t)MANY * SIZE / 10);
        PASS(kith_queue_close(q));
    }
}

struct work {
    kith_queue jobs, results;
    int dies;
};

/* Works until there is nothing more; or dies with an item in its hand. */
static int works(const void *arg)
{
    const struct work *w = arg;
    int x, rc;

    while ((rc = kith_get(w->jobs, &x)) == 0) {
        if (w->dies)
            raise(SIGKILL);
        if (kith_put(w->results, x) < 0 || kith_queue_task_done(w->jobs) < 0)
            return 1;
    }
    return rc != KITH_EEND;
}

static void join_waits_until_all_is_done(void)
{
    enum { WORKERS = 3, JOBS = 300 };
    struct work w = { far_sorted_open(0, KITH_FIFO, 1), kith_queue_open(0), 0 };
    kith_process p[WORKERS];
    int x, sum = 0;

    PASS(kith_queue_join(w.jobs, 0));
    for (x = 0; x < JOBS; x++)
        PASS(kith_put(w.jobs, x));
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_join(w.jobs, 10));
    FAILS_WITH(KITH_EINVAL, kith_queue_task_done(w.jobs));
    for (int i = 0; i < WORKERS; i++)
        p[i] = kith_process_start(works, KITH_ARG(w));
    PASS(kith_queue_join(w.jobs, KITH_FOREVER));
    CU_ASSERT_EQUAL(kith_queue_size(w.results), JOBS);
    for (int i = 0; i < JOBS; i++) {
        PASS(kith_get(w.results, &x));
        sum += x;
    }
    CU_ASSERT_EQUAL(sum, JOBS * (JOBS - 1) / 2);
    PASS(kith_queue_shutdown(w.jobs));
    for (int i = 0; i < WORKERS; i++)
        end(p[i]);
    PASS(kith_queue_close(w.jobs));
    PASS(kith_queue_close(w.results));
}

static void the_item_of_a_dead_one_is_given_again(void)
{
    struct work w = { far_sorted_open(0, KITH_FIFO, 1), kith_queue_open(0), 1 };
    kith_process p;
    int x;

    for (x = 0; x < 4; x++)
        PASS(kith_put(w.jobs, x));
    for (int i = 0; i < 3; i++) {
        p = kith_process_start(works, KITH_ARG(w));
        end(p);
    }
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_join(w.jobs, 10));
    for (int i = 0; i < 4; i++) {
        PASS(take(w.jobs, &x));
        PASS(kith_queue_task_done(w.jobs));
        x = 1 << x;
        PASS(kith_put(w.results, x));
    }
    PASS(kith_queue_join(w.jobs, 10000 * slowdown()));
    CU_ASSERT_EQUAL(kith_queue_size(w.jobs), 0);
    for (int i = 0, all = 0; i < 4; i++) {
        PASS(kith_get(w.results, &x));
        all |= x;
        if (i == 3)
            CU_ASSERT_EQUAL(all, 15);
    }
    PASS(kith_queue_close(w.jobs));
    PASS(kith_queue_close(w.results));
}

/* Takes several, and dies with them: they come back in their order, before the others. */
static int takes_and_dies(const void *arg)
{
    const struct work *w = arg;
    int x;

    for (int i = 0; i < 3; i++)
        if (kith_get(w->jobs, &x) < 0)
            return 1;
    kith_put(w->results, x);
    for (;;)
        pause();
}

static void those_of_a_dead_one_keep_their_order(void)
{
    struct work w = { far_sorted_open(0, KITH_PRIORITY, 1), kith_queue_open(0), 0 };
    kith_process p;
    int x;

    for (x = 0; x < 6; x++)
        PASS(kith_queue_put_priority(w.jobs, &x, sizeof x, x / 2, 0));
    p = kith_process_start(takes_and_dies, KITH_ARG(w));
    PASS(kith_get(w.results, &x));
    CU_ASSERT_EQUAL(x, 2);
    CU_ASSERT_EQUAL(kith_queue_size(w.jobs), 3);
    PASS(kith_process_kill(p));
    end(p);
    AWAIT(kith_queue_size(w.jobs) == 6);
    for (int i = 0; i < 6; i++) {
        PASS(take(w.jobs, &x));
        CU_ASSERT_EQUAL(x, i);
    }
    for (int i = 0; i < 6; i++)
        PASS(kith_queue_task_done(w.jobs));
    FAILS_WITH(KITH_EINVAL, kith_queue_task_done(w.jobs));
    PASS(kith_queue_join(w.jobs, 0));
    PASS(kith_queue_close(w.jobs));
    PASS(kith_queue_close(w.results));
}

static struct work threads_work;

static void *does_one(void *arg)
{
    int x;

    if (kith_get(threads_work.jobs, &x) < 0 || x != 1 || kith_queue_task_done(threads_work.jobs) < 0)
        _exit(2);
    return arg;
}

/* Takes an item, and dies with it; meanwhile another thread takes one and is done with that. */
static int two_threads_and_one_dies(const void *arg)
{
    pthread_t t;
    int x;

    threads_work = *(const struct work *)arg;
    if (kith_get(threads_work.jobs, &x) < 0 || pthread_create(&t, NULL, does_one, NULL) != 0)
        return 1;
    pthread_join(t, NULL);
    raise(SIGKILL);
    return 1;
}

static void a_thread_is_done_with_its_own_item(void)
{
    struct work w = { far_sorted_open(0, KITH_FIFO, 1), { 0 }, 0 };
    kith_process p;
    int x, code;

    for (x = 0; x < 2; x++)
        PASS(kith_put(w.jobs, x));
    p = kith_process_start(two_threads_and_one_dies, KITH_ARG(w));
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, -SIGKILL);
    PASS(kith_process_close(p));
    PASS(take(w.jobs, &x));
    CU_ASSERT_EQUAL(x, 0);
    PASS(kith_queue_task_done(w.jobs));
    PASS(kith_queue_join(w.jobs, 10000 * slowdown()));
    PASS(kith_queue_close(w.jobs));
}

static void storm_of_workers_that_die(void)
{
    enum { JOBS = 200 };
    struct work w = { far_sorted_open(0, KITH_LIFO, 1), kith_queue_open(0), 0 };
    kith_process p[3];
    static int seen[JOBS];
    int x, left = JOBS;

    memset(seen, 0, sizeof seen);
    for (x = 0; x < JOBS; x++)
        PASS(kith_put(w.jobs, x));
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 3; i++)
            p[i] = kith_process_start(works, KITH_ARG(w));
        usleep(3000);
        for (int i = 0; i < 3; i++)
            PASS(kith_process_kill(p[i]));
        for (int i = 0; i < 3; i++)
            end(p[i]);
    }
    PASS(kith_queue_shutdown(w.jobs));
    /* The last ones end when nothing is left, or comes back. */
    while (kith_queue_join(w.jobs, 0) == KITH_ETIMEDOUT) {
        p[0] = kith_process_start(works, KITH_ARG(w));
        end(p[0]);
    }
    while (kith_queue_get(w.results, &x, sizeof x, 0) == sizeof x) {
        CU_ASSERT_FATAL(x >= 0 && x < JOBS);
        left -= !seen[x]++; /* whoever died after the put and before it was done: twice */
    }
    CU_ASSERT_EQUAL(left, 0);
    PASS(kith_queue_close(w.jobs));
    PASS(kith_queue_close(w.results));
}

/* What a doomed one has begun and has done. */
struct books {
    _Atomic int takes, taken, puts, put, settles, settled;
};

struct doomed {
    int step, joinable;
    kith_queue q;
    struct books *books;
};

/* From another node an item of the step before may come back late. */
static void name_item(char *item, int number, int step)
{
    item[0] = (char)number;
    memcpy(item + 1, &step, sizeof step);
}

static int is_of_step(const char *item, int step)
{
    return memcmp(item + 1, &step, sizeof step) == 0;
}

static void takes_and_puts(const void *arg)
{
    const struct doomed *d = arg;
    static char item[9000];

    for (int i = 0; i < 2; i++) {
        int counts;

        atomic_fetch_add(&d->books->takes, 1);
        kith_queue_get(d->q, item, sizeof item, KITH_FOREVER);
        counts = is_of_step(item, d->step);
        atomic_fetch_add(&d->books->taken, counts);
        if (i == 0) {
            name_item(item, 100, d->step);
            atomic_fetch_add(&d->books->puts, 1);
            kith_queue_put(d->q, item, sizeof item, KITH_FOREVER);
            atomic_fetch_add(&d->books->put, 1);
        }
        if (d->joinable) {
            atomic_fetch_add(&d->books->settles, 1);
            kith_queue_task_done(d->q);
            atomic_fetch_add(&d->books->settled, counts);
        }
    }
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(*(const int *)arg, takes_and_puts, arg);
    return 0;
}

/* How many items are left; none of them came twice. */
static int drain(const struct doomed *d)
{
    static char item[9000];
    int seen[128] = { 0 }, n = 0;

    if (d->joinable) { /* what the dead one had comes back some moments later */
        AWAIT((kith_queue_get(d->q, item, sizeof item, 0) == sizeof item
                   ? (seen[(int)item[0]] += is_of_step(item, d->step), kith_queue_task_done(d->q))
                   : 0,
               kith_queue_join(d->q, 0) == 0));
    } else
        while (kith_queue_get(d->q, item, sizeof item, 0) == sizeof item)
            seen[(int)item[0]] += is_of_step(item, d->step);
    for (int i = 0; i < 128; n += seen[i++])
        CU_ASSERT(seen[i] <= 1);
    return n;
}

static void conserves_items(int order, int joinable)
{
    enum { ITEMS = 4 };
    struct doomed d = { 0, joinable, far_sorted_open(0, order, joinable), kith_alloc(sizeof *d.books) };
    static char item[9000];
    int code, left;

    AT_EACH_STEP(d.step, code) {
        memset(d.books, 0, sizeof *d.books);
        for (int i = 0; i < ITEMS; i++) {
            name_item(item, i, d.step);
            PASS(kith_put(d.q, item));
        }
        code = end_at_step(kith_process_start_with(dies_on_the_way, KITH_ARG(d), .node = KITH_HERE));
        SETTLE(kith_queue_size(d.q));
        left = drain(&d);
        if (joinable)
            CU_ASSERT(left >= ITEMS + d.books->put - d.books->settles &&
                      left <= ITEMS + d.books->puts - d.books->settled);
        if (!joinable)
            CU_ASSERT(left >= ITEMS + d.books->put - d.books->takes &&
                      left <= ITEMS + d.books->puts - d.books->taken);
    }
    CU_ASSERT(got_through(d.step, code));
    PASS(kith_queue_close(d.q));
    PASS(kith_free(d.books));
}

static void whoever_dies_at_any_step_loses_no_item(void)
{
    conserves_items(KITH_FIFO, 0); /* one without any order of its own */
    conserves_items(KITH_FIFO, 1);
    conserves_items(KITH_LIFO, 0);
    conserves_items(KITH_PRIORITY, 1);
    CU_ASSERT_EQUAL(kith__heap_audit(), 0);
}

static void producers_may_end(void)
{
    kith_queue q = far_sorted_open(0, KITH_LIFO, 0);
    struct work w = { kith_queue_open(0), q, 0 };
    kith_process p = kith_process_start_with(works, KITH_ARG(w), .node = far_node());
    int x = 5;

    PASS(kith_queue_producers(q, 2));
    PASS(kith_queue_producer(q, p));
    PASS(kith_put(q, x));
    PASS(kith_queue_done(q));
    PASS(kith_get(q, &x));
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_get(q, &x, sizeof x, 20));
    PASS(kith_process_kill(p));
    FAILS_WITH(KITH_EEND, kith_get(q, &x));
    end(p);
    PASS(kith_queue_close(q));
    PASS(kith_queue_close(w.jobs));
}

static void one_can_be_waited_for_among_others(void)
{
    kith_queue q = far_sorted_open(0, KITH_PRIORITY, 1), plain = far_queue_open(0);
    struct kith_waitable list[] = { kith_on(plain), kith_on(q) };
    int x = 1;

    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(list, 2, 0));
    PASS(kith_put(q, x));
    CU_ASSERT_EQUAL(kith_wait(list, 2, KITH_FOREVER), 1);
    CU_ASSERT(list[0].ready == 0 && list[1].ready == 1);
    PASS(kith_queue_close(q));
    CU_ASSERT_EQUAL(kith_wait(list, 2, KITH_FOREVER), 1);
    CU_ASSERT_EQUAL(list[1].ready, KITH_ESTALE);
    PASS(kith_queue_close(plain));
}

static void names_and_options_are_compared(void)
{
    kith_queue a = kith_queue_open_with(5, .order = KITH_LIFO, .name = "stack"),
               b = kith_queue_open_with(5, .order = KITH_LIFO, .name = "stack"),
               plain = kith_queue_open_with(5, .name = "plain"), c;

    PASS(kith_check(a));
    CU_ASSERT_EQUAL(a.id, b.id);
    CU_ASSERT_EQUAL(plain.id, kith_queue_named("plain", 5).id);
    c = kith_queue_open_with(5, .order = KITH_PRIORITY, .name = "stack");
    FAILS_WITH(KITH_EINVAL, kith_check(c));
    FAILS_WITH(KITH_EINVAL, kith_put(c, a));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_queue_named("stack", 5)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_queue_open_with(5, .joinable = 1, .name = "plain")));
    c = kith_queue_open_with(0, .order = 9);
    FAILS_WITH(KITH_EINVAL, kith_check(c));
    FAILS_WITH(KITH_EINVAL, kith_queue_task_done(plain));
    FAILS_WITH(KITH_EINVAL, kith_queue_join(plain, 0));
    FAILS_WITH(KITH_ESTALE, kith_queue_join((kith_queue){ 0 }, 0));
    PASS(kith_queue_close(a));
    PASS(kith_queue_close(plain));
}

static struct test tests[] = {
    TEST(last_in_first_out),
    TEST(by_priority_and_then_first_in_first_out),
    TEST_LIKE(a_bound_and_a_shutdown_hold, "_TestQueue.test_put _TestQueue.test_timeout"),
    TEST(a_shutdown_now_lets_joiners_go),
    TEST(other_orders_are_emptied_too),
    TEST(what_a_dead_one_had_is_thrown_away_after_a_shutdown_now),
    TEST(a_shutdown_now_frees_what_it_throws_away),
    TEST(whoever_dies_over_a_shutdown_now_has_thrown_away_all_or_nothing),
    TEST_LIKE(join_waits_until_all_is_done, "_TestQueue.test_task_done"),
    TEST_LIKE(the_item_of_a_dead_one_is_given_again, "_TestQueue.test_task_done"),
    TEST(those_of_a_dead_one_keep_their_order),
    TEST(a_thread_is_done_with_its_own_item),
    TEST(storm_of_workers_that_die),
    TEST(whoever_dies_at_any_step_loses_no_item),
    TEST(producers_may_end),
    TEST(one_can_be_waited_for_among_others),
    TEST(names_and_options_are_compared),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("sorted", tests);
    return kith_finalize() ? 1 : rc;
}
