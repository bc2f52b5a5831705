/* test_bytes.c: maps whose results have any size. */
#include "config.h"
#include "check.h"
#include "shm/heap.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { N = 300 };

static struct shared {
    _Atomic int killed;
} * shared; /* by all processes */

static kith_pool pool;

/* Of x bytes, each of which is x. */
static int repeat(const void *in, kith_bytes *out)
{
    int x = *(const int *)in;

    if (x == 0)
        return 0; /* nothing: NULL and 0 */
    out->data = kith_alloc((size_t)x);
    out->size = (size_t)x;
    memset(out->data, x & 255, (size_t)x);
    return 0;
}

static int is_repeated(const kith_bytes *b, int x)
{
    const unsigned char *c = b->data;
    int wrong = b->size != (size_t)x || (x == 0) != (b->data == NULL);

    for (int i = 0; i < x && !wrong; i++)
        wrong = c[i] != (x & 255);
    return !wrong;
}

static int sizes[N];

static int count_wrong(const kith_bytes *b)
{
    int wrong = 0;

    for (int i = 0; i < N; i++)
        wrong += !is_repeated(&b[i], sizes[i]);
    return wrong;
}

static uint64_t blocks(void)
{
    struct kith__heap_stats s;

    kith__heap_stats(&s);
    return s.used_blocks;
}

/* A call whose place another worker has not left yet takes another one, which keeps its block. */
enum { PLACES = 8 };

static int are_free(uint64_t before)
{
    return blocks() <= before + PLACES;
}

/* Janitors take back what the dead had, a moment later. */
static int blocks_come_down_to(uint64_t before)
{
    for (int i = 0; i < 1000 && !are_free(before); i++)
        usleep(10000);
    return are_free(before);
}

static void results_have_the_sizes_that_tasks_give_them(void)
{
    kith_bytes b[N], *shared_b = kith_alloc(sizeof b);
    uint64_t before;

    PASS(kith_map(pool, repeat, sizes, b, N)); /* what a pool keeps for its calls is there */
    PASS(kith_bytes_free(b, N));
    before = blocks();
    PASS(kith_map(pool, repeat, sizes, b, N));
    CU_ASSERT_EQUAL(count_wrong(b), 0);
    PASS(kith_bytes_free(b, N));
    CU_ASSERT(b[5].data == NULL && b[5].size == 0);
    PASS(kith_pool_map_bytes(pool, repeat, sizes, sizeof *sizes, shared_b, N));
    CU_ASSERT_EQUAL(count_wrong(shared_b), 0);
    PASS(kith_bytes_free(shared_b, N));
    CU_ASSERT(are_free(before));
    PASS(kith_free(shared_b));
}

static void they_come_without_waiting_by_cost_and_one_by_one(void)
{
    double costs[N];
    kith_bytes b[N], one;
    kith_result r;
    kith_iter it;
    uint64_t before;
    int wrong = 0;

    for (int i = 0; i < N; i++)
        costs[i] = sizes[i];
    r = kith_map_async(pool, repeat, sizes, b, N);
    PASS(kith_result_get(r, NULL, 0, KITH_FOREVER));
    CU_ASSERT_EQUAL(count_wrong(b), 0);
    PASS(kith_bytes_free(b, N));
    PASS(kith_map_costs(pool, repeat, sizes, b, N, costs));
    CU_ASSERT_EQUAL(count_wrong(b), 0);
    PASS(kith_bytes_free(b, N));
    it = kith_pool_imap_bytes(pool, repeat, sizes, sizeof *sizes, N);
    for (int i = 0; i < N; i++) {
        PASS(kith_next(it, &one));
        wrong += !is_repeated(&one, sizes[i]);
        PASS(kith_bytes_free(&one, 1));
    }
    CU_ASSERT(wrong == 0 && kith_next(it, &one) == KITH_EEND);
    PASS(kith_iter_close(it));
    before = blocks();
    it = kith_pool_imap_bytes_unordered(pool, repeat, sizes, sizeof *sizes, N);
    for (int i = 0; i < 60; i++) { /* as many are under way then */
        PASS(kith_next(it, &one));
        PASS(kith_bytes_free(&one, 1));
    }
    PASS(kith_iter_close(it)); /* what is left in it, too */
    for (int i = 0; i < 200 && !are_free(before); i++) {
        usleep(10000);
        PASS(kith_iter_close(kith_pool_imap_bytes(pool, repeat, sizes, sizeof *sizes, 0))); /* looks for it */
    }
    CU_ASSERT(are_free(before));
}

