/* call.c: the calls that give a pool a job and wait for it: map, starmap, apply, for, sum, reduce.
 *
 * A call fills in a job and posts it. What it has still to do then is a step that may be
 * called from any thread until it says that all is done: arguments in the caller's own memory go in pieces
 * into a ring of warm pages while workers run what is there, and results come back from another. Arguments in
 * kith's memory are used in place: the first step is the last.
 */
#include "config.h"
#include "pool/call.h"
#include "code/checkglobals.h"
#include "pool/chunk.h"
#include "base/error.h"
#include "shm/heap.h"
#include "pool/random.h"
#include "pool/serial.h"
#include "pool/worker.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A ring of some MiB stays in the caches. More than that when the elements are so large that workers would
 * have to wait for room: enough for one slow task to let the others go on, or at least for each worker and
 * one that is filled and emptied. */
static const uint64_t ring_bytes = 4 << 20, ring_bytes_more = 64 << 20, step_bytes = 256 << 10;
enum { RING_LEAST = 3 };

static _Atomic uint64_t calls; /* of this process: which random numbers its tasks draw */

/* The faults of this thread's last call that had some, in order of task. */
static _Thread_local struct {
    struct kith_fault *list;
    size_t count;
} last_faults;
static pthread_key_t faults_key; /* the list once more: freed with its thread */
static pthread_once_t faults_once = PTHREAD_ONCE_INIT;

int kith_last_fault(struct kith_fault *f, size_t index)
{
    if (!f)
        return kith__report(kith__fail(KITH_EINVAL, "kith_last_fault was given no place for the fault"));
    if (index >= last_faults.count)
        return kith__fail(
            KITH_EEND,
            "this thread's last call that gave KITH_ETASK had %zu faults: there is none with index %zu",
            last_faults.count, index);
    *f = last_faults.list[index];
    return 0;
}

/* ------------------------------------------------------------------ faults */

static uint64_t first_element(const struct kith__job *j, uint64_t unit)
{
    uint64_t lo = unit, hi;

    if (j->kind >= KITH__JOB_FOR)
        kith__part(j->n, j->units, unit, &lo, &hi);
    return lo;
}

static void fill_fault(struct kith_fault *f, const struct kith__job *j, const struct kith__fault_entry *e)
{
    memset(f, 0, sizeof *f);
    f->task = first_element(j, e->unit);
    f->end = e->end;
    f->code = e->code;
    f->signal = e->signal;
    f->pid = e->pid;
    f->worker = e->worker;
    f->rank = kith_rank();
    snprintf(f->host, sizeof f->host, "%s", kith__shared->host);
    snprintf(f->function, sizeof f->function, "%s", j->name);
    if (e->end == KITH_SIGNALLED && atomic_load(&e->crash.signal))
        kith__crash_text(&e->crash, getpid(), f->text, sizeof f->text);
    else
        snprintf(f->text, sizeof f->text, "%s", e->text);
}

static int by_task(const void *a, const void *b)
{
    const struct kith_fault *x = a, *y = b;

    return x->task < y->task ? -1 : x->task > y->task;
}

static void forget_faults(void *list)
{
    last_faults.list = NULL;
    last_faults.count = 0;
    free(list);
}

static void make_faults_key(void)
{
    pthread_key_create(&faults_key, forget_faults);
}

/* Takes list. */
static void keep_faults(struct kith_fault *list, size_t count)
{
    pthread_once(&faults_once, make_faults_key);
    forget_faults(last_faults.list);
    last_faults.list = list;
    last_faults.count = count;
    pthread_setspecific(faults_key, list);
}

static void collect_faults(struct kith__job *j)
{
    size_t count = 0, room = 0;
    struct kith_fault *list = NULL;

    for (uint64_t at; (at = kith__job_pop_fault(j)) != 0; kith__heap_free(at)) {
        const struct kith__fault_entry *e = kith__at(at);

        if (count == room) {
            struct kith_fault *more = realloc(list, (room = room ? 2 * room : 4) * sizeof *list);

            if (!more)
                room = count; /* the others are counted in the sentence */
            else
                list = more;
        }
        if (count < room)
            fill_fault(&list[count++], j, e);
    }
    if (count > 1)
        qsort(list, count, sizeof *list, by_task);
    keep_faults(list, count);
}

