/* request.c: see request.h, and mailbox.h for the words that both sides write.
 *
 * A seat has at most one call that its thread waits for, and any number of pipelined puts, all to one node:
 * so an id, which holds the number of the seat, is all that a reply needs to find its mailbox.
 */
#include "config.h"
#include "agent/request.h"
#include "agent/alloc.h"
#include "rpc/agent_control.h"
#include "rpc/mailbox.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "shm/heap.h"
#include "object/class.h"
#include "object/watch.h"
#include "base/system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)KITH__SMALL_PUT <= (int)KITH__INLINE_MOST, "they are done without being granted");
_Static_assert(KITH__WATCH_MOST * sizeof(struct kith__watched) <= KITH__INLINE_MOST, "its bytes go with it");

/* Bytes on the way to a node; requests of a mailbox in one turn; its pipelined puts that are not done: the
 * other node keeps those that it cannot do yet. */
enum { BACKLOG = 1 << 20, AT_ONCE = 256, OPEN_MOST = 16384 };

static const int64_t look_ns = 20 * KITH__MS, look_later_ns = 1000 * KITH__MS, credit_ns = 5 * KITH__MS;

enum phase { FREE, SENT, DELIVERED };

struct large { /* a pipelined put whose bytes go as pieces */
    KITH__LINK(struct large) link;
    uint64_t id, size;
    int open; /* 0: its thread gave up before it was granted */
};

struct local {               /* of a seat: what the agent knows about its mailbox */
    enum phase phase;        /* of the call that the thread waits for */
    uint64_t id, size, room; /* size: of its bytes */
    uint64_t coming;         /* bytes of the answer, when they come as pieces */
    uint64_t block;          /* where the bytes of the answer are */
    uint32_t peer, pipelined_peer;
    uint32_t *others; /* of a watch: the peers that were asked besides; the first answer ends it for all */
    uint32_t other_count;
    uint32_t member, user; /* who asked: member and users of its seat, as they were then */
    uint32_t held_peer;    /* whose backlog its next request waits for, */
    int held;              /* when this is 1 */
    uint16_t op, flags;
    int has_credit;       /* its thread has credit for a queue; it goes back when it is not used */
    int outstanding;      /* it may still have some: a dead one's all go back */
    uint64_t credit_tail; /* what it had posted when we last looked */
    int settled;          /* what the answer gave was told to be taken */
    int gives_credit;     /* the answer gives credit */
    int64_t result;
    KITH__LIST(struct large) large;
};

struct holding { /* a process of this node may hold something at peer */
    KITH__LINK(struct holding) link;
    uint32_t member, serial, peer;
};

struct kith__requests {
    struct kith__proto *proto;
    KITH__LIST(struct holding) holdings;
    int deaths;     /* some may have died since they were told of */
    uint64_t *told; /* [nodes]: how many each was told of */
    struct local locals[KITH__SEATS];
    uint32_t nodes;
    uint32_t waiting, delivered; /* locals in the phases SENT and DELIVERED */
    uint32_t credited;           /* locals that have credit */
    uint32_t held;               /* locals that wait for a backlog */
    uint64_t returned;
    int64_t now, looked, credit_looked;
};

static int has_flag(uint32_t op, enum kith__method_flags flag)
{
    const struct kith__method *m = kith__method(op >> 8, op & 255);

    return m && m->flags & flag;
}

static int pipelines(uint32_t op)
{
    return has_flag(op, KITH__PIPELINES);
}

static int is_known(uint32_t op)
{
    return op == KITH__RELEASE_CREDIT || kith__method(op >> 8, op & 255);
}

static struct kith__mailbox *mailbox_of(uint32_t seat)
{
    uint64_t at = seat < KITH__SEATS ? atomic_load(&kith__agent_shared()->mailboxes[seat]) : 0;

    return at ? kith__at(at) : NULL;
}

static void set_phase(struct kith__requests *self, struct local *l, enum phase phase)
{
    self->waiting += (uint32_t)(phase == SENT) - (uint32_t)(l->phase == SENT);
    self->delivered += (uint32_t)(phase == DELIVERED) - (uint32_t)(l->phase == DELIVERED);
    l->phase = phase;
}

