/* holders.c: see holders.h. */
#include "config.h"
#include "object/holders.h"
#include "shm/heap.h"

#include <string.h>

enum { FIRST_ROOM = 8 };

struct holder {
    kith__word who, units, since;
};

static struct holder *table(const struct kith__holders *h)
{
    uint64_t block = atomic_load(&h->block);

    return block ? kith__at(block) : NULL;
}

static struct holder *find(const struct kith__holders *h, const struct kith__caller *who)
{
    struct holder *list = table(h);

    for (uint64_t i = 0; i < atomic_load(&h->used); i++)
        if (kith__is_same(atomic_load(&list[i].who), who))
            return &list[i];
    return NULL;
}

static struct holder *oldest(const struct kith__holders *h)
{
    struct holder *list = table(h), *found = NULL;

    for (uint64_t i = 0; i < atomic_load(&h->used); i++)
        if (atomic_load(&list[i].units) > 0 &&
            (!found || atomic_load(&list[i].since) < atomic_load(&found->since)))
            found = &list[i];
    return found;
}

int kith__rows_grow(struct kith__object *o, kith__word *block, kith__word *room, size_t entry)
{
    uint64_t old = atomic_load(block), had = atomic_load(room), has = had ? 2 * had : FIRST_ROOM, now;

    if ((now = kith__heap_alloc(has * entry, kith__me)) == 0)
        return KITH_ENOMEM;
    if (old)
        memcpy(kith__at(now), kith__at(old), had * entry);
    kith__guard_set(&o->guard, block, now);
    kith__guard_set(&o->guard, room, has);
    kith__guard_set(&o->guard, kith__heap_owner(now), 0);
    if (old) /* ours with the same commit */
        kith__guard_set(&o->guard, kith__heap_owner(old), kith__me);
    kith__guard_commit(&o->guard);
    kith__heap_free(old);
    return 0;
}

void kith__rows_free(struct kith__object *o, kith__word *block)
{
    uint64_t old = atomic_load(block);

    if (old == 0)
        return;
    kith__guard_enter(&o->guard);
    kith__guard_set(&o->guard, block, 0);
    kith__guard_set(&o->guard, kith__heap_owner(old), kith__me);
    kith__guard_commit(&o->guard);
    kith__guard_leave(&o->guard);
    kith__heap_free(old);
}

/* The last one takes its place. */
static void remove_holder(struct kith__object *o, struct kith__holders *h, struct holder *one)
{
    const struct holder *last = &table(h)[atomic_load(&h->used) - 1];

    kith__guard_set(&o->guard, &one->who, atomic_load(&last->who));
    kith__guard_set(&o->guard, &one->units, atomic_load(&last->units));
    kith__guard_set(&o->guard, &one->since, atomic_load(&last->since));
    kith__guard_set(&o->guard, &h->used, atomic_load(&h->used) - 1);
    kith__guard_set(&o->guard, &h->units, atomic_load(&h->units) - atomic_load(&one->units));
}

/* Those that hold nothing any more go, before the table grows: in commits of their own. */
static void purge(struct kith__object *o, struct kith__holders *h)
{
    struct holder *list = table(h);

    for (uint64_t i = atomic_load(&h->used); i-- > 0;)
        if (atomic_load(&list[i].units) == 0) {
            remove_holder(o, h, &list[i]);
            kith__guard_commit(&o->guard);
        }
}

static void set_units(struct kith__object *o, struct kith__holders *h, struct holder *one, uint64_t units)
{
    kith__guard_set(&o->guard, &h->units, atomic_load(&h->units) - atomic_load(&one->units) + units);
    kith__guard_set(&o->guard, &one->units, units);
}

/* A place for a new holder. 0; KITH_ENOMEM. */
static int make_room(struct kith__object *o, struct kith__holders *h)
{
    if (atomic_load(&h->used) == atomic_load(&h->room))
        purge(o, h);
    return atomic_load(&h->used) == atomic_load(&h->room)
               ? kith__rows_grow(o, &h->block, &h->room, sizeof(struct holder))
               : 0;
}

int kith__holders_add(struct kith__object *o, struct kith__holders *h, const struct kith__caller *who)
{
    struct holder *one = find(h, who);

    if (one && atomic_load(&one->units) > 0) {
        set_units(o, h, one, atomic_load(&one->units) + 1);
        return 0;
    }
    if (!one && make_room(o, h) < 0)
        return KITH_ENOMEM;
    if (!one) {
        one = &table(h)[atomic_load(&h->used)];
        kith__guard_set(&o->guard, &one->who, kith__holder(who));
        kith__guard_set(&o->guard, &h->used, atomic_load(&h->used) + 1);
    }
    kith__guard_set(&o->guard, &one->since, atomic_load(&h->counts));
    kith__guard_set(&o->guard, &one->units, 1);
    kith__guard_set(&o->guard, &h->counts, atomic_load(&h->counts) + 1);
    kith__guard_set(&o->guard, &h->units, atomic_load(&h->units) + 1);
    return 0;
}

int kith__holders_has(const struct kith__holders *h, const struct kith__caller *who)
{
    const struct holder *one = find(h, who);

    return one && atomic_load(&one->units) > 0;
}

/* The entry stays: whoever took one once mostly comes again. */
int kith__holders_drop(struct kith__object *o, struct kith__holders *h, const struct kith__caller *who,
                       int anybody)
{
    struct holder *one = find(h, who);

    if (anybody && (!one || atomic_load(&one->units) == 0))
        one = oldest(h);
    if (!one || atomic_load(&one->units) == 0)
        return 0;
    set_units(o, h, one, atomic_load(&one->units) - 1);
    return 1;
}

uint64_t kith__holders_evict(struct kith__object *o, struct kith__holders *h, const struct kith__caller *who)
{
    struct holder *one;
    uint64_t units;

    purge(o, h);
    if (!(one = find(h, who)))
        return 0;
    units = atomic_load(&one->units);
    remove_holder(o, h, one);
    return units;
}

void kith__holders_clear(struct kith__object *o, struct kith__holders *h)
{
    kith__guard_set(&o->guard, &h->used, 0);
    kith__guard_set(&o->guard, &h->units, 0);
}

void kith__holders_free(struct kith__object *o, struct kith__holders *h)
{
    kith__rows_free(o, &h->block);
}
