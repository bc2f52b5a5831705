/* placement.h: on which node a Process is to run; and the class node, which is what one agent asks of
 * another. */
#ifndef KITH_PLACEMENT_H
#define KITH_PLACEMENT_H

#include "net/protocol.h"

struct kith__placement;

/* For the agent of that node; cpus[k]: of node k. What it returns is what the class node asks from here on.
 */
struct kith__placement *kith__placement_new(struct kith__proto *p, uint32_t node, uint32_t nodes,
                                            const uint32_t *cpus);

/* Tells all others what is busy here; to be called now and then. */
void kith__placement_tell(struct kith__placement *self, int64_t now);

#endif
