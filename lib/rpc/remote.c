/* remote.c: see remote.h, and mailbox.h for how a request goes.
 *
 * A call that may be pipelined does not wait for the other node, else it would cost a round trip: a small one
 * is posted and done, a large one has a place at its home when the call returns. What the thread does next
 * through kith, other than the same on the same object, waits for them first.
 */
#include "config.h"
#include "rpc/remote.h"
#include "rpc/mailbox.h"
#include "base/error.h"
#include "shm/heap.h"
#include "base/system.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PIPELINED_BYTES = 8 << 20 }; /* of large calls that may be on their way */

static const int64_t margin_ns = 10000 * KITH__MS; /* that the answer to a call may be late */

_Thread_local int kith__remote_pipelined __attribute__((tls_model("initial-exec")));

static _Thread_local struct {
    struct kith__mailbox *mailbox;
    struct kith__seat *seat;
    uint64_t object; /* the last one that was called so, if the next call may be pipelined: */
    int unbounded;   /* always, or with the places that are reserved */
} own;

/* --------------------------------------------------------------------- the mailbox */

int kith__agent_dead(void)
{
    pthread_mutex_t *lives;
    int rc;

    if (atomic_load(&kith__shared->agent_shared) == 0)
        return kith__fail(KITH_EPEER, "this node has no agent: the job has one node only") < 0;
    lives = &kith__agent_shared()->agent_lives;
    if ((rc = pthread_mutex_trylock(lives)) == EBUSY)
        return 0;
    if (rc == EOWNERDEAD)
        pthread_mutex_consistent(lives);
    if (rc == 0 || rc == EOWNERDEAD)
        pthread_mutex_unlock(lives);
    kith__fail(KITH_EPEER, "the agent of this node (pid %d on %s) is gone, and with it the way to all others",
               (int)atomic_load(&kith__shared->agent_pid), kith__shared->host);
    return 1;
}

void kith__mailbox_point(uint32_t seat)
{
    struct kith__agent_shared *shared = kith__agent_shared();
    uint64_t bit = UINT64_C(1) << seat % 64, word = UINT64_C(1) << seat / 64;

    /* That the bit was there already says nothing: who set it may have died before the next line. */
    atomic_fetch_or(&shared->pending.bits[seat / 64], bit);
    kith__failpoint("mailbox: marked");
    if (!(atomic_load(&shared->pending.summary) & word))
        atomic_fetch_or(&shared->pending.summary, word);
    kith__fence();
    if (atomic_load(&shared->asleep))
        kith__ring(kith__agent_bell);
}

static uint64_t answer_of(const struct kith__mailbox *d)
{
    return atomic_load(&d->answer);
}

static void point(void)
{
    kith__mailbox_point(kith__seat_number(own.seat));
}

static struct kith__mailbox *new_mailbox(struct kith__agent_shared *shared, uint32_t seat)
{
    uint64_t block = kith__heap_alloc(sizeof(struct kith__mailbox), kith__me);

    if (block == 0)
        return NULL;
    memset(kith__at(block), 0, sizeof(struct kith__mailbox));
    kith__failpoint("mailbox: new");
    kith__guard_enter(&shared->guard);
    kith__guard_set(&shared->guard, &shared->mailboxes[seat], block);
    kith__guard_set(&shared->guard, kith__heap_owner(block), 0);
    kith__guard_commit(&shared->guard);
    kith__guard_leave(&shared->guard);
    return kith__at(block);
}

/* Waits until what the mailbox shows is so, which the agent is asked to tell. 0; KITH_ETIMEDOUT; KITH_EPEER.
 */
static int watch(struct kith__mailbox *d, enum kith__watching what,
                 int (*is_so)(const struct kith__mailbox *d), int timeout_ms)
{
    struct kith__wait w;
    int rc;

    if (is_so(d))
        return 0;
    if (timeout_ms == 0)
        return kith__fail(KITH_ETIMEDOUT, "the time limit passed");
    if ((rc = kith__wait_begin(&w, &d->waiters, timeout_ms)) < 0)
        return rc;
    w.at_once = 1;
    do {
        atomic_store(&d->watching, what);
        kith__fence();
        if (is_so(d))
            break;
        if (kith__agent_dead())
            rc = KITH_EPEER;
    } while (rc == 0 && (rc = kith__wait_sleep(&w)) == 0);
    atomic_store(&d->watching, KITH__WATCHES_NOTHING);
    kith__wait_end(&w, 1);
    return rc;
}

