/* waitlist.h: calls that wait at the agent, in the order of coming, one list for each thing that they wait
 * for: a side of an object, memory, or, of watches, any of a list of objects.
 *
 * The agent's seat stands among the waiters of the object for all that are parked there. A wake-up that is
 * spent on it and of which none of them makes use goes to the next waiter.
 */
#ifndef KITH_WAITLIST_H
#define KITH_WAITLIST_H

#include "base/table.h"
#include "member/wait.h"
#include "net/wire.h"

struct kith__client;
struct kith__waitlist;

struct kith__call {
    KITH__LINK(struct kith__call) link; /* of its client */
    KITH__LINK(struct kith__call) parked;
    struct kith__client *client;
    struct kith__waitlist *waitlist; /* where it waits; NULL: nowhere */
    struct kith__request r;
    void *bytes; /* its own copy, when block is 0 and it had to wait */
    uint64_t block;
    int ready; /* its bytes are here */
    int spent; /* of a watch: a wake-up may have been spent on us at its objects, before it was last tried */
    int64_t deadline; /* INT64_MAX: none */
    int64_t came;     /* when all of it was here */
};

struct kith__waitlist { /* the calls that wait for one thing */
    KITH__TABLE_LINK(struct kith__waitlist) link;
    uint64_t object;
    struct kith__waiters *set; /* NULL: nobody announces it: memory, the end of all Processes; or watches */
    int outstanding;           /* a wake-up that none of ours has made use of */
    KITH__LIST(struct kith__call) parked;
};

struct kith__waitlists {
    struct kith__seat *seat; /* the agent's */
    KITH__TABLE(struct kith__waitlist) lists;
};

/* What r waits for while it is parked: one side of its object; NULL: nobody announces it. */
struct kith__waiters *kith__request_set(const struct kith__request *r);

/* 1: it says nothing of those behind it that it has to wait. */
int kith__request_stands_alone(const struct kith__request *r);

/* 1: others wait for the same and came before. */
int kith__request_has_to_queue(struct kith__waitlists *self, const struct kith__request *r);

/* Parks c, which waits for set; its seat stands there. Then look once more whether it has to wait. */
void kith__call_park(struct kith__waitlists *self, struct kith__call *c, struct kith__waiters *set,
                     int64_t now);
void kith__call_unpark(struct kith__waitlists *self, struct kith__call *c); /* if it is parked */

/* 1: we are woken for what its calls wait for; else we look now and then. */
int kith__waitlist_is_announced(const struct kith__waitlist *p);

/* Before the calls of p are tried again: stands where they wait, so that nothing comes unseen, and notes
 * whether a wake-up was spent on us. */
void kith__waitlist_stand_again(struct kith__waitlists *self, struct kith__waitlist *p, int64_t now);

/* Takes it away, which is empty: a wake-up that was meant for us goes to the next one. */
void kith__waitlist_remove(struct kith__waitlists *self, struct kith__waitlist *p);

void kith__waitlists_free(struct kith__waitlists *self); /* not the calls */

#endif
