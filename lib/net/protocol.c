/* protocol.c: see protocol.h. */
#include "config.h"
#include "net/protocol.h"
#include "net/channel.h"
#include "base/error.h"
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

enum { DRAFT = 1024, MESSAGES_WINDOW = 1 << 20, ACK_BYTES = 512 << 10 };

static const int64_t ack_ns = 40000000, look_again_ns = 200000000, blocked_ns = 20000000, gap_ns = 1500000000,
                     doubt_again_ns = 100000000;

struct transfer { /* bytes that go as pieces */
    KITH__TABLE_LINK(struct transfer) link;
    KITH__LINK(struct transfer) turn; /* in the link's queue of those that are to be sent */
    uint64_t id, block, size;
    uint64_t at;      /* out: next byte to send; in: bytes that came */
    uint64_t filled;  /* in: so far the block has memory */
    uint64_t unacked; /* out: pieces that were made and not acknowledged */
    uint32_t peer;
    uint8_t reply, out, granted;
};

struct link {
    KITH__LINK(struct link) turn; /* in the queue of those that may have something to send, */
    int busy;                     /* when it is there */
    uint32_t peer;
    uint64_t load; /* as it told last */
    enum kith__link_state state;
    int said_bye; /* it is the last message of lane 0 */
    int heard_once;
    int64_t heard;   /* last sign of life from it */
    int64_t doubted; /* when that was told last */
    uint64_t bytes;  /* of messages, not acknowledged */
    struct kith__channel lanes[KITH__LANES];
    KITH__LIST(struct transfer) sending; /* have pieces to send; the next one to do so is the first */
    uint32_t confirm_at,
        confirm_seq; /* where the last message stands, when it is a confirmation: in which frame */
};

struct kith__proto {
    struct kith__proto_config c;
    const struct kith__proto_events *e;
    void *context;
    struct link **links; /* by node; NULL: never opened */
    KITH__LIST(struct link) busy;
    KITH__TABLE(struct transfer) transfers;
    int64_t ticked, due;
    uint64_t load;
    uint32_t blocked; /* lanes */
};

/* ---------------------------------------------------------------- transfers */

static struct transfer *find(const struct kith__proto *p, uint32_t peer, uint64_t id, int reply, int out)
{
    struct transfer *t = kith__table_at(&p->transfers, kith__hash(id, peer));

    while (t && (t->id != id || t->peer != peer || t->reply != reply || t->out != out))
        t = t->link.same.next;
    return t;
}

static struct transfer *add(struct kith__proto *p, const struct transfer *like)
{
    struct transfer *t = malloc(sizeof *t);

    if (!t)
        return NULL;
    *t = *like;
    kith__table_link(&p->transfers, t, kith__hash(t->id, t->peer), link);
    return t;
}

/* The bytes of a reply are borrowed from who replied; all others are let go. */
static void forget(struct kith__proto *p, struct transfer *t, int release)
{
    kith__table_unlink(&p->transfers, t, link);
    if (release && !(t->out && t->reply))
        p->e->release(p->context, t->block);
    free(t);
}

/* -------------------------------------------------------------------- links */

static void make_busy(struct kith__proto *p, struct link *l)
{
    if (l->busy)
        return;
    l->busy = 1;
    kith__link_last(&p->busy, l, turn);
}

enum event { ON_USE, ON_BYE_SAID, ON_BYE_KNOWN, ON_BYE_HEARD, ON_SILENCE };

static const struct {
    enum kith__link_state from;
    enum event on;
    enum kith__link_state to;
} moves[] = { { KITH__LINK_CLOSED, ON_USE, KITH__LINK_OPEN },
              { KITH__LINK_OPEN, ON_BYE_SAID, KITH__LINK_LEAVING },
              { KITH__LINK_OPEN, ON_BYE_HEARD, KITH__LINK_LEFT },
              { KITH__LINK_OPEN, ON_SILENCE, KITH__LINK_LOST },
              { KITH__LINK_CLOSED, ON_SILENCE, KITH__LINK_LOST },
              { KITH__LINK_LEAVING, ON_BYE_KNOWN, KITH__LINK_GONE },
              { KITH__LINK_LEAVING, ON_BYE_HEARD, KITH__LINK_LEFT },
              { KITH__LINK_LEAVING, ON_SILENCE, KITH__LINK_LOST } };

