/* pool.c: see pool.h. */
#include "config.h"
#include "pool/pool.h"
#include "member/bell.h"
#include "pool/attend.h"
#include "pool/branch.h"
#include "pool/fault.h"
#include "pool/feed.h"
#include "pool/later.h"
#include "pool/service.h"
#include "pool/row.h"
#include "base/error.h"
#include "shm/heap.h"
#include "pool/serial.h"
#include "pool/settle.h"
#include "pool/spread.h"
#include "pool/threads.h"
#include "pool/turn.h"
#include "base/system.h"
#include "object/memory.h"

#include <stdlib.h>

static const char noun[] = "Pool";
static const int64_t look_ns = 200000; /* while it waits for what wakes nobody */

/* In our table a pool of another node would be somebody else. */
static int usable(kith_pool p)
{
    int rc = kith__handle_usable(p.id, noun);

    if (rc == 0 && kith__handle_home(p.id) != kith__shared->node)
        rc = kith__fail(
            KITH_EINVAL,
            "a Pool of node %u was used on node %u: only on its own node can it be closed or terminated",
            kith__handle_home(p.id), kith__shared->node);
    return rc;
}

struct search {
    uint64_t trunk, found;
};

/* Another pool in that slot has another handle. */
static void match_trunk(struct kith__object *o, void *context)
{
    struct search *s = context;
    uint64_t id = kith__object_id(o);

    if (kith__pool_body(o)->trunk.pool == s->trunk && kith__object_is(o, id))
        s->found = id;
}

kith_pool kith__pool_here(kith_pool p)
{
    const struct kith__member *m;

    if (!kith__attend_is_needed(p))
        return p;
    m = kith__member(kith__me);
    if (atomic_load(&m->role) == KITH__WORKER &&
        kith__pool_body(kith__object_slot(atomic_load(&m->object)))->trunk.pool == p.id)
        return (kith_pool){ atomic_load(&m->object) };
    return p;
}

kith_pool kith__pool_branch(kith_pool p)
{
    struct search s = { p.id, p.id };

    if (kith__attend_is_needed(p))
        kith__objects_each(KITH__POOL_KIND, match_trunk, &s);
    return (kith_pool){ s.found };
}

int kith__pool_awaits_us(uint64_t id)
{
    struct kith__object *o = kith__object_slot(id);

    /* kith__turn: also of the service, when it begins what a task has called. */
    return (kith__my_lane(o, &(uint32_t){ 0 }) || kith__serial_in(o) || kith__turn.pool == o) &&
           kith__object_leaves(id, KITH__POOL_KIND) &&
           atomic_load(&kith__pool_body(o)->state) == KITH__POOL_OPEN;
}

/* Those of a pool of threads find what they are given in the memory of their process only. */
static int enter_ours(uint64_t id, struct kith__object **o)
{
    int rc = kith__object_enter(id, KITH__POOL_KIND, o);
    uint32_t threads = rc == 0 ? kith__pool_body(*o)->threads : 0;

    if (threads == 0 || threads == kith__me)
        return rc;
    kith__object_leave(*o);
    return kith__threads_refuse();
}

int kith__pool_enter(kith_pool p, struct kith__object **o)
{
    int rc = usable(p);

    if (rc < 0)
        return rc;
    if ((rc = enter_ours(p.id, o)) != KITH_ESTALE || !kith__pool_awaits_us(p.id))
        return rc;
    *o = kith__object_slot(p.id);
    kith__guard_enter(&(*o)->guard);
    return 0;
}

int kith__pool_find(kith_pool p, struct kith__object **o)
{
    int rc = kith__pool_enter(p, o);

    if (rc == 0)
        kith__object_leave(*o);
    return rc;
}

int kith__pool_is_of_threads(kith_pool p)
{
    struct kith__object *o;

    return kith__pool_find(p, &o) == 0 && kith__pool_body(o)->threads != 0;
}

int kith_pool_workers(kith_pool p)
{
    struct kith__object *o;
    int rc;

    p = kith__pool_here(p);
    if (kith__attend_is_needed(p))
        return kith__report((int)kith__ask(p.id, KITH__POOL_KIND, KITH__POOL_WORKERS, 0));
    rc = kith__pool_find(p, &o);
    return rc < 0 ? kith__report(rc) : (int)kith__spread_workers(kith__pool_body(o));
}

/* ------------------------------------------------------------------- ending */

static int has_ended(const struct kith__pool *p)
{
    for (uint32_t w = 0; w < p->workers; w++)
        if (atomic_load(&kith__lane(p, w)->member) != 0)
            return 0;
    return kith__branches_have_left(p);
}

