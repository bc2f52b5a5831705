/* heap.c: see heap.h. A two-level segregated fit (Masmano et al., "TLSF: a new dynamic memory allocator
 * for real-time systems", ECRTS 2004) with its descriptors in a table of their own.
 *
 * The region is divided into blocks, each with a descriptor, in order of address:
 *
 *   USED      somebody's
 *   WARM      free, all of its pages are there: taken first
 *   COLD      free, whole pages that are not there: taken last; pages are backed in steps
 *   RESERVED  cold, being backed, or warm, being given back: by who holds a lease, outside the guard
 *
 * A neighbour is merged with one of the same kind only, so a block's kind tells all about its pages. Who
 * dies with a lease leaves a RESERVED block: the next one in the lease makes it COLD.
 */
#include "config.h"
#include "heap.h"
#include "arena.h"
#include "budget.h"
#include "error.h"

#include <assert.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define WARM_LEAST (64 * MIB)           /* warm free bytes that are kept */
#define WARM_MOST  (72 * MIB)           /* more begins to be given back */

enum {
    GRANULE = 64,
    PAGE = 4096,                        /* cold blocks are multiples; larger pages only make backing wider */
    LARGE = 64 << 10,                   /* blocks from here on are whole pages */
    STEP_LEAST = 64 << 10, STEP_MOST = 1 << 20,     /* backed at a time for small blocks */
    PUNCH_LEAST = 64 << 10,             /* smaller holes are not worth a system call */
    INDEX_CHUNK = 16 << 10,             /* the index is backed in such pieces: one for 256 KiB of the heap */
    CLASSES = 544, CLASS_WORDS = (CLASSES + 63) / 64,
    LEASES = 8,
    LOOKS = 8                           /* blocks of a class that are looked at */
};

enum state { NONE, USED, WARM, COLD, RESERVED, END };

struct desc {
    kith__word place;                   /* offset | enum state */
    kith__word phys;                    /* descriptors of the neighbours: next | previous << 32 */
    kith__word list;                    /* in its free list: next | previous << 32; unused: the next unused one */
    kith__word owner;
};

/* The right to have one RESERVED block. */
struct lease {
    struct kith__guard guard;
    kith__word block;                   /* descriptor, 0: none */
    kith__word cold;                    /* its pages from this offset on may be missing */
    _Atomic uint64_t promised;          /* bytes that the budget has granted and that are not yet backed */
};

struct heap {
    struct kith__guard guard;
    struct kith__guard budget;          /* who asks for pages */
    kith__word unused;                  /* list of unused descriptors */
    kith__word high;                    /* descriptors from here on were never in use */
    _Atomic uint64_t ready;             /* descriptors from here on are not backed */
    kith__word used_bytes, used_blocks, warm_bytes;
    kith__word bitmap[2][CLASS_WORDS];  /* which lists are not empty */
    kith__word heads[2][CLASSES];       /* WARM, COLD */
    struct lease leases[LEASES];
};

/* ---- the regions of the metadata: struct heap, a bit for each chunk of the index, the index, descriptors */

static uint64_t up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static uint64_t bits_size(uint64_t heap_size)
{
    return up(heap_size / GRANULE * sizeof (uint32_t) / INDEX_CHUNK / 8 + 8, PAGE);
}

static uint64_t index_at(uint64_t heap_size)
{
    return up(up(sizeof (struct heap), PAGE) + bits_size(heap_size), INDEX_CHUNK);
}

static uint64_t descs_at(uint64_t heap_size)
{
    return index_at(heap_size) + up(heap_size / GRANULE * sizeof (uint32_t), INDEX_CHUNK);
}

uint64_t kith__heap_tables_need(uint64_t heap_size, int tight)
{
    uint64_t descs = heap_size / (tight ? 256 : GRANULE) + 16;

    return descs_at(heap_size) + (descs < UINT32_MAX ? descs : UINT32_MAX) * sizeof (struct desc);
}

static struct heap *the_heap(void)
{
    return kith__at(kith__heap_tables());
}

static struct desc *desc(uint64_t d)
{
    return (struct desc *)kith__at(kith__heap_tables() + descs_at(kith__heap_size())) + d;
}

static uint64_t descs_most(void)
{
    uint64_t most = (kith__heap_tables_size() - descs_at(kith__heap_size())) / sizeof (struct desc);

    return most < UINT32_MAX ? most : UINT32_MAX;
}

/* Which descriptor was last seen to begin at offset. It may be of the past: the descriptor itself decides. */
static _Atomic uint32_t *index_of(uint64_t offset)
{
    return (_Atomic uint32_t *)kith__at(kith__heap_tables() + index_at(kith__heap_size())) +
           (offset - kith__heap_start()) / GRANULE;
}

