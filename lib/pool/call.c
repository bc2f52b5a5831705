/* call.c: a call that gives a pool a job and waits for it. Called by map.c.
 *
 * A call fills in a job and posts it. What it has still to do then is a step that may be
 * called from any thread until it says that all is done: arguments in the caller's own memory go in pieces
 * into a ring of warm pages while workers run what is there, and results come back from another. Arguments in
 * kith's memory are used in place: the first step is the last.
 */
#include "config.h"
#include "pool/call.h"
#include "base/env.h"
#include "pool/attend.h"
#include "pool/branch.h"
#include "member/bell.h"
#include "code/checkglobals.h"
#include "code/image.h"
#include "pool/chunk.h"
#include "pool/claim.h"
#include "pool/fault.h"
#include "pool/inner.h"
#include "base/error.h"
#include "base/log.h"
#include "member/output.h"
#include "shm/heap.h"
#include "pool/random.h"
#include "pool/ring.h"
#include "pool/serial.h"
#include "pool/spread.h"
#include "pool/turn.h"
#include "base/system.h"
#include "pool/worker.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

static const int64_t heard_ns = 400, soon_ns = 2000;

static _Atomic uint64_t calls; /* of this process: which random numbers its tasks draw */

enum kith__step_result kith__call_step(struct kith__call *c)
{
    const struct kith__pool *p = kith__pool_body(c->object);
    struct kith__job *j = c->job;

    if (kith__job_complete(j)) {
        if (j->out_ring)
            kith__rings_move_out(c, j->units);
        return KITH__STEP_DONE;
    }
    if (atomic_load(&p->state) >= KITH__POOL_TERMINATED)
        return KITH__STEP_ENDED;
    if (kith__job_halted(j)) {
        if (atomic_load(&j->granted_count) > 0 && !atomic_exchange(&j->told_end, 1))
            kith__branches_tell(c->object);
        if (!kith__job_untouched(p, c->post))
            return KITH__STEP_WAIT;
        kith__rings_move_rest(c);
        return KITH__STEP_HALTED;
    }
    return j->windowed && kith__rings_move(c) ? KITH__STEP_MOVED : KITH__STEP_WAIT;
}

/* ------------------------------------------------------------------- the call */
static int fill_range(struct kith__job *j, const struct kith__call_spec *s)
{
    j->blocks = kith__block_count(s->n);
    j->units = s->part ? s->part->units : j->blocks;
    if (!j->chunk &&
        (j->grants == 0 ||
         atomic_load(&j->here))) /* on other nodes, those that wait for work are not seen at each block */
        j->share = j->units < j->workers ? 1 : j->units / j->workers;
    if (s->out_size > 0 && (j->out = kith__ring_take(j, KITH__RING_OUT, j->units * s->out_size)) == 0)
        return KITH_ENOMEM;
    return 0;
}

/* The context. That of a loop, which has no arguments in a ring, lies in that place: many loops are short,
 * and to take a block and free it would be two guards for each. */
static int fill_arg(struct kith__job *j, const struct kith__call_spec *s)
{
    if (s->arg_size == 0)
        return 0;
    if (j->local) {
        j->arg = kith__offset(s->arg);
        return 0;
    }
    j->arg = kith__is_map(j->kind) ? kith__heap_alloc(s->arg_size, kith__me)
                                   : kith__ring_take(j, KITH__RING_IN, s->arg_size);
    if (j->arg == 0)
        return KITH_ENOMEM;
    memcpy(kith__at(j->arg), s->arg, s->arg_size);
    return 0;
}

struct cost {
    double cost;
    uint64_t element;
};

static int dearest_first(const void *a, const void *b)
{
    const struct cost *x = a, *y = b;

    if (x->cost != y->cost)
        return x->cost > y->cost ? -1 : 1;
    return x->element < y->element ? -1 : 1;
}

