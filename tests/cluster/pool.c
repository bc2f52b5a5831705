/* pool.c: what a pool over several nodes does; called by pool.sh and five.sh.
 *
 *   pool same      results of all kinds of calls, the same as of a pool of one node
 *   pool bits N    a number that stands for the bits of all results, with N nodes; 0: all
 *   pool lose      a long map; one line when all nodes have part in it, and one when it is done
 *   pool stop      a long map, then maps until the last worker has part in one; three lines
 *   pool home      calls to a pool of the last node, which is lost under them; two lines
 *   pool far       calls from a Process on the last node to a pool of the first one alone
 */
#define _GNU_SOURCE
#include "must.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { N = 6000, NODES_MOST = 16 };

static kith_pool pool;

static double slow_root(double x)
{
    nap(300);
    return sqrt(x);
}

struct place {
    int worker;
    char host[60];
};

static int where_am_i(const void *in, void *out)
{
    struct place p = { .worker = kith_worker() };

    (void)in;
    nap(2000);
    gethostname(p.host, sizeof p.host);
    memcpy(out, &p, sizeof p);
    return 0;
}

static double block_sum(uint64_t lo, uint64_t hi, const void *arg)
{
    double sum = 0;

    (void)arg;
    for (uint64_t i = lo; i < hi; i++)
        sum += 1.0 / ((double)i + kith_uniform(0, 1));
    nap(200);
    return sum;
}

static int power(const void *in, void *out, const void *arg)
{
    double x, y;

    memcpy(&x, in, sizeof x);
    memcpy(&y, arg, sizeof y);
    nap(200);
    x = pow(x, y) + kith_uniform(0, 1);
    memcpy(out, &x, sizeof x);
    return 0;
}

static int plus_one(int x)
{
    return x + 1;
}

/* A task that calls its own pool, on whichever node it runs. */
static int calls_again(const void *in, void *out)
{
    kith_pool again;
    int x[20], y[20], sum = 0;

    memcpy(&again, in, sizeof again);
    for (int i = 0; i < 20; i++)
        x[i] = i;
    nap(1000);
    if (kith_map(again, plus_one, x, y, 20) < 0)
        return kith_fail(1, "%s", kith_last_error());
    for (int i = 0; i < 20; i++)
        sum += y[i];
    memcpy(out, &sum, sizeof sum);
    return 0;
}

/* One that opens a pool of its own there. */
static int opens_its_own(const void *in, void *out)
{
    kith_pool own = kith_pool_open_with(2, .nodes = 1);
    int x[20], y[20], sum = 0;

    (void)in;
    for (int i = 0; i < 20; i++)
        x[i] = i;
    if (kith_map(own, plus_one, x, y, 20) < 0 || kith_pool_close(own) < 0)
        return kith_fail(1, "%s", kith_last_error());
    for (int i = 0; i < 20; i++)
        sum += y[i];
    memcpy(out, &sum, sizeof sum);
    return 0;
}

static int fails_elsewhere(const void *in, void *out)
{
    int node = kith_node();

    (void)in;
    nap(1000);
    memcpy(out, &node, sizeof node);
    return node > 0 ? kith_fail(40 + node, "not on node %d", node) : 0;
}

static int fails_at_home(const void *in, void *out)
{
    int node = kith_node();

    (void)in;
    memcpy(out, &node, sizeof node);
    return kith_fail(41 + node, "not here");
}

static double count_block(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return (double)(hi - lo);
}

struct moments { /* of the numbers of a block; no bytes between */
    double sum, squares, largest, count;
};

/* In what order blocks are folded shows in the last bits. */
static int block_moments(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    struct moments m = { 0 };

    (void)arg;
    for (uint64_t i = lo; i < hi; i++) {
        double x = 1 / ((double)i + kith_uniform(0, 1));

        m.sum += x;
        m.squares += x * x;
        m.largest = fmax(m.largest, x);
        m.count++;
    }
    nap(200);
    memcpy(part, &m, sizeof m);
    return 0;
}

static void add_moments(void *total, const void *part)
{
    struct moments *t = total;
    const struct moments *p = part;

    t->sum += p->sum;
    t->squares += p->squares;
    t->largest = fmax(t->largest, p->largest);
    t->count += p->count;
}

