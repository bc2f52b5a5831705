/* imap.c: kith_imap: results one by one, from a source that may have no end.
 *
 * Whoever asks for the next result gives the pool tasks first, as many as the window has room for, out of the
 * source: so nothing is read ahead by more than that, and nothing runs that was not asked for. The tasks
 * stand in a row of their own (feed.h).
 */
#include "config.h"
#include "pool/attend.h"
#include "pool/branch.h"
#include "pool/feed.h"
#include "pool/later.h"
#include "pool/local.h"
#include "pool/map.h"
#include "pool/progress.h"
#include "pool/spread.h"
#include "base/error.h"
#include "base/system.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t window_bytes = 16 << 20;
enum { WINDOW_MOST = 4096, AT_ONCE = 2 };

struct iterator {
    /* Under the mutex below. One thread at a time is in it, and has all else. */
    pthread_cond_t is_free;
    pthread_t user;
    uint64_t number;
    int held, entered;
    atomic_int closed;
    atomic_int gives;        /* 1: out of the source */
    struct kith__feed *feed; /* NULL: KITH_SERIAL=1, or all is over. Changed under the mutex */
    uint64_t *calls; /* the pool is another node's: the tasks under way, in the order of elements (later.h) */
    struct kith__call_spec s;
    char name[64];
    int unordered, serial;
    kith_source_fn *next; /* NULL: an array */
    void *arg;
    const void *array;
    uint64_t left;                  /* elements of that */
    char *item;                     /* what next fills */
    int source_ends, code, refused; /* code: of next, which has failed; or of the pool, which takes no more */
    uint64_t window,
        least; /* tasks under way: at most; before a result is given while there are more to come */
    uint64_t given, taken;
    /* For results in the order of their ends: those that were passed over, and the first that was not looked
     * at. */
    uint64_t *passed, passed_count, look, claimed;
    uint64_t found; /* unit; of .calls the index */
    struct kith__progress progress;
    uint64_t all, failed; /* for that; all: 0: a source */
};

static KITH__OF_PROCESS struct kith__locals iterators;
static KITH__OF_PROCESS pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of these */

/* ------------------------------------------------------------------ the source */

/* The next element becomes the argument. 0: there is none. */
static int pull(struct iterator *self)
{
    int rc;

    if (self->source_ends)
        return 0;
    if (self->next) {
        rc = self->next(self->item, self->arg);
        self->s.in = self->item;
    } else {
        rc = self->left > 0;
        self->s.in = self->array;
        self->left -= self->left > 0;
        self->array = (const char *)self->array + (rc ? self->s.in_size : 0);
    }
    if (rc > 0)
        return 1;
    self->source_ends = 1;
    self->code = rc;
    return 0;
}

static uint64_t under_way(const struct iterator *self)
{
    return self->given - self->taken;
}

static int give(struct iterator *self)
{
    uint64_t unit;
    int rc;

    if (!pull(self))
        return 0;
    self->s.task = self->given;
    rc = self->calls ? kith__later_begin(&self->s, &self->calls[under_way(self)])
                     : kith__feed_give(self->feed, &self->s, &unit);
    if (rc < 0)
        return rc;
    self->given++;
    return 1;
}

/* Two for each one that is taken, until the window is full: a slow source delays no result by much. */
static int give_some(struct iterator *self)
{
    int rc = 1;

    atomic_store(&self->gives, 1);
    for (int i = 0; rc > 0 && !atomic_load(&self->closed) && under_way(self) < self->window &&
                    (i < AT_ONCE || under_way(self) < self->least);
         i++)
        rc = give(self);
    atomic_store(&self->gives, 0);
    return rc < 0 ? rc : 0;
}

/* ------------------------------------------------------------------ results */

static int is_ready(struct iterator *self, uint64_t unit)
{
    const struct kith__item *item = kith__feed_item(self->feed, unit);

    return item && kith__feed_is_ready(self->feed, item);
}

/* Of those that a worker has claimed, all but as many as there are workers have ended. */
static int find_ended(struct iterator *self)
{
    for (uint64_t i = 0; i < self->passed_count; i++)
        if (is_ready(self, self->passed[i])) {
            self->found = self->passed[i];
            self->passed[i] = self->passed[--self->passed_count];
            return 1;
        }
    for (;; self->look++) {
        if (self->look == self->claimed && (self->claimed = kith__feed_claimed(self->feed)) <= self->look)
            return 0;
        if (is_ready(self, self->look)) {
            self->found = self->look++;
            return 1;
        }
        self->passed[self->passed_count++] = self->look;
    }
}

