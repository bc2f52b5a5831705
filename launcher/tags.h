/* tags.h: the other end of frame.h: takes the frames of all ranks out of mpirun's stderr, puts rank and host
 * before each line, and hands out the notes. */
#ifndef KITH_TAGS_H
#define KITH_TAGS_H

#include "filter.h"
#include "frame.h"

enum { TAGS_LINE = 1 << 20 }; /* a longer line is broken */

struct tags {
    int bare; /* 1: lines get no tag, and need not be whole: they go as they come */
    void (*note)(void *arg, long rank, const char *host, const char *text); /* NULL: nobody wants them */
    void *arg;
    struct tagged *ranks; /* what has come of each: see tags.c */
    int count;
    char frame[FRAME_MOST]; /* one that is not whole */
    size_t used;
};

/* What mpirun has written to stderr: frames go line by line to out and err, past their judges; all else is
 * fed to err. */
void tags_feed(struct tags *t, const char *data, size_t size, long long now, struct filter *out,
               struct filter *err);

/* The stream has ended: lines without an end get one. Frees what t has. */
void tags_end(struct tags *t, long long now, struct filter *out, struct filter *err);

#endif