/* 1 when the event means something in the link's state, which is the next one then. */
static int move(struct link *l, enum event on)
{
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
        if (moves[i].from == l->state && moves[i].on == on) {
            l->state = moves[i].to;
            return 1;
        }
    return 0;
}

static int is_up(const struct link *l)
{
    return l->state == KITH__LINK_OPEN || l->state == KITH__LINK_LEAVING;
}

static void drop_piece(struct kith__proto *p, struct transfer *t)
{
    if (--t->unacked == 0 && t->at == t->size)
        forget(p, t, 1);
}

struct dropping {
    struct kith__proto *p;
    struct link *l;
};

static void drop(void *context, struct kith__frame *f)
{
    struct dropping *d = context;

    if (f->piece)
        drop_piece(d->p, f->piece);
    else
        d->l->bytes -= f->size;
}

/* What was on its way to and from the peer is over. */
static void clear(struct kith__proto *p, struct link *l)
{
    struct dropping d = { p, l };

    for (int i = 0; i < KITH__LANES; i++)
        kith__channel_close(&l->lanes[i], drop, &d);
    while (l->sending.first)
        kith__unlink(&l->sending, l->sending.first, turn);
    for (struct transfer *t = p->transfers.all.first, *next; t; t = next) {
        next = t->link.all.next;
        if (t->peer == l->peer)
            forget(p, t, 1);
    }
}

static void tell_of_loss(struct kith__proto *p, uint32_t node);

static void end(struct kith__proto *p, struct link *l, enum event on, const char *why)
{
    if (!move(l, on))
        return;
    clear(p, l);
    p->e->ended(p->context, l->peer, l->state, why);
    if (p->c.node == 0 && l->state == KITH__LINK_LOST)
        tell_of_loss(p, l->peer);
}

static struct link *new_link(uint32_t peer)
{
    struct link *l = calloc(1, sizeof *l);

    if (l)
        l->peer = peer;
    return l;
}

/* The link to peer, opened when it is new. NULL: it has ended. */
static struct link *use(struct kith__proto *p, uint32_t peer, int64_t now)
{
    struct link *l;

    if (peer >= p->c.nodes || (!p->links[peer] && !(p->links[peer] = new_link(peer))))
        return NULL;
    l = p->links[peer];
    if (move(l, ON_USE)) {
        l->heard = now;
        l->lanes[0].said = now - p->c.beat_ns; /* at once */
        p->due = now;
        make_busy(p, l);
    }
    return l->state == KITH__LINK_OPEN ? l : NULL;
}

/* The link to peer, when more can be said on it: a goodbye is the last message, the peer acknowledges nothing
 * behind it. */
static struct link *open_link(const struct kith__proto *p, uint32_t peer)
{
    struct link *l = peer < p->c.nodes ? p->links[peer] : NULL;

    return l && l->state == KITH__LINK_OPEN ? l : NULL;
}

int kith__proto_open(struct kith__proto *p, uint32_t peer, int64_t now)
{
    static const char *const why[] = { "", "", "is being left", "was left", "has left the job", "is lost" };

    if (use(p, peer, now))
        return 0;
    if (peer >= p->c.nodes || !p->links[peer])
        return kith__fail(KITH_EPEER, "node %u cannot be reached", peer);
    return kith__fail(KITH_EPEER, "node %u %s", peer, why[p->links[peer]->state]);
}

/* ----------------------------------------------------------------- messages */

