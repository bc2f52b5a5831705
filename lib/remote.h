/* remote.h: operations on objects whose home is another node, or which are to be treated so. */
#ifndef KITH_REMOTE_H
#define KITH_REMOTE_H

#include <stddef.h>
#include <stdint.h>

int     kith__is_remote(uint64_t id);   /* 1: go through the node agents, also at home under KITH_TRANSPORT=net */

int     kith__remote_put(uint64_t queue, const void *item, size_t size, int timeout_ms);
int64_t kith__remote_get(uint64_t queue, void *buf, size_t room, int exact, int peek, int timeout_ms);
int64_t kith__remote_count(uint64_t queue);
int     kith__remote_end(uint64_t queue);
int     kith__remote_find(const char *name, size_t bound, uint64_t *id);

#endif
