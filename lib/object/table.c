/* table.c: see table.h. */
#include "config.h"
#include "object/table.h"
#include "base/error.h"
#include "base/system.h"
#include "object/pin.h"
#include "shm/heap.h"

#include <string.h>

enum { EMPTY = 0, GONE = 1 }; /* words of an index; else the top of the hash << 48 | the entry */
enum { FIRST_WORDS = 16, MOVES = 4, LOOKS = 32, TIDIED = 64, TRIES = 16 };

#define ENTRY_MASK ((UINT64_C(1) << 48) - 1)

struct index {
    kith__word link; /* in the trash */
    uint64_t mask;   /* words - 1 */
    kith__word words[];
};

static struct index *index_at(uint64_t block)
{
    return kith__at(block);
}

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static uint64_t hash_of(const struct kith__table *t, const void *key, uint64_t size)
{
    uint64_t h = t->seed ^ size, word;
    const char *p = key;

    for (; size >= sizeof word; size -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        h = mixed(h ^ word);
    }
    word = 0;
    if (size > 0)
        memcpy(&word, p, size);
    return mixed(mixed(h ^ word) + size);
}

/* ------------------------------------------------------------------------- looking up */

static int is_entry(uint64_t word)
{
    return word != EMPTY && word != GONE;
}

static struct kith__entry *entry_in(uint64_t word)
{
    return kith__at(word & ENTRY_MASK);
}

static int has_key(const struct kith__entry *e, uint64_t hash, const void *key, uint64_t size)
{
    return e->hash == hash && e->key_size == size && (size == 0 || memcmp(e->key, key, size) == 0);
}

/* The word of the key, or of that very entry when there is one; NULL. */
static kith__word *word_of(uint64_t block, uint64_t hash, const struct kith__entry *e, const void *key,
                           uint64_t size)
{
    struct index *x = index_at(block);

    if (!block)
        return NULL;
    for (uint64_t n = 0, i = hash & x->mask; n <= x->mask; n++, i = (i + 1) & x->mask) {
        uint64_t word = atomic_load_explicit(&x->words[i], memory_order_acquire);

        if (word == EMPTY)
            return NULL;
        if (word == GONE || word >> 48 != hash >> 48)
            continue;
        if (e ? entry_in(word) == e : has_key(entry_in(word), hash, key, size))
            return &x->words[i];
    }
    return NULL;
}

static struct kith__entry *find(const struct kith__table *t, uint64_t hash, const void *key, uint64_t size)
{
    uint64_t former = atomic_load_explicit(&t->former, memory_order_acquire), found;
    kith__word *word = word_of(atomic_load_explicit(&t->index, memory_order_acquire), hash, NULL, key, size);

    if (!word)
        word = word_of(former, hash, NULL, key, size);
    if (!word)
        return NULL;
    found = atomic_load_explicit(word, memory_order_acquire);
    return is_entry(found) ? entry_in(found) : NULL; /* outside the guard it may have gone meanwhile */
}

struct kith__entry *kith__table_find(const struct kith__table *t, const void *key, uint64_t size)
{
    return find(t, hash_of(t, key, size), key, size);
}

/* What is read of a table in the middle of a change is any words that once were right: each leads to an entry
 * that is there, as long as we have it pinned. Whether they belong together is told by the version. A commit
 * whose owner has died before it was copied counts: to find what was there before, and its change afterwards,
 * would be to see a dead process make it. */
int kith__table_read(const struct kith__object *o, const struct kith__table *t, const void *key,
                     uint64_t size, struct kith__held *h)
{
    uint64_t hash = hash_of(t, key, size);

    for (int tries = 0; tries < TRIES; tries++) {
        uint64_t version = atomic_load_explicit(&t->version, memory_order_acquire);
        const struct kith__entry *e;

        if (!(version & 1) && !kith__guard_is_pending(&o->guard)) {
            *h = (e = find(t, hash, key, size)) ? kith__cell_read(&e->value) : (struct kith__held){ 0, 0 };
            if (atomic_load_explicit(&t->version, memory_order_acquire) == version)
                return e != NULL;
        }
        kith__pause();
    }
    return -1;
}

/* --------------------------------------------------------------------------- changing */

static void begin(struct kith__object *o, struct kith__table *t)
{
    kith__guard_set(&o->guard, &t->version, atomic_load(&t->version) + 1);
}

static void commit(struct kith__object *o, struct kith__table *t)
{
    kith__guard_set(&o->guard, &t->version, atomic_load(&t->version) + 2);
    kith__guard_commit(&o->guard);
}

/* Where a new entry's word may stand. */
static kith__word *free_word(uint64_t block, uint64_t hash)
{
    struct index *x = index_at(block);
    uint64_t i = hash & x->mask;

    while (is_entry(atomic_load_explicit(&x->words[i], memory_order_relaxed)))
        i = (i + 1) & x->mask;
    return &x->words[i];
}

