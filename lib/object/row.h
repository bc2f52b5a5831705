/* row.h: elements in a row, in the body of an object: what a List is made of.
 *
 * The elements are cells (cell.h) in a block of the heap, with room before and behind them. What is done at
 * the ends, or close to them, changes a few words; what is done in the middle makes another block, and the
 * commit that names it makes it true. All changes are made in the guard. As in a table (table.h), .version
 * counts them, and who has pinned the object may read an element outside of the guard.
 */
#ifndef KITH_ROW_H
#define KITH_ROW_H

#include "object/cell.h"

struct kith__strip {     /* a block */
    kith__word link;     /* in the trash, or among the full strips */
    kith__word from, to; /* of a full strip: the cells that are left in it */
    uint64_t room;
    struct kith__cell cells[];
};

struct kith__row {      /* zeros: empty */
    kith__word version; /* odd while a commit is being copied */
    kith__word strip;   /* 0: there are no elements */
    kith__word begin, count;
    kith__word full; /* strips in the trash whose elements are trash, too */
    struct kith__trash trash;
};

static inline struct kith__row *kith__row_of(struct kith__object *o)
{
    return (struct kith__row *)(void *)&o->body;
}

static inline uint64_t kith__row_count(const struct kith__row *l)
{
    return atomic_load(&l->count);
}

/* In the guard: element i, which is there. */
struct kith__held kith__row_look(const struct kith__row *l, uint64_t i);

/* Of an index as in Python. UINT64_MAX: there is no such element. */
uint64_t kith__row_index(int64_t index, uint64_t count);

/* For those who have pinned the object. 1: *h is the element, as long as the pin holds; 0: there is none, of
 * *count; -1: it changes all the time: come in. */
int kith__row_read(const struct kith__object *o, const struct kith__row *l, int64_t index,
                   struct kith__held *h, uint64_t *count);

/* Each is one change. Blocks of *h become the list's. 0; KITH_ENOMEM: nothing has changed. */
int kith__row_insert(struct kith__object *o, uint64_t i,
                     const struct kith__held *h); /* before i, or at the end */
void kith__row_replace(struct kith__object *o, uint64_t i, const struct kith__held *h);
int kith__row_remove(struct kith__object *o, uint64_t i);
int kith__row_reverse(struct kith__object *o);
void kith__row_clear(struct kith__object *o);

/* n elements of up to KITH__CELL_FEW bytes each, at the end. */
int kith__row_extend(struct kith__object *o, int type, const void *values, uint64_t size, uint64_t n);

/* Its elements in the order that these numbers (uint64_t) say. KITH_EINVAL: one is missing. */
int kith__row_reorder(struct kith__object *o, const void *numbers, uint64_t n);

/* Frees some of what nobody needs any more. 1: there is more, and it can be freed. _a_lot: if there is much.
 */
int kith__row_tidy(struct kith__object *o);
void kith__row_tidy_a_lot(struct kith__object *o);

/* In the guard, when the object is destroyed. May be called twice. */
void kith__row_free(struct kith__object *o);

#endif
