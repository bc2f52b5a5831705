/* test_mailbox.c: objects through the node agent, on one node: deaths of those who ask. Each test is a job of
 * its own. */
#include "config.h"
#include "netjob.h"
#include "object/class.h"
#include "object/queue.h"
#include "rpc/mailbox.h"

#include <pthread.h>

static void taker_killed_while_parked_takes_nothing_job(void)
{
    kith_queue q = kith_queue_open(0);
    int x;

    for (int i = 1; i <= 10; i++) {
        kith_process dead = kith_process_start(takes_one, KITH_ARG(q));

        await_parked(dead);
        REQUIRE(kith_process_kill(dead) == 0 && kith_process_join(dead, KITH_FOREVER) == 0);
        REQUIRE(kith_put(q, i) == 0);
        REQUIRE(kith_get(q, &x) == 0 && x == i);
    }
    REQUIRE(kith_queue_size(q) == 0);
}
static void taker_killed_while_parked_takes_nothing(void)
{
    JOB(taker_killed_while_parked_takes_nothing_job);
}

/* It is stopped while it waits, so the item is on its mailbox when it is killed. */
static void item_that_reached_nobody_goes_back_to_the_front_job(void)
{
    kith_queue q = kith_queue_open(0);
    int x;

    for (int i = 1; i <= 5; i++) {
        kith_process dead = kith_process_start(takes_one, KITH_ARG(q));
        int second = -i;

        await_parked(dead);
        await_heard(q);
        REQUIRE(kill(kith_process_pid(dead), SIGSTOP) == 0);
        REQUIRE(kith_put(q, i) == 0);
        REQUIRE(kith_put(q, second) == 0);
        REQUIRE(kith_queue_size(q) == 1); /* the first is under way to the stopped one */
        REQUIRE(kith_process_kill(dead) == 0 && kith_process_join(dead, KITH_FOREVER) == 0);
        for (int64_t begin = kith__now_ns(); kith_queue_size(q) != 2 && ms_since(begin) < SOON;)
            sleep_ms(1);
        REQUIRE(kith_get(q, &x) == 0 && x == i);
        REQUIRE(kith_get(q, &x) == 0 && x == -i);
    }
}
static void item_that_reached_nobody_goes_back_to_the_front(void)
{
    JOB(item_that_reached_nobody_goes_back_to_the_front_job);
}

/* Joins one that may have been killed: somebody has to ask for it. */
static void join_dead(kith_process p)
{
    int code;

    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0);
}

static const char *die_at;
static int die_count;

static void die(const char *step)
{
    if (strcmp(step, die_at) == 0 && --die_count == 0)
        kill(getpid(), SIGKILL);
}

struct victim {
    kith_queue q;
    char step[40];
    int count;
    size_t size;
    int keeps; /* of a taker: the block in which an item comes */
};

static int puts_and_dies(const void *arg)
{
    const struct victim *v = arg;
    char *bytes = calloc(1, v->size);

    die_at = v->step;
    die_count = v->count;
    kith__failpoint_hook = die;
    for (int i = 0; i < 8; i++)
        kith_queue_put(v->q, bytes, v->size, KITH_FOREVER);
    free(bytes);
    return 0;
}

/* As a get, but an item of many bytes is not copied: the block in which it has come. */
static uint64_t keep_one(kith_queue q, size_t size)
{
    struct kith__args in = { .number = size };
    struct kith__result out = { .room = size, .takes = 1 };

    REQUIRE(size > KITH__ANSWER_BYTES);
    REQUIRE(kith__invoke(q.id, KITH__FIFO_KIND, KITH__QUEUE_GET, &in, &out, KITH_FOREVER) == (int64_t)size);
    REQUIRE(out.block && kith__heap_size_of(out.block) >= size);
    return out.block;
}

