/* member.c: a program of ranks without the rest of kith, for the tests of how they start, wait and end.
 *
 *     member [-e] ACTION [N]      -e: every rank runs (else rank 0 does it, the others sleep)
 *
 * Actions: launch (say what was started, no MPI), table, exit N, return N, abort, segv, fault, sleep (until
 * killed), barrier N, lines N (print N lines and exit 3), chorus N (the sleepers do, rank 0 exits), fd (the
 * ranks of a node share a file), quiet (rank 0 ends before it dismisses). */
#include "config.h"
#include "base/error.h"
#include "base/log.h"
#include "start/detect.h"
#include "start/ending.h"
#include "start/ranks.h"
#include "start/rerun.h"
#include "base/system.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct kith__ranks ranks;
static int shared_fd;
static volatile int *volatile nowhere;

static void crash(int sig)
{
    kith__ending_crashed(sig);
}

static void catch (int sig)
{
    struct sigaction action = { .sa_handler = crash, .sa_flags = SA_RESETHAND };

    sigaction(sig, &action, NULL);
}

static void fault(void)
{
    fprintf(stderr, "kith: %s\n", kith_last_error());
    exit(1);
}

static void say_cpus(const int *cpus, int count)
{
    for (int i = 0; i < count; i++)
        printf("%s%d", i ? "," : "", cpus[i]);
    printf("\n");
}

static void say_launch(const struct kith__launch *l)
{
    printf("%s %s by %s: rank %d of %d, local %d of %d, %s, %d workers, cpus ",
           l->kind == KITH__ALONE ? "alone" : "mpi", l->mpi ? l->mpi : "-",
           l->launcher ? l->launcher : "hand", l->rank, l->size, l->local_rank, l->local_size,
           l->bound ? "bound" : "not bound", l->workers);
    say_cpus(l->cpus, l->cpu_count);
}

static void say_table(void)
{
    printf("%d ranks, %d nodes, %d workers here, cpus ", ranks.size, ranks.nodes, ranks.workers);
    say_cpus(ranks.cpus, ranks.cpu_count);
    for (int i = 0; i < ranks.size; i++)
        printf("rank %d: node %d, local %d, workers %d\n", i, ranks.all[i].node, ranks.all[i].local,
               ranks.all[i].workers);
}

static void say_last(void)
{
    printf("atexit\n");
}

static void do_fd(void)
{
    char text[64];
    ssize_t n = pread(ranks.fds[0], text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    printf("rank %d reads: %s\n", ranks.rank, text);
}

static int act(const char *what, int n)
{
    if (strcmp(what, "table") == 0)
        say_table();
    else if (strcmp(what, "exit") == 0)
        exit(n);
    else if (strcmp(what, "return") == 0)
        return n;
    else if (strcmp(what, "abort") == 0)
        abort();
    else if (strcmp(what, "segv") == 0)
        *nowhere = 1;
    else if (strcmp(what, "fault") == 0) {
        kith__fail(KITH_EINVAL, "a wrong argument");
        fault();
    } else if (strcmp(what, "sleep") == 0) {
        printf("up\n");
        fflush(stdout);
        for (;;)
            pause();
    } else if (strcmp(what, "barrier") == 0) {
        for (int i = 0; i < n; i++)
            if (kith__ranks_barrier(10000) < 0)
                fault();
        printf("rank %d passed %d\n", ranks.rank, n);
    } else if (strcmp(what, "lines") == 0) {
        for (int i = 0; i < n; i++)
            printf("%099d\n", i);
        exit(3);
    } else if (strcmp(what, "chorus") == 0) {
        kith__ranks_dismiss(5000, NULL);
        exit(3);
    } else if (strcmp(what, "fd") == 0) {
        do_fd();
    }
    return 0;
}

static int make_shared(int rank)
{
    int fd = kith__memfd("member");

    dprintf(fd, "the file of rank %d", rank);
    return fd;
}

static void run_others(int lines)
{
    kith__ranks_sleep(NULL);
    for (int i = 0; i < lines; i++)
        printf("%099d\n", i);
    kith__ranks_leave();
}

int main(int argc, char **argv)
{
    int every = argc > 1 && strcmp(argv[1], "-e") == 0, silent = 0, status;
    const char *what = argc > 1 + every ? argv[1 + every] : "table";
    int n = argc > 2 + every ? atoi(argv[2 + every]) : 0;
    struct kith__launch launch;

    kith__log_init();
    setvbuf(stdout, NULL, _IOLBF, 0);
    atexit(say_last);
    if (kith__launch_read(&launch, &silent) < 0) {
        if (silent)
            _exit(0);
        fault();
    }
    if (strcmp(what, "launch") == 0) {
        say_launch(&launch);
        _exit(0);
    }
    if (every && kith__rerun(argv, &launch) < 0)
        fault();
    if (launch.kind == KITH__ALONE && !every) {
        printf("alone, %d workers\n", launch.workers);
        return 0;
    }
    shared_fd = make_shared(launch.rank);
    if (kith__ranks_join(&argc, &argv, &launch, every, &shared_fd, 1, &ranks) < 0)
        fault();
    if (!every && ranks.rank > 0)
        run_others(strcmp(what, "chorus") == 0 ? n : 0);
    catch (SIGSEGV);
    catch (SIGABRT);
    status = act(what, n);
    if (!every)
        kith__ranks_dismiss(5000, NULL);
    return status;
}
