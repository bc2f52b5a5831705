/* sorted.c: the Queue that is more than first in, first out: last in, first out, or by priority; and one
 * whose items are given out again when whoever took them has died before it was done with them. See class.h
 * and kith.h; the plain one is in fifo.c. A bit of the handle tells them apart.
 *
 * Each item is a block. Those that wait are in a list for each priority. Those of a joinable Queue that are
 * out, and not done, are in a list with the names of those that have them. Every change of the lists is one
 * commit of the guard.
 */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "object/queue.h"
#include "shm/heap.h"

#include <string.h>

enum { CONSUMERS = KITH__QUEUE_CONSUMERS, PRODUCERS = KITH__QUEUE_PRODUCERS, JOINERS, SIDES };

enum { LEVELS = 64 };

struct item {
    kith__word next;             /* block of the next one in its list; 0: none */
    kith__word holder, task;     /* who has it, and which of its threads or tasks; 0: it waits */
    uint64_t size, level, large; /* large: the block with its bytes; 0: they follow */
    char bytes[];
};

struct list {
    kith__word first, last;
};

struct sorted {
    struct kith__producers producers;
    struct kith__sorted_options options;
    kith__word count, unfinished; /* items that wait; that were put, and are not done */
    kith__word used;              /* a bit for each list of .waiting that is not empty */
    struct list waiting[LEVELS], out;
};

_Static_assert(KITH__QUEUE_FITS(struct sorted, SIDES), "it is the body of a Queue");

static struct sorted *sorted_of(struct kith__object *o)
{
    return (struct sorted *)(void *)&o->body;
}

static struct item *item_at(uint64_t block)
{
    return kith__at(block);
}

static const void *bytes_of(const struct item *i)
{
    return i->large ? kith__at(i->large) : i->bytes;
}

/* --------------------------------------------------------------------------- lists
 *
 * In the guard, true with the next commit. A list is changed once in a commit. */

static void push(struct kith__object *o, struct list *l, uint64_t block, int at_front)
{
    uint64_t first = atomic_load(&l->first), last = atomic_load(&l->last);

    kith__guard_set(&o->guard, &item_at(block)->next, at_front ? first : 0);
    if (at_front || !first)
        kith__guard_set(&o->guard, &l->first, block);
    else
        kith__guard_set(&o->guard, &item_at(last)->next, block);
    if (!at_front || !first)
        kith__guard_set(&o->guard, &l->last, block);
}

/* before: what stands before it; 0: nothing. */
static void cut(struct kith__object *o, struct list *l, uint64_t block, uint64_t before)
{
    uint64_t next = atomic_load(&item_at(block)->next);

    kith__guard_set(&o->guard, before ? &item_at(before)->next : &l->first, next);
    if (next == 0)
        kith__guard_set(&o->guard, &l->last, before);
}

static void set_waiting(struct kith__object *o, uint64_t block, int at_front)
{
    struct sorted *s = sorted_of(o);
    uint64_t level = item_at(block)->level;

    push(o, &s->waiting[level], block, at_front);
    kith__guard_set(&o->guard, &item_at(block)->holder, 0);
    kith__guard_set(&o->guard, &s->used, atomic_load(&s->used) | UINT64_C(1) << level);
    kith__guard_set(&o->guard, &s->count, atomic_load(&s->count) + 1);
}

static int is_emptied(const struct sorted *s)
{
    return atomic_load(&s->producers.shut) == KITH__SHUT_EMPTIED;
}

/* Items that can be had; and that a join waits for. Those that wait in an emptied one are lost. */
static uint64_t count(const struct sorted *s)
{
    return is_emptied(s) ? 0 : atomic_load(&s->count);
}

static uint64_t unfinished(const struct sorted *s)
{
    return atomic_load(&s->unfinished) - (is_emptied(s) ? atomic_load(&s->count) : 0);
}

/* The next one, also of an emptied one; 0: none. */
static uint64_t first_waiting(const struct sorted *s)
{
    uint64_t used = atomic_load(&s->used);

    return used ? atomic_load(&s->waiting[__builtin_ctzll(used)].first) : 0;
}

