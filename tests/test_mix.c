/* test_mix.c: functions of handles, strings and numbers in pools: kith_apply and kith_apply_async. */
#include "config.h"
#include "check.h"

#include <math.h>

static int put_next(kith_queue q, int x)
{
    return kith_put(q, x) == 0 ? x + 1 : -1;
}

static double add_both(kith_value v, double x, kith_value w, double y)
{
    double z = 0;

    kith_add(v, x);
    kith_load(w, &z);
    return z + y;
}

static int append_length(const char *text, kith_list l, int x)
{
    kith_append(l, x);
    return text ? (int)strlen(text) : -1;
}

static void only_put(kith_queue q, long x)
{
    kith_put(q, x);
}

static float twice(float x, kith_lock l)
{
    return kith_check(l) == 0 ? 2 * x : -1;
}

static long digits(long a, long b, long c, long d)
{
    return a + 10 * b + 100 * c + 1000 * d;
}

static unsigned long length_of(kith_array a)
{
    return (unsigned long)kith_array_length(a);
}

static int refuse(kith_lock l, int code)
{
    return kith_check(l) == 0 ? kith_fail(code, "not %d", code) : 0;
}

static int die_with(kith_lock l)
{
    kith_lock_acquire(l, SOON);
    raise(SIGKILL);
    return 0;
}

static kith_pool pools[3]; /* of processes; of threads; of all nodes */
enum { OF_THREADS = 1 };

static void for_each_pool(void (*check)(kith_pool pool))
{
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++)
        check(pools[i]);
}

static void apply_some(kith_pool pool)
{
    kith_queue q = kith_queue_open(0);
    kith_value v = kith_value_of(1.0), w = kith_value_of(2.5);
    kith_list l = kith_list_open();
    kith_lock lock = kith_lock_open();
    kith_array a = kith_array_open('i', 33);
    char name[] = "bob";
    int y = 0, x = 0, rc;
    unsigned long size = 0;
    double d = 0;
    float f = 0;
    long n = 0;

    rc = kith_apply(pool, put_next, &y, q, 5);
    CU_ASSERT(rc == 0 && y == 6 && kith_get(q, &x) == 0 && x == 5);
    rc = kith_apply(pool, add_both, &d, v, 2, w, 1);
    CU_ASSERT(rc == 0 && d == 3.5 && kith_load(v, &d) == 0 && d == 3);
    rc = kith_apply(pool, append_length, &y, name, l, 'x');
    CU_ASSERT(rc == 0 && y == 3 && kith_fetch(l, 0, &x) == 0 && x == 'x');
    rc = kith_apply(pool, append_length, &y, NULL, l, 1);
    CU_ASSERT(rc == 0 && y == -1 && kith_list_len(l) == 2);
    rc = kith_apply(pool, twice, &f, 1.5, lock);
    CU_ASSERT(rc == 0 && f == 3);
    rc = kith_apply(pool, digits, &n, 1, 2, 3, 4);
    CU_ASSERT(rc == 0 && n == 4321);
    rc = kith_apply(pool, length_of, &size, a);
    CU_ASSERT(rc == 0 && size == 33);
    rc = kith_apply(pool, pow, &d, 2, 3); /* as before */
    CU_ASSERT(rc == 0 && d == 8);
    PASS(kith_queue_close(q));
    PASS(kith_value_close(v));
    PASS(kith_value_close(w));
    PASS(kith_list_close(l));
    PASS(kith_lock_close(lock));
    PASS(kith_array_close(a));
}

static void apply_takes_handles_and_strings(void)
{
    for_each_pool(apply_some);
}

