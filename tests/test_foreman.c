/* test_foreman.c: a pool with workers beyond its own: a foreman and its branch, on the same node here, and
 * all that they say to the pool goes through the agent. */
#include "config.h"
#include "netjob.h"
#include "pool/branch.h"
#include "pool/pool.h"
#include "pool/spread.h"

#include <math.h>
#include <sched.h>
#include <sys/mman.h>

enum { N = 5000 };

static kith_pool pool;
static struct kith__object *object;
static struct kith__spread *plan;

/* One worker at home, and a branch of so many. */
static void open_pool(uint32_t workers, const struct kith_pool_options *o)
{
    struct kith_pool_options all = { 0 };

    plan = calloc(1, sizeof *plan + sizeof plan->of[0]);
    *plan = (struct kith__spread){ .here = 1, .all = 1 + workers, .count = 1 };
    plan->of[0] = (struct kith__share){ .node = 0, .workers = workers, .first_worker = 1 };
    if (o)
        all = *o;
    all.nodes = -1;
    REQUIRE(kith__pool_open_spread(plan, &all, &pool.id) == 0);
    REQUIRE(kith__pool_find(pool, &object) == 0);
}

static void close_pool(void)
{
    REQUIRE(kith_pool_close(pool) == 0);
    free(plan);
}

/* The job of the last call: it may have any place. NULL: there was none yet. */
static struct kith__job *last_job(void)
{
    const struct kith__pool *p = kith__pool_body(object);
    uint64_t seq = atomic_load(&p->seq);

    for (uint32_t i = 0; i < kith__posts(p); i++) {
        struct kith__job *j = kith__post_job(kith__post(p, i));

        if (j && j->seq == seq)
            return j;
    }
    return NULL;
}

/* Units that the branch has done of it. */
static uint64_t done_by_branch(void)
{
    const struct kith__job *j = last_job();

    return j ? atomic_load(&j->cells[kith__pool_body(object)->workers].done) : 0;
}

static double slow_root(double x)
{
    usleep(100);
    return sqrt(x);
}

static int plus_one(int x)
{
    return x + 1;
}

static int who_am_i(const void *in, void *out)
{
    int worker = kith_worker();

    (void)in;
    usleep(1000);
    memcpy(out, &worker, sizeof worker);
    return 0;
}

static void in_map(void)
{
    static double x[N], y[N];
    static int who[N / 100];
    int seen[4] = { 0 };

    open_pool(3, NULL);
    REQUIRE(kith_pool_workers(pool) == 4);
    for (int i = 0; i < N; i++)
        x[i] = i;
    REQUIRE(kith_map(pool, slow_root, x, y, N) == 0);
    for (int i = 0; i < N; i++)
        REQUIRE(y[i] == sqrt(x[i]));
    REQUIRE(done_by_branch() > 0);
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, who, sizeof *who, N / 100) == 0);
    for (int i = 0; i < N / 100; i++) {
        REQUIRE(who[i] >= 0 && who[i] < 4);
        seen[who[i]]++;
    }
    REQUIRE(seen[0] > 0 && seen[1] + seen[2] + seen[3] > 0);
    REQUIRE(kith_processes(NULL, 0) == 0); /* nobody hears of the foreman */
    close_pool();
}

/* ---- the same results, whoever computes */

static double block_sum(uint64_t lo, uint64_t hi, const void *arg)
{
    double sum = 0;

    (void)arg;
    for (uint64_t i = lo; i < hi; i++)
        sum += 1.0 / ((double)i + kith_uniform(0, 1));
    usleep(100);
    return sum;
}

static int block_most(uint64_t lo, uint64_t hi, const void *arg, void *out)
{
    const double *scale = arg;
    double most = 0;

    for (uint64_t i = lo; i < hi; i++) {
        double value = sin((double)i) * *scale;

        most = value > most ? value : most;
    }
    usleep(100);
    memcpy(out, &most, sizeof most);
    return 0;
}

static void larger(void *total, const void *part)
{
    double a, b;

    memcpy(&a, total, sizeof a);
    memcpy(&b, part, sizeof b);
    if (b > a)
        memcpy(total, &b, sizeof b);
}

static struct results *alone; /* these are seen by all jobs */
static uint64_t *marks;

static int mark_range(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    for (uint64_t i = lo; i < hi; i++)
        marks[i]++;
    usleep(50);
    return 0;
}

static int draw(const void *in, void *out)
{
    double x = kith_uniform(0, 1);

    (void)in;
    usleep(50);
    memcpy(out, &x, sizeof x);
    return 0;
}

struct results {
    double sum, most, drawn[2000], by_cost[2000], single[200];
};

static void compute(kith_pool p, struct results *r)
{
    static double costs[2000];
    kith_result single[200];
    double scale = 3;

    memset(r, 0, sizeof *r);
    REQUIRE(kith_pool_sum(p, block_sum, NULL, 0, 3000, &r->sum) == 0);
    REQUIRE(kith_pool_reduce(p, block_most, &scale, sizeof scale, 3000, larger, &r->most, sizeof r->most) ==
            0);
    REQUIRE(kith_pool_map(p, draw, NULL, 0, r->drawn, sizeof *r->drawn, 2000) == 0);
    for (int i = 0; i < 2000; i++)
        costs[i] = i * 7919 % 2000;
    REQUIRE(kith_pool_map_costs(p, draw, NULL, 0, r->by_cost, sizeof *r->by_cost, 2000, costs) == 0);
    for (int i = 0; i < 200; i++)
        single[i] = kith_pool_apply_async(p, draw, NULL, 0, sizeof(double));
    for (int i = 0; i < 200; i++)
        REQUIRE(kith_get(single[i], &r->single[i]) == 0);
}

