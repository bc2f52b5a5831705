/* batch.c: see batch.h. */
#include "config.h"
#include "pool/batch.h"
#include "base/error.h"
#include "base/system.h"
#include "pool/branch.h"
#include "pool/crew.h"
#include "pool/feed.h"
#include "pool/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 3, TEXT = 512 };

static const int64_t memory_ns = 100 * KITH__MS;

struct one {
    struct kith__errand errand;
    struct kith__parcel_grant grant;
    uint64_t tries; /* of one that goes back: how often it was begun */
    int answered;
};

struct kith__batch {
    struct kith__crew *of;
    struct kith__feed *feeds[KITH__PRIORITIES]; /* those that were needed */
    struct kith__feed *feed;                    /* the one in use; NULL: there is none */
    char why[TEXT];                             /* some cannot be run here */
    uint32_t count, left;                       /* left: not answered */
    int64_t begun;
    struct one all[KITH__DEAL_BATCH];
};

struct kith__batch *kith__batch_new(struct kith__crew *crew)
{
    struct kith__batch *b = calloc(1, sizeof *b);

    if (b)
        b->of = crew;
    return b;
}

void kith__batch_free(struct kith__batch *b)
{
    for (int i = 0; b && i < KITH__PRIORITIES; i++)
        if (b->feeds[i])
            kith__feed_close(b->feeds[i]);
    free(b);
}

/* Each thread has its own, so that it is woken for its own tasks. 0, or a code: the branch is no more, or
 * there is no memory. */
static int find_feed(struct kith__batch *b, int32_t priority)
{
    struct kith__feed **own = &b->feeds[priority + KITH__PRIORITY_MOST];
    int rc = 0;

    if (!*own) {
        kith__turn.priority = priority; /* of this thread, which has no other use for it */
        rc = kith__feed_open(b->of->branch, (kith_pool){ 0 }, own);
        kith__turn.priority = 0;
    }
    b->feed = *own;
    return rc;
}

/* ------------------------------------------------------------------ giving */

/* What is at from, its own bytes. 0; or a code: it makes no sense, or is not here. */
static int give(struct kith__batch *b, const void *from, uint64_t its, uint64_t *unit)
{
    struct kith__parcel_item item;
    struct kith__call_spec s = { .pool = b->of->branch };
    int rc = kith__parcel_read_item(from, its, &item, &s.in);

    if (rc < 0 || (rc = kith__token_resolve(&item.fn, &s.fn)) < 0)
        return rc;
    s.name = item.name[0] ? item.name : NULL;
    s.kind = (enum kith__job_kind)item.kind;
    s.shape = (int)item.shape;
    s.n = 1;
    s.call = item.number;
    s.in_size = item.in_size;
    s.out_size = item.out_size;
    return kith__feed_give(b->feed, &s, unit);
}

/* Locked. So it is counted, and found when it is given up. */
static void enter(struct kith__batch *b, struct one *o, uint64_t news)
{
    o->errand = (struct kith__errand){ .is_item = 1,
                                       .units = 1,
                                       .touch = kith__touch(o->grant.seq, o->grant.post),
                                       .epoch = o->grant.grant.epoch,
                                       .looked = news,
                                       .feed = b->feed,
                                       .unit = o->errand.unit };
    kith__link_first(&b->of->running, &o->errand, link);
}

/* All that came, of which those that cannot be given are not run here. 0; or why. */
static int give_all(struct kith__batch *b, struct kith__hand *h, uint64_t size)
{
    const char *bytes = kith__hand_grant(h)->at;
    struct kith__parcel_grant first;
    const void *from;
    uint64_t at = 0, its;
    int rc;

    b->count = b->left = 0;
    b->begun = kith__now_ns();
    memcpy(&first, bytes, sizeof first);
    rc = find_feed(b, first.priority);
    while (b->count < KITH__DEAL_BATCH && (from = kith__parcel_next_item(bytes, size, &at, &its))) {
        struct one *o = &b->all[b->count++];

        memcpy(&o->grant, from, sizeof o->grant);
        o->tries = 0;
        o->answered = 0;
        o->errand.feed = NULL;
        if (rc == 0 && (rc = give(b, from, its, &o->errand.unit)) == 0)
            o->errand.feed = b->feed;
    }
    b->left = b->count;
    snprintf(b->why, sizeof b->why, "%s", rc < 0 ? kith_last_error() : "");
    kith__crew_lock(b->of);
    for (uint32_t i = 0; i < b->count; i++)
        if (b->all[i].errand.feed)
            enter(b, &b->all[i], h->news);
    b->of->items = 1;
    b->of->asking--;
    kith__crew_call_next(b->of);
    kith__crew_unlock(b->of);
    return rc;
}

