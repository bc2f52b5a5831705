/* ending.c: see ending.h. */
#include "config.h"
#include "start/ending.h"
#include "code/coverage.h"
#include "start/beside.h"
#include "base/error.h"
#include "base/log.h"
#include "start/detect.h"
#include "start/conn.h"
#include "start/rendezvous.h"
#include "start/ranks.h"
#include "base/standin.h"
#include "base/system.h"
#include "base/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 5, MPI_FILES = 64, LOOK_MS = 1000 };

static const int64_t patience_ns = 4000 * KITH__MS, crash_patience_ns = 2000 * KITH__MS,
                     turn_ns = 150 * KITH__MS, reading_ns = 2000 * KITH__MS;

/* How long the launcher may take to end a job that has lost a host, and one that is over (loss.c of kith run
 * ends mpirun sooner); and then for each way of ending it. */
static const int64_t lost_patience_ns = 6000 * KITH__MS, over_patience_ns = 20000 * KITH__MS,
                     between_ns = 300 * KITH__MS, last_patience_ns = 3000 * KITH__MS;

static struct {
    const struct kith__mpi *mpi;
    pid_t pid; /* of the rank; 0: MPI is not ours to end */
    int rank, every_rank, by_mpirun, by_srun, failed;
    int by_kith; /* kith run called the launcher, and says how the job ended */
    pid_t launcher_pid;
    struct kith__descriptor launcher; /* pidfd; -1: not known */
    struct kith__descriptor of_mpi[MPI_FILES];
    int files; /* that MPI has opened */
    const struct kith__descriptor *up, *down;
    int downs;
    int has_thread;
    _Atomic uint32_t wish; /* a futex: the exit status + 1 that the launcher is to be asked for */
    _Atomic int broken;
} self = { .launcher = { .fd = -1 } };

/* ---- asking the launcher */

static void nap(void)
{
    const struct timespec a_little = { .tv_nsec = 5 * KITH__MS };

    clock_nanosleep(CLOCK_MONOTONIC, 0, &a_little, NULL);
}

/* mpirun and orted sleep for a second before each of their signals, and wake up by any SIGCHLD, which they
 * expect. */
static void hurry_launcher(void)
{
    if (self.by_mpirun && kith__descriptor_is_ours(&self.launcher))
        syscall(SYS_pidfd_send_signal, self.launcher.fd, SIGCHLD, NULL, 0);
}

static void say(enum kith__note_kind kind)
{
    const struct kith__note note = { .kind = kind, .rank = (uint32_t)self.rank };

    for (int i = 0; i < self.downs; i++)
        kith__conn_send(kith__descriptor_number(&self.down[i]), &note, NULL, 0);
}

/* Waits for the launcher's signals. */
static void hurry_until(int64_t until)
{
    while (kith__now_ns() < until) {
        hurry_launcher();
        nap();
    }
}

/* MPICH's proxy may see the wish for an end before what was written, and then passes on nothing more. */
static void await_reader(int fd, int64_t until)
{
    struct stat st;
    int unread;

    if (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode))
        return;
    while (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0 && kith__now_ns() < until)
        nap();
}

/* Async-signal-safe but for the case that there is no thread. Comes back when it did not work. */
static void ask_for_end(int status, int64_t patience)
{
    int64_t read_until;

    signal(SIGTERM, SIG_IGN); /* hurry on until SIGKILL */
    say(KITH__NOTE_LINGER);
    /* Mostly all ranks fail alike. When all ask at once, mpirun trips over those that it kills before it has
     * answered. */
    if (self.every_rank)
        hurry_until(kith__now_ns() + (self.rank < TURNS ? self.rank : TURNS) * turn_ns);
    read_until = kith__now_ns() + reading_ns;
    await_reader(STDOUT_FILENO, read_until);
    await_reader(STDERR_FILENO, read_until);
    if (self.has_thread) {
        atomic_store(&self.wish, (uint32_t)status + 1);
        kith__futex_wake(&self.wish, 1);
    } else {
        self.mpi->end_all(status);
    }
    hurry_until(kith__now_ns() + patience);
}

/* ---- a launcher that waits for a lost host */

