/* options.c: the options of a pool, and what its calls can do besides, with a worker on each of three nodes:
 * called by pool.sh. What a task does where it is at home would tell nothing, so those of the other nodes
 * fail, die and take their time. */
#define _GNU_SOURCE
#include "must.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NODES = 3, N = 300, ROUNDS = 100 };

static int twice(int x)
{
    nap(2000);
    return 2 * x;
}

static int node_of(const void *in, void *out)
{
    int node = kith_node();

    (void)in;
    nap(5000);
    memcpy(out, &node, sizeof node);
    return 0;
}

/* Until workers of all nodes have run tasks of one map. */
static void await_all_nodes(kith_pool p)
{
    for (int round = 0, seen = 0; seen != (1 << NODES) - 1; round++) {
        int nodes[N];

        MUST(round < ROUNDS && kith_pool_map(p, node_of, NULL, 0, nodes, sizeof *nodes, N) == 0);
        seen = 0;
        for (int i = 0; i < N; i++)
            seen |= 1 << nodes[i];
    }
}

static void is_of_another_node(const struct kith_fault *f)
{
    MUST(strcmp(f->host, "node2") == 0 || strcmp(f->host, "node3") == 0);
}

/* A map of N tasks over p that is repeated until some of them have failed elsewhere, each in that way. What
 * is in the array counts how often each has begun. */
static void await_faults(kith_pool p, kith_map_with_fn *fn, kith_array begun, int end)
{
    struct kith_fault f;
    int in[N], out[N], rc = 0;

    for (int i = 0; i < N; i++)
        in[i] = i;
    for (int round = 0; rc == 0; round++) {
        MUST(round < ROUNDS);
        rc = kith_pool_map_with(p, fn, in, sizeof *in, out, sizeof *out, N, KITH_ARG(begun));
    }
    MUST(rc == KITH_ETASK);
    for (size_t i = 0; kith_last_fault(&f, i) == 0; i++) {
        MUST(f.end == end);
        is_of_another_node(&f);
    }
}

/* ---- initializers, exit functions, memory of a worker */

static int base;

struct ends {
    kith_queue counts;
    int base;
};

static int set_base(const void *arg)
{
    const struct ends *e = arg;

    base = e->base;
    *(int *)kith_worker_state(sizeof(int)) = 1000 * kith_node();
    return 0;
}

static int tell_count(const void *arg)
{
    const struct ends *e = arg;

    return kith_put(e->counts, *(int *)kith_worker_state(sizeof(int))) < 0;
}

static int add_base(int x)
{
    ++*(int *)kith_worker_state(sizeof(int));
    nap(2000);
    return x + base;
}

static void initializers_and_exit_functions(void)
{
    struct ends e = { kith_queue_open(0), 41 };
    kith_pool p =
        kith_pool_open_with(NODES, .init = set_base, .exit = tell_count, .arg = &e, .arg_size = sizeof e);
    int x[N], y[N], count, sum = 0;

    for (int i = 0; i < N; i++)
        x[i] = i;
    MUST(kith_map(p, add_base, x, y, N) == 0);
    for (int i = 0; i < N; i++)
        MUST(y[i] == i + 41);
    MUST(kith_pool_close(p) == 0);
    for (int i = 0; i < NODES; i++) {
        MUST(kith_get(e.counts, &count) == 0);
        sum += count;
    }
    MUST(sum == N + 1000 + 2000); /* each has begun with its own, and has had all tasks that it ran */
}

static int fails_on_the_last_node(const void *arg)
{
    (void)arg;
    return kith_node() == NODES - 1 ? kith_fail(9, "no licence here") : 0;
}

static void failures_of_these(void)
{
    kith_pool p = kith_pool_open_with(NODES, .init = fails_on_the_last_node);
    struct kith_fault f;

    MUST(kith_check(p) == KITH_ETASK && strstr(kith_last_error(), "no licence here") != NULL &&
         strstr(kith_last_error(), "node3") != NULL);
    p = kith_pool_open_with(NODES, .exit = fails_on_the_last_node);
    await_all_nodes(p);
    MUST(kith_pool_close(p) == KITH_ETASK && kith_last_fault(&f, 0) == 0);
    MUST(f.code == 9 && strcmp(f.host, "node3") == 0 && kith_last_fault(&f, 1) == KITH_EEND);
}

/* ---- limits and tries */

static int count_run(const void *arg, int i)
{
    kith_array begun;
    int32_t before = 0;

    memcpy(&begun, arg, sizeof begun);
    kith_array_update(begun, 'i', (size_t)i, KITH_ADD, &(int32_t){ 1 }, &before);
    return before + 1;
}

static int takes_long_elsewhere(const void *in, void *out, const void *arg)
{
    (void)arg;
    memcpy(out, in, sizeof(int));
    nap(1000);
    while (kith_node() > 0 && *(const int *)in % 30 == 7)
        nap(10000);
    return 0;
}

