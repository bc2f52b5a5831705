/* request.h: the node agent towards the threads of its own node: takes their requests from the mailboxes, and
 * brings answers. */
#ifndef KITH_REQUEST_H
#define KITH_REQUEST_H

#include "net/protocol.h"

struct kith__requests;

/* For the agent of a job of so many nodes. */
struct kith__requests *kith__requests_new(struct kith__proto *p, uint32_t nodes);
void kith__requests_free(struct kith__requests *self); /* and the blocks of answers that nobody has taken */

/* Takes what was posted, and sees which answers were taken. 1: there is more than should be done in one turn.
 */
int kith__requests_collect(struct kith__requests *self, int64_t now);

/* What was held back until a node has acknowledged more: 1: some of it can be collected now. */
int kith__requests_go_on(struct kith__requests *self);

/* Processes have died: what they had posted is done, the answers that they wait for are not wanted. */
void kith__requests_sweep(struct kith__requests *self, int64_t now);

/* The process of this node with that serial number has something at peer, or is about to: peer is told of its
 * end, behind all that it asks for. The number of deaths that peer was told of so far, and 1; 0: it has
 * ended. */
int64_t kith__requests_vouch(struct kith__requests *self, uint32_t serial, uint32_t peer);

/* Looks after the answers that nobody has taken yet: their thread may be dead. Returns when it should be
 * called again; INT64_MAX. */
int64_t kith__requests_tick(struct kith__requests *self, int64_t now);

/* Events of the protocol. */
uint64_t kith__requests_reply(struct kith__requests *self, uint32_t peer, const struct kith__reply *r,
                              const void *bytes);
void kith__requests_arrived(struct kith__requests *self, uint32_t peer, uint64_t id, uint64_t block);
void kith__requests_granted(struct kith__requests *self, uint32_t peer, uint64_t id);
void kith__requests_ended(struct kith__requests *self, uint32_t peer, const char *why);

#endif
