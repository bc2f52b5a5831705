/* sweep.h: what a dead member leaves in pools: commits, the jobs that it had posted, branches and pools of
 * threads that only it had. Its janitor does these in this order; each may be done again. */
#ifndef KITH_SWEEP_H
#define KITH_SWEEP_H

#include <stdint.h>

/* Finishes the commits of the dead everywhere but in the heap, before anything of theirs is taken back. */
void kith__commits_finish(void);

/* Nothing more is claimed of the jobs that a dead member had posted; nor does it wait. Then _sweep. */
void kith__jobs_abandon(uint32_t member);

/* Withdraws the jobs that a dead member had posted, and waits until no worker touches them: their memory can
 * be taken back after that. */
void kith__jobs_sweep(uint32_t member);

#endif
