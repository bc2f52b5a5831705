/* stats.h: what each worker has done, for kith_pool_stats.
 *
 * A worker keeps the record of its lane by itself: it looks at the clock after a claim, never between two
 * tasks of one. Where claims are short, as their size was given, not after each of them: then it knows of the
 * slowest only that it was one of several. After a death the fork server, and then the next process, go on
 * with the record: that one, as it settles the claims, counts what was run of them, and the task that has not
 * returned.
 */
#ifndef KITH_STATS_H
#define KITH_STATS_H

#include "base/system.h"
#include "code/token.h"
#include "object/class.h"
#include "shm/guard.h"
#include "kith.h"

#include <stdatomic.h>
#include <stdint.h>

struct kith__fault_entry;
struct kith__job;
struct kith__lane;

enum { KITH__SLOWEST = 5 };

struct kith__slow { /* tasks that have taken ns together */
    int64_t ns;     /* 0: none */
    uint64_t first, count;
    int32_t pid, end; /* end: enum kith_end: the last of them has not returned; 0: all have */
    struct kith__token fn;
};

struct kith__record {
    kith__word tasks, ended, processes;
    _Atomic int64_t opened;         /* ns, as all times here: when the pool was */
    _Atomic int64_t asked;          /* since then a process begins; 0: it is ready, or none does */
    _Atomic int64_t start_up, busy; /* in all; busy: up to .busy_since */
    _Atomic int64_t busy_since; /* when its worker, in a job, last looked at the clock; 0: it is in none */
    _Atomic uint64_t from;      /* the first unit since then, of its outermost job */
    _Atomic int64_t last;       /* from then to the death of a process in a job */
    _Atomic uint32_t writing;   /* odd: .slow is being changed */
    struct kith__slow slow[KITH__SLOWEST];
    int64_t least; /* .ns of the fastest of these; who writes there knows it */
};

/* Of one who claims from a job, from its first claim to its last. */
struct kith__pace {
    struct kith__record *record;
    int64_t then;          /* it last looked at the clock */
    uint64_t lo, hi;       /* the units since then lie in [lo, hi) */
    uint64_t callee;       /* of a row: that of the last one */
    uint32_t stride, left; /* claims from one look to the next; those that are left */
    uint32_t outermost;    /* else it is within a task that is being timed */
};

void kith__pace_begin(struct kith__pace *pace, struct kith__lane *lane);

/* Looks at the clock: the time since then. */
int64_t kith__pace_look(struct kith__pace *pace, struct kith__job *j);

/* Before [lo, lo + length) is run. */
static inline void kith__pace_claim(struct kith__pace *pace, uint64_t lo, uint64_t length)
{
    pace->lo = lo < pace->lo ? lo : pace->lo;
    pace->hi = lo + length > pace->hi ? lo + length : pace->hi;
    if (pace->outermost)
        atomic_store_explicit(&pace->record->from, pace->lo, memory_order_relaxed);
}

/* After it, and before the caller may know: 1: the clock is to be looked at. */
static inline int kith__pace_is_due(struct kith__pace *pace, uint64_t length)
{
    kith__word *tasks = &pace->record->tasks;

    atomic_store_explicit(tasks, atomic_load_explicit(tasks, memory_order_relaxed) + length,
                          memory_order_relaxed);
    return --pace->left == 0;
}

/* After the last claim. */
void kith__pace_end(struct kith__pace *pace, struct kith__job *j);

/* The pool opens; processes: its lane gets one. */
void kith__record_open(struct kith__record *r, int processes);

/* The process of a lane begins, is ready, has died; that of a successor was asked for. */
void kith__record_begin(struct kith__record *r);
void kith__record_ready(struct kith__record *r);
void kith__record_death(struct kith__record *r);
void kith__record_asked(struct kith__record *r);

/* In j's guard, before its commit: the claim of a dead one, which began with lo, and came to at. end: how at
 * has ended with its process; NULL: it had returned. outermost: its job was. */
void kith__record_settle(struct kith__record *r, struct kith__job *j, uint64_t lo, uint64_t at, int outermost,
                         const struct kith__fault_entry *end);

struct kith__worker_report { /* of a worker, for another node */
    struct kith_worker_stats stats;
    struct kith__slow slow[KITH__SLOWEST];
};

/* KITH__POOL_RECORDS, in the pool's guard. */
int64_t kith__records_give(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                           struct kith__result *out);

/* KITH__POOL_OUTLINE, likewise. */
int64_t kith__outline_give(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                           struct kith__result *out);

/* What who has run tasks with a record of its own has done, becomes part of r. In a guard. */
void kith__record_add(struct kith__record *r, const struct kith__record *own);

#endif
