/* sem.c: the Semaphore; see class.h and kith.h.
 *
 * Of the units that it was opened with (units.h), each that is out is somebody's: when that process ends, it
 * comes back, and who gets it next is told. What releases have added beyond these are signals, and nobody's.
 */
#include "config.h"
#include "base/error.h"
#include "object/crowd.h"
#include "object/signals.h"
#include "object/units.h"

#include <string.h>

enum { TAKERS = KITH__TAKERS, SIDES };

struct options {
    uint64_t units;
    uint32_t bounded, zero;
};

_Static_assert(KITH__BODY_FITS(struct kith__crowd, SIDES), "it is the body of an object");

static int64_t acquire(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    int64_t rc = kith__units_take(o, in->ident, who, in->waiter, NULL);

    if (rc < 0)
        return rc;
    if (in->waiter) /* while it was the heir, others may have left what is there for them */
        kith__tell_one(out, TAKERS);
    out->flags = KITH__GIVEN | (rc == KITH__UNIT_OF_THE_DEAD ? KITH__OWNER_DEAD : 0) |
                 (rc == KITH__SIGNAL ? KITH__MARK : 0);
    return 0;
}

static int64_t too_often(uint32_t units)
{
    return kith__fail(KITH_EINVAL, "a bounded Semaphore of %u was released more often than acquired", units);
}

static int64_t add_signal(struct kith__object *o, uint64_t ident, uint32_t units)
{
    int64_t rc = kith__signals_add(o, ident, INT32_MAX - units);

    return rc != 0 ? rc : kith__fail(KITH_EINVAL, "a Semaphore has at most %d units", INT32_MAX);
}

static int64_t release(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    uint32_t units = kith__units_count(o), is_bounded = kith__units_flags(o);
    int64_t rc = kith__units_give(o, in->ident, who, 1, 0);

    if (rc == 0)
        rc = is_bounded ? too_often(units) : add_signal(o, in->ident, units);
    if (rc < 0)
        return rc;
    kith__units_tell(o, out);
    return 0;
}

static int64_t value(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    (void)who;
    (void)out;
    return kith__units_free(o, in->ident);
}

/* --------------------------------------------------------------------------- hooks */

static struct options options_of(const void *given, size_t size)
{
    struct options options = { 0 };

    memcpy(&options, given, size < sizeof options ? size : sizeof options);
    return options;
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    struct options wanted = options_of(options, size);

    kith__units_open(o, (uint32_t)wanted.units, wanted.bounded);
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    struct options wanted = options_of(options, size);
    uint32_t units = kith__units_count(o), is_bounded = kith__units_flags(o);

    if (wanted.units == units && wanted.bounded == is_bounded)
        return 0;
    return kith__fail(KITH_EINVAL, "the Semaphore \"%s\" was opened with %u units%s, not %llu%s", o->name,
                      units, is_bounded ? ", bounded" : "", (unsigned long long)wanted.units,
                      wanted.bounded ? ", bounded" : "");
}

enum { ACQUIRE = KITH__FIRST_METHOD, RELEASE, VALUE, READY };

static const struct kith__method methods[] = {
    [ACQUIRE] = { "acquire", acquire, TAKERS, KITH__GIVES | KITH__HOLDS | KITH__UNGUARDED | KITH__FAIR },
    [RELEASE] = { "release", release, -1, KITH__HOLDS | KITH__UNGUARDED },
    [VALUE] = { "value", value, -1, KITH__UNGUARDED | KITH__LOOKS },
    [READY] = { "ready", kith__units_ready, TAKERS, KITH__UNGUARDED | KITH__LOOKS },
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
    .destroy = kith__crowd_destroy,
    .undo = kith__units_undo,
    .died = kith__units_died,
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
