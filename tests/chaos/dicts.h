/* dicts.h: the Dict and the List of a history: what was added under a key is there at the end, once, values
 * are whole, and what was appended and not taken is there, whoever died over it. */
#ifndef CHAOS_DICTS_H
#define CHAOS_DICTS_H

#include "dice.h"

void open_dict(void);

/* Changes and reads them some times. */
void use_dict(struct dice *d);

/* At the end, when nobody uses them any more: compares, and closes them. */
void end_dict(void);

#endif
