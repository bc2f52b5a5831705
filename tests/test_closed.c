/* test_closed.c: programs that close all descriptors from 3 on, as daemons do, and then have files of their
 * own under those numbers. kith goes on working, and neither reads, writes nor closes any of them. */
#include "config.h"
#include "anyjob.h"
#include "base/module.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { BYTES = 65536, MOST = 2048, MORE = 64 };
enum kind { A_FILE, A_STREAM, AN_EVENTFD, KINDS };

/* What stands under each number that was open, and under those that are given next. */
static struct {
    int fds[KINDS], other_end;
    ino_t ino;
    int numbers[MOST + MORE], count;
} mine;

static void find_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    REQUIRE(dir != NULL);
    for (mine.count = 0; (entry = readdir(dir)) && mine.count < MOST;)
        if (atoi(entry->d_name) > STDERR_FILENO && atoi(entry->d_name) != dirfd(dir))
            mine.numbers[mine.count++] = atoi(entry->d_name);
    closedir(dir);
    for (int i = 0; i < mine.count; i++)
        close(mine.numbers[i]);
}

static void make_ours(void)
{
    static char bytes[BYTES];
    char path[] = "/tmp/kith-closed-XXXXXX";
    int ends[2];

    memset(bytes, 'x', sizeof bytes);
    REQUIRE((mine.fds[A_FILE] = mkstemp(path)) >= 0 && unlink(path) == 0);
    REQUIRE(write(mine.fds[A_FILE], bytes, sizeof bytes) == sizeof bytes &&
            lseek(mine.fds[A_FILE], 100, SEEK_SET) == 100);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    mine.fds[A_STREAM] = ends[0];
    mine.other_end = ends[1];
    REQUIRE((mine.fds[AN_EVENTFD] = eventfd(0, EFD_NONBLOCK)) >= 0);
}

static int is_one(int fd)
{
    return fd == mine.fds[A_FILE] || fd == mine.fds[A_STREAM] || fd == mine.fds[AN_EVENTFD] ||
           fd == mine.other_end;
}

/* Closes all, and puts the program's own in their places. */
static void take_all(enum kind kind)
{
    struct stat st;

    find_open();
    make_ours();
    for (int fd = STDERR_FILENO + 1; fd < MORE; fd++)
        mine.numbers[mine.count++] = fd;
    for (int i = 0; i < mine.count; i++)
        REQUIRE(is_one(mine.numbers[i]) || dup2(mine.fds[kind], mine.numbers[i]) >= 0);
    REQUIRE(fstat(mine.fds[kind], &st) == 0);
    mine.ino = st.st_ino;
}

static int are_open(void)
{
    struct stat st;

    for (int i = 0; i < mine.count; i++)
        if (!is_one(mine.numbers[i]) && (fstat(mine.numbers[i], &st) < 0 || st.st_ino != mine.ino))
            return 0;
    return 1;
}

