/* kith.h: Python's multiprocessing for C, from one machine to a cluster.
 *
 * A program calls kith_init first and kith_finalize last. In between it starts
 * Processes, opens Pools and shares Queues, Pipes, Locks, Semaphores, Events,
 * Conditions, Barriers, Values, Arrays, Dicts and Lists: on the cores of one machine
 * when started by hand, on many machines under mpirun, srun or kith run:
 *
 *     static double to_celsius(double f) { return (f - 32.0) * 5.0 / 9.0; }
 *
 *     int main(int argc, char **argv)
 *     {
 *         double f[50] = { 451.0 }, c[50];
 *
 *         kith_init(&argc, &argv);              // workers do not return from here
 *         kith_pool pool = kith_pool_open(0);   // one worker per CPU
 *         kith_map(pool, to_celsius, f, c, 50);
 *         kith_pool_close(pool);
 *         return kith_finalize();
 *     }
 *
 * Every object is a small value, a handle: it can be copied, stored in a struct and sent
 * inside any message, and it names the same object in every process of the job. The zero
 * handle names no object; using it is an error, never a crash.
 *
 * Functions return 0 or a count, or a negative code (see "Errors"). Unless a comment says
 * otherwise, they may be called from any thread, after kith_init, in the head (the
 * process that runs main), in tasks and in Processes. They may not be called in a signal
 * handler, nor in a process that the program has forked itself. Memory that is passed in
 * is borrowed until the call returns. kith(7) lists the limits.
 */
#ifndef KITH_H
#define KITH_H

#include <stddef.h>
#include <stdint.h>

#define KITH_VERSION_MAJOR 0
#define KITH_VERSION_MINOR 1
#define KITH_VERSION_PATCH 0
#define KITH_VERSION "0.1.0"

#if defined __GNUC__
#define KITH_API __attribute__((visibility("default")))
#define KITH_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define KITH_API
#define KITH_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Start and end ----------------------------------------------------------------- */

/* Makes this program a kith job. Call it once, early in main, from the first thread.
 * Under mpirun or srun, rank 0 returns and runs main; all other ranks serve it and leave
 * the program inside this call. argc and argv may be NULL; they are passed to MPI_Init if
 * there is one.
 *
 * Workers start with the globals as they are at this call: set what they must see before
 * it; check arguments and print after it. Start threads after it as well: workers have
 * none of the threads that exist now, and a mutex that one of these holds stays locked
 * there. Files that are open now are open in tasks; pipes and sockets are not, so that
 * their other end notices when main closes them. Under a launcher each rank runs main up
 * to this call, and the workers of another node have the globals of the rank there:
 * these must not depend on stdin, which only rank 0 has, nor on anything that differs
 * between nodes.
 *
 *   0            the job has begun
 *   KITH_EINVAL  called twice, in a task, or in a parallel region of OpenMP; or a KITH_
 *                environment variable has a bad value
 *   KITH_ENOMEM  not enough memory, or no process can be started
 *   KITH_EPEER   the launcher cannot be used from here; the message says why
 */
KITH_API int kith_init(int *argc, char ***argv);

/* The same for a program in which every rank runs main ("SPMD"): MPI is initialized when
 * it returns, and the program may call it. Without a launcher, the program is restarted
 * under mpirun on all usable CPUs. Returns the codes of kith_init, and:
 *
 *   KITH_EPEER   the program was restarted, but is still alone: its MPI and its mpirun do
 *                not belong together
 */
KITH_API int kith_init_ranks(int *argc, char ***argv);

/* Ends the job: waits for Processes that are not daemons, then ends everything else
 * (other Processes, pools, nodes) and leaves nothing behind. Meant for "return" in main;
 * called by exit if the program did not call it. When nobody reads stdout any more, as
 * in "| head", SIGPIPE ends the job if the head or a task prints; a Process that prints
 * is ended alone, and its output counts as lost.
 *
 *   0  success
 *   1  the fault handler was called;
 *      or output of the program, a task or a Process to stdout was lost (a full disk);
 *      or a signal ended a Process and nobody asked for its exit code (the signals of
 *      kith_process_terminate and kith_process_kill do not count);
 *      or the caller is a task or Process, where this function does nothing
 */
KITH_API int kith_finalize(void);

/* ---- Handles, arguments, timeouts -------------------------------------------------- */

/* A constructor that fails returns a handle that holds the code. Every call on such a
 * handle returns that code, and kith_check asks for it. */
typedef struct kith_process {
    uint64_t id;
} kith_process;
typedef struct kith_queue {
    uint64_t id;
} kith_queue;
typedef struct kith_pipe {
    uint64_t id;
} kith_pipe;
typedef struct kith_sem {
    uint64_t id;
} kith_sem;
typedef struct kith_value {
    uint64_t id;
} kith_value;
typedef struct kith_lock {
    uint64_t id;
} kith_lock;
typedef struct kith_rlock {
    uint64_t id;
} kith_rlock;
typedef struct kith_array {
    uint64_t id;
} kith_array;
typedef struct kith_event {
    uint64_t id;
} kith_event;
typedef struct kith_dict {
    uint64_t id;
} kith_dict;
typedef struct kith_list {
    uint64_t id;
} kith_list;
typedef struct kith_ns {
    uint64_t id;
} kith_ns;
typedef struct kith_cond {
    uint64_t id;
} kith_cond;
typedef struct kith_barrier {
    uint64_t id;
} kith_barrier;
typedef struct kith_shared {
    uint64_t id;
} kith_shared;
typedef struct kith_pool {
    uint64_t id;
} kith_pool;
typedef struct kith_result {
    uint64_t id;
} kith_result;
typedef struct kith_iter {
    uint64_t id;
} kith_iter;

/* int kith_check(handle);
 *
 * Tells whether the constructor of a handle of any type succeeded. It looks at the handle
 * only, not at the object, which may have been closed since.
 *
 *   0            the object was made
 *   KITH_ESTALE  the zero handle
 *   others       the code that the constructor failed with
 */

/* The bytes of a variable, struct or array, as the two arguments arg and size. */
#define KITH_ARG(x) &(x), sizeof(x)

/* The bytes of a C string, without the zero at its end, as two arguments: a key. */
#define KITH_TEXT(s) (s), kith__length(s)

/* A timeout_ms, in milliseconds, that never expires. 0 does not wait; any other negative
 * timeout is KITH_EINVAL. */
#define KITH_FOREVER (-1)

/* The target of a Process, or the initializer of a worker: any function, static or not,
 * of the program or of a library that it is linked with. It gets a copy of the bytes; a
 * pointer inside them is not valid there. Globals are as they were at kith_init. The
 * return value of a target is the exit code; outside 0..255 its low byte, or 1 if that
 * byte is 0. */
typedef int kith_target(const void *arg);

/* In a target or initializer: the size of arg in bytes. */
KITH_API size_t kith_arg_size(void);

/* The macros that end in _with take options, which are named in the call and 0 by
 * default: kith_pool_open_with(4, .limit_ms = 500). C++ has this notation only since
 * C++20; before that, pass a struct filled beforehand: kith_pool_open_with(4, options).
 */

/* ---- Memory ------------------------------------------------------------------------ */

/* Allocates size bytes of the node's shared memory, not zeroed, at an address that is a
 * multiple of 64. Tasks on the node read and write it in place; other memory, and any
 * memory for tasks on other nodes, is copied to them and back. The address is valid in
 * the workers and Processes of the node, but not in other ranks that run main. Size 0
 * returns a valid address as well.
 *
 * What a task allocates belongs to it until it has succeeded; what a Process allocates,
 * until it has returned or called exit, whatever its exit code. If a task fails, or
 * either dies first, the memory is freed.
 * What it had allocated by the time it gave something to an object (put, sent, stored,
 * set, released, notified), started a Process or opened a pool counts as passed on, and
 * stays. Looking at an object, waiting for it and taking from it pass nothing on. A task
 * that is run again because its worker died (see .tries of a pool) finds there what it
 * had already written.
 *
 * Returns NULL if there is not enough (a KITH_ENOMEM fault, and errno is ENOMEM);
 * kith_last_error says why.
 */
KITH_API void *kith_alloc(size_t size);

/* Returns the node's shared memory of this name (1 to 63 bytes): size bytes, zeroed,
 * which the first caller on the node allocates, at an address that is a multiple of 64.
 * The address is valid in the calling process; other ranks on the node that run main
 * call this function, too. The memory lives until kith_free, which also ends the name,
 * whatever becomes of the caller. Each node has its own memory of the name.
 *
 * Returns NULL on a fault; kith_last_error says why:
 *
 *   KITH_ENOMEM  not enough memory
 *   KITH_EINVAL  the name is not 1 to 63 bytes, or exists with another size
 */
KITH_API void *kith_alloc_named(const char *name, size_t size);

/* Frees memory of kith_alloc or kith_alloc_named, in any process of the node. NULL does
 * nothing.
 *
 *   0            freed
 *   KITH_EINVAL  p is not from either, or is free already
 */
KITH_API int kith_free(void *p);

/* ---- Shared data ------------------------------------------------------------------- */

/* Shares size bytes of constant data with all processes of the job: a large table, an
 * input that every task needs. The handle travels in arguments, and kith_shared_data
 * returns the address of the data. Each node that uses the data has one copy, which all
 * its processes read in place. A node fetches its copy when one of its processes first
 * asks for it, along a chain: each node passes on what it has to the next one while the
 * rest is still arriving, so the caller's node sends the data once, however many nodes
 * there are.
 *
 * If ptr is from kith_alloc, nothing is copied on this node: the memory becomes the
 * shared data, it must not be written any more, and kith_shared_close frees it, not
 * kith_free. Other memory is copied once and remains the caller's. Data that a task or
 * Process has shared outlives it, until it is closed or the job ends.
 *
 * A handle that holds a code:
 *
 *   KITH_EINVAL  ptr is NULL; or its block of kith_alloc has fewer bytes
 *   KITH_ENOMEM  not enough memory for the copy, or too many objects
 */
KITH_API kith_shared kith_share(const void *ptr, size_t size);

/* Returns the address of the shared data in this process, a multiple of 64. On a node
 * that has no copy yet, it waits until the copy is complete, which counts towards the
 * timeout of a task. After that, and on the node that shared the data, it returns at
 * once. The data must not be written. The address is valid until kith_shared_close.
 *
 * If a process dies while it fetches the data, another one that asks for the data
 * continues; if a node of the chain is lost, the next one continues from the node before
 * it. If the node that shared the data is lost, nodes that have a copy can go on using
 * it.
 *
 * NULL on a fault; kith_last_error says why:
 *
 *   KITH_ESTALE  it was closed
 *   KITH_ENOMEM  not enough memory for a copy on this node
 *   KITH_EPEER   the node that has shared it is lost, and this one has no copy
 */
KITH_API const void *kith_shared_data(kith_shared s);

/* Returns the number of bytes; or KITH_ESTALE, KITH_EPEER as kith_shared_data. Fetches no
 * copy. If the node that shared the data is lost, this node must have one. */
KITH_API int64_t kith_shared_size(kith_shared s);

/* Ends the shared data and frees its memory on all nodes. Addresses of it are no longer
 * valid, and a process that asks for it later, or is fetching it, gets KITH_ESTALE.
 * Returns 0; or KITH_ESTALE; or KITH_EPEER: the node that shared it is lost. Then the
 * copy on this node is freed, and those on other nodes end with the job. */
KITH_API int kith_shared_close(kith_shared s);

/* ---- Pools ------------------------------------------------------------------------- */

struct kith_pool_options {
    /* Each worker first calls init with a copy of the arg_size bytes at arg. If it does
     * not return 0, or calls kith_fail or exit, the open fails with its message. It may
     * store what the tasks need in globals, or in kith_worker_state. */
    kith_target *init;
    const void *arg;
    size_t arg_size;
    /* Tasks (elements, blocks) after which a worker ends and is replaced; 0: never. */
    int tasks_per_worker;
    /* A task that runs longer than this, in milliseconds, is ended together with its
     * worker, and reported. 0: no limit. */
    int limit_ms;
    /* How many times a task whose worker dies is started in all. 0: the default, 2.
     * Tasks run at least once: one whose worker is killed at its very end runs again. 1:
     * never again, it is reported instead; for tasks that change memory in place. Tasks
     * of a lost node are run elsewhere in any case, with the arguments as they were. With
     * 1, the tasks that another node has been given are reported if kith's process for
     * the pool there is killed. */
    int tries;
    /* 1: do not bind each worker to a CPU. */
    int unpinned;
    /* Tasks a worker takes at a time, at most 32767. 0: determined at run time. */
    size_t chunk;
    /* An initializer that runs longer than this, in milliseconds, is ended, and the open
     * fails. 0: ten times .limit_ms, at least a second; ten minutes without a .limit_ms.
     * KITH_FOREVER: no limit. */
    int init_limit_ms;
    /* After this many failures in one call, none of its remaining tasks is started: the
     * call returns KITH_ETASK as soon as the tasks under way have ended. 0: the default,
     * 100 as long as no task has succeeded. -1: never. Not for kith_imap, whose caller
     * gets each failure, and decides. */
    int halt;
    /* The last thing that a worker calls, with the bytes at arg, before it ends normally:
     * when the pool is closed, or after .tasks_per_worker tasks. It can write out what
     * the worker has gathered, or close what init has opened. It is not called in a
     * worker that died, nor when the pool is terminated or left open. kith_pool_close
     * waits for it, and returns KITH_ETASK if one did not return 0, called kith_fail or
     * the C library's exit, or died. It must not call its own pool. */
    kith_target *exit;
    /* An exit function that runs longer than this, in milliseconds, is ended and counts
     * as failed. 0: as for an initializer. KITH_FOREVER: no limit. */
    int exit_limit_ms;
    /* How many nodes take part, including this one. Their workers run tasks of all
     * calls, with the same results to the bit. Single tasks, of kith_apply_async and
     * kith_imap, go to another node when one of its workers has nothing else to do.
     * Workers on another node see its files, and the globals of its rank at kith_init.
     * Arrays in memory of kith_alloc are copied to them, but a pointer in an argument or
     * a context is not valid there. So a call that is given pointers, to memory of
     * kith_alloc, variables, strings or the like, runs on this node alone (KITH_LOG=info
     * reports it). Pointers are found if they are aligned, in the context and in a
     * sample of the arguments, but not in the memory that these point to. If a node is
     * lost, others run its tasks, perhaps for the second time. With .tries above 1 they
     * do so once the node has been silent for a second, if the call waits for nothing
     * else and the tasks are short. Each result counts once.
     * 0: all nodes, except that kith_for, whose tasks leave their results in memory, runs
     * on this one. With .caller = 1 or .threads = 1, with a pointer in .arg, and in a
     * program of kith_init_ranks: this node only.
     * -1: all, for all calls. */
    int nodes;
    /* How many bytes a worker may take from malloc and the like, beyond what it starts
     * with; and, counted separately, from kith_alloc, unless its task has freed them or
     * passed them on. Above that, malloc and kith_alloc return NULL. A task that crashes
     * or calls exit because of that is reported as KITH_END_OVER_MEMORY. Memory that
     * earlier tasks have not freed counts; the next try of a task has a new worker.
     * Ignored with KITH_SERIAL=1. 0: no limit. */
    size_t memory;
    /* 1: the thread that waits in kith_for, kith_sum, kith_reduce, or in a map from and
     * to memory of kith_alloc, works on that call, too. For short parallel loops. Its
     * tasks run in the calling process, with its globals, and kith_worker is the number
     * of workers there; .init is called there once, before the first of them, and .exit
     * if that process closes the pool. Such tasks are not isolated: .limit_ms does not
     * end them, and if one crashes, or calls exit, the caller ends. */
    int caller;
    /* 1: the workers are threads of this process, as in Python's ThreadPool. All calls
     * are the same, but arguments and results are used where they lie, and tasks share
     * the program's globals, so they need locks for what they change. Whatever a task
     * does to its process it does to the program: if it crashes, or calls exit or
     * pthread_exit, the program ends. A task cannot be ended: kith_result_cancel returns
     * KITH_ERUNNING for one that has begun, and kith_pool_terminate waits for it. Only
     * the process that opened the pool can use it; kith_finalize closes it if it is still
     * open, exit does not wait for it. Signals go to the program's other threads. Not
     * with .limit_ms, .init_limit_ms, .exit_limit_ms, .tries, .tasks_per_worker, .memory
     * or .nodes. 0: the workers are processes. */
    int threads;
};

/* Opens a pool of 1 to 1900 workers; 0: one per usable CPU, or per rank under a
 * launcher, on each node (with .caller = 1 one less, if there are several on this node
 * alone). They are distributed over the nodes in proportion to their CPUs, this node
 * first. Waits for the initializers, but not for the workers of this node to start. A
 * pool stays until it is closed or the job ends, also when the process that has opened it
 * has ended: others may have its handle. On failure the handle holds:
 *
 *   KITH_EINVAL  a bad argument
 *   KITH_ENOMEM  not enough memory, or no process or thread can be started
 *   KITH_EFUNC   .init is not a function of the program or of a library, or of another
 *                build of the library than the one loaded at kith_init
 *   KITH_ETASK   an initializer failed
 *   KITH_EPEER   the fork server is gone
 */
KITH_API kith_pool kith_pool_open(int workers);

/* kith_pool kith_pool_open_with(int workers, .option = value ...);
 *
 * The same with options: kith_pool_open_with(4, .limit_ms = 500, .tries = 1). */

/* Returns the number of workers on all nodes that take part, 1 with KITH_SERIAL=1; or
 * KITH_ESTALE. */
KITH_API int kith_pool_workers(kith_pool p);

/* Turns the display of progress on stderr on (1) or off (0), for calls that begin later:
 * maps, ranges and kith_imap, not single tasks. KITH_PROGRESS=1 turns it on in all
 * pools. On a terminal it is a bar with the rate, the time left and the number of
 * failures, and one line at the end; calls that end within half a second show nothing,
 * and only one of several simultaneous calls has the bar. Elsewhere it is a line after
 * 10 s and then from time to time; a function given to kith_log_to gets these lines
 * instead, as KITH_LOG_INFO. Only calls made by the head, or by rank 0, are shown, not
 * those made by tasks and Processes. For kith_imap, the results taken count.
 *
 *   0            done
 *   KITH_EINVAL  the pool is one of threads, of another process
 *   KITH_ESTALE  the pool was closed
 *   KITH_EPEER   the pool's node is lost
 */
KITH_API int kith_pool_progress(kith_pool p, int on);

/* What a worker has done since the pool was opened. Times are in seconds. */
struct kith_worker_stats {
    uint64_t tasks;     /* that have returned: elements of maps, blocks of ranges, single
                         * tasks */
    uint64_t processes; /* processes (or a thread) started for it: 1, and one for each
                         * replacement */
    double busy;        /* time in tasks, also while these wait for something */
    double waiting;     /* time without a task */
    double start_up;    /* until its processes were ready, initializers included */
    uint64_t ended;     /* tasks that have not returned: cancelled, over .limit_ms, or
                         * lost with their worker. Each try counts */
};

struct kith_slow_task {
    char function[64];
    uint64_t task;  /* index; of kith_apply_async: its number among its process's */
    uint64_t count; /* 1; or more, if it is one of that many tasks, the first of which is
                     * task: a worker does not read the clock after each short task */
    double seconds; /* that this worker spent in these tasks */
    int worker;
    int pid;
    int end; /* 0: it has returned; else how it (of several: the last one) has ended:
              * KITH_END_OVER_LIMIT, _SIGNALLED (or cancelled), _EXITED, _OVER_MEMORY */
};

struct kith_pool_stats {
    int workers;
    double open;                  /* time since the pool was opened */
    struct kith_worker_stats all; /* sums over its workers */
    size_t slowest_count;
    struct kith_slow_task slowest[5]; /* the slowest first */
};

/* int kith_pool_stats(kith_pool p, struct kith_pool_stats *s);
 * int kith_worker_stats(kith_pool p, int worker, struct kith_worker_stats *s);
 *
 * Fill *s with what the workers of the pool, or one of them, have done so far, on all
 * nodes. Other nodes are asked, a round trip each, and a node that is lost is left out.
 * They may be called at any time before the pool is closed, on any node, in any process
 * that can use the pool, and do not slow the workers, which keep these records in any
 * case. Times include tasks under way. A task counts when it has returned or ended, and
 * may then be among the slowest; single tasks, and blocks of ranges, may appear some
 * microseconds later, a task that was cancelled when its worker has been replaced.
 *
 *   0            *s is filled
 *   KITH_EINVAL  s is NULL, or there is no such worker
 *   KITH_ESTALE  the pool was closed
 *   KITH_EPEER   the pool's node is lost
 *
 * kith_pool_read_stats and kith_pool_read_worker_stats are the plain functions. */

/* In a task, an initializer or an exit function: returns size bytes of memory that
 * belong to this worker alone, aligned to 64. The first call allocates them, zeroed;
 * later calls in the same worker return the same memory. It is freed after the exit
 * function. A process that replaces the worker starts with zeros. Unlike a global it
 * belongs to one pool, also with KITH_SERIAL=1, where all tasks of the pool in a process
 * share it; and to one thread, if the workers are threads.
 *
 *     struct count *c = kith_worker_state(sizeof *c);
 *
 * Returns NULL on a fault; kith_last_error says why:
 *
 *   KITH_EINVAL  called elsewhere; or size is 0, or another one than before
 *   KITH_ENOMEM  not enough memory
 */
KITH_API void *kith_worker_state(size_t size);

/* Waits until the calls under way have ended, then ends the workers, each by its exit
 * function. Their tasks may go on calling the pool; nobody else may. The calls under way
 * include all asynchronous calls of this process. Of other processes' asynchronous calls
 * they include only those whose tasks have been handed out; maps that still wait for
 * their turn there are cancelled.
 *
 *   0            closed
 *   KITH_ETASK   closed, but exit functions have failed, now or earlier:
 *                kith_last_fault lists the first 64, with the worker's number as task
 *   KITH_EINVAL  called by a task of this pool; or the pool is another node's
 *   KITH_ESTALE  closed already
 *   KITH_EPEER   the fork server is gone, and the pool with it
 */
