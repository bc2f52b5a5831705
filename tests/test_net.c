/* test_net.c: objects through the node agent, on one node: what can go wrong on the way. Each test is a job of its own.
 * kith-test: limit=240 */
#include "config.h"
#include "check.h"
#include "agent.h"
#include "desk.h"
#include "errand.h"
#include "heap.h"
#include "module.h"
#include "process.h"
#include "queue.h"
#include "system.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* Runs fn in a job of its own, with the agent. */
static void (*job)(void);

static void in_job(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);   /* a test over its limit leaves nothing */
    setenv("KITH_TRANSPORT", "net", 1);
    kith_on_fault(NULL);
    REQUIRE(kith_init(NULL, NULL) == 0);
    job();
    REQUIRE(kith_finalize() == 0);
}

static int run_job(void (*fn)(void))
{
    job = fn;
    return check_fork(in_job);
}

#define JOB(fn) CU_ASSERT_EQUAL(run_job(fn), 0)

static int slowdown(void)
{
    const char *factor = getenv("KITH_TEST_SLOWDOWN");

    return factor ? atoi(factor) : 1;
}

static pid_t agent(void)
{
    return (pid_t)atomic_load(&kith__shared->agent_pid);
}

static void sleep_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}

static int64_t ms_since(int64_t begin)
{
    return (kith__now_ns() - begin) / KITH__MS;
}

/* Until a thread of process pid waits for the answer of the agent. */
static void await_parked(kith_process p)
{
    int pid = kith_process_pid(p);

    for (int i = 0; i < 5000; i++) {
        for (int s = 0; s < KITH__SEATS; s++) {
            const struct kith__seat *seat = &kith__shared->seats[s];
            uint32_t member = atomic_load(&seat->member);

            if (member && atomic_load(&kith__member(member)->pid) == pid && atomic_load(&seat->asleep))
                return;
        }
        sleep_ms(1);
    }
    REQUIRE(!"it never waited");
}

static uint64_t used_blocks(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_blocks;
}

/* Until nothing is left of what was used for a while. */
static void await_blocks(uint64_t most)
{
    for (int i = 0; i < 5000 && used_blocks() > most; i++)
        sleep_ms(1);
    REQUIRE(used_blocks() <= most);
    REQUIRE(kith__heap_audit() == 0);
}

/* ------------------------------------------------------------------- what is put behind */

static void puts_behind_keep_their_order_job(void)
{
    static char large[1 << 20], back[1 << 20];
    kith_queue q = kith_queue_open(0);
    size_t size;

    for (int i = 0; i < 300; i++) {
        size = i % 10 == 3 ? sizeof large - (size_t)i : i % 10 == 7 ? 20000 + (size_t)i : (size_t)i % 50;
        memset(large, i, size);
        REQUIRE(kith_queue_put(q, large, size, KITH_FOREVER) == 0);
        if (i % 37 == 36)
            REQUIRE(kith_queue_size(q) == i + 1);       /* nobody can see that they go on behind */
    }
    REQUIRE(kith_queue_size(q) == 300);
    for (int i = 0; i < 300; i++) {
        size = i % 10 == 3 ? sizeof large - (size_t)i : i % 10 == 7 ? 20000 + (size_t)i : (size_t)i % 50;
        REQUIRE(kith_queue_get(q, back, sizeof back, KITH_FOREVER) == (int64_t)size);
        for (size_t k = 0; k < size; k += 997)
            REQUIRE(back[k] == (char)i);
    }
    REQUIRE(kith_queue_close(q) == 0);
}
static void puts_behind_keep_their_order(void) { JOB(puts_behind_keep_their_order_job); }

static int puts_hundred(const void *arg)
{
    const kith_queue *q = arg;

    for (int i = 0; i < 100; i++)
        if (kith_put(*q, i) < 0)
            return 1;
    return 0;
}

static void putter_that_has_ended_has_put_all_job(void)
{
    kith_queue q = kith_queue_open(0);

    for (int i = 1; i <= 20; i++) {
        kith_process p = kith_process_start(puts_hundred, KITH_ARG(q));

        REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
        REQUIRE(kith_queue_size(q) == 100 * i);
        kith_process_close(p);
    }
}
static void putter_that_has_ended_has_put_all(void) { JOB(putter_that_has_ended_has_put_all_job); }

static void put_behind_into_a_closed_queue_is_told_by_the_next_job(void)
{
    kith_queue q = kith_queue_open(0), control = kith_queue_open(0);
    int x = 1, rc = 0;

    REQUIRE(kith_put(q, x) == 0);
    REQUIRE(kith_put(q, x) == 0);
    REQUIRE(kith_queue_close(q) == 0);
    for (int i = 0; i < 100 && rc == 0; i++) {
        rc = kith_put(q, x);
        sleep_ms(1);
    }
    REQUIRE(rc == KITH_ESTALE);
    REQUIRE(kith_put(control, x) == 0);
    REQUIRE(kith_get(control, &x) == 0);
}
static void put_behind_into_a_closed_queue_is_told_by_the_next(void)
{
    JOB(put_behind_into_a_closed_queue_is_told_by_the_next_job);
}

