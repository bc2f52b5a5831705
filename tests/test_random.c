/* test_random.c: the generator against its authors' known answers, and which stream is drawn by whom. */
#include "config.h"
#include "check.h"
#include "pool/random.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 1 << 18 };

static void seeded(uint64_t seed)
{
    char text[32];

    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    setenv("KITH_SEED", text, 1);
    PASS(kith__random_init());
    unsetenv("KITH_SEED");
}

static uint64_t first_of(uint32_t kind, uint64_t number)
{
    kith__random_seek(kind, number, NULL);
    return kith_random();
}

/* From kat_vectors of Random123, philox4x32 with 10 rounds: counter, key, result. */
static void generator_gives_the_known_answers(void)
{
    static const struct {
        uint64_t index, block, key, out[2];
    } known[] = { { 0, 0, 0, { 0xe169c58d6627e8d5, 0x9b00dbd8bc57ac4c } },
                  { UINT64_MAX, UINT64_MAX, UINT64_MAX, { 0x41c83b0e408f276d, 0x6d5451fda20bc7c6 } },
                  { 0x85a308d3243f6a88,
                    0x0370734413198a2e,
                    0x299f31d0a4093822,
                    { 0x94fdccebd16cfe09, 0x24126ea15001e420 } } };
    uint64_t out[2];

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        kith__random_block(known[i].key, known[i].index, known[i].block, out);
        CU_ASSERT_EQUAL(out[0], known[i].out[0]);
        CU_ASSERT_EQUAL(out[1], known[i].out[1]);
    }
}

static void seed_comes_from_the_variable_first(void)
{
    PASS(kith_seed(6));
    PASS(kith_seed(7));
    PASS(kith__random_init());
    CU_ASSERT_EQUAL(kith__random_seed(), 7);
    FAILS_WITH(KITH_EINVAL, kith_seed(8));
    setenv("KITH_SEED", "0xfFffffffffffffff", 1);
    PASS(kith__random_init());
    CU_ASSERT_EQUAL(kith__random_seed(), UINT64_MAX);
    setenv("KITH_SEED", "0123", 1);
    PASS(kith__random_init());
    CU_ASSERT_EQUAL(kith__random_seed(), 123);
    unsetenv("KITH_SEED");
}

static void bad_seed_is_refused(void)
{
    static const char *const bad[] = { "x",  "-1",  "+1",    " 1",  "1 ",
                                       "0x", "0xg", "0x0x1", "1e3", "18446744073709551616" };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("KITH_SEED", bad[i], 1);
        FAILS_WITH(KITH_EINVAL, kith__random_init());
        CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), bad[i]));
    }
    unsetenv("KITH_SEED");
}