KITH_API int kith_pool_close(kith_pool p);

/* Ends the workers now, even while another thread waits in kith_pool_close; calls under
 * way return KITH_ECANCELLED. Exit functions are not called. Threads cannot be ended:
 * with .threads it waits for the tasks under way and for those that their workers
 * claimed together with them. Returns the codes of kith_pool_close but KITH_ETASK;
 * KITH_ESTALE if the pool has ended already. */
KITH_API int kith_pool_terminate(kith_pool p);

/* ---- Tasks that fail --------------------------------------------------------------- */

/* In a task, an initializer, an exit function or a Process: reports that it has failed,
 * with this code (0 counts as KITH_ETASK) and a text, formatted as by printf and cut at
 * 255 bytes. It returns to its caller.
 *
 *   code         the argument, so that "return kith_fail(...)" reads well
 *   KITH_EINVAL  called elsewhere
 */
KITH_API int kith_fail(int code, const char *format, ...) KITH_PRINTF(2, 3);

/* How a failed task ended. */
enum kith_end {
    KITH_END_FAILED = 1,     /* it returned a code, or called kith_fail */
    KITH_END_SIGNALLED = 2,  /* it crashed, or was killed */
    KITH_END_EXITED = 3,     /* it called exit */
    KITH_END_OVER_LIMIT = 4, /* it ran longer than .limit_ms */
    KITH_END_OVER_MEMORY = 5 /* it crashed or called exit when .memory was used up */
};

struct kith_fault {
    uint64_t task; /* index of the task, or of the first element of the block */
    int end;       /* enum kith_end */
    int code;      /* what the task returned or passed to kith_fail; or its exit status */
    int signal;    /* of KITH_END_SIGNALLED, _OVER_MEMORY; 0: it called exit */
    int pid;
    int rank;
    int worker;
    char host[64];
    char function[64];
    char text[512]; /* of kith_fail, or where it crashed */
};

/* int kith_last_fault(struct kith_fault *f, size_t index);
 *
 * Fills *f with a failed task of this thread's last call that returned KITH_ETASK: the
 * index-th in the order of tasks, from 0.
 *
 *   0            *f is filled
 *   KITH_EEND    there are no more
 *   KITH_EINVAL  f is NULL
 */

/* ---- Maps -------------------------------------------------------------------------- */

/* Each call in this section hands its tasks to the pool and waits until all have ended.
 * Any thread of any process may make it, including the pool's own tasks, up to 62 calls
 * deep. Tasks run at least once: one whose worker or node dies may run twice, see
 * .tries. If n is 0, the call does nothing.
 *
 * A call on a node other than the pool's uses all workers of the pool, too: a Process on
 * the pool's node makes it, and arguments and results go over the network. But if the
 * pool has workers on the caller's node, these alone run calls made by tasks of this
 * pool, since nested calls are many and short, and each node makes some of them; calls
 * that are given pointers; kith_for; and calls with no more tasks than there are idle
 * workers on that node.
 *
 *   0                all tasks succeeded
 *   KITH_ETASK       tasks failed: kith_last_fault lists them; or the initializer now
 *                    fails in every worker
 *   KITH_EINVAL      a bad argument; or calls are nested too deep
 *   KITH_ENOMEM      not enough memory; or no worker can be started
 *   KITH_EFUNC       fn is not a function of the program or of a library, or of another
 *                    build of the library than the one loaded at kith_init
 *   KITH_ESTALE      the pool was closed
 *   KITH_ECANCELLED  the pool was terminated meanwhile
 *   KITH_EPEER       the fork server is gone; or the pool's node is lost; or only workers
 *                    on the caller's node could run the call, and these have ended
 *
 * After KITH_ETASK the results of the other tasks are there. Outputs of tasks that
 * failed, or were not started because of .halt, are unchanged, except for what a killed
 * task had written into memory of kith_alloc. A function of a library that was loaded
 * after kith_init does not fail the call, but each task, with KITH_EFUNC. */

/* Calls that are under way in a pool at the same time share its workers: calls of the
 * highest priority go first, and calls of equal priority have equally many workers, or
 * take turns. A worker changes to another call between two tasks (blocks of a range), so
 * no task is interrupted.
 *
 * Sets the priority of the calls that this thread makes from now on, in this section and
 * the next two: -4 to 4, initially 0. Calls made by a task have the priority of the call
 * that the task belongs to.
 *
 *   0            done
 *   KITH_EINVAL  another number; or called in a task
 */
KITH_API int kith_priority(int priority);

/* int kith_map(kith_pool pool, f, const A *in, R *out, size_t n);
 * int kith_starmap(kith_pool pool, f, A rows[][columns], R *out, size_t n);
 * int kith_apply(kith_pool pool, f, R *y, A a ...);
 * int kith_apply(kith_pool pool, fn, R *y, const void *in, size_t in_size);
 *
 * kith_map computes out[i] = f(in[i]) for all i < n, where f is one of
 *     T f(T), T being int, unsigned, long, unsigned long, long long, float or double;
 *     double f(int), double f(long), long f(int);
 *     int f(const void *in, void *out), for structs and everything else: it is called as
 *         f(&in[i], &out[i]) and returns 0, or a code of its own if the task has failed.
 * kith_starmap computes out[i] = f(rows[i][0], rows[i][1] ...) for n rows, where f is
 *     such a function of numbers, but of one, two or three arguments.
 * kith_apply computes *y = f(a ...) once, in a worker, for the same functions, and for
 *     those of up to four handles, strings and numbers of one type, in any order, that
 *     return a number. One of structs is called as fn(in, y): kith_apply(pool, fn, &y,
 *     KITH_ARG(x)).
 *
 * in and out may be the same array: each result is still computed from its original
 * argument, whichever worker dies. In memory of kith_alloc, a function of structs may
 * have changed its argument, so an element whose worker died is reported, not tried
 * again. Arrays must not overlap in any other way; in memory of kith_alloc that is
 * KITH_EINVAL.
 *
 * These macros choose by the type of f, and a wrong type does not compile. In C++ they
 * are templates. Codes as above, and:
 *
 *   KITH_ESIZE   (kith_starmap) the rows have another number of columns than f has
 *                arguments
 */

/* kith_map as a function, for C++ and other languages: calls
 * fn(in + i * in_size, out + i * out_size) for all i < n. A size may be 0: then all tasks
 * get the same pointer. */
typedef int kith_map_fn(const void *in, void *out);
KITH_API int kith_pool_map(kith_pool p, kith_map_fn *fn, const void *in, size_t in_size, void *out,
                           size_t out_size, size_t n);

/* int kith_map_costs(kith_pool pool, f, const A *in, R *out, size_t n,
 *                    const double *costs);
 *
 * kith_map with an estimate of what each task costs: costs[i] for in[i], in any unit.
 * The most expensive tasks start first, so that none of them runs alone at the end. The
 * results are those of kith_map, in the same order and with the same bits, random
 * numbers included. Worth it for tasks of a millisecond and more. NULL: as kith_map.
 * KITH_EINVAL if a cost is not a number. kith_pool_map_costs is the plain function. */
KITH_API int kith_pool_map_costs(kith_pool p, kith_map_fn *fn, const void *in, size_t in_size, void *out,
                                 size_t out_size, size_t n, const double *costs);

/* Results of any size. A function
 *     int f(const void *in, kith_bytes *out)
 * leaves memory of kith_alloc in out->data, and its size in out->size, or has
 * kith_bytes_set do that; both are 0 at first. It returns 0, or a code of its own if the
 * task has failed. kith_map, kith_map_async and kith_map_costs take such functions, with
 * a kith_bytes for each result:
 *
 *     kith_bytes text[n];
 *     kith_map(pool, describe, things, text, n);
 *     puts(text[0].data);
 *     kith_bytes_free(text, n);
 *
 * The results then belong to the caller. Those of tasks that failed are { NULL, 0 }. A
 * task fails if its result is not from kith_alloc. in and out must not overlap. A worker
 * that is killed at the very end of a task may leak the memory of that result.
 * kith_pool_map_bytes and kith_pool_map_bytes_async are the plain functions. */
typedef struct kith_bytes {
    void *data; /* at a multiple of 64 */
    size_t size;
} kith_bytes;
typedef int kith_bytes_fn(const void *in, kith_bytes *out);
KITH_API int kith_pool_map_bytes(kith_pool p, kith_bytes_fn *fn, const void *in, size_t in_size,
                                 kith_bytes *out, size_t n);

/* Copies size bytes to new memory of kith_alloc, and frees what b had. With data NULL and
 * a size the memory is new and not set.
 *
 *   0            done
 *   KITH_EINVAL  b is NULL; or what it had is not from kith_alloc
 *   KITH_ENOMEM  not enough memory; b is unchanged
 */
KITH_API int kith_bytes_set(kith_bytes *b, const void *data, size_t size);

/* Frees n of them, and sets them to { NULL, 0 }. Returns 0; or KITH_EINVAL, when one was
 * not from kith_alloc, after the others. */
KITH_API int kith_bytes_free(kith_bytes *list, size_t n);

/* kith_apply as a function: calls fn(in, out) once, in a worker. */
KITH_API int kith_pool_apply(kith_pool p, kith_map_fn *fn, const void *in, size_t in_size, void *out,
                             size_t out_size);

/* int kith_map_with(kith_pool pool, fn, const A *in, R *out, size_t n, const void *arg,
 *                   size_t size);
 *
 * A map whose tasks share a context: calls fn(&in[i], &out[i], arg) for all i < n, where
 * arg is a copy of the size bytes, made once for the whole map. NULL, 0: no context.
 *     kith_map_with(pool, fn, in, out, n, KITH_ARG(x))
 * kith_pool_map_with is the plain function. */
typedef int kith_map_with_fn(const void *in, void *out, const void *arg);
KITH_API int kith_pool_map_with(kith_pool p, kith_map_with_fn *fn, const void *in, size_t in_size, void *out,
                                size_t out_size, size_t n, const void *arg, size_t size);

/* int kith_for(kith_pool pool, fn, const void *arg, size_t size, uint64_t n);
 *
 * Range tasks, which have their own loop inside. [0, n) is cut into about min(n, 65536)
 * blocks, at positions that depend on n alone. fn is called once per block, with lo < hi
 * and a copy of the size bytes at arg (NULL, 0: no context), and returns 0, or a code of
 * its own if the task has failed. A block whose worker died is run again from its
 * beginning; if fn changes memory in place (x += 1), open the pool with .tries = 1: then
 * it is reported. Each worker first takes its share of the blocks, and hands on what is
 * left of it when others are idle. So a block must not wait for another one of the same
 * call, unless the pool has .chunk = 1. Blocks run on the node that opened the pool,
 * unless it was opened with .nodes.
 *     kith_for(pool, fn, KITH_ARG(x), n)
 * kith_pool_for is the plain function. */
typedef int kith_for_fn(uint64_t lo, uint64_t hi, const void *arg);
KITH_API int kith_pool_for(kith_pool p, kith_for_fn *fn, const void *arg, size_t size, uint64_t n);

/* int kith_sum(kith_pool pool, fn, const void *arg, size_t size, uint64_t n,
 *              double *sum);
 *
 * Range tasks that each return their part of a sum. *sum is the sum over all blocks,
 * added in index order: the same bits with any number of workers. It is unchanged on
 * failure, and 0 if n is 0.
 *     kith_sum(pool, fn, KITH_ARG(x), n, &sum)
 * kith_pool_sum is the plain function. */
typedef double kith_sum_fn(uint64_t lo, uint64_t hi, const void *arg);
KITH_API int kith_pool_sum(kith_pool p, kith_sum_fn *fn, const void *arg, size_t size, uint64_t n,
                           double *sum);

/* int kith_reduce(kith_pool pool, fn, const void *arg, size_t size, uint64_t n, fold,
 *                 T *total);
 *
 * Range tasks with a result of any type. fn leaves the result of its block in part,
 * which has the size of *total and is not zeroed, and returns as for kith_for. Unless a
 * block failed, fold(total, part) is then called in the calling process for each block,
 * in index order, starting from the value of *total.
 *     kith_reduce(pool, fn, KITH_ARG(x), n, fold, &total)
 * kith_pool_reduce is the plain function. */
typedef int kith_reduce_fn(uint64_t lo, uint64_t hi, const void *arg, void *part);
typedef void kith_fold_fn(void *total, const void *part);
KITH_API int kith_pool_reduce(kith_pool p, kith_reduce_fn *fn, const void *arg, size_t size, uint64_t n,
                              kith_fold_fn *fold, void *total, size_t total_size);

/* ---- Asynchronous calls ------------------------------------------------------------ */

/* A call in this section returns at once, with the handle of its Result; its tasks run
 * while the caller does something else. Any number of calls may be under way, and share
 * the workers by priority: see kith_priority. Single tasks of one process and priority
 * are begun in the order in which they were given. A Result belongs to the process
 * that made the call: any of its threads may use it, other processes may not. Take it
 * with kith_result_get, or drop it: until then it occupies memory, also when the pool has
 * been closed. When a process ends, its calls are cancelled.
 *
 * On a node other than the pool's, a Process on the pool's node makes these calls; the
 * order of single tasks, and everything said here, is the same. If that Process or its
 * node is lost, calls under way end with KITH_EPEER, as do calls that only workers on
 * the caller's node could run, if these have ended. Of all other calls, the remaining
 * nodes run the tasks of a lost node.
 *
 * On failure the handle holds the code: those of "Maps" above. */

/* kith_result kith_apply_async(kith_pool pool, f, A a ...);
 * kith_result kith_apply_async(kith_pool pool, fn, const void *in, size_t in_size,
 *                              size_t out_size);
 *
 * Calls f(a ...), a function of one to three numbers as for kith_starmap, or one of up
 * to four handles, strings and numbers of one type, in any order, that returns int, long,
 * double or nothing; or fn(in, out), a function as for kith_map; once, in a worker. The
 * arguments are copied before it returns; the result is kept until it is taken:
 *
 *     kith_result r = kith_apply_async(pool, cube, 7);
 *     kith_get(r, &y);
 *     kith_result s = kith_apply_async(pool, fight, KITH_ARG(duel), sizeof outcome);
 *     kith_get(s, &outcome);
 *     kith_result t = kith_apply_async(pool, work, queue, lock, 5);
 *     kith_result_get(t, NULL, 0, KITH_FOREVER);      // work returns nothing
 *
 * A queued task takes 64 bytes if its arguments have up to 24 and its result up to 8,
 * and a kilobyte if the pool is another node's. In C++ an overloaded function, such as
 * those of <cmath>, needs a cast to one of its types. A worker takes one such task at a
 * time, so a task may wait for another one.
 * kith_pool_apply_async is the plain function. */
KITH_API kith_result kith_pool_apply_async(kith_pool p, kith_map_fn *fn, const void *in, size_t in_size,
                                           size_t out_size);

/* kith_result kith_map_async(kith_pool pool, f, const A *in, R *out, size_t n);
 * kith_result kith_starmap_async(kith_pool pool, f, A rows[][columns], R *out, size_t n);
 *
 * kith_map and kith_starmap that do not wait. in and out are borrowed until the Result
 * is ready: the program must not change them before that. The results are then in out,
 * and kith_result_get(r, NULL, 0, timeout_ms) returns how the call ended.
 * kith_pool_map_async is the plain function. */
KITH_API kith_result kith_pool_map_async(kith_pool p, kith_map_fn *fn, const void *in, size_t in_size,
                                         void *out, size_t out_size, size_t n);

/* kith_pool_map_bytes that does not wait, likewise. */
KITH_API kith_result kith_pool_map_bytes_async(kith_pool p, kith_bytes_fn *fn, const void *in, size_t in_size,
                                               kith_bytes *out, size_t n);

/* Waits up to timeout_ms until the call has ended, whether well or not.
 *
 *   0               it has
 *   KITH_ETIMEDOUT  it goes on
 *   KITH_EINVAL     timeout_ms; or the Result is another process's
 *   KITH_ESTALE     taken or dropped
 *   KITH_EPEER      the fork server is gone
 */
KITH_API int kith_result_wait(kith_result r, int timeout_ms);

/* Returns 1 if the call has ended, else 0; or KITH_EINVAL, KITH_ESTALE. In a task whose
 * pool has no idle worker it first runs what the task has queued there, since no other
 * worker may ever do so; the same holds for kith_result_wait with 0 ms. */
KITH_API int kith_result_ready(kith_result r);

/* Returns 1 if it has ended and no task failed, 0 if tasks failed or it was cancelled;
 * KITH_ERUNNING if it has not ended; or KITH_EINVAL, KITH_ESTALE. */
KITH_API int kith_result_successful(kith_result r);

/* Waits up to timeout_ms until the call has ended, and takes its Result: the handle is
 * stale then. Copies the result of an apply to out, which has exactly size bytes. For a
 * map, and where the result does not matter, out is NULL and size 0.
 *
 *   0                all tasks succeeded
 *   KITH_ETIMEDOUT   it goes on, and the Result stays
 *   KITH_ESIZE       the result has another size, and stays
 *   KITH_ETASK       tasks failed: kith_last_fault lists them
 *   KITH_ECANCELLED  cancelled, or the pool was terminated before it had ended
 *   KITH_EINVAL      a bad argument; or the Result is another process's
 *   KITH_ESTALE      taken or dropped before
 *   KITH_ENOMEM      (a map) not enough memory
 *   KITH_EPEER       the fork server is gone, or the pool's node is lost
 */
KITH_API int kith_result_get(kith_result r, void *out, size_t size, int timeout_ms);

/* int kith_get(kith_result r, T *y);
 *
 * The same for a variable, waiting indefinitely: kith_result_get(r, y, sizeof *y,
 * KITH_FOREVER). */

/* Cancels the call: tasks that have not begun are not started, running ones are ended
 * with their workers, as by .limit_ms. The Result is ready soon, and kith_result_get
 * returns KITH_ECANCELLED. For a map, out then has the results of tasks that had ended,
 * and is otherwise unchanged.
 *
 *   0              it is being cancelled
 *   KITH_EEND      it has ended
 *   KITH_ERUNNING  it runs inside of a task of this process, which cannot be ended for
 *                  it; or it is a single task that runs in a pool of threads
 *   KITH_EINVAL    the Result is another process's
 *   KITH_ESTALE    taken or dropped
 */
KITH_API int kith_result_cancel(kith_result r);

/* Registers fn(r, arg), which is called once, when the call has ended (at once if it
 * has). One thread of kith's calls such functions for all calls of this process, one
 * after the other: fn must protect what it shares with other threads, and be short,
 * since no other such function is called and no map is begun while it runs. It may call
 * everything in kith.h, begin further calls and take r itself. kith_pool_close in this
 * process returns after it. If the job ends before the call, it is not called.
 *
 *   0            it will be
 *   KITH_EINVAL  fn is NULL; the Result has a function; or it is another process's
 *   KITH_ESTALE  taken or dropped
 *   KITH_ENOMEM  not enough memory
 */
typedef void kith_ready_fn(kith_result r, void *arg);
KITH_API int kith_result_notify(kith_result r, kith_ready_fn *fn, void *arg);

/* Waits up to timeout_ms until enough of the n Results of the list have ended: n for all,
 * 1 for any. Takes none.
 *
 *   0 or more       how many have ended
 *   KITH_ETIMEDOUT  fewer than enough have
 *   KITH_EINVAL     a bad argument; or one is another process's
 *   KITH_ESTALE     one was taken or dropped
 *   KITH_EPEER      the fork server is gone
 */
KITH_API int64_t kith_results_wait(const kith_result *list, size_t n, size_t enough, int timeout_ms);

/* Drops the Result; the call goes on, and in and out of a map are borrowed until it has
 * ended all the same. If its tasks fail, that is reported on stderr, at most once a
 * second, unless the program has a fault handler of its own. Returns 0; or KITH_EINVAL,
 * KITH_ESTALE. */
KITH_API int kith_result_drop(kith_result r);

/* ---- Results one by one ------------------------------------------------------------ */

/* kith_iter kith_imap(kith_pool pool, f, const A *in, size_t n);
 * kith_iter kith_imap_unordered(kith_pool pool, f, const A *in, size_t n);
 * kith_iter kith_imap_from(kith_pool pool, f, kith_source_fn *next, void *arg);
 * kith_iter kith_imap_unordered_from(kith_pool pool, f, kith_source_fn *next, void *arg);
 *
 * Return an Iterator over the results f(x), f being T f(T) as for kith_map, for the n
 * elements of in, or for what next produces. kith_imap returns them in the order of the
 * arguments, kith_imap_unordered as they come.
 *
 *     kith_iter it = kith_imap_from(pool, square, read_number, stdin);
 *     while (kith_next(it, &y) == 0)
 *         printf("%d\n", y);
 *     kith_iter_close(it);
 *
 * next(item, arg) writes an argument to item and returns 1, or 0 at the end of its
 * source, or a negative code if the source has failed. It is called in the thread that
 * asks for the next result, which first hands new tasks to the pool. No more than 4096
 * of them, or 16 MiB, are under way (at least four for each worker), so a source of any
 * length takes constant memory. Workers take these tasks one at a time. Arguments are
 * copied; in is borrowed until the Iterator is closed or has come to its end.
 *
 * An Iterator belongs to the process that made it; its threads may share it, and those
 * that wait when it is closed get KITH_ESTALE. On failure the handle holds the code, as
 * for asynchronous calls. For structs there are the plain functions kith_pool_imap,
 * kith_pool_imap_unordered, kith_pool_imap_from, kith_pool_imap_unordered_from, which
 * take the sizes. */
typedef int kith_source_fn(void *item, void *arg);
KITH_API kith_iter kith_pool_imap(kith_pool p, kith_map_fn *fn, const void *in, size_t in_size,
                                  size_t out_size, size_t n);
KITH_API kith_iter kith_pool_imap_unordered(kith_pool p, kith_map_fn *fn, const void *in, size_t in_size,
                                            size_t out_size, size_t n);
KITH_API kith_iter kith_pool_imap_from(kith_pool p, kith_map_fn *fn, kith_source_fn *next, void *arg,
                                       size_t in_size, size_t out_size);
KITH_API kith_iter kith_pool_imap_unordered_from(kith_pool p, kith_map_fn *fn, kith_source_fn *next,
                                                 void *arg, size_t in_size, size_t out_size);

