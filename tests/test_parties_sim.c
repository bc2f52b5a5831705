/* test_parties_sim.c: Pipes, producers, Events, joinable Queues, Conditions and Barriers on several nodes in
 * one process (sim/sim.h): objects at which several clients wait for one another, while some of them die at
 * any failpoint. KITH_TEST_SEED=n repeats one run; KITH_TEST_LONG=1: more of them.
 */
#include "config.h"
#include "check.h"
#include "sim/sim.h"
#include "base/handle.h"
#include "object/class.h"
#include "object/pipe.h"
#include "object/vouch.h"
#include "pool/attend.h"
#include "rpc/mailbox.h"

/* ----------------------------------------------------------------------------- Pipes */

static kith_pipe line[2];
static uint64_t answers_heard;

static void opens_line(struct client *c, void *arg)
{
    kith_pipe ends[2];

    (void)c;
    (void)arg;
    PASS(kith_pipe_open(ends));
    memcpy(line, ends, sizeof line);
}

/* Until it has heard of the other one, that one may have died without having used its end: then nobody tells.
 */
static int patience(int heard)
{
    return heard ? KITH_FOREVER : 20000;
}

static void asks_at_line(struct client *c, void *arg)
{
    int64_t rc = 0;

    (void)c;
    (void)arg;
    for (int i = 0, x; i < 30; i++) {
        x = i;
        if ((rc = kith_pipe_send(line[0], &x, sizeof x, patience(i))) < 0 ||
            (rc = kith_pipe_recv(line[0], &x, sizeof x, patience(i))) < 0)
            break;
        CU_ASSERT(rc == sizeof x && x == i + 1);
        answers_heard++;
    }
    CU_ASSERT(rc >= 0 || rc == KITH_EEND || rc == KITH_ETIMEDOUT);
    PASS(kith_pipe_close(line[0]));
}

static void answers_at_line(struct client *c, void *arg)
{
    int64_t rc = 0;

    (void)c;
    (void)arg;
    for (int i = 0, x; rc >= 0; i++) {
        if ((rc = kith_pipe_recv(line[1], &x, sizeof x, patience(i))) < 0)
            break;
        CU_ASSERT(rc == sizeof x && x == i);
        x++;
        rc = kith_pipe_send(line[1], &x, sizeof x, KITH_FOREVER);
    }
    CU_ASSERT(rc == KITH_EEND || rc == KITH_ETIMEDOUT);
    PASS(kith_pipe_close(line[1]));
}

/* Whoever opened it died before anybody had its handle. */
static void find_line(struct kith__object *o, void *context)
{
    (void)context;
    line[0].id = kith__object_id(o);
    line[1].id = line[0].id | KITH__HANDLE_PART;
}

/* What the two have left open, because they have died. */
static void closes_line(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    kith_pipe_close(line[0]);
    kith_pipe_close(line[1]);
}

static void talk_once(uint64_t s)
{
    struct weather w = { .nodes = 2 + (uint32_t)draw(2), .deaths = s % 3 != 0, .through_net = draw(4) == 0 };
    uint32_t home = (uint32_t)draw(w.nodes);

    memset(line, 0, sizeof line);
    sim_begin(&w);
    sim_draw_weather();
    sim_start(home, opens_line, NULL);
    CU_ASSERT(sim_run(100000));
    if (line[0].id) {
        sim_start((uint32_t)draw(w.nodes), asks_at_line, NULL);
        sim_start((uint32_t)draw(w.nodes), answers_at_line, NULL);
        if (!sim_run(200000)) {
            sim_show();
            printf("KITH_TEST_SEED=%llu ", (unsigned long long)s);
            CU_FAIL("one waits for ever");
            exit(1);
        }
    }
    sim_calm();
    sim_settle(3000);
    sim_enter(home);
    if (!line[0].id)
        kith__objects_each(KITH__PIPE_KIND, find_line, NULL);
    sim_leave();
    if (line[0].id) {
        sim_start(home, closes_line, NULL);
        CU_ASSERT(sim_run(100000));
    }
    sim_settle(3000);
    sim_end();
}

static void who_talks_to_the_dead_learns_of_it(void)
{
    sim_seeds(talk_once, getenv("KITH_TEST_LONG") ? 600 : SANITIZED ? 60 : 260);
    CU_ASSERT(getenv("KITH_TEST_SEED") || answers_heard > 0);
}

