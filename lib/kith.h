/* kith.h: Python's multiprocessing for C, from one machine to a cluster.
 *
 * A program calls kith_init first and kith_finalize last. In between it starts
 * Processes, opens Pools and shares Queues, on the cores of one machine when it
 * is started by hand, and on those of many when it is started by mpirun or srun:
 *
 *     static double to_celsius(double f) { return (f - 32.0) * 5.0 / 9.0; }
 *
 *     int main(int argc, char **argv)
 *     {
 *         double f[50] = { 451.0 }, c[50];
 *
 *         kith_init(&argc, &argv);              // workers never come back from here
 *         kith_pool pool = kith_pool_open(0);   // one worker for each CPU
 *         kith_map(pool, to_celsius, f, c, 50);
 *         kith_pool_close(pool);
 *         return kith_finalize();
 *     }
 *
 * Every object is a small value, a handle: it can be copied, stored in a struct
 * and sent inside any message, and it means the same object in every process of
 * the job. The zero handle is no object; using it is an error, never a crash.
 *
 * Functions return 0 or a count, or one of the negative codes below. All may be
 * called from any thread, if nothing else is said, after kith_init, in the head,
 * in tasks and in Processes; none in a signal handler, nor in a process that the
 * program has forked itself. Memory that is passed in is borrowed until the call
 * returns. man 7 kith has the limits.
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

/* ------------------------------------------------------------------ errors
 *
 * Conditions are normal life: a time limit passed, a queue has ended. Faults are
 * mistakes and losses: a bad argument, a task that failed. A fault in the head
 * (the process that runs main) calls the fault handler, which prints one sentence
 * to stderr and ends the job with status 1, unless kith_on_fault says otherwise.
 * In workers and Processes a fault is a code like any other.
 *
 * Not repeated below is what any function may return: KITH_ENOTINIT; with a handle
 * KITH_ESTALE, KITH_ETYPE, or what its constructor failed with; for an object of
 * another node KITH_EPEER, and KITH_ENOMEM when a thread's first call finds no memory. */

/* A timeout_ms without end; 0 does not wait; other negative ones are KITH_EINVAL. */
#define KITH_FOREVER (-1)

enum kith_code {
    KITH_ETIMEDOUT = -1,  /* the time limit passed */
    KITH_ETOOBIG = -2,    /* the item does not fit; it is still there */
    KITH_EEND = -3,       /* there is no more */
    KITH_EOWNERDEAD = -4, /* the former owner died; you have the object now */
    KITH_EBROKEN = -5,    /* a party of it died */
    KITH_ECANCELLED = -6, /* cancelled before it was done */
    KITH_ERUNNING = -7,   /* it has not ended yet */

    KITH_EINVAL = -32,   /* an argument is wrong */
    KITH_ENOMEM = -33,   /* memory, or another resource of the machine, is used up */
    KITH_ESTALE = -34,   /* the object was closed, or never was one */
    KITH_ETASK = -35,    /* a task failed: see kith_last_fault */
    KITH_EPEER = -36,    /* another process or node of the job that is needed here is gone */
    KITH_ETYPE = -37,    /* the object has another type or kind */
    KITH_ESIZE = -38,    /* a size differs from what is there; nothing was changed */
    KITH_ENOTINIT = -39, /* kith_init was not called, or kith_finalize was already */
    KITH_EFUNC = -40,    /* the function cannot be found in the other process */
    KITH_EOWNER = -41    /* only the owner may do that */
};

/* A fixed text for code, never NULL; of 0: "success". Needs no kith_init. */
KITH_API const char *kith_strerror(int code);

/* The sentence of this thread's last failed call: what was tried, and why it
 * failed. Never NULL; valid until the thread's next failing call. */
KITH_API const char *kith_last_error(void);

/* What happens on a fault in the head. fn gets the code and the sentence, and
 * may end the program or return, then the failing call returns its code. NULL:
 * codes only. Without a call of this: print "kith: sentence", end with status 1;
 * and a Process that crashed or was killed is reported in one sentence, with its host, and so
 * is the first task that failed of a call that goes on for 0.1 s after it, then once a second how many have.
 */
KITH_API void kith_on_fault(void (*fn)(int code, const char *sentence));

/* 0 when the object behind handle h was made, else the code its constructor
 * failed with; KITH_ESTALE for the zero handle. It asks the handle only: an
 * object that was closed since still gives 0. */
#define kith_check(h) kith__check((h).id)
KITH_API int kith__check(uint64_t id);

/* ------------------------------------------------------- the job, from init to end */

