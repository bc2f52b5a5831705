/* test_attend.c: calls that an attendant makes for a process without workers of the pool on its node. Here
 * both are on one node, and what they say goes through the agent; tests/cluster has them on two. */
#include "config.h"
#include "netjob.h"
#include "object/class.h"
#include "object/pipe.h"
#include "pool/attend.h"

#include <math.h>

enum { N = 2000 };

static kith_pool pool;

static int call(struct kith__call_spec *s)
{
    s->pool = pool;
    return kith__attend(s, NULL, NULL);
}

static int doubled(const void *in, void *out)
{
    double x;

    memcpy(&x, in, sizeof x);
    if ((int)x % 500 == 123)
        return kith_fail(7, "not %d", (int)x);
    x = 2 * x + kith_uniform(0, 0.25);
    memcpy(out, &x, sizeof x);
    return 0;
}

static void fill_map(struct kith__call_spec *s, const double *x, double *y)
{
    *s = (struct kith__call_spec){ .name = "doubled",
                                   .fn = (kith__anyfn *)doubled,
                                   .kind = KITH__JOB_BYTES,
                                   .n = N,
                                   .in = x,
                                   .out = y,
                                   .in_size = sizeof *x,
                                   .out_size = sizeof *y };
}

static void in_map(void)
{
    static double x[N], y[N], costs[N];
    struct kith__call_spec s;
    struct kith_fault f;
    size_t faults;

    pool = kith_pool_open(2);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            x[i] = i;
            y[i] = -1;
            costs[i] = i * 7919 % N;
        }
        fill_map(&s, x, y);
        s.costs = round == 1 ? costs : NULL;
        REQUIRE(call(&s) == KITH_ETASK);
        REQUIRE(strstr(kith_last_error(), "doubled(task 123) failed: not 123") != NULL);
        for (faults = 0; kith_last_fault(&f, faults) == 0; faults++)
            REQUIRE(f.task == 500 * faults + 123 && f.code == 7 && f.worker >= 0);
        REQUIRE(faults == 4);
        for (int i = 0; i < N; i++)
            REQUIRE(i % 500 == 123 ? y[i] == -1 : y[i] >= 2 * i && y[i] < 2 * i + 0.25);
    }
    REQUIRE(kith_pool_close(pool) == 0);
    REQUIRE(call(&s) == KITH_ESTALE);
    REQUIRE(strstr(kith_last_error(), "closed") != NULL);
}

static int with_context(const void *in, void *out, const void *arg)
{
    int x, y;

    memcpy(&x, in, sizeof x);
    memcpy(&y, arg, sizeof y);
    x += y;
    memcpy(out, &x, sizeof x);
    return 0;
}

static double block_sum(uint64_t lo, uint64_t hi, const void *arg)
{
    double sum = 0;

    (void)arg;
    for (uint64_t i = lo; i < hi; i++)
        sum += 1.0 / (double)(i + 1);
    return sum;
}

static void add_up(struct kith__call *c, void *context)
{
    const double *part = kith__at(c->job->out);
    double sum = 0;

    for (uint64_t b = 0; b < c->job->units; b++)
        sum += part[b];
    *(double *)context = sum;
}

static int repeat(const void *in, kith_bytes *out)
{
    int n;

    memcpy(&n, in, sizeof n);
    if (n % 10 == 3)
        return kith_fail(8, "no %d", n);
    if (n == 0)
        return 0;
    out->data = kith_alloc((size_t)n);
    memset(out->data, n, out->size = (size_t)n);
    return 0;
}