struct results {
    double root[N], sum, power[N];
    struct moments moments;
};

static void compute(kith_pool p, struct results *r)
{
    static double x[N];
    double two = 2;

    for (int i = 0; i < N; i++)
        x[i] = i;
    MUST(kith_map(p, slow_root, x, r->root, N) == 0);
    MUST(kith_pool_sum(p, block_sum, NULL, 0, N, &r->sum) == 0);
    MUST(kith_pool_map_with(p, power, x, sizeof *x, r->power, sizeof *x, N, &two, sizeof two) == 0);
    r->moments = (struct moments){ 0 };
    MUST(kith_reduce(p, block_moments, NULL, 0, N, add_moments, &r->moments) == 0);
    MUST(r->moments.count == N);
}

/* All workers have part in it, wherever they are. */
static void tour(void)
{
    static struct place places[1000];
    int seen[NODES_MOST * 8] = { 0 }, workers = kith_pool_workers(pool);

    MUST(workers > 0 && workers <= NODES_MOST * 8);
    printf("%d workers\n", workers);
    for (int i = 0, missing = 1; missing > 0 && i < 20; i++) {
        MUST(kith_pool_map(pool, where_am_i, NULL, 0, places, sizeof *places, 1000) == 0);
        for (int k = 0; k < 1000; k++) {
            MUST(places[k].worker >= 0 && places[k].worker < workers);
            if (!seen[places[k].worker]++)
                printf("worker %d on %s\n", places[k].worker, places[k].host);
        }
        missing = 0;
        for (int w = 0; w < workers; w++)
            missing += seen[w] == 0;
    }
}

static void nest(void)
{
    kith_pool handles[200];
    int sums[200], node[400], code;
    struct kith_fault f;

    for (int i = 0; i < 200; i++)
        handles[i] = pool;
    MUST(kith_pool_map(pool, calls_again, handles, sizeof *handles, sums, sizeof *sums, 200) == 0);
    for (int i = 0; i < 200; i++)
        MUST(sums[i] == 210);
    MUST(kith_pool_map(pool, opens_its_own, NULL, 0, sums, sizeof *sums, 20) == 0);
    for (int i = 0; i < 20; i++)
        MUST(sums[i] == 210);
    code = kith_pool_map(pool, fails_elsewhere, NULL, 0, node, sizeof *node, 400);
    MUST(code == KITH_ETASK && kith_last_fault(&f, 0) == 0);
    MUST(f.code > 40 && strncmp(f.text, "not on node ", 12) == 0 && strcmp(f.host, "node1") != 0);
}

static int same(void)
{
    static struct results r[2];
    kith_pool alone = kith_pool_open_with(2, .nodes = 1);
    int y;

    compute(alone, &r[0]);
    tour();
    compute(pool, &r[1]);
    MUST(memcmp(r[0].root, r[1].root, sizeof r[0].root) == 0);
    nest();
    MUST(kith_apply(pool, plus_one, &y, 41) == 0 && y == 42);
    MUST(kith_processes(NULL, 0) == 0);
    MUST(kith_pool_close(alone) == 0);
    MUST(kith_pool_close(pool) == 0);
    return 0;
}

