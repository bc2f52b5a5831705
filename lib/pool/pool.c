/* pool.c: see pool.h. */
#include "config.h"
#include "pool/pool.h"
#include "member/bell.h"
#include "base/env.h"
#include "pool/attend.h"
#include "pool/branch.h"
#include "pool/fault.h"
#include "pool/feed.h"
#include "pool/later.h"
#include "pool/row.h"
#include "base/error.h"
#include "base/log.h"
#include "shm/heap.h"
#include "rpc/mailbox.h"
#include "pool/serial.h"
#include "pool/settle.h"
#include "pool/spread.h"
#include "pool/threads.h"
#include "pool/turn.h"
#include "base/system.h"
#include "object/memory.h"
#include "pool/worker.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORKERS = 1900, TRIES = 2 }; /* each needs a seat */
enum { INIT_LIMIT_LEAST_MS = 1000, INIT_LIMIT_MS = 600000 };

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

/* ----------------------------------------------------------------- opening */

static int ask_worker(struct kith__object *o, uint64_t id, uint32_t worker)
{
    struct kith__pool *p = kith__pool_body(o);
    uint32_t who = kith__member_take(KITH__WORKER);
    struct kith__member *m;

    if (who == 0)
        return KITH_ENOMEM;
    m = kith__member(who);
    atomic_store(&m->object, id);
    m->worker = worker;
    m->number = (p->trunk.pool ? p->trunk.pool : id) & UINT32_MAX;
    snprintf(m->name, sizeof m->name, "worker %u", worker + p->trunk.first_worker);
    m->memory = p->memory;
    atomic_store(&kith__lane(p, worker)->member, who);
    kith__member_move(m, KITH__MEMBER_IS_ASKED);
    return 0;
}

/* A block with these bytes, or zeros; ours until the pool is published. */
static int hold(_Atomic uint64_t *held, const void *bytes, uint64_t size)
{
    uint64_t block = kith__heap_alloc(size, kith__me);

    if (!block)
        return KITH_ENOMEM;
    if (bytes)
        memcpy(kith__at(block), bytes, size);
    else
        memset(kith__at(block), 0, size);
    atomic_store(held, block);
    return 0;
}

/* An initializer may load what all tasks need, so it has more time than one of them. */
static uint32_t init_limit(const struct kith_pool_options *o)
{
    int64_t limit = 10 * (int64_t)o->limit_ms;

    if (o->init_limit_ms)
        return o->init_limit_ms == KITH_FOREVER ? 0 : (uint32_t)o->init_limit_ms;
    if (o->limit_ms == 0 || limit > INT_MAX)
        return o->limit_ms == 0 ? INIT_LIMIT_MS : INT_MAX;
    return limit < INIT_LIMIT_LEAST_MS ? INIT_LIMIT_LEAST_MS : (uint32_t)limit;
}

/* What it has to write out may be as much as was loaded. */
static uint32_t exit_limit(const struct kith_pool_options *o)
{
    struct kith_pool_options own = { .limit_ms = o->limit_ms, .init_limit_ms = o->exit_limit_ms };

    return init_limit(&own);
}

static int fill_functions(struct kith__pool *p, const struct kith_pool_options *o)
{
    int rc;

    p->has_init = o->init != NULL;
    p->has_exit = o->exit != NULL;
    if (!o->init && !o->exit)
        return 0;
    if ((rc = hold(&p->functions, NULL, sizeof(struct kith__pool_functions))) < 0)
        return rc;
    if (o->init && (rc = kith__token_make(&kith__pool_functions(p)->init, (kith__anyfn *)o->init)) < 0)
        return rc;
    return o->exit ? kith__token_make(&kith__pool_functions(p)->exit, (kith__anyfn *)o->exit) : 0;
}