/* ------------------------------------------------------- Processes that were named */

/* The Pipe and the Queue are on one node, the Process that is to hold an end, and to produce, on another, and
 * who names it on a third; or some of them on the same one. */
static struct {
    kith_pipe ends[2];
    kith_queue q;
    uint32_t home, node;
} lent;
static uint64_t ends_told, producers_told;

static int does_nothing(const void *arg)
{
    (void)arg;
    return 0;
}

static void opens_lent(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    PASS(kith_pipe_open(lent.ends));
    PASS(kith_check(lent.q = kith_queue_open(0)));
    PASS(kith_queue_producers(lent.q, 1));
}

static void closes_lent(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    PASS(kith_pipe_close(lent.ends[0]));
    PASS(kith_pipe_close(lent.ends[1]));
    PASS(kith_queue_close(lent.q));
}

/* 1: it was done; 0: not, as the node of the Process is lost. */
static int is_done(int rc)
{
    CU_ASSERT(rc == 0 || (rc == KITH_EPEER && sim_is_lost(lent.node)));
    return rc == 0;
}

/* It hears of the end of a Process that says nothing itself. */
static void names_and_waits(struct client *c, void *arg)
{
    kith_process p = kith_process_start_with(does_nothing, NULL, 0, .node = KITH_NODE((int)lent.node));
    int x;

    (void)c;
    (void)arg;
    if (!is_done(kith_check(p)))
        return;
    if (draw(2))
        sim_rest((int64_t)draw(30));
    if (is_done(kith_pipe_give(lent.ends[1], p))) {
        sim_doing(c, 1);
        FAILS_WITH(KITH_EEND, kith_pipe_recv(lent.ends[0], &x, sizeof x, KITH_FOREVER));
        ends_told++;
    }
    if (is_done(kith_queue_producer(lent.q, p))) {
        sim_doing(c, 2);
        FAILS_WITH(KITH_EEND, kith_queue_get(lent.q, &x, sizeof x, KITH_FOREVER));
        producers_told++;
    }
    is_done(kith_process_close(p));
}

/* The same, the other way round: it is a producer before it has an end. */
static void names_a_producer_first(struct client *c, void *arg)
{
    kith_process p = kith_process_start_with(does_nothing, NULL, 0, .node = KITH_NODE((int)lent.node));
    int x, is_producer;

    (void)c;
    (void)arg;
    if (!is_done(kith_check(p)))
        return;
    is_producer = is_done(kith_queue_producer(lent.q, p));
    if (is_done(kith_pipe_give(lent.ends[1], p)))
        FAILS_WITH(KITH_EEND, kith_pipe_recv(lent.ends[0], &x, sizeof x, KITH_FOREVER));
    if (is_producer)
        FAILS_WITH(KITH_EEND, kith_queue_get(lent.q, &x, sizeof x, KITH_FOREVER));
    is_done(kith_process_close(p));
}

static void close_lent(void)
{
    sim_calm();
    sim_settle(3000);
    sim_start(lent.home, closes_lent, NULL);
    CU_ASSERT_FATAL(sim_run(100000));
    sim_settle(3000);
    sim_end();
}

/* The node of the Process may be lost before it is named, while it is, or after it. */
static void name_once(uint64_t s)
{
    struct weather w = { .nodes = 3, .losses = s % 4 == 0, .through_net = draw(4) == 0 };
    uint32_t from = (uint32_t)draw(w.nodes);

    memset(&lent, 0, sizeof lent);
    lent.home = (uint32_t)draw(w.nodes);
    lent.node = (uint32_t)draw(w.nodes);
    sim_begin(&w);
    sim_start(lent.home, opens_lent, NULL);
    CU_ASSERT_FATAL(sim_run(100000));
    sim_draw_weather();
    sim_start(from, draw(2) ? names_and_waits : names_a_producer_first, NULL);
    sim_run((int64_t)draw(60));
    if (w.losses && lent.node != lent.home && lent.node != from)
        sim_lose(lent.node);
    if (!sim_run(200000)) {
        sim_show();
        printf("KITH_TEST_SEED=%llu: %u named on %u what is on %u ", (unsigned long long)s, from, lent.node,
               lent.home);
        CU_FAIL("nobody tells that the Process has ended");
        exit(1);
    }
    close_lent();
}

