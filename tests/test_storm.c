/* test_storm.c: kills at random moments under a seed (KITH_TEST_SEED, printed), each result counted; and what
 * is left afterwards.
 *
 * The test itself has no workers: each storm runs a job in a child. The test is a subreaper, so whatever a
 * job leaves behind becomes its child, and would be seen. */
#include "config.h"
#include "check.h"
#include "killer.h"
#include "member/members.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <time.h>

static struct shared {
    _Atomic int server, watchdog, ready, wrong, rounds;
    _Atomic int kills, code;
    char said[256]; /* the sentence of a call that went wrong */
} * shared;

static unsigned seed;
static int many; /* kills a storm */

static int slow_square(int x)
{
    for (volatile int i = 0; i < 200; i++)
        ;
    return x * x;
}

static int hold(int x)
{
    shared->ready++;
    while (kith_time() > 0)
        pause();
    return x;
}

/* Runs job in a child that becomes the head of a job; its pid. */
static pid_t launch(void (*job)(void))
{
    pid_t pid;

    shared->server = shared->ready = shared->wrong = shared->rounds = shared->kills = 0;
    fflush(NULL);
    if ((pid = fork()) == 0) {
        alarm(check_rest());
        setpgid(0, 0);
        kith_init(NULL, NULL);
        shared->watchdog = kith__shared->watchdog_pid;
        shared->server = kith__shared->server_pid;
        job();
        exit(kith_finalize());
    }
    while (shared->server == 0)
        nap_us(200);
    return pid;
}

static void maps_for_ever(void)
{
    enum { N = 3000 };
    static int in[N], out[N];
    kith_pool pool = kith_pool_open_with(4, .tries = 1000000);
    int *kin = kith_alloc(sizeof in), *kout = kith_alloc(sizeof out);

    kith_on_fault(NULL);
    for (int i = 0; i < N; i++)
        in[i] = kin[i] = i;
    for (shared->ready = 1; shared->ready; shared->rounds++) {
        int copied = shared->rounds % 2, *result = copied ? out : kout, rc;

        memset(result, 0xff, sizeof out);
        rc = kith_map(pool, slow_square, copied ? in : kin, result, N);
        if (rc == KITH_EPEER) {
            shared->code = rc;
            exit(77);
        }
        shared->wrong += rc != 0;
        for (int i = 0; i < N; i++)
            shared->wrong += result[i] != i * i;
    }
    shared->wrong += kith_pool_close(pool) != 0;
}

static int square_or_fail(int x)
{
    return x < 1000 ? slow_square(x) : kith_fail(1, "%d", x);
}

/* Each ends in the middle, and what there is of it is right. */
static void halted_maps_for_ever(void)
{
    enum { N = 3000 };
    static int in[N], out[N];
    kith_pool pool = kith_pool_open_with(4, .tries = 1000000, .halt = 5);
    int *kout = kith_alloc(sizeof out);

    kith_on_fault(NULL);
    for (int i = 0; i < N; i++)
        in[i] = i;
    for (shared->ready = 1; shared->ready; shared->rounds++) {
        int *result = shared->rounds % 2 ? out : kout;

        memset(result, 0xff, sizeof out);
        shared->wrong += kith_map(pool, square_or_fail, in, result, N) != KITH_ETASK;
        for (int i = 0; i < N; i++)
            shared->wrong += result[i] != -1 && (i >= 1000 || result[i] != i * i);
    }
    shared->wrong += kith_pool_close(pool) != 0;
}

enum { NESTS = 4, CALLS = 3, DEPTH = 2 };

struct nest {
    kith_pool pool;
    long number;
    int depth;
};

/* Its own number, and what its calls give. */
static int add_nested(const void *in, void *out)
{
    const struct nest *a = in;
    struct nest b[CALLS];
    long part[CALLS], sum = a->number;

    for (int i = 0; i < CALLS; i++)
        b[i] = (struct nest){ a->pool, a->number * CALLS + i, a->depth - 1 };
    if (a->depth > 0 && kith_map(a->pool, add_nested, b, part, CALLS) < 0)
        return kith_fail(1, "%.200s", kith_last_error());
    for (int i = 0; i < CALLS && a->depth > 0; i++)
        sum += part[i];
    *(long *)out = sum;
    return 0;
}

static long nested_sum(long number, int depth)
{
    long sum = number;

    for (int i = 0; i < CALLS && depth > 0; i++)
        sum += nested_sum(number * CALLS + i, depth - 1);
    return sum;
}

