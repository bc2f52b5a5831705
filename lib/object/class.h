/* class.h: what an object is: a table of methods, each of which is tried and never waits.
 *
 * kith__invoke does what every public function needs: it checks the handle and the timeout, lets what was
 * pipelined arrive, and then either tries the method here, spins, and parks the thread, or sends a request
 * to the agent of the object's home, which looks the method up in the same table and parks the call among the
 * same waiters. So a class knows nothing of threads, nodes, requests and time.
 *
 * A new object is one pair of files with a table at its end, and one row in KITH__CLASSES.
 */
#ifndef KITH_CLASS_H
#define KITH_CLASS_H

#include "base/system.h"
#include "object/memory.h"
#include "rpc/remote.h"

/* Name of the table kith__NAME_class; its constant. The numbers go over the wire: new ones at the end. */
#define KITH__CLASSES(X) \
    X(node, NODE)        \
    X(fifo, FIFO)        \
    X(process, PROCESS)  \
    X(pool, POOL)        \
    X(sem, SEM)          \
    X(value, VALUE)      \
    X(lock, LOCK)        \
    X(pipe, PIPE)        \
    X(rlock, RLOCK)      \
    X(array, ARRAY)      \
    X(dict, DICT)        \
    X(ns, NS)            \
    X(list, LIST)        \
    X(event, EVENT)      \
    X(sorted, SORTED)    \
    X(named, NAMED)      \
    X(cond, COND)        \
    X(barrier, BARRIER)  \
    X(share, SHARE)

#define KITH__KIND(name, NAME) KITH__##NAME##_KIND,
enum kith__kind { KITH__NOTHING, KITH__CLASSES(KITH__KIND) KITH__KINDS };

#define KITH__PARKED (-1000)     /* of an attempt: not now; wait on its side and try again */
#define KITH__GONE (-1001)       /* of an UNGUARDED one: the object is no more, and nothing was changed */
#define KITH__MANY_SIDES (-2)    /* .side of KITH__NODE_WATCH: those of all objects that its list names */
#define KITH__NO_BOUND INT64_MAX /* of .reserve: as much credit as anybody wants */

enum { KITH__OPTIONS = 1088 }; /* bytes that the options of an object have at most */
enum { KITH__LARGE = 8192 };   /* more bytes than this come in a block, and are given as one */

struct kith__method {
    const char *name;
    /* Called in the object's guard, which the caller leaves. The object is alive, and of this class. Gives a
     * result of 0 or more, a code, or KITH__PARKED. What it changes becomes true by a commit. */
    int64_t (*attempt)(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                       struct kith__result *out);
    int8_t
        side; /* which of the object's waiters to wait on; -1: nobody announces it, so look again and again */
    uint16_t flags; /* enum kith__method_flags */
};

enum kith__method_flags {
    KITH__SECOND = 1, /* in the object's second guard instead of the first; of an UNGUARDED one: its .undo */
    KITH__KEEPS = 2,  /* large bytes come in a block, which the object may keep */
    KITH__GIVES = 4,  /* what it gives goes back by .undo when it reaches nobody */
    KITH__PIPELINES = 8, /* may be sent without waiting for the answer, as far as .reserve allows */
    KITH__HOLDS = 16, /* the caller has something afterwards that .died gives back; without it who is unknown
                         at home */
    KITH__NO_OBJECT = 32, /* asked of a node: o is NULL */
    KITH__UNGUARDED = 64, /* in no guard; o may be gone, or another one: in->ident is what its .ident has to
                             be.  Or KITH__GONE. Others see what it changed before they are woken (seq_cst) */
    KITH__EACH = 256,  /* not in the order of coming: of those that wait any one may be the next to succeed */
    KITH__LOOKS = 512, /* what it returns is all that it does for its caller */
    KITH__TAKES = 2048, /* it gives nothing to the object: nobody is led to memory of the caller's by it */
    KITH__FAIR = 128    /* nobody waits for ever while others come and go: an attempt whose call has waited
                           for KITH__FAIR_NS is told (in->waiter), and .left when it fails after that */
};

