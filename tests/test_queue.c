/* test_queue.c: Queues as users see them. It runs over each way that a Queue can be reached: in shared
 * memory, and with KITH_TRANSPORT=net through the agents (tests/over_net); and with KITH_TEST_FAR on
 * another node (tests/cluster/objects.sh). */
#include "config.h"
#include "check.h"
#include "far.h"

#include <pthread.h>
#include <sys/mman.h>

static void order_and_sizes_are_kept(void)
{
    kith_queue q = far_queue_open(0);
    int x, y = -1;
    char buf[100];

    for (x = 0; x < 1000; x++)
        PASS(kith_put(q, x));
    CU_ASSERT_EQUAL(kith_queue_size(q), 1000);
    for (x = 0; x < 1000; x++) {
        PASS(kith_get(q, &y));
        CU_ASSERT_EQUAL(y, x);
    }
    CU_ASSERT_EQUAL(kith_queue_empty(q), 1);
    PASS(kith_queue_put(q, NULL, 0, 0));
    PASS(kith_queue_put(q, "hello", 6, 0));
    CU_ASSERT_EQUAL(kith_queue_next(q, 0), 0);
    CU_ASSERT_EQUAL(kith_queue_get(q, NULL, 0, 0), 0);
    CU_ASSERT_EQUAL(kith_queue_next(q, 0), 6);
    FAILS_WITH(KITH_ETOOBIG, kith_queue_get(q, buf, 5, 0));
    FAILS_WITH(KITH_ESIZE, kith_get(q, &y));
    CU_ASSERT_EQUAL(kith_queue_get(q, buf, sizeof buf, 0), 6);
    CU_ASSERT_STRING_EQUAL(buf, "hello");
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_get(q, buf, sizeof buf, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_next(q, 20));
    PASS(kith_queue_close(q));
}

/* Also where puts need not wait for the home of the Queue. */
static void nothing_is_pipelined_after_a_close(void)
{
    for (size_t bound = 0; bound <= 1000; bound += 1000) {
        kith_queue q = far_queue_open(bound);

        for (int i = 0; i < 10; i++)
            PASS(kith_put(q, i));
        PASS(kith_queue_close(q));
        FAILS_WITH(KITH_ESTALE, kith_put(q, bound));
        FAILS_WITH(KITH_ESTALE, kith_queue_size(q));
    }
}

static void items_of_many_sizes_are_whole(void)
{
    static const size_t sizes[] = { 1,    7,    8,     9,      4000,   4096,    8191,
                                    8192, 8193, 65536, 262144, 262145, 1 << 20, 20 << 20 };
    kith_queue q = far_queue_open(0);
    size_t count = sizeof sizes / sizeof sizes[0];
    unsigned char *bytes = malloc(20 << 20), *back = malloc(20 << 20);

    for (size_t i = 0; i < 20 << 20; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 12));
    for (size_t k = 0; k < count; k++)
        PASS(kith_queue_put(q, bytes + k, sizes[k] - (sizes[k] > k ? k : 0), KITH_FOREVER));
    for (size_t k = 0; k < count; k++) {
        size_t size = sizes[k] - (sizes[k] > k ? k : 0);

        CU_ASSERT_EQUAL(kith_queue_next(q, 0), (int64_t)size);
        CU_ASSERT_EQUAL(kith_queue_get(q, back, 20 << 20, KITH_FOREVER), (int64_t)size);
        CU_ASSERT(memcmp(back, bytes + k, size) == 0);
    }
    PASS(kith_queue_close(q));
    free(bytes);
    free(back);
}

static void an_item_of_a_gibibyte(void)
{
    size_t size = (size_t)(getenv("KITH_TEST_LONG") ? 1024 : getenv("KITH_TRANSPORT") ? 64 : 200) << 20;
    kith_queue q = far_queue_open(0);
    char *bytes = malloc(size);

    CU_ASSERT_FATAL(bytes != NULL);
    memset(bytes, 5, size);
    bytes[size - 1] = 9;
    PASS(kith_queue_put(q, bytes, size, KITH_FOREVER));
    memset(bytes, 0, size);
    CU_ASSERT_EQUAL(kith_queue_get(q, bytes, size, KITH_FOREVER), (int64_t)size);
    CU_ASSERT(bytes[0] == 5 && bytes[size / 2] == 5 && bytes[size - 1] == 9);
    PASS(kith_queue_close(q));
    free(bytes);
}