int kith__pool_await(struct kith__object *o, int (*done)(const struct kith__pool *p),
                     int (*failed)(const struct kith__pool *p))
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__wait w;
    int rc = kith__wait_begin(&w, kith__object_waiters(o, 1), KITH_FOREVER);

    if (rc < 0)
        return rc;
    while (rc == 0 && !done(p) && !(failed && failed(p)))
        rc = kith__wait_sleep(&w);
    kith__wait_end(&w, 1);
    return rc;
}

void kith__pool_stop(struct kith__object *o, enum kith__pool_event event)
{
    struct kith__pool *p = kith__pool_body(o);

    kith__pool_move(p, event);
    /* Not a signal to each member: its number may be another's the next moment. */
    if (event == KITH__POOL_TERMINATE)
        atomic_store(&p->killed, 1);
    kith__wake_all(kith__object_waiters(o, KITH__POOL_IDLE));
    kith__branches_tell(o);
    kith__server_ring();
}

/* It is ours before it is let go: who dies in between leaves it to its janitor, which destroys the pool again
 * before it takes back the blocks of the dead. */
static void free_held(_Atomic uint64_t *held)
{
    uint64_t block = atomic_load(held);

    if (block == 0)
        return;
    atomic_store(kith__heap_owner(block), kith__me);
    kith__failpoint("pool: block ours");
    atomic_store(held, 0);
    kith__failpoint("pool: block let go");
    kith__heap_free(block);
}

/* What the job has goes first: it is found through the job. */
static void free_job(_Atomic uint64_t *held)
{
    struct kith__job *j = kith__at(atomic_load(held));

    if (atomic_load(held) == 0)
        return;
    kith__job_drop_faults(j);
    for (int i = 0; i < KITH__RINGS; i++)
        free_held(&j->kept[i]);
    free_held(held);
}

/* A row stays posted as long as its pool: quiet is one of which all that was given has ended. */
static int is_quiet_row(const struct kith__pool *p, uint32_t post, int without_server)
{
    const struct kith__job *j = kith__post_job(kith__post(p, post));

    return atomic_load(&kith__post(p, post)->announced) != 0 && j->kind == KITH__JOB_ROW &&
           kith__row_is_quiet(j, without_server || atomic_load(&p->state) >= KITH__POOL_TERMINATED);
}

/* Nobody waits for it any more; with only_ranks: none of those who live on without the fork server. What the
 * others had posted a janitor would withdraw, and there are none then. */
static int is_quiet(const struct kith__pool *p, int only_ranks)
{
    uint32_t posts = kith__posts(p);

    for (uint32_t i = 0; i < posts; i++) {
        uint32_t poster = atomic_load(&kith__post(p, i)->poster),
                 role = poster ? atomic_load(&kith__member(poster)->role) : KITH__NOBODY;

        /* A task around what stands in one that is kept has a job of its own, or its caller is gone. */
        if (poster && !atomic_load(&kith__post(p, i)->kept) &&
            (!only_ranks || poster == kith__me || role == KITH__HEAD || role == KITH__RANK) &&
            !is_quiet_row(p, i, only_ranks))
            return 0;
    }
    return 1;
}

/* The jobs of a table go before the table, the last table before the one in front of it: what is left is
 * found. */
static void free_posts(struct kith__pool *p)
{
    for (uint32_t t = KITH__POST_TABLES; t-- > 0;) {
        uint32_t first = kith__post_table_first(t);

        if (atomic_load(&p->posts[t]) == 0)
            continue;
        for (uint32_t i = 0; i < KITH__POSTS * kith__post_words(t); i++)
            free_job(&kith__post(p, first + i)->job);
        free_held(&p->posts[t]);
    }
}

/* Frees what the body refers to; who does it again goes on where the first one died. */
static void destroy(struct kith__object *o)
{
    struct kith__pool *p = kith__pool_body(o);
    uint64_t lanes = atomic_load(&p->lanes);

    if (lanes && !p->serial && !has_ended(p)) /* who was closing it died */
        kith__pool_stop(o, KITH__POOL_TERMINATE);
    /* Rows that were quiet may have no job any more when it is gone. */
    while (lanes && !atomic_load(&p->gone) && !((p->serial || has_ended(p)) && is_quiet(p, 0)) &&
           !kith__server_dead())
        kith__nap(1 * KITH__MS);
    kith__guard_enter(
        &o->guard); /* who hastens its end is not in it any more, and does not come after this */
    for (uint32_t i = 0, posts = kith__posts(p); i < posts; i++)
        kith__job_finish(p, i);
    atomic_store(&p->gone, 1);
    kith__object_leave(o);
    free_posts(p);
    free_held(&p->init_arg);
    free_held(&p->functions);
    free_held(&p->init_fault);
    kith__pool_drop_faults(o);
    free_held(&p->branches);
    free_held(&p->lanes);
}

