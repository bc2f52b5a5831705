/* containers.h: what tests of Dicts and of Lists share. */
#ifndef CONTAINERS_H
#define CONTAINERS_H

#include "check.h"
#include "far.h"
#include "shm/heap.h"

#include <signal.h>

/* Where each call is a round trip. */
static inline int is_far(void)
{
    return getenv("KITH_TRANSPORT") != NULL || kith_nodes() > 1;
}

static inline int is_here(void)
{
    return !getenv("KITH_TRANSPORT") && !(getenv("KITH_TEST_FAR") && kith_nodes() > 1);
}

static inline uint64_t used_blocks(void)
{
    struct kith__heap_stats s;

    kith__heap_stats(&s);
    return s.used_blocks;
}

/* Calls fn, and dies at the failpoint of that number on the way. */
static int failpoints_left;

static inline void die_at_failpoint(const char *step)
{
    (void)step;
    if (failpoints_left-- == 0)
        raise(SIGKILL);
}

static inline void die_on_the_way(int number, void (*fn)(const void *arg), const void *arg)
{
    failpoints_left = number;
    kith__failpoint_hook = die_at_failpoint;
    fn(arg);
    kith__failpoint_hook = NULL;
}

/* As any update that adds to a number, which is 0 when it is not there. */
static inline int adds_one(struct kith_entry *e, void *arg)
{
    long x = 0;

    if (e->exists)
        memcpy(&x, e->value, sizeof x);
    x += *(long *)arg;
    memcpy(e->value, &x, sizeof x);
    e->size = sizeof x;
    e->exists = 1;
    return 0;
}

#endif
