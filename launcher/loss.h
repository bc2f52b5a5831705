/* loss.h: how a job ends of which mpirun says no more.
 *
 * Told to go on without lost ranks (--enable-recovery), Open MPI goes on without all of them: it does not end
 * the job for a rank that crashes, often not when all have ended, and its exit status is 0 for whatever they
 * ended with. So "kith rank" stands beside each rank and sends notes (frame.h), and this decides: until rank
 * 0 says that the others only serve it, the end of any rank is the end of the job, as it is without the
 * option; from then on that of rank 0 alone is.
 */
#ifndef KITH_LOSS_H
#define KITH_LOSS_H

struct loss {
    int stands;     /* rank 0 needs none of the others */
    int told, gone; /* of rank 0: it has said its status; it has ended */
    int explained;  /* there was a line about why the job ends */
    int status;     /* of the job, as far as it is known */
    int lost;       /* rank 0 has ended without one of the others */
    long other;     /* the first of the others that has ended too early; 0: none */
    int other_status;
    long ended;    /* of the others, how many */
    int signals;   /* sent to mpirun so far */
    long long due; /* when the next is; 0: the job is under way */
};

/* What stands beside a rank has told it at that time. */
void loss_note(struct loss *l, long rank, const char *host, const char *text, long long now);

/* The signal that mpirun is to get now, as it has not ended by itself; 0: none. */
int loss_signal(struct loss *l, long long now);

int loss_wait(const struct loss *l, long long now); /* ms until then; -1: for ever */

/* The exit status of the job, when mpirun has ended with that one. */
int loss_status(const struct loss *l, int status);

#endif
