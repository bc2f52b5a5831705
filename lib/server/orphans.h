/* orphans.h: what tasks and Processes have started (system, popen, fork) and what has outlived its parents.
 * All of it becomes a child of the fork server, which is a subreaper, and carries the mark of the member that
 * it comes from: so it ends with that member when that one dies, and with the job when that one has come to
 * its end in good order.
 *
 * The mark is the soft limit RLIMIT_LOCKS: inherited by fork and exec, free to be set by everybody, readable
 * from outside, and of no effect since Linux 2.4.25. Unlike an environment variable it is there without an
 * exec, and unlike a session or process group it changes nothing for the terminal. */
#ifndef KITH_ORPHANS_H
#define KITH_ORPHANS_H

#include <stdint.h>
#include <sys/types.h>

/* In a new member: from here on it and what it starts carry its serial. */
void kith__orphans_mark(uint32_t serial);

/* In the fork server: the member of that serial has died. Until a look finds none any more, what it has
 * started is ended. */
void kith__orphans_condemn(uint32_t serial);

/* Ends what dead members have started. ours: how many children are no orphans, and which. To be called after
 * each death, since what it ends may leave others. */
void kith__orphans_look(int ours, int (*is_ours)(pid_t pid));

/* Ends all orphans. */
void kith__orphans_end(int (*is_ours)(pid_t pid));

#endif
