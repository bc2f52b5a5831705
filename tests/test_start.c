/* test_start.c: plain functions as Processes: kith_start. */
#include "config.h"
#include "check.h"

#include <stdarg.h>
#include <sys/mman.h>

static struct seen {
    double numbers[3];
    char text[100];
    int calls;
} * seen; /* by all, as it was mapped before kith_init */

static int ends_with(kith_process p)
{
    int code = -1000;

    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
    return code;
}

static int square(int x)
{
    return x * x;
}

/* Puts a text into q; 3. */
static int say(kith_queue q, const char *format, ...) KITH_PRINTF(2, 3);
static int say(kith_queue q, const char *format, ...)
{
    char text[100];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    return kith_queue_put(q, text, strlen(text) + 1, SOON) == 0 ? 3 : 1;
}

static void keep_number(double x)
{
    seen->numbers[0] = x;
}

static void keep_three(long a, long b, long c)
{
    seen->numbers[0] = (double)a;
    seen->numbers[1] = (double)b;
    seen->numbers[2] = (double)c;
}

static double sum(double a, double b)
{
    return seen->numbers[0] = a + b;
}

static int keep_text(const char *text)
{
    snprintf(seen->text, sizeof seen->text, "%s %zu", text ? text : "none", kith_arg_size());
    return 3;
}

static void keep_text_only(const char *text)
{
    keep_text(text);
}

static void count(void)
{
    seen->calls++;
}

static int count_and_tell(void)
{
    return ++seen->calls;
}

static float half(float x)
{
    return x / 2;
}

static int fail(int code)
{
    return kith_fail(code, "as wanted");
}

static void functions_of_numbers_get_them_converted(void)
{
    CU_ASSERT_EQUAL(ends_with(kith_start(square, 10)), 100);
    CU_ASSERT_EQUAL(ends_with(kith_start(keep_number, 7)), 0); /* an int for a double */
    CU_ASSERT_EQUAL(seen->numbers[0], 7.0);
    CU_ASSERT_EQUAL(ends_with(kith_start(keep_three, 1, -2, 1L << 40)), 0);
    CU_ASSERT(seen->numbers[0] == 1 && seen->numbers[1] == -2 && seen->numbers[2] == (double)(1L << 40));
    CU_ASSERT_EQUAL(ends_with(kith_start(sum, 1, 0.5f)), 0); /* what is no int is no exit code */
    CU_ASSERT_EQUAL(seen->numbers[0], 1.5);
    CU_ASSERT_EQUAL(ends_with(kith_start(half, 300)), 0);
}

static void functions_of_a_string_get_a_copy(void)
{
    char name[] = "bob";
    kith_process p = kith_start(keep_text, name);

    memset(name, 'x', 3);
    CU_ASSERT_EQUAL(ends_with(p), 3);
    CU_ASSERT_STRING_EQUAL(seen->text, "bob 4");
    CU_ASSERT_EQUAL(ends_with(kith_start(keep_text_only, "")), 0);
    CU_ASSERT_STRING_EQUAL(seen->text, " 1");
    CU_ASSERT_EQUAL(ends_with(kith_start(keep_text, NULL)), 3);
    CU_ASSERT_STRING_EQUAL(seen->text, "none 0");
}

/* One for each kind of handle: it uses the object, and returns 7 if it could. */
#define USES(name, T, call)         \
    static int uses_##name(T x)     \
    {                               \
        return (call) == 0 ? 7 : 1; \
    }
USES(process, kith_process, kith_process_alive(x) - 1)
USES(queue, kith_queue, kith_queue_put(x, "x", 1, SOON))
USES(pipe, kith_pipe, kith_pipe_send(x, "x", 1, SOON))
USES(sem, kith_sem, kith_sem_acquire(x, SOON) + kith_sem_release(x))
USES(value, kith_value, kith_add(x, 1))
USES(lock, kith_lock, kith_lock_acquire(x, SOON) + kith_lock_release(x))
USES(rlock, kith_rlock, kith_rlock_acquire(x, SOON) + kith_rlock_release(x))
USES(array, kith_array, kith_add_at(x, 1, 1.0))
USES(event, kith_event, kith_event_set(x))
USES(dict, kith_dict, kith_inc(x, "hits", 1))
USES(list, kith_list, kith_append(x, 1))
USES(ns, kith_ns, kith_inc(x, "hits", 1))
USES(cond, kith_cond, kith_cond_acquire(x, SOON) + kith_cond_release(x))
USES(barrier, kith_barrier, kith_barrier_wait(x, SOON))
USES(shared, kith_shared, kith_shared_data(x) ? strcmp(kith_shared_data(x), "text") : 1)
USES(pool, kith_pool, kith_pool_workers(x) - 1)

