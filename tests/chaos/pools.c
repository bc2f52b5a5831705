/* pools.c: opening and ending Pools of all options, and what is left of one that has ended: an error. */
#include "config.h"
#include "../check.h"
#include "pools.h"
#include "calls.h"
#include "kinds.h"
#include "world.h"

#include <signal.h>

enum { LIMIT_MS = 400, DEFAULT_TRIES = 2, ENOUGH = 512 << 20 };

/* ---- initializers */

static const uint64_t init_arg[2] = { 17, 18 };

static int initialize(const void *arg)
{
    const uint64_t *x = arg;

    CHECK(kith_arg_size() == sizeof init_arg && x[0] == 17 && x[1] == 18,
          "an initializer has another argument");
    return 0;
}

/* Who closes the pool hears of a worker that was killed in its exit function. */
static int has_killed_exit(int rc)
{
    return rc == KITH_ETASK && disturbed();
}

static int initialize_badly(const void *arg)
{
    (void)arg;
    return kith_fail(5, "no good");
}

static int initialize_and_die(const void *arg)
{
    (void)arg;
    raise(SIGKILL);
    return 0;
}

/* ---- those that all know */

static kith_pool some_pool(struct pool_options_seen *seen, struct dice *d)
{
    static const size_t chunks[] = { 0, 0, 0, 1, 7, 1000 };
    static const int tries[] = { 0, 0, 1, 3, 1000000 };
    int workers = roll(d, 8) ? 1 + (int)roll(d, 4) : (int)roll(d, 40), rc;
    struct kith_pool_options o = {
        .tasks_per_worker = roll(d, 4) ? 0 : 1 + (int)roll(d, 20),
        .limit_ms = roll(d, 4) ? 0 : LIMIT_MS,
        .tries = tries[roll(d, 5)],
        .unpinned = (int)roll(d, 2),
        .memory = SANITIZED || roll(d, 5) ? 0 : ENOUGH,
        .chunk = chunks[roll(d, 6)],
    };
    kith_pool p;

    if (roll(d, 3) == 0) {
        o.init = initialize;
        o.exit = roll(d, 2) ? initialize : NULL; /* it gets the same */
        o.arg = init_arg;
        o.arg_size = sizeof init_arg;
    }
    *seen = (struct pool_options_seen){
        0, workers, o.tries ? o.tries : DEFAULT_TRIES, o.limit_ms, o.tasks_per_worker, o.init != NULL
    };
    p = (kith_pool_open_with)(workers, &o, sizeof o);
    rc = kith_check(p);
    CHECK(rc == 0 || excused(rc) || (rc == KITH_ETASK && disturbed() && seen->has_init),
          "a pool cannot be opened: %d", rc);
    return p;
}

void open_pool(int pool, struct dice *d)
{
    int life = atomic_load(&world->pools[pool].current);
    struct pool_life *l = &world->pools[pool].lives[life];
    kith_pool p;

    if (atomic_load(&l->opened)) {
        if (!atomic_load(&l->ended) || life + 1 == GENERATIONS)
            return;
        l = &world->pools[pool].lives[++life];
    }
    if (atomic_exchange(&l->being_opened, 1))
        return;
    atomic_fetch_add(&world->open, 1); /* until the others know of it */
    p = some_pool(&l->options, d);
    if (kith_check(p) == 0) {
        atomic_store(&l->handle, p.id);
        atomic_store(&l->opened, 1);
        atomic_store(&world->pools[pool].current, life);
    }
    atomic_fetch_sub(&world->open, 1);
}