struct fill { kith_queue q; int count, then; };

/* then: 0: ends; 1: stays, and does nothing. */
static int fills(const void *arg)
{
    const struct fill *f = arg;

    for (int i = 0; i < f->count; i++)
        if (kith_put(f->q, i) < 0)
            return 1;
    while (f->then)
        sleep_ms(1000);
    return 0;
}

/* Places of a bounded queue that a putter has reserved and does not use are free for the others. */
static void reserved_places_come_back_job(void)
{
    for (int way = 0; way < 3; way++) {
        struct fill f = { kith_queue_open(1000), 400, way > 0 };
        kith_process p = kith_process_start(fills, KITH_ARG(f));
        int x = 0, n = 0;

        for (int i = 0; i < 5000 && kith_queue_size(f.q) < 400; i++)
            sleep_ms(1);
        if (way == 2)
            REQUIRE(kith_process_kill(p) == 0 && kith_process_join(p, KITH_FOREVER) == 0);
        if (way == 0)
            REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
        while (kith_queue_put(f.q, &x, sizeof x, 1000) == 0)
            n++;
        REQUIRE(n == 600 && kith_queue_size(f.q) == 1000);
        for (int i = 0; i < 1000; i++)
            REQUIRE(kith_get(f.q, &x) == 0);
        REQUIRE(kith_queue_size(f.q) == 0);
        kith_process_kill(p);
        REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
        REQUIRE(kith_queue_close(f.q) == 0);
    }
}
static void reserved_places_come_back(void) { JOB(reserved_places_come_back_job); }

/* The limit is for a queue that is full: this one never is, whatever the agent has to do. */
static void put_without_waiting_is_done_while_there_is_room_job(void)
{
    kith_queue q = kith_queue_open(0);
    int x;

    for (int i = 0; i < 100000; i++)
        REQUIRE(kith_queue_put(q, &i, sizeof i, 0) == 0);
    for (int i = 0; i < 100000; i++)
        REQUIRE(kith_get(q, &x) == 0 && x == i);
    REQUIRE(kith_queue_close(q) == 0);
}
static void put_without_waiting_is_done_while_there_is_room(void) { JOB(put_without_waiting_is_done_while_there_is_room_job); }

/* ----------------------------------------------------------------------------- sizes */

static void items_of_100_mib_job(void)
{
    size_t size = (size_t)100 << 20;
    unsigned char *bytes = malloc(size);
    kith_queue q = kith_queue_open(0);
    uint64_t before;

    REQUIRE(kith_queue_put(q, "x", 1, 0) == 0 && kith_queue_get(q, bytes, 1, 0) == 1);
    before = used_blocks();
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i ^ i >> 8 ^ i >> 16);
    for (int k = 0; k < 2; k++) {
        REQUIRE(kith_queue_put(q, bytes, size, KITH_FOREVER) == 0);
        REQUIRE(kith_queue_next(q, KITH_FOREVER) == (int64_t)size);
        memset(bytes, 0, size);
        REQUIRE(kith_queue_get(q, bytes, size - 1, KITH_FOREVER) == KITH_ETOOBIG);
        REQUIRE(kith_queue_get(q, bytes, size, KITH_FOREVER) == (int64_t)size);
        for (size_t i = 0; i < size; i += 4099)
            REQUIRE(bytes[i] == (unsigned char)(i ^ i >> 8 ^ i >> 16));
    }
    await_blocks(before);
    REQUIRE(kith_queue_close(q) == 0);
}
static void items_of_100_mib(void) { JOB(items_of_100_mib_job); }

static void memory_that_is_used_up_is_a_code_job(void)
{
    static char item[1 << 20], small[100];
    kith_queue q = kith_queue_open(0);
    int64_t rc, put = 0, got = 0;

    REQUIRE(kith_put(q, small) == 0);
    while ((rc = kith_queue_put(q, item, sizeof item, KITH_FOREVER)) == 0)
        put++;
    REQUIRE(rc == KITH_ENOMEM && put >= 10);
    REQUIRE(kith_queue_size(q) == put + 1);
    REQUIRE(kith_get(q, &small) == 0);
    while ((rc = kith_queue_get(q, item, sizeof item, 0)) == sizeof item)
        got++;
    REQUIRE(rc == KITH_ETIMEDOUT && got == put);
    REQUIRE(kith_queue_put(q, item, sizeof item, KITH_FOREVER) == 0);
}

