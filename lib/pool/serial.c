/* serial.c: see serial.h. Called by pool.c and call.c. */
#include "config.h"
#include "pool/serial.h"
#include "base/error.h"
#include "base/list.h"
#include "pool/fault.h"
#include "pool/random.h"
#include "pool/state.h"
#include "pool/task.h"
#include "pool/worker.h"

#include <pthread.h>
#include <stdlib.h>

/* The pools in whose tasks this thread is, the innermost first: a task may call another pool, or its own. */
struct part {
    const struct kith__object *pool;
    uint64_t id;
    uint32_t worker;
    const struct part *outer;
};
static _Thread_local const struct part *playing;

/* The pools whose initializer has run in this process, or does, and those whose tasks have a state here. */
struct prepared {
    KITH__LINK(struct prepared) link;
    uint64_t id;
    struct kith__state state;
};
static KITH__LIST(struct prepared) prepared;
static pthread_mutex_t preparing =
    PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; /* an initializer may open another pool */

int kith__serial_in(const struct kith__object *o)
{
    const struct part *p = playing;

    while (o && p && p->pool != o)
        p = p->outer;
    return p != NULL;
}

int kith_worker(void)
{
    int worker = kith__worker_number();

    return worker >= 0 ? worker : playing ? (int)playing->worker : -1;
}

static struct prepared *remember(uint64_t id)
{
    struct prepared *new = calloc(1, sizeof *new);

    if (!new) {
        kith__fail(KITH_ENOMEM, "no memory to open a pool");
        return NULL;
    }
    new->id = id;
    kith__link_first(&prepared, new, link);
    return new;
}

static struct prepared *find(uint64_t id)
{
    struct prepared *p = prepared.first;

    while (p && p->id != id)
        p = p->link.next;
    return p;
}

static void forget(uint64_t id)
{
    struct prepared *old = find(id);

    if (!old)
        return;
    kith__unlink(&prepared, old, link);
    kith__state_free(&old->state);
    free(old);
}

/* What kith_worker tells in a task here. */
static uint32_t number_here(struct kith__object *o)
{
    return kith__pool_body(o)->caller ? kith__pool_body(o)->workers : 0;
}

/* As a task: it has a number, and may kith_fail. What a task around it has said stays. */
static int run_own(struct kith__object *o, int (*own)(struct kith__object *o, uint32_t worker))
{
    const struct part part = { o, kith__pool_body(o)->id, number_here(o), playing };
    struct kith__task outer = kith__task;
    int rc;

    playing = &part;
    rc = own(o, part.worker);
    playing = part.outer;
    kith__task = outer;
    return rc;
}

int kith__serial_prepare(struct kith__object *o, uint64_t id)
{
    const struct kith__pool *p = kith__pool_body(o);
    int rc = 0;

    if (!p->has_init && !p->has_exit)
        return 0;
    pthread_mutex_lock(&preparing);
    if (!find(id)) {
        if (!remember(id))
            rc = KITH_ENOMEM;
        else if (run_own(o, kith__worker_initialize) != 0)
            rc = kith__pool_init_fault(p);
    }
    pthread_mutex_unlock(&preparing);
    return rc;
}

/* Of the processes that have played its worker this is the only one that learns of its end. */
void kith__serial_finish(struct kith__object *o, int well)
{
    uint64_t id = kith__pool_body(o)->id;

    pthread_mutex_lock(&preparing);
    if (well && find(id))
        run_own(o, kith__worker_exit);
    forget(id);
    pthread_mutex_unlock(&preparing);
}

struct kith__state *kith__serial_state(void)
{
    struct prepared *p;
    uint64_t id;

    if (!playing)
        return NULL;
    id = playing->id;
    pthread_mutex_lock(&preparing);
    if (!(p = find(id)))
        p = remember(id);
    pthread_mutex_unlock(&preparing);
    return p ? &p->state : NULL;
}

/* Each caller has a lane of its own for this: other threads and processes may be in the same pool. */
void kith__serial_run(struct kith__object *o, struct kith__job *j, uint32_t cell)
{
    const struct part part = { o, kith__pool_body(o)->id, number_here(o), playing };
    struct kith__lane lane = { 0 };
    struct kith__stream outer;
    int inner = kith__serial_in(o);

    playing = &part;
    kith__random_save(&outer);
    kith__work_on(o, &lane, cell, j, KITH__TELLS);
    kith__random_restore(&outer);
    playing = part.outer;
    if (!kith__pool_body(o)->serial) /* it is none of the workers */
        return;
    if (inner) /* the task around this call is timed with it */
        atomic_store(&lane.record.busy, 0);
    kith__guard_enter(&o->guard);
    kith__record_add(&kith__lane(kith__pool_body(o), 0)->record, &lane.record);
    kith__guard_leave(&o->guard);
}
