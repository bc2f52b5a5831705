/* object.c: see object.h.
 *
 * A slot whose generations are used up is not given back. Free slots are taken in the order in which they
 * came, so a generation lasts.
 */
#include "config.h"
#include "object/object.h"
#include "object/class.h"
#include "object/pin.h"
#include "object/units.h"
#include "base/error.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct kith__object) <= KITH__OBJECT_SIZE, "a slot is a page");

static struct kith__object *slot_of(uint64_t n)
{
    return kith__at(KITH__OBJECTS_AT + KITH__OBJECT_SIZE * (1 + n));
}

static uint64_t number_of(const struct kith__object *o)
{
    return (kith__offset(o) - KITH__OBJECTS_AT - KITH__OBJECT_SIZE) / KITH__OBJECT_SIZE;
}

int kith__object_init(void)
{
    _Static_assert(KITH__OBJECTS_AT + KITH__OBJECT_SIZE * (KITH__OBJECTS + UINT64_C(1)) < KITH__TABLES_SIZE,
                   "the tables hold all objects");
    _Static_assert(KITH__OBJECTS_AT <= KITH__TABLES_FIXED,
                   "members and seats have their place under KITH_MEM, too");

    if (kith__arena_back_tables(KITH__OBJECTS_AT, KITH__OBJECT_SIZE) < 0)
        return KITH_ENOMEM;
    return kith__guard_init(&kith__objects()->guard);
}

/* In the table's guard: a slot that was never used, or NULL. Its guard is made before anybody can see it. */
static struct kith__object *fresh(struct kith__objects *t)
{
    uint64_t n = atomic_load(&t->used);
    struct kith__object *o = slot_of(n);

    if (n == KITH__OBJECTS || kith__arena_back_tables(kith__offset(o), KITH__OBJECT_SIZE) < 0 ||
        kith__guard_init(&o->guard) < 0 || kith__guard_init(&o->second) < 0)
        return NULL;
    kith__guard_set(&t->guard, &o->opener, kith__me);
    kith__guard_set(&t->guard, &o->ident, 1 << 8);
    kith__guard_set(&t->guard, &t->used, n + 1);
    return o;
}

static struct kith__object *reuse(struct kith__objects *t)
{
    uint64_t first = atomic_load(&t->first);
    struct kith__object *o;

    if (first == 0)
        return NULL;
    o = slot_of(first - 1);
    kith__guard_set(&t->guard, &o->opener, kith__me);
    kith__guard_set(&t->guard, &t->first, atomic_load(&o->next_free));
    if (atomic_load(&t->last) == first)
        kith__guard_set(&t->guard, &t->last, 0);
    return o;
}

struct kith__object *kith__object_new(void)
{
    struct kith__objects *t = kith__objects();
    struct kith__object *o;

    atomic_fetch_add(&kith__member(kith__me)->unpublished, 1);
    kith__guard_enter(&t->guard);
    /* Some 64 slots rest before one of them is taken again: an old handle meets a slot that is empty. */
    o = atomic_load(&t->used) < 64 ? fresh(t) : reuse(t);
    if (!o)
        o = fresh(t);
    if (o)
        kith__guard_commit(&t->guard);
    kith__guard_leave(&t->guard);
    if (!o) {
        atomic_fetch_sub(&kith__member(kith__me)->unpublished, 1);
        if (atomic_load(&t->used) == KITH__OBJECTS)
            kith__fail(KITH_ENOMEM, "%d objects are open on this node: close some first", KITH__OBJECTS);
        return NULL;
    }
    memset(&o->body, 0, sizeof o->body);
    memset(o->name, 0, sizeof o->name);
    return o;
}

uint64_t kith__object_publish(struct kith__object *o, unsigned kind)
{
    uint64_t generation = atomic_load(&o->ident) >> 8;

    kith__guard_set(&o->guard, &o->ident, generation << 8 | kind);
    kith__guard_set(&o->guard, &o->opener, 0);
    kith__guard_commit(&o->guard);
    kith__guard_leave(&o->guard);
    atomic_fetch_sub(&kith__member(kith__me)->unpublished, 1);
    return kith__handle(kith__shared->node, number_of(o), generation);
}

/* Ends the slot's present use in one commit: another generation, nobody's, last in the list. */
static void give_back(struct kith__object *o)
{
    struct kith__objects *t = kith__objects();
    uint64_t me = number_of(o) + 1, generation = (atomic_load(&o->ident) >> 8) + 1, last;

    kith__units_close(o);
    kith__guard_enter(&t->guard);
    last = atomic_load(&t->last);
    kith__guard_set(&t->guard, &o->ident, generation << 8);
    kith__guard_set(&t->guard, &o->leaving, 0);
    kith__guard_set(&t->guard, &o->opener, 0);
    if (generation < UINT32_MAX) { /* else it is used up */
        kith__guard_set(&t->guard, &o->next_free, 0);
        kith__guard_set(&t->guard, last ? &slot_of(last - 1)->next_free : &t->first, me);
        kith__guard_set(&t->guard, &t->last, me);
    }
    kith__guard_commit(&t->guard);
    kith__guard_leave(&t->guard);
}

