/* heap.c: see heap.h; block.h tells what it is made of.
 *
 * Each step is an attempt under the guard, which changes all or nothing. Pages are taken and given back
 * outside of it, in a block that is RESERVED to a lease. Who dies with a lease leaves that block: the next
 * one in the lease makes it COLD.
 */
#include "config.h"
#include "shm/heap.h"
#include "shm/arena.h"
#include "shm/block.h"
#include "base/budget.h"
#include "base/error.h"

#include <assert.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define WARM_LEAST (64 * MIB) /* warm free bytes that are kept, on a small machine and on a large one */
#define WARM_MOST (256 * MIB)
#define WARM_PART 96       /* of the machine's memory, in between */
#define WARM_SHARE 8       /* part of a memory cgroup's limit at most: what is kept, others cannot have */
#define WARM_ANY (4 * MIB) /* so much in any case */

enum {
    LARGE = 64 << 10, /* blocks from here on are whole pages */
    STEP_LEAST = 64 << 10,
    STEP_MOST = 1 << 20,    /* backed at a time for small blocks */
    PUNCH_LEAST = 64 << 10, /* smaller holes are not worth a system call */
    FILL_AHEAD = 4 << 20,   /* of a hollow block: some huge pages */
    BACK_MOST = 16 << 20,   /* given back in one step */
    BOOK_LOOKS = 100        /* tries to enter the guard, by one who must not wait */
};

struct request {
    struct lease *lease;
    uint64_t size, align;
    uint64_t step; /* as much is backed if there is a cold block for it, else size */
    uint64_t keep; /* warm bytes that stay */
    uint64_t most; /* so many are given back at once; 0: all */
    uint64_t owner;
    enum kith__fill how;
    uint64_t offset;  /* the result */
    uint64_t missing; /* for kith__heap_satisfy */
    int gives_back;   /* it makes room: it may take from the reserve for that */
};

/* Who must not wait tries. 0: somebody is in the guard. */
static int enter(struct heap *h, int wait)
{
    if (!wait)
        return kith__guard_try(&h->guard);
    kith__guard_enter(&h->guard);
    return 1;
}

static enum verdict run(struct heap *h, enum verdict (*attempt)(struct change *c, struct request *r),
                        struct request *r, int wait)
{
    for (;;) {
        struct change c;
        enum verdict verdict;

        if (!enter(h, wait))
            return BUSY;
        c.h = h; /* the arrays in it are large: not all of it is set */
        c.seen = c.count = 0;
        verdict = attempt(&c, r);
        if (verdict == DONE)
            kith__change_commit(&c);
        kith__guard_leave(&h->guard);
        if (verdict <= FAILED)
            return verdict;
        if (kith__heap_satisfy(h, verdict, r->missing, 0) < 0 &&
            (!r->gives_back || kith__heap_satisfy(h, verdict, r->missing, 1) < 0))
            return FAILED;
    }
}

static void account_used(struct change *c, uint64_t size)
{
    add(c, &c->h->used_bytes, size);
    add(c, &c->h->used_blocks, 1);
}

static enum verdict take_warm(struct change *c, struct request *r)
{
    uint64_t d = kith__block_find(c, WARM, r->size, r->align);
    enum verdict verdict;

    if (!d)
        return NOTHING;
    r->offset = up(start_of(c, d), r->align);
    verdict = kith__block_carve(c, &d, r->offset, r->offset + r->size, USED, &r->missing);
    if (verdict != DONE)
        return verdict;
    put(c, &block(c->h, d)->owner, r->owner);
    account_used(c, r->size);
    return DONE;
}

/* ---- leases, and what is done under them */

/* The block of the lease: its pages are missing, or may be. */
static enum verdict make_cold(struct change *c, struct request *r)
{
    kith__block_release(c, get(c, &r->lease->block), COLD);
    put(c, &r->lease->block, 0);
    return DONE;
}

