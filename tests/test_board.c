/* test_board.c: claims. One process plays all workers of a job, so each interleaving is drawn and can be
 * repeated. */
#include "config.h"
#include "pool/board.h"
#include "pool/call.h"
#include "check.h"
#include "pool/pool.h"

#include <sched.h>
#include <setjmp.h>

enum { WORKERS_MOST = 8, UNITS_MOST = 200000 };

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
        uint64_t cursor, lo, length;
        jmp_buf dies;
    } worker[WORKERS_MOST];
    unsigned char runs[UNITS_MOST]; /* of each unit, to its end */
    int self, depth, mortal;
    long steps, deaths, retired_in_middle;
} play;

/* The true workers are asleep before anything is played: when they begin they settle what was before them. */
static kith_pool open_pool(void)
{
    kith_pool opened = kith_pool_open_with(WORKERS_MOST, .tries = 1000000);

    if (kith__pool_find(opened, &object) < 0)
        check_die("a pool", __FILE__, __LINE__);
    pool = kith__pool_body(object);
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
    play.worker[w].cursor = 0;
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

            self->has = kith__claim(play.j, w, draw(3) ? 1 + draw(64) : 32767, &self->cursor, &self->lo,
                                    &self->length);
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

/* ---- deaths and others in the middle of a claim */

static void act(void);

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
        self->has = kith__claim(play.j, w, 1 + draw(5), &self->cursor, &self->lo, &self->length);
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

/* ---- the frontier */

/* Worker 0 takes all that there is while worker 1 is about to. */
static void take_all(const char *step)
{
    struct worker *self = &play.worker[0];

    if (strcmp(step, "claim: intent written") == 0 && !self->has) {
        self->has = 1;
        self->has = kith__claim(play.j, 0, 32767, &self->cursor, &self->lo, &self->length);
    }
}

/* Each would have to be looked for in the cells of all others, at each look for the frontier. */
static void who_comes_too_late_leaves_no_intent(void)
{
    uint64_t cursor = 0, lo, length, intent;

    begin(WORKERS_MOST, 100);
    atomic_store(&play.j->limit, 50);
    kith__failpoint_hook = take_all;
    CU_ASSERT_EQUAL(kith__claim(play.j, 1, 10, &cursor, &lo, &length), 0);
    kith__failpoint_hook = NULL;
    CU_ASSERT(play.worker[0].has && play.worker[0].length == 50);
    intent = atomic_load(&play.j->cells[1].intent);
    CU_ASSERT_EQUAL(intent & 65535, 0);
    CU_ASSERT_EQUAL(kith__job_frontier(play.j), 0);
    run(0, 50);
    kith__retire(play.j, 0, 50);
    CU_ASSERT_EQUAL(kith__job_frontier(play.j), 50);
    atomic_store(&play.j->limit, 100);
    CU_ASSERT_EQUAL(kith__claim(play.j, 1, 50, &cursor, &lo, &length), 1);
    CU_ASSERT(lo == 50 && length == 50 && kith__job_frontier(play.j) == 50);
    run(lo, lo + length);
    kith__retire(play.j, 1, length);
    end();
}

static struct test tests[] = { TEST(what_the_dead_had_has_room),
                               TEST(claims_survive_others_and_deaths_at_each_step),
                               TEST(who_comes_too_late_leaves_no_intent), TEST_END };

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
