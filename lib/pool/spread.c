/* spread.c: see spread.h. Called by pool.c. */
#include "config.h"
#include "pool/spread.h"
#include "base/error.h"
#include "base/log.h"
#include "base/maps.h"
#include "base/system.h"
#include "member/wait.h"
#include "object/process.h"
#include "pool/branch.h"
#include "pool/fault.h"
#include "pool/foreman.h"
#include "rpc/agent_control.h"
#include "rpc/mailbox.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

enum { SUCCESSORS = 3 }; /* of a foreman: where each is killed, as for want of memory, it is given up */

static const int64_t look_ns = 100 * KITH__MS;

void kith__spread_shares(uint32_t workers, const uint32_t *each, uint32_t count, uint32_t *shares)
{
    uint32_t left = workers;

    for (uint32_t k = 0; k < count; k++) {
        shares[k] = workers == 0 || each[k] < left ? each[k] : left;
        left -= workers == 0 ? 0 : shares[k];
    }
    for (uint32_t k = 0; left > 0; k = (k + 1) % count, left--)
        shares[k]++;
}

static const struct kith__contact *contacts(void)
{
    uint64_t block =
        atomic_load(&kith__shared->agent_shared) ? atomic_load(&kith__agent_shared()->contacts) : 0;

    return block ? kith__at(block) : NULL;
}

/* This node first, then the others from the next one on. */
static uint32_t node_at(uint32_t k)
{
    return (kith__shared->node + k) % kith__shared->nodes;
}

static void fill(struct kith__spread *plan, const uint32_t *shares, uint32_t count)
{
    plan->here = plan->all = shares[0];
    for (uint32_t k = 1; k < count; k++) {
        if (shares[k] == 0)
            continue;
        plan->of[plan->count++] = (struct kith__share){ node_at(k), shares[k], plan->all, 0 };
        plan->all += shares[k];
    }
}

int kith__spread_plan(int workers, int nodes, struct kith__spread **plan)
{
    uint32_t count =
        nodes < 0 || (uint32_t)nodes > kith__shared->nodes ? kith__shared->nodes : (uint32_t)nodes;
    const struct kith__contact *all = contacts();
    uint32_t *each;

    if (count == 0 || !all)
        count = 1;
    *plan = calloc(1, sizeof **plan + count * sizeof(*plan)->of[0]);
    each = calloc(2 * (size_t)count, sizeof *each);
    if (!*plan || !each) {
        free(*plan);
        free(each);
        return kith__fail(KITH_ENOMEM, "no memory to open a pool");
    }
    each[0] = kith__shared->workers;
    for (uint32_t k = 1; k < count; k++)
        each[k] = all[node_at(k)].workers;
    kith__spread_shares((uint32_t)workers, each, count, each + count);
    fill(*plan, each + count, count);
    free(each);
    return 0;
}

/* ------------------------------------------------------------------ what must stay */

enum { LOOKS = 64, WORDS = 4096 };

static int is_address(const void *word)
{
    return kith__arena_holds(word, 1) ? kith__heap_holds(kith__offset(word))
                                      : kith__maps_hold((uint64_t)(uintptr_t)word);
}

static int has_address(const char *bytes, uint64_t size)
{
    uint64_t skip = -(uintptr_t)bytes % sizeof(void *);
    void *word;

    for (uint64_t at = skip; at + sizeof word <= size && at < WORDS * sizeof word; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        if (is_address(word))
            return 1;
    }
    return 0;
}

/* Elements of an array are alike: where the first ones have addresses, the others do, too, but for those that
 * are NULL. A number that looks like one costs time only. */
int kith__spread_points_here(const void *bytes, uint64_t size, uint64_t n)
{
    uint64_t step = n > LOOKS ? n / LOOKS : 1;

    for (uint64_t i = 0; size >= sizeof(void *) && i < n; i += step)
        if (has_address((const char *)bytes + i * size, size))
            return 1;
    return 0;
}

void kith__spread_tell_here(const char *name)
{
    kith__log(KITH_LOG_INFO,
              "%s is given pointers, which are of no use on other nodes, so all of it runs on %s", name,
              kith__shared->host);
}

/* ------------------------------------------------------------------ starting */

/* As the pool was opened, with its argument behind. NULL: no memory. */
static struct kith__brief *brief_for(const struct kith__pool *p, uint64_t id, uint32_t all)
{
    struct kith__brief *b = calloc(1, sizeof *b + p->init_arg_size);

