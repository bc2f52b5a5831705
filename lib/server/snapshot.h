/* snapshot.h: whether a fork of a program with threads is a copy that can be used. libc makes its malloc and
 * its streams fit for the child; a lock of its environment, of its list of exit handlers or of its time zone
 * that another thread had at the fork is held forever there, in the fork server and in all that it forks. */
#ifndef KITH_SNAPSHOT_H
#define KITH_SNAPSHOT_H

/* In the forked process, before anything else: 1 when none of these locks is held. Tries them in a child of
 * its own. is_bare: the fork was kith__fork_unseen, so those of malloc and the streams are tried, too. */
int kith__snapshot_is_clean(int is_bare);

#endif
