/* process.h: the body of a Process object, which the fork server fills in when it has ended. */
#ifndef KITH_PROCESS_H
#define KITH_PROCESS_H

#include "object/object.h"
#include "code/token.h"

struct kith__process_body {
    _Atomic uint32_t state;      /* 0: not yet, 1: running, 2: ended */
    _Atomic int32_t pid, status; /* status as of waitpid */
    _Atomic uint32_t member;     /* while it runs */
    _Atomic uint32_t fork_error; /* errno: it could not be started */
};

static inline struct kith__process_body *kith__process_body(struct kith__object *o)
{
    return (struct kith__process_body *)(void *)&o->body;
}

struct kith__start { /* what starts a Process on any node; behind it its arg_size bytes */
    struct kith__token target;
    uint64_t number; /* which Process of the job */
    uint64_t arg_size;
    uint32_t daemon, placed; /* placed: node 0 chose where */
    char name[64];
};

/* What can be done to a Process at home here; none of these waits: KITH__PARKED (queue.h) means: not yet. */
int64_t kith__process_begin(const struct kith__start *s, const void *arg); /* its handle, or a code */
int64_t kith__process_look(uint64_t id);      /* state << 32 | status as of waitpid */
int64_t kith__process_ended(uint64_t id);     /* 0 */
int64_t kith__process_known_pid(uint64_t id); /* 0: it has ended before it had one */
int kith__process_signal(uint64_t id, int sig);
int kith__process_forget(uint64_t id);
int64_t kith__processes_ended(void); /* how many were ever asked for here, when none but daemons run */

uint32_t kith__node_busy(void); /* Processes, and workers with a task, of this node */

/* Waits for all Processes of the job that are not daemons. */
void kith__processes_join(void);

/* What a member of role KITH__PROCESS does; returns its exit status. */
int kith__process_main(uint32_t who);

#endif