/* Wakes the thread when it watches for what may be so now. */
static void nudge(struct kith__mailbox *d, uint32_t seat)
{
    kith__fence();
    if (atomic_load(&d->watching) != KITH__WATCHES_NOTHING)
        kith__wake_seat(&kith__shared->seats[seat]);
}

static int is_alive(const struct local *l, uint32_t seat)
{
    const struct kith__seat *s = &kith__shared->seats[seat];

    return l->member != 0 && atomic_load(&s->member) == l->member && atomic_load(&s->users) == l->user;
}

static int answer_becomes(struct kith__mailbox *d, uint64_t id, enum kith__answer_state from,
                          enum kith__answer_state to)
{
    uint64_t seen = id << 3 | from;

    return atomic_compare_exchange_strong(&d->answer, &seen, id << 3 | to);
}

/* ----------------------------------------------------------------------- watches */

static int is_watch(uint32_t op)
{
    return op == (KITH__NODE_KIND << 8 | KITH__NODE_WATCH);
}

static int was_asked(const struct local *l, uint32_t peer)
{
    for (uint32_t i = 0; i < l->other_count; i++)
        if (l->others[i] == peer)
            return 1;
    return l->peer == peer;
}

/* From here on it is a call to peer alone. */
static void settle_on(struct kith__requests *self, struct local *l, uint32_t peer)
{
    for (uint32_t i = 0; i < l->other_count; i++)
        if (l->others[i] != peer)
            kith__proto_cancel(self->proto, l->others[i], l->id);
    if (l->peer != peer)
        kith__proto_cancel(self->proto, l->peer, l->id);
    free(l->others);
    l->others = NULL;
    l->other_count = 0;
    l->peer = peer;
}

/* ------------------------------------------------------------------ pipelined puts */

static void add_large(struct local *l, int open)
{
    struct large *large = kith__agent_alloc(sizeof *large);

    *large = (struct large){ .id = l->id, .size = l->size, .open = open };
    kith__link_last(&l->large, large, link);
}

static void free_large(struct local *l, struct large *large)
{
    kith__unlink(&l->large, large, link);
    free(large);
}

static void defer_error(struct kith__mailbox *d, int code, const char *text, size_t size, uint64_t items)
{
    snprintf(d->deferred_text, sizeof d->deferred_text, "%.*s", (int)size, text);
    atomic_fetch_add(&d->lost, items);
    if (code != KITH_ESTALE || atomic_load(&d->deferred) == 0)
        atomic_store(&d->deferred, code);
}

/* Takes the large ones out of the list that are among ids id to id + count - 1; how many of these were never
 * open. */
static uint32_t done_large(struct local *l, struct kith__mailbox *d, uint64_t id, uint32_t count)
{
    uint32_t closed = 0;

    for (struct large *large = l->large.first, *next; large; large = next) {
        next = large->link.next;
        if (large->id - id >= count)
            continue;
        if (large->open)
            atomic_store(&d->open_bytes, atomic_load(&d->open_bytes) - large->size);
        else
            closed++;
        free_large(l, large);
    }
    return closed;
}

/* Pipelined puts, from id on, are done. */
static void done_pipelined(struct local *l, uint32_t seat, uint64_t id, uint32_t count)
{
    struct kith__mailbox *d = mailbox_of(seat);
    uint64_t open = atomic_load(&d->open);

    count -= done_large(l, d, id, count);
    atomic_store(&d->open, open > count ? open - count : 0);
    nudge(d, seat);
}

/* The peer has a buffer for the bytes of a put: its thread may go on. */
void kith__requests_granted(struct kith__requests *self, uint32_t peer, uint64_t id)
{
    uint32_t seat = (uint32_t)(id >> 48);
    struct kith__mailbox *d = mailbox_of(seat);
    struct local *l = &self->locals[seat % KITH__SEATS];

    if (!d || l->phase != SENT || l->id != id || l->peer != peer || !(l->flags & KITH__PIPELINED))
        return;
    atomic_store(&d->open, atomic_load(&d->open) + 1);
    atomic_store(&d->open_bytes, atomic_load(&d->open_bytes) + l->size);
    add_large(l, 1);
    set_phase(self, l, FREE);
    if (answer_becomes(d, id, KITH__ANSWER_ASKED, KITH__ANSWER_GRANTED))
        kith__wake_seat(&kith__shared->seats[seat]);
    else {
        answer_becomes(d, id, KITH__ANSWER_GIVEN_UP, KITH__ANSWER_IDLE);
        nudge(d, seat);
    }
}