static void memory_that_is_used_up_is_a_code(void)
{
    setenv("KITH_MEM", "64M", 1);
    JOB(memory_that_is_used_up_is_a_code_job);
    unsetenv("KITH_MEM");
}

/* ----------------------------------------------------------------------- time limits */

static void time_limits_are_kept_job(void)
{
    kith_queue q = kith_queue_open(1);
    int64_t begin = kith__now_ns();
    int x = 7;

    REQUIRE(kith_queue_get(q, &x, sizeof x, 0) == KITH_ETIMEDOUT);
    REQUIRE(ms_since(begin) < 2000);
    begin = kith__now_ns();
    REQUIRE(kith_queue_get(q, &x, sizeof x, 200) == KITH_ETIMEDOUT);
    REQUIRE(ms_since(begin) >= 199 && ms_since(begin) < 2000);
    REQUIRE(kith_queue_put(q, &x, sizeof x, 0) == 0);
    begin = kith__now_ns();
    REQUIRE(kith_queue_put(q, &x, sizeof x, 200) == KITH_ETIMEDOUT);
    REQUIRE(ms_since(begin) >= 199 && ms_since(begin) < 2000);
    REQUIRE(kith_queue_put(q, &x, sizeof x, 0) == KITH_ETIMEDOUT);
    REQUIRE(kith_queue_size(q) == 1);
    REQUIRE(kith_queue_put(q, &x, sizeof x, -2) == KITH_EINVAL);
}
static void time_limits_are_kept(void) { JOB(time_limits_are_kept_job); }

/* ---------------------------------------------------------------- deaths on the way */

static int takes_one(const void *arg)
{
    const kith_queue *q = arg;
    int x;

    return kith_get(*q, &x) < 0 ? 255 : x;
}

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
static void taker_killed_while_parked_takes_nothing(void) { JOB(taker_killed_while_parked_takes_nothing_job); }

/* It is stopped while it waits, so the item is on its desk when it is killed. */
static void item_that_reached_nobody_goes_back_to_the_front_job(void)
{
    kith_queue q = kith_queue_open(0);
    int x;

    for (int i = 1; i <= 5; i++) {
        kith_process dead = kith_process_start(takes_one, KITH_ARG(q));
        int second = -i;

        await_parked(dead);
        REQUIRE(kill(kith_process_pid(dead), SIGSTOP) == 0);
        REQUIRE(kith_put(q, i) == 0);
        REQUIRE(kith_put(q, second) == 0);
        REQUIRE(kith_queue_size(q) == 1);       /* the first is under way to the stopped one */
        REQUIRE(kith_process_kill(dead) == 0 && kith_process_join(dead, KITH_FOREVER) == 0);
        for (int k = 0; k < 5000 && kith_queue_size(q) != 2; k++)
            sleep_ms(1);
        REQUIRE(kith_get(q, &x) == 0 && x == i);
        REQUIRE(kith_get(q, &x) == 0 && x == -i);
    }
}
static void item_that_reached_nobody_goes_back_to_the_front(void)
{
    JOB(item_that_reached_nobody_goes_back_to_the_front_job);
}

static const char *die_at;
static int die_count;

static void die(const char *step)
{
    if (strcmp(step, die_at) == 0 && --die_count == 0)
        kill(getpid(), SIGKILL);
}

struct victim { kith_queue q; char step[40]; int count; size_t size; };

static int puts_and_dies(const void *arg)
{
    const struct victim *v = arg;
    char *bytes = calloc(1, v->size);

    die_at = v->step;
    die_count = v->count;
    kith__step_hook = die;
    for (int i = 0; i < 8; i++)
        kith_queue_put(v->q, bytes, v->size, KITH_FOREVER);
    free(bytes);
    return 0;
}

static int takes_and_dies(const void *arg)
{
    const struct victim *v = arg;
    char *bytes = malloc(v->size);

    die_at = v->step;
    die_count = v->count;
    kith__step_hook = die;
    for (int i = 0; i < 8; i++)
        kith_queue_get(v->q, bytes, v->size, KITH_FOREVER);
    free(bytes);
    return 0;
}

