/* objects: what objects.sh runs under mpirun on several nodes. Each subcommand prints what it saw; the last
 * line is "done". objects tour | stream MS | lose | share | share-lose | frames | wait FILE */
#include "config.h"
#include "must.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void ends_well(kith_process p)
{
    int code = -1;

    MUST(kith_process_join(p, 30000) == 0);
    MUST(kith_process_exitcode(p, &code) == 0 && code == 0);
    MUST(kith_process_close(p) == 0);
}

/* ------------------------------------------------------------------------- tour */

static int greets(const void *arg)
{
    kith_queue q = kith_queue_named("tour", 0);
    int node = kith_node();

    (void)arg;
    printf("hello from node %d, %s\n", kith_node(), kith_host());
    kith_log(KITH_LOG_INFO, "logged on node %d", node);
    MUST(kith_put(q, node) == 0);
    return 40 + node;
}

static void nodes_are_reached(int nodes)
{
    kith_queue q = kith_queue_named("tour", 0);

    MUST(kith_log_level(KITH_LOG_INFO) == 0);
    for (int k = 0; k < nodes; k++) {
        kith_process p = kith_process_start_with(greets, NULL, 0, .node = KITH_NODE(k));
        int node = -1, code = -1;

        MUST(kith_get(q, &node) == 0 && node == k);
        MUST(kith_process_join(p, KITH_FOREVER) == 0);
        MUST(kith_process_exitcode(p, &code) == 0 && code == 40 + k);
        MUST(kith_process_alive(p) == 0);
        MUST(kith_process_close(p) == 0);
        MUST(kith_process_alive(p) == KITH_ESTALE);
    }
    MUST(kith_log_level(KITH_LOG_WARNING) == 0);
}

struct relay {
    kith_queue home;
    int left;
};

/* Each starts the next one on the node before its own, and hands it a queue of its own. */
static int relays(const void *arg)
{
    const struct relay *r = arg;
    struct relay next = { r->home, r->left - 1 };
    int node = kith_node();
    kith_queue own = kith_queue_open(0);
    kith_process p;

    MUST(kith_put(own, node) == 0);
    MUST(kith_put(r->home, own) == 0);
    if (r->left == 0)
        return 0;
    p = kith_process_start_with(relays, KITH_ARG(next),
                                .node = KITH_NODE((node + kith_nodes() - 1) % kith_nodes()));
    ends_well(p);
    return 0;
}

static void handles_travel_in_messages(void)
{
    struct relay r = { kith_queue_open(0), 2 * kith_nodes() };
    kith_process p = kith_process_start_with(relays, KITH_ARG(r), .node = KITH_NODE(kith_nodes() - 1));
    kith_queue q;
    int node;

    for (int i = 0; i <= 2 * kith_nodes(); i++) {
        MUST(kith_get(r.home, &q) == 0);
        MUST(kith_get(q, &node) == 0);
        MUST(node == (2 * kith_nodes() + kith_nodes() - 1 - i) % kith_nodes());
        MUST(kith_queue_close(q) == 0);
    }
    ends_well(p);
}

static int stays(const void *arg)
{
    const struct relay *r = arg;
    int node = kith_node(), x;

    MUST(kith_put(r->home, node) == 0);
    return kith_queue_get(kith_queue_named("release", 0), &x, sizeof x, KITH_FOREVER) != sizeof x;
}

/* Those that find no free CPU here go to the others, as many to each as it has. They have as many as this
 * one. */
static void processes_spread_over_the_nodes(void)
{
    enum { MOST = 256 };
    int each = kith_usable_cpus(), n = each * kith_nodes(), count[16] = { 0 }, node;
    struct relay r = { kith_queue_open(0), 0 };
    kith_process p[MOST];

    MUST(n <= MOST && kith_nodes() <= 16);
    for (int i = 0; i < n; i++) {
        MUST(kith_check(p[i] = kith_process_start(stays, KITH_ARG(r))) == 0);
        MUST(kith_get(r.home, &node) == 0);
        count[node]++;
    }
    for (int k = 0; k < kith_nodes(); k++)
        printf("%d of %d on node %d\n", count[k], n, k);
    for (int k = 0; k < kith_nodes(); k++)
        MUST(count[k] == each);
    for (int i = 0; i < n; i++)
        MUST(kith_put(kith_queue_named("release", 0), i) == 0);
    for (int i = 0; i < n; i++)
        ends_well(p[i]);
}