/* --------------------------------------------------------------------- answers */

/* Nobody has seen the credit that the answer gives: its home takes it back. */
static void forget_credit(struct kith__requests *self, struct local *l)
{
    if (l->gives_credit)
        kith__proto_cancel(self->proto, l->peer, l->id);
    l->gives_credit = 0;
}

/* The block of the answer, unless the thread has made it its own. */
static void free_answer(struct local *l)
{
    if (l->block && kith__heap_owner_now(l->block) == kith__mailbox_answer_owner(l->id))
        kith__heap_free(l->block);
    l->block = 0;
}

/* The call is over for us; what it gave is settled. */
static void finish(struct kith__requests *self, struct local *l, struct kith__mailbox *d, uint32_t seat,
                   int taken)
{
    if (l->flags & KITH__GIVEN && !l->settled)
        kith__proto_settle(self->proto, l->peer, l->id, taken);
    if (!taken)
        forget_credit(self, l);
    l->gives_credit = 0;
    free_answer(l);
    set_phase(self, l, FREE);
    answer_becomes(d, l->id, KITH__ANSWER_GIVEN_UP, KITH__ANSWER_IDLE);
    nudge(d, seat);
}

/* Its bytes stand at bytes, or in l->block. */
static void deliver(struct kith__requests *self, struct local *l, uint32_t seat, int64_t result,
                    uint32_t flags, const void *bytes, uint64_t size)
{
    struct kith__mailbox *d = mailbox_of(seat);

    d->result = result;
    d->size = size;
    d->flags = flags;
    l->gives_credit = pipelines(l->op) && result > 0;
    if (l->gives_credit)
        l->outstanding = 1;
    if (l->gives_credit && !l->has_credit) {
        l->has_credit = 1;
        l->credit_tail = atomic_load(&d->tail);
        self->credited++;
        self->credit_looked = self->now;
    }
    l->flags = (uint16_t)flags;
    l->settled = 0;
    if (!l->block && size > KITH__ANSWER_BYTES && (l->block = kith__heap_alloc(size, kith__me)) != 0)
        memcpy(kith__at(l->block), bytes, size);
    else if (!l->block && size > KITH__ANSWER_BYTES) {
        d->result = KITH_ENOMEM;
        d->size = (uint64_t)snprintf(d->bytes, sizeof d->bytes, "%s", kith_last_error());
        if (flags & KITH__GIVEN)
            kith__proto_settle(self->proto, l->peer, l->id, 0);
        l->flags &= (uint16_t)~KITH__GIVEN;
    } else if (!l->block && size > 0)
        memcpy(d->bytes, bytes, size);
    if (l->block)
        atomic_store(kith__heap_owner(l->block), kith__mailbox_answer_owner(l->id));
    d->block = l->block;
    set_phase(self, l, DELIVERED);
    if (answer_becomes(d, l->id, KITH__ANSWER_ASKED, KITH__ANSWER_READY))
        kith__wake_seat(&kith__shared->seats[seat]);
    else
        finish(self, l, d, seat, 0);
}

static void deliver_failure(struct kith__requests *self, struct local *l, uint32_t seat, int code)
{
    deliver(self, l, seat, code, 0, kith_last_error(), strlen(kith_last_error()));
}

