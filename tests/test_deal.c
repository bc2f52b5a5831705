/* test_deal.c: what nodes are granted. The rules by themselves; and in a simulation of whole jobs on nodes of
 * different speed and distance, by the time that is lost against a division that knows everything. */
#include "config.h"
#include "check.h"
#include "pool/chunk.h"
#include "pool/deal.h"

#include <math.h>

/* ------------------------------------------------------------------ the rules */

/* A node with 8 workers, 1 ms away, whose units take 10 µs each. */
static struct kith__deal known(void)
{
    struct kith__deal d = { .workers = 8 };

    kith__deal_travelled(&d, 8, 1000000);
    kith__deal_ran(&d, 8000, 80000000);
    return d;
}

static struct kith__deal_job large(void)
{
    return (struct kith__deal_job){ .left = 10000000, .in_size = 8, .out_size = 8, .workers = 16 };
}

static void the_first_grant_is_one_unit_for_each_worker(void)
{
    struct kith__deal d = { .workers = 8 };
    struct kith__deal_job j = large();

    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 8);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 0, 0), 2);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 8, 1), 0);
}

static void a_grant_is_worth_the_round_trip(void)
{
    struct kith__deal d = known();
    struct kith__deal_job j = large();

    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 800); /* 8 workers, 1 ms */
    kith__deal_travelled(&d, 8, 100);              /* or a millisecond, where that is shorter */
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 800);
    d.trip_ns = 5e6;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 4000);
}

static void grants_grow_eightfold_at_most(void)
{
    struct kith__deal d = { .workers = 8 };
    struct kith__deal_job j = large();

    kith__deal_ran(&d, 8, 10);
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 64);
    kith__deal_ran(&d, 32767, 1000);
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), KITH__CHUNK_MOST);
}

static void a_dear_unit_is_remembered(void)
{
    struct kith__deal d = { .workers = 1 };

    kith__deal_ran(&d, 1, 1000000);
    kith__deal_ran(&d, 1000, 1000000);
    CU_ASSERT(d.unit_ns > 700000 && d.unit_ns < 1000000);
}

static void a_grant_is_16_MiB_or_one_unit(void)
{
    struct kith__deal d = { .workers = 8, .last = 1000, .unit_ns = 1000 };
    struct kith__deal_job j = { .left = 1000000, .in_size = 1 << 20, .out_size = 8, .workers = 8 };

    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 16);
    j.in_size = 8;
    j.out_size = 3 << 20;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 5);
    j.out_size = UINT64_C(1) << 40;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 1);
    j.in_size = j.out_size = 0;
    CU_ASSERT(kith__deal_size(&d, &j) > 16);
}

static void the_tail_is_dealt_finely(void)
{
    struct kith__deal d = known();
    struct kith__deal_job j = large();

    j.left = 100; /* of the 16 workers 8 are there */
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 50);
    j.left = 1000;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 250);
    j.rate = 8 * kith__deal_rate(&d, 8, 8); /* or as fast as it is known to be */
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 100);
    j.left = 100; /* no more than its own */
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 12);
    j.left = 1;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 1);
}

static void what_is_done_sooner_at_home_stays_there(void)
{
    struct kith__deal d = known();
    struct kith__deal_job j = large();

    j.left = 50;
    j.home_rate = 8 / 10000.0;
    j.home_unit_ns = 10000; /* in 72 µs all is done; there and back takes 1 ms */
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 0);
    j.left = 5000;
    CU_ASSERT(kith__deal_size(&d, &j) > 0);
    j.has = 6000; /* it has others to do first, which take 7.5 ms */
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 0);
    j.has = 800; /* the results of these are on their way */
    CU_ASSERT(kith__deal_size(&d, &j) > 0);
    j.left = 50;
    j.has = 0;
    j.home_rate /= 1000; /* they are far slower */
    CU_ASSERT(kith__deal_size(&d, &j) > 0);
}

