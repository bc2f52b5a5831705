/* test_world_sim.c: a pool over all nodes and objects at home anywhere, in one world (sim/sim.h), with the
 * true workers, foremen and janitors: any of them dies at any failpoint, nodes are lost, stop, or come late,
 * the network does what networks do, callers die and others come, calls are cancelled, tasks fail and use
 * objects.
 *
 * Each unit of a call that has ended well has its result, and none was made of another result; each failure
 * is told once; where nobody dies and tasks have one try each unit is run once; none begins on the node of
 * the pool when it has ended, nor, where nobody dies, on any other. No item of the Queue is lost
 * or doubled, the Lock has one holder, the Value is what was added, each call ends, nothing is left on any
 * node.
 *
 * KITH_TEST_SEED=n repeats one run; KITH_TEST_NODES=n: with so many nodes; KITH_TEST_LONG=1: more of them.
 */
#include "config.h"
#include "check.h"
#include "sim/sim.h"
#include "object/class.h"
#include "pool/call.h"
#include "pool/map.h"
#include "pool/pool.h"
#include "pool/spread.h"
#include "shm/heap.h"

#include <stdarg.h>

enum { UNITS = 300, CALLS = 6, ITEMS = 4096 };
enum { ELSE, HOLDING, GETTING, TAKING, CALLING }; /* what clients do */
enum kind {
    BYTES,
    IN_PLACE,
    SUM,
    REDUCE,
    LOOP,
    CANCELLED,
    SINGLE,
    GIVEN_UP,
    ONE_BY_ONE,
    AS_THEY_COME,
    KINDS
};
enum fate { NEVER, MAYBE, PUT, NOT, TAKEN };

static struct {
    kith_pool pool;
    struct kith__object *object;
    uint32_t branches;
    int opened, next, fails, halt, tries;
    uint64_t units;
    struct {
        enum kind kind;
        int ended;  /* and well, but for what was to fail */
        int partly; /* the rest of it was given up */
        uint32_t ran[UNITS];
        unsigned char over[UNITS]; /* of single tasks: its result was taken */
    } calls[CALLS];
} play;

static struct {
    kith_queue queue;
    kith_lock lock;
    kith_value value;
    uint32_t queue_home, lock_home, value_home;
    long adds_begun, adds_done;
    uint32_t items, dead_takers;
    unsigned char fate[ITEMS];
    uint32_t from[ITEMS], by[ITEMS]; /* nodes of who has put and taken it */
} things;

static struct weather world;
static uint64_t seed, units_run, items_taken, elsewhere, calls_ended, calls_cancelled, tasks_taken,
    tasks_cancelled;
static int stopping, lost_nodes;

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void wrong(const char *format, ...)
{
    va_list ap;

    printf("\n    KITH_TEST_SEED=%llu: ", (unsigned long long)seed);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("; last error: %s\n", kith_last_error());
    CU_FAIL("see above");
}

/* ----------------------------------------------------------------------------- objects */

/* Who runs a task of a cancelled call is killed, with the Lock in its hand; so is, when the call is over, who
 * runs one on a node that was silent, so that it was done elsewhere, too. */
static int somebody_dies(void)
{
    int n = 0;

    for (int i = 0; i < CALLS; i++)
        n += play.calls[i].kind == CANCELLED || play.calls[i].kind == GIVEN_UP;
    return world.deaths || world.losses || world.stops || n > 0;
}

/* A code that may come of a call on what is at home on that node: where nodes stop an answer may be too late.
 */
static int may_be(int rc, uint32_t home)
{
    return rc == KITH_ETIMEDOUT || (rc == KITH_EPEER && (sim_is_lost(home) || world.stops)) ||
           (rc == KITH_EOWNERDEAD && somebody_dies());
}

static void put_item(void)
{
    uint32_t item = things.items;
    int rc;

    if (item == ITEMS)
        return;
    things.items++;
    things.fate[item] = MAYBE;
    things.from[item] = sim_node(sim_current);
    rc = kith_queue_put(things.queue, &item, sizeof item, draw(4) ? KITH_FOREVER : (int)draw(200));
    if (rc < 0 && !may_be(rc, things.queue_home))
        wrong("a put gives %d", rc);
    if (rc == KITH_ETIMEDOUT) {
        if (things.fate[item] == TAKEN)
            wrong("item %u was taken, and its put is over its time limit", item);
        things.fate[item] = NOT;
    }
    if (rc == 0 && things.fate[item] == MAYBE)
        things.fate[item] = PUT;
}