void kith__object_abandon(struct kith__object *o)
{
    give_back(o);
    atomic_fetch_sub(&kith__member(kith__me)->unpublished, 1);
}

/* The first mistake of many: the handle was stored in a global after kith_init. A function that looks at no
 * codes would go on, and main wait in vain for what it should have put. */
static int zero_in_a_child(const char *noun)
{
    static atomic_int told;
    int rc =
        kith__fail(KITH_ESTALE,
                   "the handle of a %s is zero here: globals are as they were at kith_init, so give it as "
                   "an argument",
                   noun);

    if (!atomic_load(&kith__shared->faults_have_handler) && !atomic_exchange(&told, 1))
        kith__tell("%s: %s", kith_name(), kith_last_error());
    return rc;
}

int kith__handle_fault(uint64_t id, const char *noun)
{
    char what[64];
    uint32_t role;
    int rc;

    if (!kith__base || kith__me == 0) {
        snprintf(what, sizeof what, "a %s was used", noun);
        return kith__not_in_job(what);
    }
    role = atomic_load_explicit(&kith__member(kith__me)->role, memory_order_relaxed);
    if (id == 0 && (role == KITH__WORKER || role == KITH__PROCESS))
        return zero_in_a_child(noun);
    if (id == 0)
        return kith__fail(KITH_ESTALE, "the handle of a %s is zero: none was opened into it", noun);
    if ((rc = kith__handle_code(id)) == 0 && kith__handle_home(id) >= kith__shared->nodes)
        return kith__fail(KITH_ESTALE, "no such %s was ever opened", noun);
    return rc;
}

uint64_t kith__object_id(const struct kith__object *o)
{
    return kith__handle(kith__shared->node, number_of(o), atomic_load(&o->ident) >> 8);
}

int kith__object_leaves(uint64_t id, unsigned kind)
{
    const struct kith__object *o = kith__object_slot(id);

    return kith__handle_slot(id) < atomic_load(&kith__objects()->used) && atomic_load(&o->leaving) == kind &&
           atomic_load(&o->ident) == (uint64_t)kith__handle_generation(id) << 8;
}

int kith__object_enter(uint64_t id, unsigned kind, struct kith__object **out)
{
    const char *noun = kith__classes[kind]->noun;
    struct kith__object *o = kith__object_slot(id);
    uint64_t seen;

    /* A slot that was never used has no guard yet. */
    if (kith__handle_slot(id) >= atomic_load(&kith__objects()->used))
        return kith__fail(KITH_ESTALE, "no such %s was ever opened", noun);
    kith__guard_enter(&o->guard);
    seen = atomic_load(&o->ident);
    if (kith__object_is(o, id) && (seen & 255) == kind) {
        *out = o;
        return 0;
    }
    kith__guard_leave(&o->guard);
    if (kith__object_is(o, id))
        return kith__fail(KITH_ETYPE, "this is not the handle of a %s", noun);
    return kith__fail(KITH_ESTALE, "the %s was closed", noun);
}

void kith__object_end(struct kith__object *o)
{
    uint64_t ident = atomic_load(&o->ident);

    atomic_fetch_add(&kith__member(kith__me)->unpublished, 1);
    kith__guard_set(&o->guard, &o->opener, kith__me);
    kith__guard_set(&o->guard, &o->leaving, ident & 255);
    kith__guard_set(&o->guard, &o->ident, ident & ~UINT64_C(255));
    kith__guard_commit(&o->guard);
    kith__guard_leave(&o->guard);
}

static void destroy(struct kith__object *o)
{
    uint64_t kind = atomic_load(&o->leaving);

    if (kind != KITH__NOTHING)
        kith__pins_await(o);
    if (kind < KITH__KINDS && kith__classes[kind] && kith__classes[kind]->destroy)
        kith__classes[kind]->destroy(o);
}

void kith__object_recycle(struct kith__object *o)
{
    destroy(o);
    give_back(o);
    atomic_fetch_sub(&kith__member(kith__me)->unpublished, 1);
}

void kith__objects_each(unsigned kind, void (*fn)(struct kith__object *o, void *context), void *context)
{
    uint64_t used = atomic_load(&kith__objects()->used);

    for (uint64_t n = 0; n < used; n++)
        if ((atomic_load(&slot_of(n)->ident) & 255) == kind || atomic_load(&slot_of(n)->leaving) == kind)
            fn(slot_of(n), context);
}

void kith__objects_finish(void (*fn)(struct kith__object *o))
{
    uint64_t used;

    kith__guard_finish(&kith__objects()->guard);
    used = atomic_load(&kith__objects()->used);
    for (uint64_t n = 0; n < used; n++) {
        kith__guard_finish(&slot_of(n)->guard);
        kith__guard_finish(&slot_of(n)->second);
        fn(slot_of(n));
    }
}

void kith__objects_sweep(uint32_t member)
{
    uint64_t used = atomic_load(&kith__objects()->used);

    for (uint64_t n = 0; n < used; n++) {
        struct kith__object *o = slot_of(n);

        if (atomic_load(&o->opener) != member)
            continue;
        destroy(o);
        give_back(o);
    }
}
