/* launch.c: see launch.h. The head's side of the fork server: starts it, away from the head, and ends it. */
#include "config.h"
#include "server/launch.h"
#include "server/server.h"
#include "server/child.h"
#include "server/head.h"
#include "server/snapshot.h"
#include "server/watchdog.h"
#include "member/bell.h"
#include "member/members.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "base/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So many copies, and so long, of a program whose threads hold locks, before one is taken as it is. Two
 * threads that do nothing but call libc are outside of it in one copy of ten, in some twenty on a busy
 * machine. */
enum { COPIES = 300 };
static const int64_t patience_ns = 5000 * KITH__MS;

static pid_t unseen; /* where the head is init: its child, the watchdog */

/* Ends a copy in which somebody's lock is held. */
static void expect_clean(int check, int is_bare)
{
    if (!check || kith__snapshot_is_clean(is_bare))
        return;
    kith__serving_tell(KITH__BAD_COPY);
    kith__leave(0);
}

/* In the process between the head and the fork server, which is there so that the latter is no child of the
 * former. */
static void fork_once_more(int check) __attribute__((noreturn));

static void fork_once_more(int check)
{
    pid_t pid;

    expect_clean(check, 0);
    if ((pid = fork()) == 0)
        kith__serving_main();
    if (pid < 0)
        kith__serving_tell(KITH__NO_START);
    kith__leave(0);
}

/* Its pid, or what kith__serving_tell was told; 0: nothing within 10 s. */
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
    return middle < 0 ? KITH__NO_START : await_start();
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
    if ((unseen = kith__fork_unseen()) == 0) {
        kith__become(0);
        expect_clean(check, 1);
        kith__serving_main();
    }
    if (unseen < 0)
        return KITH__NO_START;
    if ((pid = await_start()) <= 0) {
        kill(unseen, SIGKILL);
        waitpid(unseen, NULL, __WCLONE);
        unseen = 0;
    }
    return pid;
}

/* check: only a copy of this process in which no lock is held. */
static int32_t start_server(int check)
{
    int is_init = getpid() == 1;
    int32_t pid;

    kith__serving.head_fd = kith__pidfd_open(kith__serving.head);
    atomic_store(&kith__shared->server_pid, 0);
    pid = is_init ? start_unseen(check) : start_copy(check);
    if (kith__serving.head_fd >= 0)
        close(kith__serving.head_fd);
    return pid;
}

/* 1: another copy is made, copies of which were of no use since begin. */
static int is_patient(int copies, int64_t begin)
{
    return copies < COPIES || kith__now_ns() - begin < patience_ns;
}

static void warn_of_threads(int threads)
{
    kith__log(KITH_LOG_WARNING,
              "%d threads run in this program at kith_init: workers and Processes do not have them, "
              "and mutexes that they hold now stay locked there: start threads after kith_init",
              threads);
}

int kith__server_start(void)
{
    int threads = kith__thread_count(), check = threads > 1, rc = kith__child_handle_exit();
    int64_t begin = kith__now_ns();
    int32_t pid;

    if (rc < 0)
        return rc;
    if (threads > 1)
        warn_of_threads(threads);
    if ((rc = kith__head_begin()) < 0)
        return rc;
    kith__serving.head = getpid();
    for (int copies = 1; (pid = start_server(check)) == KITH__BAD_COPY; copies++)
        if (!is_patient(copies, begin)) {
            check = 0;
            kith__log(KITH_LOG_WARNING,
                      "some thread of this program is always inside the C library: tasks may hang "
                      "in it; start threads after kith_init");
        }
    if (pid == 0)
        return kith__fail(KITH_EPEER, "the fork server did not start within 10 s");
    if (pid == KITH__NO_START)
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
    return unseen ? waitpid(unseen, NULL, __WCLONE | WNOHANG) != 0 : kith__server_dead();
}

static void await_end(void)
{
    if (!unseen && (wait_for_end(atomic_load(&kith__shared->watchdog_pid)) ||
                    wait_for_end(atomic_load(&kith__shared->server_pid))))
        return;
    for (int i = 0; i < 10000 && !watchdog_has_ended(); i++) /* gone already, or there are no pidfds */
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    if (unseen)
        reap_old_watchdogs();
    unseen = 0;
}

void kith__server_stop(void)
{
    atomic_store(&kith__shared->phase, KITH__ENDING);
    kith__server_ring();
    await_end();
    kith__head_end();
}
