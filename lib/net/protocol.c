/* protocol.c: see protocol.h. */
#include "config.h"
#include "net/protocol.h"
#include "net/hearing.h"
#include "net/links.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGES_WINDOW = 1 << 20, ACK_BYTES = 512 << 10 };

static const int64_t look_again_ns = 200000000, blocked_ns = 20000000, gap_ns = 1500000000,
                     doubt_again_ns = 100000000;

int kith__proto_open(struct kith__proto *p, uint32_t peer, int64_t now)
{
    static const char *const why[] = { "", "", "is being left", "was left", "has left the job", "is lost" };
    int is_node = peer < p->c.nodes && p->links[peer];

    if (kith__link_use(p, peer, now))
        return 0;
    return kith__fail(KITH_EPEER, "node %u (%s) %s", peer, is_node && p->c.host ? p->c.host(peer) : "?",
                      is_node ? why[p->links[peer]->state] : "cannot be reached");
}

/* ----------------------------------------------------------------- messages */

static const void *bytes_of(const struct kith__proto *p, const void *bytes, uint64_t block)
{
    return bytes || !block ? bytes : p->e->at(p->context, block);
}

int kith__proto_request(struct kith__proto *p, uint32_t peer, const struct kith__request *r,
                        const void *bytes, uint64_t block, int64_t now)
{
    struct kith__message m = { .kind = KITH__MESSAGE_REQUEST, .request = *r };
    struct kith__transfer t = { .id = r->id, .block = block, .size = r->size, .peer = peer, .out = 1 };
    struct kith__link *l = kith__link_use(p, peer, now);

    if (!l)
        return kith__proto_open(p, peer, now);
    if (r->size <= KITH__INLINE_MOST) {
        kith__link_say(p, l, &m, bytes_of(p, bytes, block), r->size);
        if (block)
            p->e->release(p->context, block);
        return 0;
    }
    if (!kith__transfer_add(p, &t))
        return kith__fail(KITH_ENOMEM, "no memory for a request to node %u", peer);
    m.request.flags |= KITH__OUTSIDE;
    kith__link_say(p, l, &m, NULL, 0);
    return 0;
}

void kith__proto_reply(struct kith__proto *p, uint32_t peer, const struct kith__reply *r, const void *bytes,
                       uint64_t block)
{
    struct kith__message m = { .kind = KITH__MESSAGE_REPLY, .reply = *r };
    struct kith__transfer t = {
        .id = r->id, .block = block, .size = r->size, .peer = peer, .reply = 1, .out = 1
    };
    struct kith__link *l = kith__link_open_to(p, peer);

    if (!l)
        return;
    m.reply.count = 1;
    if (r->size <= KITH__INLINE_MOST)
        kith__link_say(p, l, &m, bytes_of(p, bytes, block), r->size);
    else if (kith__transfer_add(p, &t)) {
        m.reply.flags |= KITH__OUTSIDE;
        kith__link_say(p, l, &m, NULL, 0);
    } else
        kith__link_end(p, l, KITH__ON_SILENCE, "this node has no memory to talk to it");
}

/* Puts one more call into the last message of l, when it confirms the calls before this one and was not sent
 * yet. */
static int confirm_more(struct kith__link *l, uint64_t id, uint32_t flags)
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

void kith__proto_confirm(struct kith__proto *p, uint32_t peer, uint64_t id, uint32_t flags)
{
    struct kith__message m = { .kind = KITH__MESSAGE_REPLY,
                               .reply = { .id = id, .count = 1, .flags = (kith__u16)flags } };
    struct kith__link *l = kith__link_open_to(p, peer);
    struct kith__frame *f;

    if (!l || confirm_more(l, id, flags))
        return;
    kith__link_say(p, l, &m, NULL, 0);
    if (!kith__link_is_up(l))
        return;
    f = l->lanes[0].frames.last;
    l->confirm_seq = (uint32_t)f->seq;
    l->confirm_at = f->size - (uint32_t)(KITH__MESSAGE_HEAD + KITH__FIELDS_REPLY(KITH__WIRE_SIZE) 0);
}

void kith__proto_settle(struct kith__proto *p, uint32_t peer, uint64_t id, int yes)
{
    struct kith__message m = { .kind = KITH__MESSAGE_SETTLE, .settle = { .id = id, .yes = yes != 0 } };
    struct kith__link *l = kith__link_open_to(p, peer);

    if (l)
        kith__link_say(p, l, &m, NULL, 0);
}

void kith__proto_cancel(struct kith__proto *p, uint32_t peer, uint64_t id)
{
    struct kith__message m = { .kind = KITH__MESSAGE_CANCEL, .cancel = { .id = id } };
    struct kith__link *l = kith__link_open_to(p, peer);

    if (l)
        kith__link_say(p, l, &m, NULL, 0);
}

void kith__proto_receive(struct kith__proto *p, uint32_t peer, const void *frame, size_t size, int64_t now)
{
    struct kith__header h;
    struct kith__link *l;

    if (!kith__header_decode(frame, size, &h) || h.job != p->c.job || h.from != peer)
        return;
    kith__link_use(p, peer, now);
    if (!(l = peer < p->c.nodes ? p->links[peer] : NULL))
        return;
    if (l->state == KITH__LINK_LEFT && h.bye) {
        l->lanes[0].unacked_since = now;
        kith__link_make_busy(p, l);
    }
    if (!kith__link_is_up(l))
        return;
    l->heard = now;
    l->heard_once = 1;
    kith__hear_frame(p, l, &h, (const unsigned char *)frame + KITH__HEADER_SIZE, now);
}