/* The same with results of any size, see kith_pool_map_bytes: each is a kith_bytes, which
 * belongs to the caller that takes it. Those that nobody takes are freed. */
KITH_API kith_iter kith_pool_imap_bytes(kith_pool p, kith_bytes_fn *fn, const void *in, size_t in_size,
                                        size_t n);
KITH_API kith_iter kith_pool_imap_bytes_unordered(kith_pool p, kith_bytes_fn *fn, const void *in,
                                                  size_t in_size, size_t n);
KITH_API kith_iter kith_pool_imap_bytes_from(kith_pool p, kith_bytes_fn *fn, kith_source_fn *next, void *arg,
                                             size_t in_size);
KITH_API kith_iter kith_pool_imap_bytes_unordered_from(kith_pool p, kith_bytes_fn *fn, kith_source_fn *next,
                                                       void *arg, size_t in_size);

/* Waits up to timeout_ms for the next result, and copies it to out, which has exactly
 * size bytes.
 *
 *   0                *out is filled
 *   KITH_EEND        there are no more
 *   KITH_ETASK       the task whose turn it was has failed; the next call returns the
 *                    next result
 *   KITH_ETIMEDOUT   it is not there yet
 *   KITH_ESIZE       results have another size; nothing is lost
 *   KITH_ECANCELLED  the pool was terminated
 *   KITH_EINVAL      a bad argument; or the Iterator is another process's
 *   KITH_ESTALE      closed; or the pool was closed
 *   KITH_ENOMEM      not enough memory
 *   KITH_EPEER       the fork server is gone, or the pool's node is lost
 *   others           what next of kith_imap_from has returned, after all results before
 */
KITH_API int kith_iter_next(kith_iter it, void *out, size_t size, int timeout_ms);

/* int kith_next(kith_iter it, T *y);
 *
 * The same for a variable, waiting indefinitely: kith_iter_next(it, y, sizeof *y,
 * KITH_FOREVER). */

/* Closes it: tasks that have not begun are not started. Does not wait. Returns 0; or
 * KITH_EINVAL, KITH_ESTALE. */
KITH_API int kith_iter_close(kith_iter it);

/* ---- Processes --------------------------------------------------------------------- */

/* If a signal ends a Process, whatever the Process has started itself (system, popen,
 * fork) and left running is ended as well. If it returns or calls exit, its leftovers
 * run on, at most until the job ends. Likewise for workers: if one is killed, or exits
 * in a task, its leftovers are ended; if it is closed or replaced, they run on. */

/* Where a Process may run. Node k is k + 1: see KITH_NODE. */
enum { KITH_ANYWHERE = 0, KITH_HERE = -1 };
#define KITH_NODE(k) ((k) + 1)

struct kith_process_options {
    /* Copied, up to 63 bytes. NULL: the function's name and a number. */
    const char *name;
    /* 1: when the job ends, it is ended, not waited for. */
    int daemon;
    /* KITH_ANYWHERE: here while a CPU is free, else on other nodes; KITH_HERE; or
     * KITH_NODE(k). */
    int node;
    /* A Process that runs longer than this, in milliseconds, is ended: by SIGTERM, and
     * by SIGKILL 0.1 s later. It is reported like one ended by any other signal. 0: no
     * limit. */
    int limit_ms;
    /* How many bytes it may take from malloc and the like, beyond what it starts with;
     * and, counted separately, from kith_alloc, unless it has freed them or passed them
     * on. Above that, malloc and kith_alloc return NULL. 0: no limit. */
    size_t memory;
    /* Changes to its environment: "NAME=value" sets a variable, "NAME" removes it; NULL
     * ends the list. A library that read a variable when it was loaded does not see the
     * change; programs that the Process starts do. */
    const char *const *env;
    /* Its working directory. NULL: the one at kith_init. */
    const char *directory;
    /* Files for its stdout and stderr, which are created or truncated; both may be the
     * same file. Relative paths start at the working directory at kith_init. NULL: those
     * of the program. */
    const char *out, *err;
    /* 1: append to these files instead of truncating them. */
    int append;
};

/* Starts fn(arg) in a process of its own, with a copy of the size bytes at arg. Does not
 * wait for it to run. Close the handle when it is not needed; the end of the job closes
 * all. A function of a library that was loaded after kith_init does not exist there: the
 * Process reports that, with exit code 1. Where .directory, .out or .err cannot be used,
 * it reports that on stderr, with exit code 127. A Process may start others, open pools,
 * and use everything else, as the head does. Processes that a daemon starts are daemons,
 * too. On failure the handle holds:
 *
 *   KITH_EFUNC   fn is not a function of the program or of a library, or of another
 *                build of the library than the one loaded at kith_init
 *   KITH_EINVAL  a bad argument
 *   KITH_ENOMEM  no process can be started
 *   KITH_EPEER   the node or its fork server is gone
 */
KITH_API kith_process kith_process_start(kith_target *fn, const void *arg, size_t size);

/* kith_process kith_process_start_with(kith_target *fn, const void *arg, size_t size,
 *                                      .option = value ...);
 *
 * The same with options:
 *     kith_process_start_with(fn, KITH_ARG(x), .name = "loader", .daemon = 1) */

/* kith_process kith_start(f, a ...);
 *
 * Starts f(a ...) in a Process of its own, where f is a plain function of up to four
 * arguments, in any order, that returns int or void:
 *     handles, which name the same object there;
 *     strings, const char *, which are copied;
 *     numbers of one type: int, unsigned, long, unsigned long, long long, float, double.
 *
 *     kith_start(worker, queue, lock);    kith_start(child, ends[1], 5);
 *
 * The numbers are converted as in a call. A function of numbers alone may also be one
 * that kith_apply takes. The return value of an int function is the exit code, as for a
 * target; other return values are lost. This macro chooses by the type of f, and a wrong
 * type does not compile. In C++ it is a template. Codes of kith_process_start. */

/* The Process that the caller runs in. In the head, or a rank that runs main, a handle of
 * the program itself, which has a pid and a name, but can be neither joined nor ended. In
 * a worker the zero handle: it belongs to its pool. On failure the handle holds
 * KITH_ENOTINIT. */
KITH_API kith_process kith_self(void);

/* The Process that started the caller's Process, as kith_self returns it there; if that
 * was the head, the handle of the program itself. In the head, in workers, and in a
 * Process that a task has started, the zero handle. On failure the handle holds
 * KITH_ENOTINIT. */
KITH_API kith_process kith_parent(void);

/* Stores the handles of up to room Processes that the caller's process has started, that
 * still run and whose handles are open. Those on lost nodes count as ended.
 *
 *   0 or more    how many there are, which may be more than room
 *   KITH_EINVAL  list is NULL, and room is not 0
 */
KITH_API int kith_processes(kith_process *list, size_t room);

/* Returns the name of the caller's process: the name of the Process; "worker 3" in a
 * pool; "main" in the head; "rank 3" where every rank runs main. Needs no kith_init. */
KITH_API const char *kith_name(void);

/* Copies the name of the Process into buf, as much as room allows, with a NUL after it.
 *
 *   0            done, also when it has ended
 *   KITH_EINVAL  buf is NULL, or room is 0
 *   KITH_ESTALE  closed
 *   KITH_EPEER   its node is gone
 */
KITH_API int kith_process_name(kith_process p, char *buf, size_t room);

/* Waits up to timeout_ms until the Process has ended. However it ends, it counts as
 * running until what it had on its own node is settled: then locks that it held are free,
 * unfinished items are back in their queue, ends of Pipes that it alone held are over,
 * and each call that it was in has happened or not. What it had on other nodes is settled
 * some moments later, after everything that it had asked of them.
 *
 *   0               it has ended
 *   KITH_ETIMEDOUT  it still runs
 *   KITH_ENOMEM     for two seconds the system would not start it (ulimit -u)
 *   KITH_EINVAL     it is the caller itself, or the program's main; or a bad timeout_ms
 *   KITH_ESTALE     closed
 *   KITH_EPEER      its node or fork server is gone
 */
KITH_API int kith_process_join(kith_process p, int timeout_ms);

/* Stores the exit code: 0..255; the negative number of the signal that ended it; or 127
 * if it could not be started. If a signal ends a Process and nobody asks, kith_finalize
 * returns 1 (see there).
 *
 *   0              *code is set
 *   KITH_ERUNNING  it still runs
 *   KITH_ESTALE    closed
 *   KITH_EPEER     its node or fork server is gone
 */
KITH_API int kith_process_exitcode(kith_process p, int *code);

/* Returns 1 if it runs, else 0; or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_process_alive(kith_process p);

/* Returns its process id on its node, 0 if it was never started; or KITH_ESTALE,
 * KITH_EPEER. Waits until it has one. */
KITH_API int kith_process_pid(kith_process p);

/* Sends SIGTERM. Returns 0, also if it has ended; or KITH_ESTALE, KITH_EPEER; KITH_EINVAL
 * if it is the program's main. */
KITH_API int kith_process_terminate(kith_process p);

/* Sends SIGKILL. Returns the codes of kith_process_terminate. */
KITH_API int kith_process_kill(kith_process p);

/* Closes the handle, in all processes that have it; a running Process runs on. Returns 0;
 * or KITH_ESTALE. */
KITH_API int kith_process_close(kith_process p);

/* ---- Queues ------------------------------------------------------------------------ */

/* A queue is first in, first out for each producer; any number of producers and
 * consumers, on any node, may use it. An item is bytes with a size, from none to a GiB
 * and more. It is in shared memory when put returns: the producer may end at once and
 * nothing is lost. Over the network, an item that was on its way to a consumer that died
 * goes back to the front; by then another consumer may have received later ones. */

/* Opens a queue that holds up to bound items before producers wait; 0: limited by memory
 * only. On failure the handle holds:
 *
 *   KITH_ENOMEM  not enough memory
 *   KITH_EINVAL  a bad argument
 */
KITH_API kith_queue kith_queue_open(size_t bound);

/* Returns the queue of this name (1 to 63 bytes) in the job. The first caller opens it,
 * on node 0. On failure the handle holds:
 *
 *   KITH_ENOMEM  not enough memory
 *   KITH_EINVAL  a bad argument; or the queue exists with another bound or order
 *   KITH_EPEER   node 0 is lost
 */
KITH_API kith_queue kith_queue_named(const char *name, size_t bound);

/* The order in which items are taken. KITH_PRIORITY: the smallest number first; items of
 * the same number, first in, first out. */
enum kith_order { KITH_FIFO, KITH_LIFO, KITH_PRIORITY };

struct kith_queue_options {
    int order; /* enum kith_order */
    /* 1: an item belongs to the process that took it until that process calls
     * kith_queue_task_done. If the process ends first, in any way, the item goes back to
     * the front for another one. */
    int joinable;
    /* 1 to 63 bytes: the queue of this name in the job; see kith_queue_named. All callers
     * give the same .order and .joinable, else KITH_EINVAL. */
    const char *name;
};

/* kith_queue kith_queue_open_with(size_t bound, .option = value ...);
 *
 * The same with options: kith_queue_open_with(0, .order = KITH_LIFO, .joinable = 1). */

/* Puts a copy of the item. Waits up to timeout_ms while the queue is full.
 *
 *   0               done
 *   KITH_ETIMEDOUT  it was full all the time
 *   KITH_EEND       it was shut down, also while waiting
 *   KITH_ENOMEM     not enough memory
 *   KITH_ESTALE     closed, also while waiting
 *   KITH_EPEER      the node where the queue lives is lost; or it has not answered within
 *                   10 s after the timeout, and whether the item is stored is unknown
 *   KITH_EINVAL     a bad argument
 *
 * For a queue on another node it may return before the item is stored. If items are then
 * lost (KITH_ENOMEM) or may be (KITH_EPEER), the thread's next call on any object returns
 * that code; a Process that makes no further call reports it as it ends, with exit code
 * 1. */
KITH_API int kith_queue_put(kith_queue q, const void *item, size_t size, int timeout_ms);

/* The same with a priority from 0 (taken first) to 63, for a queue of KITH_PRIORITY; any
 * other queue ignores it. kith_queue_put has priority 0. */
KITH_API int kith_queue_put_priority(kith_queue q, const void *item, size_t size, int priority,
                                     int timeout_ms);

/* Takes the oldest item into buf, which has room bytes. Waits up to timeout_ms while the
 * queue is empty.
 *
 *   0 or more       the size of the item
 *   KITH_ETOOBIG    it is larger than room, and stays; kith_queue_next returns its size
 *   KITH_ETIMEDOUT  the queue was empty all the time
 *   KITH_EEND       it is empty, and was shut down
 *   KITH_ESTALE     closed, also while waiting
 *   KITH_EPEER      the node where the queue lives is lost
 *   KITH_EINVAL     a bad argument
 */
KITH_API int64_t kith_queue_get(kith_queue q, void *buf, size_t room, int timeout_ms);

/* Returns the size of the oldest item, which stays. Waits and fails as kith_queue_get. */
KITH_API int64_t kith_queue_next(kith_queue q, int timeout_ms);

/* Puts copies of n items of size bytes each, which lie side by side. Waits up to
 * timeout_ms while the queue is full; items of others may come in between.
 *
 *   1 or more  how many were put: n, or fewer if the timeout expired or something failed
 *   0          n is 0
 *   others     none was put; as kith_queue_put
 */
KITH_API int64_t kith_queue_put_many(kith_queue q, const void *items, size_t size, size_t n, int timeout_ms);

/* Takes up to n of the oldest items into items, side by side, as long as each has size
 * bytes; no more than are there, and some 64 KiB at a time. Waits up to timeout_ms while
 * the queue is empty.
 *
 *   1 or more   how many were taken
 *   0           n is 0
 *   KITH_ESIZE  the oldest item has another size, and stays
 *   others      none was taken; as kith_queue_get
 */
KITH_API int64_t kith_queue_get_many(kith_queue q, void *items, size_t size, size_t n, int timeout_ms);

/* Shuts the queue down, for all processes: from then on kith_queue_put returns KITH_EEND,
 * also to callers that wait, and so does kith_queue_get once the remaining items have
 * been taken. Returns 0, also when it was shut down before; or KITH_ESTALE, KITH_EPEER.
 */
KITH_API int kith_queue_shutdown(kith_queue q);

/* The same, and the items in the queue are discarded: kith_queue_get returns KITH_EEND
 * at once, and kith_queue_join counts them as done. Items that were taken from a
 * joinable queue are to be finished as before; if their process ends, they are
 * discarded, too. */
KITH_API int kith_queue_shutdown_now(kith_queue q);

/* Declares that n producers (1 or more) put items. When n have finished, the queue is
 * shut down. A producer has finished when it calls kith_queue_done, or, if it was named
 * by kith_queue_producer, when it has ended in any way: so consumers never wait for the
 * items of a producer that crashed.
 *
 *     kith_queue_producers(q, 4);
 *     for (int i = 0; i < 4; i++)
 *         kith_queue_producer(q, kith_process_start(produce, KITH_ARG(q)));
 *     while (kith_get(q, &x) == 0)
 *         ...
 *
 * Returns 0; or KITH_EINVAL, KITH_ESTALE, KITH_EPEER.
 */
KITH_API int kith_queue_producers(kith_queue q, int n);

/* Names the Process, on whatever node it runs, as a producer. If it has ended already, it
 * has finished.
 *
 *   0            done
 *   KITH_ESTALE  the queue, or the handle of the Process, was closed
 *   KITH_ENOMEM  not enough memory
 *   KITH_EPEER   the node of the queue or of the Process is lost
 */
KITH_API int kith_queue_producer(kith_queue q, kith_process p);

/* Declares that the caller, a producer, puts no more items. Call it once for each
 * producer. A Process that was named need not call it. Returns 0; or KITH_ESTALE,
 * KITH_EPEER. */
KITH_API int kith_queue_done(kith_queue q);

/* Declares that the caller is done with an item that it has taken: the first of those
 * that this thread or task has taken or, if there are none, that its process has taken.
 *
 *   0            done
 *   KITH_EINVAL  the process has none; or the queue was opened without .joinable
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the queue lives is lost
 */
KITH_API int kith_queue_task_done(kith_queue q);

/* Waits up to timeout_ms until kith_queue_task_done was called for all items that were
 * put.
 *
 *   0               all are done
 *   KITH_ETIMEDOUT  some were not, all the time
 *   KITH_EINVAL     the queue was opened without .joinable; or a bad timeout_ms
 *   KITH_ESTALE     closed, also while waiting
 *   KITH_EPEER      the node where the queue lives is lost
 */
KITH_API int kith_queue_join(kith_queue q, int timeout_ms);

/* int kith_put(kith_queue q, x);
 * int kith_get(kith_queue q, T *y);
 *
 * kith_put puts the bytes of the variable x; kith_get takes an item of exactly the size
 * of *y. Both wait indefinitely. Codes of kith_queue_put and kith_queue_get, 0 for
 * success, and:
 *
 *   KITH_ESIZE  (kith_get) the item has another size, and stays
 */

/* Returns the number of items at this moment; or KITH_ESTALE, KITH_EPEER. */
KITH_API int64_t kith_queue_size(kith_queue q);

/* Returns 1 if there is no item at this moment, else 0; or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_queue_empty(kith_queue q);

/* Closes the queue, for all processes. Its items are lost, and callers that wait get
 * KITH_ESTALE. Returns 0; or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_queue_close(kith_queue q);

/* ---- Pipes ------------------------------------------------------------------------- */

/* A pipe connects two ends. What is sent at one end is received at the other, in order
 * and message by message: bytes with a size, from none to a GiB and more. Some 32 KiB of
 * small messages, and 4 MiB of messages above 8 KiB, or a single larger one, can be
 * under way before senders wait. Any number of threads and processes, on any node, may
 * use an end at the same time; each message is received once. Over the network, one that
 * was on its way to a receiver that died comes back; by then another receiver may have
 * received later ones.
 *
 * Since a handle can be copied, an end has holders, which decide when the other end
 * learns that nothing more can come. They are each process that was given the end by
 * kith_pipe_give; each process that has used it: sent, received, or waited for a message
 * there; and the process that opened the pipe, until it gives the end away. An end is
 * over when it was closed, which closes it for all processes, or when all its holders
 * have ended in any way. At the other end, kith_pipe_recv then returns the messages that
 * are left and after them KITH_EEND, and kith_pipe_send returns KITH_EEND. So a parent
 * that gives an end to its child never waits for a child that has crashed:
 *
 *     kith_pipe ends[2];
 *
 *     kith_pipe_open(ends);
 *     kith_process p = kith_process_start(child, KITH_ARG(ends[1]));
 *     kith_pipe_give(ends[1], p);
 *     while (kith_recv(ends[0], &x) == 0)
 *         ...
 *
 * An end that was never given or used is not over when its opener ends: somebody may have
 * its handle. A process that uses an end whose holders have all ended holds it again. */

struct kith_pipe_options {
    /* 1: only ends[1] sends, and only ends[0] receives. */
    int one_way;
    /* 1 to 63 bytes: the pipe of this name in the job, which the first caller opens, on
     * node 0. All callers give the same .one_way, else KITH_EINVAL. The opener does not
     * count as a holder. */
    const char *name;
};

/* Opens a two-way pipe and stores its ends. On failure both handles hold the code.
 *
 *   0            done
 *   KITH_ENOMEM  not enough memory
 *   KITH_EINVAL  a bad argument
 *   KITH_EPEER   (with a name) node 0 is lost
 */
KITH_API int kith_pipe_open(kith_pipe ends[2]);

/* int kith_pipe_open_with(kith_pipe ends[2], .option = value ...);
 *
 * The same with options: kith_pipe_open_with(ends, .one_way = 1). */

/* Sends a copy of the message, which is in shared memory when the call returns. Waits up
 * to timeout_ms while the pipe is full.
 *
 *   0               done
 *   KITH_ETIMEDOUT  it was full all the time
 *   KITH_EEND       the other end is over
 *   KITH_ENOMEM     not enough memory
 *   KITH_ESTALE     this end was closed, also while waiting
 *   KITH_EPEER      the node where the pipe lives is lost; or it has not answered within
 *                   10 s after the timeout, and whether the message is there is unknown
 *   KITH_EINVAL     a bad argument; or this end only receives
 */
KITH_API int kith_pipe_send(kith_pipe end, const void *message, size_t size, int timeout_ms);

/* Takes the next message into buf, which has room bytes. Waits up to timeout_ms while
 * there is none.
 *
 *   0 or more       the size of the message
 *   KITH_ETOOBIG    it is larger than room, and stays; kith_pipe_next returns its size
 *   KITH_ETIMEDOUT  there was none all the time
 *   KITH_EEND       there is none, and the other end is over
 *   KITH_ESTALE     this end was closed, also while waiting
 *   KITH_EPEER      the node where the pipe lives is lost
 *   KITH_ENOMEM     not enough memory
 *   KITH_EINVAL     a bad argument; or this end only sends
 */
KITH_API int64_t kith_pipe_recv(kith_pipe end, void *buf, size_t room, int timeout_ms);

/* Returns the size of the next message, which stays. Waits and fails as kith_pipe_recv.
 */
KITH_API int64_t kith_pipe_next(kith_pipe end, int timeout_ms);

/* int kith_send(kith_pipe end, x);
 * int kith_recv(kith_pipe end, T *y);
 *
 * kith_send sends the bytes of the variable x; kith_recv takes a message of exactly the
 * size of *y. Both wait indefinitely. Codes of kith_pipe_send and kith_pipe_recv, 0 for
 * success, and:
 *
 *   KITH_ESIZE  (kith_recv) the message has another size, and stays
 */

/* Waits up to timeout_ms until kith_pipe_recv would not wait.
 *
 *   1    there is a message, or the other end is over
 *   0    neither, all the time
 *   others  as kith_pipe_recv
 */
KITH_API int kith_pipe_poll(kith_pipe end, int timeout_ms);

/* Makes the Process a holder of the end in place of the caller, which becomes one again
 * if it uses the end. The caller becomes a holder of the other end if that has none yet.
 * Several Processes may be given an end, on whatever nodes they run. If the Process has
 * ended already, it counts as a holder that has ended.
 *
 *   0            done
 *   KITH_ESTALE  the end, or the handle of the Process, was closed
 *   KITH_ENOMEM  not enough memory
 *   KITH_EPEER   the node of the pipe or of the Process is lost
 */
