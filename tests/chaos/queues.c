/* queues.c: items through Queues, each of which says who put it: a putter, which is one call of put_some, and
 * its number there. So whoever takes it sees whether it is whole, in order, and there for the first time. */
#include "config.h"
#include "queues.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 120000, FEW_BYTES = 5000 };

struct item {
    uint32_t putter, number, size;
};

static size_t item_size(uint32_t putter, uint32_t number)
{
    uint64_t x = mixed((uint64_t)putter << 20 | number);

    return sizeof(struct item) + (x % 40 == 0 ? x / 64 % 100000 : x % 7 == 0 ? x / 64 % 9000 : x / 64 % 60);
}

static struct queue_life *life_of(int q, int life)
{
    return &world->queues[q].lives[life];
}
static kith_queue handle_of(struct queue_life *l)
{
    return (kith_queue){ atomic_load(&l->handle) };
}

/* ---- opening and ending */

void choose_queue(struct place *at, struct dice *d)
{
    at->queue = (int)roll(d, QUEUES);
    at->queue_life = atomic_load(&world->queues[at->queue].current);
}

void open_queue(int q, struct dice *d)
{
    static const size_t bounds[] = { 0, 0, 1, 2, 5, 100 };
    int life = atomic_load(&world->queues[q].current), rc;
    struct queue_life *l = life_of(q, life);
    size_t bound = bounds[roll(d, 6)];
    kith_queue queue;

    if (atomic_load(&l->opened)) {
        if (!atomic_load(&l->ended) || life + 1 == GENERATIONS)
            return;
        l = life_of(q, ++life);
    }
    if (atomic_exchange(&l->being_opened, 1))
        return;
    atomic_fetch_add(&world->open, 1); /* until the others know of it */
    queue = kith_queue_open(bound);
    rc = kith_check(queue);
    CHECK(rc == 0 || excused(rc), "a Queue cannot be opened: %d", rc);
    if (rc == 0) {
        atomic_store(&l->handle, queue.id);
        atomic_store(&l->opened, 1);
        atomic_store(&world->queues[q].current, life);
    }
    atomic_fetch_sub(&world->open, 1);
}

void end_queue(int q)
{
    struct queue_life *l = life_of(q, atomic_load(&world->queues[q].current));
    int rc;

    if (!atomic_load(&l->opened))
        return;
    atomic_store(&l->ending, 1);
    rc = kith_queue_close(handle_of(l));
    CHECK(rc == 0 || rc == KITH_ESTALE || server_lost(rc), "close of a Queue gives %d", rc);
    atomic_store(&l->ended, 1);
}

/* ---- items */

void put_some(int q, int life, int n, int timeout_ms)
{
    struct queue_life *l = life_of(q, life);
    uint32_t putter = atomic_fetch_add(&world->next_putter, 1);
    char *bytes;

    if (putter >= PUTTERS || !atomic_load(&l->opened))
        return;
    bytes = malloc(MOST_BYTES);
    atomic_store(&world->putters[putter].queue, (uint32_t)(q * GENERATIONS + life));
    for (uint32_t k = 0; k < (uint32_t)n && k < ITEMS; k++) {
        struct item i = { putter, k, (uint32_t)item_size(putter, k) };
        int rc;

        memset(bytes, (int)(i.size & 255), i.size);
        memcpy(bytes, &i, sizeof i);
        rc = kith_queue_put(handle_of(l), bytes, i.size, timeout_ms);
        if (rc == KITH_ETIMEDOUT || excused(rc))
            break;
        if (rc == KITH_ESTALE) {
            CHECK(atomic_load(&l->ending), "put: a Queue is stale that nobody closed");
            break;
        }
        CHECK(rc == 0, "put gives %d", rc);
        atomic_store(&world->putters[putter].put, k + 1);
    }
    free(bytes);
}

/* 1: the bytes are an item that was put there, as it was; *i has its beginning then. */
static int is_whole(struct item *i, const char *bytes, int64_t size, int q, int life)
{
    memcpy(i, bytes, sizeof *i);
    if (size < (int64_t)sizeof *i || i->putter >= PUTTERS || i->number >= ITEMS || (int64_t)i->size != size ||
        i->size != item_size(i->putter, i->number) ||
        atomic_load(&world->putters[i->putter].queue) != (uint32_t)(q * GENERATIONS + life)) {
        wrong("an item of %lld bytes that nobody put", (long long)size);
        return 0;
    }
    for (size_t k = sizeof *i; k < i->size; k++)
        if (bytes[k] != (char)i->size) {
            wrong("byte %zu of %u of an item is wrong", k, i->size);
            break;
        }
    return 1;
}

/* Takes one, also one that is larger than the first try has room for: its size, or the code. */
static int64_t take_one(struct queue_life *l, char *bytes, int64_t room, int timeout_ms)
{
    int64_t size = kith_queue_get(handle_of(l), bytes, (size_t)room, timeout_ms);

    if (size == KITH_ETOOBIG)
        size = kith_queue_get(handle_of(l), bytes, MOST_BYTES, timeout_ms);
    CHECK(size >= 0 || size == KITH_ETIMEDOUT || excused((int)size) ||
              (size == KITH_ESTALE && atomic_load(&l->ending)),
          "get gives %d", (int)size);
    return size;
}

