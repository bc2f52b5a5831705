/* log.h: the one log of a program and of kith: who may say what, and where it goes. Each line is one write.
 */
#ifndef KITH_BASE_LOG_H
#define KITH_BASE_LOG_H

#include "kith.h"

#include <stdatomic.h>

/* kith's own lines, of a level of kith.h. They are shown from the level on that KITH_LOG or kith_log_level
 * says; when neither says one, none is. */
int kith__log_on(int level);
void kith__log(int level, const char *format, ...) KITH_PRINTF(2, 3);

/* A warning for everybody who has not asked for errors only. */
void kith__notice(const char *format, ...) KITH_PRINTF(1, 2);

/* A line to stderr in any case. For the default fault handler, and for what no call of the program can
 * return; not where it has a handler of its own. */
void kith__tell(const char *format, ...) KITH_PRINTF(1, 2);

/* What the program has asked for is said at any level: to its handler as KITH_LOG_INFO, else to stderr. */
void kith__log_say(const char *format, ...) KITH_PRINTF(1, 2);
int kith__log_has_handler(void);

/* Draws one line at the end of the terminal that stderr is, over the one that was there; NULL: takes it away.
 * A line of the log comes in its place, from whichever process of the node. */
void kith__log_draw(const char *text);

void kith__log_init(void);         /* reads KITH_LOG and KITH_CHECK again */
void kith__log_set(int level);     /* unless KITH_LOG says one */
void kith__log_runs(int programs); /* 0: this process runs no code of the program, nor its handler */

/* How lines name this process; host "": there is one node. Copied. */
void kith__log_name(const char *name, const char *host);

/* Threads of this process are workers of pools: what tells their number, and -1 of any other. */
void kith__log_workers(int (*number)(void));

/* Where all processes of a node see the level, and whether something is drawn; NULL: each has words of its
 * own again. What was set before holds. */
void kith__log_share(_Atomic int32_t *level, _Atomic int32_t *is_drawn);

#endif
