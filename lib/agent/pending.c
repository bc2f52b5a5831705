/* pending.c: see pending.h.
 *
 * The calls of one thread of one node are carried out in the order in which they were made: a client is such
 * a thread, with its calls. A call that has to wait is parked at the object, in the order of coming, and
 * holds up what its own client has behind it. The agent's seat stands among the waiters of the object for all
 * that it has parked there. An item that was given away is kept until it was taken, and goes back to the
 * front when it was not.
 *
 * How much is kept for another node is bounded by its seats: a thread of it waits for one call at a time, and
 * the puts that it has behind that are counted at its mailbox (request.c); those that wait for memory have a
 * bound of their own here.
 */
#include "config.h"
#include "agent/pending.h"
#include "rpc/mailbox.h"
#include "base/error.h"
#include "shm/heap.h"
#include "object/class.h"
#include "object/watch.h"
#include "base/system.h"
#include "member/wait.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS = 1024,
    IN_ROW = 3,
    CREDIT = 1024, /* from the third put in a row on, places are reserved */
    KEPT_MOST = 1 << 20
}; /* bytes of a client's puts that wait for memory: they are in nobody's budget */

static const int64_t poll_ns = 5 * KITH__MS, memory_ns = 1000 * KITH__MS, look_again_ns = 1000 * KITH__MS;

struct call {          /* a call */
    struct call *next; /* of its client */
    struct call *next_parked;
    struct client *client;
    struct waitlist *waitlist; /* where it waits; NULL: nowhere */
    struct kith__request r;
    void *bytes; /* its own copy, when block is 0 and it had to wait */
    uint64_t block;
    int ready; /* its bytes are here */
    int spent; /* of a watch: a wake-up may have been spent on us at its objects, before it was last tried */
    int64_t deadline; /* INT64_MAX: none */
    int64_t came;     /* when all of it was here */
};

struct client {
    struct client *next; /* in its bucket */
    uint32_t peer, seat;
    uint64_t newest;       /* id of the last call that came: an older one was done already */
    uint64_t lent_by;      /* id of the call whose answer lent the places of .credit */
    uint64_t object;       /* whose pipelining method it calls, */
    uint32_t kind, in_row; /* of that class; so often in a row */
    uint32_t credit;       /* places of it that are reserved for it */
    uint64_t kept;         /* bytes of its calls, and of what we know about them */
    struct call *first, *last;
};

struct waitlist { /* the calls that wait for one thing */
    struct waitlist *next;
    uint64_t object;
    struct kith__waiters *set; /* NULL: nobody announces it: memory, the end of all Processes; or watches */
    int outstanding;           /* a wake-up that none of ours has made use of */
    struct call *first, *last;
};

struct delivery { /* what was given away, and not taken yet */
    struct delivery *next;
    uint32_t peer, op;
    uint64_t id, object;
    struct kith__caller who;
    struct kith__result given;
};

struct kith__pending {
    struct kith__proto *proto;
    struct kith__seat *seat;
    uint32_t node;
    struct client *clients[BUCKETS];
    struct delivery *deliveries[BUCKETS];
    struct delivery *refused;            /* are to go back to their objects */
    struct waitlist *waitlists[BUCKETS]; /* by object */
    int64_t now, looked, due;
};

static void *make(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort(); /* all who wait learn that the agent is gone */
    return p;
}

/* --------------------------------------------------------------------- clients */

static struct client **find_client(struct kith__pending *self, uint32_t peer, uint64_t id)
{
    uint32_t seat = (uint32_t)(id >> 48);
    struct client **at = &self->clients[(peer * 2654435761u ^ seat) % BUCKETS];

    while (*at && ((*at)->peer != peer || (*at)->seat != seat))
        at = &(*at)->next;
    return at;
}

static struct client *client_of(struct kith__pending *self, uint32_t peer, uint64_t id)
{
    struct client **at = find_client(self, peer, id);

    if (!*at) {
        *at = make(sizeof **at);
        (*at)->peer = peer;
        (*at)->seat = (uint32_t)(id >> 48);
    }
    return *at;
}

static struct call *find_call(const struct client *v, uint64_t id)
{
    struct call *g = v ? v->first : NULL;

