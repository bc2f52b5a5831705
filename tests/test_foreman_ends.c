/* test_foreman_ends.c: how a pool with workers beyond its own ends, and what in it does: tasks that fail, a
 * foreman that is killed, a call that is cancelled. See foreman.h. */
#include "config.h"
#include "foreman.h"
#include "pool/attend.h"

/* ---- faults */

/* Fails, crashes, exits there. */
static int falls(const void *in, void *out)
{
    int i;

    memcpy(&i, in, sizeof i);
    memcpy(out, &i, sizeof i);
    be_slow_at_home();
    if (kith_worker() == 0)
        return 0;
    if (i % 100 == 17)
        return kith_fail(i, "no %d", i);
    if (i % 100 == 18)
        raise(SIGKILL);
    if (i % 100 == 19)
        _exit(5);
    return 0;
}

static void in_faults(void)
{
    static int x[1000], y[1000];
    struct kith_fault f;
    int failed = 0;

    for (int i = 0; i < 1000; i++)
        x[i] = i, y[i] = -1;
    open_pool(2, &(struct kith_pool_options){ .tries = 1 });
    REQUIRE(kith_pool_map(pool, falls, x, sizeof *x, y, sizeof *y, 1000) == KITH_ETASK);
    for (; kith_last_fault(&f, (size_t)failed) == 0; failed++) {
        REQUIRE(f.worker == 1 || f.worker == 2);
        REQUIRE(f.task % 100 >= 17 && f.task % 100 <= 19 && f.pid > 0);
        if (f.task % 100 == 17)
            REQUIRE(f.end == KITH_END_FAILED && f.code == (int)f.task && strncmp(f.text, "no ", 3) == 0);
        else if (f.task % 100 == 18)
            REQUIRE(f.end == KITH_END_SIGNALLED && f.signal == SIGKILL);
        else
            REQUIRE(f.end == KITH_END_EXITED && f.code == 5);
        x[f.task] = -1;
    }
    REQUIRE(failed > 3);
    for (int i = 0; i < 1000; i++)
        REQUIRE(x[i] == -1 || y[i] == i);
    close_pool();
}

/* What has crashed there is begun again, there or here, as often as .tries says and no more. */
static void in_tries(void)
{
    static int x[200], y[200];
    struct kith_fault f;
    int failed = 0;

    for (int i = 0; i < 200; i++)
        x[i] = i, y[i] = -1;
    for (int i = 0; i < 200; i++)
        atomic_store(&attempts[i], 0);
    open_pool(2, &(struct kith_pool_options){ .tries = 3 });
    REQUIRE(kith_pool_map(pool, dies, x, sizeof *x, y, sizeof *y, 200) == KITH_ETASK);
    REQUIRE(done_by_branch() > 0);
    for (; kith_last_fault(&f, (size_t)failed) == 0; failed++)
        REQUIRE(f.task % 20 == 7 && f.end == KITH_END_SIGNALLED && f.signal == SIGKILL);
    REQUIRE(failed == 10);
    for (int i = 0; i < 200; i++) {
        REQUIRE(y[i] == (i % 20 == 7 ? -1 : i));
        REQUIRE(atomic_load(&attempts[i]) == attempts_of(i));
    }
    close_pool();
}

/* Some last too long there, which takes their workers. */
static int lasts(const void *in, void *out)
{
    int i;

    memcpy(&i, in, sizeof i);
    be_slow_at_home();
    if (kith_worker() > 0 && i % 100 == 17)
        pause();
    memcpy(out, &i, sizeof i);
    return 0;
}

static void in_limit(void)
{
    static int x[200], y[200];
    struct kith_fault f;
    int failed = 0, limit_ms = 500 * slowdown(); /* a busy machine keeps others, too */

    for (int i = 0; i < 200; i++)
        x[i] = i, y[i] = -1;
    open_pool(2, &(struct kith_pool_options){ .tries = 1, .limit_ms = limit_ms });
    while (kith_pool_map(pool, lasts, x, sizeof *x, y, sizeof *y, 200) == 0)
        ; /* these few were done at home */
    for (; kith_last_fault(&f, (size_t)failed) == 0; failed++) {
        REQUIRE(f.end == KITH_END_OVER_LIMIT && f.task % 100 == 17 && f.worker > 0);
        x[f.task] = -1;
    }
    REQUIRE(failed > 0);
    for (int i = 0; i < 200; i++)
        REQUIRE(x[i] == -1 || y[i] == i);
    REQUIRE(kith_pool_workers(pool) == 3);
    close_pool();
}

