/* lost: what lost.sh and slurm_lost.sh run on several nodes, of which the last one is lost. It prints "ready"
 * when that may happen, and "done ..." when all came out right without it; then it ends with 7. lost map MS |
 * loss MS (a map, and until the pool has noticed) | queue MS | locks MS | barrier MS | together MS (these
 * three) | stay
 */
#include "config.h"
#include "must.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STATUS = 7, NODES_MOST = 16 };

static void say(const char *text)
{
    printf("%s\n", text);
    fflush(stdout);
}

static _Atomic int parts = 1; /* that go on together, and are not ready yet */

static void is_ready(void)
{
    if (atomic_fetch_sub(&parts, 1) == 1)
        say("ready");
}

/* All but the last node's end well; that one's does so, or is lost. */
static void await_all(kith_process *p, int count)
{
    for (int i = 0; i < count; i++) {
        int code = -1, rc = kith_process_join(p[i], 60000);

        if (i == count - 1 && rc == KITH_EPEER)
            continue;
        MUST(rc == 0 && kith_process_exitcode(p[i], &code) == 0 && code == 0);
    }
}

static void start_on_each(kith_process *p, int (*f)(const void *), const void *arg, size_t size)
{
    for (int k = 0; k < kith_nodes(); k++)
        MUST(kith_check(p[k] = kith_process_start_with(f, arg, size, .node = KITH_NODE(k))) == 0);
}

/* -------------------------------------------------------------------------- map */

static double slow_root(double x)
{
    nap(1000);
    return sqrt(x);
}

/* Until the pool has noticed a loss: the map may have come to its end before, as what a silent node has is
 * done again elsewhere. */
static void await_loss(kith_pool pool, int workers)
{
    double begin = kith_time();

    while (kith_pool_workers(pool) == workers) {
        MUST(kith_time() - begin < 60);
        nap(20000);
    }
}

/* Each task is done, and counts once; later maps use who is left. */
static void map(int ms, int is_lost)
{
    kith_pool pool = kith_pool_open_with(0, .nodes = -1);
    int workers = kith_pool_workers(pool), n = ms * workers;
    double *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y), begin;

    MUST(kith_check(pool) == 0 && workers >= kith_nodes() && x && y);
    for (int i = 0; i < n; i++)
        x[i] = i;
    MUST(kith_map(pool, slow_root, x, y, 100) == 0);
    is_ready();
    begin = kith_time();
    MUST(kith_map(pool, slow_root, x, y, n) == 0);
    printf("a map of %d ms has taken %.0f ms\n", ms, 1e3 * (kith_time() - begin));
    for (int i = 0; i < n; i++)
        MUST(y[i] == sqrt(x[i]));
    if (is_lost)
        await_loss(pool, workers);
    MUST(kith_map(pool, slow_root, x, y, 100) == 0);
    printf("done with %d of %d workers\n", kith_pool_workers(pool), workers);
    MUST(kith_pool_close(pool) == 0);
    free(x);
    free(y);
}

/* ------------------------------------------------------------------------ queue */

struct goods {
    kith_queue q;
    kith_array count; /* of each item, how often it was done */
};

static int does(const void *arg)
{
    const struct goods *g = arg;
    int item, one = 1;

    for (;;) {
        MUST(kith_queue_get(g->q, &item, sizeof item, KITH_FOREVER) == sizeof item);
        if (item >= 0) {
            nap(500);
            MUST(kith_add_at(g->count, (size_t)item, one) >= 0);
        }
        MUST(kith_queue_task_done(g->q) == 0);
        if (item < 0)
            return 0;
    }
}

/* What the lost node had taken and not done is given out again: nothing is missing. */
static void queue(int ms)
{
    int n = 2 * ms, end = -1, nodes = kith_nodes(), twice = 0, times;
    struct goods g = { kith_queue_open_with(0, .joinable = 1), kith_array_open('i', (size_t)n) };
    kith_process p[NODES_MOST];

    MUST(kith_check(g.q) == 0 && kith_check(g.count) == 0);
    start_on_each(p, does, KITH_ARG(g));
    for (int i = 0; i < n; i++) {
        MUST(kith_put(g.q, i) == 0);
        if (i == 200)
            is_ready();
    }
    MUST(kith_queue_join(g.q, 60000) == 0);
    for (int i = 0; i < n; i++) {
        MUST(kith_load_at(g.count, (size_t)i, &times) == 0 && times >= 1);
        twice += times > 1;
    }
    for (int k = 0; k < nodes; k++)
        MUST(kith_put(g.q, end) == 0);
    await_all(p, nodes);
    printf("done, %d items of %d a second time\n", twice, n);
}

/* ------------------------------------------------------------------------ locks */

struct room {
    kith_lock lock;
    kith_value inside, turns, over;
    kith_rlock table;
    kith_ns names; /* on the table: x and y, which are the same unless somebody has died in between */
};

