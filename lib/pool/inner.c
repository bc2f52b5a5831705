/* inner.c: see inner.h. Called by call.c and worker.c. */
#include "config.h"
#include "pool/inner.h"
#include "base/error.h"
#include "base/system.h"
#include "code/token.h"
#include "member/output.h"
#include "pool/branch.h"
#include "pool/claim.h"
#include "pool/joblog.h"
#include "pool/random.h"
#include "pool/ring.h"
#include "pool/stats.h"

#include <string.h>

/* What has more goes the long way, where claims become larger and data goes through rings. */
enum { UNITS_MOST = 64, BYTES_MOST = 65536 };

/* Calls that take less are not worth a look at the clock each: see stats.h. */
static const int64_t short_ns = 10000;
enum { STRIDE_MOST = 64 };

struct slot {
    struct kith__job *job; /* NULL: none is kept */
    struct kith__post *post;
    uint32_t number;
};

/* Of the thread that has the lane: see kith__call_helps. */
static KITH__OF_PROCESS struct {
    uint32_t depth; /* calls under way */
    uint64_t seq;   /* of the last one */
    uint64_t seen;  /* p->offers when it was last looked whether all that is posted is of one root */
    uint64_t root;
    uint32_t is_alone, calls; /* whether it was; calls since */
    uint32_t stride, left;    /* calls from one that is timed to the next; those that are left */
    struct slot slots[KITH__DEPTH];
} self = { .stride = 1, .left = 1 };

/* What is needed to run one. */
struct inner {
    struct kith__object *pool;
    struct kith__lane *lane;
    struct slot *slot;
    kith__anyfn *fn;
    uint32_t worker, depth;
    int is_announced;
};

static int is_ours(const void *p, uint64_t size)
{
    return size > 0 && kith__arena_holds(p, size);
}

static int is_small(uint64_t size, uint64_t n)
{
    return n <= UNITS_MOST && size <= BYTES_MOST && n * size <= BYTES_MOST;
}

static int suits(struct kith__object *o, const struct kith__call_spec *s)
{
    const struct kith__pool *p = kith__pool_body(o);

    return s->kind <= KITH__JOB_BYTES && s->pool.id == p->id && !s->costs && !s->part && !s->call &&
           is_small(s->in_size, s->n) && is_small(s->out_size, s->n) && !p->grants && !p->threads &&
           !p->serial && !kith__joblog_on && !kith__branches(p) &&
           atomic_load_explicit(&p->state, memory_order_relaxed) == KITH__POOL_OPEN &&
           !is_ours(s->in, s->n * s->in_size) && !is_ours(s->out, s->n * s->out_size) &&
           kith__object_is(o, p->id);
}

/* ------------------------------------------------------------ the posts */

static int take(struct kith__object *o, struct slot *slot)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__job *j;
    int rc;

    kith__guard_enter(&o->guard);
    j = kith__job_keep(o, &slot->number, &rc);
    kith__object_leave(o);
    if (!j)
        return rc;
    slot->job = j;
    slot->post = kith__post(p, slot->number);
    j->tries = p->tries;
    j->chunk = p->chunk;
    j->halt = p->halt;
    j->first_worker = p->trunk.first_worker;
    return 0;
}

static void give_back(struct kith__object *o, struct slot *slot)
{
    kith__job_withdraw(kith__pool_body(o), slot->number);
    slot->job = NULL;
}

void kith__inner_end(struct kith__object *o)
{
    for (uint32_t i = 0; i < KITH__DEPTH; i++)
        if (self.slots[i].job)
            give_back(o, &self.slots[i]);
}

/* Workers of other calls look around when p->offers has changed. Ours does not count there, as all would have
 * to write it: but where there are other calls it does. */
static void tell_rivals(struct kith__pool *p, uint64_t root)
{
    uint64_t offers = atomic_load(&p->offers);

    /* Who is not alone finds that out when the others have gone, a while later. */
    if (self.is_alone || root != self.root || ++self.calls % 64 == 0) {
        self.is_alone = (uint32_t)kith__root_is_alone(p, root);
        self.root = root;
    }
    if (!self.is_alone)
        offers = atomic_fetch_add(&p->offers, 1) + 1;
    self.seen = offers;
}