/* In two steps, since what is asserted becomes a text, too. */
#define CLOSES(verb, start, x)                  \
    do {                                        \
        kith_process process = (start);         \
                                                \
        CU_ASSERT_EQUAL(ends_with(process), 7); \
        PASS(kith_##verb##_close(x));           \
    } while (0)

static void functions_of_any_handle_use_its_object(void)
{
    kith_process self = kith_self();
    kith_queue q = kith_queue_open(0);
    kith_sem s = kith_sem_open(1);
    kith_value v = kith_value_of(1);
    kith_lock l = kith_lock_open();
    kith_rlock r = kith_rlock_open();
    kith_array a = kith_array_open('d', 2);
    kith_event e = kith_event_open();
    kith_dict d = kith_dict_open();
    kith_list list = kith_list_open();
    kith_ns ns = kith_ns_open();
    kith_cond c = kith_cond_open();
    kith_barrier b = kith_barrier_open(1);
    kith_shared shared = kith_share("text", 5);
    kith_pool pool = kith_pool_open(1);
    kith_pipe ends[2];

    PASS(kith_pipe_open(ends));
    CU_ASSERT_EQUAL(ends_with(kith_start(uses_process, self)), 7);
    CLOSES(queue, kith_start(uses_queue, q), q);
    CLOSES(pipe, kith_start(uses_pipe, ends[1]), ends[1]);
    PASS(kith_pipe_close(ends[0]));
    CLOSES(sem, kith_start(uses_sem, s), s);
    CLOSES(value, kith_start(uses_value, v), v);
    CLOSES(lock, kith_start(uses_lock, l), l);
    CLOSES(rlock, kith_start(uses_rlock, r), r);
    CLOSES(array, kith_start(uses_array, a), a);
    CLOSES(event, kith_start(uses_event, e), e);
    CLOSES(dict, kith_start(uses_dict, d), d);
    CLOSES(list, kith_start(uses_list, list), list);
    CLOSES(ns, kith_start(uses_ns, ns), ns);
    CLOSES(cond, kith_start(uses_cond, c), c);
    CLOSES(barrier, kith_start(uses_barrier, b), b);
    CLOSES(shared, kith_start(uses_shared, shared), shared);
    CLOSES(pool, kith_start(uses_pool, pool), pool);
}

/* In each place, each kind: what came is put into the queue as text. */
static int put_ints(kith_queue q, int a, const char *text, int b)
{
    return say(q, "%d %s %d", a, text ? text : "none", b);
}

static void put_doubles(const char *text, double a, kith_queue q, double b)
{
    say(q, "%g %s %g", a, text, b);
}

static int put_floats(float a, kith_value v, float b, kith_queue q)
{
    kith_add(v, 1);
    return say(q, "%g %g", (double)a, (double)b);
}

static void put_long(long long x, kith_queue q)
{
    say(q, "%lld", x);
}

static void put_unsigned(kith_queue q, unsigned a, unsigned b)
{
    say(q, "%u %u", a, b);
}

static int put_sizes(size_t a, size_t b, kith_queue q)
{
    return say(q, "%zu %zu", a, b);
}

static int put_texts(const char *a, const char *b, const char *c, kith_queue q)
{
    return say(q, "%s %s %s", a, b, c);
}

static int sum_of_four(int a, int b, int c, int d)
{
    return a * 100 + b * 50 + c * 10 + d;
}

static int round_up(double x)
{
    return (int)(x + 0.999);
}

static void gets(kith_queue q, kith_process p, int code, const char *text)
{
    char buf[100] = "";

    CU_ASSERT_EQUAL(ends_with(p), code);
    CU_ASSERT(kith_queue_get(q, buf, sizeof buf, SOON) > 0);
    CU_ASSERT_STRING_EQUAL(buf, text);
}

static void handles_strings_and_numbers_may_be_mixed(void)
{
    kith_queue q = kith_queue_open(0);
    kith_value v = kith_value_of(1);
    const kith_queue same = q;
    char name[] = "bob";
    short small = -3;
    int hits = 0;

    gets(q, kith_start(put_ints, q, 5, name, -1), 3, "5 bob -1");
    gets(q, kith_start(put_ints, same, small, NULL, 2.9f), 3, "-3 none 2");
    gets(q, kith_start(put_doubles, "of", 1, q, 0.25f), 0, "1 of 0.25");
    gets(q, kith_start(put_floats, 1.5, v, -2, q), 3, "1.5 -2");
    gets(q, kith_start(put_long, 1LL << 40, q), 0, "1099511627776");
    gets(q, kith_start(put_long, -1, q), 0, "-1");
    gets(q, kith_start(put_unsigned, q, 4000000000U, 'x'), 0, "4000000000 120");
    gets(q, kith_start(put_sizes, sizeof name, (unsigned char)200, q), 3, "4 200");
    gets(q, kith_start(put_texts, "a", "", "longer than the others", q), 3, "a  longer than the others");
    PASS(kith_load(v, &hits));
    CU_ASSERT_EQUAL(hits, 2);
    CU_ASSERT_EQUAL(ends_with(kith_start(sum_of_four, 1, 2, 3, 4)), 234);
    CU_ASSERT_EQUAL(ends_with(kith_start(round_up, 6.5f)), 7);
    PASS(kith_value_close(v));
    PASS(kith_queue_close(q));
}

static void its_arguments_are_evaluated_once(void)
{
    kith_queue queues[2] = { kith_queue_open(0), kith_queue_open(0) };
    int i = 0, n = 10;

    gets(queues[0], kith_start(put_long, n++, queues[i++]), 0, "10");
    CU_ASSERT(i == 1 && n == 11);
    PASS(kith_queue_close(queues[0]));
    PASS(kith_queue_close(queues[1]));
}

static void a_closed_object_is_stale_there(void)
{
    kith_queue q = kith_queue_open(0);

    PASS(kith_queue_close(q));
    CU_ASSERT_EQUAL(ends_with(kith_start(uses_queue, q)), 1);
    CU_ASSERT_EQUAL(ends_with(kith_start(uses_queue, (kith_queue){ 0 })), 1);
}

static void functions_of_nothing_are_called(void)
{
    seen->calls = 0;
    CU_ASSERT_EQUAL(ends_with(kith_start(count)), 0);
    CU_ASSERT_EQUAL(ends_with(kith_start(count_and_tell)), 2);
}

static void they_are_named_after_their_function(void)
{
    kith_process p = kith_start(square, 0);
    char name[64];

    PASS(kith_process_name(p, name, sizeof name));
    CU_ASSERT(strncmp(name, "square-", 7) == 0);
    CU_ASSERT_EQUAL(ends_with(p), 0);
}

static void they_may_fail_like_others(void)
{
    CU_ASSERT_EQUAL(ends_with(kith_start(fail, 9)), 9);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_start((int (*)(int))NULL, 1)));
}

static struct test tests[] = {
    TEST_LIKE(functions_of_numbers_get_them_converted, "_TestProcess.test_args_argument"),
    TEST_LIKE(functions_of_a_string_get_a_copy, "_TestProcess.test_args_argument"),
    TEST_LIKE(functions_of_any_handle_use_its_object, "_TestProcess.test_args_argument"),
    TEST_LIKE(handles_strings_and_numbers_may_be_mixed, "_TestProcess.test_args_argument"),
    TEST(its_arguments_are_evaluated_once),
    TEST(a_closed_object_is_stale_there),
    TEST_LIKE(functions_of_nothing_are_called, "_TestProcess.test_args_argument"),
    TEST(they_are_named_after_their_function),
    TEST_LIKE(they_may_fail_like_others, "_TestSubclassingProcess.test_sys_exit"),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("start", tests);
    return kith_finalize() ? 1 : rc;
}
