/* pool.h: opening and ending pools; the calls that give them jobs are in call.c. */
#ifndef KITH_POOL_H
#define KITH_POOL_H

#include "pool/board.h"
#include "object/class.h"

/* 1: this thread may be in a task of a pool that somebody is closing, and which waits for its tasks before it
 * ends: they may still call it. */
int kith__pool_awaits_us(uint64_t id);

/* 1: p is open, and its workers are threads of a process. */
int kith__pool_is_of_threads(kith_pool p);

/* Closes those of this process that are still open. */
void kith__pools_of_threads_close(void);

/* The pool that stands for p in this process: in tasks of a branch of p that branch, else p. */
kith_pool kith__pool_here(kith_pool p);

/* The branch of p on this node; p when there is none. */
kith_pool kith__pool_branch(kith_pool p);

/* Opens a pool that is spread so (spread.h), whatever .nodes says. 0; a code. */
struct kith__spread;
int kith__pool_open_spread(struct kith__spread *plan, const struct kith_pool_options *o, uint64_t *id);

/* Opens a branch of a pool of another node, with options of that. 0; a code. */
int kith__pool_open_branch(const struct kith__trunk *trunk, int workers, const struct kith_pool_options *o,
                           uint64_t *id);

/* 0 and the object of an open pool of this node. Its guard is not held: lanes and jobs have rules of their
 * own. */
int kith__pool_find(kith_pool p, struct kith__object **o);

/* Likewise, and its guard is held: until kith__object_leave nobody closes the pool. */
int kith__pool_enter(kith_pool p, struct kith__object **o);

/* Finishes the commits of the dead everywhere but in the heap, before anything of theirs is taken back. */
void kith__commits_finish(void);

/* Nothing more is claimed of the jobs that a dead member had posted; nor does it wait. Then _sweep. */
void kith__jobs_abandon(uint32_t member);

/* Withdraws the jobs that a dead member had posted, and waits until no worker touches them: their memory can
 * be taken back after that. For its janitor. */
void kith__jobs_sweep(uint32_t member);

#endif
