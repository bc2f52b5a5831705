/* channel.h: one direction of one connection between two nodes: frames in order, none lost, none twice,
 * though the transport may lose, repeat and delay them, as it does around a cut connection.
 *
 * Frames are counted from 1, and the sender keeps each until it is acknowledged. Whatever is sent also has a
 * turn: a number of its own, each time, also when it is sent again, also when it is empty. The receiver tells
 * up to which frame it has all (ack), and the latest turn that came in (seen). A frame is lost when its turn,
 * or a later one, was seen and it is not acknowledged: the sender goes on from there. Nothing is sent again
 * because it takes long: no clock can tell a slow line from a cut one, and repetitions make it slower. Behind
 * the last frame the owner sends empty ones at times, until all is acknowledged: so its loss shows, too.
 *
 * No I/O and no clock: times are given, in ns.
 */
#ifndef KITH_NET_CHANNEL_H
#define KITH_NET_CHANNEL_H

#include "base/list.h"

#include <stddef.h>
#include <stdint.h>

struct kith__frame {
    KITH__LINK(struct kith__frame) link;
    uint64_t seq;
    uint32_t size, room;  /* of bytes: in use, and allocated */
    uint32_t sent;        /* how often */
    uint64_t turn;        /* the last time, */
    int64_t sent_at;      /* and when that was */
    uint32_t length;      /* bytes of the piece that it carries */
    unsigned char *bytes; /* its messages; NULL in the frame of a piece */
    void *piece;          /* what they are a piece of: its owner knows */
    uint64_t offset;
};

struct kith__channel {
    KITH__LIST(struct kith__frame) frames; /* not acknowledged yet */
    struct kith__frame *cursor; /* the first of them that is to be sent; NULL: all are on their way */
    uint64_t seq;               /* of the last frame that was added */
    uint64_t turn;              /* of what was sent last, */
    int64_t said;               /* and when that was */
    uint64_t flight;            /* bytes on their way */
    uint64_t room; /* bytes that may be on their way, as far as the window allows; 0: nothing known yet */
    int blocked;   /* the transport takes nothing now */

    uint64_t got, seen;     /* all frames up to this came in; the latest turn that did */
    uint64_t unacked_bytes; /* which came in since we acknowledged */
    int64_t unacked_since;  /* 0: nothing to acknowledge */
    int missing;            /* a turn was passed over: say at once what came in */
};

/* A new frame at the end, empty, room bytes large. NULL: no memory. */
struct kith__frame *kith__channel_add(struct kith__channel *l, size_t room);

/* 1: one more frame may be sent now, if there is one. */
int kith__channel_has_room(const struct kith__channel *l, uint64_t window);

/* The frame to send now, when not more than window bytes are on their way then; NULL: none. */
struct kith__frame *kith__channel_next(const struct kith__channel *l, uint64_t window);

/* It was sent, in turn .turn + 1; f NULL: an empty frame, that is not counted. */
void kith__channel_sent(struct kith__channel *l, struct kith__frame *f, int64_t now);

/* The peer has all up to ack, and has seen that turn: drop is called for each frame before it is freed, and
 * what was lost is sent again. 0 when that makes no sense.
 */
int kith__channel_acked(struct kith__channel *l, uint64_t ack, uint64_t seen, int64_t now,
                        void (*drop)(void *context, struct kith__frame *f), void *context);

/* Something came in, in that turn. */
void kith__channel_heard(struct kith__channel *l, uint64_t turn, int64_t now);

/* A frame came in: 1: it is the next one, take it; 0: it came before, or an earlier one is missing. */
int kith__channel_arrived(struct kith__channel *l, uint64_t seq, size_t size, int64_t now);
void kith__channel_acknowledged(struct kith__channel *l); /* we have told the peer what came in */

void kith__channel_close(struct kith__channel *l, void (*drop)(void *context, struct kith__frame *f),
                         void *context);

#endif
