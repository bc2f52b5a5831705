/* test_board.c: claims. One process plays all workers of a job, so each interleaving is drawn and can be
 * repeated. */
#include "config.h"
#include "pool/board.h"
#include "pool/call.h"
#include "pool/claim.h"
#include "pool/grant.h"
#include "check.h"
#include "pool/pool.h"
#include "pool/settle.h"

#include <sched.h>
#include <setjmp.h>

enum { WORKERS_MOST = 8, UNITS_MOST = 200000, GRANTS = 12, NODES = 3 };

static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static struct kith__object *object;
static struct kith__pool *pool; /* in it */

static struct play {
    struct kith__job *j;
    uint32_t post, workers;
    uint64_t units;
    struct worker {
        int busy, has; /* in the middle of a claim; has one */
        uint64_t lo, length;
        jmp_buf dies;
    } worker[WORKERS_MOST];
    unsigned char runs[UNITS_MOST]; /* of each unit, to its end */
    int self, depth, mortal;
    long steps, deaths, retired_in_middle;
    /* The last worker's cell is that of who speaks for other nodes, in some tests. */
    int speaks, granted;
    uint64_t epoch;
    struct {
        struct kith__grant g;
        struct kith__caller who;
    } grant[GRANTS]; /* that are not settled */
    long settled, lost;
} play;

/* The true workers are asleep before anything is played: when they begin they settle what was before them. */
static kith_pool open_pool(void)
{
    kith_pool opened = kith_pool_open_with(WORKERS_MOST, .tries = 1000000);

    if (kith__pool_find(opened, &object) < 0)
        check_die("a pool", __FILE__, __LINE__);
    pool = kith__pool_body(object);
    pool->grants = GRANTS; /* before it has a job */
    for (uint32_t w = 0; w < WORKERS_MOST; w++)
        while (atomic_load(&kith__lane(pool, w)->state) != KITH__LANE_READY)
            sched_yield();
    return opened;
}

/* A job of which the true workers of the pool see nothing, for so many that are played. */
static void begin(uint32_t workers, uint64_t units)
{
    int rc;

    memset(&play, 0, sizeof play);
    kith__guard_enter(&object->guard);
    play.j = kith__job_take(object, &play.post, &rc);
    kith__object_leave(object);
    CU_ASSERT_FATAL(play.j != NULL);
    play.j->seq = 1000;
    play.j->workers = workers;
    play.j->units = units;
    play.j->tries = 1000000;
    atomic_store(&play.j->limit, units);
    play.workers = workers;
    play.units = units;
    play.self = -1;
}

static void end(void)
{
    long wrong = 0;

    for (uint64_t i = 0; i < play.units; i++)
        wrong += play.runs[i] != 1;
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(kith__job_complete(play.j));
    CU_ASSERT_EQUAL(kith__job_frontier(play.j), play.units);
    kith__job_withdraw(pool, play.post);
}

static void run(uint64_t lo, uint64_t end)
{
    for (uint64_t i = lo; i < end; i++)
        play.runs[i]++;
}

/* Worker w has died, and its successor begins. */
static void die(uint32_t w)
{
    struct kith__lane *lane = kith__lane(pool, w);

    atomic_store(&lane->touching[0], kith__touch(play.j->seq, play.post));
    atomic_store(&lane->depth, 1);
    atomic_store(&lane->death.unsettled, 1);
    kith__settle(pool, w);
    play.worker[w].has = 0;
    play.deaths++;
}

/* Some of its claim is done, one unit begun. */
static void die_inside(uint32_t w)
{
    struct worker *self = &play.worker[w];
    uint64_t at = self->lo + draw(self->length);

    atomic_store(&play.j->cells[w].at, at);
    run(self->lo, at);
    die(w);
}

/* ---- many deaths at once */

/* They claim, and many die at once in the middle of it, before what others had is done. The list of what goes
 * back has room for all. */
static void what_the_dead_had_has_room(void)
{
    uint64_t most_returned = 0;

    begin(WORKERS_MOST, UNITS_MOST);
    while (!kith__job_complete(play.j) && atomic_load(&play.j->returned_count) <= play.j->room) {
        for (uint32_t w = 0; w < play.workers; w++) {
            struct worker *self = &play.worker[w];

            self->has = kith__claim(play.j, w, draw(3) ? 1 + draw(64) : 32767, &self->lo, &self->length);
        }
        for (uint32_t w = 0; w < play.workers; w++) {
            struct worker *self = &play.worker[w];

            if (!self->has)
                continue;
            if (draw(20) == 0) {
                run(self->lo, self->lo + self->length);
                kith__retire(play.j, w, self->length);
            } else
                die_inside(w);
            if (atomic_load(&play.j->returned_count) > most_returned)
                most_returned = atomic_load(&play.j->returned_count);
        }
    }
    CU_ASSERT(most_returned > play.workers && most_returned <= play.j->room);
    end();
}