    while (g && g->r.id != id)
        g = g->next;
    return g;
}

static struct call *add_call(struct kith__pending *self, struct client *v, const struct kith__request *r)
{
    struct call *g = make(sizeof *g);

    g->client = v;
    g->r = *r;
    g->came = self->now;
    v->kept += sizeof *g;
    /* Callers have an int; what comes from elsewhere is no reason to overflow. */
    g->deadline =
        r->timeout_ms < 0 || r->timeout_ms > INT32_MAX ? INT64_MAX : self->now + r->timeout_ms * KITH__MS;
    if (v->last)
        v->last->next = g;
    else
        v->first = g;
    v->last = g;
    return g;
}

static void unpark(struct kith__pending *self, struct call *g);
static void leave(struct call *g);

static void remove_call(struct kith__pending *self, struct call *g)
{
    struct client *v = g->client;
    struct call **at = &v->first, *before = NULL;

    unpark(self, g);
    if (g->r.flags & KITH__WAITED)
        leave(g);
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

/* ------------------------------------------------------------------------ deliveries */

static struct kith__caller caller(uint32_t peer, const struct kith__request *r)
{
    return (struct kith__caller){ peer, r->member, r->task };
}

static struct delivery **delivery_bucket(struct kith__pending *self, uint32_t peer, uint64_t id)
{
    return &self->deliveries[(id ^ id >> 48 ^ (uint32_t)(peer * 2654435761u)) % BUCKETS];
}

static void give(struct kith__pending *self, uint32_t peer, const struct kith__request *r,
                 const struct kith__result *given)
{
    struct delivery *delivery = make(sizeof *delivery), **at = delivery_bucket(self, peer, r->id);

    *delivery = (struct delivery){ *at, peer, r->op, r->id, r->object, caller(peer, r), *given };
    *at = delivery;
}

/* Puts it back. 0: its place is taken; later. */
static int put_back(struct delivery *d)
{
    if (kith__undo(d->object, d->op >> 8, d->op & 255, &d->who, &d->given) == KITH__PARKED)
        return 0;
    kith__heap_free(d->given.block); /* the object was closed, or has no use for it */
    return 1;
}

static void refuse(struct kith__pending *self, struct delivery *delivery)
{
    if (put_back(delivery)) {
        free(delivery);
        return;
    }
    delivery->next = self->refused;
    self->refused = delivery;
    self->due = self->now;
}

void kith__pending_settled(struct kith__pending *self, uint32_t peer, uint64_t id, int taken)
{
    struct delivery **at = delivery_bucket(self, peer, id), *delivery;

    while (*at && ((*at)->id != id || (*at)->peer != peer))
        at = &(*at)->next;
    if (!(delivery = *at))
        return;
    *at = delivery->next;
    if (!taken) {
        refuse(self, delivery);
        return;
    }
    kith__heap_free(delivery->given.block);
    free(delivery);
}

static void put_back_refused(struct kith__pending *self)
{
    for (struct delivery **at = &self->refused; *at;) {
        struct delivery *delivery = *at;

        if (!put_back(delivery)) {
            at = &delivery->next;
            continue;
        }
        *at = delivery->next;
        free(delivery);
    }
}

/* ------------------------------------------------------------------------ carrying out */

/* Places that a client was promised and has not used. */
static void give_back(struct client *v, uint32_t n)
{
    n = n < v->credit ? n : v->credit;
    v->credit -= n;
    if (n > 0)
        kith__release(v->object, v->kind, n);
}

/* What a client that calls nothing but one method of one object may pipeline next. */
static int64_t lend(struct client *v, const struct kith__request *r, struct kith__result *out)
{
    int64_t n;

    if (v->object != r->object) {
        give_back(v, UINT32_MAX);
        v->object = r->object;
        v->kind = r->op >> 8;
        v->in_row = 0;
    }
    n = kith__reserve(r->object, r->op >> 8, ++v->in_row < IN_ROW || v->credit > 0 ? 0 : CREDIT);
    if (n == KITH__NO_BOUND) {
        out->flags = KITH__UNBOUNDED;
        return 0;
    }
    if (n <= 0)
        return 0;
    v->credit += (uint32_t)n;
    v->lent_by = r->id;
    return n;
}

static int is_pipelined(const struct kith__request *r)
{
    return r->op != KITH__RELEASE_PLACES && r->flags & KITH__PIPELINED;
}

/* Up to n of v's places go back, but for those of the calls that are here already. */
static void give_back_unused(struct client *v, uint32_t n)
{
    uint32_t used = 0;

    for (const struct call *g = v->first; g; g = g->next)
        used += (uint32_t)is_pipelined(&g->r);
    if (used < v->credit)
        give_back(v, n < v->credit - used ? n : v->credit - used);
}

static int64_t take_back_places(struct kith__pending *self, uint32_t peer, const struct kith__request *r,
                                struct kith__result *out)
{
    struct client *v = *find_client(self, peer, (r->number >> 32) << 48);

    if (v && v->object == r->object)
        give_back_unused(v, (uint32_t)r->number);
    out->flags = r->flags & KITH__PIPELINED;
    return 0;
}

/* Who has waited for long is known by our seat; we keep them in order. */
static uint32_t waiter(const struct kith__request *r)
{
    return r->flags & KITH__WAITED ? (uint32_t)atomic_load(&kith__shared->agent_seat) : 0;
}

/* Its bytes, in a block of their own when the object may keep them and they are many. 0; KITH_ENOMEM. */
static int bring_bytes(struct kith__args *in, int keeps)
{
    if (in->block && (!keeps || in->size <= KITH__LARGE)) {
        in->bytes = kith__at(in->block);
        in->block = 0;
    } else if (!in->block && keeps && in->size > KITH__LARGE) {
        if ((in->block = kith__heap_alloc(in->size, kith__me)) == 0)
            return KITH_ENOMEM;
        memcpy(kith__at(in->block), in->bytes, in->size);
    }
    return 0;
}

/* Tries a method for v. *block holds its bytes, or is what the object has kept of them: then it is 0. */
static int64_t try_method(struct client *v, const struct kith__method *m, const struct kith__request *r,
                          uint32_t peer, const void *bytes, uint64_t *block, struct kith__result *out)
{
    struct kith__args in = { bytes, r->size, *block, r->number, r->flags, 0, waiter(r) };
    struct kith__caller who = caller(peer, r);
    int reserved = r->flags & KITH__PIPELINED && v->credit > 0 && v->object == r->object, kept;
    int64_t rc;

    if (bring_bytes(&in, m->flags & KITH__KEEPS) < 0)
        return KITH_ENOMEM;
    in.flags = (in.flags & ~(uint32_t)KITH__RESERVED) | (reserved ? KITH__RESERVED : 0);
    kept = in.block != 0;
    rc = kith__attempt(r->object, r->op >> 8, r->op & 255, &who, &in, out);
    if (kept)
        *block = in.block; /* the object's now, or still ours */
    if (rc < 0 || !(m->flags & KITH__PIPELINES))
        return rc;
    v->credit -= (uint32_t)reserved;
    if (!(r->flags & KITH__PIPELINED))
        return lend(v, r, out);
    out->flags = KITH__PIPELINED;
    return 0;
}

static void serve(struct kith__pending *self, struct client *v);

/* What a process of peer that has died still asks for: nobody would take it, and an attempt would make it a
 * holder again. What is pipelined goes on, as in kith__pending_cancelled. */
static void drop_calls_of(struct kith__pending *self, uint32_t peer, uint32_t serial)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct client *v = self->clients[i]; v; v = v->next) {
            struct call *next;
            int dropped = 0;

            for (struct call *g = v->first; g && v->peer == peer; g = next) {
                next = g->next;
                if (g->r.member == serial && !is_pipelined(&g->r)) {
                    remove_call(self, g);
                    dropped = 1;
                }
            }
            if (dropped)
                serve(self, v); /* whoever has its seat now */
        }
    self->due = 0; /* to step back where nobody waits now */
}