static int takes_and_dies(const void *arg)
{
    const struct victim *v = arg;
    char *bytes = malloc(v->size);

    die_at = v->step;
    die_count = v->count;
    kith__failpoint_hook = die;
    for (int i = 0; i < 8; i++)
        if (v->keeps)
            kith__heap_free(keep_one(v->q, v->size));
        else
            kith_queue_get(v->q, bytes, v->size, KITH_FOREVER);
    free(bytes);
    return 0;
}

static void await_items(kith_queue q, int64_t n)
{
    for (int64_t begin = kith__now_ns(); kith_queue_size(q) != n && ms_since(begin) < SOON;)
        sleep_ms(1);
}

/* Killed at every step of posting: what was posted is put whole, nothing else; and all memory comes back. Of
 * a large one the bytes may not have been asked for yet: then it is not put. */
static void putter_killed_at_each_step_harms_nobody_job(void)
{
    static const char *const steps[] = { "mailbox: block offered", "mailbox: block handed over",
                                         "mailbox: posted", "mailbox: marked" };
    static const size_t sizes[] = { 8, 6000, 20000, 100000 };
    uint64_t before = 0;

    for (int round = 0; round < 2; round++)
        for (size_t s = 0; s < 4; s++)
            for (size_t k = 0; k < 4; k++)
                for (int count = 1; count <= 3; count++) {
                    struct victim v = { kith_queue_open(0), "", count, sizes[k], 0 };
                    kith_process p;
                    int64_t n, left;

                    snprintf(v.step, sizeof v.step, "%s", steps[s]);
                    p = kith_process_start(puts_and_dies, KITH_ARG(v));
                    join_dead(p);
                    /* The next one on its seat goes on from there. It marks its mailbox once before it files.
                     */
                    n = (int64_t)(s < 2 && sizes[k] <= KITH__MAILBOX_BYTES ? 8 : s != 2 ? count - 1 : count);
                    if (sizes[k] <= KITH__SMALL_PUT)
                        await_items(v.q, n);
                    kith_process_close(p);
                    p = kith_process_start(puts_hundred, KITH_ARG(v.q));
                    join_dead(p);
                    kith_process_close(p);
                    left = kith_queue_size(v.q) - 100;
                    if (left != n && (sizes[k] <= KITH__SMALL_PUT || left != n - 1))
                        fprintf(stderr, "killed at %s number %d of %zu bytes: %lld items, not %lld\n",
                                steps[s], count, sizes[k], (long long)left, (long long)n);
                    REQUIRE(left == n || (sizes[k] > KITH__SMALL_PUT && left == n - 1));
                    REQUIRE(kith_queue_close(v.q) == 0);
                    if (before == 0 && round == 1)
                        before = used_blocks();
                }
    await_blocks(before + 2);
}
static void putter_killed_at_each_step_harms_nobody(void)
{
    JOB(putter_killed_at_each_step_harms_nobody_job);
}

/* It dies with a place of the queue in its hand. */
static void place_of_a_killed_putter_comes_back_job(void)
{
    for (int count = 1; count <= 3; count++) {
        struct victim v = { kith_queue_open(100), "mailbox: credit taken", count, 8, 0 };
        kith_process p = kith_process_start(puts_and_dies, KITH_ARG(v));
        int x = 0;

        join_dead(p);
        REQUIRE(kith_queue_size(v.q) < 8);
        while (kith_queue_size(v.q) < 100)
            REQUIRE(kith_queue_put(v.q, &x, sizeof x, SOON) == 0);
        REQUIRE(kith_queue_put(v.q, &x, sizeof x, 0) == KITH_ETIMEDOUT);
        kith_process_close(p);
        REQUIRE(kith_queue_close(v.q) == 0);
    }
}
static void place_of_a_killed_putter_comes_back(void)
{
    JOB(place_of_a_killed_putter_comes_back_job);
}

static int takes_too_little(const void *arg)
{
    const kith_queue *q = arg;
    char small;

    return kith_queue_get(*q, &small, 1, KITH_FOREVER) != KITH_ETOOBIG;
}

