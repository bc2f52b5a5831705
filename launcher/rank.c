/* rank.c: kith rank: what kith run starts as each rank when it is to tell their lines apart (--tag) or has to
 * know how they end (--watch), see frame.h and loss.h.
 *
 * The program itself takes this process: its pid, its signals, its exit status and what mpirun has opened for
 * it are as they would be without us. A process beside it, which nobody waits for, passes its output on until
 * all have closed it, and what it says of itself (lib/start/beside.h) until it has ended. */
#include "config.h"
#include "command.h"
#include "frame.h"
#include "hosts.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* ---- what passes the output on */

enum { OUT, ERR, NOTES, END, SOURCES }; /* its stdout and stderr; a socket; a pidfd of it */

struct passing {
    int tag, watch; /* as asked for */
    char host[HOST_NAME + 1];
    long rank, size;
    pid_t pid;
    struct sockaddr_un name; /* of the socket */
    socklen_t name_size;
    int from[SOURCES];  /* -1: none, or ended */
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

static void put_frame(const struct passing *p, char stream, const char *data, size_t size)
{
    char frame[FRAME_MOST];
    int header =
        snprintf(frame, FRAME_HEADER, "%c%c%ld %s %zu\n", FRAME_BEGIN, stream, p->rank, p->host, size);

    memcpy(frame + header, data, size);
    put(p, frame, (size_t)header + size);
}

/* 0: it has ended. */
static int pass_one(const struct passing *p, int from, char stream)
{
    char data[FRAME_DATA];
    ssize_t n = read(from, data, sizeof data);

    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN); /* a terminal ends with EIO */
    put_frame(p, stream, data, (size_t)n);
    return 1;
}

/* ---- notes */

static void put_note(const struct passing *p, const char *text)
{
    put_frame(p, 'n', text, strlen(text));
}

/* All that have come, of the rank itself: whoever else has its environment is not listened to. */
static void pass_notes(const struct passing *p, int from)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } space;
    char text[64];

    for (;;) {
        struct iovec part = { .iov_base = text, .iov_len = sizeof text - 1 };
        struct msghdr m = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space
        };
        ssize_t n = recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
        struct ucred who;

        if (n < 0)
            return;
        if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
            continue;
        memcpy(&who, CMSG_DATA(c), sizeof who);
        text[n] = '\0';
        if (who.pid == p->pid && text[strcspn(text, "\n")] == '\0')
            put_note(p, text);
    }
}

static void pass_end(const struct passing *p)
{
    char text[32];

    pass_notes(p, p->from[NOTES]);
    snprintf(text, sizeof text, "gone %ld", p->size);
    put_note(p, text);
}

/* ---- the process beside */

/* Nothing is kept open that others wait for: a line to mpirun, which ends with the rank, and where it reads.
 */
static void keep_sources(struct passing *p)
{
    enum { HIGH = 64, FIRST = STDERR_FILENO + 1, LAST = FIRST + SOURCES - 1 };

    for (int i = 0; i < SOURCES; i++)
        if (p->from[i] >= 0 && (p->from[i] = fcntl(p->from[i], F_DUPFD, HIGH)) < 0)
            _exit(EXIT_OURS);
    for (int i = 0; i < SOURCES; i++)
        if (p->from[i] >= 0 && (p->from[i] = dup2(p->from[i], FIRST + i)) < 0)
            _exit(EXIT_OURS);
    for (int fd = 0; fd <= LAST; fd++)
        if (fd != STDERR_FILENO && (fd < FIRST || p->from[fd - FIRST] < 0))
            close(fd);
    if (syscall(SYS_close_range, LAST + 1, ~0U, 0) != 0) /* Linux 5.9 */
        for (int fd = LAST + 1; fd < 1024; fd++)
            close(fd);
}

/* 0: nothing more comes of it. */
static int pass_from(const struct passing *p, int source)
{
    switch (source) {
    case OUT: return pass_one(p, p->from[OUT], 'o');
    case ERR: return pass_one(p, p->from[ERR], 'e');
    case NOTES: pass_notes(p, p->from[NOTES]); return 1;
    default: pass_end(p); return 0;
    }
}

/* Until the program has closed its output, and has ended when somebody wants to know. */
static __attribute__((noreturn)) void pass_all(struct passing *p)
{
    keep_sources(p);
    setsid(); /* signals for the program's group are not for us */
    signal(SIGPIPE, SIG_IGN);
    p->holds_more = fcntl(p->to, F_SETPIPE_SZ, FRAME_MOST) != FRAME_MOST;
    put_note(p, "begins"); /* for overdue.h */
    while (p->from[OUT] >= 0 || p->from[ERR] >= 0 || p->from[END] >= 0) {
        struct pollfd from[SOURCES];

        for (int i = 0; i < SOURCES; i++)
            from[i] = (struct pollfd){ .fd = p->from[i], .events = POLLIN };
        if (poll(from, SOURCES, -1) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < SOURCES; i++)
            if (from[i].revents && !pass_from(p, i)) {
                close(p->from[i]);
                p->from[i] = -1;
            }
    }
    _exit(0);
}

