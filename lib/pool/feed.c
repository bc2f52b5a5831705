/* feed.c: see feed.h. Called by result.c, crowd.c and imap.c. */
#include "config.h"
#include "pool/feed.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/system.h"
#include "member/bell.h"
#include "member/output.h"
#include "pool/attend.h"
#include "pool/branch.h"
#include "pool/claim.h"
#include "pool/fault.h"
#include "pool/grant.h"
#include "pool/shelf.h"
#include "pool/spread.h"
#include "pool/turn.h"
#include "pool/worker.h"
#include "shm/heap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TAGS = 1 << KITH__TAG_BITS };

struct known { /* a function that was given before */
    KITH__LINK(struct known) link;
    kith__anyfn *fn;
    uint64_t callee;
};

enum kind { SHARED, PRIVATE, CLOSED }; /* a private one has a user, who closes it */

struct kith__feed {
    pthread_mutex_t mutex;
    kith_pool pool; /* 0: the feed is unused */
    kith_pool far;  /* as in the spec of a call */
    struct kith__object *object;
    struct kith__job *job; /* the pool's: only while it is pinned, or in a worker of it */
    uint32_t post, tag, waiting;
    enum kind kind;
    int32_t priority;
    struct kith__shelf shelf;
    KITH__LIST(struct known) known;
    KITH__LINK(struct kith__feed) link;
};

struct kith__feeds {
    pthread_mutex_t mutex;              /* of all of it; taken before that of a feed */
    KITH__LIST(struct kith__feed) list; /* also the unused: whoever has a pointer may look at any time */
    _Atomic(struct kith__feed *) tagged[TAGS];
    _Atomic(struct kith__feed *) last_used;
    uint32_t tags;
};

static struct kith__feeds own = { .mutex = PTHREAD_MUTEX_INITIALIZER };
struct kith__feeds *kith__feeds = &own;

/* ------------------------------------------------------------------ the pool, which may end at any moment */

/* 1: the pool is open, and so the job is there until unpin. Who ends the pool either sees this, or is seen.
 */
static int pin(struct kith__feed *f)
{
    atomic_store(&f->shelf.row->pinned, 1);
    if (kith__object_is(f->object, f->pool.id) || kith__pool_awaits_us(f->pool.id))
        return 1;
    atomic_store(&f->shelf.row->pinned, 0);
    return 0;
}

static void unpin(struct kith__feed *f)
{
    atomic_store_explicit(&f->shelf.row->pinned, 0, memory_order_release);
}

enum running { RUNS, ENDS, ENDED }; /* it runs tasks; its workers are about to be gone; they are */

static enum running running(const struct kith__feed *f)
{
    uint32_t state;

    if (kith__object_is(f->object, f->pool.id))
        return RUNS;
    if (!kith__object_leaves(f->pool.id, KITH__POOL_KIND))
        return ENDED;
    state = atomic_load(&kith__pool_body(f->object)->state); /* or what another object has in its place */
    if (!kith__object_leaves(f->pool.id, KITH__POOL_KIND))
        return ENDED;
    return state <= KITH__POOL_CLOSING ? RUNS : ENDS;
}

/* Before this unit no worker has a claim any more: what it has ended it has retired. */
static uint64_t retired(struct kith__feed *f)
{
    uint64_t units;

    if (!pin(f))
        return running(f) == ENDED ? UINT64_MAX : 0;
    units = kith__job_frontier(f->job);
    unpin(f);
    return units;
}

/* ------------------------------------------------------------------ opening and closing */

/* callees: with what they have in the arena. */
static void forget_known(struct kith__feed *f, int callees)
{
    struct known *k;

    while ((k = f->known.first)) {
        kith__unlink(&f->known, k, link);
        if (callees)
            kith__heap_free(k->callee);
        free(k);
    }
}

/* No worker touches what it has: from now on it is unused. */
static void end(struct kith__feed *f)
{
    kith__shelf_clear(&f->shelf);
    forget_known(f, 1);
    atomic_store(&kith__feeds->tagged[f->tag], NULL);
    f->pool.id = 0;
    atomic_fetch_sub(&kith__member(kith__me)->unpublished, 1);
}

