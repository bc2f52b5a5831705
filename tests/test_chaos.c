/* test_chaos.c: random histories of the public API under a seed, each a job of its own, with a model beside it that knows what must come out.
 *
 * A history has some Pools, some Queues, and actors: threads of the head, and Processes. Each actor makes calls that it draws from the
 * seed, and checks what comes out; meanwhile some end Pools, Queues and Processes under the others, and from outside workers, Processes
 * and janitors are killed or stopped. The seed decides the calls, not their moments. What a task has to do (its deed)
 * is drawn too, so the caller knows how each must end; and tasks count their runs in memory that all share.
 *
 * KITH_TEST_SEED=n plays history n alone; KITH_TEST_HISTORIES=n plays n, from KITH_TEST_FROM on. KITH_TEST_HOLD=1: one that hangs is left
 * as it is, for a debugger. By hand also with KITH_TRANSPORT=net, KITH_SERIAL=1, KITH_MEM. */
#include "config.h"
#define CHECK_LIMIT 240
#include "check.h"
#include "killer.h"
#include "chunk.h"
#include "family.h"
#include "heap.h"
#include "object.h"

#if defined __SANITIZE_THREAD__
#define THREADS_ONLY 1                  /* it sees threads, and not what they have through other processes: so there are none of these */
#else
#define THREADS_ONLY 0
#endif

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    POOLS = 3, QUEUES = 3, GENERATIONS = 24, THREADS = 4, PROCESSES = 3, PUTTERS = 4096, ITEMS = 40, RUNS = 1 << 22,
    FEW_TRIES = 4, MOST_KILLS = 60, LIMIT_MS = 400, BROKEN_OFF = 77, LEFT_EARLY = 23
};

/* ---- dice */

struct dice { uint64_t state; };

static uint64_t mixed(uint64_t x)       /* splitmix64 */
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t roll(struct dice *d, uint64_t sides)
{
    return mixed(d->state += UINT64_C(0x9e3779b97f4a7c15)) % sides;
}

static struct dice dice_of(uint64_t seed, uint64_t a, uint64_t b)
{
    return (struct dice){ mixed(seed + mixed(a * 1000003 + mixed(b + 12345))) };
}

/* ---- what is known of a history before it begins: the same in all its processes */

enum trouble { CALM, KILLER, NO_SERVER };
enum ending { TIDY, LEAVE_OPEN, LEAVE_BY_EXIT };

static struct history {
    uint64_t seed;
    enum trouble trouble;
    enum ending ending;
    int threads, processes, steps, serial, net;
    int alone;                          /* nothing is done by another process */
    int big;                            /* some arguments of MiB */
} now;

/* ---- what all processes of a history share */

struct pool_options_seen { int no_deaths, workers, tries, limit_ms, tasks_per_worker, has_init; };

struct pool_life {
    _Atomic uint64_t handle;
    _Atomic int being_opened, opened, ending, terminated, ended;
    struct pool_options_seen options;
};

struct queue_life {
    _Atomic uint64_t handle;
    _Atomic int being_opened, opened, ending, ended;
};

static struct world {
    _Atomic int server, reaper, agent, up, over, wrong, kills, takers;
    _Atomic int killer_rests;           /* 1: over was seen, nobody is stopped any more */
    _Atomic int steps_done;
    _Atomic uint32_t next_run, next_putter;
    _Atomic int64_t blocks;             /* given by kith_alloc and not freed: at most so many */
    _Atomic int at_finalize;
    _Atomic int deaths;                 /* 1: a Process was ended by another */
    _Atomic int open;                   /* Pools, Queues and Processes of one actor's own: some stay when it is killed */
    char said[800];
    struct { _Atomic int current; struct pool_life lives[GENERATIONS]; } pools[POOLS];
    struct { _Atomic int current; struct queue_life lives[GENERATIONS]; } queues[QUEUES];
    struct { _Atomic uint32_t put, queue; _Atomic uint8_t taken[ITEMS]; } putters[PUTTERS];
    _Atomic uint64_t named[2];
    _Atomic uint32_t doing[THREADS + PROCESSES];        /* step << 8 | what */
    _Atomic uint32_t zeros[THREADS + PROCESSES];        /* runs of tasks without bytes */
    _Atomic uint8_t runs[RUNS];
} *world;

/* The first thing that is wrong is kept. */
static void wrong(const char *format, ...) KITH_PRINTF(1, 2);

static void wrong(const char *format, ...)
{
    int none = 0;
    va_list ap;
    size_t n;

    if (atomic_load(&world->over) == 2 || !atomic_compare_exchange_strong(&world->wrong, &none, 1))
        return;
    va_start(ap, format);
    vsnprintf(world->said, sizeof world->said, format, ap);
    va_end(ap);
    n = strlen(world->said);
    snprintf(world->said + n, sizeof world->said - n, " [process %d, last error \"%.200s\"]", (int)getpid(), kith_last_error());
    if (getenv("KITH_TEST_STOP"))
        raise(SIGSTOP);
}

#define CHECK(condition, ...)                                                                       \
    do {                                                                                            \
        if (!(condition))                                                                           \
            wrong(__VA_ARGS__);                                                                     \
    } while (0)

static int disturbed(void) { return now.trouble != CALM; }
static int somebody_died(void) { return disturbed() || atomic_load(&world->deaths); }
static int server_lost(int rc) { return rc == KITH_EPEER && now.trouble == NO_SERVER; }

/* ---- deeds: what a task does */

/* FAIL to HANG fail; those behind depend on others. PERIL: its own calls into its pool may end its worker. */
enum deed { WELL, SLOW, CHURN, POST, FAIL, CODE, CRASH, LEAVE, HANG, SPAWN, BELOW, OWN, PERIL, DEEDS };

static const int crash_signals[] = { SIGKILL, SIGABRT, SIGTERM, SANITIZED ? SIGKILL : SIGSEGV };

static int crash_signal(uint32_t run) { return crash_signals[run % 4]; }

static int leaf(const void *arg);
static void put_some(int q, int life, int n, int timeout_ms, struct dice *d);
static int make_call_below(int pool, int life, int no_deaths, struct dice *d);

/* Churns through memory of the node. */
static void churn(struct dice *d)
{
    enum { MOST = 6 };
    unsigned char *p[MOST] = { 0 };
    size_t size[MOST] = { 0 };

    for (int i = 0; i < 20; i++) {
        int k = (int)roll(d, MOST);

        if (p[k]) {
            CHECK(p[k][0] == (unsigned char)size[k] && p[k][size[k] - 1] == (unsigned char)(size[k] + 1) , "a block of %zu bytes is changed", size[k]);
            CHECK(kith_free(p[k]) == 0, "a block of %zu bytes cannot be freed", size[k]);
            atomic_fetch_sub(&world->blocks, 1);
            p[k] = NULL;
            continue;
        }
        size[k] = roll(d, 5) ? 2 + roll(d, 3000) : 2 + roll(d, 300000);
        atomic_fetch_add(&world->blocks, 1);
        if (!(p[k] = kith_alloc(size[k]))) {
            CHECK(getenv("KITH_MEM") != NULL, "kith_alloc(%zu) gives none", size[k]);
            atomic_fetch_sub(&world->blocks, 1);
            continue;
        }
        CHECK((uintptr_t)p[k] % 64 == 0, "a block at %p", (void *)p[k]);
        p[k][0] = (unsigned char)size[k];
        p[k][size[k] - 1] = (unsigned char)(size[k] + 1);
    }
    for (int k = 0; k < MOST; k++)
        if (p[k]) {
            CHECK(kith_free(p[k]) == 0, "a block of %zu bytes cannot be freed", size[k]);
            atomic_fetch_sub(&world->blocks, 1);
        }
}

/* What a Process that does little is told. */
enum leaf_deed { LEAF_WELL, LEAF_SEVEN, LEAF_FAILS, LEAF_CRASHES, LEAF_PUTS, LEAF_TAKES, LEAF_WAITS, LEAF_STARTS, LEAF_DEEDS };
struct leaf { int deed, queue, life; uint64_t seed; char filler[40]; };

/* The exit code that it must have. */
static int leaf_code(enum leaf_deed deed)
{
    return deed == LEAF_SEVEN ? 7 : deed == LEAF_FAILS ? 9 : deed == LEAF_CRASHES ? -SIGKILL : deed == LEAF_WAITS ? -SIGTERM : 0;
}

static int code_is_right(int code, int must)
{
    return code == must || (disturbed() && code == -SIGKILL);
}

