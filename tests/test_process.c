/* test_process.c: Processes as users see them. */
#include "config.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

static int *shared; /* seen by all, as it was mapped before kith_init */
static int global = 1;

static int give(const void *arg)
{
    return kith_arg_size() == sizeof(int) ? *(const int *)arg : 99;
}

static int leave(const void *arg)
{
    (void)arg;
    exit(7);
}

static int die(const void *arg)
{
    raise(*(const int *)arg);
    return 0;
}

static int sleep_long(const void *arg)
{
    (void)arg;
    while (kith_time() > 0)
        pause();
    return 0;
}

static void exit_codes_are_those_of_python(void)
{
    static const int codes[] = { 0, 1, 42, 255 }, signals[] = { SIGKILL, SIGTERM, SIGUSR1 };
    int code;

    for (size_t i = 0; i < 4; i++) {
        kith_process p = kith_process_start(give, KITH_ARG(codes[i]));

        PASS(kith_process_join(p, KITH_FOREVER));
        PASS(kith_process_exitcode(p, &code));
        CU_ASSERT_EQUAL(code, codes[i]);
        CU_ASSERT_EQUAL(kith_process_alive(p), 0);
        PASS(kith_process_close(p));
    }
    for (size_t i = 0; i < 3; i++) {
        kith_process p = kith_process_start(die, KITH_ARG(signals[i]));

        PASS(kith_process_join(p, KITH_FOREVER));
        PASS(kith_process_exitcode(p, &code));
        CU_ASSERT_EQUAL(code, -signals[i]);
        PASS(kith_process_close(p));
    }
    kith_process p = kith_process_start(leave, NULL, 0);
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 7);
    PASS(kith_process_close(p));
}

static void join_keeps_its_time_limit(void)
{
    kith_process p = kith_process_start(sleep_long, NULL, 0);
    double start = kith_time();
    int code;

    FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(p, 0));
    FAILS_WITH(KITH_ETIMEDOUT, kith_process_join(p, 100));
    CU_ASSERT(kith_time() - start >= 0.1);
    FAILS_WITH(KITH_ERUNNING, kith_process_exitcode(p, &code));
    FAILS_WITH(KITH_EINVAL, kith_process_join(p, -2));
    CU_ASSERT_EQUAL(kith_process_alive(p), 1);
    CU_ASSERT(kith_process_pid(p) > 1 && kill(kith_process_pid(p), 0) == 0);
    PASS(kith_process_terminate(p));
    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, -SIGTERM);
    PASS(kith_process_terminate(p)); /* it has ended: nothing to do */
    PASS(kith_process_close(p));
    FAILS_WITH(KITH_ESTALE, kith_process_join(p, 0));
    p = kith_process_start(sleep_long, NULL, 0);
    PASS(kith_process_kill(p));
    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, -SIGKILL);
    PASS(kith_process_close(p));
}

static void a_process_can_be_ended_before_it_runs(void)
{
    int code;

    for (int i = 0; i < 100; i++) {
        kith_process p = kith_process_start(sleep_long, NULL, 0);

        if (i % 4 == 3)
            PASS(kith_process_kill(p));
        if (i % 4 == 2)
            usleep((useconds_t)i * 4);
        PASS(kith_process_terminate(p));
        PASS(kith_process_join(p, SOON));
        PASS(kith_process_exitcode(p, &code));
        CU_ASSERT_EQUAL(code, i % 4 == 3 ? -SIGKILL : -SIGTERM);
        PASS(kith_process_close(p));
    }
}

static int look_around(const void *arg)
{
    char byte;

    (void)arg;
    if (read(STDIN_FILENO, &byte, 1) != 0)
        return 1; /* /dev/null */
    if (global != 1)
        return 2; /* as it was at kith_init */
    if (getppid() == shared[0])
        return 3; /* not a child of the head */
    return 0;
}

static void a_process_sees_what_was_before_init(void)
{
    kith_process p;
    int code;

    global = 2;
    shared[0] = (int)getpid();
    p = kith_process_start(look_around, NULL, 0);
    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 0);
    PASS(kith_process_close(p));
    errno = 0;
    CU_ASSERT(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD); /* the program has no children */
}

