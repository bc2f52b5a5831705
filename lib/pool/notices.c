/* notices.c: see notices.h. Called by service.c. */
#include "config.h"
#include "pool/notices.h"
#include "base/error.h"
#include "base/list.h"
#include "base/system.h"

#include <stdlib.h>
#include <string.h>

struct notices { /* of the tasks of a feed, in the order of units */
    KITH__LINK(struct notices) link;
    struct kith__feed *feed;
    struct kith__notice *list; /* [head, head + count) of room */
    size_t head, count, room;
    size_t done; /* of count: the last of them is being called for just now */
    size_t kept; /* of done: those that stay stand first */
};

static KITH__OF_PROCESS KITH__LIST(struct notices) all;

static struct notices *notices_of(struct kith__feed *feed)
{
    struct notices *n = all.first;

    while (n && n->feed != feed)
        n = n->link.next;
    if (!n && (n = calloc(1, sizeof *n))) {
        n->feed = feed;
        kith__link_first(&all, n, link);
        kith__feed_watch(feed);
    }
    return n;
}

static int make_place(struct notices *n)
{
    size_t room = n->room ? 2 * n->room : 64;
    struct kith__notice *more;

    if (n->head + n->count < n->room)
        return 0;
    if (n->head > n->room / 2) {
        memmove(n->list, n->list + n->head, n->count * sizeof *n->list);
        n->head = 0;
        return 0;
    }
    if (!(more = realloc(n->list, room * sizeof *more)))
        return KITH_ENOMEM;
    n->list = more;
    n->room = room;
    return 0;
}

/* How many stand before it. Most come in the order of units. */
static size_t place_of(const struct notices *n, uint64_t unit)
{
    const struct kith__notice *first = n->list + n->head;
    size_t i = n->count;

    while (i > n->done && first[i - 1].unit > unit)
        i--;
    return i;
}

static int has(const struct notices *n, uint64_t unit, size_t place)
{
    const struct kith__notice *first = n->list + n->head;
    int is = place > 0 && first[place - 1].unit == unit;

    for (size_t i = 0; i < n->kept && !is; i++)
        is = first[i].unit == unit;
    return is;
}

static void insert(struct notices *n, const struct kith__notice *new, size_t place)
{
    struct kith__notice *at = n->list + n->head + place;

    memmove(at + 1, at, (n->count++ - place) * sizeof *at);
    *at = *new;
}

int kith__notices_add(struct kith__feed *feed, const struct kith__notice *new)
{
    struct notices *n = notices_of(feed);
    size_t place;

    if (!n || make_place(n) < 0)
        return kith__fail(KITH_ENOMEM, "no memory for a function to call");
    place = place_of(n, new->unit);
    if (has(n, new->unit, place))
        return kith__fail(KITH_EINVAL, "this Result has a function to call already");
    insert(n, new, place);
    return 0;
}

/* Those that run while later ones have ended move up: they are as many as there are workers. What no worker
 * has claimed has not ended. 1: some. */
static int call_for_tasks(struct notices *n, void (*call)(kith_pool pool, const struct kith__notice *n),
                          const int *ends)
{
    uint64_t claimed = kith__feed_claimed(n->feed);
    int some = 0;
    size_t i;

    for (i = 0; i < n->count && !*ends; i++) {
        n->done = i + 1;
        struct kith__notice now = n->list[n->head + i];
        struct kith__item *item = kith__feed_item(n->feed, now.unit);

        if (item && !kith__feed_is_ready(n->feed, item)) {
            if (now.unit >= claimed)
                break;
            n->list[n->head + n->kept++] = now;
            continue;
        }
        call(kith__feed_pool(n->feed), &now);
        some = 1;
    }
    memmove(n->list + n->head + i - n->kept, n->list + n->head, n->kept * sizeof *n->list);
    n->head += i - n->kept;
    n->count -= i - n->kept;
    n->done = n->kept = 0;
    return some;
}

static void forget(struct notices *n, struct kith__wait *w)
{
    kith__feed_leave(n->feed, w);
    kith__feed_unwatch(n->feed);
    kith__unlink(&all, n, link);
    free(n->list);
    free(n);
}

int kith__notices_call(struct kith__wait *w, void (*call)(kith_pool pool, const struct kith__notice *n),
                       const int *ends)
{
    int some = 0;

    for (struct notices *n = all.first, *next; n; n = next) {
        kith__feed_join(n->feed, w);
        some |= call_for_tasks(n, call, ends);
        if (*ends)
            break;
        next = n->link.next;
        if (n->count == 0)
            forget(n, w);
    }
    return some;
}

int kith__notices_are_of(kith_pool pool)
{
    for (const struct notices *n = all.first; n; n = n->link.next)
        if (kith__feed_pool(n->feed).id == pool.id)
            return 1;
    return 0;
}
