/* pending.h: the node agent as the host of calls that come from other nodes, or from this one through the
 * network: it carries them out on the objects at home here, and keeps those that have to wait. */
#ifndef KITH_PENDING_H
#define KITH_PENDING_H

#include "net/protocol.h"

struct kith__pending;
struct kith__seat;

/* For the agent of that node, which has that seat. */
struct kith__pending *kith__pending_new(struct kith__proto *p, uint32_t node, struct kith__seat *seat);
void kith__pending_free(struct kith__pending *self); /* and the blocks of calls that are not carried out */

/* Events of the protocol. */
uint64_t kith__pending_request(struct kith__pending *self, uint32_t peer, const struct kith__request *r,
                               const void *bytes, int64_t now);
void kith__pending_arrived(struct kith__pending *self, uint32_t peer, uint64_t id, uint64_t block,
                           int64_t now);
void kith__pending_settled(struct kith__pending *self, uint32_t peer, uint64_t id, int taken);
void kith__pending_cancelled(struct kith__pending *self, uint32_t peer, uint64_t id);
void kith__pending_ended(struct kith__pending *self, uint32_t peer);

/* Tries what is parked again, where woken is 1 or it is due anyway. Returns when to be called at the latest;
 * INT64_MAX. */
int64_t kith__pending_retry(struct kith__pending *self, int woken, int64_t now);

#endif
