/* test_foreman_rows.c: single tasks that run on other nodes: see foreman.h. */
#include "config.h"
#include "foreman.h"

static void in_rows(void)
{
    int x[100], y, elsewhere = 0;
    kith_result r[100];
    kith_iter it;

    open_pool(2, NULL);
    for (int i = 0; i < 100; i++)
        x[i] = i;
    REQUIRE(kith_apply(pool, plus_one, &y, 41) == 0 && y == 42);
    for (int i = 0; i < 100; i++)
        r[i] = kith_apply_async(pool, plus_one, i);
    for (int i = 0; i < 100; i++)
        REQUIRE(kith_get(r[i], &y) == 0 && y == i + 1);
    for (int i = 0; i < 100; i++)
        r[i] = kith_pool_apply_async(pool, who_am_i, NULL, 0, sizeof(int));
    for (int i = 0; i < 100; i++) {
        REQUIRE(kith_get(r[i], &y) == 0 && y >= 0 && y < 3);
        elsewhere += y > 0;
    }
    REQUIRE(elsewhere > 0);
    it = kith_imap(pool, plus_one, x, 100);
    for (int i = 0; i < 100; i++)
        REQUIRE(kith_iter_next(it, &y, sizeof y, KITH_FOREVER) == 0 && y == i + 1);
    kith_iter_close(it);
    close_pool();
}

/* ---- what is said of a task */

enum { HELD, OVER }; /* of attempts[] */

static int stays_at_home(const void *in, void *out)
{
    int worker = kith_worker();

    (void)in;
    memcpy(out, &worker, sizeof worker);
    atomic_store(&attempts[HELD], worker == 0);
    while (worker == 0 && !atomic_load(&attempts[OVER]))
        sleep_ms(1);
    return 0;
}

/* The worker at home has the task of *r, and keeps it. */
static void hold_home(kith_result *r, int *worker)
{
    atomic_store(&attempts[HELD], 0);
    atomic_store(&attempts[OVER], 0);
    for (;;) {
        *r = kith_pool_map_async(pool, stays_at_home, NULL, 0, worker, sizeof *worker, 1);
        while (!atomic_load(&attempts[HELD]) && kith_result_wait(*r, 1) != 0)
            ;
        if (atomic_load(&attempts[HELD]))
            return;
        REQUIRE(kith_result_get(*r, NULL, 0, KITH_FOREVER) == 0);
    }
}

/* A foreman says what came of a task, and that it takes another one, at once. */
static void in_turns(void)
{
    enum { TURNS = 160 };
    kith_result home, one;
    uint64_t before = 0;
    int worker, y;

    open_pool(1, NULL);
    hold_home(&home, &worker);
    for (int round = 0; round < 2; round++) { /* as a call of one task, and in a row */
        for (int i = -10; i < TURNS; i++) {
            if (i == 0)
                before = count_requests();
            if (round == 0)
                REQUIRE(kith_apply(pool, plus_one, &y, i) == 0 && y == i + 1);
            else {
                one = kith_apply_async(pool, plus_one, i);
                REQUIRE(kith_get(one, &y) == 0 && y == i + 1);
            }
        }
        REQUIRE(count_requests() - before < TURNS + TURNS / 4);
    }
    atomic_store(&attempts[OVER], 1);
    REQUIRE(kith_result_get(home, NULL, 0, KITH_FOREVER) == 0 && worker == 0);
    close_pool();
}

static void a_task_takes_one_request(void)
{
    JOB(in_turns);
}

/* An argument and a result that are too large for an item, and results of any size, in the order of their
 * ends. */
