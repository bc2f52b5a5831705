/* node.h: nodes in one process, each with the protocol and with what its agent would do: it asks, it answers,
 * and it knows what must come of both. */
#ifndef PROTOCOL_NODE_H
#define PROTOCOL_NODE_H

#include "weather.h"

enum { SEATS = 3, CALLS = 8, HELD = 256, JOB = 77 };

struct call { /* of a seat that waits, or has put behind */
    uint64_t id, size;
    uint32_t peer;
    int used, done;
};

struct seat {
    uint64_t count;
    struct call calls[CALLS];
    uint64_t wanted;
};

struct served {
    uint64_t last[NODES][SEATS];
}; /* by node and seat: the last call that was carried out */

struct pending {
    uint64_t id, size;
    uint32_t peer;
    int used;
};

struct given {
    uint64_t id, block;
    uint32_t peer;
    int used;
};

extern struct node {
    struct kith__proto *proto;
    uint32_t number;
    int dead, over;
    enum kith__link_state ended[NODES];
    int doubted[NODES]; /* how often */
    struct seat seats[SEATS];
    struct served served;
    struct pending pending[HELD]; /* requests whose bytes are on their way */
    struct pending awaited[HELD]; /* replies likewise */
    struct given given[HELD];     /* replies that are not settled */
    uint64_t settled_yes, settled_no, said_yes, said_no;
} nodes[NODES];

extern uint64_t carried_out, answered; /* calls of all nodes */
extern int connected;                  /* 1: the kernel of a silent peer still answers */
extern int hears_anything;             /* 1: what comes in is nobody's word, and not looked at */

/* What the protocol tells a node; its context is the struct node. */
extern const struct kith__proto_events node_events;

struct kith__proto_config config_of(uint32_t node, uint64_t job);
void start_nodes(void); /* all anew */
void stop_nodes(void);

/* One call of some seat to some peer, if it wants one and may. */
void ask(struct node *n, int64_t now);

/* What it holds for answers that are not settled; that, and all else of a peer. */
void drop_given(struct node *n, uint32_t peer);
void forget_peer(struct node *n, uint32_t peer);

#endif
