/* fifo.c: the Queue that is first in, first out; see class.h, queue.h and kith.h.
 *
 * Items lie as records {header, bytes} in a chain of segments, blocks of the heap; large ones in a
 * block of their own, so that copying them holds up nobody. Producers and consumers have a guard each (the
 * object's first and second): in the common case they meet only at the two positions. A record is written
 * behind the tail, where nobody looks, and the commit that moves the tail makes it true; a producer that dies
 * before has put nothing.
 *
 * A position is one word: how many items were ever put, or taken, and where in its segment the next record
 * lies. So a commit within a segment changes one word.
 */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "object/memory.h"
#include "object/queue.h"
#include "shm/heap.h"

#include <string.h>

enum { CONSUMERS = KITH__QUEUE_CONSUMERS, PRODUCERS = KITH__QUEUE_PRODUCERS, SIDES };

enum { FIRST_SEGMENT = 4096, SEGMENT = 65536, FEW = 64 }; /* FEW: too small a bound for credit */

#define LAST UINT64_MAX /* the header that says: go on in the next segment */

enum { AT_BITS = 17 }; /* of a position: where; the others: how many, modulo 2^47 */

#define AT_MASK ((UINT64_C(1) << AT_BITS) - 1)
#define ONE (UINT64_C(1) << AT_BITS)

_Static_assert(SEGMENT <= AT_MASK, "a position has room for each place of a segment");

struct segment {
    kith__word next;
    uint64_t size; /* of bytes */
    char bytes[];
};

struct queue {
    /* Under the object's guard, and read by all: in a line where nobody writes as a rule. */
    struct kith__producers producers;
    kith__word tail __attribute__((aligned(64))), put; /* under the object's guard; put: a position */
    kith__word reserved; /* likewise: slots that are promised to producers on other nodes, as their credit */
    _Atomic uint64_t taken_seen; /* likewise: .taken at the last look */
    uint64_t bound;
    kith__word head __attribute__((aligned(64))), taken; /* under the object's second guard */
    /* What was put back comes first: so many items, each of that size. In .front_block they lie side by side,
     * from the .front_at-th on; a large one is the block. */
    kith__word front, front_size, front_block, front_at, front_is_large;
    _Atomic uint64_t put_seen; /* .put at the last look */
};

_Static_assert(KITH__QUEUE_FITS(struct queue, SIDES), "it is the body of a Queue");

static struct queue *queue_of(struct kith__object *o)
{
    return (struct queue *)(void *)&o->body;
}

static struct segment *segment_at(uint64_t block)
{
    return kith__at(block);
}

static uint64_t padded(uint64_t size)
{
    return (size + 7) & ~UINT64_C(7);
}

static uint64_t where(uint64_t position)
{
    return position & AT_MASK;
}

/* How many items stand between two positions. */
static uint64_t between(uint64_t from, uint64_t to)
{
    return ((to >> AT_BITS) - (from >> AT_BITS)) & (UINT64_MAX >> AT_BITS);
}

static uint64_t *header_at(uint64_t segment, uint64_t at)
{
    return (uint64_t *)(void *)(segment_at(segment)->bytes + at);
}

static uint64_t new_segment(uint64_t size)
{
    uint64_t block = kith__heap_alloc(sizeof(struct segment) + size, kith__me);

    if (block) {
        atomic_store_explicit(&segment_at(block)->next, 0, memory_order_relaxed);
        segment_at(block)->size = size;
    }
    return block;
}

static uint64_t count(const struct queue *q)
{
    if (atomic_load(&q->producers.shut) == KITH__SHUT_EMPTIED)
        return 0;
    return between(atomic_load(&q->taken), atomic_load(&q->put));
}

/* ------------------------------------------------------------------- putting */

/* In the guard: a new segment behind the tail, with the next commit. 0: no memory. */
static uint64_t add_segment(struct kith__object *o, struct queue *q, uint64_t need)
{
    uint64_t tail = atomic_load(&q->tail), at = where(atomic_load(&q->put)),
             size = segment_at(tail)->size * 2 < SEGMENT ? segment_at(tail)->size * 2 : SEGMENT,
             next = new_segment(size < need ? SEGMENT : size);

    if (next == 0)
        return 0;
    if (at + sizeof(uint64_t) <= segment_at(tail)->size)
        *header_at(tail, at) = LAST;
    kith__guard_set(&o->guard, &segment_at(tail)->next, next);
    kith__guard_set(&o->guard, kith__heap_owner(next), 0);
    kith__guard_set(&o->guard, &q->tail, next);
    return next;
}

