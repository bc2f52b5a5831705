/* env.h: the environment variables that a user may set, in one list. What kith_init checks, what the command
 * "kith env" prints and the tables of README.md and man/kith.7 come from it (tests/launcher/env.sh compares).
 * The marks that kith sets for its own processes (KITH_RUN, KITH_RERUN, KITH_SEAT) are not for users and not
 * here. */
#ifndef KITH_BASE_ENV_H
#define KITH_BASE_ENV_H

#include <stddef.h>

/* X(NAME, VALUES, DEFAULT, MEANING). VALUES: words with | between them, of which it must be one; or in
 * capitals the form of what it takes, which is checked where it is read. */
#define KITH__ENV(X)                                                                                       \
    X(WORKERS, "N", "as provided at launch", "workers per node for pools opened with 0")                   \
    X(LAUNCH, "none|openmpi|mpich", "detected",                                                            \
      "none: ignore the launcher, each process is a program of its own; else the MPI to use")              \
    X(LOG, "critical|error|warning|info|debug", "warnings of the program, notices of kith",                \
      "lowest level of what is logged; error suppresses notices")                                          \
    X(PROGRESS, "0|1", "0", "1: show how far calls have come, on stderr: a bar on a terminal, else lines") \
    X(JOBLOG, "FILE", "none", "write a line to FILE for each range of tasks that a worker has run")        \
    X(MEM, "SIZE", "all that is free", "limit on shared memory per node, such as 500M or 8G")              \
    X(SEED, "N", "new for each run", "seed of the random numbers")                                         \
    X(SERIAL, "0|1", "0", "1: run tasks in the head, one after the other, for debuggers and profilers")    \
    X(DEBUG, "0|1", "0", "1: no timeouts, for tasks or between processes")                                 \
    X(CHECK, "0|1", "0", "1: warn if globals change after kith_init (workers do not see it)")              \
    X(ON_CRASH, "stop", "report the crash", "stop: a crashing task waits for a debugger")                  \
    X(TRANSPORT, "auto|net", "auto", "net: reach objects through the network even on the same node")       \
    X(NET, "NETWORKS", "all but container bridges", "networks between nodes, such as 10.0.0.0/8,fd00::/8") \
    X(PORTS, "LOW-HIGH", "any free port", "ports between nodes, such as 50000-50099")                      \
    X(NET_SECURITY, "curve|plain", "curve", "plain: authenticate between nodes without encryption")        \
    X(BUILDS, "same|any", "same", "any: libraries of the program may be other builds on other hosts")      \
    X(MODULES, "DIRECTORY", "kith/ beside libkith, or as installed",                                       \
      "where the modules for MPI and ZeroMQ are")                                                          \
    X(MPIRUN, "PROGRAM", "found in PATH", "the mpirun called by kith run")

#define KITH__ENV_ENUM(name, values, normal, meaning) KITH__ENV_##name,
enum kith__env { KITH__ENV(KITH__ENV_ENUM) KITH__ENV_COUNT };

struct kith__variable {
    const char *name;   /* with KITH_ */
    const char *values; /* VALUES, DEFAULT, MEANING above */
    const char *normal;
    const char *meaning;
};

extern const struct kith__variable kith__variables[KITH__ENV_COUNT];

/* Its value; NULL when it is not set, or empty, which is the same. Valid until the environment changes. */
const char *kith__env(enum kith__env v);

/* For one that takes words: which of them it is, from 0; -1 when it is not set, or no such word. */
int kith__env_word(enum kith__env v);

/* For one of 0 and 1. */
int kith__env_on(enum kith__env v);

/* 1 when it is not set, is one of its words, or takes something else than words. Otherwise 0, and a sentence
 * is in text. */
int kith__env_is_valid(enum kith__env v, char *text, size_t room);

#endif
