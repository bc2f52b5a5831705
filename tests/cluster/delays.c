/* delays: what delays.sh runs on nodes that are far from each other, or busy with each other. The last line
 * is "done". delays map PERCENT | objects MS | large MIB */
#define _GNU_SOURCE
#include "config.h"
#include "must.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { MIB = 1 << 20 };

/* -------------------------------------------------------------------------- map */

enum { TASKS = 1000, TASK_US = 10000, MAPS = 5 };

static const double CALM_MS = 0.4, HOME_PERCENT = 95;

struct slept {
    int worker;
    double root, ms;
};

/* It takes as long as this machine lets it sleep. */
static int slow_root(const void *in, void *out)
{
    struct slept *s = out;
    double x, begin = kith_time();

    nap(TASK_US);
    memcpy(&x, in, sizeof x);
    *s = (struct slept){ kith_worker(), sqrt(x), 1e3 * (kith_time() - begin) };
    return 0;
}

struct played {
    double home,
        far;     /* of their time the workers of this node and of others spend so many percent in tasks */
    double late; /* ms that a task sleeps too long: what this machine makes whoever wakes up wait */
};

static struct played play_map(kith_pool pool, int workers)
{
    static double x[TASKS];
    static struct slept y[TASKS];
    int here = workers / kith_nodes(); /* the first ones */
    double all = 0, far = 0, begin, took;

    for (int i = 0; i < TASKS; i++)
        x[i] = i;
    begin = kith_time();
    MUST(kith_pool_map(pool, slow_root, x, sizeof *x, y, sizeof *y, TASKS) == 0);
    took = 1e3 * (kith_time() - begin);
    for (int i = 0; i < TASKS; i++) {
        MUST(y[i].root == sqrt(x[i]) && y[i].worker >= 0 && y[i].worker < workers);
        all += y[i].ms;
        far += y[i].worker >= here ? y[i].ms : 0;
    }
    return (struct played){ .home = 100 * (all - far) / took / here,
                            .far = 100 * far / took / (workers - here),
                            .late = all / TASKS - TASK_US * 1e-3 };
}

/* One map must come to percent, and those at home do not wait for others. Where this machine lets whoever
 * wakes up wait for a CPU, which may take 0.2 s, the others say nothing. */
static void map(double percent)
{
    kith_pool pool = kith_pool_open_with(0, .nodes = -1);
    int workers = kith_pool_workers(pool), calm = 0, well = 0;

    MUST(kith_check(pool) == 0 && workers >= kith_nodes());
    for (int i = 0; i < MAPS && !well; i++) {
        struct played p = play_map(pool, workers);

        printf("map %d: workers are in tasks for %.0f percent of their time, far ones for %.0f; these sleep "
               "%.1f "
               "ms too long\n",
               i + 1, p.home, p.far, p.late);
        calm += p.late < CALM_MS;
        well = p.far >= percent && p.home >= HOME_PERCENT;
    }
    MUST(kith_pool_close(pool) == 0);
    printf(well ? "well\n" : calm ? "badly\n" : "nobody knows: this machine is too busy\n");
}

/* ---------------------------------------------------------------------- objects */

/* One of each kind. All but over are at home on the far node. */
struct things {
    kith_queue to, back, counts;
    kith_lock lock;
    kith_value turns, over;
    kith_dict squares;
    kith_pipe end[2];
};

/* What the lock protects is changed in two steps. */
static void takes_turn(const struct things *t)
{
    int turns;

    MUST(kith_lock_acquire(t->lock, KITH_FOREVER) == 0);
    MUST(kith_load(t->turns, &turns) == 0);
    turns++;
    MUST(kith_store(t->turns, turns) == 0);
    MUST(kith_lock_release(t->lock) == 0);
}

static int takes_turns(const void *arg)
{
    const struct things *t = arg;
    int over = 0, count = 0;

    for (; !over; count++) {
        takes_turn(t);
        nap(5000);
        MUST(kith_load(t->over, &over) == 0);
    }
    return kith_put(t->counts, count) < 0;
}

static int passes_on(const void *arg)
{
    const struct things *t = arg;
    int x;

    do {
        MUST(kith_get(t->to, &x) == 0);
        MUST(kith_put(t->back, x) == 0);
    } while (x >= 0);
    return 0;
}

