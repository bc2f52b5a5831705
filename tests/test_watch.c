/* test_watch.c: waiting for many at once. A wake-up that is lost costs a second: so rounds that take nearly
 * one are counted. */
#include "config.h"
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>

enum { ROUNDS = SANITIZED ? 60 : 300, SLOW = 2 }; /* SLOW: so many may be the machine's fault */

static int is_slow(double since)
{
    return kith_time() - since > 0.9;
}

static void pipes_are_ready_at_either_end(void)
{
    kith_pipe ends[2];
    struct kith_waitable list[2];
    int x = 5;

    PASS(far_pipe_open(ends, 0));
    list[0] = kith_on(ends[0]);
    list[1] = kith_on(ends[1]);
    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(list, 2, 10));
    PASS(kith_pipe_send(ends[0], KITH_ARG(x), SOON));
    CU_ASSERT(kith_wait(list, 2, SOON) == 1 && !list[0].ready && list[1].ready == 1);
    PASS(kith_pipe_recv(ends[1], &x, sizeof x, 0));
    PASS(kith_pipe_send(ends[1], KITH_ARG(x), SOON));
    CU_ASSERT(kith_wait(list, 2, SOON) == 1 && list[0].ready == 1 && !list[1].ready);
    PASS(kith_pipe_recv(ends[0], &x, sizeof x, 0));
    PASS(kith_pipe_close(ends[1]));
    CU_ASSERT(kith_wait(list, 1, SOON) == 1 && list[0].ready == KITH_EEND);
    PASS(kith_pipe_close(ends[0]));
}

enum { WRITERS = 4, NUMBERS = 10 };

struct writer {
    kith_pipe ends[2];
    kith_process p;
    int next, has_ended;
};

static int send_numbers(const void *arg)
{
    int rc = 0;

    for (int i = 0; i < NUMBERS && rc == 0; i++)
        rc = kith_send(*(const kith_pipe *)arg, i);
    return rc;
}

static void start_writer(struct writer *w)
{
    memset(w, 0, sizeof *w);
    PASS(far_pipe_open(w->ends, 0));
    w->p = kith_process_start(send_numbers, KITH_ARG(w->ends[1]));
    PASS(kith_pipe_give(w->ends[1], w->p));
}

static void read_or_end(struct writer *w, int ready)
{
    int x = -1;

    if (ready == 1) {
        CU_ASSERT_EQUAL(kith_pipe_recv(w->ends[0], &x, sizeof x, 0), sizeof x);
        CU_ASSERT_EQUAL(x, w->next);
        w->next++;
        return;
    }
    CU_ASSERT_EQUAL(ready, KITH_EEND);
    CU_ASSERT_EQUAL(w->next, NUMBERS);
    CU_ASSERT_EQUAL(code_of(w->p), 0);
    PASS(kith_pipe_close(w->ends[0]));
    PASS(kith_pipe_close(w->ends[1]));
    w->has_ended = 1;
}

static void pipes_of_several_writers_are_read_to_their_ends(void)
{
    struct kith_waitable list[WRITERS];
    struct writer writers[WRITERS], *of[WRITERS];
    int n, ready = 1;

    for (int i = 0; i < WRITERS; i++)
        start_writer(&writers[i]);
    do {
        n = 0;
        for (int i = 0; i < WRITERS; i++)
            if (!writers[i].has_ended) {
                list[n] = kith_on(writers[i].ends[0]);
                of[n++] = &writers[i];
            }
        if (n > 0)
            ready = kith_wait(list, (size_t)n, SOON);
        for (int i = 0; i < n && ready > 0; i++)
            if (list[i].ready)
                read_or_end(of[i], list[i].ready);
    } while (n > 0 && ready > 0);
    CU_ASSERT_EQUAL(n, 0);
}

static void locks_are_ready_when_they_are_free(void)
{
    kith_lock l = far_lock_open();
    struct kith_waitable list[] = { kith_on(l) };

    CU_ASSERT(kith_wait(list, 1, 0) == 1 && list[0].ready == 1);
    PASS(kith_lock_acquire(l, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(list, 1, 10));
    PASS(kith_lock_release(l));
    CU_ASSERT(kith_wait(list, 1, SOON) == 1 && list[0].ready == 1);
    PASS(kith_lock_close(l));
}

static void events_are_ready_when_they_are_set(void)
{
    kith_event e = far_event_open();
    struct kith_waitable list[] = { kith_on(e) };

    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(list, 1, 10));
    PASS(kith_event_set(e));
    CU_ASSERT(kith_wait(list, 1, SOON) == 1 && list[0].ready == 1);
    PASS(kith_event_clear(e));
    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(list, 1, 10));
    PASS(kith_event_close(e));
}

