/* pipe.c: the Pipe; see class.h and kith.h.
 *
 * A Pipe is one object with two ends; which end a handle means stands in the handle (KITH__HANDLE_PART).
 * What is on its way to an end lies in a ring, as records {header, bytes}; large messages in a block of their
 * own, so that copying them holds up nobody. Each way has a guard: the object's first the way to end 1, the
 * second the way to end 0. A record is written behind the tail, where nobody looks, and the commit that moves
 * the tail makes it true. Methods look without a guard whether there is anything to do: whoever waits and
 * spins takes no cache line away but those that it waits for.
 *
 * Who holds an end stands in holders.h, changed in the object's first guard, as is what has become of the
 * end.
 */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "object/holders.h"
#include "object/memory.h"
#include "object/pipe.h"
#include "object/vouch.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

enum { READERS, WRITERS = 2, SIDES = 4 }; /* and the end, of which they are */

enum { RING = 32768, LARGE_MOST = 4 << 20, KNOWN = 4 };

#define LAST UINT64_MAX    /* the header that says: go on at the start of the ring */
#define NOWHERE UINT64_MAX /* in place of a position */

enum fate { OPEN, CLOSED, ABANDONED }; /* of an end; abandoned: all that held it have ended */

struct options {
    uint32_t one_way, own; /* kith's own: it ends when nobody holds it any more */
    uint64_t opener;
};

/* What is on its way to an end. Positions are bytes, ever; large: bytes of large messages. */
struct way {
    kith__word tail __attribute__((aligned(64))), head, large;
    kith__word front, front_size, front_block; /* one message that was put back: it comes first */
};

struct pipe {
    struct way to[2];
    kith__word ring[2] __attribute__((aligned(64)));
    uint32_t one_way, own;
    /* Under the object's guard; read outside of it, too. */
    kith__word fate[2];
    kith__word swapped[2]; /* of the end that has sent: number of its last swap; in the guard of that way */
    kith__word opener[2];  /* who has opened it, as long as that one holds the end; 0: nobody */
    kith__word known[2][KNOWN]; /* some of the others that hold it: whom we need not look up */
    struct kith__holders holders[2];
};

_Static_assert(KITH__BODY_FITS(struct pipe, SIDES), "it is the body of an object");

static struct pipe *pipe_of(struct kith__object *o)
{
    return (struct pipe *)(void *)&o->body;
}

/* Of the way to that end. */
static struct kith__guard *guard_of(struct kith__object *o, int end)
{
    return end ? &o->guard : &o->second;
}

static uint64_t *record_at(const struct pipe *p, int end, uint64_t at)
{
    return (uint64_t *)(void *)((char *)kith__at(atomic_load(&p->ring[end])) + at % RING);
}

static uint64_t padded(uint64_t size)
{
    return (size + 7) & ~UINT64_C(7);
}

/* ------------------------------------------------------------------------- holders */

static kith__word *known_at(struct pipe *p, int end, const struct kith__caller *who)
{
    return &p->known[end][who->member % KNOWN];
}

static int is_closed(const struct pipe *p, int end)
{
    return atomic_load(&p->fate[end]) == CLOSED;
}

static int64_t closed(void)
{
    return kith__fail(KITH_ESTALE, "this end of the Pipe was closed");
}

static int64_t is_over(const struct pipe *p, int end)
{
    return kith__fail(KITH_EEND, is_closed(p, end)
                                     ? "the other end of the Pipe was closed"
                                     : "all processes that held the other end of the Pipe have ended");
}

/* 1: seen without a guard. */
static int is_known(struct pipe *p, int end, const struct kith__caller *who)
{
    return atomic_load_explicit(known_at(p, end, who), memory_order_relaxed) == kith__holder(who);
}

/* In the guard: with the next commit who holds the end. 0; KITH_ENOMEM. */
static int add_holder(struct kith__object *o, int end, const struct kith__caller *who)
{
    struct pipe *p = pipe_of(o);

    if (!kith__holders_has(&p->holders[end], who) && kith__holders_add(o, &p->holders[end], who) < 0)
        return KITH_ENOMEM;
    kith__guard_set(&o->guard, known_at(p, end, who), kith__holder(who));
    if (atomic_load(&p->fate[end]) == ABANDONED)
        kith__guard_set(&o->guard, &p->fate[end], OPEN);
    return 0;
}

