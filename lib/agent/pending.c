/* guest.c: see guest.h.
 *
 * The calls of one thread of one node are carried out in the order in which they were made: a visitor is such a
 * thread, with its calls. A call that has to wait is parked at the object, in the order of coming, and holds up
 * what its own visitor has behind it. The agent's seat stands among the waiters of the object for all that it has parked
 * there. An item that was given away is kept until it was taken, and goes back to the front when it was not.
 *
 * How much is kept for another node is bounded by its seats: a thread of it waits for one call at a time, and the puts that
 * it has behind that are counted at its desk (errand.c); those that wait for memory have a bound of their own here.
 */
#include "config.h"
#include "agent/pending.h"
#include "agent/agent.h"
#include "rpc/mailbox.h"
#include "base/error.h"
#include "shm/heap.h"
#include "object/process.h"
#include "object/queue.h"
#include "base/system.h"
#include "member/wait.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024, IN_ROW = 3, CREDIT = 1024,       /* from the third put in a row on, places are reserved */
       KEPT_MOST = 1 << 20 };           /* bytes of a visitor's puts that wait for memory: they are in nobody's budget */

static const int64_t poll_ns = 5 * KITH__MS, memory_ns = 1000 * KITH__MS, look_again_ns = 1000 * KITH__MS;

struct guest {                          /* a call */
    struct guest *next;                 /* of its visitor */
    struct guest *next_parked;
    struct visitor *visitor;
    struct park *park;                  /* where it waits; NULL: nowhere */
    struct kith__request r;
    void *bytes;                        /* its own copy, when block is 0 and it had to wait */
    uint64_t block;
    int ready;                          /* its bytes are here */
    int64_t deadline;                   /* INT64_MAX: none */
    int64_t came;                       /* when all of it was here */
};

struct visitor {
    struct visitor *next;               /* in its bucket */
    uint32_t peer, seat;
    uint64_t newest;                    /* id of the last call that came: an older one was done already */
    uint64_t queue;                     /* on which it has put, */
    uint32_t in_row, credit;            /* so often in a row; places of it that are reserved for it */
    uint64_t kept;                      /* bytes of its calls, and of what we know about them */
    struct guest *first, *last;
};

struct park {                           /* the calls that wait for one thing */
    struct park *next;
    uint64_t object;
    struct kith__waiters *set;          /* NULL: for what nobody announces: memory, the end of all Processes */
    int owes;                           /* a wake-up that none of ours has made use of */
    struct guest *first, *last;
};

struct gift {                           /* an item that was given away, and not taken yet */
    struct gift *next;
    uint32_t peer;
    uint64_t id, queue, block, size;
};

static struct {
    struct kith__proto *proto;
    uint32_t node;
    struct visitor *visitors[BUCKETS];
    struct gift *gifts[BUCKETS];
    struct gift *refused;               /* are to go back into their queues */
    struct park *parks[BUCKETS];        /* by object */
    int64_t now, looked, due;
} self;

static void *make(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();                        /* all who wait learn that the agent is gone */
    return p;
}

/* --------------------------------------------------------------------- visitors */

static struct visitor **find_visitor(uint32_t peer, uint64_t id)
{
    uint32_t seat = (uint32_t)(id >> 48);
    struct visitor **at = &self.visitors[(peer * 2654435761u ^ seat) % BUCKETS];

    while (*at && ((*at)->peer != peer || (*at)->seat != seat))
        at = &(*at)->next;
    return at;
}

static struct visitor *visitor_of(uint32_t peer, uint64_t id)
{
    struct visitor **at = find_visitor(peer, id);

    if (!*at) {
        *at = make(sizeof **at);
        (*at)->peer = peer;
        (*at)->seat = (uint32_t)(id >> 48);
    }
    return *at;
}

static struct guest *find_guest(const struct visitor *v, uint64_t id)
{
    struct guest *g = v ? v->first : NULL;

    while (g && g->r.id != id)
        g = g->next;
    return g;
}

static struct guest *add_guest(struct visitor *v, const struct kith__request *r)
{
    struct guest *g = make(sizeof *g);