/* A part has its own in the order of the whole. */
static int fill_elements(struct kith__job *j, const struct kith__call_part *part)
{
    uint64_t size = part->units * sizeof(uint64_t);

    if ((j->order = kith__heap_alloc(size, kith__me)) == 0)
        return KITH_ENOMEM;
    memcpy(kith__at(j->order), part->elements, size);
    j->gathered = 1;
    j->first = j->named = 0; /* each has its name */
    return 0;
}

static int fill_order(struct kith__job *j, const struct kith__call_spec *s)
{
    struct cost *costs;
    uint64_t *order;

    if (s->part && s->part->elements)
        return fill_elements(j, s->part);
    if (!s->costs)
        return 0;
    for (uint64_t i = 0; i < s->n; i++)
        if (s->costs[i] != s->costs[i])
            return kith__fail(KITH_EINVAL, "the estimated cost of task %llu of %s is not a number",
                              (unsigned long long)i, kith__job_name(j));
    if ((j->order = kith__heap_alloc(s->n * sizeof *order, kith__me)) == 0)
        return KITH_ENOMEM;
    if (!(costs = malloc(s->n * sizeof *costs)))
        return kith__fail(KITH_ENOMEM, "no memory to sort %llu tasks by their costs",
                          (unsigned long long)s->n);
    for (uint64_t i = 0; i < s->n; i++)
        costs[i] = (struct cost){ s->costs[i], i };
    qsort(costs, s->n, sizeof *costs, dearest_first);
    order = kith__at(j->order);
    for (uint64_t i = 0; i < s->n; i++)
        order[i] = costs[i].element;
    free(costs);
    return 0;
}

/* Which call this is, for the random numbers of its tasks: the same in each run. A task's own calls are
 * numbered by its own random numbers. */
uint64_t kith__call_number(void)
{
    if (kith__task.running && kith_worker() >= 0)
        return kith_random() | UINT64_C(1) << 63;
    return kith__member(kith__me)->number << 40 | (atomic_fetch_add(&calls, 1) + 1);
}

/* Whether no other node may have any of it. */
static int stays_here(const struct kith__pool *p, const struct kith__call_spec *s, struct kith__job *j)
{
    if (s->kind == KITH__JOB_FOR && p->loops_here)
        return 1;
    if (!kith__spread_points_here(s->arg, s->arg_size, 1) &&
        !(kith__is_map(s->kind) && kith__spread_points_here(s->in, s->in_size, s->n)))
        return 0;
    if (kith__log_on(KITH_LOG_INFO))
        kith__spread_tell_here(kith__job_name(j));
    return 1;
}

static int fill(struct kith__call *c, const struct kith__call_spec *s)
{
    const struct kith__pool *p = kith__pool_body(c->object);
    struct kith__job *j = c->job;
    int rc;

    j->kind = (uint32_t)s->kind;
    j->shape = (uint32_t)s->shape;
    j->n = s->n;
    j->in_size = s->in_size;
    j->out_size = s->out_size;
    j->arg_size = s->arg_size;
    j->tries = s->part ? s->part->tries : p->tries;
    j->is_part = s->part != NULL;
    j->chunk = p->chunk;
    j->halt = p->halt;
    j->first = s->part ? s->part->first : 0;
    j->whole = s->part ? s->part->whole : 0;
    j->named = s->part ? s->part->named : 0;
    j->first_worker = p->trunk.first_worker;
    j->call = s->part ? s->part->call : s->call ? s->call : kith__call_number();
    kith__turn_fill(c->object, j);
    if (s->part) {
        j->root = s->part->root;
        j->priority = s->part->priority;
    }
    if (s->name) /* of a zeroed job; snprintf is much code that is cold */
        memcpy(j->name, s->name, strnlen(s->name, sizeof j->name - 1));
    if (kith__branches(p))
        atomic_store(&j->here, (uint32_t)stays_here(p, s, j));
    if ((rc = fill_order(j, s)) < 0)
        return rc;
    rc = kith__is_map(s->kind) ? kith__rings_make(c, s) : fill_range(j, s);
    return rc < 0 ? rc : fill_arg(j, s);
}

/* What it says stays until the next one takes its place: a worker that comes too late to claim anything may
 * still be looking at it. */
