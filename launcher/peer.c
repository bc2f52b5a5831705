/* peer.c: see peer.h. */
#include "config.h"
#include "capture.h"
#include "command.h"
#include "kith.h"
#include "log.h"
#include "peer.h"
#include "base/cgroup.h"
#include "base/env.h"
#include "net/subnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- of this machine */

/* The least of all; UINT64_MAX: there is no limit. */
struct limit {
    const char *file[2]; /* of version 1 and 2 */
    uint64_t value;
};

static void look_at_group(const char *directory, int version, void *arg)
{
    struct limit *l = arg;
    char path[1024];
    unsigned long long value;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", directory, l->file[version - 1]);
    f = fopen(path, "re");
    if (f && fscanf(f, "%llu", &value) == 1 && value < l->value) /* "max" is no number */
        l->value = value;
    if (f)
        fclose(f);
}

static uint64_t memory_left(void)
{
    struct limit l = { { "memory.limit_in_bytes", "memory.max" }, UINT64_MAX };
    FILE *f = fopen("/proc/meminfo", "re");
    unsigned long long kib;
    char line[256];

    kith__cgroups("", "memory", look_at_group, &l);
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu", &kib) == 1 && kib * 1024 < l.value)
            l.value = kib * 1024;
    if (f)
        fclose(f);
    return l.value;
}

static uint64_t limit_of(int resource)
{
    struct rlimit r;

    return getrlimit((unsigned)resource, &r) != 0 || r.rlim_cur == RLIM_INFINITY ? UINT64_MAX : r.rlim_cur;
}

static uint64_t process_limit(void)
{
    struct limit l = { { "pids.max", "pids.max" }, limit_of(RLIMIT_NPROC) };

    if (geteuid() == 0)
        l.value = UINT64_MAX; /* it does not hold for root */
    kith__cgroups("", "pids", look_at_group, &l);
    return l.value;
}

/* 1 when KITH_NET, a list of networks, leaves that address in. */
static int is_wanted(const struct kith__subnet *address)
{
    const char *wish = kith__env(KITH__ENV_NET);
    char list[1024], *save = NULL;
    struct kith__subnet net;

    if (!wish)
        return 1;
    snprintf(list, sizeof list, "%s", wish);
    for (char *at = strtok_r(list, ",", &save); at; at = strtok_r(NULL, ",", &save))
        if (kith__subnet_parse(at, &net) && kith__subnet_has(&net, address->is_v6, address->address))
            return 1;
    return 0;
}

/* As kith chooses them for a job. */
static void tell_addresses(void)
{
    struct ifaddrs *all;
    int told = 0;

    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i && told < PEER_ADDRESSES; i = i->ifa_next) {
        struct kith__subnet net;
        char text[INET6_ADDRSTRLEN];

        if (!kith__subnet_of(i, &net) || !is_wanted(&net) ||
            (!kith__env(KITH__ENV_NET) && !kith__net_is_real("/sys", i->ifa_name)))
            continue;
        printf("address %s\n", inet_ntop(net.is_v6 ? AF_INET6 : AF_INET, net.address, text, sizeof text));
        told++;
    }
    freeifaddrs(all);
}

/* Bytes that this process may write there; 0 also where it may not. */
static uint64_t room_in(const char *directory)
{
    struct statvfs s;

    if (statvfs(directory, &s) != 0 || access(directory, W_OK | X_OK) != 0)
        return 0;
    return (uint64_t)s.f_bavail * s.f_frsize;
}

/* The directory that Open MPI takes for its files, and that by which ranks of a host reach each other. */
static void tell_directories(void)
{
    static const char *const names[] = { "TMPDIR", "TEMP", "TMP" };
    const char *tmp = NULL;

    for (size_t i = 0; i < sizeof names / sizeof names[0] && !tmp; i++)
        tmp = getenv(names[i]);
    if (!tmp)
        tmp = "/tmp";
    printf("tmp %llu %s\n", (unsigned long long)room_in(tmp), tmp);
    printf("shm %llu\n", (unsigned long long)room_in("/dev/shm"));
}

