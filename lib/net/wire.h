/* wire.h: what node agents say to each other, as bytes.
 *
 * A frame is a header and messages; it is what a transport carries whole or not at all. All numbers are
 * little-endian and of fixed size. A message lists its fields once: its struct, size, encoding and
 * decoding come from that list. Behind its fields a message may have a tail of bytes.
 */
#ifndef KITH_NET_WIRE_H
#define KITH_NET_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum {
    KITH__FRAME_MOST = 256 << 10, /* libzmq counts only whole frames as life */
    KITH__LANES = 3,              /* lane 0: messages; the others: pieces of bytes */
    KITH__INLINE_MOST = 32 << 10, /* more bytes than this go as pieces */
    KITH__PIECE_MOST = (256 << 10) - 256
};

struct kith__counts {
    uint64_t of[KITH__LANES];
};

/* F(type, name) for each field, in order. */

/* turn: of this frame on its lane (channel.h). seq 0: an empty one, which is not counted and may be lost.
 * ack, seen: of each lane, what came in. bye 1: it is not known yet that its goodbye came in. */
#define KITH__FIELDS_HEADER(F) \
    F(u32, magic)              \
    F(u32, size)               \
    F(u32, from)               \
    F(u64, load)               \
    F(u64, job) F(u64, turn) F(u64, seq) F(counts, ack) F(counts, seen) F(u16, version) F(u8, lane) F(u8, bye)

/* A call on an object, by member (its serial number) and task of the peer. id: of the call, unique over the
 * job of its node: seat << 48 | count. op: kind << 8 | method. number: a plain argument. Its bytes are
 * the tail, or, with KITH__OUTSIDE, come as pieces once they were granted. */
#define KITH__FIELDS_REQUEST(F) \
    F(u64, id)                  \
    F(u64, object)              \
    F(u64, size)                \
    F(u64, number) F(u64, task) F(i64, timeout_ms) F(u32, member) F(u16, op) F(u16, flags)

/* The result of the calls id to id + count - 1; tail: bytes, or the sentence when result is a failure. */
#define KITH__FIELDS_REPLY(F) F(u64, id) F(i64, result) F(u64, size) F(u32, count) F(u16, flags)

/* yes: what the reply gave was taken; else it has reached nobody. */
#define KITH__FIELDS_SETTLE(F) F(u64, id) F(u8, yes)

/* Nobody waits for the reply any more. */
#define KITH__FIELDS_CANCEL(F) F(u64, id)

/* yes: there is room for the bytes of the request, or reply, of that id: send. no: there is none, drop them.
 */
#define KITH__FIELDS_ROOM(F) F(u64, id) F(u8, reply) F(u8, yes)

#define KITH__FIELDS_PIECE(F) F(u64, id) F(u64, offset) F(u8, reply)

/* The last message. reason: enum kith__bye_reason. */
#define KITH__FIELDS_BYE(F) F(u32, reason)

/* Node 0 has lost that node. */
#define KITH__FIELDS_LOSS(F) F(u32, node)

#define KITH__MESSAGES(M) \
    M(REQUEST, request)   \
    M(REPLY, reply)       \
    M(SETTLE, settle) M(CANCEL, cancel) M(ROOM, room) M(PIECE, piece) M(BYE, bye) M(LOSS, loss)

enum { KITH__OUTSIDE = 1 }; /* a flag of requests and replies; the others belong to who makes them */
enum kith__bye_reason { KITH__BYE_NODE, KITH__BYE_JOB }; /* this node leaves; the job is over */

typedef uint8_t kith__u8;
typedef uint16_t kith__u16;
typedef uint32_t kith__u32;
typedef uint64_t kith__u64;
typedef int64_t kith__i64;
typedef struct kith__counts kith__counts;

#define KITH__WIRE_MEMBER(type, name) kith__##type name;
struct kith__header {
    KITH__FIELDS_HEADER(KITH__WIRE_MEMBER)
};
#define KITH__WIRE_STRUCT(NAME, name)          \
    struct kith__##name {                      \
        KITH__FIELDS_##NAME(KITH__WIRE_MEMBER) \
    };
KITH__MESSAGES(KITH__WIRE_STRUCT)

#define KITH__WIRE_KIND(NAME, name) KITH__MESSAGE_##NAME,
enum kith__message_kind { KITH__MESSAGES(KITH__WIRE_KIND) KITH__MESSAGE_KINDS };

#define KITH__WIRE_UNION(NAME, name) struct kith__##name name;
struct kith__message {
    enum kith__message_kind kind;
    uint32_t tail_size;
    const unsigned char *tail;
    union {
        KITH__MESSAGES(KITH__WIRE_UNION)
    };
};

#define KITH__WIRE_SIZE(type, name) sizeof(kith__##type) +
enum {
    KITH__HEADER_SIZE = KITH__FIELDS_HEADER(KITH__WIRE_SIZE) 0,
    KITH__MESSAGE_HEAD = 8, /* before the fields: kind, size of the tail */
    KITH__MESSAGE_MOST =
        KITH__MESSAGE_HEAD + KITH__FIELDS_REQUEST(KITH__WIRE_SIZE) 0 /* the longest without its tail */
};

void kith__header_encode(unsigned char to[KITH__HEADER_SIZE], const struct kith__header *h);

/* 1; 0 when from is no whole frame of ours: too short, cut off, another version. */
int kith__header_decode(const unsigned char *from, size_t size, struct kith__header *h);

/* Writes all but the tail to where KITH__MESSAGE_MOST bytes are; their number. */
size_t kith__message_encode(unsigned char *to, const struct kith__message *m);

/* The message at from, whose tail points into it: its bytes, or 0 when there is none in size bytes. */
size_t kith__message_decode(const unsigned char *from, size_t size, struct kith__message *m);

#endif
