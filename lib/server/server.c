/* server.c: see server.h.
 *
 * One loop: sleep until a death, the bell, the head's end, or a time limit; then look through the members. It
 * sleeps on the bell: a death rings it by a handler of SIGCHLD, the head's end by the watchdog. All
 * that it knows stands in the arena, but for the pids of its janitors and the clocks of the time limits
 * (timelimit.c). What may have to wait for a guard (taking back blocks of the dead) is done by a janitor, a
 * child that lives for it (child.c).
 */
#include "config.h"
#include "server/server.h"
#include "server/head.h"
#include "agent/agent.h"
#include "member/bell.h"
#include "pool/board.h"
#include "server/child.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "base/oom.h"
#include "pool/pool.h"
#include "server/orphans.h"
#include "object/process.h"
#include "server/watchdog.h"
#include "server/snapshot.h"
#include "base/system.h"
#include "base/threads.h"
#include "server/timelimit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In place of its pid: it cannot be forked, or has a lock of libc that was held. */
enum { NO_START = -1, BAD_COPY = -2, COPIES = 100 };
enum { INIT_TRIES = 3, JANITOR_TRIES = 3, LONGEST_PAUSE_MS = 1000 };

static const int64_t grace_ns = 1000 * KITH__MS, telling_ns = 5000 * KITH__MS,
                     fork_patience_ns = 2000 * KITH__MS;
static const int fork_again_ms = 20, head_look_ms = 1000;

/* The longest sleep. ThreadSanitizer may run a handler later than the signal comes, and there need not be
 * pidfds (valgrind, strict containers). */
#if defined __SANITIZE_THREAD__
static const int sleep_ms = 50, bare_sleep_ms = 50;
#else
static const int sleep_ms = 1000, bare_sleep_ms = 100;
#endif

/* All of this is the fork server's own, and copied into its children. */
static struct {
    pid_t pid, head;
    int head_fd;                       /* a pidfd; -1: there are none here */
    pid_t unseen;                      /* in a head that is init: its child, the watchdog */
    int64_t head_looked;               /* when we last asked whether the head runs another program */
    pid_t janitors[KITH__MEMBERS + 1]; /* of a dead member, by its number; -1: it is to be forked when .due */
    int64_t due[KITH__MEMBERS + 1];
    unsigned char failures[KITH__MEMBERS + 1]; /* janitors that died over a dead member */
    char to_be_replaced[KITH__MEMBERS +
                        1]; /* a dead worker whose lane waits for its number, as there is no other */
    int64_t
        refused[KITH__MEMBERS + 1]; /* since when a member that was asked for cannot be forked; 0: it can */
    int children;                   /* members and janitors that we have forked and not yet waited for */
    int later;                      /* somebody's burial has to be tried again soon */
    int again_ms;                   /* something is to be forked again after that; -1: nothing */
    int64_t ending;                 /* when the grace is over; 0: not ending */
    int hard;
    int watches_memory;
} self;

/* ---------------------------------------------------------------- children */

static void come_back(int64_t ms)
{
    if (self.again_ms < 0 || ms < self.again_ms)
        self.again_ms = ms > 0 ? (int)ms : 1;
}

static int has_to_tell(uint32_t who)
{
    return atomic_load(&kith__member(who)->crash.signal) != 0 || kith__member(who)->killed_by != 0;
}

/* At the end of the job what a janitor takes back ends with the arena, but a crash is still told of. */
static int needs_janitor(uint32_t who)
{
    return !self.ending || (!self.hard && has_to_tell(who) && kith__now_ns() < self.ending + telling_ns);
}

/* Now, or as soon as one is due and there is a process for it. */
static void spawn_janitor(uint32_t who)
{
    int64_t wait_ns = self.due[who] - kith__now_ns();
    pid_t pid = -1;

    if (wait_ns <= 0 && (pid = fork()) == 0)
        kith__janitor_main(who, self.pid);
    self.janitors[who] = pid;
    self.children += pid > 0;
    if (pid < 0)
        come_back(wait_ns > 0 ? wait_ns / KITH__MS + 1 : fork_again_ms);
}

static int has_work(const struct kith__pool *p)
{
    return atomic_load(&p->state) <= KITH__POOL_CLOSING && atomic_load(&p->active) != 0;
}