static int has_found(struct kith__feed *feed, void *context)
{
    struct iterator *self = context;

    (void)feed;
    if (self->found != KITH__ROW_ANY || atomic_load(&self->closed))
        return 1;
    if (self->unordered)
        return find_ended(self);
    if (!is_ready(self, self->taken))
        return 0;
    self->found = self->taken;
    return 1;
}

/* ---- of those that are elsewhere */

static int is_ready_elsewhere(struct iterator *self, uint64_t at)
{
    struct kith__later *l = kith__later_get(self->calls[at]);
    int is = kith__later_is_ready(l);

    kith__later_put(l);
    return is;
}

static int find_elsewhere(struct iterator *self)
{
    uint64_t most = self->unordered ? under_way(self) : 1;

    for (uint64_t i = 0; i < most; i++)
        if (is_ready_elsewhere(self, i)) {
            self->found = i;
            return 1;
        }
    return 0;
}

static int wait_elsewhere(struct iterator *self, int timeout_ms)
{
    struct kith__wait w;
    int rc = kith__wait_begin(&w, NULL, timeout_ms);

    if (rc < 0)
        return rc;
    do {
        kith__later_join(&w);
        if (find_elsewhere(self) || atomic_load(&self->closed))
            break;
    } while ((rc = kith__wait_sleep(&w)) == 0);
    kith__later_leave(&w);
    kith__wait_end(&w, 1);
    return self->found == KITH__ROW_ANY ? rc : 0;
}

static int take_elsewhere(struct iterator *self, void *out)
{
    struct kith__later *l = kith__later_get(self->calls[self->found]);
    uint64_t size;
    const void *value = kith__later_value(l, &size);
    int rc;

    if (out && value && kith__later_code(l) == 0)
        memcpy(out, value, size);
    rc = kith__later_take(l);
    kith__later_put(l);
    memmove(self->calls + self->found, self->calls + self->found + 1,
            (under_way(self) - self->found - 1) * sizeof *self->calls);
    return rc;
}

static void give_up_elsewhere(struct iterator *self)
{
    for (uint64_t i = 0; i < under_way(self); i++) {
        struct kith__later *l = kith__later_get(self->calls[i]);

        kith__later_withdraw(l);
        kith__later_put(l);
    }
    free(self->calls);
    self->calls = NULL;
}

/* ---- of all */

static int await_one(struct iterator *self, int timeout_ms)
{
    if (self->calls)
        return wait_elsewhere(self, timeout_ms);
    return kith__feed_wait(self->feed, self->unordered ? KITH__ROW_ANY : self->taken, has_found, self,
                           timeout_ms);
}

/* What was taken counts, as what is asked for sets the pace. */
static struct kith__way way_of(const struct iterator *self, char *buf, size_t room)
{
    return (struct kith__way){ .name = kith__call_name(&self->s, buf, room),
                               .done = self->taken,
                               .all = self->all,
                               .failed = self->failed };
}

static void show(struct iterator *self)
{
    char name[64];
    struct kith__way w;

    if (self->progress.began == 0 || kith__now_ns() < self->progress.at)
        return;
    w = way_of(self, name, sizeof name);
    kith__progress_show(&self->progress, &w);
}

static void finish(struct iterator *self)
{
    struct kith__feed *feed;
    struct kith__way w;
    char name[64];

    if (self->progress.began) {
        w = way_of(self, name, sizeof name);
        kith__progress_end(&self->progress, &w);
    }
    pthread_mutex_lock(&mutex);
    feed = self->feed;
    self->feed = NULL;
    pthread_mutex_unlock(&mutex);
    if (feed)
        kith__feed_close(feed);
    if (self->calls)
        give_up_elsewhere(self);
}

/* There are no more: with the code of a source that failed, once. */
static int tell_end(struct iterator *self)
{
    int code = self->code;

    finish(self);
    self->code = 0;
    if (code < 0 && self->refused)
        return kith__fail(code, "kith_imap(%s) could give the pool no more tasks: %s", self->name,
                          kith_strerror(code));
    if (code < 0)
        return kith__fail(code, "the source of kith_imap(%s) has failed with %d", self->name, code);
    return kith__fail(KITH_EEND, "kith_imap(%s) has given all results", self->name);
}

