/* test_world_sim.c: a pool over all nodes and objects at home anywhere (world/), in one world (sim/sim.h),
 * with the true workers, foremen and janitors: any of them dies at any failpoint, nodes are lost, stop, or
 * come late, the network does what networks do, callers die and others come, calls are cancelled, tasks fail,
 * use objects, and call the pool.
 *
 * Each unit of a call that has ended well has its result, and none was made of another result; each failure
 * is told once; where nobody dies and tasks have one try each unit is run once; none begins on the node of
 * the pool when it has ended, nor, where nobody dies, on any other. No item of the Queue is lost
 * or doubled, the Lock has one holder, the Value is what was added, each call ends, nothing is left on any
 * node.
 *
 * KITH_TEST_SEED=n repeats one run; KITH_TEST_NODES=n: with so many nodes; KITH_TEST_LONG=1: more of them.
 * kith-test: limit=600
 */
#include "config.h"
#include "world/world.h"
#include "object/class.h"
#include "pool/opening.h"
#include "pool/pool.h"
#include "pool/spread.h"
#include "member/members.h"
#include "shm/heap.h"
#include "base/system.h"

#include <stdarg.h>

struct play play;
struct weather world;
struct counts counted;
int stopping;
static uint64_t seed, traces; /* traces: a number for all runs; for one it is its trace */
static int lost_nodes;

enum { MANY = 100 };

void wrong(const char *format, ...)
{
    va_list ap;

    printf("\n    KITH_TEST_SEED=%llu: ", (unsigned long long)seed);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("; last error: %s\n", kith_last_error());
    CU_FAIL("see above");
}

/* Who runs a task of a cancelled call, also of a task, or of an Iterator that is closed, is killed, with the
 * Lock in its hand; so is, when the call is over, who runs one on a node that was silent, so that it was done
 * elsewhere, too. */
int somebody_dies(void)
{
    int n = 0;

    for (int i = 0; i < CALLS; i++)
        n += play.calls[i].kind == CANCELLED || play.calls[i].kind >= GIVEN_UP;
    return world.deaths || world.losses || world.stops || play.gives_up || n > 0;
}

static void calls_pool(struct client *c, void *arg)
{
    (void)arg;
    sim_doing(c, CALLING);
    while (!play.opened)
        sim_rest(1 + (int64_t)draw(50));
    while (play.next < CALLS && !stopping) {
        uint32_t call = (uint32_t)play.next++;

        make_call(call);
        counted.away += sim_node(c) != 0;
        play.calls[call].ended = !play.calls[call].partly;
        counted.calls++;
        if (draw(3) == 0)
            sim_rest((int64_t)draw(2000));
    }
}

static void opens_pool(struct client *c, void *arg)
{
    struct kith_pool_options o = { .nodes = -1, .tries = play.tries, .halt = play.halt };
    struct kith__spread *plan = calloc(1, sizeof *plan + play.branches * sizeof plan->of[0]);

    (void)c;
    (void)arg;
    REQUIRE(plan != NULL);
    plan->here = plan->all = 1 + (uint32_t)draw(2);
    plan->count = play.branches;
    for (uint32_t k = 0; k < play.branches; k++) {
        plan->of[k] = (struct kith__share){ .node = 1 + k,
                                            .workers = 1 + (uint32_t)draw(3),
                                            .first_worker = plan->all };
        plan->all += plan->of[k].workers;
    }
    PASS(kith__pool_open_spread(plan, &o, &play.pool.id));
    free(plan);
    play.opened = 1;
}

/* Whoever waits for room in the Queue, in tasks of callers that have died, too, is waited for. */
static void closes_pool(struct client *c, void *arg)
{
    (void)arg;
    sim_doing(c, CALLING);
    play.closed = 1;
    PASS(kith_pool_close(play.pool));
}

/* ------------------------------------------------------------------------------- a run */

static uint32_t some_nodes(void)
{
    const char *given = getenv("KITH_TEST_NODES");

    if (given)
        return (uint32_t)atoi(given) < MOST_NODES ? (uint32_t)atoi(given) : MOST_NODES;
    return draw(40) ? 2 + (uint32_t)draw(4) : 6 + (uint32_t)draw(40);
}