static int take_unit(const void *in, void *out)
{
    *(int *)out = kith_sem_acquire(*(const kith_sem *)in, KITH_FOREVER);
    return 0;
}

static int add_one(int x)
{
    return x + 1;
}

struct errand {
    kith_pool pool;
    kith_queue quiet;
};

/* Its only worker is the one that waits. */
static int wait_in_a_task(const void *in, void *out)
{
    const struct errand *e = in;
    kith_result r[2] = { kith_apply_async(e->pool, add_one, 1), kith_apply_async(e->pool, add_one, 2) };
    struct kith_waitable list[] = { kith_on(e->quiet), kith_on(r[0]), kith_on(r[1]) };
    int x[2] = { 0 }, n = kith_wait(list, 3, SOON);

    for (int i = 0; i < 2; i++)
        n += kith_get(r[i], &x[i]);
    *(int *)out = n > 0 ? 10 * x[0] + x[1] : n;
    return 0;
}

static void results_are_ready_when_their_calls_have_ended(void)
{
    kith_pool pool = kith_pool_open(1);
    kith_queue q = kith_queue_open(0);
    kith_sem s = kith_sem_open(0);
    struct kith_waitable list[2] = { kith_on(q) };
    struct errand errand = { pool, q };
    kith_result r[2];
    int x = 0;

    r[0] = kith_apply_async(pool, take_unit, KITH_ARG(s), sizeof x);
    list[1] = kith_on(r[0]);
    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(list, 2, 20));
    PASS(kith_put(q, x));
    CU_ASSERT(kith_wait(list, 2, SOON) == 1 && list[0].ready == 1 && list[1].ready == 0);
    PASS(kith_get(q, &x));
    PASS(kith_sem_release(s));
    CU_ASSERT(kith_wait(list, 2, KITH_FOREVER) == 1 && list[0].ready == 0 && list[1].ready == 1);
    PASS(kith_get(r[0], &x));
    CU_ASSERT(kith_wait(list, 2, 0) == 1 && list[1].ready == KITH_ESTALE);
    r[1] = kith_map_async(pool, add_one, &x, &x, 1);
    list[1] = kith_on(r[1]);
    CU_ASSERT(kith_wait(list, 2, SOON) == 1 && list[1].ready == 1);
    PASS(kith_result_get(r[1], NULL, 0, 0));
    r[0] = kith_apply_async(pool, wait_in_a_task, KITH_ARG(errand), sizeof x);
    PASS(kith_get(r[0], &x));
    CU_ASSERT_EQUAL(x, 23);
    PASS(kith_pool_close(pool));
    PASS(kith_sem_close(s));
    PASS(kith_queue_close(q));
}

static void *look_at_rlock(void *arg)
{
    struct kith_waitable list[] = { kith_on(*(const kith_rlock *)arg) };

    return kith_wait(list, 1, 10) == 1 ? arg : NULL;
}

static int rlock_is_ready_elsewhere(kith_rlock *l)
{
    pthread_t thread;
    void *ready;

    CU_ASSERT_FATAL(pthread_create(&thread, NULL, look_at_rlock, l) == 0);
    pthread_join(thread, &ready);
    return ready != NULL;
}

static void rlocks_are_ready_for_their_owner(void)
{
    kith_rlock l = far_rlock_open();
    struct kith_waitable list[] = { kith_on(l) };

    CU_ASSERT(rlock_is_ready_elsewhere(&l));
    PASS(kith_rlock_acquire(l, 0));
    CU_ASSERT(kith_wait(list, 1, 0) == 1 && list[0].ready == 1);
    CU_ASSERT(!rlock_is_ready_elsewhere(&l));
    PASS(kith_rlock_release(l));
    CU_ASSERT(rlock_is_ready_elsewhere(&l));
    PASS(kith_rlock_close(l));
}

static int wait_for_unit(const void *arg)
{
    return kith_sem_acquire(*(const kith_sem *)arg, KITH_FOREVER) != 0;
}

