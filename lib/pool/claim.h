/* claim.h: how workers claim parts of a job without a lock and without fear of death.
 *
 * A job is a range of units [0, units) with a cursor. A claim:
 *
 *   1  the worker writes {lo, length} as its intent into its own cell of the job
 *   2  it moves the cursor {position, last claimer} from lo to lo + length by CAS
 *   3  it marks its intent as confirmed
 *   4  it runs the units, and keeps in .at which one it is at
 *   5  it adds length to .done, with one store: that retires the claim
 *
 * Instead of 3 it counts, too, that the next claimer has kept the cursor that it found: in its own cell,
 * before its own CAS.
 *
 * A claim is live when its intent is confirmed (or the cursor, or one that somebody has kept, names it) and
 * .done is still .before. So whoever looks at a dead worker's cell knows which units it had, which of these
 * it had finished, and in which one it died. Units done in all: the sum over the cells. What a dead worker
 * had goes to the job's list of returned ranges, under the guard; those are claimed first. ARCHITECTURE.md
 * has the table of deaths at each step.
 *
 * What another node is to run is claimed for it, and moves from the claimer's cell to the job's list of
 * granted ranges: see grant.h.
 */
#ifndef KITH_CLAIM_H
#define KITH_CLAIM_H

#include "pool/board.h"

/* Claims up to most units as worker. 1, or 0: nothing is left to claim now. */
int kith__claim(struct kith__job *j, uint32_t worker, uint64_t most, uint64_t *lo, uint64_t *length);
void kith__retire_part(struct kith__job *j, uint32_t worker); /* up to .at; the rest goes back */
/* In j's guard, before its commit: that range goes back, behind *count others. tries: of its first unit. */
void kith__put_back(struct kith__job *j, uint64_t *count, uint64_t lo, uint64_t length, uint64_t tries);
void kith__retired(
    struct kith__job *j); /* by who has retired some, and claims no more: wakes the poster when all is done */

int kith__job_complete(const struct kith__job *j);
uint64_t kith__job_frontier(struct kith__job *j); /* all units before it are done */

/* ---- for who settles one */

static inline uint64_t kith__intent_lo(uint64_t intent)
{
    return intent >> 16;
}
static inline uint64_t kith__intent_length(uint64_t intent)
{
    return intent >> 1 & 32767;
}

/* Whether the claim in cell w is live. cursor: the job's, as it was before the cell is looked at. */
int kith__claim_is_live(struct kith__job *j, uint32_t w, uint64_t cursor);

/* In j's guard, which it commits: the claim of cell is over, with so many units done in all; count ranges
 * have been returned. */
void kith__claim_over(struct kith__job *j, struct kith__cell *cell, uint64_t count, uint64_t done);

/* All of its claim was run. */
static inline void kith__retire(struct kith__job *j, uint32_t worker, uint64_t length)
{
    struct kith__cell *cell = &j->cells[worker];
    uint64_t done = atomic_load_explicit(&cell->before, memory_order_relaxed) + length;

    kith__failpoint("claim: units run");
    atomic_store_explicit(&cell->done, done, memory_order_release);
    kith__failpoint("claim: retired");
    if (j->windowed || j->units == 1)
        kith__retired(j);
}

#endif
