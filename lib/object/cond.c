/* cond.c: the Condition, a lock with those that wait for what it protects to change; see class.h, owned.h and
 * kith.h.
 *
 * Who waits takes a ticket and gives the lock back in one call, so no notification can fall in between; then
 * it looks until it is notified, and takes the lock again, by which it sleeps no more. The oldest are
 * notified first: so one number says of each ticket whether it is. A notified one that dies before it has the
 * lock, or whose answer reaches nobody, leaves its notification to the next.
 *
 * A Condition that was given an RLock has no unit of its own, only the sleepers. Its caller takes the ticket,
 * then gives the RLock back, which is an object of its own on any node: who notifies has the RLock, so comes
 * after the ticket. In a handle KITH__HANDLE_PART tells that it is such a one.
 */
#include "config.h"
#include "base/error.h"
#include "base/system.h"
#include "object/holders.h"
#include "object/rlock.h"

#include <string.h>

enum { TAKERS = KITH__TAKERS, SLEEPERS, SIDES };

struct sleeper {
    kith__word who, ticket;
    kith__word depth; /* of its lock */
};

struct cond {
    kith__word block, room, used; /* struct sleeper[room], in no order */
    kith__word tickets;           /* ever given */
    kith__word notified;          /* the tickets below */
};

_Static_assert(KITH__BODY_FITS(struct cond, SIDES), "it is the body of an object");

static struct cond *cond_of(struct kith__object *o)
{
    return (struct cond *)(void *)&o->body;
}

/* The handle of its RLock; 0: its own unit. */
static uint64_t rlock_in(struct kith__object *o)
{
    return atomic_load(&o->rlock);
}

/* ------------------------------------------------------------------------ the sleepers */

static struct sleeper *sleepers(const struct cond *c)
{
    uint64_t block = atomic_load(&c->block);

    return block ? kith__at(block) : NULL;
}

static struct sleeper *find(const struct cond *c, uint64_t ticket)
{
    struct sleeper *list = sleepers(c);

    for (uint64_t i = 0; i < atomic_load(&c->used); i++)
        if (atomic_load(&list[i].ticket) == ticket)
            return &list[i];
    return NULL;
}

/* The lowest ticket of a sleeper from that on; UINT64_MAX: there is none. */
static uint64_t oldest_from(const struct cond *c, uint64_t ticket)
{
    const struct sleeper *list = sleepers(c);
    uint64_t found = UINT64_MAX;

    for (uint64_t i = 0; i < atomic_load(&c->used); i++) {
        uint64_t one = atomic_load(&list[i].ticket);

        if (one >= ticket && one < found)
            found = one;
    }
    return found;
}

/* So many more are notified, with the next commit. */
static void notify_more(struct kith__object *o, uint64_t n)
{
    struct cond *c = cond_of(o);
    uint64_t limit = atomic_load(&c->notified), next;

    if (n >= atomic_load(&c->used))
        limit = atomic_load(&c->tickets);
    else
        for (; n > 0 && (next = oldest_from(c, limit)) < UINT64_MAX; n--)
            limit = next + 1;
    kith__guard_set(&o->guard, &c->notified, limit);
}

/* With the next commit; the last one takes its place. */
static void remove_sleeper(struct kith__object *o, struct sleeper *one)
{
    struct cond *c = cond_of(o);
    const struct sleeper *last = &sleepers(c)[atomic_load(&c->used) - 1];

    kith__guard_set(&o->guard, &one->who, atomic_load(&last->who));
    kith__guard_set(&o->guard, &one->ticket, atomic_load(&last->ticket));
    kith__guard_set(&o->guard, &one->depth, atomic_load(&last->depth));
    kith__guard_set(&o->guard, &c->used, atomic_load(&c->used) - 1);
}

/* -------------------------------------------------------------------------- waiting */

/* Gives the ticket. */
static int64_t fall_asleep(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                           struct kith__result *out)
{
    struct cond *c = cond_of(o);
    uint64_t ticket = atomic_load(&c->tickets), used = atomic_load(&c->used);
    struct sleeper *one;
    int rc = rlock_in(o) ? 0 : kith__owned_must_have(o, who);

    (void)in;
    if (rc < 0 ||
        (used == atomic_load(&c->room) && (rc = kith__rows_grow(o, &c->block, &c->room, sizeof *one)) < 0))
        return rc;
    one = &sleepers(c)[used];
    kith__guard_set(&o->guard, &one->who, kith__holder(who));
    kith__guard_set(&o->guard, &one->ticket, ticket);
    kith__guard_set(&o->guard, &one->depth, rlock_in(o) ? 0 : kith__owned_depth(o));
    kith__guard_set(&o->guard, &c->used, used + 1);
    kith__guard_set(&o->guard, &c->tickets, ticket + 1);
    kith__guard_commit(&o->guard);
    if (!rlock_in(o))
        kith__owned_give_all(o, who, out);
    return (int64_t)ticket;
}

