/* netjob.h: for tests of objects through the node agent, on one node. */
#ifndef KITH_NETJOB_H
#define KITH_NETJOB_H

#include "check.h"
#include "member/members.h"
#include "shm/heap.h"
#include "base/module.h"
#include "base/system.h"
#include "rpc/mailbox.h"

#include <dlfcn.h>
#include <sys/prctl.h>

/* Runs fn in a job of its own, with the agent. */
static void (*job)(void);

static inline void in_job(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test over its limit leaves nothing */
    setenv("KITH_TRANSPORT", "net", 1);
    kith_on_fault(NULL);
    REQUIRE(kith_init(NULL, NULL) == 0);
    job();
    REQUIRE(kith_finalize() == 0);
}

static inline int run_job(void (*fn)(void))
{
    job = fn;
    return check_fork(in_job);
}

#define JOB(fn) CU_ASSERT_EQUAL(run_job(fn), 0)

static inline pid_t agent(void)
{
    return (pid_t)atomic_load(&kith__shared->agent_pid);
}

static inline void sleep_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}

static inline int64_t ms_since(int64_t begin)
{
    return (kith__now_ns() - begin) / KITH__MS;
}

/* Until a thread of process pid waits for the answer of the agent. */
static inline void await_parked(kith_process p)
{
    int64_t begin = kith__now_ns();
    int pid = kith_process_pid(p);

    while (ms_since(begin) < SOON * slowdown()) {
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

/* Until the home of q has heard what was asked before, by whomever. The agent may collect a request before
 * those that other threads have posted earlier, but together with them: so the second one is behind them. */
static inline void await_heard(kith_queue q)
{
    REQUIRE(kith_queue_size(q) >= 0 && kith_queue_size(q) >= 0);
}

/* Requests that the threads of this node have made of their agent. */
static inline uint64_t count_requests(void)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < KITH__SEATS; i++) {
        uint64_t at = atomic_load(&kith__agent_shared()->mailboxes[i]);

        count += at ? ((struct kith__mailbox *)kith__at(at))->count : 0;
    }
    return count;
}

static inline uint64_t used_blocks(void)
{
    struct kith__heap_stats stats;

    kith__heap_stats(&stats);
    return stats.used_blocks;
}

/* Until nothing is left of what was used for a while. */
static inline void await_blocks(uint64_t most)
{
    for (int64_t begin = kith__now_ns(); used_blocks() > most && ms_since(begin) < SOON * slowdown();)
        sleep_ms(1);
    REQUIRE(used_blocks() <= most);
    REQUIRE(kith__heap_audit() == 0);
}

/* A Process that waits for an int in the queue, which becomes its exit code. */
static inline int takes_one(const void *arg)
{
    const kith_queue *q = arg;
    int x;

    return kith_get(*q, &x) < 0 ? 255 : x;
}

/* A Process that puts 0 to 99. */
static inline int puts_hundred(const void *arg)
{
    const kith_queue *q = arg;

    for (int i = 0; i < 100; i++)
        if (kith_put(*q, i) < 0)
            return 1;
    return 0;
}

/* The tests, or skipped when there is no network. */
static inline int run_net_tests(const char *name, struct test *tests)
{
    void *module = kith__module("net");

    if (!module || !dlsym(module, "kith_net_transport")) {
        printf("skipped: %s\n", kith_last_error());
        return 77;
    }
    return run_tests(name, tests);
}

#endif
