/* sems.c: see sems.h. */
#include "config.h"
#include "sems.h"
#include "world.h"

#include <sched.h>
#include <unistd.h>

static kith_sem sem(void)
{
    return (kith_sem){ atomic_load(&world->sem) };
}

void open_sem(struct dice *d)
{
    kith_sem s;
    int rc;

    atomic_store(&world->units, (roll(d, 8) ? 1 : 20) + (int)roll(d, 3));
    s = kith_sem_open_with(atomic_load(&world->units), .bounded = (int)roll(d, 2));
    rc = kith_check(s);
    CHECK(rc == 0 || excused(rc), "a Semaphore cannot be opened: %d", rc);
    if (rc == 0)
        atomic_store(&world->sem, s.id);
}

/* Holds a unit while others look how many are inside. 0: there was none to have. */
static int hold(int timeout_ms, int moments)
{
    int rc = kith_sem_acquire(sem(), timeout_ms), inside;

    if (rc == KITH_ETIMEDOUT || excused(rc))
        return 0;
    CHECK(rc == 0 || (rc == KITH_EOWNERDEAD && somebody_died()), "acquire gives %d", rc);
    inside = atomic_fetch_add(&world->inside, 1) + 1;
    CHECK(inside <= atomic_load(&world->units) || somebody_died(), "%d are inside a Semaphore of %d", inside,
          atomic_load(&world->units));
    for (int i = 0; i < moments; i++)
        sched_yield();
    atomic_fetch_sub(&world->inside, 1);
    rc = kith_sem_release(sem());
    CHECK(rc == 0 || excused(rc), "release gives %d", rc);
    return 1;
}

void use_sem(struct dice *d)
{
    int n = 1 + (int)roll(d, 20), timeout_ms = roll(d, 4) ? KITH_FOREVER : (int)roll(d, 20);

    for (int i = 0; i < n && atomic_load(&world->sem); i++)
        if (!hold(timeout_ms, (int)roll(d, 4)))
            break;
}

void end_sem(void)
{
    int units = atomic_load(&world->units), tries = dead_keep_what_they_have() ? 1 : 20000, n = -1, rc;

    if (!atomic_load(&world->sem))
        return;
    while (tries-- > 0 && (n = kith_sem_value(sem())) != units && !excused(n))
        usleep(1000);
    CHECK(n == units || excused(n) || dead_keep_what_they_have(), "a Semaphore of %d units has %d at the end",
          units, n);
    rc = kith_sem_close(sem());
    CHECK(rc == 0 || server_lost(rc), "close of a Semaphore gives %d", rc);
}