    if (!b)
        return NULL;
    *b = (struct kith__brief){
        .pool = id,
        .all_workers = all,
        .limit_ms = (int32_t)p->limit_ms,
        .init_limit_ms = p->init_limit_ms ? (int32_t)p->init_limit_ms : KITH_FOREVER,
        .exit_limit_ms = p->exit_limit_ms ? (int32_t)p->exit_limit_ms : KITH_FOREVER,
        .tries = (int32_t)p->tries,
        .tasks_per_worker = (int32_t)p->tasks_per_worker,
        .unpinned = !p->pinned,
        .has_init = (int32_t)p->has_init,
        .has_exit = (int32_t)p->has_exit,
        .chunk = p->chunk,
        .memory = p->memory,
        .arg_size = p->init_arg_size,
    };
    if (b->has_init || b->has_exit)
        b->functions = *kith__pool_functions(p);
    if (b->arg_size)
        memcpy(b + 1, kith__at(atomic_load(&p->init_arg)), b->arg_size);
    return b;
}

static const char *host_of(uint32_t node)
{
    return contacts() ? contacts()[node].host : kith__shared->host;
}

static void leave_out(const struct kith__share *s, const char *why)
{
    kith__notice("%s takes no part in a pool: %s", host_of(s->node), why);
}

static void start_foreman(struct kith__share *s, struct kith__brief *b)
{
    struct kith_process_options o = { .name = "foreman", .daemon = 1, .node = (int)s->node + 1 };
    struct kith__run run = { (kith__anyfn *)kith__foreman, 0, b, sizeof *b + b->arg_size, 1 };

    b->workers = s->workers;
    b->first_worker = s->first_worker;
    if ((s->process = kith__process_begin(&run, &o)) < 0)
        leave_out(s, kith_last_error());
}

void kith__spread_begin(struct kith__object *o, uint64_t id, struct kith__spread *plan)
{
    struct kith__brief *b = brief_for(kith__pool_body(o), id, plan->all);
    struct kith__branches *all = kith__branches(kith__pool_body(o));

    for (uint32_t i = 0; i < plan->count; i++) {
        all->of[i].node = plan->of[i].node;
        all->of[i].planned = plan->of[i].workers;
        all->of[i].first_worker = plan->of[i].first_worker;
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        if (b)
            start_foreman(&plan->of[i], b);
        else
            plan->of[i].process = kith__fail(KITH_ENOMEM, "no memory to open a pool");
    }
    free(b);
}

/* ------------------------------------------------------------------ waiting */

static int has_joined(const struct kith__branches *all, uint32_t node)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (atomic_load(&all->of[i].state) != KITH__BRANCH_FREE &&
            atomic_load(&all->of[i].holder) >> 32 == node)
            return 1;
    return 0;
}

static int all_have_joined(const struct kith__branches *all, const struct kith__spread *plan)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->of[i].process >= 0 && !has_joined(all, plan->of[i].node))
            return 0;
    return 1;
}

static int has_failed(const struct kith__pool *p)
{
    return atomic_load(&p->init_fault) != 0 || atomic_load(&p->state) != KITH__POOL_OPEN;
}

/* For a while, or until something has changed. */
static int await_change(struct kith__object *o, const struct kith__spread *plan)
{
    const struct kith__pool *p = kith__pool_body(o);
    int64_t until = kith__now_ns() + look_ns;
    struct kith__wait w;
    int rc = kith__wait_begin(&w, kith__object_waiters(o, KITH__POOL_CHANGES), KITH_FOREVER);

    if (rc < 0)
        return rc;
    w.look_at = until;
    while (rc == 0 && !has_failed(p) && !all_have_joined(kith__branches(p), plan) && kith__now_ns() < until)
        rc = kith__wait_sleep(&w);
    kith__wait_end(&w, 1);
    return rc;
}

/* Those that have ended without having joined, and lost nodes: nobody waits for them. */
static void look_at_foremen(const struct kith__branches *all, struct kith__spread *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        struct kith__share *s = &plan->of[i];
        int64_t alive;

        if (s->process < 0 || has_joined(all, s->node))
            continue;
        alive = kith__process_is_alive((uint64_t)s->process);
        if (alive > 0 || has_joined(all, s->node))
            continue;
        leave_out(s, alive < 0 ? kith_last_error() : "its foreman has ended");
        s->process = KITH_EPEER;
    }
}

