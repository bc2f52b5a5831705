/* item.h: what the owner of a row puts into an item (row.h), and finds there when it has ended. */
#ifndef KITH_ITEM_H
#define KITH_ITEM_H

#include "pool/call.h"
#include "pool/row.h"

/* The function of a call of one task, and what it takes, in a block of this process. 0, or a code. */
int kith__callee_make(const struct kith__call_spec *s, uint64_t *block);
int kith__callee_is(uint64_t block,
                    const struct kith__call_spec *s); /* 1: it is that, for the same function */

/* Queues a call, with a copy of its argument. 0; KITH_ENOMEM. */
int kith__item_fill(struct kith__item *item, const struct kith__call_spec *s, uint64_t callee);
void kith__item_unfill(struct kith__item *item); /* it is not to be run after all */

uint64_t kith__item_size(const struct kith__item *item); /* of its result */
const char *kith__item_name(const struct kith__item *item);

/* Of one that has ended. Copies its result to out, when there is out. 0; KITH_ETASK: the fault is this
 * thread's last one; KITH_ECANCELLED. */
int kith__item_outcome(struct kith__item *item, uint64_t task, void *out);
void kith__item_tell_if_failed(struct kith__item *item); /* nobody will ask how it has ended */

/* It is none any more, and frees what it refers to, but for its function. */
void kith__item_take(struct kith__item *item);

#endif