static void cut_waiting(struct kith__object *o, uint64_t block)
{
    struct sorted *s = sorted_of(o);
    uint64_t level = item_at(block)->level;

    cut(o, &s->waiting[level], block, 0);
    if (atomic_load(&item_at(block)->next) == 0)
        kith__guard_set(&o->guard, &s->used, atomic_load(&s->used) & ~(UINT64_C(1) << level));
    kith__guard_set(&o->guard, &s->count, atomic_load(&s->count) - 1);
}

/* The item, and its bytes, are ours with the next commit; and are freed after it. */
static void own(struct kith__object *o, uint64_t block)
{
    kith__guard_set(&o->guard, kith__heap_owner(block), kith__me);
    if (item_at(block)->large)
        kith__guard_set(&o->guard, kith__heap_owner(item_at(block)->large), kith__me);
}

static void free_item(uint64_t block)
{
    kith__heap_free(item_at(block)->large);
    kith__heap_free(block);
}

/* --------------------------------------------------------------------------- putting */

/* A new item, which is ours. 0: no memory. */
static uint64_t new_item(const void *bytes, uint64_t large, uint64_t size, uint64_t level)
{
    uint64_t block = kith__heap_alloc(sizeof(struct item) + (large ? 0 : size), kith__me);
    struct item *i;

    if (block == 0)
        return 0;
    i = item_at(block);
    atomic_store(&i->next, 0);
    atomic_store(&i->holder, 0);
    atomic_store(&i->task, 0);
    i->size = size;
    i->level = level;
    i->large = large;
    if (!large && size > 0)
        memcpy(i->bytes, bytes, size);
    return block;
}

static void publish(struct kith__object *o, uint64_t block, int at_front)
{
    kith__guard_set(&o->guard, kith__heap_owner(block), 0);
    if (item_at(block)->large)
        kith__guard_set(&o->guard, kith__heap_owner(item_at(block)->large), 0);
    set_waiting(o, block, at_front);
}

/* The number: its priority. */
static int64_t put(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                   struct kith__result *out)
{
    struct sorted *s = sorted_of(o);
    uint64_t block;

    (void)who;
    if (in->number >= LEVELS)
        return kith__fail(KITH_EINVAL, "a priority of %llu: it is 0 to %d", (unsigned long long)in->number,
                          LEVELS - 1);
    if (atomic_load(&s->producers.shut))
        return kith__queue_was_shut();
    if (s->options.bound && atomic_load(&s->count) >= s->options.bound)
        return KITH__PARKED;
    if ((block = new_item(in->bytes, in->block, in->size,
                          (int)s->options.order == KITH_PRIORITY ? in->number : 0)) == 0)
        return KITH_ENOMEM;
    publish(o, block, s->options.order == KITH_LIFO);
    if (s->options.joinable)
        kith__guard_set(&o->guard, &s->unfinished, atomic_load(&s->unfinished) + 1);
    kith__guard_commit(&o->guard);
    in->block = 0;
    kith__tell_one(out, CONSUMERS);
    return 0;
}

/* --------------------------------------------------------------------------- taking */

/* In the guard: takes it out. That of a joinable Queue is who's until it is done; else it is ours. */
static void take(struct kith__object *o, uint64_t block, const struct kith__caller *who)
{
    struct sorted *s = sorted_of(o);

    cut_waiting(o, block);
    if (s->options.joinable) {
        push(o, &s->out, block, 0);
        kith__guard_set(&o->guard, &item_at(block)->holder, kith__holder(who));
        kith__guard_set(&o->guard, &item_at(block)->task, who->task);
    } else
        own(o, block);
    kith__guard_commit(&o->guard);
}

/* .room tells .undo what it was: the item, or its priority. */
static int64_t give(struct kith__object *o, uint64_t block, const struct kith__caller *who,
                    struct kith__result *out)
{
    struct sorted *s = sorted_of(o);
    struct item *i = item_at(block);
    int64_t size = (int64_t)i->size;

    if (i->large && !s->options.joinable) {
        out->size = i->size;
        out->block = i->large;
    } else if (kith__give_bytes(out, bytes_of(i), i->size) < 0)
        return KITH_ENOMEM;
    out->room = s->options.joinable ? block : i->level;
    out->flags |= KITH__GIVEN;
    take(o, block, who);
    if (!s->options.joinable)
        kith__heap_free(block);
    if (s->options.bound)
        kith__tell_one(out, PRODUCERS);
    return size;
}

