/* test_pipe.c: Pipes as users see them, over each way that one can be reached (see test_queue.c). */
#include "config.h"
#include "steps.h"
#include "shm/heap.h"

#include <pthread.h>

static void end(kith_process p)
{
    int code; /* asked for: else that it was killed is in the status of the job */

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    PASS(kith_process_close(p));
}

static void ends_with(int wanted, kith_process p)
{
    int code = -1000;

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, wanted);
    PASS(kith_process_close(p));
}

static void close_both(const kith_pipe ends[2])
{
    PASS(kith_pipe_close(ends[0]));
    PASS(kith_pipe_close(ends[1]));
}

static void messages_go_both_ways_and_keep_their_boundaries(void)
{
    kith_pipe ends[2];
    char buf[100];
    int x, y = -1;

    PASS(far_pipe_open(ends, 0));
    for (x = 0; x < 500; x++) {
        PASS(kith_send(ends[0], x));
        y = -x;
        PASS(kith_send(ends[1], y));
    }
    for (x = 0; x < 500; x++) {
        PASS(kith_recv(ends[1], &y));
        CU_ASSERT_EQUAL(y, x);
        PASS(kith_recv(ends[0], &y));
        CU_ASSERT_EQUAL(y, -x);
    }
    CU_ASSERT_EQUAL(kith_pipe_poll(ends[0], 0), 0);
    PASS(kith_pipe_send(ends[0], NULL, 0, 0));
    PASS(kith_pipe_send(ends[0], "hello", 6, 0));
    CU_ASSERT_EQUAL(kith_pipe_poll(ends[1], KITH_FOREVER), 1);
    CU_ASSERT_EQUAL(kith_pipe_next(ends[1], 0), 0);
    CU_ASSERT_EQUAL(kith_pipe_recv(ends[1], NULL, 0, 0), 0);
    CU_ASSERT_EQUAL(kith_pipe_next(ends[1], 0), 6);
    FAILS_WITH(KITH_ETOOBIG, kith_pipe_recv(ends[1], buf, 5, 0));
    FAILS_WITH(KITH_ESIZE, kith_recv(ends[1], &y));
    CU_ASSERT_EQUAL(kith_pipe_recv(ends[1], buf, sizeof buf, 0), 6);
    CU_ASSERT_STRING_EQUAL(buf, "hello");
    FAILS_WITH(KITH_ETIMEDOUT, kith_pipe_recv(ends[1], buf, sizeof buf, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_pipe_next(ends[1], 20));
    CU_ASSERT_EQUAL(kith_pipe_poll(ends[1], 20), 0);
    close_both(ends);
}

static void messages_of_many_sizes_are_whole(void)
{
    static const size_t sizes[] = { 1, 7, 8, 9, 4000, 8184, 8191, 8192, 8193, 20000, 65536, 262145, 1 << 20 };
    enum { SIZES = sizeof sizes / sizeof sizes[0], MOST = 1 << 20 };
    unsigned char *bytes = malloc(MOST), *back = malloc(MOST);
    kith_pipe ends[2];

    for (size_t i = 0; i < MOST; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 12));
    PASS(far_pipe_open(ends, 0));
    /* Each after each other one, so that records meet the end of the ring at many places. */
    for (int i = 0; i < 4 * SIZES * SIZES; i++) {
        size_t first = sizes[i % SIZES], second = sizes[i / SIZES % SIZES];

        if (i % 4 && first + second > 20000)
            continue;
        PASS(kith_pipe_send(ends[i & 1], bytes, first, KITH_FOREVER));
        PASS(kith_pipe_send(ends[i & 1], bytes + 1, second - 1, KITH_FOREVER));
        CU_ASSERT_EQUAL(kith_pipe_next(ends[~i & 1], 0), (int64_t)first);
        CU_ASSERT_EQUAL(kith_pipe_recv(ends[~i & 1], back, MOST, KITH_FOREVER), (int64_t)first);
        CU_ASSERT(memcmp(back, bytes, first) == 0);
        CU_ASSERT_EQUAL(kith_pipe_recv(ends[~i & 1], back, MOST, KITH_FOREVER), (int64_t)second - 1);
        CU_ASSERT(memcmp(back, bytes + 1, second - 1) == 0);
    }
    close_both(ends);
    free(bytes);
    free(back);
}

