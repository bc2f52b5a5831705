/* facts.h: what a host has said of itself, and what of it stands in the way of a job. Nothing in here runs
 * anything or looks around: text in, a row of a table out. */
#ifndef KITH_FACTS_H
#define KITH_FACTS_H

#include "mpi.h"
#include "peer.h"

#include <stddef.h>
#include <stdint.h>

enum { FACTS_CELL = 64, FACTS_CURE = 512, FACTS_NETS = 1024 };

struct facts {
    char trouble[FACTS_CURE]; /* why there is no login, with the cure; "": there is one */
    char kith[32];            /* its version; "": it is not there */
    int has_peer;             /* and it has told the rest, from cpus on */
    struct mpi mpi;           /* .version "": none, or unknown */
    int has_daemon;           /* what mpirun starts there is in PATH */
    char program[80];         /* checksum and size; "": it is not there */
    int is_locked;            /* the program is there, and not executable */
    char missing[128];        /* a library that its loader does not find; "": none */
    int has_directory;
    int is_eaten;                /* the beginning of what was asked, by what a login runs */
    double clock;                /* s since 1970, there */
    double clock_from, clock_to; /* and here: it was asked for between these two */
    int cpus;
    uint64_t memory, processes, files, space; /* bytes or numbers; UINT64_MAX: no limit */
    char tmp[128];                            /* the directory for temporary files */
    uint64_t tmp_room, shm_room;              /* bytes that may be written there, and in /dev/shm */
    unsigned port;
    char token[PEER_TOKEN + 1];
    char addresses[FACTS_NETS]; /* with spaces between */
    char reached[64];           /* the address by which another host has reached it; "": none tried */
    char unreached[FACTS_CURE]; /* which host could not, and why; "": all who tried could */
};

/* Fills f from what kith hosts had run there: lines of a word and what belongs to it. */
void facts_read(struct facts *f, const char *said);

/* What is compared with. */
struct facts_view {
    const struct facts *here; /* this machine */
    const char *version;      /* of this kith */
    const char *kith;         /* where it is */
    const char *mpirun;       /* its name */
    const char *daemon;       /* what it starts on other hosts */
    const char *program;      /* "": none was named */
    const char *directory;
    int hosts, is_here; /* how many there are; f is of this machine */
    const char *name;
    long slots;
};

/* One column of the table. read fills text, and returns 1 when it is red: then cure says what to do. */
struct facts_column {
    const char *title;
    int (*read)(const struct facts *f, const struct facts_view *v, char text[FACTS_CELL],
                char cure[FACTS_CURE]);
};

extern const struct facts_column facts_columns[]; /* ends with a title NULL */

#endif
