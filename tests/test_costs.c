/* test_costs.c: maps that are told what their tasks cost. */
#include "config.h"
#include "check.h"
#include "pool/call.h"
#include "pool/random.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { N = 200 };

static struct shared {
    _Atomic int begun, order[N], killed;
} * shared; /* by all processes */

static kith_pool pool, one; /* one: with a single worker, which claims task by task */
static double costs[N];
static int shuffled[N]; /* in which order they are to be begun */

static void reset(void)
{
    memset((void *)shared, 0, sizeof *shared);
}

/* Some have the same cost: the first is first. */
static void draw_costs(void)
{
    int n = 0;

    for (int i = 0; i < N; i++)
        costs[i] = (double)((i * 37) % 101) - 20.5;
    for (int c = 100; c >= 0; c--)
        for (int i = 0; i < N; i++)
            if ((i * 37) % 101 == c)
                shuffled[n++] = i;
}

static int note(int x)
{
    atomic_store(&shared->order[atomic_fetch_add(&shared->begun, 1) % N], x);
    return 3 * x + 1;
}

static int note_bytes(const void *in, void *out)
{
    *(double *)out = 0.5 * note(*(const int *)in);
    return 0;
}

static int *numbers(int kith)
{
    int *a = kith ? kith_alloc(N * sizeof *a) : malloc(N * sizeof *a);

    for (int i = 0; i < N; i++)
        a[i] = i;
    return a;
}

static void give_back(int kith, void *a)
{
    if (kith)
        PASS(kith_free(a));
    else
        free(a);
}

static int is_dearest_first(void)
{
    int wrong = 0;

    for (int i = 0; i < N; i++)
        wrong += atomic_load(&shared->order[i]) != shuffled[i];
    return atomic_load(&shared->begun) == N && wrong == 0;
}

static void the_dearest_are_begun_first(void)
{
    for (int kith = 0; kith < 2; kith++) {
        int *in = numbers(kith), *out = numbers(kith), wrong = 0;

        reset();
        PASS(kith_map_costs(one, note, in, out, N, costs));
        CU_ASSERT(is_dearest_first());
        for (int i = 0; i < N; i++)
            wrong += out[i] != 3 * i + 1;
        reset();
        PASS(kith_map_costs(one, note, in, in, N, costs)); /* in place */
        CU_ASSERT(is_dearest_first());
        for (int i = 0; i < N; i++)
            wrong += in[i] != 3 * i + 1;
        CU_ASSERT_EQUAL(wrong, 0);
        give_back(kith, in);
        give_back(kith, out);
    }
}

static void functions_of_bytes_too(void)
{
    for (int kith = 0; kith < 2; kith++) {
        int *in = numbers(kith), wrong = 0;
        double *out = kith ? kith_alloc(N * sizeof *out) : malloc(N * sizeof *out);

        reset();
        PASS(kith_map_costs(one, note_bytes, in, out, N, costs));
        CU_ASSERT(is_dearest_first());
        PASS(kith_pool_map_costs(pool, note_bytes, in, sizeof *in, out, sizeof *out, N, costs));
        for (int i = 0; i < N; i++)
            wrong += out[i] != 0.5 * (3 * i + 1);
        CU_ASSERT_EQUAL(wrong, 0);
        give_back(kith, in);
        give_back(kith, out);
    }
}

static double random_sum(double x)
{
    return x + kith_uniform(0.0, 1.0) + kith_uniform(0.0, 1.0);
}

/* Those that the same call without costs would draw. */
static void random_numbers_go_by_elements(void)
{
    static _Atomic uint64_t element;
    struct kith__stream own;
    uint64_t call = kith__call_number() + 1;
    double x[N], y[N];
    int wrong = 0;

    for (int i = 0; i < N; i++)
        x[i] = i;
    PASS(kith_map_costs(pool, random_sum, x, y, N, costs));
    kith__random_save(&own);
    kith__random_seek(KITH__STREAM_TASK, call, &element);
    for (int i = 0; i < N; i++) {
        atomic_store(&element, (uint64_t)i);
        wrong += y[i] != random_sum(i);
    }
    kith__random_restore(&own);
    CU_ASSERT_EQUAL(wrong, 0);
}

static int fail_at_seven(int x)
{
    return x == 7 ? kith_fail(77, "seven") : note(x);
}

static void a_fault_names_the_element(void)
{
    for (int kith = 0; kith < 2; kith++) {
        int *in = numbers(kith), *out = numbers(kith), wrong = 0;
        struct kith_fault f;

        FAILS_WITH(KITH_ETASK, kith_map_costs(pool, fail_at_seven, in, out, N, costs));
        CU_ASSERT(kith_last_fault(&f, 0) == 0 && f.task == 7 && f.code == 77);
        CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "fail_at_seven(task 7)"));
        for (int i = 0; i < N; i++)
            wrong += out[i] != (i == 7 ? 7 : 3 * i + 1);
        CU_ASSERT_EQUAL(wrong, 0);
        give_back(kith, in);
        give_back(kith, out);
    }
}

static int die_once(int x)
{
    if (x % 50 == 7 && atomic_fetch_add(&shared->killed, 1) < 3)
        raise(SIGKILL);
    return 3 * x + 1;
}

static void workers_that_die_lose_nothing(void)
{
    for (int place = 0; place < 3; place++) {
        kith_pool tries = near_pool(2, .tries = 5);
        int kith = place > 0, *in = numbers(kith), *out = place == 2 ? in : numbers(kith), wrong = 0;

        reset();
        PASS(kith_map_costs(tries, die_once, in, out, N, costs));
        for (int i = 0; i < N; i++)
            wrong += out[i] != 3 * i + 1;
        CU_ASSERT_EQUAL(wrong, 0);
        PASS(kith_pool_close(tries));
        if (out != in)
            give_back(kith, out);
        give_back(kith, in);
    }
}

static void a_cost_is_a_number(void)
{
    int *in = numbers(0), *out = numbers(0);
    double before = costs[3];

    costs[3] = NAN;
    FAILS_WITH(KITH_EINVAL, kith_map_costs(pool, note, in, out, N, costs));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "task 3 of note"));
    costs[3] = INFINITY;
    PASS(kith_map_costs(pool, note, in, out, N, costs));
    costs[3] = before;
    PASS(kith_map_costs(pool, note, in, out, N, NULL));
    PASS(kith_map_costs(pool, note, in, out, 0, costs));
    CU_ASSERT_EQUAL(out[N - 1], 3 * N - 2);
    give_back(0, in);
    give_back(0, out);
}

static struct test tests[] = { TEST(the_dearest_are_begun_first),
                               TEST(functions_of_bytes_too),
                               TEST(random_numbers_go_by_elements),
                               TEST(a_fault_names_the_element),
                               TEST(workers_that_die_lose_nothing),
                               TEST(a_cost_is_a_number),
                               TEST_END };

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    draw_costs();
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    pool = kith_pool_open(2);
    one = kith_pool_open(1);
    rc = run_tests("costs", tests);
    kith_pool_close(one);
    kith_pool_close(pool);
    return kith_finalize() ? 1 : rc;
}