/* ---- other nodes */

static void act(void);

static void make_grant(uint32_t cell, uint64_t most)
{
    struct kith__caller who = { 1 + (uint32_t)draw(NODES), 1 + (uint32_t)draw(2), 0 };
    struct kith__grant g;

    if (!kith__grant_make(play.j, cell, most, &who, ++play.epoch, &g))
        return;
    CU_ASSERT_FATAL(play.granted < GRANTS);
    CU_ASSERT(g.epoch == play.epoch && g.length >= 1);
    play.grant[play.granted].g = g;
    play.grant[play.granted++].who = who;
}

/* It comes back: all of it, or only what was done before somebody gave up. Whoever brings it again comes too
 * late. */
static void settle_grant(uint32_t cell, int whole)
{
    int i = (int)draw((uint64_t)play.granted);
    struct kith__grant g = play.grant[i].g, found;
    struct kith__caller who = play.grant[i].who, other = { who.node + 1, who.member, 0 };
    uint64_t done = whole ? g.length : draw(g.length);

    play.grant[i] = play.grant[--play.granted];
    CU_ASSERT(kith__grant_find(play.j, g.epoch, &who, &found) && found.lo == g.lo &&
              found.length == g.length);
    CU_ASSERT(!kith__grant_find(play.j, g.epoch, &other, &found));
    run(g.lo, g.lo + done);
    CU_ASSERT(!kith__grant_settle(play.j, cell, g.epoch, g.length + 1, 0));
    CU_ASSERT(kith__grant_settle(play.j, cell, g.epoch, done, 1));
    CU_ASSERT(!kith__grant_settle(play.j, cell, g.epoch, g.length, 0));
    play.settled++;
}

/* A node, or a process of it, is gone; its results may come later than that, and are nobody's. */
static void lose_holder(uint32_t cell, uint32_t node, uint32_t member)
{
    struct kith__caller who = { node, member, 0 };
    uint32_t had = 0;

    for (int i = play.granted - 1; i >= 0; i--)
        had += play.grant[i].who.node == node && (member == 0 || play.grant[i].who.member == member);
    CU_ASSERT_EQUAL(kith__grants_give_back(play.j, cell, &who), had);
    for (int i = play.granted - 1; i >= 0; i--)
        if (play.grant[i].who.node == node && (member == 0 || play.grant[i].who.member == member)) {
            CU_ASSERT(!kith__grant_settle(play.j, cell, play.grant[i].g.epoch, play.grant[i].g.length, 0));
            play.grant[i] = play.grant[--play.granted];
        }
    play.lost += had;
}

static void speak(uint32_t cell)
{
    int outer = play.self, outer_mortal = play.mortal;

    play.self = (int)cell;
    play.mortal = 0; /* its death is that of its node */
    play.depth++;
    play.worker[cell].busy = 1;
    if (draw(2) == 0)
        make_grant(cell, 1 + draw(8));
    else if (draw(8) == 0)
        lose_holder(cell, 1 + (uint32_t)draw(NODES), (uint32_t)draw(3));
    else if (play.granted > 0)
        settle_grant(cell, draw(4) != 0);
    play.worker[cell].busy = 0;
    play.depth--;
    play.self = outer;
    play.mortal = outer_mortal;
}

/* All that nodes have is lost at once, and all workers die. */
static void what_lost_nodes_had_has_room(void)
{
    const uint32_t cell = WORKERS_MOST - 1;
    uint64_t most_returned = 0;

    begin(WORKERS_MOST, UNITS_MOST / 20);
    while (!kith__job_complete(play.j) && atomic_load(&play.j->returned_count) <= play.j->room) {
        for (int i = 0; i < GRANTS; i++)
            make_grant(cell, 1 + draw(64));
        for (uint32_t w = 0; w < cell; w++) {
            struct worker *self = &play.worker[w];

            if (kith__claim(play.j, w, 1 + draw(64), &self->lo, &self->length))
                die_inside(w);
        }
        if (play.granted > 0 && draw(2))
            settle_grant(cell, (int)draw(2));
        for (uint32_t node = 1; node <= NODES; node++)
            lose_holder(cell, node, 0);
        if (atomic_load(&play.j->returned_count) > most_returned)
            most_returned = atomic_load(&play.j->returned_count);
    }
    CU_ASSERT(most_returned > GRANTS && most_returned <= play.j->room);
    end();
}

