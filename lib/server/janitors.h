/* janitors.h: the fork server's janitors: for each dead member that left something one after the other, until
 * one of them has come to its end. */
#ifndef KITH_JANITORS_H
#define KITH_JANITORS_H

#include <stdint.h>
#include <sys/types.h>

void kith__janitors_begin(uint32_t who); /* member who has died, and left something */
void kith__janitors_look(uint32_t who);  /* forks the one that could not be forked before, or is due now */

uint32_t kith__janitors_of(pid_t pid);              /* the dead member whose janitor that is; 0: none */
void kith__janitors_gone(uint32_t who, int status); /* it has ended */

/* At the end of the job; all: also those that have to tell of a crash. */
void kith__janitors_dismiss(int all);

#endif
