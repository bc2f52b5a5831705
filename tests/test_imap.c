/* test_imap.c: results one by one, from sources that may have no end. */
#include "config.h"
#include "kith.h"
#include "check.h"
#include "used.h"

#include "shm/heap.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic int *shared; /* words that tasks and this program share */
enum { GATE, COUNT };

static int square(int x)
{
    return x * x;
}

static long half(long x)
{
    return x / 2;
}

static int wait_for_the_second(int x)
{
    while (x == 0 && !atomic_load(&shared[GATE]))
        usleep(100);
    return x;
}

static int counts(int x)
{
    atomic_fetch_add(&shared[COUNT], 1);
    return x;
}

static void in_the_order_of_arguments(void)
{
    enum { N = 20000 };
    kith_pool pool = kith_pool_open(2);
    int *in = malloc(N * sizeof *in), wrong = 0, n = 0, y;
    kith_iter it;

    for (int i = 0; i < N; i++)
        in[i] = i % 1000;
    it = kith_imap(pool, square, in, N);
    while (kith_next(it, &y) == 0)
        wrong += y != square(n++ % 1000);
    CU_ASSERT_EQUAL(n, N);
    CU_ASSERT_EQUAL(wrong, 0);
    FAILS_WITH(KITH_EEND, kith_next(it, &y)); /* again and again */
    PASS(kith_iter_close(it));
    FAILS_WITH(KITH_ESTALE, kith_next(it, &y));
    it = kith_imap(pool, square, in, 0);
    FAILS_WITH(KITH_EEND, kith_next(it, &y));
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
    free(in);
}

static void as_they_come(void)
{
    enum { N = 20000 };
    kith_pool pool = near_pool(2);
    static unsigned char seen[N];
    int *in = malloc(N * sizeof *in), wrong = 0, n = 0, y, first = -1;
    kith_iter it;

    memset(seen, 0, sizeof seen);
    for (int i = 0; i < N; i++)
        in[i] = i;
    atomic_store(&shared[GATE], 0);
    it = kith_imap_unordered(pool, wait_for_the_second, in, N);
    PASS(kith_next(it, &first));
    CU_ASSERT(first > 0); /* the slow one holds up nobody */
    seen[first]++;
    n++;
    atomic_store(&shared[GATE], 1);
    while (kith_next(it, &y) == 0 && y >= 0 && y < N) {
        seen[y]++;
        n++;
    }
    CU_ASSERT_EQUAL(n, N);
    for (int i = 0; i < N; i++)
        wrong += seen[i] != 1;
    CU_ASSERT_EQUAL(wrong, 0);
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
    free(in);
}

static int next_number(void *item, void *arg)
{
    long *next = arg;

    *(long *)item = (*next)++;
    return 1;
}

/* A source without an end: what is under way has a bound, and what is past takes no memory. */
static void a_source_without_an_end(void)
{
    kith_pool pool = kith_pool_open(2);
    long next = 0, y, wrong = 0;
    uint64_t before = 0, after;
    kith_iter it = kith_imap_from(pool, half, next_number, &next);

    for (long i = 0; i < 400000; i++) {
        wrong += kith_next(it, &y) != 0 || y != i / 2;
        wrong += next - i > 4097;
        if (i == 20000)
            before = used_bytes();
    }
    after = used_bytes();
    CU_ASSERT_EQUAL(wrong, 0);
    /* The window, some MiB, may have been nearly empty at the first look; of 380,000 items each has 64 bytes
     * at least. */
    CU_ASSERT(after <= before + (16 << 20));
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
}

static int three_and_a_failure(void *item, void *arg)
{
    int *n = arg;

    *(int *)item = *n;
    return (*n)++ < 3 ? 1 : KITH_EBROKEN;
}

static int fails_on_one(int x)
{
    return x == 1 ? kith_fail(5, "one") : x;
}

static void failures_come_in_their_turn(void)
{
    kith_pool pool = kith_pool_open(2);
    int n = 0, y = 7;
    struct kith_fault f;
    kith_iter it = kith_imap_from(pool, fails_on_one, three_and_a_failure, &n);

    PASS(kith_next(it, &y));
    CU_ASSERT_EQUAL(y, 0);
    FAILS_WITH(KITH_ETASK, kith_next(it, &y));
    PASS(kith_last_fault(&f, 0));
    CU_ASSERT_EQUAL(f.task, 1);
    CU_ASSERT_EQUAL(f.code, 5);
    PASS(kith_next(it, &y));
    CU_ASSERT_EQUAL(y, 2);
    FAILS_WITH(KITH_EBROKEN, kith_next(it, &y));
    FAILS_WITH(KITH_EEND, kith_next(it, &y));
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
}

