/* sync.h: the RLock, the Event, the Condition and the Barrier of a history: whoever dies, nobody waits for
 * the dead. */
#ifndef CHAOS_SYNC_H
#define CHAOS_SYNC_H

#include "dice.h"

void open_sync(void);

/* Uses one of them. */
void use_sync(struct dice *d);

/* At the end, when nobody uses them any more. */
void end_sync(void);

#endif
