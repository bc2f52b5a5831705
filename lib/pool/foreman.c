/* foreman.c: see foreman.h. */
#include "config.h"
#include "pool/foreman.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/system.h"
#include "pool/branch.h"
#include "pool/call.h"
#include "pool/claim.h"
#include "pool/fault.h"
#include "pool/parcel.h"
#include "pool/pool.h"
#include "pool/settle.h"
#include "shm/heap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STACK = 256 << 10, ROOM = 64 << 10, TEXT = 512, TRIES = 10 };

/* The workers of the branch take grants of one call in turn, the oldest first, as they do what is one call at
 * home: else each would be at another one, and all of these would come to their end late. */
#define OF_HOME (UINT64_C(1) << 63) /* of a root: it is none of a call that was posted here */

static const int64_t look_least_ns = 50000, look_most_ns = 100 * KITH__MS, memory_ns = 100 * KITH__MS;

struct known { /* a job of which it was granted something */
    KITH__LINK(struct known) link;
    struct kith__parcel_job job;
    void *bytes; /* its description, from malloc */
    const void *arg;
    kith__anyfn *fn;
    struct kith__deal deal;
    uint32_t users;
    uint64_t looked; /* news after which it was asked for */
    int over;        /* nothing of it is to be begun any more */
};

struct running { /* a grant */
    KITH__LINK(struct running) link;
    struct known *of; /* of an item it is its own */
    struct kith__call call;
    uint64_t units, first; /* first: of an item 0: it is the only task of its call */
    const void *in, *elements;
    uint64_t touch, epoch; /* of an item: how it is asked for */
    uint64_t looked;       /* news after which it was */
    int is_item, posted, over;
};

struct buffer { /* a block of the heap: what lies there is used in place */
    uint64_t block, size;
    char *at;
};

struct hand {                     /* a thread's own */
    struct buffer in, out, bytes; /* bytes: of results of any size */
    uint64_t news;                /* the last that was known when it claimed */
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    kith_pool home, branch;
    uint32_t workers, first_worker;
    uint32_t asking;               /* claims under way */
    int watched;                   /* a thread looks how far the grants are */
    int ends;                      /* nothing is claimed any more */
    int items;                     /* the last grant was one of a row */
    uint64_t news;                 /* that were looked at, or are just now */
    int left;                      /* LEAVE was said */
    KITH__LIST(struct known) jobs; /* the last one first */
    KITH__LIST(struct running) running;
    struct kith__deal line; /* what is known of it */
} self = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void lock(void)
{
    pthread_mutex_lock(&self.mutex);
}

static void unlock(void)
{
    pthread_mutex_unlock(&self.mutex);
}

/* At least that large. keep: with what lies there. 0; KITH_ENOMEM. */
static int reserve(struct buffer *b, uint64_t size, uint64_t keep)
{
    uint64_t block;

    if (b->size >= size)
        return 0;
    if (!(block = kith__heap_alloc(size, kith__me)))
        return KITH_ENOMEM;
    if (keep)
        memcpy(kith__at(block), b->at, keep);
    kith__heap_free(b->block);
    *b = (struct buffer){ block, size, kith__at(block) };
    return 0;
}

static void release(struct buffer *b)
{
    kith__heap_free(b->block);
    memset(b, 0, sizeof *b);
}

static int64_t ask(unsigned method, struct kith__args *in, struct kith__result *out)
{
    return kith__invoke(self.home.id, KITH__POOL_KIND, method, in, out, KITH_FOREVER);
}

static void end_claims(void)
{
    lock();
    self.ends = 1;
    pthread_cond_broadcast(&self.changed);
    unlock();
}

/* All that it still has goes back, and the pool goes on without this node. f: exit functions that failed. */
static void leave_with(const struct kith__branch_fault *f)
{
    struct kith__args in = { .bytes = f, .size = f ? sizeof *f : 0 };
    int left;

    end_claims();
    lock();
    left = self.left;
    self.left = 1;
    unlock();
    if (!left)
        ask(KITH__POOL_LEAVE, &in, &(struct kith__result){ 0 });
}

static void leave(void)
{
    leave_with(NULL);
}

static void give_up(const char *why)
{
    lock();
    if (self.ends)
        why = NULL;
    unlock();
    if (why)
        kith__notice("%s takes no part in a pool any more: %s", kith__shared->host, why);
    leave();
}

/* ------------------------------------------------------------------ jobs */

