/* attend.h: calls to a pool from a process on a node that has none of its workers.
 *
 * Such a process has, on the node of the pool, an attendant: a Process of kith's that makes the call there,
 * and sends back what has come of it. Each call takes an idle one, or starts one; they are connected by a
 * Pipe, and end with the process that they serve. So what a call is stands in call.c alone, and who calls
 * from afar may be anybody who can open a Pipe.
 */
#ifndef KITH_ATTEND_H
#define KITH_ATTEND_H

#include "pool/call.h"

/* 1: the pool is at home elsewhere, and has no branch here (kith__pool_here was asked). */
int kith__attend_is_needed(kith_pool pool);

/* As kith__call, by an attendant. KITH_EPEER: the node of the pool, or the attendant, is lost: whether tasks
 * have run is not known. */
int kith__attend(const struct kith__call_spec *s, void (*fold)(struct kith__call *c, void *context),
                 void *context);

#endif
