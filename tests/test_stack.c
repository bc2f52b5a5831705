/* test_stack.c: threads with 64 KiB of stack call kith, also when it has to explain a crash. */
#include "config.h"
#include "anyjob.h"

#include <limits.h>
#include <pthread.h>

/* What the system asks for at least may be more: 128 KiB on aarch64. The address sanitizer puts space between
 * variables. */
static size_t stack_size(void)
{
    size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN), wanted = (SANITIZED ? 256 : 64) << 10;

    return least > wanted ? least : wanted;
}

static int crashes(int x)
{
    if (x == 2)
        raise(SIGSEGV);
    return x + 1;
}

static int fails(const void *arg)
{
    (void)arg;
    return kith_fail(3, "no");
}

static double one(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return (double)(hi - lo);
}

static void crash_and_tell(void)
{
    kith_pool pool = kith_pool_open_with(2, .tries = 1);
    struct kith_fault f;
    int in[4] = { 0, 1, 2, 3 }, out[4];

    REQUIRE(kith_map(pool, crashes, in, out, 4) == KITH_ETASK);
    REQUIRE(kith_last_fault(&f, 0) == 0 && f.task == 2 && (SANITIZED || strstr(f.text, "SIGSEGV")));
    REQUIRE(strstr(kith_last_error(), "crashes(task 2)"));
    REQUIRE(kith_pool_close(pool) == 0);
}

static int refuses(struct kith_entry *e, void *arg)
{
    (void)arg;
    return e->exists ? 7 : 8;
}

static void share_containers(void)
{
    kith_dict d = kith_dict_open();
    kith_list l = kith_list_open();
    struct kith_view *v;
    char item[400] = "item";

    REQUIRE(kith_set(d, "x", 1) == 0 && kith_inc(d, "x", 2) == 0);
    REQUIRE(kith_dict_set(d, KITH_TEXT("item"), KITH_ARG(item)) == 0);
    REQUIRE(kith_dict_update(d, KITH_TEXT("item"), 1000, refuses, NULL, 0) == 7);
    REQUIRE(kith_dict_pop(d, KITH_TEXT("item"), item, sizeof item) == sizeof item);
    REQUIRE(kith_list_append(l, item, sizeof item) == 0 && kith_append(l, "text") == 0);
    REQUIRE(kith_list_sort(l, NULL, 0) == KITH_ETYPE && kith_list_reverse(l) == 0);
    REQUIRE((v = kith_list_view(l, 0, 2)) != NULL && kith_view_len(v) == 2);
    kith_view_free(v);
    REQUIRE(kith_dict_close(d) == 0 && kith_list_close(l) == 0);
}

static void share(void)
{
    kith_queue q = kith_queue_named("shared", 0);
    int *named = kith_alloc_named("memory", 100000);
    kith_sem sem = kith_sem_open(1);
    kith_array array = kith_array_open('d', 1000);
    kith_value value = kith_value_open('b', NULL, 1024);
    char *large = kith_alloc(8 << 20); /* the system is asked whether it has that */
    char item[100] = "item";

    REQUIRE(large && kith_queue_put(q, large, 1 << 20, KITH_FOREVER) == 0);
    REQUIRE(kith_queue_get(q, large, 8 << 20, KITH_FOREVER) == 1 << 20);
    REQUIRE(kith_queue_put(q, item, sizeof item, KITH_FOREVER) == 0 && kith_queue_close(q) == 0);
    REQUIRE(kith_sem_acquire(sem, KITH_FOREVER) == 0 && kith_sem_acquire(sem, 1) == KITH_ETIMEDOUT);
    REQUIRE(kith_sem_release(sem) == 0 && kith_sem_close(sem) == 0);
    REQUIRE(kith_store_slice(array, 0, (double *)(void *)large, 1000) == 0 && kith_array_close(array) == 0);
    REQUIRE(kith_value_update(value, 'b', KITH_EXCHANGE, large, NULL, 1024) == 0);
    REQUIRE(kith_value_compare_exchange(value, 'b', large, large, 1024) == 1 && kith_value_close(value) == 0);
    REQUIRE(named && kith_free(named) == 0);
    kith_free(large);
}

static void *use(void *is_first)
{
    kith_pool pool;
    double sum = 0;

    if (is_first)
        begin();
    work(successor);
    share();
    share_containers();
    crash_and_tell();
    pool = kith_pool_open(2);
    REQUIRE(kith_sum(pool, one, NULL, 0, 1000, &sum) == 0 && sum == 1000);
    REQUIRE(kith_pool_close(pool) == 0);
    pool = kith_pool_open_with(1, .init = fails);
    REQUIRE(kith_check(pool) == KITH_ETASK || kith_pool_close(pool) == KITH_ETASK);
    if (is_first)
        REQUIRE(kith_finalize() == 0);
    return NULL;
}

static void run_in_thread(void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;

    REQUIRE(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, stack_size()) == 0);
    REQUIRE(pthread_create(&thread, &attr, use, arg) == 0 && pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attr);
}

static void use_in_thread(void)
{
    begin();
    run_in_thread(NULL);
    REQUIRE(kith_finalize() == 0);
}

static void begin_in_thread(void)
{
    run_in_thread("first");
}

static void a_small_thread_calls_everything(void)
{
    CU_ASSERT_EQUAL(check_fork(use_in_thread), 0);
}

/* Workers and Processes have that stack, too: they are copies of the thread that called kith_init. */
static void a_small_thread_begins_the_job(void)
{
    if (SANITIZED)
        SKIP("in workers, the leak sanitizer does not find what that thread alone refers to");
    CU_ASSERT_EQUAL(check_fork(begin_in_thread), 0);
}

static struct test tests[] = {
    TEST(a_small_thread_calls_everything),
    TEST(a_small_thread_begins_the_job),
    TEST_END,
};

int main(void)
{
    return run_tests("stack", tests);
}
