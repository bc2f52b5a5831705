/* cell.h: a value of any size in two words of shared memory: how Dicts, Namespaces and Lists keep what they
 * hold.
 *
 * Up to 8 bytes stand in the cell itself. More stand in a block of their own, which never changes: another
 * value is another block, and the commit that names it makes it true. So whoever dies leaves the old value or
 * the new one.
 *
 * Values are read without the guard, too, by threads that have pinned the object (pin.h). A block at which
 * they may still look is not freed: it goes to the trash, which is emptied when all who had the object
 * pinned have left it.
 */
#ifndef KITH_CELL_H
#define KITH_CELL_H

#include "object/class.h"

struct kith__cell {
    kith__word meta;    /* size << 8 | type: one of the letters of kith.h; 0: nothing */
    kith__word payload; /* up to 8 bytes; else a struct kith__cell_block */
};

enum { KITH__CELL_FEW = 8 };

struct kith__cell_block {
    kith__word link; /* in the trash */
    uint64_t mark;   /* no other value of the object ever had it */
    char bytes[];
};

/* What a cell holds at one moment, or is to hold. */
struct kith__held {
    uint64_t meta, payload;
};

static inline uint64_t kith__held_size(const struct kith__held *h)
{
    return h->meta >> 8;
}
static inline int kith__held_type(const struct kith__held *h)
{
    return (int)(h->meta & 255);
}
static inline uint64_t kith__held_block(const struct kith__held *h) /* 0: it needs none */
{
    return kith__held_size(h) > KITH__CELL_FEW ? h->payload : 0;
}
static inline const void *kith__held_bytes(const struct kith__held *h)
{
    uint64_t block = kith__held_block(h);

    return block ? ((struct kith__cell_block *)kith__at(block))->bytes : (const char *)&h->payload;
}

/* A copy of the bytes, in a block of this process's when they are many. 0; KITH_ENOMEM. */
int kith__held_make(struct kith__held *h, int type, const void *bytes, size_t size);

/* The same for bytes that stand in *block already, behind room for the head of one: it becomes the value's,
 * and *block is 0. */
int kith__held_from_block(struct kith__held *h, int type, uint64_t *block, size_t size);

void kith__held_drop(struct kith__held *h); /* it went nowhere: its block is freed */

/* What tells it from all other values that its cell ever had: the bytes when they are few, else the mark. */
uint64_t kith__held_mark(const struct kith__held *h);

int kith__held_is(const struct kith__held *h, int type, const void *bytes, size_t size);

static inline struct kith__held kith__cell_look(const struct kith__cell *c)
{
    return (struct kith__held){ atomic_load_explicit(&c->meta, memory_order_acquire),
                                atomic_load_explicit(&c->payload, memory_order_acquire) };
}

/* The same outside of the guard, where it may change in between: the container's version tells. */
static inline struct kith__held kith__cell_read(const struct kith__cell *c)
{
    struct kith__held h = { .meta = atomic_load_explicit(&c->meta, memory_order_acquire) };

    kith__failpoint("cell: half read");
    h.payload = atomic_load_explicit(&c->payload, memory_order_acquire);
    return h;
}

/* With the next commit *c is that, and a block of it is nobody's. */
void kith__cell_set(struct kith__guard *g, struct kith__cell *c, const struct kith__held *h);

/* The same where nobody looks yet; and for the block alone. mark: for it. */
void kith__cell_fill(struct kith__cell *c, const struct kith__held *h);
void kith__held_publish(struct kith__guard *g, const struct kith__held *h, uint64_t mark);

/* Gives the value to a call that has room for so many bytes. wanted: its type, bytes agree with all; 0: any.
 * Its size; KITH_ETYPE; KITH_ESIZE: that type, but another size; KITH_ETOOBIG. */
int64_t kith__held_give(const struct kith__held *h, int wanted, uint64_t room, struct kith__result *out);
int kith__held_fits(const struct kith__held *h, int wanted, uint64_t room); /* 0, or these codes */

/* Where the bytes that are given go: ->buf, ->few or a ->block of out. They are a copy, which is freed, and
 * nothing else, whether it arrives or not. NULL: KITH_ENOMEM. */
void *kith__give_buffer(struct kith__result *out, uint64_t size);
int64_t kith__give_copy(struct kith__result *out, const void *bytes, uint64_t size);

/* A number: *h = op of it and what stands at by, of that size; *old: what it was. Nothing (meta 0) counts as
 * 0. */
int kith__held_compute(struct kith__held *h, int type, int op, const void *by, uint64_t size, uint64_t *old);

/* ------------------------------------------------------------------------------ trash */

struct kith__trash { /* blocks, each with a link at its start */
    kith__word first, count;
};

enum { KITH__TRASH_MOST = 32 }; /* it is looked at when there is more */

/* With the next commit these blocks (0: none) are in the trash. Once a commit. */
void kith__trash_add(struct kith__guard *g, struct kith__trash *t, uint64_t block, uint64_t another);

/* In the guard, and when kith__is_pinned was 0: frees up to so many of them. */
void kith__trash_empty(struct kith__object *o, struct kith__trash *t, int most);

/* When the object is destroyed. May be called twice. */
void kith__trash_free(struct kith__object *o, struct kith__trash *t);

/* In the guard of o: the block is this process's, and *word is value, in one commit; then it is freed. 0:
 * likewise without a block. */
void kith__free_from(struct kith__object *o, uint64_t block, kith__word *word, uint64_t value);

#endif