static int always_fails(const void *in, void *out)
{
    (void)in;
    (void)out;
    usleep(100);
    return 3;
}

static void in_halt(void)
{
    open_pool(2, &(struct kith_pool_options){ .halt = 5 });
    REQUIRE(kith_pool_map(pool, always_fails, NULL, 0, NULL, 0, 100000) == KITH_ETASK);
    REQUIRE(strstr(kith_last_error(), ".halt") != NULL);
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, (int[50]){ 0 }, sizeof(int), 50) == 0);
    close_pool();
}

/* Where nothing succeeds a hundred failures are enough, whoever had them; the caller has a cell, too. */
static void in_default_halt(void)
{
    open_pool(3, &(struct kith_pool_options){ .caller = 1 });
    REQUIRE(kith_pool_map(pool, always_fails, NULL, 0, NULL, 0, 20000) == KITH_ETASK);
    REQUIRE(strstr(kith_last_error(), ".halt") != NULL);
    close_pool();
}

/* ---- initializers */

static int prepared; /* in a worker */

static int prepare(const void *arg)
{
    memcpy(&prepared, arg, sizeof prepared);
    return 0;
}

static int is_prepared(const void *in, void *out)
{
    (void)in;
    usleep(500);
    memcpy(out, &prepared, sizeof prepared);
    return 0;
}

static int fails_elsewhere(const void *arg)
{
    (void)arg;
    return kith_worker() > 0 ? kith_fail(7, "worker %d is not well", kith_worker()) : 0;
}

static void in_init(void)
{
    int value = 4711, got[200];
    const struct kith_pool_options o = { .init = prepare, .arg = &value, .arg_size = sizeof value };

    open_pool(2, &o);
    REQUIRE(kith_pool_map(pool, is_prepared, NULL, 0, got, sizeof *got, 200) == 0);
    for (int i = 0; i < 200; i++)
        REQUIRE(got[i] == value);
    REQUIRE(done_by_branch() > 0);
    close_pool();
    plan = calloc(1, sizeof *plan + sizeof plan->of[0]);
    *plan = (struct kith__spread){ .here = 1, .all = 3, .count = 1 };
    plan->of[0] = (struct kith__share){ .node = 0, .workers = 2, .first_worker = 1 };
    REQUIRE(kith__pool_open_spread(plan, &(struct kith_pool_options){ .init = fails_elsewhere }, &pool.id) ==
            KITH_ETASK);
    REQUIRE(strstr(kith_last_error(), "is not well") != NULL);
    free(plan);
}

static int leaves(const void *arg)
{
    (void)arg;
    return kith_worker() == 2 ? kith_fail(8, "worker 2 does not like to go") : 0;
}

static void in_exit(void)
{
    struct kith_fault f;

    open_pool(2, &(struct kith_pool_options){ .exit = leaves });
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, (int[50]){ 0 }, sizeof(int), 50) == 0);
    REQUIRE(kith_pool_close(pool) == KITH_ETASK);
    REQUIRE(strstr(kith_last_error(), "does not like to go") != NULL);
    REQUIRE(kith_last_fault(&f, 0) == 0 && f.worker == 2 && f.code == 8);
    free(plan);
}

/* ---- ends */

static void count_branch(struct kith__object *o, void *count)
{
    *(int *)count += kith__pool_body(o)->trunk.pool == pool.id;
}

static int branches(void)
{
    int count = 0;

    kith__objects_each(KITH__POOL_KIND, count_branch, &count);
    return count;
}

