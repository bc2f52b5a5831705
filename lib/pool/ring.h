/* ring.h: rings of warm pages, through which the arguments and results of a call go that are not in kith's
 * memory. */
#ifndef KITH_RING_H
#define KITH_RING_H

#include "pool/call.h"

/* Input and output of a map: in place, or rings for them. 0, or KITH_ENOMEM. */
int kith__rings_make(struct kith__call *c, const struct kith__call_spec *s);

/* Copies results out as far as all units are done, and input in as far as there is room. 1: something moved.
 */
int kith__rings_move(struct kith__call *c);
int kith__rings_move_in(struct kith__call *c); /* the second half only */
void kith__rings_move_out(struct kith__call *c,
                          uint64_t until);        /* all results before that unit, which is done */
void kith__rings_move_rest(struct kith__call *c); /* of a halted job that nobody touches: what there is */

/* size bytes for the job, where they are warm, when they are not many. 0: KITH_ENOMEM. */
uint64_t kith__ring_take(struct kith__job *j, enum kith__ring which, uint64_t size);
void kith__ring_give_back(struct kith__job *j, enum kith__ring which, uint64_t at);

#endif