void end_pool(int pool, int terminate)
{
    int life = atomic_load(&world->pools[pool].current), rc;
    struct pool_life *l = &world->pools[pool].lives[life];
    kith_pool p;

    if (!atomic_load(&l->opened))
        return;
    p.id = atomic_load(&l->handle);
    if (terminate)
        atomic_store(&l->terminated, 1);
    atomic_store(&l->ending, 1);
    rc = terminate ? kith_pool_terminate(p) : kith_pool_close(p);
    CHECK(rc == 0 || rc == KITH_ESTALE || server_lost(rc) || has_killed_exit(rc), "%s of a pool gives %d",
          terminate ? "terminate" : "close", rc);
    atomic_store(&l->ended, 1);
}

/* ---- others */

static void bad_pool(int (*init)(const void *arg), struct dice *d)
{
    kith_pool p;
    int rc;

    atomic_fetch_add(&world->open, 1);
    p = kith_pool_open_with(1 + (int)roll(d, 4), .init = init, .arg = init_arg, .arg_size = sizeof init_arg);
    rc = kith_check(p);
    if (now.serial)
        return;
    atomic_fetch_sub(&world->open, 1);
    CHECK(rc == KITH_ETASK || server_lost(rc), "a pool with a bad initializer gives %d", rc);
    CHECK(kith_pool_close(p) == rc, "close of a failed pool gives something else than %d", rc);
}

/* What may come of a task that runs well. */
static int is_excused(int rc)
{
    return server_lost(rc) || disturbed() || rc == KITH_ETASK || excused(rc);
}

/* Tasks that are calls of their own: each of their results is taken, dropped, or cancelled, unless it runs in
 * a thread. */
static void tasks_of_their_own(kith_pool p, int threads, struct dice *d)
{
    enum { MOST = 40 };
    kith_result r[MOST];
    int n = 1 + (int)roll(d, MOST), x, y, rc;

    for (int i = 0; i < n; i++)
        r[i] = kith_apply_async(p, play_int, (5 + i) << 3 | (int)RUNS);
    for (int i = 0; i < n; i++) {
        x = (5 + i) << 3 | (int)RUNS;
        y = 0;
        if ((rc = kith_check(r[i])) == 0 && roll(d, 5) == 0)
            rc = kith_result_drop(r[i]);
        else if (rc == 0) {
            if (roll(d, 8) == 0 && (rc = kith_result_cancel(r[i])) != 0 && rc != KITH_EEND &&
                !(threads && rc == KITH_ERUNNING))
                CHECK(is_excused(rc), "cancel gives %d", rc);
            rc = kith_get(r[i], &y);
            CHECK(rc == 0 ? y == play_int_gives(x) : rc == KITH_ECANCELLED || is_excused(rc),
                  "a result that was waited for gives %d and %d", rc, y);
            continue;
        }
        CHECK(rc == 0 || is_excused(rc), "apply_async, or drop, gives %d", rc);
    }
}

static void one_by_one(kith_pool p, struct dice *d)
{
    int in[50], n = (int)roll(d, 50), taken = 0, rc, y;
    kith_iter it;

    for (int i = 0; i < n; i++)
        in[i] = (5 + i) << 3 | (int)RUNS;
    it = kith_imap(p, play_int, in, (size_t)n);
    if ((rc = kith_check(it)) < 0) {
        CHECK(is_excused(rc), "imap gives %d", rc);
        return;
    }
    for (int most = (int)roll(d, 60); taken < most && (rc = kith_next(it, &y)) != KITH_EEND; taken++) {
        CHECK(rc == 0 ? y == play_int_gives(in[taken]) : is_excused(rc), "a result of imap: %d and %d", rc,
              y);
        if (rc < 0 && rc != KITH_ETASK)
            break;
    }
    rc = kith_iter_close(it);
    CHECK(rc == 0, "close of an Iterator gives %d", rc);
}

