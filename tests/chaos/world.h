/* world.h: what all processes of a history know: what was drawn before it began, what they share, and what
 * they may hold against kith. */
#ifndef CHAOS_WORLD_H
#define CHAOS_WORLD_H

#include "kith.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
    POOLS = 3,
    QUEUES = 3,
    GENERATIONS = 24,
    THREADS = 4,
    PROCESSES = 3,
    PUTTERS = 4096,
    ITEMS = 40,
    JOBS = 8192,
    RUNS = 1 << 22
};

/* ---- known before it begins, and the same in all its processes */

enum trouble { CALM, KILLER, NO_SERVER };
enum ending { TIDY, LEAVE_OPEN, LEAVE_BY_EXIT };

extern struct history {
    uint64_t seed;
    enum trouble trouble;
    enum ending ending;
    int threads, processes, steps, serial, net;
    int alone; /* nothing is done by another process */
    int big;   /* some arguments of MiB */
} now;

/* Which actor this thread is. */
extern _Thread_local int my_actor;

/* ---- shared */

struct pool_options_seen {
    int no_deaths, workers, tries, limit_ms, tasks_per_worker, has_init;
};

/* A place for a Pool has one after the other. */
struct pool_life {
    _Atomic uint64_t handle;
    _Atomic int being_opened, opened, ending, terminated, ended;
    struct pool_options_seen options;
};

struct queue_life {
    _Atomic uint64_t handle;
    _Atomic int being_opened, opened, ending, ended;
};

extern struct world {
    _Atomic int server, watchdog, agent, up, over, wrong, kills, takers;
    _Atomic int killer_rests; /* 1: over was seen, nobody is stopped any more */
    _Atomic int steps_done;
    _Atomic uint32_t next_run, next_putter;
    _Atomic int64_t blocks; /* given by kith_alloc and not freed: at most so many */
    _Atomic int at_finalize;
    _Atomic int deaths; /* 1: a Process was ended by another */
    _Atomic int doomed; /* 1: one of them was an actor: nobody asks how its Processes have ended */
    _Atomic int open;   /* Pools, Queues and Processes of one actor's own: some stay when it is killed */
    char said[800];
    struct {
        _Atomic int current;
        struct pool_life lives[GENERATIONS];
    } pools[POOLS];
    struct {
        _Atomic int current;
        struct queue_life lives[GENERATIONS];
    } queues[QUEUES];
    struct {
        _Atomic uint32_t put, queue;
        _Atomic uint8_t taken[ITEMS];
    } putters[PUTTERS];
    _Atomic uint64_t named[2];
    _Atomic uint64_t sem; /* handle of the Semaphore; 0: there is none */
    _Atomic int units, inside;
    _Atomic uint64_t value; /* handle of the Value; 0: there is none */
    _Atomic long adds_begun, adds_done;
    _Atomic uint64_t array; /* likewise of the Array */
    _Atomic long cells_begun, cells_done;
    _Atomic int lock_holders;
    _Atomic uint64_t dict, list; /* handles; 0: there is none */
    _Atomic long incs_begun, incs_done, appends_begun, appends_done, pops_begun, pops_done;
    _Atomic uint64_t lock;    /* handle of the Lock; 0: there is none */
    _Atomic int locked;       /* its holder is at work */
    _Atomic uint64_t sync[4]; /* handles of those of sync.c; 0: there is none */
    _Atomic int rlocked;
    _Atomic uint64_t jobs; /* handle of the joinable Queue; 0: there is none */
    _Atomic uint32_t next_job;
    _Atomic uint8_t job_put[JOBS], job_done[JOBS];
    _Atomic uint64_t ns; /* handle of the Namespace; 0: there is none */
    _Atomic long names_begun, names_done, counts_begun, counts_done;
    _Atomic uint32_t doing[THREADS + PROCESSES]; /* step << 8 | what */
    _Atomic uint32_t zeros[THREADS + PROCESSES]; /* runs of tasks without bytes */
    _Atomic uint8_t runs[RUNS];
} * world;

/* ---- what must not be */

/* Says the first thing that is wrong, with a sentence; the history has failed. */
void wrong(const char *format, ...) KITH_PRINTF(1, 2);

#define CHECK(condition, ...)   \
    do {                        \
        if (!(condition))       \
            wrong(__VA_ARGS__); \
    } while (0)

/* ---- what excuses kith */

/* Somebody kills from outside; somebody killed from there or from inside. */
int disturbed(void);
int somebody_died(void);

/* This code comes of the fork server's death; of KITH_MEM, by hand; of one of them. */
int server_lost(int rc);
int short_of_memory(int rc);
int excused(int rc);

/* Nobody gives back what the dead have: the fork server was killed. */
int dead_keep_what_they_have(void);

/* A Process that must end with that exit code may end so. */
int code_is_right(int code, int must);

#endif
