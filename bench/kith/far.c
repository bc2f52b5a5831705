/* far: tasks on the other one of two nodes, with a worker on each. Started by mpirun with KITH_WORKERS=1.
 *     far tasks             cheap tasks, 8 bytes in and 8 out, in millions a second
 *     far apply             one trivial task at a time, in microseconds (median)
 *     far call              the same, to a pool that lives on the other node
 *     far bulk N [MALLOC]   N elements of 16 MiB in and out, in GB/s of input; 1: in memory of malloc
 *     far singles N         N trivial single tasks begun at once, then all results, in thousands a second
 *     far metg              the task length, in microseconds, at which both workers work half of their time
 *     far own NODES         what the worker of the first node does of a map, in thousand tasks a second, when
 * the pool has so many nodes; tasks of the other one sleep, and only what serves it works For tasks, apply,
 * bulk and singles the worker of the first node is held by a task that waits. */
#include "config.h"

#include <string.h>

#include "../bench.h"
#include "kith.h"
#include "../metg.h"

enum { TASKS = 4000000, LOOKED_AT = 1000, WARM = 200, TIMED = 2000, METG_TASKS = 20000 };
enum { OWN_US = 20, OWN_TASKS = 40000 };

static double cheap(double x)
{
    return x * 0.5 + 1.0;
}

static int successor(int i)
{
    return i + 1;
}

static void check_workers(kith_pool pool)
{
    if (kith_pool_workers(pool) != 2)
        die("not a worker on each of two nodes: KITH_WORKERS=1?");
}

static int where(const void *in, void *out)
{
    int node = kith_node();

    (void)in;
    memcpy(out, &node, sizeof node);
    return 0;
}

/* ------------------------------------------------------------------ only on the other node */

struct hold {
    kith_event there, over;
};

static int holds(const void *in, void *out)
{
    struct hold h;
    int node = kith_node();

    memcpy(&h, in, sizeof h);
    memcpy(out, &node, sizeof node);
    if (node > 0)
        return 0;
    kith_event_set(h.there);
    return kith_event_wait(h.over, KITH_FOREVER);
}

/* The other node may get the task that is to hold our worker: then once more. */
static kith_result hold_ours(kith_pool pool, const struct hold *h)
{
    static int node;

    for (;;) {
        kith_result r = kith_pool_map_async(pool, holds, h, sizeof *h, &node, sizeof node, 1);

        while (kith_event_wait(h->there, 1) != 0 && kith_result_ready(r) == 0)
            ;
        if (kith_event_is_set(h->there) == 1)
            return r;
        kith_result_get(r, NULL, 0, KITH_FOREVER);
    }
}

static void check_place(kith_pool pool)
{
    int node[LOOKED_AT];

    kith_pool_map(pool, where, NULL, 0, node, sizeof *node, LOOKED_AT);
    for (int i = 0; i < LOOKED_AT; i++)
        if (node[i] != 1)
            die("a task has run on another node");
}

/* ------------------------------------------------------------------ what is timed */

static double rate_of_tasks(kith_pool pool, const double *in, double *out)
{
    double start = now();

    kith_map(pool, cheap, in, out, TASKS);
    return 1e-6 * TASKS / (now() - start);
}

static void tasks(kith_pool pool)
{
    double *in = kith_alloc(TASKS * sizeof *in), *out = kith_alloc(TASKS * sizeof *out);

    for (int i = 0; i < TASKS; i++)
        in[i] = i;
    rate_of_tasks(pool, in, out);
    say("tasks", rate_of_tasks(pool, in, out));
    for (int i = 0; i < TASKS; i++)
        if (out[i] != cheap(i))
            die("a wrong result");
    kith_free(in);
    kith_free(out);
}

static void apply(kith_pool pool)
{
    static double took[TIMED];

    for (int i = -WARM; i < TIMED; i++) {
        double start = now();
        int y;

        kith_apply(pool, successor, &y, i);
        if (y != i + 1)
            die("a wrong result");
        if (i >= 0)
            took[i] = now() - start;
    }
    say("turn", 1e6 * quantile(took, TIMED, 0.5));
}

static double rate_of_singles(kith_pool pool, kith_result *r, int n)
{
    double start = now();

    for (int i = 0; i < n; i++)
        r[i] = kith_apply_async(pool, successor, i);
    for (int i = 0; i < n; i++) {
        int y = 0;

        kith_get(r[i], &y);
        if (y != i + 1)
            die("a wrong result");
    }
    return 1e-3 * n / (now() - start);
}

static void singles(kith_pool pool, int n)
{
    kith_result *r = malloc((size_t)n * sizeof *r);

    if (!r)
        die("no memory for the results");
    rate_of_singles(pool, r, n / 10);
    say("singles", rate_of_singles(pool, r, n));
    free(r);
}

struct block {
    unsigned char bytes[16 << 20];
};

static int copy(const void *in, void *out)
{
    memcpy(out, in, sizeof(struct block));
    return 0;
}