static int spawn_and_join(struct dice *d)
{
    struct leaf l = { .deed = roll(d, 2) ? LEAF_SEVEN : LEAF_WELL, .seed = roll(d, UINT64_MAX) };
    kith_process p;
    int rc, code = -1;

    memset(l.filler, 5, sizeof l.filler);
    atomic_fetch_add(&world->open, 1);
    p = kith_process_start(leaf, KITH_ARG(l));
    if ((rc = kith_check(p)) < 0)
        return rc;
    if ((rc = kith_process_join(p, KITH_FOREVER)) < 0)
        return rc;
    rc = kith_process_exitcode(p, &code);
    CHECK(server_lost(rc) || (rc == 0 && code_is_right(code, leaf_code((enum leaf_deed)l.deed))), "a task's Process: %d, exit code %d", rc, code);
    CHECK(kith_process_close(p) == 0 || now.trouble == NO_SERVER, "a task's Process cannot be closed");
    atomic_fetch_sub(&world->open, 1);
    return rc;
}

/* A task that knows its pool. */
struct place { int pool, life, queue, queue_life; };

/* 0: it is done well; else the code with which it has failed. */
static int act(enum deed deed, uint32_t run, const struct place *at)
{
    struct dice d = dice_of(now.seed, run, deed);
    int rc = 0;

    if (run < RUNS)
        atomic_fetch_add(&world->runs[run], 1);
    switch (deed) {
    case WELL: break;
    case SLOW: nap_us((long)roll(&d, 1500)); break;
    case CHURN: churn(&d); break;
    case POST: put_some(at->queue, at->queue_life, 2, 0, &d); break;
    case FAIL: return kith_fail(100 + (int)(run % 50), "run %u fails", run);
    case CODE: return 200 + (int)(run % 50);
    case CRASH:
        raise(crash_signal(run));
        for (;;)                        /* SIGTERM takes a moment, it seems, where sanitizers are */
            pause();
    case LEAVE: exit((int)(run % 5));
    case HANG:
        for (;;)
            pause();
    case SPAWN: rc = now.alone ? 0 : spawn_and_join(&d); break;
    case BELOW: rc = at->pool + 1 < POOLS ? make_call_below(at->pool + 1, -1, 0, &d) : 0; break;
    case OWN:
    case PERIL: rc = make_call_below(at->pool, at->life, deed == OWN, &d); break;
    case DEEDS: break;
    }
    return rc == 0 ? 0 : kith_fail(BROKEN_OFF, "broken off: %s", kith_last_error());
}

/* ---- a call, and what must come out of it */

struct call {
    const char *what;
    int pool, life;
    struct pool_options_seen options;
    uint64_t handle;
    size_t units;
    uint8_t *deeds;                     /* of each unit */
    uint32_t run;                       /* number of the first one */
    uint64_t n;                         /* of a range call; 0: a unit is a task */
    double began;
    int rc;
};

static struct pool_life *life_of(const struct call *c) { return &world->pools[c->pool].lives[c->life]; }

static uint64_t task_of(const struct call *c, size_t unit)
{
    uint64_t lo = unit, hi;

    if (c->n)
        kith__block_range(c->n, c->units, unit, &lo, &hi);
    return lo;
}

/* Which deeds there are to choose from in this pool. */
static int may(const struct call *c, enum deed deed, int knows_place)
{
    switch (deed) {
    case CRASH:
    case LEAVE: return !now.serial && !c->options.no_deaths && c->options.tries <= FEW_TRIES;
    case HANG: return !now.serial && !c->options.no_deaths && c->options.limit_ms > 0;
    case CODE: return 1;
    case POST:
    case SPAWN:
    case BELOW:
    case OWN: return knows_place;
    case PERIL: return knows_place && !now.serial && c->options.tries <= FEW_TRIES;
    default: return 1;
    }
}

static void begin_call(struct call *c, const char *what, size_t units, uint64_t n, int knows_place, int has_codes, struct dice *d)
{
    static const uint8_t spice[] = { FAIL, FAIL, FAIL, CODE, CODE, CRASH, LEAVE, SLOW, SLOW, CHURN, POST, SPAWN, BELOW, OWN, OWN, PERIL };
    int kinds = (int)roll(d, 3), dear = 4;

    c->what = what;
    c->units = units;
    c->n = n;
    c->deeds = calloc(units + 1, 1);
    c->run = atomic_fetch_add(&world->next_run, (uint32_t)units);
    if (c->run > RUNS - units)
        c->run = RUNS;                  /* not counted any more */
    for (int k = 0; k < kinds; k++) {
        enum deed deed = spice[roll(d, sizeof spice)];
        int often = 1 + (int)roll(d, deed == FAIL ? 40 : 4);

        if (roll(d, 60) == 0)
            deed = HANG;
        if (deed == HANG)
            often = 1;
        for (int i = 0; i < often && units > 0; i++) {
            size_t at = roll(d, units);

            if (may(c, deed, knows_place) && (deed != CODE || has_codes) && (deed < CRASH || dear-- > 0))
                c->deeds[at] = (uint8_t)deed;
        }
    }
    c->began = kith_time();
}

/* How long the pool's tasks could have been kept from running. */
static int may_be_over_limit(const struct call *c)
{
    return c->options.limit_ms > 0 && kith_time() - c->began >= c->options.limit_ms / 1000.0;
}

/* That a unit ended so though its deed is another may be. */
static int is_excused(const struct call *c, size_t unit, const struct kith_fault *f)
{
    enum deed deed = (enum deed)c->deeds[unit];

    if (deed == PERIL && f->end >= KITH_SIGNALLED && f->end <= KITH_OVER_LIMIT)
        return 1;
    if (f->end == KITH_OVER_LIMIT)
        return may_be_over_limit(c);
    if (f->end == KITH_SIGNALLED && f->signal == SIGKILL)
        return disturbed() && c->options.tries <= FEW_TRIES;
    if (f->end == KITH_FAILED && f->code == BROKEN_OFF && deed >= SPAWN)
        return disturbed() || deed >= BELOW;      /* that pool was ended; the tasks there are looked at there */
    return 0;
}

static int ends_so(const struct call *c, size_t unit, const struct kith_fault *f)
{
    uint32_t run = c->run + (c->run < RUNS ? (uint32_t)unit : 0);
    char text[64];

    switch ((enum deed)c->deeds[unit]) {
    case FAIL:
        snprintf(text, sizeof text, "run %u fails", run);
        return f->end == KITH_FAILED && f->code == 100 + (int)(run % 50) && strcmp(f->text, text) == 0;
    case CODE:
        snprintf(text, sizeof text, "it returned %d", 200 + (int)(run % 50));
        return f->end == KITH_FAILED && f->code == 200 + (int)(run % 50) && strcmp(f->text, text) == 0;
    case CRASH: return f->end == KITH_SIGNALLED && f->signal == crash_signal(run);
    case LEAVE: return f->end == KITH_EXITED && f->code == (int)(run % 5);
    case HANG: return f->end == KITH_OVER_LIMIT;
    default: return 0;
    }
}

static int must_fail(const struct call *c, size_t unit)
{
    return c->deeds[unit] >= FAIL && c->deeds[unit] <= HANG;
}

/* Marks the units that have failed in c->deeds, as DEEDS; 1: the list of faults is what it must be. */
static void look_at_faults(struct call *c)
{
    struct kith_fault f;
    size_t count = 0, unit = 0;

    for (; kith_last_fault(&f, count) == 0; count++) {
        for (; unit < c->units && task_of(c, unit) < f.task; unit++)
            CHECK(!must_fail(c, unit), "%s: unit %zu of %zu (deed %d) has no fault", c->what, unit, c->units, c->deeds[unit]);
        if (unit == c->units || task_of(c, unit) != f.task) {
            wrong("%s: a fault of task %llu, which is none, or had one already", c->what, (unsigned long long)f.task);
            return;
        }
        CHECK(ends_so(c, unit, &f) || is_excused(c, unit, &f), "%s: unit %zu (deed %d, run %u) ended with %d code %d signal %d: %s",
              c->what, unit, c->deeds[unit], c->run + (uint32_t)unit, f.end, f.code, f.signal, f.text);
        c->deeds[unit++] = DEEDS;
    }
    for (; unit < c->units; unit++)
        CHECK(!must_fail(c, unit), "%s: unit %zu of %zu (deed %d) has no fault", c->what, unit, c->units, c->deeds[unit]);
    CHECK(count > 0, "%s: KITH_ETASK and no fault", c->what);
}

static int init_has_failed(const struct call *c)
{
    return c->rc == KITH_ETASK && c->options.has_init && disturbed() && strstr(kith_last_error(), "initializer");
}