/* In the guard: a record of need bytes at the tail, or at the start of a new segment, not yet true; *put: the
 * position behind it. NULL: no memory. */
static uint64_t *make_room(struct kith__object *o, struct queue *q, uint64_t need, uint64_t *put)
{
    uint64_t tail = atomic_load(&q->tail), at = where(*put = atomic_load(&q->put));

    if (at + need > segment_at(tail)->size) {
        if ((tail = add_segment(o, q, need)) == 0)
            return NULL;
        *put -= at;
        at = 0;
    }
    *put += ONE + need;
    return header_at(tail, at);
}

static int put_record(struct kith__object *o, const void *item, uint64_t block, size_t size, int reserved)
{
    struct queue *q = queue_of(o);
    uint64_t put, *record = make_room(o, q, sizeof *record + (block ? sizeof block : padded(size)), &put);

    if (!record)
        return KITH_ENOMEM;
    *record = (uint64_t)size << 1 | (block != 0);
    if (block) {
        record[1] = block;
        kith__guard_set(&o->guard, kith__heap_owner(block), 0);
    } else if (size > 0)
        memcpy(record + 1, item, size);
    if (reserved)
        kith__guard_set(&o->guard, &q->reserved, atomic_load(&q->reserved) - 1);
    kith__guard_set(&o->guard, &q->put, put);
    kith__guard_commit(&o->guard);
    return 0;
}

/* The two sides write to a cache line each, and look at the other's only when the last look is used up: it
 * would be taken away from the other core, twice an item. What was seen is a hint and needs no commit: the
 * counters grow. (But for an item that is put back to the front, which may stand beyond the bound in any
 * case.) */
static void look_at_taken(struct queue *q)
{
    atomic_store_explicit(&q->taken_seen, atomic_load(&q->taken), memory_order_relaxed);
}

/* In the guard: slots that are neither taken nor promised; at least so many. */
static uint64_t free_slots(const struct queue *q)
{
    uint64_t used =
        between(atomic_load_explicit(&q->taken_seen, memory_order_relaxed), atomic_load(&q->put)) +
        atomic_load(&q->reserved);

    return !q->bound ? UINT64_MAX : used < q->bound ? q->bound - used : 0;
}

static int is_full(struct queue *q)
{
    if (free_slots(q) > 0)
        return 0;
    look_at_taken(q);
    return free_slots(q) == 0;
}

static int64_t put(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                   struct kith__result *out)
{
    struct queue *q = queue_of(o);
    int reserved = (in->flags & KITH__RESERVED) != 0, rc;

    (void)who;
    if (atomic_load_explicit(&q->producers.shut, memory_order_relaxed))
        return kith__queue_was_shut();
    if (!reserved && is_full(q))
        return KITH__PARKED;
    if ((rc = put_record(o, in->bytes, in->block, in->size, reserved)) < 0)
        return rc;
    in->block = 0;
    kith__tell_one(out, CONSUMERS);
    return 0;
}

/* The bytes are several items, each of that number of bytes. Puts some, at least one: how many. */
static int64_t put_many(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                        struct kith__result *out)
{
    struct queue *q = queue_of(o);
    uint64_t done = 0;
    int64_t rc = 0;

    (void)who;
    if (in->number == 0 || in->number > KITH__LARGE || in->size % in->number)
        return kith__fail(KITH_EINVAL, "items of %llu bytes were put, in %llu",
                          (unsigned long long)in->number, (unsigned long long)in->size);
    if (atomic_load_explicit(&q->producers.shut, memory_order_relaxed))
        return kith__queue_was_shut();
    for (; rc == 0 && done < in->size && done < KITH__QUEUE_AT_ONCE; done += rc == 0 ? in->number : 0)
        rc = is_full(q) ? KITH__PARKED : put_record(o, (const char *)in->bytes + done, 0, in->number, 0);
    if (done == 0)
        return rc; /* not whether it is full now: the consumers have a guard of their own */
    kith__tell_all(out, CONSUMERS);
    return (int64_t)(done / in->number);
}

