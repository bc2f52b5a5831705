/* init.c: the start and the end of the job.
 *
 * The order matters. First what all processes inherit (line buffering, seed, the map of the loaded objects, the
 * arena); then the fork server, before any thread, MPI or ZeroMQ exists; then the other ranks. Ends in the
 * opposite order.
 */
#include "config.h"
#include "init.h"
#include "agent.h"
#include "arena.h"
#include "cpus.h"
#include "error.h"
#include "family.h"
#include "heap.h"
#include "object.h"
#include "pool.h"
#include "process.h"
#include "queue.h"
#include "random.h"
#include "server.h"
#include "system.h"
#include "token.h"

#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct {
    pid_t pid;                          /* of the process that called kith_init; 0: nobody did */
    int over;                           /* kith_finalize was called */
    int arena_fd;
    int rank, size;
} job = { .size = 1 };

double kith_time(void)
{
    return (double)kith__now_ns() * 1e-9;
}

int kith_rank(void) { return job.rank; }
int kith_size(void) { return job.size; }
int kith_node(void) { return kith__base ? (int)kith__shared->node : 0; }
int kith_nodes(void) { return kith__base ? (int)kith__shared->nodes : 1; }

const char *kith_host(void)
{
    static char host[64];

    if (kith__base)
        return kith__shared->host;
    gethostname(host, sizeof host - 1);
    return host;
}

/* Text that waits in a buffer would be printed by each child too. A user who gave stdout a buffer keeps it. */
static void prepare_stdout(void)
{
    fflush(NULL);
    if (__fbufsize(stdout) == 0 || !__flbf(stdout))
        if (__fbufsize(stdout) != 1)    /* 1: the user wants none */
            setvbuf(stdout, NULL, _IOLBF, 0);
}

static int make_bells(void)
{
    kith__server_bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    kith__agent_bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (kith__server_bell < 0 || kith__agent_bell < 0)
        return kith__fail_errno(KITH_ENOMEM, "kith_init cannot make an eventfd");
    return 0;
}

static int make_arena(void)
{
    int rc;

    if ((rc = kith__arena_create(&job.arena_fd)) < 0 || (rc = kith__heap_init()) < 0 ||
        (rc = kith__family_init()) < 0 || (rc = kith__object_init()) < 0)
        return rc;
    kith__pool_setup();
    kith__queue_setup();
    return 0;
}

/* The first two members: this process and the fork server. */
static void enter_family(void)
{
    uint32_t me = kith__member_take(KITH__HEAD), server = kith__member_take(KITH__SERVER);

    kith__become(me);
    atomic_store(&kith__member(me)->pid, getpid());
    atomic_store(&kith__member(me)->state, KITH__RUNNING);
    atomic_store(&kith__member(server)->state, KITH__RUNNING);
    atomic_store(&kith__shared->head_pid, getpid());
    kith__shared->cpu_count = (uint32_t)kith__cpu_set(kith__shared->cpus, 1024);
}

static void at_exit(int status, void *nothing)
{
    (void)nothing;
    (void)status;
    if (getpid() == job.pid && !job.over)
        kith_finalize();
}

static int start(void)
{
    int rc;

    kith__log_init();
    if (job.pid)
        return kith__fail(KITH_EINVAL, job.over ? "kith_init was called after kith_finalize: a program is one job"
                                                : "kith_init was called twice");
    if ((rc = kith__random_init()) < 0)
        return rc;
    prepare_stdout();
    if ((rc = kith__token_family()) < 0 || (rc = make_arena()) < 0 || (rc = make_bells()) < 0)
        return rc;
    kith__random_place(0, 0, NULL);
    enter_family();
    if ((rc = kith__server_start()) < 0)
        return rc;
    if ((rc = kith__agent_wanted()) < 0 || (rc > 0 && (rc = kith__agent_start()) < 0)) {
        kith__server_stop();
        return rc;
    }
    job.pid = getpid();
    on_exit(at_exit, NULL);
    return 0;
}

int kith_init(int *argc, char ***argv)
{
    int rc;

    (void)argc;
    (void)argv;
    kith__error_is_head(1);
    rc = start();
    return kith__report(rc);
}

int kith_finalize(void)
{
    if (!job.pid)
        return kith__report(kith__fail(KITH_ENOTINIT, "kith_finalize was called before kith_init")) < 0;
    if (getpid() != job.pid)
        return kith__fail(KITH_EINVAL, "kith_finalize was called in a task; only the head may end the job") < 0;
    if (job.over)
        return kith__fault_count() > 0;
    job.over = 1;
    fflush(stdout);
    kith__processes_join();
    kith__agent_stop();
    kith__server_stop();
    kith__arena_detach();
    close(job.arena_fd);
    close(kith__server_bell);
    close(kith__agent_bell);
    kith__server_bell = kith__agent_bell = -1;
    kith__me = 0;
    return kith__fault_count() > 0;
}

/* ------------------------------------------------------------- in the children */

static void (*leave_child)(int status);

static void child_exit(int status, void *nothing)
{
    (void)nothing;
    leave_child(status);
}

void kith__init_child(void (*leave)(int status))
{
    leave_child = leave;
    on_exit(child_exit, NULL);          /* the last one registered is the first to run, and does not return */
}
