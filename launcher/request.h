/* request.h: what kith run was asked for, and the command line of each MPI that does it. */
#ifndef KITH_REQUEST_H
#define KITH_REQUEST_H

#include "hosts.h"
#include "line.h"
#include "mpi.h"
#include "option.h"

enum on_loss { LOSS_AUTO, LOSS_END, LOSS_GO_ON };

struct request {
    /* asked for */
    enum on_loss on_loss;
    long ranks; /* -n; 0: not given */
    const char *hostfile, *host_list;
    const char *bind_to, *map_by;
    const char *joblog;
    int oversubscribe, as_root, dry_run, tag;
    struct line exports; /* words: NAME or NAME=value */
    struct line extra;   /* words for mpirun as they are */
    char **program;      /* and its arguments */

    /* found out */
    struct hosts hosts; /* none: this machine, or what a batch system gave to mpirun */
    const char *batch;  /* the batch system that this is a job of, which tells mpirun its hosts; NULL: none */
    int slots;          /* of all hosts; 0: only mpirun knows */
    int crowded;        /* more ranks than slots, and it may be */
    int by_ssh;         /* mpirun reaches the other hosts by ssh */
    int survives;       /* the job goes on without a host that is lost: see loss.h */
    int root_allowed;   /* Open MPI must be told that root is right */
};

/* Each adds words and variables to l; 0, or -1 after having said what is wrong. */
int open_mpi_line(const struct request *r, const struct mpi *m, struct line *l);
int mpich_line(const struct request *r, const struct mpi *m, struct line *l);

/* What sets its first part. */
extern const struct option request_options[];

/* Fill in the second part: the hosts, then how many ranks they have room for and get. 0, or -1 after having
 * said what is wrong. */
int request_find_hosts(struct request *r);
int request_find_slots(struct request *r);

/* 1 when there are, or may be, ranks on other hosts. */
int request_is_remote(const struct request *r);

#endif