/* 1: its results are there, but for the units that are DEEDS now. */
static int end_call(struct call *c)
{
    struct pool_life *life = life_of(c);
    int ending = atomic_load(&life->ending), terminated = atomic_load(&life->terminated);

    if (c->rc == KITH_ESTALE || c->rc == KITH_ECANCELLED) {
        CHECK(ending && (c->rc == KITH_ESTALE || terminated || somebody_died()), "%s: %d, though nobody ended the pool (%d %d)", c->what, c->rc,
              ending, terminated);
        return 0;
    }
    if (server_lost(c->rc) || init_has_failed(c) || (c->rc == KITH_ENOMEM && getenv("KITH_MEM")))
        return 0;
    if (c->rc == KITH_ETASK)
        look_at_faults(c);
    else if (c->rc != 0) {
        wrong("%s gives %d", c->what, c->rc);
        return 0;
    } else
        for (size_t i = 0; i < c->units; i++)
            CHECK(!must_fail(c, i), "%s: unit %zu (deed %d) did not fail", c->what, i, c->deeds[i]);
    return 1;
}

/* As often as need be, not more. Before end_call. */
static void count_runs(const struct call *c)
{
    int exact = !disturbed() && !atomic_load(&life_of(c)->terminated) && !may_be_over_limit(c);

    if (c->run >= RUNS || (c->rc != 0 && c->rc != KITH_ETASK))
        return;
    for (size_t i = 0; i < c->units; i++) {
        enum deed deed = (enum deed)c->deeds[i];
        int runs = atomic_load(&world->runs[c->run + i]), least = deed == CRASH || deed == LEAVE ? c->options.tries : 1;

        if (may_be_over_limit(c))
            least = 1;
        if (disturbed() && !(c->options.tries > FEW_TRIES && c->rc == 0))
            continue;
        CHECK(runs >= least, "%s: unit %zu (deed %d) of %zu was run %d times, not %d", c->what, i, deed, c->units, runs, least);
        if (deed == PERIL) {
            CHECK(!exact || runs <= c->options.tries, "%s: unit %zu of %zu was run %d times, not %d at most", c->what, i, c->units, runs,
                  c->options.tries);
            continue;
        }
        CHECK(!exact || runs == least, "%s: unit %zu (deed %d) of %zu was run %d times, not %d", c->what, i, deed, c->units, runs, least);
    }
}

/* ---- memory of a call */

enum memory { MALLOCED, KITHS };

static void *give(size_t size, enum memory kind)
{
    void *p;

    if (kind == MALLOCED)
        return malloc(size + 1);
    atomic_fetch_add(&world->blocks, 1);
    if (!(p = kith_alloc(size))) {
        CHECK(getenv("KITH_MEM") != NULL, "kith_alloc(%zu) gives none", size);
        atomic_fetch_sub(&world->blocks, 1);
    }
    return p;
}

static void take_back(void *p, enum memory kind)
{
    if (kind == MALLOCED)
        free(p);
    else if (p) {
        CHECK(kith_free(p) == 0, "an argument of a call cannot be freed");
        atomic_fetch_sub(&world->blocks, 1);
    }
}

static enum memory some_memory(struct dice *d) { return (enum memory)roll(d, 2); }

/* ---- the kinds of calls: numbers. A number holds the deed and its run. */

static int play_int(int x)
{
    return act((enum deed)(x >> 24), (uint32_t)x & 0xffffff, NULL) ? -1 : x ^ 0x5a5a;
}

static long play_long(long x, long y)
{
    return act((enum deed)(x >> 24), (uint32_t)x & 0xffffff, NULL) ? -1 : x * 3 + y;
}

static double play_double(double x)
{
    return act((enum deed)((long)x >> 24), (uint32_t)(long)x & 0xffffff, NULL) ? -1.0 : x / 2;
}

static long packed(const struct call *c, size_t i)
{
    return (long)c->deeds[i] << 24 | (long)(c->run < RUNS ? c->run + i : RUNS);
}

/* A worker that ends soon takes a millisecond for its few tasks. */
static uint64_t few_workers(const struct call *c, uint64_t n)
{
    return c->options.tasks_per_worker ? 1 + n % (uint64_t)(30 * c->options.tasks_per_worker) : n;
}

static size_t some_count(const struct call *c, struct dice *d)
{
    switch (roll(d, 6)) {
    case 0: return 1;
    case 1: return roll(d, 3);
    case 2: return few_workers(c, 1 + roll(d, 5000));
    default: return few_workers(c, 1 + roll(d, 60));
    }
}

#define NUMBERS(name, T, play, result, CALLS)                                                       \
    static void name(struct call *c, int below, struct dice *d)                                     \
    {                                                                                               \
        size_t n = below ? 1 + roll(d, 6) : some_count(c, d);                                          \
        enum memory in_kind = some_memory(d), out_kind = some_memory(d);                            \
        T *in = give(n * 2 * sizeof *in, in_kind), *out = give(n * sizeof *out, out_kind);          \
        kith_pool pool = { c->handle };                                                             \
                                                                                                    \
        begin_call(c, #name, n, 0, 0, 0, d);                                                        \
        for (size_t i = 0; in && out && i < n; i++)                                                 \
            memset(&out[i], 0xee, sizeof *out);                                                     \
        if (in && out) {                                                                            \
            CALLS                                                                                   \
            count_runs(c);                                                                          \
            if (end_call(c))                                                                        \
                for (size_t i = 0; i < n; i++) {                                                    \
                    T must, x = in[result - 1 == 1 ? 2 * i : i], y = in[2 * i + 1 < 2 * n ? 2 * i + 1 : 0];     \
                                                                                                    \
                    (void)y;                                                                        \
                    memset(&must, 0xee, sizeof must);                                               \
                    if (c->deeds[i] != DEEDS)                                                       \
                        must = play;                                                                \
                    CHECK((c->deeds[i] == DEEDS && out_kind == KITHS && disturbed()) || memcmp(&must, &out[i], sizeof must) == 0, "%s: result %zu of %zu (deed %d) is wrong", c->what, i, n,  \
                          c->deeds[i]);                                                             \
                }                                                                                   \
        }                                                                                           \
        take_back(in, in_kind);                                                                     \
        take_back(out, out_kind);                                                                   \
    }

NUMBERS(map_ints, int, x ^ 0x5a5a, 1, {
    for (size_t i = 0; i < n; i++)
        in[i] = (int)packed(c, i);
    c->rc = n == 1 && in_kind == MALLOCED ? kith_apply(pool, play_int, out, in[0]) : kith_map(pool, play_int, in, out, n);
})

NUMBERS(starmap_longs, long, x * 3 + y, 2, {
    for (size_t i = 0; i < n; i++) {
        in[2 * i] = packed(c, i);
        in[2 * i + 1] = (long)i * 7;
    }
    c->rc = kith_starmap(pool, play_long, (long (*)[2])in, out, n);
})

NUMBERS(map_doubles, double, x / 2, 1, {
    for (size_t i = 0; i < n; i++)
        in[i] = (double)packed(c, i);
    c->rc = kith_map(pool, play_double, in, out, n);
})

/* ---- bytes */

struct task { uint32_t deed, run, in_size, out_size; uint64_t mark; struct place at; };

static int play_bytes(const void *in, void *out)
{
    const struct task *t = in;
    const unsigned char *rest = (const unsigned char *)(t + 1);
    int rc;

    for (size_t i = sizeof *t; i < t->in_size; i += 997)
        CHECK(rest[i - sizeof *t] == (unsigned char)(t->mark + i), "byte %zu of %u of an argument is wrong", i, t->in_size);
    if ((rc = act((enum deed)t->deed, t->run, &t->at)) != 0)
        return rc;
    memset(out, (int)(t->mark & 127), t->out_size);
    return 0;
}

static void choose_queue(struct place *at, struct dice *d)
{
    at->queue = (int)roll(d, QUEUES);
    at->queue_life = atomic_load(&world->queues[at->queue].current);
}

static void map_bytes(struct call *c, int below, struct dice *d)
{
    static const size_t extras[] = { 0, 8, 100, 5000, 70000 };
    size_t extra = now.big && roll(d, 4) == 0 ? 1500000 : extras[roll(d, 5)], out_size = roll(d, 3) ? extras[roll(d, 5)] : now.big ? extra : 1;
    size_t in_size = (sizeof (struct task) + extra + 7) & ~(size_t)7, n = 1 + roll(d, extra + out_size > 10000 ? 12 : 150);
    enum memory in_kind = some_memory(d), out_kind = some_memory(d);
    char *in, *out;
    struct place at = { c->pool, c->life, 0, 0 };

    if (below)
        n = 1 + n % 5;
    in = give(n * in_size, in_kind);
    out = give(n * out_size, out_kind);
    choose_queue(&at, d);
    begin_call(c, "map_bytes", n, 0, 1, 1, d);
    if (in && out) {
        memset(out, 0xee, n * out_size);
        for (size_t i = 0; i < n; i++) {
            struct task *t = (struct task *)(void *)(in + i * in_size);

            *t = (struct task){ c->deeds[i], c->run < RUNS ? c->run + (uint32_t)i : RUNS, (uint32_t)in_size, (uint32_t)out_size, i + c->run, at };
            for (size_t k = sizeof *t; k < in_size; k++)
                in[i * in_size + k] = (char)(t->mark + k);
        }
        c->rc = kith__pool_map((kith_pool){ c->handle }, "play_bytes", play_bytes, in, in_size, out, out_size, n);
        count_runs(c);
        if (end_call(c))
            for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < out_size; k += out_size > 100 ? 97 : 1) {
                    unsigned char must = c->deeds[i] == DEEDS ? 0xee : (unsigned char)((i + c->run) & 127);

                    if (c->deeds[i] == DEEDS && out_kind == KITHS && disturbed())
                        break;          /* it may have been killed when it had written there */
                    if ((unsigned char)out[i * out_size + k] != must) {
                        wrong("%s: byte %zu of %zu of result %zu of %zu (deed %d) is %d, not %d", c->what, k, out_size, i, n, c->deeds[i],
                              out[i * out_size + k], must);
                        break;
                    }
                }
    }
    take_back(in, in_kind);
    take_back(out, out_kind);
}

