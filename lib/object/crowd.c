/* crowd.c: see crowd.h. */
#include "config.h"
#include "object/crowd.h"
#include "object/signals.h"
#include "object/units.h"

static struct kith__crowd *crowd_of(struct kith__object *o)
{
    return (struct kith__crowd *)(void *)&o->body;
}

/* Others see what was done before they are woken. */
static int64_t leave(struct kith__object *o, int64_t rc)
{
    kith__guard_leave(&o->guard);
    kith__fence();
    return rc;
}

/* ------------------------------------------------------------------------------ in the guard */

static uint32_t count_free(struct kith__object *o)
{
    return kith__units_count(o) - (uint32_t)atomic_load(&crowd_of(o)->holders.units);
}

static void commit_orphans(struct kith__object *o, uint64_t orphans)
{
    kith__guard_set(&o->guard, &crowd_of(o)->orphans, orphans);
    kith__guard_commit(&o->guard);
}

static int64_t take_unit(struct kith__object *o, const struct kith__caller *who)
{
    uint64_t orphans = atomic_load(&crowd_of(o)->orphans);

    if (kith__holders_add(o, &crowd_of(o)->holders, who) < 0)
        return KITH_ENOMEM;
    commit_orphans(o, orphans > 0 ? orphans - 1 : 0);
    return orphans > 0 ? KITH__UNIT_OF_THE_DEAD : KITH__UNIT;
}

static int give_unit(struct kith__object *o, const struct kith__caller *who, int anybody, int orphan)
{
    if (!kith__holders_drop(o, &crowd_of(o)->holders, who, anybody))
        return 0;
    commit_orphans(o, atomic_load(&crowd_of(o)->orphans) + (orphan != 0));
    return 1;
}

void kith__crowd_undo(struct kith__object *o, const struct kith__caller *who, int orphan)
{
    give_unit(o, who, 0, orphan);
}

int kith__crowd_died(struct kith__object *o, const struct kith__caller *who)
{
    uint64_t units;
    int had_any = 0;

    for (; (units = kith__holders_evict(o, &crowd_of(o)->holders, who)) > 0; had_any = 1)
        commit_orphans(o, atomic_load(&crowd_of(o)->orphans) + units);
    return had_any;
}

/* ------------------------------------------------------------------------------- in no guard */

/* No unit comes back before the guard is left: so when there is no signal either, there is nothing. */
int64_t kith__crowd_take(struct kith__object *o, uint64_t ident, const struct kith__caller *who)
{
    if (!kith__enter_if(o, &o->guard, &ident))
        return KITH__GONE;
    if (count_free(o) > 0)
        return leave(o, take_unit(o, who));
    return leave(o, kith__signals_take(o) ? KITH__SIGNAL : KITH__PARKED);
}

int64_t kith__crowd_give(struct kith__object *o, uint64_t ident, const struct kith__caller *who, int anybody,
                         int orphan)
{
    if (!kith__enter_if(o, &o->guard, &ident))
        return KITH__GONE;
    return leave(o, give_unit(o, who, anybody, orphan));
}

int64_t kith__crowd_free(struct kith__object *o, uint64_t ident)
{
    if (!kith__enter_if(o, &o->guard, &ident))
        return KITH__GONE;
    return leave(o, (int64_t)count_free(o) + kith__signals(atomic_load(&o->signals)));
}

void kith__crowd_destroy(struct kith__object *o)
{
    kith__holders_free(o, &crowd_of(o)->holders);
}