static void the_end_of_a_process_that_was_named_is_told(void)
{
    sim_seeds(name_once, getenv("KITH_TEST_LONG") ? 600 : SANITIZED ? 50 : 200);
    CU_ASSERT(getenv("KITH_TEST_SEED") || (ends_told > 0 && producers_told > 0));
}

/* It runs when it is named: nothing but the name tells of its end. */
static void names_ends_and_waits(struct client *c, void *arg)
{
    kith_process p = kith_process_start_with(does_nothing, NULL, 0, .node = KITH_NODE((int)lent.node));
    int x;

    (void)c;
    (void)arg;
    PASS(kith_pipe_give(lent.ends[1], p));
    PASS(kith_queue_producer(lent.q, p));
    FAILS_WITH(KITH_ETIMEDOUT, kith_pipe_recv(lent.ends[0], &x, sizeof x, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_get(lent.q, &x, sizeof x, 0));
    PASS(kith_process_kill(p));
    FAILS_WITH(KITH_EEND, kith_pipe_recv(lent.ends[0], &x, sizeof x, KITH_FOREVER));
    FAILS_WITH(KITH_EEND, kith_queue_get(lent.q, &x, sizeof x, KITH_FOREVER));
    PASS(kith_process_close(p));
}

/* At once, and not because somebody looked again: for each place of the three. */
static void wherever_they_are_it_is_told_soon(void)
{
    static const struct weather three = { .nodes = 3 };

    for (uint32_t i = 0; i < 27; i++) {
        sim_begin(&three);
        sim_calm();
        sim_processes_stay();
        lent.home = i % 3;
        lent.node = i / 3 % 3;
        sim_start(lent.home, opens_lent, NULL);
        CU_ASSERT_FATAL(sim_run(1000));
        sim_start(i / 9, names_ends_and_waits, NULL);
        CU_ASSERT_FATAL(sim_run(500));
        close_lent();
    }
}

/* Both die at any moment. */
static void names_and_dies(struct client *c, void *arg)
{
    kith_process p = kith_process_start_with(does_nothing, NULL, 0, .node = KITH_NODE((int)lent.node));

    (void)c;
    (void)arg;
    PASS(kith_check(p));
    sim_rest((int64_t)draw(30));
    PASS(kith_pipe_give(lent.ends[1], p));
    PASS(kith_process_close(p));
}

/* Had one of the dead still the end, it would not be over. */
static void names_the_last_one(struct client *c, void *arg)
{
    kith_process p = kith_process_start_with(does_nothing, NULL, 0, .node = KITH_NODE((int)lent.node));
    int x;

    (void)c;
    (void)arg;
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_pipe_give(lent.ends[1], p));
    FAILS_WITH(KITH_EEND, kith_pipe_recv(lent.ends[0], &x, sizeof x, 5000));
    PASS(kith_process_close(p));
}

static void name_and_die(uint64_t s)
{
    const struct weather w = { .nodes = 3, .deaths = 1, .through_net = draw(4) == 0 };

    (void)s;
    memset(&lent, 0, sizeof lent);
    lent.home = (uint32_t)draw(w.nodes);
    lent.node = (uint32_t)draw(w.nodes);
    sim_begin(&w);
    sim_spare(sim_start(lent.home, opens_lent, NULL));
    CU_ASSERT_FATAL(sim_run(100000));
    sim_draw_weather();
    for (int i = 0; i < 12; i++) {
        sim_start((uint32_t)draw(w.nodes), names_and_dies, NULL);
        sim_run((int64_t)draw(40));
    }
    sim_calm();
    sim_settle(3000);
    CU_ASSERT_FATAL(sim_run(100000));
    sim_start(lent.home, names_the_last_one, NULL);
    CU_ASSERT_FATAL(sim_run(100000));
    close_lent();
}

static void nobody_names_the_dead(void)
{
    sim_seeds(name_and_die, getenv("KITH_TEST_LONG") ? 4000 : SANITIZED ? 40 : 400);
}

/* Whoever has joined one that was killed finds what it had on its node as it left it: from any node, at once.
 */
