/* arena.h: the memory that all processes of a node share: sparse memfds, one for each part that grows.
 *
 * References inside it are offsets (uint64_t, 0: none). It begins with the tables whose place and
 * size are fixed (struct kith__layout); behind a guard region without access lies
 * the heap (heap.h), which holds everything of variable size: metadata and user bytes
 * are never neighbours.
 *
 * Nothing of it exists until it is backed. The files are as large as what was ever backed, as mlockall fills
 * all that is mapped up to the end of a file: an access behind it is SIGBUS, and one to bytes before it that
 * are not backed would take a page that no budget was asked for.
 */
#ifndef KITH_ARENA_H
#define KITH_ARENA_H

#include "base/descriptors.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define KITH__TABLES_START 4096 /* before it stands the arena's own header */
#define KITH__TABLES_SIZE (UINT64_C(1) << 30)
#define KITH__TABLES_LEAST (UINT64_C(288) << 20) /* they end here when address space is scarce */
#define KITH__TABLES_FIXED                                                        \
    (UINT64_C(5) << 20) /* of that for members and seats; the rest is for objects \
                         */

/* Its files: the tables, and of the heap the index, the table of blocks, the blocks. */
enum { KITH__ARENA_FILES = 4 };

extern char *kith__base; /* where this process has mapped it; NULL: not yet */

/* Makes and maps a new arena. KITH_ENOMEM, KITH_EINVAL (KITH_MEM) with a sentence. fds are its memfds, for
 * other processes of the node; they are closed with the mapping, unless the program has done so. */
int kith__arena_create(int fds[KITH__ARENA_FILES]);
int kith__arena_check_settings(void); /* KITH_EINVAL: KITH_MEM is no size */
/* Maps one that another process made; takes fds, also when it fails. */
int kith__arena_attach(const int fds[KITH__ARENA_FILES]);
void kith__arena_detach(void);

/* This process, which has the descriptors that the arena was made with, runs no code of the program's that
 * might close them: those who have lost theirs open them by way of it. */
void kith__arena_keep(void);

/* Another mapping takes the place of the present one, which is put into *m: so a process that plays several
 * nodes, which a test does, has one for each. Of zeros: none. */
struct kith__mapping;
void kith__arena_swap(struct kith__mapping *m);

static inline void *kith__at(uint64_t offset)
{
    return kith__base + offset;
}
static inline uint64_t kith__offset(const void *p)
{
    return (uint64_t)((const char *)p - kith__base);
}

/* 1 when all size bytes at p lie in the heap's region. Needs no lock. */
int kith__arena_holds(const void *p, size_t size);

struct kith__layout {
    uint64_t tables_end; /* tables: [KITH__TABLES_START, this); KITH__TABLES_SIZE, or less under ulimit -v or
                            KITH_MEM */
    uint64_t heap_tables, heap_tables_size; /* metadata of the heap */
    uint64_t heap_blocks;                   /* of that the table of blocks, which is the end of it */
    uint64_t heap_start, heap_size;         /* its bytes */
};

extern struct kith__layout kith__layout; /* of the arena that is mapped */

struct kith__mapping {
    char *base;
    struct kith__layout layout;
    uint64_t total, memory_limit;
    struct kith__descriptor files[KITH__ARENA_FILES];
};

/* Backs that part of the tables: call it before the first access. Again is harmless, and cheap: a look at one
 * bit. 0 or KITH_ENOMEM, also for what lies behind their end. */
int kith__arena_back_tables(uint64_t offset, uint64_t size);

/* Bytes that this job may take on this node: the least of MemAvailable, the memory cgroups' limits
 * less use (v1 and v2, all levels), and KITH_MEM (as 512M, 4G) less what kith has taken. Asked anew on each
 * call, some 50 µs. */
uint64_t kith__memory_available(void);
uint64_t kith__memory_limit(void); /* of the machine or the memory cgroup that leaves the least */

/* Bits that are set; most words are zero. */
static inline uint64_t kith__bits_count(const _Atomic uint64_t *words, size_t count)
{
    uint64_t bits = 0, word;

    for (size_t i = 0; i < count; i++)
        if ((word = atomic_load_explicit(&words[i], memory_order_relaxed)) != 0)
            bits += (uint64_t)__builtin_popcountll(word);
    return bits;
}

/* The heap's books can be read from now on: see kith__heap_pages. */
void kith__arena_has_heap(void);

/* Backs [offset, offset + size) with pages, so that no later access can fail (SIGBUS, OOM kill):
 * asks the budget before fallocate. 0 or KITH_ENOMEM. Gives pages back with _unback. */
int kith__arena_back(uint64_t offset, uint64_t size);
void kith__arena_unback(uint64_t offset, uint64_t size);

/* The two halves of _back, for who keeps account of what others were promised and have not taken yet. The
 * first asks the system only when the last answer is old or may be too small. What nobody uses yet may be
 * filled with huge pages: scratch when they come as quickly as small ones, what lasts also when they cost
 * some more once. What is hollow stays without pages for now; the budget knows that they are still to come.
 */
enum kith__fill { KITH__SMALL, KITH__SCRATCH, KITH__LASTING, KITH__HOLLOW };
int kith__memory_allows(uint64_t size, uint64_t promised);
int kith__arena_fill(uint64_t offset, uint64_t size, enum kith__fill how);

/* Before much of a range is used that has been written to, maybe by others: maps it into this process,
 * at a fifth of what the page faults would take. */
void kith__arena_meet(uint64_t offset, uint64_t size);

#endif
