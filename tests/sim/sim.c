/* sim.c: see sim.h. */
#include "config.h"
#include "../check.h"
#include "inside.h"
#include "base/maps.h"
#include "base/system.h"
#include "pool/feed.h"
#include "rpc/remote.h"

#include <sched.h>
#include <sys/resource.h>

static const int64_t ms = 1000000;

struct weather sim_world;
struct sim_node *sim_nodes;
struct client **sim_clients;
int sim_client_count, sim_is_calm, sim_processes_live;
_Atomic uint32_t sim_threads_ended;
static int client_room, may_die; /* 2: half as often */
static struct life **lives;      /* that are nobody's any more */
static int life_count, life_room;
static struct kith__feeds *own_feeds; /* of the test */
static char *first_variables;         /* of a process that has done nothing */
static uint64_t threads_begun;
static struct {               /* where a client is to die */
    const char *first, *step; /* NULL: nowhere */
    const struct client *who; /* the last one to pass the first; the dead one */
    int64_t janitor_ms;
    int times; /* it passes that step before */
} trap;
static int64_t next_cut; /* when a connection is cut, or heals */
static uint64_t trace;   /* of all that has happened */
uint64_t sim_died;
struct client *sim_current;

/* ------------------------------------------------------------------------- clients */

/* Tasks that take no time at all would be dealt out like none. */
static int64_t sim_clock(void)
{
    if (sim_current && sim_current->part == WORKER)
        net.now += 200;
    return net.now;
}

static void note(uint64_t what)
{
    trace = (trace ^ what) * UINT64_C(0x100000001b3);
}

static void die(struct client *c)
{
    c->dies = 1;
    longjmp(c->out, 1);
}

static void give_way(struct client *c)
{
    strand_give_way(c->strand);
    if (c->dies)
        die(c);
}

static void sim_sleep(_Atomic uint32_t *word, uint32_t expected, int64_t ns)
{
    struct client *c = sim_current;

    REQUIRE(c && kith__me == c->member); /* the agents never sleep */
    c->blocked = 1;
    c->word = word;
    c->expected = expected;
    c->until = ns < 0 ? INT64_MAX : net.now + ns;
    give_way(c);
}

/* How often a client dies there: once in so many times. There are many in guards, and few in a request. */
enum { IN_GUARD = 3000, IN_JOB = 500, IN_REQUEST = 100 };

static int risk(const struct client *c, const char *step)
{
    static const struct {
        const char *words;
        int risk;
    } steps[] = { { "mailbox: ", IN_REQUEST }, { "unit: ", IN_REQUEST }, { "signals: ", IN_REQUEST },
                  { "claim: ", IN_JOB },       { "job: ", IN_JOB },      { "settle: ", IN_JOB } };

    for (size_t i = 0; c->guards == 0 && i < sizeof steps / sizeof steps[0]; i++)
        if (strncmp(step, steps[i].words, strlen(steps[i].words)) == 0)
            return steps[i].risk;
    return IN_GUARD;
}

/* 1: c is to die here. */
static int is_trapped(const struct client *c, const char *step)
{
    if (!trap.step)
        return 0;
    if (!trap.first || strcmp(step, trap.first) == 0)
        trap.who = c;
    if (trap.who != c || strcmp(step, trap.step) != 0)
        return 0;
    if (trap.times-- > 0)
        return 0;
    trap.step = NULL;
    return 1;
}

/* What may be called in a guard and outside passes the same steps. */
static void count_guards(struct client *c, const char *step)
{
    if (strcmp(step, "guard: entered") == 0)
        c->guards++;
    else if (strcmp(step, "guard: leaving") == 0)
        c->guards--;
}

static void at_failpoint(const char *step)
{
    struct client *c = sim_current;
    int once_in;

    if (!c)
        return;
    once_in = risk(c, step);
    if (is_trapped(c, step))
        die(c);
    count_guards(c, step);
    if (sim_is_calm)
        return;
    if (may_die && draw((uint64_t)once_in * (uint64_t)may_die) == 0 && !c->spared)
        die(c);
    if (once_in != IN_GUARD && draw(8) == 0)
        give_way(c);
}

static void sleep_until(_Atomic uint32_t *word, uint32_t value)
{
    sim_sleep(word, value, -1);
}

