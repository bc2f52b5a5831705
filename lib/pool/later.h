/* later.h: calls that go on while their caller does something else, each with a job of its own
 * (kith_map_async).
 *
 * A process has a few of them under way in each pool; the others wait in it, by priority and in the order in
 * which they came, and take 300 bytes each. A thread of kith's, the service, begins them, copies what is not
 * in kith's memory, and ends them; a thread that waits for one does all that for it itself. Calls to pools of
 * other nodes, maps and single tasks alike, are under way there from the beginning (away.h).
 */
#ifndef KITH_LATER_H
#define KITH_LATER_H

#include "pool/call.h"
#include "pool/feed.h"

struct kith__later;
struct kith__away;

/* Begins s, or puts it behind those that wait. What s points to stays until it is ready. With KITH_SERIAL=1
 * it is ready at once; then s->out may be NULL, and the value of a single task is kept. 0 and its number, see
 * local.h; or a code. */
int kith__later_begin(const struct kith__call_spec *s, uint64_t *number);

/* By number, until it is let go of: NULL: there is none (any more). Held, so that nobody else lets go of it,
 * until kith__later_put. */
struct kith__later *kith__later_get(uint64_t number);
void kith__later_put(struct kith__later *l);

int kith__later_is_ready(const struct kith__later *l);
int kith__later_wait(struct kith__later *l, int timeout_ms); /* 0; KITH_ETIMEDOUT; KITH_EPEER */

/* Of one that is ready: its code, with its sentence and faults, which are this thread's last ones then. */
int kith__later_code(const struct kith__later *l);
int kith__later_take(struct kith__later *l);
const void *kith__later_value(const struct kith__later *l,
                              uint64_t *size); /* NULL: its results are in place */

void kith__later_drop(struct kith__later *l);  /* it is let go of when it is ready */
int kith__later_cancel(struct kith__later *l); /* 0; KITH_ERUNNING: it is ready */

/* Of a task that is elsewhere: it is not begun any more, and nobody wants to know what comes of it. */
void kith__later_withdraw(struct kith__later *l);

/* In a task: runs tasks of the calls that this process has under way in the task's own pool. polls: only when
 * no other worker could begin them at once: who asks again and again would be the one that they wait for. */
void kith__later_help(int polls);

/* For who waits for several things: w is woken when one of them is ready, and joins before each look. */
void kith__later_join(struct kith__wait *w);
void kith__later_leave(struct kith__wait *w);
void kith__later_wake(void); /* they all look again */

/* ---- for service.c and elsewhere.c, which know what is in one: calls.h */

struct kith__later *kith__later_make(const struct kith__call_spec *s); /* NULL: no memory */

/* Under the mutex. */
void kith__later_look(struct kith__later *l);   /* lets it go when it is over */
void kith__later_let_go(struct kith__later *l); /* it is nobody's any more */
void kith__later_keep_outcome(struct kith__later *l,
                              int code); /* what this thread knows is for who takes it */
int kith__later_cancel_held(struct kith__later *l);

int kith__later_fail_as_cancelled(const struct kith__later *l);

/* Driven by us: the end of its job, and its code; that it has ended with code; or both, without fork server.
 */
int kith__later_end_job(struct kith__later *l, enum kith__step_result last);
void kith__later_finish(struct kith__later *l, int code);
void kith__later_end_without_server(struct kith__later *l);

#endif
