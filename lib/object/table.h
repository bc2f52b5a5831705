/* table.h: keys and values in the body of an object: a hash table that remembers the order in which its keys
 * came, as Python's dict does.
 *
 * An entry is a block of the heap with the key and a cell (cell.h); its neighbours in the order of coming are
 * its links. The index, another block, has a word for each entry, found by open addressing. When it is full,
 * another one is begun, and each change moves some words to it: so no change takes long, however large the
 * table is.
 *
 * All changes are made in the guard, each by one commit, so a death leaves the table before it or after it.
 * They are counted: .version is odd while a commit is being copied. Who has pinned the object may look things
 * up outside the guard, and looks again if .version has changed meanwhile.
 */
#ifndef KITH_TABLE_H
#define KITH_TABLE_H

#include "object/cell.h"

struct kith__entry {
    kith__word older, newer; /* entries; older: in the trash of entries, the next of them */
    uint64_t hash;
    uint32_t key_size, key_type; /* type: of who came first with it; it tells no keys apart */
    struct kith__cell value;
    char key[];
};

struct kith__table { /* zeros: empty */
    kith__word version;
    kith__word index, former;      /* former: what of it was not moved yet still counts; 0: all was */
    kith__word moved;              /* words of the former that were looked at */
    kith__word used;               /* words of the index that are, or were, an entry's */
    kith__word count, first, last; /* entries: how many, the oldest, the newest */
    kith__word entries;            /* trash: whole entries, each with the value it has */
    struct kith__trash trash;      /* other blocks */
    uint64_t seed;
};

/* For readers in the guard. NULL: no such key. */
struct kith__entry *kith__table_find(const struct kith__table *t, const void *key, uint64_t size);

/* For those who have pinned the object. 1: *h is what the key has, as long as the pin holds; 0: no such key;
 * -1: it changes all the time: come in. */
int kith__table_read(const struct kith__object *o, const struct kith__table *t, const void *key,
                     uint64_t size, struct kith__held *h);

/* The key's value is *h, whose block becomes the table's. e: what _find gave. 0; KITH_ENOMEM: nothing has
 * changed. */
struct kith__key {
    const void *bytes;
    uint64_t size;
    int type;
};
int kith__table_set(struct kith__object *o, struct kith__table *t, struct kith__entry *e,
                    const struct kith__key *key, const struct kith__held *h);

void kith__table_remove(struct kith__object *o, struct kith__table *t, struct kith__entry *e);
void kith__table_clear(struct kith__object *o, struct kith__table *t);

/* Frees some of what nobody needs any more. 1: there is more, and it can be freed. */
int kith__table_tidy(struct kith__object *o, struct kith__table *t);

/* When the object is destroyed. May be called twice. */
void kith__table_free(struct kith__object *o, struct kith__table *t);

static inline struct kith__entry *kith__entry_at(uint64_t offset)
{
    return offset ? kith__at(offset) : NULL;
}

#endif
