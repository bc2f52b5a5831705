/* calls.h: calls into a pool of an actor's own that have no model: with costs, with results of any size, and
 * with a state of each worker; several maps at a time that do not wait; and results as they come. */
#ifndef CHAOS_CALLS_H
#define CHAOS_CALLS_H

#include "dice.h"
#include "kith.h"

/* One of them. Nothing but a killer can make it fail. */
void other_call(kith_pool p, struct dice *d);

/* 1: a thread of this process has made such a call: the words on which it sleeps stay. */
extern _Atomic int have_not_waited;

#endif