static int is_untouched(void)
{
    char bytes[BYTES + 1];
    uint64_t times;

    if (!are_open() || lseek(mine.fds[A_FILE], 0, SEEK_CUR) != 100 ||
        pread(mine.fds[A_FILE], bytes, sizeof bytes, 0) != BYTES)
        return 0;
    for (int i = 0; i < BYTES; i++)
        if (bytes[i] != 'x')
            return 0;
    return recv(mine.other_end, bytes, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN &&
           read(mine.fds[AN_EVENTFD], &times, sizeof times) < 0;
}

/* The files of shared memory grow all the same. */
static int grows(void)
{
    enum { LARGE = 24 << 20, MANY = 300 };
    kith_queue queues[MANY];
    char *blocks[2];
    int ok = 1;

    for (int i = 0; i < 2; i++) {
        if (!(blocks[i] = kith_alloc(LARGE)))
            return 0;
        memset(blocks[i], i + 1, LARGE);
    }
    for (int i = 0; i < MANY; i++)
        ok = ok && kith_check(queues[i] = kith_queue_open(0)) == 0 && kith_put(queues[i], i) == 0;
    for (int i = 0; ok && i < MANY; i++)
        ok = kith_queue_close(queues[i]) == 0;
    ok = ok && blocks[0][LARGE - 1] == 1 && blocks[1][0] == 2;
    return ok && kith_free(blocks[0]) == 0 && kith_free(blocks[1]) == 0;
}

/* ---- what closes them */

static enum kind wanted;

static void work_after_closing(void)
{
    alarm((unsigned)(SOON / 1000 * slowdown()));
    begin();
    take_all(wanted);
    work(successor);
    REQUIRE(grows());
    REQUIRE(is_untouched());
    take_all(wanted);
    work(successor);
    REQUIRE(kith_finalize() == 0);
    REQUIRE(is_untouched());
}

static void work_after_closing_only(void)
{
    alarm((unsigned)(SOON / 1000 * slowdown()));
    begin();
    for (int fd = 3; fd < MOST; fd++)
        close(fd);
    work(successor);
    REQUIRE(grows());
    REQUIRE(kith_finalize() == 0);
}

/* A task that does so, and uses kith then: a queue, a call of its own, memory, a Process. */
static int close_in_task(int x)
{
    int in[2] = { x, x + 1 }, out[2], one = 0;
    kith_queue q = kith_queue_open(0);
    kith_process p;
    kith_pool pool;

    take_all((enum kind)(x % KINDS));
    pool = kith_pool_open(2);
    if (kith_map(pool, successor, in, out, 2) != 0 || out[1] != x + 2 || kith_pool_close(pool) != 0)
        return -1;
    p = kith_process_start(put_1, KITH_ARG(q));
    if (kith_get(q, &one) != 0 || one != 1 || kith_put(q, x) != 0 || kith_get(q, &one) != 0 || one != x ||
        kith_process_join(p, KITH_FOREVER) != 0 || kith_queue_close(q) != 0)
        return -2;
    if (!grows())
        return -3;
    return is_untouched() ? x + 1 : -4;
}

static int close_in_process(const void *arg)
{
    const kith_queue *q = arg;
    int done = close_in_task(1);

    for (int i = 0; i < 100; i++)
        if (kith_put(*q, i) != 0)
            return 2;
    return done == 2 && is_untouched() ? 0 : 1;
}

static void work_with_members_that_close(void)
{
    kith_pool pool;
    kith_process p;
    kith_queue q;
    int code = -1, x;

    alarm((unsigned)(SOON / 1000 * slowdown()));
    begin();
    pool = kith_pool_open(2);
    REQUIRE(map_is_right(pool, close_in_task, 6) && map_is_right(pool, successor, 64));
    q = kith_queue_open(0);
    p = kith_process_start(close_in_process, KITH_ARG(q));
    for (int i = 0; i < 100; i++)
        REQUIRE(kith_get(q, &x) == 0 && x == i);
    REQUIRE(kith_process_join(p, KITH_FOREVER) == 0 && kith_process_exitcode(p, &code) == 0 && code == 0);
    REQUIRE(kith_pool_close(pool) == 0 && kith_finalize() == 0);
}

static void run_all(void)
{
    CU_ASSERT_EQUAL(check_fork(work_after_closing_only), 0);
    for (wanted = 0; wanted < KINDS; wanted++)
        CU_ASSERT_EQUAL(check_fork(work_after_closing), 0);
    CU_ASSERT_EQUAL(check_fork(work_with_members_that_close), 0);
}

static void nothing_is_lost_on_a_node(void)
{
    run_all();
}

static void nothing_is_lost_through_the_network(void)
{
    void *module = kith__module("net");

    if (!module || !dlsym(module, "kith_net_transport"))
        SKIP("kith was built for one node only");
    setenv("KITH_TRANSPORT", "net", 1);
    run_all();
    unsetenv("KITH_TRANSPORT");
}

int main(void)
{
    static struct test tests[] = { TEST(nothing_is_lost_on_a_node), TEST(nothing_is_lost_through_the_network),
                                   TEST_END };

    return run_tests("closed", tests);
}
