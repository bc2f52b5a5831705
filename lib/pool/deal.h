/* deal.h: how much of a job another node is granted at once, and when it asks for more. Pure functions: no
 * clock, no memory of their own. What chunk.h decides among the workers of a node, this decides among nodes.
 *
 * A node asks for more when what it has would be done before more could come (kith__deal_asks): so its
 * workers do not see the way. What it is granted (kith__deal_size) is worth one round trip of its work, fits
 * into one transfer, and is half of its part of what is left: so the last units are dealt out finely. What
 * would be done sooner at home than one unit could be there, behind those that the node has, stays at home.
 *
 * Asking is decided at the node, which knows what it has not finished; the size at home, where it is known
 * what is left. Both know what the node has learned, as it goes with each claim.
 *
 * A single task may wait for any other one, so such tasks have rules of their own: see kith__deal_takes.
 */
#ifndef KITH_DEAL_H
#define KITH_DEAL_H

#include <stdint.h>

enum {
    KITH__DEAL_BYTES = 16 << 20, /* of arguments, and of results, in a grant of more than one unit */
    KITH__DEAL_BATCH = 32,       /* single tasks that go to a node at once, at most */
    KITH__DEAL_ITEMS = 96,       /* and that a node has, which takes several at once */
    KITH__DEAL_AHEAD = 3         /* grants and claims of a node, beyond one for each of its workers: one that
                                    comes, one that waits, one the results of which go */
};

struct kith__deal {   /* what a node knows of itself in one job; zeros at first, but for .workers and its line
                       */
    uint64_t job;     /* which one, by its number in its pool: for who keeps this. Nothing here looks at it */
    uint32_t workers; /* at least 1 */
    uint32_t batch;   /* single tasks that it takes at once; up to 1: as long as some worker has none */
    uint64_t last;    /* units of the last grant that it has finished; 0: none yet */
    double unit_ns;   /* what a unit costs one of its workers, by the dearest of late */
    double trip_ns;   /* there and back, for a message without bytes: the shortest of late */
    double byte_ns;   /* what each byte of a large one adds */
};

struct kith__deal_job {
    uint64_t left;              /* units that nobody has claimed; at least 1 */
    uint64_t has;               /* units that the node was granted, and whose results have not come */
    uint64_t in_size, out_size; /* of a unit */
    uint64_t chunk;             /* asked for by the user; 0: none was */
    uint32_t workers;           /* of all nodes */
    double rate;                /* units that all nodes do in a ns; 0: not known yet */
    double home_rate;           /* those of them that are done at home; 0: likewise */
    double home_unit_ns;        /* what a unit costs a worker there */
};

/* A grant of units has been done by the node's workers, who have taken ns for it: each its own time, all
 * together. So it says nothing of a grant how many others were done beside it. */
void kith__deal_ran(struct kith__deal *d, uint64_t units, int64_t ns);

/* A message with so many bytes was answered at once, after ns. */
void kith__deal_travelled(struct kith__deal *d, uint64_t bytes, int64_t ns);

/* Units that the node does in a ns at most: as many as its workers can do, and its line can bring. 0: nothing
 * is known yet. */
double kith__deal_rate(const struct kith__deal *d, uint64_t in_size, uint64_t out_size);

/* For the node: how many more claims to send now, when it has so many units that are not finished, and so
 * many claims under way. Of grants that are not finished each has a unit that is not: when there are
 * KITH__DEAL_AHEAD more of these than workers, all workers have something to do. */
uint32_t kith__deal_asks(const struct kith__deal *d, uint64_t in_size, uint64_t out_size, uint64_t unfinished,
                         uint32_t asking);

/* For the node, of which d is what it knows of single tasks: how many to take at once. Such a task may wait
 * for any other, so it is one, until all of late have shown that they are short. */
uint32_t kith__deal_batch(const struct kith__deal *d);

/* For the node, when it sends none: how many ns from now it will have one to send, as far as it is known; 0:
 * when something changes. */
double kith__deal_due(const struct kith__deal *d, uint64_t in_size, uint64_t out_size, uint64_t unfinished,
                      uint32_t asking);

/* For the home, of a job of which nothing is left to claim: 1: its workers would have done so many units once
 * more within ns. 0 also when it is not known. */
int kith__deal_is_done_within(const struct kith__deal_job *j, uint64_t units, int64_t ns);

/* For the home: the size of the next grant, 0..KITH__CHUNK_MOST; 0: what is left is done sooner without that
 * node. */
uint64_t kith__deal_size(const struct kith__deal *d, const struct kith__deal_job *j);

/* For the home: what a node gets that has so many units of maps, and single tasks. A single task may wait for
 * any other: so it goes only where a worker has nothing else to do, or, to a node that takes several at once,
 * where it is given back soon; and where all workers are at single tasks nothing goes at all. */
enum kith__deal_takes { KITH__DEAL_NOTHING, KITH__DEAL_UNITS, KITH__DEAL_UNITS_OR_ITEMS };
enum kith__deal_takes kith__deal_takes(const struct kith__deal *d, uint64_t units, uint64_t items);

/* For the home: how many of the queued single tasks go to a node at once: half of its part of them, as of the
 * units of a map, where all nodes have so many workers; as many as it takes; one at least. */
uint32_t kith__deal_items(const struct kith__deal *d, uint64_t queued, uint64_t workers);

/* For the home: 1: there is a worker for a single task that is granted alone, beside so many units and other
 * ones: it would not be given back. */
int kith__deal_takes_alone(const struct kith__deal *d, uint64_t units, uint64_t items);

#endif
