/* threads.h: the threads that the program has started before kith_init. fork copies the calling one only. */
#ifndef KITH_THREADS_H
#define KITH_THREADS_H

/* How many threads this process has; 1 when /proc does not say. */
int kith__thread_count(void);

/* Ends the idle threads that an OpenMP runtime keeps for this one, where it cannot be forked with them: a
 * parallel region in the child would wait for them forever. The next region starts new ones. 0, or
 * KITH_EINVAL: the caller is inside a parallel region. */
int kith__openmp_pause(void);

#endif