/* What a thread or its death has made of the answer. 1: the call is over. */
static int see_answer(struct kith__requests *self, struct local *l, struct kith__mailbox *d, uint32_t seat)
{
    uint64_t answer = atomic_load(&d->answer);
    enum kith__answer_state state =
        answer >> 3 == l->id ? (enum kith__answer_state)(answer & 7) : KITH__ANSWER_IDLE;

    if (!is_alive(l, seat) &&
        (state == KITH__ANSWER_ASKED || state == KITH__ANSWER_GRANTED || state == KITH__ANSWER_READY))
        if (answer_becomes(d, l->id, state, KITH__ANSWER_GIVEN_UP))
            state = KITH__ANSWER_GIVEN_UP;
    if (!is_alive(l, seat) && state == KITH__ANSWER_TAKEN) {
        answer_becomes(d, l->id, KITH__ANSWER_TAKEN, KITH__ANSWER_IDLE);
        state = KITH__ANSWER_IDLE;
        forget_credit(self, l); /* it may have died before it wrote it down */
    }
    if (state == KITH__ANSWER_TAKEN && l->phase == DELIVERED && l->flags & KITH__GIVEN && !l->settled) {
        kith__proto_settle(self->proto, l->peer, l->id, 1);
        l->settled = 1;
    }
    if (state != KITH__ANSWER_IDLE && state != KITH__ANSWER_GIVEN_UP)
        return 0;
    if (l->phase == SENT && state == KITH__ANSWER_GIVEN_UP) {
        if (pipelines(l->op) && l->flags & KITH__PIPELINED)
            add_large(l, 0);
        settle_on(self, l, l->peer);
        kith__proto_cancel(self->proto, l->peer, l->id);
        l->flags = 0;
    }
    finish(self, l, d, seat, state == KITH__ANSWER_IDLE);
    return 1;
}

/* ------------------------------------------------------------------------ replies */

static struct local *waiting_for(struct kith__requests *self, uint32_t peer, uint64_t id)
{
    struct local *l = &self->locals[(id >> 48) % KITH__SEATS];

    return id >> 48 < KITH__SEATS && l->phase == SENT && l->id == id && was_asked(l, peer) ? l : NULL;
}

/* An item is as large as it is said to be, and not larger than there is room for: the thread copies it
 * without a look. */
static int is_absurd(const struct local *l, const struct kith__reply *r)
{
    return r->result >= 0 && r->size > 0 && ((uint64_t)r->result != r->size || r->size > l->room);
}

uint64_t kith__requests_reply(struct kith__requests *self, uint32_t peer, const struct kith__reply *r,
                              const void *bytes)
{
    struct local *l = waiting_for(self, peer, r->id);
    uint32_t seat = (uint32_t)(r->id >> 48);
    uint64_t block;

    if (!l) {
        if (r->flags & KITH__GIVEN)
            kith__proto_settle(self->proto, peer, r->id, 0);
        else if (r->flags & KITH__PIPELINED && mailbox_of(seat)) {
            if (r->result < 0)
                defer_error(mailbox_of(seat), (int)r->result, bytes ? bytes : "", r->size, r->count);
            done_pipelined(&self->locals[seat], seat, r->id, r->count);
        }
        return 0;
    }
    settle_on(self, l, peer);
    if (is_absurd(l, r)) {
        kith__proto_settle(self->proto, peer, r->id, 0);
        kith__fail(KITH_EPEER, "node %u returned an item of another size than requested", peer);
        deliver_failure(self, l, seat, KITH_EPEER);
        return 0;
    }
    if (bytes) {
        deliver(self, l, seat, r->result, r->flags, bytes, r->size);
        return 0;
    }
    l->result = r->result;
    l->coming = r->size;
    l->flags = r->flags;
    if ((block = kith__heap_alloc_hollow(r->size, kith__me)) == 0) {
        kith__proto_settle(self->proto, peer, r->id, 0);
        deliver_failure(self, l, seat, KITH_ENOMEM);
    }
    return block;
}

void kith__requests_arrived(struct kith__requests *self, uint32_t peer, uint64_t id, uint64_t block)
{
    struct local *l = waiting_for(self, peer, id);

    if (!l) { /* given up meanwhile */
        kith__heap_free(block);
        kith__proto_settle(self->proto, peer, id, 0);
        return;
    }
    l->block = block;
    deliver(self, l, (uint32_t)(id >> 48), l->result, l->flags, NULL, l->coming);
}

static void forget_large(struct local *l)
{
    while (l->large.first)
        free_large(l, l->large.first);
}

static void lose_pipelined(struct local *l, struct kith__mailbox *d, uint32_t seat)
{
    forget_large(l);
    if (atomic_load(&d->open) == 0)
        return;
    defer_error(d, KITH_EPEER, kith_last_error(), strlen(kith_last_error()), atomic_load(&d->open));
    atomic_store(&d->open_bytes, 0);
    atomic_store(&d->open, 0);
    nudge(d, seat);
}

