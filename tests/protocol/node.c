/* node.c: what the agents of the nodes would do, with calls that have no other meaning than their bytes. */
#include "config.h"
#include "../check.h"
#include "bytes.h"
#include "node.h"

enum { GIVES = 2 }; /* a flag of a reply: it is to be settled */

struct node nodes[NODES];
uint64_t carried_out, answered;
int connected, hears_anything;

/* ---- what the protocol tells it */

static void *at(void *context, uint64_t block)
{
    (void)context;
    return block_of(block)->bytes;
}

static void release(void *context, uint64_t block)
{
    (void)context;
    drop_block(block);
}

static void carry_out(struct node *n, uint32_t peer, uint64_t id, uint64_t size, const unsigned char *bytes)
{
    uint64_t seat = id >> 48, count = id & UINT32_MAX;
    struct kith__reply r = { .id = id, .result = (int64_t)size, .size = some_size(), .flags = GIVES };
    struct given *g = n->given;

    CU_ASSERT(hears_anything || is_painted(bytes, size, id, peer));
    CU_ASSERT(hears_anything || count > n->served.last[peer][seat]); /* never twice */
    n->served.last[peer][seat] = count;
    carried_out++;
    if (draw(4) == 0) {
        kith__proto_confirm(n->proto, peer, id, 4);
        return;
    }
    while (g->used)
        g++;
    *g = (struct given){ id, new_block(r.size), peer, 1 };
    paint(block_of(g->block)->bytes, r.size, id, 100 + n->number);
    kith__proto_reply(n->proto, peer, &r, NULL, g->block);
}

static uint64_t on_request(void *context, uint32_t peer, const struct kith__request *r, const void *bytes)
{
    struct node *n = context;
    struct pending *p = n->pending;

    if (bytes) {
        carry_out(n, peer, r->id, r->size, bytes);
        return 0;
    }
    while (p->used)
        p++;
    *p = (struct pending){ r->id, r->size, peer, 1 };
    return new_block(r->size);
}

static void finish(struct node *n, uint32_t peer, uint64_t id, uint64_t count)
{
    struct seat *s = &n->seats[id >> 48];

    for (uint64_t k = id; k < id + count; k++) {
        struct call *c = s->calls;

        while (c < s->calls + CALLS && (!c->used || c->id != k))
            c++;
        CU_ASSERT_FATAL(c < s->calls + CALLS); /* an answer to a question, and only one */
        CU_ASSERT_EQUAL(c->peer, peer);
        c->used = 0;
        answered++;
    }
}

static void take(struct node *n, uint32_t peer, uint64_t id, uint64_t size, const unsigned char *bytes)
{
    int yes = draw(5) > 0;

    CU_ASSERT(is_painted(bytes, size, id, 100 + peer));
    finish(n, peer, id, 1);
    *(yes ? &n->said_yes : &n->said_no) += 1;
    kith__proto_settle(n->proto, peer, id, yes);
}

static uint64_t on_reply(void *context, uint32_t peer, const struct kith__reply *r, const void *bytes)
{
    struct node *n = context;
    struct pending *p = n->awaited;

    if (!bytes) {
        while (p->used)
            p++;
        *p = (struct pending){ r->id, r->size, peer, 1 };
        return new_block(r->size);
    }
    if (r->flags & GIVES)
        take(n, peer, r->id, r->size, bytes);
    else
        finish(n, peer, r->id, r->count);
    return 0;
}

static void on_arrived(void *context, uint32_t peer, uint64_t id, int reply, uint64_t block)
{
    struct node *n = context;
    struct pending *p = reply ? n->awaited : n->pending;
    struct block *b = block_of(block);

    while (!p->used || p->id != id || p->peer != peer)
        p++;
    p->used = 0;
    CU_ASSERT(b->size == p->size && b->filled == b->size);
    if (reply)
        take(n, peer, id, p->size, b->bytes);
    else
        carry_out(n, peer, id, p->size, b->bytes);
    drop_block(block);
}

static void on_granted(void *context, uint32_t peer, uint64_t id)
{
    (void)context;
    (void)peer;
    (void)id;
}

static void on_settled(void *context, uint32_t peer, uint64_t id, int yes)
{
    struct node *n = context;
    struct given *g = n->given;

    while (g < n->given + HELD && (!g->used || g->id != id || g->peer != peer))
        g++;
    CU_ASSERT_FATAL(g < n->given + HELD); /* settled once */
    g->used = 0;
    drop_block(g->block);
    *(yes ? &n->settled_yes : &n->settled_no) += 1;
}