static int64_t sleep_on(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                        struct kith__result *out)
{
    (void)who;
    (void)out;
    return in->number < atomic_load(&cond_of(o)->notified) ? 0 : KITH__PARKED;
}

struct woken {
    uint32_t depth, notified;
};

/* When it has slept enough, and has the lock with it, or has its RLock already. Gives whether it was notified
 * in its time. */
static int64_t go_on(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                     struct kith__result *out)
{
    struct cond *c = cond_of(o);
    struct sleeper *one = find(c, in->number); /* NULL: it was taken for dead */
    struct woken woken = { one ? (uint32_t)atomic_load(&one->depth) : 1,
                           in->number < atomic_load(&c->notified) };
    int64_t rc = rlock_in(o) ? 0 : kith__owned_take(o, who, in, out, woken.depth);

    if (rc < 0)
        return rc;
    if (one)
        remove_sleeper(o, one);
    kith__guard_commit(&o->guard);
    kith__give_few(out, &woken, sizeof woken);
    out->flags |= KITH__GIVEN;
    return sizeof woken;
}

/* All are woken, and look for themselves: whom it concerns may be anywhere. */
static int64_t notify(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                      struct kith__result *out)
{
    int rc = rlock_in(o) ? 0 : kith__owned_must_have(o, who);

    if (rc < 0)
        return rc;
    notify_more(o, in->number);
    kith__guard_commit(&o->guard);
    kith__tell_all(out, SLEEPERS);
    return 0;
}

static int64_t its_lock(struct kith__object *o, const struct kith__caller *who, struct kith__args *in,
                        struct kith__result *out)
{
    (void)who;
    (void)in;
    (void)out;
    return (int64_t)rlock_in(o);
}

/* -------------------------------------------------------------------------- hooks */

/* Who has the lock and does not know it. */
static int undo(struct kith__object *o, const struct kith__caller *who, struct kith__result *given)
{
    struct woken woken = { 1, 0 };

    if (given->size == sizeof woken)
        memcpy(&woken, given->few, sizeof woken);
    if (woken.notified) {
        notify_more(o, 1);
        kith__guard_commit(&o->guard);
        kith__tell_all(given, SLEEPERS);
    }
    if (!rlock_in(o))
        kith__owned_take_back(o, who, given, woken.depth);
    return 0;
}

static struct sleeper *find_one_of(const struct cond *c, const struct kith__caller *who)
{
    struct sleeper *list = sleepers(c);

    for (uint64_t i = 0; i < atomic_load(&c->used); i++)
        if (kith__is_same(atomic_load(&list[i].who), who))
            return &list[i];
    return NULL;
}

static void died(struct kith__object *o, const struct kith__caller *who, struct kith__result *out)
{
    struct cond *c = cond_of(o);

    for (struct sleeper *one; (one = find_one_of(c, who));) {
        if (atomic_load(&one->ticket) < atomic_load(&c->notified)) {
            notify_more(o, 1);
            kith__tell_all(out, SLEEPERS);
        }
        remove_sleeper(o, one);
        kith__guard_commit(&o->guard);
    }
    kith__units_died(o, who, out);
}

static int make(struct kith__object *o, const void *options, size_t size)
{
    uint64_t lock = 0;

    if (size == sizeof lock)
        memcpy(&lock, options, size);
    kith__owned_open(o, 0, lock);
    return 0;
}

static int same(struct kith__object *o, const void *options, size_t size)
{
    uint64_t lock = 0;

    memcpy(&lock, options, size < sizeof lock ? size : sizeof lock);
    if (lock == rlock_in(o))
        return 0;
    return kith__fail(KITH_EINVAL, "the Condition \"%s\" was opened with %s", o->name,
                      rlock_in(o) ? "another .lock" : "a lock of its own");
}

static void destroy(struct kith__object *o)
{
    kith__rows_free(o, &cond_of(o)->block);
}

enum { ACQUIRE = KITH__FIRST_METHOD, RELEASE, FALL_ASLEEP, SLEEP_ON, GO_ON, NOTIFY, LOCK };

static const struct kith__method methods[] = {
    [ACQUIRE] = KITH__OWNED_LOCK,
    [RELEASE] = KITH__OWNED_UNLOCK,
    [FALL_ASLEEP] = { "fall asleep", fall_asleep, -1, KITH__HOLDS },
    [SLEEP_ON] = { "sleep on", sleep_on, SLEEPERS, KITH__EACH | KITH__LOOKS },
    [GO_ON] = { "go on", go_on, TAKERS, KITH__GIVES | KITH__HOLDS | KITH__FAIR | KITH__EACH },
    [NOTIFY] = { "notify", notify, -1, KITH__HOLDS },
    [LOCK] = { "lock", its_lock, -1, KITH__LOOKS },
};

