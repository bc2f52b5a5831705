/* attend.c: see attend.h. Called by call.c. */
#include "config.h"
#include "pool/attend.h"
#include "base/error.h"
#include "base/system.h"
#include "object/pipe.h"
#include "object/process.h"
#include "pool/branch.h"
#include "pool/chunk.h"
#include "pool/order.h"
#include "pool/spread.h"
#include "rpc/agent_control.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ the attendant
 *
 * The thread that gets a call makes it. When that takes a while another one listens meanwhile, so it is
 * noticed when nobody waits for the call any more. Then that one has the next call, and the first is the one
 * that may have to listen: so there are two at most, and a short call goes from thread to thread nowhere. */

static const int64_t short_ns = 2 * KITH__MS, memory_ns = 100 * KITH__MS;

enum { TRIES = 10 };

static KITH__OF_PROCESS struct {
    pthread_mutex_t mutex;
    pthread_cond_t free; /* to listen, or over */
    kith_pipe end;
    uint64_t swaps;    /* of the thread that listens: see kith__pipe_swap */
    int listens, over; /* a thread does, or works on what it got just now; nobody is at the other end */
    int helps;         /* there is a second thread */
    struct kith__call *waits; /* the call that takes a while */
    struct kith__thread helper;
} self = { .mutex = PTHREAD_MUTEX_INITIALIZER, .free = PTHREAD_COND_INITIALIZER };

static void *serve(void *nothing);

/* Somebody else may listen. */
static void let_listen(struct kith__call *c)
{
    pthread_mutex_lock(&self.mutex);
    self.waits = c;
    self.listens = 0;
    if (!self.helps)
        self.helps = kith__thread_begin(&self.helper, serve, NULL) == 0;
    pthread_cond_signal(&self.free);
    pthread_mutex_unlock(&self.mutex);
}

/* *listens becomes 0: another thread does. */
static int await(struct kith__call *c, enum kith__step_result *last, int *listens)
{
    int rc = kith__call_wait(c, kith__now_ns() + short_ns, last);

    if (rc != KITH_ETIMEDOUT)
        return rc;
    let_listen(c);
    *listens = 0;
    rc = kith__call_wait(c, -1, last);
    pthread_mutex_lock(&self.mutex);
    self.waits = NULL;
    pthread_mutex_unlock(&self.mutex);
    return rc;
}

static void make_call(struct kith__order *o, int *listens)
{
    enum kith__step_result last = KITH__STEP_WAIT;
    struct kith__call c;
    int rc;

    if ((o->code = kith__order_prepare(o)) < 0 || (o->code = kith__call_begin(&c, &o->s)) < 0)
        return;
    rc = await(&c, &last, listens);
    o->code = kith__call_end(&c, last);
    if (rc < 0)
        o->code = rc;
}

/* How a call has ended, as a message. Where there is no memory for what has come of it, there may be for
 * that. It tells of this thread's last failure, so it is made once. */
static int make_outcome(const struct kith__order *o, struct kith__message *m)
{
    const struct kith__order none = { .code = KITH_ENOMEM };
    int rc = kith__outcome_make(o, 0, m);

    return rc == KITH_ENOMEM ? kith__outcome_make(&none, 0, m) : rc;
}

static int pass(const struct kith__message *m)
{
    const struct kith__order none = { .code = KITH_ENOMEM };
    struct kith__message instead;
    int rc = kith__pipe_pass(self.end, m->bytes, m->size);

    if (rc != KITH_ENOMEM)
        return rc;
    if ((rc = kith__outcome_make(&none, 0, &instead)) == 0) {
        rc = kith__pipe_pass(self.end, instead.bytes, instead.size);
        free(instead.bytes);
    }
    return rc;
}

/* The same, and takes what comes next: in one request, where it is small. */
static int pass_and_take(const struct kith__message *m, struct kith__message *next)
{
    int rc = KITH_ENOMEM;

    self.swaps++;
    for (int i = 0; i < TRIES && rc == KITH_ENOMEM; i++) {
        if (i > 0)
            kith__nap(memory_ns);
        rc = kith__pipe_swap(self.end, self.swaps, m->bytes, m->size, &next->bytes, &next->size);
    }
    if (rc != KITH_ETIMEDOUT)
        return rc;
    return (rc = pass(m)) < 0 ? rc : kith__pipe_take(self.end, &next->bytes, &next->size);
}

