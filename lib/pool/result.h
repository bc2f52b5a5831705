/* result.h: what the handle of a Result leads to: a task in a row (feed.h), or a call with a job of its own
 * (later.h). */
#ifndef KITH_RESULT_H
#define KITH_RESULT_H

#include "pool/feed.h"
#include "pool/later.h"

/* It stays until put, also when another thread takes the result. */
struct kith__found {
    struct kith__item *item;
    struct kith__feed *feed;
    uint64_t unit;
    struct kith__later *call;
};

/* Begins a call that was checked, and does not wait: of one task (.is_task), or of a map. 0; a code. */
int kith__result_begin(const struct kith__call_spec *s, kith_result *r);

int kith__result_find(kith_result r, struct kith__found *f); /* 0; KITH_ESTALE; why it is no Result of ours */
void kith__result_put(struct kith__found *f);
int kith__result_is_ready(const struct kith__found *f);
int kith__result_await(struct kith__found *f, int timeout_ms); /* 0; KITH_ECANCELLED; why not any longer */

#endif