static void in_kinds(void)
{
    int in[100], out[100], add = 1000;
    double sum = 0, same;
    kith_bytes bytes[100] = { { NULL, 0 } };
    struct kith__call_spec s;

    pool = kith_pool_open(2);
    for (int i = 0; i < 100; i++)
        in[i] = i;
    s = (struct kith__call_spec){ .fn = (kith__anyfn *)with_context,
                                  .kind = KITH__JOB_WITH,
                                  .n = 100,
                                  .in = in,
                                  .out = out,
                                  .arg = &add,
                                  .in_size = sizeof *in,
                                  .out_size = sizeof *out,
                                  .arg_size = sizeof add };
    REQUIRE(call(&s) == 0);
    for (int i = 0; i < 100; i++)
        REQUIRE(out[i] == 1000 + i);
    s = (struct kith__call_spec){ .pool = pool,
                                  .fn = (kith__anyfn *)block_sum,
                                  .kind = KITH__JOB_SUM,
                                  .n = 100000,
                                  .out_size = sizeof(double) };
    REQUIRE(kith__attend(&s, add_up, &sum) == 0);
    REQUIRE(kith_pool_sum(pool, block_sum, NULL, 0, 100000, &same) == 0 && sum == same);
    s = (struct kith__call_spec){ .fn = (kith__anyfn *)repeat,
                                  .kind = KITH__JOB_VARIABLE,
                                  .shape = KITH__SHAPE_VARIABLE,
                                  .n = 100,
                                  .in = in,
                                  .out = bytes,
                                  .in_size = sizeof *in,
                                  .out_size = sizeof *bytes };
    REQUIRE(call(&s) == KITH_ETASK);
    for (int i = 0; i < 100; i++) {
        REQUIRE(bytes[i].size == (size_t)(i % 10 == 3 ? 0 : i));
        for (size_t k = 0; k < bytes[i].size; k++)
            REQUIRE(((const char *)bytes[i].data)[k] == i);
        REQUIRE(kith_free(bytes[i].data) == 0);
    }
    REQUIRE(kith_pool_close(pool) == 0);
}

static int fails(const void *in, void *out)
{
    int x;

    memcpy(&x, in, sizeof x);
    if (x >= 10)
        return 3;
    x = -x;
    memcpy(out, &x, sizeof x);
    return 0;
}

/* Outputs of what was not begun are as they were. */
static void in_halt(void)
{
    enum { COUNT = 100000 };
    static int in[COUNT], out[COUNT];
    struct kith__call_spec s = { .fn = (kith__anyfn *)fails,
                                 .kind = KITH__JOB_BYTES,
                                 .n = COUNT,
                                 .in = in,
                                 .out = out,
                                 .in_size = sizeof *in,
                                 .out_size = sizeof *out };

    for (int i = 0; i < COUNT; i++)
        in[i] = out[i] = i;
    pool = kith_pool_open_with(2, .halt = 5);
    REQUIRE(call(&s) == KITH_ETASK && strstr(kith_last_error(), ".halt") != NULL);
    for (int i = 0; i < COUNT; i++)
        REQUIRE(out[i] == i || (i < 10 && out[i] == -i));
    REQUIRE(kith_pool_close(pool) == 0);
}

struct thread {
    pthread_t thread;
    int x[50], y[50];
};

static void *calls(void *arg)
{
    struct thread *t = arg;
    int add = 1;
    struct kith__call_spec s = { .fn = (kith__anyfn *)with_context,
                                 .kind = KITH__JOB_WITH,
                                 .n = 50,
                                 .in = t->x,
                                 .out = t->y,
                                 .arg = &add,
                                 .in_size = sizeof(int),
                                 .out_size = sizeof(int),
                                 .arg_size = sizeof add };

    for (int i = 0; i < 10; i++)
        REQUIRE(call(&s) == 0);
    return NULL;
}

static int count_of(const char *name)
{
    int count = 0;

    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        count += atomic_load(&kith__member(i)->role) == KITH__PROCESS &&
                 kith__member_is_up(kith__member(i)) && strcmp(kith__member(i)->name, name) == 0;
    return count;
}

static int attendants(void)
{
    return count_of("attendant");
}

static void await_none(const char *name)
{
    for (int64_t begin = kith__now_ns(); count_of(name) > 0; sleep_ms(1))
        REQUIRE(ms_since(begin) < SOON * slowdown());
}

/* Each has one of its own meanwhile, and the next ones take those. */
static void in_threads(void)
{
    static struct thread threads[4];

    pool = kith_pool_open(2);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            for (int k = 0; k < 50; k++)
                threads[i].x[k] = 100 * i + k;
            REQUIRE(pthread_create(&threads[i].thread, NULL, calls, &threads[i]) == 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i].thread, NULL);
            for (int k = 0; k < 50; k++)
                REQUIRE(threads[i].y[k] == 100 * i + k + 1);
        }
        REQUIRE(attendants() >= 1 && attendants() <= 4);
    }
    REQUIRE(kith_processes(NULL, 0) == 0); /* nobody hears of them */
    REQUIRE(kith_pool_close(pool) == 0);
}

