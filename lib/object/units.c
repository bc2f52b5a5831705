/* units.c: see units.h. */
#include "config.h"
#include "object/units.h"
#include "object/crowd.h"
#include "object/memory.h"
#include "object/signals.h"
#include "base/error.h"

enum {
    HOLDER_BITS = KITH__UNIT_HOLDER_BITS,
    CLOSED = 0,
    FREE = KITH__UNIT_FREE,
    ORPHAN,
    MEMBER = KITH__UNIT_MEMBER
};

#define HOLDER_MASK ((UINT64_C(1) << HOLDER_BITS) - 1)

_Static_assert(MEMBER + KITH__MEMBERS < 1 << HOLDER_BITS, "a word has room for any member");

/* What was seen of an object: what is tried next is right if it still stands so. */
struct view {
    uint32_t count;
    uint64_t signals, units[KITH__UNITS];
    uint64_t newest; /* the highest stamp */
};

static uint64_t word(uint64_t stamp, unsigned holder)
{
    return stamp << HOLDER_BITS | holder;
}

static unsigned holder(uint64_t unit)
{
    return (unsigned)(unit & HOLDER_MASK);
}

static int is_free(uint64_t unit)
{
    return holder(unit) == FREE || holder(unit) == ORPHAN;
}

static int is_held(uint64_t unit)
{
    return holder(unit) >= MEMBER;
}

static int is_crowd(uint32_t count)
{
    return count > KITH__UNITS;
}

/* The words first, the ident behind them: when the object is still there, it was so when they were read. 0:
 * it is not, or it is a crowd. */
static int look(struct kith__object *o, uint64_t ident, struct view *v)
{
    v->count = kith__units_count(o);
    if (is_crowd(v->count))
        return 0;
    v->signals = atomic_load(&o->signals);
    v->newest = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        v->units[i] = atomic_load(&o->units[i]);
        if (v->units[i] >> HOLDER_BITS > v->newest)
            v->newest = v->units[i] >> HOLDER_BITS;
        kith__failpoint("unit: seen");
    }
    return atomic_load(&o->ident) == ident;
}

/* 1: all that was seen stood so at one moment: when the last unit was read. */
static int is_steady(struct kith__object *o, const struct view *v)
{
    for (uint32_t i = 0; i + 1 < v->count; i++)
        if (atomic_load(&o->units[i]) != v->units[i])
            return 0;
    return atomic_load(&o->signals) == v->signals;
}

static int change(kith__word *at, uint64_t seen, uint64_t to)
{
    return atomic_compare_exchange_strong(at, &seen, to);
}

/* ----------------------------------------------------------------------------- holders */

static int is_agent(uint32_t member)
{
    return atomic_load_explicit(&kith__member(member)->role, memory_order_relaxed) == KITH__AGENT;
}

/* The agent has nothing itself. */
static int is_holder(struct kith__object *o, uint32_t i, uint64_t unit, const struct kith__caller *who)
{
    uint32_t member = holder(unit) - MEMBER;

    if (!is_held(unit))
        return 0;
    if (is_agent(member))
        return kith__is_same(atomic_load(&o->far[i]), who);
    return kith__is_same((uint64_t)kith__shared->node << 32 | kith__member(member)->serial, who);
}

static int oldest(const struct view *v)
{
    int found = -1;

    for (uint32_t i = 0; i < v->count; i++)
        if (is_held(v->units[i]) && (found < 0 || v->units[i] < v->units[found]))
            found = (int)i;
    return found;
}

static int of(struct kith__object *o, const struct view *v, const struct kith__caller *who)
{
    for (uint32_t i = 0; i < v->count; i++)
        if (is_holder(o, i, v->units[i], who))
            return (int)i;
    return -1;
}

/* --------------------------------------------------------------------------------- the heir */

enum { SEAT_BITS = 17, SERIAL_BITS = 32, SEAT_MASK = (1 << SEAT_BITS) - 1 };

