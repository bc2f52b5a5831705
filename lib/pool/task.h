/* task.h: running user functions: the loops over a claim, and what a task may say while it runs. */
#ifndef KITH_TASK_H
#define KITH_TASK_H

#include "pool/board.h"

/* What the running task of this thread has said by kith_fail. */
struct kith__task {
    int running;                        /* 1: in a task or initializer */
    int failed, code;
    size_t arg_size;                    /* for kith_arg_size */
    char text[256];
};
extern _Thread_local struct kith__task kith__task __attribute__((tls_model("initial-exec")));

/* Runs units [lo, lo + length) of j as worker, with .at kept and faults told. */
void kith__run(struct kith__job *j, uint32_t worker, kith__anyfn *fn, uint64_t lo, uint64_t length);

/* Sizes of a number by its letter (kith.h, KITH__SHAPES); 0: no such letter. */
size_t kith__number_size(int letter);

/* Calls a target or initializer with its bytes: what it returned, or gave to kith_fail. */
int kith__call_target(kith_target *fn, const void *arg, size_t size);

#endif
