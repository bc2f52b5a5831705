/* errand.c: see errand.h. */
#include "config.h"
#include "pool/errand.h"
#include "base/error.h"
#include "base/system.h"
#include "pool/branch.h"
#include "pool/claim.h"
#include "pool/crew.h"
#include "pool/feed.h"
#include "pool/settle.h"

#include <stdlib.h>
#include <string.h>

/* The workers of the branch take grants of one call in turn, the oldest first, as they do what is one call at
 * home: else each would be at another one, and all of these would come to their end late. */
#define OF_HOME (UINT64_C(1) << 63) /* of a root: it is none of a call that was posted here */

static const int64_t memory_ns = 100 * KITH__MS;

enum { GIVEN_LEAST = 64 << 10 }; /* smaller results are copied, and their memory is used again */

/* Where its results go: to the place of the arguments, when they do so at home. */
static struct kith__buffer *buffer_of_results(struct kith__hand *h, const struct kith__known *k,
                                              uint64_t units)
{
    uint64_t size = kith__parcel_result_size(&k->job, units);

    if (k->job.in_place)
        return kith__hand_grant(h);
    return kith__buffer_reserve(&h->out, size, 0) < 0 ? NULL : &h->out;
}

int kith__errand_is_given_up(struct kith__crew *crew, uint64_t touch, uint64_t epoch)
{
    struct kith__args in = { .number = touch, .bytes = &epoch, .size = sizeof epoch };

    return kith__crew_ask(crew, KITH__POOL_JOB, &in, &(struct kith__result){ 0 }) == KITH_EEND;
}

/* Locked. */
void kith__errand_end_item(struct kith__crew *crew, uint64_t epoch)
{
    for (struct kith__errand *r = crew->running.first; r; r = r->link.next) {
        if (!r->is_item || r->epoch != epoch)
            continue;
        r->over = 1;
        if (r->feed)
            kith__feed_cancel(r->feed, r->unit);
        else if (r->posted)
            kith__call_cancel(&r->call);
    }
}

/* News that came while it was on its way may have been of this one. */
static void look_again(struct kith__crew *crew, struct kith__errand *r)
{
    int stale;

    kith__crew_lock(crew);
    stale = r->is_item && r->looked != crew->news;
    r->looked = crew->news;
    kith__crew_unlock(crew);
    if (!stale || !kith__errand_is_given_up(crew, r->touch, r->epoch))
        return;
    kith__crew_lock(crew);
    kith__errand_end_item(crew, r->epoch);
    kith__crew_unlock(crew);
}

static int post(struct kith__crew *crew, struct kith__errand *r, const struct kith__parcel_grant *g,
                void *out)
{
    const struct kith__parcel_job *j = &r->of->job;
    uint64_t tries = j->tries > g->grant.tries ? j->tries - g->grant.tries : 1;
    struct kith__call_part part = {
        .first = r->first,
        .units = g->grant.length,
        .call = j->call,
        .tries = (uint32_t)tries,
        .whole = g->seq,
        .named = g->grant.lo,
        .elements = r->elements,
        .root = g->root | OF_HOME,
        .priority = g->priority,
    };
    struct kith__call_spec s = {
        .pool = crew->branch,
        .name = j->name[0] ? j->name : NULL,
        .fn = r->of->fn,
        .kind = j->kind,
        .shape = (int)j->shape,
        .n = kith__is_map(j->kind) ? g->grant.length : j->n,
        .part = &part,
        .in = j->in_size ? r->in : NULL,
        .arg = r->of->arg,
        .out = j->out_size ? out : NULL,
        .in_size = j->in_size,
        .out_size = j->out_size,
        .arg_size = j->arg_size,
    };
    int rc = kith__call_begin(&r->call, &s);

    kith__crew_lock(crew);
    r->posted = rc == 0;
    if (r->posted && (r->over || r->of->over)) /* it was given up in between */
        kith__call_cancel(&r->call);
    kith__crew_unlock(crew);
    if (rc == 0)
        look_again(crew, r);
    return rc;
}

/* How many units are done, from the first one on, of a call that has come to its end. */
static uint64_t count_done(const struct kith__errand *r, enum kith__step_result last)
{
    if (last == KITH__STEP_DONE)
        return r->units;
    return last == KITH__STEP_HALTED ? kith__job_frontier(r->call.job) : 0;
}

static void learn(struct kith__crew *crew, const struct kith__errand *r)
{
    uint64_t timed = atomic_load(&r->call.job->timed);
    double each;

    if (timed == 0)
        return;
    each = (double)atomic_load(&r->call.job->timed_ns) / (double)timed;
    kith__crew_lock(crew);
    kith__deal_ran(r->is_item ? &crew->single : &r->of->deal, r->units, (int64_t)(each * (double)r->units));
    kith__crew_unlock(crew);
}

/* Its results and faults, with their head, in *b: how many bytes. Without memory nobody knows which have
 * failed, or what they give: all again. */
static uint64_t pack(const struct kith__errand *r, const struct kith__parcel_grant *g, uint64_t done,
                     struct kith__hand *h, struct kith__buffer **b)
{
    const struct kith__parcel_job *j = &r->of->job;
    struct kith__parcel_result head = {
        .seq = g->seq, .epoch = g->grant.epoch, .done = done, .post = g->post
    };
    uint64_t size = kith__parcel_result_size(j, done);
    const void *out = (*b)->at + sizeof head;
    int64_t faults = 0;

