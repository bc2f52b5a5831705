/* far.h: for tests of objects: opens them on another node when KITH_TEST_FAR is set and there is one. */
#ifndef KITH_FAR_H
#define KITH_FAR_H

#include "kith.h"

#include <stdlib.h>
#include <string.h>

struct far_wish {
    kith_queue answer;
    enum { FAR_QUEUE, FAR_SEM, FAR_VALUE } what;
    size_t bound; /* of a Queue */
    int units, bounded;
    int type, raw; /* of a Value */
    size_t size;
    char init[512];
};

static inline uint64_t far_open_here(const struct far_wish *wish)
{
    switch (wish->what) {
    case FAR_QUEUE: return kith_queue_open(wish->bound).id;
    case FAR_SEM: return kith_sem_open_with(wish->units, .bounded = wish->bounded).id;
    case FAR_VALUE: return kith_value_open_with(wish->type, wish->init, wish->size, .raw = wish->raw).id;
    }
    return 0;
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
    struct far_wish wish = { .what = FAR_SEM, .units = units, .bounded = bounded };

    return (kith_sem){ far_open(&wish) };
}

static inline kith_value far_value_open(int type, const void *init, size_t size, int raw)
{
    struct far_wish wish = { .what = FAR_VALUE, .type = type, .raw = raw, .size = size };

    memcpy(wish.init, init, size);
    return (kith_value){ far_open(&wish) };
}

#endif
