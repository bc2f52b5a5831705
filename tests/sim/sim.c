/* sim.c: see sim.h. */
#include "config.h"
#include "../check.h"
#include "sim.h"
#include "agent/engine.h"
#include "base/system.h"
#include "object/process.h"
#include "rpc/agent_control.h"
#include "rpc/mailbox.h"
#include "server/child.h"
#include "shm/heap.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>

enum { MOST_FRAMES = 4096, STACK = 512 << 10 };

static const int64_t ms = 1000000;

struct frame {
    uint32_t from;
    size_t size;
    void *bytes;
};

struct sim_node {
    struct kith__mapping mapping;
    struct kith__engine *engine;
    struct kith__seat *seat;
    uint32_t number, head, agent;
    int lost;
    int64_t due;
    uint64_t blocks; /* in use when nothing had happened */
    struct frame inbox[MOST_FRAMES];
    int first, count;
    struct frame received; /* until the next one */
};

enum state { FREE, RUNS, DEAD }; /* DEAD: its janitor comes */

struct client {
    enum state state;
    uint32_t number, node, member;
    program *fn;
    void *arg;
    pthread_t thread;
    sem_t go;
    jmp_buf out;
    int dies, died, ended, doing, spared;
    /* What it waits for; blocked 0: it could go on. */
    int blocked;
    _Atomic uint32_t *word;
    uint32_t expected;
    int64_t until; /* INT64_MAX: for ever. Of DEAD: when its janitor comes */
    int guards;    /* in which it is */
};

static struct weather world;
static struct sim_node sim[NODES];
static struct client clients[CLIENTS];
static sem_t back;
static int calm, may_die, processes_stay;
static struct {               /* where a client is to die */
    const char *first, *step; /* NULL: nowhere */
    const struct client *who; /* the last one to pass the first; the dead one */
    int64_t janitor_ms;
} trap;
static int64_t next_cut; /* when a connection is cut, or heals */
static struct sim_node *entered;
uint64_t sim_died;
struct client *sim_current;

/* ------------------------------------------------------------------------- nodes */

static void enter(struct sim_node *n, uint32_t who)
{
    if (entered != n && entered)
        kith__arena_swap(&entered->mapping);
    if (entered != n)
        kith__arena_swap(&n->mapping);
    entered = n;
    kith__me = who;
}

static void leave(void)
{
    if (entered)
        kith__arena_swap(&entered->mapping);
    entered = NULL;
    kith__me = 0;
}

void sim_enter(uint32_t node)
{
    enter(&sim[node], sim[node].head);
}

void sim_leave(void)
{
    leave();
}

static int64_t sim_clock(void)
{
    return net.now;
}

static struct frame *put_frame(struct sim_node *n)
{
    CU_ASSERT_FATAL(n->count < MOST_FRAMES);
    return &n->inbox[(n->first + n->count++) % MOST_FRAMES];
}

static void arrived(uint32_t from, uint32_t to, const void *bytes, size_t size)
{
    struct sim_node *n = &sim[to];
    struct frame *f;

    if (n->lost)
        return;
    f = put_frame(n);
    *f = (struct frame){ from, size, new_bytes(size) };
    memcpy(f->bytes, bytes, size);
}

static size_t wire_receive(void *context, uint32_t *peer, const void **frame)
{
    struct sim_node *n = context;
    struct frame f;

    if (n->received.bytes)
        free_bytes(n->received.bytes, n->received.size);
    n->received.bytes = NULL;
    if (n->count == 0)
        return 0;
    n->received = f = n->inbox[n->first];
    n->first = (n->first + 1) % MOST_FRAMES;
    n->count--;
    *peer = f.from;
    *frame = f.bytes;
    return f.size;
}

static int wire_send(void *context, const struct kith__out *out)
{
    const struct sim_node *n = context;

    if (!calm && draw(200) == 0)
        return 0;
    transmit(out, n->number);
    return 1;
}

static int wire_is_connected(void *context, uint32_t peer)
{
    (void)context;
    return !sim[peer].lost;
}

