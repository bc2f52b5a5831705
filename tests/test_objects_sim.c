/* test_objects_sim.c: Queues, Semaphores, Locks, Values, Events, Dicts, Lists and Processes on several nodes
 * in one process (sim/sim.h), under seeds: clients call what they like, die at any failpoint, nodes are lost,
 * and the network does what networks do. No item is lost or doubled while its home lives, each producer's
 * items come in order, no unit of a Semaphore has two holders or none, what is added to a Value or entry is
 * there once, each call ends, nothing is left. KITH_TEST_SEED=n repeats one run; KITH_TEST_LONG=1: more of
 * them.
 */
#include "config.h"
#include "check.h"
#include "sim/sim.h"
#include "base/handle.h"
#include "object/class.h"

#include <stdarg.h>

enum { QUEUES = 3, PRODUCERS = 64, SEQS = 512, LARGEST = 120000, HEAD = 24 };
enum { SEMS = 3, LOCK = SEMS - 1 };        /* the last one is a Lock: a unit, too */
enum { OTHER, PUTTING, GETTING, HOLDING }; /* HOLDING + k: a unit of Semaphore k; of SEMS: the Value's lock */

enum fate { NEVER, MAYBE, PUT, NOT, TAKEN };

struct item {
    uint32_t queue, producer, seq, size;
    uint64_t zero;
};

static struct queue {
    kith_queue q;
    uint32_t home;
    uint64_t bound;
    int closed, early; /* or about to be; early: with items in it */
    unsigned char fate[PRODUCERS][SEQS];
    unsigned char taker[PRODUCERS][SEQS]; /* its node */
    uint32_t last[PRODUCERS][PRODUCERS];  /* by producer and consumer */
    uint32_t puts[PRODUCERS];
} queues[QUEUES];

static struct sem {
    uint64_t id;
    uint32_t home;
    int units;
} sems[SEMS];

static struct {
    kith_value v;
    uint32_t home;
    long begun, done; /* adds */
} value;

static struct {
    kith_dict d;
    kith_list l;
    uint32_t home;
    long begun, done; /* updates of one entry */
    long appends_begun, appends_done, pops_begun, pops_done;
} dict;

static struct actor {
    uint32_t number, node;
    int getting; /* 1 + the queue from which it takes something */
    unsigned char out[LARGEST], in[LARGEST];
} actors[PRODUCERS];
static uint32_t actor_count;

static struct weather world;
static uint64_t seed;
static int stopping, failures, lost_node;
static uint64_t items_taken, calls;

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void wrong(const char *format, ...)
{
    va_list ap;

    failures++;
    printf("\n    KITH_TEST_SEED=%llu: ", (unsigned long long)seed);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("; last error: %s\n", kith_last_error());
}

/* A code that may come of a call on q; NULL: of any. */
static void may_fail(const char *call, int64_t rc, const struct queue *q)
{
    if (rc >= 0 || rc == KITH_ETIMEDOUT)
        return;
    if (rc == KITH_ESTALE && q && q->closed)
        return;
    if (rc == KITH_EPEER && lost_node)
        return;
    wrong("%s gives %lld", call, (long long)rc);
}

/* -------------------------------------------------------------------------- Queues */

static uint64_t size_of_item(void)
{
    switch (draw(12)) {
    case 0: return HEAD + draw(5000);
    case 1: return HEAD + 8100 + draw(200);
    case 2: return HEAD + 32700 + draw(200);
    case 3: return draw(3) ? HEAD : HEAD + draw(LARGEST - HEAD);
    default: return HEAD + draw(100);
    }
}

static int some_timeout(void)
{
    uint64_t n = draw(6);

    return n == 0 ? 0 : n == 1 ? (int)draw(50) : KITH_FOREVER;
}

static void put_one(struct client *c, struct actor *a, struct queue *q)
{
    uint32_t seq = q->puts[a->number];
    struct item i = { (uint32_t)(q - queues), a->number, seq, (uint32_t)size_of_item(), 0 };
    int rc;

    if (seq == SEQS)
        return;
    q->puts[a->number]++;
    memcpy(a->out, &i, sizeof i);
    paint(a->out + HEAD, i.size - HEAD, seq, a->number);
    q->fate[a->number][seq] = MAYBE;
    sim_doing(c, PUTTING);
    rc = kith_queue_put(q->q, a->out, i.size, some_timeout());
    sim_doing(c, OTHER);
    calls++;
    may_fail("put", rc, q);
    if (rc == 0 && q->fate[a->number][seq] == MAYBE)
        q->fate[a->number][seq] = PUT;
    if (rc != KITH_ETIMEDOUT)
        return;
    if (q->fate[a->number][seq] == TAKEN)
        wrong("item %u of %u was taken, and its put is over its time limit", seq, a->number);
    q->fate[a->number][seq] = NOT;
}

