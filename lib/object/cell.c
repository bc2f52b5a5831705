/* cell.c: see cell.h. */
#include "config.h"
#include "object/cell.h"
#include "base/error.h"
#include "object/number.h"
#include "shm/heap.h"

#include <string.h>

#define MOST (UINT64_C(1) << 47) /* bytes of a value */

static struct kith__cell_block *block_at(uint64_t block)
{
    return kith__at(block);
}

static uint64_t meta_of(int type, size_t size)
{
    return (uint64_t)size << 8 | (unsigned)(type & 255);
}

int kith__held_make(struct kith__held *h, int type, const void *bytes, size_t size)
{
    uint64_t block;

    *h = (struct kith__held){ meta_of(type, size), 0 };
    if (size <= KITH__CELL_FEW) {
        if (size > 0)
            memcpy(&h->payload, bytes, size);
        return 0;
    }
    if (size >= MOST)
        return kith__fail(KITH_ENOMEM, "there is no memory for a value of %zu bytes", size);
    if ((block = kith__heap_alloc(sizeof(struct kith__cell_block) + size, kith__me)) == 0)
        return KITH_ENOMEM;
    memcpy(block_at(block)->bytes, bytes, size);
    h->payload = block;
    return 0;
}

int kith__held_from_block(struct kith__held *h, int type, uint64_t *block, size_t size)
{
    if (size <= KITH__CELL_FEW)
        return kith__held_make(h, type, block_at(*block)->bytes, size);
    *h = (struct kith__held){ meta_of(type, size), *block };
    *block = 0;
    return 0;
}

void kith__held_drop(struct kith__held *h)
{
    kith__heap_free(kith__held_block(h));
    *h = (struct kith__held){ 0, 0 };
}

uint64_t kith__held_mark(const struct kith__held *h)
{
    uint64_t block = kith__held_block(h);

    return block ? block_at(block)->mark : h->payload;
}

int kith__held_is(const struct kith__held *h, int type, const void *bytes, size_t size)
{
    return h->meta == meta_of(type, size) && (size == 0 || memcmp(kith__held_bytes(h), bytes, size) == 0);
}

void kith__held_publish(struct kith__guard *g, const struct kith__held *h, uint64_t mark)
{
    uint64_t block = kith__held_block(h);

    if (!block)
        return;
    block_at(block)->mark = mark;
    kith__guard_set(g, kith__heap_owner(block), 0);
}

void kith__cell_set(struct kith__guard *g, struct kith__cell *c, const struct kith__held *h)
{
    kith__guard_set(g, &c->meta, h->meta);
    kith__guard_set(g, &c->payload, h->payload);
}

void kith__cell_fill(struct kith__cell *c, const struct kith__held *h)
{
    atomic_store_explicit(&c->meta, h->meta, memory_order_relaxed);
    atomic_store_explicit(&c->payload, h->payload, memory_order_relaxed);
}

/* -------------------------------------------------------------------------- giving */

void *kith__give_buffer(struct kith__result *out, uint64_t size)
{
    out->size = size;
    if (out->buf || size <= KITH__FEW)
        return out->buf ? out->buf : out->few;
    if ((out->block = kith__heap_alloc(size, kith__me)) == 0)
        return NULL;
    out->flags |= KITH__GIVEN | KITH__MARK;
    return kith__at(out->block);
}

int64_t kith__give_copy(struct kith__result *out, const void *bytes, uint64_t size)
{
    void *buf = kith__give_buffer(out, size);

    if (!buf)
        return KITH_ENOMEM;
    if (size > 0)
        memcpy(buf, bytes, size);
    return (int64_t)size;
}

