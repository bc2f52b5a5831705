/* test_pool.c: pools as users see them. */
#include "config.h"
#include "check.h"
#include "member/members.h"
#include "object/object.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

static double to_celsius(double f)
{
    return (f - 32.0) * 5.0 / 9.0;
}
static int square(int x)
{
    return x * x;
}
static unsigned twice(unsigned x)
{
    return 2 * x;
}
static long negate(long x)
{
    return -x;
}
static unsigned long half(unsigned long x)
{
    return x / 2;
}
static long long cube(long long x)
{
    return x * x * x;
}
static float third(float x)
{
    return x / 3;
}
static double root(int x)
{
    return sqrt(x);
}
static double share(long x)
{
    return (double)x / 8;
}
static long widen(int x)
{
    return (long)x << 32;
}
static long product(long a, long b)
{
    return a * b;
}
static double middle(double a, double b, double c)
{
    return a + (c - b);
}

#define N 1000

/* One map over each shape, compared with the function called here. */
#define MAPS(R, A, f)                        \
    do {                                     \
        A in[N];                             \
        R out[N];                            \
        int wrong = 0;                       \
        for (int i = 0; i < N; i++)          \
            in[i] = (A)i;                    \
        PASS(kith_map(pool, f, in, out, N)); \
        for (int i = 0; i < N; i++)          \
            wrong += out[i] != f(in[i]);     \
        CU_ASSERT_EQUAL(wrong, 0);           \
    } while (0)

static void map_calls_every_shape(void)
{
    kith_pool pool = kith_pool_open(3);

    MAPS(int, int, square);
    MAPS(unsigned, unsigned, twice);
    MAPS(long, long, negate);
    MAPS(unsigned long, unsigned long, half);
    MAPS(long long, long long, cube);
    MAPS(float, float, third);
    MAPS(double, double, to_celsius);
    MAPS(double, int, root);
    MAPS(double, long, share);
    MAPS(long, int, widen);
    MAPS(double, double, sqrt); /* a function of a library */
    PASS(kith_pool_close(pool));
}

static void starmap_gives_columns_in_order(void)
{
    kith_pool pool = kith_pool_open(2);
    long pairs[6][2] = { { 1, 3 }, { 5, 9 }, { 2, 3 }, { 4, 5 }, { 10, 30 }, { 5, 7 } }, products[6];
    double rows[2][3] = { { 1, 2, 4 }, { 10, 1, 0 } }, out[2];

    PASS(kith_starmap(pool, product, pairs, products, 6));
    for (int i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(products[i], pairs[i][0] * pairs[i][1]);
    PASS(kith_starmap(pool, middle, rows, out, 2));
    CU_ASSERT(out[0] == 3 && out[1] == 9);
    FAILS_WITH(KITH_ESIZE,
               kith_starmap(pool, product, rows[0] ? (long(*)[3])(void *)rows : NULL, products, 2));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "takes 2 arguments, but the rows have 3 columns"));
    PASS(kith_pool_close(pool));
}

static void apply_converts_its_arguments(void)
{
    kith_pool pool = kith_pool_open(1);
    double y = 0;
    long z = 0;

    PASS(kith_apply(pool, to_celsius, &y, 212));
    CU_ASSERT_EQUAL(y, 100.0);
    PASS(kith_apply(pool, product, &z, 6, 7));
    CU_ASSERT_EQUAL(z, 42);
    PASS(kith_apply(pool, middle, &y, 1, 2, 3));
    CU_ASSERT_EQUAL(y, 2.0);
    PASS(kith_pool_close(pool));
}