static void draw_world(void)
{
    world = (struct weather){ .nodes = some_nodes(), .workers = 1 };
    world.deaths = draw(4) > 0 ? 1 + (int)world.nodes / 16 : 0;
    world.losses = draw(3) == 0;
    world.stops = draw(3) == 0;
    world.through_net = draw(4) == 0;
    memset(&play, 0, sizeof play);
    play.branches = world.nodes - 1;
    play.fails = draw(4) == 0;
    play.halt = draw(3) ? -1 : 1 + (int)draw(3);
    play.tries = !world.deaths && draw(2) ? 1 : 1000;
    play.nested = (int)draw(2);
    play.units = world.nodes >= MANY ? UNITS : draw(3) ? 1 + draw(UNITS) : 1 + draw(20);
    for (int i = 0; i < CALLS; i++)
        play.calls[i].kind = (enum kind)draw(KINDS);
}

/* Callers come in place of those that have died, somebody takes or puts, a node goes. */
static void stir(void)
{
    uint32_t node = (uint32_t)draw(world.nodes);

    if (sim_count(CALLING) == 0 || draw(8) == 0)
        sim_start(sim_is_lost(node) || draw(2) ? 0 : node, calls_pool, NULL);
    if (sim_count(GETTING) < 3 && !sim_is_lost(node))
        sim_start(node, takes_items, NULL);
    node = 1 + (uint32_t)draw(world.nodes - 1);
    if (world.losses && lost_nodes < 2 && draw(12) == 0 && !sim_is_lost(node)) {
        lost_nodes++;
        sim_lose(node);
    }
}

/* All is done that can be, or the run is over: its threads cannot be ended. */
static void await_all(const char *what)
{
    if (sim_run(400000))
        return;
    sim_show();
    wrong("%s waits for ever", what);
    exit(1);
}

/* Memory that a task has passed on is in the hand of a worker for a moment, or of who calls for another one,
 * or for a call of its own until that ends. */
static uint64_t may_leave(void)
{
    int sizes = 0;

    for (int i = 0; i < CALLS; i++)
        sizes += play.calls[i].sizes;
    return (sizes ? play.units : 0) + (play.sizes_inside ? 32 : 0);
}

static void quiet_faults(void)
{
    for (uint32_t k = 0; k < world.nodes; k++) {
        sim_enter(k);
        atomic_store(&kith__shared->faults_have_handler, 1);
        sim_leave();
    }
}

static void live(void)
{
    sim_spare(sim_start(0, opens_pool, NULL));
    for (int i = 0, all = 0; i < 40 && all < 400 && play.next < CALLS; i += play.opened, all++) {
        stir();
        sim_run((int64_t)draw(600));
    }
}

static void play_world(uint64_t s)
{
    seed = s;
    stopping = lost_nodes = 0;
    draw_world();
    sim_begin(&world);
    sim_draw_weather();
    quiet_faults();
    open_things();
    live();
    stopping = 1;
    if (draw(2)) /* so some of it ends in bad weather */
        sim_run(20000);
    sim_calm();
    sim_start(home_of_items(), takes_items, NULL);
    await_all("a call, or its end,");
    sim_start(0, closes_pool, NULL);
    sim_start(home_of_items(), takes_items, NULL);
    await_all("the end of the pool");
    sim_settle(lost_nodes ? 40000 : 3000);
    close_things();
    await_all("a call on an object");
    check_units();
    check_things();
    sim_may_leave(may_leave());
    sim_settle(lost_nodes ? 40000 : 3000);
    sim_end();
    traces = traces * 31 + sim_trace();
}

static void all_of_it_plays_together(void)
{
    sim_seeds(play_world, getenv("KITH_TEST_LONG") ? 2000 : 40);
    CU_ASSERT(getenv("KITH_TEST_SEED") ||
              (counted.calls > 20 && counted.cancelled > 0 && counted.tasks > 0 &&
               counted.tasks_cancelled > 0 && counted.elsewhere > 0 && counted.items > 0 &&
               counted.at_once > 0 && counted.nested > 0 && counted.cancelled_inside > 0 &&
               counted.sizes_inside > 0 && counted.iterated_inside > 0 && counted.away > 0 && sim_died > 0));
    printf("(%llu calls, %llu tasks, %llu of them elsewhere, %llu single, %llu nested, %llu items, %llu "
           "deaths, trace "
           "%016llx) ",
           (unsigned long long)counted.calls, (unsigned long long)counted.units,
           (unsigned long long)counted.elsewhere, (unsigned long long)counted.tasks,
           (unsigned long long)counted.nested, (unsigned long long)counted.items,
           (unsigned long long)sim_died, (unsigned long long)traces);
}

