/* values.c: see values.h. */
#include "config.h"
#include "values.h"
#include "world.h"

#include <sched.h>

enum { CELLS = 600 };

static kith_value value(void)
{
    return (kith_value){ atomic_load(&world->value) };
}

static kith_array array(void)
{
    return (kith_array){ atomic_load(&world->array) };
}

void open_value(void)
{
    kith_value v = kith_value_of(0L);
    kith_array a = kith_array_open('l', CELLS);
    int rc = kith_check(v);

    CHECK(rc == 0 || excused(rc), "a Value cannot be opened: %d", rc);
    if (rc == 0)
        atomic_store(&world->value, v.id);
    rc = kith_check(a);
    CHECK(rc == 0 || excused(rc), "an Array cannot be opened: %d", rc);
    if (rc == 0)
        atomic_store(&world->array, a.id);
}

/* Counts before and after: who dies between them has added it, or has not. 0: no more. */
static int add(struct dice *d)
{
    long x = 0;
    int rc;

    atomic_fetch_add(&world->adds_begun, 1);
    if (roll(d, 2)) {
        rc = kith_add(value(), 1L);
    } else if ((rc = kith_load(value(), &x)) == 0) {
        while ((rc = kith_compare_exchange(value(), &x, x + 1)) == 0)
            ;
        rc = rc == 1 ? 0 : rc;
    }
    CHECK(rc == 0 || excused(rc), "an add to a Value gives %d", rc);
    if (rc == 0)
        atomic_fetch_add(&world->adds_done, 1);
    return rc == 0;
}

/* The cells of it are added up at the end. 0: no more. */
static int add_to_array(struct dice *d)
{
    int rc;

    atomic_fetch_add(&world->cells_begun, 1);
    rc = kith_add_at(array(), roll(d, CELLS), 1L);
    CHECK(rc == 0 || excused(rc), "an add to an Array gives %d", rc);
    if (rc == 0)
        atomic_fetch_add(&world->cells_done, 1);
    return rc == 0;
}

static void add_up_array(void)
{
    long cells[CELLS], sum = 0;
    int rc;

    if (!atomic_load(&world->array))
        return;
    rc = kith_load_slice(array(), 0, cells, CELLS);
    CHECK(rc == 0 || excused(rc), "load of an Array gives %d", rc);
    for (int i = 0; i < CELLS && rc == 0; i++)
        sum += cells[i];
    CHECK(rc < 0 || (sum >= atomic_load(&world->cells_done) && sum <= atomic_load(&world->cells_begun)),
          "an Array has %ld after %ld adds, of which %ld are certain", sum, atomic_load(&world->cells_begun),
          atomic_load(&world->cells_done));
    rc = kith_array_close(array());
    CHECK(rc == 0 || server_lost(rc), "close of an Array gives %d", rc);
}

/* 0: it could not be had. */
static int hold(int timeout_ms, int moments)
{
    int rc = kith_value_lock(value(), timeout_ms), inside;

    if (rc == KITH_ETIMEDOUT || excused(rc))
        return 0;
    CHECK(rc == 0 || (rc == KITH_EOWNERDEAD && somebody_died()), "the lock of a Value gives %d", rc);
    inside = atomic_fetch_add(&world->lock_holders, 1) + 1;
    CHECK(inside == 1 || somebody_died(), "%d have the lock of a Value", inside);
    for (int i = 0; i < moments; i++)
        sched_yield();
    atomic_fetch_sub(&world->lock_holders, 1);
    rc = kith_value_unlock(value());
    CHECK(rc == 0 || excused(rc), "the unlock of a Value gives %d", rc);
    return 1;
}

void use_value(struct dice *d)
{
    int n = 1 + (int)roll(d, 20), timeout_ms = roll(d, 4) ? KITH_FOREVER : (int)roll(d, 20);

    for (int i = 0; i < n && atomic_load(&world->value); i++)
        if (!(roll(d, 3) ? add(d) : hold(timeout_ms, (int)roll(d, 4))))
            break;
    for (int i = 0; i < n && atomic_load(&world->array); i++)
        if (!add_to_array(d))
            break;
}

void end_value(void)
{
    long x = -1;
    int rc;

    add_up_array();
    if (!atomic_load(&world->value))
        return;
    rc = kith_load(value(), &x);
    CHECK(rc == 0 || excused(rc), "load of a Value gives %d", rc);
    CHECK(rc < 0 || (x >= atomic_load(&world->adds_done) && x <= atomic_load(&world->adds_begun)),
          "a Value is %ld after %ld adds, of which %ld are certain", x, atomic_load(&world->adds_begun),
          atomic_load(&world->adds_done));
    rc = kith_value_close(value());
    CHECK(rc == 0 || server_lost(rc), "close of a Value gives %d", rc);
}