/* Makes this program a kith job. Call it early in main, once, from the first
 * thread: what was set before is what the workers see; check arguments and print
 * after it. Under mpirun or srun, rank 0 comes back and runs main, and all other
 * ranks serve it: they leave the program inside this call. argc and argv may be
 * NULL; they are passed on to MPI_Init when there is one.
 * Start threads after it: workers do not have those from before, and a mutex that one
 * of them holds now stays locked there. Files that are open now are open in tasks;
 * pipes and sockets are not, so that closing them in main ends them.
 * Returns 0; KITH_EINVAL (called twice, in a task, in a parallel region of OpenMP, or a bad
 * KITH_ variable), KITH_ENOMEM,
 * KITH_EPEER (the launcher is not usable from here; the sentence says why). */
KITH_API int kith_init(int *argc, char ***argv);

/* The same for a program in which every rank runs main ("SPMD"): MPI is up when
 * it returns, and the program may call it. Started without a launcher it starts
 * itself again under mpirun on all usable CPUs. Codes as kith_init, and
 * KITH_EPEER when it was started again but is alone still: two MPIs are mixed. */
KITH_API int kith_init_ranks(int *argc, char ***argv);

/* Ends the job: waits for Processes that are not daemons, ends the others, pools
 * and nodes, and leaves nothing behind. Meant for "return" in main: returns 0, or
 * 1 when the fault handler was called, or when what the program, a task or a Process has
 * printed to stdout cannot be written (a full disk). When nobody reads stdout any more
 * (| head), SIGPIPE ends the job, whether the head or a task prints. Also 1 when a signal has ended a
 * Process and nobody has asked for its exit code; signals of kith_process_terminate and kith_process_kill do
 * not count. Called by exit when the program did not.
 * In a task or Process it does nothing, and returns 1. */
KITH_API int kith_finalize(void);

KITH_API int kith_rank(void);  /* this process's rank in the job, 0 without a launcher; of workers: of their
                                  node's first rank.  Before kith_init these six are 0, 1, 0, 1, the host's
                                  name  and -1 */
KITH_API int kith_size(void);  /* number of ranks, 1 without a launcher */
KITH_API int kith_node(void);  /* number of this node, from 0 */
KITH_API int kith_nodes(void); /* number of nodes */
KITH_API const char *kith_host(void); /* host name of this node */
KITH_API int kith_worker(void); /* index of this worker in its pool, from 0; -1 in all other processes. With
                                   KITH_SERIAL=1: 0 in tasks */
KITH_API int kith_cpu_count(void);   /* CPUs of this machine. Needs no kith_init */
KITH_API int kith_usable_cpus(void); /* of these, how many this job may use here: the least of affinity,
                                        cgroup quota and Slurm's allocation, at least 1. Needs no kith_init */
KITH_API double kith_time(
    void); /* seconds on a clock that never steps back, of this node. Needs no kith_init */

/* ----------------------------------------------------------- random numbers
 *
 * Counter-based (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC11). In a task of a pool they depend on three things alone: the seed, which call of
 * this process gave the task (its first, its second …), and the index of the task. So a result does not
 * depend on the number of workers. Every Process, and the head, draws a sequence of its own; so does each
 * thread. libc's rand and random are reseeded in each worker and Process. */

KITH_API uint64_t kith_random(void);                /* 64 random bits */
KITH_API double kith_uniform(double lo, double hi); /* uniform in [lo, hi) */
/* Before kith_init, later KITH_EINVAL; the variable KITH_SEED comes first; default: new each run. */
KITH_API int kith_seed(uint64_t seed);

/* ---------------------------------------------------------------- handles */

typedef struct {
    uint64_t id;
} kith_process;
typedef struct {
    uint64_t id;
} kith_queue;
typedef struct {
    uint64_t id;
} kith_sem;
typedef struct {
    uint64_t id;
} kith_pool;

#define KITH_ARG(x) &(x), sizeof(x) /* the bytes of a variable, struct or array */

/* Options are named in the call: kith_pool_open_with(4, .limit_ms = 500). In C++, where that came with C++20
 * only, a struct that was filled before will do: kith_pool_open_with(4, options). */
#ifdef __cplusplus
#define KITH__OPTIONS(type, ...) &static_cast<const type &>(type{ __VA_ARGS__ })
#else
#define KITH__OPTIONS(type, ...) \
    &(struct type)               \
    {                            \
        __VA_ARGS__              \
    }
#endif

/* ---------------------------------------------------------------- Process
 *
 * A target is any function of the program, static or not, or of a library that
 * it is linked with. It gets a copy of the bytes; a pointer inside them means
 * nothing there. Globals are as they were at kith_init.
 *
 * What a Process has started by itself (system, popen, fork) and leaves running is
 * ended with it when a signal ends it; when it returns or calls exit, its leftovers
 * run on, at most until the job ends. The same holds for a worker that is killed, or
 * exits in a task, and for one that is closed or replaced. */

typedef int kith_target(const void *arg); /* its return value is the exit code; beyond 0..255 its low byte, or
                                             1 where that is 0 */

