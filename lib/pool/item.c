/* item.c: see item.h. Called by feed.c. */
#include "config.h"
#include "pool/item.h"
#include "base/error.h"
#include "pool/fault.h"
#include "shm/heap.h"

#include <string.h>

int kith__callee_make(const struct kith__call_spec *s, uint64_t *block)
{
    struct kith__token fn;
    struct kith__callee *c;
    int rc = kith__token_make(&fn, s->fn);

    if (rc < 0)
        return rc;
    if (!(*block = kith__heap_alloc(sizeof *c, kith__me)))
        return KITH_ENOMEM;
    c = kith__at(*block);
    memset(c, 0, sizeof *c);
    memcpy(&c->fn, &fn, sizeof fn);
    c->kind = (uint32_t)s->kind;
    c->shape = (uint32_t)s->shape;
    c->in_size = s->in_size;
    c->out_size = s->out_size;
    if (s->in_size > KITH__ROW_INLINE || s->out_size > KITH__ROW_INLINE_OUT)
        c->out_at = s->in_size ? (s->in_size + 63) / 64 * 64 : 64;
    if (s->name)
        memcpy(c->name, s->name, strnlen(s->name, sizeof c->name - 1));
    return 0;
}

int kith__callee_is(uint64_t block, const struct kith__call_spec *s)
{
    const struct kith__callee *c = kith__at(block);

    return c->kind == (uint32_t)s->kind && c->shape == (uint32_t)s->shape && c->in_size == s->in_size &&
           c->out_size == s->out_size;
}

int kith__item_fill(struct kith__item *item, const struct kith__call_spec *s, uint64_t callee)
{
    const struct kith__callee *c = kith__at(callee);
    void *in = item->in;

    if (c->out_at) {
        if (!(item->in[0] = kith__heap_alloc(c->out_at + c->out_size, kith__me)))
            return KITH_ENOMEM;
        in = kith__at(item->in[0]);
    }
    if (c->in_size)
        memcpy(in, s->in, c->in_size);
    item->callee = callee;
    item->number = s->call ? s->call : kith__call_number();
    atomic_store_explicit(&item->result, 0, memory_order_relaxed);
    atomic_store_explicit(&item->state, KITH__ITEM_QUEUED, memory_order_relaxed);
    return 0;
}

void kith__item_unfill(struct kith__item *item)
{
    if (((const struct kith__callee *)kith__at(item->callee))->out_at)
        kith__heap_free(item->in[0]);
}

/* All of that is this process's, so its janitor finds it. */
void kith__item_take(struct kith__item *item)
{
    const struct kith__callee *c = kith__at(item->callee);
    uint64_t bytes = kith__item_state(item) == KITH__ITEM_DONE ? kith__item_block(item) : 0,
             block = c->out_at ? item->in[0] : 0,
             fault = kith__item_state(item) == KITH__ITEM_FAILED ? atomic_load(&item->result) : 0;

    atomic_store_explicit(&item->state, KITH__ITEM_NONE, memory_order_release);
    kith__heap_free(bytes);
    kith__heap_free(block);
    kith__heap_free(fault);
}

uint64_t kith__item_size(const struct kith__item *item)
{
    return ((const struct kith__callee *)kith__at(item->callee))->out_size;
}

const char *kith__item_name(const struct kith__item *item)
{
    struct kith__callee *c = kith__at(item->callee);

    if (c->name[0] == '\0')
        kith__token_name(&c->fn, c->name, sizeof c->name);
    return c->name;
}

void kith__item_tell_if_failed(struct kith__item *item)
{
    if (kith__item_state(item) == KITH__ITEM_FAILED)
        kith__fault_tell_dropped(kith__item_name(item), atomic_load(&item->result));
}

static void give_away(struct kith__item *item, const struct kith__callee *c)
{
    uint64_t block = kith__item_block(item);

    memset(kith__item_out(item, c), 0, c->out_size);
    if (block)
        kith__heap_pass(block, kith__me, 0);
}

int kith__item_outcome(struct kith__item *item, uint64_t task, void *out)
{
    const struct kith__callee *c = kith__at(item->callee);

    switch (kith__item_state(item)) {
    case KITH__ITEM_DONE:
        if (out && c->out_size)
            memcpy(out, kith__item_out(item, c), c->out_size);
        if (out && c->kind == KITH__JOB_VARIABLE) /* its memory is the taker's */
            give_away(item, c);
        return 0;
    case KITH__ITEM_FAILED:
        return kith__fault_keep_one(kith__item_name(item), task, atomic_load(&item->result));
    default: return kith__fail(KITH_ECANCELLED, "%s was cancelled", kith__item_name(item));
    }
}