static void describe(const struct kith_fault *f, char *text, size_t room)
{
    switch ((enum kith_end)f->end) {
    case KITH_SIGNALLED:
        snprintf(text, room, "was killed by signal %d (%s)%s%s", f->signal, strsignal(f->signal),
                 *f->text ? ": " : "", f->text);
        break;
    case KITH_EXITED: snprintf(text, room, "called exit(%d)", f->code); break;
    case KITH_OVER_LIMIT: snprintf(text, room, "was over its time limit"); break;
    default: snprintf(text, room, "failed: %s", f->text);
    }
}

static int fault_sentence(const struct kith__job *j, const char *name)
{
    const struct kith_fault *f = last_faults.list;
    uint64_t all = atomic_load(&j->fault_count);
    char text[640];

    if (last_faults.count == 0)
        return kith__fail(KITH_ETASK, "%llu tasks of %s failed, and there is no memory to tell why",
                          (unsigned long long)all, name);
    describe(f, text, sizeof text);
    return kith__fail(KITH_ETASK, "%s(%s%llu) %s [worker %d, pid %d on %s]; %llu of %llu tasks failed", name,
                      j->kind >= KITH__JOB_FOR ? "from " : "task ", (unsigned long long)f->task, text,
                      f->worker, f->pid, f->host, (unsigned long long)all, (unsigned long long)j->units);
}

/* --------------------------------------------------------------------- steps */

static char *ring_at(uint64_t base, uint64_t size, uint64_t ring, uint64_t i)
{
    return (char *)kith__at(base) + i % ring * size;
}

/* How many elements from i on lie side by side in the ring, at most n. */
static uint64_t run_length(uint64_t ring, uint64_t i, uint64_t n)
{
    return n < ring - i % ring ? n : ring - i % ring;
}

static uint64_t mark_of(uint64_t place)
{
    return UINT64_C(1) << place % 64;
}

/* Copies the results of n places, but those of tasks that failed: their outputs keep their bytes. Clears the
 * marks. */
static void copy_good(const struct kith__job *j, uint64_t place, uint64_t n, char *to, const char *from)
{
    _Atomic uint64_t *marks = kith__job_marks(j);

    for (uint64_t i = 0, good; i < n; i = good) {
        for (good = i; good < n && !(atomic_load(&marks[(place + good) / 64]) & mark_of(place + good));
             good++)
            ;
        memcpy(to + i * j->out_size, from + i * j->out_size, (good - i) * j->out_size);
        for (; good < n && atomic_load(&marks[(place + good) / 64]) & mark_of(place + good); good++)
            atomic_fetch_and(&marks[(place + good) / 64], ~mark_of(place + good));
    }
}

static void copy_out(struct kith__call *c, uint64_t until)
{
    struct kith__job *j = c->job;

    while (c->out_done < until) {
        uint64_t n = run_length(j->out_ring, c->out_done, until - c->out_done);
        const char *from = ring_at(j->out, j->out_size, j->out_ring, c->out_done);
        char *to = (char *)c->out + c->out_done * j->out_size;

        if (atomic_load(&j->fault_count) == 0)
            memcpy(to, from, n * j->out_size);
        else
            copy_good(j, c->out_done % j->out_ring, n, to, from);
        c->out_done += n;
    }
}

static uint64_t copy_in(struct kith__call *c, uint64_t from, uint64_t n)
{
    struct kith__job *j = c->job;

    if (!j->in_ring)
        return n;
    n = run_length(j->in_ring, from, n);
    memcpy(ring_at(j->in, j->in_size, j->in_ring, from), (const char *)c->in + from * j->in_size,
           n * j->in_size);
    return n;
}

/* What there is room for goes in. 1: something did. */
static int move_in(struct kith__call *c)
{
    struct kith__job *j = c->job;
    uint64_t limit = atomic_load(&j->limit), free_until, n;

    free_until = c->out_done + c->window < j->units ? c->out_done + c->window : j->units;
    if (limit >= free_until)
        return 0;
    n = free_until - limit < c->step ? free_until - limit : c->step;
    kith__job_raise(j, &c->object->waiters[0], limit + copy_in(c, limit, n));
    return 1;
}

