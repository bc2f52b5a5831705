/* calls.h: what later.c, service.c and elsewhere.c share: the calls of this process that go on while their
 * caller does something else, see later.h.
 *
 * Who takes the steps of a call has its .driven: the service, which takes those that can be taken at once and
 * goes on to the next call, or a thread that waits for it, which takes all. All else is under the mutex.
 */
#ifndef KITH_CALLS_H
#define KITH_CALLS_H

#include "pool/later.h"
#include "pool/local.h"
#include "base/list.h"
#include "base/system.h"
#include "pool/turn.h"

#include <pthread.h>

enum { KITH__UNDER_WAY = 16 };

enum kith__later_state { KITH__LATER_WAITS, KITH__LATER_GOES_ON, KITH__LATER_READY };

struct kith__later {
    KITH__LINK(struct kith__later) link;   /* in a line, of those under way, or of those elsewhere */
    KITH__LINK(struct kith__later) called; /* of those whose .fn is to be called */
    struct kith__call_line *line;          /* in which it stands; NULL: none */
    struct kith__away *away;               /* where it was sent; NULL: it is of this node */
    uint64_t number;
    struct kith__call_spec s;
    struct kith__call call;
    struct kith__turn turn; /* of the thread that made it */
    char name[64];
    _Atomic uint32_t state;
    int driven, dropped, taken, cancelled, withdrawn, held;
    int ends; /* its job is being given back */
    int code; /* when it is ready */
    char *sentence;
    void *faults; /* what kith_last_fault gives */
    void *value;  /* of one task; NULL: none is kept */
    kith_ready_fn *fn;
    void *arg;
    kith_result result; /* what fn gets */
};

struct kith__call_line { /* of those of one priority that wait until others of their pool have ended */
    KITH__LINK(struct kith__call_line) link;
    kith_pool pool;
    int32_t priority;
    KITH__LIST(struct kith__later) calls;
};

struct kith__call_bells { /* in the arena, since threads sleep on its words only */
    struct kith__waiters ready, service;
};

extern struct kith__calls {
    pthread_mutex_t mutex;
    struct kith__locals numbers;
    KITH__LIST(struct kith__later) under_way, elsewhere;
    KITH__LIST(struct kith__later) calls;     /* ready ones whose .fn is to be called */
    KITH__LIST(struct kith__call_line) lines; /* those of the highest priority first */
    kith_pool called;                         /* whose fn is being called */
    struct kith__call_bells *_Atomic bells;
    struct kith__thread service;
    _Atomic int serves; /* looked at without the mutex, as .bells */
    int ends;
} kith__calls;

#endif