static void release(struct kith__call *c)
{
    struct kith__job *j = c->job;

    if (j->in_ring)
        kith__ring_give_back(j, KITH__RING_IN, j->in);
    if (j->out_ring || !kith__is_map(j->kind))
        kith__ring_give_back(j, KITH__RING_OUT, j->out);
    if (!j->local) {
        if (kith__is_map(j->kind))
            kith__heap_free(j->arg);
        else
            kith__ring_give_back(j, KITH__RING_IN, j->arg);
    }
    kith__heap_free(j->order);
    kith__job_withdraw(kith__pool_body(c->object), c->post);
}

const char *kith__call_name(const struct kith__call_spec *s, char *buf, size_t room)
{
    if (s->name)
        return s->name;
    kith__image_function((uintptr_t)s->fn, buf, room);
    return buf;
}

/* KITH_CHECK=1: a task that reads a global which the head has set since kith_init reads the old value; but
 * for KITH_SERIAL=1. */
void kith__call_warn(const struct kith__call_spec *s)
{
    char globals[512], name[64];

    if (!kith__log_on(KITH_LOG_WARNING) || kith_worker() >= 0 || kith__env_on(KITH__ENV_SERIAL) ||
        kith__globals_changed(globals, sizeof globals) <= 0 || kith__pool_is_of_threads(s->pool))
        return;
    kith__globals_snapshot(); /* once is enough */
    kith__log(KITH_LOG_WARNING,
              "%s is given to workers, but these globals have changed since kith_init, and workers have them "
              "as they were then: %s; pass them as an argument",
              kith__call_name(s, name, sizeof name), globals);
}

/* A pool with .caller. Its workers, when they call it, run tasks of their calls in any case. */
static int works_here(const struct kith__call *c)
{
    uint32_t worker;

    return kith__pool_body(c->object)->caller && !kith__my_lane(c->object, &worker);
}

/* It is one task, and neither this thread nor another node can run it. */
static int is_for_another(const struct kith__call *c)
{
    return c->job->units == 1 && !c->works && kith__turn.pool != c->object &&
           !kith__branches(kith__pool_body(c->object));
}

/* works: who begins it waits for it. */
static int begin(struct kith__call *c, const struct kith__call_spec *s, int works)
{
    struct kith__token fn;
    int rc;

    memset(c, 0, sizeof *c);
    if ((rc = kith__token_make(&fn, s->fn)) < 0)
        return rc;
    if (kith__server_dead())
        return KITH_EPEER;
    kith__call_warn(s);
    if ((rc = kith__pool_enter(s->pool, &c->object)) < 0)
        return rc;
    /* Inside of the guard: who closes the pool either sees this call, or this call sees that it is closed. */
    c->job = kith__job_take(c->object, &c->post, &rc);
    kith__object_leave(c->object);
    if (!c->job)
        return rc;
    c->in = s->in;
    c->out = s->out;
    c->far = s->far;
    c->look = s->look;
    c->look_context = s->look_context;
    memcpy(&c->job->fn, &fn, sizeof fn);
    c->works = works && works_here(c);
    if (kith__pool_body(c->object)->serial || c->works)
        rc = kith__serial_prepare(c->object, s->pool.id);
    if (rc < 0 || (rc = fill(c, s)) < 0) {
        release(c);
        return rc;
    }
    if (!c->job->local)
        kith__output_flush(); /* what was printed before stands before what the tasks print */
    if (s->n > 1)
        kith__progress_begin(&c->job->progress, kith__pool_body(c->object));
    kith__job_post(kith__pool_body(c->object), c->job, c->post);
    kith__spread_repair(c->object);
    c->job->is_awaited = works && is_for_another(c);
    if (c->job->in_ring || c->job->windowed)
        kith__rings_move_in(c);
    else
        kith__job_raise(c->job, c->object, c->job->units);
    return 0;
}

int kith__call_begin(struct kith__call *c, const struct kith__call_spec *s)
{
    return begin(c, s, 0);
}