/* Opens all, and sends back what comes by the Pipe. */
static int owns(const void *arg)
{
    const struct things *home = arg;
    int zero = 0, x;
    struct things t = { kith_queue_open(0),  kith_queue_open(0), home->counts,     kith_lock_open(),
                        kith_value_of(zero), home->over,         kith_dict_open(), { { 0 }, { 0 } } };

    MUST(kith_pipe_open(t.end) == 0);
    MUST(kith_check(kith_process_start(takes_turns, KITH_ARG(t))) == 0);
    MUST(kith_check(kith_process_start(passes_on, KITH_ARG(t))) == 0);
    MUST(kith_put(home->back, t) == 0);
    do {
        MUST(kith_recv(t.end[1], &x) == 0);
        MUST(kith_send(t.end[1], x) == 0);
    } while (x >= 0);
    return 0;
}

/* A number makes its way through all of them. */
static void goes_round(const struct things *t, int i)
{
    int square = i * i, got = -2;

    MUST(kith_put(t->to, i) == 0);
    takes_turn(t);
    MUST(kith_dict_set(t->squares, &i, sizeof i, &square, sizeof square) == 0);
    MUST(kith_dict_get(t->squares, &i, sizeof i, &got, sizeof got) == sizeof got && got == square);
    MUST(kith_get(t->back, &got) == 0 && got == i);
    MUST(kith_send(t->end[0], i) == 0);
    MUST(kith_recv(t->end[0], &got) == 0 && got == i);
}

static void objects(double ms)
{
    int zero = 0, one = 1, end = -1, got, rounds = 0, count, turns;
    struct things home = { .back = kith_queue_open(0),
                           .counts = kith_queue_open(0),
                           .over = kith_value_of(zero) },
                  t;
    kith_process p = kith_process_start_with(owns, KITH_ARG(home), .node = KITH_NODE(kith_nodes() - 1));
    double begin = kith_time();

    MUST(kith_check(p) == 0 && kith_get(home.back, &t) == 0);
    for (; rounds == 0 || kith_time() - begin < ms * 1e-3; rounds++) {
        goes_round(&t, rounds);
        if (rounds == 0)
            printf("ready\n");
        fflush(stdout);
    }
    MUST(kith_store(home.over, one) == 0 && kith_get(home.counts, &count) == 0);
    MUST(kith_load(t.turns, &turns) == 0 && turns == rounds + count && count > 0);
    MUST(kith_dict_len(t.squares) == rounds);
    MUST(kith_put(t.to, end) == 0 && kith_get(t.back, &got) == 0 && got == end);
    MUST(kith_send(t.end[0], end) == 0 && kith_recv(t.end[0], &got) == 0 && got == end);
    MUST(kith_process_join(p, 60000) == 0 && kith_process_exitcode(p, &got) == 0 && got == 0);
    printf("%d rounds, %d turns\n", rounds, turns);
}

/* ------------------------------------------------------------------------ large */

struct meeting {
    kith_queue far, times;
    kith_value word, over; /* the one there, the other here */
};