static _Atomic uint64_t *index_bit(uint64_t offset, uint64_t *bit)
{
    uint64_t chunk = (offset - kith__heap_start()) / GRANULE * sizeof (uint32_t) / INDEX_CHUNK;

    *bit = UINT64_C(1) << chunk % 64;
    return (_Atomic uint64_t *)kith__at(kith__heap_tables() + up(sizeof (struct heap), PAGE)) + chunk / 64;
}

static int index_ready(uint64_t offset)
{
    uint64_t bit;
    _Atomic uint64_t *word = index_bit(offset, &bit);

    return (atomic_load_explicit(word, memory_order_acquire) & bit) != 0;
}

/* Outside of the guard, like all that takes pages. Two may do it at once. */
static int index_make_ready(uint64_t offset)
{
    uint64_t bit, chunk = up(kith__offset(index_of(offset)) + 1, INDEX_CHUNK) - INDEX_CHUNK;
    _Atomic uint64_t *word = index_bit(offset, &bit);
    int rc = kith__arena_back(chunk, INDEX_CHUNK);

    if (rc < 0)
        return rc;
    kith__step("heap: index backed");
    atomic_fetch_or(word, bit);
    return 0;
}

static int descs_make_ready(void)
{
    struct heap *h = the_heap();
    uint64_t ready = atomic_load(&h->ready), more = ready, most = descs_most();
    const uint64_t least = 8192 / sizeof (struct desc), largest = (256 << 10) / sizeof (struct desc);
    int rc;

    more = more < least ? least : more > largest ? largest : more;
    if (more > most - ready)
        more = most - ready;
    if (more == 0)
        return kith__fail(KITH_ENOMEM, "%llu blocks of shared memory are in use, more than there is room for: "
                          "raise ulimit -v", (unsigned long long)most);
    rc = kith__arena_back(kith__offset(desc(ready)), more * sizeof (struct desc));
    if (rc < 0)
        return rc;
    kith__step("heap: descriptors backed");
    atomic_compare_exchange_strong(&h->ready, &ready, ready + more);
    return 0;
}

/* ---- one change of the heap: reads see what was put before, others see it after commit */

struct change {
    struct heap *h;
    uint32_t count;
    kith__word *words[KITH__GUARD_WORDS];
    uint64_t values[KITH__GUARD_WORDS];
};

static uint64_t get(const struct change *c, kith__word *word)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->words[i] == word)
            return c->values[i];
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void put(struct change *c, kith__word *word, uint64_t value)
{
    uint32_t i = 0;

    while (i < c->count && c->words[i] != word)
        i++;
    if (i == c->count) {
        assert(i < KITH__GUARD_WORDS);
        c->words[c->count++] = word;
    }
    c->values[i] = value;
}

static void add(struct change *c, kith__word *word, uint64_t value)
{
    put(c, word, get(c, word) + value);
}

static void commit(struct change *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        kith__guard_set(&c->h->guard, c->words[i], c->values[i]);
    kith__guard_commit(&c->h->guard);
    c->count = 0;
}

/* ---- descriptors and neighbours */

static enum state state_of(const struct change *c, uint64_t d)
{
    return (enum state)(get(c, &desc(d)->place) % GRANULE);
}

static uint64_t start_of(const struct change *c, uint64_t d)
{
    return get(c, &desc(d)->place) & ~(uint64_t)(GRANULE - 1);
}

static uint64_t next_of(const struct change *c, uint64_t d)
{
    return get(c, &desc(d)->phys) & UINT32_MAX;
}

static uint64_t prev_of(const struct change *c, uint64_t d)
{
    return get(c, &desc(d)->phys) >> 32;
}

static uint64_t end_of(const struct change *c, uint64_t d)
{
    return start_of(c, next_of(c, d));
}

static uint64_t size_of(const struct change *c, uint64_t d)
{
    return end_of(c, d) - start_of(c, d);
}

static void set_state(struct change *c, uint64_t d, enum state state)
{
    put(c, &desc(d)->place, start_of(c, d) | state);
}

static void set_low(struct change *c, kith__word *word, uint64_t d)
{
    put(c, word, (get(c, word) & ~(uint64_t)UINT32_MAX) | d);
}

static void set_high(struct change *c, kith__word *word, uint64_t d)
{
    put(c, word, (get(c, word) & UINT32_MAX) | d << 32);
}

/* 1 when count descriptors can be had without more backing. */
static int descs_ready(const struct change *c, int count)
{
    uint64_t d = get(c, &c->h->unused);

    for (; d && count; d = get(c, &desc(d)->list))
        count--;
    return count == 0 || get(c, &c->h->high) + (uint64_t)count <= atomic_load_explicit(&c->h->ready, memory_order_acquire);
}