static void took(const struct client *c, struct actor *a, struct queue *q, int64_t size)
{
    struct item i;
    unsigned char *fate;

    if (size < HEAD) {
        wrong("an item of %lld bytes", (long long)size);
        return;
    }
    memcpy(&i, a->in, sizeof i);
    if (i.queue != q - queues || i.producer >= actor_count || i.seq >= SEQS || i.size != size ||
        !is_painted(a->in + HEAD, i.size - HEAD, i.seq, i.producer)) {
        wrong("an item of %lld bytes that nobody has put", (long long)size);
        return;
    }
    fate = &q->fate[i.producer][i.seq];
    if (*fate != MAYBE && *fate != PUT &&
        !(*fate == TAKEN && sim_is_lost(q->taker[i.producer][i.seq]))) /* it may have gone with its node */
        wrong("queue %u: item %u of %u is taken by %u, which was %s", i.queue, i.seq, i.producer, a->number,
              *fate == TAKEN ? "taken before" : "not put");
    *fate = TAKEN;
    q->taker[i.producer][i.seq] = (unsigned char)sim_node(c);
    items_taken++;
    if (!world.deaths && !world.losses && i.seq < q->last[i.producer][a->number])
        wrong("queue %u: item %u of %u comes after %u", i.queue, i.seq, i.producer,
              q->last[i.producer][a->number]);
    q->last[i.producer][a->number] = i.seq;
}

static int64_t get_one(struct client *c, struct actor *a, struct queue *q, int timeout_ms)
{
    size_t room = draw(8) ? LARGEST : draw(200);
    int64_t rc;

    a->getting = 1 + (int)(q - queues);
    sim_doing(c, GETTING);
    rc = kith_queue_get(q->q, a->in, room, timeout_ms);
    if (rc == KITH_ETOOBIG)
        rc = kith_queue_get(q->q, a->in, LARGEST, timeout_ms);
    sim_doing(c, OTHER);
    calls++;
    may_fail("get", rc, q);
    if (rc >= 0)
        took(c, a, q, rc);
    a->getting = 0;
    return rc;
}

static void look_at(struct client *c, struct queue *q)
{
    int counts = draw(2) != 0;
    int64_t rc;

    sim_doing(c, GETTING);
    rc = counts ? kith_queue_size(q->q) : kith_queue_next(q->q, some_timeout());
    sim_doing(c, OTHER);
    calls++;
    may_fail("size or next", rc, q);
    if (counts && q->bound && !world.deaths && !world.losses && rc > (int64_t)q->bound)
        wrong("a Queue of %lld items, whose bound is %llu", (long long)rc, (unsigned long long)q->bound);
}

static void close_it(struct queue *q)
{
    int rc;

    q->closed = 1;
    rc = kith_queue_close(q->q);
    may_fail("close", rc, q);
}

/* ---------------------------------------------------------------------- Semaphores */

static int is_lock(const struct sem *s)
{
    return s == &sems[LOCK];
}

static int acquire(const struct sem *s, int timeout_ms)
{
    return is_lock(s) ? kith_lock_acquire((kith_lock){ s->id }, timeout_ms)
                      : kith_sem_acquire((kith_sem){ s->id }, timeout_ms);
}

static int release(const struct sem *s)
{
    return is_lock(s) ? kith_lock_release((kith_lock){ s->id }) : kith_sem_release((kith_sem){ s->id });
}

static int free_units(const struct sem *s)
{
    int rc = is_lock(s) ? kith_lock_locked((kith_lock){ s->id }) : kith_sem_value((kith_sem){ s->id });

    return is_lock(s) && rc >= 0 ? 1 - rc : rc;
}

/* Takes a unit, holds it for a while, and gives it back; or dies anywhere on the way. */
static void use_sem(struct client *c)
{
    int k = (int)draw(SEMS), rc;
    struct sem *s = &sems[k];

    rc = acquire(s, some_timeout());
    calls++;
    if (rc != KITH_EOWNERDEAD || !(world.deaths || world.losses))
        may_fail("acquire", rc, NULL);
    if (rc < 0 && rc != KITH_EOWNERDEAD)
        return;
    sim_doing(c, HOLDING + k);
    for (int i = (int)draw(3); i >= 0; i--) {
        if (sim_count(HOLDING + k) > s->units && !sim_is_lost(s->home))
            wrong("Semaphore %d of %d units has %d holders", k, s->units, sim_count(HOLDING + k));
        sim_rest((int64_t)draw(10));
    }
    sim_doing(c, OTHER);
    may_fail("release", release(s), NULL);
}

/* Waits for all Queues, Semaphores and the Lock at once, of whatever nodes, and takes of those that are
 * ready: somebody else may be quicker. */
