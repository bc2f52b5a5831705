/* row.c: see row.h. */
#include "config.h"
#include "object/row.h"
#include "base/error.h"
#include "base/system.h"
#include "object/pin.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 8, NEAR = 3, TIDIED = 64, TRIES = 16 };

static struct kith__strip *strip_at(uint64_t block)
{
    return kith__at(block);
}

static struct kith__cell *cell(const struct kith__row *l, uint64_t i)
{
    return &strip_at(atomic_load(&l->strip))->cells[atomic_load(&l->begin) + i];
}

struct kith__held kith__row_look(const struct kith__row *l, uint64_t i)
{
    return kith__cell_look(cell(l, i));
}

uint64_t kith__row_index(int64_t index, uint64_t count)
{
    uint64_t i = index < 0 ? count + (uint64_t)index : (uint64_t)index;

    return i < count ? i : UINT64_MAX;
}

int kith__row_read(const struct kith__object *o, const struct kith__row *l, int64_t index,
                   struct kith__held *h, uint64_t *count)
{
    for (int tries = 0; tries < TRIES; tries++) {
        uint64_t version = atomic_load_explicit(&l->version, memory_order_acquire);
        uint64_t strip = atomic_load_explicit(&l->strip, memory_order_acquire);
        uint64_t first = atomic_load_explicit(&l->begin, memory_order_acquire), i;

        if (version & 1 || kith__guard_is_pending(&o->guard)) {
            kith__pause();
            continue;
        }
        *count = atomic_load_explicit(&l->count, memory_order_acquire);
        i = kith__row_index(index, *count);
        /* In the middle of a change, begin and count may be those of another strip. */
        if (i != UINT64_MAX && strip && first + i < strip_at(strip)->room)
            *h = kith__cell_read(&strip_at(strip)->cells[first + i]);
        if (atomic_load_explicit(&l->version, memory_order_acquire) == version)
            return i != UINT64_MAX;
        kith__pause();
    }
    return -1;
}

/* ------------------------------------------------------------------------ changing */

static void begin(struct kith__object *o)
{
    struct kith__row *l = kith__row_of(o);

    kith__guard_set(&o->guard, &l->version, atomic_load(&l->version) + 1);
}

static void commit(struct kith__object *o)
{
    struct kith__row *l = kith__row_of(o);

    kith__guard_set(&o->guard, &l->version, atomic_load(&l->version) + 2);
    kith__guard_commit(&o->guard);
}

static void publish(struct kith__object *o, const struct kith__held *h)
{
    kith__held_publish(&o->guard, h, atomic_load(&kith__row_of(o)->version));
}

static void copy_cells(struct kith__cell *to, const struct kith__cell *from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct kith__held h = kith__cell_look(&from[i]);

        kith__cell_fill(&to[i], &h);
    }
}

/* A strip with a third of its room to spare, at its end, or half of that before its first element. 0. */
static uint64_t new_strip(uint64_t count, int front, uint64_t *first)
{
    uint64_t room = FIRST_ROOM, block;

    while (room < count + count / 2 + 1)
        room *= 2;
    *first = front ? (room - count) / 2 : 0;
    if ((block = kith__heap_alloc(sizeof(struct kith__strip) + room * sizeof(struct kith__cell), kith__me)) !=
        0)
        strip_at(block)->room = room;
    return block;
}

/* With the next commit that is the strip. */
static void set_strip(struct kith__object *o, uint64_t block, uint64_t first, uint64_t count)
{
    struct kith__row *l = kith__row_of(o);

    kith__guard_set(&o->guard, kith__heap_owner(block), 0);
    kith__guard_set(&o->guard, &l->strip, block);
    kith__guard_set(&o->guard, &l->begin, first);
    kith__guard_set(&o->guard, &l->count, count);
}

/* Another strip in which at i so many cells have come in, with nothing in them, or are left out. 0. */
static uint64_t rebuilt(const struct kith__row *l, uint64_t i, uint64_t in, uint64_t out, uint64_t *first)
{
    uint64_t count = kith__row_count(l), block = new_strip(count + in - out, i < count / 2, first);
    struct kith__cell *cells;

    if (!block || count == 0)
        return block;
    cells = strip_at(block)->cells + *first;
    copy_cells(cells, cell(l, 0), i);
    copy_cells(cells + i + in, cell(l, i + out), count - i - out);
    return block;
}

static void shift(struct kith__object *o, uint64_t from, uint64_t n, int by)
{
    struct kith__row *l = kith__row_of(o);

    for (uint64_t i = from; i < from + n; i++) {
        struct kith__held h = kith__row_look(l, i);

        kith__cell_set(&o->guard, cell(l, i) + by, &h);
    }
}

