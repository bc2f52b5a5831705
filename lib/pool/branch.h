/* branch.h: a pool that has workers on other nodes, as its home sees it.
 *
 * On each of those nodes a process, the foreman, has a pool of its own for it, the branch, and asks the home
 * by the methods of the class: it joins, claims ranges of jobs, asks what a job is that it does not know,
 * returns results, waits for news, and leaves. All of these are carried out by the agent of the home, which
 * has a lane and a cell of its own for that: so nothing of it is done by two at a time.
 */
#ifndef KITH_BRANCH_H
#define KITH_BRANCH_H

#include "pool/board.h"
#include "pool/deal.h"

enum {
    KITH__POOL_JOIN = KITH__FIRST_METHOD, /* number: workers of the branch, bytes: its handle (uint64_t); 0:
                                             there is none, and the bytes say why (struct kith__branch_fault).
                                             0; KITH_EEND: the pool takes nobody any more */
    KITH__POOL_CLAIM, /* bytes: struct kith__deal, and results as of a RETURN, or none; number: room for what
                         comes. Gives a grant (parcel.h), or nothing and the size of one that needs more room;
                         KITH_EEND: there will be none any more. Whatever comes of it the results may have
                         been taken: those of a claim that fails come again */
    KITH__POOL_JOB, /* number: kith__touch of it. Gives it (parcel.h); KITH_ECANCELLED: nothing of it is to be
                       begun any more; KITH_EEND: and what is under way is to be ended. Of a row, with the
                       epoch of a grant (uint64_t): 0; KITH_EEND: it is to be ended */
    KITH__POOL_RETURN, /* bytes: a result (parcel.h). 0; KITH_ESTALE: it comes too late, and does not count */
    KITH__POOL_NEWS,   /* number: of the last news. Waits for the next: gives struct kith__pool_news */
    KITH__POOL_LEAVE,  /* it has none of its workers any more; bytes, when exit functions have failed: struct
                          kith__branch_fault. 0 */
    KITH__POOL_RECORDS, /* asked of a branch, by anybody: gives a struct kith__worker_report of each of its
                         * workers
                         */
    KITH__POOL_WORKERS, /* asked by anybody: how many workers it has, on all nodes */
    KITH__POOL_OUTLINE, /* asked by anybody: gives struct kith__pool_outline and whose records are to be asked
                           for */
    KITH__POOL_PROGRESS, /* asked by anybody: number 1: its calls are shown, 0: not. 0 */
    KITH__POOL_METHODS
};

struct kith__pool_news {
    uint64_t number; /* grows when a job is given up, or the pool goes into another state */
    uint64_t state;  /* enum kith__pool_state */
};

enum { KITH__POOL_IDLE, KITH__POOL_CHANGES, KITH__POOL_FOREMEN, KITH__POOL_SIDES }; /* whose waiters */

/* KILLED: its foreman is dead, not its node: it may get another one, and is free again then. */
enum kith__branch_state {
    KITH__BRANCH_FREE,
    KITH__BRANCH_OPEN,
    KITH__BRANCH_LEFT,
    KITH__BRANCH_LOST,
    KITH__BRANCH_KILLED
};

struct kith__branch {
    _Atomic uint64_t holder; /* of what it was granted: node << 32 | serial number of the foreman */
    _Atomic uint32_t state, workers;
    _Atomic uint64_t handle;              /* of the pool there; 0: not known */
    uint32_t node, planned, first_worker; /* as it was opened; planned: workers, 0: for any node */
    _Atomic uint32_t successors;          /* foremen that it got after the first one */
    _Atomic int64_t successor;            /* the Process of the last one; 0: there was none */
    struct kith__deal deal;               /* as it said with its last claim */
};

struct kith__branches { /* a block. Written by the agent, but for .news, .killed, and by spread.c */
    struct kith__lane lane;
    _Atomic uint64_t news;
    _Atomic uint32_t killed; /* 1: some foreman was: see kith__spread_repair */
    _Atomic int64_t look_at; /* then successors that have not joined are looked at; 0: there is none */
    uint64_t epoch;          /* of the last grant */
    uint32_t waits;          /* 1: some claim waits for something to come back, or to be returned */
    uint32_t count;          /* of branches, at most */
    struct kith__branch of[];
};

static inline struct kith__branches *kith__branches(const struct kith__pool *p)
{
    uint64_t block = atomic_load_explicit(&p->branches, memory_order_relaxed);

    return block ? kith__at(block) : NULL;
}

/* Of a pool that is being opened, and is to have so many. 0; KITH_ENOMEM. */
int kith__branches_make(struct kith__pool *p, uint32_t count);

/* 1: there is none that may still come with something. */
int kith__branches_have_left(const struct kith__pool *p);

/* A job is given up, or the pool is in another state: those that wait for news have some. */
void kith__branches_tell(struct kith__object *o);

extern const struct kith__method kith__pool_methods[KITH__POOL_METHODS];

/* Hooks of the class. */
int kith__branch_undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given);
void kith__branch_died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out);
/* What a node has that gives no sign of life goes back, where all that waits for it is that, and it is done
 * here within the time that it takes to be sure that the node is lost. Should it come back, its results come
 * too late, as those of a node that counted as lost do. */
void kith__branch_doubted(struct kith__object *o, const struct kith__caller *who, struct kith__result *out);

#endif