static void wait_for_many(struct client *c, struct actor *a)
{
    struct kith_waitable list[QUEUES + SEMS];
    int rc;

    for (int i = 0; i < QUEUES; i++)
        list[i] = kith_on(queues[i].q);
    for (int i = 0; i < SEMS; i++)
        list[QUEUES + i] =
            is_lock(&sems[i]) ? kith_on(((kith_lock){ sems[i].id })) : kith_on(((kith_sem){ sems[i].id }));
    sim_doing(c, GETTING);
    rc = kith_wait(list, QUEUES + (draw(2) ? SEMS : 0), some_timeout());
    sim_doing(c, OTHER);
    calls++;
    may_fail("wait", rc, NULL);
    for (int i = 0; rc > 0 && i < QUEUES; i++)
        if (list[i].ready == 1)
            get_one(c, a, &queues[i], 0);
        else
            may_fail("wait for one", list[i].ready, &queues[i]);
}

/* At the end: until all units are there, those of the dead, too. */
static void counts_units(struct client *c, void *arg)
{
    struct sem *s = arg;
    int n = -1;

    (void)c;
    for (int i = 0; i < 300 && (n = free_units(s)) != s->units; i++)
        sim_rest(200);
    if (n != s->units)
        wrong("Semaphore %d has %d units at the end, not %d", (int)(s - sems), n, s->units);
    may_fail("close of a Semaphore",
             is_lock(s) ? kith_lock_close((kith_lock){ s->id }) : kith_sem_close((kith_sem){ s->id }), NULL);
}

/* -------------------------------------------------------------------------- the Value */

static void add_one(void)
{
    long x = 0;
    int rc;

    value.begun++;
    if (draw(2)) {
        rc = kith_add(value.v, 1L);
    } else if ((rc = kith_load(value.v, &x)) == 0) {
        while ((rc = kith_compare_exchange(value.v, &x, x + 1)) == 0)
            ;
        rc = rc == 1 ? 0 : rc;
    }
    calls++;
    may_fail("add", rc, NULL);
    value.done += rc == 0;
}

static void lock_value(struct client *c)
{
    int rc = kith_value_lock(value.v, some_timeout());

    calls++;
    if (rc != KITH_EOWNERDEAD || !(world.deaths || world.losses))
        may_fail("lock", rc, NULL);
    if (rc < 0 && rc != KITH_EOWNERDEAD)
        return;
    sim_doing(c, HOLDING + SEMS);
    for (int i = (int)draw(3); i >= 0; i--) {
        if (sim_count(HOLDING + SEMS) > 1 && !sim_is_lost(value.home))
            wrong("the lock of the Value has %d holders", sim_count(HOLDING + SEMS));
        sim_rest((int64_t)draw(10));
    }
    sim_doing(c, OTHER);
    may_fail("unlock", kith_value_unlock(value.v), NULL);
}

static void use_value(struct client *c)
{
    if (draw(3) == 0)
        lock_value(c);
    else
        add_one();
}

/* At the end: what was certainly added is there, and what may have been, at most. */
static void checks_value(struct client *c, void *arg)
{
    long x = -1;
    int rc;

    (void)c;
    (void)arg;
    rc = kith_value_lock(value.v, 60000);
    if (rc < 0 && rc != KITH_EOWNERDEAD)
        wrong("the lock of the Value gives %d at the end", rc);
    PASS(kith_load(value.v, &x));
    if (x < value.done || x > value.begun)
        wrong("the Value is %ld after %ld adds, of which %ld are certain", x, value.begun, value.done);
    PASS(kith_value_close(value.v));
}

/* ----------------------------------------------------------------- the Dict and the List */

static int adds_one(struct kith_entry *e, void *arg)
{
    long x = 0;

    (void)arg;
    if (e->exists)
        memcpy(&x, e->value, sizeof x);
    x++;
    memcpy(e->value, &x, sizeof x);
    e->size = sizeof x;
    e->exists = 1;
    return 0;
}

static void update_entry(void)
{
    int rc;

    dict.begun++;
    rc = draw(2) ? kith_inc(dict.d, "hits", 1L)
                 : kith_dict_update(dict.d, KITH_TEXT("hits"), sizeof(long), adds_one, NULL, KITH_FOREVER);
    may_fail("update", rc, NULL);
    dict.done += rc == 0;
}

/* Values of one letter: none is torn. */
static void use_keys(void)
{
    char bytes[20000];
    uint32_t key = (uint32_t)draw(20);
    size_t size = 1 + draw(draw(4) ? 30 : sizeof bytes);
    int64_t rc;

    switch (draw(4)) {
    case 0: rc = kith_dict_del(dict.d, &key, sizeof key); break;
    case 1:
    case 2:
        memset(bytes, 'a' + (int)draw(26), size);
        rc = kith_dict_set(dict.d, &key, sizeof key, bytes, size);
        break;
    default:
        rc = kith_dict_get(dict.d, &key, sizeof key, bytes, sizeof bytes);
        for (int64_t i = 1; i < rc; i++)
            if (bytes[i] != bytes[0]) {
                wrong("a value of the Dict is torn");
                break;
            }
        break;
    }
    if (rc != KITH_EMISSING)
        may_fail("a call on the Dict", rc, NULL);
}

