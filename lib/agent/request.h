/* errand.h: the node agent towards the threads of its own node: takes their errands from the desks, and brings answers. */
#ifndef KITH_ERRAND_H
#define KITH_ERRAND_H

#include "net/protocol.h"

int  kith__errands_init(struct kith__proto *p, uint32_t nodes);

/* Takes what was filed, and sees which answers were taken. 1: there is more than should be done in one turn. */
int  kith__errands_collect(int64_t now);

/* What was held back until a node has acknowledged more: 1: some of it can be collected now. */
int  kith__errands_go_on(void);

/* Processes have died: what they had filed is done, the answers that they wait for are not wanted. */
void kith__errands_bury(int64_t now);

/* Looks after the answers that nobody has taken yet: their thread may be dead. Returns when it should be called again; INT64_MAX. */
int64_t kith__errands_tick(int64_t now);

/* Events of the protocol. */
uint64_t kith__errands_reply(uint32_t peer, const struct kith__reply *r, const void *bytes);
void kith__errands_arrived(uint32_t peer, uint64_t id, uint64_t block);
void kith__errands_granted(uint32_t peer, uint64_t id);
void kith__errands_ended(uint32_t peer, const char *why);

#endif