/* News that came while they were on their way may have been of some of them. */
static void look_again(struct kith__batch *b, uint64_t news)
{
    int stale;

    kith__crew_lock(b->of);
    stale = b->of->news != news;
    kith__crew_unlock(b->of);
    for (uint32_t i = 0; stale && i < b->count; i++) {
        uint64_t epoch = b->all[i].grant.grant.epoch;

        if (!b->all[i].errand.feed || !kith__errand_is_given_up(b->of, b->all[i].errand.touch, epoch))
            continue;
        kith__crew_lock(b->of);
        kith__errand_end_item(b->of, epoch);
        kith__crew_unlock(b->of);
    }
}

/* ------------------------------------------------------------------ answering */

static void put_result(char *to, const struct kith__callee *c, const void *out)
{
    if (c->kind == KITH__JOB_VARIABLE)
        kith__parcel_write_bytes(out, 1, to);
    else if (c->out_size)
        memcpy(to, out, c->out_size);
}

static uint64_t size_of_result(const struct kith__callee *c, const void *out)
{
    return c->kind == KITH__JOB_VARIABLE ? kith__parcel_bytes_size(out, 1) : c->out_size;
}

/* What has come of it, behind size bytes of b, where there is room for a head already: bytes behind that
 * head. < 0: nothing, or there is no memory to tell of it. */
static int64_t put_outcome(struct kith__crew *crew, struct kith__buffer *b, uint64_t size,
                           struct kith__item *item, struct kith__parcel_result *head)
{
    const struct kith__callee *c = kith__at(item->callee);
    uint64_t at = size + sizeof *head, fault = atomic_load(&item->result);

    switch (kith__item_state(item)) {
    case KITH__ITEM_DONE:
        head->size = size_of_result(c, kith__item_out(item, c));
        if (kith__buffer_reserve(b, at + head->size, at) < 0)
            return -1;
        put_result(b->at + at, c, kith__item_out(item, c));
        return (int64_t)head->size;
    case KITH__ITEM_FAILED:
        head->faults = 1;
        head->size = c->kind == KITH__JOB_VARIABLE ? sizeof(uint64_t) : c->out_size;
        if (!fault || kith__buffer_reserve(b, at + head->size, at) < 0)
            return -1;
        memset(b->at + at, 0, head->size);
        at += head->size;
        if (kith__answer_add_fault(crew, b, &at, kith__at(fault), 0) < 0)
            return -1;
        return (int64_t)(at - size - sizeof *head);
    default: return -1;
    }
}

/* item NULL: it was not run. */
static void put_answer(struct kith__crew *crew, struct kith__buffer *b, uint64_t *size, const struct one *o,
                       struct kith__item *item)
{
    const struct kith__parcel_grant *g = &o->grant;
    struct kith__parcel_result none = { .seq = g->seq,
                                        .epoch = g->grant.epoch,
                                        .tries = o->tries,
                                        .post = g->post },
                               head = none;
    int64_t bytes;

    while (kith__buffer_reserve(b, *size + sizeof head, *size) < 0)
        kith__nap(memory_ns);
    bytes = item ? put_outcome(crew, b, *size, item, &head) : -1;
    head.done = 1;
    if (bytes < 0) {
        head = none;
        bytes = 0;
    }
    head.length = sizeof head + (uint64_t)bytes;
    memcpy(b->at + *size, &head, sizeof head);
    *size += head.length;
}

/* It is looked for by nobody any more. */
static void finish(struct kith__batch *b, struct one *o)
{
    o->answered = 1;
    b->left--;
    if (!o->errand.feed)
        return;
    kith__crew_lock(b->of);
    kith__unlink(&b->of->running, &o->errand, link);
    kith__crew_unlock(b->of);
    kith__feed_forget(o->errand.feed, o->errand.unit);
}

