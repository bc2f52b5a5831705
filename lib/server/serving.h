/* serving.h: what the files of the fork server share: server.c, spawn.c, deaths.c, reap.c, janitors.c; and
 * launch.c, in the head. */
#ifndef KITH_SERVING_H
#define KITH_SERVING_H

#include "member/members.h"

#include <stdint.h>
#include <sys/types.h>

/* All of this is the fork server's own, and copied into its children. */
extern struct kith__serving {
    pid_t pid, head;
    int head_fd;                       /* a pidfd; -1: there are none here */
    pid_t unseen;                      /* in a head that is init: its child, the watchdog */
    int64_t head_looked;               /* when we last asked whether the head runs another program */
    pid_t janitors[KITH__MEMBERS + 1]; /* of a dead member, by its number; -1: it is to be forked when .due */
    int64_t due[KITH__MEMBERS + 1];
    unsigned char failures[KITH__MEMBERS + 1]; /* janitors that died over a dead member */
    char to_be_replaced[KITH__MEMBERS +
                        1]; /* a dead worker whose lane waits for its number, as there is no other */
    int64_t
        refused[KITH__MEMBERS + 1]; /* since when a member that was asked for cannot be forked; 0: it can */
    int children;                   /* members and janitors that we have forked and not yet waited for */
    int later;                      /* somebody's burial has to be tried again soon */
    int again_ms;                   /* something is to be forked again after that; -1: nothing */
    int64_t ending;                 /* when the grace is over; 0: not ending */
    int hard;
    int watches_memory;
} kith__serving;
#define self kith__serving

/* Look through the members again after ms at the latest. */
void kith__serving_come_back(int64_t ms);

/* In place of its pid: it cannot be forked, or has a lock of libc that was held. */
enum { NO_START = -1, BAD_COPY = -2 };

/* Its pid, or one of these, for the head, which waits for it in launch.c. */
void kith__serving_tell(int32_t pid);

/* The life of the fork server, in the process that was forked for it. */
void kith__serving_main(void) __attribute__((noreturn));

#endif