/* Who: node << 49 | serial number of the process << 17 | number + 1 of the seat. */
static uint64_t heir_of(const struct kith__caller *who, uint32_t waiter)
{
    uint64_t process = (uint64_t)who->node << SERIAL_BITS | who->member;

    return waiter ? process << SEAT_BITS | (waiter & SEAT_MASK) : 0;
}

static uint64_t holder_of_heir(uint64_t heir)
{
    return heir >> (SERIAL_BITS + SEAT_BITS) << 32 | (uint32_t)(heir >> SEAT_BITS);
}

static uint32_t seat_of_heir(uint64_t heir)
{
    return (uint32_t)heir & SEAT_MASK;
}

/* Also of an object of the past: nobody else has this name. */
static int resign(struct kith__object *o, uint64_t heir)
{
    return heir != 0 && change(&o->heir, heir, 0);
}

/* What is given back is to be seen before this looks for the heir, and who becomes it looks for that again.
 */
void kith__units_tell(struct kith__object *o, struct kith__result *out)
{
    uint32_t seat = seat_of_heir(atomic_load(&o->heir));

    if (seat)
        out->wake_seat = (uint16_t)seat;
    else
        kith__tell_one(out, KITH__TAKERS);
}

void kith__units_left(struct kith__object *o, const struct kith__caller *who, uint32_t waiter,
                      struct kith__result *out)
{
    if (resign(o, heir_of(who, waiter)))
        kith__tell_one(out, KITH__TAKERS);
}

/* ------------------------------------------------------------------------- as seen by classes */

static int find_free(const struct view *v)
{
    int found = -1;

    for (uint32_t i = 0; i < v->count; i++) {
        if (holder(v->units[i]) == ORPHAN)
            return (int)i;
        if (found < 0 && holder(v->units[i]) == FREE)
            found = (int)i;
    }
    return found;
}

static int take(struct kith__object *o, const struct view *v, int i, const struct kith__caller *who,
                uint64_t *unit)
{
    uint64_t taken = word(v->newest + 1, MEMBER + kith__me);

    kith__failpoint("unit: about to be taken");
    if (!change(&o->units[i], v->units[i], taken))
        return 0;
    if (is_agent(kith__me))
        atomic_store(&o->far[i], kith__holder(who));
    kith__failpoint("unit: taken");
    if (unit)
        *unit = taken;
    return 1;
}

static int has_any(const struct view *v)
{
    return find_free(v) >= 0 || kith__signals(v->signals) > 0;
}

/* What there is, for who; KITH__PARKED: nothing; KITH__GONE: it has changed since it was seen. */
static int64_t take_any(struct kith__object *o, const struct view *v, const struct kith__caller *who,
                        uint64_t *unit)
{
    int i = find_free(v);

    if (i >= 0 && take(o, v, i, who, unit))
        return holder(v->units[i]) == ORPHAN ? KITH__UNIT_OF_THE_DEAD : KITH__UNIT;
    if (i < 0 && kith__signals(v->signals) > 0 && kith__signals_change(o, v->signals, -1))
        return KITH__SIGNAL;
    return i < 0 && kith__signals(v->signals) == 0 && is_steady(o, v) ? KITH__PARKED : KITH__GONE;
}

int64_t kith__units_take(struct kith__object *o, uint64_t ident, const struct kith__caller *who,
                         uint32_t waiter, uint64_t *unit)
{
    uint64_t me = heir_of(who, waiter), heir = atomic_load(&o->heir);
    struct view v;
    int64_t rc;

    for (; look(o, ident, &v); heir = atomic_load(&o->heir)) {
        if (heir != 0 && heir != me) {
            if (waiter & KITH__OVERDUE && has_any(&v) && change(&o->heir, heir, me))
                continue; /* it does not come: somebody has stopped it */
            return KITH__PARKED;
        }
        rc = take_any(o, &v, who, unit);
        if (rc == KITH__PARKED && heir != me) { /* then once more: who gave it back may not have seen us */
            change(&o->heir, 0, me);
            kith__failpoint("unit: heir");
        } else if (rc != KITH__GONE) {
            if (rc != KITH__PARKED)
                resign(o, me);
            return rc;
        }
    }
    return is_crowd(v.count) ? kith__crowd_take(o, ident, who) : KITH__GONE;
}