/* What it had is done by others. Then there is another one, and the branch of the first is no more. */
static void in_loss(void)
{
    static double x[N], y[N];
    pthread_t thread;
    int64_t begin;

    open_pool(3, NULL);
    for (int i = 0; i < N; i++)
        x[i] = i;
    REQUIRE(pthread_create(&thread, NULL, kills_foreman, NULL) == 0);
    REQUIRE(kith_map(pool, slow_root, x, y, N) == 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < N; i++)
        REQUIRE(y[i] == sqrt(x[i]));
    for (begin = kith__now_ns(); kith_pool_workers(pool) < 4 && ms_since(begin) < SOON * slowdown();)
        REQUIRE(kith_map(pool, slow_root, x, y, 100) == 0);
    REQUIRE(kith_pool_workers(pool) == 4);
    while (branches() > 1 && ms_since(begin) < 2 * SOON * slowdown())
        sleep_ms(1);
    REQUIRE(branches() == 1);
    REQUIRE(kith_map(pool, slow_root, x, y, N) == 0);
    REQUIRE(done_by_branch() > 0);
    for (int i = 0; i < N; i++)
        REQUIRE(y[i] == sqrt(x[i]));
    close_pool();
}

static int counts(const void *in, void *out)
{
    int i;

    memcpy(&i, in, sizeof i);
    atomic_fetch_add(&attempts[i], 1);
    be_slow_at_home();
    usleep(100);
    memcpy(out, &i, sizeof i);
    return 0;
}

/* When it has something: more has begun than the worker at home can have in its hands. */
static void *kills_busy_foreman(void *nothing)
{
    int pid = pid_of_foreman(), begun_so_far;

    (void)nothing;
    while (done_so_far() < 100)
        sleep_ms(1);
    do {
        begun_so_far = 0;
        for (int i = 0; i < N; i++)
            begun_so_far += atomic_load(&attempts[i]);
    } while (begun_so_far - (int)done_so_far() < 3 && begun_so_far < N);
    kill(pid, SIGKILL);
    return NULL;
}

/* With .tries = 1 what it had has failed, whether it had begun or not: nothing is begun twice. How many those
 * were; 0: it had nothing at that moment. */
static int lose_with_one_try(void)
{
    static int x[N], y[N];
    struct kith_fault f;
    pthread_t thread;
    int failed = 0, rc;

    open_pool(3, &(struct kith_pool_options){ .tries = 1, .halt = -1 });
    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = -1;
        atomic_store(&attempts[i], 0);
    }
    REQUIRE(pthread_create(&thread, NULL, kills_busy_foreman, NULL) == 0);
    rc = kith_pool_map(pool, counts, x, sizeof *x, y, sizeof *y, N);
    pthread_join(thread, NULL);
    for (; rc == KITH_ETASK && kith_last_fault(&f, (size_t)failed) == 0; failed++) {
        REQUIRE(f.end == KITH_END_SIGNALLED && f.signal == SIGKILL && y[f.task] == -1);
        x[f.task] = -1;
    }
    REQUIRE(rc == (failed ? KITH_ETASK : 0));
    for (int i = 0; i < N; i++)
        REQUIRE(atomic_load(&attempts[i]) <= 1 && y[i] == x[i]);
    close_pool();
    return failed;
}

static void in_loss_with_one_try(void)
{
    int rounds = 0;

    while (!lose_with_one_try() && rounds < 5)
        rounds++;
    REQUIRE(rounds < 5 || SANITIZED);
}

/* Called where a branch is opened, before its foreman joins. */
static int kills_its_foreman(const void *arg)
{
    (void)arg;
    if (kith_worker() <= 0 || atomic_exchange(begun, 0) == 0)
        return 0;
    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        if (atomic_load(&kith__member(i)->state) == KITH__RUNNING &&
            strcmp(kith__member(i)->name, "foreman") == 0)
            kill(atomic_load(&kith__member(i)->pid), SIGKILL);
    return 0;
}

/* A successor that dies before it has joined gets one, too. */
static void in_early_loss(void)
{
    int got[50];
    int64_t begin;

    atomic_store(begun, 0);
    open_pool(3, &(struct kith_pool_options){ .init = kills_its_foreman });
    atomic_store(begun, 1);
    kill(kith_process_pid((kith_process){ (uint64_t)plan->of[0].process }), SIGKILL);
    for (begin = kith__now_ns();
         (atomic_load(begun) == 1 || kith_pool_workers(pool) < 4) && ms_since(begin) < 2 * SOON * slowdown();)
        REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, got, sizeof *got, 50) == 0);
    REQUIRE(atomic_load(begun) == 0 && kith_pool_workers(pool) == 4);
    close_pool();
}