static void hold_lock(struct client *c)
{
    int rc = kith_lock_acquire(things.lock, draw(4) ? KITH_FOREVER : (int)draw(200));

    if (rc < 0 && !may_be(rc, things.lock_home))
        wrong("the lock gives %d", rc);
    if (rc < 0 && rc != KITH_EOWNERDEAD)
        return;
    sim_doing(c, HOLDING);
    for (int i = (int)draw(3); i >= 0; i--) {
        if (sim_count(HOLDING) > 1 && !sim_is_lost(things.lock_home))
            wrong("the lock has %d holders", sim_count(HOLDING));
        sim_rest((int64_t)draw(10));
    }
    sim_doing(c, ELSE);
    rc = kith_lock_release(things.lock);
    if (rc < 0 && !may_be(rc, things.lock_home))
        wrong("the release gives %d", rc);
}

static void add_one(void)
{
    int rc;

    things.adds_begun++;
    rc = kith_add(things.value, 1L);
    if (rc < 0 && !may_be(rc, things.value_home))
        wrong("an add gives %d", rc);
    things.adds_done += rc == 0;
}

static void use_objects(struct client *c)
{
    switch (draw(3)) {
    case 0: put_item(); break;
    case 1: hold_lock(c); break;
    default: add_one(); break;
    }
}

static void took(const struct client *c, uint32_t item)
{
    unsigned char *fate = &things.fate[item % ITEMS];

    if (item >= things.items)
        wrong("item %u, which nobody has put", item);
    else if (*fate != MAYBE && *fate != PUT && !(*fate == TAKEN && sim_is_lost(things.by[item])))
        wrong("item %u was %s", item, *fate == TAKEN ? "taken before" : "not put");
    *fate = TAKEN;
    things.by[item % ITEMS] = sim_node(c);
    items_taken++;
}

/* Tasks that put wait for ever for room: somebody takes as long as there are any. */
static int are_needed(void)
{
    return !stopping || sim_count(CALLING) > 0;
}

/* until: 1: nobody puts any more. */
static void take_items(struct client *c, int until)
{
    int64_t rc;
    uint32_t item;

    do {
        sim_doing(c, GETTING);
        things.dead_takers++;
        rc = kith_queue_get(things.queue, &item, sizeof item, until ? 5000 : 200 + (int)draw(500));
        things.dead_takers--;
        sim_doing(c, TAKING);
        if (rc == (int64_t)sizeof item)
            took(c, item);
        else if (!may_be((int)rc, things.queue_home))
            wrong("a get gives %lld", (long long)rc);
    } while (rc >= 0 || (rc == KITH_ETIMEDOUT && !until && are_needed()));
}

static void takes(struct client *c, void *arg)
{
    (void)arg;
    take_items(c, 0);
}

static void empties(struct client *c, void *arg)
{
    (void)arg;
    take_items(c, 1);
    PASS(kith_queue_close(things.queue));
}

static void checks_value(struct client *c, void *arg)
{
    long x = -1;

    (void)c;
    (void)arg;
    PASS(kith_load(things.value, &x));
    if (x < things.adds_done || x > things.adds_begun)
        wrong("the Value is %ld after %ld adds, of which %ld are certain", x, things.adds_begun,
              things.adds_done);
    PASS(kith_value_close(things.value));
}

static void checks_lock(struct client *c, void *arg)
{
    int rc = kith_lock_acquire(things.lock, 60000);

    (void)c;
    (void)arg;
    if (rc < 0 && !may_be(rc, things.lock_home))
        wrong("the lock gives %d at the end", rc);
    PASS(kith_lock_close(things.lock));
}