static int is_quiet(const struct kith__mailbox *d)
{
    return atomic_load(&d->head) == atomic_load(&d->tail) && atomic_load(&d->open) == 0;
}

static int is_idle(const struct kith__mailbox *d)
{
    return is_quiet(d) && (answer_of(d) & 7) == KITH__ANSWER_IDLE;
}

/* The last one on this seat died, or ended in the middle: what it had filed is done first. */
static int inherit(struct kith__mailbox *d)
{
    uint64_t seen = answer_of(d);

    while ((seen & 7) != KITH__ANSWER_IDLE && (seen & 7) != KITH__ANSWER_GIVEN_UP)
        if (atomic_compare_exchange_strong(&d->answer, &seen, (seen & ~UINT64_C(7)) | KITH__ANSWER_GIVEN_UP))
            break;
    point();
    return watch(d, KITH__WATCHES_QUIET, is_idle, KITH_FOREVER);
}

/* The owner of a block that this seat hands over: the agent, but no block that the agent has taken itself
 * looks like it. */
static uint64_t handed_over(void)
{
    return (uint64_t)(kith__seat_number(own.seat) + 1) << 32 | kith__agent_shared()->agent;
}

/* A block that was on its way to the agent when its giver died: it is the agent's, which knows nothing of it.
 * When the giver still owned it, it goes with all that the dead one owned, and may be anybody's by now. */
static void recover_block(struct kith__mailbox *d)
{
    uint64_t block = atomic_load(&d->handing);

    if (block != 0 && d->handing_at == atomic_load(&d->tail) && kith__heap_owner_now(block) == handed_over())
        kith__heap_free(block);
    atomic_store(&d->handing, 0);
}

/* ---------------------------------------------------------------------- requests */

static uint64_t free_bytes(const struct kith__mailbox *d)
{
    return KITH__MAILBOX_RING - (atomic_load(&d->tail) - atomic_load(&d->head));
}

/* The largest request, and what is wasted at the end of the ring before it. */
static int has_room(const struct kith__mailbox *d)
{
    return free_bytes(d) >= 2 * (sizeof(struct kith__mailbox_request) + KITH__MAILBOX_BYTES);
}

/* Posts it; its bytes stand at bytes, or in e->block, which is ours and becomes the agent's. There is room.
 */
static void post(struct kith__mailbox *d, struct kith__mailbox_request *e, const void *bytes)
{
    uint64_t inside = e->block ? 0 : e->size, tail = atomic_load(&d->tail), at = tail % KITH__MAILBOX_RING;

    e->length = (uint32_t)((sizeof *e + inside + 7) & ~UINT64_C(7));
    if (at + e->length > KITH__MAILBOX_RING) {
        if (at + sizeof e->length <= KITH__MAILBOX_RING)
            memset(&d->ring[at], 0, sizeof e->length);
        tail += KITH__MAILBOX_RING - at;
        at = 0;
    }
    memcpy(&d->ring[at], e, sizeof *e);
    if (inside > 0)
        memcpy(&d->ring[at] + sizeof *e, bytes, inside);
    if (e->block) {
        d->handing_at = atomic_load(&d->tail);
        atomic_store(&d->handing, e->block);
        kith__failpoint("mailbox: block offered");
        atomic_store(kith__heap_owner(e->block), handed_over());
        kith__failpoint("mailbox: block handed over");
    }
    atomic_store_explicit(&d->tail, tail + e->length, memory_order_release);
    kith__failpoint("mailbox: posted");
    atomic_store(&d->handing, 0);
    point();
}

/* Places that were reserved for this seat are free again: so many. */
static void return_places(struct kith__mailbox *d, uint32_t places)
{
    struct kith__mailbox_request e = { .op = KITH__RELEASE_PLACES,
                                       .flags = KITH__PIPELINED,
                                       .node = kith__handle_home(d->pipelined_object),
                                       .object = d->pipelined_object };

    if (places == 0 || watch(d, KITH__WATCHES_ROOM, has_room, KITH_FOREVER) < 0)
        return;
    e.number = places | (uint64_t)kith__seat_number(own.seat) << 32;
    e.id = (uint64_t)kith__seat_number(own.seat) << 48 | ++d->count;
    post(d, &e, NULL);
}

