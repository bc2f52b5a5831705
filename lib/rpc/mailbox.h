/* mailbox.h: how the threads of a node and its agent talk, in the arena.
 *
 * A thread that wants something of another node has a mailbox, one for its seat: a ring into which it posts
 * requests, which only it writes and only the agent reads, and a buffer for the answer to the one that it
 * waits for. Some requests are pipelined: the thread does not wait for them. All are carried out in the order
 * in which they were posted.
 *
 * A block that goes with a request becomes the agent's before the request counts, a block that comes with an
 * answer stays the agent's, or becomes the thread's while the answer is TAKEN: so who dies in the middle
 * leaves nothing that another would free.
 *
 * The answer is one word, id << 3 | state:
 *
 *     from        to          by
 *     IDLE        ASKED       the thread, before it posts
 *     ASKED       READY       the agent: the answer is there
 *     READY       TAKEN       the thread: from here on what it gives is the thread's
 *     TAKEN       IDLE        the thread, when it has copied it
 *     ASKED       GRANTED     the agent: the bytes of a put have a buffer at home now
 *     GRANTED     IDLE        the thread: the put goes on without it
 *     any of them GIVEN_UP    the thread, its successor on the seat, or, when it is dead, the agent
 *     GIVEN_UP    IDLE        the agent: an answer that comes is refused from here on
 */
#ifndef KITH_MAILBOX_H
#define KITH_MAILBOX_H

#include "member/wait.h"
#include "rpc/remote.h"

enum {
    KITH__MAILBOX_BYTES = 4096, /* more go in a block */
    KITH__SMALL_PUT = 32 << 10, /* more need a buffer at home before the thread may go on */
    KITH__ANSWER_BYTES = 4096,
    KITH__MAILBOX_RING = 32768,
    KITH__AGENTS_OWN = 0xffff /* in place of a seat, in the calls that an agent makes itself */
};

/* An op of no class. number: credit that was not used | seat << 32, whose it was. */
enum { KITH__RELEASE_CREDIT = 1 };

struct kith__mailbox_request { /* in the ring, its bytes behind it */
    uint32_t length;           /* of all that, a multiple of 8; 0: the next one is at the start of the ring */
    uint16_t op, flags;        /* kind << 8 | method; enum kith__call_flags */
    uint32_t node, member;     /* whom it is for; the serial number of who asks */
    uint64_t id, object, size, number, task, room; /* room: for what comes back */
    int64_t timeout_ms;
    uint64_t block; /* in which the bytes are; 0: they follow */
};

enum kith__answer_state {
    KITH__ANSWER_IDLE,
    KITH__ANSWER_ASKED,
    KITH__ANSWER_GRANTED,
    KITH__ANSWER_READY,
    KITH__ANSWER_TAKEN,
    KITH__ANSWER_GIVEN_UP
};

enum kith__watching { KITH__WATCHES_NOTHING, KITH__WATCHES_ROOM, KITH__WATCHES_QUIET };

struct kith__mailbox {
    /* Written by the thread. */
    _Atomic uint64_t tail;     /* bytes ever posted */
    uint64_t count;            /* requests ever */
    _Atomic uint64_t handing;  /* a block that is becoming the agent's ... */
    uint64_t handing_at;       /* ... with the request at this position */
    _Atomic uint32_t watching; /* enum kith__watching: wake the seat then */
    uint64_t pipelined_object; /* on which it pipelines */
    uint32_t had_credit;       /* of it, at some time */
    _Atomic uint32_t credit;   /* for it: the thread uses it, the agent takes back what is left */

    /* Written by the agent. */
    _Atomic uint64_t head __attribute__((aligned(64))); /* bytes ever read */
    _Atomic uint64_t open,
        open_bytes; /* pipelined puts that were read and are not done; bytes of the large ones of them */
    _Atomic int32_t deferred; /* the code of one that failed */
    char deferred_text[256];
    _Atomic uint64_t lost; /* items, by those that failed since somebody was told */

    /* Written by both, see above. */
    _Atomic uint64_t answer __attribute__((aligned(64)));
    int64_t result;
    uint64_t size, block; /* block 0: what there is stands in bytes */
    uint32_t flags;

    struct kith__waiters waiters;                                /* the thread, when it waits for the agent */
    char bytes[KITH__ANSWER_BYTES] __attribute__((aligned(64))); /* or the sentence of a failure */
    char ring[KITH__MAILBOX_RING];
};

enum kith__agent_state { KITH__AGENT_CLOSED, KITH__AGENT_READY, KITH__AGENT_FAILED, KITH__AGENT_GONE };

enum { KITH__DEATHS_KNOWN = 30 };

/* What another node has told of the deaths of its processes; see object/vouch.h. Written by the agent. */
struct kith__deaths {
    _Atomic uint64_t told;                     /* how many; KITH__NODE_ENDED: it tells nothing any more */
    _Atomic uint32_t last[KITH__DEATHS_KNOWN]; /* serial numbers: that of the i-th at i % DEATHS_KNOWN */
};

#define KITH__NODE_ENDED UINT64_MAX

