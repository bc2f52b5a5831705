/* sem.c: the Semaphore; see class.h and kith.h.
 *
 * Of the units that it was opened with, each that is out is somebody's: when that process ends, it comes
 * back, and who gets it next is told. What releases have added beyond these are signals, and nobody's.
 *
 * Up to KITH__UNITS of them are words that are taken without a guard (units.h). Of more, which are looked
 * through no more, there is a count and a list of holders (holders.h), in the guard.
 */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "object/holders.h"
#include "object/units.h"

#include <string.h>

enum { TAKERS = KITH__TAKERS, SIDES };

struct options {
    uint64_t units;
    uint32_t bounded, zero;
};

struct sem {
    struct options options;
    /* When there are many: */
    kith__word value;
    kith__word orphans; /* units that came back from the dead, and were not taken since */
    struct kith__holders holders;
};

_Static_assert(KITH__BODY_FITS(struct sem, SIDES), "it is the body of an object");

static struct sem *sem_of(struct kith__object *o)
{
    return (struct sem *)(void *)&o->body;
}

static int has_many(struct kith__object *o)
{
    return kith__units_count(o) > KITH__UNITS;
}

/* ---------------------------------------------------------------- many units: in the guard */

/* 0: it is gone. */
static int enter(struct kith__object *o, const struct kith__args *in)
{
    kith__guard_enter(&o->guard);
    if (atomic_load(&o->ident) == in->ident)
        return 1;
    kith__guard_leave(&o->guard);
    return 0;
}

static int64_t leave(struct kith__object *o, int64_t rc)
{
    kith__guard_leave(&o->guard);
    kith__fence();
    return rc;
}

static int64_t acquire_of_many(struct kith__object *o, const struct kith__caller *who,
                               struct kith__result *out)
{
    struct sem *s = sem_of(o);
    uint64_t value = atomic_load(&s->value), orphans = atomic_load(&s->orphans);
    int is_held = atomic_load(&s->holders.units) < s->options.units;

    if (value == 0)
        return KITH__PARKED;
    if (is_held && kith__holders_add(o, &s->holders, who) < 0)
        return KITH_ENOMEM;
    kith__guard_set(&o->guard, &s->value, value - 1);
    if (orphans > 0)
        kith__guard_set(&o->guard, &s->orphans, orphans - 1);
    kith__guard_commit(&o->guard);
    out->flags = KITH__GIVEN | (orphans > 0 ? KITH__OWNER_DEAD : 0) | (is_held ? 0 : KITH__MARK);
    return 0;
}

/* So many units are free again; orphans: of these, from the dead. */
static void put_back(struct kith__object *o, uint64_t units, uint64_t orphans)
{
    struct sem *s = sem_of(o);

    kith__guard_set(&o->guard, &s->value, atomic_load(&s->value) + units);
    if (orphans > 0)
        kith__guard_set(&o->guard, &s->orphans, atomic_load(&s->orphans) + orphans);
    kith__guard_commit(&o->guard);
}

static int64_t overflow(void)
{
    return kith__fail(KITH_EINVAL, "a Semaphore has at most %d units", INT32_MAX);
}

static int64_t too_often(uint64_t units)
{
    return kith__fail(KITH_EINVAL, "a bounded Semaphore of %llu was released more often than acquired",
                      (unsigned long long)units);
}

static int64_t release_of_many(struct kith__object *o, const struct kith__caller *who)
{
    struct sem *s = sem_of(o);

    if (s->options.bounded && atomic_load(&s->value) >= s->options.units)
        return too_often(s->options.units);
    if (atomic_load(&s->value) >= INT32_MAX)
        return overflow();
    kith__holders_drop(o, &s->holders, who, 1);
    put_back(o, 1, 0);
    return 0;
}

/* ---------------------------------------------------------------------- methods */

static int64_t acquire(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    int64_t rc;

    if (has_many(o))
        return enter(o, in) ? leave(o, acquire_of_many(o, who, out)) : KITH__GONE;
    if ((rc = kith__units_take(o, in->ident, who, in->waiter, NULL)) < 0)
        return rc;
    if (in->waiter) /* while it was the heir, others may have left what is there for them */
        kith__tell_one(out, TAKERS);
    out->flags = KITH__GIVEN | (rc == KITH__UNIT_OF_THE_DEAD ? KITH__OWNER_DEAD : 0) |
                 (rc == KITH__SIGNAL ? KITH__MARK : 0);
    return 0;
}

static int64_t release_unit(struct kith__object *o, const struct kith__caller *who, uint64_t ident)
{
    uint32_t units = kith__units_count(o), is_bounded = kith__units_flags(o);
    int64_t rc = kith__units_give(o, ident, who, 1, 0);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (is_bounded)
        return too_often(units);
    rc = kith__units_signal(o, ident);
    return rc > 0 ? 0 : rc == 0 ? overflow() : rc;
}

