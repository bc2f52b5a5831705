/* threads.h: pools whose workers are threads of the process that opens them.
 *
 * All else is as in any pool: lanes, jobs, claims. What such a worker runs is in the memory of who calls, so
 * nothing is copied, and nobody but that process can use the pool. A thread cannot be ended by itself:
 * whoever ends the pool waits for what runs, and when the process dies, its janitor ends the pool.
 */
#ifndef KITH_THREADS_POOL_H
#define KITH_THREADS_POOL_H

#include "object/object.h"

/* Starts one for each lane of o, a pool of this process. 0; KITH_ENOMEM: some may run. */
int kith__threads_start(struct kith__object *o);

/* Waits until those of the pool, which ends, are gone. */
void kith__threads_join(uint64_t pool);

/* KITH_EINVAL, to who is in another process than the one that opened it. */
int kith__threads_refuse(void);

/* A pool of this process whose threads were not joined; 0: there is none. */
uint64_t kith__threads_first(void);

#endif