static void apply_some_later(kith_pool pool)
{
    static const char text[] =
        "a text that does not fit into the place of a task, which has 24 bytes for all of it";
    kith_queue q = kith_queue_open(0);
    kith_value v = kith_value_of(1.0);
    kith_list l = kith_list_open();
    kith_result r = kith_apply_async(pool, put_next, q, 6);
    int y = 0, x = 0;
    double d = 0;
    long n = 0;

    CU_ASSERT(kith_get(r, &y) == 0 && y == 7 && kith_get(q, &x) == 0 && x == 6);
    r = kith_apply_async(pool, add_both, v, 1, v, 1);
    CU_ASSERT(kith_get(r, &d) == 0 && d == 3);
    r = kith_apply_async(pool, append_length, text, l, 1);
    CU_ASSERT(kith_get(r, &y) == 0 && y == (int)sizeof text - 1);
    r = kith_apply_async(pool, only_put, q, 8); /* no result, but an end */
    CU_ASSERT(kith_result_get(r, NULL, 0, SOON) == 0 && kith_get(q, &n) == 0 && n == 8);
    r = kith_apply_async(pool, digits, 4, 3, 2, 1);
    CU_ASSERT(kith_get(r, &n) == 0 && n == 1234);
    PASS(kith_queue_close(q));
    PASS(kith_value_close(v));
    PASS(kith_list_close(l));
}

static void apply_async_takes_handles_and_strings(void)
{
    for_each_pool(apply_some_later);
}

static void apply_many(kith_pool pool)
{
    enum { MANY = 3000 };
    static const char letters[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
    static kith_result r[MANY];
    kith_list l = kith_list_open();
    int y = 0, wrong = 0, expected;

    for (int i = 0; i < MANY; i++)
        r[i] = kith_apply_async(pool, append_length, letters + i % 71, l, i);
    for (int i = 0; i < MANY; i++) {
        expected = (int)sizeof letters - 1 - i % 71;
        wrong += kith_get(r[i], &y) != 0 || y != expected;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(kith_list_len(l), MANY);
    PASS(kith_list_close(l));
}

static void many_of_them_go_their_ways(void)
{
    for_each_pool(apply_many);
}

static void fail_some(kith_pool pool)
{
    kith_lock l = kith_lock_open();
    struct kith_fault fault;
    kith_result r;
    int y = 5, rc;

    rc = kith_apply(pool, refuse, &y, l, 7);
    CU_ASSERT(rc == KITH_ETASK && y == 5);
    PASS(kith_last_fault(&fault, 0));
    CU_ASSERT(fault.code == 7 && strcmp(fault.text, "not 7") == 0 && strcmp(fault.function, "refuse") == 0);
    r = kith_apply_async(pool, refuse, l, 8);
    FAILS_WITH(KITH_ETASK, kith_get(r, &y));
    PASS(kith_last_fault(&fault, 0));
    CU_ASSERT_EQUAL(fault.code, 8);
    if (pool.id != pools[OF_THREADS].id) {
        rc = kith_apply(pool, die_with, &y, l);
        CU_ASSERT(rc == KITH_ETASK && kith_last_fault(&fault, 0) == 0 && fault.signal == SIGKILL);
        FAILS_WITH(KITH_EOWNERDEAD, kith_lock_acquire(l, SOON));
    }
    PASS(kith_lock_close(l));
}

static void they_fail_and_die_like_others(void)
{
    for_each_pool(fail_some);
}

static void a_wrong_call_is_told(void)
{
    kith_queue q = kith_queue_open(0);
    kith_pool closed = kith_pool_open(1);
    kith_result r;
    int y = 0, rc;

    PASS(kith_pool_close(closed));
    rc = kith_apply(closed, put_next, &y, q, 1);
    CU_ASSERT_EQUAL(rc, KITH_ESTALE);
    r = kith_apply_async(closed, put_next, q, 1);
    FAILS_WITH(KITH_ESTALE, kith_check(r));
    rc = kith_apply(pools[0], put_next, (int *)NULL, q, 1);
    CU_ASSERT_EQUAL(rc, KITH_EINVAL);
    PASS(kith_queue_close(q));
}

static struct test tests[] = {
    TEST(apply_takes_handles_and_strings),
    TEST(apply_async_takes_handles_and_strings),
    TEST(many_of_them_go_their_ways),
    TEST(they_fail_and_die_like_others),
    TEST(a_wrong_call_is_told),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    pools[0] = kith_pool_open_with(2, .tries = 1);
    pools[OF_THREADS] = kith_pool_open_with(2, .threads = 1);
    pools[2] = kith_pool_open_with(3, .nodes = -1, .tries = 1);
    rc = run_tests("mix", tests);
    return kith_finalize() ? 1 : rc;
}