/* -------------------------------------------------------------------- taking */

/* In the consumers' guard, with an item there: its record, the head moved to its segment. */
static uint64_t *oldest(struct kith__object *o)
{
    struct queue *q = queue_of(o);

    for (;;) {
        uint64_t head = atomic_load(&q->head), taken = atomic_load(&q->taken), at = where(taken), next;

        if (at + sizeof(uint64_t) <= segment_at(head)->size && *header_at(head, at) != LAST)
            return header_at(head, at);
        next = atomic_load(&segment_at(head)->next);
        kith__guard_set(&o->second, kith__heap_owner(head), kith__me);
        kith__guard_set(&o->second, &q->head, next);
        kith__guard_set(&o->second, &q->taken, taken - at);
        kith__guard_commit(&o->second);
        kith__heap_free(head);
    }
}

struct item {
    uint64_t size, block;
    const void *bytes;
}; /* block 0: the bytes lie in the record, or with others that were put back */

/* In the consumers' guard. */
static int is_empty(struct queue *q)
{
    uint64_t taken = atomic_load(&q->taken);

    if (between(taken, atomic_load_explicit(&q->put_seen, memory_order_relaxed)) == 0)
        atomic_store_explicit(&q->put_seen, atomic_load(&q->put), memory_order_relaxed);
    return between(taken, atomic_load_explicit(&q->put_seen, memory_order_relaxed)) == 0;
}

/* In the consumers' guard: what stands next. 0: nothing. */
static int find(struct kith__object *o, struct item *i)
{
    struct queue *q = queue_of(o);
    uint64_t *record;

    if (is_empty(q))
        return 0;
    if (atomic_load(&q->front)) {
        uint64_t block = atomic_load(&q->front_block);

        i->size = atomic_load(&q->front_size);
        i->block = atomic_load(&q->front_is_large) ? block : 0;
        i->bytes = block ? (const char *)kith__at(block) + atomic_load(&q->front_at) * i->size : NULL;
        return 1;
    }
    record = oldest(o);
    i->size = *record >> 1;
    i->block = *record & 1 ? record[1] : 0;
    i->bytes = record + 1;
    return 1;
}

/* Likewise: what can be had next. */
static int look(struct kith__object *o, struct item *i)
{
    return atomic_load(&queue_of(o)->producers.shut) != KITH__SHUT_EMPTIED && find(o, i);
}

/* In the consumers' guard: it is out with this; a block of it is ours. */
static void remove_item(struct kith__object *o, const struct item *i)
{
    struct queue *q = queue_of(o);
    uint64_t left = atomic_load(&q->front), emptied = 0, taken = atomic_load(&q->taken) + ONE;

    if (left > 0) {
        kith__guard_set(&o->second, &q->front, left - 1);
        kith__guard_set(&o->second, &q->front_at, atomic_load(&q->front_at) + 1);
        if (left == 1 && !i->block && (emptied = atomic_load(&q->front_block)) != 0)
            kith__guard_set(&o->second, kith__heap_owner(emptied), kith__me);
    } else
        taken += sizeof(uint64_t) + (i->block ? sizeof(uint64_t) : padded(i->size));
    if (i->block)
        kith__guard_set(&o->second, kith__heap_owner(i->block), kith__me);
    kith__guard_set(&o->second, &q->taken, taken);
    kith__guard_commit(&o->second);
    if (emptied)
        kith__heap_free(emptied);
}

/* Before one looks whether it is empty: what was put before is there then. */
static int is_shut(const struct queue *q)
{
    return atomic_load(&q->producers.shut) != 0;
}

/* Its bytes: those of a small one are copied, a large one is given as its block. */
static int64_t give(struct kith__object *o, const struct item *i, struct kith__result *out)
{
    int rc = 0;

    out->size = i->size;
    if (i->block)
        out->block = i->block;
    else if (i->bytes)
        rc = kith__give_bytes(out, i->bytes, i->size);
    if (rc < 0)
        return rc;
    remove_item(o, i);
    out->flags |= KITH__GIVEN;
    if (queue_of(o)->bound)
        kith__tell_one(out, PRODUCERS);
    return (int64_t)i->size;
}

