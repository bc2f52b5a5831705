/* locks.c: see locks.h. */
#include "config.h"
#include "locks.h"
#include "world.h"

#include <sched.h>
#include <unistd.h>

static kith_lock lock(void)
{
    return (kith_lock){ atomic_load(&world->lock) };
}

void open_lock(void)
{
    kith_lock l = kith_lock_open();
    int rc = kith_check(l);

    CHECK(rc == 0 || excused(rc), "a Lock cannot be opened: %d", rc);
    if (rc == 0)
        atomic_store(&world->lock, l.id);
}

/* Changes what the Lock protects: nobody else is there, and only the dead leave it half done. 0: it was not
 * to have. */
static int hold(int timeout_ms, int moments)
{
    int rc = kith_lock_acquire(lock(), timeout_ms), inside;

    if (rc == KITH_ETIMEDOUT || excused(rc))
        return 0;
    CHECK(rc == 0 || (rc == KITH_EOWNERDEAD && somebody_died()), "acquire of a Lock gives %d", rc);
    inside = atomic_exchange(&world->locked, 1);
    CHECK(inside == 0 || rc == KITH_EOWNERDEAD || now.trouble == NO_SERVER, "two hold a Lock");
    for (int i = 0; i < moments; i++)
        sched_yield();
    atomic_store(&world->locked, 0);
    rc = kith_lock_release(lock());
    CHECK(rc == 0 || excused(rc), "release of a Lock gives %d", rc);
    return 1;
}

void use_lock(struct dice *d)
{
    int n = 1 + (int)roll(d, 20), timeout_ms = roll(d, 4) ? KITH_FOREVER : (int)roll(d, 20);

    for (int i = 0; i < n && atomic_load(&world->lock); i++)
        if (!hold(timeout_ms, (int)roll(d, 4)))
            break;
}

void end_lock(void)
{
    int tries = dead_keep_what_they_have() ? 1 : 20000, is_held = 1, rc;

    if (!atomic_load(&world->lock))
        return;
    while (tries-- > 0 && (is_held = kith_lock_locked(lock())) == 1)
        usleep(1000);
    CHECK(is_held == 0 || excused(is_held) || dead_keep_what_they_have(),
          "a Lock is held at the end, by nobody");
    rc = kith_lock_close(lock());
    CHECK(rc == 0 || server_lost(rc), "close of a Lock gives %d", rc);
}
