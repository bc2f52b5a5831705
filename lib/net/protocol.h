/* protocol.h: how the agents of a job talk: a state machine without I/O. Frames go in, frames come out, and
 * the time is given, so a test can run many nodes in one process.
 *
 * Between two nodes there is a link: lane 0 carries messages and signs of life, the others pieces of bytes
 * that are too large for a message. A call is a request and its reply; what a reply has given away is settled
 * when it was taken. A link is opened by the first message, ends by a goodbye or is lost, and what is lost
 * stays lost. All have a link to node 0, the loss of which is the end of a node: so what node 0 has lost is
 * lost for all, and it tells them.
 *
 * Bytes lie in blocks, numbers that only the owner of the events understands.
 */
#ifndef KITH_NET_PROTOCOL_H
#define KITH_NET_PROTOCOL_H

#include "net/wire.h"

enum kith__link_state {
    KITH__LINK_CLOSED, /* nothing was said yet */
    KITH__LINK_OPEN,
    KITH__LINK_LEAVING, /* we have said goodbye */
    KITH__LINK_GONE,    /* and the peer knows it */
    KITH__LINK_LEFT,    /* the peer has said goodbye */
    KITH__LINK_LOST
};

struct kith__proto_config {
    uint32_t node, nodes;               /* own number; how many there are */
    uint64_t job;                       /* frames of another job are dropped */
    int64_t beat_ns;                    /* a sign of life at least that often */
    int64_t first_ns;                   /* lost without a first sign of life for so long, */
    int64_t lost_ns;                    /* or without one for so long and not connected, */
    int64_t silent_ns;                  /* or for so long though connected; INT64_MAX: never */
    uint64_t window;                    /* bytes on their way on a lane of pieces */
    int64_t doubt_ns;                   /* in doubt after so long without a sign of life; 0: never */
    const char *(*host)(uint32_t node); /* for messages; NULL: no names are known */
};

struct kith__proto_events {
    void *(*at)(void *context, uint64_t block);
    void (*release)(void *context, uint64_t block); /* of what was given to _request, or came in */

    /* bytes NULL with size > 0: they follow; returns the block to receive them in, 0: refused, and that is
     * the end of this request (its reply says why). */
    uint64_t (*request)(void *context, uint32_t peer, const struct kith__request *r, const void *bytes);
    uint64_t (*reply)(void *context, uint32_t peer, const struct kith__reply *r, const void *bytes);
    void (*arrived)(void *context, uint32_t peer, uint64_t id, int reply,
                    uint64_t block); /* all of them: the block is given */
    void (*granted)(void *context, uint32_t peer,
                    uint64_t id); /* the peer has room for the bytes of our request */
    void (*settled)(void *context, uint32_t peer, uint64_t id, int yes);
    void (*cancelled)(void *context, uint32_t peer, uint64_t id);
    void (*ended)(void *context, uint32_t peer, enum kith__link_state state,
                  const char *why); /* LEFT or LOST: no reply comes from it now */
    void (*job_over)(void *context, uint32_t peer);
    int (*is_connected)(void *context, uint32_t peer); /* 1: its kernel still answers */

    /* Bytes [from, to) of a block that we receive are about to be written, for the first time: it needs
     * memory as far as that. Returns how far it has some now, to or more. Nobody waits while a large block is
     * prepared as a whole. */
    uint64_t (*fill)(void *context, uint64_t block, uint64_t from, uint64_t to);

    /* No sign of life has come for doubt_ns: the peer may be lost, or late. Again and again, until one comes,
     * or it is lost. */
    void (*doubted)(void *context, uint32_t peer);
};

struct kith__out { /* a frame to send: head, then body */
    uint32_t peer, lane;
    unsigned char head[KITH__HEADER_SIZE + KITH__MESSAGE_MOST];
    size_t head_size, body_size;
    const void *body;
    void *frame;
};

struct kith__proto;

struct kith__proto *kith__proto_new(const struct kith__proto_config *config,
                                    const struct kith__proto_events *events, void *context);
void kith__proto_free(struct kith__proto *p);

/* Opens a link, for signs of life alone; the messages below open it too. 0, or KITH_EPEER when it has ended.
 */
int kith__proto_open(struct kith__proto *p, uint32_t peer, int64_t now);

/* r->size bytes lie at bytes, or in block, which is taken: it is released when the peer has them. KITH_EPEER
 * (nothing taken). */
int kith__proto_request(struct kith__proto *p, uint32_t peer, const struct kith__request *r,
                        const void *bytes, uint64_t block, int64_t now);

/* block is borrowed until the event settled or ended. Without a link the reply is dropped. */
void kith__proto_reply(struct kith__proto *p, uint32_t peer, const struct kith__reply *r, const void *bytes,
                       uint64_t block);
void kith__proto_confirm(struct kith__proto *p, uint32_t peer, uint64_t id,
                         uint32_t flags); /* a reply of 0; many in a row become one message */
void kith__proto_settle(struct kith__proto *p, uint32_t peer, uint64_t id, int yes);
void kith__proto_cancel(struct kith__proto *p, uint32_t peer, uint64_t id);

/* A frame that came from peer, as the transport knows it. What makes no sense is dropped, and costs the peer
 * its link when it was whole. */
void kith__proto_receive(struct kith__proto *p, uint32_t peer, const void *frame, size_t size, int64_t now);

/* The next frame to send: 1, or 0: none now. Each is followed by _sent: taken 0: the transport takes nothing
 * on that lane until _unblock, the frame comes again. */
int kith__proto_next(struct kith__proto *p, struct kith__out *out, int64_t now);
void kith__proto_sent(struct kith__proto *p, const struct kith__out *out, int taken, int64_t now);
void kith__proto_unblock(struct kith__proto *p);

/* Does what is due; returns when to call it again at the latest. A gap in our own clock is nobody's silence.
 */
int64_t kith__proto_tick(struct kith__proto *p, int64_t now);

/* Says goodbye to all peers; _left: 1 when all know it, or are gone. */
void kith__proto_leave(struct kith__proto *p, enum kith__bye_reason reason);
int kith__proto_left(const struct kith__proto *p);

enum kith__link_state kith__proto_state(const struct kith__proto *p, uint32_t peer);
uint64_t kith__proto_backlog(const struct kith__proto *p,
                             uint32_t peer); /* bytes of messages that it has not acknowledged */
void kith__proto_set_load(struct kith__proto *p, uint64_t load);       /* told to all with each frame */
uint64_t kith__proto_load(const struct kith__proto *p, uint32_t peer); /* what it told last; 0: nothing yet */

#endif