static void open_things(void)
{
    memset(&things, 0, sizeof things);
    /* A task whose items do not arrive fails: so this home is not lost. */
    things.queue_home = world.losses ? 0 : (uint32_t)draw(world.nodes);
    things.lock_home = (uint32_t)draw(world.nodes);
    things.value_home = (uint32_t)draw(world.nodes);
    sim_enter(things.queue_home);
    PASS(kith_check(things.queue = kith_queue_open(draw(2) ? 0 : 1 + draw(50))));
    sim_leave();
    sim_enter(things.lock_home);
    PASS(kith_check(things.lock = kith_lock_open()));
    sim_leave();
    sim_enter(things.value_home);
    PASS(kith_check(things.value = kith_value_of(0L)));
    sim_leave();
}

/* ------------------------------------------------------------------------------- tasks */

static int fails(uint64_t unit)
{
    return play.fails && unit % 89 == 7;
}

/* Nothing is begun again, and what has begun ends before its call does. */
static int runs_once(void)
{
    return play.tries == 1 && !world.losses;
}

/* In some worker: what each task does besides its result. 0, or the code with which it fails. */
static int attempt(uint32_t call, uint64_t unit)
{
    REQUIRE(call < CALLS && unit < play.units);
    if ((play.calls[call].ended || play.calls[call].over[unit]) &&
        (sim_node(sim_current) == 0 || runs_once()))
        wrong("unit %llu of call %u begins on node %u when it has ended", (unsigned long long)unit, call,
              sim_node(sim_current));
    play.calls[call].ran[unit]++;
    units_run++;
    elsewhere += sim_node(sim_current) != 0;
    if (draw(20) == 0)
        sim_rest((int64_t)draw(draw(20) ? 20 : 4000));
    if (draw(20) == 0)
        use_objects(sim_current);
    return fails(unit) ? 9 : 0;
}

static double argument(uint32_t call, uint64_t unit)
{
    return (double)(call * UNITS + unit);
}

/* What was made of a result would be told from it. */
static double result_of(double x)
{
    return -x - 1;
}

static int read_argument(double x, uint32_t *call, uint64_t *unit)
{
    REQUIRE(x >= 0 && x < CALLS * UNITS);
    *call = (uint32_t)x / UNITS;
    *unit = (uint64_t)x % UNITS;
    return attempt(*call, *unit);
}

static int with_bytes(const void *in, void *out)
{
    uint32_t call;
    uint64_t unit;
    double x;
    int rc;

    memcpy(&x, in, sizeof x);
    if ((rc = read_argument(x, &call, &unit)) != 0)
        return rc;
    x = result_of(x);
    memcpy(out, &x, sizeof x);
    return 0;
}

static double with_number(double x)
{
    uint32_t call;
    uint64_t unit;
    int rc = read_argument(x, &call, &unit);

    if (rc)
        kith_fail(rc, "over");
    return result_of(x);
}

struct context {
    uint32_t call, zero;
};

static double adds(uint64_t lo, uint64_t hi, const void *arg)
{
    const struct context *x = arg;
    double sum = 0;

    for (uint64_t i = lo; i < hi; i++) {
        int rc = attempt(x->call, i);

        if (rc)
            kith_fail(rc, "over");
        sum += 1 / (double)(i + 1);
    }
    return sum;
}

static int counts(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    const struct context *x = arg;
    uint64_t n = 0;
    int rc = 0;

    for (uint64_t i = lo; i < hi; i++, n++)
        rc = rc ? rc : attempt(x->call, i);
    memcpy(part, &n, sizeof n);
    return rc;
}

static void add_counts(void *total, const void *part)
{
    uint64_t a, b;

    memcpy(&a, total, sizeof a);
    memcpy(&b, part, sizeof b);
    a += b;
    memcpy(total, &a, sizeof a);
}

static int loops(uint64_t lo, uint64_t hi, const void *arg)
{
    const struct context *x = arg;
    int rc = 0;

    for (uint64_t i = lo; i < hi; i++)
        rc = rc ? rc : attempt(x->call, i);
    return rc;
}

/* ------------------------------------------------------------------------------- calls */

static uint32_t count_failing(void)
{
    uint32_t n = 0;

    for (uint64_t i = 0; i < play.units; i++)
        n += (uint32_t)fails(i);
    return n;
}

