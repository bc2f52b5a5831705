/* containers.h: what tests of Dicts and of Lists share. */
#ifndef CONTAINERS_H
#define CONTAINERS_H

#include "steps.h"
#include "shm/heap.h"

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
