/* test_process.c: Processes as users see them. */
#include "config.h"
#include "steps.h"
#include "used.h"
#include "object/process.h"
#include "shm/heap.h"

#include <dirent.h>
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

static int double_it(const void *in, void *out)
{
    *(int *)out = *(const int *)in * 2;
    return 0;
}

static int sums_to(kith_pool pool, int n)
{
    int in[100], out[100] = { 0 }, sum = 0;

    for (int i = 0; i < n; i++)
        in[i] = i;
    if (kith_map(pool, double_it, in, out, (size_t)n) < 0)
        return -1;
    for (int i = 0; i < n; i++)
        sum += out[i];
    return sum;
}

/* A pool of its own, one that it was given, and a Process that was started by a Process and has a pool, too.
 */
static int use_pools(const void *arg)
{
    const kith_pool *given = arg;
    kith_pool own = kith_pool_open(2), none = { 0 };
    kith_process p;
    int code = -1;

    if (sums_to(own, 100) != 9900 || kith_pool_close(own) < 0)
        return 1;
    if (given->id == 0)
        return 0;
    if (sums_to(*given, 50) != 2450)
        return 2;
    p = kith_process_start(use_pools, KITH_ARG(none));
    if (kith_process_join(p, KITH_FOREVER) < 0 || kith_process_exitcode(p, &code) < 0 || code != 0)
        return 3;
    return kith_process_close(p) < 0;
}

static void processes_use_pools(void)
{
    kith_pool pool = kith_pool_open(2);
    kith_process p = kith_process_start_with(use_pools, KITH_ARG(pool), .node = KITH_HERE);
    int code = -1;

    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 0);
    PASS(kith_process_close(p));
    CU_ASSERT_EQUAL(sums_to(pool, 100), 9900);
    PASS(kith_pool_close(pool));
}

static int start_from_task(const void *in, void *out)
{
    kith_process p = kith_process_start(give, in, sizeof(int)), list[2];
    int code = -1, none = kith_self().id == 0 && kith_parent().id == 0;

    if (kith_processes(list, 2) < 0 || kith_process_join(p, KITH_FOREVER) < 0 ||
        kith_process_exitcode(p, &code) < 0 || kith_process_close(p) < 0)
        return 1;
    *(int *)out = code + none;
    return 0;
}

static void tasks_start_processes(void)
{
    kith_pool pool = kith_pool_open(2);
    int in[4] = { 10, 20, 30, 40 }, out[4] = { 0 };

    PASS(kith_map(pool, start_from_task, in, out, 4));
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(out[i], in[i] + 1);
    PASS(kith_pool_close(pool));
}

/* What a Process knows of itself and of who has started it. */
struct kin {
    kith_process self, parent;
    char name[64], parent_name[64];
    int pid, parent_pid, children, alive;
};

static int tell_kin(const void *arg)
{
    const kith_queue *q = arg;
    struct kin kin = { .self = kith_self(), .parent = kith_parent() };
    kith_process list[4];

    snprintf(kin.name, sizeof kin.name, "%s", kith_name());
    kith_process_name(kin.parent, kin.parent_name, sizeof kin.parent_name);
    kin.pid = (int)getpid();
    kin.parent_pid = kith_process_pid(kin.parent);
    kin.children = kith_processes(list, 4);
    kin.alive = kith_process_alive(kin.parent);
    return kith_put(*q, kin) < 0;
}

static int tell_kin_of_child(const void *arg)
{
    kith_process p = kith_process_start_with(tell_kin, arg, sizeof(kith_queue), .name = "grandchild");

    return tell_kin(arg) + (kith_process_join(p, KITH_FOREVER) < 0);
}

static void processes_know_who_they_are(void)
{
    kith_queue q = kith_queue_open(0);
    kith_process p = kith_process_start_with(tell_kin, KITH_ARG(q), .name = "child");
    struct kin kin;
    char name[64];

    PASS(kith_get(q, &kin));
    CU_ASSERT(kin.self.id == p.id && kin.parent.id == kith_self().id);
    CU_ASSERT_STRING_EQUAL(kin.name, "child");
    CU_ASSERT_STRING_EQUAL(kin.parent_name, "main");
    CU_ASSERT(kin.parent_pid == (int)getpid() && kin.pid == kith_process_pid(p));
    CU_ASSERT(kin.alive == 1 && kin.children == 0);
    PASS(kith_process_join(p, SOON));
    PASS(kith_process_name(p, name, sizeof name)); /* also afterwards */
    CU_ASSERT_STRING_EQUAL(name, "child");
    PASS(kith_process_name(p, name, 3));
    CU_ASSERT_STRING_EQUAL(name, "ch");
    PASS(kith_process_close(p));
    FAILS_WITH(KITH_ESTALE, kith_process_name(p, name, sizeof name));
    PASS(kith_queue_close(q));
}