/* Each gives a result or code, or KITH__PARKED. */
static int64_t carry_out(struct kith__pending *self, const struct kith__request *r, uint32_t peer,
                         const void *bytes, uint64_t *block, struct kith__result *out)
{
    const struct kith__method *m = kith__method(r->op >> 8, r->op & 255);
    struct client *v = client_of(self, peer, r->id);
    int64_t rc;

    memset(out, 0, sizeof *out);
    if (r->op == KITH__RELEASE_PLACES)
        return take_back_places(self, peer, r, out);
    if (!m)
        return kith__fail(KITH_EINVAL, "node %u sent node %u an unknown request (%u): two versions of kith?",
                          peer, self->node, r->op);
    if (!(m->flags & KITH__PIPELINES))
        v->in_row = 0;
    if (r->op == (KITH__NODE_KIND << 8 | KITH__NODE_DIED) && r->number != 0)
        drop_calls_of(self, peer, (uint32_t)r->number);
    if (r->object != 0 && kith__handle_home(r->object) != self->node)
        return kith__fail(KITH_ESTALE, "node %u asks node %u for an object of node %u", peer, self->node,
                          kith__handle_home(r->object));
    rc = try_method(v, m, r, peer, bytes, block, out);
    if (rc >= 0 && out->flags & KITH__GIVEN)
        give(self, peer, r, out);
    return rc;
}

