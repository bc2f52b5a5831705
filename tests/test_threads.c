/* test_threads.c: pools whose workers are threads: the calls are those of any pool, and what differs. */
#include "config.h"
#include "check.h"
#include "shm/heap.h"
#include "base/system.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

enum { N = 10000, WORKERS = 3 };

static struct shared {
    _Atomic int code, done;
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

/* ---- ending what runs */

static _Atomic int gate, at_gate;

static int waits_at_gate(int x)
{
    at_gate++;
    while (!gate)
        nap();
    return x;
}

static void *terminates(void *pool)
{
    return kith_pool_terminate(*(kith_pool *)pool) == 0 ? NULL : pool;
}

static void close_gate(void)
{
    gate = at_gate = 0;
}

static void what_runs_cannot_be_cancelled(void)
{
    kith_pool pool = kith_pool_open_with(1, .threads = 1);
    int x[2] = { 1, 2 }, out[2] = { 0 }, y = 0;
    kith_result first, second, third;

    close_gate();
    first = kith_apply_async(pool, waits_at_gate, 1);
    while (!at_gate) /* else the map might be begun before it */
        nap();
    second = kith_apply_async(pool, waits_at_gate, 2);
    third = kith_map_async(pool, waits_at_gate, x, out, 2);
    FAILS_WITH(KITH_ERUNNING, kith_result_cancel(first));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "in a thread"));
    PASS(kith_result_cancel(second));
    PASS(kith_result_cancel(third));
    gate = 1;
    PASS(kith_get(first, &y));
    CU_ASSERT_EQUAL(y, 1);
    FAILS_WITH(KITH_ECANCELLED, kith_get(second, &y));
    FAILS_WITH(KITH_ECANCELLED, kith_result_get(third, NULL, 0, KITH_FOREVER));
    PASS(kith_pool_close(pool));
}

static void of_a_map_that_runs_the_rest_is_cancelled(void)
{
    kith_pool pool = kith_pool_open_with(1, .threads = 1, .chunk = 1);
    int x[20] = { 0 }, out[20], y = 0;
    kith_result r;

    close_gate();
    r = kith_map_async(pool, waits_at_gate, x, out, 20);
    while (!at_gate)
        nap();
    PASS(kith_result_cancel(r));
    gate = 1;
    FAILS_WITH(KITH_ECANCELLED, kith_result_get(r, NULL, 0, KITH_FOREVER));
    CU_ASSERT_EQUAL(at_gate, 1);
    PASS(kith_apply(pool, square, &y, 5)); /* by the same thread */
    CU_ASSERT_EQUAL(y, 25);
    PASS(kith_pool_close(pool));
}

static void terminating_waits_for_what_runs(void)
{
    kith_pool pool = kith_pool_open_with(1, .threads = 1);
    kith_result first, rest[50];
    pthread_t thread;
    void *wrong;
    int y = 0;

    close_gate();
    first = kith_apply_async(pool, waits_at_gate, 1);
    for (int i = 0; i < 50; i++)
        rest[i] = kith_apply_async(pool, square, i);
    while (!at_gate)
        nap();
    pthread_create(&thread, NULL, terminates, &pool);
    while (kith_result_ready(rest[49]) == 0) /* all that had not begun is cancelled at once */
        nap();
    CU_ASSERT_EQUAL(kith_result_ready(first), 0);
    gate = 1;
    pthread_join(thread, &wrong);
    CU_ASSERT_PTR_NULL(wrong);
    PASS(kith_get(first, &y));
    for (int i = 0; i < 50; i++)
        FAILS_WITH(KITH_ECANCELLED, kith_get(rest[i], &y));
    FAILS_WITH(KITH_ESTALE, kith_apply(pool, square, &y, 1));
}

static _Atomic int inner_code;

/* Its worker waits for tasks of its own pool, which will not begin. */
static int waits_for_others(int by_results)
{
    int x[2] = { 1, 2 }, y[2];

    waits_at_gate(0);
    if (by_results == 1)
        inner_code = kith_get(kith_apply_async(own, square, 3), y);
    else if (by_results == 2)
        inner_code = kith_result_get(kith_map_async(own, square, x, y, 2), NULL, 0, KITH_FOREVER);
    else
        inner_code = kith_map(own, square, x, y, 2);
    return 1;
}

static void a_task_that_waits_for_others_comes_to_its_end(void)
{
    for (int how = 0; how < 3; how++) {
        kith_result r;
        pthread_t thread;
        void *wrong;
        int y;

        close_gate();
        own = kith_pool_open_with(1, .threads = 1);
        r = kith_apply_async(own, waits_for_others, how);
        while (!at_gate)
            nap();
        pthread_create(&thread, NULL, terminates, &own);
        while (kith_check(own) == 0 && kith_pool_workers(own) > 0)
            nap();
        gate = 1;
        pthread_join(thread, &wrong);
        CU_ASSERT_PTR_NULL(wrong);
        CU_ASSERT(inner_code == 0 || inner_code == KITH_ECANCELLED || inner_code == KITH_ESTALE);
        PASS(kith_get(r, &y));
    }
}