static __attribute__((noinline)) int64_t become_holder(struct kith__object *o, int end,
                                                       const struct kith__caller *who,
                                                       const struct kith__args *in)
{
    int64_t rc;

    if (!kith__enter_if(o, &o->guard, &in->ident))
        return KITH__GONE;
    if ((rc = add_holder(o, end, who)) == 0)
        kith__guard_commit(&o->guard);
    kith__guard_leave(&o->guard);
    return rc;
}

/* Whoever uses an end holds it from then on. 0; a code; KITH__GONE. */
static inline int64_t hold(struct kith__object *o, int end, const struct kith__caller *who,
                           const struct kith__args *in)
{
    struct pipe *p = pipe_of(o);

    if (atomic_load(&o->ident) != in->ident)
        return KITH__GONE;
    if (is_closed(p, end))
        return closed();
    return is_known(p, end, who) ? 0 : become_holder(o, end, who, in);
}

/* In the guard: the other end may have nobody to wait for any more. */
static void tell_other(struct kith__result *out, int end)
{
    kith__tell_all(out, READERS + !end);
    kith__tell_all(out, WRITERS + !end);
}

/* In the guard: whoever matches is not known as a holder any more, and not as the opener. */
static void forget(struct kith__object *o, int end, const struct kith__caller *who)
{
    struct pipe *p = pipe_of(o);

    for (int i = 0; i < KNOWN; i++)
        if (kith__is_same(atomic_load(&p->known[end][i]), who))
            kith__guard_set(&o->guard, &p->known[end][i], 0);
    if (kith__is_same(atomic_load(&p->opener[end]), who))
        kith__guard_set(&o->guard, &p->opener[end], 0);
    kith__guard_commit(&o->guard);
}

/* In the guard: whether the end has no holder any more is seen from what is there, and not from what was just
 * done: so a janitor can do it again. An end that never had any may come to one yet, but for a Pipe of kith's
 * own, whose opener would have seen to that. */
static void abandon_if_unheld(struct kith__object *o, int end, struct kith__result *out)
{
    struct pipe *p = pipe_of(o);
    struct kith__holders *h = &p->holders[end];

    if (atomic_load(&p->fate[end]) != OPEN || atomic_load(&h->units) > 0 ||
        (atomic_load(&h->counts) == 0 && !p->own) || atomic_load(&p->opener[end]))
        return;
    kith__guard_set(&o->guard, &p->fate[end], ABANDONED);
    kith__guard_commit(&o->guard);
    tell_other(out, end);
}

/* In the guard: whoever matches has ended. */
static void evict(struct kith__object *o, int end, const struct kith__caller *who, struct kith__result *out)
{
    forget(o, end, who);
    while (kith__holders_evict(o, &pipe_of(o)->holders[end], who) > 0)
        kith__guard_commit(&o->guard);
    abandon_if_unheld(o, end, out);
}

static void died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    evict(o, 0, who, out);
    evict(o, 1, who, out);
}

static int is_unheld(struct kith__object *o)
{
    const struct pipe *p = pipe_of(o);

    return p->own && atomic_load(&p->fate[0]) != OPEN && atomic_load(&p->fate[1]) != OPEN;
}

/* In the guard: with the next commit the end has had a holder. */
static void count_one(struct kith__object *o, int end)
{
    kith__word *counts = &pipe_of(o)->holders[end].counts;

    kith__guard_set(&o->guard, counts, atomic_load(counts) + 1);
}

/* In the guard: who has given the end away, holds it no more, and is the first to hold the other one. 0;
 * KITH_ENOMEM.
 */
static int leave_end(struct kith__object *o, int end, const struct kith__caller *who)
{
    struct pipe *p = pipe_of(o);

    forget(o, end, who);
    if (kith__holders_drop(o, &p->holders[end], who, 0))
        kith__guard_commit(&o->guard);
    if (atomic_load(&p->holders[!end].counts) > 0)
        return 0;
    if (add_holder(o, !end, who) < 0)
        return KITH_ENOMEM;
    kith__guard_commit(&o->guard);
    return 0;
}

