/* shelf.h: the items of a row (row.h) as its owner has them: in chunks, which come as tasks are given, and go
 * when all results of one were taken and no worker is there any more. Whoever uses it holds the lock of its
 * feed. */
#ifndef KITH_SHELF_H
#define KITH_SHELF_H

#include "pool/item.h"
#include "pool/row.h"

enum { KITH__SHELF_SPARE = 4 };

struct kith__shelf_chunk {
    uint64_t block;   /* 0: all its results were taken */
    uint32_t left;    /* items that were not let go of, or not given yet */
    uint32_t dropped; /* of these: as soon as they have ended */
    uint32_t held;    /* somebody looks at one of its items, and so it stays */
    uint64_t *drops;  /* a bit for each of those; NULL: none */
};

struct kith__shelf { /* zeros: there is none */
    struct kith__row *row;
    uint64_t given, live;             /* units; those of them not let go of */
    uint32_t held;                    /* all its chunks together */
    struct kith__item *tail;          /* where the next ones go */
    struct kith__shelf_chunk *chunks; /* a ring of room, a power of two: from number first on */
    uint64_t first, room;
    uint64_t spare[KITH__SHELF_SPARE];
    int spares;
};

static inline struct kith__shelf_chunk *kith__shelf_chunk(const struct kith__shelf *s, uint64_t unit)
{
    return &s->chunks[unit / KITH__ROW_CHUNK & (s->room - 1)];
}

/* Of a unit whose result may still be asked for. NULL: there is none. */
static inline struct kith__item *kith__shelf_item(const struct kith__shelf *s, uint64_t unit)
{
    const struct kith__shelf_chunk *c;
    struct kith__item *item;

    if (!s->row || unit >= s->given || unit / KITH__ROW_CHUNK < s->first ||
        !(c = kith__shelf_chunk(s, unit))->block)
        return NULL;
    item = (struct kith__item *)kith__at(c->block) + unit % KITH__ROW_CHUNK;
    if (kith__item_state(item) == KITH__ITEM_NONE ||
        (c->drops && c->drops[unit % KITH__ROW_CHUNK / 64] >> unit % 64 & 1))
        return NULL;
    return item;
}

/* 1: the next one, at .tail, is there; it may have been made for one that was not given then. */
int kith__shelf_has_room(const struct kith__shelf *s);

/* Makes it. No worker touches the units before retired any more: so some chunks may go. 0; KITH_ENOMEM. */
int kith__shelf_grow(struct kith__shelf *s, uint64_t retired);

/* Its result is nobody's any more. */
static inline void kith__shelf_let_go(struct kith__shelf *s, uint64_t unit)
{
    struct kith__shelf_chunk *c = kith__shelf_chunk(s, unit);
    struct kith__item *item = (struct kith__item *)kith__at(c->block) + unit % KITH__ROW_CHUNK;

    kith__item_take(item);
    c->left--;
    s->live--;
}

void kith__shelf_drop(struct kith__shelf *s, uint64_t unit, struct kith__item *item); /* when it has ended */
void kith__shelf_let_go_of_dropped(struct kith__shelf *s); /* now: the pool has ended */

/* Item and chunk stay, whoever takes the result. */
void kith__shelf_hold(struct kith__shelf *s, uint64_t unit);
void kith__shelf_put(struct kith__shelf *s, uint64_t unit);

/* Frees all, the row as well: no worker touches it. */
void kith__shelf_clear(struct kith__shelf *s);
void kith__shelf_forget(struct kith__shelf *s); /* but for what is in the arena */

#endif