static void good_pool(int uses_it, int terminate, struct dice *d)
{
    int x = 5 << 3 | (int)RUNS, y = 0, rc;
    struct pool_options_seen seen;
    kith_pool p;

    atomic_fetch_add(&world->open, 1);
    p = some_pool(&seen, d);
    if (kith_check(p) < 0)
        return;
    if (uses_it) {
        rc = kith_apply(p, play_int, &y, x);
        CHECK(rc == 0 ? y == play_int_gives(x) : server_lost(rc) || disturbed() || rc == KITH_ETASK,
              "apply gives %d and %d", rc, y);
        tasks_of_their_own(p, 0, d);
        one_by_one(p, d);
        other_call(p, d);
    }
    rc = terminate ? kith_pool_terminate(p) : kith_pool_close(p);
    CHECK(rc == 0 || server_lost(rc) || has_killed_exit(rc), "the end of a pool of its own gives %d", rc);
    atomic_fetch_sub(&world->open, 1);
    rc = kith_pool_terminate(p);
    CHECK(rc == KITH_ESTALE || server_lost(rc), "terminate of a pool that has ended gives %d", rc);
}

/* If its process is killed meanwhile, nothing of it is left. */
static void pool_of_threads(struct dice *d)
{
    kith_pool p = kith_pool_open_with(1 + (int)roll(d, 4), .threads = 1, .caller = (int)roll(d, 2),
                                      .unpinned = (int)roll(d, 2), .chunk = roll(d, 2));
    int in[100], out[100] = { 0 }, n = (int)roll(d, 100), rc = kith_check(p);

    if (rc < 0) {
        CHECK(excused(rc), "a pool of threads cannot be opened: %d", rc);
        return;
    }
    for (int i = 0; i < n; i++)
        in[i] = (5 + i) << 3 | (int)RUNS;
    rc = kith_map(p, play_int, in, out, (size_t)n);
    CHECK(rc == 0 || is_excused(rc), "a map of threads gives %d", rc);
    for (int i = 0; i < n && rc == 0; i++)
        CHECK(out[i] == play_int_gives(in[i]), "result %d of a map of threads is %d", i, out[i]);
    tasks_of_their_own(p, 1, d);
    one_by_one(p, d);
    other_call(p, d);
    rc = roll(d, 2) ? kith_pool_terminate(p) : kith_pool_close(p);
    CHECK(rc == 0 || server_lost(rc), "the end of a pool of threads gives %d", rc);
}

void own_pool(struct dice *d)
{
    int kind = (int)roll(d, 7);

    if (kind == 0)
        bad_pool(initialize_badly, d);
    else if (kind == 1 && !now.serial)
        bad_pool(initialize_and_die, d);
    else if (kind == 6)
        pool_of_threads(d);
    else
        good_pool(kind > 3, kind % 2, d);
}

static void use_life(struct pool_life *l)
{
    kith_pool p = { atomic_load(&l->handle) };
    int x = 1, y = 2, rc = kith_put((kith_queue){ p.id }, x);

    CHECK(rc == KITH_ETYPE || rc == KITH_ESTALE || server_lost(rc), "put into a pool gives %d", rc);
    if (!atomic_load(&l->ended))
        return;
    rc = kith_map(p, play_int, &x, &y, 1);
    CHECK(rc == KITH_ESTALE || server_lost(rc), "a map in a pool that was closed gives %d", rc);
    rc = kith_pool_workers(p);
    CHECK(rc == KITH_ESTALE || server_lost(rc), "workers of a pool that was closed: %d", rc);
}

void use_what_is_gone(struct dice *d)
{
    int pool = (int)roll(d, POOLS), life = atomic_load(&world->pools[pool].current), x, rc;

    for (int i = 0; i <= life; i++)
        if (atomic_load(&world->pools[pool].lives[i].opened))
            use_life(&world->pools[pool].lives[i]);
    rc = kith_pool_close((kith_pool){ roll(d, UINT64_MAX) });
    CHECK(rc < 0, "a handle from nowhere can be closed");
    rc = (int)kith_queue_get((kith_queue){ 0 }, &x, sizeof x, 0);
    CHECK(rc == KITH_ESTALE, "get from no Queue gives %d", rc);
}