static int launcher_ends_until(int fd, int64_t until)
{
    struct pollfd launcher = { .fd = fd, .events = POLLIN };
    int64_t now;

    while ((now = kith__now_ns()) < until)
        if (poll(&launcher, 1, (int)((until - now) / KITH__MS) + 1) > 0)
            return 1;
    return 0;
}

/* Keeps nothing open that somebody waits for. */
static void keep_only(int fd)
{
    enum { KEPT = 3 };

    dup2(fd, KEPT);
    syscall(SYS_close_range, 0, KEPT - 1, 0);
    if (syscall(SYS_close_range, KEPT + 1, ~0U, 0) == 0) /* Linux 5.9 */
        return;
    for (int other = 0; other < 1024; other++)
        if (other != KEPT)
            close(other);
}

static void end_launcher(int64_t patience) __attribute__((noreturn));

/* The third SIGTERM within five seconds ends Open MPI's mpirun, whatever it waits for. */
static void end_launcher(int64_t patience)
{
    const int fd = 3;

    setsid(); /* the launcher kills the group of a rank */
    keep_only(self.launcher.fd);
    for (int signals = 0; signals < 4; signals++) {
        if (launcher_ends_until(fd, kith__now_ns() + (signals == 0 ? patience : between_ns)))
            _exit(0);
        if (signals < 3)
            syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
    }
    if (!launcher_ends_until(fd, kith__now_ns() + last_patience_ns))
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    _exit(0);
}

static int can_end_launcher(void)
{
    return self.by_mpirun && kith__descriptor_is_ours(&self.launcher);
}

/* A process that outlives this one, which the launcher kills at once. */
static void leave_its_end(int64_t patience)
{
    if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) /* fork would take locks */
        end_launcher(patience);
}

/* When a host is cut off, mpirun finds out after eight minutes, and waits for it until then, whoever asks it
 * to end. */
static void see_to_launcher(int status)
{
    if (!self.broken || self.rank != 0 || kith__beside_listens() || !can_end_launcher())
        return;
    kith__tell(
        "rank %d on %s has ended with status %d, but a host of this job is lost: the launcher is ended, "
        "too, and if it waits for that host its own status is another one; kith run survives the loss "
        "of a host, and srun --no-kill does",
        self.rank, kith_host(), status);
    leave_its_end(lost_patience_ns);
}

/* ---- the thread */

static void lose_launcher(void) __attribute__((noreturn));

/* Nobody wants what this rank does. Programs that tidy up at SIGTERM may do so. */
static void lose_launcher(void)
{
    kith__log(KITH_LOG_WARNING, "rank %d ends: its launcher is gone", self.rank);
    self.mpi->tidy();
    kill(self.pid, SIGTERM);
    sleep(1);
    kill(self.pid, SIGKILL);
    for (;;)
        pause();
}

/* It alone waits for a wish: the other one sleeps in poll. */
static void *grant_wish(void *nothing)
{
    uint32_t wish;

    for (;;) {
        while ((wish = atomic_exchange(&self.wish, 0)) == 0)
            kith__futex_wait(&self.wish, 0, -1);
        self.mpi->end_all((int)wish - 1);
    }
    return nothing;
}

/* What the program has closed may be a file of its own by now. */
static void forget_closed(struct pollfd *fds)
{
    fds[0].fd = kith__descriptor_number(&self.launcher);
    if (fds[1].fd >= 0)
        fds[1].fd = kith__descriptor_number(self.up);
    for (int i = 0; i < self.downs; i++)
        if (fds[2 + i].fd >= 0)
            fds[2 + i].fd = kith__descriptor_number(&self.down[i]);
}

static int has_lost_launcher(const struct pollfd *fd)
{
    if (fd->revents && kith__descriptor_is_ours(&self.launcher))
        return 1;
    return self.launcher_pid && kith__process_is_gone(self.launcher_pid);
}

static void *watch(void *arg)
{
    struct pollfd *fds = arg;
    nfds_t n = (nfds_t)self.downs + 2;

    for (;;) {
        forget_closed(fds);
        if (poll(fds, n, self.launcher_pid && fds[0].fd < 0 ? LOOK_MS : -1) < 0)
            continue;
        if ((fds[0].revents || fds[0].fd < 0) && has_lost_launcher(&fds[0]))
            lose_launcher();
        for (nfds_t i = 1; i < n; i++)
            if (fds[i].revents) {
                fds[i].fd = -1;
                self.broken = 1;
            }
    }
    return NULL;
}