static int insert_by_rebuilding(struct kith__object *o, uint64_t i, const struct kith__held *h)
{
    struct kith__row *l = kith__row_of(o);
    uint64_t first, block = rebuilt(l, i, 1, 0, &first);

    if (!block)
        return KITH_ENOMEM;
    kith__cell_fill(&strip_at(block)->cells[first + i], h);
    begin(o);
    publish(o, h);
    kith__trash_add(&o->guard, &l->trash, atomic_load(&l->strip), 0);
    set_strip(o, block, first, kith__row_count(l) + 1);
    commit(o);
    return 0;
}

/* A cell at i, where all that is, or comes in front of it, moves by one. */
int kith__row_insert(struct kith__object *o, uint64_t i, const struct kith__held *h)
{
    struct kith__row *l = kith__row_of(o);
    uint64_t strip = atomic_load(&l->strip), first = atomic_load(&l->begin), count = kith__row_count(l);

    if (strip && count - i <= NEAR && first + count < strip_at(strip)->room) {
        begin(o);
        shift(o, i, count - i, 1);
        kith__cell_set(&o->guard, cell(l, i), h);
    } else if (strip && i <= NEAR && first > 0) {
        begin(o);
        shift(o, 0, i, -1);
        kith__cell_set(&o->guard, cell(l, i) - 1, h);
        kith__guard_set(&o->guard, &l->begin, first - 1);
    } else
        return insert_by_rebuilding(o, i, h);
    publish(o, h);
    kith__guard_set(&o->guard, &l->count, count + 1);
    commit(o);
    return 0;
}

void kith__row_replace(struct kith__object *o, uint64_t i, const struct kith__held *h)
{
    struct kith__row *l = kith__row_of(o);
    struct kith__held old = kith__row_look(l, i);

    begin(o);
    kith__cell_set(&o->guard, cell(l, i), h);
    publish(o, h);
    kith__trash_add(&o->guard, &l->trash, kith__held_block(&old), 0);
    commit(o);
}

static int remove_by_rebuilding(struct kith__object *o, uint64_t i, const struct kith__held *old)
{
    struct kith__row *l = kith__row_of(o);
    uint64_t first, block = rebuilt(l, i, 0, 1, &first);

    if (!block)
        return KITH_ENOMEM;
    begin(o);
    kith__trash_add(&o->guard, &l->trash, kith__held_block(old), atomic_load(&l->strip));
    set_strip(o, block, first, kith__row_count(l) - 1);
    commit(o);
    return 0;
}

int kith__row_remove(struct kith__object *o, uint64_t i)
{
    struct kith__row *l = kith__row_of(o);
    struct kith__held old = kith__row_look(l, i);
    uint64_t count = kith__row_count(l);

    if (count - 1 - i <= NEAR) {
        begin(o);
        shift(o, i + 1, count - 1 - i, -1);
    } else if (i <= NEAR) {
        begin(o);
        shift(o, 0, i, 1);
        kith__guard_set(&o->guard, &l->begin, atomic_load(&l->begin) + 1);
    } else
        return remove_by_rebuilding(o, i, &old);
    kith__trash_add(&o->guard, &l->trash, kith__held_block(&old), 0);
    kith__guard_set(&o->guard, &l->count, count - 1);
    commit(o);
    return 0;
}

/* With the next commit all elements are trash, with their strip. */
static void drop_all(struct kith__object *o)
{
    struct kith__row *l = kith__row_of(o);
    struct kith__strip *r = strip_at(atomic_load(&l->strip));

    kith__guard_set(&o->guard, &r->from, atomic_load(&l->begin));
    kith__guard_set(&o->guard, &r->to, atomic_load(&l->begin) + kith__row_count(l));
    kith__guard_set(&o->guard, &r->link, atomic_load(&l->full));
    kith__guard_set(&o->guard, &l->full, kith__offset(r));
    kith__guard_set(&o->guard, &l->strip, 0);
    kith__guard_set(&o->guard, &l->begin, 0);
    kith__guard_set(&o->guard, &l->count, 0);
}

static void fill_cells(struct kith__cell *cells, int type, const char *values, uint64_t size, uint64_t n)
{
    struct kith__held h;

    for (uint64_t i = 0; i < n; i++) {
        kith__held_make(&h, type, values + i * size, size);
        kith__cell_fill(&cells[i], &h);
    }
}

