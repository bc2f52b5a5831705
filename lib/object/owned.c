/* owned.c: see owned.h. */
#include "config.h"
#include "base/error.h"
#include "object/owned.h"
#include "object/units.h"

static void set_owner(struct kith__object *o, struct kith__owned *l, uint64_t task, uint64_t depth)
{
    kith__guard_set(&o->guard, &l->task, task);
    kith__guard_set(&o->guard, &l->depth, depth);
    kith__guard_commit(&o->guard);
}

int kith__owned_has(struct kith__object *o, const struct kith__owned *l, const struct kith__caller *who)
{
    return kith__units_has(o, who) && atomic_load(&l->task) == who->task;
}

int64_t kith__owned_take(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                         const struct kith__args *in, struct kith__result *out, uint64_t depth)
{
    int64_t rc;

    out->flags = KITH__GIVEN;
    if (kith__owned_has(o, l, who)) {
        set_owner(o, l, who->task, atomic_load(&l->depth) + 1);
        return 0;
    }
    if ((rc = kith__units_take(o, atomic_load(&o->ident), who, in->waiter)) < 0)
        return rc;
    set_owner(o, l, who->task, depth);
    if (rc == KITH__UNIT_OF_THE_DEAD)
        out->flags |= KITH__OWNER_DEAD;
    return 0;
}

/* So many levels less. */
static void give(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                 uint64_t levels, struct kith__result *out, int orphan)
{
    uint64_t depth = atomic_load(&l->depth);

    if (depth > levels) {
        set_owner(o, l, who->task, depth - levels);
        return;
    }
    kith__units_give(o, atomic_load(&o->ident), who, 0, orphan);
    kith__units_tell(o, out);
}

int kith__owned_must_have(struct kith__object *o, const struct kith__owned *l, const struct kith__caller *who)
{
    if (kith__owned_has(o, l, who))
        return 0;
    return kith__fail(KITH_EOWNER, "the task does not own the %s: it has to acquire it first",
                      kith__classes[atomic_load(&o->ident) & 255]->noun);
}

static int give_levels(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                       uint64_t n, struct kith__result *out)
{
    int rc = kith__owned_must_have(o, l, who);

    if (rc == 0)
        give(o, l, who, n, out, 0);
    return rc;
}

int kith__owned_give(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                     struct kith__result *out)
{
    return give_levels(o, l, who, 1, out);
}

int kith__owned_give_all(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                         struct kith__result *out)
{
    return give_levels(o, l, who, UINT64_MAX, out);
}

void kith__owned_undo(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                      struct kith__result *given, uint64_t levels)
{
    if (kith__owned_has(o, l, who))
        give(o, l, who, levels, given, (given->flags & KITH__OWNER_DEAD) != 0);
}