/* Each failure once; with .halt perhaps not all of them. */
static void check_faults(int64_t rc)
{
    uint32_t told = 0, failing = count_failing();
    unsigned char seen[UNITS] = { 0 };
    struct kith_fault f;

    if (rc != (failing ? KITH_ETASK : 0))
        wrong("a call with %u tasks that fail gives %lld", failing, (long long)rc);
    while (rc == KITH_ETASK && kith_last_fault(&f, told) == 0) {
        if (f.task >= play.units || !fails(f.task) || seen[f.task]++ || f.code != 9)
            wrong("task %llu has failed with %d", (unsigned long long)f.task, f.code);
        told++;
    }
    if (play.halt < 0 ? told != failing : told > failing || (failing && told == 0))
        wrong("%u of %u failures are told", told, failing);
}

static void check_results(uint32_t call, const double *y, int in_place, int all)
{
    for (uint64_t i = 0; i < play.units; i++) {
        double x = argument(call, i), none = in_place ? x : 1;

        if (y[i] != result_of(x) && !(y[i] == none && (fails(i) || !all)))
            wrong("result %llu of call %u is %g", (unsigned long long)i, call, y[i]);
        if (y[i] == result_of(x) && (fails(i) || play.calls[call].ran[i] == 0))
            wrong("result %llu of call %u is nobody's", (unsigned long long)i, call);
    }
}

/* 1: all of a call that has ended was to be done. */
static int is_whole(void)
{
    return play.halt < 0 || count_failing() == 0;
}

/* In the memory of the node where they are used in place, or in that of the program. */
static double *take_room(int shared)
{
    uint64_t size = UNITS * sizeof(double), block;
    double *room;

    if (!shared) {
        REQUIRE(room = malloc(size));
        return room;
    }
    REQUIRE(block = kith__heap_alloc(size, kith__me));
    return kith__at(block);
}

static void leave_room(double *room, int shared)
{
    if (shared)
        kith__heap_free(kith__offset(room));
    else
        free(room);
}

static void fill(uint32_t call, double *x, double *y)
{
    for (uint64_t i = 0; i < play.units; i++) {
        y[i] = 1;
        x[i] = argument(call, i);
    }
}

static void map_bytes(uint32_t call)
{
    int shared = (int)draw(2);
    double *x = take_room(shared), *y = take_room(shared);

    fill(call, x, y);
    check_faults(kith_pool_map(play.pool, with_bytes, x, sizeof *x, y, sizeof *y, play.units));
    check_results(call, y, 0, is_whole());
    leave_room(x, shared);
    leave_room(y, shared);
}

static void map_in_place(uint32_t call)
{
    int shared = draw(4) > 0;
    double *x = take_room(shared);

    fill(call, x, x);
    check_faults(kith_map(play.pool, with_number, x, x, play.units));
    check_results(call, x, 1, is_whole());
    leave_room(x, shared);
}

static void sum(uint32_t call)
{
    const struct context arg = { call, 0 };
    double got = -1, all = 0;
    int rc = kith_pool_sum(play.pool, adds, &arg, sizeof arg, play.units, &got);

    for (uint64_t i = 0; i < play.units; i++)
        all += 1 / (double)(i + 1);
    check_faults(rc);
    if (got != (rc == 0 ? all : -1)) /* to the last bit */
        wrong("a sum is %.17g, not %.17g", got, all);
}

static void reduce(uint32_t call)
{
    const struct context arg = { call, 0 };
    uint64_t total = 5;
    int rc =
        kith_pool_reduce(play.pool, counts, &arg, sizeof arg, play.units, add_counts, &total, sizeof total);

    check_faults(rc);
    if (total != 5 + (rc == 0 ? play.units : 0))
        wrong("%llu units are counted", (unsigned long long)total);
}

static void loop(uint32_t call)
{
    const struct context arg = { call, 0 };

    check_faults(kith_pool_for(play.pool, loops, &arg, sizeof arg, play.units));
}

/* Given up after a while: what has a result then has a right one. */
static void map_and_cancel(uint32_t call)
{
    double *x = take_room(0), *y = take_room(0);
    enum kith__step_result last = KITH__STEP_WAIT;
    struct kith__call_spec s;
    struct kith__call c;

    fill(call, x, y);
    s = kith__call_of_map(play.pool, "with_bytes", (kith__fn *)with_bytes, KITH__SHAPE_BYTES, x, sizeof *x, y,
                          sizeof *y, play.units);
    PASS(kith__call_begin(&c, &s));
    if (kith__call_wait(&c, kith__now_ns() + (int64_t)draw(3000) * KITH__MS, &last) == KITH_ETIMEDOUT) {
        kith__call_cancel(&c);
        PASS(kith__call_wait(&c, -1, &last));
        calls_cancelled++;
    }
    kith__call_end(&c, last);
    check_results(call, y, 0, 0);
    leave_room(x, 0);
    leave_room(y, 0);
}