/* The home knows what a unit costs, and the node where it is. */
static void a_new_node_gets_nothing_that_is_done_sooner_at_home(void)
{
    struct kith__deal d = { .workers = 8, .trip_ns = 1e6 };
    struct kith__deal_job j = large();

    j.home_rate = 8 / 10000.0;
    j.home_unit_ns = 10000;
    j.left = 700;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 0);
    j.left = 900;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 8);
}

static void what_is_done_again_is_done_in_time(void)
{
    struct kith__deal_job j = { .workers = 16 };

    CU_ASSERT(!kith__deal_is_done_within(&j, 1, 1000000000)); /* nothing is known */
    j.home_rate = 8 / 10e6;                                   /* 8 workers, 10 ms */
    j.home_unit_ns = 10e6;
    CU_ASSERT(kith__deal_is_done_within(&j, 8, 20000000));
    CU_ASSERT(!kith__deal_is_done_within(&j, 9, 20000000));
}

/* What is done beside a grant says nothing of what its units cost. */
static void the_time_of_workers_counts(void)
{
    struct kith__deal one = { .workers = 2 }, two = { .workers = 2 };

    kith__deal_ran(&one, 10, 100000000); /* by both of them */
    kith__deal_ran(&two, 1, 10000000);   /* by one of them, the other one had another grant */
    CU_ASSERT_EQUAL(one.unit_ns, two.unit_ns);
}

static void a_chunk_that_was_asked_for_is_obeyed(void)
{
    struct kith__deal d = known();
    struct kith__deal_job j = large();

    j.chunk = 300;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 600);
    j.chunk = 5000;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 5000);
    j.left = 20;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 20);
    j.chunk = 100000;
    j.left = 100000;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), KITH__CHUNK_MOST);
    j.out_size = 1 << 20; /* but for 16 MiB of results, or of arguments */
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 16);
    j.out_size = 8;
    j.in_size = 6 << 20;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 2);
    j.in_size = UINT64_C(1) << 40;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 1);
}

static void a_node_asks_before_it_has_nothing_left(void)
{
    struct kith__deal d = known();

    /* What 8 workers do in 1.125 ms, and what they have at hand: 909 units, in grants of 800. */
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 0, 0), 2);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 200, 0), 1);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 106, 1), 1);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 110, 1), 0);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 910, 0), 0);
    d.trip_ns = 10e6;
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 0, 0), 2); /* the grants are as much larger */
}

/* Eightfold at most each time; and one that is not short ends it for a while. */
static void single_tasks_go_in_batches_when_they_are_short(void)
{
    struct kith__deal d = { .workers = 2 };

    CU_ASSERT_EQUAL(kith__deal_batch(&d), 1);
    kith__deal_ran(&d, 1, 10000);
    CU_ASSERT_EQUAL(kith__deal_batch(&d), 8);
    kith__deal_ran(&d, 8, 80000);
    CU_ASSERT_EQUAL(kith__deal_batch(&d), KITH__DEAL_BATCH);
    kith__deal_ran(&d, 32, 32 * 90000); /* 2 workers do 22 of these in a ms */
    CU_ASSERT_EQUAL(kith__deal_batch(&d), 22);
    kith__deal_ran(&d, 1, 3000000);
    CU_ASSERT_EQUAL(kith__deal_batch(&d), 1);
    for (int i = 0; i < 8; i++)
        kith__deal_ran(&d, 1, 10000);
    CU_ASSERT_EQUAL(kith__deal_batch(&d), 1);
    for (int i = 0; i < 8; i++)
        kith__deal_ran(&d, 1, 10000);
    CU_ASSERT(kith__deal_batch(&d) > 1);
}

