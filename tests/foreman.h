/* foreman.h: for tests of a pool with workers beyond its own: a foreman and its branch, on the same node
 * here, and all that they say to the pool goes through the agent. */
#ifndef KITH_TEST_FOREMAN_H
#define KITH_TEST_FOREMAN_H

#include "netjob.h"
#include "pool/branch.h"
#include "pool/opening.h"
#include "pool/pool.h"
#include "pool/spread.h"

#include <math.h>
#include <sys/mman.h>

enum { N = 5000 };

static kith_pool pool;
static struct kith__object *object;
static struct kith__spread *plan;
static _Atomic int *begun;    /* tasks, by the branch; shared */
static _Atomic int *attempts; /* [N]: of each task; shared */

static inline void share_begun(void)
{
    begun = mmap(NULL, (1 + N) * sizeof *begun, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    attempts = begun + 1;
}

/* One worker at home, and a branch of so many, which takes part from the beginning. */
static inline void open_pool(uint32_t workers, const struct kith_pool_options *o)
{
    struct kith_pool_options all = { 0 };

    plan = calloc(1, sizeof *plan + sizeof plan->of[0]);
    *plan = (struct kith__spread){ .here = 1, .all = 1 + workers, .count = 1 };
    plan->of[0] = (struct kith__share){ .node = 0, .workers = workers, .first_worker = 1 };
    if (o)
        all = *o;
    all.nodes = -1;
    REQUIRE(kith__pool_open_spread(plan, &all, &pool.id) == 0);
    REQUIRE(kith__pool_find(pool, &object) == 0);
    while (atomic_load(&kith__branches(kith__pool_body(object))->of[0].state) == KITH__BRANCH_FREE)
        sleep_ms(1);
}

static inline void close_pool(void)
{
    REQUIRE(kith_pool_close(pool) == 0);
    free(plan);
}

/* The job of the last call: it may have any place. NULL: there was none yet. */
static inline struct kith__job *last_job(void)
{
    const struct kith__pool *p = kith__pool_body(object);
    uint64_t seq = atomic_load(&p->seq);

    for (uint32_t i = 0; i < kith__posts(p); i++) {
        struct kith__job *j = kith__post_job(kith__post(p, i));

        if (j && j->seq == seq)
            return j;
    }
    return NULL;
}

/* Units that the branch has done of it. */
static inline uint64_t done_by_branch(void)
{
    const struct kith__job *j = last_job();

    return j ? atomic_load(&j->cells[kith__pool_body(object)->workers].done) : 0;
}

static inline double slow_root(double x)
{
    usleep(100);
    return sqrt(x);
}

static inline int plus_one(int x)
{
    return x + 1;
}

static inline int who_am_i(const void *in, void *out)
{
    int worker = kith_worker();

    (void)in;
    usleep(1000);
    memcpy(out, &worker, sizeof worker);
    return 0;
}

enum { LARGE = 300000, LARGE_N = 40 };

static inline int invert(const void *in, void *out)
{
    const unsigned char *from = in;
    unsigned char *to = out;

    REQUIRE((uintptr_t)in % 8 == 0 && (uintptr_t)out % 8 == 0);
    for (int i = 0; i < LARGE; i++)
        to[i] = (unsigned char)~from[i];
    usleep(1000);
    return 0;
}

/* Each as often as its number says. */
static inline int repeat(const void *in, kith_bytes *out)
{
    int n;
    char *bytes;

    memcpy(&n, in, sizeof n);
    usleep(100);
    if (n % 100 == 0)
        return n % 200 ? kith_fail(4, "not %d", n) : 0; /* nothing */
    if (!(bytes = kith_alloc((size_t)n)))
        return kith_fail(5, "no memory");
    memset(bytes, n % 251, (size_t)n);
    *out = (kith_bytes){ bytes, (size_t)n };
    return 0;
}

/* Units that the branch has done of the call that is under way: for another thread than its own. */
static inline uint64_t done_so_far(void)
{
    const struct kith__pool *p = kith__pool_body(object);

    for (uint32_t i = 0; i < kith__posts(p); i++)
        if (atomic_load(&kith__post(p, i)->announced) != 0)
            return atomic_load(&kith__post_job(kith__post(p, i))->cells[p->workers].done);
    return 0;
}

/* So the branch gets most of a call. */
static inline void be_slow_at_home(void)
{
    if (kith_worker() == 0)
        usleep(3000);
}

/* Of 20 tasks one always crashes, and one does so the first time. */
static inline int dies(const void *in, void *out)
{
    int i, times;

    memcpy(&i, in, sizeof i);
    times = atomic_fetch_add(&attempts[i], 1);
    usleep(1000);
    if (i % 20 == 7 || (i % 20 == 8 && times == 0))
        raise(SIGKILL);
    memcpy(out, &i, sizeof i);
    return 0;
}

/* Who always crashes was begun three times, wherever that was. */
static inline int attempts_of(int i)
{
    return i % 20 == 7 ? 3 : i % 20 == 8 ? 2 : 1;
}

static inline int pid_of_foreman(void)
{
    return kith_process_pid((kith_process){ (uint64_t)plan->of[0].process });
}

static inline void *kills_foreman(void *nothing)
{
    int pid = pid_of_foreman();

    (void)nothing;
    while (done_so_far() < 100)
        sleep_ms(1);
    kill(pid, SIGKILL);
    return NULL;
}

#endif
