/* notices.h: functions that are to be called when tasks of rows have ended (kith_result_notify), in the order
 * in which those were given. All of this is under the mutex of calls.h, and the service calls them. */
#ifndef KITH_NOTICES_H
#define KITH_NOTICES_H

#include "pool/feed.h"

struct kith__notice { /* fn is called when unit has ended */
    uint64_t unit;
    kith_result result;
    kith_ready_fn *fn;
    void *arg;
};

/* 0; KITH_ENOMEM; KITH_EINVAL: there is one for that unit. A feed is watched as long as there is something to
 * call for. */
int kith__notices_add(struct kith__feed *feed, const struct kith__notice *new);

/* Calls for all that have ended, until *ends; call may leave the mutex meanwhile. Joins what w is to wait
 * for. 1: there was something. */
int kith__notices_call(struct kith__wait *w, void (*call)(kith_pool pool, const struct kith__notice *n),
                       const int *ends);

int kith__notices_are_of(
    kith_pool pool); /* 1: there is something to call for when tasks of that have ended */

#endif