struct party {
    kith_queue q;
    int who, count;
};

static int put_numbers(const void *arg)
{
    const struct party *p = arg;

    for (int i = 0; i < p->count; i++) {
        int item[2] = { p->who, i };

        if (kith_put(p->q, item) < 0)
            return 1;
    }
    return 0;
}

struct harvest {
    kith_queue from, to;
};

/* Takes until an item of who -1; says how many it had, and that each putter's came in order. */
static int take_numbers(const void *arg)
{
    const struct harvest *h = arg;
    int last[16], item[2], count = 0;

    for (int i = 0; i < 16; i++)
        last[i] = -1;
    for (;;) {
        if (kith_get(h->from, &item) < 0)
            return 1;
        if (item[0] < 0)
            break;
        if (item[1] <= last[item[0]])
            return 2;
        last[item[0]] = item[1];
        count++;
    }
    return kith_put(h->to, count) < 0;
}

static void many_to_many(size_t bound)
{
    enum { PUTTERS = 4, TAKERS = 3 };
    int is_long = getenv("KITH_TEST_LONG") != NULL;
    int each = getenv("KITH_TRANSPORT") || far_node() != KITH_HERE ? (is_long ? 20000 : 2000)
               : is_long                                           ? 100000
                                                                   : 5000;
    int total = 0, count, code, end[2] = { -1, 0 };
    struct harvest h = { far_queue_open(bound), far_queue_open(0) };
    kith_process p[PUTTERS + TAKERS];

    for (int i = 0; i < TAKERS; i++)
        p[PUTTERS + i] = kith_process_start(take_numbers, KITH_ARG(h));
    for (int i = 0; i < PUTTERS; i++) {
        struct party party = { h.from, i, each };

        p[i] = kith_process_start(put_numbers, KITH_ARG(party));
    }
    for (int i = 0; i < PUTTERS; i++)
        PASS(kith_process_join(p[i], KITH_FOREVER));
    for (int i = 0; i < TAKERS; i++)
        PASS(kith_put(h.from, end));
    for (int i = 0; i < TAKERS; i++) {
        PASS(kith_get(h.to, &count));
        total += count;
    }
    for (int i = 0; i < PUTTERS + TAKERS; i++) {
        PASS(kith_process_join(p[i], KITH_FOREVER));
        PASS(kith_process_exitcode(p[i], &code));
        CU_ASSERT_EQUAL(code, 0);
        PASS(kith_process_close(p[i]));
    }
    CU_ASSERT_EQUAL(total, PUTTERS * each);
    PASS(kith_queue_close(h.from));
    PASS(kith_queue_close(h.to));
}

static void many_putters_and_takers(void)
{
    many_to_many(0);
}
static void many_putters_and_takers_of_a_bounded_queue(void)
{
    many_to_many(10);
}

static void a_full_queue_holds_putters_back(void)
{
    kith_queue q = far_queue_open(3);
    struct party party = { q, 0, 5 };
    kith_process p;
    int x = 1, item[2];

    for (int i = 0; i < 3; i++)
        PASS(kith_put(q, x));
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_put(q, &x, sizeof x, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_put(q, &x, sizeof x, 30));
    for (int i = 0; i < 3; i++)
        PASS(kith_get(q, &x));
    p = kith_process_start(put_numbers, KITH_ARG(party));
    AWAIT(kith_queue_size(q) == 3);
    FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(p, 100));
    CU_ASSERT_EQUAL(kith_queue_size(q), 3);
    for (int i = 0; i < 5; i++) {
        PASS(kith_get(q, &item));
        CU_ASSERT_EQUAL(item[1], i);
    }
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_close(p));
    PASS(kith_queue_close(q));
}

static int put_and_end(const void *arg)
{
    const struct party *p = arg;
    char *bytes = calloc(1, 1 << 20);
    int rc = kith_queue_put(p->q, bytes, 1 << 20, KITH_FOREVER);

    free(bytes);
    return rc;
}

