/* test_array.c: Arrays as users see them, over each way that one can be reached (see test_queue.c). What they
 * have in common with Values is tested there. */
#include "config.h"
#include "steps.h"
#include "used.h"
#include "object/object.h"
#include "shm/heap.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

static int ends_with(kith_process p)
{
    int code = -1; /* asked for: else that it was killed is in the status of the job */

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
    return code;
}

/* ------------------------------------------------------------------------- numbers */

#define NUMBER_TEST(letter, T)                                               \
    static void an_array_of_##letter(void)                                   \
    {                                                                        \
        kith_array a = far_array_open((#letter)[0], 5, 0);                   \
        T x[5] = { 1, 2, 3, 4, 5 }, y[5] = { 7, 7, 7, 7, 7 }, old, expected; \
                                                                             \
        CU_ASSERT_EQUAL(kith_array_length(a), 5);                            \
        PASS(kith_load_slice(a, 0, y, 5));                                   \
        for (int i = 0; i < 5; i++)                                          \
            CU_ASSERT(y[i] == 0);                                            \
        PASS(kith_store_slice(a, 0, x, 5));                                  \
        PASS(kith_load_slice(a, 1, y, 3));                                   \
        CU_ASSERT(y[0] == 2 && y[2] == 4 && y[3] == 0);                      \
        PASS(kith_store_at(a, 4, (T)9));                                     \
        PASS(kith_add_at(a, 4, (T)1));                                       \
        PASS(kith_load_at(a, 4, &old));                                      \
        CU_ASSERT(old == 10);                                                \
        PASS(kith_update_at(a, 0, KITH_MAX, (T)6, &old));                    \
        CU_ASSERT(old == 1);                                                 \
        PASS(kith_update_at(a, 0, KITH_EXCHANGE, (T)8, &old));               \
        CU_ASSERT(old == 6);                                                 \
        expected = 3;                                                        \
        CU_ASSERT_EQUAL(kith_compare_exchange_at(a, 1, &expected, (T)0), 0); \
        CU_ASSERT(expected == 2);                                            \
        CU_ASSERT_EQUAL(kith_compare_exchange_at(a, 1, &expected, (T)0), 1); \
        PASS(kith_load_slice(a, 0, y, 5));                                   \
        CU_ASSERT(y[0] == 8 && y[1] == 0 && y[2] == 3 && y[3] == 4);         \
        PASS(kith_array_close(a));                                           \
    }

NUMBER_TEST(i, int)
NUMBER_TEST(I, unsigned)
NUMBER_TEST(l, long)
NUMBER_TEST(L, unsigned long)
NUMBER_TEST(q, long long)
NUMBER_TEST(f, float)
NUMBER_TEST(d, double)

static void bytes_are_loaded_and_stored(void)
{
    kith_array a = far_array_open('b', 10, 0);
    char text[10] = "abcdefghi", seen[10];

    PASS(kith_store_slice(a, 0, text, 10));
    PASS(kith_array_load(a, 'b', 3, seen, 4));
    CU_ASSERT_EQUAL(memcmp(seen, "defg", 4), 0);
    FAILS_WITH(KITH_ETYPE, kith_array_update(a, 'b', 0, KITH_ADD, text, NULL));
    FAILS_WITH(KITH_ETYPE, kith_array_compare_exchange(a, 'b', 0, seen, text));
    PASS(kith_array_close(a));
}

struct point {
    double x, y;
    char name[20];
};

static struct point point(int i)
{
    struct point p = { i, -i, "" };

    snprintf(p.name, sizeof p.name, "point %d", i);
    return p;
}

static void structs_are_loaded_and_stored(void)
{
    enum { POINTS = 2000 };
    kith_array a = far_structs_open(sizeof(struct point), POINTS);
    static struct point all[POINTS], seen[POINTS];
    struct point p = point(7), q;

    CU_ASSERT_EQUAL(kith_array_length(a), POINTS);
    PASS(kith_load_at(a, 5, &q));
    CU_ASSERT(q.x == 0 && q.name[0] == '\0');
    PASS(kith_store_slice(a, POINTS - 1, &p, 1));
    PASS(kith_load_at(a, POINTS - 1, &q));
    CU_ASSERT(q.x == 7 && q.y == -7 && strcmp(q.name, "point 7") == 0);
    for (int i = 0; i < POINTS; i++)
        all[i] = point(i);
    PASS(kith_store_slice(a, 0, all, POINTS));
    PASS(kith_load_slice(a, 0, seen, POINTS));
    for (int i = 0; i < POINTS; i++)
        CU_ASSERT(seen[i].x == i && strcmp(seen[i].name, all[i].name) == 0);
    PASS(kith_array_store_structs(a, 1, &p, sizeof p, 1));
    PASS(kith_array_load_structs(a, 1, seen, sizeof p, 2));
    CU_ASSERT(seen[0].x == 7 && seen[1].x == 2);
    if (kith_array_here(a))
        CU_ASSERT_EQUAL(((struct point *)kith_array_here(a))[1].x, 7);
    PASS(kith_array_close(a));
}

/* Nothing is written beyond the place of whoever loads. */
static void a_struct_of_another_size_is_refused(void)
{
    kith_array a = far_structs_open(sizeof(struct point), 4), bytes = far_array_open('b', 64, 0);
    struct point p = point(1);
    char text[64] = "";

    FAILS_WITH(KITH_ESIZE, kith_load_slice(a, 0, text, 1));
    FAILS_WITH(KITH_ESIZE, kith_array_load(a, 'b', 0, text, 1));
    FAILS_WITH(KITH_ESIZE, kith_array_store(a, 'b', 0, text, 1));
    FAILS_WITH(KITH_ESIZE, kith_array_load_structs(a, 0, text, 16, 1));
    FAILS_WITH(KITH_ESIZE, kith_load_at(bytes, 0, &p));
    FAILS_WITH(KITH_ESIZE, kith_store_slice(bytes, 0, &p, 1));
    FAILS_WITH(KITH_ETYPE, kith_add_at(a, 0, 1));
    FAILS_WITH(KITH_EINVAL, kith_load_slice(a, 3, &p, 2));
    FAILS_WITH(KITH_EINVAL, kith_array_load_structs(a, 0, &p, 0, 1));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_array_open_with('i', 4, .size = 8)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_array_open_with('b', 4, .size = 65536)));
    PASS(kith_check(kith_array_open_with('i', 4, .size = sizeof(int), .name = "numbers")));
    PASS(kith_array_close(kith_array_open_with('i', 4, .name = "numbers")));
    PASS(kith_check(kith_array_open_with('b', 4, .size = 8, .name = "structs")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_array_open_with('b', 4, .size = 16, .name = "structs")));
    PASS(kith_array_close(kith_array_open_with('b', 4, .size = 8, .name = "structs")));
    PASS(kith_array_close(a));
    PASS(kith_array_close(bytes));
}