/* One that waits for another has a worker; and in maps whoever has nothing else to do takes part. */
static void single_tasks_go_where_a_worker_is_free(void)
{
    struct kith__deal d = { .workers = 2 };

    CU_ASSERT_EQUAL(kith__deal_takes(&d, 0, 0), KITH__DEAL_UNITS_OR_ITEMS);
    CU_ASSERT_EQUAL(kith__deal_takes(&d, 0, 1), KITH__DEAL_UNITS_OR_ITEMS);
    CU_ASSERT_EQUAL(kith__deal_takes(&d, 1, 1), KITH__DEAL_UNITS);
    CU_ASSERT_EQUAL(kith__deal_takes(&d, 1000, 0), KITH__DEAL_UNITS);
    CU_ASSERT_EQUAL(kith__deal_takes(&d, 0, 2), KITH__DEAL_NOTHING);
    CU_ASSERT(kith__deal_takes_alone(&d, 1, 0) && !kith__deal_takes_alone(&d, 1, 1));
    d.batch = 8; /* those that are not begun come back */
    CU_ASSERT_EQUAL(kith__deal_takes(&d, 0, KITH__DEAL_ITEMS - 1), KITH__DEAL_UNITS_OR_ITEMS);
    CU_ASSERT_EQUAL(kith__deal_takes(&d, 1, 5), KITH__DEAL_UNITS);
    CU_ASSERT_EQUAL(kith__deal_takes(&d, 0, KITH__DEAL_ITEMS), KITH__DEAL_NOTHING);
}

static void few_single_tasks_are_dealt_finely(void)
{
    struct kith__deal d = { .workers = 2, .batch = 8 };

    CU_ASSERT_EQUAL(kith__deal_items(&d, 1000, 6), 8);
    CU_ASSERT_EQUAL(kith__deal_items(&d, 30, 6), 5); /* half of a third */
    CU_ASSERT_EQUAL(kith__deal_items(&d, 3, 6), 1);
    CU_ASSERT_EQUAL(kith__deal_items(&d, 0, 6), 1);
    d.batch = 0;
    CU_ASSERT_EQUAL(kith__deal_items(&d, 1000, 6), 1);
}

/* As above: it asks when 908 are left, of which 0.8 are done in 1 us. */
static void it_knows_when_it_will_ask(void)
{
    struct kith__deal d = known(), new = { .workers = 8 };

    CU_ASSERT(fabs(kith__deal_due(&d, 8, 8, 1000, 0) - 115000) < 1500);
    CU_ASSERT(fabs(kith__deal_due(&d, 8, 8, 500, 1) - 490000) < 1500);
    CU_ASSERT_EQUAL(kith__deal_due(&d, 8, 8, 300, 2), 0); /* not before one comes */
    CU_ASSERT_EQUAL(kith__deal_due(&new, 8, 8, 300, 0), 0);
}

/* Units of a second: one waits at hand for each node, no more. */
static void dear_units_are_not_hoarded(void)
{
    struct kith__deal d = { .workers = 4 };

    kith__deal_travelled(&d, 8, 1000000);
    kith__deal_ran(&d, 4, 4000000000);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 5, 0), 0);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 4, 0), 1);
}

static void of_claims_there_are_not_more_than_make_sense(void)
{
    struct kith__deal d = { .workers = 4, .last = 1, .unit_ns = 1e6, .trip_ns = 1e11 };

    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 0, 0), 7);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 0, 6), 1);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, 8, 8, 0, 7), 0);
}

/* A line that brings a unit in 16 ms feeds few of the 64 workers. */
static void a_slow_line_is_not_stuffed(void)
{
    struct kith__deal d = { .workers = 64 };
    const uint64_t size = 16 << 20;

    kith__deal_travelled(&d, 8, 1000000);
    kith__deal_travelled(&d, size, 1000000 + 16 * 1048576);
    kith__deal_ran(&d, 1, 1000000);
    CU_ASSERT(fabs(d.byte_ns - 1) < 0.01);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, size, size, 0, 0), 2);
    CU_ASSERT_EQUAL(kith__deal_asks(&d, size, size, 2, 0), 0);
}

