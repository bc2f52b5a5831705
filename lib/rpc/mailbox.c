/* mailbox.c: see mailbox.h: the thread's end of a mailbox, without waiting. */
#include "config.h"
#include "rpc/mailbox.h"
#include "base/error.h"
#include "base/system.h"
#include "member/bell.h"
#include "shm/heap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PIPELINED_BYTES = 8 << 20 }; /* of large calls that may be on their way */

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
    kith__fail(KITH_EPEER,
               "the agent of this node (pid %d on %s) is gone, and with it the connection to all other nodes",
               (int)atomic_load(&kith__shared->agent_pid), kith__shared->host);
    return 1;
}

/* Once for each sleep: until it runs, others need not ring again. Marked behind the ring, so that who dies in
 * between costs the others one more. */
static void wake_agent(struct kith__agent_shared *shared)
{
    uint32_t sleep = atomic_load(&shared->sleeps);

    if (sleep % 2 == 0)
        return;
    kith__agent_ring();
    atomic_compare_exchange_strong(&shared->sleeps, &sleep, sleep + 1);
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
    wake_agent(shared);
}

static uint64_t answer_of(const struct kith__mailbox *d)
{
    return atomic_load(&d->answer);
}

static void point(const struct kith__endpoint *e)
{
    kith__mailbox_point(kith__seat_number(e->seat));
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

/* ---------------------------------------------------------------- what it shows */

int kith__mailbox_is_quiet(const struct kith__mailbox *d)
{
    return atomic_load(&d->head) == atomic_load(&d->tail) && atomic_load(&d->open) == 0;
}

int kith__mailbox_is_idle(const struct kith__mailbox *d)
{
    return kith__mailbox_is_quiet(d) && (answer_of(d) & 7) == KITH__ANSWER_IDLE;
}

static uint64_t free_bytes(const struct kith__mailbox *d)
{
    return KITH__MAILBOX_RING - (atomic_load(&d->tail) - atomic_load(&d->head));
}

/* The largest request, and what is wasted at the end of the ring before it. */
int kith__mailbox_has_room(const struct kith__mailbox *d)
{
    return free_bytes(d) >= 2 * (sizeof(struct kith__mailbox_request) + KITH__MAILBOX_BYTES);
}

int kith__mailbox_large_ones_fit(const struct kith__mailbox *d)
{
    return atomic_load(&d->open_bytes) <= PIPELINED_BYTES;
}

/* ------------------------------------------------------------------- taking it over */

/* The owner of a block that this seat hands over: the agent, but no block that the agent has taken itself
 * looks like it. */
static uint64_t handed_over(const struct kith__endpoint *e)
{
    return (uint64_t)(kith__seat_number(e->seat) + 1) << 32 | kith__agent_shared()->agent;
}

/* A block that was on its way to the agent when its giver died: it is the agent's, which knows nothing of it.
 * When the giver still owned it, it goes with all that the dead one owned, and may be anybody's by now. */
static void recover_block(const struct kith__endpoint *e)
{
    struct kith__mailbox *d = e->mailbox;
    uint64_t block = atomic_load(&d->handing);

    if (block != 0 && d->handing_at == atomic_load(&d->tail) && kith__heap_owner_now(block) == handed_over(e))
        kith__heap_free(block);
    atomic_store(&d->handing, 0);
}

void kith__mailbox_abandon(const struct kith__endpoint *e)
{
    struct kith__mailbox *d = e->mailbox;
    uint64_t seen = answer_of(d);

    while ((seen & 7) != KITH__ANSWER_IDLE && (seen & 7) != KITH__ANSWER_GIVEN_UP)
        if (atomic_compare_exchange_strong(&d->answer, &seen, (seen & ~UINT64_C(7)) | KITH__ANSWER_GIVEN_UP))
            break;
    point(e);
}

int kith__mailbox_open(struct kith__endpoint *e, struct kith__seat *seat)
{
    struct kith__agent_shared *shared = kith__agent_shared();
    uint64_t at;

    kith__mailboxes_finish(); /* who had the seat before may have died over the commit that makes its mailbox
                               */
    at = atomic_load(&shared->mailboxes[kith__seat_number(seat)]);
    e->seat = seat;
    if (!(e->mailbox = at ? kith__at(at) : new_mailbox(shared, kith__seat_number(seat))))
        return KITH_ENOMEM;
    if (at)
        recover_block(e);
    return at != 0;
}

void kith__mailbox_renew(const struct kith__endpoint *e)
{
    atomic_store(&e->mailbox->deferred, 0);
    atomic_store(&e->mailbox->lost, 0);
}

/* ----------------------------------------------------------------------- requests */

/* Posts it; its bytes stand at bytes, or in r->block, which is ours and becomes the agent's. There is room.
 */
static void post(const struct kith__endpoint *e, struct kith__mailbox_request *r, const void *bytes)
{
    struct kith__mailbox *d = e->mailbox;
    uint64_t inside = r->block ? 0 : r->size, tail = atomic_load(&d->tail), at = tail % KITH__MAILBOX_RING;

    r->length = (uint32_t)((sizeof *r + inside + 7) & ~UINT64_C(7));
    if (at + r->length > KITH__MAILBOX_RING) {
        if (at + sizeof r->length <= KITH__MAILBOX_RING)
            memset(&d->ring[at], 0, sizeof r->length);
        tail += KITH__MAILBOX_RING - at;
        at = 0;
    }
    memcpy(&d->ring[at], r, sizeof *r);
    if (inside > 0)
        memcpy(&d->ring[at] + sizeof *r, bytes, inside);
    if (r->block) {
        d->handing_at = atomic_load(&d->tail);
        atomic_store(&d->handing, r->block);
        kith__failpoint("mailbox: block offered");
        atomic_store(kith__heap_owner(r->block), handed_over(e));
        kith__failpoint("mailbox: block handed over");
    }
    atomic_store_explicit(&d->tail, tail + r->length, memory_order_release);
    kith__failpoint("mailbox: posted");
    atomic_store(&d->handing, 0);
    point(e);
}

static void number(const struct kith__endpoint *e, struct kith__mailbox_request *r)
{
    r->id = (uint64_t)kith__seat_number(e->seat) << 48 | ++e->mailbox->count;
}

/* A block with the bytes of r, when they are too many for the ring. */
static int pack(struct kith__mailbox_request *r, const void *bytes)
{
    if (r->block || r->size <= KITH__MAILBOX_BYTES)
        return 0;
    if ((r->block = kith__heap_alloc(r->size, kith__me)) == 0)
        return KITH_ENOMEM;
    memcpy(kith__at(r->block), bytes, r->size);
    return 0;
}

int kith__mailbox_send(const struct kith__endpoint *e, struct kith__mailbox_request *r, const void *bytes)
{
    int rc = pack(r, bytes);

    if (rc < 0)
        return rc;
    number(e, r);
    post(e, r, bytes);
    return 0;
}

int kith__mailbox_ask(const struct kith__endpoint *e, struct kith__mailbox_request *r, const void *bytes)
{
    int rc = pack(r, bytes);

    if (rc < 0)
        return rc;
    number(e, r);
    atomic_store(&e->mailbox->answer, r->id << 3 | KITH__ANSWER_ASKED);
    post(e, r, bytes);
    return 0;
}

void kith__mailbox_return_credit(const struct kith__endpoint *e, uint32_t credit)
{
    struct kith__mailbox *d = e->mailbox;
    struct kith__mailbox_request r = { .op = KITH__RELEASE_CREDIT,
                                       .flags = KITH__PIPELINED,
                                       .node = kith__handle_home(d->pipelined_object),
                                       .object = d->pipelined_object };

    r.number = credit | (uint64_t)kith__seat_number(e->seat) << 32;
    number(e, &r);
    post(e, &r, NULL);
}

/* ------------------------------------------------------------------------ answers */

/* 1: the answer to id is there, and ours. */
int kith__mailbox_take_answer(struct kith__mailbox *d, uint64_t id)
{
    uint64_t ready = id << 3 | KITH__ANSWER_READY;

    if (!atomic_compare_exchange_strong(&d->answer, &ready, id << 3 | KITH__ANSWER_TAKEN))
        return 0;
    kith__failpoint("mailbox: answer taken");
    return 1;
}

/* 1: the bytes of put id have a buffer at their home. */
int kith__mailbox_take_grant(struct kith__mailbox *d, uint64_t id)
{
    uint64_t granted = id << 3 | KITH__ANSWER_GRANTED;

    return answer_of(d) == granted &&
           atomic_compare_exchange_strong(&d->answer, &granted, id << 3 | KITH__ANSWER_IDLE);
}

/* Nobody waits for answer id any more. 0: it has come meanwhile. */
int kith__mailbox_give_up(const struct kith__endpoint *e, uint64_t id)
{
    uint64_t asked = id << 3 | KITH__ANSWER_ASKED;

    if (!atomic_compare_exchange_strong(&e->mailbox->answer, &asked, id << 3 | KITH__ANSWER_GIVEN_UP))
        return 0;
    point(e);
    return 1;
}

/* As many of a seat's calls as there cannot be at a time; the seat, as others' calls have the same numbers.
 */
enum { COUNT_BITS = 18 };

_Static_assert(KITH__SEATS <= 1 << (31 - COUNT_BITS), "a seat fits into the owner of an answer");

uint64_t kith__mailbox_answer_owner(uint64_t id)
{
    const uint64_t seat = id >> 48, count = id & ((UINT64_C(1) << COUNT_BITS) - 1);

    return (UINT64_C(1) << 31 | seat << COUNT_BITS | count) << 32 | kith__agent_shared()->agent;
}

void kith__mailbox_keep_block(const struct kith__mailbox *d, uint64_t id)
{
    kith__failpoint("mailbox: block not kept yet");
    kith__heap_pass(d->block, kith__mailbox_answer_owner(id), kith__me);
    kith__failpoint("mailbox: block kept");
}

void kith__mailbox_end_call(const struct kith__endpoint *e, uint64_t id)
{
    struct kith__mailbox *d = e->mailbox;
    uint64_t block = d->block;

    atomic_store(&d->answer, id << 3 | KITH__ANSWER_IDLE);
    if (block)
        point(e); /* the agent frees it */
}

void kith__mailbox_read(const struct kith__mailbox *d, struct kith__answer *a)
{
    *a = (struct kith__answer){ d->result, d->size, d->block, d->flags,
                                d->block ? kith__at(d->block) : d->bytes };
    if (a->result < 0)
        kith__fail((int)a->result, "%.*s", (int)(a->size < KITH__ANSWER_BYTES ? a->size : KITH__ANSWER_BYTES),
                   (const char *)a->bytes);
}

/* -------------------------------------------------------------------- pipelining */

int kith__mailbox_may_pipeline(const struct kith__endpoint *e, uint64_t id)
{
    uint32_t credit = atomic_load(&e->mailbox->credit);

    if (id != e->object)
        return 0;
    while (!e->unbounded && credit > 0)
        if (atomic_compare_exchange_weak(&e->mailbox->credit, &credit, credit - 1)) {
            kith__failpoint("mailbox: credit taken");
            return 1;
        }
    return e->unbounded;
}

int kith__mailbox_learn(struct kith__endpoint *e, uint64_t id, const struct kith__answer *a)
{
    struct kith__mailbox *d = e->mailbox;

    e->unbounded = (a->flags & KITH__UNBOUNDED) != 0;
    e->object = e->unbounded || a->result > 0 ? id : 0;
    if (e->object)
        d->pipelined_object = id;
    if (a->result <= 0)
        return 0;
    d->had_credit = 1;
    atomic_store(&d->credit, (uint32_t)a->result);
    return 1;
}

/* What was put into a queue that is closed is gone with all that was in it, and that is nobody's fault. */
int kith__mailbox_is_loss(int code)
{
    return code == KITH_ENOMEM || code == KITH_EPEER;
}

/* What came of the pipelined puts: 0, or the code of one that failed, once. It counts for the queue that it
 * was for; that items are lost is told to whatever comes next. */
int kith__mailbox_deferred_error(struct kith__mailbox *d, uint64_t id)
{
    int32_t code = atomic_exchange(&d->deferred, 0);
    uint64_t lost = atomic_exchange(&d->lost, 0);

    if (code == 0 || (!kith__mailbox_is_loss(code) && id != d->pipelined_object))
        return 0;
    if (!kith__mailbox_is_loss(code))
        return kith__fail(code, "%.250s", d->deferred_text);
    if (code != KITH_ENOMEM)
        return kith__fail(code, "items put earlier (%llu) may not have arrived: %.250s",
                          (unsigned long long)lost, d->deferred_text);
    return kith__fail(code, "items put earlier (%llu) are lost: %.250s", (unsigned long long)lost,
                      d->deferred_text);
}