static void a_large_one_may_be_alone(void)
{
    enum { SIZE = 20 << 20 };
    char *bytes = malloc(SIZE);
    kith_pipe ends[2];

    memset(bytes, 5, SIZE);
    bytes[SIZE - 1] = 9;
    PASS(far_pipe_open(ends, 0));
    PASS(kith_pipe_send(ends[1], bytes, SIZE, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_pipe_send(ends[1], bytes, 10000, 0));
    memset(bytes, 0, SIZE);
    CU_ASSERT_EQUAL(kith_pipe_recv(ends[0], bytes, SIZE, 0), SIZE);
    CU_ASSERT(bytes[0] == 5 && bytes[SIZE / 2] == 5 && bytes[SIZE - 1] == 9);
    PASS(kith_pipe_send(ends[1], bytes, 10000, 0));
    close_both(ends);
    free(bytes);
}

struct side {
    kith_pipe end;
    kith_queue ready;
    int count, how;
};

/* Sends numbers, some of them with many bytes. */
static int sends(const void *arg)
{
    const struct side *s = arg;
    static char bytes[40000];

    for (int i = 0; i < s->count; i++) {
        memcpy(bytes, &i, sizeof i);
        if (kith_pipe_send(s->end, bytes, i % 100 == 99 ? sizeof bytes : sizeof i + (size_t)i % 50,
                           KITH_FOREVER) < 0)
            return 1;
    }
    return 0;
}

static void a_full_pipe_holds_senders_back(void)
{
    struct side s = { .count = getenv("KITH_TRANSPORT") ? 2000 : 20000 };
    char bytes[40000];
    kith_pipe ends[2];
    kith_process p;
    int x;

    PASS(far_pipe_open(ends, 0));
    PASS(kith_pipe_poll(ends[1], 0)); /* so the end is not over when the Process has ended */
    s.end = ends[1];
    p = kith_process_start(sends, KITH_ARG(s));
    FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(p, 100));
    for (int i = 0; i < s.count; i++) {
        CU_ASSERT_FATAL(kith_pipe_recv(ends[0], bytes, sizeof bytes, KITH_FOREVER) >= (int64_t)sizeof x);
        memcpy(&x, bytes, sizeof x);
        CU_ASSERT_FATAL(x == i);
    }
    ends_with(0, p);
    for (x = 0; kith_pipe_send(ends[0], bytes, 1000, 0) == 0; x++)
        ;
    CU_ASSERT(x >= 20 && x <= 40);
    FAILS_WITH(KITH_ETIMEDOUT, kith_pipe_send(ends[0], bytes, 1000, 20));
    close_both(ends);
}

/* Gives back what it gets, plus 1, until the other end is over. */
static int answers(const void *arg)
{
    const struct side *s = arg;
    int x, rc;

    while ((rc = kith_recv(s->end, &x)) == 0) {
        x++;
        if (kith_send(s->end, x) < 0)
            return 1;
    }
    return rc == KITH_EEND ? 33 : 34;
}

static void question_and_answer_until_the_end_is_closed(void)
{
    struct side s = { .count = 0 };
    kith_pipe ends[2];
    kith_process p;
    int x;

    PASS(far_pipe_open(ends, 0));
    s.end = ends[1];
    p = kith_process_start(answers, KITH_ARG(s));
    PASS(kith_pipe_give(ends[1], p));
    for (int i = 0; i < 300; i++) {
        x = i;
        PASS(kith_send(ends[0], x));
        PASS(kith_recv(ends[0], &x));
        CU_ASSERT_EQUAL(x, i + 1);
    }
    PASS(kith_pipe_close(ends[0]));
    ends_with(33, p);
    FAILS_WITH(KITH_ESTALE, kith_send(ends[0], x));
    FAILS_WITH(KITH_ESTALE, kith_pipe_close(ends[0]));
    PASS(kith_pipe_close(ends[1]));
    FAILS_WITH(KITH_ESTALE, kith_pipe_next(ends[1], 0));
    FAILS_WITH(KITH_ESTALE, kith_pipe_close(ends[1]));
}

