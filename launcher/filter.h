/* filter.h: passes a stream on and takes out what the MPI's mpirun says itself.
 *
 * mpirun writes its own messages between the lines of the program. What may be one is held until it is known,
 * the rest passes at once and byte for byte, in its order. Whoever uses a filter decides by a judge what a
 * line is; nothing here knows an MPI. */
#ifndef KITH_FILTER_H
#define KITH_FILTER_H

#include <stddef.h>

enum { FILTER_ROOM = 16384 }; /* a message is shorter; what is longer passes */

/* What a line is. */
enum filter_line {
    FILTER_PASS,         /* the program's, with all that was held before it */
    FILTER_DROP,         /* mpirun's, and not worth a word */
    FILTER_HOLD,         /* perhaps part of a message that is still to come */
    FILTER_HOLD_SHORTLY, /* the same, if it comes at once */
    FILTER_OPEN,         /* the first line of a message */
    FILTER_MORE,         /* inside a message: its end is not reached */
    FILTER_CLOSE         /* its last line */
};

enum filter_message {
    FILTER_FOREIGN,  /* not mpirun's: it passes */
    FILTER_TAKEN,    /* is taken out */
    FILTER_TAKEN_ALL /* and so are the lines that were held before it */
};

struct filter_judge {
    const char *first; /* bytes with which a line begins that may be mpirun's, \n: an empty one; NULL: any */
    enum filter_line (*line)(void *arg, const char *line, int inside); /* without its newline */
    enum filter_message (*message)(void *arg, const char *text);       /* from FILTER_OPEN to FILTER_CLOSE */
    void *arg;
};

struct filter {
    const struct filter_judge *judge;
    int out;
    char held[FILTER_ROOM + 1];
    size_t used;    /* bytes in held: whole lines, then perhaps the beginning of one */
    size_t line;    /* where the last line begins that is not judged yet */
    size_t message; /* where the open message begins */
    int inside;     /* a message is open */
    int middle;     /* the line that passes is not at its end */
    int broken;     /* errno: what passes cannot be written, and is dropped from then on */
    int left_ms;    /* until the held passes after all */
    long long seen; /* when somebody last looked */
};

void filter_init(struct filter *s, const struct filter_judge *judge, int out);
void filter_feed(struct filter *s, const char *data, size_t size, long long now);
/* Past the judge: whole lines, where nothing passes that is not at its end. */
void filter_write(struct filter *s, const char *data, size_t size);
int filter_wait(const struct filter *s, long long now); /* ms until filter_late is due; -1: nothing is held */
void filter_late(struct filter *s,
                 long long now);   /* passes what was held for too long; what can be read was fed before */
void filter_end(struct filter *s); /* the stream has ended */

#endif
