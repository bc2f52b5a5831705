/* remote.h: calls on objects whose home is another node, or which are to be treated so: they become requests
 * to the node agent (mailbox.h). Nothing here knows what an object is. */
#ifndef KITH_REMOTE_H
#define KITH_REMOTE_H

#include "base/handle.h"
#include "member/members.h"

#include <stddef.h>
#include <stdint.h>

/* Who asks. member: serial number of its process, which is never used again; task: of the running task. */
struct kith__caller {
    uint32_t node, member;
    uint64_t task;
};

/* What a call takes along. The bytes are borrowed, or lie in block, one of this process's: a method that
 * keeps it sets it to 0, and so does a call to another node. */
struct kith__args {
    const void *bytes;
    uint64_t size, block, number;
    uint32_t flags;  /* enum kith__call_flags */
    uint64_t ident;  /* for methods that are tried outside of guards: see class.h */
    uint32_t waiter; /* of a FAIR one that has waited for long: number + 1 of the seat; else 0 */
};

enum { KITH__FEW = 16 };

/* What comes of it. buf, room: where the caller wants bytes; NULL: they are given in a block. */
struct kith__result {
    void *buf;
    uint64_t room, size, block;
    uint32_t flags;
    uint8_t wake_one, wake_all; /* a bit for each side of the object */
    uint16_t wake_seat;         /* number + 1 of one seat; 0: none */
    uint8_t grows;              /* buf is NULL, and is to be memory of malloc, of that size; NULL for none */
    uint8_t takes;              /* bytes that came in a block are given as that, also where there is buf */
    char few[KITH__FEW];        /* bytes that are no item: a copy, for which nobody needs a block */
};

/* Flags of calls, results, requests and replies; bit 0 is the protocol's. */
enum kith__call_flags {
    KITH__EXACT = 2,       /* the bytes that come must have just that size */
    KITH__PIPELINED = 4,   /* the thread goes on before it is done; also of its answer */
    KITH__GIVEN = 8,       /* of a result: it goes back when nobody takes it */
    KITH__UNBOUNDED = 16,  /* of a result: the next may be pipelined, always */
    KITH__RESERVED = 32,   /* it uses credit */
    KITH__OWNER_DEAD = 64, /* of a result: a former owner died with it */
    KITH__MARK = 128,      /* of a result: the class's own; it comes back with .undo */
    KITH__WAITED = 256,    /* of a call that is parked: it has waited for long */
    KITH__TRACELESS = 512  /* of a call: given up it is as if it had never been made */
};

#define KITH__OVERDUE (UINT32_C(1) << 31) /* of a waiter: it has slept on for a while, and nobody woke it */

/* 1: go through the node agents, also at home under KITH_TRANSPORT=net. */
static inline int kith__is_remote(uint64_t id)
{
    return kith__shared->through_net || kith__handle_home(id) != kith__shared->node;
}

/* A call of that op on an object, or on a node when id is 0. The result, with its bytes in out->buf; a code.
 * Bytes in in->block are not copied: it goes with the request, whatever comes of it, and is 0 then.
 * KITH_ETIMEDOUT says that it was not carried out. Where nobody knows that, because its home has not answered
 * long after the timeout, it is KITH_EPEER. */
int64_t kith__remote_call(uint32_t node, uint32_t op, uint64_t id, const struct kith__caller *who,
                          struct kith__args *in, struct kith__result *out, int timeout_ms);

/* The same for an op that may be pipelined: it may return before it is done. */
int kith__remote_pipeline(uint64_t id, uint32_t op, const struct kith__caller *who, struct kith__args *in,
                          int timeout_ms);

/* The same without waiting: a call, which is known by *id; one at a time, and the thread makes no other until
 * it has withdrawn. 1: the answer has come, and that was its result, or its code. It wakes the thread's seat.
 */
int kith__remote_ask(uint32_t node, uint32_t op, const struct kith__caller *who, const struct kith__args *in,
                     uint64_t *id);
int kith__remote_answered(uint64_t id, int *result);
void kith__remote_withdraw(uint64_t id);

/* What is pipelined on that object from now on waits for its answer: it is about to be closed. */
void kith__remote_forget(uint64_t id);

/* Waits until what this thread has pipelined is done. Called before whatever could tell others of it, so that
 * nobody can see that a call went on before it was done. KITH_ENOMEM, KITH_EPEER: some items did not arrive,
 * which is told once. */
int kith__remote_drain(void);
extern _Thread_local int kith__remote_pipelined;
static inline int kith__remote_settle(void)
{
    return __builtin_expect(kith__remote_pipelined, 0) ? kith__remote_drain() : 0;
}

/* The same at the end of a process, also for its threads that have ended before. */
int kith__remote_last_words(void);

#endif