/* Small ones go in the mailbox, larger ones in a block, the largest in pieces. */
static void slices_of_any_size(void)
{
    static const size_t sizes[] = { 0, 1, 500, 600, 5000, 200000 };
    kith_array a = far_array_open('d', 200000, 0);
    double *x = malloc(200000 * sizeof *x), *y = malloc(200000 * sizeof *y);

    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        size_t n = sizes[k], at = 200000 - n;

        for (size_t i = 0; i < n; i++)
            x[i] = (double)(i * (k + 1));
        PASS(kith_store_slice(a, at, x, n));
        memset(y, 1, n * sizeof *y);
        PASS(kith_load_slice(a, at, y, n));
        CU_ASSERT_EQUAL(memcmp(x, y, n * sizeof *x), 0);
    }
    free(x);
    free(y);
    PASS(kith_array_close(a));
}

static void copies_begin_an_array(void)
{
    int x[4] = { 1, 4, 9, 16 }, y[4];
    kith_array a = kith_array_of(x);

    PASS(kith_load_slice(a, 0, y, 4));
    CU_ASSERT_EQUAL(memcmp(x, y, sizeof x), 0);
    CU_ASSERT_EQUAL(kith_array_length(a), 4);
    PASS(kith_array_close(a));
}

/* ------------------------------------------------------------------------ processes */

enum { CELLS = 8 };

struct adder {
    kith_array a;
    int rounds, how;
};

enum { ADDS, COMPARES, LOCKS };