static int fill(struct kith__pool *p, uint32_t workers, uint32_t branches, const struct kith_pool_options *o)
{
    int rc;

    p->workers = workers;
    p->limit_ms = (uint32_t)o->limit_ms;
    p->init_limit_ms = init_limit(o);
    p->exit_limit_ms = exit_limit(o);
    p->tries = o->threads ? 1 : o->tries ? (uint32_t)o->tries : TRIES;
    p->tasks_per_worker = p->serial ? 0 : (uint32_t)o->tasks_per_worker; /* the caller cannot be replaced */
    p->pinned = !o->unpinned;
    p->chunk = o->chunk;
    p->halt = o->halt;
    p->loops_here = o->nodes == 0;
    p->memory = o->memory;
    atomic_store(&p->progress, (uint32_t)kith__env_on(KITH__ENV_PROGRESS));
    p->caller = o->caller && !p->serial;
    p->threads = o->threads && !p->serial ? kith__me : 0;
    p->init_arg_size = o->arg_size;
    if ((rc = fill_functions(p, o)) < 0)
        return rc;
    if (o->arg_size > 0 && (rc = hold(&p->init_arg, o->arg, o->arg_size)) < 0)
        return rc;
    if ((rc = hold(&p->posts[0], NULL, kith__post_table_size(0))) < 0)
        return rc;
    if ((rc = hold(&p->lanes, NULL, workers * sizeof(struct kith__lane))) < 0)
        return rc;
    for (uint32_t w = 0; w < workers; w++)
        kith__record_open(&kith__lane(p, w)->record, !p->serial);
    return branches > 0 ? kith__branches_make(p, branches) : 0;
}

static int has_ended(const struct kith__pool *p)
{
    for (uint32_t w = 0; w < p->workers; w++)
        if (atomic_load(&kith__lane(p, w)->member) != 0)
            return 0;
    return kith__branches_have_left(p);
}

static int is_ready(const struct kith__pool *p)
{
    uint32_t ready = 0;

    for (uint32_t w = 0; w < p->workers; w++) {
        uint32_t state = atomic_load(&kith__lane(p, w)->state);

        if (state != KITH__LANE_READY && state != KITH__LANE_LATE)
            return 0;
        ready += state == KITH__LANE_READY;
    }
    return ready > 0;
}

static int is_broken(const struct kith__pool *p)
{
    return atomic_load(&p->init_fault) != 0 || atomic_load(&p->init_death.unsettled) ||
           atomic_load(&p->state) == KITH__POOL_BROKEN;
}