struct trade {
    kith_queue goods, counts;
    int who, each;
};

static int sells(const void *arg)
{
    const struct trade *t = arg;
    static char bytes[100000];

    for (int i = 0; i < t->each; i++) {
        int item[2] = { t->who, i };
        size_t size = i % 50 == 49 ? sizeof bytes : i % 10 == 9 ? 5000 : sizeof item;

        memcpy(bytes, item, sizeof item);
        MUST(kith_queue_put(t->goods, bytes, size, KITH_FOREVER) == 0);
    }
    return 0;
}

static int buys(const void *arg)
{
    const struct trade *t = arg;
    static char bytes[100000];
    int last[16], item[2], count = 0;

    memset(last, -1, sizeof last);
    for (;; count++) {
        MUST(kith_queue_get(t->goods, bytes, sizeof bytes, KITH_FOREVER) >= (int64_t)sizeof item);
        memcpy(item, bytes, sizeof item);
        if (item[0] < 0)
            break;
        MUST(item[1] > last[item[0]]);
        last[item[0]] = item[1];
    }
    return kith_put(t->counts, count) < 0;
}

static void many_putters_and_takers_on_all_nodes(int home, size_t bound)
{
    int n = kith_nodes(), total = 0, count, end[2] = { -1, 0 };
    struct trade t = { { 0 }, kith_queue_open(0), 0, 2000 };
    kith_process p[32];

    if (home == 0)
        t.goods = kith_queue_open(bound);
    else {
        struct relay r = { kith_queue_open(0), 0 };
        kith_process opener = kith_process_start_with(relays, KITH_ARG(r), .node = KITH_NODE(home));
        int node;

        MUST(kith_get(r.home, &t.goods) == 0 && kith_get(t.goods, &node) == 0);
        ends_well(opener);
    }
    for (int i = 0; i < 2 * n; i++) {
        t.who = i;
        MUST(kith_check(p[i] = kith_process_start_with(sells, KITH_ARG(t), .node = KITH_NODE(i % n))) == 0);
        MUST(kith_check(p[2 * n + i] =
                            kith_process_start_with(buys, KITH_ARG(t), .node = KITH_NODE(i % n))) == 0);
    }
    for (int i = 0; i < 2 * n; i++)
        ends_well(p[i]);
    for (int i = 0; i < 2 * n; i++)
        MUST(kith_put(t.goods, end) == 0);
    for (int i = 0; i < 2 * n; i++) {
        MUST(kith_get(t.counts, &count) == 0);
        ends_well(p[2 * n + i]);
        total += count;
    }
    MUST(total == 2 * n * t.each);
    MUST(kith_queue_empty(t.goods) == 1);
    MUST(kith_queue_close(t.goods) == 0);
}

static int sleeps(const void *arg)
{
    const int *ms = arg;

    usleep((useconds_t)*ms * 1000);
    printf("slept %d ms on node %d\n", *ms, kith_node());
    return 0;
}

static void signals_and_limits_reach_other_nodes(void)
{
    int ms = 600000, code, there = KITH_NODE(kith_nodes() - 1);
    kith_process p = kith_process_start_with(sleeps, KITH_ARG(ms), .node = there);

    MUST(kith_process_pid(p) > 0);
    MUST(kith_process_alive(p) == 1);
    MUST(kith_process_join(p, 100) == KITH_ETIMEDOUT);
    MUST(kith_process_exitcode(p, &code) == KITH_ERUNNING);
    MUST(kith_process_terminate(p) == 0);
    MUST(kith_process_join(p, 5000) == 0);
    MUST(kith_process_exitcode(p, &code) == 0 && code == -15);
    MUST(kith_process_close(p) == 0);
    p = kith_process_start_with(sleeps, KITH_ARG(ms), .node = there);
    MUST(kith_process_kill(p) == 0 && kith_process_join(p, 5000) == 0);
    MUST(kith_process_exitcode(p, &code) == 0 && code == -9);
    p = kith_process_start_with(sleeps, KITH_ARG(ms), .node = KITH_NODE(kith_nodes()));
    MUST(kith_check(p) == KITH_EINVAL);
}

static int dies(const void *arg)
{
    (void)arg;
    raise(SIGKILL);
    return 0;
}

