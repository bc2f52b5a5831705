/* lateglobals.h: the pointers among the program's globals that it has set since kith_init. Workers and
 * Processes have them as they were then, NULL, and a task that uses one crashes. */
#ifndef KITH_LATEGLOBALS_H
#define KITH_LATEGLOBALS_H

#include <stddef.h>
#include <sys/types.h>

/* Two processes of one family, of which the system lets us read the memory, or one of which we are. */
struct kith__kin {
    pid_t head;   /* it runs main. 0: it is not known */
    pid_t server; /* it has the globals as they were at kith_init */
};

/* The names of those that are NULL in the server and lead somewhere in the head into buf: "table (pi.c) was",
 * "table (pi.c), cells and others were". How many there are; 0 also when nobody can tell. */
int kith__globals_late(const struct kith__kin *kin, char *buf, size_t room);

#endif
