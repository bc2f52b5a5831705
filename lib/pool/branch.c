/* branch.c: see branch.h. The methods of the class Pool, for foremen of other nodes. */
#include "config.h"
#include "pool/branch.h"
#include "pool/chunk.h"
#include "pool/fault.h"
#include "pool/foreman.h"
#include "pool/intake.h"
#include "pool/joblog.h"
#include "pool/parcel.h"
#include "pool/row.h"
#include "pool/settle.h"
#include "pool/spread.h"
#include "pool/threads.h"
#include "pool/turn.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "rpc/mailbox.h"
#include "shm/heap.h"

#include <math.h>
#include <signal.h>
#include <string.h>

/* Ranges of a job, or single tasks, that a branch has at a time, on average. */
enum { GRANTS = KITH__DEAL_ITEMS + KITH__DEAL_BATCH };
enum { DESCRIBED_MOST = 4096 }; /* bytes of a job that comes along with its grants */

static const int64_t again_ns = 2000 * KITH__MS; /* from a node in doubt to one that is lost: see agent.c */

int kith__branches_make(struct kith__pool *p, uint32_t count)
{
    uint64_t size = sizeof(struct kith__branches) + count * sizeof(struct kith__branch);
    uint64_t block = kith__heap_alloc(size, kith__me);

    if (!block)
        return KITH_ENOMEM;
    memset(kith__at(block), 0, size);
    ((struct kith__branches *)kith__at(block))->count = count;
    p->grants = count * GRANTS;
    atomic_store(&p->branches, block);
    return 0;
}

int kith__branches_have_left(const struct kith__pool *p)
{
    const struct kith__branches *all = kith__branches(p);

    for (uint32_t i = 0; all && i < all->count; i++)
        if (atomic_load(&all->of[i].state) == KITH__BRANCH_OPEN)
            return kith__agent_dead(); /* then nothing can come */
    return 1;
}

void kith__branches_tell(struct kith__object *o)
{
    struct kith__branches *all = kith__branches(kith__pool_body(o));

    if (!all)
        return;
    atomic_fetch_add(&all->news, 1);
    kith__fence();
    kith__wake_all(kith__object_waiters(o, KITH__POOL_FOREMEN));
}

/* ------------------------------------------------------------------ who asks */

/* Without its guard: whom it waits for before it is taken down is told by this process alone. NULL: it is not
 * that pool any more. */
static struct kith__pool *pool_of(struct kith__object *o, uint64_t ident)
{
    uint64_t seen = atomic_load(&o->ident);

    if (seen == ident || (seen == (ident & ~UINT64_C(255)) && atomic_load(&o->leaving) == KITH__POOL_KIND))
        return kith__pool_body(o);
    return NULL;
}

static struct kith__branch *branch_of(const struct kith__pool *p, const struct kith__caller *who)
{
    struct kith__branches *all = kith__branches(p);

    for (uint32_t i = 0; all && i < all->count; i++)
        if (atomic_load(&all->of[i].state) == KITH__BRANCH_OPEN &&
            atomic_load(&all->of[i].holder) == kith__holder(who))
            return &all->of[i];
    return NULL;
}

/* 0 and the pool, and the branch of who; else what its attempt gives. */
static int64_t find(struct kith__object *o, const struct kith__caller *who, const struct kith__args *in,
                    struct kith__pool **p, struct kith__branch **b)
{
    if (!(*p = pool_of(o, in->ident)))
        return KITH__GONE;
    if (!(*b = branch_of(*p, who)))
        return kith__fail(KITH_EINVAL, "a process of node %u, which is no foreman of that Pool, calls it",
                          who->node);
    return 0;
}

/* 0: that makes no sense. */
static int read_fault(const struct kith__args *in, struct kith__branch_fault *f)
{
    if (in->size != sizeof *f)
        return 0;
    memcpy(f, in->bytes, sizeof *f);
    f->text[sizeof f->text - 1] = '\0';
    return 1;
}