/* In the lease: gives its block back, if it has one. 1: somebody is in the guard. */
static int abandon(struct heap *h, struct lease *l, int wait)
{
    struct request r = { .lease = l };
    struct change c = { .h = h };
    uint64_t d, start = 0, end = 0;

    /* First of all the guard: the commit of one who died may stand in its record still. */
    if (!enter(h, wait))
        return 1;
    if ((d = get(&c, &l->block)) != 0) {
        start = start_of(&c, d);
        end = end_of(&c, d);
    }
    kith__guard_leave(&h->guard);
    if (d) {
        kith__arena_unback(start, end - start);
        kith__failpoint("heap: pages given back");
        if (run(h, make_cold, &r, wait) == BUSY)
            return 1;
    }
    atomic_store(&l->promised, 0);
    return 0;
}

/* A lease that nobody has. With wait 0 NULL when there is none, or somebody is in the guard. */
static struct lease *take_lease(struct heap *h, int wait)
{
    struct lease *l = NULL;

    for (int i = 0; !l && i < LEASES; i++)
        if (kith__guard_try(&h->leases[i].guard))
            l = &h->leases[i];
    if (!l && wait) {
        l = &h->leases[(uint32_t)getpid() % LEASES];
        kith__guard_enter(&l->guard);
    }
    if (l && abandon(h, l, wait)) { /* what one who died in it has left */
        kith__guard_leave(&l->guard);
        return NULL;
    }
    return l;
}

/* Reserves a part of a large warm block, whose pages are to go: as many as bring the warm bytes down to keep.
 */
static enum verdict choose_punch(struct change *c, struct request *r)
{
    uint64_t warm = get(c, &c->h->warm_bytes), d = kith__block_largest(c, WARM), start, end;
    enum verdict verdict;

    if (!d || warm <= r->keep)
        return NOTHING;
    start = up(start_of(c, d), PAGE);
    end = end_of(c, d) / PAGE * PAGE;
    if (end < start + PUNCH_LEAST)
        return NOTHING;
    if (end - start > up(warm - r->keep, PUNCH_LEAST))
        start = end - up(warm - r->keep, PUNCH_LEAST); /* low addresses stay warm */
    if (r->most && end - start > r->most)
        start = end - r->most;
    verdict = kith__block_carve(c, &d, start, end, RESERVED, &r->missing);
    if (verdict == DONE)
        put(c, &r->lease->block, d);
    return verdict;
}

/* Gives pages back until no more than keep are warm, or all that are left are in small pieces. */
static void punch(struct heap *h, struct lease *l, uint64_t keep, int wait)
{
    struct request r = { .lease = l, .keep = keep, .gives_back = 1 };

    while (run(h, choose_punch, &r, wait) == DONE && !abandon(h, l, wait))
        ;
}

static void trim(struct heap *h, uint64_t keep, int wait)
{
    struct lease *l = take_lease(h, wait);

    if (!l)
        return;
    punch(h, l, keep, wait);
    kith__guard_leave(&l->guard);
}

/* ---- cold blocks */

static enum verdict reserve_cold(struct change *c, struct request *r)
{
    uint64_t d = kith__block_find(c, COLD, r->step, PAGE), start, end;
    enum verdict verdict;

    if (!d)
        d = kith__block_find(c, COLD, r->size, PAGE);
    if (!d)
        return NOTHING;
    start = start_of(c, d);
    end = end_of(c, d) - start > r->step ? start + r->step : end_of(c, d);
    verdict = kith__block_carve(c, &d, start, end, RESERVED, &r->missing);
    if (verdict == DONE)
        put(c, &r->lease->block, d);
    return verdict;
}

/* The block of the lease has its pages: size bytes of it are used, the rest is warm. */
static enum verdict finish_cold(struct change *c, struct request *r)
{
    uint64_t d = get(c, &r->lease->block);
    enum verdict verdict;

