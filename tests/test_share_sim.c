/* test_share_sim.c: shared data on several nodes in one process (sim/sim.h): it comes over a chain of nodes,
 * while processes die at any failpoint and nodes are lost. Whoever asks gets all of it, or learns that its
 * home is lost; a node reads it from the one before it; in the end nothing is left. KITH_TEST_SEED=n repeats
 * one run; KITH_TEST_LONG=1: more of them.
 */
#include "config.h"
#include "check.h"
#include "sim/sim.h"
#include "base/handle.h"
#include "object/class.h"
#include "object/share.h"
#include "rpc/mailbox.h"
#include "rpc/agent_control.h"
#include "shm/heap.h"

enum { LARGEST = 150000 };

static unsigned char original[LARGEST];

static struct {
    kith_shared s;
    uint32_t home, size;
    int closing, closers;     /* or about to be; so many */
    int got, refused, closed; /* calls, by what came of them */
} data;

static void reads(struct client *c, void *arg)
{
    const unsigned char *p = kith_shared_data(data.s);
    int64_t size;

    (void)c;
    (void)arg;
    if (p) {
        CU_ASSERT(data.closing || memcmp(p, original, data.size) == 0);
        size = kith_shared_size(data.s);
        CU_ASSERT(data.closing || size == data.size);
        data.got++;
    } else if (data.closing) {
        CU_ASSERT(strstr(kith_last_error(), "closed") != NULL);
        data.closed++;
    } else {
        CU_ASSERT(sim_is_lost(data.home));
        data.refused++;
    }
}

static void closes(struct client *c, void *arg)
{
    int rc;

    (void)c;
    (void)arg;
    data.closing = 1;
    data.closers++;
    rc = kith_shared_close(data.s);
    CU_ASSERT(rc == 0 || (rc == KITH_EPEER && sim_is_lost(data.home)) ||
              (rc == KITH_ESTALE && data.closers > 1));
}

static void begin(const struct weather *w, uint32_t home, uint32_t size, uint32_t piece)
{
    sim_begin(w);
    sim_draw_weather();
    kith__share_readers = 1;
    kith__share_piece = piece;
    for (uint32_t i = 0; i < size; i++)
        original[i] = (unsigned char)draw(256);
    data.home = home;
    data.size = size;
    data.closing = data.closers = 0;
    sim_enter(home);
    PASS(kith_check(data.s = kith_share(original, size)));
    sim_leave();
}

