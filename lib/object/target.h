/* target.h: a function of the user that runs in a worker or Process, and what it may say while it runs. */
#ifndef KITH_TARGET_H
#define KITH_TARGET_H

#include "kith.h"

#include <stdint.h>

/* What the running task, initializer or Process of this thread has said by kith_fail. */
struct kith__task {
    uint32_t thread, depth; /* see kith__task_id */
    int special;            /* 1: it has failed or has taken memory: its end is more than its result */
    int code;
    uint8_t running;  /* 1: in a task or initializer */
    uint8_t failed;   /* 1: with .code */
    uint8_t has_text; /* 1: kith__task_text says why */
    uint64_t taken;   /* kith__ever_taken when it began */
    size_t arg_size;  /* for kith_arg_size */
};
extern _Thread_local struct kith__task kith__task;

enum { KITH__TASK_TEXT = 256 };

/* Keeps what it, or who runs it, says of its failure; "" when nothing was said. */
void kith__task_says(const char *format, ...) KITH_PRINTF(1, 2);
const char *kith__task_text(void);

/* Tells this thread, and the task that it runs, from all others of this process. */
uint64_t kith__task_id(void);

/* Before and after a function of the program is called so, which gets size bytes and returns rc: what it gave
 * to kith_fail, or rc. */
void kith__task_begin(size_t size);
int kith__task_end(int rc);

/* Calls a target or initializer with its bytes: what it returned, or gave to kith_fail. */
int kith__call_target(kith_target *fn, const void *arg, size_t size);

#endif
