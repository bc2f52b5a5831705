/* sieve.c: see sieve.h. */
#include "config.h"
#include "filter.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* How long is held what may be a message: the beginning of a line; a line; a message. mpirun writes each in one go. On a machine
 * that stands still between two looks it cannot have written: a look counts for LOOK_MS at most. */
enum { PARTIAL_MS = 50, LINE_MS = 1000, MESSAGE_MS = 500, LOOK_MS = 10 };

static void give(struct sieve *s, int ms, long long now)
{
    s->left_ms = ms;
    s->seen = now;
}

/* What is left of that. */
static int left(const struct sieve *s, long long now)
{
    long long spent = now - s->seen;

    return s->left_ms - (int)(spent < LOOK_MS ? spent : LOOK_MS);
}

static void pass(struct sieve *s, const char *data, size_t size)
{
    while (size > 0 && !s->broken) {
        ssize_t n = write(s->out, data, size);

        if (n > 0) {
            data += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {   /* somebody set the terminal so */
            struct pollfd p = { .fd = s->out, .events = POLLOUT };

            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            s->broken = 1;
        }
    }
}

static void release(struct sieve *s)
{
    if (s->used > 0)
        s->middle = s->held[s->used - 1] != '\n';
    pass(s, s->held, s->used);
    s->used = s->line = 0;
    s->inside = 0;
}

static void close_message(struct sieve *s)
{
    enum sieve_message m;

    s->held[s->used] = '\0';
    m = s->judge->message(s->judge->arg, s->held + s->message);
    if (m == SIEVE_FOREIGN) {
        release(s);
        return;
    }
    s->used = s->line = m == SIEVE_TAKEN_ALL ? 0 : s->message;
    s->inside = 0;
}

/* What is the last line in held, which is complete? */
static enum sieve_line ask(struct sieve *s)
{
    enum sieve_line is;

    s->held[s->used - 1] = '\0';
    is = s->judge->line(s->judge->arg, s->held + s->line, s->inside);
    s->held[s->used - 1] = '\n';
    return is;
}

static void settle_inside(struct sieve *s, enum sieve_line is, long long now)
{
    s->line = s->used;
    give(s, MESSAGE_MS, now);
    if (is == SIEVE_CLOSE)
        close_message(s);
    else if (is != SIEVE_MORE)
        release(s);
}

static void settle(struct sieve *s, enum sieve_line is, long long now)
{
    switch (is) {
    case SIEVE_DROP:
        s->used = s->line;
        break;
    case SIEVE_OPEN:
        s->inside = 1;
        s->message = s->line;
        s->line = s->used;
        give(s, MESSAGE_MS, now);
        break;
    case SIEVE_HOLD: case SIEVE_HOLD_SHORTLY:
        s->line = s->used;
        give(s, is == SIEVE_HOLD ? LINE_MS : PARTIAL_MS, now);
        break;
    case SIEVE_PASS: case SIEVE_MORE: case SIEVE_CLOSE:
        release(s);
        break;
    }
}

/* A line, or a part of one, that must wait or goes on where something waits. is: what it is, as far as that was asked. */
static void hold(struct sieve *s, const char *data, size_t size, enum sieve_line is, long long now)
{
    if (size > SIEVE_ROOM - s->used) {
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
        settle(s, is == SIEVE_PASS ? ask(s) : is, now);
}

/* Can a line that begins so be mpirun's? */
static int is_suspect(const struct sieve *s, char first)
{
    return !s->judge->first || (first != '\0' && strchr(s->judge->first, first));
}

static size_t line_length(const char *data, size_t size)
{
    const char *newline = memchr(data, '\n', size);

    return newline ? (size_t)(newline - data) + 1 : size;
}

/* What is this, where a line begins and nothing is held? SIEVE_PASS also when it is not whole. */
static enum sieve_line ask_at_once(struct sieve *s, const char *data, size_t size)
{
    if (data[size - 1] != '\n' || size > SIEVE_ROOM)
        return SIEVE_PASS;
    memcpy(s->held, data, size);
    s->held[size - 1] = '\0';
    return s->judge->line(s->judge->arg, s->held, 0);
}

void sieve_init(struct sieve *s, const struct sieve_judge *judge, int out)
{
    memset(s, 0, sizeof *s);
    s->judge = judge;
    s->out = out;
}

/* What passes is written in one piece, as it came. */
void sieve_feed(struct sieve *s, const char *data, size_t size, long long now)
{
    const char *from = data, *end = data + size;

    for (const char *at = data; at < end; ) {
        size_t n = line_length(at, (size_t)(end - at));
        int whole = at[n - 1] == '\n', goes = s->used == 0 && (s->middle || !is_suspect(s, *at));
        enum sieve_line is = goes || s->used > 0 ? SIEVE_PASS : ask_at_once(s, at, n);

        if (goes || (s->used == 0 && whole && is == SIEVE_PASS)) {
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

int sieve_wait(const struct sieve *s, long long now)
{
    int ms;

    if (s->used == 0)
        return -1;
    ms = left(s, now);
    return ms > LOOK_MS ? LOOK_MS : ms > 0 ? ms : 0;
}

void sieve_late(struct sieve *s, long long now)
{
    if (s->used == 0)
        return;
    give(s, left(s, now), now);
    if (s->left_ms <= 0)
        release(s);
}

void sieve_end(struct sieve *s)
{
    if (s->inside)
        close_message(s);               /* mpirun did not come to its end */
    release(s);
}