static void sizes_that_are_odd(void)
{
    static const size_t counts[] = { 0, 1, 2, 3, 7, 63, 64, 65, 1023, 100003 };

    for (int workers = 1; workers <= 64; workers *= 8) {
        kith_pool pool = kith_pool_open(workers);

        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            size_t n = counts[k], wrong = 0;
            int *in = malloc((n + 1) * sizeof *in), *out = malloc((n + 1) * sizeof *out);

            for (size_t i = 0; i < n; i++)
                in[i] = (int)(i % 30000);
            out[n] = -7;
            PASS(kith_map(pool, square, in, out, n));
            for (size_t i = 0; i < n; i++)
                wrong += out[i] != square(in[i]);
            CU_ASSERT_EQUAL(wrong, 0);
            CU_ASSERT_EQUAL(out[n], -7);
            free(in);
            free(out);
        }
        PASS(kith_pool_close(pool));
    }
}

static void a_hundred_million_elements(void)
{
    size_t n = 100000000, wrong = 0;
    int *in, *out;
    kith_pool pool;

    if (!getenv("KITH_TEST_LONG"))
        n = SANITIZED ? 2000000 : 20000000;
    in = kith_alloc(n * sizeof *in);
    out = kith_alloc(n * sizeof *out);
    CU_ASSERT_FATAL(in && out);
    pool = kith_pool_open(0);
    for (size_t i = 0; i < n; i++)
        in[i] = (int)(i & 0x3fff);
    PASS(kith_map(pool, square, in, out, n));
    for (size_t i = 0; i < n; i++)
        wrong += out[i] != square(in[i]);
    CU_ASSERT_EQUAL(wrong, 0);
    PASS(kith_pool_close(pool));
    PASS(kith_free(in));
    PASS(kith_free(out));
}

struct big {
    unsigned char bytes[(SANITIZED ? 20 : 100) << 20];
};

static int copy_big(const void *in, void *out)
{
    memcpy(out, in, sizeof(struct big));
    return 0;
}

static int count_call(const void *in, void *out)
{
    (void)in;
    (void)out;
    return 0;
}

static void elements_of_no_bytes_and_of_100_mib(void)
{
    kith_pool pool = kith_pool_open(2);
    struct big *in = malloc(3 * sizeof *in), *out = calloc(3, sizeof *out);

    CU_ASSERT_FATAL(in && out);
    for (size_t i = 0; i < 3 * sizeof *in; i += 4096)
        ((unsigned char *)in)[i] = (unsigned char)(i >> 12);
    PASS(kith_map(pool, copy_big, in, out, 3));
    for (size_t i = 0; i < 3 * sizeof *in; i += 4096)
        if (((unsigned char *)in)[i] != ((unsigned char *)out)[i]) {
            CU_FAIL("a byte differs");
            break;
        }
    PASS(kith_pool_map(pool, count_call, NULL, 0, NULL, 0, 1000));
    PASS(kith_pool_close(pool));
    free(in);
    free(out);
}

enum { MEETING = 8 };

struct call {
    _Atomic int *arrived;
    char bytes[(1 << 20) - sizeof(void *)];
};

/* Ends when MEETING tasks run at once. */
static int meet(const void *in, void *out)
{
    const struct call *g = in;

    atomic_fetch_add(g->arrived, 1);
    for (int i = 0; atomic_load(g->arrived) < MEETING; i++) {
        if (i == 20000)
            return kith_fail(1, "only %d came", atomic_load(g->arrived));
        usleep(1000);
    }
    memcpy(out, in, sizeof *g);
    return 0;
}

static void elements_of_1_mib_leave_no_worker_idle(void)
{
    _Atomic int *arrived = kith_alloc(sizeof *arrived);
    struct call *in = calloc(MEETING, sizeof *in), *out = calloc(MEETING, sizeof *out);
    kith_pool pool = near_pool(MEETING); /* they meet in memory of this node */

    CU_ASSERT_FATAL(arrived && in && out);
    atomic_store(arrived, 0);
    for (int i = 0; i < MEETING; i++) {
        in[i].arrived = arrived;
        memset(in[i].bytes, i + 1, sizeof in[i].bytes);
    }
    PASS(kith_map(pool, meet, in, out, MEETING));
    CU_ASSERT_EQUAL(memcmp(in, out, MEETING * sizeof *in), 0);
    PASS(kith_pool_close(pool));
    PASS(kith_free(arrived));
    free(in);
    free(out);
}

