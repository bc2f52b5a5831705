/* discovery.h: who shares this node. */
#ifndef KITH_DISCOVERY_H
#define KITH_DISCOVERY_H

#include "start/rendezvous.h"

/* After the records were told: fills in leader, and the lines inside nodes. 0 or a code. */
int kith__discover_nodes(struct kith__rendezvous *m);

#endif