static struct known *find_job(uint64_t seq)
{
    struct known *k = self.jobs.first;

    while (k && k->job.seq != seq)
        k = k->link.next;
    return k;
}

/* Locked. To the front: the next claims are like this one. */
static struct known *use(struct known *k)
{
    kith__unlink(&self.jobs, k, link);
    kith__link_first(&self.jobs, k, link);
    k->users++;
    return k;
}

static void free_job(struct known *k)
{
    if (k)
        free(k->bytes);
    free(k);
}

/* Locked. Nobody has any of it, and it was not the last one. */
static void forget_jobs(void)
{
    for (struct known *k = self.jobs.first, *next; k; k = next) {
        next = k->link.next;
        if (k->users > 0 || k == self.jobs.first)
            continue;
        kith__unlink(&self.jobs, k, link);
        free_job(k);
    }
}

static void drop(struct known *k)
{
    lock();
    k->users--;
    forget_jobs();
    unlock();
}

static int read_job(struct known *k, uint64_t size)
{
    int rc = kith__parcel_read_job(k->bytes, size, &k->job, &k->arg);

    if (rc == 0)
        rc = kith__token_resolve(&k->job.fn, &k->fn);
    k->deal.job = k->job.seq;
    k->deal.workers = self.workers;
    return rc;
}

/* What the home says of a job. 0; a code: KITH_EEND, KITH_ECANCELLED: nothing of it is wanted. */
static int fetch_job(uint64_t seq, uint32_t post, struct known **out)
{
    struct kith__args in = { .number = kith__touch(seq, post) };
    struct kith__result got = { .grows = 1 };
    struct known *k = calloc(1, sizeof *k);
    int64_t rc = k ? ask(KITH__POOL_JOB, &in, &got) : kith__fail(KITH_ENOMEM, "no memory for a job");

    if (rc >= 0) {
        k->bytes = got.buf;
        rc = read_job(k, got.size);
    }
    if (rc < 0) {
        free(got.buf);
        free(k);
        return (int)rc;
    }
    *out = k;
    return 0;
}

/* As it came along with a grant. */
static int copy_job(const void *described, uint64_t size, struct known **out)
{
    struct known *k = calloc(1, sizeof *k);
    int rc = k && (k->bytes = malloc(size)) ? 0 : kith__fail(KITH_ENOMEM, "no memory for a job");

    if (rc == 0) {
        memcpy(k->bytes, described, size);
        rc = read_job(k, size);
    }
    if (rc < 0)
        free_job(k);
    else
        *out = k;
    return rc;
}

/* Locked, and unlocked meanwhile. What came along is as it was when it was granted: with news since, that it
 * may have been given up, the home is asked. */
static int learn_job(const struct kith__parcel_grant *g, const char *bytes, uint64_t size, uint64_t news,
                     struct known **out)
{
    uint64_t job_size;
    const void *described = kith__parcel_described(bytes, size, &job_size);
    int rc = 0;

    if (described && self.news == news) {
        unlock();
        rc = copy_job(described, job_size, out);
        lock();
        if (rc < 0 || self.news == news)
            return rc;
        free_job(*out);
        *out = NULL;
    }
    unlock();
    rc = fetch_job(g->seq, g->post, out);
    lock();
    return rc;
}

/* The job of a grant that was claimed after that news, which is used until drop. */
static int know(const struct kith__parcel_grant *g, const char *bytes, uint64_t size, uint64_t news,
                struct known **out)
{
    struct known *new = NULL;
    int rc = 0;

    lock();
    if (!find_job(g->seq))
        rc = learn_job(g, bytes, size, news, &new);
    if (new &&new->job.seq != g->seq)
        rc = kith__fail(KITH_EPEER, "a grant comes with another job than its own: two versions of kith?");
    if (rc == 0 && !find_job(g->seq)) {
        kith__link_first(&self.jobs, new, link);
        new = NULL;
    }
    if (rc == 0)
        *out = use(find_job(g->seq));
    unlock();
    free_job(new); /* another thread was faster */
    return rc;
}

/* ------------------------------------------------------------------ whose turn it is to claim */

/* Locked. */
static struct kith__deal deal_now(void)
{
    struct kith__deal d =
        self.jobs.first ? self.jobs.first->deal : (struct kith__deal){ .workers = self.workers };

    d.trip_ns = self.line.trip_ns;
    d.byte_ns = self.line.byte_ns;
    return d;
}