static int wants_workers(const struct kith__pool *p)
{
    return !self.ending && (atomic_load(&p->state) == KITH__POOL_OPEN || has_work(p));
}

static int has_worker(const struct kith__pool *p)
{
    for (uint32_t w = 0; w < p->workers; w++) {
        uint32_t who = atomic_load(&kith__lane(p, w)->member);

        if (who && atomic_load(&kith__member(who)->state) == KITH__RUNNING)
            return 1;
    }
    return 0;
}

/* The lane of worker who, which does not run, gets no process any more. */
static void give_up_lane(uint32_t who)
{
    struct kith__member *m = kith__member(who);
    struct kith__lane *lane = kith__lane(kith__pool_of(m), m->worker);

    kith__lane_move(lane, KITH__LANE_ENDS);
    atomic_store(&lane->member, 0);
    kith__fence();
    kith__wake_all(kith__object_waiters(kith__object_slot(m->object), 1));
    self.refused[who] = 0;
    kith__member_free(who);
}

static int member_exited(uint32_t who, int status);

/* Who was asked for cannot be forked, for a moment or for good. A pool goes on as long as one of its workers
 * runs. */
static void refuse(uint32_t who, int error)
{
    struct kith__member *m = kith__member(who);
    int is_worker = atomic_load(&m->role) == KITH__WORKER;

    atomic_store(&m->state, KITH__ASKED);
    if (!self.refused[who]) {
        self.refused[who] = kith__now_ns();
        kith__log(KITH__ERROR, "%s cannot be forked: %s", m->name, strerror(error));
    }
    come_back(fork_again_ms);
    if (kith__now_ns() - self.refused[who] < fork_patience_ns)
        return;
    if (is_worker && has_worker(kith__pool_of(m))) {
        struct kith__lane *lane = kith__lane(kith__pool_of(m), m->worker);

        if (kith__lane_move(lane, KITH__LANE_REFUSED))
            kith__wake_everybody(); /* who opens the pool goes on without it */
        return;
    }
    if (is_worker) {
        atomic_store(&kith__pool_of(m)->fork_error, (uint32_t)error);
        kith__pool_move(kith__pool_of(m), KITH__POOL_BREAK);
        kith__wake_everybody(); /* callers */
        give_up_lane(who);
    } else {
        struct kith__object *o = kith__object_slot(m->object);

        self.refused[who] = 0;
        if (atomic_load(&m->role) == KITH__PROCESS && kith__object_is(o, m->object))
            atomic_store(&kith__process_body(o)->fork_error, (uint32_t)error);
        if (member_exited(who, 127 << 8)) { /* its object is being looked at; later */
            self.refused[who] = 1;
            atomic_store(&kith__process_body(o)->fork_error, 0);
        }
    }
}

static void start(uint32_t who)
{
    struct kith__member *m = kith__member(who);
    pid_t pid;

    if (atomic_load(&m->role) == KITH__WORKER && !wants_workers(kith__pool_of(m))) {
        give_up_lane(who);
        return;
    }
    pid = kith__child_fork();
    if (pid == 0) {
        if (self.head_fd >= 0)
            close(self.head_fd);
        kith__child_main(who, self.pid);
    }
    if (pid < 0) {
        refuse(who, errno);
        return;
    }
    self.children++;
    self.refused[who] = 0;
    atomic_store(&m->pid, pid);
    atomic_store(&m->state, KITH__RUNNING);
    kith__timelimit_forget(who);
    if (atomic_load(&m->role) == KITH__PROCESS) {
        struct kith__object *o = kith__object_slot(m->object);

        if (kith__object_is(o, m->object))
            atomic_store(&kith__process_body(o)->pid, pid);
    }
}

/* ------------------------------------------------------------------ burials */

/* By a signal that kith has not sent, at the program's wish or at the end. */
static int was_killed(const struct kith__member *m, int status)
{
    return WIFSIGNALED(status) && !self.ending && atomic_load(&m->role) == KITH__PROCESS &&
           !(atomic_load(&m->stop_sent) >> WTERMSIG(status) & 1);
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
    return sig != SIGTERM && sig != SIGINT && sig != SIGHUP && sig != SIGQUIT && sig != SIGPIPE;
}

