/* foreman.c: see foreman.h. */
#include "config.h"
#include "pool/foreman.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "pool/answer.h"
#include "pool/batch.h"
#include "pool/branch.h"
#include "pool/crew.h"
#include "pool/errand.h"
#include "pool/known.h"
#include "pool/opening.h"
#include "pool/pool.h"
#include "shm/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 64 << 10, TEXT = 512 };

static const int64_t memory_ns = 100 * KITH__MS;

/* ------------------------------------------------------------------ its hands: a thread for each grant */

/* With d for the home: the size of a grant; 0: none came, try again; or a code. What is owed goes along, and
 * stays so when the claim fails. */
static int64_t claim(struct kith__hand *h, const struct kith__deal *d)
{
    struct kith__args in = { .bytes = &h->carried, .size = sizeof *d + h->owed, .number = h->in.size };
    struct kith__result out = { .buf = h->in.at, .room = h->in.size, .takes = 1 };
    int64_t rc;

    kith__buffer_release(&h->came);
    h->carried.deal = *d;
    rc = kith__crew_ask(h->of, KITH__POOL_CLAIM, &in, &out);
    if (rc > 0)
        h->owed = 0;
    if (rc > 0 && out.block)
        h->came = (struct kith__buffer){ out.block, kith__heap_size_of(out.block), kith__at(out.block) };
    if (rc > 0 && out.size == 0) /* one task needs more room */
        rc = kith__buffer_reserve(&h->in, (uint64_t)rc, 0);
    if (rc == KITH_ENOMEM) {
        kith__nap(memory_ns);
        return 0;
    }
    return rc;
}

/* The next one may be as large as the line can make use of. */
static void make_room(struct kith__hand *h, uint64_t used)
{
    uint64_t most = KITH__DEAL_BYTES + sizeof(struct kith__parcel_grant);

    if (used > h->in.size / 2 && h->in.size < most)
        kith__buffer_reserve(&h->in, 8 * h->in.size < most ? 8 * h->in.size : most, 0);
}

/* A function that is not here: others have it. */
static void refuse(int rc, const struct kith__parcel_grant *g, struct kith__hand *h)
{
    char why[TEXT];

    snprintf(why, sizeof why, "%s", kith_last_error());
    kith__answer_nothing(h->of, g, &h->in);
    if (rc == KITH_ENOMEM)
        kith__nap(memory_ns);
    else if (rc != KITH_EEND && rc != KITH_ECANCELLED)
        kith__crew_give_up(h->of, why);
}

static void do_grant(struct kith__hand *h, uint64_t size)
{
    struct kith__crew *crew = h->of;
    struct kith__parcel_grant g;
    struct kith__errand r = { .looked = h->news };
    const char *bytes = kith__hand_grant(h)->at;
    int rc = kith__parcel_read_grant(bytes, size, &g);

    if (rc == 0)
        rc = kith__errand_read(crew, &r, &g, bytes, size);
    r.units = rc == 0 ? g.grant.length : 0;
    kith__crew_begin(crew, &r);
    if (rc < 0)
        refuse(rc, &g, h);
    else if (kith__errand_run(&r, &g, h) < 0)
        kith__crew_give_up(crew, kith_last_error());
    kith__crew_end(crew, &r, h->owed > 0);
    kith__errand_done(crew, &r);
}

/* batches: it has claimed single tasks without a look whether a worker is free: then there may be one of
 * them, too. */
static void do_claimed(struct kith__hand *h, uint64_t size, int batches)
{
    struct kith__parcel_grant g;

    if (kith__parcel_read_grant(kith__hand_grant(h)->at, size, &g) == 0 &&
        (g.is_item > 1 || (g.is_item && batches && g.grant.tries == 0)))
        kith__batch_run(h, size);
    else
        do_grant(h, size);
    make_room(h, size);
}

/* Until it is to claim, with *d. 0: there will be no more claims. */
static int await_turn(struct kith__hand *h, struct kith__deal *d)
{
    if (h->owed && kith__crew_take_turn(h->of, &h->news, d))
        return 1;
    kith__answer_owed(h);
    return kith__crew_await_turn(h->of, &h->news, d);
}

static void *work(void *arg)
{
    struct kith__crew *crew = arg;
    struct kith__hand h = { .of = crew };
    struct kith__deal d;
    int64_t rc = kith__buffer_reserve(&h.in, ROOM, 0);

    if (rc >= 0 && !(h.batch = kith__batch_new(crew)))
        rc = KITH_ENOMEM;
    while (rc >= 0 && await_turn(&h, &d)) {
        if ((rc = claim(&h, &d)) > 0)
            do_claimed(&h, (uint64_t)rc, d.batch > 1);
        else {
            if (rc < 0) /* it ends: there are news, or soon will be */
                kith__nap(KITH__MS);
            kith__crew_got_none(crew);
            rc = 0;
        }
    }
    if (rc < 0)
        kith__crew_end_claims(crew);
    kith__buffer_release(&h.in);
    kith__buffer_release(&h.came);
    kith__buffer_release(&h.out);
    kith__buffer_release(&h.bytes);
    kith__batch_free(h.batch);
    return NULL;
}

/* ------------------------------------------------------------------ news */

