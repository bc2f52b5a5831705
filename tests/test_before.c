/* test_before.c: what the program has done before kith_init: started threads, opened pipes and files, set
 * handlers of signals, used OpenMP. */
#include "config.h"
#include "anyjob.h"
#include "base/threads.h"
#include "member/members.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <locale.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* ---- threads */

enum { BAD_COPIES = 120 };

static atomic_int forks, wanted, held, stop;

/* Before a fork: a lock of the loader, which libc does not make free in the child, is somebody else's. */
static void want_lock(void)
{
    wanted = 1;
    while (forks < BAD_COPIES && !held)
        usleep(1000);
}

static void count_fork(void)
{
    forks++;
}

static int keep_lock(struct dl_phdr_info *info, size_t size, void *nothing)
{
    (void)info;
    (void)size;
    (void)nothing;
    held = 1;
    while (forks < BAD_COPIES)
        usleep(1000);
    return 1;
}

static void *hold_loader(void *nothing)
{
    while (!wanted)
        usleep(1000);
    dl_iterate_phdr(keep_lock, nothing);
    return nothing;
}

static void begin_under_a_lock(void)
{
    pthread_t thread;

    REQUIRE(pthread_create(&thread, NULL, hold_loader, NULL) == 0);
    REQUIRE(pthread_atfork(want_lock, count_fork, NULL) == 0);
    begin();
    REQUIRE(forks >= BAD_COPIES && pthread_join(thread, NULL) == 0);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void copies_with_a_lock_that_was_held_are_thrown_away(void)
{
    CU_ASSERT_EQUAL(check_fork(begin_under_a_lock), 0);
}

static void *use_libc(void *nothing)
{
    const time_t now = 0;
    struct tm tm;

    while (!stop) {
        localtime_r(&now, &tm);
        setenv("KITH_TEST_X", "y", 1);
        random();
        free(malloc(12345));
    }
    return nothing;
}

static int use_libc_once(int x)
{
    const time_t now = 0;
    struct tm tm;

    localtime_r(&now, &tm);
    setenv("KITH_TEST_X", "z", 1);
    return x + 1;
}

static void work_beside_threads(void)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, use_libc, NULL) == 0);
    begin();
    stop = 1;
    for (int i = 0; i < 2; i++)
        REQUIRE(pthread_join(threads[i], NULL) == 0);
    work(use_libc_once);
    REQUIRE(kith_finalize() == 0);
}

static void tasks_may_use_what_threads_used_at_kith_init(void)
{
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL_FATAL(check_fork(work_beside_threads), 0);
}

/* What the thread had in its hand at the fork is nobody's in the children. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:popen\nleak:newlocale\nleak:getaddrinfo\n";
}

/* What few programs do all the time, and some when it matters. */
static void use_rarely_used(void)
{
    const struct addrinfo near = { .ai_flags = AI_ADDRCONFIG };
    locale_t copy = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
    struct addrinfo *list;
    FILE *f = popen(":", "r");

    if (copy)
        freelocale(copy);
    if (getaddrinfo("127.0.0.1", NULL, &near, &list) == 0)
        freeaddrinfo(list);
    if (f)
        pclose(f);
}

static void *use_again_and_again(void *nothing)
{
    while (!stop)
        use_rarely_used();
    return nothing;
}

static int use_once(int x)
{
    use_rarely_used();
    return x + 1;
}

static void work_beside_a_user(void)
{
    pthread_t thread;

    REQUIRE(pthread_create(&thread, NULL, use_again_and_again, NULL) == 0);
    begin();
    stop = 1;
    REQUIRE(pthread_join(thread, NULL) == 0);
    work(use_once);
    REQUIRE(kith_finalize() == 0);
}

static void tasks_may_use_locales_addresses_and_popen_as_a_thread_did(void)
{
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL_FATAL(check_fork(work_beside_a_user), 0);
}

static void *sleep_long(void *nothing)
{
    pause();
    return nothing;
}