static void a_putter_may_end_before_anybody_takes(void)
{
    kith_queue q = far_queue_open(0);
    struct party party = { q, 0, 1 };
    char *room = malloc(1 << 20);

    for (int i = 0; i < 4; i++) {
        kith_process p = kith_process_start(put_and_end, KITH_ARG(party));

        PASS(kith_process_join(p, KITH_FOREVER));
        PASS(kith_process_close(p));
    }
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(kith_queue_get(q, room, 1 << 20, 0), 1 << 20);
    free(room);
    PASS(kith_queue_close(q));
}

static int wait_for_item(const void *arg)
{
    kith_queue q = *(const kith_queue *)arg;
    int x;

    return kith_queue_get(q, &x, sizeof x, KITH_FOREVER) == KITH_ESTALE ? 33 : 34;
}

static void waiters_of_a_closed_queue_are_told(void)
{
    kith_queue q = far_queue_open(0);
    kith_process p[3];
    int code, x = 0;

    for (int i = 0; i < 3; i++)
        p[i] = kith_process_start(wait_for_item, KITH_ARG(q));
    FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(p[0], 100));
    PASS(kith_queue_close(q));
    for (int i = 0; i < 3; i++) {
        PASS(kith_process_join(p[i], SOON));
        PASS(kith_process_exitcode(p[i], &code));
        CU_ASSERT_EQUAL(code, 33);
        PASS(kith_process_close(p[i]));
    }
    FAILS_WITH(KITH_ESTALE, kith_put(q, x));
    FAILS_WITH(KITH_ESTALE, kith_queue_size(q));
    FAILS_WITH(KITH_ESTALE, kith_queue_close(q));
}

static void old_handles_find_no_other_queue(void)
{
    kith_queue old = far_queue_open(0), now;
    int x = 0;

    PASS(kith_queue_close(old));
    for (int i = 0; i < 500; i++) {
        now = far_queue_open(0);
        PASS(kith_put(now, x));
        FAILS_WITH(KITH_ESTALE, kith_queue_size(old));
        PASS(kith_queue_close(now));
    }
}

/* What a killed one was given comes back, unless it had it already: then it has gone with it. */
static void killed_takers_do_not_stop_the_others(void)
{
    enum { LAST = 1000 };
    kith_queue q = far_queue_open(0);
    kith_process p[4];
    int x, last = LAST;

    for (int round = 0; round < 10; round++) {
        int64_t got;

        for (int i = 0; i < 4; i++)
            p[i] = kith_process_start(wait_for_item, KITH_ARG(q));
        usleep(1000);
        for (int i = 0; i < 4; i++)
            PASS(kith_process_kill(p[i]));
        PASS(kith_put(q, round));
        got = kith_queue_get(q, &x, sizeof x, 200);
        CU_ASSERT(got == sizeof x || got == KITH_ETIMEDOUT);
        for (int i = 0; i < 4; i++) {
            PASS(kith_process_join(p[i], SOON));
            PASS(kith_process_close(p[i]));
        }
        PASS(kith_put(q, last));
        do {
            CU_ASSERT_FATAL(kith_queue_get(q, &x, sizeof x, SOON) == sizeof x);
        } while (x != LAST);
    }
    PASS(kith_queue_close(q));
}

static void names_lead_to_one_queue(void)
{
    kith_queue a = kith_queue_named("results", 0), b = kith_queue_named("results", 0),
               c = kith_queue_named("other", 0);
    int x = 17, y = 0;
    char longest[100];

    CU_ASSERT(a.id == b.id && a.id != c.id);
    PASS(kith_put(a, x));
    PASS(kith_get(b, &y));
    CU_ASSERT_EQUAL(y, 17);
    FAILS_WITH(KITH_EINVAL, kith_check(kith_queue_named("results", 5)));
    memset(longest, 'a', sizeof longest);
    longest[64] = '\0';
    FAILS_WITH(KITH_EINVAL, kith_check(kith_queue_named(longest, 0)));
    longest[63] = '\0';
    PASS(kith_check(kith_queue_named(longest, 0)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_queue_named("", 0)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_queue_named(NULL, 0)));
    PASS(kith_queue_close(a));
    PASS(kith_queue_close(c));
}

static void *thread_puts(void *arg)
{
    put_numbers(arg);
    return NULL;
}

