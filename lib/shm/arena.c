/* arena.c: see arena.h. The heap lies upon it (heap.c), and the tables of objects and processes. */
#include "config.h"
#include "shm/arena.h"
#include "base/env.h"
#include "base/budget.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "shm/grow.h"
#include "shm/heap.h"
#include "base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define MIB (UINT64_C(1) << 20)
#define HEAP_MOST (UINT64_C(4) << 40) /* the heap's size classes end there */
#define VALGRIND_HEAP (256 * MIB)
#define UNASKED \
    (1 * MIB) /* so much is taken without a look at the system, which takes 0.2 ms the first time */

enum {
    WALL = 1 << 20,         /* the regions without access: behind the tables, and around the heap */
    TABLES_CHUNK = 1 << 16, /* tables are backed in such pieces */
    FAULT_AROUND = 1 << 16,
    UNBACK_STEP = 16 << 20,
    GROWTH = 1 << 20,    /* what a file grows by */
    FILL_STEP = 1 << 20, /* fallocate at a time: on older kernels a signal undoes the whole call */
    HUGE = 2 << 20,      /* a huge page; where they have another size, the kernel refuses */
    HUGE_MOST = 64 << 20 /* asked for at a time */
};

/* How long one huge page may take: quickly means no longer than the small ones. Those that did not come, or
 * came slowly, are not asked for again so soon; and on all slow ones together a process does not spend more
 * than HUGE_SLOW. */
#define HUGE_QUICK (1 * KITH__MS)
#define HUGE_LATE (10 * KITH__MS)
#define HUGE_SLOW (1000 * KITH__MS)
#define HUGE_PAUSE (1000 * KITH__MS)

enum { TABLES, INDEX, BLOCKS, BYTES, FILES = KITH__ARENA_FILES };

#define MAGIC UINT64_C(0x6172656e6161)

struct header { /* at offset 0 */
    uint64_t magic, header_size;
    uint64_t total; /* size of the mapping */
    struct kith__layout layout;
    uint64_t memory_limit;                                          /* KITH_MEM; UINT64_MAX: none */
    int numbers[FILES];                                             /* of the descriptors, in the keeper */
    _Atomic uint32_t has_heap;                                      /* 1: its books can be read */
    _Atomic int32_t keeper;                                         /* see kith__arena_keep */
    _Atomic uint64_t size[FILES];                                   /* that the files have at least */
    _Atomic uint64_t backed[KITH__TABLES_SIZE / TABLES_CHUNK / 64]; /* a bit for each chunk of the tables */
};

_Static_assert(sizeof(struct header) <= KITH__TABLES_START, "the header stands before the tables");

char *kith__base;
struct kith__layout kith__layout;

static struct header here; /* what does not change of the header, in reach without the mapping */
static struct kith__descriptor files[FILES];

/* ---- the budget */

/* The last answer of the system. It is each process's own: another may live in another cgroup. */
static pthread_mutex_t last_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int64_t at;
    uint64_t left, taken;
    struct kith__budget_groups groups;
} last;

static int is_limited(void)
{
    return here.memory_limit != UINT64_MAX;
}

/* Bytes that kith has taken pages for, by its own books: the files may have more, as mlockall fills all of
 * them. With KITH_MEM they are exact; else they need not be. */
static uint64_t taken_bytes(void)
{
    struct header *h = (struct header *)(void *)kith__base;

    if (!atomic_load(&h->has_heap))
        return KITH__TABLES_START;
    return KITH__TABLES_START +
           kith__bits_count(h->backed, sizeof h->backed / sizeof h->backed[0]) * TABLES_CHUNK +
           kith__heap_pages(is_limited());
}

/* Corrects what the system has. Pages that are there and that kith has not taken (filled by mlockall, or
 * under a promise that is asked for as long as it is not used up) are not to be had from it once more. Those
 * that kith has taken and that are not there yet, in hollow blocks, will be. */
