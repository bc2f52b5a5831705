/* test_branch.c: what foremen of other nodes ask of a pool, as the agent carries it out. The test is the
 * agent, and plays the foremen; a thread calls the pool. */
#include "config.h"
#include "check.h"
#include "pool/branch.h"
#include "pool/grant.h"
#include "pool/parcel.h"
#include "pool/pool.h"
#include "shm/heap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

enum { N = 2000 };

static kith_pool pool;
static struct kith__object *object;
static const struct kith__caller first = { 1, 70, 0 }, second = { 2, 70, 0 };
static _Atomic int *hold; /* while it is 1 the worker of the pool is busy with its task */

/* Here the result is the argument doubled; by a foreman it is one more, so it can be told who has done it. */
static int doubled(const void *in, void *out)
{
    double x;

    while (atomic_load(hold))
        usleep(200);
    memcpy(&x, in, sizeof x);
    x *= 2;
    memcpy(out, &x, sizeof x);
    return 0;
}

static double own_x[N], own_y[N], *x = own_x, *y = own_y;

struct map {
    pthread_t thread;
    int rc;
    struct kith_fault fault;
};

static void *run_map(void *arg)
{
    struct map *m = arg;

    m->rc = kith_pool_map(pool, doubled, x, sizeof *x, y, sizeof *y, N);
    if (m->rc == KITH_ETASK)
        kith_last_fault(&m->fault, 0);
    return NULL;
}

/* Until the worker here has begun a task, at the first of which it stays: a late one would take what a
 * foreman has given back. */
static void await_worker(void)
{
    while (atomic_load(&kith__lane(kith__pool_body(object), 0)->depth) == 0)
        sched_yield();
}

static void begin_map(struct map *m)
{
    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = -1;
    }
    memset(m, 0, sizeof *m);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&m->thread, NULL, run_map, m), 0);
    await_worker();
}

static int end_map(struct map *m)
{
    pthread_join(m->thread, NULL);
    return m->rc;
}

static int64_t ask(const struct kith__caller *who, unsigned method, const void *bytes, uint64_t size,
                   uint64_t number, struct kith__result *out)
{
    struct kith__args in = { .bytes = bytes, .size = size, .number = number };

    memset(out, 0, sizeof *out);
    return kith__attempt(pool.id, KITH__POOL_KIND, method, who, &in, out);
}

static int64_t tell(const struct kith__caller *who, unsigned method, const void *bytes, uint64_t size,
                    uint64_t number)
{
    struct kith__result out;

    return ask(who, method, bytes, size, number, &out);
}

static void open_pool(void)
{
    atomic_store(hold, 1);
    pool = kith_pool_open(1);
    CU_ASSERT_FATAL(kith__pool_find(pool, &object) == 0);
    PASS(kith__branches_make(kith__pool_body(object), 2));
    PASS(tell(&first, KITH__POOL_JOIN, NULL, 0, 4));
}

struct grant {
    struct kith__parcel_grant head;
    struct kith__result given;
    double in[KITH__DEAL_BYTES / 1024];
};

/* Waits until there is one. Its first one is of a unit for each worker, the next ones of some more. */
static void claim(const struct kith__caller *who, uint64_t last, struct grant *g)
{
    struct kith__deal d = { .workers = 4, .last = last, .unit_ns = 1000, .trip_ns = 1000 };
    uint64_t room = sizeof g->head + sizeof g->in;
    int64_t rc;

    d.job = atomic_load(&kith__pool_body(object)->seq);
    while ((rc = ask(who, KITH__POOL_CLAIM, &d, sizeof d, room, &g->given)) == KITH__PARKED)
        sched_yield();
    CU_ASSERT_FATAL(rc > 0 && g->given.flags & KITH__GIVEN && g->given.size == (uint64_t)rc);
    memcpy(&g->head, kith__at(g->given.block), sizeof g->head);
    CU_ASSERT_FATAL(g->head.grant.length <= sizeof g->in / sizeof *g->in);
    CU_ASSERT_EQUAL(g->given.size, sizeof g->head + g->head.grant.length * sizeof(double));
    memcpy(g->in, (char *)kith__at(g->given.block) + sizeof g->head, g->head.grant.length * sizeof(double));
}

