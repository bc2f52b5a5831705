/* wait.h: how a thread waits for something in the arena, and how it is woken.
 *
 * Each thing that can be waited for has a set of seats, one bit each. A bit says no more than "may
 * wait here": a stale one costs a look. So no list can be torn, and nothing needs a lock:
 *
 *     struct kith__wait w;
 *     for (kith__wait_begin(&w, set, timeout_ms);;) {
 *         if (done = try())            // always once more after the bit is set
 *             break;
 *         if ((rc = kith__wait_sleep(&w)) < 0)
 *             break;                   // KITH_ETIMEDOUT, KITH_EPEER
 *     }
 *     kith__wait_end(&w, done);
 *
 * Who waits for many things begins with no set, and joins those that there are:
 *
 *     kith__wait_begin(&w, NULL, timeout_ms);
 *     do {
 *         for (each of them)
 *             spent = !kith__wait_join(&w, set) && it is not the first time;
 *         if (done = try all of them)
 *             break;
 *     } while ((rc = kith__wait_sleep(&w)) == 0);
 *     for (each of them)
 *         kith__wait_leave(&w, set, spent);
 *     kith__wait_end(&w, 1);
 *
 * It may wait for descriptors of the program at the same time, in w.polled.
 *
 * Sleeping is adaptive (see wait.c), at most 1 s at a time: then, and after each death on the node, everybody
 * looks again, so a wake-up that died with its sender is made good. To wait needs nothing that could be used
 * up: so whoever closes or ends something cannot fail for want of a seat.
 */
#ifndef KITH_WAIT_H
#define KITH_WAIT_H

#include "member/members.h"

#include <poll.h>

#define KITH__ANYTHING UINT64_MAX /* the .waiting of a seat that waits for many things */

struct kith__waiters {
    _Atomic uint64_t summary; /* bit i: bits[i] may not be 0 */
    _Atomic uint64_t bits[KITH__SEATS / 64];
};

struct kith__wait {
    struct kith__waiters *set; /* NULL: those that it has joined */
    struct kith__seat *seat;   /* NULL: all are in use; the thread looks again and again */
    int64_t deadline;          /* ns; -1: none */
    int64_t look_at;           /* ns: it returns then, too; INT64_MAX: never */
    int64_t nap;               /* ns: how long it sleeps next without a seat */
    uint32_t word;             /* of the seat, when we last looked */
    struct pollfd *polled;     /* what it waits for, too; [0] is left for the bell. NULL: nothing */
    size_t polled_count;       /* with [0] */
    int hasty; /* 1: who is woken looks first, and stands among the waiters again when it has found nothing */
    int away;  /* 1: hasty, and it does not stand there now */
    int at_once;  /* 1: sleep without spinning: the answer is far away */
    int give_way; /* 1: likewise when another thread of the job that is awake was last seen on our
                   * CPU. For those who take turns; producers and consumers are better off spinning */
};

/* For a wait without a set: before each look. 1: we stood there already; 0: we did not yet, or a wake-up was
 * spent on us since. And at the end, where such a wake-up, of which we make no use, goes to the next: spent
 * is 1 when the last _join but the first has given 0. */
int kith__wait_join(struct kith__wait *w, struct kith__waiters *set);
void kith__wait_leave(struct kith__wait *w, struct kith__waiters *set, int spent);

/* timeout_ms < -1 is KITH_EINVAL, 0 is KITH_ETIMEDOUT at the first sleep. */
int kith__wait_begin(struct kith__wait *w, struct kith__waiters *set, int timeout_ms);
int kith__wait_sleep(struct kith__wait *w); /* 0: look again; KITH_ETIMEDOUT; KITH_EPEER */
void kith__wait_end(struct kith__wait *w,
                    int got); /* got 0: a wake-up that was meant for us goes to the next */

/* Wakes who has waited longest, or all. The caller's change must be visible before: a
 * sequentially consistent store or fence stands between the change and this call. */
int kith__wake_one(struct kith__waiters *set);
int kith__wake_any(
    struct kith__waiters *set); /* who answers soonest: one that spins, else the last to fall asleep */
int kith__wake_awake(struct kith__waiters *set); /* one that spins; 0: those that wait there are asleep */
void kith__wake_all(struct kith__waiters *set);
static inline int kith__has_waiters(struct kith__waiters *set)
{
    return atomic_load(&set->summary) != 0;
}

/* 1: somebody did wait there just now. What kith__has_waiters says may be stale: so who would do more for one
 * that waits than wake it asks this, which costs a look at its seat. */
int kith__somebody_waits(struct kith__waiters *set);

uint32_t kith__waiters_count(struct kith__waiters *set); /* how many may wait there */

void kith__wake_seat(struct kith__seat *s);
void kith__wake_everybody(void); /* after a death; for the fork server */

int kith__timeout_fault(int timeout_ms);              /* for the sentence */
static inline int kith__check_timeout(int timeout_ms) /* 0 or KITH_EINVAL */
{
    return timeout_ms < KITH_FOREVER ? kith__timeout_fault(timeout_ms) : 0;
}
/* What is left of a timeout, for the second call of something that began then. */
int kith__time_left(int timeout_ms, int64_t began_ns);

/* For what is most often there in a moment, before a wait begins: looks again and again for ns, up to 2 µs,
 * where threads that wait spin. Until then nobody knows of a waiter, and so nobody has to wake one: who
 * brings it writes one word, and we read that, where a wake-up is four more words that go from CPU to CPU.
 * is_there reads some words, no more. 1: it is there; 0: the wait has to begin. */
int kith__wait_briefly(int (*is_there)(const void *of), const void *of, int give_way, int64_t ns);

/* How long to spin before sleeping: 1 when a CPU is free for it, else 0: the others should run. */
int kith__may_spin(void);

#endif
