/* crowd.h: units of an object that has more of them than units.h has words for: who holds how many, changed
 * in the object's guard. Called by units.c.
 */
#ifndef KITH_CROWD_H
#define KITH_CROWD_H

#include "object/holders.h"

struct kith__crowd {    /* the object's body begins with it; zeros: nobody holds anything */
    kith__word orphans; /* units that came back from the dead, and were not taken since */
    struct kith__holders holders;
};

/* As kith__units_take, _give and _free, in none of the object's guards. take: or KITH_ENOMEM. */
int64_t kith__crowd_take(struct kith__object *o, uint64_t ident, const struct kith__caller *who);
int64_t kith__crowd_give(struct kith__object *o, uint64_t ident, const struct kith__caller *who, int anybody,
                         int orphan);
int64_t kith__crowd_free(struct kith__object *o, uint64_t ident);

/* In its guard, for the hooks: a unit of who comes back; all units of whoever matches are orphans: 1: there
 * were some. */
void kith__crowd_undo(struct kith__object *o, const struct kith__caller *who, int orphan);
int kith__crowd_died(struct kith__object *o, const struct kith__caller *who);

/* A .destroy. */
void kith__crowd_destroy(struct kith__object *o);

#endif