/* Which tasks ended in which way is known: the sentence, and what kith_last_fault gives. */
static int outcome(struct kith__call *c, enum kith__step_result last)
{
    struct kith__pool *p = kith__pool_body(c->object);

    if (atomic_load(&c->job->fault_count) > 0) {
        kith__faults_keep(c->job);
        if (last != KITH__STEP_ENDED)
            return kith__faults_report(c->job, last == KITH__STEP_HALTED);
    }
    if (last == KITH__STEP_DONE)
        return 0;
    if (last == KITH__STEP_HALTED)
        return kith__fail(KITH_ECANCELLED, "%s was cancelled", kith__job_name(c->job));
    if (atomic_load(&p->state) == KITH__POOL_BROKEN)
        return kith__pool_init_fault(p);
    return kith__attend_ended(c->far) < 0
               ? KITH_EPEER
               : kith__fail(KITH_ECANCELLED, "the pool was terminated while %s was running in it",
                            kith__job_name(c->job));
}

/* Workers of a terminated pool are being killed: its memory is theirs until they are gone. Those that are
 * threads come to the end of their claims, and we may be one of them. */
static void await_leaving(const struct kith__pool *p, uint32_t post)
{
    for (uint32_t w = 0; w < p->workers && !p->threads; w++)
        while (atomic_load(&kith__lane(p, w)->member) != 0 && !kith__server_dead())
            kith__nap(200000);
    while (!kith__job_untouched(p, post) && (p->threads || !kith__branches_have_left(p)))
        kith__nap(200000);
}

int kith__call_end(struct kith__call *c, enum kith__step_result last)
{
    struct kith__pool *p = kith__pool_body(c->object);
    int rc;

    kith__job_progress_end(
        c->job); /* a handler of the log may do anything: before what is known of the call */
    if (c->look)
        c->look(c, last, c->look_context);
    rc = outcome(c, last);
    if (last == KITH__STEP_ENDED || last == KITH__STEP_WAIT) {
        atomic_store(&c->job->cancelled, KITH__ABANDONED);
        kith__job_hide(p, c->post);
        await_leaving(p, c->post);
    }
    release(c);
    return rc;
}

int kith__call_has_idle(struct kith__object *o)
{
    return kith__has_waiters(kith__object_waiters(o, 0));
}

static int run_some(struct kith__object *o, struct kith__lane *lane, uint32_t worker, struct kith__job *j,
                    uint32_t post, uint64_t seq, enum kith__why why)
{
    struct kith__stream outer;

    if (!kith__job_enter(kith__pool_body(o), lane, post, seq))
        return 0;
    kith__random_save(&outer);
    kith__work_on(o, lane, worker, j, why);
    kith__random_restore(&outer);
    kith__job_leave(lane, j);
    return 1;
}

/* The thread that has the lane of this process for itself; 0: none. */
static KITH__OF_PROCESS _Atomic(pthread_t) helper;
static KITH__OF_PROCESS _Atomic int missed; /* a thread waits that would have helped */

enum kith__helps kith__call_helps(void)
{
    const pthread_t self = pthread_self();
    pthread_t nobody = 0;

    if (pthread_equal(atomic_load_explicit(&helper, memory_order_relaxed), self))
        return KITH__HELPS_ALREADY;
    if (atomic_compare_exchange_strong(&helper, &nobody, self))
        return KITH__HELPS_NOW;
    atomic_store(&missed, 1);
    nobody = 0;
    return atomic_compare_exchange_strong(&helper, &nobody, self) ? KITH__HELPS_NOW : KITH__HELPS_NOT;
}

void kith__call_helped(enum kith__helps how)
{
    if (how != KITH__HELPS_NOW)
        return;
    atomic_store(&helper, 0);
    if (atomic_load(&missed) && atomic_exchange(&missed, 0))
        kith__wake_everybody(); /* rare, and their jobs are not known here */
}

/* A worker that waits for its own pool's job runs the tasks of that job meanwhile. The lane's stack of claims
 * is for one thread at a time, so of the threads that a task has made one helps, and the others only wait. */
