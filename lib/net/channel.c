/* channel.c: see channel.h. */
#include "config.h"
#include "net/channel.h"

#include <stdlib.h>

/* A slow way is no reason to send all again, which makes it slower: so patience follows what acks usually
 * take, and less is on its way where that is long. */
static const int64_t patience_first = 2000000000, patience_least = 500000000, patience_most = 30000000000,
                     quick_ns = 500000000, slow_ns = 1000000000;

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
    if (l->last)
        l->last->next = f;
    else
        l->first = f;
    l->last = f;
    if (!l->cursor)
        l->cursor = f;
    return f;
}

static uint64_t weight(const struct kith__frame *f)
{
    return f->size + f->length;
}

static uint64_t room_of(const struct kith__channel *l, uint64_t window)
{
    uint64_t room = l->room ? l->room : ROOM_FIRST;

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
    if (f->sent++ == 0) {
        if (l->flight == 0)
            l->progress = now;
        if (l->patience == 0)
            l->patience = patience_first;
        l->flight += weight(f);
    }
    f->sent_at = now;
    l->cursor = f->next;
}

static void remove_first(struct kith__channel *l, void (*drop)(void *context, struct kith__frame *f),
                         void *context)
{
    struct kith__frame *f = l->first;

    l->first = f->next;
    if (l->last == f)
        l->last = NULL;
    if (l->cursor == f)
        l->cursor = f->next;
    if (f->sent)
        l->flight -= weight(f);
    drop(context, f);
    free(f->bytes);
    free(f);
}

/* A frame that was sent once, and its ack, took so long. */
static void learn(struct kith__channel *l, int64_t took)
{
    uint64_t room = l->room ? l->room : ROOM_FIRST;

    l->usual = l->usual ? (3 * l->usual + took) / 4 : took;
    l->patience = 4 * l->usual < patience_least  ? patience_least
                  : 4 * l->usual > patience_most ? patience_most
                                                 : 4 * l->usual;
    if (took < quick_ns && room < ROOM_MOST)
        l->room = 2 * room;
    else if (took > slow_ns && room > ROOM_LEAST)
        l->room = room / 2;
}

int kith__channel_acked(struct kith__channel *l, uint64_t ack, int64_t now,
                        void (*drop)(void *context, struct kith__frame *f), void *context)
{
    int64_t took = -1;

    if (ack > l->seq)
        return 0;
    while (l->first && l->first->seq <= ack) {
        if (l->first->sent == 0)
            return 0;
        took =
            l->first->sent == 1 ? now - l->first->sent_at : -1; /* else it may be the ack of an earlier one */
        remove_first(l, drop, context);
        l->progress = now;
    }
    if (took >= 0)
        learn(l, took);
    return 1;
}

void kith__channel_rewind(struct kith__channel *l)
{
    l->cursor = l->first;
}

int64_t kith__channel_due(const struct kith__channel *l)
{
    return l->flight > 0 ? l->progress + l->patience : INT64_MAX;
}

void kith__channel_tick(struct kith__channel *l, int64_t now)
{
    if (now < kith__channel_due(l))
        return;
    kith__channel_rewind(l);
    l->progress = now;
    l->patience = l->patience * 2 < patience_most ? l->patience * 2 : patience_most;
    l->room = ROOM_LEAST;
}

int kith__channel_arrived(struct kith__channel *l, uint64_t seq, size_t size, int64_t now)
{
    if (l->owed_since == 0)
        l->owed_since = now;
    if (seq == l->got + 1) {
        l->got++;
        l->owed_bytes += size;
        return 1;
    }
    /* What follows a gap arrives in a row: one complaint is enough, and the sender's patience is behind it.
     */
    if (seq > l->got && l->missed != l->got + 1) {
        l->missed = l->got + 1;
        l->missing = 1;
    }
    return 0;
}

void kith__channel_acknowledged(struct kith__channel *l)
{
    l->owed_since = 0;
    l->owed_bytes = 0;
    l->missing = 0;
}

void kith__channel_close(struct kith__channel *l, void (*drop)(void *context, struct kith__frame *f),
                         void *context)
{
    while (l->first)
        remove_first(l, drop, context);
}
