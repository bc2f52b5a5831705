/* lock.c: the Lock; see class.h and kith.h.
 *
 * It is one unit (units.h): its word says who holds it, and who has waited for long is its heir. Nothing else
 * is to be kept, so it needs no guard. A release of one who was taken for dead does no harm: from another
 * node it comes before the notice of its death, or never, and within a node only what is dead is taken so.
 */
#include "config.h"
#include "base/error.h"
#include "object/units.h"

enum { TAKERS = KITH__TAKERS, SIDES };

static int64_t acquire(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    int64_t rc = kith__units_take(o, in->ident, who, in->waiter, NULL);

    if (rc < 0)
        return rc;
    out->flags = KITH__GIVEN | (rc == KITH__UNIT_OF_THE_DEAD ? KITH__OWNER_DEAD : 0);
    return 0;
}

static int64_t release(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out)
{
    int64_t rc = kith__units_give(o, in->ident, who, 1, 0);

    if (rc == 0)
        return kith__fail(KITH_EINVAL, "a Lock was released that nobody holds");
    if (rc < 0)
        return rc;
    kith__units_tell(o, out);
    return 0;
}

static int64_t locked(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    int64_t rc = kith__units_free(o, in->ident);

    (void)who;
    (void)out;
    return rc < 0 ? rc : rc == 0;
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    (void)options;
    (void)size;
    kith__units_open(o, 1, 0);
    return 0;
}

enum { ACQUIRE = KITH__FIRST_METHOD, RELEASE, LOCKED, READY };

static const struct kith__method methods[] = {
    [ACQUIRE] = { "acquire", acquire, TAKERS, KITH__GIVES | KITH__HOLDS | KITH__UNGUARDED | KITH__FAIR },
    [RELEASE] = { "release", release, -1, KITH__HOLDS | KITH__UNGUARDED },
    [LOCKED] = { "locked", locked, -1, KITH__UNGUARDED | KITH__LOOKS },
    [READY] = { "ready", kith__units_ready, TAKERS, KITH__UNGUARDED | KITH__LOOKS },
};

const struct kith__class kith__lock_class = {
    .noun = "Lock",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .is_lock = 1,
    .ready = READY,
    .letter = 'l',
    .make = make,
    .same = kith__all_are_same,
    .undo = kith__units_undo,
    .died = kith__units_died,
    .left = kith__units_left,
};

/* -------------------------------------------------------------- public functions */

kith_lock kith_lock_open(void)
{
    return (kith_lock){ kith__open(KITH__LOCK_KIND, NULL, "", 0, "kith_lock_open") };
}

kith_lock kith_lock_named(const char *name)
{
    return (kith_lock){ kith__open_named(KITH__LOCK_KIND, name, "", 0, "kith_lock_named") };
}

int kith_lock_acquire(kith_lock l, int timeout_ms)
{
    return kith__units_acquire(l.id, KITH__LOCK_KIND, ACQUIRE, timeout_ms);
}

int kith_lock_release(kith_lock l)
{
    if (kith__units_give_here(l.id, KITH__LOCK_KIND) > 0)
        return 0;
    return kith__report((int)kith__ask(l.id, KITH__LOCK_KIND, RELEASE, 0));
}

int kith_lock_locked(kith_lock l)
{
    return kith__report((int)kith__ask(l.id, KITH__LOCK_KIND, LOCKED, 0));
}

int kith_lock_close(kith_lock l)
{
    return kith__close(l.id, KITH__LOCK_KIND);
}
