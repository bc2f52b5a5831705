/* pending.c: see pending.h.
 *
 * The calls of one thread of one node are carried out in the order in which they were made: a client is such
 * a thread, with its calls. A call that has to wait is parked (waitlist.h), and holds up its own client's
 * later ones. What was given away is kept until it was taken (delivery.h).
 *
 * How much is kept for another node is bounded by its seats: a thread of it waits for one call at a time, and
 * the puts that it has pipelined are counted at its mailbox (request.c); those that wait for memory have a
 * bound of their own here.
 */
#include "config.h"
#include "agent/pending.h"
#include "agent/alloc.h"
#include "agent/delivery.h"
#include "agent/waitlist.h"
#include "rpc/mailbox.h"
#include "base/error.h"
#include "base/system.h"
#include "base/table.h"
#include "shm/heap.h"
#include "object/class.h"
#include "object/vouch.h"
#include "member/wait.h"

#include <stdlib.h>
#include <string.h>

enum {
    IN_ROW = 3,
    CREDIT = 1024, /* from the third put in a row on, it is given */
    KEPT_MOST = 1 << 20
}; /* bytes of a client's puts that wait for memory: they are in nobody's budget */

static const int64_t poll_ns = 5 * KITH__MS, memory_ns = 1000 * KITH__MS, look_again_ns = 1000 * KITH__MS;

struct kith__client {
    KITH__TABLE_LINK(struct kith__client) link;
    uint32_t peer, seat;
    uint64_t newest;       /* id of the last call that came: an older one was done already */
    uint64_t credit_by;    /* id of the call whose answer gave the credit */
    uint64_t object;       /* whose pipelining method it calls, */
    uint32_t kind, in_row; /* of that class; so often in a row */
    uint32_t credit;       /* for it, that it has not used */
    uint64_t kept;         /* bytes of its calls, and of what we know about them */
    KITH__LIST(struct kith__call) calls;
};

struct late { /* an object that hears of a death when what the dead one has put there is done */
    KITH__LINK(struct late) link;
    struct kith__object *object;
    struct kith__caller dead;
};

struct kith__pending {
    struct kith__proto *proto;
    KITH__LIST(struct late) late;
    uint32_t node;
    KITH__TABLE(struct kith__client) clients;
    struct kith__deliveries deliveries;
    struct kith__waitlists waitlists;
    int64_t now, looked, due;
};

/* --------------------------------------------------------------------- clients */

static struct kith__client *find_client(const struct kith__pending *self, uint32_t peer, uint64_t id)
{
    uint32_t seat = (uint32_t)(id >> 48);
    struct kith__client *v = kith__table_at(&self->clients, kith__hash(peer, seat));

    while (v && (v->peer != peer || v->seat != seat))
        v = v->link.same.next;
    return v;
}

static struct kith__client *client_of(struct kith__pending *self, uint32_t peer, uint64_t id)
{
    struct kith__client *v = find_client(self, peer, id);

    if (v)
        return v;
    v = kith__agent_alloc(sizeof *v);
    v->peer = peer;
    v->seat = (uint32_t)(id >> 48);
    kith__table_link(&self->clients, v, kith__hash(v->peer, v->seat), link);
    return v;
}

static struct kith__call *find_call(const struct kith__client *v, uint64_t id)
{
    struct kith__call *g = v ? v->calls.first : NULL;

    while (g && g->r.id != id)
        g = g->link.next;
    return g;
}

static struct kith__call *add_call(struct kith__pending *self, struct kith__client *v,
                                   const struct kith__request *r)
{
    struct kith__call *g = kith__agent_alloc(sizeof *g);

    g->client = v;
    g->r = *r;
    g->came = self->now;
    v->kept += sizeof *g;
    /* Callers have an int; what comes from elsewhere is no reason to overflow. */
    g->deadline =
        r->timeout_ms < 0 || r->timeout_ms > INT32_MAX ? INT64_MAX : self->now + r->timeout_ms * KITH__MS;
    kith__link_last(&v->calls, g, link);
    return g;
}

static void leave(struct kith__call *g);

