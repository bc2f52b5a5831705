/* later.c: see later.h and calls.h. Called by result.c and crowd.c. */
#include "config.h"
#include "pool/calls.h"
#include "pool/elsewhere.h"
#include "pool/service.h"
#include "base/error.h"
#include "base/own.h"
#include "pool/attend.h"
#include "pool/away.h"
#include "pool/fault.h"
#include "pool/pool.h"
#include "pool/worker.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

KITH__OF_PROCESS struct kith__calls kith__calls = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* Of any size, and of a task, which nobody has taken. */
static void free_bytes(const struct kith__later *l)
{
    const kith_bytes *b = l->value;

    if (b && l->s.kind == KITH__JOB_VARIABLE && !l->taken && b->data)
        kith__heap_free(kith__offset(b->data));
}

/* It is nobody's any more. */
void kith__later_let_go(struct kith__later *l)
{
    free_bytes(l);
    kith__local_let_go(&kith__calls.numbers, l->number);
    free(l->sentence);
    free(l->faults);
    free(l->value);
    free(l);
}

void kith__later_look(struct kith__later *l)
{
    if (!l->dropped || l->held > 0 || l->driven || l->fn || atomic_load(&l->state) != KITH__LATER_READY)
        return;
    if (l->code == KITH_ETASK && !l->taken && !l->withdrawn)
        kith__fault_tell_unseen(l->sentence ? l->sentence : l->name);
    kith__later_let_go(l);
}

struct kith__later *kith__later_get(uint64_t number)
{
    struct kith__later *l;

    pthread_mutex_lock(&kith__calls.mutex);
    l = kith__local_find(&kith__calls.numbers, number);
    if (l && l->dropped)
        l = NULL;
    if (l)
        l->held++;
    pthread_mutex_unlock(&kith__calls.mutex);
    return l;
}

void kith__later_put(struct kith__later *l)
{
    pthread_mutex_lock(&kith__calls.mutex);
    l->held--;
    kith__later_look(l);
    pthread_mutex_unlock(&kith__calls.mutex);
}

/* ------------------------------------------------------------------ its end */

static void *take_own(enum kith__own what)
{
    void *block = kith__owned[what];

    kith__owned[what] = NULL;
    return block;
}

/* What the thread that has ended it knows is for whoever takes the result. */
void kith__later_keep_outcome(struct kith__later *l, int code)
{
    l->code = code;
    if (code < 0)
        l->sentence = strdup(kith_last_error());
    if (code == KITH_ETASK)
        l->faults = take_own(KITH__OWN_FAULTS);
    atomic_store(&l->state, KITH__LATER_READY);
    if (l->fn)
        kith__service_call(l);
    if (kith__calls.bells)
        kith__wake_all(&kith__calls.bells->ready);
}

int kith__later_fail_as_cancelled(const struct kith__later *l)
{
    return kith__fail(KITH_ECANCELLED, "%s was cancelled", l->name[0] ? l->name : "the call");
}

int kith__later_end_job(struct kith__later *l, enum kith__step_result last)
{
    int rc;

    pthread_mutex_lock(&kith__calls.mutex);
    l->ends = 1;
    pthread_mutex_unlock(&kith__calls.mutex);
    rc = kith__call_end(&l->call, last);
    if (l->cancelled) /* also when its last task has come to its end before it was killed */
        rc = kith__later_fail_as_cancelled(l);
    return rc;
}

/* Driven by us. */
void kith__later_finish(struct kith__later *l, int code)
{
    pthread_mutex_lock(&kith__calls.mutex);
    kith__unlink(&kith__calls.under_way, l, link);
    l->driven = 0;
    kith__later_keep_outcome(l, code);
    kith__later_look(l);
    pthread_mutex_unlock(&kith__calls.mutex);
    kith__wake_all(&kith__calls.bells->service); /* for the next in the line */
}

/* Driven by us: nobody does its tasks any more. */
void kith__later_end_without_server(struct kith__later *l)
{
    kith__later_end_job(l, KITH__STEP_WAIT);
    kith__server_dead(); /* its sentence */
    kith__later_finish(l, KITH_EPEER);
}

