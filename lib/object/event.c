/* event.c: the Event; see class.h and kith.h. It is set when it has a signal (signals.h). */
#include "config.h"
#include "base/error.h"
#include "object/memory.h"
#include "object/signals.h"
#include "object/units.h"

enum { WAITERS, SIDES };

static int64_t set(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                   struct kith__result *out)
{
    int64_t rc = kith__signals_set(o, in->ident, 1);

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
    return kith__signals_set(o, in->ident, 0);
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
    [IS_SET] = { "is_set", is_set, -1, KITH__UNGUARDED | KITH__LOOKS },
    [WAIT] = { "wait", wait, WAITERS, KITH__UNGUARDED | KITH__LOOKS },
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

/* ------------------------------------------------------------------------------ the short way */

static const int64_t soon_ns = 2000;

struct seen {
    struct kith__object *o;
    uint64_t ident;
};

/* 0: it is not that simple, and kith__invoke decides. */
static int look_here(uint64_t id, struct seen *s)
{
    *s = (struct seen){ kith__at_home(id), kith__ident(id, KITH__EVENT_KIND) };
    return s->o != NULL;
}

static int set_here(uint64_t id, int n)
{
    struct seen s;

    if (!look_here(id, &s))
        return 0;
    kith__memory_pass_on(); /* who finds it set may find it */
    if (kith__signals_set(s.o, s.ident, n) < 0)
        return 0;
    if (n)
        kith__tell_all_here(s.o, WAITERS);
    return 1;
}

static int is_no_more_to_wait_for(const void *of)
{
    const struct seen *s = of;

    return kith__units_free(s->o, s->ident) != 0;
}

/* 1: it was set. What is set in a moment is seen before anybody knows that this thread waits. */
static int wait_here(uint64_t id, int timeout_ms)
{
    struct seen s;

    if (timeout_ms < KITH_FOREVER || !look_here(id, &s))
        return 0;
    if (!is_no_more_to_wait_for(&s) &&
        (timeout_ms == 0 || !kith__wait_briefly(is_no_more_to_wait_for, &s, 0, soon_ns)))
        return 0;
    return atomic_load(&s.o->ident) == s.ident; /* else it is gone */
}

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
    if (set_here(e.id, 1))
        return 0;
    return kith__report((int)kith__ask(e.id, KITH__EVENT_KIND, SET, 0));
}

int kith_event_clear(kith_event e)
{
    if (set_here(e.id, 0))
        return 0;
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

    if (wait_here(e.id, timeout_ms))
        return 0;
    return kith__report((int)kith__invoke(e.id, KITH__EVENT_KIND, WAIT, &in, &out, timeout_ms));
}

int kith_event_close(kith_event e)
{
    return kith__close(e.id, KITH__EVENT_KIND);
}