static void remove_call(struct kith__pending *self, struct kith__call *g)
{
    struct kith__client *v = g->client;

    kith__call_unpark(&self->waitlists, g);
    if (g->r.flags & KITH__WAITED)
        leave(g);
    kith__unlink(&v->calls, g, link);
    v->kept -= sizeof *g + (g->bytes ? g->r.size : 0);
    free(g->bytes);
    kith__heap_free(g->block);
    free(g);
}

static struct kith__caller caller(uint32_t peer, const struct kith__request *r)
{
    return (struct kith__caller){ peer, r->member, r->task };
}

/* ------------------------------------------------------------------------ carrying out */

/* Places that a client was promised and has not used. */
static void give_back(struct kith__client *v, uint32_t n)
{
    n = n < v->credit ? n : v->credit;
    v->credit -= n;
    if (n > 0)
        kith__release(v->object, v->kind, n);
}

/* What a client that calls nothing but one method of one object may pipeline next. */
static int64_t give_credit(struct kith__client *v, const struct kith__request *r, struct kith__result *out)
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
    v->credit_by = r->id;
    return n;
}

static int is_pipelined(const struct kith__request *r)
{
    return r->op != KITH__RELEASE_CREDIT && r->flags & KITH__PIPELINED;
}

/* Up to n of v's credit go back, but for those of the calls that are here already. */
static void give_back_unused(struct kith__client *v, uint32_t n)
{
    uint32_t used = 0;

    for (const struct kith__call *g = v->calls.first; g; g = g->link.next)
        used += (uint32_t)is_pipelined(&g->r);
    if (used < v->credit)
        give_back(v, n < v->credit - used ? n : v->credit - used);
}