static int pid_of(const char *name)
{
    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        if (atomic_load(&kith__member(i)->role) == KITH__PROCESS && kith__member_is_up(kith__member(i)) &&
            strcmp(kith__member(i)->name, name) == 0)
            return (int)atomic_load(&kith__member(i)->pid);
    return 0;
}

/* One that has ended while it was idle is not missed. */
static void in_loss(void)
{
    static double x[N], y[N];
    struct kith__call_spec s;
    int pid;

    pool = kith_pool_open(2);
    fill_map(&s, x, y);
    REQUIRE(call(&s) == 0);
    REQUIRE((pid = pid_of("attendant")) > 0);
    kill(pid, SIGKILL);
    await_none("attendant");
    /* Whether its end of the Pipe is over by now or later: the call is made, or fails and says why. */
    if (call(&s) < 0)
        REQUIRE(strstr(kith_last_error(), "that made this call has ended") != NULL);
    REQUIRE(call(&s) == 0);
    REQUIRE(kith_pool_close(pool) == 0);
}

/* ---- calls that do not wait. From here on the pool seems to be another node's to this process. */

static void open_far_pool(int workers)
{
    pool = kith_pool_open(workers);
    kith__attend_far = pool;
}

static void close_far_pool(void)
{
    kith__attend_far.id = 0;
    REQUIRE(kith_pool_close(pool) == 0);
}

static int twice(int x)
{
    return 2 * x;
}

/* An attendant says what has come of a call, and that it waits for the next one, at once. */
static void in_turns(void)
{
    enum { TURNS = 100 };
    uint64_t before = 0;
    int y;

    open_far_pool(1);
    for (int i = -10; i < TURNS; i++) {
        if (i == 0)
            before = count_requests();
        REQUIRE(kith_apply(pool, twice, &y, i) == 0 && y == 2 * i);
    }
    REQUIRE(count_requests() - before < 3 * TURNS + TURNS / 2); /* two of them are this process's */
    close_far_pool();
}

static void in_swap(void)
{
    static char large[KITH__LARGE + 1], *got;
    kith_pipe ends[2];
    uint64_t size;

    REQUIRE(kith__pipe_open_own(ends) == 0);
    for (int i = 0; i < 2; i++) {
        REQUIRE(kith__pipe_pass(ends[0], "to 1", 5) == 0 && kith__pipe_pass(ends[1], "to 0", 5) == 0);
        REQUIRE(kith__pipe_swap(ends[i], 1, "first", 6, &got, &size) == 0 && size == 5);
        free(got);
        REQUIRE(kith__pipe_pass(ends[!i], "again", 6) == 0);
        REQUIRE(kith__pipe_swap(ends[i], 1, "first", 6, &got, &size) == 0 && size == 6); /* it was sent */
        REQUIRE(strcmp(got, "again") == 0);
        free(got);
        REQUIRE(kith__pipe_swap(ends[i], 2, large, sizeof large, &got, &size) == KITH_ETIMEDOUT);
        REQUIRE(kith__pipe_take(ends[!i], &got, &size) == 0 && strcmp(got, i ? "to 0" : "to 1") == 0);
        free(got);
        REQUIRE(kith__pipe_take(ends[!i], &got, &size) == 0 && strcmp(got, "first") == 0);
        free(got);
    }
    for (int i = 0; i < 3; i++)
        REQUIRE(kith__pipe_pass(ends[0], large, KITH__LARGE) == 0);
    REQUIRE(kith__pipe_swap(ends[0], 3, large, KITH__LARGE, &got, &size) == KITH_ETIMEDOUT); /* no room */
    for (int i = 0; i < 3; i++) {
        REQUIRE(kith__pipe_take(ends[1], &got, &size) == 0 && size == KITH__LARGE);
        free(got);
    }
    kith__pipe_shut(ends[1]);
    REQUIRE(kith__pipe_swap(ends[0], 3, "over", 5, &got, &size) == KITH_EEND);
    kith__pipe_shut(ends[0]);
}

