/* pin.c: see pin.h. */
#include "config.h"
#include "object/pin.h"
#include "base/system.h"

static int is_pinned(const struct kith__object *o)
{
    uint32_t used = atomic_load(&kith__shared->seats_used);
    uint64_t at = kith__offset(o);

    for (uint32_t i = 0; i < used; i++)
        if (atomic_load(&kith__shared->seats[i].pinned) == at)
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