static void each_is_ready_in_its_way(void)
{
    kith_queue q = far_queue_open(0);
    kith_sem s = far_sem_open(0, 0), leave = kith_sem_open(0);
    kith_process p = kith_process_start(wait_for_unit, KITH_ARG(leave));
    struct kith_waitable list[] = { kith_on(q), kith_on(s), kith_on(p) };
    int x = 5;

    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(list, 3, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(list, 3, 30));
    CU_ASSERT(!list[0].ready && !list[1].ready && !list[2].ready);
    PASS(kith_put(q, x));
    CU_ASSERT_EQUAL(kith_wait(list, 3, SOON), 1);
    CU_ASSERT(list[0].ready == 1 && !list[1].ready && !list[2].ready);
    CU_ASSERT_EQUAL(kith_wait(list, 3, 0), 1); /* it takes nothing */
    PASS(kith_sem_release(s));
    CU_ASSERT_EQUAL(kith_wait(list, 3, KITH_FOREVER), 2);
    CU_ASSERT(list[0].ready == 1 && list[1].ready == 1 && !list[2].ready);
    PASS(kith_get(q, &x));
    PASS(kith_sem_acquire(s, 0));
    PASS(kith_sem_release(leave));
    CU_ASSERT_EQUAL(kith_wait(list, 3, SOON), 1);
    CU_ASSERT(!list[0].ready && !list[1].ready && list[2].ready == 1);
    CU_ASSERT_EQUAL(code_of(p), 0);
    CU_ASSERT_EQUAL(kith_wait(list, 3, 0), 1);
    CU_ASSERT_EQUAL(list[2].ready, KITH_ESTALE);
    PASS(kith_queue_close(q));
    PASS(kith_sem_close(s));
    PASS(kith_sem_close(leave));
}

struct echo {
    kith_queue go, answers[3];
    int pause_us; /* so that who waits has fallen asleep */
};

/* Answers on the queue that it is told. */
static int echo(const void *arg)
{
    const struct echo *e = arg;
    int which;

    while (kith_get(e->go, &which) == 0 && which >= 0) {
        if (e->pause_us)
            usleep((useconds_t)e->pause_us);
        if (kith_put(e->answers[which], which) < 0)
            return 1;
    }
    return 0;
}

static struct echo open_echo(int pause_us)
{
    struct echo e = { kith_queue_open(0),
                      { kith_queue_open(0), far_queue_open(0), far_queue_open(4) },
                      pause_us };

    return e;
}

static void close_echo(const struct echo *e)
{
    PASS(kith_queue_close(e->go));
    for (int i = 0; i < 3; i++)
        PASS(kith_queue_close(e->answers[i]));
}

/* Waits for answers round by round, also on fd if there is one (>= 0), which stays silent. */
static void hear_echo(const struct echo *e, int fd)
{
    int slow = 0, wrong = 0, last = -1;

    for (int i = 0; i < ROUNDS && wrong == 0 && slow <= SLOW; i++) {
        struct kith_waitable list[] = { kith_on(e->answers[0]), kith_on(e->answers[1]),
                                        kith_on(e->answers[2]), kith_on_fd(fd) };
        int which = i * 7 % 3, got = -1;
        double start = kith_time();

        wrong += kith_put(e->go, which) != 0;
        wrong += kith_wait(list, fd < 0 ? 3 : 4, SOON) != 1 || list[which].ready != 1;
        slow += is_slow(start);
        wrong += kith_queue_get(e->answers[which], &got, sizeof got, 0) != sizeof got || got != which;
    }
    PASS(kith_put(e->go, last));
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(slow <= SLOW);
}

static void whoever_comes_first_wakes_it(void)
{
    for (int pause_us = 0; pause_us <= 1000; pause_us += 1000) {
        struct echo e = open_echo(pause_us);
        kith_process p = kith_process_start(echo, KITH_ARG(e));

        hear_echo(&e, -1);
        CU_ASSERT_EQUAL(code_of(p), 0);
        close_echo(&e);
    }
}

/* It sleeps by poll then. */
static void objects_wake_it_beside_descriptors(void)
{
    struct echo e = open_echo(1000);
    kith_process p = kith_process_start(echo, KITH_ARG(e));
    int fds[2];

    CU_ASSERT_FATAL(pipe(fds) == 0);
    hear_echo(&e, fds[0]);
    CU_ASSERT_EQUAL(code_of(p), 0);
    close_echo(&e);
    close(fds[0]);
    close(fds[1]);
}