/* ------------------------------------------------------------------ whole jobs
 *
 * Node 0 is the home. Its workers claim as worker.c does; a grant lies on the board of its node likewise. */

enum { NODES = 6, WORKERS = 16, GRANTS = 64, EVENTS = 4096 };

enum what { FREE, CLAIM, GRANT, RETURN };

struct event {
    double at;
    enum what what;
    int node, which; /* worker; grant */
};

struct grant {
    uint64_t lo, length, claimed, done; /* length 0: none */
    double worked;                      /* ns, of all workers */
};

struct place {
    int workers;
    double speed, trip_ns, byte_ns;
    struct kith__deal deal;
    struct {
        int idle, grant;
        uint64_t has;
        double since;
        struct kith__chunk learned;
    } worker[WORKERS];
    struct grant grants[GRANTS];
    int order[GRANTS], count; /* on its board, the oldest first */
    int held, asking;         /* grants that are not returned; claims under way */
    uint64_t unfinished;
    uint64_t granted; /* units of those that are held */
    double in_free, out_free;
    int largest; /* grant */
};

static struct {
    uint64_t n, cursor, home_done, in_size, out_size, returned;
    double *cost; /* [n + 1]: of all before */
    int nodes, workers;
    struct place place[NODES];
    struct event events[EVENTS];
    int count;
    double now, end;
} sim;

static uint64_t state;

static double draw(void) /* [0, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 9007199254740992.0;
}

static void later(double at, enum what what, int node, int which)
{
    CU_ASSERT_FATAL(sim.count < EVENTS);
    sim.events[sim.count++] = (struct event){ at, what, node, which };
}

static struct event next_event(void)
{
    int first = 0;
    struct event e;

    for (int i = 1; i < sim.count; i++)
        if (sim.events[i].at < sim.events[first].at)
            first = i;
    e = sim.events[first];
    sim.events[first] = sim.events[--sim.count];
    return e;
}

static double cost_of(uint64_t lo, uint64_t length)
{
    return sim.cost[lo + length] - sim.cost[lo];
}

static void ask(int k)
{
    struct place *p = &sim.place[k];
    int n = (int)kith__deal_asks(&p->deal, sim.in_size, sim.out_size, p->unfinished, (uint32_t)p->asking);
    int threads = p->workers + KITH__DEAL_AHEAD - p->held - p->asking;

    for (n = n < threads ? n : threads; n > 0; n--) {
        p->asking++;
        later(sim.now + p->trip_ns / 2, CLAIM, k, 0);
    }
}

static void begin(int k, int w, int grant, uint64_t lo, uint64_t length)
{
    struct place *p = &sim.place[k];

    p->worker[w].idle = 0;
    p->worker[w].grant = grant;
    p->worker[w].has = length;
    p->worker[w].since = sim.now;
    later(sim.now + cost_of(lo, length) / p->speed, FREE, k, w);
}

static void begin_at_home(int w)
{
    struct place *p = &sim.place[0];
    uint64_t left = sim.n - sim.cursor, length;

    p->worker[w].idle = left == 0;
    if (left == 0)
        return;
    length = kith__chunk_next(&p->worker[w].learned, left, (uint32_t)p->workers);
    begin(0, w, -1, sim.cursor, length);
    sim.cursor += length;
}

static void begin_there(int k, int w)
{
    struct place *p = &sim.place[k];

    p->worker[w].idle = 1;
    for (int i = 0; i < p->count; i++) {
        struct grant *g = &p->grants[p->order[i]];
        uint64_t left = g->length - g->claimed, length;

        if (left == 0)
            continue;
        if (p->worker[w].grant != p->order[i]) /* another job for the worker */
            memset(&p->worker[w].learned, 0, sizeof p->worker[w].learned);
        length = kith__chunk_next(&p->worker[w].learned, left, (uint32_t)p->workers);
        begin(k, w, p->order[i], g->lo + g->claimed, length);
        g->claimed += length;
        return;
    }
}

