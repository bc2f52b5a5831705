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
    kith_process p = (kith_process_start_with)(does_nothing, bytes, size, &options, sizeof options);
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

static void run(uint64_t s)
{
    seed = s;
    seed_draw(s);
    draw_world();
    stopping = lost_node = 0;
    actor_count = 0;
    memset(actors, 0, sizeof actors);
    sim_begin(&world);
    sim_draw_weather();
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
    uint64_t count = getenv("KITH_TEST_LONG") ? 1000 : SANITIZED ? 60 : 200;
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

static struct test tests[] = { TEST(seeds_of_calls_lose_and_repeat_nothing), TEST_END };

int main(void)
{
    sim_init();
    return run_tests("objects_sim", tests);
}
