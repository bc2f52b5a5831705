/* node.c: nodes: the arena of each, the engine of its agent, and its end of the network. */
#include "config.h"
#include "../check.h"
#include "inside.h"
#include "base/system.h"
#include "object/object.h"
#include "rpc/agent_control.h"
#include "rpc/mailbox.h"
#include "shm/heap.h"

enum { MANY = 16 };

static const int64_t ms = 1000000;

static struct sim_node *entered;

void sim_enter_as(struct sim_node *n, uint32_t who)
{
    if (entered != n && entered)
        kith__arena_swap(&entered->mapping);
    if (entered != n)
        kith__arena_swap(&n->mapping);
    entered = n;
    kith__me = who;
}

void sim_leave(void)
{
    if (entered)
        kith__arena_swap(&entered->mapping);
    entered = NULL;
    kith__me = 0;
}

void sim_enter(uint32_t node)
{
    sim_enter_as(&sim_nodes[node], sim_nodes[node].head);
}

static struct frame *put_frame(struct sim_node *n)
{
    if (n->count == n->room) {
        int room = n->room ? 2 * n->room : 16;
        struct frame *larger = malloc((size_t)room * sizeof *larger);

        REQUIRE(larger != NULL);
        for (int i = 0; i < n->count; i++)
            larger[i] = n->inbox[(n->first + i) % n->room];
        free(n->inbox);
        n->inbox = larger;
        n->room = room;
        n->first = 0;
    }
    return &n->inbox[(n->first + n->count++) % n->room];
}

void sim_arrived(uint32_t from, uint32_t to, const void *bytes, size_t size)
{
    struct sim_node *n = &sim_nodes[to];
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
    n->first = (n->first + 1) % n->room;
    n->count--;
    *peer = f.from;
    *frame = f.bytes;
    return f.size;
}

static int wire_send(void *context, const struct kith__out *out)
{
    const struct sim_node *n = context;

    if (!sim_is_calm && draw(200) == 0)
        return 0;
    transmit(out, n->number);
    return 1;
}

static int wire_is_connected(void *context, uint32_t peer)
{
    (void)context;
    return !sim_nodes[peer].lost;
}

static void wire_ended(void *context, uint32_t peer, enum kith__link_state state, const char *why)
{
    const struct sim_node *n = context;

    CU_ASSERT(sim_nodes[peer].lost || state == KITH__LINK_LEFT);
    if (!sim_nodes[peer].lost && state == KITH__LINK_LOST)
        printf("\n    node %u says that node %u %s\n", n->number, peer, why);
}

static const struct kith__engine_wire wire = { wire_receive, wire_send, wire_is_connected, wire_ended };

static uint64_t used_blocks(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_blocks;
}

void sim_running(uint32_t who)
{
    kith__member_move(kith__member(who), KITH__MEMBER_BEGINS);
}

/* Of many nodes each is a small machine: what is mapped is bounded, too. The first one has the pools, whose
 * jobs have room for what all nodes are granted. */
static void set_size(uint32_t nodes, uint32_t number)
{
    if (nodes > MANY)
        setenv("KITH_MEM", number == 0 ? "512M" : "24M", 1);
    else
        unsetenv("KITH_MEM");
}

static void start_agent(struct sim_node *n)
{
    uint32_t *cpus = malloc(sim_world.nodes * sizeof *cpus);
    struct kith__engine_config c = { .proto = { .node = n->number,
                                                .nodes = sim_world.nodes,
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

    REQUIRE(cpus != NULL);
    for (uint32_t k = 0; k < sim_world.nodes; k++)
        cpus[k] = 2;
    n->agent = kith__member_take(KITH__AGENT);
    sim_running(n->agent);
    kith__become(n->agent);
    REQUIRE(kith__agent_make_shared() == 0);
    kith__agent_shared()->agent = n->agent;
    pthread_mutex_lock(&kith__agent_shared()->agent_lives);
    n->seat = c.seat = kith__seat_needed();
    atomic_store(&n->seat->waiting, KITH__ANYTHING);
    atomic_store(&kith__shared->agent_seat, kith__seat_number(n->seat) + 1);
    atomic_store(&kith__agent_shared()->state, KITH__AGENT_READY);
    n->engine = kith__engine_new(&c, net.now);
    free(cpus);
    kith__become(n->head); /* another seat */
}

void sim_start_node(struct sim_node *n, uint32_t number)
{
    uint32_t server;
    int fds[KITH__ARENA_FILES];

    memset(n, 0, sizeof *n);
    n->number = number;
    sim_enter_as(n, 0);
    set_size(sim_world.nodes, number);
    REQUIRE(kith__arena_create(fds) == 0 && kith__heap_init() == 0 && kith__members_init(2) == 0 &&
            kith__object_init() == 0);
    kith__shared->node = number;
    kith__shared->nodes = sim_world.nodes;
    kith__shared->through_net = (uint32_t)sim_world.through_net;
    n->head = kith__member_take(KITH__HEAD);
    server = kith__member_take(KITH__SERVER);
    sim_running(n->head);
    sim_running(server);
    pthread_mutex_lock(&kith__shared->server_lives);
    start_agent(n);
    n->blocks = used_blocks();
    sim_leave();
}

void sim_stop_node(struct sim_node *n)
{
    sim_enter_as(n, n->agent);
    if (n->engine)
        kith__engine_free(n->engine);
    pthread_mutex_unlock(&kith__agent_shared()->agent_lives);
    pthread_mutex_unlock(&kith__shared->server_lives);
    kith__become(0);
    strands_forget(kith__base, kith__layout.heap_start + kith__layout.heap_size);
    kith__arena_detach();
    sim_leave();
    if (n->received.bytes)
        free_bytes(n->received.bytes, n->received.size);
    for (; n->count > 0; n->count--, n->first = (n->first + 1) % n->room)
        free_bytes(n->inbox[n->first].bytes, n->inbox[n->first].size);
    free(n->inbox);
}

/* Without entering it, as most often it has none. */
static int has_news(const struct sim_node *n)
{
    char *base = kith__base;
    int has;

    if (entered != n)
        kith__base = n->mapping.base;
    has = kith__engine_has_news(n->engine);
    kith__base = base;
    return has;
}

int sim_turn(struct sim_node *n)
{
    if (n->lost || net.now < n->stopped || (net.now < n->due && n->count == 0 && !has_news(n)))
        return 0;
    sim_enter_as(n, n->agent);
    n->due = kith__engine_turn(n->engine, net.now);
    return 1;
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

/* What is left, for whoever looks for a reason: not what was there from the beginning. */
static void show_blocks(void)
{
    uint64_t first = kith__layout.heap_start, most = first + (16 << 20);

    for (uint64_t at = first; at < most && at < first + kith__layout.heap_size; at += 64)
        if (kith__heap_check(at) == 0)
            printf("        %llu bytes of owner %llx: %.16s\n", (unsigned long long)kith__heap_size_of(at),
                   (unsigned long long)kith__heap_owner_now(at), (const char *)kith__at(at));
}

void sim_check_node(const struct sim_node *n)
{
    uint64_t left = used_blocks() - n->blocks - mailboxes();

    if (left > n->may_leave)
        printf("\n    node %u: %lld blocks are left after %llu deaths\n", n->number, (long long)left,
               (unsigned long long)n->deaths);
    if (left > n->may_leave)
        show_blocks();
    CU_ASSERT(left <= n->may_leave);
    PASS(kith__heap_audit());
}