/* What is done comes out, and more goes in. 1: something moved. */
static int move(struct kith__call *c)
{
    struct kith__job *j = c->job;
    uint64_t frontier = kith__job_frontier(j);
    int moved = j->out_ring && frontier > c->out_done;

    if (moved)
        copy_out(c, frontier);
    else if (!j->out_ring)
        c->out_done = frontier;
    return move_in(c) || moved;
}

enum kith__step_result kith__call_step(struct kith__call *c)
{
    struct kith__job *j = c->job;

    if (kith__job_complete(j)) {
        if (j->out_ring)
            copy_out(c, j->units);
        return KITH__STEP_DONE;
    }
    if (atomic_load(&kith__pool_body(c->object)->state) >= KITH__POOL_TERMINATED)
        return KITH__STEP_ENDED;
    return j->windowed && move(c) ? KITH__STEP_MOVED : KITH__STEP_WAIT;
}

/* ------------------------------------------------------------------- the call */

/* A place of size bytes that this job keeps for the next one: place 0 for input, 1 for output. */
static uint64_t keep(struct kith__job *j, int place, uint64_t size)
{
    uint64_t old = atomic_load(&j->kept[place]), block;

    if (size <= sizeof j->small[place])
        return kith__offset(&j->small[place]);
    if (old && kith__heap_size_of(old) >= size)
        return old;
    if ((block = kith__heap_alloc(size, kith__me)) == 0)
        return 0;
    kith__guard_enter(&j->guard);
    kith__guard_set(&j->guard, &j->kept[place], block);
    kith__guard_set(&j->guard, kith__heap_owner(block), 0);
    if (old)
        kith__guard_set(&j->guard, kith__heap_owner(old), kith__me);
    kith__guard_commit(&j->guard);
    kith__guard_leave(&j->guard);
    kith__heap_free(old);
    return block;
}

static void give_back(struct kith__job *j, int place, uint64_t at)
{
    if (at != kith__offset(&j->small[place]) && at != atomic_load(&j->kept[place]))
        kith__heap_free(at);
}

/* What a large one takes goes back at the end of the call. A ring of bytes has an eighth more for marks. */
static uint64_t scratch(struct kith__job *j, int place, uint64_t size)
{
    return size <= ring_bytes + ring_bytes / 8 ? keep(j, place, size) : kith__heap_alloc(size, kith__me);
}

/* A ring for window elements of size, when the user's memory is not ours. */
static int make_ring(struct kith__job *j, int place, const void *p, uint64_t size, uint64_t window,
                     uint64_t *at, uint64_t *ring)
{
    if (size == 0)
        return 0;
    if (kith__arena_holds(p, j->n * size)) {
        *at = kith__offset(p);
        return 0;
    }
    *ring = window;
    if ((*at = scratch(j, place, ((window * size + 7) & ~UINT64_C(7)) + kith__job_marks_size(window))) == 0)
        *ring = 0;
    return *at ? 0 : KITH_ENOMEM;
}

static int is_map(const struct kith__call_spec *s)
{
    return s->kind <= KITH__JOB_BYTES;
}

static uint64_t window_of(uint64_t each, uint64_t workers, uint64_t n)
{
    uint64_t window, roomy;

    if (each == 0)
        return n;
    window = ring_bytes / each;
    roomy = ring_bytes_more / each < 4 * workers ? ring_bytes_more / each : 4 * workers;
    window = window > roomy ? window : roomy;
    window = window > workers + 1 ? window : workers + 1;
    window = window > RING_LEAST ? window : RING_LEAST;
    return window < n ? window : n;
}

static int make_rings(struct kith__job *j, const struct kith__call_spec *s, uint64_t window)
{
    int rc = make_ring(j, 0, s->in, s->in_size, window, &j->in, &j->in_ring);

    if (rc == 0 && (rc = make_ring(j, 1, s->out, s->out_size, window, &j->out, &j->out_ring)) < 0 &&
        j->in_ring) {
        give_back(j, 0, j->in);
        j->in = j->in_ring = 0;
    }
    return rc;
}

static int fill_map(struct kith__call *c, const struct kith__call_spec *s)
{
    struct kith__job *j = c->job;
    uint64_t each = s->in_size + s->out_size, window = window_of(each, j->workers, s->n);
    int rc;

    j->units = s->n;
    /* Where memory is short it goes with less, down to one element after the other. */
    while ((rc = make_rings(j, s, window)) < 0)
        if ((window /= 2) == 0)
            return rc;
    if (j->out_ring)
        memset(kith__job_marks(j), 0, kith__job_marks_size(window));
    c->window = window;
    c->step = each && step_bytes / each > 0 ? step_bytes / each : 1;
    j->windowed = j->in_ring || j->out_ring;
    return 0;
}