static void threads_use_it_too(void)
{
    kith_queue q = far_queue_open(50);
    struct party party[4];
    pthread_t thread[4];
    int item[2], seen[4] = { 0 };

    for (int i = 0; i < 4; i++) {
        party[i] = (struct party){ q, i, 500 };
        pthread_create(&thread[i], NULL, thread_puts, &party[i]);
    }
    for (int i = 0; i < 2000; i++) {
        PASS(kith_get(q, &item));
        CU_ASSERT_EQUAL(item[1], seen[item[0]]++);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    PASS(kith_queue_close(q));
}

static void wrong_use_is_a_sentence(void)
{
    kith_queue none = { 0 }, q = far_queue_open(0), forged;
    int x = 0;

    FAILS_WITH(KITH_ESTALE, kith_put(none, x));
    FAILS_WITH(KITH_EINVAL, kith_queue_put(q, NULL, 4, 0));
    FAILS_WITH(KITH_EINVAL, kith_queue_get(q, NULL, 4, 0));
    FAILS_WITH(KITH_EINVAL, kith_queue_put(q, &x, sizeof x, -5));
    forged = (kith_queue){ q.id ^ UINT64_C(0x123400000000) };
    FAILS_WITH(KITH_ESTALE, kith_put(forged, x));
    memset(&forged, 0xff, sizeof forged); /* as one that was never set may be */
    FAILS_WITH(KITH_ESTALE, kith_put(forged, x));
    FAILS_WITH(KITH_ESTALE, kith_check(forged));
    forged.id = UINT64_C(1) << 63;
    FAILS_WITH(KITH_ESTALE, kith_queue_size(forged));
    FAILS_WITH(KITH_ESTALE, kith_check(forged));
    for (int home = 1; home < 0x8000; home = home * 2 + 1) {
        forged.id = (q.id & UINT64_C(0xffffffffffff)) | (uint64_t)home << 48;
        if (forged.id != q.id)
            CU_ASSERT(kith_put(forged, x) == KITH_ESTALE);
    }
    PASS(kith_queue_close(q));
}

static void many_in_one_call(void)
{
    enum { N = 30000 };
    kith_queue q = far_queue_open(0), small = far_queue_open(10);
    int *in = malloc(N * sizeof *in), *out = calloc(N, sizeof *out), x = -1;
    char large[2][10000] = { "one", "two" }, back[3][10000];
    int64_t n = 0, got;

    for (int i = 0; i < N; i++)
        in[i] = i;
    CU_ASSERT_EQUAL(kith_queue_put_many(q, in, sizeof *in, N, KITH_FOREVER), N);
    CU_ASSERT_EQUAL(kith_queue_size(q), N);
    PASS(kith_get(q, &x));
    CU_ASSERT_EQUAL(x, 0);
    for (n = 1; n < N; n += got) {
        got = kith_queue_get_many(q, out + n, sizeof *out, (size_t)(N - n), KITH_FOREVER);
        CU_ASSERT_FATAL(got > 0);
    }
    CU_ASSERT_EQUAL(n, N);
    CU_ASSERT(memcmp(in + 1, out + 1, (N - 1) * sizeof *in) == 0);
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_get_many(q, out, sizeof *out, N, 0));
    CU_ASSERT_EQUAL(kith_queue_put_many(q, large, sizeof large[0], 2, 0), 2);
    CU_ASSERT_EQUAL(kith_queue_get_many(q, back, sizeof back[0], 1, 0), 1);
    CU_ASSERT_STRING_EQUAL(back[0], "one");
    FAILS_WITH(KITH_ESIZE, kith_queue_get_many(q, out, sizeof *out, N, 0));
    CU_ASSERT_EQUAL(kith_queue_put(q, large[0], sizeof large[0], 0), 0);
    CU_ASSERT_EQUAL(kith_queue_get_many(q, back, sizeof back[0], 3, 0), 2);
    CU_ASSERT_STRING_EQUAL(back[0], "two");
    CU_ASSERT_STRING_EQUAL(back[1], "one");
    /* What is there, up to the first of another size. */
    PASS(kith_put(q, in[7]));
    PASS(kith_put(q, in[8]));
    PASS(kith_queue_put(q, "x", 1, 0));
    CU_ASSERT_EQUAL(kith_queue_get_many(q, out, sizeof *out, 5, 0), 2);
    CU_ASSERT(out[0] == 7 && out[1] == 8);
    CU_ASSERT_EQUAL(kith_queue_get_many(q, out, 0, 5, 0), KITH_ESIZE);
    CU_ASSERT_EQUAL(kith_queue_put_many(q, NULL, sizeof *in, 0, 0), 0);
    CU_ASSERT_EQUAL(kith_queue_get_many(q, NULL, sizeof *in, 0, 0), 0);
    FAILS_WITH(KITH_EINVAL, kith_queue_put_many(q, NULL, sizeof *in, 1, 0));
    FAILS_WITH(KITH_EINVAL, kith_queue_get_many(q, NULL, sizeof *in, 1, 0));
    /* As many as there are places. */
    CU_ASSERT_EQUAL(kith_queue_put_many(small, in, sizeof *in, 15, 20), 10);
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_put_many(small, in, sizeof *in, 15, 0));
    CU_ASSERT_EQUAL(kith_queue_get_many(small, out, sizeof *out, 4, 0), 4);
    CU_ASSERT_EQUAL(kith_queue_put_many(small, in, sizeof *in, 15, 0), 4);
    PASS(kith_queue_close(q));
    PASS(kith_queue_close(small));
    free(in);
    free(out);
}