/* An argument each time, so many in all. */
static int next_size(void *item, void *arg)
{
    int *left = arg;

    *(int *)item = *left % 1000;
    return (*left)-- > 0;
}

static void they_come_from_a_source(void)
{
    enum { MANY = 10000 };
    int left = MANY, wrong = 0, sum = 0;
    kith_bytes one;
    kith_iter it = kith_pool_imap_bytes_from(pool, repeat, next_size, &left, sizeof(int));
    uint64_t before = 0;

    for (int i = MANY; i > 0; i--) {
        PASS(kith_next(it, &one));
        wrong += !is_repeated(&one, i % 1000);
        PASS(kith_bytes_free(&one, 1));
    }
    CU_ASSERT(wrong == 0 && kith_next(it, &one) == KITH_EEND);
    PASS(kith_iter_close(it));
    before = blocks();
    left = N;
    it = kith_pool_imap_bytes_unordered_from(pool, repeat, next_size, &left, sizeof(int));
    for (int i = 0; i < N; i++) {
        PASS(kith_next(it, &one));
        sum += (int)one.size;
        PASS(kith_bytes_free(&one, 1));
    }
    CU_ASSERT(sum == N * (N + 1) / 2 && kith_next(it, &one) == KITH_EEND);
    PASS(kith_iter_close(it));
    CU_ASSERT(blocks_come_down_to(before));
}

static int fail_at_ten(const void *in, kith_bytes *out)
{
    int rc = repeat(in, out);

    return *(const int *)in == 10 ? kith_fail(10, "ten") : rc;
}

static int give_what_is_not_shared(const void *in, kith_bytes *out)
{
    static char mine[4];

    out->data = *(const int *)in % 2 ? mine : (void *)(uintptr_t)64;
    out->size = sizeof mine;
    return 0;
}

static int claim_too_much(const void *in, kith_bytes *out)
{
    kith_bytes_set(out, in, sizeof(int));
    out->size = 1 << 20;
    return 0;
}

static void a_task_that_fails_leaves_nothing(void)
{
    static const int x[3] = { 9, 10, 11 };
    kith_bytes b[3] = { { &pool, 1 }, { &pool, 2 }, { &pool, 3 } };
    struct kith_fault f;
    uint64_t before;

    FAILS_WITH(KITH_ETASK, kith_map(pool, fail_at_ten, x, b, 3));
    CU_ASSERT(is_repeated(&b[0], 9) && is_repeated(&b[1], 0) && is_repeated(&b[2], 11));
    PASS(kith_bytes_free(b, 3));
    before = blocks();
    for (int i = 0; i < 20; i++) {
        FAILS_WITH(KITH_ETASK, kith_map(pool, fail_at_ten, x, b, 3));
        PASS(kith_bytes_free(b, 3));
    }
    CU_ASSERT(are_free(before));
    FAILS_WITH(KITH_ETASK, kith_map(pool, give_what_is_not_shared, x, b, 2));
    CU_ASSERT(kith_last_fault(&f, 1) == 0 && strstr(f.text, "kith_bytes_set"));
    CU_ASSERT(b[0].data == NULL && b[1].data == NULL);
    for (int i = 0; i < 20; i++)
        FAILS_WITH(KITH_ETASK, kith_map(pool, claim_too_much, x, b, 1));
    CU_ASSERT(are_free(before));
}

static int die_once(const void *in, kith_bytes *out)
{
    int rc = repeat(in, out);

    if (*(const int *)in % 100 == 50 && atomic_fetch_add(&shared->killed, 1) < 3)
        raise(SIGKILL);
    return rc;
}

static void what_a_dead_worker_had_goes_with_it(void)
{
    kith_bytes b[N];
    kith_pool tries;
    uint64_t before = blocks();

    shared->killed = 0;
    tries = near_pool(2, .tries = 5);
    PASS(kith_map(tries, die_once, sizes, b, N));
    CU_ASSERT_EQUAL(count_wrong(b), 0);
    PASS(kith_bytes_free(b, N));
    PASS(kith_pool_close(tries));
    CU_ASSERT(blocks_come_down_to(before));
}

/* As many are under way then as were taken, and nobody takes them. */
static int leaves_results(kith_pool where)
{
    kith_bytes one = { NULL, 0 };
    kith_iter it = kith_pool_imap_bytes(where, repeat, sizes, sizeof *sizes, N);
    int rc = 0;

    for (int i = 0; i < 60 && rc == 0; i++) {
        rc = kith_iter_next(it, &one, sizeof one, KITH_FOREVER);
        kith_bytes_free(&one, 1);
    }
    return rc;
}