static void in_alone(void)
{
    kith_pool p = kith_pool_open(1);

    compute(p, alone);
    REQUIRE(kith_pool_close(p) == 0);
}

static void in_same(void)
{
    static struct results shared;

    open_pool(3, NULL);
    compute(pool, &shared);
    REQUIRE(memcmp(alone, &shared, sizeof shared) == 0);
    memset(marks, 0, 5000 * sizeof *marks);
    REQUIRE(kith_pool_for(pool, mark_range, NULL, 0, 5000) == 0);
    for (int i = 0; i < 5000; i++)
        REQUIRE(marks[i] == 1);
    REQUIRE(done_by_branch() > 0);
    close_pool();
}

/* ---- data in place, and large data */

static double doubled(double x)
{
    usleep(100);
    return 2 * x;
}

/* It writes a part of its result only: in place the rest is there. */
static int count_up(const void *in, void *out)
{
    int x;

    memcpy(&x, in, sizeof x);
    x++;
    usleep(100);
    memcpy(out, &x, sizeof x);
    return 0;
}

enum { LARGE = 300000, LARGE_N = 40 };

static int invert(const void *in, void *out)
{
    const unsigned char *from = in;
    unsigned char *to = out;

    REQUIRE((uintptr_t)in % 8 == 0 && (uintptr_t)out % 8 == 0);
    for (int i = 0; i < LARGE; i++)
        to[i] = (unsigned char)~from[i];
    usleep(1000);
    return 0;
}

static void in_data(void)
{
    unsigned char *large = malloc((size_t)LARGE * LARGE_N), *inverse = malloc((size_t)LARGE * LARGE_N);
    double *x;

    open_pool(2, NULL);
    x = kith_alloc(4000 * sizeof *x);
    for (int i = 0; i < 4000; i++)
        x[i] = i;
    REQUIRE(kith_map(pool, doubled, x, x, 4000) == 0);
    for (int i = 0; i < 4000; i++)
        REQUIRE(x[i] == 2.0 * i);
    REQUIRE(done_by_branch() > 0);
    for (int i = 0; i < 4000; i++)
        memcpy(&x[i], (int[2]){ i, -i }, sizeof x[i]);
    REQUIRE(kith_pool_map(pool, count_up, x, sizeof *x, x, sizeof *x, 4000) == 0);
    for (int i = 0; i < 4000; i++)
        REQUIRE(memcmp(&x[i], (int[2]){ i + 1, -i }, sizeof x[i]) == 0);
    REQUIRE(done_by_branch() > 0);
    for (size_t i = 0; i < (size_t)LARGE * LARGE_N; i++)
        large[i] = (unsigned char)(i * 7 + i / LARGE);
    REQUIRE(kith_pool_map(pool, invert, large, LARGE, inverse, LARGE, LARGE_N) == 0);
    for (size_t i = 0; i < (size_t)LARGE * LARGE_N; i++)
        REQUIRE(inverse[i] == (unsigned char)~large[i]);
    REQUIRE(done_by_branch() > 0);
    kith_free(x);
    free(large);
    free(inverse);
    close_pool();
}

/* ---- an order, and results of any size */

struct drawn {
    double x, random;
};

static int draws(const void *in, void *out)
{
    struct drawn d;

    memcpy(&d.x, in, sizeof d.x);
    usleep(100);
    if ((int)d.x % 500 == 123)
        return kith_fail(4, "not %d", (int)d.x);
    d.random = kith_uniform(0, 1);
    memcpy(out, &d, sizeof d);
    return 0;
}

/* Each as often as its number says. */
static int repeat(const void *in, kith_bytes *out)
{
    int n;
    char *bytes;

    memcpy(&n, in, sizeof n);
    usleep(100);
    if (n % 100 == 0)
        return n % 200 ? kith_fail(4, "not %d", n) : 0; /* nothing */
    if (!(bytes = kith_alloc((size_t)n)))
        return kith_fail(5, "no memory");
    memset(bytes, n % 251, (size_t)n);
    *out = (kith_bytes){ bytes, (size_t)n };
    return 0;
}

/* The dearest are first, whoever runs them, and wherever x and y lie. */
static void check_order(kith_pool p, const double *x, struct drawn *y)
{
    static double costs[2000];
    struct kith_fault f;
    size_t faults = 0;

    for (int i = 0; i < 2000; i++) {
        costs[i] = i * 7919 % 2000;
        y[i] = (struct drawn){ -1, -1 };
    }
    REQUIRE(kith_pool_map_costs(p, draws, x, sizeof *x, y, sizeof *y, 2000, costs) == KITH_ETASK);
    for (; kith_last_fault(&f, faults) == 0; faults++)
        REQUIRE(f.task % 500 == 123 && f.code == 4);
    REQUIRE(faults == 4);
    for (int i = 0; i < 2000; i++)
        REQUIRE(i % 500 == 123 ? y[i].x == -1 : y[i].x == i && y[i].random >= 0);
}

