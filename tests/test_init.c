/* test_init.c: jobs in surroundings that are not as usual: descriptors that are closed, limits that are reached, signals, threads. */
#include "config.h"
#include "check.h"
#include "family.h"
#include "process.h"
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#if defined __SANITIZE_THREAD__
#define HAS_OTHER_THREADS 1
#else
#define HAS_OTHER_THREADS 0
#endif

static uid_t nobody;                    /* users from here on have no other processes, not even of another run of this test */

static int successor(int x)
{
    return x + 1;
}

static int talkative(int x)
{
    printf("a line that must not go into a file of kith's %d\n", x);
    fprintf(stderr, "nor this one %d\n", x);
    return x + 1;
}

static int give_7(const void *arg)
{
    (void)arg;
    printf("hello\n");
    return 7;
}

static int put_1(const void *arg)
{
    const kith_queue *q = arg;
    int one = 1;

    return kith_put(*q, one) < 0;
}

static int map_is_right(kith_pool pool, int (*fn)(int), int n)
{
    int in[64], out[64];

    for (int i = 0; i < n; i++)
        in[i] = i;
    if (kith_map(pool, fn, in, out, n) != 0)
        return 0;
    for (int i = 0; i < n; i++)
        if (out[i] != i + 1)
            return 0;
    return 1;
}

/* What every job can do. */
static void work(int (*fn)(int))
{
    kith_pool pool = kith_pool_open(3);
    kith_queue q = kith_queue_open(0);
    kith_process p;
    int code = -1, x = 0;

    for (int i = 0; i < 20; i++)
        REQUIRE(map_is_right(pool, fn, 64));
    p = kith_process_start(give_7, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 7);
    p = kith_process_start(put_1, KITH_ARG(q));
    REQUIRE(kith_get(q, &x) == 0 && x == 1 && kith_process_join(p, KITH_FOREVER) == 0);
    REQUIRE(kith_pool_close(pool) == 0 && kith_queue_close(q) == 0);
}

static void begin(void)
{
    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_on_fault(NULL);
}

/* ---- descriptors */

static unsigned closed;                 /* bits 0 to 2 */

static void work_without_descriptors(void)
{
    char target[64];

    for (int fd = 0; fd < 3; fd++)
        if (closed >> fd & 1)
            close(fd);
    begin();
    for (int fd = 0; fd < 3; fd++) {
        char path[32];
        ssize_t n;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof target - 1);
        REQUIRE(n > 0);
        target[n] = '\0';
        REQUIRE(!(closed >> fd & 1) || strcmp(target, "/dev/null") == 0);
    }
    work(talkative);
    REQUIRE(kith_finalize() == 0);
}

static void work_quietly(void)
{
    int null = open("/dev/null", O_RDWR);

    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    close(null);
    work_without_descriptors();
}

static void closed_standard_descriptors_stay_free_of_ours(void)
{
    for (closed = 0; closed < 8; closed++)
        CU_ASSERT_EQUAL(check_fork(work_quietly), 0);
}

