/* owned.c: see owned.h. */
#include "config.h"
#include "base/error.h"
#include "object/memory.h"
#include "object/rlock.h"
#include "object/target.h"

enum { DEPTH_BITS = KITH__OWNED_DEPTH_BITS, TASK_BITS = 7, THREAD_BITS = 24, MOST = KITH__OWNED_MOST };

static uint64_t ident_of(struct kith__object *o)
{
    return atomic_load(&o->ident);
}

/* The owner's word without its depth, for a task of the process that has the unit. */
static uint64_t name_of(uint64_t unit, const struct kith__caller *who)
{
    uint64_t thread = (who->task >> 32) & ((1 << THREAD_BITS) - 1), task = who->task & ((1 << TASK_BITS) - 1),
             stamp = unit >> KITH__UNIT_HOLDER_BITS;

    return ((stamp << THREAD_BITS | thread) << TASK_BITS | task) << DEPTH_BITS;
}

static uint32_t depth_of(uint64_t owner)
{
    return (uint32_t)owner & MOST;
}

struct seen {
    uint64_t unit, owner;
};

/* 1: who has it. */
static int has(struct kith__object *o, const struct kith__caller *who, struct seen *s)
{
    s->unit = atomic_load(&o->units[0]);
    s->owner = atomic_load(&o->owner);
    return ((s->owner ^ name_of(s->unit, who)) >> DEPTH_BITS) == 0 && kith__unit_is_of(o, s->unit, who);
}

int kith__owned_has(struct kith__object *o, const struct kith__caller *who)
{
    struct seen s;

    return has(o, who, &s);
}

uint32_t kith__owned_depth(struct kith__object *o)
{
    return depth_of(atomic_load(&o->owner));
}

/* Who took the unit, which has this word since then, owns it: unless it has lost it in the meantime. */
static __attribute__((noinline)) void become_owner(struct kith__object *o, uint64_t unit,
                                                   const struct kith__caller *who, uint32_t depth)
{
    uint64_t seen = atomic_load(&o->owner);

    kith__failpoint("owner: about to be written");
    while (atomic_load(&o->units[0]) == unit &&
           !atomic_compare_exchange_strong(&o->owner, &seen, name_of(unit, who) | depth))
        continue;
}

/* One level deeper: 0; KITH__PARKED: who has not got it; KITH_EINVAL. */
static int deepen(struct kith__object *o, uint64_t ident, const struct kith__caller *who)
{
    struct seen s;

    while (ident_of(o) == ident && has(o, who, &s)) {
        if (depth_of(s.owner) == MOST)
            return kith__fail(KITH_EINVAL,
                              "the task has acquired the %s %d times, which is as often as it can",
                              kith__classes[ident & 255]->noun, MOST);
        if (atomic_compare_exchange_strong(&o->owner, &s.owner, s.owner + 1))
            return 0;
    }
    return KITH__PARKED;
}

static int64_t take(struct kith__object *o, uint64_t ident, const struct kith__caller *who, uint32_t waiter,
                    struct kith__result *out, uint32_t depth)
{
    int64_t rc = deepen(o, ident, who);
    uint64_t unit;

    if (rc == 0)
        out->flags = KITH__GIVEN;
    if (rc != KITH__PARKED || (rc = kith__units_take(o, ident, who, waiter, &unit)) < 0)
        return rc;
    become_owner(o, unit, who, depth);
    out->flags = KITH__GIVEN | (rc == KITH__UNIT_OF_THE_DEAD ? KITH__OWNER_DEAD : 0);
    return 0;
}

/* So many levels less: how many are left; -1: who has not got it; KITH__GONE. */
static int64_t give(struct kith__object *o, uint64_t ident, const struct kith__caller *who, uint32_t levels,
                    int orphan)
{
    struct seen s;

    while (ident_of(o) == ident && has(o, who, &s)) {
        if (depth_of(s.owner) <= levels) {
            if (kith__unit_give(o, s.unit, orphan))
                return 0;
        } else if (atomic_compare_exchange_strong(&o->owner, &s.owner, s.owner - levels))
            return depth_of(s.owner) - levels;
    }
    return ident_of(o) == ident ? -1 : KITH__GONE;
}

