/* queue.h: the Queue as a state machine that never waits: each request is done, fails, or is to be parked.
 * queue.c waitlists the calling thread; the node agent waitlists the requests of other nodes. */
#ifndef KITH_QUEUE_H
#define KITH_QUEUE_H

#include "object/object.h"

#define KITH__PARKED (-1000) /* not now: wait in the object's waiters and ask again */
#define KITH__NO_BOUND INT64_MAX

enum { KITH__TAKERS = 0, KITH__PUTTERS = 1 }; /* which of the object's waiters */

enum { KITH__QUEUE_LARGE = 8192 }; /* an item of more bytes comes in a block */

/* Puts an item of size bytes: those at item, or, when block is not 0, that block of the heap, which is owned
 * by this process and belongs to the queue on success. reserved: into one of the places that were. 0,
 * KITH__PARKED (full), or a code. */
int kith__queue_offer(uint64_t id, const void *item, uint64_t block, size_t size, int reserved);

/* Keeps some of its free places, at most so many, for a putter that may then put without asking. Their
 * number, which is 0 for a small bound: then each put has to ask, and sees each place; KITH__NO_BOUND; a
 * code. The node agent gives back those that are not used. */
int64_t kith__queue_reserve(uint64_t id, uint32_t most);
void kith__queue_release(uint64_t id, uint32_t n);

/* Takes the oldest item: into buf when it has room (exact: has just that size), else KITH_ETOOBIG
 * (KITH_ESIZE). Its size, KITH__PARKED (empty), or a code. buf NULL and room 0 with peek: only the size. */
int64_t kith__queue_take(uint64_t id, void *buf, size_t room, int exact);
int64_t kith__queue_peek(uint64_t id);

/* Takes it out as a block of the heap that is this process's then; *block 0 for an item without bytes. */
int64_t kith__queue_take_block(uint64_t id, size_t room, int exact, uint64_t *block);

/* Puts an item that was taken, and reached nobody, back to the front. block as in kith__queue_offer. */
int kith__queue_return(uint64_t id, uint64_t block, size_t size);

int64_t kith__queue_count(uint64_t id);
int kith__queue_end(uint64_t id);
int kith__queue_find(const char *name, size_t bound, uint64_t *id); /* opens it when there is none */

void kith__queue_setup(void);

#endif