int kith__held_fits(const struct kith__held *h, int wanted, uint64_t room)
{
    uint64_t size = kith__held_size(h);

    int type = kith__held_type(h);

    if (wanted && type != wanted && type != KITH__BYTES_LETTER && wanted != KITH__BYTES_LETTER)
        return kith__fail(KITH_ETYPE, "the value is %s, not %s", kith__type_name(type),
                          kith__type_name(wanted));
    if (wanted && room != size && type == KITH__STRING_LETTER)
        return kith__fail(KITH_ESIZE,
                          "the value is a string of %llu bytes: read it by kith_dict_get, kith_ns_get or "
                          "kith_list_get",
                          (unsigned long long)size);
    if (wanted && room != size)
        return kith__fail(KITH_ESIZE, "the value has %llu bytes (%s), not %llu", (unsigned long long)size,
                          kith__type_name(type), (unsigned long long)room);
    if (size > room)
        return kith__fail(KITH_ETOOBIG,
                          "the value has %llu bytes, more than the %llu there is room for; it is still there",
                          (unsigned long long)size, (unsigned long long)room);
    return 0;
}

int64_t kith__held_give(const struct kith__held *h, int wanted, uint64_t room, struct kith__result *out)
{
    int rc = kith__held_fits(h, wanted, room);

    return rc < 0 ? rc : kith__give_copy(out, kith__held_bytes(h), kith__held_size(h));
}

/* Bytes are of any type. */
static int has_type(const struct kith__held *h, int type, size_t size)
{
    return h->meta == 0 || h->meta == meta_of(type, size) || h->meta == meta_of(KITH__BYTES_LETTER, size);
}

int kith__held_compute(struct kith__held *h, int type, int op, const void *by, uint64_t size, uint64_t *old)
{
    const struct kith__number *n = kith__number(type);
    uint64_t x = h->meta ? h->payload : 0, y = 0; /* aligned */
    int rc;

    if (!n)
        return kith__fail(KITH_ETYPE, "%d is no type of a number: give one of i I l L q f d", type);
    if (size != n->size)
        return kith__fail(KITH_ESIZE, "%s has %zu bytes, not %llu", n->name, n->size,
                          (unsigned long long)size);
    if (!has_type(h, type, n->size))
        return kith__fail(KITH_ETYPE, "the value is %s, and the call is for %s: their types must agree",
                          kith__type_name(kith__held_type(h)), n->name);
    memcpy(&y, by, n->size);
    *old = 0;
    if ((rc = n->update(&x, op, &y, old)) < 0)
        return rc;
    *h = (struct kith__held){ meta_of(type, n->size), x };
    return 0;
}

/* ------------------------------------------------------------------------------ trash */

void kith__trash_add(struct kith__guard *g, struct kith__trash *t, uint64_t block, uint64_t another)
{
    uint64_t first = atomic_load(&t->first), count = atomic_load(&t->count);

    if (block) {
        kith__guard_set(g, &block_at(block)->link, first);
        first = block;
        count++;
    }
    if (another) {
        kith__guard_set(g, &block_at(another)->link, first);
        first = another;
        count++;
    }
    if (block || another) {
        kith__guard_set(g, &t->first, first);
        kith__guard_set(g, &t->count, count);
    }
}

static int free_one(struct kith__object *o, struct kith__trash *t)
{
    uint64_t block = atomic_load(&t->first), count = atomic_load(&t->count);

    if (!block)
        return 0;
    kith__guard_set(&o->guard, &t->count, count > 0 ? count - 1 : 0);
    kith__free_from(o, block, &t->first, atomic_load(&block_at(block)->link));
    return 1;
}

void kith__trash_empty(struct kith__object *o, struct kith__trash *t, int most)
{
    while (most-- > 0 && free_one(o, t))
        ;
}

void kith__trash_free(struct kith__object *o, struct kith__trash *t)
{
    while (free_one(o, t))
        ;
}

void kith__free_from(struct kith__object *o, uint64_t block, kith__word *word, uint64_t value)
{
    if (block)
        kith__guard_set(&o->guard, kith__heap_owner(block), kith__me);
    kith__guard_set(&o->guard, word, value);
    kith__guard_commit(&o->guard);
    kith__heap_free(block);
}
