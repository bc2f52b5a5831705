/* server.h: the fork server of a node: a single-threaded process, forked before anything else, that
 * forks workers and Processes, reaps them, replaces workers, enforces time limits, and ends everything when
 * the head has gone. It takes no guard for long and none that it has to wait for: a stopped process must not
 * stop it. */
#ifndef KITH_SERVER_H
#define KITH_SERVER_H

#include <signal.h>

/* Forks it, away from this process: the program's wait() never sees it. 0, or a code. */
int kith__server_start(void);

/* Asks it to end: softly (workers finish and flush), and waits until it has gone, at most some seconds. */
void kith__server_stop(void);

#endif