static void bulk(kith_pool pool, size_t n, int plain)
{
    struct block *in = plain ? malloc(n * sizeof *in) : kith_alloc(n * sizeof *in);
    struct block *out = plain ? malloc(n * sizeof *out) : kith_alloc(n * sizeof *out);
    double start;

    if (!in || !out)
        die("no memory for the blocks");
    for (size_t i = 0; i < n; i++)
        memset(&in[i], (int)i + 1, sizeof *in);
    memset(out, 0, n * sizeof *out);
    kith_map(pool, copy, in, out, n < 4 ? n : 4); /* the way is warm now */
    start = now();
    kith_map(pool, copy, in, out, n);
    say("bytes", (double)n * sizeof *in / (now() - start) * 1e-9);
    if (memcmp(in, out, n * sizeof *in) != 0)
        die("a wrong result");
}

/* ------------------------------------------------------------------ a pool of the other node */

struct landlord {
    kith_queue pool;
    kith_event over;
};

static int lets(const void *arg)
{
    const struct landlord *l = arg;
    kith_pool pool = kith_pool_open_with(1, .nodes = 1);

    if (kith_put(l->pool, pool) < 0 || kith_event_wait(l->over, KITH_FOREVER) < 0)
        return 1;
    return kith_pool_close(pool);
}

static void call(void)
{
    struct landlord l = { kith_queue_open(0), kith_event_open() };
    kith_process p = kith_process_start_with(lets, KITH_ARG(l), .node = KITH_NODE(1));
    kith_pool pool;

    kith_get(l.pool, &pool);
    apply(pool);
    kith_event_set(l.over);
    kith_process_join(p, KITH_FOREVER);
}

/* ------------------------------------------------------------------ METG on both nodes */

static kith_pool both;

static double run(uint64_t steps, size_t n)
{
    static uint64_t lengths[METG_TASKS], results[METG_TASKS];
    double start;

    for (size_t i = 0; i < n; i++)
        lengths[i] = steps;
    start = now();
    kith_map(both, metg_task, lengths, results, n);
    return now() - start;
}

static void metg_of_both(void)
{
    both = kith_pool_open_with(0, .chunk = 1);
    check_workers(both);
    run(1, METG_TASKS);
    say("metg", 1e6 * metg(run, METG_TASKS, 2));
    kith_pool_close(both);
}

/* ------------------------------------------------------------------ what serving costs one's own worker */

static unsigned long works_at_home(unsigned long steps)
{
    if (kith_node() == 0)
        return work(steps);
    nanosleep(&(struct timespec){ .tv_nsec = OWN_US * 1000L }, NULL);
    return 0;
}

static uint64_t tasks_of_ours(kith_pool pool)
{
    struct kith_worker_stats s;

    if (kith_worker_stats(pool, 0, &s) < 0)
        die("no figures of the first worker");
    return s.tasks;
}

static void own(int nodes)
{
    static unsigned long steps[OWN_TASKS], results[OWN_TASKS];
    kith_pool pool = kith_pool_open_with(0, .nodes = nodes);
    double speed = steps_per_us(), start;
    uint64_t before;

    if (kith_pool_workers(pool) != nodes)
        die("not a worker on each node: KITH_WORKERS=1?");
    for (int i = 0; i < OWN_TASKS; i++)
        steps[i] = (unsigned long)(OWN_US * speed);
    kith_map(pool, works_at_home, steps, results, OWN_TASKS / 10);
    before = tasks_of_ours(pool);
    start = now();
    kith_map(pool, works_at_home, steps, results, OWN_TASKS);
    start = now() - start;
    say("own", 1e-3 * (double)(tasks_of_ours(pool) - before) / start);
    if (nodes > 1 && tasks_of_ours(pool) - before >= OWN_TASKS)
        die("the other node has done nothing");
    kith_pool_close(pool);
}

static void beside_one_that_is_held(int argc, char **argv)
{
    struct hold h = { kith_event_open(), kith_event_open() };
    kith_pool pool = kith_pool_open(0);
    kith_result r;

    check_workers(pool);
    r = hold_ours(pool, &h);
    check_place(pool);
    if (!strcmp(argv[1], "tasks"))
        tasks(pool);
    else if (!strcmp(argv[1], "apply"))
        apply(pool);
    else if (!strcmp(argv[1], "singles"))
        singles(pool, (int)number(argc, argv, 2, 100000));
    else
        bulk(pool, number(argc, argv, 2, 64), (int)number(argc, argv, 3, 0));
    kith_event_set(h.over);
    kith_result_get(r, NULL, 0, KITH_FOREVER);
    kith_pool_close(pool);
}

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    if (kith_nodes() != 2 || argc < 2)
        die("usage, on two nodes: far tasks|apply|call|bulk|singles|metg|own ...");
    if (!strcmp(argv[1], "call"))
        call();
    else if (!strcmp(argv[1], "metg"))
        metg_of_both();
    else if (!strcmp(argv[1], "own"))
        own((int)number(argc, argv, 2, 2));
    else
        beside_one_that_is_held(argc, argv);
    return kith_finalize();
}
