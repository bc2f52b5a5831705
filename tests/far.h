/* far.h: for tests of objects: opens them on another node when KITH_TEST_FAR is set and there is one. */
#ifndef KITH_FAR_H
#define KITH_FAR_H

#include "kith.h"

#include <stdlib.h>

struct far_wish {
    kith_queue answer;
    size_t bound;
};

static inline int far_open_there(const void *arg)
{
    const struct far_wish *wish = arg;
    kith_queue q = kith_queue_open(wish->bound);

    return kith_put(wish->answer, q) < 0;
}

static inline kith_queue far_queue_open(size_t bound)
{
    struct far_wish wish;
    kith_process p;
    kith_queue q = { 0 };

    if (!getenv("KITH_TEST_FAR") || kith_nodes() == 1)
        return kith_queue_open(bound);
    wish = (struct far_wish){ kith_queue_open(0), bound };
    p = kith_process_start_with(far_open_there, KITH_ARG(wish), .node = KITH_NODE(1));
    kith_get(wish.answer, &q);
    kith_process_join(p, KITH_FOREVER);
    kith_process_close(p);
    kith_queue_close(wish.answer);
    return q;
}

#endif
