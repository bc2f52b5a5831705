/* allocation.h: whether a start uses the CPUs that a batch system gave to the job. */
#ifndef KITH_ALLOCATION_H
#define KITH_ALLOCATION_H

#include "start/detect.h"
#include "start/ranks.h"

/* How many CPUs of the job no worker will use, and how many there are; 0 when all are used, or nothing is
 * known of a job. A core counts as used by one worker, however many CPUs it shows. ranks: as kith__ranks_join
 * filled it in; alone: not looked at. */
int kith__allocation_unused(const struct kith__launch *launch, const struct kith__ranks *ranks, int *given);

/* In rank 0, at the start: one line about CPUs that are left unused, and the cure. */
void kith__allocation_tell(const struct kith__launch *launch, const struct kith__ranks *ranks);

#endif