    g->visitor = v;
    g->r = *r;
    g->came = self.now;
    v->kept += sizeof *g;
    /* Callers have an int; what comes from elsewhere is no reason to overflow. */
    g->deadline = r->timeout_ms < 0 || r->timeout_ms > INT32_MAX ? INT64_MAX : self.now + r->timeout_ms * KITH__MS;
    if (v->last)
        v->last->next = g;
    else
        v->first = g;
    v->last = g;
    return g;
}

static void unpark(struct guest *g);

static void remove_guest(struct guest *g)
{
    struct visitor *v = g->visitor;
    struct guest **at = &v->first, *before = NULL;

    unpark(g);
    for (; *at != g; at = &(*at)->next)
        before = *at;
    *at = g->next;
    if (v->last == g)
        v->last = before;
    v->kept -= sizeof *g + (g->bytes ? g->r.size : 0);
    free(g->bytes);
    kith__heap_free(g->block);
    free(g);
}

/* ------------------------------------------------------------------------ gifts */

static struct gift **gift_bucket(uint32_t peer, uint64_t id)
{
    return &self.gifts[(id ^ id >> 48 ^ peer * 2654435761u) % BUCKETS];
}

static void give(uint32_t peer, const struct kith__request *r, uint64_t block, uint64_t size)
{
    struct gift *gift = make(sizeof *gift), **at = gift_bucket(peer, r->id);

    *gift = (struct gift){ *at, peer, r->id, r->object, block, size };
    *at = gift;
}

/* Puts it back. 0: its place is taken; later. */
static int put_back(const struct gift *gift)
{
    int rc = kith__queue_return(gift->queue, gift->block, gift->size);

    if (rc == KITH__PARKED)
        return 0;
    if (rc < 0)
        kith__heap_free(gift->block);   /* the queue was closed */
    return 1;
}

static void refuse(struct gift *gift)
{
    if (put_back(gift)) {
        free(gift);
        return;
    }
    gift->next = self.refused;
    self.refused = gift;
    self.due = self.now;
}

void kith__guests_settled(uint32_t peer, uint64_t id, int taken)
{
    struct gift **at = gift_bucket(peer, id), *gift;

    while (*at && ((*at)->id != id || (*at)->peer != peer))
        at = &(*at)->next;
    if (!(gift = *at))
        return;
    *at = gift->next;
    if (!taken) {
        refuse(gift);
        return;
    }
    kith__heap_free(gift->block);
    free(gift);
}

static void put_back_refused(void)
{
    for (struct gift **at = &self.refused; *at;) {
        struct gift *gift = *at;

        if (!put_back(gift)) {
            at = &gift->next;
            continue;
        }
        *at = gift->next;
        free(gift);
    }
}

/* --------------------------------------------------------- carrying out: one function an op */

struct result { uint64_t block, size; uint32_t flags; const void *bytes; };

/* bytes or g's block hold the r->size bytes of the call. Each gives a result or code, or KITH__PARKED. */
typedef int64_t operation(const struct kith__request *r, uint32_t peer, const void *bytes, uint64_t *block, struct result *out);

static void give_back(struct visitor *v, uint32_t n)
{
    n = n < v->credit ? n : v->credit;
    v->credit -= n;
    kith__queue_release(v->queue, n);
}

/* What a visitor that puts, and only puts, on one queue may put behind itself next. */
static int64_t lend(struct visitor *v, const struct kith__request *r, struct result *out)
{
    int64_t n;

    if (v->queue != r->object) {
        give_back(v, UINT32_MAX);
        v->queue = r->object;
        v->in_row = 0;
    }
    n = kith__queue_reserve(r->object, ++v->in_row < IN_ROW || v->credit > 0 ? 0 : CREDIT);
    if (n == KITH__NO_BOUND) {
        out->flags = KITH__UNBOUNDED;
        return 0;
    }
    v->credit += n > 0 ? (uint32_t)n : 0;
    return n > 0 ? n : 0;
}

static int64_t do_put(const struct kith__request *r, uint32_t peer, const void *bytes, uint64_t *block, struct result *out)
{
    struct visitor *v = *find_visitor(peer, r->id);
    int reserved = r->flags & KITH__BEHIND && v->credit > 0 && v->queue == r->object, rc;

    if (*block == 0 && r->size > KITH__QUEUE_LARGE) {
        if ((*block = kith__heap_alloc(r->size, kith__me)) == 0)
            return KITH_ENOMEM;
        memcpy(kith__at(*block), bytes, r->size);
    } else if (*block && r->size <= KITH__QUEUE_LARGE)
        bytes = kith__at(*block);
    rc = kith__queue_offer(r->object, bytes, r->size > KITH__QUEUE_LARGE ? *block : 0, r->size, reserved);
    if (rc < 0)
        return rc;
    if (r->size > KITH__QUEUE_LARGE)
        *block = 0;                     /* it is the queue's now */
    v->credit -= reserved;
    if (!(r->flags & KITH__BEHIND))
        return lend(v, r, out);
    out->flags = KITH__BEHIND;
    return 0;
}

