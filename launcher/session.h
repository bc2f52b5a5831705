/* session.h: conversations with many hosts at the same time: a shell on each, by ssh or here. */
#ifndef KITH_SESSION_H
#define KITH_SESSION_H

#include "hosts.h"

#include <sys/types.h>

enum { SESSION_SAID = 16384, SESSION_COMPLAINTS = 4096 };

enum session_state {
    SESSION_WAITS, /* not begun yet */
    SESSION_ASKED,
    SESSION_READY, /* it has said what was asked for */
    SESSION_OVER,  /* the shell has ended */
    SESSION_LATE   /* it was over time, and was ended */
};

struct session {
    const struct host *host; /* NULL: this machine */
    enum session_state state;
    pid_t pid;
    int talk, complain;  /* its stdin and stdout, its stderr; -1: closed */
    int status;          /* its exit status, when it is over; 128 + signal */
    long long end;       /* ms: it is late then */
    double began, heard; /* s since 1970: the shell was asked for; it said its first word */
    char said[SESSION_SAID], complaints[SESSION_COMPLAINTS];
    size_t said_size, complaints_size;
};

/* Gives each its script, and waits until none is WAITS or ASKED: each gets limit_ms. It is READY when it has
 * said that line. */
void session_ask(struct session *all, int count, const char *script, const char *line, int limit_ms);

/* Says text to one that is READY, which is ASKED then, if it can be said. session_await waits as session_ask
 * does. */
void session_say(struct session *s, const char *text, int limit_ms);
void session_await(struct session *all, int count, const char *line);

/* Ends what still runs. */
void session_end(struct session *all, int count);

#endif
