/* batch.h: several single tasks that a foreman got with one claim.
 *
 * They come only when all of late were short (kith__deal_batch). The branch gets them one by one, as from a
 * process that calls kith_apply_async, and they are answered as they end, most often all with one message.
 * Any of them may wait for any other, which must find a worker wherever there is one: so those that no worker
 * has begun after some ms go back, and until the others are known to be short again there are no batches.
 */
#ifndef KITH_BATCH_H
#define KITH_BATCH_H

#include "pool/errand.h"

struct kith__batch *kith__batch_new(
    struct kith__crew *crew); /* a thread's own, for one after the other; NULL: no memory */
void kith__batch_free(struct kith__batch *b);

/* Runs those in the first size bytes of h->in, and answers; or owes the last results. */
void kith__batch_run(struct kith__hand *h, uint64_t size);

#endif