static double midpoints(uint64_t lo, uint64_t hi, const void *arg)
{
    uint64_t n = *(const uint64_t *)arg;
    double sum = 0;

    for (uint64_t i = lo; i < hi; i++) {
        double x = ((double)i + 0.5) / (double)n;

        sum += 4.0 / (1.0 + x * x);
    }
    return sum / (double)n;
}

static void sum_has_the_same_bits_on_any_number_of_workers(void)
{
    static const int workers[] = { 1, 2, 3, 7, 16 };
    uint64_t n = 1000003;
    double first = 0, sum = 0;

    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++) {
        kith_pool pool = kith_pool_open(workers[i]);

        PASS(kith_sum(pool, midpoints, KITH_ARG(n), n, &sum));
        if (i == 0)
            first = sum;
        CU_ASSERT(memcmp(&first, &sum, sizeof sum) == 0);
        PASS(kith_pool_close(pool));
    }
    CU_ASSERT_DOUBLE_EQUAL(sum, 3.14159265358979, 1e-10);
}

static int sum_of_squares(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    (void)arg;
    *(uint64_t *)part = 0;
    for (uint64_t i = lo; i < hi; i++)
        *(uint64_t *)part += i * i;
    return 0;
}

static void add(void *total, const void *part)
{
    *(uint64_t *)total += *(const uint64_t *)part;
}

static int mark(uint64_t lo, uint64_t hi, const void *arg)
{
    unsigned char *bytes =
        *(unsigned char *const *)arg; /* kith memory: the same address in workers of this node */

    for (uint64_t i = lo; i < hi; i++)
        bytes[i]++;
    return 0;
}

static void ranges_are_covered_once(void)
{
    kith_pool pool = kith_pool_open(3);

    for (uint64_t n = 1; n < 300000; n = n * 3 + 1) {
        unsigned char *bytes = kith_alloc(n);
        uint64_t total = 5, want = 5, wrong = 0;

        memset(bytes, 0, n);
        PASS(kith_for(pool, mark, KITH_ARG(bytes), n));
        for (uint64_t i = 0; i < n; i++) {
            wrong += bytes[i] != 1;
            want += i * i;
        }
        CU_ASSERT_EQUAL(wrong, 0);
        PASS(kith_reduce(pool, sum_of_squares, NULL, 0, n, add, &total));
        CU_ASSERT_EQUAL(total, want);
        PASS(kith_free(bytes));
    }
    PASS(kith_pool_close(pool));
}

static int fail_some(int x)
{
    if (x % 10 == 3)
        return kith_fail(100 + x, "%d is not wanted", x);
    return x;
}

static void failed_tasks_are_listed_and_leave_their_output(void)
{
    kith_pool pool = kith_pool_open(2);
    int in[40], out[40];
    struct kith_fault f;

    for (int i = 0; i < 40; i++) {
        in[i] = i;
        out[i] = -1;
    }
    FAILS_WITH(KITH_ETASK, kith_map(pool, fail_some, in, out, 40));
    for (int i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(out[i], i % 10 == 3 ? -1 : i);
    for (size_t k = 0; k < 4; k++) {
        PASS(kith_last_fault(&f, k));
        CU_ASSERT(f.task == 10 * k + 3 && f.end == KITH_END_FAILED && f.code == (int)(103 + 10 * k));
        CU_ASSERT_STRING_EQUAL(f.function, "fail_some");
        CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "is not wanted"));
    }
    FAILS_WITH(KITH_EEND, kith_last_fault(&f, 4));
    memset(&f, 7, sizeof f);
    PASS((kith_last_fault)(&f, offsetof(struct kith_fault, code), 1)); /* of a program that knows no more */
    CU_ASSERT(f.task == 13 && f.end == KITH_END_FAILED && f.code == 0x07070707);
    PASS(kith_pool_close(pool));
}

static int fail_each(int x)
{
    return kith_fail(1, "%d fails", x);
}

