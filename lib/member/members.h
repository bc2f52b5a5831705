/* members.h: the processes and threads of the job on this node, as they stand in the arena.
 *
 * A member is a process, a seat is a thread of one that may wait. Both are tables of fixed size. A
 * member is written by who asks for it until it is ASKED, then by the fork server; a seat by its
 * thread, and by the fork server once its process is dead.
 */
#ifndef KITH_MEMBERS_H
#define KITH_MEMBERS_H

#include "shm/arena.h"
#include "code/crash.h"
#include "base/oom.h"
#include "shm/guard.h"
#include "code/token.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

enum { KITH__MEMBERS = 4096, KITH__SEATS = 2048 };

/* The numbers of members: the head is 1. */
enum { KITH__SERVER_MEMBER = 2, KITH__FIRST_MEMBER };

enum kith__role {
    KITH__NOBODY,
    KITH__HEAD,
    KITH__SERVER,
    KITH__AGENT,
    KITH__RANK,
    KITH__WORKER,
    KITH__PROCESS
};

enum kith__member_state {
    KITH__FREE,
    KITH__TAKEN,   /* being filled in by .asker, which may stand there before */
    KITH__ASKED,   /* the fork server is to start it */
    KITH__RUNNING, /* .pid is valid: the fork server reaps it before it leaves this state */
    KITH__ENDED,   /* whoever waits for it is about to know; the fork server tidies up */
    KITH__DEAD,    /* janitors work on it, one after the other, until one of them has come to its end */
    KITH__SWEPT    /* that one says so: the fork server may free the entry */
};

enum kith__member_event {
    KITH__MEMBER_IS_TAKEN,
    KITH__MEMBER_IS_ASKED,
    KITH__MEMBER_BEGINS,
    KITH__MEMBER_ENDS,
    KITH__MEMBER_IS_DEAD, /* it has left something, which a janitor is to take back */
    KITH__MEMBER_IS_SWEPT,
    KITH__MEMBER_IS_FREED
};

/* What a member may hold in an object. Given: an end of a Pipe that it has opened or that was given to it, of
 * which its agent may know no request. */
enum kith__holds { KITH__HOLDS_UNITS = 1, KITH__HOLDS_GIVEN = 2 };

struct kith__member {
    _Atomic uint32_t state; /* enum kith__member_state */
    _Atomic uint32_t role;
    _Atomic int32_t pid;
    _Atomic uint32_t asker;       /* number + 1 of the member that asked for it */
    _Atomic uint32_t unpublished; /* blocks, objects, calls that it may have: when it has ended with some, a
                                     janitor looks */
    _Atomic uint32_t stop_sent;   /* a bit for each such signal that was sent */
    _Atomic uint32_t stop_signal; /* asked by kith_process_terminate and kill: the fork server sends it */
    _Atomic uint32_t daemon;
    _Atomic uint32_t busy;     /* of a worker: it has a task; for who chooses a node */
    _Atomic uint32_t holds;    /* enum kith__holds: when it has ended, a janitor looks */
    _Atomic uint32_t serial;   /* of this process, never used again on this node */
    uint32_t worker;           /* index in its pool */
    _Atomic uint64_t object;   /* handle of its Process or pool; of the head: see kith_self */
    uint64_t number;           /* which Process of the job: its random numbers */
    uint64_t arg, arg_size;    /* a block of the heap, owned by this entry */
    uint64_t setup_size;       /* bytes behind the argument: see setup.h */
    _Atomic uint64_t asked_by; /* of a Process: node << 32 | serial number of who started it */
    uint64_t parent;           /* and its handle; 0: it has none */
    uint64_t memory;           /* of a Process or worker: its limit; 0: none */
    uint32_t limit_ms;         /* of a Process, of its time */
    int32_t shape;             /* of its target: see start.h */
    _Atomic uint32_t internal; /* 1: a Process of kith's own, of which no user hears */
    struct kith__token target;
    char name[64];
    struct kith__crash crash;
    int32_t
        killed_by; /* a Process: the signal that its janitor is to tell of, when that was no crash; else 0 */
    char why[KITH__OOM_TEXT]; /* what is known of its end, "": nothing; the fork server's */
} __attribute__((aligned(64)));

struct kith__seat {
    _Atomic uint32_t word;    /* the only one its thread sleeps on; counts wake-ups */
    _Atomic uint32_t asleep;  /* word << 1 | 1: in the kernel, so whoever changes word must wake it; 0: not */
    _Atomic uint32_t member;  /* number + 1 of its process; 0: free */
    _Atomic uint32_t cpu;     /* where it was when it began to wait */
    _Atomic uint32_t polls;   /* 1: it sleeps by poll: the bell of those wakes it, see bell.h */
    _Atomic uint32_t users;   /* threads that ever took it: who knows one tells it from the next by this */
    _Atomic uint64_t waiting; /* tag of what it waits for, 0: nothing */
    _Atomic uint64_t since;   /* when it began to, for first come, first served */
    _Atomic uint64_t pinned;  /* the object that its thread is in, without a guard; 0: none. See pin.h */
    uint64_t visits;          /* its thread's own: pins ever set */
} __attribute__((aligned(128)));

enum kith__phase { KITH__UP, KITH__ENDING };