/* Others may take some of it: all but the first unit, which is ours. */
static void announce(struct inner *in)
{
    struct kith__pool *p = kith__pool_body(in->pool);
    struct kith__waiters *idle = kith__object_waiters(in->pool, KITH__POOL_IDLE);
    const struct kith__job *j = in->slot->job;
    struct kith__post *post = in->slot->post;

    kith__output_flush(); /* what was printed before stands before what the tasks print */
    atomic_store_explicit(&post->priority, j->priority, memory_order_relaxed);
    atomic_store_explicit(&post->root, j->root, memory_order_relaxed);
    atomic_store_explicit(&post->visited, 0, memory_order_relaxed);
    atomic_store(&post->announced, j->seq);
    in->is_announced = 1;
    kith__failpoint("inner: announced");
    for (uint64_t i = 1; i < j->units && i < 3 && kith__has_waiters(idle); i++)
        kith__wake_any(idle);
    if (!self.is_alone || j->root != self.root ||
        atomic_load_explicit(&p->offers, memory_order_relaxed) != self.seen)
        tell_rivals(p, j->root);
}

/* 1: nobody else has come, so the post can be used again at once. */
static int retract(const struct inner *in)
{
    if (!in->is_announced)
        return 1;
    atomic_store(&in->slot->post->announced, 0);
    kith__failpoint("inner: retracted");
    return !atomic_load(&in->slot->post->visited);
}

/* ------------------------------------------------------------ the call */

/* Only a post's calls must have different numbers, the younger the greater. */
static uint64_t next_seq(const struct kith__pool *p)
{
    uint64_t posted = atomic_load_explicit(&p->seq, memory_order_relaxed);

    self.seq = (self.seq > posted ? self.seq : posted) + 1;
    return self.seq;
}

static uint64_t ring_size(uint64_t size, uint64_t n)
{
    return ((n * size + 7) & ~UINT64_C(7)) + kith__job_marks_size(n);
}

static int fill_data(struct kith__job *j, const struct kith__call_spec *s)
{
    j->in = j->out = j->in_ring = j->out_ring = 0;
    if (s->in_size && (j->in = kith__ring_take(j, KITH__RING_IN, ring_size(s->in_size, s->n))) == 0)
        return KITH_ENOMEM;
    if (s->out_size && (j->out = kith__ring_take(j, KITH__RING_OUT, ring_size(s->out_size, s->n))) == 0)
        return KITH_ENOMEM;
    j->in_size = s->in_size;
    j->out_size = s->out_size;
    if (s->in_size) {
        j->in_ring = s->n;
        memcpy(kith__at(j->in), s->in, s->n * s->in_size);
    }
    if (s->out_size) {
        j->out_ring = s->n;
        atomic_store_explicit(kith__job_marks(j), 0, memory_order_relaxed);
    }
    return 0;
}

/* What the last call in this job has left as it was when it was taken stays so. */
static int fill(struct inner *in, const struct kith__call_spec *s)
{
    struct kith__job *j = in->slot->job;
    struct kith__cell *cell = &j->cells[in->worker];
    int rc;

    if ((rc = kith__token_make(&j->fn, s->fn)) < 0 || (rc = fill_data(j, s)) < 0)
        return rc;
    j->seq = next_seq(kith__pool_body(in->pool));
    j->root = kith__turn.root;
    j->priority = kith__turn.priority;
    j->kind = (uint32_t)s->kind;
    j->shape = (uint32_t)s->shape;
    j->n = j->units = s->n;
    j->call = kith__call_number();
    j->name[0] = '\0';
    if (s->name)
        memcpy(j->name, s->name, strnlen(s->name, sizeof j->name - 1) + 1);
    j->name[sizeof j->name - 1] = '\0';
    atomic_store_explicit(&j->cursor, 0, memory_order_relaxed);
    atomic_store_explicit(&j->limit, s->n, memory_order_relaxed);
    atomic_store_explicit(&cell->intent, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->before, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->done, 0, memory_order_relaxed);
    atomic_store_explicit(&cell->at, KITH__AT_NONE, memory_order_relaxed);
    in->fn = s->fn;
    return 0;
}

/* The next units, when no other worker has ever claimed some, or given some back. It is confirmed behind the
 * cursor: only who has died here would have it settled, and then nobody waits for the call. */
static uint64_t claim(struct kith__job *j, uint32_t worker, uint64_t most, uint64_t *lo)
{
    struct kith__cell *cell = &j->cells[worker];
    uint64_t cursor = atomic_load_explicit(&j->cursor, memory_order_relaxed), length;

    do {
        *lo = cursor >> 16;
        if ((cursor & 65535 && (cursor & 65535) != worker + 1) || *lo >= j->units ||
            atomic_load_explicit(&j->cancelled, memory_order_relaxed) || atomic_load(&j->returned_count) > 0)
            return 0;
        length = j->units - *lo < most ? j->units - *lo : most;
    } while (!atomic_compare_exchange_weak(&j->cursor, &cursor, (*lo + length) << 16 | (worker + 1)));
    atomic_store_explicit(&cell->intent, *lo << 16 | length << 1 | 1, memory_order_release);
    atomic_store_explicit(&cell->before, atomic_load_explicit(&cell->done, memory_order_relaxed),
                          memory_order_release);
    kith__failpoint("inner: claimed");
    return length;
}