static void use_list(void)
{
    int64_t rc, at = (int64_t)draw(9) - 4, x = 7;

    if (draw(2)) {
        dict.appends_begun++;
        rc = draw(2) ? kith_list_append(dict.l, &x, sizeof x) : kith_list_insert(dict.l, at, &x, sizeof x);
        dict.appends_done += rc == 0;
    } else {
        dict.pops_begun++;
        rc = kith_list_pop(dict.l, at, &x, sizeof x);
        dict.pops_done += rc >= 0;
    }
    if (rc != KITH_EMISSING)
        may_fail("a call on the List", rc, NULL);
}

static void use_dict(void)
{
    calls++;
    switch (draw(3)) {
    case 0: update_entry(); break;
    case 1: use_keys(); break;
    default: use_list(); break;
    }
}

/* At the end: what certainly was done is there, and what may have been, at most. */
static void checks_dict(struct client *c, void *arg)
{
    struct kith_view *v = kith_dict_view(dict.d);
    int64_t n = kith_list_len(dict.l);
    long x = 0;
    int rc = kith_fetch(dict.d, "hits", &x);

    (void)c;
    (void)arg;
    if (rc != KITH_EMISSING)
        may_fail("fetch", rc, NULL);
    if (x < dict.done || x > dict.begun)
        wrong("an entry is %ld after %ld updates, of which %ld are certain", x, dict.begun, dict.done);
    if (n < dict.appends_done - dict.pops_begun || n > dict.appends_begun - dict.pops_done)
        wrong("a List of %lld elements after %ld to %ld appends and %ld to %ld pops", (long long)n,
              dict.appends_done, dict.appends_begun, dict.pops_done, dict.pops_begun);
    if (!v || (int64_t)kith_view_len(v) != kith_dict_len(dict.d))
        wrong("a view has another length than the Dict");
    kith_view_free(v);
    PASS(kith_dict_close(dict.d));
    PASS(kith_list_close(dict.l));
}

/* ----------------------------------------------------------------------- Processes */

static int does_nothing(const void *arg)
{
    (void)arg;
    return 0;
}

static void run_process(void)
{
    static const char bytes[200];
    size_t size = draw(sizeof bytes);
    struct kith_process_options options = { .node = draw(2) ? (int)draw(world.nodes) + 1 : 0 };
    kith_process p = kith__process_start(does_nothing, bytes, size, &options, sizeof options);
    int rc = kith_process_alive(p), sig = 0, code = -1;

    calls++;
    may_fail("start", rc, NULL);
    if (rc < 0)
        return;
    if (draw(4) == 0)
        may_fail("pid", kith_process_pid(p), NULL);
    if (draw(4) == 0) {
        sig = draw(2) ? SIGTERM : SIGKILL;
        may_fail("kill", sig == SIGTERM ? kith_process_terminate(p) : kith_process_kill(p), NULL);
    }
    rc = kith_process_join(p, draw(3) ? KITH_FOREVER : (int)draw(30));
    may_fail("join", rc, NULL);
    if (rc == 0) {
        rc = kith_process_exitcode(p, &code);
        may_fail("exitcode", rc, NULL);
        if (rc == 0 && code != (int)(size & 127) && code != -sig)
            wrong("a Process ended with %d, not %zu or %d", code, size & 127, -sig);
    }
    may_fail("close of a Process", kith_process_close(p), NULL);
}

/* ------------------------------------------------------------------------- programs */

static void act(struct client *c, struct actor *a, uint64_t favour)
{
    struct queue *q = &queues[draw(QUEUES)];
    int n = 1 + (int)draw(20);

    switch (draw(4) ? favour : draw(14)) {
    case 0:
        for (; n > 0 && !stopping; n--)
            put_one(c, a, q);
        break;
    case 1:
        for (; n > 0 && !stopping; n--)
            get_one(c, a, q, some_timeout());
        break;
    case 2: look_at(c, q); break;
    case 3: sim_rest((int64_t)draw(20)); break;
    case 4: run_process(); break;
    case 5:
        if (draw(40) == 0) {
            q->early = 1;
            close_it(q);
        }
        break;
    case 6:
    case 7: use_sem(c); break;
    case 8:
    case 9: use_value(c); break;
    case 10: wait_for_many(c, a); break;
    case 11:
    case 12:
        for (; n > 0 && !stopping; n--)
            use_dict();
        break;
    default: break;
    }
}

static void lives(struct client *c, void *arg)
{
    uint64_t favour = draw(2);

    for (uint64_t n = 5 + draw(25); n > 0 && !stopping; n--)
        act(c, arg, favour);
}

/* At the end: until nobody puts any more, and nothing comes. */
static void empties(struct client *c, void *arg)
{
    struct actor *a = arg;
    struct queue *q = &queues[a - actors - (PRODUCERS - QUEUES)];
    int64_t rc;

    do {
        rc = get_one(c, a, q, 5000); /* what is on its way to one that gives up comes back */
    } while (rc >= 0 || (rc == KITH_ETIMEDOUT && sim_count(PUTTING) > 0));
    close_it(q); /* again, when who was to close it has died over it */
}