    r->offset = start_of(c, d);
    verdict = kith__block_shorten(c, d, r->offset + r->size, &r->missing);
    if (verdict != DONE)
        return verdict;
    set_state(c, d, USED);
    put(c, &block(c->h, d)->owner, r->owner);
    put(c, &r->lease->block, 0);
    account_used(c, r->size);
    return DONE;
}

/* Asks the budget for size bytes. While others have a promise that they have not used up, the system's
 * figures may count it twice: then again a little later. */
static int promise(struct heap *h, struct lease *l, uint64_t size)
{
    const struct timespec moment = { 0, 1000000 };

    for (int tries = 0;; tries++) {
        uint64_t others = 0;
        int rc;

        kith__guard_enter(&h->budget);
        for (int i = 0; i < LEASES; i++)
            others += &h->leases[i] == l ? 0 : atomic_load(&h->leases[i].promised);
        rc = kith__memory_allows(size, others);
        if (rc == 0)
            atomic_store(&l->promised, size);
        kith__guard_leave(&h->budget);
        if (rc == 0 || others == 0 || tries == 1000)
            return rc;
        for (int i = 0; i < LEASES; i++) /* the others may be dead */
            if (&h->leases[i] != l && kith__guard_try(&h->leases[i].guard)) {
                abandon(h, &h->leases[i], 1);
                kith__guard_leave(&h->leases[i].guard);
            }
        nanosleep(&moment, NULL);
    }
}

/* There is no such block: for want of memory, or of one in one piece. */
static void refuse_cold(uint64_t size)
{
    char text[KITH__SIZE_TEXT];

    if (kith__memory_allows(size, 0) == 0)
        kith__fail(KITH_ENOMEM,
                   "no %s of shared memory in one piece: it is too fragmented; free some, or ask for less",
                   kith__size_text(size, text));
}

/* One attempt on cold memory: 1, or 0 and the sentence. */
static int try_cold(struct heap *h, struct request *r)
{
    struct change c = { .h = h };
    enum verdict verdict = run(h, reserve_cold, r, 1);
    uint64_t d, start, length;

    if (verdict == NOTHING)
        refuse_cold(r->size);
    if (verdict != DONE)
        return 0;
    /* Nobody else changes where a reserved block begins and ends. */
    d = atomic_load(&r->lease->block);
    start = start_of(&c, d);
    length = size_of(&c, d);
    if (promise(h, r->lease, length) == 0 && kith__arena_fill(start, length, r->how) == 0) {
        kith__failpoint("heap: pages taken");
        if (run(h, finish_cold, r, 1) == DONE) {
            atomic_store(&r->lease->promised, 0); /* not before: now it stands in the books */
            return 1;
        }
    }
    abandon(h, r->lease, 1);
    return 0;
}

/* For small blocks more is backed than asked for: the larger the heap, the more. */
static uint64_t step_of(struct heap *h, uint64_t pages)
{
    uint64_t part = (atomic_load(&h->used_bytes) + atomic_load(&h->warm_bytes)) / 8 & ~(uint64_t)(PAGE - 1);

    part = part < STEP_LEAST ? STEP_LEAST : part > STEP_MOST ? STEP_MOST : part;
    return pages > part ? pages : part;
}

static int take_cold(struct heap *h, struct request *r)
{
    uint64_t pages = up(r->size, PAGE);
    int done;

    r->lease = take_lease(h, 1);
    r->step = step_of(h, pages);
    done = try_cold(h, r);
    if (!done && r->step > pages) {
        r->step = pages;
        done = try_cold(h, r);
    }
    /* Short of memory: what is warm elsewhere must not stand in the way. But for what is hopeless. */
    if (!done && atomic_load(&h->warm_bytes) &&
        kith__memory_available() + atomic_load(&h->warm_bytes) >= pages) {
        punch(h, r->lease, 0, 1);
        done = try_cold(h, r);
    }
    kith__guard_leave(&r->lease->guard);
    return done;
}

/* ---- the contract */

