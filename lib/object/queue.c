/* queue.c: see queue.h and kith.h.
 *
 * Items lie as records {header, bytes} in a chain of segments, blocks of the heap; large ones in a
 * block of their own, so that copying them holds up nobody. Putters and takers have a guard each (the
 * object's first and second): in the common case they meet only at the two counters. A record is written
 * behind the tail, where nobody looks, and the commit that moves the tail makes it true; a putter that dies
 * before has put nothing. To wake the other side: counter, then fence, then a look for waiters; who waits
 * does it in the other order.
 */
#include "config.h"
#include "object/queue.h"
#include "base/error.h"
#include "shm/heap.h"
#include "rpc/remote.h"
#include "base/system.h"

#include <string.h>

enum {
    NAME = 64,
    FIRST_SEGMENT = 4096,
    SEGMENT = 65536,
    FEW = 64
}; /* FEW: too small a bound to reserve places */

#define LAST UINT64_MAX /* the header that says: go on in the next segment */

static const char noun[] = "Queue";

struct segment {
    kith__word next;
    uint64_t size; /* of bytes */
    char bytes[];
};

struct queue {
    kith__word tail, tail_at, put; /* under the object's guard; put: items ever put */
    kith__word reserved;           /* likewise: places that putters on other nodes have been promised */
    _Atomic uint64_t taken_seen;   /* likewise: .taken at the last look */
    uint64_t bound;
    char name[NAME];
    kith__word head __attribute__((aligned(64))), head_at, taken; /* under the object's second guard */
    kith__word front, front_size, front_large; /* one item that was put back: it comes first */
    _Atomic uint64_t put_seen;                 /* .put at the last look */
};

_Static_assert(sizeof(struct queue) <= sizeof((struct kith__object *)0)->body, "it is the body of an object");

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
    return atomic_load(&q->put) - atomic_load(&q->taken);
}

/* ------------------------------------------------------------------- putting */

/* In the guard: a record of need bytes at the tail, or at the start of a new segment, not yet true. NULL: no
 * memory. */
static uint64_t *make_room(struct kith__object *o, struct queue *q, uint64_t need)
{
    uint64_t tail = atomic_load(&q->tail), at = atomic_load(&q->tail_at), size, next;

    if (at + need <= segment_at(tail)->size) {
        kith__guard_set(&o->guard, &q->tail_at, at + need);
        return header_at(tail, at);
    }
    size = segment_at(tail)->size * 2 < SEGMENT ? segment_at(tail)->size * 2 : SEGMENT;
    if ((next = new_segment(size)) == 0)
        return NULL;
    if (at + sizeof(uint64_t) <= segment_at(tail)->size)
        *header_at(tail, at) = LAST;
    kith__guard_set(&o->guard, &segment_at(tail)->next, next);
    kith__guard_set(&o->guard, kith__heap_owner(next), 0);
    kith__guard_set(&o->guard, &q->tail, next);
    kith__guard_set(&o->guard, &q->tail_at, need);
    return header_at(next, 0);
}

