/* memory.c: see memory.h. kith_alloc and kith_free: blocks of the heap as pointers of this process. */
#include "config.h"
#include "object/memory.h"
#include "object/class.h"
#include "shm/arena.h"
#include "base/error.h"
#include "base/system.h"
#include "member/members.h"
#include "shm/heap.h"
#include "object/target.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

KITH__OF_PROCESS _Atomic uint64_t kith__ever_taken;
KITH__OF_PROCESS _Atomic size_t kith__taken;

static KITH__OF_PROCESS pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* In the order in which they were taken. With KITH_SERIAL=1 several threads run tasks. */
static KITH__OF_PROCESS struct taken {
    uint64_t block, number, owner;
} * taken; /* [kith__taken]; some of them may be free again, and another thread's */
static KITH__OF_PROCESS size_t room;
static KITH__OF_PROCESS uint64_t
    taken_bytes; /* of the blocks in the list: no less than what this process still has */

/* This thread, as their owner; unlike that of the blocks which the library itself has. */
static uint64_t as_owner(void)
{
    return UINT64_C(1) << 63 | kith__task_id() >> 32 << 32 | kith__me;
}

/* The owner of a block of an object: with its slot. The lower half, which names a process, is 0. */
#define OF_OBJECT (UINT64_C(1) << 62)

static int is_of_object(uint64_t owner)
{
    return owner & OF_OBJECT && (uint32_t)owner == 0;
}

void kith__object_memory_adopt(struct kith__object *o, kith__word *at, uint64_t block)
{
    uint64_t slot = kith__handle_slot(kith__object_id(o));

    kith__guard_set(&o->guard, at, block);
    kith__guard_set(&o->guard, kith__heap_owner(block), OF_OBJECT | slot << 32);
}

int kith__object_memory(struct kith__object *o, kith__word *at, uint64_t bytes)
{
    uint64_t block = kith__heap_alloc_lasting(bytes, kith__me);

    if (block == 0)
        return KITH_ENOMEM;
    memset(kith__at(block), 0, bytes);
    kith__object_memory_adopt(o, at, block);
    return 0;
}

void kith__object_memory_free(struct kith__object *o, kith__word *at)
{
    uint64_t block = atomic_load(at);

    if (block == 0)
        return;
    kith__guard_enter(&o->guard);
    kith__guard_set(&o->guard, at, 0);
    kith__guard_set(&o->guard, kith__heap_owner(block), kith__me);
    kith__guard_commit(&o->guard);
    kith__guard_leave(&o->guard);
    kith__heap_free(block);
}

static int is_taken(const struct taken *t)
{
    return kith__heap_owner_now(t->block) == t->owner;
}

/* A task may take and free very many. */
static void forget_freed(void)
{
    size_t n = 0, count = atomic_load(&kith__taken);

    taken_bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (is_taken(&taken[i])) {
            taken_bytes += kith__heap_size_of(taken[i].block);
            taken[n++] = taken[i];
        }
    atomic_store(&kith__taken, n);
}

static int is_process(void)
{
    return atomic_load_explicit(&kith__member(kith__me)->role, memory_order_relaxed) == KITH__PROCESS;
}

/* The .memory of this Process or worker; 0: none. */
static uint64_t limit_here(void)
{
    return kith__member(kith__me)->memory;
}

/* What it has passed on or freed is no longer its own. 0; KITH_ENOMEM. */
static int check_limit(size_t size)
{
    const uint64_t limit = limit_here();
    int rc = 0;

    if (limit == 0)
        return 0;
    pthread_mutex_lock(&mutex);
    if (size > limit || taken_bytes > limit - size)
        forget_freed();
    if (size > limit || taken_bytes > limit - size)
        rc = kith__fail(KITH_ENOMEM, "kith_alloc would take more than the .memory of this %s, %llu bytes",
                        is_process() ? "Process" : "worker", (unsigned long long)limit);
    pthread_mutex_unlock(&mutex);
    return rc;
}

static int make_room(void)
{
    void *more;

    if (atomic_load(&kith__taken) < room)
        return 1;
    forget_freed();
    if (atomic_load(&kith__taken) < room / 2)
        return 1;
    if (!(more = realloc(taken, (2 * room + 64) * sizeof *taken)))
        return 0;
    taken = more;
    room = 2 * room + 64;
    return 1;
}

