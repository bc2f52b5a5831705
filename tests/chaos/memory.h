/* memory.h: memory of the node, and that of a call's arguments and results. */
#ifndef CHAOS_MEMORY_H
#define CHAOS_MEMORY_H

#include "dice.h"

#include <stddef.h>

enum memory { MALLOCED, KITHS };

static inline enum memory some_memory(struct dice *d)
{
    return (enum memory)roll(d, 2);
}

/* NULL only under KITH_MEM. */
void *give(size_t size, enum memory kind);
void take_back(void *p, enum memory kind); /* NULL is fine */

/* Takes, fills, looks at and frees blocks of the node. */
void churn(struct dice *d);

#endif
