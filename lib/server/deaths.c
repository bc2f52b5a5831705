/* deaths.c: see deaths.h. */
#include "config.h"
#include "server/deaths.h"
#include "server/server.h"
#include "server/janitors.h"
#include "server/spawn.h"
#include "server/timelimit.h"
#include "agent/agent.h"
#include "member/bell.h"
#include "member/output.h"
#include "member/wait.h"
#include "object/process.h"
#include "pool/board.h"
#include "pool/pool.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INIT_TRIES = 3 };

/* By a signal that kith has not sent, at the program's wish or at the end. */
static int was_killed(const struct kith__member *m, int status)
{
    return WIFSIGNALED(status) && !kith__serving.ending && atomic_load(&m->role) == KITH__PROCESS &&
           !atomic_load(&m->internal) && !(atomic_load(&m->stop_sent) >> WTERMSIG(status) & 1);
}

/* p: where somebody may look at its exit code; NULL: nowhere any more. */
static void count_killed(const struct kith__member *m, struct kith__process_body *p, int status)
{
    if (!was_killed(m, status))
        return;
    if (p)
        atomic_store(&p->is_counted, 1);
    atomic_fetch_add(&kith__shared->killed, 1);
}

/* Of those others one is told at once: somebody may wait for what the dead one should have done. Who sends
 * the others, a terminal or a batch system, knows of it. */
static int is_told(int sig)
{
    return sig != SIGTERM && sig != SIGINT && sig != SIGHUP && sig != SIGQUIT;
}

/* What has ended without having cleaned up: by a signal, or in the middle of something, or with other
 * threads, or with something that objects take back. Not before it is up no more: see kith__named. */
static int is_messy(const struct kith__member *m, int status)
{
    return !WIFEXITED(status) || atomic_load(&m->unpublished) > 0 || atomic_load(&m->holds);
}

/* Its janitor says that it has ended. Who never ran, for want of a process, has nothing but its argument, and
 * there may be none for a janitor either. */
static int is_settled_first(const struct kith__member *m, int status)
{
    return is_messy(m, status) && atomic_load(&m->pid) > 0 && !kith__serving.ending;
}

/* 1: its object is being looked at; later. */
static int process_exited(struct kith__member *m, int status)
{
    uint64_t id = atomic_load(&m->object);
    struct kith__object *o = kith__object_slot(id);
    struct kith__process_body *p = kith__process_body(o);

    if (!kith__object_is(o, id)) {
        count_killed(m, NULL, status);
        kith__member_move(m, KITH__MEMBER_ENDS);
        return 0;
    }
    if (!kith__guard_try(&o->guard))
        return 1;
    count_killed(m, kith__object_is(o, id) ? p : NULL, status); /* before anybody can see that it has ended */
    kith__member_move(m, KITH__MEMBER_ENDS); /* first: who starts the next one finds a CPU free */
    kith__process_ends(o, id, status, is_settled_first(m, status));
    kith__guard_leave(&o->guard);
    kith__wake_all(kith__object_waiters(o, 0));
    return 0;
}

/* It has not taken it well that its limit gave it no memory: errno says so where it crashed, or called exit
 * with a failure. That one was over a try of the task only: a new process does not have what others have
 * left in this one. */
static int was_over_memory(const struct kith__member *m, int status)
{
    if (m->memory == 0 || !m->crash.no_memory)
        return 0;
    return WIFSIGNALED(status) ? WTERMSIG(status) == atomic_load(&m->crash.signal) : WEXITSTATUS(status) != 0;
}

/* Unless a former process of it was recorded there: that one's claims are still to be settled. */
static void record_death(struct kith__death *d, struct kith__member *m, int status)
{
    if (atomic_load(&d->unsettled))
        return;
    d->pid = atomic_load(&m->pid);
    d->status = status;
    d->over_limit = kith__timelimit_was_over((uint32_t)(m - kith__shared->members) + 1);
    d->over_memory = !d->over_limit && was_over_memory(m, status);
    memcpy(&d->crash, &m->crash, sizeof m->crash);
    memcpy(d->why, m->why, sizeof d->why);
    atomic_store(&d->unsettled, 1);
}

/* Its process has ended in the initializer. Who opens the pool hears of it at once when the initializer has
 * called exit or does not end, as it would do so again; when it was killed, perhaps by the system for want of
 * memory, after some tries. */
static void failed_in_init(struct kith__pool *p, struct kith__lane *lane, struct kith__member *m, int status)
{
    int over = kith__timelimit_was_over((uint32_t)(m - kith__shared->members) + 1);

    lane->init_failures++;
    if (atomic_load(&p->init_death.unsettled) ||
        !(WIFEXITED(status) || over || lane->init_failures >= INIT_TRIES))
        return;
    p->init_worker = m->worker;
    record_death(&p->init_death, m, status);
}

/* Its process has ended in the exit function: no other one begins with that again. */
static void failed_in_exit(struct kith__pool *p, struct kith__member *m, int status)
{
    atomic_fetch_add(&p->exit_deaths, 1);
    if (atomic_load(&p->exit_death.unsettled))
        return;
    p->exit_worker = m->worker;
    record_death(&p->exit_death, m, status);
}

