/* server.h: the fork server of a node: a single-threaded process that forks workers and Processes, reaps
 * them, replaces workers, enforces time limits, and ends everything when the head has gone. It takes no guard
 * for long and none that it has to wait for: a stopped process must not stop it.
 *
 * Here is what its files share: spawn.c, deaths.c, reap.c, janitors.c; and launch.c, in the head. */
#ifndef KITH_SERVER_H
#define KITH_SERVER_H

#include "member/members.h"
#include "base/system.h"

#include <stdint.h>
#include <sys/types.h>

/* The fork server's own, and copied into its children. What one file alone needs is static there. */
extern struct kith__serving {
    pid_t pid, head;
    int head_fd;    /* a pidfd; -1: there are none here */
    int children;   /* members and janitors that we have forked and not yet waited for */
    int64_t ending; /* when the grace is over; 0: not ending */
    int hard;       /* the head is gone: nobody is waited for */
} kith__serving;

/* So long after the end of the grace a crash is still told of. */
#define KITH__TELLING_NS (5000 * KITH__MS)

/* Look through the members again after ms at the latest. */
void kith__serving_come_back(int64_t ms);

/* In place of its pid: it cannot be forked, or has a lock of libc that was held. */
enum { KITH__NO_START = -1, KITH__BAD_COPY = -2 };

/* Its pid, or one of these, for the head, which waits for it in launch.c. */
void kith__serving_tell(int32_t pid);

/* The life of the fork server, in the process that was forked for it. */
void kith__serving_main(void) __attribute__((noreturn));

#endif
