/* test_protocol.c: many nodes in one process, on a network that loses, delays, repeats, cuts and truncates under a
 * seed, with a clock that the test moves; and frames of random bytes. KITH_TEST_SEED=n repeats one run. */
#include "config.h"
#include "check.h"
#include "net/lane.h"
#include "net/protocol.h"

enum { NODES = 4, SEATS = 3, BLOCKS = 4096, FRAMES = 1 << 16, LARGEST = 700000, GIVES = 2 };

static const int64_t ms = 1000000;

/* ------------------------------------------------------- a generator of its own, for the seed */

static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = state;

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return below ? (z ^ z >> 31) % below : 0;
}

/* ------------------------------------------------------------------------ the world */

struct flying { int64_t at; uint32_t from, to; size_t size; unsigned char *bytes; };

struct call {                           /* of a seat that waits, or has put behind */
    uint64_t id, size;
    uint32_t peer;
    int used, done;
};

struct seat { uint64_t count; struct call calls[8]; uint64_t wanted; };

struct served { uint64_t last[NODES][SEATS]; };     /* by node and seat: the last call that was carried out */

struct pending { uint64_t id, size; uint32_t peer; int used; };

struct given { uint64_t id, block; uint32_t peer; int used; };

static struct node {
    struct kith__proto *proto;
    uint32_t number;
    int dead, over;
    enum kith__link_state ended[NODES];
    struct seat seats[SEATS];
    struct served served;
    struct pending pending[256];        /* requests whose bytes are on their way */
    struct pending awaited[256];        /* replies likewise */
    struct given given[256];            /* replies that are not settled */
    uint64_t settled_yes, settled_no, said_yes, said_no;
} nodes[NODES];

static struct { void *bytes; uint64_t size; } blocks[BLOCKS];
static struct flying flying[FRAMES];
static int in_flight;
static int64_t now;
static uint64_t carried_out, answered;
static struct { int lose, repeat, delay, truncate; } weather;    /* of 1000 */
static uint64_t rate;                   /* bytes a ms that a node can send; 0: any */
static int64_t busy_until[NODES];       /* with what it has to send */
static uint64_t fresh_bytes, resent_bytes;
static int cut[NODES][NODES], connected, fuzzing;

static uint64_t block_of(uint64_t size)
{
    for (uint64_t i = 1; i < BLOCKS; i++)
        if (!blocks[i].bytes) {
            blocks[i].bytes = malloc(size ? size : 1);
            blocks[i].size = size;
            return i;
        }
    abort();
}

static void drop_block(uint64_t block)
{
    CU_ASSERT_FATAL(block > 0 && block < BLOCKS && blocks[block].bytes);
    free(blocks[block].bytes);
    blocks[block].bytes = NULL;
}

static int blocks_in_use(void)
{
    int n = 0;

    for (int i = 0; i < BLOCKS; i++)
        n += blocks[i].bytes != NULL;
    return n;
}

/* What the bytes of call id of a node must be; replies have another salt. */
static void paint(unsigned char *at, uint64_t size, uint64_t id, uint32_t salt)
{
    for (uint64_t i = 0; i < size; i++)
        at[i] = (unsigned char)(id * 31 + salt * 7 + i * 13 + (i >> 8));
}

static int is_painted(const unsigned char *at, uint64_t size, uint64_t id, uint32_t salt)
{
    for (uint64_t i = 0; i < size; i++)
        if (at[i] != (unsigned char)(id * 31 + salt * 7 + i * 13 + (i >> 8)))
            return 0;
    return 1;
}

static uint64_t some_size(void)
{
    switch (draw(8)) {
    case 0: return 0;
    case 1: return KITH__INLINE_MOST;
    case 2: return KITH__INLINE_MOST + 1;
    case 3: return KITH__PIECE_MOST + draw(3) - 1;
    case 4: return draw(LARGEST);
    default: return draw(200);
    }
}

/* ----------------------------------------------------------- what the agents would do */

