/* queues.h: the Queues of a history. A place, 0 to QUEUES - 1, has one after the other: its lives. */
#ifndef CHAOS_QUEUES_H
#define CHAOS_QUEUES_H

#include "action.h"
#include "dice.h"

/* Where a task is to put. */
void choose_queue(struct place *at, struct dice *d);

void open_queue(int q, struct dice *d); /* if there is none, or it was ended */
void end_queue(int q);                  /* the present one, also when another does it too */

/* Puts up to n items one after the other, under a putter's number of their own. */
void put_some(int q, int life, int n, int timeout_ms);

/* Takes up to n items, each of which somebody put there, once, in order. */
void take_some(int q, int life, int n, int timeout_ms);

/* Waits for all of them at once, and takes from those that are ready. */
void take_of_many(struct dice *d);

/* What was put is with somebody, but for what died in the hands of takers. At the end, when all were emptied.
 */
void count_items(void);

/* Through a Queue of its own. */
void relay(struct dice *d);

/* Whoever opens one by name has the same one. */
void open_by_name(struct dice *d);
void close_named(void);

#endif
