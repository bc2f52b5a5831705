/* test_attend.c: calls that an attendant makes for a process without workers of the pool on its node. Here
 * both are on one node, and what they say goes through the agent; tests/cluster has them on two. */
#include "config.h"
#include "netjob.h"
#include "pool/attend.h"

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

static int attendants(void)
{
    int count = 0;

    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        count += atomic_load(&kith__member(i)->role) == KITH__PROCESS &&
                 kith__member_is_up(kith__member(i)) && strcmp(kith__member(i)->name, "attendant") == 0;
    return count;
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

static int pid_of_attendant(void)
{
    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        if (atomic_load(&kith__member(i)->role) == KITH__PROCESS &&
            strcmp(kith__member(i)->name, "attendant") == 0)
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
    REQUIRE((pid = pid_of_attendant()) > 0);
    kill(pid, SIGKILL);
    for (int64_t begin = kith__now_ns(); attendants() > 0 && ms_since(begin) < SOON * slowdown();)
        sleep_ms(1);
    /* Whether its end of the Pipe is over by now or later: the call is made, or fails and says why. */
    if (call(&s) < 0)
        REQUIRE(strstr(kith_last_error(), "that made this call has ended") != NULL);
    REQUIRE(call(&s) == 0);
    REQUIRE(kith_pool_close(pool) == 0);
}

static void a_map_is_made_by_an_attendant(void)
{
    JOB(in_map);
}

static void all_kinds_of_calls_are(void)
{
    JOB(in_kinds);
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

static struct test tests[] = { TEST_LIKE(a_map_is_made_by_an_attendant, "TestSyncManagerTypes.test_pool"),
                               TEST_LIKE(all_kinds_of_calls_are, "TestSyncManagerTypes.test_pool"),
                               TEST(what_was_not_begun_is_as_it_was),
                               TEST(threads_have_one_each),
                               TEST(another_one_comes_for_a_lost_one),
                               TEST_END };

int main(void)
{
    return run_net_tests("attend", tests);
}