static int takes_memory_elsewhere(const void *in, void *out, const void *arg)
{
    size_t size = (size_t)64 << 20;
    volatile char *p; /* for a compiler that sees that nobody reads it */

    (void)arg;
    memcpy(out, in, sizeof(int));
    nap(1000);
    if (kith_node() == 0 || *(const int *)in % 30 != 7)
        return 0;
    p = malloc(size);
    for (size_t i = 0; i < size; i += 4096)
        p[i] = 1; /* crashes where there was none */
    free((void *)(uintptr_t)p);
    return 0;
}

static int dies_elsewhere(const void *in, void *out, const void *arg)
{
    memcpy(out, in, sizeof(int));
    nap(1000);
    if (*(const int *)in % 30 == 7 && kith_node() > 0) {
        count_run(arg, *(const int *)in);
        raise(SIGKILL);
    }
    return 0;
}

/* Twice, wherever it is started. */
static int dies_twice(const void *in, void *out, const void *arg)
{
    memcpy(out, in, sizeof(int));
    nap(1000);
    if (*(const int *)in % 30 == 7 && count_run(arg, *(const int *)in) < 3)
        raise(SIGKILL);
    return 0;
}

static void limits(void)
{
    kith_array none = kith_array_open('i', 1);
    kith_pool p = kith_pool_open_with(NODES, .limit_ms = 500);

    await_faults(p, takes_long_elsewhere, none, KITH_END_OVER_LIMIT);
    await_all_nodes(p);
    MUST(kith_pool_close(p) == 0);
    p = kith_pool_open_with(NODES, .memory = 16 << 20, .tries = 1);
    await_faults(p, takes_memory_elsewhere, none, KITH_END_OVER_MEMORY);
    MUST(kith_pool_close(p) == 0 && kith_array_close(none) == 0);
}

static void tries(void)
{
    kith_array begun = kith_array_open('i', N);
    kith_pool p = kith_pool_open_with(NODES, .tries = 3);
    int in[N], out[N];
    int32_t runs;

    for (int i = 0; i < N; i++)
        in[i] = i;
    MUST(kith_pool_map_with(p, dies_twice, in, sizeof *in, out, sizeof *out, N, KITH_ARG(begun)) == 0);
    for (int i = 0; i < N; i++)
        MUST(out[i] == i && kith_load_at(begun, (size_t)i, &runs) == 0 && runs == (i % 30 == 7 ? 3 : 0));
    MUST(kith_pool_close(p) == 0 && kith_array_close(begun) == 0);
    begun = kith_array_open('i', N);
    p = kith_pool_open_with(NODES, .tries = 1);
    await_faults(p, dies_elsewhere, begun, KITH_END_SIGNALLED);
    for (int i = 0; i < N; i++)
        MUST(kith_load_at(begun, (size_t)i, &runs) == 0 && runs <= 1);
    MUST(kith_pool_close(p) == 0 && kith_array_close(begun) == 0);
}

static int fails_elsewhere(const void *in, void *out, const void *arg)
{
    memcpy(out, in, sizeof(int));
    count_run(arg, 0);
    nap(2000);
    return kith_node() > 0 ? kith_fail(5, "not here") : 0;
}

/* One failure is enough, wherever it is. */
static void halts(void)
{
    enum { MANY = 20000 };
    static int in[MANY], out[MANY];
    kith_array begun = kith_array_open('i', 1);
    kith_pool p = kith_pool_open_with(NODES, .halt = 1);
    int32_t runs;

    MUST(kith_pool_map_with(p, fails_elsewhere, in, sizeof *in, out, sizeof *out, MANY, KITH_ARG(begun)) ==
         KITH_ETASK);
    MUST(kith_load_at(begun, 0, &runs) == 0 && runs < MANY / 2);
    MUST(kith_pool_close(p) == 0 && kith_array_close(begun) == 0);
}

/* ---- calls under way */

static int waits(const void *in, void *out)
{
    kith_array begun;
    int32_t one = 1;

    memcpy(&begun, in, sizeof begun);
    memcpy(out, &one, sizeof one);
    kith_store_at(begun, (size_t)kith_node(), one);
    while (kith_worker() >= 0)
        nap(1000);
    return 0;
}

static void cancelled_everywhere(kith_pool p)
{
    kith_array begun = kith_array_open('i', NODES);
    kith_array in[NODES] = { begun, begun, begun };
    int32_t out[NODES];
    kith_result r = kith_pool_map_async(p, waits, in, sizeof *in, out, sizeof *out, NODES);

    for (int k = 0; k < NODES; k++)
        for (int32_t x = 0; x == 0; nap(1000))
            MUST(kith_load_at(begun, (size_t)k, &x) == 0);
    MUST(kith_result_cancel(r) == 0 && kith_result_get(r, NULL, 0, KITH_FOREVER) == KITH_ECANCELLED);
    await_all_nodes(p);
    MUST(kith_array_close(begun) == 0);
}

static int odd_ones_fail(int x)
{
    nap(1000);
    return x % 2 ? kith_fail(7, "%d is odd", x) : x + kith_node();
}

