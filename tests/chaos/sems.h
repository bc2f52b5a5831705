/* sems.h: the Semaphore of a history: its units are all there at the end, whoever died with some. */
#ifndef CHAOS_SEMS_H
#define CHAOS_SEMS_H

#include "dice.h"

void open_sem(struct dice *d);

/* Takes some units for a moment, one after the other, and gives them back. */
void use_sem(struct dice *d);

/* At the end, when nobody uses it any more: counts them, and closes it. */
void end_sem(void);

#endif