struct kith__tables {       /* the head of the tables */
    _Atomic uint32_t phase; /* enum kith__phase */
    _Atomic int32_t head_pid, server_pid, watchdog_pid,
        agent_pid;                /* server_pid < 0: it has not come up, see server.h */
    _Atomic uint32_t server_bell; /* a futex: see bell.h */
    _Atomic uint32_t agent_called,
        pollers_called;                        /* by one who cannot ring this bell: the fork server does */
    _Atomic uint32_t members_used, seats_used; /* entries that were ever in use: how far to look */
    _Atomic uint32_t members_in_use;           /* a hint: so many, from the first on, were not free */
    uint32_t usable_cpus;
    uint32_t given_cpus; /* as kith__given_cpus */
    uint32_t workers;    /* of a pool that was opened with 0 */
    uint32_t bound;      /* 1: the ranks have CPUs of their own, and .cpus are those of all of them */
    uint32_t cpu_count;
    int32_t cpus[1024]; /* for the workers */
    uint32_t node;      /* number of this node */
    uint32_t nodes;
    uint32_t job_secret;
    _Atomic uint32_t serials; /* given to members */
    _Atomic uint32_t
        killed; /* Processes that signals have ended, not ours, and whose exit codes nobody has asked for */
    _Atomic uint64_t processes;   /* Processes ever asked for */
    _Atomic int32_t output_error; /* of a worker or Process whose stdout could not be written: see output.h */
    _Atomic uint32_t faults_have_handler; /* kith_on_fault was called: nobody else tells of a fault */
    _Atomic int32_t log_level;            /* of kith_log_level; 0: nobody has called it */
    _Atomic int32_t progress_drawn;       /* 1: a bar stands at the end of the terminal: see log.h */
    _Atomic int64_t faults_told;          /* ns: when a call under way last told of tasks that failed */
    uint64_t seed;                        /* of the job's random numbers */
    uint32_t every_rank;                  /* 1: each rank runs main, and so each may open pools */
    _Atomic uint32_t placed;              /* Processes that node 0 has sent here, and that have come */
    _Atomic uint64_t ended;               /* bumped by the fork server at each death */
    _Atomic uint64_t agent_seat; /* number + 1 of the seat that stands for the node agent; see wait.h */
    _Atomic uint64_t
        agent_shared; /* what the agent shares with the others, see mailbox.h; 0: there is no agent */
    _Atomic uint32_t through_net; /* KITH_TRANSPORT=net: through the agent also at home */
    _Atomic uint32_t
        job_over; /* a futex: 1: node 0 has ended the job, 2: it is lost, 3: our agent is. Set by the agent */
    pthread_mutex_t server_lives; /* robust, held by the fork server as long as it lives */
    struct kith__guard names;     /* entered by who opens a named object */
    char host[64];
    struct kith__member members[KITH__MEMBERS];
    struct kith__seat seats[KITH__SEATS];
};

/* Whose memory shows what globals the program has set since kith_init: NULL in another rank that runs main,
 * whose variables lie elsewhere. */
const struct kith__kin *kith__kin(struct kith__kin *kin);

/* The head of the tables; valid once the arena is mapped. */
#define kith__shared ((struct kith__tables *)(void *)(kith__base + KITH__TABLES_START))

/* Where there is no base, or no me: KITH_ENOTINIT and the sentence for it. what: "kith_alloc was called". */
int kith__not_in_job(const char *what);

extern uint32_t kith__me; /* this process's member number + 1; 0: none. With an arena only */

/* Once, in a new arena: of a job that may use so many CPUs here. */
int kith__members_init(int usable_cpus);

static inline struct kith__member *kith__member(uint32_t number_plus_1)
{
    return &kith__shared->members[number_plus_1 - 1];
}

/* 1: moved by the table of what may follow what (members.c); 0: there is nothing for that event. */
int kith__member_move(struct kith__member *m, enum kith__member_event event);

/* Its process is there, or about to be started. */
static inline int kith__member_is_up(const struct kith__member *m)
{
    uint32_t state = atomic_load(&m->state);

    return state == KITH__ASKED || state == KITH__RUNNING;
}

/* The process of this node with that serial number, if it is up; 0. */
uint32_t kith__member_of(uint32_t serial);

/* Takes a free entry, TAKEN by this process. 0: all in use (the sentence is set). */
uint32_t kith__member_take(enum kith__role role);
void kith__member_free(uint32_t who);
void kith__member_renew(struct kith__member *m); /* it is about to be another process */
void kith__members_sweep(uint32_t asker);        /* those that a dead one had taken and not asked for yet */

/* Becomes member who: after a fork, or in the head. */
void kith__become(uint32_t who);

/* Binds this thread to the CPUs of that part of .cpus. */
void kith__bind(uint32_t from, uint32_t to);

/* Takes this thread out of the part that a launcher has given its rank alone: all ranks' CPUs are for
 * workers. */
void kith__unbind(void);

int kith__server_dead(void); /* 1: the fork server is gone: KITH_EPEER with a sentence is set */

/* This thread's seat, given at its first call and taken back when the thread ends. NULL: all are in use, and
 * who only waits looks again and again; _needed sets the sentence, for who cannot do without. */
struct kith__seat *kith__seat(void);
struct kith__seat *kith__seat_needed(void);
static inline uint32_t kith__seat_number(const struct kith__seat *s)
{
    return (uint32_t)(s - kith__shared->seats);
}
extern void (*_Atomic kith__seat_is_left)(void); /* called by a thread that ends, while the seat is its own */
void kith__seats_release(uint32_t member);       /* of a dead member; for the fork server */

#endif