static int64_t get(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                   struct kith__result *out)
{
    int over = is_shut(queue_of(o));
    struct item i;
    int64_t rc;

    (void)who;
    if (!look(o, &i))
        return over ? kith__queue_is_over() : KITH__PARKED;
    if ((rc = kith__queue_does_not_fit(i.size, in->number, (in->flags & KITH__EXACT) != 0)) < 0)
        return rc;
    return give(o, &i, out);
}

/* Where many are copied to; NULL: no memory. */
static char *room_for(struct kith__result *out, uint64_t size)
{
    if (out->buf)
        return out->buf;
    out->block = kith__heap_alloc(size, kith__me);
    return out->block ? kith__at(out->block) : NULL;
}

/* In the consumers' guard: takes items of that size, as many as there are side by side and have room. How
 * many bytes.
 */
static uint64_t take_alike(struct kith__object *o, uint64_t size, char *to, uint64_t room)
{
    struct item i;
    uint64_t done = 0;

    for (; done + size <= room && look(o, &i) && i.size == size && !i.block; done += size) {
        memcpy(to + done, i.bytes, size);
        remove_item(o, &i);
    }
    return done;
}

/* The bytes: the size of an item; the number: of all, at most. Takes some, at least one: of how many bytes.
 */
static int64_t get_many(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                        struct kith__result *out)
{
    uint64_t room = in->number < KITH__QUEUE_AT_ONCE ? in->number : KITH__QUEUE_AT_ONCE, size = 0;
    int over = is_shut(queue_of(o));
    struct item i;
    char *to;

    (void)who;
    memcpy(&size, in->bytes, in->size < sizeof size ? in->size : sizeof size);
    if (size == 0 || size > KITH__LARGE || size > in->number)
        return kith__fail(KITH_EINVAL, "items of %llu bytes were requested", (unsigned long long)size);
    if (!look(o, &i))
        return over ? kith__queue_is_over() : KITH__PARKED;
    if (i.size != size)
        return kith__queue_does_not_fit(i.size, size, 1);
    if (!(to = room_for(out, room)))
        return KITH_ENOMEM;
    out->size = take_alike(o, size, to, room);
    out->room = size; /* for .undo */
    out->flags |= KITH__GIVEN;
    if (queue_of(o)->bound)
        kith__tell_all(out, PRODUCERS);
    kith__tell_one(out, CONSUMERS); /* there may be more */
    return (int64_t)out->size;
}

/* A wake-up was for a consumer, and we leave the item to one. */
static int64_t next(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    int over = is_shut(queue_of(o));
    struct item i;

    (void)who;
    (void)in;
    if (!look(o, &i))
        return over ? kith__queue_is_over() : KITH__PARKED;
    kith__tell_one(out, CONSUMERS);
    return (int64_t)i.size;
}

/* What was taken, and reached nobody, goes back to the front. */
static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    struct queue *q = queue_of(o);
    uint64_t each = given->room ? given->room : given->size, count = given->room ? given->size / each : 1;

    (void)who;
    if (atomic_load(&q->front))
        return KITH__PARKED; /* one slot is enough: it is taken next */
    kith__guard_set(&o->second, &q->front, count);
    kith__guard_set(&o->second, &q->front_size, each);
    kith__guard_set(&o->second, &q->front_block, given->block);
    kith__guard_set(&o->second, &q->front_at, 0);
    kith__guard_set(&o->second, &q->front_is_large, each > KITH__LARGE);
    if (given->block)
        kith__guard_set(&o->second, kith__heap_owner(given->block), 0);
    kith__guard_set(&o->second, &q->taken, atomic_load(&q->taken) - count * ONE);
    kith__guard_commit(&o->second);
    given->block = 0;
    if (count > 1)
        kith__tell_all(given, CONSUMERS);
    else
        kith__tell_one(given, CONSUMERS);
    return 0;
}

/* ----------------------------------------------------------------------- what was emptied */

