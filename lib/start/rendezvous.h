/* rendezvous.h: how the ranks find each other at the start: what each tells all, who shares a node, the lines
 * between them. */
#ifndef KITH_RENDEZVOUS_H
#define KITH_RENDEZVOUS_H

#include "start/environment.h"
#include "base/descriptors.h"
#include "start/conn.h"
#include "start/mpi/mpi.h"

#include <stdint.h>

struct kith__launch;

/* What each rank tells all: plain bytes. */
struct kith__record {
    char host[64], kith[16], mpi[48];
    unsigned char program[20];
    uint64_t libraries;       /* a digest of those that it has loaded, */
    int32_t library_count;    /* so many */
    int32_t any_builds;       /* 1: they may differ; that of rank 0 counts */
    unsigned char boot[36];   /* of the kernel: its boot_id; 0: not to be read */
    uint64_t network, pids;   /* the namespaces; 0: not to be read */
    char directory[96];       /* the current one, or the end of its path */
    int32_t at_home;          /* 1: that is the user's home */
    uint64_t door;            /* the name of its socket, random */
    unsigned char secret[32]; /* one half opens the door, the other answers */
    uint32_t uid;
    int32_t pid;
    int32_t workers, workers_given, bound;
    uint64_t seed;          /* that of rank 0 counts */
    int32_t given, threads; /* see given_node and threads in detect.h */
    unsigned char cpus[KITH__CPUS / 8];
};

/* The business of notes. */
enum kith__note_kind {
    KITH__NOTE_HELLO = 0x6b697468, /* who comes, with the first half of a secret */
    KITH__NOTE_WELCOME,            /* with the second half, and fds inside a node */
    KITH__NOTE_REFUSED,
    KITH__NOTE_GO,       /* all are there */
    KITH__NOTE_DISMISS,  /* the work is over: end what you have */
    KITH__NOTE_DONE,     /* I have */
    KITH__NOTE_FINALIZE, /* the last word: end MPI and yourself */
    KITH__NOTE_LINGER,   /* the last word: the launcher will end you */
    KITH__NOTE_HERE,     /* at the barrier */
    KITH__NOTE_ON        /* past it */
};

struct kith__rendezvous {
    const struct kith__mpi *mpi;
    int rank, size;
    struct kith__record *records;  /* [size] */
    int *leader;                   /* [size], the rank that leads the node of each */
    struct kith__descriptor up;    /* line to the leader, or of a leader to rank 0; -1: none */
    struct kith__descriptor *down; /* lines of who looks up here */
    int *down_ranks;               /* whose they are */
    int downs;
    int fds[KITH__CONN_FDS], n_fds; /* own ones; of the leader once the node is found */
};

int kith__rendezvous_tell(struct kith__rendezvous *m,
                          const struct kith__launch *launch); /* fills in records */
int kith__rendezvous_compare(
    const struct kith__rendezvous *m);                  /* KITH_EPEER: the ranks do not fit together */
void kith__rendezvous_free(struct kith__rendezvous *m); /* closes nothing that is in use */

int kith__rendezvous_add_line(struct kith__rendezvous *m, int *fd, int rank); /* *fd gets another number */

#endif
