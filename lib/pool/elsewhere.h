/* elsewhere.h: calls that were sent to pools of other nodes: see later.h. */
#ifndef KITH_ELSEWHERE_H
#define KITH_ELSEWHERE_H

#include "pool/later.h"

int kith__later_begin_elsewhere(const struct kith__call_spec *s, uint64_t *number);

/* For away.c: what has come of a call, by its number; why it could not be sent; all that were sent there have
 * ended with this thread's last failure. */
void kith__later_arrived(uint64_t number, const char *outcome, uint64_t size);
void kith__later_failed(uint64_t number, int code);
void kith__later_lost(const struct kith__away *to);

#endif