static void give_way_once(void)
{
    give_way(sim_current);
}

static void life(void *arg)
{
    struct client *c = arg;

    if (c->dies)
        c->died = 1;
    else if (setjmp(c->out) == 0) {
        c->fn(c, c->arg);
        if (c->part != JANITOR)
            kith__remote_settle();
    } else
        c->died = 1;
    if (c->died) {
        kith__me = 0; /* its seat is still taken */
        strand_die(c->strand);
    }
    c->ended = 1;
}

/* A place for one more. */
static struct client *place(void)
{
    struct client **more;

    for (int i = 0; i < sim_client_count; i++)
        if (sim_clients[i]->state == FREE)
            return sim_clients[i];
    if (sim_client_count == client_room) {
        client_room = client_room ? 2 * client_room : 32;
        REQUIRE(more = realloc(sim_clients, (size_t)client_room * sizeof *more));
        sim_clients = more;
        for (int i = sim_client_count; i < client_room; i++)
            REQUIRE(sim_clients[i] = calloc(1, sizeof **sim_clients));
        for (int i = sim_client_count; i < client_room; i++)
            sim_clients[i]->number = (uint32_t)i;
    }
    sim_clients[sim_client_count]->state = FREE;
    return sim_clients[sim_client_count++];
}

/* A thread is one more of the process that begins it. */
static struct life *enter_life(const struct client *c)
{
    struct life *l;

    if (c->part == THREAD)
        l = sim_current->of;
    else if (life_count > 0)
        l = lives[--life_count];
    else
        REQUIRE((l = calloc(1, sizeof *l)) && (l->feeds = kith__feeds_new()) &&
                (l->variables = malloc(process_size())));
    if (l->threads++ == 0)
        memcpy(l->variables, first_variables, process_size());
    return l;
}

void sim_end_life(struct client *c)
{
    struct life *l = c->of;

    c->of = NULL;
    if (--l->threads > 0)
        return;
    kith__feeds_clear(l->feeds);
    if (life_count == life_room)
        REQUIRE(lives = realloc(lives, (size_t)(life_room = 2 * life_room + 32) * sizeof *lives));
    lives[life_count++] = l;
}

void sim_begin_life(struct client *c)
{
    c->of = enter_life(c);
    c->state = RUNS;
    c->thread_number = ++threads_begun;
    c->dies = c->died = c->ended = c->blocked = c->guards = 0;
    c->strand = strand_begin(life, c);
}

struct client *sim_new_client(enum part part, uint32_t node, uint32_t member, program *fn, void *arg)
{
    struct client *c = place();
    uint32_t number = c->number;

    memset(c, 0, sizeof *c);
    c->number = number;
    c->part = part;
    c->node = node;
    c->member = member;
    c->fn = fn;
    c->arg = arg;
    return c;
}

struct client *sim_begin_client(enum part part, uint32_t node, uint32_t member, program *fn, void *arg)
{
    struct client *c = sim_new_client(part, node, member, fn, arg);

    sim_begin_life(c);
    return c;
}

struct client *sim_start(uint32_t node, program *fn, void *arg)
{
    uint32_t member;

    sim_enter(node);
    member = kith__member_take(KITH__RANK);
    sim_running(member);
    sim_leave();
    return sim_begin_client(RANK, node, member, fn, arg);
}

/* ---- what a process does by functions of base/system.h */

static void sim_die(void)
{
    die(sim_current);
}

static void runs_thread(struct client *c, void *arg)
{
    c->run(arg);
}

static uint64_t sim_begin_thread(void *(*run)(void *), void *arg)
{
    struct client *c = sim_begin_client(THREAD, sim_current->node, sim_current->member, runs_thread, arg);

    c->run = run;
    c->spared = sim_current->spared;
    return c->thread_number;
}

/* As the library calls it: see strand.h. */
pthread_t __real_pthread_self(void);
pthread_t __wrap_pthread_self(void);
pthread_t __wrap_pthread_self(void)
{
    return sim_current ? (pthread_t)sim_current->thread_number : __real_pthread_self();
}

