/* waits.h: one call of kith_wait for an end of a Pipe, an Event, a Process and a descriptor, of which some
 * come and some do not. */
#ifndef CHAOS_WAITS_H
#define CHAOS_WAITS_H

#include "dice.h"

void wait_for_many(struct dice *d);

#endif
