/* spread.h: the workers of a pool on other nodes, for who opens it: it starts a foreman on each of these
 * nodes, and waits until all have joined. See branch.h.
 */
#ifndef KITH_SPREAD_H
#define KITH_SPREAD_H

#include "pool/pool.h"

struct kith__spread {
    uint32_t here, all;  /* workers on this node; on all */
    uint32_t count;      /* of other nodes */
    struct kith__share { /* in the order in which workers are numbered */
        uint32_t node, workers, first_worker;
        int64_t process; /* handle of its foreman; a code: there is none */
    } of[];
};

/* How many of the workers each of count nodes gets, when each[k] is what it has room for; the first one is
 * that of who opens the pool. workers 0: each gets what it has room for. Else one node after the other is
 * filled, and what is more than there is room for goes round. */
void kith__spread_shares(uint32_t workers, const uint32_t *each, uint32_t count, uint32_t *shares);

/* How a pool with these arguments is spread; from malloc. nodes: of at most that many; < 0: of all. 0; a
 * code. */
int kith__spread_plan(int workers, int nodes, struct kith__spread **plan);

/* The pool id, which is published, gets its foremen, whose branches are opened as it was. */
void kith__spread_begin(struct kith__object *o, uint64_t id, struct kith__spread *plan);

/* Waits until they have joined. 0; KITH_ETASK: an initializer has failed somewhere. A node that is lost, or
 * has no process to spare, is left out. */
int kith__spread_await(struct kith__object *o, struct kith__spread *plan);

/* For who has a call in it: foremen that were killed get successors, up to some. Cheap when none was. When it
 * is to be called again; -1: when something has changed. */
int64_t kith__spread_repair(struct kith__object *o);

/* 1: some aligned word of these bytes is an address, of a block in use of kith's memory or of what this
 * process has mapped, which are this node's: tasks that are given it must run here. Of many elements of size
 * some are looked at. */
int kith__spread_points_here(const void *bytes, uint64_t size, uint64_t n);
void kith__spread_tell_here(const char *name); /* logs that so it is with that call or task */

/* Workers of all nodes. */
uint32_t kith__spread_workers(const struct kith__pool *p);

#endif