static void same_seed_gives_the_same_numbers(void)
{
    uint64_t a, b;

    seeded(42);
    a = kith_random();
    b = kith_random();
    seeded(43);
    CU_ASSERT_NOT_EQUAL(kith_random(), a);
    seeded(42);
    CU_ASSERT_EQUAL(kith_random(), a);
    CU_ASSERT_EQUAL(kith_random(), b);
    kith__random_set_seed(43); /* takes effect in the middle of a stream, from its start */
    kith__random_set_seed(42);
    CU_ASSERT_EQUAL(kith_random(), a);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void no_two_streams_begin_alike(void)
{
    uint64_t *seen = malloc(4 * 10000 * sizeof *seen);
    size_t n = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(seen);
    seeded(42);
    for (uint32_t kind = 0; kind < 4; kind++)
        for (uint64_t number = 0; number < 10000; number++)
            seen[n++] = first_of(kind, number);
    qsort(seen, n, sizeof *seen, by_value);
    for (size_t i = 1; i < n; i++)
        if (seen[i] == seen[i - 1])
            CU_FAIL("two streams begin alike");
    free(seen);
}

static void task_draws_by_its_index_alone(void)
{
    _Atomic uint64_t index = UINT64_MAX;
    uint64_t forward[100][3];

    seeded(42);
    kith__random_seek(KITH__STREAM_TASK, 5, &index);
    for (int i = 0; i < 100; i++) {
        atomic_store(&index, (uint64_t)i);
        for (int k = 0; k < 3; k++)
            forward[i][k] = kith_random();
    }
    kith__random_seek(KITH__STREAM_TASK, 5, &index);
    for (int i = 99; i >= 0; i--) { /* another order, and not all are drawn */
        atomic_store(&index, (uint64_t)i);
        for (int k = 0; k < i % 4; k++)
            CU_ASSERT_EQUAL(kith_random(), forward[i][k]);
    }
    kith__random_seek(KITH__STREAM_TASK, 5, &index);
    CU_ASSERT_EQUAL(kith_random(), forward[0][0]);
    kith__random_seek(KITH__STREAM_TASK, 6, &index);
    CU_ASSERT_NOT_EQUAL(kith_random(), forward[0][0]);
}

static void saved_stream_goes_on_where_it_was(void)
{
    _Atomic uint64_t outer = 3, inner = 3;
    struct kith__stream saved;
    uint64_t expected[3];

    seeded(42);
    kith__random_seek(KITH__STREAM_TASK, 1, &outer);
    for (int i = 0; i < 3; i++)
        expected[i] = kith_random();
    kith__random_seek(KITH__STREAM_TASK, 1, &outer);
    CU_ASSERT_EQUAL(kith_random(), expected[0]);
    kith__random_save(&saved);
    kith__random_seek(KITH__STREAM_TASK, 2, &inner);
    CU_ASSERT_NOT_EQUAL(kith_random(), expected[1]);
    kith__random_restore(&saved);
    CU_ASSERT_EQUAL(kith_random(), expected[1]);
    CU_ASSERT_EQUAL(kith_random(), expected[2]);
}

static void *draw_one(void *arg)
{
    *(uint64_t *)arg = kith_random();
    return NULL;
}

static uint64_t drawn_in_a_thread(void)
{
    pthread_t thread;
    uint64_t value = 0;

    CU_ASSERT_FATAL(pthread_create(&thread, NULL, draw_one, &value) == 0);
    pthread_join(thread, NULL);
    return value;
}

static void each_thread_has_a_sequence_of_its_own(void)
{
    uint64_t mine, first, second;

    seeded(42);
    mine = kith_random();
    first = drawn_in_a_thread();
    second = drawn_in_a_thread();
    CU_ASSERT(mine != first && first != second && second != mine);
    seeded(42); /* the same in each run */
    CU_ASSERT_EQUAL(drawn_in_a_thread(), first);
    kith__random_seek(KITH__STREAM_WORKER, 1, NULL);
    CU_ASSERT_NOT_EQUAL(drawn_in_a_thread(), first);
}

/* Chi-square of all bytes over 256 values: 255 degrees of freedom, so beyond 400 about once in 10^8. */
static void bytes_are_spread_evenly(void)
{
    static uint32_t count[256];
    double expected = MANY * 8 / 256.0, chi = 0.0;

    seeded(42);
    memset(count, 0, sizeof count);
    for (int i = 0; i < MANY; i++)
        for (uint64_t r = kith_random(), k = 0; k < 8; k++, r >>= 8)
            count[r & 255]++;
    for (int i = 0; i < 256; i++)
        chi += (count[i] - expected) * (count[i] - expected) / expected;
    CU_ASSERT(chi > 150.0 && chi < 400.0);
}

static void uniform_has_mean_variance_and_bounds(void)
{
    double sum = 0.0, squares = 0.0, least = 1.0, most = 0.0;

    seeded(42);
    for (int i = 0; i < MANY; i++) {
        double u = kith_uniform(0.0, 1.0);

        sum += u;
        squares += u * u;
        least = u < least ? u : least;
        most = u > most ? u : most;
    }
    CU_ASSERT(fabs(sum / MANY - 0.5) < 6 * sqrt(1.0 / 12 / MANY));
    CU_ASSERT(fabs(squares / MANY - 1.0 / 3) < 6 * sqrt(4.0 / 45 / MANY));
    CU_ASSERT(least >= 0.0 && least < 1e-4 && most < 1.0 && most > 1 - 1e-4);
}

/* Neighbouring streams, where a bad mixture of seed and name would show. */
static void neighbouring_streams_are_not_correlated(void)
{
    _Atomic uint64_t index = 0;
    double product = 0.0;

    seeded(42);
    kith__random_seek(KITH__STREAM_TASK, 0, &index);
    for (int i = 0; i < MANY; i++) {
        double a = kith_uniform(-1.0, 1.0);

        atomic_fetch_add(&index, 1);
        product += a * kith_uniform(-1.0, 1.0);
        atomic_fetch_add(&index, 1);
    }
    CU_ASSERT(fabs(product / MANY) < 6 * sqrt(1.0 / 9 / MANY));
    product = 0.0;
    for (uint64_t i = 0; i < MANY; i++) {
        kith__random_seek(KITH__STREAM_PROCESS, i, NULL);
        product += kith_uniform(-1.0, 1.0);
    }
    CU_ASSERT(fabs(product / MANY) < 6 * sqrt(1.0 / 3 / MANY));
}

static void uniform_never_gives_the_upper_bound(void)
{
    static const struct {
        double lo, hi;
    } range[] = { { 1.0, 1.0 + DBL_EPSILON },
                  { -DBL_MAX, DBL_MAX },
                  { 0.0, DBL_TRUE_MIN },
                  { 1e16, 1e16 + 4 },
                  { 32.0, 100.0 },
                  { -1.0, 0.0 },
                  { 5.0, -5.0 } };
    double x;

    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++)
        for (int k = 0; k < 1000; k++) {
            x = kith_uniform(range[i].lo, range[i].hi);
            if (range[i].lo < range[i].hi ? !(x >= range[i].lo && x < range[i].hi)
                                          : !(x <= range[i].lo && x > range[i].hi))
                CU_FAIL("outside of [lo, hi)");
        }
    CU_ASSERT_EQUAL(kith_uniform(3.0, 3.0), 3.0);
}