/* A closed one whose pool is open is withdrawn before, as soon as no worker is in it. */
static int may_end(struct kith__feed *f)
{
    struct kith__pool *p;
    int may;

    if (!f->pool.id || f->waiting > 0 || f->shelf.held > 0)
        return 0;
    p = kith__pool_body(f->object);
    if (running(f) == ENDED) {
        kith__shelf_let_go_of_dropped(&f->shelf);
        return f->kind == CLOSED || (f->kind == SHARED && f->shelf.live == 0);
    }
    if (f->kind != CLOSED || !pin(f))
        return 0;
    if ((may = kith__job_untouched(p, f->post)))
        kith__job_withdraw(p, f->post);
    unpin(f);
    return may;
}

/* Under the mutex of all. */
static void look_for_ended(void)
{
    for (struct kith__feed *f = kith__feeds->list.first; f; f = f->link.next) {
        pthread_mutex_lock(&f->mutex);
        if (may_end(f))
            end(f);
        pthread_mutex_unlock(&f->mutex);
    }
}

struct kith__feeds *kith__feeds_new(void)
{
    struct kith__feeds *new = calloc(1, sizeof *new);

    if (new)
        pthread_mutex_init(&new->mutex, NULL);
    return new;
}

void kith__feeds_clear(struct kith__feeds *of)
{
    struct kith__feed *f;

    while ((f = of->list.first)) {
        kith__unlink(&of->list, f, link);
        atomic_store(&of->tagged[f->tag], NULL);
        kith__shelf_forget(&f->shelf);
        forget_known(f, 0);
        free(f);
    }
    pthread_mutex_init(&of->mutex, NULL); /* somebody has died in it */
    atomic_store(&of->last_used, NULL);
    of->tags = 0;
}

void kith__feeds_tidy(void)
{
    pthread_mutex_lock(&kith__feeds->mutex);
    look_for_ended();
    pthread_mutex_unlock(&kith__feeds->mutex);
}

static int make_row(struct kith__feed *f)
{
    struct kith__job *j = f->job;
    uint64_t block = kith__heap_alloc(sizeof(struct kith__row), kith__me);

    if (!block)
        return KITH_ENOMEM;
    f->shelf.row = kith__at(block);
    memset(f->shelf.row, 0, sizeof *f->shelf.row);
    j->kind = KITH__JOB_ROW;
    j->units = j->n = KITH__ROW_UNITS;
    j->chunk = 1;
    j->halt = -1;
    j->tries = kith__pool_body(f->object)->tries;
    j->first_worker = kith__pool_body(f->object)->trunk.first_worker;
    j->arg = block;
    return 0;
}

/* Each feed that is named in handles has one; a private one is found without. */
static int take_tag(struct kith__feed *f)
{
    for (int i = 0; i < TAGS; i++) {
        f->tag = 1 + kith__feeds->tags++ % (TAGS - 1);
        if (!atomic_load(&kith__feeds->tagged[f->tag]))
            return 0;
    }
    return kith__fail(KITH_ENOMEM, "%d pools have results that were not taken: take those of some first",
                      TAGS - 1);
}

/* Of an unused one, which is locked. */
static int begin(struct kith__feed *f, enum kind kind, kith_pool pool, kith_pool far)
{
    int rc = kind == SHARED ? take_tag(f) : 0;

    if (rc < 0 || (rc = kith__pool_enter(pool, &f->object)) < 0)
        return rc;
    if (kith__pool_body(f->object)->serial) {
        kith__object_leave(f->object);
        return KITH__FEED_SERIAL;
    }
    f->job = kith__job_take(f->object, &f->post, &rc);
    kith__object_leave(f->object);
    if (!f->job)
        return rc;
    if ((rc = make_row(f)) < 0) {
        kith__job_withdraw(kith__pool_body(f->object), f->post);
        return rc;
    }
    atomic_fetch_add(&kith__member(kith__me)->unpublished, 1); /* when we end a janitor withdraws it */
    f->pool = pool;
    f->far = far;
    f->kind = kind;
    f->tag = kind == SHARED ? f->tag : 0;
    f->priority = f->job->priority =
        kith__turn.priority; /* a call of its own, also when a task has given the first */
    f->waiting = 0;
    atomic_store(&kith__feeds->tagged[f->tag], kind == SHARED ? f : NULL);
    kith__job_post(kith__pool_body(f->object), f->job, f->post);
    return 0;
}