/* ---- ranges */

struct range { uint64_t n, blocks; uint32_t run; struct place at; struct { uint64_t lo; uint32_t deed; } special[64]; int specials; };

static uint64_t block_of(const struct range *r, uint64_t lo)
{
    uint64_t first = 0, behind = r->blocks, at, hi;

    while (behind - first > 1) {
        uint64_t b = (first + behind) / 2;

        kith__block_range(r->n, r->blocks, b, &at, &hi);
        *(at <= lo ? &first : &behind) = b;
    }
    return first;
}

static int play_block(const struct range *r, uint64_t lo)
{
    uint64_t b = block_of(r, lo);
    enum deed deed = WELL;

    for (int i = 0; i < r->specials; i++)
        if (r->special[i].lo == lo)
            deed = (enum deed)r->special[i].deed;
    return act(deed, r->run < RUNS ? r->run + (uint32_t)b : RUNS, &r->at);
}

static int play_for(uint64_t lo, uint64_t hi, const void *arg)
{
    CHECK(lo < hi && kith_arg_size() == sizeof (struct range), "a block from %llu to %llu", (unsigned long long)lo, (unsigned long long)hi);
    return play_block(arg, lo);
}

static double sum_of(uint64_t lo, uint64_t hi)
{
    double sum = 0;

    for (uint64_t i = lo; i < hi; i++)
        sum += (double)(i % 1000) / 7;
    return sum;
}

static double play_sum(uint64_t lo, uint64_t hi, const void *arg)
{
    play_block(arg, lo);
    return sum_of(lo, hi);
}

struct total { uint64_t next, sum; };

static int play_reduce(uint64_t lo, uint64_t hi, const void *arg, void *part)
{
    struct total *t = part;
    int rc = play_block(arg, lo);

    t->next = lo;
    t->sum = (lo + hi - 1) * (hi - lo) / 2;
    return rc;
}

static void fold(void *total, const void *part)
{
    struct total *t = total;
    const struct total *p = part;

    CHECK(p->next >= t->next, "parts are folded in another order");
    t->next = p->next + 1;
    t->sum += p->sum;
}

static void range_call(struct call *c, int below, struct dice *d)
{
    static const char *const names[] = { "for", "sum", "reduce" };
    int kind = (int)roll(d, 3);
    uint64_t n = below ? 1 + roll(d, 20) : roll(d, 8) ? some_count(c, d) : few_workers(c, 65536 + roll(d, 200000));
    struct range r = { .n = n, .blocks = n ? kith__block_count(n) : 0, .at = { c->pool, c->life, 0, 0 } };
    kith_pool pool = { c->handle };
    struct total total = { 0, 0 };
    double sum = -1, must = 0;

    choose_queue(&r.at, d);
    begin_call(c, names[kind], r.blocks, n, 1, kind != 1, d);
    r.run = c->run;
    for (size_t b = 0; b < c->units; b++)
        if (c->deeds[b] != WELL && r.specials < 64) {
            r.special[r.specials].lo = task_of(c, b);
            r.special[r.specials++].deed = c->deeds[b];
        } else
            c->deeds[b] = WELL;
    c->rc = kind == 0 ? kith_pool_for(pool, play_for, KITH_ARG(r), n)
          : kind == 1 ? kith_sum(pool, play_sum, KITH_ARG(r), n, &sum)
                      : kith_reduce(pool, play_reduce, KITH_ARG(r), n, fold, &total);
    count_runs(c);
    if (end_call(c) && c->rc == 0 && kind == 1) {
        for (uint64_t b = 0; b < r.blocks; b++) {
            uint64_t lo, hi;

            kith__block_range(n, r.blocks, b, &lo, &hi);
            must += sum_of(lo, hi);
        }
        CHECK(memcmp(&sum, &must, sizeof sum) == 0, "a sum over %llu is %.17g, not %.17g", (unsigned long long)n, sum, must);
    }
    if (c->rc != 0)
        CHECK(sum == -1 && total.sum == 0 && total.next == 0, "%s: a total of a call that failed is changed", c->what);
    else if (kind == 2)
        CHECK(n == 0 ? total.sum == 0 : total.sum == n * (n - 1) / 2, "a total over %llu is %llu", (unsigned long long)n,
              (unsigned long long)total.sum);
}

/* ---- tasks without bytes */

static _Thread_local int my_actor;

#define ZERO(k) static int play_zero_##k(const void *in, void *out) { (void)in; (void)out; atomic_fetch_add(&world->zeros[k], 1); return 0; }
ZERO(0) ZERO(1) ZERO(2) ZERO(3) ZERO(4) ZERO(5) ZERO(6)
static int (*const play_zero[])(const void *in, void *out) = {
    play_zero_0, play_zero_1, play_zero_2, play_zero_3, play_zero_4, play_zero_5, play_zero_6
};
_Static_assert(sizeof play_zero / sizeof play_zero[0] == THREADS + PROCESSES, "one for each actor");

static void map_nothing(struct call *c, struct dice *d)
{
    size_t n = some_count(c, d);
    uint32_t before = atomic_load(&world->zeros[my_actor]), runs;

    begin_call(c, "map_nothing", 0, 0, 0, 0, d);
    c->rc = kith__pool_map((kith_pool){ c->handle }, "play_zero", play_zero[my_actor], NULL, 0, NULL, 0, n);
    runs = atomic_load(&world->zeros[my_actor]) - before;
    if (end_call(c) && !disturbed())
        CHECK(runs == n, "of %zu tasks without bytes %u were run", n, runs);
}

/* ---- choosing a pool */

static int choose_pool(struct call *c, int pool, int life)
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

static int any_call(struct call *c, int kind, int below, struct dice *d)
{
    int rc;

    switch (kind) {
    case 0: map_ints(c, below, d); break;
    case 1: starmap_longs(c, below, d); break;
    case 2: map_doubles(c, below, d); break;
    case 3: map_bytes(c, below, d); break;
    default: range_call(c, below, d);
    }
    rc = c->rc;
    free(c->deeds);
    return rc;
}

/* A task's own call, into its own pool or another one. 0 when all came out as it must, also with faults. */
static int make_call_below(int pool, int life, int no_deaths, struct dice *d)
{
    struct call c;
    int rc;

    if (!choose_pool(&c, pool, life))
        return 0;
    c.options.no_deaths = no_deaths;    /* those would end its own worker */
    rc = any_call(&c, (int)roll(d, 3), 1, d);
    return rc == KITH_ETASK ? 0 : rc;
}

/* ---- queues */

struct item { uint32_t putter, number, size; };

static size_t item_size(uint32_t putter, uint32_t number)
{
    uint64_t x = mixed((uint64_t)putter << 20 | number);

    return sizeof (struct item) + (x % 40 == 0 ? x / 64 % 100000 : x % 7 == 0 ? x / 64 % 9000 : x / 64 % 60);
}