/* ------------------------------------------------------------------------------ a run */

static void start_actor(void)
{
    uint32_t node = (uint32_t)draw(world.nodes);

    if (sim_is_lost(node) || actor_count == PRODUCERS - QUEUES)
        return;
    actors[actor_count].number = actor_count;
    actors[actor_count].node = node;
    actor_count++;
    sim_start(node, lives, &actors[actor_count - 1]);
}

static void open_queues(void)
{
    memset(queues, 0, sizeof queues);
    for (int i = 0; i < QUEUES; i++) {
        struct queue *q = &queues[i];

        q->home = (uint32_t)draw(world.nodes);
        q->bound = draw(3) == 0 ? 0 : draw(2) ? 1 + draw(10) : 64 + draw(400);
        sim_enter(q->home);
        PASS((int64_t)(q->q = kith_queue_open(q->bound)).id);
        sim_leave();
    }
}

static void open_sems(void)
{
    for (int i = 0; i < SEMS; i++) {
        struct sem *s = &sems[i];

        s->home = (uint32_t)draw(world.nodes);
        s->units = is_lock(s) ? 1 : (draw(8) ? 1 : 20) + (int)draw(3);
        sim_enter(s->home);
        s->id = is_lock(s) ? kith_lock_open().id : kith_sem_open_with(s->units, .bounded = (int)draw(2)).id;
        PASS((int64_t)s->id);
        sim_leave();
    }
}

static void open_value(void)
{
    value.home = (uint32_t)draw(world.nodes);
    value.begun = value.done = 0;
    sim_enter(value.home);
    value.v = kith_value_of(0L);
    PASS(kith_check(value.v));
    sim_leave();
}

static void open_dict(void)
{
    memset(&dict, 0, sizeof dict);
    dict.home = (uint32_t)draw(world.nodes);
    sim_enter(dict.home);
    dict.d = kith_dict_open();
    dict.l = kith_list_open();
    PASS(kith_check(dict.d));
    PASS(kith_check(dict.l));
    sim_leave();
}

static void check_dict(void)
{
    if (!sim_is_lost(dict.home))
        sim_start(dict.home, checks_dict, NULL);
    if (!sim_run(200000))
        wrong("the Dict cannot be looked at");
}

static void check_value(void)
{
    if (!sim_is_lost(value.home))
        sim_start(value.home, checks_value, NULL);
    if (!sim_run(200000))
        wrong("the Value cannot be had");
}

/* When nobody uses them any more. */
static void count_units(void)
{
    for (int i = 0; i < SEMS; i++)
        if (sems[i].units && !sim_is_lost(sems[i].home))
            sim_start(sems[i].home, counts_units, &sems[i]);
    if (!sim_run(200000))
        wrong("the Semaphores cannot be counted");
}

/* What was put and never came, but for those that died with it in their hands. */
static void count_lost(int i)
{
    struct queue *q = &queues[i];
    int lost = 0, allowed = 0;

    for (uint32_t a = 0; a < PRODUCERS; a++) {
        allowed += actors[a].getting == i + 1;
        for (int s = 0; s < SEQS && !sim_is_lost(actors[a].node); s++) /* what it has posted goes with it */
            lost += q->fate[a][s] == PUT;
    }
    if (lost > allowed)
        wrong("queue %d of node %u, bound %llu: %d items are lost, %d at most may be", i, q->home,
              (unsigned long long)q->bound, lost, allowed);
}

static void finish(void)
{
    stopping = 1;
    sim_calm();
    for (uint32_t i = 0; i < QUEUES; i++) {
        struct actor *a = &actors[PRODUCERS - QUEUES + i];

        a->number = PRODUCERS - QUEUES + i;
        if (!sim_is_lost(queues[i].home))
            sim_start(queues[i].home, empties, a);
    }
    if (sim_run(200000)) {
        sim_settle(lost_node ? 40000 : 3000); /* who has never heard the lost one waits 30 s for it */
        count_units();
        check_value();
        check_dict();
        return;
    }
    wrong("some calls do not end: %d put, %d get", sim_count(PUTTING), sim_count(GETTING));
    sim_show();
    exit(1); /* their threads cannot be ended */
}

static void draw_world(void)
{
    memset(&world, 0, sizeof world);
    world.nodes = 2 + (uint32_t)draw(3);
    world.deaths = draw(2) == 0;
    world.losses = draw(5) == 0;
    world.through_net = draw(4) == 0;
}

static void draw_weather(void)
{
    if (draw(3) == 0)
        return;
    net.weather.lose = (int)draw(40);
    net.weather.repeat = (int)draw(50);
    net.weather.delay = (int)draw(20);
    net.weather.truncate = (int)draw(10);
}