static void kills_and_joins(struct client *c, void *arg)
{
    kith_process p = kith_process_start_with(does_nothing, NULL, 0, .node = KITH_NODE((int)lent.node));
    int x;

    (void)c;
    (void)arg;
    PASS(kith_pipe_give(lent.ends[1], p));
    FAILS_WITH(KITH_ETIMEDOUT, kith_pipe_recv(lent.ends[0], &x, sizeof x, 0));
    PASS(kith_process_kill(p));
    PASS(kith_process_join(p, KITH_FOREVER));
    FAILS_WITH(KITH_EEND, kith_pipe_recv(lent.ends[0], &x, sizeof x, 0));
    PASS(kith_process_close(p));
}

static void join_once(uint64_t s)
{
    static const struct weather w = { .nodes = 3, .deaths = 1 };

    (void)s;
    memset(&lent, 0, sizeof lent);
    lent.home = lent.node = (uint32_t)draw(w.nodes);
    sim_begin(&w);
    sim_processes_stay();
    sim_spare(sim_start(lent.home, opens_lent, NULL));
    CU_ASSERT_FATAL(sim_run(100000));
    sim_draw_weather();
    sim_spare(sim_start((uint32_t)draw(w.nodes), kills_and_joins, NULL));
    CU_ASSERT_FATAL(sim_run(200000));
    close_lent();
}

static void who_is_joined_has_nothing_left_on_its_node(void)
{
    sim_seeds(join_once, getenv("KITH_TEST_LONG") ? 1000 : SANITIZED ? 40 : 150);
}

/* In the guard of an object of node 0: a process of node 1 with that serial number is named, which lived when
 * node 1 had told of so many deaths. */
static int named(uint32_t serial, uint64_t before, uint32_t *is_alive)
{
    struct kith__args in = { .number = UINT64_C(1) << 32 | serial, .bytes = &before, .size = sizeof before };
    struct kith__caller who;
    int rc = kith__named(&in, &who);

    *is_alive = who.member;
    return rc;
}

static void whether_a_death_is_still_to_come_is_known_or_asked_again(void)
{
    static const struct weather two = { .nodes = 2 };
    uint32_t is_alive;

    sim_begin(&two);
    sim_enter(0);
    for (uint32_t i = 0; i < 2 * KITH__DEATHS_KNOWN; i++) {
        uint64_t before = i + 1 < KITH__DEATHS_KNOWN ? 0 : i + 2 - KITH__DEATHS_KNOWN;

        kith__death_told(&(struct kith__caller){ 1, 100 + i, 0 }, NULL, NULL);
        CU_ASSERT(named(100 + i, before, &is_alive) == 0 && !is_alive);
        CU_ASSERT(named(100 + (uint32_t)before, before, &is_alive) == 0 && !is_alive);
        CU_ASSERT(named(99, before, &is_alive) == 0 && is_alive);
        CU_ASSERT(named(99, i + 1, &is_alive) == 0 && is_alive);
        CU_ASSERT(named(99, i + 9, &is_alive) == 0 && is_alive); /* these have not come yet */
        if (before > 0)
            CU_ASSERT_EQUAL(named(99, before - 1, &is_alive), KITH__ASK_AGAIN);
    }
    kith__death_told(&(struct kith__caller){ 1, 0, 0 }, NULL, NULL);
    CU_ASSERT(named(99, 0, &is_alive) == 0 && !is_alive);
    sim_leave();
    sim_end();
}

/* ------------------------------------------------------------------ attendants */

static int waits_and_ends(const void *end)
{
    kith_pipe e;
    int x;

    memcpy(&e, end, sizeof e);
    return kith_pipe_recv(e, &x, sizeof x, KITH_FOREVER) != sizeof x;
}

static void asks_an_attendant(struct client *c, void *arg)
{
    struct kith__attendant a;
    uint64_t size;
    char *bytes;

    (void)c;
    (void)arg;
    if (kith__attendant_begin(1, waits_and_ends, "attendant", &a) < 0)
        return;
    kith__pipe_pass(a.end, &size, sizeof(int));
    FAILS_WITH(KITH_EEND, kith__pipe_take(a.end, &bytes, &size));
    kith__attendant_dismiss(&a);
}

