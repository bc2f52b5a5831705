/* reap.h: the fork server waits for its children: members, janitors, orphans. */
#ifndef KITH_REAP_H
#define KITH_REAP_H

#include <sys/types.h>

void kith__reap_all(void);         /* those that have ended */
int kith__reap_is_ours(pid_t pid); /* 1: a member or a janitor; the others are orphans */

#endif