struct wide {
    char text[300];
};

static int shout(const void *in, void *out)
{
    const struct wide *a = in;
    struct wide *b = out;

    for (size_t i = 0; i < sizeof a->text; i++)
        b->text[i] = a->text[i] >= 'a' && a->text[i] <= 'z' ? (char)(a->text[i] - 32) : a->text[i];
    return 0;
}

static int next_word(void *item, void *arg)
{
    int *n = arg;

    if (*n == 500)
        return 0;
    snprintf(((struct wide *)item)->text, sizeof((struct wide *)item)->text, "word %d", (*n)++);
    return 1;
}

static void structs(void)
{
    kith_pool pool = kith_pool_open(2);
    int n = 0, wrong = 0, count = 0;
    struct wide w;
    char expected[32];
    kith_iter it = kith_pool_imap_from(pool, shout, next_word, &n, sizeof w, sizeof w);

    FAILS_WITH(KITH_ESIZE, kith_iter_next(it, &w, 5, KITH_FOREVER));
    while (kith_next(it, &w) == 0) {
        snprintf(expected, sizeof expected, "WORD %d", count++);
        wrong += strcmp(w.text, expected) != 0;
    }
    CU_ASSERT_EQUAL(count, 500);
    CU_ASSERT_EQUAL(wrong, 0);
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
}

/* What was not begun is not begun, and the pool need not be the only one to end. */
static void closed_in_the_middle(void)
{
    kith_pool pool = near_pool(2);
    int in[3000] = { 0 }, y;
    kith_iter it;

    for (int round = 0; round < 20; round++) {
        atomic_store(&shared[GATE], 1);
        atomic_store(&shared[COUNT], 0);
        it = kith_imap(pool, counts, in, 3000);
        for (int i = 0; i < 10; i++)
            PASS(kith_next(it, &y));
        PASS(kith_iter_close(it));
        PASS(kith_apply(pool, square, &y, 3));
        CU_ASSERT(atomic_load(&shared[COUNT]) < 3000);
    }
    it = kith_imap(pool, counts, in, 3000);
    PASS(kith_next(it, &y));
    PASS(kith_pool_close(pool)); /* finishes what was given */
    while (kith_next(it, &y) == 0)
        ;
    PASS(kith_iter_close(it));
}

static void waiting_has_a_limit(void)
{
    kith_pool pool = near_pool(1);
    int in[2] = { 0, 1 }, y;
    kith_iter it;

    atomic_store(&shared[GATE], 0);
    it = kith_imap(pool, wait_for_the_second, in, 2);
    FAILS_WITH(KITH_ETIMEDOUT, kith_iter_next(it, KITH_ARG(y), 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_iter_next(it, KITH_ARG(y), 5));
    FAILS_WITH(KITH_EINVAL, kith_iter_next(it, KITH_ARG(y), -5));
    atomic_store(&shared[GATE], 1);
    PASS(kith_next(it, &y));
    PASS(kith_next(it, &y));
    CU_ASSERT_EQUAL(y, 1);
    FAILS_WITH(KITH_EEND, kith_next(it, &y));
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
}

static void *ask(void *it)
{
    int y;

    return (void *)(intptr_t)kith_next(*(kith_iter *)it, &y);
}

/* Two threads that wait for a result each, behind the gate. */
static void two_ask(kith_pool pool, kith_iter *it, pthread_t thread[2])
{
    static const int in[2] = { 0, 1 };

    atomic_store(&shared[GATE], 0);
    *it = kith_imap(pool, wait_for_the_second, in, 2);
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, ask, it);
}

static void both_got(int expected, const pthread_t thread[2])
{
    void *code;

    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], &code);
        CU_ASSERT_EQUAL((int)(intptr_t)code, expected);
    }
}