static int is_no_owner(uint64_t ident)
{
    const struct kith__class *c = kith__classes[ident & 255];

    return kith__fail(KITH_EOWNER, "the task does not own the %s%s: it has to acquire it first",
                      c->is_lock ? "" : "lock of the ", c->noun);
}

/* ------------------------------------------------------------------- for methods and hooks */

void kith__owned_open(struct kith__object *o, int raw, uint64_t rlock)
{
    atomic_store(&o->rlock, rlock);
    kith__units_open(o, raw || rlock ? 0 : 1, 0);
}

/* It has no unit: its RLock; a code. What is read is right if the object is still the one that was meant. */
static int64_t lock_instead(struct kith__object *o, uint64_t ident)
{
    uint64_t rlock = atomic_load(&o->rlock);

    if (ident_of(o) != ident)
        return KITH__GONE;
    if (rlock)
        return (int64_t)rlock;
    return kith__fail(KITH_EINVAL, "the %s was opened with .raw: it has no lock",
                      kith__classes[ident & 255]->noun);
}

int64_t kith__owned_acquire(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                            struct kith__result *out)
{
    if (kith__units_count(o) == 0)
        return lock_instead(o, in->ident);
    return take(o, in->ident, who, in->waiter, out, 1);
}

int64_t kith__owned_release(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                            struct kith__result *out)
{
    int64_t rc;

    if (kith__units_count(o) == 0)
        return lock_instead(o, in->ident);
    if ((rc = give(o, in->ident, who, 1, 0)) == 0)
        kith__units_tell(o, out);
    return rc > 0 ? 0 : rc == -1 ? is_no_owner(in->ident) : rc;
}

int kith__owned_check_rlock(uint64_t id, int raw, const char *noun)
{
    int64_t rc;

    if (id == 0)
        return 0;
    if (raw)
        return kith__fail(KITH_EINVAL, "%s with .raw and .lock: give one of them", noun);
    rc = kith__ask(id, KITH__RLOCK_KIND, KITH__RLOCK_LOCKED, 0);
    return rc < 0 ? (int)rc : 0;
}

int kith__owned_must_have(struct kith__object *o, const struct kith__caller *who)
{
    return kith__owned_has(o, who) ? 0 : is_no_owner(ident_of(o));
}

int64_t kith__owned_take(struct kith__object *o, const struct kith__caller *who, const struct kith__args *in,
                         struct kith__result *out, uint32_t depth)
{
    return take(o, ident_of(o), who, in->waiter, out, depth);
}

void kith__owned_give_all(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    if (give(o, ident_of(o), who, MOST, 0) == 0)
        kith__units_tell(o, out);
}

void kith__owned_take_back(struct kith__object *o, const struct kith__caller *who, struct kith__result *given,
                           uint32_t levels)
{
    if (give(o, ident_of(o), who, levels, (given->flags & KITH__OWNER_DEAD) != 0) == 0)
        kith__units_tell(o, given);
}

int kith__owned_undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    if (!(given->flags & KITH__MARK))
        kith__owned_take_back(o, who, given, 1);
    return 0;
}

/* ------------------------------------------------------------------------------ the short way */

/* Its own again, or what there is besides a free unit. 0 or KITH_EOWNERDEAD; KITH__PARKED: the long way
 * decides. */
static __attribute__((noinline)) int take_other(struct kith__object *o, uint64_t ident,
                                                const struct kith__caller *who)
{
    uint64_t unit;
    int64_t rc = deepen(o, ident, who);

    if (rc != KITH__PARKED)
        return (int)rc;
    if ((rc = kith__units_take(o, ident, who, 0, &unit)) < 0)
        return KITH__PARKED;
    become_owner(o, unit, who, 1);
    return rc == KITH__UNIT_OF_THE_DEAD ? kith__owner_died((enum kith__kind)(ident & 255)) : 0;
}

static __attribute__((noinline)) int take_here(uint64_t id, enum kith__kind kind)
{
    struct kith__object *o = kith__at_hand(id);
    struct kith__caller who;

    if (!o)
        return KITH__PARKED;
    who = kith__caller_here();
    return take_other(o, kith__ident(id, kind), &who);
}

