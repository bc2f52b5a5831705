/* pool.h: finding and ending pools. They are opened in opening.c; the calls that give them jobs are in
 * call.c. */
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

/* 0 and the object of an open pool of this node. Its guard is not held: lanes and jobs have rules of their
 * own. */
int kith__pool_find(kith_pool p, struct kith__object **o);

/* Likewise, and its guard is held: until kith__object_leave nobody closes the pool. */
int kith__pool_enter(kith_pool p, struct kith__object **o);

/* Waits until it is done, or has failed. 0; KITH_EPEER: there is no fork server. */
int kith__pool_await(struct kith__object *o, int (*done)(const struct kith__pool *p),
                     int (*failed)(const struct kith__pool *p));

/* Workers that are processes end, or are killed; threads begin nothing any more. */
void kith__pool_stop(struct kith__object *o, enum kith__pool_event event);

#endif