/* main has a handler of faults since kith_init: nobody else tells of this, on no node. */
static void who_dies_is_for_the_handler_alone(void)
{
    kith_process p = kith_process_start_with(dies, NULL, 0, .node = KITH_NODE(kith_nodes() - 1));
    int code;

    MUST(kith_process_join(p, 5000) == 0);
    MUST(kith_process_exitcode(p, &code) == 0 && code == -9);
}

/* At the end, those that are no daemons are waited for on all nodes. */
static void leave_some_behind(void)
{
    int soon = 700, late = 600000;

    for (int k = 0; k < kith_nodes(); k++) {
        MUST(kith_check(kith_process_start_with(sleeps, KITH_ARG(soon), .node = KITH_NODE(k))) == 0);
        MUST(kith_check(kith_process_start_with(sleeps, KITH_ARG(late), .node = KITH_NODE(k), .daemon = 1)) ==
             0);
    }
}

struct sleeper {
    int ms, node;
};

static int sleeps_for(const void *arg)
{
    const struct sleeper *s = arg;

    usleep((useconds_t)s->ms * 1000);
    return s->node;
}

/* One on each node, which end one after the other, in the order against that of the nodes, but where a
 * machine stands still; and a Queue on each, into which nobody puts anything. */
static void many_are_waited_for(void)
{
    enum { MOST = 16 };
    struct kith_waitable list[2 * MOST];
    int nodes = kith_nodes() < MOST ? kith_nodes() : MOST;
    kith_process p[MOST];
    kith_queue q;

    for (int k = 0; k < nodes; k++) {
        struct sleeper s = { 200 * (nodes - k), k };

        p[k] = kith_process_start_with(sleeps_for, KITH_ARG(s), .node = KITH_NODE(k));
        list[k] = kith_on(p[k]);
        list[nodes + k] = kith_on(q = kith_queue_open(0));
    }
    for (int left = nodes; left > 0; left--) {
        double start = kith_time();
        int code, k = nodes - 1;

        MUST(kith_wait(list, (size_t)(2 * nodes), 30000) >= 1);
        MUST(kith_time() - start < 20);
        while (k > 0 && list[k].ready != 1)
            k--;
        MUST(list[k].ready == 1);
        MUST(kith_process_exitcode(p[k], &code) == 0 && code == k);
        MUST(kith_process_close(p[k]) == 0);
        list[k] = list[nodes];
    }
    printf("waited for %d nodes at once\n", nodes);
    for (int k = 0; k < nodes; k++) {
        q.id = list[nodes + k].id;
        MUST(kith_queue_close(q) == 0);
    }
}

/* ------------------------------------------------- Processes that hold something elsewhere */

struct lent {
    kith_queue answer, q;
    kith_pipe ends[2];
};

static int lends_both(const void *arg)
{
    struct lent l = *(const struct lent *)arg;

    MUST(kith_pipe_open(l.ends) == 0);
    MUST(kith_check(l.q = kith_queue_open(0)) == 0);
    return kith_put(l.answer, l) < 0;
}

/* A Pipe and a Queue on that node, whose opener has ended. */
static struct lent lent_by(int node)
{
    struct lent l = { .answer = kith_queue_open(0) };
    kith_queue answer = l.answer;
    kith_process p = kith_process_start_with(lends_both, KITH_ARG(l), .node = KITH_NODE(node));

    MUST(kith_get(answer, &l) == 0);
    ends_well(p);
    MUST(kith_queue_close(answer) == 0);
    return l;
}

static void close_lent(const struct lent *l)
{
    MUST(kith_pipe_close(l->ends[0]) == 0 && kith_pipe_close(l->ends[1]) == 0 && kith_queue_close(l->q) == 0);
}

static int waits(const void *arg)
{
    (void)arg;
    while (pause() < 0)
        ;
    return 0;
}

static void lend_to(const struct lent *l, kith_process p)
{
    MUST(kith_queue_producers(l->q, 1) == 0);
    MUST(kith_queue_producer(l->q, p) == 0);
    MUST(kith_pipe_give(l->ends[1], p) == 0);
}

static void it_is_over(const struct lent *l, int timeout_ms)
{
    int x;

    MUST(kith_pipe_recv(l->ends[0], &x, sizeof x, timeout_ms) == KITH_EEND);
    MUST(kith_queue_get(l->q, &x, sizeof x, timeout_ms) == KITH_EEND);
}

