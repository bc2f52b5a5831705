/* values.h: the Value and the Array of a history: what was added to them is there at the end, once, whoever
 * died over it. */
#ifndef CHAOS_VALUES_H
#define CHAOS_VALUES_H

#include "dice.h"

void open_value(void);

/* Adds to them some times, and takes the Value's lock for a moment. */
void use_value(struct dice *d);

/* At the end, when nobody uses it any more: compares, and closes it. */
void end_value(void);

#endif