/* In a target or initializer: the size of arg in bytes. */
KITH_API size_t kith_arg_size(void);

enum { KITH_ANYWHERE = 0, KITH_HERE = -1 }; /* .node below; node k is k + 1, see KITH_NODE */
#define KITH_NODE(k) ((k) + 1)

struct kith_process_options {
    const char *name; /* copied, up to 63 bytes; default: the function's name and a number */
    int daemon;       /* 1: ended, not waited for, when the job ends */
    int node;         /* KITH_ANYWHERE: here while a CPU is free, then elsewhere; KITH_HERE; KITH_NODE(k) */
};

/* Starts fn(arg) in a process of its own, with a copy of the bytes. Does not wait for
 * it to run. The handle holds KITH_EFUNC (fn is no function of the program or of a
 * library), KITH_EINVAL, KITH_ENOMEM or KITH_EPEER on failure. A function of a library
 * that was loaded after kith_init is not there: the Process says so, exit code 1.
 * Close it when it is not needed; the job's end closes all. */
KITH_API kith_process kith_process_start(kith_target *fn, const void *arg, size_t size);
KITH_API kith_process kith__process_start(kith_target *fn, const void *arg, size_t size,
                                          const struct kith_process_options *options, size_t options_size);
/* kith_process_start_with(fn, KITH_ARG(x), .name = "loader", .daemon = 1) */
#define kith_process_start_with(fn, ...) KITH__START_WITH(fn, __VA_ARGS__)
#define KITH__START_WITH(fn, arg, size, ...)                                             \
    kith__process_start(fn, arg, size, KITH__OPTIONS(kith_process_options, __VA_ARGS__), \
                        sizeof(struct kith_process_options))

/* 0: it has ended; KITH_ETIMEDOUT; KITH_ENOMEM: for two seconds the system would not start it (ulimit -u);
 * KITH_ESTALE; KITH_EPEER; KITH_EINVAL: it is the caller itself. */
KITH_API int kith_process_join(kith_process p, int timeout_ms);
/* *code: 0..255, or -signal, or 127 when it could not be started; KITH_ERUNNING; KITH_ESTALE;
 * KITH_EPEER. When a signal has ended a Process and nobody asks, kith_finalize returns 1. */
KITH_API int kith_process_exitcode(kith_process p, int *code);
KITH_API int kith_process_alive(kith_process p); /* 1, 0; KITH_ESTALE; KITH_EPEER */
KITH_API int kith_process_pid(kith_process p);   /* on its node; waits until it has one, 0: it was never
                                                    started; KITH_ESTALE; KITH_EPEER */
KITH_API int kith_process_terminate(
    kith_process p); /* SIGTERM; 0 also when it has ended; KITH_ESTALE; KITH_EPEER */
KITH_API int kith_process_kill(kith_process p); /* SIGKILL; likewise */
KITH_API int kith_process_close(
    kith_process p); /* lets go of the handle, for all; a running Process runs on; KITH_ESTALE */

/* ------------------------------------------------------------------ Queue
 *
 * First in, first out for each putter; any number of putters and takers, on any
 * node. An item is bytes with a size, from 0 bytes to 1 GiB and more. It is in
 * shared memory when put returns: a putter may end at once and nothing is lost.
 * Over the network, an item that was on its way to a taker when that one died goes
 * back to the front: another taker may have younger ones already. */

/* bound: how many items it holds before putters wait; 0: no limit but memory.
 * The handle holds KITH_ENOMEM or KITH_EINVAL on failure. */
KITH_API kith_queue kith_queue_open(size_t bound);

/* The queue of that name (1 to 63 bytes) in this job, opened by who comes first, on
 * node 0. The same bound everywhere, else KITH_EINVAL. KITH_ENOMEM or KITH_EPEER as well. */
KITH_API kith_queue kith_queue_named(const char *name, size_t bound);

/* Puts a copy of the item. Waits up to timeout_ms while the queue is full.
 * Returns 0; KITH_ETIMEDOUT; KITH_ENOMEM; KITH_ESTALE (closed, also while waiting);
 * KITH_EPEER (its home is lost); KITH_EINVAL. To another node it may return first:
 * that items found no memory there (KITH_ENOMEM), or may not have reached it
 * (KITH_EPEER), is then what the thread's next call on an object returns, and what
 * a Process that makes none says as it ends, with exit code 1. */
KITH_API int kith_queue_put(kith_queue q, const void *item, size_t size, int timeout_ms);

/* Takes the oldest item into buf, which has room bytes. Waits up to timeout_ms.
 * Returns its size; KITH_ETOOBIG (it stays; kith_queue_next tells its size);
 * KITH_ETIMEDOUT; KITH_ESTALE; KITH_EPEER; KITH_EINVAL. */
KITH_API int64_t kith_queue_get(kith_queue q, void *buf, size_t room, int timeout_ms);

