/* test_crowd.c: 64 Processes on two CPUs that use all kinds of objects at once: each in another order, so
 * that at any time some wait at each of them, for somebody who has no CPU. */
#include "config.h"
#include "check.h"
#include "far.h"

#include <sched.h>
#include <stdatomic.h>

enum { CROWD = 64, CPUS = 2, UNITS = 3, DATA = 100000 };

/* Memory of kith_alloc. What is not atomic is protected by a lock. */
struct sums {
    long locked, relocked, turns;
    _Atomic int inside;
    _Atomic long put, got;
};

struct scene {
    int me, rounds;
    struct sums *sums;
    kith_barrier barrier;
    kith_event begin;
    kith_lock lock;
    kith_rlock rlock;
    kith_sem sem;
    kith_cond cond;
    kith_value value;
    kith_array array;
    kith_dict dict;
    kith_list list;
    kith_ns ns;
    kith_queue queue, sorted, joinable;
    kith_pipe ends[2];
    kith_shared data;
    kith_pool pool;
};

/* Each part is one use: 0 when it was as it must be. */

static int use_locks(const struct scene *s, int round)
{
    (void)round;
    if (kith_lock_acquire(s->lock, KITH_FOREVER) < 0)
        return 1;
    s->sums->locked++;
    if (kith_lock_release(s->lock) < 0 || kith_rlock_acquire(s->rlock, KITH_FOREVER) < 0 ||
        kith_rlock_acquire(s->rlock, 0) < 0)
        return 1;
    s->sums->relocked++;
    return kith_rlock_release(s->rlock) < 0 || kith_rlock_release(s->rlock) < 0;
}

static int use_sem(const struct scene *s, int round)
{
    int inside;

    (void)round;
    if (kith_sem_acquire(s->sem, KITH_FOREVER) < 0)
        return 1;
    inside = atomic_fetch_add(&s->sums->inside, 1) + 1;
    sched_yield();
    atomic_fetch_sub(&s->sums->inside, 1);
    return kith_sem_release(s->sem) < 0 || inside > UNITS;
}

/* Nobody goes on before all have come. */
static int use_cond(const struct scene *s, int round)
{
    int rc;

    if (kith_cond_acquire(s->cond, KITH_FOREVER) < 0)
        return 1;
    rc = ++s->sums->turns % CROWD == 0 ? kith_cond_notify(s->cond, CROWD) : 0;
    while (rc >= 0 && s->sums->turns < (long)CROWD * (round + 1))
        rc = kith_cond_wait(s->cond, KITH_FOREVER);
    return kith_cond_release(s->cond) < 0 || rc < 0;
}

static int use_numbers(const struct scene *s, int round)
{
    long x = 0;

    return kith_add(s->value, 1L) < 0 || kith_add_at(s->array, (size_t)s->me, 1L) < 0 ||
           kith_load_at(s->array, (size_t)s->me, &x) < 0 || x != round + 1;
}

static int use_containers(const struct scene *s, int round)
{
    int x = -1;

    return kith_inc(s->dict, "all", 1L) < 0 || kith_set(s->dict, s->me, round) < 0 ||
           kith_fetch(s->dict, s->me, &x) < 0 || x != round || kith_inc(s->ns, "all", 1L) < 0 ||
           kith_append(s->list, s->me) < 0 || kith_list_pop(s->list, 0, &x, sizeof x) != sizeof x || x < 0 ||
           x >= CROWD;
}

/* Whoever takes has put before: so there is always one. */
static int pass_on(const struct scene *s, kith_queue q, int joinable)
{
    int x = -1;

    atomic_fetch_add(&s->sums->put, s->me);
    if (kith_queue_put_priority(q, &s->me, sizeof s->me, s->me, KITH_FOREVER) < 0 || kith_get(q, &x) < 0 ||
        (joinable && kith_queue_task_done(q) < 0))
        return 1;
    atomic_fetch_add(&s->sums->got, x);
    return 0;
}

static int use_queues(const struct scene *s, int round)
{
    int x = -1;

    (void)round;
    if (pass_on(s, s->queue, 0) || pass_on(s, s->sorted, 0) || pass_on(s, s->joinable, 1))
        return 1;
    atomic_fetch_add(&s->sums->put, s->me);
    if (kith_send(s->ends[0], s->me) < 0 || kith_recv(s->ends[1], &x) < 0)
        return 1;
    atomic_fetch_add(&s->sums->got, x);
    return 0;
}

static int use_data(const struct scene *s, int round)
{
    struct kith_waitable list[] = { kith_on(s->queue), kith_on(s->begin) };
    const unsigned char *data = kith_shared_data(s->data);
    long *named = kith_alloc_named("crowd", CROWD * sizeof *named);

    if (!data || !named || data[(size_t)(s->me * 1009 + round) % DATA] != 7)
        return 1;
    named[s->me]++;
    return kith_wait(list, 2, KITH_FOREVER) < 1 || list[1].ready != 1;
}

static int twice(int x)
{
    return 2 * x;
}

static int nothing(void)
{
    return 0;
}

static int use_pool(const struct scene *s, int round)
{
    int in[3] = { s->me, round, 5 }, out[3] = { 0 }, y = 0;
    kith_process p;

    if (kith_map(s->pool, twice, in, out, 3) < 0 || out[0] != 2 * s->me || out[2] != 10 ||
        kith_get(kith_apply_async(s->pool, twice, s->me), &y) < 0 || y != 2 * s->me)
        return 1;
    if ((round + s->me) % 8 != 0)
        return 0;
    p = kith_start(nothing);
    return kith_process_join(p, KITH_FOREVER) < 0 || kith_process_close(p) < 0;
}