static int puts_many(const void *arg)
{
    const struct party *p = arg;
    int items[100][2];

    for (int i = 0; i < p->count; i += 100) {
        for (int k = 0; k < 100; k++) {
            items[k][0] = p->who;
            items[k][1] = i + k;
        }
        if (kith_queue_put_many(p->q, items, sizeof items[0], 100, KITH_FOREVER) != 100)
            return 1;
    }
    return kith_queue_done(p->q) < 0;
}

static int takes_many(const void *arg)
{
    const struct harvest *h = arg;
    int last[16], items[70][2], count = 0;
    int64_t n;

    memset(last, -1, sizeof last);
    while ((n = kith_queue_get_many(h->from, items, sizeof items[0], 70, KITH_FOREVER)) > 0) {
        for (int i = 0; i < n; i++) {
            if (items[i][1] <= last[items[i][0]])
                return 2;
            last[items[i][0]] = items[i][1];
        }
        count += (int)n;
    }
    return n != KITH_EEND || kith_put(h->to, count) < 0;
}

static void many_at_a_time_until_all_producers_are_done(void)
{
    enum { PUTTERS = 3, TAKERS = 2, EACH = 5000 };
    struct harvest h = { far_queue_open(150), far_queue_open(0) };
    kith_process p[PUTTERS + TAKERS];
    int total = 0, count, code;

    PASS(kith_queue_producers(h.from, PUTTERS));
    for (int i = 0; i < TAKERS; i++)
        p[PUTTERS + i] = kith_process_start(takes_many, KITH_ARG(h));
    for (int i = 0; i < PUTTERS; i++) {
        struct party party = { h.from, i, EACH };

        p[i] = kith_process_start(puts_many, KITH_ARG(party));
    }
    for (int i = 0; i < PUTTERS + TAKERS; i++) {
        PASS(kith_process_join(p[i], KITH_FOREVER));
        PASS(kith_process_exitcode(p[i], &code));
        CU_ASSERT_EQUAL(code, 0);
        PASS(kith_process_close(p[i]));
    }
    for (int i = 0; i < TAKERS; i++) {
        PASS(kith_queue_get(h.to, &count, sizeof count, 0));
        total += count;
    }
    CU_ASSERT_EQUAL(total, PUTTERS * EACH);
    PASS(kith_queue_close(h.from));
    PASS(kith_queue_close(h.to));
}

static int wait_until_shut(const void *arg)
{
    kith_queue q = *(const kith_queue *)arg;
    int x = 0;

    return (kith_queue_size(q) ? kith_put(q, x) : kith_get(q, &x)) == KITH_EEND ? 33 : 34;
}

