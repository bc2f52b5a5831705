/* session.c: see session.h. Called by survey.c. */
#include "config.h"
#include "session.h"
#include "capture.h"
#include "ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So many log in at once: more would wait for the CPU here, and be late by that. */
enum { AT_ONCE = 64 };

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- one */

static void child(const struct session *s, int talk, int complain)
{
    struct line l = { .count = 0 };

    setsid(); /* no terminal to ask at */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(talk, 0) < 0 || dup2(talk, 1) < 0 || dup2(complain, 2) < 0)
        _exit(127);
    if (s->host)
        ssh_words(&l, s->host, "sh");
    else
        line_add(&l, "sh");
    execvp(l.words[0], l.words);
    _exit(127);
}

static void say(struct session *s, const char *text)
{
    size_t size = strlen(text);

    while (size > 0) {
        ssize_t n = send(s->talk, text, size, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return; /* it is gone, and its end tells why */
        text += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

static void start(struct session *s, const char *script, int limit_ms)
{
    int talk[2] = { -1, -1 }, complain[2] = { -1, -1 };

    s->talk = s->complain = -1;
    s->began = now_s();
    s->end = now_ms() + limit_ms;
    s->state = SESSION_OVER;
    s->status = 127;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk) != 0 || pipe2(complain, O_CLOEXEC) != 0 ||
        (s->pid = fork()) < 0) {
        s->pid = 0;
        s->complaints_size = (size_t)snprintf(s->complaints, sizeof s->complaints, "%s", strerror(errno));
        for (int i = 0; i < 2; i++) {
            if (talk[i] >= 0)
                close(talk[i]);
            if (complain[i] >= 0)
                close(complain[i]);
        }
        return;
    }
    if (s->pid == 0)
        child(s, talk[1], complain[1]);
    close(talk[1]);
    close(complain[1]);
    s->talk = talk[0];
    s->complain = complain[0];
    fcntl(s->complain, F_SETFL, O_NONBLOCK); /* what ssh leaves in the background may hold its other end */
    s->state = SESSION_ASKED;
    say(s, script);
}

static void close_both(struct session *s)
{
    if (s->talk >= 0)
        close(s->talk);
    if (s->complain >= 0)
        close(s->complain);
    s->talk = s->complain = -1;
}

static void reap(struct session *s)
{
    int status;

    while (waitpid(s->pid, &status, 0) < 0)
        if (errno != EINTR)
            return;
    s->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    s->pid = 0;
}

/* Reads what there is; the rest of what is too long is dropped. 0: it has ended. */
static int take(int fd, char *text, size_t room, size_t *size)
{
    char rest[512];
    int fits = *size + 1 < room;
    ssize_t n = fits ? read(fd, text + *size, room - 1 - *size) : read(fd, rest, sizeof rest);

    if (n < 0)
        return errno == EINTR;
    if (fits)
        text[ *size += (size_t)n] = '\0';
    return n > 0;
}

static int has_said(const struct session *s, const char *line)
{
    size_t n = strlen(line);

    for (const char *at = strstr(s->said, line); at; at = strstr(at + 1, line))
        if ((at == s->said || at[-1] == '\n') && at[n] == '\n')
            return 1;
    return 0;
}

static void hear(struct session *s, const char *line)
{
    if (s->heard == 0)
        s->heard = now_s();
    if (!take(s->talk, s->said, sizeof s->said, &s->said_size)) {
        while (take(s->complain, s->complaints, sizeof s->complaints, &s->complaints_size))
            ;
        close_both(s);
        reap(s);
        s->state = SESSION_OVER;
    } else if (has_said(s, line)) {
        s->state = SESSION_READY;
    }
}

/* With all that it has started, unless it has no session of its own yet. */
static void end(struct session *s, int signal, enum session_state state)
{
    close_both(s);
    if (s->pid > 0) {
        if (kill(-s->pid, signal) != 0)
            kill(s->pid, signal);
        reap(s);
    }
    s->state = state;
}

/* ---- all */

/* Begins those for which there is room. How many are under way. */
static int begin(struct session *all, int count, const char *script, int limit_ms)
{
    int under_way = 0;

    for (int i = 0; i < count; i++)
        under_way += all[i].state == SESSION_ASKED;
    for (int i = 0; i < count && under_way < AT_ONCE; i++)
        if (all[i].state == SESSION_WAITS) {
            start(&all[i], script, limit_ms);
            under_way += all[i].state == SESSION_ASKED;
        }
    return under_way;
}

static struct pollfd readable(const struct session *s, int fd)
{
    return (struct pollfd){ .fd = s->state == SESSION_ASKED ? fd : -1, .events = POLLIN };
}

/* p has two for each. */
static void listen_to(struct session *all, int count, struct pollfd *p, const char *line)
{
    struct pollfd *talk = p, *complain = p + count;

    for (int i = 0; i < count; i++) {
        talk[i] = readable(&all[i], all[i].talk);
        complain[i] = readable(&all[i], all[i].complain);
    }
    poll(p, 2 * (nfds_t)count, 50);
    for (int i = 0; i < count; i++) {
        struct session *s = &all[i];

        if (complain[i].revents &&
            !take(s->complain, s->complaints, sizeof s->complaints, &s->complaints_size)) {
            close(s->complain);
            s->complain = -1;
        }
        if (talk[i].revents)
            hear(s, line);
        if (s->state == SESSION_ASKED && now_ms() > s->end)
            end(s, SIGKILL, SESSION_LATE);
    }
}

static void await(struct session *all, int count, const char *script, const char *line, int limit_ms)
{
    struct pollfd *p = calloc(2 * (size_t)count, sizeof *p);

    while (p && begin(all, count, script, limit_ms) > 0)
        listen_to(all, count, p, line);
    free(p);
}

void session_ask(struct session *all, int count, const char *script, const char *line, int limit_ms)
{
    await(all, count, script, line, limit_ms);
}

void session_await(struct session *all, int count, const char *line)
{
    await(all, count, "", line, 0);
}

void session_say(struct session *s, const char *text, int limit_ms)
{
    s->end = now_ms() + limit_ms;
    s->state = SESSION_ASKED;
    say(s, text);
}

void session_end(struct session *all, int count)
{
    for (int i = 0; i < count; i++)
        if (all[i].talk >= 0)
            close_both(&all[i]); /* the end of its stdin ends it */
    for (int i = 0; i < count; i++)
        if (all[i].pid > 0)
            end(&all[i], SIGTERM, SESSION_OVER);
}
