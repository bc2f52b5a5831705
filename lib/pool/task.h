/* task.h: running user functions: the loops over a claim. */
#ifndef KITH_TASK_H
#define KITH_TASK_H

#include "object/target.h"
#include "pool/board.h"
#include "pool/turn.h"

/* Runs units [lo, lo + length) of j as worker, with .at kept and faults told; less when one of them halts the
 * job, the last of which is .at then. 1: the claim was a share of a loop, and what is left of it behind .at
 * is for others, too: for workers that have nothing to do, or as this one's turn in stay is over. */
int kith__run(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length,
              struct kith__stay *stay);

/* Sizes of a number by its letter (kith.h, KITH__SHAPES); 0: no such letter. */
size_t kith__number_size(int letter);

#endif