/* As a block for the pool; 0: there is no memory. */
static uint64_t fault_block(const struct kith__branch_fault *f, uint32_t node)
{
    uint64_t block = kith__heap_alloc(sizeof(struct kith__fault_entry) + sizeof f->text, kith__me);
    struct kith__fault_entry *e;

    if (!block)
        return 0;
    e = kith__at(block);
    memset(e, 0, sizeof *e);
    e->end = f->end;
    e->code = f->code;
    e->signal = f->signal;
    e->pid = f->pid;
    e->worker = f->worker;
    e->node = node + 1;
    memcpy(e->text, f->text, sizeof f->text);
    return block;
}

/* There is no branch on that node: its initializer has failed, and so the pool is to fail; or the pool goes
 * without it. */
static int64_t take_refusal(struct kith__object *o, const struct kith__caller *who,
                            const struct kith__args *in)
{
    struct kith__branch_fault why;

    if (!read_fault(in, &why))
        return kith__fail(KITH_EINVAL, "node %u joins a Pool with no workers", who->node);
    if (why.rc == KITH_ETASK)
        kith__pool_keep_init_fault(o, fault_block(&why, who->node));
    else
        kith__notice("node %u takes no part in a pool: %s", who->node, why.text);
    return 0;
}

static uint64_t read_handle(const struct kith__args *in)
{
    uint64_t handle = 0;

    if (in->size == sizeof handle)
        memcpy(&handle, in->bytes, sizeof handle);
    return handle;
}

static int64_t join(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct kith__pool *p = pool_of(o, in->ident);
    struct kith__branches *all = p ? kith__branches(p) : NULL;

    if (!p)
        return KITH__GONE;
    if (atomic_load(&p->state) != KITH__POOL_OPEN || atomic_load(&o->ident) != in->ident)
        return KITH_EEND;
    for (uint32_t i = 0; all && i < all->count; i++) {
        struct kith__branch *b = &all->of[i];

        if (atomic_load(&b->state) != KITH__BRANCH_FREE || (b->planned && b->node != who->node))
            continue;
        atomic_store(&b->holder, kith__holder(who));
        atomic_store(&b->workers, (uint32_t)in->number);
        atomic_store(&b->handle, in->number > 0 ? read_handle(in) : 0);
        atomic_store(&b->state, in->number > 0 ? KITH__BRANCH_OPEN : KITH__BRANCH_LEFT);
        kith__tell_all(out, KITH__POOL_CHANGES);
        return in->number > 0 ? 0 : take_refusal(o, who, in);
    }
    return kith__fail(KITH_EINVAL, "node %u is one more than that Pool has", who->node);
}

/* Inside of the job of that post, if there is one that its caller waits for. NULL: there is not. */
static struct kith__job *enter(struct kith__pool *p, uint32_t post)
{
    uint64_t seq = atomic_load(&kith__post(p, post)->announced);

    return seq != 0 && kith__job_enter(p, &kith__branches(p)->lane, post, seq)
               ? kith__post_job(kith__post(p, post))
               : NULL;
}

/* What who has of any job. */
static void give_back(struct kith__pool *p, const struct kith__caller *who)
{
    uint32_t posts = kith__posts(p);

    for (uint32_t i = 0; i < posts; i++) {
        struct kith__job *j = kith__post_job(kith__post(p, i));

        if (j && atomic_load(&j->granted_count) > 0)
            kith__grants_give_back(j, p->workers, who);
    }
}

/* Some may have gone back; and a branch less is there. */
static void tell_of_returned(struct kith__pool *p, struct kith__result *out)
{
    kith__pool_offers(p);
    kith__tell_one(out, KITH__POOL_IDLE);
    kith__tell_all(out, KITH__POOL_FOREMEN);
    kith__tell_all(out, KITH__POOL_CHANGES);
}

static int64_t leave(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    struct kith__branch_fault f;
    struct kith__pool *p;
    struct kith__branch *b;
    int64_t rc = find(o, who, in, &p, &b);

    if (rc < 0)
        return rc;
    if (read_fault(in, &f))
        kith__pool_keep_exit_fault(o, fault_block(&f, who->node), f.count);
    give_back(p, who);
    atomic_store(&b->state, KITH__BRANCH_LEFT);
    tell_of_returned(p, out);
    return 0;
}

