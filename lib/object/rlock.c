/* rlock.c: the RLock, a lock that its owner may acquire again; see class.h, owned.h and kith.h. */
#include "config.h"
#include "base/error.h"
#include "object/rlock.h"

#include <string.h>

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

/* ---------------------------------------------------------------- for a Condition, in the guard */

static int64_t must_have(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out)
{
    (void)in;
    (void)out;
    return kith__owned_must_have(o, who);
}

static int64_t give_all(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                        struct kith__result *out)
{
    int64_t depth = kith__owned_depth(o);
    int rc = kith__owned_must_have(o, who);

    (void)in;
    if (rc < 0)
        return rc;
    kith__owned_give_all(o, who, out);
    return depth;
}

static int64_t take_again(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                          struct kith__result *out)
{
    uint64_t depth = in->number;
    int64_t rc;

    if (depth == 0 || depth > KITH__OWNED_MOST)
        return kith__fail(KITH_EINVAL, "an RLock was to be acquired %llu times", (unsigned long long)depth);
    if ((rc = kith__owned_take(o, who, in, out, (uint32_t)depth)) < 0)
        return rc;
    kith__give_few(out, &depth, sizeof depth);
    return sizeof depth;
}

/* --------------------------------------------------------------------------- hooks */

static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    uint64_t depth = 1;

    if (given->size == sizeof depth)
        memcpy(&depth, given->few, sizeof depth);
    kith__owned_take_back(o, who, given, (uint32_t)depth);
    return 0;
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    (void)options;
    (void)size;
    kith__owned_open(o, 0, 0);
    return 0;
}

static const struct kith__method methods[] = {
    [KITH__RLOCK_ACQUIRE] = KITH__OWNED_LOCK,
    [KITH__RLOCK_RELEASE] = KITH__OWNED_UNLOCK,
    [KITH__RLOCK_LOCKED] = { "locked", locked, -1, KITH__LOOKS },
    [KITH__RLOCK_READY] = { "ready", ready, TAKERS, KITH__LOOKS },
    [KITH__RLOCK_MUST_HAVE] = { "must have", must_have, -1, KITH__HOLDS },
    [KITH__RLOCK_GIVE_ALL] = { "give all", give_all, -1, KITH__HOLDS },
    [KITH__RLOCK_TAKE_AGAIN] = { "take again", take_again, TAKERS,
                                 KITH__GIVES | KITH__HOLDS | KITH__FAIR | KITH__EACH },
};

const struct kith__class kith__rlock_class = {
    .noun = "RLock",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .is_lock = 1,
    .ready = KITH__RLOCK_READY,
    .letter = 'r',
    .make = make,
    .same = kith__all_are_same,
    .undo = undo,
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
    return kith__owned_lock(l.id, KITH__RLOCK_KIND, KITH__RLOCK_ACQUIRE, timeout_ms);
}

int kith_rlock_release(kith_rlock l)
{
    return kith__owned_unlock(l.id, KITH__RLOCK_KIND, KITH__RLOCK_RELEASE);
}

int kith_rlock_locked(kith_rlock l)
{
    return kith__report((int)kith__ask(l.id, KITH__RLOCK_KIND, KITH__RLOCK_LOCKED, 0));
}

int kith_rlock_close(kith_rlock l)
{
    return kith__close(l.id, KITH__RLOCK_KIND);
}
