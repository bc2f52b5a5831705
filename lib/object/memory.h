/* memory.h: what tasks and Processes have taken with kith_alloc.
 *
 * Such a block has the process as its owner until the task has ended well, or the Process by itself; so when
 * the process dies before, its janitor takes the block back. The list of them is the process's own.
 */
#ifndef KITH_MEMORY_H
#define KITH_MEMORY_H

#include "object/object.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

extern _Atomic uint64_t kith__ever_taken; /* how many this process has ever taken */
extern _Atomic size_t kith__taken;        /* how many stand in the list */

/* Those that this thread has taken since kith__ever_taken was first are everybody's (well), or are freed; and
 * forgotten. */
void kith__memory_settle(uint64_t first, int well);
void kith__memory_settle_all(void); /* those of all threads are everybody's */

/* Memory that belongs to an object, and ends with it. In the guard of a new object: bytes of zeros, whose
 * block stands at *at with the publication. 0; KITH_ENOMEM. And for .destroy, which may be called twice. */
int kith__object_memory(struct kith__object *o, kith__word *at, uint64_t bytes);
void kith__object_memory_free(struct kith__object *o, kith__word *at);
/* In the guard: a block of this process is the object's with the next commit, and stands at *at. */
void kith__object_memory_adopt(struct kith__object *o, kith__word *at, uint64_t block);

/* The block of kith_alloc that begins at p is this process's own, as a new one is: its offset. 0: p is
 * something else, or has another owner. */
uint64_t kith__memory_claim(const void *p);

/* Others may know by now where they are: they are everybody's. */
static inline void kith__memory_pass_on(void)
{
    if (__builtin_expect(atomic_load_explicit(&kith__taken, memory_order_relaxed) != 0, 0))
        kith__memory_settle_all();
}

#endif
