/* line.h: what a process that calls from afar and its clerk say to each other: letters of any size, which
 * both send at any time.
 *
 * They go through one Pipe. What is posted while messages are on their way goes together in the next one: so
 * a letter costs a trip between nodes when there are few, and next to nothing when there are many.
 */
#ifndef KITH_LINE_H
#define KITH_LINE_H

#include "base/system.h"
#include "kith.h"

#include <pthread.h>
#include <stdint.h>

enum kith__letter_what {
    KITH__LETTER_SEEN,
    KITH__LETTER_ORDER,
    KITH__LETTER_CANCEL,
    KITH__LETTER_WITHDRAW,
    KITH__LETTER_OUTCOME
};

struct kith__letter { /* from malloc */
    struct kith__letter *next;
    uint64_t size, number; /* of what is behind it; of the call, or how many were seen */
    uint32_t what, spare;
};

struct kith__line {
    kith_pipe end;
    /* By who reads: a letter that has come; message: what it lies in, from malloc, of which the callee may
     * keep it all (and makes it NULL), when it is alone there, or NULL. */
    void (*take)(struct kith__line *line, const struct kith__letter *r, char **message);
    /* By the sender: one that is too large for the memory there is could not be sent. */
    void (*refused)(struct kith__line *line, const struct kith__letter *r, int code);
    /* By the sender: there is no memory for the least message. */
    void (*given_up)(struct kith__line *line);
    pthread_mutex_t mutex;
    pthread_cond_t news;
    struct kith__letter *first, **last; /* to be sent */
    int on_their_way, seen, over; /* messages that were sent and not seen yet; seen, of which was not told */
    struct kith__thread sender;
};

/* With .end and functions filled in. 0; KITH_ENOMEM. */
int kith__line_open(struct kith__line *line);

/* A letter with so many bytes behind it. NULL and a sentence. */
struct kith__letter *kith__letter_make(enum kith__letter_what what, uint64_t number, uint64_t size);

/* Takes r, also when it fails. 0; KITH_EPEER: the line is over. */
int kith__line_post(struct kith__line *line, struct kith__letter *r);

/* Takes what comes until the other end is gone: why. Nothing is posted any more after it, and its sender has
 * ended. */
int kith__line_read(struct kith__line *line);

#endif
