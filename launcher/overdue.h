/* overdue.h: says what a start waits for when no rank has begun for a while. mpirun reaches all hosts before
 * it starts the first one, and says nothing meanwhile; from then on the ranks tell it themselves
 * (lib/start/overdue.h). */
#ifndef KITH_LAUNCHER_OVERDUE_H
#define KITH_LAUNCHER_OVERDUE_H

#include "request.h"

#include <sys/types.h>

enum { OVERDUE_S = 30 };

struct overdue {
    const struct request *request;
    const struct mpi *mpi;
    int sees_all;            /* a rank that has begun would have been seen, wherever it is */
    long long tell_at, look; /* ms; look: when the next one is; 0: it is over */
};

/* mpirun is about to be started. */
void overdue_begin(struct overdue *o, const struct request *r, const struct mpi *m, long long now);
void overdue_again(struct overdue *o, long long now); /* it was stopped until now */
void overdue_end(struct overdue *o);                  /* a rank has begun */
int overdue_is_over(const struct overdue *o);         /* it has, or nobody waits for it any more */

int overdue_wait(const struct overdue *o, long long now); /* ms until the next look; -1: there is none */
void overdue_look(struct overdue *o, pid_t mpirun, long long now); /* if it is due; tells once */

#endif
