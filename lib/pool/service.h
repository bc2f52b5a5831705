/* service.h: the thread of kith's that begins calls, goes on with them, and calls the functions of those that
 * are ready: see later.h. */
#ifndef KITH_SERVICE_H
#define KITH_SERVICE_H

#include "pool/later.h"

/* Calls fn in the service when it is ready: once. 0; KITH_EINVAL: it has one. */
int kith__later_notify(struct kith__later *l, kith_result r, kith_ready_fn *fn, void *arg);
/* The same of a task. */
int kith__later_notify_task(struct kith__feed *feed, uint64_t unit, kith_result r, kith_ready_fn *fn,
                            void *arg);

/* When kith_pool_close is called here: those that wait are begun first. */
void kith__later_flush(kith_pool pool);

/* When kith_pool_terminate is called by a function that the service calls: its calls are cancelled and ended
 * first, as nobody else would take their last steps. */
void kith__later_give_up(kith_pool pool);

/* After it: until all that was to be called of that pool was. */
void kith__later_settle(kith_pool pool);

/* At the end of the job: the service ends. */
void kith__later_end(void);

int kith__service_enter(
    struct kith__later *l); /* begins it, or puts it in line. When that fails it is gone */

/* Under the mutex. */
int kith__service_begin(void);
void kith__service_call(struct kith__later *l);      /* calls its function */
int kith__service_leave_line(struct kith__later *l); /* 1: it stood in one */

#endif