void kith__requests_ended(struct kith__requests *self, uint32_t peer, const char *why)
{
    for (uint32_t seat = 0; seat < KITH__SEATS; seat++) {
        struct local *l = &self->locals[seat];
        struct kith__mailbox *d = mailbox_of(seat);

        if (!d)
            continue;
        kith__fail(KITH_EPEER, "node %u (%s) %s", peer, kith__agent_host(peer), why);
        if (l->pipelined_peer == peer)
            lose_pipelined(l, d, seat);
        if (l->phase == SENT && was_asked(l, peer)) {
            settle_on(self, l, peer);
            deliver_failure(self, l, seat, KITH_EPEER);
        }
    }
}

/* ------------------------------------------------------------------------- mailboxes */

/* The request at *head of d, or behind the end of the ring when it stands there; NULL: what is there makes no
 * sense, or, when *head is tail then, there is none. */
static const struct kith__mailbox_request *request_at(const struct kith__requests *self,
                                                      const struct kith__mailbox *d, uint64_t *head,
                                                      uint64_t tail)
{
    uint64_t at = *head % KITH__MAILBOX_RING, left = tail - *head;
    const struct kith__mailbox_request *e = (const void *)&d->ring[at];

    if (left == 0 || left > KITH__MAILBOX_RING)
        return NULL;
    if (at + sizeof e->length > KITH__MAILBOX_RING || e->length == 0) {
        *head += KITH__MAILBOX_RING - at;
        return *head < tail ? request_at(self, d, head, tail) : NULL;
    }
    if (e->length < sizeof *e || e->length > left || e->length > KITH__MAILBOX_RING - at ||
        e->node >= self->nodes || !is_known(e->op))
        return NULL;
    if (e->block ? kith__heap_check(e->block) < 0 || e->size > kith__heap_size_of(e->block)
                 : e->size > e->length - sizeof *e)
        return NULL;
    return e;
}

/* The next request of d; NULL: none, or what is there makes no sense, and all of it is dropped. */
static const struct kith__mailbox_request *next_request(struct kith__requests *self, struct kith__mailbox *d)
{
    uint64_t tail = atomic_load_explicit(&d->tail, memory_order_acquire), head = atomic_load(&d->head);
    const struct kith__mailbox_request *e = request_at(self, d, &head, tail);

    if (!e && head != tail) {
        kith__log(KITH_LOG_ERROR, "a mailbox of this node holds what makes no sense; it is cleared");
        head = tail;
    }
    atomic_store(&d->head, head);
    return e;
}

/* 1: something that this process asks of peer, perhaps among others, was not read yet. It may stand in the
 * mailbox of who has its seat now, and who will perhaps ask for nothing itself. */
static int is_unread(const struct kith__requests *self, uint32_t serial, uint32_t peer)
{
    uint32_t used = atomic_load(&kith__shared->seats_used);

    for (uint32_t seat = 0; seat < used; seat++) {
        const struct kith__mailbox *d = mailbox_of(seat);
        uint64_t head = d ? atomic_load(&d->head) : 0, tail = d ? atomic_load(&d->tail) : 0;
        const struct kith__mailbox_request *e;

        for (; head != tail && (e = request_at(self, d, &head, tail)); head += e->length)
            if (e->member == serial && (e->node == peer || is_watch(e->op)))
                return 1;
    }
    return 0;
}

/* ------------------------------------------------------------------ what is held elsewhere */

/* member 0: it had died before we saw what it asked for. */
static int has_died(const struct holding *h)
{
    const struct kith__member *m = kith__member(h->member ? h->member : 1);

    return h->member == 0 || m->serial != h->serial || !kith__member_is_up(m);
}

static void remember_holding(struct kith__requests *self, uint32_t member, uint32_t serial, uint32_t peer)
{
    struct holding *h = self->holdings.first;

    while (h && (h->serial != serial || h->peer != peer))
        h = h->link.next;
    if (h)
        return;
    h = kith__agent_alloc(sizeof *h);
    *h = (struct holding){ .member = member, .serial = serial, .peer = peer };
    kith__link_first(&self->holdings, h, link);
    self->deaths |= has_died(h);
}