#define KITH__FAIR_NS KITH__MS

/* Methods that each class has; its table begins behind them. */
enum { KITH__CLOSE, KITH__OPEN, KITH__FIRST_METHOD };

/* Methods of the class node, which is what one agent asks of another (agent/placement.c). */
enum {
    KITH__NODE_PLACE = KITH__FIRST_METHOD,
    KITH__NODE_DIED,
    KITH__NODE_LOG,
    KITH__NODE_LOOK,
    KITH__NODE_WATCH,
    KITH__NODE_VOUCH,
    KITH__NODE_FAULTS
};

struct kith__class {
    const char *noun;
    const struct kith__method *methods; /* [count], from KITH__FIRST_METHOD on */
    int count;
    int sides; /* sets of waiters: at most KITH__SIDES */
    /* 1: an object that is being taken down still hears of deaths and takes back what nobody took: who takes
     * it down waits for that. */
    int lingers;
    /* For kith_wait: the method that tells whether a thing can be had, or what a call would fail with, and
     * changes nothing; that of the second part of an object (KITH__HANDLE_PART) stands behind it. And how
     * kith_on marks the handles. 0: it cannot be waited for among others. */
    unsigned ready;
    char letter;
    int is_lock; /* 1: what a task acquires is the object itself, not a lock that it has; for sentences */
    /* enum kith__holds: a member with one of these may have something here of which its agent knows no
     * request, so its janitor tells of its death also where all calls go through the agent. */
    uint32_t unheard;
    /* enum kith__kind: handles with KITH__HANDLE_PART are of that class; 0: they are the second part. */
    unsigned marked;
    unsigned sibling; /* enum kith__kind: another class of this noun, with the same names; 0: none */

    /* In the guard of a new object, whose body is zeros: fills it from the options, by values that become
     * true with its publication. What it took from the heap is let go by kith__guard_set on its owner. */
    int (*make)(struct kith__object *o, const void *options, size_t size);
    /* A named object is there already: 0, or KITH_EINVAL when it was made with other options. NULL: none. */
    int (*same)(struct kith__object *o, const void *options, size_t size);
    /* In the guard, for a class whose objects are closed in parts: this part is closed, by values that become
     * true with the next commit. 1: it was the last one, and the object ends with it; 0: others are open; a
     * code. NULL: there is one part. */
    int (*close)(struct kith__object *o, uint64_t part, struct kith__result *out);
    /* Outside of its guards, when nobody can find it any more: frees what it holds. May be called twice. */
    void (*destroy)(struct kith__object *o);
    /* In the guard of the method: takes back what a GIVES gave. 0; KITH__PARKED: there is no room now. */
    int (*undo)(struct kith__object *o, const struct kith__caller *who, struct kith__result *given);
    /* In the guard: whoever matches (kith__is_same) has died: what it held is free. */
    void (*died)(struct kith__object *o, const struct kith__caller *who, struct kith__result *out);
    /* In the guard, after .died: 1: it ends now, as nobody can have to do with it any more. NULL: none does.
     */
    int (*is_unheld)(struct kith__object *o);
    /* In no guard: kith_free was given p, memory of the object that id meant. 0; a code; KITH__GONE: it has
     * ended. NULL: no user has an address of it. */
    int (*freed)(uint64_t id, const void *p);
    /* In the guard: see kith__objects_doubted. */
    void (*doubted)(struct kith__object *o, const struct kith__caller *who, struct kith__result *out);
    /* In no guard, whatever is in the slot now: a call that had in->waiter has ended without success. */
    void (*left)(struct kith__object *o, const struct kith__caller *who, uint32_t waiter,
                 struct kith__result *out);
    /* In the guard: credit, up to most, for a client that pipelines; KITH__NO_BOUND; 0: none to spare. */
    int64_t (*reserve)(struct kith__object *o, uint32_t most);
    void (*release)(struct kith__object *o, uint32_t n, struct kith__result *out);
};

