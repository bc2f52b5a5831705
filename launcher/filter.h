/* sieve.h: passes a stream on and takes out what the MPI's mpirun says itself.
 *
 * mpirun writes its own messages between the lines of the program. What may be one is held until it is known, the rest
 * passes at once and byte for byte, in its order. Whoever uses a sieve decides by a judge what a line is; nothing here
 * knows an MPI. */
#ifndef KITH_SIEVE_H
#define KITH_SIEVE_H

#include <stddef.h>

enum { SIEVE_ROOM = 16384 };            /* a message is shorter; what is longer passes */

/* What a line is. */
enum sieve_line {
    SIEVE_PASS,                 /* the program's, with all that was held before it */
    SIEVE_DROP,                 /* mpirun's, and not worth a word */
    SIEVE_HOLD,                 /* perhaps part of a message that is still to come */
    SIEVE_HOLD_SHORTLY,         /* the same, if it comes at once */
    SIEVE_OPEN,                 /* the first line of a message */
    SIEVE_MORE,                 /* inside a message: its end is not reached */
    SIEVE_CLOSE                 /* its last line */
};

enum sieve_message {
    SIEVE_FOREIGN,              /* not mpirun's: it passes */
    SIEVE_TAKEN,                /* is taken out */
    SIEVE_TAKEN_ALL             /* and so are the lines that were held before it */
};

struct sieve_judge {
    const char *first;          /* bytes with which a line begins that may be mpirun's, \n: an empty one; NULL: any */
    enum sieve_line (*line)(void *arg, const char *line, int inside);   /* without its newline */
    enum sieve_message (*message)(void *arg, const char *text);         /* from SIEVE_OPEN to SIEVE_CLOSE */
    void *arg;
};

struct sieve {
    const struct sieve_judge *judge;
    int out;
    char held[SIEVE_ROOM + 1];
    size_t used;                /* bytes in held: whole lines, then perhaps the beginning of one */
    size_t line;                /* where the last line begins that is not judged yet */
    size_t message;             /* where the open message begins */
    int inside;                 /* a message is open */
    int middle;                 /* the line that passes is not at its end */
    int broken;                 /* nobody reads what passes */
    int left_ms;                /* until the held passes after all */
    long long seen;             /* when somebody last looked */
};

void sieve_init(struct sieve *s, const struct sieve_judge *judge, int out);
void sieve_feed(struct sieve *s, const char *data, size_t size, long long now);
int  sieve_wait(const struct sieve *s, long long now);  /* ms until sieve_late is due; -1: nothing is held */
void sieve_late(struct sieve *s, long long now);        /* passes what was held for too long; what can be read was fed before */
void sieve_end(struct sieve *s);                        /* the stream has ended */

#endif