static int put_record(struct kith__object *o, const void *item, uint64_t block, size_t size, int reserved)
{
    struct queue *q = queue_of(o);
    uint64_t *record = make_room(o, q, sizeof *record + (block ? sizeof block : padded(size)));

    if (!record)
        return KITH_ENOMEM;
    *record = (uint64_t)size << 1 | (block != 0);
    if (block) {
        record[1] = block;
        kith__guard_set(&o->guard, kith__heap_owner(block), 0);
    } else if (size > 0)
        memcpy(record + 1, item, size);
    kith__guard_set(&o->guard, &q->put, atomic_load(&q->put) + 1);
    if (reserved)
        kith__guard_set(&o->guard, &q->reserved, atomic_load(&q->reserved) - 1);
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

/* In the guard: places that nobody has, nor was promised; at least so many. */
static uint64_t places(const struct queue *q)
{
    uint64_t used = atomic_load(&q->put) - atomic_load_explicit(&q->taken_seen, memory_order_relaxed) +
                    atomic_load(&q->reserved);

    return !q->bound ? UINT64_MAX : used < q->bound ? q->bound - used : 0;
}

static int is_full(struct queue *q)
{
    if (places(q) > 0)
        return 0;
    look_at_taken(q);
    return places(q) == 0;
}

int kith__queue_offer(uint64_t id, const void *item, uint64_t block, size_t size, int reserved)
{
    struct kith__object *o;
    int rc = kith__object_enter(id, KITH__QUEUE_KIND, noun, &o);

    if (rc < 0)
        return rc;
    if (!reserved && is_full(queue_of(o)))
        rc = KITH__PARKED;
    else
        rc = put_record(o, item, block, size, reserved);
    kith__object_leave(o);
    if (rc == 0) {
        kith__fence();
        if (kith__has_waiters(&o->waiters[KITH__TAKERS]))
            kith__wake_one(&o->waiters[KITH__TAKERS]);
    }
    return rc;
}

/* -------------------------------------------------------------------- taking */

/* Enters the takers' guard of the queue that id means. */
static int enter_takers(uint64_t id, struct kith__object **out)
{
    struct kith__object *o = kith__object_slot(id);

    if (!kith__object_is(o, id) || (atomic_load(&o->ident) & 255) != KITH__QUEUE_KIND) {
        int rc = kith__object_enter(id, KITH__QUEUE_KIND, noun, out); /* for its code */

        if (rc < 0)
            return rc;
        kith__object_leave(o);
    }
    kith__guard_enter(&o->second);
    if (!kith__object_is(o, id)) {
        kith__guard_leave(&o->second);
        return kith__fail(KITH_ESTALE, "the Queue was closed");
    }
    *out = o;
    return 0;
}

/* In the takers' guard, with an item there: its record, the head moved to its segment. */
static uint64_t *oldest(struct kith__object *o)
{
    struct queue *q = queue_of(o);

    for (;;) {
        uint64_t head = atomic_load(&q->head), at = atomic_load(&q->head_at), next;

        if (at + sizeof(uint64_t) <= segment_at(head)->size && *header_at(head, at) != LAST)
            return header_at(head, at);
        next = atomic_load(&segment_at(head)->next);
        kith__guard_set(&o->second, kith__heap_owner(head), kith__me);
        kith__guard_set(&o->second, &q->head, next);
        kith__guard_set(&o->second, &q->head_at, 0);
        kith__guard_commit(&o->second);
        kith__heap_free(head);
    }
}

struct item {
    uint64_t size, block;
    const void *bytes;
}; /* block 0: the bytes lie in the record */

/* In the takers' guard. */
static int is_empty(struct queue *q)
{
    uint64_t taken = atomic_load(&q->taken);

    if (atomic_load_explicit(&q->put_seen, memory_order_relaxed) == taken)
        atomic_store_explicit(&q->put_seen, atomic_load(&q->put), memory_order_relaxed);
    return atomic_load_explicit(&q->put_seen, memory_order_relaxed) == taken;
}

/* In the takers' guard: what comes next. 0: nothing. */
static int look(struct kith__object *o, struct item *i)
{
    struct queue *q = queue_of(o);
    uint64_t *record;

    if (is_empty(q))
        return 0;
    if (atomic_load(&q->front)) {
        i->size = atomic_load(&q->front_size);
        i->block = atomic_load(&q->front_large);
        i->bytes = NULL;
        return 1;
    }
    record = oldest(o);
    i->size = *record >> 1;
    i->block = *record & 1 ? record[1] : 0;
    i->bytes = record + 1;
    return 1;
}

/* In the takers' guard: it is out with this; a block of it is ours. */
static void remove_item(struct kith__object *o, const struct item *i)
{
    struct queue *q = queue_of(o);

    if (atomic_load(&q->front))
        kith__guard_set(&o->second, &q->front, 0);
    else
        kith__guard_set(&o->second, &q->head_at,
                        atomic_load(&q->head_at) + sizeof(uint64_t) +
                            (i->block ? sizeof(uint64_t) : padded(i->size)));
    if (i->block)
        kith__guard_set(&o->second, kith__heap_owner(i->block), kith__me);
    kith__guard_set(&o->second, &q->taken, atomic_load(&q->taken) + 1);
    kith__guard_commit(&o->second);
}

static int64_t does_not_fit(const struct item *i, size_t room, int exact)
{
    if (exact && i->size != room)
        return kith__fail(KITH_ESIZE,
                          "the oldest item of the Queue has %llu bytes, not %zu; it is still there",
                          (unsigned long long)i->size, room);
    if (i->size > room)
        return kith__fail(KITH_ETOOBIG,
                          "the oldest item of the Queue has %llu bytes, more than the %zu there is room for; "
                          "it is still there",
                          (unsigned long long)i->size, room);
    return 0;
}

static void tell_putters(struct kith__object *o)
{
    if (!queue_of(o)->bound)
        return;
    kith__fence();
    if (kith__has_waiters(&o->waiters[KITH__PUTTERS]))
        kith__wake_one(&o->waiters[KITH__PUTTERS]);
}

/* Takes it: the bytes of a small one into buf, or into a block when buf is NULL; *block of a large one. */
static int64_t take(uint64_t id, void *buf, size_t room, int exact, uint64_t *block)
{
    struct kith__object *o;
    struct item i;
    int64_t rc = enter_takers(id, &o);

    *block = 0;
    if (rc < 0)
        return rc;
    if (!look(o, &i))
        rc = KITH__PARKED;
    else if ((rc = does_not_fit(&i, room, exact)) == 0) {
        rc = (int64_t)i.size;
        if (!i.block && !buf && i.size > 0 && !(*block = kith__heap_alloc(i.size, kith__me)))
            rc = KITH_ENOMEM;
        else {
            if (!i.block && i.size > 0)
                memcpy(buf ? buf : kith__at(*block), i.bytes, i.size);
            remove_item(o, &i);
            if (i.block)
                *block = i.block;
        }
    }
    kith__guard_leave(&o->second);
    if (rc >= 0)
        tell_putters(o);
    return rc;
}

int64_t kith__queue_take(uint64_t id, void *buf, size_t room, int exact)
{
    static char nothing[1]; /* for an item of no bytes */
    uint64_t block;
    int64_t rc = take(id, buf ? buf : nothing, room, exact, &block);

    if (rc > 0 && block) {
        memcpy(buf, kith__at(block), (size_t)rc);
        kith__heap_free(block);
    }
    return rc;
}

int64_t kith__queue_take_block(uint64_t id, size_t room, int exact, uint64_t *block)
{
    return take(id, NULL, room, exact, block);
}

int64_t kith__queue_peek(uint64_t id)
{
    struct kith__object *o;
    struct item i;
    int64_t rc = enter_takers(id, &o);

    if (rc < 0)
        return rc;
    rc = look(o, &i) ? (int64_t)i.size : KITH__PARKED;
    kith__guard_leave(&o->second);
    /* The wake-up was for a taker, and we leave the item to one. */
    if (rc >= 0 && kith__has_waiters(&o->waiters[KITH__TAKERS]))
        kith__wake_one(&o->waiters[KITH__TAKERS]);
    return rc;
}

int kith__queue_return(uint64_t id, uint64_t block, size_t size)
{
    struct kith__object *o;
    struct queue *q;
    int rc = enter_takers(id, &o);

    if (rc < 0)
        return rc;
    q = queue_of(o);
    if (atomic_load(&q->front))
        rc = KITH__PARKED; /* one place is enough: it is taken next */
    else {
        kith__guard_set(&o->second, &q->front, 1);
        kith__guard_set(&o->second, &q->front_size, size);
        kith__guard_set(&o->second, &q->front_large, block);
        if (block)
            kith__guard_set(&o->second, kith__heap_owner(block), 0);
        kith__guard_set(&o->second, &q->taken, atomic_load(&q->taken) - 1);
        kith__guard_commit(&o->second);
    }
    kith__guard_leave(&o->second);
    kith__fence();
    if (rc == 0)
        kith__wake_one(&o->waiters[KITH__TAKERS]);
    return rc;
}

/* ---------------------------------------------------------- opening and closing */

int64_t kith__queue_count(uint64_t id)
{
    struct kith__object *o;
    int64_t rc = kith__object_enter(id, KITH__QUEUE_KIND, noun, &o);

    if (rc < 0)
        return rc;
    rc = (int64_t)count(queue_of(o));
    kith__object_leave(o);
    return rc;
}

int64_t kith__queue_reserve(uint64_t id, uint32_t most)
{
    struct kith__object *o;
    struct queue *q;
    int64_t rc = kith__object_enter(id, KITH__QUEUE_KIND, noun, &o);
    uint64_t n;

    if (rc < 0)
        return rc;
    q = queue_of(o);
    look_at_taken(q);
    n = places(q);
    if (!q->bound)
        rc = KITH__NO_BOUND;
    else if (q->bound >= FEW && (rc = (int64_t)(n / 4 < most ? n / 4 : most)) > 0) {
        kith__guard_set(&o->guard, &q->reserved, atomic_load(&q->reserved) + (uint64_t)rc);
        kith__guard_commit(&o->guard);
    }
    kith__object_leave(o);
    return rc;
}

void kith__queue_release(uint64_t id, uint32_t n)
{
    struct kith__object *o;
    struct queue *q;

    if (n == 0 || kith__object_enter(id, KITH__QUEUE_KIND, noun, &o) < 0)
        return;
    q = queue_of(o);
    kith__guard_set(&o->guard, &q->reserved, atomic_load(&q->reserved) - n);
    kith__guard_commit(&o->guard);
    kith__object_leave(o);
    kith__fence();
    kith__wake_all(&o->waiters[KITH__PUTTERS]);
}

int kith__queue_end(uint64_t id)
{
    struct kith__object *o;
    int rc = kith__object_enter(id, KITH__QUEUE_KIND, noun, &o);

    if (rc < 0)
        return rc;
    kith__guard_enter(&o->second);
    kith__object_end(o); /* leaves the object's guard */
    kith__guard_leave(&o->second);
    kith__wake_all(&o->waiters[KITH__TAKERS]);
    kith__wake_all(&o->waiters[KITH__PUTTERS]);
    kith__object_recycle(o);
    return 0;
}

/* Frees items and segments, each first made ours and taken out in one commit: a second call goes on where the
 * first died. */
static void destroy(struct kith__object *o)
{
    struct queue *q = queue_of(o);
    struct item i;
    uint64_t head;

    if (atomic_load(&q->head) == 0)
        return;
    kith__guard_enter(&o->second);
    while (look(o, &i)) {
        remove_item(o, &i);
        kith__heap_free(i.block);
    }
    while ((head = atomic_load(&q->head)) != 0) {
        kith__guard_set(&o->second, kith__heap_owner(head), kith__me);
        kith__guard_set(&o->second, &q->head, atomic_load(&segment_at(head)->next));
        kith__guard_commit(&o->second);
        kith__heap_free(head);
    }
    kith__guard_leave(&o->second);
}

static int open_queue(const char *name, size_t bound, uint64_t *id)
{
    struct kith__object *o = kith__object_new();
    struct queue *q;
    uint64_t first;

    if (!o)
        return KITH_ENOMEM;
    q = queue_of(o);
    if ((first = new_segment(FIRST_SEGMENT)) == 0) {
        kith__object_abandon(o);
        return KITH_ENOMEM;
    }
    q->bound = bound;
    strncpy(q->name, name, NAME - 1);
    kith__guard_enter(&o->guard);
    kith__guard_set(&o->guard, &q->head, first);
    kith__guard_set(&o->guard, &q->tail, first);
    kith__guard_set(&o->guard, kith__heap_owner(first), 0);
    *id = kith__object_publish(o, KITH__QUEUE_KIND);
    return 0;
}

struct search {
    const char *name;
    struct kith__object *found;
};

static void match(struct kith__object *o, void *context)
{
    struct search *s = context;

    if (atomic_load(&o->leaving) == 0 && strcmp(queue_of(o)->name, s->name) == 0)
        s->found = o;
}

int kith__queue_find(const char *name, size_t bound, uint64_t *id)
{
    struct search s = { name, NULL };
    int rc = 0;

    kith__guard_enter(&kith__shared->names);
    kith__objects_each(KITH__QUEUE_KIND, match, &s);
    if (!s.found)
        rc = open_queue(name, bound, id);
    else if (queue_of(s.found)->bound != bound)
        rc = kith__fail(KITH_EINVAL, "the Queue \"%s\" was opened with a bound of %llu, not %zu", name,
                        (unsigned long long)queue_of(s.found)->bound, bound);
    else
        *id = kith__object_id(s.found);
    kith__guard_leave(&kith__shared->names);
    return rc;
}

void kith__queue_setup(void)
{
    kith__object_destroy[KITH__QUEUE_KIND] = destroy;
}

/* ------------------------------------------------------- the calls at home: park this thread */

struct putting {
    uint64_t id, block;
    const void *item;
    size_t size;
};

static int64_t try_put(void *context)
{
    const struct putting *p = context;

    return kith__queue_offer(p->id, p->item, p->block, p->size, 0);
}

struct taking {
    uint64_t id;
    void *buf;
    size_t room;
    int exact, peek;
};

static int64_t try_take(void *context)
{
    const struct taking *t = context;

    return t->peek ? kith__queue_peek(t->id) : kith__queue_take(t->id, t->buf, t->room, t->exact);
}

/* Asks until it is not parked, or the time is over. */
static int64_t ask(uint64_t id, int side, int64_t (*attempt)(void *), void *context, int timeout_ms)
{
    struct kith__wait w;
    int64_t rc = attempt(context);

    if (rc != KITH__PARKED)
        return rc;
    if (timeout_ms == 0)
        return kith__fail(KITH_ETIMEDOUT, "the time limit passed");
    /* The other side is often just about to come: some 2 µs are cheaper than to be woken. */
    for (int i = 0; i < 100 && rc == KITH__PARKED && kith__may_spin(); i++) {
        for (int k = 0; k < 4; k++)
            kith__pause();
        rc = attempt(context);
    }
    if (rc != KITH__PARKED)
        return rc;
    if ((rc = kith__wait_begin(&w, &kith__object_slot(id)->waiters[side], timeout_ms)) < 0)
        return rc;
    while ((rc = attempt(context)) == KITH__PARKED)
        if ((rc = kith__wait_sleep(&w)) < 0)
            break;
    kith__wait_end(&w, rc >= 0);
    return rc;
}

static int put_here(uint64_t id, const void *item, size_t size, int timeout_ms)
{
    struct putting p = { id, 0, item, size };
    int rc;

    if (size > KITH__QUEUE_LARGE) {
        if ((p.block = kith__heap_alloc(size, kith__me)) == 0)
            return KITH_ENOMEM;
        memcpy(kith__at(p.block), item, size);
    }
    rc = (int)ask(id, KITH__PUTTERS, try_put, &p, timeout_ms);
    if (rc < 0)
        kith__heap_free(p.block);
    return rc;
}

/* -------------------------------------------------------------- public functions */

static int check(kith_queue q, const void *bytes, size_t size, int timeout_ms)
{
    int rc = kith__handle_usable(q.id, noun);

    if (rc == 0)
        rc = kith__check_timeout(timeout_ms);
    if (rc == 0 && !bytes && size > 0)
        rc = kith__fail(KITH_EINVAL, "a Queue was given NULL for %zu bytes", size);
    return rc;
}

int kith_queue_put(kith_queue q, const void *item, size_t size, int timeout_ms)
{
    int rc = check(q, item, size, timeout_ms);

    if (rc == 0 && kith__is_remote(q.id))
        return kith__report(kith__remote_put(q.id, item, size, timeout_ms));
    if (rc == 0 && (rc = kith__remote_settle()) == 0)
        rc = put_here(q.id, item, size, timeout_ms);
    return kith__report(rc);
}

static int64_t get(kith_queue q, void *buf, size_t room, int exact, int peek, int timeout_ms)
{
    struct taking t = { q.id, buf, room, exact, peek };
    int64_t rc = check(q, buf, room, timeout_ms);

    if (rc == 0 && (rc = kith__remote_settle()) == 0)
        rc = kith__is_remote(q.id) ? kith__remote_get(q.id, buf, room, exact, peek, timeout_ms)
                                   : ask(q.id, KITH__TAKERS, try_take, &t, timeout_ms);
    return kith__report64(rc);
}

int64_t kith_queue_get(kith_queue q, void *buf, size_t room, int timeout_ms)
{
    return get(q, buf, room, 0, 0, timeout_ms);
}

int kith__queue_get(kith_queue q, void *buf, size_t size, int timeout_ms)
{
    int64_t rc = get(q, buf, size, 1, 0, timeout_ms);

    return rc < 0 ? (int)rc : 0;
}

int64_t kith_queue_next(kith_queue q, int timeout_ms)
{
    return get(q, NULL, 0, 0, 1, timeout_ms);
}

int64_t kith_queue_size(kith_queue q)
{
    int64_t rc = kith__handle_usable(q.id, noun);

    if (rc == 0 && (rc = kith__remote_settle()) == 0)
        rc = kith__is_remote(q.id) ? kith__remote_count(q.id) : kith__queue_count(q.id);
    return kith__report64(rc);
}

int kith_queue_empty(kith_queue q)
{
    int64_t n = kith_queue_size(q);

    return n < 0 ? (int)n : n == 0;
}

int kith_queue_close(kith_queue q)
{
    int rc = kith__handle_usable(q.id, noun), lost = rc == 0 ? kith__remote_settle() : 0;

    if (rc == 0 && lost < 0)
        kith__report(lost);
    if (rc == 0)
        rc = kith__is_remote(q.id) ? kith__remote_end(q.id) : kith__queue_end(q.id);
    return lost < 0 ? lost : kith__report(rc);
}

static int open_any(const char *name, size_t bound, uint64_t *id)
{
    if (!kith__base || kith__me == 0)
        return kith__not_in_job("a Queue was opened");
    if (name && (*name == '\0' || strlen(name) >= NAME))
        return kith__fail(KITH_EINVAL, "the name of a Queue has 1 to %d bytes, \"%.80s\" has not", NAME - 1,
                          name);
    if (!name)
        return open_queue("", bound, id);
    return kith__shared->node == 0 ? kith__queue_find(name, bound, id) : kith__remote_find(name, bound, id);
}

static kith_queue make(const char *name, size_t bound)
{
    kith_queue q = { 0 };
    int rc = kith__report(open_any(name, bound, &q.id));

    if (rc < 0)
        q.id = kith__failed_handle(rc);
    return q;
}

kith_queue kith_queue_open(size_t bound)
{
    return make(NULL, bound);
}

kith_queue kith_queue_named(const char *name, size_t bound)
{
    if (!name) {
        kith_queue q = { kith__failed_handle(
            kith__report(kith__fail(KITH_EINVAL, "kith_queue_named was given no name"))) };

        return q;
    }
    return make(name, bound);
}
