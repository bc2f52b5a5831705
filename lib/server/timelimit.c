/* timelimit.c: see timelimit.h. */
#include "config.h"
#include "server/timelimit.h"
#include "base/env.h"
#include "pool/board.h"
#include "base/error.h"
#include "base/log.h"
#include "pool/pool.h"
#include "base/system.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct watch { /* of a worker with a time limit */
    uint64_t job, unit, done;
    int64_t run_ns; /* that it was seen at this unit, running */
    int warned;
} watches[KITH__MEMBERS + 1];

#define LEAVES UINT64_MAX /* in place of the job: it is in the exit function */

static int64_t looked; /* when we last did */
static int period_ms;  /* how often we do */

void kith__timelimit_forget(uint32_t who)
{
    memset(&watches[who], 0, sizeof watches[who]);
}

int kith__timelimit_was_over(uint32_t who)
{
    return watches[who].warned;
}

/* 1 when pid is stopped, by a signal or a debugger. */
static int is_stopped(pid_t pid)
{
    int state = kith__process_state(pid);

    return state == 'T' || state == 't';
}

static int is_process(const struct kith__member *m)
{
    return atomic_load(&m->role) == KITH__PROCESS;
}

static int is_initializing(const struct kith__pool *p, const struct kith__lane *lane)
{
    return p->has_init && atomic_load(&lane->state) == KITH__LANE_STARTING;
}

static int is_leaving(const struct kith__lane *lane)
{
    return atomic_load(&lane->state) == KITH__LANE_LEAVING;
}

/* What it runs now, in *w. 1: the same as when it was last seen, and time passes for it. */
static int is_at_the_same(struct watch *w, const struct kith__member *m)
{
    const struct kith__pool *p = kith__pool_of(m);
    const struct kith__lane *lane = kith__lane(p, m->worker);
    uint32_t depth = atomic_load(&lane->depth);
    const struct kith__cell *cell;
    uint64_t touching, unit, done;

    if (is_initializing(p, lane))
        return 1;
    if (is_leaving(lane)) {
        if (w->job == LEAVES)
            return 1;
        *w = (struct watch){ .job = LEAVES };
        return 0;
    }
    if (depth == 0) {
        w->job = 0;
        return 0;
    }
    touching = atomic_load(&lane->touching[depth - 1]);
    cell = &kith__post_job(kith__post(p, kith__touched_post(touching)))->cells[m->worker];
    unit = atomic_load(&cell->at);
    done = atomic_load(&cell->done);
    if (touching != w->job || unit != w->unit || done != w->done) {
        *w = (struct watch){ .job = touching, .unit = unit, .done = done };
        return 0;
    }
    return done == atomic_load(&cell->before); /* else it is between two claims */
}

static int is_condemned(const struct kith__member *m)
{
    return atomic_load(&m->role) == KITH__WORKER && kith__lane_is_condemned(kith__pool_of(m), m->worker);
}

/* How long that has been running, of the time in which it could. */
static void watch(uint32_t who, uint32_t limit_ms, int64_t passed, pid_t head)
{
    const struct kith__member *m = kith__member(who);
    struct watch *w = &watches[who];
    pid_t pid = atomic_load(&m->pid);

    if (!(is_process(m) || is_at_the_same(w, m)) || is_stopped(pid) || is_stopped(head))
        return;
    w->run_ns += passed;
    if (w->run_ns < limit_ms * KITH__MS)
        return;
    if (is_condemned(m))
        kith__log(KITH_LOG_INFO, "%s, pid %d, is ended, since its task was cancelled", m->name, (int)pid);
    else
        kith__log(KITH_LOG_INFO, "%s, pid %d, timed out after %u ms", m->name, (int)pid, limit_ms);
    kill(pid, w->warned ? SIGKILL : SIGTERM);
    w->warned++;
    w->run_ns = limit_ms * KITH__MS - 100 * KITH__MS; /* KILL follows TERM after 100 ms */
}

/* Of what the process does now; 0: none. Who is condemned has run long enough, also in a debugger. */
static uint32_t limit_of(const struct kith__member *m, int is_debugged)
{
    const struct kith__pool *p;

    if (atomic_load(&m->state) != KITH__RUNNING)
        return 0;
    if (is_condemned(m))
        return 1;
    if (is_debugged)
        return 0;
    if (is_process(m))
        return m->limit_ms;
    if (atomic_load(&m->role) != KITH__WORKER)
        return 0;
    p = kith__pool_of(m);
    if (is_leaving(kith__lane(p, m->worker)))
        return p->exit_limit_ms;
    return is_initializing(p, kith__lane(p, m->worker)) ? p->init_limit_ms : p->limit_ms;
}

int kith__timelimit_look(pid_t head)
{
    uint32_t used = atomic_load(&kith__shared->members_used), shortest = UINT32_MAX;
    int64_t now = kith__now_ns(), passed = now - looked;
    int is_debugged = kith__env_on(KITH__ENV_DEBUG);

    /* A gap in our own clock (we were stopped, the machine slept) is nobody's running time. */
    if (passed > 2LL * period_ms * KITH__MS)
        passed = period_ms * KITH__MS;
    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++) {
        uint32_t limit_ms = limit_of(kith__member(i), is_debugged);

        if (limit_ms == 0)
            continue;
        watch(i, limit_ms, passed, head);
        if (limit_ms < shortest)
            shortest = limit_ms;
    }
    looked = now;
    if (shortest == UINT32_MAX)
        return -1;
    return period_ms = shortest / 10 < 1 ? 1 : shortest / 10 > 100 ? 100 : (int)(shortest / 10);
}