/* Frees items, in the consumers' guard, up to that number: 1 when there may be more. Each is first made ours
 * and taken out in one commit. */
static int free_items(struct kith__object *o, uint64_t most)
{
    struct item i;

    for (; most > 0 && find(o, &i); most--) {
        remove_item(o, &i);
        kith__heap_free(i.block);
    }
    return most == 0;
}

static int64_t free_some(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    if (atomic_load(&queue_of(o)->producers.shut) != KITH__SHUT_EMPTIED)
        return 0;
    return free_items(o, KITH__QUEUE_FREE_MOST);
}

/* ----------------------------------------------------- counting, and credit */

static int64_t size(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return (int64_t)count(queue_of(o));
}

/* With a small bound there is none: then each put has to ask, and sees each free slot. */
static int64_t reserve(struct kith__object *o, uint32_t most)
{
    struct queue *q = queue_of(o);
    uint64_t n;

    if (!q->bound)
        return KITH__NO_BOUND;
    look_at_taken(q);
    n = free_slots(q) / 4 < most ? free_slots(q) / 4 : most;
    if (q->bound < FEW || n == 0)
        return 0;
    kith__guard_set(&o->guard, &q->reserved, atomic_load(&q->reserved) + n);
    kith__guard_commit(&o->guard);
    return (int64_t)n;
}

static void release(struct kith__object *o, uint32_t n, struct kith__result *out)
{
    struct queue *q = queue_of(o);

    kith__guard_set(&o->guard, &q->reserved, atomic_load(&q->reserved) - n);
    kith__guard_commit(&o->guard);
    kith__tell_all(out, PRODUCERS);
}

/* ------------------------------------------------------------------- opening, closing */

static int make(struct kith__object *o, const void *options, size_t size)
{
    struct queue *q = queue_of(o);
    uint64_t first = new_segment(FIRST_SEGMENT);

    if (first == 0)
        return KITH_ENOMEM;
    if (size == sizeof q->bound)
        memcpy(&q->bound, options, size);
    kith__guard_set(&o->guard, &q->head, first);
    kith__guard_set(&o->guard, &q->tail, first);
    kith__guard_set(&o->guard, kith__heap_owner(first), 0);
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    uint64_t bound = 0;

    memcpy(&bound, options, size < sizeof bound ? size : sizeof bound);
    if (queue_of(o)->bound == bound)
        return 0;
    return kith__fail(KITH_EINVAL, "the Queue \"%s\" was opened with a bound of %llu, not %llu", o->name,
                      (unsigned long long)queue_of(o)->bound, (unsigned long long)bound);
}

/* Frees items and segments: a second call goes on where the first died. */
static void destroy(struct kith__object *o)
{
    struct queue *q = queue_of(o);
    uint64_t head;

    kith__holders_free(o, &q->producers.named);
    if (atomic_load(&q->head) == 0)
        return;
    kith__guard_enter(&o->second);
    free_items(o, UINT64_MAX);
    while ((head = atomic_load(&q->head)) != 0) {
        kith__guard_set(&o->second, kith__heap_owner(head), kith__me);
        kith__guard_set(&o->second, &q->head, atomic_load(&segment_at(head)->next));
        kith__guard_commit(&o->second);
        kith__heap_free(head);
    }
    kith__guard_leave(&o->second);
}

static const struct kith__method methods[] = {
    [KITH__QUEUE_PUT] = { "put", put, PRODUCERS, KITH__KEEPS | KITH__PIPELINES },
    [KITH__QUEUE_GET] = { "get", get, CONSUMERS, KITH__SECOND | KITH__GIVES },
    [KITH__QUEUE_NEXT] = { "next", next, CONSUMERS, KITH__SECOND | KITH__LOOKS },
    [KITH__QUEUE_SIZE] = { "size", size, -1, KITH__LOOKS },
    [KITH__QUEUE_PUT_MANY] = { "put many", put_many, PRODUCERS, 0 },
    [KITH__QUEUE_GET_MANY] = { "get many", get_many, CONSUMERS, KITH__SECOND | KITH__GIVES },
    [KITH__QUEUE_SHUTDOWN] = { "shutdown", kith__queue_shutdown, -1, 0 },
    [KITH__QUEUE_EXPECT] = { "expect", kith__queue_expect, -1, 0 },
    [KITH__QUEUE_NAME] = { "name", kith__queue_name, -1, 0 },
    [KITH__QUEUE_DONE] = { "done", kith__queue_done, -1, KITH__HOLDS },
    [KITH__QUEUE_EMPTY] = { "empty", kith__queue_empty, -1, 0 },
    [KITH__QUEUE_FREE] = { "free", free_some, -1, KITH__SECOND },
};

