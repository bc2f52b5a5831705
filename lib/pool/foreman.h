/* foreman.h: the process that works for a pool of another node: see branch.h.
 *
 * It opens the branch, an ordinary pool of its own node, and joins. A thread for each grant claims it, gives
 * it to the branch as a part of its job, and returns what came of it; how many of them claim at a time,
 * deal.h says. The first thread waits for news: of jobs that are given up, and of the end. It runs no code of
 * the user.
 */
#ifndef KITH_FOREMAN_H
#define KITH_FOREMAN_H

#include "pool/board.h"
#include "kith.h"

#include <stdint.h>

struct kith__brief { /* what it needs to know of its pool; behind it the argument of the initializer */
    uint64_t pool;   /* its handle */
    uint32_t workers, first_worker, all_workers; /* of the branch; the number of its first; of all nodes */
    int32_t limit_ms, init_limit_ms, exit_limit_ms, tries, tasks_per_worker, unpinned; /* as options */
    int32_t has_init, has_exit;
    uint64_t chunk, memory, arg_size;
    struct kith__pool_functions functions;
};

/* The target of its Process: returns its exit status. */
int kith__foreman(const void *brief);

/* What its own functions have failed with: comes with a JOIN of no workers, and with a LEAVE. */
struct kith__branch_fault {
    int32_t rc; /* KITH_ETASK: so the pool fails, too; else it goes without this node */
    int32_t end, code, signal, pid, worker;
    uint64_t count; /* of those that have failed */
    char text[480];
};

#endif