static int wait_until(struct kith__object *o, int (*done)(const struct kith__pool *p),
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

/* Workers that are processes are killed; threads begin nothing any more. */
static void stop_workers(struct kith__object *o, enum kith__pool_event event)
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
    for (int i = 0; i < 2; i++)
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

/* What a dead one had decided to change in a job. */
static void finish_job(const struct kith__pool *p, uint32_t post)
{
    struct kith__job *j = kith__post_job(kith__post(p, post));

    if (j)
        kith__guard_finish(&j->guard);
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
        stop_workers(o, KITH__POOL_TERMINATE);
    while (lanes && !((p->serial || has_ended(p)) && is_quiet(p, 0)) && !kith__server_dead())
        kith__nap(1 * KITH__MS);
    kith__guard_enter(
        &o->guard); /* who hastens its end is not in it any more, and does not come after this */
    for (uint32_t i = 0, posts = kith__posts(p); i < posts; i++)
        finish_job(p, i);
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
    stop_workers(o, event);
    if (p->threads && event == KITH__POOL_TERMINATE)
        cancel_rest(p->id);
    for (;;) {
        rc = p->serial ? 0 : wait_until(o, has_ended, NULL);
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

static int await_workers(struct kith__object *o, struct kith__spread *plan)
{
    struct kith__pool *p = kith__pool_body(o);
    int rc = 0;

    if (p->has_init) {
        rc = wait_until(o, is_ready, is_broken);
        if (rc == 0 && is_broken(p))
            rc = kith__pool_init_fault(p);
    }
    return rc == 0 && plan->count > 0 ? kith__spread_await(o, plan) : rc;
}

static int launch(struct kith__object *o, struct kith__spread *plan, uint64_t *id)
{
    struct kith__pool *p = kith__pool_body(o);
    int rc = 0;

    kith__guard_enter(&o->guard);
    kith__guard_set(&o->guard, kith__heap_owner(p->lanes), 0);
    kith__guard_set(&o->guard, kith__heap_owner(p->posts[0]), 0);
    if (p->init_arg)
        kith__guard_set(&o->guard, kith__heap_owner(p->init_arg), 0);
    if (p->functions)
        kith__guard_set(&o->guard, kith__heap_owner(p->functions), 0);
    if (p->branches)
        kith__guard_set(&o->guard, kith__heap_owner(p->branches), 0);
    *id = kith__object_publish(o, KITH__POOL_KIND);
    p->id = *id;
    if (p->serial)
        return kith__serial_prepare(o, *id);
    if (p->threads)
        return (rc = kith__threads_start(o)) < 0 ? rc : await_workers(o, plan);
    for (uint32_t w = 0; w < p->workers && rc == 0; w++)
        rc = ask_worker(o, *id, w);
    kith__server_ring();
    if (rc < 0)
        return rc;
    kith__spread_begin(o, *id, plan);
    return await_workers(o, plan);
}

/* What cannot be had where the workers are threads of one process. */
static int check_threads(const struct kith_pool_options *o)
{
    const struct {
        const char *name;
        int is_given;
    } refused[] = { { ".limit_ms", o->limit_ms > 0 },
                    { ".init_limit_ms", o->init_limit_ms > 0 },
                    { ".exit_limit_ms", o->exit_limit_ms > 0 },
                    { ".tries", o->tries > 1 },
                    { ".tasks_per_worker", o->tasks_per_worker > 0 },
                    { ".memory", o->memory > 0 },
                    { ".nodes", o->nodes != 0 && o->nodes != 1 } };

    if (o->threads < 0 || o->threads > 1)
        return kith__fail(KITH_EINVAL, "a pool with .threads %d: give 0 or 1", o->threads);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0] && o->threads; i++)
        if (refused[i].is_given)
            return kith__fail(KITH_EINVAL,
                              "a pool with .threads and %s: only workers that are processes can be limited, "
                              "ended or replaced one by one, or be on other nodes; leave out one of the two",
                              refused[i].name);
    return 0;
}

static int check_options(int workers, const struct kith_pool_options *o)
{
    if (workers < 0 || workers > MOST_WORKERS)
        return kith__fail(KITH_EINVAL, "a pool of %d workers: give 1 to %d, or 0 for one per usable CPU",
                          workers, MOST_WORKERS);
    if (o->limit_ms < 0 || o->tries < 0 || o->tasks_per_worker < 0)
        return kith__fail(KITH_EINVAL,
                          "a pool with .limit_ms %d, .tries %d, .tasks_per_worker %d: none may be negative",
                          o->limit_ms, o->tries, o->tasks_per_worker);
    if (o->init_limit_ms < KITH_FOREVER)
        return kith__fail(KITH_EINVAL,
                          "a pool with .init_limit_ms %d: give ms, 0 for the default, or KITH_FOREVER",
                          o->init_limit_ms);
    if (o->exit_limit_ms < KITH_FOREVER)
        return kith__fail(KITH_EINVAL,
                          "a pool with .exit_limit_ms %d: give ms, 0 for the default, or KITH_FOREVER",
                          o->exit_limit_ms);
    if (o->nodes < -1)
        return kith__fail(KITH_EINVAL,
                          "a pool with .nodes %d: give a number of nodes, 0 for the default, or -1 for all",
                          o->nodes);
    if (o->halt < -1)
        return kith__fail(
            KITH_EINVAL,
            "a pool with .halt %d: give a number of failures, 0 for the default, or -1 for no limit",
            o->halt);
    if (o->caller < 0 || o->caller > 1)
        return kith__fail(KITH_EINVAL, "a pool with .caller %d: give 0 or 1", o->caller);
    if (!o->arg && o->arg_size > 0)
        return kith__fail(KITH_EINVAL, "a pool with %zu bytes of .arg at NULL", o->arg_size);
    return check_threads(o);
}

/* Fills it, and starts its workers, here and elsewhere. */
static int make_pool(struct kith__object *o, struct kith__spread *plan,
                     const struct kith_pool_options *options, uint64_t *id)
{
    struct kith__object *same;
    char why[512];
    int rc = fill(kith__pool_body(o), plan->here, plan->count, options);

    if (rc < 0) {
        destroy(o);
        kith__object_abandon(o);
        return rc;
    }
    if ((rc = launch(o, plan, id)) < 0) {
        snprintf(why, sizeof why, "%.511s", kith_last_error());
        if (kith__pool_find((kith_pool){ *id }, &same) == 0)
            kith_pool_terminate((kith_pool){ *id });
        kith__fail(rc, "%s", why);
    }
    return rc;
}

/* By default all. But threads are here; short loops, which are what .caller is for, are done before others
 * hear of them; where each rank runs main, each has its own part of the machine; and what .init and .exit are
 * given may be of use on this node only. */
static int nodes_of(const struct kith_pool_options *o)
{
    if (o->nodes)
        return o->nodes;
    if (o->caller || o->threads || kith__shared->every_rank || kith__shared->nodes == 1)
        return 1;
    if (!kith__spread_points_here(o->arg, o->arg_size, 1))
        return -1;
    kith__log(KITH_LOG_INFO,
              "the argument of a pool's .init holds pointers, which are of no use on other nodes, so all its "
              "workers are on %s",
              kith__shared->host);
    return 1;
}

static int plan_pool(int workers, int nodes, int serial, struct kith__spread **plan)
{
    int rc = serial ? kith__spread_plan(1, 1, plan) : kith__spread_plan(workers, nodes, plan);

    if (rc < 0)
        return rc;
    if ((*plan)->here <= MOST_WORKERS)
        return 0;
    rc = kith__fail(KITH_EINVAL,
                    "a pool of %u workers, one for each CPU or as KITH_WORKERS says: give a number up to %d",
                    (*plan)->here, MOST_WORKERS);
    free(*plan);
    return rc;
}

static int open_new(const struct kith__trunk *trunk, struct kith__spread *plan, int serial,
                    const struct kith_pool_options *options, uint64_t *id)
{
    struct kith__object *o = kith__object_new();

    if (!o)
        return KITH_ENOMEM;
    kith__pool_body(o)->serial = (uint32_t)serial;
    if (trunk)
        kith__pool_body(o)->trunk = *trunk;
    return make_pool(o, plan, options, id);
}

static int open_pool(uint64_t *id, int workers, const struct kith_pool_options *given, size_t given_size)
{
    struct kith_pool_options options = { 0 };
    struct kith__spread *plan;
    int rc, serial = kith__env_on(KITH__ENV_SERIAL);

    if (!kith__base || kith__me == 0)
        return kith__not_in_job("kith_pool_open was called");
    if (given)
        memcpy(&options, given, given_size < sizeof options ? given_size : sizeof options);
    if ((rc = check_options(workers, &options)) < 0)
        return rc;
    if (kith__server_dead())
        return KITH_EPEER;
    kith__memory_pass_on();
    if ((rc = plan_pool(workers, nodes_of(&options), serial, &plan)) < 0)
        return rc;
    if (workers == 0 && options.caller && plan->count == 0 && plan->here > 1) /* the caller is one, too */
        plan->here = --plan->all;
    rc = open_new(NULL, plan, serial, &options, id);
    free(plan);
    return rc;
}

int kith__pool_open_spread(struct kith__spread *plan, const struct kith_pool_options *o, uint64_t *id)
{
    return open_new(NULL, plan, 0, o, id);
}

int kith__pool_open_branch(const struct kith__trunk *trunk, int workers, const struct kith_pool_options *o,
                           uint64_t *id)
{
    struct kith__spread plan = { .here = (uint32_t)workers, .all = (uint32_t)workers };

    if (workers > MOST_WORKERS)
        return kith__fail(KITH_EINVAL, "it has %d workers, and %d is the limit", workers, MOST_WORKERS);
    return open_new(trunk, &plan, 0, o, id);
}

#undef kith_pool_open_with /* which adds the size */
kith_pool kith_pool_open_with(int workers, const struct kith_pool_options *options, size_t options_size)
{
    kith_pool p = { 0 };
    int rc = kith__report(open_pool(&p.id, workers, options, options_size));

    if (rc < 0)
        p.id = kith__failed_handle(rc);
    return p;
}

kith_pool kith_pool_open(int workers)
{
    return kith_pool_open_with(workers, NULL, 0);
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
        stop_workers(o, KITH__POOL_TERMINATE);
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

/* ---------------------------------------------------- after a death */

static int is_pool(const struct kith__object *o)
{
    return (atomic_load(&o->ident) & 255) == KITH__POOL_KIND || atomic_load(&o->leaving) == KITH__POOL_KIND;
}

/* A pool is taken down at any moment, and what was a job may hold anything then: only in the pool's guard is
 * it surely still one. */
static void finish_jobs(struct kith__object *o)
{
    const struct kith__pool *p = kith__pool_body(o);

    if (!is_pool(o))
        return;
    kith__failpoint("pool: seen");
    kith__guard_enter(&o->guard);
    /* In this order: another object in this slot has a body of zeros before it is one. */
    if (!atomic_load(&p->gone) && is_pool(o))
        for (uint32_t i = 0, posts = kith__posts(p); i < posts; i++)
            finish_job(p, i);
    kith__object_leave(o);
}

void kith__commits_finish(void)
{
    kith__guard_finish(&kith__shared->names);
    kith__mailboxes_finish();
    kith__objects_finish(finish_jobs);
}

/* The lanes that have ended for good have no successor to do it, and one whose next process waits for this
 * number has none yet: who died in a job would seem to be inside of it for ever. */
static void settle_ended(struct kith__pool *p)
{
    for (uint32_t w = 0; w < p->workers; w++) {
        uint32_t member = atomic_load(&kith__lane(p, w)->member);

        if (member == 0 || member == kith__me)
            kith__settle(p, w);
    }
}

/* In the guard: withdraws what that member had posted. How many of its jobs workers are still inside of. */
static int sweep_posts(struct kith__object *o, uint32_t member)
{
    struct kith__pool *p = kith__pool_body(o);
    int left = 0;

    for (uint32_t i = 0, posts = kith__posts(p); i < posts; i++) {
        struct kith__post *post = kith__post(p, i);
        struct kith__job *j = kith__post_job(post);

        if (atomic_load(&post->poster) != member)
            continue;
        if (j)
            atomic_store(&j->cancelled, KITH__ABANDONED);
        kith__job_hide(p, i);
        atomic_store(&post->announced, 0);
        kith__branches_tell(o);
        if (kith__job_untouched(p, i)) {
            if (j && j->has_items)
                kith__row_abandon(j, member);
            if (j)
                j->has_items = 0;
            kith__job_withdraw(p, i);
        } else
            left++;
    }
    if (left > 0)
        settle_ended(p);
    return left;
}

/* How many of its jobs there workers are still inside of. */
static int leave_pool(struct kith__object *o, uint32_t member)
{
    int left = 0;

    kith__guard_enter(&o->guard);
    if (!atomic_load(&kith__pool_body(o)->gone) && is_pool(o))
        left = sweep_posts(o, member);
    kith__guard_leave(&o->guard);
    return left;
}

static void abandon_pool(struct kith__object *o, void *member)
{
    leave_pool(o, *(uint32_t *)member);
}

/* A pool may be closed meanwhile: a row of the dead one is quiet, so nobody waits for us. */
static void sweep_pool(struct kith__object *o, void *member)
{
    while (leave_pool(o, *(uint32_t *)member) > 0)
        kith__nap(1 * KITH__MS);
}

static int is_branch_of(struct kith__object *o, uint32_t member)
{
    const struct kith__trunk *t = &kith__pool_body(o)->trunk;

    return t->pool != 0 && t->foreman == member;
}

/* A branch without its foreman works for nobody. It becomes one that its opener was about to take down, which
 * the janitor does next, and the next janitor when this one dies. */
static void end_branch(struct kith__object *o, void *context)
{
    uint32_t member = *(uint32_t *)context;
    uint64_t id = kith__object_id(o);
    struct kith__object *same;

    if (!is_branch_of(o, member))
        return;
    if (kith__object_is(o, id) && kith__object_enter(id, KITH__POOL_KIND, &same) == 0) {
        if (is_branch_of(o, member))
            kith__object_end(o);
        else
            kith__object_leave(o);
    }
    kith__failpoint("pool: branch ended");
    /* Before its jobs are waited for. */
    if (kith__object_leaves(id, KITH__POOL_KIND) && is_branch_of(o, member))
        stop_workers(o, KITH__POOL_TERMINATE);
}

static int is_of(struct kith__object *o, const uint32_t *member)
{
    const struct kith__pool *p = kith__pool_body(o);

    return is_pool(o) && p->threads == *member && atomic_load(&p->lanes) != 0;
}

/* Its workers are gone with it, wherever they were, and with all who could ask for what they had done. */
static void leave_jobs(struct kith__object *o, void *member)
{
    struct kith__pool *p = kith__pool_body(o);

    for (uint32_t w = 0; is_of(o, member) && w < p->workers; w++) {
        atomic_store(&kith__lane(p, w)->depth, 0);
        atomic_store(&kith__lane(p, w)->member, 0);
    }
}

/* Nobody else can use it, or close it: its life ends, and it is destroyed with what the dead had half open.
 */
static void end_its_life(struct kith__object *o, void *member)
{
    if (!is_of(o, member))
        return;
    kith__guard_enter(&o->guard);
    if ((atomic_load(&o->ident) & 255) == KITH__POOL_KIND)
        kith__object_end(o);
    else
        kith__object_leave(o);
}

void kith__jobs_abandon(uint32_t member)
{
    kith__objects_each(KITH__POOL_KIND, end_branch, &member);
    kith__objects_each(KITH__POOL_KIND, leave_jobs, &member);
    kith__objects_each(KITH__POOL_KIND, abandon_pool, &member);
}

void kith__jobs_sweep(uint32_t member)
{
    kith__objects_each(KITH__POOL_KIND, sweep_pool, &member);
    kith__objects_each(KITH__POOL_KIND, end_its_life, &member);
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