static int64_t do_return(const struct kith__request *r, uint32_t peer, const void *bytes, uint64_t *block, struct result *out)
{
    struct visitor *v = *find_visitor(peer, (r->room >> 32) << 48);

    (void)bytes;
    (void)block;
    if (v && v->queue == r->object)
        give_back(v, (uint32_t)r->room);
    out->flags = r->flags & KITH__BEHIND;
    return 0;
}

static int64_t do_get(const struct kith__request *r, uint32_t peer, const void *bytes, uint64_t *block, struct result *out)
{
    int64_t rc = kith__queue_take_block(r->object, r->room, r->flags & KITH__EXACT, &out->block);

    (void)bytes;
    (void)block;
    if (rc < 0)
        return rc;
    out->size = (uint64_t)rc;
    out->flags = KITH__GIVES;
    give(peer, r, out->block, out->size);
    return rc;
}

static int64_t do_find(const struct kith__request *r, uint32_t peer, const void *bytes, uint64_t *block, struct result *out)
{
    const char *name = *block ? kith__at(*block) : bytes;
    uint64_t id;
    int rc;

    (void)peer;
    (void)out;
    if (r->size == 0 || name[r->size - 1] != '\0')
        return kith__fail(KITH_EINVAL, "a Queue was asked for by a name without an end");
    rc = kith__queue_find(name, r->room, &id);
    return rc < 0 ? rc : (int64_t)id;
}

static int64_t do_start(const struct kith__request *r, uint32_t peer, const void *bytes, uint64_t *block, struct result *out)
{
    const char *at = *block ? kith__at(*block) : bytes;
    struct kith__start s;
    kith__anyfn *fn;
    int rc;

    (void)peer;
    (void)out;
    if (r->size < sizeof s)
        return kith__fail(KITH_EINVAL, "a Process was asked for by too few bytes");
    memcpy(&s, at, sizeof s);
    if (s.arg_size != r->size - sizeof s)
        return kith__fail(KITH_EINVAL, "a Process was asked for with %llu bytes, and %llu came",
                          (unsigned long long)s.arg_size, (unsigned long long)(r->size - sizeof s));
    if ((rc = kith__token_resolve(&s.target, &fn)) < 0)
        return rc;
    return kith__process_begin(&s, at + sizeof s);
}

#define SIMPLE(name, expression)                                                                    \
    static int64_t do_##name(const struct kith__request *r, uint32_t peer, const void *bytes, uint64_t *block,          \
                             struct result *out)                                                    \
    {                                                                                               \
        (void)r;                                                                                    \
        (void)peer;                                                                                 \
        (void)bytes;                                                                                \
        (void)block;                                                                                \
        (void)out;                                                                                  \
        return expression;                                                                          \
    }
SIMPLE(peek, kith__queue_peek(r->object))
SIMPLE(count, kith__queue_count(r->object))
SIMPLE(end, kith__queue_end(r->object))
SIMPLE(look, kith__process_look(r->object))
SIMPLE(join, kith__process_ended(r->object))
SIMPLE(pid, kith__process_known_pid(r->object))
SIMPLE(signal, kith__process_signal(r->object, (int)r->room))
SIMPLE(close, kith__process_forget(r->object))
SIMPLE(place, kith__agent_place())
SIMPLE(await, kith__processes_ended())