/* The Process uses neither: nothing tells of its end but that it was named. */
static void ends_are_told_between_any_two_nodes(void)
{
    for (int home = 0; home < kith_nodes(); home++)
        for (int node = 0; node < kith_nodes(); node++) {
            struct lent l = lent_by(home);
            kith_process p = kith_process_start_with(waits, NULL, 0, .node = KITH_NODE(node));
            int x, code;

            lend_to(&l, p);
            MUST(kith_pipe_recv(l.ends[0], &x, sizeof x, 10) == KITH_ETIMEDOUT);
            MUST(kith_process_kill(p) == 0);
            it_is_over(&l, 30000);
            MUST(kith_process_join(p, 30000) == 0 && kith_process_exitcode(p, &code) == 0 && code == -9);
            MUST(kith_process_close(p) == 0);
            close_lent(&l);
        }
    printf("ends are told between %d nodes\n", kith_nodes());
}

static void tour(void)
{
    processes_spread_over_the_nodes(); /* first: what others have done is known after a moment only */
    nodes_are_reached(kith_nodes());
    handles_travel_in_messages();
    many_putters_and_takers_on_all_nodes(0, 0);
    many_putters_and_takers_on_all_nodes(0, 7);
    many_putters_and_takers_on_all_nodes(kith_nodes() - 1, 0);
    signals_and_limits_reach_other_nodes();
    who_dies_is_for_the_handler_alone();
    many_are_waited_for();
    ends_are_told_between_any_two_nodes();
    leave_some_behind();
}

/* ----------------------------------------------------------------------- stream */

struct flow {
    kith_queue q;
    int ms;
};

static int pours(const void *arg)
{
    const struct flow *f = arg;
    double until = kith_time() + f->ms * 1e-3;
    char *bytes = malloc(1 << 20);
    uint64_t i = 0;

    for (; kith_time() < until; i++) {
        size_t size = i % 100 == 50 ? 1 << 20 : 8 + i % 3000;

        memset(bytes, (int)i, size);
        memcpy(bytes, &i, sizeof i);
        MUST(kith_queue_put(f->q, bytes, size, KITH_FOREVER) == 0);
    }
    free(bytes);
    MUST(kith_queue_put(f->q, &i, 1, KITH_FOREVER) == 0);
    return 0;
}

static void stream(int ms)
{
    struct flow f = { kith_queue_open(0), ms };
    kith_process p = kith_process_start_with(pours, KITH_ARG(f), .node = KITH_NODE(1));
    char *bytes = malloc(1 << 20);
    uint64_t i = 0, number;
    int64_t size;

    printf("ready\n");
    for (;; i++) {
        MUST((size = kith_queue_get(f.q, bytes, 1 << 20, KITH_FOREVER)) > 0);
        if (size == 1)
            break;
        memcpy(&number, bytes, sizeof number);
        MUST(number == i && size == (i % 100 == 50 ? 1 << 20 : (int64_t)(8 + i % 3000)));
        for (int64_t k = 8; k < size; k += 61)
            MUST(bytes[k] == (char)i);
    }
    MUST(kith_queue_empty(f.q) == 1);
    ends_well(p);
    free(bytes);
    printf("%llu items\n", (unsigned long long)i);
}

/* ------------------------------------------------------------------------- lose */

static int lends(const void *arg)
{
    const struct relay *r = arg;
    kith_queue q = kith_queue_open(0);

    MUST(kith_put(r->home, q) == 0);
    return 0;
}

/* The last node is lost while we wait for an item that it has not; then the others still work. A Process
 * there was to hold something on each of the others. */
