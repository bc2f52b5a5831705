/* owned.h: a lock that belongs to the task that took it, which alone gives it back and may take it again: the
 * RLock, that of a Condition, and those which Values, Arrays, Dicts, Namespaces and Lists have besides. An
 * object that was opened without units has none.
 *
 * It is one unit of the object (units.h), which names the task's process, and one word of its owner:
 *
 *     stamp of the unit << 52 | thread << 28 | task within it << 21 | how often it has it
 *
 * Whoever has taken the unit writes it, and it counts as long as the stamp is that of the unit: so what
 * others have left there, who are dead or had an object of the past in this slot, names nobody. It is changed
 * by compare-and-swap only: so whoever comes late, and finds the object closed and another one in its slot,
 * changes nothing.
 */
#ifndef KITH_OWNED_H
#define KITH_OWNED_H

#include "object/units.h"

enum { KITH__OWNED_DEPTH_BITS = 21, KITH__OWNED_MOST = (1 << KITH__OWNED_DEPTH_BITS) - 1 };

/* Methods of a class. The one that takes is EACH: who waits at the agent waits for the owner, which must not
 * stand behind them when it comes again. */
#define KITH__OWNED_LOCK                                                          \
    {                                                                             \
        "lock", kith__owned_acquire, KITH__TAKERS,                                \
            KITH__GIVES | KITH__HOLDS | KITH__UNGUARDED | KITH__FAIR | KITH__EACH \
    }
#define KITH__OWNED_UNLOCK                                               \
    {                                                                    \
        "unlock", kith__owned_release, -1, KITH__HOLDS | KITH__UNGUARDED \
    }

/* An object that is about to be published has this lock, none (raw), or an RLock instead (0: it has not). */
void kith__owned_open(struct kith__object *o, int raw, uint64_t rlock);

/* 0 when it was done; of an object with an RLock its handle: kith__owned_lock and kith__owned_unlock go
 * there. */
int64_t kith__owned_acquire(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                            struct kith__result *out);
int64_t kith__owned_release(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                            struct kith__result *out);

/* 0; the code of what a program gave as such an RLock (id 0: none). raw: it wants no lock, too. */
int kith__owned_check_rlock(uint64_t id, int raw, const char *noun);

/* .undo of such a class: its taker has not heard of it. What else is given, and marked, is a copy, and
 * nobody's loss. The other hooks are those of units.h. */
int kith__owned_undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given);

/* All of the public functions, by these methods. They report. */
int kith__owned_lock(uint64_t id, enum kith__kind kind, unsigned method, int timeout_ms);
int kith__owned_unlock(uint64_t id, enum kith__kind kind, unsigned method);

/* ---------------------------------------------------- for a class with more to say, in its guard */

int kith__owned_has(struct kith__object *o, const struct kith__caller *who);
uint32_t kith__owned_depth(struct kith__object *o); /* how often its owner has it */

/* 0; KITH_EOWNER and the sentence when who has not got it. */
int kith__owned_must_have(struct kith__object *o, const struct kith__caller *who);

/* Takes it, so often at once when who has not got it. 0, and the flags of the result; KITH__PARKED. */
int64_t kith__owned_take(struct kith__object *o, const struct kith__caller *who, const struct kith__args *in,
                         struct kith__result *out, uint32_t depth);

/* Gives it back, as often as who has it; one that waits is told. */
void kith__owned_give_all(struct kith__object *o, const struct kith__caller *who, struct kith__result *out);

/* Takes back what was taken so often. When its process has died, .died may have been here before. */
void kith__owned_take_back(struct kith__object *o, const struct kith__caller *who, struct kith__result *given,
                           uint32_t levels);

#endif
