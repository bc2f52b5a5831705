/* line.c: see line.h. */
#include "config.h"
#include "start/conn.h"
#include "base/system.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SEND_SECONDS = 5, SILENCE_MS = 8000 };

static int64_t left_ms(int64_t until_ns)
{
    int64_t left = until_ns - kith__now_ns();

    return until_ns < 0 ? -1 : left > 0 ? left / KITH__MS + 1 : 0;
}

/* 1: ready; 0: the time is over. */
static int await(int fd, short events, int64_t until_ns)
{
    struct pollfd p = { .fd = fd, .events = events };

    for (;;) {
        int rc = poll(&p, 1, (int)left_ms(until_ns));

        if (rc > 0)
            return 1;
        if (rc == 0 || errno != EINTR)
            return 0;
    }
}

/* Nobody is to wait for ever for one who does not read. */
static void set_patience(int fd)
{
    const struct timeval patience = { .tv_sec = SEND_SECONDS };

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

/* ---- inside a machine */

static socklen_t make_name(struct sockaddr_un *address, uint64_t name)
{
    int length;

    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    length = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "kith-%016llx",
                      (unsigned long long)name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static int give_up(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
    return -1;
}

int kith__conn_listen(uint64_t name)
{
    struct sockaddr_un address;
    socklen_t length = make_name(&address, name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, SOMAXCONN) != 0)
        return give_up(fd);
    return fd;
}

int kith__conn_connect(uint64_t name)
{
    struct sockaddr_un address;
    socklen_t length = make_name(&address, name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, length) != 0)
        return give_up(fd);
    fcntl(fd, F_SETFL, 0);
    set_patience(fd);
    return fd;
}

pid_t kith__conn_peer(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid())
        return 0;
    return peer.pid;
}

/* ---- between machines */

int kith__conn_listen_tcp(uint16_t *port)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
    struct sockaddr_in any4 = { .sin_family = AF_INET };
    struct sockaddr *address = (struct sockaddr *)&any;
    socklen_t size = sizeof any;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), no = 0;

    if (fd >= 0) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    } else { /* a kernel without IPv6 */
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address = (struct sockaddr *)&any4;
        size = sizeof any4;
    }
    if (fd < 0)
        return -1;
    if (bind(fd, address, size) != 0 || listen(fd, SOMAXCONN) != 0 || getsockname(fd, address, &size) != 0)
        return give_up(fd);
    *port = ntohs(address == (struct sockaddr *)&any ? any.sin6_port : any4.sin_port);
    return fd;
}

static int finish_connect(int fd, int64_t until_ns)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (!await(fd, POLLOUT, until_ns))
        error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    errno = error;
    return error ? -1 : 0;
}

int kith__conn_connect_tcp(const struct kith__address *to, int64_t until_ns)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(to->ports[0]) };
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(to->ports[0]) };
    int fd = socket(to->is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

    if (fd < 0)
        return -1;
    memcpy(&six.sin6_addr, to->address, 16);
    memcpy(&four.sin_addr, to->address, 4);
    rc = to->is_v6 ? connect(fd, (struct sockaddr *)&six, sizeof six)
                   : connect(fd, (struct sockaddr *)&four, sizeof four);
    if (rc != 0 && errno != EINPROGRESS)
        return give_up(fd);
    if (rc != 0 && finish_connect(fd, until_ns) != 0)
        return give_up(fd);
    fcntl(fd, F_SETFL, 0);
    set_patience(fd);
    return fd;
}

void kith__conn_keep(int fd)
{
    const int on = 1, idle = 3, interval = 1, probes = 5, silence = SILENCE_MS;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof silence);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- both */

int kith__conn_accept(int listener, int64_t until_ns)
{
    int fd;

    if (!await(listener, POLLIN, until_ns)) {
        errno = ETIMEDOUT;
        return -1;
    }
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        set_patience(fd);
    return fd;
}

union fd_space {
    struct cmsghdr align;
    char room[CMSG_SPACE(KITH__CONN_FDS * sizeof(int))];
};

int kith__conn_send(int fd, const struct kith__note *note, const int *fds, int n_fds)
{
    struct iovec part = { .iov_base = (void *)(uintptr_t)note, .iov_len = sizeof *note };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    union fd_space space;

    if (n_fds > 0) {
        struct cmsghdr *c = &space.align;

        memset(&space, 0, sizeof space);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t)n_fds * sizeof(int));
        message.msg_control = &space;
        message.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
    }
    while (part.iov_len > 0) {
        ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        part.iov_base = (char *)part.iov_base + n;
        part.iov_len -= (size_t)n;
        message.msg_control = NULL;
        message.msg_controllen = 0;
    }
    return 1;
}

static void take_fds(struct msghdr *message, int *fds, int room, int *n)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t bytes = c->cmsg_len - CMSG_LEN(0);
        int got[KITH__CONN_FDS];

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || bytes > sizeof got)
            continue;
        memcpy(got, CMSG_DATA(c), bytes);
        for (size_t i = 0; i < bytes / sizeof(int); i++)
            if (*n < room)
                fds[(*n)++] = got[i];
            else
                close(got[i]);
    }
}

int kith__conn_receive(int fd, struct kith__note *note, int *fds, int *n_fds, int64_t until_ns)
{
    struct iovec part = { .iov_base = note, .iov_len = sizeof *note };
    int room = n_fds ? *n_fds : 0, got = 0;
    union fd_space space;

    if (fd < 0)
        return 0;
    while (part.iov_len > 0) {
        struct msghdr message = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space
        };
        ssize_t n;

        if (!await(fd, POLLIN, until_ns))
            return -1;
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return 0;
        take_fds(&message, fds, room, &got);
        part.iov_base = (char *)part.iov_base + n;
        part.iov_len -= (size_t)n;
    }
    if (n_fds)
        *n_fds = got;
    return 1;
}