/* Killed at every step of filing: what was filed is put whole, nothing else; and all memory comes back. */
static void putter_killed_at_each_step_harms_nobody_job(void)
{
    static const char *const steps[] = { "desk: block offered", "desk: block handed over", "desk: filed", "desk: marked" };
    static const size_t sizes[] = { 8, 6000, 20000, 100000 };
    uint64_t before = 0;

    for (int round = 0; round < 2; round++)
        for (size_t s = 0; s < 4; s++)
            for (size_t k = 0; k < 4; k++)
                for (int count = 1; count <= 3; count++) {
                    struct victim v = { kith_queue_open(0), "", count, sizes[k] };
                    kith_process p;
                    int64_t n;

                    snprintf(v.step, sizeof v.step, "%s", steps[s]);
                    p = kith_process_start(puts_and_dies, KITH_ARG(v));
                    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
                    /* The next one on its seat goes on from there. It marks its desk once before it files. */
                    n = (int64_t)(s < 2 && sizes[k] <= KITH__ERRAND_BYTES ? 8 : s != 2 ? count - 1 : count);
                    for (int i = 0; i < 5000 && kith_queue_size(v.q) != n; i++)
                        sleep_ms(1);
                    if (kith_queue_size(v.q) != n)
                        fprintf(stderr, "killed at %s number %d of %zu bytes: %lld items, not %lld\n", steps[s], count, sizes[k],
                               (long long)kith_queue_size(v.q), (long long)n);
                    REQUIRE(kith_queue_size(v.q) == n);
                    kith_process_close(p);
                    p = kith_process_start(puts_hundred, KITH_ARG(v.q));
                    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
                    kith_process_close(p);
                    REQUIRE(kith_queue_size(v.q) == n + 100);
                    REQUIRE(kith_queue_close(v.q) == 0);
                    if (before == 0 && round == 1)
                        before = used_blocks();
                }
    await_blocks(before + 2);
}
static void putter_killed_at_each_step_harms_nobody(void) { JOB(putter_killed_at_each_step_harms_nobody_job); }

/* It dies with a place of the queue in its hand. */
static void place_of_a_killed_putter_comes_back_job(void)
{
    for (int count = 1; count <= 3; count++) {
        struct victim v = { kith_queue_open(100), "desk: place taken", count, 8 };
        kith_process p = kith_process_start(puts_and_dies, KITH_ARG(v));
        int x = 0;

        REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
        REQUIRE(kith_queue_size(v.q) < 8);
        while (kith_queue_put(v.q, &x, sizeof x, 1000) == 0)
            ;
        REQUIRE(kith_queue_size(v.q) == 100);
        kith_process_close(p);
        REQUIRE(kith_queue_close(v.q) == 0);
    }
}
static void place_of_a_killed_putter_comes_back(void) { JOB(place_of_a_killed_putter_comes_back_job); }

/* Of two who wait for an item, one over the network and one at home, the first has no room for it: the other is told. */
static int takes_too_little(const void *arg)
{
    const kith_queue *q = arg;
    char small;

    return kith_queue_get(*q, &small, 1, KITH_FOREVER) != KITH_ETOOBIG;
}

static int64_t pass_by(kith_queue q)
{
    kith_process far = kith_process_start(takes_too_little, KITH_ARG(q)), near;
    int64_t begin;
    int x = 7, code;

    await_parked(far);
    REQUIRE(kith_queue_size(q) == 0);   /* behind its get: that is parked at the queue now */
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

static void wake_up_of_one_who_takes_nothing_is_passed_on_job(void)
{
    kith_queue q = kith_queue_open(0);
    int64_t least = INT64_MAX;

    for (int i = 0; i < 5; i++) {
        int64_t took = pass_by(q);

        least = took < least ? took : least;
    }
    REQUIRE(least < 300);               /* else it looks once a second */
    REQUIRE(kith_queue_close(q) == 0);
}
static void wake_up_of_one_who_takes_nothing_is_passed_on(void) { JOB(wake_up_of_one_who_takes_nothing_is_passed_on_job); }

/* Two that have one seat after the other: the first dies when it has half told the agent to look, and nobody else does. */
struct heirs { kith_queue q; _Atomic int *seat, *go; uint32_t head; };

static int dies_half_marked(const void *arg)
{
    const struct heirs *h = arg;
    int x = 1;

    REQUIRE(kith_put(h->q, x) == 0);
    atomic_store(h->seat, (int)kith__seat_number(kith__seat()) + 1);
    while (!atomic_load(h->go))
        sleep_ms(1);
    die_at = "desk: marked";
    die_count = 1;
    kith__step_hook = die;
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

static void heir_of_a_half_told_errand_is_heard_job(void)
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
    REQUIRE(kith_process_join(heir, 5000) == 0);
    pthread_join(thread, NULL);
    REQUIRE(kith_process_exitcode(heir, &code) == 0 && code == 0);
    REQUIRE(kith_process_join(dead, KITH_FOREVER) == 0);
    for (int i = 0; i < 4; i++)
        REQUIRE(kith_get(h.q, &x) == 0 && x == (i < 1 ? 0 : i < 3 ? 1 : 2));
    REQUIRE(kith_queue_close(h.q) == 0);
    kith_free(words);
}
static void heir_of_a_half_told_errand_is_heard(void) { JOB(heir_of_a_half_told_errand_is_heard_job); }

/* Killed with a block that is not the agent's yet: it goes with all else that was the dead one's, and once. */
static void block_of_a_killed_putter_is_freed_once_job(void)
{
    enum { MINE = 64 };
    kith_queue q = kith_queue_open(0);
    struct victim v = { q, "desk: block offered", 1, 6000 };
    kith_process p = kith_process_start(puts_hundred, KITH_ARG(q));
    uint64_t mine[MINE], before;

    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);       /* its desk stays */
    kith_process_close(p);
    before = used_blocks();
    p = kith_process_start(puts_and_dies, KITH_ARG(v));
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
    kith_process_close(p);
    await_blocks(before);
    for (int i = 0; i < MINE; i++)
        REQUIRE((mine[i] = kith__heap_alloc(6000, kith__me)) != 0);
    p = kith_process_start(puts_hundred, KITH_ARG(q));
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
    kith_process_close(p);
    for (int i = 0; i < MINE; i++) {
        REQUIRE(kith__heap_owner_now(mine[i]) == kith__me);
        kith__heap_free(mine[i]);
    }
    REQUIRE(kith_queue_size(q) == 200);
    REQUIRE(kith_queue_close(q) == 0);
}
static void block_of_a_killed_putter_is_freed_once(void) { JOB(block_of_a_killed_putter_is_freed_once_job); }