static uint64_t desc_take(struct change *c)
{
    uint64_t d = get(c, &c->h->unused);

    if (d) {
        put(c, &c->h->unused, get(c, &desc(d)->list));
        return d;
    }
    d = get(c, &c->h->high);
    put(c, &c->h->high, d + 1);
    return d;
}

static void desc_give(struct change *c, uint64_t d)
{
    put(c, &desc(d)->list, get(c, &c->h->unused));
    put(c, &c->h->unused, d);
}

/* Cuts d at offset: gives the new block behind it, which is in no list. A descriptor that was unused is nobody's to
 * look at, so most of it is written directly; only USED must not be seen before it is true. */
static uint64_t split(struct change *c, uint64_t d, uint64_t offset, enum state state)
{
    uint64_t n = desc_take(c), next = next_of(c, d);

    atomic_store_explicit(index_of(offset), (uint32_t)n, memory_order_relaxed);
    atomic_store_explicit(&desc(n)->phys, next | d << 32, memory_order_relaxed);
    if (state == USED)
        put(c, &desc(n)->place, offset | state);
    else
        atomic_store_explicit(&desc(n)->place, offset | state, memory_order_relaxed);
    set_low(c, &desc(d)->phys, n);
    set_high(c, &desc(next)->phys, n);
    return n;
}

/* d takes in its next neighbour, which is in no list any more. */
static void merge(struct change *c, uint64_t d)
{
    uint64_t n = next_of(c, d), next = next_of(c, n);

    set_low(c, &desc(d)->phys, next);
    set_high(c, &desc(next)->phys, d);
    if (state_of(c, n) == USED)
        put(c, &desc(n)->place, NONE);
    desc_give(c, n);
}

/* ---- free lists */

/* Sixteen classes for each power of two; below 16 granules one for each size. */
static uint32_t class_of(uint64_t size)
{
    uint64_t n = size / GRANULE;
    uint32_t log;

    if (n < 16)
        return (uint32_t)n;
    log = 63 - (uint32_t)__builtin_clzll(n);
    return 16 * (log - 3) + (uint32_t)(n >> (log - 4) & 15);
}

static void list_insert(struct change *c, uint64_t d)
{
    int kind = state_of(c, d) == COLD;
    uint32_t class = class_of(size_of(c, d));
    kith__word *head = &c->h->heads[kind][class], *bits = &c->h->bitmap[kind][class / 64];
    uint64_t first = get(c, head);

    put(c, &desc(d)->list, first);
    put(c, head, d);
    if (first)
        set_high(c, &desc(first)->list, d);
    else
        put(c, bits, get(c, bits) | UINT64_C(1) << class % 64);
}

static void list_remove(struct change *c, uint64_t d)
{
    int kind = state_of(c, d) == COLD;
    uint32_t class = class_of(size_of(c, d));
    kith__word *head = &c->h->heads[kind][class], *bits = &c->h->bitmap[kind][class / 64];
    uint64_t list = get(c, &desc(d)->list), next = list & UINT32_MAX, prev = list >> 32;

    if (next)
        set_high(c, &desc(next)->list, prev);
    if (prev)
        set_low(c, &desc(prev)->list, next);
    else
        put(c, head, next);
    if (!next && !prev)
        put(c, bits, get(c, bits) & ~(UINT64_C(1) << class % 64));
}

/* The first class from class on that has blocks; CLASSES: none. */
static uint32_t next_class(const struct change *c, int kind, uint32_t class)
{
    for (uint32_t i = class / 64; i < CLASS_WORDS; i++) {
        uint64_t bits = get(c, &c->h->bitmap[kind][i]);

        if (i == class / 64)
            bits &= ~UINT64_C(0) << class % 64;
        if (bits)
            return 64 * i + (uint32_t)__builtin_ctzll(bits);
    }
    return CLASSES;
}

static uint64_t largest(const struct change *c, int kind)
{
    for (int i = CLASS_WORDS - 1; i >= 0; i--) {
        uint64_t bits = get(c, &c->h->bitmap[kind][i]);

        if (bits)
            return get(c, &c->h->heads[kind][64 * i + 63 - __builtin_clzll(bits)]);
    }
    return 0;
}

/* A free block that holds size bytes at a multiple of align, or 0. A few of the size's own class
 * are looked at, so that a block which was just freed is found again; larger classes fit at once. */
static uint64_t find(const struct change *c, int kind, uint64_t size, uint64_t align)
{
    for (uint32_t class = next_class(c, kind, class_of(size)); class < CLASSES; class = next_class(c, kind, class + 1)) {
        uint64_t d = get(c, &c->h->heads[kind][class]);

        for (int looks = LOOKS; d && looks; looks--) {
            if (up(start_of(c, d), align) + size <= end_of(c, d))
                return d;
            d = get(c, &desc(d)->list) & UINT32_MAX;
        }
    }
    return 0;
}

