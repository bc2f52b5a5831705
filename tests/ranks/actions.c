/* actions: a program that ends in the way that it is told, for the tests of how a job ends.
 *
 *     actions [-e] [-r RANK] ACTION [N]
 *
 * -e: every rank runs main (kith_init_ranks); then the action is performed by RANK alone, by all without -r,
 * and the others wait for what never comes. Actions: count (squares by a pool, and who is there), name (what
 * its process is called), masks N (the workers, which are threads if N is 1, and their CPUs), named (the
 * ranks share memory by name), finalize N, return N (without kith_finalize), exit N, tail N (text without an
 * end of line, then exit), listen N (exit while a thread waits for input), abort, segv, raise N, fault, hold
 * (start something of everything, say "up", and work until it is killed), idle (say "up" and wait), closed
 * (count, when the program has closed all descriptors and has a file under each number; at the very end, too,
 * nobody may have used it). */
#include "config.h"

#include <kith.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int *volatile nowhere;

static double square(double x)
{
    return x * x;
}

/* What it prints does not depend on the number of ranks. */
static void count(void)
{
    kith_pool pool = kith_pool_open(0);
    double in[1000], out[1000], sum = 0;

    for (int i = 0; i < 1000; i++)
        in[i] = i;
    kith_map(pool, square, in, out, 1000);
    for (int i = 0; i < 1000; i++)
        sum += out[i];
    printf("sum %.0f\n", sum);
    fprintf(stderr, "%d workers, rank %d of %d\n", kith_pool_workers(pool), kith_rank(), kith_size());
    kith_pool_close(pool);
}

static void name(void)
{
    kith_process self = kith_self();
    char text[32];

    kith_process_name(self, text, sizeof text);
    printf("%s\n", strcmp(text, kith_name()) == 0 && kith_process_pid(self) == getpid() ? text : "somebody");
}

static int says_cpus(const void *arg)
{
    char text[256] = "";
    cpu_set_t set;

    (void)arg;
    sched_getaffinity(0, sizeof set, &set);
    for (int i = 0; i < CPU_SETSIZE && strlen(text) < 240; i++)
        if (CPU_ISSET(i, &set))
            snprintf(text + strlen(text), 8, "%s%d", text[0] ? "," : "", i);
    printf("worker %d: cpus %s\n", kith_worker(), text);
    return 0;
}

/* What the last rank writes, the first one reads. */
static void share_by_name(void)
{
    int *x = kith_alloc_named("shared", 4096), y = 42;
    kith_queue told = kith_queue_named("told", 0);

    if (kith_rank() == kith_size() - 1) {
        x[1023] = y;
        kith_put(told, y);
    }
    if (kith_rank() == 0) {
        kith_get(told, &y);
        printf("%d\n", x[1023]);
    }
}

/* How many workers there are, and where each may run. */
static void masks(int threads)
{
    kith_pool pool = kith_pool_open_with(0, .threads = threads, .init = says_cpus);

    printf("%d workers\n", kith_pool_workers(pool));
    kith_pool_close(pool);
}

enum { SIZE = 4096 };
static int file = -1; /* under each number that was open */

/* Nobody else may read or write it. */
static void look_at_file(void)
{
    char byte;

    if (file < 0)
        return;
    if (lseek(file, 0, SEEK_CUR) != 0 || lseek(file, 0, SEEK_END) != SIZE)
        printf("touched\n");
    lseek(file, 0, SEEK_SET);
    while (read(file, &byte, 1) == 1)
        if (byte)
            printf("written\n");
    lseek(file, 0, SEEK_SET);
}

/* As a daemon does. */
static void count_after_closing(void)
{
    enum { DESCRIPTORS = 1024 };
    int was_open[DESCRIPTORS];
    char path[] = "/tmp/kith-closed-XXXXXX";

    for (int fd = 3; fd < DESCRIPTORS; fd++)
        was_open[fd] = close(fd) == 0;
    if ((file = mkstemp(path)) < 0 || unlink(path) < 0 || ftruncate(file, SIZE) < 0)
        exit(95);
    for (int fd = 3; fd < DESCRIPTORS; fd++)
        if (fd != file && was_open[fd] && dup2(file, fd) < 0)
            exit(95);
    count();
    look_at_file();
}