static void remember(uint64_t block)
{
    pthread_mutex_lock(&mutex);
    if (make_room()) {
        uint64_t number = atomic_fetch_add(&kith__ever_taken, 1);

        taken[atomic_load(&kith__taken)] = (struct taken){ block, number, as_owner() };
        atomic_fetch_add(&kith__taken, 1);
        taken_bytes += kith__heap_size_of(block);
        kith__task.special = 1;
    } else
        kith__heap_pass(block, as_owner(), 0);
    pthread_mutex_unlock(&mutex);
}

static void settle(const struct taken *t, int well)
{
    if (well)
        kith__heap_pass(t->block, t->owner, 0);
    else if (is_taken(t))
        kith__heap_free(t->block);
}

static void remove_at(size_t i)
{
    size_t count = atomic_load(&kith__taken) - 1;

    memmove(taken + i, taken + i + 1, (count - i) * sizeof *taken);
    atomic_store(&kith__taken, count);
}

void kith__memory_settle(uint64_t first, int well)
{
    const uint64_t me = as_owner();

    pthread_mutex_lock(&mutex);
    for (size_t i = atomic_load(&kith__taken); i > 0 && taken[i - 1].number >= first; i--)
        if (taken[i - 1].owner == me) {
            settle(&taken[i - 1], well);
            remove_at(i - 1);
        }
    pthread_mutex_unlock(&mutex);
}

void kith__memory_settle_all(void)
{
    pthread_mutex_lock(&mutex);
    for (size_t i = atomic_load(&kith__taken); i > 0; i--) {
        settle(&taken[i - 1], 1);
        atomic_store(&kith__taken, i - 1);
    }
    taken_bytes = 0;
    pthread_mutex_unlock(&mutex);
}

/* In a task, an initializer or a Process. A thread that a task has made is not its task. */
static int has_an_end(void)
{
    return kith__task.running || is_process();
}

void *kith_alloc(size_t size)
{
    uint64_t block;
    int remembers;

    if (!kith__base || kith__me == 0) {
        kith__report(kith__not_in_job("kith_alloc was called"));
        return NULL;
    }
    remembers = has_an_end();
    if ((remembers && check_limit(size) < 0) ||
        (block = kith__heap_alloc_lasting(size, remembers ? as_owner() : 0)) == 0) {
        kith__report(KITH_ENOMEM);
        errno = ENOMEM; /* as malloc: who crashes over that is known to have been refused memory */
        return NULL;
    }
    if (remembers)
        remember(block);
    return kith__at(block);
}

/* Before it is freed: lest check_limit has to look through all of them. */
static void take_off(uint64_t block)
{
    if (limit_here() == 0 || kith__heap_owner_now(block) != as_owner())
        return;
    pthread_mutex_lock(&mutex);
    taken_bytes -= kith__heap_size_of(block);
    pthread_mutex_unlock(&mutex);
}

uint64_t kith__memory_claim(const void *p)
{
    uint64_t block;

    if (!kith__arena_holds(p, 1) || kith__heap_check(block = kith__offset(p)) < 0)
        return 0;
    kith__memory_pass_on();
    kith__heap_pass(block, 0, kith__me);
    return kith__heap_owner_now(block) == kith__me ? block : 0;
}

static int is_not_ours(const void *p)
{
    return kith__fail(KITH_EINVAL, "kith_free was given %p, which is not from kith_alloc, or is free already",
                      p);
}

/* What its object makes of that. */
static int free_of_object(uint64_t owner, const void *p)
{
    const struct kith__object *o = kith__object_slot(owner & ~OF_OBJECT);
    uint64_t id = kith__object_id(o), kind = atomic_load(&o->ident) & 255;
    const struct kith__class *c = kind < KITH__KINDS ? kith__classes[kind] : NULL;
    int rc = c && c->freed ? c->freed(id, p) : KITH__GONE;

    return rc == KITH__GONE ? is_not_ours(p) : rc;
}

int kith_free(void *p)
{
    uint64_t owner;

    if (!p)
        return 0;
    if (!kith__base || kith__me == 0)
        return kith__report(kith__not_in_job("kith_free was called"));
    if (!kith__arena_holds(p, 1) || kith__heap_check(kith__offset(p)) < 0)
        return kith__report(is_not_ours(p));
    if (is_of_object(owner = kith__heap_owner_now(kith__offset(p))))
        return kith__report(free_of_object(owner, p));
    take_off(kith__offset(p));
    kith__heap_free(kith__offset(p));
    return 0;
}