static void one_by_one(kith_pool p)
{
    int x[N], y = 0, elsewhere = 0;

    for (int i = 0; i < N; i++)
        x[i] = i;
    for (int round = 0; elsewhere == 0; round++) {
        kith_iter it = kith_imap(p, odd_ones_fail, x, N);

        for (int i = 0; i < N; i++) {
            int rc = kith_next(it, &y);

            MUST(i % 2 ? rc == KITH_ETASK : rc == 0 && y >= i && y < i + NODES);
            elsewhere += rc == 0 && y > i;
        }
        MUST(kith_next(it, &y) == KITH_EEND && kith_iter_close(it) == 0 && round < ROUNDS);
    }
}

/* Those that came later are done first. */
static void by_priority(kith_pool p)
{
    enum { MANY = 6000 };
    static int x[MANY], low[MANY], high[N];
    kith_result r;
    int y;

    for (int i = 0; i < MANY; i++)
        x[i] = i;
    r = kith_map_async(p, twice, x, low, MANY);
    MUST(kith_result_wait(r, 100) == KITH_ETIMEDOUT);
    MUST(kith_priority(2) == 0 && kith_map(p, twice, x, high, N) == 0 && kith_apply(p, twice, &y, 21) == 0);
    MUST(kith_result_ready(r) == 0 && kith_priority(0) == 0);
    MUST(kith_result_get(r, NULL, 0, KITH_FOREVER) == 0 && y == 42);
    for (int i = 0; i < MANY; i++)
        MUST(low[i] == 2 * i && (i >= N || high[i] == 2 * i));
}

static int one_is_slow(int x)
{
    nap(x == 17 ? 700000 : 2000);
    return x;
}

static void what_workers_have_done(void)
{
    kith_pool p = kith_pool_open_with(NODES, .chunk = 1);
    struct kith_worker_stats w;
    struct kith_pool_stats s;
    uint64_t sum = 0;
    int x[N], y[N];

    for (int i = 0; i < N; i++)
        x[i] = i;
    MUST(kith_pool_progress(p, 1) == 0 && kith_map(p, one_is_slow, x, y, N) == 0);
    MUST(kith_pool_stats(p, &s) == 0 && s.workers == NODES && s.all.tasks == N && s.all.processes == NODES);
    MUST(s.slowest_count > 0 && s.slowest[0].task == 17 && s.slowest[0].seconds >= 0.7);
    for (int k = 0; k < NODES; k++) {
        MUST(kith_worker_stats(p, k, &w) == 0 && w.processes == 1 && w.busy >= 0.002 * (double)w.tasks);
        sum += w.tasks;
    }
    MUST(sum == N && kith_pool_close(p) == 0);
}

/* ---- tasks that call their pool */

struct branch {
    kith_pool pool;
    int n;
};

static double count_block(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return (double)(hi - lo);
}

/* By a map, by single tasks that are waited for, and by a sum, in turn. */
static int fib(const void *in, void *out)
{
    const struct branch *b = in;
    struct branch less[2] = { { b->pool, b->n - 1 }, { b->pool, b->n - 2 } };
    int y[2] = { b->n, 0 };
    double sum = 0;

    if (b->n > 1 && b->n % 2) {
        if (kith_pool_map(b->pool, fib, less, sizeof *less, y, sizeof *y, 2) < 0)
            return kith_fail(1, "%s", kith_last_error());
    } else if (b->n > 1) {
        kith_result r = kith_pool_apply_async(b->pool, fib, &less[0], sizeof *less, sizeof *y);

        if (kith_pool_apply(b->pool, fib, &less[1], sizeof *less, &y[1], sizeof *y) < 0 ||
            kith_result_get(r, &y[0], sizeof *y, KITH_FOREVER) < 0)
            return kith_fail(1, "%s", kith_last_error());
    } else if (kith_pool_sum(b->pool, count_block, NULL, 0, 1000, &sum) < 0 || sum != 1000) {
        return kith_fail(1, "%s", kith_last_error());
    }
    y[0] += y[1];
    memcpy(out, &y[0], sizeof *y);
    return 0;
}

static void calls_in_calls(kith_pool p)
{
    enum { TREES = 24 };
    struct branch roots[TREES];
    int y[TREES];

    for (int i = 0; i < TREES; i++)
        roots[i] = (struct branch){ p, 10 };
    MUST(kith_pool_map(p, fib, roots, sizeof *roots, y, sizeof *y, TREES) == 0);
    for (int i = 0; i < TREES; i++)
        MUST(y[i] == 55);
}

/* Says where it is, for who reads of one that has hung. */
#define DO(call)               \
    do {                       \
        printf("%s\n", #call); \
        fflush(stdout);        \
        call;                  \
    } while (0)

int main(int argc, char **argv)
{
    kith_pool p;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    MUST(kith_nodes() == NODES);
    DO(initializers_and_exit_functions());
    DO(failures_of_these());
    DO(limits());
    DO(tries());
    DO(halts());
    DO(what_workers_have_done());
    p = kith_pool_open(NODES);
    DO(cancelled_everywhere(p));
    DO(one_by_one(p));
    DO(by_priority(p));
    DO(calls_in_calls(p));
    MUST(kith_pool_close(p) == 0);
    printf("done\n");
    return kith_finalize();
}