static void reply(struct kith__pending *self, uint32_t peer, const struct kith__request *r, int64_t result,
                  const struct kith__result *out)
{
    struct kith__reply reply = {
        .id = r->id, .result = result, .size = out->size, .flags = (uint16_t)out->flags
    };

    if (result == 0 && out->flags == KITH__PIPELINED) {
        kith__proto_confirm(self->proto, peer, r->id, KITH__PIPELINED);
        return;
    }
    if (result < 0) {
        reply.size = strlen(kith_last_error());
        reply.flags = r->flags & KITH__PIPELINED;
        kith__proto_reply(self->proto, peer, &reply, kith_last_error(), 0);
        return;
    }
    kith__proto_reply(self->proto, peer, &reply, out->block ? NULL : out->few, out->block);
    if (!(out->flags & KITH__GIVEN)) /* a copy, which has gone with the reply */
        kith__heap_free(out->block);
}

/* ---------------------------------------------------------------------- parking */

/* What r waits for while it is parked: one side of its object; NULL: nobody announces it. */
static struct kith__waiters *set_of(const struct kith__request *r)
{
    const struct kith__method *m = kith__method(r->op >> 8, r->op & 255);

    return !m || m->side < 0 ? NULL : kith__object_waiters(kith__object_slot(r->object), m->side);
}

static void wake_at(struct kith__pending *self, int64_t when)
{
    if (when < self->due)
        self->due = when;
}

/* 1: we stood there already. */
static int stand_in(struct kith__pending *self, struct kith__waiters *set)
{
    struct kith__seat *s = self->seat;
    uint32_t n = kith__seat_number(s);
    uint64_t bit = UINT64_C(1) << n % 64, before;

    atomic_store(&s->since, (uint64_t)self->now); /* behind those who wait already */
    before = atomic_fetch_or(&set->bits[n / 64], bit);
    atomic_fetch_or(&set->summary, UINT64_C(1) << n / 64);
    return (before & bit) != 0;
}

static void stand(struct kith__pending *self, struct waitlist *p)
{
    if (!p->set)
        return;
    stand_in(self, p->set);
    kith__fence();
}

/* 1: no wake-up was spent on us since we stood among the waiters. */
static int stands(const struct kith__pending *self, const struct waitlist *p)
{
    uint32_t n = kith__seat_number(self->seat);

    return !p->set || (atomic_load(&p->set->bits[n / 64]) >> n % 64 & 1);
}

/* 1: our bit was there. */
static int take_bit(const struct kith__pending *self, struct kith__waiters *set)
{
    uint32_t n = kith__seat_number(self->seat);
    uint64_t bit = UINT64_C(1) << n % 64;

    return (atomic_fetch_and(&set->bits[n / 64], ~bit) & bit) != 0;
}

static struct waitlist **find_waitlist(struct kith__pending *self, uint64_t object,
                                       const struct kith__waiters *set)
{
    struct waitlist **at = &self->waitlists[(object ^ object >> 32) % BUCKETS];

    while (*at && ((*at)->object != object || (*at)->set != set))
        at = &(*at)->next;
    return at;
}

/* ---- watches: calls that wait for any of a list of objects. They are parked together, and each is tried
 * when we are woken, as our seat does not tell by which object. */