static int64_t news(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct kith__pool_news told;
    struct kith__pool *p;
    struct kith__branch *b;
    int64_t rc = find(o, who, in, &p, &b);

    if (rc < 0)
        return rc;
    told.number = atomic_load(&kith__branches(p)->news);
    if (told.number == in->number)
        return KITH__PARKED;
    told.state = atomic_load(&p->state); /* behind the number: what changes later has another one */
    kith__give_few(out, &told, sizeof told);
    return (int64_t)sizeof told;
}

/* ------------------------------------------------------------------ what comes back */

/* Of several each counts, or not, by itself: the code of the first that does not. */
static int64_t take_results(struct kith__pool *p, const struct kith__caller *who, const char *bytes,
                            uint64_t size, struct kith__result *out)
{
    int64_t rc = 0, one;

    for (uint64_t at = 0, length = 0; at == 0 || at < size; at += length) {
        length = size - at; /* where it makes no sense nothing behind it does */
        one = kith__intake(p, who, bytes + at, size - at, &length, out);
        rc = rc == 0 ? one : rc;
    }
    if (kith__branches(p)->waits)
        kith__tell_all(out, KITH__POOL_FOREMEN);
    kith__branches(p)->waits = 0;
    return rc;
}

static int64_t take_back(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out)
{
    struct kith__branch *b;
    struct kith__pool *p;
    int64_t rc = find(o, who, in, &p, &b);

    if (rc < 0)
        return rc;
    return take_results(p, who, in->block ? kith__at(in->block) : in->bytes, in->size, out);
}

/* Those that stand behind the deal of a claim: with its first attempt, also when that is parked. 0; or they
 * make no sense. */
static int64_t take_carried(struct kith__pool *p, const struct kith__caller *who, const struct kith__args *in,
                            struct kith__result *out)
{
    const char *bytes = (const char *)in->bytes + sizeof(struct kith__deal);
    uint64_t size = in->size - sizeof(struct kith__deal);
    int64_t rc;

    if (size == 0 || !kith__intake_is_due(p, who, bytes, size))
        return 0;
    rc = take_results(p, who, bytes, size, out);
    return rc == KITH_ESTALE ? 0 : rc;
}

/* ------------------------------------------------------------------ granting */

/* 0: that cannot be. */
static int read_deal(struct kith__deal *d, const struct kith__args *in)
{
    if (in->size < sizeof *d)
        return 0;
    memcpy(d, in->bytes, sizeof *d);
    return d->workers > 0 && d->workers <= KITH__MEMBERS && d->batch <= KITH__DEAL_BATCH &&
           isfinite(d->unit_ns) && isfinite(d->trip_ns) && isfinite(d->byte_ns) && d->unit_ns >= 0 &&
           d->trip_ns >= 0 && d->byte_ns >= 0 && (d->last == 0 || d->unit_ns > 0);
}

static uint64_t done_at_home(const struct kith__job *j, uint32_t workers)
{
    uint64_t done = 0;

    for (uint32_t w = 0; w < workers; w++)
        done += atomic_load(&j->cells[w].done);
    return done;
}

/* What of j can be claimed now: what has its arguments, and what was returned. */
static uint64_t left_of(struct kith__job *j)
{
    uint64_t at = atomic_load(&j->cursor) >> 16, limit = atomic_load(&j->limit),
             left = limit > at ? limit - at : 0;
    uint64_t count = atomic_load(&j->returned_count);

    for (uint64_t i = 0; i < count; i++)
        left += atomic_load(&kith__job_returned(j)[i].length); /* a guess is good enough */
    return left;
}

/* What a branch knows of itself in j: in another job tasks may be of any size. */
static struct kith__deal deal_in(const struct kith__branch *b, const struct kith__job *j)
{
    struct kith__deal d = b->deal;