static void run(uint64_t s)
{
    seed = s;
    seed_draw(s);
    draw_world();
    stopping = lost_node = 0;
    actor_count = 0;
    memset(actors, 0, sizeof actors);
    sim_begin(&world);
    draw_weather();
    open_queues();
    open_sems();
    open_value();
    open_dict();
    for (uint64_t n = 3 + draw(8); n > 0; n--)
        start_actor();
    for (uint64_t n = 5 + draw(10); n > 0; n--) {
        sim_run((int64_t)draw(100));
        if (draw(2))
            start_actor();
        if (world.losses && !lost_node && draw(6) == 0) {
            lost_node = 1;
            sim_lose(1 + (uint32_t)draw(world.nodes - 1));
        }
    }
    finish();
    for (int i = 0; i < QUEUES; i++)
        if (!sim_is_lost(queues[i].home) && !queues[i].early)
            count_lost(i);
    sim_end();
}

static void seeds_of_calls_lose_and_repeat_nothing(void)
{
    uint64_t count = getenv("KITH_TEST_LONG") ? 1000 : 200;
    const char *one = getenv("KITH_TEST_SEED");

    if (one)
        run(strtoull(one, NULL, 0));
    for (uint64_t s = 1; !one && s <= count && failures < 5; s++) {
        unsigned before = CU_get_number_of_failures();

        run(s);
        if (CU_get_number_of_failures() > before)
            wrong("an assertion");
    }
    printf("%llu calls, %llu items, %llu deaths ", (unsigned long long)calls, (unsigned long long)items_taken,
           (unsigned long long)sim_died);
    CU_ASSERT_EQUAL(failures, 0);
    CU_ASSERT(one || items_taken > 0);
}

static void has_places(struct client *c, void *arg)
{
    int x = 0;

    (void)c;
    (void)arg;
    for (int i = 0; i < 10; i++)
        PASS(kith_put(queues[0].q, x));
    sim_rest(1000000);
}

static void pipelines_elsewhere(struct client *c, void *arg)
{
    int x = 0;

    (void)c;
    (void)arg;
    for (int i = 0; i < 10; i++)
        PASS(kith_put(queues[1].q, x));
    CU_ASSERT_EQUAL(kith_queue_size(queues[1].q), 10);
}