/* When it was started, and has not got its end yet, too. */
static void lose_once(uint64_t s)
{
    static const struct weather two = { .nodes = 2, .losses = 1 };

    sim_begin(&two);
    sim_draw_weather();
    for (int i = 0; i < 20; i++)
        sim_start(0, asks_an_attendant, NULL);
    sim_run((int64_t)draw(30));
    sim_lose(1);
    if (!sim_run(200000)) {
        sim_show();
        printf("KITH_TEST_SEED=%llu ", (unsigned long long)s);
        CU_FAIL("one waits for its attendant for ever");
        exit(1);
    }
    sim_calm();
    sim_settle(40000);
    sim_end();
}

static void an_attendant_that_is_lost_is_told(void)
{
    sim_seeds(lose_once, getenv("KITH_TEST_LONG") ? 600 : SANITIZED ? 30 : 100);
}

/* ---------------------------------------------------------------------------- Events */

static struct {
    kith_event start;
    uint32_t home;
} meeting;
static uint64_t started;

static void waits_for_the_start(struct client *c, void *arg)
{
    int rc;

    (void)c;
    (void)arg;
    while ((rc = kith_event_wait(meeting.start, draw(2) ? KITH_FOREVER : (int)draw(50))) == KITH_ETIMEDOUT)
        sim_rest((int64_t)draw(20));
    CU_ASSERT_EQUAL(rc, 0);
    started++;
}

static void gives_the_start(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    sim_rest((int64_t)draw(50));
    PASS(kith_event_set(meeting.start));
}

static void closes_meeting(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    PASS(kith_event_close(meeting.start));
}