static void what_was_sent_before_the_close_is_received(void)
{
    kith_pipe ends[2];
    int x = 5;

    PASS(far_pipe_open(ends, 0));
    PASS(kith_send(ends[1], x));
    x = 6;
    PASS(kith_send(ends[1], x));
    PASS(kith_send(ends[0], x)); /* nobody will receive it */
    PASS(kith_pipe_close(ends[1]));
    FAILS_WITH(KITH_EEND, kith_send(ends[0], x));
    CU_ASSERT_EQUAL(kith_pipe_poll(ends[0], 0), 1);
    for (int i = 5; i <= 6; i++) {
        PASS(kith_recv(ends[0], &x));
        CU_ASSERT_EQUAL(x, i);
    }
    FAILS_WITH(KITH_EEND, kith_recv(ends[0], &x));
    FAILS_WITH(KITH_EEND, kith_pipe_next(ends[0], 0));
    CU_ASSERT_EQUAL(kith_pipe_poll(ends[0], 0), 1);
    PASS(kith_pipe_close(ends[0]));
}

static void one_way_is_one_way(void)
{
    kith_pipe ends[2];
    int x = 7;

    PASS(far_pipe_open(ends, 1));
    PASS(kith_send(ends[1], x));
    FAILS_WITH(KITH_EINVAL, kith_send(ends[0], x));
    FAILS_WITH(KITH_EINVAL, kith_pipe_recv(ends[1], &x, sizeof x, 0));
    FAILS_WITH(KITH_EINVAL, kith_pipe_poll(ends[1], 0));
    x = 0;
    PASS(kith_recv(ends[0], &x));
    CU_ASSERT_EQUAL(x, 7);
    close_both(ends);
}

/* Sends some numbers, or none, and ends in some way. */
static int sends_and_ends(const void *arg)
{
    const struct side *s = arg;

    for (int i = 0; i < s->count; i++)
        if (kith_send(s->end, i) < 0)
            return 1;
    if (s->how == 1)
        exit(0);
    if (s->how == 2)
        raise(SIGKILL);
    if (s->how == 3) {
        kith_put(s->ready, s->count);
        for (;;)
            pause();
    }
    return 0;
}

/* The reader waits already, in most cases, when the other one ends. */
static void the_end_of_all_holders_is_the_end(void)
{
    for (int how = 0; how < 8; how++) {
        struct side s = { .ready = kith_queue_open(0), .count = how & 4 ? 0 : 3, .how = how & 3 };
        kith_pipe ends[2];
        kith_process p;
        int x = 0;

        PASS(far_pipe_open(ends, 0));
        s.end = ends[1];
        p = kith_process_start_with(sends_and_ends, KITH_ARG(s), .node = far_node());
        PASS(kith_pipe_give(ends[1], p));
        if (s.how == 3) {
            PASS(kith_get(s.ready, &x));
            PASS(kith_process_kill(p));
        }
        for (int i = 0; i < s.count; i++) {
            PASS(kith_recv(ends[0], &x));
            CU_ASSERT_EQUAL(x, i);
        }
        FAILS_WITH(KITH_EEND, kith_recv(ends[0], &x));
        FAILS_WITH(KITH_EEND, kith_send(ends[0], x));
        end(p);
        close_both(ends);
        PASS(kith_queue_close(s.ready));
    }
}

static void an_end_given_to_one_that_has_ended_is_over(void)
{
    struct side s = { .count = 0 };
    kith_process p = kith_process_start_with(sends_and_ends, KITH_ARG(s), .node = far_node());
    kith_pipe ends[2];
    int x;

    PASS(far_pipe_open(ends, 0));
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_pipe_give(ends[1], p));
    FAILS_WITH(KITH_EEND, kith_recv(ends[0], &x));
    PASS(kith_process_close(p));
    FAILS_WITH(KITH_ESTALE, kith_pipe_give(ends[1], p));
    close_both(ends);
}