const struct kith__class kith__cond_class = {
    .noun = "Condition",
    .methods = methods,
    .count = sizeof methods / sizeof methods[0],
    .sides = SIDES,
    .is_lock = 1,
    .make = make,
    .same = same,
    .destroy = destroy,
    .undo = undo,
    .died = died,
    .left = kith__units_left,
};

/* ------------------------------------------------------------------------------ the short way */

static const int64_t soon_ns = 2000;

struct seen {
    struct kith__object *o;
    uint64_t ident, ticket;
};

static int may_go_on(const void *of)
{
    const struct seen *s = of;

    return s->ticket < atomic_load(&cond_of(s->o)->notified) && !kith__unit_is_held(s->o);
}

/* 1: it was notified, a moment after it fell asleep: seen without the guard, which its notifier needs, and
 * before anybody has to wake it. A ticket that was notified stays so. */
static int is_notified_soon(uint64_t id, uint64_t ticket, int timeout_ms)
{
    struct seen s = { kith__at_home(id), kith__ident(id, KITH__COND_KIND), ticket };

    return s.o && timeout_ms != 0 && kith__wait_briefly(may_go_on, &s, 0, soon_ns) &&
           atomic_load(&s.o->ident) == s.ident;
}

/* -------------------------------------------------------------- public functions */

kith_cond kith_cond_open(void)
{
    return (kith_cond){ kith__open(KITH__COND_KIND, NULL, "", 0, "kith_cond_open") };
}

kith_cond kith_cond_named(const char *name)
{
    return (kith_cond){ kith__open_named(KITH__COND_KIND, name, "", 0, "kith_cond_named") };
}

static int has_rlock(kith_cond c)
{
    return c.id & KITH__HANDLE_PART && kith__handle_code(c.id) == 0;
}

static uint64_t object_of(kith_cond c)
{
    return has_rlock(c) ? c.id & ~KITH__HANDLE_PART : c.id;
}

/* The handle of its RLock, in which a code is that of the Condition. */
static kith_rlock rlock_of(kith_cond c)
{
    int64_t lock = kith__ask(object_of(c), KITH__COND_KIND, LOCK, 0);

    return (kith_rlock){ lock < 0 ? kith__failed_handle((int)lock) : (uint64_t)lock };
}

/* The handle says nothing of its RLock when that is closed: its kind is asked for. */
static uint64_t open_with_rlock(kith_rlock lock, const char *name)
{
    int64_t rc = kith__ask(lock.id, KITH__RLOCK_KIND, KITH__RLOCK_LOCKED, 0);
    uint64_t id;

    if (rc < 0)
        return kith__failed_handle(kith__report((int)rc));
    id = kith__open(KITH__COND_KIND, name, &lock.id, sizeof lock.id, "kith_cond_open");
    return kith__handle_code(id) < 0 ? id : id | KITH__HANDLE_PART;
}

#undef kith_cond_open_with /* which adds the size */
kith_cond kith_cond_open_with(const struct kith_cond_options *given, size_t given_size)
{
    struct kith_cond_options o = { 0 };

    if (given)
        memcpy(&o, given, given_size < sizeof o ? given_size : sizeof o);
    if (o.lock.id)
        return (kith_cond){ open_with_rlock(o.lock, o.name) };
    return o.name ? kith_cond_named(o.name) : kith_cond_open();
}

int kith_cond_acquire(kith_cond c, int timeout_ms)
{
    if (has_rlock(c))
        return kith_rlock_acquire(rlock_of(c), timeout_ms);
    return kith__owned_lock(c.id, KITH__COND_KIND, ACQUIRE, timeout_ms);
}

int kith_cond_release(kith_cond c)
{
    if (has_rlock(c))
        return kith_rlock_release(rlock_of(c));
    return kith__owned_unlock(c.id, KITH__COND_KIND, RELEASE);
}

static int64_t ask_rlock(kith_rlock l, unsigned method)
{
    return kith__ask(l.id, KITH__RLOCK_KIND, method, 0);
}

/* Gives the RLock back, and sleeps. Its levels; or a code, and it is as it was. *slept: what came of it. */
static int64_t sleep_without(kith_rlock l, uint64_t id, uint64_t ticket, int timeout_ms, int64_t *slept)
{
    struct kith__args in = { .number = ticket };
    struct kith__result nothing = { 0 };
    int64_t levels = ask_rlock(l, KITH__RLOCK_GIVE_ALL);

    if (levels > 0)
        *slept = kith__invoke(id, KITH__COND_KIND, SLEEP_ON, &in, &nothing, timeout_ms);
    return levels;
}

