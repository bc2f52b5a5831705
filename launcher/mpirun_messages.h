/* words.h: what Open MPI's mpirun and MPICH's mpiexec say, in one sentence for people. */
#ifndef KITH_WORDS_H
#define KITH_WORDS_H

#include "mpi.h"
#include "filter.h"

struct words {
    struct sieve_judge out, err;        /* for mpirun's stdout and stderr */
    int remote;                 /* ranks on other hosts */
    int asked;                  /* the signal by which kith was asked to end the job; 0: none */
    int said;                   /* something was said of why the job ended */
    int status;                 /* the exit status that follows from a message; 0: none does */
    int signal;                 /* a rank died by it; 0: none did */
    char trouble[200];          /* the first line of MPICH's about its own trouble */
    int unreachable;            /* mpirun could not start its daemons on the other hosts */
};

void words_init(struct words *w, const struct mpi *m, int remote);

#endif
