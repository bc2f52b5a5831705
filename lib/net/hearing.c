/* hearing.c: see hearing.h. */
#include "config.h"
#include "net/hearing.h"

#include <string.h>

static void grant(struct kith__proto *p, struct kith__link *l, uint64_t id, int reply, int yes)
{
    struct kith__message m = { .kind = KITH__MESSAGE_ROOM,
                               .room = { .id = id, .reply = reply != 0, .yes = yes != 0 } };

    if (l->state == KITH__LINK_OPEN)
        kith__link_say(p, l, &m, NULL, 0);
}

/* Bytes are announced: they go into block, 0: they are not wanted. */
static void expect(struct kith__proto *p, struct kith__link *l, uint64_t id, uint64_t size, int reply,
                   uint64_t block)
{
    struct kith__transfer t = {
        .id = id, .block = block, .size = size, .peer = l->peer, .reply = reply != 0
    };

    if (block && (!kith__link_is_up(l) || !kith__transfer_add(p, &t))) {
        p->e->release(p->context, block);
        kith__link_end(p, l, KITH__ON_SILENCE, "this node has no memory to talk to it");
        return;
    }
    grant(p, l, id, reply, block != 0);
}

static void hear_request(struct kith__proto *p, struct kith__link *l, const struct kith__message *m)
{
    const struct kith__request *r = &m->request;

    if (r->flags & KITH__OUTSIDE)
        expect(p, l, r->id, r->size, 0, p->e->request(p->context, l->peer, r, NULL));
    else
        p->e->request(p->context, l->peer, r, m->tail);
}

static void hear_reply(struct kith__proto *p, struct kith__link *l, const struct kith__message *m)
{
    const struct kith__reply *r = &m->reply;

    if (r->flags & KITH__OUTSIDE)
        expect(p, l, r->id, r->size, 1, p->e->reply(p->context, l->peer, r, NULL));
    else
        p->e->reply(p->context, l->peer, r, m->tail);
}

static void hear_room(struct kith__proto *p, struct kith__link *l, const struct kith__room *g)
{
    struct kith__transfer *t = kith__transfer_find(p, l->peer, g->id, g->reply, 1);

    if (!t || t->granted)
        return;
    if (!g->yes) {
        kith__transfer_forget(p, t, 1);
        return;
    }
    t->granted = 1;
    kith__link_last(&l->sending, t, turn);
    if (!g->reply)
        p->e->granted(p->context, l->peer, g->id);
}

static void hear_piece(struct kith__proto *p, struct kith__link *l, const struct kith__message *m)
{
    struct kith__transfer *t = kith__transfer_find(p, l->peer, m->piece.id, m->piece.reply, 0);
    uint64_t block, end = m->piece.offset + m->tail_size;

    if (!t)
        return;
    if (end > t->filled)
        t->filled = p->e->fill(p->context, t->block, t->filled, end);
    memcpy((char *)p->e->at(p->context, t->block) + m->piece.offset, m->tail, m->tail_size);
    t->at += m->tail_size;
    if (t->at < t->size)
        return;
    block = t->block;
    kith__transfer_forget(p, t, 0);
    p->e->arrived(p->context, l->peer, m->piece.id, m->piece.reply, block);
}

static void hear_bye(struct kith__proto *p, struct kith__link *l, const struct kith__bye *b)
{
    uint32_t peer = l->peer;

    kith__link_end(p, l, KITH__ON_BYE_HEARD, "has left the job");
    if (b->reason == KITH__BYE_JOB)
        p->e->job_over(p->context, peer);
}

/* Also of one that this node has never talked to: else it would wait long for its first word. */
static void hear_loss(struct kith__proto *p, const struct kith__link *from, uint32_t node)
{
    if (from->peer != 0 || node == 0 || node >= p->c.nodes || node == p->c.node ||
        (!p->links[node] && !(p->links[node] = kith__link_new(node))))
        return;
    kith__link_end(p, p->links[node], KITH__ON_SILENCE, "is lost to node 0");
}