/* ms until the other one has the item. */
static int64_t pass_by(kith_queue q)
{
    kith_process far = kith_process_start(takes_too_little, KITH_ARG(q)), near;
    int64_t begin;
    int x = 7, code;

    await_parked(far);
    await_heard(q);
    atomic_store(&kith__shared->through_net, 0);
    near = kith_process_start(takes_one, KITH_ARG(q));
    await_parked(near);
    begin = kith__now_ns();
    REQUIRE(kith_put(q, x) == 0);
    REQUIRE(kith_process_join(near, KITH_FOREVER) == 0);
    begin = ms_since(begin);
    REQUIRE(kith_process_exitcode(near, &code) == 0 && code == 7);
    REQUIRE(kith_process_join(far, KITH_FOREVER) == 0);
    REQUIRE(kith_process_exitcode(far, &code) == 0 && code == 0);
    kith_process_close(near);
    kith_process_close(far);
    atomic_store(&kith__shared->through_net, 1);
    return begin;
}

/* Of two who wait for an item, one over the network and one at home, the first has no room for it: the other
 * is told. It would look by itself once a second; a machine that stands still is as late, but not each time.
 */
static void wake_up_of_one_who_takes_nothing_is_passed_on_job(void)
{
    kith_queue q = kith_queue_open(0);
    int tries = 1;

    while (pass_by(q) >= 500)
        REQUIRE(++tries <= 20);
    REQUIRE(kith_queue_close(q) == 0);
}
static void wake_up_of_one_who_takes_nothing_is_passed_on(void)
{
    JOB(wake_up_of_one_who_takes_nothing_is_passed_on_job);
}

/* Two that have one seat after the other: the first dies when it has half told the agent to look, and nobody
 * else does. */
struct heirs {
    kith_queue q;
    _Atomic int *seat, *go;
    uint32_t head;
};

static int dies_half_marked(const void *arg)
{
    const struct heirs *h = arg;
    int x = 1;

    REQUIRE(kith_put(h->q, x) == 0);
    atomic_store(h->seat, (int)kith__seat_number(kith__seat()) + 1);
    while (!atomic_load(h->go))
        sleep_ms(1);
    die_at = "mailbox: marked";
    die_count = 1;
    kith__failpoint_hook = die;
    return kith_put(h->q, x);
}

static int takes_its_seat(const void *arg)
{
    const struct heirs *h = arg;
    int x = 2, seat;

    while ((seat = atomic_load(h->seat)) == 0 || atomic_load(&kith__shared->seats[seat - 1].member) != 0)
        sleep_ms(1);
    return kith_put(h->q, x) < 0 || (int)kith__seat_number(kith__seat()) + 1 != seat;
}

static void *says_go_when_asleep(void *arg)
{
    struct heirs *h = arg;

    while (!atomic_load(&kith__shared->seats[h->head].asleep) || atomic_load(h->seat) == 0)
        sleep_ms(1);
    atomic_store(h->go, 1);
    return NULL;
}

static void heir_of_a_half_told_request_is_heard_job(void)
{
    _Atomic int *words = kith_alloc(2 * sizeof *words);
    struct heirs h = { kith_queue_open(0), words, words + 1, 0 };
    kith_process dead, heir;
    pthread_t thread;
    int x = 0, code;

    REQUIRE(words && kith_put(h.q, x) == 0);
    h.head = kith__seat_number(kith__seat());
    atomic_store(h.seat, 0);
    atomic_store(h.go, 0);
    dead = kith_process_start(dies_half_marked, KITH_ARG(h));
    heir = kith_process_start(takes_its_seat, KITH_ARG(h));
    pthread_create(&thread, NULL, says_go_when_asleep, &h);
    REQUIRE(kith_process_join(heir, SOON * slowdown()) == 0);
    pthread_join(thread, NULL);
    REQUIRE(kith_process_exitcode(heir, &code) == 0 && code == 0);
    join_dead(dead);
    for (int i = 0; i < 4; i++)
        REQUIRE(kith_get(h.q, &x) == 0 && x == (i < 1 ? 0 : i < 3 ? 1 : 2));
    REQUIRE(kith_queue_close(h.q) == 0);
    kith_free(words);
}
static void heir_of_a_half_told_request_is_heard(void)
{
    JOB(heir_of_a_half_told_request_is_heard_job);
}

