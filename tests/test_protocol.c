/* test_protocol.c: calls between nodes in one process (protocol/node.h), on a network that does what networks
 * do (protocol/net.h) under a seed: each is carried out once and answered once. KITH_TEST_SEED=n repeats one
 * run. */
#include "config.h"
#include "check.h"
#include "protocol/bytes.h"
#include "protocol/net.h"

static void run(uint64_t seed, int lose, int repeat, int delay, int truncate)
{
    uint64_t calls;

    begin_net(seed);
    calls = want(100);
    net.weather.lose = lose;
    net.weather.repeat = repeat;
    net.weather.delay = delay;
    net.weather.truncate = truncate;
    for (int i = 0; i < 100 && left_to_ask() > 0; i++)
        pass(1000, 1);
    pass(20000, 0);
    CU_ASSERT_EQUAL(left_to_ask(), 0);
    CU_ASSERT_EQUAL(carried_out, calls);
    CU_ASSERT_EQUAL(answered, calls);
    all_is_settled();
    say_goodbye();
    end_net();
    CU_ASSERT_EQUAL(blocks_in_use(), 0);
}

static void calm_network_carries_each_call_once(void)
{
    run(1, 0, 0, 0, 0);
}

/* What is on its way for long is not lost: to send it again and again would leave no room for anything else.
 */
static void slow_line_is_not_filled_with_repetitions(void)
{
    uint64_t calls;

    begin_net(2);
    connected = 1; /* signs of life are behind all that waits */
    net.rate =
        250; /* 2 Mbit/s: at half of it three windows of 1 MiB take as long as a silent peer is given */
    calls = want(40);
    for (int i = 0; i < 4000 && answered < calls; i++)
        pass(1000, 20);
    pass(60000, 0);
    CU_ASSERT_EQUAL(answered, calls);
    CU_ASSERT(net.resent_bytes < net.fresh_bytes);
    net.rate = 0;
    say_goodbye();
    end_net();
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
    /* A run takes some seconds under valgrind. */
    for (uint64_t seed = 100; seed < (slowdown() < 10 ? 106 : 102); seed++)
        run(seed, 30, 50, 30, 20);
}

static void cut_connection_that_comes_back_loses_nothing(void)
{
    uint64_t calls;

    begin_net(6);
    calls = want(100);
    for (int i = 0; i < 60; i++) {
        uint32_t a = (uint32_t)draw(NODES), b = (uint32_t)draw(NODES);

        pass((int64_t)draw(200), 1);
        cut(a, b, 1);
        pass((int64_t)draw(2000), 1);
        cut(a, b, 0);
        pass(1000, 1);
    }
    pass(20000, 0);
    CU_ASSERT_EQUAL(carried_out, calls);
    CU_ASSERT_EQUAL(answered, calls);
    all_is_settled();
    say_goodbye();
    end_net();
}

static void confirmations_in_a_row_are_one_message(void)
{
    struct kith__out out;
    size_t bytes = 0;

    begin_net(12);
    PASS(kith__proto_open(nodes[0].proto, 1, net.now));
    for (uint64_t i = 1; i <= 10000; i++)
        kith__proto_confirm(nodes[0].proto, 1, i, 4);
    while (kith__proto_next(nodes[0].proto, &out, net.now)) {
        bytes += out.body_size;
        kith__proto_sent(nodes[0].proto, &out, 1, net.now);
    }
    CU_ASSERT(bytes > 0 && bytes < 100);
    end_net();
}

static struct test tests[] = { TEST(calm_network_carries_each_call_once),
                               TEST(slow_line_is_not_filled_with_repetitions),
                               TEST(lost_frames_are_sent_again),
                               TEST(repeated_frames_are_not_done_twice),
                               TEST(late_frames_are_put_in_order),
                               TEST(truncated_frames_count_as_lost),
                               TEST(bad_weather_loses_nothing),
                               TEST(cut_connection_that_comes_back_loses_nothing),
                               TEST(confirmations_in_a_row_are_one_message),
                               TEST_END };

int main(void)
{
    return run_tests("protocol", tests);
}
