/* test_threads.c: pools whose workers are threads: the calls are those of any pool, and what differs. */
#include "config.h"
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

enum { N = 10000, WORKERS = 3 };

static struct shared {
    _Atomic int code;
    double sum[2];
} * shared; /* by all processes */

static kith_pool open_threads(void)
{
    return kith_pool_open_with(WORKERS, .threads = 1);
}

static void nap(void)
{
    nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
}

/* ---- all calls */

static int square(int x)
{
    return x * x;
}

static long product(long a, long b)
{
    return a * b;
}

static int numbers_from(const void *in, void *out)
{
    *(double *)out = *(const int *)in / 2.0;
    return 0;
}

static int times(const void *in, void *out, const void *arg)
{
    *(int *)out = *(const int *)in * *(const int *)arg;
    return 0;
}

static void maps_use_the_arrays_where_they_are(void)
{
    kith_pool pool = open_threads();
    int *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y), seven = 7, wrong = 0;
    double *z = malloc(N * sizeof *z);
    long rows[2][2] = { { 2, 3 }, { 4, 5 } }, products[2];

    for (int i = 0; i < N; i++)
        x[i] = i;
    PASS(kith_map(pool, square, x, y, N));
    PASS(kith_map(pool, numbers_from, x, z, N));
    for (int i = 0; i < N; i++)
        wrong += y[i] != i * i || z[i] != i / 2.0;
    PASS(kith_map_with(pool, times, x, y, N, KITH_ARG(seven)));
    PASS(kith_map(pool, square, x, x, N)); /* in the place of the arguments */
    for (int i = 0; i < N; i++)
        wrong += y[i] != 7 * i || x[i] != i * i;
    CU_ASSERT_EQUAL(wrong, 0);
    FAILS_WITH(KITH_EINVAL, kith_map(pool, square, x, x + 1, 10));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "overlap"));
    PASS(kith_starmap(pool, product, rows, products, 2));
    CU_ASSERT(products[0] == 6 && products[1] == 20);
    PASS(kith_pool_close(pool));
    free(x);
    free(y);
    free(z);
}

static int marks(uint64_t lo, uint64_t hi, const void *arg)
{
    for (uint64_t i = lo; i < hi; i++)
        (*(int *const *)arg)[i]++;
    return 0;
}

static double adds(uint64_t lo, uint64_t hi, const void *arg)
{
    double sum = 0;

    (void)arg;
    for (uint64_t i = lo; i < hi; i++)
        sum += 1.0 / (double)(i + 1) + kith_uniform(0, 1e-3);
    return sum;
}

static int counts(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    (void)arg;
    *(uint64_t *)part = hi - lo;
    return 0;
}

static void fold(void *total, const void *part)
{
    *(uint64_t *)total += *(const uint64_t *)part;
}

static void ranges_write_where_the_caller_reads(void)
{
    kith_pool pool = open_threads();
    int *seen = calloc(N, sizeof *seen), wrong = 0, y = 0;
    uint64_t total = 0;

    PASS(kith_for(pool, marks, KITH_ARG(seen), N));
    for (int i = 0; i < N; i++)
        wrong += seen[i] != 1;
    CU_ASSERT_EQUAL(wrong, 0);
    PASS(kith_reduce(pool, counts, NULL, 0, N, fold, &total));
    CU_ASSERT_EQUAL(total, N);
    PASS(kith_apply(pool, square, &y, 9));
    CU_ASSERT_EQUAL(y, 81);
    PASS(kith_pool_close(pool));
    free(seen);
}

/* Each in a job of its own, whose first call it is: so the random numbers are the same. */
static int sum_status;

