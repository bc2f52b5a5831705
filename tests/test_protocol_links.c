/* test_protocol_links.c: links between nodes: when one is lost, and when it is not; what it costs, and its
 * last word. */
#include "config.h"
#include "check.h"
#include "protocol/bytes.h"
#include "protocol/net.h"

static void peer_that_dies_is_lost_within_the_limit(void)
{
    begin_net(7);
    want(100);
    pass(2000, 1);
    nodes[2].dead = 1;
    pass(2400, 1);
    CU_ASSERT_EQUAL(nodes[0].ended[2], KITH__LINK_CLOSED);
    pass(1500, 1);
    for (int i = 0; i < NODES; i++)
        if (i != 2) {
            CU_ASSERT_EQUAL(nodes[i].ended[2], KITH__LINK_LOST);
            FAILS_WITH(KITH_EPEER, kith__proto_open(nodes[i].proto, 2, net.now));
        }
    /* It stays lost, also when it wakes up; it learns that it is alone. */
    nodes[2].dead = 0;
    pass(100, 1);
    connected = 0;
    pass(20000, 1);
    CU_ASSERT_EQUAL(nodes[0].ended[2], KITH__LINK_LOST);
    CU_ASSERT_EQUAL(nodes[2].ended[0], KITH__LINK_LOST);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    say_goodbye();
    end_net();
    for (int i = 0; i < NODES; i++)
        forget_peer(&nodes[i], (uint32_t)i);
}

/* Also those that have never talked to it know so, and need not wait long for its first word. */
static void what_node_0_has_lost_is_lost_for_all(void)
{
    begin_net(13);
    for (uint32_t i = 1; i < NODES; i++)
        PASS(kith__proto_open(nodes[i].proto, 0, net.now));
    pass(1000, 0);
    nodes[2].dead = 1;
    pass(1000, 0);
    PASS(kith__proto_open(nodes[1].proto, 2, net.now));
    pass(3500, 0);
    for (uint32_t i = 0; i < NODES; i++) {
        if (i == 2)
            continue;
        CU_ASSERT_EQUAL(nodes[i].ended[2], KITH__LINK_LOST);
        FAILS_WITH(KITH_EPEER, kith__proto_open(nodes[i].proto, 2, net.now));
        for (uint32_t k = 0; k < NODES; k++)
            CU_ASSERT(k == 2 || nodes[i].ended[k] == KITH__LINK_CLOSED);
    }
    end_net();
}

/* Again and again, until it says something. */
static void silent_peer_is_in_doubt(void)
{
    begin_net(12);
    PASS(kith__proto_open(nodes[0].proto, 1, net.now));
    pass(5000, 0);
    CU_ASSERT_EQUAL(nodes[0].doubted[1], 0);
    cut(0, 1, 1);
    pass(400, 0);
    CU_ASSERT_EQUAL(nodes[0].doubted[1], 0);
    pass(1500, 0);
    CU_ASSERT(nodes[0].doubted[1] >= 4 && nodes[0].doubted[1] <= 20);
    cut(0, 1, 0);
    pass(1000, 0);
    nodes[0].doubted[1] = 0;
    pass(5000, 0);
    CU_ASSERT_EQUAL(nodes[0].doubted[1], 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    end_net();
}

static void peer_that_never_answers_is_lost_later(void)
{
    begin_net(8);
    cut(0, 1, 1);
    PASS(kith__proto_open(nodes[0].proto, 1, net.now));
    pass(9000, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    pass(2000, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_LOST);
    end_net();
}

static void silent_peer_with_a_connection_is_only_stopped(void)
{
    begin_net(9);
    PASS(kith__proto_open(nodes[0].proto, 1, net.now));
    pass(1000, 0);
    connected = 1;
    nodes[1].dead = 1;
    pass(30000, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    nodes[1].dead = 0;
    pass(30000, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    CU_ASSERT_EQUAL(nodes[1].ended[0], KITH__LINK_CLOSED);
    nodes[1].dead = 1;
    pass(61000, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_LOST);
    end_net();
}

static void gap_in_the_own_clock_is_forgiven(void)
{
    begin_net(10);
    PASS(kith__proto_open(nodes[0].proto, 1, net.now));
    pass(1000, 0);
    skip(100000); /* all were stopped: Ctrl-Z, a suspended machine */
    pass(10000, 0);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_CLOSED);
    CU_ASSERT_EQUAL(nodes[1].ended[0], KITH__LINK_CLOSED);
    /* But a link that was opened after a long idle time has not got that time on top. */
    skip(1000000);
    PASS(kith__proto_open(nodes[2].proto, 3, net.now));
    pass(1000, 0);
    nodes[3].dead = 1;
    pass(5000, 0);
    CU_ASSERT_EQUAL(nodes[2].ended[3], KITH__LINK_LOST);
    end_net();
}

static void idle_link_costs_two_frames_a_second(void)
{
    struct kith__out out;
    int frames = 0;

    begin_net(11);
    PASS(kith__proto_open(nodes[0].proto, 1, net.now));
    for (int i = 0; i < 1000; i++) {
        skip(10);
        kith__proto_tick(nodes[0].proto, net.now);
        while (kith__proto_next(nodes[0].proto, &out, net.now)) {
            kith__proto_sent(nodes[0].proto, &out, 1, net.now);
            frames++;
        }
        if (i % 50 == 0) {
            kith__proto_tick(nodes[1].proto, net.now);
            if (i == 0)
                kith__proto_open(nodes[1].proto, 0, net.now);
            while (kith__proto_next(nodes[1].proto, &out, net.now)) {
                transmit(&out, 1);
                kith__proto_sent(nodes[1].proto, &out, 1, net.now);
            }
            skip(1);
            deliver();
        }
    }
    CU_ASSERT(frames >= 18 && frames <= 24);
    end_net();
}

/* A call crosses the goodbye: what would be said to it is not, since nobody would acknowledge it. */
static void goodbye_is_the_last_word(void)
{
    struct kith__request r = { .id = 1, .op = 1 };

    for (uint64_t seed = 20; seed < 30; seed++) {
        begin_net(seed);
        PASS(kith__proto_open(nodes[0].proto, 1, net.now));
        pass(1000, 0);
        PASS(kith__proto_request(nodes[1].proto, 0, &r, "", 0, net.now));
        kith__proto_leave(nodes[0].proto, KITH__BYE_NODE);
        pass(1000, 0);
        CU_ASSERT_EQUAL(carried_out, 1);
        CU_ASSERT_EQUAL(nodes[1].ended[0], KITH__LINK_LEFT);
        CU_ASSERT(kith__proto_left(nodes[0].proto));
        end_net();
        for (int i = 0; i < NODES; i++)
            for (int k = 0; k < NODES; k++)
                forget_peer(&nodes[i], (uint32_t)k);
        CU_ASSERT_EQUAL(blocks_in_use(), 0);
    }
}

static struct test tests[] = { TEST(peer_that_dies_is_lost_within_the_limit),
                               TEST(what_node_0_has_lost_is_lost_for_all),
                               TEST(silent_peer_is_in_doubt),
                               TEST_LIKE(peer_that_never_answers_is_lost_later, "TestTimeouts.test_timeout"),
                               TEST(silent_peer_with_a_connection_is_only_stopped),
                               TEST(gap_in_the_own_clock_is_forgiven),
                               TEST(idle_link_costs_two_frames_a_second),
                               TEST(goodbye_is_the_last_word),
                               TEST_END };

int main(void)
{
    return run_tests("protocol_links", tests);
}