    if (d.job != j->seq) {
        d.unit_ns = 0;
        d.last = 0;
    }
    return d;
}

/* Of a unit. When they are of any size: on average, as far as some have come. */
static uint64_t size_of_results(const struct kith__job *j)
{
    return j->kind == KITH__JOB_VARIABLE && j->bringing ? j->brought / j->bringing : j->out_size;
}

/* For a grant to who; NULL: to nobody. */
static struct kith__deal_job job_now(const struct kith__pool *p, struct kith__job *j,
                                     const struct kith__caller *who)
{
    const struct kith__branches *all = kith__branches(p);
    int64_t ns = kith__now_ns() - j->posted_at;
    uint64_t done = done_at_home(j, p->workers);
    struct kith__deal_job job = { .left = left_of(j),
                                  .has = who ? kith__grants_of(j, who) : 0,
                                  .in_size = kith__parcel_unit_size(j),
                                  .out_size = size_of_results(j),
                                  .chunk = j->chunk,
                                  .workers = p->workers };
    struct kith__deal deal;
    int unknown = done == 0;

    if (done > 0 && ns > 0) {
        job.home_rate = (double)done / (double)ns;
        job.home_unit_ns = p->workers / job.home_rate;
        job.rate = job.home_rate;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        const struct kith__branch *b = &all->of[i];

        if (atomic_load(&b->state) != KITH__BRANCH_OPEN)
            continue;
        deal = deal_in(b, j);
        job.workers += atomic_load(&b->workers);
        job.rate += kith__deal_rate(&deal, job.in_size, job.out_size);
        unknown |= deal.last == 0;
    }
    if (unknown)
        job.rate = 0;
    return job;
}

/* Bytes of j, when they come along with a grant of size: so that a node which does not know it need not ask,
 * and can begin. Else 0. */
static uint64_t size_of_job(const struct kith__branch *b, const struct kith__job *j, uint64_t size,
                            uint64_t room)
{
    uint64_t its = kith__parcel_job_size(j);

    return j->kind != KITH__JOB_ROW && b->deal.job != j->seq && its <= DESCRIBED_MOST && size + its <= room
               ? its
               : 0;
}

/* Its bytes, in a block. What there is no memory for goes back, and what the foreman has no room for: that
 * one learns how much it takes. */
static int64_t give(struct kith__pool *p, const struct kith__branch *b, struct kith__job *j, uint32_t post,
                    const struct kith__grant *g, uint64_t room, struct kith__result *out)
{
    uint64_t own = kith__parcel_grant_size(j, g), described = size_of_job(b, j, own, room),
             size = own + described;

    if (size > room || (out->block = kith__heap_alloc(size, kith__me)) == 0) {
        kith__grant_settle(j, p->workers, g->epoch, 0, g->tries);
        return size > room ? (int64_t)size : KITH_ENOMEM;
    }
    kith__parcel_write_grant(j, post, g, kith__at(out->block));
    if (described)
        kith__parcel_add_job(j, post, kith__at(out->block), own);
    out->size = size;
    out->flags |= KITH__GIVEN;
    return (int64_t)size;
}

/* How many units the arguments of which fit into room bytes; one is granted in any case. */
static uint64_t that_fit(const struct kith__job *j, uint64_t units, uint64_t room)
{
    uint64_t most = room > sizeof(struct kith__parcel_grant) ? room - sizeof(struct kith__parcel_grant) : 0,
             each = kith__parcel_unit_size(j);

    most = each ? most / each : units;
    return units < most ? units : most ? most : 1;
}

/* How many units who has of all calls, and how many of rows. */
static void count_granted(const struct kith__pool *p, const struct kith__caller *who, uint64_t *units,
                          uint64_t *items)
{
    uint32_t posts = kith__posts(p);

    *units = *items = 0;
    for (uint32_t i = 0; i < posts; i++) {
        struct kith__job *j = kith__post_job(kith__post(p, i));

        if (!j || atomic_load(&j->granted_count) == 0)
            continue;
        *(j->kind == KITH__JOB_ROW ? items : units) += kith__grants_of(j, who);
    }
}