/* In the guard: what kith__name_process asks for: the end is given to the process that it names. */
static int64_t give(struct kith__object *o, int end, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct kith__caller to;
    int rc;

    if (is_closed(pipe_of(o), end))
        return closed();
    if ((rc = kith__named(in, &to)) != 0)
        return rc;
    if (to.member == 0)
        count_one(o, end);
    else if (add_holder(o, end, &to) < 0)
        return KITH_ENOMEM;
    kith__guard_commit(&o->guard);
    if (kith__is_same(kith__holder(&to), who))
        return 0;
    rc = leave_end(o, end, who);
    abandon_if_unheld(o, end, out);
    return rc;
}

/* ------------------------------------------------------------------------- sending */

/* In the way's guard: where a record of need bytes may begin; NOWHERE: there is no room now. */
static uint64_t find_room(const struct way *w, uint64_t need)
{
    uint64_t tail = atomic_load(&w->tail), left = RING - tail % RING, at = left < need ? tail + left : tail;

    return at + need - atomic_load(&w->head) > RING ? NOWHERE : at;
}

/* In the way's guard: large ones are bounded by their bytes, but for one that is alone. */
static int is_too_much(const struct way *w, uint64_t size)
{
    uint64_t there = atomic_load(&w->large);

    return there > 0 && there + size > LARGE_MOST;
}

/* In the way's guard. swap: its number, if it is one; else 0. */
static void append(struct kith__object *o, int end, uint64_t at, const struct kith__args *in, uint64_t swap)
{
    struct kith__guard *g = guard_of(o, end);
    struct pipe *p = pipe_of(o);
    struct way *w = &p->to[end];
    uint64_t *record = record_at(p, end, at), tail = atomic_load(&w->tail);

    if (at != tail)
        *record_at(p, end, tail) = LAST;
    *record = in->size << 1 | (in->block != 0);
    if (in->block) {
        record[1] = in->block;
        kith__guard_set(g, kith__heap_owner(in->block), 0);
        kith__guard_set(g, &w->large, atomic_load(&w->large) + in->size);
    } else if (in->size > 0)
        memcpy(record + 1, in->bytes, in->size);
    if (swap)
        kith__guard_set(g, &p->swapped[!end], swap);
    kith__guard_set(g, &w->tail, at + sizeof *record + (in->block ? sizeof in->block : padded(in->size)));
    kith__guard_commit(g);
}

static inline int64_t send_as(struct kith__object *o, int from, const struct kith__caller *who,
                              struct kith__args *in, uint64_t swap, struct kith__result *out)
{
    struct pipe *p = pipe_of(o);
    int end = !from, fits;
    int64_t rc = hold(o, from, who, in);
    uint64_t at;

    if (rc < 0)
        return rc;
    if (p->one_way && from == 0)
        return kith__fail(KITH_EINVAL, "end 0 of a one-way Pipe receives, and cannot send");
    if (atomic_load(&p->fate[end]) != OPEN)
        return is_over(p, end);
    if (!kith__enter_if(o, guard_of(o, end), &in->ident))
        return KITH__GONE;
    at = find_room(&p->to[end], sizeof at + (in->block ? sizeof in->block : padded(in->size)));
    fits = at != NOWHERE && !(in->block && is_too_much(&p->to[end], in->size));
    if (fits)
        append(o, end, at, in, swap);
    kith__guard_leave(guard_of(o, end));
    if (!fits)
        return KITH__PARKED;
    in->block = 0;
    kith__fence_behind_guard();
    kith__tell_one(out, READERS + end);
    return 0;
}

static int64_t send(struct kith__object *o, int from, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    return send_as(o, from, who, in, 0, out);
}

/* ----------------------------------------------------------------------- receiving */

struct message {
    uint64_t size, block, after; /* after: the head, when it is out */
    const void *bytes;
}; /* block 0: the bytes lie in the record */

static int is_empty(const struct way *w)
{
    return atomic_load(&w->tail) == atomic_load(&w->head) && !atomic_load(&w->front);
}