static void taker_killed_at_each_step_takes_at_most_one_job(void)
{
    static const char *const steps[] = { "desk: filed", "desk: answer taken" };
    static const size_t sizes[] = { 8, 6000, 100000 };
    uint64_t before = 0;

    for (int round = 0; round < 2; round++)
        for (size_t s = 0; s < 2; s++)
            for (size_t k = 0; k < 3; k++)
                for (int count = 1; count <= 3; count++) {
                    struct victim v = { kith_queue_open(0), "", count, sizes[k] };
                    char *bytes = calloc(1, sizes[k]);
                    kith_process p;
                    int64_t n = 8 - (s == 0 ? count - 1 : count);

                    for (int i = 0; i < 8; i++)
                        REQUIRE(kith_queue_put(v.q, bytes, sizes[k], KITH_FOREVER) == 0);
                    snprintf(v.step, sizeof v.step, "%s", steps[s]);
                    p = kith_process_start(takes_and_dies, KITH_ARG(v));
                    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
                    for (int i = 0; i < 5000 && kith_queue_size(v.q) != n; i++)
                        sleep_ms(1);
                    sleep_ms(30);
                    REQUIRE(kith_queue_size(v.q) == n);
                    kith_process_close(p);
                    free(bytes);
                    REQUIRE(kith_queue_close(v.q) == 0);
                    if (before == 0 && round == 1)
                        before = used_blocks();
                }
    await_blocks(before + 2);
}
static void taker_killed_at_each_step_takes_at_most_one(void) { JOB(taker_killed_at_each_step_takes_at_most_one_job); }

/* Putters and takers are killed at random while others go on. */
struct storm { kith_queue q, out; int who; };

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

/* An item that went to a taker who was killed comes back, perhaps behind later ones that another has taken; but no item
 * comes twice. */
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
static void storm_of_kills_repeats_nothing(void) { JOB(storm_of_kills_repeats_nothing_job); }

/* ------------------------------------------------------------------- the agent itself */

static int waits_for_item(const void *arg)
{
    const kith_queue *q = arg;
    int x;

    return kith_get(*q, &x) == KITH_EPEER ? 3 : 4;
}