/* 1: its object is being looked at; later. */
static int process_exited(struct kith__member *m, int status)
{
    struct kith__object *o = kith__object_slot(m->object);
    struct kith__process_body *p = kith__process_body(o);

    if (!kith__object_is(o, m->object)) {
        count_killed(m, NULL, status);
        return 0;
    }
    if (!kith__guard_try(&o->guard))
        return 1;
    count_killed(m, kith__object_is(o, m->object) ? p : NULL,
                 status);                 /* before anybody can see that it has ended */
    atomic_store(&m->state, KITH__ENDED); /* first: who starts the next one finds a CPU free */
    if (kith__object_is(o, m->object)) {
        atomic_store(&p->status, status);
        atomic_store(&p->state, 2);
    }
    kith__guard_leave(&o->guard);
    kith__wake_all(kith__object_waiters(o, 0));
    return 0;
}

/* Unless a former process of it was recorded there: that one's claims are still to be settled. */
static void record_death(struct kith__death *d, struct kith__member *m, int status)
{
    if (atomic_load(&d->unsettled))
        return;
    d->pid = atomic_load(&m->pid);
    d->status = status;
    d->over_limit = kith__timelimit_was_over((uint32_t)(m - kith__shared->members) + 1);
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
    return wants_workers(p);
}

static int worker_exited(struct kith__member *m, int status)
{
    struct kith__object *o = kith__object_slot(m->object);
    struct kith__pool *p = kith__pool_of(m);
    struct kith__lane *lane = kith__lane(p, m->worker);
    int again;

    record_death(&lane->death, m, status);
    again = is_replaced(p, lane, m, status);
    kith__lane_move(lane, again ? KITH__LANE_DIED : KITH__LANE_ENDS);
    if (!again)
        atomic_store(&lane->member, 0);
    kith__fence();
    kith__wake_all(kith__object_waiters(o, 1));
    return again;
}

/* What died without having cleaned up: by a signal, or in the middle of something, or with other threads. */
static int is_messy(uint32_t who, int status)
{
    return !WIFEXITED(status) || atomic_load(&kith__member(who)->unpublished) > 0 ||
           atomic_load(&kith__member(who)->holds);
}

/* A new process for the lane of worker who: a new member, as the old number still owns what it had not
 * published. 0: the table of members is full. */
static int replace(uint32_t who)
{
    struct kith__member *old = kith__member(who), *m;
    uint32_t successor = kith__member_take(KITH__WORKER);

    if (successor == 0)
        return 0;
    m = kith__member(successor);
    m->object = old->object;
    m->worker = old->worker;
    m->number = old->number;
    memcpy(m->name, old->name, sizeof m->name);
    atomic_store(&kith__lane(kith__pool_of(old), old->worker)->member, successor);
    start(successor);
    return 1;
}

/* Where replace found no place: the next process of the lane becomes member who again, which owns nothing any
 * more. */
static void revive(uint32_t who)
{
    struct kith__member *m = kith__member(who);

    self.to_be_replaced[who] = 0;
    atomic_store(&m->role, KITH__WORKER);
    kith__member_renew(m);
    atomic_store(&m->state, KITH__ASKED);
    start(who);
}

/* Nobody reads what the job prints: a program that prints by itself ends then. So does one whose tasks print,
 * instead of losing one worker for each of them. */
static void pass_on_broken_pipe(int status)
{
    struct pollfd out = { STDOUT_FILENO, POLLOUT, 0 };

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE && poll(&out, 1, 0) == 1 &&
        (out.revents & (POLLERR | POLLHUP)))
        kill(self.head, SIGPIPE);
}

/* Ends or restarts member who, which has ended with status. 1: it has to be tried again. */
static int member_exited(uint32_t who, int status)
{
    struct kith__member *m = kith__member(who);
    int messy = is_messy(who, status), again = 0;

    if (atomic_load(&m->role) == KITH__WORKER) {
        pass_on_broken_pipe(status);
        again = worker_exited(m, status);
    } else if (process_exited(m, status))
        return 1;
    kith__log(KITH__DEBUG, "%s, pid %d, has ended with %s %d", m->name, (int)atomic_load(&m->pid),
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
    m->killed_by = was_killed(m, status) && !atomic_load(&m->crash.signal) && is_told(WTERMSIG(status))
                       ? WTERMSIG(status)
                       : 0;
    self.to_be_replaced[who] = (char)(again && !replace(who));
    if (messy) {
        atomic_store(&m->state, KITH__DEAD);
        atomic_store(&m->role, KITH__NOBODY);
        self.due[who] = 0;
        self.failures[who] = 0;
        spawn_janitor(who);
    } else if (self.to_be_replaced[who])
        revive(who);
    else
        kith__member_free(who);
    atomic_fetch_add(&kith__shared->ended, 1);
    if (atomic_load(&kith__shared->agent_seat))
        kith__agent_ring();
    return 0;
}

/* ------------------------------------------------------------------ reaping */

static uint32_t member_of(pid_t pid)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++)
        if (atomic_load(&kith__member(i)->state) == KITH__RUNNING &&
            atomic_load(&kith__member(i)->pid) == pid)
            return i;
    return 0;
}