/* Granted, it is touched, also when nobody of this node is inside; and is not done before it comes back. */
static void a_granted_job_is_touched(void)
{
    struct kith__caller who = { 2, 5, 0 };
    struct kith__grant a, b;

    begin(2, 100);
    CU_ASSERT(kith__grant_make(play.j, 1, 10, &who, 1, &a));
    CU_ASSERT(kith__grant_make(play.j, 1, 90, &who, 2, &b));
    CU_ASSERT(a.lo == 0 && a.length == 10 && b.lo == 10 && b.length == 90);
    CU_ASSERT(!kith__job_untouched(pool, play.post));
    CU_ASSERT_EQUAL(kith__job_frontier(play.j), 0);
    run(10, 100);
    CU_ASSERT(kith__grant_settle(play.j, 1, 2, 90, 0));
    CU_ASSERT(!kith__job_complete(play.j));
    CU_ASSERT_EQUAL(kith__job_frontier(play.j), 0);
    run(0, 10);
    CU_ASSERT(kith__grant_settle(play.j, 1, 1, 10, 0));
    CU_ASSERT(kith__job_untouched(pool, play.post));
    end();
}

/* The tries of a unit go along with it, to another node and back. */
static void tries_go_along(void)
{
    struct kith__caller who = { 2, 5, 0 };
    struct kith__grant g;

    begin(2, 100);
    CU_ASSERT(kith__grant_make(play.j, 1, 100, &who, 1, &g) && g.tries == 0);
    run(0, 40);
    CU_ASSERT(kith__grant_settle(play.j, 1, 1, 40, 1)); /* unit 40 has killed a worker there */
    CU_ASSERT(kith__grant_make(play.j, 1, 100, &who, 2, &g));
    CU_ASSERT(g.lo == 40 && g.length == 1 && g.tries == 1); /* alone: who runs it counts on */
    CU_ASSERT_EQUAL(kith__grants_give_back(play.j, 1, &who), 1);
    CU_ASSERT(kith__grant_make(play.j, 1, 20, &who, 3, &g) && g.lo == 40 && g.length == 1 && g.tries == 1);
    run(40, 41);
    CU_ASSERT(kith__grant_settle(play.j, 1, 3, 1, 0));
    CU_ASSERT(kith__grant_make(play.j, 1, 100, &who, 4, &g) && g.lo == 41 && g.tries == 0);
    run(41, 100);
    CU_ASSERT(kith__grant_settle(play.j, 1, 4, 59, 0));
    end();
}

/* ---- deaths and others in the middle of a claim */

/* At each step of a claim others may go on, as far as they come, and who claims may die. */
static void between(const char *step)
{
    int self = play.self;

    if (self < 0 || strncmp(step, "claim:", 6) != 0)
        return;
    play.steps++;
    while (play.depth < 6 && draw(3) == 0)
        act();
    if (play.mortal && draw(12) == 0)
        longjmp(play.worker[self].dies, 1);
}

static void claim(uint32_t w)
{
    struct worker *self = &play.worker[w];
    int outer = play.self, outer_mortal = play.mortal, depth = play.depth;

    play.self = (int)w;
    play.depth++;
    play.mortal = 1;
    self->busy = 1;
    if (setjmp(self->dies) == 0)
        self->has = kith__claim(play.j, w, 1 + draw(5), &self->lo, &self->length);
    else {
        play.self = -1;
        die(w);
    }
    self = &play.worker[w];
    self->busy = 0;
    play.self = outer;
    play.mortal = outer_mortal;
    play.depth = depth;
}

static void finish(uint32_t w)
{
    struct worker *self = &play.worker[w];
    int outer = play.self, outer_mortal = play.mortal;
    uint64_t done;

    if (draw(8) == 0) {
        die_inside(w);
        return;
    }
    done = draw(4) ? self->length : 1 + draw(self->length); /* or the rest goes back */
    atomic_store(&play.j->cells[w].at, self->lo + done - 1);
    run(self->lo, self->lo + done);
    play.self = (int)w;
    play.mortal = 0; /* here its last unit would be run again */
    play.depth++;
    self->busy = 1;
    self->has = 0;
    if (done == self->length)
        kith__retire(play.j, w, self->length);
    else
        kith__retire_part(play.j, w);
    self->busy = 0;
    play.depth--;
    play.self = outer;
    play.mortal = outer_mortal;
}

/* Nobody may take the results of units that have not been run. */
static void look_at_the_frontier(void)
{
    uint64_t frontier;
    long missing = 0;

    frontier = kith__job_frontier(play.j);
    for (uint64_t i = 0; i < frontier; i++)
        missing += play.runs[i] == 0;
    CU_ASSERT_EQUAL(missing, 0);
}