/* The exit code of p, without the agent, which is dead. */
static int code_here(kith_process p, int limit_ms)
{
    int64_t begin = kith__now_ns(), seen;
    int status;

    while (kith__process_ended(p.id) == KITH__PARKED && ms_since(begin) < limit_ms)
        sleep_ms(1);
    seen = kith__process_look(p.id);
    status = (int)(uint32_t)seen;
    if (seen >> 32 != 2)
        return -1000;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void death_of_the_agent_is_told_within_2_s_job(void)
{
    kith_queue q = kith_queue_open(0);
    kith_process p[3];
    int64_t begin;
    int x = 1;

    for (int i = 0; i < 3; i++) {
        p[i] = kith_process_start(waits_for_item, KITH_ARG(q));
        await_parked(p[i]);
    }
    begin = kith__now_ns();
    REQUIRE(kill(agent(), SIGKILL) == 0);
    for (int i = 0; i < 3; i++)
        REQUIRE(code_here(p[i], 2000) == 3);
    begin = kith__now_ns();
    REQUIRE(kith_put(q, x) == KITH_EPEER && strstr(kith_last_error(), "agent"));
    REQUIRE(kith_queue_get(q, &x, sizeof x, KITH_FOREVER) == KITH_EPEER);
    REQUIRE(kith_queue_size(q) == KITH_EPEER);
    REQUIRE(ms_since(begin) < 2000);
}
static void death_of_the_agent_is_told_within_2_s(void) { JOB(death_of_the_agent_is_told_within_2_s_job); }

static int trades(const void *arg)
{
    const struct storm *s = arg;
    static char bytes[200000];
    int64_t rc = 0;

    for (int i = 0; rc >= 0; i++) {
        if (s->who % 2)
            rc = kith_queue_put(s->q, bytes, i % 7 == 6 ? sizeof bytes : i % 5 == 4 ? 6000 : 8, KITH_FOREVER);
        else
            rc = kith_queue_get(s->q, bytes, sizeof bytes, KITH_FOREVER);
    }
    return rc == KITH_EPEER ? 3 : 4;
}

static unsigned moment;

/* In the middle of everything; the queue and the memory of the node are sound. */
static void agent_dies_in_the_middle_job(void)
{
    struct storm s = { kith_queue_open(0), { 0 }, 0 };
    kith_process p[4];
    int x = 0;

    for (s.who = 0; s.who < 4; s.who++)
        p[s.who] = kith_process_start(trades, KITH_ARG(s));
    usleep(2000 + moment * 7919 % 20000);
    REQUIRE(kill(agent(), SIGKILL) == 0);
    for (int i = 0; i < 4; i++)
        REQUIRE(code_here(p[i], 2000 * slowdown()) == 3);
    atomic_store(&kith__shared->through_net, 0);
    for (int i = 0; i < 5000 && kith_queue_size(s.q) > 0; i++) {
        static char bytes[200000];

        REQUIRE(kith_queue_get(s.q, bytes, sizeof bytes, 0) >= 0);
    }
    REQUIRE(kith_put(s.q, x) == 0 && kith_get(s.q, &x) == 0 && kith_queue_close(s.q) == 0);
    REQUIRE(kith__heap_audit() == 0);
}

static void agent_that_dies_in_the_middle_harms_no_object(void)
{
    unsigned rounds = getenv("KITH_TEST_LONG") ? 300 : 30;

    for (moment = 0; moment < rounds; moment++)
        JOB(agent_dies_in_the_middle_job);
}

static void stopped_agent_is_waited_for_job(void)
{
    kith_queue q = kith_queue_open(0);
    kith_process p;
    int code, x = 5;

    REQUIRE(kith_put(q, x) == 0 && kith_get(q, &x) == 0);
    p = kith_process_start(takes_one, KITH_ARG(q));
    await_parked(p);
    REQUIRE(kill(agent(), SIGSTOP) == 0);
    sleep_ms(4500);                     /* longer than a silent peer is waited for */
    REQUIRE(kill(agent(), SIGCONT) == 0);
    REQUIRE(kith_put(q, x) == 0);
    REQUIRE(kith_process_join(p, 5000) == 0);
    REQUIRE(kith_process_exitcode(p, &code) == 0 && code == 5);
}
static void stopped_agent_is_waited_for(void) { JOB(stopped_agent_is_waited_for_job); }

/* This process in the agent's place, while that is stopped: what it does with errands, on a link that carries when the test says so. */
static struct { struct kith__proto *proto; uint64_t asked, refused; } stand_in;

static void *stand_in_at(void *context, uint64_t block)
{
    (void)context;
    return kith__at(block);
}

static void stand_in_release(void *context, uint64_t block)
{
    (void)context;
    kith__heap_free(block);
}

/* A home that is content with each put, and gives more than anybody has asked for. */
static uint64_t stand_in_request(void *context, uint32_t peer, const struct kith__request *r, const void *bytes)
{
    static const char much[100] = "much";
    const struct kith__reply reply = { .id = r->id, .result = sizeof much, .size = sizeof much, .flags = KITH__GIVES };

    (void)context;
    (void)bytes;
    stand_in.asked++;
    if (r->op == KITH__OP_PUT)
        kith__proto_confirm(stand_in.proto, peer, r->id, KITH__BEHIND);
    else
        kith__proto_reply(stand_in.proto, peer, &reply, much, 0);
    return 0;
}

static uint64_t stand_in_reply(void *context, uint32_t peer, const struct kith__reply *r, const void *bytes)
{
    (void)context;
    return kith__errands_reply(peer, r, bytes);
}

static void stand_in_settled(void *context, uint32_t peer, uint64_t id, int yes)
{
    (void)context;
    (void)peer;
    (void)id;
    stand_in.refused += yes == 0;
}

static const struct kith__proto_events stand_in_events = { .at = stand_in_at, .release = stand_in_release,
                                                           .request = stand_in_request, .reply = stand_in_reply,
                                                           .settled = stand_in_settled };

static void carry_frames(void)
{
    static char frame[KITH__FRAME_MOST];
    struct kith__out out;

    while (kith__proto_next(stand_in.proto, &out, kith__now_ns())) {
        memcpy(frame, out.head, out.head_size);
        if (out.body_size > 0)
            memcpy(frame + out.head_size, out.body, out.body_size);
        kith__proto_sent(stand_in.proto, &out, 1, kith__now_ns());
        kith__proto_receive(stand_in.proto, 0, frame, out.head_size + out.body_size, kith__now_ns());
    }
    kith__proto_tick(stand_in.proto, kith__now_ns());
}

struct talker { kith_queue q; _Atomic int at; int result; char room[100]; };

static void *talks_much(void *arg)
{
    static char item[4000];
    struct talker *t = arg;

    t->result = kith_queue_put(t->q, item, sizeof item, KITH_FOREVER);
    atomic_store(&t->at, 1);
    while (atomic_load(&t->at) == 1)
        sleep_ms(1);
    for (int i = 0; i < 1000 && t->result == 0; i++)
        t->result = kith_queue_put(t->q, item, sizeof item, KITH_FOREVER);
    atomic_store(&t->at, 3);
    while (atomic_load(&t->at) == 3)
        sleep_ms(1);
    if (t->result == 0)
        t->result = (int)kith_queue_get(t->q, t->room, 4, KITH_FOREVER);
    atomic_store(&t->at, 5);
    return NULL;
}

static void serve_until(struct talker *t, int at)
{
    for (int i = 0; i < 5000 && atomic_load(&t->at) != at; i++) {
        kith__errands_collect(kith__now_ns());
        carry_frames();
        if (!kith__errands_go_on())
            sleep_ms(1);
    }
    REQUIRE(atomic_load(&t->at) == at);
}

static void agent_stands_back_job(void)
{
    struct kith__proto_config c = { .node = 0, .nodes = 1, .job = 5, .beat_ns = 500 * KITH__MS, .first_ns = INT64_MAX,
                                    .lost_ns = INT64_MAX, .silent_ns = INT64_MAX, .window = 2 << 20 };
    struct talker t = { .q = kith_queue_open(0) };
    int status, busy = 0;
    pthread_t thread;

    memset(t.room, 'x', sizeof t.room);
    pthread_create(&thread, NULL, talks_much, &t);
    while (atomic_load(&t.at) != 1 || !atomic_load(&kith__office()->asleep))
        sleep_ms(1);
    REQUIRE(kill(agent(), SIGSTOP) == 0);
    for (status = 0; status != 'T'; sleep_ms(1)) {
        char path[64], text[64] = "";
        int fd;

        snprintf(path, sizeof path, "/proc/%d/stat", (int)agent());
        REQUIRE((fd = open(path, O_RDONLY)) >= 0 && read(fd, text, sizeof text - 1) > 0);
        close(fd);
        status = strrchr(text, ')')[2];
    }
    REQUIRE((stand_in.proto = kith__proto_new(&c, &stand_in_events, NULL)) != NULL);
    kith__errands_init(stand_in.proto, 1);
    atomic_store(&t.at, 2);

    /* The node acknowledges nothing: the errands stay on the desk, and the agent need not look at them again and again. */
    for (int i = 0; i < 5000 && kith__proto_backlog(stand_in.proto, 0) <= 1 << 20; i++) {
        kith__errands_collect(kith__now_ns());
        sleep_ms(1);
    }
    for (int i = 0; i < 100; i++) {
        int more = kith__errands_collect(kith__now_ns());

        sleep_ms(1);
        busy += i >= 50 && (more || kith__errands_go_on());
    }
    REQUIRE(busy == 0 && atomic_load(&t.at) == 2);
    REQUIRE(kith__proto_backlog(stand_in.proto, 0) < 2 << 20);
    serve_until(&t, 3);

    /* An item that is larger than what there is room for goes back. */
    atomic_store(&t.at, 4);
    serve_until(&t, 5);
    carry_frames();
    pthread_join(thread, NULL);
    REQUIRE(t.result == KITH_EPEER && t.room[0] == 'x' && t.room[4] == 'x' && stand_in.refused == 1);
    REQUIRE(stand_in.asked == 1001);
    kith__proto_free(stand_in.proto);
    REQUIRE(kill(agent(), SIGCONT) == 0);
    REQUIRE(kith_queue_size(t.q) == 1);
    REQUIRE(kith_queue_close(t.q) == 0);
}
static void agent_waits_for_a_slow_node_and_believes_no_wrong_size(void) { JOB(agent_stands_back_job); }

static int64_t cpu_ns(pid_t pid)
{
    char path[64], text[128] = "";
    int fd;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    if ((fd = open(path, O_RDONLY)) < 0 || read(fd, text, sizeof text - 1) <= 0)
        return -1;
    close(fd);
    return strtoll(text, NULL, 10);
}

/* Of its first thread, in a second. It may have been busy with its start before: one quiet second of some is enough. */
static int is_quiet(pid_t pid)
{
    for (int i = 0; i < 5; i++) {
        int64_t begin = cpu_ns(pid), ns;

        sleep_ms(1000);
        ns = cpu_ns(pid) - begin;
        if (begin >= 0 && ns < 1000000 * slowdown())
            return 1;
        printf("%lld us of CPU in a second ", (long long)ns / 1000);
    }
    return 0;
}

static void idle_agent_takes_no_cpu_job(void)
{
    kith_queue q = kith_queue_open(0);
    kith_process p = kith_process_start(takes_one, KITH_ARG(q));
    int x = 0;

    await_parked(p);
    REQUIRE(is_quiet(agent()));
    REQUIRE(kith_put(q, x) == 0 && kith_process_join(p, KITH_FOREVER) == 0);
}
static void idle_agent_takes_no_cpu(void) { JOB(idle_agent_takes_no_cpu_job); }

/* With the agent's public key, which its node tells, and a pair of its own. */
static void stranger_gets_nothing_from_the_agent_job(void)
{
    const struct kith__transport *net = dlsym(kith__module("net"), "kith_net_transport");
    struct kith__wire_config c = { .node = 0, .nodes = 1, .frame_most = 256 << 10, .lanes = 3, .threads = 1, .cut_ms = 1500 };
    const struct kith__card *card;
    struct kith__wire *w = NULL;
    size_t size;
    int x = 1;

    card = kith__agent_card(&size);
    REQUIRE(size == sizeof *card);
    REQUIRE(net->key_pair(c.public_key, c.secret_key) == 0 && (w = net->open(&c)));
    REQUIRE(net->reach(w, 0, "127.0.0.1", card->places[0].port, card->public_key) == 0);
    for (int i = 0; i < 100; i++) {
        REQUIRE(net->send(w, 0, 0, "let me in", 9, NULL, 0) == 0);
        sleep_ms(10);
    }
    net->close(w, 0);
    {
        kith_queue q = kith_queue_open(0);

        REQUIRE(kith_put(q, x) == 0 && kith_get(q, &x) == 0);
    }
}

/* libzmq in this process, so it must not be the one that forks later. */
static void stranger_gets_nothing_from_the_agent(void) { JOB(stranger_gets_nothing_from_the_agent_job); }

static const char *variable, *value, *wanted;

static void refused_init(void)
{
    setenv("KITH_TRANSPORT", "net", 1);
    setenv(variable, value, 1);
    kith_on_fault(NULL);
    REQUIRE(kith_init(NULL, NULL) < 0);
    REQUIRE(strstr(kith_last_error(), wanted) != NULL);
}

static void refuses(const char *name, const char *with, const char *sentence)
{
    variable = name;
    value = with;
    wanted = sentence;
    CU_ASSERT_EQUAL(check_fork(refused_init), 0);
}

static void bad_variables_are_a_sentence(void)
{
    refuses("KITH_TRANSPORT", "pigeon", "pigeon");
    refuses("KITH_NET_SECURITY", "none", "none");
    refuses("KITH_PORTS", "99-1", "99-1");
    refuses("KITH_PORTS", "70000", "70000");
    refuses("KITH_MODULES", "/nowhere", "/nowhere");
}

static struct test tests[] = {
    TEST(puts_behind_keep_their_order),
    TEST(putter_that_has_ended_has_put_all),
    TEST(put_behind_into_a_closed_queue_is_told_by_the_next),
    TEST(reserved_places_come_back),
    TEST(put_without_waiting_is_done_while_there_is_room),
    TEST(items_of_100_mib),
    TEST(memory_that_is_used_up_is_a_code),
    TEST(time_limits_are_kept),
    TEST(taker_killed_while_parked_takes_nothing),
    TEST(item_that_reached_nobody_goes_back_to_the_front),
    TEST(putter_killed_at_each_step_harms_nobody),
    TEST(heir_of_a_half_told_errand_is_heard),
    TEST(place_of_a_killed_putter_comes_back),
    TEST(wake_up_of_one_who_takes_nothing_is_passed_on),
    TEST(block_of_a_killed_putter_is_freed_once),
    TEST(taker_killed_at_each_step_takes_at_most_one),
    TEST(storm_of_kills_repeats_nothing),
    TEST(death_of_the_agent_is_told_within_2_s),
    TEST(agent_that_dies_in_the_middle_harms_no_object),
    TEST(stopped_agent_is_waited_for),
    TEST(agent_waits_for_a_slow_node_and_believes_no_wrong_size),
    TEST(idle_agent_takes_no_cpu),
    TEST(stranger_gets_nothing_from_the_agent),
    TEST(bad_variables_are_a_sentence),
    TEST_END
};

int main(void)
{
    void *module = kith__module("net");

    if (!module || !dlsym(module, "kith_net_transport")) {
        printf("skipped: %s\n", kith_last_error());
        return 77;
    }
    return run_tests("net", tests);
}
