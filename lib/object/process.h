/* process.h: the body of a Process object, which the fork server fills in when it has ended. */
#ifndef KITH_PROCESS_H
#define KITH_PROCESS_H

#include "object/class.h"
#include "code/token.h"
#include "member/members.h"

enum kith__process_state {
    KITH__PROCESS_RUNS = 1,
    KITH__PROCESS_ENDED,
    KITH__PROCESS_SETTLING /* it has ended, and its janitor settles what it had: to all it still runs */
};

struct kith__process_body {
    _Atomic uint32_t state;      /* enum kith__process_state; 0: not yet */
    _Atomic int32_t pid, status; /* status as of waitpid */
    _Atomic uint32_t member;     /* while it runs */
    _Atomic uint32_t fork_error; /* errno: it could not be started */
    _Atomic uint32_t is_counted; /* in .killed of the tables, until somebody asks for its exit code */
    uint32_t is_main;            /* no Process, but the head, or a rank that runs main: for kith_self */
    char name[sizeof((struct kith__member *)0)->name];
};

static inline struct kith__process_body *kith__process_body(struct kith__object *o)
{
    return (struct kith__process_body *)(void *)&o->body;
}

struct kith__start { /* what starts a Process on any node; behind it its argument and its setup (setup.h) */
    struct kith__token target;
    uint64_t number; /* which Process of the job */
    uint64_t arg_size, setup_size;
    uint64_t parent; /* handle of who starts it */
    uint64_t memory; /* its limit in bytes; 0: none */
    int32_t shape;   /* of the target, see start.h; 0: a kith_target */
    uint32_t limit_ms;
    uint32_t daemon, placed; /* placed: node 0 chose where */
    uint32_t internal, spare;
    char name[64];
};

struct kith__run { /* what a Process is to call, in the process that starts it */
    kith__anyfn *fn;
    int shape;
    const void *arg;
    size_t size;
    int internal; /* 1: it is kith's own: no user hears of it */
};

/* Starts one; o may be NULL. Its handle, which holds the code of a failure. Reports. */
kith_process kith__process_run(const struct kith__run *run, const struct kith_process_options *o);

/* The same without a report: its handle, or a code. And whether it is alive: 1, 0, or a code. */
int64_t kith__process_begin(const struct kith__run *run, const struct kith_process_options *o);
int64_t kith__process_is_alive(uint64_t id);

enum {
    KITH__PROCESS_LOOK = KITH__FIRST_METHOD,
    KITH__PROCESS_JOIN,
    KITH__PROCESS_PID,
    KITH__PROCESS_SIGNAL,
    KITH__PROCESS_START,
    KITH__PROCESS_AWAIT,
    KITH__PROCESS_MEMBER,
    KITH__PROCESS_NAME,
    KITH__PROCESS_CHILDREN
};

/* The serial number of its process, which is about to be given something to hold; 0: it has ended. Or a code.
 */
int64_t kith__process_member(kith_process p);

/* In its guard, of the object that id means: its process has ended with status, as of waitpid. settling: who
 * waits for it hears of that by kith__process_settle. */
void kith__process_ends(struct kith__object *o, uint64_t id, int status, int settling);

/* What the process of id had is settled, or nobody can do it: now it has ended. id may be any other object's.
 * may_wait: 0: for who must not wait for a guard. 0: somebody is in it: call it again. */
int kith__process_settle(uint64_t id, int may_wait);

uint32_t kith__node_busy(void); /* Processes, and workers with a task, of this node */

/* Waits for all Processes of the job that are not daemons. */
void kith__processes_join(void);

/* After that: whether signals have ended some of which nobody asked for the exit code: 0, or KITH_EPEER and
 * the sentence. */
int kith__processes_check(void);

/* This process runs main, under that name: it gets a handle for kith_self, or its handle another name. 0;
 * KITH_ENOMEM. */
int kith__process_is_main(const char *name);

/* Closes what a dead member was about to start when its object was there and the fork server had not been
 * asked: nobody has got its handle, and it would count as running as long as the job. The block that it was
 * to have is the dead member's again. For janitors, before kith__members_sweep. */
void kith__processes_sweep(uint32_t asker);

/* What a member of role KITH__PROCESS does; returns its exit status. */
int kith__process_main(uint32_t who);

#endif
