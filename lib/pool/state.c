/* state.c: see state.h. */
#include "config.h"
#include "pool/state.h"
#include "base/error.h"
#include "pool/serial.h"
#include "pool/worker.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* a task may have threads */

void kith__state_free(struct kith__state *s)
{
    free(s->bytes);
    *s = (struct kith__state){ 0 };
}

static int make(struct kith__state *s, size_t size)
{
    size_t room = (size + LINE - 1) & ~(size_t)(LINE - 1);

    if (size == 0)
        return kith__fail(KITH_EINVAL, "kith_worker_state(0): give the size of what a worker keeps");
    if (s->bytes && s->size != size)
        return kith__fail(KITH_EINVAL, "kith_worker_state(%zu): the state of this worker has %zu bytes", size,
                          s->size);
    if (s->bytes)
        return 0;
    if (room < size || !(s->bytes = aligned_alloc(LINE, room)))
        return kith__fail(KITH_ENOMEM, "no memory for a worker's state of %zu bytes", size);
    memset(s->bytes, 0, room);
    s->size = size;
    return 0;
}

static int make_shared(struct kith__state *s, size_t size)
{
    int rc;

    pthread_mutex_lock(&mutex);
    rc = make(s, size);
    pthread_mutex_unlock(&mutex);
    return rc;
}

void *kith_worker_state(size_t size)
{
    struct kith__state *s;
    int rc;

    if (kith_worker() < 0)
        rc = kith__fail(KITH_EINVAL, "kith_worker_state was called outside of the workers of a pool");
    else if (!(s = kith__worker_number() >= 0 ? kith__worker_state() : kith__serial_state()))
        rc = KITH_ENOMEM;
    else if ((rc = (kith__worker_is_thread() ? make : make_shared)(s, size)) == 0)
        return s->bytes;
    kith__report(rc);
    return NULL;
}