static int forever(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)lo;
    (void)hi;
    (void)arg;
    while (pause() < 0)
        ;
    return 0;
}

static int starts_a_child(const void *arg)
{
    const kith_queue *up = arg;

    if (kith_put(*up, *up) < 0)
        return 1;
    return system("sleep 1000");
}

static void *maps(void *arg)
{
    kith_for(*(kith_pool *)arg, forever, NULL, 0, 2);
    return NULL;
}

static void hold(void)
{
    kith_queue up = kith_queue_open(0);
    kith_process p = kith_process_start(starts_a_child, KITH_ARG(up));
    kith_pool pool = kith_pool_open(2);
    pthread_t thread;

    if (kith_get(up, &up) < 0 || kith_check(p) < 0 || pthread_create(&thread, NULL, maps, &pool) != 0)
        exit(99);
    printf("up %d\n", (int)getpid());
    fflush(stdout);
    kith_get(up, &up);
}

static void idle(void)
{
    kith_pool pool = kith_pool_open(0);
    double x = 3, y;

    kith_apply(pool, square, &y, x);
    printf("up %d\n", (int)getpid());
    fflush(stdout);
    for (;;)
        pause();
}

static void *reads(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)getchar();
}

/* Nobody writes into the other end of the pipe that stdin becomes. */
static void listen_until_exit(int n)
{
    pthread_t thread;
    int fds[2];

    if (pipe(fds) < 0 || dup2(fds[0], STDIN_FILENO) < 0 || pthread_create(&thread, NULL, reads, NULL) != 0)
        exit(99);
    while (ftrylockfile(stdin) == 0) {
        funlockfile(stdin);
        sched_yield();
    }
    exit(n);
}

static int act(const char *what, int n)
{
    if (strcmp(what, "count") == 0)
        count();
    else if (strcmp(what, "closed") == 0)
        count_after_closing();
    else if (strcmp(what, "name") == 0)
        name();
    else if (strcmp(what, "masks") == 0)
        masks(n);
    else if (strcmp(what, "named") == 0)
        share_by_name();
    else if (strcmp(what, "return") == 0)
        return n;
    else if (strcmp(what, "finalize") == 0) {
        kith_finalize();
        return n;
    } else if (strcmp(what, "exit") == 0)
        exit(n);
    else if (strcmp(what, "tail") == 0) {
        printf("tail");
        exit(n);
    } else if (strcmp(what, "listen") == 0)
        listen_until_exit(n);
    else if (strcmp(what, "abort") == 0)
        abort();
    else if (strcmp(what, "segv") == 0)
        *nowhere = 1;
    else if (strcmp(what, "raise") == 0)
        raise(n);
    else if (strcmp(what, "fault") == 0)
        kith_queue_size((kith_queue){ 0 });
    else if (strcmp(what, "hold") == 0)
        hold();
    else if (strcmp(what, "idle") == 0)
        idle();
    else
        return 98;
    return kith_finalize();
}

static int wait_for_ever(void)
{
    int x;

    kith_get(kith_queue_named("nobody puts into it", 0), &x);
    return kith_finalize();
}

int main(int argc, char **argv)
{
    int every = 0, rank = -1, option;

    while ((option = getopt(argc, argv, "+er:")) != -1)
        if (option == 'e')
            every = 1;
        else if (option == 'r')
            rank = atoi(optarg);
        else
            return 97;
    atexit(look_at_file); /* before kith_init: it runs after all by which kith and MPI end */
    if (every)
        kith_init_ranks(&argc, &argv);
    else
        kith_init(&argc, &argv);
    if (rank >= 0 && rank != kith_rank())
        return wait_for_ever();
    return act(argc > optind ? argv[optind] : "", argc > optind + 1 ? atoi(argv[optind + 1]) : 0);
}