/* The same bits, with any number of nodes: what is printed tells. */
static int bits(void)
{
    static struct results r;
    const unsigned char *byte = (const void *)&r;
    uint64_t hash = 14695981039346656037u;

    compute(pool, &r);
    for (size_t i = 0; i < sizeof r; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    printf("%016llx\n", (unsigned long long)hash);
    MUST(kith_pool_close(pool) == 0);
    return 0;
}

static int lose(void)
{
    static double x[8 * N], y[8 * N];
    int workers = kith_pool_workers(pool);

    for (int i = 0; i < 8 * N; i++)
        x[i] = i;
    MUST(kith_map(pool, slow_root, x, y, N) == 0);
    printf("ready\n");
    fflush(stdout);
    MUST(kith_map(pool, slow_root, x, y, 8 * N) == 0);
    for (int i = 0; i < 8 * N; i++)
        MUST(y[i] == sqrt(x[i]));
    MUST(kith_pool_workers(pool) < workers);
    MUST(kith_map(pool, slow_root, x, y, N) == 0);
    printf("done with %d of %d workers\n", kith_pool_workers(pool), workers);
    fflush(stdout);
    MUST(kith_pool_close(pool) == 0);
    return 0;
}

static void say(const char *text)
{
    printf("%s\n", text);
    fflush(stdout);
}

/* A node that is stopped in the middle does not keep the map from its end, and is of use when it goes on. */
static int stop(void)
{
    static double x[4 * N], y[4 * N];
    static struct place places[200];
    int workers = kith_pool_workers(pool), last = 0;

    for (int i = 0; i < 4 * N; i++)
        x[i] = i;
    MUST(kith_map(pool, slow_root, x, y, N) == 0);
    say("ready");
    MUST(kith_map(pool, slow_root, x, y, 4 * N) == 0);
    for (int i = 0; i < 4 * N; i++)
        MUST(y[i] == sqrt(x[i]));
    say("without it");
    for (int i = 0; i < 200 && last < workers - 1; i++) {
        MUST(kith_pool_map(pool, where_am_i, NULL, 0, places, sizeof *places, 200) == 0);
        for (int k = 0; k < 200; k++)
            last = places[k].worker > last ? places[k].worker : last;
    }
    MUST(last == workers - 1 && kith_pool_workers(pool) == workers);
    MUST(kith_pool_close(pool) == 0);
    say("done");
    return 0;
}

static int waits(const void *in, void *out)
{
    (void)in;
    (void)out;
    while (kith_worker() >= 0)
        nap(1000000);
    return 0;
}

static int fails_if_odd(const void *in, void *out)
{
    memcpy(out, in, sizeof(int));
    return *(const int *)in % 2 ? kith_fail(9, "odd") : 0;
}

static void cancel_from_afar(kith_pool far)
{
    kith_result r[8];
    int out[8][4], y;

    for (int i = 0; i < 8; i++)
        r[i] = i % 2 ? kith_pool_apply_async(far, waits, NULL, 0, sizeof y)
                     : kith_pool_map_async(far, waits, NULL, 0, out[i], sizeof(int), 4);
    MUST(kith_result_wait(r[0], 10) == KITH_ETIMEDOUT && kith_result_ready(r[1]) == 0);
    for (int i = 8; i-- > 0;)
        MUST(kith_result_cancel(r[i]) == 0);
    for (int i = 0; i < 8; i++)
        MUST(kith_result_get(r[i], i % 2 ? &y : NULL, i % 2 ? sizeof y : 0, KITH_FOREVER) == KITH_ECANCELLED);
}

static void iterate_from_afar(kith_pool far)
{
    static int x[N];
    kith_iter it;
    int y;

    for (int i = 0; i < N; i++)
        x[i] = i;
    it = kith_imap(far, plus_one, x, N);
    for (int i = 0; i < N; i++)
        MUST(kith_next(it, &y) == 0 && y == i + 1);
    MUST(kith_next(it, &y) == KITH_EEND && kith_iter_close(it) == 0);
    it = kith_imap_unordered(far, plus_one, x, 10);
    for (int i = 0; i < 10; i++)
        MUST(kith_next(it, &y) == 0 && y >= 1 && y <= 10);
    MUST(kith_iter_close(it) == 0);
}

static void call_from_afar_without_waiting(kith_pool far)
{
    static double x[N], y[N];
    static kith_result r[N];
    kith_result map;
    int out;

    for (int i = 0; i < N; i++) {
        x[i] = i;
        r[i] = kith_apply_async(far, plus_one, i);
    }
    map = kith_map_async(far, sqrt, x, y, N);
    MUST(kith_results_wait(r, N, N / 2, KITH_FOREVER) >= N / 2);
    for (int i = 0; i < N; i++)
        MUST(kith_get(r[i], &out) == 0 && out == i + 1);
    MUST(kith_result_get(map, NULL, 0, KITH_FOREVER) == 0);
    for (int i = 0; i < N; i++)
        MUST(y[i] == sqrt(i));
    r[0] = kith_pool_apply_async(far, fails_if_odd, &(int){ 3 }, sizeof(int), sizeof(int));
    MUST(kith_get(r[0], &out) == KITH_ETASK && strstr(kith_last_error(), "on node1") != NULL);
    cancel_from_afar(far);
    iterate_from_afar(far);
}

static void ask_from_afar(kith_pool far)
{
    struct kith_pool_stats s;
    struct kith_worker_stats w;

    MUST(kith_pool_stats(far, &s) == 0 && s.workers == 2 && s.all.tasks > N / 10 && s.open > 0);
    MUST(kith_worker_stats(far, 1, &w) == 0 && w.processes > 0);
    MUST(kith_worker_stats(far, 2, &w) == KITH_EINVAL);
    MUST(kith_pool_progress(far, 1) == 0 && kith_pool_progress(far, 0) == 0);
}

/* On a node with workers of the pool, by a Process that is no task of it: all workers have part in it. */
static int calls_where_a_branch_is(const void *arg)
{
    struct place places[200];
    struct kith_pool_stats s;
    kith_pool all;
    int workers, missing = 1;

    memcpy(&all, arg, sizeof all);
    MUST((workers = kith_pool_workers(all)) > 0 && workers <= NODES_MOST * 8);
    for (int round = 0; missing > 0; round++) {
        int seen[NODES_MOST * 8] = { 0 };

        MUST(round < 50 && kith_pool_map(all, where_am_i, NULL, 0, places, sizeof *places, 200) == 0);
        for (int k = 0; k < 200; k++)
            seen[places[k].worker] = 1;
        missing = 0;
        for (int w = 0; w < workers; w++)
            missing += !seen[w];
    }
    MUST(kith_pool_stats(all, &s) == 0 && s.workers == workers);
    return 0;
}

/* On a node without workers of the pool. */
static int calls_from_afar(const void *arg)
{
    static double x[N], y[N];
    struct kith_fault f;
    double sum = 0;
    int node[10];
    kith_pool far;

    memcpy(&far, arg, sizeof far);
    MUST(kith_node() == kith_nodes() - 1);
    MUST(kith_pool_workers(far) == 2);
    for (int i = 0; i < N; i++)
        x[i] = i;
    MUST(kith_map(far, slow_root, x, y, N / 10) == 0);
    for (int i = 0; i < N / 10; i++)
        MUST(y[i] == sqrt(x[i]));
    MUST(kith_pool_sum(far, count_block, NULL, 0, N, &sum) == 0);
    MUST(sum == N);
    MUST(kith_pool_map(far, fails_at_home, NULL, 0, node, sizeof *node, 10) == KITH_ETASK);
    MUST(kith_last_fault(&f, 9) == 0 && f.code == 41 && strcmp(f.host, "node1") == 0);
    call_from_afar_without_waiting(far);
    ask_from_afar(far);
    MUST(kith_pool_close(far) == KITH_EINVAL);
    return 0;
}

static int same_process(const void *in, void *out)
{
    (void)in;
    *(int *)out = (int)getpid();
    return 0;
}

/* One that is opened on any node stays there; that of another node is for none of us. */
static int uses_threads_from_afar(const void *arg)
{
    kith_pool far, here = kith_pool_open_with(0, .threads = 1);
    int x[20] = { 0 }, pids[20] = { 0 };

    memcpy(&far, arg, sizeof far);
    MUST(kith_map(far, same_process, x, pids, 20) == KITH_EINVAL);
    MUST(strstr(kith_last_error(), "another process than the one that opened it") != NULL);
    MUST(kith_pool_workers(far) == KITH_EINVAL && kith_pool_close(far) == KITH_EINVAL);
    MUST(kith_map(here, same_process, x, pids, 20) == 0);
    for (int i = 0; i < 20; i++)
        MUST(pids[i] == getpid());
    return kith_pool_close(here);
}

static int on_last_node(kith_target *fn, kith_pool far)
{
    kith_process p = kith_process_start_with(fn, KITH_ARG(far), .node = KITH_NODE(kith_nodes() - 1));
    int code;

    MUST(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0);
    return code;
}

static int far(void)
{
    kith_pool alone = kith_pool_open_with(2, .nodes = 1), threads = kith_pool_open_with(2, .threads = 1);

    MUST(on_last_node(calls_from_afar, alone) == 0);
    MUST(on_last_node(uses_threads_from_afar, threads) == 0);
    MUST(on_last_node(calls_where_a_branch_is, pool) == 0);
    MUST(kith_pool_close(alone) == 0 && kith_pool_close(threads) == 0);
    MUST(kith_pool_close(pool) == 0);
    printf("done\n");
    return 0;
}

/* ---- a pool whose node is lost */

struct opener {
    kith_queue opened;
    kith_event never;
};

static int opens_and_stays(const void *arg)
{
    struct opener o;
    kith_pool p;

    memcpy(&o, arg, sizeof o);
    p = kith_pool_open(0);
    MUST(kith_check(p) == 0 && kith_queue_put(o.opened, &p, sizeof p, KITH_FOREVER) == 0);
    kith_event_wait(o.never, KITH_FOREVER);
    return 0;
}

static int is_told_of_loss(int code)
{
    char host[80];

    snprintf(host, sizeof host, "(node%d) is lost, and its pool with it", kith_nodes());
    return code == KITH_EPEER && strstr(kith_last_error(), host) != NULL;
}

/* All kinds of calls, each of which ends; with pointers, which only the workers here can use, and without. */
static int home(void)
{
    struct opener o = { kith_queue_open(0), kith_event_open() };
    const char *text = "here", *texts[8];
    kith_pool theirs;
    kith_result r[4];
    kith_iter it;
    int y[4][8];

    MUST(kith_check(kith_process_start_with(opens_and_stays, KITH_ARG(o), .node = KITH_NODE(kith_nodes() - 1),
                                            .daemon = 1)) == 0);
    MUST(kith_queue_get(o.opened, &theirs, sizeof theirs, KITH_FOREVER) == sizeof theirs);
    for (int i = 0; i < 8; i++)
        texts[i] = text;
    r[0] = kith_pool_map_async(theirs, waits, NULL, 0, y[0], sizeof **y, 8);
    r[1] = kith_pool_map_async(theirs, waits, texts, sizeof *texts, y[1], sizeof **y, 8);
    r[2] = kith_pool_apply_async(theirs, waits, NULL, 0, sizeof **y);
    r[3] = kith_pool_apply_async(theirs, waits, texts, sizeof *texts, sizeof **y);
    it = kith_pool_imap(theirs, waits, texts, sizeof *texts, sizeof **y, 8);
    MUST(kith_iter_next(it, y[0], sizeof **y, 0) == KITH_ETIMEDOUT);
    say("ready");
    MUST(is_told_of_loss(kith_pool_map(theirs, waits, NULL, 0, y[2], sizeof **y, 8)));
    MUST(is_told_of_loss(kith_pool_map(theirs, waits, texts, sizeof *texts, y[3], sizeof **y, 8)));
    for (int i = 0; i < 4; i++)
        MUST(is_told_of_loss(
            kith_result_get(r[i], i < 2 ? NULL : y[i], i < 2 ? 0 : sizeof **y, KITH_FOREVER)));
    MUST(is_told_of_loss(kith_iter_next(it, y[0], sizeof **y, KITH_FOREVER)) && kith_iter_close(it) == 0);
    MUST(is_told_of_loss(kith_check(kith_pool_apply_async(theirs, waits, NULL, 0, sizeof **y))));
    MUST(kith_pool_close(pool) == 0);
    say("done");
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    pool = kith_pool_open_with(0, .nodes = argc > 2 ? atoi(argv[2]) : 0);
    MUST(kith_check(pool) == 0);
    rc = strcmp(what, "bits") == 0   ? bits()
         : strcmp(what, "lose") == 0 ? lose()
         : strcmp(what, "stop") == 0 ? stop()
         : strcmp(what, "home") == 0 ? home()
         : strcmp(what, "far") == 0  ? far()
                                     : same();
    return kith_finalize() ? 1 : rc;
}