/* Locked: units of all grants that are not done. */
static uint64_t count_unfinished(void)
{
    uint64_t unfinished = 0;

    for (const struct running *r = self.running.first; r; r = r->link.next) {
        uint64_t done = 0;

        for (uint32_t w = 0; r->posted && w < r->call.job->workers; w++)
            done += atomic_load(&r->call.job->cells[w].done);
        unfinished += done < r->units ? r->units - done : 0;
    }
    return unfinished;
}

/* Locked: until a grant has come or gone, or, at due ns, what there is may have become little. One looks for
 * all; and once before, as units may be cheaper than those before. */
static void await_change(double due)
{
    struct timespec until;
    double ns = due / 2;
    int64_t at;

    if (self.watched || due <= 0) {
        pthread_cond_wait(&self.changed, &self.mutex);
        return;
    }
    at = kith__now_ns() + (ns < (double)look_least_ns  ? look_least_ns
                           : ns > (double)look_most_ns ? look_most_ns
                                                       : (int64_t)ns);
    until = (struct timespec){ at / 1000000000, at % 1000000000 };
    self.watched = 1;
    pthread_cond_timedwait(&self.changed, &self.mutex, &until);
    self.watched = 0;
}

/* Locked. Tasks of a row come one by one: then there is a claim for each worker that has none. */
static int is_turn(const struct kith__deal *d, uint64_t in_size, uint64_t out_size, uint64_t unfinished)
{
    return (self.items && unfinished + self.asking < self.workers) ||
           kith__deal_asks(d, in_size, out_size, unfinished, self.asking) > 0;
}

/* Until there is room for one more claim. 1, and what it says of this node; 0: there will be none. */
static int await_turn(struct hand *h, struct kith__deal *d)
{
    lock();
    while (!self.ends) {
        const struct kith__parcel_job *j = self.jobs.first ? &self.jobs.first->job : NULL;
        uint64_t in_size = j ? j->in_size : 0, out_size = j ? j->out_size : 0,
                 unfinished = count_unfinished();

        *d = deal_now();
        if (is_turn(d, in_size, out_size, unfinished)) {
            self.asking++;
            h->news = self.news;
            pthread_cond_signal(&self.changed);
            unlock();
            return 1;
        }
        await_change(kith__deal_due(d, in_size, out_size, unfinished, self.asking));
    }
    unlock();
    return 0;
}

/* ------------------------------------------------------------------ claiming */

/* With d for the home: the size of a grant in h->in; 0: none came, try again; or a code. */
static int64_t claim(struct hand *h, const struct kith__deal *d)
{
    struct kith__args in = { .bytes = d, .size = sizeof *d, .number = h->in.size };
    struct kith__result out = { .buf = h->in.at, .room = h->in.size };
    int64_t rc = ask(KITH__POOL_CLAIM, &in, &out);

    if (rc > 0 && out.size == 0) /* one task needs more room */
        rc = reserve(&h->in, (uint64_t)rc, 0);
    if (rc == KITH_ENOMEM) {
        kith__nap(memory_ns);
        return 0;
    }
    return rc;
}

/* The next one may be as large as the line can make use of. */
static void make_room(struct hand *h, uint64_t used)
{
    uint64_t most = KITH__DEAL_BYTES + sizeof(struct kith__parcel_grant);

    if (used > h->in.size / 2 && h->in.size < most)
        reserve(&h->in, 8 * h->in.size < most ? 8 * h->in.size : most, 0);
}

static void begin_grant(struct running *r)
{
    lock();
    if (self.items != r->is_item)
        pthread_cond_signal(&self.changed); /* others may be to claim, too */
    self.items = r->is_item;
    kith__link_first(&self.running, r, link);
    self.asking--;
    unlock();
}

static void end_grant(struct running *r)
{
    lock();
    kith__unlink(&self.running, r, link);
    pthread_cond_signal(&self.changed);
    unlock();
}

static void no_grant(void)
{
    lock();
    self.asking--;
    pthread_cond_signal(&self.changed);
    unlock();
}

/* ------------------------------------------------------------------ returning */

/* A result, of which the head and what stands behind it lie in b. */
static int64_t send_result(const struct buffer *b, uint64_t size)
{
    struct kith__args in = { .bytes = b->at, .size = size };
    struct kith__result out = { 0 };
    int64_t begin = kith__now_ns(), rc = ask(KITH__POOL_RETURN, &in, &out);

    if (rc == 0) {
        lock();
        kith__deal_travelled(&self.line, size, kith__now_ns() - begin);
        unlock();
    }
    return rc;
}

