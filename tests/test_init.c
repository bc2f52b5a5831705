/* test_init.c: jobs in surroundings that are not as usual: signals, children and threads of the program,
 * wrong use. */
#include "config.h"
#include "anyjob.h"
#include "shm/guard.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>

/* ---- signals */

static void work_without_children(void)
{
    signal(SIGCHLD, SIG_IGN);
    begin();
    work(successor);
    REQUIRE(system("exit 3") != 3 << 8); /* the program's own choice */
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
    const struct sigaction action = { .sa_handler = count_alarm }; /* no SA_RESTART */
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
    while (alarms <= 100)
        work(successor);
    kith_process_start_with(ignore_sigterm, KITH_ARG(q), .daemon = 1);
    REQUIRE(kith_get(q, &pid) == 0);
    REQUIRE(kith_finalize() == 0);
    REQUIRE(kill(pid, 0) < 0); /* whom it ends has gone when it returns */
}

static void a_signal_each_millisecond_interrupts_nothing(void)
{
    CU_ASSERT_EQUAL(check_fork(work_under_alarms), 0);
}

/* ---- the program's own children */

static void use_as_a_stranger(kith_queue q, kith_pool pool)
{
    int x = 1, y;

    REQUIRE(kith_check(kith_pool_open(1)) == KITH_ENOTINIT &&
            kith_check(kith_process_start(give_7, NULL, 0)) == KITH_ENOTINIT);
    REQUIRE(kith_get(q, &x) == KITH_ENOTINIT && strstr(kith_last_error(), "kith_process_start"));
    REQUIRE(kith_map(pool, successor, &x, &y, 1) == KITH_ENOTINIT);
    exit(9); /* runs no kith_finalize */
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
    alarm(check_rest());
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

/* ---- wrong use */

static int sleep_long(int x)
{
    sleep(20);
    return x;
}

static void start_with_wrong_variables(void)
{
    static const char *const bad[][2] = {
        { "KITH_LOG", "loud" }, { "KITH_SERIAL", "yes" }, { "KITH_DEBUG", "on" }, { "KITH_WORKERS", "many" }
    };
    kith_pool pool;

    kith_on_fault(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv(bad[i][0], bad[i][1], 1);
        REQUIRE(kith_init(NULL, NULL) == KITH_EINVAL);
        REQUIRE(strstr(kith_last_error(), bad[i][0]) && strstr(kith_last_error(), bad[i][1]));
        unsetenv(bad[i][0]);
    }
    setenv("KITH_DEBUG", "0", 1); /* limits are kept */
    begin();
    pool = kith_pool_open_with(1, .limit_ms = 50);
    REQUIRE(kith_map(pool, sleep_long, (int[]){ 1 }, (int[]){ 0 }, 1) == KITH_ETASK &&
            strstr(kith_last_error(), "timed out"));
    REQUIRE(kith_finalize() == 0);
}

static int init_again(int x)
{
    return kith_init(NULL, NULL) == KITH_EINVAL && strstr(kith_last_error(), "task") && kith_finalize() == 1
               ? x + 1
               : 0;
}

static void start_in_a_task(void)
{
    int x, y = 0;
    kith_pool pool;

    begin();
    pool = kith_pool_open(1);
    REQUIRE(kith_apply(pool, init_again, &y, 1) == 0 && y == 2);
    REQUIRE(kith_apply(pool, init_again, &y, 2) == 0 && y == 3);
    REQUIRE(kith_apply(pool, successor, (int *)NULL, 2) == KITH_EINVAL &&
            strstr(kith_last_error(), "kith_apply(successor)"));
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
    REQUIRE(kith_queue_get(q, &x, sizeof x, 0) == KITH_ETIMEDOUT && times_told == 0); /* a condition */
    p = kith_process_start(use_no_queue, KITH_ARG(none));
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 3 &&
            times_told == 0);
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
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 &&
            code == -SIGSEGV);
    REQUIRE(kith_finalize() == 0);
    rewind(said);
    told[fread(told, 1, sizeof told - 1, said)] = '\0';
}

static void crash_without_a_handler(void)
{
    run_a_crash(0, NULL);
    REQUIRE(strncmp(told, "kith: crash_here-1 crashed: SIGSEGV", 35) == 0 &&
            strchr(told, '\n') == told + strlen(told) - 1);
}

static int use_pointer(const void *arg)
{
    return **(char *const *)arg;
}

/* Memory that came after kith_init: it is not there in a Process. */
static void send_a_pointer(void)
{
    FILE *said = tmpfile();
    kith_process p;
    char *mine;
    int code;

    REQUIRE(said && dup2(fileno(said), STDERR_FILENO) == STDERR_FILENO && kith_init(NULL, NULL) == 0);
    mine = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(mine != MAP_FAILED);
    p = kith_process_start(use_pointer, KITH_ARG(mine));
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 &&
            kith_finalize() == 0);
    rewind(said);
    told[fread(told, 1, sizeof told - 1, said)] = '\0';
    REQUIRE(strstr(told, "use_pointer-1 crashed: SIGSEGV") &&
            strstr(told, "a pointer means nothing in another one"));
}

static void a_process_that_was_given_a_pointer_says_so(void)
{
    if (SANITIZED)
        SKIP("a crash is the sanitizer's");
    CU_ASSERT_EQUAL(check_fork(send_a_pointer), 0);
}

/* ---- what newcomers forget */

static FILE *said;

