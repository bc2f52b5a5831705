/* shelf.c: see shelf.h. Called by feed.c. */
#include "config.h"
#include "pool/shelf.h"
#include "base/error.h"
#include "shm/heap.h"

#include <stdlib.h>
#include <string.h>

static struct kith__shelf_chunk *chunk_at(const struct kith__shelf *s, uint64_t number)
{
    return &s->chunks[number & (s->room - 1)];
}

static struct kith__item *items_of(const struct kith__shelf_chunk *c)
{
    return kith__at(c->block);
}

int kith__shelf_has_room(const struct kith__shelf *s)
{
    return s->given % KITH__ROW_CHUNK != 0 ||
           (s->tail && s->tail == items_of(kith__shelf_chunk(s, s->given)));
}

/* -------------------------------------------------------------- letting go */

void kith__shelf_drop(struct kith__shelf *s, uint64_t unit, struct kith__item *item)
{
    struct kith__shelf_chunk *c = kith__shelf_chunk(s, unit);

    if (kith__item_has_ended(item)) {
        kith__item_tell_if_failed(item);
        kith__shelf_let_go(s, unit);
        return;
    }
    if (!c->drops && !(c->drops = calloc(KITH__ROW_CHUNK / 64, sizeof *c->drops)))
        return; /* its chunk stays */
    c->drops[unit % KITH__ROW_CHUNK / 64] |= UINT64_C(1) << unit % 64;
    c->dropped++;
}

/* What was dropped in a chunk and has ended since, of the units before retired; UINT64_MAX: all of it, the
 * pool has ended. 0: one has not. */
static int let_go_of_dropped(struct kith__shelf *s, uint64_t number, uint64_t retired)
{
    struct kith__shelf_chunk *c = chunk_at(s, number);

    for (uint64_t k = 0; k < KITH__ROW_CHUNK && c->dropped; k++) {
        if (!(c->drops[k / 64] >> k % 64 & 1))
            continue;
        if (retired < UINT64_MAX &&
            (number * KITH__ROW_CHUNK + k >= retired || !kith__item_has_ended(items_of(c) + k)))
            return 0;
        c->drops[k / 64] &= ~(UINT64_C(1) << k % 64);
        c->dropped--;
        kith__item_tell_if_failed(items_of(c) + k);
        kith__shelf_let_go(s, number * KITH__ROW_CHUNK + k);
    }
    return 1;
}

void kith__shelf_let_go_of_dropped(struct kith__shelf *s)
{
    for (uint64_t i = s->first; i * KITH__ROW_CHUNK < s->given; i++)
        let_go_of_dropped(s, i, UINT64_MAX);
}

void kith__shelf_hold(struct kith__shelf *s, uint64_t unit)
{
    kith__shelf_chunk(s, unit)->held++;
    s->held++;
}

void kith__shelf_put(struct kith__shelf *s, uint64_t unit)
{
    kith__shelf_chunk(s, unit)->held--;
    s->held--;
}

/* ------------------------------------------------------------------ chunks */

static int make_room(struct kith__shelf *s, uint64_t number)
{
    uint64_t room = s->room ? 2 * s->room : 16;
    struct kith__shelf_chunk *more;

    if (number - s->first < s->room)
        return 0;
    if (!(more = calloc(room, sizeof *more)))
        return kith__fail(KITH_ENOMEM, "no memory for the results of %llu tasks",
                          (unsigned long long)s->live);
    for (uint64_t i = s->first; i < number; i++)
        more[i & (room - 1)] = *chunk_at(s, i);
    free(s->chunks);
    s->chunks = more;
    s->room = room;
    return 0;
}

/* The word in which workers find that chunk. */
static kith__word *word_of(struct kith__shelf *s, uint64_t number)
{
    kith__word *map = &s->row->maps[number / KITH__ROW_MAP % KITH__ROW_MAP];
    uint64_t block = atomic_load(map);

    if (!block) {
        if (!(block = kith__heap_alloc(KITH__ROW_MAP * sizeof(kith__word), kith__me)))
            return NULL;
        memset(kith__at(block), 0, KITH__ROW_MAP * sizeof(kith__word));
        atomic_store(map, block);
    }
    return (kith__word *)kith__at(block) + number % KITH__ROW_MAP;
}

static void free_chunk(struct kith__shelf *s, uint64_t number)
{
    struct kith__shelf_chunk *c = chunk_at(s, number);

    atomic_store(word_of(s, number), 0);
    if (s->spares < KITH__SHELF_SPARE)
        s->spare[s->spares++] = c->block;
    else
        kith__heap_free(c->block);
    free(c->drops);
    memset(c, 0, sizeof *c);
}

/* Chunks of which all was taken. A worker may be slow to leave one: later. */
static void tidy(struct kith__shelf *s, uint64_t retired)
{
    uint64_t end = s->given / KITH__ROW_CHUNK;

    for (uint64_t i = s->first; i < end && i < s->first + KITH__ROW_MAP; i++)
        if (chunk_at(s, i)->block && chunk_at(s, i)->left == 0 && chunk_at(s, i)->held == 0) {
            if (retired < (i + 1) * KITH__ROW_CHUNK)
                break;
            free_chunk(s, i);
        }
    while (s->first < end && !chunk_at(s, s->first)->block)
        s->first++;
}

int kith__shelf_grow(struct kith__shelf *s, uint64_t retired)
{
    uint64_t number = s->given / KITH__ROW_CHUNK, block, oldest = s->first;
    kith__word *word;

    while (oldest < number && let_go_of_dropped(s, oldest, retired))
        oldest++;
    tidy(s, retired);
    if (number - s->first >= KITH__ROW_ITEMS / KITH__ROW_CHUNK)
        return kith__fail(KITH_ENOMEM, "%llu tasks are under way in one pool: take the results of some first",
                          (unsigned long long)s->live);
    if (make_room(s, number) < 0 || !(word = word_of(s, number)))
        return KITH_ENOMEM;
    block = s->spares ? s->spare[--s->spares]
                      : kith__heap_alloc(KITH__ROW_CHUNK * sizeof(struct kith__item), kith__me);
    if (!block)
        return KITH_ENOMEM;
    *chunk_at(s, number) = (struct kith__shelf_chunk){ .block = block, .left = KITH__ROW_CHUNK };
    atomic_store(word, block);
    s->tail = kith__at(block);
    return 0;
}

void kith__shelf_clear(struct kith__shelf *s)
{
    for (uint64_t i = s->first; i <= s->given / KITH__ROW_CHUNK && i - s->first < s->room; i++) {
        struct kith__shelf_chunk *c = chunk_at(s, i); /* the last one may be there, and have no task */

        for (uint64_t k = 0; c->block && k < KITH__ROW_CHUNK && i * KITH__ROW_CHUNK + k < s->given; k++)
            if (kith__item_state(items_of(c) + k) != KITH__ITEM_NONE)
                kith__shelf_let_go(s, i * KITH__ROW_CHUNK + k);
        kith__heap_free(c->block);
        free(c->drops);
    }
    while (s->spares)
        kith__heap_free(s->spare[--s->spares]);
    for (int i = 0; i < KITH__ROW_MAP; i++)
        kith__heap_free(atomic_load(&s->row->maps[i]));
    kith__heap_free(kith__offset(s->row));
    free(s->chunks);
    memset(s, 0, sizeof *s);
}

void kith__shelf_forget(struct kith__shelf *s)
{
    for (uint64_t i = 0; i < s->room; i++)
        free(s->chunks[i].drops);
    free(s->chunks);
    memset(s, 0, sizeof *s);
}