/* A program that closes what it did not open has no bell any more, nor can it ring one. */
static int hear_echo_without_bell(const void *arg)
{
    struct echo e = open_echo(1000);
    kith_process p = kith_process_start(echo, KITH_ARG(e));
    struct kith_waitable list[2];
    int fds[2], one = 1, got;

    (void)arg;
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    if (pipe(fds) < 0)
        return 1;
    for (int i = 0; i < 3; i++) {
        list[0] = kith_on_fd(fds[0]);
        list[1] = kith_on(e.answers[1]);
        if (kith_put(e.go, one) < 0 || kith_wait(list, 2, SOON) != 1 || list[1].ready != 1 ||
            kith_get(e.answers[1], &got) < 0)
            return 2;
    }
    one = -1;
    if (kith_put(e.go, one) < 0 || kith_process_join(p, SOON) < 0)
        return 3;
    return write(fds[1], "x", 1) != 1 || kith_wait(list, 2, SOON) != 1 || list[0].ready != 1;
}

static void it_needs_no_descriptor_of_kiths(void)
{
    CU_ASSERT_EQUAL(code_of(kith_process_start_with(hear_echo_without_bell, NULL, 0, .node = KITH_HERE)), 0);
}

static void *write_a_byte(void *fd)
{
    return (void *)(intptr_t)write(*(int *)fd, "x", 1);
}

static void descriptors_wake_it_beside_objects(void)
{
    kith_queue q = far_queue_open(0);
    int fds[2], slow = 0, wrong = 0;

    CU_ASSERT_FATAL(pipe(fds) == 0);
    for (int i = 0; i < 30; i++) {
        struct kith_waitable list[] = { kith_on(q), kith_on_fd(fds[0]) };
        double start = kith_time();
        pthread_t thread;
        char byte;

        CU_ASSERT_FATAL(pthread_create(&thread, NULL, write_a_byte, &fds[1]) == 0);
        wrong += kith_wait(list, 2, SOON) != 1 || list[0].ready || list[1].ready != 1;
        slow += is_slow(start);
        pthread_join(thread, NULL);
        wrong += read(fds[0], &byte, 1) != 1;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(slow <= SLOW);
    close(fds[0]);
    close(fds[1]);
    PASS(kith_queue_close(q));
}

static void ends_and_bad_descriptors_are_ready(void)
{
    struct kith_waitable list[3];
    int fds[2];

    CU_ASSERT_FATAL(pipe(fds) == 0);
    list[0] = kith_on_fd(fds[0]);
    list[1] = kith_on_fd(-1);
    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(list, 1, 10));
    CU_ASSERT(kith_wait(list, 2, KITH_FOREVER) == 1 && list[1].ready == KITH_EINVAL);
    close(fds[1]);
    CU_ASSERT(kith_wait(list, 1, SOON) == 1 && list[0].ready == 1); /* the end of the pipe */
    close(fds[0]);
    CU_ASSERT(kith_wait(list, 1, SOON) == 1 && list[0].ready == KITH_EINVAL);
    list[0] = kith_on_fd(open("/dev/null", O_RDONLY));
    CU_ASSERT(kith_wait(list, 1, SOON) == 1 && list[0].ready == 1);
    close((int)list[0].id);
}

struct closing {
    kith_queue q, ready;
};

static int close_it(const void *arg)
{
    const struct closing *c = arg;
    int x;

    return kith_get(c->ready, &x) < 0 || kith_queue_close(c->q) < 0;
}

static void what_is_closed_is_ready(void)
{
    struct closing c = { far_queue_open(0), kith_queue_open(0) };
    kith_process p = kith_process_start(close_it, KITH_ARG(c));
    kith_sem s = kith_sem_open(0), none = { 0 };
    struct kith_waitable list[] = { kith_on(s), kith_on(c.q), kith_on(none) };
    int x = 1;

    PASS(kith_put(c.ready, x));
    CU_ASSERT_EQUAL(kith_wait(list, 2, SOON), 1);
    CU_ASSERT(!list[0].ready && list[1].ready == KITH_ESTALE);
    CU_ASSERT_EQUAL(code_of(p), 0);
    CU_ASSERT(kith_wait(list, 3, KITH_FOREVER) == 2 && list[2].ready == KITH_ESTALE);
    PASS(kith_queue_close(c.ready));
    PASS(kith_sem_close(s));
}