static void *hear_of_faults(void *pool)
{
    enum { MANY = 200 };
    int in[MANY] = { 0 }, out[MANY];
    struct kith_fault f;

    if (kith_map(*(kith_pool *)pool, fail_each, in, out, MANY) != KITH_ETASK ||
        kith_last_fault(&f, MANY - 1) != 0)
        return NULL;
    return pool;
}

static long resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long all, resident = 0;

    CU_ASSERT(f && fscanf(f, "%ld %ld", &all, &resident) == 2);
    if (f)
        fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

/* Else a program that makes each call in a thread of its own would grow. Sanitizers keep what is freed, and
 * find leaks by themselves. */
static void the_faults_of_a_thread_end_with_it(void)
{
    kith_pool pool = kith_pool_open_with(1, .halt = -1);
    long first = 0, grown;

    for (int i = 0; i < 40; i++) {
        pthread_t thread;
        void *right;

        CU_ASSERT_FATAL(pthread_create(&thread, NULL, hear_of_faults, &pool) == 0);
        pthread_join(thread, &right);
        CU_ASSERT_PTR_NOT_NULL(right);
        if (i == 0)
            first = resident_bytes();
    }
    grown = resident_bytes() - first;
    CU_ASSERT(SANITIZED || grown < 20 * 200 * (long)sizeof(struct kith_fault));
    PASS(kith_pool_close(pool));
}

static int *tries;

static int die(int x)
{
    if (x == 5)
        raise(SIGKILL);
    if (x == 6)
        exit(9);
    if (x == 7)
        __atomic_fetch_add(&tries[0], 1, __ATOMIC_SEQ_CST);
    if (x == 7 && tries[0] < 3)
        raise(SIGKILL);
    return x;
}

static void crashes_are_tried_again_and_then_told(void)
{
    kith_pool pool = near_pool(2, .tries = 3);
    int in[20], out[20];
    struct kith_fault f;

    tries[0] = 0;
    for (int i = 0; i < 20; i++) {
        in[i] = i;
        out[i] = -1;
    }
    FAILS_WITH(KITH_ETASK, kith_map(pool, die, in, out, 20));
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(out[i], i == 5 || i == 6 ? -1 : i);
    CU_ASSERT_EQUAL(tries[0], 3);
    PASS(kith_last_fault(&f, 0));
    CU_ASSERT(f.task == 5 && f.end == KITH_END_SIGNALLED && f.signal == SIGKILL && f.pid > 1);
    PASS(kith_last_fault(&f, 1));
    CU_ASSERT(f.task == 6 && f.end == KITH_END_EXITED && f.code == 9);
    PASS(kith_map(pool, square, in, out, 20)); /* the pool goes on */
    CU_ASSERT_EQUAL(out[19], 361);
    PASS(kith_pool_close(pool));
}

static int sleep_at_three(int x)
{
    while (x == 3)
        pause();
    return x;
}

static void a_task_over_its_limit_is_ended_alone(void)
{
    kith_pool pool = kith_pool_open_with(2, .limit_ms = 1500); /* the others' CPU may stand still meanwhile */
    int in[8], out[8];
    struct kith_fault f;
    double start = kith_time();

    for (int i = 0; i < 8; i++)
        in[i] = i;
    FAILS_WITH(KITH_ETASK, kith_map(pool, sleep_at_three, in, out, 8));
    CU_ASSERT(kith_time() - start >= 1.4);
    PASS(kith_last_fault(&f, 0));
    CU_ASSERT(f.task == 3 && f.end == KITH_END_OVER_LIMIT);
    FAILS_WITH(KITH_EEND, kith_last_fault(&f, 1));
    CU_ASSERT(out[2] == 2 && out[4] == 4 && out[7] == 7);
    PASS(kith_pool_close(pool));
}

static int refuse(const void *arg)
{
    return kith_fail(1, "no %s today", (const char *)arg);
}

static int crash(const void *arg)
{
    (void)arg;
    raise(SIGKILL);
    return 0;
}

static int base;

static int set_base(const void *arg)
{
    base = *(const int *)arg;
    return kith_arg_size() == sizeof base ? 0 : 1;
}