static void free_holding(struct kith__requests *self, struct holding *h)
{
    kith__unlink(&self->holdings, h, link);
    free(h);
}

int64_t kith__requests_vouch(struct kith__requests *self, uint32_t serial, uint32_t peer)
{
    uint32_t member = kith__member_of(serial);

    if (member == 0)
        return 0;
    remember_holding(self, member, serial, peer);
    return (int64_t)self->told[peer] + 1;
}

/* Behind all that the dead have asked for: their nodes take back what they held, and a release that came
 * later would give back what is somebody else's by then. */
static void tell_deaths(struct kith__requests *self)
{
    self->deaths = 0;
    for (struct holding *h = self->holdings.first, *next; h; h = next) {
        struct kith__request r = { .op = KITH__NODE_KIND << 8 | KITH__NODE_DIED, .number = h->serial };

        next = h->link.next;
        if (!has_died(h))
            continue;
        if (is_unread(self, h->serial, h->peer)) {
            self->deaths = 1;
            continue;
        }
        r.id = (uint64_t)KITH__AGENTS_OWN << 48 | ++self->returned; /* nobody waits for it */
        if (kith__proto_request(self->proto, h->peer, &r, "", 0, self->now) == 0)
            self->told[h->peer]++;
        free_holding(self, h);
    }
}

/* Sends it to the homes of all that is in its list, but the one that it is addressed to. Each has the whole
 * list, and looks at its own. 0; a code. */
static int ask_others(struct kith__requests *self, struct local *l, const struct kith__request *r,
                      const struct kith__watched *list)
{
    int count = kith__watch_count(r->size), rc = 0;

    if (count < 0)
        return count;
    l->others = kith__agent_alloc((size_t)count * sizeof *l->others);
    for (int i = 0; i < count && rc == 0; i++) {
        uint32_t home = kith__handle_home(list[i].id);

        if (home >= self->nodes)
            rc = kith__fail(KITH_EINVAL, "there is no node %u", home);
        else if (!was_asked(l, home)) {
            l->others[l->other_count++] = home;
            remember_holding(self, l->member, r->member, home);
            rc = kith__proto_request(self->proto, home, r, list, 0, self->now);
        }
    }
    return rc;
}

/* 1: its thread does not wait for it. */
static int is_pipelined(const struct kith__mailbox_request *e)
{
    return e->flags & KITH__PIPELINED && e->size <= KITH__SMALL_PUT;
}

/* 1: it was given up before we have seen it, and nobody would ever end it. */
static int is_withdrawn(struct kith__mailbox *d, const struct kith__mailbox_request *e)
{
    if (is_pipelined(e) || atomic_load(&d->answer) == (e->id << 3 | KITH__ANSWER_ASKED))
        return 0;
    answer_becomes(d, e->id, KITH__ANSWER_GIVEN_UP, KITH__ANSWER_IDLE);
    kith__heap_free(e->block);
    return 1;
}

/* Who has that seat, if it is still the one with that serial number; 0. */
static uint32_t owner_of(uint32_t seat, uint32_t serial)
{
    uint32_t member = atomic_load(&kith__shared->seats[seat].member);

    return member != 0 && kith__member(member)->serial == serial ? member : 0;
}

