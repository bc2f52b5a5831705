/* call.h: one call that gives a job to a pool. Begin it, step until it is done, end it: from any thread of
 * the process that began it, one at a time. */
#ifndef KITH_CALL_H
#define KITH_CALL_H

#include "pool/pool.h"
#include "pool/task.h"
#include "pool/worker.h"

/* A part of a job, which is posted as a job of its own: units from first on. Each task finds what it would
 * find in the whole: its random numbers, its block of a range. */
struct kith__call_part {
    uint64_t first, units;
    uint64_t call;         /* the number of the whole: see kith__call_number */
    uint32_t tries;        /* of each of its units */
    uint64_t whole, named; /* for the job log and the statistics: number of the job; of the first unit */
    const void *elements;  /* uint64_t of each unit, of a map that has an order; NULL: they follow on first */
    uint64_t root; /* all parts that have the same one are one call to the workers; 0: it is its own */
    int32_t priority;
};

enum kith__step_result {
    KITH__STEP_WAIT,
    KITH__STEP_MOVED,
    KITH__STEP_DONE,
    KITH__STEP_HALTED,
    KITH__STEP_ENDED
};

struct kith__call;

struct kith__call_spec {
    kith_pool pool;
    kith_pool far;    /* the pool of another node whose branch .pool is, to who calls it here; 0: none */
    const char *name; /* of the function, for messages; NULL: it is looked up for one */
    kith__anyfn *fn;
    enum kith__job_kind kind;
    int shape;
    uint64_t n;                         /* of a part: of a range that of the whole, else its units */
    const struct kith__call_part *part; /* NULL: it is a whole one */
    uint64_t call;                      /* its number, given by who calls from afar; 0: the next one */
    const void *in, *arg;               /* its own: those of a part begin with it */
    void *out;
    uint64_t in_size, out_size, arg_size;
    const double *costs; /* of the elements of a map, estimated; NULL: nothing is known */
    int is_task;         /* it is one task of a row; for who makes it elsewhere */
    uint64_t task;       /* of that: its number, for messages */
    /* When it has ended, and its job is not given back yet. NULL: none. */
    void (*look)(struct kith__call *c, enum kith__step_result last, void *context);
    void *look_context;
};

/* The name of the function, for a message; buf is used where it has to be looked up. */
const char *kith__call_name(const struct kith__call_spec *s, char *buf, size_t room);

struct kith__call {
    struct kith__object *object; /* the pool */
    struct kith__job *job;
    kith_pool far; /* as in its spec */
    uint32_t post;
    const void *in; /* the user's */
    void *out;
    uint64_t window,
        step; /* elements between the first whose result is not out and the last that is in; per step */
    uint64_t out_done; /* elements before it have been dealt with */
    uint64_t turn;     /* service.c's */
    int works;         /* who waits for it runs tasks of it: a pool with .caller */
    void (*look)(struct kith__call *c, enum kith__step_result last, void *context);
    void *look_context;
};

int kith__call_begin(struct kith__call *c,
                     const struct kith__call_spec *s);        /* on failure there is nothing to end */
enum kith__step_result kith__call_step(struct kith__call *c); /* never waits */
/* What it has to say meanwhile: of failures, of its progress. When it wants to be called again, in ns; -1:
 * when something has changed. */
int64_t kith__call_tell(struct kith__call *c);
int kith__call_end(struct kith__call *c, enum kith__step_result last); /* the code of the call */

/* For who waits for units of j, in a worker of its pool: runs some of them, until there is nothing left to
 * claim. 0: this thread may not. */
int kith__call_help(struct kith__object *o, struct kith__job *j, uint32_t post, uint64_t seq,
                    enum kith__why why);

/* The lane of this process is this thread's alone until _helped: _NOT: another one has it. */
enum kith__helps { KITH__HELPS_NOT, KITH__HELPS_NOW, KITH__HELPS_ALREADY };
enum kith__helps kith__call_helps(void);
void kith__call_helped(enum kith__helps how);

/* 1: a worker has nothing to do, and so begins at once what is posted. */
int kith__call_has_idle(struct kith__object *o);

/* 0; KITH_EINVAL when tasks that call their own pool are nested too deep, or its exit function calls it. */
int kith__call_depth(kith_pool pool);

uint64_t kith__call_number(void);                      /* of the next call: its random numbers */
void kith__call_warn(const struct kith__call_spec *s); /* of globals that its workers do not see */

/* Takes steps until it is done, or until deadline (ns; -1: none). 0; KITH_ETIMEDOUT; KITH_EPEER: it goes on,
 * and can be waited for again, or be ended. */
int kith__call_wait(struct kith__call *c, int64_t deadline, enum kith__step_result *last);

/* None of its tasks is begun any more, and those under way are ended with their workers. When they are, a
 * step says KITH__STEP_HALTED. */
void kith__call_cancel(struct kith__call *c);

/* All of that, waiting. fold sees the results of a job without faults before it ends. */
int kith__call(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
               void *context);

#endif
