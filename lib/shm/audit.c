/* audit.c: walks the whole heap and tells what is wrong. Called by tests. */
#include "config.h"
#include "shm/block.h"
#include "base/error.h"
#include "shm/heap.h"

static int broken(const char *what, uint64_t d)
{
    return kith__fail(KITH_EBROKEN, "the heap: %s (block %llu)", what, (unsigned long long)d);
}

struct count {
    uint64_t blocks, used, used_bytes, warm_bytes, free[2], reserved;
};

static int audit_block(struct change *c, uint64_t d, struct count *n)
{
    enum state state = state_of(c, d);
    uint64_t start = start_of(c, d), end = end_of(c, d);

    if (end <= start)
        return broken("ends before it begins", d);
    if (prev_of(c, next_of(c, d)) != d)
        return broken("its neighbours do not agree", d);
    if (!index_ready(c->h, start) || atomic_load(index_of(c->h, start)) != d)
        return broken("is not in the index", d);
    if ((state == COLD || state == WARM) && state_of(c, next_of(c, d)) == state)
        return broken("was not merged", d);
    if ((state == COLD || state == RESERVED) && (start % PAGE || end % PAGE))
        return broken("is cold and has no whole pages", d);
    if (state != USED && atomic_load(&block(c->h, d)->owner))
        return broken("is free and has an owner", d);
    switch (state) {
    case USED:
        n->used++;
        n->used_bytes += end - start;
        return 0;
    case WARM:
        n->free[0]++;
        n->warm_bytes += end - start;
        return 0;
    case COLD: n->free[1]++; return 0;
    case RESERVED: n->reserved++; return 0;
    case NONE:
    case END: break;
    }
    return broken("has no state", d);
}

static int audit_blocks(struct change *c, struct count *n)
{
    uint64_t high = atomic_load(&c->h->high), d = FIRST_BLOCK;
    int rc;

    if (start_of(c, d) != kith__layout.heap_start)
        return broken("is not the first", d);
    for (; d != LAST_BLOCK; d = next_of(c, d)) {
        if (d == 0 || d >= high || ++n->blocks >= high)
            return broken("leads out of the table", d);
        if ((rc = audit_block(c, d, n)) < 0)
            return rc;
    }
    if (start_of(c, LAST_BLOCK) != kith__layout.heap_start + kith__layout.heap_size ||
        state_of(c, LAST_BLOCK) != END)
        return broken("is not the end", LAST_BLOCK);
    return 0;
}

static int audit_list(struct change *c, int kind, uint32_t class, struct count *n)
{
    uint64_t prev = 0, d = get(c, &c->h->heads[kind][class]);
    uint64_t bit = get(c, &c->h->bitmap[kind][class / 64]) >> class % 64 & 1;

    if (bit != (d != 0))
        return broken("a bit for lists is wrong", d);
    for (; d; d = get(c, &block(c->h, d)->list) & UINT32_MAX) {
        if (state_of(c, d) != (kind ? COLD : WARM) || kith__block_class(size_of(c, d)) != class)
            return broken("is in the wrong list", d);
        if (get(c, &block(c->h, d)->list) >> 32 != prev)
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

    for (uint64_t d = get(c, &c->h->unused); d; d = get(c, &block(c->h, d)->list)) {
        if (d >= high || ++count > high)
            return broken("the unused ones lead astray", d);
        if (state_of(c, d) == USED || atomic_load(&block(c->h, d)->owner))
            return broken("is unused and used", d);
    }
    if (n->blocks + count + 2 != high)
        return broken("some are lost", count);
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
        for (uint32_t class = 0; class < CLASSES; class ++)
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
