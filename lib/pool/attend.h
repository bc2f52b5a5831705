/* attend.h: calls to a pool from a process on another node than the pool's.
 *
 * Such a process has, on the node of the pool, attendants: Processes of kith's that make calls there, and
 * send back what has come of them. A call that waits takes an idle one, or starts one; they are connected by
 * a Pipe, and end with the process that they serve. So what a call is stands in call.c alone, and who calls
 * from afar may be anybody who can open a Pipe. Calls that do not wait have another kind: see away.h.
 */
#ifndef KITH_ATTEND_H
#define KITH_ATTEND_H

#include "pool/call.h"

/* 1: the pool is at home elsewhere, and no task of a branch of it here runs in this process (kith__pool_here
 * was asked). */
int kith__attend_is_needed(kith_pool pool);

/* For tests: a pool of this node that seems to be another node's to this process. */
extern kith_pool kith__attend_far;

/* Where a call to a pool of another node is posted: there; or in its branch here, which becomes s->pool, and
 * what that was s->far. What means something on this node only is for its workers: addresses, and loops,
 * whose results are what they leave in memory. And so is what begins at once: when each of its tasks has a
 * worker here that waits for work, the way to the pool's node and back would win nothing. The rest has all
 * workers of the pool. waits: the caller does; of others the next may come before the first has begun.
 * 1: it is posted here, and can be made there all the same, should the branch end under it. */
int kith__attend_place(struct kith__call_spec *s, int waits);

/* The branch here has ended, with calls in it. KITH_EPEER: the pool's node is lost, or only the foreman here:
 * of what the branch had begun nobody knows how far it has come. 0: the pool itself has ended; also when far
 * is none. */
int kith__attend_ended(kith_pool far);

/* What a call to a pool of node gives that has failed with rc on its way: KITH_EEND is all that a Pipe knows
 * of who has ended at its other end. KITH_EPEER, with that or the loss of the node; or rc. */
int kith__attend_lost(uint32_t node, int rc);

/* As kith__call, by an attendant. KITH_EPEER: the node of the pool, or the attendant, is lost: whether tasks
 * have run is not known. */
int kith__attend(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
                 void *context);

/* Starts a process of kith's that runs fn on that node, with its end of a new Pipe as argument. 0; a code. */
struct kith__attendant {
    kith_pipe end; /* ours */
    kith_process process;
};
int kith__attendant_begin(uint32_t node, int (*fn)(const void *end), const char *name,
                          struct kith__attendant *a);
void kith__attendant_dismiss(struct kith__attendant *a); /* it ends, and what it does is given up */

#endif
