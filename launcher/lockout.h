/* lockout.h: finds an mpirun that has locked itself out. Open MPI's may, over the end of a job: its threads
 * wait for each other, and then it hears no signal any more. It has no ranks left, and waits for a lock,
 * where else it waits for what happens. */
#ifndef KITH_LAUNCHER_LOCKOUT_H
#define KITH_LAUNCHER_LOCKOUT_H

#include <sys/types.h>

struct lockout {
    long long look, since; /* ms; when it is looked at again, and since when it has looked so; 0: not yet */
};

void lockout_watch(struct lockout *l, long long now);     /* the job may end from now on; else nobody looks */
int lockout_wait(const struct lockout *l, long long now); /* ms until the next look; -1: there is none */

/* Looks, if it is due. 1: nothing but SIGKILL ends it any more. */
int lockout_is_one(struct lockout *l, pid_t mpirun, long long now);

#endif