/* Without memory at home none of it counts, after a while, and all is done elsewhere. */
static void return_result(const struct kith__parcel_grant *g, struct buffer *b, uint64_t size)
{
    struct kith__parcel_result none = {
        .seq = g->seq, .epoch = g->grant.epoch, .tries = g->grant.tries, .post = g->post
    };
    int64_t rc;

    for (int i = 0; (rc = send_result(b, size)) == KITH_ENOMEM && i < TRIES; i++)
        kith__nap(memory_ns);
    if (rc != KITH_ENOMEM)
        return;
    memcpy(b->at, &none, sizeof none);
    while (send_result(b, sizeof none) == KITH_ENOMEM)
        kith__nap(memory_ns);
}

/* Nothing of it was done. */
static void return_grant(const struct kith__parcel_grant *g, struct hand *h)
{
    struct kith__parcel_result head = {
        .seq = g->seq, .epoch = g->grant.epoch, .tries = g->grant.tries, .post = g->post
    };

    memcpy(h->in.at, &head, sizeof head);
    return_result(g, &h->in, sizeof head);
}

/* One fault, behind size bytes of b. 0, or KITH_ENOMEM: it is counted only. */
static int add_fault(struct buffer *b, uint64_t *size, const struct kith__fault_entry *e)
{
    struct kith__parcel_fault f = { .unit = e->unit,
                                    .end = e->end,
                                    .code = e->code,
                                    .signal = e->signal,
                                    .pid = e->pid,
                                    .worker = e->worker + (int32_t)self.first_worker };
    char text[TEXT];

    kith__fault_text(e, text, sizeof text);
    f.text_size = (uint32_t)strlen(text);
    if (reserve(b, *size + kith__parcel_fault_size(f.text_size), *size) < 0)
        return KITH_ENOMEM;
    memcpy(b->at + *size, &f, sizeof f);
    memcpy(b->at + *size + sizeof f, text, f.text_size);
    *size += kith__parcel_fault_size(f.text_size);
    return 0;
}

/* Of the first done units. How many; < 0: some are not known, for want of memory. */
static int64_t add_faults(struct kith__job *j, uint64_t done, struct buffer *b, uint64_t *size)
{
    uint64_t left = atomic_load(&j->fault_count);
    int64_t count = 0;

    for (uint64_t at; (at = kith__job_pop_fault(j)) != 0; kith__heap_free(at), left--) {
        const struct kith__fault_entry *e = kith__at(at);

        if (e->unit < done && count >= 0)
            count = add_fault(b, size, e) < 0 ? -1 : count + 1;
    }
    return left > 0 ? -1 : count;
}

/* ------------------------------------------------------------------ running */

/* Where its results go: to the place of the arguments, when they do so at home. */
static struct buffer *place_of_results(struct hand *h, const struct known *k, uint64_t units)
{
    uint64_t size = kith__parcel_result_size(&k->job, units);

    if (k->job.in_place)
        return &h->in;
    return reserve(&h->out, size, 0) < 0 ? NULL : &h->out;
}

/* 1: nobody wants that item any more. */
static int is_given_up(uint64_t touch, uint64_t epoch)
{
    struct kith__args in = { .number = touch, .bytes = &epoch, .size = sizeof epoch };

    return ask(KITH__POOL_JOB, &in, &(struct kith__result){ 0 }) == KITH_EEND;
}

/* Locked. */
static void end_item(uint64_t epoch)
{
    for (struct running *r = self.running.first; r; r = r->link.next) {
        if (!r->is_item || r->epoch != epoch)
            continue;
        r->over = 1;
        if (r->posted)
            kith__call_cancel(&r->call);
    }
}

/* News that came while it was on its way may have been of this one. */
static void look_again(struct running *r)
{
    int stale;

    lock();
    stale = r->is_item && r->looked != self.news;
    r->looked = self.news;
    unlock();
    if (!stale || !is_given_up(r->touch, r->epoch))
        return;
    lock();
    end_item(r->epoch);
    unlock();
}

