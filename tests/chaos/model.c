/* model.c: what must come out of a call into a pool. From the actions that were drawn it follows which tasks
 * fail, and how; but where somebody kills, ends the pool or takes its time, kith may also end a task, or the
 * call, in other ways: those are the excuses. */
#include "config.h"
#include "model.h"
#include "world.h"
#include "pool/chunk.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A task that ends its worker may be run so often; with more tries, not. */
enum { FEW_TRIES = 4 };

static struct pool_life *life_of(const struct call *c)
{
    return &world->pools[c->pool].lives[c->life];
}

int choose_pool(struct call *c, int pool, int life)
{
    struct pool_life *p;

    memset(c, 0, sizeof *c);
    c->pool = pool;
    c->life = life < 0 ? atomic_load(&world->pools[pool].current) : life;
    p = life_of(c);
    if (!atomic_load(&p->opened))
        return 0;
    c->handle = atomic_load(&p->handle);
    c->options = p->options;
    return 1;
}

/* A worker that ends soon takes a millisecond for its few tasks. */
uint64_t few_workers(const struct call *c, uint64_t n)
{
    return c->options.tasks_per_worker ? 1 + n % (uint64_t)(30 * c->options.tasks_per_worker) : n;
}

size_t some_count(const struct call *c, struct dice *d)
{
    switch (roll(d, 6)) {
    case 0: return 1;
    case 1: return roll(d, 3);
    case 2: return few_workers(c, 1 + roll(d, 5000));
    default: return few_workers(c, 1 + roll(d, 60));
    }
}

/* ---- before the call */

/* Which actions there are to choose from in this pool. */
static int may(const struct call *c, enum action action, int knows_place, int has_codes)
{
    switch (action) {
    case CRASH:
    case LEAVE: return !now.serial && !c->options.no_deaths && c->options.tries <= FEW_TRIES;
    case HANG: return !now.serial && !c->options.no_deaths && c->options.limit_ms > 0;
    case CODE: return has_codes;
    case POST:
    case SPAWN:
    case BELOW:
    case OWN: return knows_place;
    case PERIL: return knows_place && !now.serial && c->options.tries <= FEW_TRIES;
    default: return 1;
    }
}

/* All are well, but for up to two kinds of actions, at units drawn. */
static void draw_deeds(struct call *c, int knows_place, int has_codes, int kinds, struct dice *d)
{
    static const uint8_t spice[] = { FAIL, FAIL,  FAIL, CODE,  CODE,  CRASH, LEAVE, SLOW,
                                     SLOW, CHURN, POST, SPAWN, BELOW, OWN,   OWN,   PERIL };
    int dear = 4;

    for (int k = 0; k < kinds; k++) {
        enum action action = spice[roll(d, sizeof spice)];
        int often = 1 + (int)roll(d, action == FAIL ? 40 : 4);

        if (roll(d, 60) == 0)
            action = HANG;
        if (action == HANG)
            often = 1;
        for (int i = 0; i < often && c->units > 0; i++) {
            size_t at = roll(d, c->units);

            if (may(c, action, knows_place, has_codes) && (action < CRASH || dear-- > 0))
                c->actions[at] = (uint8_t)action;
        }
    }
}

void begin_call(struct call *c, const char *what, size_t units, uint64_t n, int knows_place, int has_codes,
                struct dice *d)
{
    c->what = what;
    c->units = units;
    c->n = n;
    c->actions = calloc(units + 1, 1);
    c->run = atomic_fetch_add(&world->next_run, (uint32_t)units);
    if (c->run > RUNS - units)
        c->run = RUNS; /* not counted any more */
    draw_deeds(c, knows_place, has_codes, (int)roll(d, 3), d);
    c->began = kith_time();
}

uint32_t run_of(const struct call *c, size_t unit)
{
    return c->run < RUNS ? c->run + (uint32_t)unit : RUNS;
}

uint64_t task_of(const struct call *c, size_t unit)
{
    uint64_t lo = unit, hi;

    if (c->n)
        kith__part(c->n, c->units, unit, &lo, &hi);
    return lo;
}

/* ---- behind it: how often its tasks were run */

/* How long the pool's tasks could have been kept from running. */
static int may_be_over_limit(const struct call *c)
{
    return c->options.limit_ms > 0 && kith_time() - c->began >= c->options.limit_ms / 1000.0;
}

static void count_runs_of(const struct call *c, size_t unit, int exact)
{
    enum action action = (enum action)c->actions[unit];
    int runs = atomic_load(&world->runs[c->run + unit]),
        least = action == CRASH || action == LEAVE ? c->options.tries : 1, most;

    if (may_be_over_limit(c))
        least = 1;
    if (disturbed() && !(c->options.tries > FEW_TRIES && c->rc == 0))
        return;
    most = action == PERIL ? c->options.tries : least;
    CHECK(runs >= least, "%s: unit %zu (action %d) of %zu was run %d times, not %d", c->what, unit, action,
          c->units, runs, least);
    CHECK(!exact || runs <= most, "%s: unit %zu (action %d) of %zu was run %d times, not %d at most", c->what,
          unit, action, c->units, runs, most);
}

