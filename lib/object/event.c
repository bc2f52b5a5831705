/* event.c: the Event; see class.h and kith.h. It is set when it has a signal (units.h). */
#include "config.h"
#include "base/error.h"
#include "object/units.h"

enum { WAITERS, SIDES };

static int64_t set(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                   struct kith__result *out)
{
    int64_t rc = kith__units_set_signals(o, in->ident, 1);

    (void)who;
    if (rc == 0)
        kith__tell_all(out, WAITERS);
    return rc;
}

static int64_t clear(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    (void)who;
    (void)out;
    return kith__units_set_signals(o, in->ident, 0);
}

static int64_t is_set(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    (void)who;
    (void)out;
    return kith__units_free(o, in->ident);
}

static int64_t wait(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    int64_t n = is_set(o, who, in, out);

    return n == 0 ? KITH__PARKED : n < 0 ? n : 0;
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    (void)options;
    (void)size;
    kith__units_open(o, 0, 0);
    return 0;
}

enum { SET = KITH__FIRST_METHOD, CLEAR, IS_SET, WAIT };

static const struct kith__method methods[] = {
    [SET] = { "set", set, -1, KITH__UNGUARDED },
    [CLEAR] = { "clear", clear, -1, KITH__UNGUARDED },
    [IS_SET] = { "is_set", is_set, -1, KITH__UNGUARDED },
    [WAIT] = { "wait", wait, WAITERS, KITH__UNGUARDED },
};

const struct kith__class kith__event_class = {
    .noun = "Event",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .ready = WAIT,
    .letter = 'e',
    .make = make,
    .same = kith__all_are_same,
};

/* -------------------------------------------------------------- public functions */

kith_event kith_event_open(void)
{
    return (kith_event){ kith__open(KITH__EVENT_KIND, NULL, "", 0, "kith_event_open") };
}

kith_event kith_event_named(const char *name)
{
    return (kith_event){ kith__open_named(KITH__EVENT_KIND, name, "", 0, "kith_event_named") };
}

int kith_event_set(kith_event e)
{
    return kith__report((int)kith__ask(e.id, KITH__EVENT_KIND, SET, 0));
}

int kith_event_clear(kith_event e)
{
    return kith__report((int)kith__ask(e.id, KITH__EVENT_KIND, CLEAR, 0));
}

int kith_event_is_set(kith_event e)
{
    return kith__report((int)kith__ask(e.id, KITH__EVENT_KIND, IS_SET, 0));
}

int kith_event_wait(kith_event e, int timeout_ms)
{
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };

    return kith__report((int)kith__invoke(e.id, KITH__EVENT_KIND, WAIT, &in, &out, timeout_ms));
}

int kith_event_close(kith_event e)
{
    return kith__close(e.id, KITH__EVENT_KIND);
}