/* 1: there is something to say of it, and *item: what it came to; NULL: it was never given. 0: it has not
 * ended. */
static int has_answer(const struct one *o, struct kith__item **item)
{
    *item = NULL;
    if (o->answered)
        return 0;
    *item = o->errand.feed ? kith__feed_item(o->errand.feed, o->errand.unit) : NULL;
    return !*item || kith__item_has_ended(*item);
}

/* 1: no worker has begun it, and none will. */
static int goes_back(struct one *o, struct kith__item *item)
{
    if (o->answered)
        return 0;
    o->tries = kith__feed_tries(o->errand.feed, o->errand.unit);
    return kith__item_cancel(item) == 0;
}

/* back: those that were not begun go back. */
static void answer(struct kith__batch *b, struct kith__hand *h, int back)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        struct one *o = &b->all[i];
        struct kith__item *item;
        int ended = has_answer(o, &item);

        if (!ended && !(back && goes_back(o, item)))
            continue;
        put_answer(b->of, &h->out, &size, o, ended ? item : NULL);
        finish(b, o);
    }
    if (size > 0 && (b->left > 0 || !kith__answer_owe(h, &h->out, size)))
        kith__answer_send_several(b->of, &h->out, size);
}

/* ------------------------------------------------------------------ waiting */

static int has_ended(struct kith__feed *feed, void *context)
{
    struct kith__item *item;

    (void)feed;
    return has_answer(context, &item);
}

static int some_have_ended(struct kith__feed *feed, void *context)
{
    struct kith__batch *b = context;

    for (uint32_t i = 0; i < b->count; i++)
        if (has_ended(feed, &b->all[i]))
            return 1;
    return 0;
}

static int left_ms(const struct kith__batch *b)
{
    int64_t ms = PATIENCE_MS - (kith__now_ns() - b->begun) / KITH__MS;

    return ms > 0 ? (int)ms : 0;
}

/* From the last one on: most often all have ended then, and this thread is woken once. 0; KITH_ETIMEDOUT; or
 * the branch is no more. */
static int await_all(struct kith__batch *b)
{
    int rc = 0;

    for (uint32_t i = b->count; i-- > 0 && rc == 0;)
        if (!has_ended(b->feed, &b->all[i]))
            rc = kith__feed_wait(b->feed, b->all[i].errand.unit, has_ended, &b->all[i], left_ms(b));
    return rc;
}

/* units: that all workers have done since; or one that was not done in that time. */
static void learn(const struct kith__batch *b, uint32_t units)
{
    int64_t ns = kith__now_ns() - b->begun;

    kith__crew_lock(b->of);
    kith__deal_ran(&b->of->single, units, ns * (units < b->of->workers ? units : b->of->workers));
    kith__crew_unlock(b->of);
}

/* Until all are answered. */
static int follow(struct kith__batch *b, struct kith__hand *h)
{
    int rc = await_all(b);

    if (rc < 0 && rc != KITH_ETIMEDOUT)
        return rc;
    learn(b, rc == 0 ? b->count : 1);
    answer(b, h, rc == KITH_ETIMEDOUT);
    while (b->left > 0) {
        if ((rc = kith__feed_wait(b->feed, KITH__ROW_ANY, some_have_ended, b, KITH_FOREVER)) < 0)
            return rc;
        answer(b, h, 0);
    }
    return 0;
}

static void abandon(struct kith__batch *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (!b->all[i].answered)
            finish(b, &b->all[i]);
}

void kith__batch_run(struct kith__hand *h, uint64_t size)
{
    struct kith__batch *b = h->batch;
    int rc = give_all(b, h, size), ended = 0;

    if (b->feed) {
        look_again(b, h->news);
        ended = follow(b, h);
    } else {
        answer(b, h, 0);
    }
    if (ended < 0)
        kith__crew_give_up(b->of, kith_last_error());
    else if (rc == KITH_ENOMEM)
        kith__nap(memory_ns);
    else if (rc < 0)
        kith__crew_give_up(b->of, b->why);
    abandon(b);
    if (h->owed) /* it looks for itself whether the next claim is due */
        return;
    kith__crew_lock(b->of);
    kith__crew_call_next(b->of);
    kith__crew_unlock(b->of);
}