/* Puts up to n items one after the other, under a putter's number of their own. */
static void put_some(int q, int life, int n, int timeout_ms, struct dice *d)
{
    struct queue_life *l = &world->queues[q].lives[life];
    uint32_t putter = atomic_fetch_add(&world->next_putter, 1);
    char *bytes;

    (void)d;
    if (putter >= PUTTERS || !atomic_load(&l->opened))
        return;
    bytes = malloc(120000);
    atomic_store(&world->putters[putter].queue, (uint32_t)(q * GENERATIONS + life));
    for (uint32_t k = 0; k < (uint32_t)n && k < ITEMS; k++) {
        struct item i = { putter, k, (uint32_t)item_size(putter, k) };
        int rc;

        memset(bytes, (int)(i.size & 255), i.size);
        memcpy(bytes, &i, sizeof i);
        rc = kith_queue_put((kith_queue){ atomic_load(&l->handle) }, bytes, i.size, timeout_ms);
        if (rc == KITH_ETIMEDOUT || server_lost(rc) || (rc == KITH_ENOMEM && getenv("KITH_MEM")))
            break;
        if (rc == KITH_ESTALE) {
            CHECK(atomic_load(&l->ending), "put: a Queue is stale that nobody closed");
            break;
        }
        CHECK(rc == 0, "put gives %d", rc);
        atomic_store(&world->putters[putter].put, k + 1);
    }
    free(bytes);
}

/* Takes up to n items. A new map of what it has seen in each call: within it, order is by putter. How many it got. */
static int take_some(int q, int life, int n, int timeout_ms)
{
    struct queue_life *l = &world->queues[q].lives[life];
    int8_t *seen;
    char *bytes;
    int got = 0;

    if (!atomic_load(&l->opened))
        return 0;
    bytes = malloc(120000);
    seen = calloc(PUTTERS, 1);
    for (; got < n; got++) {
        struct item i;
        int64_t size;

        atomic_fetch_add(&world->takers, 1);
        size = kith_queue_get((kith_queue){ atomic_load(&l->handle) }, bytes, got % 5 ? 120000 : 5000, timeout_ms);
        if (size == KITH_ETOOBIG)
            size = kith_queue_get((kith_queue){ atomic_load(&l->handle) }, bytes, 120000, timeout_ms);
        if (size < 0) {
            atomic_fetch_sub(&world->takers, 1);
            CHECK(size == KITH_ETIMEDOUT || server_lost((int)size) || (size == KITH_ESTALE && atomic_load(&l->ending)) ||
                  (size == KITH_ENOMEM && getenv("KITH_MEM")), "get gives %d", (int)size);
            break;
        }
        memcpy(&i, bytes, sizeof i);
        if (size < (int64_t)sizeof i || i.putter >= PUTTERS || i.number >= ITEMS || (int64_t)i.size != size ||
            i.size != item_size(i.putter, i.number) || atomic_load(&world->putters[i.putter].queue) != (uint32_t)(q * GENERATIONS + life)) {
            wrong("an item of %lld bytes that nobody put", (long long)size);
            break;
        }
        for (size_t k = sizeof i; k < i.size; k++)
            if (bytes[k] != (char)i.size) {
                wrong("byte %zu of %u of an item is wrong", k, i.size);
                break;
            }
        CHECK(atomic_fetch_add(&world->putters[i.putter].taken[i.number], 1) == 0, "item %u of putter %u came twice", i.number, i.putter);
        CHECK(seen[i.putter] <= (int)i.number || (now.net && somebody_died()), "item %u of putter %u came after %d", i.number, i.putter,
              seen[i.putter] - 1);
        seen[i.putter] = (int8_t)(i.number + 1);
        atomic_fetch_sub(&world->takers, 1);
    }
    free(seen);
    free(bytes);
    return got;
}

/* ---- Processes that do little */

static int leaf(const void *arg)
{
    const struct leaf *l = arg;
    struct dice d = dice_of(l->seed, 1, 2);

    CHECK(kith_arg_size() == sizeof *l, "a Process has an argument of %zu bytes", kith_arg_size());
    for (size_t i = 0; i < sizeof l->filler; i++)
        CHECK(l->filler[i] == 5, "byte %zu of the argument of a Process is wrong", i);
    CHECK(kith_worker() == -1, "a Process is worker %d", kith_worker());
    switch ((enum leaf_deed)l->deed) {
    case LEAF_SEVEN: exit(7);
    case LEAF_FAILS: return 9;
    case LEAF_CRASHES: raise(SIGKILL); break;
    case LEAF_PUTS: put_some(l->queue, l->life, 8, (int)roll(&d, 20), &d); break;
    case LEAF_TAKES: take_some(l->queue, l->life, 8, (int)roll(&d, 20)); break;
    case LEAF_WAITS:
        for (;;)
            pause();
    case LEAF_STARTS: spawn_and_join(&d); break;
    default: break;
    }
    return 0;
}

static void start_leaves(struct dice *d)
{
    enum { MOST = 4 };
    kith_process p[MOST];
    struct leaf l[MOST];
    int n = now.alone ? 0 : 1 + (int)roll(d, MOST), code, rc;

    for (int i = 0; i < n; i++) {
        memset(&l[i], 5, sizeof l[i]);
        l[i].deed = (int)roll(d, LEAF_DEEDS);
        l[i].queue = (int)roll(d, QUEUES);
        l[i].life = atomic_load(&world->queues[l[i].queue].current);
        l[i].seed = roll(d, UINT64_MAX);
        atomic_fetch_add(&world->open, 1);
        p[i] = kith_process_start_with(leaf, KITH_ARG(l[i]), .daemon = l[i].deed == LEAF_WAITS || roll(d, 2), .name = roll(d, 2) ? "leaf" : NULL);
        CHECK(kith_check(p[i]) == 0 || server_lost(kith_check(p[i])) || (kith_check(p[i]) == KITH_ENOMEM && getenv("KITH_MEM")),
              "a Process cannot be started: %d", kith_check(p[i]));
    }
    for (int i = 0; i < n; i++) {
        int early = roll(d, 4) == 0, must = leaf_code((enum leaf_deed)l[i].deed), kill_it = roll(d, 2) == 0;

        if (kith_check(p[i]) < 0)
            continue;
        if (roll(d, 3) == 0) {
            rc = kith_process_join(p[i], (int)roll(d, 3));
            CHECK(rc == 0 || rc == KITH_ETIMEDOUT || server_lost(rc), "join gives %d", rc);
        }
        if (l[i].deed == LEAF_WAITS || early) {
            atomic_store(&world->deaths, 1);
            rc = kill_it ? kith_process_kill(p[i]) : kith_process_terminate(p[i]);
            CHECK(rc == 0 || server_lost(rc), "%s gives %d", kill_it ? "kill" : "terminate", rc);
            if (l[i].deed == LEAF_WAITS && kill_it)
                must = -SIGKILL;
        }
        rc = kith_process_join(p[i], KITH_FOREVER);
        CHECK(rc == 0 || server_lost(rc), "join gives %d", rc);
        if (rc == 0) {
            rc = kith_process_alive(p[i]);
            CHECK(rc == 0 || server_lost(rc), "a Process that was joined is alive");
            rc = kith_process_exitcode(p[i], &code);
            CHECK(rc == 0 || server_lost(rc), "exitcode gives %d", rc);
            CHECK(rc < 0 || code_is_right(code, must) || (early && (code == -SIGKILL || code == -SIGTERM)), "a leaf (deed %d) ended with %d, not %d",
                  l[i].deed, code, must);
        }
        rc = kith_process_close(p[i]);
        CHECK(rc == 0 || server_lost(rc), "close of a Process gives %d", rc);
        atomic_fetch_sub(&world->open, 1);
        rc = kith_process_join(p[i], 0);
        CHECK(rc == KITH_ESTALE || server_lost(rc), "join of one that was closed gives %d", rc);
    }
}

/* ---- opening and ending */