static int start_thread(void *(*fn)(void *), void *arg)
{
    struct kith__thread thread;
    int error = kith__thread_begin(&thread, fn, arg);

    if (error == 0) {
        pthread_detach(thread.of);
        kith__standin_begin(); /* it ends with the process */
    }
    return error;
}

int kith__ending_watch(void)
{
    struct pollfd *fds = calloc((size_t)self.downs + 2, sizeof *fds);

    if (!fds)
        return kith__fail(KITH_ENOMEM, "no memory for the thread that watches the launcher");
    fds[0] = (struct pollfd){ .fd = self.launcher.fd, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = self.up->fd, .events = POLLRDHUP };
    for (int i = 0; i < self.downs; i++)
        fds[2 + i] = (struct pollfd){ .fd = self.down[i].fd, .events = POLLRDHUP };
    self.has_thread = start_thread(grant_wish, NULL) == 0;
    if (!self.has_thread || start_thread(watch, fds) != 0) {
        free(fds);
        return kith__fail(KITH_ENOMEM, "the thread that watches the launcher cannot be started");
    }
    return 0;
}

/* ---- exit */

static int is_mine(void)
{
    return self.pid && getpid() == self.pid && self.mpi->is_up(); /* the program may have finalized it */
}

/* srun --no-kill goes on without a lost node, and MPI_Finalize with it, as soon as Slurm knows; without that
 * option it ends the step itself. */
static int is_broken(void)
{
    return self.broken && (!self.by_srun || self.every_rank);
}

/* kith run has the status from us; told to go on whatever happens, its mpirun does not end a job that asks
 * for it. */
static int tells_launcher(void)
{
    return (self.by_mpirun && !kith__beside_listens()) || self.every_rank;
}

static int is_to_be_told(int status)
{
    return self.failed || is_broken() || (status != 0 && tells_launcher());
}

/* 1: the program has closed all that MPI has open. Without that MPI hangs, and writes to what has the numbers
 * now. */
static int has_lost_mpi(void)
{
    for (int i = 0; i < self.files; i++)
        if (kith__descriptor_is_ours(&self.of_mpi[i]))
            return 0;
    return self.files > 0;
}

/* After MPI_Finalize the others may be gone. */
static enum kith__ends how_it_ends(void)
{
    return self.pid && self.broken ? KITH__ENDS_LOST : KITH__ENDS_NOW;
}

/* Registered with the start of MPI: so it runs before the destructors of the libraries that MPI has loaded.
 */
static void finalize(int status, void *nothing)
{
    (void)nothing;
    if (!is_mine() || is_to_be_told(status & 255) || has_lost_mpi())
        return;
    self.pid = 0;
    kith__beside_ends(status & 255, KITH__ENDS_SOON);
    fflush(stdout); /* exit does so later, when it may be too late */
    if (self.broken)
        kith__log(KITH_LOG_INFO,
                  "rank %d waits in MPI_Finalize until Slurm knows that a node is lost "
                  "(SlurmdTimeout)",
                  self.rank);
    say(KITH__NOTE_FINALIZE);
    self.mpi->finalize();
}

/* The launcher sees that this rank ends without MPI_Finalize, and ends the others. */
static void end_without_mpi(int status) __attribute__((noreturn));

static void end_without_mpi(int status)
{
    kith__tell("rank %d on %s ends without MPI_Finalize, as the program has closed the descriptors of %s: "
               "close those only that the program has opened",
               self.rank, kith_host(), self.mpi->title);
    kith__flush_streams();
    kith__coverage_flush();
    kith__leave(status ? status : 1);
}

/* Registered before all that the program registers, so that it runs after that: it does not come back. */
static void last_words(int status, void *nothing)
{
    (void)nothing;
    status &= 255;
    kith__beside_ends(status, how_it_ends());
    if (!is_mine() || !(is_to_be_told(status) || has_lost_mpi()))
        return;
    if (has_lost_mpi())
        end_without_mpi(status);
    self.pid = 0;
    kith__flush_streams();
    kith__coverage_flush();
    kith__openmp_forget(getpid());
    see_to_launcher(status);
    ask_for_end(status, patience_ns);
    _exit(status);
}