static void on_cancelled(void *context, uint32_t peer, uint64_t id)
{
    (void)context;
    (void)peer;
    (void)id;
}

void drop_given(struct node *n, uint32_t peer)
{
    for (int i = 0; i < HELD; i++)
        if (n->given[i].used && n->given[i].peer == peer) {
            n->given[i].used = 0;
            drop_block(n->given[i].block);
        }
}

void forget_peer(struct node *n, uint32_t peer)
{
    drop_given(n, peer);
    for (int i = 0; i < HELD; i++) {
        if (n->pending[i].peer == peer)
            n->pending[i].used = 0;
        if (n->awaited[i].peer == peer)
            n->awaited[i].used = 0;
    }
    for (int s = 0; s < SEATS; s++)
        for (int i = 0; i < CALLS; i++)
            if (n->seats[s].calls[i].peer == peer)
                n->seats[s].calls[i].used = 0;
}

static void on_ended(void *context, uint32_t peer, enum kith__link_state how, const char *why)
{
    struct node *n = context;

    (void)why;
    CU_ASSERT_EQUAL(n->ended[peer], KITH__LINK_CLOSED);
    n->ended[peer] = how;
    forget_peer(n, peer);
}

static void on_job_over(void *context, uint32_t peer)
{
    (void)peer;
    ((struct node *)context)->over = 1;
}

static int is_connected(void *context, uint32_t peer)
{
    (void)context;
    (void)peer;
    return connected;
}

/* From where the last one ended, and in steps. */
static uint64_t fill(void *context, uint64_t block, uint64_t from, uint64_t to)
{
    struct block *b = block_of(block);

    (void)context;
    CU_ASSERT(from == b->filled && to > from && to <= b->size);
    b->filled = to + b->size / 10 < b->size ? to + b->size / 10 : b->size;
    return b->filled;
}

static void on_doubted(void *context, uint32_t peer)
{
    struct node *n = context;

    CU_ASSERT_EQUAL(n->ended[peer], KITH__LINK_CLOSED);
    n->doubted[peer]++;
}

const struct kith__proto_events node_events = { at,           release,    on_request,   on_reply, on_arrived,
                                                on_granted,   on_settled, on_cancelled, on_ended, on_job_over,
                                                is_connected, fill,       on_doubted };

/* ---- what it wants */

void ask(struct node *n, int64_t now)
{
    struct seat *s;
    struct kith__request r = { .op = 1 };
    uint64_t seat = draw(SEATS), block = 0;
    unsigned char bytes[256];
    uint32_t peer = (uint32_t)draw(NODES);
    int i = 0;

    s = &n->seats[seat];
    while (i < CALLS && s->calls[i].used)
        i++;
    if (i == CALLS || s->wanted == 0 || n->ended[peer])
        return;
    /* One that follows in pieces overtakes nobody, and is not overtaken: the caller's duty. */
    for (int k = 0; k < CALLS; k++)
        if (s->calls[k].used && (s->calls[k].size > KITH__INLINE_MOST || s->calls[k].peer != peer))
            return;
    r.size = some_size();
    if (r.size > KITH__INLINE_MOST && i > 0)
        return;
    s->wanted--;
    r.id = seat << 48 | ++s->count;
    s->calls[i] = (struct call){ r.id, r.size, peer, 1, 0 };
    if (r.size < sizeof bytes && draw(2))
        paint(bytes, r.size, r.id, n->number);
    else
        paint(block_of(block = new_block(r.size))->bytes, r.size, r.id, n->number);
    PASS(kith__proto_request(n->proto, peer, &r, block ? NULL : bytes, block, now));
}

/* ---- all of them */

struct kith__proto_config config_of(uint32_t node, uint64_t job)
{
    const int64_t ms = 1000000;

    return (struct kith__proto_config){ node,      NODES,      job,     500 * ms,  10000 * ms,
                                        3000 * ms, 60000 * ms, 1 << 20, 1000 * ms, NULL };
}

void start_nodes(void)
{
    memset(nodes, 0, sizeof nodes);
    carried_out = answered = 0;
    connected = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        struct kith__proto_config c = config_of(i, JOB);

        nodes[i].number = i;
        nodes[i].proto = kith__proto_new(&c, &node_events, &nodes[i]);
    }
}

void stop_nodes(void)
{
    for (int i = 0; i < NODES; i++)
        kith__proto_free(nodes[i].proto);
}