/* The size of the oldest item, which stays. Waits and fails as kith_queue_get. */
KITH_API int64_t kith_queue_next(kith_queue q, int timeout_ms);

/* kith_put(q, x) puts the bytes of x; kith_get(q, &y) takes an item of exactly
 * the size of y (else KITH_ESIZE, and it stays). Both wait for ever. */
#define kith_put(q, x) kith_queue_put(q, &(x), sizeof(x), KITH_FOREVER)
#define kith_get(q, p) kith__queue_get(q, p, sizeof *(p), KITH_FOREVER)
KITH_API int kith__queue_get(kith_queue q, void *buf, size_t size, int timeout_ms);

KITH_API int64_t kith_queue_size(kith_queue q); /* items in it, as of now; KITH_ESTALE; KITH_EPEER */
KITH_API int kith_queue_empty(kith_queue q);    /* 1, 0; KITH_ESTALE; KITH_EPEER */
KITH_API int kith_queue_close(
    kith_queue q); /* for all; items in it are gone, waiters get KITH_ESTALE; KITH_EPEER */

/* -------------------------------------------------------------- Semaphore
 *
 * So many units, of which any process on any node may take one and give it back: a
 * bound on how many use a resource at a time, or a count of signals.
 *
 * A unit that a process holds when it ends, however it ends, comes back, and who takes
 * it next is told by KITH_EOWNERDEAD that what it protects may be half done. That is so
 * for the units that the semaphore was opened with; those that releases have added to
 * them are signals, which belong to nobody. A release gives back a unit of the caller's,
 * or, when it holds none, the one that was taken first: any process may release. */

struct kith_sem_options {
    int bounded;      /* 1: a release beyond the units that it was opened with is KITH_EINVAL */
    const char *name; /* 1 to 63 bytes: the semaphore of that name in this job, opened on node 0 by the first
                         one who comes; the same units and .bounded everywhere, else KITH_EINVAL */
};

/* units: 0 or more. The handle holds KITH_ENOMEM, KITH_EINVAL or (named) KITH_EPEER on failure. Does not
 * wait. */
KITH_API kith_sem kith_sem_open(int units);
KITH_API kith_sem kith__sem_open(int units, const struct kith_sem_options *options, size_t options_size);
/* kith_sem_open_with(4, .bounded = 1) */
#define kith_sem_open_with(units, ...) \
    kith__sem_open(units, KITH__OPTIONS(kith_sem_options, __VA_ARGS__), sizeof(struct kith_sem_options))

/* Takes a unit; waits up to timeout_ms while there is none.
 *  0                the caller has it
 *  KITH_EOWNERDEAD  the caller has it; a process that held it before has ended
 *  KITH_ETIMEDOUT   there was none in that time
 *  KITH_ESTALE      it was closed, also while waiting
 *  KITH_EPEER       its home is lost
 *  KITH_ENOMEM, KITH_EINVAL (timeout_ms) */
KITH_API int kith_sem_acquire(kith_sem s, int timeout_ms);

/* Gives a unit back, and wakes one that waits. Does not wait but for another node's answer.
 * 0; KITH_EINVAL (bounded, and all units are there; or 2^31 - 1 are); KITH_ESTALE; KITH_EPEER. */
KITH_API int kith_sem_release(kith_sem s);

/* How many units are free, as of now. KITH_ESTALE; KITH_EPEER. */
KITH_API int kith_sem_value(kith_sem s);

/* Closes it for all; those that wait get KITH_ESTALE. KITH_ESTALE; KITH_EPEER. */
KITH_API int kith_sem_close(kith_sem s);

/* ----------------------------------------------------------------- memory
 *
 * Memory of the node, which tasks of its workers read and write in place. Other
 * memory is copied to them and back. Not zeroed. NULL, and kith_last_error, when
 * there is none (as a fault of KITH_ENOMEM). A multiple of 64 is its address; of size 0
 * it is an address, too. The same one is good in the node's workers and Processes, but
 * not in other ranks that run main. Any process of the node may free it; kith_free(NULL)
 * does nothing; a foreign pointer is KITH_EINVAL.
 * What a task takes is its own until it has ended well, what a Process takes until it has returned or called
 * exit: when it fails or dies before that, the memory is free again. What it had taken when it put something
 * on a Queue, started a Process or opened a pool counts as passed on, and stays. A task that is run again, as
 * its worker died (.tries of a pool), finds what it had already written there.
 */

KITH_API void *kith_alloc(size_t size);
KITH_API int kith_free(void *p);

/* ------------------------------------------------------------------- Pool */