/* Each node asks once more, so all that has begun to have a copy is known at home. */
static void finish(const struct weather *w)
{
    sim_calm();
    sim_settle(3000);
    for (uint32_t i = 0; i < w->nodes; i++)
        if (!sim_is_lost(i))
            sim_start(i, reads, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    for (uint32_t i = 0; i < w->nodes; i++)
        if (i == data.home || (sim_is_lost(data.home) && !sim_is_lost(i)))
            if (!sim_is_lost(i))
                sim_start(i, closes, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    sim_settle(3000);
    sim_end();
}

static void share_once(uint64_t s)
{
    struct weather w = { .nodes = 2 + (uint32_t)draw(NODES - 1),
                         .deaths = s % 3 != 0,
                         .through_net = draw(4) == 0 };
    int lost = s % 5 == 0;

    begin(&w, (uint32_t)draw(w.nodes), 1 + (uint32_t)draw(LARGEST), 1000 + (uint32_t)draw(60000));
    for (int i = 0; i < 12; i++)
        sim_start((uint32_t)draw(w.nodes), reads, NULL);
    sim_run((int64_t)draw(100));
    if (lost)
        sim_lose((uint32_t)draw(w.nodes));
    if (draw(4) == 0 && !lost)
        sim_start((uint32_t)draw(w.nodes), closes, NULL);
    sim_run(5000);
    finish(&w);
}

static void whoever_asks_gets_all_of_it(void)
{
    data.got = data.refused = data.closed = 0;
    sim_seeds(share_once, getenv("KITH_TEST_LONG") ? 1000 : 120);
    CU_ASSERT(getenv("KITH_TEST_SEED") || (data.got > 0 && data.refused > 0 && data.closed > 0));
}

/* From whom the copy of a node is read: the node. */
static uint32_t before(uint32_t node, uint64_t copy, uint64_t lost)
{
    struct kith__caller who = { node, 1, 0 };
    struct kith__args in = { .number = copy, .bytes = &lost, .size = sizeof lost };
    struct {
        uint64_t from, size;
    } joined = { 0, 0 };
    struct kith__result out = { .buf = &joined };

    CU_ASSERT_EQUAL_FATAL(kith__attempt(data.s.id, KITH__SHARE_KIND, KITH__SHARE_JOIN, &who, &in, &out),
                          sizeof joined);
    CU_ASSERT_EQUAL(joined.size, data.size);
    return kith__handle_home(joined.from);
}

static uint64_t copy_on(uint32_t node)
{
    return kith__handle(node, 7, 1);
}

static void a_node_reads_from_the_one_that_came_before_it(void)
{
    static const struct weather four = { .nodes = 4 };

    begin(&four, 0, 100, 1000);
    sim_calm();
    sim_enter(0);
    CU_ASSERT_EQUAL(before(3, copy_on(3), 0), 0);
    CU_ASSERT_EQUAL(before(1, copy_on(1), 0), 3);
    CU_ASSERT_EQUAL(before(1, copy_on(1), 0), 3);
    CU_ASSERT_EQUAL(before(2, copy_on(2), 0), 1);
    CU_ASSERT_EQUAL(before(2, copy_on(2), copy_on(1)), 3); /* node 1 is lost, and node 3 */
    CU_ASSERT_EQUAL(before(2, copy_on(2), copy_on(1)), 3); /* asked twice, for nothing */
    CU_ASSERT_EQUAL(before(2, copy_on(2), copy_on(3)), 0);
    CU_ASSERT_EQUAL(before(2, copy_on(2), 0), 0);
    CU_ASSERT_EQUAL(before(1, copy_on(1), 0), 3);   /* which is nothing to others */
    PASS(kith__close(data.s.id, KITH__SHARE_KIND)); /* those copies are none */
    sim_leave();
    sim_end();
}

/* To those who come later, and who may never have met it. */
static void nobody_reads_from_a_node_that_its_home_has_lost(void)
{
    static const struct weather four = { .nodes = 4 };
    struct kith__contact *contacts;
    uint64_t block;

    begin(&four, 0, 100, 1000);
    sim_calm();
    sim_enter(0);
    CU_ASSERT_FATAL((block = kith__heap_alloc(4 * sizeof *contacts, kith__me)) != 0);
    memset(contacts = kith__at(block), 0, 4 * sizeof *contacts);
    atomic_store(&kith__agent_shared()->contacts, block);
    CU_ASSERT_EQUAL(before(3, copy_on(3), 0), 0);
    CU_ASSERT_EQUAL(before(1, copy_on(1), 0), 3);
    CU_ASSERT_EQUAL(before(2, copy_on(2), 0), 1);
    atomic_store(&contacts[1].lost, 1);
    CU_ASSERT_EQUAL(before(2, copy_on(2), 0), 3);
    atomic_store(&contacts[3].lost, 1);
    CU_ASSERT_EQUAL(before(2, copy_on(2), 0), 0);
    atomic_store(&contacts[2].lost, 1);
    PASS(kith_shared_close(data.s)); /* asks none of them */
    atomic_store(&kith__agent_shared()->contacts, 0);
    kith__heap_free(block);
    sim_leave();
    sim_end();
}

/* What it gets belongs to it until it gives it back, also where somebody else has closed or died. */
static void writes_memory(struct client *c, void *arg)
{
    unsigned char *p = kith_alloc(data.size);

    (void)c;
    (void)arg;
    CU_ASSERT_FATAL(p != NULL);
    memset(p, 7, data.size);
    sim_rest(1500);
    for (uint32_t i = 0; i < data.size; i++)
        CU_ASSERT_EQUAL_FATAL(p[i], 7);
    PASS(kith_free(p));
}

/* Node 2 waits for node 1, behind a cable that is out, while it is closed. */
static void closing_leaves_the_memory_to_who_fetches(void)
{
    static const struct weather three = { .nodes = 3 };

    data.got = data.closed = 0;
    begin(&three, 0, 5000, 1000);
    sim_calm();
    sim_start(1, reads, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    sim_cut(1, 2, 1);
    sim_start(2, reads, NULL);
    CU_ASSERT_FATAL(!sim_run(500));
    sim_start(0, closes, NULL);
    CU_ASSERT_FATAL(!sim_run(500));
    sim_start(2, writes_memory, NULL);
    sim_run(10);
    sim_cut(1, 2, 0);
    CU_ASSERT_FATAL(sim_run(200000));
    CU_ASSERT(data.got == 1 && data.closed == 1);
    sim_end();
}

/* Node 1 dies when all has come, and its memory becomes another's: node 3 does not read from that. Where all
 * goes through the agent, that one is late with the news, behind a cable that is out. */
static void die_behind_a_cable(const struct weather *w)
{
    data.got = 0;
    begin(w, 0, 5000, 1000);
    sim_calm();
    sim_start(2, reads, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    sim_cut(1, 2, 1);
    sim_kill_at(NULL, "share: all has come", 0);
    sim_start(1, reads, NULL);
    CU_ASSERT_FATAL(!sim_run(500));
    sim_cut(1, 1, 1);
    sim_cut(1, 2, 0);
    CU_ASSERT_FATAL(sim_run(200000));
    CU_ASSERT(data.got == 1);
    sim_start(1, writes_memory, NULL);
    sim_run(10);
    sim_start(3, reads, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    CU_ASSERT(data.got == 2);
    sim_cut(1, 1, 0);
    sim_start(0, closes, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    sim_end();
}

static void nobody_reads_what_the_dead_have_left(void)
{
    static const struct weather four = { .nodes = 4 }, through = { .nodes = 4, .through_net = 1 };

    die_behind_a_cable(&four);
    die_behind_a_cable(&through);
}

static void count_object(struct kith__object *o, void *context)
{
    (void)o;
    ++*(int *)context;
}

static void who_asks_in_vain_leaves_no_object(void)
{
    static const struct weather two = { .nodes = 2 };
    int objects = 0;

    data.refused = 0;
    begin(&two, 0, 5000, 1000);
    sim_calm();
    sim_lose(0);
    sim_start(1, reads, NULL);
    CU_ASSERT_FATAL(sim_run(200000));
    CU_ASSERT(data.refused == 1);
    sim_enter(1);
    kith__objects_each(KITH__SHARE_KIND, count_object, &objects);
    sim_leave();
    CU_ASSERT_EQUAL(objects, 0);
    sim_end();
}

static struct test tests[] = {
    TEST(closing_leaves_the_memory_to_who_fetches),
    TEST(nobody_reads_what_the_dead_have_left),
    TEST(who_asks_in_vain_leaves_no_object),
    TEST(nobody_reads_from_a_node_that_its_home_has_lost),
    TEST(a_node_reads_from_the_one_that_came_before_it),
    TEST(whoever_asks_gets_all_of_it),
    TEST_END,
};

int main(void)
{
    sim_init();
    return run_tests("share_sim", tests);
}