static int adds_one(const struct adder *a, size_t at)
{
    long x;
    int rc;

    if (a->how == ADDS)
        return kith_add_at(a->a, at, 1L);
    if (a->how == LOCKS) {
        if ((rc = kith_array_lock(a->a, KITH_FOREVER)) < 0 || (rc = kith_load_at(a->a, at, &x)) < 0 ||
            (rc = kith_store_at(a->a, at, x + 1)) < 0)
            return rc;
        return kith_array_unlock(a->a);
    }
    if ((rc = kith_load_at(a->a, at, &x)) < 0)
        return rc;
    while ((rc = kith_compare_exchange_at(a->a, at, &x, x + 1)) == 0)
        ;
    return rc == 1 ? 0 : rc;
}

static int adds(const void *arg)
{
    const struct adder *a = arg;

    for (int i = 0; i < a->rounds; i++)
        if (adds_one(a, (size_t)i % CELLS) < 0)
            return 1;
    return 0;
}

/* On all nodes. */
static void processes_add_and_none_is_lost(void)
{
    for (int how = ADDS; how <= LOCKS; how++) {
        struct adder a = { far_array_open('l', CELLS, 0), 400, how };
        kith_process p[4];
        long cells[CELLS];

        for (int i = 0; i < 4; i++)
            p[i] = kith_process_start_with(adds, KITH_ARG(a), .node = KITH_NODE(i % kith_nodes()));
        CU_ASSERT_EQUAL(adds(&a), 0);
        for (int i = 0; i < 4; i++)
            CU_ASSERT_EQUAL(ends_with(p[i]), 0);
        PASS(kith_load_slice(a.a, 0, cells, CELLS));
        for (int i = 0; i < CELLS; i++)
            CU_ASSERT_EQUAL(cells[i], 5 * 400 / CELLS);
        PASS(kith_array_close(a.a));
    }
}

static void *thread_adds(void *arg)
{
    return adds(arg) ? arg : NULL;
}

static void threads_add_too(void)
{
    struct adder a = { far_array_open('l', CELLS, 0), 400, ADDS };
    pthread_t t[4];
    void *failed;
    long x = 0;

    for (int i = 0; i < 4; i++)
        CU_ASSERT_FATAL(pthread_create(&t[i], NULL, thread_adds, &a) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &failed);
        CU_ASSERT_PTR_NULL(failed);
    }
    PASS(kith_load_at(a.a, CELLS - 1, &x));
    CU_ASSERT_EQUAL(x, 4 * 400 / CELLS);
    PASS(kith_array_close(a.a));
}

static int works_in_place(const void *arg)
{
    const kith_array *a = arg;
    int *x = kith_array_here(*a);

    if (!x)
        return 3;
    for (int i = 0; i < 100; i++)
        x[i] = -x[i];
    return 0;
}

static double half(double x)
{
    return x / 2;
}

static void at_home_it_is_used_in_place(void)
{
    kith_array a = kith_array_open('i', 100), d = kith_array_open('d', 1000);
    int *x = kith_array_here(a), y;
    double *in = kith_array_here(d), last;
    kith_pool pool = kith_pool_open(2);

    CU_ASSERT_FATAL(x != NULL && in != NULL);
    for (int i = 0; i < 100; i++)
        x[i] = i;
    CU_ASSERT_EQUAL(ends_with(kith_process_start_with(works_in_place, KITH_ARG(a), .node = KITH_HERE)), 0);
    CU_ASSERT_EQUAL(x[99], -99);
    PASS(kith_load_at(a, 50, &y));
    CU_ASSERT_EQUAL(y, -50);
    for (int i = 0; i < 1000; i++)
        in[i] = i;
    PASS(kith_map(pool, half, in, in, 1000));
    PASS(kith_load_at(d, 999, &last));
    CU_ASSERT(last == 499.5);
    PASS(kith_pool_close(pool));
    FAILS_WITH(KITH_EINVAL, kith_free(x));
    PASS(kith_array_close(a));
    PASS(kith_array_close(d));
    CU_ASSERT_PTR_NULL(kith_array_here(a));
}

static void elsewhere_there_is_no_place(void)
{
    kith_array a = far_array_open('i', 100, 0);

    if (kith_nodes() > 1 && getenv("KITH_TEST_FAR"))
        CU_ASSERT_PTR_NULL(kith_array_here(a));
    PASS(kith_array_close(a));
}

/* --------------------------------------------------------------------------- deaths */

static void adds_once(const void *arg)
{
    adds_one(arg, 0);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(((const struct adder *)arg)->rounds, adds_once, arg);
    return 0;
}