/* ------------------------------------------------------------------------- single tasks */

enum { MUCH = 40 }; /* numbers of an argument that has a block of its own */

static int with_much(const void *in, void *out)
{
    double x[MUCH];
    int rc = with_bytes(in, x);

    for (int i = 1; i < MUCH; i++)
        x[i] = x[0];
    if (rc == 0)
        memcpy(out, x, sizeof x);
    return rc;
}

static int is_much(uint64_t unit)
{
    return unit % 5 == 4;
}

static kith_result give(uint32_t call, uint64_t unit)
{
    double x[MUCH] = { argument(call, unit) };

    if (is_much(unit))
        return kith_pool_apply_async(play.pool, with_much, x, sizeof x, sizeof x);
    if (unit % 2)
        return kith_pool_apply_async(play.pool, with_bytes, x, sizeof *x, sizeof *x);
    return kith_apply_async(play.pool, with_number, x[0]);
}

/* What a task has come to, and its result, when that is there. */
static void check_task(uint32_t call, uint64_t unit, int rc, const double *y)
{
    struct kith_fault f = { 0 };

    if (rc != (fails(unit) ? KITH_ETASK : 0))
        wrong("task %llu of call %u gives %d", (unsigned long long)unit, call, rc);
    if (rc == 0 && *y != result_of(argument(call, unit)))
        wrong("result %llu of call %u is %g", (unsigned long long)unit, call, *y);
    if (rc == 0 && play.calls[call].ran[unit] == 0)
        wrong("result %llu of call %u is nobody's", (unsigned long long)unit, call);
    if (rc == KITH_ETASK && (kith_last_fault(&f, 0) < 0 || f.code != 9 || kith_last_fault(&f, 1) == 0))
        wrong("task %llu of call %u has failed with %d", (unsigned long long)unit, call, f.code);
    if (play.calls[call].over[unit]++)
        wrong("task %llu of call %u ends twice", (unsigned long long)unit, call);
    tasks_taken++;
}

struct given {
    kith_result result;
    uint64_t unit;
    int cancelled;
};

/* 0: it has not ended. */
static int take(uint32_t call, const struct given *g)
{
    double y[MUCH] = { 0 };
    uint64_t size = sizeof y[0] * (is_much(g->unit) ? MUCH : 1);
    int rc;

    if (draw(4) == 0 && (rc = kith_result_ready(g->result)) < 1) {
        PASS(rc);
        return 0;
    }
    rc = kith_result_get(g->result, y, size, draw(2) ? KITH_FOREVER : (int)draw(100));
    if (rc == KITH_ETIMEDOUT)
        return 0;
    if (!g->cancelled) {
        check_task(call, g->unit, rc, y);
        if (rc == 0 && is_much(g->unit) && y[MUCH - 1] != y[0])
            wrong("the result of task %llu has %g at its end", (unsigned long long)g->unit, y[MUCH - 1]);
    } else if (rc != KITH_ECANCELLED)
        wrong("task %llu of call %u gives %d, and was cancelled", (unsigned long long)g->unit, call, rc);
    play.calls[call].over[g->unit] = 1;
    FAILS_WITH(KITH_ESTALE, kith_result_get(g->result, y, size, 0));
    return 1;
}

/* What has ended stays as it is. */
static void cancel(struct given *g)
{
    int rc = kith_result_cancel(g->result);

    if (rc == 0)
        g->cancelled = 1;
    else
        FAILS_WITH(KITH_EEND, rc);
    tasks_cancelled += rc == 0;
}

