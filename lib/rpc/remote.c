/* remote.c: see remote.h, and mailbox.h for how a request goes.
 *
 * A call that may be pipelined does not wait for the other node, else it would cost a round trip: a small one
 * is posted and done, a large one has a buffer at its home when the call returns. What the thread does next
 * through kith, other than the same on the same object, waits for them first.
 */
#include "config.h"
#include "rpc/remote.h"
#include "rpc/mailbox.h"
#include "shm/heap.h"
#include "base/error.h"
#include "base/system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t margin_ns = 10000 * KITH__MS; /* that the answer to a call may be late */

_Thread_local int kith__remote_pipelined;

static _Thread_local struct kith__endpoint own;

/* --------------------------------------------------------------------- the mailbox */

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
        return kith__fail(KITH_ETIMEDOUT, "the timeout expired");
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

/* What was posted before, by the last one on this seat or by a call that was given up, is done first. */
static int inherit(void)
{
    kith__mailbox_abandon(&own);
    return watch(own.mailbox, KITH__WATCHES_QUIET, kith__mailbox_is_idle, KITH_FOREVER);
}

static void return_credit(uint32_t credit)
{
    if (credit > 0 && watch(own.mailbox, KITH__WATCHES_ROOM, kith__mailbox_has_room, KITH_FOREVER) == 0)
        kith__mailbox_return_credit(&own, credit);
}

/* All that the last one on this seat had, also the one that it had taken for a call when it died. It goes
 * where that one pipelined: so it has to be done before anything is sent to another node. */
static void return_leftover_credits(void)
{
    atomic_store(&own.mailbox->credit, 0);
    if (own.mailbox->had_credit)
        return_credit(UINT32_MAX);
    own.mailbox->had_credit = 0;
}

/* Opens the mailbox of this thread. It is own.mailbox only when it is usable: else it is tried again. */
static int open_own(void)
{
    struct kith__seat *seat = kith__seat_needed();
    int rc = seat ? kith__mailbox_open(&own, seat) : KITH_ENOMEM;

    if (rc > 0) {
        return_leftover_credits();
        if ((rc = inherit()) == 0)
            kith__mailbox_renew(&own);
    }
    if (rc < 0)
        own.mailbox = NULL;
    return rc;
}