/* Where all goes through an agent, it may be done after the death. */
static void whoever_dies_at_any_step_has_added_once_or_not(void)
{
    struct adder one = { far_array_open('l', CELLS, 0), 0, ADDS };
    int code;
    long sum;

    AT_EACH_STEP(one.rounds, code)
        code = end_at_step(kith_process_start(dies_on_the_way, KITH_ARG(one)));
    CU_ASSERT(got_through(one.rounds, code));
    PASS(kith_load_at(one.a, 0, &sum));
    CU_ASSERT(sum >= 1 && sum <= one.rounds);
    PASS(kith_array_close(one.a));
}

static void opens_and_closes(const void *arg)
{
    (void)arg;
    kith_array_close(kith_array_open_with('d', 10000, .name = "mortal"));
}

static int opens_and_dies(const void *arg)
{
    die_on_the_way(*(const int *)arg, opens_and_closes, arg);
    return 0;
}

/* An Array that was open when its process died is found by its name, and closed. Nothing else is left. */
static void whoever_dies_over_opening_or_closing_leaves_nothing(void)
{
    int code, step;
    uint64_t before = used_bytes();

    AT_EACH_STEP(step, code) {
        code = end_at_step(kith_process_start_with(opens_and_dies, KITH_ARG(step), .node = KITH_HERE));
        PASS(kith_array_close(kith_array_open_with('d', 10000, .name = "mortal")));
    }
    CU_ASSERT(got_through(step, code));
    AWAIT(used_bytes() <= before + 79999); /* janitors are at work */
}

static int locks_and_dies(const void *arg)
{
    const kith_array *a = arg;

    kith_array_lock(*a, KITH_FOREVER);
    raise(SIGKILL);
    return 0;
}

static void the_lock_of_a_dead_process_goes_to_the_next(void)
{
    kith_array a = far_array_open('i', 1, 0);

    CU_ASSERT_EQUAL(ends_with(kith_process_start(locks_and_dies, KITH_ARG(a))), -SIGKILL);
    CU_ASSERT_EQUAL(kith_array_lock(a, KITH_FOREVER), KITH_EOWNERDEAD);
    PASS(kith_array_lock(a, 0)); /* it may take it again */
    PASS(kith_array_unlock(a));
    PASS(kith_array_unlock(a));
    FAILS_WITH(KITH_EOWNER, kith_array_unlock(a));
    PASS(kith_array_close(a));
}

/* ------------------------------------------------------------------------ wrong use */

enum { MANY = 20000 }; /* so many that an Array is mostly closed in the middle of a store */

static int stores_until_closed(const void *arg)
{
    const kith_array *a = arg;
    long x[MANY];
    int rc;

    for (int i = 0; i < MANY; i++)
        x[i] = 1;
    while ((rc = kith_store_slice(*a, 0, x, MANY)) == 0)
        ;
    return rc == KITH_ESTALE ? 0 : 1;
}

static int is_zero(const long *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            return 0;
    return 1;
}

/* Its memory may be another's after that: what that one has in it stays as it is. */
static void one_that_is_in_use_is_closed(void)
{
    for (int i = 0; i < 10; i++) {
        kith_array a = far_array_open('l', MANY, 0);
        kith_process p = kith_process_start(stores_until_closed, KITH_ARG(a));
        long x, *mine;

        do
            PASS(kith_load_at(a, 0, &x));
        while (x == 0);
        PASS(kith_array_close(a));
        mine = kith_alloc(MANY * sizeof *mine);
        memset(mine, 0, MANY * sizeof *mine);
        CU_ASSERT_EQUAL(ends_with(p), 0);
        CU_ASSERT(is_zero(mine, MANY));
        PASS(kith_free(mine));
        FAILS_WITH(KITH_ESTALE, kith_load_at(a, 0, &x));
        FAILS_WITH(KITH_ESTALE, kith_store_at(a, 0, 1L));
        FAILS_WITH(KITH_ESTALE, kith_array_length(a));
        FAILS_WITH(KITH_ESTALE, kith_array_lock(a, 0));
        FAILS_WITH(KITH_ESTALE, kith_array_close(a));
    }
}

static int finds_by_name(const void *arg)
{
    kith_array a = kith_array_open_with('d', 6, .name = "grid");

    (void)arg;
    return kith_add_at(a, 5, 1.5) < 0;
}