static void wire_ended(void *context, uint32_t peer, enum kith__link_state state, const char *why)
{
    const struct sim_node *n = context;

    CU_ASSERT(sim[peer].lost || state == KITH__LINK_LEFT);
    if (!sim[peer].lost && state == KITH__LINK_LOST)
        printf("\n    node %u says that node %u %s\n", n->number, peer, why);
}

static const struct kith__engine_wire wire = { wire_receive, wire_send, wire_is_connected, wire_ended };

static uint64_t used_blocks(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_blocks;
}

static void running(uint32_t who)
{
    atomic_store(&kith__member(who)->state, KITH__RUNNING);
}

static void start_agent(struct sim_node *n)
{
    uint32_t cpus[NODES];
    struct kith__engine_config c = { .proto = { .node = n->number,
                                                .nodes = world.nodes,
                                                .job = 77,
                                                .beat_ns = 500 * ms,
                                                .first_ns = 30000 * ms,
                                                .lost_ns = 3000 * ms,
                                                .doubt_ns = 1000 * ms,
                                                .silent_ns = 60000 * ms,
                                                .window = 1 << 20 },
                                     .cpus = cpus,
                                     .wire = &wire,
                                     .context = n };

    for (uint32_t k = 0; k < NODES; k++)
        cpus[k] = 2;
    n->agent = kith__member_take(KITH__AGENT);
    running(n->agent);
    kith__become(n->agent);
    REQUIRE(kith__agent_make_shared() == 0);
    kith__agent_shared()->agent = n->agent;
    pthread_mutex_lock(&kith__agent_shared()->agent_lives);
    n->seat = c.seat = kith__seat_needed();
    atomic_store(&n->seat->waiting, KITH__ANYTHING);
    atomic_store(&kith__shared->agent_seat, kith__seat_number(n->seat) + 1);
    atomic_store(&kith__agent_shared()->state, KITH__AGENT_READY);
    n->engine = kith__engine_new(&c, net.now);
    kith__become(n->head); /* another seat */
}

static void start_node(struct sim_node *n, uint32_t number)
{
    uint32_t server;
    int fd;

    memset(n, 0, sizeof *n);
    n->number = number;
    n->mapping.file.fd = -1;
    enter(n, 0);
    REQUIRE(kith__arena_create(&fd) == 0 && kith__heap_init() == 0 && kith__members_init(2) == 0 &&
            kith__object_init() == 0);
    kith__shared->node = number;
    kith__shared->nodes = world.nodes;
    kith__shared->through_net = (uint32_t)world.through_net;
    n->head = kith__member_take(KITH__HEAD);
    server = kith__member_take(KITH__SERVER);
    running(n->head);
    running(server);
    pthread_mutex_lock(&kith__shared->server_lives);
    start_agent(n);
    n->blocks = used_blocks();
    leave();
}

static void stop_node(struct sim_node *n)
{
    enter(n, n->agent);
    if (n->engine)
        kith__engine_free(n->engine);
    pthread_mutex_unlock(&kith__agent_shared()->agent_lives);
    pthread_mutex_unlock(&kith__shared->server_lives);
    kith__become(0);
    kith__arena_detach();
    leave();
    if (n->received.bytes)
        free_bytes(n->received.bytes, n->received.size);
    for (; n->count > 0; n->count--, n->first = (n->first + 1) % MOST_FRAMES)
        free_bytes(n->inbox[n->first].bytes, n->inbox[n->first].size);
}

/* ------------------------------------------------------------------------- clients */