static uint64_t workers_of_all(const struct kith__pool *p)
{
    const struct kith__branches *all = kith__branches(p);
    uint64_t workers = p->workers;

    for (uint32_t i = 0; i < all->count; i++)
        if (atomic_load(&all->of[i].state) == KITH__BRANCH_OPEN)
            workers += atomic_load(&all->of[i].workers);
    return workers;
}

/* The job log tells of each by its number, so it is granted alone. */
static uint32_t batch_of(const struct kith__pool *p, const struct kith__branch *b, struct kith__job *j)
{
    return kith__joblog_on ? 1 : kith__deal_items(&b->deal, left_of(j), workers_of_all(p));
}

/* Of a row the next item that was not cancelled. */
static int grant_item(struct kith__pool *p, struct kith__branches *all, const struct kith__caller *who,
                      struct kith__job *j, struct kith__grant *g)
{
    while (kith__grant_make(j, p->workers, 1, who, all->epoch + 1, g)) {
        all->epoch++;
        if (kith__item_begin(kith__row_item(kith__job_row(j), g->lo)))
            return 1;
        kith__grant_settle(j, p->workers, g->epoch, 1, 0);
        kith__row_tell(j, g->lo);
    }
    return 0;
}

/* Up to most of them, in room bytes, but for the first: how many; *size: bytes. What was tried before is
 * granted alone. */
static uint32_t grant_items(struct kith__pool *p, struct kith__branches *all, const struct kith__caller *who,
                            struct kith__job *j, uint32_t most, uint64_t room, struct kith__grant *g,
                            uint64_t *size)
{
    uint32_t n = 0;

    *size = 0;
    while (n < most && (n == 0 || g[0].tries == 0) && grant_item(p, all, who, j, &g[n])) {
        uint64_t with = kith__parcel_item_room(*size) + kith__parcel_grant_size(j, &g[n]);

        if (n > 0 && (with > room || g[n].tries > 0)) {
            kith__grant_settle(j, p->workers, g[n].epoch, 0, g[n].tries);
            break;
        }
        *size = with;
        n++;
    }
    return n;
}

/* As give, below: n of them, side by side. */
static int64_t give_items(struct kith__pool *p, struct kith__job *j, uint32_t post,
                          const struct kith__grant *g, uint32_t n, uint64_t size, uint64_t room,
                          struct kith__result *out)
{
    uint64_t at = 0;
    char *to;

    if (size > room || (out->block = kith__heap_alloc(size, kith__me)) == 0) {
        for (uint32_t i = 0; i < n; i++)
            kith__grant_settle(j, p->workers, g[i].epoch, 0, g[i].tries);
        return size > room ? (int64_t)size : KITH_ENOMEM;
    }
    to = kith__at(out->block);
    for (uint32_t i = 0; i < n; i++) {
        kith__parcel_write_grant(j, post, &g[i], to + at);
        kith__parcel_say_items(to + at, n - i);
        at = kith__parcel_item_room(at + kith__parcel_grant_size(j, &g[i]));
    }
    out->size = size;
    out->flags |= KITH__GIVEN;
    return (int64_t)size;
}

static int64_t claim_items(struct kith__object *o, const struct kith__branch *b,
                           const struct kith__caller *who, struct kith__job *j, uint32_t post, uint64_t room,
                           struct kith__result *out)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__grant g[KITH__DEAL_BATCH];
    uint64_t size, units, items;
    uint32_t n = grant_items(p, kith__branches(p), who, j, batch_of(p, b, j), room, g, &size);

    if (n == 0)
        return KITH__PARKED;
    count_granted(p, who, &units, &items);
    if (g[0].tries > 0 && !kith__deal_takes_alone(&b->deal, units, items - 1)) {
        /* Not one of a batch, so it would not come back. It is counted already. */
        kith__grant_settle(j, p->workers, g[0].epoch, 0, g[0].tries);
        kith__fence();
        kith__wake_all(kith__object_waiters(o, KITH__POOL_IDLE));
        return KITH__PARKED;
    }
    return give_items(p, j, post, g, n, size, room, out);
}