/* Killed with a block that is not the agent's yet: it goes with all else that was the dead one's, and once.
 */
static void block_of_a_killed_putter_is_freed_once_job(void)
{
    enum { MINE = 64 };
    kith_queue q = kith_queue_open(0);
    struct victim v = { q, "mailbox: block offered", 1, 6000, 0 };
    kith_process p = kith_process_start(puts_hundred, KITH_ARG(q));
    uint64_t mine[MINE], before;

    join_dead(p); /* its mailbox stays */
    kith_process_close(p);
    before = used_blocks();
    p = kith_process_start(puts_and_dies, KITH_ARG(v));
    join_dead(p);
    kith_process_close(p);
    await_blocks(before);
    for (int i = 0; i < MINE; i++)
        REQUIRE((mine[i] = kith__heap_alloc(6000, kith__me)) != 0);
    p = kith_process_start(puts_hundred, KITH_ARG(q));
    join_dead(p);
    kith_process_close(p);
    for (int i = 0; i < MINE; i++) {
        REQUIRE(kith__heap_owner_now(mine[i]) == kith__me);
        kith__heap_free(mine[i]);
    }
    REQUIRE(kith_queue_size(q) == 200);
    REQUIRE(kith_queue_close(q) == 0);
}
static void block_of_a_killed_putter_is_freed_once(void)
{
    JOB(block_of_a_killed_putter_is_freed_once_job);
}

static void die_in_its_commit(const char *step)
{
    static int is_new;

    is_new |= strcmp(step, "mailbox: new") == 0;
    if (is_new && strcmp(step, "guard: value copied") == 0)
        kill(getpid(), SIGKILL);
}

static int makes_its_mailbox_and_dies(const void *arg)
{
    const kith_queue *q = arg;
    int x = 1;

    kith__failpoint_hook = die_in_its_commit;
    kith_put(*q, x);
    return 0;
}

static int has_janitors(void)
{
    uint32_t used = atomic_load(&kith__shared->members_used), state;

    for (uint32_t i = 1; i <= used; i++)
        if ((state = atomic_load(&kith__member(i)->state)) == KITH__DEAD || state == KITH__SWEPT)
            return 1;
    return 0;
}

/* Its mailbox is there already, and not yet nobody's: both belong to one commit, which the janitor has to
 * finish before it frees what the dead one owned. */
static void mailbox_of_one_killed_while_making_it_stays_job(void)
{
    kith_queue q = kith_queue_open(0);
    uint64_t ended = atomic_load(&kith__shared->ended);
    kith_process p = kith_process_start(makes_its_mailbox_and_dies, KITH_ARG(q));
    int64_t begin = kith__now_ns();
    int code;

    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
    REQUIRE(kith_process_exitcode(p, &code) == 0 && code == -SIGKILL);
    while ((atomic_load(&kith__shared->ended) == ended || has_janitors()) &&
           ms_since(begin) < SOON * slowdown())
        sleep_ms(1);
    for (int i = 0; i < KITH__SEATS; i++) {
        uint64_t at = atomic_load(&kith__agent_shared()->mailboxes[i]);

        REQUIRE(at == 0 || (kith__heap_check(at) == 0 && kith__heap_owner_now(at) == 0));
    }
    kith_process_close(p);
    REQUIRE(kith_queue_close(q) == 0);
}
static void mailbox_of_one_killed_while_making_it_stays(void)
{
    JOB(mailbox_of_one_killed_while_making_it_stays_job);
}

/* Until the queue has n items and keeps them: what a dead one has asked for may still be on its way there and
 * back. */
