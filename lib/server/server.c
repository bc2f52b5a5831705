/* server.c: see server.h. The fork server's loop; launch.c starts it.
 *
 * It sleeps until a death, the bell, the head's end, or a time limit; then it looks through the members. It
 * sleeps on the bell: a death rings it by a handler of SIGCHLD, the head's end by the watchdog. All
 * that it knows stands in the arena, but for the pids of its janitors and the clocks of the time limits
 * (timelimit.c). What may have to wait for a guard (taking back blocks of the dead) is done by a janitor, a
 * child that lives for it (child.c).
 */
#include "config.h"
#include "server/server.h"
#include "server/head.h"
#include "server/janitors.h"
#include "server/orphans.h"
#include "server/reap.h"
#include "server/spawn.h"
#include "server/child.h"
#include "server/timelimit.h"
#include "server/watchdog.h"
#include "agent/agent.h"
#include "code/coverage.h"
#include "base/cpus.h"
#include "member/bell.h"
#include "pool/board.h"
#include "pool/pool.h"
#include "shm/arena.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "base/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t grace_ns = 1000 * KITH__MS;
static const int head_look_ms = 1000;

/* The longest sleep. ThreadSanitizer may run a handler later than the signal comes, and there need not be
 * pidfds (valgrind, strict containers). */
#if defined __SANITIZE_THREAD__
static const int sleep_ms = 50, bare_sleep_ms = 50;
#else
static const int sleep_ms = 1000, bare_sleep_ms = 100;
#endif

struct kith__serving kith__serving;

static int again_ms;        /* something is to be forked again after that; -1: nothing */
static int64_t head_looked; /* when we last asked whether the head runs another program */

void kith__serving_come_back(int64_t ms)
{
    if (again_ms < 0 || ms < again_ms)
        again_ms = ms > 0 ? (int)ms : 1;
}

/* ---- looking */

static void send_asked_for(struct kith__member *m, uint32_t sig)
{
    atomic_fetch_or(&m->stop_sent, UINT32_C(1) << sig);
    kill(atomic_load(&m->pid), (int)sig);
}

static void look_at(uint32_t who)
{
    struct kith__member *m = kith__member(who);
    uint32_t sig;

    if (atomic_load(&m->state) == KITH__ASKED && !kith__serving.ending)
        kith__spawn(who);
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

    again_ms = -1;
    for (uint32_t i = KITH__FIRST_MEMBER; i <= used; i++) {
        kith__janitors_look(i);
        look_at(i);
    }
}

/* ---- the end */

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
    int later;

    if (!kith__serving.ending) {
        kith__serving.ending = now + grace_ns;
        if (!kith__serving.hard) {
            close_pools();
            signal_all(SIGTERM, 0);
        }
    }
    if (kith__serving.hard || now >= kith__serving.ending) {
        signal_all(SIGKILL, SIGKILL);
        kith__janitors_dismiss(kith__serving.hard || now >= kith__serving.ending + KITH__TELLING_NS);
    }
    if (kith__serving.hard || now >= kith__serving.ending || kith__serving.children == 0)
        kith__orphans_end(kith__reap_is_ours);
    later = kith__reap_all();
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD) {
        kith__coverage_flush();
        _exit(0);
    }
    return later ? 1 : 10;
}

/* Of two limits in ms, where -1 is none. */
static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* ---- the loop */

static int head_has_gone(void)
{
    struct pollfd head = { kith__serving.head_fd, POLLIN, 0 };

    return kith__serving.head_fd >= 0 ? poll(&head, 1, 0) > 0 : kith__process_is_gone(kith__serving.head);
}

/* Looked at once a second: that takes no descriptor of the head, and costs next to nothing. */
static int runs_another(void)
{
    int64_t now = kith__now_ns();

    if (now - head_looked < head_look_ms * KITH__MS)
        return 0;
    head_looked = now;
    return kith__head_is_another(kith__serving.head);
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
    int longest = kith__serving.head_fd >= 0 ? sleep_ms : bare_sleep_ms, wait_ms;

    for (;;) {
        uint32_t seen = kith__server_rung();
        int later;

        kith__serving.hard |= head_has_gone() || runs_another();
        kith__bells_ring_for_others();
        later = kith__reap_all();
        look();
        kith__reap_watch_memory();
        wait_ms = kith__timelimit_look(kith__serving.head);
        if (kith__serving.hard || atomic_load(&kith__shared->phase) == KITH__ENDING)
            wait_ms = end();
        sleep_until_rung(seen, later ? 1 : sooner(longest, sooner(again_ms, wait_ms)));
    }
}

/* ---- its beginning */

/* What the terminal, the program's input and its descriptors have to do with it ends here. What the program
 * has not yet written is the head's to write. */
static void withdraw(void)
{
    int own[3], null;

    own[0] = kith__serving.head_fd;
    kith__bell_numbers(own + 1);
    kith__error_is_head(0);
    kith__log_runs(0);
    kith__child_prepare();
    __fpurge(stdout);
    kith__descriptors_let_go(own, 3);
    if ((null = open("/dev/null", O_RDONLY)) > 0) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
}

/* What the head waits for in await_start. */
void kith__serving_tell(int32_t pid)
{
    atomic_store(&kith__shared->server_pid, pid);
    kith__futex_wake((_Atomic uint32_t *)(void *)&kith__shared->server_pid, 1);
}

void kith__serving_main(void)
{
    const struct sigaction dies = { .sa_handler = ring_for_death };

    withdraw();
    if (!kith__watchdog_fork(kith__serving.head_fd)) {
        kith__serving_tell(KITH__NO_START);
        kith__leave(1);
    }
    kith__serving.pid = getpid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PTRACER, kith__serving.head, 0, 0, 0); /* it may look at our globals: lateglobals.c */
    prctl(PR_SET_NAME, "kith-server");
    sigaction(SIGCHLD, &dies, NULL);
    if (getrandom(&kith__shared->job_secret, sizeof kith__shared->job_secret, GRND_NONBLOCK) < 0)
        kith__shared->job_secret = (uint32_t)kith__now_ns();
    kith__become(KITH__SERVER_MEMBER);
    kith__arena_keep();
    pthread_mutex_lock(&kith__shared->server_lives);
    kith__serving_tell(kith__serving.pid);
    kith__coverage_find(); /* once for all its children */
    kith__find_thread_functions();
    serve();
}