static void leave_board(struct place *p, int which)
{
    int i = 0;

    while (p->order[i] != which)
        i++;
    p->count--;
    memmove(&p->order[i], &p->order[i + 1], (size_t)(p->count - i) * sizeof p->order[0]);
}

/* A worker of it is done with its chunk. */
static void finish(int k, int w)
{
    struct place *p = &sim.place[k];
    struct grant *g = &p->grants[p->worker[w].grant];

    g->worked += sim.now - p->worker[w].since;
    g->done += p->worker[w].has;
    p->unfinished -= p->worker[w].has;
    if (g->done == g->length) {
        kith__deal_ran(&p->deal, g->length, (int64_t)g->worked);
        leave_board(p, p->worker[w].grant);
        p->out_free =
            (sim.now > p->out_free ? sim.now : p->out_free) + (double)(g->length * sim.out_size) * p->byte_ns;
        later(p->out_free + p->trip_ns / 2, RETURN, k, p->worker[w].grant);
    }
    ask(k);
}

static void worker_is_free(int k, int w)
{
    struct place *p = &sim.place[k];

    kith__chunk_learn(&p->worker[w].learned, p->worker[w].has, (int64_t)(sim.now - p->worker[w].since));
    if (k == 0) {
        sim.home_done += p->worker[w].has;
        sim.returned += p->worker[w].has;
        sim.end = sim.now;
        begin_at_home(w);
    } else {
        finish(k, w);
        begin_there(k, w);
    }
}

static struct kith__deal_job job_now(const struct place *for_whom)
{
    struct kith__deal_job j = { .left = sim.n - sim.cursor,
                                .has = for_whom->granted,
                                .in_size = sim.in_size,
                                .out_size = sim.out_size,
                                .workers = (uint32_t)sim.workers };

    if (sim.home_done && sim.now > 0) {
        j.home_rate = (double)sim.home_done / sim.now;
        j.home_unit_ns = sim.place[0].workers / j.home_rate;
    }
    j.rate = j.home_rate;
    for (int k = 1; k < sim.nodes && j.rate > 0; k++) {
        double rate = kith__deal_rate(&sim.place[k].deal, sim.in_size, sim.out_size);

        if (rate == 0) /* not known of all */
            j.rate = 0;
        else
            j.rate += rate;
    }
    return j;
}

static void claim_came(int k)
{
    struct place *p = &sim.place[k];
    struct kith__deal_job j = job_now(p);
    uint64_t size = j.left ? kith__deal_size(&p->deal, &j) : 0;
    int i = 0;

    if (size == 0) { /* it is parked */
        if (j.left)
            later(sim.now + p->trip_ns, CLAIM, k, 0);
        else
            p->asking--;
        return;
    }
    while (p->grants[i].length)
        i++;
    CU_ASSERT_FATAL(i < GRANTS);
    CU_ASSERT(size == 1 ||
              (size * sim.in_size <= KITH__DEAL_BYTES && size * sim.out_size <= KITH__DEAL_BYTES));
    p->grants[i] = (struct grant){ .lo = sim.cursor, .length = size };
    p->held++;
    p->granted += size;
    p->largest = (int)size > p->largest ? (int)size : p->largest;
    sim.cursor += size;
    p->in_free = (sim.now > p->in_free ? sim.now : p->in_free) + (double)(size * sim.in_size) * p->byte_ns;
    later(p->in_free + p->trip_ns / 2, GRANT, k, i);
}

static void grant_came(int k, int which)
{
    struct place *p = &sim.place[k];

    p->asking--;
    p->order[p->count++] = which;
    p->unfinished += p->grants[which].length;
    for (int w = 0; w < p->workers; w++)
        if (p->worker[w].idle)
            begin_there(k, w);
    ask(k);
}

