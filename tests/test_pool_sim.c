/* test_pool_sim.c: a pool over several nodes in one process (sim/sim.h): its home, and foremen that die at
 * any failpoint, are lost with their node, come late, or have a bad line. KITH_TEST_SEED=n repeats one run;
 * KITH_TEST_NODES=n: with so many nodes; KITH_TEST_LONG=1: more of them.
 * kith-test: limit=600
 *
 * The clients are: one that opens the pool and maps; one that plays the worker of the home, by the same
 * functions of the board, since a process that forks has no place here; and foremen, which ask by the methods
 * of the class through mailboxes, agents and network, as the true ones do, one grant at a time.
 */
#include "config.h"
#include "check.h"
#include "sim/sim.h"
#include "member/wait.h"
#include "object/class.h"
#include "pool/branch.h"
#include "pool/claim.h"
#include "pool/grant.h"
#include "pool/parcel.h"
#include "pool/pool.h"
#include "pool/settle.h"
#include "pool/turn.h"

enum { UNITS = 600, MAPS = 4, WORKERS = 2, GRANT_ROOM = 32 << 10 };

static struct {
    kith_pool pool;
    struct kith__object *object;
    int opened, maps, fails;          /* fails: some units do */
    uint32_t branches;                /* there is room for */
    uint64_t units;                   /* of each map */
    unsigned char ran[MAPS][UNITS];   /* at home, or by a foreman who knows that it counts */
    unsigned char tried[MAPS][UNITS]; /* by foremen, whether it counts or not */
} play;

static uint64_t returned, late; /* of foremen, in all runs */

/* What a unit gives tells who has run it. */
static double at_home(double x)
{
    return 2 * x;
}

static double elsewhere(double x)
{
    return 2 * x + 1;
}

/* Nobody calls it: it has a token. */
static int doubled(const void *in, void *out)
{
    double x;

    memcpy(&x, in, sizeof x);
    x = at_home(x);
    memcpy(out, &x, sizeof x);
    return 0;
}

static int fails(uint64_t unit)
{
    return play.fails && unit % 89 == 7;
}

static void counts(uint64_t seq, uint64_t unit)
{
    REQUIRE(seq >= 1 && seq <= MAPS && unit < play.units);
    play.ran[seq - 1][unit]++;
    CU_ASSERT_EQUAL(play.ran[seq - 1][unit], 1);
}

/* -------------------------------------------------------------------------- the home */

/* Each that has failed is told once, whoever has run it, and leaves its result as it was. */
static void map_once(double *x, double *y)
{
    int failed = 0, told = 0;
    struct kith_fault f;

    for (uint64_t i = 0; i < play.units; i++) {
        x[i] = (double)i;
        y[i] = -1;
        failed += fails(i);
    }
    CU_ASSERT_EQUAL(kith_pool_map(play.pool, doubled, x, sizeof *x, y, sizeof *y, play.units),
                    failed ? KITH_ETASK : 0);
    for (uint64_t i = 0; i < play.units; i++)
        CU_ASSERT(fails(i) ? y[i] == -1 : y[i] == at_home(x[i]) || y[i] == elsewhere(x[i]));
    while (failed && kith_last_fault(&f, told) == 0)
        told++;
    CU_ASSERT_EQUAL(told, failed);
}

static void maps(struct client *c, void *arg)
{
    double *x = malloc(UNITS * sizeof *x), *y = malloc(UNITS * sizeof *y);

    (void)arg;
    atomic_store(&kith__shared->faults_have_handler, 1); /* nobody tells of them meanwhile */
    play.pool = kith_pool_open_with(1, .nodes = 1, .halt = -1);
    REQUIRE(x && y && kith__pool_find(play.pool, &play.object) == 0);
    REQUIRE(kith__branches_make(kith__pool_body(play.object), play.branches) == 0);
    play.opened = 1;
    for (int k = 0; k < play.maps; k++) {
        sim_doing(c, k);
        map_once(x, y);
        if (draw(2))
            sim_rest((int64_t)draw(3000));
    }
    PASS(kith_pool_close(play.pool));
    free(x);
    free(y);
}

static double *element(uint64_t at, uint64_t ring, uint64_t unit)
{
    return (double *)kith__at(at) + (ring ? unit % ring : unit);
}

static void fail_at_home(struct kith__job *j, uint64_t unit)
{
    const struct kith__fault_entry e = { .unit = unit, .end = KITH_END_FAILED, .code = 9 };

    REQUIRE(kith__job_fault(j, &e, "over") == 0);
}

static void work_on(struct kith__job *j)
{
    uint64_t lo, length;

    while (kith__claim(j, 0, 1 + draw(8), &lo, &length)) {
        for (uint64_t i = lo; i < lo + length; i++) {
            atomic_store(&j->cells[0].at, i);
            if (fails(i))
                fail_at_home(j, i);
            else
                *element(j->out, j->out_ring, i) = at_home(*element(j->in, j->in_ring, i));
            counts(j->seq, i);
        }
        if (draw(3) == 0)
            sim_rest((int64_t)draw(10));
        kith__retire(j, 0, length);
    }
    kith__retired(j);
}