/* 1: all has been done, by us, and well. */
static int run_claims(struct inner *in, struct kith__pace *pace)
{
    struct kith__job *j = in->slot->job;
    uint64_t most = j->chunk ? j->chunk : 1, lo, length;

    while ((length = claim(j, in->worker, most, &lo)) > 0) {
        kith__pace_claim(pace, lo, length);
        kith__run(j, in->worker, in->fn, lo, length, NULL);
        in->lane->tasks += length;
        if (kith__pace_is_due(pace, length))
            kith__pace_look(pace, j);
        if (kith__job_halted(j)) {
            kith__retire_part(j, in->worker);
            break;
        }
        kith__retire(j, in->worker, length);
        if (atomic_load_explicit(&j->fault_count, memory_order_relaxed) > 0)
            break;
    }
    return atomic_load_explicit(&j->cells[in->worker].done, memory_order_relaxed) == j->units &&
           atomic_load_explicit(&j->fault_count, memory_order_relaxed) == 0;
}

/* As kith__work_on, but that it knows its job. Of many short calls only some are timed. */
static int run(struct inner *in)
{
    uint32_t depth = atomic_load_explicit(&in->lane->depth, memory_order_relaxed);
    struct kith__job *j = in->slot->job;
    struct kith__task outer = kith__task;
    struct kith__pace pace = { .record = &in->lane->record };
    struct kith__stream stream;
    int timed = --self.left == 0, well;

    atomic_store_explicit(&in->lane->touching[depth], kith__touch(j->seq, in->slot->number),
                          memory_order_release);
    atomic_store_explicit(&in->lane->depth, depth + 1, memory_order_release);
    kith__random_save(&stream);
    kith__random_seek_task(j->call, &j->cells[in->worker].at, 0);
    if (timed)
        kith__pace_begin(&pace, in->lane);
    kith__task.depth++;
    kith__task.running = 0; /* what is around it is kept once, not for each of them */
    well = run_claims(in, &pace);
    kith__task = outer;
    if (timed) {
        int64_t began = pace.then;

        kith__pace_end(&pace, j);
        self.stride = pace.then - began > short_ns ? 1
                      : self.stride < STRIDE_MOST  ? 2 * self.stride
                                                   : STRIDE_MOST;
        self.left = self.stride;
    }
    kith__random_restore(&stream);
    atomic_store_explicit(&in->lane->depth, depth, memory_order_release);
    return well;
}

/* Another worker has some of it, or a task has failed. */
static int go_on(struct inner *in, const struct kith__call_spec *s)
{
    struct kith__call c = { .object = in->pool,
                            .job = in->slot->job,
                            .post = in->slot->number,
                            .in = s->in,
                            .out = s->out,
                            .window = s->n };
    enum kith__step_result last = KITH__STEP_WAIT;
    int rc = kith__call_wait(&c, -1, &last), ended = kith__call_end(&c, last);

    in->slot->job = NULL;
    if (rc == 0)
        return ended;
    return kith__server_dead() ? KITH_EPEER : rc;
}

static int call(struct inner *in, const struct kith__call_spec *s)
{
    int rc = fill(in, s);

    if (rc < 0) {
        give_back(in->pool, in->slot);
        return rc;
    }
    if (s->n > 1)
        announce(in);
    if (!run(in))
        return go_on(in, s);
    if (s->out_size)
        memcpy(s->out, kith__at(in->slot->job->out), s->n * s->out_size);
    if (!retract(in))
        give_back(in->pool, in->slot);
    return 0;
}

int kith__inner_call(const struct kith__call_spec *s, int *rc)
{
    struct inner in = { .pool = kith__turn.pool };
    enum kith__helps how;

    if (!in.pool || !kith__task.running || !suits(in.pool, s) ||
        !(in.lane = kith__my_lane(in.pool, &in.worker)) ||
        atomic_load_explicit(&in.lane->depth, memory_order_relaxed) >= KITH__DEPTH - 1 ||
        (how = kith__call_helps()) == KITH__HELPS_NOT)
        return 0;
    in.slot = &self.slots[self.depth++];
    if ((*rc = in.slot->job ? 0 : take(in.pool, in.slot)) == 0)
        *rc = call(&in, s);
    self.depth--;
    kith__call_helped(how);
    return 1;
}