/* d, in no list, becomes free of that kind, together with its neighbours. */
static void release(struct change *c, uint64_t d, enum state kind)
{
    uint64_t prev = prev_of(c, d), next = next_of(c, d);

    if (kind == WARM)
        add(c, &c->h->warm_bytes, size_of(c, d));
    if (state_of(c, next) == kind) {
        list_remove(c, next);
        merge(c, d);
    }
    if (prev && state_of(c, prev) == kind) {
        list_remove(c, prev);
        merge(c, prev);
        d = prev;
    } else {
        set_state(c, d, kind);
    }
    list_insert(c, d);
}

static void account_used(struct change *c, uint64_t size)
{
    add(c, &c->h->used_bytes, size);
    add(c, &c->h->used_blocks, 1);
}

/* ---- warm blocks */

/* What an attempt in the guard came to: done, or what to do outside before the next one. */
enum verdict { DONE, NOTHING, NEED_INDEX, NEED_DESCS };

/* Outside of the guard. 0, or KITH_ENOMEM. */
static int satisfy(enum verdict need, uint64_t offset)
{
    return need == NEED_INDEX ? index_make_ready(offset) : need == NEED_DESCS ? descs_make_ready() : 0;
}

static enum verdict take_warm(struct change *c, uint64_t size, uint64_t align, uint32_t owner, uint64_t *offset)
{
    uint64_t d = find(c, 0, size, align), start, end, used = d;

    if (!d)
        return NOTHING;
    end = end_of(c, d);
    start = up(start_of(c, d), align);
    *offset = start;
    if (!index_ready(start))
        return NEED_INDEX;
    *offset = start + size;
    if (start + size < end && !index_ready(start + size))
        return NEED_INDEX;
    *offset = start;
    if (!descs_ready(c, 2))
        return NEED_DESCS;
    list_remove(c, d);
    if (start > start_of(c, d)) {
        used = split(c, d, start, USED);
        list_insert(c, d);
    } else {
        set_state(c, d, USED);
    }
    if (start + size < end)
        list_insert(c, split(c, used, start + size, WARM));
    put(c, &desc(used)->owner, owner);
    add(c, &c->h->warm_bytes, -size);
    account_used(c, size);
    return DONE;
}

/* An offset; 0: no warm block fits; UINT64_MAX: an error. */
static uint64_t alloc_warm(struct heap *h, uint64_t size, uint64_t align, uint32_t owner)
{
    for (;;) {
        struct change c = { .h = h };
        uint64_t offset = 0;
        enum verdict verdict;

        kith__guard_enter(&h->guard);
        verdict = take_warm(&c, size, align, owner, &offset);
        if (verdict == DONE)
            commit(&c);
        kith__guard_leave(&h->guard);
        if (verdict == DONE)
            return offset;
        if (verdict == NOTHING)
            return 0;
        if (satisfy(verdict, offset) < 0)
            return UINT64_MAX;
    }
}

/* ---- leases, and what is done under them */

/* The pages of the lease's block are, or may be, missing: it becomes COLD. */
static void cool(struct change *c, struct lease *l)
{
    release(c, get(c, &l->block), COLD);
    put(c, &l->block, 0);
}

/* Who must not wait tries. 0: somebody is in the guard. */
static int enter(struct heap *h, int wait)
{
    if (!wait)
        return kith__guard_try(&h->guard);
    kith__guard_enter(&h->guard);
    return 1;
}

/* In the lease: gives its block back, if it has one. 1: somebody is in the guard. */
static int lease_abandon(struct heap *h, struct lease *l, int wait)
{
    struct change c = { .h = h };
    uint64_t block, cold, end = 0;

    /* First of all the guard: the commit of one who died may stand in its record still. */
    if (!enter(h, wait))
        return 1;
    block = get(&c, &l->block);
    cold = get(&c, &l->cold);
    if (block)
        end = end_of(&c, block);
    kith__guard_leave(&h->guard);
    if (block) {
        kith__arena_unback(cold, end - cold);
        kith__step("heap: pages given back");
        if (!enter(h, wait))
            return 1;
        cool(&c, l);
        commit(&c);
        kith__guard_leave(&h->guard);
    }
    atomic_store(&l->promised, 0);
    return 0;
}