static int64_t take_again(kith_rlock l, uint64_t levels)
{
    struct kith__args in = { .number = levels };
    struct kith__result out = { .buf = &levels, .room = sizeof levels };

    return kith__invoke(l.id, KITH__RLOCK_KIND, KITH__RLOCK_TAKE_AGAIN, &in, &out, KITH_FOREVER);
}

/* wait of a Condition with an RLock. Its ticket is given up last: so it loses no notification on the way. */
static int64_t wait_with(kith_rlock l, uint64_t id, int timeout_ms)
{
    struct woken woken = { 0 };
    struct kith__args in = { 0 };
    struct kith__result out = { .buf = &woken, .room = sizeof woken };
    int64_t rc = ask_rlock(l, KITH__RLOCK_MUST_HAVE), slept = 0, again, levels;

    if (rc < 0 || (rc = kith__ask(id, KITH__COND_KIND, FALL_ASLEEP, 0)) < 0)
        return rc;
    in.number = (uint64_t)rc;
    if ((levels = sleep_without(l, id, in.number, timeout_ms, &slept)) < 0)
        return levels;
    again = take_again(l, (uint64_t)levels);
    if ((rc = kith__invoke(id, KITH__COND_KIND, GO_ON, &in, &out, KITH_FOREVER)) < 0) {
        ask_rlock(l, KITH__RLOCK_GIVE_ALL); /* it is closed or lost: what waited there owns nothing */
        return rc;
    }
    if (again < 0 || (slept < 0 && slept != KITH_ETIMEDOUT))
        return again < 0 ? again : slept;
    return woken.notified ? 0 : kith__fail(KITH_ETIMEDOUT, "the timeout expired");
}

/* The same as the public one, without a report. Where it fails otherwise than by the time, the caller has the
 * lock again, too, if it can be had. */
static int64_t wait(uint64_t id, int timeout_ms)
{
    struct woken woken = { 0 };
    struct kith__args in = { 0 };
    struct kith__result nothing = { 0 }, out = { .buf = &woken, .room = sizeof woken };
    int64_t rc = kith__ask(id, KITH__COND_KIND, FALL_ASLEEP, 0), again;

    if (rc < 0)
        return rc;
    in.number = (uint64_t)rc;
    rc = is_notified_soon(id, in.number, timeout_ms)
             ? 0
             : kith__invoke(id, KITH__COND_KIND, SLEEP_ON, &in, &nothing, timeout_ms);
    again = kith__invoke(id, KITH__COND_KIND, GO_ON, &in, &out, KITH_FOREVER);
    if (again < 0 || (rc < 0 && rc != KITH_ETIMEDOUT))
        return again < 0 ? again : rc;
    return woken.notified ? 0 : kith__fail(KITH_ETIMEDOUT, "the timeout expired");
}

static int64_t wait_any(kith_cond c, int timeout_ms)
{
    int rc = kith__check_timeout(timeout_ms);

    if (rc < 0 || !has_rlock(c))
        return rc < 0 ? rc : wait(c.id, timeout_ms);
    return wait_with(rlock_of(c), object_of(c), timeout_ms);
}

int kith_cond_wait(kith_cond c, int timeout_ms)
{
    return kith__report((int)wait_any(c, timeout_ms));
}

int kith_cond_wait_for(kith_cond c, kith_predicate *predicate, void *arg, int timeout_ms)
{
    int64_t begin = timeout_ms > 0 ? kith__now_ns() : 0, rc = kith__check_timeout(timeout_ms);
    int is_so = 0;

    if (rc == 0 && !predicate)
        rc = kith__fail(KITH_EINVAL, "kith_cond_wait_for was given no predicate");
    while (rc == 0 && (is_so = predicate(arg)) == 0)
        rc = wait_any(c, kith__time_left(timeout_ms, begin));
    if (rc == KITH_ETIMEDOUT && (is_so = predicate(arg)) != 0)
        rc = 0;
    return kith__report(rc < 0 ? (int)rc : is_so);
}

static int64_t notify_of(kith_cond c, uint64_t n)
{
    int64_t rc = has_rlock(c) ? ask_rlock(rlock_of(c), KITH__RLOCK_MUST_HAVE) : 0;

    return rc < 0 ? rc : kith__ask(object_of(c), KITH__COND_KIND, NOTIFY, n);
}

int kith_cond_notify(kith_cond c, int n)
{
    if (n < 0)
        return kith__report(kith__fail(KITH_EINVAL, "kith_cond_notify of %d: give 0 or more", n));
    return kith__report((int)notify_of(c, (uint64_t)n));
}

int kith_cond_notify_all(kith_cond c)
{
    return kith__report((int)notify_of(c, INT32_MAX));
}

int kith_cond_close(kith_cond c)
{
    return kith__close(object_of(c), KITH__COND_KIND);
}