/* In the way's guard: what comes next. 0: nothing. */
static int look(const struct pipe *p, int end, struct message *m)
{
    const struct way *w = &p->to[end];
    uint64_t head = atomic_load(&w->head), *record;

    if (is_empty(w))
        return 0;
    if (atomic_load(&w->front)) {
        *m = (struct message){ atomic_load(&w->front_size), atomic_load(&w->front_block), head, NULL };
        return 1;
    }
    record = record_at(p, end, head);
    if (*record == LAST) {
        head += RING - head % RING;
        record = record_at(p, end, head);
    }
    m->size = *record >> 1;
    m->block = *record & 1 ? record[1] : 0;
    m->after = head + sizeof *record + (m->block ? sizeof m->block : padded(m->size));
    m->bytes = record + 1;
    return 1;
}

/* In the way's guard: it is out with this; a block of it is ours. */
static void remove_message(struct kith__object *o, int end, const struct message *m)
{
    struct kith__guard *g = guard_of(o, end);
    struct way *w = &pipe_of(o)->to[end];

    if (m->bytes)
        kith__guard_set(g, &w->head, m->after);
    else
        kith__guard_set(g, &w->front, 0);
    if (m->block) {
        kith__guard_set(g, kith__heap_owner(m->block), kith__me);
        if (m->bytes)
            kith__guard_set(g, &w->large, atomic_load(&w->large) - m->size);
    }
    kith__guard_commit(g);
}

static int64_t does_not_fit(const struct message *m, uint64_t room, int exact)
{
    if (exact && m->size != room)
        return kith__fail(KITH_ESIZE,
                          "the next message of the Pipe has %llu bytes, not %llu; it is still there",
                          (unsigned long long)m->size, (unsigned long long)room);
    if (m->size > room)
        return kith__fail(
            KITH_ETOOBIG,
            "the next message of the Pipe has %llu bytes, more than the %llu there is room for; "
            "it is still there",
            (unsigned long long)m->size, (unsigned long long)room);
    return 0;
}

/* In the way's guard: takes it out. The bytes of a small one are copied, a large one is given as its
 * block.
 */
static int64_t take(struct kith__object *o, int end, const struct message *m, struct kith__result *out)
{
    out->size = m->size;
    if (m->block)
        out->block = m->block;
    else if (m->bytes && kith__give_bytes(out, m->bytes, m->size) < 0)
        return KITH_ENOMEM;
    remove_message(o, end, m);
    out->flags |= KITH__GIVEN | (end ? KITH__MARK : 0); /* the mark tells .undo where it belongs */
    return (int64_t)m->size;
}

/* 0: something may be there, and the way's guard is entered; else a result without it. That the other
 * end is over is looked at first: what was sent before is there then. */
static int64_t await(struct kith__object *o, int end, const struct kith__caller *who, struct kith__args *in)
{
    struct pipe *p = pipe_of(o);
    int64_t rc = hold(o, end, who, in);
    int over;

    if (rc < 0)
        return rc;
    if (p->one_way && end == 1)
        return kith__fail(KITH_EINVAL, "end 1 of a one-way Pipe sends, and cannot receive");
    over = atomic_load(&p->fate[!end]) != OPEN;
    if (is_empty(&p->to[end]))
        return over ? is_over(p, !end) : KITH__PARKED;
    /* Its line comes at the same time as the guard's. */
    __builtin_prefetch(record_at(p, end, atomic_load(&p->to[end].head)));
    return kith__enter_if(o, guard_of(o, end), &in->ident) ? 0 : KITH__GONE;
}

static int64_t receive(struct kith__object *o, int end, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    struct message m;
    int64_t rc = await(o, end, who, in);

    if (rc < 0)
        return rc;
    rc = KITH__PARKED; /* another one was faster: whether the pipe is over is looked at next time */
    if (look(pipe_of(o), end, &m) && (rc = does_not_fit(&m, in->number, (in->flags & KITH__EXACT) != 0)) == 0)
        rc = take(o, end, &m, out);
    kith__guard_leave(guard_of(o, end));
    kith__fence_behind_guard();
    if (rc >= 0)
        kith__tell_all(out, WRITERS + !end); /* there may be room for several of them */
    return rc;
}

/* Sends, once for each number, and receives then: one request instead of two for who answers and waits for
 * the next question. */
