/* test_delivery.c: what was given to callers of other nodes, and who has it when they do not take it. */
#include "config.h"
#include "agent/delivery.h"
#include "check.h"
#include "object/queue.h"
#include "shm/heap.h"

enum { NODE = 5, ANOTHER = 6 };

static struct kith__deliveries given;

static void put_three(kith_queue q)
{
    for (int i = 1; i <= 3; i++)
        PASS(kith_put(q, i));
}

/* As the agent does it for the call id of a thread of that node. */
static void give(kith_queue q, uint32_t node, uint64_t id)
{
    const struct kith__caller who = { node, 7, 1 };
    struct kith__args in = { .number = sizeof(int) };
    struct kith__result out;

    memset(&out, 0, sizeof out);
    CU_ASSERT_EQUAL_FATAL(kith__attempt(q.id, KITH__FIFO_KIND, KITH__QUEUE_GET, &who, &in, &out),
                          (int64_t)sizeof(int));
    CU_ASSERT_FATAL(out.flags & KITH__GIVEN);
    kith__deliveries_add(&given, node, id, q.id, KITH__FIFO_KIND << 8 | KITH__QUEUE_GET, &who, &out);
}

static int next_in(kith_queue q)
{
    int i = -1;

    return kith_queue_get(q, &i, sizeof i, 0) < 0 ? -1 : i;
}

static uint64_t blocks(void)
{
    struct kith__heap_stats s;

    kith__heap_stats(&s);
    return s.used_blocks;
}

static uint64_t call_of(uint64_t seat, uint64_t number)
{
    return seat << 48 | number;
}

static void what_was_taken_is_gone_and_what_was_not_is_back(void)
{
    kith_queue q = kith_queue_open(0);

    put_three(q);
    give(q, NODE, call_of(1, 1));
    give(q, NODE, call_of(1, 2));
    CU_ASSERT_EQUAL(kith__deliveries_settled(&given, ANOTHER, call_of(1, 2), 0), 0); /* it has none */
    CU_ASSERT_EQUAL(kith__deliveries_settled(&given, NODE, call_of(1, 1), 1), 0);
    CU_ASSERT_EQUAL(kith__deliveries_settled(&given, NODE, call_of(1, 1), 0), 0); /* for the second time */
    CU_ASSERT_EQUAL(kith__deliveries_settled(&given, NODE, call_of(1, 2), 0), 0);
    CU_ASSERT(next_in(q) == 2 && next_in(q) == 3 && next_in(q) == -1);
    PASS(kith_queue_close(q));
}

/* The front of a Queue has one place. */
static void what_a_lost_node_had_comes_back_in_order(void)
{
    kith_queue q = kith_queue_open(0);

    put_three(q);
    PASS(kith_put(q, (int){ 4 }));
    give(q, NODE, call_of(9, 1));
    give(q, ANOTHER, call_of(7, 1));
    give(q, NODE, call_of(5, 1));
    give(q, NODE, call_of(2, 1));
    kith__deliveries_ended(&given, NODE);
    CU_ASSERT_EQUAL(next_in(q), 1);
    CU_ASSERT_EQUAL(kith__deliveries_put_back(&given), 1);
    CU_ASSERT_EQUAL(next_in(q), 3);
    CU_ASSERT_EQUAL(kith__deliveries_put_back(&given), 0);
    CU_ASSERT(next_in(q) == 4 && next_in(q) == -1);
    CU_ASSERT_EQUAL(kith__deliveries_settled(&given, ANOTHER, call_of(7, 1), 0), 0);
    CU_ASSERT(next_in(q) == 2 && next_in(q) == -1);
    PASS(kith_queue_close(q));
}

static void nothing_is_left_of_it(void)
{
    uint64_t before = blocks();
    kith_queue q = kith_queue_open(0);

    put_three(q);
    for (uint64_t i = 1; i <= 3; i++)
        give(q, NODE, call_of(i, 1));
    PASS(kith_queue_close(q));
    CU_ASSERT_EQUAL(kith__deliveries_settled(&given, NODE, call_of(2, 1), 0),
                    0); /* to a Queue that is no more */
    kith__deliveries_free(&given);
    CU_ASSERT_EQUAL(blocks(), before);
}

static struct test tests[] = {
    TEST(what_was_taken_is_gone_and_what_was_not_is_back),
    TEST(what_a_lost_node_had_comes_back_in_order),
    TEST(nothing_is_left_of_it),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("delivery", tests);
    return kith_finalize() ? 1 : rc;
}
