/* engine.c: see engine.h. */
#include "config.h"
#include "agent/engine.h"
#include "agent/alloc.h"
#include "agent/pending.h"
#include "agent/placement.h"
#include "agent/request.h"
#include "base/error.h"
#include "base/system.h"
#include "object/class.h"
#include "rpc/mailbox.h"
#include "shm/heap.h"

#include <stdlib.h>

enum { TURN = 1 << 20 };

static const int64_t load_ns = 200 * KITH__MS;

struct kith__engine {
    struct kith__proto *proto;
    struct kith__requests *requests;
    struct kith__pending *pending;
    struct kith__placement *placement;
    const struct kith__engine_wire *wire;
    void *context;
    struct kith__seat *seat;
    uint32_t word;  /* of the seat, when we last looked */
    uint64_t ended; /* deaths on this node, likewise */
    uint32_t node, nodes;
    int64_t now, loaded;
};

/* ---------------------------------------------------------------- events of the protocol */

static void *on_at(void *context, uint64_t block)
{
    (void)context;
    return kith__at(block);
}

static void on_release(void *context, uint64_t block)
{
    (void)context;
    kith__heap_free(block);
}

static uint64_t on_request(void *context, uint32_t peer, const struct kith__request *r, const void *bytes)
{
    struct kith__engine *self = context;

    return kith__pending_request(self->pending, peer, r, bytes, self->now);
}

static uint64_t on_reply(void *context, uint32_t peer, const struct kith__reply *r, const void *bytes)
{
    struct kith__engine *self = context;

    return kith__requests_reply(self->requests, peer, r, bytes);
}

static void on_arrived(void *context, uint32_t peer, uint64_t id, int reply, uint64_t block)
{
    struct kith__engine *self = context;

    if (reply)
        kith__requests_arrived(self->requests, peer, id, block);
    else
        kith__pending_arrived(self->pending, peer, id, block, self->now);
}

static void on_granted(void *context, uint32_t peer, uint64_t id)
{
    struct kith__engine *self = context;

    kith__requests_granted(self->requests, peer, id);
}

static void on_settled(void *context, uint32_t peer, uint64_t id, int yes)
{
    struct kith__engine *self = context;

    kith__pending_settled(self->pending, peer, id, yes);
}

static void on_cancelled(void *context, uint32_t peer, uint64_t id)
{
    struct kith__engine *self = context;

    kith__pending_cancelled(self->pending, peer, id);
}

static void end_job(uint32_t how)
{
    atomic_store(&kith__shared->job_over, how);
    kith__futex_wake(&kith__shared->job_over, INT32_MAX);
}

static void on_job_over(void *context, uint32_t peer)
{
    const struct kith__engine *self = context;

    if (peer == 0 && self->node != 0)
        end_job(1);
}

static void on_ended(void *context, uint32_t peer, enum kith__link_state state, const char *why)
{
    struct kith__engine *self = context;

    self->wire->ended(self->context, peer, state, why);
    if (state == KITH__LINK_LOST && peer == 0 && self->node != 0)
        end_job(2);
    kith__requests_ended(self->requests, peer, why);
    kith__pending_ended(self->pending, peer);
}

static int on_is_connected(void *context, uint32_t peer)
{
    const struct kith__engine *self = context;

    return self->wire->is_connected(self->context, peer);
}

static uint64_t on_fill(void *context, uint64_t block, uint64_t from, uint64_t to)
{
    (void)context;
    return kith__heap_fill(block, from, to);
}

static void on_doubted(void *context, uint32_t peer)
{
    (void)context;
    kith__objects_doubted(&(struct kith__caller){ peer, 0, 0 });
}

static const struct kith__proto_events events = { on_at,      on_release,  on_request,      on_reply,
                                                  on_arrived, on_granted,  on_settled,      on_cancelled,
                                                  on_ended,   on_job_over, on_is_connected, on_fill,
                                                  on_doubted };

/* ------------------------------------------------------------------------- one turn */

/* 1: there is more. */
static int receive(struct kith__engine *self)
{
    size_t bytes = 0, size;
    const void *frame;
    uint32_t peer;

    while (bytes < TURN && (size = self->wire->receive(self->context, &peer, &frame)) > 0) {
        kith__proto_receive(self->proto, peer, frame, size, self->now);
        bytes += size;
    }
    return bytes >= TURN;
}

static int send(struct kith__engine *self)
{
    size_t bytes = 0;
    struct kith__out out;

    kith__proto_unblock(self->proto);
    while (bytes < TURN && kith__proto_next(self->proto, &out, self->now)) {
        kith__proto_sent(self->proto, &out, self->wire->send(self->context, &out), self->now);
        bytes += out.head_size + out.body_size;
    }
    return bytes >= TURN;
}

static void tell_load(struct kith__engine *self)
{
    if (self->nodes == 1 || self->now - self->loaded < load_ns)
        return;
    self->loaded = self->now;
    kith__placement_tell(self->placement);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t kith__engine_turn(struct kith__engine *self, int64_t now)
{
    uint64_t ended = atomic_load(&kith__shared->ended);
    uint32_t word = atomic_load(&self->seat->word);
    int woken = word != self->word || ended != self->ended, more;
    int64_t due;

    kith__placement_use(self->placement, now);
    self->now = now;
    if (ended != self->ended)
        kith__requests_sweep(self->requests, now);
    self->word = word;
    self->ended = ended;
    more = kith__requests_collect(self->requests, now);
    more |= receive(self);
    due = kith__pending_retry(self->pending, woken, now);
    due = earlier(due, kith__requests_tick(self->requests, now));
    tell_load(self);
    due = earlier(due, kith__proto_tick(self->proto, now));
    more |= send(self);
    more |= kith__requests_go_on(self->requests);
    more |= kith__heap_give_back();
    return more ? 0 : due;
}

int kith__engine_has_news(const struct kith__engine *self)
{
    return atomic_load(&kith__agent_shared()->pending.summary) != 0 ||
           atomic_load(&self->seat->word) != self->word;
}

/* --------------------------------------------------------------------- beginning, end */

struct kith__engine *kith__engine_new(const struct kith__engine_config *c, int64_t now)
{
    struct kith__engine *self = kith__agent_alloc(sizeof *self);

    if (!(self->proto = kith__proto_new(&c->proto, &events, self)))
        abort(); /* all who wait learn that the agent is gone */
    self->node = c->proto.node;
    self->nodes = c->proto.nodes;
    self->wire = c->wire;
    self->context = c->context;
    self->seat = c->seat;
    self->word = atomic_load(&self->seat->word);
    self->requests = kith__requests_new(self->proto, self->nodes);
    self->placement = kith__placement_new(self->proto, self->requests, self->node, self->nodes, c->cpus);
    self->pending = kith__pending_new(self->proto, self->node, self->seat);
    if (self->node != 0) /* so it learns of the end, and node 0 of its */
        kith__proto_open(self->proto, 0, now);
    return self;
}

void kith__engine_free(struct kith__engine *self)
{
    kith__proto_free(self->proto);
    kith__pending_free(self->pending);
    kith__placement_free(self->placement);
    kith__requests_free(self->requests);
    free(self);
}

void kith__engine_leave(struct kith__engine *self, enum kith__bye_reason reason)
{
    kith__proto_leave(self->proto, reason);
}

int kith__engine_left(const struct kith__engine *self)
{
    return kith__proto_left(self->proto);
}

enum kith__link_state kith__engine_link(const struct kith__engine *self, uint32_t peer)
{
    return kith__proto_state(self->proto, peer);
}