/* ---- the start */

static long number_of(const char *const variables[], long otherwise)
{
    for (; *variables; variables++)
        if (getenv(*variables))
            return atol(getenv(*variables));
    return otherwise;
}

static void who_am_i(struct passing *p)
{
    static const char *const ranks[] = { "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID",
                                         NULL };
    static const char *const sizes[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS", NULL };

    p->rank = number_of(ranks, 0);
    p->size = number_of(sizes, 1);
    p->pid = getpid();
    if (gethostname(p->host, sizeof p->host - 1) != 0 || *p->host == '\0')
        snprintf(p->host, sizeof p->host, "?");
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

/* A socket with a name that the system chooses, and that the program finds in KITH_RUN. */
static int listen_to_program(struct passing *p)
{
    char text[sizeof p->name.sun_path + 1];
    int yes = 1;

    p->from[NOTES] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (p->from[NOTES] < 0 || setsockopt(p->from[NOTES], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0 ||
        bind(p->from[NOTES], (const struct sockaddr *)&p->name, sizeof p->name.sun_family) != 0)
        return -1;
    p->name_size = sizeof p->name;
    if (getsockname(p->from[NOTES], (struct sockaddr *)&p->name, &p->name_size) != 0)
        return -1;
    snprintf(text, sizeof text, "@%.*s", (int)(p->name_size - offsetof(struct sockaddr_un, sun_path) - 1),
             p->name.sun_path + 1);
    p->from[END] = (int)syscall(SYS_pidfd_open, p->pid, 0);
    return p->from[END] < 0 ? -1 : setenv("KITH_RUN", text, 1);
}

/* A child's child, so that no wait of the program finds it. 0 in the program's process. */
static int start_passing(struct passing *p)
{
    pid_t pid = fork();

    if (pid < 0)
        return -1;
    if (pid == 0) {
        if (fork() != 0)
            _exit(0);
        pass_all(p);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

static int stand_beside(struct passing *p)
{
    int out[2] = { -1, -1 }, err[2] = { -1, -1 };

    /* Its errors have to come in frames in any case: what it writes itself would tear them. */
    if ((p->tag ? open_streams(out, err) : pipe2(err, O_CLOEXEC)) < 0 ||
        (p->watch && listen_to_program(p) < 0))
        return -1;
    p->from[OUT] = out[0];
    p->from[ERR] = err[0];
    if (start_passing(p) < 0)
        return -1;
    return (p->tag && dup2(out[1], STDOUT_FILENO) < 0) || dup2(err[1], STDERR_FILENO) < 0 ? -1 : 0;
}

/* As the program would say it. */
static int ends_with(const struct passing *p, int status)
{
    char text[16];
    int size = snprintf(text, sizeof text, "ends %03d", status);

    if (p->watch)
        (void)!sendto(p->from[NOTES], text, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL,
                      (const struct sockaddr *)&p->name, p->name_size);
    return status;
}

static int run_program(const struct passing *p, char **program)
{
    const char *host = p->host;
    int error;

    execvp(program[0], program);
    error = errno;
    if (speaks() && error == ENOENT)
        log_line("%s: it is not on %s: the program must be on each host under the same path", program[0],
                 host);
    else if (speaks())
        log_line("%s: it cannot be executed on %s: %s", program[0], host, strerror(error));
    return ends_with(p, error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static int set_tag(void *to, const char *value)
{
    (void)value;
    return (((struct passing *)to)->tag = 1) - 1;
}

static int set_watch(void *to, const char *value)
{
    (void)value;
    return (((struct passing *)to)->watch = 1) - 1;
}

static const struct option rank_options[] = { { "--tag", NULL, "put its output into frames", set_tag },
                                              { "--watch", NULL, "tell how it ends", set_watch },
                                              { NULL, NULL, NULL, NULL } };

static int rank_main(int argc, char **argv)
{
    struct passing p = { .from = { -1, -1, -1, -1 }, .to = STDERR_FILENO, .name.sun_family = AF_UNIX };
    int at = options_read(rank_options, argc, argv, &p);

    if (at < 1 || at >= argc)
        return EXIT_OURS;
    who_am_i(&p);
    if (stand_beside(&p) < 0) {
        log_line("rank %ld on %s cannot be started: %s", p.rank, p.host, strerror(errno));
        return EXIT_OURS;
    }
    return run_program(&p, argv + at);
}

const struct command command_rank = { "rank", "--tag|--watch -- PROGRAM [ARGUMENT...]",
                                      "what kith run starts as each rank", rank_options, rank_main };
