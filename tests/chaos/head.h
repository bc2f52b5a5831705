/* head.h: the life of a history's head. */
#ifndef CHAOS_HEAD_H
#define CHAOS_HEAD_H

/* The exit status of one that leaves by exit(), in the midst of all. */
enum { LEFT_EARLY = 23 };

/* Plays the history, in a process of its own, which ends with 0 or LEFT_EARLY, also when something was wrong.
 */
void play_head(void) __attribute__((noreturn));

#endif