/* Sends the request to its node. */
static void send(struct kith__requests *self, struct local *l, struct kith__mailbox *d, uint32_t seat,
                 const struct kith__mailbox_request *e)
{
    struct kith__request r = { .id = e->id,
                               .object = e->object,
                               .size = e->size,
                               .number = e->number,
                               .task = e->task,
                               .member = e->member,
                               .timeout_ms = e->timeout_ms,
                               .op = e->op,
                               .flags = e->flags };
    int pipelined = is_pipelined(e), rc;

    if (e->flags & KITH__PIPELINED)
        l->pipelined_peer = e->node;
    if (pipelined)
        atomic_store(&d->open, atomic_load(&d->open) + 1);
    else {
        l->id = e->id;
        l->size = e->size;
        l->room = e->room;
        l->peer = e->node;
        l->op = e->op;
        l->flags = e->flags;
        l->user = atomic_load(&kith__shared->seats[seat].users);
        l->member = owner_of(seat, e->member); /* 0: it has died, which see_answer will see */
        set_phase(self, l, SENT);
    }
    if (has_flag(e->op, KITH__HOLDS))
        remember_holding(self, l->member, e->member, e->node);
    if (is_watch(e->op) &&
        (rc = ask_others(self, l, &r, e->block ? kith__at(e->block) : (const void *)(e + 1))) < 0) {
        settle_on(self, l, l->peer);
        kith__heap_free(e->block);
        deliver_failure(self, l, seat, rc);
        return;
    }
    rc = kith__proto_request(self->proto, e->node, &r, e->block ? NULL : e + 1, e->block, self->now);
    if (rc == 0)
        return;
    settle_on(self, l, l->peer);
    kith__heap_free(e->block);
    if (pipelined) {
        defer_error(d, rc, kith_last_error(), strlen(kith_last_error()), 1);
        atomic_store(&d->open, atomic_load(&d->open) - 1);
    } else
        deliver_failure(self, l, seat, rc);
}

static int is_backed_up(struct kith__requests *self, const struct kith__mailbox *d, uint32_t node)
{
    return atomic_load(&d->open) >= OPEN_MOST || kith__proto_backlog(self->proto, node) > BACKLOG;
}

static void hold(struct kith__requests *self, struct local *l, uint32_t peer, int held)
{
    self->held += (uint32_t)held - (uint32_t)l->held;
    l->held = held;
    l->held_peer = peer;
}

/* 1: there is more. What waits for its node to acknowledge or do others is held, and not meant by that. */
static int collect_from(struct kith__requests *self, uint32_t seat)
{
    struct kith__mailbox *d = mailbox_of(seat);
    struct local *l = &self->locals[seat];
    const struct kith__mailbox_request *e;
    uint64_t taken = 0;
    int more = 0;

    if (!d)
        return 0;
    hold(self, l, 0, 0);
    if (l->phase != FREE)
        see_answer(self, l, d, seat);
    if (l->phase == FREE && (atomic_load(&d->answer) & 7) == KITH__ANSWER_GIVEN_UP) {
        answer_becomes(d, atomic_load(&d->answer) >> 3, KITH__ANSWER_GIVEN_UP, KITH__ANSWER_IDLE);
        taken = 1;
    }
    while ((e = next_request(self, d))) {
        if (is_backed_up(self, d, e->node)) {
            hold(self, l, e->node, 1);
            break;
        }
        if (taken >= AT_ONCE) {
            more = 1;
            break;
        }
        if (!is_withdrawn(d, e))
            send(self, l, d, seat, e);
        atomic_store(&d->head, atomic_load(&d->head) + e->length);
        taken++;
    }
    if (taken > 0)
        nudge(d, seat);
    return more;
}

int kith__requests_go_on(struct kith__requests *self)
{
    int some = 0;

    for (uint32_t seat = 0; self->held > 0 && seat < KITH__SEATS; seat++)
        if (self->locals[seat].held && !is_backed_up(self, mailbox_of(seat), self->locals[seat].held_peer)) {
            hold(self, &self->locals[seat], 0, 0);
            kith__mailbox_point(seat);
            some = 1;
        }
    return some;
}

int kith__requests_collect(struct kith__requests *self, int64_t now)
{
    struct kith__waiters *pending = &kith__agent_shared()->pending;
    int more = 0;

    self->now = now;
    for (uint64_t words = atomic_exchange(&pending->summary, 0); words; words &= words - 1) {
        int i = __builtin_ctzll(words);

        for (uint64_t bits = atomic_exchange(&pending->bits[i], 0); bits; bits &= bits - 1) {
            uint32_t seat = (uint32_t)(i * 64 + __builtin_ctzll(bits));

            if (collect_from(self, seat)) {
                atomic_fetch_or(&pending->bits[i], bits & -bits);
                atomic_fetch_or(&pending->summary, UINT64_C(1) << i);
                more = 1;
            }
        }
    }
    if (self->deaths)
        tell_deaths(self);
    return more;
}

