/* intake.h: what other nodes bring back of a job: results, faults, and what they have not done. */
#ifndef KITH_INTAKE_H
#define KITH_INTAKE_H

#include "pool/board.h"

/* For the agent: the result (parcel.h) of who at the beginning of size bytes, of which it is *length. 0;
 * KITH_ESTALE: it comes too late, and does not count; or another code, and nothing of it is done. Tells in
 * out whom it concerns. */
int64_t kith__intake(struct kith__pool *p, const struct kith__caller *who, const void *bytes, uint64_t size,
                     uint64_t *length, struct kith__result *out);

/* 1: none of the results there was taken yet: who still has what the first one is of; or it makes no sense,
 * as kith__intake will say. */
int kith__intake_is_due(struct kith__pool *p, const struct kith__caller *who, const void *bytes,
                        uint64_t size);

#endif