static void correct(struct kith__budget *b, uint64_t taken)
{
    uint64_t there = 0, differ;
    struct stat st;

    for (int i = 0; i < FILES; i++) {
        if (!kith__descriptor_stat(&files[i], &st))
            return;
        there += (uint64_t)st.st_blocks * 512;
    }
    differ = there > taken ? there - taken : taken - there;
    if (there < taken)
        b->left -= differ < b->left ? differ : b->left;
    else if (is_limited())
        b->left += differ < UINT64_MAX - b->left ? differ : 0;
}

/* A part of what the system has is kept for page tables, 8 bytes a page for each process that touches it:
 * enough for eight of them to touch everything. */
static void keep_for_page_tables(struct kith__budget *b, uint64_t taken)
{
    uint64_t part = (taken < UINT64_MAX - b->left ? taken + b->left : UINT64_MAX) / 64;

    b->left -= part < b->left ? part : b->left;
}

static void read_budget(struct kith__budget *b, uint64_t taken)
{
    uint64_t left = here.memory_limit > taken ? here.memory_limit - taken : 0;

    pthread_mutex_lock(&last_mutex);
    kith__budget_read("", &last.groups, b);
    correct(b, taken);
    keep_for_page_tables(b, taken);
    if (is_limited() && left < b->left) {
        b->left = left;
        b->limit = here.memory_limit;
        snprintf(b->where, sizeof b->where, "KITH_MEM");
    }
    last.at = kith__now_ns();
    last.left = b->left;
    last.taken = taken;
    pthread_mutex_unlock(&last_mutex);
}

uint64_t kith__memory_available(void)
{
    struct kith__budget b;

    read_budget(&b, taken_bytes());
    return b.left;
}

uint64_t kith__memory_limit(void)
{
    struct kith__budget b;

    pthread_mutex_lock(&last_mutex);
    kith__budget_read("", &last.groups, &b);
    pthread_mutex_unlock(&last_mutex);
    return b.limit;
}

static int refuse(const struct kith__budget *b, uint64_t size, uint64_t promised)
{
    uint64_t left = b->left > promised ? b->left - promised : 0;
    char asked[KITH__SIZE_TEXT], free[KITH__SIZE_TEXT], limit[KITH__SIZE_TEXT];

    kith__size_text(size, asked);
    kith__size_text(left, free);
    kith__size_text(b->limit, limit);
    if (strcmp(b->where, "KITH_MEM") == 0)
        return kith__fail(KITH_ENOMEM,
                          "no %s of shared memory: %s is left of KITH_MEM, which is %s; "
                          "raise it, or ask for less",
                          asked, free, limit);
    if (b->where[0])
        return kith__fail(KITH_ENOMEM,
                          "no %s of shared memory: %s is left in the memory cgroup of %s (%s); "
                          "raise that limit, or ask for less",
                          asked, free, limit, b->where);
    return kith__fail(KITH_ENOMEM,
                      "no %s of shared memory: %s is left on this machine of %s; "
                      "end other programs, or ask for less",
                      asked, free, limit);
}

/* While there is plenty, an answer of the last 100 ms will do, less what the arena has taken since. */
static int plenty(uint64_t need, uint64_t taken)
{
    uint64_t left, since;
    int ok;

    pthread_mutex_lock(&last_mutex);
    since = taken > last.taken ? taken - last.taken : 0;
    left = last.left > since ? last.left - since : 0;
    ok = last.at && kith__now_ns() - last.at < 100 * KITH__MS && need <= left / 2 && left - need >= 64 * MIB;
    pthread_mutex_unlock(&last_mutex);
    return ok;
}

int kith__memory_allows(uint64_t size, uint64_t promised)
{
    uint64_t taken = taken_bytes(), need = size + promised;
    struct kith__budget b;

    if (need < size)
        need = UINT64_MAX;
    if (need <= UNASKED && taken + need <= UNASKED && taken + need <= here.memory_limit)
        return 0;
    if (plenty(need, taken))
        return 0;
    read_budget(&b, taken);
    return need <= b.left ? 0 : refuse(&b, size, promised);
}

