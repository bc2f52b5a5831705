/* task.h: running user functions: the loops over a claim. */
#ifndef KITH_TASK_H
#define KITH_TASK_H

#include "object/target.h"
#include "pool/board.h"

/* Runs units [lo, lo + length) of j as worker, with .at kept and faults told; less when one of them halts the
 * job, the last of which is .at then. idle: where workers of the pool wait that have nothing to do. 1: the
 * claim was a share of a loop, and what is left of it behind .at is for them, too. */
int kith__run(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length,
              struct kith__waiters *idle);

/* Sizes of a number by its letter (kith.h, KITH__SHAPES); 0: no such letter. */
size_t kith__number_size(int letter);

#endif