struct kith_pool_options {
    kith_target *init; /* each worker calls it first; not 0, or kith_fail: the open fails with its message */
    const void *arg;   /* for init: arg_size bytes, copied */
    size_t arg_size;
    int tasks_per_worker; /* a worker ends after so many tasks (elements, blocks) and is replaced; 0: never */
    int limit_ms;         /* a task that runs longer is ended with its worker, and reported; 0: no limit */
    /* How often a task is started whose worker died under it; 0: the default, 2. So a task runs at least
     * once: one whose worker was killed at its very end runs again. 1: it is never begun again, but reported.
     */
    int tries;
    int unpinned; /* 1: do not bind each worker to a CPU */
    size_t chunk; /* tasks a worker takes at a time, at most 32767; 0: found at run time */
    /* An initializer that runs longer is ended, and the open fails. 0: ten times .limit_ms, at least a
     * second, or ten minutes without one; KITH_FOREVER: no limit. */
    int init_limit_ms;
    /* After so many failures of one call the rest of it is not begun: the call returns KITH_ETASK as soon as
     * the tasks under way have ended. -1: never. 0: the default, 100 as long as not one has succeeded. */
    int halt;
};

/* workers: 1 to 1900; 0: one for each usable CPU, or, under a launcher, for each
 * rank. Does not wait for them to start, but for their initializers. The handle
 * holds KITH_EINVAL, KITH_ENOMEM, KITH_EFUNC (.init is no function), KITH_ETASK (an
 * initializer failed) or KITH_EPEER on failure. */
KITH_API kith_pool kith_pool_open(int workers);
KITH_API kith_pool kith__pool_open(int workers, const struct kith_pool_options *options, size_t options_size);
/* kith_pool_open_with(4, .limit_ms = 500, .tries = 1) */
#define kith_pool_open_with(workers, ...) \
    kith__pool_open(workers, KITH__OPTIONS(kith_pool_options, __VA_ARGS__), sizeof(struct kith_pool_options))

KITH_API int kith_pool_workers(kith_pool p); /* how many, 1 with KITH_SERIAL=1; KITH_ESTALE */
/* Finishes what was given, then ends the workers. KITH_ESTALE; KITH_EINVAL in a task of the pool itself;
 * KITH_EPEER: the fork server is gone, and the pool with it. */
KITH_API int kith_pool_close(kith_pool p);
/* Ends the workers now, also while somebody else waits in kith_pool_close; maps under way return
 * KITH_ECANCELLED. KITH_ESTALE when it has ended already; else as kith_pool_close. */
KITH_API int kith_pool_terminate(kith_pool p);

/* Every call below gives its tasks to the pool and waits until all have ended.
 * Returns 0; KITH_ETASK when tasks failed (the results of the others are there,
 * the outputs of the failed ones are unchanged, but for what one that was killed had
 * written into memory of kith_alloc; kith_last_fault lists them; so many that the rest
 * was not begun, see .halt: those outputs are unchanged, too), or no worker comes
 * through its initializer any more; KITH_EINVAL (also on another node than the
 * pool's); KITH_ENOMEM (also when 64 calls are under way in the pool, or no worker can
 * be started); KITH_EFUNC (f is no function of the program or of a library; one of a
 * library that was loaded after kith_init fails in each task instead); KITH_ESTALE;
 * KITH_ECANCELLED (terminated meanwhile); KITH_EPEER (the fork server is gone). With
 * n 0 there is nothing to do. Any thread of any process of the node that
 * opened the pool may call it, tasks of the pool too, up to 62 calls deep. */

/* kith_map(pool, f, in, out, n) with f one of
 *     T f(T), T int, unsigned, long, unsigned long, long long, float or double,
 *     double f(int), double f(long), long f(int): out[i] = f(in[i]) for i < n;
 *     int f(const void *in, void *out), for structs and all else: f(&in[i], &out[i]) for i < n,
 *     which returns 0, or a code of its own: then the task has failed.
 * kith_starmap(pool, f, rows, out, n): out[i] = f(rows[i][0], rows[i][1] …), the same types of
 *     numbers with one, two or three arguments, rows an array of n rows. KITH_ESIZE: the rows
 *     have another number of columns.
 * kith_apply(pool, f, &y, a …): y = f(a …) in a worker, with such functions of numbers.
 * in and out may be one array: each result is computed from its argument then, too, whoever dies. In memory
 * of kith_alloc a function of structs may have changed its argument, so an element whose worker died is not
 * tried again, but reported. Other arrays must not overlap: KITH_EINVAL in such memory. They choose
 * by the type of f, and a wrong type does not compile. In C++ they are templates, at the end of this file. */
typedef void kith__fn(void);

/* clang-format off */
/* One row for each kind of function of numbers: the letters of R and A, R, A. */
#define KITH__SHAPES(X)                                                                             \
    X(i, i, int, int) X(I, I, unsigned, unsigned) X(l, l, long, long)                               \
    X(L, L, unsigned long, unsigned long) X(q, q, long long, long long) X(f, f, float, float)       \
    X(d, d, double, double) X(d, i, double, int) X(d, l, double, long) X(l, i, long, int)