static int leaves_results_of_its_pool(const void *in, void *out)
{
    memcpy(out, in, sizeof(kith_pool));
    return leaves_results(*(const kith_pool *)in);
}

/* The pool has ended before the janitor of the worker could find there what that had begun. */
static void what_a_worker_has_not_taken_goes_with_its_pool(void)
{
    uint64_t before = blocks();
    kith_pool own = near_pool(2);
    kith_pool in[] = { own, own, own, own }, out[4];

    PASS(kith_pool_map(own, leaves_results_of_its_pool, in, sizeof *in, out, sizeof *out, 4));
    PASS(kith_pool_close(own));
    CU_ASSERT(blocks_come_down_to(before));
}

struct stay {
    kith_pool pool;
    kith_event has_begun, may_end;
};

static int leaves_results_and_stays(const void *arg)
{
    const struct stay *s = arg;
    int rc = leaves_results(s->pool);

    kith_event_set(s->has_begun);
    kith_event_wait(s->may_end, KITH_FOREVER);
    _exit(rc ? 1 : 0);
}

static void what_a_process_has_not_taken_goes_with_it(void)
{
    uint64_t before = blocks();
    struct stay s = { near_pool(2), kith_event_open(), kith_event_open() };
    kith_process p = kith_process_start(leaves_results_and_stays, &s, sizeof s);

    PASS(kith_event_wait(s.has_begun, KITH_FOREVER));
    PASS(kith_pool_close(s.pool));
    PASS(kith_event_set(s.may_end));
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_close(p));
    PASS(kith_event_close(s.has_begun));
    PASS(kith_event_close(s.may_end));
    CU_ASSERT(blocks_come_down_to(before));
}

static void bytes_are_set_and_freed(void)
{
    kith_bytes b[2] = { { NULL, 0 }, { NULL, 0 } };
    uint64_t before = blocks();

    PASS(kith_bytes_set(&b[0], "hello", 6));
    CU_ASSERT(b[0].size == 6 && strcmp(b[0].data, "hello") == 0);
    PASS(kith_bytes_set(&b[0], (char *)b[0].data + 1, 5)); /* a part of itself */
    CU_ASSERT(b[0].size == 5 && strcmp(b[0].data, "ello") == 0);
    PASS(kith_bytes_set(&b[1], NULL, 100));
    memset(b[1].data, 1, 100);
    PASS(kith_bytes_free(b, 2));
    PASS(kith_bytes_free(b, 2));
    PASS(kith_bytes_free(NULL, 0));
    CU_ASSERT(blocks() <= before);
    FAILS_WITH(KITH_EINVAL, kith_bytes_set(NULL, "x", 1));
    FAILS_WITH(KITH_EINVAL, kith_bytes_free(NULL, 1));
    b[0].data = sizes;
    FAILS_WITH(KITH_EINVAL, kith_bytes_free(b, 2));
    CU_ASSERT_PTR_NULL(b[0].data);
}

static void wrong_use_is_a_sentence(void)
{
    kith_bytes b[2] = { { NULL, 0 }, { NULL, 0 } };

    FAILS_WITH(KITH_EINVAL, kith_pool_map_bytes(pool, repeat, b, sizeof *b, b, 2));
    FAILS_WITH(KITH_EINVAL, kith_pool_map_bytes(pool, repeat, sizes, sizeof *sizes, NULL, 2));
    FAILS_WITH(KITH_EINVAL, kith_pool_map_bytes(pool, NULL, sizes, sizeof *sizes, b, 2));
    PASS(kith_pool_map_bytes(pool, repeat, sizes, sizeof *sizes, b, 0));
}

static struct test tests[] = { TEST(results_have_the_sizes_that_tasks_give_them),
                               TEST(they_come_without_waiting_by_cost_and_one_by_one),
                               TEST(they_come_from_a_source),
                               TEST(a_task_that_fails_leaves_nothing),
                               TEST(what_a_dead_worker_had_goes_with_it),
                               TEST(what_a_worker_has_not_taken_goes_with_its_pool),
                               TEST(what_a_process_has_not_taken_goes_with_it),
                               TEST(bytes_are_set_and_freed),
                               TEST(wrong_use_is_a_sentence),
                               TEST_END };

int main(int argc, char **argv)
{
    int rc;

    for (int i = 0; i < N; i++)
        sizes[i] = i % 7 ? i : i * 100;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    pool = kith_pool_open(2);
    rc = run_tests("bytes", tests);
    kith_pool_close(pool);
    return kith_finalize() ? 1 : rc;
}