static uint64_t alloc(size_t size, uint64_t owner, enum kith__fill how)
{
    struct heap *h = the_heap();
    struct request r = { .align = size < LARGE ? GRANULE : PAGE, .owner = owner, .how = how };
    char asked[KITH__SIZE_TEXT], all[KITH__SIZE_TEXT];
    enum verdict verdict;

    if (size > kith__layout.heap_size) {
        if (kith__memory_allows(size, 0) == 0)
            kith__fail(KITH_ENOMEM, "no %s of shared memory: it has %s in all", kith__size_text(size, asked),
                       kith__size_text(kith__layout.heap_size, all));
        return 0;
    }
    r.size = up(size ? size : 1, r.align);
    verdict = run(h, take_warm, &r, 1);
    if (verdict == FAILED &&
        atomic_load(&h->warm_bytes)) { /* no memory for tables, as all that was left is warm */
        trim(h, 0, 1);
        verdict = run(h, take_warm, &r, 1);
    }
    switch (verdict) {
    case DONE:
        if (r.size >= LARGE)
            kith__arena_meet(r.offset, r.size);
        return r.offset;
    case NOTHING: return take_cold(h, &r) ? r.offset : 0;
    default: return 0;
    }
}

uint64_t kith__heap_alloc(size_t size, uint32_t owner)
{
    return alloc(size, owner, owner ? KITH__SCRATCH : KITH__LASTING);
}

uint64_t kith__heap_alloc_lasting(size_t size, uint64_t owner)
{
    return alloc(size, owner, KITH__LASTING);
}

uint64_t kith__heap_alloc_hollow(size_t size, uint32_t owner)
{
    return alloc(size, owner, KITH__HOLLOW);
}

/* The block in use that begins at offset, or 0. Needs no guard, if the block is the caller's. */
static uint64_t lookup(uint64_t offset)
{
    struct heap *h = the_heap();
    uint64_t d;

    if (offset % GRANULE || offset < kith__layout.heap_start ||
        offset - kith__layout.heap_start >= kith__layout.heap_size || !index_ready(h, offset))
        return 0;
    d = atomic_load_explicit(index_of(h, offset), memory_order_relaxed);
    if (d == 0 || d >= atomic_load(&h->high) || atomic_load(&block(h, d)->position) != (offset | USED))
        return 0;
    return d;
}

/* Of descriptors that are not in use only this is certain: that they do not say USED. */
int kith__heap_holds(uint64_t offset)
{
    struct change c = { .h = the_heap() };
    uint64_t high = atomic_load(&c.h->high);

    for (uint64_t d = FIRST_BLOCK; d < high; d++)
        if (state_of(&c, d) == USED && offset >= start_of(&c, d) && offset < end_of(&c, d))
            return 1;
    return 0;
}

/* Asked late, as most programs never need to know, and the answer takes some 50 µs. */
static uint64_t kept_warm(struct heap *h)
{
    uint64_t kept = atomic_load_explicit(&h->warm_kept, memory_order_relaxed), share;

    if (kept)
        return kept;
    kept = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / WARM_PART;
    kept = kept < WARM_LEAST ? WARM_LEAST : kept > WARM_MOST ? WARM_MOST : kept;
    share = kith__memory_limit() / WARM_SHARE;
    kept = share > kept ? kept : share > WARM_ANY ? share : WARM_ANY;
    atomic_store_explicit(&h->warm_kept, kept, memory_order_relaxed);
    return kept;
}

/* More begins to be given back. */
static uint64_t most_warm(struct heap *h)
{
    return kept_warm(h) + kept_warm(h) / 8;
}

static int has_much_warm(struct heap *h)
{
    uint64_t warm = atomic_load(&h->warm_bytes);

    return warm > WARM_ANY && warm > most_warm(h);
}

/* In the guard. 1: there is more warm memory now than is kept. */
static int free_one(struct heap *h, uint64_t d)
{
    struct change c = { .h = h };
    uint64_t big;

    put(&c, &block(h, d)->owner, 0);
    add(&c, &h->used_bytes, -size_of(&c, d));
    add(&c, &h->used_blocks, (uint64_t)-1);
    kith__block_release(&c, d, WARM);
    kith__change_commit(&c);
    big = has_much_warm(h) ? kith__block_largest(&c, WARM) : 0;
    return big && size_of(&c, big) >= PUNCH_LEAST + 2 * PAGE;
}

