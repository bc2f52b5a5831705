/* locks.h: the Lock of a history: one holds it at a time, and who gets it from a dead holder knows. */
#ifndef CHAOS_LOCKS_H
#define CHAOS_LOCKS_H

#include "dice.h"

void open_lock(void);

/* Holds it for some moments, again and again. */
void use_lock(struct dice *d);

/* At the end, when nobody uses it any more: it is free. */
void end_lock(void);

#endif