static int add_base(int x)
{
    return x + base;
}

static void initializers_run_in_each_worker(void)
{
    int in[4] = { 1, 2, 3, 4 }, out[4], value = 40;
    char what[] = "coffee";
    kith_pool pool = kith_pool_open_with(2, .init = set_base, .arg = &value, .arg_size = sizeof value);

    PASS(kith_map(pool, add_base, in, out, 4));
    CU_ASSERT(out[0] == 41 && out[3] == 44);
    PASS(kith_pool_close(pool));
    pool = kith_pool_open_with(2, .init = refuse, .arg = what, .arg_size = sizeof what);
    FAILS_WITH(KITH_ETASK, kith_check(pool));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "no coffee today"));
    FAILS_WITH(KITH_ETASK, kith_map(pool, add_base, in, out, 4));
    pool = kith_pool_open_with(2, .init = crash);
    FAILS_WITH(KITH_ETASK, kith_check(pool));
}

static int pid_of(int x)
{
    (void)x;
    return (int)getpid();
}

static void workers_are_renewed_after_their_tasks(void)
{
    kith_pool pool = kith_pool_open_with(1, .tasks_per_worker = 10);
    int in[100] = { 0 }, out[100], changes = 0;

    PASS(kith_map(pool, pid_of, in, out, 100));
    for (int i = 1; i < 100; i++)
        changes += out[i] != out[i - 1];
    CU_ASSERT_EQUAL(changes, 9);
    PASS(kith_pool_close(pool));
}

static int two_of_three_fail(const void *in, void *out)
{
    int x = *(const int *)in;

    *(int *)out = x;
    return x % 3;
}

/* The time of it grows with their number, not with its square. */
static void very_many_failed_tasks(void)
{
    enum { MANY = SANITIZED ? 30000 : 150000 };
    kith_pool pool = kith_pool_open(2);
    int *in = malloc(MANY * sizeof *in), *out = malloc(MANY * sizeof *out), wrong = 0;
    double start = kith_time();

    for (int i = 0; i < MANY; i++) {
        in[i] = i;
        out[i] = -1;
    }
    FAILS_WITH(KITH_ETASK, kith_map(pool, two_of_three_fail, in, out, MANY));
    for (int i = 0; i < MANY; i++)
        wrong += out[i] != (i % 3 ? -1 : i);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(kith_time() - start < SOON / 1000 * slowdown());
    PASS(kith_pool_close(pool));
    free(in);
    free(out);
}

struct line {
    double slope, offset;
};

static int on_line(const void *in, void *out, const void *arg)
{
    const struct line *line = arg;

    *(double *)out = line->slope * *(const int *)in + line->offset;
    return kith_arg_size() != sizeof *line;
}

static int has_no_context(const void *in, void *out, const void *arg)
{
    *(double *)out = *(const int *)in;
    return arg != NULL || kith_arg_size() != 0;
}

static void tasks_of_a_map_share_a_context(void)
{
    kith_pool pool = kith_pool_open(2);
    struct line line = { 2, 0.5 };
    double out[1000];
    int in[1000], wrong = 0;

    for (int i = 0; i < 1000; i++)
        in[i] = i;
    PASS(kith_map_with(pool, on_line, in, out, 1000, KITH_ARG(line)));
    for (int i = 0; i < 1000; i++)
        wrong += out[i] != 2 * i + 0.5;
    CU_ASSERT_EQUAL(wrong, 0);
    line.slope = 3;
    PASS(kith_pool_map_with(pool, on_line, in, sizeof in[0], out, sizeof out[0], 1000, KITH_ARG(line)));
    CU_ASSERT(out[0] == 0.5 && out[999] == 2997.5);
    PASS(kith_map_with(pool, has_no_context, in, out, 10, NULL, 0));
    CU_ASSERT_EQUAL(out[7], 7);
    FAILS_WITH(KITH_ETASK, kith_map_with(pool, on_line, in, out, 1, &line, 8));
    FAILS_WITH(KITH_EINVAL, kith_map_with(pool, on_line, in, out, 1000, NULL, 8));
    PASS(kith_pool_close(pool));
}