static void sum(int threads)
{
    kith_pool pool;

    setenv("KITH_SEED", "7", 1);
    REQUIRE(kith_init(NULL, NULL) == 0);
    pool = kith_pool_open_with(2, .threads = threads);
    REQUIRE(kith_sum(pool, adds, NULL, 0, N, &shared->sum[threads]) == 0);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void sum_by_processes(void)
{
    sum(0);
}

static void sum_by_threads(void)
{
    sum(1);
}

static void sums_are_the_same_to_the_bit(void)
{
    CU_ASSERT_EQUAL(sum_status, 0);
    CU_ASSERT(shared->sum[0] > 9 && shared->sum[0] == shared->sum[1]);
}

static int next_number(void *item, void *arg)
{
    int *last = arg;

    *(int *)item = ++*last;
    return *last <= 100;
}

static void notes(kith_result r, void *arg)
{
    (void)r;
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static void calls_that_do_not_wait(void)
{
    static kith_result results[N];
    kith_pool pool = open_threads();
    int x[4] = { 1, 2, 3, 4 }, y[4], one, wrong = 0, last = 0, got = 0;
    _Atomic int notified = 0;
    kith_result r;
    kith_iter it;

    for (int i = 0; i < N; i++)
        results[i] = kith_apply_async(pool, square, i % 1000);
    PASS(kith_results_wait(results, N, N, KITH_FOREVER));
    for (int i = 0; i < N; i++)
        wrong += kith_get(results[i], &one) != 0 || one != (i % 1000) * (i % 1000);
    CU_ASSERT_EQUAL(wrong, 0);
    r = kith_map_async(pool, square, x, y, 4);
    PASS(kith_result_notify(r, notes, &notified));
    PASS(kith_result_get(r, NULL, 0, KITH_FOREVER));
    CU_ASSERT(y[0] == 1 && y[3] == 16);
    it = kith_imap_from(pool, square, next_number, &last);
    while (kith_next(it, &one) == 0)
        got += one == (got + 1) * (got + 1);
    CU_ASSERT_EQUAL(got, 100);
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
    CU_ASSERT_EQUAL(notified, 1);
}

/* ---- in one process */

static int global;

static int sees_global(int x)
{
    return x + global + (getpid() == atomic_load(&shared->code) ? 0 : 1000);
}

static void tasks_share_the_memory_of_the_program(void)
{
    kith_pool pool = open_threads();
    int x[3] = { 1, 2, 3 }, y[3];

    global = 40; /* since kith_init */
    atomic_store(&shared->code, (int)getpid());
    PASS(kith_map(pool, sees_global, x, y, 3));
    CU_ASSERT(y[0] == 41 && y[1] == 42 && y[2] == 43);
    CU_ASSERT_EQUAL(kith_worker(), -1);
    PASS(kith_pool_close(pool));
}

struct kept {
    pthread_t thread;
    int worker, tasks;
};

static _Atomic int inits, exits, tasks, strange;

static int begins(const void *arg)
{
    struct kept *k = kith_worker_state(sizeof *k);

    strange += !k || *(const int *)arg != 5;
    k->thread = pthread_self();
    k->worker = kith_worker();
    inits++;
    return 0;
}

static int keeps(int x)
{
    struct kept *k = kith_worker_state(sizeof *k);

    strange += !pthread_equal(k->thread, pthread_self()) || k->worker != kith_worker() || k->worker < 0 ||
               k->worker >= WORKERS;
    k->tasks++;
    return x;
}

static int ends(const void *arg)
{
    const struct kept *k = kith_worker_state(sizeof *k);

    (void)arg;
    strange += !pthread_equal(k->thread, pthread_self());
    tasks += k->tasks;
    exits++;
    return 0;
}

static void each_has_a_state_of_its_own(void)
{
    int arg = 5, x[100] = { 0 }, y[100];
    kith_pool pool = kith_pool_open_with(WORKERS, .threads = 1, .init = begins, .exit = ends, .arg = &arg,
                                         .arg_size = sizeof arg);

    CU_ASSERT_EQUAL(inits, WORKERS);
    PASS(kith_map(pool, keeps, x, y, 100));
    PASS(kith_pool_close(pool));
    CU_ASSERT(exits == WORKERS && tasks == 100 && strange == 0);
}

static int says_no(const void *arg)
{
    (void)arg;
    return kith_worker() == 1 ? kith_fail(3, "no coffee today") : 0;
}

static void an_initializer_that_fails_fails_the_open(void)
{
    kith_pool pool = kith_pool_open_with(2, .threads = 1, .init = says_no);

    FAILS_WITH(KITH_ETASK, kith_check(pool));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "worker 1: no coffee today"));
}

static kith_pool own;

/* fib by calls in calls */
static int fib(int n)
{
    int x[2] = { n - 1, n - 2 }, y[2];

    if (n < 2)
        return n;
    if (kith_map(own, fib, x, y, 2) < 0)
        return kith_fail(0, "%s", kith_last_error());
    return y[0] + y[1];
}

static int fib_by_results(int n)
{
    kith_result r;
    int a, b;

    if (n < 2)
        return n;
    r = kith_apply_async(own, fib_by_results, n - 1);
    b = fib_by_results(n - 2);
    return kith_get(r, &a) < 0 ? kith_fail(0, "%s", kith_last_error()) : a + b;
}