/* The node learns of its line by that. */
static void results_came(int k, int which)
{
    struct place *p = &sim.place[k];
    uint64_t bytes = p->grants[which].length * sim.out_size;

    kith__deal_travelled(&p->deal, 8, (int64_t)p->trip_ns);
    kith__deal_travelled(&p->deal, bytes, (int64_t)(p->trip_ns + (double)bytes * p->byte_ns));
    sim.returned += p->grants[which].length;
    sim.end = sim.now;
    p->granted -= p->grants[which].length;
    memset(&p->grants[which], 0, sizeof p->grants[which]);
    p->held--;
    ask(k);
}

static void start(void)
{
    sim.cursor = sim.home_done = sim.returned = 0;
    sim.count = sim.workers = 0;
    sim.now = sim.end = 0;
    for (int k = 0; k < sim.nodes; k++) {
        struct place *p = &sim.place[k];

        sim.workers += p->workers;
        p->deal = (struct kith__deal){ .workers = (uint32_t)p->workers };
        kith__deal_travelled(&p->deal, 8, (int64_t)p->trip_ns); /* it has joined */
        for (int w = 0; w < p->workers; w++)
            p->worker[w].idle = 1;
    }
    for (int w = 0; w < sim.place[0].workers; w++)
        begin_at_home(w);
    for (int k = 1; k < sim.nodes; k++)
        ask(k);
}

/* Plays the job: the time that it takes, in ns. */
static double play(void)
{
    start();
    while (sim.count > 0) {
        struct event e = next_event();

        sim.now = e.at;
        switch (e.what) {
        case FREE: worker_is_free(e.node, e.which); break;
        case CLAIM: claim_came(e.node); break;
        case GRANT: grant_came(e.node, e.which); break;
        case RETURN: results_came(e.node, e.which); break;
        }
    }
    CU_ASSERT_EQUAL(sim.cursor, sim.n);
    CU_ASSERT_EQUAL(sim.returned, sim.n); /* each once */
    return sim.end;
}

/* ---- jobs and nodes */

static void add_node(int workers, double speed, double trip_ms, double byte_ns)
{
    struct place *p = &sim.place[sim.nodes++];

    memset(p, 0, sizeof *p);
    p->workers = workers;
    p->speed = speed;
    p->trip_ns = trip_ms * 1e6;
    p->byte_ns = byte_ns;
}

/* n units of up to longest_ns: power 0: all the same; else few are long. */
static void make_job(uint64_t n, double longest_ns, double power, uint64_t in_size, uint64_t out_size)
{
    free(sim.cost);
    sim.cost = malloc((n + 1) * sizeof *sim.cost);
    CU_ASSERT_FATAL(sim.cost != NULL);
    sim.n = n;
    sim.nodes = 0;
    sim.in_size = in_size;
    sim.out_size = out_size;
    sim.cost[0] = 0;
    for (uint64_t i = 0; i < n; i++)
        sim.cost[i + 1] = sim.cost[i] + longest_ns * (power > 0 ? pow(draw(), power) + 1e-6 : 1);
}

/* As if the work could be divided at will, and nothing had to travel but the bytes. */
static double ideal(void)
{
    double power = 0, mean = sim.cost[sim.n] / (double)sim.n;

    for (int k = 0; k < sim.nodes; k++) {
        const struct place *p = &sim.place[k];
        uint64_t bytes = sim.in_size > sim.out_size ? sim.in_size : sim.out_size;
        double by_work = p->workers * p->speed / mean, by_line = 1 / ((double)bytes * p->byte_ns + 1e-9);

        power += k > 0 && by_line < by_work ? by_line : by_work;
    }
    return (double)sim.n / power;
}

static double longest(void)
{
    double most = 0;

    for (uint64_t i = 0; i < sim.n; i++)
        most = cost_of(i, 1) > most ? cost_of(i, 1) : most;
    return most;
}

/* What is lost is a part of the whole, and what nobody can avoid at the end: a unit that was begun last, on
 * the slowest, and a way. */