/* Under the mutex of all. It is locked. */
static int new_feed(kith_pool pool, kith_pool far, enum kind kind, struct kith__feed **feed)
{
    struct kith__feed *f;
    int rc;

    look_for_ended();
    for (f = kith__feeds->list.first; f; f = f->link.next) {
        pthread_mutex_lock(&f->mutex);
        if (!f->pool.id)
            break;
        pthread_mutex_unlock(&f->mutex);
    }
    if (!f) {
        if (!(f = calloc(1, sizeof *f)))
            return kith__fail(KITH_ENOMEM, "no memory for calls of a pool");
        pthread_mutex_init(&f->mutex, NULL);
        pthread_mutex_lock(&f->mutex);
        kith__link_first(&kith__feeds->list, f, link);
    }
    if ((rc = begin(f, kind, pool, far)) == 0)
        *feed = f;
    else
        pthread_mutex_unlock(&f->mutex);
    return rc;
}

int kith__feed_open(kith_pool pool, kith_pool far, struct kith__feed **feed)
{
    int rc;

    pthread_mutex_lock(&kith__feeds->mutex);
    if ((rc = new_feed(pool, far, PRIVATE, feed)) == 0)
        pthread_mutex_unlock(&(*feed)->mutex);
    pthread_mutex_unlock(&kith__feeds->mutex);
    return rc;
}

void kith__feed_close(struct kith__feed *f)
{
    pthread_mutex_lock(&kith__feeds->mutex);
    pthread_mutex_lock(&f->mutex);
    f->kind = CLOSED;
    if (pin(f)) {
        struct kith__pool *p = kith__pool_body(f->object);

        atomic_store(&f->job->cancelled, KITH__ABANDONED);
        kith__job_hide(p, f->post);
        unpin(f);
    }
    pthread_mutex_unlock(&f->mutex);
    look_for_ended();
    pthread_mutex_unlock(&kith__feeds->mutex);
}

/* A worker that is inside of a feed's job can run nothing of it while it waits. */
static int is_inside(const struct kith__feed *f)
{
    uint32_t worker;
    const struct kith__lane *lane = kith__my_lane(f->object, &worker);

    if (!lane)
        return 0;
    for (uint32_t d = atomic_load(&lane->depth); d-- > 0;)
        if (kith__touched_post(atomic_load(&lane->touching[d])) == f->post)
            return 1;
    return 0;
}

static int suits(const struct kith__feed *f, kith_pool pool)
{
    return f->pool.id == pool.id && f->kind == SHARED && f->priority == kith__turn.priority &&
           f->shelf.given < KITH__ROW_UNITS && !is_inside(f);
}

/* It is locked. */
static int find(kith_pool pool, kith_pool far, struct kith__feed **feed)
{
    struct kith__feed *f = atomic_load_explicit(&kith__feeds->last_used, memory_order_acquire);
    int rc = 0;

    if (f) {
        pthread_mutex_lock(&f->mutex);
        if (suits(f, pool)) {
            *feed = f;
            return 0;
        }
        pthread_mutex_unlock(&f->mutex);
    }
    pthread_mutex_lock(&kith__feeds->mutex);
    for (f = kith__feeds->list.first; f; f = f->link.next) {
        pthread_mutex_lock(&f->mutex);
        if (suits(f, pool))
            break;
        pthread_mutex_unlock(&f->mutex);
    }
    if (f)
        *feed = f;
    else
        rc = new_feed(pool, far, SHARED, feed);
    if (rc == 0)
        atomic_store_explicit(&kith__feeds->last_used, *feed, memory_order_release);
    pthread_mutex_unlock(&kith__feeds->mutex);
    return rc;
}

/* ------------------------------------------------------------------ giving */

/* Programs have few; the last one stands first. */
static int find_callee(struct kith__feed *f, const struct kith__call_spec *s, uint64_t *callee)
{
    struct known *k = f->known.first;
    int rc;

    *callee = 0;
    while (k && !(k->fn == s->fn && kith__callee_is(k->callee, s)))
        k = k->link.next;
    if (!k) {
        if (!(k = malloc(sizeof *k)))
            return kith__fail(KITH_ENOMEM, "no memory for a call");
        k->fn = s->fn;
        if ((rc = kith__callee_make(s, &k->callee)) < 0) {
            free(k);
            return rc;
        }
        kith__link_first(&f->known, k, link);
    } else if (k != f->known.first) {
        kith__unlink(&f->known, k, link);
        kith__link_first(&f->known, k, link);
    }
    *callee = k->callee;
    return 0;
}

