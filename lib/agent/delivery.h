/* delivery.h: what the agent's objects have given to callers of other nodes, until it is known that they have
 * it. What was not taken goes back to its object; when there is no room for it now, that is tried again. */
#ifndef KITH_DELIVERY_H
#define KITH_DELIVERY_H

#include "base/table.h"
#include "object/class.h"

struct kith__delivery;

struct kith__deliveries {
    KITH__TABLE(struct kith__delivery) given;
    KITH__LIST(struct kith__delivery) refused; /* are to go back to their objects */
};

/* Notes what the call id of peer, by that method of object, was given. */
void kith__deliveries_add(struct kith__deliveries *self, uint32_t peer, uint64_t id, uint64_t object,
                          uint32_t op, const struct kith__caller *who, const struct kith__result *given);

/* The answer to the call id of peer was taken, or was not. 1: it is still to be put back. */
int kith__deliveries_settled(struct kith__deliveries *self, uint32_t peer, uint64_t id, int taken);

/* Nobody at peer will take anything. */
void kith__deliveries_ended(struct kith__deliveries *self, uint32_t peer);

/* Tries to put back what was refused. 1: there is something left, of which nobody tells when. */
int kith__deliveries_put_back(struct kith__deliveries *self);

void kith__deliveries_free(struct kith__deliveries *self); /* and the blocks */

#endif
