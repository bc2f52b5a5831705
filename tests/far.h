/* far.h: for tests of objects: opens them on another node when KITH_TEST_FAR is set and there is one. */
#ifndef KITH_FAR_H
#define KITH_FAR_H

#include "kith.h"

#include <stdlib.h>

struct far_wish {
    kith_queue answer;
    int sem;      /* 1: a Semaphore, else a Queue */
    size_t bound; /* of a Queue */
    int units, bounded;
};

static inline uint64_t far_open_here(const struct far_wish *wish)
{
    return wish->sem ? kith_sem_open_with(wish->units, .bounded = wish->bounded).id
                     : kith_queue_open(wish->bound).id;
}

static inline int far_open_there(const void *arg)
{
    const struct far_wish *wish = arg;
    uint64_t id = far_open_here(wish);

    return kith_put(wish->answer, id) < 0;
}

static inline uint64_t far_open(struct far_wish *wish)
{
    kith_process p;
    uint64_t id = 0;

    if (!getenv("KITH_TEST_FAR") || kith_nodes() == 1)
        return far_open_here(wish);
    wish->answer = kith_queue_open(0);
    p = kith_process_start_with(far_open_there, wish, sizeof *wish, .node = KITH_NODE(1));
    kith_get(wish->answer, &id);
    kith_process_join(p, KITH_FOREVER);
    kith_process_close(p);
    kith_queue_close(wish->answer);
    return id;
}

static inline kith_queue far_queue_open(size_t bound)
{
    struct far_wish wish = { .bound = bound };

    return (kith_queue){ far_open(&wish) };
}

static inline kith_sem far_sem_open(int units, int bounded)
{
    struct far_wish wish = { .sem = 1, .units = units, .bounded = bounded };

    return (kith_sem){ far_open(&wish) };
}

#endif