static int waits_for_a_signal(const void *arg)
{
    (void)arg;
    while (pause() < 0)
        ;
    return 0;
}

/* It never uses the end, so nothing but the name tells of it. */
static void give_to_one_on(int node, int far)
{
    for (int is_killed = 0; is_killed < 2; is_killed++) {
        struct side s = { .count = 0 };
        kith_pipe ends[2];
        kith_process p;
        int x;

        PASS(far ? far_pipe_open(ends, 0) : kith_pipe_open(ends));
        p = kith_process_start_with(is_killed ? waits_for_a_signal : sends_and_ends, KITH_ARG(s),
                                    .node = KITH_NODE(node));
        PASS(kith_pipe_give(ends[1], p)); /* who is not killed may have ended, or end now */
        if (is_killed)
            PASS(kith_process_kill(p));
        FAILS_WITH(KITH_EEND, kith_pipe_recv(ends[0], &x, sizeof x, SOON));
        end(p);
        close_both(ends);
    }
}

static void who_was_given_an_end_may_run_on_any_node(void)
{
    for (int node = 0; node < kith_nodes(); node++)
        for (int i = 0; i < 20; i++)
            give_to_one_on(node, i % 2);
}

/* From whatever node it is joined, and at once. With KITH_TRANSPORT=net its node is as another one. */
static void who_was_killed_and_joined_holds_nothing_on_its_node(void)
{
    for (int i = 0; i < 20 && !getenv("KITH_TRANSPORT"); i++) {
        kith_process p = kith_process_start_with(waits_for_a_signal, &i, 0, .node = far_node());
        kith_pipe ends[2];
        int x;

        PASS(far_pipe_open(ends, 0));
        PASS(kith_pipe_give(ends[1], p));
        FAILS_WITH(KITH_ETIMEDOUT, kith_pipe_recv(ends[0], &x, sizeof x, 0));
        PASS(kith_process_kill(p));
        PASS(kith_process_join(p, KITH_FOREVER));
        FAILS_WITH(KITH_EEND, kith_pipe_recv(ends[0], &x, sizeof x, 0));
        end(p);
        close_both(ends);
    }
}

/* Nor who has opened the Pipe, before it: far_pipe_open has joined that one. */
static void who_has_ended_and_was_joined_holds_nothing_on_its_node(void)
{
    for (int i = 0; i < 30 && !getenv("KITH_TRANSPORT"); i++) {
        struct side s = { .count = 1, .how = i % 3 };
        kith_pipe ends[2];
        kith_process p;
        int x;

        PASS(far_pipe_open(ends, 0));
        s.end = ends[1];
        p = kith_process_start_with(sends_and_ends, KITH_ARG(s), .node = far_node());
        PASS(kith_pipe_give(ends[1], p));
        PASS(kith_process_join(p, KITH_FOREVER));
        PASS(kith_recv(ends[0], &x));
        FAILS_WITH(KITH_EEND, kith_pipe_recv(ends[0], &x, sizeof x, 0));
        end(p);
        close_both(ends);
    }
}

struct giver {
    int step;
    kith_pipe end;
    kith_process p;
};
static const struct giver *giving;

/* It was seen to run, and now it has ended, of which all have been told; then the step comes. */
static void the_other_one_ends(const char *step)
{
    if (strcmp(step, "name: vouched for") != 0)
        return;
    kith__failpoint_hook = NULL;
    kith_process_kill(giving->p);
    kith_process_join(giving->p, KITH_FOREVER);
    for (int i = 0; i < 2; i++) /* answers come behind what the agents tell */
        kith_pipe_poll(giving->end, 0);
    steps_left = giving->step;
    kith__failpoint_hook = die_at_step;
}

static int gives_to_one_that_ends(const void *arg)
{
    int rc;

    giving = arg;
    same_step_counts = 1;
    kith__failpoint_hook = the_other_one_ends;
    rc = kith_pipe_give(giving->end, giving->p);
    kith__failpoint_hook = NULL;
    return rc < 0;
}