#define KITH__SHAPE_CODE(r, a, columns) ((#r)[0] << 16 | (#a)[0] << 8 | (columns))
enum { KITH__SHAPE_BYTES = 0 }; /* int f(const void *in, void *out) */

KITH_API int kith__map(kith_pool p, const char *name, kith__fn *fn, int shape, const void *in, size_t in_size,
                       void *out, size_t out_size, size_t n);
KITH_API int kith__starmap(kith_pool p, const char *name, kith__fn *fn, int shape, size_t columns,
                           const void *rows, void *out, size_t n);

#define KITH__APPLY_DECLARE(r, a, R, A)                                                             \
    KITH_API int kith__apply_##r##a##1(kith_pool p, const char *name, R (*fn)(A), R *y, A);         \
    KITH_API int kith__apply_##r##a##2(kith_pool p, const char *name, R (*fn)(A, A), R *y, A, A);   \
    KITH_API int kith__apply_##r##a##3(kith_pool p, const char *name, R (*fn)(A, A, A), R *y, A, A, A);
KITH__SHAPES(KITH__APPLY_DECLARE)
#undef KITH__APPLY_DECLARE

#ifndef __cplusplus

#define KITH__ROWS(X)                                                                               \
    X(i, i, int, int), X(I, I, unsigned, unsigned), X(l, l, long, long),                            \
    X(L, L, unsigned long, unsigned long), X(q, q, long long, long long), X(f, f, float, float),    \
    X(d, d, double, double), X(d, i, double, int), X(d, l, double, long), X(l, i, long, int)
/* f chooses: x(row) of its kind; bytes; or, where the assertion beside it fails, none. _1: one argument only. */
#define KITH__CHOOSE(f, X, none) _Generic((f), KITH__ROWS(X), default: none)
#define KITH__CHOOSE_1(f, X, bytes, none)                                                           \
    _Generic((f), KITH__ROWS(X), int (*)(const void *, void *): bytes, default: none)
#define KITH__FN(R, A, x) R (*)(A): x, R (*)(A, A): x, R (*)(A, A, A): x
#define KITH__S(r, a, R, A)                                                                         \
    R (*)(A): KITH__SHAPE_CODE(r, a, 1), R (*)(A, A): KITH__SHAPE_CODE(r, a, 2),                    \
    R (*)(A, A, A): KITH__SHAPE_CODE(r, a, 3)
#define KITH__S_1(r, a, R, A) R (*)(A): KITH__SHAPE_CODE(r, a, 1)
#define KITH__I(r, a, R, A) KITH__FN(R, A, (const A *)0)
#define KITH__I_1(r, a, R, A) R (*)(A): (const A *)0
#define KITH__O(r, a, R, A) KITH__FN(R, A, (R *)0)
#define KITH__O_1(r, a, R, A) R (*)(A): (R *)0
#define KITH__YES(r, a, R, A) KITH__FN(R, A, 1)
#define KITH__MANY(r, a, R, A) R (*)(A): 1, R (*)(A, A): 0, R (*)(A, A, A): 0

/* In an expression: one sentence of the compiler instead of its thoughts about _Generic. */
#define KITH__ASSERT(holds, cure)                                                                   \
    (void)sizeof(struct {                                                                           \
        int kith__unused;                                                                           \
        _Static_assert(holds, cure);                                                                \
    })

/* The size of an element; of memory without a type the function of numbers knows it. */
#define KITH__ELEMENT(p) sizeof *_Generic((p), void *: "", const void *: "", default: (p))
#define KITH__TYPED(f, p)                                                                           \
    _Generic((p), void *: _Generic((f), int (*)(const void *, void *): 0, default: 1),              \
             const void *: _Generic((f), int (*)(const void *, void *): 0, default: 1), default: 1)

#define KITH__NO_SIZE                                                                               \
    "kith_map: elements at a void * have no size: give pointers with a type, or call kith_pool_map"

#define kith_map(pool, f, in, out, n)                                                               \
    (KITH__ASSERT(KITH__CHOOSE(f, KITH__MANY, 1),                                                   \
                  "kith_map: this function has several arguments: use kith_starmap over rows of them"), \
     KITH__ASSERT(KITH__CHOOSE_1(f, KITH__YES, 1, 0),                                               \
                  "kith_map takes T f(T) of int, long, float, double ... (man kith_map has the list), or, for " \
                  "structs and all else, int f(const void *in, void *out)"),                        \
     KITH__ASSERT(KITH__TYPED(f, in), KITH__NO_SIZE), KITH__ASSERT(KITH__TYPED(f, out), KITH__NO_SIZE), \
     kith__map(pool, #f, (kith__fn *)(f), KITH__CHOOSE_1(f, KITH__S_1, KITH__SHAPE_BYTES, KITH__SHAPE_BYTES), \
               1 ? (in) : KITH__CHOOSE_1(f, KITH__I_1, (const void *)0, (const void *)0), KITH__ELEMENT(in), \
               1 ? (out) : KITH__CHOOSE_1(f, KITH__O_1, (void *)0, (void *)0), KITH__ELEMENT(out), n))
