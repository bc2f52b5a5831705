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
    size_t done; /* of count: being called for just now */
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

/* Most come in the order of units. */
static void insert(struct notices *n, const struct kith__notice *new)
{
    struct kith__notice *first = n->list + n->head, *at = first + n->count++;

    for (; at > first + n->done && at[-1].unit > new->unit; at--)
        at[0] = at[-1];
    *at = *new;
}

int kith__notices_add(struct kith__feed *feed, const struct kith__notice *new)
{
    struct notices *n = notices_of(feed);

    if (!n || make_place(n) < 0)
        return kith__fail(KITH_ENOMEM, "no memory for a function to call");
    insert(n, new);
    return 0;
}

/* Those that run while later ones have ended move up: they are as many as there are workers. What no worker
 * has claimed has not ended. 1: some. */
static int call_for_tasks(struct notices *n, void (*call)(kith_pool pool, const struct kith__notice *n),
                          const int *ends)
{
    uint64_t claimed = kith__feed_claimed(n->feed);
    size_t kept = 0, i;
    int some = 0;

    for (i = 0; i < n->count && !*ends; i++) {
        n->done = i + 1;
        struct kith__notice now = n->list[n->head + i];
        struct kith__item *item = kith__feed_item(n->feed, now.unit);

        if (item && !kith__feed_is_ready(n->feed, item)) {
            if (now.unit >= claimed)
                break;
            n->list[n->head + kept++] = now;
            continue;
        }
        call(kith__feed_pool(n->feed), &now);
        some = 1;
    }
    n->done = 0;
    memmove(n->list + n->head + i - kept, n->list + n->head, kept * sizeof *n->list);
    n->head += i - kept;
    n->count -= i - kept;
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
