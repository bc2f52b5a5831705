/* worker.h: what a worker does: find a job, claim, run, retire, until its pool ends. */
#ifndef KITH_WORKER_H
#define KITH_WORKER_H

#include "pool/board.h"
#include "object/object.h"

/* The process of a worker; returns its exit status. */
int kith__worker_main(struct kith__object *o, uint32_t worker);
/* A worker that is a thread. When it returns its lane has ended. */
void kith__worker_thread(struct kith__object *o, uint32_t worker);

/* Which of the node's CPUs are a worker's part: none, when there are more workers than CPUs. */
void kith__worker_cpus(const struct kith__pool *p, uint32_t worker, uint32_t *from, uint32_t *to);
/* Binds this thread to them, unless the kernel places the workers better. */
void kith__worker_bind(const struct kith__pool *p, uint32_t worker);

/* Who waits for j, or for something behind it, has come to do that and nothing else. One of them takes its
 * steps, and also tells meanwhile of its failures and how far it has come. */
enum kith__why { KITH__FOR_ANY, KITH__STAYS, KITH__TELLS };

/* Claims and runs from j, which lane has entered, until nothing is left to claim now. */
void kith__work_on(struct kith__object *o, struct kith__lane *lane, uint32_t worker, struct kith__job *j,
                   enum kith__why why);

/* The number of the worker that this process or thread is; -1: it is none. */
int kith__worker_number(void);
int kith__worker_is_thread(void); /* 1: this thread is one by itself */

/* What it keeps for its tasks; NULL: it is none. */
struct kith__state *kith__worker_state(void);

/* Its lane, in the pool o: NULL when it is none of its workers. */
struct kith__lane *kith__my_lane(const struct kith__object *o, uint32_t *worker);

/* Runs the initializer of the pool o, when it has one, as worker: 0, or what it failed with, and the pool has
 * its fault. */
int kith__worker_initialize(struct kith__object *o, uint32_t worker);

/* Likewise its exit function, in one that ends well. */
int kith__worker_exit(struct kith__object *o, uint32_t worker);

#endif
