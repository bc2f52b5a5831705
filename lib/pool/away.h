/* away.h: calls that do not wait, to pools of other nodes: for elsewhere.c, which keeps them.
 *
 * A process has a clerk (clerk.h) on each node with a pool that it calls so. A call goes there as an order,
 * named by its number (local.h), and its outcome is taken over when it comes: by a thread of kith's for each
 * clerk. When that or its node is lost, all calls that are there have ended with it.
 */
#ifndef KITH_AWAY_H
#define KITH_AWAY_H

#include "pool/call.h"

struct kith__away; /* to the clerk of a node; stays for ever, but may be over */

/* To that of node, which is started where there is none. 0; a code. */
int kith__away_to(uint32_t node, struct kith__away **to);

/* Sends an order, as this thread would make the call. 0; KITH_EPEER: it is over; KITH_ENOMEM; why s is none.
 */
int kith__away_order(struct kith__away *to, const struct kith__call_spec *s, uint64_t number);

/* To be cancelled; or, of a task, only if it has not begun. What comes of it comes as its outcome. */
void kith__away_cancel(struct kith__away *to, uint64_t number);
void kith__away_withdraw(struct kith__away *to, uint64_t number);

/* At the end of the job: all clerks end. */
void kith__away_end(void);

#endif