static int back_in_steps, back_left; /* of this process: what it has freed is given back by _give_back */

void kith__heap_free(uint64_t offset)
{
    struct heap *h = the_heap();
    uint64_t d;
    int much;

    if (offset == 0)
        return;
    kith__guard_enter(&h->guard);
    d = lookup(offset);
    much = d && free_one(h, d);
    kith__guard_leave(&h->guard);
    if (much && back_in_steps)
        back_left = 1;
    else if (much)
        trim(h, kept_warm(h), 1);
}

void kith__heap_back_in_steps(void)
{
    back_in_steps = 1;
}

int kith__heap_give_back(void)
{
    struct heap *h = the_heap();
    struct request r = { .most = BACK_MOST, .gives_back = 1 };

    if (!back_left)
        return 0;
    r.keep = kept_warm(h);
    r.lease = take_lease(h, 1);
    back_left = run(h, choose_punch, &r, 1) == DONE && !abandon(h, r.lease, 1);
    kith__guard_leave(&r.lease->guard);
    return back_left;
}

int kith__heap_check(uint64_t offset)
{
    if (lookup(offset))
        return 0;
    return kith__fail(KITH_EINVAL, "offset %llu is not the start of a block of shared memory that is in use",
                      (unsigned long long)offset);
}

size_t kith__heap_size_of(uint64_t offset)
{
    struct change c = { .h = the_heap() };
    uint64_t d = lookup(offset);

    return d ? size_of(&c, d) : 0;
}

uint64_t kith__heap_fill(uint64_t offset, uint64_t from, uint64_t to)
{
    uint64_t end = up(offset + to, FILL_AHEAD), size = kith__heap_size_of(offset);

    if (end > offset + size)
        end = offset + size;
    /* The budget has promised them. Should the system have none all the same, a write will ask it once more.
     */
    kith__arena_fill(offset + from, end - offset - from, KITH__SCRATCH);
    kith__arena_meet(offset + from, end - offset - from);
    return end - offset;
}

kith__word *kith__heap_owner(uint64_t offset)
{
    uint64_t d = lookup(offset);

    assert(d);
    return &block(the_heap(), d)->owner;
}

void kith__heap_pass(uint64_t offset, uint64_t from, uint64_t to)
{
    uint64_t d = lookup(offset);

    if (d)
        atomic_compare_exchange_strong(&block(the_heap(), d)->owner, &from, to);
}

uint64_t kith__heap_owner_now(uint64_t offset)
{
    uint64_t d = lookup(offset);

    return d ? atomic_load(&block(the_heap(), d)->owner) : 0;
}

/* Gives back what dead processes had reserved. 1: somebody is in the guard. */
static int sweep_leases(struct heap *h)
{
    int busy = 0;

    for (int i = 0; i < LEASES; i++) {
        struct lease *l = &h->leases[i];

        if ((!atomic_load(&l->block) && !atomic_load(&l->promised)) || !kith__guard_try(&l->guard))
            continue; /* nothing is in it, or its holder lives */
        busy |= abandon(h, l, 0);
        kith__guard_leave(&l->guard);
    }
    return busy;
}

int kith__heap_sweep(uint32_t owner)
{
    struct heap *h = the_heap();
    uint64_t high;

    if (owner == 0)
        return 0;
    if (!kith__guard_try(&h->guard))
        return 1;
    high = atomic_load(&h->high);
    kith__guard_leave(&h->guard); /* by now what the dead one had decided is done */
    for (uint64_t d = FIRST_BLOCK; d < high; d++) {
        struct block *b = block(h, d);

        if ((uint32_t)atomic_load_explicit(&b->owner, memory_order_relaxed) != owner)
            continue;
        if (!kith__guard_try(&h->guard))
            return 1;
        if ((uint32_t)atomic_load(&b->owner) == owner && atomic_load(&b->position) % GRANULE == USED)
            free_one(h, d);
        kith__guard_leave(&h->guard);
    }
    if (sweep_leases(h))
        return 1;
    if (has_much_warm(h))
        trim(h, kept_warm(h), 0);
    return 0;
}