KITH_API int kith_pipe_give(kith_pipe end, kith_process p);

/* Closes this end, for all processes; their calls at it return KITH_ESTALE. What it has
 * sent can still be received. When both ends are closed, the pipe is freed. Returns 0; or
 * KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_pipe_close(kith_pipe end);

/* ---- Locks ------------------------------------------------------------------------- */

/* One process at a time holds a lock: it acquires the lock before it changes what the
 * lock protects, and releases it afterwards. A lock is not recursive: a caller that
 * acquires it twice waits for itself. Any process may release it, on any node.
 *
 * If its holder ends in any way, the lock is free, and the next holder gets
 * KITH_EOWNERDEAD: what the lock protects may be half done. A free lock goes to
 * whichever caller is quickest, which may be one that has not waited; but a caller that
 * has waited for 1 ms is the next to get it. */

/* Opens a lock, which is free. Does not wait. On failure the handle holds:
 *
 *   KITH_ENOMEM  not enough memory
 */
KITH_API kith_lock kith_lock_open(void);

/* The lock of this name in the job, 1 to 63 bytes. The first caller opens it, on node 0.
 * On failure the handle holds KITH_ENOMEM, and:
 *
 *   KITH_EINVAL  a bad name
 *   KITH_EPEER   node 0 is lost
 */
KITH_API kith_lock kith_lock_named(const char *name);

/* Takes the lock. Waits up to timeout_ms while another holds it.
 *
 *   0                the caller holds it
 *   KITH_EOWNERDEAD  the caller holds it; the process that held it before has ended
 *   KITH_ETIMEDOUT   it was not free in that time
 *   KITH_ESTALE      closed, also while waiting
 *   KITH_EPEER       the node where the lock lives is lost
 *   KITH_ENOMEM      not enough memory
 *   KITH_EINVAL      a bad timeout_ms
 */
KITH_API int kith_lock_acquire(kith_lock l, int timeout_ms);

/* Frees the lock, and wakes a caller that waits. Does not wait, except for the answer of
 * another node.
 *
 *   0            done
 *   KITH_EINVAL  nobody holds it
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the lock lives is lost
 */
KITH_API int kith_lock_release(kith_lock l);

/* Returns 1 if somebody holds the lock at this moment, else 0; or KITH_ESTALE,
 * KITH_EPEER. */
KITH_API int kith_lock_locked(kith_lock l);

/* Closes the lock, for all processes; callers that wait get KITH_ESTALE. Returns 0; or
 * KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_lock_close(kith_lock l);

/* An rlock is a lock that its owner may acquire again; it is free after as many
 * releases. Its owner is a task, and it alone may release it. A thread that waits for a
 * map and runs a task meanwhile is another owner in that task, and so is each other
 * thread. When the owner's process ends, the rlock is free, and the next owner gets
 * KITH_EOWNERDEAD. A caller that has waited for 1 ms is the next to get it. */

/* As kith_lock_open, kith_lock_named. */
KITH_API kith_rlock kith_rlock_open(void);
KITH_API kith_rlock kith_rlock_named(const char *name);

/* As kith_lock_acquire; an owner has it at once, one level deeper. */
KITH_API int kith_rlock_acquire(kith_rlock l, int timeout_ms);

/* Goes back one level; from the first one, frees the rlock.
 *
 *   0            done
 *   KITH_EOWNER  the caller does not own it
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the rlock lives is lost
 */
KITH_API int kith_rlock_release(kith_rlock l);

/* As kith_lock_locked, kith_lock_close. */
KITH_API int kith_rlock_locked(kith_rlock l);
KITH_API int kith_rlock_close(kith_rlock l);

/* ---- Semaphores -------------------------------------------------------------------- */

/* A semaphore has a number of units. Any process on any node may take one and give it
 * back: it bounds how many use a resource at a time, or counts signals.
 *
 * A unit held by a process that ends, in any way, comes back, and the next caller that
 * takes it gets KITH_EOWNERDEAD: what it protects may be half done. That applies to the
 * units that the semaphore was opened with; units added by releases are signals, which
 * belong to nobody. A release gives back a unit of the caller's or, if it holds none,
 * the one that was taken first: any process may release. */

struct kith_sem_options {
    /* 1: a release beyond the units that it was opened with is KITH_EINVAL. */
    int bounded;
    /* 1 to 63 bytes: the semaphore of this name in the job, which the first caller opens,
     * on node 0. All callers give the same units and .bounded, else KITH_EINVAL. */
    const char *name;
};

/* Opens a semaphore with 0 or more units. Does not wait. On failure the handle holds:
 *
 *   KITH_ENOMEM  not enough memory
 *   KITH_EINVAL  a bad argument
 *   KITH_EPEER   (with a name) node 0 is lost
 */
KITH_API kith_sem kith_sem_open(int units);

/* kith_sem kith_sem_open_with(int units, .option = value ...);
 *
 * The same with options: kith_sem_open_with(4, .bounded = 1). */

/* Takes a unit. Waits up to timeout_ms while there is none.
 *
 *   0                the caller has it
 *   KITH_EOWNERDEAD  the caller has it; a process that held it before has ended
 *   KITH_ETIMEDOUT   there was none in that time
 *   KITH_ESTALE      closed, also while waiting
 *   KITH_EPEER       the node where the semaphore lives is lost
 *   KITH_ENOMEM      not enough memory
 *   KITH_EINVAL      a bad timeout_ms
 */
KITH_API int kith_sem_acquire(kith_sem s, int timeout_ms);

/* Gives a unit back, and wakes a caller that waits. Does not wait, except for the answer
 * of another node.
 *
 *   0            done
 *   KITH_EINVAL  it is bounded, and all units are there; or there are 2^31 - 1
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the semaphore lives is lost
 */
KITH_API int kith_sem_release(kith_sem s);

/* Returns the number of free units at this moment; or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_sem_value(kith_sem s);

/* Closes the semaphore, for all processes; callers that wait get KITH_ESTALE. Returns 0;
 * or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_sem_close(kith_sem s);

/* ---- Events ------------------------------------------------------------------------ */

/* An event is set or not. Any process on any node may set it, clear it, and wait until it
 * is set. It belongs to nobody, so no death changes it. */

/* Opens an event, which is not set. Does not wait. On failure the handle holds
 * KITH_ENOMEM. */
KITH_API kith_event kith_event_open(void);

/* The event of this name in the job, 1 to 63 bytes. The first caller opens it, on node 0.
 * On failure the handle holds KITH_ENOMEM, and:
 *
 *   KITH_EINVAL  a bad name
 *   KITH_EPEER   node 0 is lost
 */
KITH_API kith_event kith_event_named(const char *name);

/* Sets the event and wakes all that wait for it; clears it. Returns 0; or KITH_ESTALE,
 * KITH_EPEER. A caller that waits may miss an event that is set and cleared at once. */
KITH_API int kith_event_set(kith_event e);
KITH_API int kith_event_clear(kith_event e);

/* Returns 1 if the event is set at this moment, else 0; or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_event_is_set(kith_event e);

/* Waits up to timeout_ms until the event is set.
 *
 *   0               it was set
 *   KITH_ETIMEDOUT  it was not in that time
 *   KITH_ESTALE     closed, also while waiting
 *   KITH_EPEER      the node where the event lives is lost
 *   KITH_ENOMEM     not enough memory
 *   KITH_EINVAL     a bad timeout_ms
 */
KITH_API int kith_event_wait(kith_event e, int timeout_ms);

/* Closes the event, for all processes; callers that wait get KITH_ESTALE. Returns 0; or
 * KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_event_close(kith_event e);

/* ---- Conditions -------------------------------------------------------------------- */

/* A condition is a lock together with the processes that wait for what it protects to
 * change: one waits with kith_cond_wait_for, another one acquires the condition, changes
 * something, notifies and releases. What they look at is in memory of kith_alloc, or in
 * other objects.
 *
 * Its lock is like an RLock: only the task that owns it may release it, wait and notify,
 * and it may acquire it again. A notification that was meant for a process which has died
 * goes to another that waits. */

struct kith_cond_options {
    /* An rlock to use instead of a lock of its own. Several conditions may share one,
     * such as "not empty" and "not full": the owner of the rlock owns each of them. It
     * may be on any node, and stays open when the condition is closed. */
    kith_rlock lock;
    /* 1 to 63 bytes: the condition of this name in the job, which the first caller opens,
     * on node 0. All callers give the same .lock, else KITH_EINVAL. */
    const char *name;
};

/* As kith_rlock_open, kith_rlock_named. */
KITH_API kith_cond kith_cond_open(void);
KITH_API kith_cond kith_cond_named(const char *name);

/* kith_cond kith_cond_open_with(.option = value ...);
 *
 * The same with options: kith_cond_open_with(.lock = l). On failure the handle holds a
 * code of kith_cond_named, or the code that calls on l fail with. */

/* As kith_rlock_acquire. */
KITH_API int kith_cond_acquire(kith_cond c, int timeout_ms);

/* As kith_rlock_release. */
KITH_API int kith_cond_release(kith_cond c);

/* Releases the condition completely, however often the caller has acquired it, waits up
 * to timeout_ms until it is notified, and acquires it again as often, however long that
 * takes. What the caller waits for need not be true by then: another process may have
 * been quicker. The caller owns the condition after all codes but the last three.
 *
 *   0                notified
 *   KITH_ETIMEDOUT   not notified in that time
 *   KITH_EOWNERDEAD  a process that owned it before has ended
 *   KITH_ENOMEM      not enough memory
 *   KITH_EINVAL      a bad timeout_ms
 *   KITH_EOWNER      the caller does not own it
 *   KITH_ESTALE      closed, also while waiting
 *   KITH_EPEER       the node where the condition lives is lost
 */
KITH_API int kith_cond_wait(kith_cond c, int timeout_ms);

/* Calls predicate(arg) here, in the calling thread, and waits as above while it returns 0
 * and the timeout has not expired. Returns what the predicate returned, which is not
 * negative; or the codes of kith_cond_wait, and KITH_EINVAL if there is no predicate. */
typedef int kith_predicate(void *arg);
KITH_API int kith_cond_wait_for(kith_cond c, kith_predicate *predicate, void *arg, int timeout_ms);

/* Notifies n of the callers that wait now, those that have waited longest first; or all
 * of them. The caller must own the condition; the others go on once it has released it.
 * If there are none, nothing happens.
 *
 *   0            done
 *   KITH_EOWNER  the caller does not own it
 *   KITH_EINVAL  n is negative
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the condition lives is lost
 */
KITH_API int kith_cond_notify(kith_cond c, int n);
KITH_API int kith_cond_notify_all(kith_cond c);

/* Closes the condition, for all processes; callers that wait get KITH_ESTALE. Returns 0;
 * or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_cond_close(kith_cond c);

/* ---- Barriers ---------------------------------------------------------------------- */

/* At a barrier, processes wait until all of its parties have arrived, as many as it was
 * opened for; then all go on, and it can be used again. It breaks when a process dies or
 * gives up while waiting: the others and all later callers get KITH_EBROKEN until it is
 * reset. */

struct kith_barrier_options {
    /* Called by the last one that arrives, in its process, with a copy of the arg_size
     * bytes at arg (at most 256), before all go on. When it does not return 0 the barrier
     * breaks. */
    kith_target *action;
    const void *arg;
    size_t arg_size;
    /* 1 to 63 bytes: the barrier of this name in the job, which the first caller opens,
     * on node 0. All callers give the same parties and .timeout_ms, and an action or
     * none. */
    const char *name;
    /* How long a kith_barrier_wait that is given KITH_FOREVER waits for the others. 0: as
     * long as it takes. */
    int timeout_ms;
};

/* Opens a barrier for 1 to 1048575 parties. Does not wait. On failure the handle holds:
 *
 *   KITH_EINVAL  a bad argument
 *   KITH_ENOMEM  not enough memory
 *   KITH_EFUNC   .action is not a function of the program or of a library
 *   KITH_EPEER   (with a name) node 0 is lost
 */
KITH_API kith_barrier kith_barrier_open(int parties);

/* kith_barrier kith_barrier_open_with(int parties, .option = value ...);
 *
 * The same with options: kith_barrier_open_with(4, .action = f). */

/* Arrives, and waits up to timeout_ms until all have. Returns the caller's place in the
 * order of arrival, 0 to parties - 1, different for each; or:
 *
 *   KITH_EBROKEN    broken, before or while waiting
 *   KITH_ETIMEDOUT  the others did not come in that time; the barrier is broken
 *   KITH_ETASK      (the last one) the action failed; the barrier is broken
 *   KITH_ESTALE     closed, also while waiting
 *   KITH_EPEER      the node where the barrier lives is lost
 *   KITH_ENOMEM     not enough memory
 *   KITH_EINVAL     a bad timeout_ms
 */
KITH_API int kith_barrier_wait(kith_barrier b, int timeout_ms);

/* The first breaks the barrier; the second makes it whole and empty again, and callers
 * that wait get KITH_EBROKEN. Returns 0; or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_barrier_abort(kith_barrier b);
KITH_API int kith_barrier_reset(kith_barrier b);

/* Returns how many wait at this moment; 1 if it is broken, else 0; or KITH_ESTALE,
 * KITH_EPEER. */
KITH_API int kith_barrier_waiting(kith_barrier b);
KITH_API int kith_barrier_broken(kith_barrier b);

/* Closes the barrier, for all processes; callers that wait get KITH_ESTALE. Returns 0; or
 * KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_barrier_close(kith_barrier b);

/* ---- Values ------------------------------------------------------------------------ */

/* A value is one number, or a few bytes, in shared memory. Any process on any node may
 * read and change it. The type is a letter; those of numbers are Python's:
 *
 *   'i' int    'I' unsigned    'l' long    'L' unsigned long    'q' long long
 *   'f' float  'd' double      'b' bytes: 1 to 1024 of them, a struct, say
 *
 * Each call is atomic: others see all of it or nothing, even if the caller dies in the
 * middle. From another node it is carried out at the value's home exactly once; if that
 * node is lost before the answer comes (KITH_EPEER), it may have been done.
 *
 * A change that takes several calls needs the value's lock. The lock excludes only
 * callers that take it; it does not stop other calls. Like an RLock, it belongs to the
 * task that took it: only that task can release it, and it may take it again. If the
 * owner's process ends in any way, the next caller gets the lock and KITH_EOWNERDEAD. */

/* What kith_value_update does, with x being the argument. */
enum kith_op {
    KITH_ADD = 1,     /* value + x; integers wrap around */
    KITH_MIN = 2,     /* the smaller one */
    KITH_MAX = 3,     /* the larger one */
    KITH_AND = 4,     /* value & x; of integers, as the next two */
    KITH_OR = 5,      /* value | x */
    KITH_XOR = 6,     /* value ^ x */
    KITH_EXCHANGE = 7 /* x; also of bytes */
};

struct kith_value_options {
    /* 1 to 63 bytes: the value of this name in the job, which the first caller opens, on
     * node 0, with its init. All callers give the same type, size, .raw and .lock, else
     * KITH_EINVAL. */
    const char *name;
    /* 1: without a lock, as Python's RawValue. */
    int raw;
    /* An rlock to use instead of a lock of its own: kith_value_lock and kith_value_unlock
     * acquire and release it. Several values and arrays may share one, to be changed
     * together. It may be on any node, and stays open when the value is closed. */
    kith_rlock lock;
};

/* kith_value kith_value_of(x);
 *
 * Opens a value with the type and value of the number x. kith_value_open is the plain
 * function. */

/* Opens a value of this type, with a copy of the size bytes at init; NULL: zeros. On
 * failure the handle holds:
 *
 *   KITH_ENOMEM  not enough memory
 *   KITH_EINVAL  a bad argument
 *   KITH_ESIZE   size is not the size of the type
 *   KITH_EPEER   (with a name) node 0 is lost
 */
KITH_API kith_value kith_value_open(int type, const void *init, size_t size);

/* kith_value kith_value_open_with(int type, const void *init, size_t size,
 *                                 .option = value ...);
 *
 * The same with options: kith_value_open_with('i', NULL, sizeof(int), .name = "hits"). */

/* int kith_load(kith_value v, T *y);
 * int kith_store(kith_value v, x);
 * int kith_add(kith_value v, x);
 * int kith_update(kith_value v, enum kith_op op, x, T *old);
 * int kith_compare_exchange(kith_value v, T *expected, x);
 *
 * The next four functions for numbers, with type and size taken from x or y, which must
 * have the type of the value: 1.0, not 1, for a double. kith_load also takes a struct.
 * kith_add is kith_update with KITH_ADD and without old. */

/* Copies the value to y. type and size must match the value.
 *
 *   0            done
 *   KITH_ETYPE   the value has another type
 *   KITH_ESIZE   the value has another size
 *   KITH_EINVAL  y is NULL
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the value lives is lost
 *   KITH_ENOMEM  not enough memory
 */
KITH_API int kith_value_load(kith_value v, int type, void *y, size_t size);

/* Sets the value to x. Returns the codes of kith_value_load. */
KITH_API int kith_value_store(kith_value v, int type, const void *x, size_t size);

/* Changes the value by x in one step, and stores its previous value in old, unless old
 * is NULL. Returns the codes of kith_value_load, and:
 *
 *   KITH_ETYPE   there is no such op for this type
 *   KITH_EINVAL  op is no enum kith_op
 */
KITH_API int kith_value_update(kith_value v, int type, int op, const void *x, void *old, size_t size);

/* Sets the value to x if it is, bit for bit, what expected points to. Otherwise copies
 * the value there. Returns the codes of kith_value_load, but:
 *
 *   1  it is x now
 *   0  it was another, and is unchanged
 */
KITH_API int kith_value_compare_exchange(kith_value v, int type, void *expected, const void *x, size_t size);

/* Takes the value's lock. Waits up to timeout_ms while another has it; the owner has it
 * at once, one level deeper.
 *
 *   0                the caller has it
 *   KITH_EOWNERDEAD  it has it; the process that had it before has ended
 *   KITH_ETIMEDOUT   it was not free in that time
 *   KITH_EINVAL      the value is .raw; or a bad timeout_ms
 *   KITH_ESTALE      closed, also while waiting
 *   KITH_EPEER       the node where the value lives is lost
 */
KITH_API int kith_value_lock(kith_value v, int timeout_ms);

/* Goes back one level; from the first one, releases the lock.
 *
 *   0            done
 *   KITH_EOWNER  the caller does not own it
 *   KITH_EINVAL  the value is .raw
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the value lives is lost
 */
KITH_API int kith_value_unlock(kith_value v);

/* Closes the value, for all processes; callers that wait get KITH_ESTALE. Returns 0; or
 * KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_value_close(kith_value v);

/* ---- Arrays ------------------------------------------------------------------------ */

/* An array is n elements of one type in shared memory, initially zeros. The types are
 * the same as for values, with single bytes for 'b'. Any process on any node may read
 * and change it. In the processes of its own node it may be used in place, too: see
 * kith_array_here.
 *
 * An operation on one number is atomic, as with values, and from another node it is done
 * exactly once. A slice is copied element by element, each of them whole: take the lock,
 * which is like a value's, to exclude other changes in between. */

struct kith_array_options {
    /* 1 to 63 bytes: the array of this name in the job, which the first caller opens, on
     * node 0. All callers give the same type, n, .raw, .size and .lock, else KITH_EINVAL.
     */
    const char *name;
    /* 1: without a lock, as Python's RawArray. */
    int raw;
    /* Of type 'b': the bytes of each element, of a struct, say. 0: 1. Such an element is
     * copied byte by byte: if others change it, take the lock to read and to write it.
     */
    size_t size;
    /* An rlock to use instead of a lock of its own, as of a value. */
    kith_rlock lock;
};

/* kith_array kith_array_of(x);
 *
 * Opens an array with a copy of the elements of x, a C array of numbers. */

/* Opens an array of n elements of this type. On failure the handle holds:
 *
 *   KITH_ENOMEM  not enough memory
 *   KITH_EINVAL  a bad argument
 *   KITH_EPEER   (with a name) node 0 is lost
 */
KITH_API kith_array kith_array_open(int type, size_t n);

/* kith_array kith_array_open_with(int type, size_t n, .option = value ...);
 *
 * The same with options: kith_array_open_with('d', 1000, .name = "grid"). */

/* int kith_load_at(kith_array a, size_t at, T *y);
 * int kith_store_at(kith_array a, size_t at, x);
 * int kith_add_at(kith_array a, size_t at, x);
 * int kith_update_at(kith_array a, size_t at, enum kith_op op, x, T *old);
 * int kith_compare_exchange_at(kith_array a, size_t at, T *expected, x);
 * int kith_load_slice(kith_array a, size_t at, T *y, size_t n);
 * int kith_store_slice(kith_array a, size_t at, const T *x, size_t n);
 *
 * The next functions for numbers, with the type taken from x or y, which must have the
 * type of the array. The first five are for the element at this index, from 0; the last
 * two for n of them, from there on, also of char. kith_load_at and the last two also
 * take structs of exactly the array's .size:
 *
 *     kith_array a = kith_array_open_with('b', 100, .size = sizeof(struct point));
 *     kith_store_slice(a, 7, &p, 1); */

/* Copies n elements, from index at on, to y.
 *
 *   0            done
 *   KITH_ETYPE   the array has another type
 *   KITH_EINVAL  the array has fewer elements; or y is NULL
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the array lives is lost
 *   KITH_ENOMEM  not enough memory
 */
KITH_API int kith_array_load(kith_array a, int type, size_t at, void *y, size_t n);

/* Sets n elements, from index at on, to those at x. Returns the codes of kith_array_load.
 */
KITH_API int kith_array_store(kith_array a, int type, size_t at, const void *x, size_t n);

/* The same for elements of size bytes, in an array of 'b' with that .size. Return the
 * codes of kith_array_load, and KITH_ESIZE: its elements have another size, which is 1
 * for kith_array_load and kith_array_store. */
KITH_API int kith_array_load_structs(kith_array a, size_t at, void *y, size_t size, size_t n);
KITH_API int kith_array_store_structs(kith_array a, size_t at, const void *x, size_t size, size_t n);