static void lose(void)
{
    struct relay r = { kith_queue_open(0), 0 };
    kith_process p = kith_process_start_with(lends, KITH_ARG(r), .node = KITH_NODE(kith_nodes() - 1));
    kith_process holder =
        kith_process_start_with(waits, NULL, 0, .node = KITH_NODE(kith_nodes() - 1), .daemon = 1);
    struct lent lent[2];
    kith_queue q;
    char host[80];
    double begin;
    int x, tries = 0;

    MUST(kith_get(r.home, &q) == 0);
    MUST(kith_process_join(p, KITH_FOREVER) == 0);
    for (int k = 0; k < 2; k++) {
        lent[k] = lent_by(k);
        lend_to(&lent[k], holder);
    }
    printf("ready\n");
    begin = kith_time();
    snprintf(host, sizeof host, "(node%d) ", kith_nodes());
    MUST(kith_queue_get(q, &x, sizeof x, KITH_FOREVER) == KITH_EPEER && strstr(kith_last_error(), host));
    printf("after %.1f s: %s\n", kith_time() - begin, kith_last_error());
    MUST(kith_queue_size(q) == KITH_EPEER && strstr(kith_last_error(), host));
    /* At once, but for moments in which this machine does nothing. */
    do {
        begin = kith_time();
        MUST(kith_queue_size(q) == KITH_EPEER && kith_put(q, x) == KITH_EPEER &&
             kith_process_alive(p) == KITH_EPEER);
        MUST(tries++ < 10);
    } while (kith_time() - begin > 0.5);
    nodes_are_reached(kith_nodes() - 1);
    for (int k = 0; k < 2; k++)
        it_is_over(&lent[k], 60000);
    MUST(kith_check(kith_process_start_with(greets, NULL, 0, .node = KITH_NODE(kith_nodes() - 1))) ==
         KITH_EPEER);
    /* Who leaves the choice to kith is not sent there. */
    for (int i = 0; i < 2 * kith_usable_cpus() * kith_nodes(); i++)
        MUST(kith_check(kith_process_start_with(waits, NULL, 0, .daemon = 1)) == 0);
}

/* ------------------------------------------------------------------------ share */

enum { SHARED = 96 << 20 };

struct reader {
    kith_shared s;
    kith_queue began;
};

static uint64_t sum_of(const uint64_t *x)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SHARED / sizeof *x; i++)
        sum = sum * 3 + x[i];
    return sum;
}

static uint64_t right_sum(void)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < SHARED / sizeof sum; i++)
        sum = sum * 3 + i * i;
    return sum;
}

static kith_shared squares(void)
{
    uint64_t *x = kith_alloc(SHARED);
    kith_shared s;

    MUST(x);
    for (uint64_t i = 0; i < SHARED / sizeof *x; i++)
        x[i] = i * i;
    s = kith_share(x, SHARED);
    MUST(kith_check(s) == 0 && kith_shared_data(s) == x);
    return s;
}

static int reads_shared(const void *arg)
{
    const struct reader *r = arg;
    const uint64_t *x;
    int node = kith_node();

    MUST(kith_put(r->began, node) == 0);
    MUST((x = kith_shared_data(r->s)) != NULL);
    MUST(kith_shared_size(r->s) == SHARED && sum_of(x) == right_sum());
    return 0;
}

static void all_read_it(const struct reader *r)
{
    kith_process p[16];
    int nodes = kith_nodes() < 8 ? kith_nodes() : 8, node;

    for (int i = 0; i < 2 * nodes; i++)
        p[i] = kith_process_start_with(reads_shared, r, sizeof *r, .node = KITH_NODE(i % nodes));
    for (int i = 0; i < 2 * nodes; i++)
        MUST(kith_get(r->began, &node) == 0);
    for (int i = 0; i < 2 * nodes; i++)
        ends_well(p[i]);
}

/* Shared by the head and by the last node. */
static int shares_there(const void *arg)
{
    const kith_queue *answer = arg;
    kith_shared s = squares();

    return kith_put(*answer, s) < 0;
}

static void share(void)
{
    struct reader r = { squares(), kith_queue_open(0) };
    kith_queue answer = kith_queue_open(0);

    all_read_it(&r);
    MUST(kith_shared_close(r.s) == 0 && kith_shared_data(r.s) == NULL);
    ends_well(kith_process_start_with(shares_there, KITH_ARG(answer), .node = KITH_NODE(kith_nodes() - 1)));
    MUST(kith_get(answer, &r.s) == 0);
    all_read_it(&r);
    MUST(kith_shared_close(r.s) == 0 && kith_shared_size(r.s) == KITH_ESTALE);
}

static int opens_queue(const void *arg)
{
    const kith_queue *answer = arg;
    kith_queue q = kith_queue_open(0);

    return kith_put(*answer, q) < 0;
}

static int puts_there(const void *arg)
{
    const kith_queue *q = arg;
    int node = kith_node();

    return kith_put(*q, node) < 0;
}