void kith__heap_stats(struct kith__heap_stats *out)
{
    struct heap *h = the_heap();

    kith__guard_enter(&h->guard);
    out->used_bytes = atomic_load(&h->used_bytes);
    out->used_blocks = atomic_load(&h->used_blocks);
    out->warm_free_bytes = atomic_load(&h->warm_bytes);
    out->warm_bound = most_warm(h);
    out->backed_bytes = out->used_bytes + out->warm_free_bytes;
    kith__guard_leave(&h->guard);
}

static uint64_t index_pages(struct heap *h)
{
    const _Atomic uint64_t *bits = (const _Atomic uint64_t *)(const void *)((const char *)h + h->at.bits);
    uint64_t chunks = (h->at.table - h->at.index) / INDEX_CHUNK;

    return kith__bits_count(bits, chunks / 64 + 1) * INDEX_CHUNK;
}

/* Outside of the guard what one commit moves may be seen twice or not at all: only when its holder has been
 * stopped, as by a debugger, it is read so. */
uint64_t kith__heap_pages(int exact)
{
    struct heap *h = the_heap();
    uint64_t blocks, tables = h->at.index + up(atomic_load(&h->ready) * sizeof(struct block), PAGE);
    int inside = 0;

    for (int i = 0; !inside && i < BOOK_LOOKS; i++) {
        if (i)
            sched_yield();
        inside = kith__guard_try(&h->guard);
    }
    blocks = atomic_load(&h->used_bytes) + atomic_load(&h->warm_bytes);
    if (inside)
        kith__guard_leave(&h->guard);
    return blocks + tables + (exact ? index_pages(h) : 0);
}

static int init_guards(struct heap *h)
{
    int rc = kith__guard_init(&h->guard);

    if (rc == 0)
        rc = kith__guard_init(&h->budget);
    for (int i = 0; rc == 0 && i < LEASES; i++)
        rc = kith__guard_init(&h->leases[i].guard);
    return rc;
}

int kith__heap_init(void)
{
    struct kith__heap_layout at = kith__heap_lay_out(kith__layout.heap_size);
    uint64_t start = kith__layout.heap_start, end = start + kith__layout.heap_size, most;
    struct heap *h = the_heap();
    struct change c = { .h = h };
    int rc;

    if ((rc = kith__arena_back(kith__layout.heap_tables, at.index)) < 0 || (rc = init_guards(h)) < 0)
        return rc;
    most = (kith__layout.heap_tables_size - at.table) / sizeof(struct block);
    h->at = at;
    h->most = most < UINT32_MAX ? most : UINT32_MAX;
    if ((rc = kith__heap_satisfy(h, NEED_BLOCKS, 0, 0)) < 0 ||
        (rc = kith__heap_satisfy(h, NEED_INDEX, start, 0)) < 0)
        return rc;
    atomic_store(index_of(h, start), FIRST_BLOCK);
    atomic_store(&block(h, LAST_BLOCK)->position, end | END);
    atomic_store(&block(h, LAST_BLOCK)->phys, (uint64_t)FIRST_BLOCK << 32);
    atomic_store(&block(h, FIRST_BLOCK)->position, start | RESERVED);
    atomic_store(&block(h, FIRST_BLOCK)->phys, LAST_BLOCK);
    kith__guard_enter(&h->guard);
    put(&c, &h->high, FIRST_BLOCK + 1);
    kith__block_release(&c, FIRST_BLOCK, COLD);
    kith__change_commit(&c);
    kith__guard_leave(&h->guard);
    kith__arena_has_heap();
    return 0;
}
