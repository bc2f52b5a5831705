/* test_net.c: objects through the node agent, on one node: what is put behind, sizes, memory and time. Each
 * test is a job of its own. */
#include "config.h"
#include "netjob.h"

#include <pthread.h>

/* ------------------------------------------------------------------- what is put behind */

static void pipelined_puts_keep_their_order_job(void)
{
    static char large[1 << 20], back[1 << 20];
    kith_queue q = kith_queue_open(0);
    size_t size;

    for (int i = 0; i < 300; i++) {
        size = i % 10 == 3 ? sizeof large - (size_t)i : i % 10 == 7 ? 20000 + (size_t)i : (size_t)i % 50;
        memset(large, i, size);
        REQUIRE(kith_queue_put(q, large, size, KITH_FOREVER) == 0);
        if (i % 37 == 36)
            REQUIRE(kith_queue_size(q) == i + 1); /* nobody can see that they go on behind */
    }
    REQUIRE(kith_queue_size(q) == 300);
    for (int i = 0; i < 300; i++) {
        size = i % 10 == 3 ? sizeof large - (size_t)i : i % 10 == 7 ? 20000 + (size_t)i : (size_t)i % 50;
        REQUIRE(kith_queue_get(q, back, sizeof back, KITH_FOREVER) == (int64_t)size);
        for (size_t k = 0; k < size; k += 997)
            REQUIRE(back[k] == (char)i);
    }
    REQUIRE(kith_queue_close(q) == 0);
}
static void pipelined_puts_keep_their_order(void)
{
    JOB(pipelined_puts_keep_their_order_job);
}

static void putter_that_has_ended_has_put_all_job(void)
{
    kith_queue q = kith_queue_open(0);

    for (int i = 1; i <= 20; i++) {
        kith_process p = kith_process_start(puts_hundred, KITH_ARG(q));

        REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
        REQUIRE(kith_queue_size(q) == 100 * i);
        kith_process_close(p);
    }
}
static void putter_that_has_ended_has_put_all(void)
{
    JOB(putter_that_has_ended_has_put_all_job);
}

static void pipelined_put_into_a_closed_queue_is_told_by_the_next_job(void)
{
    kith_queue q = kith_queue_open(0), control = kith_queue_open(0);
    int x = 1, rc = 0;

    REQUIRE(kith_put(q, x) == 0);
    REQUIRE(kith_put(q, x) == 0);
    REQUIRE(kith_queue_close(q) == 0);
    for (int64_t begin = kith__now_ns(); rc == 0 && ms_since(begin) < SOON;) {
        rc = kith_put(q, x);
        sleep_ms(1);
    }
    REQUIRE(rc == KITH_ESTALE);
    REQUIRE(kith_put(control, x) == 0);
    REQUIRE(kith_get(control, &x) == 0);
}
static void pipelined_put_into_a_closed_queue_is_told_by_the_next(void)
{
    JOB(pipelined_put_into_a_closed_queue_is_told_by_the_next_job);
}

struct fill {
    kith_queue q;
    int count, then;
};

/* then: 0: ends; 1: stays, and does nothing. */
static int fills(const void *arg)
{
    const struct fill *f = arg;

    for (int i = 0; i < f->count; i++)
        if (kith_put(f->q, i) < 0)
            return 1;
    while (f->then)
        sleep_ms(1000);
    return 0;
}

/* Places of a bounded queue that a putter has reserved and does not use are free for the others. */
static void reserved_places_come_back_job(void)
{
    for (int way = 0; way < 3; way++) {
        struct fill f = { kith_queue_open(1000), 400, way > 0 };
        kith_process p = kith_process_start(fills, KITH_ARG(f));
        int x = 0;

        for (int64_t begin = kith__now_ns();
             kith_queue_size(f.q) < 400 && ms_since(begin) < SOON * slowdown();)
            sleep_ms(1);
        if (way == 2)
            REQUIRE(kith_process_kill(p) == 0 && kith_process_join(p, KITH_FOREVER) == 0);
        if (way == 0)
            REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
        for (int n = 0; n < 600; n++)
            REQUIRE(kith_queue_put(f.q, &x, sizeof x, SOON) == 0);
        REQUIRE(kith_queue_put(f.q, &x, sizeof x, 0) == KITH_ETIMEDOUT && kith_queue_size(f.q) == 1000);
        for (int i = 0; i < 1000; i++)
            REQUIRE(kith_get(f.q, &x) == 0);
        REQUIRE(kith_queue_size(f.q) == 0);
        kith_process_kill(p);
        REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
        REQUIRE(kith_queue_close(f.q) == 0);
    }
}
static void reserved_places_come_back(void)
{
    JOB(reserved_places_come_back_job);
}