/* Should the first one still hold the end, it would not be over with the second one. */
static void give_and_die(int node, int far)
{
    struct giver g;
    int code, x;

    AT_EACH_STEP(g.step, code) {
        kith_pipe ends[2];
        kith_process p = kith_process_start_with(waits_for_a_signal, &x, 0, .node = KITH_NODE(node));

        PASS(far ? far_pipe_open(ends, 0) : kith_pipe_open(ends));
        g.end = ends[1];
        g.p = p;
        code = end_at_step(kith_process_start(gives_to_one_that_ends, KITH_ARG(g)));
        PASS(kith_process_kill(p)); /* unless it has ended */
        PASS(kith_process_join(p, KITH_FOREVER));
        PASS(kith_pipe_give(ends[1], p));
        FAILS_WITH(KITH_EEND, kith_pipe_recv(ends[0], &x, sizeof x, SOON));
        end(p);
        close_both(ends);
    }
    CU_ASSERT(got_through(g.step, code));
}

static void an_end_stays_with_no_dead_one_whose_giver_dies(void)
{
    for (int node = 0; node < kith_nodes(); node++)
        for (int far = 0; far <= (far_node() != KITH_HERE); far++)
            give_and_die(node, far);
}

/* The first may have ended before the second has begun. */
static void while_the_opener_has_the_end_it_is_not_over(void)
{
    struct side s = { .count = 5 };
    kith_pipe ends[2];
    kith_process p;
    int x;

    PASS(far_pipe_open(ends, 0));
    if (far_node() == KITH_HERE) /* else its opener has ended */
        for (int round = 0; round < 3; round++) {
            s.end = ends[1];
            p = kith_process_start(sends_and_ends, KITH_ARG(s));
            ends_with(0, p);
            for (int i = 0; i < 5; i++)
                PASS(kith_recv(ends[0], &x));
            FAILS_WITH(KITH_ETIMEDOUT, kith_pipe_recv(ends[0], &x, sizeof x, 10));
        }
    close_both(ends);
}

/* Opens a Pipe, of which it gives nothing away, and uses one end. */
static int opens_and_sends(const void *arg)
{
    const struct side *s = arg;
    kith_pipe ends[2];

    return kith_pipe_open(ends) < 0 || kith_send(ends[0], s->count) < 0 || kith_put(s->ready, ends[1]) < 0;
}

static void an_opener_that_has_used_an_end_holds_it(void)
{
    struct side s = { .ready = kith_queue_open(0), .count = 7 };
    kith_process p = kith_process_start_with(opens_and_sends, KITH_ARG(s), .node = far_node());
    kith_pipe end;
    int x;

    PASS(kith_get(s.ready, &end));
    PASS(kith_recv(end, &x));
    CU_ASSERT_EQUAL(x, 7);
    FAILS_WITH(KITH_EEND, kith_recv(end, &x));
    ends_with(0, p);
    PASS(kith_pipe_close(end));
    PASS(kith_queue_close(s.ready));
}

static void of_two_holders_the_last_one_counts(void)
{
    struct side s[2] = { { .count = 1, .how = 3 }, { .count = 2, .how = 3 } };
    kith_pipe ends[2];
    kith_process p[2];
    int x;

    PASS(far_pipe_open(ends, 0));
    for (int i = 0; i < 2; i++) {
        s[i].end = ends[1];
        s[i].ready = kith_queue_open(0);
        p[i] = kith_process_start_with(sends_and_ends, &s[i], sizeof s[i], .node = far_node());
        PASS(kith_pipe_give(ends[1], p[i]));
        PASS(kith_get(s[i].ready, &x));
    }
    for (int i = 0; i < 3; i++)
        PASS(kith_recv(ends[0], &x));
    PASS(kith_process_kill(p[0]));
    end(p[0]);
    FAILS_WITH(KITH_ETIMEDOUT, kith_pipe_recv(ends[0], &x, sizeof x, 50));
    PASS(kith_process_kill(p[1]));
    FAILS_WITH(KITH_EEND, kith_recv(ends[0], &x));
    end(p[1]);
    /* One that comes later holds it again. */
    s[0].how = 0;
    p[0] = kith_process_start_with(sends_and_ends, &s[0], sizeof s[0], .node = far_node());
    ends_with(0, p[0]);
    PASS(kith_recv(ends[0], &x));
    close_both(ends);
    PASS(kith_queue_close(s[0].ready));
    PASS(kith_queue_close(s[1].ready));
}

