/* pin.c: see pin.h. */
#include "config.h"
#include "object/pin.h"
#include "base/system.h"

/* 1: its thread is in o; *visit tells this time from others. */
static int is_in(const struct kith__seat *s, const struct kith__object *o, uint64_t *visit)
{
    *visit = atomic_load(&s->pinned);
    return (*visit & ~(uint64_t)KITH__VISITS) == kith__offset(o);
}

static int is_pinned(const struct kith__object *o)
{
    uint32_t used = atomic_load(&kith__shared->seats_used);
    uint64_t visit;

    for (uint32_t i = 0; i < used; i++)
        if (is_in(&kith__shared->seats[i], o, &visit))
            return 1;
    return 0;
}

/* Most leave before the first pause is over, and may be in it again. Who does not was preempted or stopped,
 * or copies much. */
static int stays(const struct kith__seat *s, uint64_t visit)
{
    for (int tries = 0; tries < 50; tries++) {
        if (atomic_load(&s->pinned) != visit)
            return 0;
        kith__pause();
    }
    return 1;
}

int kith__is_pinned(const struct kith__object *o)
{
    uint32_t used = atomic_load(&kith__shared->seats_used);
    uint64_t visit;

    kith__fence();
    for (uint32_t i = 0; i < used; i++)
        if (is_in(&kith__shared->seats[i], o, &visit) && stays(&kith__shared->seats[i], visit))
            return 1;
    return 0;
}

/* A pin lasts some ns, or as long as a slice of an Array takes to be copied. */
void kith__pins_await(const struct kith__object *o)
{
    kith__fence();
    for (int tries = 0; is_pinned(o); tries++) {
        kith__failpoint("pin: awaited");
        if (tries < 100)
            kith__pause();
        else
            kith__nap(20000);
    }
}