static int next_by_workers(struct iterator *self, void *out, int timeout_ms)
{
    int rc;

    show(self); /* first: a handler of the log may do anything */
    if (!self->feed && !self->calls)
        return tell_end(self);
    if ((rc = give_some(self)) < 0) {
        self->source_ends = self->refused = 1;
        self->code = rc;
    }
    if (under_way(self) == 0)
        return tell_end(self);
    if ((rc = await_one(self, timeout_ms)) < 0)
        return rc;
    if (self->found == KITH__ROW_ANY)
        return kith__fail(KITH_ESTALE, "the Iterator was closed");
    rc = self->calls ? take_elsewhere(self, out) : kith__feed_take(self->feed, self->found, out);
    self->found = KITH__ROW_ANY;
    self->taken++;
    self->failed += rc < 0;
    return rc;
}

static int next_here(struct iterator *self, void *out)
{
    int rc;

    show(self);
    if (!pull(self))
        return tell_end(self);
    self->s.out = out;
    atomic_store(&self->gives, 1);
    rc = kith__call(&self->s, NULL, NULL);
    atomic_store(&self->gives, 0);
    self->taken++;
    self->failed += rc < 0;
    return rc;
}

/* ------------------------------------------------------------------ by handle */

static struct iterator *make(void)
{
    struct iterator *self = calloc(1, sizeof *self);
    pthread_condattr_t clock;

    if (!self)
        return NULL;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&self->is_free, &clock);
    pthread_condattr_destroy(&clock);
    return self;
}

static void destroy(struct iterator *self)
{
    finish(self);
    free(self->item);
    free(self->passed);
    pthread_cond_destroy(&self->is_free);
    free(self);
}

/* It is held. Under the mutex. */
static int find(kith_iter it, struct iterator **self)
{
    *self = kith__local_find(&iterators, it.id & ((UINT64_C(1) << KITH__LOCAL_BITS) - 1));
    if (!*self || (*self)->closed)
        return kith__fail(KITH_ESTALE, "the Iterator was closed");
    (*self)->held++;
    return 0;
}

/* It is let go of, under the mutex. */
static void put(struct iterator *self)
{
    int over = --self->held == 0 && self->closed;

    if (over)
        kith__local_let_go(&iterators, self->number);
    pthread_mutex_unlock(&mutex);
    if (over)
        destroy(self);
}

