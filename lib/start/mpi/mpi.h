/* mpi.h: what kith asks of an MPI. mpi.c is built once for each MPI that configure found, as a module of
 * its own; libkith links none of them. */
#ifndef KITH_MPI_MPI_H
#define KITH_MPI_MPI_H

#include <stddef.h>

struct kith__mpi {
    const char *kith;   /* KITH_VERSION of the module */
    const char *title;  /* for sentences: "Open MPI" */
    const char *mpirun; /* the path of its launcher when it was built; "" : there was none */
    int (*version)(char *text, size_t room); /* of the library: "Open MPI v4.1.4" */

    /* Those of the standard; not 0: failed. init does nothing when the program has done it; one_host: all
     * ranks are on this host, so no fabric has to be looked for. */
    int (*init)(int *argc, char ***argv, int one_host);
    int (*is_up)(void); /* 1 from MPI_Init to MPI_Finalize, whoever called them */
    void (*where)(int *rank, int *size);
    int (*allgather)(const void *mine, void *all, size_t each);
    int (*bcast)(void *data, size_t size); /* from rank 0 */
    int (*finalize)(void);

    /* Asks the launcher to end all ranks and to have this exit status, without a word. It may return before
     * that has happened, or never. Any thread may call it. */
    void (*end_all)(int status);

    /* The launcher was killed: removes the files of this job that it would have removed. Any rank may call
     * it, and any thread. */
    void (*tidy)(void);
};

/* The name of the table in the module. */
#define KITH__MPI_TABLE "kith__mpi_table"

#endif