static void a_shutdown_tells_all_who_wait(void)
{
    for (int full = 0; full < 2; full++) {
        kith_queue q = far_queue_open(1);
        kith_process p[3];
        int code, x = 5;

        if (full)
            PASS(kith_put(q, x));
        for (int i = 0; i < 3; i++)
            p[i] = kith_process_start(wait_until_shut, KITH_ARG(q));
        FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(p[0], 100));
        PASS(kith_queue_shutdown(q));
        for (int i = 0; i < 3; i++) {
            PASS(kith_process_join(p[i], SOON));
            PASS(kith_process_exitcode(p[i], &code));
            CU_ASSERT_EQUAL(code, 33);
            PASS(kith_process_close(p[i]));
        }
        FAILS_WITH(KITH_EEND, kith_put(q, x));
        if (full)
            PASS(kith_get(q, &x)); /* what is left */
        FAILS_WITH(KITH_EEND, kith_get(q, &x));
        FAILS_WITH(KITH_EEND, kith_queue_next(q, 0));
        FAILS_WITH(KITH_EEND, kith_queue_put_many(q, &x, sizeof x, 1, 0));
        FAILS_WITH(KITH_EEND, kith_queue_get_many(q, &x, sizeof x, 1, 0));
        PASS(kith_queue_shutdown(q));
        PASS(kith_queue_close(q));
        FAILS_WITH(KITH_ESTALE, kith_queue_shutdown(q));
    }
}

/* Small ones, large ones, and one that came back. */
static void a_shutdown_now_throws_away_what_is_there(void)
{
    enum { ITEMS = 700, LARGE = 100000 };
    kith_queue q = far_queue_open(0);
    struct kith_waitable w = kith_on(q);
    static char large[LARGE];
    kith_process p;
    int x = 5;

    for (int i = 0; i < ITEMS; i++)
        PASS(kith_put(q, x));
    PASS(kith_queue_put(q, large, sizeof large, KITH_FOREVER));
    PASS(kith_queue_shutdown_now(q));
    CU_ASSERT_EQUAL(kith_queue_size(q), 0);
    CU_ASSERT_EQUAL(kith_queue_empty(q), 1);
    FAILS_WITH(KITH_EEND, kith_put(q, x));
    FAILS_WITH(KITH_EEND, kith_get(q, &x));
    FAILS_WITH(KITH_EEND, kith_queue_next(q, KITH_FOREVER));
    FAILS_WITH(KITH_EEND, kith_queue_get_many(q, &x, sizeof x, 1, KITH_FOREVER));
    CU_ASSERT(kith_wait(&w, 1, KITH_FOREVER) == 1 && w.ready == KITH_EEND);
    PASS(kith_queue_shutdown(q));
    PASS(kith_queue_shutdown_now(q));
    FAILS_WITH(KITH_EEND, kith_get(q, &x)); /* and the plain one has not brought them back */
    PASS(kith_queue_close(q));
    FAILS_WITH(KITH_ESTALE, kith_queue_shutdown_now(q));
    q = far_queue_open(1);
    PASS(kith_put(q, x));
    p = kith_process_start(wait_until_shut, KITH_ARG(q));
    FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(p, 50));
    PASS(kith_queue_shutdown_now(q));
    CU_ASSERT_EQUAL(code_of(p), 33);
    PASS(kith_queue_close(q));
}

/* Puts some, and ends without a word: by itself, by exit, by a signal; or is done before. */
static int produces(const void *arg)
{
    const struct party *p = arg;

    for (int i = 0; i < p->count; i++)
        if (kith_put(p->q, i) < 0)
            return 1;
    if (p->who == 3)
        kith_queue_done(p->q);
    if (p->who == 2)
        raise(SIGKILL);
    if (p->who == 1)
        exit(0);
    return 0;
}

/* Also of those that have ended before they were named, and that never put anything. */
static void producers_that_have_ended_are_done(void)
{
    for (int round = 0; round < 3; round++) {
        enum { PRODUCERS = 4 };
        kith_queue q = far_queue_open(0);
        kith_process p[PRODUCERS];
        int x, sum = 0, rc, code;

        PASS(kith_queue_producers(q, PRODUCERS));
        for (int i = 0; i < PRODUCERS; i++) {
            struct party party = { q, i, round == 1 ? 0 : 10 };

            p[i] = kith_process_start_with(produces, KITH_ARG(party), .node = far_node());
            if (round == 2)
                PASS(kith_process_join(p[i], KITH_FOREVER));
            /* The one that is done before it is named would count twice. */
            if (i != 3)
                PASS(kith_queue_producer(q, p[i]));
        }
        while ((rc = kith_get(q, &x)) == 0)
            sum += x;
        CU_ASSERT_EQUAL(rc, KITH_EEND);
        CU_ASSERT_EQUAL(sum, round == 1 ? 0 : PRODUCERS * 45);
        for (int i = 0; i < PRODUCERS; i++) {
            PASS(kith_process_join(p[i], KITH_FOREVER));
            PASS(kith_process_exitcode(p[i], &code));
            PASS(kith_process_close(p[i]));
        }
        FAILS_WITH(KITH_EEND, kith_put(q, x));
        FAILS_WITH(KITH_EINVAL, kith_queue_producers(q, 0));
        PASS(kith_queue_close(q));
    }
}

