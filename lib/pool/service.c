/* service.c: the thread that begins calls which do not wait, takes their steps, ends them, and calls the
 * functions that wait for their ends; see calls.h. Those that cannot begin yet stand in lines. */
#include "config.h"
#include "pool/service.h"
#include "pool/calls.h"
#include "base/error.h"
#include "base/standin.h"
#include "pool/attend.h"
#include "pool/away.h"
#include "pool/notices.h"
#include "pool/spread.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ the line */

/* Those of lower priority keep none from beginning. */
static uint32_t count_under_way(kith_pool pool, int32_t priority)
{
    uint32_t count = 0;

    for (const struct kith__later *l = kith__calls.under_way.first; l; l = l->link.next)
        count += l->s.pool.id == pool.id && l->turn.priority >= priority;
    return count;
}

/* Under the mutex; it is in no list. */
static int begin(struct kith__later *l)
{
    struct kith__turn own = kith__turn;
    int rc;

    kith__turn = l->turn;
    rc = kith__call_begin(&l->call, &l->s);
    kith__turn = own;
    if (rc < 0)
        return rc;
    atomic_store(&l->call.job->eager, l->call.job->windowed);
    kith__link_first(&kith__calls.under_way, l, link);
    atomic_store(&l->state, KITH__LATER_GOES_ON);
    return 0;
}

/* The first in line for the pool. */
static struct kith__call_line *line_for(kith_pool pool)
{
    struct kith__call_line *line = kith__calls.lines.first;

    while (line && (line->pool.id != pool.id || !line->calls.first))
        line = line->link.next;
    return line;
}

static struct kith__call_line *line_of(const struct kith__later *l)
{
    struct kith__call_line *line = kith__calls.lines.first;

    while (line && (line->pool.id != l->s.pool.id || line->priority != l->turn.priority))
        line = line->link.next;
    return line;
}

static struct kith__call_line *new_line(const struct kith__later *l)
{
    struct kith__call_line *line = calloc(1, sizeof *line), *before = kith__calls.lines.first;

    if (!line)
        return NULL;
    line->pool = l->s.pool;
    line->priority = l->turn.priority;
    while (before && before->priority > line->priority)
        before = before->link.next;
    kith__link_before(&kith__calls.lines, line, before, link);
    return line;
}

/* Under the mutex. */
static int stand_in_line(struct kith__later *l)
{
    struct kith__call_line *line = line_of(l);

    if (!line && !(line = new_line(l)))
        return kith__fail(KITH_ENOMEM, "no memory for a call");
    kith__link_last(&line->calls, l, link);
    l->line = line;
    return 0;
}

/* Under the mutex. 1: it stood in one. An empty line goes when it is looked at next. */
int kith__service_leave_line(struct kith__later *l)
{
    if (!l->line)
        return 0;
    kith__unlink(&l->line->calls, l, link);
    l->line = NULL;
    return 1;
}

static int ended_before(const struct kith__later *l)
{
    return kith__attend_ended(l->s.far) < 0 ? KITH_EPEER
                                            : kith__fail(KITH_ECANCELLED, "the pool ended before the call");
}

/* Under the mutex. As many as may be under way. 1: some. */
static int begin_from(struct kith__call_line *line)
{
    uint32_t count = count_under_way(line->pool, line->priority);
    struct kith__later *l;
    int some = 0, rc;

    while ((l = line->calls.first) && count < KITH__UNDER_WAY) {
        kith__service_leave_line(l);
        if ((rc = begin(l)) == 0)
            count++;
        else
            kith__later_keep_outcome(l, rc == KITH_ESTALE ? ended_before(l) : rc);
        some = 1;
    }
    return some;
}

/* Under the mutex. 1: some began. */
static int begin_those_in_line(void)
{
    int some = 0;

    for (struct kith__call_line *line = kith__calls.lines.first, *next; line; line = next) {
        some |= begin_from(line);
        next = line->link.next;
        if (!line->calls.first) {
            kith__unlink(&kith__calls.lines, line, link);
            free(line);
        }
    }
    if (some)
        kith__wake_all(&kith__calls.bells->ready); /* who waits in a task can do something for them */
    return some;
}

/* ------------------------------------------------------------------ the thread */

/* Takes what steps can be taken now. 1: something has moved. *again becomes the time when it has something to
 * say, when that is sooner. */
static int drive(struct kith__later *l, int64_t *again)
{
    enum kith__step_result last;
    int moved = 0;
    int64_t tell;

    kith__spread_repair(l->call.object);
    while ((last = kith__call_step(&l->call)) == KITH__STEP_MOVED)
        moved = 1;
    if (last != KITH__STEP_WAIT) {
        kith__later_finish(l, kith__later_end_job(l, last));
        return 1;
    }
    tell = kith__call_tell(&l->call);
    if (tell >= 0 && (*again < 0 || tell < *again))
        *again = tell;
    pthread_mutex_lock(&kith__calls.mutex);
    l->driven = 0;
    kith__later_look(l);
    pthread_mutex_unlock(&kith__calls.mutex);
    return moved;
}