static int64_t take_back_credit(struct kith__pending *self, uint32_t peer, const struct kith__request *r,
                                struct kith__result *out)
{
    struct kith__client *v = find_client(self, peer, (r->number >> 32) << 48);

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
static int64_t try_method(struct kith__client *v, const struct kith__method *m, const struct kith__request *r,
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
        return give_credit(v, r, out);
    out->flags = KITH__PIPELINED;
    return 0;
}

static void serve(struct kith__pending *self, struct kith__client *v);

/* What a process of peer that has died still asks for: nobody would take it, and an attempt would make it a
 * holder again. What is pipelined goes on, as in kith__pending_cancelled. */
static void drop_calls_of(struct kith__pending *self, uint32_t peer, uint32_t serial)
{
    for (struct kith__client *v = self->clients.all.first; v; v = v->link.all.next) {
        struct kith__call *next;
        int dropped = 0;

        for (struct kith__call *g = v->calls.first; g && v->peer == peer; g = next) {
            next = g->link.next;
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

/* ---- deaths */

/* 1: some of what a dead process has put into o, and takes for done, is not done: its bytes come as pieces,
 * which messages overtake, or there is no memory for a moment. Behind a call that waits for anything else it
 * may stay for long. */
static int is_on_its_way(const struct kith__pending *self, const struct kith__object *o,
                         const struct kith__caller *dead)
{
    for (const struct kith__client *v = self->clients.all.first; v; v = v->link.all.next) {
        const struct kith__call *g = v->calls.first;

        if (v->peer != dead->node || !g || (g->waitlist && g->waitlist->set))
            continue;
        for (; g; g = g->link.next)
            if (g->r.member == dead->member && is_pipelined(&g->r) && kith__object_slot(g->r.object) == o)
                return 1;
    }
    return 0;
}

struct death {
    struct kith__pending *pending;
    struct kith__caller who;
};

static int hears_later(struct kith__object *o, void *context)
{
    const struct death *d = context;
    struct late *late;

    if (!is_on_its_way(d->pending, o, &d->who))
        return 0;
    late = kith__agent_alloc(sizeof *late);
    *late = (struct late){ .object = o, .dead = d->who };
    kith__link_last(&d->pending->late, late, link);
    return 1;
}

static void tell_death(struct kith__pending *self, uint32_t peer, uint32_t serial)
{
    struct death d = { self, { peer, serial, 0 } };

    drop_calls_of(self, peer, serial);
    kith__death_told(&d.who, hears_later, &d);
}

static void forget_late(struct kith__pending *self, struct late *late)
{
    kith__unlink(&self->late, late, link);
    free(late);
}

static void tell_late_deaths(struct kith__pending *self)
{
    for (struct late *late = self->late.first, *next; late; late = next) {
        next = late->link.next;
        if (is_on_its_way(self, late->object, &late->dead))
            continue;
        kith__object_died(late->object, &late->dead);
        forget_late(self, late);
    }
}

static void forget_late_of(struct kith__pending *self, uint32_t peer)
{
    for (struct late *late = self->late.first, *next; late; late = next) {
        next = late->link.next;
        if (late->dead.node == peer)
            forget_late(self, late);
    }
}

/* Each gives a result or code, or KITH__PARKED. */
static int64_t carry_out(struct kith__pending *self, const struct kith__request *r, uint32_t peer,
                         const void *bytes, uint64_t *block, struct kith__result *out)
{
    const struct kith__method *m = kith__method(r->op >> 8, r->op & 255);
    struct kith__client *v = client_of(self, peer, r->id);
    struct kith__caller who = caller(peer, r);
    int64_t rc;

    memset(out, 0, sizeof *out);
    if (r->op == KITH__RELEASE_CREDIT)
        return take_back_credit(self, peer, r, out);
    if (!m)
        return kith__fail(KITH_EINVAL, "node %u sent node %u an unknown request (%u): two versions of kith?",
                          peer, self->node, r->op);
    if (!(m->flags & KITH__PIPELINES))
        v->in_row = 0;
    if (r->op == (KITH__NODE_KIND << 8 | KITH__NODE_DIED) && r->number != 0)
        tell_death(self, peer, (uint32_t)r->number);
    if (r->object != 0 && kith__handle_home(r->object) != self->node)
        return kith__fail(KITH_ESTALE, "node %u asks node %u for an object of node %u", peer, self->node,
                          kith__handle_home(r->object));
    rc = try_method(v, m, r, peer, bytes, block, out);
    if (rc >= 0 && out->flags & KITH__GIVEN)
        kith__deliveries_add(&self->deliveries, peer, r->id, r->object, r->op, &who, out);
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

static void wake_at(struct kith__pending *self, int64_t when)
{
    if (when < self->due)
        self->due = when;
}

/* It may have been what its object waits for. */
static void leave(struct kith__call *g)
{
    struct kith__caller who = caller(g->client->peer, &g->r);

    kith__left(g->r.object, g->r.op >> 8, &who, waiter(&g->r));
}

/* 1: it is parked, and its object wants to know when it has waited for long, which it has not been told. */
static int will_tell(const struct kith__call *g)
{
    const struct kith__method *m = kith__method(g->r.op >> 8, g->r.op & 255);

    return g->waitlist && m && m->flags & KITH__FAIR && !(g->r.flags & KITH__WAITED);
}

static void park(struct kith__pending *self, struct kith__call *g, struct kith__waiters *set)
{
    kith__call_park(&self->waitlists, g, set, self->now);
    wake_at(self, g->deadline);
    wake_at(self, self->now + (kith__waitlist_is_announced(g->waitlist) ? look_again_ns : poll_ns));
    if (will_tell(g))
        wake_at(self, g->came + KITH__FAIR_NS);
}

/* A pipelined put that finds no memory: it may come soon. Those behind it have waited meanwhile, too.
 */
static int waits_for_memory(struct kith__pending *self, struct kith__call *g, int64_t rc)
{
    if (rc != KITH_ENOMEM || !is_pipelined(&g->r))
        return 0;
    if (g->deadline > g->came + memory_ns)
        g->deadline = g->came + memory_ns;
    return self->now < g->deadline;
}

/* 1: v's puts wait for memory, and there are many of them. Nothing tells its thread to stop but that they
 * fail. */
static int is_starved(const struct kith__client *v)
{
    return v->kept > KEPT_MOST && v->calls.first->waitlist && !v->calls.first->waitlist->set &&
           is_pipelined(&v->calls.first->r);
}

/* 1: g has waited for long, and is about to tell so. */
static int has_waited(const struct kith__pending *self, const struct kith__call *g)
{
    return will_tell(g) && self->now - g->came >= KITH__FAIR_NS;
}

/* Tries g. 1: it is over, and gone; -1: likewise, but it has failed; 0: it has to wait. */
static int attempt(struct kith__pending *self, struct kith__call *g)
{
    struct kith__result out;
    int64_t rc;

    if (!g->waitlist && kith__request_has_to_queue(&self->waitlists, &g->r)) {
        park(self, g, kith__request_set(&g->r));
        return 0;
    }
    if (has_waited(self, g))
        g->r.flags |= KITH__WAITED;
    rc = carry_out(self, &g->r, g->client->peer, g->bytes, &g->block, &out);
    if (rc == KITH__PARKED && self->now >= g->deadline)
        rc = kith__fail(KITH_ETIMEDOUT, "the timeout expired");
    if (rc == KITH__PARKED || waits_for_memory(self, g, rc)) {
        if (!g->waitlist)
            park(self, g, rc == KITH__PARKED ? kith__request_set(&g->r) : NULL);
        return 0;
    }
    if (rc < 0 && is_pipelined(&g->r))
        give_back(g->client, 1); /* its credit */
    reply(self, g->client->peer, &g->r, rc, &out);
    remove_call(self, g);
    return rc < 0 ? -1 : 1;
}

/* 1: what it is parked for may have come before it stood there. Those that came before it are tried first,
 * unless it is not in their way. */
static int may_have_come(const struct kith__call *g)
{
    return kith__waitlist_is_announced(g->waitlist) &&
           (g->waitlist->parked.first == g || kith__request_stands_alone(&g->r));
}

/* Goes on with v's calls, as far as they have their bytes and need not wait. */
static void serve(struct kith__pending *self, struct kith__client *v)
{
    while (v->calls.first && v->calls.first->ready && !v->calls.first->waitlist) {
        if (attempt(self, v->calls.first))
            continue;
        /* It stands among the waiters since: one more look, lest what it waits for came in between. */
        if (!may_have_come(v->calls.first) || !attempt(self, v->calls.first))
            return;
    }
}

/* Those of p, the oldest first, until one has to wait that is in the way of the others. */
static void retry(struct kith__pending *self, struct kith__waitlist *p)
{
    if (!p->parked.first)
        return; /* a wake-up that came for one who has left is the next one's: see kith__waitlist_remove */
    kith__waitlist_stand_again(&self->waitlists, p, self->now);
    for (struct kith__call *g = p->parked.first; g;) {
        struct kith__client *v = g->client;
        int rc = attempt(self, g);

        if (rc >= 0)
            p->outstanding = 0; /* it was for this one, or there is nothing left to be woken for */
        if (rc == 0 && !kith__request_stands_alone(&g->r))
            return;
        if (rc != 0)
            serve(self, v);
        g = rc == 0 ? g->parked.next : p->parked.first; /* the list may have changed */
    }
}

static void expire(struct kith__pending *self, struct kith__waitlist *p)
{
    for (struct kith__call *g = p->parked.first, *next; g; g = next) {
        next = g->parked.next;
        if (self->now >= g->deadline) {
            struct kith__client *v = g->client;

            attempt(self, g);
            serve(self, v);
            next = p->parked.first; /* the list may have changed */
        } else
            wake_at(self, g->deadline);
    }
}

static void look_after(struct kith__pending *self, struct kith__waitlist *p, int woken)
{
    if (woken || !kith__waitlist_is_announced(p) || self->now - self->looked >= look_again_ns ||
        (p->parked.first && has_waited(self, p->parked.first)))
        retry(self, p);
    expire(self, p);
    if (p->parked.first && will_tell(p->parked.first))
        wake_at(self, p->parked.first->came + KITH__FAIR_NS);
}

/* When it is looked after again at the latest. An empty one goes. */
static void wait_or_go(struct kith__pending *self, struct kith__waitlist *p)
{
    if (p->parked.first)
        wake_at(self, self->now + (kith__waitlist_is_announced(p) ? look_again_ns : poll_ns));
    else
        kith__waitlist_remove(&self->waitlists, p);
}

int64_t kith__pending_retry(struct kith__pending *self, int woken, int64_t now)
{
    self->now = now;
    tell_late_deaths(self);
    if (!woken && now < self->due)
        return self->due;
    self->due = INT64_MAX;
    if (kith__deliveries_put_back(&self->deliveries))
        wake_at(self, now + poll_ns);
    /* New ones come at the end, as calls go on. */
    for (struct kith__waitlist *p = self->waitlists.lists.all.first; p; p = p->link.all.next)
        look_after(self, p, woken);
    for (struct kith__waitlist *p = self->waitlists.lists.all.first, *next; p; p = next) {
        next = p->link.all.next;
        wait_or_go(self, p);
    }
    if (now - self->looked >= look_again_ns)
        self->looked = now;
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
    struct kith__client *v;
    struct kith__result out;
    struct kith__call *g;
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
    if (!bytes && (block = kith__heap_alloc_hollow(r->size, kith__me)) == 0) {
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
    if (!v->calls.first && bytes && !kith__request_has_to_queue(&self->waitlists, r)) {
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
        memcpy(g->bytes = kith__agent_alloc(r->size), bytes, r->size);
        v->kept += r->size;
    }
    serve(self, v);
    return 0;
}

void kith__pending_arrived(struct kith__pending *self, uint32_t peer, uint64_t id, uint64_t block,
                           int64_t now)
{
    struct kith__client *v = find_client(self, peer, id);
    struct kith__call *g = find_call(v, id);

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
 * seat; and if it was done, nobody learns of the credit that its answer has given. What is pipelined goes on:
 * its thread takes it for done, and it has credit. */
void kith__pending_cancelled(struct kith__pending *self, uint32_t peer, uint64_t id)
{
    struct kith__client *v = find_client(self, peer, id);
    struct kith__call *g = find_call(v, id);

    if (v && v->credit_by == id)
        give_back_unused(v, UINT32_MAX);
    if (!g || is_pipelined(&g->r))
        return;
    remove_call(self, g);
    serve(self, v);
    self->due = 0; /* to step back where nobody waits now */
}

void kith__pending_settled(struct kith__pending *self, uint32_t peer, uint64_t id, int taken)
{
    if (kith__deliveries_settled(&self->deliveries, peer, id, taken))
        self->due = self->now;
}

static void drop_calls(struct kith__pending *self, struct kith__client *v)
{
    while (v->calls.first)
        remove_call(self, v->calls.first);
}

static void free_client(struct kith__pending *self, struct kith__client *v)
{
    kith__table_unlink(&self->clients, v, link);
    free(v);
}

void kith__pending_ended(struct kith__pending *self, uint32_t peer)
{
    for (struct kith__client *v = self->clients.all.first, *next; v; v = next) {
        next = v->link.all.next;
        if (v->peer == peer) {
            drop_calls(self, v);
            give_back(v, UINT32_MAX);
            free_client(self, v);
        }
    }
    kith__deliveries_ended(&self->deliveries, peer);
    forget_late_of(self, peer);
    kith__death_told(&(struct kith__caller){ peer, 0, 0 }, NULL, NULL);
    self->due = 0;
}

struct kith__pending *kith__pending_new(struct kith__proto *p, uint32_t node, struct kith__seat *seat)
{
    struct kith__pending *self = kith__agent_alloc(sizeof *self);

    self->proto = p;
    self->waitlists.seat = seat;
    self->node = node;
    self->due = INT64_MAX;
    return self;
}

void kith__pending_free(struct kith__pending *self)
{
    struct kith__client *v;

    while ((v = self->clients.all.first)) {
        drop_calls(self, v);
        free_client(self, v);
    }
    while (self->late.first)
        forget_late(self, self->late.first);
    kith__deliveries_free(&self->deliveries);
    kith__waitlists_free(&self->waitlists);
    free(self);
}
