/* producers.c: see producers.h. */
#include "config.h"
#include "object/producers.h"
#include "object/process.h"

int kith__producers_shut(struct kith__object *o, struct kith__producers *p)
{
    kith__guard_set(&o->guard, &p->shut, 1);
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

int kith__producers_name(struct kith__object *o, struct kith__producers *p, uint64_t holder)
{
    struct kith__caller producer = kith__caller_of(holder);

    if (producer.member == 0)
        return finish(o, p, 1, atomic_load(&p->expected));
    return kith__holders_has(&p->named, &producer) ? 0 : kith__holders_add(o, &p->named, &producer);
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

/* One that ends in between is seen on the second look: its janitor may have been there before us. Where the
 * request went through the agent of its node, that looks itself, behind all that the Process has asked for.
 */
int64_t kith__name_process(uint64_t id, enum kith__kind kind, unsigned name, unsigned bury, kith_process p)
{
    int64_t serial = kith__process_member(p), rc;
    uint64_t holder = (uint64_t)kith__handle_home(p.id) << 32 | (uint32_t)serial;

    if (serial < 0 || (rc = kith__ask(id, kind, name, holder)) < 0)
        return serial < 0 ? serial : rc;
    if (serial == 0 || (kith__is_remote(id) && kith__handle_home(p.id) == kith__shared->node))
        return 0;
    return kith__process_member(p) == 0 ? kith__ask(id, kind, bury, holder) : 0;
}
