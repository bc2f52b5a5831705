/* reach.h: can the hosts of a job be reached? Asked of all at once, with short time limits. */
#ifndef KITH_REACH_H
#define KITH_REACH_H

#include "hosts.h"

/* REACH_PORT: the name is known and somebody listens at the port of ssh. REACH_LOGIN: and ssh gets in without
 * a question, and finds there the program named. REACH_RUN: which runs there, too. */
enum reach_depth { REACH_PORT, REACH_LOGIN, REACH_RUN };

/* How many hosts fail; it is said of each in one sentence with the cure (of many, of the first few). This
 * machine is not asked. program: what must be in the PATH of ssh there; NULL: nothing. */
int reach_hosts(const struct hosts *h, enum reach_depth depth, const char *program);

#endif