static int sum_up(const void *arg)
{
    const unsigned char *bytes = arg;

    for (size_t i = 0; i < kith_arg_size(); i++)
        if (bytes[i] != (unsigned char)(i * 7))
            return 1;
    return 0;
}

static void arguments_of_any_size_arrive(void)
{
    static const size_t sizes[] = { 1, 100, 4096, 65537, 10 << 20 };

    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        unsigned char *bytes = malloc(sizes[k]);
        kith_process p;
        int code = -1;

        for (size_t i = 0; i < sizes[k]; i++)
            bytes[i] = (unsigned char)(i * 7);
        p = kith_process_start(sum_up, bytes, sizes[k]);
        memset(bytes, 0, sizes[k]); /* it was copied */
        free(bytes);
        PASS(kith_process_join(p, KITH_FOREVER));
        PASS(kith_process_exitcode(p, &code));
        CU_ASSERT_EQUAL(code, 0);
        PASS(kith_process_close(p));
    }
}

static int start_another(const void *arg)
{
    int depth = *(const int *)arg - 1, code = -1;
    kith_process p;

    if (depth < 0)
        return 5;
    p = kith_process_start(start_another, KITH_ARG(depth));
    if (kith_process_join(p, KITH_FOREVER) < 0 || kith_process_exitcode(p, &code) < 0)
        return 1;
    return code;
}

struct writer {
    char path[200];
    int exits, reads;
};

static void *wait_for_input(void *stream)
{
    return (void *)(intptr_t)getc(stream);
}

/* Leaves its file open, and maybe a thread that is blocked in another one. (The C library looks at the last
 * opened first: what stands behind the blocked one is lost.) */
static int write_a_file(const void *arg)
{
    const struct writer *w = arg;
    FILE *f, *never;
    pthread_t thread;
    int fds[2];

    if (pipe(fds) < 0 || !(never = fdopen(fds[0], "r")) || !(f = fopen(w->path, "w")))
        return 1;
    if (w->reads && pthread_create(&thread, NULL, wait_for_input, never) != 0)
        return 1;
    while (w->reads && ftrylockfile(never) == 0) {
        funlockfile(never);
        sched_yield();
    }
    fprintf(f, "written");
    if (w->exits)
        exit(0);
    return 0;
}

static void what_is_left_in_streams_is_written(void)
{
    for (int i = 0; i < 4; i++) {
        struct writer w = { .exits = i % 2, .reads = i / 2 };
        char text[20] = "";
        int code = -1;
        kith_process p;
        FILE *f;

        snprintf(w.path, sizeof w.path, "%s/written", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        p = kith_process_start(write_a_file, KITH_ARG(w));
        PASS(kith_process_join(p, SOON));
        PASS(kith_process_exitcode(p, &code));
        CU_ASSERT_EQUAL(code, 0);
        PASS(kith_process_close(p));
        if ((f = fopen(w.path, "r"))) {
            CU_ASSERT(fgets(text, sizeof text, f) && strcmp(text, "written") == 0);
            fclose(f);
        }
        CU_ASSERT_EQUAL(unlink(w.path), 0);
    }
}

static void processes_start_processes(void)
{
    int depth = 6, code;
    kith_process p = kith_process_start(start_another, KITH_ARG(depth));

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 5);
    PASS(kith_process_close(p));
}

static int join_myself(const void *arg)
{
    kith_process me;

    if (kith_get(*(const kith_queue *)arg, &me) < 0)
        return 1;
    return kith_process_join(me, KITH_FOREVER) == KITH_EINVAL ? 33 : 34;
}

static void a_process_cannot_wait_for_itself(void)
{
    kith_queue q = kith_queue_open(0);
    kith_process p = kith_process_start(join_myself, KITH_ARG(q));
    int code;

    PASS(kith_put(q, p));
    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 33);
    PASS(kith_process_close(p));
    PASS(kith_queue_close(q));
}

