/* control.h: the lines between nodes. */
#ifndef KITH_CONTROL_H
#define KITH_CONTROL_H

#include "start/rendezvous.h"

/* When the nodes are known: each leader has a line to rank 0. 0 or a code. */
int kith__control_connect(struct kith__rendezvous *m);

#endif
