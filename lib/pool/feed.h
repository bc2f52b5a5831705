/* feed.h: the owner's end of a row (row.h): gives tasks, and takes their results.
 *
 * A process has one feed for each pool and priority with which it gives single tasks, and one more for each
 * level at which its tasks give their own pool some: who waits in a task runs what was given there, and a
 * worker has one claim in a job at a time. Any thread may give and take.
 */
#ifndef KITH_FEED_H
#define KITH_FEED_H

#include "pool/call.h"
#include "pool/item.h"
#include "pool/row.h"

struct kith__feed;

/* All of this process. A test that plays several gives each its own; _clear: of one that has ended: all but
 * what it has in the arena, which is for its janitor. */
struct kith__feeds;
extern struct kith__feeds *kith__feeds;
struct kith__feeds *kith__feeds_new(void); /* NULL: no memory */
void kith__feeds_clear(struct kith__feeds *of);

/* One that nobody else has. Closing it cancels what has not begun, and waits for nothing. far: as in the spec
 * of a call. */
int kith__feed_open(kith_pool pool, kith_pool far, struct kith__feed **feed);
void kith__feed_close(struct kith__feed *feed);

/* Frees what is left of those whose pools have ended, and whose results were taken. */
void kith__feeds_tidy(void);

/* Of a pool of threads that is terminated: what was given and has not begun is cancelled. */
void kith__feeds_cancel(uint64_t pool);

/* Gives one task, a function of numbers or bytes with a copy of its argument. 0 and its unit, or a code. */
int kith__feed_give(struct kith__feed *feed, const struct kith__call_spec *s, uint64_t *unit);

/* The same to this process's feed of s->pool, at the level of the running task. The task is named then by the
 * tag of that feed, KITH__TAG_BITS, and its unit. */
enum {
    KITH__FEED_SERIAL = 1
}; /* instead of 0: the caller is the only worker of this pool, and runs the task */
int kith__feed_give_shared(const struct kith__call_spec *s, uint32_t *tag, uint64_t *unit);

enum { KITH__TAG_BITS = 14, KITH__UNIT_BITS = 40 };

/* By the tag and the lowest KITH__UNIT_BITS of the unit: its item, its feed and all of the unit. NULL: its
 * result was taken, or it was never given. Item and feed stay until kith__feed_put, also when another thread
 * takes the result: the state is KITH__ITEM_NONE then. */
struct kith__item *kith__feed_find(uint32_t tag, struct kith__feed **feed, uint64_t *unit);
void kith__feed_put(struct kith__feed *feed, uint64_t unit);

/* Of one's own feed. NULL: likewise. It stays until its result is taken. */
struct kith__item *kith__feed_item(struct kith__feed *feed, uint64_t unit);

/* Whoever waits for something of it looks again. */
void kith__feed_wake(struct kith__feed *feed);

/* How often one that is queued was begun before, by workers that have died. */
uint64_t kith__feed_tries(struct kith__feed *feed, uint64_t unit);

/* Units before this one have been claimed: of those from it on none has ended, but by being cancelled. */
uint64_t kith__feed_claimed(struct kith__feed *feed);

/* Waits until done says 1, which is asked whenever unit has ended (KITH__ROW_ANY: some unit). 0;
 * KITH_ETIMEDOUT; KITH_ECANCELLED: the pool ended before; KITH_EPEER; the code of a pool that is broken. */
int kith__feed_wait(struct kith__feed *feed, uint64_t unit,
                    int (*done)(struct kith__feed *feed, void *context), void *context, int timeout_ms);

/* 0: it ends as cancelled: at once, or with the worker that runs it; KITH_EEND: it has ended; KITH_ERUNNING:
 * it runs in this process, inside of another task. */
int kith__feed_cancel(struct kith__feed *feed, uint64_t unit);

/* The same, but a task that runs goes on. */
void kith__feed_cancel_queued(struct kith__feed *feed, uint64_t unit);

/* For who waits for several things: whatever ends there wakes w, which joins before each look. And helps, as
 * kith__later_help. */
void kith__feed_watch(struct kith__feed *feed);
void kith__feed_unwatch(struct kith__feed *feed);
void kith__feed_join(struct kith__feed *feed, struct kith__wait *w);
void kith__feed_leave(struct kith__feed *feed, struct kith__wait *w);
/* Its pool has, before what was given: KITH_ECANCELLED, or KITH_EPEER, where only the branch here has. */
int kith__feed_why_ended(const struct kith__feed *feed);
int kith__feed_help(struct kith__feed *feed,
                    int polls); /* 0, or why nothing more will end there, as kith__feed_wait */
kith_pool kith__feed_pool(const struct kith__feed *feed);

/* 1: it has ended, or will not: its pool has. */
int kith__feed_is_ready(const struct kith__feed *feed, const struct kith__item *item);

/* Lets go of a unit that has ended, and copies its result to out, when there is out. 0; KITH_ETASK: the fault
 * is this thread's last one; KITH_ECANCELLED; KITH_EPEER; KITH_ESTALE. */
int kith__feed_take(struct kith__feed *feed, uint64_t unit, void *out);
/* The same by tag and unit, as kith__feed_find, when it has ended well and its result has that size. 1, or 0:
 * that is not so. */
int kith__feed_take_ready(uint32_t tag, uint64_t unit, void *out, size_t size);
/* Lets go of it as soon as it has ended. */
void kith__feed_drop(struct kith__feed *feed, uint64_t unit);
/* Of one whose pool ended before it. */
void kith__feed_forget(struct kith__feed *feed, uint64_t unit);

#endif