static void a_parent_may_be_a_process(void)
{
    kith_queue q = kith_queue_open(0);
    kith_process p = kith_process_start_with(tell_kin_of_child, KITH_ARG(q), .name = "child");
    int parents = 0;
    struct kin kin;

    for (int i = 0; i < 2; i++) {
        PASS(kith_get(q, &kin));
        if (strcmp(kin.name, "grandchild") == 0)
            parents += kin.parent.id == p.id && strcmp(kin.parent_name, "child") == 0;
        else
            parents += kin.parent.id == kith_self().id;
    }
    CU_ASSERT_EQUAL(parents, 2);
    PASS(kith_process_join(p, SOON));
    PASS(kith_process_close(p));
    PASS(kith_queue_close(q));
}

static void main_is_no_process(void)
{
    kith_process me = kith_self();
    char name[8];
    int code;

    PASS(kith_check(me));
    CU_ASSERT_EQUAL(kith_process_pid(me), getpid());
    PASS(kith_process_name(me, name, sizeof name));
    CU_ASSERT_STRING_EQUAL(name, "main");
    CU_ASSERT_STRING_EQUAL(kith_name(), "main");
    CU_ASSERT(kith_parent().id == 0 && kith_self().id == me.id);
    CU_ASSERT_EQUAL(kith_process_alive(me), 1);
    FAILS_WITH(KITH_ERUNNING, kith_process_exitcode(me, &code));
    FAILS_WITH(KITH_EINVAL, kith_process_join(me, 0));
    FAILS_WITH(KITH_EINVAL, kith_process_terminate(me));
    FAILS_WITH(KITH_EINVAL, kith_process_kill(me));
}

static int join_main(const void *arg)
{
    (void)arg;
    return kith_process_join(kith_parent(), KITH_FOREVER) == KITH_EINVAL ? 33 : 34;
}

static void nobody_waits_for_main(void)
{
    kith_process p = kith_process_start(join_main, NULL, 0);
    int code;

    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 33);
    PASS(kith_process_close(p));
}

static int has(const kith_process *list, int count, kith_process p)
{
    for (int i = 0; i < count; i++)
        if (list[i].id == p.id)
            return 1;
    return 0;
}

static void running_processes_are_listed(void)
{
    kith_process p[3], list[3] = { { 0 } };

    CU_ASSERT_EQUAL(kith_processes(list, 3), 0);
    for (int i = 0; i < 3; i++)
        p[i] = kith_process_start(sleep_long, NULL, 0);
    CU_ASSERT_EQUAL(kith_processes(list, 3), 3);
    for (int i = 0; i < 3; i++)
        CU_ASSERT(has(list, 3, p[i]));
    CU_ASSERT_EQUAL(kith_processes(NULL, 0), 3);
    PASS(kith_process_kill(p[1]));
    PASS(kith_process_join(p[1], SOON));
    CU_ASSERT_EQUAL(kith_processes(list, 1), 2);
    CU_ASSERT_EQUAL(kith_processes(list, 3), 2);
    CU_ASSERT(has(list, 2, p[0]) && !has(list, 2, p[1]) && has(list, 2, p[2]));
    for (int i = 0; i < 3; i++) {
        PASS(kith_process_kill(p[i]));
        PASS(kith_process_join(p[i], SOON));
        PASS(kith_process_close(p[i]));
    }
    CU_ASSERT_EQUAL(kith_processes(NULL, 0), 0);
    FAILS_WITH(KITH_EINVAL, kith_processes(NULL, 1));
}

static int leave_a_sleeper(const void *arg)
{
    (void)arg;
    return kith_check(kith_process_start(sleep_long, NULL, 0)) < 0;
}

