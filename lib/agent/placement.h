/* placement.h: on which node a Process is to run; and the class node, which is what one agent asks of
 * another. */
#ifndef KITH_PLACEMENT_H
#define KITH_PLACEMENT_H

#include "agent/request.h"

struct kith__placement;

/* For the agent of that node; requests: of its threads; cpus[k]: of node k. */
struct kith__placement *kith__placement_new(struct kith__proto *p, struct kith__requests *requests,
                                            uint32_t node, uint32_t nodes, const uint32_t *cpus);
void kith__placement_free(struct kith__placement *self);

/* It is what the class node asks from here on. */
void kith__placement_use(struct kith__placement *self, int64_t now);

/* Tells all others what is busy here; to be called now and then. */
void kith__placement_tell(struct kith__placement *self);

#endif
