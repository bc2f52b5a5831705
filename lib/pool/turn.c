/* turn.c: see turn.h. Called by call.c, feed.c, later.c, worker.c and task.c. */
#include "config.h"
#include "pool/turn.h"
#include "base/error.h"
#include "base/system.h"
#include "object/target.h"

/* After so long in one call a worker goes to another one of the same priority; and so often it looks whether
 * there is one, when others come all the time, as calls in calls do. */
static const int64_t turn_ns = 1 * KITH__MS, look_ns = 100000;

_Thread_local struct kith__turn kith__turn;

int kith_priority(int priority)
{
    if (priority < -KITH__PRIORITY_MOST || priority > KITH__PRIORITY_MOST)
        return kith__report(kith__fail(KITH_EINVAL, "a priority of %d: give %d to %d", priority,
                                       -KITH__PRIORITY_MOST, KITH__PRIORITY_MOST));
    if (kith__turn.pool)
        return kith__report(
            kith__fail(KITH_EINVAL,
                       "kith_priority was called in a task, whose calls have the priority of its own call"));
    kith__turn.priority = priority;
    return 0;
}

void kith__turn_fill(const struct kith__object *o, struct kith__job *j)
{
    j->priority = kith__turn.priority;
    j->root = kith__turn.pool == o ? kith__turn.root : 0;
}

void kith__stay_begin(struct kith__stay *s, struct kith__object *o, const struct kith__lane *lane,
                      const struct kith__job *j, int stays, int64_t now)
{
    *s = (struct kith__stay){ .pool = o,
                              .job = j,
                              .seen = lane->seen,
                              .rivals = (enum kith__rivals)lane->rivals,
                              .stays = stays,
                              .since = now,
                              .looked = now };
}

int kith__stay_look(struct kith__stay *s)
{
    const struct kith__pool *p = kith__pool_body(s->pool);
    uint64_t seq = atomic_load_explicit(&p->seq, memory_order_relaxed);
    int64_t now = kith__now_ns();

    if (seq != s->seen && now - s->looked >= look_ns) {
        s->rivals = kith__job_rivals(p, s->job);
        s->seen = seq;
        s->looked = now;
    }
    return s->rivals == KITH__RIVALS_HIGHER || (s->rivals == KITH__RIVALS_EQUAL && now - s->since >= turn_ns);
}