struct looked_on {
    kith_sem given, taken;
};

/* Only looks, again and again: wake-ups that are spent on it must go on to who takes. */
static void *look_on(void *arg)
{
    const struct looked_on *l = arg;
    kith_sem quiet = kith_sem_open(0);

    for (;;) {
        struct kith_waitable list[] = { kith_on(quiet), kith_on(l->given) };

        if (kith_wait(list, 2, KITH_FOREVER) < 1 || list[1].ready < 0)
            break;
        usleep(100);
    }
    kith_sem_close(quiet);
    return NULL;
}

static int take_one_by_one(const void *arg)
{
    const struct looked_on *l = arg;
    int slow = 0;

    for (int i = 0; i < ROUNDS && slow <= SLOW; i++) {
        double start = kith_time();

        if (kith_sem_acquire(l->given, KITH_FOREVER) < 0 || kith_sem_release(l->taken) < 0)
            return 100;
        slow += is_slow(start);
    }
    return slow;
}

static void those_who_look_on_take_no_wake_ups(void)
{
    struct looked_on l = { far_sem_open(0, 0), kith_sem_open(0) };
    pthread_t watchers[3];
    kith_process p;

    for (int i = 0; i < 3; i++)
        CU_ASSERT_FATAL(pthread_create(&watchers[i], NULL, look_on, &l) == 0);
    p = kith_process_start(take_one_by_one, KITH_ARG(l));
    for (int i = 0; i < ROUNDS; i++) {
        usleep(500); /* all have fallen asleep */
        PASS(kith_sem_release(l.given));
        if (kith_sem_acquire(l.taken, 5000) < 0)
            break; /* it has given up */
    }
    CU_ASSERT(code_of(p) <= SLOW);
    PASS(kith_sem_close(l.given)); /* ends the watchers */
    for (int i = 0; i < 3; i++)
        pthread_join(watchers[i], NULL);
    PASS(kith_sem_close(l.taken));
}

struct doomed {
    int step;
    kith_queue q;
    kith_pipe end;
    kith_event e;
    kith_lock l;
    kith_process p;
};

/* First for nothing, then until something comes. */
static void waits_for_many(const void *arg)
{
    const struct doomed *d = arg;
    struct kith_waitable list[] = { kith_on(d->q), kith_on(d->end), kith_on(d->e), kith_on(d->l),
                                    kith_on(d->p) };

    kith_wait(list, 5, 2);
    kith_wait(list, 5, KITH_FOREVER);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way_or_waiting(*(const int *)arg, waits_for_many, arg);
    return 0;
}

static int takes_one(const void *arg)
{
    const struct doomed *d = arg;
    int x;

    return kith_get(d->q, &x) < 0 || x != d->step;
}

static int waits_for_event(const void *arg)
{
    return kith_event_wait(((const struct doomed *)arg)->e, KITH_FOREVER) < 0;
}

/* Nothing is taken, and the wake-ups that it was to have had go on to who waits besides. */
static void whoever_dies_at_any_step_keeps_nobody(void)
{
    struct doomed d = { 0, far_queue_open(0), { 0 }, far_event_open(), far_lock_open(), { 0 } };
    kith_pipe ends[2];
    int code, x;

    PASS(far_pipe_open(ends, 0));
    d.end = ends[0];
    PASS(kith_lock_acquire(d.l, 0));
    AT_EACH_STEP(d.step, code) {
        kith_process dies, taker;

        d.p = kith_process_start(waits_for_event, KITH_ARG(d));
        dies = kith_process_start(dies_on_the_way, KITH_ARG(d));
        taker = kith_process_start(takes_one, KITH_ARG(d));
        kith_process_join(dies, 6); /* it may have died already, or wait for the second time */
        x = 7;
        PASS(kith_send(ends[1], x));
        x = d.step;
        PASS(kith_put(d.q, x));
        PASS(kith_event_set(d.e));
        code = end_at_step(dies);
        CU_ASSERT_EQUAL(code_of(taker), 0);
        CU_ASSERT_EQUAL(code_of(d.p), 0);
        CU_ASSERT_EQUAL(kith_pipe_recv(ends[0], &x, sizeof x, SOON), sizeof x);
        CU_ASSERT(x == 7 && kith_queue_size(d.q) == 0 && kith_lock_locked(d.l) == 1);
        PASS(kith_event_clear(d.e));
    }
    CU_ASSERT(got_through(d.step, code));
    PASS(kith_lock_close(d.l));
    PASS(kith_event_close(d.e));
    PASS(kith_pipe_close(ends[0]));
    PASS(kith_pipe_close(ends[1]));
    PASS(kith_queue_close(d.q));
}