static void loses_at_most(const char *what, double part, double units, double trips)
{
    double best = ideal(), took = play(), slowest = 1, far = 0, may;

    for (int k = 0; k < sim.nodes; k++) {
        slowest = sim.place[k].speed < slowest ? sim.place[k].speed : slowest;
        far = sim.place[k].trip_ns > far ? sim.place[k].trip_ns : far;
    }
    may = best * (1 + part) + units * longest() / slowest + trips * far;
    if (took > may || getenv("KITH_TEST_LONG"))
        printf("\n    %s: ideal %.3f ms, took %.3f ms, %.3f ms would do", what, best / 1e6, took / 1e6,
               may / 1e6);
    CU_ASSERT(took <= may);
}

static void two_equal_nodes_halve_it(void)
{
    make_job(1000000, 2000, 0, 8, 8);
    add_node(4, 1, 0, 0);
    add_node(4, 1, 1, 1);
    loses_at_most("equal", 0.05, 1, 2);
}

static void each_node_does_what_it_can(void)
{
    make_job(200000, 20000, 0, 8, 8);
    add_node(4, 1, 0, 0);
    add_node(4, 0.5, 1, 1);
    add_node(2, 2, 1, 1);
    add_node(8, 0.25, 1, 1);
    add_node(1, 4, 1, 1);
    loses_at_most("speeds", 0.05, 1, 3);
}

static void a_home_of_one_worker_has_many_helped(void)
{
    make_job(400000, 10000, 0, 8, 8);
    add_node(1, 1, 0, 0);
    for (int k = 1; k < NODES; k++)
        add_node(16, 1, 0.5, 1);
    loses_at_most("helpers", 0.1, 1, 6);
}

static void uneven_units_are_dealt_finely(void)
{
    for (int seed = 1; seed <= 20; seed++) {
        state = (uint64_t)seed;
        make_job(20000, 50e6, 12, 64, 64);
        add_node(4, 1, 0, 0);
        add_node(4, 1, 1, 1);
        add_node(4, 0.5, 1, 1);
        loses_at_most("uneven", 0.05, 2, 2);
    }
}

static void few_long_units_wait_for_nobody(void)
{
    make_job(64, 1e9, 0, 8, 8);
    add_node(4, 1, 0, 0);
    add_node(4, 1, 1, 1);
    loses_at_most("seconds", 0, 1, 2);
}

/* As many as there are workers, the usual thing for programs that are to run for hours. */
static void one_long_unit_for_each_worker_takes_as_long_as_one(void)
{
    for (int nodes = 2; nodes <= 5; nodes++)
        for (int workers = 1; workers <= 4; workers *= 2) {
            make_job((uint64_t)(nodes * workers), 3e9, 0, 8, 8);
            add_node(workers, 1, 0, 0);
            for (int k = 1; k < nodes; k++)
                add_node(workers, 1, 0.2, 1);
            loses_at_most("one each", 0, 0, 5);
        }
}

/* A node that has something for each of its workers leaves the last ones to others. */
static void the_last_long_units_stand_behind_no_other(void)
{
    struct kith__deal_job j = { .left = 6, .has = 2, .in_size = 8, .out_size = 8, .workers = 8 };
    struct kith__deal d = { .workers = 2, .trip_ns = 100000 };

    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 0);
    j.left = 7;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 1);
    j.left = 2;
    j.has = 1;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 1);
    kith__deal_ran(&d, 2, 20000000);
    j.has = 2;
    CU_ASSERT_EQUAL(kith__deal_size(&d, &j), 0);
    kith__deal_ran(&d, 2, 10);
    d.unit_ns = 10000; /* a short one would be done before the next could come */
    CU_ASSERT(kith__deal_size(&d, &j) > 0);
}

static void a_far_node_works_all_the_time(void)
{
    make_job(200000, 100000, 0, 8, 8);
    add_node(4, 1, 0, 0);
    add_node(4, 1, 50, 1);
    loses_at_most("far", 0.05, 1, 3);
}

