/* watchdog.h: what is left of dead processes. The fork server is the child of a process that does nothing but
 * wait for it and for the head: should the fork server be killed, it ends what that one would have ended. */
#ifndef KITH_WATCHDOG_H
#define KITH_WATCHDOG_H

#include <sys/types.h>

/* Calls fn (may be NULL) for each child that the main thread of this process has, the living and the dead;
 * how many there are. 0 also where /proc is not mounted. */
int kith__each_child(void (*fn)(pid_t pid));

extern const char kith__watchdog_name[]; /* in ps and top */

/* Returns in a new child, which is the fork server, or 0 with errno when there can be none. The calling
 * process becomes the watchdog and does not return: it sleeps until the fork server has gone, and ends what
 * is left. It tells the fork server when the head ends, whose pidfd is head_fd; -1: it does not. */
int kith__watchdog_fork(int head_fd);

#endif
