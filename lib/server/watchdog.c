/* watchdog.c: see watchdog.h. */
#include "config.h"
#include "server/watchdog.h"
#include "code/coverage.h"
#include "base/descriptors.h"
#include "base/system.h"
#include "base/threads.h"
#include "member/bell.h"
#include "member/members.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

const char kith__watchdog_name[] = "kith-watchdog";

int kith__each_child(void (*fn)(pid_t pid))
{
    char path[64], text[4096];
    int fd, n = 0;
    pid_t pid = 0;
    ssize_t got;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    /* A number may lie across two reads; each has a blank behind it. */
    while ((got = read(fd, text, sizeof text)) > 0)
        for (ssize_t i = 0; i < got; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                pid = pid * 10 + (text[i] - '0');
                continue;
            }
            if (pid && fn)
                fn(pid);
            n += pid != 0;
            pid = 0;
        }
    close(fd);
    return n;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
}

/* Until the fork server has gone: the head's end is told to it. */
static void watch(pid_t server, int head_fd)
{
    struct pollfd fds[] = { { head_fd, POLLIN, 0 }, { kith__pidfd_open(server), POLLIN, 0 } };

    while (fds[0].fd >= 0 && fds[1].fd >= 0 && !fds[1].revents) {
        if (poll(fds, 2, -1) > 0 && fds[0].revents) {
            fds[0].fd = -1;
            kith__server_ring();
        }
    }
}

static void reap(pid_t server) __attribute__((noreturn));

/* As long as the fork server lives, it is our only child: orphans go to the nearest subreaper. What it leaves
 * may leave children in its turn, and these come to us when it has gone. */
static void reap(pid_t server)
{
    int server_lives = 1;

    for (;;) {
        siginfo_t info = { 0 };

        if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | __WALL) < 0 && errno != EINTR)
            break;
        if (info.si_pid == 0)
            continue;
        if (info.si_pid == server)
            server_lives = 0;
        kith__openmp_forget(info.si_pid);
        waitpid(info.si_pid, NULL, __WALL);
        if (!server_lives)
            kith__each_child(end);
    }
    kith__coverage_flush();
    kith__leave(0);
}

int kith__watchdog_fork(int head_fd)
{
    pid_t pid;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    atomic_store(&kith__shared->watchdog_pid, getpid());
    if ((pid = fork()) <= 0)
        return pid == 0;
    prctl(PR_SET_NAME, kith__watchdog_name);
    kith__descriptors_close(&head_fd, 1);
    dup2(STDIN_FILENO, STDOUT_FILENO); /* /dev/null: who reads what the program prints may wait for its end */
    watch(pid, head_fd);
    reap(pid);
}