static int64_t swap(struct kith__object *o, int end, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct kith__args message = *in, next = { .number = UINT64_MAX, .ident = in->ident };
    int64_t rc = 0;

    if (atomic_load(&pipe_of(o)->swapped[end]) != in->number)
        rc = send_as(o, end, who, &message, in->number, out);
    if (rc == KITH__PARKED)
        return kith__fail(KITH_ETIMEDOUT, "the timeout expired");
    return rc < 0 ? rc : receive(o, end, who, &next, out);
}

/* A wake-up was for a receiver, and we leave the message to one. */
static int64_t next(struct kith__object *o, int end, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct message m;
    int64_t rc = await(o, end, who, in);

    if (rc < 0)
        return rc;
    rc = look(pipe_of(o), end, &m) ? (int64_t)m.size : KITH__PARKED;
    kith__guard_leave(guard_of(o, end));
    kith__fence_behind_guard();
    if (rc >= 0)
        kith__tell_one(out, READERS + end);
    return rc;
}

/* In the way's guard: a message that was taken, and reached nobody, goes back to the front. */
static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    int end = (given->flags & KITH__MARK) != 0;
    struct kith__guard *g = guard_of(o, end);
    struct way *w = &pipe_of(o)->to[end];

    (void)who;
    if (atomic_load(&w->front)) { /* one slot is enough: it is taken next */
        kith__tell_one(given, READERS + end);
        return KITH__PARKED;
    }
    kith__guard_set(g, &w->front, 1);
    kith__guard_set(g, &w->front_size, given->size);
    kith__guard_set(g, &w->front_block, given->block);
    if (given->block)
        kith__guard_set(g, kith__heap_owner(given->block), 0);
    kith__guard_commit(g);
    given->block = 0;
    kith__tell_one(given, READERS + end);
    return 0;
}

/* ------------------------------------------------------------------- opening, closing */

static int make(struct kith__object *o, const void *options, size_t size)
{
    struct pipe *p = pipe_of(o);
    struct options wanted = { 0 };
    uint64_t ring[2] = { 0 };
    int ways;

    memcpy(&wanted, options, size < sizeof wanted ? size : sizeof wanted);
    ways = wanted.one_way ? 1 : 2;
    for (int end = 0; end < ways; end++)
        if ((ring[end] = kith__heap_alloc(RING, kith__me)) == 0) {
            kith__heap_free(ring[0]);
            return KITH_ENOMEM;
        }
    p->one_way = wanted.one_way;
    p->own = wanted.own;
    for (int end = 0; end < 2; end++)
        atomic_store(&p->opener[end], wanted.opener);
    for (int end = 0; end < ways; end++) {
        kith__guard_set(&o->guard, &p->ring[end], ring[end]);
        kith__guard_set(&o->guard, kith__heap_owner(ring[end]), 0);
    }
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    struct options wanted = { 0 };

    memcpy(&wanted, options, size < sizeof wanted ? size : sizeof wanted);
    if (wanted.one_way == pipe_of(o)->one_way)
        return 0;
    return kith__fail(KITH_EINVAL, "the Pipe \"%s\" was opened as a %s one", o->name,
                      pipe_of(o)->one_way ? "one-way" : "two-way");
}

/* The part: an end. */
static int close_end(struct kith__object *o, uint64_t part, struct kith__result *out)
{
    struct pipe *p = pipe_of(o);
    int end = part != 0;

    if (is_closed(p, end) && !is_unheld(o))
        return (int)closed();
    kith__guard_set(&o->guard, &p->fate[end], CLOSED);
    tell_other(out, end);
    kith__tell_all(out, READERS + end);
    kith__tell_all(out, WRITERS + end);
    return is_closed(p, !end) || (p->own && atomic_load(&p->fate[!end]) != OPEN);
}

/* Each message, and each ring, is first made ours and taken out in one commit: a second call goes on where
 * the first died. */