static int waits_for_message(const void *arg)
{
    const struct side *s = arg;
    int x, rc = s->how ? kith_pipe_poll(s->end, KITH_FOREVER) : kith_recv(s->end, &x);

    return -rc;
}

static void waiters_of_a_closed_end_are_told(void)
{
    for (int how = 0; how < 2; how++) {
        struct side s = { .how = how };
        kith_pipe ends[2];
        kith_process p[2];

        PASS(far_pipe_open(ends, 0));
        s.end = ends[1];
        for (int i = 0; i < 2; i++)
            p[i] = kith_process_start(waits_for_message, KITH_ARG(s));
        FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(p[0], 100));
        PASS(kith_pipe_close(ends[1]));
        for (int i = 0; i < 2; i++)
            ends_with(-KITH_ESTALE, p[i]);
        PASS(kith_pipe_close(ends[0]));
    }
}

static void old_handles_find_no_other_pipe(void)
{
    kith_pipe old[2], now[2];
    int x = 0;

    PASS(far_pipe_open(old, 0));
    close_both(old);
    for (int i = 0; i < 200; i++) {
        PASS(far_pipe_open(now, i & 1));
        PASS(kith_send(now[1], x));
        FAILS_WITH(KITH_ESTALE, kith_send(old[1], x));
        FAILS_WITH(KITH_ESTALE, kith_pipe_recv(old[0], &x, sizeof x, 0));
        FAILS_WITH(KITH_ESTALE, kith_pipe_close(old[i & 1]));
        close_both(now);
    }
}

/* A receiver is killed at any moment: what it did not take is there for another. */
static int receives_for_ever(const void *arg)
{
    const struct side *s = arg;
    int x;

    while (kith_recv(s->end, &x) == 0)
        ;
    return 0;
}

static void killed_receivers_do_not_stop_the_others(void)
{
    struct side s = { .count = 0 };
    kith_pipe ends[2];
    kith_process p[2];
    static char seen[1001];
    int x;

    PASS(far_pipe_open(ends, 0));
    PASS(kith_pipe_poll(ends[1], 0)); /* so the end is not over when they have ended */
    s.end = ends[1];
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 2; i++)
            PASS(kith_check(p[i] = kith_process_start(receives_for_ever, KITH_ARG(s))));
        for (int i = 0; i < 50; i++) {
            x = round * 50 + i;
            PASS(kith_send(ends[0], x));
        }
        for (int i = 0; i < 2; i++)
            PASS(kith_process_kill(p[i]));
        for (int i = 0; i < 2; i++)
            end(p[i]);
    }
    x = 1000;
    PASS(kith_send(ends[0], x));
    do {
        PASS(kith_pipe_recv(ends[1], &x, sizeof x, 10000));
        CU_ASSERT_FATAL(x >= 0 && x <= 1000 && !seen[x]);
        seen[x] = 1;
    } while (x < 1000);
    close_both(ends);
}

struct crowd {
    kith_pipe end;
    int count;
    long sum;
};

static void *thread_receives(void *arg)
{
    struct crowd *c = arg;
    int x;

    while (kith_recv(c->end, &x) == 0) {
        c->sum += x;
        c->count++;
    }
    return NULL;
}

struct doomed {
    int step;
    kith_pipe end;
    uint32_t size; /* of a message */
};

enum { MESSAGES = 4, MOST_BYTES = 20000 };

/* Takes two and sends them back. */
static void echoes(const void *arg)
{
    const struct doomed *d = arg;
    static char bytes[MOST_BYTES];

    for (int i = 0; i < 2; i++)
        if (kith_pipe_recv(d->end, bytes, sizeof bytes, KITH_FOREVER) >= 0)
            kith_pipe_send(d->end, bytes, d->size, KITH_FOREVER);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way(*(const int *)arg, echoes, arg);
    return 0;
}