/* Nothing tells of it but that it was named. */
static void a_producer_may_run_on_any_node(void)
{
    for (int i = 0; i < 10 * kith_nodes(); i++) {
        struct party party = { i % 2 ? far_queue_open(0) : kith_queue_open(0), 0, 0 };
        kith_process p;
        int x, code;

        PASS(kith_queue_producers(party.q, 1));
        p = kith_process_start_with(produces, KITH_ARG(party), .node = KITH_NODE(i / 10));
        PASS(kith_queue_producer(party.q, p));
        FAILS_WITH(KITH_EEND, kith_queue_get(party.q, &x, sizeof x, SOON));
        PASS(kith_process_join(p, SOON));
        PASS(kith_process_exitcode(p, &code));
        CU_ASSERT_EQUAL(code, 0);
        PASS(kith_process_close(p));
        PASS(kith_queue_close(party.q));
    }
}

/* Its last items are on their way yet when it dies. */
static void all_that_a_killed_producer_has_put_arrives(void)
{
    for (int round = 0; round < 20; round++) {
        enum { ITEMS = 200 };
        struct party party = { far_queue_open(0), 2, ITEMS };
        kith_process p;
        int x, n = 0, rc, code;

        PASS(kith_queue_producers(party.q, 1));
        p = kith_process_start_with(produces, KITH_ARG(party), .node = far_node());
        PASS(kith_queue_producer(party.q, p));
        while ((rc = kith_get(party.q, &x)) == 0 && x == n)
            n++;
        CU_ASSERT_EQUAL(rc, KITH_EEND);
        CU_ASSERT_EQUAL(n, ITEMS);
        PASS(kith_process_join(p, SOON));
        PASS(kith_process_exitcode(p, &code));
        CU_ASSERT_EQUAL(code, -SIGKILL);
        PASS(kith_process_close(p));
        PASS(kith_queue_close(party.q));
    }
}

static struct test tests[] = {
    TEST_LIKE(order_and_sizes_are_kept, "_TestQueue.test_get _TestQueue.test_qsize "
                                        "TestSimpleQueue.test_empty TestSimpleQueue.test_empty_exceptions"),
    TEST_LIKE(
        nothing_is_pipelined_after_a_close,
        "_TestQueue.test_closed_queue_empty_exceptions _TestQueue.test_closed_queue_put_get_exceptions"),
    TEST(items_of_many_sizes_are_whole),
    TEST(an_item_of_a_gibibyte),
    TEST_LIKE(many_putters_and_takers, "_TestQueue.test_fork"),
    TEST(many_putters_and_takers_of_a_bounded_queue),
    TEST_LIKE(a_full_queue_holds_putters_back, "_TestQueue.test_put _TestQueue.test_timeout"),
    TEST_LIKE(a_putter_may_end_before_anybody_takes, "_TestQueue.test_get _TestQueue.test_qsize"),
    TEST_LIKE(waiters_of_a_closed_queue_are_told,
              "_TestQueue.test_closed_queue_empty_exceptions _TestQueue.test_closed_queue_put_get_exceptions "
              "TestSimpleQueue.test_close TestSimpleQueue.test_closed"),
    TEST_LIKE(old_handles_find_no_other_queue,
              "TestSimpleQueue.test_empty TestSimpleQueue.test_empty_exceptions"),
    TEST(killed_takers_do_not_stop_the_others),
    TEST(names_lead_to_one_queue),
    TEST(threads_use_it_too),
    TEST(many_in_one_call),
    TEST(many_at_a_time_until_all_producers_are_done),
    TEST(a_shutdown_tells_all_who_wait),
    TEST(a_shutdown_now_throws_away_what_is_there),
    TEST(producers_that_have_ended_are_done),
    TEST(a_producer_may_run_on_any_node),
    TEST(all_that_a_killed_producer_has_put_arrives),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("queue", tests);
    return kith_finalize() ? 1 : rc;
}