static int odd_square(const void *in, void *out)
{
    *(int *)out = *(const int *)in * *(const int *)in;
    return *(const int *)in % 2 == 0;
}

static double half_of(uint64_t lo, uint64_t hi, const void *arg)
{
    return (double)(hi - lo) / *(const double *)arg;
}

/* As C++ and other languages call them: the function's name is looked up when a message needs it. */
static void plain_functions_do_as_their_macros(void)
{
    kith_pool pool = kith_pool_open(2);
    int in[3] = { 1, 3, 5 }, out[3] = { 0 };
    struct kith_fault f;
    double two = 2, sum = 0;

    PASS(kith_pool_map(pool, odd_square, in, sizeof in[0], out, sizeof out[0], 3));
    CU_ASSERT(out[0] == 1 && out[1] == 9 && out[2] == 25);
    PASS(kith_pool_apply(pool, odd_square, &out[1], sizeof out[1], &in[2], sizeof in[2]));
    CU_ASSERT_EQUAL(in[2], 81);
    PASS(kith_apply(pool, odd_square, &in[2], KITH_ARG(out[0])));
    CU_ASSERT_EQUAL(in[2], 1);
    FAILS_WITH(KITH_EINVAL, kith_apply(pool, odd_square, (int *)NULL, KITH_ARG(out[0])));
    PASS(kith_pool_sum(pool, half_of, KITH_ARG(two), 100000, &sum));
    CU_ASSERT_EQUAL(sum, 50000);
    in[1] = 4;
    FAILS_WITH(KITH_ETASK, kith_pool_map(pool, odd_square, in, sizeof in[0], out, sizeof out[0], 3));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "odd_square(task 1)"));
    CU_ASSERT(kith_last_fault(&f, 0) == 0 && strcmp(f.function, "odd_square") == 0);
    FAILS_WITH(KITH_EINVAL, kith_pool_map(pool, odd_square, NULL, 4, out, sizeof out[0], 3));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "odd_square"));
    FAILS_WITH(KITH_EINVAL, kith_pool_map(pool, NULL, in, 4, out, sizeof out[0], 3));
    PASS(kith_pool_close(pool));
}

static int whole(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    (void)arg;
    *(uint64_t *)part = hi - lo;
    return 0;
}

static void swallow(void *total, const void *part)
{
    *(uint64_t *)total += *(const uint64_t *)part;
}

static void wrong_use_is_a_sentence(void)
{
    kith_pool none = { 0 }, pool = kith_pool_open(1);
    int in[2] = { 1, 2 }, rows[1][2] = { { 1, 2 } }, out[2];

    FAILS_WITH(KITH_ESTALE, kith_map(none, square, in, out, 2));
    FAILS_WITH(KITH_EINVAL, kith_map(pool, square, (int *)NULL, out, 2));
    FAILS_WITH(KITH_EINVAL, kith_map(pool, square, in, (int *)NULL, 2));
    FAILS_WITH(KITH_EINVAL, kith_map(pool, (int (*)(int))NULL, in, out, 2));
    FAILS_WITH(KITH_EINVAL, kith_pool_reduce(pool, whole, NULL, 0, 100, swallow, out, SIZE_MAX / 64));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_pool_open(-1)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_pool_open(100000)));
    FAILS_WITH(KITH_EINVAL, kith_fail(1, "outside"));
    FAILS_WITH(KITH_ESIZE, kith_starmap(pool, square, rows, out, 1));
    FAILS_WITH(KITH_EINVAL, kith_map(pool, square, in, out, ((size_t)1 << 47) + 1));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_pool_open_with(1, .limit_ms = -1)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_pool_open_with(1, .tasks_per_worker = -1)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_pool_open_with(1, .arg_size = 1)));
    FAILS_WITH(KITH_EINVAL, kith_last_fault(NULL, 0));
    FAILS_WITH(KITH_ESTALE, kith_pool_close(none));
    FAILS_WITH(KITH_EINVAL, kith_free(in));
    CU_ASSERT_EQUAL(kith_worker(), -1);
    PASS(kith_pool_close(pool));
}