/* So much of what all workers could do in the time is done. */
static double part_of_ideal(void)
{
    double best = ideal();

    return best / play();
}

/* 1000 tasks of 10 ms, of which each node could do 500 in 2.5 s: 50 round trips. */
static void of_dear_units_a_far_node_does_its_part(void)
{
    static const int workers[] = { 1, 2, 4 };

    for (int i = 0; i < 3; i++) {
        make_job(500 * (uint64_t)workers[i], 10e6, 0, 8, 8);
        add_node(workers[i], 1, 0, 0);
        add_node(workers[i], 1, 50, 1);
        CU_ASSERT(part_of_ideal() > 0.88);
        make_job(500 * (uint64_t)workers[i], 10e6, 0, 8, 8);
        add_node(workers[i], 1, 0, 0);
        add_node(workers[i], 1, 5, 1);
        CU_ASSERT(part_of_ideal() > 0.95);
    }
}

/* The last ones are left to those nearby: what has to come from far would come late. */
static void a_short_job_does_not_wait_for_a_far_node(void)
{
    double alone;

    make_job(480, 1e6, 0, 8, 8);
    add_node(4, 1, 0, 0);
    alone = play();
    make_job(480, 1e6, 0, 8, 8);
    add_node(4, 1, 0, 0);
    add_node(4, 1, 50, 1);
    CU_ASSERT(play() <= alone);
    CU_ASSERT(sim.place[1].largest > 0); /* it was asked, and did some */
}

/* 16 MiB each way, 1 GB/s: the line is busy, and no worker at home waits. */
static void a_line_is_used_as_far_as_it_goes(void)
{
    make_job(400, 20e6, 0, 16 << 20, 16 << 20);
    add_node(2, 1, 0, 0);
    add_node(4, 1, 1, 1);
    loses_at_most("line", 0.05, 2, 2);
}

static struct test tests[] = { TEST(the_first_grant_is_one_unit_for_each_worker),
                               TEST(a_grant_is_worth_the_round_trip),
                               TEST(grants_grow_eightfold_at_most),
                               TEST(a_dear_unit_is_remembered),
                               TEST(a_grant_is_16_MiB_or_one_unit),
                               TEST(the_tail_is_dealt_finely),
                               TEST(what_is_done_sooner_at_home_stays_there),
                               TEST(a_chunk_that_was_asked_for_is_obeyed),
                               TEST(a_new_node_gets_nothing_that_is_done_sooner_at_home),
                               TEST(what_is_done_again_is_done_in_time),
                               TEST(the_time_of_workers_counts),
                               TEST(single_tasks_go_in_batches_when_they_are_short),
                               TEST(single_tasks_go_where_a_worker_is_free),
                               TEST(few_single_tasks_are_dealt_finely),
                               TEST(it_knows_when_it_will_ask),
                               TEST(a_node_asks_before_it_has_nothing_left),
                               TEST(dear_units_are_not_hoarded),
                               TEST(of_claims_there_are_not_more_than_make_sense),
                               TEST(a_slow_line_is_not_stuffed),
                               TEST(two_equal_nodes_halve_it),
                               TEST(each_node_does_what_it_can),
                               TEST(a_home_of_one_worker_has_many_helped),
                               TEST(uneven_units_are_dealt_finely),
                               TEST(few_long_units_wait_for_nobody),
                               TEST(one_long_unit_for_each_worker_takes_as_long_as_one),
                               TEST(the_last_long_units_stand_behind_no_other),
                               TEST(a_far_node_works_all_the_time),
                               TEST(of_dear_units_a_far_node_does_its_part),
                               TEST(a_short_job_does_not_wait_for_a_far_node),
                               TEST(a_line_is_used_as_far_as_it_goes),
                               TEST_END };

int main(void)
{
    int rc = run_tests("deal", tests);

    free(sim.cost);
    return rc;
}
