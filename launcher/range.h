/* range.h: several host names in a word, as Slurm writes them: node[1-4], node[01-04,7], rack[1-2]node[1-8].
 */
#ifndef KITH_RANGE_H
#define KITH_RANGE_H

#include "hosts.h"

enum { RANGE_NAMES = 65536 }; /* the most of one word */

struct range {
    int (*take)(void *to, const char *name); /* gets each name, in order; not 0 ends it */
    void *to;
    const char *wrong; /* after a failure that was not take's: what is wrong with the word, and the cure */

    char name[HOST_NAME + 1]; /* its own: the name as far as it is known */
    int count;
};

/* Calls take for each name that the word of that length stands for; one without brackets stands for itself.
 * 0; -1: wrong says why; else what take has returned. Numbers that begin with 0 keep their width, and the
 * last brackets count fastest. */
int range_expand(struct range *r, const char *word, size_t length);

#endif