static uint32_t janitor_of(pid_t pid)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++)
        if (self.janitors[i] == pid)
            return i;
    return 0;
}

/* The others are orphans. */
static int is_ours(pid_t pid)
{
    return member_of(pid) || janitor_of(pid);
}

/* By a signal, or, a worker, by exit in the middle of a task: what it has started goes, before the task
 * begins again. */
static int has_died(const struct kith__member *m, int status)
{
    return WIFSIGNALED(status) || (atomic_load(&m->role) == KITH__WORKER &&
                                   atomic_load(&kith__lane(kith__pool_of(m), m->worker)->depth) > 0);
}

/* However a janitor ends: what it has to do is done when it says so, and until then another one goes on with
 * it. Those that die again and again take their time: what one trips over, the next one trips over, too. */
static void janitor_gone(uint32_t who, int status)
{
    int64_t pause_ms = 0;

    self.janitors[who] = 0;
    kith__seats_release(who); /* it may have had to wait */
    if (atomic_load(&kith__member(who)->state) == KITH__SWEPT) {
        if (self.to_be_replaced[who])
            revive(who);
        else
            kith__member_free(who);
        return;
    }
    if (!needs_janitor(who))
        return;
    if (self.failures[who] < UINT8_MAX && ++self.failures[who] == JANITOR_TRIES)
        kith__log(
            KITH__ERROR,
            "what a dead process had in shared memory is not taken back yet: %d janitors have died over it, "
            "the last one with %s %d",
            JANITOR_TRIES, WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    for (int i = JANITOR_TRIES; i <= self.failures[who] && pause_ms < LONGEST_PAUSE_MS; i++)
        pause_ms = pause_ms ? 2 * pause_ms : 1;
    self.due[who] = kith__now_ns() + pause_ms * KITH__MS;
    spawn_janitor(who);
}

static void explain_death(struct kith__member *m, int status, const struct rusage *usage)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && self.watches_memory && kith__oom_has_killed())
        kith__oom_text((uint64_t)usage->ru_maxrss * 1024, m->why, sizeof m->why);
}

/* 1: dealt with, its pid is free. */
static int reap(pid_t pid)
{
    uint32_t who;
    siginfo_t info = { 0 };
    struct rusage usage = { 0 };
    int status;

    /* By hand: libc has no waitid that tells what it has used. */
    if (syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, &usage) < 0 || info.si_pid == 0)
        return 0;
    status = info.si_code == CLD_EXITED ? (info.si_status & 255) << 8 : info.si_status & 127;
    if ((who = member_of(pid))) {
        explain_death(kith__member(who), status, &usage);
        if (has_died(kith__member(who), status))
            kith__orphans_condemn(kith__member(who)->serial);
        kith__orphans_look(self.children, is_ours);
        /* Waited for first: a restart gives the member another pid. */
        if (atomic_load(&kith__member(who)->role) == KITH__WORKER) {
            waitpid(pid, NULL, 0);
            self.children--;
            member_exited(who, status);
            return 1;
        }
        if (member_exited(who, status))
            return 0;
        self.children--;
    } else if ((who = janitor_of(pid))) {
        self.children--;
        janitor_gone(who, status);
    }
    waitpid(pid, NULL, 0);
    return 1;
}

static void reap_each(void)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    self.later = 0;
    for (;;) {
        siginfo_t info = { 0 };

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        if (!reap(info.si_pid))
            break; /* it has to wait: look at each of the others */
    }
    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++)
        if (atomic_load(&kith__member(i)->state) == KITH__RUNNING)
            reap(atomic_load(&kith__member(i)->pid));
    self.later = 1;
}

