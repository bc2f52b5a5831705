/* test_scarce.c: jobs for which the system has no more: descriptors, processes, memory. */
#include "config.h"
#include "anyjob.h"
#include "member/members.h"
#include "base/system.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

#if defined __SANITIZE_THREAD__
#define HAS_OTHER_THREADS 1
#else
#define HAS_OTHER_THREADS 0
#endif

static uid_t nobody; /* users from here on have no other processes, not even of another run of this test */

static int talkative(int x)
{
    printf("a line that must not go into a file of kith's %d\n", x);
    fprintf(stderr, "nor this one %d\n", x);
    return x + 1;
}

/* ---- descriptors */

static unsigned closed; /* bits 0 to 2 */

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

static rlim_t descriptors;

/* It fails as a whole, and can be called again. */
static void begin_twice(void)
{
    struct rlimit limit, few;
    int rc;

    alarm(check_rest());
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    few = (struct rlimit){ descriptors, limit.rlim_max };
    kith_on_fault(NULL);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    rc = kith_init(NULL, NULL);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (rc == 0)
        _exit(3);
    REQUIRE(rc == KITH_ENOMEM && strlen(kith_last_error()) > 20);
    REQUIRE(!kith_alloc(1) && kith_check(kith_queue_open(0)) == KITH_ENOTINIT &&
            strstr(kith_last_error(), "before kith_init"));
    begin();
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

static void an_init_that_fails_can_be_called_again(void)
{
    int failed = 0, rc = 0;

    for (descriptors = 3; descriptors < 100 && rc == 0; descriptors++) {
        rc = check_fork(begin_twice);
        CU_ASSERT(rc == 0 || rc == 3);
        failed += rc == 0;
    }
    CU_ASSERT(failed >= 2);
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

    become_nobody(0, 4); /* head, watchdog, fork server, one more */
    begin();
    pool = kith_pool_open(4);
    REQUIRE(map_is_right(pool, successor, 64));
    p = kith_process_start(give_7, NULL, 0);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == KITH_ENOMEM && strstr(kith_last_error(), "ulimit -u"));
    REQUIRE(kith_process_exitcode(p, &code) == 0 && code == 127 && kith_process_alive(p) == 0);
    REQUIRE(map_is_right(pool, successor, 64));
    REQUIRE(kith_pool_close(pool) == 0);
    p = kith_process_start(give_7, NULL, 0); /* in the worker's place */
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

struct big {
    char bytes[1 << 20];
};

static int copy_big(const void *in, void *out)
{
    memcpy(out, in, sizeof(struct big));
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
    REQUIRE(kith_map(pool, copy_big, in, out, 8) == KITH_ENOMEM);
    REQUIRE(kith_sum(pool, length, context, sizeof context, 1000000, &sum) == KITH_ENOMEM);
    REQUIRE(kith_queue_put(q, in, sizeof in, KITH_FOREVER) == KITH_ENOMEM && kith_queue_size(q) == 1);
    REQUIRE(kith_check(kith_process_start(give_7, context, sizeof context)) == KITH_ENOMEM);
    REQUIRE(kith_check(kith_pool_open(64)) == KITH_ENOMEM && strstr(kith_last_error(), "KITH_MEM"));
    for (int i = 0; i < 64; i++)
        y[i] = -1;
    for (int i = 0; kith_map(pool, odd_fails, x, y, 64) != KITH_ETASK || !strstr(kith_last_error(), "32");
         i++) {
        REQUIRE(i < 20000);
        usleep(1000);
    }
    for (int i = 0; i < 64; i++) /* also the output of those whose fault could not be told is as it was */
        REQUIRE(y[i] == (i % 2 ? -1 : i));
    /* A call takes another place in the pool while a worker still looks at the last one's, and there it needs
     * memory. */
    for (int i = 0; !map_is_right(pool, successor, 64); i++) {
        REQUIRE(i < 20000);
        usleep(1000);
    }
    while (n > 0)
        kith_free(blocks[--n]);
    REQUIRE(kith_map(pool, copy_big, in, out, 8) == 0 && memcmp(in, out, sizeof in) == 0);
    REQUIRE(kith_sum(pool, length, context, sizeof context, 1000000, &sum) == 0 && sum == 1e6);
    REQUIRE(kith_queue_put(q, in, sizeof in, KITH_FOREVER) == 0 && kith_queue_size(q) == 2);
    REQUIRE(kith_map(pool, odd_fails, x, y, 64) == KITH_ETASK && kith_last_fault(&fault, 31) == 0);
    work(successor);
    REQUIRE(kith_finalize() == 0);
}

struct block {
    char bytes[8 << 20];
};

static int copy_block(const void *in, void *out)
{
    memcpy(out, in, sizeof(struct block));
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
    REQUIRE(kith_map(pool, copy_block, in, out, BLOCKS) == 0 && memcmp(in, out, BLOCKS * sizeof *in) == 0);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void memory_that_was_used_up_serves_again(void)
{
    CU_ASSERT_EQUAL(check_fork(work_without_memory), 0);
    CU_ASSERT_EQUAL(check_fork(map_through_a_narrow_ring), 0);
}

/* Each object is a page, and they can take all of KITH_MEM. */
static void open_too_many_objects(void)
{
    static kith_sem sems[20000];
    int n = 0;

    setenv("KITH_MEM", "64M", 1);
    begin();
    while (n < 20000 && kith_check(sems[n] = kith_sem_open(1)) == 0)
        n++;
    REQUIRE(n >= 14000 && n < 20000 && kith_check(sems[n]) == KITH_ENOMEM);
    REQUIRE(strstr(kith_last_error(), "KITH_MEM"));
    while (n > 0)
        REQUIRE(kith_sem_close(sems[--n]) == 0);
    REQUIRE(kith_check(kith_sem_open(1)) == 0); /* slots keep their page */
    REQUIRE(kith_finalize() == 0);
}

static void objects_can_take_all_of_the_limit(void)
{
    CU_ASSERT_EQUAL(check_fork(open_too_many_objects), 0);
}

/* ---- no more seats: those of all threads that wait */

static int prepare_slowly(const void *arg)
{
    (void)arg;
    usleep(20000);
    return 0;
}

/* In a thread that came after all seats were taken. */
static void *work_without_seat(void *arg)
{
    kith_pool pool = kith_pool_open_with(2, .init = prepare_slowly);
    kith_queue q = kith_queue_open(1);
    kith_process p = kith_process_start(put_1, KITH_ARG(q));
    int x = 0;

    (void)arg;
    REQUIRE(kith_check(pool) == 0 && map_is_right(pool, successor, 64));
    REQUIRE(kith_get(q, &x) == 0 && x == 1 && kith_process_join(p, KITH_FOREVER) == 0);
    REQUIRE(kith_put(q, x) == 0 && kith_queue_put(q, &x, sizeof x, 30) == KITH_ETIMEDOUT);
    REQUIRE(kith_pool_close(pool) == 0 && kith_queue_close(q) == 0);
    return NULL;
}

static void work_without_seats(void)
{
    pthread_t thread;

    begin();
    work(successor);
    for (int i = 0; i < KITH__SEATS; i++) {
        uint32_t none = 0;

        REQUIRE(kith__arena_back_tables(kith__offset(&kith__shared->seats[i]),
                                        sizeof kith__shared->seats[i]) == 0);
        atomic_compare_exchange_strong(&kith__shared->seats[i].member, &none, kith__me);
    }
    atomic_store(&kith__shared->seats_used, KITH__SEATS);
    REQUIRE(pthread_create(&thread, NULL, work_without_seat, NULL) == 0 && pthread_join(thread, NULL) == 0);
    REQUIRE(kith_finalize() == 0);
}

static void threads_beyond_all_seats_wait_as_well(void)
{
    CU_ASSERT_EQUAL(check_fork(work_without_seats), 0);
}

static struct test tests[] = {
    TEST(closed_standard_descriptors_stay_free_of_ours),
    TEST(twenty_four_descriptors_are_enough),
    TEST(too_few_descriptors_are_a_sentence),
    TEST(an_init_that_fails_can_be_called_again),
    TEST(no_descriptor_is_left),
    TEST(a_pool_goes_on_with_the_workers_that_it_gets),
    TEST(a_pool_without_any_worker_is_a_sentence),
    TEST(memory_that_was_used_up_serves_again),
    TEST(objects_can_take_all_of_the_limit),
    TEST(threads_beyond_all_seats_wait_as_well),
    TEST_END,
};

int main(void)
{
    nobody = 60000 + (uid_t)(kith__now_ns() / 1000 % 1200) * 4;
    return run_tests("scarce", tests);
}
