/* serial.h: tasks that run in the thread that waits for them: all of them with KITH_SERIAL=1, where whoever
 * gives a pool tasks is its only worker; and some in a pool with .caller. */
#ifndef KITH_SERIAL_H
#define KITH_SERIAL_H

#include "pool/board.h"
#include "object/object.h"

/* Runs the initializer of o, which id means, unless it has run in this process. 0, or the code of the
 * failure. */
int kith__serial_prepare(struct kith__object *o, uint64_t id);

/* Runs of j, a job of o, here what nobody else has claimed, in that cell. */
void kith__serial_run(struct kith__object *o, struct kith__job *j, uint32_t cell);

/* When a pool has ended: its exit function, when it ends well and this process has played its worker; and
 * what is kept for it here. */
void kith__serial_finish(struct kith__object *o, int well);

/* What the tasks of the pool that this thread is in have in this process; NULL and a sentence: no memory. */
struct kith__state *kith__serial_state(void);

/* Whether this thread is in such a task: of o, or of any pool when it is NULL. */
int kith__serial_in(const struct kith__object *o);

#endif
