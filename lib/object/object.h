/* object.h: the table of objects of a node.
 *
 * A handle is {home node, slot, generation} (base/handle.h). Slots are type-stable and are never unmapped:
 * whoever comes with an old handle may enter the slot's guard, and finds another generation there. So
 * everything about an object is looked at under its guard, but for its units (units.h), and nobody counts
 * references.
 */
#ifndef KITH_OBJECT_H
#define KITH_OBJECT_H

#include "base/handle.h"
#include "shm/arena.h"
#include "shm/guard.h"
#include "member/wait.h"

enum {
    KITH__OBJECT_SIZE = 4096,
    KITH__BODY_SIZE = 2816,
    KITH__OBJECTS = 65536,
    KITH__NAME = 64,
    KITH__UNITS = 16,
    KITH__SIDES = 8 /* sets of waiters that an object has at most */
};

/* A guard, whose first line is all that a commit of one word touches, and the words of a single unit have a
 * cache line each. */
struct kith__object {
    struct kith__guard guard;
    kith__word ident; /* generation << 8 | kind; kind 0: free, or being opened */
    /* for a class that needs two: a Queue's consumers'. Entered after the first */
    struct kith__guard second __attribute__((aligned(64)));
    kith__word next_free; /* slot + 1 of the next one in the list of free ones */
    /* What is changed without a guard: see units.h. These stand where no other class of object writes. */
    kith__word unit_count __attribute__((aligned(64))); /* and the class's flags << 32 */
    kith__word signals;
    kith__word heir;  /* who has waited long enough to be the next; 0: nobody */
    kith__word owner; /* which task of its process has the only unit, and how often: owned.h */
    kith__word units[KITH__UNITS];
    kith__word far[KITH__UNITS]; /* for whom the agent has it */
    char name[KITH__NAME];       /* under which it is found; "": none */
    kith__word opener;           /* member that is opening it, or taking it down */
    kith__word leaving;          /* its kind, while it is taken down */
    kith__word rlock;            /* the RLock that it was given as its lock; 0: it has its own: owned.h */
    struct {
        char room[KITH__BODY_SIZE];
    } body __attribute__((aligned(64)));
    /* of its class: cast it; zeros when opened. Its last bytes are the sets of waiters, as many as the class
     * has */
};

/* The slots lie behind this, and this behind the members and seats. */
struct kith__objects {
    struct kith__guard guard;
    kith__word first, last; /* slot + 1 of the free ones */
    kith__word used;        /* slots that were ever in use */
};

#define KITH__OBJECTS_AT \
    (((uint64_t)KITH__TABLES_START + sizeof(struct kith__tables) + 65535) / 65536 * 65536)

static inline struct kith__objects *kith__objects(void)
{
    return kith__at(KITH__OBJECTS_AT);
}

/* The i-th of its sets of waiters. */
static inline struct kith__waiters *kith__object_waiters(struct kith__object *o, int i)
{
    return (struct kith__waiters *)(void *)((char *)o + sizeof *o) - 1 - i;
}

/* A body of that type, with so many sets of waiters: for a _Static_assert beside it. */
#define KITH__BODY_FITS(type, sides)                                             \
    (sizeof(type) + (sides) * sizeof(struct kith__waiters) <= KITH__BODY_SIZE && \
     (int)(sides) <= (int)KITH__SIDES)

/* Takes a free slot for an object of that kind. Fill its body, with blocks of this process; then publish it:
 * until then nobody finds it, and all is taken back when this process dies. NULL and a sentence when there is
 * none. */
struct kith__object *kith__object_new(void);

/* Enter its guard, set what comes true together with the object (that its blocks are nobody's), and publish,
 * which leaves the guard. Gives the handle. */
uint64_t kith__object_publish(struct kith__object *o, unsigned kind);
void kith__object_abandon(struct kith__object *o); /* instead of publish */

/* Enters the guard of the object behind id. 0, or without the guard: KITH_ESTALE, KITH_ETYPE, the code of
 * a failed constructor, KITH_ENOTINIT. Only for objects at home here. */
int kith__object_enter(uint64_t id, unsigned kind, struct kith__object **out);
#define kith__object_leave(o) kith__guard_leave(&(o)->guard)

/* In the guard: ends the object's life, and leaves the guard: old handles are stale from here on.
 * Wake its waiters after it. _recycle then frees what its body holds, by its class's .destroy, and gives
 * the slot back; a janitor does so when this process dies before. */
void kith__object_end(struct kith__object *o);
void kith__object_recycle(struct kith__object *o);

/* What .ident is as long as the object of that kind lives which id means. */
static inline uint64_t kith__ident(uint64_t id, unsigned kind)
{
    return (uint64_t)kith__handle_generation(id) << 8 | kind;
}

/* 1: still the object that id meant. Needs no guard; it may end the next moment. */
static inline int kith__object_is(const struct kith__object *o, uint64_t id)
{
    uint64_t ident = atomic_load(&o->ident);

    return ident >> 8 == kith__handle_generation(id) && (ident & 255) != 0;
}

/* 1: the object that id meant is being taken down, and its slot is not given back yet. Likewise. */
int kith__object_leaves(uint64_t id, unsigned kind);

/* Whatever stands in its slot now. */
static inline struct kith__object *kith__object_slot(uint64_t id)
{
    return kith__at(KITH__OBJECTS_AT + KITH__OBJECT_SIZE * (UINT64_C(1) + kith__handle_slot(id)));
}

/* The same; NULL: the slot was never in use. */
static inline struct kith__object *kith__object_known(uint64_t id)
{
    uint64_t used = atomic_load_explicit(&kith__objects()->used, memory_order_acquire);

    return kith__handle_slot(id) < used ? kith__object_slot(id) : NULL;
}

uint64_t kith__object_id(const struct kith__object *o); /* the handle of what is in the slot now */

/* 0 when the handle can be looked at at all: init was called, no failed constructor, not zero. */
int kith__handle_fault(uint64_t id, const char *noun); /* for the sentence */
static inline int kith__handle_usable(uint64_t id, const char *noun)
{
    if (kith__base && kith__me != 0 && id != 0 && !(id >> 63) && kith__handle_home(id) < kith__shared->nodes)
        return 0;
    return kith__handle_fault(id, noun);
}

/* Calls fn for each object of that kind that is open, or being closed. */
void kith__objects_each(unsigned kind, void (*fn)(struct kith__object *o, void *context), void *context);

/* Finishes the commits of the dead in all objects, and calls fn for each slot, for what hangs on it. For
 * janitors. */
void kith__objects_finish(void (*fn)(struct kith__object *o));

int kith__object_init(void);               /* once, in a new arena */
void kith__objects_sweep(uint32_t member); /* those which a dead member was opening; the fork server */

#endif
