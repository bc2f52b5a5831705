/* threads.h: the threads that the program has started before kith_init. fork copies the calling one only. */
#ifndef KITH_THREADS_H
#define KITH_THREADS_H

#include <sys/types.h>

/* How many threads this process has; 1 when /proc does not say. */
int kith__thread_count(void);

/* Ends the idle threads that an OpenMP runtime keeps for this one, where it cannot be forked with them: a
 * parallel region in the child would wait for them forever. The next region starts new ones. 0, or
 * KITH_EINVAL: the caller is inside a parallel region. */
int kith__openmp_pause(void);

/* Process pid, of this user, has ended, or ends by _exit: removes the file in /dev/shm that LLVM's and
 * Intel's OpenMP make in each process that uses them, and in each that such a one forks. They do so
 * themselves in a destructor only. */
void kith__openmp_forget(pid_t pid);

/* _exit, but for that file. */
void kith__leave(int status) __attribute__((noreturn));

#endif
