/* sem.c: the Semaphore; see class.h and kith.h.
 *
 * Of the units that it was opened with, each that is out is somebody's (holders.h): when that process ends,
 * it comes back, and who gets it next is told. What releases have added beyond these are signals, and
 * nobody's.
 */
#include "config.h"
#include "base/error.h"
#include "object/holders.h"

#include <string.h>

enum { TAKERS, SIDES };

struct options {
    uint64_t units;
    uint32_t bounded, zero;
};

struct sem {
    struct options options;
    kith__word value;
    kith__word orphans; /* units that came back from the dead, and were not taken since */
    struct kith__holders holders;
};

_Static_assert(KITH__BODY_FITS(struct sem, SIDES), "it is the body of an object");

static struct sem *sem_of(struct kith__object *o)
{
    return (struct sem *)(void *)&o->body;
}

static int64_t acquire(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    struct sem *s = sem_of(o);
    uint64_t value = atomic_load(&s->value), orphans = atomic_load(&s->orphans);
    int is_held;

    (void)in;
    if (value == 0)
        return KITH__PARKED;
    is_held = atomic_load(&s->holders.units) < s->options.units;
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
static void put_back(struct kith__object *o, uint64_t units, uint64_t orphans, struct kith__result *out)
{
    struct sem *s = sem_of(o);

    kith__guard_set(&o->guard, &s->value, atomic_load(&s->value) + units);
    if (orphans > 0)
        kith__guard_set(&o->guard, &s->orphans, atomic_load(&s->orphans) + orphans);
    kith__guard_commit(&o->guard);
    if (units == 1)
        kith__tell_one(out, TAKERS);
    else
        kith__tell_all(out, TAKERS);
}

static int64_t release(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    struct sem *s = sem_of(o);

    (void)in;
    if (s->options.bounded && atomic_load(&s->value) >= s->options.units)
        return kith__fail(KITH_EINVAL, "a bounded Semaphore of %llu was released more often than acquired",
                          (unsigned long long)s->options.units);
    if (atomic_load(&s->value) >= INT32_MAX)
        return kith__fail(KITH_EINVAL, "a Semaphore has at most %d units", INT32_MAX);
    kith__holders_drop(o, &s->holders, who, 1);
    put_back(o, 1, 0, out);
    return 0;
}

static int64_t value(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return (int64_t)atomic_load(&sem_of(o)->value);
}

/* An acquire whose answer reached nobody. When its process has died, .died may have been here before. */
static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    struct sem *s = sem_of(o);

    if (given->flags & KITH__MARK || kith__holders_drop(o, &s->holders, who, 0))
        put_back(o, 1, (given->flags & KITH__OWNER_DEAD) != 0, given);
    return 0;
}

static void died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    uint64_t units;

    while ((units = kith__holders_evict(o, &sem_of(o)->holders, who)) > 0)
        put_back(o, units, units, out);
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    struct sem *s = sem_of(o);

    memcpy(&s->options, options, size < sizeof s->options ? size : sizeof s->options);
    kith__guard_set(&o->guard, &s->value, s->options.units);
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

enum { ACQUIRE = KITH__FIRST_METHOD, RELEASE, VALUE };

static const struct kith__method methods[] = {
    [ACQUIRE] = { "acquire", acquire, TAKERS, KITH__GIVES | KITH__HOLDS },
    [RELEASE] = { "release", release, -1, KITH__HOLDS },
    [VALUE] = { "value", value, -1, 0 },
};

const struct kith__class kith__sem_class = {
    .noun = "Semaphore",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .make = make,
    .same = same,
    .destroy = destroy,
    .undo = undo,
    .died = died,
};

/* -------------------------------------------------------------- public functions */

kith_sem kith__sem_open(int units, const struct kith_sem_options *given, size_t given_size)
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
    return kith__sem_open(units, NULL, 0);
}

int kith_sem_acquire(kith_sem s, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };

    return kith__report((int)kith__invoke(s.id, KITH__SEM_KIND, ACQUIRE, &in, &out, timeout_ms));
}

int kith_sem_release(kith_sem s)
{
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
