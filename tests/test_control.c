/* test_control.c: the lines between nodes, as two ranks make them, while strangers come to the same port. */
#include "config.h"
#include "check.h"
#include "start/control.h"
#include "base/system.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { STRANGERS = 20 };

/* As rank 0 tells it: what control.c calls an offer. */
struct offer {
    int32_t count;
    struct kith__address addresses[KITH__ADDRESSES];
};

static int from_rank_0[2], to_rank_1[2], is_rank_0;

static int whole(ssize_t done, size_t size)
{
    return done == (ssize_t)size ? 0 : -1;
}

static int bcast(void *data, size_t size)
{
    return whole(is_rank_0 ? write(from_rank_0[1], data, size) : read(to_rank_1[0], data, size), size);
}

static const struct kith__mpi mpi = { .title = "a test", .bcast = bcast };

static int be_rank(int rank)
{
    struct kith__record records[2];
    struct kith__rendezvous m = { .mpi = &mpi,
                                  .rank = rank,
                                  .size = 2,
                                  .records = records,
                                  .leader = (int[]){ 0, 1 },
                                  .up = { .fd = -1 } };

    is_rank_0 = rank == 0;
    memset(records, 0, sizeof records);
    memset(records[1].secret, 7, 16);
    memset(records[1].secret + 16, 8, 16);
    if (kith__control_connect(&m) < 0) {
        fprintf(stderr, "rank %d: %s\n", rank, kith_last_error());
        return 1;
    }
    return rank == 0 ? m.downs != 1 : m.up.fd < 0;
}

static pid_t start_rank(int rank)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(be_rank(rank));
    return pid;
}

static int come(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Two ranks have begun; what rank 0 tells. */
static void begin(pid_t pid[2], struct offer *o)
{
    CU_ASSERT_FATAL(pipe(from_rank_0) == 0 && pipe(to_rank_1) == 0);
    pid[0] = start_rank(0);
    pid[1] = start_rank(1);
    CU_ASSERT_FATAL(read(from_rank_0[0], o, sizeof *o) == sizeof *o && o->count > 0);
}

/* Rank 1 hears it, but for one address. */
static void pass_on(struct offer *o)
{
    uint16_t port = o->addresses[0].ports[0];

    kith__net_loopback(&o->addresses[0]);
    o->addresses[0].ports[0] = port;
    o->count = 1;
    CU_ASSERT_FATAL(write(to_rank_1[1], o, sizeof *o) == sizeof *o);
}

static void end(const pid_t pid[2])
{
    int status;

    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(waitpid(pid[i], &status, 0), pid[i]);
        CU_ASSERT_EQUAL(status, 0);
        close(from_rank_0[i]);
        close(to_rank_1[i]);
    }
}

/* Some say nothing, some a little, some what makes no sense, some go at once. */
static void strangers_at_the_port_hold_nobody_up(void)
{
    static const char noise[sizeof(struct kith__note)] = "GET / HTTP/1.0";
    int64_t since = kith__now_ns();
    int fds[STRANGERS];
    struct offer o;
    pid_t pid[2];

    begin(pid, &o);
    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = come(o.addresses[0].ports[0]);
        if (i % 4 == 1)
            CU_ASSERT_EQUAL(write(fds[i], noise, 1), 1);
        if (i % 4 == 2)
            CU_ASSERT_EQUAL(write(fds[i], noise, sizeof noise), sizeof noise);
        if (i % 4 == 3)
            close(fds[i]);
    }
    pass_on(&o);
    end(pid);
    CU_ASSERT(kith__now_ns() - since < 20000 * KITH__MS);
    for (int i = 0; i < STRANGERS; i++)
        if (i % 4 != 3)
            close(fds[i]);
}

/* Its machine may be busy, or stand still. */
static void rank_0_may_be_late(void)
{
    struct offer o;
    pid_t pid[2];

    begin(pid, &o);
    kill(pid[0], SIGSTOP);
    pass_on(&o);
    usleep(3000000);
    kill(pid[0], SIGCONT);
    end(pid);
}

static struct test tests[] = {
    TEST(strangers_at_the_port_hold_nobody_up),
    TEST(rank_0_may_be_late),
    TEST_END,
};

int main(void)
{
    return run_tests("control", tests);
}