static void in_order(void)
{
    static double own_x[2000];
    static struct drawn own_y[2000];
    struct drawn *y;
    double *x;

    open_pool(3, NULL);
    x = kith_alloc(2000 * sizeof *x);
    y = kith_alloc(2000 * sizeof *y);
    REQUIRE(x && y);
    for (int i = 0; i < 2000; i++)
        x[i] = own_x[i] = i;
    check_order(pool, own_x, own_y);
    REQUIRE(done_by_branch() > 0);
    check_order(pool, x, y);
    REQUIRE(done_by_branch() > 0);
    kith_free(x);
    kith_free(y);
    close_pool();
}

static void in_bytes(void)
{
    enum { COUNT = 1000 };
    static int n[COUNT];
    static kith_bytes own[COUNT];
    kith_bytes *out = kith_alloc(sizeof own);

    open_pool(3, NULL);
    for (int i = 0; i < COUNT; i++)
        n[i] = i;
    for (int round = 0; round < 2; round++, out = round == 1 ? own : out) {
        REQUIRE(kith_pool_map_bytes(pool, repeat, n, sizeof *n, out, COUNT) == KITH_ETASK);
        REQUIRE(done_by_branch() > 0);
        for (int i = 0; i < COUNT; i++) {
            const unsigned char *bytes = out[i].data;

            REQUIRE(out[i].size == (size_t)(i % 100 ? i : 0));
            for (size_t k = 0; k < out[i].size; k++)
                REQUIRE(bytes[k] == i % 251);
            REQUIRE(kith_free(out[i].data) == 0);
        }
        if (round == 0)
            kith_free(out);
    }
    close_pool();
}

/* ---- what must stay at home */

struct part {
    double x;
    double *table; /* may be in memory of kith_alloc */
};

static int looks_up(const void *in, void *out)
{
    const struct part *p = in;
    double y = p->table ? p->table[0] + p->x : p->x;

    usleep(200);
    memcpy(out, &y, sizeof y);
    return 0;
}

static int adds_table(const void *in, void *out, const void *arg)
{
    const struct part *p = arg;
    double x;

    memcpy(&x, in, sizeof x);
    usleep(200);
    x += p->table[0];
    memcpy(out, &x, sizeof x);
    return 0;
}

static int counts_range(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    usleep(100);
    for (uint64_t i = lo; i < hi; i++)
        marks[i]++;
    return 0;
}

/* Where tasks are given addresses of this node, other nodes get none of them. */
static void in_addresses(void)
{
    struct part parts[300];
    double y[300], x[300] = { 0 };
    kith_result r;

    open_pool(3, NULL);
    for (int i = 0; i < 300; i++)
        parts[i] = (struct part){ i, NULL };
    REQUIRE(kith_pool_map(pool, looks_up, parts, sizeof *parts, y, sizeof *y, 300) == 0);
    REQUIRE(done_by_branch() > 0);
    parts[100].table = kith_alloc(sizeof(double));
    *parts[100].table = 0.5;
    for (int i = 0; i < 300; i++)
        parts[i].table = parts[100].table;
    REQUIRE(kith_pool_map(pool, looks_up, parts, sizeof *parts, y, sizeof *y, 300) == 0);
    REQUIRE(done_by_branch() == 0);
    REQUIRE(kith_pool_map_with(pool, adds_table, x, sizeof *x, y, sizeof *y, 300, &parts[0],
                               sizeof parts[0]) == 0);
    REQUIRE(done_by_branch() == 0 && y[299] == 0.5);
    for (int i = 0; i < 20; i++) {
        r = kith_pool_apply_async(pool, looks_up, &parts[i], sizeof *parts, sizeof *y);
        REQUIRE(kith_get(r, &y[i]) == 0 && y[i] == i + 0.5);
    }
    REQUIRE(done_by_branch() == 0);
    kith_free(parts[0].table);
    close_pool();
}

static int measures(const void *in, void *out)
{
    const char *text;
    int length;

    memcpy(&text, in, sizeof text);
    length = (int)strlen(text);
    usleep(200);
    memcpy(out, &length, sizeof length);
    return 0;
}

static int echoes(const void *in, void *out)
{
    usleep(200);
    memcpy(out, in, sizeof(uint64_t));
    return 0;
}

/* What was there before kith_init is at the same place in workers here; and numbers are none of that, also
 * where they are as large as addresses. */