/* So much credit that seat was given goes back. */
static void return_credit(struct kith__requests *self, const struct kith__mailbox *d, uint32_t seat,
                          uint32_t credit)
{
    struct kith__request r = { .op = KITH__RELEASE_CREDIT,
                               .object = d->pipelined_object,
                               .number = credit | (uint64_t)seat << 32 };

    if (credit == 0 || d->pipelined_object == 0)
        return;
    r.id = (uint64_t)KITH__AGENTS_OWN << 48 | ++self->returned; /* nobody waits for it */
    kith__proto_request(self->proto, kith__handle_home(d->pipelined_object), &r, "", 0, self->now);
}

/* What one that is dead has asked for or had there, whoever has the seat by now. Nobody may have rung for it.
 * Credit that it had been given, and not yet used, is known to nobody else: so all goes back. */
static void sweep(struct kith__requests *self, uint32_t seat)
{
    struct kith__mailbox *d = mailbox_of(seat);
    struct local *l = &self->locals[seat];

    if (collect_from(self, seat))
        kith__mailbox_point(seat);
    if (!d || !l->outstanding || is_alive(l, seat))
        return;
    l->outstanding = 0;
    atomic_store(&d->credit, 0);
    return_credit(self, d, seat, UINT32_MAX);
}

void kith__requests_sweep(struct kith__requests *self, int64_t now)
{
    uint32_t used = atomic_load(&kith__shared->seats_used);

    self->now = now;
    for (uint32_t seat = 0; seat < used; seat++)
        sweep(self, seat);
    self->deaths = 1;
}

/* Credit that seat has not used for a while goes back: others may wait for it. */
static void take_back(struct kith__requests *self, struct local *l, uint32_t seat)
{
    struct kith__mailbox *d = mailbox_of(seat);
    uint64_t tail = atomic_load(&d->tail);

    /* Until it has seen the answer it does not know of them, and would use them later. */
    if (tail != l->credit_tail || l->phase == DELIVERED) {
        l->credit_tail = tail;
        return;
    }
    l->has_credit = 0;
    self->credited--;
    return_credit(self, d, seat, atomic_exchange(&d->credit, 0));
}

static int64_t tick_credit(struct kith__requests *self, int64_t now)
{
    if (self->credited == 0)
        return INT64_MAX;
    if (now - self->credit_looked >= credit_ns) {
        self->credit_looked = now;
        for (uint32_t seat = 0; seat < KITH__SEATS; seat++)
            if (self->locals[seat].has_credit)
                take_back(self, &self->locals[seat], seat);
    }
    return self->credited ? self->credit_looked + credit_ns : INT64_MAX;
}

static int64_t tick_answers(struct kith__requests *self, int64_t now)
{
    if (self->waiting + self->delivered == 0)
        return INT64_MAX;
    if (now - self->looked >= (self->delivered ? look_ns : look_later_ns)) {
        self->looked = now;
        for (uint32_t seat = 0; seat < KITH__SEATS; seat++)
            if (self->locals[seat].phase != FREE)
                see_answer(self, &self->locals[seat], mailbox_of(seat), seat);
    }
    return self->waiting + self->delivered ? self->looked + (self->delivered ? look_ns : look_later_ns)
                                           : INT64_MAX;
}

int64_t kith__requests_tick(struct kith__requests *self, int64_t now)
{
    int64_t answers, credit;

    self->now = now;
    answers = tick_answers(self, now);
    credit = tick_credit(self, now);
    return answers < credit ? answers : credit;
}

struct kith__requests *kith__requests_new(struct kith__proto *p, uint32_t nodes)
{
    struct kith__requests *self = kith__agent_alloc(sizeof *self);

    self->proto = p;
    self->nodes = nodes;
    self->told = kith__agent_alloc(nodes * sizeof *self->told);
    return self;
}

void kith__requests_free(struct kith__requests *self)
{
    for (uint32_t seat = 0; seat < KITH__SEATS; seat++) {
        struct local *l = &self->locals[seat];

        forget_large(l);
        free(l->others);
        free_answer(l);
    }
    while (self->holdings.first)
        free_holding(self, self->holdings.first);
    free(self->told);
    free(self);
}