static void reap_all(void)
{
    reap_each();
    kith__orphans_look(self.children, is_ours);
}

/* ------------------------------------------------------------------- looking */

static void send_asked_for(struct kith__member *m, uint32_t sig)
{
    atomic_fetch_or(&m->stop_sent, UINT32_C(1) << sig);
    kill(atomic_load(&m->pid), (int)sig);
}

static void look_at(uint32_t who)
{
    struct kith__member *m = kith__member(who);
    uint32_t sig;

    if (atomic_load(&m->state) == KITH__ASKED && !self.ending)
        start(who);
    if (atomic_load(&m->state) == KITH__RUNNING && atomic_load(&m->role) == KITH__WORKER &&
        atomic_load(&kith__pool_of(m)->killed))
        kill(atomic_load(&m->pid), SIGKILL);
    if (atomic_load(&m->state) == KITH__RUNNING && (sig = atomic_exchange(&m->stop_signal, 0)) != 0 &&
        atomic_load(&m->pid) > 0)
        send_asked_for(m, sig);
}

static void look(void)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    self.again_ms = -1;
    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++) {
        if (self.janitors[i] < 0 && needs_janitor(i))
            spawn_janitor(i);
        look_at(i);
    }
}

/* -------------------------------------------------------------------- the end */

static void signal_all(int process_signal, int worker_signal)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++) {
        struct kith__member *m = kith__member(i);
        uint32_t role = atomic_load(&m->role);
        int sig = role == KITH__WORKER ? worker_signal
                  : role == KITH__RANK ? 0
                                       : process_signal; /* ranks are the launcher's */

        if (atomic_load(&m->state) == KITH__RUNNING && atomic_load(&m->pid) > 0 && sig)
            kill(atomic_load(&m->pid), sig);
    }
}

/* What they would take back ends with the arena. But who has a crash to tell of is waited for a while: it may
 * look long for the names of functions. */
static void dismiss_janitors(int all)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++)
        if (self.janitors[i] > 0 && (all || !has_to_tell(i)))
            kill(self.janitors[i], SIGKILL);
}

static void close_pools(void)
{
    uint32_t used = atomic_load(&kith__shared->members_used);

    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++) {
        struct kith__member *m = kith__member(i);

        if (atomic_load(&m->state) == KITH__RUNNING && atomic_load(&m->role) == KITH__WORKER)
            kith__pool_move(kith__pool_of(m), KITH__POOL_CLOSE);
    }
    kith__fence();
    kith__wake_everybody();
}

/* ms until it should be called again, or does not return. */
static int end(void)
{
    int64_t now = kith__now_ns();
    siginfo_t info;

    if (!self.ending) {
        self.ending = now + grace_ns;
        if (!self.hard) {
            close_pools();
            signal_all(SIGTERM, 0);
        }
    }
    if (self.hard || now >= self.ending) {
        signal_all(SIGKILL, SIGKILL);
        dismiss_janitors(self.hard || now >= self.ending + telling_ns);
    }
    if (self.hard || now >= self.ending || self.children == 0)
        kith__orphans_end(is_ours);
    reap_all();
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD) {
        kith__coverage_flush();
        _exit(0);
    }
    return 10;
}

/* Of two limits in ms, where -1 is none. */
static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Not before somebody can die of its want: it takes longer than the rest of a start. */
static void watch_memory(void)
{
    if (self.watches_memory || self.children == 0)
        return;
    kith__oom_watch("");
    self.watches_memory = 1;
}

static int head_has_gone(void)
{
    struct pollfd head = { self.head_fd, POLLIN, 0 };

    return self.head_fd >= 0 ? poll(&head, 1, 0) > 0 : kith__process_is_gone(self.head);
}

/* Looked at once a second: that takes no descriptor of the head, and costs next to nothing. */
static int runs_another(void)
{
    int64_t now = kith__now_ns();

    if (now - self.head_looked < head_look_ms * KITH__MS)
        return 0;
    self.head_looked = now;
    return kith__head_is_another(self.head);
}

static void ring_for_death(int sig)
{
    (void)sig;
    kith__server_ring();
}

/* SIGCHLD comes while it sleeps only. One that comes just before has changed the word. */
static void sleep_until_rung(uint32_t seen, int ms)
{
    sigset_t chld;

    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &chld, NULL);
    kith__server_sleep(seen, ms);
    sigprocmask(SIG_BLOCK, &chld, NULL);
}