static int sleeps_long(const void *in, void *out)
{
    (void)in;
    (void)out;
    if (kith_worker() > 0)
        atomic_fetch_add(begun, 1);
    sleep(100);
    return 0;
}

static void await_begun(void)
{
    while (atomic_load(begun) == 0)
        sleep_ms(1);
    atomic_store(begun, 0);
}

/* Those under way are ended everywhere, and the pool is of use afterwards. */
static void in_cancel(void)
{
    kith_result r;

    open_pool(2, NULL);
    r = kith_pool_map_async(pool, sleeps_long, NULL, 0, NULL, 0, 50);
    await_begun();
    REQUIRE(kith_result_cancel(r) == 0);
    REQUIRE(kith_result_get(r, NULL, 0, KITH_FOREVER) == KITH_ECANCELLED);
    REQUIRE(kith_pool_map(pool, who_am_i, NULL, 0, (int[50]){ 0 }, sizeof(int), 50) == 0);
    close_pool();
}

static void in_terminate(void)
{
    kith_result r;

    open_pool(2, NULL);
    r = kith_pool_map_async(pool, sleeps_long, NULL, 0, NULL, 0, 50);
    await_begun();
    REQUIRE(kith_pool_terminate(pool) == 0);
    REQUIRE(kith_result_get(r, NULL, 0, KITH_FOREVER) == KITH_ECANCELLED);
    free(plan);
}

/* ---- calls from where the branch is, as from another node than the pool's: they are posted in it */

struct pointing {
    const char *text;
    int x;
};

static void *kills_foreman_of_begun(void *nothing)
{
    await_begun();
    kill(pid_of_foreman(), SIGKILL);
    return nothing;
}

static void kill_foreman_of_begun(pthread_t *thread)
{
    REQUIRE(pthread_create(thread, NULL, kills_foreman_of_begun, NULL) == 0);
}

static int is_lost_with_the_branch(int rc)
{
    return rc == KITH_EPEER && strstr(kith_last_error(), "which had this call, have ended");
}

/* Addresses are no use elsewhere, so what the branch had of these is not done again. */
static void in_calls_of_a_lost_branch(void)
{
    static struct pointing x[40];
    int y[40];
    kith_result all, each[8];
    kith_iter it;
    pthread_t thread;

    for (int i = 0; i < 40; i++)
        x[i] = (struct pointing){ "text", i };
    atomic_store(begun, 0);
    open_pool(2, NULL);
    kith__attend_far = pool;
    for (int i = 0; i < 8; i++)
        each[i] = kith_pool_apply_async(pool, sleeps_long, &x[i], sizeof *x, sizeof *y);
    all = kith_pool_map_async(pool, sleeps_long, x, sizeof *x, y, sizeof *y, 40);
    it = kith_pool_imap(pool, sleeps_long, x, sizeof *x, sizeof *y, 40);
    REQUIRE(kith_iter_next(it, y, sizeof *y, 0) == KITH_ETIMEDOUT);
    kill_foreman_of_begun(&thread);
    REQUIRE(is_lost_with_the_branch(kith_pool_map(pool, sleeps_long, x, sizeof *x, y, sizeof *y, 40)));
    REQUIRE(kith_results_wait(each, 8, 8, KITH_FOREVER) == 8);
    for (int i = 0; i < 8; i++)
        REQUIRE(is_lost_with_the_branch(kith_result_get(each[i], y, sizeof *y, KITH_FOREVER)));
    REQUIRE(is_lost_with_the_branch(kith_result_get(all, NULL, 0, KITH_FOREVER)));
    REQUIRE(is_lost_with_the_branch(kith_iter_next(it, y, sizeof *y, KITH_FOREVER)));
    REQUIRE(kith_iter_close(it) == 0);
    pthread_join(thread, NULL);
    kith__attend_far.id = 0;
    close_pool();
}

