/* later.c: see later.h. Called by result.c and crowd.c.
 *
 * Who takes the steps of a call has its .driven: the service, which takes those that can be taken at once and
 * goes on to the next call, or a thread that waits for it, which takes all. All else is under the mutex.
 */
#include "config.h"
#include "pool/later.h"
#include "pool/local.h"
#include "base/error.h"
#include "base/list.h"
#include "base/own.h"
#include "base/standin.h"
#include "base/system.h"
#include "pool/attend.h"
#include "pool/away.h"
#include "pool/fault.h"
#include "pool/notices.h"
#include "pool/order.h"
#include "pool/pool.h"
#include "pool/spread.h"
#include "pool/turn.h"
#include "pool/worker.h"
#include "shm/heap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { UNDER_WAY = 16 };

enum state { WAITS, GOES_ON, READY };

struct kith__later {
    KITH__LINK(struct kith__later) link;   /* in a line, of those under way, or of those elsewhere */
    KITH__LINK(struct kith__later) called; /* of those whose .fn is to be called */
    struct line *line;                     /* in which it stands; NULL: none */
    struct kith__away *away;               /* where it was sent; NULL: it is of this node */
    uint64_t number;
    struct kith__call_spec s;
    struct kith__call call;
    struct kith__turn turn; /* of the thread that made it */
    char name[64];
    _Atomic uint32_t state;
    int driven, dropped, taken, cancelled, withdrawn, held;
    int ends; /* its job is being given back */
    int code; /* when it is ready */
    char *sentence;
    void *faults; /* what kith_last_fault gives */
    void *value;  /* of one task; NULL: none is kept */
    kith_ready_fn *fn;
    void *arg;
    kith_result result; /* what fn gets */
};

struct line { /* of those of one priority that wait until others of their pool have ended */
    KITH__LINK(struct line) link;
    kith_pool pool;
    int32_t priority;
    KITH__LIST(struct kith__later) calls;
};

struct bells { /* in the arena, since threads sleep on its words only */
    struct kith__waiters ready, service;
};

static struct {
    pthread_mutex_t mutex;
    struct kith__locals numbers;
    KITH__LIST(struct kith__later) under_way, elsewhere;
    KITH__LIST(struct kith__later) calls; /* ready ones whose .fn is to be called */
    KITH__LIST(struct line) lines;        /* those of the highest priority first */
    kith_pool called;                     /* whose fn is being called */
    struct bells *_Atomic bells;
    struct kith__thread service;
    _Atomic int serves; /* looked at without the mutex, as .bells */
    int ends;
} self = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* Of any size, and of a task, which nobody has taken. */
static void free_bytes(const struct kith__later *l)
{
    const kith_bytes *b = l->value;

    if (b && l->s.kind == KITH__JOB_VARIABLE && !l->taken && b->data)
        kith__heap_free(kith__offset(b->data));
}

/* It is nobody's any more. */
static void let_go(struct kith__later *l)
{
    free_bytes(l);
    kith__local_let_go(&self.numbers, l->number);
    free(l->sentence);
    free(l->faults);
    free(l->value);
    free(l);
}

static void look_whether_over(struct kith__later *l)
{
    if (!l->dropped || l->held > 0 || l->driven || l->fn || atomic_load(&l->state) != READY)
        return;
    if (l->code == KITH_ETASK && !l->taken && !l->withdrawn)
        kith__fault_tell_unseen(l->sentence ? l->sentence : l->name);
    let_go(l);
}

struct kith__later *kith__later_get(uint64_t number)
{
    struct kith__later *l;

    pthread_mutex_lock(&self.mutex);
    l = kith__local_find(&self.numbers, number);
    if (l && l->dropped)
        l = NULL;
    if (l)
        l->held++;
    pthread_mutex_unlock(&self.mutex);
    return l;
}

void kith__later_put(struct kith__later *l)
{
    pthread_mutex_lock(&self.mutex);
    l->held--;
    look_whether_over(l);
    pthread_mutex_unlock(&self.mutex);
}

/* ------------------------------------------------------------------ its end */

static void *take_own(enum kith__own what)
{
    void *block = kith__owned[what];

    kith__owned[what] = NULL;
    return block;
}

