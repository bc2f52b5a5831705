/* links.c: see links.h. */
#include "config.h"
#include "net/links.h"

#include <stdlib.h>
#include <string.h>

enum { DRAFT = 1024 };

/* ---------------------------------------------------------------- transfers */

struct kith__transfer *kith__transfer_find(const struct kith__proto *p, uint32_t peer, uint64_t id, int reply,
                                           int out)
{
    struct kith__transfer *t = kith__table_at(&p->transfers, kith__hash(id, peer));

    while (t && (t->id != id || t->peer != peer || t->reply != reply || t->out != out))
        t = t->link.same.next;
    return t;
}

struct kith__transfer *kith__transfer_add(struct kith__proto *p, const struct kith__transfer *like)
{
    struct kith__transfer *t = malloc(sizeof *t);

    if (!t)
        return NULL;
    *t = *like;
    kith__table_link(&p->transfers, t, kith__hash(t->id, t->peer), link);
    return t;
}

void kith__transfer_forget(struct kith__proto *p, struct kith__transfer *t, int release)
{
    kith__table_unlink(&p->transfers, t, link);
    if (release && !(t->out && t->reply))
        p->e->release(p->context, t->block);
    free(t);
}

/* -------------------------------------------------------------------- links */

void kith__link_make_busy(struct kith__proto *p, struct kith__link *l)
{
    if (l->busy)
        return;
    l->busy = 1;
    kith__link_last(&p->busy, l, turn);
}

static const struct {
    enum kith__link_state from;
    enum kith__link_event on;
    enum kith__link_state to;
} moves[] = { { KITH__LINK_CLOSED, KITH__ON_USE, KITH__LINK_OPEN },
              { KITH__LINK_OPEN, KITH__ON_BYE_SAID, KITH__LINK_LEAVING },
              { KITH__LINK_OPEN, KITH__ON_BYE_HEARD, KITH__LINK_LEFT },
              { KITH__LINK_OPEN, KITH__ON_SILENCE, KITH__LINK_LOST },
              { KITH__LINK_CLOSED, KITH__ON_SILENCE, KITH__LINK_LOST },
              { KITH__LINK_LEAVING, KITH__ON_BYE_KNOWN, KITH__LINK_GONE },
              { KITH__LINK_LEAVING, KITH__ON_BYE_HEARD, KITH__LINK_LEFT },
              { KITH__LINK_LEAVING, KITH__ON_SILENCE, KITH__LINK_LOST } };

int kith__link_move(struct kith__link *l, enum kith__link_event on)
{
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
        if (moves[i].from == l->state && moves[i].on == on) {
            l->state = moves[i].to;
            return 1;
        }
    return 0;
}

static void drop_piece(struct kith__proto *p, struct kith__transfer *t)
{
    if (--t->unacked == 0 && t->at == t->size)
        kith__transfer_forget(p, t, 1);
}

struct dropping {
    struct kith__proto *p;
    struct kith__link *l;
};

static void drop(void *context, struct kith__frame *f)
{
    struct dropping *d = context;

    if (f->piece)
        drop_piece(d->p, f->piece);
    else
        d->l->bytes -= f->size;
}

void kith__link_clear(struct kith__proto *p, struct kith__link *l)
{
    struct dropping d = { p, l };

    for (int i = 0; i < KITH__LANES; i++)
        kith__channel_close(&l->lanes[i], drop, &d);
    while (l->sending.first)
        kith__unlink(&l->sending, l->sending.first, turn);
    for (struct kith__transfer *t = p->transfers.all.first, *next; t; t = next) {
        next = t->link.all.next;
        if (t->peer == l->peer)
            kith__transfer_forget(p, t, 1);
    }
}

struct kith__link *kith__link_new(uint32_t peer)
{
    struct kith__link *l = calloc(1, sizeof *l);

    if (l)
        l->peer = peer;
    return l;
}

struct kith__link *kith__link_use(struct kith__proto *p, uint32_t peer, int64_t now)
{
    struct kith__link *l;

    if (peer >= p->c.nodes || (!p->links[peer] && !(p->links[peer] = kith__link_new(peer))))
        return NULL;
    l = p->links[peer];
    if (kith__link_move(l, KITH__ON_USE)) {
        l->heard = now;
        l->lanes[0].said = now - p->c.beat_ns; /* at once */
        p->due = now;
        kith__link_make_busy(p, l);
    }
    return l->state == KITH__LINK_OPEN ? l : NULL;
}

struct kith__link *kith__link_open_to(const struct kith__proto *p, uint32_t peer)
{
    struct kith__link *l = peer < p->c.nodes ? p->links[peer] : NULL;

    return l && l->state == KITH__LINK_OPEN ? l : NULL;
}

/* ----------------------------------------------------------------- messages */

/* Room for size bytes in the last frame of lane 0 that was not sent yet, or in a new one. */
static unsigned char *room_for(struct kith__link *l, size_t size)
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

void kith__link_say(struct kith__proto *p, struct kith__link *l, struct kith__message *m, const void *tail,
                    size_t tail_size)
{
    unsigned char *at = room_for(l, KITH__MESSAGE_MOST + tail_size);
    size_t size;

    if (!at) {
        kith__link_end(p, l, KITH__ON_SILENCE, "this node has no memory to talk to it");
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
    kith__link_make_busy(p, l);
}

static void tell_of_loss(struct kith__proto *p, uint32_t node)
{
    for (uint32_t i = 1; i < p->c.nodes; i++) {
        struct kith__message m = { .kind = KITH__MESSAGE_LOSS, .loss = { .node = node } };
        struct kith__link *l = kith__link_open_to(p, i);

        if (l)
            kith__link_say(p, l, &m, NULL, 0);
    }
}

void kith__link_end(struct kith__proto *p, struct kith__link *l, enum kith__link_event on, const char *why)
{
    if (!kith__link_move(l, on))
        return;
    kith__link_clear(p, l);
    p->e->ended(p->context, l->peer, l->state, why);
    if (p->c.node == 0 && l->state == KITH__LINK_LOST)
        tell_of_loss(p, l->peer);
}

int kith__link_acked(struct kith__proto *p, struct kith__link *l, const struct kith__header *h, int64_t now)
{
    struct dropping d = { p, l };

    for (int i = 0; i < KITH__LANES; i++)
        if (!kith__channel_acked(&l->lanes[i], h->ack.of[i], h->seen.of[i], now, drop, &d))
            return 0;
    if (l->said_bye && !l->lanes[0].frames.first)
        kith__link_move(l, KITH__ON_BYE_KNOWN);
    return 1;
}