/* The first time it waits for the end of its worker; the second time it finds the same random numbers. */
static int draws(const void *in, void *out)
{
    double x = kith_uniform(0, 1);
    int i, none = 0;

    memcpy(&i, in, sizeof i);
    if (atomic_compare_exchange_strong(&attempts[i], &none, (int)(x * 1e6) + 1)) {
        atomic_fetch_add(begun, 1);
        sleep(100);
    }
    memcpy(out, &x, sizeof x);
    return 0;
}

static void await_idle_branch(void)
{
    struct kith__object *branch;

    kith__attend_far = pool;
    REQUIRE(kith__pool_find(kith__pool_branch(pool), &branch) == 0);
    while (kith__waiters_count(kith__object_waiters(branch, KITH__POOL_IDLE)) < 2)
        sleep_ms(1);
}

/* What is there only as its tasks begin at once is done at the pool's home instead; unless that is not to
 * be. */
static void in_small_calls_of_a_lost_branch(void)
{
    int x[2] = { 0, 1 };
    double y[2];
    pthread_t thread;

    for (int tries = 0; tries < 2; tries++) {
        atomic_store(begun, 0);
        atomic_store(&attempts[0], 0);
        atomic_store(&attempts[1], 0);
        open_pool(2, &(struct kith_pool_options){ .tries = tries });
        await_idle_branch();
        kill_foreman_of_begun(&thread);
        if (tries == 1)
            REQUIRE(is_lost_with_the_branch(kith_pool_map(pool, draws, x, sizeof *x, y, sizeof *y, 2)));
        else {
            REQUIRE(kith_pool_map(pool, draws, x, sizeof *x, y, sizeof *y, 2) == 0);
            for (int i = 0; i < 2; i++)
                REQUIRE(atomic_load(&attempts[i]) == (int)(y[i] * 1e6) + 1);
        }
        pthread_join(thread, NULL);
        kith__attend_far.id = 0;
        close_pool();
    }
}

static void faults_are_told_as_at_home(void)
{
    JOB(in_faults);
}

static void what_crashes_elsewhere_is_tried_as_often_as_at_home(void)
{
    JOB(in_tries);
}

static void a_limit_holds_everywhere(void)
{
    JOB(in_limit);
}

static void too_many_failures_end_the_call(void)
{
    JOB(in_halt);
}

static void failures_of_other_nodes_count_as_failures(void)
{
    JOB(in_default_halt);
}

static void initializers_run_everywhere(void)
{
    JOB(in_init);
}

static void exit_functions_run_everywhere(void)
{
    JOB(in_exit);
}

static void what_a_lost_foreman_had_is_done_again(void)
{
    JOB(in_loss);
    JOB(in_early_loss);
}

static void or_told_of_where_nothing_is_begun_twice(void)
{
    JOB(in_loss_with_one_try);
}

static void a_call_is_cancelled_everywhere(void)
{
    JOB(in_cancel);
}

static void a_pool_is_terminated_everywhere(void)
{
    JOB(in_terminate);
}

static void calls_in_a_lost_branch_say_so(void)
{
    JOB(in_calls_of_a_lost_branch);
}

static void what_can_be_done_elsewhere_is(void)
{
    JOB(in_small_calls_of_a_lost_branch);
}

static struct test tests[] = { TEST(faults_are_told_as_at_home),
                               TEST(what_crashes_elsewhere_is_tried_as_often_as_at_home),
                               TEST(a_limit_holds_everywhere),
                               TEST(too_many_failures_end_the_call),
                               TEST(failures_of_other_nodes_count_as_failures),
                               TEST(initializers_run_everywhere),
                               TEST(exit_functions_run_everywhere),
                               TEST(what_a_lost_foreman_had_is_done_again),
                               TEST(or_told_of_where_nothing_is_begun_twice),
                               TEST(a_call_is_cancelled_everywhere),
                               TEST(a_pool_is_terminated_everywhere),
                               TEST(calls_in_a_lost_branch_say_so),
                               TEST(what_can_be_done_elsewhere_is),
                               TEST_END };

int main(void)
{
    share_begun();
    return run_net_tests("foreman_ends", tests);
}