static void tell(void)
{
    printf("cpus %d\n", kith_usable_cpus());
    printf("memory %llu\n", (unsigned long long)memory_left());
    printf("processes %llu\n", (unsigned long long)process_limit());
    printf("files %llu\n", (unsigned long long)limit_of(RLIMIT_NOFILE));
    printf("space %llu\n", (unsigned long long)limit_of(RLIMIT_AS));
    tell_directories();
    tell_addresses();
}

/* ---- to be reached */

static char my_token[PEER_TOKEN + 1];

static void make_token(void)
{
    unsigned char random[PEER_TOKEN / 2] = { 0 };

    if (getrandom(random, sizeof random, 0) != sizeof random)
        return;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(my_token + 2 * i, 3, "%02x", random[i]);
}

static int try_port(int fd, int is_v6, uint16_t port)
{
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };

    return (is_v6 ? bind(fd, (struct sockaddr *)&v6, sizeof v6)
                  : bind(fd, (struct sockaddr *)&v4, sizeof v4)) == 0;
}

/* In KITH_PORTS, as the firewall may have holes only there. */
static int bind_any(int fd, int is_v6)
{
    const char *wish = kith__env(KITH__ENV_PORTS);
    unsigned low = 0, high = 0;

    if (wish && sscanf(wish, "%u-%u", &low, &high) == 1)
        high = low;
    for (unsigned port = low; port <= high && port <= UINT16_MAX; port++)
        if (try_port(fd, is_v6, (uint16_t)port))
            return 1;
    return 0;
}

/* -1: it cannot be. */
static int listen_here(unsigned *port)
{
    struct sockaddr_in6 own = { 0 };
    socklen_t size = sizeof own;
    int no = 0, is_v6 = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        is_v6 = 0; /* there are machines without it */
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    } else
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (fd < 0 || !bind_any(fd, is_v6) || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &size) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = ntohs(own.sin6_port); /* at the same place for both families */
    return fd;
}

static void answer(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, my_token, PEER_TOKEN) < 0)
        errno = 0; /* whoever that was has gone */
    close(fd);
}

/* ---- to reach others */

struct other {
    long index;
    char token[PEER_TOKEN + 1];
    char reached[INET6_ADDRSTRLEN]; /* "": not yet */
    char why[160];                  /* why the last attempt failed */
};

struct attempt {
    struct other *other;
    int fd; /* -1: it is over */
    char address[INET6_ADDRSTRLEN];
    char token[PEER_TOKEN + 1];
    size_t got;
};

static struct other others[PEER_OTHERS];
static struct attempt attempts[PEER_OTHERS * PEER_ADDRESSES];
static int other_count, attempt_count;

static void end_attempt(struct attempt *a, int error)
{
    close(a->fd);
    a->fd = -1;
    if (error == ETIMEDOUT)
        snprintf(a->other->why, sizeof a->other->why, "%s does not answer", a->address);
    else if (error)
        snprintf(a->other->why, sizeof a->other->why, "%s: %s", a->address, strerror(error));
    else if (strcmp(a->token, a->other->token) == 0)
        snprintf(a->other->reached, sizeof a->other->reached, "%s", a->address);
    else
        snprintf(a->other->why, sizeof a->other->why, "%s is another machine's here", a->address);
}

static void begin_attempt(struct other *o, const char *address, unsigned port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    int is_v6 = inet_pton(AF_INET, address, &v4.sin_addr) != 1;
    struct attempt *a = &attempts[attempt_count];

    if (is_v6 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
        return;
    *a = (struct attempt){ .other = o };
    snprintf(a->address, sizeof a->address, "%s", address);
    a->fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->fd < 0)
        return;
    attempt_count++;
    if ((is_v6 ? connect(a->fd, (struct sockaddr *)&v6, sizeof v6)
               : connect(a->fd, (struct sockaddr *)&v4, sizeof v4)) != 0 &&
        errno != EINPROGRESS)
        end_attempt(a, errno);
}