static int64_t release(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    int64_t rc;

    if (!has_many(o))
        rc = release_unit(o, who, in->ident);
    else
        rc = enter(o, in) ? leave(o, release_of_many(o, who)) : KITH__GONE;
    if (rc == 0)
        kith__units_tell(o, out);
    return rc;
}

static int64_t value(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    (void)who;
    (void)out;
    if (has_many(o))
        return enter(o, in) ? leave(o, (int64_t)atomic_load(&sem_of(o)->value)) : KITH__GONE;
    return kith__units_free(o, in->ident);
}

/* Could a unit be taken? */
static int64_t ready(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    int64_t units = value(o, who, in, out);

    return units == 0 ? KITH__PARKED : units;
}

/* --------------------------------------------------------------------------- hooks */

/* An acquire whose answer reached nobody. When its process has died, .died may have been here before. */
static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    int is_signal = (given->flags & KITH__MARK) != 0;

    if (!has_many(o) && !is_signal)
        return kith__units_undo(o, who, given);
    if (!has_many(o))
        kith__units_signal(o, atomic_load(&o->ident));
    else if (is_signal || kith__holders_drop(o, &sem_of(o)->holders, who, 0))
        put_back(o, 1, (given->flags & KITH__OWNER_DEAD) != 0);
    kith__units_tell(o, given);
    return 0;
}

static void died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    uint64_t units;

    if (!has_many(o)) {
        kith__units_died(o, who, out);
        return;
    }
    while ((units = kith__holders_evict(o, &sem_of(o)->holders, who)) > 0) {
        put_back(o, units, units);
        kith__tell_all(out, TAKERS);
    }
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    struct sem *s = sem_of(o);

    memcpy(&s->options, options, size < sizeof s->options ? size : sizeof s->options);
    kith__guard_set(&o->guard, &s->value, s->options.units);
    kith__units_open(o, (uint32_t)s->options.units, s->options.bounded);
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    const struct options *mine = &sem_of(o)->options;
    struct options wanted = { 0 };

    memcpy(&wanted, options, size < sizeof wanted ? size : sizeof wanted);
    if (memcmp(mine, &wanted, sizeof wanted) == 0)
        return 0;
    return kith__fail(KITH_EINVAL, "the Semaphore \"%s\" was opened with %llu units%s, not %llu%s", o->name,
                      (unsigned long long)mine->units, mine->bounded ? ", bounded" : "",
                      (unsigned long long)wanted.units, wanted.bounded ? ", bounded" : "");
}

static void destroy(struct kith__object *o)
{
    kith__holders_free(o, &sem_of(o)->holders);
}

enum { ACQUIRE = KITH__FIRST_METHOD, RELEASE, VALUE, READY };

static const struct kith__method methods[] = {
    [ACQUIRE] = { "acquire", acquire, TAKERS, KITH__GIVES | KITH__HOLDS | KITH__UNGUARDED | KITH__FAIR },
    [RELEASE] = { "release", release, -1, KITH__HOLDS | KITH__UNGUARDED },
    [VALUE] = { "value", value, -1, KITH__UNGUARDED | KITH__LOOKS },
    [READY] = { "ready", ready, TAKERS, KITH__UNGUARDED | KITH__LOOKS },
};

const struct kith__class kith__sem_class = {
    .noun = "Semaphore",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .ready = READY,
    .letter = 's',
    .make = make,
    .same = same,
    .destroy = destroy,
    .undo = undo,
    .died = died,
    .left = kith__units_left,
};

#undef kith_sem_open_with /* which adds the size */
/* -------------------------------------------------------------- public functions */

kith_sem kith_sem_open_with(int units, const struct kith_sem_options *given, size_t given_size)
{
    struct kith_sem_options o = { 0 };
    struct options options = { 0 };

    if (given)
        memcpy(&o, given, given_size < sizeof o ? given_size : sizeof o);
    if (units < 0)
        return (kith_sem){ kith__failed_handle(
            kith__report(kith__fail(KITH_EINVAL, "a Semaphore of %d units: give 0 or more", units))) };
    options.units = (uint64_t)units;
    options.bounded = o.bounded != 0;
    return (kith_sem){ kith__open(KITH__SEM_KIND, o.name, &options, sizeof options, "kith_sem_open") };
}

kith_sem kith_sem_open(int units)
{
    return kith_sem_open_with(units, NULL, 0);
}

int kith_sem_acquire(kith_sem s, int timeout_ms)
{
    return kith__units_acquire(s.id, KITH__SEM_KIND, ACQUIRE, timeout_ms);
}

int kith_sem_release(kith_sem s)
{
    if (kith__units_give_here(s.id, KITH__SEM_KIND) > 0)
        return 0;
    return kith__report((int)kith__ask(s.id, KITH__SEM_KIND, RELEASE, 0));
}

int kith_sem_value(kith_sem s)
{
    return kith__report((int)kith__ask(s.id, KITH__SEM_KIND, VALUE, 0));
}

int kith_sem_close(kith_sem s)
{
    return kith__close(s.id, KITH__SEM_KIND);
}