static int nested_workers;

/* The pool is closed when the killing is over: it ends only when every call of the dead has been withdrawn.
 */
static void nested_maps_for_ever(void)
{
    kith_pool pool = kith_pool_open_with(nested_workers, .tries = 1000000);
    struct nest in[NESTS];
    long out[NESTS];

    kith_on_fault(NULL);
    for (shared->ready = 1; shared->ready; shared->rounds++) {
        for (int i = 0; i < NESTS; i++)
            in[i] = (struct nest){ pool, shared->rounds + i, DEPTH };
        shared->wrong += kith_map(pool, add_nested, in, out, NESTS) != 0;
        for (int i = 0; i < NESTS; i++)
            shared->wrong += out[i] != nested_sum(shared->rounds + i, DEPTH);
    }
    shared->wrong += kith_pool_close(pool) != 0;
}

static int put_batch(const void *arg)
{
    kith_queue q = *(const kith_queue *)arg;
    char item[3000];

    for (int i = 0; i < 50; i++) {
        memset(item, i, sizeof item);
        if (kith_queue_put(q, item, i * 60 + 1, KITH_FOREVER) < 0)
            return 1;
    }
    return 0;
}

/* Processes put and are killed; here every item is whole, and each round goes on. */
static void queues_for_ever(void)
{
    kith_queue q = kith_queue_open(20);
    char item[3000];

    kith_on_fault(NULL);
    for (shared->ready = 1; shared->ready; shared->rounds++) {
        kith_process p[3];

        for (int i = 0; i < 3; i++)
            p[i] = kith_process_start(put_batch, KITH_ARG(q));
        for (int alive = 1; alive;) {
            int64_t n;

            alive = 0;
            for (int i = 0; i < 3; i++)
                alive += kith_process_alive(p[i]) == 1;
            while ((n = kith_queue_get(q, item, sizeof item, 5)) > 0)
                for (int64_t i = 0; i < n; i++)
                    shared->wrong += item[i] != (char)((n - 1) / 60);
            shared->wrong += n != KITH_ETIMEDOUT;
        }
        for (int i = 0, code; i < 3; i++)
            shared->wrong += kith_process_join(p[i], SOON) != 0 || kith_process_exitcode(p[i], &code) != 0 ||
                             kith_process_close(p[i]) != 0;
    }
    shared->wrong += kith_queue_close(q) != 0;
}

/* Workers, Processes and janitors. */
static void kill_children_of_the_server(void (*job)(void), int with_crashes)
{
    pid_t head = launch(job), list[64];

    while (!shared->ready)
        nap_us(200);
    while (shared->kills < many) {
        int n = children_of(shared->server, list, 64);

        nap_us(rand_r(&seed) % 3000);
        if (n > 0 && kill(list[rand_r(&seed) % (unsigned)n],
                          with_crashes && rand_r(&seed) % 3 == 0 ? SIGSEGV : SIGKILL) == 0)
            shared->kills++;
    }
    shared->ready = 0;
    CU_ASSERT_EQUAL(check_wait(head), 0);
    CU_ASSERT_EQUAL(shared->wrong, 0);
    CU_ASSERT(shared->rounds > 0);
    CU_ASSERT(all_gone(SOON));
    printf("(%d kills, %d rounds) ", shared->kills, shared->rounds);
}

static void workers_are_killed_at_any_moment(void)
{
    kill_children_of_the_server(maps_for_ever, 0);
}
static void workers_are_killed_while_calls_fail(void)
{
    kill_children_of_the_server(halted_maps_for_ever, 0);
}
static void putters_are_killed_at_any_moment(void)
{
    kill_children_of_the_server(queues_for_ever, 0);
}

static void nested_calls_are_killed_at_any_moment(void)
{
    static const int workers[] = { 2, 4, 12 };

    for (int i = 0; i < 3; i++) {
        nested_workers = workers[i];
        kill_children_of_the_server(nested_maps_for_ever, !SANITIZED);
    }
}

static void nothing_is_left_when_the_head_is_killed(void)
{
    for (int i = 0; i < many / 5; i++) {
        pid_t head = launch(i % 2 ? maps_for_ever : queues_for_ever);

        nap_us(rand_r(&seed) % 20000);
        kill(head, SIGKILL);
        CU_ASSERT_EQUAL(check_wait(head), -SIGKILL);
        CU_ASSERT(all_gone(SOON));
    }
}