/* Who has never heard of a node waits longer for its first sign of life. */
static void all_have_met(int last)
{
    kith_queue answer = kith_queue_open(0), there;

    ends_well(kith_process_start_with(opens_queue, KITH_ARG(answer), .node = KITH_NODE(last)));
    MUST(kith_get(answer, &there) == 0);
    for (int k = 1; k < last; k++)
        ends_well(kith_process_start_with(puts_there, KITH_ARG(there), .node = KITH_NODE(k)));
}

/* The first node of the chain is the last one of the job, which is lost while it fetches, or soon after: the
 * others get it all the same. */
static void share_lose(void)
{
    struct reader r = { squares(), kith_queue_open(0) };
    kith_process first, others[16];
    int last = kith_nodes() - 1, node;

    all_have_met(last);
    first = kith_process_start_with(reads_shared, KITH_ARG(r), .node = KITH_NODE(last));
    MUST(kith_get(r.began, &node) == 0 && node == last);
    for (int k = 1; k < last && k < 16; k++)
        others[k] = kith_process_start_with(reads_shared, KITH_ARG(r), .node = KITH_NODE(k));
    printf("ready\n");
    for (int k = 1; k < last && k < 16; k++)
        ends_well(others[k]);
    kith_process_join(first, KITH_FOREVER);
    MUST(kith_shared_close(r.s) == 0);
}

/* Until there is no such file. */
static void wait_for_end(const char *file)
{
    printf("ready\n");
    while (access(file, F_OK) == 0)
        usleep(20000);
}

/* ----------------------------------------------------------------------- frames */

enum { FRAMES_MIB = 128, FRAMES_WARM = 32, MIB = 1 << 20 };

/* Page faults so far of this node's agent, the only one in its namespace. -1: it is not there. */
static long faults_of_agent(void)
{
    FILE *stats = popen("cat /proc/[0-9]*/stat 2>/dev/null | grep '(kith-agent)'", "r");
    char line[512] = "";
    long faults = -1;

    if (stats && fgets(line, sizeof line, stats))
        sscanf(line, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %ld", &faults);
    if (stats)
        pclose(stats);
    return faults;
}

struct frames {
    kith_queue items, seen;
};

static int puts_frames(const void *arg)
{
    const struct frames *f = arg;
    char *item = calloc(1, MIB);
    long before = 0, faults;

    MUST(item);
    for (int i = 0; i < FRAMES_MIB; i++) {
        if (i == FRAMES_WARM)
            before = faults_of_agent();
        MUST(kith_queue_put(f->items, item, MIB, KITH_FOREVER) == 0);
    }
    faults = faults_of_agent() - before;
    MUST(before > 0 && kith_put(f->seen, faults) == 0);
    free(item);
    return 0;
}

/* How often the agents touch new pages for what goes through them: of items, once where they arrive, and of
 * the buffers, in which they are encrypted and sent, hardly ever. */
static void frames(void)
{
    struct frames f = { kith_queue_open(4), kith_queue_open(0) };
    kith_process p = kith_process_start_with(puts_frames, KITH_ARG(f), .node = KITH_NODE(1));
    const long pages = (FRAMES_MIB - FRAMES_WARM) * (long)(MIB / 4096);
    char *item = malloc(MIB);
    long before = 0, there, here;

    MUST(item);
    for (int i = 0; i < FRAMES_MIB; i++) {
        if (i == FRAMES_WARM)
            before = faults_of_agent();
        MUST(kith_queue_get(f.items, item, MIB, KITH_FOREVER) == MIB);
    }
    here = faults_of_agent() - before;
    MUST(before > 0 && kith_get(f.seen, &there) == 0);
    ends_well(p);
    printf("%ld faults for %ld pages sent, %ld where they arrived\n", there, pages, here);
    free(item);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    if (strcmp(what, "tour") == 0)
        tour();
    else if (strcmp(what, "stream") == 0)
        stream(argc > 2 ? atoi(argv[2]) : 3000);
    else if (strcmp(what, "lose") == 0)
        lose();
    else if (strcmp(what, "share") == 0)
        share();
    else if (strcmp(what, "share-lose") == 0)
        share_lose();
    else if (strcmp(what, "frames") == 0)
        frames();
    else
        wait_for_end(argc > 2 ? argv[2] : "");
    printf("done\n");
    return kith_finalize();
}