/* Those which we have and do not use. */
static void return_credit(struct kith__mailbox *d)
{
    return_places(d, atomic_exchange(&d->credit, 0));
}

/* All that the last one on this seat had, also the one that it had taken for a put when it died. */
static void return_leftover_credits(struct kith__mailbox *d)
{
    atomic_store(&d->credit, 0);
    if (d->had_places)
        return_places(d, UINT32_MAX);
    d->had_places = 0;
}

/* This thread's mailbox, in *out. */
static int mailbox(struct kith__mailbox **out)
{
    struct kith__agent_shared *shared;
    struct kith__mailbox *d;
    uint64_t at;
    int rc;

    if (kith__agent_dead())
        return KITH_EPEER;
    if (own.mailbox) {
        *out = own.mailbox;
        return 0;
    }
    if (!(own.seat = kith__seat_needed()))
        return KITH_ENOMEM;
    shared = kith__agent_shared();
    at = atomic_load(&shared->mailboxes[kith__seat_number(own.seat)]);
    if (!(d = at ? kith__at(at) : new_mailbox(shared, kith__seat_number(own.seat))))
        return KITH_ENOMEM;
    if (at) {
        recover_block(d);
        if ((rc = inherit(d)) < 0)
            return rc;
        atomic_store(&d->deferred, 0);
        atomic_store(&d->lost, 0);
        return_leftover_credits(d);
    }
    *out = own.mailbox = d;
    return 0;
}

/* A block with the bytes of e, when they are too many for the ring. */
static int pack(struct kith__mailbox_request *e, const void *bytes)
{
    if (e->size <= KITH__MAILBOX_BYTES)
        return 0;
    if ((e->block = kith__heap_alloc(e->size, kith__me)) == 0)
        return KITH_ENOMEM;
    memcpy(kith__at(e->block), bytes, e->size);
    return 0;
}

/* What was put into a queue that is closed is gone with all that was in it, and that is nobody's fault. */
static int is_loss(int code)
{
    return code == KITH_ENOMEM || code == KITH_EPEER;
}

/* What came of the puts behind: 0, or the code of one that failed, once. It counts for the queue that it was
 * for; that items are lost is told to whatever comes next. */
static int deferred_error(struct kith__mailbox *d, uint64_t id)
{
    int32_t code = atomic_exchange(&d->deferred, 0);
    uint64_t lost = atomic_exchange(&d->lost, 0);

    if (code == 0 || (!is_loss(code) && id != d->pipelined_object))
        return 0;
    if (!is_loss(code))
        return kith__fail(code, "%.250s", d->deferred_text);
    if (code != KITH_ENOMEM)
        return kith__fail(code, "items that were put before, %llu of them, may not have arrived: %.250s",
                          (unsigned long long)lost, d->deferred_text);
    return kith__fail(code, "items that were put before are lost, %llu of them: %.250s",
                      (unsigned long long)lost, d->deferred_text);
}

int kith__remote_drain(void)
{
    int rc;

    kith__remote_pipelined = 0;
    if (!own.unbounded)
        own.object = 0;
    if (!own.mailbox)
        return 0;
    if (kith__agent_dead())
        return is_quiet(own.mailbox) ? 0 : KITH_EPEER;
    return_credit(own.mailbox);
    if ((rc = watch(own.mailbox, KITH__WATCHES_QUIET, is_quiet, KITH_FOREVER)) < 0)
        return rc;
    return is_loss(atomic_load(&own.mailbox->deferred)) ? deferred_error(own.mailbox, 0) : 0;
}

/* What happened to those of a thread that ended without another word: the process tells it at its end. */
static _Atomic int threads_lost;
static char threads_text[256];

static void settle_thread(void)
{
    int rc = kith__remote_settle();

    if (rc == 0)
        return;
    snprintf(threads_text, sizeof threads_text, "%s", kith_last_error());
    atomic_store(&threads_lost, rc);
}

int kith__remote_last_words(void)
{
    int rc = kith__remote_settle(), code = atomic_exchange(&threads_lost, 0);

    return rc == 0 && code != 0 ? kith__fail(code, "%s", threads_text) : rc;
}

/* ------------------------------------------------------------------------ calls */

struct answer {
    int64_t result;
    uint64_t size, block;
    uint32_t flags;
    const void *bytes;
};