static int post(struct running *r, const struct kith__parcel_grant *g, void *out)
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
        .pool = self.branch,
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

    lock();
    r->posted = rc == 0;
    if (r->posted && (r->over || r->of->over)) /* it was given up in between */
        kith__call_cancel(&r->call);
    unlock();
    if (rc == 0)
        look_again(r);
    return rc;
}

/* How many units are done, from the first one on, of a call that has come to its end. */
static uint64_t count_done(const struct running *r, enum kith__step_result last)
{
    if (last == KITH__STEP_DONE)
        return r->units;
    return last == KITH__STEP_HALTED ? kith__job_frontier(r->call.job) : 0;
}

static void learn(const struct running *r)
{
    uint64_t timed = atomic_load(&r->call.job->timed);
    double each;

    if (timed == 0)
        return;
    each = (double)atomic_load(&r->call.job->timed_ns) / (double)timed;
    lock();
    kith__deal_ran(&r->of->deal, r->units, (int64_t)(each * (double)r->units));
    unlock();
}

/* Those of any size, which tasks have left at from, with room for a head before: b is what is sent then. 0;
 * KITH_ENOMEM. */
static int pack_bytes(const kith_bytes *from, uint64_t done, struct buffer *b, uint64_t *size)
{
    *size = sizeof(struct kith__parcel_result) + kith__parcel_bytes_size(from, done);
    if (reserve(b, *size, 0) < 0)
        return KITH_ENOMEM;
    kith__parcel_write_bytes(from, done, b->at + sizeof(struct kith__parcel_result));
    return 0;
}

/* What was sent, or was not to be: nobody else has it. */
static void free_bytes(kith_bytes *of, uint64_t units)
{
    for (uint64_t i = 0; i < units; i++)
        if (of[i].data)
            kith__heap_free(kith__offset(of[i].data));
}

/* Its results and faults, with their head, in *b: how many bytes. Without memory nobody knows which have
 * failed, or what they give: all again. */
static uint64_t pack(const struct running *r, const struct kith__parcel_grant *g, uint64_t done,
                     struct hand *h, struct buffer **b)
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
        if (pack_bytes(out, done, &h->bytes, &size) < 0)
            faults = -1;
        else
            *b = &h->bytes;
    }
    head.size = size - sizeof head;
    if (faults == 0)
        faults = add_faults(r->call.job, done, *b, &size);
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

static void end_posted(struct running *r)
{
    lock();
    r->posted = 0; /* nobody cancels it any more */
    unlock();
}

/* Runs it in the branch. 0; or the branch is no more. */
static int run(struct running *r, const struct kith__parcel_grant *g, struct hand *h)
{
    struct buffer *b = place_of_results(h, r->of, r->units);
    enum kith__step_result last = KITH__STEP_WAIT;
    kith_bytes *bytes = NULL;
    uint64_t done, size;
    int rc;

    if (!b) {
        return_grant(g, h);
        kith__nap(memory_ns);
        return 0;
    }
    if (r->of->job.kind == KITH__JOB_VARIABLE)
        memset(bytes = (void *)(b->at + sizeof(struct kith__parcel_result)), 0, r->units * sizeof *bytes);
    if ((rc = post(r, g, b->at + sizeof(struct kith__parcel_result))) < 0) {
        return_grant(g, h);
        return rc;
    }
    rc = kith__call_wait(&r->call, -1, &last);
    if (last == KITH__STEP_DONE)
        learn(r);
    done = count_done(r, last);
    size = pack(r, g, done, h, &b);
    end_posted(r);
    kith__call_end(&r->call, last);
    if (bytes)
        free_bytes(bytes, r->units);
    if (rc < 0 || last == KITH__STEP_ENDED)
        return rc < 0 ? rc : KITH_ECANCELLED;
    return_result(g, b, size);
    return 0;
}

/* A function that is not here: others have it. */
static void refuse(int rc, const struct kith__parcel_grant *g, struct hand *h)
{
    char why[TEXT];

    snprintf(why, sizeof why, "%s", kith_last_error());
    return_grant(g, h);
    if (rc == KITH_ENOMEM)
        kith__nap(memory_ns);
    else if (rc != KITH_EEND && rc != KITH_ECANCELLED)
        give_up(why);
}

static int read_range(struct running *r, const struct kith__parcel_grant *g, const char *bytes, uint64_t size)
{
    int rc = know(g, bytes, size, r->looked, &r->of);

    if (rc < 0 || (rc = kith__parcel_check_grant(&r->of->job, bytes, size, &r->in)) < 0)
        return rc;
    r->first = g->grant.lo;
    r->elements = kith__parcel_elements(&r->of->job, bytes);
    return 0;
}