/* Why the pool takes no tasks. */
static int refusal(const struct kith__call_spec *s)
{
    struct kith__object *o;
    int rc = kith__pool_find(s->pool, &o);

    if (rc == 0)
        return kith__pool_init_fault(kith__pool_body(o));
    return s->far.id && kith__attend_ended(s->far) < 0 ? KITH_EPEER : rc;
}

static int takes_tasks(struct kith__feed *f)
{
    if (!pin(f))
        return 0;
    if (atomic_load_explicit(&kith__pool_body(f->object)->state, memory_order_relaxed) == KITH__POOL_OPEN)
        return 1;
    unpin(f);
    return 0;
}

/* Whether other nodes may have a task that is about to be given. Units go in turn: so what is given behind
 * one that stays here does, too, until all of these are done. f is pinned. */
static void say_where(struct kith__feed *f, const struct kith__call_spec *s, const struct kith__item *item)
{
    struct kith__job *j = f->job;

    if (!kith__branches(kith__pool_body(f->object)))
        return;
    if (kith__spread_points_here(s->in, s->in_size, 1)) {
        if (!atomic_exchange(&j->here, 1) && kith__log_on(KITH_LOG_INFO))
            kith__spread_tell_here(kith__item_name(item));
    } else if (atomic_load(&j->here) && kith__job_frontier(j) == f->shelf.given)
        atomic_store(&j->here, 0);
}

/* f is locked. */
static int give(struct kith__feed *f, const struct kith__call_spec *s, uint64_t *unit)
{
    struct kith__item *item;
    uint64_t callee;
    int rc;

    if ((rc = find_callee(f, s, &callee)) < 0 ||
        (!kith__shelf_has_room(&f->shelf) && (rc = kith__shelf_grow(&f->shelf, retired(f))) < 0))
        return rc;
    item = &f->shelf.tail[f->shelf.given % KITH__ROW_CHUNK];
    if ((rc = kith__item_fill(item, s, callee)) < 0)
        return rc;
    if (!takes_tasks(f)) {
        kith__item_unfill(item);
        return refusal(s);
    }
    say_where(f, s, item);
    *unit = f->shelf.given++;
    f->shelf.live++;
    kith__job_raise(f->job, f->object, f->shelf.given);
    unpin(f);
    return 0;
}

int kith__feed_give(struct kith__feed *f, const struct kith__call_spec *s, uint64_t *unit)
{
    int rc;

    pthread_mutex_lock(&f->mutex);
    rc = give(f, s, unit);
    pthread_mutex_unlock(&f->mutex);
    return rc;
}

int kith__feed_give_shared(const struct kith__call_spec *s, uint32_t *tag, uint64_t *unit)
{
    struct kith__feed *f;
    int rc;

    kith__call_warn(s);
    kith__output_flush(); /* what was printed before stands before what the task prints */
    if ((rc = find(s->pool, s->far, &f)) != 0)
        return rc;
    rc = give(f, s, unit);
    *tag = f->tag;
    pthread_mutex_unlock(&f->mutex);
    return rc;
}

/* ------------------------------------------------------------------ taking */

/* f is locked, and was looked at for a result, which may have been the last one of a pool that has ended. */
static void leave(struct kith__feed *f)
{
    if (f->pool.id && f->kind == SHARED && f->shelf.live == 0 && f->waiting == 0 && f->shelf.held == 0 &&
        running(f) == ENDED)
        end(f);
    pthread_mutex_unlock(&f->mutex);
}

struct kith__item *kith__feed_item(struct kith__feed *f, uint64_t unit)
{
    struct kith__item *item;

    pthread_mutex_lock(&f->mutex);
    item = kith__shelf_item(&f->shelf, unit);
    pthread_mutex_unlock(&f->mutex);
    return item;
}

/* f is locked, but for a while. A worker may have died when it had said that the unit has failed, and not yet
 * that all of this is written: whoever is in the guard next writes it once more, and so not behind the end of
 * the item. */