/* Messages that come at an end, from number on: how many. They are whole, in order, and none comes twice. */
static int drain(kith_pipe end, int number, uint32_t size)
{
    static char bytes[MOST_BYTES];
    int64_t rc;
    int n = 0;

    for (; (rc = kith_pipe_recv(end, bytes, sizeof bytes, n + number < MESSAGES ? SOON : 0)) >= 0; n++) {
        CU_ASSERT_EQUAL(rc, size);
        CU_ASSERT(bytes[0] == number + n && bytes[size - 1] == number + n);
        if (n + number >= MESSAGES)
            return -1;
    }
    CU_ASSERT(rc == KITH_EEND || (rc == KITH_ETIMEDOUT && n + number == MESSAGES));
    return n;
}

/* What is left for the next holder, from number on: how many. They are whole, none comes twice, and all but
 * one at most are in order. */
static int take_rest(kith_pipe end, int number, uint32_t size)
{
    static char bytes[MOST_BYTES];
    int last = number - 1, n = 0, late = 0;
    uint64_t seen = (UINT64_C(1) << number) - 1;
    int64_t rc;

    for (; (rc = kith_pipe_recv(end, bytes, sizeof bytes, n + number < MESSAGES - 1 ? SOON : 0)) >= 0; n++) {
        CU_ASSERT_EQUAL(rc, size);
        CU_ASSERT_FATAL(bytes[0] >= 0 && bytes[0] < MESSAGES && bytes[size - 1] == bytes[0]);
        CU_ASSERT(!(seen >> bytes[0] & 1));
        seen |= UINT64_C(1) << bytes[0];
        late += bytes[0] < last;
        last = bytes[0] > last ? bytes[0] : last;
    }
    CU_ASSERT(late <= 1);
    CU_ASSERT_EQUAL(rc, KITH_ETIMEDOUT);
    return n;
}

/* Its end is over after what it has sent; the next holder gets the rest. It can have had one in its hand, or
 * have asked another node for one, which may come in between. */
static void whoever_dies_at_any_step_takes_one_message_at_most(void)
{
    for (uint32_t size = 8; size <= MOST_BYTES; size += MOST_BYTES - 8) {
        struct doomed d = { .size = size };
        char bytes[MOST_BYTES];
        int code, answers, rest;

        AT_EACH_STEP(d.step, code) {
            kith_pipe ends[2];
            kith_process p;

            PASS(far_pipe_open(ends, 0));
            for (int i = 0; i < MESSAGES; i++) {
                memset(bytes, i, size);
                PASS(kith_pipe_send(ends[0], bytes, size, KITH_FOREVER));
            }
            d.end = ends[1];
            p = kith_process_start(dies_on_the_way, KITH_ARG(d));
            PASS(kith_pipe_give(ends[1], p));
            answers = drain(ends[0], 0, size);
            code = end_at_step(p);
            CU_ASSERT(answers >= 0 && answers <= 2 && (code != 0 || answers == 2));
            rest = take_rest(ends[1], answers, size);
            CU_ASSERT(answers + rest == MESSAGES || (answers + rest == MESSAGES - 1 && code != 0));
            close_both(ends);
        }
        CU_ASSERT(got_through(d.step, code));
    }
    CU_ASSERT_EQUAL(kith__heap_audit(), 0);
}

static void threads_may_share_an_end(void)
{
    enum { THREADS = 3, EACH = 2000 };
    struct crowd crowd[THREADS];
    pthread_t thread[THREADS];
    kith_pipe ends[2];
    int count = 0;
    long sum = 0;

    PASS(far_pipe_open(ends, 0));
    for (int i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){ ends[1], 0, 0 };
        pthread_create(&thread[i], NULL, thread_receives, &crowd[i]);
    }
    for (int x = 0; x < THREADS * EACH; x++)
        PASS(kith_send(ends[0], x));
    PASS(kith_pipe_close(ends[0]));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        count += crowd[i].count;
        sum += crowd[i].sum;
    }
    CU_ASSERT_EQUAL(count, THREADS * EACH);
    CU_ASSERT_EQUAL(sum, (long)THREADS * EACH * (THREADS * EACH - 1) / 2);
    PASS(kith_pipe_close(ends[1]));
}

