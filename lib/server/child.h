/* child.h: how the fork server's children begin and end: workers, Processes, the agent, janitors. */
#ifndef KITH_CHILD_H
#define KITH_CHILD_H

#include <stdint.h>
#include <sys/types.h>

/* In the head, before the fork server is forked and its children with it: once again is harmless. Not in the
 * child: another thread may have libc's lock for it at the fork. 0, or KITH_ENOMEM. */
int kith__child_handle_exit(void);

/* In the fork server, once: from here on it ignores the signals of terminals and launchers, and its SIGCHLD
 * waits. What the program had is kept for the children. */
void kith__child_prepare(void);

/* fork, for kith__child_main: no signal that comes before the child hears signals is lost. */
pid_t kith__child_fork(void);

/* The life of member who, in the process that was forked for it; parent is the fork server. */
void kith__child_main(uint32_t who, pid_t parent) __attribute__((noreturn));

/* That of a janitor, which takes back what the dead member who had, in its place: who writes is the janitor.
 * It may have to wait for a guard. tells_first: of a crash; else when all is settled. */
void kith__janitor_main(uint32_t who, pid_t parent, int tells_first) __attribute__((noreturn));

/* Its work alone, by a process that is who now: first what others may wait for, then what may have to wait
 * for others. */
void kith__janitor_settle(uint32_t who);
void kith__janitor_sweep(uint32_t who);

#endif