static int leave_with(const void *arg)
{
    return *(const int *)arg;
}

/* Whoever is finished is taken next. */
static void many_processes_are_joined_as_they_end(void)
{
    enum { MANY = 20 };
    struct kith_waitable list[MANY + 100];
    kith_process p[MANY];
    kith_queue q[100];
    int left = MANY, sum = 0;

    for (int i = 0; i < 100; i++)
        list[MANY + i] = kith_on(q[i] = kith_queue_open(0));
    for (int i = 0; i < MANY; i++)
        list[i] = kith_on(p[i] = kith_process_start(leave_with, KITH_ARG(i)));
    while (left > 0 && kith_wait(list, MANY + 100, SOON) > 0)
        for (int i = 0; i < MANY; i++)
            if (list[i].ready == 1) {
                sum += code_of(p[i]);
                list[i] = kith_on(q[0]); /* something that does not become ready */
                left--;
            }
    CU_ASSERT_EQUAL(left, 0);
    CU_ASSERT_EQUAL(sum, MANY * (MANY - 1) / 2);
    for (int i = 0; i < 100; i++)
        PASS(kith_queue_close(q[i]));
}

static void wrong_use_is_a_sentence(void)
{
    struct kith_waitable list[1] = { { 5, 'x', 0 } };
    double start = kith_time();

    FAILS_WITH(KITH_EINVAL, kith_wait(list, 1, 0));
    FAILS_WITH(KITH_EINVAL, kith_wait(NULL, 1, 0));
    FAILS_WITH(KITH_EINVAL, kith_wait(NULL, 0, KITH_FOREVER));
    FAILS_WITH(KITH_EINVAL, kith_wait(NULL, 0, -2));
    FAILS_WITH(KITH_ETIMEDOUT, kith_wait(NULL, 0, 50));
    CU_ASSERT(kith_time() - start >= 0.05);
    list[0].id = ~UINT64_C(0);
    list[0].kind = 'q';
    CU_ASSERT(kith_wait(list, 1, 0) == 1 && list[0].ready < 0);
}

static struct test tests[] = {
    TEST_LIKE(each_is_ready_in_its_way,
              "_TestProcess.test_sentinel TestWait.test_wait_timeout TestWait.test_wait_integer"),
    TEST(pipes_are_ready_at_either_end),
    TEST_LIKE(pipes_of_several_writers_are_read_to_their_ends, "TestWait.test_wait TestWait.test_wait_slow"),
    TEST(locks_are_ready_when_they_are_free),
    TEST(rlocks_are_ready_for_their_owner),
    TEST(events_are_ready_when_they_are_set),
    TEST(results_are_ready_when_their_calls_have_ended),
    TEST(whoever_comes_first_wakes_it),
    TEST_LIKE(objects_wake_it_beside_descriptors, "TestWait.test_wait_integer"),
    TEST(it_needs_no_descriptor_of_kiths),
    TEST_LIKE(descriptors_wake_it_beside_objects, "TestWait.test_wait_socket TestWait.test_wait_socket_slow"),
    TEST_LIKE(
        ends_and_bad_descriptors_are_ready,
        "TestWait.test_wait_socket TestWait.test_wait_socket_slow TestInvalidHandle.test_invalid_handles"),
    TEST_LIKE(what_is_closed_is_ready, "_TestProcess.test_sentinel TestInvalidHandle.test_invalid_handles"),
    TEST(those_who_look_on_take_no_wake_ups),
    TEST(whoever_dies_at_any_step_keeps_nobody),
    TEST_LIKE(many_processes_are_joined_as_they_end, "_TestProcess.test_many_processes"),
    TEST_LIKE(wrong_use_is_a_sentence, "TestWait.test_wait_timeout TestWait.test_neg_timeout"),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("watch", tests);
    return kith_finalize() ? 1 : rc;
}