#define WATCHES UINT64_MAX /* in place of an object: their waitlist, which has no set of its own */

static int is_watch(const struct kith__request *r)
{
    const struct kith__method *m = kith__method(r->op >> 8, r->op & 255);

    return m && m->side == KITH__MANY_SIDES;
}

static int has_watches(const struct waitlist *p)
{
    return p->object == WATCHES;
}

/* 1: we are woken for what its calls wait for; else we look now and then. */
static int is_announced(const struct waitlist *p)
{
    return p->set || has_watches(p);
}

static const struct kith__watched *list_of(const struct call *g, int *count)
{
    *count = kith__watch_count(g->r.size);
    return g->block ? kith__at(g->block) : g->bytes;
}

/* The next of its objects that are at home here, from *at on; NULL: there are no more. They were alive when
 * it was parked. */
static const struct kith__watched *next_watched(const struct call *g, int *at)
{
    int count;
    const struct kith__watched *list = list_of(g, &count);

    for (; *at < count; ++*at)
        if (kith__watch_is_here(&list[*at]))
            return &list[(*at)++];
    return NULL;
}

static struct waitlist *parked_at(struct kith__pending *self, uint64_t object,
                                  const struct kith__waiters *set)
{
    struct waitlist *p = *find_waitlist(self, object, set);

    return p && p->first ? p : NULL;
}

/* Calls of another kind may be parked where it stands: that a wake-up was spent on us, which now cannot be
 * seen any more, is noted for them. */
static void stand_watch(struct kith__pending *self, struct call *g)
{
    const struct kith__watched *w;

    g->spent = 0;
    for (int at = 0; (w = next_watched(g, &at));) {
        struct kith__waiters *set = kith__watch_set(w);
        struct waitlist *p = parked_at(self, w->id, set);

        if (p && !stands(self, p))
            p->outstanding = 1;
        g->spent |= !stand_in(self, set);
    }
    kith__fence();
}

static int is_watched(struct kith__pending *self, const struct kith__waiters *set)
{
    const struct waitlist *p = *find_waitlist(self, WATCHES, NULL);
    const struct kith__watched *w;

    for (const struct call *g = p ? p->first : NULL; g; g = g->next_parked)
        for (int at = 0; (w = next_watched(g, &at));)
            if (kith__watch_set(w) == set)
                return 1;
    return 0;
}

/* It is parked no more: where nobody else of ours is, a wake-up that was spent on us goes to the next one. */
static void step_back_watch(struct kith__pending *self, const struct call *g)
{
    const struct kith__watched *w;

    for (int at = 0; (w = next_watched(g, &at));) {
        struct kith__waiters *set = kith__watch_set(w);

        if (!parked_at(self, w->id, set) && !is_watched(self, set) && (!take_bit(self, set) || g->spent))
            kith__wake_one(set);
    }
}

static void unpark(struct kith__pending *self, struct call *g)
{
    struct waitlist *p = g->waitlist;
    struct call **at, *before = NULL;

    if (!p)
        return;
    g->waitlist = NULL;
    for (at = &p->first; *at != g; at = &(*at)->next_parked)
        before = *at;
    *at = g->next_parked;
    if (p->last == g)
        p->last = before;
    if (has_watches(p))
        step_back_watch(self, g);
}

/* It may have been what its object waits for. */
static void leave(struct call *g)
{
    struct kith__caller who = caller(g->client->peer, &g->r);

    kith__left(g->r.object, g->r.op >> 8, &who, waiter(&g->r));
}

/* 1: it is parked, and its object wants to know when it has waited for long, which it has not been told. */
static int will_tell(const struct call *g)
{
    const struct kith__method *m = kith__method(g->r.op >> 8, g->r.op & 255);

    return g->waitlist && m && m->flags & KITH__FAIR && !(g->r.flags & KITH__WAITED);
}

/* A wake-up that was meant for us goes to the next one when nobody is parked here any more. */
static void step_back(struct kith__pending *self, struct waitlist *p)
{
    if (!p->set)
        return;
    if (is_watched(self, p->set)) {
        if (p->outstanding || !stands(self, p))
            kith__wake_one(p->set);
    } else if (!take_bit(self, p->set) || p->outstanding)
        kith__wake_one(p->set);
}

