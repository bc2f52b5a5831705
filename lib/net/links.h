/* links.h: what a node has with each other one, for protocol.c and hearing.c: the state of the link, its
 * lanes, the transfers under way on it, and what is being said. */
#ifndef KITH_NET_LINKS_H
#define KITH_NET_LINKS_H

#include "net/protocol.h"
#include "net/channel.h"
#include "base/table.h"

enum { KITH__ACK_NS = 40000000 }; /* what came in is acknowledged by then */

struct kith__transfer { /* bytes that go as pieces */
    KITH__TABLE_LINK(struct kith__transfer) link;
    KITH__LINK(struct kith__transfer) turn; /* in the link's queue of those that are to be sent */
    uint64_t id, block, size;
    uint64_t at;      /* out: next byte to send; in: bytes that came */
    uint64_t filled;  /* in: so far the block has memory */
    uint64_t unacked; /* out: pieces that were made and not acknowledged */
    uint32_t peer;
    uint8_t reply, out, granted;
};

struct kith__link {
    KITH__LINK(struct kith__link) turn; /* in the queue of those that may have something to send, */
    int busy;                           /* when it is there */
    uint32_t peer;
    uint64_t load; /* as it told last */
    enum kith__link_state state;
    int said_bye; /* it is the last message of lane 0 */
    int heard_once;
    int64_t heard;   /* last sign of life from it */
    int64_t doubted; /* when that was told last */
    uint64_t bytes;  /* of messages, not acknowledged */
    struct kith__channel lanes[KITH__LANES];
    KITH__LIST(struct kith__transfer) sending; /* have pieces to send; the next one to do so is the first */
    uint32_t confirm_at,
        confirm_seq; /* where the last message stands, when it is a confirmation: in which frame */
};

struct kith__proto {
    struct kith__proto_config c;
    const struct kith__proto_events *e;
    void *context;
    struct kith__link **links; /* by node; NULL: never opened */
    KITH__LIST(struct kith__link) busy;
    KITH__TABLE(struct kith__transfer) transfers;
    int64_t ticked, due;
    uint64_t load;
    uint32_t blocked; /* lanes */
};

/* Of a request or a reply of peer; out: this node sends the bytes. NULL: none. */
struct kith__transfer *kith__transfer_find(const struct kith__proto *p, uint32_t peer, uint64_t id, int reply,
                                           int out);
struct kith__transfer *kith__transfer_add(struct kith__proto *p,
                                          const struct kith__transfer *like); /* NULL: no memory */

/* The bytes of a reply are borrowed from who replied; all others are let go. */
void kith__transfer_forget(struct kith__proto *p, struct kith__transfer *t, int release);

enum kith__link_event {
    KITH__ON_USE,
    KITH__ON_BYE_SAID,
    KITH__ON_BYE_KNOWN,
    KITH__ON_BYE_HEARD,
    KITH__ON_SILENCE
};

static inline int kith__link_is_up(const struct kith__link *l)
{
    return l->state == KITH__LINK_OPEN || l->state == KITH__LINK_LEAVING;
}

/* 1 when the event means something in the link's state, which is the next one then. */
int kith__link_move(struct kith__link *l, enum kith__link_event on);

/* It may have something to send. */
void kith__link_make_busy(struct kith__proto *p, struct kith__link *l);

struct kith__link *kith__link_new(uint32_t peer);

/* The link to peer, opened when it is new. NULL: it has ended. */
struct kith__link *kith__link_use(struct kith__proto *p, uint32_t peer, int64_t now);

/* The link to peer, when more can be said on it: a goodbye is the last message, the peer acknowledges nothing
 * behind it. */
struct kith__link *kith__link_open_to(const struct kith__proto *p, uint32_t peer);

/* A message, and tail_size bytes that belong to it. Without memory for it the link ends. */
void kith__link_say(struct kith__proto *p, struct kith__link *l, struct kith__message *m, const void *tail,
                    size_t tail_size);

/* What the peer has, by a header of its, is done with. 0: it acknowledges what was never sent. */
int kith__link_acked(struct kith__proto *p, struct kith__link *l, const struct kith__header *h, int64_t now);

/* What was on its way to and from the peer is over. */
void kith__link_clear(struct kith__proto *p, struct kith__link *l);

/* The same by an event, which is told; node 0 tells the others of a loss. */
void kith__link_end(struct kith__proto *p, struct kith__link *l, enum kith__link_event on, const char *why);

#endif