static void in_pointers(void)
{
    static char before[] = "set before";
    static uint64_t numbers[300], got[300];
    static int length[300];
    const char *texts[300];

    open_pool(3, NULL);
    for (int i = 0; i < 300; i++)
        texts[i] = i % 2 ? before : "a literal";
    REQUIRE(kith_pool_map(pool, measures, texts, sizeof *texts, length, sizeof *length, 300) == 0);
    REQUIRE(done_by_branch() == 0 && length[0] == 9 && length[1] == 10);
    for (uint64_t i = 0; i < 300; i++) /* in the arena, but in no block */
        numbers[i] =
            (uint64_t)(uintptr_t)kith__at(kith__places.heap_start + kith__places.heap_size) - 64 * i - 64;
    REQUIRE(kith_pool_map(pool, echoes, numbers, sizeof *numbers, got, sizeof *got, 300) == 0);
    REQUIRE(done_by_branch() > 0 && memcmp(numbers, got, sizeof got) == 0);
    for (uint64_t i = 0; i < 300; i++)
        numbers[i] = i * 1000003;
    REQUIRE(kith_pool_map(pool, echoes, numbers, sizeof *numbers, got, sizeof *got, 300) == 0);
    REQUIRE(done_by_branch() > 0 && memcmp(numbers, got, sizeof got) == 0);
    close_pool();
}

/* Of a pool that nobody has said of which nodes it is. */
static void in_default(void)
{
    double y[300];

    plan = calloc(1, sizeof *plan + sizeof plan->of[0]);
    *plan = (struct kith__spread){ .here = 1, .all = 4, .count = 1 };
    plan->of[0] = (struct kith__share){ .node = 0, .workers = 3, .first_worker = 1 };
    REQUIRE(kith__pool_open_spread(plan, &(struct kith_pool_options){ 0 }, &pool.id) == 0);
    REQUIRE(kith__pool_find(pool, &object) == 0);
    REQUIRE(kith_pool_for(pool, counts_range, NULL, 0, 1000) == 0);
    REQUIRE(done_by_branch() == 0);
    REQUIRE(kith_pool_map(pool, draw, NULL, 0, y, sizeof *y, 300) == 0);
    REQUIRE(done_by_branch() > 0);
    close_pool();
}

/* ---- what is told of its workers */

static void in_stats(void)
{
    static double x[N], y[N];
    struct kith_pool_stats all;
    struct kith_worker_stats w;
    uint64_t tasks = 0, elsewhere = 0;

    open_pool(3, NULL);
    REQUIRE(kith_map(pool, slow_root, x, y, N) == 0);
    for (int i = 0; i < 4; i++) {
        REQUIRE(kith_worker_stats(pool, i, &w) == 0);
        REQUIRE(w.processes == 1 && w.busy > 0);
        tasks += w.tasks;
        elsewhere += i > 0 ? w.tasks : 0;
    }
    REQUIRE(tasks == N && elsewhere == done_by_branch());
    REQUIRE(kith_worker_stats(pool, 4, &w) == KITH_EINVAL);
    REQUIRE(strstr(kith_last_error(), "its 4 begin with 0") != NULL);
    REQUIRE(kith_pool_stats(pool, &all) == 0);
    REQUIRE(all.workers == 4 && all.all.tasks == N && all.all.processes == 4 && all.slowest_count == 5);
    for (size_t i = 0; i < all.slowest_count; i++) {
        REQUIRE(strcmp(all.slowest[i].function, "slow_root") == 0);
        REQUIRE(all.slowest[i].worker >= 0 && all.slowest[i].worker < 4);
        REQUIRE(all.slowest[i].task + all.slowest[i].count <= N);
    }
    close_pool();
}

static void in_log(void)
{
    static double x[N], y[N];
    int value;

    open_pool(3, NULL);
    REQUIRE(kith_apply(pool, plus_one, &value, 1) == 0);
    REQUIRE(kith_map(pool, slow_root, x, y, N) == 0);
    REQUIRE(done_by_branch() > 0);
    close_pool();
}

/* Each task of the map is in one line of the same call. */
static void check_log(const char *file)
{
    static int count[N];
    FILE *f = fopen(file, "r");
    int workers[4] = { 0 }, worker;
    unsigned long long seq, first, last, call = 0;
    char line[1024], name[64];

    CU_ASSERT_FATAL(f != NULL);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%llu\t%*s\t%*f\t%*f\t%*u\t%*u\t%*d\t%*d\t%63s %llu-%llu worker %d", &seq, name,
                   &first, &last, &worker) != 5 ||
            strcmp(name, "slow_root") != 0)
            continue;
        CU_ASSERT_FATAL(first <= last && last < N && worker >= 0 && worker < 4);
        CU_ASSERT(call == 0 || call == seq);
        call = seq;
        workers[worker]++;
        for (; first <= last; first++)
            count[first]++;
    }
    fclose(f);
    for (int i = 0; i < N; i++)
        CU_ASSERT_EQUAL(count[i], 1);
    CU_ASSERT(workers[0] > 0 && workers[1] + workers[2] + workers[3] > 0);
}

/* ---- faults */

/* Fails, crashes, exits there; at home it is slow, so that the branch gets most. */
static int falls(const void *in, void *out)
{
    int i;

    memcpy(&i, in, sizeof i);
    memcpy(out, &i, sizeof i);
    if (kith_worker() == 0)
        usleep(3000);
    else if (i % 100 == 17)
        return kith_fail(i, "no %d", i);
    else if (i % 100 == 18)
        raise(SIGKILL);
    else if (i % 100 == 19)
        _exit(5);
    return 0;
}

