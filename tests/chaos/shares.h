/* shares.h: the Namespace and the memory by name of a history: what was added there is there at the end,
 * once; and shared data, which is whole in each process that asks for it. */
#ifndef CHAOS_SHARES_H
#define CHAOS_SHARES_H

#include "dice.h"

void open_names(void);

/* Changes and reads the Namespace and the memory by name some times. */
void use_names(struct dice *d);

/* Shares data, which a Process reads, and closes it. */
void share(struct dice *d);

/* At the end, when nobody uses them any more: compares, and closes them. */
void end_names(void);

#endif
