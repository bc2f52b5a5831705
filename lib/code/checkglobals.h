/* checkglobals.h: KITH_CHECK=1: which global variables of the program have changed since kith_init. Workers
 * have them as they were then, and who forgets that gets wrong results. */
#ifndef KITH_CHECKGLOBALS_H
#define KITH_CHECKGLOBALS_H

#include <stddef.h>

/* Remembers all of them as they are now, when KITH_CHECK is 1; again: as they are then. The libraries'
 * are left out, and kith's own. Not by two threads at once. 0; KITH_EINVAL: KITH_CHECK is neither 0 nor 1;
 * KITH_ENOMEM. */
int kith__globals_snapshot(void);

/* Puts the names of those that differ into buf, "steps, table (pi.c)", those of static ones with their file;
 * how many there are, named or not. */
int kith__globals_changed(char *buf, size_t room);

#endif