static void in_faults(void)
{
    static int x[1000], y[1000];
    struct kith_fault f;
    int failed = 0;

    for (int i = 0; i < 1000; i++)
        x[i] = i, y[i] = -1;
    open_pool(2, &(struct kith_pool_options){ .tries = 1 });
    REQUIRE(kith_pool_map(pool, falls, x, sizeof *x, y, sizeof *y, 1000) == KITH_ETASK);
    for (; kith_last_fault(&f, (size_t)failed) == 0; failed++) {
        REQUIRE(f.worker == 1 || f.worker == 2);
        REQUIRE(f.task % 100 >= 17 && f.task % 100 <= 19 && f.pid > 0);
        if (f.task % 100 == 17)
            REQUIRE(f.end == KITH_END_FAILED && f.code == (int)f.task && strncmp(f.text, "no ", 3) == 0);
        else if (f.task % 100 == 18)
            REQUIRE(f.end == KITH_END_SIGNALLED && f.signal == SIGKILL);
        else
            REQUIRE(f.end == KITH_END_EXITED && f.code == 5);
        x[f.task] = -1;
    }
    REQUIRE(failed > 3);
    for (int i = 0; i < 1000; i++)
        REQUIRE(x[i] == -1 || y[i] == i);
    close_pool();
}

static int always_fails(const void *in, void *out)
{
    (void)in;
    (void)out;
    usleep(100);
    return 3;
}

static void in_halt(void)
{
    open_pool(2, &(struct kith_pool_options){ .halt = 5 });
    REQUIRE(kith_pool_map(pool, always_fails, NULL, 0, NULL, 0, 100000) == KITH_ETASK);
    REQUIRE(strstr(kith_last_error(), ".halt") != NULL);
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, (int[50]){ 0 }, sizeof(int), 50) == 0);
    close_pool();
}

/* Where nothing succeeds a hundred failures are enough, whoever had them; the caller has a cell, too. */
static void in_default_halt(void)
{
    open_pool(3, &(struct kith_pool_options){ .caller = 1 });
    REQUIRE(kith_pool_map(pool, always_fails, NULL, 0, NULL, 0, 20000) == KITH_ETASK);
    REQUIRE(strstr(kith_last_error(), ".halt") != NULL);
    close_pool();
}

/* ---- initializers */

static int prepared; /* in a worker */

static int prepare(const void *arg)
{
    memcpy(&prepared, arg, sizeof prepared);
    return 0;
}

static int is_prepared(const void *in, void *out)
{
    (void)in;
    usleep(500);
    memcpy(out, &prepared, sizeof prepared);
    return 0;
}

static int fails_elsewhere(const void *arg)
{
    (void)arg;
    return kith_worker() > 0 ? kith_fail(7, "worker %d is not well", kith_worker()) : 0;
}

static void in_init(void)
{
    int value = 4711, got[200];
    const struct kith_pool_options o = { .init = prepare, .arg = &value, .arg_size = sizeof value };

    open_pool(2, &o);
    REQUIRE(kith_pool_map(pool, is_prepared, NULL, 0, got, sizeof *got, 200) == 0);
    for (int i = 0; i < 200; i++)
        REQUIRE(got[i] == value);
    REQUIRE(done_by_branch() > 0);
    close_pool();
    plan = calloc(1, sizeof *plan + sizeof plan->of[0]);
    *plan = (struct kith__spread){ .here = 1, .all = 3, .count = 1 };
    plan->of[0] = (struct kith__share){ .node = 0, .workers = 2, .first_worker = 1 };
    REQUIRE(kith__pool_open_spread(plan, &(struct kith_pool_options){ .init = fails_elsewhere }, &pool.id) ==
            KITH_ETASK);
    REQUIRE(strstr(kith_last_error(), "is not well") != NULL);
    free(plan);
}

static int leaves(const void *arg)
{
    (void)arg;
    return kith_worker() == 2 ? kith_fail(8, "worker 2 does not like to go") : 0;
}

static void in_exit(void)
{
    struct kith_fault f;

    open_pool(2, &(struct kith_pool_options){ .exit = leaves });
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, (int[50]){ 0 }, sizeof(int), 50) == 0);
    REQUIRE(kith_pool_close(pool) == KITH_ETASK);
    REQUIRE(strstr(kith_last_error(), "does not like to go") != NULL);
    REQUIRE(kith_last_fault(&f, 0) == 0 && f.worker == 2 && f.code == 8);
    free(plan);
}

/* ---- ends */

/* Units that the branch has done of the call that is under way: for another thread than its own. */
static uint64_t done_so_far(void)
{
    const struct kith__pool *p = kith__pool_body(object);

    for (uint32_t i = 0; i < kith__posts(p); i++)
        if (atomic_load(&kith__post(p, i)->announced) != 0)
            return atomic_load(&kith__post_job(kith__post(p, i))->cells[p->workers].done);
    return 0;
}

static void *kills_foreman(void *nothing)
{
    int pid = kith_process_pid((kith_process){ (uint64_t)plan->of[0].process });

    (void)nothing;
    while (done_so_far() < 100)
        sleep_ms(1);
    kill(pid, SIGKILL);
    return NULL;
}

static void count_branch(struct kith__object *o, void *count)
{
    *(int *)count += kith__pool_body(o)->trunk.pool == pool.id;
}