/* 1: its lane gets another process. */
static int is_replaced(struct kith__pool *p, struct kith__lane *lane, struct kith__member *m, int status)
{
    if (p->has_init && atomic_load(&lane->state) == KITH__LANE_STARTING)
        failed_in_init(p, lane, m, status);
    else
        lane->init_failures = 0;
    if (lane->init_failures >= INIT_TRIES) {
        kith__pool_move(p, KITH__POOL_BREAK);
        kith__wake_everybody(); /* callers, and workers that were waiting for work */
        return 0;
    }
    return kith__spawn_is_wanted(p);
}

/* Then its workers are killed wherever they are. */
static int is_end_of_pool(const struct kith__pool *p)
{
    return kith__serving.ending || atomic_load(&p->killed);
}

static int worker_exited(struct kith__member *m, int status)
{
    struct kith__object *o = kith__object_slot(atomic_load(&m->object));
    struct kith__pool *p = kith__pool_of(m);
    struct kith__lane *lane = kith__lane(p, m->worker);
    int again;

    kith__member_move(m, KITH__MEMBER_ENDS);
    record_death(&lane->death, m, status);
    kith__record_death(&lane->record);
    if (atomic_load(&lane->state) == KITH__LANE_LEAVING && !is_end_of_pool(p))
        failed_in_exit(p, m, status);
    again = is_replaced(p, lane, m, status);
    kith__lane_move(lane, again ? KITH__LANE_DIED : KITH__LANE_ENDS);
    if (again)
        kith__record_asked(&lane->record);
    else
        atomic_store(&lane->member, 0);
    kith__fence();
    kith__wake_all(kith__object_waiters(o, 1));
    return again;
}

/* 1: it has died over that nobody reads what the job prints. */
static int had_no_reader(int status)
{
    struct pollfd out = { STDOUT_FILENO, POLLOUT, 0 };

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE && poll(&out, 1, 0) == 1 &&
           (out.revents & (POLLERR | POLLHUP));
}

/* A program that prints by itself ends then. So does one whose tasks print, instead of losing one worker for
 * each of them. What a Process prints is its own affair: it is lost, as on a full disk. */
static void pass_on_broken_pipe(struct kith__member *m, int status)
{
    uint32_t role = atomic_load(&m->role);

    if (!had_no_reader(status))
        return;
    if (role == KITH__WORKER)
        kill(kith__serving.head, SIGPIPE);
    if (role == KITH__PROCESS) {
        kith__output_lost(EPIPE);
        snprintf(m->why, sizeof m->why, "nobody reads what the job prints");
    }
}

/* A Process that was ended for its time limit: that is told. */
static void explain_limit(struct kith__member *m, int status)
{
    if (atomic_load(&m->role) == KITH__PROCESS && WIFSIGNALED(status) &&
        kith__timelimit_was_over((uint32_t)(m - kith__shared->members) + 1))
        snprintf(m->why, sizeof m->why, "it ran longer than its .limit_ms, %u", m->limit_ms);
}

/* Ends or restarts member who, which has ended with status. 1: it has to be tried again. */
int kith__death_of(uint32_t who, int status)
{
    struct kith__member *m = kith__member(who);
    int again = 0, messy;

    pass_on_broken_pipe(m, status); /* before anybody can see that it has ended */
    if (atomic_load(&m->role) == KITH__WORKER) {
        again = worker_exited(m, status);
    } else if (process_exited(m, status))
        return 1;
    messy = is_messy(m, status);
    explain_limit(m, status);
    kith__log(KITH_LOG_DEBUG, "%s, pid %d, has ended with %s %d", m->name, (int)atomic_load(&m->pid),
              WIFSIGNALED(status) ? "signal" : "status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    kith__seats_release(who);
    if (atomic_load(&m->role) == KITH__AGENT)
        kith__agent_exited();
    if (messy)
        kith__wake_everybody();
    if (atomic_load(&m->role) != KITH__PROCESS || !WIFSIGNALED(status) ||
        WTERMSIG(status) != atomic_load(&m->crash.signal))
        atomic_store(&m->crash.signal, 0); /* else its janitor tells */
    m->killed_by = was_killed(m, status) && !atomic_load(&m->crash.signal) &&
                           (is_told(WTERMSIG(status)) || kith__timelimit_was_over(who))
                       ? WTERMSIG(status)
                       : 0;
    if (again)
        kith__spawn_successor(who);
    if (messy) {
        kith__member_move(m, KITH__MEMBER_IS_DEAD);
        atomic_store(&m->role, KITH__NOBODY);
    }
    atomic_fetch_add(&kith__shared->ended, 1); /* before its janitor says that it has ended */
    if (atomic_load(&kith__shared->agent_seat))
        kith__agent_ring();
    if (messy)
        kith__janitors_begin(who);
    else
        kith__spawn_release(who);
    return 0;
}