/* Room for size bytes in the last frame of lane 0 that was not sent yet, or in a new one. */
static unsigned char *room_for(struct link *l, size_t size)
{
    struct kith__channel *lane = &l->lanes[0];
    struct kith__frame *f = lane->frames.last;
    size_t most = KITH__FRAME_MOST - KITH__HEADER_SIZE;

    if (!f || f->sent > 0 || f->size + size > most)
        if (!(f = kith__channel_add(lane, size > DRAFT ? size : DRAFT)))
            return NULL;
    if (f->size + size > f->room) {
        size_t room = (f->size + size) * 2 < most ? (f->size + size) * 2 : most;
        unsigned char *more = realloc(f->bytes, room);

        if (!more)
            return NULL;
        f->bytes = more;
        f->room = (uint32_t)room;
    }
    return f->bytes + f->size;
}

static void say(struct kith__proto *p, struct link *l, struct kith__message *m, const void *tail,
                size_t tail_size)
{
    unsigned char *at = room_for(l, KITH__MESSAGE_MOST + tail_size);
    size_t size;

    if (!at) {
        end(p, l, ON_SILENCE, "this node has no memory to talk to it");
        return;
    }
    m->tail_size = (uint32_t)tail_size;
    size = kith__message_encode(at, m);
    if (tail_size > 0)
        memcpy(at + size, tail, tail_size);
    size += tail_size;
    l->lanes[0].frames.last->size += (uint32_t)size;
    l->bytes += size;
    l->confirm_seq = 0;
    make_busy(p, l);
}

static const void *bytes_of(const struct kith__proto *p, const void *bytes, uint64_t block)
{
    return bytes || !block ? bytes : p->e->at(p->context, block);
}

int kith__proto_request(struct kith__proto *p, uint32_t peer, const struct kith__request *r,
                        const void *bytes, uint64_t block, int64_t now)
{
    struct kith__message m = { .kind = KITH__MESSAGE_REQUEST, .request = *r };
    struct transfer t = { .id = r->id, .block = block, .size = r->size, .peer = peer, .out = 1 };
    struct link *l = use(p, peer, now);

    if (!l)
        return kith__proto_open(p, peer, now);
    if (r->size <= KITH__INLINE_MOST) {
        say(p, l, &m, bytes_of(p, bytes, block), r->size);
        if (block)
            p->e->release(p->context, block);
        return 0;
    }
    if (!add(p, &t))
        return kith__fail(KITH_ENOMEM, "no memory for a request to node %u", peer);
    m.request.flags |= KITH__OUTSIDE;
    say(p, l, &m, NULL, 0);
    return 0;
}

void kith__proto_reply(struct kith__proto *p, uint32_t peer, const struct kith__reply *r, const void *bytes,
                       uint64_t block)
{
    struct kith__message m = { .kind = KITH__MESSAGE_REPLY, .reply = *r };
    struct transfer t = { .id = r->id, .block = block, .size = r->size, .peer = peer, .reply = 1, .out = 1 };
    struct link *l = open_link(p, peer);

    if (!l)
        return;
    m.reply.count = 1;
    if (r->size <= KITH__INLINE_MOST)
        say(p, l, &m, bytes_of(p, bytes, block), r->size);
    else if (add(p, &t)) {
        m.reply.flags |= KITH__OUTSIDE;
        say(p, l, &m, NULL, 0);
    } else
        end(p, l, ON_SILENCE, "this node has no memory to talk to it");
}

/* Puts one more call into the last message of l, when it confirms the calls before this one and was not sent
 * yet. */
static int confirm_more(struct link *l, uint64_t id, uint32_t flags)
{
    struct kith__frame *f = l->lanes[0].frames.last;
    struct kith__message m;

    if (!f || f->sent > 0 || l->confirm_seq == 0 || l->confirm_seq != (uint32_t)f->seq)
        return 0;
    kith__message_decode(f->bytes + l->confirm_at, f->size - l->confirm_at, &m);
    if (m.reply.id + m.reply.count != id || m.reply.flags != flags)
        return 0;
    m.reply.count++;
    kith__message_encode(f->bytes + l->confirm_at, &m);
    return 1;
}