/* 0: this thread has a mailbox, and an agent that looks at it. */
static int need_mailbox(void)
{
    if (kith__agent_dead())
        return KITH_EPEER;
    return own.mailbox ? 0 : open_own();
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
        return kith__mailbox_is_quiet(own.mailbox) ? 0 : KITH_EPEER;
    return_credit(atomic_exchange(&own.mailbox->credit, 0));
    if ((rc = watch(own.mailbox, KITH__WATCHES_QUIET, kith__mailbox_is_quiet, KITH_FOREVER)) < 0)
        return rc;
    return kith__mailbox_is_loss(atomic_load(&own.mailbox->deferred))
               ? kith__mailbox_deferred_error(own.mailbox, 0)
               : 0;
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

/* The answer is so late that nobody waits for it any more. What the call gives then goes back, but what it
 * does its home may have done, or still do. */
static int unanswered(const struct kith__mailbox_request *r)
{
    if (r->flags & KITH__TRACELESS)
        return kith__fail(KITH_ETIMEDOUT, "the timeout expired, and node %u does not answer", r->node);
    return kith__fail(KITH_EPEER,
                      "node %u has not answered within %d s after the timeout: the call may or may not have "
                      "been carried out",
                      r->node, (int)(margin_ns / (1000 * KITH__MS)));
}

/* Waits for the answer to r: 1: it is ours; 0: a put was granted; or a code. The time limit is kept by the
 * object's home; we only notice when nothing comes from there for long. */
static int await_answer(const struct kith__mailbox_request *r)
{
    struct kith__mailbox *d = own.mailbox;
    uint64_t id = r->id;
    int64_t patience =
        r->timeout_ms == KITH_FOREVER ? -1 : kith__now_ns() + r->timeout_ms * KITH__MS + margin_ns;
    struct kith__wait w;
    int rc, got = -1;

    if ((rc = kith__wait_begin(&w, &d->waiters, KITH_FOREVER)) < 0)
        return rc;
    w.at_once = 1;
    w.deadline = patience;
    do {
        if (kith__mailbox_take_answer(d, id))
            got = 1;
        else if (kith__mailbox_take_grant(d, id))
            got = 0;
        else if (kith__agent_dead())
            rc = KITH_EPEER;
    } while (got < 0 && rc == 0 && (rc = kith__wait_sleep(&w)) == 0);
    kith__wait_end(&w, 1);
    if (got < 0 && !kith__mailbox_give_up(&own, id))
        got = kith__mailbox_take_answer(d, id) ? 1 : kith__mailbox_take_grant(d, id) ? 0 : got;
    if (got >= 0)
        return got;
    return rc == KITH_ETIMEDOUT ? unanswered(r) : rc;
}

/* Sends a request whose answer is awaited. */
static int ask(struct kith__mailbox_request *r, const void *bytes)
{
    int rc;

    if ((rc = need_mailbox()) < 0 ||
        (rc = watch(own.mailbox, KITH__WATCHES_ROOM, kith__mailbox_has_room, KITH_FOREVER)) < 0)
        return rc;
    if ((atomic_load(&own.mailbox->answer) & 7) != KITH__ANSWER_IDLE && (rc = inherit()) < 0)
        return rc; /* one that we gave up before */
    return kith__mailbox_ask(&own, r, bytes);
}

/* 1: an answer, which ends with kith__mailbox_end_call; 0: granted, there will be none; or a code. */
static int call(struct kith__mailbox_request *r, const void *bytes, struct kith__answer *a)
{
    int rc = ask(r, bytes);

    if (rc < 0)
        return rc;
    if ((rc = await_answer(r)) <= 0)
        return rc;
    kith__mailbox_read(own.mailbox, a);
    return 1;
}

/* The request for a call. */
static struct kith__mailbox_request request_for(uint32_t node, uint32_t op, uint64_t id,
                                                const struct kith__caller *who, const struct kith__args *in,
                                                uint64_t room, int timeout_ms)
{
    return (struct kith__mailbox_request){ .op = (uint16_t)op,
                                           .flags = (uint16_t)in->flags,
                                           .node = node,
                                           .member = who->member,
                                           .object = id,
                                           .size = in->size,
                                           .number = in->number,
                                           .room = room,
                                           .task = who->task,
                                           .timeout_ms = timeout_ms };
}

/* The same, with the bytes of r in *block, unless it has failed with rc before. */
static int call_with_block(struct kith__mailbox_request *r, uint64_t *block, int rc, struct kith__answer *a)
{
    r->block = *block;
    *block = 0;
    if (rc == 0)
        rc = call(r, NULL, a);
    if (rc < 0 && r->id == 0) /* it was not posted */
        kith__heap_free(r->block);
    return rc;
}

/* The bytes of an answer come to where the caller wants them: the result of the call, or KITH_ENOMEM. */
static int64_t bring(const struct kith__answer *a, uint64_t id, struct kith__result *out)
{
    if (out->takes && a->block) {
        kith__mailbox_keep_block(own.mailbox, id);
        out->block = a->block;
        return a->result;
    }
    if (out->grows && a->size > 0) {
        if (!(out->buf = malloc(a->size)))
            return kith__fail(KITH_ENOMEM, "no memory for the %llu bytes that came",
                              (unsigned long long)a->size);
        out->room = a->size;
    }
    if (out->buf && a->size > 0)
        memcpy(out->buf, a->bytes, a->size < out->room ? a->size : out->room);
    return a->result;
}

int64_t kith__remote_call(uint32_t node, uint32_t op, uint64_t id, const struct kith__caller *who,
                          struct kith__args *in, struct kith__result *out, int timeout_ms)
{
    struct kith__mailbox_request e =
        request_for(node, op, id, who, in, out->grows ? UINT64_MAX : out->room, timeout_ms);
    struct kith__answer a;
    int rc = kith__remote_settle();

    if (in->block)
        rc = call_with_block(&e, &in->block, rc, &a);
    else if (rc == 0)
        rc = call(&e, in->bytes, &a);
    if (rc < 0)
        return rc;
    if (a.result >= 0) {
        out->flags = a.flags;
        out->size = a.size;
        a.result = bring(&a, e.id, out);
    }
    if (a.block && kith__agent_dead())
        return KITH_EPEER; /* and the block went with it, perhaps while we copied */
    kith__mailbox_end_call(&own, e.id);
    return a.result;
}

int kith__remote_ask(uint32_t node, uint32_t op, const struct kith__caller *who, const struct kith__args *in,
                     uint64_t *id)
{
    struct kith__mailbox_request e = request_for(node, op, 0, who, in, 0, KITH_FOREVER);
    int rc = ask(&e, in->bytes);

    *id = rc == 0 ? e.id : 0;
    return rc;
}

int kith__remote_answered(uint64_t id, int *result)
{
    struct kith__answer a;

    if (!kith__mailbox_take_answer(own.mailbox, id))
        return 0;
    kith__mailbox_read(own.mailbox, &a);
    kith__mailbox_end_call(&own, id);
    *result = (int)a.result;
    return 1;
}

void kith__remote_withdraw(uint64_t id)
{
    if (!kith__mailbox_give_up(&own, id) && kith__mailbox_take_answer(own.mailbox, id))
        kith__mailbox_end_call(&own, id);
}

/* ------------------------------------------------------------------------- pipelining */

/* A call that has credit. 1: it is posted and done; 0: it has to be waited for. No timeout counts, which
 * is for an object that is full. */
static int post_pipelined(struct kith__mailbox_request *r, const void *bytes)
{
    struct kith__mailbox *d = own.mailbox;
    int rc;

    if (r->size > KITH__SMALL_PUT)
        return watch(d, KITH__WATCHES_ROOM, kith__mailbox_large_ones_fit, KITH_FOREVER);
    if ((rc = watch(d, KITH__WATCHES_ROOM, kith__mailbox_has_room, KITH_FOREVER)) < 0)
        return rc;
    rc = kith__mailbox_send(&own, r, bytes);
    return rc < 0 ? rc : 1;
}

int kith__remote_pipeline(uint64_t id, uint32_t op, const struct kith__caller *who, struct kith__args *in,
                          int timeout_ms)
{
    struct kith__mailbox_request e = request_for(kith__handle_home(id), op, id, who, in, 0, timeout_ms);
    struct kith__answer a;
    int rc;

    if ((rc = need_mailbox()) < 0)
        return rc;
    if ((id != own.object && (rc = kith__remote_settle()) < 0) ||
        (rc = kith__mailbox_deferred_error(own.mailbox, id)) < 0)
        return rc;
    if (kith__mailbox_may_pipeline(&own, id)) {
        e.flags |= KITH__PIPELINED;
        kith__remote_pipelined = 1;
        atomic_store_explicit(&kith__seat_is_left, settle_thread, memory_order_release);
        if ((rc = post_pipelined(&e, in->bytes)) == 1)
            return 0;
    }
    if (rc == 0)
        rc = call(&e, in->bytes, &a);
    if (rc < 0 && e.flags & KITH__PIPELINED && !own.unbounded)
        atomic_fetch_add(&own.mailbox->credit, 1); /* it was not used */
    if (rc <= 0)
        return rc; /* 0: granted */
    if (a.result >= 0 && !(e.flags & KITH__PIPELINED))
        kith__remote_pipelined |= kith__mailbox_learn(&own, id, &a);
    kith__mailbox_end_call(&own, e.id);
    return a.result < 0 ? (int)a.result : 0;
}

void kith__remote_forget(uint64_t id)
{
    if (id == own.object)
        own.object = 0;
}
