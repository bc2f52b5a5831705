/* serial.c: see serial.h. Called by pool.c and call.c. */
#include "config.h"
#include "pool/serial.h"
#include "base/error.h"
#include "pool/fault.h"
#include "pool/random.h"
#include "pool/task.h"
#include "pool/worker.h"

#include <pthread.h>
#include <stdlib.h>

/* The pools in whose tasks this thread is, the innermost first: a task may call another pool, or its own. */
struct part {
    const struct kith__object *pool;
    const struct part *outer;
};
static _Thread_local const struct part *playing;

/* The pools whose initializer has run in this process, or does. */
static struct prepared {
    uint64_t id;
    struct prepared *next;
} * prepared;
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

    return worker >= 0 ? worker : kith__serial_in(NULL) ? 0 : -1;
}

static int remember(uint64_t id)
{
    struct prepared *new = malloc(sizeof *new);

    if (!new)
        return kith__fail(KITH_ENOMEM, "no memory to open a pool");
    *new = (struct prepared){ id, prepared };
    prepared = new;
    return 0;
}

static int was_prepared(uint64_t id)
{
    const struct prepared *p = prepared;

    while (p && p->id != id)
        p = p->next;
    return p != NULL;
}

/* As a task: kith_worker is 0, and it may kith_fail. What a task around it has said stays. */
static int run_initializer(struct kith__object *o)
{
    const struct part part = { o, playing };
    struct kith__task outer = kith__task;
    int rc;

    playing = &part;
    rc = kith__worker_initialize(o, 0);
    playing = part.outer;
    kith__task = outer;
    return rc == 0 ? 0 : kith__pool_init_fault(kith__pool_body(o));
}

int kith__serial_prepare(struct kith__object *o, uint64_t id)
{
    int rc = 0;

    if (!kith__pool_body(o)->has_init)
        return 0;
    pthread_mutex_lock(&preparing);
    if (!was_prepared(id) && (rc = remember(id)) == 0)
        rc = run_initializer(o);
    pthread_mutex_unlock(&preparing);
    return rc;
}

/* Each caller has a lane of its own for this: other threads and processes may be in the same pool. */
void kith__serial_run(struct kith__object *o, struct kith__job *j)
{
    const struct part part = { o, playing };
    struct kith__lane lane = { 0 };
    struct kith__stream outer;

    playing = &part;
    kith__random_save(&outer);
    kith__work_on(o, &lane, 0, j, 1);
    kith__random_restore(&outer);
    playing = part.outer;
}