/* "reach INDEX PORT TOKEN ADDRESS..." */
static void read_reach(char *line)
{
    struct other *o = &others[other_count];
    unsigned port;
    char *save = NULL;
    int at = 0;

    if (other_count == PEER_OTHERS ||
        sscanf(line, "reach %ld %u %32s%n", &o->index, &port, o->token, &at) != 3)
        return;
    snprintf(o->why, sizeof o->why, "it has no address");
    other_count++;
    for (char *word = strtok_r(line + at, " ", &save); word; word = strtok_r(NULL, " ", &save))
        if (attempt_count < PEER_OTHERS * PEER_ADDRESSES)
            begin_attempt(o, word, port);
}

static void go_on(struct attempt *a)
{
    ssize_t n = read(a->fd, a->token + a->got, PEER_TOKEN - a->got);

    if (n > 0 && (a->got += (size_t)n) < PEER_TOKEN)
        return;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    end_attempt(a, n < 0 ? errno : 0);
}

static int is_any_under_way(void)
{
    for (int i = 0; i < attempt_count; i++)
        if (attempts[i].fd >= 0 && !*attempts[i].other->reached)
            return 1;
    return 0;
}

static void report(void)
{
    for (int i = 0; i < attempt_count; i++)
        if (attempts[i].fd >= 0)
            end_attempt(&attempts[i], ETIMEDOUT);
    for (int i = 0; i < other_count; i++)
        if (*others[i].reached)
            printf("reached %ld %s\n", others[i].index, others[i].reached);
        else
            printf("unreached %ld %s\n", others[i].index, others[i].why);
    printf("done\n");
    fflush(stdout);
}

/* ---- the conversation */

static char input[16384];
static size_t input_used;

/* 0: stdin has ended. *asked: "go" was read. */
static int read_input(int *asked)
{
    ssize_t n = read(STDIN_FILENO, input + input_used, sizeof input - 1 - input_used);
    char *newline;

    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        return 0;
    input_used += n > 0 ? (size_t)n : 0;
    input[input_used] = '\0';
    while ((newline = strchr(input, '\n'))) {
        *newline = '\0';
        if (strcmp(input, "go") == 0)
            *asked = 1;
        else
            read_reach(input);
        input_used -= (size_t)(newline + 1 - input);
        memmove(input, newline + 1, input_used + 1);
    }
    return 1;
}

static void converse(int listener)
{
    long long end = 0;
    int asked = 0, told = 0;

    for (;;) {
        struct pollfd p[2 + PEER_OTHERS * PEER_ADDRESSES] = { { .fd = STDIN_FILENO, .events = POLLIN },
                                                              { .fd = listener, .events = POLLIN } };
        int was_asked = asked;

        for (int i = 0; i < attempt_count; i++)
            p[2 + i] = (struct pollfd){ .fd = attempts[i].fd, .events = POLLIN };
        if (poll(p, 2 + (nfds_t)attempt_count, asked && !told ? 50 : -1) < 0 && errno != EINTR)
            return;
        if (p[1].revents)
            answer(listener);
        for (int i = 0; i < attempt_count; i++)
            if (attempts[i].fd >= 0 && p[2 + i].revents)
                go_on(&attempts[i]);
        if (p[0].revents && !read_input(&asked))
            return;
        if (asked && !was_asked)
            end = now_ms() + PEER_REACH_MS;
        if (asked && !told && (!is_any_under_way() || now_ms() > end)) {
            report();
            told = 1;
        }
    }
}

static int peer_main(int argc, char **argv)
{
    unsigned port = 0;
    int listener;

    (void)argv;
    if (argc != 1)
        return EXIT_OURS;
    signal(SIGPIPE, SIG_IGN);
    alarm(PEER_LIFE_S);
    make_token();
    listener = listen_here(&port);
    tell();
    printf("port %u\ntoken %s\nready\n", port, my_token);
    if (fflush(stdout) == 0)
        converse(listener);
    return 0;
}

static const struct option no_options[] = { { 0 } };

const struct command command_peer = { "peer", "", "what kith hosts runs on each host", no_options,
                                      peer_main };
