/* test_head.c: the head as init of a container, as a subreaper, and as another program after execve: its
 * children are its own, and nothing outlives the program. Each test is a job of its own in a child. */
#include "config.h"
#include "check.h"
#include "anyjob.h"
#include "killer.h"
#include "member/members.h"
#include "base/system.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>

/* Three children of the head's own end, one after the other, and there are no others. */
static void wait_for_all(void)
{
    int n = 0;

    for (int i = 0; i < 3; i++)
        if (fork() == 0)
            _exit(i);
    while (wait(NULL) > 0)
        n++;
    REQUIRE(n == 3 && errno == ECHILD);
}

static void be_a_job(void)
{
    kith_pool pool;

    begin();
    pool = kith_pool_open(2);
    REQUIRE(map_is_right(pool, successor, 64));
    wait_for_all();
    REQUIRE(map_is_right(pool, successor, 64));
    REQUIRE(kith_pool_close(pool) == 0);
    REQUIRE(kith_finalize() == 0);
    wait_for_all();
    REQUIRE(waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD);
}

static void be_a_subreaper(void)
{
    int is_subreaper = 0;
    pid_t list[8];

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    begin();
    REQUIRE(prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper) == 0 && is_subreaper);
    REQUIRE(children_of(getpid(), list, 8) == 0);
    /* Nor does the fork server become its child. */
    kill(kith__shared->watchdog_pid, SIGKILL);
    while (strchr("Z", kith__process_state(kith__shared->watchdog_pid)) == NULL)
        nap_us(1000);
    REQUIRE(children_of(getpid(), list, 8) == 0);
    wait_for_all();
    REQUIRE(kith_finalize() == 0);
}

static void a_subreaper_has_no_children_of_kiths(void)
{
    int was = 0;

    prctl(PR_GET_CHILD_SUBREAPER, &was);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* ours, else those of the test's runner */
    CU_ASSERT_EQUAL(check_fork(be_a_subreaper), 0);
    CU_ASSERT(all_gone(SOON));
    prctl(PR_SET_CHILD_SUBREAPER, was);
}

/* ------------------------------------------------------------------------- init */

static void (*as_init)(void);

static void be_init(void)
{
    alarm(check_rest());
    REQUIRE(mount("proc", "/proc", "proc", 0, NULL) == 0);
    as_init();
    fflush(NULL);
    _exit(0);
}

static void enter_a_namespace(void)
{
    pid_t pid;

    if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        _exit(77);
    if ((pid = fork()) == 0)
        be_init();
    _exit(check_wait(pid) & 255);
}

static int run_as_init(void (*fn)(void))
{
    as_init = fn;
    return check_fork(enter_a_namespace);
}

static void *sleep_for_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void *take_memory(void *arg)
{
    for (;;) {
        char *p = malloc(5000);

        *(volatile char *)p = 1;
        free(p);
    }
    return arg;
}

static void be_a_job_with_threads(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, sleep_for_ever, NULL);
    pthread_create(&thread, NULL, take_memory, NULL);
    be_a_job();
}

static void init_has_no_children_that_wait_sees(void)
{
    int rc = run_as_init(be_a_job);

    if (rc == 77)
        SKIP("no namespace of processes can be made here");
    CU_ASSERT_EQUAL(rc, 0);
    if (!SANITIZED)
        CU_ASSERT_EQUAL(run_as_init(be_a_job_with_threads), 0);
}

/* ----------------------------------------------------------------------- execve */

static struct {
    _Atomic int started;
} * shared;

static int run_on(const void *arg)
{
    shared->started = 1;
    for (;;)
        pause();
    return arg != NULL;
}

/* An init's watchdog is a zombie until the next kith_init. */
static int is_gone(const char *number)
{
    pid_t pid = atoi(number);

    for (int i = 0; i < SOON; i++, nap_us(1000))
        if ((kill(pid, 0) < 0 && errno == ESRCH) || kith__process_state(pid) == 'Z')
            return 1;
    return 0;
}

static void become_a_program(void)
{
    char server[16], process[16], watchdog[16];
    kith_process p;

    shared->started = 0;
    begin();
    p = kith_process_start(run_on, NULL, 0);
    while (!shared->started)
        sched_yield();
    snprintf(server, sizeof server, "%d", kith__shared->server_pid);
    snprintf(process, sizeof process, "%d", kith_process_pid(p));
    snprintf(watchdog, sizeof watchdog, "%d", kith__shared->watchdog_pid);
    execl("/proc/self/exe", "test_head", "after-execve", server, process, watchdog, (char *)NULL);
    _exit(99);
}

/* What main does then. */
static int after_execve(char **pids)
{
    REQUIRE(is_gone(pids[0]) && is_gone(pids[1]) && is_gone(pids[2]));
    be_a_job();
    return 0;
}

static void after_execve_the_old_ones_are_gone(void)
{
    int rc;

    CU_ASSERT_EQUAL(check_fork(become_a_program), 0);
    rc = run_as_init(become_a_program);
    if (rc != 77)
        CU_ASSERT_EQUAL(rc, 0);
}

static void *go_on(void *arg)
{
    kith_pool pool;

    while (kith__process_state(getpid()) != 'Z') /* which is that of the first thread */
        nap_us(1000);
    pool = kith_pool_open(1);
    for (double until = kith_time() + 2.5; kith_time() < until; nap_us(10000))
        REQUIRE(map_is_right(pool, successor, 5));
    REQUIRE(kith_pool_close(pool) == 0);
    exit(kith_finalize());
    return arg;
}

/* As an execve, it lets go of what the first thread held. */
static void end_the_first_thread(void)
{
    pthread_t thread;

    begin();
    pthread_create(&thread, NULL, go_on, NULL);
    pthread_exit(NULL);
}

static void the_job_goes_on_without_its_first_thread(void)
{
    CU_ASSERT_EQUAL(check_fork(end_the_first_thread), 0);
}

static struct test tests[] = {
    TEST(a_subreaper_has_no_children_of_kiths),
    TEST(init_has_no_children_that_wait_sees),
    TEST(after_execve_the_old_ones_are_gone),
    TEST(the_job_goes_on_without_its_first_thread),
    TEST_END,
};

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "after-execve") == 0)
        return after_execve(argv + 2);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return run_tests("head", tests);
}