/* It is a job of its own here. */
static int read_item(struct running *r, const struct kith__parcel_grant *g, const char *bytes, uint64_t size)
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
    r->of->deal.workers = self.workers;
    return kith__token_resolve(&item.fn, &r->of->fn);
}

/* What is not of a list. */
static void done_with(const struct running *r)
{
    if (r->of && r->is_item)
        free(r->of);
    else if (r->of)
        drop(r->of);
}

static void do_grant(struct hand *h, uint64_t size)
{
    struct kith__parcel_grant g;
    struct running r = { .looked = h->news };
    int rc = kith__parcel_read_grant(h->in.at, size, &g);

    if (rc == 0) {
        r.is_item = (int)g.is_item;
        r.touch = kith__touch(g.seq, g.post);
        r.epoch = g.grant.epoch;
        rc = (r.is_item ? read_item : read_range)(&r, &g, h->in.at, size);
    }
    r.units = rc == 0 ? g.grant.length : 0;
    begin_grant(&r);
    if (rc < 0)
        refuse(rc, &g, h);
    else if (run(&r, &g, h) < 0)
        give_up(kith_last_error());
    end_grant(&r);
    done_with(&r);
    make_room(h, size);
}

static void *work(void *nothing)
{
    struct hand h = { 0 };
    struct kith__deal d;
    int64_t rc = reserve(&h.in, ROOM, 0);

    while (rc >= 0 && await_turn(&h, &d)) {
        if ((rc = claim(&h, &d)) > 0)
            do_grant(&h, (uint64_t)rc);
        else {
            if (rc < 0) /* it ends: there are news, or soon will be */
                kith__nap(KITH__MS);
            no_grant();
            rc = 0;
        }
    }
    if (rc < 0)
        end_claims();
    release(&h.in);
    release(&h.out);
    release(&h.bytes);
    return nothing;
}

/* ------------------------------------------------------------------ news */

/* hard: also what is under way. */
static void end_job(const struct known *k, int hard)
{
    for (struct running *r = self.running.first; r; r = r->link.next) {
        if (r->of != k || !r->posted)
            continue;
        if (hard)
            kith__call_cancel(&r->call);
        else {
            atomic_store(&r->call.job->cancelled, KITH__HALTED);
            kith__fence();
            kith__wake_all(&r->call.job->waiters);
        }
    }
}

/* Locked: one that was not looked at since that news. Something of it may be on its way, also when nobody
 * uses it. */
static struct known *next_to_look_at(uint64_t news)
{
    for (struct known *k = self.jobs.first; k; k = k->link.next)
        if (!k->over && k->looked != news) {
            k->looked = news;
            k->users++;
            return k;
        }
    return NULL;
}

/* Those that were given up since are ended here. */
static void look_at_jobs(uint64_t news)
{
    struct known *k, *same;
    int rc;

    lock();
    while ((k = next_to_look_at(news))) {
        unlock();
        if ((rc = fetch_job(k->job.seq, k->job.post, &same)) == 0)
            free_job(same);
        lock();
        if (rc == KITH_EEND || rc == KITH_ECANCELLED) {
            k->over = 1;
            end_job(k, rc == KITH_EEND);
        }
        k->users--;
    }
    forget_jobs();
    unlock();
}

/* Locked. */
static struct running *next_item_to_look_at(uint64_t news)
{
    for (struct running *r = self.running.first; r; r = r->link.next)
        if (r->is_item && !r->over && r->looked != news) {
            r->looked = news;
            return r;
        }
    return NULL;
}

/* What is on its way while this looks is looked at by its own thread. */
static void look_at_items(uint64_t news)
{
    struct running *r;

    lock();
    self.news = news;
    while ((r = next_item_to_look_at(news))) {
        uint64_t touch = r->touch, epoch = r->epoch;
        int over;

        unlock();
        over = is_given_up(touch, epoch);
        lock();
        if (over)
            end_item(epoch);
    }
    unlock();
}

/* Until the end: 1: it is one in good order. */
static int follow_news(void)
{
    struct kith__pool_news told = { 0 };

    for (;;) {
        struct kith__args in = { .number = told.number };
        struct kith__result out = { .buf = &told, .room = sizeof told };

        if (ask(KITH__POOL_NEWS, &in, &out) != (int64_t)sizeof told)
            return 0;
        if (told.state != KITH__POOL_OPEN)
            return told.state == KITH__POOL_CLOSING;
        look_at_items(told.number);
        look_at_jobs(told.number);
    }
}