static void closed_beside_threads_that_wait(void)
{
    kith_pool pool = near_pool(1);
    pthread_t thread[2];
    kith_iter it;
    int y;

    two_ask(pool, &it, thread);
    FAILS_WITH(KITH_ETIMEDOUT, kith_iter_next(it, KITH_ARG(y), 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_iter_next(it, KITH_ARG(y), 20));
    PASS(kith_iter_close(it));
    both_got(KITH_ESTALE, thread);
    FAILS_WITH(KITH_ESTALE, kith_next(it, &y));
    atomic_store(&shared[GATE], 1);
    PASS(kith_pool_close(pool));
}

static void threads_share_the_results(void)
{
    kith_pool pool = near_pool(1);
    pthread_t thread[2];
    kith_iter it;
    int y;

    two_ask(pool, &it, thread);
    atomic_store(&shared[GATE], 1);
    both_got(0, thread);
    FAILS_WITH(KITH_EEND, kith_next(it, &y));
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
}

static kith_iter own;

static int asks_itself(void *item, void *arg)
{
    int y;

    FAILS_WITH(KITH_EINVAL, kith_iter_next(own, KITH_ARG(y), 0));
    *(int *)item = 2;
    return (*(int *)arg)++ < 3;
}

static int closes_itself(void *item, void *arg)
{
    (void)arg;
    *(int *)item = 2;
    PASS(kith_iter_close(own));
    return 1;
}

static void a_source_that_uses_its_iterator(void)
{
    kith_pool pool = near_pool(1);
    int n = 0, y = 0;

    own = kith_imap_from(pool, square, asks_itself, &n);
    for (n = 0; kith_next(own, &y) == 0;)
        CU_ASSERT_EQUAL(y, 4);
    PASS(kith_iter_close(own));
    own = kith_imap_from(pool, square, closes_itself, NULL);
    FAILS_WITH(KITH_ESTALE, kith_next(own, &y));
    PASS(kith_pool_close(pool));
}

static int dies_once(int x)
{
    if (x % 50 == 0 && atomic_fetch_or(&shared[2 + x / 50], 1) == 0)
        raise(SIGKILL);
    return x;
}

static void workers_may_die(void)
{
    kith_pool pool = near_pool(2);
    int in[500], n = 0, wrong = 0, y;
    kith_iter it;

    for (int i = 0; i < 500; i++)
        in[i] = i;
    it = kith_imap(pool, dies_once, in, 500);
    while (kith_next(it, &y) == 0)
        wrong += y != n++;
    CU_ASSERT_EQUAL(n, 500);
    CU_ASSERT_EQUAL(wrong, 0);
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
}

static int three_times(void *item, void *arg)
{
    (void)item;
    return (*(int *)arg)++ < 3;
}

static int seven(const void *in, void *out)
{
    (void)in;
    *(int *)out = 7;
    return 0;
}

static void elements_of_no_bytes(void)
{
    kith_pool pool = kith_pool_open(2);
    int n = 0, count = 0, y;
    kith_iter it = kith_pool_imap_from(pool, seven, three_times, &n, 0, sizeof y);

    while (kith_next(it, &y) == 0)
        count += y == 7;
    CU_ASSERT_EQUAL(count, 3);
    PASS(kith_iter_close(it));
    it = kith_pool_imap(pool, seven, NULL, 0, sizeof y, 4);
    for (count = 0; kith_next(it, &y) == 0; count++)
        ;
    CU_ASSERT_EQUAL(count, 4);
    PASS(kith_iter_close(it));
    PASS(kith_pool_close(pool));
}

static struct test tests[] = {
    TEST_LIKE(in_the_order_of_arguments, "_TestPool.test_imap _TestPool.test_imap_unordered"),
    TEST_LIKE(as_they_come, "_TestPool.test_imap _TestPool.test_imap_unordered"),
    TEST_LIKE(a_source_without_an_end, "_TestPool.test_imap _TestPool.test_imap_unordered"),
    TEST_LIKE(failures_come_in_their_turn,
              "_TestPool.test_map_handle_iterable_exception _TestPool.test_imap_handle_iterable_exception "
              "_TestPool.test_imap_unordered_handle_iterable_exception"),
    TEST(structs),
    TEST(closed_in_the_middle),
    TEST(waiting_has_a_limit),
    TEST(closed_beside_threads_that_wait),
    TEST(threads_share_the_results),
    TEST(a_source_that_uses_its_iterator),
    TEST(workers_may_die),
    TEST(elements_of_no_bytes),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("imap", tests);
    return kith_finalize() ? 1 : rc;
}
