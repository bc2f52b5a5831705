/* holders.h: who holds how many units of an object that has more of them than units.h has words for, so that
 * they come back when a process ends. Part of an object's body; called in its guard, and true with its next
 * commit. */
#ifndef KITH_HOLDERS_H
#define KITH_HOLDERS_H

#include "object/class.h"

/* A table in a block that an object's body names: twice as many entries of that size, in a commit of its own.
 * The first ones are as before. 0; KITH_ENOMEM. */
int kith__rows_grow(struct kith__object *o, kith__word *block, kith__word *room, size_t entry);

/* In no guard, when the object is destroyed. May be called twice. */
void kith__rows_free(struct kith__object *o, kith__word *block);

struct kith__holders { /* zeros: nobody holds anything */
    kith__word block;  /* struct holder[room], in no order; 0: none yet */
    kith__word room, used;
    kith__word units;  /* of all */
    kith__word counts; /* ever, for who came first */
};

/* One more unit for who. To be called before other values are set: it may commit a larger table. 0;
 * KITH_ENOMEM. */
int kith__holders_add(struct kith__object *o, struct kith__holders *h, const struct kith__caller *who);

/* 1: who has a unit. */
int kith__holders_has(const struct kith__holders *h, const struct kith__caller *who);

/* One unit less: of who, or when who has none, and anybody is 1, of the one that came first. How many: 1 or
 * 0. */
int kith__holders_drop(struct kith__object *o, struct kith__holders *h, const struct kith__caller *who,
                       int anybody);

/* All units of one holder that is, or belongs to, who: their number; 0: there is none left. */
uint64_t kith__holders_evict(struct kith__object *o, struct kith__holders *h, const struct kith__caller *who);

/* Nobody holds anything any more. */
void kith__holders_clear(struct kith__object *o, struct kith__holders *h);

/* When the object is destroyed. May be called twice. */
void kith__holders_free(struct kith__object *o, struct kith__holders *h);

#endif