static void tell_of_loss(struct kith__proto *p, uint32_t node)
{
    for (uint32_t i = 1; i < p->c.nodes; i++) {
        struct kith__message m = { .kind = KITH__MESSAGE_LOSS, .loss = { .node = node } };
        struct link *l = open_link(p, i);

        if (l)
            say(p, l, &m, NULL, 0);
    }
}

void kith__proto_confirm(struct kith__proto *p, uint32_t peer, uint64_t id, uint32_t flags)
{
    struct kith__message m = { .kind = KITH__MESSAGE_REPLY,
                               .reply = { .id = id, .count = 1, .flags = (kith__u16)flags } };
    struct link *l = open_link(p, peer);
    struct kith__frame *f;

    if (!l || confirm_more(l, id, flags))
        return;
    say(p, l, &m, NULL, 0);
    if (!is_up(l))
        return;
    f = l->lanes[0].frames.last;
    l->confirm_seq = (uint32_t)f->seq;
    l->confirm_at = f->size - (uint32_t)(KITH__MESSAGE_HEAD + KITH__FIELDS_REPLY(KITH__WIRE_SIZE) 0);
}

void kith__proto_settle(struct kith__proto *p, uint32_t peer, uint64_t id, int yes)
{
    struct kith__message m = { .kind = KITH__MESSAGE_SETTLE, .settle = { .id = id, .yes = yes != 0 } };
    struct link *l = open_link(p, peer);

    if (l)
        say(p, l, &m, NULL, 0);
}

void kith__proto_cancel(struct kith__proto *p, uint32_t peer, uint64_t id)
{
    struct kith__message m = { .kind = KITH__MESSAGE_CANCEL, .cancel = { .id = id } };
    struct link *l = open_link(p, peer);

    if (l)
        say(p, l, &m, NULL, 0);
}

static void grant(struct kith__proto *p, struct link *l, uint64_t id, int reply, int yes)
{
    struct kith__message m = { .kind = KITH__MESSAGE_ROOM,
                               .room = { .id = id, .reply = reply != 0, .yes = yes != 0 } };

    if (l->state == KITH__LINK_OPEN)
        say(p, l, &m, NULL, 0);
}

/* ---------------------------------------------------------------- receiving */

/* Bytes are announced: they go into block, 0: they are not wanted. */
static void expect(struct kith__proto *p, struct link *l, uint64_t id, uint64_t size, int reply,
                   uint64_t block)
{
    struct transfer t = { .id = id, .block = block, .size = size, .peer = l->peer, .reply = reply != 0 };

    if (block && (!is_up(l) || !add(p, &t))) {
        p->e->release(p->context, block);
        end(p, l, ON_SILENCE, "this node has no memory to talk to it");
        return;
    }
    grant(p, l, id, reply, block != 0);
}

static void hear_request(struct kith__proto *p, struct link *l, const struct kith__message *m)
{
    const struct kith__request *r = &m->request;

    if (r->flags & KITH__OUTSIDE)
        expect(p, l, r->id, r->size, 0, p->e->request(p->context, l->peer, r, NULL));
    else
        p->e->request(p->context, l->peer, r, m->tail);
}

static void hear_reply(struct kith__proto *p, struct link *l, const struct kith__message *m)
{
    const struct kith__reply *r = &m->reply;

    if (r->flags & KITH__OUTSIDE)
        expect(p, l, r->id, r->size, 1, p->e->reply(p->context, l->peer, r, NULL));
    else
        p->e->reply(p->context, l->peer, r, m->tail);
}

static void hear_room(struct kith__proto *p, struct link *l, const struct kith__room *g)
{
    struct transfer *t = find(p, l->peer, g->id, g->reply, 1);

    if (!t || t->granted)
        return;
    if (!g->yes) {
        forget(p, t, 1);
        return;
    }
    t->granted = 1;
    kith__link_last(&l->sending, t, turn);
    if (!g->reply)
        p->e->granted(p->context, l->peer, g->id);
}