static void finish_failure(struct kith__feed *f, uint64_t unit)
{
    const struct kith__item *item;

    while ((item = kith__shelf_item(&f->shelf, unit)) && kith__item_state(item) == KITH__ITEM_FAILED) {
        if (pin(f)) {
            kith__guard_finish(&f->job->guard);
            unpin(f);
            return;
        }
        if (running(f) == ENDED || kith__server_dead())
            return;
        pthread_mutex_unlock(&f->mutex);
        kith__nap(200000);
        pthread_mutex_lock(&f->mutex);
    }
}

/* All bits of a unit: of the last one that ends with those; none back is not given yet. */
static uint64_t whole(const struct kith__feed *f, uint64_t unit)
{
    return f->shelf.given - ((f->shelf.given - unit) & ((UINT64_C(1) << KITH__UNIT_BITS) - 1));
}

struct kith__item *kith__feed_find(uint32_t tag, struct kith__feed **feed, uint64_t *unit)
{
    struct kith__feed *f = tag < TAGS ? atomic_load(&kith__feeds->tagged[tag]) : NULL;
    struct kith__item *item = NULL;

    if (!f)
        return NULL;
    pthread_mutex_lock(&f->mutex);
    if (f->shelf.row && f->tag == tag) {
        *unit = whole(f, *unit);
        if ((item = kith__shelf_item(&f->shelf, *unit))) {
            kith__shelf_hold(&f->shelf, *unit);
        }
        *feed = f;
    }
    pthread_mutex_unlock(&f->mutex);
    return item;
}

void kith__feed_put(struct kith__feed *f, uint64_t unit)
{
    pthread_mutex_lock(&f->mutex);
    kith__shelf_put(&f->shelf, unit);
    leave(f);
}

/* f is pinned. */
static uint64_t tries_of(struct kith__job *j, uint64_t unit)
{
    uint64_t tries = 0;

    kith__guard_enter(&j->guard);
    for (uint64_t i = 0; i < atomic_load(&j->returned_count); i++)
        if (atomic_load(&kith__job_returned(j)[i].lo) == unit)
            tries = atomic_load(&kith__job_returned(j)[i].tries);
    kith__guard_leave(&j->guard);
    return tries;
}

uint64_t kith__feed_tries(struct kith__feed *f, uint64_t unit)
{
    uint64_t tries = 0;

    pthread_mutex_lock(&f->mutex);
    if (pin(f)) {
        tries = tries_of(f->job, unit);
        unpin(f);
    }
    pthread_mutex_unlock(&f->mutex);
    return tries;
}

uint64_t kith__feed_claimed(struct kith__feed *f)
{
    uint64_t claimed;

    pthread_mutex_lock(&f->mutex);
    claimed = f->shelf.given;
    if (pin(f)) {
        claimed = atomic_load(&f->job->cursor) >> 16;
        unpin(f);
    }
    pthread_mutex_unlock(&f->mutex);
    return claimed;
}

static void say_awaited(struct kith__feed *f, uint64_t unit)
{
    pthread_mutex_lock(&f->mutex);
    f->waiting++;
    atomic_store(&f->shelf.row->awaited, f->waiting > 1 || unit == KITH__ROW_ANY ? KITH__ROW_ANY : unit + 1);
    pthread_mutex_unlock(&f->mutex);
}

static void say_no_more(struct kith__feed *f)
{
    pthread_mutex_lock(&f->mutex);
    if (--f->waiting == 0)
        atomic_store(&f->shelf.row->awaited, 0);
    pthread_mutex_unlock(&f->mutex);
}

/* Why not to wait any longer. 0: there is no reason. */
static int reason(struct kith__feed *f)
{
    struct kith__pool *p = kith__pool_body(f->object);
    uint32_t worker;

    if (running(f) == RUNS)
        return atomic_load(&p->state) == KITH__POOL_BROKEN && kith__object_is(f->object, f->pool.id)
                   ? kith__pool_init_fault(p)
                   : 0;
    if (p->threads && kith__my_lane(f->object, &worker))
        return 0; /* the pool's end waits for this thread, and what was given comes to its own */
    while (running(f) != ENDED &&
           !kith__server_dead()) /* what its workers use is theirs until they are gone */
        kith__nap(200000);
    return kith__fail(KITH_ECANCELLED, "the pool ended before the task");
}

