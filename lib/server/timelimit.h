/* timelimit.h: the time limits of tasks and Processes. The fork server looks at its workers now and then;
 * what counts is the time in which a task could run: not that in which its worker, the head or the fork
 * server itself was stopped. */
#ifndef KITH_TIMELIMIT_H
#define KITH_TIMELIMIT_H

#include <stdint.h>
#include <sys/types.h>

/* Looks at all workers and Processes that have a limit, and ends by SIGTERM, 100 ms later by SIGKILL, those
 * whose task has run for longer; none while head is stopped. ms until it should be called again, -1: there is
 * no limit. */
int kith__timelimit_look(pid_t head);

/* Member who is a new process. */
void kith__timelimit_forget(uint32_t who);

/* 1 when member who was ended for its limit. */
int kith__timelimit_was_over(uint32_t who);

#endif
