/* test_calls_sim.c: single calls between nodes in one process (sim/sim.h), when the caller dies or the
 * network fails at a moment that the test chooses. */
#include "config.h"
#include "check.h"
#include "sim/sim.h"
#include "base/system.h"
#include "member/members.h"
#include "object/object.h"
#include "object/producers.h"
#include "rpc/mailbox.h"

enum { HEAD = 24, LARGEST = 120000 };
enum { OTHER, HOLDING, PUTTING };

static kith_queue queue[2];
static kith_sem sem;
static kith_event event;

static void has_places(struct client *c, void *arg)
{
    int x = 0;

    (void)c;
    (void)arg;
    for (int i = 0; i < 10; i++)
        PASS(kith_put(queue[0], x));
    sim_rest(1000000);
}

static void pipelines_elsewhere(struct client *c, void *arg)
{
    int x = 0;

    (void)c;
    (void)arg;
    for (int i = 0; i < 10; i++)
        PASS(kith_put(queue[1], x));
    CU_ASSERT_EQUAL(kith_queue_size(queue[1]), 10);
}

/* What the dead one had on a node that is lost by then concerns nobody who comes to its seat. */
static void places_on_a_lost_node_hold_up_nobody(void)
{
    static const struct weather three = { .nodes = 3 };
    struct client *first;

    sim_begin(&three);
    for (uint32_t i = 0; i < 2; i++) {
        sim_enter(i + 1);
        queue[i] = kith_queue_open(i == 0 ? 400 : 0);
        sim_leave();
    }
    sim_calm();
    first = sim_start(0, has_places, NULL);
    CU_ASSERT(!sim_run(1000));
    sim_kill(first);
    CU_ASSERT(sim_run(1000));
    sim_lose(1);
    sim_start(0, pipelines_elsewhere, NULL);
    if (!sim_run(100000)) {
        sim_show();
        CU_FAIL("it waits for ever");
        exit(1);
    }
    sim_enter(2);
    PASS(kith_queue_close(queue[1]));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

static void puts_one(struct client *c, void *arg)
{
    int x = 0;

    (void)c;
    (void)arg;
    PASS(kith_put(queue[0], x));
}

static void gets_one(struct client *c, void *arg)
{
    int x;

    (void)c;
    (void)arg;
    PASS(kith_get(queue[0], &x));
}

/* The bound of queue[0], at home on the second of three nodes. */
static void open_full_queue(uint64_t bound)
{
    static const struct weather three = { .nodes = 3 };

    sim_begin(&three);
    sim_enter(1);
    queue[0] = kith_queue_open(bound);
    for (int x = 0; x < (int)bound; x++)
        PASS(kith_put(queue[0], x));
    sim_leave();
    sim_calm();
}

static void close_full_queue(void)
{
    sim_enter(1);
    PASS(kith_queue_close(queue[0]));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

/* Whoever comes to its seat may be the one who makes room. */
static void a_put_that_the_dead_have_left_holds_up_nobody(void)
{
    struct client *first;

    open_full_queue(1);
    first = sim_start(0, puts_one, NULL);
    CU_ASSERT(!sim_run(1000));
    sim_kill(first);
    CU_ASSERT(sim_run(1000));
    sim_start(0, gets_one, NULL);
    if (!sim_run(100000)) {
        sim_show();
        CU_FAIL("it waits for ever");
        exit(1);
    }
    close_full_queue();
}

static void puts_three(struct client *c, void *arg)
{
    for (int i = 0; i < 3; i++)
        puts_one(c, arg);
    sim_rest(1000000);
}

static void gets_two(struct client *c, void *arg)
{
    gets_one(c, arg);
    gets_one(c, arg);
}

enum { BOUND = 64 }; /* smaller ones lend no places */

static void gets_half(struct client *c, void *arg)
{
    for (int i = 0; i < BOUND / 2; i++)
        gets_one(c, arg);
}

static void fills(struct client *c, void *arg)
{
    sim_doing(c, PUTTING);
    for (int i = 0; i < BOUND; i++)
        puts_one(c, arg);
    sim_doing(c, OTHER);
}

/* 1: in the mailbox of this seat stands what its last one has asked for. */
static int has_unread(const struct kith__seat *s)
{
    uint64_t at = atomic_load(&kith__agent_shared()->mailboxes[kith__seat_number(s)]);
    const struct kith__mailbox *d = at ? kith__at(at) : NULL;

    return d && atomic_load(&d->head) != atomic_load(&d->tail);
}

static int unread;
static uint64_t died_before;

/* When one has died; and waits for something of its own node. */
static void comes_to_its_seat(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    while (sim_died == died_before)
        kith__nap(0);
    unread += has_unread(kith__seat());
    FAILS_WITH(KITH_ETIMEDOUT, kith_event_wait(event, 3000));
}

/* From the third put in a row on places are lent: to one who died meanwhile, at any moment, they are not. */
static void places_lent_to_the_dead_come_back(void)
{
    int count = getenv("KITH_TEST_LONG") ? 300 : 40;

    for (int n = 0; n < count; n++) {
        struct client *first;

        seed_draw((uint64_t)n);
        open_full_queue(BOUND);
        sim_start(1, gets_two, NULL);
        CU_ASSERT(sim_run(1000));
        first = sim_start(0, puts_three, NULL);
        CU_ASSERT(!sim_run(1000)); /* the third waits */
        sim_start(1, gets_half, NULL);
        sim_run(n % 10);
        sim_kill(first);
        CU_ASSERT(sim_run(1000));
        sim_settle(1000);
        sim_enter(1);
        for (int x; kith_queue_size(queue[0]) > 0;)
            PASS(kith_get(queue[0], &x));
        sim_leave();
        sim_start(2, fills, NULL);
        if (!sim_run(100000)) {
            sim_show();
            printf("    run %d\n", n);
            CU_FAIL("it waits for ever");
            exit(1);
        }
        close_full_queue();
    }
}

/* One of them was in its hand; and who has its seat now has nothing to do with other nodes. */
static void a_place_in_a_dead_hand_comes_back_whoever_has_the_seat(void)
{
    open_full_queue(BOUND);
    sim_enter(1);
    for (int x; kith_queue_size(queue[0]) > 0;)
        PASS(kith_get(queue[0], &x));
    sim_enter(0);
    event = kith_event_open();
    sim_leave();
    died_before = sim_died;
    sim_kill_at(NULL, "mailbox: credit taken", 0);
    sim_start(0, fills, NULL);
    sim_start(0, comes_to_its_seat, NULL);
    sim_run(1000);
    CU_ASSERT_EQUAL(sim_died, died_before + 1);
    sim_enter(1);
    for (int x; kith_queue_size(queue[0]) > 0;)
        PASS(kith_get(queue[0], &x));
    sim_leave();
    sim_start(2, fills, NULL);
    sim_run(1000);
    CU_ASSERT_EQUAL(sim_count(PUTTING), 0);
    CU_ASSERT_FATAL(sim_run(100000));
    sim_enter(0);
    PASS(kith_event_close(event));
    sim_leave();
    close_full_queue();
}

static void asks_elsewhere(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    CU_ASSERT_EQUAL(kith_queue_size(queue[0]), 0);
}

/* Its successor on the seat comes before its janitor, and finds the mailbox all the same. */
static void a_mailbox_whose_commit_the_dead_have_left_is_found(void)
{
    static const struct weather two = { .nodes = 2 };

    sim_begin(&two);
    sim_enter(1);
    queue[0] = kith_queue_open(0);
    sim_leave();
    sim_calm();
    sim_kill_at("mailbox: new", "guard: record complete", 1000);
    for (int i = 0; i < 2; i++) {
        sim_start(0, asks_elsewhere, NULL);
        sim_run(100);
    }
    CU_ASSERT(sim_run(100000));
    sim_enter(1);
    PASS(kith_queue_close(queue[0]));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

/* A unit of sem, or the lock. */
static kith_lock lock;
static int is_lock;

static int take_unit(int timeout_ms)
{
    return is_lock ? kith_lock_acquire(lock, timeout_ms) : kith_sem_acquire(sem, timeout_ms);
}

static int give_unit(void)
{
    return is_lock ? kith_lock_release(lock) : kith_sem_release(sem);
}

static void open_unit(int of_lock)
{
    is_lock = of_lock;
    sim_enter(0);
    if (is_lock)
        PASS(kith_check(lock = kith_lock_open()));
    else
        PASS(kith_check(sem = kith_sem_open(1)));
    sim_leave();
}

static void dies_over_its_release(struct client *c, void *arg)
{
    (void)c;
    PASS(take_unit(0));
    sim_rest(1000);
    sim_kill_at(NULL, arg, 0);
    give_unit();
}

static void holds_for_long(struct client *c, void *arg)
{
    int rc = take_unit(KITH_FOREVER);

    (void)arg;
    CU_ASSERT(rc == 0 || rc == KITH_EOWNERDEAD);
    sim_doing(c, HOLDING);
    for (int i = 0; i < 20; i++) {
        sim_rest(100);
        CU_ASSERT_EQUAL(sim_count(HOLDING), 1);
    }
    sim_doing(c, OTHER);
    PASS(give_unit());
}

static void finds_one_unit(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    PASS(take_unit(0));
    FAILS_WITH(KITH_ETIMEDOUT, take_unit(0));
    PASS(is_lock ? kith_lock_close(lock) : kith_sem_close(sem));
}

/* Where it went before it died, it comes before its death is known there: whoever holds the unit next keeps
 * it. */
static void a_last_release_and_a_death_give_back_one_unit(void)
{
    static const char *const steps[] = { "mailbox: posted", "mailbox: marked" };
    static const struct weather home = { .nodes = 2, .through_net = 1 }, far = { .nodes = 2 };

    for (int i = 0; i < 8; i++) {
        sim_begin(i & 1 ? &home : &far);
        sim_calm();
        open_unit(i / 4);
        sim_start(!(i & 1), dies_over_its_release, (void *)(uintptr_t)steps[i / 2 % 2]);
        sim_run(500);
        for (int k = 0; k < 2; k++)
            sim_start(0, holds_for_long, NULL);
        CU_ASSERT(sim_run(100000));
        sim_start(0, finds_one_unit, NULL);
        CU_ASSERT(sim_run(100000));
        sim_settle(1000);
        sim_end();
    }
}

/* Nobody has rung for what the dead one had posted, and who has its seat now posts nothing. */
static void a_last_release_comes_before_the_death_whoever_has_the_seat(void)
{
    static const char *const steps[] = { "mailbox: posted", "mailbox: marked" };
    static const struct weather two = { .nodes = 2 };

    unread = 0;
    for (int i = 0; i < 40; i++) {
        seed_draw((uint64_t)i);
        sim_begin(&two);
        sim_calm();
        open_unit(i / 2 % 2);
        sim_enter(1);
        event = kith_event_open();
        sim_leave();
        sim_start(1, dies_over_its_release, (void *)(uintptr_t)steps[i % 2]);
        died_before = sim_died;
        sim_start(1, comes_to_its_seat, NULL);
        sim_run(500);
        for (int k = 0; k < 2; k++)
            sim_start(0, holds_for_long, NULL);
        CU_ASSERT(sim_run(100000));
        sim_start(0, finds_one_unit, NULL);
        CU_ASSERT(sim_run(100000));
        sim_enter(1);
        PASS(kith_event_close(event));
        sim_leave();
        sim_settle(1000);
        sim_end();
    }
    CU_ASSERT(unread > 0);
}

static void puts_much(struct client *c, void *arg)
{
    static char item[4096];

    (void)arg;
    for (int i = 0; i < 500; i++) {
        PASS(kith_queue_put(queue[0], item, sizeof item, KITH_FOREVER));
        if (i == 10) /* it need not wait for answers by now */
            sim_rest(600);
    }
    sim_doing(c, OTHER);
}

static void dies_with_a_unit(struct client *c, void *arg)
{
    (void)arg;
    PASS(kith_sem_acquire(sem, 0));
    sim_doing(c, HOLDING);
    sim_rest(1000000);
}

static void takes_over(struct client *c, void *arg)
{
    (void)arg;
    sim_doing(c, HOLDING);
    FAILS_WITH(KITH_EOWNERDEAD, kith_sem_acquire(sem, 1000));
    PASS(kith_sem_release(sem));
    sim_doing(c, OTHER);
}

/* A node is silent, and much waits to be sent there: to another one a death is told all the same. */
static void a_death_is_told_while_others_are_held_up(void)
{
    static const struct weather three = { .nodes = 3 };
    struct client *holder, *putter;

    sim_begin(&three);
    sim_enter(2);
    queue[0] = kith_queue_open(0);
    sim_enter(0);
    sem = kith_sem_open(1);
    sim_leave();
    sim_calm();
    holder = sim_start(1, dies_with_a_unit, NULL);
    putter = sim_start(1, puts_much, NULL);
    sim_doing(putter, PUTTING);
    sim_run(500);
    CU_ASSERT_EQUAL(sim_count(HOLDING), 1);
    sim_cut(1, 2, 1);
    sim_run(1500);
    sim_kill(holder);
    sim_start(0, takes_over, NULL);
    sim_run(1000);
    CU_ASSERT_EQUAL(sim_count(HOLDING), 0);
    CU_ASSERT_EQUAL(sim_count(PUTTING), 1);
    sim_cut(1, 2, 0);
    CU_ASSERT(sim_run(100000));
    sim_enter(2);
    CU_ASSERT_EQUAL(kith_queue_size(queue[0]), 500);
    PASS(kith_queue_close(queue[0]));
    sim_enter(0);
    PASS(kith_sem_close(sem));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

static void puts_through_cuts(struct client *c, void *arg)
{
    static char large[LARGEST];

    (void)c;
    (void)arg;
    for (uint64_t i = 0; i < 40; i++) {
        int64_t begin = sim_now_ms();

        PASS(kith_queue_put(queue[0], large, i % 2 ? sizeof large : HEAD, 0));
        PASS(kith_queue_get(queue[0], large, sizeof large, 0));
        if (sim_now_ms() - begin > 5000) {
            printf("\n    put and get %llu took %lld ms\n", (unsigned long long)i,
                   (long long)(sim_now_ms() - begin));
            CU_FAIL("they are as slow as if the node were gone");
        }
        sim_rest((int64_t)draw(700));
    }
}

/* Cut for 0.9 s of each 1.5 s: what waits 2, 4, 8, .. s before it says a thing again says it when the
 * connection is cut, for ever. */
static void a_call_is_done_soon_after_a_short_cut(void)
{
    static const struct weather two = { .nodes = 2 };
    int ended = 0;

    seed_draw(1);
    sim_begin(&two);
    sim_calm();
    sim_enter(1);
    queue[0] = kith_queue_open(10);
    sim_leave();
    sim_start(0, puts_through_cuts, NULL);
    sim_run(10);
    for (int i = 0; i < 1000 && !ended; i++) {
        sim_cut(0, 1, 1);
        sim_run(900);
        sim_cut(0, 1, 0);
        ended = sim_run(600);
    }
    CU_ASSERT_FATAL(ended);
    sim_enter(1);
    PASS(kith_queue_close(queue[0]));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

static void waits_in_vain(struct client *c, void *arg)
{
    char x[HEAD] = { 0 };

    (void)c;
    (void)arg;
    PASS(kith_queue_put(queue[0], x, sizeof x, 0)); /* the nodes know each other */
    sim_cut(0, 1, 1);
    FAILS_WITH(KITH_ETIMEDOUT, kith_queue_get(queue[0], x, sizeof x, 100));
    FAILS_WITH(KITH_ETIMEDOUT, kith_sem_acquire(sem, 100));
    FAILS_WITH(KITH_EPEER, kith_queue_put(queue[0], x, sizeof x, 100));
    CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), "may or may not"));
    sim_cut(0, 1, 0);
    sim_rest(2000);
    CU_ASSERT_EQUAL(kith_queue_size(queue[0]), 2); /* it was done; and what the get took is back */
    CU_ASSERT_EQUAL(kith_sem_value(sem), 1);
}

/* Its home is silent, but not gone. A timeout says that a call was not done; of a put nobody can know it. */
static void what_may_be_done_is_no_timeout(void)
{
    static const struct weather two = { .nodes = 2 };

    sim_begin(&two);
    sim_calm();
    sim_enter(1);
    queue[0] = kith_queue_open(10);
    sem = kith_sem_open(1);
    sim_leave();
    sim_start(0, waits_in_vain, NULL);
    CU_ASSERT_FATAL(sim_run(100000));
    sim_enter(1);
    PASS(kith_queue_close(queue[0]));
    PASS(kith_sem_close(sem));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

/* ---- what a killed producer has put */

enum { MUCH = 4 << 20 };

static kith_lock held;
static int large_puts;
static struct kith__caller producer; /* .member 0: it has not begun */
static int is_named;

/* As kith_queue_producer would, but for the Process: here it is a client. */
static void names_producer(struct client *c, void *arg)
{
    struct kith__object *o = kith__object_slot(queue[0].id);
    struct kith__producers *p = (struct kith__producers *)(void *)&o->body;

    (void)c;
    (void)arg;
    while (producer.member == 0)
        sim_rest(1);
    kith__guard_enter(&o->guard);
    CU_ASSERT(kith__producers_expect(o, p, 1) >= 0);
    kith__guard_commit(&o->guard);
    CU_ASSERT(kith__producers_name(o, p, &producer) >= 0);
    kith__guard_commit(&o->guard);
    kith__guard_leave(&o->guard);
    is_named = 1;
}

/* The first put is answered; the others go on when the home has a place for their bytes. */
static void produces_and_dies(struct client *c, void *arg)
{
    static char much[MUCH];
    int x = 0;

    (void)c;
    (void)arg;
    producer = (struct kith__caller){ .node = 0, .member = kith__member(kith__me)->serial };
    while (!is_named)
        sim_rest(1);
    PASS(kith_lock_acquire(held, KITH_FOREVER));
    PASS(kith_put(queue[0], x));
    for (int i = 0; i < large_puts; i++)
        PASS(kith_queue_put(queue[0], much, sizeof much, KITH_FOREVER));
    PASS(kith_put(queue[0], x));
    kith__die();
}

static void gets_all(struct client *c, void *arg)
{
    char *room = malloc(MUCH);
    int64_t rc;
    int n = 0;

    (void)c;
    (void)arg;
    REQUIRE(room != NULL);
    while ((rc = kith_queue_get(queue[0], room, MUCH, KITH_FOREVER)) >= 0) {
        CU_ASSERT_EQUAL(rc, n == 0 || n == large_puts + 1 ? (int64_t)sizeof n : MUCH);
        n++;
    }
    CU_ASSERT(rc == KITH_EEND && n == large_puts + 2);
    free(room);
}

static void has_the_lock(struct client *c, void *arg)
{
    (void)c;
    (void)arg;
    while (!is_named)
        sim_rest(1);
    sim_rest(30);
    FAILS_WITH(KITH_EOWNERDEAD, kith_lock_acquire(held, KITH_FOREVER));
    PASS(kith_lock_close(held));
}

static void produce_and_die(uint64_t seed)
{
    const struct weather two = { .nodes = 2 };

    large_puts = (int)seed % 3;
    sim_begin(&two);
    sim_enter(1);
    queue[0] = kith_queue_open(0);
    held = kith_lock_open();
    sim_leave();
    producer.member = 0;
    is_named = 0;
    sim_calm();
    sim_start(0, produces_and_dies, NULL);
    sim_start(1, names_producer, NULL);
    sim_start(1, gets_all, NULL);
    sim_start(1, has_the_lock, NULL);
    if (!sim_run(100000)) {
        sim_show();
        CU_FAIL("it waits for ever");
        exit(1);
    }
    sim_enter(1);
    PASS(kith_queue_close(queue[0]));
    sim_leave();
    sim_settle(1000);
    sim_end();
}

static void what_the_dead_have_put_comes_before_their_end(void)
{
    sim_seeds(produce_and_die, 12);
}

static struct test tests[] = {
    TEST(a_call_is_done_soon_after_a_short_cut),
    TEST(what_may_be_done_is_no_timeout),
    TEST(a_last_release_and_a_death_give_back_one_unit),
    TEST(a_last_release_comes_before_the_death_whoever_has_the_seat),
    TEST(a_death_is_told_while_others_are_held_up),
    TEST(what_the_dead_have_put_comes_before_their_end),
    TEST(a_mailbox_whose_commit_the_dead_have_left_is_found),
    TEST(places_on_a_lost_node_hold_up_nobody),
    TEST(a_put_that_the_dead_have_left_holds_up_nobody),
    TEST(places_lent_to_the_dead_come_back),
    TEST(a_place_in_a_dead_hand_comes_back_whoever_has_the_seat),
    TEST_END,
};

int main(void)
{
    sim_init();
    return run_tests("calls_sim", tests);
}
