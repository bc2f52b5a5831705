/* filter.c: see filter.h. */
#include "config.h"
#include "filter.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* How long is held what may be a message: the beginning of a line; a line; a message. mpirun writes each in
 * one go. On a machine that stands still between two looks it cannot have written: a look counts for LOOK_MS
 * at most. */
enum { PARTIAL_MS = 50, LINE_MS = 1000, MESSAGE_MS = 500, LOOK_MS = 10 };

static void give(struct filter *s, int ms, long long now)
{
    s->left_ms = ms;
    s->seen = now;
}

/* What is left of that. */
static int left(const struct filter *s, long long now)
{
    long long spent = now - s->seen;

    return s->left_ms - (int)(spent < LOOK_MS ? spent : LOOK_MS);
}

static void pass(struct filter *s, const char *data, size_t size)
{
    while (size > 0 && !s->broken) {
        ssize_t n = write(s->out, data, size);

        if (n > 0) {
            data += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) { /* somebody set the terminal so */
            struct pollfd p = { .fd = s->out, .events = POLLOUT };

            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            s->broken = errno;
        }
    }
}

static void release(struct filter *s)
{
    if (s->used > 0)
        s->middle = s->held[s->used - 1] != '\n';
    pass(s, s->held, s->used);
    s->used = s->line = 0;
    s->inside = 0;
}

static void close_message(struct filter *s)
{
    enum filter_message m;

    s->held[s->used] = '\0';
    m = s->judge->message(s->judge->arg, s->held + s->message);
    if (m == FILTER_FOREIGN) {
        release(s);
        return;
    }
    s->used = s->line = m == FILTER_TAKEN_ALL ? 0 : s->message;
    s->inside = 0;
}

/* What is the last line in held, which is complete? */
static enum filter_line ask(struct filter *s)
{
    enum filter_line is;

    s->held[s->used - 1] = '\0';
    is = s->judge->line(s->judge->arg, s->held + s->line, s->inside);
    s->held[s->used - 1] = '\n';
    return is;
}

static void settle_inside(struct filter *s, enum filter_line is, long long now)
{
    s->line = s->used;
    give(s, MESSAGE_MS, now);
    if (is == FILTER_CLOSE)
        close_message(s);
    else if (is != FILTER_MORE)
        release(s);
}

static void settle(struct filter *s, enum filter_line is, long long now)
{
    switch (is) {
    case FILTER_DROP: s->used = s->line; break;
    case FILTER_OPEN:
        s->inside = 1;
        s->message = s->line;
        s->line = s->used;
        give(s, MESSAGE_MS, now);
        break;
    case FILTER_HOLD:
    case FILTER_HOLD_SHORTLY:
        s->line = s->used;
        give(s, is == FILTER_HOLD ? LINE_MS : PARTIAL_MS, now);
        break;
    case FILTER_PASS:
    case FILTER_MORE:
    case FILTER_CLOSE: release(s); break;
    }
}

/* A line, or a part of one, that must wait or goes on where something waits. is: what it is, as far as that
 * was asked. */
static void hold(struct filter *s, const char *data, size_t size, enum filter_line is, long long now)
{
    if (size > FILTER_ROOM - s->used) {
        release(s);
        pass(s, data, size);
        s->middle = data[size - 1] != '\n';
        return;
    }
    if (s->used == 0)
        give(s, PARTIAL_MS, now);
    memcpy(s->held + s->used, data, size);
    s->used += size;
    if (data[size - 1] != '\n')
        return;
    if (s->inside)
        settle_inside(s, ask(s), now);
    else
        settle(s, is == FILTER_PASS ? ask(s) : is, now);
}

/* Can a line that begins so be mpirun's? */
static int is_suspect(const struct filter *s, char first)
{
    return !s->judge->first || (first != '\0' && strchr(s->judge->first, first));
}

static size_t line_length(const char *data, size_t size)
{
    const char *newline = memchr(data, '\n', size);

    return newline ? (size_t)(newline - data) + 1 : size;
}

/* What is this, where a line begins and nothing is held? FILTER_PASS also when it is not whole. */
static enum filter_line ask_at_once(struct filter *s, const char *data, size_t size)
{
    if (data[size - 1] != '\n' || size > FILTER_ROOM)
        return FILTER_PASS;
    memcpy(s->held, data, size);
    s->held[size - 1] = '\0';
    return s->judge->line(s->judge->arg, s->held, 0);
}

void filter_init(struct filter *s, const struct filter_judge *judge, int out)
{
    memset(s, 0, sizeof *s);
    s->judge = judge;
    s->out = out;
}

/* What passes is written in one piece, as it came. */
void filter_feed(struct filter *s, const char *data, size_t size, long long now)
{
    const char *from = data, *end = data + size;

    for (const char *at = data; at < end;) {
        size_t n = line_length(at, (size_t)(end - at));
        int whole = at[n - 1] == '\n', goes = s->used == 0 && (s->middle || !is_suspect(s, *at));
        enum filter_line is = goes || s->used > 0 ? FILTER_PASS : ask_at_once(s, at, n);

        if (goes || (s->used == 0 && whole && is == FILTER_PASS)) {
            s->middle = !whole;
        } else {
            pass(s, from, (size_t)(at - from));
            hold(s, at, n, is, now);
            from = at + n;
        }
        at += n;
    }
    pass(s, from, (size_t)(end - from));
}

void filter_write(struct filter *s, const char *data, size_t size)
{
    pass(s, data, size);
}

int filter_wait(const struct filter *s, long long now)
{
    int ms;

    if (s->used == 0)
        return -1;
    ms = left(s, now);
    return ms > LOOK_MS ? LOOK_MS : ms > 0 ? ms : 0;
}

void filter_late(struct filter *s, long long now)
{
    if (s->used == 0)
        return;
    give(s, left(s, now), now);
    if (s->left_ms <= 0)
        release(s);
}

void filter_end(struct filter *s)
{
    if (s->inside)
        close_message(s); /* mpirun did not come to its end */
    release(s);
}
