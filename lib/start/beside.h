/* beside.h: what a rank tells kith run, so that the job survives the loss of a host.
 *
 * Then mpirun is told to go on without ranks that are lost, and does not end by itself nor with the program's
 * status any more: kith run decides, by what it hears. It has a process beside each rank (launcher/rank.c),
 * which listens to this rank alone, at a socket that KITH_RUN names: "@" and an abstract name. Where that is
 * not so these do nothing.
 */
#ifndef KITH_BESIDE_H
#define KITH_BESIDE_H

/* 1: kith run ends the launcher when this rank has ended. */
int kith__beside_listens(void);

/* Rank 0, when all others serve: from now on the job needs it alone. */
void kith__beside_stands(void);

/* now; now, and a rank is lost, so MPI will not end in order; when MPI has ended, for which it may wait in
 * vain. */
enum kith__ends { KITH__ENDS_NOW, KITH__ENDS_LOST, KITH__ENDS_SOON };

/* This process ends with that status. Async-signal-safe. Also of a program that has not called kith_init, and
 * never of a process that it has forked. */
void kith__beside_ends(int status, enum kith__ends how);

#endif