/* As the agent does when the foreman has it. */
static void is_taken(struct grant *g)
{
    kith__heap_free(g->given.block);
    g->given.block = 0;
}

/* The first done units, each 2x + 1; unit failed of them with a fault; -1: none. How many bytes. */
static uint64_t pack(char *bytes, const struct grant *g, uint64_t done, int failed)
{
    struct kith__parcel_result r = { .seq = g->head.seq,
                                     .epoch = g->head.grant.epoch,
                                     .done = done,
                                     .size = done * sizeof(double),
                                     .post = g->head.post,
                                     .faults = failed >= 0 };
    struct kith__parcel_fault f = { .unit = (uint64_t)(failed > 0 ? failed : 0),
                                    .end = KITH_END_FAILED,
                                    .code = 9,
                                    .worker = 3,
                                    .text_size = 4 };
    uint64_t at = sizeof r + done * sizeof(double);

    memcpy(bytes, &r, sizeof r);
    for (uint64_t i = 0; i < done; i++) {
        double value = 2 * g->in[i] + 1;

        memcpy(bytes + sizeof r + i * sizeof value, &value, sizeof value);
    }
    if (failed >= 0) {
        memcpy(bytes + at, &f, sizeof f);
        memcpy(bytes + at + sizeof f, "over", 4);
        at += kith__parcel_fault_size(4);
    }
    return at;
}

static int64_t give(const struct kith__caller *who, const struct grant *g, uint64_t done, int failed)
{
    static char bytes[sizeof g->in + 4096];

    return tell(who, KITH__POOL_RETURN, bytes, pack(bytes, g, done, failed), 0);
}

/* Results of a foreman are odd. */
static int count_of_others(void)
{
    int others = 0;

    for (int i = 0; i < N; i++) {
        CU_ASSERT(y[i] == 2 * x[i] || y[i] == 2 * x[i] + 1);
        others += y[i] != 2 * x[i];
    }
    return others;
}