static void in_large_rows(void)
{
    enum { SIZE = 100000, COUNT = 400 };
    unsigned char *in = malloc(LARGE), *out = malloc(LARGE);
    int n[COUNT], found[COUNT] = { 0 };
    kith_result r[20];
    kith_bytes b;
    kith_iter it;
    int64_t rc;

    REQUIRE(in && out);
    open_pool(3, NULL);
    for (int i = 0; i < 20; i++) {
        memset(in, i, LARGE);
        r[i] = kith_pool_apply_async(pool, invert, in, LARGE, LARGE);
    }
    for (int i = 0; i < 20; i++) {
        REQUIRE(kith_result_get(r[i], out, LARGE, KITH_FOREVER) == 0);
        for (int k = 0; k < LARGE; k++)
            REQUIRE(out[k] == (unsigned char)~i);
    }
    REQUIRE(done_by_branch() > 0);
    for (int i = 0; i < COUNT; i++)
        n[i] = i;
    it = kith_pool_imap_bytes_unordered(pool, repeat, n, sizeof *n, COUNT);
    while ((rc = kith_iter_next(it, &b, sizeof b, KITH_FOREVER)) != KITH_EEND) {
        REQUIRE(rc == 0 || rc == KITH_ETASK);
        if (rc == 0) {
            found[b.size]++;
            REQUIRE(b.size == 0 || *(unsigned char *)b.data == b.size % 251);
            REQUIRE(kith_free(b.data) == 0);
        }
    }
    for (int i = 0; i < COUNT; i++)
        REQUIRE(found[i] == (i == 0 ? 2 : i % 100 != 0)); /* 0 and 200 give nothing, 100 and 300 fail */
    kith_iter_close(it);
    free(in);
    free(out);
    close_pool();
}

static int fails_there(const void *in, void *out)
{
    int i;

    memcpy(&i, in, sizeof i);
    usleep(500);
    memcpy(out, &i, sizeof i);
    if (kith_worker() > 0 && i % 3 == 0)
        raise(SIGKILL);
    return kith_worker() > 0 && i % 3 == 1 ? kith_fail(50 + i, "no %d", i) : 0;
}

static void check_row_faults(int *failed, int *killed)
{
    kith_result r[90];
    struct kith_fault f;
    int y, rc;

    for (int i = 0; i < 90; i++)
        r[i] = kith_pool_apply_async(pool, fails_there, &i, sizeof i, sizeof i);
    for (int i = 0; i < 90; i++) {
        rc = kith_get(r[i], &y);
        REQUIRE(rc == 0 ? y == i : rc == KITH_ETASK && i % 3 != 2);
        if (rc == 0)
            continue;
        REQUIRE(kith_last_fault(&f, 0) == 0 && f.worker > 0 && f.pid > 0);
        if (i % 3 == 0)
            REQUIRE(f.end == KITH_END_SIGNALLED && f.signal == SIGKILL);
        else
            REQUIRE(f.code == 50 + i && strncmp(f.text, "no ", 3) == 0);
        *killed += i % 3 == 0;
        *failed += i % 3 == 1;
    }
}

static void in_row_faults(void)
{
    int failed = 0, killed = 0;
    int64_t begin = kith__now_ns();

    open_pool(2, &(struct kith_pool_options){ .tries = 1 });
    while ((failed == 0 || killed == 0) && ms_since(begin) < SOON * slowdown())
        check_row_faults(&failed, &killed); /* a machine that is busy may do all of them at home */
    REQUIRE(failed > 0 && killed > 0);
    close_pool();
}

/* As many as there are workers may wait for each other, wherever they run. */
static int meets(const void *in, void *out)
{
    int i;

    memcpy(&i, in, sizeof i);
    if (i == 3)
        atomic_store(begun, 1);
    while (atomic_load(begun) == 0)
        usleep(200);
    memcpy(out, &i, sizeof i);
    return 0;
}

static void in_meeting(void)
{
    kith_result r[4];
    int y;

    open_pool(3, NULL);
    for (int round = 0; round < 20; round++) {
        atomic_store(begun, 0);
        for (int i = 0; i < 4; i++)
            r[i] = kith_pool_apply_async(pool, meets, &i, sizeof i, sizeof i);
        for (int i = 0; i < 4; i++)
            REQUIRE(kith_get(r[i], &y) == 0 && y == i);
    }
    atomic_store(begun, 0);
    close_pool();
}

/* Some us, so that the worker at home leaves some to the others. */
static int short_one(int x)
{
    int64_t end = kith__now_ns() + 5000;

    while (kith__now_ns() < end)
        ;
    return x + 1;
}

