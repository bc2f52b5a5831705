/* model.h: a call into a pool, and what must come out of it. A call is made so:
 *
 *     begin_call(c, "map", n, 0, 0, 0, d);         which of its n tasks do what, so which of them fail
 *     c->rc = kith_map(…);                         the tasks act() on c->actions[i], as run_of(c, i)
 *     count_runs(c);                               each was run as often as need be
 *     if (end_call(c))                             all faults are those that must be
 *         … the results, where c->actions[i] is not FAULTY */
#ifndef CHAOS_MODEL_H
#define CHAOS_MODEL_H

#include "action.h"
#include "dice.h"
#include "world.h"

#include <stddef.h>

struct call {
    const char *what;
    int pool, life;
    struct pool_options_seen options;
    uint64_t handle;
    size_t units;
    uint8_t *actions; /* of each unit; end_call makes that of one that failed FAULTY */
    uint32_t run;     /* number of the first one */
    uint64_t n;       /* of a range call; 0: a unit is a task */
    double began;
    int rc;
};

/* A call into that life of a pool, -1: the present one. 0: it was never opened. */
int choose_pool(struct call *c, int pool, int life);

/* How many tasks c could have: not too many for a pool whose workers end soon. */
uint64_t few_workers(const struct call *c, uint64_t n);
size_t some_count(const struct call *c, struct dice *d);

/* Draws the actions. n: elements of a range call in units of blocks, else 0. knows_place: its tasks can be
 * told a struct place. has_codes: they can return a code. The caller frees c->actions. */
void begin_call(struct call *c, const char *what, size_t units, uint64_t n, int knows_place, int has_codes,
                struct dice *d);

/* The run of a unit; the first element of it. */
uint32_t run_of(const struct call *c, size_t unit);
uint64_t task_of(const struct call *c, size_t unit);

/* Each unit was run as often as need be, not more. Before end_call. */
void count_runs(const struct call *c);

/* c->rc and the faults are those of the actions. 1: the results are there, but for the units that are FAULTY.
 */
int end_call(struct call *c);

#endif
