/* block.c: see block.h. */
#include "config.h"
#include "shm/block.h"
#include "base/error.h"
#include "shm/heap.h"

#include <assert.h>

enum {
    LOOKS = 8,              /* blocks of a class that are looked at */
    SPARE_BLOCKS = 1024,    /* for what is reserved, and what exceeds the budget a little */
    LARGEST_PAGE = 64 << 10 /* that a system may have: a file of its own begins there */
};

/* ---- the regions of the metadata */

struct kith__heap_layout kith__heap_lay_out(uint64_t heap_size)
{
    uint64_t index_size = up(heap_size / GRANULE * sizeof(uint32_t), INDEX_CHUNK);
    struct kith__heap_layout at;

    at.bits = up(sizeof(struct heap), PAGE);
    at.index = up(at.bits + index_size / INDEX_CHUNK / 8 + 16, INDEX_CHUNK);
    at.table = up(at.index + index_size, LARGEST_PAGE);
    return at;
}

uint64_t kith__heap_index_need(uint64_t heap_size)
{
    return kith__heap_lay_out(heap_size).table;
}

/* With pages a block takes a granule and its descriptor at least; and there is at most one without pages
 * behind each page. */
uint64_t kith__heap_blocks_need(uint64_t heap_size, uint64_t memory, int tight)
{
    uint64_t blocks = heap_size / (tight ? 256 : GRANULE) + 16,
             most = memory / (GRANULE + sizeof(struct block)) + memory / PAGE + SPARE_BLOCKS;

    if (most < blocks)
        blocks = most;
    return (blocks < UINT32_MAX ? blocks : UINT32_MAX) * sizeof(struct block);
}

/* What is needed to give pages back is taken from what the budget keeps in reserve, when nothing else is
 * left. */
static int back(uint64_t offset, uint64_t size, int reserve)
{
    return reserve ? kith__arena_fill(offset, size, KITH__SMALL) : kith__arena_back(offset, size);
}

/* Two may do it at once: both back the same. */
static int back_index(struct heap *h, uint64_t offset, int reserve)
{
    uint64_t bit,
        chunk = (kith__offset(index_of(h, offset)) - kith__layout.heap_tables) / INDEX_CHUNK * INDEX_CHUNK;
    _Atomic uint64_t *word = index_bit(h, offset, &bit);
    int rc = back(kith__layout.heap_tables + chunk, INDEX_CHUNK, reserve);

    if (rc < 0)
        return rc;
    kith__failpoint("heap: index backed");
    atomic_fetch_or(word, bit);
    return 0;
}

static int back_table(struct heap *h, int reserve)
{
    const uint64_t least = 8192 / sizeof(struct block), largest = (256 << 10) / sizeof(struct block);
    uint64_t ready = atomic_load(&h->ready), more = ready;
    int rc;

    more = more < least || reserve ? least : more > largest ? largest : more;
    if (more > h->most - ready)
        more = h->most - ready;
    if (more == 0)
        return kith__fail(KITH_ENOMEM,
                          "%llu blocks of shared memory are in use, more than there is room for: "
                          "raise ulimit -v",
                          (unsigned long long)h->most);
    rc = back(kith__offset(block(h, ready)), more * sizeof(struct block), reserve);
    if (rc < 0)
        return rc;
    kith__failpoint("heap: descriptors backed");
    atomic_compare_exchange_strong(&h->ready, &ready, ready + more);
    return 0;
}

int kith__heap_satisfy(struct heap *h, enum verdict need, uint64_t missing, int reserve)
{
    return need == NEED_INDEX    ? back_index(h, missing, reserve)
           : need == NEED_BLOCKS ? back_table(h, reserve)
                                 : 0;
}

/* 1 when count descriptors can be had without more backing. */
static int blocks_ready(const struct change *c, int count)
{
    uint64_t d = get(c, &c->h->unused);

    for (; d && count; d = get(c, &block(c->h, d)->list))
        count--;
    return count == 0 ||
           get(c, &c->h->high) + (uint64_t)count <= atomic_load_explicit(&c->h->ready, memory_order_acquire);
}

/* ---- a change */

uint64_t kith__change_find(const struct change *c, kith__word *word)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->words[i] == word)
            return c->values[i];
    return atomic_load_explicit(word, memory_order_relaxed);
}

void kith__change_put(struct change *c, kith__word *word, uint64_t value)
{
    uint32_t i = c->count;

    if (c->seen & bit_of(word))
        for (i = 0; i < c->count && c->words[i] != word; i++)
            ;
    if (i == c->count) {
        assert(i < KITH__GUARD_WORDS);
        c->words[c->count++] = word;
        c->seen |= bit_of(word);
    }
    c->values[i] = value;
}

void kith__change_commit(struct change *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        kith__guard_set(&c->h->guard, c->words[i], c->values[i]);
    kith__guard_commit(&c->h->guard);
    c->count = 0;
    c->seen = 0;
}

/* ---- descriptors and neighbours */

static void set_low(struct change *c, kith__word *word, uint64_t d)
{
    put(c, word, (get(c, word) & ~(uint64_t)UINT32_MAX) | d);
}

static void set_high(struct change *c, kith__word *word, uint64_t d)
{
    put(c, word, (get(c, word) & UINT32_MAX) | d << 32);
}