int kith__call_help(struct kith__object *o, struct kith__job *j, uint32_t post, uint64_t seq,
                    enum kith__why why)
{
    uint32_t worker;
    struct kith__lane *lane = kith__my_lane(o, &worker);
    enum kith__helps how;
    int entered;

    if (kith__pool_body(o)->serial) {
        kith__serial_run(o, j, 0);
        return 1;
    }
    if (!lane || kith__pool_body(o)->threads) /* then the lane is this thread's alone */
        return lane ? run_some(o, lane, worker, j, post, seq, why) : 0;
    if ((how = kith__call_helps()) == KITH__HELPS_NOT)
        return 0;
    entered = run_some(o, lane, worker, j, post, seq, why);
    kith__call_helped(how);
    return entered;
}

/* What has to be copied is this thread's work: tasks would keep it from that. 0: it may not run any. */
static int run_here(struct kith__call *c)
{
    if (!c->works)
        return kith__call_help(c->object, c->job, c->post, c->job->seq, KITH__TELLS);
    kith__serial_run(c->object, c->job, kith__pool_hands(kith__pool_body(c->object)) - 1);
    return 1;
}

/* Runs tasks of it, where this thread may; of a halted one there are none, and who leaves that wakes whoever
 * waits until all have left it, which would be this thread. Who then finds nothing left of a loop says so, so
 * that others give back what is left of their shares, and looks once more. 1: there is something to claim
 * again. */
