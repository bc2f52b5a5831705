/* row.h: a row: one job whose units are calls of one task each, which are given one after the other, without
 * an end.
 *
 * A call with a job of its own has cells for all workers, a guard and waiters: 1.5 KiB. In a row it has an
 * item of 64 bytes, and is claimed as any unit is, one at a time: a task may wait for another that was given
 * later, so no worker may have two. kith_apply_async and kith_imap stand on this; feed.h is the owner's end.
 *
 * All but the job belongs to the process that gives the tasks. It goes with it, when no worker touches the
 * job any more, and it outlives the pool: results may be taken after that was closed.
 */
#ifndef KITH_ROW_H
#define KITH_ROW_H

#include "pool/board.h"

enum {
    KITH__ROW_CHUNK = 1024,                                            /* items in a block */
    KITH__ROW_MAP = 512,                                               /* blocks in a map; maps in a row */
    KITH__ROW_ITEMS = KITH__ROW_CHUNK * KITH__ROW_MAP * KITH__ROW_MAP, /* between the oldest and the newest */
    KITH__ROW_INLINE = 24,
    KITH__ROW_INLINE_OUT = 8
};

#define KITH__ROW_UNITS (UINT64_C(1) << 46) /* of a row in all */
#define KITH__ROW_ANY UINT64_MAX

enum kith__item_state {
    KITH__ITEM_NONE, /* its result was taken */
    KITH__ITEM_QUEUED,
    KITH__ITEM_RUNNING,
    KITH__ITEM_CONDEMNED, /* it runs, or did, and is to be ended with its worker */
    KITH__ITEM_DONE,
    KITH__ITEM_FAILED, /* .result is a block: struct kith__fault_entry, or 0 where there was no memory */
    KITH__ITEM_CANCELLED
};

struct kith__item {
    _Atomic uint64_t state; /* enum kith__item_state. To QUEUED and NONE by the owner, from QUEUED to RUNNING
                               and from RUNNING by the worker, or by who settles its claim; to CONDEMNED and,
                               from QUEUED, to CANCELLED by who cancels */
    uint64_t callee;        /* struct kith__callee */
    uint64_t in[3]; /* its argument; or, when that or the result is larger, in[0] is a block for both */
    kith__word result;
    uint64_t number; /* for its random numbers */
    uint64_t spare;
} __attribute__((aligned(64)));

struct kith__callee { /* a function, and what it takes */
    uint32_t kind;    /* KITH__JOB_NUMBERS, _BYTES or _VARIABLE */
    uint32_t shape;
    uint64_t in_size, out_size;
    uint64_t out_at; /* of the result, in the block; 0: there is none, all is in the item */
    struct kith__token fn;
    char name[64];
};

struct kith__row {
    struct kith__waiters waiters;
    _Atomic uint64_t awaited;       /* unit + 1 whose end is waited for; KITH__ROW_ANY; 0: none */
    kith__word maps[KITH__ROW_MAP]; /* blocks: kith__word[KITH__ROW_MAP], blocks of items */
    /* 1: the owner is about to use the job, and looks whether the pool is open. Apart: workers read the
     * others. */
    _Atomic uint32_t pinned __attribute__((aligned(64)));
};

static inline struct kith__row *kith__job_row(const struct kith__job *j)
{
    return kith__at(j->arg);
}

/* Of a unit that was given and not taken, or whose claim is live. */
static inline struct kith__item *kith__row_item(const struct kith__row *row, uint64_t unit)
{
    uint64_t chunk = unit / KITH__ROW_CHUNK;
    const kith__word *map = kith__at(
        atomic_load_explicit(&row->maps[chunk / KITH__ROW_MAP % KITH__ROW_MAP], memory_order_acquire));

    return (struct kith__item *)kith__at(
               atomic_load_explicit(&map[chunk % KITH__ROW_MAP], memory_order_acquire)) +
           unit % KITH__ROW_CHUNK;
}

static inline const void *kith__item_in(const struct kith__item *item, const struct kith__callee *c)
{
    return c->out_at ? kith__at(item->in[0]) : (const void *)item->in;
}

static inline void *kith__item_out(struct kith__item *item, const struct kith__callee *c)
{
    return c->out_at ? (char *)kith__at(item->in[0]) + c->out_at : (void *)&item->result;
}

static inline enum kith__item_state kith__item_state(const struct kith__item *item)
{
    return (enum kith__item_state)atomic_load(&item->state);
}

static inline int kith__item_has_ended(const struct kith__item *item)
{
    return kith__item_state(item) >= KITH__ITEM_DONE;
}

/* For its worker: 1: it is to be run; 0: it was cancelled. */
int kith__item_begin(struct kith__item *item);
/* It has run well, and its result is there; one of any size is a block of its owner's until it is taken. 0:
 * it was condemned meanwhile, and its result is freed. */
int kith__item_done(const struct kith__job *j, struct kith__item *item);
/* Of one that has run well, or is about to have: the block of a result of any size; 0: it has none. */
uint64_t kith__item_block(struct kith__item *item);
/* For its owner: 0: it is not begun any more; KITH_ERUNNING: it runs; KITH_EEND: it has ended. */
int kith__item_cancel(struct kith__item *item);
/* Of one that runs: 1: it ends as cancelled, whatever becomes of it. Takes j's guard, where faults are
 * stored. */
int kith__row_condemn(struct kith__job *j, uint64_t unit);

/* Behind that, or its fault: who waits for it is woken. */
void kith__row_wake(struct kith__row *row, uint64_t unit);
void kith__row_tell(struct kith__job *j, uint64_t unit);

/* In j's guard: the fault in block (0: no memory) of a unit, in a commit of its own. 0: the unit was
 * condemned, and has ended as cancelled: the block is the caller's still. */
int kith__row_fault(struct kith__job *j, uint64_t block, uint64_t unit);

/* Of the unit that a dead worker was at: 1: it has ended, or does now, as it was condemned. And who waits for
 * it knows. */
int kith__row_is_over(struct kith__job *j, uint64_t unit);
/* Else, before it goes back: it is queued again. */
void kith__row_again(struct kith__job *j, uint64_t unit);

/* Some of what was given has not ended. */
int kith__row_has_work(const struct kith__job *j);

/* Nothing of it is under way that its pool must wait for; ends: the pool runs no tasks any more. */
int kith__row_is_quiet(const struct kith__job *j, int ends);

#endif