/* As the fork server does when the last process of a lane has ended. */
static void end_lane(struct kith__object *o)
{
    struct kith__lane *lane = kith__lane(kith__pool_body(o), 0);
    uint32_t who = atomic_exchange(&lane->member, 0);

    kith__member_free(who);
    kith__wake_all(kith__object_waiters(o, KITH__POOL_CHANGES));
}

static void works(struct client *c, void *arg)
{
    struct kith__pool *p;
    struct kith__job *j;
    uint32_t post;

    (void)c;
    (void)arg;
    while (!play.opened)
        sim_rest(1);
    p = kith__pool_body(play.object);
    for (;;) {
        if ((j = kith__job_find(p, kith__lane(p, 0), &post))) {
            work_on(j);
            kith__job_leave(kith__lane(p, 0), j);
        } else if (atomic_load(&p->state) != KITH__POOL_OPEN) {
            break;
        } else {
            sim_rest(1 + (int64_t)draw(20));
        }
    }
    end_lane(play.object);
}

/* ----------------------------------------------------------------------------- foremen */

static int64_t ask(unsigned method, struct kith__args *in, struct kith__result *out)
{
    return kith__invoke(play.pool.id, KITH__POOL_KIND, method, in, out, KITH_FOREVER);
}

static int64_t tell(unsigned method, const void *bytes, uint64_t size, uint64_t number)
{
    struct kith__args in = { .bytes = bytes, .size = size, .number = number };
    struct kith__result out = { .size = 0 };

    return ask(method, &in, &out);
}

/* It is over, or we count as lost: whatever we have. */
static int is_end(int64_t rc)
{
    return rc == KITH_EEND || rc == KITH_ESTALE || rc == KITH_EPEER;
}

struct foreman {
    struct kith__deal deal;
    union {
        char bytes[GRANT_ROOM];
        struct kith__parcel_grant head;
    } grant;
    union {
        char bytes[GRANT_ROOM];
        struct kith__parcel_result head;
    } result;
    uint64_t size; /* of the result */
    uint32_t node;
};

/* 1: there is one. */
static int claim(struct foreman *f)
{
    struct kith__args in = { .bytes = &f->deal, .size = sizeof f->deal, .number = sizeof f->grant };
    struct kith__result out = { .buf = f->grant.bytes, .room = sizeof f->grant };
    int64_t rc = ask(KITH__POOL_CLAIM, &in, &out);

    CU_ASSERT(rc > 0 || is_end(rc));
    if (rc <= 0)
        return 0;
    REQUIRE(out.size == (uint64_t)rc);
    CU_ASSERT_EQUAL(out.size, sizeof f->grant.head + f->grant.head.grant.length * sizeof(double) +
                                  f->grant.head.described);
    return 1;
}

/* A fault of its unit i, behind the results and those before. */
static void fail_elsewhere(struct foreman *f, uint64_t i)
{
    const struct kith__parcel_fault fault = { .unit = i, .end = KITH_END_FAILED, .code = 9, .text_size = 4 };

    REQUIRE(f->size + kith__parcel_fault_size(4) <= sizeof f->result);
    memcpy(f->result.bytes + f->size, &fault, sizeof fault);
    memcpy(f->result.bytes + f->size + sizeof fault, "over", 4);
    f->size += kith__parcel_fault_size(4);
    f->result.head.faults++;
}

/* The first done of its units. */
static void run(struct foreman *f, uint64_t done)
{
    const struct kith__parcel_grant *g = &f->grant.head;
    double x;

    f->result.head = (struct kith__parcel_result){
        .seq = g->seq, .epoch = g->grant.epoch, .done = done, .size = done * sizeof x, .post = g->post
    };
    for (uint64_t i = 0; i < done; i++) {
        memcpy(&x, f->grant.bytes + sizeof *g + i * sizeof x, sizeof x);
        CU_ASSERT_EQUAL(x, (double)(g->grant.lo + i));
        REQUIRE(g->seq >= 1 && g->seq <= MAPS && g->grant.lo + i < play.units);
        play.tried[g->seq - 1][g->grant.lo + i] = 1;
        x = elsewhere(x);
        memcpy(f->result.bytes + sizeof f->result.head + i * sizeof x, &x, sizeof x);
    }
    f->size = sizeof f->result.head + done * sizeof x;
    for (uint64_t i = 0; i < done; i++)
        if (fails(g->grant.lo + i))
            fail_elsewhere(f, i);
}

/* 0: nobody wants anything from us any more. */
static int give(struct foreman *f)
{
    const struct kith__parcel_result *r = &f->result.head;
    int64_t rc = tell(KITH__POOL_RETURN, f->result.bytes, f->size, 0);

    CU_ASSERT(rc == 0 || is_end(rc));
    CU_ASSERT(rc != KITH_EPEER || sim_is_lost(f->node)); /* it says, too, that the bytes make no sense */
    returned += rc == 0;
    for (uint64_t i = 0; rc == 0 && i < r->done; i++)
        counts(r->seq, f->grant.head.grant.lo + i);
    if (rc == 0 && draw(10) == 0) { /* a second time, when the job may be over, or another one in its place */
        rc = tell(KITH__POOL_RETURN, f->result.bytes, f->size, 0);
        CU_ASSERT(is_end(rc));
        late += rc == KITH_ESTALE;
    }
    return rc == 0 || rc == KITH_ESTALE;
}