static const struct { operation *fn; int side; } operations[KITH__OPS] = {  /* side: of the object's waiters; -1: nobody announces it */
    [KITH__OP_PUT] = { do_put, KITH__PUTTERS },
    [KITH__OP_GET] = { do_get, KITH__TAKERS },
    [KITH__OP_PEEK] = { do_peek, KITH__TAKERS },
    [KITH__OP_COUNT] = { do_count, -1 },
    [KITH__OP_END] = { do_end, -1 },
    [KITH__OP_FIND] = { do_find, -1 },
    [KITH__OP_RETURN] = { do_return, -1 },
    [KITH__OP_START] = { do_start, -1 },
    [KITH__OP_LOOK] = { do_look, -1 },
    [KITH__OP_JOIN] = { do_join, 0 },
    [KITH__OP_PID] = { do_pid, -1 },
    [KITH__OP_SIGNAL] = { do_signal, -1 },
    [KITH__OP_CLOSE] = { do_close, -1 },
    [KITH__OP_PLACE] = { do_place, -1 },
    [KITH__OP_AWAIT] = { do_await, -1 }
};

static int64_t carry_out(const struct kith__request *r, uint32_t peer, const void *bytes, uint64_t *block, struct result *out)
{
    struct visitor *v = *find_visitor(peer, r->id);

    memset(out, 0, sizeof *out);
    if (v && r->op != KITH__OP_PUT && r->op != KITH__OP_RETURN)
        v->in_row = 0;
    if (r->op >= KITH__OPS || !operations[r->op].fn)
        return kith__fail(KITH_EINVAL, "node %u asks for what node %u does not know (%u): two versions of kith?", peer,
                          self.node, r->op);
    return operations[r->op].fn(r, peer, bytes, block, out);
}

static void reply(uint32_t peer, const struct kith__request *r, int64_t result, const struct result *out)
{
    struct kith__reply reply = { .id = r->id, .result = result, .size = out->size, .flags = (uint16_t)out->flags };

    if (result == 0 && out->flags == KITH__BEHIND) {
        kith__proto_confirm(self.proto, peer, r->id, KITH__BEHIND);
        return;
    }
    if (result < 0) {
        reply.size = strlen(kith_last_error());
        reply.flags = r->flags & KITH__BEHIND;
        kith__proto_reply(self.proto, peer, &reply, kith_last_error(), 0);
        return;
    }
    kith__proto_reply(self.proto, peer, &reply, out->bytes, out->block);
}

/* ---------------------------------------------------------------------- parking */

/* What r waits for while it is parked: memory, or one side of its object. */
static struct kith__waiters *set_of(const struct kith__request *r)
{
    int side = operations[r->op].side;

    return side < 0 ? NULL : &kith__object_slot(r->object)->waiters[side];
}

static void wake_at(int64_t when)
{
    if (when < self.due)
        self.due = when;
}

static void stand(struct park *p)
{
    struct kith__seat *s = kith__seat();
    uint32_t n = kith__seat_number(s);

    if (!p->set)
        return;
    atomic_store(&s->since, (uint64_t)self.now);        /* behind those who wait already */
    atomic_fetch_or(&p->set->bits[n / 64], UINT64_C(1) << n % 64);
    atomic_fetch_or(&p->set->summary, UINT64_C(1) << n / 64);
    kith__fence();
}

/* 1: no wake-up was spent on us since we stood among the waiters. */
static int stands(const struct park *p)
{
    uint32_t n = kith__seat_number(kith__seat());

    return !p->set || (atomic_load(&p->set->bits[n / 64]) >> n % 64 & 1);
}

/* A wake-up that was meant for us goes to the next one when nobody is parked here any more. */
static void step_back(struct park *p)
{
    uint32_t n = kith__seat_number(kith__seat());
    uint64_t bit = UINT64_C(1) << n % 64;

    if (p->set && (!(atomic_fetch_and(&p->set->bits[n / 64], ~bit) & bit) || p->owes))
        kith__wake_one(p->set);
}

static void unpark(struct guest *g)
{
    struct park *p = g->park;
    struct guest **at, *before = NULL;

    if (!p)
        return;
    g->park = NULL;
    for (at = &p->first; *at != g; at = &(*at)->next_parked)
        before = *at;
    *at = g->next_parked;
    if (p->last == g)
        p->last = before;
}

static struct park **find_park(uint64_t object, const struct kith__waiters *set)
{
    struct park **at = &self.parks[(object ^ object >> 32) % BUCKETS];

    while (*at && ((*at)->object != object || (*at)->set != set))
        at = &(*at)->next;
    return at;
}

static struct park *park_for(uint64_t object, struct kith__waiters *set)
{
    struct park **at = find_park(object, set);