static int64_t get(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                   struct kith__result *out)
{
    struct sorted *s = sorted_of(o);
    uint64_t block = count(s) > 0 ? first_waiting(s) : 0;
    int64_t rc;

    if (block == 0)
        return atomic_load(&s->producers.shut) ? kith__queue_is_over() : KITH__PARKED;
    if ((rc = kith__queue_does_not_fit(item_at(block)->size, in->number, (in->flags & KITH__EXACT) != 0)) < 0)
        return rc;
    return give(o, block, who, out);
}

/* A wake-up was for a consumer, and we leave the item to one. */
static int64_t next(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct sorted *s = sorted_of(o);
    uint64_t block = count(s) > 0 ? first_waiting(s) : 0;

    (void)who;
    (void)in;
    if (block == 0)
        return atomic_load(&s->producers.shut) ? kith__queue_is_over() : KITH__PARKED;
    kith__tell_one(out, CONSUMERS);
    return (int64_t)item_at(block)->size;
}

static int64_t size(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return (int64_t)count(sorted_of(o));
}

/* ------------------------------------------------------------------- items that are out */

/* One that who, or whom it stands for, has: the first one, or the last one; wanted: that one. 0: none. */
static uint64_t find_out(const struct sorted *s, const struct kith__caller *who, uint64_t wanted, int last,
                         uint64_t *before)
{
    uint64_t found = 0;

    *before = 0;
    for (uint64_t at = atomic_load(&s->out.first), previous = 0; at; at = atomic_load(&item_at(at)->next)) {
        if (kith__is_same(atomic_load(&item_at(at)->holder), who) && (wanted == 0 || at == wanted)) {
            found = at;
            *before = previous;
            if (!last)
                return found;
        }
        previous = at;
    }
    return found;
}

/* The first one that the caller itself has, else the first one of its process. */
static uint64_t find_mine(const struct sorted *s, const struct kith__caller *who, uint64_t *before)
{
    uint64_t found = 0, previous = 0;

    for (uint64_t at = atomic_load(&s->out.first); at; at = atomic_load(&item_at(at)->next)) {
        int is_own = atomic_load(&item_at(at)->task) == who->task;

        if (kith__is_same(atomic_load(&item_at(at)->holder), who) && (is_own || found == 0)) {
            found = at;
            *before = previous;
            if (is_own)
                break;
        }
        previous = at;
    }
    return found;
}

/* It waits again, before all others of its priority; in an emptied one it is lost with that. */
static void give_again(struct kith__object *o, uint64_t block, uint64_t before, struct kith__result *out)
{
    cut(o, &sorted_of(o)->out, block, before);
    set_waiting(o, block, 1);
    kith__guard_commit(&o->guard);
    if (unfinished(sorted_of(o)) == 0)
        kith__tell_all(out, JOINERS);
}

static int64_t task_done(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out)
{
    struct sorted *s = sorted_of(o);
    uint64_t before, block = find_mine(s, who, &before);

    (void)in;
    if (!s->options.joinable)
        return kith__fail(KITH_EINVAL, "kith_queue_task_done: the Queue was opened without .joinable");
    if (block == 0)
        return kith__fail(KITH_EINVAL,
                          "kith_queue_task_done was called more often than this process took items");
    cut(o, &s->out, block, before);
    own(o, block);
    kith__guard_set(&o->guard, &s->unfinished, atomic_load(&s->unfinished) - 1);
    kith__guard_commit(&o->guard);
    free_item(block);
    if (unfinished(s) == 0)
        kith__tell_all(out, JOINERS);
    return 0;
}

static int64_t join(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                    struct kith__result *out)
{
    struct sorted *s = sorted_of(o);

    (void)who;
    (void)in;
    (void)out;
    if (!s->options.joinable)
        return kith__fail(KITH_EINVAL, "kith_queue_join: the Queue was opened without .joinable");
    return unfinished(s) ? KITH__PARKED : 0;
}

/* What was taken, and reached nobody, is the first to be given again. */
static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    struct sorted *s = sorted_of(o);
    uint64_t before, block;

    if (s->options.joinable) {
        if ((block = find_out(s, who, given->room, 0, &before)) != 0)
            give_again(o, block, before, given);
    } else {
        int is_large = given->size > KITH__LARGE;

        if ((block = new_item(given->block ? kith__at(given->block) : NULL, is_large ? given->block : 0,
                              given->size, given->room)) == 0)
            return KITH__PARKED; /* until there is memory */
        publish(o, block, 1);
        kith__guard_commit(&o->guard);
        if (is_large)
            given->block = 0;
    }
    kith__tell_one(given, CONSUMERS);
    return 0;
}