static void serve(void) __attribute__((noreturn));

static void serve(void)
{
    int longest = self.head_fd >= 0 ? sleep_ms : bare_sleep_ms, wait_ms = -1;

    for (;;) {
        uint32_t seen = kith__server_rung();

        self.hard |= head_has_gone() || runs_another();
        kith__agent_ring_for_others();
        reap_all();
        look();
        watch_memory();
        wait_ms = kith__timelimit_look(self.head);
        if (self.hard || atomic_load(&kith__shared->phase) == KITH__ENDING)
            wait_ms = end();
        sleep_until_rung(seen, self.later ? 1 : sooner(longest, sooner(self.again_ms, wait_ms)));
    }
}

/* What the terminal, the program's input and its descriptors have to do with it ends here. What the program
 * has not yet written is the head's to write. */
static void withdraw(void)
{
    int own[2], null;

    own[0] = self.head_fd;
    own[1] = kith__agent_bell();
    kith__error_is_head(0);
    kith__child_prepare();
    __fpurge(stdout);
    kith__descriptors_let_go(own, 2);
    if ((null = open("/dev/null", O_RDONLY)) > 0) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
}

/* What the head waits for in await_start. */
static void tell_start(int32_t pid)
{
    atomic_store(&kith__shared->server_pid, pid);
    kith__futex_wake((_Atomic uint32_t *)(void *)&kith__shared->server_pid, 1);
}

static void server_main(void) __attribute__((noreturn));

static void server_main(void)
{
    const struct sigaction dies = { .sa_handler = ring_for_death };

    withdraw();
    if (!kith__watchdog_fork(self.head_fd)) {
        tell_start(NO_START);
        _exit(1);
    }
    self.pid = getpid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PTRACER, self.head, 0, 0, 0); /* it may look at our globals: lateglobals.c */
    prctl(PR_SET_NAME, "kith-server");
    sigaction(SIGCHLD, &dies, NULL);
    if (getrandom(&kith__shared->job_secret, sizeof kith__shared->job_secret, GRND_NONBLOCK) < 0)
        kith__shared->job_secret = (uint32_t)kith__now_ns();
    kith__become(KITH__SERVER_MEMBER);
    pthread_mutex_lock(&kith__shared->server_lives);
    tell_start(self.pid);
    serve();
}

/* Ends a copy in which somebody's lock is held. */
static void expect_clean(int check, int is_bare)
{
    if (!check || kith__snapshot_is_clean(is_bare))
        return;
    tell_start(BAD_COPY);
    _exit(0);
}

/* In the process between the head and the fork server, which is there so that the latter is no child of the
 * former. */
static void fork_once_more(int check) __attribute__((noreturn));

static void fork_once_more(int check)
{
    pid_t pid;

    expect_clean(check, 0);
    if ((pid = fork()) == 0)
        server_main();
    if (pid < 0)
        tell_start(NO_START);
    _exit(0);
}

/* Its pid, or what tell_start was told; 0: nothing within 10 s. */
static int32_t await_start(void)
{
    int64_t until = kith__now_ns() + 10000 * KITH__MS, left;
    int32_t pid;

    while ((pid = atomic_load(&kith__shared->server_pid)) == 0 && (left = until - kith__now_ns()) > 0)
        kith__futex_wait((_Atomic uint32_t *)(void *)&kith__shared->server_pid, 0, left);
    return pid;
}

/* What loses its parent becomes a child of init, or of a subreaper among its ancestors. A head that is one is
 * passed by: for the moment in which that happens it is none. */
static int32_t start_copy(int check)
{
    int is_subreaper = 0;
    pid_t middle;

    prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper);
    if (is_subreaper)
        prctl(PR_SET_CHILD_SUBREAPER, 0);
    if ((middle = fork()) == 0)
        fork_once_more(check);
    while (middle > 0 && waitpid(middle, NULL, 0) < 0 && errno == EINTR)
        ;
    if (is_subreaper)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    return middle < 0 ? NO_START : await_start();
}