static void await_steady_size(kith_queue q, int64_t n)
{
    int steady = 0;

    for (int64_t begin = kith__now_ns(); steady < 40 && ms_since(begin) < SOON * slowdown();) {
        steady = kith_queue_size(q) == n ? steady + 1 : 0;
        sleep_ms(1);
    }
    REQUIRE(steady == 40);
}

static void taker_killed_at_each_step_takes_at_most_one_job(void)
{
    static const char *const steps[] = { "mailbox: posted", "mailbox: answer taken",
                                         "mailbox: block not kept yet", "mailbox: block kept" };
    static const size_t sizes[] = { 8, 6000, 100000 };
    uint64_t before = 0;

    for (int round = 0; round < 2; round++)
        for (size_t s = 0; s < 4; s++)
            for (size_t k = s < 2 ? 0 : 1; k < 3; k++)
                for (int count = 1; count <= 3; count++) {
                    struct victim v = { kith_queue_open(0), "", count, sizes[k], s > 1 };
                    char *bytes = calloc(1, sizes[k]);
                    kith_process p;
                    int64_t n = 8 - (s == 0 ? count - 1 : count);

                    for (int i = 0; i < 8; i++)
                        REQUIRE(kith_queue_put(v.q, bytes, sizes[k], KITH_FOREVER) == 0);
                    snprintf(v.step, sizeof v.step, "%s", steps[s]);
                    p = kith_process_start(takes_and_dies, KITH_ARG(v));
                    join_dead(p);
                    await_steady_size(v.q, n);
                    kith_process_close(p);
                    free(bytes);
                    REQUIRE(kith_queue_close(v.q) == 0);
                    if (before == 0 && round == 1)
                        before = used_blocks();
                }
    await_blocks(before + 2);
}
static void taker_killed_at_each_step_takes_at_most_one(void)
{
    JOB(taker_killed_at_each_step_takes_at_most_one_job);
}

/* Else the agent would take the block of one call for that of another one, which was kept and given back. */
static void answers_have_owners_of_their_own_job(void)
{
    const uint64_t last = (uint64_t)(KITH__SEATS - 1) << 48, own = kith__mailbox_answer_owner(last | 7);

    REQUIRE(own != kith__mailbox_answer_owner(last | 8));
    for (uint64_t seat = 0; seat < KITH__SEATS - 1; seat++)
        REQUIRE(own != kith__mailbox_answer_owner(seat << 48 | 7));
    REQUIRE((uint32_t)own == kith__agent_shared()->agent);
}
static void answers_have_owners_of_their_own(void)
{
    JOB(answers_have_owners_of_their_own_job);
}

/* The agent frees what it has brought when nobody wants it any more, but not this. */
static void block_of_an_answer_stays_with_its_taker_job(void)
{
    enum { ITEMS = 8, SIZE = 100000 };
    kith_queue q = kith_queue_open(0);
    char *bytes = malloc(SIZE);
    uint64_t kept[ITEMS], others[ITEMS], before = 0;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < ITEMS; i++) {
            memset(bytes, i + 1, SIZE);
            REQUIRE(kith_queue_put(q, bytes, SIZE, KITH_FOREVER) == 0);
        }
        for (int i = 0; i < ITEMS; i++)
            kept[i] = keep_one(q, SIZE);
        REQUIRE(kith_queue_size(q) == 0); /* the agent has seen that the last one was taken */
        for (int i = 0; i < ITEMS; i++) {
            REQUIRE((others[i] = kith__heap_alloc(SIZE, kith__me)) != 0);
            memset(kith__at(others[i]), 255, SIZE);
        }
        for (int i = 0; i < ITEMS; i++) {
            memset(bytes, i + 1, SIZE);
            REQUIRE(kith__heap_owner_now(kept[i]) == kith__me);
            REQUIRE(memcmp(kith__at(kept[i]), bytes, SIZE) == 0);
            kith__heap_free(kept[i]);
            kith__heap_free(others[i]);
        }
        if (round == 0)
            before = used_blocks();
    }
    await_blocks(before);
    free(bytes);
    REQUIRE(kith_queue_close(q) == 0);
}
static void block_of_an_answer_stays_with_its_taker(void)
{
    JOB(block_of_an_answer_stays_with_its_taker_job);
}

