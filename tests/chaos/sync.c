/* sync.c: see sync.h. */
#include "config.h"
#include "sync.h"
#include "world.h"

#include <sched.h>
#include <unistd.h>

enum { RLOCK, EVENT, COND, BARRIER };

static uint64_t id_of(int i)
{
    return atomic_load(&world->sync[i]);
}

static kith_rlock rlock(void)
{
    return (kith_rlock){ id_of(RLOCK) };
}

static kith_event event(void)
{
    return (kith_event){ id_of(EVENT) };
}

static kith_cond cond(void)
{
    return (kith_cond){ id_of(COND) };
}

static kith_barrier barrier(void)
{
    return (kith_barrier){ id_of(BARRIER) };
}

static void keep(int i, uint64_t id, int rc)
{
    CHECK(rc == 0 || excused(rc), "an object of sync %d cannot be opened: %d", i, rc);
    atomic_store(&world->sync[i], rc == 0 ? id : 0);
}

void open_sync(void)
{
    kith_rlock l = kith_rlock_open();
    kith_event e = kith_event_open();
    kith_cond c = kith_cond_open();
    kith_barrier b = kith_barrier_open(2);

    keep(RLOCK, l.id, kith_check(l));
    keep(EVENT, e.id, kith_check(e));
    keep(COND, c.id, kith_check(c));
    keep(BARRIER, b.id, kith_check(b));
}

/* 1: it holds what it has acquired. */
static int got(int rc)
{
    CHECK(rc == 0 || rc == KITH_ETIMEDOUT || (rc == KITH_EOWNERDEAD && somebody_died()) || excused(rc),
          "acquire gives %d", rc);
    return rc == 0 || rc == KITH_EOWNERDEAD;
}

static void let_go(int rc)
{
    CHECK(rc == 0 || excused(rc), "release gives %d", rc);
}

static void use_rlock(struct dice *d)
{
    int depth = 1 + (int)roll(d, 3), rc = kith_rlock_acquire(rlock(), KITH_FOREVER), inside;

    if (!got(rc))
        return;
    inside = atomic_exchange(&world->rlocked, 1);
    CHECK(inside == 0 || rc == KITH_EOWNERDEAD || now.trouble == NO_SERVER, "two own an RLock");
    for (int i = 1; i < depth; i++)
        if (!got(kith_rlock_acquire(rlock(), 0)))
            return;
    sched_yield();
    for (int i = depth; i > 0; i--) {
        if (i == 1)
            atomic_store(&world->rlocked, 0);
        let_go(kith_rlock_release(rlock()));
    }
}

static void use_event(struct dice *d)
{
    int what = (int)roll(d, 3);
    int rc = what == 0   ? kith_event_set(event())
             : what == 1 ? kith_event_clear(event())
                         : kith_event_wait(event(), (int)roll(d, 10));

    CHECK(rc == 0 || (what == 2 && rc == KITH_ETIMEDOUT) || excused(rc), "an Event gives %d", rc);
}

/* Whoever waits comes back: notified, or by the time. */
static void use_cond(struct dice *d)
{
    int waits = (int)roll(d, 2), rc;

    if (!got(kith_cond_acquire(cond(), KITH_FOREVER)))
        return;
    rc = waits ? kith_cond_wait(cond(), (int)roll(d, 10)) : kith_cond_notify(cond(), (int)roll(d, 3));
    CHECK(rc == 0 || (waits && rc == KITH_ETIMEDOUT) || (rc == KITH_EOWNERDEAD && somebody_died()) ||
              excused(rc),
          "a Condition gives %d", rc);
    if (!excused(rc) || rc == KITH_EOWNERDEAD)
        let_go(kith_cond_release(cond()));
}

static void use_barrier(struct dice *d)
{
    int rc = kith_barrier_wait(barrier(), (int)roll(d, 20));

    CHECK(rc == 0 || rc == 1 || rc == KITH_ETIMEDOUT || rc == KITH_EBROKEN || excused(rc),
          "a Barrier gives %d", rc);
    if (rc == KITH_ETIMEDOUT || rc == KITH_EBROKEN) {
        rc = kith_barrier_reset(barrier());
        CHECK(rc == 0 || excused(rc), "reset of a Barrier gives %d", rc);
    }
}

void use_sync(struct dice *d)
{
    static void (*const uses[])(struct dice * d) = { use_rlock, use_event, use_cond, use_barrier };
    int i = (int)roll(d, 4);

    for (int n = (int)roll(d, 10); n >= 0 && id_of(i); n--)
        uses[i](d);
}

static void check_close(int rc)
{
    CHECK(rc == 0 || server_lost(rc), "close gives %d", rc);
}

void end_sync(void)
{
    int is_held = 1;

    for (int i = 0; id_of(RLOCK) && i < 20000 && (is_held = kith_rlock_locked(rlock())) == 1; i++)
        usleep(1000);
    CHECK(!id_of(RLOCK) || is_held == 0 || excused(is_held), "an RLock is owned at the end, by nobody");
    if (id_of(RLOCK))
        check_close(kith_rlock_close(rlock()));
    if (id_of(EVENT))
        check_close(kith_event_close(event()));
    if (id_of(COND))
        check_close(kith_cond_close(cond()));
    if (id_of(BARRIER))
        check_close(kith_barrier_close(barrier()));
}
