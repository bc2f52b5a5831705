/* signals.h: what was given to an object, and belonged to nobody: a count, changed without its guard. It is
 * one word of the object:
 *
 *     changes << 32 | count
 *
 * so that a compare-and-swap that was prepared for an object of the past fails. They stand beside its units
 * (units.h); an Event is nothing else.
 */
#ifndef KITH_SIGNALS_H
#define KITH_SIGNALS_H

#include "object/class.h"

/* How many are in the word. */
static inline uint32_t kith__signals(uint64_t word)
{
    return (uint32_t)word;
}

/* So many more, or less, than in the word that was seen. 1; 0: it has changed since. */
static inline int kith__signals_change(struct kith__object *o, uint64_t seen, int by)
{
    uint64_t changes = (seen >> 32) + 1, count = kith__signals(seen) + (uint64_t)(int64_t)by;

    kith__failpoint("signals: about to change");
    if (!atomic_compare_exchange_strong(&o->signals, &seen, changes << 32 | count))
        return 0;
    kith__failpoint("signals: changed");
    return 1;
}

/* One more. 1; 0: there are most; KITH__GONE. */
int64_t kith__signals_add(struct kith__object *o, uint64_t ident, uint32_t most);

/* There are so many now. 0; KITH__GONE. */
int64_t kith__signals_set(struct kith__object *o, uint64_t ident, int n);

/* One less, of an object that is there. 1; 0: there is none. */
int kith__signals_take(struct kith__object *o);

#endif
