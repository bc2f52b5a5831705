/* test_orphans.c: what tasks and Processes start and leave in the background ends with those that die, and
 * only with them.
 *
 * A helper has no parent that it knows of: it answers to each byte until it is ended. */
#include "config.h"
#include "check.h"
#include "anyjob.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

static struct {
    _Atomic int helpers[2], ready, go, answered, tries;
} * shared;

struct helper {
    int in, out;
};

static void answer(int in, int out)
{
    char byte;

    while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1)
        ;
    for (;;)
        pause();
}

/* Two of them: one is left by the other when that one ends, in a session of its own. */
static struct helper leave_helpers(void)
{
    int to[2], from[2];
    pid_t pid;

    REQUIRE(pipe(to) == 0 && pipe(from) == 0);
    if ((pid = fork()) == 0) {
        if (fork() != 0)
            _exit(0);
        shared->helpers[0] = getpid();
        if (fork() == 0) {
            setsid();
            shared->helpers[1] = getpid();
            for (;;)
                pause();
        }
        answer(to[0], from[1]);
    }
    REQUIRE(waitpid(pid, NULL, 0) == pid);
    close(to[0]);
    close(from[1]);
    while (!shared->helpers[0] || !shared->helpers[1])
        sched_yield();
    return (struct helper){ from[0], to[1] };
}

static int is_there(struct helper h)
{
    char byte = 1;

    return write(h.out, &byte, 1) == 1 && read(h.in, &byte, 1) == 1;
}

static int are_gone(void)
{
    for (int i = 0; i < SOON; i++) {
        if (kill(shared->helpers[0], 0) < 0 && errno == ESRCH && kill(shared->helpers[1], 0) < 0 &&
            errno == ESRCH)
            return 1;
        usleep(1000);
    }
    return 0;
}

static int are_alive(void)
{
    return kill(shared->helpers[0], 0) == 0 && kill(shared->helpers[1], 0) == 0;
}

static void start_job(void)
{
    memset((void *)shared, 0, sizeof *shared);
    signal(SIGPIPE, SIG_IGN);
    begin();
}

static void await(_Atomic int *flag)
{
    while (!atomic_load(flag))
        sched_yield();
}

/* -------------------------------------------------------------------- others end */

static int ask_later(const void *arg)
{
    struct helper h = leave_helpers();

    (void)arg;
    shared->ready = 1;
    await(&shared->go);
    return !is_there(h);
}

static int ask_later_in_a_task(int x)
{
    return ask_later(NULL) + x;
}

static int leave(const void *arg)
{
    (void)arg;
    return 0;
}

static int die(const void *arg)
{
    raise(SIGKILL);
    return arg != NULL;
}

static int die_once(int x)
{
    if (shared->tries++ == 0)
        raise(SIGKILL);
    return x;
}

static int twice(int x)
{
    return 2 * x;
}

/* In good order and otherwise, Processes and workers. */
static void let_others_end(void)
{
    kith_pool pool = kith_pool_open_with(2, .tasks_per_worker = 1);
    kith_process p;
    int in[4] = { 0 }, out[4], code = 0;

    p = kith_process_start(leave, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
    p = kith_process_start(die, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 &&
            code == -SIGKILL);
    REQUIRE(kith_map(pool, twice, in, out, 4) == 0 && kith_map(pool, die_once, in, out, 4) == 0);
    REQUIRE(kith_pool_close(pool) == 0);
}

static void live_beside_others(void)
{
    kith_process p;
    int code = -1;

    start_job();
    p = kith_process_start(ask_later, NULL, 0);
    await(&shared->ready);
    let_others_end();
    shared->go = 1;
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 0);
    REQUIRE(kith_finalize() == 0);
    REQUIRE(are_gone());
}

static int map_ask_later(const void *arg)
{
    int in = 0, out = -1;

    return kith_map(*(const kith_pool *)arg, ask_later_in_a_task, &in, &out, 1) != 0 || out != 0;
}

static void live_beside_other_workers(void)
{
    kith_pool pool;
    kith_process p;
    int code = -1;

    start_job();
    pool = kith_pool_open(2);
    p = kith_process_start(map_ask_later, KITH_ARG(pool));
    await(&shared->ready);
    let_others_end();
    shared->go = 1;
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 0);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
    REQUIRE(are_gone());
}

static void helpers_outlive_the_ends_of_others(void)
{
    CU_ASSERT_EQUAL(check_fork(live_beside_others), 0);
    CU_ASSERT_EQUAL(check_fork(live_beside_other_workers), 0);
}

/* -------------------------------------------------------------------- their own end */

static int leave_them_and_return(const void *arg)
{
    (void)arg;
    leave_helpers();
    return 3;
}

static void end_in_good_order(void)
{
    kith_process p;

    start_job();
    p = kith_process_start(leave_them_and_return, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0);
    let_others_end();
    REQUIRE(are_alive());
    REQUIRE(kith_finalize() == 0);
    REQUIRE(are_gone());
}

static void what_a_process_leaves_that_has_returned_lives_until_the_job_ends(void)
{
    CU_ASSERT_EQUAL(check_fork(end_in_good_order), 0);
}

static void be_killed(void)
{
    kith_process p;

    start_job();
    p = kith_process_start(ask_later, NULL, 0);
    await(&shared->ready);
    REQUIRE(are_alive());
    REQUIRE(kith_process_kill(p) == 0 && kith_process_join(p, KITH_FOREVER) == 0);
    REQUIRE(are_gone());
    REQUIRE(kith_finalize() == 0);
}

static int exit_once(int x)
{
    if (shared->tries++ == 0) {
        leave_helpers();
        exit(0);
    }
    return are_gone() ? x : -1;
}

static void exit_in_a_task(void)
{
    kith_pool pool;
    int in = 5, out = 0;

    start_job();
    pool = kith_pool_open(1);
    REQUIRE(kith_map(pool, exit_once, &in, &out, 1) == 0 && out == 5);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void what_a_dead_one_had_started_ends_with_it(void)
{
    CU_ASSERT_EQUAL(check_fork(be_killed), 0);
    CU_ASSERT_EQUAL(check_fork(exit_in_a_task), 0);
}

/* ------------------------------------------------------------------ the job's end */

static struct helper mine;

static void ask_and_leave(int sig)
{
    (void)sig;
    shared->answered = is_there(mine);
    _exit(0);
}

static int serve(const void *arg)
{
    mine = leave_helpers();
    signal(SIGTERM, ask_and_leave);
    shared->ready = 1;
    for (;;)
        pause();
    return arg != NULL;
}

static void end_a_daemon(void)
{
    start_job();
    kith_process_start_with(serve, NULL, 0, .daemon = 1);
    await(&shared->ready);
    REQUIRE(kith_finalize() == 0);
    REQUIRE(shared->answered);
    REQUIRE(are_gone());
}

static void a_daemon_has_its_helpers_while_it_ends(void)
{
    CU_ASSERT_EQUAL(check_fork(end_a_daemon), 0);
}

static struct test tests[] = {
    TEST(helpers_outlive_the_ends_of_others),
    TEST(what_a_process_leaves_that_has_returned_lives_until_the_job_ends),
    TEST(what_a_dead_one_had_started_ends_with_it),
    TEST(a_daemon_has_its_helpers_while_it_ends),
    TEST_END,
};

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return run_tests("orphans", tests);
}
