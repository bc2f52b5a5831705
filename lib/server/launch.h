/* launch.h: the head's side of the fork server, which it forks before anything else and ends last. */
#ifndef KITH_LAUNCH_H
#define KITH_LAUNCH_H

#include <signal.h>

/* Forks it, away from this process: the program's wait() never sees it. 0, or a code. */
int kith__server_start(void);

/* Asks it to end: softly (workers finish and flush), and waits until it has gone, at most some seconds. */
void kith__server_stop(void);

#endif
