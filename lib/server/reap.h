/* reap.h: the fork server waits for its children: members, janitors, orphans. */
#ifndef KITH_REAP_H
#define KITH_REAP_H

#include <sys/types.h>

/* From the first child on: deaths by SIGKILL are explained when the system has killed for want of memory. */
void kith__reap_watch_memory(void);

/* Those that have ended. 1: one is left, whose object is being looked at: call it again soon. */
int kith__reap_all(void);

int kith__reap_is_ours(pid_t pid); /* 1: a member or a janitor; the others are orphans */

#endif