static int odd_ones_fail(const void *in, void *out)
{
    int x;

    memcpy(&x, in, sizeof x);
    if (x % 2)
        return kith_fail(9, "%d is odd", x);
    memcpy(out, &x, sizeof x);
    return 0;
}

static void in_tasks(void)
{
    static kith_result r[N];
    struct kith_fault f;
    int y;

    open_far_pool(2);
    for (int i = 0; i < N; i++)
        r[i] = kith_apply_async(pool, twice, i);
    REQUIRE(kith_results_wait(r, N, N / 2, KITH_FOREVER) >= N / 2);
    for (int i = 0; i < N; i++)
        REQUIRE(kith_get(r[i], &y) == 0 && y == 2 * i);
    REQUIRE(kith_get(r[0], &y) == KITH_ESTALE);
    for (int i = 0; i < 10; i++)
        r[i] = kith_apply_async(pool, odd_ones_fail, KITH_ARG(i), sizeof y);
    for (int i = 0; i < 10; i++) {
        REQUIRE(kith_result_wait(r[i], KITH_FOREVER) == 0 && kith_result_ready(r[i]) == 1);
        REQUIRE(kith_result_successful(r[i]) == !(i % 2));
        REQUIRE(kith_get(r[i], &y) == (i % 2 ? KITH_ETASK : 0));
        REQUIRE(i % 2 || y == i);
        REQUIRE(!(i % 2) || (kith_last_fault(&f, 0) == 0 && f.code == 9 && strstr(f.text, "is odd")));
    }
    REQUIRE(count_of("clerk") == 1 && attendants() == 0);
    REQUIRE(kith_processes(NULL, 0) == 0);
    close_far_pool();
}

/* More than are under way at a time. */
static void in_maps(void)
{
    enum { MAPS = 40 };
    static double x[N], y[MAPS][N];
    double sum[MAPS][3], rows[3][2] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
    kith_result r[MAPS];
    size_t faults;

    open_far_pool(2);
    for (int i = 0; i < N; i++)
        x[i] = i;
    for (int k = 0; k < MAPS; k++) {
        memset(y[k], 0, sizeof y[k]);
        r[k] = k % 2 ? kith_map_async(pool, sqrt, x, y[k], N)
                     : kith_pool_map_async(pool, doubled, x, sizeof *x, y[k], sizeof *x, N);
    }
    for (int k = 0; k < MAPS; k++) {
        struct kith_fault f;

        REQUIRE(kith_result_get(r[k], NULL, 0, KITH_FOREVER) == (k % 2 ? 0 : KITH_ETASK));
        for (int i = 0; i < N && k % 2; i++)
            REQUIRE(y[k][i] == sqrt(i));
        for (faults = 0; k % 2 == 0 && kith_last_fault(&f, faults) == 0; faults++)
            REQUIRE(f.task == 500 * faults + 123 && y[k][f.task] == 0);
        REQUIRE(k % 2 || faults == 4);
    }
    for (int k = 0; k < MAPS; k++)
        r[k] = kith_starmap_async(pool, pow, rows, sum[k], 3);
    for (int k = 0; k < MAPS; k++)
        REQUIRE(kith_result_get(r[k], NULL, 0, KITH_FOREVER) == 0 && sum[k][1] == 81);
    REQUIRE(kith_check(r[0] = kith_map_async(pool, sqrt, x, y[0], 0)) == 0);
    REQUIRE(kith_result_get(r[0], NULL, 0, 0) == 0);
    close_far_pool();
}

static int waits(const void *in, void *out)
{
    (void)in;
    (void)out;
    while (kith_worker() >= 0)
        pause();
    return 0;
}

static int gives_next(void *item, void *arg)
{
    int *next = arg;

    if (*next == N)
        return -7;
    memcpy(item, next, sizeof *next);
    ++*next;
    return 1;
}

static void take_all_in_order(kith_iter it)
{
    struct kith_fault f;
    int y;

    for (int i = 0; i < N; i++) {
        REQUIRE(kith_iter_next(it, &y, sizeof y, KITH_FOREVER) == (i % 2 ? KITH_ETASK : 0));
        REQUIRE(i % 2 ? kith_last_fault(&f, 0) == 0 && f.task == (uint64_t)i && f.code == 9 : y == i);
    }
}

