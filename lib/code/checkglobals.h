/* checkglobals.h: KITH_CHECK=1: which global variables of the program have changed since kith_init. Workers
 * have them as they were then, and who forgets that gets wrong results. */
#ifndef KITH_CHECKGLOBALS_H
#define KITH_CHECKGLOBALS_H

#include <stddef.h>

/* A variable of the program that it may write to, not a library's or kith's. */
struct kith__global {
    const unsigned char *address;
    size_t size;
    const char *name, *file; /* file: of a static one, "": it is none; both go when the call is over */
    int name_length;         /* without what the compiler adds to that of one in a function */
};

/* Calls fn for each of them until it returns not 0, which is returned. -1: the program is stripped or was
 * replaced. */
int kith__globals_each(int (*fn)(const struct kith__global *g, void *arg), void *arg);

/* Remembers all of them as they are now, when KITH_CHECK is 1; again: as they are then. The libraries'
 * are left out, and kith's own. Not by two threads at once. 0; KITH_EINVAL: KITH_CHECK is neither 0 nor 1;
 * KITH_ENOMEM. */
int kith__globals_snapshot(void);

/* Puts the names of those that differ into buf, "steps, table (pi.c)", those of static ones with their file;
 * how many there are, named or not. */
int kith__globals_changed(char *buf, size_t room);

#endif