/* ------------------------------------------------------------------ sending */

static void fill_header(struct kith__proto *p, struct kith__link *l, struct kith__out *out, uint64_t seq)
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

static int ack_is_due(const struct kith__link *l, int64_t now)
{
    for (int i = 0; i < KITH__LANES; i++) {
        const struct kith__channel *lane = &l->lanes[i];

        if (lane->unacked_since && (lane->missing || lane->unacked_bytes >= ACK_BYTES ||
                                    now - lane->unacked_since >= KITH__ACK_NS || l->state == KITH__LINK_LEFT))
            return 1;
    }
    return 0;
}

/* An empty frame on lane 0 is a sign of life. On the others it follows what is not acknowledged: channel.h.
 */
static int beats(const struct kith__link *l, int number)
{
    return number == 0 || l->lanes[number].flight > 0;
}

static int must_beat(const struct kith__proto *p, const struct kith__link *l, uint32_t number, int64_t now)
{
    return kith__link_is_up(l) && beats(l, (int)number) && now - l->lanes[number].said >= p->c.beat_ns;
}

static int next_messages(struct kith__proto *p, struct kith__link *l, struct kith__out *out, int64_t now)
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
static struct kith__frame *cut(struct kith__link *l, struct kith__channel *lane)
{
    struct kith__transfer *t = l->sending.first;
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
static void fill_piece(struct kith__proto *p, struct kith__link *l, struct kith__out *out,
                       struct kith__frame *f)
{
    struct kith__message m = { .kind = KITH__MESSAGE_PIECE };
    const struct kith__transfer *t = f ? f->piece : NULL;

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

static int next_piece(struct kith__proto *p, struct kith__link *l, uint32_t number, struct kith__out *out,
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
static int next_of(struct kith__proto *p, struct kith__link *l, struct kith__out *out, int64_t now)
{
    uint32_t order[KITH__LANES - 1];

    if (next_messages(p, l, out, now))
        return 1;
    if (!kith__link_is_up(l))
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
    struct kith__link *l;

    while ((l = p->busy.first)) {
        kith__unlink(&p->busy, l, turn);
        l->busy = 0;
        if (next_of(p, l, out, now)) {
            kith__link_make_busy(p, l); /* at the end: each link in its turn */
            return 1;
        }
    }
    return 0;
}

void kith__proto_sent(struct kith__proto *p, const struct kith__out *out, int taken, int64_t now)
{
    struct kith__link *l = p->links[out->peer];
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
                kith__link_make_busy(p, p->links[i]);
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
        struct kith__link *l = p->links[i];

        if (l)
            l->heard = earlier(l->heard + ns, now);
    }
}

/* When the peer is lost if it stays silent; INT64_MAX: never. */
static int64_t patience(const struct kith__proto *p, const struct kith__link *l)
{
    int64_t ns = l->heard_once ? p->c.lost_ns : p->c.first_ns;

    return ns == INT64_MAX ? INT64_MAX : l->heard + ns;
}

/* When the peer is in doubt if it stays silent, or is told of again. */
static int64_t doubt(struct kith__proto *p, struct kith__link *l, int64_t now)
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

static int64_t tick_link(struct kith__proto *p, struct kith__link *l, int64_t now)
{
    int64_t due = patience(p, l);

    if (now >= due) {
        if (!p->e->is_connected(p->context, l->peer) ||
            (p->c.silent_ns != INT64_MAX && now >= l->heard + p->c.silent_ns)) {
            kith__link_end(p, l, KITH__ON_SILENCE,
                           l->heard_once ? "has given no sign of life" : "cannot be reached");
            return INT64_MAX;
        }
        due = now + look_again_ns;
    }
    due = earlier(due, doubt(p, l, now));
    for (int i = 0; i < KITH__LANES; i++) {
        const struct kith__channel *lane = &l->lanes[i];

        if (lane->unacked_since)
            due = earlier(due, lane->unacked_since + KITH__ACK_NS);
        if (beats(l, i))
            due = earlier(due,
                          now - lane->said >= p->c.beat_ns ? now + look_again_ns : lane->said + p->c.beat_ns);
    }
    kith__link_make_busy(p, l);
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
        if (p->links[i] && kith__link_is_up(p->links[i]))
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

    if (!p || !(p->links = calloc(config->nodes, sizeof(struct kith__link *)))) {
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
            kith__link_clear(p, p->links[i]);
            free(p->links[i]);
        }
    free(p->links);
    free(p);
}

void kith__proto_leave(struct kith__proto *p, enum kith__bye_reason reason)
{
    for (uint32_t i = 0; i < p->c.nodes; i++) {
        struct kith__message m = { .kind = KITH__MESSAGE_BYE, .bye = { .reason = reason } };
        struct kith__link *l = p->links[i];

        if (!l || l->state != KITH__LINK_OPEN)
            continue;
        kith__link_say(p, l, &m, NULL, 0);
        l->said_bye = 1;
        kith__link_move(l, KITH__ON_BYE_SAID);
    }
}

int kith__proto_left(const struct kith__proto *p)
{
    for (uint32_t i = 0; i < p->c.nodes; i++)
        if (p->links[i] && kith__link_is_up(p->links[i]))
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
