/* test_wait.c: how threads wait: those of a real-time policy never spin, as nothing else runs on their CPU
 * meanwhile. */
#include "config.h"
#include "anyjob.h"
#include "base/system.h"
#include "object/object.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

static int played = -1; /* what sched_getscheduler answers; -1: the truth */
static _Atomic int yields;

/* In place of libc's. */
int sched_getscheduler(pid_t pid)
{
    struct sched_param param;

    if (played >= 0)
        return played;
    return sched_getparam(pid, &param) == 0 && param.sched_priority > 0 ? SCHED_FIFO : SCHED_OTHER;
}

int sched_yield(void)
{
    atomic_fetch_add(&yields, 1);
    return 0;
}

/* Waits for what does not come, 20 times: the CPU offered while it spins. */
static int yields_of_waits(kith_queue q)
{
    int x;

    kith__nap(2 * KITH__MS); /* the policy is asked for anew */
    atomic_store(&yields, 0);
    for (int i = 0; i < 20; i++)
        REQUIRE(kith_queue_get(q, &x, sizeof x, 1) == KITH_ETIMEDOUT);
    return atomic_load(&yields);
}

static void wait_under_each_policy(void)
{
    static const int realtime[] = { SCHED_FIFO, SCHED_RR, 6, SCHED_FIFO | SCHED_RESET_ON_FORK };
    kith_queue q;

    begin();
    q = kith_queue_open(0);
    played = SCHED_OTHER;
    REQUIRE(yields_of_waits(q) > 0);
    for (size_t i = 0; i < sizeof realtime / sizeof realtime[0]; i++) {
        played = realtime[i];
        REQUIRE(yields_of_waits(q) == 0);
    }
    played = SCHED_BATCH;
    REQUIRE(yields_of_waits(q) > 0);
    REQUIRE(kith_finalize() == 0);
}

static void realtime_threads_sleep_at_once(void)
{
    CU_ASSERT_EQUAL(check_fork(wait_under_each_policy), 0);
}

/* ---- before a wait begins, and after a wake-up */

static int looks;

static int comes_after(const void *of)
{
    return ++looks == *(const int *)of;
}

static void look_briefly(void)
{
    const int third = 3, never = 0;

    begin();
    played = SCHED_OTHER;
    kith__nap(2 * KITH__MS);
    REQUIRE(kith__wait_briefly(comes_after, &third, 0, 2000) == 1 && looks == 3);
    REQUIRE(kith__wait_briefly(comes_after, &never, 0, 2000) == 0 && looks > 3);
    played = SCHED_FIFO;
    kith__nap(2 * KITH__MS);
    looks = 0;
    REQUIRE(kith__wait_briefly(comes_after, &third, 0, 2000) == 0 && looks == 0);
    REQUIRE(kith_finalize() == 0);
}

static void what_is_soon_there_is_looked_for_before(void)
{
    CU_ASSERT_EQUAL(check_fork(look_briefly), 0);
}

static int stands(const struct kith__wait *w)
{
    uint32_t n = kith__seat_number(w->seat);

    return (int)(atomic_load(&w->set->bits[n / 64]) >> n % 64 & 1);
}

/* Who is hasty is out of the set from the wake-up on, until it comes back for having found nothing. */
static void wake_a_hasty_one(void)
{
    struct kith__wait w;
    kith_lock l;

    begin();
    l = kith_lock_open();
    for (int found = 0; found < 2; found++) {
        REQUIRE(kith__wait_begin(&w, kith__object_waiters(kith__object_slot(l.id), 0), KITH_FOREVER) == 0);
        w.hasty = 1;
        REQUIRE(stands(&w));
        REQUIRE(kith__wake_one(w.set));
        REQUIRE(kith__wait_sleep(&w) == 0 && !stands(&w));
        REQUIRE(!kith__has_waiters(w.set) || !kith__somebody_waits(w.set));
        if (!found) {
            REQUIRE(kith__wait_sleep(&w) == 0 && stands(&w));
            REQUIRE(kith__wake_one(w.set)); /* it is one that can be woken again */
        }
        kith__wait_end(&w, 1);
        REQUIRE(!stands(&w));
    }
    REQUIRE(kith_lock_close(l) == 0 && kith_finalize() == 0);
}

static void a_hasty_one_looks_before_it_stands_there_again(void)
{
    CU_ASSERT_EQUAL(check_fork(wake_a_hasty_one), 0);
}

/* ---- the real thing, on one CPU */

static int become_realtime(int policy)
{
    const struct sched_param param = { .sched_priority = 1 };

    return sched_setscheduler(0, policy, &param);
}

static void bind_to_one_cpu(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    REQUIRE(sched_setaffinity(0, sizeof set, &set) == 0);
}

static int policy, before_init;

static void work_in_realtime(void)
{
    bind_to_one_cpu();
    if (before_init)
        REQUIRE(become_realtime(policy) == 0);
    begin();
    if (!before_init)
        REQUIRE(become_realtime(policy) == 0);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void realtime_callers_and_workers_share_one_cpu(void)
{
    static const int policies[] = { SCHED_FIFO, SCHED_RR };
    const struct sched_param normal = { .sched_priority = 0 };

    if (become_realtime(SCHED_FIFO) < 0)
        SKIP("no right to use a real-time policy");
    sched_setscheduler(0, SCHED_OTHER, &normal);
    for (int i = 0; i < 4; i++) {
        policy = policies[i / 2];
        before_init = i % 2;
        CU_ASSERT_EQUAL(check_fork(work_in_realtime), 0);
    }
}

static struct test tests[] = {
    TEST(realtime_threads_sleep_at_once),
    TEST(realtime_callers_and_workers_share_one_cpu),
    TEST(what_is_soon_there_is_looked_for_before),
    TEST(a_hasty_one_looks_before_it_stands_there_again),
    TEST_END,
};

int main(void)
{
    return run_tests("wait", tests);
}