#define KITH__CLASS_DECLARE(name, NAME) extern const struct kith__class kith__##name##_class;
KITH__CLASSES(KITH__CLASS_DECLARE)

extern const struct kith__class *const kith__classes[KITH__KINDS]; /* [KITH__NOTHING]: NULL */

/* A class's method, or one of the common ones; NULL: there is none of that number. */
const struct kith__method *kith__method(unsigned kind, unsigned method);

/* What an attempt has to tell to others when it is done. */
static inline void kith__tell_one(struct kith__result *out, int side)
{
    out->wake_one |= (uint8_t)(1 << side);
}
static inline void kith__tell_all(struct kith__result *out, int side)
{
    out->wake_all |= (uint8_t)(1 << side);
}

/* Gives size bytes: to out->buf when it is there, else in a block of this process's. 0; KITH_ENOMEM. */
int kith__give_bytes(struct kith__result *out, const void *bytes, uint64_t size);

/* The same for up to KITH__FEW bytes that are a copy, and so are nobody's loss: no memory is needed. */
void kith__give_few(struct kith__result *out, const void *bytes, size_t size);

/* -------------------------------------------------------------- trying, for the agent and for here */

/* Tries a method of the object behind id, at home here, and wakes whom it concerns. */
int64_t kith__attempt(uint64_t id, unsigned kind, unsigned method, const struct kith__caller *who,
                      struct kith__args *in, struct kith__result *out);

/* What a GIVES gave has reached nobody. 0: it is back, or there is nothing to give it back to; KITH__PARKED.
 */
int kith__undo(uint64_t id, unsigned kind, unsigned method, const struct kith__caller *who,
               struct kith__result *given);

/* Tells the object behind id, or what has taken its slot, that a call which was a waiter has ended. */
void kith__left(uint64_t id, unsigned kind, const struct kith__caller *who, uint32_t waiter);

/* Credit for a client that pipelines; see .reserve. 0 when the class has none. */
int64_t kith__reserve(uint64_t id, unsigned kind, uint32_t most);
void kith__release(uint64_t id, unsigned kind, uint32_t n);

/* What who held in any object of this node is free. who->member 0: all of that node's. For janitors and
 * agents. */
void kith__objects_died(const struct kith__caller *who);
/* But for objects of which later says that they hear of it later, by kith__object_died. NULL: none does. */
typedef int kith__hears_later(struct kith__object *o, void *context);
void kith__objects_died_but(const struct kith__caller *who, kith__hears_later *later, void *context);
void kith__object_died(struct kith__object *o, const struct kith__caller *who);
/* The same for what its agent may know nothing of, by .unheard; holds: of its member. A request of its that
 * comes later has that again, and is told of by its agent. */
void kith__unheard_died(const struct kith__caller *who, uint32_t holds);
/* No sign of life has come from the node of who for a while: it may be lost, and it may be late. For the
 * agent. */
void kith__objects_doubted(const struct kith__caller *who);

/* This process may hold something when it ends: its janitor looks. how: enum kith__holds. */
void kith__will_hold(uint32_t how);

/* Who this process is, and the task. */
struct kith__caller kith__caller_here(void);

/* The same, whatever the task: where only the process counts. */
static inline struct kith__caller kith__process_here(void)
{
    return (struct kith__caller){ kith__shared->node, kith__member(kith__me)->serial, 0 };
}

/* 1: holder is, or belongs to, who. */
static inline int kith__is_same(uint64_t holder, const struct kith__caller *who)
{
    return holder >> 32 == who->node && (who->member == 0 || (uint32_t)holder == who->member);
}
static inline uint64_t kith__holder(const struct kith__caller *who)
{
    return (uint64_t)who->node << 32 | who->member;
}

/* ------------------------------------------------- the short way, instead of kith__invoke
 *
 * What takes a few ns when nothing stands in the way is done by the same steps as there, but inline and
 * without a table. Whatever is not that simple, and each code and sentence, is left to kith__invoke. */