/* Under the mutex: the service calls its function. */
static void call_later(struct kith__later *l)
{
    kith__link_last(&self.calls, l, called);
    kith__wake_all(&self.bells->service);
}

/* What the thread that has ended it knows is for whoever takes the result. */
static void keep_outcome(struct kith__later *l, int code)
{
    l->code = code;
    if (code < 0)
        l->sentence = strdup(kith_last_error());
    if (code == KITH_ETASK)
        l->faults = take_own(KITH__OWN_FAULTS);
    atomic_store(&l->state, READY);
    if (l->fn)
        call_later(l);
    if (self.bells)
        kith__wake_all(&self.bells->ready);
}

static int fail_as_cancelled(const struct kith__later *l)
{
    return kith__fail(KITH_ECANCELLED, "%s was cancelled", l->name[0] ? l->name : "the call");
}

static int end(struct kith__later *l, enum kith__step_result last)
{
    int rc;

    pthread_mutex_lock(&self.mutex);
    l->ends = 1;
    pthread_mutex_unlock(&self.mutex);
    rc = kith__call_end(&l->call, last);
    if (l->cancelled) /* also when its last task has come to its end before it was killed */
        rc = fail_as_cancelled(l);
    return rc;
}

/* Driven by us. */
static void finish(struct kith__later *l, int code)
{
    pthread_mutex_lock(&self.mutex);
    kith__unlink(&self.under_way, l, link);
    l->driven = 0;
    keep_outcome(l, code);
    look_whether_over(l);
    pthread_mutex_unlock(&self.mutex);
    kith__wake_all(&self.bells->service); /* for the next in the line */
}

/* Driven by us: nobody does its tasks any more. */
static void end_without_server(struct kith__later *l)
{
    end(l, KITH__STEP_WAIT);
    kith__server_dead(); /* its sentence */
    finish(l, KITH_EPEER);
}

/* ------------------------------------------------------------------ the line */

/* Those of lower priority keep none from beginning. */
static uint32_t count_under_way(kith_pool pool, int32_t priority)
{
    uint32_t count = 0;

    for (const struct kith__later *l = self.under_way.first; l; l = l->link.next)
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
    kith__link_first(&self.under_way, l, link);
    atomic_store(&l->state, GOES_ON);
    return 0;
}

/* The first in line for the pool. */
static struct line *line_for(kith_pool pool)
{
    struct line *line = self.lines.first;

    while (line && (line->pool.id != pool.id || !line->calls.first))
        line = line->link.next;
    return line;
}

static struct line *line_of(const struct kith__later *l)
{
    struct line *line = self.lines.first;

    while (line && (line->pool.id != l->s.pool.id || line->priority != l->turn.priority))
        line = line->link.next;
    return line;
}

static struct line *new_line(const struct kith__later *l)
{
    struct line *line = calloc(1, sizeof *line), *before = self.lines.first;

    if (!line)
        return NULL;
    line->pool = l->s.pool;
    line->priority = l->turn.priority;
    while (before && before->priority > line->priority)
        before = before->link.next;
    kith__link_before(&self.lines, line, before, link);
    return line;
}

/* Under the mutex. */
static int stand_in_line(struct kith__later *l)
{
    struct line *line = line_of(l);

    if (!line && !(line = new_line(l)))
        return kith__fail(KITH_ENOMEM, "no memory for a call");
    kith__link_last(&line->calls, l, link);
    l->line = line;
    return 0;
}

/* Under the mutex. 1: it stood in one. An empty line goes when it is looked at next. */
static int leave_line(struct kith__later *l)
{
    if (!l->line)
        return 0;
    kith__unlink(&l->line->calls, l, link);
    l->line = NULL;
    return 1;
}

/* Under the mutex. As many as may be under way. 1: some. */
static int begin_from(struct line *line)
{
    uint32_t count = count_under_way(line->pool, line->priority);
    struct kith__later *l;
    int some = 0, rc;

    while ((l = line->calls.first) && count < UNDER_WAY) {
        leave_line(l);
        if ((rc = begin(l)) == 0)
            count++;
        else
            keep_outcome(l, rc == KITH_ESTALE ? kith__fail(KITH_ECANCELLED, "the pool ended before the call")
                                              : rc);
        some = 1;
    }
    return some;
}