int kith__row_extend(struct kith__object *o, int type, const void *values, uint64_t size, uint64_t n)
{
    struct kith__row *l = kith__row_of(o);
    uint64_t strip = atomic_load(&l->strip), first = atomic_load(&l->begin), count = kith__row_count(l),
             block;

    if (strip && n <= strip_at(strip)->room - first - count) { /* behind the end, where nobody looks */
        fill_cells(cell(l, count), type, values, size, n);
        begin(o);
        kith__guard_set(&o->guard, &l->count, count + n);
        commit(o);
        return 0;
    }
    if ((block = rebuilt(l, count, n, 0, &first)) == 0)
        return KITH_ENOMEM;
    fill_cells(&strip_at(block)->cells[first + count], type, values, size, n);
    begin(o);
    kith__trash_add(&o->guard, &l->trash, strip, 0);
    set_strip(o, block, first, count + n);
    commit(o);
    return 0;
}

/* Another strip takes the place of the present one, with the same elements. */
static void exchange_strip(struct kith__object *o, uint64_t block, uint64_t first)
{
    struct kith__row *l = kith__row_of(o);

    begin(o);
    kith__trash_add(&o->guard, &l->trash, atomic_load(&l->strip), 0);
    set_strip(o, block, first, kith__row_count(l));
    commit(o);
}

int kith__row_reverse(struct kith__object *o)
{
    struct kith__row *l = kith__row_of(o);
    uint64_t n = kith__row_count(l), first, block;

    if (n < 2)
        return 0;
    if ((block = new_strip(n, 0, &first)) == 0)
        return KITH_ENOMEM;
    for (uint64_t i = 0; i < n; i++)
        copy_cells(&strip_at(block)->cells[first + n - 1 - i], cell(l, i), 1);
    exchange_strip(o, block, first);
    return 0;
}

/* 0: a number is not there, or there twice. */
static int permute(const struct kith__row *l, struct kith__cell *to, const char *numbers, uint64_t n)
{
    char *seen = calloc(n, 1);
    uint64_t i, k;

    for (i = 0; seen && i < n; i++) {
        memcpy(&k, numbers + i * sizeof k, sizeof k);
        if (k >= n || seen[k])
            break;
        seen[k] = 1;
        copy_cells(&to[i], cell(l, k), 1);
    }
    free(seen);
    return seen && i == n;
}

int kith__row_reorder(struct kith__object *o, const void *numbers, uint64_t n)
{
    struct kith__row *l = kith__row_of(o);
    uint64_t first, block;

    if (n != kith__row_count(l))
        return kith__fail(KITH_EINVAL, "an order of another number of elements");
    if (n < 2)
        return 0;
    if ((block = new_strip(n, 0, &first)) == 0)
        return KITH_ENOMEM;
    if (!permute(l, strip_at(block)->cells + first, numbers, n)) {
        kith__heap_free(block);
        return kith__fail(KITH_EINVAL, "an order in which an element is missing");
    }
    exchange_strip(o, block, first);
    return 0;
}

/* ------------------------------------------------------------------------- freeing */

/* One block of a full strip, or the strip. */
static void free_of_full(struct kith__object *o)
{
    struct kith__row *l = kith__row_of(o);
    struct kith__strip *r = strip_at(atomic_load(&l->full));
    uint64_t from = atomic_load(&r->from), to = atomic_load(&r->to), block = 0;

    while (from < to && block == 0) {
        struct kith__held h = kith__cell_look(&r->cells[from++]);

        block = kith__held_block(&h);
    }
    if (block)
        kith__free_from(o, block, &r->from, from);
    else
        kith__free_from(o, kith__offset(r), &l->full, atomic_load(&r->link));
}

int kith__row_tidy(struct kith__object *o)
{
    struct kith__row *l = kith__row_of(o);
    int left = TIDIED;

    if (kith__is_pinned(o))
        return 0;
    for (; left > 0 && atomic_load(&l->full) != 0; left--)
        free_of_full(o);
    kith__trash_empty(o, &l->trash, left);
    return atomic_load(&l->full) != 0 || atomic_load(&l->trash.first) != 0;
}

void kith__row_tidy_a_lot(struct kith__object *o)
{
    if (atomic_load(&kith__row_of(o)->trash.count) > KITH__TRASH_MOST ||
        atomic_load(&kith__row_of(o)->full) != 0)
        kith__row_tidy(o);
}

void kith__row_clear(struct kith__object *o)
{
    if (atomic_load(&kith__row_of(o)->strip) == 0)
        return;
    begin(o);
    drop_all(o);
    commit(o);
}

void kith__row_free(struct kith__object *o)
{
    struct kith__row *l = kith__row_of(o);

    kith__row_clear(o);
    while (atomic_load(&l->full) != 0)
        free_of_full(o);
    kith__trash_free(o, &l->trash);
}