static int fill_range(struct kith__job *j, const struct kith__call_spec *s)
{
    j->units = kith__block_count(s->n);
    if (s->out_size > 0 && (j->out = scratch(j, 1, j->units * s->out_size)) == 0)
        return KITH_ENOMEM;
    if (s->arg_size > 0) {
        if ((j->arg = kith__heap_alloc(s->arg_size, kith__me)) == 0)
            return KITH_ENOMEM;
        memcpy(kith__at(j->arg), s->arg, s->arg_size);
    }
    return 0;
}

/* Which call this is, for the random numbers of its tasks: the same in each run. A task's own calls are
 * numbered by its own random numbers. */
static uint64_t call_number(void)
{
    if (kith_worker() >= 0 && kith__task.running)
        return kith_random() | UINT64_C(1) << 63;
    return kith__member(kith__me)->number << 40 | (atomic_fetch_add(&calls, 1) + 1);
}

static int fill(struct kith__call *c, const struct kith__call_spec *s)
{
    const struct kith__pool *p = kith__pool_body(c->object);
    struct kith__job *j = c->job;

    j->kind = (uint32_t)s->kind;
    j->shape = (uint32_t)s->shape;
    j->n = s->n;
    j->in_size = s->in_size;
    j->out_size = s->out_size;
    j->arg_size = s->arg_size;
    j->tries = p->tries;
    j->chunk = p->chunk;
    j->call = call_number();
    memcpy(j->name, s->name,
           strnlen(s->name, sizeof j->name - 1)); /* of a zeroed job; snprintf is much code that is cold */
    return is_map(s) ? fill_map(c, s) : fill_range(j, s);
}

static void release(struct kith__call *c)
{
    struct kith__job *j = c->job;

    if (j->in_ring)
        give_back(j, 0, j->in);
    if (j->out_ring || j->kind >= KITH__JOB_FOR)
        give_back(j, 1, j->out);
    kith__heap_free(j->arg);
    j->in = j->out = j->arg = 0;
    kith__job_withdraw(kith__pool_body(c->object), c->post);
}

/* KITH_CHECK=1: a task that reads a global which the head has set since kith_init reads the old value; but
 * for KITH_SERIAL=1. */
static void warn_of_globals(const char *name)
{
    char globals[512];

    if (!kith__log_on(KITH__WARNING) || kith_worker() >= 0 || kith__is_on("KITH_SERIAL") ||
        kith__globals_changed(globals, sizeof globals) <= 0)
        return;
    kith__globals_snapshot(); /* once is enough */
    kith__log(KITH__WARNING,
              "%s is given to workers, but these globals have changed since kith_init, and workers have them "
              "as they were then: %s; pass them as an argument",
              name, globals);
}

int kith__call_begin(struct kith__call *c, const struct kith__call_spec *s)
{
    struct kith__token fn;
    int rc;

    memset(c, 0, sizeof *c);
    if ((rc = kith__token_make(&fn, s->fn)) < 0)
        return rc;
    if (kith__server_dead())
        return KITH_EPEER;
    warn_of_globals(s->name);
    if ((rc = kith__pool_enter(s->pool, &c->object)) < 0)
        return rc;
    /* Inside of the guard: who closes the pool either sees this call, or this call sees that it is closed. */
    c->job = kith__job_take(c->object, &c->post, &rc);
    kith__object_leave(c->object);
    if (!c->job)
        return rc;
    c->in = s->in;
    c->out = s->out;
    memcpy(&c->job->fn, &fn, sizeof fn);
    if (kith__pool_body(c->object)->serial)
        rc = kith__serial_prepare(c->object, s->pool.id);
    if (rc < 0 || (rc = fill(c, s)) < 0) {
        release(c);
        return rc;
    }
    if (__fpending(stdout) > 0)
        fflush(stdout); /* what was printed before stands before what the tasks print */
    kith__job_post(kith__pool_body(c->object), c->job, c->post);
    if (c->job->windowed)
        move_in(c);
    else
        kith__job_raise(c->job, &c->object->waiters[0], c->job->units);
    return 0;
}