/* As kith_value_update and kith_value_compare_exchange, for the number at this index.
 * Return their codes, and KITH_EINVAL if there is no such index. */
KITH_API int kith_array_update(kith_array a, int type, size_t at, int op, const void *x, void *old);
KITH_API int kith_array_compare_exchange(kith_array a, int type, size_t at, void *expected, const void *x);

/* Returns the number of elements; or KITH_ESTALE, KITH_EPEER. */
KITH_API int64_t kith_array_length(kith_array a);

/* Returns the address of the elements in this process, if the array lives on this node:
 * tasks and Processes of the node read and write them there like memory of kith_alloc,
 * and maps use them in place. It is valid until the array is closed. NULL on another node
 * (no fault), or if the handle is stale. */
KITH_API void *kith_array_here(kith_array a);

/* As kith_value_lock and kith_value_unlock, with the same codes. */
KITH_API int kith_array_lock(kith_array a, int timeout_ms);
KITH_API int kith_array_unlock(kith_array a);

/* Closes the array, for all processes; callers that wait get KITH_ESTALE. Returns 0; or
 * KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_array_close(kith_array a);

/* ---- Dicts, Lists and Namespaces --------------------------------------------------- */

/* What Python's Manager serves: a dict, a list and a namespace in shared memory. Any
 * process on any node may read and change them, and each of these calls is one step: no
 * other call comes in between, and a process killed in the middle has made the whole
 * change or none of it. Only kith_dict_update and its like, which have a timeout, wait
 * for other processes.
 *
 * Keys and values are bytes with a size. Values stored by the macros kith_set and
 * kith_append also keep their type. */

/* int kith_set(container, key, x);
 * int kith_fetch(container, key, T *y);
 * int kith_inc(container, key, x);
 *
 * For a dict, a namespace (key: a string; of a dict a number, too) and a list (key: an
 * index; -1 is the last element). kith_set sets the value to x: a number, or a string,
 * which is stored with its NUL. kith_fetch copies the value to *y, a number or a struct
 * of exactly its size; strings are read by kith_dict_get. kith_inc adds the number x to
 * the value; a key that a dict or namespace does not have counts as 0. For structs as
 * keys or values use the plain functions, kith_dict_set(d, KITH_TEXT("origin"),
 * KITH_ARG(point)).
 *
 *   0              done
 *   KITH_EMISSING  (kith_fetch; of a list all) there is no such key or index
 *   KITH_ETYPE     the value has another type
 *   KITH_ESIZE     (kith_fetch) the value has another size
 *   KITH_ENOMEM    not enough memory
 *   KITH_ESTALE    closed
 *   KITH_EPEER     the node where the container lives is lost
 *
 * An integer as a key is stored as a long long, whatever its type; other numbers are
 * stored as they are. */

/* Opens an empty dict. On failure the handle holds:
 *
 *   KITH_ENOMEM  not enough memory
 */
KITH_API kith_dict kith_dict_open(void);

/* Returns the dict of this name (1 to 63 bytes) in the job. The first caller opens it, on
 * node 0. On failure the handle holds:
 *
 *   KITH_ENOMEM  not enough memory
 *   KITH_EINVAL  a bad name
 *   KITH_EPEER   node 0 is lost
 */
KITH_API kith_dict kith_dict_named(const char *name);

/* Sets the value of key to a copy of the size bytes: d[key] = value. A new key comes
 * last in the order of the dict; an existing key keeps its place.
 *
 *   0            done
 *   KITH_ENOMEM  not enough memory
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the dict lives is lost
 *   KITH_EINVAL  a bad argument
 */
KITH_API int kith_dict_set(kith_dict d, const void *key, size_t key_size, const void *value, size_t size);

/* Copies the value of key into buf, which has room bytes, unless buf is NULL.
 *
 *   0 or more      the size of the value
 *   KITH_EMISSING  there is no such key
 *   KITH_ETOOBIG   the value is larger than room
 *   others         as kith_dict_set
 */
KITH_API int64_t kith_dict_get(kith_dict d, const void *key, size_t key_size, void *buf, size_t room);

/* The same, but a key that is not there is set to value first: Python's setdefault. */
KITH_API int64_t kith_dict_setdefault(kith_dict d, const void *key, size_t key_size, const void *value,
                                      size_t size, void *buf, size_t room);

/* Returns 1 if there is such a key, else 0; or the codes of kith_dict_set. */
KITH_API int kith_dict_has(kith_dict d, const void *key, size_t key_size);

/* Removes key. Returns 0; KITH_EMISSING; or the codes of kith_dict_set. */
KITH_API int kith_dict_del(kith_dict d, const void *key, size_t key_size);

/* Removes key and copies its value into buf. Returns as kith_dict_get; after KITH_ETOOBIG
 * it is still there. */
KITH_API int64_t kith_dict_pop(kith_dict d, const void *key, size_t key_size, void *buf, size_t room);

/* Removes the newest key and copies it, and its value, into the two buffers. *key_size is
 * the room for the key, then its size. Returns the size of the value, as kith_dict_pop;
 * KITH_EMISSING if the dict is empty. */
KITH_API int64_t kith_dict_popitem(kith_dict d, void *key, size_t *key_size, void *buf, size_t room);

/* Returns the number of keys; or KITH_ESTALE, KITH_EPEER. */
KITH_API int64_t kith_dict_len(kith_dict d);

/* Removes all keys. Returns 0; or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_dict_clear(kith_dict d);

/* A copy of what a dict, list or namespace held at one moment, in this process, to be
 * looked through and freed:
 *
 *     struct kith_view *v = kith_dict_view(d);
 *
 *     for (struct kith_item i; kith_view_next(v, &i);)
 *         printf("%s: %d\n", (const char *)i.key, *(const int *)i.value);
 *     kith_view_free(v);
 *
 * Keys and values are aligned for any number, followed by a zero byte, and valid until
 * the view is freed. A view is used by one thread at a time. */
struct kith_view;
struct kith_item {
    const void *key; /* of a list: no bytes */
    size_t key_size;
    const void *value;
    size_t size;
    int type;     /* 'i', 'd' ...: see Values; 's': a string; 'b': bytes */
    int key_type; /* likewise, as first set; 'q' for integers; 0 in a list */
};

/* Makes a view of the whole dict, in the order in which its keys were added. Changes wait
 * until it is made, some 0.2 s per GB; kith_dict_get does not. Returns NULL on failure:
 * KITH_ENOMEM, KITH_ESTALE, KITH_EPEER faults. */
KITH_API struct kith_view *kith_dict_view(kith_dict d);

/* Fills *item with the next one. Returns 1; 0 if there are no more, or if v is NULL. */
KITH_API int kith_view_next(struct kith_view *v, struct kith_item *item);

/* Begins again with the first one. */
KITH_API void kith_view_rewind(struct kith_view *v);

/* Returns the number of its items; 0 if v is NULL. */
KITH_API size_t kith_view_len(const struct kith_view *v);

/* Frees v; NULL does nothing. */
KITH_API void kith_view_free(struct kith_view *v);

/* Sets the items of from, one by one: Python's update. Others may see some of them
 * before the last one. Returns 0; or the codes of kith_dict_set. */
KITH_API int kith_dict_merge(kith_dict d, struct kith_view *from);

/* Sets the value of key, a number of this type (see Values), to the value op x, in one
 * step; a key that is not there counts as 0. If old is not NULL, the previous value is
 * copied there.
 *
 *   0            done
 *   KITH_ETYPE   the value has another type; or op is not for this type
 *   KITH_ESIZE   numbers of this type have another size
 *   KITH_EINVAL  op is no enum kith_op
 *   others       as kith_dict_set
 */
KITH_API int kith_dict_compute(kith_dict d, const void *key, size_t key_size, int op, int type, const void *x,
                               void *old, size_t size);

/* What a function of kith_dict_update gets, and changes. */
struct kith_entry {
    void *value; /* a copy; change it in place */
    size_t size; /* of it, up to room; 0 if there is none */
    size_t room;
    int exists; /* 0: there is no such key; after the function: there is to be none */
};

/* Returns 0: what entry holds now is stored; any other number: the value stays as is. */
typedef int kith_update_fn(struct kith_entry *entry, void *arg);

/* Replaces the value of key by the result of fn, in one step: d[key] = fn(d[key]),
 * without the lost updates of Python's Manager. fn is called in the calling process, with
 * arg, and again each time that the value has changed meanwhile. So it should only
 * compute, and be quick. When an update has lost this race three times, further ones in
 * this dict wait until it is done. room is the size that a value may have.
 *
 *   0               stored, or removed
 *   other than 0    what fn returned, if it did not return 0; nothing has changed
 *   KITH_ETOOBIG    the value is larger than room
 *   KITH_ETIMEDOUT  others held it up for timeout_ms
 *   KITH_EINVAL     entry->size is larger than room
 *   others          as kith_dict_set
 */
KITH_API int kith_dict_update(kith_dict d, const void *key, size_t key_size, size_t room, kith_update_fn *fn,
                              void *arg, int timeout_ms);

/* Closes the dict, for all processes. Returns 0; or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_dict_close(kith_dict d);

/* Opens an empty list; the one of this name; as kith_dict_open, kith_dict_named. */
KITH_API kith_list kith_list_open(void);
KITH_API kith_list kith_list_named(const char *name);

/* int kith_append(kith_list l, x);
 * int kith_extend(kith_list l, const T *x, size_t n);
 *
 * kith_append appends a number or a string, as kith_set stores it; kith_extend, in one
 * step, the n numbers or structs of an array: Python's extend. They return the codes of
 * kith_set. */

/* Appends an element of size bytes.
 *
 *   0            done
 *   KITH_ENOMEM  not enough memory
 *   KITH_ESTALE  closed
 *   KITH_EPEER   the node where the list lives is lost
 *   KITH_EINVAL  a bad argument
 */
KITH_API int kith_list_append(kith_list l, const void *value, size_t size);

/* Appends n elements of size bytes each, from an array, in one step. */
KITH_API int kith_list_extend(kith_list l, const void *values, size_t size, size_t n);

/* In all functions with an index, a negative one counts from the end: -1 is the last
 * element. They return KITH_EMISSING if there is no such element. */

/* Copies an element into buf, which has room bytes, unless buf is NULL. Returns its size;
 * KITH_ETOOBIG; or the codes of kith_list_append. */
KITH_API int64_t kith_list_get(kith_list l, int64_t index, void *buf, size_t room);

/* Replaces an element. Returns 0; or the codes of kith_list_append. */
KITH_API int kith_list_set(kith_list l, int64_t index, const void *value, size_t size);

/* Inserts an element before that index. As in Python, an index beyond an end is that end.
 * In the middle it takes time in proportion to the length of the list. */
KITH_API int kith_list_insert(kith_list l, int64_t index, const void *value, size_t size);

/* Removes an element and copies it into buf; index -1 is Python's pop(). Returns as
 * kith_list_get; after KITH_ETOOBIG it is still there. */
KITH_API int64_t kith_list_pop(kith_list l, int64_t index, void *buf, size_t room);

/* Removes an element: del l[index]. Returns 0; or the codes of kith_list_append. */
KITH_API int kith_list_del(kith_list l, int64_t index);

/* Removes the first element with these bytes. KITH_EMISSING: there is none. */
KITH_API int kith_list_remove(kith_list l, const void *value, size_t size);

/* Returns the index of the first element with these bytes; KITH_EMISSING. */
KITH_API int64_t kith_list_index(kith_list l, const void *value, size_t size);

/* Returns how many elements have these bytes. */
KITH_API int64_t kith_list_count(kith_list l, const void *value, size_t size);

/* Returns the number of elements; or KITH_ESTALE, KITH_EPEER. */
KITH_API int64_t kith_list_len(kith_list l);

/* Removes all elements; reverses their order. Return 0; or KITH_ESTALE, KITH_EPEER,
 * KITH_ENOMEM. */
KITH_API int kith_list_clear(kith_list l);
KITH_API int kith_list_reverse(kith_list l);

/* Sorts the list by compare, as qsort does, but elements that are equal keep their
 * order. NULL: by their natural order, for which all must have one type: numbers by
 * size, all else byte by byte. compare is called in the calling process. If the list has
 * changed meanwhile, the sort starts over; after three times, as with updates,
 * kith_list_update and other sorts wait until it is done.
 *
 *   0               done
 *   KITH_ETYPE      (NULL) the elements have different types
 *   KITH_ETIMEDOUT  others held it up for timeout_ms
 *   others          as kith_list_append
 */
typedef int kith_compare_fn(const struct kith_item *a, const struct kith_item *b);
KITH_API int kith_list_sort(kith_list l, kith_compare_fn *compare, int timeout_ms);

/* Makes a view (see kith_dict_view) of the elements from begin up to, but not including,
 * end, as Python's l[begin:end]; 0, INT64_MAX: all of them. */
KITH_API struct kith_view *kith_list_view(kith_list l, int64_t begin, int64_t end);

/* As kith_dict_compute and kith_dict_update, for an element. */
KITH_API int kith_list_compute(kith_list l, int64_t index, int op, int type, const void *x, void *old,
                               size_t size);
KITH_API int kith_list_update(kith_list l, int64_t index, size_t room, kith_update_fn *fn, void *arg,
                              int timeout_ms);

/* Closes the list, for all processes. Returns 0; or KITH_ESTALE, KITH_EPEER. */
KITH_API int kith_list_close(kith_list l);

/* A namespace is a dict whose keys are names, C strings: kith_set(ns, "x", 1) is Python's
 * ns.x = 1. These are the functions of dicts. */
KITH_API kith_ns kith_ns_open(void);
KITH_API kith_ns kith_ns_named(const char *name);
KITH_API int kith_ns_set(kith_ns ns, const char *name, const void *value, size_t size);
KITH_API int64_t kith_ns_get(kith_ns ns, const char *name, void *buf, size_t room);
KITH_API int kith_ns_has(kith_ns ns, const char *name);
KITH_API int kith_ns_del(kith_ns ns, const char *name);
KITH_API struct kith_view *kith_ns_view(kith_ns ns);
KITH_API int kith_ns_compute(kith_ns ns, const char *name, int op, int type, const void *x, void *old,
                             size_t size);
KITH_API int kith_ns_update(kith_ns ns, const char *name, size_t room, kith_update_fn *fn, void *arg,
                            int timeout_ms);
KITH_API int kith_ns_close(kith_ns ns);

/* ---- Waiting for many -------------------------------------------------------------- */

/* One thing to wait for: an object, by kith_on, or a descriptor, by kith_on_fd.
 *
 *     struct kith_waitable list[] = { kith_on(queue), kith_on(process), kith_on_fd(0) };
 *
 *     if (kith_wait(list, 3, 1000) > 0 && list[1].ready)
 *         kith_process_join(process, 0);
 */
struct kith_waitable {
    uint64_t id;
    int kind;
    int ready; /* 0; 1; or the code that a call would fail with */
};

/* struct kith_waitable kith_on(handle);
 *
 * A Queue is ready when there is an item to get; an end of a Pipe, when there is a
 * message (both also when there will be no more, with KITH_EEND); a Process, when it has
 * ended; a Semaphore or Lock, when it is free; an RLock, when it is free or the caller
 * has it; an Event, when it is set; a Result of this process, when the call has ended.
 * In C an expression, in C++ a function. */

/* struct kith_waitable kith_on_fd(int fd);
 *
 * A descriptor of the program (a socket, a pipe, a terminal) is ready when a read would
 * not wait: there is data, or its end. */

/* Waits up to timeout_ms until something in the list of n is ready, and sets .ready of
 * each. It takes nothing: another thread or process may be quicker, so get with a
 * timeout of 0. Objects may be on any node. Whatever cannot be used is ready, too, with a
 * code: KITH_ESTALE when it was closed, KITH_EPEER when its node is lost, KITH_EINVAL
 * for a descriptor that is not open.
 *
 *   1 or more       how many are ready
 *   KITH_ETIMEDOUT  none was ready in that time; also with n 0, after it
 *   KITH_EINVAL     a bad argument; n is 0 and timeout_ms KITH_FOREVER; or the list has
 *                   more than 1024 objects of other nodes
 *   KITH_ENOMEM     not enough memory
 *   KITH_EPEER      the fork server is gone
 */
KITH_API int kith_wait(struct kith_waitable *list, size_t n, int timeout_ms);

/* ---- Errors ------------------------------------------------------------------------ */

/* Conditions are expected outcomes: a timeout, an ended queue. Faults are programming
 * errors and losses: a bad argument, a task that failed. A fault in the head calls the
 * fault handler, which prints one message to stderr and ends the job with status 1,
 * unless kith_on_fault changes that. In workers and Processes a fault is a code like any
 * other. Only the use of a zero handle there (a global that was set after kith_init) is
 * reported as well, once in each process, unless the program has a handler of its own.
 *
 * The comments of functions do not repeat what any function may return: KITH_ENOTINIT;
 * with a handle KITH_ESTALE, KITH_ETYPE, or the code of its constructor; with an object
 * on another node KITH_EPEER, and KITH_ENOMEM if a thread's first such call finds no
 * memory.
 */
enum kith_code {
    /* Conditions. */
    KITH_ETIMEDOUT = -1,  /* the timeout expired */
    KITH_ETOOBIG = -2,    /* the item does not fit; it is still there */
    KITH_EEND = -3,       /* there is no more */
    KITH_EOWNERDEAD = -4, /* the former owner died; the caller has the object now */
    KITH_EBROKEN = -5,    /* a participant died or gave up */
    KITH_ECANCELLED = -6, /* cancelled before it was done */
    KITH_ERUNNING = -7,   /* it has not ended yet */
    KITH_EMISSING = -8,   /* there is no such key, element or name */

    /* Faults. */
    KITH_EINVAL = -32,   /* an argument is wrong */
    KITH_ENOMEM = -33,   /* memory, or another resource of the machine, is used up */
    KITH_ESTALE = -34,   /* the object was closed, or never existed */
    KITH_ETASK = -35,    /* a task failed: see kith_last_fault */
    KITH_EPEER = -36,    /* a process or node of the job that this needs is gone */
    KITH_ETYPE = -37,    /* the object has another type or kind */
    KITH_ESIZE = -38,    /* the size differs from what is there; nothing was changed */
    KITH_ENOTINIT = -39, /* before kith_init, or after kith_finalize */
    KITH_EFUNC = -40,    /* the function cannot be found in the other process */
    KITH_EOWNER = -41    /* only the owner may do that */
};

/* Returns a fixed text for code, never NULL; "success" for 0. Needs no kith_init. */
KITH_API const char *kith_strerror(int code);

/* Returns the message of this thread's last failed call: what was tried, and why it
 * failed. Never NULL; valid until the thread's next failing call. */
KITH_API const char *kith_last_error(void);

/* Sets what happens on a fault in the head. fn gets the code and the message, and may end
 * the program or return; then the failing call returns its code. NULL: codes only. Waits
 * for the answers of the other nodes, whose processes report nothing then, either. If
 * this is never called, a fault prints "kith: message" to stderr, for a wrong call with
 * the function of the program that made it, and ends the job with status 1. A
 * Process that crashed or was killed is then reported in one message, with its host; so
 * is the first failed task of a call that goes on for 0.1 s after it, and from then on,
 * once a second, how many tasks have failed. */
KITH_API void kith_on_fault(void (*fn)(int code, const char *message));

/* ---- Log --------------------------------------------------------------------------- */

/* Python's levels. Others in between may be used, too. */
enum {
    KITH_LOG_DEBUG = 10,
    KITH_LOG_INFO = 20,
    KITH_LOG_WARNING = 30,
    KITH_LOG_ERROR = 40,
    KITH_LOG_CRITICAL = 50
};

/* Logs a text, formatted as by printf, with its level and the name of the process, in a
 * single write to stderr: lines of several processes do not mix.
 *
 *     kith_log(KITH_LOG_INFO, "%d of %d", i, n);     prints  [INFO/loader] 3 of 7
 *
 * Under a launcher lines come from all nodes, with the host after the name: [INFO/loader
 * on node2]. Lines below the level are not shown: the level of the variable KITH_LOG,
 * else of kith_log_level, else KITH_LOG_WARNING. A line is cut at 4095 bytes; a newline
 * at its end may be left out. The name is "main" in the head, "rank 3" in a program of
 * every rank, "worker 3" in a pool; in a pool of threads "main, worker 3" if main has
 * opened it. Needs no kith_init. */
KITH_API void kith_log(int level, const char *format, ...) KITH_PRINTF(2, 3);

/* Returns 1 if lines of this level are shown, else 0: for texts that are costly to make.
 * Needs no kith_init. */
KITH_API int kith_log_on(int level);

/* Sets the lowest level that is shown, in all processes of the job; before kith_init, in
 * this program and in what it starts. It applies to kith's own lines (how Processes
 * ended, which nodes were reached), too. The variable KITH_LOG takes precedence. Waits
 * for the answers of the other nodes.
 *
 *   0            done
 *   KITH_EINVAL  level is below 1
 */
KITH_API int kith_log_level(int level);

/* Sets a function that gets the lines of this process, kith's own included, instead of
 * stderr: the level, the name of the process, and the text, valid until it returns.
 * NULL: stderr again. Several threads may call it at once; what it logs itself goes to
 * stderr. If set before kith_init, it applies in workers and Processes, too. Lines of
 * kith's processes that run no code of the program go to stderr in any case. Needs no
 * kith_init.
 */
KITH_API void kith_log_to(void (*fn)(int level, const char *process, const char *text));

/* ---- Environment ------------------------------------------------------------------- */

/* The first six functions describe the process's place in the job. Before kith_init they
 * return 0, 1, 0, 1, the host name and -1. The others need no kith_init. */

/* Returns the rank of this process in the job, 0 without a launcher; in workers, the
 * first rank of their node. */
KITH_API int kith_rank(void);

/* Returns the number of ranks, 1 without a launcher. */
KITH_API int kith_size(void);

/* Returns the number of this node, from 0. */
KITH_API int kith_node(void);

/* Returns the number of nodes. */
KITH_API int kith_nodes(void);

/* Returns the host name of this node. */
KITH_API const char *kith_host(void);

