/* pools.h: the Pools of a history. A place, 0 to POOLS - 1, has one after the other: its lives. */
#ifndef CHAOS_POOLS_H
#define CHAOS_POOLS_H

#include "dice.h"

void open_pool(int pool, struct dice *d); /* if there is none, or it was ended */
void end_pool(int pool, int terminate);   /* the present one, also when another does it too */

/* One that only this actor knows: opened, used, ended. */
void own_pool(struct dice *d);

/* Handles of what was closed, of another kind, and of nothing. */
void use_what_is_gone(struct dice *d);

#endif
