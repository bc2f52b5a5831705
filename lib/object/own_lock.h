/* own_lock.h: the lock that a Value or an Array has: one unit of the object (units.h), which belongs to the
 * process that took it, and is given back by it alone. An object that was opened without units has none. */
#ifndef KITH_OWN_LOCK_H
#define KITH_OWN_LOCK_H

#include "object/class.h"

/* For attempts that are UNGUARDED and HOLD. */
int64_t kith__own_lock_take(struct kith__object *o, const struct kith__caller *who,
                            const struct kith__args *in, struct kith__result *out);
int64_t kith__own_lock_give(struct kith__object *o, const struct kith__caller *who,
                            const struct kith__args *in, struct kith__result *out);

/* .undo: its taker has not heard of it. What else is given, and marked, is a copy, and nobody's loss. The
 * other hooks are those of units.h. */
int kith__own_lock_undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given);

/* The short ways: 0 or KITH_EOWNERDEAD, KITH__PARKED: the long way decides. 1: given back; 0: likewise. */
int kith__own_lock_take_here(uint64_t id, enum kith__kind kind, int timeout_ms);
int kith__own_lock_give_here(uint64_t id, enum kith__kind kind);

#endif