static int branches(void)
{
    int count = 0;

    kith__objects_each(KITH__POOL_KIND, count_branch, &count);
    return count;
}

/* What it had is done by others. Then there is another one, and the branch of the first is no more. */
static void in_loss(void)
{
    static double x[N], y[N];
    pthread_t thread;
    int64_t begin;

    open_pool(3, NULL);
    for (int i = 0; i < N; i++)
        x[i] = i;
    REQUIRE(pthread_create(&thread, NULL, kills_foreman, NULL) == 0);
    REQUIRE(kith_map(pool, slow_root, x, y, N) == 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < N; i++)
        REQUIRE(y[i] == sqrt(x[i]));
    for (begin = kith__now_ns(); kith_pool_workers(pool) < 4 && ms_since(begin) < SOON * slowdown();)
        REQUIRE(kith_map(pool, slow_root, x, y, 100) == 0);
    REQUIRE(kith_pool_workers(pool) == 4);
    while (branches() > 1 && ms_since(begin) < 2 * SOON * slowdown())
        sleep_ms(1);
    REQUIRE(branches() == 1);
    REQUIRE(kith_map(pool, slow_root, x, y, N) == 0);
    REQUIRE(done_by_branch() > 0);
    for (int i = 0; i < N; i++)
        REQUIRE(y[i] == sqrt(x[i]));
    close_pool();
}

static _Atomic int *begun; /* tasks, by the branch; shared */

/* Called where a branch is opened, before its foreman joins. */
static int kills_its_foreman(const void *arg)
{
    (void)arg;
    if (kith_worker() <= 0 || atomic_exchange(begun, 0) == 0)
        return 0;
    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        if (atomic_load(&kith__member(i)->state) == KITH__RUNNING &&
            strcmp(kith__member(i)->name, "foreman") == 0)
            kill(atomic_load(&kith__member(i)->pid), SIGKILL);
    return 0;
}

/* A successor that dies before it has joined gets one, too. */
static void in_early_loss(void)
{
    int got[50];
    int64_t begin;

    atomic_store(begun, 0);
    open_pool(3, &(struct kith_pool_options){ .init = kills_its_foreman });
    atomic_store(begun, 1);
    kill(kith_process_pid((kith_process){ (uint64_t)plan->of[0].process }), SIGKILL);
    for (begin = kith__now_ns();
         (atomic_load(begun) == 1 || kith_pool_workers(pool) < 4) && ms_since(begin) < 2 * SOON * slowdown();)
        REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, got, sizeof *got, 50) == 0);
    REQUIRE(atomic_load(begun) == 0 && kith_pool_workers(pool) == 4);
    close_pool();
}

static int sleeps_long(const void *in, void *out)
{
    (void)in;
    (void)out;
    if (kith_worker() > 0)
        atomic_fetch_add(begun, 1);
    sleep(100);
    return 0;
}

static void await_begun(void)
{
    while (atomic_load(begun) == 0)
        sleep_ms(1);
    atomic_store(begun, 0);
}

/* Those under way are ended everywhere, and the pool is of use afterwards. */
static void in_cancel(void)
{
    kith_result r;

    open_pool(2, NULL);
    r = kith_pool_map_async(pool, sleeps_long, NULL, 0, NULL, 0, 50);
    await_begun();
    REQUIRE(kith_result_cancel(r) == 0);
    REQUIRE(kith_result_get(r, NULL, 0, KITH_FOREVER) == KITH_ECANCELLED);
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, (int[50]){ 0 }, sizeof(int), 50) == 0);
    close_pool();
}

static void in_terminate(void)
{
    kith_result r;

    open_pool(2, NULL);
    r = kith_pool_map_async(pool, sleeps_long, NULL, 0, NULL, 0, 50);
    await_begun();
    REQUIRE(kith_pool_terminate(pool) == 0);
    REQUIRE(kith_result_get(r, NULL, 0, KITH_FOREVER) == KITH_ECANCELLED);
    free(plan);
}

/* ---- tasks one by one */

static void in_rows(void)
{
    int x[100], y, elsewhere = 0;
    kith_result r[100];
    kith_iter it;

    open_pool(2, NULL);
    for (int i = 0; i < 100; i++)
        x[i] = i;
    REQUIRE(kith_apply(pool, plus_one, &y, 41) == 0 && y == 42);
    for (int i = 0; i < 100; i++)
        r[i] = kith_apply_async(pool, plus_one, i);
    for (int i = 0; i < 100; i++)
        REQUIRE(kith_get(r[i], &y) == 0 && y == i + 1);
    for (int i = 0; i < 100; i++)
        r[i] = kith_pool_apply_async(pool, who_am_i, NULL, 0, sizeof(int));
    for (int i = 0; i < 100; i++) {
        REQUIRE(kith_get(r[i], &y) == 0 && y >= 0 && y < 3);
        elsewhere += y > 0;
    }
    REQUIRE(elsewhere > 0);
    it = kith_imap(pool, plus_one, x, 100);
    for (int i = 0; i < 100; i++)
        REQUIRE(kith_iter_next(it, &y, sizeof y, KITH_FOREVER) == 0 && y == i + 1);
    kith_iter_close(it);
    close_pool();
}

/* An argument and a result that are too large for an item, and results of any size, in the order of their
 * ends. */