static struct timespec end_of(int timeout_ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += timeout_ms % 1000 * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

/* Under the mutex. What is left of the timeout then. */
static void wait_for_turn(struct iterator *self, int *timeout_ms)
{
    struct timespec end = end_of(*timeout_ms);
    int64_t began = kith__now_ns();
    int rc = 0;

    while (self->entered && !self->closed && rc == 0)
        rc = *timeout_ms == KITH_FOREVER ? pthread_cond_wait(&self->is_free, &mutex)
                                         : pthread_cond_timedwait(&self->is_free, &mutex, &end);
    *timeout_ms = kith__time_left(*timeout_ms, began);
}

/* Under the mutex. */
static int enter(struct iterator *self, int *timeout_ms)
{
    if (self->entered && pthread_equal(self->user, pthread_self()))
        return kith__fail(KITH_EINVAL, "kith_next was called in the source of its own Iterator, or in a task "
                                       "that the thread runs while it waits there");
    if (self->entered)
        wait_for_turn(self, timeout_ms);
    if (self->closed)
        return kith__fail(KITH_ESTALE, "the Iterator was closed");
    if (self->entered)
        return kith__fail(KITH_ETIMEDOUT, "the timeout expired");
    self->entered = 1;
    self->user = pthread_self();
    return 0;
}

static void leave(struct iterator *self)
{
    pthread_mutex_lock(&mutex);
    self->entered = 0;
    pthread_cond_signal(&self->is_free);
    put(self);
}

static int find_and_enter(kith_iter it, struct iterator **self, int *timeout_ms)
{
    int rc = kith__check_timeout(*timeout_ms);

    if (rc < 0 || (rc = kith__local_usable(it.id, "Iterator")) < 0)
        return rc;
    pthread_mutex_lock(&mutex);
    if ((rc = find(it, self)) == 0 && (rc = enter(*self, timeout_ms)) < 0)
        put(*self);
    else
        pthread_mutex_unlock(&mutex);
    return rc;
}

int kith_iter_next(kith_iter it, void *out, size_t size, int timeout_ms)
{
    struct iterator *self;
    int rc = find_and_enter(it, &self, &timeout_ms);

    if (rc < 0)
        return kith__report(rc);
    if (size != self->s.out_size || (!out && size))
        rc = kith__fail(KITH_ESIZE, "the results of kith_imap(%s) have %zu bytes, the place for them %zu",
                        self->name, (size_t)self->s.out_size, out ? size : 0);
    else
        rc = self->serial ? next_here(self, out) : next_by_workers(self, out, timeout_ms);
    leave(self);
    return kith__report(rc);
}

/* A thread that is in it sees that, and is the last. */
static void mark_closed(struct iterator *self)
{
    atomic_store(&self->closed, 1);
    pthread_cond_broadcast(&self->is_free);
    if (self->feed)
        kith__feed_wake(self->feed);
    kith__later_wake();
}

/* Under the mutex: the array is its owner's again. */
static void await_the_last_element(struct iterator *self)
{
    if (self->next || (self->entered && pthread_equal(self->user, pthread_self())))
        return;
    while (atomic_load(&self->gives)) {
        pthread_mutex_unlock(&mutex);
        sched_yield();
        pthread_mutex_lock(&mutex);
    }
}

int kith_iter_close(kith_iter it)
{
    struct iterator *self;
    int rc = kith__local_usable(it.id, "Iterator");

    if (rc < 0)
        return kith__report(rc);
    pthread_mutex_lock(&mutex);
    if ((rc = find(it, &self)) < 0) {
        pthread_mutex_unlock(&mutex);
        return kith__report(rc);
    }
    mark_closed(self);
    await_the_last_element(self);
    put(self);
    return 0;
}

/* ------------------------------------------------------------------ opening */

static void choose_window(struct iterator *self, uint64_t workers)
{
    uint64_t each = self->s.in_size + self->s.out_size + sizeof(struct kith__item);

    self->least = 2 * workers;
    self->window = window_bytes / each < WINDOW_MOST ? window_bytes / each : WINDOW_MOST;
    if (self->window < 2 * self->least)
        self->window = 2 * self->least;
}

static int open_elsewhere(struct iterator *self)
{
    int64_t workers = kith__ask(self->s.pool.id, KITH__POOL_KIND, KITH__POOL_WORKERS, 0);

    if (workers < 0)
        return (int)workers;
    choose_window(self, (uint64_t)workers);
    self->s.is_task = 1;
    self->s.out = NULL;
    if (!(self->calls = calloc(self->window + 1, sizeof *self->calls)))
        return kith__fail(KITH_ENOMEM, "no memory for kith_imap");
    return 0;
}

static int open_feed(struct iterator *self)
{
    struct kith__object *o;
    int rc = kith__pool_find(self->s.pool, &o);

    if (rc < 0 || (rc = kith__call_depth(self->s.pool)) < 0)
        return rc;
    self->serial = (int)kith__pool_body(o)->serial;
    kith__progress_begin(&self->progress, kith__pool_body(o));
    choose_window(self, kith__spread_workers(kith__pool_body(o)));
    if (self->serial)
        return 0;
    if (self->unordered && !(self->passed = malloc((self->window + 1) * sizeof *self->passed)))
        return kith__fail(KITH_ENOMEM, "no memory for kith_imap");
    kith__call_warn(&self->s);
    return kith__feed_open(self->s.pool, self->s.far, &self->feed);
}

static int open_iterator(struct iterator *self)
{
    int rc;

    if (self->next && self->s.in_size && !(self->item = malloc(self->s.in_size)))
        return kith__fail(KITH_ENOMEM, "no memory for an element of %zu bytes", (size_t)self->s.in_size);
    rc = kith__attend_is_needed(self->s.pool) ? open_elsewhere(self) : open_feed(self);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&mutex);
    rc = kith__local_take(&iterators, self, &self->number);
    pthread_mutex_unlock(&mutex);
    if (rc < 0)
        finish(self);
    return rc;
}