static struct waitlist *waitlist_for(struct kith__pending *self, uint64_t object, struct kith__waiters *set)
{
    struct waitlist **at = find_waitlist(self, object, set);

    if (!*at) {
        *at = make(sizeof **at);
        (*at)->object = object;
        (*at)->set = set;
    }
    return *at;
}

/* 1: it says nothing of those behind it that it has to wait. */
static int stands_alone(const struct kith__request *r)
{
    return (kith__method(r->op >> 8, r->op & 255)->flags & KITH__EACH) != 0;
}

/* 1: others wait for the same and came before. */
static int has_to_queue(struct kith__pending *self, const struct kith__request *r)
{
    struct kith__waiters *set = set_of(r);
    const struct waitlist *p = set ? *find_waitlist(self, r->object, set) : NULL;

    return p && p->first && r->timeout_ms != 0 && !stands_alone(r);
}

static void park(struct kith__pending *self, struct call *g, struct kith__waiters *set)
{
    struct waitlist *p = waitlist_for(self, is_watch(&g->r) ? WATCHES : g->r.object, set);

    g->waitlist = p;
    g->next_parked = NULL;
    if (p->last)
        p->last->next_parked = g;
    else
        p->first = g;
    p->last = g;
    if (has_watches(p))
        stand_watch(self, g);
    else
        stand(self, p);
    wake_at(self, g->deadline);
    wake_at(self, self->now + (is_announced(p) ? look_again_ns : poll_ns));
    if (will_tell(g))
        wake_at(self, g->came + KITH__FAIR_NS);
}

/* A put behind its thread that finds no memory: it may come soon. Those behind it have waited meanwhile, too.
 */
static int waits_for_memory(struct kith__pending *self, struct call *g, int64_t rc)
{
    if (rc != KITH_ENOMEM || !is_pipelined(&g->r))
        return 0;
    if (g->deadline > g->came + memory_ns)
        g->deadline = g->came + memory_ns;
    return self->now < g->deadline;
}

/* 1: v's puts wait for memory, and there are many of them. Nothing tells its thread to stop but that they
 * fail. */
static int is_starved(const struct client *v)
{
    return v->kept > KEPT_MOST && v->first->waitlist && !v->first->waitlist->set &&
           is_pipelined(&v->first->r);
}

/* 1: g has waited for long, and is about to tell so. */
static int has_waited(const struct kith__pending *self, const struct call *g)
{
    return will_tell(g) && self->now - g->came >= KITH__FAIR_NS;
}

/* Tries g. 1: it is over, and gone; -1: likewise, but it has failed; 0: it has to wait. */
static int attempt(struct kith__pending *self, struct call *g)
{
    struct kith__result out;
    int64_t rc;

    if (!g->waitlist && has_to_queue(self, &g->r)) {
        park(self, g, set_of(&g->r));
        return 0;
    }
    if (has_waited(self, g))
        g->r.flags |= KITH__WAITED;
    rc = carry_out(self, &g->r, g->client->peer, g->bytes, &g->block, &out);
    if (rc == KITH__PARKED && self->now >= g->deadline)
        rc = kith__fail(KITH_ETIMEDOUT, "the timeout expired");
    if (rc == KITH__PARKED || waits_for_memory(self, g, rc)) {
        if (!g->waitlist)
            park(self, g, rc == KITH__PARKED ? set_of(&g->r) : NULL);
        return 0;
    }
    if (rc < 0 && is_pipelined(&g->r))
        give_back(g->client, 1); /* its place */
    reply(self, g->client->peer, &g->r, rc, &out);
    remove_call(self, g);
    return rc < 0 ? -1 : 1;
}

/* 1: what it is parked for may have come before it stood there. Those that came before it are tried first,
 * unless it is not in their way. */
static int may_have_come(const struct call *g)
{
    return is_announced(g->waitlist) && (g->waitlist->first == g || stands_alone(&g->r));
}