/* 1 when pid is a watchdog that has ended. */
static int was_watchdog(pid_t pid)
{
    char path[64], name[16] = "";
    int fd;

    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    if (read(fd, name, sizeof name - 1) < 0)
        name[0] = '\0';
    close(fd);
    return strncmp(name, kith__watchdog_name, strlen(kith__watchdog_name)) == 0;
}

/* That of a program which this process ran before it called execve, after its end. */
static void reap_old_watchdogs(void)
{
    siginfo_t left = { 0 };

    while (waitid(P_ALL, 0, &left, WEXITED | WNOHANG | WNOWAIT | __WCLONE) == 0 && left.si_pid > 0 &&
           was_watchdog(left.si_pid) && waitpid(left.si_pid, NULL, __WCLONE) > 0)
        left.si_pid = 0;
}

/* Where the head is init itself, in a container, whatever it forks ends up as its child: so the watchdog is
 * one from the beginning, but one that wait does not see. */
static int32_t start_unseen(int check)
{
    int32_t pid;

    reap_old_watchdogs();
    if ((self.unseen = kith__fork_unseen()) == 0) {
        kith__become(0);
        expect_clean(check, 1);
        server_main();
    }
    if (self.unseen < 0)
        return NO_START;
    if ((pid = await_start()) <= 0) {
        kill(self.unseen, SIGKILL);
        waitpid(self.unseen, NULL, __WCLONE);
        self.unseen = 0;
    }
    return pid;
}

/* check: only a copy of this process in which no lock is held. */
static int32_t start_server(int check)
{
    int is_init = getpid() == 1;
    int32_t pid;

    self.head_fd = kith__pidfd_open(self.head);
    atomic_store(&kith__shared->server_pid, 0);
    pid = is_init ? start_unseen(check) : start_copy(check);
    if (self.head_fd >= 0)
        close(self.head_fd);
    return pid;
}

static void warn_of_threads(int threads)
{
    kith__log(KITH__WARNING,
              "%d threads run in this program at kith_init: workers and Processes do not have them, "
              "and mutexes that they hold now stay locked there: start threads after kith_init",
              threads);
}

int kith__server_start(void)
{
    int threads = kith__thread_count(), rc = kith__child_handle_exit();
    int32_t pid;

    if (rc < 0)
        return rc;
    if (threads > 1)
        warn_of_threads(threads);
    if ((rc = kith__head_begin()) < 0)
        return rc;
    self.head = getpid();
    for (int copy = 1; (pid = start_server(threads > 1 && copy < COPIES)) == BAD_COPY;)
        if (++copy == COPIES)
            kith__log(KITH__WARNING,
                      "some thread of this program is always inside the C library: tasks may hang "
                      "in it; start threads after kith_init");
    if (pid == 0)
        return kith__fail(KITH_EPEER, "the fork server did not start within 10 s");
    if (pid == NO_START)
        return kith__fail(KITH_ENOMEM, "the fork server cannot start: no process or no file descriptor is "
                                       "left, see ulimit -u and ulimit -n");
    return pid < 0 ? pid : 0;
}

/* Waits until pid has ended, at most 10 s. 0: there is no such process, or no way to watch it. */
static int wait_for_end(pid_t pid)
{
    struct pollfd ended = { kith__pidfd_open(pid), POLLIN, 0 };
    int64_t until = kith__now_ns() + 10000 * KITH__MS, left;

    if (ended.fd < 0)
        return 0;
    /* The program's own signals may interrupt it again and again. */
    while ((left = until - kith__now_ns()) > 0 && poll(&ended, 1, (int)(left / KITH__MS) + 1) < 0 &&
           errno == EINTR)
        ;
    close(ended.fd);
    return 1;
}

static int watchdog_has_ended(void)
{
    return self.unseen ? waitpid(self.unseen, NULL, __WCLONE | WNOHANG) != 0 : kith__server_dead();
}

static void await_end(void)
{
    if (!self.unseen && (wait_for_end(atomic_load(&kith__shared->watchdog_pid)) ||
                         wait_for_end(atomic_load(&kith__shared->server_pid))))
        return;
    for (int i = 0; i < 10000 && !watchdog_has_ended(); i++) /* gone already, or there are no pidfds */
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    if (self.unseen)
        reap_old_watchdogs();
    self.unseen = 0;
}

void kith__server_stop(void)
{
    atomic_store(&kith__shared->phase, KITH__ENDING);
    kith__server_ring();
    await_end();
    kith__head_end();
}
