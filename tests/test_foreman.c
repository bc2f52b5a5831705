/* test_foreman.c: a pool with workers beyond its own: a foreman and its branch, on the same node here, and
 * all that they say to the pool goes through the agent. */
#include "config.h"
#include "foreman.h"
#include "pool/attend.h"
#include "pool/turn.h"

#include <fcntl.h>
#include <sched.h>

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

/* ---- calls made where the branch is, by who is no task of the pool: here both are on one node */

static int sees_its_address(const void *in, void *out)
{
    const int *at;

    memcpy(&at, in, sizeof at);
    *(int *)out = kith_worker();
    return *at == 5 ? 0 : kith_fail(1, "another node");
}

static int block_worker(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)lo;
    (void)hi;
    (void)arg;
    return kith_worker() > 0 ? 0 : kith_fail(1, "not of the branch");
}

static void in_branch_node(void)
{
    int who[N / 100], seen[4] = { 0 }, *at = kith_alloc(sizeof *at), workers[100];
    const int *list[100];
    kith_result r[100];

    open_pool(3, NULL);
    kith__attend_far = pool;
    REQUIRE(kith_pool_workers(pool) == 4);
    for (int round = 0; seen[0] == 0 || seen[1] + seen[2] + seen[3] == 0; round++) {
        REQUIRE(round < 100);
        REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, who, sizeof *who, N / 100) == 0);
        for (int i = 0; i < N / 100; i++)
            seen[who[i]]++;
    }
    memset(seen, 0, sizeof seen);
    for (int round = 0; seen[0] == 0 || seen[1] + seen[2] + seen[3] == 0; round++) {
        REQUIRE(round < 100);
        for (int i = 0; i < 100; i++)
            r[i] = kith_pool_apply_async(pool, who_am_i, NULL, 0, sizeof *who);
        for (int i = 0; i < 100; i++) {
            REQUIRE(kith_get(r[i], &who[0]) == 0);
            seen[who[0]]++;
        }
    }
    *at = 5;
    for (int i = 0; i < 100; i++)
        list[i] = at;
    REQUIRE(kith_pool_map(pool, sees_its_address, list, sizeof *list, workers, sizeof *workers, 100) == 0);
    for (int i = 0; i < 100; i++)
        REQUIRE(workers[i] > 0);
    REQUIRE(kith_pool_for(pool, block_worker, NULL, 0, 1000) == 0);
    kith__attend_far.id = 0;
    kith_free(at);
    close_pool();
}

static void a_call_where_a_branch_is_has_all_workers(void)
{
    JOB(in_branch_node);
}

/* ---- priorities */

static int tells_priority(const void *in, void *out)
{
    int priority = kith__turn.priority;

    (void)in;
    usleep(500);
    memcpy(out, &priority, sizeof priority);
    return 0;
}

static int tells_priority_at_once(const void *in, void *out)
{
    (void)in;
    memcpy(out, &kith__turn.priority, sizeof(int));
    return 0;
}

/* What tasks call has that of the call they belong to, so they know it; also those that go in batches. */
static void in_priority(void)
{
    int got[200], y;
    static kith_result many[2000];
    kith_result r[20];

    open_pool(3, NULL);
    REQUIRE(kith_priority(3) == 0);
    REQUIRE(kith_pool_map(pool, tells_priority, NULL, 0, got, sizeof *got, 200) == 0);
    REQUIRE(done_by_branch() > 0);
    for (int i = 0; i < 200; i++)
        REQUIRE(got[i] == 3);
    for (int i = 0; i < 2000; i++)
        many[i] = kith_pool_apply_async(pool, tells_priority_at_once, NULL, 0, sizeof y);
    for (int i = 0; i < 2000; i++)
        REQUIRE(kith_get(many[i], &y) == 0 && y == 3);
    for (int i = 0; i < 20; i++)
        r[i] = kith_pool_apply_async(pool, tells_priority, NULL, 0, sizeof y);
    for (int i = 0; i < 20; i++)
        REQUIRE(kith_get(r[i], &y) == 0 && y == 3);
    REQUIRE(done_by_branch() > 0);
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
    kith_result r[60];

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
        r[i] = kith_pool_apply_async(pool, looks_up, &parts[i], sizeof *parts, sizeof *y);
        REQUIRE(kith_get(r[i], &y[i]) == 0 && y[i] == i + 0.5);
    }
    REQUIRE(done_by_branch() == 0);
    for (int round = 0; done_by_branch() == 0; round++) { /* and those behind them go anywhere again */
        REQUIRE(round < 100);
        for (int i = 0; i < 60; i++)
            r[i] = kith_pool_apply_async(pool, looks_up, &(struct part){ i, NULL }, sizeof *parts, sizeof *y);
        for (int i = 0; i < 60; i++)
            REQUIRE(kith_get(r[i], &y[i]) == 0 && y[i] == i);
    }
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
            (uint64_t)(uintptr_t)kith__at(kith__layout.heap_start + kith__layout.heap_size) - 64 * i - 64;
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