static void tasks_call_their_own_pool(void)
{
    int y = 0;

    own = open_threads();
    PASS(kith_apply(own, fib, &y, 12));
    CU_ASSERT_EQUAL(y, 144);
    PASS(kith_apply(own, fib_by_results, &y, 12));
    CU_ASSERT_EQUAL(y, 144);
    PASS(kith_pool_close(own));
}

static _Atomic int met[2];

/* Until both are there. */
static int meets(int where)
{
    for (met[where]++; met[where] < 2;)
        nap();
    return where;
}

/* Each worker is in a task that waits for one of its own, and each of these for the other. */
static int waits_for_one_that_meets(int x)
{
    int inner = 1, y = 0;

    meets(0);
    return kith_map(own, meets, &inner, &y, 1) < 0 ? kith_fail(0, "%s", kith_last_error()) : x + y;
}

static void all_that_wait_work_at_the_same_time(void)
{
    int x[2] = { 1, 2 }, y[2] = { 0 };

    own = kith_pool_open_with(2, .threads = 1, .chunk = 1);
    PASS(kith_map(own, waits_for_one_that_meets, x, y, 2));
    CU_ASSERT(y[0] == 2 && y[1] == 3);
    PASS(kith_pool_close(own));
}

static int inner_sum(int n)
{
    kith_pool pool = kith_pool_open_with(2, .threads = 1);
    int x[4] = { n, n, n, n }, y[4], rc = kith_map(pool, square, x, y, 4);

    return rc < 0 || kith_pool_close(pool) < 0 ? kith_fail(0, "%s", kith_last_error()) : y[0] + y[3];
}

static void workers_of_either_kind_open_pools_of_threads(void)
{
    kith_pool threads = open_threads(), processes = kith_pool_open(2);
    int x[3] = { 1, 2, 3 }, y[3];

    PASS(kith_map(threads, inner_sum, x, y, 3));
    CU_ASSERT(y[0] == 2 && y[2] == 18);
    PASS(kith_map(processes, inner_sum, x, y, 3));
    CU_ASSERT(y[0] == 2 && y[2] == 18);
    PASS(kith_pool_close(threads));
    PASS(kith_pool_close(processes));
}

static void who_waits_works_too(void)
{
    kith_pool pool = kith_pool_open_with(1, .threads = 1, .caller = 1);
    int *seen = calloc(N, sizeof *seen), *y = calloc(N, sizeof *y), wrong = 0;

    for (int round = 0; round < 20; round++)
        PASS(kith_for(pool, marks, KITH_ARG(seen), N));
    PASS(kith_map(pool, square, seen, y, N));
    for (int i = 0; i < N; i++)
        wrong += seen[i] != 20 || y[i] != 400;
    CU_ASSERT_EQUAL(wrong, 0);
    PASS(kith_pool_close(pool));
    free(seen);
    free(y);
}

static void *maps(void *arg)
{
    int x[50], y[50];

    for (int i = 0; i < 50; i++)
        x[i] = i;
    for (int round = 0; round < 50; round++) {
        if (kith_map(*(kith_pool *)arg, square, x, y, 50) < 0)
            return arg;
        for (int i = 0; i < 50; i++)
            if (y[i] != i * i)
                return arg;
    }
    return NULL;
}

static void threads_of_the_program_call_it_at_once(void)
{
    kith_pool pool = open_threads();
    pthread_t thread[4];
    void *wrong;

    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, maps, &pool);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], &wrong);
        CU_ASSERT_PTR_NULL(wrong);
    }
    PASS(kith_pool_close(pool));
}

static void its_workers_are_counted(void)
{
    kith_pool pool = open_threads();
    struct kith_pool_stats all;
    int x[100] = { 0 }, y[100];

    for (int round = 0; round < 20; round++) {
        PASS(kith_map(pool, square, x, y, 100));
        PASS(kith_pool_stats(pool, &all));
    }
    CU_ASSERT(all.workers == WORKERS && all.all.tasks == 2000 && all.all.processes <= WORKERS);
    PASS(kith_pool_close(pool));
}

/* ---- failures */

static int fails_at_3(int x)
{
    return x == 3 ? kith_fail(17, "three is none of ours") : x;
}

static void failed_tasks_are_listed(void)
{
    kith_pool pool = open_threads();
    int x[5] = { 1, 2, 3, 4, 5 }, y[5] = { 0 };
    struct kith_fault f;

    FAILS_WITH(KITH_ETASK, kith_map(pool, fails_at_3, x, y, 5));
    PASS(kith_last_fault(&f, 0));
    CU_ASSERT(f.task == 2 && f.end == KITH_END_FAILED && f.code == 17 && f.pid == (int)getpid());
    CU_ASSERT(y[1] == 2 && y[2] == 0 && y[4] == 5);
    PASS(kith_pool_close(pool));
}

