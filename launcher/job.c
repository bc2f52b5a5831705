/* job.c: see job.h.
 *
 * mpirun gets a session of its own. So a signal reaches it once, by us, whether it was sent to us, to our
 * process group or by the terminal; and ssh, without a terminal, fails where it would ask for a password in
 * the middle of nowhere. The price is that it cannot read from the terminal: what is typed goes through us.
 */
#include "config.h"
#include "job.h"
#include "capture.h"
#include "lockout.h"
#include "log.h"
#include "loss.h"
#include "overdue.h"
#include "tags.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DRAIN_MS = 200, BACKGROUND_MS = 500, MPICH_TROUBLE = 255 };

/* What is sent to mpirun for a signal, as it would do another thing with it. Open MPI ends the job for INT,
 * TERM and HUP: its ranks get TERM, then KILL; it dies by QUIT and leaves ranks behind. MPICH passes INT,
 * QUIT and USR1 on, ends the job for TERM, and dies by HUP and USR2. 0: there is no way. */
static const struct {
    int signal;
    int send[2];
} passing[] = {
    /*            Open MPI, MPICH */
    { SIGINT, { SIGINT, SIGINT } },    { SIGTERM, { SIGTERM, SIGTERM } }, { SIGHUP, { SIGTERM, SIGTERM } },
    { SIGQUIT, { SIGTERM, SIGQUIT } }, { SIGUSR1, { SIGUSR1, SIGUSR1 } }, { SIGUSR2, { SIGUSR2, 0 } },
    { SIGTSTP, { SIGTSTP, SIGTSTP } }, { SIGCONT, { SIGCONT, SIGCONT } }
};
enum { PASSING = sizeof passing / sizeof passing[0] };

struct job {
    enum mpi_kind kind;
    pid_t pid;
    int signals;      /* a signalfd */
    int out, err;     /* from mpirun; -1: ended */
    int in;           /* to mpirun's stdin; -1: directly, or ended */
    int typed_end;    /* the terminal has said that there is no more */
    char typed[4096]; /* for in */
    size_t typed_count;
    int ended, status; /* of waitpid */
    int by;            /* the signal that was to end the job; 0: none */
    int stopped;       /* mpirun was told to stop */
    int locked_out;    /* it has locked itself out, and was killed for that */
    struct lockout lockout;
    sigset_t held; /* what mpirun gets when it has started all its daemons */
    struct filter out_filter, err_filter;
    struct tags *tags;       /* of the ranks' frames, which come by err then; NULL: there are none */
    struct loss loss;        /* what they tell of themselves */
    struct overdue *overdue; /* until the first one has begun */
    struct mpirun_messages *messages;
};

/* ---- start */

