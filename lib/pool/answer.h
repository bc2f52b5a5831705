/* answer.h: what comes of a grant, as bytes on their way home; and the memory in which grants and results
 * lie.
 */
#ifndef KITH_ANSWER_H
#define KITH_ANSWER_H

#include "pool/parcel.h"
#include "kith.h"

struct kith__crew;
struct kith__hand;

struct kith__buffer { /* a block of the heap: what lies there is used in place */
    uint64_t block, size;
    char *at;
};

/* At least that large. keep: with so many of the bytes that lie there. 0; KITH_ENOMEM. */
int kith__buffer_reserve(struct kith__buffer *b, uint64_t size, uint64_t keep);
void kith__buffer_release(struct kith__buffer *b);

/* The result of g, size bytes at the beginning of b. Without memory at home none of it counts, after a while,
 * and all is done elsewhere. */
void kith__answer_send(struct kith__crew *crew, const struct kith__parcel_grant *g, struct kith__buffer *b,
                       uint64_t size);
/* The same, and b goes with it, so nothing is copied: it is empty then. Where the home has no memory at once
 * the results are lost, and all is done again: not for tasks that run once. */
void kith__answer_give(struct kith__crew *crew, const struct kith__parcel_grant *g, struct kith__buffer *b,
                       uint64_t size);
/* The same of several that stand side by side, each with its length, and was never tried before. */
void kith__answer_send_several(struct kith__crew *crew, struct kith__buffer *b, uint64_t size);
/* Results, at the beginning of b, that were never tried before: 1: h owes them from now on, and they go with
 * its next claim: so there is one message less, and none of the home's own. 0: they are many; or it is time
 * to send some alone, as only its answer tells how long the way is. */
enum { KITH__CARRIED_MOST = 3 << 10 }; /* bytes: with these a request needs no block */
int kith__answer_owe(struct kith__hand *h, const struct kith__buffer *b, uint64_t size);
/* The next claim is not due: they go alone. */
void kith__answer_owed(struct kith__hand *h);
/* Nothing of it was done; b has room for a head. */
void kith__answer_nothing(struct kith__crew *crew, const struct kith__parcel_grant *g,
                          struct kith__buffer *b);

/* The faults of the first done units of j, behind *size bytes of b. How many; < 0: some are not known, for
 * want of memory. */
int64_t kith__answer_add_faults(struct kith__crew *crew, struct kith__job *j, uint64_t done,
                                struct kith__buffer *b, uint64_t *size);
/* One of them, as that of unit. 0; KITH_ENOMEM. */
int kith__answer_add_fault(struct kith__crew *crew, struct kith__buffer *b, uint64_t *size,
                           const struct kith__fault_entry *e, uint64_t unit);
/* Results of any size, which tasks have left at from, with room for a head before: b is what is sent then. 0;
 * KITH_ENOMEM. */
int kith__answer_pack_bytes(const kith_bytes *from, uint64_t done, struct kith__buffer *b, uint64_t *size);
void kith__answer_free_bytes(kith_bytes *of, uint64_t units); /* sent, or not to be: nobody else has them */

#endif
