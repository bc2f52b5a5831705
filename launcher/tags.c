/* tags.c: see tags.h. Called by job.c. */
#include "config.h"
#include "tags.h"
#include "hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *line; /* its tag, then as much of it as has come */
    size_t tag, used, room;
};

struct tagged {
    struct text streams[2]; /* stdout, stderr */
};

/* ---- lines */

static int reserve(struct text *x, size_t size)
{
    size_t room = x->room ? x->room : 256;
    char *more;

    while (room < size)
        room *= 2;
    if (room == x->room)
        return 0;
    more = realloc(x->line, room);
    if (!more)
        return -1;
    x->line = more;
    x->room = room;
    return 0;
}

static void begin_line(struct text *x, long rank, const char *host)
{
    char tag[FRAME_HEADER];
    size_t size = (size_t)snprintf(tag, sizeof tag, "[%ld %s] ", rank, host);

    if (x->tag > 0 || reserve(x, size) < 0)
        return;
    memcpy(x->line, tag, size);
    x->tag = x->used = size;
}

/* The next piece of a line, which ends with a newline when it is the last. */
static void add(struct text *x, const char *data, size_t size, struct filter *to)
{
    if (reserve(x, x->used + size + 1) < 0)
        return; /* no memory: it is lost */
    memcpy(x->line + x->used, data, size);
    x->used += size;
    if (x->used - x->tag >= TAGS_LINE && x->line[x->used - 1] != '\n')
        x->line[x->used++] = '\n';
    if (x->line[x->used - 1] != '\n')
        return;
    filter_write(to, x->line, x->used);
    x->used = x->tag;
}

static struct tagged *of_rank(struct tags *t, long rank)
{
    if (rank >= t->count) {
        int count = t->count ? t->count : 16;
        struct tagged *more;

        while (count <= rank)
            count *= 2;
        more = realloc(t->ranks, (size_t)count * sizeof *more);
        if (!more)
            return NULL;
        memset(more + t->count, 0, (size_t)(count - t->count) * sizeof *more);
        t->ranks = more;
        t->count = count;
    }
    return &t->ranks[rank];
}

/* ---- frames */

struct header {
    char stream;
    long rank;
    char host[HOST_NAME + 1];
    size_t size, data; /* of the header; behind it */
};

/* 1; 0: it is not whole yet; -1: it is none. */
static int read_header(const char *frame, size_t size, struct header *h)
{
    const char *newline = memchr(frame, '\n', size);
    char text[FRAME_HEADER];
    int end = 0;

    if (!newline)
        return size < FRAME_HEADER ? 0 : -1;
    h->size = (size_t)(newline - frame) + 1;
    if (h->size >= sizeof text)
        return -1;
    memcpy(text, frame, h->size);
    text[h->size] = '\0';
    if (sscanf(text + 1, "%c%ld %255s %zu%n", &h->stream, &h->rank, h->host, &h->data, &end) != 4 ||
        (size_t)end + 2 != h->size)
        return -1;
    return (h->stream == 'o' || h->stream == 'e' || h->stream == 'n') && h->rank >= 0 &&
                   h->rank < HOST_SLOTS && h->size + h->data <= FRAME_MOST
               ? 1
               : -1;
}

static void hand_out(struct tags *t, const struct header *h, const char *data)
{
    char text[FRAME_MOST + 1];

    memcpy(text, data, h->data);
    text[h->data] = '\0';
    if (t->note)
        t->note(t->arg, h->rank, h->host, text);
}

static void deliver(struct tags *t, const struct header *h, const char *data, struct filter *out,
                    struct filter *err)
{
    struct tagged *of = of_rank(t, h->rank);
    struct text *x = of ? &of->streams[h->stream == 'e'] : NULL;
    const char *end = data + h->data;

    if (!x)
        return;
    begin_line(x, h->rank, h->host);
    while (data < end) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        size_t n = newline ? (size_t)(newline + 1 - data) : (size_t)(end - data);

        add(x, data, n, h->stream == 'e' ? err : out);
        data += n;
    }
}

/* 1: the frame was delivered, or was none: then its first byte goes on as it is. 0: more must come. */
static int take_frame(struct tags *t, long long now, struct filter *out, struct filter *err)
{
    struct header h;
    int rc = read_header(t->frame, t->used, &h);
    size_t size = rc > 0 ? h.size + h.data : 1;

    if (rc == 0 || (rc > 0 && t->used < size))
        return 0;
    if (rc > 0 && h.stream == 'n')
        hand_out(t, &h, t->frame + h.size);
    else if (rc > 0 && t->bare)
        filter_feed(h.stream == 'e' ? err : out, t->frame + h.size, h.data, now);
    else if (rc > 0)
        deliver(t, &h, t->frame + h.size, out, err);
    else
        filter_feed(err, t->frame, 1, now);
    t->used -= size;
    memmove(t->frame, t->frame + size, t->used);
    return 1;
}

void tags_feed(struct tags *t, const char *data, size_t size, long long now, struct filter *out,
               struct filter *err)
{
    const char *end = data + size;

    while (data < end || t->used > 0) {
        size_t n = sizeof t->frame - t->used;

        if (t->used == 0 || t->frame[0] != FRAME_BEGIN) { /* between frames */
            const char *from = t->used ? t->frame : data, *stop = t->used ? t->frame + t->used : end;
            const char *begin = memchr(from, FRAME_BEGIN, (size_t)(stop - from));
            size_t plain = (size_t)((begin ? begin : stop) - from);

            filter_feed(err, from, plain, now);
            if (t->used) {
                t->used -= plain;
                memmove(t->frame, t->frame + plain, t->used);
                continue;
            }
            data += plain;
            if (!begin)
                return;
        }
        if (n > (size_t)(end - data))
            n = (size_t)(end - data);
        memcpy(t->frame + t->used, data, n);
        t->used += n;
        data += n;
        if (!take_frame(t, now, out, err) && data == end)
            return;
    }
}

void tags_end(struct tags *t, long long now, struct filter *out, struct filter *err)
{
    if (t->used > 0)
        filter_feed(err, t->frame, t->used, now);
    for (int r = 0; r < t->count; r++)
        for (int s = 0; s < 2; s++) {
            struct text *x = &t->ranks[r].streams[s];

            if (x->used > x->tag)
                add(x, "\n", 1, s ? err : out);
            free(x->line);
        }
    free(t->ranks);
    t->ranks = NULL;
    t->count = 0;
    t->used = 0;
}