#define kith_starmap(pool, f, rows, out, n)                                                         \
    (KITH__ASSERT(KITH__CHOOSE(f, KITH__YES, 0),                                                    \
                  "kith_starmap takes functions of one to three numbers of one type (man kith_map has the list); " \
                  "for all else use kith_map with int f(const void *in, void *out) over structs"),  \
     kith__starmap(pool, #f, (kith__fn *)(f), KITH__CHOOSE(f, KITH__S, 0), sizeof *(rows) / sizeof **(rows), \
                   1 ? &(rows)[0][0] : KITH__CHOOSE(f, KITH__I, (const void *)0),                   \
                   1 ? (out) : KITH__CHOOSE(f, KITH__O, (void *)0), n))

#define KITH__A(r, a, R, A)                                                                         \
    R (*)(A): kith__apply_##r##a##1, R (*)(A, A): kith__apply_##r##a##2, R (*)(A, A, A): kith__apply_##r##a##3
int kith__apply_nothing(kith_pool p, ...); /* never called: it takes the place of a wrong function */
#define kith_apply(pool, f, y, ...)                                                                 \
    (KITH__ASSERT(KITH__CHOOSE(f, KITH__YES, 0),                                                    \
                  "kith_apply takes functions of one to three numbers of one type (man kith_map has the list); " \
                  "for all else use kith_map with int f(const void *in, void *out) and n 1"),       \
     KITH__CHOOSE(f, KITH__A, kith__apply_nothing)(pool, #f, f, y, __VA_ARGS__))
/* clang-format on */

#endif

/* What a task may be, beside a function of numbers. Each returns 0, or a code of its own: then the
 * task has failed. */
typedef int kith_map_fn(const void *in, void *out);
typedef int kith_map_with_fn(const void *in, void *out, const void *arg);
typedef int kith_for_fn(uint64_t lo, uint64_t hi, const void *arg);
typedef double kith_sum_fn(uint64_t lo, uint64_t hi, const void *arg); /* returns its part of the sum */
typedef int kith_reduce_fn(uint64_t lo, uint64_t hi, const void *arg, void *part);
typedef void kith_fold_fn(void *total, const void *part); /* runs in the caller */

/* kith_map without a macro, for C++ and other languages: fn(in + i * in_size, out + i * out_size) for
 * i < n; and once, for one in and one out. A size may be 0: all tasks get the same pointer then. */
KITH_API int kith_pool_map(kith_pool p, kith_map_fn *fn, const void *in, size_t in_size, void *out,
                           size_t out_size, size_t n);
KITH_API int kith_pool_apply(kith_pool p, kith_map_fn *fn, const void *in, size_t in_size, void *out,
                             size_t out_size);

/* A map whose tasks share a context: fn(&in[i], &out[i], arg) for i < n, where arg is a copy of the size
 * bytes, made once for the whole map. NULL, 0: none.
 *     kith_map_with(pool, fn, in, out, n, KITH_ARG(x)) */
#define kith_map_with(pool, fn, in, out, ...) \
    kith__map_with(pool, #fn, fn, in, sizeof *(in), out, sizeof *(out), __VA_ARGS__)
KITH_API int kith_pool_map_with(kith_pool p, kith_map_with_fn *fn, const void *in, size_t in_size, void *out,
                                size_t out_size, size_t n, const void *arg, size_t size);

/* Range tasks: the loop inside is the user's. [0, n) is cut into about
 * min(n, 65536) blocks, at places that depend on n alone; fn is called once for
 * each block with lo < hi and a copy of the size bytes at arg; NULL, 0: no context. A block whose worker
 * died is run again from its beginning; when fn changes memory in place (x += 1), open the pool with
 * .tries = 1: the block is reported instead.
 *     kith_for(pool, fn, KITH_ARG(x), n) */
#define kith_for(pool, fn, ...) kith__for(pool, #fn, fn, __VA_ARGS__)
KITH_API int kith_pool_for(kith_pool p, kith_for_fn *fn, const void *arg, size_t size, uint64_t n);

/* *sum = the sum of fn over all blocks, added in order of index: the same bits on any number
 * of workers. *sum is unchanged on failure, 0 for n 0.
 *     kith_sum(pool, fn, KITH_ARG(x), n, &sum) */
#define kith_sum(pool, fn, ...) kith__sum(pool, #fn, fn, __VA_ARGS__)
KITH_API int kith_pool_sum(kith_pool p, kith_sum_fn *fn, const void *arg, size_t size, uint64_t n,
                           double *sum);

/* fn leaves the result of its block in part, which has the size of total and is not zeroed; then
 * fold(&total, part) is called here for each block in order of index, upon the value that total
 * had, unless one failed.
 *     kith_reduce(pool, fn, KITH_ARG(x), n, fold, &total) */
#define kith_reduce(pool, fn, ...) KITH__REDUCE(pool, fn, __VA_ARGS__)
KITH_API int kith_pool_reduce(kith_pool p, kith_reduce_fn *fn, const void *arg, size_t size, uint64_t n,
                              kith_fold_fn *fold, void *total, size_t total_size);

/* The same with the function's name, for messages; without it, it is looked up. */
#define KITH__REDUCE(pool, fn, arg, size, n, fold, total) \
    kith__reduce(pool, #fn, fn, arg, size, n, fold, total, sizeof *(total))
KITH_API int kith__map_with(kith_pool p, const char *name, kith_map_with_fn *fn, const void *in,
                            size_t in_size, void *out, size_t out_size, size_t n, const void *arg,
                            size_t size);
KITH_API int kith__for(kith_pool p, const char *name, kith_for_fn *fn, const void *arg, size_t size,
                       uint64_t n);
KITH_API int kith__sum(kith_pool p, const char *name, kith_sum_fn *fn, const void *arg, size_t size,
                       uint64_t n, double *sum);
KITH_API int kith__reduce(kith_pool p, const char *name, kith_reduce_fn *fn, const void *arg, size_t size,
                          uint64_t n, kith_fold_fn *fold, void *total, size_t total_size);

/* In a task, an initializer or a Process: it has failed, with this code (0 counts as KITH_ETASK)
 * and text, of which 255 bytes are kept. Returns code, so that "return kith_fail(...)" reads well. Elsewhere:
 * KITH_EINVAL. */
KITH_API int kith_fail(int code, const char *format, ...) KITH_PRINTF(2, 3);

enum kith_end {
    KITH_END_FAILED = 1,    /* it returned a code, or called kith_fail */
    KITH_END_SIGNALLED = 2, /* it crashed, or was killed */
    KITH_END_EXITED = 3,    /* it called exit */
    KITH_END_OVER_LIMIT = 4 /* it ran longer than .limit_ms */
};

struct kith_fault {
    uint64_t task; /* index of the task, or of the first element of the block */
    int end;       /* enum kith_end */
    int code;      /* what the task returned or gave to kith_fail; exit status of KITH_END_EXITED */
    int signal;    /* of KITH_END_SIGNALLED */
    int pid, rank, worker;
    char host[64], function[64], text[512]; /* text: of kith_fail, or where it crashed */
};

/* Fills *f with the index-th failed task, in order of task, of this thread's last call that
 * returned KITH_ETASK. 0; KITH_EEND when there are no more; KITH_EINVAL. */
#define kith_last_fault(f, index) kith__last_fault(f, sizeof(struct kith_fault), index)
KITH_API int kith__last_fault(struct kith_fault *f, size_t size, size_t index);

#ifdef __cplusplus
}

/* C++11: kith_map, kith_starmap and kith_apply are templates. They take the same functions, also those of
 * <cmath> with many types, and lambdas without captures behind a plus: kith_map(pool, +[](double x) { return
 * x * x; }, in, out, n). The arrays need their types, as there is no void * here that fits all. */
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

/* The rows are matched by their number of columns, so that fn must have as many arguments. */
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

/* One for functions of a single type, which y tells when fn has many; one for the others. */
template <typename R, typename A>
int kith__apply_row(kith_pool pool, kith__fn *fn, R *y, const A *row, int columns)
{
    return kith__starmap(pool, nullptr, fn, kith__shape<R, A>::code + columns, static_cast<size_t>(columns),
                         row, y, 1);
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

template <typename R, typename A>
int kith_apply(kith_pool pool, R (*fn)(A), R *y, typename kith__plain<A>::type x0)
{
    const A row[] = { x0 };

    return kith__apply_row(pool, reinterpret_cast<kith__fn *>(fn), y, row, 1);
}

template <typename R, typename A>
int kith_apply(kith_pool pool, R (*fn)(A, A), R *y, typename kith__plain<A>::type x0,
               typename kith__plain<A>::type x1)
{
    const A row[] = { x0, x1 };

    return kith__apply_row(pool, reinterpret_cast<kith__fn *>(fn), y, row, 2);
}

template <typename R, typename A>
int kith_apply(kith_pool pool, R (*fn)(A, A, A), R *y, typename kith__plain<A>::type x0,
               typename kith__plain<A>::type x1, typename kith__plain<A>::type x2)
{
    const A row[] = { x0, x1, x2 };

    return kith__apply_row(pool, reinterpret_cast<kith__fn *>(fn), y, row, 3);
}
}
#endif
#endif