static void names_lead_to_one_pipe(void)
{
    kith_pipe a[2], b[2], other[2];
    int x = 17, y = 0;

    PASS(kith_pipe_open_with(a, .name = "line"));
    PASS(kith_pipe_open_with(b, .name = "line"));
    CU_ASSERT(a[0].id == b[0].id && a[1].id == b[1].id && a[0].id != a[1].id);
    PASS(kith_send(a[0], x));
    PASS(kith_recv(b[1], &y));
    CU_ASSERT_EQUAL(y, 17);
    FAILS_WITH(KITH_EINVAL, kith_pipe_open_with(other, .name = "line", .one_way = 1));
    FAILS_WITH(KITH_EINVAL, kith_check(other[0]));
    FAILS_WITH(KITH_EINVAL, kith_check(other[1]));
    FAILS_WITH(KITH_EINVAL, kith_send(other[1], x));
    FAILS_WITH(KITH_EINVAL, kith_pipe_open_with(other, .name = ""));
    close_both(a);
}

static void bad_arguments_are_told(void)
{
    kith_pipe ends[2], none = { 0 };
    kith_process nobody = { 0 };
    int x = 0;

    FAILS_WITH(KITH_EINVAL, kith_pipe_open(NULL));
    FAILS_WITH(KITH_ESTALE, kith_send(none, x));
    FAILS_WITH(KITH_ESTALE, kith_pipe_close(none));
    PASS(far_pipe_open(ends, 0));
    FAILS_WITH(KITH_EINVAL, kith_pipe_send(ends[0], NULL, 1, 0));
    FAILS_WITH(KITH_EINVAL, kith_pipe_recv(ends[0], NULL, 1, 0));
    FAILS_WITH(KITH_EINVAL, kith_pipe_send(ends[0], &x, sizeof x, -2));
    FAILS_WITH(KITH_EINVAL, kith_pipe_poll(ends[0], -2));
    FAILS_WITH(KITH_ESTALE, kith_pipe_give(ends[0], nobody));
    close_both(ends);
}

static struct test tests[] = {
    TEST_LIKE(messages_go_both_ways_and_keep_their_boundaries,
              "_TestConnection.test_connection _TestConnection.test_sendbytes _TestPoll.test_empty_string "
              "_TestPoll.test_strings _TestPoll.test_boundaries _TestPoll.test_dont_merge"),
    TEST_LIKE(messages_of_many_sizes_are_whole,
              "_TestConnection.test_connection _TestConnection.test_sendbytes"),
    TEST(a_large_one_may_be_alone),
    TEST(a_full_pipe_holds_senders_back),
    TEST(question_and_answer_until_the_end_is_closed),
    TEST(what_was_sent_before_the_close_is_received),
    TEST_LIKE(one_way_is_one_way, "_TestConnection.test_duplex_false"),
    TEST_LIKE(the_end_of_all_holders_is_the_end, "_TestConnection.test_spawn_close"),
    TEST(an_end_given_to_one_that_has_ended_is_over),
    TEST(who_was_given_an_end_may_run_on_any_node),
    TEST(who_was_killed_and_joined_holds_nothing_on_its_node),
    TEST(who_has_ended_and_was_joined_holds_nothing_on_its_node),
    TEST(an_end_stays_with_no_dead_one_whose_giver_dies),
    TEST(while_the_opener_has_the_end_it_is_not_over),
    TEST(an_opener_that_has_used_an_end_holds_it),
    TEST(of_two_holders_the_last_one_counts),
    TEST(waiters_of_a_closed_end_are_told),
    TEST(old_handles_find_no_other_pipe),
    TEST(killed_receivers_do_not_stop_the_others),
    TEST(whoever_dies_at_any_step_takes_one_message_at_most),
    TEST(threads_may_share_an_end),
    TEST(names_lead_to_one_pipe),
    TEST_LIKE(bad_arguments_are_told, "_TestConnection.test_connection _TestConnection.test_sendbytes"),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("pipe", tests);
    return kith_finalize() ? 1 : rc;
}
