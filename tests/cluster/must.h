/* must.h: what the programs of this folder have in common: they run on all nodes, and end with a line that
 * says what was not so. */
#ifndef KITH_TESTS_CLUSTER_MUST_H
#define KITH_TESTS_CLUSTER_MUST_H

#include "kith.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MUST(condition)                                                                                   \
    do {                                                                                                  \
        if (!(condition)) {                                                                               \
            printf("line %d on node %d: not so: %s; last error: %s\n", __LINE__, kith_node(), #condition, \
                   kith_last_error());                                                                    \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

static inline void nap(long us)
{
    nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL);
}

#endif
