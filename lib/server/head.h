/* head.h: whether the head is still the program that called kith_init. Its end is seen by a pidfd; but it may
 * also call execve, which keeps its pid, and nothing that belongs to the old program must outlive that. A
 * robust mutex that the head holds is let go of by the kernel then; it needs no descriptor, which the program
 * might close. */
#ifndef KITH_HEAD_H
#define KITH_HEAD_H

#include <sys/types.h>

/* In the head, by the thread that calls kith_init and before the fork server is forked. 0 or KITH_ENOMEM. */
int kith__head_begin(void);

/* In the head, when the fork server has gone. */
void kith__head_end(void);

/* In the fork server: 1 when process head runs another program now. */
int kith__head_is_another(pid_t head);

#endif
