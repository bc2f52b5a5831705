/* alloc.h: memory of the agent's own. */
#ifndef KITH_AGENT_ALLOC_H
#define KITH_AGENT_ALLOC_H

#include <stdlib.h>

/* Zeros. When there is no memory the agent ends, and all who wait learn that it is gone. */
static inline void *kith__agent_alloc(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        abort();
    return p;
}

#endif