static void begin_with_a_thread(void)
{
    pthread_t thread;

    setenv("KITH_LOG", "warning", 1);
    REQUIRE(pthread_create(&thread, NULL, sleep_long, NULL) == 0);
    begin();
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void begin_alone(void)
{
    setenv("KITH_LOG", "warning", 1);
    begin();
    REQUIRE(kith_finalize() == 0);
}

/* What fn has said on stderr. */
static const char *said(void (*fn)(void))
{
    static char text[4096];
    int kept = dup(STDERR_FILENO), pipes[2];
    ssize_t got;

    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    close(pipes[1]);
    CU_ASSERT_EQUAL(check_fork(fn), 0);
    dup2(kept, STDERR_FILENO);
    close(kept);
    got = read(pipes[0], text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    close(pipes[0]);
    return text;
}

static void threads_are_warned_of_once(void)
{
    const char *first = strstr(said(begin_with_a_thread), "2 threads run in this program at kith_init");

    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_PTR_NULL(strstr(first + 20, "threads run in"));
    CU_ASSERT_PTR_NULL(strstr(said(begin_alone), "threads run in"));
}

/* ---- descriptors */

static int before[2], file;

static int write_before(int x)
{
    int other = open("/dev/null", O_WRONLY);

    if (other == before[1] || write(before[1], "x", 1) >= 0)
        return -1;
    close(other);
    return write(file, "x", 1) == 1 ? x + 1 : -2;
}

static void use_what_was_opened(void)
{
    char name[] = "/tmp/kith-before-XXXXXX", c;

    REQUIRE(pipe(before) == 0 && (file = mkstemp(name)) >= 0 && unlink(name) == 0);
    begin();
    kith_pool pool = kith_pool_open(2);
    kith_process_start_with(give_7, NULL, 0, .daemon = 1);
    REQUIRE(
        map_is_right(pool, write_before, 64)); /* files are there, and no other one gets the pipe's number */
    REQUIRE(lseek(file, 0, SEEK_CUR) == 64);
    close(before[1]);
    REQUIRE(read(before[0], &c, 1) == 0); /* while all of kith's processes live */
    REQUIRE(kith_finalize() == 0);
}

static void a_pipe_from_before_ends_when_the_head_closes_it(void)
{
    CU_ASSERT_EQUAL(check_fork(use_what_was_opened), 0);
}

/* The watchdog has nothing of what the program prints to. */
static void print_to_nobody(void)
{
    int out[2];
    struct pollfd end;

    REQUIRE(pipe(out) == 0 && dup2(out[1], STDOUT_FILENO) >= 0);
    close(out[1]);
    begin();
    REQUIRE(kith_finalize() == 0);
    close(STDOUT_FILENO);
    end = (struct pollfd){ out[0], POLLIN, 0 };
    REQUIRE(poll(&end, 1, SOON) == 1 && (end.revents & POLLHUP));
}

static void stdout_ends_with_the_job(void)
{
    CU_ASSERT_EQUAL(check_fork(print_to_nobody), 0);
}

/* ---- signals */

static volatile sig_atomic_t children;

static void count_child(int sig)
{
    (void)sig;
    children++;
}

static int fork_in_task(int x)
{
    int seen = children;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid && children == seen + 1 ? x + 1 : -1;
}

static void handle_children(void)
{
    struct sigaction action = { .sa_handler = count_child, .sa_flags = SA_RESTART };

    sigaction(SIGCHLD, &action, NULL);
    begin();
    kith_pool pool = kith_pool_open(1);
    REQUIRE(map_is_right(pool, fork_in_task, 4));
    REQUIRE(kith_pool_close(pool) == 0);
    REQUIRE(kith_finalize() == 0);
}

static void a_handler_of_sigchld_is_there_in_tasks(void)
{
    CU_ASSERT_EQUAL(check_fork(handle_children), 0);
}

/* As batch systems do before the time of a job is over. */
static void signal_the_group(void)
{
    REQUIRE(setpgid(0, 0) == 0);
    begin();
    signal(SIGUSR1, count_child);
    signal(SIGALRM, count_child);
    REQUIRE(kill(0, SIGUSR1) == 0 && kill(0, SIGALRM) == 0 && children == 2);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void a_signal_to_the_group_does_not_end_the_fork_server(void)
{
    CU_ASSERT_EQUAL(check_fork(signal_the_group), 0);
}

/* ---- OpenMP, without its compiler: what it calls */

static void (*parallel)(void (*fn)(void *), void *data, unsigned threads, unsigned flags);

static void add_one(void *sum)
{
    atomic_fetch_add((atomic_int *)sum, 1);
}

static int region(int x)
{
    atomic_int sum = 0;

    parallel(add_one, &sum, 2, 0);
    return x + sum - 1;
}

static int warnings;
static const char *runtime;

static void count_warnings(int level, const char *process, const char *text)
{
    warnings += level >= KITH_LOG_WARNING && strstr(text, "threads") != NULL && *process;
}

static void use_openmp_before(void)
{
    REQUIRE(region(1) == 2);
    setenv("KITH_LOG", "warning", 1);
    kith_log_to(count_warnings);
    begin();
    /* libgomp's threads were ended; of libomp's, which its children forget, one is warned as of any. */
    REQUIRE(warnings == (strstr(runtime, "libomp") != NULL));
    REQUIRE(region(1) == 2);
    work(region);
    REQUIRE(kith_finalize() == 0);
}

static void begin_inside(void *wrong)
{
    static atomic_int first;

    if (first++ == 0) {
        kith_on_fault(NULL);
        *(int *)wrong = kith_init(NULL, NULL) != KITH_EINVAL || !strstr(kith_last_error(), "parallel region");
    }
}

static void begin_in_a_region(void)
{
    int wrong = 1;

    parallel(begin_inside, &wrong, 2, 0);
    REQUIRE(!wrong);
}

/* That runtime, by its name. LLVM's has GCC's entry, too. */
static int has_openmp(const char *name)
{
    void *library, *p;

    setenv("OMP_WAIT_POLICY", "passive", 1); /* else each region spins until the other thread has had a CPU */
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    runtime = name;
    if (!library || !(p = dlsym(library, "GOMP_parallel")) || !dlsym(library, "omp_pause_resource_all"))
        return 0;
    memcpy(&parallel, &p, sizeof p);
    return 1;
}

static const char *const runtimes[] = { "libgomp.so.1", "libomp.so.5" };

/* In a child with each of the runtimes that are here; 1 for none. */
static int with_each_runtime(void (*fn)(void))
{
    int has = 0;

    for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0] && !SANITIZED; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            if (!has_openmp(runtimes[i]))
                _exit(77);
            fn();
            fflush(NULL);
            _exit(0);
        }
        int status = check_wait(pid);

        kith__openmp_forget(pid);
        CU_ASSERT(status == 0 || status == 77);
        has += status != 77;
    }
    return has == 0;
}