/* The slot of the object, when it is at home here and the thread has nothing to settle before. NULL:
 * kith__invoke decides. */
static inline struct kith__object *kith__at_home(uint64_t id)
{
    if (kith__me == 0 || id >> 48 != kith__shared->node || kith__shared->through_net ||
        kith__remote_pipelined)
        return NULL;
    return kith__object_known(id);
}

/* The same for a caller that holds things (KITH__HOLDS). */
static inline struct kith__object *kith__at_hand(uint64_t id)
{
    struct kith__object *o = kith__at_home(id);

    if (!o || !atomic_load_explicit(&kith__member(kith__me)->holds, memory_order_relaxed))
        return NULL;
    return o;
}

/* The same for what gives something to the object, which may lead others to what the caller has taken; o: of
 * one of these. */
static inline struct kith__object *kith__to_give(struct kith__object *o)
{
    if (o)
        kith__memory_pass_on();
    return o;
}

/* Enters g, a guard of the object, if *ident (read after that: no register has to keep it) still is its own.
 * 0: it is no more, and g is not entered. */
static inline int kith__enter_if(struct kith__object *o, struct kith__guard *g, const uint64_t *ident)
{
    kith__guard_enter(g);
    if (atomic_load(&o->ident) == *ident)
        return 1;
    kith__guard_leave(g);
    return 0;
}

/* Wakes those on that side, after a change that they see (seq_cst). */
static inline void kith__tell_one_here(struct kith__object *o, int side)
{
    struct kith__waiters *set = kith__object_waiters(o, side);

    if (kith__has_waiters(set))
        kith__wake_one(set);
}
static inline void kith__tell_all_here(struct kith__object *o, int side)
{
    struct kith__waiters *set = kith__object_waiters(o, side);

    if (kith__has_waiters(set))
        kith__wake_all(set);
}

/* After a change in g: leaves it, so that a change is seen before they are woken. */
static inline void kith__leave_to_tell(struct kith__guard *g)
{
    kith__guard_leave(g);
    kith__fence_behind_guard();
}

/* ------------------------------------------------------------------------ for public functions */

/* Calls a method, waiting up to timeout_ms. Its result; a code; KITH_EOWNERDEAD when it was done and the
 * attempt has said KITH__OWNER_DEAD. */
int64_t kith__invoke(uint64_t id, enum kith__kind kind, unsigned method, struct kith__args *in,
                     struct kith__result *out, int timeout_ms);

/* What it returns of a thing that the dead have left: KITH_EOWNERDEAD and the sentence. */
int kith__owner_died(enum kith__kind kind);

/* The same without arguments, bytes and waiting. */
int64_t kith__ask(uint64_t id, enum kith__kind kind, unsigned method, uint64_t number);

/* A method of a node, waiting as long as it takes. Through the agents, also to this node. */
int64_t kith__ask_node(uint32_t node, enum kith__kind kind, unsigned method, const struct kith__args *in);

/* Closes it, or that part of it, for all. Reports. */
int kith__close(uint64_t id, enum kith__kind kind);
int kith__close_here(uint64_t id, unsigned kind, uint64_t part); /* one at home here; also for janitors */
int kith__close_part(uint64_t id, enum kith__kind kind, uint64_t part);

/* Opens an object here, or the one of that name (NULL: none) on node 0. Its handle, which holds the code of a
 * failure. Reports. call: "kith_queue_named", for the message. */
uint64_t kith__open(enum kith__kind kind, const char *name, const void *options, size_t size,
                    const char *call);

/* A .same of classes without options. */
int kith__all_are_same(struct kith__object *o, const void *options, size_t size);

/* kith__open of a function that is for names only: without one it is KITH_EINVAL. */
uint64_t kith__open_named(enum kith__kind kind, const char *name, const void *options, size_t size,
                          const char *call);

/* The same, but a name is one of this node's. */
uint64_t kith__open_here(enum kith__kind kind, const char *name, const void *options, size_t size,
                         const char *call);

#endif