int kith__feed_why_ended(const struct kith__feed *f)
{
    return kith__attend_ended(f->far) < 0 ? KITH_EPEER
                                          : kith__fail(KITH_ECANCELLED, "the pool ended before the task");
}

/* polls: it does not wait, and leaves to others what they will do at once. */
static void help(struct kith__feed *f, int polls)
{
    uint32_t worker;

    if (kith__my_lane(f->object, &worker) && !is_inside(f) && !(polls && kith__call_has_idle(f->object)))
        kith__call_help(f->object, f->job, f->post, f->job->seq, KITH__STAYS);
}

/* Where a foreman was killed, another one is started. */
static void repair(struct kith__feed *f)
{
    pthread_mutex_lock(&f->mutex);
    if (pin(f)) {
        kith__spread_repair(f->object);
        unpin(f);
    }
    pthread_mutex_unlock(&f->mutex);
}

int kith__feed_wait(struct kith__feed *f, uint64_t unit, int (*done)(struct kith__feed *feed, void *context),
                    void *context, int timeout_ms)
{
    struct kith__wait w;
    int rc, got;

    if (done(f, context))
        return 0;
    if ((rc = kith__wait_begin(&w, &f->shelf.row->waiters, timeout_ms)) < 0)
        return rc;
    say_awaited(f, unit);
    for (;;) {
        if ((got = done(f, context)))
            break;
        repair(f);
        help(f, timeout_ms == 0);
        if ((got = done(f, context)))
            break;
        if ((rc = reason(f)) < 0 || (rc = kith__wait_sleep(&w)) < 0) {
            got = done(f, context); /* it may have ended last of all */
            break;
        }
    }
    kith__wait_end(&w, got);
    say_no_more(f);
    return got ? 0 : rc;
}

void kith__feed_wake(struct kith__feed *f)
{
    kith__wake_all(&f->shelf.row->waiters);
}

/* f is pinned. Which worker runs unit, outermost: NULL: none. */
static struct kith__lane *runs_at(struct kith__feed *f, uint64_t unit)
{
    const struct kith__pool *p = kith__pool_body(f->object);

    for (uint32_t w = 0; w < p->workers; w++) {
        struct kith__lane *lane = kith__lane(p, w);

        if (atomic_load(&f->job->cells[w].at) == unit && atomic_load(&lane->depth) > 0 &&
            kith__touched_post(atomic_load(&lane->touching[0])) == f->post)
            return lane;
    }
    return NULL;
}

/* f is pinned. lane NULL: its worker is on another node. */
static void condemn(const struct kith__feed *f, struct kith__lane *lane, uint64_t unit)
{
    if (!lane) {
        kith__branches_tell(f->object);
        return;
    }
    kith__lane_condemn(lane, kith__touch(f->job->seq, f->post), unit);
    kith__server_ring();
}

/* f is locked. */
static int cancel(struct kith__feed *f, uint64_t unit)
{
    struct kith__item *item = kith__shelf_item(&f->shelf, unit);
    struct kith__lane *lane = NULL;
    int rc = item ? kith__item_cancel(item) : KITH_EEND;

    if (rc == 0)
        kith__row_wake(f->shelf.row, unit);
    if (rc != KITH_ERUNNING || !pin(f))
        return rc == KITH_ERUNNING ? 0 : rc; /* else the pool ends, and so does it */
    if (kith__pool_body(f->object)->threads || (!(lane = runs_at(f, unit)) && !kith__grant_has(f->job, unit)))
        rc = kith__item_has_ended(item) ? KITH_EEND : KITH_ERUNNING;
    else if (!kith__row_condemn(f->job, unit))
        rc = kith__item_cancel(item); /* it has ended, or goes back just now */
    else {
        rc = 0;
        condemn(f, lane, unit);
    }
    unpin(f);
    return rc;
}

int kith__feed_cancel(struct kith__feed *f, uint64_t unit)
{
    int rc, in_thread;

    pthread_mutex_lock(&f->mutex);
    in_thread = kith__pool_body(f->object)->threads != 0;
    rc = cancel(f, unit);
    pthread_mutex_unlock(&f->mutex);
    if (rc == KITH_EEND)
        return kith__fail(rc, "the call has ended");
    if (rc == KITH_ERUNNING && in_thread)
        return kith__fail(rc, "the task runs in a thread of a pool, which cannot be ended");
    return rc < 0 ? kith__fail(rc, "the task runs inside of another one, which waits for it") : 0;
}