/* It has the slot and the generation of a pool here. That there is a second node is only said, so a call that
 * has to be made there cannot be; in no case is it made by the pool here. (An agent would wait for that
 * node.) */
static void a_pool_of_another_node_is_none_of_ours(void)
{
    kith_pool pool = kith_pool_open(1), other = { pool.id + (UINT64_C(1) << 48) };
    int in[2] = { 1, 2 }, out[2] = { -1, -1 };
    uint32_t nodes = kith__shared->nodes;

    FAILS_WITH(KITH_ESTALE, kith_map(other, square, in, out, 2));
    FAILS_WITH(KITH_ESTALE, kith_pool_workers(other));
    if (nodes == 1)
        FAILS_WITH(KITH_ESTALE, kith_pool_close(other));
    kith__shared->nodes = nodes > 1 ? nodes : 2;
    if (!atomic_load(&kith__shared->agent_shared)) {
        FAILS_WITH(KITH_EPEER, kith_map(other, square, in, out, 2));
        FAILS_WITH(KITH_EPEER, kith_pool_workers(other));
        FAILS_WITH(KITH_EPEER, kith_check(kith_apply_async(other, square, 1)));
        FAILS_WITH(KITH_EPEER, kith_check(kith_map_async(other, square, in, out, 2)));
    }
    FAILS_WITH(KITH_EINVAL, kith_pool_close(other));
    FAILS_WITH(KITH_EINVAL, kith_pool_terminate(other));
    CU_ASSERT(out[0] == -1 && out[1] == -1);
    kith__shared->nodes = nodes;
    PASS(kith_map(pool, square, in, out, 2));
    PASS(kith_pool_close(pool));
}

static struct test tests[] = {
    TEST_LIKE(map_calls_every_shape, "_TestPool.test_map _TestPool.test_starmap"),
    TEST_LIKE(starmap_gives_columns_in_order, "_TestPool.test_map _TestPool.test_starmap"),
    TEST_LIKE(apply_converts_its_arguments, "_TestPool.test_apply"),
    TEST_LIKE(sizes_that_are_odd, "_TestPool.test_empty_iterable"),
    TEST_LIKE(a_hundred_million_elements, "_TestPool.test_map _TestPool.test_starmap"),
    TEST(elements_of_no_bytes_and_of_100_mib),
    TEST(elements_of_1_mib_leave_no_worker_idle),
    TEST(sum_has_the_same_bits_on_any_number_of_workers),
    TEST(ranges_are_covered_once),
    TEST_LIKE(failed_tasks_are_listed_and_leave_their_output,
              "_TestPool.test_traceback _TestPool.test_wrapped_exception _TestPool.test_map_no_failfast"),
    TEST(the_faults_of_a_thread_end_with_it),
    TEST(crashes_are_tried_again_and_then_told),
    TEST(a_task_over_its_limit_is_ended_alone),
    TEST_LIKE(initializers_run_in_each_worker, "TestInitializers.test_pool_initializer"),
    TEST_LIKE(workers_are_renewed_after_their_tasks,
              "_TestPoolWorkerLifetime.test_pool_worker_lifetime "
              "_TestPoolWorkerLifetime.test_pool_worker_lifetime_early_close"),
    TEST(tasks_of_a_map_share_a_context),
    TEST(plain_functions_do_as_their_macros),
    TEST_LIKE(very_many_failed_tasks, "_TestPool.test_map_no_failfast"),
    TEST_LIKE(a_pool_of_another_node_is_none_of_ours, "TestSyncManagerTypes.test_pool"),
    TEST_LIKE(wrong_use_is_a_sentence,
              "_TestPool.test_make_pool _TestPoolWorkerLifetime.test_pool_maxtasksperchild_invalid"),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    tries = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("pool", tests);
    return kith_finalize() ? 1 : rc;
}