static void work_with_few_descriptors(void)
{
    struct rlimit few = { 24, 24 };

    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    begin();
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void twenty_four_descriptors_are_enough(void)
{
    CU_ASSERT_EQUAL(check_fork(work_with_few_descriptors), 0);
}

static void begin_without_descriptors(void)
{
    struct rlimit none = { 3, 3 };

    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    kith_on_fault(NULL);
    REQUIRE(kith_init(NULL, NULL) == KITH_ENOMEM && strlen(kith_last_error()) > 20);
}

static void too_few_descriptors_are_a_sentence(void)
{
    CU_ASSERT_EQUAL(check_fork(begin_without_descriptors), 0);
}

/* Descriptors that a process has open. */
static int open_descriptors(pid_t pid)
{
    char path[64];
    int n = 0;
    DIR *directory;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    REQUIRE((directory = opendir(path)) != NULL);
    while (readdir(directory))
        n++;
    closedir(directory);
    return n;
}

static int die_when_odd(int x)
{
    return x % 2 ? raise(SIGKILL) : x;
}

static void work_and_count_descriptors(void)
{
    int before = open_descriptors(getpid()), head = 0, server = 0, in[4] = { 1, 2, 3, 4 }, out[4];

    begin();
    for (int i = 0; i < 5; i++) {
        kith_pool pool = kith_pool_open_with(2, .tries = 1);

        work(successor);
        REQUIRE(kith_map(pool, die_when_odd, in, out, 4) == KITH_ETASK && kith_pool_close(pool) == 0);
        if (i == 0) {
            head = open_descriptors(getpid());
            server = open_descriptors(kith__shared->server_pid);
        }
    }
    REQUIRE(open_descriptors(getpid()) == head && open_descriptors(kith__shared->server_pid) == server);
    REQUIRE(kith_finalize() == 0 && open_descriptors(getpid()) == before);
}

static void no_descriptor_is_left(void)
{
    CU_ASSERT_EQUAL(check_fork(work_and_count_descriptors), 0);
}

/* ---- signals */

static void work_without_children(void)
{
    signal(SIGCHLD, SIG_IGN);
    begin();
    work(successor);
    REQUIRE(system("exit 3") != 3 << 8);        /* the program's own choice */
    signal(SIGCHLD, SIG_DFL);
    REQUIRE(system("exit 3") == 3 << 8);
    REQUIRE(kith_finalize() == 0);
}

static void ignored_sigchld_does_no_harm(void)
{
    CU_ASSERT_EQUAL(check_fork(work_without_children), 0);
}

static volatile sig_atomic_t interrupts;

static void count_interrupt(int sig)
{
    (void)sig;
    interrupts++;
}

static int own_pid(int x)
{
    (void)x;
    return (int)getpid();
}

/* Ctrl-C reaches all processes of the terminal's group, and here the head lives on. */
static void live_through_interrupts(void)
{
    kith_pool pool;
    int before = 0, after = 0, zero = 0;

    REQUIRE(setpgid(0, 0) == 0);
    begin();
    signal(SIGINT, count_interrupt);
    signal(SIGQUIT, count_interrupt);
    pool = kith_pool_open(1);
    REQUIRE(kith_apply(pool, own_pid, &before, zero) == 0);
    REQUIRE(kill(0, SIGINT) == 0 && kill(0, SIGQUIT) == 0);
    REQUIRE(kith_apply(pool, own_pid, &after, zero) == 0 && after == before && interrupts == 2);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void signals_of_the_terminal_are_the_heads(void)
{
    CU_ASSERT_EQUAL(check_fork(live_through_interrupts), 0);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int sig)
{
    (void)sig;
    alarms++;
}

static int ignore_sigterm(const void *queue)
{
    int pid = (int)getpid();

    signal(SIGTERM, SIG_IGN);
    kith_put(*(const kith_queue *)queue, pid);
    while (pause() < 0)
        ;
    return 0;
}

static void work_under_alarms(void)
{
    const struct sigaction action = { .sa_handler = count_alarm };      /* no SA_RESTART */
    const struct itimerval each_ms = { { 0, 1000 }, { 0, 1000 } };
    kith_queue q;
    int x, pid = 0;

    begin();
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &each_ms, NULL);
    for (int i = 0; i < 10; i++)
        work(successor);
    q = kith_queue_open(0);
    for (double end = kith_time() + 0.2; kith_time() < end;)
        REQUIRE(kith_queue_get(q, &x, sizeof x, 10) == KITH_ETIMEDOUT);
    kith_process_start_with(ignore_sigterm, KITH_ARG(q), .daemon = 1);
    REQUIRE(kith_get(q, &pid) == 0);
    REQUIRE(kith_finalize() == 0 && alarms > 100);
    REQUIRE(kill(pid, 0) < 0);          /* whom it ends has gone when it returns */
}

static void a_signal_each_millisecond_interrupts_nothing(void)
{
    CU_ASSERT_EQUAL(check_fork(work_under_alarms), 0);
}

/* ---- the program's own children */

static void use_as_a_stranger(kith_queue q, kith_pool pool)
{
    int x = 1, y;

    REQUIRE(kith_check(kith_pool_open(1)) == KITH_ENOTINIT && kith_check(kith_process_start(give_7, NULL, 0)) == KITH_ENOTINIT);
    REQUIRE(kith_get(q, &x) == KITH_ENOTINIT && strstr(kith_last_error(), "kith_process_start"));
    REQUIRE(kith_map(pool, successor, &x, &y, 1) == KITH_ENOTINIT);
    exit(9);                            /* runs no kith_finalize */
}

static void work_with_own_children(void)
{
    kith_queue q;
    kith_pool pool;
    pid_t pid;

    begin();
    q = kith_queue_open(0);
    pool = kith_pool_open(2);
    for (int i = 0; i < 20; i++) {
        fflush(NULL);
        if ((pid = fork()) == 0)
            use_as_a_stranger(q, pool);
        REQUIRE(map_is_right(pool, successor, 64));
        REQUIRE(check_wait(pid) == 9);
    }
    REQUIRE(system("exit 4") == 4 << 8);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void children_that_the_program_forks_are_strangers(void)
{
    CU_ASSERT_EQUAL(check_fork(work_with_own_children), 0);
}

/* ---- no more processes */

/* Each time another one, as those of an earlier job may not be reaped yet. */
static void become_nobody(unsigned which, unsigned processes)
{
    struct rlimit limit = { processes, processes };
    uid_t id = nobody + which;

    REQUIRE(setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0);
    REQUIRE(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

static void work_with_one_worker(void)
{
    kith_process p;
    kith_pool pool;
    int code;

    become_nobody(0, 4);                /* head, reaper, fork server, one more */
    begin();
    pool = kith_pool_open(4);
    REQUIRE(map_is_right(pool, successor, 64));
    p = kith_process_start(give_7, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == KITH_ENOMEM && strstr(kith_last_error(), "ulimit -u"));
    REQUIRE(kith_process_exitcode(p, &code) == 0 && code == 127 && kith_process_alive(p) == 0);
    REQUIRE(map_is_right(pool, successor, 64));
    REQUIRE(kith_pool_close(pool) == 0);
    p = kith_process_start(give_7, NULL, 0);    /* in the worker's place */
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
    REQUIRE(kith_finalize() == 0);
}

static int prepare(const void *arg)
{
    (void)arg;
    return 0;
}

/* Who opens a pool with an initializer waits until it has run in each worker: in each that there is. */
static void open_prepared_with_one_worker(void)
{
    kith_pool pool;

    become_nobody(3, 4);
    begin();
    pool = kith_pool_open_with(4, .init = prepare);
    REQUIRE(kith_check(pool) == 0 && map_is_right(pool, successor, 64));
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void a_pool_goes_on_with_the_workers_that_it_gets(void)
{
    if (geteuid() != 0 || HAS_OTHER_THREADS)
        SKIP("the limit of processes is for one user alone, without a sanitizer's threads");
    CU_ASSERT_EQUAL(check_fork(work_with_one_worker), 0);
    CU_ASSERT_EQUAL(check_fork(open_prepared_with_one_worker), 0);
}

static void work_without_workers(void)
{
    kith_pool pool;
    int in = 1, out;
    pid_t pid;

    become_nobody(1, 4);
    begin();
    if ((pid = fork()) == 0)
        for (;;)
            pause();
    REQUIRE(pid > 0);
    pool = kith_pool_open(4);
    REQUIRE(kith_map(pool, successor, &in, &out, 1) == KITH_ENOMEM && strstr(kith_last_error(), "ulimit -u"));
    REQUIRE(kith_map(pool, successor, &in, &out, 1) == KITH_ENOMEM);
    REQUIRE(kith_pool_close(pool) == 0);
    kill(pid, SIGKILL);
    REQUIRE(check_wait(pid) == -SIGKILL);
    pool = kith_pool_open(1);
    REQUIRE(map_is_right(pool, successor, 64) && kith_pool_terminate(pool) == 0);
    REQUIRE(kith_finalize() == 0);
}

static void a_pool_without_any_worker_is_a_sentence(void)
{
    if (geteuid() != 0 || HAS_OTHER_THREADS)
        SKIP("the limit of processes is for one user alone, without a sanitizer's threads");
    CU_ASSERT_EQUAL(check_fork(work_without_workers), 0);
}

/* ---- no more memory */

struct big { char bytes[1 << 20]; };

static int copy_big(const void *in, void *out)
{
    memcpy(out, in, sizeof (struct big));
    return 0;
}

static double length(uint64_t lo, uint64_t hi, const void *arg)
{
    (void)arg;
    return (double)(hi - lo);
}

static int odd_fails(int x)
{
    return x % 2 ? kith_fail(7, "%d is odd", x) : x;
}

static int use_up_memory(void *blocks[], int room)
{
    int n = 0;

    for (size_t size = 8 << 20; size >= 64; size /= 2)
        while (n < room && (blocks[n] = kith_alloc(size)))
            n++;
    return n;
}

static void work_without_memory(void)
{
    static struct big in[8], out[8];
    static char context[100000];
    static void *blocks[4096];
    int x[64], y[64], n;
    struct kith_fault fault;
    kith_queue q;
    kith_pool pool;
    double sum = 0;

    setenv("KITH_MEM", "64M", 1);
    begin();
    pool = kith_pool_open(2);
    q = kith_queue_open(0);
    memset(in, 3, sizeof in);
    for (int i = 0; i < 64; i++)
        x[i] = i;
    REQUIRE(map_is_right(pool, successor, 64) && kith_queue_put(q, in, 100, 0) == 0);
    n = use_up_memory(blocks, 4096);
    REQUIRE(n > 0 && n < 4096);
    REQUIRE(kith_pool_map(pool, copy_big, in, out, 8) == KITH_ENOMEM);
    REQUIRE(kith_sum(pool, length, context, sizeof context, 1000000, &sum) == KITH_ENOMEM);
    REQUIRE(kith_queue_put(q, in, sizeof in, KITH_FOREVER) == KITH_ENOMEM && kith_queue_size(q) == 1);
    REQUIRE(kith_check(kith_process_start(give_7, context, sizeof context)) == KITH_ENOMEM);
    REQUIRE(kith_check(kith_pool_open(64)) == KITH_ENOMEM && strstr(kith_last_error(), "KITH_MEM"));
    for (int i = 0; i < 64; i++)
        y[i] = -1;
    for (int i = 0; kith_map(pool, odd_fails, x, y, 64) != KITH_ETASK || !strstr(kith_last_error(), "32"); i++) {
        REQUIRE(i < 1000);
        usleep(1000);
    }
    for (int i = 0; i < 64; i++)        /* also the output of those whose fault could not be told is as it was */
        REQUIRE(y[i] == (i % 2 ? -1 : i));
    /* A call takes another place in the pool while a worker still looks at the last one's, and there it needs memory. */
    for (int i = 0; !map_is_right(pool, successor, 64); i++) {
        REQUIRE(i < 1000);
        usleep(1000);
    }
    while (n > 0)
        kith_free(blocks[--n]);
    REQUIRE(kith_pool_map(pool, copy_big, in, out, 8) == 0 && memcmp(in, out, sizeof in) == 0);
    REQUIRE(kith_sum(pool, length, context, sizeof context, 1000000, &sum) == 0 && sum == 1e6);
    REQUIRE(kith_queue_put(q, in, sizeof in, KITH_FOREVER) == 0 && kith_queue_size(q) == 2);
    REQUIRE(kith_map(pool, odd_fails, x, y, 64) == KITH_ETASK && kith_last_fault(&fault, 31) == 0);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

struct block { char bytes[8 << 20]; };

static int copy_block(const void *in, void *out)
{
    memcpy(out, in, sizeof (struct block));
    return 0;
}

/* Eight workers would like nine elements of 16 MiB at once. */
static void map_through_a_narrow_ring(void)
{
    enum { BLOCKS = 10 };
    struct block *in = malloc(BLOCKS * sizeof *in), *out = malloc(BLOCKS * sizeof *out);
    kith_pool pool;

    REQUIRE(in && out);
    for (int i = 0; i < BLOCKS; i++)
        memset(in + i, i + 1, sizeof *in);
    setenv("KITH_MEM", "40M", 1);
    begin();
    pool = kith_pool_open(8);
    REQUIRE(kith_pool_map(pool, copy_block, in, out, BLOCKS) == 0 && memcmp(in, out, BLOCKS * sizeof *in) == 0);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void memory_that_was_used_up_serves_again(void)
{
    CU_ASSERT_EQUAL(check_fork(work_without_memory), 0);
    CU_ASSERT_EQUAL(check_fork(map_through_a_narrow_ring), 0);
}

/* ---- threads */

static kith_pool common;
static _Atomic int wrong;

static int slow(int x)
{
    for (volatile int i = 0; i < 20000; i++)
        ;
    return x + 1;
}

static void *map_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++)
        wrong += !map_is_right(common, successor, i % 64 + 1);
    return NULL;
}

static void *map_until_it_ends(void *arg)
{
    int in[64] = { 0 }, out[64], rc;

    (void)arg;
    while ((rc = kith_map(common, slow, in, out, 64)) == 0)
        ;
    wrong += rc != KITH_ECANCELLED && rc != KITH_ESTALE;
    return NULL;
}

static void with_threads(int n, void *(*fn)(void *), int (*meanwhile)(kith_pool))
{
    pthread_t threads[16];

    for (int i = 0; i < n; i++)
        REQUIRE(pthread_create(&threads[i], NULL, fn, NULL) == 0);
    if (meanwhile) {
        usleep(3000);
        REQUIRE(meanwhile(common) == 0);
    }
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    REQUIRE(wrong == 0);
}

static void work_with_threads(void)
{
    begin();
    common = kith_pool_open(2);
    with_threads(16, map_often, NULL);
    REQUIRE(kith_pool_close(common) == 0);
    for (int i = 0; i < 20; i++) {
        common = kith_pool_open(2);
        with_threads(4, map_until_it_ends, i % 2 ? kith_pool_terminate : kith_pool_close);
    }
    REQUIRE(kith_finalize() == 0);
}

static void threads_share_a_pool_also_while_it_ends(void)
{
    CU_ASSERT_EQUAL(check_fork(work_with_threads), 0);
}

/* Serial mode: each thread, and each Process, works for itself in any open pool. */
static int map_in_common(const void *pool)
{
    return !map_is_right(*(const kith_pool *)pool, successor, 64);
}

static void work_alone(void)
{
    kith_process p;
    kith_pool other;
    int code = -1;

    setenv("KITH_SERIAL", "1", 1);
    alarm(60);
    begin();
    common = kith_pool_open_with(2, .tasks_per_worker = 3);
    other = kith_pool_open(2);
    REQUIRE(map_is_right(common, successor, 64) && map_is_right(other, successor, 64));
    p = kith_process_start(map_in_common, KITH_ARG(common));
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 0);
    with_threads(16, map_often, NULL);
    REQUIRE(kith_pool_close(common) == 0 && kith_pool_close(other) == 0);
    REQUIRE(kith_finalize() == 0);
}

static void serial_pools_serve_threads_and_processes(void)
{
    CU_ASSERT_EQUAL(check_fork(work_alone), 0);
}

static void *leave_from_here(void *arg)
{
    (void)arg;
    exit(5);
}

static void leave_by_another_thread(void)
{
    pthread_t thread;

    begin();
    common = kith_pool_open(2);
    REQUIRE(pthread_create(&thread, NULL, leave_from_here, NULL) == 0);
    for (;;)
        map_is_right(common, slow, 64);
}

static void exit_in_another_thread_ends_the_job(void)
{
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(check_fork(leave_by_another_thread), 5);
}

/* ---- ends */

static void leave_all_open(void)
{
    int one = 1;

    begin();
    for (int i = 0; i < 3; i++) {
        kith_pool pool = kith_pool_open(2);
        kith_queue q = kith_queue_open(4);

        REQUIRE(map_is_right(pool, successor, 64) && kith_put(q, one) == 0);
        kith_process_start(give_7, NULL, 0);
    }
    REQUIRE(kith_finalize() == 0 && kith_finalize() == 0);
    REQUIRE(kith_check(kith_pool_open(1)) == KITH_ENOTINIT);
}

static void print_to_a_full_disk(void)
{
    REQUIRE(freopen("/dev/full", "w", stdout) != NULL);
    begin();
    printf("all my results\n");
    REQUIRE(kith_finalize() == 1 && strstr(kith_last_error(), "printed to stdout"));
}

static void print_to_a_full_disk_and_return(void)
{
    REQUIRE(freopen("/dev/full", "w", stdout) != NULL);
    REQUIRE(kith_init(NULL, NULL) == 0);
    printf("all my results\n");
    exit(kith_finalize());
}

static void print_nowhere(void)
{
    begin();
    printf("never mind");
    close(STDOUT_FILENO);
    REQUIRE(kith_finalize() == 0);
}

static void output_that_cannot_be_written_is_a_fault(void)
{
    CU_ASSERT_EQUAL(check_fork(print_to_a_full_disk), 0);
    CU_ASSERT_EQUAL(check_fork(print_to_a_full_disk_and_return), 1);
    CU_ASSERT_EQUAL(check_fork(print_nowhere), 0);
}

static void finalize_ends_what_is_open_and_may_come_twice(void)
{
    CU_ASSERT_EQUAL(check_fork(leave_all_open), 0);
}

static int task_for_ever(int x)
{
    for (;;)
        pause();
    return x;
}

static int map_for_ever(const void *arg)
{
    int x = 1, y;

    return kith_map(*(const kith_pool *)arg, task_for_ever, &x, &y, 1) != KITH_EPEER;
}

static _Atomic int *ended;

static int end_late(const void *arg)
{
    (void)arg;
    usleep(200000);
    return ++*ended > 2;
}

static void leave_processes(int by_exit)
{
    begin();
    for (int i = 0; i < 2; i++)
        REQUIRE(kith_check(kith_process_start(end_late, NULL, 0)) == 0);
    if (by_exit)
        exit(0);
    REQUIRE(kith_finalize() == 0 && *ended == 2);
}

static void leave_processes_and_finalize(void) { leave_processes(0); }
static void leave_processes_and_exit(void) { leave_processes(1); }

static void the_end_waits_for_processes_that_are_no_daemons(void)
{
    static void (*const ways[])(void) = { leave_processes_and_finalize, leave_processes_and_exit };

    ended = mmap(NULL, sizeof *ended, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_FATAL(ended != MAP_FAILED);
    for (int i = 0; i < 2; i++) {
        *ended = 0;
        CU_ASSERT_EQUAL(check_fork(ways[i]), 0);
        CU_ASSERT_EQUAL(*ended, 2);
    }
    munmap((void *)ended, sizeof *ended);
}

/* A janitor waits for the task of the dead caller, which does not end. */
static void leave_a_dead_callers_task(void)
{
    kith_pool pool;
    kith_process caller;
    double start;

    begin();
    pool = kith_pool_open(1);
    caller = kith_process_start(map_for_ever, &pool, sizeof pool);
    while (kith__node_busy() < 2)
        sched_yield();
    REQUIRE(kith_process_kill(caller) == 0 && kith_process_join(caller, KITH_FOREVER) == 0);
    start = kith_time();
    REQUIRE(kith_finalize() == 0);
    REQUIRE(kith_time() - start < 8);   /* not the 10 s after which it would leave the fork server behind */
}

static void finalize_does_not_wait_for_a_dead_callers_task(void)
{
    CU_ASSERT_EQUAL(check_fork(leave_a_dead_callers_task), 0);
}

/* ---- wrong use */

static int sleep_long(int x)
{
    sleep(20);
    return x;
}

static void start_with_wrong_variables(void)
{
    static const char *const bad[][2] = { { "KITH_LOG", "loud" }, { "KITH_SERIAL", "yes" }, { "KITH_DEBUG", "on" },
                                            { "KITH_WORKERS", "many" } };
    kith_pool pool;

    kith_on_fault(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv(bad[i][0], bad[i][1], 1);
        REQUIRE(kith_init(NULL, NULL) == KITH_EINVAL);
        REQUIRE(strstr(kith_last_error(), bad[i][0]) && strstr(kith_last_error(), bad[i][1]));
        unsetenv(bad[i][0]);
    }
    setenv("KITH_DEBUG", "0", 1);       /* limits are kept */
    begin();
    pool = kith_pool_open_with(1, .limit_ms = 50);
    REQUIRE(kith_map(pool, sleep_long, (int[]){ 1 }, (int[]){ 0 }, 1) == KITH_ETASK && strstr(kith_last_error(), "limit"));
    REQUIRE(kith_finalize() == 0);
}

static int init_again(int x)
{
    return kith_init(NULL, NULL) == KITH_EINVAL && strstr(kith_last_error(), "task") && kith_finalize() == 1 ? x + 1 : 0;
}

static void start_in_a_task(void)
{
    int x, y = 0;
    kith_pool pool;

    begin();
    pool = kith_pool_open(1);
    REQUIRE(kith_apply(pool, init_again, &y, 1) == 0 && y == 2);
    REQUIRE(kith_apply(pool, init_again, &y, 2) == 0 && y == 3);
    REQUIRE(kith_apply(pool, successor, (int *)NULL, 2) == KITH_EINVAL && strstr(kith_last_error(), "kith_apply(successor)"));
    x = kith_finalize();
    REQUIRE(x == 0);
}

static void open_too_many(void)
{
    setenv("KITH_WORKERS", "100000", 1);
    begin();
    REQUIRE(kith_check(kith_pool_open(0)) == KITH_EINVAL && strstr(kith_last_error(), "KITH_WORKERS"));
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static char told[600];
static int told_code, times_told;

static void keep_fault(int code, const char *sentence)
{
    snprintf(told, sizeof told, "%s", sentence);
    told_code = code;
    times_told++;
}

static int use_no_queue(const void *arg)
{
    return kith_queue_size(*(const kith_queue *)arg) == KITH_ESTALE ? 3 : 0;
}

static void use_a_handler(void)
{
    kith_queue none = { 0 }, q;
    kith_process p;
    int x, code;

    REQUIRE(kith_init(NULL, NULL) == 0);
    kith_on_fault(keep_fault);
    q = kith_queue_open(0);
    REQUIRE(kith_queue_get(q, &x, sizeof x, 0) == KITH_ETIMEDOUT && times_told == 0);   /* a condition */
    p = kith_process_start(use_no_queue, KITH_ARG(none));
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 3 && times_told == 0);
    REQUIRE(kith_queue_size(none) == KITH_ESTALE && times_told == 1 && told_code == KITH_ESTALE);
    REQUIRE(strstr(told, "zero") && strcmp(told, kith_last_error()) == 0);
    kith_on_fault(NULL);
    REQUIRE(kith_queue_size(none) == KITH_ESTALE && times_told == 1);
    REQUIRE(kith_finalize() == 1);
}

static void a_handler_gets_code_and_sentence_of_faults_in_the_head(void)
{
    CU_ASSERT_EQUAL(check_fork(use_a_handler), 0);
}

static int crash_here(const void *arg)
{
    (void)arg;
    raise(SIGSEGV);
    return 0;
}

/* What is on stderr when a Process has crashed, in told. */
static void run_a_crash(int before, void (*handler)(int code, const char *sentence))
{
    FILE *said = tmpfile();
    kith_process p;
    int code;

    REQUIRE(said && dup2(fileno(said), STDERR_FILENO) == STDERR_FILENO);
    if (before)
        kith_on_fault(handler);
    REQUIRE(kith_init(NULL, NULL) == 0);
    if (!before && handler)
        kith_on_fault(handler);
    p = kith_process_start(crash_here, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == -SIGSEGV);
    REQUIRE(kith_finalize() == 0);
    rewind(said);
    told[fread(told, 1, sizeof told - 1, said)] = '\0';
}

static void crash_without_a_handler(void)
{
    run_a_crash(0, NULL);
    REQUIRE(strncmp(told, "kith: crash_here-1 crashed: SIGSEGV", 35) == 0 && strchr(told, '\n') == told + strlen(told) - 1);
}

static void crash_with_a_handler(void)
{
    run_a_crash(0, keep_fault);
    REQUIRE(told[0] == '\0');
}

static void crash_where_codes_are_wanted(void)
{
    run_a_crash(1, NULL);
    REQUIRE(told[0] == '\0');
}

static void a_process_that_crashed_is_told_of_unless_there_is_a_handler(void)
{
    if (SANITIZED)
        SKIP("crashes are the sanitizer's");
    CU_ASSERT_EQUAL(check_fork(crash_without_a_handler), 0);
    CU_ASSERT_EQUAL(check_fork(crash_with_a_handler), 0);
    CU_ASSERT_EQUAL(check_fork(crash_where_codes_are_wanted), 0);
}

static void wrong_use_is_a_sentence(void)
{
    CU_ASSERT_EQUAL(check_fork(start_with_wrong_variables), 0);
    CU_ASSERT_EQUAL(check_fork(start_in_a_task), 0);
    CU_ASSERT_EQUAL(check_fork(open_too_many), 0);
}

static struct test tests[] = {
    TEST(closed_standard_descriptors_stay_free_of_ours),
    TEST(twenty_four_descriptors_are_enough),
    TEST(too_few_descriptors_are_a_sentence),
    TEST(no_descriptor_is_left),
    TEST(ignored_sigchld_does_no_harm),
    TEST(signals_of_the_terminal_are_the_heads),
    TEST(a_signal_each_millisecond_interrupts_nothing),
    TEST(children_that_the_program_forks_are_strangers),
    TEST(a_pool_goes_on_with_the_workers_that_it_gets),
    TEST(a_pool_without_any_worker_is_a_sentence),
    TEST(memory_that_was_used_up_serves_again),
    TEST(threads_share_a_pool_also_while_it_ends),
    TEST(serial_pools_serve_threads_and_processes),
    TEST(exit_in_another_thread_ends_the_job),
    TEST(output_that_cannot_be_written_is_a_fault),
    TEST(finalize_ends_what_is_open_and_may_come_twice),
    TEST(the_end_waits_for_processes_that_are_no_daemons),
    TEST(finalize_does_not_wait_for_a_dead_callers_task),
    TEST(a_handler_gets_code_and_sentence_of_faults_in_the_head),
    TEST(a_process_that_crashed_is_told_of_unless_there_is_a_handler),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(void)
{
    nobody = 60000 + (uid_t)(kith__now_ns() / 1000 % 1200) * 4;
    return run_tests("init", tests);
}