static void in_large_rows(void)
{
    enum { SIZE = 100000, COUNT = 400 };
    unsigned char *in = malloc(LARGE), *out = malloc(LARGE);
    int n[COUNT], found[COUNT] = { 0 };
    kith_result r[20];
    kith_bytes b;
    kith_iter it;
    int64_t rc;

    REQUIRE(in && out);
    open_pool(3, NULL);
    for (int i = 0; i < 20; i++) {
        memset(in, i, LARGE);
        r[i] = kith_pool_apply_async(pool, invert, in, LARGE, LARGE);
    }
    for (int i = 0; i < 20; i++) {
        REQUIRE(kith_result_get(r[i], out, LARGE, KITH_FOREVER) == 0);
        for (int k = 0; k < LARGE; k++)
            REQUIRE(out[k] == (unsigned char)~i);
    }
    REQUIRE(done_by_branch() > 0);
    for (int i = 0; i < COUNT; i++)
        n[i] = i;
    it = kith_pool_imap_bytes_unordered(pool, repeat, n, sizeof *n, COUNT);
    while ((rc = kith_iter_next(it, &b, sizeof b, KITH_FOREVER)) != KITH_EEND) {
        REQUIRE(rc == 0 || rc == KITH_ETASK);
        if (rc == 0) {
            found[b.size]++;
            REQUIRE(b.size == 0 || *(unsigned char *)b.data == b.size % 251);
            REQUIRE(kith_free(b.data) == 0);
        }
    }
    for (int i = 0; i < COUNT; i++)
        REQUIRE(found[i] == (i == 0 ? 2 : i % 100 != 0)); /* 0 and 200 give nothing, 100 and 300 fail */
    kith_iter_close(it);
    free(in);
    free(out);
    close_pool();
}

static int fails_there(const void *in, void *out)
{
    int i;

    memcpy(&i, in, sizeof i);
    usleep(500);
    memcpy(out, &i, sizeof i);
    if (kith_worker() > 0 && i % 3 == 0)
        raise(SIGKILL);
    return kith_worker() > 0 && i % 3 == 1 ? kith_fail(50 + i, "no %d", i) : 0;
}

static void in_row_faults(void)
{
    kith_result r[90];
    struct kith_fault f;
    int y, failed = 0, killed = 0, rc;

    open_pool(2, &(struct kith_pool_options){ .tries = 1 });
    for (int i = 0; i < 90; i++)
        r[i] = kith_pool_apply_async(pool, fails_there, &i, sizeof i, sizeof i);
    for (int i = 0; i < 90; i++) {
        rc = kith_get(r[i], &y);
        REQUIRE(rc == 0 ? y == i : rc == KITH_ETASK && i % 3 != 2);
        if (rc == 0)
            continue;
        REQUIRE(kith_last_fault(&f, 0) == 0 && f.worker > 0 && f.pid > 0);
        if (i % 3 == 0)
            REQUIRE(f.end == KITH_END_SIGNALLED && f.signal == SIGKILL);
        else
            REQUIRE(f.code == 50 + i && strncmp(f.text, "no ", 3) == 0);
        killed += i % 3 == 0;
        failed += i % 3 == 1;
    }
    REQUIRE(failed > 0 && killed > 0);
    close_pool();
}

/* As many as there are workers may wait for each other, wherever they run. */
static int meets(const void *in, void *out)
{
    int i;

    memcpy(&i, in, sizeof i);
    if (i == 3)
        atomic_store(begun, 1);
    while (atomic_load(begun) == 0)
        usleep(200);
    memcpy(out, &i, sizeof i);
    return 0;
}

static void in_meeting(void)
{
    kith_result r[4];
    int y;

    open_pool(3, NULL);
    for (int round = 0; round < 20; round++) {
        atomic_store(begun, 0);
        for (int i = 0; i < 4; i++)
            r[i] = kith_pool_apply_async(pool, meets, &i, sizeof i, sizeof i);
        for (int i = 0; i < 4; i++)
            REQUIRE(kith_get(r[i], &y) == 0 && y == i);
    }
    atomic_store(begun, 0);
    close_pool();
}

static int sleeps_and_counts(const void *in, void *out)
{
    (void)in;
    (void)out;
    atomic_fetch_add(begun, 1);
    sleep(100);
    return 0;
}

/* Those that run elsewhere are ended, and their workers' successors work. */
static void in_row_cancel(void)
{
    kith_result r[6];
    int got[50];

    atomic_store(begun, 0);
    open_pool(2, NULL);
    for (int i = 0; i < 6; i++)
        r[i] = kith_pool_apply_async(pool, sleeps_and_counts, NULL, 0, 0);
    while (atomic_load(begun) < 3)
        sleep_ms(1);
    for (int i = 6; i-- > 0;) /* those that wait first: else a successor may begin one */
        REQUIRE(kith_result_cancel(r[i]) == 0);
    for (int i = 0; i < 6; i++)
        REQUIRE(kith_result_get(r[i], NULL, 0, KITH_FOREVER) == KITH_ECANCELLED);
    REQUIRE(atomic_load(begun) == 3);
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, got, sizeof *got, 50) == 0);
    atomic_store(begun, 0);
    close_pool();
}