/* ------------------------------------------------------------------ beginning */

struct kith__later *kith__later_make(const struct kith__call_spec *s)
{
    struct kith__later *l = calloc(1, sizeof *l);

    if (!l) {
        kith__fail(KITH_ENOMEM, "no memory for a call");
        return NULL;
    }
    l->s = *s;
    l->turn = kith__turn;
    if (s->name) {
        memcpy(l->name, s->name, strnlen(s->name, sizeof l->name - 1));
        l->s.name = l->name;
    }
    return l;
}

/* KITH_SERIAL=1, or there is nothing to do: at once, here. */
static int run(struct kith__later *l)
{
    if (!l->s.out && l->s.out_size && !(l->value = malloc(l->s.out_size)))
        return kith__fail(KITH_ENOMEM, "no memory for a result");
    if (l->value)
        l->s.out = l->value;
    return l->s.n == 0 ? 0 : kith__call(&l->s, NULL, NULL);
}

int kith__later_begin(const struct kith__call_spec *s, uint64_t *number)
{
    struct kith__object *o;
    struct kith__later *l;
    int rc, away = kith__attend_is_needed(s->pool);

    if (away && s->n > 0)
        return kith__later_begin_elsewhere(s, number);
    if (!away && (rc = kith__pool_find(s->pool, &o)) < 0)
        return rc;
    if (!(l = kith__later_make(s)))
        return KITH_ENOMEM;
    if (s->n == 0 || kith__pool_body(o)->serial) {
        rc = run(l);
        pthread_mutex_lock(&kith__calls.mutex);
        kith__later_keep_outcome(l, rc);
        rc = kith__local_take(&kith__calls.numbers, l, &l->number);
        pthread_mutex_unlock(&kith__calls.mutex);
    } else if ((rc = kith__service_enter(l)) < 0)
        return rc;
    if (rc == 0)
        *number = l->number;
    return rc;
}

/* ------------------------------------------------------------------ waiting */

int kith__later_is_ready(const struct kith__later *l)
{
    return atomic_load(&l->state) == KITH__LATER_READY;
}

/* 1: it is ours to drive. */
static int take_over(struct kith__later *l)
{
    int ours;

    pthread_mutex_lock(&kith__calls.mutex);
    ours = atomic_load(&l->state) == KITH__LATER_GOES_ON && !l->driven;
    if (ours)
        l->driven = 1;
    pthread_mutex_unlock(&kith__calls.mutex);
    return ours;
}

static void hand_back(struct kith__later *l)
{
    pthread_mutex_lock(&kith__calls.mutex);
    l->driven = 0;
    kith__later_look(l);
    pthread_mutex_unlock(&kith__calls.mutex);
    kith__wake_all(&kith__calls.bells->service);
}

/* A task that waits for one of its calls runs tasks of any of them: the one that it waits for may stand in
 * the line behind others. */
void kith__later_help(int polls)
{
    struct {
        struct kith__object *object;
        struct kith__job *job;
        uint32_t post;
        uint64_t seq;
    } found[KITH__UNDER_WAY * KITH__PRIORITIES];
    uint32_t worker;
    int count = 0;

    if (kith_worker() < 0)
        return;
    pthread_mutex_lock(&kith__calls.mutex);
    for (const struct kith__later *l = kith__calls.under_way.first;
         l && count < KITH__UNDER_WAY * KITH__PRIORITIES; l = l->link.next)
        if (!l->ends && kith__my_lane(l->call.object, &worker) &&
            !(polls && kith__call_has_idle(l->call.object))) {
            found[count].object = l->call.object;
            found[count].job = l->call.job;
            found[count].post = l->call.post;
            found[count++].seq = l->call.job->seq;
        }
    pthread_mutex_unlock(&kith__calls.mutex);
    while (count-- > 0)
        kith__call_help(found[count].object, found[count].job, found[count].post, found[count].seq,
                        KITH__STAYS);
}

