/* spawn.h: how the fork server starts members: workers, Processes, the agent; and what it does while it
 * cannot.
 */
#ifndef KITH_SPAWN_H
#define KITH_SPAWN_H

#include "pool/board.h"

#include <stdint.h>

/* Starts member who, which was asked for. */
void kith__spawn(uint32_t who);

/* A new process for the lane of worker who, which has died: a new member. If the table of members is full it
 * waits for the number of who. */
void kith__spawn_successor(uint32_t who);

/* Member who has ended and owns nothing any more: its number is free, if no successor waits for it. */
void kith__spawn_release(uint32_t who);

int kith__spawn_is_wanted(const struct kith__pool *p); /* 1: its lanes get processes */

#endif