static void give_way(struct client *c)
{
    sem_post(&back);
    while (sem_wait(&c->go) < 0)
        ;
    if (c->dies)
        longjmp(c->out, 1);
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

static int is_outside_guards(const char *step)
{
    return strncmp(step, "mailbox: ", 9) == 0 || strncmp(step, "unit: ", 6) == 0 ||
           strncmp(step, "signals: ", 9) == 0;
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
    int is_outside = c && c->guards == 0 && is_outside_guards(step);

    if (c && is_trapped(c, step)) {
        c->dies = 1;
        longjmp(c->out, 1);
    }
    if (c)
        count_guards(c, step);
    if (!c || calm)
        return;
    /* There are many in guards, and few in a request. */
    if (may_die && draw(is_outside ? 100 : 3000) == 0 && !c->spared) {
        c->dies = 1;
        longjmp(c->out, 1);
    }
    if (is_outside && draw(8) == 0)
        give_way(c);
}

static void *life(void *arg)
{
    struct client *c = arg;

    while (sem_wait(&c->go) < 0)
        ;
    if (setjmp(c->out) == 0) {
        c->fn(c, c->arg);
        if (kith__remote_settle() < 0)
            c->ended = 1;
    } else {
        c->died = 1;
        kith__me = 0; /* its seat is still taken */
    }
    c->ended = 1;
    sem_post(&back);
    return NULL;
}

struct client *sim_start(uint32_t node, program *fn, void *arg)
{
    struct client *c = clients;
    pthread_attr_t attr;

    while (c < clients + CLIENTS && c->state != FREE)
        c++;
    CU_ASSERT_FATAL(c < clients + CLIENTS);
    memset(c, 0, sizeof *c);
    c->number = (uint32_t)(c - clients);
    c->state = RUNS;
    c->node = node;
    c->fn = fn;
    c->arg = arg;
    sem_init(&c->go, 0, 0);
    sim_enter(node);
    c->member = kith__member_take(KITH__RANK);
    running(c->member);
    leave();
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    REQUIRE(pthread_create(&c->thread, &attr, life, c) == 0);
    pthread_attr_destroy(&attr);
    return c;
}

static int64_t janitor_delay(const struct client *c)
{
    if (c != trap.who || trap.step)
        return (int64_t)draw(20) * ms;
    trap.who = NULL;
    return trap.janitor_ms * ms;
}

/* What the fork server does at once. */
static void bury(struct client *c)
{
    struct sim_node *n = &sim[c->node];

    pthread_join(c->thread, NULL); /* as itself; and what it held at its end is marked by the kernel */
    sem_destroy(&c->go);
    c->state = FREE;
    if (n->lost)
        return;
    enter(n, KITH__SERVER_MEMBER);
    kith__seats_release(c->member);
    if (c->died) {
        sim_died++;
        kith__wake_everybody();
    }
    if (c->died || atomic_load(&kith__member(c->member)->holds)) {
        atomic_store(&kith__member(c->member)->state, KITH__DEAD);
        c->state = DEAD;
        c->until = net.now + janitor_delay(c);
    } else
        kith__member_free(c->member);
    atomic_fetch_add(&kith__shared->ended, 1);
    n->due = net.now;
}

static void sweep(struct client *c)
{
    c->state = FREE;
    if (sim[c->node].lost)
        return;
    enter(&sim[c->node], c->member);
    kith__janitor_sweep(c->member);
    kith__seats_release(c->member);
    kith__member_free(c->member);
    atomic_fetch_add(&kith__shared->ended, 1);
    sim[c->node].due = net.now;
}

static int is_ready(const struct client *c)
{
    if (c->state == DEAD)
        return net.now >= c->until;
    return c->state == RUNS && (!c->blocked || c->dies || net.now >= c->until ||
                                (c->word && atomic_load(c->word) != c->expected));
}

static void step(struct client *c)
{
    if (c->state == DEAD) {
        sweep(c);
        return;
    }
    if (!calm && may_die && draw(500) == 0 && c->blocked && !c->spared)
        c->dies = 1;
    enter(&sim[c->node], c->member);
    c->blocked = 0;
    sim_current = c;
    sem_post(&c->go);
    while (sem_wait(&back) < 0)
        ;
    sim_current = NULL;
    if (c->ended)
        bury(c);
}

/* -------------------------------------------------------------------------- Processes */

/* What the fork server does with those that were asked for: they are only a time to live. What they were
 * given a janitor takes back. */
static void end_process(struct sim_node *n, struct kith__member *m, uint32_t who, int status)
{
    struct kith__object *o = kith__object_slot(m->object);

    kith__guard_enter(&o->guard);
    if (kith__object_is(o, m->object)) {
        atomic_store(&kith__process_body(o)->status, status);
        atomic_store(&kith__process_body(o)->state, 2);
    }
    kith__guard_leave(&o->guard);
    kith__wake_all(kith__object_waiters(o, 0));
    kith__heap_free(m->arg);
    if (atomic_load(&m->holds)) {
        atomic_store(&m->state, KITH__DEAD);
        enter(n, who);
        kith__janitor_sweep(who);
        kith__seats_release(who);
        enter(n, KITH__SERVER_MEMBER);
    }
    kith__member_free(who);
    atomic_fetch_add(&kith__shared->ended, 1);
    n->due = net.now;
}

static void serve_processes(struct sim_node *n)
{
    uint32_t used;

    enter(n, KITH__SERVER_MEMBER);
    used = atomic_load(&kith__shared->members_used);
    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++) {
        struct kith__member *m = kith__member(i);
        uint32_t state = atomic_load(&m->state), sig;

        if (atomic_load(&m->role) != KITH__PROCESS || (state != KITH__ASKED && state != KITH__RUNNING))
            continue;
        if (state == KITH__ASKED && (calm || draw(2))) {
            struct kith__object *o = kith__object_slot(m->object);

            running(i);
            if (kith__object_is(o, m->object))
                atomic_store(&kith__process_body(o)->pid, (int32_t)i);
        } else if ((sig = atomic_exchange(&m->stop_signal, 0)) != 0)
            end_process(n, m, i, (int)sig);
        else if (state == KITH__RUNNING && !processes_stay && (calm || draw(20) == 0))
            end_process(n, m, i, (int)(m->arg_size & 127) << 8);
    }
}