/* A lease that nobody has; wait 0: NULL when there is none, or somebody is in the guard. */
static struct lease *lease_take(struct heap *h, int wait)
{
    static _Atomic uint32_t turn;
    uint32_t first = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) + (uint32_t)getpid();
    struct lease *l = NULL;

    for (uint32_t i = 0; !l && i < LEASES; i++)
        if (kith__guard_try(&h->leases[(first + i) % LEASES].guard))
            l = &h->leases[(first + i) % LEASES];
    if (!l && wait) {
        l = &h->leases[first % LEASES];
        kith__guard_enter(&l->guard);
    }
    if (l && lease_abandon(h, l, wait)) {       /* what one who died in it has left */
        kith__guard_leave(&l->guard);
        return NULL;
    }
    return l;
}

/* Lends out a part of a large warm block, whose pages are to go: as many as bring the warm bytes down to keep. */
static enum verdict choose_punch(struct change *c, struct lease *l, uint64_t keep, uint64_t *offset)
{
    uint64_t warm = get(c, &c->h->warm_bytes), d = largest(c, 0), first, end;

    if (!d || warm <= keep)
        return NOTHING;
    first = up(start_of(c, d), PAGE);
    end = end_of(c, d) / PAGE * PAGE;
    if (end < first + PUNCH_LEAST)
        return NOTHING;
    if (end - first > up(warm - keep, PUNCH_LEAST))
        first = end - up(warm - keep, PUNCH_LEAST);     /* low addresses stay warm */
    *offset = first;
    if (!index_ready(first))
        return NEED_INDEX;
    *offset = end;
    if (end < end_of(c, d) && !index_ready(end))
        return NEED_INDEX;
    if (!descs_ready(c, 2))
        return NEED_DESCS;
    list_remove(c, d);
    if (first > start_of(c, d)) {
        uint64_t n = split(c, d, first, RESERVED);

        list_insert(c, d);
        d = n;
    } else {
        set_state(c, d, RESERVED);
    }
    if (end < end_of(c, d))
        list_insert(c, split(c, d, end, WARM));
    add(c, &c->h->warm_bytes, first - end);
    put(c, &l->block, d);
    put(c, &l->cold, first);
    return DONE;
}

/* 1: done. 0: there is nothing to do, or it cannot be done now. */
static int punch(struct heap *h, struct lease *l, uint64_t keep, int wait)
{
    for (;;) {
        struct change c = { .h = h };
        enum verdict verdict;
        uint64_t offset;

        if (!enter(h, wait))
            return 0;
        verdict = choose_punch(&c, l, keep, &offset);
        if (verdict == DONE)
            commit(&c);
        kith__guard_leave(&h->guard);
        if (verdict == DONE)
            return !lease_abandon(h, l, wait);
        if (verdict == NOTHING || satisfy(verdict, offset) < 0)
            return 0;
    }
}

static void trim(struct heap *h, int wait)
{
    struct lease *l = lease_take(h, wait);

    if (!l)
        return;
    while (punch(h, l, WARM_LEAST, wait))
        ;
    kith__guard_leave(&l->guard);
}

/* ---- cold blocks */

static enum verdict reserve(struct change *c, struct lease *l, uint64_t size, uint64_t step, uint64_t *offset)
{
    uint64_t d = find(c, 1, step, PAGE), start, end;

    if (!d)
        d = find(c, 1, size, PAGE);
    if (!d)
        return NOTHING;
    start = start_of(c, d);
    end = end_of(c, d);
    if (end - start > step)
        end = start + step;
    *offset = start;
    if (!index_ready(start))
        return NEED_INDEX;
    *offset = end;
    if (end < end_of(c, d) && !index_ready(end))
        return NEED_INDEX;
    if (!descs_ready(c, 1))
        return NEED_DESCS;
    list_remove(c, d);
    if (end < end_of(c, d))
        list_insert(c, split(c, d, end, COLD));
    set_state(c, d, RESERVED);
    put(c, &l->block, d);
    put(c, &l->cold, start);
    return DONE;
}

/* 0, KITH_ENOMEM, or 1: no cold block is large enough. */
static int reserve_cold(struct heap *h, struct lease *l, uint64_t size, uint64_t step)
{
    for (;;) {
        struct change c = { .h = h };
        enum verdict verdict;
        uint64_t offset;
        int rc;

        kith__guard_enter(&h->guard);
        verdict = reserve(&c, l, size, step, &offset);
        if (verdict == DONE)
            commit(&c);
        kith__guard_leave(&h->guard);
        if (verdict == DONE || verdict == NOTHING)
            return verdict == NOTHING;
        if ((rc = satisfy(verdict, offset)) < 0)
            return rc;
    }
}

/* Asks the budget for size bytes. While others have a promise that they have not used up, the system's figures
 * may count it twice: then again a little later. */
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
        for (int i = 0; i < LEASES; i++)
            if (&h->leases[i] != l && kith__guard_try(&h->leases[i].guard)) {
                lease_abandon(h, &h->leases[i], 1);
                kith__guard_leave(&h->leases[i].guard);
            }
        nanosleep(&moment, NULL);
    }
}