/* ------------------------------------------------------------------ its life */

static int open_branch(const struct kith__brief *b, const void *arg)
{
    const struct kith__trunk trunk = { b->pool, kith__me, b->first_worker, b->all_workers };
    struct kith_pool_options o = {
        .arg = b->arg_size ? arg : NULL,
        .arg_size = b->arg_size,
        .tasks_per_worker = b->tasks_per_worker,
        .limit_ms = b->limit_ms,
        .tries = b->tries,
        .unpinned = b->unpinned,
        .chunk = b->chunk,
        .memory = (size_t)b->memory,
        .init_limit_ms = b->init_limit_ms,
        .exit_limit_ms = b->exit_limit_ms,
        .halt = -1, /* it is the home's to count */
    };
    kith__anyfn *fn;
    int rc;

    if (b->has_init) {
        if ((rc = kith__token_resolve(&b->functions.init, &fn)) < 0)
            return rc;
        o.init = (kith_target *)fn;
    }
    if (b->has_exit) {
        if ((rc = kith__token_resolve(&b->functions.exit, &fn)) < 0)
            return rc;
        o.exit = (kith_target *)fn;
    }
    return kith__pool_open_branch(&trunk, (int)b->workers, &o, &self.branch.id);
}

/* Tells the home how many workers there are, or why there are none. */
static int join(uint32_t workers, int code)
{
    struct kith__branch_fault why = { .rc = code };
    struct kith__args in = { .number = workers, .bytes = &self.branch.id, .size = sizeof self.branch.id };
    struct kith__result out = { 0 };
    int64_t begin = kith__now_ns(), rc;

    if (workers == 0) {
        snprintf(why.text, sizeof why.text, "%s", kith_last_error());
        in.bytes = &why;
        in.size = sizeof why;
    }
    if ((rc = ask(KITH__POOL_JOIN, &in, &out)) == 0)
        kith__deal_travelled(&self.line, 0, kith__now_ns() - begin);
    return (int)rc;
}

/* Signals are for the first thread. As many as were made. */
static uint32_t begin_threads(pthread_t *threads, uint32_t count)
{
    sigset_t every, before;
    pthread_attr_t attr;
    uint32_t made = 0;

    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    while (made < count && pthread_create(&threads[made], &attr, work, NULL) == 0)
        made++;
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return made;
}

/* Its exit functions run, and the home hears how they have ended. */
static void close_branch(void)
{
    struct kith__branch_fault f = { .rc = kith_pool_close(self.branch) };
    struct kith_fault first, more;

    if (f.rc != KITH_ETASK || kith_last_fault(&first, 0) < 0) {
        leave();
        return;
    }
    while (kith_last_fault(&more, f.count) == 0)
        f.count++;
    f.end = first.end;
    f.code = first.code;
    f.signal = first.signal;
    f.pid = first.pid;
    f.worker = first.worker;
    snprintf(f.text, sizeof f.text, "%.479s", first.text);
    leave_with(&f);
}

/* Joined: works until the end. */
static void serve(void)
{
    uint32_t count = self.workers + KITH__DEAL_AHEAD, made;
    pthread_t *threads = calloc(count, sizeof *threads);
    int in_good_order = 0;

    made = threads ? begin_threads(threads, count) : 0;
    if (made == 0)
        give_up("no thread can be started");
    else
        in_good_order = follow_news();
    end_claims();
    if (!in_good_order)
        kith_pool_terminate(self.branch);
    for (uint32_t i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    if (in_good_order)
        close_branch();
    else
        leave();
}

int kith__foreman(const void *bytes)
{
    struct kith__brief b;
    pthread_condattr_t clock;
    int rc;

    memcpy(&b, bytes, sizeof b);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&self.changed, &clock);
    pthread_condattr_destroy(&clock);
    self.home.id = b.pool;
    self.workers = b.workers;
    self.first_worker = b.first_worker;
    if ((rc = open_branch(&b, (const char *)bytes + sizeof b)) < 0) {
        join(0, rc);
        return 0; /* it was told */
    }
    if (join(b.workers, 0) == 0)
        serve();
    else
        kith_pool_terminate(self.branch);
    return 0;
}