static int grant_range(struct kith__pool *p, struct kith__branches *all, const struct kith__branch *b,
                       const struct kith__caller *who, struct kith__job *j, uint64_t room,
                       struct kith__grant *g)
{
    struct kith__deal_job now = job_now(p, j, who);
    struct kith__deal deal = deal_in(b, j);
    uint64_t size = now.left ? kith__deal_size(&deal, &now) : 0;

    if (size == 0 || !kith__grant_make(j, p->workers, that_fit(j, size, room), who, all->epoch + 1, g))
        return 0;
    all->epoch++;
    return 1;
}

static int64_t claim_range(struct kith__object *o, const struct kith__branch *b,
                           const struct kith__caller *who, struct kith__job *j, uint32_t post, uint64_t room,
                           struct kith__result *out)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__grant g;

    if (!grant_range(p, kith__branches(p), b, who, j, room, &g))
        return KITH__PARKED;
    return give(p, b, j, post, &g, room, out);
}

/* The agent is inside of j. */
static int64_t grant(struct kith__object *o, const struct kith__branch *b, const struct kith__caller *who,
                     struct kith__job *j, uint32_t post, uint64_t room, struct kith__result *out)
{
    int64_t rc = (j->kind == KITH__JOB_ROW ? claim_items : claim_range)(o, b, who, j, post, room, out);

    if (rc != KITH__PARKED && (rc < 0 || left_of(j) > 0)) /* as in worker.c */
        kith__tell_one(out, KITH__POOL_IDLE);
    return rc;
}

static struct kith__job *find_job(struct kith__pool *p, const struct kith__branch *b,
                                  const struct kith__caller *who, uint32_t *post)
{
    enum kith__deal_takes takes;
    uint64_t units, items;

    count_granted(p, who, &units, &items);
    takes = kith__deal_takes(&b->deal, units, items);
    return takes == KITH__DEAL_NOTHING ? NULL
                                       : kith__job_find_for_others(p, &kith__branches(p)->lane,
                                                                   takes == KITH__DEAL_UNITS_OR_ITEMS, post);
}

static int64_t claim(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    struct kith__branches *all;
    struct kith__pool *p;
    struct kith__branch *b;
    struct kith__job *j;
    uint32_t post = 0;
    int64_t rc = find(o, who, in, &p, &b);

    if (rc < 0)
        return rc;
    if (!read_deal(&b->deal, in))
        return kith__fail(KITH_EINVAL, "node %u claims tasks with figures that make no sense", who->node);
    if ((rc = take_carried(p, who, in, out)) < 0)
        return rc;
    if (atomic_load(&p->state) != KITH__POOL_OPEN)
        return KITH_EEND;
    all = kith__branches(p);
    rc = KITH__PARKED;
    if ((j = find_job(p, b, who, &post))) {
        rc = grant(o, b, who, j, post, in->number, out);
        kith__job_leave(&all->lane, j);
    }
    if (rc == KITH__PARKED)
        all->waits = 1;
    return rc;
}

/* Of a grant of a row, which keeps all that it is of: whether it is wanted still. */
static int64_t ask_of_item(const struct kith__pool *p, uint32_t post, const struct kith__caller *who,
                           const struct kith__args *in)
{
    struct kith__job *j = post < kith__posts(p) ? kith__post_job(kith__post(p, post)) : NULL;
    struct kith__grant g;
    uint64_t epoch;

    memcpy(&epoch, in->bytes, sizeof epoch);
    if (!j || j->kind != KITH__JOB_ROW || !kith__grant_find(j, epoch, who, &g))
        return 0; /* it has come back */
    return kith__item_state(kith__row_item(kith__job_row(j), g.lo)) == KITH__ITEM_CONDEMNED ? KITH_EEND : 0;
}