/* Which tasks ended in which way is known: the sentence, and what kith_last_fault gives. */
static int outcome(struct kith__call *c, enum kith__step_result last)
{
    struct kith__pool *p = kith__pool_body(c->object);

    if (atomic_load(&c->job->fault_count) > 0) {
        collect_faults(c->job);
        if (last == KITH__STEP_DONE)
            return fault_sentence(c->job, c->job->name);
    }
    if (last == KITH__STEP_DONE)
        return 0;
    if (atomic_load(&p->state) == KITH__POOL_BROKEN)
        return kith__pool_init_fault(p);
    return kith__fail(KITH_ECANCELLED, "the pool was terminated while %s was running in it", c->job->name);
}

int kith__call_end(struct kith__call *c, enum kith__step_result last)
{
    struct kith__pool *p = kith__pool_body(c->object);
    int rc = outcome(c, last);

    if (last != KITH__STEP_DONE) {
        /* Workers of a terminated pool are being killed: its memory is theirs until they are gone. */
        atomic_store(&c->job->cancelled, 1);
        atomic_fetch_and(&p->active, ~(UINT64_C(1) << c->post));
        for (uint32_t w = 0; w < p->workers; w++)
            while (atomic_load(&kith__lane(p, w)->member) != 0 && !kith__server_dead())
                usleep(200);
    }
    release(c);
    return rc;
}

/* A worker that waits for its own pool's job runs the tasks of that job meanwhile. The lane's stack of claims
 * is for one thread at a time, so of the threads that a task has made one helps, and the others only wait. */
static void help(struct kith__call *c)
{
    static pthread_mutex_t helping = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    static _Atomic int missed; /* a thread waits that would have helped */
    struct kith__pool *p = kith__pool_body(c->object);
    uint32_t worker;
    struct kith__lane *lane = kith__my_lane(c->object, &worker);
    struct kith__stream outer;

    if (p->serial) {
        kith__serial_run(c->object, c->job);
        return;
    }
    if (!lane)
        return;
    if (pthread_mutex_trylock(&helping) != 0) {
        atomic_store(&missed, 1);
        if (pthread_mutex_trylock(&helping) != 0)
            return;
    }
    if (kith__job_enter(p, lane, c->post, c->job->seq)) {
        kith__random_save(&outer);
        kith__work_on(c->object, lane, worker, c->job);
        kith__random_restore(&outer);
        kith__job_leave(lane);
    }
    pthread_mutex_unlock(&helping);
    if (atomic_exchange(&missed, 0))
        kith__wake_everybody(); /* rare, and their jobs are not known here */
}

static int wait_for(struct kith__call *c, enum kith__step_result *last)
{
    struct kith__wait w;
    int rc = kith__wait_begin(&w, &c->job->waiters, KITH_FOREVER);

    if (rc < 0)
        return rc;
    w.give_way = c->job->units == 1;
    for (;;) {
        atomic_store(&c->job->eager, c->job->windowed);
        while ((*last = kith__call_step(c)) == KITH__STEP_MOVED)
            ;
        if (*last != KITH__STEP_WAIT)
            break;
        help(c);
        if ((*last = kith__call_step(c)) == KITH__STEP_MOVED)
            continue;
        if (*last != KITH__STEP_WAIT)
            break;
        if ((rc = kith__wait_sleep(&w)) < 0)
            break;
    }
    kith__wait_end(&w, 1);
    return rc;
}

static int too_deep(const struct kith__call_spec *s)
{
    struct kith__object *o;
    struct kith__lane *lane;
    uint32_t worker;

    if (kith_worker() < 0)
        return 0;
    if (kith__pool_find(s->pool, &o) < 0 || !(lane = kith__my_lane(o, &worker)) ||
        atomic_load(&lane->depth) < KITH__DEPTH - 1)
        return 0;
    return kith__fail(KITH_EINVAL, "tasks that call their own pool are nested %d deep: that is the limit",
                      KITH__DEPTH);
}

int kith__call(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
               void *context)
{
    enum kith__step_result last = KITH__STEP_WAIT;
    struct kith__call c;
    int rc;

    if ((rc = too_deep(s)) < 0 || (rc = kith__call_begin(&c, s)) < 0)
        return rc;
    if ((rc = wait_for(&c, &last)) < 0) {
        kith__call_end(&c, last); /* the fork server is gone */
        return kith__server_dead() ? KITH_EPEER : rc;
    }
    if (fold && last == KITH__STEP_DONE && atomic_load(&c.job->fault_count) == 0)
        fold(&c, context);
    return kith__call_end(&c, last);
}