/* next NULL: another thread listens. */
static int answer(const struct kith__order *o, struct kith__message *next)
{
    struct kith__message m;
    int rc = make_outcome(o, &m);

    if (rc < 0)
        return rc;
    rc = next ? pass_and_take(&m, next) : pass(&m);
    free(m.bytes);
    return rc;
}

/* It is the thread's turn to listen: what comes next. 0: nothing does. */
static int get(struct kith__message *m)
{
    int over;

    pthread_mutex_lock(&self.mutex);
    while (self.listens && !self.over)
        pthread_cond_wait(&self.free, &self.mutex);
    over = self.over;
    self.listens = 1;
    pthread_mutex_unlock(&self.mutex);
    return !over && kith__pipe_take(self.end, &m->bytes, &m->size) == 0;
}

static void give_up(void)
{
    pthread_mutex_lock(&self.mutex);
    self.over = 1;
    if (self.waits)
        kith__call_cancel(self.waits);
    pthread_cond_broadcast(&self.free);
    pthread_mutex_unlock(&self.mutex);
}

static void *serve(void *nothing)
{
    struct kith__message m, next;
    struct kith__order o;
    int listens = 1, rc;

    for (int is = get(&m); is; m = next) {
        if ((o.code = kith__order_read(m.bytes, m.size, &o)) == 0)
            make_call(&o, &listens);
        rc = answer(&o, listens ? &next : NULL);
        kith__order_free(&o);
        free(m.bytes);
        is = rc == 0 && (listens || get(&next));
        listens = 1;
    }
    give_up();
    return nothing;
}

/* The target of its Process, which ends when nobody is at the other end any more. */
static int attendant(const void *end)
{
    memcpy(&self.end, end, sizeof self.end);
    serve(NULL);
    return 0;
}

/* ------------------------------------------------------------------ who is served */

struct idle {
    struct idle *next;
    struct kith__attendant a;
    uint32_t node;
};

static KITH__OF_PROCESS struct idle *idle;
static KITH__OF_PROCESS pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

kith_pool kith__attend_far;

int kith__attend_is_needed(kith_pool pool)
{
    return kith__base && kith__me && pool.id != 0 && pool.id >> 62 == 0 &&
           kith__handle_home(pool.id) < kith__shared->nodes &&
           (kith__handle_home(pool.id) != kith__shared->node || pool.id == kith__attend_far.id);
}

static int is_for_this_node(const struct kith__call_spec *s)
{
    return s->kind == KITH__JOB_FOR || kith__spread_points_here(s->arg, s->arg_size, 1) ||
           (kith__is_map(s->kind) && s->in && kith__spread_points_here(s->in, s->in_size, s->n));
}

static int begins_at_once(const struct kith__call_spec *s, struct kith__object *branch)
{
    uint64_t tasks = kith__is_map(s->kind) ? s->n : kith__block_count(s->n);

    return tasks <= kith__waiters_count(kith__object_waiters(branch, KITH__POOL_IDLE));
}

/* No task minds, no result of any size that was taken over is lost, and arguments are as they were. */
static int can_be_repeated(const struct kith__call_spec *s, struct kith__object *branch)
{
    uintptr_t in = (uintptr_t)s->in, out = (uintptr_t)s->out;

    return kith__pool_body(branch)->tries != 1 && s->kind != KITH__JOB_VARIABLE &&
           !(in && in < out + s->n * s->out_size && out < in + s->n * s->in_size);
}

int kith__attend_place(struct kith__call_spec *s, int waits)
{
    kith_pool branch = kith__pool_branch(s->pool);
    struct kith__object *o;
    int only_here;

    if (branch.id == s->pool.id || kith__pool_find(branch, &o) < 0)
        return 0;
    if (!(only_here = is_for_this_node(s)) && !(waits && begins_at_once(s, o)))
        return 0;
    s->far = s->pool;
    s->pool = branch;
    return !only_here && can_be_repeated(s, o);
}

static int is_lost(uint32_t node)
{
    return kith__fail(KITH_EPEER, "node %u (%s) is lost, and its pool with it", node, kith__agent_host(node));
}

int kith__attend_lost(uint32_t node, int rc)
{
    if ((rc == KITH_EEND || rc == KITH_EPEER) && kith__agent_has_lost((int)node))
        return is_lost(node);
    if (rc != KITH_EEND)
        return rc;
    return kith__fail(KITH_EPEER, "the process on node %u (%s) that made this call has ended", node,
                      kith__agent_host(node));
}