static uint64_t traced;

static void play_twice(uint64_t s)
{
    seed_draw(s);
    play_world(s);
    traced = sim_trace();
    seed_draw(s);
    play_world(s);
    CU_ASSERT_EQUAL(sim_trace(), traced);
}

static void a_seed_is_a_run(void)
{
    sim_seeds(play_twice, getenv("KITH_TEST_LONG") ? 50 : 3);
}

/* What a process of its own says of some seeds. */
static void trace_of(const char *how, char trace[64])
{
    char command[4096], line[4096], self[2048];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    FILE *says;

    REQUIRE(n > 0);
    self[n] = '\0';
    snprintf(command, sizeof command, "%s KITH_TEST_ONLY=all_of_it KITH_TEST_SEED=1-4 '%s' 2>&1", how, self);
    REQUIRE((says = popen(command, "r")) != NULL); /* NOLINT: the shell sets the environment */
    while (fgets(line, sizeof line, says)) {
        const char *at = strstr(line, "trace ");

        if (at)
            snprintf(trace, 64, "%.22s", at);
    }
    CU_ASSERT_EQUAL(pclose(says), 0);
}

/* Whether strands are contexts of one thread, or threads as of a program, the library does the same. */
static void it_is_the_same_in_threads(void)
{
    char contexts[64] = "", threads[64] = "none";

    trace_of("", contexts);
    trace_of("KITH_TEST_THREADS=1", threads);
    CU_ASSERT_STRING_EQUAL(contexts, threads);
}

static void a_thousand_nodes(void)
{
    if (!getenv("KITH_TEST_LONG"))
        SKIP("KITH_TEST_LONG is not set");
    setenv("KITH_TEST_NODES", "1000", 1);
    counted.widest = 0;
    sim_seeds(play_world, 2);
    unsetenv("KITH_TEST_NODES");
    printf("(%u of them ran some) ", counted.widest);
    CU_ASSERT(getenv("KITH_TEST_SEED") || counted.widest > MANY);
}

/* ------------------------------------------------------------- deaths at a certain step */

static int fails_at_once(const void *in, void *out)
{
    (void)in;
    (void)out;
    return 9;
}

static void takes_a_failure(struct client *c, void *arg)
{
    kith_result r;
    int rc;

    (void)c;
    (void)arg;
    r = kith_pool_apply_async(play.pool, fails_at_once, "", 1, 1);
    while ((rc = kith_result_get(r, &(char){ 0 }, 1, 0)) == KITH_ETIMEDOUT)
        kith__nap(20000);
    FAILS_WITH(KITH_ETASK, rc);
    FAILS_WITH(KITH_ESTALE, kith_result_get(r, &(char){ 0 }, 1, 0));
}

/* A pool of one worker on one node, where nothing happens but what the test does. */
static void begin_with_one_worker(uint64_t s)
{
    seed = s;
    world = (struct weather){ .nodes = 1, .workers = 1 };
    memset(&play, 0, sizeof play);
    play.tries = 1000;
    sim_begin(&world);
    sim_calm();
    quiet_faults();
    sim_start(0, opens_pool, NULL);
    await_all("the pool");
}

/* Its worker dies while it says so. */
static void tell_of_a_failure(uint64_t s)
{
    begin_with_one_worker(s);
    sim_kill_at("claim: confirmed", "guard: value copied", 0);
    sim_kill_after((int)(s / 4));
    sim_start(0, takes_a_failure, NULL);
    sim_run(1000);
    sim_calm();
    await_all("a task that has failed");
    sim_start(0, closes_pool, NULL);
    await_all("the end of the pool");
    sim_settle(1000);
    sim_end();
}

static void a_failure_is_told_once(void)
{
    sim_seeds(tell_of_a_failure, 120);
}

