/* standin.h: threads of kith's hold back signals, which are the program's: its handlers run in its own
 * threads. When all of those have ended, main by pthread_exit, nobody would be left to whom a SIGTERM could
 * be delivered. So when a thread ends that has started threads of kith's, and these go on, a new thread hears
 * signals in its stead.
 */
#ifndef KITH_STANDIN_H
#define KITH_STANDIN_H

#include <signal.h>

/* What a thread of kith's that runs code of the program holds back: all but what a thread causes itself. */
void kith__signals_held(sigset_t *set);

/* This thread has started a thread of kith's, or some. */
void kith__standin_begin(void);

/* They have ended. May be called by any thread, also in a handler. */
void kith__standin_end(void);

#endif