/* The branch takes several at once when they have been short for a while. 1: it did. */
static int give_short_ones(void)
{
    enum { COUNT = 600 };
    kith_result r[COUNT];
    int y, batches = 0;

    for (int i = 0; i < COUNT; i++)
        r[i] = kith_apply_async(pool, short_one, i);
    for (int i = 0; i < COUNT; i++) {
        batches |= atomic_load(&last_job()->granted_count) > 3;
        REQUIRE(kith_get(r[i], &y) == 0 && y == i + 1);
    }
    return batches;
}

/* One waits for another that comes behind many short ones: it has a worker, nevertheless. Whoever fails, or
 * ends its worker, in the middle of them is told of. */
static void in_batches(void)
{
    kith_result r[4], failing[90];
    int y, rc, batches = 0;

    open_pool(3, NULL);
    for (int round = 0; round < 10; round++) {
        batches |= give_short_ones();
        atomic_store(begun, 0);
        for (int i = 0; i < 4; i++)
            r[i] = kith_pool_apply_async(pool, meets, &i, sizeof i, sizeof i);
        for (int i = 0; i < 4; i++)
            REQUIRE(kith_get(r[i], &y) == 0 && y == i);
    }
    REQUIRE(batches || SANITIZED);
    give_short_ones();
    for (int i = 0; i < 90; i++)
        failing[i] = kith_pool_apply_async(pool, fails_there, &i, sizeof i, sizeof i);
    for (int i = 0; i < 90; i++) {
        rc = kith_get(failing[i], &y);
        REQUIRE(rc == 0 ? y == i : rc == KITH_ETASK && i % 3 != 2);
    }
    give_short_ones();
    atomic_store(begun, 0);
    close_pool();
}

static int sleeps_and_counts(const void *in, void *out)
{
    (void)in;
    (void)out;
    atomic_fetch_add(begun, 1);
    sleep(100);
    return 0;
}

/* Those that run elsewhere are ended, and their workers' successors work. */
static void in_row_cancel(void)
{
    kith_result r[6];
    int got[50];

    atomic_store(begun, 0);
    open_pool(2, NULL);
    for (int i = 0; i < 6; i++)
        r[i] = kith_pool_apply_async(pool, sleeps_and_counts, NULL, 0, 0);
    while (atomic_load(begun) < 3)
        sleep_ms(1);
    for (int i = 6; i-- > 0;) /* those that wait first: else a successor may begin one */
        REQUIRE(kith_result_cancel(r[i]) == 0);
    for (int i = 0; i < 6; i++)
        REQUIRE(kith_result_get(r[i], NULL, 0, KITH_FOREVER) == KITH_ECANCELLED);
    REQUIRE(atomic_load(begun) == 3);
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, got, sizeof *got, 50) == 0);
    atomic_store(begun, 0);
    close_pool();
}

static void in_row_loss(void)
{
    kith_result r[600];
    pthread_t thread;
    int y;

    open_pool(3, NULL);
    for (int i = 0; i < 600; i++)
        r[i] = kith_pool_apply_async(pool, who_am_i, NULL, 0, sizeof(int));
    REQUIRE(pthread_create(&thread, NULL, kills_foreman, NULL) == 0);
    for (int i = 0; i < 600; i++)
        REQUIRE(kith_get(r[i], &y) == 0 && y >= 0);
    pthread_join(thread, NULL);
    close_pool();
}

/* By a branch it ends when the foreman has been killed, so that this one has some then; at home, when a
 * branch has begun one. */
static int stays_elsewhere(const void *in, void *out)
{
    int worker = kith_worker();

    (void)in;
    if (worker > 0)
        atomic_fetch_add(begun, 1);
    while (worker > 0 ? !atomic_load(&attempts[0]) : !atomic_load(begun))
        sleep_ms(1);
    memcpy(out, &worker, sizeof worker);
    return 0;
}

static void *kills_foreman_that_has_some(void *nothing)
{
    (void)nothing;
    while (atomic_load(begun) == 0)
        sleep_ms(1);
    kill(pid_of_foreman(), SIGKILL);
    atomic_store(&attempts[0], 1);
    return NULL;
}