/* It would keep kith_finalize waiting for ever. */
static void what_a_daemon_starts_is_a_daemon(void)
{
    kith_process p = kith_process_start_with(leave_a_sleeper, NULL, 0, .daemon = 1);
    int code;

    PASS(kith_process_join(p, SOON));
    PASS(kith_process_exitcode(p, &code));
    CU_ASSERT_EQUAL(code, 0);
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

/* How many descriptors it has. */
static int count_descriptors(const void *arg)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    (void)arg;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void descriptors_are_not_more_the_more_processes_run(void)
{
    enum { RUNNING = 20 };
    kith_process running[RUNNING], p[2];
    int counts[2];

    for (int k = 0; k < 2; k++) {
        p[k] = kith_process_start(count_descriptors, NULL, 0);
        PASS(kith_process_join(p[k], KITH_FOREVER));
        PASS(kith_process_exitcode(p[k], &counts[k]));
        PASS(kith_process_close(p[k]));
        for (int i = 0; i < RUNNING && k == 0; i++)
            running[i] = kith_process_start(sleep_long, NULL, 0);
    }
    CU_ASSERT(counts[0] > 3 && counts[1] == counts[0]);
    for (int i = 0; i < RUNNING; i++) {
        PASS(kith_process_kill(running[i]));
        PASS(kith_process_join(running[i], KITH_FOREVER));
        PASS(kith_process_exitcode(running[i], &counts[0]));
        PASS(kith_process_close(running[i]));
    }
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

enum { BEGUN = 10, OVER, RELEASED };

/* Counts itself; ends when it is released, or ended by a signal. */
static int counts_itself(const void *arg)
{
    (void)arg;
    __atomic_add_fetch(&shared[BEGUN], 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&shared[RELEASED], __ATOMIC_SEQ_CST))
        usleep(500);
    __atomic_add_fetch(&shared[OVER], 1, __ATOMIC_SEQ_CST);
    return 5;
}

static void starts_and_joins(const void *arg)
{
    kith_process list[2], p = kith_process_start_with(counts_itself, arg, 3000, .node = KITH_HERE);
    int code;

    kith_process_alive(p);
    kith_process_join(p, 1);
    kith_processes(list, 2);
    __atomic_store_n(&shared[RELEASED], 1, __ATOMIC_SEQ_CST);
    kith_process_join(p, KITH_FOREVER);
    kith_process_exitcode(p, &code);
    kith_process_close(p);
}

static int dies_on_the_way(const void *arg)
{
    die_on_the_way_or_waiting(*(const int *)arg, starts_and_joins, arg);
    return 0;
}

static void count_process(struct kith__object *o, void *counts)
{
    ++((int *)counts)[atomic_load(&kith__process_body(o)->state) == 2];
}

/* Process objects that have not ended, or that have. */
static int count_processes(int ended)
{
    int counts[2] = { 0, 0 };

    kith__objects_each(KITH__PROCESS_KIND, count_process, counts);
    return counts[ended];
}

/* What it was about to start runs once, to its end, or never. */
static void whoever_dies_at_any_step_has_started_one_or_none(void)
{
    struct {
        int step;
        char rest[3000];
    } d = { 0, { 0 } };
    int code, members = count_members(), running = count_processes(0), ended = count_processes(1);

    AT_EACH_STEP(d.step, code) {
        shared[BEGUN] = shared[OVER] = shared[RELEASED] = 0;
        code = end_at_step(kith_process_start_with(dies_on_the_way, KITH_ARG(d), .node = KITH_HERE));
        __atomic_store_n(&shared[RELEASED], 1, __ATOMIC_SEQ_CST);
        /* Less when some of the tests before were still being swept. */
        AWAIT(count_members() <= members && count_processes(0) <= running);
        CU_ASSERT(shared[BEGUN] <= 1 && shared[OVER] == shared[BEGUN]);
        CU_ASSERT(code != 0 || shared[OVER] == 1);
        /* Nobody has the handle any more of one whose starter was killed: as with any object. */
        CU_ASSERT(count_processes(1) - ended <= shared[OVER]);
        ended = count_processes(1);
    }
    CU_ASSERT(got_through(d.step, code));
    CU_ASSERT_EQUAL(kith__heap_audit(), 0);
}

struct begun {
    int step;
    char rest[USED_MIB];
};

static void starts_one(const void *arg)
{
    kith_process p =
        kith_process_start_with(counts_itself, arg, sizeof(struct begun), .node = KITH_HERE, .daemon = 1);

    kith_process_join(p, KITH_FOREVER);
    kith_process_close(p);
}

static int dies_over_a_start(const void *arg)
{
    const struct begun *b = arg;

    die_on_the_way_or_waiting(b->step, starts_one, b);
    return 0;
}

/* Their entries in the table of members are the next to be taken. */
static void end_two(kith_process p[2])
{
    shared[BEGUN] = shared[RELEASED] = 0;
    for (int i = 0; i < 2; i++)
        p[i] = kith_process_start_with(counts_itself, NULL, 0, .node = KITH_HERE);
    AWAIT(shared[BEGUN] == 2);
    __atomic_store_n(&shared[RELEASED], 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 2; i++)
        PASS(kith_process_join(p[i], KITH_FOREVER));
}

/* Free ones that nobody can take. */
static int count_claimed(void)
{
    int n = 0;

    for (uint32_t i = KITH__FIRST_MEMBER; i <= atomic_load(&kith__shared->members_used); i++)
        n += atomic_load(&kith__member(i)->state) == KITH__FREE && atomic_load(&kith__member(i)->asker) != 0;
    return n;
}

static void whoever_dies_over_a_start_leaves_nothing_and_takes_nothing(void)
{
    static struct begun b;
    int code, last, members = count_members();
    uint64_t before = used_bytes();
    kith_process p[2];

    AT_EACH_STEP(b.step, code) {
        end_two(p);
        code = end_at_step(kith_process_start_with(dies_over_a_start, KITH_ARG(b), .node = KITH_HERE));
        AWAIT(count_members() <= members && count_claimed() == 0);
        CU_ASSERT(are_left(before, 0));
        for (int i = 0; i < 2; i++) {
            PASS(kith_process_exitcode(p[i], &last));
            CU_ASSERT_EQUAL(last, 5);
            PASS(kith_process_close(p[i]));
        }
    }
    CU_ASSERT(got_through(b.step, code));
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
    TEST_LIKE(exit_codes_are_those_of_python,
              "_TestProcess.test_terminate _TestProcess.test_kill _TestSubclassingProcess.test_sys_exit"),
    TEST_LIKE(join_keeps_its_time_limit, "_TestProcess.test_close"),
    TEST_LIKE(a_process_can_be_ended_before_it_runs, "_TestProcess.test_terminate _TestProcess.test_kill"),
    TEST(a_process_sees_what_was_before_init),
    TEST_LIKE(arguments_of_any_size_arrive, "_TestProcess.test_args_argument"),
    TEST_LIKE(what_is_left_in_streams_is_written, "_TestSubclassingProcess.test_stderr_flush"),
    TEST_LIKE(processes_start_processes, "_TestProcess.test_recursion"),
    TEST(processes_use_pools),
    TEST(tasks_start_processes),
    TEST_LIKE(processes_know_who_they_are,
              "_TestProcess.test_current _TestProcess.test_process "
              "_TestProcess.test_parent_process_attributes _TestProcess.test_parent_process"),
    TEST_LIKE(a_parent_may_be_a_process,
              "_TestProcess.test_parent_process_attributes _TestProcess.test_parent_process"),
    TEST_LIKE(main_is_no_process, "_TestProcess.test_current _TestProcess.test_process"),
    TEST(nobody_waits_for_main),
    TEST_LIKE(running_processes_are_listed, "_TestProcess.test_active_children"),
    TEST_LIKE(what_a_daemon_starts_is_a_daemon, "_TestProcess.test_daemon_argument"),
    TEST(a_process_cannot_wait_for_itself),
    TEST_LIKE(two_hundred_at_once, "_TestProcess.test_many_processes"),
    TEST_LIKE(descriptors_are_not_more_the_more_processes_run, "_TestProcess.test_child_fd_inflation"),
    TEST(children_of_a_dead_process_are_ended),
    TEST(whoever_dies_at_any_step_has_started_one_or_none),
    TEST(whoever_dies_over_a_start_leaves_nothing_and_takes_nothing),
    TEST(every_process_draws_its_own_numbers),
    TEST_LIKE(wrong_use_is_a_sentence, "_TestProcess.test_close"),
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
