/* watch.h: waiting for many objects at once, and for descriptors of the program: kith_wait.
 *
 * Each class names the method that tells whether a thing of it can be had (kith__class.ready): it changes
 * nothing, and is parked on the set of waiters on which it can change. Here a thread stands in the sets of
 * all objects that are at home here. The others it names to the agents of their homes, in one list: each
 * agent parks it on the sets of those that are its own, and the first that answers ends it everywhere.
 */
#ifndef KITH_WATCH_H
#define KITH_WATCH_H

#include "object/class.h"

struct kith__watched { /* as it goes over the wire, where it may begin anywhere */
    uint64_t id;
    uint32_t kind, part; /* part 1: the handle means the second part of the object */
} __attribute__((packed));

enum { KITH__WATCH_MOST = 1024 }; /* objects of other nodes in one list */

/* How many are in a list of size bytes; KITH_EINVAL when it is none. */
int kith__watch_count(uint64_t size);

/* Of those that are at home here: 0 when it has to be waited for, 1 when it need not, or the code that a call
 * would give; in codes[i], unless that is NULL. How many are not 0. */
int kith__watch_look(const struct kith__watched *list, int count, const struct kith__caller *who,
                     int32_t *codes);

/* Of one: likewise. And its set of waiters, when that gave 0. */
int kith__watch_look_at(const struct kith__watched *w, const struct kith__caller *who);
struct kith__waiters *kith__watch_set(const struct kith__watched *w);

static inline int kith__watch_is_here(const struct kith__watched *w)
{
    return kith__handle_home(w->id) == kith__shared->node;
}

#endif