/* ----------------------------------------------------------------------- what was emptied */

static int64_t empty(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    kith__tell_all(out, JOINERS);
    return kith__queue_empty(o, who, in, out);
}

/* Frees items that wait, up to that number: 1 when there may be more. Each is made ours and taken out in one
 * commit. */
static int free_waiting(struct kith__object *o, uint64_t most)
{
    struct sorted *s = sorted_of(o);

    for (uint64_t block; most > 0 && (block = first_waiting(s)) != 0; most--) {
        cut_waiting(o, block);
        own(o, block);
        if (s->options.joinable)
            kith__guard_set(&o->guard, &s->unfinished, atomic_load(&s->unfinished) - 1);
        kith__guard_commit(&o->guard);
        free_item(block);
    }
    return most == 0;
}

static int64_t free_some(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                         struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return is_emptied(sorted_of(o)) ? free_waiting(o, KITH__QUEUE_FREE_MOST) : 0;
}

/* The last of its items first, so that they wait in the order in which they were put. */
static void died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    uint64_t block, before;

    while ((block = find_out(sorted_of(o), who, 0, 1, &before)) != 0) {
        give_again(o, block, before, out);
        kith__tell_all(out, CONSUMERS);
    }
    kith__queue_died(o, who, out);
}

/* ------------------------------------------------------------------- opening, closing */

static int make(struct kith__object *o, const void *options, size_t size)
{
    struct sorted *s = sorted_of(o);

    memcpy(&s->options, options, size < sizeof s->options ? size : sizeof s->options);
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    struct kith__sorted_options wanted = { 0 };

    memcpy(&wanted, options, size < sizeof wanted ? size : sizeof wanted);
    if (memcmp(&wanted, &sorted_of(o)->options, sizeof wanted) == 0)
        return 0;
    return kith__fail(KITH_EINVAL, "the Queue \"%s\" was opened with another bound, .order or .joinable",
                      o->name);
}

/* A second call goes on where the first died. */
static void destroy(struct kith__object *o)
{
    struct sorted *s = sorted_of(o);
    uint64_t block;

    kith__guard_enter(&o->guard);
    free_waiting(o, UINT64_MAX);
    while ((block = atomic_load(&s->out.first)) != 0) {
        cut(o, &s->out, block, 0);
        own(o, block);
        kith__guard_commit(&o->guard);
        free_item(block);
    }
    kith__guard_leave(&o->guard);
    kith__holders_free(o, &s->producers.named);
}

/* In the order of the methods of the plain one: see object/queue.h. */
static const struct kith__method methods[] = {
    [KITH__QUEUE_PUT] = { "put", put, PRODUCERS, KITH__KEEPS },
    [KITH__QUEUE_GET] = { "get", get, CONSUMERS, KITH__GIVES | KITH__HOLDS },
    [KITH__QUEUE_NEXT] = { "next", next, CONSUMERS, KITH__LOOKS },
    [KITH__QUEUE_SIZE] = { "size", size, -1, KITH__LOOKS },
    [KITH__QUEUE_SHUTDOWN] = { "shutdown", kith__queue_shutdown, -1, 0 },
    [KITH__QUEUE_EXPECT] = { "expect", kith__queue_expect, -1, 0 },
    [KITH__QUEUE_NAME] = { "name", kith__queue_name, -1, 0 },
    [KITH__QUEUE_DONE] = { "done", kith__queue_done, -1, KITH__HOLDS },
    [KITH__QUEUE_EMPTY] = { "empty", empty, -1, 0 },
    [KITH__QUEUE_FREE] = { "free", free_some, -1, 0 },
    [KITH__SORTED_TASK_DONE] = { "task done", task_done, -1, KITH__HOLDS },
    [KITH__SORTED_JOIN] = { "join", join, JOINERS, KITH__LOOKS },
};

const struct kith__class kith__sorted_class = {
    .noun = "Queue",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .ready = KITH__QUEUE_NEXT,
    .sibling = KITH__FIFO_KIND,
    .make = make,
    .same = same,
    .destroy = destroy,
    .undo = undo,
    .died = died,
};