static void a_foreman_takes_part(void)
{
    static struct grant g;
    struct map m;
    uint64_t taken = 0;

    open_pool();
    begin_map(&m);
    for (uint64_t last = 0; taken < 500; last = g.head.grant.length) {
        claim(&first, last, &g);
        for (uint64_t i = 0; i < g.head.grant.length; i++)
            CU_ASSERT_EQUAL(g.in[i], (double)(g.head.grant.lo + i));
        is_taken(&g);
        CU_ASSERT_EQUAL(give(&first, &g, g.head.grant.length, -1), 0);
        taken += g.head.grant.length;
    }
    atomic_store(hold, 0);
    PASS(end_map(&m));
    CU_ASSERT_EQUAL(count_of_others(), (int)taken);
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

static void results_are_taken_once(void)
{
    static struct grant g, h;
    struct map m;

    open_pool();
    PASS(tell(&second, KITH__POOL_JOIN, NULL, 0, 4));
    begin_map(&m);
    claim(&first, 0, &g);
    is_taken(&g);
    FAILS_WITH(KITH_ESTALE, give(&second, &g, g.head.grant.length, -1)); /* it is not his */
    CU_ASSERT_EQUAL(give(&first, &g, 1, -1), 0);                         /* the others go back */
    FAILS_WITH(KITH_ESTALE, give(&first, &g, g.head.grant.length, -1));
    claim(&second, 0, &h);
    CU_ASSERT(h.head.grant.lo == g.head.grant.lo + 1 && h.head.grant.length == g.head.grant.length - 1);
    is_taken(&h);
    atomic_store(hold, 0);
    CU_ASSERT_EQUAL(give(&second, &h, h.head.grant.length, -1), 0);
    PASS(end_map(&m));
    CU_ASSERT_EQUAL(count_of_others(), (int)g.head.grant.length);
    FAILS_WITH(KITH_ESTALE, give(&second, &h, h.head.grant.length, -1)); /* the call has ended */
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(tell(&second, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

/* A claim with the results of g. */
static int64_t claim_with(const struct grant *g, int64_t more, struct kith__result *out)
{
    static char bytes[sizeof(struct kith__deal) + sizeof g->in + 4096];
    struct kith__deal d = { .workers = 4, .job = atomic_load(&kith__pool_body(object)->seq) };
    uint64_t size = sizeof d + pack(bytes + sizeof d, g, g->head.grant.length, -1);

    memcpy(bytes, &d, sizeof d);
    return ask(&first, KITH__POOL_CLAIM, bytes, size + (uint64_t)more, sizeof g->head + sizeof g->in, out);
}

static struct kith__job *job_of(const struct grant *g)
{
    return kith__post_job(kith__post(kith__pool_body(object), g->head.post));
}

static void results_come_with_a_claim(void)
{
    struct kith__deal d = { .workers = 4 };
    static struct grant g, h, k;
    struct kith__result out;
    struct map m;

    open_pool();
    begin_map(&m);
    claim(&first, 0, &g);
    is_taken(&g);
    CU_ASSERT_FATAL(claim_with(&g, 0, &h.given) > 0);
    memcpy(&h.head, kith__at(h.given.block), sizeof h.head);
    memcpy(h.in, (char *)kith__at(h.given.block) + sizeof h.head, h.head.grant.length * sizeof(double));
    is_taken(&h);
    FAILS_WITH(KITH_ESTALE, give(&first, &g, g.head.grant.length, -1));
    claim(&first, 0, &k);
    is_taken(&k);
    FAILS_WITH(KITH_EPEER, claim_with(&k, 1, &out)); /* a byte too much: its tasks are done elsewhere */
    atomic_store(hold, 0);
    while (atomic_load(&job_of(&h)->cells[0].done) < N - g.head.grant.length - h.head.grant.length)
        sched_yield();
    CU_ASSERT_EQUAL(tell(&first, KITH__POOL_CLAIM, &d, sizeof d, 0), KITH__PARKED);
    CU_ASSERT_EQUAL(claim_with(&h, 0, &out), KITH__PARKED); /* but its results are taken, */
    CU_ASSERT(out.wake_all & 1 << KITH__POOL_FOREMEN);
    CU_ASSERT_EQUAL(claim_with(&h, 0, &out), KITH__PARKED); /* once, and others are told so once */
    CU_ASSERT(!(out.wake_all & 1 << KITH__POOL_FOREMEN));
    PASS(end_map(&m));
    CU_ASSERT_EQUAL(count_of_others(), (int)(g.head.grant.length + h.head.grant.length));
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

/* Other outputs keep their bytes, also when no task has failed. */
static void a_cancelled_map_gives_what_is_done(void)
{
    static struct grant g;
    double value = 1, changed = 0;
    kith_result busy, map;

    open_pool();
    busy = kith_pool_apply_async(pool, doubled, &value, sizeof value, sizeof value);
    await_worker();
    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = -1;
    }
    map = kith_pool_map_async(pool, doubled, x, sizeof *x, y, sizeof *y, N);
    claim(&first, 64, &g);
    is_taken(&g);
    CU_ASSERT_EQUAL(give(&first, &g, 1, -1), 0);
    PASS(kith_result_cancel(map));
    FAILS_WITH(KITH_ECANCELLED, kith_result_get(map, NULL, 0, KITH_FOREVER));
    for (int i = 0; i < N; i++)
        changed += y[i] != -1;
    CU_ASSERT_EQUAL(changed, 1);
    CU_ASSERT_EQUAL(y[g.head.grant.lo], 2 * x[g.head.grant.lo] + 1);
    atomic_store(hold, 0);
    PASS(kith_result_get(busy, &value, sizeof value, KITH_FOREVER));
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

static void what_the_dead_had_is_done_by_others(void)
{
    static struct grant g;
    struct map m;

    open_pool();
    begin_map(&m);
    for (int i = 0; i < 3; i++) {
        claim(&first, 64, &g);
        is_taken(&g);
    }
    kith__objects_died(&(struct kith__caller){ first.node, 0, 0 });
    FAILS_WITH(KITH_EINVAL, give(&first, &g, g.head.grant.length, -1)); /* it is a foreman no more */
    atomic_store(hold, 0);
    PASS(end_map(&m));
    CU_ASSERT_EQUAL(count_of_others(), 0);
    PASS(kith_pool_close(pool));
}

/* Until the worker here has done all but what first has. */
static void await_rest(uint64_t granted)
{
    const struct kith__pool *p = kith__pool_body(object);
    const struct kith__job *j = kith__post_job(kith__post(p, 0));

    while (atomic_load(&j->cells[0].done) + granted < N)
        usleep(200);
}

static void gives_no_sign_of_life(const struct kith__caller *who)
{
    kith__objects_doubted(&(struct kith__caller){ who->node, 0, 0 });
}

/* It is done here when all waits for it, not before. And whoever comes back comes too late. */
static void what_a_silent_node_has_is_not_waited_for(void)
{
    static struct grant g, h;
    struct map m;

    open_pool();
    begin_map(&m);
    claim(&first, 64, &g);
    is_taken(&g);
    gives_no_sign_of_life(&first);
    CU_ASSERT_EQUAL(give(&first, &g, g.head.grant.length, -1), 0); /* there was enough to do */
    claim(&first, 64, &h);
    is_taken(&h);
    atomic_store(hold, 0);
    await_rest(g.head.grant.length + h.head.grant.length);
    gives_no_sign_of_life(&second); /* it is another one */
    CU_ASSERT(kith__grant_has(kith__post_job(kith__post(kith__pool_body(object), 0)), h.head.grant.lo));
    gives_no_sign_of_life(&first);
    PASS(end_map(&m));
    FAILS_WITH(KITH_ESTALE, give(&first, &h, h.head.grant.length, -1));
    CU_ASSERT_EQUAL(count_of_others(), (int)g.head.grant.length);
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0)); /* it takes part as before */
    PASS(kith_pool_close(pool));
}

/* Where the user has said so: only a lost node's tasks are. */
static void nothing_is_done_again_that_must_not_be(void)
{
    static struct grant g;
    struct map m;

    open_pool();
    kith__pool_body(object)->tries = 1;
    begin_map(&m);
    claim(&first, 64, &g);
    is_taken(&g);
    atomic_store(hold, 0);
    await_rest(g.head.grant.length);
    gives_no_sign_of_life(&first);
    CU_ASSERT_EQUAL(give(&first, &g, g.head.grant.length, -1), 0);
    PASS(end_map(&m));
    CU_ASSERT_EQUAL(count_of_others(), (int)g.head.grant.length);
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

/* And what a foreman had that was killed, where its node lives: of that each has failed. */
static void what_may_have_begun_is_not_begun_again(void)
{
    const struct kith__caller killed = { first.node, first.member, first.task };
    static struct grant g;
    struct map m;

    open_pool();
    kith__pool_body(object)->tries = 1;
    begin_map(&m);
    claim(&first, 0, &g);
    is_taken(&g);
    kith__objects_died(&killed);
    atomic_store(hold, 0);
    FAILS_WITH(KITH_ETASK, end_map(&m));
    CU_ASSERT(m.fault.task == g.head.grant.lo && m.fault.end == KITH_END_SIGNALLED);
    CU_ASSERT(m.fault.signal == SIGKILL && strstr(m.fault.text, "perhaps before it began") != NULL);
    for (uint64_t i = 0; i < N; i++)
        CU_ASSERT_EQUAL(y[i], i - g.head.grant.lo < g.head.grant.length ? -1 : 2 * x[i]);
    PASS(kith_pool_close(pool));
}

static void a_grant_that_reaches_nobody_goes_back(void)
{
    static struct grant g;
    struct map m;

    open_pool();
    begin_map(&m);
    claim(&first, 64, &g);
    CU_ASSERT_EQUAL(kith__undo(pool.id, KITH__POOL_KIND, KITH__POOL_CLAIM, &first, &g.given), 0);
    is_taken(&g);
    FAILS_WITH(KITH_ESTALE, give(&first, &g, g.head.grant.length, -1));
    atomic_store(hold, 0);
    PASS(end_map(&m));
    CU_ASSERT_EQUAL(count_of_others(), 0);
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

/* Units are large when no more than one has room; and for that one there must be some. */
static void no_more_is_granted_than_there_is_room_for(void)
{
    struct kith__deal d = { .workers = 4, .last = 64, .unit_ns = 1000, .trip_ns = 1000 };
    static struct grant g;
    struct kith__result out;
    struct map m;

    open_pool();
    begin_map(&m);
    claim(&first, 64, &g);
    is_taken(&g);
    CU_ASSERT(g.head.grant.length > 5);
    CU_ASSERT_EQUAL(give(&first, &g, g.head.grant.length, -1), 0);
    d.job = g.head.seq;
    CU_ASSERT_EQUAL(ask(&first, KITH__POOL_CLAIM, &d, sizeof d, sizeof g.head + 5 * sizeof(double) + 7, &out),
                    sizeof g.head + 5 * sizeof(double));
    g.given = out;
    memcpy(&g.head, kith__at(out.block), sizeof g.head);
    memcpy(g.in, (char *)kith__at(out.block) + sizeof g.head, 5 * sizeof(double));
    is_taken(&g);
    CU_ASSERT_EQUAL(give(&first, &g, 5, -1), 0);
    CU_ASSERT_EQUAL(ask(&first, KITH__POOL_CLAIM, &d, sizeof d, 7, &out), sizeof g.head + sizeof(double));
    CU_ASSERT(!out.block && out.size == 0 && !(out.flags & KITH__GIVEN));
    atomic_store(hold, 0);
    PASS(end_map(&m));
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

/* Cheap tasks of the last job say nothing of those of the next one. */
static void figures_are_those_of_one_job(void)
{
    struct kith__deal d = { .workers = 4, .last = 1000, .unit_ns = 1, .trip_ns = 1000000 };
    struct kith__parcel_grant head;
    struct kith__result out;
    struct map m;
    int64_t rc;

    open_pool();
    begin_map(&m);
    while ((rc = ask(&first, KITH__POOL_CLAIM, &d, sizeof d, 1 << 20, &out)) == KITH__PARKED)
        sched_yield();
    CU_ASSERT_EQUAL_FATAL((uint64_t)rc, out.size);
    memcpy(&head, kith__at(out.block), sizeof head);
    CU_ASSERT(head.grant.length <= 4); /* as if nothing were known */
    CU_ASSERT(head.described > 0);     /* and it comes along */
    kith__heap_free(out.block);
    atomic_store(hold, 0);
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(end_map(&m));
    PASS(kith_pool_close(pool));
}

static void tell_a_fault(void)
{
    static struct grant g;
    struct map m;
    uint64_t failed;

    open_pool();
    begin_map(&m);
    claim(&first, 64, &g);
    is_taken(&g);
    failed = g.head.grant.lo + 2;
    CU_ASSERT_EQUAL(give(&first, &g, g.head.grant.length, 2), 0);
    atomic_store(hold, 0);
    CU_ASSERT_EQUAL(end_map(&m), KITH_ETASK);
    CU_ASSERT(m.fault.task == failed && m.fault.code == 9 && m.fault.worker == 3 && m.fault.rank == -1);
    CU_ASSERT_STRING_EQUAL(m.fault.text, "over");
    CU_ASSERT_EQUAL(y[failed], -1); /* it keeps its bytes */
    y[failed] = 2 * x[failed] + 1;
    CU_ASSERT_EQUAL(count_of_others(), (int)g.head.grant.length);
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

/* With data that goes through rings, and in place. */
static void faults_of_others_are_told(void)
{
    tell_a_fault();
    x = kith_alloc(sizeof own_x);
    y = kith_alloc(sizeof own_y);
    CU_ASSERT_FATAL(x && y);
    tell_a_fault();
    PASS(kith_free(x));
    PASS(kith_free(y));
    x = own_x;
    y = own_y;
}

static void a_foreman_learns_of_jobs_and_of_the_end(void)
{
    static struct grant g;
    struct kith__parcel_job job;
    struct kith__pool_news told;
    struct kith__deal d = { .workers = 4 };
    struct kith__result out;
    const void *arg, *in;
    uint64_t touch;
    struct map m;

    open_pool();
    begin_map(&m);
    claim(&first, 0, &g);
    touch = kith__touch(g.head.seq, g.head.post);
    CU_ASSERT_FATAL(ask(&first, KITH__POOL_JOB, NULL, 0, touch, &out) > 0);
    PASS(kith__parcel_read_job(kith__at(out.block), out.size, &job, &arg));
    CU_ASSERT(job.kind == KITH__JOB_BYTES && job.n == N && job.in_size == sizeof(double) && !arg);
    PASS(kith__parcel_check_grant(&job, kith__at(g.given.block), g.given.size, &in));
    kith__heap_free(out.block);
    is_taken(&g);
    CU_ASSERT_EQUAL(ask(&first, KITH__POOL_JOB, NULL, 0, kith__touch(g.head.seq + 1, g.head.post), &out),
                    KITH_EEND);
    CU_ASSERT_EQUAL(tell(&first, KITH__POOL_NEWS, NULL, 0, 0), KITH__PARKED);
    CU_ASSERT_EQUAL(give(&first, &g, g.head.grant.length, -1), 0);
    atomic_store(hold, 0);
    PASS(end_map(&m));
    CU_ASSERT_EQUAL(tell(&first, KITH__POOL_CLAIM, &d, sizeof d, 0), KITH__PARKED);
    kith__branches_tell(object);
    CU_ASSERT_EQUAL(ask(&first, KITH__POOL_NEWS, NULL, 0, 0, &out), sizeof told);
    memcpy(&told, out.few, sizeof told);
    CU_ASSERT(told.number == 1 && told.state == KITH__POOL_OPEN);
    CU_ASSERT_EQUAL(tell(&first, KITH__POOL_NEWS, NULL, 0, 1), KITH__PARKED);
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    FAILS_WITH(KITH_EINVAL, tell(&first, KITH__POOL_CLAIM, &d, sizeof d, 0));
    PASS(kith_pool_close(pool));
    FAILS_WITH(KITH_ESTALE, tell(&first, KITH__POOL_CLAIM, &d, sizeof d, 0));
}

/* ---- tasks one by one */

static int64_t claim_item(const struct kith__caller *who, struct kith__result *out)
{
    struct kith__deal d = { .workers = 4 };

    return ask(who, KITH__POOL_CLAIM, &d, sizeof d, 1 << 16, out);
}

static double argument_of(const struct kith__result *given, struct kith__parcel_grant *head)
{
    struct kith__parcel_item item;
    const void *in;
    double value;

    PASS(kith__parcel_read_grant(kith__at(given->block), given->size, head));
    PASS(kith__parcel_read_item(kith__at(given->block), given->size, &item, &in));
    memcpy(&value, in, sizeof value);
    kith__heap_free(given->block);
    return value;
}

static int64_t give_item(const struct kith__caller *who, const struct kith__parcel_grant *head, double value)
{
    struct {
        struct kith__parcel_result head;
        double value;
    } r = { .head = { .seq = head->seq,
                      .epoch = head->grant.epoch,
                      .done = 1,
                      .size = sizeof value,
                      .post = head->post },
            .value = value };

    return tell(who, KITH__POOL_RETURN, &r, sizeof r, 0);
}

/* The worker at home has the first one; four are granted, as there are four workers, and no more. */
static void a_foreman_has_as_many_items_as_workers(void)
{
    struct kith__parcel_grant head[4];
    struct kith__result out;
    kith_result r[8];
    double value, got;

    open_pool();
    for (int i = 0; i < 8; i++) {
        value = i;
        r[i] = kith_pool_apply_async(pool, doubled, &value, sizeof value, sizeof value);
    }
    await_worker();
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_FATAL(claim_item(&first, &out) > 0);
        value = argument_of(&out, &head[i]);
        CU_ASSERT(head[i].is_item && value == (double)head[i].grant.lo);
    }
    CU_ASSERT_EQUAL(claim_item(&first, &out), KITH__PARKED);
    CU_ASSERT_EQUAL(give_item(&first, &head[0], -1), 0);
    FAILS_WITH(KITH_ESTALE, give_item(&first, &head[0], -2));
    CU_ASSERT_FATAL(claim_item(&first, &out) > 0); /* one more now */
    argument_of(&out, &head[0]);
    /* What is cancelled is to be ended, and ends so, whatever it gives. */
    CU_ASSERT_EQUAL(ask(&first, KITH__POOL_JOB, &head[1].grant.epoch, sizeof(uint64_t),
                        kith__touch(head[1].seq, head[1].post), &out),
                    0);
    PASS(kith_result_cancel(r[head[1].grant.lo]));
    CU_ASSERT_EQUAL(ask(&first, KITH__POOL_JOB, &head[1].grant.epoch, sizeof(uint64_t),
                        kith__touch(head[1].seq, head[1].post), &out),
                    KITH_EEND);
    CU_ASSERT_EQUAL(give_item(&first, &head[1], -1), 0);
    FAILS_WITH(KITH_ECANCELLED, kith_result_get(r[head[1].grant.lo], &got, sizeof got, KITH_FOREVER));
    kith__objects_died(&(struct kith__caller){ first.node, 0, 0 }); /* the others are done at home */
    atomic_store(hold, 0);
    for (int i = 0, others = 0; i < 8; i++) {
        if (i == (int)head[1].grant.lo)
            continue;
        PASS(kith_result_get(r[i], &got, sizeof got, KITH_FOREVER));
        CU_ASSERT(got == 2 * i || got == -1);
        CU_ASSERT((others += got == -1) <= 1);
    }
    PASS(kith_pool_close(pool));
}

enum { BATCH = 8, COUNT = 40 };

/* As many as the node takes at once: what is granted, and *out. */
static void claim_batch(struct kith__parcel_grant *head, struct kith__result *out)
{
    struct kith__deal d = { .workers = 4, .batch = BATCH };
    const char *bytes;
    uint64_t at = 0, its;
    const void *from;
    int n = 0;

    CU_ASSERT_FATAL(ask(&first, KITH__POOL_CLAIM, &d, sizeof d, 1 << 16, out) > 0);
    bytes = kith__at(out->block);
    while ((from = kith__parcel_next_item(bytes, out->size, &at, &its))) {
        struct kith__parcel_item item;
        const void *in;
        double value;

        CU_ASSERT_FATAL(n < BATCH);
        PASS(kith__parcel_read_item(from, its, &item, &in));
        memcpy(&head[n], from, sizeof *head);
        memcpy(&value, in, sizeof value);
        CU_ASSERT(head[n].is_item == (uint32_t)(BATCH - n) && value == (double)head[n].grant.lo);
        n++;
    }
    CU_ASSERT_EQUAL_FATAL(n, BATCH);
}

/* Two that have given -1, and one that was not begun, in one message and in any order. */
static void give_some(const struct kith__parcel_grant *a, const struct kith__parcel_grant *b,
                      const struct kith__parcel_grant *none)
{
    struct {
        struct kith__parcel_result head;
        double value;
    } r;
    char bytes[2 * sizeof r + sizeof r.head];
    const struct kith__parcel_grant *of[] = { a, none, b };
    size_t at = 0;

    for (int i = 0; i < 3; i++) {
        size_t length = of[i] == none ? sizeof r.head : sizeof r;

        r.head = (struct kith__parcel_result){ .seq = of[i]->seq,
                                               .epoch = of[i]->grant.epoch,
                                               .done = of[i] != none,
                                               .size = of[i] != none ? sizeof r.value : 0,
                                               .post = of[i]->post,
                                               .length = length };
        r.value = -1;
        memcpy(bytes + at, &r, length);
        at += length;
    }
    CU_ASSERT_EQUAL(tell(&first, KITH__POOL_RETURN, bytes, at, 0), 0);
    FAILS_WITH(KITH_ESTALE, tell(&first, KITH__POOL_RETURN, bytes, at, 0));
}

static void short_items_go_in_batches(void)
{
    struct kith__parcel_grant head[BATCH], more[BATCH];
    struct kith__result out;
    kith_result r[COUNT];
    double value, got;
    int by_first;

    open_pool();
    for (int i = 0; i < COUNT; i++) {
        value = i;
        r[i] = kith_pool_apply_async(pool, doubled, &value, sizeof value, sizeof value);
    }
    await_worker();
    claim_batch(head, &out);
    kith__heap_free(out.block);
    give_some(&head[5], &head[2], &head[3]);
    claim_batch(more, &out);
    CU_ASSERT_EQUAL(more[0].grant.lo, head[3].grant.lo); /* it was queued before those */
    CU_ASSERT_EQUAL(kith__undo(pool.id, KITH__POOL_KIND, KITH__POOL_CLAIM, &first, &out), 0);
    kith__heap_free(out.block);
    for (int i = 0; i < BATCH; i++)
        FAILS_WITH(KITH_ESTALE, give_item(&first, &more[i], -2));
    kith__objects_died(&(struct kith__caller){ first.node, 0, 0 }); /* the others are done at home */
    atomic_store(hold, 0);
    for (int i = 0; i < COUNT; i++) {
        by_first = i == (int)head[5].grant.lo || i == (int)head[2].grant.lo;
        PASS(kith_result_get(r[i], &got, sizeof got, KITH_FOREVER));
        CU_ASSERT_EQUAL(got, by_first ? -1 : 2 * i);
    }
    PASS(kith_pool_close(pool));
}

static void figures_that_make_no_sense_are_refused(void)
{
    struct kith__deal d = { .workers = 4, .last = 1, .unit_ns = 5 }, bad;

    open_pool();
    CU_ASSERT_EQUAL(tell(&first, KITH__POOL_CLAIM, &d, sizeof d, 0), KITH__PARKED);
    FAILS_WITH(KITH_EINVAL, tell(&first, KITH__POOL_CLAIM, &d, sizeof d - 1, 0));
    bad = d;
    bad.workers = 0;
    FAILS_WITH(KITH_EINVAL, tell(&first, KITH__POOL_CLAIM, &bad, sizeof bad, 0));
    bad = d;
    bad.batch = KITH__DEAL_BATCH + 1;
    FAILS_WITH(KITH_EINVAL, tell(&first, KITH__POOL_CLAIM, &bad, sizeof bad, 0));
    bad = d;
    bad.unit_ns = 0;
    FAILS_WITH(KITH_EINVAL, tell(&first, KITH__POOL_CLAIM, &bad, sizeof bad, 0));
    bad = d;
    bad.trip_ns = -1;
    FAILS_WITH(KITH_EINVAL, tell(&first, KITH__POOL_CLAIM, &bad, sizeof bad, 0));
    bad = d;
    memset(&bad.byte_ns, 0xff, sizeof bad.byte_ns); /* no number */
    FAILS_WITH(KITH_EINVAL, tell(&first, KITH__POOL_CLAIM, &bad, sizeof bad, 0));
    FAILS_WITH(KITH_EPEER, tell(&first, KITH__POOL_RETURN, &d, 8, 0));
    PASS(tell(&first, KITH__POOL_LEAVE, NULL, 0, 0));
    PASS(kith_pool_close(pool));
}

static struct test tests[] = { TEST(a_foreman_takes_part),
                               TEST(results_are_taken_once),
                               TEST(results_come_with_a_claim),
                               TEST(a_cancelled_map_gives_what_is_done),
                               TEST(what_the_dead_had_is_done_by_others),
                               TEST(what_a_silent_node_has_is_not_waited_for),
                               TEST(nothing_is_done_again_that_must_not_be),
                               TEST(what_may_have_begun_is_not_begun_again),
                               TEST(a_grant_that_reaches_nobody_goes_back),
                               TEST(no_more_is_granted_than_there_is_room_for),
                               TEST(figures_are_those_of_one_job),
                               TEST(faults_of_others_are_told),
                               TEST(a_foreman_learns_of_jobs_and_of_the_end),
                               TEST(a_foreman_has_as_many_items_as_workers),
                               TEST(short_items_go_in_batches),
                               TEST(figures_that_make_no_sense_are_refused),
                               TEST_END };

int main(int argc, char **argv)
{
    int rc;

    hold = mmap(NULL, sizeof *hold, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("branch", tests);
    return kith_finalize() ? 1 : rc;
}
