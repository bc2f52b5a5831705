/* state.h: what kith_worker_state gives: memory of a worker for the tasks of its pool. */
#ifndef KITH_STATE_H
#define KITH_STATE_H

#include <stddef.h>

struct kith__state { /* zeros before the first call */
    void *bytes;
    size_t size;
};

void kith__state_free(struct kith__state *s);

#endif