static void set_word(struct kith__object *o, struct kith__table *t, uint64_t hash, uint64_t entry)
{
    kith__word *word = free_word(atomic_load(&t->index), hash);

    if (atomic_load(word) == EMPTY)
        kith__guard_set(&o->guard, &t->used, atomic_load(&t->used) + 1);
    kith__guard_set(&o->guard, word, hash >> 48 << 48 | entry);
}

/* Looks at some words of the former index, and moves the first that is an entry's. */
static void move_one(struct kith__object *o, struct kith__table *t)
{
    uint64_t former = atomic_load(&t->former), i = atomic_load(&t->moved), word = EMPTY;
    struct index *x = index_at(former);

    for (int n = 0; n < LOOKS && i <= x->mask && !is_entry(word); n++)
        word = atomic_load_explicit(&x->words[i++], memory_order_relaxed);
    begin(o, t);
    if (is_entry(word)) {
        set_word(o, t, entry_in(word)->hash, word & ENTRY_MASK);
        kith__guard_set(&o->guard, &x->words[i - 1], GONE);
    }
    if (i > x->mask) {
        kith__guard_set(&o->guard, &t->former, 0);
        kith__trash_add(&o->guard, &t->trash, former, 0);
    }
    kith__guard_set(&o->guard, &t->moved, i);
    commit(o, t);
}

static void move_some(struct kith__object *o, struct kith__table *t)
{
    for (int i = 0; i < MOVES && atomic_load(&t->former) != 0; i++)
        move_one(o, t);
}

static uint64_t words_of(const struct kith__table *t)
{
    uint64_t index = atomic_load(&t->index);

    return index ? index_at(index)->mask + 1 : 0;
}

/* Begins another index: a third of it is in use when all has been moved; and it is not so small that it would
 * be full by then. */
static int begin_index(struct kith__object *o, struct kith__table *t)
{
    uint64_t words = FIRST_WORDS, block;

    while (words < 3 * (atomic_load(&t->count) + 1) || words < words_of(t) / 8)
        words *= 2;
    if ((block = kith__heap_alloc(sizeof(struct index) + words * sizeof(kith__word), kith__me)) == 0)
        return KITH_ENOMEM;
    memset(index_at(block), 0, sizeof(struct index) + words * sizeof(kith__word));
    index_at(block)->mask = words - 1;
    begin(o, t);
    kith__guard_set(&o->guard, kith__heap_owner(block), 0);
    kith__guard_set(&o->guard, &t->former, atomic_load(&t->index));
    kith__guard_set(&o->guard, &t->index, block);
    kith__guard_set(&o->guard, &t->moved, 0);
    kith__guard_set(&o->guard, &t->used, 0);
    commit(o, t);
    return 0;
}

/* For one word more. */
static int make_room(struct kith__object *o, struct kith__table *t)
{
    move_some(o, t);
    if ((atomic_load(&t->used) + 1) * 3 <= words_of(t) * 2)
        return 0;
    while (atomic_load(&t->former) != 0)
        move_one(o, t);
    return begin_index(o, t);
}

static int add(struct kith__object *o, struct kith__table *t, const struct kith__key *key,
               const struct kith__held *h)
{
    uint64_t last = atomic_load(&t->last), block;
    struct kith__entry *e;

    if (key->size > UINT32_MAX)
        return kith__fail(KITH_EINVAL, "a key of %llu bytes: it may have 4 GiB",
                          (unsigned long long)key->size);
    if (make_room(o, t) < 0 || (block = kith__heap_alloc(sizeof *e + key->size, kith__me)) == 0)
        return KITH_ENOMEM;
    e = kith__at(block);
    atomic_store_explicit(&e->older, last, memory_order_relaxed);
    atomic_store_explicit(&e->newer, 0, memory_order_relaxed);
    e->hash = hash_of(t, key->bytes, key->size);
    e->key_size = (uint32_t)key->size;
    e->key_type = (uint32_t)key->type;
    kith__cell_fill(&e->value, h);
    if (key->size > 0)
        memcpy(e->key, key->bytes, key->size);
    begin(o, t);
    set_word(o, t, e->hash, block);
    kith__guard_set(&o->guard, kith__heap_owner(block), 0);
    kith__held_publish(&o->guard, h, atomic_load(&t->version));
    kith__guard_set(&o->guard, last ? &kith__entry_at(last)->newer : &t->first, block);
    kith__guard_set(&o->guard, &t->last, block);
    kith__guard_set(&o->guard, &t->count, atomic_load(&t->count) + 1);
    commit(o, t);
    return 0;
}

