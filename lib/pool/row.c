/* row.c: see row.h. Called by worker.c and task.c, and by settle.c for the dead. */
#include "config.h"
#include "pool/row.h"
#include "base/system.h"
#include "shm/heap.h"

#include <string.h>

_Static_assert(sizeof(struct kith__item) == 64, "a row is as long as memory allows");

static int move(struct kith__item *item, enum kith__item_state from, enum kith__item_state to)
{
    uint64_t seen = from;

    return atomic_compare_exchange_strong(&item->state, &seen, to);
}

int kith__item_begin(struct kith__item *item)
{
    if (move(item, KITH__ITEM_QUEUED, KITH__ITEM_RUNNING))
        return 1;
    move(item, KITH__ITEM_CONDEMNED, KITH__ITEM_CANCELLED); /* its last worker died, and then it was */
    return 0;
}

uint64_t kith__item_block(struct kith__item *item)
{
    const struct kith__callee *c = kith__at(item->callee);
    kith_bytes b;

    if (c->kind != KITH__JOB_VARIABLE)
        return 0;
    memcpy(&b, kith__item_out(item, c), sizeof b);
    return b.data ? kith__offset(b.data) : 0;
}

int kith__item_done(const struct kith__job *j, struct kith__item *item)
{
    uint64_t block = kith__item_block(item);

    if (block)
        kith__heap_pass(block, 0, j->poster);
    if (move(item, KITH__ITEM_RUNNING, KITH__ITEM_DONE))
        return 1;
    kith__heap_free(block);
    return 0;
}

void kith__row_wake(struct kith__row *row, uint64_t unit)
{
    /* Who waits has said so before it looked at the item. */
    uint64_t awaited = atomic_load(&row->awaited);

    if ((awaited == KITH__ROW_ANY || awaited == unit + 1) && kith__has_waiters(&row->waiters))
        kith__wake_all(&row->waiters);
}

void kith__row_tell(struct kith__job *j, uint64_t unit)
{
    kith__row_wake(kith__job_row(j), unit);
}

int kith__item_cancel(struct kith__item *item)
{
    if (move(item, KITH__ITEM_QUEUED, KITH__ITEM_CANCELLED))
        return 0;
    return kith__item_has_ended(item) ? KITH_EEND : KITH_ERUNNING;
}

int kith__row_condemn(struct kith__job *j, uint64_t unit)
{
    int is;

    kith__guard_enter(&j->guard);
    is = move(kith__row_item(kith__job_row(j), unit), KITH__ITEM_RUNNING, KITH__ITEM_CONDEMNED);
    kith__guard_leave(&j->guard);
    return is;
}

/* A block that was the worker's is the owner's then. */
int kith__row_fault(struct kith__job *j, uint64_t block, uint64_t unit)
{
    struct kith__item *item = kith__row_item(kith__job_row(j), unit);

    if (kith__item_state(item) == KITH__ITEM_CONDEMNED) {
        kith__row_is_over(j, unit);
        return 0;
    }
    kith__guard_set(&j->guard, &item->result, block);
    if (block)
        kith__guard_set(&j->guard, kith__heap_owner(block), j->poster);
    kith__guard_set(&j->guard, &item->state, KITH__ITEM_FAILED);
    kith__guard_commit(&j->guard);
    return 1;
}

int kith__row_is_over(struct kith__job *j, uint64_t unit)
{
    struct kith__item *item = kith__row_item(kith__job_row(j), unit);
    enum kith__item_state state;

    move(item, KITH__ITEM_CONDEMNED, KITH__ITEM_CANCELLED);
    state = kith__item_state(item);
    if (state == KITH__ITEM_QUEUED || state == KITH__ITEM_RUNNING || state == KITH__ITEM_CONDEMNED)
        return 0;
    kith__row_tell(j, unit);
    return 1;
}

void kith__row_again(struct kith__job *j, uint64_t unit)
{
    move(kith__row_item(kith__job_row(j), unit), KITH__ITEM_RUNNING, KITH__ITEM_QUEUED);
}

int kith__row_has_work(const struct kith__job *j)
{
    uint64_t done = 0;

    for (uint32_t w = 0; w < j->workers; w++)
        done += atomic_load(&j->cells[w].done);
    return done != atomic_load(&j->limit) && atomic_load(&j->cancelled) == KITH__NOT_CANCELLED;
}

int kith__row_is_quiet(const struct kith__job *j, int ends)
{
    kith__fence();
    if (atomic_load(&kith__job_row(j)->pinned))
        return 0;
    return ends || !kith__row_has_work(j);
}
