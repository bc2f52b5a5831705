/* process.h: the body of a Process object, which the fork server fills in when it has ended. */
#ifndef KITH_PROCESS_H
#define KITH_PROCESS_H

#include "object.h"

struct kith__process_body {
    _Atomic uint32_t state;             /* 0: not yet, 1: running, 2: ended */
    _Atomic int32_t  pid, status;       /* status as of waitpid */
    _Atomic uint32_t member;            /* while it runs */
    uint32_t failed_to_start;           /* errno of fork */
};

static inline struct kith__process_body *kith__process_body(struct kith__object *o)
{
    return (struct kith__process_body *)(void *)&o->body;
}

/* Waits for all Processes of this node that are not daemons. */
void kith__processes_join(void);

/* What a member of role KITH__PROCESS does; returns its exit status. */
int kith__process_main(uint32_t who);

#endif