/* Whoever dies, and if the one that was to give the start has died over it: all start at once. */
static void start_once(uint64_t s)
{
    struct weather w = { .nodes = 2 + (uint32_t)draw(2), .deaths = s % 3 != 0, .through_net = draw(4) == 0 };

    sim_begin(&w);
    sim_draw_weather();
    meeting.home = (uint32_t)draw(w.nodes);
    sim_enter(meeting.home);
    PASS(kith_check(meeting.start = kith_event_open()));
    sim_leave();
    for (uint64_t i = 1 + draw(5); i > 0; i--)
        sim_start((uint32_t)draw(w.nodes), waits_for_the_start, NULL);
    if (draw(2))
        sim_start((uint32_t)draw(w.nodes), gives_the_start, NULL);
    sim_run((int64_t)draw(300));
    sim_calm();
    sim_settle(3000);
    sim_start(meeting.home, gives_the_start, NULL);
    if (!sim_run(900)) { /* not because it looked again after a second */
        sim_show();
        CU_FAIL("a start reaches not all that wait for it");
        CU_ASSERT_FATAL(sim_run(200000));
    }
    sim_start(meeting.home, closes_meeting, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    sim_settle(3000);
    sim_end();
}

static void a_start_reaches_all_that_wait(void)
{
    sim_seeds(start_once, getenv("KITH_TEST_LONG") ? 300 : SANITIZED ? 30 : 100);
    CU_ASSERT(getenv("KITH_TEST_SEED") || started > 0);
}

/* ------------------------------------------------------------- a joinable Queue, by priority */

enum { JOBS = 24, TAKERS = 6 };

static struct {
    kith_queue q;
    int put[JOBS], done[JOBS];
} work;
static uint64_t jobs_again;

static void puts_jobs(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    for (int i = 0; i < JOBS; i++) {
        PASS(kith_queue_put_priority(work.q, &i, sizeof i, (int)draw(3), KITH_FOREVER));
        work.put[i] = 1;
    }
}

/* Takes some and does them; or dies anywhere on the way. */
static void does_jobs(struct client *c, void *arg)
{
    int64_t rc = 0;
    int x;

    (void)c;
    (void)arg;
    for (uint64_t n = 1 + draw(JOBS); n > 0 && rc >= 0; n--) {
        rc = kith_queue_get(work.q, &x, sizeof x, (int)draw(500));
        if (rc < 0)
            break;
        CU_ASSERT_FATAL(rc == sizeof x && x >= 0 && x < JOBS);
        sim_rest((int64_t)draw(20));
        jobs_again += work.done[x]++ > 0;
        rc = kith_queue_task_done(work.q);
    }
    CU_ASSERT(rc >= 0 || rc == KITH_ETIMEDOUT);
}

static void does_the_rest(struct client *c, void *arg)
{
    int rc = KITH_ETIMEDOUT;

    for (int i = 0; i < 300 && rc == KITH_ETIMEDOUT; i++) {
        does_jobs(c, arg);
        rc = kith_queue_join(work.q, 200);
    }
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_EQUAL(kith_queue_size(work.q), 0);
    PASS(kith_queue_close(work.q));
}

static void work_once(uint64_t s)
{
    struct weather w = { .nodes = 2 + (uint32_t)draw(2), .deaths = s % 3 != 0, .through_net = draw(4) == 0 };
    uint32_t home = (uint32_t)draw(w.nodes);

    memset(&work, 0, sizeof work);
    sim_begin(&w);
    sim_draw_weather();
    sim_enter(home);
    work.q = kith_queue_open_with(draw(2) ? 3 : 0, .order = KITH_PRIORITY, .joinable = 1);
    sim_leave();
    sim_start((uint32_t)draw(w.nodes), puts_jobs, NULL);
    for (int i = 0; i < TAKERS; i++)
        sim_start((uint32_t)draw(w.nodes), does_jobs, NULL);
    if (!sim_run(20000))
        sim_start(home, does_jobs, NULL); /* whoever waits for a place gets it */
    sim_run(200000);
    sim_calm();
    sim_start(home, does_the_rest, NULL);
    if (!sim_run(400000)) {
        sim_show();
        printf("KITH_TEST_SEED=%llu ", (unsigned long long)s);
        CU_FAIL("the jobs are never done");
        exit(1);
    }
    for (int i = 0; i < JOBS; i++)
        CU_ASSERT(!work.put[i] || (w.deaths ? work.done[i] > 0 : work.done[i] == 1));
    sim_settle(3000);
    sim_end();
}

static void jobs_of_the_dead_are_done_by_others(void)
{
    jobs_again = 0;
    sim_seeds(work_once, getenv("KITH_TEST_LONG") ? 600 : SANITIZED ? 40 : 200);
    printf("%llu jobs came again ", (unsigned long long)jobs_again);
}

/* ------------------------------------------------------------------------ Conditions */

/* A cell that consumers empty and producers fill, under a Condition; in its words, who is there counts. */
static struct {
    kith_cond cond;
    uint32_t home;
    int inside, full;
    int unsaid;     /* of the full ones, whose producer has not notified yet, or died over it */
    int owner_died; /* with a notification, perhaps */
} cell;

/* 1: it owns the Condition. */
static int owns_cell(int rc)
{
    if (rc != 0 && rc != KITH_ETIMEDOUT && rc != KITH_EOWNERDEAD) {
        printf("\n    a Condition gives %d; last error: %s\n", rc, kith_last_error());
        CU_FAIL("it gives what it should not");
    }
    if (rc == KITH_EOWNERDEAD) {
        cell.inside = 0;
        cell.owner_died = 1;
    }
    return rc == 0 || rc == KITH_EOWNERDEAD;
}

static void stays_in_cell(void)
{
    CU_ASSERT_EQUAL(cell.inside++, 0);
    sim_rest((int64_t)draw(5));
    CU_ASSERT_EQUAL(--cell.inside, 0);
}

static int is_full(void *arg)
{
    (void)arg;
    return cell.full > 0;
}

static void empties_cell(struct client *c, void *arg)
{
    int rc;

    (void)c;
    (void)arg;
    if (!owns_cell(kith_cond_acquire(cell.cond, KITH_FOREVER)))
        return;
    stays_in_cell();
    while ((rc = kith_cond_wait_for(cell.cond, is_full, NULL, draw(4) ? KITH_FOREVER : (int)draw(30))) < 0)
        if (!owns_cell(rc) && rc != KITH_ETIMEDOUT)
            return;
    cell.full--;
    stays_in_cell();
    PASS(kith_cond_release(cell.cond));
}

static void fills_cell(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    if (!owns_cell(kith_cond_acquire(cell.cond, KITH_FOREVER)))
        return;
    stays_in_cell();
    cell.full++;
    cell.unsaid++;
    PASS(kith_cond_notify(cell.cond, 1));
    cell.unsaid--;
    PASS(kith_cond_release(cell.cond));
}

static void looks_at_cell(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    owns_cell(kith_cond_acquire(cell.cond, KITH_FOREVER));
    PASS(kith_cond_release(cell.cond));
}

static void closes_cell(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    PASS(kith_cond_close(cell.cond));
}

/* Nobody waits though it was notified; nor though one was that died before it had the Condition again. */
static void nobody_waits_for_what_is_there(void)
{
    sim_start(cell.home, looks_at_cell, NULL);
    sim_run(1000);
    if (sim_run(0) || cell.owner_died || cell.full <= cell.unsaid)
        return;
    sim_show();
    CU_FAIL("a notification is lost");
}

/* What is filled now is emptied, and not because one looks again after a second. */
static void fill_one_more(void)
{
    int full = cell.full;

    sim_start(cell.home, fills_cell, NULL);
    for (int i = 0; i < 9; i++)
        if (sim_run(100))
            return;
    if (cell.full <= full)
        return;
    sim_show();
    CU_FAIL("one that is notified does not wake up");
}

static void fill_once(uint64_t s)
{
    struct weather w = { .nodes = 2 + (uint32_t)draw(2), .deaths = s % 3 != 0, .through_net = draw(4) == 0 };
    struct client *consumer[6];
    uint64_t consumers = 1 + draw(5);

    sim_begin(&w);
    sim_draw_weather();
    memset(&cell, 0, sizeof cell);
    cell.home = (uint32_t)draw(w.nodes);
    sim_enter(cell.home);
    PASS(kith_check(cell.cond = kith_cond_open()));
    sim_leave();
    for (uint64_t i = 0; i < consumers; i++)
        consumer[i] = sim_start((uint32_t)draw(w.nodes), empties_cell, NULL);
    for (uint64_t i = draw(consumers + 1); i > 0; i--) {
        sim_run((int64_t)draw(60));
        sim_start((uint32_t)draw(w.nodes), fills_cell, NULL);
        sim_run((int64_t)draw(30));
        if (w.deaths && draw(2)) /* perhaps the one that is notified and does not know it yet */
            sim_kill(consumer[draw(consumers)]);
    }
    sim_run((int64_t)draw(300));
    sim_calm();
    sim_settle(3000);
    nobody_waits_for_what_is_there();
    for (uint64_t i = 0; i < consumers && !sim_run(0); i++)
        fill_one_more();
    CU_ASSERT_FATAL(sim_run(200000));
    sim_start(cell.home, closes_cell, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    sim_settle(3000);
    sim_end();
}

/* Killed so long after the notification: when it is on its way, when the Condition is, or after it. */
static void kill_the_notified(int ms)
{
    static const struct weather two = { .nodes = 2 };
    struct client *first = NULL;

    sim_begin(&two);
    memset(&cell, 0, sizeof cell);
    cell.home = 0;
    sim_calm();
    sim_enter(0);
    PASS(kith_check(cell.cond = kith_cond_open()));
    sim_leave();
    for (int i = 0; i < 2; i++) {
        struct client *c = sim_start(1, empties_cell, NULL);

        first = i == 0 ? c : first;
        sim_run(500);
    }
    sim_start(0, fills_cell, NULL);
    sim_run(ms);
    sim_kill(first);
    sim_settle(3000);
    nobody_waits_for_what_is_there();
    while (!sim_run(1000))
        fill_one_more();
    sim_start(0, closes_cell, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    sim_settle(1000);
    sim_end();
}

static void a_notification_on_its_way_to_the_dead_goes_to_another(void)
{
    for (int ms = 0; ms < 30; ms++)
        kill_the_notified(ms);
}

static void whoever_dies_leaves_its_notification_to_others(void)
{
    sim_seeds(fill_once, getenv("KITH_TEST_LONG") ? 600 : SANITIZED ? 40 : 150);
}

/* -------------------------------------------------------------------------- Barriers */

enum { MOST_ROUNDS = 8 };

static struct {
    kith_barrier barrier;
    uint32_t home;
    int parties;
    unsigned places[MOST_ROUNDS]; /* that somebody had, in this round */
    int arrived[MOST_ROUNDS];
    uint64_t passed, broken;
} ring;

/* Nobody goes on before all are there, each with another place. */
static void goes_round(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    for (int i = 0; i < MOST_ROUNDS; i++) {
        int rc;

        ring.arrived[i]++;
        rc = kith_barrier_wait(ring.barrier, KITH_FOREVER);
        if (rc == KITH_EBROKEN) {
            ring.broken++;
            return;
        }
        CU_ASSERT(rc >= 0 && rc < ring.parties);
        CU_ASSERT_EQUAL(ring.arrived[i], ring.parties);
        CU_ASSERT(!(ring.places[i] >> rc & 1));
        ring.places[i] |= 1u << rc;
        ring.passed++;
    }
}

static void breaks_ring(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    PASS(kith_barrier_abort(ring.barrier));
}

static void closes_ring(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    PASS(kith_barrier_close(ring.barrier));
}

static void open_ring(uint32_t home, int parties)
{
    uint64_t passed = ring.passed, broken = ring.broken;

    memset(&ring, 0, sizeof ring);
    ring.passed = passed;
    ring.broken = broken;
    ring.home = home;
    ring.parties = parties;
    sim_enter(home);
    PASS(kith_check(ring.barrier = kith_barrier_open(parties)));
    sim_leave();
}

static void close_ring(void)
{
    sim_start(ring.home, closes_ring, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    sim_settle(3000);
    sim_end();
}

/* Who waits for one that died on its way there is let go by an abort. */
static void go_round_once(uint64_t s)
{
    struct weather w = { .nodes = 2 + (uint32_t)draw(2), .deaths = s % 3 != 0, .through_net = draw(4) == 0 };

    sim_begin(&w);
    sim_draw_weather();
    open_ring((uint32_t)draw(w.nodes), 1 + (int)draw(4));
    for (int i = 0; i < ring.parties; i++)
        sim_start((uint32_t)draw(w.nodes), goes_round, NULL);
    if (!w.deaths)
        CU_ASSERT_FATAL(sim_run(200000));
    sim_run(2000);
    sim_calm();
    sim_settle(3000);
    if (!sim_run(0)) {
        sim_start(ring.home, breaks_ring, NULL);
        CU_ASSERT(sim_run(900));
    }
    close_ring();
}

static void all_go_on_together_or_learn_that_it_is_broken(void)
{
    sim_seeds(go_round_once, getenv("KITH_TEST_LONG") ? 400 : SANITIZED ? 40 : 150);
    CU_ASSERT(getenv("KITH_TEST_SEED") || (ring.passed > 0 && ring.broken > 0));
}

/* One of three has not come yet. */
static void a_death_at_a_barrier_is_told_on_all_nodes(void)
{
    static const struct weather two = { .nodes = 2 };

    for (uint32_t node = 0; node < 2; node++) {
        struct client *one;

        sim_begin(&two);
        sim_calm();
        open_ring(0, 3);
        one = sim_start(node, goes_round, NULL);
        sim_start(!node, goes_round, NULL);
        CU_ASSERT(!sim_run(1000));
        sim_kill(one);
        CU_ASSERT_FATAL(sim_run(2000));
        CU_ASSERT_EQUAL(ring.places[0], 0);
        close_ring();
    }
}

static struct test tests[] = {
    TEST(a_start_reaches_all_that_wait),
    TEST(jobs_of_the_dead_are_done_by_others),
    TEST(whoever_dies_leaves_its_notification_to_others),
    TEST(a_notification_on_its_way_to_the_dead_goes_to_another),
    TEST(all_go_on_together_or_learn_that_it_is_broken),
    TEST(a_death_at_a_barrier_is_told_on_all_nodes),
    TEST(who_talks_to_the_dead_learns_of_it),
    TEST(wherever_they_are_it_is_told_soon),
    TEST(the_end_of_a_process_that_was_named_is_told),
    TEST(nobody_names_the_dead),
    TEST(an_attendant_that_is_lost_is_told),
    TEST(who_is_joined_has_nothing_left_on_its_node),
    TEST(whether_a_death_is_still_to_come_is_known_or_asked_again),
    TEST_END,
};

int main(void)
{
    sim_init();
    return run_tests("parties_sim", tests);
}