static int gives_bytes(const void *in, kith_bytes *out)
{
    return kith_bytes_set(out, in, sizeof(double));
}

/* And dies over it, or just not. */
static void takes_bytes(struct client *c, void *arg)
{
    double x = 1;
    kith_bytes b;
    kith_iter it = kith_pool_imap_bytes(play.pool, gives_bytes, &x, sizeof x, 1);

    sim_doing(c, TAKING);
    sim_rest(100);
    sim_kill_at(NULL, "guard: leaving", 1000);
    sim_kill_after(*(const int *)arg);
    PASS(kith_iter_next(it, &b, sizeof b, KITH_FOREVER));
    PASS(kith_bytes_free(&b, 1));
    PASS(kith_iter_close(it));
    sim_kill_at(NULL, NULL, 0);
}

enum { BLOCKS = 64 };

/* Fills what the dead one had let go of with what looks like a result, and is a block of somebody's. */
static void has_the_next_blocks(struct client *c, void *arg)
{
    uint64_t blocks[BLOCKS], mine;

    (void)c;
    (void)arg;
    REQUIRE(mine = kith__heap_alloc(200, kith__me));
    kith__heap_pass(mine, kith__me, 0);
    while (sim_count(TAKING) > 0)
        kith__nap(0);
    for (int i = 0; i < BLOCKS; i++) {
        const kith_bytes b = { kith__at(mine), 200 };

        REQUIRE(blocks[i] = kith__heap_alloc(64 + sizeof b, kith__me));
        memcpy((char *)kith__at(blocks[i]) + 64, &b, sizeof b);
    }
    sim_rest(2000);
    CU_ASSERT(kith__heap_check(mine) == 0 && kith__heap_owner_now(mine) == 0);
    kith__heap_free(mine);
    for (int i = 0; i < BLOCKS; i++)
        kith__heap_free(blocks[i]);
}

static void let_go_of_a_result(uint64_t s)
{
    int steps = (int)s;

    begin_with_one_worker(s);
    sim_start(0, takes_bytes, &steps);
    sim_start(0, has_the_next_blocks, NULL);
    await_all("a result");
    sim_start(0, closes_pool, NULL);
    await_all("the end of the pool");
    sim_settle(1000);
    sim_may_leave(1);
    sim_end();
}

static void who_dies_over_a_result_frees_it_once(void)
{
    uint64_t died = sim_died;

    sim_seeds(let_go_of_a_result, 20);
    CU_ASSERT(getenv("KITH_TEST_SEED") || sim_died > died);
}

static int does_nothing(const void *in, void *out)
{
    memcpy(out, in, 1);
    return 0;
}

static void has_a_row(struct client *c, void *arg)
{
    char x = 1;

    (void)c;
    (void)arg;
    PASS(kith_result_get(kith_pool_apply_async(play.pool, does_nothing, &x, 1, 1), &x, 1, KITH_FOREVER));
    sim_rest(3000);
}

/* Who closes it dies when some of its blocks are freed; the janitor goes on with the others. */
static void take_down_twice(uint64_t s)
{
    uint64_t died = sim_died;

    begin_with_one_worker(s);
    sim_start(0, has_a_row, NULL);
    sim_run(1000);
    sim_kill_at("pool: block ours", "pool: block let go", 0);
    sim_kill_after((int)s - 1);
    sim_start(0, closes_pool, NULL);
    await_all("the end of the pool");
    CU_ASSERT(sim_died > died || s > 3);
    sim_settle(1000);
    sim_end();
}

static void a_pool_is_taken_down_where_the_dead_one_stopped(void)
{
    sim_seeds(take_down_twice, 6);
}

static struct test tests[] = {
    TEST(all_of_it_plays_together),
    TEST(a_failure_is_told_once),
    TEST(who_dies_over_a_result_frees_it_once),
    TEST(a_pool_is_taken_down_where_the_dead_one_stopped),
    TEST(a_seed_is_a_run),
    TEST(it_is_the_same_in_threads),
    TEST(a_thousand_nodes),
    TEST_END,
};

int main(void)
{
    setenv("KITH_LOG", "error", 1); /* that nodes are lost is no news here */
    sim_init();
    return run_tests("world_sim", tests);
}