/* A signal that is ignored already stays so: nohup, and shells in the background, mean it. */
static void block_signals(sigset_t *set, sigset_t *before)
{
    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    for (int i = 0; i < PASSING; i++) {
        struct sigaction now;

        if (sigaction(passing[i].signal, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(set, passing[i].signal);
    }
    sigprocmask(SIG_BLOCK, set, before);
}

static char under_run[] = "KITH_RUN=1"; /* so that ranks leave it to us to say what they died of */

static void child(const struct mpi *m, const struct line *line, const int in[2], const int out[2],
                  const int err[2], const sigset_t *mask, pid_t parent)
{
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_OURS);
    if ((in[0] >= 0 && dup2(in[0], 0) < 0) || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
        _exit(EXIT_OURS);
    for (size_t i = 0; i < line->variable_count; i++)
        putenv(line->variables[i]);
    putenv(under_run);
    /* MPICH's mpiexec may die by it when a program ends at once: it writes to a proxy that has gone. It gives
     * ranks the default. */
    signal(SIGPIPE, m->kind == MPICH ? SIG_IGN : SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execv(m->path, line->words);
    _exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static int open_pipe(int wanted, int ends[2])
{
    ends[0] = ends[1] = -1;
    return wanted ? pipe2(ends, O_CLOEXEC) : 0;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A terminal is read by us, everything else by mpirun itself. What it writes goes through us. */
static int start(struct job *j, const struct mpi *m, const struct line *line, const struct mpirun_messages *w)
{
    int in[2], out[2], err[2];
    sigset_t set, before;
    pid_t parent = getpid();

    if (open_pipe(isatty(STDIN_FILENO), in) != 0 || open_pipe(1, out) != 0 || open_pipe(1, err) != 0)
        return -1;
    block_signals(&set, &before);
    j->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    j->pid = j->signals < 0 ? -1 : fork();
    if (j->pid == 0)
        child(m, line, in, out, err, &before, parent);
    close_end(&in[0]);
    close_end(&out[1]);
    close_end(&err[1]);
    j->in = in[1];
    j->out = out[0];
    j->err = err[0];
    if (j->in >= 0)
        fcntl(j->in, F_SETFL, O_NONBLOCK);
    filter_init(&j->out_filter, &w->out, STDOUT_FILENO);
    filter_init(&j->err_filter, &w->err, STDERR_FILENO);
    return j->pid < 0 ? -1 : 0;
}

/* ---- signals */

static void reap(struct job *j)
{
    int status;

    if (waitpid(j->pid, &status, WNOHANG) == j->pid) {
        j->ended = 1;
        j->status = status;
    }
}

/* Open MPI's mpirun fails when it is to pass a signal on to a daemon that is not there yet: so a start can be
 * ended, but not stopped. */
static int must_wait(struct job *j, int signal)
{
    static const int others[] = { SIGTSTP, SIGCONT, SIGUSR1, SIGUSR2 };

    if (j->kind != OPEN_MPI || overdue_is_over(j->overdue))
        return 0;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (signal == others[i])
            return 1;
    return 0;
}

/* To mpirun. What nobody has stopped need not go on: the kernel sends CONT when a terminal is closed, too. */
static void send_on(struct job *j, int signal, int as)
{
    if (must_wait(j, signal)) {
        if (signal == SIGUSR1 || signal == SIGUSR2)
            sigaddset(&j->held, signal);
        return;
    }
    if (signal == SIGCONT && !j->stopped)
        return;
    if (signal == SIGTSTP || signal == SIGCONT)
        j->stopped = signal == SIGTSTP;
    kill(j->pid, as);
}

static void send_held(struct job *j)
{
    static const int signals[] = { SIGUSR1, SIGUSR2 };

    if (j->ended || !overdue_is_over(j->overdue))
        return;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (sigismember(&j->held, signals[i]) && sigdelset(&j->held, signals[i]) == 0)
            kill(j->pid, signals[i]);
}

static void pass_on(struct job *j, struct mpirun_messages *w, int signal)
{
    int send = 0;

    for (int i = 0; i < PASSING; i++)
        if (passing[i].signal == signal)
            send = passing[i].send[j->kind == MPICH];
    if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT)
        j->by = w->asked = signal;
    if (send == 0)
        log_line("signal %d (%s): MPICH's mpiexec cannot pass it on to the ranks", signal, strsignal(signal));
    else if (!j->ended)
        send_on(j, signal, send);
    if (signal == SIGTSTP)
        raise(SIGSTOP); /* we come back with SIGCONT, which is passed on in its turn */
    if (signal == SIGCONT)
        overdue_again(j->overdue, now_ms());
}

static void take_signals(struct job *j, struct mpirun_messages *w)
{
    struct signalfd_siginfo info;

    while (read(j->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(j);
        else
            pass_on(j, w, (int)info.ssi_signo);
    }
}

/* ---- streams */

/* 0: nothing to read now; 1: something was; -1: it has ended. */
static int pump(struct job *j, int fd, struct filter *s)
{
    char data[65536];
    ssize_t n = read(fd, data, sizeof data);

    if (n > 0 && s == &j->out_filter) /* mpirun itself, and ssh, have what they say on stderr */
        overdue_end(j->overdue);
    if (n > 0 && j->tags && s == &j->err_filter)
        tags_feed(j->tags, data, (size_t)n, now_ms(), &j->out_filter, s);
    else if (n > 0)
        filter_feed(s, data, (size_t)n, now_ms());
    if (n > 0)
        return 1;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Nobody reads any more, as behind "| head": a program would die by SIGPIPE. mpirun must not: Open MPI's
 * crashes. */
static void stop_writing(struct job *j, struct mpirun_messages *w)
{
    if (!j->by)
        kill(j->pid, SIGTERM);
    if (!j->by)
        j->by = w->asked = SIGPIPE;
}

static void pump_ready(struct job *j, struct mpirun_messages *w, const struct pollfd *p, int *fd,
                       struct filter *s)
{
    if (*fd >= 0 && p->revents && pump(j, *fd, s) < 0)
        close_end(fd);
    filter_late(s, now_ms());
    if (s->broken == EPIPE && !j->ended)
        stop_writing(j, w);
}

/* Somebody in the background who reads from the terminal would be stopped. */
static int may_read_terminal(const struct job *j)
{
    return j->in >= 0 && !j->typed_end && j->typed_count == 0 && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static void read_terminal(struct job *j)
{
    ssize_t n = read(STDIN_FILENO, j->typed, sizeof j->typed);

    if (n > 0)
        j->typed_count = (size_t)n;
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        j->typed_end = 1;
}

static void write_typed(struct job *j)
{
    ssize_t n = j->typed_count ? write(j->in, j->typed, j->typed_count) : 0;

    if (n > 0) {
        j->typed_count -= (size_t)n;
        memmove(j->typed, j->typed + n, j->typed_count);
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        close_end(&j->in);
        j->typed_count = 0;
    }
    if (j->typed_end && j->typed_count == 0)
        close_end(&j->in);
}

/* ---- a job of which mpirun does not tell */

static void take_note(void *arg, long rank, const char *host, const char *text)
{
    struct job *j = arg;

    log_debug("rank %ld on %s: %s", rank, host, text);
    overdue_end(j->overdue);
    loss_note(&j->loss, rank, host, text, now_ms());
    j->messages->stands = j->loss.stands;
}

static void end_lost(struct job *j, struct mpirun_messages *w)
{
    int signal = j->ended ? 0 : loss_signal(&j->loss, now_ms());

    if (signal == 0)
        return;
    log_info("mpirun has not ended by itself, and gets signal %d (%s)", signal, strsignal(signal));
    w->asked = SIGTERM; /* what it says of that is nobody's business */
    kill(j->pid, signal);
}

static void end_locked_out(struct job *j, struct mpirun_messages *w)
{
    if (j->ended || j->kind != OPEN_MPI || !(j->by || w->spoke))
        return;
    lockout_watch(&j->lockout, now_ms());
    if (!lockout_is_one(&j->lockout, j->pid, now_ms()))
        return;
    log_line("mpirun has locked itself out over the end of the job, and is killed");
    w->said = j->locked_out = 1;
    kill(j->pid, SIGKILL);
}

static int sooner(int a, int b)
{
    return b < 0 || (a >= 0 && a < b) ? a : b;
}

/* One turn: wait, then signals, then what mpirun says, then what is typed. */
static void turn(struct job *j, struct mpirun_messages *w, int limit_ms)
{
    int terminal = may_read_terminal(j);
    long long now = now_ms();
    struct pollfd p[] = { { .fd = j->signals, .events = POLLIN },
                          { .fd = j->out, .events = POLLIN },
                          { .fd = j->err, .events = POLLIN },
                          { .fd = terminal ? STDIN_FILENO : -1, .events = POLLIN },
                          { .fd = j->typed_count ? j->in : -1, .events = POLLOUT } };

    limit_ms = sooner(limit_ms, sooner(filter_wait(&j->out_filter, now), filter_wait(&j->err_filter, now)));
    if (!j->ended) {
        limit_ms = sooner(limit_ms, sooner(loss_wait(&j->loss, now), overdue_wait(j->overdue, now)));
        limit_ms = sooner(limit_ms, lockout_wait(&j->lockout, now));
    }
    if (j->in >= 0 && !terminal && j->typed_count == 0)
        limit_ms = sooner(limit_ms, BACKGROUND_MS); /* nobody tells us when we come to the foreground */
    if (poll(p, sizeof p / sizeof p[0], limit_ms) < 0 && errno != EINTR)
        return;
    take_signals(j, w);
    end_lost(j, w);
    pump_ready(j, w, &p[1], &j->out, &j->out_filter);
    pump_ready(j, w, &p[2], &j->err, &j->err_filter);
    if (p[3].revents)
        read_terminal(j);
    if (p[4].revents || j->typed_end)
        write_typed(j);
    if (!j->ended && !j->by)
        overdue_look(j->overdue, j->pid, now_ms());
    send_held(j);
    end_locked_out(j, w);
}

/* ---- end */

/* What mpirun's end means. Open MPI turns a death by signal into 128 + signal, and has 1 for every end that
 * we asked for. MPICH has the bare number of the signal; after INT and QUIT the program's own status, but now
 * and then 0, after TERM anything. */
static int exit_status(const struct job *j, const struct mpirun_messages *w)
{
    int status = WIFSIGNALED(j->status) ? EXIT_BY_SIGNAL + WTERMSIG(j->status) : WEXITSTATUS(j->status);
    int is_own = j->kind == OPEN_MPI ? status == 0 : status != 0 && (j->by == SIGINT || j->by == SIGQUIT);

    if (j->by && !is_own)
        return EXIT_BY_SIGNAL + j->by;
    if (w->status)
        return w->status;
    if (j->loss.told || j->loss.gone)
        return loss_status(&j->loss, status);
    if (w->signal && (j->kind == MPICH || j->locked_out))
        return EXIT_BY_SIGNAL + w->signal;
    return status;
}

/* A shell would say it too. Of a rank that is no MPI program Open MPI tells no more than the status. */
static int tell_end(const struct job *j, const struct mpi *m, const struct mpirun_messages *w)
{
    int status = exit_status(j, w), by = status - EXIT_BY_SIGNAL;

    if (by > 0 && by < NSIG && by != SIGPIPE && !j->by && !w->said && !w->status && !j->loss.explained)
        log_line("%s was killed by signal %d (%s)", WIFSIGNALED(j->status) ? m->name : "the program", by,
                 strsignal(by));
    if (status == MPICH_TROUBLE && w->trouble[0] && !w->said) {
        log_line("%s: it failed itself (%s)", m->name, w->trouble);
        return EXIT_OURS;
    }
    if (status == 0 && j->out_filter.broken && j->out_filter.broken != EPIPE) {
        log_line("some output of the program to stdout could not be written"); /* as kith_finalize says it */
        return EXIT_LOST;
    }
    return status;
}

int job_run(const struct mpi *m, const struct line *line, struct mpirun_messages *w, const struct request *r)
{
    struct overdue overdue;
    struct job j = { .kind = m->kind, .messages = w, .overdue = &overdue };
    struct tags tags = { .bare = !r->tag, .note = take_note, .arg = &j };
    long long end;

    sigemptyset(&j.held);
    overdue_begin(&overdue, r, m, now_ms());
    if (r->tag || r->survives)
        j.tags = &tags;
    signal(SIGPIPE, SIG_IGN);
    if (start(&j, m, line, w) < 0) {
        log_line("%s: it cannot be started: %s", m->name, strerror(errno));
        return EXIT_OURS;
    }
    while (!j.ended)
        turn(&j, w, -1);
    /* Its last words are in the pipes, which a turn empties, however late it comes; but who was left behind
     * may hold these open. */
    end = now_ms() + DRAIN_MS;
    for (int turns = 0; (j.out >= 0 || j.err >= 0) && (turns < 2 || now_ms() < end); turns++)
        turn(&j, w, DRAIN_MS / 4);
    tags_end(&tags, now_ms(), &j.out_filter, &j.err_filter);
    filter_end(&j.out_filter);
    filter_end(&j.err_filter);
    return tell_end(&j, m, w);
}
