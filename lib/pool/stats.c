/* stats.c: see stats.h. Called by worker.c, serial.c and the fork server; and kith_pool_stats. */
#include "config.h"
#include "pool/stats.h"
#include "base/error.h"
#include "base/system.h"
#include "pool/attend.h"
#include "pool/board.h"
#include "pool/branch.h"
#include "pool/chunk.h"
#include "pool/pool.h"
#include "pool/row.h"
#include "pool/spread.h"
#include "pool/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Claims that take less are not worth a look each; after one that takes more each of them gets one. */
static const int64_t short_ns = 10000, long_ns = 100000;
enum { STRIDE_MOST = 64 };

/* Only its worker writes it, and ends or moves on the time that runs before that: who reads the sum first
 * counts nothing twice. */
static void add(_Atomic int64_t *sum, int64_t ns)
{
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + ns, memory_order_release);
}

static void count(_Atomic uint64_t *sum, uint64_t n)
{
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + n, memory_order_relaxed);
}

/* ---- the slowest */

static struct kith__slow *fastest(struct kith__slow *list)
{
    struct kith__slow *least = list;

    for (int i = 1; i < KITH__SLOWEST; i++)
        if (list[i].ns < least->ns)
            least = &list[i];
    return least;
}

/* By words, since somebody may read them, or write them, meanwhile. */
static void copy(struct kith__slow *to, const struct kith__slow *from)
{
    typedef uint64_t __attribute__((may_alias)) word;
    word *t = (word *)(void *)to;
    const word *f = (const word *)(const void *)from;

    _Static_assert(sizeof *to % sizeof *t == 0, "it has no bytes behind the last word");
    for (size_t i = 0; i < sizeof *to / sizeof *t; i++)
        __atomic_store_n(&t[i], __atomic_load_n(&f[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* Who reads meanwhile sees that it does, and reads again. */
static void replace(struct kith__record *r, struct kith__slow *entry, const struct kith__slow *with)
{
    uint32_t writing = atomic_load_explicit(&r->writing, memory_order_relaxed);

    atomic_store_explicit(&r->writing, writing + 1, memory_order_relaxed);
    kith__fence();
    copy(entry, with);
    r->least = fastest(r->slow)->ns;
    kith__failpoint("stats: list changed");
    atomic_store_explicit(&r->writing, writing + 2, memory_order_release);
}

/* What users call the units [lo, hi) of j. callee: of a row. */
static void name_units(struct kith__slow *slow, const struct kith__job *j, uint64_t lo, uint64_t hi,
                       uint64_t callee)
{
    const struct kith__token *fn =
        j->kind == KITH__JOB_ROW ? &((const struct kith__callee *)kith__at(callee))->fn : &j->fn;

    memcpy(&slow->fn, fn, sizeof slow->fn);
    slow->first = j->order ? kith__job_element(j, lo) : j->named + lo;
    slow->count = hi - lo;
    if (j->kind != KITH__JOB_ROW && !kith__is_map(j->kind)) {
        uint64_t ignored, last = slow->first + slow->count - 1;

        kith__part(j->n, j->blocks, last, &ignored, &slow->count);
        kith__part(j->n, j->blocks, slow->first, &slow->first, &ignored);
        slow->count -= slow->first;
    }
}

static __attribute__((noinline)) void keep_slow(struct kith__pace *pace, struct kith__job *j, int64_t ns)
{
    struct kith__slow slow = { .ns = ns, .pid = (int32_t)getpid() };

    name_units(&slow, j, pace->lo, pace->hi, pace->callee);
    replace(pace->record, fastest(pace->record->slow), &slow);
}

/* Whoever settles a claim again, as the first one has died over it, finds it there. */
static int has_kept(const struct kith__record *r, const struct kith__slow *slow)
{
    for (int i = 0; i < KITH__SLOWEST; i++)
        if (r->slow[i].end && r->slow[i].pid == slow->pid && r->slow[i].ns == slow->ns)
            return 1;
    return 0;
}

/* The last who had the list has died: perhaps over it. */
static void mend_list(struct kith__record *r)
{
    if (atomic_load(&r->writing) % 2 == 0)
        return;
    memset(r->slow, 0, sizeof r->slow);
    r->least = 0;
    atomic_fetch_add(&r->writing, 1);
}

/* Of one that has died at the unit at: the time since it last looked at the clock. */
static void keep_last(struct kith__record *r, struct kith__job *j, uint64_t lo, uint64_t at,
                      const struct kith__fault_entry *end)
{
    struct kith__slow slow = { .ns = atomic_load(&r->last), .pid = end->pid, .end = end->end };
    uint64_t from = atomic_load(&r->from);

    mend_list(r);
    if (slow.ns <= r->least || has_kept(r, &slow))
        return;
    name_units(&slow, j, from < lo ? from : lo, at + 1,
               j->kind == KITH__JOB_ROW ? kith__row_item(kith__job_row(j), at)->callee : 0);
    replace(r, fastest(r->slow), &slow);
}

/* A copy of r's list. 0: its worker has died while it changed it. */
static int read_slow(const struct kith__record *r, struct kith__slow *list)
{
    for (int tries = 0; tries < 1000; tries++) {
        uint32_t writing = atomic_load_explicit(&r->writing, memory_order_acquire);

        for (int i = 0; i < KITH__SLOWEST; i++)
            copy(&list[i], &r->slow[i]);
        kith__fence();
        if (writing % 2 == 0 && atomic_load_explicit(&r->writing, memory_order_relaxed) == writing)
            return 1;
        kith__pause();
    }
    return 0;
}

/* ---- for who runs tasks */

static void start_over(struct kith__pace *pace)
{
    pace->lo = UINT64_MAX;
    pace->hi = 0;
    pace->left = pace->stride;
}

void kith__pace_begin(struct kith__pace *pace, struct kith__lane *lane)
{
    pace->record = &lane->record;
    pace->then = kith__now_ns();
    pace->callee = 0;
    pace->stride = 1;
    pace->outermost = atomic_load_explicit(&lane->depth, memory_order_relaxed) <= 1;
    if (pace->outermost)
        atomic_store_explicit(&pace->record->busy_since, pace->then, memory_order_relaxed);
    start_over(pace);
}

int64_t kith__pace_look(struct kith__pace *pace, struct kith__job *j)
{
    struct kith__record *r = pace->record;
    int64_t now = kith__now_ns(), ns = now - pace->then;

    if (pace->outermost) {
        atomic_store_explicit(&r->busy_since, now, memory_order_relaxed);
        add(&r->busy, ns);
    }
    if (ns > r->least)
        keep_slow(pace, j, ns);
    if (j->chunk && ns < short_ns && pace->stride < STRIDE_MOST)
        pace->stride *= 2;
    else if (ns > long_ns)
        pace->stride = 1;
    pace->then = now;
    start_over(pace);
    return ns;
}

void kith__pace_end(struct kith__pace *pace, struct kith__job *j)
{
    if (pace->hi > 0)
        kith__pace_look(pace, j);
    if (pace->outermost)
        atomic_store_explicit(&pace->record->busy_since, 0, memory_order_relaxed);
}

/* ---- a lane's processes */

void kith__record_open(struct kith__record *r, int processes)
{
    int64_t now = kith__now_ns();

    atomic_store(&r->opened, now);
    atomic_store(&r->asked, processes ? now : 0);
}

void kith__record_begin(struct kith__record *r)
{
    mend_list(r);
    count(&r->processes, 1);
}

void kith__record_ready(struct kith__record *r)
{
    int64_t asked = atomic_exchange(&r->asked, 0);

    if (asked)
        add(&r->start_up, kith__now_ns() - asked);
}

void kith__record_asked(struct kith__record *r)
{
    atomic_store(&r->asked, kith__now_ns());
}

/* In a task: that has taken until now. While it started: so has that. */
void kith__record_death(struct kith__record *r)
{
    int64_t since = atomic_exchange(&r->busy_since, 0);

    kith__record_ready(r);
    if (since) {
        int64_t ns = kith__now_ns() - since;

        atomic_store(&r->last, ns);
        add(&r->busy, ns);
    }
}

void kith__record_settle(struct kith__record *r, struct kith__job *j, uint64_t lo, uint64_t at, int outermost,
                         const struct kith__fault_entry *end)
{
    kith__guard_set(&j->guard, &r->tasks, atomic_load(&r->tasks) + (at - lo) + !end);
    if (end)
        kith__guard_set(&j->guard, &r->ended, atomic_load(&r->ended) + 1);
    if (end && outermost)
        keep_last(r, j, lo, at, end);
}

void kith__record_add(struct kith__record *r, const struct kith__record *own)
{
    count(&r->tasks, atomic_load(&own->tasks));
    add(&r->busy, atomic_load(&own->busy));
    for (int i = 0; i < KITH__SLOWEST; i++) {
        struct kith__slow *entry = fastest(r->slow);

        if (own->slow[i].ns > entry->ns)
            replace(r, entry, &own->slow[i]);
    }
}

/* ---- for who asks */

static double seconds(int64_t ns)
{
    return ns > 0 ? (double)ns / 1e9 : 0;
}

/* What it is in the middle of counts up to now. */
static void read_record(const struct kith__record *r, int64_t now, struct kith_worker_stats *w)
{
    int64_t start_up = atomic_load(&r->start_up), busy = atomic_load(&r->busy);
    int64_t asked = atomic_load(&r->asked), since = atomic_load(&r->busy_since); /* behind those: see add */

    if (asked)
        start_up += now - asked;
    if (since)
        busy += now - since;
    w->tasks = atomic_load(&r->tasks);
    w->ended = atomic_load(&r->ended);
    w->processes = atomic_load(&r->processes);
    w->start_up = seconds(start_up);
    w->busy = seconds(busy);
    w->waiting = seconds(now - atomic_load(&r->opened) - start_up - busy);
}

static void sum_up(struct kith_worker_stats *all, const struct kith_worker_stats *w)
{
    all->tasks += w->tasks;
    all->ended += w->ended;
    all->processes += w->processes;
    all->start_up += w->start_up;
    all->busy += w->busy;
    all->waiting += w->waiting;
}

/* Puts it where it belongs among the slowest of all. */
static void insert(struct kith_pool_stats *s, const struct kith__slow *slow, int worker)
{
    const size_t most = sizeof s->slowest / sizeof s->slowest[0];
    double took = seconds(slow->ns);
    size_t at = s->slowest_count;

    while (at > 0 && s->slowest[at - 1].seconds < took)
        at--;
    if (slow->ns == 0 || at == most)
        return;
    if (s->slowest_count < most)
        s->slowest_count++;
    memmove(&s->slowest[at + 1], &s->slowest[at], (s->slowest_count - 1 - at) * sizeof s->slowest[0]);
    s->slowest[at] = (struct kith_slow_task){ .task = slow->first,
                                              .count = slow->count,
                                              .seconds = took,
                                              .worker = worker,
                                              .pid = slow->pid,
                                              .end = slow->end };
    kith__token_name(&slow->fn, s->slowest[at].function, sizeof s->slowest[at].function);
}

/* In the pool's guard: nobody frees its lanes. What its workers have done is worth telling alone when the
 * list of one cannot be read. */
static void report(const struct kith__pool *p, uint32_t worker, int64_t now, struct kith__worker_report *r)
{
    const struct kith__record *record = &kith__lane(p, worker)->record;

    memset(r, 0, sizeof *r);
    read_record(record, now, &r->stats);
    if (!read_slow(record, r->slow))
        memset(r->slow, 0, sizeof r->slow);
}

int64_t kith__records_give(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                           struct kith__result *out)
{
    const struct kith__pool *p = kith__pool_body(o);
    uint64_t size = p->workers * sizeof(struct kith__worker_report);
    struct kith__worker_report *list = malloc(size);
    int64_t now = kith__now_ns(), rc;

    (void)who;
    (void)in;
    if (!list)
        return kith__fail(KITH_ENOMEM, "no memory for what %u workers have done", p->workers);
    for (uint32_t i = 0; i < p->workers; i++)
        report(p, i, now, &list[i]);
    rc = kith__give_bytes(out, list, size);
    free(list);
    return rc < 0 ? rc : (int64_t)size;
}

static void add_report(struct kith_pool_stats *s, const struct kith__worker_report *r, int worker)
{
    sum_up(&s->all, &r->stats);
    for (int k = 0; k < KITH__SLOWEST; k++)
        insert(s, &r->slow[k], worker);
}

/* In the pool's guard. */
static void read_pool(const struct kith__pool *p, struct kith_pool_stats *s)
{
    int64_t now = kith__now_ns();
    struct kith__worker_report r;

    memset(s, 0, sizeof *s);
    s->workers = (int)p->workers;
    s->open = seconds(now - atomic_load(&kith__lane(p, 0)->record.opened));
    for (uint32_t i = 0; i < p->workers; i++) {
        report(p, i, now, &r);
        add_report(s, &r, (int)i);
    }
}

/* ---- workers of other nodes */

struct far { /* a branch; or the pool's own workers, for another node */
    uint64_t handle;
    uint32_t first_worker, workers;
};

struct outline { /* behind it: struct far of all that can be asked */
    double open; /* seconds */
    uint32_t workers, count;
};

/* In the pool's guard: those that are there. *list is from malloc, or NULL. How many; KITH_ENOMEM. */
static int list_branches(const struct kith__pool *p, struct far **list)
{
    const struct kith__branches *all = kith__branches(p);
    int count = 0;

    *list = NULL;
    if (!all)
        return 0;
    if (!(*list = calloc(all->count, sizeof **list)))
        return kith__fail(KITH_ENOMEM, "no memory to ask %u nodes", all->count);
    for (uint32_t i = 0; i < all->count; i++) {
        const struct kith__branch *b = &all->of[i];

        if (atomic_load(&b->state) == KITH__BRANCH_OPEN && atomic_load(&b->handle) != 0)
            (*list)[count++] =
                (struct far){ atomic_load(&b->handle), b->first_worker, atomic_load(&b->workers) };
    }
    return count;
}

int64_t kith__outline_give(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                           struct kith__result *out)
{
    const struct kith__pool *p = kith__pool_body(o);
    struct outline outline = { .open =
                                   seconds(kith__now_ns() - atomic_load(&kith__lane(p, 0)->record.opened)),
                               .workers = kith__spread_workers(p) };
    struct far own = { kith__object_id(o), 0, p->workers }, *others;
    int count, rc;
    uint64_t size;
    char *bytes;

    (void)who;
    (void)in;
    if (p->threads)
        return kith__threads_refuse();
    if ((count = list_branches(p, &others)) < 0)
        return count;
    outline.count = 1 + (uint32_t)count;
    size = sizeof outline + outline.count * sizeof own;
    if (!(bytes = malloc(size))) {
        free(others);
        return kith__fail(KITH_ENOMEM, "no memory to tell of %u nodes", outline.count);
    }
    memcpy(bytes, &outline, sizeof outline);
    memcpy(bytes + sizeof outline, &own, sizeof own);
    if (count > 0)
        memcpy(bytes + sizeof outline + sizeof own, others, (size_t)count * sizeof own);
    rc = kith__give_bytes(out, bytes, size);
    free(bytes);
    free(others);
    return rc < 0 ? rc : (int64_t)size;
}

/* Of a pool of another node: from malloc, with whom to ask behind it. 0; a code. */
static int ask_outline(kith_pool pool, struct outline **outline)
{
    struct kith__args in = { 0 };
    struct kith__result out = { .grows = 1 };
    int64_t rc = kith__invoke(pool.id, KITH__POOL_KIND, KITH__POOL_OUTLINE, &in, &out, KITH_FOREVER);
    struct outline *o = out.buf;

    if (rc >= 0 && (out.size < sizeof *o || (out.size - sizeof *o) / sizeof(struct far) != o->count))
        rc = kith__fail(KITH_EPEER,
                        "what a pool of another node tells of itself makes no sense: two versions of "
                        "kith?");
    if (rc < 0)
        free(o);
    else
        *outline = o;
    return rc < 0 ? (int)rc : 0;
}

static void end_names(struct kith__worker_report *r)
{
    for (int k = 0; k < KITH__SLOWEST; k++) {
        struct kith__token *fn = &r->slow[k].fn;

        fn->object[sizeof fn->object - 1] = '\0';
        fn->symbol[sizeof fn->symbol - 1] = '\0';
        fn->version[sizeof fn->version - 1] = '\0';
    }
}

/* From malloc: what its workers have done, and how many these are; NULL: it has ended, or is lost. */
static struct kith__worker_report *ask(const struct far *b, uint32_t *count)
{
    struct kith__args in = { 0 };
    struct kith__result out = { .grows = 1 };
    struct kith__worker_report *list;
    int64_t rc = kith__invoke(b->handle, KITH__POOL_KIND, KITH__POOL_RECORDS, &in, &out, KITH_FOREVER);

    list = out.buf;
    if (rc < 0 || !list || out.size % sizeof *list != 0) {
        free(out.buf);
        return NULL;
    }
    *count = (uint32_t)(out.size / sizeof *list);
    for (uint32_t i = 0; i < *count; i++)
        end_names(&list[i]);
    return list;
}

static void add_branch(struct kith_pool_stats *s, const struct far *b)
{
    uint32_t count = 0;
    struct kith__worker_report *list = ask(b, &count);

    for (uint32_t i = 0; list && i < count; i++)
        add_report(s, &list[i], (int)(b->first_worker + i));
    s->workers += list ? (int)count : 0;
    free(list);
}

static int stats_from_afar(kith_pool pool, struct kith_pool_stats *s)
{
    struct outline *outline;
    const struct far *of;
    int rc = ask_outline(pool, &outline);

    if (rc < 0)
        return rc;
    of = (const void *)(outline + 1);
    memset(s, 0, sizeof *s);
    s->open = outline->open;
    for (uint32_t i = 0; i < outline->count; i++)
        add_branch(s, &of[i]);
    free(outline);
    return s->workers > 0 ? 0 : kith__fail(KITH_ESTALE, "the pool was closed");
}

static int pool_stats(kith_pool pool, struct kith_pool_stats *s)
{
    struct kith__object *o;
    struct far *others;
    int rc;

    if (s && kith__attend_is_needed(pool))
        return stats_from_afar(pool, s);
    rc = s ? kith__pool_enter(pool, &o) : kith__fail(KITH_EINVAL, "kith_pool_stats was given NULL");

    if (rc < 0)
        return rc;
    read_pool(kith__pool_body(o), s);
    rc = list_branches(kith__pool_body(o), &others);
    kith__object_leave(o);
    for (int i = 0; i < rc; i++)
        add_branch(s, &others[i]);
    free(others);
    return rc < 0 ? rc : 0;
}

/* Of one that is not of this node. 1: that worker is there. */
static int find_worker(const struct far *others, int count, uint32_t worker, struct kith_worker_stats *w)
{
    for (int i = 0; i < count; i++) {
        uint32_t known = 0, at = worker - others[i].first_worker;
        struct kith__worker_report *list = at < others[i].workers ? ask(&others[i], &known) : NULL;

        if (list && at < known)
            *w = list[at].stats;
        free(list);
        if (list && at < known)
            return 1;
    }
    return 0;
}

static int no_such_worker(int worker, int workers)
{
    return kith__fail(KITH_EINVAL, "the pool has no worker %d: its %d begin with 0", worker, workers);
}

static int worker_stats_from_afar(kith_pool pool, int worker, struct kith_worker_stats *w)
{
    struct outline *outline;
    int rc = ask_outline(pool, &outline), found;

    if (rc < 0)
        return rc;
    found = worker >= 0 && find_worker((const void *)(outline + 1), (int)outline->count, (uint32_t)worker, w);
    rc = found ? 0 : no_such_worker(worker, (int)outline->workers);
    free(outline);
    return rc;
}

static int worker_stats(kith_pool pool, int worker, struct kith_worker_stats *w)
{
    struct kith__object *o;
    struct far *others;
    int rc, workers, found;

    if (w && kith__attend_is_needed(pool))
        return worker_stats_from_afar(pool, worker, w);
    rc = w ? kith__pool_enter(pool, &o) : kith__fail(KITH_EINVAL, "kith_worker_stats was given NULL");
    if (rc < 0)
        return rc;
    workers = (int)kith__pool_body(o)->workers;
    found = worker >= 0 && worker < workers;
    if (found)
        read_record(&kith__lane(kith__pool_body(o), (uint32_t)worker)->record, kith__now_ns(), w);
    rc = list_branches(kith__pool_body(o), &others);
    workers = (int)kith__spread_workers(kith__pool_body(o));
    kith__object_leave(o);
    found = found || (worker >= 0 && find_worker(others, rc, (uint32_t)worker, w));
    free(others);
    if (found || rc < 0)
        return found ? 0 : rc;
    return no_such_worker(worker, workers);
}

int kith_pool_read_stats(kith_pool pool, struct kith_pool_stats *s, size_t size)
{
    struct kith_pool_stats known;
    int rc = kith__report(pool_stats(pool, s ? &known : NULL));

    if (rc < 0)
        return rc;
    memset(s, 0, size); /* a program of a later version may know of more */
    memcpy(s, &known, size < sizeof known ? size : sizeof known);
    return 0;
}

int kith_pool_read_worker_stats(kith_pool pool, int worker, struct kith_worker_stats *w, size_t size)
{
    struct kith_worker_stats known;
    int rc = kith__report(worker_stats(pool, worker, w ? &known : NULL));

    if (rc < 0)
        return rc;
    memset(w, 0, size);
    memcpy(w, &known, size < sizeof known ? size : sizeof known);
    return 0;
}