static _Atomic int heard;

static void hears(int code, const char *message)
{
    (void)code;
    (void)message;
    heard++;
}

static int asks_for_nothing(int x)
{
    int code = kith_queue_close((kith_queue){ 0 });

    return code == KITH_ESTALE ? x : 0;
}

static void faults_in_tasks_are_codes(void)
{
    kith_pool pool = open_threads();
    int y = 0;

    kith_on_fault(hears);
    PASS(kith_apply(pool, asks_for_nothing, &y, 4));
    CU_ASSERT(y == 4 && heard == 0);
    kith_on_fault(NULL);
    PASS(kith_pool_close(pool));
}

static void what_needs_processes_is_refused(void)
{
    static const struct {
        const char *name;
        struct kith_pool_options options;
    } refused[] = {
        { ".limit_ms", { .threads = 1, .limit_ms = 100 } },
        { ".init_limit_ms", { .threads = 1, .init_limit_ms = 100 } },
        { ".exit_limit_ms", { .threads = 1, .exit_limit_ms = 100 } },
        { ".tries", { .threads = 1, .tries = 2 } },
        { ".tasks_per_worker", { .threads = 1, .tasks_per_worker = 10 } },
        { ".memory", { .threads = 1, .memory = 1 << 20 } },
        { ".nodes", { .threads = 1, .nodes = -1 } },
        { ".threads 2", { .threads = 2 } },
    };

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        FAILS_WITH(KITH_EINVAL,
                   kith_check((kith_pool_open_with)(2, &refused[i].options, sizeof refused[i].options)));
        CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), refused[i].name));
    }
}

static int uses_it(const void *arg)
{
    kith_pool pool = *(const kith_pool *)arg;
    int x = 3, y;

    kith_on_fault(NULL);
    return kith_map(pool, square, &x, &y, 1) == KITH_EINVAL &&
                   strstr(kith_last_error(), "another process than the one that opened it") &&
                   kith_check(kith_apply_async(pool, square, 3)) == KITH_EINVAL &&
                   kith_pool_close(pool) == KITH_EINVAL && kith_pool_terminate(pool) == KITH_EINVAL
               ? 0
               : 1;
}

static void another_process_cannot_use_it(void)
{
    kith_pool pool = open_threads();
    kith_process p = kith_process_start(uses_it, KITH_ARG(pool));
    int code = -1, y = 0;

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 0);
    PASS(kith_process_close(p));
    PASS(kith_apply(pool, square, &y, 5));
    CU_ASSERT_EQUAL(y, 25);
    PASS(kith_pool_close(pool));
}

/* ---- a job of its own */

static int serial_status;

static void works_in_serial(void)
{
    int x[2] = { 2, 3 }, y[2];
    kith_pool pool;

    setenv("KITH_SERIAL", "1", 1);
    REQUIRE(kith_init(NULL, NULL) == 0);
    pool = open_threads();
    REQUIRE(kith_map(pool, square, x, y, 2) == 0 && y[1] == 9 && kith_pool_workers(pool) == 1);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void so_it_is_in_serial(void)
{
    CU_ASSERT_EQUAL(serial_status, 0);
}

static struct test tests[] = {
    TEST(so_it_is_in_serial),
    TEST(sums_are_the_same_to_the_bit),
    TEST(maps_use_the_arrays_where_they_are),
    TEST(ranges_write_where_the_caller_reads),
    TEST(calls_that_do_not_wait),
    TEST(tasks_share_the_memory_of_the_program),
    TEST(each_has_a_state_of_its_own),
    TEST(an_initializer_that_fails_fails_the_open),
    TEST(tasks_call_their_own_pool),
    TEST(all_that_wait_work_at_the_same_time),
    TEST(workers_of_either_kind_open_pools_of_threads),
    TEST(who_waits_works_too),
    TEST(threads_of_the_program_call_it_at_once),
    TEST(its_workers_are_counted),
    TEST(failed_tasks_are_listed),
    TEST(faults_in_tasks_are_codes),
    TEST(what_needs_processes_is_refused),
    TEST(another_process_cannot_use_it),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    serial_status = check_fork(works_in_serial);
    sum_status = check_fork(sum_by_processes) | check_fork(sum_by_threads);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("threads", tests);
    return kith_finalize() ? 1 : rc;
}