static void destroy_way(struct kith__object *o, int end)
{
    struct kith__guard *g = guard_of(o, end);
    struct pipe *p = pipe_of(o);
    uint64_t ring = atomic_load(&p->ring[end]);
    struct message m;

    if (ring == 0)
        return;
    kith__guard_enter(g);
    while (look(p, end, &m)) {
        remove_message(o, end, &m);
        kith__heap_free(m.block);
    }
    kith__guard_set(g, kith__heap_owner(ring), kith__me);
    kith__guard_set(g, &p->ring[end], 0);
    kith__guard_commit(g);
    kith__guard_leave(g);
    kith__heap_free(ring);
}

static void destroy(struct kith__object *o)
{
    for (int end = 0; end < 2; end++) {
        destroy_way(o, end);
        kith__holders_free(o, &pipe_of(o)->holders[end]);
    }
}

/* ------------------------------------------------------------------------- the class */

/* Each method twice, as the set of waiters depends on the end. */
enum {
    SEND = KITH__FIRST_METHOD,
    RECEIVE = SEND + 2,
    NEXT = RECEIVE + 2,
    GIVE = NEXT + 2,
    SWAP = GIVE + 2,
    METHODS = SWAP + 2
};

#define METHOD(name, end)                                                               \
    static int64_t name##_##end(struct kith__object *o, const struct kith__caller *who, \
                                struct kith__args *in, struct kith__result *out)        \
    {                                                                                   \
        return name(o, end, who, in, out);                                              \
    }
METHOD(send, 0)
METHOD(send, 1)
METHOD(receive, 0)
METHOD(receive, 1)
METHOD(next, 0)
METHOD(next, 1)
METHOD(give, 0)
METHOD(give, 1)
METHOD(swap, 0)
METHOD(swap, 1)

enum {
    SENDS = KITH__KEEPS | KITH__HOLDS | KITH__UNGUARDED,
    LOOKS = KITH__HOLDS | KITH__UNGUARDED | KITH__LOOKS,
    RECEIVES = LOOKS | KITH__GIVES,
    SWAPS = KITH__HOLDS | KITH__UNGUARDED | KITH__GIVES
};

static const struct kith__method methods[METHODS] = {
    [SEND] = { "send 0", send_0, WRITERS, SENDS },
    [SEND + 1] = { "send 1", send_1, WRITERS + 1, SENDS },
    [RECEIVE] = { "receive 0", receive_0, READERS, RECEIVES | KITH__SECOND },
    [RECEIVE + 1] = { "receive 1", receive_1, READERS + 1, RECEIVES },
    [NEXT] = { "next 0", next_0, READERS, LOOKS },
    [NEXT + 1] = { "next 1", next_1, READERS + 1, LOOKS },
    [GIVE] = { "give 0", give_0, -1, KITH__HOLDS },
    [GIVE + 1] = { "give 1", give_1, -1, KITH__HOLDS },
    [SWAP] = { "swap 0", swap_0, READERS, SWAPS | KITH__SECOND },
    [SWAP + 1] = { "swap 1", swap_1, READERS + 1, SWAPS },
};

const struct kith__class kith__pipe_class = {
    .noun = "Pipe",
    .methods = methods,
    .count = METHODS,
    .sides = SIDES,
    .unheard = KITH__HOLDS_GIVEN,
    .ready = NEXT,
    .letter = 'c',
    .make = make,
    .same = same,
    .close = close_end,
    .destroy = destroy,
    .undo = undo,
    .died = died,
    .is_unheld = is_unheld,
};

/* -------------------------------------------------------------- public functions */

static uint64_t object_of(kith_pipe p)
{
    return kith__handle_code(p.id) < 0 ? p.id : p.id & ~KITH__HANDLE_PART;
}

static unsigned end_of(kith_pipe p)
{
    return (p.id & KITH__HANDLE_PART) != 0;
}

static int check(const void *bytes, size_t size)
{
    return bytes || size == 0 ? 0 : kith__fail(KITH_EINVAL, "a Pipe was given NULL for %zu bytes", size);
}

/* The short way of a small message, where nothing stands in the way: the same steps as by kith__invoke.
 * NULL: the long way decides. */
static struct kith__object *at_hand(kith_pipe p, const void *bytes, size_t size, int timeout_ms,
                                    struct kith__args *in)
{
    uint64_t id = p.id & ~KITH__HANDLE_PART;