int kith__table_set(struct kith__object *o, struct kith__table *t, struct kith__entry *e,
                    const struct kith__key *key, const struct kith__held *h)
{
    struct kith__held old;

    if (!e)
        return add(o, t, key, h);
    old = kith__cell_look(&e->value);
    begin(o, t);
    kith__cell_set(&o->guard, &e->value, h);
    kith__held_publish(&o->guard, h, atomic_load(&t->version));
    kith__trash_add(&o->guard, &t->trash, kith__held_block(&old), 0);
    commit(o, t);
    return 0;
}

static kith__word *word_of_entry(const struct kith__table *t, const struct kith__entry *e)
{
    kith__word *word = word_of(atomic_load(&t->index), e->hash, e, NULL, 0);

    return word ? word : word_of(atomic_load(&t->former), e->hash, e, NULL, 0);
}

void kith__table_remove(struct kith__object *o, struct kith__table *t, struct kith__entry *e)
{
    uint64_t older = atomic_load(&e->older), newer = atomic_load(&e->newer);

    move_some(o, t);
    begin(o, t);
    kith__guard_set(&o->guard, word_of_entry(t, e), GONE);
    kith__guard_set(&o->guard, older ? &kith__entry_at(older)->newer : &t->first, newer);
    kith__guard_set(&o->guard, newer ? &kith__entry_at(newer)->older : &t->last, older);
    kith__guard_set(&o->guard, &t->count, atomic_load(&t->count) - 1);
    kith__guard_set(&o->guard, &e->older, atomic_load(&t->entries));
    kith__guard_set(&o->guard, &t->entries, kith__offset(e));
    kith__guard_set(&o->guard, &t->trash.count, atomic_load(&t->trash.count) + 1);
    commit(o, t);
}

/* All entries hang together by .older, so they go into the trash as they are. */
void kith__table_clear(struct kith__object *o, struct kith__table *t)
{
    uint64_t first = atomic_load(&t->first), index;

    if (!first)
        return;
    while (atomic_load(&t->former) != 0)
        move_one(o, t);
    index = atomic_load(&t->index);
    begin(o, t);
    kith__guard_set(&o->guard, &kith__entry_at(first)->older, atomic_load(&t->entries));
    kith__guard_set(&o->guard, &t->entries, atomic_load(&t->last));
    kith__guard_set(&o->guard, &t->first, 0);
    kith__guard_set(&o->guard, &t->last, 0);
    kith__guard_set(&o->guard, &t->count, 0);
    kith__guard_set(&o->guard, &t->index, 0);
    kith__guard_set(&o->guard, &t->used, 0);
    kith__guard_set(&o->guard, &index_at(index)->link, atomic_load(&t->trash.first));
    kith__guard_set(&o->guard, &t->trash.first, index);
    kith__guard_set(&o->guard, &t->trash.count, atomic_load(&t->trash.count) + atomic_load(&t->count) + 1);
    commit(o, t);
}

/* ----------------------------------------------------------------------------- freeing */

/* *from names an entry that nobody looks at: frees it; *from is next then. */
static void free_entry(struct kith__object *o, kith__word *from, uint64_t next)
{
    uint64_t block = atomic_load(from);
    struct kith__entry *e = kith__at(block);
    struct kith__held h = kith__cell_look(&e->value);

    if (kith__held_block(&h))
        kith__free_from(o, kith__held_block(&h), &e->value.meta, 0);
    kith__free_from(o, block, from, next);
}

static int free_trash(struct kith__object *o, struct kith__table *t)
{
    uint64_t block = atomic_load(&t->entries), count = atomic_load(&t->trash.count);

    if (!block)
        return 0;
    /* A hint: who dies between the two blocks of an entry has counted it already. */
    kith__guard_set(&o->guard, &t->trash.count, count > 0 ? count - 1 : 0);
    free_entry(o, &t->entries, atomic_load(&kith__entry_at(block)->older));
    return 1;
}

int kith__table_tidy(struct kith__object *o, struct kith__table *t)
{
    int left = TIDIED;

    if (kith__is_pinned(o))
        return 0;
    while (left > 0 && free_trash(o, t))
        left--;
    kith__trash_empty(o, &t->trash, left);
    return atomic_load(&t->entries) != 0 || atomic_load(&t->trash.first) != 0;
}

void kith__table_free(struct kith__object *o, struct kith__table *t)
{
    while (atomic_load(&t->entries))
        free_trash(o, t);
    while (atomic_load(&t->first))
        free_entry(o, &t->first, atomic_load(&kith__entry_at(atomic_load(&t->first))->newer));
    kith__free_from(o, atomic_load(&t->former), &t->former, 0);
    kith__free_from(o, atomic_load(&t->index), &t->index, 0);
    kith__trash_free(o, &t->trash);
}