/* The first one of the branch dies. */
static double root_that_dies(double x)
{
    if (kith_worker() > 0 && atomic_fetch_add(&begun[0], 1) == 0) {
        sleep_ms(100);
        raise(SIGKILL);
    }
    return slow_root(x);
}

static void in_stats_of_the_dead(void)
{
    static double x[N], y[N];
    struct kith_pool_stats all;

    atomic_store(&begun[0], 0);
    open_pool(3, &(struct kith_pool_options){ .tries = 2 });
    REQUIRE(kith_map(pool, root_that_dies, x, y, N) == 0);
    REQUIRE(kith_pool_stats(pool, &all) == 0);
    REQUIRE(all.all.tasks == N && all.all.ended == 1 && all.slowest[0].seconds >= 0.1);
    REQUIRE(all.slowest[0].end == KITH_END_SIGNALLED && all.slowest[0].worker > 0);
    REQUIRE(strcmp(all.slowest[0].function, "root_that_dies") == 0);
    close_pool();
}

/* A terminal for stderr: its other end, which does not wait. */
static int terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave;

    REQUIRE(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    REQUIRE(slave >= 0 && dup2(slave, STDERR_FILENO) >= 0);
    return master;
}

/* For 0.75 s at least: what takes half a second is shown. */
static void in_progress(void)
{
    static int who[3000];
    char text[1 << 16] = "";
    int before = dup(STDERR_FILENO), master = terminal();
    size_t size = 0;
    ssize_t got;

    open_pool(3, NULL);
    REQUIRE(kith_pool_progress(pool, 1) == 0);
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, who, sizeof *who, 3000) == 0);
    REQUIRE(done_by_branch() > 0);
    REQUIRE(dup2(before, STDERR_FILENO) >= 0);
    while ((got = read(master, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    if (!strstr(text, "who_am_i: 3000 in "))
        printf("\n%s\n", text);
    REQUIRE(strstr(text, "who_am_i: 3000 in ") != NULL);
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

static void a_priority_is_that_of_a_call_everywhere(void)
{
    JOB(in_priority);
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

static void and_of_what_ended_with_them(void)
{
    JOB(in_stats_of_the_dead);
}

static void progress_counts_what_others_do(void)
{
    JOB(in_progress);
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

static struct test tests[] = { TEST(a_call_where_a_branch_is_has_all_workers),
                               TEST(a_map_is_shared_with_other_nodes),
                               TEST(results_do_not_depend_on_who_computes),
                               TEST(a_priority_is_that_of_a_call_everywhere),
                               TEST(data_in_place_and_large_data),
                               TEST(addresses_stay_at_home),
                               TEST(loops_stay_by_default),
                               TEST(statistics_tell_of_all_workers),
                               TEST(and_of_what_ended_with_them),
                               TEST(progress_counts_what_others_do),
                               TEST(the_job_log_tells_of_whole_calls),
                               TEST(an_order_by_costs_is_kept),
                               TEST(results_of_any_size_come_from_elsewhere),
                               TEST(workers_are_shared_out),
                               TEST_END };

int main(void)
{
    share_begun();
    return run_net_tests("foreman", tests);
}
