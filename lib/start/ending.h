/* ending.h: how a rank ends so that the launcher has the program's exit status and nothing to say.
 *
 * mpirun of Open MPI prints a block of text for each rank that exits with another status than 0, and for
 * MPI_Abort. It prints nothing for a rank that asks for the end of the job in the way that MPI_Abort does
 * below its text. MPICH's mpiexec is silent when all have finalized, and when it is asked.
 */
#ifndef KITH_ENDING_H
#define KITH_ENDING_H

#include "base/descriptors.h"
#include "start/mpi/mpi.h"

struct kith__launch;

/* From now on exit() in this process ends MPI, as its very last act but for the destructors of libraries.
 * before: what was open before MPI was started. */
void kith__ending_begin(const struct kith__mpi *mpi, const struct kith__launch *launch, int rank,
                        int every_rank, const struct kith__open_descriptors *before);

/* The lines that this rank holds, valid for ever: exit() says the last word over those down. */
void kith__ending_lines(const struct kith__descriptor *up, const struct kith__descriptor *down, int downs);

/* A thread that looks whether the launcher and the lines live, and that can ask for the end when the others
 * cannot. 0; KITH_ENOMEM. */
int kith__ending_watch(void);

/* The job could not be started: whatever the status, the other ranks will not come to MPI_Finalize. */
void kith__ending_fail(void);

/* A rank does not answer any more: MPI will not end in order. */
void kith__ending_lost(void);

/* Waits for the launcher to end this process. hurry: it is at it, and needs not wait as long as it does
 * between its signals. */
void kith__ending_linger(int hurry) __attribute__((noreturn));

/* The same, when rank 0 is lost: so the launcher, which is that of this host, may be cut off from the job,
 * and not know it; then it is ended. */
void kith__ending_cut_off(void) __attribute__((noreturn));

/* Before MPI_Finalize, in a rank that leads a node but the first: all have come there. Should the host be cut
 * off now, MPI_Finalize waits, and the launcher here, too: so under kith run, whose job ends without them,
 * the launcher is ended when it has not done so for long. */
void kith__ending_over(void);

/* For a handler of SIGSEGV and the like in rank 0, after which it may end as it would without: tells the
 * launcher the exit status 128 + signal before it can find out by itself and print its block of text.
 * Async-signal-safe in its own part; what of MPI it has to call is given two seconds. Does nothing without
 * other ranks. */
void kith__ending_crashed(int signal);

int kith__ending_launcher(void); /* a pidfd of it; -1: it is not known */
int kith__ending_broken(void);   /* 1: a line broke; only with the thread */

#endif
