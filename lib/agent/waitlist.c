/* waitlist.c: see waitlist.h. */
#include "config.h"
#include "agent/waitlist.h"
#include "agent/alloc.h"
#include "base/system.h"
#include "object/class.h"
#include "object/watch.h"

struct kith__waiters *kith__request_set(const struct kith__request *r)
{
    const struct kith__method *m = kith__method(r->op >> 8, r->op & 255);

    return !m || m->side < 0 ? NULL : kith__object_waiters(kith__object_slot(r->object), m->side);
}

/* 1: we stood there already. */
static int stand_in(struct kith__waitlists *self, struct kith__waiters *set, int64_t now)
{
    struct kith__seat *s = self->seat;
    uint32_t n = kith__seat_number(s);
    uint64_t bit = UINT64_C(1) << n % 64, before;

    atomic_store(&s->since, (uint64_t)now); /* behind those who wait already */
    before = atomic_fetch_or(&set->bits[n / 64], bit);
    atomic_fetch_or(&set->summary, UINT64_C(1) << n / 64);
    return (before & bit) != 0;
}

static void stand(struct kith__waitlists *self, struct kith__waitlist *p, int64_t now)
{
    if (!p->set)
        return;
    stand_in(self, p->set, now);
    kith__fence();
}

/* 1: no wake-up was spent on us since we stood among the waiters. */
static int stands(const struct kith__waitlists *self, const struct kith__waitlist *p)
{
    uint32_t n = kith__seat_number(self->seat);

    return !p->set || (atomic_load(&p->set->bits[n / 64]) >> n % 64 & 1);
}

/* 1: our bit was there. */
static int take_bit(const struct kith__waitlists *self, struct kith__waiters *set)
{
    uint32_t n = kith__seat_number(self->seat);
    uint64_t bit = UINT64_C(1) << n % 64;

    return (atomic_fetch_and(&set->bits[n / 64], ~bit) & bit) != 0;
}

static struct kith__waitlist *find_waitlist(const struct kith__waitlists *self, uint64_t object,
                                            const struct kith__waiters *set)
{
    struct kith__waitlist *p = kith__table_at(&self->lists, kith__hash(object, 0));

    while (p && (p->object != object || p->set != set))
        p = p->link.same.next;
    return p;
}

/* ---- watches: calls that wait for any of a list of objects. They are parked together, and each is tried
 * when we are woken, as our seat does not tell by which object. */

#define WATCHES UINT64_MAX /* in place of an object: their waitlist, which has no set of its own */

static int is_watch(const struct kith__request *r)
{
    const struct kith__method *m = kith__method(r->op >> 8, r->op & 255);

    return m && m->side == KITH__MANY_SIDES;
}

static int has_watches(const struct kith__waitlist *p)
{
    return p->object == WATCHES;
}

int kith__waitlist_is_announced(const struct kith__waitlist *p)
{
    return p->set || has_watches(p);
}

static const struct kith__watched *list_of(const struct kith__call *g, int *count)
{
    *count = kith__watch_count(g->r.size);
    return g->block ? kith__at(g->block) : g->bytes;
}

/* The next of its objects that are at home here, from *at on; NULL: there are no more. They were alive when
 * it was parked. */
static const struct kith__watched *next_watched(const struct kith__call *g, int *at)
{
    int count;
    const struct kith__watched *list = list_of(g, &count);

    for (; *at < count; ++*at)
        if (kith__watch_is_here(&list[*at]))
            return &list[(*at)++];
    return NULL;
}

static struct kith__waitlist *parked_at(const struct kith__waitlists *self, uint64_t object,
                                        const struct kith__waiters *set)
{
    struct kith__waitlist *p = find_waitlist(self, object, set);

    return p && p->parked.first ? p : NULL;
}

/* Calls of another kind may be parked where it stands: that a wake-up was spent on us, which now cannot be
 * seen any more, is noted for them. */
static void stand_watch(struct kith__waitlists *self, struct kith__call *g, int64_t now)
{
    const struct kith__watched *w;

    g->spent = 0;
    for (int at = 0; (w = next_watched(g, &at));) {
        struct kith__waiters *set = kith__watch_set(w);
        struct kith__waitlist *p = parked_at(self, w->id, set);

        if (p && !stands(self, p))
            p->outstanding = 1;
        g->spent |= !stand_in(self, set, now);
    }
    kith__fence();
}

