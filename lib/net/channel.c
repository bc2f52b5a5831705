/* channel.c: see channel.h. */
#include "config.h"
#include "net/channel.h"

#include <stdlib.h>

/* Less is on its way where it takes long. */
static const int64_t quick_ns = 500000000, slow_ns = 1000000000;

enum { ROOM_FIRST = 1 << 20, ROOM_LEAST = 256 << 10, ROOM_MOST = 64 << 20 };

struct kith__frame *kith__channel_add(struct kith__channel *l, size_t room)
{
    struct kith__frame *f = calloc(1, sizeof *f);

    if (!f || (room && !(f->bytes = malloc(room)))) {
        free(f);
        return NULL;
    }
    f->room = (uint32_t)room;
    f->seq = ++l->seq;
    kith__link_last(&l->frames, f, link);
    if (!l->cursor)
        l->cursor = f;
    return f;
}

static uint64_t weight(const struct kith__frame *f)
{
    return f->size + f->length;
}

static uint64_t room_now(const struct kith__channel *l)
{
    return l->room ? l->room : ROOM_FIRST;
}

static uint64_t room_of(const struct kith__channel *l, uint64_t window)
{
    uint64_t room = room_now(l);

    return room < window ? room : window;
}

int kith__channel_has_room(const struct kith__channel *l, uint64_t window)
{
    return !l->blocked && l->flight < room_of(l, window);
}

struct kith__frame *kith__channel_next(const struct kith__channel *l, uint64_t window)
{
    struct kith__frame *f = l->cursor;

    if (!f || l->blocked)
        return NULL;
    if (f->sent == 0 && l->flight > 0 && l->flight + weight(f) > room_of(l, window))
        return NULL;
    return f;
}

void kith__channel_sent(struct kith__channel *l, struct kith__frame *f, int64_t now)
{
    l->turn++;
    l->said = now;
    if (!f)
        return;
    if (f->sent++ == 0)
        l->flight += weight(f);
    f->turn = l->turn;
    f->sent_at = now;
    l->cursor = f->link.next;
}

static void remove_first(struct kith__channel *l, void (*drop)(void *context, struct kith__frame *f),
                         void *context)
{
    struct kith__frame *f = l->frames.first;

    if (l->cursor == f)
        l->cursor = f->link.next;
    kith__unlink(&l->frames, f, link);
    if (f->sent)
        l->flight -= weight(f);
    drop(context, f);
    free(f->bytes);
    free(f);
}

/* A frame and its ack took so long. */
static void learn(struct kith__channel *l, int64_t took)
{
    uint64_t room = room_now(l);

    if (took < quick_ns && room < ROOM_MOST)
        l->room = 2 * room;
    else if (took > slow_ns && room > ROOM_LEAST)
        l->room = room / 2;
}

int kith__channel_acked(struct kith__channel *l, uint64_t ack, uint64_t seen, int64_t now,
                        void (*drop)(void *context, struct kith__frame *f), void *context)
{
    int64_t took = -1;

    if (ack > l->seq || seen > l->turn)
        return 0;
    while (l->frames.first && l->frames.first->seq <= ack) {
        if (l->frames.first->sent == 0)
            return 0;
        /* Else it is the ack of an earlier time. */
        took = l->frames.first->turn <= seen ? now - l->frames.first->sent_at : -1;
        remove_first(l, drop, context);
    }
    if (took >= 0)
        learn(l, took);
    if (l->frames.first && l->frames.first->sent > 0 && l->frames.first->turn <= seen)
        l->cursor = l->frames.first;
    return 1;
}

void kith__channel_heard(struct kith__channel *l, uint64_t turn, int64_t now)
{
    if (turn > l->seen + 1) {
        l->missing = 1;
        if (l->unacked_since == 0)
            l->unacked_since = now;
    }
    if (turn > l->seen)
        l->seen = turn;
}

int kith__channel_arrived(struct kith__channel *l, uint64_t seq, size_t size, int64_t now)
{
    if (l->unacked_since == 0)
        l->unacked_since = now;
    if (seq != l->got + 1)
        return 0;
    l->got++;
    l->unacked_bytes += size;
    return 1;
}

void kith__channel_acknowledged(struct kith__channel *l)
{
    l->unacked_since = 0;
    l->unacked_bytes = 0;
    l->missing = 0;
}

void kith__channel_close(struct kith__channel *l, void (*drop)(void *context, struct kith__frame *f),
                         void *context)
{
    while (l->frames.first)
        remove_first(l, drop, context);
}