/* Until so many are under way at most. */
static uint64_t take_some(uint32_t call, struct given *all, uint64_t count, uint64_t most)
{
    const int gives_up = play.calls[call].kind == GIVEN_UP;

    while (count > most) {
        uint64_t i = draw(3) ? 0 : draw(count);

        if (gives_up && draw(8) == 0 && !all[i].cancelled)
            cancel(&all[i]);
        if (gives_up && draw(30) == 0)
            PASS(kith_result_drop(all[i].result));
        else if (!take(call, &all[i]))
            continue;
        memmove(&all[i], &all[i + 1], (--count - i) * sizeof *all);
    }
    return count;
}

static void single_tasks(uint32_t call)
{
    struct given *all = calloc(UNITS, sizeof *all);
    uint64_t count = 0, most = draw(2) ? UNITS : 1 + draw(50);

    REQUIRE(all != NULL);
    play.calls[call].partly = play.calls[call].kind == GIVEN_UP;
    for (uint64_t i = 0; i < play.units; i++) {
        all[count] = (struct given){ give(call, i), i, 0 };
        PASS(kith_check(all[count].result));
        count = take_some(call, all, count + 1, most - 1);
    }
    take_some(call, all, count, 0);
    free(all);
}

static int next_argument(void *item, void *arg)
{
    struct context *at = arg;
    double x = argument(at->call, at->zero);

    if (at->zero == play.units)
        return 0;
    at->zero++;
    memcpy(item, &x, sizeof x);
    return 1;
}

/* The unit of a result that has come as the n-th: of one that has failed the fault tells it. */
static uint64_t unit_of(int rc, double y, uint32_t call)
{
    struct kith_fault f = { 0 };

    if (rc == KITH_ETASK && kith_last_fault(&f, 0) == 0)
        return f.task;
    return (uint64_t)(-y - 1) - call * UNITS;
}

static void iterate(uint32_t call)
{
    const int in_order = play.calls[call].kind == ONE_BY_ONE;
    const uint64_t enough = draw(4) ? play.units : draw(play.units);
    struct context at = { call, 0 };
    uint64_t n = 0;
    kith_iter it = (in_order ? kith_pool_imap_from : kith_pool_imap_unordered_from)(
        play.pool, with_bytes, next_argument, &at, sizeof(double), sizeof(double));
    double y = 0;
    int rc = 0;

    PASS(kith_check(it));
    play.calls[call].partly = enough < play.units;
    while (n < enough) {
        uint64_t unit;

        rc = kith_iter_next(it, &y, sizeof y, draw(2) ? KITH_FOREVER : (int)draw(100));
        if (rc == KITH_ETIMEDOUT)
            continue;
        unit = in_order ? n : unit_of(rc, y, call);
        if (unit >= play.units) {
            wrong("a result of call %u is %g, or its code %d", call, y, rc);
            break;
        }
        check_task(call, unit, rc, &y);
        n++;
    }
    if (n == play.units)
        FAILS_WITH(KITH_EEND, kith_iter_next(it, &y, sizeof y, KITH_FOREVER));
    PASS(kith_iter_close(it));
}

static void (*const ways[KINDS])(uint32_t call) = { map_bytes, map_in_place,   sum,          reduce,
                                                    loop,      map_and_cancel, single_tasks, single_tasks,
                                                    iterate,   iterate };

static void calls_pool(struct client *c, void *arg)
{
    (void)arg;
    sim_doing(c, CALLING);
    while (!play.opened)
        sim_rest(1 + (int64_t)draw(50));
    while (play.next < CALLS && !stopping) {
        uint32_t call = (uint32_t)play.next++;

        ways[play.calls[call].kind](call);
        play.calls[call].ended = !play.calls[call].partly;
        calls_ended++;
        if (draw(3) == 0)
            sim_rest((int64_t)draw(2000));
    }
}

static void opens_pool(struct client *c, void *arg)
{
    struct kith_pool_options o = { .nodes = -1, .tries = play.tries, .halt = play.halt };
    struct kith__spread *plan = calloc(1, sizeof *plan + play.branches * sizeof plan->of[0]);

    (void)c;
    (void)arg;
    REQUIRE(plan != NULL);
    plan->here = plan->all = 1 + (uint32_t)draw(2);
    plan->count = play.branches;
    for (uint32_t k = 0; k < play.branches; k++) {
        plan->of[k] = (struct kith__share){ .node = 1 + k,
                                            .workers = 1 + (uint32_t)draw(3),
                                            .first_worker = plan->all };
        plan->all += plan->of[k].workers;
    }
    PASS(kith__pool_open_spread(plan, &o, &play.pool.id));
    REQUIRE(kith__pool_find(play.pool, &play.object) == 0);
    free(plan);
    play.opened = 1;
}