/* Returns the index of this worker in its pool, from 0; -1 in all other processes, and in
 * threads that a task has started in a pool with .threads. With KITH_SERIAL=1 it is 0 in
 * tasks; in those that the caller runs (.caller of a pool) the number of workers. */
KITH_API int kith_worker(void);

/* Returns the number of CPUs of this machine. */
KITH_API int kith_cpu_count(void);

/* Returns how many CPUs this job may use on this machine: the least of the affinity, the
 * cgroup quota and Slurm's allocation, at least 1. */
KITH_API int kith_usable_cpus(void);

/* Returns the time in seconds on a clock of this node that never steps back. */
KITH_API double kith_time(void);

/* ---- Random numbers ---------------------------------------------------------------- */

/* The generator is counter-based (Philox4x32-10; Salmon et al., "Parallel random numbers:
 * as easy as 1, 2, 3", SC11). In a task of a pool the numbers depend on three things
 * alone: the seed; the number of the call that started it (this process's first, second,
 * ...); and the index of the task. So results do not depend on the number of workers. The
 * head and each Process draw a sequence of their own, and so does each thread. The C
 * library's rand and random are reseeded in each worker and Process. */

/* Returns 64 random bits. */
KITH_API uint64_t kith_random(void);

/* Returns a random number, uniform in [lo, hi). */
KITH_API double kith_uniform(double lo, double hi);

/* Sets the seed. The variable KITH_SEED takes precedence; without either, each run has a
 * new one. All ranks of a job have that of rank 0.
 *
 *   0            done
 *   KITH_EINVAL  called after kith_init
 */
KITH_API int kith_seed(uint64_t seed);

/* ==== Not for reading ===============================================================
 *
 * The rest is how the macros above find types and sizes. Programs do not use the names
 * with two underscores by themselves. */

/* Options are a compound literal of the struct; C++ has none, but makes a temporary. */
#ifdef __cplusplus
#define KITH__OPTIONS(type, ...) &static_cast<const type &>(type{ __VA_ARGS__ })
#else
#define KITH__OPTIONS(type, ...) \
    &(struct type)               \
    {                            \
        __VA_ARGS__              \
    }
#endif

/* A macro that has the name of a function fills in what the compiler knows: sizes, or a
 * struct of options. Other languages call the function of that name with all of its
 * arguments, as (kith_last_fault)(&f, sizeof f, 0) does in C. Options may be NULL with a
 * size of 0; members beyond options_size count as 0. */

KITH_API int kith_check(uint64_t id);
#define kith_check(h) (kith_check)((h).id)

KITH_API int kith_last_fault(struct kith_fault *f, size_t size, size_t index);
#define kith_last_fault(f, index) (kith_last_fault)(f, sizeof(struct kith_fault), index)

KITH_API kith_pool kith_pool_open_with(int workers, const struct kith_pool_options *options,
                                       size_t options_size);
#define kith_pool_open_with(workers, ...)                                         \
    (kith_pool_open_with)(workers, KITH__OPTIONS(kith_pool_options, __VA_ARGS__), \
                          sizeof(struct kith_pool_options))

KITH_API int kith_pool_read_stats(kith_pool p, struct kith_pool_stats *s, size_t size);
KITH_API int kith_pool_read_worker_stats(kith_pool p, int worker, struct kith_worker_stats *s, size_t size);
#define kith_pool_stats(p, s) kith_pool_read_stats(p, s, sizeof(struct kith_pool_stats))
#define kith_worker_stats(p, worker, s) \
    kith_pool_read_worker_stats(p, worker, s, sizeof(struct kith_worker_stats))

KITH_API kith_process kith_process_start_with(kith_target *fn, const void *arg, size_t size,
                                              const struct kith_process_options *options,
                                              size_t options_size);
#define kith_process_start_with(fn, ...) KITH__START_WITH(fn, __VA_ARGS__)
#define KITH__START_WITH(fn, arg, size, ...)                                                   \
    (kith_process_start_with)(fn, arg, size, KITH__OPTIONS(kith_process_options, __VA_ARGS__), \
                              sizeof(struct kith_process_options))

KITH_API kith_sem kith_sem_open_with(int units, const struct kith_sem_options *options, size_t options_size);
#define kith_sem_open_with(units, ...) \
    (kith_sem_open_with)(units, KITH__OPTIONS(kith_sem_options, __VA_ARGS__), sizeof(struct kith_sem_options))

/* Handles of other types do not compile. */
#ifndef __cplusplus
/* clang-format off */
#define kith_on(h)                                                                                  \
    ((struct kith_waitable){ (h).id, _Generic((h), kith_queue: 'q', kith_pipe: 'c', kith_process: 'p', \
                                              kith_sem: 's', kith_lock: 'l', kith_rlock: 'r', kith_event: 'e', \
                                              kith_result: 't'), 0 })
/* clang-format on */
#define kith_on_fd(fd) ((struct kith_waitable){ (uint64_t)(fd), 'f', 0 })
#endif
KITH_API kith_cond kith_cond_open_with(const struct kith_cond_options *options, size_t options_size);
#define kith_cond_open_with(...) \
    (kith_cond_open_with)(KITH__OPTIONS(kith_cond_options, __VA_ARGS__), sizeof(struct kith_cond_options))

KITH_API kith_barrier kith_barrier_open_with(int parties, const struct kith_barrier_options *options,
                                             size_t options_size);
#define kith_barrier_open_with(parties, ...)                                            \
    (kith_barrier_open_with)(parties, KITH__OPTIONS(kith_barrier_options, __VA_ARGS__), \
                             sizeof(struct kith_barrier_options))

KITH_API kith_queue kith_queue_open_with(size_t bound, const struct kith_queue_options *options,
                                         size_t options_size);
#define kith_queue_open_with(bound, ...)                                          \
    (kith_queue_open_with)(bound, KITH__OPTIONS(kith_queue_options, __VA_ARGS__), \
                           sizeof(struct kith_queue_options))

KITH_API int kith__queue_get(kith_queue q, void *buf, size_t size, int timeout_ms);
KITH_API int kith__result_get(kith_result r, void *out, size_t size, int timeout_ms);
#define kith_put(q, x) kith_queue_put(q, &(x), sizeof(x), KITH_FOREVER)
#ifndef __cplusplus
#define kith_get(from, p)                \
    _Generic((from), kith_result         \
             : kith__result_get, default \
             : kith__queue_get)(from, p, sizeof *(p), KITH_FOREVER)
#endif

KITH_API int kith_pipe_open_with(kith_pipe ends[2], const struct kith_pipe_options *options,
                                 size_t options_size);
#define kith_pipe_open_with(ends, ...)                                         \
    (kith_pipe_open_with)(ends, KITH__OPTIONS(kith_pipe_options, __VA_ARGS__), \
                          sizeof(struct kith_pipe_options))

KITH_API int kith__pipe_recv(kith_pipe end, void *buf, size_t size, int timeout_ms);
#define kith_send(end, x) kith_pipe_send(end, &(x), sizeof(x), KITH_FOREVER)
#define kith_recv(end, p) kith__pipe_recv(end, p, sizeof *(p), KITH_FOREVER)

/* What follows takes the function's name, too, for messages; if NULL, it is looked up. */
KITH_API int kith__map_with(kith_pool p, const char *name, kith_map_with_fn *fn, const void *in,
                            size_t in_size, void *out, size_t out_size, size_t n, const void *arg,
                            size_t size);
