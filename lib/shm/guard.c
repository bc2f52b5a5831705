/* guard.c: see guard.h. */
#include "config.h"
#include "shm/guard.h"
#include "base/error.h"
#include "base/system.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>

void (*kith__failpoint_hook)(const char *step);

static void apply(struct kith__guard *g)
{
    for (uint32_t i = 0; i < g->count; i++) {
        kith__word *word = (kith__word *)((char *)g + (int64_t)g->redo[i].at);

        atomic_store_explicit(word, g->redo[i].value, memory_order_release);
        kith__failpoint("guard: value copied");
    }
    atomic_store_explicit(&g->complete, 0, memory_order_release);
    kith__failpoint("guard: mark cleared");
}

/* The former owner died inside: finish what it had decided, forget what it had not. */
static void recover(struct kith__guard *g)
{
    if (atomic_load_explicit(&g->complete, memory_order_acquire))
        apply(g);
    pthread_mutex_consistent(&g->mutex);
}

int kith__guard_init(struct kith__guard *g)
{
    pthread_mutexattr_t attr;

    atomic_store(&g->complete, 0);
    g->count = 0;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (pthread_mutex_init(&g->mutex, &attr) != 0)
        return kith__fail(KITH_ENOMEM, "no robust mutexes on this system");
    pthread_mutexattr_destroy(&attr);
    return 0;
}

int kith__guard_try(struct kith__guard *g)
{
    int rc = pthread_mutex_trylock(&g->mutex);

    if (rc == EOWNERDEAD)
        recover(g);
    else if (rc != 0)
        return 0;
    g->count = 0;
    kith__failpoint("guard: entered");
    return 1;
}

void kith__guard_enter(struct kith__guard *g)
{
    int rc;

    /* A section takes some 50 ns: longer than that, and its owner was preempted. */
    for (int i = 0; i < 40; i++) {
        if (kith__guard_try(g))
            return;
        for (int k = 0; k < 8; k++)
            kith__pause();
    }
    rc = pthread_mutex_lock(&g->mutex);
    if (rc == EOWNERDEAD)
        recover(g);
    g->count = 0;
    kith__failpoint("guard: entered");
}

void kith__guard_leave(struct kith__guard *g)
{
    kith__failpoint("guard: leaving");
    pthread_mutex_unlock(&g->mutex);
}

/* One word alone changes by one store: nobody dies in it. */
static inline void store_only(struct kith__guard *g)
{
    kith__word *word = (kith__word *)((char *)g + (int64_t)g->redo[0].at);

    kith__failpoint("guard: about to store one");
    atomic_store_explicit(word, g->redo[0].value, memory_order_release);
    kith__failpoint("guard: value copied");
    g->count = 0;
}

void kith__guard_commit(struct kith__guard *g)
{
    if (g->count == 1) {
        store_only(g);
        return;
    }
    atomic_store_explicit(&g->complete, 1, memory_order_release);
    kith__failpoint("guard: record complete");
    apply(g);
    g->count = 0;
}