static void forget_init(void)
{
    REQUIRE(dup2(fileno(said), STDERR_FILENO) == STDERR_FILENO);
    kith_pool_open(2);
    puts("not reached");
    _exit(0);
}

static void without_init_the_first_call_says_so(void)
{
    CU_ASSERT_FATAL((said = tmpfile()) != NULL);
    CU_ASSERT_EQUAL(check_fork(forget_init), 1);
    rewind(said);
    told[fread(told, 1, sizeof told - 1, said)] = '\0';
    CU_ASSERT_STRING_EQUAL(told,
                           "kith: kith_pool_open was called before kith_init, or after kith_finalize\n");
    fclose(said);
}

static void use_kith_after_fork(void)
{
    REQUIRE(kith_init(NULL, NULL) == KITH_EINVAL && strstr(kith_last_error(), "forked") &&
            strstr(kith_last_error(), "or fork before kith_init"));
    REQUIRE(kith_check(kith_pool_open(1)) == KITH_ENOTINIT && strstr(kith_last_error(), "forked") &&
            strstr(kith_last_error(), "(as daemon does) before kith_init"));
    REQUIRE(kith_finalize() == 1 && strstr(kith_last_error(), "forked"));
}

static void fork_by_oneself(void)
{
    kith_pool pool;

    begin();
    pool = kith_pool_open(1);
    REQUIRE(check_fork(use_kith_after_fork) == 0 && map_is_right(pool, successor, 64));
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void a_child_of_the_program_is_none_of_the_job(void)
{
    CU_ASSERT_EQUAL(check_fork(fork_by_oneself), 0);
}

static int use_zero_handle(int x)
{
    kith_queue q = { 0 };

    return kith_put(q, x) == KITH_ESTALE && strstr(kith_last_error(), "kith_init") ? x : -1;
}

static void use_handle_of_a_global(void)
{
    kith_pool pool;
    int y = 0;

    begin();
    pool = kith_pool_open(1);
    REQUIRE(kith_apply(pool, use_zero_handle, &y, 5) == 0 && y == 5);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void a_zero_handle_in_a_task_says_where_globals_come_from(void)
{
    CU_ASSERT_EQUAL(check_fork(use_handle_of_a_global), 0);
}

static kith_queue late; /* opened after kith_init */

static void put_into_it(int x)
{
    kith_put(late, x);
    kith_put(late, x); /* it is told once */
}

/* What is on stderr when a Process uses it without looking at codes, in told. */
static void use_a_late_handle(void (*handler)(int code, const char *sentence))
{
    FILE *output = tmpfile();

    REQUIRE(output && dup2(fileno(output), STDERR_FILENO) == STDERR_FILENO);
    REQUIRE(kith_init(NULL, NULL) == 0);
    if (handler)
        kith_on_fault(handler);
    late = kith_queue_open(0);
    REQUIRE(kith_process_join(kith_start(put_into_it, 1), KITH_FOREVER) == 0);
    REQUIRE(kith_finalize() == 0);
    rewind(output);
    told[fread(told, 1, sizeof told - 1, output)] = '\0';
}

static void late_handle_without_a_handler(void)
{
    use_a_late_handle(NULL);
    REQUIRE(strstr(told, "kith: put_into_it-1: the handle of a Queue is zero here: globals") == told &&
            strchr(told, '\n') == told + strlen(told) - 1);
}

static void late_handle_with_a_handler(void)
{
    use_a_late_handle(keep_fault);
    REQUIRE(told[0] == '\0');
}

static void a_zero_handle_that_nobody_looks_at_is_told_once(void)
{
    CU_ASSERT_EQUAL(check_fork(late_handle_without_a_handler), 0);
    CU_ASSERT_EQUAL(check_fork(late_handle_with_a_handler), 0);
}

static void tells_late(const char *step)
{
    if (strcmp(step, "janitor: tells") == 0)
        usleep(2000000);
}

static void crash_that_is_told_late(void)
{
    kith__failpoint_hook = tells_late;
    crash_without_a_handler();
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
    CU_ASSERT_EQUAL(check_fork(crash_that_is_told_late), 0);
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
    TEST(ignored_sigchld_does_no_harm),
    TEST(signals_of_the_terminal_are_the_heads),
    TEST_LIKE(
        a_signal_each_millisecond_interrupts_nothing,
        "TestIgnoreEINTR.test_ignore TestIgnoreEINTR.test_ignore_listener _TestPollEintr.test_poll_eintr"),
    TEST(children_that_the_program_forks_are_strangers),
    TEST(threads_share_a_pool_also_while_it_ends),
    TEST(serial_pools_serve_threads_and_processes),
    TEST(exit_in_another_thread_ends_the_job),
    TEST(a_handler_gets_code_and_sentence_of_faults_in_the_head),
    TEST_LIKE(a_process_that_crashed_is_told_of_unless_there_is_a_handler,
              "_TestSubclassingProcess.test_stderr_flush"),
    TEST(wrong_use_is_a_sentence),
    TEST(a_process_that_was_given_a_pointer_says_so),
    TEST(without_init_the_first_call_says_so),
    TEST(a_child_of_the_program_is_none_of_the_job),
    TEST(a_zero_handle_in_a_task_says_where_globals_come_from),
    TEST(a_zero_handle_that_nobody_looks_at_is_told_once),
    TEST_END,
};

int main(void)
{
    return run_tests("init", tests);
}