static int opens(const void *arg)
{
    const kith_queue *answer = arg;
    uint64_t zero = 0;
    struct meeting m = { .far = kith_queue_open(0), .word = kith_value_of(zero) };

    return kith_put(*answer, m) < 0;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

struct times {
    int count;
    double median, worst, when; /* ms */
};

/* Adds to the word there until all is over. */
static int asks(const void *arg)
{
    enum { MOST = 1 << 20 };
    const struct meeting *m = arg;
    double *ms = malloc(MOST * sizeof *ms), begin, start = kith_time();
    struct times t = { 0 };
    uint64_t one = 1;
    int over = 0;

    MUST(ms);
    while (!over && t.count < MOST) {
        begin = kith_time();
        MUST(kith_add(m->word, one) >= 0);
        ms[t.count] = 1e3 * (kith_time() - begin);
        if (ms[t.count] > t.worst) {
            t.worst = ms[t.count];
            t.when = 1e3 * (begin - start);
        }
        t.count++;
        nap(2000);
        MUST(kith_load(m->over, &over) == 0);
    }
    qsort(ms, (size_t)t.count, sizeof *ms, compare);
    t.median = ms[t.count / 2];
    free(ms);
    return kith_put(m->times, t) < 0;
}

/* What 8 bytes take while something else goes on. */
static void beside(struct meeting *m, const char *what, void (*f)(const struct meeting *m, void *arg),
                   void *arg)
{
    int no = 0, yes = 1, code = 1;
    kith_process p;
    struct times t;
    double begin;

    MUST(kith_store(m->over, no) == 0);
    p = kith_process_start_with(asks, m, sizeof *m, .node = KITH_NODE(0));
    begin = kith_time();
    f(m, arg);
    begin = kith_time() - begin;
    MUST(kith_store(m->over, yes) == 0 && kith_get(m->times, &t) == 0);
    MUST(kith_process_join(p, 30000) == 0 && kith_process_exitcode(p, &code) == 0 && code == 0);
    printf("%s %.1f s: of %d requests the median %.2f ms, the worst %.1f ms, after %.0f ms\n", what, begin,
           t.count, t.median, t.worst, t.when);
    fflush(stdout);
}

static void rests(const struct meeting *m, void *arg)
{
    (void)m;
    (void)arg;
    nap(1000000);
}

/* As the two busiest threads of an agent do, but for what they say to each other. */
static int burns(const void *arg)
{
    static unsigned char from[1 << 18], to[1 << 18];
    double begin = kith_time();

    (void)arg;
    for (unsigned i = 0; kith_time() - begin < 1; i++) {
        from[i % sizeof from]++;
        memcpy(to, from, sizeof to);
        MUST(to[i % sizeof to] == from[i % sizeof to]);
    }
    return 0;
}

static void burn(const struct meeting *m, void *arg)
{
    kith_process p[4];

    (void)m;
    (void)arg;
    for (int i = 0; i < 4; i++)
        p[i] = kith_process_start_with(burns, NULL, 0, .node = KITH_NODE(i % 2));
    for (int i = 0; i < 4; i++)
        MUST(kith_process_join(p[i], 30000) == 0);
}

struct large {
    unsigned char *bytes;
    size_t size;
};

static void puts_it(const struct meeting *m, void *arg)
{
    const struct large *l = arg;

    MUST(kith_queue_put(m->far, l->bytes, l->size, KITH_FOREVER) == 0);
}

static void gets_it(const struct meeting *m, void *arg)
{
    struct large *l = arg;

    MUST(kith_queue_get(m->far, l->bytes, l->size, KITH_FOREVER) == (int64_t)l->size);
}

/* To the other node and back again, one number in each of its MiB. The pages between are never written: it
 * takes memory in kith only. */
static void large(size_t mib)
{
    struct large l = { NULL, mib * MIB };
    kith_queue answer = kith_queue_open(0);
    struct meeting m;
    int zero = 0;

    MUST(kith_check(kith_process_start_with(opens, KITH_ARG(answer), .node = KITH_NODE(1))) == 0);
    MUST(kith_get(answer, &m) == 0);
    m.times = kith_queue_open(0);
    m.over = kith_value_of(zero);
    l.bytes = mmap(NULL, l.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    MUST(l.bytes != MAP_FAILED);
    madvise(l.bytes, l.size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < mib; i++)
        memcpy(l.bytes + i * MIB + i, &i, sizeof i);
    beside(&m, "idle", rests, NULL);
    beside(&m, "busy", burn, NULL);
    beside(&m, "put", puts_it, &l);
    memset(l.bytes, 1, 1);
    beside(&m, "get", gets_it, &l);
    for (size_t i = 0, x; i < mib; i++) {
        memcpy(&x, l.bytes + i * MIB + i, sizeof x);
        MUST(x == i);
    }
    MUST(kith_queue_close(m.far) == 0);
    munmap(l.bytes, l.size);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    if (strcmp(what, "map") == 0)
        map(argc > 2 ? atof(argv[2]) : 0);
    else if (strcmp(what, "objects") == 0)
        objects(argc > 2 ? atof(argv[2]) : 1000);
    else
        large(argc > 2 ? (size_t)atoi(argv[2]) : 64);
    printf("done\n");
    return kith_finalize();
}