/* Under the mutex. 1: some began. */
static int begin_those_in_line(void)
{
    int some = 0;

    for (struct line *line = self.lines.first, *next; line; line = next) {
        some |= begin_from(line);
        next = line->link.next;
        if (!line->calls.first) {
            kith__unlink(&self.lines, line, link);
            free(line);
        }
    }
    if (some)
        kith__wake_all(&self.bells->ready); /* who waits in a task can do something for them */
    return some;
}

/* ------------------------------------------------------------------ the service */

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
        finish(l, end(l, last));
        return 1;
    }
    tell = kith__call_tell(&l->call);
    if (tell >= 0 && (*again < 0 || tell < *again))
        *again = tell;
    pthread_mutex_lock(&self.mutex);
    l->driven = 0;
    look_whether_over(l);
    pthread_mutex_unlock(&self.mutex);
    return moved;
}

/* Under the mutex: one that nobody drives, and that was not looked at in this turn. */
static struct kith__later *next_to_drive(uint64_t turn, struct kith__wait *w)
{
    for (struct kith__later *l = self.under_way.first; l; l = l->link.next)
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
    self.called = pool;
    pthread_mutex_unlock(&self.mutex);
    fn(result, arg);
    pthread_mutex_lock(&self.mutex);
    self.called.id = 0;
}

/* Under the mutex. 1: some. */
static int call_for_calls(void)
{
    struct kith__later *l;
    int some = 0;

    while ((l = self.calls.first) && !self.ends) {
        kith_ready_fn *fn = l->fn;

        kith__unlink(&self.calls, l, called);
        l->fn = NULL;
        l->held++;
        call(l->s.pool, fn, l->result, l->arg);
        l->held--;
        look_whether_over(l);
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

    pthread_mutex_lock(&self.mutex);
    for (;;) {
        for (l = self.under_way.first; l && l->driven; l = l->link.next)
            ;
        if (!l)
            break;
        l->driven = 1;
        pthread_mutex_unlock(&self.mutex);
        end_without_server(l);
        pthread_mutex_lock(&self.mutex);
    }
    pthread_mutex_unlock(&self.mutex);
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
        kith__wait_join(&w, &self.bells->service);
        pthread_mutex_lock(&self.mutex);
        moved = begin_those_in_line();
        while (!(ends = self.ends) && (l = next_to_drive(turn, &w))) {
            pthread_mutex_unlock(&self.mutex);
            moved |= drive(l, &again);
            pthread_mutex_lock(&self.mutex);
        }
        moved |= call_for_calls();
        moved |= kith__notices_call(&w, call_notice, &self.ends);
        ends = self.ends;
        pthread_mutex_unlock(&self.mutex);
        w.deadline = again;
        if (!ends && !moved && kith__wait_sleep(&w) == KITH_EPEER) {
            end_all();
            kith__nap(100 * KITH__MS);
        }
    }
    if (kith__base) { /* else a function that was called has ended the job */
        kith__wait_leave(&w, &self.bells->service, 0);
        kith__wait_end(&w, 1);
    }
    return nothing;
}

/* Signals are the program's. Under the mutex. */
static int begin_service(void)
{
    uint64_t block;

    if (self.serves)
        return 0;
    if (!self.bells) {
        if (!(block = kith__heap_alloc(sizeof *self.bells, kith__me)))
            return KITH_ENOMEM;
        memset(kith__at(block), 0, sizeof *self.bells);
        self.bells = kith__at(block);
    }
    self.serves = kith__thread_begin(&self.service, serve, NULL) == 0;
    if (self.serves)
        kith__standin_begin();
    return self.serves ? 0 : kith__fail(KITH_ENOMEM, "no thread can be started for asynchronous calls");
}

void kith__later_end(void)
{
    kith__away_end();
    pthread_mutex_lock(&self.mutex);
    self.ends = 1;
    if (self.serves)
        kith__wake_all(&self.bells->service);
    pthread_mutex_unlock(&self.mutex);
    if (self.serves && !pthread_equal(self.service.of, pthread_self()))
        kith__thread_join(&self.service);
    if (self.serves)
        kith__standin_end();
    self.serves = 0;
}

/* ------------------------------------------------------------------ for callers */

static struct kith__later *make(const struct kith__call_spec *s)
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

