/* overdue.h: says what a start under a launcher waits for when it makes no progress, since those who wait in
 * MPI say nothing. */
#ifndef KITH_OVERDUE_H
#define KITH_OVERDUE_H

enum { KITH__OVERDUE_MS = 30000 };

/* From now until kith__overdue_end: each wait that lasts longer than patience_ms is told once, by a thread.
 * several_hosts: 1 when the network may be to blame. Without memory for the thread nothing is told. */
void kith__overdue_begin(int patience_ms, int several_hosts);

/* The start has come so far, and waits for that now: a text that stays, as "MPI_Init of Open MPI". */
void kith__overdue_step(const char *waits_for);

/* Waits for the thread. Harmless when there is none. */
void kith__overdue_end(void);

#endif
