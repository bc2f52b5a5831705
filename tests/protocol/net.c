/* net.c: the loop of all nodes: what is due is delivered, each asks and sends, and
 * the clock goes on to the next moment at which something is to do. */
#include "config.h"
#include "../check.h"
#include "bytes.h"
#include "net.h"

static const int64_t ms = 1000000;

static void arrived(uint32_t from, uint32_t to, const void *bytes, size_t size)
{
    if (!nodes[to].dead)
        kith__proto_receive(nodes[to].proto, from, bytes, size, net.now);
}

int64_t deliver(void)
{
    return land(arrived);
}

static int64_t turn(struct node *n)
{
    struct kith__out out;
    int64_t due;

    due = kith__proto_tick(n->proto, net.now);
    kith__proto_unblock(n->proto);
    while (kith__proto_next(n->proto, &out, net.now)) {
        int taken = draw(100) > 0;

        if (taken)
            transmit(&out, n->number);
        kith__proto_sent(n->proto, &out, taken, net.now);
        if (!taken)
            due = net.now + ms;
    }
    return due;
}

void pass(int64_t duration_ms, int asking)
{
    int64_t until = net.now + duration_ms * ms;

    while (net.now < until) {
        int64_t next = deliver();

        for (int i = 0; i < NODES; i++) {
            int64_t due;

            if (nodes[i].dead)
                continue;
            if (asking)
                ask(&nodes[i], net.now);
            due = turn(&nodes[i]);
            next = due < next ? due : next;
        }
        if (asking && next > net.now + asking * ms)
            next = net.now + asking * ms;
        net.now = next <= net.now ? net.now + ms / 100 : next < until ? next : until;
    }
}

void skip(int64_t duration_ms)
{
    net.now += duration_ms * ms;
}

/* ---- from one end to the other */

void begin_net(uint64_t seed)
{
    seed_draw(seed);
    net = (struct net){ .now = 1000 * ms };
    start_nodes();
}

void end_net(void)
{
    stop_nodes();
    clear_sky();
}

uint64_t want(uint64_t calls)
{
    for (int i = 0; i < NODES; i++)
        for (int s = 0; s < SEATS; s++)
            nodes[i].seats[s].wanted = calls;
    return NODES * SEATS * calls;
}

uint64_t left_to_ask(void)
{
    uint64_t n = 0;

    for (int i = 0; i < NODES; i++)
        for (int s = 0; s < SEATS; s++)
            n += nodes[i].seats[s].wanted;
    return n;
}

void say_goodbye(void)
{
    kith__proto_leave(nodes[0].proto, KITH__BYE_JOB);
    pass(30000, 0);
    for (int i = 1; i < NODES; i++) {
        CU_ASSERT(nodes[i].over || nodes[i].ended[0] == KITH__LINK_LOST);
        kith__proto_leave(nodes[i].proto, KITH__BYE_NODE);
    }
    pass(30000, 0);
    for (int i = 0; i < NODES; i++)
        CU_ASSERT(kith__proto_left(nodes[i].proto));
}

void all_is_settled(void)
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