int kith__attend_ended(kith_pool far)
{
    int64_t rc = far.id ? kith__ask(far.id, KITH__POOL_KIND, KITH__POOL_WORKERS, 0) : KITH_ESTALE;

    if (rc == KITH_EPEER)
        return is_lost(kith__handle_home(far.id));
    if (rc < 0)
        return 0;
    return kith__fail(KITH_EPEER,
                      "the workers of the pool on this host (%s), which had this call, have ended",
                      kith__shared->host);
}

/* Its handle: nobody asks how it has ended. */
static void let_go(kith_process p)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    struct kith__caller who = kith__caller_here();

    if (!kith__is_remote(p.id)) {
        kith__close_here(p.id, KITH__PROCESS_KIND, 0);
        return;
    }
    kith__remote_forget(p.id);
    kith__remote_call(kith__handle_home(p.id), (uint32_t)KITH__PROCESS_KIND << 8 | KITH__CLOSE, p.id, &who,
                      &in, &out, KITH_FOREVER);
}

void kith__attendant_dismiss(struct kith__attendant *a)
{
    kith__pipe_shut(a->end);
    let_go(a->process);
}

int kith__attendant_begin(uint32_t node, int (*fn)(const void *end), const char *name,
                          struct kith__attendant *a)
{
    struct kith_process_options o = { .name = name, .daemon = 1, .node = (int)node + 1 };
    kith_pipe ends[2];
    struct kith__run run = { (kith__anyfn *)fn, 0, &ends[1], sizeof ends[1], 1 };
    int64_t process;
    int rc;

    if ((rc = kith__pipe_open_own(ends)) < 0)
        return rc;
    if ((process = kith__process_begin(&run, &o)) < 0) {
        kith__pipe_shut(ends[0]);
        kith__pipe_shut(ends[1]);
        return (int)process;
    }
    *a = (struct kith__attendant){ ends[0], { (uint64_t)process } };
    if ((rc = kith__pipe_give(ends[1], a->process)) < 0) { /* its node is lost: it would never be over */
        kith__pipe_shut(ends[1]);
        kith__attendant_dismiss(a);
    }
    return rc;
}

static void dismiss(struct idle *i)
{
    kith__attendant_dismiss(&i->a);
    free(i);
}

static int engage(uint32_t node, struct idle **out)
{
    struct idle *i = calloc(1, sizeof *i);
    int rc;

    if (!i)
        return kith__fail(KITH_ENOMEM, "no memory for a call");
    i->node = node;
    if ((rc = kith__attendant_begin(node, attendant, "attendant", &i->a)) < 0) {
        free(i);
        return rc;
    }
    *out = i;
    return 0;
}

static struct idle *take_idle(uint32_t node)
{
    struct idle **at = &idle, *i;

    pthread_mutex_lock(&mutex);
    while ((i = *at) && i->node != node)
        at = &i->next;
    if (i)
        *at = i->next;
    pthread_mutex_unlock(&mutex);
    return i;
}

static void put_idle(struct idle *i)
{
    pthread_mutex_lock(&mutex);
    i->next = idle;
    idle = i;
    pthread_mutex_unlock(&mutex);
}

/* An idle one may have ended, with its node's memory or at somebody's hand: then the next one. */
static int send_order(uint32_t node, const struct kith__message *m, struct idle **out)
{
    struct idle *i;
    int rc;

    while ((i = take_idle(node))) {
        if (kith__pipe_pass(i->a.end, m->bytes, m->size) == 0) {
            *out = i;
            return 0;
        }
        dismiss(i);
    }
    if ((rc = engage(node, &i)) < 0)
        return rc;
    if ((rc = kith__pipe_pass(i->a.end, m->bytes, m->size)) < 0)
        dismiss(i);
    else
        *out = i;
    return rc;
}

int kith__attend(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
                 void *context)
{
    uint32_t node = kith__handle_home(s->pool.id);
    struct kith__message order = { 0 }, outcome = { 0 };
    struct idle *i = NULL;
    int rc = kith__order_make(s, 0, &order);

    if (rc == 0)
        rc = send_order(node, &order, &i);
    free(order.bytes);
    if (rc < 0)
        return kith__attend_lost(node, rc);
    if ((rc = kith__pipe_take(i->a.end, &outcome.bytes, &outcome.size)) < 0) {
        dismiss(i);
        return kith__attend_lost(node, rc);
    }
    put_idle(i);
    rc = kith__outcome_take(s, outcome.bytes, outcome.size, fold, context);
    free(outcome.bytes);
    return rc;
}