static void libc_is_reseeded_differently(void)
{
    int a, b, c;
    double d;

    kith__random_reseed_libc(1);
    a = rand();
    b = (int)random();
    d = drand48();
    kith__random_reseed_libc(UINT64_C(1) + (UINT64_C(1) << 32)); /* the upper half counts too */
    c = rand();
    CU_ASSERT_NOT_EQUAL(a, c);
    CU_ASSERT_NOT_EQUAL(drand48(), d);
    kith__random_reseed_libc(1);
    CU_ASSERT_EQUAL(rand(), a);
    CU_ASSERT_EQUAL((int)random(), b);
    CU_ASSERT_EQUAL(drand48(), d);
}

static void drawing_works_before_the_seed_is_set(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) /* nothing was initialised here yet */
        _exit(kith_random() != kith_random() && kith__random_seed() != 0 ? 0 : 1);
    CU_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
}

static struct test tests[] = { TEST(drawing_works_before_the_seed_is_set),
                               TEST(generator_gives_the_known_answers),
                               TEST(seed_comes_from_the_variable_first),
                               TEST(bad_seed_is_refused),
                               TEST(same_seed_gives_the_same_numbers),
                               TEST(no_two_streams_begin_alike),
                               TEST(task_draws_by_its_index_alone),
                               TEST(saved_stream_goes_on_where_it_was),
                               TEST(each_thread_has_a_sequence_of_its_own),
                               TEST(bytes_are_spread_evenly),
                               TEST(uniform_has_mean_variance_and_bounds),
                               TEST(neighbouring_streams_are_not_correlated),
                               TEST(uniform_never_gives_the_upper_bound),
                               TEST(libc_is_reseeded_differently),
                               TEST_END };

int main(void)
{
    kith_on_fault(NULL);
    return run_tests("random", tests);
}
