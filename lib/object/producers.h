/* producers.h: when nothing more is put into an object: it was shut down, or all producers that were expected
 * have finished: are done, or, if they were named, have ended. Part of an object's body. Called in its guard,
 * and true with its next commit, which the caller makes. Each returns 1 when the object is shut with it:
 * whoever waits is to be woken.
 */
#ifndef KITH_PRODUCERS_H
#define KITH_PRODUCERS_H

#include "object/holders.h"

/* EMPTIED: and what is there, or comes back, is not to be had any more. */
enum kith__shut { KITH__SHUT_NOT, KITH__SHUT, KITH__SHUT_EMPTIED };

struct kith__producers {           /* zeros: nothing is expected */
    kith__word shut;               /* enum kith__shut. Read without the guard, too */
    kith__word expected, finished; /* producers */
    struct kith__holders named;    /* and not finished */
};

int kith__producers_shut(struct kith__object *o, struct kith__producers *p);
int kith__producers_empty(struct kith__object *o, struct kith__producers *p);
int kith__producers_expect(struct kith__object *o, struct kith__producers *p, uint64_t n);
int kith__producers_done(struct kith__object *o, struct kith__producers *p, const struct kith__caller *who);

/* producer: as kith__named gives it. Or KITH_ENOMEM. */
int kith__producers_name(struct kith__object *o, struct kith__producers *p,
                         const struct kith__caller *producer);

/* Whoever matches has ended. Makes commits of its own. */
int kith__producers_died(struct kith__object *o, struct kith__producers *p, const struct kith__caller *who);

#endif