/* The lease's block has its pages: size bytes of it are used, the rest is warm. */
static enum verdict finish(struct change *c, struct lease *l, uint64_t size, uint32_t owner, uint64_t *offset)
{
    uint64_t d = get(c, &l->block), start = start_of(c, d), end = end_of(c, d);

    *offset = start + size;
    if (start + size < end) {
        if (!index_ready(start + size))
            return NEED_INDEX;
        if (!descs_ready(c, 1))
            return NEED_DESCS;
        release(c, split(c, d, start + size, RESERVED), WARM);
    }
    set_state(c, d, USED);
    put(c, &desc(d)->owner, owner);
    put(c, &l->block, 0);
    account_used(c, size);
    *offset = start;
    return DONE;
}

static uint64_t finish_cold(struct heap *h, struct lease *l, uint64_t size, uint32_t owner)
{
    for (;;) {
        struct change c = { .h = h };
        enum verdict verdict;
        uint64_t offset;

        kith__guard_enter(&h->guard);
        verdict = finish(&c, l, size, owner, &offset);
        if (verdict == DONE)
            commit(&c);
        kith__guard_leave(&h->guard);
        if (verdict == DONE)
            return offset;
        if (satisfy(verdict, offset) < 0)
            return 0;
    }
}

/* One attempt on cold memory: an offset; 0 and the sentence; *full: 1 when no cold block was large enough. */
static uint64_t try_cold(struct heap *h, struct lease *l, uint64_t size, uint64_t step, uint32_t owner, int *full)
{
    uint64_t block, offset = 0, length;
    struct change c = { .h = h };
    char text[KITH__SIZE_TEXT];
    int rc = reserve_cold(h, l, size, step);

    *full = rc == 1;
    if (rc == 1)
        kith__fail(KITH_ENOMEM, "no %s of shared memory in one piece: it is too fragmented; free some, or ask for less",
                   kith__size_text(size, text));
    if (rc != 0)
        return 0;
    block = atomic_load(&l->block);
    length = end_of(&c, block) - start_of(&c, block);
    if (promise(h, l, length) == 0 && kith__arena_fill(start_of(&c, block), length) == 0) {
        kith__step("heap: pages taken");
        atomic_store(&l->promised, 0);
        offset = finish_cold(h, l, size, owner);
    }
    if (!offset)
        lease_abandon(h, l, 1);
    return offset;
}

static uint64_t alloc_cold(struct heap *h, uint64_t size, uint32_t owner)
{
    uint64_t pages = up(size, PAGE), step = (atomic_load(&h->used_bytes) + atomic_load(&h->warm_bytes)) / 8 / PAGE * PAGE;
    struct lease *l = lease_take(h, 1);
    uint64_t offset;
    int full;

    step = step < STEP_LEAST ? STEP_LEAST : step > STEP_MOST ? STEP_MOST : step;
    offset = try_cold(h, l, size, pages > step ? pages : step, owner, &full);
    /* Short of memory: what is warm elsewhere must not stand in the way. Not for what is hopeless. */
    if (!offset && (full || kith__memory_available() + atomic_load(&h->warm_bytes) >= pages)) {
        while (punch(h, l, 0, 1))
            ;
        offset = try_cold(h, l, size, pages, owner, &full);
    }
    kith__guard_leave(&l->guard);
    return offset;
}

/* ---- the contract */

uint64_t kith__heap_alloc(size_t size, uint32_t owner)
{
    struct heap *h = the_heap();
    char asked[KITH__SIZE_TEXT], all[KITH__SIZE_TEXT];
    uint64_t align = size < LARGE ? GRANULE : PAGE, offset;

    if (size > kith__heap_size()) {
        kith__fail(KITH_ENOMEM, "no %s of shared memory: it has %s in all", kith__size_text(size, asked),
                   kith__size_text(kith__heap_size(), all));
        return 0;
    }
    size = up(size ? size : 1, align);
    offset = alloc_warm(h, size, align, owner);
    if (offset == UINT64_MAX)
        return 0;
    return offset ? offset : alloc_cold(h, size, owner);
}

/* The descriptor of the block in use that begins at offset, or 0. Needs no guard, if the block is the caller's. */
static uint64_t lookup(uint64_t offset)
{
    struct heap *h = the_heap();
    uint64_t d;

    if (offset % GRANULE || offset < kith__heap_start() || offset - kith__heap_start() >= kith__heap_size() ||
        !index_ready(offset))
        return 0;
    d = atomic_load_explicit(index_of(offset), memory_order_relaxed);
    if (d == 0 || d >= atomic_load(&h->high) || atomic_load(&desc(d)->place) != (offset | USED))
        return 0;
    return d;
}