/* Not in the pool's guard. Nobody wakes those who wait for tasks of threads by killing these. */
static void cancel_rest(uint64_t id)
{
    kith__feeds_cancel(id);
    kith__wake_everybody();
}

/* The workers are ended, by themselves or by the fork server; then the slot is given back. */
static int shut(struct kith__object *o, enum kith__pool_event event)
{
    struct kith__pool *p = kith__pool_body(o);
    int rc;

    /* A call that was begun before the end may not have posted its job yet: workers must still be there when
     * it does. */
    while (event == KITH__POOL_CLOSE && !is_quiet(p, 0) && !kith__server_dead())
        kith__nap(look_ns);
    kith__pool_stop(o, event);
    if (p->threads && event == KITH__POOL_TERMINATE)
        cancel_rest(p->id);
    for (;;) {
        rc = p->serial ? 0 : kith__pool_await(o, has_ended, NULL);
        if (rc < 0 && rc != KITH_EPEER)
            return rc;
        if (is_quiet(p, rc == KITH_EPEER))
            break;
        /* Callers whose workers are gone find that out, and leave. */
        kith__nap(look_ns);
    }
    kith__threads_join(p->id);
    if (p->serial || p->caller)
        kith__serial_finish(o, event == KITH__POOL_CLOSE);
    if (rc == 0 && event == KITH__POOL_CLOSE)
        rc = kith__pool_exit_report(o);
    kith__object_recycle(o);
    return rc;
}

/* Somebody else is closing it, and may have to wait for long tasks: 1: these are ended, and so is the pool;
 * 0: it was closed. */
static int hasten(uint64_t id)
{
    struct kith__object *o = kith__object_slot(id);
    int found, threads;

    if (!kith__object_leaves(id, KITH__POOL_KIND) || kith__my_lane(o, &(uint32_t){ 0 }) || kith__serial_in(o))
        return 0;
    kith__guard_enter(&o->guard);
    /* In this order: another pool in this slot is not gone, but has another handle. */
    found = !atomic_load(&kith__pool_body(o)->gone) && kith__object_leaves(id, KITH__POOL_KIND);
    threads = found && kith__pool_body(o)->threads != 0;
    if (found)
        kith__pool_stop(o, KITH__POOL_TERMINATE);
    kith__object_leave(o);
    if (threads)
        cancel_rest(id);
    while (found && kith__object_leaves(id, KITH__POOL_KIND) && !kith__server_dead())
        kith__nap(look_ns);
    return found;
}

/* Ends the object's life first: of two who close it, one does the work and the other finds it closed. */
static int end_pool(kith_pool p, enum kith__pool_event event)
{
    struct kith__object *o;
    int rc = usable(p);

    if (rc < 0)
        return rc;
    if ((rc = enter_ours(p.id, &o)) < 0)
        return rc == KITH_ESTALE && event == KITH__POOL_TERMINATE && hasten(p.id) ? 0 : rc;
    if (kith__my_lane(o, &(uint32_t){ 0 }) || kith__serial_in(o)) {
        kith__object_leave(o);
        return kith__fail(KITH_EINVAL, "a task cannot close the pool that it runs in");
    }
    kith__object_end(o);
    return shut(o, event);
}

/* A task cannot end the pool that it runs in, and must not wait for it. */
static int runs_in(kith_pool p)
{
    struct kith__object *o;

    return kith__pool_find(p, &o) == 0 && (kith__my_lane(o, &(uint32_t){ 0 }) || kith__serial_in(o));
}

static int close_pool(kith_pool p)
{
    int rc;

    if (!runs_in(p))
        kith__later_flush(p);
    rc = end_pool(p, KITH__POOL_CLOSE);
    kith__later_settle(p);
    kith__feeds_tidy();
    return rc;
}

int kith_pool_close(kith_pool p)
{
    return kith__report(close_pool(p));
}

/* Who fails to close one has a thread that does so already, or has lost the fork server. */
void kith__pools_of_threads_close(void)
{
    uint64_t id;

    while ((id = kith__threads_first()) != 0) {
        close_pool((kith_pool){ id });
        kith__threads_join(id);
    }
}

int kith_pool_terminate(kith_pool p)
{
    int rc;

    kith__later_give_up(p);
    rc = end_pool(p, KITH__POOL_TERMINATE);
    kith__feeds_tidy();
    return kith__report(rc);
}

_Static_assert(KITH__BODY_FITS(struct kith__pool, KITH__POOL_SIDES), "it is the body of an object");

const struct kith__class kith__pool_class = {
    .noun = "Pool",
    .methods = kith__pool_methods,
    .count = KITH__POOL_METHODS,
    .sides = KITH__POOL_SIDES,
    .lingers = 1,
    .destroy = destroy,
    .undo = kith__branch_undo,
    .died = kith__branch_died,
    .doubted = kith__branch_doubted,
};
