/* own_lock.c: see own_lock.h. */
#include "config.h"
#include "base/error.h"
#include "object/memory.h"
#include "object/own_lock.h"
#include "object/units.h"

static int64_t has_none(struct kith__object *o, uint64_t ident)
{
    if (atomic_load(&o->ident) != ident)
        return KITH__GONE;
    return kith__fail(KITH_EINVAL, "a %s that was opened with .raw has no lock",
                      kith__classes[ident & 255]->noun);
}

int64_t kith__own_lock_take(struct kith__object *o, const struct kith__caller *who,
                            const struct kith__args *in, struct kith__result *out)
{
    int64_t rc;

    if (kith__units_count(o) == 0)
        return has_none(o, in->ident);
    if ((rc = kith__units_take(o, in->ident, who, in->waiter)) < 0)
        return rc;
    out->flags = KITH__GIVEN | (rc == KITH__UNIT_OF_THE_DEAD ? KITH__OWNER_DEAD : 0);
    return 0;
}

int64_t kith__own_lock_give(struct kith__object *o, const struct kith__caller *who,
                            const struct kith__args *in, struct kith__result *out)
{
    int64_t rc;

    if (kith__units_count(o) == 0)
        return has_none(o, in->ident);
    if ((rc = kith__units_give(o, in->ident, who, 0, 0)) == 0)
        return kith__fail(KITH_EOWNER, "this process does not hold the lock of the %s",
                          kith__classes[in->ident & 255]->noun);
    if (rc < 0)
        return rc;
    kith__units_tell(o, out);
    return 0;
}

int kith__own_lock_undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    return given->flags & KITH__MARK ? 0 : kith__units_undo(o, who, given);
}

int kith__own_lock_take_here(uint64_t id, enum kith__kind kind, int timeout_ms)
{
    int64_t unit = timeout_ms < KITH_FOREVER ? KITH__PARKED : kith__units_take_here(id, kind);

    if (unit < 0)
        return KITH__PARKED;
    return unit == KITH__UNIT_OF_THE_DEAD ? kith__owner_died(kind) : 0;
}

int kith__own_lock_give_here(uint64_t id, enum kith__kind kind)
{
    struct kith__object *o = kith__at_hand(id);
    struct kith__caller who;

    if (!o)
        return 0;
    who = (struct kith__caller){ kith__shared->node, kith__member(kith__me)->serial, 0 };
    kith__memory_pass_on(); /* who gets the lock may find it */
    if (kith__units_give(o, (uint64_t)kith__handle_generation(id) << 8 | kind, &who, 0, 0) <= 0)
        return 0;
    kith__units_tell_here(o);
    return 1;
}
