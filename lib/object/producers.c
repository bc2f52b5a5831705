/* producers.c: see producers.h. */
#include "config.h"
#include "object/producers.h"

int kith__producers_shut(struct kith__object *o, struct kith__producers *p)
{
    if (atomic_load(&p->shut) == KITH__SHUT_NOT)
        kith__guard_set(&o->guard, &p->shut, KITH__SHUT);
    return 1;
}

int kith__producers_empty(struct kith__object *o, struct kith__producers *p)
{
    kith__guard_set(&o->guard, &p->shut, KITH__SHUT_EMPTIED);
    return 1;
}

static int finish(struct kith__object *o, struct kith__producers *p, uint64_t n, uint64_t expected)
{
    uint64_t finished = atomic_load(&p->finished) + n;

    kith__guard_set(&o->guard, &p->finished, finished);
    return expected > 0 && finished >= expected ? kith__producers_shut(o, p) : 0;
}

int kith__producers_expect(struct kith__object *o, struct kith__producers *p, uint64_t n)
{
    kith__guard_set(&o->guard, &p->expected, n);
    return finish(o, p, 0, n);
}

int kith__producers_done(struct kith__object *o, struct kith__producers *p, const struct kith__caller *who)
{
    kith__holders_drop(o, &p->named, who, 0);
    return finish(o, p, 1, atomic_load(&p->expected));
}

int kith__producers_name(struct kith__object *o, struct kith__producers *p,
                         const struct kith__caller *producer)
{
    if (producer->member == 0)
        return finish(o, p, 1, atomic_load(&p->expected));
    return kith__holders_has(&p->named, producer) ? 0 : kith__holders_add(o, &p->named, producer);
}

int kith__producers_died(struct kith__object *o, struct kith__producers *p, const struct kith__caller *who)
{
    int shut = 0;

    for (uint64_t units; (units = kith__holders_evict(o, &p->named, who)) > 0;) {
        shut |= finish(o, p, units, atomic_load(&p->expected));
        kith__guard_commit(&o->guard);
    }
    return shut;
}