/* In the guard. 1: there is more warm memory now than is kept. */
static int free_one(struct change *c, uint64_t d)
{
    struct heap *h = c->h;
    uint64_t size = size_of(c, d), big;

    put(c, &desc(d)->owner, 0);
    add(c, &h->used_bytes, -size);
    add(c, &h->used_blocks, (uint64_t)-1);
    release(c, d, WARM);
    commit(c);
    big = atomic_load(&h->warm_bytes) > WARM_MOST ? largest(c, 0) : 0;
    return big && size_of(c, big) >= PUNCH_LEAST + 2 * PAGE;
}

void kith__heap_free(uint64_t block)
{
    struct heap *h = the_heap();
    struct change c = { .h = h };
    uint64_t d;
    int much = 0;

    if (block == 0)
        return;
    kith__guard_enter(&h->guard);
    d = lookup(block);
    if (d)
        much = free_one(&c, d);
    kith__guard_leave(&h->guard);
    if (much)
        trim(h, 0);
}

int kith__heap_check(uint64_t offset)
{
    if (lookup(offset))
        return 0;
    return kith__fail(KITH_EINVAL, "offset %llu is not the start of a block of shared memory that is in use",
                      (unsigned long long)offset);
}

size_t kith__heap_size_of(uint64_t block)
{
    struct change c = { .h = the_heap() };
    uint64_t d = lookup(block);

    return d ? size_of(&c, d) : 0;
}

kith__word *kith__heap_owner(uint64_t block)
{
    uint64_t d = lookup(block);

    assert(d);
    return &desc(d)->owner;
}

