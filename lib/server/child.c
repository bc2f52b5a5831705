/* child.c: see child.h. */
#include "config.h"
#include "server/child.h"
#include "agent/agent.h"
#include "pool/board.h"
#include "code/coverage.h"
#include "code/crashtext.h"
#include "base/cpus.h"
#include "base/error.h"
#include "base/log.h"
#include "member/output.h"
#include "shm/heap.h"
#include "pool/sweep.h"
#include "object/class.h"
#include "object/memory.h"
#include "object/process.h"
#include "pool/random.h"
#include "rpc/remote.h"
#include "server/orphans.h"
#include "base/system.h"
#include "pool/worker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* These are heard by the fork server, too, and do what they do when nobody handles them. */
static const int stopping[] = { SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGCHLD };

static struct { /* as the program had it, for the children */
    sigset_t mask;
    struct sigaction stopping[sizeof stopping / sizeof stopping[0]];
    char name[16]; /* in top and ps */
} as_started;
static int is_child;
static struct kith__member
    *orderly; /* the child has come to its end by itself, and was in the middle of nothing */

/* ----------------------------------------------------------- what it had of objects */

/* Where all goes through the agent, it sends word itself, behind what the dead one had asked for: a release
 * of its that came later would give back somebody else's unit. */
static void give_back_units(uint32_t who, uint32_t holds)
{
    struct kith__caller dead = { kith__shared->node, kith__member(who)->serial, 0 };

    if (!atomic_load(&kith__shared->through_net))
        kith__objects_died(&dead);
    else
        kith__unheard_died(&dead, holds);
}

/* What its objects would be told of when it has ended: so nobody has to wait for a janitor. But when another
 * one has named it as a holder, or is about to, only a janitor sees all of that, as it begins when this one
 * is up no more. */
static void give_back_early(struct kith__member *m)
{
    uint32_t holds = KITH__HOLDS_UNITS;

    if (atomic_load(&m->role) == KITH__PROCESS && atomic_compare_exchange_strong(&m->holds, &holds, 0))
        give_back_units(kith__me, holds);
}

/* ------------------------------------------------------------------- in the head */

static void leave(int status) __attribute__((noreturn));

/* The end of exit() in a child: handlers that it has registered itself have run, those of the head, which
 * come next, do not. */
static void leave_by_exit(int status, void *nothing)
{
    int error = errno; /* of what the program could not do */

    (void)nothing;
    if (!is_child)
        return;
    if (!orderly && kith__me)
        kith__member(kith__me)->crash.no_memory = error == ENOMEM;
    if (orderly && kith__me && !kith__has_other_threads()) { /* what one is in the middle of is a janitor's */
        give_back_early(orderly);
        atomic_fetch_sub(&orderly->unpublished, 1);
    }
    leave(status);
}

int kith__child_handle_exit(void)
{
    static int is_handled;

    if (!is_handled && on_exit(leave_by_exit, NULL) != 0)
        return kith__fail(KITH_ENOMEM, "no memory for a handler of exit");
    is_handled = 1;
    return 0;
}

/* ------------------------------------------------------------- in the fork server */

/* All signals but those that a fault of its own sends, which shall be seen. */
static void fill_but_crashes(sigset_t *set)
{
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP };

    sigfillset(set);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        sigdelset(set, crashes[i]);
}

/* Terminals, launchers and batch systems send signals to whole groups. The fork server holds them back for
 * ever, which takes one call where ignoring them would take one for each, and again in each child. */
static void quiet_signals(void)
{
    const struct sigaction normal = { .sa_handler = SIG_DFL };
    sigset_t held;

    fill_but_crashes(&held);
    for (size_t i = 0; i < sizeof stopping / sizeof stopping[0]; i++) {
        sigaction(stopping[i], &normal, &as_started.stopping[i]);
        sigdelset(&held, stopping[i]);
    }
    sigaddset(&held, SIGCHLD);
    sigprocmask(SIG_BLOCK, &held, &as_started.mask);
}

void kith__child_prepare(void)
{
    prctl(PR_GET_NAME, as_started.name);
    quiet_signals();
}