/* Input comes in pieces, so a claim may find nothing, and more later. */
static void raise_limit(void)
{
    uint64_t limit = atomic_load(&play.j->limit) + 1 + draw(20);

    atomic_store(&play.j->limit, limit < play.units ? limit : play.units);
}

static void act(void)
{
    uint32_t w = (uint32_t)draw(play.workers);

    if (draw(6) == 0)
        raise_limit();
    if (play.worker[w].busy)
        return;
    if (draw(10) == 0)
        look_at_the_frontier();
    if (play.speaks && w == play.workers - 1) {
        speak(w);
        return;
    }
    if (play.worker[w].has)
        finish(w);
    else
        claim(w);
}

static void claims_survive_others_and_deaths_at_each_step(void)
{
    int rounds = getenv("KITH_TEST_LONG") ? 20000 : 2000;
    long steps = 0, deaths = 0;

    for (int round = 0; round < rounds; round++) {
        state = (uint64_t)round;
        begin(1 + (uint32_t)round % WORKERS_MOST, 100);
        play.j->share = (uint64_t)round % 2; /* what goes back is claimed by halves */
        atomic_store(&play.j->limit, 0);
        kith__failpoint_hook = between;
        for (int i = 0; i < 100000 && !kith__job_complete(play.j); i++)
            act();
        kith__failpoint_hook = NULL;
        steps += play.steps;
        deaths += play.deaths;
        end();
    }
    printf("(%ld steps, %ld deaths) ", steps, deaths);
    CU_ASSERT(steps > 100L * rounds && deaths > 10L * rounds);
}

static void so_do_claims_with_grants_among_them(void)
{
    int rounds = getenv("KITH_TEST_LONG") ? 20000 : 1000;
    long settled = 0, lost = 0;

    for (int round = 0; round < rounds; round++) {
        state = (uint64_t)round + 1000000;
        begin(1 + (uint32_t)round % WORKERS_MOST, 100);
        play.speaks = 1;
        atomic_store(&play.j->limit, 0);
        kith__failpoint_hook = between;
        for (int i = 0; i < 100000 && !kith__job_complete(play.j); i++)
            act();
        kith__failpoint_hook = NULL;
        settled += play.settled;
        lost += play.lost;
        end();
    }
    printf("(%ld grants settled, %ld lost) ", settled, lost);
    CU_ASSERT(settled > 2L * rounds && lost > rounds / 4);
}

/* ---- the frontier */

/* Worker 0 takes all that there is while worker 1 is about to. */
static void take_all(const char *step)
{
    struct worker *self = &play.worker[0];

    if (strcmp(step, "claim: intent written") == 0 && !self->has) {
        self->has = 1;
        self->has = kith__claim(play.j, 0, 32767, &self->lo, &self->length);
    }
}

/* Each would have to be looked for in the cells of all others, at each look for the frontier. */
static void who_comes_too_late_leaves_no_intent(void)
{
    uint64_t lo, length, intent;

    begin(WORKERS_MOST, 100);
    atomic_store(&play.j->limit, 50);
    kith__failpoint_hook = take_all;
    CU_ASSERT_EQUAL(kith__claim(play.j, 1, 10, &lo, &length), 0);
    kith__failpoint_hook = NULL;
    CU_ASSERT(play.worker[0].has && play.worker[0].length == 50);
    intent = atomic_load(&play.j->cells[1].intent);
    CU_ASSERT_EQUAL(intent & 65535, 0);
    CU_ASSERT_EQUAL(kith__job_frontier(play.j), 0);
    run(0, 50);
    kith__retire(play.j, 0, 50);
    CU_ASSERT_EQUAL(kith__job_frontier(play.j), 50);
    atomic_store(&play.j->limit, 100);
    CU_ASSERT_EQUAL(kith__claim(play.j, 1, 50, &lo, &length), 1);
    CU_ASSERT(lo == 50 && length == 50 && kith__job_frontier(play.j) == 50);
    run(lo, lo + length);
    kith__retire(play.j, 1, length);
    end();
}

static struct test tests[] = { TEST(what_the_dead_had_has_room),
                               TEST(what_lost_nodes_had_has_room),
                               TEST(a_granted_job_is_touched),
                               TEST(tries_go_along),
                               TEST(claims_survive_others_and_deaths_at_each_step),
                               TEST(so_do_claims_with_grants_among_them),
                               TEST(who_comes_too_late_leaves_no_intent),
                               TEST_END };

int main(int argc, char **argv)
{
    kith_pool opened;
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    opened = open_pool();
    rc = run_tests("board", tests);
    kith_pool_close(opened);
    return kith_finalize() ? 1 : rc;
}