static void hear_piece(struct kith__proto *p, struct link *l, const struct kith__message *m)
{
    struct transfer *t = find(p, l->peer, m->piece.id, m->piece.reply, 0);
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
    forget(p, t, 0);
    p->e->arrived(p->context, l->peer, m->piece.id, m->piece.reply, block);
}

static void hear_bye(struct kith__proto *p, struct link *l, const struct kith__bye *b)
{
    uint32_t peer = l->peer;

    end(p, l, ON_BYE_HEARD, "has left the job");
    if (b->reason == KITH__BYE_JOB)
        p->e->job_over(p->context, peer);
}

/* Also of one that this node has never talked to: else it would wait long for its first word. */
static void hear_loss(struct kith__proto *p, const struct link *from, uint32_t node)
{
    if (from->peer != 0 || node == 0 || node >= p->c.nodes || node == p->c.node ||
        (!p->links[node] && !(p->links[node] = new_link(node))))
        return;
    end(p, p->links[node], ON_SILENCE, "is lost to node 0");
}

static void hear(struct kith__proto *p, struct link *l, const struct kith__message *m)
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
    const struct transfer *t;

    switch (m->kind) {
    case KITH__MESSAGE_REQUEST:
        return m->request.flags & KITH__OUTSIDE ? m->request.size > KITH__INLINE_MOST && m->tail_size == 0
                                                : m->request.size == m->tail_size;
    case KITH__MESSAGE_REPLY:
        return m->reply.flags & KITH__OUTSIDE ? m->reply.size > KITH__INLINE_MOST && m->tail_size == 0
                                              : m->reply.size == m->tail_size;
    case KITH__MESSAGE_PIECE:
        if (!(t = find(p, peer, m->piece.id, m->piece.reply, 0)))
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

static int hear_acks(struct kith__proto *p, struct link *l, const struct kith__header *h, int64_t now)
{
    struct dropping d = { p, l };

    for (int i = 0; i < KITH__LANES; i++)
        if (!kith__channel_acked(&l->lanes[i], h->ack.of[i], h->seen.of[i], now, drop, &d))
            return 0;
    if (l->said_bye && !l->lanes[0].frames.first)
        move(l, ON_BYE_KNOWN);
    return 1;
}

static void hear_messages(struct kith__proto *p, struct link *l, const unsigned char *at, size_t left)
{
    struct kith__message m;
    size_t used;

    for (; left > 0 && is_up(l); at += used, left -= used) {
        used = kith__message_decode(at, left, &m);
        hear(p, l, &m);
    }
}

static void hear_frame(struct kith__proto *p, struct link *l, const struct kith__header *h,
                       const unsigned char *at, int64_t now)
{
    struct kith__channel *lane = &l->lanes[h->lane];
    size_t left = h->size - KITH__HEADER_SIZE;

    l->load = h->load;
    if (!hear_acks(p, l, h, now)) {
        end(p, l, ON_SILENCE, "acknowledges what was never sent");
        return;
    }
    kith__channel_heard(lane, h->turn, now);
    make_busy(p, l); /* there may be room now for more */
    if (h->seq == 0)
        return;
    if (p->due > now + ack_ns)
        p->due = now + ack_ns;
    if (!kith__channel_arrived(lane, h->seq, h->size, now))
        return;
    if (!is_sound(p, l->peer, h->lane, at, left))
        end(p, l, ON_SILENCE, "sends what makes no sense");
    else
        hear_messages(p, l, at, left);
}

void kith__proto_receive(struct kith__proto *p, uint32_t peer, const void *frame, size_t size, int64_t now)
{
    struct kith__header h;
    struct link *l;

    if (!kith__header_decode(frame, size, &h) || h.job != p->c.job || h.from != peer)
        return;
    use(p, peer, now);
    if (!(l = peer < p->c.nodes ? p->links[peer] : NULL))
        return;
    if (l->state == KITH__LINK_LEFT && h.bye) {
        l->lanes[0].unacked_since = now;
        make_busy(p, l);
    }
    if (!is_up(l))
        return;
    l->heard = now;
    l->heard_once = 1;
    hear_frame(p, l, &h, (const unsigned char *)frame + KITH__HEADER_SIZE, now);
}

/* ------------------------------------------------------------------ sending */

static void fill_header(struct kith__proto *p, struct link *l, struct kith__out *out, uint64_t seq)
{
    struct kith__header h = { .size = (uint32_t)(out->head_size + out->body_size),
                              .from = p->c.node,
                              .load = p->load,
                              .job = p->c.job,
                              .turn = l->lanes[out->lane].turn + 1,
                              .seq = seq,
                              .lane = (kith__u8)out->lane,
                              .bye = l->said_bye && l->lanes[0].frames.first };

    for (int i = 0; i < KITH__LANES; i++) {
        h.ack.of[i] = l->lanes[i].got;
        h.seen.of[i] = l->lanes[i].seen;
    }
    kith__header_encode(out->head, &h);
}

static int ack_is_due(const struct link *l, int64_t now)
{
    for (int i = 0; i < KITH__LANES; i++) {
        const struct kith__channel *lane = &l->lanes[i];

        if (lane->unacked_since && (lane->missing || lane->unacked_bytes >= ACK_BYTES ||
                                    now - lane->unacked_since >= ack_ns || l->state == KITH__LINK_LEFT))
            return 1;
    }
    return 0;
}

/* An empty frame on lane 0 is a sign of life. On the others it follows what is not acknowledged: channel.h.
 */
static int beats(const struct link *l, int number)
{
    return number == 0 || l->lanes[number].flight > 0;
}

static int must_beat(const struct kith__proto *p, const struct link *l, uint32_t number, int64_t now)
{
    return is_up(l) && beats(l, (int)number) && now - l->lanes[number].said >= p->c.beat_ns;
}

static int next_messages(struct kith__proto *p, struct link *l, struct kith__out *out, int64_t now)
{
    struct kith__frame *f = kith__channel_next(&l->lanes[0], MESSAGES_WINDOW);

    *out = (struct kith__out){ .peer = l->peer, .head_size = KITH__HEADER_SIZE };
    if (f) {
        out->frame = f;
        out->body = f->bytes;
        out->body_size = f->size;
    } else if (l->lanes[0].blocked || (!ack_is_due(l, now) && !must_beat(p, l, 0, now)))
        return 0;
    fill_header(p, l, out, f ? f->seq : 0);
    return 1;
}

/* Makes the next piece, of the transfer whose turn it is. */
static struct kith__frame *cut(struct link *l, struct kith__channel *lane)
{
    struct transfer *t = l->sending.first;
    struct kith__frame *f = kith__channel_add(lane, 0);

    if (!f)
        return NULL;
    f->piece = t;
    f->offset = t->at;
    f->length = (uint32_t)(t->size - t->at < KITH__PIECE_MOST ? t->size - t->at : KITH__PIECE_MOST);
    t->at += f->length;
    t->unacked++;
    kith__unlink(&l->sending, t, turn);
    if (t->at < t->size)
        kith__link_last(&l->sending, t, turn);
    return f;
}

/* The piece that f carries, or, for NULL, an empty frame. */
static void fill_piece(struct kith__proto *p, struct link *l, struct kith__out *out, struct kith__frame *f)
{
    struct kith__message m = { .kind = KITH__MESSAGE_PIECE };
    const struct transfer *t = f ? f->piece : NULL;

    out->frame = f;
    out->head_size = KITH__HEADER_SIZE;
    if (f) {
        m.tail_size = f->length;
        m.piece = (struct kith__piece){ .id = t->id, .offset = f->offset, .reply = t->reply };
        out->head_size += kith__message_encode(out->head + KITH__HEADER_SIZE, &m);
        out->body = (const char *)p->e->at(p->context, t->block) + f->offset;
        out->body_size = f->length;
    }
    fill_header(p, l, out, f ? f->seq : 0);
}

static int next_piece(struct kith__proto *p, struct link *l, uint32_t number, struct kith__out *out,
                      int64_t now)
{
    struct kith__channel *lane = &l->lanes[number];
    struct kith__frame *f = kith__channel_next(lane, p->c.window);

    if (!f && !lane->cursor && l->sending.first && kith__channel_has_room(lane, p->c.window))
        f = cut(l, lane);
    if (!f && (lane->blocked || !must_beat(p, l, number, now)))
        return 0;
    *out = (struct kith__out){ .peer = l->peer, .lane = number };
    fill_piece(p, l, out, f);
    return 1;
}

/* The lane with the fewest bytes on their way first: so a slow connection does not hold up the other. */
static int next_of(struct kith__proto *p, struct link *l, struct kith__out *out, int64_t now)
{
    uint32_t order[KITH__LANES - 1];

    if (next_messages(p, l, out, now))
        return 1;
    if (!is_up(l))
        return 0;
    for (uint32_t i = 0; i < KITH__LANES - 1; i++) {
        uint32_t k = i;

        for (; k > 0 && l->lanes[order[k - 1]].flight > l->lanes[i + 1].flight; k--)
            order[k] = order[k - 1];
        order[k] = i + 1;
    }
    for (int i = 0; i < KITH__LANES - 1; i++)
        if (next_piece(p, l, order[i], out, now))
            return 1;
    return 0;
}

int kith__proto_next(struct kith__proto *p, struct kith__out *out, int64_t now)
{
    struct link *l;

    while ((l = p->busy.first)) {
        kith__unlink(&p->busy, l, turn);
        l->busy = 0;
        if (next_of(p, l, out, now)) {
            make_busy(p, l); /* at the end: each link in its turn */
            return 1;
        }
    }
    return 0;
}

void kith__proto_sent(struct kith__proto *p, const struct kith__out *out, int taken, int64_t now)
{
    struct link *l = p->links[out->peer];
    struct kith__channel *lane = &l->lanes[out->lane];

    if (!taken) {
        lane->blocked = 1;
        p->blocked++;
        return;
    }
    kith__channel_sent(lane, out->frame, now);
    if (out->lane > 0)
        return; /* acknowledgements in it may come late: they are said again */
    for (int i = 0; i < KITH__LANES; i++)
        kith__channel_acknowledged(&l->lanes[i]);
}

void kith__proto_unblock(struct kith__proto *p)
{
    for (uint32_t i = 0; p->blocked && i < p->c.nodes; i++)
        for (int k = 0; p->links[i] && k < KITH__LANES; k++)
            if (p->links[i]->lanes[k].blocked) {
                p->links[i]->lanes[k].blocked = 0;
                p->blocked--;
                make_busy(p, p->links[i]);
            }
}

/* ------------------------------------------------------------------- clock */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void forgive(struct kith__proto *p, int64_t ns, int64_t now)
{
    for (uint32_t i = 0; i < p->c.nodes; i++) {
        struct link *l = p->links[i];

        if (l)
            l->heard = earlier(l->heard + ns, now);
    }
}

/* When the peer is lost if it stays silent; INT64_MAX: never. */
static int64_t patience(const struct kith__proto *p, const struct link *l)
{
    int64_t ns = l->heard_once ? p->c.lost_ns : p->c.first_ns;

    return ns == INT64_MAX ? INT64_MAX : l->heard + ns;
}

/* When the peer is in doubt if it stays silent, or is told of again. */
static int64_t doubt(struct kith__proto *p, struct link *l, int64_t now)
{
    int64_t at = l->heard + p->c.doubt_ns;

    if (p->c.doubt_ns == 0 || !l->heard_once || l->state != KITH__LINK_OPEN)
        return INT64_MAX;
    if (at <= l->doubted)
        at = l->doubted + doubt_again_ns;
    if (now < at)
        return at;
    l->doubted = now;
    p->e->doubted(p->context, l->peer);
    return now + doubt_again_ns;
}

static int64_t tick_link(struct kith__proto *p, struct link *l, int64_t now)
{
    int64_t due = patience(p, l);

    if (now >= due) {
        if (!p->e->is_connected(p->context, l->peer) ||
            (p->c.silent_ns != INT64_MAX && now >= l->heard + p->c.silent_ns)) {
            end(p, l, ON_SILENCE, l->heard_once ? "has given no sign of life" : "cannot be reached");
            return INT64_MAX;
        }
        due = now + look_again_ns;
    }
    due = earlier(due, doubt(p, l, now));
    for (int i = 0; i < KITH__LANES; i++) {
        const struct kith__channel *lane = &l->lanes[i];

        if (lane->unacked_since)
            due = earlier(due, lane->unacked_since + ack_ns);
        if (beats(l, i))
            due = earlier(due,
                          now - lane->said >= p->c.beat_ns ? now + look_again_ns : lane->said + p->c.beat_ns);
    }
    make_busy(p, l);
    return due;
}

int64_t kith__proto_tick(struct kith__proto *p, int64_t now)
{
    if (p->ticked && now - p->ticked > gap_ns)
        forgive(p, now - p->ticked, now);
    p->ticked = now;
    if (now < p->due)
        return p->due;
    p->due = INT64_MAX;
    for (uint32_t i = 0; i < p->c.nodes; i++)
        if (p->links[i] && is_up(p->links[i]))
            p->due = earlier(p->due, tick_link(p, p->links[i], now));
    if (p->due <= now)
        p->due =
            now + blocked_ns; /* the transport takes nothing: there is nothing that we could do at once */
    return p->due;
}

/* -------------------------------------------------------------- coming and going */

struct kith__proto *kith__proto_new(const struct kith__proto_config *config,
                                    const struct kith__proto_events *events, void *context)
{
    struct kith__proto *p = calloc(1, sizeof *p);

    if (!p || !(p->links = calloc(config->nodes, sizeof(struct link *)))) {
        free(p);
        kith__fail(KITH_ENOMEM, "no memory for the links to %u nodes", config->nodes);
        return NULL;
    }
    p->c = *config;
    p->e = events;
    p->context = context;
    return p;
}

void kith__proto_free(struct kith__proto *p)
{
    for (uint32_t i = 0; i < p->c.nodes; i++)
        if (p->links[i]) {
            clear(p, p->links[i]);
            free(p->links[i]);
        }
    free(p->links);
    free(p);
}

void kith__proto_leave(struct kith__proto *p, enum kith__bye_reason reason)
{
    for (uint32_t i = 0; i < p->c.nodes; i++) {
        struct kith__message m = { .kind = KITH__MESSAGE_BYE, .bye = { .reason = reason } };
        struct link *l = p->links[i];

        if (!l || l->state != KITH__LINK_OPEN)
            continue;
        say(p, l, &m, NULL, 0);
        l->said_bye = 1;
        move(l, ON_BYE_SAID);
    }
}

int kith__proto_left(const struct kith__proto *p)
{
    for (uint32_t i = 0; i < p->c.nodes; i++)
        if (p->links[i] && is_up(p->links[i]))
            return 0;
    return 1;
}

enum kith__link_state kith__proto_state(const struct kith__proto *p, uint32_t peer)
{
    return peer < p->c.nodes && p->links[peer] ? p->links[peer]->state : KITH__LINK_CLOSED;
}

uint64_t kith__proto_backlog(const struct kith__proto *p, uint32_t peer)
{
    return peer < p->c.nodes && p->links[peer] ? p->links[peer]->bytes : 0;
}

void kith__proto_set_load(struct kith__proto *p, uint64_t load)
{
    p->load = load;
}

uint64_t kith__proto_load(const struct kith__proto *p, uint32_t peer)
{
    return peer < p->c.nodes && p->links[peer] ? p->links[peer]->load : 0;
}