/* The reservations of dead processes. 1: somebody is in the guard. */
static int sweep_leases(struct heap *h)
{
    int busy = 0;

    for (int i = 0; i < LEASES; i++) {
        struct lease *l = &h->leases[i];

        if (!atomic_load(&l->block) && !atomic_load(&l->promised))
            continue;
        if (!kith__guard_try(&l->guard))
            continue;                   /* its taker lives */
        busy |= lease_abandon(h, l, 0);
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
    kith__guard_leave(&h->guard);       /* by now what the dead one had decided is done */
    for (uint64_t d = 1; d < high; d++) {
        struct change c = { .h = h };

        if (atomic_load_explicit(&desc(d)->owner, memory_order_relaxed) != owner)
            continue;
        if (!kith__guard_try(&h->guard))
            return 1;
        if (atomic_load(&desc(d)->owner) == owner && state_of(&c, d) == USED)
            free_one(&c, d);
        kith__guard_leave(&h->guard);
    }
    if (sweep_leases(h))
        return 1;
    if (atomic_load(&h->warm_bytes) > WARM_MOST)
        trim(h, 0);
    return 0;
}

void kith__heap_stats(struct kith__heap_stats *out)
{
    struct heap *h = the_heap();

    kith__guard_enter(&h->guard);
    out->used_bytes = atomic_load(&h->used_bytes);
    out->used_blocks = atomic_load(&h->used_blocks);
    out->warm_free_bytes = atomic_load(&h->warm_bytes);
    out->backed_bytes = out->used_bytes + out->warm_free_bytes;
    kith__guard_leave(&h->guard);
}

/* ---- the audit, in the guard */

static int broken(const char *what, uint64_t d)
{
    return kith__fail(KITH_EBROKEN, "the heap: %s (block %llu)", what, (unsigned long long)d);
}

struct count { uint64_t blocks, used, used_bytes, warm_bytes, free[2], reserved; };

static int audit_block(struct change *c, uint64_t d, struct count *n)
{
    enum state state = state_of(c, d);
    uint64_t start = start_of(c, d), end = end_of(c, d);

    if (end <= start)
        return broken("ends before it begins", d);
    if (prev_of(c, next_of(c, d)) != d)
        return broken("its neighbours do not agree", d);
    if (!index_ready(start) || atomic_load(index_of(start)) != d)
        return broken("is not in the index", d);
    if ((state == COLD || state == WARM) && state_of(c, next_of(c, d)) == state)
        return broken("was not merged", d);
    if ((state == COLD || state == RESERVED) && (start % PAGE || end % PAGE))
        return broken("is cold and has no whole pages", d);
    if (state != USED && atomic_load(&desc(d)->owner))
        return broken("is free and has an owner", d);
    switch (state) {
    case USED: n->used++; n->used_bytes += end - start; return 0;
    case WARM: n->free[0]++; n->warm_bytes += end - start; return 0;
    case COLD: n->free[1]++; return 0;
    case RESERVED: n->reserved++; return 0;
    case NONE: case END: break;
    }
    return broken("has no state", d);
}

static int audit_blocks(struct change *c, struct count *n)
{
    uint64_t high = atomic_load(&c->h->high), d = 2;
    int rc;

    if (start_of(c, d) != kith__heap_start())
        return broken("is not the first", d);
    for (; d != 1; d = next_of(c, d)) {
        if (d == 0 || d >= high || ++n->blocks >= high)
            return broken("leads out of the table", d);
        if ((rc = audit_block(c, d, n)) < 0)
            return rc;
    }
    if (start_of(c, 1) != kith__heap_start() + kith__heap_size() || state_of(c, 1) != END)
        return broken("is not the end", 1);
    return 0;
}

static int audit_list(struct change *c, int kind, uint32_t class, struct count *n)
{
    uint64_t prev = 0, d = get(c, &c->h->heads[kind][class]);
    uint64_t bit = get(c, &c->h->bitmap[kind][class / 64]) >> class % 64 & 1;

    if (bit != (d != 0))
        return broken("a bit for lists is wrong", d);
    for (; d; d = get(c, &desc(d)->list) & UINT32_MAX) {
        if (state_of(c, d) != (kind ? COLD : WARM) || class_of(size_of(c, d)) != class)
            return broken("is in the wrong list", d);
        if (get(c, &desc(d)->list) >> 32 != prev)
            return broken("its list does not lead back", d);
        if (n->free[kind]-- == 0)
            return broken("there are more in the lists than free ones", d);
        prev = d;
    }
    return 0;
}

static int audit_unused(struct change *c, const struct count *n)
{
    uint64_t high = atomic_load(&c->h->high), count = 0;

    for (uint64_t d = get(c, &c->h->unused); d; d = get(c, &desc(d)->list)) {
        if (d >= high || ++count > high)
            return broken("the unused ones lead astray", d);
        if (state_of(c, d) == USED || atomic_load(&desc(d)->owner))
            return broken("is unused and used", d);
    }
    if (n->blocks + count + 2 != high)
        return broken("descriptors are lost", count);
    return 0;
}

static int audit_leases(struct change *c, struct count *n)
{
    for (int i = 0; i < LEASES; i++) {
        uint64_t d = atomic_load(&c->h->leases[i].block);

        if (d && (state_of(c, d) != RESERVED || n->reserved-- == 0))
            return broken("is lent and not reserved", d);
    }
    return n->reserved ? broken("some are reserved and not lent", n->reserved) : 0;
}

static int audit(struct change *c)
{
    struct count n = { 0 };
    int rc;

    if ((rc = audit_blocks(c, &n)) < 0 || (rc = audit_unused(c, &n)) < 0 || (rc = audit_leases(c, &n)) < 0)
        return rc;
    for (int kind = 0; kind < 2; kind++)
        for (uint32_t class = 0; class < CLASSES; class++)
            if ((rc = audit_list(c, kind, class, &n)) < 0)
                return rc;
    if (n.free[0] || n.free[1])
        return broken("free ones are in no list", n.free[0] + n.free[1]);
    if (n.used != atomic_load(&c->h->used_blocks) || n.used_bytes != atomic_load(&c->h->used_bytes) ||
        n.warm_bytes != atomic_load(&c->h->warm_bytes))
        return broken("the sums are wrong", n.used);
    return 0;
}

int kith__heap_audit(void)
{
    struct change c = { .h = the_heap() };
    int rc;

    kith__guard_enter(&c.h->guard);
    rc = audit(&c);
    kith__guard_leave(&c.h->guard);
    return rc;
}

int kith__heap_init(void)
{
    struct heap *h = the_heap();
    uint64_t start = kith__heap_start(), end = start + kith__heap_size();
    struct change c = { .h = h };
    int rc;

    if ((rc = kith__arena_back(kith__heap_tables(), up(sizeof *h, PAGE) + bits_size(kith__heap_size()))) < 0 ||
        (rc = kith__guard_init(&h->guard)) < 0 || (rc = kith__guard_init(&h->budget)) < 0)
        return rc;
    for (int i = 0; i < LEASES; i++)
        if ((rc = kith__guard_init(&h->leases[i].guard)) < 0)
            return rc;
    if ((rc = descs_make_ready()) < 0 || (rc = index_make_ready(start)) < 0)
        return rc;
    atomic_store(index_of(start), 2);
    /* Descriptor 0 is none, 1 the end, 2 the whole region. */
    atomic_store(&desc(1)->place, end | END);
    atomic_store(&desc(1)->phys, UINT64_C(2) << 32);
    atomic_store(&desc(2)->place, start | COLD);
    atomic_store(&desc(2)->phys, 1);
    kith__guard_enter(&h->guard);
    put(&c, &h->high, 3);
    list_insert(&c, 2);
    commit(&c);
    kith__guard_leave(&h->guard);
    return 0;
}
