/* joblog.h: KITH_JOBLOG: a line for each claim of a worker: which tasks, where, when, how long, how they
 * ended.
 *
 * The columns are those of GNU parallel's --joblog. Each line is one write to the end of the file, which is
 * opened for it: so lines of several processes do not mix, a killed process leaves none half written, and
 * the program may close all descriptors. A line comes before its claim is retired, or settled: so all are
 * there when a map returns or a pool is closed, and whoever is killed in between has one line too many, not
 * too few. Without the variable, all that it costs is one look at kith__joblog_on for each claim. */
#ifndef KITH_JOBLOG_H
#define KITH_JOBLOG_H

#include "pool/board.h"

extern int kith__joblog_on; /* set before the first fork */

/* In kith_init: reads the variable. begins: this process is rank 0, or the only one, and writes the titles
 * into a file that is new. 0; KITH_EINVAL: it cannot be written. */
int kith__joblog_read(int begins);

/* Around a claim of this thread; begin only if kith__joblog_on. */
struct kith__joblog_claim {
    struct kith__joblog_claim *outer; /* it runs in a task of that */
    int64_t began;                    /* ns since 1970 */
    int code;                         /* of the last of its tasks that has failed; 0: none has */
};
void kith__joblog_begin(struct kith__joblog_claim *c, struct kith__lane *lane);
void kith__joblog_failed(int code);
/* partly: it went no further than .at. Returns how many ns it has taken to say so. */
int64_t kith__joblog_end(const struct kith__joblog_claim *c, const struct kith__job *j, uint32_t worker,
                         uint64_t lo, uint64_t length, int partly);

/* A dead worker has run that many units of a claim, the last one not to its end. depth: 0 is the outermost of
 * its claims. */
void kith__joblog_died(const struct kith__job *j, const struct kith__lane *lane, uint32_t worker,
                       uint32_t depth, uint64_t lo, uint64_t length);

#endif