/* As the library asks whether an argument points somewhere. The answer is to be a matter of the seed, and not
 * of where the memory of all nodes is mapped here: so no argument has an address, but one of its
 * arena, nor a gap between its members, in which there is what was on the stack before, the half of an
 * address, say. */
int __real_kith__maps_hold(uint64_t address);
int __wrap_kith__maps_hold(uint64_t address);
int __wrap_kith__maps_hold(uint64_t address)
{
    if (!sim_current)
        return __real_kith__maps_hold(address);
    REQUIRE(address >> 46 != 1); /* where the memory of a process is */
    return 0;
}

static int runs(uint64_t thread)
{
    for (int i = 0; i < sim_client_count; i++)
        if (sim_clients[i]->state == RUNS && sim_clients[i]->thread_number == thread)
            return 1;
    return 0;
}

static void sim_join_thread(uint64_t thread)
{
    for (;;) {
        uint32_t seen = atomic_load(&sim_threads_ended);

        if (!runs(thread))
            return;
        sim_sleep(&sim_threads_ended, seen, -1);
    }
}

int64_t sim_janitor_delay(const struct client *c)
{
    if (c != trap.who || trap.step)
        return (int64_t)draw(20) * ms;
    trap.who = NULL;
    return trap.janitor_ms * ms;
}

/* That for which c waits; what is of its process only goes away with that. */
static uint32_t value(const struct client *c)
{
    uint64_t offset;

    if (is_of_process(c->word, &offset))
        return atomic_load((_Atomic uint32_t *)(void *)(c->of->variables + offset));
    return atomic_load(c->word);
}

static int is_ready(const struct client *c)
{
    if (c->state == FREE || net.now < sim_nodes[c->node].stopped)
        return 0;
    if (c->state == DEAD)
        return net.now >= c->until;
    return c->state == RUNS &&
           (!c->blocked || c->dies || net.now >= c->until || (c->word && value(c) != c->expected));
}

static void step(struct client *c)
{
    if (c->state == DEAD) {
        sim_begin_janitor(c);
        return;
    }
    note(c->number << 8 ^ c->node ^ (uint64_t)net.now << 20);
    if (!sim_is_calm && may_die && draw(500 * (uint64_t)may_die) == 0 && c->blocked && !c->spared)
        c->dies = 1;
    sim_enter_as(&sim_nodes[c->node], c->member);
    c->blocked = 0;
    sim_current = c;
    kith__feeds = c->of->feeds;
    process_exchange(c->of->variables);
    strand_go(c->strand);
    process_exchange(c->of->variables);
    kith__feeds = own_feeds;
    sim_current = NULL;
    if (c->ended)
        sim_reap(c);
}

/* ----------------------------------------------------------------------------- the world */

