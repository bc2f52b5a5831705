/* lane.c: see lane.h. */
#include "config.h"
#include "lane.h"

#include <stdlib.h>

static const int64_t patience_least = 500000000, patience_most = 4000000000;

struct kith__frame *kith__lane_add(struct kith__lane *l, size_t room)
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

struct kith__frame *kith__lane_next(const struct kith__lane *l, uint64_t window)
{
    struct kith__frame *f = l->cursor;

    if (!f || l->blocked)
        return NULL;
    if (f->sent == 0 && l->flight > 0 && l->flight + weight(f) > window)
        return NULL;
    return f;
}

void kith__lane_sent(struct kith__lane *l, struct kith__frame *f, int64_t now)
{
    if (f->sent++ == 0) {
        if (l->flight == 0) {
            l->progress = now;
            l->patience = patience_least;
        }
        l->flight += weight(f);
    }
    l->cursor = f->next;
}

static void remove_first(struct kith__lane *l, void (*drop)(void *context, struct kith__frame *f), void *context)
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

int kith__lane_acked(struct kith__lane *l, uint64_t ack, int64_t now, void (*drop)(void *context, struct kith__frame *f),
                     void *context)
{
    int moved = 0;

    if (ack > l->seq)
        return 0;
    while (l->first && l->first->seq <= ack) {
        if (l->first->sent == 0)
            return 0;
        remove_first(l, drop, context);
        moved = 1;
    }
    if (moved) {
        l->progress = now;
        l->patience = patience_least;
    }
    return 1;
}

void kith__lane_rewind(struct kith__lane *l)
{
    l->cursor = l->first;
}

int64_t kith__lane_due(const struct kith__lane *l)
{
    return l->flight > 0 ? l->progress + l->patience : INT64_MAX;
}

void kith__lane_tick(struct kith__lane *l, int64_t now)
{
    if (now < kith__lane_due(l))
        return;
    kith__lane_rewind(l);
    l->progress = now;
    l->patience = l->patience * 2 < patience_most ? l->patience * 2 : patience_most;
}

int kith__lane_arrived(struct kith__lane *l, uint64_t seq, size_t size, int64_t now)
{
    if (l->owed_since == 0)
        l->owed_since = now;
    if (seq == l->got + 1) {
        l->got++;
        l->owed_bytes += size;
        return 1;
    }
    /* What follows a gap arrives in a row: one complaint is enough, and the sender's patience is behind it. */
    if (seq > l->got && l->missed != l->got + 1) {
        l->missed = l->got + 1;
        l->missing = 1;
    }
    return 0;
}

void kith__lane_acknowledged(struct kith__lane *l)
{
    l->owed_since = 0;
    l->owed_bytes = 0;
    l->missing = 0;
}

void kith__lane_close(struct kith__lane *l, void (*drop)(void *context, struct kith__frame *f), void *context)
{
    while (l->first)
        remove_first(l, drop, context);
}