static int help(struct kith__call *c)
{
    struct kith__job *j = c->job;

    if (kith__job_halted(j))
        return 0;
    if (j->share)
        atomic_store_explicit(&j->bored, 0, memory_order_relaxed);
    if (!run_here(c) || !j->share)
        return 0;
    atomic_store(&j->bored, 1);
    return !atomic_load(&j->cancelled) && atomic_load(&j->returned_count) > 0;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

int64_t kith__call_tell(struct kith__call *c)
{
    return sooner(kith__faults_tell(c->job), kith__job_progress(c->job));
}

/* Its steps, and tasks of it, as far as they go now, and *repair: see kith__spread_repair. 1: there is more
 * at once. */
static int go_on(struct kith__call *c, enum kith__step_result *last, int64_t *repair)
{
    int more;

    if (c->job->windowed)
        atomic_store(&c->job->eager, 1);
    while ((*last = kith__call_step(c)) == KITH__STEP_MOVED)
        ;
    if (*last != KITH__STEP_WAIT)
        return 0;
    *repair = kith__spread_repair(c->object);
    more = help(c);
    *last = kith__call_step(c);
    return *last == KITH__STEP_MOVED || (*last == KITH__STEP_WAIT && more);
}

static int is_begun(const void *of)
{
    const struct kith__job *j = of;

    return atomic_load_explicit(&j->cursor, memory_order_relaxed) >> 16 > 0 || kith__job_complete(j);
}

/* All workers that stand among the waiters are asleep. To wake one costs 5 µs, and is in vain when another
 * one is just about to look around: it comes from the last call of this thread, and that is some 0.2 µs ago.
 */
static void make_heard(struct kith__call *c)
{
    c->job->is_unheard = 0;
    if (!kith__wait_briefly(is_begun, c->job, 1, heard_ns))
        kith__wake_any(kith__object_waiters(c->object, KITH__POOL_IDLE));
}

/* Something has changed for who has done what it could. */
static int has_news(const void *of)
{
    const struct kith__job *j = of;

    return kith__job_complete(j) || atomic_load_explicit(&j->cancelled, memory_order_relaxed) ||
           (j->share && atomic_load(&j->returned_count) > 0);
}

/* A task or a loop that is short has ended before this thread would stand among the waiters. 1: it has. */
static int ends_soon(struct kith__call *c, enum kith__step_result *last)
{
    int64_t repair;

    while (go_on(c, last, &repair))
        ;
    if (*last == KITH__STEP_WAIT && kith__wait_briefly(has_news, c->job, c->job->units == 1, soon_ns))
        *last = kith__call_step(c);
    return *last != KITH__STEP_WAIT;
}

int kith__call_wait(struct kith__call *c, int64_t deadline, enum kith__step_result *last)
{
    struct kith__wait w;
    int64_t repair;
    int rc;

    if (c->job->is_unheard)
        make_heard(c);
    if (!c->job->windowed && deadline < 0 && ends_soon(c, last))
        return 0;
    if ((rc = kith__wait_begin(&w, &c->job->waiters, KITH_FOREVER)) < 0)
        return rc;
    w.give_way = c->job->units == 1;
    for (;;) {
        if (go_on(c, last, &repair))
            continue;
        if (*last != KITH__STEP_WAIT)
            break;
        w.deadline = sooner(sooner(kith__call_tell(c), repair), deadline);
        if ((rc = kith__wait_sleep(&w)) < 0 &&
            (rc != KITH_ETIMEDOUT || (deadline >= 0 && kith__now_ns() >= deadline)))
            break;
    }
    kith__wait_end(&w, 1);
    return *last == KITH__STEP_WAIT ? rc : 0;
}

void kith__call_cancel(struct kith__call *c)
{
    const struct kith__pool *p = kith__pool_body(c->object);
    uint64_t touch = kith__touch(c->job->seq, c->post);

    atomic_store(&c->job->is_ended, 1);
    atomic_store(&c->job->cancelled, KITH__HALTED);
    /* Who begins one of its tasks now was inside of the job before. A thread cannot be ended: it comes to the
     * end of its claim. */
    for (uint32_t w = 0; w < p->workers && !p->threads; w++)
        if (atomic_load(&kith__lane(p, w)->depth) > 0 && atomic_load(&kith__lane(p, w)->touching[0]) == touch)
            kith__lane_condemn(kith__lane(p, w), touch, KITH__AT_NONE);
    kith__server_ring();
    kith__branches_tell(c->object);
    kith__wake_all(&c->job->waiters);
}

int kith__call_depth(kith_pool pool)
{
    struct kith__object *o;
    struct kith__lane *lane;
    uint32_t worker;

    if (kith_worker() < 0)
        return 0;
    if (kith__pool_find(pool, &o) < 0 || !(lane = kith__my_lane(o, &worker)))
        return 0;
    if (atomic_load(&lane->state) == KITH__LANE_LEAVING)
        return kith__fail(KITH_EINVAL, "the exit function of a pool cannot call that pool");
    if (atomic_load(&lane->depth) < KITH__DEPTH - 1)
        return 0;
    return kith__fail(KITH_EINVAL, "tasks that call their own pool are nested %d deep: that is the limit",
                      KITH__DEPTH);
}

static int call_here(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
                     void *context)
{
    enum kith__step_result last = KITH__STEP_WAIT;
    struct kith__call c;
    int rc;

    if ((rc = kith__call_depth(s->pool)) < 0 || (rc = begin(&c, s, 1)) < 0)
        return rc;
    c.works = c.works && !c.job->in_ring && !c.job->out_ring;
    if ((rc = kith__call_wait(&c, -1, &last)) < 0) {
        kith__call_end(&c, last); /* the fork server is gone */
        return kith__server_dead() ? KITH_EPEER : rc;
    }
    if (fold && last == KITH__STEP_DONE && atomic_load(&c.job->fault_count) == 0)
        fold(&c, context);
    return kith__call_end(&c, last);
}

/* To a pool of another node. A branch that has ended since it was found has begun nothing. What is repeated
 * has the random numbers that it had. */
static int call_from_afar(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
                          void *context)
{
    struct kith__call_spec here = *s;
    int again = kith__attend_place(&here, 1), rc = KITH_ESTALE;

    here.call = s->call ? s->call : kith__call_number();
    if (here.far.id)
        rc = call_here(&here, fold, context);
    if (rc != KITH_ESTALE && !(rc == KITH_EPEER && again))
        return rc;
    here.pool = s->pool;
    return kith__attend(&here, fold, context);
}

int kith__call(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
               void *context)
{
    int rc;

    if (kith__inner_call(s, &rc))
        return rc;
    return kith__attend_is_needed(s->pool) ? call_from_afar(s, fold, context) : call_here(s, fold, context);
}
