/* memory.h: what tasks and Processes have taken with kith_alloc.
 *
 * Such a block has the process as its owner until the task has ended well, or the Process by itself; so when
 * the process dies before, its janitor takes the block back. The list of them is the process's own.
 */
#ifndef KITH_MEMORY_H
#define KITH_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>

extern _Atomic size_t kith__taken; /* how many stand in the list */

/* Those from the first-th on are everybody's (well), or are freed; and forgotten. */
void kith__memory_settle(size_t first, int well);

/* Others may know by now where they are: they are everybody's. */
static inline void kith__memory_pass_on(void)
{
    if (__builtin_expect(atomic_load_explicit(&kith__taken, memory_order_relaxed) != 0, 0))
        kith__memory_settle(0, 1);
}

#endif