static uint64_t take_unused(struct change *c)
{
    uint64_t d = get(c, &c->h->unused);

    if (d) {
        put(c, &c->h->unused, get(c, &block(c->h, d)->list));
        return d;
    }
    d = get(c, &c->h->high);
    put(c, &c->h->high, d + 1);
    return d;
}

/* Cuts d at offset: gives the new block behind it, which is in no list. A descriptor that was unused is
 * nobody's to look at, so most of it is written directly; only USED must not be seen before it is true. */
static uint64_t split(struct change *c, uint64_t d, uint64_t offset, enum state state)
{
    uint64_t n = take_unused(c), next = next_of(c, d);

    atomic_store_explicit(index_of(c->h, offset), (uint32_t)n, memory_order_relaxed);
    atomic_store_explicit(&block(c->h, n)->phys, next | d << 32, memory_order_relaxed);
    if (state == USED)
        put(c, &block(c->h, n)->position, offset | state);
    else
        atomic_store_explicit(&block(c->h, n)->position, offset | state, memory_order_relaxed);
    set_low(c, &block(c->h, d)->phys, n);
    set_high(c, &block(c->h, next)->phys, n);
    return n;
}

/* d takes in its next neighbour, which is in no list any more. */
static void merge(struct change *c, uint64_t d)
{
    uint64_t n = next_of(c, d), next = next_of(c, n);

    set_low(c, &block(c->h, d)->phys, next);
    set_high(c, &block(c->h, next)->phys, d);
    if (state_of(c, n) == USED)
        put(c, &block(c->h, n)->position, NONE);
    put(c, &block(c->h, n)->list, get(c, &c->h->unused));
    put(c, &c->h->unused, n);
}

/* ---- free lists */

/* Sixteen classes for each power of two; below 16 granules one for each size. */
uint32_t kith__block_class(uint64_t size)
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
    uint32_t class = kith__block_class(size_of(c, d));
    kith__word *head = &c->h->heads[kind][class], *bits = &c->h->bitmap[kind][class / 64];
    uint64_t first = get(c, head);

    put(c, &block(c->h, d)->list, first);
    put(c, head, d);
    if (first)
        set_high(c, &block(c->h, first)->list, d);
    else
        put(c, bits, get(c, bits) | UINT64_C(1) << class % 64);
}

static void list_remove(struct change *c, uint64_t d)
{
    int kind = state_of(c, d) == COLD;
    uint32_t class = kith__block_class(size_of(c, d));
    kith__word *head = &c->h->heads[kind][class], *bits = &c->h->bitmap[kind][class / 64];
    uint64_t list = get(c, &block(c->h, d)->list), next = list & UINT32_MAX, prev = list >> 32;

    if (next)
        set_high(c, &block(c->h, next)->list, prev);
    if (prev)
        set_low(c, &block(c->h, prev)->list, next);
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

uint64_t kith__block_largest(const struct change *c, enum state state)
{
    int kind = state == COLD;

    for (int i = CLASS_WORDS - 1; i >= 0; i--) {
        uint64_t bits = get(c, &c->h->bitmap[kind][i]);

        if (bits)
            return get(c, &c->h->heads[kind][64 * i + 63 - __builtin_clzll(bits)]);
    }
    return 0;
}

/* Some of the size's own class are looked at, so that a block which was just freed is found again. In
 * larger classes the first one fits, but for what alignment may take. */
uint64_t kith__block_find(const struct change *c, enum state state, uint64_t size, uint64_t align)
{
    int kind = state == COLD;
    uint32_t class = kith__block_class(size);

    while ((class = next_class(c, kind, class)) < CLASSES) {
        uint64_t d = get(c, &c->h->heads[kind][class ++]);

        for (int looks = LOOKS; d && looks; looks--) {
            if (up(start_of(c, d), align) + size <= end_of(c, d))
                return d;
            d = get(c, &block(c->h, d)->list) & UINT32_MAX;
        }
    }
    return 0;
}

/* ---- the larger moves */

enum verdict kith__block_carve(struct change *c, uint64_t *d, uint64_t start, uint64_t end, enum state state,
                               uint64_t *missing)
{
    uint64_t whole = *d;
    enum state kind = state_of(c, whole);

    *missing = start;
    if (!index_ready(c->h, start))
        return NEED_INDEX;
    *missing = end;
    if (end < end_of(c, whole) && !index_ready(c->h, end))
        return NEED_INDEX;
    if (!blocks_ready(c, 2))
        return NEED_BLOCKS;
    list_remove(c, whole);
    if (start > start_of(c, whole)) {
        *d = split(c, whole, start, state);
        list_insert(c, whole);
    } else {
        set_state(c, whole, state);
    }
    if (end < end_of(c, *d))
        list_insert(c, split(c, *d, end, kind));
    if (kind == WARM)
        add(c, &c->h->warm_bytes, start - end);
    return DONE;
}

enum verdict kith__block_shorten(struct change *c, uint64_t d, uint64_t offset, uint64_t *missing)
{
    if (offset == end_of(c, d))
        return DONE;
    *missing = offset;
    if (!index_ready(c->h, offset))
        return NEED_INDEX;
    if (!blocks_ready(c, 1))
        return NEED_BLOCKS;
    kith__block_release(c, split(c, d, offset, RESERVED), WARM);
    return DONE;
}

void kith__block_release(struct change *c, uint64_t d, enum state kind)
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