/* 1: given back; 0: likewise. */
static __attribute__((noinline)) int give_here(uint64_t id, enum kith__kind kind)
{
    struct kith__object *o = kith__at_hand(id);
    struct kith__caller who;
    int64_t left;

    if (!o)
        return 0;
    who = kith__caller_here();
    kith__memory_pass_on(); /* who gets the lock may find it */
    left = give(o, kith__ident(id, kind), &who, 1, 0);
    if (left == 0)
        kith__units_tell_here(o);
    return left >= 0;
}

/* The same without calls, so that no register has to be saved, for a lock that is free or this thread's,
 * which is most often so. Who follows steps comes by the others. 1: done. */
static struct kith__caller this_thread(void)
{
    return (struct kith__caller){ .task = (uint64_t)kith__task.thread << 32 | kith__task.depth };
}

static inline int is_mine(struct kith__object *o, const struct kith__caller *me, struct seen *s)
{
    s->unit = atomic_load(&o->units[0]);
    s->owner = atomic_load(&o->owner);
    return (s->unit & ((1 << KITH__UNIT_HOLDER_BITS) - 1)) == KITH__UNIT_MEMBER + kith__me &&
           ((s->owner ^ name_of(s->unit, me)) >> DEPTH_BITS) == 0 && !kith__failpoint_hook;
}

static inline int lock_at_once(struct kith__object *o, uint64_t ident)
{
    struct kith__caller me = this_thread();
    struct seen s;

    if (kith__task.thread == 0)
        return 0;
    if (kith__unit_take_free(o, ident, &s.unit)) {
        s.owner = atomic_load(&o->owner);
        if (!atomic_compare_exchange_strong(&o->owner, &s.owner, name_of(s.unit, &me) | 1))
            become_owner(o, s.unit, &me, 1);
        return 1;
    }
    return ident_of(o) == ident && is_mine(o, &me, &s) && depth_of(s.owner) < MOST &&
           atomic_compare_exchange_strong(&o->owner, &s.owner, s.owner + 1);
}

static inline int unlock_at_once(struct kith__object *o, uint64_t ident)
{
    struct kith__caller me = this_thread();
    struct seen s;

    if (atomic_load_explicit(&kith__taken, memory_order_relaxed) != 0 || kith__task.thread == 0 ||
        ident_of(o) != ident || !is_mine(o, &me, &s))
        return 0;
    if (depth_of(s.owner) > 1)
        return atomic_compare_exchange_strong(&o->owner, &s.owner, s.owner - 1);
    if (!kith__unit_give_free(o, s.unit))
        return 0;
    if (kith__has_waiters(kith__object_waiters(o, KITH__TAKERS)))
        kith__units_tell_here(o);
    return 1;
}

/* Where the object has an RLock's, that of the RLock. */
static int lock_the_long_way(uint64_t id, enum kith__kind kind, unsigned method, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    int64_t rc = kith__invoke(id, kind, method, &in, &out, timeout_ms);

    return rc > 0 ? kith_rlock_acquire((kith_rlock){ (uint64_t)rc }, timeout_ms) : kith__report((int)rc);
}

static __attribute__((noinline)) int lock(uint64_t id, enum kith__kind kind, unsigned method, int timeout_ms)
{
    int rc = timeout_ms < KITH_FOREVER ? KITH__PARKED : take_here(id, kind);

    return rc != KITH__PARKED ? kith__report(rc) : lock_the_long_way(id, kind, method, timeout_ms);
}

int kith__owned_lock(uint64_t id, enum kith__kind kind, unsigned method, int timeout_ms)
{
    struct kith__object *o = kith__at_hand(id);

    if (o && timeout_ms >= KITH_FOREVER && lock_at_once(o, kith__ident(id, kind)))
        return 0;
    return lock(id, kind, method, timeout_ms);
}

static __attribute__((noinline)) int unlock(uint64_t id, enum kith__kind kind, unsigned method)
{
    int64_t rc = give_here(id, kind) ? 0 : kith__ask(id, kind, method, 0);

    return rc > 0 ? kith_rlock_release((kith_rlock){ (uint64_t)rc }) : kith__report((int)rc);
}

int kith__owned_unlock(uint64_t id, enum kith__kind kind, unsigned method)
{
    struct kith__object *o = kith__at_hand(id);

    if (o && unlock_at_once(o, kith__ident(id, kind)))
        return 0;
    return unlock(id, kind, method);
}