/* When that fails it is gone. */
static int enter(struct kith__later *l)
{
    int rc;

    pthread_mutex_lock(&self.mutex);
    if ((rc = begin_service()) < 0 || (rc = kith__local_take(&self.numbers, l, &l->number)) < 0)
        free(l);
    else {
        if (!line_of(l) && count_under_way(l->s.pool, l->turn.priority) < UNDER_WAY)
            rc = begin(l); /* the caller hears of a failure at once */
        else
            rc = stand_in_line(l);
        if (rc < 0)
            let_go(l);
    }
    pthread_mutex_unlock(&self.mutex);
    if (rc == 0)
        kith__wake_all(&self.bells->service); /* it takes the first steps */
    return rc;
}

/* ------------------------------------------------------------------ elsewhere */

static void finish_elsewhere(struct kith__later *l, int code)
{
    pthread_mutex_lock(&self.mutex);
    kith__unlink(&self.elsewhere, l, link);
    keep_outcome(l, code);
    look_whether_over(l);
    pthread_mutex_unlock(&self.mutex);
}

/* Under the mutex: one that is elsewhere stays until it is ready, dropped or not. NULL: it is, or there is
 * none. */
static struct kith__later *find_elsewhere(uint64_t number)
{
    struct kith__later *l = kith__local_find(&self.numbers, number);

    return l && l->away && atomic_load(&l->state) != READY ? l : NULL;
}

void kith__later_arrived(uint64_t number, const char *outcome, uint64_t size)
{
    struct kith__later *l;
    int rc;

    pthread_mutex_lock(&self.mutex);
    l = find_elsewhere(number);
    pthread_mutex_unlock(&self.mutex);
    if (!l)
        return;
    rc = kith__outcome_take(&l->s, outcome, size, NULL, NULL);
    finish_elsewhere(l, l->cancelled ? fail_as_cancelled(l) : rc);
}

void kith__later_failed(uint64_t number, int code)
{
    struct kith__later *l;

    pthread_mutex_lock(&self.mutex);
    l = find_elsewhere(number);
    pthread_mutex_unlock(&self.mutex);
    if (l)
        finish_elsewhere(l, code);
}

void kith__later_lost(const struct kith__away *to)
{
    struct kith__later *l, *next;

    pthread_mutex_lock(&self.mutex);
    for (l = self.elsewhere.first; l; l = next) {
        next = l->link.next;
        if (l->away != to)
            continue;
        kith__unlink(&self.elsewhere, l, link);
        keep_outcome(l, KITH_EPEER);
        look_whether_over(l);
    }
    pthread_mutex_unlock(&self.mutex);
}

/* Its outcome may come at once. What could not be sent has ended with those that were lost, or is gone. */
static int send(struct kith__later *l, uint64_t number)
{
    int rc = kith__away_order(l->away, &l->s, number);

    if (rc == 0)
        return 0;
    pthread_mutex_lock(&self.mutex);
    if (atomic_load(&l->state) == READY)
        rc = 0;
    else {
        kith__unlink(&self.elsewhere, l, link);
        let_go(l);
    }
    pthread_mutex_unlock(&self.mutex);
    return rc;
}

/* The place of the result of a task. */
static int make_value(struct kith__later *l)
{
    if (!l->s.is_task || l->s.out_size == 0)
        return 0;
    if (!(l->value = calloc(1, l->s.out_size)))
        return kith__fail(KITH_ENOMEM, "no memory for a result");
    l->s.out = l->value;
    return 0;
}

static int begin_elsewhere(const struct kith__call_spec *s, uint64_t *number)
{
    struct kith__later *l = make(s);
    int rc = l ? 0 : KITH_ENOMEM;

    if (rc < 0)
        return rc;
    if ((rc = make_value(l)) < 0 || (rc = kith__away_to(kith__handle_home(s->pool.id), &l->away)) < 0) {
        free(l->value);
        free(l);
        return rc;
    }
    kith__call_warn(s);
    pthread_mutex_lock(&self.mutex);
    if ((rc = begin_service()) < 0 || (rc = kith__local_take(&self.numbers, l, &l->number)) < 0) {
        free(l->value);
        free(l);
    } else {
        *number = l->number;
        kith__link_last(&self.elsewhere, l, link);
    }
    pthread_mutex_unlock(&self.mutex);
    return rc < 0 ? rc : send(l, *number);
}

