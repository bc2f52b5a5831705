/* producers.c: see producers.h. */
#include "config.h"
#include "object/producers.h"
#include "object/process.h"

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

/* Who tells the object of the end of a Process that was named there. */
enum teller {
    JANITOR, /* that of the Process: both are at home on one node */
    OURS,    /* our agent, which has seen the name on its way to the object */
    THEIRS   /* the agent of the node of the Process, which is asked for it */
};

static enum teller teller_of(uint64_t id, kith_process p)
{
    uint32_t node = kith__handle_home(p.id);

    if (node == kith__shared->node)
        return kith__is_remote(id) ? OURS : JANITOR;
    return node == kith__handle_home(id) && !kith__shared->through_net ? JANITOR : THEIRS;
}

/* 1: the Process runs, and its end will be told from now on; 0: it has ended; or a code. */
static int64_t vouch(uint64_t id, kith_process p, uint64_t holder)
{
    struct kith__args in = { .number = (uint64_t)kith__handle_home(id) << 32 | (uint32_t)holder };
    int64_t serial;

    switch (teller_of(id, p)) {
    case OURS: return 1;
    case THEIRS: return kith__ask_node((uint32_t)(holder >> 32), KITH__NODE_KIND, KITH__NODE_VOUCH, &in);
    case JANITOR: break;
    }
    serial = kith__process_member(p);
    return serial > 0 ? 1 : serial;
}

/* It may end in between, and be told of before it is named. Therefore it is vouched for once more afterwards:
 * one that has ended by then is dropped by us. And before, in case that we are killed in the middle. */
int64_t kith__name_process(uint64_t id, enum kith__kind kind, unsigned name, unsigned drop_dead,
                           kith_process p)
{
    uint64_t node = (uint64_t)kith__handle_home(p.id) << 32;
    int64_t serial = kith__handle_usable(id, kith__classes[kind]->noun), lives, rc;

    if (serial < 0 || (serial = kith__process_member(p)) < 0)
        return serial;
    lives = serial > 0 && teller_of(id, p) == THEIRS ? vouch(id, p, node | (uint64_t)serial) : serial > 0;
    if (lives < 0 || (rc = kith__ask(id, kind, name, lives ? node | (uint64_t)serial : node)) < 0)
        return lives < 0 ? lives : rc;
    if (!lives || (lives = vouch(id, p, node | (uint64_t)serial)) > 0)
        return 0;
    return lives < 0 ? lives : kith__ask(id, kind, drop_dead, node | (uint64_t)serial);
}
