/* feeds.h: Queues that end: their producers are Processes that are done, or die, or somebody shuts them down.
 */
#ifndef CHAOS_FEEDS_H
#define CHAOS_FEEDS_H

#include "dice.h"

/* Opens one of any order, lets Processes put into it, and takes until it has ended: all that those have put
 * has come, each item once. */
void feed(struct dice *d);

#endif