/* ---- pages */

static uint64_t page_size(void)
{
    static uint64_t size;

    if (size == 0)
        size = (uint64_t)sysconf(_SC_PAGESIZE);
    return size;
}

/* Where a file is mapped, and how large it may become. */
static uint64_t begin_of(int i)
{
    const struct kith__layout *l = &here.layout;

    return i == TABLES ? 0 : i == INDEX ? l->heap_tables : i == BLOCKS ? l->heap_blocks : l->heap_start;
}

static uint64_t room_of(int i)
{
    const struct kith__layout *l = &here.layout;
    uint64_t end = i == TABLES   ? l->tables_end
                   : i == INDEX  ? l->heap_blocks
                   : i == BLOCKS ? l->heap_tables + l->heap_tables_size
                                 : l->heap_start + l->heap_size;

    return end - begin_of(i);
}

static int file_of(uint64_t offset)
{
    int i = BYTES;

    while (offset < begin_of(i))
        i--;
    return i;
}

static int refuse_growth(uint64_t size, int error)
{
    char need[KITH__SIZE_TEXT];

    kith__size_text(size, need);
    if (error == EFBIG)
        return kith__fail(KITH_ENOMEM, "shared memory needs a file of %s: raise ulimit -f", need);
    errno = error;
    return kith__fail_errno(KITH_ENOMEM,
                            "shared memory cannot grow to %s: this process has closed the descriptors that "
                            "kith had open, and cannot open those of the fork server",
                            need);
}

/* What lies before end is within its file from now on. */
static int grow(uint64_t end)
{
    struct header *h = (struct header *)(void *)kith__base;
    int i = file_of(end - 1);
    uint64_t need = end - begin_of(i), size = (need + GROWTH - 1) & ~(uint64_t)(GROWTH - 1),
             seen = atomic_load(&h->size[i]);

    if (need <= seen)
        return 0;
    if (size > room_of(i))
        size = room_of(i);
    if (kith__file_grow(&files[i], size, atomic_load(&h->keeper), h->numbers[i]) < 0)
        return refuse_growth(size, errno);
    kith__failpoint("arena: file grown");
    while (seen < size && !atomic_compare_exchange_weak(&h->size[i], &seen, size))
        ;
    return 0;
}

/* Without the descriptor: by the mapping alone. */
static int fill_mapped(uint64_t offset, uint64_t size)
{
    if (madvise(kith__at(offset), size, MADV_POPULATE_WRITE) == 0)
        return 0;
    if (errno != EINVAL)
        return -1;
    for (uint64_t at = offset; at < offset + size; at += page_size())
        atomic_fetch_or((_Atomic uint8_t *)kith__at(at),
                        0); /* before Linux 5.14: a write that changes nothing */
    return 0;
}

static int fill_step(uint64_t at, uint64_t size)
{
    int i = file_of(at);

    return kith__descriptor_is_ours(&files[i])
               ? fallocate(files[i].fd, 0, (off_t)(at - begin_of(i)), (off_t)size)
               : fill_mapped(at, size);
}

/* Whole pages. -1 with errno; *at is how far it came. */
static int fill_plain(uint64_t *at, uint64_t end)
{
    uint64_t step = FILL_STEP;

    while (*at < end) {
        if (step > end - *at)
            step = end - *at;
        if (fill_step(*at, step) == 0)
            *at += step;
        else if (errno != EINTR)
            return -1;
        else if (step > page_size()) /* a timer that is faster than a step would undo it again and again */
            step = (step / 2) & ~(page_size() - 1);
    }
    return 0;
}

static _Atomic int64_t huge_from; /* huge pages are asked for from this time on */
static _Atomic int64_t huge_slow; /* ns that slow ones took so far */

/* How much of [at, end) to ask for as huge pages: up to most bytes; 0: none, or not now. */
static uint64_t huge_span(uint64_t at, uint64_t end, uint64_t most)
{
    uint64_t span = (end - at) & ~(uint64_t)(HUGE - 1);

    if (at % HUGE || span == 0 || (uintptr_t)kith__base % HUGE || kith__now_ns() < atomic_load(&huge_from))
        return 0;
    return span < most ? span : most;
}

