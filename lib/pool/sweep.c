/* sweep.c: see sweep.h. */
#include "config.h"
#include "pool/sweep.h"
#include "pool/branch.h"
#include "pool/pool.h"
#include "pool/settle.h"
#include "rpc/mailbox.h"

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
            kith__job_finish(p, i);
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
        kith__pool_stop(o, KITH__POOL_TERMINATE);
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