static void in_imap(void)
{
    static int x[N], seen[N];
    kith_bytes b;
    kith_iter it;
    int next = 0, y;

    open_far_pool(2);
    for (int i = 0; i < N; i++)
        x[i] = i;
    it = kith_pool_imap(pool, odd_ones_fail, x, sizeof *x, sizeof y, N);
    take_all_in_order(it);
    REQUIRE(kith_iter_next(it, &y, sizeof y, KITH_FOREVER) == KITH_EEND && kith_iter_close(it) == 0);
    it = kith_pool_imap_from(pool, odd_ones_fail, gives_next, &next, sizeof *x, sizeof y);
    take_all_in_order(it);
    REQUIRE(kith_iter_next(it, &y, sizeof y, KITH_FOREVER) == -7);
    REQUIRE(kith_iter_next(it, &y, sizeof y, 0) == KITH_EEND && kith_iter_close(it) == 0);
    it = kith_imap_unordered(pool, twice, x, N);
    for (int i = 0; i < N; i++)
        REQUIRE(kith_next(it, &y) == 0 && !seen[y / 2]++);
    REQUIRE(kith_next(it, &y) == KITH_EEND && kith_iter_close(it) == 0);
    it = kith_pool_imap_bytes(pool, repeat, x, sizeof *x, 100);
    for (int i = 0; i < 100; i++) {
        b = (kith_bytes){ NULL, 0 };
        REQUIRE(kith_iter_next(it, &b, sizeof b, KITH_FOREVER) == (i % 10 == 3 ? KITH_ETASK : 0));
        REQUIRE(i % 10 == 3 || (b.size == (size_t)i && (i == 0 || *(const char *)b.data == i)));
        REQUIRE(kith_free(b.data) == 0);
    }
    REQUIRE(kith_iter_close(it) == 0);
    close_far_pool();
}

struct gate {
    kith_event opens;
    kith_value begun;
};

static int passes(const void *in, void *out)
{
    struct gate g;

    memcpy(&g, in, sizeof g);
    kith_add(g.begun, INT64_C(1));
    kith_event_wait(g.opens, KITH_FOREVER);
    sleep_ms(10);
    *(int *)out = 0;
    return 0;
}

/* Nothing is read far ahead, and what has not begun does not begin when the Iterator is closed. */
static void in_imap_that_is_left(void)
{
    struct gate g = { kith_event_open(), kith_value_of(INT64_C(0)) }, gates[100];
    int next = 0, y;
    int64_t begun = 0;
    kith_iter it;

    open_far_pool(2);
    it = kith_pool_imap_unordered_from(pool, odd_ones_fail, gives_next, &next, sizeof next, sizeof y);
    REQUIRE(kith_iter_next(it, &y, sizeof y, KITH_FOREVER) <= 0 && next <= 2 * 2);
    REQUIRE(kith_iter_close(it) == 0);
    for (int i = 0; i < 100; i++)
        gates[i] = g;
    it = kith_pool_imap(pool, passes, gates, sizeof *gates, sizeof y, 100);
    for (int i = 0; i < 100; i++)
        REQUIRE(kith_iter_next(it, &y, sizeof y, 1) == KITH_ETIMEDOUT);
    REQUIRE(kith_iter_close(it) == 0 && kith_event_set(g.opens) == 0);
    close_far_pool();
    REQUIRE(kith_load(g.begun, &begun) == 0 && begun >= 2 && begun < 100);
}

static _Atomic int notified;

static void count_up(kith_result r, void *arg)
{
    (void)r;
    atomic_fetch_add(&notified, *(int *)arg);
}

