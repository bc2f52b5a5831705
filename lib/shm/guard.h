/* guard.h: a critical section in shared memory that survives the death of whoever is in it.
 *
 * A guard is a robust mutex and a redo record. Inside, nothing that others read is written
 * directly: kith__guard_set collects the new values of 64-bit words, and kith__guard_commit
 * makes all of them true at once: it marks the record as complete with one store, copies the
 * values to their places, and clears the mark. Who dies before the mark has changed nothing;
 * who dies after it is finished by the next to enter, who copies the values again.
 * A commit of one word is one store, and needs none of this.
 * So the caller reads the old values until commit. Payload that nobody can reach yet
 * (behind the tail of a queue, in a block of one's own) is written directly.
 */
#ifndef KITH_GUARD_H
#define KITH_GUARD_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { KITH__GUARD_WORDS = 24 }; /* the most words that one commit may change */

typedef _Atomic uint64_t kith__word;

struct kith__guard {
    pthread_mutex_t mutex;     /* robust, shared */
    _Atomic uint32_t complete; /* 1: the record below is to be applied */
    uint32_t count;
    struct {
        uint64_t at, value;
    } redo[KITH__GUARD_WORDS]; /* at: offset from the guard itself, modulo 2^64 */
};

int kith__guard_init(struct kith__guard *g);   /* memory of zeros, or an old guard that nobody uses */
void kith__guard_enter(struct kith__guard *g); /* waits; finishes the commit of a dead owner */
int kith__guard_try(
    struct kith__guard *g); /* 1: entered, 0: somebody is in it. For those who must not wait */
void kith__guard_leave(struct kith__guard *g); /* what was set and not committed is dropped */

/* 1: what was decided in it is being copied, or was when its owner died: it counts, and cannot be seen yet.
 * For those who read without entering. */
static inline int kith__guard_is_pending(const struct kith__guard *g)
{
    return atomic_load_explicit(&g->complete, memory_order_acquire) != 0;
}

/* Finishes what a dead owner had decided, when there is such a thing. For who is about to take back what the
 * dead one owned: the commit may have given some of it away. */
static inline void kith__guard_finish(struct kith__guard *g)
{
    if (atomic_load(&g->complete)) {
        kith__guard_enter(g);
        kith__guard_leave(g);
    }
}

void kith__guard_commit(struct kith__guard *g);

/* For tests: called at each step at which a death could matter, with a name of that step. NULL
 * in normal life; compiled in always, one predicted branch. */
extern void (*kith__failpoint_hook)(const char *step);
static inline void kith__failpoint(const char *step)
{
    if (__builtin_expect(kith__failpoint_hook != 0, 0))
        kith__failpoint_hook(step);
}

/* *word = value with the next commit. word lies in the same mapping as g. */
static inline void kith__guard_set(struct kith__guard *g, kith__word *word, uint64_t value)
{
    uint32_t i = g->count;

    assert(i < KITH__GUARD_WORDS);
    g->redo[i].at = (uint64_t)((char *)word - (char *)g);
    g->redo[i].value = value;
    g->count = i + 1;
    kith__failpoint("guard: value set");
}

#endif