/* ------------------------------------------------------------------ beginning */

int kith__later_begin(const struct kith__call_spec *s, uint64_t *number)
{
    struct kith__object *o;
    struct kith__later *l;
    int rc, away = kith__attend_is_needed(s->pool);

    if (away && s->n > 0)
        return begin_elsewhere(s, number);
    if (!away && (rc = kith__pool_find(s->pool, &o)) < 0)
        return rc;
    if (!(l = make(s)))
        return KITH_ENOMEM;
    if (s->n == 0 || kith__pool_body(o)->serial) {
        rc = run(l);
        pthread_mutex_lock(&self.mutex);
        keep_outcome(l, rc);
        rc = kith__local_take(&self.numbers, l, &l->number);
        pthread_mutex_unlock(&self.mutex);
    } else if ((rc = enter(l)) < 0)
        return rc;
    if (rc == 0)
        *number = l->number;
    return rc;
}

int kith__later_is_ready(const struct kith__later *l)
{
    return atomic_load(&l->state) == READY;
}

/* 1: it is ours to drive. */
static int take_over(struct kith__later *l)
{
    int ours;

    pthread_mutex_lock(&self.mutex);
    ours = atomic_load(&l->state) == GOES_ON && !l->driven;
    if (ours)
        l->driven = 1;
    pthread_mutex_unlock(&self.mutex);
    return ours;
}

static void hand_back(struct kith__later *l)
{
    pthread_mutex_lock(&self.mutex);
    l->driven = 0;
    look_whether_over(l);
    pthread_mutex_unlock(&self.mutex);
    kith__wake_all(&self.bells->service);
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
    } found[UNDER_WAY * KITH__PRIORITIES];
    uint32_t worker;
    int count = 0;

    if (kith_worker() < 0)
        return;
    pthread_mutex_lock(&self.mutex);
    for (const struct kith__later *l = self.under_way.first; l && count < UNDER_WAY * KITH__PRIORITIES;
         l = l->link.next)
        if (!l->ends && kith__my_lane(l->call.object, &worker) &&
            !(polls && kith__call_has_idle(l->call.object))) {
            found[count].object = l->call.object;
            found[count].job = l->call.job;
            found[count].post = l->call.post;
            found[count++].seq = l->call.job->seq;
        }
    pthread_mutex_unlock(&self.mutex);
    while (count-- > 0)
        kith__call_help(found[count].object, found[count].job, found[count].post, found[count].seq,
                        KITH__STAYS);
}

/* Waits while somebody else drives it, or it stands in the line. */
static int wait_beside(struct kith__later *l, int64_t deadline)
{
    struct kith__wait w;
    int rc = kith__wait_begin(&w, &self.bells->ready, KITH_FOREVER);

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
        end_without_server(l);
        return 0;
    }
    if (rc == 0)
        finish(l, end(l, last));
    else
        hand_back(l);
    return rc;
}

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
    pthread_mutex_lock(&self.mutex);
    l->dropped = 1;
    pthread_mutex_unlock(&self.mutex);
}

int kith__later_take(struct kith__later *l)
{
    if (l->code == KITH_ETASK) {
        kith__own_replace(KITH__OWN_FAULTS, l->faults);
        l->faults = NULL;
    }
    if (l->code < 0)
        kith__fail(l->code, "%s", l->sentence ? l->sentence : kith_strerror(l->code));
    l->taken = 1;
    kith__later_drop(l);
    return l->code;
}

/* Under the mutex. */
static int cancel(struct kith__later *l)
{
    if (atomic_load(&l->state) == READY || l->ends)
        return kith__fail(KITH_EEND, "the call has ended already");
    l->cancelled = 1;
    if (leave_line(l))
        keep_outcome(l, fail_as_cancelled(l));
    else if (!l->away)
        kith__call_cancel(&l->call);
    return 0;
}

int kith__later_cancel(struct kith__later *l)
{
    int rc;

    pthread_mutex_lock(&self.mutex);
    rc = cancel(l);
    pthread_mutex_unlock(&self.mutex);
    if (rc == 0 && l->away)
        kith__away_cancel(l->away, l->number);
    if (rc == 0 && self.bells)
        kith__wake_all(&self.bells->service);
    return rc;
}