    if (!bytes || size > KITH__LARGE || timeout_ms < KITH_FOREVER)
        return NULL;
    in->ident = kith__ident(id, KITH__PIPE_KIND);
    return kith__at_hand(id);
}

/* 1: done. */
static int send_at_once(kith_pipe p, const void *message, size_t size, int timeout_ms)
{
    struct kith__args in = { .bytes = message, .size = size };
    struct kith__object *o = at_hand(p, message, size, timeout_ms, &in);
    struct kith__result out = { 0 };
    struct kith__caller who;

    if (!kith__to_give(o))
        return 0;
    who = kith__process_here();
    if (send(o, (int)end_of(p), &who, &in, &out) != 0)
        return 0;
    kith__tell_one_here(o, READERS + !end_of(p));
    return 1;
}

/* Its size; KITH__PARKED: the long way decides. */
static int64_t receive_at_once(kith_pipe p, void *buf, size_t room, int exact, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__object *o = at_hand(p, buf, 0, timeout_ms, &in);
    int end = (int)end_of(p), fits;
    struct kith__caller who;
    struct message m;

    if (!o)
        return KITH__PARKED;
    who = kith__process_here();
    if (await(o, end, &who, &in) != 0)
        return KITH__PARKED;
    fits = look(pipe_of(o), end, &m) && m.bytes && !m.block && (exact ? m.size == room : m.size <= room);
    if (fits) {
        memcpy(buf, m.bytes, m.size);
        remove_message(o, end, &m);
    }
    kith__leave_to_tell(guard_of(o, end));
    if (!fits)
        return KITH__PARKED;
    kith__tell_all_here(o, WRITERS + !end);
    return (int64_t)m.size;
}

static int is_there(const void *way)
{
    return !is_empty(way);
}

/* The same: what answers a message is most often there in a moment. */
static int64_t receive_soon(kith_pipe p, void *buf, size_t room, int exact, int timeout_ms)
{
    int64_t rc = receive_at_once(p, buf, room, exact, timeout_ms);
    struct kith__args in = { 0 };
    struct kith__object *o = rc == KITH__PARKED ? at_hand(p, buf, 0, timeout_ms, &in) : NULL;
    const struct way *w;

    if (!o || timeout_ms == 0)
        return rc;
    w = &pipe_of(o)->to[end_of(p)];
    if (!is_empty(w) || !kith__wait_briefly(is_there, w, 0, 2000))
        return rc;
    return receive_at_once(p, buf, room, exact, timeout_ms);
}

/* By kith__invoke. They report nothing. */
static int send_any(kith_pipe p, const void *message, size_t size, int timeout_ms)
{
    struct kith__args in = { .bytes = message, .size = size };
    struct kith__result out = { 0 };
    int rc = check(message, size);

    if (rc < 0)
        return rc;
    return (int)kith__invoke(object_of(p), KITH__PIPE_KIND, SEND + end_of(p), &in, &out, timeout_ms);
}

static int64_t receive_any(kith_pipe p, void *buf, size_t room, uint32_t flags, int timeout_ms)
{
    static char nothing[1]; /* for a message of no bytes */
    struct kith__args in = { .number = room, .flags = flags };
    struct kith__result out = { .buf = buf ? buf : nothing, .room = room };
    int rc = check(buf, room);

    if (rc < 0)
        return rc;
    return kith__invoke(object_of(p), KITH__PIPE_KIND, RECEIVE + end_of(p), &in, &out, timeout_ms);
}

int kith_pipe_send(kith_pipe p, const void *message, size_t size, int timeout_ms)
{
    if (send_at_once(p, message, size, timeout_ms))
        return 0;
    return kith__report(send_any(p, message, size, timeout_ms));
}

int kith__pipe_pass(kith_pipe end, const void *message, uint64_t size)
{
    return send_at_once(end, message, size, KITH_FOREVER) ? 0 : send_any(end, message, size, KITH_FOREVER);
}

int64_t kith_pipe_recv(kith_pipe p, void *buf, size_t room, int timeout_ms)
{
    int64_t rc = receive_soon(p, buf, room, 0, timeout_ms);

    return rc >= 0 ? rc : kith__report64(receive_any(p, buf, room, 0, timeout_ms));
}