/* hard: also what is under way. */
static void end_job(struct kith__crew *crew, const struct kith__known *k, int hard)
{
    for (struct kith__errand *r = crew->running.first; r; r = r->link.next) {
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
static struct kith__known *next_to_look_at(struct kith__crew *crew, uint64_t news)
{
    for (struct kith__known *k = crew->jobs.first; k; k = k->link.next)
        if (!k->over && k->looked != news) {
            k->looked = news;
            k->users++;
            return k;
        }
    return NULL;
}

/* Those that were given up since are ended here. */
static void look_at_jobs(struct kith__crew *crew, uint64_t news)
{
    struct kith__known *k, *same;
    int rc;

    kith__crew_lock(crew);
    while ((k = next_to_look_at(crew, news))) {
        kith__crew_unlock(crew);
        if ((rc = kith__known_fetch(crew, k->job.seq, k->job.post, &same)) == 0)
            kith__known_free(same);
        kith__crew_lock(crew);
        if (rc == KITH_EEND || rc == KITH_ECANCELLED) {
            k->over = 1;
            end_job(crew, k, rc == KITH_EEND);
        }
        k->users--;
    }
    kith__known_forget(crew);
    kith__crew_unlock(crew);
}

/* Locked. */
static struct kith__errand *next_item_to_look_at(struct kith__crew *crew, uint64_t news)
{
    for (struct kith__errand *r = crew->running.first; r; r = r->link.next)
        if (r->is_item && !r->over && r->looked != news) {
            r->looked = news;
            return r;
        }
    return NULL;
}

/* What is on its way while this looks is looked at by its own thread. */
static void look_at_items(struct kith__crew *crew, uint64_t news)
{
    struct kith__errand *r;

    kith__crew_lock(crew);
    crew->news = news;
    while ((r = next_item_to_look_at(crew, news))) {
        uint64_t touch = r->touch, epoch = r->epoch;
        int over;

        kith__crew_unlock(crew);
        over = kith__errand_is_given_up(crew, touch, epoch);
        kith__crew_lock(crew);
        if (over)
            kith__errand_end_item(crew, epoch);
    }
    kith__crew_unlock(crew);
}

/* Until the end: 1: it is one in good order. */
static int follow_news(struct kith__crew *crew)
{
    struct kith__pool_news told = { 0 };

    for (;;) {
        struct kith__args in = { .number = told.number };
        struct kith__result out = { .buf = &told, .room = sizeof told };

        if (kith__crew_ask(crew, KITH__POOL_NEWS, &in, &out) != (int64_t)sizeof told)
            return 0;
        if (told.state != KITH__POOL_OPEN)
            return told.state == KITH__POOL_CLOSING;
        look_at_items(crew, told.number);
        look_at_jobs(crew, told.number);
    }
}

/* ------------------------------------------------------------------ its life */

static int open_branch(struct kith__crew *crew, const struct kith__brief *b, const void *arg)
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
    return kith__pool_open_branch(&trunk, (int)b->workers, &o, &crew->branch.id);
}

/* Tells the home how many workers there are, or why there are none. */
static int join(struct kith__crew *crew, uint32_t workers, int code)
{
    struct kith__branch_fault why = { .rc = code };
    struct kith__args in = { .number = workers, .bytes = &crew->branch.id, .size = sizeof crew->branch.id };
    struct kith__result out = { 0 };
    int64_t begin = kith__now_ns(), rc;

    if (workers == 0) {
        snprintf(why.text, sizeof why.text, "%s", kith_last_error());
        in.bytes = &why;
        in.size = sizeof why;
    }
    if ((rc = kith__crew_ask(crew, KITH__POOL_JOIN, &in, &out)) == 0)
        kith__deal_travelled(&crew->line, 0, kith__now_ns() - begin);
    return (int)rc;
}

/* Signals are for the first thread. As many as were made. */
static uint32_t begin_threads(struct kith__crew *crew, struct kith__thread *threads, uint32_t count)
{
    uint32_t made = 0;

    while (made < count && kith__thread_begin(&threads[made], work, crew) == 0)
        made++;
    return made;
}

/* Its exit functions run, and the home hears how they have ended. */
static void close_branch(struct kith__crew *crew)
{
    struct kith__branch_fault f = { .rc = kith_pool_close(crew->branch) };
    struct kith_fault first, more;

    if (f.rc != KITH_ETASK || kith_last_fault(&first, 0) < 0) {
        kith__crew_leave(crew);
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
    kith__crew_leave_with(crew, &f);
}

/* Joined: works until the end. */
static void serve(struct kith__crew *crew)
{
    uint32_t count = crew->workers + KITH__DEAL_AHEAD, made;
    struct kith__thread *threads = calloc(count, sizeof *threads);
    int in_good_order = 0;

    made = threads ? begin_threads(crew, threads, count) : 0;
    if (made == 0)
        kith__crew_give_up(crew, "no thread can be started");
    else
        in_good_order = follow_news(crew);
    kith__crew_end_claims(crew);
    if (!in_good_order)
        kith_pool_terminate(crew->branch);
    for (uint32_t i = 0; i < made; i++)
        kith__thread_join(&threads[i]);
    free(threads);
    if (in_good_order)
        close_branch(crew);
    else
        kith__crew_leave(crew);
}

int kith__foreman(const void *bytes)
{
    struct kith__brief b;
    struct kith__crew crew;
    int rc;

    memcpy(&b, bytes, sizeof b);
    crew = (struct kith__crew){
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .home.id = b.pool,
        .workers = b.workers,
        .first_worker = b.first_worker,
        .single.workers = b.workers,
    };
    if ((rc = open_branch(&crew, &b, (const char *)bytes + sizeof b)) < 0)
        join(&crew, 0, rc); /* it is told */
    else if (join(&crew, b.workers, 0) == 0)
        serve(&crew);
    else
        kith_pool_terminate(crew.branch);
    kith__known_forget_all(&crew);
    pthread_mutex_destroy(&crew.mutex);
    return 0;
}