/* What runs, what waits for a worker, and maps that wait for their turn. */
static void in_cancel(void)
{
    enum { CALLS = 30 };
    kith_result tasks[CALLS], maps[CALLS];
    static int out[CALLS][2], one = 1;
    int y;

    open_far_pool(2);
    for (int i = 0; i < CALLS; i++) {
        tasks[i] = kith_pool_apply_async(pool, waits, NULL, 0, sizeof y);
        out[i][0] = out[i][1] = i;
        maps[i] = kith_pool_map_async(pool, waits, NULL, 0, out[i], sizeof(int), 2);
        REQUIRE(kith_result_notify(tasks[i], count_up, &one) == 0);
        REQUIRE(kith_result_notify(maps[i], count_up, &one) == 0);
    }
    REQUIRE(kith_result_wait(tasks[0], 10) == KITH_ETIMEDOUT && kith_result_ready(maps[0]) == 0);
    for (int i = CALLS; i-- > 0;)
        REQUIRE(kith_result_cancel(tasks[i]) == 0 && kith_result_cancel(maps[i]) == 0);
    for (int i = 0; i < CALLS; i++) {
        REQUIRE(kith_get(tasks[i], &y) == KITH_ECANCELLED);
        REQUIRE(strstr(kith_last_error(), "was cancelled") != NULL);
        REQUIRE(kith_result_get(maps[i], NULL, 0, KITH_FOREVER) == KITH_ECANCELLED);
        REQUIRE(out[i][0] == i && out[i][1] == i);
    }
    tasks[0] = kith_apply_async(pool, twice, 4);
    REQUIRE(kith_result_wait(tasks[0], KITH_FOREVER) == 0 && kith_result_cancel(tasks[0]) == KITH_EEND);
    REQUIRE(kith_get(tasks[0], &y) == 0 && y == 8);
    for (int64_t begin = kith__now_ns(); atomic_load(&notified) < 2 * CALLS; sleep_ms(1))
        REQUIRE(ms_since(begin) < SOON * slowdown());
    close_far_pool();
}

/* All that it has under way is lost with a clerk, and the next call has another one. */
static void in_loss_of_clerk(void)
{
    kith_result task, map;
    int out[2], y;

    open_far_pool(2);
    task = kith_pool_apply_async(pool, waits, NULL, 0, sizeof y);
    map = kith_pool_map_async(pool, waits, NULL, 0, out, sizeof *out, 2);
    for (int64_t begin = kith__now_ns(); pid_of("clerk") == 0; sleep_ms(1))
        REQUIRE(ms_since(begin) < SOON * slowdown());
    kill(pid_of("clerk"), SIGKILL);
    REQUIRE(kith_get(task, &y) == KITH_EPEER);
    REQUIRE(strstr(kith_last_error(), "that made this call has ended") != NULL);
    REQUIRE(kith_result_get(map, NULL, 0, KITH_FOREVER) == KITH_EPEER);
    kith__attend_far.id = 0;
    REQUIRE(kith_pool_terminate(pool) == 0); /* its tasks wait for ever */
    open_far_pool(2);
    task = kith_apply_async(pool, twice, 4);
    REQUIRE(kith_get(task, &y) == 0 && y == 8);
    close_far_pool();
}

static int waits_loudly(const void *in, void *out)
{
    kith_event begun;

    memcpy(&begun, in, sizeof begun);
    kith_event_set(begun);
    return waits(in, out);
}

struct caller {
    kith_pool pool;
    kith_event begun;
    int waits;
};

static int calls_and_waits(const void *arg)
{
    const struct caller *c = arg;
    int y;

    kith__attend_far = c->pool;
    if (c->waits)
        return kith_pool_map(c->pool, waits_loudly, &c->begun, sizeof c->begun, &y, sizeof y, 1);
    kith_pool_apply_async(c->pool, waits_loudly, &c->begun, sizeof c->begun, sizeof y);
    for (;;)
        pause();
}

/* Who makes calls for it goes with it, also in the middle of one. */
static void in_death_of_caller(void)
{
    for (int waits_for_it = 0; waits_for_it < 2; waits_for_it++) {
        struct caller c = { kith_pool_open(2), kith_event_open(), waits_for_it };
        kith_process p = kith_process_start(calls_and_waits, KITH_ARG(c));

        REQUIRE(kith_event_wait(c.begun, KITH_FOREVER) == 0);
        REQUIRE(count_of(waits_for_it ? "attendant" : "clerk") == 1);
        REQUIRE(kith_process_kill(p) == 0 && kith_process_join(p, KITH_FOREVER) == 0);
        await_none("attendant");
        await_none("clerk");
        REQUIRE(kith_pool_terminate(c.pool) == 0 && kith_event_close(c.begun) == 0);
        kith_process_close(p);
    }
}