static void the_head_is_told_when_the_fork_server_is_killed(void)
{
    for (int i = 0; i < many / 10 && i < 30; i++) { /* half a second each */
        pid_t head = launch(maps_for_ever);
        double start;

        while (!shared->ready)
            nap_us(200);
        nap_us(rand_r(&seed) % 20000);
        kill(shared->server, SIGKILL);
        start = kith_time();
        CU_ASSERT_EQUAL(check_wait(head), 77);
        CU_ASSERT_EQUAL(shared->code, KITH_EPEER);
        CU_ASSERT(kith_time() - start < SOON / 1000); /* a second, when the machine has a CPU for it */
        CU_ASSERT(all_gone(SOON));
    }
}

static int wait_in_pool(const void *pool)
{
    int in = 0, out;

    return kith_map(*(const kith_pool *)pool, hold, &in, &out, 1) != 0;
}

static void end_pools_that_others_used(void)
{
    kith_pool closed = kith_pool_open(1), terminated = kith_pool_open(1);

    kith_on_fault(NULL);
    kith_process_start(wait_in_pool, KITH_ARG(closed));
    kith_process_start(wait_in_pool, KITH_ARG(terminated));
    while (!kith__server_dead())
        nap_us(1000);
    shared->wrong += kith_pool_close(closed) != KITH_EPEER;
    shared->wrong += kith_pool_terminate(terminated) != KITH_EPEER;
    exit(77);
}

/* Who was waiting in them died with it, and no janitor takes their calls back. */
static void pools_end_when_the_fork_server_was_killed(void)
{
    pid_t head = launch(end_pools_that_others_used);

    while (shared->ready < 2)
        nap_us(200);
    kill(shared->server, SIGKILL);
    CU_ASSERT_EQUAL(check_wait(head), 77);
    CU_ASSERT_EQUAL(shared->wrong, 0);
    CU_ASSERT(all_gone(SOON));
}

/* Children of a task of which it does not know any more, and which do not know of each other. */
static int leave_children(int x)
{
    x += system("sleep 1000 & setsid sh -c 'sleep 1000 & sleep 1000' >&- 2>&- & sh -c 'kill -STOP $$' &");
    shared->ready = 1;
    while (kith_time() > 0)
        pause();
    return x;
}

static void have_children(void)
{
    kith_pool pool = kith_pool_open(1);
    int in = 0, out;

    kith_on_fault(NULL);
    shared->code = kith_map(pool, leave_children, &in, &out, 1);
    exit(77);
}

static void children_of_tasks_end_when_the_fork_server_is_killed(void)
{
    for (int i = 0; i < 5; i++) {
        pid_t head = launch(have_children);

        while (!shared->ready)
            nap_us(200);
        nap_us(rand_r(&seed) % 20000);
        kill(shared->server, SIGKILL);
        CU_ASSERT_EQUAL(check_wait(head), 77);
        CU_ASSERT_EQUAL(shared->code, KITH_EPEER);
        CU_ASSERT(all_gone(SOON));
    }
}

static void killing_the_watchdog_harms_nobody(void)
{
    pid_t head = launch(maps_for_ever);
    int before;

    while (!shared->ready)
        nap_us(200);
    kill(shared->watchdog, SIGKILL);
    before = shared->rounds;
    for (double end = kith_time() + SOON / 1000; shared->rounds < before + 10 && kith_time() < end;)
        nap_us(200);
    CU_ASSERT(shared->rounds >= before + 10);
    shared->ready = 0;
    CU_ASSERT_EQUAL(check_wait(head), 0);
    CU_ASSERT_EQUAL(shared->wrong, 0);
    CU_ASSERT(all_gone(SOON));
}

static void leave_early(void)
{
    kith_pool pool = kith_pool_open(2);
    int in[2] = { 1, 2 }, out[2];

    kith_map(pool, slow_square, in, out, 2);
    exit(23); /* without close, without finalize */
}

static int wait_for_ever(const void *arg)
{
    (void)arg;
    while (kith_time() > 0)
        pause();
    return 0;
}

static void leave_a_daemon(void)
{
    kith_process_start_with(wait_for_ever, NULL, 0, .daemon = 1);
}

static void fault(void)
{
    kith_queue none = { 0 };

    close(STDERR_FILENO);
    kith_queue_size(none);
}