/* f is locked. */
static void cancel_queued(struct kith__feed *f, uint64_t unit)
{
    struct kith__item *item = kith__shelf_item(&f->shelf, unit);

    if (item && kith__item_cancel(item) == 0)
        kith__row_wake(f->shelf.row, unit);
}

void kith__feed_cancel_queued(struct kith__feed *f, uint64_t unit)
{
    pthread_mutex_lock(&f->mutex);
    cancel_queued(f, unit);
    pthread_mutex_unlock(&f->mutex);
}

void kith__feeds_cancel(uint64_t pool)
{
    pthread_mutex_lock(&kith__feeds->mutex);
    for (struct kith__feed *f = kith__feeds->list.first; f; f = f->link.next) {
        pthread_mutex_lock(&f->mutex);
        for (uint64_t unit = f->shelf.first * KITH__ROW_CHUNK; f->pool.id == pool && unit < f->shelf.given;
             unit++)
            cancel_queued(f, unit);
        pthread_mutex_unlock(&f->mutex);
    }
    pthread_mutex_unlock(&kith__feeds->mutex);
}

void kith__feed_watch(struct kith__feed *f)
{
    say_awaited(f, KITH__ROW_ANY);
}

void kith__feed_unwatch(struct kith__feed *f)
{
    say_no_more(f);
}

void kith__feed_join(struct kith__feed *f, struct kith__wait *w)
{
    kith__wait_join(w, &f->shelf.row->waiters);
}

void kith__feed_leave(struct kith__feed *f, struct kith__wait *w)
{
    kith__wait_leave(w, &f->shelf.row->waiters, 0);
}

int kith__feed_is_ready(const struct kith__feed *f, const struct kith__item *item)
{
    return kith__item_has_ended(item) || running(f) == ENDED;
}

int kith__feed_help(struct kith__feed *f, int polls)
{
    help(f, polls);
    return reason(f);
}

kith_pool kith__feed_pool(const struct kith__feed *f)
{
    return f->pool;
}

int kith__feed_take(struct kith__feed *f, uint64_t unit, void *out)
{
    struct kith__item *item;
    int rc;

    pthread_mutex_lock(&f->mutex);
    finish_failure(f, unit);
    if (!(item = kith__shelf_item(&f->shelf, unit)))
        rc = kith__fail(KITH_ESTALE, "this result was taken, or dropped");
    else {
        rc = kith__item_has_ended(item) ? kith__item_outcome(item, f->kind == PRIVATE ? unit : 0, out)
                                        : kith__feed_why_ended(f);
        kith__shelf_let_go(&f->shelf, unit);
    }
    leave(f);
    return rc;
}

int kith__feed_take_ready(uint32_t tag, uint64_t unit, void *out, size_t size)
{
    struct kith__feed *f = tag < TAGS ? atomic_load(&kith__feeds->tagged[tag]) : NULL;
    struct kith__item *item;
    int taken = 0;

    if (!f)
        return 0;
    pthread_mutex_lock(&f->mutex);
    if (f->shelf.row && f->tag == tag && (item = kith__shelf_item(&f->shelf, whole(f, unit))) &&
        kith__item_state(item) == KITH__ITEM_DONE && kith__item_size(item) == size) {
        kith__item_outcome(item, 0, out);
        kith__shelf_let_go(&f->shelf, whole(f, unit));
        taken = 1;
    }
    leave(f);
    return taken;
}

void kith__feed_forget(struct kith__feed *f, uint64_t unit)
{
    pthread_mutex_lock(&f->mutex);
    finish_failure(f, unit);
    if (kith__shelf_item(&f->shelf, unit))
        kith__shelf_let_go(&f->shelf, unit);
    leave(f);
}

void kith__feed_drop(struct kith__feed *f, uint64_t unit)
{
    struct kith__item *item;

    pthread_mutex_lock(&f->mutex);
    finish_failure(f, unit);
    if ((item = kith__shelf_item(&f->shelf, unit)))
        kith__shelf_drop(&f->shelf, unit, item);
    leave(f);
}
