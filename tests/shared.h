/* shared.h: what the tests of shared memory have in common: an arena of the test's own. */
#ifndef KITH_SHARED_H
#define KITH_SHARED_H

#include "shm/arena.h"
#include "shm/heap.h"

#include <sys/stat.h>

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static int arena[KITH__ARENA_FILES] = { -1 };

static inline void close_arena(void)
{
    if (arena[0] < 0)
        return;
    kith__arena_detach();
    arena[0] = -1;
}

static inline void open_arena(void)
{
    close_arena();
    PASS(kith__arena_create(arena));
    PASS(kith__heap_init());
}

static inline struct kith__heap_stats stats(void)
{
    struct kith__heap_stats s;

    kith__heap_stats(&s);
    return s;
}

/* What the kernel says that the arena takes. */
static inline uint64_t pages(void)
{
    uint64_t sum = 0;
    struct stat st;

    for (int i = 0; i < KITH__ARENA_FILES; i++)
        sum += fstat(arena[i], &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
    return sum;
}

static inline uint64_t alloc(uint64_t size)
{
    uint64_t block = kith__heap_alloc(size, 0);

    if (!block)
        printf("\n    alloc of %llu: %s\n", (unsigned long long)size, kith_last_error());
    CU_ASSERT_FATAL(block != 0);
    return block;
}

/* Every byte of a block depends on it, so an overlap shows. */
/* Shared memory byte by byte: of this a sanitizer learns nothing, and takes minutes for it. */
#define UNWATCHED __attribute__((no_sanitize("thread", "address", "undefined")))

UNWATCHED static inline void fill(uint64_t block, uint64_t size, uint64_t key)
{
    unsigned char *p = kith__at(block);

    for (uint64_t i = 0; i < size; i++)
        p[i] = (unsigned char)(key * 167 + i * 13 + i / 251);
}

UNWATCHED static inline int is_filled(uint64_t block, uint64_t size, uint64_t key)
{
    const unsigned char *p = kith__at(block);

    for (uint64_t i = 0; i < size; i++)
        if (p[i] != (unsigned char)(key * 167 + i * 13 + i / 251))
            return 0;
    return 1;
}

#endif
