/* call.h: one call that gives a job to a pool. Begin it, step until it is done, end it: from any thread of
 * the process that began it, one at a time. */
#ifndef KITH_CALL_H
#define KITH_CALL_H

#include "pool/pool.h"
#include "pool/task.h"

struct kith__call_spec {
    kith_pool pool;
    const char *name; /* of the function, for messages; NULL: it is looked up for one */
    kith__anyfn *fn;
    enum kith__job_kind kind;
    int shape;
    uint64_t n;
    const void *in, *arg;
    void *out;
    uint64_t in_size, out_size, arg_size;
};

/* The name of the function, for a message; buf is used where it has to be looked up. */
const char *kith__call_name(const struct kith__call_spec *s, char *buf, size_t room);

struct kith__call {
    struct kith__object *object; /* the pool */
    struct kith__job *job;
    uint32_t post;
    const void *in; /* the user's */
    void *out;
    uint64_t window,
        step; /* elements between the first whose result is not out and the last that is in; per step */
    uint64_t out_done; /* elements before it have been dealt with */
};

enum kith__step_result {
    KITH__STEP_WAIT,
    KITH__STEP_MOVED,
    KITH__STEP_DONE,
    KITH__STEP_HALTED,
    KITH__STEP_ENDED
};

int kith__call_begin(struct kith__call *c,
                     const struct kith__call_spec *s);        /* on failure there is nothing to end */
enum kith__step_result kith__call_step(struct kith__call *c); /* never waits */
int kith__call_end(struct kith__call *c, enum kith__step_result last); /* the code of the call */

/* All of that, waiting. fold sees the results of a job without faults before it ends. */
int kith__call(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
               void *context);

#endif