/* Order is by putter, within one call. */
void take_some(int q, int life, int n, int timeout_ms)
{
    struct queue_life *l = life_of(q, life);
    int8_t *next; /* of each putter: its least number that may come */
    char *bytes;

    if (!atomic_load(&l->opened))
        return;
    bytes = malloc(MOST_BYTES);
    next = calloc(PUTTERS, 1);
    for (int got = 0; got < n; got++) {
        struct item i;
        int64_t size;

        atomic_fetch_add(&world->takers, 1); /* an item may die with it */
        size = take_one(l, bytes, got % 5 ? MOST_BYTES : FEW_BYTES, timeout_ms);
        if (size < 0) {
            atomic_fetch_sub(&world->takers, 1);
            break;
        }
        if (!is_whole(&i, bytes, size, q, life))
            break;
        CHECK(atomic_fetch_add(&world->putters[i.putter].taken[i.number], 1) == 0,
              "item %u of putter %u came twice", i.number, i.putter);
        CHECK(next[i.putter] <= (int)i.number || (now.net && somebody_died()),
              "item %u of putter %u came after %d", i.number, i.putter, next[i.putter] - 1);
        next[i.putter] = (int8_t)(i.number + 1);
        atomic_fetch_sub(&world->takers, 1);
    }
    free(next);
    free(bytes);
}

/* Those that are open: how many, and where each of them is. */
static size_t list_queues(struct kith_waitable *list, int *queues, int *lives)
{
    size_t n = 0;

    for (int q = 0; q < QUEUES; q++) {
        int life = atomic_load(&world->queues[q].current);
        struct queue_life *l = life_of(q, life);

        if (!atomic_load(&l->opened))
            continue;
        queues[n] = q;
        lives[n] = life;
        list[n++] = kith_on(handle_of(l));
    }
    return n;
}

void take_of_many(struct dice *d)
{
    struct kith_waitable list[QUEUES];
    int queues[QUEUES], lives[QUEUES], timeout_ms = (int)roll(d, 20), rc;
    size_t n = list_queues(list, queues, lives);

    rc = kith_wait(list, n, timeout_ms);
    CHECK(rc >= 1 || rc == KITH_ETIMEDOUT || excused(rc), "wait gives %d", rc);
    for (size_t i = 0; rc >= 1 && i < n; i++)
        if (list[i].ready == 1)
            take_some(queues[i], lives[i], 1 + (int)roll(d, 5), 0);
        else
            CHECK(list[i].ready == 0 || excused(list[i].ready) ||
                      (list[i].ready == KITH_ESTALE && atomic_load(&life_of(queues[i], lives[i])->ending)),
                  "a Queue is ready with %d", list[i].ready);
}

void count_items(void)
{
    int missing = 0;

    for (uint32_t p = 0; p < atomic_load(&world->next_putter) && p < PUTTERS; p++) {
        uint32_t q = atomic_load(&world->putters[p].queue), put = atomic_load(&world->putters[p].put);

        if (atomic_load(&world->queues[q / GENERATIONS].lives[q % GENERATIONS].ending))
            continue;
        for (uint32_t k = 0; k < put; k++)
            missing += atomic_load(&world->putters[p].taken[k]) == 0;
    }
    CHECK(missing <= atomic_load(&world->takers), "%d items were put and are gone; %d takers died", missing,
          atomic_load(&world->takers));
}

/* ---- Queues without places */

/* 1: item i of a relay went in and came out; each third one has no bytes. */
static int pass(kith_queue q, int i)
{
    int64_t size = (int64_t)sizeof i * (i % 3 != 0), got;
    int in = -1, rc = kith_queue_put(q, &i, (size_t)size, KITH_FOREVER);

    got = rc < 0 ? rc : kith_queue_get(q, &in, sizeof in, KITH_FOREVER);
    if (excused(rc) || excused((int)got))
        return 0;
    CHECK(rc == 0 && got == size && in == (size ? i : -1), "a relay: %d, %d", rc, (int)got);
    return 1;
}

void relay(struct dice *d)
{
    int rc, n = 1 + (int)roll(d, 20), passes = 1;
    kith_queue q;

    atomic_fetch_add(&world->open, 1);
    q = kith_queue_open(roll(d, 3));
    if ((rc = kith_check(q)) < 0) {
        CHECK(excused(rc), "a Queue cannot be opened: %d", rc);
        return;
    }
    for (int i = 0; i < n && passes; i++)
        passes = pass(q, i);
    rc = kith_queue_empty(q);
    CHECK(rc == 1 || !passes || server_lost(rc), "an empty Queue is not empty: %d", rc);
    rc = kith_queue_close(q);
    CHECK(rc == 0 || server_lost(rc), "close of a Queue gives %d", rc);
    atomic_fetch_sub(&world->open, 1);
    rc = kith_put(q, n);
    CHECK(rc == KITH_ESTALE || server_lost(rc), "put into a closed Queue gives %d", rc);
}

void open_by_name(struct dice *d)
{
    int which = (int)roll(d, 2), rc;
    kith_queue q = kith_queue_named(which ? "one" : "other", 7);
    uint64_t none = 0;

    rc = kith_check(q);
    CHECK(rc == 0 || excused(rc), "a Queue cannot be opened by name: %d", rc);
    if (rc < 0)
        return;
    CHECK(atomic_compare_exchange_strong(&world->named[which], &none, q.id) || none == q.id,
          "two Queues have one name");
    rc = kith_check(kith_queue_named(which ? "one" : "other", 8));
    CHECK(rc == KITH_EINVAL || server_lost(rc), "a Queue with another bound gives %d", rc);
}

void close_named(void)
{
    for (int i = 0; i < 2; i++)
        if (atomic_load(&world->named[i]))
            kith_queue_close((kith_queue){ atomic_load(&world->named[i]) });
}
