/* units.h: units of an object, which processes take and give back; up to KITH__UNITS without its guard.
 *
 * Each unit is one word that names its holder, so it is taken, and given back, by one compare-and-swap: there
 * is no step between at which a death could lose it, or double it. What a dead process held is found by its
 * name in the words.
 *
 *     word: stamp << 13 | holder
 *     holder: CLOSED   the object has no such unit, or is no more
 *             FREE     whoever wants it
 *             ORPHAN   likewise, and who had it last has died with it
 *             other    the member of this node that has it; the agent has it for the one in .far
 *
 * Whoever takes a unit gives it a stamp above those of all units of the object: so of two that are held, the
 * one with the smaller stamp was taken first. A stamp never comes down, also from one object of the slot to
 * the next: so a compare-and-swap that was prepared for an object of the past fails.
 *
 * Beside them an object has signals (signals.h), which are taken likewise.
 *
 * More units than that would be too many to look through. They are a crowd (crowd.h), which begins the
 * object's body: how many are out, and a list of the holders, changed in the guard. Its signals are the same.
 * It has no heir.
 *
 * Whoever comes may take what is free, also before those who wait: that is fast, as nobody has to wake up
 * first. But who has waited for long (KITH__FAIR) and finds nothing makes itself the heir: the next is for it
 * alone. The word of the heir names it and its seat, so that it is woken; a dead one is found there. When it
 * does not come though there is something, as it was stopped, one that has waited for a second takes its
 * place.
 *
 * All of these may be called inside the object's guards, but of a crowd only the hooks, and outside. Outside,
 * the object may have been closed, and its slot be another's: they then return KITH__GONE and have changed
 * nothing.
 */
#ifndef KITH_UNITS_H
#define KITH_UNITS_H

#include "object/class.h"

enum { KITH__UNIT_HOLDER_BITS = 13 };

/* An object that is about to be published has n units, all of them free, and no signals. flags: its class's
 * own. With more than KITH__UNITS its body has zeros for a struct kith__crowd. */
void kith__units_open(struct kith__object *o, uint32_t n, uint32_t flags);

/* It has none any more: whoever is about to take or to give one finds the word changed. May be called twice.
 */
void kith__units_close(struct kith__object *o);

/* How many it was opened with; flags: likewise; may be those of another object when it is gone. */
static inline uint32_t kith__units_count(struct kith__object *o)
{
    return (uint32_t)atomic_load(&o->unit_count);
}
static inline uint32_t kith__units_flags(struct kith__object *o)
{
    return (uint32_t)(atomic_load(&o->unit_count) >> 32);
}

/* Takes a unit for who, one of the dead first, or else a signal; or KITH__PARKED: there is none, or it is for
 * the heir. waiter: that of the arguments. *unit, unless that is NULL: its word since then. */
enum kith__unit { KITH__UNIT, KITH__UNIT_OF_THE_DEAD, KITH__SIGNAL };
int64_t kith__units_take(struct kith__object *o, uint64_t ident, const struct kith__caller *who,
                         uint32_t waiter, uint64_t *unit);

/* Who waits for a unit does so on this side, in each class that has any. */
enum { KITH__TAKERS };

/* Something can be taken again: tells the heir, or else one of those that wait. */
void kith__units_tell(struct kith__object *o, struct kith__result *out);
void kith__units_tell_here(struct kith__object *o); /* at once */

/* Hooks of a class that has nothing else to say. .undo: a unit, or a signal (KITH__MARK), that reached
 * nobody; when its process has died, .died may have been here before. .died: all units of whoever matches are
 * orphans, and it is not the heir. .left: whoever was the heir is it no more. */
int kith__units_undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given);
void kith__units_died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out);
void kith__units_left(struct kith__object *o, const struct kith__caller *who, uint32_t waiter,
                      struct kith__result *out);

/* The short way of a public function: gives one back for this process, and tells, as above. 1; else the long
 * way decides. */
int64_t kith__units_give_here(uint64_t id, unsigned kind);

/* Of an object that has one unit, and is at hand: takes it for this process, when it is free and no heir is
 * there. 1; 0: it is not that simple. *taken: its word since then. The only step of it is one of
 * kith__units_take, too: so who follows steps comes by there. */
enum { KITH__UNIT_FREE = 1, KITH__UNIT_MEMBER = 3 }; /* holders; MEMBER + number + 1 */
static inline int kith__unit_take_free(struct kith__object *o, uint64_t ident, uint64_t *taken)
{
    uint64_t unit = atomic_load_explicit(&o->units[0], memory_order_acquire);

    if (((unit ^ KITH__UNIT_FREE) & ((UINT64_C(1) << KITH__UNIT_HOLDER_BITS) - 1)) != 0 ||
        kith__units_count(o) != 1 || atomic_load(&o->heir) != 0 || atomic_load(&o->ident) != ident ||
        kith__failpoint_hook)
        return 0;
    *taken =
        unit + (UINT64_C(1) << KITH__UNIT_HOLDER_BITS) + (KITH__UNIT_MEMBER - KITH__UNIT_FREE) + kith__me;
    return atomic_compare_exchange_strong(&o->units[0], &unit, *taken);
}

/* Likewise gives back the unit of an object that has one, and this process has it by that word. */
static inline int kith__unit_give_free(struct kith__object *o, uint64_t unit)
{
    return atomic_compare_exchange_strong(&o->units[0], &unit,
                                          unit - (KITH__UNIT_MEMBER - KITH__UNIT_FREE) - kith__me);
}

/* All of a public function that takes a unit: the short way, or by that method. Reports. */
int kith__units_acquire(uint64_t id, enum kith__kind kind, unsigned method, int timeout_ms);

/* Gives back a unit of who; when who has none, and anybody is 1, the one that was taken first. orphan 1: with
 * word that its holder has died. How many: 1 or 0. */
int64_t kith__units_give(struct kith__object *o, uint64_t ident, const struct kith__caller *who, int anybody,
                         int orphan);

/* Gives back the unit of an object that has one, if this is still its word: 1. */
int kith__unit_give(struct kith__object *o, uint64_t unit, int orphan);

/* 1: the word of the unit of an object that has one names who. */
int kith__unit_is_of(struct kith__object *o, uint64_t unit, const struct kith__caller *who);

/* What can be taken: free units, and signals. */
int64_t kith__units_free(struct kith__object *o, uint64_t ident);

/* A .ready: can anything be taken? */
int64_t kith__units_ready(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                          struct kith__result *out);

/* 1: somebody holds the unit of an object that has one and no signals. One word, also within the guard. */
int kith__unit_is_held(const struct kith__object *o);

#endif