static int give(kith__word *at, uint64_t unit, int orphan)
{
    kith__failpoint("unit: about to be given back");
    if (!change(at, unit, word(unit >> HOLDER_BITS, orphan ? ORPHAN : FREE)))
        return 0;
    kith__failpoint("unit: given back");
    return 1;
}

int kith__unit_give(struct kith__object *o, uint64_t unit, int orphan)
{
    return give(&o->units[0], unit, orphan);
}

int64_t kith__units_give(struct kith__object *o, uint64_t ident, const struct kith__caller *who, int anybody,
                         int orphan)
{
    struct view v;

    while (look(o, ident, &v)) {
        int i = of(o, &v, who);

        if (i < 0 && anybody)
            i = oldest(&v);
        if (i < 0 && is_steady(o, &v))
            return 0;
        if (i >= 0 && give(&o->units[i], v.units[i], orphan))
            return 1;
    }
    return is_crowd(v.count) ? kith__crowd_give(o, ident, who, anybody, orphan) : KITH__GONE;
}

int kith__unit_is_of(struct kith__object *o, uint64_t unit, const struct kith__caller *who)
{
    return is_holder(o, 0, unit, who);
}

int64_t kith__units_free(struct kith__object *o, uint64_t ident)
{
    struct view v;
    int64_t n;

    while (look(o, ident, &v)) {
        if (!is_steady(o, &v))
            continue;
        n = kith__signals(v.signals);
        for (uint32_t i = 0; i < v.count; i++)
            n += is_free(v.units[i]);
        return n;
    }
    return is_crowd(v.count) ? kith__crowd_free(o, ident) : KITH__GONE;
}

int64_t kith__units_ready(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                          struct kith__result *out)
{
    int64_t n = kith__units_free(o, in->ident);

    (void)who;
    (void)out;
    return n == 0 ? KITH__PARKED : n;
}

int kith__unit_is_held(const struct kith__object *o)
{
    return is_held(atomic_load(&o->units[0]));
}

/* In the guard. 1: whoever matches had any. */
static int orphan_all(struct kith__object *o, const struct kith__caller *who)
{
    uint64_t ident = atomic_load(&o->ident);
    int had_any = 0;

    if (is_crowd(kith__units_count(o)))
        return kith__crowd_died(o, who);
    while (kith__units_give(o, ident, who, 0, 1) == 1)
        had_any = 1;
    return had_any;
}

void kith__units_died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    uint64_t heir = atomic_load(&o->heir);
    /* An heir that died when it had just taken its unit is both. */
    int was_heir = heir != 0 && kith__is_same(holder_of_heir(heir), who) && resign(o, heir);

    if (orphan_all(o, who) || was_heir)
        kith__tell_all(out, KITH__TAKERS);
}

int kith__units_undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    uint64_t ident = atomic_load(&o->ident);
    uint32_t count = kith__units_count(o);
    int orphan = (given->flags & KITH__OWNER_DEAD) != 0;

    if (given->flags & KITH__MARK)
        kith__signals_add(o, ident, INT32_MAX - count);
    else if (is_crowd(count))
        kith__crowd_undo(o, who, orphan);
    else
        kith__units_give(o, ident, who, 0, orphan);
    kith__units_tell(o, given);
    return 0;
}

static void close_one(kith__word *unit)
{
    uint64_t seen = atomic_load(unit);

    while (!change(unit, seen, word((seen >> HOLDER_BITS) + 1, CLOSED)))
        seen = atomic_load(unit);
}

