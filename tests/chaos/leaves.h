/* leaves.h: leaves, Processes that do little. */
#ifndef CHAOS_LEAVES_H
#define CHAOS_LEAVES_H

#include "dice.h"

/* Starts some at once, ends some of them early, and looks how each ended. */
void start_leaves(struct dice *d);

/* A task's own one. 0, or the code of kith when the Process was lost. */
int spawn_and_join(struct dice *d);

/* Starts one by kith_start, with a plain function. */
void start_plain(struct dice *d);

#endif