enum { ACROSS = 8 };

/* Begun before the end, and waited for across it. */
static int waits_across(int how)
{
    int x[ACROSS] = { 0 }, y[ACROSS];
    kith_result r[ACROSS];

    if (how == 1)
        kith_map(own, waits_at_gate, x, y, ACROSS);
    else if (how == 2)
        kith_result_get(kith_map_async(own, waits_at_gate, x, y, ACROSS), NULL, 0, KITH_FOREVER);
    else {
        for (int i = 0; i < ACROSS; i++)
            r[i] = kith_apply_async(own, waits_at_gate, i);
        for (int i = 0; i < ACROSS; i++)
            kith_get(r[i], y);
    }
    return 1;
}

static void so_does_one_that_waits_across_the_end(void)
{
    for (int round = 0; round < 21; round++) {
        pthread_t thread;
        kith_result r;
        void *wrong;
        int y;

        close_gate();
        own = kith_pool_open_with(2, .threads = 1, .chunk = 1);
        r = kith_apply_async(own, waits_across, round % 3);
        while (at_gate < 1)
            nap();
        pthread_create(&thread, NULL, terminates, &own);
        while (round < 12 && kith_pool_workers(own) > 0) /* later ones go on at the same time */
            nap();
        gate = 1;
        pthread_join(thread, &wrong);
        CU_ASSERT_PTR_NULL(wrong);
        PASS(kith_get(r, &y));
    }
}

static void tasks_call_their_pool_while_it_is_closed(void)
{
    kith_result r;
    int y = 0;

    own = open_threads();
    r = kith_apply_async(own, fib, 10);
    PASS(kith_pool_close(own));
    PASS(kith_get(r, &y));
    CU_ASSERT_EQUAL(y, 55);
}

enum { MAPS = 40 }; /* more than are under way at a time: the others stand in line */

static int maps_many(int n)
{
    int x[MAPS][2], y[MAPS][2], right = 0;
    kith_result r[MAPS];

    waits_at_gate(n);
    for (int i = 0; i < MAPS; i++) {
        x[i][0] = x[i][1] = i;
        r[i] = kith_map_async(own, square, x[i], y[i], 2);
    }
    for (int i = 0; i < MAPS; i++)
        right += kith_result_get(r[i], NULL, 0, KITH_FOREVER) == 0 && y[i][1] == i * i;
    return right;
}

static void *closes(void *pool)
{
    return kith_pool_close(*(kith_pool *)pool) == 0 ? NULL : pool;
}

static void what_stands_in_line_begins_while_it_is_closed(void)
{
    pthread_t thread;
    kith_result r;
    void *wrong;
    int y = 0;

    close_gate();
    own = kith_pool_open_with(2, .threads = 1);
    r = kith_apply_async(own, maps_many, 1);
    while (!at_gate)
        nap();
    pthread_create(&thread, NULL, closes, &own);
    while (kith_pool_workers(own) > 0)
        nap();
    gate = 1;
    pthread_join(thread, &wrong);
    CU_ASSERT_PTR_NULL(wrong);
    PASS(kith_get(r, &y));
    CU_ASSERT_EQUAL(y, MAPS);
}

/* ---- the end of the process */

static int dies(int x)
{
    return x == 20 ? raise(SIGKILL) : x;
}

static int opens_and_dies(const void *arg)
{
    int x[40], y[40];

    for (int i = 0; i < 40; i++)
        x[i] = i;
    own = open_threads();
    kith_apply_async(own, square, 2);
    if (*(const int *)arg)
        return 0; /* it is left open */
    return kith_map(own, dies, x, y, 40);
}

static uint64_t blocks(void)
{
    struct kith__heap_stats s;

    kith__heap_stats(&s);
    return s.used_blocks;
}

static void what_a_dead_process_had_open_is_taken_back(void)
{
    uint64_t before = 0;

    for (int round = 0; round < 6; round++) {
        int well = round % 2;
        kith_process p = kith_process_start(opens_and_dies, KITH_ARG(well));
        int code = -1;

        PASS(kith_process_join(p, KITH_FOREVER));
        PASS(kith_process_exitcode(p, &code));
        CU_ASSERT_EQUAL(code, well ? 0 : -SIGKILL);
        PASS(kith_process_close(p));
        if (round == 1) {
            for (int i = 0; i < 200; i++)
                nap(); /* its janitor */
            before = blocks();
        }
    }
    for (int tries = 0; blocks() > before && tries < 5000; tries++)
        nap();
    CU_ASSERT(blocks() <= before);
}