    if (!*at) {
        *at = make(sizeof **at);
        (*at)->object = object;
        (*at)->set = set;
    }
    return *at;
}

/* 1: others wait for the same and came before. */
static int has_to_queue(const struct kith__request *r)
{
    const struct park *p = r->op < KITH__OPS && operations[r->op].side >= 0 ? *find_park(r->object, set_of(r)) : NULL;

    return p && p->first && r->timeout_ms != 0;
}

static void park(struct guest *g, struct kith__waiters *set)
{
    struct park *p = park_for(g->r.object, set);

    g->park = p;
    g->next_parked = NULL;
    if (p->last)
        p->last->next_parked = g;
    else
        p->first = g;
    p->last = g;
    stand(p);
    wake_at(g->deadline);
    wake_at(self.now + (set ? look_again_ns : poll_ns));
}

static int is_behind(const struct kith__request *r)
{
    return r->op == KITH__OP_PUT && r->flags & KITH__BEHIND;
}

/* A put behind its thread that finds no memory: it may come soon. Those behind it have waited meanwhile, too. */
static int waits_for_memory(struct guest *g, int64_t rc)
{
    if (rc != KITH_ENOMEM || !is_behind(&g->r))
        return 0;
    if (g->deadline > g->came + memory_ns)
        g->deadline = g->came + memory_ns;
    return self.now < g->deadline;
}

/* 1: v's puts wait for memory, and there are many of them. Nothing tells its thread to stop but that they fail. */
static int is_starved(const struct visitor *v)
{
    return v->kept > KEPT_MOST && v->first->park && !v->first->park->set && is_behind(&v->first->r);
}

/* Tries g. 1: it is over, and gone; -1: likewise, but it has failed; 0: it has to wait. */
static int attempt(struct guest *g)
{
    struct result out;
    int64_t rc;

    if (!g->park && has_to_queue(&g->r)) {
        park(g, set_of(&g->r));
        return 0;
    }
    rc = carry_out(&g->r, g->visitor->peer, g->bytes, &g->block, &out);
    if (rc == KITH__PARKED && self.now >= g->deadline)
        rc = kith__fail(KITH_ETIMEDOUT, "the time limit passed");
    if (rc == KITH__PARKED || waits_for_memory(g, rc)) {
        if (!g->park)
            park(g, rc == KITH__PARKED ? set_of(&g->r) : NULL);
        return 0;
    }
    if (rc < 0 && is_behind(&g->r))
        give_back(g->visitor, 1);       /* its place */
    reply(g->visitor->peer, &g->r, rc, &out);
    remove_guest(g);
    return rc < 0 ? -1 : 1;
}

/* Goes on with v's calls, as far as they have their bytes and need not wait. */
static void serve(struct visitor *v)
{
    while (v->first && v->first->ready && !v->first->park) {
        if (attempt(v->first))
            continue;
        /* It stands among the waiters since: one more look, lest what it waits for came in between. */
        if (!v->first->park->set || v->first->park->first != v->first || !attempt(v->first))
            return;
    }
}

/* Those of p, the oldest first, until one has to wait. */
static void retry(struct park *p)
{
    if (!p->first)
        return;                         /* a wake-up that came for one who has left is the next one's: see step_back */
    p->owes = !stands(p);
    stand(p);
    while (p->first) {
        struct visitor *v = p->first->visitor;

        switch (attempt(p->first)) {
        case 0: p->owes = 0; return;    /* there is nothing left to be woken for */
        case 1: p->owes = 0; break;
        }
        serve(v);
    }
}

static void expire(struct park *p)
{
    for (struct guest *g = p->first, *next; g; g = next) {
        next = g->next_parked;
        if (self.now >= g->deadline) {
            struct visitor *v = g->visitor;

            attempt(g);
            serve(v);
            next = p->first;            /* the list may have changed */
        } else
            wake_at(g->deadline);
    }
}

/* Looks after those in one bucket; empty ones go. */
static void look_after(struct park **at, int woken)
{
    for (struct park *p = *at; p; p = p->next) {
        if (woken || !p->set || self.now - self.looked >= look_again_ns)
            retry(p);
        expire(p);
    }
    while (*at) {
        struct park *p = *at;

        if (p->first) {
            wake_at(self.now + (p->set ? look_again_ns : poll_ns));
            at = &p->next;
            continue;
        }
        step_back(p);
        *at = p->next;
        free(p);
    }
}

