/* opening.c: see opening.h. */
#include "config.h"
#include "pool/opening.h"
#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "member/bell.h"
#include "object/memory.h"
#include "pool/branch.h"
#include "pool/fault.h"
#include "pool/serial.h"
#include "pool/threads.h"
#include "shm/heap.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORKERS = 1900, TRIES = 2 }; /* each needs a seat */
enum { INIT_LIMIT_LEAST_MS = 1000, INIT_LIMIT_MS = 600000 };

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

static int await_workers(struct kith__object *o, struct kith__spread *plan)
{
    struct kith__pool *p = kith__pool_body(o);
    int rc = 0;

    if (p->has_init) {
        rc = kith__pool_await(o, is_ready, is_broken);
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
        kith__pool_class.destroy(o);
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