static void closes_pool(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    PASS(kith_pool_close(play.pool));
}

/* ------------------------------------------------------------------------------- a run */

static uint32_t some_nodes(void)
{
    const char *given = getenv("KITH_TEST_NODES");

    if (given)
        return (uint32_t)atoi(given);
    return draw(40) ? 2 + (uint32_t)draw(4) : 6 + (uint32_t)draw(40);
}

static void draw_world(void)
{
    world = (struct weather){ .nodes = some_nodes(), .workers = 1 };
    world.deaths = draw(4) > 0 ? 1 + (int)world.nodes / 16 : 0;
    world.losses = draw(3) == 0;
    world.stops = draw(3) == 0;
    world.through_net = draw(4) == 0;
    memset(&play, 0, sizeof play);
    play.branches = world.nodes - 1;
    play.fails = draw(4) == 0;
    play.halt = draw(3) ? -1 : 1 + (int)draw(3);
    play.tries = !world.deaths && draw(2) ? 1 : 1000;
    play.units = draw(3) ? 1 + draw(UNITS) : 1 + draw(20);
    for (int i = 0; i < CALLS; i++)
        play.calls[i].kind = (enum kind)draw(KINDS);
}

/* Callers come in place of those that have died, somebody takes or puts, a node goes. */
static void stir(void)
{
    uint32_t node = (uint32_t)draw(world.nodes);

    if (sim_count(CALLING) == 0 || draw(8) == 0)
        sim_start(0, calls_pool, NULL);
    if (sim_count(GETTING) < 3 && !sim_is_lost(node))
        sim_start(node, takes, NULL);
    node = 1 + (uint32_t)draw(world.nodes - 1);
    if (world.losses && lost_nodes < 2 && draw(12) == 0 && !sim_is_lost(node)) {
        lost_nodes++;
        sim_lose(node);
    }
}

static void end_things(void)
{
    if (!sim_is_lost(things.queue_home))
        sim_start(things.queue_home, empties, NULL);
    if (!sim_is_lost(things.lock_home))
        sim_start(things.lock_home, checks_lock, NULL);
    if (!sim_is_lost(things.value_home))
        sim_start(things.value_home, checks_value, NULL);
}

/* All is done that can be, or the run is over: its threads cannot be ended. */
static void await_all(const char *what)
{
    if (sim_run(400000))
        return;
    sim_show();
    wrong("%s waits for ever", what);
    exit(1);
}

static void check_items(void)
{
    uint32_t lost = 0;

    for (uint32_t i = 0; i < things.items; i++)
        lost += things.fate[i] == PUT && !sim_is_lost(things.from[i]);
    if (!sim_is_lost(things.queue_home) && lost > things.dead_takers)
        wrong("%u items are lost, %u at most may be", lost, things.dead_takers);
}

static void check_units(void)
{
    for (int k = 0; k < CALLS; k++)
        for (uint64_t i = 0; i < play.units; i++) {
            uint32_t ran = play.calls[k].ran[i];

            if (play.calls[k].ended && play.calls[k].kind != CANCELLED &&
                (is_whole() || play.calls[k].kind >= SINGLE) && ran == 0)
                wrong("unit %llu of call %d was not run", (unsigned long long)i, k);
            if (runs_once() && ran > 1)
                wrong("unit %llu of call %d was run %u times", (unsigned long long)i, k, ran);
        }
}

static void quiet_faults(void)
{
    for (uint32_t k = 0; k < world.nodes; k++) {
        sim_enter(k);
        atomic_store(&kith__shared->faults_have_handler, 1);
        sim_leave();
    }
}

static void live(void)
{
    sim_spare(sim_start(0, opens_pool, NULL));
    for (int i = 0, all = 0; i < 40 && all < 400 && play.next < CALLS; i += play.opened, all++) {
        stir();
        sim_run((int64_t)draw(600));
    }
}