static int exits_with_3(int x)
{
    exit(x);
}

static int lets_a_task_exit(const void *arg)
{
    kith_pool pool = open_threads();
    int y;

    (void)arg;
    kith_apply(pool, exits_with_3, &y, 3);
    return 0;
}

static void exit_in_a_task_ends_the_process(void)
{
    kith_process p = kith_process_start(lets_a_task_exit, NULL, 0);
    int code = -1;

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 3);
    PASS(kith_process_close(p));
}

static int late(int x)
{
    nap();
    atomic_fetch_add(&shared->done, 1);
    return x;
}

/* Of a job of its own: kith_finalize closes what is open. */
static int finalize_status;

static void leaves_one_open(void)
{
    kith_pool pool;

    REQUIRE(kith_init(NULL, NULL) == 0);
    pool = open_threads();
    for (int i = 0; i < 20; i++)
        kith_result_drop(kith_apply_async(pool, late, i));
    REQUIRE(kith_finalize() == 0);
    REQUIRE(atomic_load(&shared->done) == 20);
}

static void finalize_closes_it(void)
{
    CU_ASSERT_EQUAL(finalize_status, 0);
}

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

/* ---- signals when the first thread ends: jobs of their own */

#if defined __SANITIZE_THREAD__
enum { SANITIZERS_THREAD_GOES_ON = 1 };
#else
enum { SANITIZERS_THREAD_GOES_ON = 0 };
#endif

static int signal_statuses[3];

static void says_who_hears(int sig)
{
    (void)sig;
    _exit(kith_worker() < 0 ? 7 : 8);
}

static void await_the_end_of_the_first_thread(void)
{
    while (kith__process_state(getpid()) != 'Z') /* which is that of the first thread */
        nap();
}

static int signals_the_program(int sig)
{
    await_the_end_of_the_first_thread();
    kill(getpid(), sig);
    for (int i = 0; i < SOON; i++)
        nap();
    _exit(9);
}

/* Nobody is left but the pool. */
static void is_ended_by_a_signal(void)
{
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_result_drop(kith_apply_async(open_threads(), signals_the_program, SIGTERM));
    pthread_exit(NULL);
}

static void hears_a_signal(void)
{
    signal(SIGTERM, says_who_hears);
    is_ended_by_a_signal();
}

static void *closes_the_pool(void *arg)
{
    await_the_end_of_the_first_thread();
    REQUIRE(kith_pool_close(*(kith_pool *)arg) == 0);
    alarm(SOON / 1000);
    return NULL;
}

/* Who has heard signals in its stead goes with the pool: else the process would not end. */
static void ends_with_its_last_thread(void)
{
    static kith_pool pool;
    pthread_t thread;

    REQUIRE(kith_init(NULL, NULL) == 0);
    pool = open_threads();
    REQUIRE(pthread_create(&thread, NULL, closes_the_pool, &pool) == 0);
    pthread_exit(NULL);
}

static void signals_are_heard_when_the_first_thread_has_ended(void)
{
    CU_ASSERT_EQUAL(signal_statuses[0], -SIGTERM);
    CU_ASSERT_EQUAL(signal_statuses[1], 7);
}

static void who_hears_them_goes_with_the_last_thread(void)
{
    if (SANITIZERS_THREAD_GOES_ON)
        SKIP("the sanitizer has a thread of its own, which does not end");
    CU_ASSERT_EQUAL(signal_statuses[2], 0);
}

static struct test tests[] = {
    TEST(signals_are_heard_when_the_first_thread_has_ended),
    TEST(who_hears_them_goes_with_the_last_thread),
    TEST(so_it_is_in_serial),
    TEST(finalize_closes_it),
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
    TEST(what_runs_cannot_be_cancelled),
    TEST(of_a_map_that_runs_the_rest_is_cancelled),
    TEST(terminating_waits_for_what_runs),
    TEST(a_task_that_waits_for_others_comes_to_its_end),
    TEST(so_does_one_that_waits_across_the_end),
    TEST(tasks_call_their_pool_while_it_is_closed),
    TEST(what_stands_in_line_begins_while_it_is_closed),
    TEST(what_a_dead_process_had_open_is_taken_back),
    TEST(exit_in_a_task_ends_the_process),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    serial_status = check_fork(works_in_serial);
    finalize_status = check_fork(leaves_one_open);
    signal_statuses[0] = check_fork(is_ended_by_a_signal);
    signal_statuses[1] = check_fork(hears_a_signal);
    if (!SANITIZERS_THREAD_GOES_ON)
        signal_statuses[2] = check_fork(ends_with_its_last_thread);
    sum_status = check_fork(sum_by_processes) | check_fork(sum_by_threads);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("threads", tests);
    return kith_finalize() ? 1 : rc;
}