static void openmp_may_be_used_before(void)
{
    if (with_each_runtime(use_openmp_before))
        SKIP("no libgomp and no libomp, or a sanitizer that does not know them");
}

static void kith_init_in_a_parallel_region_is_refused(void)
{
    if (with_each_runtime(begin_in_a_region))
        SKIP("no libgomp and no libomp, or a sanitizer that does not know them");
}

/* libomp's file for a process that uses it. */
static int has_file(int pid)
{
    char path[64];

    snprintf(path, sizeof path, "/dev/shm/__KMP_REGISTERED_LIB_%d_%d", pid, (int)getuid());
    return access(path, F_OK) == 0;
}

/* The pid of a process that has used OpenMP, and has a file where the runtime makes any; else 0. */
static int use_and_name(int x)
{
    return region(x) == x + 1 && has_file((int)getpid()) == (strstr(runtime, "libomp") != NULL)
               ? (int)getpid()
               : 0;
}

static int use_and_die(const void *arg)
{
    (void)arg;
    if (use_and_name(1))
        raise(SIGKILL);
    return 1;
}

static void leave_nothing_of_openmp(void)
{
    int pids[5] = { 0 }, in[1] = { 1 }, code = 0;

    REQUIRE(region(1) == 2); /* from here on each fork is one that uses it */
    begin();
    pids[3] = atomic_load(&kith__shared->server_pid);
    pids[4] = atomic_load(&kith__shared->watchdog_pid);
    kith_pool pool = kith_pool_open(1);
    kith_process killed = near_process(use_and_die, NULL, 0);
    pids[0] = kith_process_pid(killed);
    REQUIRE(kith_process_join(killed, SOON) == 0 && kith_process_exitcode(killed, &code) == 0);
    REQUIRE(code == -SIGKILL);
    REQUIRE(kith_map(pool, use_and_name, in, &pids[1], 1) == 0 && kith_pool_close(pool) == 0);
    pool = kith_pool_open(1);
    REQUIRE(kith_map(pool, use_and_name, in, &pids[2], 1) == 0);
    REQUIRE(kith_finalize() == 0);
    for (int i = 0; i < 5; i++)
        REQUIRE(pids[i] > 0 && !has_file(pids[i]));
}

static void processes_leave_no_file_of_openmp(void)
{
    if (with_each_runtime(leave_nothing_of_openmp))
        SKIP("no libgomp and no libomp, or a sanitizer that does not know them");
}

static struct test tests[] = {
    TEST_LIKE(copies_with_a_lock_that_was_held_are_thrown_away, "TestForkAwareThreadLock.test_lock"),
    TEST_LIKE(tasks_may_use_what_threads_used_at_kith_init, "TestForkAwareThreadLock.test_lock"),
    TEST(tasks_may_use_locales_addresses_and_popen_as_a_thread_did),
    TEST(threads_are_warned_of_once),
    TEST_LIKE(a_pipe_from_before_ends_when_the_head_closes_it, "TestCloseFds.test_closefd"),
    TEST(stdout_ends_with_the_job),
    TEST(a_handler_of_sigchld_is_there_in_tasks),
    TEST_LIKE(a_signal_to_the_group_does_not_end_the_fork_server,
              "_TestProcess.test_forkserver_sigint TestResourceTracker.test_resource_tracker_sigint "
              "TestResourceTracker.test_resource_tracker_sigterm "
              "TestSemaphoreTracker.test_semaphore_tracker_sigint"),
    TEST(openmp_may_be_used_before),
    TEST(kith_init_in_a_parallel_region_is_refused),
    TEST(processes_leave_no_file_of_openmp),
    TEST_END
};

int main(void)
{
#ifdef __SANITIZE_THREAD__
    puts("skipped: ThreadSanitizer has threads and locks of its own at the fork");
    return 77;
#endif
    return run_tests("before", tests);
}