const struct kith__class kith__fifo_class = {
    .noun = "Queue",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .ready = KITH__QUEUE_NEXT,
    .letter = 'q',
    .marked = KITH__SORTED_KIND,
    .sibling = KITH__SORTED_KIND,
    .make = make,
    .same = same,
    .destroy = destroy,
    .undo = undo,
    .died = kith__queue_died,
    .reserve = reserve,
    .release = release,
};

/* -------------------------------------------------------------- the short way of a small item */

/* 1: done. */
static int put_at_once(uint64_t id, const void *item, size_t size)
{
    struct kith__object *o = size <= KITH__LARGE ? kith__to_give(kith__at_home(id)) : NULL;
    struct queue *q;

    if (!o || !kith__enter_if(o, &o->guard, &(uint64_t){ kith__ident(id, KITH__FIFO_KIND) }))
        return 0;
    q = queue_of(o);
    if (atomic_load_explicit(&q->producers.shut, memory_order_relaxed) || is_full(q) ||
        put_record(o, item, 0, size, 0) < 0) {
        kith__guard_leave(&o->guard);
        return 0;
    }
    kith__leave_to_tell(&o->guard);
    kith__tell_one_here(o, CONSUMERS);
    return 1;
}

static int seems_empty(struct queue *q)
{
    uint64_t taken = atomic_load(&q->taken);

    return between(taken, atomic_load_explicit(&q->put_seen, memory_order_relaxed)) == 0 &&
           between(taken, atomic_load(&q->put)) == 0;
}

/* Its size; KITH__PARKED: the long way decides. */
static int64_t take_at_once(uint64_t id, void *buf, size_t room, int exact)
{
    struct kith__object *o = kith__at_home(id);
    struct queue *q;
    struct item i;

    if (!o || seems_empty(queue_of(o)) ||
        !kith__enter_if(o, &o->second, &(uint64_t){ kith__ident(id, KITH__FIFO_KIND) }))
        return KITH__PARKED;
    q = queue_of(o);
    if (!look(o, &i) || i.block || i.size > room || (exact && i.size != room)) {
        kith__guard_leave(&o->second);
        return KITH__PARKED;
    }
    if (i.size > 0)
        memcpy(buf, i.bytes, i.size);
    remove_item(o, &i);
    if (!q->bound) {
        kith__guard_leave(&o->second);
        return (int64_t)i.size;
    }
    kith__leave_to_tell(&o->second);
    kith__tell_one_here(o, PRODUCERS);
    return (int64_t)i.size;
}

int kith_queue_put(kith_queue q, const void *item, size_t size, int timeout_ms)
{
    if (item && timeout_ms >= KITH_FOREVER && put_at_once(q.id, item, size))
        return 0;
    return kith__report((int)kith__queue_put_one(q, item, size, 0, timeout_ms));
}

int64_t kith_queue_get(kith_queue q, void *buf, size_t room, int timeout_ms)
{
    int64_t rc = buf && timeout_ms >= KITH_FOREVER ? take_at_once(q.id, buf, room, 0) : KITH__PARKED;

    return rc != KITH__PARKED ? rc : kith__report64(kith__queue_take(q, buf, room, 0, timeout_ms));
}

int kith__queue_get(kith_queue q, void *buf, size_t size, int timeout_ms)
{
    int64_t rc = buf && timeout_ms >= KITH_FOREVER ? take_at_once(q.id, buf, size, 1) : KITH__PARKED;

    if (rc == KITH__PARKED)
        rc = kith__queue_take(q, buf, size, KITH__EXACT, timeout_ms);
    return rc < 0 ? kith__report((int)rc) : 0;
}