/* What the agent and the others of its node share: a block, kith__shared->agent_shared. */
struct kith__agent_shared {
    _Atomic uint32_t state;            /* enum kith__agent_state */
    _Atomic uint32_t leave;            /* 1: the agent is to say goodbye; 2: and that the job is over */
    _Atomic uint32_t sleeps;           /* odd: the agent is asleep, or is about to be, and nobody has rung; it
                                          grows, so each sleep has a number */
    uint32_t agent;                    /* its member number + 1 */
    pthread_mutex_t agent_lives;       /* robust, held by the agent */
    struct kith__guard guard;          /* of mailboxes[] */
    _Atomic uint64_t contacts;         /* the block with all nodes' contacts, once they are known */
    struct kith__waiters pending;      /* the seats whose mailbox the agent should look at */
    kith__word mailboxes[KITH__SEATS]; /* by seat: its mailbox; 0: none yet. A mailbox stays for the next one
                                          on the seat */
    char why[512];                     /* of FAILED */
    unsigned char contact[1024];       /* of this node: see agent.h */
    struct kith__deaths deaths[];      /* of each node's processes */
};

static inline struct kith__agent_shared *kith__agent_shared(void)
{
    return kith__at(atomic_load(&kith__shared->agent_shared));
}

/* Finishes the commit of one who died when he made a mailbox. For janitors, and for who comes to its seat
 * before them. */
static inline void kith__mailboxes_finish(void)
{
    if (atomic_load(&kith__shared->agent_shared) != 0)
        kith__guard_finish(&kith__agent_shared()->guard);
}

/* The agent is told to look at the mailbox of seat n. */
void kith__mailbox_point(uint32_t seat);

int kith__agent_dead(void); /* 1: the agent is gone, or never was: KITH_EPEER with a sentence is set */

/* ------------------------------------------------------------- the thread's end of a mailbox
 *
 * None of these waits. remote.c does, for what the predicates tell, with .watching set. */

struct kith__endpoint {
    struct kith__mailbox *mailbox; /* NULL: none yet */
    struct kith__seat *seat;
    uint64_t object; /* the last one that was called so, if the next call may be pipelined: */
    int unbounded;   /* always, or as far as the credit goes */
};

struct kith__answer {
    int64_t result;
    uint64_t size, block;
    uint32_t flags;
    const void *bytes;
};

/* All that was posted is done; and no answer is awaited; there is room for any request; for a large call that
 * is pipelined. */
int kith__mailbox_is_quiet(const struct kith__mailbox *d);
int kith__mailbox_is_idle(const struct kith__mailbox *d);
int kith__mailbox_has_room(const struct kith__mailbox *d);
int kith__mailbox_large_ones_fit(const struct kith__mailbox *d);

/* Finds the mailbox of the seat, or makes it. 1: it was another thread's: return all credit that that one
 * had, _abandon, wait until it is idle, _renew. 0: a new one. KITH_ENOMEM. */
int kith__mailbox_open(struct kith__endpoint *e, struct kith__seat *seat);
void kith__mailbox_abandon(const struct kith__endpoint *e); /* nobody waits for the answer, whichever it is */
void kith__mailbox_renew(const struct kith__endpoint *e);

/* Posts a request, which is given its id: one that is not waited for, or one whose answer is awaited. Its
 * bytes are copied, or lie in r->block, which goes with it. There is room; the answer is idle for _ask. 0;
 * KITH_ENOMEM. */
int kith__mailbox_send(const struct kith__endpoint *e, struct kith__mailbox_request *r, const void *bytes);
int kith__mailbox_ask(const struct kith__endpoint *e, struct kith__mailbox_request *r, const void *bytes);

/* The owner of a block that comes with that answer, until the thread has made it its own: the agent, but no
 * other block of it looks like this one. */
uint64_t kith__mailbox_answer_owner(uint64_t id);

/* So much credit goes back; there is room for a request. */
void kith__mailbox_return_credit(const struct kith__endpoint *e, uint32_t credit);

/* 1: the answer to id is there, and ours until _end_call. 1: the bytes of call id have a buffer: no answer
 * is awaited any more. */
int kith__mailbox_take_answer(struct kith__mailbox *d, uint64_t id);
int kith__mailbox_take_grant(struct kith__mailbox *d, uint64_t id);
void kith__mailbox_read(const struct kith__mailbox *d, struct kith__answer *a); /* sets its sentence */
void kith__mailbox_keep_block(const struct kith__mailbox *d, uint64_t id);      /* it is this process's now */
void kith__mailbox_end_call(const struct kith__endpoint *e, uint64_t id);

/* Nobody waits for answer id any more. 0: it has come meanwhile. */
int kith__mailbox_give_up(const struct kith__endpoint *e, uint64_t id);

/* 1: this call needs not wait for its turn. And what an answer says about the next call: 1: it has credit,
 * which goes back before the thread does something else. */
int kith__mailbox_may_pipeline(const struct kith__endpoint *e, uint64_t id);
int kith__mailbox_learn(struct kith__endpoint *e, uint64_t id, const struct kith__answer *a);

/* What came of the calls that were pipelined: 0, or the code of one that failed, once. It counts for the
 * object that it was for; that something is lost (is_loss) is told to whatever comes next. */
int kith__mailbox_deferred_error(struct kith__mailbox *d, uint64_t id);
int kith__mailbox_is_loss(int code);

#endif