/* ----------------------------------------------------------------------------- the world */

static int turn(struct sim_node *n)
{
    if (n->lost)
        return 0;
    enter(n, n->agent);
    if (net.now < n->due && n->count == 0 && !kith__engine_has_news(n->engine))
        return 0;
    n->due = kith__engine_turn(n->engine, net.now);
    return 1;
}

static void disturb(void)
{
    uint32_t a = (uint32_t)draw(world.nodes), b = (uint32_t)draw(world.nodes);

    if (calm || net.now < next_cut)
        return;
    memset(net.cut, 0, sizeof net.cut);
    if (draw(2))
        net.cut[a][b] = net.cut[b][a] = 1;
    next_cut = net.now + (int64_t)draw(1000) * ms;
}

/* When something happens next without anybody's doing. */
static int64_t next_event(int64_t frames)
{
    int64_t next = frames;

    for (uint32_t k = 0; k < world.nodes; k++)
        if (!sim[k].lost && sim[k].due < next)
            next = sim[k].due;
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].state != FREE && clients[i].until < next &&
            (clients[i].blocked || clients[i].state == DEAD))
            next = clients[i].until;
    if (next > net.now + 20 * ms)
        next = net.now + 20 * ms; /* Processes end */
    return next;
}

static int round_of_all(void)
{
    int done = 0, from = (int)draw(CLIENTS);

    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &clients[(from + i) % CLIENTS];

        if (is_ready(c) && (calm || draw(3) > 0)) {
            step(c);
            done = 1;
        } else
            done |= is_ready(c);
    }
    return done;
}

static int anybody(void)
{
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].state != FREE)
            return 1;
    return 0;
}

static void pass_a_moment(void)
{
    int done = 0;

    land(arrived);
    disturb();
    for (uint32_t k = 0; k < world.nodes; k++)
        done |= turn(&sim[(k + (uint32_t)draw(2)) % world.nodes]);
    if (calm || draw(16) == 0)
        for (uint32_t k = 0; k < world.nodes; k++)
            if (!sim[k].lost)
                serve_processes(&sim[k]);
    done |= round_of_all();
    if (done)
        net.now += (int64_t)draw(40) * 1000;
    else {
        int64_t next = next_event(land(arrived));

        net.now = next <= net.now ? net.now + 1000 : next;
    }
}