static int is_watched(const struct kith__waitlists *self, const struct kith__waiters *set)
{
    const struct kith__waitlist *p = find_waitlist(self, WATCHES, NULL);
    const struct kith__watched *w;

    for (const struct kith__call *g = p ? p->parked.first : NULL; g; g = g->parked.next)
        for (int at = 0; (w = next_watched(g, &at));)
            if (kith__watch_set(w) == set)
                return 1;
    return 0;
}

/* It is parked no more: where nobody else of ours is, a wake-up that was spent on us goes to the next one. */
static void step_back_watch(struct kith__waitlists *self, const struct kith__call *g)
{
    const struct kith__watched *w;

    for (int at = 0; (w = next_watched(g, &at));) {
        struct kith__waiters *set = kith__watch_set(w);

        if (!parked_at(self, w->id, set) && !is_watched(self, set) && (!take_bit(self, set) || g->spent))
            kith__wake_one(set);
    }
}

void kith__call_unpark(struct kith__waitlists *self, struct kith__call *g)
{
    struct kith__waitlist *p = g->waitlist;

    if (!p)
        return;
    g->waitlist = NULL;
    kith__unlink(&p->parked, g, parked);
    if (has_watches(p))
        step_back_watch(self, g);
}

/* A wake-up that was meant for us goes to the next one when nobody is parked here any more. */
static void step_back(struct kith__waitlists *self, struct kith__waitlist *p)
{
    if (!p->set)
        return;
    if (is_watched(self, p->set)) {
        if (p->outstanding || !stands(self, p))
            kith__wake_one(p->set);
    } else if (!take_bit(self, p->set) || p->outstanding)
        kith__wake_one(p->set);
}

static struct kith__waitlist *waitlist_for(struct kith__waitlists *self, uint64_t object,
                                           struct kith__waiters *set)
{
    struct kith__waitlist *p = find_waitlist(self, object, set);

    if (p)
        return p;
    p = kith__agent_alloc(sizeof *p);
    p->object = object;
    p->set = set;
    kith__table_link(&self->lists, p, kith__hash(object, 0), link);
    return p;
}

int kith__request_stands_alone(const struct kith__request *r)
{
    return (kith__method(r->op >> 8, r->op & 255)->flags & KITH__EACH) != 0;
}

int kith__request_has_to_queue(struct kith__waitlists *self, const struct kith__request *r)
{
    struct kith__waiters *set = kith__request_set(r);
    const struct kith__waitlist *p = set ? parked_at(self, r->object, set) : NULL;

    return p && r->timeout_ms != 0 && !kith__request_stands_alone(r);
}

void kith__call_park(struct kith__waitlists *self, struct kith__call *g, struct kith__waiters *set,
                     int64_t now)
{
    struct kith__waitlist *p = waitlist_for(self, is_watch(&g->r) ? WATCHES : g->r.object, set);

    g->waitlist = p;
    kith__link_last(&p->parked, g, parked);
    if (has_watches(p))
        stand_watch(self, g, now);
    else
        stand(self, p, now);
}

/* Watches may stand in the same place, where only the first of them sees that a wake-up was spent on us: so
 * it counts for all. */
void kith__waitlist_stand_again(struct kith__waitlists *self, struct kith__waitlist *p, int64_t now)
{
    int spent = 0;

    p->outstanding |= !stands(self, p);
    stand(self, p, now);
    if (!has_watches(p))
        return;
    for (struct kith__call *g = p->parked.first; g; g = g->parked.next) {
        stand_watch(self, g, now);
        spent |= g->spent;
    }
    for (struct kith__call *g = p->parked.first; g; g = g->parked.next)
        g->spent = spent;
}

void kith__waitlist_remove(struct kith__waitlists *self, struct kith__waitlist *p)
{
    step_back(self, p);
    kith__table_unlink(&self->lists, p, link);
    free(p);
}

void kith__waitlists_free(struct kith__waitlists *self)
{
    struct kith__waitlist *p;

    while ((p = self->lists.all.first)) {
        kith__table_unlink(&self->lists, p, link);
        free(p);
    }
}
