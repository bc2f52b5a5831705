/* arena.h: the memory that all processes of a node share: one sparse memfd.
 *
 * References inside it are offsets (uint64_t, 0: none). It begins with the tables whose place and
 * size are fixed (struct kith__layout); behind a guard region without access lies
 * the heap (heap.h), which holds everything of variable size: metadata and user bytes
 * are never neighbours.
 */
#ifndef KITH_ARENA_H
#define KITH_ARENA_H

#include <stddef.h>
#include <stdint.h>

extern char *kith__base;                /* where this process has mapped it; NULL: not yet */

/* Makes and maps a new arena. KITH_ENOMEM with a sentence. *fd is its memfd, owned by the caller, who
 * hands it to other processes of the node. */
int  kith__arena_create(int *fd);
int  kith__arena_attach(int fd);        /* maps one that another process made */
void kith__arena_detach(void);

static inline void *kith__at(uint64_t offset) { return kith__base + offset; }
static inline uint64_t kith__offset(const void *p) { return (uint64_t)((const char *)p - kith__base); }

/* 1 when all size bytes at p lie in the heap's region. Needs no lock. */
int kith__arena_holds(const void *p, size_t size);

/* The heap's region: offset of its first byte, and its size in bytes. */
uint64_t kith__heap_start(void);
uint64_t kith__heap_size(void);

/* Bytes that this job may take on this node: the least of MemAvailable, the memory cgroups' limits
 * less use (v1 and v2, all levels), and KITH_MEM (as 512M, 4G). Asked anew on each call, some 50 µs. */
uint64_t kith__memory_available(void);

/* Backs [offset, offset + size) with pages, so that no later access can fail (SIGBUS, OOM kill):
 * asks the budget before fallocate. 0 or KITH_ENOMEM. Gives pages back with _unback. */
int  kith__arena_back(uint64_t offset, uint64_t size);
void kith__arena_unback(uint64_t offset, uint64_t size);

#endif