static int64_t describe(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                        struct kith__result *out)
{
    struct kith__branches *all;
    struct kith__pool *p;
    struct kith__branch *b;
    struct kith__job *j;
    uint32_t post = kith__touched_post(in->number);
    int64_t rc = find(o, who, in, &p, &b);

    if (rc < 0)
        return rc;
    if (in->size == sizeof(uint64_t))
        return ask_of_item(p, post, who, in);
    all = kith__branches(p);
    if (post >= kith__posts(p) || !kith__job_enter(p, &all->lane, post, in->number >> KITH__TOUCH_BITS))
        return KITH_EEND;
    j = kith__post_job(kith__post(p, post));
    if (atomic_load(&j->cancelled) || j->kind == KITH__JOB_ROW)
        rc = kith__job_halted(j) && !atomic_load(&j->is_ended) ? KITH_ECANCELLED : KITH_EEND;
    else if ((out->block = kith__heap_alloc(out->size = kith__parcel_job_size(j), kith__me)) == 0)
        rc = KITH_ENOMEM;
    else {
        kith__parcel_write_job(j, post, kith__at(out->block));
        out->flags |=
            KITH__GIVEN | KITH__MARK; /* to be freed, and nothing else, when it has arrived or not */
        rc = (int64_t)out->size;
    }
    kith__job_leave(&all->lane, j);
    return rc;
}

/* ------------------------------------------------------------------ what is not taken, and deaths */

int kith__branch_undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__parcel_grant g;
    struct kith__job *j;
    uint64_t at = 0, its;

    (void)who;
    if (given->flags & KITH__MARK || atomic_load(&p->gone) || !given->block)
        return 0;
    do { /* they are as this process has written them */
        memcpy(&g, (const char *)kith__at(given->block) + at, sizeof g);
        if ((j = kith__post_job(kith__post(p, g.post))))
            kith__grant_settle(j, p->workers, g.grant.epoch, 0, g.grant.tries);
    } while (g.is_item > 1 && kith__parcel_next_item(kith__at(given->block), UINT64_MAX / 2, &at, &its));
    tell_of_returned(p, given);
    return 0;
}

/* 1: that is so. Nothing of it is begun here while somebody else has it, so memory in place is as the first
 * attempt has found it. But a caller who has said that no task is ever begun twice waits until the node is
 * lost; and so do tasks of a row, any of which may be a long one. */
static int take_again(const struct kith__pool *p, struct kith__job *j, const struct kith__caller *who)
{
    struct kith__deal_job now;
    uint64_t units;

    if (j->kind == KITH__JOB_ROW || j->tries <= 1 || atomic_load(&j->cancelled) || left_of(j) > 0 ||
        (units = kith__grants_of(j, who)) == 0)
        return 0;
    now = job_now(p, j, NULL);
    return kith__deal_is_done_within(&now, units, again_ns) && kith__grants_give_back(j, p->workers, who) > 0;
}

static int has_branch_on(const struct kith__branches *all, uint32_t node)
{
    for (uint32_t i = 0; all && i < all->count; i++)
        if (atomic_load(&all->of[i].state) == KITH__BRANCH_OPEN &&
            atomic_load(&all->of[i].holder) >> 32 == node)
            return 1;
    return 0;
}

void kith__branch_doubted(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__branches *all = atomic_load(&p->gone) ? NULL : kith__branches(p);
    uint32_t posts = has_branch_on(all, who->node) ? kith__posts(p) : 0;
    int some = 0;

    for (uint32_t i = 0; i < posts; i++) {
        struct kith__job *j = enter(p, i);

        if (!j)
            continue;
        some |= take_again(p, j, who);
        kith__job_leave(&all->lane, j);
    }
    if (some)
        tell_of_returned(p, out);
}

/* One of them starts another foreman. */
static void wake_callers(struct kith__pool *p)
{
    uint32_t posts = kith__posts(p);

    for (uint32_t i = 0; i < posts; i++) {
        struct kith__job *j = enter(p, i);

        if (!j)
            continue;
        kith__wake_all(j->kind == KITH__JOB_ROW ? &kith__job_row(j)->waiters : &j->waiters);
        kith__job_leave(&kith__branches(p)->lane, j);
    }
}