#define kith_map_with(pool, fn, in, out, ...) \
    kith__map_with(pool, #fn, fn, in, sizeof *(in), out, sizeof *(out), __VA_ARGS__)

KITH_API int kith__for(kith_pool p, const char *name, kith_for_fn *fn, const void *arg, size_t size,
                       uint64_t n);
#define kith_for(pool, fn, ...) kith__for(pool, #fn, fn, __VA_ARGS__)

KITH_API int kith__sum(kith_pool p, const char *name, kith_sum_fn *fn, const void *arg, size_t size,
                       uint64_t n, double *sum);
#define kith_sum(pool, fn, ...) kith__sum(pool, #fn, fn, __VA_ARGS__)

KITH_API int kith__reduce(kith_pool p, const char *name, kith_reduce_fn *fn, const void *arg, size_t size,
                          uint64_t n, kith_fold_fn *fold, void *total, size_t total_size);
#define kith_reduce(pool, fn, ...) KITH__REDUCE(pool, fn, __VA_ARGS__)
#define KITH__REDUCE(pool, fn, arg, size, n, fold, total) \
    kith__reduce(pool, #fn, fn, arg, size, n, fold, total, sizeof *(total))

KITH_API kith_value kith_value_open_with(int type, const void *init, size_t size,
                                         const struct kith_value_options *options, size_t options_size);
#define kith_value_open_with(type, init, ...) KITH__VALUE_OPEN_WITH(type, init, __VA_ARGS__)
#define KITH__VALUE_OPEN_WITH(type, init, size, ...)                                         \
    (kith_value_open_with)(type, init, size, KITH__OPTIONS(kith_value_options, __VA_ARGS__), \
                           sizeof(struct kith_value_options))

KITH_API kith_array kith_array_open_with(int type, size_t n, const struct kith_array_options *options,
                                         size_t options_size);
#define kith_array_open_with(type, n, ...)                                          \
    (kith_array_open_with)(type, n, KITH__OPTIONS(kith_array_options, __VA_ARGS__), \
                           sizeof(struct kith_array_options))
KITH_API kith_array kith__array_of(int type, const void *x, size_t n);
KITH_API int kith__array_load(kith_array a, int type, size_t at, void *y, size_t size, size_t n);
KITH_API int kith__array_store(kith_array a, int type, size_t at, const void *x, size_t size, size_t n);

/* clang-format off */
/* The numbers that Values and Arrays may hold: their letters. */
#define KITH__NUMBERS(X)                                                                            \
    X(i, int) X(I, unsigned) X(l, long) X(L, unsigned long) X(q, long long) X(f, float) X(d, double)
#define KITH__VALUE_DECLARE(letter, T)                                                              \
    KITH_API kith_value kith__value_of_##letter(T x);                                               \
    KITH_API int kith__value_store_##letter(kith_value v, T x);                                     \
    KITH_API int kith__value_update_##letter(kith_value v, int op, T x, T *old);                    \
    KITH_API int kith__value_compare_##letter(kith_value v, T *expected, T x);                      \
    KITH_API int kith__array_store_##letter(kith_array a, size_t at, T x);                          \
    KITH_API int kith__array_update_##letter(kith_array a, size_t at, int op, T x, T *old);         \
    KITH_API int kith__array_compare_##letter(kith_array a, size_t at, T *expected, T x);
KITH__NUMBERS(KITH__VALUE_DECLARE)
#undef KITH__VALUE_DECLARE

/* A number or a string, as a key or value of a Dict, List or Namespace. */
struct kith__any {
    const char *text; /* NULL: a number, in few */
    size_t size;
    int type;
    char few[8];
};
#define KITH__ANY_DECLARE(letter, T) KITH_API struct kith__any kith__any_##letter(T x);
KITH__NUMBERS(KITH__ANY_DECLARE)
#undef KITH__ANY_DECLARE
KITH_API struct kith__any kith__any_s(const char *text);
/* The same as a key: its number is a long long. */
KITH_API struct kith__any kith__any_key(struct kith__any x);
KITH_API size_t kith__length(const char *text);
#define KITH__CONTAINERS(X) X(dict) X(list) X(ns)
#define KITH__CONTAINER_DECLARE(noun)                                                               \
    KITH_API int kith__##noun##_set(kith_##noun c, struct kith__any key, struct kith__any x);       \
    KITH_API int kith__##noun##_fetch(kith_##noun c, struct kith__any key, int type, void *y, size_t size); \
    KITH_API int kith__##noun##_inc(kith_##noun c, struct kith__any key, struct kith__any x);
KITH__CONTAINERS(KITH__CONTAINER_DECLARE)
#undef KITH__CONTAINER_DECLARE
KITH_API int kith__list_append(kith_list l, struct kith__any x);
KITH_API int kith__list_extend(kith_list l, int type, const void *x, size_t size, size_t n);
/* clang-format on */

typedef void kith__fn(void);
KITH_API int kith__map(kith_pool p, const char *name, kith__fn *fn, int shape, const void *in, size_t in_size,
                       void *out, size_t out_size, size_t n);
KITH_API int kith__map_costs(kith_pool p, const char *name, kith__fn *fn, int shape, const void *in,
                             size_t in_size, void *out, size_t out_size, size_t n, const double *costs);
KITH_API int kith__starmap(kith_pool p, const char *name, kith__fn *fn, int shape, size_t columns,
                           const void *rows, void *out, size_t n);

/* clang-format off */
/* One row for each kind of function of numbers: the letters of R and A, R, A. */
#define KITH__SHAPES(X)                                                                             \
    X(i, i, int, int) X(I, I, unsigned, unsigned) X(l, l, long, long)                               \
    X(L, L, unsigned long, unsigned long) X(q, q, long long, long long) X(f, f, float, float)       \
    X(d, d, double, double) X(d, i, double, int) X(d, l, double, long) X(l, i, long, int)
/* Those whose result is void, for kith_start. */
#define KITH__VOID_SHAPES(X)                                                                        \
    X(v, i, void, int) X(v, I, void, unsigned) X(v, l, void, long) X(v, L, void, unsigned long)     \
    X(v, q, void, long long) X(v, f, void, float) X(v, d, void, double)
enum {
    KITH__IS_i = 'i', KITH__IS_I = 'I', KITH__IS_l = 'l', KITH__IS_L = 'L', KITH__IS_q = 'q', KITH__IS_f = 'f',
    KITH__IS_d = 'd', KITH__IS_s = 's', KITH__IS_v = 'v'
};
#define KITH__SHAPE_CODE(r, a, columns) (KITH__IS_##r << 16 | KITH__IS_##a << 8 | (columns))
/* int f(const void *in, void *out), and int f(const void *in, kith_bytes *out) */
enum { KITH__SHAPE_BYTES = 0, KITH__SHAPE_VARIABLE = 1 };

#define KITH__APPLY_DECLARE(r, a, R, A)                                                             \
    KITH_API int kith__apply_##r##a##1(kith_pool p, const char *name, R (*fn)(A), size_t size, R *y, A); \
    KITH_API int kith__apply_##r##a##2(kith_pool p, const char *name, R (*fn)(A, A), size_t size, R *y, A, A); \
    KITH_API int kith__apply_##r##a##3(kith_pool p, const char *name, R (*fn)(A, A, A), size_t size, R *y, A, A, A);
KITH__SHAPES(KITH__APPLY_DECLARE)
KITH_API int kith__apply_bytes(kith_pool p, const char *name, kith_map_fn *fn, size_t size, void *y, const void *in,
                               size_t in_size);
#undef KITH__APPLY_DECLARE

/* An argument for a function that runs elsewhere: its letter, h for a handle and s for a
 * string, and where it is. */
struct kith__arg {
    int type;
    const void *at;
};
KITH_API kith_process kith__start(kith__fn *fn, int shape, size_t n, const struct kith__arg *args);
KITH_API int kith__apply_mix(kith_pool p, const char *name, kith__fn *fn, int shape, void *y, size_t n,
                             const struct kith__arg *args);
KITH_API kith_result kith__apply_async_mix(kith_pool p, const char *name, kith__fn *fn, int shape, size_t n,
                                           const struct kith__arg *args);

/* Handles that other processes can use. */
#define KITH__HANDLES(X)                                                                            \
    X(kith_process) X(kith_queue) X(kith_pipe) X(kith_sem) X(kith_value) X(kith_lock) X(kith_rlock) \
    X(kith_array) X(kith_event) X(kith_dict) X(kith_list) X(kith_ns) X(kith_cond) X(kith_barrier)   \
    X(kith_shared) X(kith_pool)

KITH_API kith_result kith__map_async(kith_pool p, const char *name, kith__fn *fn, int shape, const void *in,
                                     size_t in_size, void *out, size_t out_size, size_t n);
KITH_API kith_result kith__starmap_async(kith_pool p, const char *name, kith__fn *fn, int shape,
                                         size_t columns, const void *rows, void *out, size_t n);
KITH_API kith_result kith__apply_async(kith_pool p, const char *name, kith__fn *fn, int shape, const void *in,
                                       size_t in_size, size_t out_size);
KITH_API kith_result kith__apply_async_bytes(kith_pool p, const char *name, kith_map_fn *fn, const void *in,
                                             size_t in_size, size_t out_size);
#define KITH__APPLY_ASYNC_DECLARE(r, a, R, A)                                                       \
    KITH_API kith_result kith__apply_async_##r##a##1(kith_pool p, const char *name, R (*fn)(A), A); \
    KITH_API kith_result kith__apply_async_##r##a##2(kith_pool p, const char *name, R (*fn)(A, A), A, A); \
    KITH_API kith_result kith__apply_async_##r##a##3(kith_pool p, const char *name, R (*fn)(A, A, A), A, A, A);
KITH__SHAPES(KITH__APPLY_ASYNC_DECLARE)
#undef KITH__APPLY_ASYNC_DECLARE

#define kith_next(it, p) kith_iter_next(it, p, sizeof *(p), KITH_FOREVER)
KITH_API kith_iter kith__imap(kith_pool p, const char *name, kith__fn *fn, int shape, const void *in,
                              kith_source_fn *next, void *arg, size_t in_size, size_t out_size, size_t n,
                              int unordered);

#ifndef __cplusplus

#define KITH__ROWS(X)                                                                               \
    X(i, i, int, int), X(I, I, unsigned, unsigned), X(l, l, long, long),                            \
    X(L, L, unsigned long, unsigned long), X(q, q, long long, long long), X(f, f, float, float),    \
    X(d, d, double, double), X(d, i, double, int), X(d, l, double, long), X(l, i, long, int)
/* f chooses: x(row) of its kind; bytes; or, where the assertion beside it fails, none.
 * _1: one argument only. */
#define KITH__CHOOSE(f, X, none) _Generic((f), KITH__ROWS(X), default: none)
#define KITH__CHOOSE_1(f, X, bytes, none)                                                           \
    _Generic((f), KITH__ROWS(X), int (*)(const void *, void *): bytes, default: none)
#define KITH__CHOOSE_ANY(f, X, bytes, none)                                                         \
    _Generic((f), KITH__ROWS(X), int (*)(const void *, void *): bytes, default: none)
#define KITH__FN(R, A, x) R (*)(A): x, R (*)(A, A): x, R (*)(A, A, A): x
#define KITH__S(r, a, R, A)                                                                         \
    R (*)(A): KITH__SHAPE_CODE(r, a, 1), R (*)(A, A): KITH__SHAPE_CODE(r, a, 2),                    \
    R (*)(A, A, A): KITH__SHAPE_CODE(r, a, 3)
#define KITH__S_1(r, a, R, A) R (*)(A): KITH__SHAPE_CODE(r, a, 1)
#define KITH__S_2(r, a, R, A) R (*)(A, A): KITH__SHAPE_CODE(r, a, 2)
#define KITH__S_3(r, a, R, A) R (*)(A, A, A): KITH__SHAPE_CODE(r, a, 3)
#define KITH__S_4(r, a, R, A) R (*)(A, A, A, A): KITH__SHAPE_CODE(r, a, 4)
#define KITH__I(r, a, R, A) KITH__FN(R, A, (const A *)0)
#define KITH__I_1(r, a, R, A) R (*)(A): (const A *)0
#define KITH__O(r, a, R, A) KITH__FN(R, A, (R *)0)
#define KITH__O_1(r, a, R, A) R (*)(A): (R *)0
#define KITH__YES(r, a, R, A) KITH__FN(R, A, 1)
#define KITH__MANY(r, a, R, A) R (*)(A): 1, R (*)(A, A): 0, R (*)(A, A, A): 0

/* In an expression: one message of the compiler, not its thoughts about _Generic. */
#define KITH__ASSERT(holds, cure)                                                                   \
    (void)sizeof(struct {                                                                           \
        int kith__unused;                                                                           \
        _Static_assert(holds, cure);                                                                \
    })

/* x chooses among the functions of that name. char, short and _Bool count as int. */
#define KITH__NUMBER_ROWS(X) X(i, int), X(I, unsigned), X(l, long), X(L, unsigned long), X(q, long long), \
    X(f, float), X(d, double)
#define KITH__BY(x, X, none)                                                                        \
    _Generic((x), KITH__NUMBER_ROWS(X), char: X##_INT, signed char: X##_INT, unsigned char: X##_INT, \
             short: X##_INT, unsigned short: X##_INT, _Bool: X##_INT, default: none)
#define KITH__IS_NUMBER(letter, T) T: 1
#define KITH__IS_NUMBER_INT 1
#define KITH__OF(letter, T) T: kith__value_of_##letter
#define KITH__OF_INT kith__value_of_i
#define KITH__STORE(letter, T) T: kith__value_store_##letter
#define KITH__STORE_INT kith__value_store_i
#define KITH__UPDATE(letter, T) T: kith__value_update_##letter
#define KITH__UPDATE_INT kith__value_update_i
#define KITH__COMPARE(letter, T) T: kith__value_compare_##letter
#define KITH__COMPARE_INT kith__value_compare_i
#define KITH__STORE_AT(letter, T) T: kith__array_store_##letter
#define KITH__STORE_AT_INT kith__array_store_i
#define KITH__UPDATE_AT(letter, T) T: kith__array_update_##letter
#define KITH__UPDATE_AT_INT kith__array_update_i
#define KITH__COMPARE_AT(letter, T) T: kith__array_compare_##letter
#define KITH__COMPARE_AT_INT kith__array_compare_i
#define KITH__LETTER(letter, T) T: (#letter)[0]
#define KITH__LETTER_OF(x) _Generic((x), KITH__NUMBER_ROWS(KITH__LETTER), default: 'b')
/* Never called: they take the place of a function for a wrong type. */
kith_value kith__value_of_nothing(int, ...);
int kith__value_nothing(kith_value v, ...);
int kith__array_nothing(kith_array a, ...);
#define KITH__NEEDS_NUMBER(x, call)                                                                 \
    KITH__ASSERT(KITH__BY(x, KITH__IS_NUMBER, 0),                                                   \
                 call " takes a number: int, unsigned, long, unsigned long, long long, float or double; " \
                      "for structs and all else use the plain functions, kith_value_... and kith_array_...")

#define kith_value_of(x)                                                                            \
    (KITH__NEEDS_NUMBER(x, "kith_value_of"), KITH__BY(x, KITH__OF, kith__value_of_nothing)(x))
#define kith_load(v, y) kith_value_load(v, KITH__LETTER_OF(*(y)), y, sizeof *(y))
#define kith_store(v, x)                                                                            \
    (KITH__NEEDS_NUMBER(x, "kith_store"), KITH__BY(x, KITH__STORE, kith__value_nothing)(v, x))
#define kith_add(v, x)                                                                              \
    (KITH__NEEDS_NUMBER(x, "kith_add"), KITH__BY(x, KITH__UPDATE, kith__value_nothing)(v, KITH_ADD, x, NULL))
#define kith_update(v, op, x, old)                                                                  \
    (KITH__NEEDS_NUMBER(x, "kith_update"), KITH__BY(x, KITH__UPDATE, kith__value_nothing)(v, op, x, old))
#define kith_compare_exchange(v, expected, x)                                                       \
    (KITH__NEEDS_NUMBER(x, "kith_compare_exchange"),                                                \
     KITH__BY(x, KITH__COMPARE, kith__value_nothing)(v, expected, x))

#define kith_array_of(x)                                                                            \
    (KITH__NEEDS_NUMBER((x)[0], "kith_array_of"),                                                   \
     kith__array_of(KITH__LETTER_OF((x)[0]), &(x)[0], sizeof(x) / sizeof(x)[0]))
#define kith_load_at(a, at, y) kith__array_load(a, KITH__LETTER_OF(*(y)), at, y, sizeof *(y), 1)
#define kith_load_slice(a, at, y, n) kith__array_load(a, KITH__LETTER_OF(*(y)), at, y, sizeof *(y), n)
#define kith_store_slice(a, at, x, n) kith__array_store(a, KITH__LETTER_OF(*(x)), at, x, sizeof *(x), n)
#define kith_store_at(a, at, x)                                                                     \
    (KITH__NEEDS_NUMBER(x, "kith_store_at"), KITH__BY(x, KITH__STORE_AT, kith__array_nothing)(a, at, x))
#define kith_add_at(a, at, x)                                                                       \
    (KITH__NEEDS_NUMBER(x, "kith_add_at"),                                                          \
     KITH__BY(x, KITH__UPDATE_AT, kith__array_nothing)(a, at, KITH_ADD, x, NULL))
#define kith_update_at(a, at, op, x, old)                                                           \
    (KITH__NEEDS_NUMBER(x, "kith_update_at"),                                                       \
     KITH__BY(x, KITH__UPDATE_AT, kith__array_nothing)(a, at, op, x, old))
#define kith_compare_exchange_at(a, at, expected, x)                                                \
    (KITH__NEEDS_NUMBER(x, "kith_compare_exchange_at"),                                             \
     KITH__BY(x, KITH__COMPARE_AT, kith__array_nothing)(a, at, expected, x))

#define KITH__ANY(letter, T) T: kith__any_##letter
#define KITH__ANY_INT kith__any_i
#define KITH__ANY_OF(x)                                                                             \
    _Generic((x), KITH__NUMBER_ROWS(KITH__ANY), char: kith__any_i, signed char: kith__any_i,        \
             unsigned char: kith__any_i, short: kith__any_i, unsigned short: kith__any_i, _Bool: kith__any_i, \
             char *: kith__any_s, const char *: kith__any_s, default: kith__any_nothing)(x)
/* Never called: the place of a function for a wrong type. */
struct kith__any kith__any_nothing(int, ...);
#define KITH__IS_ANY(x)                                                                             \
    _Generic((x), KITH__NUMBER_ROWS(KITH__IS_NUMBER), char: 1, signed char: 1, unsigned char: 1, short: 1, \
             unsigned short: 1, _Bool: 1, char *: 1, const char *: 1, default: 0)
#define KITH__NEEDS_ANY(x, call)                                                                    \
    KITH__ASSERT(KITH__IS_ANY(x), call " takes numbers and strings: for structs and all else there are " \
                                       "kith_dict_set, kith_list_set, kith_list_append ... with KITH_ARG(x)")
#define KITH__OF_CONTAINER(c, verb)                                                                 \
    _Generic((c), kith_dict: kith__dict_##verb, kith_list: kith__list_##verb, kith_ns: kith__ns_##verb)

#define kith_set(container, key, x)                                                                 \
    (KITH__NEEDS_ANY(key, "kith_set"), KITH__NEEDS_ANY(x, "kith_set"),                              \
     KITH__OF_CONTAINER(container, set)(container, kith__any_key(KITH__ANY_OF(key)), KITH__ANY_OF(x)))
#define kith_fetch(container, key, y)                                                               \
    (KITH__NEEDS_ANY(key, "kith_fetch"),                                                            \
     KITH__OF_CONTAINER(container, fetch)(container, kith__any_key(KITH__ANY_OF(key)), KITH__LETTER_OF(*(y)), \
                                          y, sizeof *(y)))
#define kith_inc(container, key, x)                                                                 \
    (KITH__NEEDS_ANY(key, "kith_inc"), KITH__NEEDS_NUMBER(x, "kith_inc"),                           \
     KITH__OF_CONTAINER(container, inc)(container, kith__any_key(KITH__ANY_OF(key)), KITH__ANY_OF(x)))
#define kith_append(list, x)                                                                        \
    (KITH__NEEDS_ANY(x, "kith_append"), kith__list_append(list, KITH__ANY_OF(x)))
#define kith_extend(list, x, n) kith__list_extend(list, KITH__LETTER_OF(*(x)), x, sizeof *(x), n)

/* The size of an element; of memory without a type the function of numbers knows it. */
#define KITH__ELEMENT(p) sizeof *_Generic((p), void *: "", const void *: "", default: (p))
#define KITH__TYPED(f, p)                                                                           \
    _Generic((p), void *: _Generic((f), int (*)(const void *, void *): 0, default: 1),              \
             const void *: _Generic((f), int (*)(const void *, void *): 0, default: 1), default: 1)

/* Whether it is one of results of any size. */
#define KITH__IF_VARIABLE(f, yes, no)                                                               \
    _Generic((f), int (*)(const void *, kith_bytes *): yes, default: no)

/* Whether elements at p have the size that a function of numbers expects. */
#define KITH__FITS(f, p, X)                                                                         \
    _Generic((p), void *: 1, const void *: 1,                                                       \
             default: KITH__ELEMENT(p) == sizeof *KITH__CHOOSE_1(f, X, KITH__BYTES_AT(p), KITH__BYTES_AT(p)))
#define KITH__BYTES_AT(p) _Generic((p), void *: "", const void *: "", default: (p))
#define KITH__NO_FIT(call)                                                                          \
    call ": the elements of an array have another size than the function's argument or result"

#define KITH__NO_SIZE                                                                               \
    "kith_map: elements at a void * have no size: give pointers with a type, or call kith_pool_map"

#define kith_map(pool, f, in, out, n) KITH__MAP(kith__map, pool, #f, f, in, out, n)
#define kith_map_async(pool, f, in, out, n) KITH__MAP(kith__map_async, pool, #f, f, in, out, n)
#define kith_map_costs(pool, f, in, out, n, costs) KITH__MAP(kith__map_costs, pool, #f, f, in, out, n, costs)
#define KITH__MAP(call, pool, name, f, in, out, ...)                                                      \
    (KITH__ASSERT(KITH__CHOOSE(f, KITH__MANY, 1),                                                   \
                  "kith_map: this function has several arguments: use kith_starmap over rows of them"), \
     KITH__ASSERT(KITH__CHOOSE_1(f, KITH__YES, 1, KITH__IF_VARIABLE(f, 1, 0)),                      \
                  "kith_map takes T f(T) of int, long, float, double ... (man kith_map has the list), or, for " \
                  "structs and all else, int f(const void *in, void *out)"),                        \
     KITH__ASSERT(KITH__TYPED(f, in), KITH__NO_SIZE), KITH__ASSERT(KITH__TYPED(f, out), KITH__NO_SIZE), \
     KITH__ASSERT(KITH__FITS(f, in, KITH__I_1), KITH__NO_FIT("kith_map")),                          \
     KITH__ASSERT(KITH__FITS(f, out, KITH__O_1), KITH__NO_FIT("kith_map")),                         \
     call(pool, name, (kith__fn *)(f), KITH__CHOOSE_1(f, KITH__S_1, KITH__SHAPE_BYTES,              \
                                                      KITH__IF_VARIABLE(f, KITH__SHAPE_VARIABLE, 0)), \
               1 ? (in) : KITH__CHOOSE_1(f, KITH__I_1, (const void *)0, (const void *)0), KITH__ELEMENT(in), \
               1 ? (out) : KITH__CHOOSE_1(f, KITH__O_1, (void *)0, KITH__IF_VARIABLE(f, (kith_bytes *)0, (void *)0)), \
               KITH__ELEMENT(out), __VA_ARGS__))
#define kith_starmap(pool, f, rows, out, n) KITH__ROWS_MAP(kith__starmap, pool, #f, f, rows, out, n)
#define kith_starmap_async(pool, f, rows, out, n) KITH__ROWS_MAP(kith__starmap_async, pool, #f, f, rows, out, n)
#define KITH__ROWS_MAP(call, pool, name, f, rows, out, n)                                                  \
    (KITH__ASSERT(KITH__CHOOSE(f, KITH__YES, 0),                                                    \
                  "kith_starmap takes functions of one to three numbers of one type (man kith_map has the list); " \
                  "for all else use kith_map with int f(const void *in, void *out) over structs"),  \
     call(pool, name, (kith__fn *)(f), KITH__CHOOSE(f, KITH__S, 0), sizeof *(rows) / sizeof **(rows), \
                   1 ? &(rows)[0][0] : KITH__CHOOSE(f, KITH__I, (const void *)0),                   \
                   1 ? (out) : KITH__CHOOSE(f, KITH__O, (void *)0), n))

#define KITH__IMAP(pool, name, f, in, next, arg, n, unordered)                                      \
    (KITH__ASSERT(KITH__CHOOSE(f, KITH__MANY, 0),                                                   \
                  "kith_imap takes T f(T) of int, long, float, double ... (man kith_map has the list); for structs " \
                  "and all else call kith_pool_imap with int f(const void *in, void *out)"),        \
     KITH__ASSERT(KITH__FITS(f, in, KITH__I_1), KITH__NO_FIT("kith_imap")),                         \
     kith__imap(pool, name, (kith__fn *)(f), KITH__CHOOSE_1(f, KITH__S_1, 0, 0),                    \
                1 ? (in) : KITH__CHOOSE_1(f, KITH__I_1, (const void *)0, (const void *)0), next, arg, 0, 0, n, unordered))
#define kith_imap(pool, f, in, n) KITH__IMAP(pool, #f, f, in, 0, 0, n, 0)
#define kith_imap_unordered(pool, f, in, n) KITH__IMAP(pool, #f, f, in, 0, 0, n, 1)
#define kith_imap_from(pool, f, next, arg) KITH__IMAP(pool, #f, f, (const void *)0, next, arg, 1, 0)
#define kith_imap_unordered_from(pool, f, next, arg) KITH__IMAP(pool, #f, f, (const void *)0, next, arg, 1, 1)

/* Functions of handles, strings and numbers. The parameters of f must be as the arguments
 * are: a handle, a const char * for a string, and for numbers one type T, which the
 * compiler finds by trying all. */
#define KITH__HANDLE_ROWS(X)                                                                        \
    X(kith_process), X(kith_queue), X(kith_pipe), X(kith_sem), X(kith_value), X(kith_lock), X(kith_rlock), \
    X(kith_array), X(kith_event), X(kith_dict), X(kith_list), X(kith_ns), X(kith_cond), X(kith_barrier), \
    X(kith_shared), X(kith_pool)
#define KITH__HANDLE_ITSELF(H) H: (H){ 0 }
#define KITH__HANDLE_LETTER(H) H: 'h'
struct kith__number;  /* stands for T */
struct kith__nothing; /* for what no function may take */
#define KITH__STANDS(letter, T) T: (struct kith__number *)0
#define KITH__STANDS_INT (struct kith__number *)0
#define KITH__PARAMETER(x)                                                                          \
    __typeof__(_Generic((x), KITH__HANDLE_ROWS(KITH__HANDLE_ITSELF), char *: (const char *)0,       \
                        const char *: (const char *)0, void *: (const char *)0,                     \
                        unsigned long long: KITH__STANDS_INT, long double: KITH__STANDS_INT,        \
                        default: KITH__BY(x, KITH__STANDS, (struct kith__nothing *)0)))
#define KITH__OR(P, T) __typeof__(_Generic((P *)0, struct kith__number **: (T)0, default: *(P *)0))
#define KITH__TAKES_1(T) KITH__OR(kith__a, T)
#define KITH__TAKES_2(T) KITH__OR(kith__a, T), KITH__OR(kith__b, T)
#define KITH__TAKES_3(T) KITH__TAKES_2(T), KITH__OR(kith__c, T)
#define KITH__TAKES_4(T) KITH__TAKES_3(T), KITH__OR(kith__d, T)
#define KITH__TYPES_1(a) typedef KITH__PARAMETER(a) kith__a;
#define KITH__TYPES_2(a, b) KITH__TYPES_1(a) typedef KITH__PARAMETER(b) kith__b;
#define KITH__TYPES_3(a, b, c) KITH__TYPES_2(a, b) typedef KITH__PARAMETER(c) kith__c;
#define KITH__TYPES_4(a, b, c, d) KITH__TYPES_3(a, b, c) typedef KITH__PARAMETER(d) kith__d;
#define KITH__NUMBERS_1 _Generic((kith__a *)0, struct kith__number **: 1, default: 0)
#define KITH__NUMBERS_2 KITH__NUMBERS_1 * _Generic((kith__b *)0, struct kith__number **: 1, default: 0)
#define KITH__NUMBERS_3 KITH__NUMBERS_2 * _Generic((kith__c *)0, struct kith__number **: 1, default: 0)
#define KITH__NUMBERS_4 KITH__NUMBERS_3 * _Generic((kith__d *)0, struct kith__number **: 1, default: 0)
/* Its shape, or others. RETURNS has the rows of a _Generic for what it may return. */
#define KITH__SHAPE_OF(fn, n, RETURNS, others)                                                      \
    _Generic((fn), RETURNS(i, n, KITH__TAKES_##n(int)), default:                                    \
    _Generic((fn), RETURNS(l, n, KITH__TAKES_##n(long)), default:                                   \
    _Generic((fn), RETURNS(d, n, KITH__TAKES_##n(double)), default:                                 \
    _Generic((fn), RETURNS(L, n, KITH__TAKES_##n(unsigned long)), default:                          \
    _Generic((fn), RETURNS(I, n, KITH__TAKES_##n(unsigned)), default:                               \
    _Generic((fn), RETURNS(q, n, KITH__TAKES_##n(long long)), default:                              \
    _Generic((fn), RETURNS(f, n, KITH__TAKES_##n(float)), default: others)))))))
#define KITH__ARGUMENT(x)                                                                           \
    { _Generic((x), KITH__HANDLE_ROWS(KITH__HANDLE_LETTER), KITH__NUMBER_ROWS(KITH__LETTER), char *: 's', \
               const char *: 's', void *: 's', char: 'i', signed char: 'i', unsigned char: 'i', short: 'i', \
               unsigned short: 'i', _Bool: 'i', unsigned long long: 'L', long double: 'd', default: 0), \
      (__typeof__(_Generic((x), char: 0, signed char: 0, unsigned char: 0, short: 0, unsigned short: 0, _Bool: 0, \
                           long double: 0.0, default: ((void)0, (x))))[]){ (x) } }
#define KITH__ARGUMENTS_1(a) KITH__ARGUMENT(a)
#define KITH__ARGUMENTS_2(a, b) KITH__ARGUMENT(a), KITH__ARGUMENT(b)
#define KITH__ARGUMENTS_3(a, b, c) KITH__ARGUMENTS_2(a, b), KITH__ARGUMENT(c)
#define KITH__ARGUMENTS_4(a, b, c, d) KITH__ARGUMENTS_3(a, b, c), KITH__ARGUMENT(d)
#define KITH__PICK(f, a, b, c, d, e, g, h, i, x, ...) x

#define KITH__A(r, a, R, A)                                                                         \
    R (*)(A): kith__apply_##r##a##1, R (*)(A, A): kith__apply_##r##a##2, R (*)(A, A, A): kith__apply_##r##a##3
/* Never called: it takes the place of a wrong function. */
int kith__apply_nothing(kith_pool p, ...);
#define KITH__GIVES(a, n, ...) kith__r (*)(__VA_ARGS__): KITH__SHAPE_CODE(v, a, n)
#define KITH__APPLY_N(pool, name, f, y, n, ...)                                                     \
    __extension__({ typedef __typeof__(*(y)) kith__r; KITH__TYPES_##n(__VA_ARGS__)                  \
                    enum { kith__shape = KITH__SHAPE_OF(f, n, KITH__GIVES, 0) };                    \
                    _Static_assert(KITH__CHOOSE_ANY(f, KITH__YES, 1, 0) || kith__shape != 0, KITH__NO_APPLY); \
                    kith__apply_mix(pool, name, (kith__fn *)(f), \
                                    (kith__shape & 0xffff) | KITH__LETTER_OF(*(y)) << 16, y, n, \
                                    (const struct kith__arg[]){ KITH__ARGUMENTS_##n(__VA_ARGS__) }); })
#define KITH__APPLY_1(pool, name, f, y, a, more) KITH__APPLY_N(pool, name, f, y, 1, a)
#define KITH__APPLY_2(pool, name, f, y, a, b, more) KITH__APPLY_N(pool, name, f, y, 2, a, b)
#define KITH__APPLY_3(pool, name, f, y, a, b, c, more) KITH__APPLY_N(pool, name, f, y, 3, a, b, c)
#define KITH__APPLY_4(pool, name, f, y, a, b, c, d, more) KITH__APPLY_N(pool, name, f, y, 4, a, b, c, d)
#define KITH__APPLY_MANY(pool, name, f, y, ...)                                                     \
    __extension__({ _Static_assert(KITH__CHOOSE_ANY(f, KITH__YES, 1, 0), KITH__NO_APPLY); 0; })
#define KITH__NO_APPLY                                                                              \
    "kith_apply takes functions of one to three numbers of one type (man kith_map has the list), of up to four " \
    "handles, strings (const char *) and numbers of one type that return the type of the result, or, for structs and all else, " \
    "int f(const void *in, void *out) with KITH_ARG(x)"
#define kith_apply(pool, f, y, ...)                                                                 \
    (KITH__CHOOSE_ANY(f, KITH__YES, 1, 0)                                                           \
         ? KITH__CHOOSE_ANY(f, KITH__A, kith__apply_bytes, kith__apply_nothing)(pool, #f, f, KITH__ELEMENT(y), y, \
                                                                                __VA_ARGS__)        \
         : KITH__PICK(0, __VA_ARGS__, KITH__APPLY_MANY, KITH__APPLY_MANY, KITH__APPLY_MANY, KITH__APPLY_MANY, \
                      KITH__APPLY_4, KITH__APPLY_3, KITH__APPLY_2, KITH__APPLY_1, 0)(pool, #f, f, y, __VA_ARGS__, 0))

#define KITH__STARTS(a, n, ...) int (*)(__VA_ARGS__): KITH__SHAPE_CODE(i, a, n), void (*)(__VA_ARGS__): KITH__SHAPE_CODE(v, a, n)
#define KITH__START(f, n, shape, ...)                                                               \
    enum { kith__shape = shape };                                                                   \
    _Static_assert(kith__shape != 0,                                                                \
                   "kith_start takes functions of up to four handles, strings (const char *) and numbers of one type, " \
                   "that return int or void, and such arguments; for all else there is kith_process_start with a struct"); \
    kith__start((kith__fn *)(f), kith__shape, n, (const struct kith__arg[]){ __VA_ARGS__ });
#define KITH__START_N(f, n, ...)                                                                    \
    __extension__({ KITH__TYPES_##n(__VA_ARGS__)                                                    \
                    KITH__START(f, n, KITH__SHAPE_OF(f, n, KITH__STARTS, KITH__NUMBERS_##n * _Generic((f), KITH__ROWS(KITH__S_##n), default: 0)), \
                                KITH__ARGUMENTS_##n(__VA_ARGS__)) })
#define KITH__START_0(f, more)                                                                      \
    __extension__({ KITH__START(f, 0, _Generic((f), int (*)(void): KITH__SHAPE_CODE(i, v, 0),       \
                                               void (*)(void): KITH__SHAPE_CODE(v, v, 0), default: 0), { 0, 0 }) })
#define KITH__START_1(f, a, more) KITH__START_N(f, 1, a)
#define KITH__START_2(f, a, b, more) KITH__START_N(f, 2, a, b)
#define KITH__START_3(f, a, b, c, more) KITH__START_N(f, 3, a, b, c)
#define KITH__START_4(f, a, b, c, d, more) KITH__START_N(f, 4, a, b, c, d)
#define KITH__START_MANY(f, ...) __extension__({ KITH__START(f, 0, 0, { 0, 0 }) })
#define kith_start(...)                                                                             \
    KITH__PICK(__VA_ARGS__, KITH__START_MANY, KITH__START_MANY, KITH__START_MANY, KITH__START_MANY, \
               KITH__START_4, KITH__START_3, KITH__START_2, KITH__START_1, KITH__START_0, 0)(__VA_ARGS__, 0)

#define KITH__AA(r, a, R, A)                                                                        \
    R (*)(A): kith__apply_async_##r##a##1, R (*)(A, A): kith__apply_async_##r##a##2,                \
    R (*)(A, A, A): kith__apply_async_##r##a##3
kith_result kith__apply_async_nothing(kith_pool p, ...);
#define KITH__GIVES_LATER(a, n, ...)                                                                \
    int (*)(__VA_ARGS__): KITH__SHAPE_CODE(i, a, n), long (*)(__VA_ARGS__): KITH__SHAPE_CODE(l, a, n), \
    double (*)(__VA_ARGS__): KITH__SHAPE_CODE(d, a, n), void (*)(__VA_ARGS__): KITH__SHAPE_CODE(v, a, n)
#define KITH__APPLY_ASYNC_N(pool, name, f, n, ...)                                                  \
    __extension__({ KITH__TYPES_##n(__VA_ARGS__)                                                    \
                    enum { kith__shape = KITH__SHAPE_OF(f, n, KITH__GIVES_LATER, 0) };              \
                    _Static_assert(KITH__CHOOSE_ANY(f, KITH__YES, 1, 0) || kith__shape != 0, KITH__NO_APPLY_ASYNC); \
                    kith__apply_async_mix(pool, name, (kith__fn *)(f), kith__shape, n,              \
                                          (const struct kith__arg[]){ KITH__ARGUMENTS_##n(__VA_ARGS__) }); })
#define KITH__APPLY_ASYNC_1(pool, name, f, a, more) KITH__APPLY_ASYNC_N(pool, name, f, 1, a)
#define KITH__APPLY_ASYNC_2(pool, name, f, a, b, more) KITH__APPLY_ASYNC_N(pool, name, f, 2, a, b)
#define KITH__APPLY_ASYNC_3(pool, name, f, a, b, c, more) KITH__APPLY_ASYNC_N(pool, name, f, 3, a, b, c)
#define KITH__APPLY_ASYNC_4(pool, name, f, a, b, c, d, more) KITH__APPLY_ASYNC_N(pool, name, f, 4, a, b, c, d)
#define KITH__APPLY_ASYNC_MANY(pool, name, f, ...)                                                  \
    __extension__({ _Static_assert(KITH__CHOOSE_ANY(f, KITH__YES, 1, 0), KITH__NO_APPLY_ASYNC); (kith_result){ 0 }; })
#define KITH__NO_APPLY_ASYNC                                                                        \
    "kith_apply_async takes functions of one to three numbers of one type (man kith_map has the list), of up to four " \
    "handles, strings (const char *) and numbers of one type that return int, long, double or nothing, " \
    "or int f(const void *in, void *out) with KITH_ARG(in), sizeof(out)"
#define kith_apply_async(pool, f, ...)                                                              \
    (KITH__CHOOSE_ANY(f, KITH__YES, 1, 0)                                                           \
         ? KITH__CHOOSE_ANY(f, KITH__AA, kith__apply_async_bytes, kith__apply_async_nothing)(pool, #f, f, __VA_ARGS__) \
         : KITH__PICK(0, __VA_ARGS__, KITH__APPLY_ASYNC_MANY, KITH__APPLY_ASYNC_MANY, KITH__APPLY_ASYNC_MANY, \
                      KITH__APPLY_ASYNC_MANY, KITH__APPLY_ASYNC_4, KITH__APPLY_ASYNC_3, KITH__APPLY_ASYNC_2, \
                      KITH__APPLY_ASYNC_1, 0)(pool, #f, f, __VA_ARGS__, 0))
/* clang-format on */

#endif

#ifdef __cplusplus
}

/* C++11: kith_map, kith_starmap, kith_apply and kith_start are templates. They take the
 * same functions, also those of <cmath> with many types, and lambdas without captures
 * after a plus: kith_map(pool, +[](double x) { return x * x; }, in, out, n). The arrays
 * need their types, as there is no void * here that fits all. For kith_start a function
 * with many types has to be cast to one of them. */
extern "C++" {
template <typename T> struct kith__plain {
    typedef T type;
};
template <typename T> struct kith__plain<const T> {
    typedef T type;
};

template <typename R, typename A> struct kith__shape {
    static_assert(sizeof(R) == 0,
                  "kith_map, kith_starmap and kith_apply take T f(T ...) of int, long, float, double ... "
                  "(man kith_map has the list); for structs and all else there is "
                  "kith_map with int f(const void *in, void *out)");
};
#define KITH__SHAPE_OF(r, a, R, A)                             \
    template <> struct kith__shape<R, A> {                     \
        static constexpr int code = KITH__SHAPE_CODE(r, a, 0); \
    };
KITH__SHAPES(KITH__SHAPE_OF)
#undef KITH__SHAPE_OF

template <typename T> int kith_get(kith_queue from, T *p)
{
    return kith__queue_get(from, p, sizeof *p, KITH_FOREVER);
}

template <typename T> int kith_get(kith_result from, T *p)
{
    return kith__result_get(from, p, sizeof *p, KITH_FOREVER);
}

template <typename In, typename R>
int kith_map(kith_pool pool, R (*fn)(typename kith__plain<In>::type), In *in, R *out, size_t n)
{
    return kith__map(pool, nullptr, reinterpret_cast<kith__fn *>(fn),
                     kith__shape<R, typename kith__plain<In>::type>::code + 1, in, sizeof *in, out,
                     sizeof *out, n);
}

template <typename In, typename Out>
int kith_map(kith_pool pool, int (*fn)(const void *in, void *out), In *in, Out *out, size_t n)
{
    return kith_pool_map(pool, fn, in, sizeof *in, out, sizeof *out, n);
}

template <typename In, typename R>
int kith_map_costs(kith_pool pool, R (*fn)(typename kith__plain<In>::type), In *in, R *out, size_t n,
                   const double *costs)
{
    return kith__map_costs(pool, nullptr, reinterpret_cast<kith__fn *>(fn),
                           kith__shape<R, typename kith__plain<In>::type>::code + 1, in, sizeof *in, out,
                           sizeof *out, n, costs);
}

template <typename In, typename Out>
int kith_map_costs(kith_pool pool, int (*fn)(const void *in, void *out), In *in, Out *out, size_t n,
                   const double *costs)
{
    return kith_pool_map_costs(pool, fn, in, sizeof *in, out, sizeof *out, n, costs);
}

template <typename In> int kith_map(kith_pool pool, kith_bytes_fn *fn, In *in, kith_bytes *out, size_t n)
{
    return kith_pool_map_bytes(pool, fn, in, sizeof *in, out, n);
}

/* The rows are matched by their number of columns, so that fn must have as many
 * arguments. */
#define KITH__STARMAP(columns, ...)                                                                          \
    template <typename Row, typename R>                                                                      \
    int kith_starmap(kith_pool pool, R (*fn)(__VA_ARGS__), Row(*rows)[columns], R *out, size_t n)            \
    {                                                                                                        \
        return kith__starmap(pool, nullptr, reinterpret_cast<kith__fn *>(fn),                                \
                             kith__shape<R, typename kith__plain<Row>::type>::code + columns, columns, rows, \
                             out, n);                                                                        \
    }
KITH__STARMAP(1, typename kith__plain<Row>::type)
KITH__STARMAP(2, typename kith__plain<Row>::type, typename kith__plain<Row>::type)
KITH__STARMAP(3, typename kith__plain<Row>::type, typename kith__plain<Row>::type,
              typename kith__plain<Row>::type)
#undef KITH__STARMAP

/* Functions of handles, strings and numbers: the letter of a parameter's type, 0 if there
 * is none; and that of the numbers among them, which is to be the same for all. */
template <typename T> struct kith__letter {
    static constexpr int value = 0;
};
#define KITH__LETTER_IS(T, letter)           \
    template <> struct kith__letter<T> {     \
        static constexpr int value = letter; \
    };
#define KITH__LETTER_OF_NUMBER(letter, T) KITH__LETTER_IS(T, (#letter)[0])
#define KITH__LETTER_OF_HANDLE(H) KITH__LETTER_IS(H, 'h')
KITH__NUMBERS(KITH__LETTER_OF_NUMBER)
KITH__HANDLES(KITH__LETTER_OF_HANDLE)
KITH__LETTER_IS(const char *, 's')
KITH__LETTER_IS(void, 'v')
#undef KITH__LETTER_OF_NUMBER
#undef KITH__LETTER_OF_HANDLE
#undef KITH__LETTER_IS

constexpr int kith__common_letter(int common)
{
    return common ? common : 'i';
}
template <typename... More> constexpr int kith__common_letter(int common, int letter, More... more)
{
    return letter == 0                                          ? 0
           : letter == 'h' || letter == 's' || letter == common ? kith__common_letter(common, more...)
           : common != 0                                        ? 0
                                                                : kith__common_letter(letter, more...);
}

template <typename R, typename... A> constexpr int kith__mix_shape()
{
    return kith__letter<R>::value << 16 |
           (sizeof...(A) == 0 ? 'v' : kith__common_letter(0, kith__letter<A>::value...)) << 8 |
           static_cast<int>(sizeof...(A));
}
template <typename R, typename... A> constexpr bool kith__is_mix()
{
    return sizeof...(A) <= 4 && kith__letter<R>::value != 0 && kith__letter<R>::value != 'h' &&
           kith__letter<R>::value != 's' &&
           (sizeof...(A) == 0 || kith__common_letter(0, kith__letter<A>::value...) != 0);
}

/* One for functions of a single type, which y tells when fn has many; one for the others.
 */
template <typename R, typename A>
int kith__apply_row(kith_pool pool, kith__fn *fn, R *y, const A *row, int columns)
{
    return kith__starmap(pool, nullptr, fn, kith__shape<R, A>::code + columns, static_cast<size_t>(columns),
                         row, y, 1);
}

template <typename Out>
int kith_apply(kith_pool pool, int (*fn)(const void *in, void *out), Out *y, const void *in, size_t in_size)
{
    return kith_pool_apply(pool, fn, in, in_size, y, sizeof *y);
}

template <typename R> int kith_apply(kith_pool pool, R (*fn)(R), R *y, typename kith__plain<R>::type x0)
{
    const R row[] = { x0 };

    return kith__apply_row(pool, reinterpret_cast<kith__fn *>(fn), y, row, 1);
}

template <typename R>
int kith_apply(kith_pool pool, R (*fn)(R, R), R *y, typename kith__plain<R>::type x0,
               typename kith__plain<R>::type x1)
{
    const R row[] = { x0, x1 };

    return kith__apply_row(pool, reinterpret_cast<kith__fn *>(fn), y, row, 2);
}

template <typename R>
int kith_apply(kith_pool pool, R (*fn)(R, R, R), R *y, typename kith__plain<R>::type x0,
               typename kith__plain<R>::type x1, typename kith__plain<R>::type x2)
{
    const R row[] = { x0, x1, x2 };

    return kith__apply_row(pool, reinterpret_cast<kith__fn *>(fn), y, row, 3);
}

template <typename R, typename... A>
int kith_apply(kith_pool pool, R (*fn)(A...), R *y, typename kith__plain<A>::type... x)
{
    static_assert(kith__is_mix<R, A...>() && sizeof...(A) > 0,
                  "kith_apply takes functions of up to four handles, strings (const char *) and numbers of "
                  "one type; for "
                  "structs and all else there is int f(const void *in, void *out) with KITH_ARG(x)");
    const kith__arg args[] = { { kith__letter<A>::value, &x }... };

    return kith__apply_mix(pool, nullptr, reinterpret_cast<kith__fn *>(fn), kith__mix_shape<R, A...>(), y,
                           sizeof...(A), args);
}

/* The same for Values and Arrays, by overloading. T is a number; kith_load also takes a
 * struct, slices are also of char. */
#define KITH__VALUE_OVERLOADS(letter, T)                                           \
    inline kith_value kith_value_of(T x)                                           \
    {                                                                              \
        return kith__value_of_##letter(x);                                         \
    }                                                                              \
    inline int kith_load(kith_value v, T *y)                                       \
    {                                                                              \
        return kith_value_load(v, (#letter)[0], y, sizeof *y);                     \
    }                                                                              \
    inline int kith_store(kith_value v, T x)                                       \
    {                                                                              \
        return kith__value_store_##letter(v, x);                                   \
    }                                                                              \
    inline int kith_add(kith_value v, T x)                                         \
    {                                                                              \
        return kith__value_update_##letter(v, KITH_ADD, x, nullptr);               \
    }                                                                              \
    inline int kith_update(kith_value v, int op, T x, T *old)                      \
    {                                                                              \
        return kith__value_update_##letter(v, op, x, old);                         \
    }                                                                              \
    inline int kith_compare_exchange(kith_value v, T *expected, T x)               \
    {                                                                              \
        return kith__value_compare_##letter(v, expected, x);                       \
    }                                                                              \
    inline int kith_load_slice(kith_array a, size_t at, T *y, size_t n)            \
    {                                                                              \
        return kith_array_load(a, (#letter)[0], at, y, n);                         \
    }                                                                              \
    inline int kith_store_slice(kith_array a, size_t at, const T *x, size_t n)     \
    {                                                                              \
        return kith_array_store(a, (#letter)[0], at, x, n);                        \
    }                                                                              \
    inline int kith_load_at(kith_array a, size_t at, T *y)                         \
    {                                                                              \
        return kith_array_load(a, (#letter)[0], at, y, 1);                         \
    }                                                                              \
    inline int kith_store_at(kith_array a, size_t at, T x)                         \
    {                                                                              \
        return kith__array_store_##letter(a, at, x);                               \
    }                                                                              \
    inline int kith_add_at(kith_array a, size_t at, T x)                           \
    {                                                                              \
        return kith__array_update_##letter(a, at, KITH_ADD, x, nullptr);           \
    }                                                                              \
    inline int kith_update_at(kith_array a, size_t at, int op, T x, T *old)        \
    {                                                                              \
        return kith__array_update_##letter(a, at, op, x, old);                     \
    }                                                                              \
    inline int kith_compare_exchange_at(kith_array a, size_t at, T *expected, T x) \
    {                                                                              \
        return kith__array_compare_##letter(a, at, expected, x);                   \
    }                                                                              \
    template <size_t n> kith_array kith_array_of(const T(&x)[n])                   \
    {                                                                              \
        return kith__array_of((#letter)[0], x, n);                                 \
    }
KITH__NUMBERS(KITH__VALUE_OVERLOADS)
#undef KITH__VALUE_OVERLOADS

template <typename T> int kith_load(kith_value v, T *y)
{
    return kith_value_load(v, 'b', y, sizeof *y);
}
template <typename T> int kith_load_at(kith_array a, size_t at, T *y)
{
    return kith__array_load(a, 'b', at, y, sizeof *y, 1);
}
template <typename T> int kith_load_slice(kith_array a, size_t at, T *y, size_t n)
{
    return kith__array_load(a, 'b', at, y, sizeof *y, n);
}
template <typename T> int kith_store_slice(kith_array a, size_t at, const T *x, size_t n)
{
    return kith__array_store(a, 'b', at, x, sizeof *x, n);
}

inline kith_waitable kith_on(kith_queue q)
{
    return kith_waitable{ q.id, 'q', 0 };
}

inline kith_waitable kith_on(kith_process p)
{
    return kith_waitable{ p.id, 'p', 0 };
}

inline kith_waitable kith_on(kith_pipe p)
{
    return kith_waitable{ p.id, 'c', 0 };
}

inline kith_waitable kith_on(kith_lock l)
{
    return kith_waitable{ l.id, 'l', 0 };
}

inline kith_waitable kith_on(kith_rlock l)
{
    return kith_waitable{ l.id, 'r', 0 };
}

inline kith_waitable kith_on(kith_event e)
{
    return kith_waitable{ e.id, 'e', 0 };
}

inline kith_waitable kith_on(kith_result r)
{
    return kith_waitable{ r.id, 't', 0 };
}

inline kith_waitable kith_on(kith_sem s)
{
    return kith_waitable{ s.id, 's', 0 };
}

inline kith_waitable kith_on_fd(int fd)
{
    return kith_waitable{ static_cast<uint64_t>(fd), 'f', 0 };
}

template <typename R, typename... A>
kith_process kith_start(R (*fn)(A...), typename kith__plain<A>::type... x)
{
    static_assert(kith__is_mix<R, A...>(),
                  "kith_start takes functions of up to four handles, strings (const char *) and numbers of "
                  "one type; for all else there is kith_process_start with a struct");
    const kith__arg args[] = { { kith__letter<A>::value, &x }..., { 0, nullptr } };

    return kith__start(reinterpret_cast<kith__fn *>(fn), kith__mix_shape<R, A...>(), sizeof...(A), args);
}

template <typename In, typename R>
kith_result kith_map_async(kith_pool pool, R (*fn)(typename kith__plain<In>::type), In *in, R *out, size_t n)
{
    return kith__map_async(pool, nullptr, reinterpret_cast<kith__fn *>(fn),
                           kith__shape<R, typename kith__plain<In>::type>::code + 1, in, sizeof *in, out,
                           sizeof *out, n);
}

template <typename In, typename Out>
kith_result kith_map_async(kith_pool pool, int (*fn)(const void *in, void *out), In *in, Out *out, size_t n)
{
    return kith_pool_map_async(pool, fn, in, sizeof *in, out, sizeof *out, n);
}

template <typename In>
kith_result kith_map_async(kith_pool pool, kith_bytes_fn *fn, In *in, kith_bytes *out, size_t n)
{
    return kith_pool_map_bytes_async(pool, fn, in, sizeof *in, out, n);
}

#define KITH__STARMAP_ASYNC(columns, ...)                                                                    \
    template <typename Row, typename R>                                                                      \
    kith_result kith_starmap_async(kith_pool pool, R (*fn)(__VA_ARGS__), Row(*rows)[columns], R *out,        \
                                   size_t n)                                                                 \
    {                                                                                                        \
        return kith__starmap_async(pool, nullptr, reinterpret_cast<kith__fn *>(fn),                          \
                                   kith__shape<R, typename kith__plain<Row>::type>::code + columns, columns, \
                                   rows, out, n);                                                            \
    }
KITH__STARMAP_ASYNC(1, typename kith__plain<Row>::type)
KITH__STARMAP_ASYNC(2, typename kith__plain<Row>::type, typename kith__plain<Row>::type)
KITH__STARMAP_ASYNC(3, typename kith__plain<Row>::type, typename kith__plain<Row>::type,
                    typename kith__plain<Row>::type)
#undef KITH__STARMAP_ASYNC

inline kith_result kith_apply_async(kith_pool pool, int (*fn)(const void *in, void *out), const void *in,
                                    size_t in_size, size_t out_size)
{
    return kith_pool_apply_async(pool, fn, in, in_size, out_size);
}

template <typename R, typename... A>
kith_result kith_apply_async(kith_pool pool, R (*fn)(A...), typename kith__plain<A>::type... x)
{
    static_assert(
        kith__is_mix<R, A...>() && sizeof...(A) > 0,
        "kith_apply_async takes functions of up to four handles, strings (const char *) and numbers of one "
        "type; for structs and all else there is int f(const void *in, void *out) with KITH_ARG(in), "
        "sizeof(out)");
    const kith__arg args[] = { { kith__letter<A>::value, &x }... };

    return kith__apply_async_mix(pool, nullptr, reinterpret_cast<kith__fn *>(fn), kith__mix_shape<R, A...>(),
                                 sizeof...(A), args);
}

template <typename In, typename R>
kith_iter kith_imap(kith_pool pool, R (*fn)(typename kith__plain<In>::type), In *in, size_t n)
{
    return kith__imap(pool, nullptr, reinterpret_cast<kith__fn *>(fn),
                      kith__shape<R, typename kith__plain<In>::type>::code + 1, in, nullptr, nullptr, 0, 0, n,
                      0);
}

template <typename In, typename R>
kith_iter kith_imap_unordered(kith_pool pool, R (*fn)(typename kith__plain<In>::type), In *in, size_t n)
{
    return kith__imap(pool, nullptr, reinterpret_cast<kith__fn *>(fn),
                      kith__shape<R, typename kith__plain<In>::type>::code + 1, in, nullptr, nullptr, 0, 0, n,
                      1);
}

template <typename R, typename A>
kith_iter kith_imap_from(kith_pool pool, R (*fn)(A), kith_source_fn *next, void *arg)
{
    return kith__imap(pool, nullptr, reinterpret_cast<kith__fn *>(fn), kith__shape<R, A>::code + 1, nullptr,
                      next, arg, 0, 0, 1, 0);
}

template <typename R, typename A>
kith_iter kith_imap_unordered_from(kith_pool pool, R (*fn)(A), kith_source_fn *next, void *arg)
{
    return kith__imap(pool, nullptr, reinterpret_cast<kith__fn *>(fn), kith__shape<R, A>::code + 1, nullptr,
                      next, arg, 0, 0, 1, 1);
}

/* And for Dicts, Lists and Namespaces. */
#define KITH__ANY_OVERLOADS(letter, T)    \
    inline kith__any kith__any_of(T x)    \
    {                                     \
        return kith__any_##letter(x);     \
    }                                     \
    inline int kith__letter_of(const T *) \
    {                                     \
        return (#letter)[0];              \
    }
KITH__NUMBERS(KITH__ANY_OVERLOADS)
#undef KITH__ANY_OVERLOADS
inline kith__any kith__any_of(const char *x)
{
    return kith__any_s(x);
}
inline int kith__letter_of(const void *)
{
    return 'b';
}

#define KITH__CONTAINER_OVERLOADS(noun)                                                                     \
    template <typename K, typename T> int kith_set(kith_##noun c, K key, T x)                               \
    {                                                                                                       \
        return kith__##noun##_set(c, kith__any_key(kith__any_of(key)), kith__any_of(x));                    \
    }                                                                                                       \
    template <typename K, typename T> int kith_fetch(kith_##noun c, K key, T *y)                            \
    {                                                                                                       \
        return kith__##noun##_fetch(c, kith__any_key(kith__any_of(key)), kith__letter_of(y), y, sizeof *y); \
    }                                                                                                       \
    template <typename K, typename T> int kith_inc(kith_##noun c, K key, T x)                               \
    {                                                                                                       \
        return kith__##noun##_inc(c, kith__any_key(kith__any_of(key)), kith__any_of(x));                    \
    }
KITH__CONTAINERS(KITH__CONTAINER_OVERLOADS)
#undef KITH__CONTAINER_OVERLOADS
template <typename T> int kith_append(kith_list l, T x)
{
    return kith__list_append(l, kith__any_of(x));
}
template <typename T> int kith_extend(kith_list l, const T *x, size_t n)
{
    return kith__list_extend(l, kith__letter_of(x), x, sizeof *x, n);
}
}
#endif
#endif
