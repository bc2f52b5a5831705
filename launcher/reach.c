/* reach.c: see reach.h.
 *
 * A child process looks at each host, since looking up a name may take long and cannot be called off. It
 * writes its verdict as one line into a pipe; nothing is a good verdict. */
#include "config.h"
#include "reach.h"
#include "capture.h"
#include "local_host.h"
#include "log.h"
#include "ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    AT_ONCE = 64, /* children */
    SHOWN = 5,    /* sentences */
    PORT_MS = 3000,
    LOGIN_MS = 8000,
    VERDICT = 400,
    FOUND = 98, /* exit statuses of our command: with another one it has not been run */
    MISSING = 99
};

struct probe {
    const struct host *host;
    pid_t pid;
    int from;
    long long end;
    char verdict[VERDICT];
};

/* ---- in the child */

static int verdict_to;

__attribute__((noreturn, format(printf, 1, 2))) static void fails(const char *format, ...)
{
    char text[VERDICT];
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (n > 0 && write(verdict_to, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1) < 0)
        _exit(2);
    _exit(1);
}

/* Where ssh would go: its configuration may give a name another address, or a way around. */
struct route {
    char name[300], port[16];
    int proxy, known;
};

static void read_route(struct route *r, char *text)
{
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(line, ' ');

        if (!value)
            continue;
        *value++ = '\0';
        if (strcmp(line, "hostname") == 0)
            snprintf(r->name, sizeof r->name, "%s", value);
        else if (strcmp(line, "port") == 0)
            snprintf(r->port, sizeof r->port, "%s", value);
        else if (strcmp(line, "proxyjump") == 0 || strcmp(line, "proxycommand") == 0)
            r->proxy = strcmp(value, "none") != 0;
    }
}

static void ask_route(struct route *r, const char *host)
{
    char ssh[] = "ssh", option[] = "-G", name[HOST_NAME + 1], text[16384];
    char *argv[] = { ssh, option, name, NULL };

    snprintf(name, sizeof name, "%s", host);
    r->known = capture(argv, 1, text, sizeof text, PORT_MS) == 0;
    if (r->known)
        read_route(r, text);
}

/* 0, or errno. */
static int connects(const struct addrinfo *a)
{
    struct pollfd p = { .events = POLLOUT };
    socklen_t size = sizeof(int);
    int error = 0;

    p.fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p.fd < 0)
        return errno;
    if (connect(p.fd, a->ai_addr, a->ai_addrlen) != 0) {
        error = errno;
        if (error == EINPROGRESS)
            error = poll(&p, 1, PORT_MS) == 1 ? 0 : ETIMEDOUT;
        if (error == 0)
            getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    close(p.fd);
    return error;
}

/* 0; an error of getaddrinfo, negative as they are; or errno. *is_here: it is this machine. */
static int try(const struct route *r, int *is_here)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all;
    int rc = getaddrinfo(r->name, r->port, &hints, &all), error = ENOENT;

    if (rc != 0)
        return rc;
    for (const struct addrinfo *a = all; a && error != 0 && !*is_here; a = a->ai_next) {
        *is_here = local_host_has_address(a->ai_addr);
        error = *is_here ? 0 : connects(a);
    }
    freeaddrinfo(all);
    return error;
}

/* 1 when it is this machine. */
static int check_port(const char *name)
{
    struct route r = { .port = "22" };
    int is_here = 0, rc;

    snprintf(r.name, sizeof r.name, "%s", name);
    rc = try(&r, &is_here);
    if (rc == 0)
        return is_here;
    ask_route(&r, name);
    if (!r.known)
        fails("ssh is missing here, by which mpirun starts ranks on other hosts: apt install openssh-client");
    if (r.proxy)
        return 0; /* only a login can tell */
    if (strcmp(r.name, name) != 0 || strcmp(r.port, "22") != 0)
        rc = try(&r, &is_here);
    if (rc < 0)
        fails("no host of this name is known (%s): correct it, or add it to /etc/hosts", gai_strerror(rc));
    if (rc == ECONNREFUSED)
        fails("nothing listens on port %s: install and start its ssh server", r.port);
    if (rc == ETIMEDOUT)
        fails("no answer from port %s for %d s: the host is down, or a firewall is between", r.port,
              PORT_MS / 1000);
    if (rc > 0)
        fails("port %s cannot be reached: %s", r.port, strerror(rc));
    return is_here;
}