/* Goes on with v's calls, as far as they have their bytes and need not wait. */
static void serve(struct kith__pending *self, struct client *v)
{
    while (v->first && v->first->ready && !v->first->waitlist) {
        if (attempt(self, v->first))
            continue;
        /* It stands among the waiters since: one more look, lest what it waits for came in between. */
        if (!may_have_come(v->first) || !attempt(self, v->first))
            return;
    }
}

/* Before those of p are tried: where they wait, so that nothing comes unseen. Watches may stand in the same
 * place, where only the first of them sees that a wake-up was spent on us: so it counts for all. */
static void stand_again(struct kith__pending *self, struct waitlist *p)
{
    int spent = 0;

    stand(self, p);
    if (!has_watches(p))
        return;
    for (struct call *g = p->first; g; g = g->next_parked) {
        stand_watch(self, g);
        spent |= g->spent;
    }
    for (struct call *g = p->first; g; g = g->next_parked)
        g->spent = spent;
}

/* Those of p, the oldest first, until one has to wait that is in the way of the others. */
static void retry(struct kith__pending *self, struct waitlist *p)
{
    if (!p->first)
        return; /* a wake-up that came for one who has left is the next one's: see step_back */
    p->outstanding |= !stands(self, p);
    stand_again(self, p);
    for (struct call *g = p->first; g;) {
        struct client *v = g->client;
        int rc = attempt(self, g);

        if (rc >= 0)
            p->outstanding = 0; /* it was for this one, or there is nothing left to be woken for */
        if (rc == 0 && !stands_alone(&g->r))
            return;
        if (rc != 0)
            serve(self, v);
        g = rc == 0 ? g->next_parked : p->first; /* the list may have changed */
    }
}

static void expire(struct kith__pending *self, struct waitlist *p)
{
    for (struct call *g = p->first, *next; g; g = next) {
        next = g->next_parked;
        if (self->now >= g->deadline) {
            struct client *v = g->client;

            attempt(self, g);
            serve(self, v);
            next = p->first; /* the list may have changed */
        } else
            wake_at(self, g->deadline);
    }
}

/* Looks after those in one bucket; empty ones go. */
static void look_after(struct kith__pending *self, struct waitlist **at, int woken)
{
    for (struct waitlist *p = *at; p; p = p->next) {
        if (woken || !is_announced(p) || self->now - self->looked >= look_again_ns ||
            (p->first && has_waited(self, p->first)))
            retry(self, p);
        expire(self, p);
        if (p->first && will_tell(p->first))
            wake_at(self, p->first->came + KITH__FAIR_NS);
    }
    while (*at) {
        struct waitlist *p = *at;

        if (p->first) {
            wake_at(self, self->now + (is_announced(p) ? look_again_ns : poll_ns));
            at = &p->next;
            continue;
        }
        step_back(self, p);
        *at = p->next;
        free(p);
    }
}

int64_t kith__pending_retry(struct kith__pending *self, int woken, int64_t now)
{
    self->now = now;
    if (!woken && now < self->due)
        return self->due;
    self->due = INT64_MAX;
    put_back_refused(self);
    for (int i = 0; i < BUCKETS; i++)
        if (self->waitlists[i])
            look_after(self, &self->waitlists[i], woken);
    if (now - self->looked >= look_again_ns)
        self->looked = now;
    if (self->refused)
        wake_at(self, now + poll_ns);
    return self->due;
}

/* ----------------------------------------------------------------------- events */

/* Each who asks is remembered: these are as many as a node can have. */
static int is_seat(uint64_t id)
{
    return id >> 48 < KITH__SEATS || id >> 48 == KITH__AGENTS_OWN;
}