static void every_end_has_its_status_and_leaves_nothing(void)
{
    CU_ASSERT_EQUAL(check_wait(launch(leave_early)), 23);
    CU_ASSERT(all_gone(SOON));
    CU_ASSERT_EQUAL(check_wait(launch(leave_a_daemon)), 0);
    CU_ASSERT(all_gone(SOON));
    CU_ASSERT_EQUAL(check_wait(launch(fault)), 1);
    CU_ASSERT(all_gone(SOON));
    CU_ASSERT_EQUAL(check_wait(launch(abort)), -SIGABRT);
    CU_ASSERT(all_gone(SOON));
}

/* The limit is far above what a task takes, as one CPU of a virtual machine may stand still for most of a
 * second. */
enum { LIMIT_MS = 2000, STOP_MS = 2400 };

static int work_100_ms(int x)
{
    double until = kith_time() + 0.1;

    while (kith_time() < until)
        ;
    return x;
}

static int begin_well(const void *arg)
{
    (void)arg;
    return 0;
}

static void limited_maps(void)
{
    kith_pool pool = kith_pool_open_with(2, .limit_ms = LIMIT_MS, .init = begin_well); /* all are there */
    int in[8] = { 0 }, out[8];

    kith_on_fault(NULL);
    shared->ready = 1;
    if (kith_map(pool, work_100_ms, in, out, 8) != 0) {
        snprintf(shared->said, sizeof shared->said, "%.250s", kith_last_error());
        shared->wrong++;
    }
    kith_pool_close(pool);
}

static void stop_for_long(pid_t pid, int sig)
{
    kill(pid, sig);
    nap_us(STOP_MS * 1000);
    kill(pid, SIGCONT);
}

/* As gdb does it. */
static void trace_for_long(pid_t pid)
{
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
        return;
    nap_us(STOP_MS * 1000);
    waitpid(pid, NULL, __WALL);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

enum whom { HEAD, SERVER, REAPER, WORKER, WORKER_TRACED, ALL };

/* Stopped is not slow: who is stopped for longer than the limit, by a signal, the terminal's Ctrl-Z or a
 * debugger, is not ended. */
static void stopped_processes_are_not_over_their_limit(void)
{
    for (enum whom whom = HEAD; whom <= ALL; whom++) {
        pid_t head = launch(limited_maps), list[8];
        int n;

        while (!shared->ready)
            nap_us(200);
        nap_us(50000);
        n = children_of(shared->server, list, 8);
        if (whom == HEAD || whom == ALL)
            stop_for_long(whom == ALL ? -head : head, whom == ALL ? SIGTSTP : SIGSTOP);
        else if (whom == SERVER)
            stop_for_long(shared->server, SIGSTOP);
        else if (whom == REAPER)
            stop_for_long(shared->watchdog, SIGSTOP);
        else if (n > 0 && whom == WORKER)
            stop_for_long(list[0], SIGSTOP);
        else if (n > 0)
            trace_for_long(list[0]);
        CU_ASSERT_EQUAL(check_wait(head), 0);
        CU_ASSERT_EQUAL(shared->wrong, 0);
        if (shared->wrong)
            printf("\n    number %d of those who are stopped: %s\n", (int)whom, shared->said);
        CU_ASSERT(all_gone(SOON));
    }
}

static struct test tests[] = {
    TEST(workers_are_killed_at_any_moment),
    TEST(workers_are_killed_while_calls_fail),
    TEST(putters_are_killed_at_any_moment),
    TEST(nested_calls_are_killed_at_any_moment),
    TEST_LIKE(nothing_is_left_when_the_head_is_killed,
              "_TestSharedMemory.test_shared_memory_cleaned_after_process_termination "
              "TestResourceTracker.test_resource_tracker TestSemaphoreTracker.test_semaphore_tracker"),
    TEST_LIKE(the_head_is_told_when_the_fork_server_is_killed, "_TestProcess.test_forkserver_sigkill"),
    TEST(pools_end_when_the_fork_server_was_killed),
    TEST(children_of_tasks_end_when_the_fork_server_is_killed),
    TEST_LIKE(killing_the_watchdog_harms_nobody, "TestResourceTracker.test_resource_tracker_sigkill "
                                                 "TestSemaphoreTracker.test_semaphore_tracker_sigkill"),
    TEST(every_end_has_its_status_and_leaves_nothing),
    TEST(stopped_processes_are_not_over_their_limit),
    TEST_END,
};

int main(void)
{
    seed = check_seed();
    printf("\n");
    many = getenv("KITH_TEST_LONG") ? 400 : 150;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return run_tests("storm", tests);
}
