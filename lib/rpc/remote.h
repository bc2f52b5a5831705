/* remote.h: operations on objects whose home is another node, or which are to be treated so: they become
 * requests of the node agent (mailbox.h). */
#ifndef KITH_REMOTE_H
#define KITH_REMOTE_H

#include "member/members.h"

#include <stddef.h>
#include <stdint.h>

/* 1: go through the node agents, also at home under KITH_TRANSPORT=net. */
static inline int kith__is_remote(uint64_t id)
{
    return kith__shared->through_net || (id >> 48 & 0x7fff) != kith__shared->node;
}

int kith__remote_put(uint64_t queue, const void *item, size_t size, int timeout_ms);
int64_t kith__remote_get(uint64_t queue, void *buf, size_t room, int exact, int peek, int timeout_ms);
int64_t kith__remote_count(uint64_t queue);
int kith__remote_end(uint64_t queue);
int kith__remote_find(const char *name, size_t bound, uint64_t *id);

/* A call of that op (mailbox.h) on an object, or on a node, with bytes and without an item that comes back.
 */
int64_t kith__remote_call(uint32_t node, int op, uint64_t object, uint64_t room, const void *bytes,
                          size_t size, int timeout_ms);

/* Waits until what this thread has put behind itself is done. Called before whatever could tell others of it:
 * so nobody can see that a put went on behind. KITH_ENOMEM, KITH_EPEER: some items did not arrive, which is
 * told once. */
int kith__remote_drain(void);
extern _Thread_local int kith__remote_pipelined __attribute__((tls_model("initial-exec")));
static inline int kith__remote_settle(void)
{
    return __builtin_expect(kith__remote_pipelined, 0) ? kith__remote_drain() : 0;
}

/* The same at the end of a process, also for its threads that have ended before. */
int kith__remote_last_words(void);

#endif
