/* steps.h: for tests of deaths: Processes that are killed at one failpoint after the other.
 *
 *     struct doomed {
 *         int step;
 *         ...
 *     } d = ...;
 *     int code;
 *
 *     AT_EACH_STEP(d.step, code) {
 *         code = end_at_step(kith_process_start(dies_on_the_way, KITH_ARG(d)));
 *         ... what must be so whether it was killed or not
 *     }
 *     CU_ASSERT(got_through(d.step, code));
 *
 * where dies_on_the_way calls die_on_the_way(d->step, acts, d). */
#ifndef KITH_STEPS_H
#define KITH_STEPS_H

#include "check.h"
#include "far.h"
#include "member/members.h"
#include "rpc/mailbox.h"
#include "shm/guard.h"

#include <signal.h>

enum { MOST_STEPS = 1000 };

static int steps_left, same_step_counts;

static inline void die_at_step(const char *step)
{
    static const char *last = "";

    if ((same_step_counts || strcmp(step, last) != 0) && steps_left-- == 0)
        raise(SIGKILL);
    last = step;
}

static inline void go_until(int step, int same_counts, void (*fn)(const void *arg), const void *arg)
{
    same_step_counts = same_counts;
    steps_left = step;
    kith__failpoint_hook = die_at_step;
    fn(arg);
    kith__failpoint_hook = NULL;
}

/* Calls fn. The process is killed at the failpoint of that number on the way, if it gets there. */
static inline void die_on_the_way(int step, void (*fn)(const void *arg), const void *arg)
{
    go_until(step, 1, fn, arg);
}

/* The same where fn waits. A waiter that looks again and again comes to the same failpoint each time: in a
 * row, that counts once. */
static inline void die_on_the_way_or_waiting(int step, void (*fn)(const void *arg), const void *arg)
{
    go_until(step, 0, fn, arg);
}

/* Where each call is a round trip, or the sanitizer slow, some of the steps; all of them in a long run. */
static inline int stride(void)
{
    if (getenv("KITH_TEST_LONG") && !SANITIZED)
        return 1;
    return SANITIZED ? 11 : getenv("KITH_TRANSPORT") || kith_nodes() > 1 ? 3 : 1;
}

/* Until one gets through, which ends with code 0. */
#define AT_EACH_STEP(step, code) \
    for ((step) = 0, (code) = -SIGKILL; (code) != 0 && (step) < MOST_STEPS; (step) += stride())

/* At least one was killed, and the last one was not. */
static inline int got_through(int step, int code)
{
    return code == 0 && step > stride();
}

/* The exit code of one that was killed or got through. */
static inline int end_at_step(kith_process p)
{
    int code = code_of(p);

    CU_ASSERT(code == 0 || code == -SIGKILL);
    return code;
}

/* No put of this node is on its way to another one: a large one is the agent's when its process dies. */
static inline int puts_are_done(void)
{
    for (uint32_t i = 0; atomic_load(&kith__shared->agent_shared) && i < KITH__SEATS; i++) {
        uint64_t mailbox = atomic_load(&kith__agent_shared()->mailboxes[i]);

        if (mailbox && !kith__mailbox_is_quiet(kith__at(mailbox)))
            return 0;
    }
    return 1;
}

/* After the death of a Process of this node, when it was joined: what it had asked of another node has
 * happened by then, or will not any more. ask: a request to that node, which comes there after those of the
 * dead one. */
#define SETTLE(ask)             \
    do {                        \
        AWAIT(puts_are_done()); \
        (void)(ask);            \
        (void)(ask);            \
    } while (0)

/* Processes of this node, with the dead ones that no janitor has swept yet. */
static inline int count_members(void)
{
    int n = 0;

    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        n += atomic_load(&kith__member(i)->state) != KITH__FREE;
    return n;
}

#endif
