/* rlock.c: the RLock, a lock that its owner may acquire again; see class.h, owned.h and kith.h. */
#include "config.h"
#include "base/error.h"
#include "object/owned.h"

enum { TAKERS = KITH__TAKERS, SIDES };

static int64_t locked(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return kith__units_free(o, atomic_load(&o->ident)) == 0;
}

/* For kith_wait: its owner may acquire it again. */
static int64_t ready(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    (void)in;
    (void)out;
    return kith__owned_has(o, who) || kith__units_free(o, atomic_load(&o->ident)) > 0 ? 1 : KITH__PARKED;
}

/* --------------------------------------------------------------------------- hooks */

static int make(struct kith__object *o, const void *options, size_t size)
{
    (void)options;
    (void)size;
    kith__units_open(o, 1, 0);
    return 0;
}

enum { ACQUIRE = KITH__FIRST_METHOD, RELEASE, LOCKED, READY };

static const struct kith__method methods[] = {
    [ACQUIRE] = KITH__OWNED_LOCK,
    [RELEASE] = KITH__OWNED_UNLOCK,
    [LOCKED] = { "locked", locked, -1, KITH__LOOKS },
    [READY] = { "ready", ready, TAKERS, KITH__LOOKS },
};

const struct kith__class kith__rlock_class = {
    .noun = "RLock",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .ready = READY,
    .letter = 'r',
    .make = make,
    .same = kith__all_are_same,
    .undo = kith__owned_undo,
    .died = kith__units_died,
    .left = kith__units_left,
};

/* -------------------------------------------------------------- public functions */

kith_rlock kith_rlock_open(void)
{
    return (kith_rlock){ kith__open(KITH__RLOCK_KIND, NULL, "", 0, "kith_rlock_open") };
}

kith_rlock kith_rlock_named(const char *name)
{
    return (kith_rlock){ kith__open_named(KITH__RLOCK_KIND, name, "", 0, "kith_rlock_named") };
}

int kith_rlock_acquire(kith_rlock l, int timeout_ms)
{
    return kith__owned_lock(l.id, KITH__RLOCK_KIND, ACQUIRE, timeout_ms);
}

int kith_rlock_release(kith_rlock l)
{
    return kith__owned_unlock(l.id, KITH__RLOCK_KIND, RELEASE);
}

int kith_rlock_locked(kith_rlock l)
{
    return kith__report((int)kith__ask(l.id, KITH__RLOCK_KIND, LOCKED, 0));
}

int kith_rlock_close(kith_rlock l)
{
    return kith__close(l.id, KITH__RLOCK_KIND);
}
