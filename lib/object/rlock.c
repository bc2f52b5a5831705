/* rlock.c: the RLock, a lock that its owner may acquire again; see class.h and kith.h.
 *
 * It is one unit (units.h) for its process, and in the guard the task that owns it and how often. These are
 * of whoever has the unit: who takes it from a dead one overwrites them.
 *
 * To acquire is KITH__EACH: those who wait at the agent wait for the owner, which must not stand behind them
 * when it comes again.
 */
#include "config.h"
#include "base/error.h"
#include "object/units.h"

enum { TAKERS, SIDES };

struct rlock {
    kith__word task, depth;
};

_Static_assert(KITH__BODY_FITS(struct rlock, SIDES), "it is the body of an object");

static struct rlock *rlock_of(struct kith__object *o)
{
    return (struct rlock *)(void *)&o->body;
}

static void set_owner(struct kith__object *o, uint64_t task, uint64_t depth)
{
    struct rlock *r = rlock_of(o);

    kith__guard_set(&o->guard, &r->task, task);
    kith__guard_set(&o->guard, &r->depth, depth);
    kith__guard_commit(&o->guard);
}

static int owns(struct kith__object *o, const struct kith__caller *who)
{
    return kith__units_has(o, who) && atomic_load(&rlock_of(o)->task) == who->task;
}

/* One level less. 1: it is free. */
static int leave_one(struct kith__object *o, const struct kith__caller *who, int orphan)
{
    uint64_t depth = atomic_load(&rlock_of(o)->depth);

    if (depth > 1) {
        set_owner(o, who->task, depth - 1);
        return 0;
    }
    kith__units_give(o, atomic_load(&o->ident), who, 0, orphan);
    return 1;
}

static int64_t acquire(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    int64_t rc;

    out->flags = KITH__GIVEN;
    if (owns(o, who)) {
        set_owner(o, who->task, atomic_load(&rlock_of(o)->depth) + 1);
        return 0;
    }
    if ((rc = kith__units_take(o, atomic_load(&o->ident), who, in->waiter)) < 0)
        return rc;
    set_owner(o, who->task, 1);
    if (rc == KITH__UNIT_OF_THE_DEAD)
        out->flags |= KITH__OWNER_DEAD;
    return 0;
}

static int64_t release(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    (void)in;
    if (!owns(o, who))
        return kith__fail(KITH_EOWNER, "an RLock was released by a task that does not own it");
    if (leave_one(o, who, 0))
        kith__units_tell(o, out, TAKERS);
    return 0;
}

static int64_t locked(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return kith__units_free(o, atomic_load(&o->ident)) == 0;
}

/* For kith_wait: its owner may acquire it again. */
static int64_t ready(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    (void)in;
    (void)out;
    return owns(o, who) || kith__units_free(o, atomic_load(&o->ident)) > 0 ? 1 : KITH__PARKED;
}

/* --------------------------------------------------------------------------- hooks */

/* An acquire whose answer reached nobody. When its process has died, .died may have been here before. */
static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    if (owns(o, who) && leave_one(o, who, (given->flags & KITH__OWNER_DEAD) != 0))
        kith__units_tell(o, given, TAKERS);
    return 0;
}

static void died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    if (kith__units_evict(o, who) > 0)
        kith__tell_all(out, TAKERS);
}

static void left(struct kith__object *o, const struct kith__caller *who, uint32_t waiter,
                 struct kith__result *out)
{
    kith__units_left(o, who, waiter, out, TAKERS);
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    (void)options;
    (void)size;
    kith__units_open(o, 1, 0);
    return 0;
}

enum { ACQUIRE = KITH__FIRST_METHOD, RELEASE, LOCKED, READY };

static const struct kith__method methods[] = {
    [ACQUIRE] = { "acquire", acquire, TAKERS, KITH__GIVES | KITH__HOLDS | KITH__FAIR | KITH__EACH },
    [RELEASE] = { "release", release, -1, KITH__HOLDS },
    [LOCKED] = { "locked", locked, -1, KITH__LOOKS },
    [READY] = { "ready", ready, TAKERS, KITH__LOOKS },
};

const struct kith__class kith__rlock_class = {
    .noun = "RLock",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .ready = READY,
    .letter = 'r',
    .make = make,
    .same = kith__all_are_same,
    .undo = undo,
    .died = died,
    .left = left,
};

/* -------------------------------------------------------------- public functions */

kith_rlock kith_rlock_open(void)
{
    return (kith_rlock){ kith__open(KITH__RLOCK_KIND, NULL, "", 0, "kith_rlock_open") };
}

kith_rlock kith_rlock_named(const char *name)
{
    return (kith_rlock){ kith__open_named(KITH__RLOCK_KIND, name, "", 0, "kith_rlock_named") };
}

int kith_rlock_acquire(kith_rlock l, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };

    return kith__report((int)kith__invoke(l.id, KITH__RLOCK_KIND, ACQUIRE, &in, &out, timeout_ms));
}

int kith_rlock_release(kith_rlock l)
{
    return kith__report((int)kith__ask(l.id, KITH__RLOCK_KIND, RELEASE, 0));
}

int kith_rlock_locked(kith_rlock l)
{
    return kith__report((int)kith__ask(l.id, KITH__RLOCK_KIND, LOCKED, 0));
}

int kith_rlock_close(kith_rlock l)
{
    return kith__close(l.id, KITH__RLOCK_KIND);
}