static void disturb(void)
{
    uint32_t a = (uint32_t)draw(sim_world.nodes), b = (uint32_t)draw(sim_world.nodes);

    if (sim_is_calm || net.now < next_cut)
        return;
    mend();
    if (draw(2))
        cut(a, b, 1);
    else if (draw(8) == 0)
        cut(a, ANY_NODE, 1);
    if (sim_world.stops && draw(6) == 0)
        sim_nodes[b].stopped = net.now + (int64_t)draw(draw(4) ? 100 : 5000) * ms;
    next_cut = net.now + (int64_t)draw(1000) * ms;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Of those that a test waits for; kith's own processes go on as long as a pool is open. */
static int anybody(int of_kith)
{
    for (int i = 0; i < sim_client_count; i++) {
        const struct client *c = sim_clients[i];

        if (c->state == DEAD || (c->state == RUNS && (of_kith || c->part == RANK || c->part == JANITOR)))
            return 1;
    }
    return 0;
}

/* When something happens next without anybody's doing. */
static int64_t next_event(int64_t frames)
{
    int64_t next = frames, most = net.now + (sim_is_calm && !anybody(1) ? 500 : 20) * ms; /* Processes end */

    for (uint32_t k = 0; k < sim_world.nodes; k++)
        if (!sim_nodes[k].lost && later(sim_nodes[k].due, sim_nodes[k].stopped) < next)
            next = later(sim_nodes[k].due, sim_nodes[k].stopped);
    for (int i = 0; i < sim_client_count; i++)
        if (sim_clients[i]->state != FREE && (sim_clients[i]->blocked || sim_clients[i]->state == DEAD) &&
            later(sim_clients[i]->until, sim_nodes[sim_clients[i]->node].stopped) < next)
            next = later(sim_clients[i]->until, sim_nodes[sim_clients[i]->node].stopped);
    return next < most ? next : most;
}

static int round_of_all(void)
{
    int done = 0, count = sim_client_count, at = (int)draw((uint64_t)count);

    for (int i = 0; i < count; i++) {
        struct client *c = sim_clients[at];

        at = at + 1 < count ? at + 1 : 0;
        if (!is_ready(c))
            continue;
        done = 1;
        if (sim_is_calm || draw(3) > 0)
            step(c);
    }
    return done;
}

/* Each moment has a look at each node: where there are many, there are fewer moments. */
static int64_t pace(void)
{
    return 1 + sim_world.nodes / 8;
}

static void pass_a_moment(void)
{
    uint64_t later_ones = draw(UINT64_MAX); /* a bit for each: the next one has its turn */
    int done = 0;

    land(sim_arrived);
    disturb();
    for (uint32_t k = 0; k < sim_world.nodes; k++) {
        uint32_t n = k + (uint32_t)(later_ones >> k % 64 & 1);

        done |= sim_turn(&sim_nodes[n < sim_world.nodes ? n : 0]);
    }
    if (sim_is_calm || draw(16) == 0)
        for (uint32_t k = 0; k < sim_world.nodes; k++)
            if (!sim_nodes[k].lost && net.now >= sim_nodes[k].stopped)
                sim_serve(&sim_nodes[k]);
    done |= round_of_all();
    if (done)
        net.now += (int64_t)draw(40) * 1000 * pace();
    else {
        int64_t next = next_event(land(sim_arrived));

        net.now = next <= net.now ? net.now + 1000 * pace() : next;
    }
}

int sim_run(int64_t duration)
{
    int64_t until = net.now + duration * ms;

    while (net.now < until && anybody(0))
        pass_a_moment();
    sim_leave();
    return !anybody(0);
}

void sim_settle(int64_t duration)
{
    int64_t until = net.now + duration * ms;

    while (net.now < until)
        pass_a_moment();
    sim_leave();
}

void sim_calm(void)
{
    sim_is_calm = 1;
    mend();
    for (uint32_t k = 0; k < sim_world.nodes; k++)
        sim_nodes[k].stopped = 0;
    net.weather.lose = net.weather.repeat = net.weather.delay = net.weather.truncate = 0;
}

void sim_may_leave(uint64_t blocks)
{
    for (uint32_t k = 0; k < sim_world.nodes; k++)
        sim_nodes[k].may_leave = blocks * sim_nodes[k].deaths;
}

void sim_processes_stay(void)
{
    sim_processes_live = 1;
}

void sim_cut(uint32_t a, uint32_t b, int yes)
{
    cut(a, b, yes);
}

void sim_spare(struct client *c)
{
    c->spared = 1;
}

void sim_kill(struct client *c)
{
    c->dies = 1;
}

void sim_kill_at(const char *first, const char *step, int64_t janitor_ms)
{
    trap.first = first;
    trap.step = step;
    trap.who = NULL;
    trap.janitor_ms = janitor_ms;
    trap.times = 0;
}

void sim_kill_after(int times)
{
    trap.times = times;
}

void sim_lose(uint32_t node)
{
    sim_nodes[node].lost = 1;
    sim_nodes[node].stopped = 0;
    for (int i = 0; i < sim_client_count; i++)
        if (sim_clients[i]->state == RUNS && sim_clients[i]->node == node)
            sim_clients[i]->dies = 1;
}

void sim_init(void)
{
    struct rlimit files;
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    strands_init(give_way_once, sleep_until);
    REQUIRE((first_variables = malloc(process_size())));
    process_read(first_variables);
    own_feeds = kith__feeds;
    REQUIRE(kith__token_family() == 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* each node has one */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static const char *name_of(const struct client *c)
{
    static char name[64];

    sim_enter(c->node);
    snprintf(name, sizeof name, "%s", kith__member(c->member)->name);
    sim_leave();
    return name;
}

void sim_show(void)
{
    static const char *const parts[] = { "rank", "worker", "process", "janitor", "thread" };

    for (int i = 0; i < sim_client_count; i++) {
        const struct client *c = sim_clients[i];

        if (c->state == RUNS)
            printf("    client %d, %s of member %u, %s, on node %u, does %d, %s\n", i, parts[c->part],
                   c->member, name_of(c), c->node, c->doing,
                   !c->blocked             ? "could go on"
                   : c->until == INT64_MAX ? "waits for ever"
                                           : "waits");
    }
}

/* What a client has taken with malloc when it dies would go with its process. It was taken under life, which
 * the sanitizer has to see under nested calls, too. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "malloc_context_size=200";
}

__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:^life$\n";
}

static const struct kith__time sim_time = { sim_clock, sim_sleep, sim_die, sim_begin_thread,
                                            sim_join_thread };

void sim_begin(const struct weather *w)
{
    sim_world = *w;
    net = (struct net){ .now = 1000 * ms };
    sim_is_calm = sim_processes_live = 0;
    next_cut = 0;
    may_die = w->deaths;
    sim_kill_at(NULL, NULL, 0);
    sim_client_count = 0;
    threads_begun = 0;
    trace = 0;
    mend();
    REQUIRE(sim_nodes = calloc(w->nodes, sizeof *sim_nodes));
    kith_on_fault(NULL);
    kith__time = &sim_time;
    for (uint32_t i = 0; i < w->nodes; i++)
        sim_start_node(&sim_nodes[i], i);
    for (uint32_t i = 1; w->stops && i < w->nodes; i++) /* some come late */
        sim_nodes[i].stopped = draw(4) ? 0 : net.now + (int64_t)draw(3000) * ms;
    kith__failpoint_hook = at_failpoint;
}

void sim_end(void)
{
    if (anybody(1)) { /* in the memory of a node that is taken away now */
        sim_show();
        REQUIRE(!"somebody is left");
    }
    kith__failpoint_hook = NULL;
    for (uint32_t i = 0; i < sim_world.nodes; i++) {
        if (!sim_nodes[i].lost) {
            sim_enter(i);
            sim_check_node(&sim_nodes[i]);
            sim_leave();
        }
        sim_stop_node(&sim_nodes[i]);
    }
    clear_sky();
    kith__time = NULL;
    free(sim_nodes);
    sim_nodes = NULL;
}

/* ---------------------------------------------------------------------- for programs */

void sim_rest(int64_t duration)
{
    kith__nap(duration * ms);
}

uint32_t sim_number(const struct client *c)
{
    return c->number;
}

uint32_t sim_node(const struct client *c)
{
    return c->node;
}

int sim_is_lost(uint32_t node)
{
    return sim_nodes[node].lost;
}

uint64_t sim_trace(void)
{
    return trace;
}

int64_t sim_now_ms(void)
{
    return net.now / ms;
}

void sim_doing(struct client *c, int what)
{
    c->doing = what;
}

int sim_count(int what)
{
    int n = 0;

    for (int i = 0; i < sim_client_count; i++)
        n += sim_clients[i]->state == RUNS && !sim_nodes[sim_clients[i]->node].lost &&
             sim_clients[i]->doing == what;
    return n;
}

void sim_draw_weather(void)
{
    if (draw(3) == 0)
        return;
    net.weather.lose = (int)draw(40);
    net.weather.repeat = (int)draw(50);
    net.weather.delay = (int)draw(20);
    net.weather.truncate = (int)draw(10);
}

/* 1: those that the user wants. */
static int given_seeds(uint64_t *first, uint64_t *last)
{
    const char *given = getenv("KITH_TEST_SEED");
    char *end;

    if (!given)
        return 0;
    *first = *last = strtoull(given, &end, 0);
    if (*end == '-')
        *last = strtoull(end + 1, NULL, 0);
    return 1;
}

void sim_seeds(void (*once)(uint64_t seed), uint64_t count)
{
    uint64_t seed = 1, last = count;

    for (given_seeds(&seed, &last); seed <= last; seed++) {
        unsigned before = CU_get_number_of_failures();

        seed_draw(seed);
        once(seed);
        if (CU_get_number_of_failures() > before)
            printf("KITH_TEST_SEED=%llu ", (unsigned long long)seed);
    }
}