/* At the table, twice, as an RLock lets its owner; in the Namespace in two steps. */
static void counts_at_the_table(const struct room *r)
{
    int rc = kith_rlock_acquire(r->table, KITH_FOREVER), again = kith_rlock_acquire(r->table, 0), x = 0,
        y = 0;

    MUST((rc == 0 || rc == KITH_EOWNERDEAD) && again == 0);
    MUST(kith_fetch(r->names, "x", &x) == 0 && kith_fetch(r->names, "y", &y) == 0);
    MUST(x == y || (x == y + 1 && rc == KITH_EOWNERDEAD));
    if (x != y)
        MUST(kith_inc(r->names, "y", 1) == 0);
    MUST(kith_inc(r->names, "x", 1) == 0);
    nap(2000);
    MUST(kith_inc(r->names, "y", 1) == 0);
    MUST(kith_rlock_release(r->table) == 0 && kith_rlock_release(r->table) == 0);
}

/* Alone in there, also after somebody has died in there; and at the table, which others may have meanwhile.
 */
static int goes_in(const void *arg)
{
    const struct room *r = arg;
    int over = 0, inside, none = 0, minus = -1, one = 1, rc;

    while (!over) {
        rc = kith_lock_acquire(r->lock, KITH_FOREVER);
        MUST(rc == 0 || rc == KITH_EOWNERDEAD);
        if (rc == KITH_EOWNERDEAD)
            MUST(kith_store(r->inside, none) == 0);
        MUST(kith_load(r->inside, &inside) == 0 && inside == 0);
        MUST(kith_add(r->inside, one) >= 0);
        nap(5000);
        MUST(kith_add(r->turns, one) >= 0 && kith_add(r->inside, minus) >= 0);
        MUST(kith_load(r->over, &over) == 0);
        MUST(kith_lock_release(r->lock) == 0);
        counts_at_the_table(r);
    }
    return 0;
}

static void locks(int ms)
{
    int none = 0, one = 1, before, turns, x = -1, y = -2;
    struct room r = { kith_lock_open(),    kith_value_of(none), kith_value_of(none),
                      kith_value_of(none), kith_rlock_open(),   kith_ns_open() };
    kith_process p[NODES_MOST];

    MUST(kith_set(r.names, "x", 0) == 0 && kith_set(r.names, "y", 0) == 0);
    start_on_each(p, goes_in, KITH_ARG(r));
    do {
        nap(10000);
        MUST(kith_load(r.turns, &before) == 0);
    } while (before < 2 * kith_nodes());
    is_ready();
    nap(ms * 1000L);
    do { /* they go on after that, too */
        nap(10000);
        MUST(kith_load(r.turns, &turns) == 0);
    } while (turns < before + 20);
    MUST(kith_store(r.over, one) == 0);
    await_all(p, kith_nodes());
    counts_at_the_table(&r); /* which puts right what the last one may have left */
    MUST(kith_fetch(r.names, "x", &x) == 0 && kith_fetch(r.names, "y", &y) == 0 && x == y && x > 0);
    printf("done, %d turns, %d at the table\n", turns, x);
}

/* ---------------------------------------------------------------------- barrier */

static int meets(const void *arg)
{
    const kith_barrier *b = arg;
    int rc;

    while ((rc = kith_barrier_wait(*b, KITH_FOREVER)) >= 0)
        nap(2000);
    MUST(rc == KITH_EBROKEN);
    return 0;
}

/* Nobody waits for the lost one. When it is not lost in time, main breaks the barrier itself. */
static void barrier(int ms)
{
    kith_barrier b = kith_barrier_open(kith_nodes());
    double begin;
    kith_process p[NODES_MOST];

    start_on_each(p, meets, KITH_ARG(b));
    nap(200000);
    is_ready();
    begin = kith_time();
    while (kith_barrier_broken(b) == 0 && kith_time() - begin < ms * 1e-3)
        nap(20000);
    printf(kith_barrier_broken(b) ? "broken by the loss\n" : "broken by main\n");
    MUST(kith_barrier_abort(b) == 0);
    await_all(p, kith_nodes());
    say("done");
}

/* --------------------------------------------------------------------- together */

static void *run_queue(void *ms)
{
    queue(*(int *)ms);
    return NULL;
}

static void *run_locks(void *ms)
{
    locks(*(int *)ms);
    return NULL;
}

static void together(int ms)
{
    pthread_t a, b;

    parts = 3;
    MUST(pthread_create(&a, NULL, run_queue, &ms) == 0 && pthread_create(&b, NULL, run_locks, &ms) == 0);
    barrier(10 * ms); /* the loss is to break it */
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    say("done together");
}

/* -------------------------------------------------------------------------- stay */

static int stays(const void *arg)
{
    (void)arg;
    pause();
    return 0;
}

/* Until somebody ends us, with a Process on each node. */
static void stay(void)
{
    kith_process p[NODES_MOST];

    start_on_each(p, stays, NULL, 0);
    is_ready();
    pause();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int ms = argc > 2 ? atoi(argv[2]) : 1000;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    MUST(kith_nodes() <= NODES_MOST);
    if (strcmp(what, "map") == 0)
        map(ms, 0);
    else if (strcmp(what, "loss") == 0)
        map(ms, 1);
    else if (strcmp(what, "queue") == 0)
        queue(ms);
    else if (strcmp(what, "locks") == 0)
        locks(ms);
    else if (strcmp(what, "barrier") == 0)
        barrier(ms);
    else if (strcmp(what, "together") == 0)
        together(ms);
    else
        stay();
    return kith_finalize() ? 1 : argc > 3 ? atoi(argv[3]) : STATUS;
}