uint64_t kith__pending_request(struct kith__pending *self, uint32_t peer, const struct kith__request *r,
                               const void *bytes, int64_t now)
{
    struct client *v;
    struct kith__result out;
    struct call *g;
    uint64_t block = 0;
    int64_t rc;

    self->now = now;
    if (!is_seat(r->id)) {
        memset(&out, 0, sizeof out);
        reply(self, peer, r, kith__fail(KITH_EINVAL, "node %u asks for a seat that no node has", peer), &out);
        return 0;
    }
    v = client_of(self, peer, r->id);
    if (r->id <= v->newest)
        return 0;
    v->newest = r->id;
    if (!bytes && (block = kith__heap_alloc(r->size, kith__me)) == 0) {
        memset(&out, 0, sizeof out);
        if (is_pipelined(r))
            give_back(v, 1);
        reply(self, peer, r, KITH_ENOMEM, &out);
        return 0;
    }
    if (bytes && is_pipelined(r) && is_starved(v)) {
        memset(&out, 0, sizeof out);
        give_back(v, 1);
        reply(self, peer, r, kith__fail(KITH_ENOMEM, "node %u has no memory left for items", self->node),
              &out);
        return 0;
    }
    if (!v->first && bytes && !has_to_queue(self, r)) {
        rc = carry_out(self, r, peer, bytes, &block, &out);
        if (rc != KITH__PARKED && !(rc == KITH_ENOMEM && r->flags & KITH__PIPELINED)) {
            if (rc < 0 && is_pipelined(r))
                give_back(v, 1);
            reply(self, peer, r, rc, &out);
            kith__heap_free(block);
            return 0;
        }
    }
    g = add_call(self, v, r);
    if (!bytes)
        return block;
    g->ready = 1;
    g->block = block;
    if (r->size > 0 && !block) {
        memcpy(g->bytes = make(r->size), bytes, r->size);
        v->kept += r->size;
    }
    serve(self, v);
    return 0;
}

void kith__pending_arrived(struct kith__pending *self, uint32_t peer, uint64_t id, uint64_t block,
                           int64_t now)
{
    struct client *v = *find_client(self, peer, id);
    struct call *g = find_call(v, id);

    self->now = now;
    if (!g || g->ready) {
        kith__heap_free(block);
        return;
    }
    g->block = block;
    g->ready = 1;
    g->came = now;
    serve(self, v);
}

/* Its thread is dead or waits no longer: it is not done any more, else it would hold up whoever comes to that
 * seat; and if it was done, nobody learns of the places that its answer has lent. What is pipelined goes on:
 * its thread takes it for done, and it has its place. */
void kith__pending_cancelled(struct kith__pending *self, uint32_t peer, uint64_t id)
{
    struct client *v = *find_client(self, peer, id);
    struct call *g = find_call(v, id);

    if (v && v->lent_by == id)
        give_back_unused(v, UINT32_MAX);
    if (!g || is_pipelined(&g->r))
        return;
    remove_call(self, g);
    serve(self, v);
    self->due = 0; /* to step back where nobody waits now */
}

void kith__pending_ended(struct kith__pending *self, uint32_t peer)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct client **at = &self->clients[i]; *at;) {
            struct client *v = *at;

            if (v->peer != peer) {
                at = &v->next;
                continue;
            }
            while (v->first)
                remove_call(self, v->first);
            give_back(v, UINT32_MAX);
            *at = v->next;
            free(v);
        }
    for (int i = 0; i < BUCKETS; i++)
        for (struct delivery **at = &self->deliveries[i]; *at;) {
            struct delivery *delivery = *at;

            if (delivery->peer != peer) {
                at = &delivery->next;
                continue;
            }
            *at = delivery->next;
            refuse(self, delivery);
        }
    kith__objects_died(&(struct kith__caller){ peer, 0, 0 });
    self->due = 0;
}

struct kith__pending *kith__pending_new(struct kith__proto *p, uint32_t node, struct kith__seat *seat)
{
    struct kith__pending *self = make(sizeof *self);

    self->proto = p;
    self->seat = seat;
    self->node = node;
    self->due = INT64_MAX;
    return self;
}

static void free_deliveries(struct delivery *first)
{
    for (struct delivery *next; first; first = next) {
        next = first->next;
        kith__heap_free(first->given.block);
        free(first);
    }
}

void kith__pending_free(struct kith__pending *self)
{
    for (int i = 0; i < BUCKETS; i++) {
        for (struct client *v = self->clients[i], *next; v; v = next) {
            next = v->next;
            while (v->first)
                remove_call(self, v->first);
            free(v);
        }
        free_deliveries(self->deliveries[i]);
    }
    for (int i = 0; i < BUCKETS; i++) /* which calls of any client may have stood in */
        for (struct waitlist *p = self->waitlists[i], *next; p; p = next) {
            next = p->next;
            free(p);
        }
    free_deliveries(self->refused);
    free(self);
}