/* Those of a grant, as many as the job goes on for: how many. */
static uint64_t fail_units(struct kith__job *j, const struct kith__grant *g, const struct kith__branch *b,
                           uint32_t node)
{
    uint64_t i;

    for (i = 0; i < g->length && !atomic_load(&j->cancelled); i++) {
        const struct kith__fault_entry e = { .unit = g->lo + i,
                                             .end = KITH_END_SIGNALLED,
                                             .signal = SIGKILL,
                                             .worker = (int32_t)b->first_worker,
                                             .node = node + 1 };

        kith__job_fault(j, &e, "with the process of its pool on that node, perhaps before it began");
    }
    return i;
}

/* Of a foreman that was killed: where no task is ever to be begun twice, what it had has failed. */
static void fail_granted(struct kith__pool *p, const struct kith__branch *b, const struct kith__caller *who)
{
    uint32_t posts = kith__posts(p);
    struct kith__grant g;

    for (uint32_t i = 0; i < posts; i++) {
        struct kith__job *j = enter(p, i);

        if (!j)
            continue;
        while (j->tries <= 1 && !atomic_load(&j->cancelled) && kith__grant_next(j, who, &g)) {
            kith__grant_settle(j, p->workers, g.epoch, fail_units(j, &g, b, who->node), g.tries);
            if (j->kind == KITH__JOB_ROW)
                kith__row_tell(j, g.lo);
        }
        kith__job_leave(&kith__branches(p)->lane, j);
    }
}

void kith__branch_died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__branches *all = atomic_load(&p->gone) ? NULL : kith__branches(p);
    uint32_t lost = 0;

    for (uint32_t i = 0; all && i < all->count; i++) {
        struct kith__branch *b = &all->of[i];

        if (atomic_load(&b->state) == KITH__BRANCH_OPEN && kith__is_same(atomic_load(&b->holder), who)) {
            atomic_store(&b->state, who->member ? KITH__BRANCH_KILLED : KITH__BRANCH_LOST);
            if (who->member)
                fail_granted(p, b, who);
            lost++;
        }
    }
    if (!lost)
        return;
    give_back(p, who);
    tell_of_returned(p, out);
    if (who->member) {
        atomic_store(&all->killed, 1);
        kith__fence();
        wake_callers(p);
    }
}

static int64_t count_workers(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                             struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    if (kith__pool_body(o)->threads) /* who can use it is in its process, and need not ask */
        return kith__threads_refuse();
    return kith__spread_workers(kith__pool_body(o));
}

static int64_t set_progress(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                            struct kith__result *out)
{
    (void)who;
    (void)out;
    if (kith__pool_body(o)->threads)
        return kith__threads_refuse();
    atomic_store(&kith__pool_body(o)->progress, in->number != 0);
    return 0;
}

#define ASKS (KITH__UNGUARDED | KITH__HOLDS)

const struct kith__method kith__pool_methods[KITH__POOL_METHODS] = {
    [KITH__POOL_JOIN] = { "join", join, -1, ASKS },
    [KITH__POOL_CLAIM] = { "claim", claim, KITH__POOL_FOREMEN, ASKS | KITH__GIVES | KITH__EACH },
    [KITH__POOL_JOB] = { "job", describe, -1, ASKS | KITH__GIVES },
    [KITH__POOL_RETURN] = { "return", take_back, -1, ASKS | KITH__KEEPS },
    [KITH__POOL_NEWS] = { "news", news, KITH__POOL_FOREMEN, ASKS | KITH__EACH },
    [KITH__POOL_LEAVE] = { "leave", leave, -1, ASKS },
    [KITH__POOL_WORKERS] = { "workers", count_workers, -1, KITH__LOOKS },
    [KITH__POOL_RECORDS] = { "records", kith__records_give, -1, 0 },
    [KITH__POOL_OUTLINE] = { "outline", kith__outline_give, -1, 0 },
    [KITH__POOL_PROGRESS] = { "progress", set_progress, -1, 0 },
};