/* The limit is for a queue that is full: this one never is, whatever the agent has to do. */
static void put_without_waiting_is_done_while_there_is_room_job(void)
{
    kith_queue q = kith_queue_open(0);
    int x;

    for (int i = 0; i < 100000; i++)
        REQUIRE(kith_queue_put(q, &i, sizeof i, 0) == 0);
    for (int i = 0; i < 1000; i++) /* each is a round trip */
        REQUIRE(kith_get(q, &x) == 0 && x == i);
    REQUIRE(kith_queue_size(q) == 99000);
    REQUIRE(kith_queue_close(q) == 0);
}
static void put_without_waiting_is_done_while_there_is_room(void)
{
    JOB(put_without_waiting_is_done_while_there_is_room_job);
}

/* ----------------------------------------------------------------------------- sizes */

static void items_of_100_mib_job(void)
{
    size_t size = (size_t)(SANITIZED ? 20 : 100) << 20;
    unsigned char *bytes = malloc(size);
    kith_queue q = kith_queue_open(0);
    uint64_t before;

    REQUIRE(kith_queue_put(q, "x", 1, 0) == 0 && kith_queue_get(q, bytes, 1, 0) == 1);
    before = used_blocks();
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i ^ i >> 8 ^ i >> 16);
    for (int k = 0; k < 2; k++) {
        REQUIRE(kith_queue_put(q, bytes, size, KITH_FOREVER) == 0);
        REQUIRE(kith_queue_next(q, KITH_FOREVER) == (int64_t)size);
        memset(bytes, 0, size);
        REQUIRE(kith_queue_get(q, bytes, size - 1, KITH_FOREVER) == KITH_ETOOBIG);
        REQUIRE(kith_queue_get(q, bytes, size, KITH_FOREVER) == (int64_t)size);
        for (size_t i = 0; i < size; i += 4099)
            REQUIRE(bytes[i] == (unsigned char)(i ^ i >> 8 ^ i >> 16));
    }
    await_blocks(before);
    REQUIRE(kith_queue_close(q) == 0);
}
static void items_of_100_mib(void)
{
    JOB(items_of_100_mib_job);
}

static void memory_that_is_used_up_is_a_code_job(void)
{
    static char item[1 << 20], small[100];
    kith_queue q = kith_queue_open(0);
    int64_t rc, put = 0, got = 0;

    REQUIRE(kith_put(q, small) == 0);
    while ((rc = kith_queue_put(q, item, sizeof item, KITH_FOREVER)) == 0)
        put++;
    REQUIRE(rc == KITH_ENOMEM && put >= 10);
    REQUIRE(kith_queue_size(q) == put + 1);
    REQUIRE(kith_get(q, &small) == 0);
    while ((rc = kith_queue_get(q, item, sizeof item, 0)) == sizeof item)
        got++;
    REQUIRE(rc == KITH_ETIMEDOUT && got == put);
    REQUIRE(kith_queue_put(q, item, sizeof item, KITH_FOREVER) == 0);
}

static void memory_that_is_used_up_is_a_code(void)
{
    setenv("KITH_MEM", "64M", 1);
    JOB(memory_that_is_used_up_is_a_code_job);
    unsetenv("KITH_MEM");
}

/* Bytes of the agent's own memory: the node's budget does not count them. */
static int64_t agents_own(void)
{
    char path[64], line[128];
    long kib = -1;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)agent());
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "RssAnon: %ld", &kib) != 1)
        ;
    if (f)
        fclose(f);
    return (int64_t)kib * 1024;
}

static int64_t put_until_it_fails(kith_queue q)
{
    static char item[3000];
    int64_t put = 0, before = agents_own(), most = 0, own;
    int rc;

    while ((rc = kith_put(q, item)) == 0)
        if (++put % 64 == 0 && (own = agents_own()) > most)
            most = own;
    REQUIRE(rc == KITH_ENOMEM && strstr(kith_last_error(), "put earlier"));
    REQUIRE(before > 0 &&
            (SANITIZED || most < before + (16 << 20))); /* those that wait for memory are few there */
    return put;
}

/* Puts behind that find no memory are told at once and together, not one a second; and nothing of them is
 * kept. */
static int fills_up(const void *arg)
{
    const kith_queue *q = arg;
    int64_t put, size, begin;

    kith_on_fault(NULL);
    put = put_until_it_fails(*q);
    begin = kith__now_ns();
    while ((size = kith_queue_size(*q)) == KITH_ENOMEM)
        REQUIRE(strstr(kith_last_error(), "lost"));
    REQUIRE(size > 1000 && size <= put);
    REQUIRE(ms_since(begin) < SOON * slowdown());
    return 0;
}

