/* engine.h: all that an agent does but for the network, the bell and the clock: requests of its own node's
 * threads (request.h), calls of other nodes (pending.h), where Processes run (placement.h), and the protocol
 * between agents, one turn at a time. The frames go through the functions of a wire, the time is given: so a
 * test can have several nodes in one process.
 */
#ifndef KITH_ENGINE_H
#define KITH_ENGINE_H

#include "net/protocol.h"

struct kith__engine;
struct kith__seat;

struct kith__engine_wire {
    /* The next frame that came in: its size, and *frame until the next call; 0: none now. */
    size_t (*receive)(void *context, uint32_t *peer, const void **frame);
    int (*send)(void *context, const struct kith__out *out); /* 1: taken; 0: not now, it comes again */
    int (*is_connected)(void *context, uint32_t peer);       /* 1: its kernel still answers */
    void (*ended)(void *context, uint32_t peer, enum kith__link_state state, const char *why);
};

struct kith__engine_config {
    struct kith__proto_config proto;
    const uint32_t *cpus;    /* [nodes]: what each has */
    struct kith__seat *seat; /* of the agent: it stands for all calls that wait for something here */
    const struct kith__engine_wire *wire;
    void *context; /* of the wire */
};

/* For the agent of the node whose arena is mapped; what the configuration points to is read now, but the
 * wire. */
struct kith__engine *kith__engine_new(const struct kith__engine_config *config, int64_t now);
void kith__engine_free(struct kith__engine *self); /* with what it still holds of the arena */

/* One turn: takes what came in from threads and peers, goes on with what it can, sends. When the next is due,
 * at the latest; INT64_MAX: never. Some 1 MiB at most each way, so that nothing delays signs of life. */
int64_t kith__engine_turn(struct kith__engine *self, int64_t now);

/* 1: somebody of this node has told it something since the last turn. */
int kith__engine_has_news(const struct kith__engine *self);

/* Says goodbye to all peers; _left: 1 when all know it, or are gone. */
void kith__engine_leave(struct kith__engine *self, enum kith__bye_reason reason);
int kith__engine_left(const struct kith__engine *self);

enum kith__link_state kith__engine_link(const struct kith__engine *self, uint32_t peer);

#endif