kith_iter kith__imap(kith_pool pool, const char *name, kith__fn *fn, int shape, const void *in,
                     kith_source_fn *next, void *arg, size_t in_size, size_t out_size, size_t n,
                     int unordered)
{
    struct iterator *self = make();
    int rc = self ? 0 : kith__fail(KITH_ENOMEM, "no memory for kith_imap");

    if (self) {
        const char *what = unordered ? "kith_imap_unordered" : "kith_imap";
        static char nowhere;

        self->s = kith__call_of_map(pool, name ? self->name : NULL, fn, shape, next ? &nowhere : in, in_size,
                                    &nowhere, out_size, n);
        snprintf(self->name, sizeof self->name, "%s", name ? name : "");
        self->next = next;
        self->arg = arg;
        self->array = in;
        self->left = n;
        self->all = next ? 0 : n;
        self->unordered = unordered;
        self->found = KITH__ROW_ANY;
        if ((rc = kith__call_shape(&self->s, what)) == 0)
            rc = kith__call_check(&self->s, what);
        if (rc == 0 && !next && kith__attend_is_needed(pool))
            kith__attend_place(&self->s, 0);
        self->s.n = 1;
        if (rc == 0)
            rc = open_iterator(self);
        if (rc < 0)
            destroy(self);
    }
    if (rc < 0)
        return (kith_iter){ kith__failed_handle(kith__report(rc)) };
    return (kith_iter){ kith__local_process() | self->number };
}

kith_iter kith_pool_imap(kith_pool pool, kith_map_fn *fn, const void *in, size_t in_size, size_t out_size,
                         size_t n)
{
    return kith__imap(pool, NULL, (kith__fn *)fn, KITH__SHAPE_BYTES, in, NULL, NULL, in_size, out_size, n, 0);
}

kith_iter kith_pool_imap_unordered(kith_pool pool, kith_map_fn *fn, const void *in, size_t in_size,
                                   size_t out_size, size_t n)
{
    return kith__imap(pool, NULL, (kith__fn *)fn, KITH__SHAPE_BYTES, in, NULL, NULL, in_size, out_size, n, 1);
}

kith_iter kith_pool_imap_bytes(kith_pool pool, kith_bytes_fn *fn, const void *in, size_t in_size, size_t n)
{
    return kith__imap(pool, NULL, (kith__fn *)fn, KITH__SHAPE_VARIABLE, in, NULL, NULL, in_size,
                      sizeof(kith_bytes), n, 0);
}

kith_iter kith_pool_imap_bytes_unordered(kith_pool pool, kith_bytes_fn *fn, const void *in, size_t in_size,
                                         size_t n)
{
    return kith__imap(pool, NULL, (kith__fn *)fn, KITH__SHAPE_VARIABLE, in, NULL, NULL, in_size,
                      sizeof(kith_bytes), n, 1);
}

kith_iter kith_pool_imap_from(kith_pool pool, kith_map_fn *fn, kith_source_fn *next, void *arg,
                              size_t in_size, size_t out_size)
{
    return kith__imap(pool, NULL, (kith__fn *)fn, KITH__SHAPE_BYTES, NULL, next, arg, in_size, out_size, 1,
                      0);
}

kith_iter kith_pool_imap_unordered_from(kith_pool pool, kith_map_fn *fn, kith_source_fn *next, void *arg,
                                        size_t in_size, size_t out_size)
{
    return kith__imap(pool, NULL, (kith__fn *)fn, KITH__SHAPE_BYTES, NULL, next, arg, in_size, out_size, 1,
                      1);
}

kith_iter kith_pool_imap_bytes_from(kith_pool pool, kith_bytes_fn *fn, kith_source_fn *next, void *arg,
                                    size_t in_size)
{
    return kith__imap(pool, NULL, (kith__fn *)fn, KITH__SHAPE_VARIABLE, NULL, next, arg, in_size,
                      sizeof(kith_bytes), 1, 0);
}

kith_iter kith_pool_imap_bytes_unordered_from(kith_pool pool, kith_bytes_fn *fn, kith_source_fn *next,
                                              void *arg, size_t in_size)
{
    return kith__imap(pool, NULL, (kith__fn *)fn, KITH__SHAPE_VARIABLE, NULL, next, arg, in_size,
                      sizeof(kith_bytes), 1, 1);
}