/* Fills [at, at + span) with huge pages, where the system has them: one fault for each process instead of
 * 512, and filled at once. By MADV_COLLAPSE (Linux 6.1), which does so also where the system's default for
 * shared memory is "never", and which wants one page to be there in each. Whatever comes of it, the rest is
 * for fill_plain. */
static void fill_huge(uint64_t at, uint64_t span, enum kith__fill how)
{
    int64_t start, each,
        patience = how == KITH__LASTING && atomic_load(&huge_slow) < HUGE_SLOW ? HUGE_LATE : HUGE_QUICK;
    int rc;

    for (uint64_t p = at; p < at + span; p += HUGE)
        if (fill_step(p, page_size()) < 0)
            return;
    start = kith__now_ns();
    rc = madvise(kith__at(at), span, MADV_COLLAPSE);
    each = (kith__now_ns() - start) / (int64_t)(span / HUGE);
    if (each > HUGE_QUICK)
        atomic_fetch_add(&huge_slow, each * (int64_t)(span / HUGE));
    if (rc < 0 || each > patience)
        atomic_store(&huge_from, kith__now_ns() + HUGE_PAUSE);
}

int kith__arena_fill(uint64_t offset, uint64_t size, enum kith__fill how)
{
    uint64_t first = offset & ~(page_size() - 1),
             end = (offset + size + page_size() - 1) & ~(page_size() - 1);
    uint64_t at = how == KITH__HOLLOW ? end : first, most = HUGE;
    char text[KITH__SIZE_TEXT];
    int rc = grow(end);

    if (rc < 0)
        return rc;
    while (at < end) {
        uint64_t span = how != KITH__SMALL ? huge_span(at, end, most) : 0, next = (at | (HUGE - 1)) + 1;

        if (span) {
            fill_huge(at, span, how);
            most = most < HUGE_MOST
                       ? most * 2
                       : most; /* the first tells how long they take; each call costs something */
            next = at + span;
        }
        if (fill_plain(&at, next < end ? next : end) < 0) {
            int error = errno;

            if (at > offset)
                kith__arena_unback(offset, at - offset);
            errno = error;
            return kith__fail_errno(KITH_ENOMEM, "the system has no %s of shared memory",
                                    kith__size_text(size, text));
        }
    }
    return 0;
}

int kith__arena_back(uint64_t offset, uint64_t size)
{
    int rc = kith__memory_allows(size, 0);

    return rc < 0 ? rc : kith__arena_fill(offset, size, KITH__SMALL);
}

void kith__arena_unback(uint64_t offset, uint64_t size)
{
    uint64_t first = (offset + page_size() - 1) & ~(page_size() - 1),
             end = (offset + size) & ~(page_size() - 1);
    int i = file_of(first);

    /* In steps: meanwhile nobody else could fill anything. */
    for (uint64_t at = first, step; at < end; at += step) {
        step = end - at < UNBACK_STEP ? end - at : UNBACK_STEP;
        /* MADV_REMOVE does the same by the mapping. */
        if (!kith__descriptor_is_ours(&files[i]) ||
            fallocate(files[i].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(at - begin_of(i)),
                      (off_t)step) < 0)
            madvise(kith__at(at), step, MADV_REMOVE);
    }
}

/* The kernel maps the pages around that which is read, 64 KiB of them, and where all is mapped it costs next
 * to nothing; madvise(MADV_POPULATE_READ) would walk through all in any case. */
void kith__arena_meet(uint64_t offset, uint64_t size)
{
    for (uint64_t at = offset; at < offset + size; at = (at | (FAULT_AROUND - 1)) + 1)
        (void)atomic_load_explicit((_Atomic uint8_t *)kith__at(at), memory_order_relaxed);
}