void kith__units_close(struct kith__object *o)
{
    uint64_t signals = atomic_load(&o->signals);

    for (uint32_t i = 0; i < kith__units_count(o) && i < KITH__UNITS; i++)
        close_one(&o->units[i]);
    while (!change(&o->signals, signals, ((signals >> 32) + 1) << 32))
        signals = atomic_load(&o->signals);
    atomic_store(&o->unit_count, 0);
    atomic_store(&o->heir, 0);
}

void kith__units_open(struct kith__object *o, uint32_t n, uint32_t flags)
{
    for (uint32_t i = 0; i < n && n <= KITH__UNITS; i++)
        atomic_store(&o->units[i], word((atomic_load(&o->units[i]) >> HOLDER_BITS) + 1, FREE));
    atomic_store(&o->heir, 0);
    atomic_store(&o->owner, 0);
    atomic_store(&o->unit_count, (uint64_t)flags << 32 | n);
}

/* ------------------------------------------------------------------------------ the short way */

/* Likewise gives back the unit of an object that has one. */
static inline int give_only(struct kith__object *o, uint64_t ident)
{
    uint64_t unit = atomic_load_explicit(&o->units[0], memory_order_acquire);

    return holder(unit) == MEMBER + kith__me && kith__units_count(o) == 1 &&
           atomic_load(&o->ident) == ident && !kith__failpoint_hook && kith__unit_give_free(o, unit);
}

/* An heir stands among the waiters before it looks for the last time, too. */
void kith__units_tell_here(struct kith__object *o)
{
    struct kith__waiters *set = kith__object_waiters(o, KITH__TAKERS);
    uint32_t seat;

    if (!kith__has_waiters(set))
        return;
    if ((seat = seat_of_heir(atomic_load(&o->heir))))
        kith__wake_seat(&kith__shared->seats[seat - 1]);
    else
        kith__wake_one(set);
}

static __attribute__((noinline)) int64_t give_any(struct kith__object *o, uint64_t ident)
{
    struct kith__caller who = kith__process_here();
    int64_t n;

    kith__memory_pass_on();
    if ((n = kith__units_give(o, ident, &who, 1, 0)) > 0)
        kith__units_tell_here(o);
    return n;
}

/* What is called as often as this calls nothing in the common case: so no register has to be saved. */
int64_t kith__units_give_here(uint64_t id, unsigned kind)
{
    struct kith__object *o = kith__at_hand(id);

    if (!o)
        return 0;
    /* as in kith__invoke: who gets the unit may find it */
    if (__builtin_expect(atomic_load_explicit(&kith__taken, memory_order_relaxed) != 0, 0) ||
        !give_only(o, kith__ident(id, kind)))
        return give_any(o, kith__ident(id, kind));
    if (kith__has_waiters(kith__object_waiters(o, KITH__TAKERS)))
        kith__units_tell_here(o);
    return 1;
}

static __attribute__((noinline)) int acquire_any(uint64_t id, enum kith__kind kind, unsigned method,
                                                 int timeout_ms)
{
    struct kith__object *o = timeout_ms < KITH_FOREVER ? NULL : kith__at_hand(id);
    struct kith__caller who;
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };
    int64_t unit = KITH__PARKED;

    if (o) {
        who = kith__process_here();
        unit = kith__units_take(o, kith__ident(id, kind), &who, 0, NULL);
    }
    if (unit >= 0)
        return unit == KITH__UNIT_OF_THE_DEAD ? kith__report(kith__owner_died(kind)) : 0;
    return kith__report((int)kith__invoke(id, kind, method, &in, &out, timeout_ms));
}

int kith__units_acquire(uint64_t id, enum kith__kind kind, unsigned method, int timeout_ms)
{
    struct kith__object *o = kith__at_hand(id);
    uint64_t taken;

    if (o && timeout_ms >= KITH_FOREVER && kith__unit_take_free(o, kith__ident(id, kind), &taken))
        return 0;
    return acquire_any(id, kind, method, timeout_ms);
}