/* The last one is lost, and there is no later call to tell it. */
static int loses_its_last(const void *arg)
{
    const kith_queue *q = arg;
    char item[3000] = { 0 };

    kith_on_fault(NULL);
    put_until_it_fails(*q);
    while (kith_queue_size(*q) == KITH_ENOMEM)
        ;
    REQUIRE(kith_put(*q, item) == 0);
    return 0;
}

static void puts_that_find_no_memory_are_told_soon_job(void)
{
    kith_target *const targets[] = { fills_up, loses_its_last };

    for (int i = 0; i < 2; i++) {
        kith_queue q = kith_queue_open(0);
        kith_process p = kith_process_start(targets[i], KITH_ARG(q));
        int code;

        REQUIRE(kith_process_join(p, 3 * SOON * slowdown()) == 0);
        REQUIRE(kith_process_exitcode(p, &code) == 0 && code == i);
        REQUIRE(kith_queue_close(q) == 0);
    }
}

static void puts_that_find_no_memory_are_told_soon(void)
{
    setenv("KITH_MEM", "64M", 1);
    JOB(puts_that_find_no_memory_are_told_soon_job);
    unsetenv("KITH_MEM");
}

/* ------------------------------------------------- nobody sees that a put went on behind */

enum { EACH = SANITIZED ? 1000 : 5000 };

static kith_queue shared;

static void *puts_many(void *nothing)
{
    for (int i = 0; i < EACH; i++)
        REQUIRE(kith_put(shared, i) == 0);
    return nothing;
}

static void thread_that_has_ended_has_put_all_job(void)
{
    pthread_t thread;

    shared = kith_queue_open(0);
    for (int round = 1; round <= 20; round++) {
        REQUIRE(pthread_create(&thread, NULL, puts_many, NULL) == 0 && pthread_join(thread, NULL) == 0);
        REQUIRE(kith_queue_size(shared) == round * EACH);
    }
}
static void thread_that_has_ended_has_put_all(void)
{
    JOB(thread_that_has_ended_has_put_all_job);
}

static int puts_some(uint64_t lo, uint64_t hi, const void *arg)
{
    const kith_queue *q = arg;

    for (uint64_t i = lo; i < hi; i++)
        if (kith_put(*q, i) < 0)
            return 1;
    return 0;
}

static void task_that_is_done_has_put_all_job(void)
{
    kith_queue q = kith_queue_open(0);
    kith_pool pool = kith_pool_open(2);

    for (int round = 1; round <= 20; round++) {
        REQUIRE(kith_for(pool, puts_some, KITH_ARG(q), EACH) == 0);
        REQUIRE(kith_queue_size(q) == round * EACH);
    }
    REQUIRE(kith_pool_close(pool) == 0);
}
static void task_that_is_done_has_put_all(void)
{
    JOB(task_that_is_done_has_put_all_job);
}

/* ----------------------------------------------------------------------- time limits */

static void time_limits_are_kept_job(void)
{
    kith_queue q = kith_queue_open(1);
    int64_t begin = kith__now_ns();
    int x = 7;

    REQUIRE(kith_queue_get(q, &x, sizeof x, 0) == KITH_ETIMEDOUT);
    REQUIRE(ms_since(begin) < SOON);
    begin = kith__now_ns();
    REQUIRE(kith_queue_get(q, &x, sizeof x, 200) == KITH_ETIMEDOUT);
    REQUIRE(ms_since(begin) >= 199 && ms_since(begin) < SOON);
    REQUIRE(kith_queue_put(q, &x, sizeof x, 0) == 0);
    begin = kith__now_ns();
    REQUIRE(kith_queue_put(q, &x, sizeof x, 200) == KITH_ETIMEDOUT);
    REQUIRE(ms_since(begin) >= 199 && ms_since(begin) < SOON);
    REQUIRE(kith_queue_put(q, &x, sizeof x, 0) == KITH_ETIMEDOUT);
    REQUIRE(kith_queue_size(q) == 1);
    REQUIRE(kith_queue_put(q, &x, sizeof x, -2) == KITH_EINVAL);
}
static void time_limits_are_kept(void)
{
    JOB(time_limits_are_kept_job);
}

static struct test tests[] = { TEST(pipelined_puts_keep_their_order),
                               TEST(putter_that_has_ended_has_put_all),
                               TEST(pipelined_put_into_a_closed_queue_is_told_by_the_next),
                               TEST(reserved_places_come_back),
                               TEST(put_without_waiting_is_done_while_there_is_room),
                               TEST(items_of_100_mib),
                               TEST(memory_that_is_used_up_is_a_code),
                               TEST(puts_that_find_no_memory_are_told_soon),
                               TEST(thread_that_has_ended_has_put_all),
                               TEST(task_that_is_done_has_put_all),
                               TEST(time_limits_are_kept),
                               TEST_END };

int main(void)
{
    return run_net_tests("net", tests);
}
