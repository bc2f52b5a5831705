/* turn.h: which call a worker works on when there are several.
 *
 * The call of the highest priority; among equals the one that has the fewest workers; and of two that have as
 * many, each in turn. What tasks of a call call themselves in the same pool belongs to that call, its root,
 * and is worked on from the oldest on: so a tree of calls is taken from where it is thickest. What a branch
 * has of a call of another node belongs to that call, too.
 *
 * A worker looks around when there is nothing left to claim where it is, or when its turn is over: between
 * two claims, or two blocks of a share, a while after another call has come. As long as none comes that is
 * one look at a word that does not change.
 */
#ifndef KITH_TURN_H
#define KITH_TURN_H

#include "object/object.h"
#include "pool/board.h"

enum { KITH__PRIORITY_MOST = 4, KITH__PRIORITIES = 2 * KITH__PRIORITY_MOST + 1 };

/* Of the calls that this thread makes: in a task, those of the call that it belongs to. */
struct kith__turn {
    struct kith__object *pool; /* whose task it is in; NULL: none */
    uint64_t root;
    int32_t priority;
};

extern _Thread_local struct kith__turn kith__turn;

/* Writes that into a job of o before it is posted. */
void kith__turn_fill(const struct kith__object *o, struct kith__job *j);

/* What a worker knows while it works on a job. */
struct kith__stay {
    struct kith__object *pool;
    const struct kith__job *job;
    uint64_t seen;            /* p->offers when it last looked around */
    enum kith__rivals rivals; /* what it saw */
    int stays;                /* 1: it has come to do this job, and nothing else */
    int tells;                /* 1: it is the thread that waits for it, and shows how far it has come */
    int64_t since, looked;    /* ns */
};

void kith__stay_begin(struct kith__stay *s, struct kith__object *o, const struct kith__lane *lane,
                      const struct kith__job *j, int stays, int64_t now);
int kith__stay_look(struct kith__stay *s);

/* 1: another call should have this worker now. */
static inline int kith__stay_is_over(struct kith__stay *s)
{
    if (s->stays ||
        (atomic_load_explicit(&kith__pool_body(s->pool)->offers, memory_order_relaxed) == s->seen &&
         s->rivals == KITH__RIVALS_NONE))
        return 0;
    return kith__stay_look(s);
}

/* A posted job with something to claim, of the call whose turn it is, announced in lane at depth; NULL: none.
 */
struct kith__job *kith__job_find(struct kith__pool *p, struct kith__lane *lane, uint32_t *post);
/* The same for another node; rows: 0: no row is wanted. */
struct kith__job *kith__job_find_for_others(struct kith__pool *p, struct kith__lane *lane, int rows,
                                            uint32_t *post);
/* 1: all that is posted belongs to the call root. */
int kith__root_is_alone(const struct kith__pool *p, uint64_t root);

enum kith__rivals kith__job_rivals(const struct kith__pool *p, const struct kith__job *j);

#endif