int sim_run(int64_t duration)
{
    int64_t until = net.now + duration * ms;

    while (net.now < until && anybody())
        pass_a_moment();
    leave();
    return !anybody();
}

void sim_settle(int64_t duration)
{
    int64_t until = net.now + duration * ms;

    while (net.now < until)
        pass_a_moment();
    leave();
}

void sim_calm(void)
{
    calm = 1;
    memset(net.cut, 0, sizeof net.cut);
    net.weather.lose = net.weather.repeat = net.weather.delay = net.weather.truncate = 0;
}

void sim_processes_stay(void)
{
    processes_stay = 1;
}

void sim_cut(uint32_t a, uint32_t b, int yes)
{
    net.cut[a][b] = net.cut[b][a] = yes;
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
}

void sim_lose(uint32_t node)
{
    sim[node].lost = 1;
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].state == RUNS && clients[i].node == node)
            clients[i].dies = 1;
}

void sim_init(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    REQUIRE(kith__token_family() == 0);
}

void sim_show(void)
{
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].state == RUNS)
            printf("    client %d on node %u does %d, %s\n", i, clients[i].node, clients[i].doing,
                   !clients[i].blocked             ? "could go on"
                   : clients[i].until == INT64_MAX ? "waits for ever"
                                                   : "waits");
}

/* What a client has taken with malloc when it dies would go with its process. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:^life$\n";
}

static const struct kith__time sim_time = { .now = sim_clock, .sleep = sim_sleep };

void sim_begin(const struct weather *w)
{
    world = *w;
    net = (struct net){ .now = 1000 * ms };
    calm = 0;
    processes_stay = 0;
    next_cut = 0;
    may_die = w->deaths;
    sim_kill_at(NULL, NULL, 0);
    entered = NULL;
    memset(clients, 0, sizeof clients);
    sem_init(&back, 0, 0);
    kith_on_fault(NULL);
    kith__time = &sim_time;
    for (uint32_t i = 0; i < w->nodes; i++)
        start_node(&sim[i], i);
    kith__failpoint_hook = at_failpoint;
}

/* Mailboxes stay for the next on their seat, and with them a block that was being handed over at a death. */
static uint64_t mailboxes(void)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < KITH__SEATS; i++) {
        uint64_t at = atomic_load(&kith__agent_shared()->mailboxes[i]);
        const struct kith__mailbox *d = at ? kith__at(at) : NULL;
        uint64_t block = d ? atomic_load(&d->handing) : 0;

        n += d != NULL;
        n += block && d->handing_at == atomic_load(&d->tail) && kith__heap_owner_now(block) >> 32 == i + 1;
    }
    return n;
}

void sim_end(void)
{
    kith__failpoint_hook = NULL;
    for (uint32_t i = 0; i < world.nodes; i++) {
        if (!sim[i].lost) {
            sim_enter(i);
            if (used_blocks() != sim[i].blocks + mailboxes())
                printf("\n    node %u: %llu blocks are left\n", i,
                       (unsigned long long)(used_blocks() - sim[i].blocks - mailboxes()));
            CU_ASSERT_EQUAL(used_blocks(), sim[i].blocks + mailboxes());
            PASS(kith__heap_audit());
            leave();
        }
        stop_node(&sim[i]);
    }
    clear_sky();
    sem_destroy(&back);
    kith__time = NULL;
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
    return sim[node].lost;
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

    for (int i = 0; i < CLIENTS; i++)
        n += clients[i].state == RUNS && !sim[clients[i].node].lost && clients[i].doing == what;
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

void sim_seeds(void (*once)(uint64_t seed), uint64_t count)
{
    const char *one = getenv("KITH_TEST_SEED");

    for (uint64_t s = 1; s <= (one ? 1 : count); s++) {
        unsigned before = CU_get_number_of_failures();
        uint64_t seed = one ? strtoull(one, NULL, 0) : s;

        seed_draw(seed);
        once(seed);
        if (CU_get_number_of_failures() > before)
            printf("KITH_TEST_SEED=%llu ", (unsigned long long)seed);
    }
}
