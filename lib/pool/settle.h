/* settle.h: what becomes of the units of a claim when a task fails or its worker dies: they are done, are
 * tried again, or are faults of the job; and when there are so many of these that the rest is not begun. */
#ifndef KITH_SETTLE_H
#define KITH_SETTLE_H

#include "pool/board.h"

/* Adds a fault, and marks its unit; text may be NULL. 0 or KITH_ENOMEM (the fault is counted, not told). */
int kith__job_fault(struct kith__job *j, const struct kith__fault_entry *what, const char *text);

/* How somebody ended, as a fault. */
void kith__death_fault(const struct kith__death *d, uint32_t worker, struct kith__fault_entry *e);

/* Takes one out of the list: a block that is the caller's then, or 0; and frees all. */
uint64_t kith__job_pop_fault(struct kith__job *j);
void kith__job_drop_faults(struct kith__job *j);
/* The same of those of exit functions, in the pool o. */
uint64_t kith__pool_pop_fault(struct kith__object *o);
void kith__pool_drop_faults(struct kith__object *o);

/* The claims of lane's former process: finished units count, the one that it died in is tried again or
 * reported, the others go back. For its successor, or for who waits when there is none. */
void kith__settle(struct kith__pool *p, uint32_t worker);

/* Of a halted job that nobody touches: marks the units that were not run. */
void kith__job_mark_rest(struct kith__job *j);

#endif