int kith__arena_back_tables(uint64_t offset, uint64_t size)
{
    struct header *h = (struct header *)(void *)kith__base;
    char text[KITH__SIZE_TEXT];

    if (offset + size > here.layout.tables_end)
        return kith__fail(KITH_ENOMEM,
                          "the tables of shared memory are full: under this ulimit -v they have %s; raise it",
                          kith__size_text(here.layout.tables_end, text));
    for (uint64_t chunk = offset / TABLES_CHUNK; chunk * TABLES_CHUNK < offset + size; chunk++) {
        uint64_t bit = UINT64_C(1) << chunk % 64;
        int rc;

        if (atomic_load_explicit(&h->backed[chunk / 64], memory_order_acquire) & bit)
            continue;
        /* Two may do it at once, and one may die in between: both are harmless. */
        if ((rc = kith__arena_back(chunk * TABLES_CHUNK, TABLES_CHUNK)) < 0)
            return rc;
        kith__failpoint("arena: tables filled");
        atomic_fetch_or(&h->backed[chunk / 64], bit);
    }
    return 0;
}

/* ---- making and mapping */

/* Bytes of address space that this process may still map. */
static uint64_t address_room(void)
{
    unsigned long long pages = 0;
    struct rlimit limit;
    FILE *f;

    if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    f = fopen("/proc/self/statm", "re");
    if (f) {
        if (fscanf(f, "%llu", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    return limit.rlim_cur > pages * page_size() ? limit.rlim_cur - pages * page_size() : 0;
}

/* KITH_MEM bounds what is mapped, too, as ulimit -l and -v count that. Each region can still take all of
 * KITH_MEM, and the heap has twice as much: blocks that grow by doubling, while every other one is freed,
 * leave no gap that is large enough for the next. */
static uint64_t heap_most(void)
{
    if (here.memory_limit >= HEAP_MOST / 2)
        return HEAP_MOST;
    return here.memory_limit < MIB ? MIB : (2 * here.memory_limit + MIB - 1) & ~(MIB - 1);
}

static uint64_t tables_end(int tight)
{
    uint64_t most = tight ? KITH__TABLES_LEAST : KITH__TABLES_SIZE;

    if (here.memory_limit >= most - KITH__TABLES_FIXED)
        return most;
    return (KITH__TABLES_FIXED + here.memory_limit + WALL - 1) & ~(uint64_t)(WALL - 1);
}

/* The layout of all regions for a heap of that size. */
static void lay_out(uint64_t heap_size, int tight)
{
    here.magic = MAGIC;
    here.header_size = sizeof here;
    here.layout.tables_end = tables_end(tight);
    here.layout.heap_tables = here.layout.tables_end + WALL;
    here.layout.heap_size = heap_size & ~(MIB - 1);
    here.layout.heap_blocks = here.layout.heap_tables + kith__heap_index_need(here.layout.heap_size);
    here.layout.heap_tables_size =
        (here.layout.heap_blocks - here.layout.heap_tables +
         kith__heap_blocks_need(here.layout.heap_size, here.memory_limit, tight) + WALL - 1) &
        ~(uint64_t)(WALL - 1);
    /* At a huge page, as its file begins there. */
    here.layout.heap_start =
        (here.layout.heap_tables + here.layout.heap_tables_size + WALL + HUGE - 1) & ~(uint64_t)(HUGE - 1);
    here.total = here.layout.heap_start + here.layout.heap_size + WALL;
}

/* Address space for size bytes, without access, where huge pages can be mapped if there is room to choose. */
static char *reserve(uint64_t size)
{
    uint64_t more = address_room() == UINT64_MAX ? HUGE : 0;
    char *room = mmap(NULL, size + more, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
         *from;

    if (room == MAP_FAILED || !more)
        return room;
    from = room + (HUGE - (uintptr_t)room % HUGE) % HUGE;
    if (from > room)
        munmap(room, (size_t)(from - room));
    munmap(from + size, (size_t)(room + HUGE - from));
    return from;
}

/* After mlockall(MCL_FUTURE) a mapping is filled as it is made: all of it, as no budget is asked. One without
 * access is not, and one that is shared and not locked is not filled when access is given. So its pages come
 * as they are used, as without mlockall. */
static int map_unfilled(char *place, uint64_t size, int fd)
{
    return mmap(place, size, PROT_NONE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) == MAP_FAILED ||
                   munlock(place, size) < 0 || mprotect(place, size, PROT_READ | PROT_WRITE) < 0
               ? -1
               : 0;
}

/* What no file is mapped to, are walls. */
static int map(const int *fds)
{
    char *base = reserve(here.total);
    int rc = base == MAP_FAILED || munlock(base, here.total) < 0 ? -1 : 0, error;

    for (int i = 0; rc == 0 && i < FILES; i++)
        rc = map_unfilled(base + begin_of(i), room_of(i), fds[i]);
    if (rc < 0) {
        error = errno;
        if (base != MAP_FAILED)
            munmap(base, here.total);
        errno = error;
        return -1;
    }
    madvise(base, here.total, MADV_DONTDUMP);
    kith__base = base;
    kith__layout = here.layout;
    return 0;
}

static void close_all(const int *fds)
{
    for (int i = 0; i < FILES; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void remember(const int *fds)
{
    for (int i = 0; i < FILES; i++)
        kith__descriptor_own(&files[i], fds[i]);
    pthread_mutex_lock(&last_mutex);
    last.at = 0;
    pthread_mutex_unlock(&last_mutex);
}

static int refuse_map(int error, uint64_t room)
{
    char need[KITH__SIZE_TEXT], have[KITH__SIZE_TEXT];

    kith__size_text(here.total, need);
    if (error == EFBIG)
        return kith__fail(KITH_ENOMEM, "shared memory needs a file of %s: raise ulimit -f", need);
    if (room != UINT64_MAX)
        return kith__fail(
            KITH_ENOMEM,
            "no room to map %s of shared memory: ulimit -v leaves %s; raise it, or ulimit -v unlimited", need,
            kith__size_text(room, have));
    if (error == EAGAIN)
        return kith__fail(
            KITH_ENOMEM,
            "no room to map %s of shared memory: the program has called mlockall(MCL_FUTURE), and ulimit -l "
            "is less than that; raise it, or call mlockall with MCL_CURRENT only",
            need);
    errno = error;
    return kith__fail_errno(KITH_ENOMEM, "cannot map %s of shared memory", need);
}

/* Members and seats are looked at whether they were used or not. Valgrind, at the end, looks for leaks in all
 * that is mapped, and takes long for each page that lies behind the end of a file. */
static uint64_t first_size(int i)
{
    return kith__under_valgrind() ? room_of(i) : i == TABLES ? KITH__TABLES_FIXED : 0;
}

/* They must be able to grow to their full size within ulimit -f. */
static int size_files(const int *fds)
{
    struct rlimit limit = { 0, RLIM_INFINITY };
    int rc = 0;

    getrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; rc == 0 && i < FILES; i++) {
        errno = EFBIG;
        rc = room_of(i) > limit.rlim_max ? -1 : kith__file_resize(fds[i], first_size(i));
    }
    return rc;
}

/* The largest arena that can be mapped: from the size of the machine's memory, or what KITH_MEM allows, down
 * to 64 MiB of heap. */
static int make(const int *fds)
{
    uint64_t room = address_room(), heap = (uint64_t)sysconf(_SC_PHYS_PAGES) * page_size();
    /* At the end valgrind reads all memory that is mapped, to look for leaks: and what was never there is
     * made by that. */
    int tight = room != UINT64_MAX || kith__under_valgrind(), error;

    if (kith__under_valgrind() && heap > VALGRIND_HEAP)
        heap = VALGRIND_HEAP;
    heap = heap < 64 * MIB ? 64 * MIB : heap;
    if (heap_most() < heap)
        heap = heap_most();
    for (;; heap /= 2) {
        lay_out(heap, tight);
        /* Half of the room is left to the program: stacks of threads, malloc. */
        if (here.total > room / 2 && heap > 128 * MIB)
            continue;
        if (size_files(fds) == 0 && map(fds) == 0)
            return 0;
        error = errno;
        tight = 1;
        if (heap < 128 * MIB)
            return refuse_map(error, room);
    }
}

static int fill_header(void)
{
    struct header *h = (struct header *)(void *)kith__base;
    int rc;

    for (int i = 0; i < FILES; i++)
        atomic_store(&h->size[i], first_size(i));
    if ((rc = kith__arena_fill(0, KITH__TABLES_START, KITH__SMALL)) < 0)
        return rc;
    for (int i = 0; i < FILES; i++)
        here.numbers[i] = files[i].fd;
    memcpy(kith__base, &here, offsetof(struct header, has_heap));
    kith__arena_keep();
    return 0;
}

void kith__arena_keep(void)
{
    atomic_store(&((struct header *)(void *)kith__base)->keeper, getpid());
}

void kith__arena_has_heap(void)
{
    atomic_store(&((struct header *)(void *)kith__base)->has_heap, 1);
}

int kith__arena_check_settings(void)
{
    const char *wish = kith__env(KITH__ENV_MEM);

    here.memory_limit = UINT64_MAX;
    return wish ? kith__parse_size("KITH_MEM", wish, &here.memory_limit) : 0;
}

static int make_files(int *fds)
{
    int ok = 1;

    for (int i = 0; i < FILES; i++) {
        fds[i] = memfd_create("kith", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        ok = ok && fds[i] >= 0 && fcntl(fds[i], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
    }
    return ok ? 0 : kith__fail_errno(KITH_ENOMEM, "cannot make shared memory (memfd_create)");
}

int kith__arena_create(int fds[KITH__ARENA_FILES])
{
    int rc = kith__arena_check_settings(), made[FILES];

    if (rc < 0)
        return rc;
    if ((rc = make_files(made)) < 0 || (rc = make(made)) < 0) {
        close_all(made);
        return rc;
    }
    remember(made);
    if ((rc = fill_header()) < 0) {
        kith__arena_detach();
        return rc;
    }
    for (int i = 0; i < FILES; i++)
        fds[i] = files[i].fd;
    return 0;
}

static int look_at_header(int fd)
{
    ssize_t n = pread(fd, &here, offsetof(struct header, has_heap), 0);

    if (n == (ssize_t)offsetof(struct header, has_heap) && here.magic == MAGIC &&
        here.header_size == sizeof here)
        return 0;
    return kith__fail(KITH_EINVAL, "file descriptor %d is not shared memory of this version of kith", fd);
}

int kith__arena_attach(const int fds[KITH__ARENA_FILES])
{
    int rc = look_at_header(fds[TABLES]);

    if (rc == 0 && map(fds) < 0)
        rc = refuse_map(errno, address_room());
    if (rc < 0) {
        close_all(fds);
        return rc;
    }
    remember(fds);
    return 0;
}

void kith__arena_detach(void)
{
    if (kith__base)
        munmap(kith__base, here.total);
    kith__base = NULL;
    for (int i = 0; i < FILES; i++)
        kith__descriptor_close(&files[i]);
}

void kith__arena_swap(struct kith__mapping *m)
{
    struct kith__mapping now = { kith__base, here.layout, here.total, here.memory_limit, { { 0 } } };

    kith__base = m->base;
    kith__layout = here.layout = m->layout;
    here.total = m->total;
    here.memory_limit = m->memory_limit;
    memcpy(now.files, files, sizeof files);
    memcpy(files, m->files, sizeof files);
    *m = now;
}

int kith__arena_holds(const void *p, size_t size)
{
    uint64_t at = (uint64_t)(uintptr_t)p - (uint64_t)(uintptr_t)kith__base - here.layout.heap_start;

    return kith__base && at < here.layout.heap_size && size <= here.layout.heap_size - at;
}