/* The last line that says something. */
static const char *last_line(char *text)
{
    size_t n = strlen(text);
    const char *line;

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    line = strrchr(text, '\n');
    return line ? line + 1 : text;
}

/* The exit status of command there, and what it writes to stderr. */
static int ask(const struct host *h, const char *command, char *text, size_t room)
{
    struct line l = { .count = 0 };
    int status;

    ssh_words(&l, h, command);
    status = capture(l.words, 2, text, room, LOGIN_MS);
    line_free(&l);
    return status;
}

/* The shell and the loader end with these when there is no running it; it may end as it likes. */
static void check_runs(const struct host *h, const char *program)
{
    char command[64], text[4096];
    int status;

    snprintf(command, sizeof command, "%s --help", program);
    status = ask(h, command, text, sizeof text);
    if (status == 126 || status == 127 || (status > 128 && status != 255))
        fails("%s does not run when it is called by ssh %s: %s", program, h->name,
              *last_line(text) ? last_line(text) : "it is killed by a signal");
}

static void check_login(const struct host *h, enum reach_depth depth, const char *program)
{
    static const char script[] = "sh -c 'command -v %s && exit %d; exit %d'";
    char command[96], text[4096], sentence[VERDICT];
    int status;

    snprintf(command, sizeof command, script, program ? program : "true", FOUND, MISSING);
    status = ask(h, command, text, sizeof text);
    if (status == FOUND && depth == REACH_RUN)
        check_runs(h, program);
    if (status == FOUND)
        return;
    if (status == CAPTURE_LATE)
        fails("ssh %s has not answered for %d s: try ssh %s true, which has to come to its end by itself",
              h->name, LOGIN_MS / 1000, h->name);
    if (status == MISSING)
        fails("%s is not in the PATH that ssh %s has: install the same MPI there", program, h->name);
    ssh_explain(h, status, text, sentence, sizeof sentence);
    fails("%s", sentence);
}

/* ---- in the parent */

static void start(struct probe *p, const struct host *h, enum reach_depth depth, const char *program)
{
    int ends[2];

    *p = (struct probe){ .host = h,
                         .from = -1,
                         .end = now_ms() + 3LL * PORT_MS + (long long)depth * LOGIN_MS };
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    p->pid = fork();
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        verdict_to = ends[1];
        if (!check_port(h->name) && depth != REACH_PORT)
            check_login(h, depth, program);
        _exit(0);
    }
    close(ends[1]);
    p->from = ends[0];
}

/* Reads the verdict; 1 when the child has ended or was ended. */
static int look(struct probe *p)
{
    size_t used = strlen(p->verdict);
    ssize_t n = 0;
    struct pollfd ready = { .fd = p->from, .events = POLLIN };

    if (p->from >= 0 && now_ms() < p->end) {
        if (poll(&ready, 1, 0) != 1)
            return 0;
        n = read(p->from, p->verdict + used, sizeof p->verdict - 1 - used);
    } else if (p->from >= 0) {
        snprintf(p->verdict, sizeof p->verdict, "its name server or its ssh server does not answer");
    }
    if (n > 0)
        return 0;
    if (p->from >= 0)
        close(p->from);
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    return 1;
}

static void wait_for(const struct probe *probes, int count)
{
    struct pollfd all[AT_ONCE];

    for (int i = 0; i < count; i++)
        all[i] = (struct pollfd){ .fd = probes[i].from, .events = POLLIN };
    poll(all, (nfds_t)count, 200);
}

int reach_hosts(const struct hosts *h, enum reach_depth depth, const char *program)
{
    struct probe probes[AT_ONCE];
    int running = 0, next = 0, failed = 0;

    while (next < h->count || running > 0) {
        for (; next < h->count && running < AT_ONCE; next++)
            if (!local_host_is(h->all[next].name))
                start(&probes[running++], &h->all[next], depth, program);
        wait_for(probes, running);
        for (int i = 0; i < running; i++) {
            if (!look(&probes[i]))
                continue;
            if (probes[i].verdict[0] != '\0' && ++failed <= SHOWN)
                log_line("%s: %s", probes[i].host->name, probes[i].verdict);
            probes[i--] = probes[--running];
        }
    }
    if (failed > SHOWN)
        log_line("and %d more of %d hosts cannot be reached", failed - SHOWN, h->count);
    return failed;
}
