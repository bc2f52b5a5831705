/* fault.h: the faults of a thread's last call, and the sentences for them. */
#ifndef KITH_FAULT_H
#define KITH_FAULT_H

#include "pool/board.h"

/* Takes the faults out of j, and keeps them as this thread's last ones, for kith_last_fault. */
void kith__faults_keep(struct kith__job *j);

/* The same of those that somebody else has kept, in order of task. */
void kith__faults_keep_list(const struct kith_fault *list, size_t count);

/* KITH_ETASK, with the sentence about those that were kept, which were j's. halted: for them the rest of the
 * call was cancelled. */
int kith__faults_report(struct kith__job *j, int halted);

/* Of a task that was a call of its own, of a function of that name: its fault, in block (0: there was no
 * memory), becomes this thread's last one. KITH_ETASK. */
int kith__fault_keep_one(const char *name, uint64_t task, uint64_t block);

/* What has become of a task, for who describes it elsewhere: how it crashed, or what it said. */
void kith__fault_text(const struct kith__fault_entry *e, char *text, size_t room);

/* The same on stderr, when nobody will ask: its Result was dropped. One line a second on the node, as below.
 */
void kith__fault_tell_dropped(const char *name, uint64_t block);
void kith__fault_tell_unseen(const char *sentence);

/* Tells on stderr, while the call that j is of goes on, of the first of its tasks that failed, and then how
 * many there are: one line a second, of all calls on the node; unless the program has a fault handler of its
 * own. For the thread that posted j. Returns when it wants to be called again, in ns; -1: when one has
 * failed. */
int64_t kith__faults_tell(struct kith__job *j);

/* The name of its function for messages, looked up where the caller gave none. For the poster. */
const char *kith__job_name(struct kith__job *j);

/* How many faults of exit functions a pool keeps. */
enum { KITH__EXIT_FAULTS = 64 };

/* Why a worker's initializer or exit function has failed: a struct kith__fault_entry, in a block of this
 * process (0: there was no memory), for the pool o. Of initializers the first is told of; exit functions, of
 * which there may be very many with .tasks_per_worker, are all counted. */
void kith__pool_keep_init_fault(struct kith__object *o, uint64_t block);
void kith__pool_keep_exit_fault(struct kith__object *o, uint64_t block, uint64_t count);

/* Exit functions of the pool o, all of whose workers have ended, have failed: KITH_ETASK, and they are this
 * thread's last faults; 0: none has. */
int kith__pool_exit_report(struct kith__object *o);

/* Why no worker of p gets through its initializer: KITH_ETASK, or KITH_ENOMEM when none can be forked. */
int kith__pool_init_fault(const struct kith__pool *p);

#endif