/* What the dead one had on a node that is lost by then concerns nobody who comes to its seat. */
static void places_on_a_lost_node_hold_up_nobody(void)
{
    static const struct weather three = { .nodes = 3 };
    struct client *first;

    sim_begin(&three);
    for (uint32_t i = 0; i < 2; i++) {
        sim_enter(i + 1);
        queues[i].q = kith_queue_open(i == 0 ? 400 : 0);
        sim_leave();
    }
    sim_calm();
    first = sim_start(0, has_places, NULL);
    CU_ASSERT(!sim_run(1000));
    sim_kill(first);
    CU_ASSERT(sim_run(1000));
    sim_lose(1);
    sim_start(0, pipelines_elsewhere, NULL);
    if (!sim_run(100000)) {
        sim_show();
        CU_FAIL("it waits for ever");
        exit(1);
    }
    sim_enter(2);
    PASS(kith_queue_close(queues[1].q));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

static void puts_one(struct client *c, void *arg)
{
    int x = 0;

    (void)c;
    (void)arg;
    PASS(kith_put(queues[0].q, x));
}

static void gets_one(struct client *c, void *arg)
{
    int x;

    (void)c;
    (void)arg;
    PASS(kith_get(queues[0].q, &x));
}

/* The bound of queues[0], at home on the second of three nodes. */
static void open_full_queue(uint64_t bound)
{
    static const struct weather three = { .nodes = 3 };

    sim_begin(&three);
    sim_enter(1);
    queues[0].q = kith_queue_open(bound);
    for (int x = 0; x < (int)bound; x++)
        PASS(kith_put(queues[0].q, x));
    sim_leave();
    sim_calm();
}

static void close_full_queue(void)
{
    sim_enter(1);
    PASS(kith_queue_close(queues[0].q));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

/* Whoever comes to its seat may be the one who makes room. */
static void a_put_that_the_dead_have_left_holds_up_nobody(void)
{
    struct client *first;

    open_full_queue(1);
    first = sim_start(0, puts_one, NULL);
    CU_ASSERT(!sim_run(1000));
    sim_kill(first);
    CU_ASSERT(sim_run(1000));
    sim_start(0, gets_one, NULL);
    if (!sim_run(100000)) {
        sim_show();
        CU_FAIL("it waits for ever");
        exit(1);
    }
    close_full_queue();
}

static void puts_three(struct client *c, void *arg)
{
    for (int i = 0; i < 3; i++)
        puts_one(c, arg);
    sim_rest(1000000);
}

static void gets_two(struct client *c, void *arg)
{
    gets_one(c, arg);
    gets_one(c, arg);
}

enum { BOUND = 64 }; /* smaller ones lend no places */

static void gets_half(struct client *c, void *arg)
{
    for (int i = 0; i < BOUND / 2; i++)
        gets_one(c, arg);
}

static void fills(struct client *c, void *arg)
{
    for (int i = 0; i < BOUND; i++)
        puts_one(c, arg);
}

/* From the third put in a row on places are lent: to one who died meanwhile, at any moment, they are not. */
static void places_lent_to_the_dead_come_back(void)
{
    int count = getenv("KITH_TEST_LONG") ? 300 : 40;

    for (int n = 0; n < count; n++) {
        struct client *first;

        seed_draw((uint64_t)n);
        open_full_queue(BOUND);
        sim_start(1, gets_two, NULL);
        CU_ASSERT(sim_run(1000));
        first = sim_start(0, puts_three, NULL);
        CU_ASSERT(!sim_run(1000)); /* the third waits */
        sim_start(1, gets_half, NULL);
        sim_run(n % 10);
        sim_kill(first);
        CU_ASSERT(sim_run(1000));
        sim_settle(1000);
        sim_enter(1);
        for (int x; kith_queue_size(queues[0].q) > 0;)
            PASS(kith_get(queues[0].q, &x));
        sim_leave();
        sim_start(2, fills, NULL);
        if (!sim_run(100000)) {
            sim_show();
            printf("    run %d\n", n);
            CU_FAIL("it waits for ever");
            exit(1);
        }
        close_full_queue();
    }
}

static void asks_elsewhere(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    CU_ASSERT_EQUAL(kith_queue_size(queues[0].q), 0);
}

/* Its successor on the seat comes before its janitor, and finds the mailbox all the same. */
static void a_mailbox_whose_commit_the_dead_have_left_is_found(void)
{
    static const struct weather two = { .nodes = 2 };

    sim_begin(&two);
    sim_enter(1);
    queues[0].q = kith_queue_open(0);
    sim_leave();
    sim_calm();
    sim_kill_at("mailbox: new", "guard: record complete", 1000);
    for (int i = 0; i < 2; i++) {
        sim_start(0, asks_elsewhere, NULL);
        sim_run(100);
    }
    CU_ASSERT(sim_run(100000));
    sim_enter(1);
    PASS(kith_queue_close(queues[0].q));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

static void dies_over_its_release(struct client *c, void *arg)
{
    (void)c;
    PASS(acquire(&sems[0], 0));
    sim_rest(1000);
    sim_kill_at(NULL, arg, 0);
    release(&sems[0]);
}

static void holds_for_long(struct client *c, void *arg)
{
    int rc = acquire(&sems[0], KITH_FOREVER);

    (void)arg;
    CU_ASSERT(rc == 0 || rc == KITH_EOWNERDEAD);
    sim_doing(c, HOLDING);
    for (int i = 0; i < 20; i++) {
        sim_rest(100);
        CU_ASSERT_EQUAL(sim_count(HOLDING), 1);
    }
    sim_doing(c, OTHER);
    PASS(release(&sems[0]));
}

/* Where it went before it died, it comes before its death is known there: whoever holds the unit next keeps
 * it. */
static void a_last_release_and_a_death_give_back_one_unit(void)
{
    static const char *const steps[] = { "mailbox: posted", "mailbox: marked" };
    static const struct weather home = { .nodes = 2, .through_net = 1 }, far = { .nodes = 2 };

    for (int i = 0; i < 4; i++) {
        sim_begin(i & 1 ? &home : &far);
        sim_calm();
        sim_enter(0);
        sems[0] = (struct sem){ kith_sem_open(1).id, 0, 1 };
        sim_leave();
        sim_start(!(i & 1), dies_over_its_release, (void *)(uintptr_t)steps[i / 2]);
        sim_run(500);
        for (int k = 0; k < 2; k++)
            sim_start(0, holds_for_long, NULL);
        CU_ASSERT(sim_run(100000));
        count_units();
        sim_settle(1000);
        sim_end();
    }
}

static void puts_through_cuts(struct client *c, void *arg)
{
    static char large[LARGEST];

    (void)c;
    (void)arg;
    for (uint64_t i = 0; i < 40; i++) {
        int64_t begin = sim_now_ms();

        PASS(kith_queue_put(queues[0].q, large, i % 2 ? sizeof large : HEAD, 0));
        PASS(kith_queue_get(queues[0].q, large, sizeof large, 0));
        if (sim_now_ms() - begin > 5000) {
            printf("\n    put and get %llu took %lld ms\n", (unsigned long long)i,
                   (long long)(sim_now_ms() - begin));
            CU_FAIL("they are as slow as if the node were gone");
        }
        sim_rest((int64_t)draw(700));
    }
}

/* Cut for 0.9 s of each 1.5 s: what waits 2, 4, 8, .. s before it says a thing again says it when the
 * connection is cut, for ever. */
static void a_call_is_done_soon_after_a_short_cut(void)
{
    static const struct weather two = { .nodes = 2 };
    int ended = 0;

    seed_draw(1);
    sim_begin(&two);
    sim_calm();
    sim_enter(1);
    queues[0].q = kith_queue_open(10);
    sim_leave();
    sim_start(0, puts_through_cuts, NULL);
    sim_run(10);
    for (int i = 0; i < 1000 && !ended; i++) {
        sim_cut(0, 1, 1);
        sim_run(900);
        sim_cut(0, 1, 0);
        ended = sim_run(600);
    }
    CU_ASSERT_FATAL(ended);
    sim_enter(1);
    PASS(kith_queue_close(queues[0].q));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

static void waits_in_vain(struct client *c, void *arg)
{
    char x[HEAD] = { 0 };

    (void)c;
    (void)arg;
    PASS(kith_queue_put(queues[0].q, x, sizeof x, 0)); /* the nodes know each other */
    sim_cut(0, 1, 1);
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_get(queues[0].q, x, sizeof x, 100));
    FAILS_WITH(KITH_ETIMEDOUT, kith_sem_acquire((kith_sem){ sems[0].id }, 100));
    FAILS_WITH(KITH_EPEER, kith_queue_put(queues[0].q, x, sizeof x, 100));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "may or may not"));
    sim_cut(0, 1, 0);
    sim_rest(2000);
    CU_ASSERT_EQUAL(kith_queue_size(queues[0].q), 2); /* it was done; and what the get took is back */
    CU_ASSERT_EQUAL(kith_sem_value((kith_sem){ sems[0].id }), 1);
}

/* Its home is silent, but not gone. A timeout says that a call was not done; of a put nobody can know it. */
static void what_may_be_done_is_no_timeout(void)
{
    static const struct weather two = { .nodes = 2 };

    sim_begin(&two);
    sim_calm();
    sim_enter(1);
    queues[0].q = kith_queue_open(10);
    sems[0] = (struct sem){ kith_sem_open(1).id, 1, 1 };
    sim_leave();
    sim_start(0, waits_in_vain, NULL);
    CU_ASSERT_FATAL(sim_run(100000));
    sim_enter(1);
    PASS(kith_queue_close(queues[0].q));
    PASS(kith_sem_close((kith_sem){ sems[0].id }));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

/* Runs of their own, each under a seed. */
static void seeds_of(void (*once)(uint64_t s), uint64_t count)
{
    const char *one = getenv("KITH_TEST_SEED");

    for (uint64_t s = 1; s <= (one ? 1 : count); s++) {
        unsigned before = CU_get_number_of_failures();

        seed = one ? strtoull(one, NULL, 0) : s;
        seed_draw(seed);
        once(seed);
        if (CU_get_number_of_failures() > before)
            printf("KITH_TEST_SEED=%llu ", (unsigned long long)seed);
    }
}

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
    draw_weather();
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
    seeds_of(talk_once, getenv("KITH_TEST_LONG") ? 600 : SANITIZED ? 60 : 260);
    CU_ASSERT(getenv("KITH_TEST_SEED") || answers_heard > 0);
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
    draw_weather();
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
    seeds_of(start_once, getenv("KITH_TEST_LONG") ? 300 : SANITIZED ? 30 : 100);
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
    draw_weather();
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
    seeds_of(work_once, getenv("KITH_TEST_LONG") ? 600 : SANITIZED ? 40 : 200);
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
    if (rc != 0 && rc != KITH_ETIMEDOUT && rc != KITH_EOWNERDEAD)
        wrong("a Condition gives %d", rc);
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
    draw_weather();
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
    seeds_of(fill_once, getenv("KITH_TEST_LONG") ? 600 : SANITIZED ? 40 : 150);
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
    draw_weather();
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
    seeds_of(go_round_once, getenv("KITH_TEST_LONG") ? 400 : SANITIZED ? 40 : 150);
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

static struct test tests[] = { TEST(a_call_is_done_soon_after_a_short_cut),
                               TEST(what_may_be_done_is_no_timeout),
                               TEST(a_start_reaches_all_that_wait),
                               TEST(jobs_of_the_dead_are_done_by_others),
                               TEST(whoever_dies_leaves_its_notification_to_others),
                               TEST(a_notification_on_its_way_to_the_dead_goes_to_another),
                               TEST(all_go_on_together_or_learn_that_it_is_broken),
                               TEST(a_death_at_a_barrier_is_told_on_all_nodes),
                               TEST(who_talks_to_the_dead_learns_of_it),
                               TEST(a_last_release_and_a_death_give_back_one_unit),
                               TEST(a_mailbox_whose_commit_the_dead_have_left_is_found),
                               TEST(places_on_a_lost_node_hold_up_nobody),
                               TEST(a_put_that_the_dead_have_left_holds_up_nobody),
                               TEST(places_lent_to_the_dead_come_back),
                               TEST(seeds_of_calls_lose_and_repeat_nothing),
                               TEST_END };

int main(void)
{
    sim_init();
    return run_tests("objects_sim", tests);
}