void count_runs(const struct call *c)
{
    int exact = !disturbed() && !atomic_load(&life_of(c)->terminated) && !may_be_over_limit(c);

    if (c->run >= RUNS || (c->rc != 0 && c->rc != KITH_ETASK))
        return;
    for (size_t i = 0; i < c->units; i++)
        count_runs_of(c, i, exact);
}

/* ---- behind it: how they ended */

static int must_fail(const struct call *c, size_t unit)
{
    return c->actions[unit] >= FAIL && c->actions[unit] <= HANG;
}

static int ends_so(const struct call *c, size_t unit, const struct kith_fault *f)
{
    uint32_t run = run_of(c, unit);
    char text[64];

    switch ((enum action)c->actions[unit]) {
    case FAIL:
        snprintf(text, sizeof text, "run %u fails", run);
        return f->end == KITH_END_FAILED && f->code == fail_code(run) && strcmp(f->text, text) == 0;
    case CODE:
        snprintf(text, sizeof text, "it returned %d", return_code(run));
        return f->end == KITH_END_FAILED && f->code == return_code(run) && strcmp(f->text, text) == 0;
    case CRASH: return f->end == KITH_END_SIGNALLED && f->signal == crash_signal(run);
    case LEAVE: return f->end == KITH_END_EXITED && f->code == leave_status(run);
    case HANG: return f->end == KITH_END_OVER_LIMIT;
    default: return 0;
    }
}

/* That a unit ended so though its action is another may be. */
static int is_excused(const struct call *c, size_t unit, const struct kith_fault *f)
{
    enum action action = (enum action)c->actions[unit];

    if (action == PERIL && f->end >= KITH_END_SIGNALLED && f->end <= KITH_END_OVER_LIMIT)
        return 1;
    if (f->end == KITH_END_OVER_LIMIT)
        return may_be_over_limit(c);
    if (f->end == KITH_END_SIGNALLED && f->signal == SIGKILL)
        return disturbed() && c->options.tries <= FEW_TRIES;
    if (f->end == KITH_END_FAILED && f->code == BROKEN_OFF && action >= SPAWN)
        return disturbed() || action >= BELOW; /* that pool was ended; the tasks there are looked at there */
    return 0;
}

/* None of the units [from, to) has a fault. */
static void look_at_faultless(const struct call *c, size_t from, size_t to)
{
    for (; from < to; from++)
        CHECK(!must_fail(c, from), "%s: unit %zu of %zu (action %d) has no fault", c->what, from, c->units,
              c->actions[from]);
}

/* The faults are in the order of the units, one each at most, and what they must be. */
static void look_at_faults(struct call *c)
{
    struct kith_fault f;
    size_t count = 0, unit = 0, next;

    for (; kith_last_fault(&f, count) == 0; count++) {
        for (next = unit; next < c->units && task_of(c, next) < f.task; next++)
            ;
        look_at_faultless(c, unit, next);
        if (next == c->units || task_of(c, next) != f.task) {
            wrong("%s: a fault of task %llu, which is none, or had one already", c->what,
                  (unsigned long long)f.task);
            return;
        }
        CHECK(ends_so(c, next, &f) || is_excused(c, next, &f),
              "%s: unit %zu (action %d, run %u) ended with %d code %d signal %d: %s", c->what, next,
              c->actions[next], run_of(c, next), f.end, f.code, f.signal, f.text);
        c->actions[next] = FAULTY;
        unit = next + 1;
    }
    look_at_faultless(c, unit, c->units);
    CHECK(count > 0, "%s: KITH_ETASK and no fault", c->what);
}

static int init_has_failed(const struct call *c)
{
    return c->rc == KITH_ETASK && c->options.has_init && disturbed() &&
           strstr(kith_last_error(), "initializer");
}

int end_call(struct call *c)
{
    struct pool_life *life = life_of(c);
    int ending = atomic_load(&life->ending), terminated = atomic_load(&life->terminated);

    if (c->rc == KITH_ESTALE || c->rc == KITH_ECANCELLED) {
        CHECK(ending && (c->rc == KITH_ESTALE || terminated || somebody_died()),
              "%s: %d, though nobody ended the pool (%d %d)", c->what, c->rc, ending, terminated);
        return 0;
    }
    if (excused(c->rc) || init_has_failed(c))
        return 0;
    if (c->rc != 0 && c->rc != KITH_ETASK) {
        wrong("%s gives %d", c->what, c->rc);
        return 0;
    }
    if (c->rc == KITH_ETASK)
        look_at_faults(c);
    else
        look_at_faultless(c, 0, c->units);
    return 1;
}