/* Waits while somebody else drives it, or it stands in the line. */
static int wait_beside(struct kith__later *l, int64_t deadline)
{
    struct kith__wait w;
    int rc = kith__wait_begin(&w, &kith__calls.bells->ready, KITH_FOREVER);

    if (rc < 0)
        return rc;
    w.deadline = deadline;
    while (rc == 0 && !kith__later_is_ready(l)) {
        kith__later_help(0);
        if (!kith__later_is_ready(l))
            rc = kith__wait_sleep(&w);
    }
    kith__wait_end(&w, 1);
    return kith__later_is_ready(l) ? 0 : rc;
}

int kith__later_wait(struct kith__later *l, int timeout_ms)
{
    int64_t deadline = timeout_ms == KITH_FOREVER ? -1 : kith__now_ns() + timeout_ms * KITH__MS;
    enum kith__step_result last;
    int rc;

    if (kith__later_is_ready(l))
        return 0;
    if (!take_over(l))
        return wait_beside(l, deadline);
    rc = kith__call_wait(&l->call, deadline, &last);
    if (rc == KITH_EPEER) {
        kith__later_end_without_server(l);
        return 0;
    }
    if (rc == 0)
        kith__later_finish(l, kith__later_end_job(l, last));
    else
        hand_back(l);
    return rc;
}

void kith__later_join(struct kith__wait *w)
{
    if (kith__calls.bells)
        kith__wait_join(w, &kith__calls.bells->ready);
}

void kith__later_leave(struct kith__wait *w)
{
    if (kith__calls.bells)
        kith__wait_leave(w, &kith__calls.bells->ready, 0);
}

void kith__later_wake(void)
{
    if (kith__calls.bells)
        kith__wake_all(&kith__calls.bells->ready);
}

/* ------------------------------------------------------------------ taking, cancelling */

int kith__later_code(const struct kith__later *l)
{
    return l->code;
}

const void *kith__later_value(const struct kith__later *l, uint64_t *size)
{
    *size = l->s.out_size;
    return l->value;
}

void kith__later_drop(struct kith__later *l)
{
    pthread_mutex_lock(&kith__calls.mutex);
    l->dropped = 1;
    pthread_mutex_unlock(&kith__calls.mutex);
}

/* 0: another thread has waited for it, too, and was faster. */
static int is_ours(struct kith__later *l)
{
    int ours;

    pthread_mutex_lock(&kith__calls.mutex);
    ours = !l->taken;
    l->taken = l->dropped = 1;
    pthread_mutex_unlock(&kith__calls.mutex);
    return ours;
}

int kith__later_take(struct kith__later *l)
{
    if (!is_ours(l))
        return kith__fail(KITH_ESTALE, "this Result was taken, or dropped");
    if (l->code == KITH_ETASK) {
        kith__own_replace(KITH__OWN_FAULTS, l->faults);
        l->faults = NULL;
    }
    if (l->code < 0)
        kith__fail(l->code, "%s", l->sentence ? l->sentence : kith_strerror(l->code));
    return l->code;
}

/* Under the mutex. */
int kith__later_cancel_held(struct kith__later *l)
{
    if (atomic_load(&l->state) == KITH__LATER_READY || l->ends)
        return kith__fail(KITH_EEND, "the call has ended already");
    l->cancelled = 1;
    if (kith__service_leave_line(l))
        kith__later_keep_outcome(l, kith__later_fail_as_cancelled(l));
    else if (!l->away)
        kith__call_cancel(&l->call);
    return 0;
}

int kith__later_cancel(struct kith__later *l)
{
    int rc;

    pthread_mutex_lock(&kith__calls.mutex);
    rc = kith__later_cancel_held(l);
    pthread_mutex_unlock(&kith__calls.mutex);
    if (rc == 0 && l->away)
        kith__away_cancel(l->away, l->number);
    if (rc == 0 && kith__calls.bells)
        kith__wake_all(&kith__calls.bells->service);
    return rc;
}

void kith__later_withdraw(struct kith__later *l)
{
    int ready;

    pthread_mutex_lock(&kith__calls.mutex);
    ready = atomic_load(&l->state) == KITH__LATER_READY;
    l->dropped = l->withdrawn = 1;
    pthread_mutex_unlock(&kith__calls.mutex);
    if (!ready)
        kith__away_withdraw(l->away, l->number);
}