static void hear(struct kith__proto *p, struct kith__link *l, const struct kith__message *m)
{
    switch (m->kind) {
    case KITH__MESSAGE_REQUEST: hear_request(p, l, m); break;
    case KITH__MESSAGE_REPLY: hear_reply(p, l, m); break;
    case KITH__MESSAGE_SETTLE: p->e->settled(p->context, l->peer, m->settle.id, m->settle.yes); break;
    case KITH__MESSAGE_CANCEL: p->e->cancelled(p->context, l->peer, m->cancel.id); break;
    case KITH__MESSAGE_ROOM: hear_room(p, l, &m->room); break;
    case KITH__MESSAGE_PIECE: hear_piece(p, l, m); break;
    case KITH__MESSAGE_BYE: hear_bye(p, l, &m->bye); break;
    case KITH__MESSAGE_LOSS: hear_loss(p, l, m->loss.node); break;
    case KITH__MESSAGE_KINDS: break;
    }
}

/* Sizes agree: of bytes that came with their message, of those that will not, and of a piece with what was
 * announced. */
static int makes_sense(const struct kith__proto *p, uint32_t peer, const struct kith__message *m)
{
    const struct kith__transfer *t;

    switch (m->kind) {
    case KITH__MESSAGE_REQUEST:
        return m->request.flags & KITH__OUTSIDE ? m->request.size > KITH__INLINE_MOST && m->tail_size == 0
                                                : m->request.size == m->tail_size;
    case KITH__MESSAGE_REPLY:
        return m->reply.flags & KITH__OUTSIDE ? m->reply.size > KITH__INLINE_MOST && m->tail_size == 0
                                              : m->reply.size == m->tail_size;
    case KITH__MESSAGE_PIECE:
        if (!(t = kith__transfer_find(p, peer, m->piece.id, m->piece.reply, 0)))
            return 1;
        return m->piece.offset <= t->size && m->tail_size <= t->size - m->piece.offset &&
               m->tail_size <= t->size - t->at;
    default: return m->tail_size == 0;
    }
}

/* All messages of a frame are looked at before the first of them is believed. */
static int is_sound(const struct kith__proto *p, uint32_t peer, int lane, const unsigned char *at,
                    size_t left)
{
    struct kith__message m;
    size_t used;

    for (; left > 0; at += used, left -= used)
        if (!(used = kith__message_decode(at, left, &m)) || (lane > 0) != (m.kind == KITH__MESSAGE_PIECE) ||
            !makes_sense(p, peer, &m))
            return 0;
    return 1;
}

static void hear_messages(struct kith__proto *p, struct kith__link *l, const unsigned char *at, size_t left)
{
    struct kith__message m;
    size_t used;

    for (; left > 0 && kith__link_is_up(l); at += used, left -= used) {
        used = kith__message_decode(at, left, &m);
        hear(p, l, &m);
    }
}

void kith__hear_frame(struct kith__proto *p, struct kith__link *l, const struct kith__header *h,
                      const unsigned char *at, int64_t now)
{
    struct kith__channel *lane = &l->lanes[h->lane];
    size_t left = h->size - KITH__HEADER_SIZE;

    l->load = h->load;
    if (!kith__link_acked(p, l, h, now)) {
        kith__link_end(p, l, KITH__ON_SILENCE, "acknowledges what was never sent");
        return;
    }
    kith__channel_heard(lane, h->turn, now);
    kith__link_make_busy(p, l); /* there may be room now for more */
    if (h->seq == 0)
        return;
    if (p->due > now + KITH__ACK_NS)
        p->due = now + KITH__ACK_NS;
    if (!kith__channel_arrived(lane, h->seq, h->size, now))
        return;
    if (!is_sound(p, l->peer, h->lane, at, left))
        kith__link_end(p, l, KITH__ON_SILENCE, "sends what makes no sense");
    else
        hear_messages(p, l, at, left);
}