/* Putters and takers are killed at random while others go on. */
struct storm {
    kith_queue q, out;
    int who;
};

static int storms(const void *arg)
{
    const struct storm *s = arg;

    for (int i = 0;; i++) {
        int x[2] = { s->who, i };

        if (kith_put(s->q, x) < 0)
            return 1;
        if (i % 16 == 15)
            kith_queue_size(s->q);
    }
}

/* An item that went to a taker who was killed comes back, perhaps behind later ones that another has taken;
 * but no item comes twice. */
static int drains(const void *arg)
{
    enum { MOST = 1 << 23 };
    static unsigned char seen[2][MOST / 8];
    const struct storm *s = arg;
    int x[2];

    for (;;) {
        if (kith_get(s->q, &x) < 0)
            return 1;
        if (x[0] == 999)
            return 0;
        if (x[0] < 0 || x[1] < 0 || x[1] >= MOST)
            return 2;
        if (x[0] > 1)
            continue;
        if (seen[x[0]][x[1] / 8] & 1 << x[1] % 8)
            return 3;
        seen[x[0]][x[1] / 8] |= (unsigned char)(1 << x[1] % 8);
    }
}

static void storm_of_kills_repeats_nothing_job(void)
{
    int kills = getenv("KITH_TEST_LONG") ? 300 : 60, end[2] = { 999, 0 }, code;
    struct storm s = { kith_queue_open(0), { 0 }, 0 };
    kith_process putters[2], taker = kith_process_start(drains, KITH_ARG(s)), victim;

    for (int i = 0; i < 2; i++) {
        s.who = i;
        putters[i] = kith_process_start(storms, KITH_ARG(s));
    }
    for (int i = 0; i < kills; i++) {
        s.who = i + 2;
        victim = kith_process_start(i % 2 ? drains : storms, KITH_ARG(s));
        usleep((useconds_t)(i * 7919 % 5000));
        REQUIRE(kith_process_kill(victim) == 0 && kith_process_join(victim, KITH_FOREVER) == 0);
        kith_process_close(victim);
    }
    for (int i = 0; i < 2; i++)
        REQUIRE(kith_process_kill(putters[i]) == 0 && kith_process_join(putters[i], KITH_FOREVER) == 0);
    REQUIRE(kith_put(s.q, end) == 0);
    REQUIRE(kith_process_join(taker, KITH_FOREVER) == 0);
    REQUIRE(kith_process_exitcode(taker, &code) == 0 && code == 0);
    REQUIRE(kith_queue_close(s.q) == 0);
    REQUIRE(kith__heap_audit() == 0);
}
static void storm_of_kills_repeats_nothing(void)
{
    JOB(storm_of_kills_repeats_nothing_job);
}

static struct test tests[] = { TEST(taker_killed_while_parked_takes_nothing),
                               TEST(item_that_reached_nobody_goes_back_to_the_front),
                               TEST(putter_killed_at_each_step_harms_nobody),
                               TEST(heir_of_a_half_told_request_is_heard),
                               TEST(place_of_a_killed_putter_comes_back),
                               TEST(wake_up_of_one_who_takes_nothing_is_passed_on),
                               TEST(block_of_a_killed_putter_is_freed_once),
                               TEST(taker_killed_at_each_step_takes_at_most_one),
                               TEST(block_of_an_answer_stays_with_its_taker),
                               TEST(answers_have_owners_of_their_own),
                               TEST(mailbox_of_one_killed_while_making_it_stays),
                               TEST(storm_of_kills_repeats_nothing),
                               TEST_END };

int main(void)
{
    return run_net_tests("mailbox", tests);
}