int kith__spread_await(struct kith__object *o, struct kith__spread *plan)
{
    const struct kith__pool *p = kith__pool_body(o);
    int rc = 0;

    while (rc == 0 && !has_failed(p) && !all_have_joined(kith__branches(p), plan)) {
        rc = await_change(o, plan);
        if (rc == 0 && !all_have_joined(kith__branches(p), plan))
            look_at_foremen(kith__branches(p), plan);
    }
    if (rc == 0 && has_failed(p))
        rc = kith__pool_init_fault(p);
    return rc;
}

/* ------------------------------------------------------------------ foremen that were killed */

static uint32_t planned_workers(const struct kith__pool *p)
{
    const struct kith__branches *all = kith__branches(p);
    uint32_t workers = p->workers;

    for (uint32_t i = 0; i < all->count; i++)
        workers += all->of[i].planned;
    return workers;
}

/* Its state is FREE, as that of one that is being opened. */
static int replace(struct kith__pool *p, struct kith__branch *b)
{
    struct kith__share s = { .node = b->node, .workers = b->planned, .first_worker = b->first_worker };
    struct kith__brief *brief;

    if (atomic_fetch_add(&b->successors, 1) >= SUCCESSORS) {
        leave_out(&s, "the process that works for it there was killed again and again");
        return 0;
    }
    if (!(brief = brief_for(p, p->id, planned_workers(p)))) {
        leave_out(&s, "no memory to open it again");
        return 0;
    }
    kith__log(KITH_LOG_INFO, "the process that works for a pool on %s was killed; it gets another one",
              host_of(s.node));
    start_foreman(&s, brief);
    free(brief);
    atomic_store(&b->successor, s.process < 0 ? 0 : s.process);
    return s.process >= 0;
}

static void replace_killed(struct kith__pool *p, struct kith__branches *all)
{
    for (uint32_t i = 0; i < all->count; i++) {
        struct kith__branch *b = &all->of[i];
        uint32_t state = KITH__BRANCH_KILLED;

        if (!atomic_compare_exchange_strong(&b->state, &state, KITH__BRANCH_FREE))
            continue;
        state = KITH__BRANCH_FREE;
        if (!replace(p, b))
            atomic_compare_exchange_strong(&b->state, &state, KITH__BRANCH_LEFT);
    }
    atomic_store(&all->look_at, kith__now_ns() + look_ns);
}

/* A successor may be killed before it joins, and then nothing tells of that. */
static void look_at_successors(struct kith__branches *all)
{
    int64_t at = atomic_load(&all->look_at), now = kith__now_ns();
    int some = 0;

    if (at == 0 || now < at || !atomic_compare_exchange_strong(&all->look_at, &at, now + look_ns))
        return;
    for (uint32_t i = 0; i < all->count; i++) {
        struct kith__branch *b = &all->of[i];
        uint32_t state = KITH__BRANCH_FREE;
        int64_t process = atomic_load(&b->successor);

        if (atomic_load(&b->state) != KITH__BRANCH_FREE || process == 0)
            continue;
        some = 1;
        if (kith__process_is_alive((uint64_t)process) <= 0 &&
            atomic_compare_exchange_strong(&b->state, &state, KITH__BRANCH_KILLED))
            atomic_store(&all->killed, 1);
    }
    at = now + look_ns;
    if (!some)
        atomic_compare_exchange_strong(&all->look_at, &at, 0);
}

/* A task has better things to do, and its pool other callers, or a caller that waits for it. */
int64_t kith__spread_repair(struct kith__object *o)
{
    struct kith__pool *p = kith__pool_body(o);
    struct kith__branches *all = kith__branches(p);
    int64_t at;

    if (!all || kith_worker() >= 0 || atomic_load(&p->state) != KITH__POOL_OPEN)
        return -1;
    look_at_successors(all);
    if (atomic_load_explicit(&all->killed, memory_order_relaxed) && atomic_exchange(&all->killed, 0))
        replace_killed(p, all);
    at = atomic_load(&all->look_at);
    return at ? at : -1;
}

uint32_t kith__spread_workers(const struct kith__pool *p)
{
    const struct kith__branches *all = kith__branches(p);
    uint32_t workers = p->trunk.pool ? p->trunk.all_workers : p->workers;

    for (uint32_t i = 0; all && i < all->count; i++)
        if (atomic_load(&all->of[i].state) == KITH__BRANCH_OPEN)
            workers += atomic_load(&all->of[i].workers);
    return workers;
}