static void in_stats(void)
{
    struct kith_pool_stats s;
    struct kith_worker_stats w;
    static double x[N], y[N];

    open_far_pool(2);
    REQUIRE(kith_map(pool, sqrt, x, y, N) == 0);
    REQUIRE(kith_pool_workers(pool) == 2);
    do /* one may have begun late, and found nothing left */
        REQUIRE(kith_pool_stats(pool, &s) == 0 && s.workers == 2 && s.all.tasks == N && s.open > 0);
    while (s.all.processes < 2);
    REQUIRE(s.all.processes == 2 && s.slowest_count > 0 && strcmp(s.slowest[0].function, "sqrt") == 0);
    for (int i = 0, tasks = 0; i < 2; i++) {
        REQUIRE(kith_worker_stats(pool, i, &w) == 0 && w.processes == 1);
        tasks += (int)w.tasks;
        REQUIRE(i == 0 || tasks == N);
    }
    REQUIRE(kith_worker_stats(pool, 2, &w) == KITH_EINVAL && kith_worker_stats(pool, -1, &w) == KITH_EINVAL);
    REQUIRE(strstr(kith_last_error(), "has no worker -1: its 2 begin with 0") != NULL);
    REQUIRE(kith_pool_progress(pool, 1) == 0);
    kith__attend_far.id = 0;
    {
        struct kith__object *o;

        REQUIRE(kith__pool_find(pool, &o) == 0 && atomic_load(&kith__pool_body(o)->progress) == 1);
    }
    REQUIRE(kith_pool_close(pool) == 0);
    kith__attend_far = pool;
    REQUIRE(kith_pool_stats(pool, &s) == KITH_ESTALE && kith_pool_progress(pool, 0) == KITH_ESTALE);
}

static void a_map_is_made_by_an_attendant(void)
{
    JOB(in_map);
}

static void all_kinds_of_calls_are(void)
{
    JOB(in_kinds);
}

static void a_call_takes_one_request_of_its_attendant(void)
{
    JOB(in_turns);
    JOB(in_swap);
}

static void what_was_not_begun_is_as_it_was(void)
{
    JOB(in_halt);
}

static void threads_have_one_each(void)
{
    JOB(in_threads);
}

static void another_one_comes_for_a_lost_one(void)
{
    JOB(in_loss);
}

static void single_tasks_are_made_by_a_clerk(void)
{
    JOB(in_tasks);
}

static void maps_that_do_not_wait_are(void)
{
    JOB(in_maps);
}

static void what_a_clerk_does_can_be_cancelled(void)
{
    JOB(in_cancel);
}

static void results_come_one_by_one(void)
{
    JOB(in_imap);
}

static void an_iterator_that_is_closed_has_nothing_under_way(void)
{
    JOB(in_imap_that_is_left);
}

static void a_pool_tells_of_itself_from_afar(void)
{
    JOB(in_stats);
}

static void what_a_lost_clerk_had_is_lost(void)
{
    JOB(in_loss_of_clerk);
}

static void nobody_works_for_a_dead_caller(void)
{
    JOB(in_death_of_caller);
}

static struct test tests[] = { TEST_LIKE(a_map_is_made_by_an_attendant, "TestSyncManagerTypes.test_pool"),
                               TEST_LIKE(all_kinds_of_calls_are, "TestSyncManagerTypes.test_pool"),
                               TEST(a_call_takes_one_request_of_its_attendant),
                               TEST(what_was_not_begun_is_as_it_was),
                               TEST(threads_have_one_each),
                               TEST(another_one_comes_for_a_lost_one),
                               TEST(single_tasks_are_made_by_a_clerk),
                               TEST(maps_that_do_not_wait_are),
                               TEST(what_a_clerk_does_can_be_cancelled),
                               TEST(results_come_one_by_one),
                               TEST(an_iterator_that_is_closed_has_nothing_under_way),
                               TEST(a_pool_tells_of_itself_from_afar),
                               TEST(what_a_lost_clerk_had_is_lost),
                               TEST(nobody_works_for_a_dead_caller),
                               TEST_END };

int main(void)
{
    return run_net_tests("attend", tests);
}