int64_t kith__guests_retry(int woken, int64_t now)
{
    self.now = now;
    if (!woken && now < self.due)
        return self.due;
    self.due = INT64_MAX;
    put_back_refused();
    for (int i = 0; i < BUCKETS; i++)
        if (self.parks[i])
            look_after(&self.parks[i], woken);
    if (now - self.looked >= look_again_ns)
        self.looked = now;
    if (self.refused)
        wake_at(now + poll_ns);
    return self.due;
}

/* ----------------------------------------------------------------------- events */

/* Each who asks is remembered: these are as many as a node can have. */
static int is_seat(uint64_t id)
{
    return id >> 48 < KITH__SEATS || id >> 48 == KITH__AGENTS_OWN;
}

uint64_t kith__guests_request(uint32_t peer, const struct kith__request *r, const void *bytes, int64_t now)
{
    struct visitor *v;
    struct result out;
    struct guest *g;
    uint64_t block = 0;
    int64_t rc;

    self.now = now;
    if (!is_seat(r->id)) {
        memset(&out, 0, sizeof out);
        reply(peer, r, kith__fail(KITH_EINVAL, "node %u asks for a seat that no node has", peer), &out);
        return 0;
    }
    v = visitor_of(peer, r->id);
    if (r->id <= v->newest)
        return 0;
    v->newest = r->id;
    if (!bytes && (block = kith__heap_alloc(r->size, kith__me)) == 0) {
        memset(&out, 0, sizeof out);
        if (is_behind(r))
            give_back(v, 1);
        reply(peer, r, KITH_ENOMEM, &out);
        return 0;
    }
    if (bytes && is_behind(r) && is_starved(v)) {
        memset(&out, 0, sizeof out);
        give_back(v, 1);
        reply(peer, r, kith__fail(KITH_ENOMEM, "node %u has no memory left for items", self.node), &out);
        return 0;
    }
    if (!v->first && bytes && !has_to_queue(r)) {
        rc = carry_out(r, peer, bytes, &block, &out);
        if (rc != KITH__PARKED && !(rc == KITH_ENOMEM && r->flags & KITH__BEHIND)) {
            if (rc < 0 && is_behind(r))
                give_back(v, 1);
            reply(peer, r, rc, &out);
            kith__heap_free(block);
            return 0;
        }
    }
    g = add_guest(v, r);
    if (!bytes)
        return block;
    g->ready = 1;
    g->block = block;
    if (r->size > 0 && !block) {
        memcpy(g->bytes = make(r->size), bytes, r->size);
        v->kept += r->size;
    }
    serve(v);
    return 0;
}

void kith__guests_arrived(uint32_t peer, uint64_t id, uint64_t block, int64_t now)
{
    struct visitor *v = *find_visitor(peer, id);
    struct guest *g = find_guest(v, id);

    self.now = now;
    if (!g || g->ready) {
        kith__heap_free(block);
        return;
    }
    g->block = block;
    g->ready = 1;
    g->came = now;
    serve(v);
}

/* A put goes on: its thread cannot know whether it was done, and there is something that others may wait for. */
void kith__guests_cancelled(uint32_t peer, uint64_t id)
{
    struct visitor *v = *find_visitor(peer, id);
    struct guest *g = find_guest(v, id);

    if (!g || g->r.op == KITH__OP_PUT || !g->ready)
        return;
    remove_guest(g);
    serve(v);
    self.due = 0;                       /* to step back where nobody waits now */
}

void kith__guests_ended(uint32_t peer)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct visitor **at = &self.visitors[i]; *at;) {
            struct visitor *v = *at;

            if (v->peer != peer) {
                at = &v->next;
                continue;
            }
            while (v->first)
                remove_guest(v->first);
            give_back(v, UINT32_MAX);
            *at = v->next;
            free(v);
        }
    for (int i = 0; i < BUCKETS; i++)
        for (struct gift **at = &self.gifts[i]; *at;) {
            struct gift *gift = *at;

            if (gift->peer != peer) {
                at = &gift->next;
                continue;
            }
            *at = gift->next;
            refuse(gift);
        }
    self.due = 0;
}

void kith__guests_init(struct kith__proto *p, uint32_t node)
{
    self.proto = p;
    self.node = node;
    self.due = INT64_MAX;
}
