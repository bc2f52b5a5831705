/* spawn.h: how the fork server starts members: workers, Processes, the agent; and what it does while it
 * cannot.
 */
#ifndef KITH_SPAWN_H
#define KITH_SPAWN_H

#include "pool/board.h"

#include <stdint.h>

/* Starts member who, which was asked for. */
void kith__spawn(uint32_t who);

/* A new process for the lane of worker who: a new member. 0: the table of members is full. */
int kith__spawn_successor(uint32_t who);
void kith__spawn_again(uint32_t who); /* then: as member who again, which owns nothing any more */

int kith__spawn_is_wanted(const struct kith__pool *p); /* 1: its lanes get processes */

#endif
