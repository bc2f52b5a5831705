/* crew.h: what the threads of a foreman share: its lock, what it knows, what it has under way; and whose turn
 * it is to claim. */
#ifndef KITH_CREW_H
#define KITH_CREW_H

#include "pool/foreman.h"
#include "base/list.h"
#include "pool/deal.h"

#include <pthread.h>

struct kith__known;
struct kith__errand;

/* On the stack of the foreman's first thread: a test has several foremen in one process. */
struct kith__crew {
    pthread_mutex_t mutex;    /* of all that changes */
    _Atomic uint32_t changes; /* changed with what threads wait for, and what they sleep on */
    uint32_t asleep;          /* so many of them do, or are about to */
    kith_pool home, branch;
    uint32_t workers, first_worker;
    uint32_t asking;                     /* claims under way */
    int watched;                         /* a thread looks how far the grants are */
    int ends;                            /* nothing is claimed any more */
    int items;                           /* the last grant was one of a row */
    uint64_t news;                       /* that were looked at, or are just now */
    int left;                            /* LEAVE was said */
    KITH__LIST(struct kith__known) jobs; /* the last one first */
    KITH__LIST(struct kith__errand) running;
    struct kith__deal line;   /* what is known of it */
    struct kith__deal single; /* and of single tasks, whatever they call */
};

void kith__crew_lock(struct kith__crew *crew);
void kith__crew_unlock(struct kith__crew *crew);

/* Locked: what threads wait for may have come. To that many of them. */
void kith__crew_tell(struct kith__crew *crew, int most);

/* The same to one of them, where it is to claim, or to look when that is due. */
void kith__crew_call_next(struct kith__crew *crew);

/* A method of the pool at home. */
int64_t kith__crew_ask(struct kith__crew *crew, unsigned method, struct kith__args *in,
                       struct kith__result *out);

void kith__crew_end_claims(struct kith__crew *crew);
/* All that it still has goes back, and the pool goes on without this node. _with f: exit functions that have
 * failed; _give_up: and why, where nobody has ended it. */
void kith__crew_leave(struct kith__crew *crew);
void kith__crew_leave_with(struct kith__crew *crew, const struct kith__branch_fault *f);
void kith__crew_give_up(struct kith__crew *crew, const char *why);

/* Until there is room for one more claim. 1, with what it says of this node, and the last news that are known
 * now; then one of _begin and _got_none follows. 0: there will be no more claims. */
int kith__crew_await_turn(struct kith__crew *crew, uint64_t *news, struct kith__deal *d);
/* The same without waiting: 0: there is no room now, or there will be no more claims. */
int kith__crew_take_turn(struct kith__crew *crew, uint64_t *news, struct kith__deal *d);
void kith__crew_begin(struct kith__crew *crew, struct kith__errand *r);
void kith__crew_end(struct kith__crew *crew, struct kith__errand *r,
                    int claims); /* 1: its hand looks next whether it is to claim */
void kith__crew_got_none(struct kith__crew *crew);

#endif