/* Under the mutex: one that nobody drives, and that was not looked at in this turn. */
static struct kith__later *next_to_drive(uint64_t turn, struct kith__wait *w)
{
    for (struct kith__later *l = kith__calls.under_way.first; l; l = l->link.next)
        if (!l->driven && l->call.turn != turn) {
            l->call.turn = turn;
            l->driven = 1;
            kith__wait_join(w, &l->call.job->waiters);
            return l;
        }
    return NULL;
}

/* Under the mutex, which it leaves. */
static void call(kith_pool pool, kith_ready_fn *fn, kith_result result, void *arg)
{
    kith__calls.called = pool;
    pthread_mutex_unlock(&kith__calls.mutex);
    fn(result, arg);
    pthread_mutex_lock(&kith__calls.mutex);
    kith__calls.called.id = 0;
}

/* Under the mutex. 1: some. */
static int call_for_calls(void)
{
    struct kith__later *l;
    int some = 0;

    while ((l = kith__calls.calls.first) && !kith__calls.ends) {
        kith_ready_fn *fn = l->fn;

        kith__unlink(&kith__calls.calls, l, called);
        l->fn = NULL;
        l->held++;
        call(l->s.pool, fn, l->result, l->arg);
        l->held--;
        kith__later_look(l);
        some = 1;
    }
    return some;
}

static void call_notice(kith_pool pool, const struct kith__notice *n)
{
    call(pool, n->fn, n->result, n->arg);
}

/* The fork server is gone, and all workers with it. */
static void end_all(void)
{
    struct kith__later *l;

    pthread_mutex_lock(&kith__calls.mutex);
    for (;;) {
        for (l = kith__calls.under_way.first; l && l->driven; l = l->link.next)
            ;
        if (!l)
            break;
        l->driven = 1;
        pthread_mutex_unlock(&kith__calls.mutex);
        kith__later_end_without_server(l);
        pthread_mutex_lock(&kith__calls.mutex);
    }
    pthread_mutex_unlock(&kith__calls.mutex);
}

static void *serve(void *nothing)
{
    struct kith__wait w;
    uint64_t turn = 0;
    int ends = kith__wait_begin(&w, NULL, KITH_FOREVER) < 0;

    while (!ends) {
        struct kith__later *l;
        int64_t again = -1;
        int moved;

        turn++;
        kith__wait_join(&w, &kith__calls.bells->service);
        pthread_mutex_lock(&kith__calls.mutex);
        moved = begin_those_in_line();
        while (!(ends = kith__calls.ends) && (l = next_to_drive(turn, &w))) {
            pthread_mutex_unlock(&kith__calls.mutex);
            moved |= drive(l, &again);
            pthread_mutex_lock(&kith__calls.mutex);
        }
        moved |= call_for_calls();
        moved |= kith__notices_call(&w, call_notice, &kith__calls.ends);
        ends = kith__calls.ends;
        pthread_mutex_unlock(&kith__calls.mutex);
        w.deadline = again;
        if (!ends && !moved && kith__wait_sleep(&w) == KITH_EPEER) {
            end_all();
            kith__nap(100 * KITH__MS);
        }
    }
    if (kith__base) { /* else a function that was called has ended the job */
        kith__wait_leave(&w, &kith__calls.bells->service, 0);
        kith__wait_end(&w, 1);
    }
    return nothing;
}

/* Signals are the program's. Under the mutex. */
int kith__service_begin(void)
{
    uint64_t block;

    if (kith__calls.serves)
        return 0;
    if (!kith__calls.bells) {
        if (!(block = kith__heap_alloc(sizeof *kith__calls.bells, kith__me)))
            return KITH_ENOMEM;
        memset(kith__at(block), 0, sizeof *kith__calls.bells);
        kith__calls.bells = kith__at(block);
    }
    kith__calls.serves = kith__thread_begin(&kith__calls.service, serve, NULL) == 0;
    if (kith__calls.serves)
        kith__standin_begin();
    return kith__calls.serves ? 0
                              : kith__fail(KITH_ENOMEM, "no thread can be started for asynchronous calls");
}

void kith__later_end(void)
{
    kith__away_end();
    pthread_mutex_lock(&kith__calls.mutex);
    kith__calls.ends = 1;
    if (kith__calls.serves)
        kith__wake_all(&kith__calls.bells->service);
    pthread_mutex_unlock(&kith__calls.mutex);
    if (kith__calls.serves && !pthread_equal(kith__calls.service.of, pthread_self()))
        kith__thread_join(&kith__calls.service);
    if (kith__calls.serves)
        kith__standin_end();
    kith__calls.serves = 0;
}

