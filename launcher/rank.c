/* rank.c: kith rank: what kith run --tag starts as each rank, see frame.h.
 *
 * The program itself takes this process: its pid, its signals, its exit status and what mpirun has opened for
 * it are as they would be without us. A process beside it, which nobody waits for, passes its output on until
 * all have closed it. */
#include "config.h"
#include "command.h"
#include "frame.h"
#include "hosts.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* ---- what passes the output on */

struct passing {
    char host[HOST_NAME + 1];
    long rank;
    int to, holds_more; /* its pipe; 1: that may hold more than FRAME_MOST */
};

/* Not before what was written has been read. */
static void wait_for_room(const struct passing *p, size_t size)
{
    const struct timespec moment = { 0, 200000 };
    int unread = 0;

    while (p->holds_more && ioctl(p->to, FIONREAD, &unread) == 0 && (size_t)unread + size > FRAME_MOST)
        nanosleep(&moment, NULL);
}

static void put(const struct passing *p, const char *frame, size_t size)
{
    wait_for_room(p, size);
    while (size > 0) {
        ssize_t n = write(p->to, frame, size);

        if (n > 0) {
            frame += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){ .fd = p->to, .events = POLLOUT }, 1, -1);
        } else if (errno != EINTR) {
            _exit(0); /* mpirun is gone */
        }
    }
}

/* 0: it has ended. */
static int pass_one(const struct passing *p, int from, char stream)
{
    char data[FRAME_DATA], frame[FRAME_MOST];
    ssize_t n = read(from, data, sizeof data);
    int header;

    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN); /* a terminal ends with EIO */
    header = snprintf(frame, FRAME_HEADER, "%c%c%ld %s %zd\n", FRAME_BEGIN, stream, p->rank, p->host, n);
    memcpy(frame + header, data, (size_t)n);
    put(p, frame, (size_t)header + (size_t)n);
    return 1;
}

/* Nothing is kept open that others wait for: a line to mpirun, which ends with the rank. */
static void keep_streams(int out, int err)
{
    if (dup2(out, STDIN_FILENO) < 0 || dup2(err, STDOUT_FILENO) < 0)
        _exit(EXIT_OURS);
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0) /* Linux 5.9 */
        for (int fd = STDERR_FILENO + 1; fd < 1024; fd++)
            close(fd);
}

static __attribute__((noreturn)) void pass_all(struct passing *p, int out, int err)
{
    struct pollfd from[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                             { .fd = STDOUT_FILENO, .events = POLLIN } };

    keep_streams(out, err);
    setsid(); /* signals for the program's group are not for us */
    signal(SIGPIPE, SIG_IGN);
    p->holds_more = fcntl(p->to, F_SETPIPE_SZ, FRAME_MOST) != FRAME_MOST;
    while (from[0].fd >= 0 || from[1].fd >= 0) {
        if (poll(from, 2, -1) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < 2; i++)
            if (from[i].revents && !pass_one(p, from[i].fd, "oe"[i])) {
                close(from[i].fd);
                from[i].fd = -1;
            }
    }
    _exit(0);
}

/* ---- the start */

static long rank_number(void)
{
    static const char *const variables[] = { "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                             "SLURM_PROCID" };

    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (getenv(variables[i]))
            return atol(getenv(variables[i]));
    return 0;
}

/* One of the ranks of a host says what all of them would. */
static int speaks(void)
{
    const char *local = getenv("OMPI_COMM_WORLD_LOCAL_RANK");

    if (!local)
        local = getenv("MPI_LOCALRANKID");
    return !local || atoi(local) == 0;
}

/* A terminal where mpirun has given one: a program writes each line at once there. */
static int open_terminal(int ends[2])
{
    struct termios raw;
    char name[64];

    ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ends[0] < 0)
        return -1;
    if (grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0 && ptsname_r(ends[0], name, sizeof name) == 0 &&
        (ends[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) >= 0) {
        if (tcgetattr(ends[1], &raw) == 0) {
            cfmakeraw(&raw);
            tcsetattr(ends[1], TCSANOW, &raw);
        }
        return 0;
    }
    close(ends[0]);
    return -1;
}

static int open_streams(int out[2], int err[2])
{
    if ((!isatty(STDOUT_FILENO) || open_terminal(out) < 0) && pipe2(out, O_CLOEXEC) != 0)
        return -1;
    return pipe2(err, O_CLOEXEC);
}

/* A child's child, so that no wait of the program finds it. 0 in the program's process. */
static int start_passing(struct passing *p, const int out[2], const int err[2])
{
    pid_t pid = fork();

    if (pid < 0)
        return -1;
    if (pid == 0) {
        if (fork() != 0)
            _exit(0);
        pass_all(p, out[0], err[0]);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

static int run_program(char **program, const char *host)
{
    int error;

    execvp(program[0], program);
    error = errno;
    if (speaks() && error == ENOENT)
        log_line("%s: it is not on %s: the program must be on each host under the same path", program[0],
                 host);
    else if (speaks())
        log_line("%s: it cannot be executed on %s: %s", program[0], host, strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static int rank_main(int argc, char **argv)
{
    struct passing p = { .rank = rank_number(), .to = STDERR_FILENO };
    int out[2], err[2];

    if (argc < 2)
        return EXIT_OURS;
    if (gethostname(p.host, sizeof p.host - 1) != 0 || *p.host == '\0')
        snprintf(p.host, sizeof p.host, "?");
    if (open_streams(out, err) < 0 || start_passing(&p, out, err) < 0 || dup2(out[1], STDOUT_FILENO) < 0 ||
        dup2(err[1], STDERR_FILENO) < 0) {
        log_line("--tag: rank %ld on %s cannot be started: %s", p.rank, p.host, strerror(errno));
        return EXIT_OURS;
    }
    return run_program(argv + 1, p.host);
}

static const struct option no_options[] = { { 0 } };

const struct command command_rank = { "rank", "PROGRAM [ARGUMENT...]",
                                      "what kith run --tag starts as each rank", no_options, rank_main };