__attribute__((constructor)) static void register_last_words(void)
{
    on_exit(last_words, NULL);
}

/* ---- crashes */

/* The launcher will kill this process, without a core dump; so a copy of it dies of the signal as it would
 * have. */
static void dump_core(int sig)
{
    struct rlimit limit;
    pid_t pid;

    if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur == 0)
        return;
    pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); /* fork would run handlers and take locks */
    if (pid == 0) {
        sigset_t all;

        signal(sig, SIG_DFL);
        sigfillset(&all);
        sigdelset(&all, sig);
        sigprocmask(SIG_SETMASK, &all, NULL);
        syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), sig);
        _exit(128 + sig);
    }
    if (pid > 0)
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
}

/* As a shell says it of a program that was started by hand. */
static void tell_signal(int sig)
{
    char line[192];
    int n = snprintf(line, sizeof line, "kith: rank %d on %s was killed by signal %d (%s)\n", self.rank,
                     kith_host(), sig, strsignal(sig));

    if (!self.by_kith && n > 0 &&
        write(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
        return;
}

void kith__ending_crashed(int sig)
{
    if (!self.pid || getpid() != self.pid)
        return;
    kith__beside_ends(128 + sig, how_it_ends());
    if (self.by_srun || has_lost_mpi())
        return;
    tell_signal(sig);
    dump_core(sig);
    ask_for_end(128 + sig, crash_patience_ns);
}

/* ---- for the other files */

/* MPICH has one from its launcher. */
static void find_files(const struct kith__open_descriptors *before)
{
    const char *pmi = getenv("PMI_FD");

    self.files = kith__descriptors_since(before, self.of_mpi, MPI_FILES - 1);
    if (pmi && fcntl(atoi(pmi), F_GETFD) >= 0)
        kith__descriptor_know(&self.of_mpi[self.files++], atoi(pmi));
}

void kith__ending_begin(const struct kith__mpi *mpi, const struct kith__launch *launch, int rank,
                        int every_rank, const struct kith__open_descriptors *before)
{
    self.mpi = mpi;
    self.rank = rank;
    self.every_rank = every_rank;
    self.by_mpirun = launch->by_mpirun;
    self.by_srun = launch->kind == KITH__MPI && strcmp(launch->launcher, "srun") == 0;
    self.by_kith = getenv("KITH_RUN") != NULL;
    if (launch->kind == KITH__MPI) /* what MPI has open without a launcher it may also close */
        find_files(before);
    self.launcher_pid = launch->launcher_pid;
    if (launch->launcher_pid)
        kith__descriptor_own(&self.launcher, kith__pidfd_open(launch->launcher_pid));
    self.pid = getpid();
    on_exit(finalize, NULL);
}

void kith__ending_lines(const struct kith__descriptor *up, const struct kith__descriptor *down, int downs)
{
    self.up = up;
    self.down = down;
    self.downs = downs;
}

void kith__ending_fail(void)
{
    self.failed = 1;
}

void kith__ending_linger(int hurry)
{
    struct pollfd launcher = { .fd = self.launcher.fd, .events = POLLIN };
    int64_t until = kith__now_ns() + patience_ns;

    kith__openmp_forget(getpid()); /* the launcher may kill us here */
    if (hurry)
        signal(SIGTERM, SIG_IGN);
    while (poll(&launcher, 1, hurry ? 0 : -1) <= 0 && (!hurry || kith__now_ns() < until)) {
        hurry_launcher();
        nap();
    }
    _exit(1);
}

/* TCP gives a line up after a quarter of an hour when something is under way on it, as what orted tells of
 * the end of a rank: it does not ask for signs of life then. */
void kith__ending_cut_off(void)
{
    if (can_end_launcher())
        leave_its_end(lost_patience_ns);
    kith__ending_linger(1);
}

void kith__ending_over(void)
{
    if (kith__beside_listens() && can_end_launcher())
        leave_its_end(over_patience_ns);
}

int kith__ending_launcher(void)
{
    return self.launcher.fd;
}

void kith__ending_lost(void)
{
    self.broken = 1;
}

int kith__ending_broken(void)
{
    return self.broken;
}
