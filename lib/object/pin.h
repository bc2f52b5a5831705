/* pin.h: an object that a thread is in for a moment, without its guard.
 *
 * A guard costs two writes to a line that all who use the object want. What is done to a word of the object
 * by one instruction needs no guard: only that the object is not taken down meanwhile, and its place another
 * object's. So the thread notes in its own seat which object it is in, and looks at the object after that;
 * who takes the object down ends its life first, and then waits until no seat names it. One of them sees the
 * other (seq_cst). A thread is in one object at a time, and waits for nothing there.
 *
 * Whoever dies with a pin leaves nothing: the fork server clears the seats of the dead.
 */
#ifndef KITH_PIN_H
#define KITH_PIN_H

#include "object/class.h"

/* These bits of seat.pinned, of which an object's place needs none, tell one visit from the next. */
enum { KITH__VISITS = 1023 };
_Static_assert(KITH__OBJECT_SIZE % (KITH__VISITS + 1) == 0, "objects lie at multiples");

struct kith__pin {
    struct kith__object *o;
    struct kith__seat *seat;
};

/* 1: the object behind id is at home here, alive, and stays until _unpin. 0: it is not that simple, and
 * kith__invoke decides. */
static inline int kith__pin(struct kith__pin *p, uint64_t id, unsigned kind)
{
    struct kith__object *o = kith__at_home(id);
    struct kith__seat *seat;

    if (!o || !(seat = kith__seat()))
        return 0;
    atomic_store(&seat->pinned, kith__offset(o) | (++seat->visits & KITH__VISITS));
    if (atomic_load(&o->ident) != kith__ident(id, kind)) {
        atomic_store_explicit(&seat->pinned, 0, memory_order_release);
        return 0;
    }
    *p = (struct kith__pin){ o, seat };
    kith__failpoint("pin: set");
    return 1;
}

/* The same for what gives something to the object: see kith__to_give. */
static inline int kith__pin_to_give(struct kith__pin *p, uint64_t id, unsigned kind)
{
    kith__memory_pass_on();
    return kith__pin(p, id, kind);
}

static inline void kith__unpin(const struct kith__pin *p)
{
    atomic_store_explicit(&p->seat->pinned, 0, memory_order_release);
}

/* 0: whoever was in it when this was called has left it, and who has come since finds nothing that was taken
 * out of it before: that may be freed. It does not matter how many come and go. 1: somebody stays. */
int kith__is_pinned(const struct kith__object *o);

/* The life of o has ended: waits until nobody is in it. */
void kith__pins_await(const struct kith__object *o);

#endif
