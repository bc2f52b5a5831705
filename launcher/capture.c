/* capture.c: see capture.h. */
#include "config.h"
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void child(char *const argv[], int fd, int to)
{
    int null = open("/dev/null", O_RDWR);

    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 3 - fd) < 0 || dup2(to, fd) < 0)
        _exit(127);
    execvp(argv[0], argv);
    _exit(127);
}

/* Reads until the end of the pipe; what does not fit is dropped. 0, or CAPTURE_LATE. */
static int drain(int from, char *text, size_t room, int limit_ms)
{
    long long end = now_ms() + limit_ms, left;
    size_t used = 0;
    char rest[512];

    text[0] = '\0';
    while ((left = end - now_ms()) > 0) {
        struct pollfd p = { .fd = from, .events = POLLIN };
        int fits = used + 1 < room;
        ssize_t n;

        if (poll(&p, 1, (int)left) <= 0)
            continue;
        n = fits ? read(from, text + used, room - 1 - used) : read(from, rest, sizeof rest);
        if (n == 0 || (n < 0 && errno != EINTR))
            return 0;
        if (fits && n > 0)
            text[used += (size_t)n] = '\0';
    }
    return CAPTURE_LATE;
}

int capture(char *const argv[], int fd, char *text, size_t room, int limit_ms)
{
    int ends[2], status, late;
    pid_t pid;

    text[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return CAPTURE_FAILED;
    pid = fork();
    if (pid == 0)
        child(argv, fd, ends[1]);
    close(ends[1]);
    late = pid < 0 ? CAPTURE_FAILED : drain(ends[0], text, room, limit_ms);
    close(ends[0]);
    if (pid < 0)
        return CAPTURE_FAILED;
    if (late)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (late)
        return CAPTURE_LATE;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
