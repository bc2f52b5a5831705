/* inner.h: the calls that tasks make in their own pool, most of which are small and soon over.
 *
 * Such a call is posted as any other, so an idle worker takes what it likes of it. But its poster is a worker
 * itself and takes part, and most often nobody else is idle. So what all calls need is kept here from one to
 * the next: posts, with jobs that nobody but their poster has used, in a stack, as the calls are. They need
 * no guard and no search; a claim of the poster is one compare-and-swap, since nobody ever settles it (if it
 * dies, so does the caller); and the other workers' caches are left alone. As soon as another one has come,
 * or something unusual has happened, the call goes on as call.c does it, and its post is given back.
 */
#ifndef KITH_INNER_H
#define KITH_INNER_H

#include "pool/call.h"

/* 1: s was such a call, it is over, and *rc is its code. 0: nothing was done. */
int kith__inner_call(const struct kith__call_spec *s, int *rc);

/* This process, a worker of o, makes no more of them. */
void kith__inner_end(struct kith__object *o);

#endif