/* ------------------------------------------------------------- public functions */

static int check_common(const struct kith__call_spec *s, const char *what)
{
    int rc = kith__handle_usable(s->pool.id, "Pool");

    if (rc < 0)
        return rc;
    if (!s->fn)
        return kith__fail(KITH_EINVAL, "%s was given no function", what);
    if ((!s->in && s->in_size && s->n) || (is_map(s) && !s->out && s->out_size && s->n))
        return kith__fail(KITH_EINVAL, "%s(%s) was given NULL for %llu elements", what, s->name,
                          (unsigned long long)s->n);
    if (!s->arg && s->arg_size)
        return kith__fail(KITH_EINVAL, "%s(%s) was given %llu bytes of context at NULL", what, s->name,
                          (unsigned long long)s->arg_size);
    if (s->n > UINT64_C(1) << 47 && is_map(s))
        return kith__fail(KITH_EINVAL, "%s(%s) over %llu elements: at most 2^47", what, s->name,
                          (unsigned long long)s->n);
    if (!is_map(s) && s->n && s->out_size > SIZE_MAX / 2 / kith__block_count(s->n))
        return kith__fail(KITH_EINVAL, "%s(%s): %llu totals of %zu bytes are more than memory can hold", what,
                          s->name, (unsigned long long)kith__block_count(s->n), (size_t)s->out_size);
    if ((s->in_size && s->n > SIZE_MAX / 2 / s->in_size) ||
        (is_map(s) && s->out_size && s->n > SIZE_MAX / 2 / s->out_size))
        return kith__fail(KITH_EINVAL, "%s(%s): %llu elements are more than memory can hold", what, s->name,
                          (unsigned long long)s->n);
    return 0;
}

static int map(kith_pool pool, const char *name, kith__fn *fn, int shape, size_t columns, const void *in,
               void *out, size_t n)
{
    size_t arguments = (size_t)(shape & 255), in_size = kith__number_size(shape >> 8 & 255);
    struct kith__call_spec s = {
        .pool = pool,
        .name = name,
        .fn = (kith__anyfn *)fn,
        .kind = KITH__JOB_NUMBERS,
        .shape = shape,
        .n = n,
        .in = in,
        .out = out,
        .in_size = in_size * arguments,
        .out_size = kith__number_size(shape >> 16 & 255),
    };
    int rc = check_common(&s, "kith_map");

    if (rc < 0)
        return rc;
    if (s.in_size == 0 || s.out_size == 0 || arguments > 3)
        return kith__fail(KITH_ETYPE,
                          "kith_map(%s): a function of a shape (%#x) that this version of kith does not know",
                          name, (unsigned)shape);
    if (columns != arguments)
        return kith__fail(KITH_ESIZE, "%s takes %zu argument%s, but the rows have %zu column%s", name,
                          arguments, arguments == 1 ? "" : "s", columns, columns == 1 ? "" : "s");
    return n == 0 ? 0 : kith__call(&s, NULL, NULL);
}

int kith__map(kith_pool pool, const char *name, kith__fn *fn, int shape, size_t columns, const void *in,
              void *out, size_t n)
{
    return kith__report(map(pool, name, fn, shape, columns, in, out, n));
}

static int apply(kith_pool pool, const char *name, kith__fn *fn, int shape, size_t columns, const void *row,
                 void *result)
{
    if (!result)
        return kith__report(
            kith__fail(KITH_EINVAL, "kith_apply(%s) was given no place for the result", name));
    return kith__map(pool, name, fn, shape, columns, row, result, 1);
}