static void serve(struct foreman *f)
{
    while (claim(f)) {
        uint64_t length = f->grant.head.grant.length;

        if (draw(3) == 0)
            sim_rest((int64_t)draw(draw(10) ? 20 : 6000));
        run(f, draw(10) ? length : draw(length + 1));
        if (!give(f))
            return;
        f->deal.job = f->grant.head.seq;
        f->deal.last = length;
        f->deal.unit_ns = 1e5 * (double)(1 + draw(20));
    }
}

static void helps(struct client *c, void *arg)
{
    struct foreman *f = calloc(1, sizeof *f);
    int64_t rc;

    (void)arg;
    while (!play.opened)
        sim_rest(1);
    REQUIRE(f != NULL);
    f->node = sim_node(c);
    f->deal = (struct kith__deal){ .workers = WORKERS, .trip_ns = 1e5 * (double)draw(30) };
    rc = tell(KITH__POOL_JOIN, NULL, 0, WORKERS);
    CU_ASSERT(rc == 0 || is_end(rc) || rc == KITH_EINVAL); /* as many as it has places for have come */
    if (rc == 0) {
        serve(f);
        rc = tell(KITH__POOL_LEAVE, NULL, 0, 0);
        CU_ASSERT(rc == 0 || is_end(rc));
    }
    free(f);
}

/* ------------------------------------------------------------------------------- a run */

/* Each unit has a result, of somebody who began it; and where that one has lived to hear so, it counts once.
 */
static void check_units(void)
{
    for (int k = 0; k < play.maps; k++)
        for (uint64_t i = 0; i < play.units; i++) {
            CU_ASSERT(play.ran[k][i] <= 1);
            CU_ASSERT(play.ran[k][i] || play.tried[k][i]);
        }
}

/* Others come, in place of those that have died or besides; a node goes. */
static void stir(const struct weather *w, uint32_t *living)
{
    uint32_t node = 1 + (uint32_t)draw(w->nodes - 1);

    if (w->losses && *living > 1 && draw(12) == 0 && !sim_is_lost(node)) {
        sim_lose(node);
        --*living;
    } else if (draw(2) && !sim_is_lost(node) && sim_count(100) < 8)
        sim_doing(sim_start(node, helps, NULL), 100);
}

static uint32_t some_nodes(void)
{
    const char *given = getenv("KITH_TEST_NODES");

    if (given)
        return (uint32_t)atoi(given);
    return draw(60) ? 2 + (uint32_t)draw(NODES - 1) : 50 + (uint32_t)draw(150);
}

static void play_once(uint64_t s)
{
    struct weather w = { .nodes = some_nodes(), .deaths = s % 4 != 0, .losses = s % 3 == 0 };
    uint32_t living = w.nodes;
    int ended = 0;

    memset(&play, 0, sizeof play);
    play.branches = w.nodes + 40; /* others come in place of the dead */
    play.maps = 1 + (int)draw(MAPS);
    play.fails = draw(4) == 0;
    play.units = draw(3) ? 1 + draw(UNITS) : 1 + draw(20);
    sim_begin(&w);
    sim_draw_weather();
    sim_spare(sim_start(0, maps, NULL));
    sim_spare(sim_start(0, works, NULL));
    for (uint32_t k = 1; k < w.nodes; k++)
        sim_doing(sim_start(k, helps, NULL), 100);
    for (int i = 0; i < 30 && !ended; i++) {
        ended = sim_run((int64_t)draw(400));
        if (!ended)
            stir(&w, &living);
    }
    if (!ended && !sim_run(200000)) {
        sim_show();
        printf("KITH_TEST_SEED=%llu ", (unsigned long long)s);
        CU_FAIL("a map, or its end, waits for ever");
        exit(1);
    }
    check_units();
    sim_calm();
    sim_settle(8000);
    sim_end();
}

static void each_result_counts_once_whoever_dies(void)
{
    sim_seeds(play_once, getenv("KITH_TEST_LONG") ? 3000 : SANITIZED ? 40 : 200);
    CU_ASSERT(getenv("KITH_TEST_SEED") || (returned > 400 && late > 40 && sim_died > 0));
    printf("(%llu returned, %llu too late) ", (unsigned long long)returned, (unsigned long long)late);
}

static void a_pool_is_on_a_thousand_nodes(void)
{
    setenv("KITH_TEST_NODES", "1000", 1);
    sim_seeds(play_once, getenv("KITH_TEST_LONG") ? 15 : SANITIZED ? 1 : 2);
    unsetenv("KITH_TEST_NODES");
}

static struct test tests[] = { TEST(each_result_counts_once_whoever_dies),
                               TEST(a_pool_is_on_a_thousand_nodes), TEST_END };

int main(void)
{
    setenv("KITH_LOG", "error", 1); /* what the library starts in place of the dead finds no worker here */
    sim_init();
    return run_tests("pool_sim", tests);
}