void kith__later_withdraw(struct kith__later *l)
{
    int ready;

    pthread_mutex_lock(&self.mutex);
    ready = atomic_load(&l->state) == READY;
    l->dropped = l->withdrawn = 1;
    pthread_mutex_unlock(&self.mutex);
    if (!ready)
        kith__away_withdraw(l->away, l->number);
}

static int is_in_line(kith_pool pool)
{
    const struct line *line;
    int is;

    pthread_mutex_lock(&self.mutex);
    line = line_for(pool);
    is = line != NULL;
    pthread_mutex_unlock(&self.mutex);
    return is;
}

/* In the service, whose turn would come too late: takes all steps of all calls of the pool. */
static void carry(kith_pool pool)
{
    enum kith__step_result last;
    struct kith__later *l;

    pthread_mutex_lock(&self.mutex);
    for (;;) {
        begin_those_in_line();
        for (l = self.under_way.first; l && (l->s.pool.id != pool.id || l->driven); l = l->link.next)
            ;
        if (!l)
            break;
        l->driven = 1;
        pthread_mutex_unlock(&self.mutex);
        if (kith__call_wait(&l->call, -1, &last) < 0)
            end_without_server(l);
        else
            finish(l, end(l, last));
        pthread_mutex_lock(&self.mutex);
    }
    pthread_mutex_unlock(&self.mutex);
}

void kith__later_give_up(kith_pool pool)
{
    if (!self.serves || !pthread_equal(self.service.of, pthread_self()))
        return;
    pthread_mutex_lock(&self.mutex);
    for (const struct line *line; (line = line_for(pool));)
        cancel(line->calls.first);
    for (struct kith__later *l = self.under_way.first; l; l = l->link.next)
        if (l->s.pool.id == pool.id)
            cancel(l);
    pthread_mutex_unlock(&self.mutex);
    carry(pool);
}

void kith__later_flush(kith_pool pool)
{
    if (self.serves && pthread_equal(self.service.of, pthread_self()))
        carry(pool);
    while (self.serves && is_in_line(pool) && !kith__server_dead())
        kith__nap(200000);
}

/* ------------------------------------------------------------------ functions that are called */

int kith__later_notify(struct kith__later *l, kith_result r, kith_ready_fn *fn, void *arg)
{
    int rc;

    pthread_mutex_lock(&self.mutex);
    if (l->fn)
        rc = kith__fail(KITH_EINVAL, "this Result has a function to call already");
    else if ((rc = begin_service()) == 0) {
        l->fn = fn;
        l->arg = arg;
        l->result = r;
        if (atomic_load(&l->state) == READY)
            call_later(l);
    }
    pthread_mutex_unlock(&self.mutex);
    return rc;
}

int kith__later_notify_task(struct kith__feed *feed, uint64_t unit, kith_result r, kith_ready_fn *fn,
                            void *arg)
{
    const struct kith__notice new = { unit, r, fn, arg };
    int rc;

    pthread_mutex_lock(&self.mutex);
    if ((rc = begin_service()) == 0)
        rc = kith__notices_add(feed, &new);
    pthread_mutex_unlock(&self.mutex);
    if (rc == 0)
        kith__wake_all(&self.bells->service);
    return rc;
}

void kith__later_join(struct kith__wait *w)
{
    if (self.bells)
        kith__wait_join(w, &self.bells->ready);
}

void kith__later_leave(struct kith__wait *w)
{
    if (self.bells)
        kith__wait_leave(w, &self.bells->ready, 0);
}

static int is_to_be_called(kith_pool pool)
{
    int is;

    pthread_mutex_lock(&self.mutex);
    is = (self.called.id && self.called.id == pool.id) || kith__notices_are_of(pool);
    for (const struct kith__later *l = self.calls.first; l && !is; l = l->called.next)
        is = l->s.pool.id == pool.id;
    pthread_mutex_unlock(&self.mutex);
    return is;
}

void kith__later_settle(kith_pool pool)
{
    if (self.serves && pthread_equal(self.service.of, pthread_self()))
        return;
    while (self.serves && is_to_be_called(pool) && !kith__server_dead()) {
        kith__wake_all(&self.bells->service);
        kith__nap(200000);
    }
}
