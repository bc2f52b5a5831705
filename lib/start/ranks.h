/* ranks.h: the other ranks of the job: who they are, which of them share this node, how they wait, and how
 * all of them end.
 *
 * MPI starts them and serves the program's own collectives. Nobody waits in it: ranks of a node hold a socket
 * to their leader (its lowest rank), leaders of other nodes a TCP connection to rank 0. A line that breaks is
 * the end of the job.
 */
#ifndef KITH_RANKS_H
#define KITH_RANKS_H

#include "start/detect.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { KITH__RANK_FDS = 8 };

struct kith__rank {     /* as each rank knows of each */
    int node;           /* nodes are numbered by their lowest rank */
    int local;          /* index on the node; 0 is its leader */
    int workers;        /* that it brings */
    int given, threads; /* see given_node and threads in detect.h */
    int pid;            /* as it knows itself */
    char host[64];
};

struct kith__ranks {
    int rank, size;
    int node, nodes;
    int local, locals; /* index and number of ranks on this node */
    int is_leader;
    int leader;    /* its rank */
    int workers;   /* of this node */
    uint64_t seed; /* of the job */
    int cpu_count;
    int cpus[KITH__CPUS]; /* of this node's workers, in order of rank */
    int fds[KITH__RANK_FDS],
        n_fds; /* those of the leader: copies of this rank's own, close-on-exec; in the leader what it gave */
    struct kith__rank *all; /* [size] */
};

/* Once, after the fork server was forked and before any thread: loads the MPI, initialises it, finds the
 * others. fds: the arena and what else the ranks of a node share; each rank gives its own, and has its
 * leader's in out->fds. every_rank: 1 for kith_init_ranks. 0; KITH_EPEER (the MPI cannot be used, another
 * program on other hosts, a node that does not answer), KITH_ENOMEM. It fails in rank 0 alone: the others do
 * not come back then. From here on exit() ends MPI too, and gives the launcher the exit status. The
 * environment says to children that they are no ranks. */
int kith__ranks_join(int *argc, char ***argv, const struct kith__launch *launch, int every_rank,
                     const int *fds, int n_fds, struct kith__ranks *out);

/* Each rank gives each bytes and gets those of all, in order: for start-up only, all ranks call it. */
int kith__ranks_allgather(const void *mine, void *all, size_t each);

/* kith_init. In rank 0, when the head has done its work: all sleepers return. Waits until they have ended
 * what they have on their nodes, at most timeout_ms; for those of a node that is_lost only as long as it
 * takes one that is there. KITH_ETIMEDOUT, KITH_EPEER (some are gone). */
int kith__ranks_dismiss(int timeout_ms, int (*is_lost)(int node));

/* kith_init. In all ranks but 0: sleeps until the job is at its end. 0: rank 0 has called
 * kith__ranks_dismiss; KITH_EPEER: it is gone, or the launcher. The caller ends what it has on the node, then
 * calls kith__ranks_leave. 1: *lost has become 2 or more (NULL: never): the others go on without this node,
 * but mpirun would end the job if its rank ended; so the caller ends what it has there, and comes back. */
int kith__ranks_sleep(const _Atomic uint32_t *lost);
void kith__ranks_leave(void) __attribute__((noreturn));

/* kith_init_ranks. Returns when all ranks have called it, without spinning. KITH_ETIMEDOUT, KITH_EPEER (a
 * rank is gone). */
int kith__ranks_barrier(int timeout_ms);

/* 1: a line to another rank is broken. For who waits for something else. */
int kith__ranks_broken(void);

#endif