static void *at(void *context, uint64_t block)
{
    (void)context;
    CU_ASSERT_FATAL(block > 0 && block < BLOCKS && blocks[block].bytes);
    return blocks[block].bytes;
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

    CU_ASSERT(fuzzing || is_painted(bytes, size, id, peer));
    CU_ASSERT(fuzzing || count > n->served.last[peer][seat]);      /* never twice */
    n->served.last[peer][seat] = count;
    carried_out++;
    if (draw(4) == 0) {
        kith__proto_confirm(n->proto, peer, id, 4);
        return;
    }
    while (g->used)
        g++;
    *g = (struct given){ id, block_of(r.size), peer, 1 };
    paint(blocks[g->block].bytes, r.size, id, 100 + n->number);
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
    return block_of(r->size);
}

static void finish(struct node *n, uint32_t peer, uint64_t id, uint64_t count)
{
    struct seat *s = &n->seats[id >> 48];

    for (uint64_t k = id; k < id + count; k++) {
        struct call *c = s->calls;

        while (c < s->calls + 8 && (!c->used || c->id != k))
            c++;
        CU_ASSERT_FATAL(c < s->calls + 8);      /* an answer to a question, and only one */
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
        return block_of(r->size);
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

    while (!p->used || p->id != id || p->peer != peer)
        p++;
    p->used = 0;
    CU_ASSERT_EQUAL(blocks[block].size, p->size);
    if (reply)
        take(n, peer, id, p->size, blocks[block].bytes);
    else
        carry_out(n, peer, id, p->size, blocks[block].bytes);
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

    while (g < n->given + 256 && (!g->used || g->id != id || g->peer != peer))
        g++;
    CU_ASSERT_FATAL(g < n->given + 256);        /* settled once */
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

static void forget_peer(struct node *n, uint32_t peer)
{
    for (int i = 0; i < 256; i++) {
        if (n->given[i].used && n->given[i].peer == peer) {
            n->given[i].used = 0;
            drop_block(n->given[i].block);
        }
        if (n->pending[i].peer == peer)
            n->pending[i].used = 0;
        if (n->awaited[i].peer == peer)
            n->awaited[i].used = 0;
    }
    for (int s = 0; s < SEATS; s++)
        for (int i = 0; i < 8; i++)
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

static const struct kith__proto_events events = { at, release, on_request, on_reply, on_arrived, on_granted, on_settled,
                                                  on_cancelled, on_ended, on_job_over, is_connected };

/* ---------------------------------------------------------------------- the network */

static void fly(uint32_t from, uint32_t to, int64_t delay, const unsigned char *bytes, size_t size)
{
    struct flying *f = &flying[in_flight++];

    CU_ASSERT_FATAL(in_flight < FRAMES);
    *f = (struct flying){ now + delay, from, to, size, malloc(size) };
    memcpy(f->bytes, bytes, size);
}

static void transmit(const struct kith__out *out, uint32_t from)
{
    unsigned char *frame = malloc(out->head_size + out->body_size);
    size_t size = out->head_size + out->body_size;
    int64_t delay = (int64_t)draw(3) * ms / 10 + (draw(1000) < (uint64_t)weather.delay ? (int64_t)draw(300) * ms : 0);

    CU_ASSERT(size <= KITH__FRAME_MOST);
    if (rate) {
        busy_until[from] = (busy_until[from] < now ? now : busy_until[from]) + (int64_t)(size * (uint64_t)ms / rate);
        delay += busy_until[from] - now;
    }
    if (out->frame && ((struct kith__frame *)out->frame)->sent > 0)
        resent_bytes += size;
    else
        fresh_bytes += size;
    memcpy(frame, out->head, out->head_size);
    if (out->body_size > 0)
        memcpy(frame + out->head_size, out->body, out->body_size);
    if (draw(1000) < (uint64_t)weather.truncate)
        size = draw(size);
    if (!cut[from][out->peer] && draw(1000) >= (uint64_t)weather.lose)
        fly(from, out->peer, delay, frame, size);
    if (!cut[from][out->peer] && draw(1000) < (uint64_t)weather.repeat)
        fly(from, out->peer, delay + (int64_t)draw(50) * ms, frame, size);
    free(frame);
}

/* Delivers what is due; when the next one is. */
static int64_t deliver(void)
{
    int64_t next = INT64_MAX;

    for (int i = 0; i < in_flight; i++) {
        struct flying f = flying[i];

        if (f.at > now) {
            next = f.at < next ? f.at : next;
            continue;
        }
        flying[i--] = flying[--in_flight];
        if (!nodes[f.to].dead)
            kith__proto_receive(nodes[f.to].proto, f.from, f.bytes, f.size, now);
        free(f.bytes);
    }
    return next;
}

static void ask(struct node *n)
{
    struct seat *s;
    struct kith__request r = { .op = 1 };
    uint64_t seat = draw(SEATS), block = 0;
    unsigned char bytes[256];
    uint32_t peer = (uint32_t)draw(NODES);
    int i = 0;

    s = &n->seats[seat];
    while (i < 8 && s->calls[i].used)
        i++;
    if (i == 8 || s->wanted == 0 || n->ended[peer])
        return;
    /* One that follows in pieces overtakes nobody, and is not overtaken: the caller's duty. */
    for (int k = 0; k < 8; k++)
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
        paint(blocks[block = block_of(r.size)].bytes, r.size, r.id, n->number);
    PASS(kith__proto_request(n->proto, peer, &r, block ? NULL : bytes, block, now));
}

static int64_t turn(struct node *n)
{
    struct kith__out out;
    int64_t due;

    due = kith__proto_tick(n->proto, now);
    kith__proto_unblock(n->proto);
    while (kith__proto_next(n->proto, &out, now)) {
        int taken = draw(100) > 0;

        if (taken)
            transmit(&out, n->number);
        kith__proto_sent(n->proto, &out, taken, now);
        if (!taken)
            due = now + ms;
    }
    return due;
}

/* Lets time pass until then, or nothing more will happen. */
static void pass(int64_t until, int asking)
{
    while (now < until) {
        int64_t next = deliver();

        for (int i = 0; i < NODES; i++) {
            int64_t due;

            if (nodes[i].dead)
                continue;
            if (asking)
                ask(&nodes[i]);
            due = turn(&nodes[i]);
            next = due < next ? due : next;
        }
        if (asking && next > now + ms)
            next = now + ms;
        now = next <= now ? now + ms / 100 : next < until ? next : until;
    }
}

static void begin(uint64_t seed)
{
    const char *own = getenv("KITH_TEST_SEED");

    state = own ? strtoull(own, NULL, 0) : seed;
    now = 1000 * ms;
    carried_out = answered = 0;
    connected = 0;
    rate = fresh_bytes = resent_bytes = 0;
    memset(busy_until, 0, sizeof busy_until);
    memset(&weather, 0, sizeof weather);
    memset(cut, 0, sizeof cut);
    memset(nodes, 0, sizeof nodes);
    for (uint32_t i = 0; i < NODES; i++) {
        struct kith__proto_config c = { i, NODES, 77, 500 * ms, 10000 * ms, 3000 * ms, 60000 * ms, 1 << 20 };

        nodes[i].number = i;
        nodes[i].proto = kith__proto_new(&c, &events, &nodes[i]);
    }
}

static void finish_world(void)
{
    for (int i = 0; i < NODES; i++)
        kith__proto_free(nodes[i].proto);
    for (; in_flight > 0; in_flight--)
        free(flying[in_flight - 1].bytes);
}

static uint64_t want(uint64_t calls)
{
    for (int i = 0; i < NODES; i++)
        for (int s = 0; s < SEATS; s++)
            nodes[i].seats[s].wanted = calls;
    return NODES * SEATS * calls;
}

static uint64_t left_to_ask(void)
{
    uint64_t n = 0;

    for (int i = 0; i < NODES; i++)
        for (int s = 0; s < SEATS; s++)
            n += nodes[i].seats[s].wanted;
    return n;
}

static void say_goodbye(void)
{
    kith__proto_leave(nodes[0].proto, KITH__BYE_JOB);
    pass(now + 30000 * ms, 0);
    for (int i = 1; i < NODES; i++) {
        CU_ASSERT(nodes[i].over || nodes[i].ended[0] == KITH__LINK_LOST);
        kith__proto_leave(nodes[i].proto, KITH__BYE_NODE);
    }
    pass(now + 30000 * ms, 0);
    for (int i = 0; i < NODES; i++)
        CU_ASSERT(kith__proto_left(nodes[i].proto));
}

static void all_is_settled(void)
{
    uint64_t yes = 0, no = 0, said_yes = 0, said_no = 0;

    for (int i = 0; i < NODES; i++) {
        yes += nodes[i].settled_yes;
        no += nodes[i].settled_no;
        said_yes += nodes[i].said_yes;
        said_no += nodes[i].said_no;
        for (int k = 0; k < NODES; k++)
            CU_ASSERT_EQUAL(nodes[i].ended[k], KITH__LINK_CLOSED);
    }
    CU_ASSERT_EQUAL(yes, said_yes);
    CU_ASSERT_EQUAL(no, said_no);
    CU_ASSERT(yes > 0 && no > 0);
    CU_ASSERT_EQUAL(blocks_in_use(), 0);
}

/* ------------------------------------------------------------------------- tests */

static void run(uint64_t seed, int lose, int repeat, int delay, int truncate)
{
    uint64_t calls;

    begin(seed);
    calls = want(100);
    weather.lose = lose;
    weather.repeat = repeat;
    weather.delay = delay;
    weather.truncate = truncate;
    for (int i = 0; i < 100 && left_to_ask() > 0; i++)
        pass(now + 1000 * ms, 1);
    pass(now + 20000 * ms, 0);
    CU_ASSERT_EQUAL(left_to_ask(), 0);
    CU_ASSERT_EQUAL(carried_out, calls);
    CU_ASSERT_EQUAL(answered, calls);
    all_is_settled();
    say_goodbye();
    finish_world();
    CU_ASSERT_EQUAL(blocks_in_use(), 0);
}

static void calm_network_carries_each_call_once(void)
{
    run(1, 0, 0, 0, 0);
}

/* What is on its way for long is not lost: to send it again and again would leave no room for anything else. */
static void slow_line_is_not_filled_with_repetitions(void)
{
    uint64_t calls;

    begin(2);
    connected = 1;                      /* signs of life are behind all that waits */
    rate = 125;                         /* 1 Mbit/s */
    calls = want(40);
    for (int i = 0; i < 4000 && answered < calls; i++)
        pass(now + 1000 * ms, 1);
    pass(now + 60000 * ms, 0);
    CU_ASSERT_EQUAL(answered, calls);
    CU_ASSERT(resent_bytes < fresh_bytes);
    rate = 0;
    say_goodbye();
    finish_world();
}

static void lost_frames_are_sent_again(void)
{
    run(2, 50, 0, 0, 0);
}

static void repeated_frames_are_not_done_twice(void)
{
    run(3, 0, 300, 0, 0);
}

static void late_frames_are_put_in_order(void)
{
    run(4, 0, 0, 100, 0);
}

static void truncated_frames_count_as_lost(void)
{
    run(5, 0, 0, 0, 50);
}

static void bad_weather_loses_nothing(void)
{
    for (uint64_t seed = 100; seed < 106; seed++)
        run(seed, 30, 50, 30, 20);
}

static void cut_connection_that_comes_back_loses_nothing(void)
{
    uint64_t calls;

    begin(6);
    calls = want(100);
    for (int i = 0; i < 60; i++) {
        uint32_t a = (uint32_t)draw(NODES), b = (uint32_t)draw(NODES);

        pass(now + (int64_t)draw(200) * ms, 1);
        cut[a][b] = cut[b][a] = 1;
        pass(now + (int64_t)draw(2000) * ms, 1);
        cut[a][b] = cut[b][a] = 0;
        pass(now + 1000 * ms, 1);
    }
    pass(now + 20000 * ms, 0);
    CU_ASSERT_EQUAL(carried_out, calls);
    CU_ASSERT_EQUAL(answered, calls);
    all_is_settled();
    say_goodbye();
    finish_world();
}

static void peer_that_dies_is_lost_within_the_limit(void)
{
    begin(7);
    want(100);
    pass(now + 2000 * ms, 1);
    nodes[2].dead = 1;
    pass(now + 2400 * ms, 1);
    CU_ASSERT_EQUAL(nodes[0].ended[2], KITH__LINK_CLOSED);
    pass(now + 1500 * ms, 1);
    for (int i = 0; i < NODES; i++)
        if (i != 2) {
            CU_ASSERT_EQUAL(nodes[i].ended[2], KITH__LINK_LOST);
            FAILS_WITH(KITH_EPEER, kith__proto_open(nodes[i].proto, 2, now));
        }
    /* It stays lost, also when it wakes up; it learns that it is alone. */
    nodes[2].dead = 0;
    pass(now + 100 * ms, 1);
    connected = 0;
    pass(now + 20000 * ms, 1);
    CU_ASSERT_EQUAL(nodes[0].ended[2], KITH__LINK_LOST);
    CU_ASSERT_EQUAL(nodes[2].ended[0], KITH__LINK_LOST);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    say_goodbye();
    finish_world();
    for (int i = 0; i < NODES; i++)
        forget_peer(&nodes[i], (uint32_t)i);
}

static void peer_that_never_answers_is_lost_later(void)
{
    begin(8);
    cut[0][1] = cut[1][0] = 1;
    PASS(kith__proto_open(nodes[0].proto, 1, now));
    pass(now + 9000 * ms, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    pass(now + 2000 * ms, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_LOST);
    finish_world();
}

static void silent_peer_with_a_connection_is_only_stopped(void)
{
    begin(9);
    PASS(kith__proto_open(nodes[0].proto, 1, now));
    pass(now + 1000 * ms, 0);
    connected = 1;
    nodes[1].dead = 1;
    pass(now + 30000 * ms, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    nodes[1].dead = 0;
    pass(now + 30000 * ms, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    CU_ASSERT_EQUAL(nodes[1].ended[0], KITH__LINK_CLOSED);
    nodes[1].dead = 1;
    pass(now + 61000 * ms, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_LOST);
    finish_world();
}

static void gap_in_the_own_clock_is_forgiven(void)
{
    begin(10);
    PASS(kith__proto_open(nodes[0].proto, 1, now));
    pass(now + 1000 * ms, 0);
    now += 100000 * ms;                 /* all were stopped: Ctrl-Z, a suspended machine */
    pass(now + 10000 * ms, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    CU_ASSERT_EQUAL(nodes[1].ended[0], KITH__LINK_CLOSED);
    /* But a link that was opened after a long idle time has not got that time on top. */
    now += 1000000 * ms;
    PASS(kith__proto_open(nodes[2].proto, 3, now));
    pass(now + 1000 * ms, 0);
    nodes[3].dead = 1;
    pass(now + 5000 * ms, 0);
    CU_ASSERT_EQUAL(nodes[2].ended[3], KITH__LINK_LOST);
    finish_world();
}

static void idle_link_costs_two_frames_a_second(void)
{
    struct kith__out out;
    int frames = 0;

    begin(11);
    PASS(kith__proto_open(nodes[0].proto, 1, now));
    for (int i = 0; i < 1000; i++) {
        now += 10 * ms;
        kith__proto_tick(nodes[0].proto, now);
        while (kith__proto_next(nodes[0].proto, &out, now)) {
            kith__proto_sent(nodes[0].proto, &out, 1, now);
            frames++;
        }
        if (i % 50 == 0) {
            kith__proto_tick(nodes[1].proto, now);
            if (i == 0)
                kith__proto_open(nodes[1].proto, 0, now);
            while (kith__proto_next(nodes[1].proto, &out, now)) {
                transmit(&out, 1);
                kith__proto_sent(nodes[1].proto, &out, 1, now);
            }
            now += ms;
            deliver();
        }
    }
    CU_ASSERT(frames >= 18 && frames <= 24);
    finish_world();
}

static void confirmations_in_a_row_are_one_message(void)
{
    struct kith__out out;
    size_t bytes = 0;

    begin(12);
    PASS(kith__proto_open(nodes[0].proto, 1, now));
    for (uint64_t i = 1; i <= 10000; i++)
        kith__proto_confirm(nodes[0].proto, 1, i, 4);
    while (kith__proto_next(nodes[0].proto, &out, now)) {
        bytes += out.body_size;
        kith__proto_sent(nodes[0].proto, &out, 1, now);
    }
    CU_ASSERT(bytes > 0 && bytes < 100);
    finish_world();
}

/* A call crosses the goodbye: what would be said to it is not, since nobody would acknowledge it. */
static void goodbye_is_the_last_word(void)
{
    struct kith__request r = { .id = 1, .op = 1 };

    for (uint64_t seed = 20; seed < 30; seed++) {
        begin(seed);
        PASS(kith__proto_open(nodes[0].proto, 1, now));
        pass(now + 1000 * ms, 0);
        PASS(kith__proto_request(nodes[1].proto, 0, &r, "", 0, now));
        kith__proto_leave(nodes[0].proto, KITH__BYE_NODE);
        pass(now + 1000 * ms, 0);
        CU_ASSERT_EQUAL(carried_out, 1);
        CU_ASSERT_EQUAL(nodes[1].ended[0], KITH__LINK_LEFT);
        CU_ASSERT(kith__proto_left(nodes[0].proto));
        finish_world();
        for (int i = 0; i < NODES; i++)
            for (int k = 0; k < NODES; k++)
                forget_peer(&nodes[i], (uint32_t)k);
        CU_ASSERT_EQUAL(blocks_in_use(), 0);
    }
}

static void frame_of_another_job_is_ignored(void)
{
    struct kith__proto_config c = { 1, NODES, 78, 500 * ms, 10000 * ms, 3000 * ms, 60000 * ms, 1 << 20 };
    struct kith__proto *stranger;
    struct kith__out out;

    begin(13);
    stranger = kith__proto_new(&c, &events, &nodes[1]);
    PASS(kith__proto_open(stranger, 0, now));
    CU_ASSERT_EQUAL(kith__proto_next(stranger, &out, now), 1);
    kith__proto_receive(nodes[0].proto, 1, out.head, out.head_size, now);
    CU_ASSERT_EQUAL(kith__proto_state(nodes[0].proto, 1), KITH__LINK_CLOSED);
    kith__proto_free(stranger);
    finish_world();
}

/* Gives node 0 a frame of node 1 with that message. */
static void hear_message(struct kith__message *m, uint32_t lane, uint64_t seq, uint32_t tail_size)
{
    unsigned char *frame = calloc(1, KITH__FRAME_MOST);
    struct kith__header h = { .from = 1, .job = 77, .lane = (uint8_t)lane, .seq = seq };

    m->tail_size = tail_size;
    h.size = (uint32_t)(KITH__HEADER_SIZE + kith__message_encode(frame + KITH__HEADER_SIZE, m)) + tail_size;
    kith__header_encode(frame, &h);
    kith__proto_receive(nodes[0].proto, 1, frame, h.size, now);
    free(frame);
}

static void piece_that_does_not_fit_costs_the_link(void)
{
    static const struct { uint64_t offset; uint32_t size; int fits; } pieces[] = {
        { 0, 1000, 1 }, { 39000, 1000, 1 }, { 39001, 1000, 0 }, { 0, 40001, 0 }, { 40000, 1, 0 }, { 40001, 0, 0 },
        { UINT64_MAX, 2, 0 }, { 40000, 0, 1 }
    };
    size_t n = sizeof pieces / sizeof pieces[0];

    for (size_t i = 0; i < n; i++) {
        struct kith__message request = { .kind = KITH__MESSAGE_REQUEST,
                                         .request = { .id = 7, .size = 40000, .flags = KITH__OUTSIDE } };
        struct kith__message piece = { .kind = KITH__MESSAGE_PIECE, .piece = { .id = 7, .offset = pieces[i].offset } };

        begin(15);
        hear_message(&request, 0, 1, 0);
        hear_message(&piece, 1, 1, pieces[i].size);
        CU_ASSERT_EQUAL(nodes[0].ended[1], pieces[i].fits ? KITH__LINK_CLOSED : KITH__LINK_LOST);
        finish_world();
        forget_peer(&nodes[0], 1);
        CU_ASSERT_EQUAL(blocks_in_use(), 0);
    }
}

static void sizes_that_contradict_each_other_cost_the_link(void)
{
    static const struct { uint64_t size; uint32_t tail; uint16_t flags; } requests[] = {
        { 10, 9, 0 }, { 10, 11, 0 }, { UINT64_MAX, 0, 0 }, { 100, 0, KITH__OUTSIDE }, { 50000, 10, KITH__OUTSIDE }
    };

    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct kith__message m = { .kind = KITH__MESSAGE_REQUEST,
                                   .request = { .id = 7, .size = requests[i].size, .flags = requests[i].flags } };

        begin(16);
        hear_message(&m, 0, 1, requests[i].tail);
        CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_LOST);
        CU_ASSERT_EQUAL(carried_out, 0);
        finish_world();
    }
}

static void acknowledgement_of_what_was_never_sent_costs_the_link(void)
{
    unsigned char frame[KITH__HEADER_SIZE];
    struct kith__header h = { .from = 1, .job = 77, .size = KITH__HEADER_SIZE, .ack = { { 0, 1, 0 } } };

    begin(17);
    kith__header_encode(frame, &h);
    kith__proto_receive(nodes[0].proto, 1, frame, sizeof frame, now);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_LOST);
    finish_world();
}

/* Sound frames with a few bytes changed, and random ones: no crash, and no memory but its own (address sanitizer). */
static void fuzzed_frames_do_no_harm(void)
{
    unsigned char *frame = malloc(KITH__FRAME_MOST);
    uint64_t most = getenv("KITH_TEST_LONG") ? 2000000 : 100000;
    struct kith__out out;

    begin(14);
    fuzzing = 1;                        /* the last test: what it hears is nobody's word */
    for (uint64_t round = 0; round < most; round++) {
        struct kith__header h = { .from = 1, .job = 77, .lane = (uint8_t)draw(KITH__LANES) };
        size_t size = KITH__HEADER_SIZE + draw(300);

        if (round % 64 == 0) {
            finish_world();
            for (int i = 0; i < NODES; i++)
                forget_peer(&nodes[i], 1);
            begin(round + 14);
        }
        for (size_t i = 0; i < size; i++)
            frame[i] = draw(3) ? 0 : (unsigned char)draw(256);
        if (draw(8)) {                  /* messages that are nearly right */
            struct kith__message m = { .kind = (enum kith__message_kind)draw(KITH__MESSAGE_KINDS) };

            m.request.id = draw(4);
            m.request.size = draw(2) ? draw(100) : KITH__INLINE_MOST + draw(100000);
            m.request.flags = (uint16_t)draw(2);
            if (m.kind == KITH__MESSAGE_PIECE)
                m.piece = (struct kith__piece){ draw(4), draw(2) ? 0 : draw(UINT64_MAX), (uint8_t)draw(2) };
            if (m.kind == KITH__MESSAGE_REPLY || m.kind == KITH__MESSAGE_SETTLE)
                continue;               /* the answers to what was not asked are the agent's to sort out */
            m.tail_size = draw(2) ? (uint32_t)m.request.size : (uint32_t)draw(200);
            size = KITH__HEADER_SIZE + kith__message_encode(frame + KITH__HEADER_SIZE, &m) + draw(2) * m.tail_size;
            if (size > KITH__FRAME_MOST)
                size = KITH__FRAME_MOST;
        }
        h.size = (uint32_t)(draw(20) ? size : draw(1000));
        h.seq = draw(4);
        h.ack.of[draw(3)] = draw(20) ? 0 : draw(10);
        kith__header_encode(frame, &h);
        if (draw(10) == 0)
            frame[draw(size)] ^= (unsigned char)(1 << draw(8));
        nodes[0].ended[1] = KITH__LINK_CLOSED;
        memset(nodes[0].served.last, 0, sizeof nodes[0].served.last);
        kith__proto_receive(nodes[0].proto, 1, frame, size, now);
        while (kith__proto_next(nodes[0].proto, &out, now))
            kith__proto_sent(nodes[0].proto, &out, 1, now);
        for (int i = 0; i < 256; i++)
            if (nodes[0].given[i].used) {
                nodes[0].given[i].used = 0;
                drop_block(nodes[0].given[i].block);
            }
    }
    finish_world();
    free(frame);
}

static struct test tests[] = {
    TEST(calm_network_carries_each_call_once),
    TEST(slow_line_is_not_filled_with_repetitions),
    TEST(lost_frames_are_sent_again),
    TEST(repeated_frames_are_not_done_twice),
    TEST(late_frames_are_put_in_order),
    TEST(truncated_frames_count_as_lost),
    TEST(bad_weather_loses_nothing),
    TEST(cut_connection_that_comes_back_loses_nothing),
    TEST(peer_that_dies_is_lost_within_the_limit),
    TEST(peer_that_never_answers_is_lost_later),
    TEST(silent_peer_with_a_connection_is_only_stopped),
    TEST(gap_in_the_own_clock_is_forgiven),
    TEST(idle_link_costs_two_frames_a_second),
    TEST(confirmations_in_a_row_are_one_message),
    TEST(goodbye_is_the_last_word),
    TEST(frame_of_another_job_is_ignored),
    TEST(piece_that_does_not_fit_costs_the_link),
    TEST(sizes_that_contradict_each_other_cost_the_link),
    TEST(acknowledgement_of_what_was_never_sent_costs_the_link),
    TEST(fuzzed_frames_do_no_harm),
    TEST_END
};

int main(void)
{
    return run_tests("protocol", tests);
}