static void in_row_loss_with_one_try(void)
{
    kith_result r[600];
    struct kith_fault f;
    pthread_t thread;
    int y, rc, failed = 0;

    atomic_store(begun, 0);
    atomic_store(&attempts[0], 0);
    open_pool(3, &(struct kith_pool_options){ .tries = 1 });
    for (int i = 0; i < 600; i++)
        r[i] = kith_pool_apply_async(pool, stays_elsewhere, NULL, 0, sizeof(int));
    REQUIRE(pthread_create(&thread, NULL, kills_foreman_that_has_some, NULL) == 0);
    for (int i = 0; i < 600; i++) {
        rc = kith_get(r[i], &y);
        REQUIRE(rc == 0 ? y >= 0 : rc == KITH_ETASK && kith_last_fault(&f, 0) == 0 && f.signal == SIGKILL);
        failed += rc != 0;
    }
    pthread_join(thread, NULL);
    REQUIRE(failed > 0);
    atomic_store(begun, 0);
    close_pool();
}

static int dies_never(const void *in, void *out)
{
    int i;

    memcpy(&i, in, sizeof i);
    atomic_fetch_add(&attempts[i], 1);
    usleep(500);
    memcpy(out, &i, sizeof i);
    return 0;
}

static void in_row_tries(void)
{
    kith_result r[200];
    int y;

    for (int i = 0; i < 200; i++)
        atomic_store(&attempts[i], 0);
    open_pool(2, &(struct kith_pool_options){ .tries = 3 });
    for (int i = 0; i < 200; i++)
        r[i] = kith_pool_apply_async(pool, dies, &i, sizeof i, sizeof i);
    for (int i = 0; i < 200; i++) {
        int rc = kith_result_get(r[i], &y, sizeof y, KITH_FOREVER);

        REQUIRE(i % 20 == 7 ? rc == KITH_ETASK : rc == 0 && y == i);
        REQUIRE(atomic_load(&attempts[i]) == attempts_of(i));
    }
    REQUIRE(done_by_branch() > 0);
    close_pool();
}

/* What has not begun is not begun, what is under way there comes to its end, and the pool is of use. */
static void in_closed_iter(void)
{
    int x[N], y;
    kith_iter it;

    open_pool(2, NULL);
    for (int i = 0; i < N; i++) {
        x[i] = i;
        atomic_store(&attempts[i], 0);
    }
    it = kith_pool_imap(pool, dies_never, x, sizeof *x, sizeof y, N);
    for (int i = 0; i < 20; i++)
        REQUIRE(kith_next(it, &y) == 0 && y == i);
    REQUIRE(kith_iter_close(it) == 0);
    REQUIRE(kith_apply(pool, plus_one, &y, 41) == 0 && y == 42);
    close_pool();
    for (int i = 0; i < N; i++)
        REQUIRE(atomic_load(&attempts[i]) <= 1);
    REQUIRE(atomic_load(&attempts[N - 1]) == 0);
}

static void tasks_one_by_one_run_elsewhere_too(void)
{
    JOB(in_rows);
}

static void large_ones_do(void)
{
    JOB(in_large_rows);
}

static void one_that_crashes_is_tried_again(void)
{
    JOB(in_row_tries);
}

static void an_iterator_is_closed_before_its_end(void)
{
    JOB(in_closed_iter);
}

static void how_one_has_failed_is_told(void)
{
    JOB(in_row_faults);
}

static void tasks_that_wait_for_each_other_have_a_worker_each(void)
{
    JOB(in_meeting);
}

static void short_ones_come_in_batches(void)
{
    JOB(in_batches);
}

static void one_is_cancelled_where_it_runs(void)
{
    JOB(in_row_cancel);
}

static void those_of_a_lost_foreman_are_done_again(void)
{
    JOB(in_row_loss);
    JOB(in_row_loss_with_one_try);
}

static struct test tests[] = { TEST(a_task_takes_one_request),
                               TEST(tasks_one_by_one_run_elsewhere_too),
                               TEST(large_ones_do),
                               TEST(how_one_has_failed_is_told),
                               TEST(one_that_crashes_is_tried_again),
                               TEST(an_iterator_is_closed_before_its_end),
                               TEST(tasks_that_wait_for_each_other_have_a_worker_each),
                               TEST(short_ones_come_in_batches),
                               TEST(one_is_cancelled_where_it_runs),
                               TEST(those_of_a_lost_foreman_are_done_again),
                               TEST_END };

int main(void)
{
    share_begun();
    return run_net_tests("foreman_rows", tests);
}