static void two_hundred_at_once(void)
{
    enum { MANY = 200 };
    kith_process p[MANY];
    int wrong = 0, code;

    for (int i = 0; i < MANY; i++)
        p[i] = kith_process_start(give, KITH_ARG(i));
    for (int i = 0; i < MANY; i++) {
        wrong += kith_process_join(p[i], KITH_FOREVER) != 0;
        wrong += kith_process_exitcode(p[i], &code) != 0 || code != i;
        wrong += kith_process_close(p[i]) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static int spawn_and_die(const void *arg)
{
    (void)arg;
    shared[1] = 0;
    if (fork() == 0) {
        setsid();
        shared[1] = (int)getpid();
        for (;;)
            pause();
    }
    while (__atomic_load_n(&shared[1], __ATOMIC_SEQ_CST) == 0)
        usleep(1000);
    raise(SIGKILL);
    return 0;
}

static void children_of_a_dead_process_are_ended(void)
{
    kith_process p = kith_process_start(spawn_and_die, NULL, 0);

    int code;

    PASS(kith_process_join(p, KITH_FOREVER));
    PASS(kith_process_exitcode(p, &code));
    for (int i = 0; i < SOON && kill(shared[1], 0) == 0; i++)
        usleep(1000);
    CU_ASSERT(kill(shared[1], 0) == -1 && errno == ESRCH);
    PASS(kith_process_close(p));
}

static int draw(const void *arg)
{
    (void)arg;
    __atomic_store_n((uint64_t *)(void *)&shared[2], kith_random(), __ATOMIC_SEQ_CST);
    shared[6] = rand();
    return 0;
}

static void every_process_draws_its_own_numbers(void)
{
    uint64_t seen[4];
    int libc[4];

    for (int i = 0; i < 4; i++) {
        kith_process p = kith_process_start(draw, NULL, 0);

        PASS(kith_process_join(p, KITH_FOREVER));
        seen[i] = *(uint64_t *)(void *)&shared[2];
        libc[i] = shared[6];
        for (int k = 0; k < i; k++)
            CU_ASSERT(seen[i] != seen[k] && libc[i] != libc[k]);
        PASS(kith_process_close(p));
    }
}

static void wrong_use_is_a_sentence(void)
{
    kith_process none = { 0 };
    kith_queue q = kith_queue_open(0);
    kith_process other = { q.id };
    kith_target *data;
    int code;

    memcpy(&data, &shared, sizeof data);

    FAILS_WITH(KITH_ESTALE, kith_process_join(none, 0));
    FAILS_WITH(KITH_ETYPE, kith_process_exitcode(other, &code));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_process_start(NULL, NULL, 0)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_process_start(give, NULL, 4)));
    FAILS_WITH(KITH_EINVAL, kith_check(kith_process_start_with(give, NULL, 0, .node = 100)));
    FAILS_WITH(KITH_EFUNC, kith_check(kith_process_start(data, NULL, 0)));
    FAILS_WITH(KITH_ENOMEM, kith_check(kith_process_start(give, &code, SIZE_MAX)));
    FAILS_WITH(KITH_EINVAL, kith_process_join(none, -2));
    PASS(kith_queue_close(q));
}

static struct test tests[] = {
    TEST(exit_codes_are_those_of_python),
    TEST(join_keeps_its_time_limit),
    TEST(a_process_can_be_ended_before_it_runs),
    TEST(a_process_sees_what_was_before_init),
    TEST(arguments_of_any_size_arrive),
    TEST(what_is_left_in_streams_is_written),
    TEST(processes_start_processes),
    TEST(a_process_cannot_wait_for_itself),
    TEST(two_hundred_at_once),
    TEST(children_of_a_dead_process_are_ended),
    TEST(every_process_draws_its_own_numbers),
    TEST(wrong_use_is_a_sentence),
    TEST_END,
};

int main(int argc, char **argv)
{
    int rc;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    kith_init(&argc, &argv);
    kith_on_fault(NULL);
    rc = run_tests("process", tests);
    return kith_finalize() ? 1 : rc;
}
