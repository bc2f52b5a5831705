/* channel.h: one direction of one connection between two nodes: frames in order, none lost, none twice,
 * though the transport may lose, repeat and delay them, as it does around a cut connection.
 *
 * Frames are counted from 1. The sender keeps each until it is acknowledged; when the receiver misses one, or
 * nothing was acknowledged for some time, it sends again from there. No I/O and no clock: times are given, in
 * ns.
 */
#ifndef KITH_NET_LANE_H
#define KITH_NET_LANE_H

#include <stddef.h>
#include <stdint.h>

struct kith__frame {
    struct kith__frame *next;
    uint64_t seq;
    uint32_t size, room;  /* of bytes: in use, and allocated */
    uint32_t sent;        /* how often */
    int64_t sent_at;      /* the last time */
    uint32_t length;      /* bytes of the piece that it carries */
    unsigned char *bytes; /* its messages; NULL in the frame of a piece */
    void *piece;          /* what they are a piece of: its owner knows */
    uint64_t offset;
};

struct kith__channel {
    struct kith__frame *first, *last; /* not acknowledged yet */
    struct kith__frame *cursor;       /* the first of them that is to be sent; NULL: all are on their way */
    uint64_t seq;                     /* of the last frame that was added */
    uint64_t flight;                  /* bytes on their way */
    int64_t progress,
        patience;  /* when an ack moved last; how long to wait for the next; 0: as nothing is known yet */
    int64_t usual; /* how long a frame and its ack take; 0: not known yet */
    uint64_t room; /* bytes that may be on their way, as far as the window allows; 0: as above */
    int blocked;   /* the transport takes nothing now */

    uint64_t got;        /* all up to this came in */
    uint64_t owed_bytes; /* which came in since we acknowledged */
    int64_t owed_since;  /* 0: nothing to acknowledge */
    int missing;         /* a later one came: say so */
    uint64_t missed;     /* what was missing when we said so last */
};

/* A new frame at the end, empty, room bytes large. NULL: no memory. */
struct kith__frame *kith__channel_add(struct kith__channel *l, size_t room);

/* 1: one more frame may be sent now, if there is one. */
int kith__channel_has_room(const struct kith__channel *l, uint64_t window);

/* The frame to send now, when not more than window bytes are on their way then; NULL: none. */
struct kith__frame *kith__channel_next(const struct kith__channel *l, uint64_t window);
void kith__channel_sent(struct kith__channel *l, struct kith__frame *f, int64_t now);

/* The peer has all up to ack: drop is called for each of them before it is freed. 0 when ack makes no sense.
 */
int kith__channel_acked(struct kith__channel *l, uint64_t ack, int64_t now,
                        void (*drop)(void *context, struct kith__frame *f), void *context);

/* Sends again all that is not acknowledged. */
void kith__channel_rewind(struct kith__channel *l);

/* When it would be rewound because no ack came, INT64_MAX: never; and does that when now is there. */
int64_t kith__channel_due(const struct kith__channel *l);
void kith__channel_tick(struct kith__channel *l, int64_t now);

/* A frame came in: 1: it is the next one, take it; 0: it came before, or an earlier one is missing. */
int kith__channel_arrived(struct kith__channel *l, uint64_t seq, size_t size, int64_t now);
void kith__channel_acknowledged(struct kith__channel *l); /* we have told the peer what came in */

void kith__channel_close(struct kith__channel *l, void (*drop)(void *context, struct kith__frame *f),
                         void *context);

#endif
