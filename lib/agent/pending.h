/* pending.h: the node agent as the host of calls that come from other nodes, or from this one through the
 * network: it carries them out on the objects at home here, and keeps those that have to wait. */
#ifndef KITH_GUEST_H
#define KITH_GUEST_H

#include "net/protocol.h"

void kith__pending_init(struct kith__proto *p, uint32_t node);

/* Events of the protocol. */
uint64_t kith__pending_request(uint32_t peer, const struct kith__request *r, const void *bytes, int64_t now);
void kith__pending_arrived(uint32_t peer, uint64_t id, uint64_t block, int64_t now);
void kith__pending_settled(uint32_t peer, uint64_t id, int taken);
void kith__pending_cancelled(uint32_t peer, uint64_t id);
void kith__pending_ended(uint32_t peer);

/* Tries what is parked again, where woken is 1 or it is due anyway. Returns when to be called at the latest;
 * INT64_MAX. */
int64_t kith__pending_retry(int woken, int64_t now);

#endif
