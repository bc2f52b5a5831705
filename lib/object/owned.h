/* owned.h: a lock that belongs to the task that took it, which alone gives it back and may take it again: the
 * RLock, and that of a Condition. It is one unit of the object (units.h) for the task's process, and in the
 * object's body which task it is and how often it has it; these two are of whoever has the unit.
 *
 * For methods in the object's guard that HOLD. Those that take are EACH, too: who waits at the agent waits
 * for the owner, which must not stand behind them when it comes again.
 */
#ifndef KITH_OWNED_H
#define KITH_OWNED_H

#include "object/class.h"

struct kith__owned {
    kith__word task, depth;
};

int kith__owned_has(struct kith__object *o, const struct kith__owned *l, const struct kith__caller *who);

/* 0; KITH_EOWNER and the sentence when who has not got it. */
int kith__owned_must_have(struct kith__object *o, const struct kith__owned *l,
                          const struct kith__caller *who);

/* Takes it, so often at once when who has not got it. 0, and the flags of the result; KITH__PARKED. */
int64_t kith__owned_take(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                         const struct kith__args *in, struct kith__result *out, uint64_t depth);

/* Gives it back, once, or as often as who has it; when it is free, one that waits is told. 0; KITH_EOWNER
 * and the sentence. */
int kith__owned_give(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                     struct kith__result *out);
int kith__owned_give_all(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                         struct kith__result *out);

/* .undo of what took it, so often. When its process has died, .died may have been here before. */
void kith__owned_undo(struct kith__object *o, struct kith__owned *l, const struct kith__caller *who,
                      struct kith__result *given, uint64_t levels);

#endif