#define APPLY(r, a, R, A)                                                                              \
    int kith__apply_##r##a##1(kith_pool p, const char *name, R (*fn)(A), R *y, A x0)                   \
    {                                                                                                  \
        const A row[1] = { x0 };                                                                       \
        return apply(p, name, (kith__fn *)fn, KITH__SHAPE_CODE(r, a, 1), 1, row, y);                   \
    }                                                                                                  \
    int kith__apply_##r##a##2(kith_pool p, const char *name, R (*fn)(A, A), R *y, A x0, A x1)          \
    {                                                                                                  \
        const A row[2] = { x0, x1 };                                                                   \
        return apply(p, name, (kith__fn *)fn, KITH__SHAPE_CODE(r, a, 2), 2, row, y);                   \
    }                                                                                                  \
    int kith__apply_##r##a##3(kith_pool p, const char *name, R (*fn)(A, A, A), R *y, A x0, A x1, A x2) \
    {                                                                                                  \
        const A row[3] = { x0, x1, x2 };                                                               \
        return apply(p, name, (kith__fn *)fn, KITH__SHAPE_CODE(r, a, 3), 3, row, y);                   \
    }
KITH__SHAPES(APPLY)

int kith__pool_map(kith_pool pool, const char *name, int (*fn)(const void *in, void *out), const void *in,
                   size_t in_size, void *out, size_t out_size, size_t n)
{
    struct kith__call_spec s = {
        .pool = pool,
        .name = name,
        .fn = (kith__anyfn *)fn,
        .kind = KITH__JOB_BYTES,
        .n = n,
        .in = in,
        .out = out,
        .in_size = in_size,
        .out_size = out_size,
    };
    int rc = check_common(&s, "kith_pool_map");

    return kith__report(rc < 0 || n == 0 ? rc : kith__call(&s, NULL, NULL));
}

int kith__pool_for(kith_pool pool, const char *name, int (*fn)(uint64_t lo, uint64_t hi, const void *arg),
                   const void *arg, size_t size, uint64_t n)
{
    struct kith__call_spec s = {
        .pool = pool,
        .name = name,
        .fn = (kith__anyfn *)fn,
        .kind = KITH__JOB_FOR,
        .n = n,
        .arg = arg,
        .arg_size = size,
    };
    int rc = check_common(&s, "kith_pool_for");

    return kith__report(rc < 0 || n == 0 ? rc : kith__call(&s, NULL, NULL));
}

static void add_up(struct kith__call *c, void *context)
{
    const double *part = kith__at(c->job->out);
    double sum = 0.0;

    for (uint64_t b = 0; b < c->job->units; b++)
        sum += part[b];
    *(double *)context = sum;
}

int kith__sum(kith_pool pool, const char *name, double (*fn)(uint64_t lo, uint64_t hi, const void *arg),
              const void *arg, size_t size, uint64_t n, double *sum)
{
    struct kith__call_spec s = {
        .pool = pool,
        .name = name,
        .fn = (kith__anyfn *)fn,
        .kind = KITH__JOB_SUM,
        .n = n,
        .arg = arg,
        .arg_size = size,
        .out_size = sizeof(double),
    };
    int rc = check_common(&s, "kith_sum");

    if (rc == 0 && !sum)
        rc = kith__fail(KITH_EINVAL, "kith_sum(%s) was given no place for the sum", name);
    if (rc == 0 && n == 0)
        *sum = 0.0;
    return kith__report(rc < 0 || n == 0 ? rc : kith__call(&s, add_up, sum));
}

struct folding {
    void (*fold)(void *total, const void *part);
    void *total;
};

static void fold_up(struct kith__call *c, void *context)
{
    const struct folding *f = context;

    for (uint64_t b = 0; b < c->job->units; b++)
        f->fold(f->total, (const char *)kith__at(c->job->out) + b * c->job->out_size);
}

int kith__reduce(kith_pool pool, const char *name,
                 int (*fn)(uint64_t lo, uint64_t hi, const void *arg, void *part), const void *arg,
                 size_t size, uint64_t n, void (*fold)(void *total, const void *part), void *total,
                 size_t total_size)
{
    struct folding f = { fold, total };
    struct kith__call_spec s = {
        .pool = pool,
        .name = name,
        .fn = (kith__anyfn *)fn,
        .kind = KITH__JOB_REDUCE,
        .n = n,
        .arg = arg,
        .arg_size = size,
        .out_size = total_size,
    };
    int rc = check_common(&s, "kith_reduce");

    if (rc == 0 && (!fold || !total || total_size == 0))
        rc = kith__fail(KITH_EINVAL, "kith_reduce(%s) needs a function that folds and a total", name);
    return kith__report(rc < 0 || n == 0 ? rc : kith__call(&s, fold_up, &f));
}