static void play_world(uint64_t s)
{
    seed = s;
    stopping = lost_nodes = 0;
    draw_world();
    sim_begin(&world);
    sim_draw_weather();
    quiet_faults();
    open_things();
    live();
    stopping = 1;
    if (draw(2)) /* so some of it ends in bad weather */
        sim_run(20000);
    sim_calm();
    sim_start(things.queue_home, takes, NULL);
    await_all("a call, or its end,");
    sim_start(0, closes_pool, NULL);
    await_all("the end of the pool");
    sim_settle(lost_nodes ? 40000 : 3000);
    end_things();
    await_all("a call on an object");
    check_units();
    check_items();
    sim_settle(lost_nodes ? 40000 : 3000);
    sim_end();
}

static void all_of_it_plays_together(void)
{
    sim_seeds(play_world, getenv("KITH_TEST_LONG") ? 2000 : SANITIZED ? 20 : 40);
    CU_ASSERT(getenv("KITH_TEST_SEED") ||
              (calls_ended > 20 && calls_cancelled > 0 && tasks_taken > 0 && tasks_cancelled > 0 &&
               elsewhere > 0 && items_taken > 0 && sim_died > 0));
    printf("(%llu calls, %llu tasks, %llu of them elsewhere, %llu single, %llu items, %llu deaths, trace "
           "%016llx) ",
           (unsigned long long)calls_ended, (unsigned long long)units_run, (unsigned long long)elsewhere,
           (unsigned long long)tasks_taken, (unsigned long long)items_taken, (unsigned long long)sim_died,
           (unsigned long long)sim_trace());
}

static uint64_t traced;

static void play_twice(uint64_t s)
{
    seed_draw(s);
    play_world(s);
    traced = sim_trace();
    seed_draw(s);
    play_world(s);
    CU_ASSERT_EQUAL(sim_trace(), traced);
}

static void a_seed_is_a_run(void)
{
    sim_seeds(play_twice, getenv("KITH_TEST_LONG") ? 50 : 3);
}

static void a_thousand_nodes(void)
{
    if (!getenv("KITH_TEST_LONG"))
        SKIP("KITH_TEST_LONG is not set");
    setenv("KITH_TEST_NODES", "1000", 1);
    sim_seeds(play_world, 2);
    unsetenv("KITH_TEST_NODES");
}

/* ------------------------------------------------------------- deaths at a certain step */

static int fails_at_once(const void *in, void *out)
{
    (void)in;
    (void)out;
    return 9;
}

static void takes_a_failure(struct client *c, void *arg)
{
    kith_result r;
    int rc;

    (void)c;
    (void)arg;
    r = kith_pool_apply_async(play.pool, fails_at_once, "", 1, 1);
    while ((rc = kith_result_get(r, &(char){ 0 }, 1, 0)) == KITH_ETIMEDOUT)
        kith__nap(20000);
    FAILS_WITH(KITH_ETASK, rc);
    FAILS_WITH(KITH_ESTALE, kith_result_get(r, &(char){ 0 }, 1, 0));
}

/* Its worker dies while it says so. */
static void tell_of_a_failure(uint64_t s)
{
    seed = s;
    world = (struct weather){ .nodes = 1, .workers = 1 };
    memset(&play, 0, sizeof play);
    play.tries = 1000;
    sim_begin(&world);
    quiet_faults();
    sim_start(0, opens_pool, NULL);
    await_all("the pool");
    sim_kill_at("claim: confirmed", "guard: value copied", 0);
    sim_kill_after((int)(s / 4));
    sim_start(0, takes_a_failure, NULL);
    sim_run(1000);
    sim_calm();
    await_all("a task that has failed");
    sim_start(0, closes_pool, NULL);
    await_all("the end of the pool");
    sim_settle(1000);
    sim_end();
}

static void a_failure_is_told_once(void)
{
    sim_seeds(tell_of_a_failure, 120);
}

static struct test tests[] = {
    TEST(all_of_it_plays_together),
    TEST(a_failure_is_told_once),
    TEST(a_seed_is_a_run),
    TEST(a_thousand_nodes),
    TEST_END,
};

int main(void)
{
    setenv("KITH_LOG", "error", 1); /* that nodes are lost is no news here */
    sim_init();
    return run_tests("world_sim", tests);
}
