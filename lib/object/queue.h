/* queue.h: what the two classes of Queues share: the plain one (fifo.c), and the sorted one (sorted.c),
 * which is last in, first out, or by priority, or joinable. In a handle KITH__HANDLE_PART tells that it is a
 * sorted one. The public functions of both are in queue.c, but for those with a short way: fifo.c. */
#ifndef KITH_QUEUE_H
#define KITH_QUEUE_H

#include "object/producers.h"

#include <stddef.h>

/* Methods of both; then those of each. */
enum {
    KITH__QUEUE_PUT = KITH__FIRST_METHOD,
    KITH__QUEUE_GET,
    KITH__QUEUE_NEXT,
    KITH__QUEUE_SIZE,
    KITH__QUEUE_SHUTDOWN,
    KITH__QUEUE_EXPECT,
    KITH__QUEUE_NAME,
    KITH__QUEUE_DONE,
    KITH__QUEUE_EMPTY, /* shuts it down, and what is there is lost */
    KITH__QUEUE_FREE,  /* some of what was lost with it, to be called until it gives 0 */
    KITH__QUEUE_OWN_METHODS,
    KITH__QUEUE_PUT_MANY = KITH__QUEUE_OWN_METHODS,
    KITH__QUEUE_GET_MANY,
    KITH__SORTED_TASK_DONE = KITH__QUEUE_OWN_METHODS,
    KITH__SORTED_JOIN
};

enum { KITH__QUEUE_FREE_MOST = 256 }; /* items freed in one call: an agent has others waiting */

enum { KITH__QUEUE_CONSUMERS, KITH__QUEUE_PRODUCERS }; /* their first sides */

struct kith__sorted_options {
    uint64_t bound;
    uint32_t order, joinable;
};

/* bytes of many items that are put or taken in a guard; the others wait outside */
enum { KITH__QUEUE_AT_ONCE = 65536 };

/* Codes, and their sentences. does_not_fit: 0 when the next item fits. */
int64_t kith__queue_was_shut(void);
int64_t kith__queue_is_over(void);
int64_t kith__queue_does_not_fit(uint64_t size, uint64_t room, int exact);

/* A body of either begins with its producers. */
#define KITH__QUEUE_FITS(type, sides) (offsetof(type, producers) == 0 && KITH__BODY_FITS(type, sides))

/* Methods of both: KITH__QUEUE_SHUTDOWN, _EMPTY, _EXPECT (the number: of all producers), _NAME, _DONE. And
 * their .died. */
int64_t kith__queue_shutdown(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                             struct kith__result *out);
int64_t kith__queue_empty(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                          struct kith__result *out);
int64_t kith__queue_expect(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                           struct kith__result *out);
int64_t kith__queue_name(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out);
int64_t kith__queue_done(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out);
void kith__queue_died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out);

/* One item, of either class, by kith__invoke. They report nothing. */
int64_t kith__queue_put_one(kith_queue q, const void *item, size_t size, uint64_t priority, int timeout_ms);
int64_t kith__queue_take(kith_queue q, void *buf, size_t room, uint32_t flags, int timeout_ms);

#endif