static void names_lead_to_one_array(void)
{
    kith_array a = kith_array_open_with('d', 6, .name = "grid");
    double x = 0;

    CU_ASSERT_EQUAL(ends_with(kith_process_start(finds_by_name, NULL, 0)), 0);
    PASS(kith_load_at(a, 5, &x));
    CU_ASSERT(x == 1.5);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_array_open_with('d', 7, .name = "grid")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_array_open_with('f', 6, .name = "grid")));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_array_open_with('d', 6, .name = "grid", .raw = 1)));
    PASS(kith_array_close(a));
}

static void wrong_use_is_a_sentence(void)
{
    kith_array none = { 0 }, a = far_array_open('i', 4, 1), bad = kith_array_open('x', 4),
               empty = far_array_open('i', 0, 0);
    int x[5] = { 0 };
    double d;

    FAILS_WITH(KITH_ESTALE, kith_load_at(none, 0, x));
    FAILS_WITH(KITH_EINVAL, kith_check(bad));
    FAILS_WITH(KITH_EINVAL, kith_store_at(bad, 0, 1));
    FAILS_WITH(KITH_EINVAL, kith_load_at(a, 4, x));
    FAILS_WITH(KITH_EINVAL, kith_load_slice(a, 0, x, 5));
    FAILS_WITH(KITH_EINVAL, kith_load_slice(a, SIZE_MAX, x, 2));
    FAILS_WITH(KITH_EINVAL, kith_store_slice(a, 3, x, 2));
    FAILS_WITH(KITH_EINVAL, kith_add_at(a, 4, 1));
    FAILS_WITH(KITH_EINVAL, kith_compare_exchange_at(a, 4, x, 1));
    FAILS_WITH(KITH_EINVAL, kith_update_at(a, 0, 77, 1, NULL));
    FAILS_WITH(KITH_EINVAL, kith_array_load(a, 'i', 0, NULL, 1));
    FAILS_WITH(KITH_EINVAL, kith_load_at(empty, 0, x));
    FAILS_WITH(KITH_ETYPE, kith_load_at(a, 0, &d));
    FAILS_WITH(KITH_ETYPE, kith_store_at(a, 0, 1.0));
    FAILS_WITH(KITH_ETYPE, kith_add_at((kith_array){ kith_value_of(1).id }, 0, 1));
    FAILS_WITH(KITH_EINVAL, kith_array_lock(a, 0)); /* it is raw */
    FAILS_WITH(KITH_EINVAL, kith_array_unlock(a));
    FAILS_WITH(KITH_EINVAL, kith_array_lock(empty, -2));
    PASS(kith_load_slice(a, 4, x, 0));
    CU_ASSERT_EQUAL(kith_array_length(empty), 0);
    PASS(kith_array_close(empty));
    PASS(kith_array_close(a));
}

static struct test tests[] = {
    TEST_LIKE(an_array_of_i, "_TestArray.test_array _TestArray.test_rawarray"),
    TEST(an_array_of_I),
    TEST_LIKE(an_array_of_l, "_TestArray.test_array_from_size"),
    TEST(an_array_of_L),
    TEST(an_array_of_q),
    TEST(an_array_of_f),
    TEST_LIKE(an_array_of_d, "_TestArray.test_array _TestArray.test_rawarray"),
    TEST_LIKE(bytes_are_loaded_and_stored,
              "_TestSharedCTypes.test_sharedctypes _TestSharedCTypes.test_synchronize"),
    TEST(structs_are_loaded_and_stored),
    TEST(a_struct_of_another_size_is_refused),
    TEST_LIKE(slices_of_any_size, "_TestArray.test_array _TestArray.test_rawarray"),
    TEST_LIKE(copies_begin_an_array, "_TestArray.test_array_from_size"),
    TEST_LIKE(processes_add_and_none_is_lost, "_TestArray.test_array _TestArray.test_rawarray"),
    TEST(threads_add_too),
    TEST_LIKE(at_home_it_is_used_in_place, "_TestArray.test_getobj_getlock_obj"),
    TEST(elsewhere_there_is_no_place),
    TEST(whoever_dies_at_any_step_has_added_once_or_not),
    TEST(whoever_dies_over_opening_or_closing_leaves_nothing),
    TEST_LIKE(the_lock_of_a_dead_process_goes_to_the_next, "_TestArray.test_getobj_getlock_obj"),
    TEST(one_that_is_in_use_is_closed),
    TEST(names_lead_to_one_array),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("array", tests);
    return kith_finalize() ? 1 : rc;
}