    if (!kith__is_map(j->kind) && j->out_size)
        memcpy((*b)->at + sizeof head, kith__at(r->call.job->out), done * j->out_size);
    if (j->kind == KITH__JOB_VARIABLE) {
        if (kith__answer_pack_bytes(out, done, &h->bytes, &size) < 0)
            faults = -1;
        else
            *b = &h->bytes;
    }
    head.size = size - sizeof head;
    if (faults == 0)
        faults = kith__answer_add_faults(h->of, r->call.job, done, *b, &size);
    if (faults < 0) {
        head.done = head.size = 0;
        size = sizeof head;
    } else
        head.faults = (uint32_t)faults;
    if (head.done == 0)
        head.tries = g->grant.tries;
    memcpy((*b)->at, &head, sizeof head);
    return size;
}

/* Nobody cancels it any more. And while its results are on their way the next claim may be due, unless that
 * takes them along. */
static void end_posted(struct kith__crew *crew, struct kith__errand *r, int owed)
{
    kith__crew_lock(crew);
    r->posted = 0;
    r->ended = 1;
    if (!owed)
        kith__crew_call_next(crew);
    kith__crew_unlock(crew);
}

static void answer(struct kith__hand *h, const struct kith__errand *r, const struct kith__parcel_grant *g,
                   struct kith__buffer *b, uint64_t size)
{
    if (size >= GIVEN_LEAST && r->of->job.tries > 1 && b != &h->in)
        kith__answer_give(h->of, g, b, size);
    else
        kith__answer_send(h->of, g, b, size);
}

int kith__errand_run(struct kith__errand *r, const struct kith__parcel_grant *g, struct kith__hand *h)
{
    struct kith__buffer *b = buffer_of_results(h, r->of, r->units);
    enum kith__step_result last = KITH__STEP_WAIT;
    kith_bytes *bytes = NULL;
    uint64_t done, size;
    int rc, is_over, owed;

    if (!b) {
        kith__answer_nothing(h->of, g, &h->in);
        kith__nap(memory_ns);
        return 0;
    }
    if (r->of->job.kind == KITH__JOB_VARIABLE)
        memset(bytes = (void *)(b->at + sizeof(struct kith__parcel_result)), 0, r->units * sizeof *bytes);
    if ((rc = post(h->of, r, g, b->at + sizeof(struct kith__parcel_result))) < 0) {
        kith__answer_nothing(h->of, g, &h->in);
        return rc;
    }
    rc = kith__call_wait(&r->call, -1, &last);
    if (last == KITH__STEP_DONE)
        learn(h->of, r);
    done = count_done(r, last);
    size = pack(r, g, done, h, &b);
    is_over = rc < 0 || last == KITH__STEP_ENDED;
    owed = !is_over && g->grant.tries == 0 && kith__answer_owe(h, b, size);
    end_posted(h->of, r, owed);
    kith__call_end(&r->call, last);
    if (bytes)
        kith__answer_free_bytes(bytes, r->units);
    if (is_over)
        return rc < 0 ? rc : KITH_ECANCELLED;
    if (!owed)
        answer(h, r, g, b, size);
    return 0;
}

static int read_range(struct kith__crew *crew, struct kith__errand *r, const struct kith__parcel_grant *g,
                      const char *bytes, uint64_t size)
{
    int rc = kith__know(crew, g, bytes, size, r->looked, &r->of);

    if (rc < 0 || (rc = kith__parcel_check_grant(&r->of->job, bytes, size, &r->in)) < 0)
        return rc;
    r->first = g->grant.lo;
    r->elements = kith__parcel_elements(&r->of->job, bytes);
    return 0;
}

/* It is a job of its own here. */
static int read_item(struct kith__crew *crew, struct kith__errand *r, const struct kith__parcel_grant *g,
                     const char *bytes, uint64_t size)
{
    struct kith__parcel_item item;
    int rc = kith__parcel_read_item(bytes, size, &item, &r->in);

    if (rc < 0)
        return rc;
    if (!(r->of = calloc(1, sizeof *r->of)))
        return kith__fail(KITH_ENOMEM, "no memory for a task");
    r->of->job = (struct kith__parcel_job){
        .seq = g->seq,
        .post = g->post,
        .kind = item.kind,
        .shape = item.shape,
        .tries = item.tries,
        .n = 1,
        .units = 1,
        .in_size = item.in_size,
        .out_size = item.out_size,
        .call = item.number,
        .fn = item.fn,
    };
    memcpy(r->of->job.name, item.name, sizeof item.name);
    r->of->deal.workers = crew->workers;
    return kith__token_resolve(&item.fn, &r->of->fn);
}

int kith__errand_read(struct kith__crew *crew, struct kith__errand *r, const struct kith__parcel_grant *g,
                      const char *bytes, uint64_t size)
{
    r->is_item = (int)g->is_item;
    r->touch = kith__touch(g->seq, g->post);
    r->epoch = g->grant.epoch;
    return (r->is_item ? read_item : read_range)(crew, r, g, bytes, size);
}

void kith__errand_done(struct kith__crew *crew, const struct kith__errand *r)
{
    if (r->of && r->is_item)
        free(r->of);
    else if (r->of)
        kith__known_drop(crew, r->of);
}