static int (*const parts[])(const struct scene *s, int round) = { use_locks,      use_sem,    use_cond,
                                                                  use_numbers,    use_queues, use_data,
                                                                  use_containers, use_pool };
enum { PARTS = sizeof parts / sizeof parts[0] };

/* Exit code: the part that was not as it must be, from 1 on. */
static int takes_part(const void *arg)
{
    const struct scene *s = arg;

    if (kith_event_wait(s->begin, KITH_FOREVER) < 0)
        return 100;
    for (int round = 0; round < s->rounds; round++) {
        for (int i = 0; i < PARTS; i++)
            if (parts[(i + s->me) % PARTS](s, round) != 0)
                return 1 + (i + s->me) % PARTS;
        if (kith_barrier_wait(s->barrier, KITH_FOREVER) < 0)
            return 101;
    }
    return 0;
}

static void open_scene(struct scene *s)
{
    char *data = kith_alloc(DATA);

    memset(s, 0, sizeof *s);
    s->rounds = SANITIZED ? 1 : getenv("KITH_TEST_LONG") ? 60 : 4;
    memset(s->sums = kith_alloc(sizeof *s->sums), 0, sizeof *s->sums);
    memset(data, 7, DATA);
    s->data = kith_share(data, DATA);
    s->barrier = kith_barrier_open(CROWD);
    s->begin = kith_event_open();
    s->lock = kith_lock_open();
    s->rlock = kith_rlock_open();
    s->sem = kith_sem_open(UNITS);
    s->cond = kith_cond_open();
    s->value = kith_value_of(0L);
    s->array = kith_array_open('l', CROWD);
    s->dict = kith_dict_open();
    s->list = kith_list_open();
    s->ns = kith_ns_open();
    s->queue = kith_queue_open(0);
    s->sorted = kith_queue_open_with(0, .order = KITH_PRIORITY);
    s->joinable = kith_queue_open_with(0, .joinable = 1);
    PASS(kith_pipe_open(s->ends));
    s->pool = kith_pool_open(CPUS);
}

static void look_at_sums(const struct scene *s)
{
    long all = (long)CROWD * s->rounds, x = -1, *named = kith_alloc_named("crowd", CROWD * sizeof *named);

    CU_ASSERT_EQUAL(s->sums->locked, all);
    CU_ASSERT_EQUAL(s->sums->relocked, all);
    CU_ASSERT_EQUAL(s->sums->turns, all);
    CU_ASSERT_EQUAL(s->sums->put, s->sums->got);
    CU_ASSERT(kith_load(s->value, &x) == 0 && x == all);
    CU_ASSERT(kith_fetch(s->dict, "all", &x) == 0 && x == all);
    CU_ASSERT(kith_fetch(s->ns, "all", &x) == 0 && x == all);
    CU_ASSERT_EQUAL(kith_sem_value(s->sem), UNITS);
    CU_ASSERT_EQUAL(kith_list_len(s->list), 0);
    CU_ASSERT_EQUAL(kith_queue_size(s->queue) + kith_queue_size(s->sorted), 0);
    CU_ASSERT_EQUAL(kith_pipe_poll(s->ends[1], 0), 0);
    PASS(kith_queue_join(s->joinable, 0));
    for (int i = 0; i < CROWD; i++)
        CU_ASSERT(kith_load_at(s->array, (size_t)i, &x) == 0 && x == s->rounds && named[i] == s->rounds);
    PASS(kith_free(named));
}

static void close_scene(const struct scene *s)
{
    PASS(kith_pool_close(s->pool));
    PASS(kith_barrier_close(s->barrier));
    PASS(kith_event_close(s->begin));
    PASS(kith_lock_close(s->lock));
    PASS(kith_rlock_close(s->rlock));
    PASS(kith_sem_close(s->sem));
    PASS(kith_cond_close(s->cond));
    PASS(kith_value_close(s->value));
    PASS(kith_array_close(s->array));
    PASS(kith_dict_close(s->dict));
    PASS(kith_list_close(s->list));
    PASS(kith_ns_close(s->ns));
    PASS(kith_queue_close(s->queue));
    PASS(kith_queue_close(s->sorted));
    PASS(kith_queue_close(s->joinable));
    PASS(kith_pipe_close(s->ends[0]));
    PASS(kith_pipe_close(s->ends[1]));
    PASS(kith_shared_close(s->data));
    PASS(kith_free(s->sums));
}

static void sixty_four_processes_use_everything_at_once(void)
{
    kith_process p[CROWD];
    struct scene s;

    open_scene(&s);
    for (s.me = 0; s.me < CROWD; s.me++)
        p[s.me] = kith_process_start_with(takes_part, KITH_ARG(s), .node = KITH_HERE);
    PASS(kith_event_set(s.begin));
    for (int i = 0; i < CROWD; i++)
        CU_ASSERT_EQUAL(code_of(p[i]), 0);
    look_at_sums(&s);
    close_scene(&s);
}

/* As on a machine that has no more of them. */
static void use_two_cpus(void)
{
    cpu_set_t usable, few;

    CPU_ZERO(&few);
    if (sched_getaffinity(0, sizeof usable, &usable) < 0)
        return;
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&few) < CPUS; i++)
        if (CPU_ISSET(i, &usable))
            CPU_SET(i, &few);
    sched_setaffinity(0, sizeof few, &few);
}

static struct test tests[] = {
    TEST(sixty_four_processes_use_everything_at_once),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    use_two_cpus();
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("crowd", tests);
    return kith_finalize() ? 1 : rc;
}