static void in_row_loss(void)
{
    kith_result r[600];
    pthread_t thread;
    int y;

    open_pool(3, NULL);
    for (int i = 0; i < 600; i++)
        r[i] = kith_pool_apply_async(pool, who_am_i, NULL, 0, sizeof(int));
    REQUIRE(pthread_create(&thread, NULL, kills_foreman, NULL) == 0);
    for (int i = 0; i < 600; i++)
        REQUIRE(kith_get(r[i], &y) == 0 && y >= 0);
    pthread_join(thread, NULL);
    close_pool();
}

static void exit_functions_run_everywhere(void)
{
    JOB(in_exit);
}

static void workers_are_shared_out(void)
{
    static const uint32_t each[] = { 4, 2, 8 };
    uint32_t got[3];

#define SHARES(workers, a, b, c)                \
    kith__spread_shares(workers, each, 3, got); \
    CU_ASSERT(got[0] == a && got[1] == b && got[2] == c)
    SHARES(0, 4, 2, 8);
    SHARES(1, 1, 0, 0);
    SHARES(4, 4, 0, 0);
    SHARES(7, 4, 2, 1);
    SHARES(14, 4, 2, 8);
    SHARES(18, 6, 3, 9);
}

static void a_map_is_shared_with_other_nodes(void)
{
    JOB(in_map);
}

static void results_do_not_depend_on_who_computes(void)
{
    alone = mmap(NULL, sizeof *alone, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    marks = mmap(NULL, 5000 * sizeof *marks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    setenv("KITH_SEED", "42", 1);
    JOB(in_alone);
    JOB(in_same);
    unsetenv("KITH_SEED");
}

static void data_in_place_and_large_data(void)
{
    JOB(in_data);
}

static void addresses_stay_at_home(void)
{
    JOB(in_addresses);
    JOB(in_pointers);
}

static void loops_stay_by_default(void)
{
    JOB(in_default);
}

static void statistics_tell_of_all_workers(void)
{
    JOB(in_stats);
}

static void the_job_log_tells_of_whole_calls(void)
{
    char file[] = "foreman.log.XXXXXX";
    int fd = mkstemp(file);

    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    setenv("KITH_JOBLOG", file, 1);
    JOB(in_log);
    unsetenv("KITH_JOBLOG");
    check_log(file);
    unlink(file);
}

static void an_order_by_costs_is_kept(void)
{
    JOB(in_order);
}

static void results_of_any_size_come_from_elsewhere(void)
{
    JOB(in_bytes);
}

static void faults_are_told_as_at_home(void)
{
    JOB(in_faults);
}

static void too_many_failures_end_the_call(void)
{
    JOB(in_halt);
}

static void failures_of_other_nodes_count_as_failures(void)
{
    JOB(in_default_halt);
}

static void initializers_run_everywhere(void)
{
    JOB(in_init);
}

static void what_a_lost_foreman_had_is_done_again(void)
{
    JOB(in_loss);
    JOB(in_early_loss);
}

static void a_call_is_cancelled_everywhere(void)
{
    JOB(in_cancel);
}

static void a_pool_is_terminated_everywhere(void)
{
    JOB(in_terminate);
}

static void tasks_one_by_one_run_elsewhere_too(void)
{
    JOB(in_rows);
}

static void large_ones_do(void)
{
    JOB(in_large_rows);
}

static void how_one_has_failed_is_told(void)
{
    JOB(in_row_faults);
}

static void tasks_that_wait_for_each_other_have_a_worker_each(void)
{
    JOB(in_meeting);
}

static void one_is_cancelled_where_it_runs(void)
{
    JOB(in_row_cancel);
}

static void those_of_a_lost_foreman_are_done_again(void)
{
    JOB(in_row_loss);
}

static struct test tests[] = { TEST(a_map_is_shared_with_other_nodes),
                               TEST(results_do_not_depend_on_who_computes),
                               TEST(data_in_place_and_large_data),
                               TEST(addresses_stay_at_home),
                               TEST(loops_stay_by_default),
                               TEST(statistics_tell_of_all_workers),
                               TEST(the_job_log_tells_of_whole_calls),
                               TEST(an_order_by_costs_is_kept),
                               TEST(results_of_any_size_come_from_elsewhere),
                               TEST(faults_are_told_as_at_home),
                               TEST(too_many_failures_end_the_call),
                               TEST(failures_of_other_nodes_count_as_failures),
                               TEST(initializers_run_everywhere),
                               TEST(exit_functions_run_everywhere),
                               TEST(workers_are_shared_out),
                               TEST(what_a_lost_foreman_had_is_done_again),
                               TEST(a_call_is_cancelled_everywhere),
                               TEST(a_pool_is_terminated_everywhere),
                               TEST(tasks_one_by_one_run_elsewhere_too),
                               TEST(large_ones_do),
                               TEST(how_one_has_failed_is_told),
                               TEST(tasks_that_wait_for_each_other_have_a_worker_each),
                               TEST(one_is_cancelled_where_it_runs),
                               TEST(those_of_a_lost_foreman_are_done_again),
                               TEST_END };

int main(void)
{
    begun = mmap(NULL, sizeof *begun, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return run_net_tests("foreman", tests);
}