/* 1: the answer to id is there, and ours. */
static int take_answer(struct kith__mailbox *d, uint64_t id)
{
    uint64_t ready = id << 3 | KITH__ANSWER_READY;

    if (!atomic_compare_exchange_strong(&d->answer, &ready, id << 3 | KITH__ANSWER_TAKEN))
        return 0;
    kith__failpoint("mailbox: answer taken");
    return 1;
}

/* 1: the bytes of put id have their place. */
static int take_grant(struct kith__mailbox *d, uint64_t id)
{
    uint64_t granted = id << 3 | KITH__ANSWER_GRANTED;

    return answer_of(d) == granted &&
           atomic_compare_exchange_strong(&d->answer, &granted, id << 3 | KITH__ANSWER_IDLE);
}

/* Nobody waits for answer id any more. 0: it has come meanwhile. */
static int give_up(struct kith__mailbox *d, uint64_t id)
{
    uint64_t asked = id << 3 | KITH__ANSWER_ASKED;

    if (!atomic_compare_exchange_strong(&d->answer, &asked, id << 3 | KITH__ANSWER_GIVEN_UP))
        return 0;
    point();
    return 1;
}

static void end_call(struct kith__mailbox *d, uint64_t id)
{
    uint64_t block = d->block;

    atomic_store(&d->answer, id << 3 | KITH__ANSWER_IDLE);
    if (block)
        point(); /* the agent frees it */
}

/* Waits for answer id: 1: it is ours; 0: a put was granted; or a code. The time limit is kept by the object's
 * home; we only notice when nothing comes from there for long. */
static int await_answer(struct kith__mailbox *d, uint64_t id, int timeout_ms)
{
    int64_t patience = timeout_ms == KITH_FOREVER ? -1 : kith__now_ns() + timeout_ms * KITH__MS + margin_ns;
    struct kith__wait w;
    int rc, got = -1;

    if ((rc = kith__wait_begin(&w, &d->waiters, KITH_FOREVER)) < 0)
        return rc;
    w.at_once = 1;
    w.deadline = patience;
    do {
        if (take_answer(d, id))
            got = 1;
        else if (take_grant(d, id))
            got = 0;
        else if (kith__agent_dead())
            rc = KITH_EPEER;
    } while (got < 0 && rc == 0 && (rc = kith__wait_sleep(&w)) == 0);
    kith__wait_end(&w, 1);
    if (got < 0 && !give_up(d, id))
        got = take_answer(d, id) ? 1 : take_grant(d, id) ? 0 : got;
    return got >= 0 ? got : rc;
}

/* 1: an answer, which ends with end_call; 0: granted, there will be none; or a code. */
static int call(struct kith__mailbox_request *e, const void *bytes, struct answer *a)
{
    struct kith__mailbox *d;
    uint64_t answered;
    int rc;

    if ((rc = mailbox(&d)) < 0 || (rc = watch(d, KITH__WATCHES_ROOM, has_room, KITH_FOREVER)) < 0)
        return rc;
    answered = answer_of(d);
    if ((answered & 7) != KITH__ANSWER_IDLE && (rc = inherit(d)) < 0) /* one that we gave up before */
        return rc;
    if ((rc = pack(e, bytes)) < 0)
        return rc;
    e->id = (uint64_t)kith__seat_number(own.seat) << 48 | ++d->count;
    atomic_store(&d->answer, e->id << 3 | KITH__ANSWER_ASKED);
    post(d, e, bytes);
    if ((rc = await_answer(d, e->id, (int)e->timeout_ms)) <= 0)
        return rc;
    *a = (struct answer){ d->result, d->size, d->block, d->flags, d->block ? kith__at(d->block) : d->bytes };
    if (a->result < 0)
        kith__fail((int)a->result, "%.*s", (int)(a->size < KITH__ANSWER_BYTES ? a->size : KITH__ANSWER_BYTES),
                   (const char *)a->bytes);
    return 1;
}

/* The request for a call. */
static struct kith__mailbox_request request_for(uint32_t node, uint32_t op, uint64_t id,
                                                const struct kith__caller *who, const struct kith__args *in,
                                                int timeout_ms)
{
    return (struct kith__mailbox_request){ .op = (uint16_t)op,
                                           .flags = (uint16_t)in->flags,
                                           .node = node,
                                           .member = who->member,
                                           .object = id,
                                           .size = in->size,
                                           .number = in->number,
                                           .task = who->task,
                                           .timeout_ms = timeout_ms };
}