static int initialize(const void *arg)
{
    const uint64_t *x = arg;

    CHECK(kith_arg_size() == 2 * sizeof *x && x[0] == 17 && x[1] == 18, "an initializer has another argument");
    return 0;
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

static kith_pool some_pool(struct pool_options_seen *seen, struct dice *d)
{
    static const uint64_t arg[2] = { 17, 18 };
    static const size_t chunks[] = { 0, 0, 0, 1, 7, 1000 };
    static const int tries[] = { 0, 0, 1, 3, 1000000 };
    int workers = roll(d, 8) ? 1 + (int)roll(d, 4) : (int)roll(d, 40);
    struct kith_pool_options o = {
        .tasks_per_worker = roll(d, 4) ? 0 : 1 + (int)roll(d, 20), .limit_ms = roll(d, 4) ? 0 : LIMIT_MS,
        .tries = tries[roll(d, 5)], .unpinned = (int)roll(d, 2), .chunk = chunks[roll(d, 6)],
    };

    if (roll(d, 3) == 0) {
        o.init = initialize;
        o.arg = arg;
        o.arg_size = sizeof arg;
    }
    *seen = (struct pool_options_seen){ 0, workers, o.tries ? o.tries : 2, o.limit_ms, o.tasks_per_worker, o.init != NULL };
    return kith__pool_open(workers, &o, sizeof o);
}

static void open_pool(int pool, struct dice *d)
{
    int life = atomic_load(&world->pools[pool].current);
    struct pool_life *l = &world->pools[pool].lives[life];
    kith_pool p;
    int rc;

    if (atomic_load(&l->opened)) {
        if (!atomic_load(&l->ended) || life + 1 == GENERATIONS)
            return;
        l = &world->pools[pool].lives[++life];
    }
    if (atomic_exchange(&l->being_opened, 1))
        return;
    atomic_fetch_add(&world->open, 1);  /* until the others know of it */
    p = some_pool(&l->options, d);
    rc = kith_check(p);
    CHECK(rc == 0 || server_lost(rc) || (rc == KITH_ETASK && disturbed() && l->options.has_init) || (rc == KITH_ENOMEM && getenv("KITH_MEM")),
          "a pool cannot be opened: %d", rc);
    if (rc < 0) {
        atomic_fetch_sub(&world->open, 1);
        return;
    }
    atomic_store(&l->handle, p.id);
    atomic_store(&l->opened, 1);
    atomic_store(&world->pools[pool].current, life);
    atomic_fetch_sub(&world->open, 1);
}

static void end_pool(int pool, int terminate)
{
    int life = atomic_load(&world->pools[pool].current), rc;
    struct pool_life *l = &world->pools[pool].lives[life];

    if (!atomic_load(&l->opened))
        return;
    if (terminate)
        atomic_store(&l->terminated, 1);
    atomic_store(&l->ending, 1);
    rc = terminate ? kith_pool_terminate((kith_pool){ atomic_load(&l->handle) }) : kith_pool_close((kith_pool){ atomic_load(&l->handle) });
    CHECK(rc == 0 || rc == KITH_ESTALE || server_lost(rc), "%s of a pool gives %d", terminate ? "terminate" : "close", rc);
    atomic_store(&l->ended, 1);
}

static void open_queue(int q, struct dice *d)
{
    static const size_t bounds[] = { 0, 0, 1, 2, 5, 100 };
    int life = atomic_load(&world->queues[q].current), rc;
    struct queue_life *l = &world->queues[q].lives[life];
    size_t bound = bounds[roll(d, 6)];
    kith_queue queue;

    if (atomic_load(&l->opened)) {
        if (!atomic_load(&l->ended) || life + 1 == GENERATIONS)
            return;
        l = &world->queues[q].lives[++life];
    }
    if (atomic_exchange(&l->being_opened, 1))
        return;
    atomic_fetch_add(&world->open, 1);  /* until the others know of it */
    queue = kith_queue_open(bound);
    rc = kith_check(queue);
    CHECK(rc == 0 || server_lost(rc) || (rc == KITH_ENOMEM && getenv("KITH_MEM")), "a Queue cannot be opened: %d", rc);
    if (rc < 0) {
        atomic_fetch_sub(&world->open, 1);
        return;
    }
    atomic_store(&l->handle, queue.id);
    atomic_store(&l->opened, 1);
    atomic_store(&world->queues[q].current, life);
    atomic_fetch_sub(&world->open, 1);
}

static void end_queue(int q)
{
    int life = atomic_load(&world->queues[q].current), rc;
    struct queue_life *l = &world->queues[q].lives[life];

    if (!atomic_load(&l->opened))
        return;
    atomic_store(&l->ending, 1);
    rc = kith_queue_close((kith_queue){ atomic_load(&l->handle) });
    CHECK(rc == 0 || rc == KITH_ESTALE || server_lost(rc), "close of a Queue gives %d", rc);
    atomic_store(&l->ended, 1);
}

/* A pool that only this actor knows. */
static void own_pool(struct dice *d)
{
    static const uint64_t arg[2] = { 17, 18 };
    int kind = (int)roll(d, 6), rc;
    struct pool_options_seen seen;
    kith_pool p;

    if (kind == 0 || (kind == 1 && !now.serial)) {
        atomic_fetch_add(&world->open, 1);
        p = kith_pool_open_with(1 + (int)roll(d, 4), .init = kind ? initialize_and_die : initialize_badly, .arg = arg, .arg_size = sizeof arg);
        rc = kith_check(p);
        if (now.serial)
            return;
        atomic_fetch_sub(&world->open, 1);
        CHECK(rc == KITH_ETASK || server_lost(rc), "a pool with a bad initializer gives %d", rc);
        CHECK(kith_pool_close(p) == rc, "close of a failed pool gives something else than %d", rc);
        return;
    }
    atomic_fetch_add(&world->open, 1);
    p = some_pool(&seen, d);
    rc = kith_check(p);
    CHECK(rc == 0 || server_lost(rc) || (rc == KITH_ETASK && disturbed() && seen.has_init) || (rc == KITH_ENOMEM && getenv("KITH_MEM")),
          "a pool cannot be opened: %d", rc);
    if (rc < 0)
        return;
    if (kind > 3) {
        int x = 5, y = 0;

        rc = kith_apply(p, play_int, &y, x << 3 | (int)RUNS);
        CHECK(rc == 0 ? y == ((x << 3 | (int)RUNS) ^ 0x5a5a) : server_lost(rc) || disturbed() || rc == KITH_ETASK, "apply gives %d and %d", rc, y);
    }
    rc = kind % 2 ? kith_pool_terminate(p) : kith_pool_close(p);
    CHECK(rc == 0 || server_lost(rc), "the end of a pool of its own gives %d", rc);
    atomic_fetch_sub(&world->open, 1);
    rc = kith_pool_terminate(p);
    CHECK(rc == KITH_ESTALE || server_lost(rc), "terminate of a pool that has ended gives %d", rc);
}

/* One puts for ever, one takes for ever. */
static void relay(struct dice *d)
{
    int rc, n = 1 + (int)roll(d, 20), rest = 1;
    kith_queue q;

    atomic_fetch_add(&world->open, 1);
    q = kith_queue_open(roll(d, 3));
    if ((rc = kith_check(q)) < 0) {
        CHECK(server_lost(rc) || (rc == KITH_ENOMEM && getenv("KITH_MEM")), "a Queue cannot be opened: %d", rc);
        return;
    }
    for (int i = 0; i < n && rest; i++) {
        int64_t got;
        int out = i, in = -1;

        rc = kith_queue_put(q, &out, sizeof out * (i % 3 != 0), KITH_FOREVER);
        got = rc < 0 ? rc : kith_queue_get(q, &in, sizeof in, KITH_FOREVER);
        if (server_lost(rc) || server_lost((int)got) || ((rc == KITH_ENOMEM || got == KITH_ENOMEM) && getenv("KITH_MEM")))
            rest = 0;
        else
            CHECK(rc == 0 && got == (int64_t)(sizeof out * (i % 3 != 0)) && in == (i % 3 ? i : -1), "a relay: %d, %d", rc, (int)got);
    }
    rc = kith_queue_empty(q);
    CHECK(rc == 1 || !rest || server_lost(rc), "an empty Queue is not empty: %d", rc);
    rc = kith_queue_close(q);
    CHECK(rc == 0 || server_lost(rc), "close of a Queue gives %d", rc);
    atomic_fetch_sub(&world->open, 1);
    rc = kith_put(q, n);
    CHECK(rc == KITH_ESTALE || server_lost(rc), "put into a closed Queue gives %d", rc);
}

/* Whoever opens it by name has the same one. */
static void open_by_name(struct dice *d)
{
    int which = (int)roll(d, 2), rc;
    kith_queue q = kith_queue_named(which ? "one" : "other", 7);
    uint64_t none = 0;

    rc = kith_check(q);
    CHECK(rc == 0 || server_lost(rc) || (rc == KITH_ENOMEM && getenv("KITH_MEM")), "a Queue cannot be opened by name: %d", rc);
    if (rc < 0)
        return;
    CHECK(atomic_compare_exchange_strong(&world->named[which], &none, q.id) || none == q.id, "two Queues have one name");
    rc = kith_check(kith_queue_named(which ? "one" : "other", 8));
    CHECK(rc == KITH_EINVAL || server_lost(rc), "a Queue with another bound gives %d", rc);
}

static void use_what_is_gone(struct dice *d)
{
    int pool = (int)roll(d, POOLS), life = atomic_load(&world->pools[pool].current), x = 1, y = 2, rc;

    for (int i = 0; i <= life; i++) {
        struct pool_life *l = &world->pools[pool].lives[i];
        kith_pool p = { atomic_load(&l->handle) };
        kith_queue q = { p.id };

        if (!atomic_load(&l->opened))
            continue;
        rc = kith_put(q, x);
        CHECK(rc == KITH_ETYPE || rc == KITH_ESTALE || server_lost(rc), "put into a pool gives %d", rc);
        if (!atomic_load(&l->ended))
            continue;
        rc = kith_map(p, play_int, &x, &y, 1);
        CHECK(rc == KITH_ESTALE || server_lost(rc), "a map in a pool that was closed gives %d", rc);
        rc = kith_pool_workers(p);
        CHECK(rc == KITH_ESTALE || server_lost(rc), "workers of a pool that was closed: %d", rc);
    }
    rc = kith_pool_close((kith_pool){ roll(d, UINT64_MAX) });
    CHECK(rc < 0, "a handle from nowhere can be closed");
    rc = (int)kith_queue_get((kith_queue){ 0 }, &x, sizeof x, 0);
    CHECK(rc == KITH_ESTALE, "get from no Queue gives %d", rc);
}

/* ---- actors */

static void step(int actor, int number)
{
    struct dice d = dice_of(now.seed, (uint64_t)actor + 100, (uint64_t)number);
    int what = (int)roll(&d, 20), pool = (int)roll(&d, POOLS), q = (int)roll(&d, QUEUES);
    int life = atomic_load(&world->queues[q].current);
    struct call c;

    atomic_store(&world->doing[actor], (uint32_t)number << 8 | (uint32_t)what);
    open_pool((int)roll(&d, POOLS), &d);
    open_queue((int)roll(&d, QUEUES), &d);
    switch (what) {
    case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7:
        if (choose_pool(&c, pool, -1))
            any_call(&c, what == 7 ? 3 : what == 6 ? 4 : what % 5, 0, &d);
        break;
    case 8:
        if (choose_pool(&c, pool, -1)) {
            map_nothing(&c, &d);
            free(c.deeds);
        }
        break;
    case 9: case 10: put_some(q, life, (int)roll(&d, ITEMS), roll(&d, 10) ? (int)roll(&d, 10) : 200, &d); break;
    case 11: case 12: take_some(q, life, (int)roll(&d, ITEMS), roll(&d, 10) ? (int)roll(&d, 10) : 200); break;
    case 13:
        if (roll(&d, 2))
            relay(&d);
        else
            open_by_name(&d);
        break;
    case 14: case 15: start_leaves(&d); break;
    case 16: churn(&d); break;
    case 17:
        if (roll(&d, 3))
            end_pool(pool, (int)roll(&d, 2));
        else
            end_queue(q);
        break;
    case 18: own_pool(&d); break;
    case 19: use_what_is_gone(&d); break;
    }
    atomic_fetch_add(&world->steps_done, 1);
}

static void play(int actor)
{
    my_actor = actor;
    for (int i = 0; i < now.steps && !atomic_load(&world->wrong); i++)
        step(actor, i);
    atomic_store(&world->doing[actor], 0xffff);
}

static void *play_thread(void *arg)
{
    play((int)(intptr_t)arg);
    return NULL;
}

static int play_process(const void *arg)
{
    play(*(const int *)arg);
    return 0;
}

/* ---- the end of a history */

static int count_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static int maps_arena(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    int found = 0;

    while (fgets(line, sizeof line, f))
        found |= strstr(line, "memfd:kith") != NULL;
    fclose(f);
    return found;
}

static int tidy_soon(int (*is_tidy)(void))
{
    for (int i = 0; i < 5000; i++) {
        if (is_tidy())
            return 1;
        nap_us(1000);
    }
    return 0;
}

static uint64_t blocks_before;

static uint64_t used_blocks(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_blocks;
}

/* Through the agent each seat has a desk, which stays. */
static int blocks_are_free(void)
{
    return used_blocks() <= blocks_before + (uint64_t)atomic_load(&world->blocks) + (now.net ? atomic_load(&kith__shared->seats_used) : 0);
}

static int count_objects;

static void count_object(struct kith__object *o, void *context)
{
    (void)o;
    (void)context;
    count_objects++;
}

static int objects_are_free(void)
{
    count_objects = 0;
    kith__objects_each(KITH__QUEUE_KIND, count_object, NULL);
    kith__objects_each(KITH__POOL_KIND, count_object, NULL);
    kith__objects_each(KITH__PROCESS_KIND, count_object, NULL);
    return count_objects == 0;
}

static int members_are_free(void)
{
    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        if (atomic_load(&kith__member(i)->state) != KITH__FREE && atomic_load(&kith__member(i)->role) != KITH__AGENT)
            return 0;
    return 1;
}

static int seats_are_free(void)
{
    for (uint32_t i = 0; i < atomic_load(&kith__shared->seats_used); i++) {
        uint32_t member = atomic_load(&kith__shared->seats[i].member);

        if (member != 0 && member != kith__me && atomic_load(&kith__member(member)->role) != KITH__AGENT &&
            atomic_load(&kith__member(member)->role) != KITH__SERVER)
            return 0;
    }
    return 1;
}

/* What was put is with somebody, but for what died in the hands of takers. */
static void count_items(void)
{
    int missing = 0;

    for (uint32_t p = 0; p < atomic_load(&world->next_putter) && p < PUTTERS; p++) {
        uint32_t q = atomic_load(&world->putters[p].queue), put = atomic_load(&world->putters[p].put);

        if (atomic_load(&world->queues[q / GENERATIONS].lives[q % GENERATIONS].ending))
            continue;
        for (uint32_t k = 0; k < put; k++)
            missing += atomic_load(&world->putters[p].taken[k]) == 0;
    }
    CHECK(missing <= atomic_load(&world->takers), "%d items were put and are gone; %d takers died", missing, atomic_load(&world->takers));
}

static void tidy_up(void)
{
    for (int q = 0; q < QUEUES; q++)
        take_some(q, atomic_load(&world->queues[q].current), 1 << 30, 0);
    if (now.trouble != NO_SERVER)
        count_items();
    for (int q = 0; q < QUEUES; q++)
        end_queue(q);
    for (int i = 0; i < 2; i++)
        if (atomic_load(&world->named[i]))
            kith_queue_close((kith_queue){ atomic_load(&world->named[i]) });
    for (int p = 0; p < POOLS; p++)
        end_pool(p, p % 2);
    CHECK(kith__heap_audit() == 0, "the heap is not sound");
    if (now.trouble == NO_SERVER || atomic_load(&world->open))
        return;
    CHECK(tidy_soon(members_are_free), "processes are left");
    CHECK(tidy_soon(seats_are_free), "seats are left");
    CHECK(tidy_soon(objects_are_free), "%d objects are left", count_objects);
    CHECK(tidy_soon(blocks_are_free), "%d blocks are left, and %d of kith_alloc", (int)(used_blocks() - blocks_before),
          (int)atomic_load(&world->blocks));
}

static void await_killer(void)
{
    atomic_store(&world->over, 1);
    while (!atomic_load(&world->killer_rests))
        nap_us(200);
}

/* Joins the Processes among the actors, or ends some. */
static void end_processes(kith_process *p, struct dice *d)
{
    for (int i = 0; i < now.processes; i++) {
        int doom = roll(d, 5) == 0, code, rc;

        if (kith_check(p[i]) < 0)
            continue;
        if (doom) {
            atomic_store(&world->deaths, 1);
            rc = roll(d, 2) ? kith_process_kill(p[i]) : kith_process_terminate(p[i]);
            CHECK(rc == 0 || server_lost(rc), "an actor cannot be ended: %d", rc);
        }
        rc = kith_process_join(p[i], KITH_FOREVER);
        CHECK(rc == 0 || server_lost(rc), "join of an actor gives %d", rc);
        if (rc == 0 && kith_process_exitcode(p[i], &code) == 0)
            CHECK(code_is_right(code, 0) || (doom && (code == -SIGKILL || code == -SIGTERM)), "an actor ended with %d", code);
        CHECK((rc = kith_process_close(p[i])) == 0 || server_lost(rc), "an actor cannot be closed: %d", rc);
    }
}

static void history(void)
{
    struct dice d = dice_of(now.seed, 7, 7);
    int files = count_files(), rc;
    pthread_t threads[THREADS];
    kith_process processes[PROCESSES];

    CHECK((rc = kith_init(NULL, NULL)) == 0, "kith_init gives %d", rc);
    if (rc < 0)
        _exit(3);
    kith_on_fault(NULL);
    kith__seat();
    blocks_before = used_blocks();
    atomic_store(&world->reaper, kith__shared->reaper_pid);
    atomic_store(&world->agent, kith__shared->agent_pid);
    atomic_store(&world->server, kith__shared->server_pid);
    for (int i = 0; i < POOLS; i++)
        open_pool(i, &d);
    for (int i = 0; i < QUEUES; i++)
        open_queue(i, &d);
    atomic_store(&world->up, 1);
    for (int i = 0; i < now.processes; i++) {
        int actor = THREADS + i;

        processes[i] = kith_process_start(play_process, KITH_ARG(actor));
        CHECK(kith_check(processes[i]) == 0 || server_lost(kith_check(processes[i])), "an actor cannot be started");
    }
    for (int i = 1; i < now.threads; i++)
        if (pthread_create(&threads[i], NULL, play_thread, (void *)(intptr_t)i) != 0)
            abort();
    play(0);
    if (now.ending == LEAVE_BY_EXIT) {
        atomic_store(&world->over, 2);
        atomic_store(&world->at_finalize, 1);
        for (int i = 1; i < now.threads; i++)
            pthread_detach(threads[i]);
        exit(LEFT_EARLY);
    }
    for (int i = 1; i < now.threads; i++)
        pthread_join(threads[i], NULL);
    end_processes(processes, &d);
    if (now.ending == TIDY) {
        await_killer();
        tidy_up();
    }
    atomic_store(&world->at_finalize, 1);
    rc = kith_finalize();
    CHECK(rc == 0, "kith_finalize gives %d", rc);
    CHECK(count_files() == files, "%d files are open that were not", count_files() - files);
    CHECK(!maps_arena(), "shared memory is left");
    CHECK(!kith_alloc(1) && kith_check(kith_queue_open(0)) == KITH_ENOTINIT, "there is life after the end");
    if (now.ending != TIDY)
        await_killer();
    fflush(NULL);
    _exit(0);
}

/* ---- outside of it */

/* One moment of trouble. */
static void trouble(struct dice *d)
{
    pid_t list[64], victim;
    int server = atomic_load(&world->server), n;

    nap_us((long)roll(d, 4000));
    if (now.trouble == NO_SERVER) {
        if (roll(d, 20) == 0 && atomic_fetch_add(&world->kills, 1) == 0)
            kill(server, SIGKILL);
        return;
    }
    if (roll(d, 40) == 0) {
        int who = roll(d, 3) ? server : atomic_load(&world->reaper);

        kill(who, SIGSTOP);
        nap_us((long)roll(d, 30000));
        kill(who, SIGCONT);
        return;
    }
    if (SANITIZED && atomic_load(&world->at_finalize))      /* the helper of who looks for leaks must live */
        return;
    n = atomic_load(&world->kills) < MOST_KILLS ? children_of(server, list, 64) : 0;
    if (n == 0 || (victim = list[roll(d, (uint64_t)n)]) == atomic_load(&world->agent))
        return;
    if (roll(d, 4) == 0) {
        kill(victim, SIGSTOP);
        nap_us((long)roll(d, 10000));
        kill(victim, SIGCONT);
    } else if (kill(victim, SIGKILL) == 0)
        atomic_fetch_add(&world->kills, 1);
}

static int slowdown(void)
{
    const char *factor = getenv("KITH_TEST_SLOWDOWN");

    return factor ? atoi(factor) : 1;
}

static void say_hang(pid_t head)
{
    printf("\n    history %llu hangs: head %d, server %d, %d steps done, %s; actors at", (unsigned long long)now.seed, (int)head,
           atomic_load(&world->server), atomic_load(&world->steps_done), atomic_load(&world->at_finalize) ? "finalizing" : "under way");
    for (int i = 0; i < THREADS + PROCESSES; i++)
        printf(" %u:%u", atomic_load(&world->doing[i]) >> 8, atomic_load(&world->doing[i]) & 255);
    printf("; first wrong: %s\n", world->said);
    while (getenv("KITH_TEST_HOLD"))
        pause();
}

/* Its exit status; -1000: it hung. */
static int watch(pid_t head)
{
    struct dice d = dice_of(now.seed, 3, 3);
    double until = kith_time() + (getenv("KITH_TEST_PATIENCE") ? atof(getenv("KITH_TEST_PATIENCE")) : 40.0) * slowdown();
    int status, got;

    while ((got = waitpid(head, &status, WNOHANG)) == 0 && kith_time() < until) {
        if (atomic_load(&world->over))
            atomic_store(&world->killer_rests, 1);
        if (disturbed() && atomic_load(&world->up) && !atomic_load(&world->over))
            trouble(&d);
        else
            nap_us(500);
    }
    if (got == head)
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    say_hang(head);
    kill(head, SIGKILL);
    waitpid(head, NULL, 0);
    return -1000;
}

static void draw_history(uint64_t seed)
{
    struct dice d = dice_of(seed, 1, 1);
    const char *net = getenv("KITH_TRANSPORT"), *serial = getenv("KITH_SERIAL");

    memset(&now, 0, sizeof now);
    now.seed = seed;
    now.net = net && strcmp(net, "net") == 0;
    now.serial = serial && strcmp(serial, "1") == 0;
    now.trouble = roll(&d, 30) == 0 ? NO_SERVER : roll(&d, 3) == 0 ? KILLER : CALM;
    now.ending = roll(&d, 4) ? TIDY : roll(&d, 2) ? LEAVE_OPEN : LEAVE_BY_EXIT;
    now.threads = 1 + (int)roll(&d, THREADS);
    now.processes = (int)roll(&d, PROCESSES + 1);
    now.steps = 1 + (int)roll(&d, 12);
    now.big = roll(&d, 6) == 0;
    if (THREADS_ONLY && now.threads > 1 && !getenv("KITH_TEST_ALL")) {
        now.serial = now.alone = 1;
        now.processes = 0;
        now.trouble = CALM;
    }
}

/* 1: all was as it must be. */
static int play_history(uint64_t seed)
{
    double begin = kith_time();
    int status, must, gone;
    pid_t head;

    draw_history(seed);
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    fflush(NULL);
    if ((head = fork()) == 0) {
        if (!getenv("KITH_TEST_LOUD") && !freopen("/dev/null", "w", stderr))
            _exit(4);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (now.serial)
            setenv("KITH_SERIAL", "1", 1);
        history();
    }
    status = watch(head);
    must = now.ending == LEAVE_BY_EXIT ? LEFT_EARLY : 0;
    gone = all_gone(5000 * slowdown());
    if (status != must && status != -1000)
        printf("\n    history %llu ended with %d, not %d\n", (unsigned long long)seed, status, must);
    if (world->wrong)
        printf("\n    history %llu: %s\n", (unsigned long long)seed, world->said);
    if (!gone)
        printf("\n    history %llu left processes\n", (unsigned long long)seed);
    if (getenv("KITH_TEST_TIMES"))
        printf("\n    history %llu: %.3f s, trouble %d, ending %d, %d+%d actors, %d steps, %d kills ", (unsigned long long)seed,
               kith_time() - begin, now.trouble, now.ending, now.threads, now.processes, atomic_load(&world->steps_done),
               atomic_load(&world->kills));
    status = status == must && !world->wrong && gone;
    munmap(world, sizeof *world);
    return status;
}

static void every_history_comes_out_as_it_must(void)
{
    const char *one = getenv("KITH_TEST_SEED"), *from = getenv("KITH_TEST_FROM"), *histories = getenv("KITH_TEST_HISTORIES");
    uint64_t first = one ? strtoull(one, NULL, 0) : from ? strtoull(from, NULL, 0) : 1;
    int many = one && !histories ? 1 : histories ? atoi(histories) : 1000000, played = 0, bad = 0;
    double until = kith_time() + (histories ? 1e9 : getenv("KITH_TEST_LONG") ? 80 : 10);

    for (; played < many && kith_time() < until && bad < 5; played++)
        bad += !play_history(first + (uint64_t)played);
    CU_ASSERT_EQUAL(bad, 0);
    printf("(%d histories) ", played);
}

static struct test tests[] = {
    TEST(every_history_comes_out_as_it_must),
    TEST_END,
};

int main(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return run_tests("chaos", tests);
}