int kith__pipe_recv(kith_pipe p, void *buf, size_t size, int timeout_ms)
{
    int64_t rc = receive_soon(p, buf, size, 1, timeout_ms);

    if (rc < 0)
        rc = receive_any(p, buf, size, KITH__EXACT, timeout_ms);
    return rc < 0 ? kith__report((int)rc) : 0;
}

/* What comes becomes *bytes. */
static int take_by(kith_pipe end, unsigned method, struct kith__args *in, char **bytes, uint64_t *size)
{
    struct kith__result out = { .grows = 1 };
    int64_t rc = kith__invoke(object_of(end), KITH__PIPE_KIND, method + end_of(end), in, &out, KITH_FOREVER);

    if (rc < 0) {
        free(out.buf);
        return (int)rc;
    }
    *bytes = out.buf;
    *size = (uint64_t)rc;
    return 0;
}

int kith__pipe_take(kith_pipe end, char **bytes, uint64_t *size)
{
    return take_by(end, RECEIVE, &(struct kith__args){ .number = UINT64_MAX }, bytes, size);
}

int kith__pipe_swap(kith_pipe end, uint64_t number, const void *message, uint64_t message_size, char **bytes,
                    uint64_t *size)
{
    struct kith__args in = { .bytes = message, .size = message_size, .number = number };

    return message_size <= KITH__LARGE ? take_by(end, SWAP, &in, bytes, size) : KITH_ETIMEDOUT;
}

static int64_t size_of_next(kith_pipe p, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };

    return kith__invoke(object_of(p), KITH__PIPE_KIND, NEXT + end_of(p), &in, &out, timeout_ms);
}

int64_t kith_pipe_next(kith_pipe p, int timeout_ms)
{
    return kith__report64(size_of_next(p, timeout_ms));
}

int kith_pipe_poll(kith_pipe p, int timeout_ms)
{
    int64_t rc = size_of_next(p, timeout_ms);

    if (rc >= 0 || rc == KITH_EEND)
        return 1;
    return rc == KITH_ETIMEDOUT ? 0 : kith__report((int)rc);
}

int kith__pipe_give(kith_pipe end, kith_process to)
{
    return (int)kith__name_process(object_of(end), KITH__PIPE_KIND, GIVE + end_of(end), to);
}

int kith_pipe_give(kith_pipe p, kith_process to)
{
    return kith__report(kith__pipe_give(p, to));
}

int kith_pipe_close(kith_pipe p)
{
    return kith__close_part(object_of(p), KITH__PIPE_KIND, end_of(p));
}

void kith__pipe_shut(kith_pipe end)
{
    kith__close_here(object_of(end), KITH__PIPE_KIND, end_of(end));
}

static int open_pipe(kith_pipe ends[2], const char *name, struct options *options)
{
    uint64_t id;

    if (!name && kith__base && kith__me) {
        struct kith__caller who = kith__caller_here();

        options->opener = kith__holder(&who);
        kith__will_hold(KITH__HOLDS_UNITS | KITH__HOLDS_GIVEN);
    }
    id = kith__open(KITH__PIPE_KIND, name, options, sizeof *options, "kith_pipe_open");
    ends[0].id = ends[1].id = id;
    if (kith__handle_code(id) < 0)
        return kith__handle_code(id);
    ends[1].id |= KITH__HANDLE_PART;
    return 0;
}

int kith__pipe_open_own(kith_pipe ends[2])
{
    return open_pipe(ends, NULL, &(struct options){ .own = 1 });
}

#undef kith_pipe_open_with /* which adds the size */
int kith_pipe_open_with(kith_pipe ends[2], const struct kith_pipe_options *given, size_t given_size)
{
    struct kith_pipe_options o = { 0 };

    if (!ends)
        return kith__report(kith__fail(KITH_EINVAL, "kith_pipe_open was given NULL for the ends"));
    if (given)
        memcpy(&o, given, given_size < sizeof o ? given_size : sizeof o);
    return open_pipe(ends, o.name, &(struct options){ .one_way = o.one_way != 0 });
}

int kith_pipe_open(kith_pipe ends[2])
{
    return kith_pipe_open_with(ends, NULL, 0);
}