int64_t kith__remote_call(uint32_t node, uint32_t op, uint64_t id, const struct kith__caller *who,
                          const struct kith__args *in, struct kith__result *out, int timeout_ms)
{
    struct kith__mailbox_request e = request_for(node, op, id, who, in, timeout_ms);
    struct answer a;
    int rc;

    if ((rc = kith__remote_settle()) < 0 || (rc = call(&e, in->bytes, &a)) < 0)
        return rc;
    if (a.result >= 0) {
        out->flags = a.flags;
        out->size = a.size;
    }
    if (a.result >= 0 && out->buf && a.size > 0)
        memcpy(out->buf, a.bytes, a.size < out->room ? a.size : out->room);
    if (a.block && kith__agent_dead())
        return KITH_EPEER; /* and the block went with it, perhaps while we copied */
    end_call(own.mailbox, e.id);
    return a.result;
}

/* ------------------------------------------------------------------------- pipelining */

static int large_ones_fit(const struct kith__mailbox *d)
{
    return atomic_load(&d->open_bytes) <= PIPELINED_BYTES;
}

/* A call that has its place. 1: it is posted and done; 0: it has to be waited for. No timeout counts, which
 * is for an object that is full. */
static int post_pipelined(struct kith__mailbox *d, struct kith__mailbox_request *e, const void *bytes)
{
    int rc;

    if (e->size > KITH__SMALL_PUT)
        return watch(d, KITH__WATCHES_ROOM, large_ones_fit, KITH_FOREVER);
    if ((rc = watch(d, KITH__WATCHES_ROOM, has_room, KITH_FOREVER)) < 0 || (rc = pack(e, bytes)) < 0)
        return rc;
    e->id = (uint64_t)kith__seat_number(own.seat) << 48 | ++d->count;
    post(d, e, bytes);
    return 1;
}

/* 1: this call needs not wait for its turn. */
static int may_pipeline(struct kith__mailbox *d, uint64_t id)
{
    uint32_t credit = atomic_load(&d->credit);

    if (id != own.object)
        return 0;
    while (!own.unbounded && credit > 0)
        if (atomic_compare_exchange_weak(&d->credit, &credit, credit - 1)) {
            kith__failpoint("mailbox: place taken");
            return 1;
        }
    return own.unbounded;
}

/* What the answer says about the next call. */
static void learn(struct kith__mailbox *d, uint64_t id, const struct answer *a)
{
    own.unbounded = (a->flags & KITH__UNBOUNDED) != 0;
    own.object = own.unbounded || a->result > 0 ? id : 0;
    if (own.object)
        d->pipelined_object = id;
    if (a->result <= 0)
        return;
    kith__remote_pipelined = 1; /* the places go back before we do something else */
    d->had_places = 1;
    atomic_store(&d->credit, (uint32_t)a->result);
}

int kith__remote_pipeline(uint64_t id, uint32_t op, const struct kith__caller *who, struct kith__args *in,
                          int timeout_ms)
{
    struct kith__mailbox_request e = request_for(kith__handle_home(id), op, id, who, in, timeout_ms);
    struct answer a;
    struct kith__mailbox *d;
    int rc;

    if ((rc = mailbox(&d)) < 0)
        return rc;
    if ((id != own.object && (rc = kith__remote_settle()) < 0) || (rc = deferred_error(d, id)) < 0)
        return rc;
    if (may_pipeline(d, id)) {
        e.flags |= KITH__PIPELINED;
        kith__remote_pipelined = 1;
        kith__seat_is_left = settle_thread;
        if ((rc = post_pipelined(d, &e, in->bytes)) == 1)
            return 0;
    }
    if (rc == 0)
        rc = call(&e, in->bytes, &a);
    if (rc < 0 && e.flags & KITH__PIPELINED && !own.unbounded)
        atomic_fetch_add(&d->credit, 1); /* its place is still ours */
    if (rc <= 0)
        return rc; /* 0: granted */
    if (a.result >= 0 && !(e.flags & KITH__PIPELINED))
        learn(d, id, &a);
    end_call(d, e.id);
    return a.result < 0 ? (int)a.result : 0;
}

void kith__remote_forget(uint64_t id)
{
    if (id == own.object)
        own.object = 0;
}