/* A child begins with all of them held back, so that what it is sent before it is set up waits for it. */
pid_t kith__child_fork(void)
{
    sigset_t held, before;
    pid_t pid;
    int error;

    fill_but_crashes(&held);
    sigprocmask(SIG_BLOCK, &held, &before);
    pid = fork();
    error = errno;
    if (pid != 0)
        sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

/* ------------------------------------------------------------------ in the child */

static void restore_signals(void)
{
    const struct sigaction ignore = { .sa_handler = SIG_IGN };

    for (size_t i = 0; i < sizeof stopping / sizeof stopping[0]; i++)
        sigaction(stopping[i], &as_started.stopping[i], NULL);
    sigaction(SIGINT, &ignore, NULL); /* the terminal's: the head decides */
    sigaction(SIGQUIT, &ignore, NULL);
}

static void hear_signals(void)
{
    sigprocmask(SIG_SETMASK, &as_started.mask, NULL);
}

/* What a task starts in threads of its own should find a CPU for each: of those that it may run on, and of
 * those that the job was given, where it may run on others as well. */
static void bind_worker(const struct kith__pool *p, uint32_t worker)
{
    uint32_t from, to, given = kith__shared->given_cpus;

    kith__worker_cpus(p, worker, &from, &to);
    if (given > 0 && given / p->workers < to - from)
        to = from + given / p->workers;
    kith__set_thread_variables(to > from ? (int)(to - from) : 1);
    kith__worker_bind(p, worker);
}

/* The way out of every child: what it printed is printed; handlers of the head's atexit are not run. */
static void leave(int status)
{
    if (atomic_load(&kith__member(kith__me)->role) == KITH__PROCESS)
        kith__memory_pass_on(); /* it has ended by itself */
    if (kith__remote_last_words() < 0) {
        if (!atomic_load(&kith__shared->faults_have_handler))
            kith__tell("process %d on %s ends, but %s", (int)getpid(), kith__shared->host, kith_last_error());
        status = status & 255 ? status : 1; /* 0 would say that all is well */
    }
    if (kith__output_settle() != 0 && kith__me && atomic_load(&kith__member(kith__me)->role) == KITH__PROCESS)
        status = status & 255 ? status : 1; /* likewise; the head tells why */
    kith__flush_streams();
    kith__coverage_flush();
    _exit(status & 255);
}

/* By exit, so that what tasks have registered with atexit, and destructors of C++, run in either way. */
static void leave_orderly(struct kith__member *m, int status) __attribute__((noreturn));

static void leave_orderly(struct kith__member *m, int status)
{
    orderly = m;
    exit(status);
}

void kith__child_main(uint32_t who, pid_t parent)
{
    struct kith__member *m = kith__member(who);
    struct kith__object *o;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it died before prctl */
    prctl(PR_SET_NAME, as_started.name);
    kith__orphans_mark(m->serial);
    signal(SIGCHLD, SIG_DFL);                   /* not as in the fork server */
    if (atomic_load(&m->role) != KITH__AGENT) { /* which runs no code of the program */
        restore_signals();
        kith__log_runs(1);
    }
    kith__become(who);
    kith__crash_install(&m->crash);
    is_child = 1;
    if (atomic_load(&m->role) != KITH__AGENT)
        hear_signals(); /* from here on a handler of the program finds a process that may exit */
    kith__unbind();     /* the fork server has those of one rank only */
    if (atomic_load(&m->role) == KITH__WORKER) {
        o = kith__object_slot(atomic_load(&m->object));
        bind_worker(kith__pool_body(o), m->worker);
        kith__random_reseed_libc(kith__random_seed() + ((uint64_t)m->number << 32 | (m->worker + 1)));
        atomic_fetch_add(&m->unpublished,
                         1); /* exit may be called in the middle of a call: then a janitor looks */
        leave_orderly(m, kith__worker_main(o, m->worker));
    }
    if (atomic_load(&m->role) == KITH__AGENT)
        leave(kith__agent_main(who));
    kith__random_seek(KITH__STREAM_PROCESS, m->number, NULL);
    kith__random_reseed_libc(kith__random_seed() + ((uint64_t)m->number << 32));
    atomic_fetch_add(&m->unpublished, 1);
    leave_orderly(m, kith__process_main(who));
}

/* A malloc that found none may be why. */
static const char *about_memory(const struct kith__member *m, char *text, size_t room)
{
    snprintf(text, room, "; its .memory is %llu bytes", (unsigned long long)m->memory);
    return m->memory ? text : "";
}

/* Nobody asks a Process how it crashed; as with an exception that nobody catches, it is said. A janitor that
 * dies over the symbols has left the sign for the next one to do without them. */
static void tell_crash(struct kith__member *m)
{
    int sig = atomic_load(&m->crash.signal);
    struct kith__crash crash;
    char text[512], memory[64];

    if (sig > 0) {
        memcpy(&crash, &m->crash, sizeof crash);
        atomic_store(&m->crash.signal, -sig);
        kith__failpoint("janitor: tells");
        kith__crash_text(&crash, atomic_load(&kith__shared->head_pid), kith__kin(&(struct kith__kin){ 0 }),
                         text, sizeof text);
    } else {
        snprintf(text, sizeof text, "signal %d (%s)", -sig, strsignal(-sig));
    }
    kith__tell("%s crashed: %s%s [pid %d on %s]", m->name, text, about_memory(m, memory, sizeof memory),
               (int)atomic_load(&m->pid), kith__shared->host);
    atomic_store(&m->crash.signal, 0);
}

static void tell_killed(struct kith__member *m)
{
    int sig = m->killed_by;

    kith__tell("%s was killed by signal %d (%s)%s%s [pid %d on %s]", m->name, sig, strsignal(sig),
               *m->why ? ": " : "", m->why, (int)atomic_load(&m->pid), kith__shared->host);
    m->killed_by = 0;
}

/* Unless the program has a way of its own with faults. */
static void tell(struct kith__member *m)
{
    int is_told = !atomic_load(&kith__shared->faults_have_handler);

    if (is_told && atomic_load(&m->crash.signal) != 0)
        tell_crash(m);
    if (is_told && m->killed_by)
        tell_killed(m);
    atomic_store(&m->crash.signal, 0);
    m->killed_by = 0;
}

/* Here and in _sweep each step can be done again, by the next janitor when this one dies. */
void kith__janitor_settle(uint32_t who)
{
    kith__commits_finish(); /* a block may be given away by a commit that is decided, not yet done */
    kith__failpoint("janitor: commits finished");
    kith__processes_sweep(who);
    kith__members_sweep(who);
    kith__jobs_abandon(who);
    give_back_units(who, atomic_load(&kith__member(who)->holds));
    kith__failpoint("janitor: units given back");
    kith__process_settle(atomic_load(&kith__member(who)->object), 1);
    kith__failpoint("janitor: settled");
}

void kith__janitor_sweep(uint32_t who)
{
    kith__jobs_sweep(who);
    kith__failpoint("janitor: jobs swept");
    kith__objects_sweep(who);
    for (int tries = 0; kith__heap_sweep(who) != 0; tries++) /* somebody is in a guard */
        if (tries < 100)
            sched_yield();
        else
            kith__nap(100000); /* and gets no CPU while a janitor of a real-time program has it */
    kith__failpoint("janitor: all swept");
}

/* Signals are as in the fork server: no handler of the program's ends it in good order. */
void kith__janitor_main(uint32_t who, pid_t parent, int tells_first)
{
    struct kith__member *m = kith__member(who);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);      /* it died before prctl */
    kith__become(who); /* what it takes is the dead one's */
    kith__failpoint("janitor: begins");
    if (tells_first)
        tell(m);
    kith__janitor_settle(who);
    tell(m); /* this may take its time, and what follows may have to wait for tasks */
    kith__janitor_sweep(who);
    kith__member_move(m, KITH__MEMBER_IS_SWEPT);
    kith__failpoint("janitor: says so");
    _exit(0);
}