/* When that fails it is gone. */
int kith__service_enter(struct kith__later *l)
{
    int rc;

    pthread_mutex_lock(&kith__calls.mutex);
    if ((rc = kith__service_begin()) < 0 || (rc = kith__local_take(&kith__calls.numbers, l, &l->number)) < 0)
        free(l);
    else {
        if (!line_of(l) && count_under_way(l->s.pool, l->turn.priority) < KITH__UNDER_WAY)
            rc = begin(l); /* the caller hears of a failure at once */
        else
            rc = stand_in_line(l);
        if (rc < 0)
            kith__later_let_go(l);
    }
    pthread_mutex_unlock(&kith__calls.mutex);
    if (rc == 0)
        kith__wake_all(&kith__calls.bells->service); /* it takes the first steps */
    return rc;
}

/* ------------------------------------------------------------------ the end of a pool */

static int is_in_line(kith_pool pool)
{
    const struct kith__call_line *line;
    int is;

    pthread_mutex_lock(&kith__calls.mutex);
    line = line_for(pool);
    is = line != NULL;
    pthread_mutex_unlock(&kith__calls.mutex);
    return is;
}

/* In the service, whose turn would come too late: takes all steps of all calls of the pool. */
static void carry(kith_pool pool)
{
    enum kith__step_result last;
    struct kith__later *l;

    pthread_mutex_lock(&kith__calls.mutex);
    for (;;) {
        begin_those_in_line();
        for (l = kith__calls.under_way.first; l && (l->s.pool.id != pool.id || l->driven); l = l->link.next)
            ;
        if (!l)
            break;
        l->driven = 1;
        pthread_mutex_unlock(&kith__calls.mutex);
        if (kith__call_wait(&l->call, -1, &last) < 0)
            kith__later_end_without_server(l);
        else
            kith__later_finish(l, kith__later_end_job(l, last));
        pthread_mutex_lock(&kith__calls.mutex);
    }
    pthread_mutex_unlock(&kith__calls.mutex);
}

void kith__later_give_up(kith_pool pool)
{
    if (!kith__calls.serves || !pthread_equal(kith__calls.service.of, pthread_self()))
        return;
    pthread_mutex_lock(&kith__calls.mutex);
    for (const struct kith__call_line *line; (line = line_for(pool));)
        kith__later_cancel_held(line->calls.first);
    for (struct kith__later *l = kith__calls.under_way.first; l; l = l->link.next)
        if (l->s.pool.id == pool.id)
            kith__later_cancel_held(l);
    pthread_mutex_unlock(&kith__calls.mutex);
    carry(pool);
}

void kith__later_flush(kith_pool pool)
{
    if (kith__calls.serves && pthread_equal(kith__calls.service.of, pthread_self()))
        carry(pool);
    while (kith__calls.serves && is_in_line(pool) && !kith__server_dead())
        kith__nap(200000);
}

/* ------------------------------------------------------------------ functions that are called */

/* Under the mutex: the service calls its function. */
void kith__service_call(struct kith__later *l)
{
    kith__link_last(&kith__calls.calls, l, called);
    kith__wake_all(&kith__calls.bells->service);
}

int kith__later_notify(struct kith__later *l, kith_result r, kith_ready_fn *fn, void *arg)
{
    int rc;

    pthread_mutex_lock(&kith__calls.mutex);
    if (l->fn)
        rc = kith__fail(KITH_EINVAL, "this Result has a function to call already");
    else if ((rc = kith__service_begin()) == 0) {
        l->fn = fn;
        l->arg = arg;
        l->result = r;
        if (atomic_load(&l->state) == KITH__LATER_READY)
            kith__service_call(l);
    }
    pthread_mutex_unlock(&kith__calls.mutex);
    return rc;
}

int kith__later_notify_task(struct kith__feed *feed, uint64_t unit, kith_result r, kith_ready_fn *fn,
                            void *arg)
{
    const struct kith__notice new = { unit, r, fn, arg };
    int rc;

    pthread_mutex_lock(&kith__calls.mutex);
    if ((rc = kith__service_begin()) == 0)
        rc = kith__notices_add(feed, &new);
    pthread_mutex_unlock(&kith__calls.mutex);
    if (rc == 0)
        kith__wake_all(&kith__calls.bells->service);
    return rc;
}

static int is_to_be_called(kith_pool pool)
{
    int is;

    pthread_mutex_lock(&kith__calls.mutex);
    is = (kith__calls.called.id && kith__calls.called.id == pool.id) || kith__notices_are_of(pool);
    for (const struct kith__later *l = kith__calls.calls.first; l && !is; l = l->called.next)
        is = l->s.pool.id == pool.id;
    pthread_mutex_unlock(&kith__calls.mutex);
    return is;
}

void kith__later_settle(kith_pool pool)
{
    if (kith__calls.serves && pthread_equal(kith__calls.service.of, pthread_self()))
        return;
    while (kith__calls.serves && is_to_be_called(pool) && !kith__server_dead()) {
        kith__wake_all(&kith__calls.bells->service);
        kith__nap(200000);
    }
}
