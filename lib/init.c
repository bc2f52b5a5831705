/* init.c: the start and the end of the job.
 *
 * The order matters. First what all processes inherit (line buffering, seed, the map of the loaded objects,
 * the arena); then the fork server, before any thread, MPI or ZeroMQ exists; then the other ranks. Ends in
 * the opposite order.
 */
#include "config.h"
#include "shm/arena.h"
#include "code/checkglobals.h"
#include "code/crashtext.h"
#include "base/cpus.h"
#include "base/error.h"
#include "base/log.h"
#include "base/own.h"
#include "member/bell.h"
#include "member/members.h"
#include "member/output.h"
#include "shm/heap.h"
#include "start/allocation.h"
#include "start/beside.h"
#include "start/detect.h"
#include "start/ending.h"
#include "object/object.h"
#include "pool/pool.h"
#include "object/process.h"
#include "pool/joblog.h"
#include "pool/service.h"
#include "pool/progress.h"
#include "pool/random.h"
#include "start/overdue.h"
#include "start/ranks.h"
#include "start/rerun.h"
#include "rpc/agent_control.h"
#include "rpc/remote.h"
#include "server/launch.h"
#include "base/system.h"
#include "base/threads.h"
#include "pool/task.h"
#include "code/token.h"
#include "where.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    pid_t pid;   /* of the process that called kith_init; 0: nobody did */
    int over;    /* kith_finalize was called */
    int exiting; /* by exit: other threads may still be in the arena */
    int failing; /* this rank of many that run main has called exit(n): all end, it waits for none */
    int arena_fds[KITH__ARENA_FILES];
    int every_rank; /* kith_init_ranks */
    int with_mpi;   /* there are other ranks, or may be */
    struct kith__launch launch;
    struct kith__ranks ranks;
} job = { .ranks = { .size = 1, .nodes = 1, .locals = 1, .is_leader = 1 } };

/* A program that was started without stdin, stdout or stderr would print into what is opened next. */
static int open_standard_fds(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            return kith__fail_errno(KITH_ENOMEM,
                                    "kith_init cannot open /dev/null in place of a closed descriptor %d", fd);
    return 0;
}

/* Text that waits in a buffer would be printed by each child too. A user who gave stdout a buffer keeps it.
 */
static void prepare_stdout(void)
{
    kith__output_flush();
    fflush(NULL);
    if (__fbufsize(stdout) == 0 || !__flbf(stdout))
        if (__fbufsize(stdout) != 1) /* 1: the user wants none */
            setvbuf(stdout, NULL, _IOLBF, 0);
}

static int make_arena(void)
{
    int rc;

    if ((rc = kith__arena_create(job.arena_fds)) < 0 || (rc = kith__heap_init()) < 0 ||
        (rc = kith__members_init(job.launch.usable)) < 0 || (rc = kith__object_init()) < 0)
        return rc;
    return 0;
}

/* The first two members: this process and the fork server. */
static void enter_family(void)
{
    uint32_t me = kith__member_take(KITH__HEAD), server = kith__member_take(KITH__SERVER);

    snprintf(kith__member(me)->name, sizeof kith__member(me)->name, "main");
    snprintf(kith__member(server)->name, sizeof kith__member(server)->name, "fork server");
    kith__become(me);
    atomic_store(&kith__member(me)->pid, getpid());
    kith__member_move(kith__member(me), KITH__MEMBER_BEGINS);
    kith__member_move(kith__member(server), KITH__MEMBER_BEGINS);
    atomic_store(&kith__shared->head_pid, getpid());
    kith__fault_handler_word(&kith__shared->faults_have_handler);
    kith__fault_handler_told();
    kith__log_share(&kith__shared->log_level, &kith__shared->progress_drawn);
}

static void at_exit(int status, void *nothing)
{
    (void)nothing;
    if (getpid() != job.pid || job.over)
        return;
    kith__end_alone();
    job.exiting = 1;
    job.failing = job.every_rank && job.ranks.size > 1 && (status & 255) != 0;
    kith_finalize();
}

/* What this node has for its workers: of this process alone, or of all ranks that are here. */
static void tell_cpus(int workers, int count, const int *cpus)
{
    kith__shared->workers = (uint32_t)workers;
    kith__shared->cpu_count = count < KITH__CPUS ? (uint32_t)count : KITH__CPUS;
    for (uint32_t i = 0; i < kith__shared->cpu_count; i++)
        kith__shared->cpus[i] = cpus[i];
    if (kith__shared->cpu_count > kith__shared->usable_cpus)
        kith__shared->usable_cpus = kith__shared->cpu_count;
}

/* The family of one process: what is needed with and without other ranks. */
static int found_family(void)
{
    int rc;

    prepare_stdout();
    if ((rc = kith__token_family()) < 0 || (rc = make_arena()) < 0 || (rc = kith__bell_make()) < 0)
        return rc;
    kith__random_set_seed(job.launch.seed);
    kith__random_seek(KITH__STREAM_RANK, 0, NULL);
    enter_family();
    kith__shared->given_cpus = (uint32_t)kith__given_cpus();
    tell_cpus(job.launch.workers, job.launch.cpu_count, job.launch.cpus);
    return kith__server_start();
}

static void let_go_of_arena(void)
{
    kith__become(0);
    kith__fault_handler_word(NULL);
    kith__fault_handler_others(NULL);
    kith__log_share(NULL, NULL);
    kith__arena_detach();
}

/* In a rank that does not lead its node: its own family goes, it joins that of the leader. */
static int move_in(void)
{
    uint32_t me;
    int rc;

    kith__server_stop();
    let_go_of_arena();
    kith__bell_take(job.ranks.fds + KITH__ARENA_FILES);
    if ((rc = kith__arena_attach(job.ranks.fds)) < 0)
        return rc;
    if ((me = kith__member_take(KITH__RANK)) == 0)
        return KITH_ENOMEM;
    kith__become(me);
    kith__fault_handler_word(&kith__shared->faults_have_handler);
    kith__log_share(&kith__shared->log_level, &kith__shared->progress_drawn);
    atomic_store(&kith__member(me)->pid, getpid());
    kith__member_move(kith__member(me), KITH__MEMBER_BEGINS);
    kith__member(me)->number = UINT64_C(1) << 20 | (uint64_t)job.ranks.rank;
    kith__random_seek(KITH__STREAM_RANK, (uint64_t)job.ranks.rank, NULL);
    return 0;
}

/* Of a rank that serves, and leads its node. */
static void empty_node(void)
{
    fflush(stdout);
    kith__agent_stop();
    kith__server_stop();
    if (kith__output_check() < 0)
        kith__tell("on %s: %s", kith__shared->host, kith_last_error());
}

/* A rank that serves: asleep until the head has ended, then out of the program. */
static void serve(void) __attribute__((noreturn));

static void serve(void)
{
    if (!job.ranks.is_leader) { /* another rank's fork server works here */
        kith__server_stop();
        let_go_of_arena();
    }
    if (kith__ranks_sleep(job.ranks.is_leader ? &kith__shared->job_over : NULL) == 1) {
        empty_node();
        kith__ranks_sleep(NULL);
    } else if (job.ranks.is_leader) {
        empty_node();
    }
    kith__ranks_leave();
}

/* A crash of the head would be the launcher's to explain, in many lines. It gets the status before. */
static void head_crashed(int sig)
{
    kith__ending_crashed(sig);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void watch_head(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction now, watched = { .sa_handler = head_crashed, .sa_flags = SA_RESETHAND | SA_NODEFER };

        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            sigaction(signals[i], &watched, NULL);
    }
}

static int start_agent(void)
{
    int rc = kith__agent_wanted();

    return rc > 0 ? kith__agent_start() : rc;
}

/* Each node's leader tells all others how its agent is reached. A leader without an agent tells that, by a
 * contact of zeros, so that nobody waits for it. */
static int introduce_agents(void)
{
    size_t each = sizeof(struct kith__contact), size;
    char *all = calloc((size_t)job.ranks.size, each), *contacts = calloc((size_t)job.ranks.nodes, each),
         *mine = calloc(1, each);
    int started = job.ranks.is_leader ? start_agent() : 0, rc = KITH_ENOMEM;

    if (all && contacts && mine) {
        if (job.ranks.is_leader && started == 0 && kith__agent_wanted() > 0)
            memcpy(mine, kith__agent_contact(&size), each);
        rc = kith__ranks_allgather(mine, all, each);
    }
    for (int r = 0; rc == 0 && r < job.ranks.size; r++)
        if (job.ranks.all[r].local == 0)
            memcpy(contacts + (size_t)job.ranks.all[r].node * each, all + (size_t)r * each, each);
    if (rc == 0 && started == 0 && job.ranks.is_leader && job.ranks.nodes > 1)
        rc = kith__agent_introduce(contacts, job.ranks.nodes);
    free(all);
    free(contacts);
    free(mine);
    return started < 0 ? started : rc;
}

/* Who waits in MPI says nothing; rank 0 does, through a thread. */
static int join_ranks(int *argc, char ***argv)
{
    const struct kith__launch *l = &job.launch;
    int fds[KITH__ARENA_FILES + 2], rc;

    memcpy(fds, job.arena_fds, sizeof job.arena_fds);
    kith__bell_numbers(fds + KITH__ARENA_FILES);
    if (l->kind == KITH__MPI && l->rank == 0 && l->size > 1)
        kith__overdue_begin(KITH__OVERDUE_MS, l->local_size < l->size);
    rc = kith__ranks_join(argc, argv, l, job.every_rank, fds, KITH__ARENA_FILES + 2, &job.ranks);
    kith__where_set(job.ranks.rank, job.ranks.size);
    if (rc < 0)
        return rc;
    kith__random_set_seed(job.ranks.seed);
    if (job.ranks.is_leader) {
        kith__shared->node = (uint32_t)job.ranks.node;
        kith__shared->nodes = (uint32_t)job.ranks.nodes;
        kith__shared->every_rank = (uint32_t)job.every_rank;
        kith__shared->bound = 1;
        tell_cpus(job.ranks.workers, job.ranks.cpu_count, job.ranks.cpus);
    }
    kith__overdue_step("the agents of the other nodes");
    return introduce_agents();
}

static int meet_ranks(int *argc, char ***argv)
{
    int rc = join_ranks(argc, argv);

    kith__overdue_end();
    if (rc < 0)
        return rc;
    if (!job.every_rank && job.ranks.rank > 0)
        serve();
    if (!job.ranks.is_leader && (rc = move_in()) < 0)
        return rc;
    watch_head();
    if (!job.every_rank)
        kith__beside_stands();
    /* Whoever is not the leader may look at what the leader has told only now. */
    return job.every_rank ? kith__ranks_barrier(60000) : 0;
}

static int check_variables(void)
{
    int rc = 0;

    for (int v = 0; rc == 0 && v < KITH__ENV_COUNT; v++)
        rc = kith__check_variable((enum kith__env)v);
    if (rc == 0)
        rc = kith__arena_check_settings();
    if (rc == 0)
        rc = kith__agent_check_settings();
    if (rc == 0)
        rc = kith__joblog_read(job.launch.rank == 0);
    if (rc == 0)
        rc = kith__random_init();
    job.launch.seed = kith__random_seed();
    return rc;
}

static void close_arena(void)
{
    let_go_of_arena();
    kith__bell_close();
}

/* A kith_init that fails leaves nothing half made, and may be called again. Under a launcher the others would
 * not know of that. */
static int undo(int rc)
{
    char why[512];

    if (rc == 0 || job.with_mpi || !kith__base)
        return rc;
    snprintf(why, sizeof why, "%.511s", kith_last_error());
    kith__server_stop();
    close_arena();
    return kith__fail(rc, "%s", why);
}

/* Its node has its number now. */
static int name_main(void)
{
    char name[32] = "main";

    if (job.every_rank)
        snprintf(name, sizeof name, "rank %d", job.ranks.rank);
    return kith__process_is_main(name);
}

static int start(int *argc, char ***argv)
{
    int rc, silent = 0;

    kith__log_init();
    if (job.pid && job.pid != getpid())
        return kith__fail(
            KITH_EINVAL,
            "kith_init was called in process %d, which the program forked after kith_init: start it with "
            "kith_process_start, or fork before kith_init; after exec it may call kith_init",
            (int)getpid());
    if (job.pid)
        return kith__fail(KITH_EINVAL, job.over
                                           ? "kith_init was called after kith_finalize: a program is one job"
                                           : "kith_init was called twice");
    if ((rc = open_standard_fds()) < 0)
        return rc;
    if ((rc = kith__launch_read(&job.launch, &silent)) < 0) {
        if (silent)
            exit(0); /* another rank says why; a failure here might have it ended before */
        return rc;
    }
    if ((rc = check_variables()) < 0) {
        if (rc == KITH_EINVAL && !kith__launch_speaks(&job.launch))
            exit(0); /* all ranks here have these variables, and one says it */
        return rc;
    }
    if (job.every_rank && (rc = kith__rerun(argv ? *argv : NULL, &job.launch)) < 0)
        return rc;
    if ((rc = kith__openmp_pause()) < 0)
        return rc;
    job.with_mpi = job.every_rank || job.launch.kind == KITH__MPI;
    if ((rc = found_family()) < 0)
        return undo(rc);
    rc = job.with_mpi ? meet_ranks(argc, argv) : start_agent();
    if (rc < 0 || (rc = name_main()) < 0)
        return undo(rc);
    if (job.ranks.rank == 0)
        kith__allocation_tell(&job.launch, &job.ranks);
    if (!job.every_rank)
        kith__fault_handler_others(kith__where_handler);
    job.pid = getpid();
    on_exit(at_exit, NULL); /* after MPI's own: so it runs before */
    kith__error_names_callers(kith__caller_text);
    return kith__globals_snapshot();
}

/* What one host of several has too little of. */
static int name_host(int rc)
{
    char why[512];

    if (rc != KITH_ENOMEM || job.launch.kind != KITH__MPI)
        return rc;
    snprintf(why, sizeof why, "%.511s", kith_last_error());
    return kith__fail(rc, "%s [on %s]", why, kith_host());
}

static int init(int *argc, char ***argv, int every_rank)
{
    if (!job.pid && kith__me)
        return kith__report(kith__fail(
            KITH_EINVAL, "kith_init was called in a task or a Process: these are part of the job already"));
    kith__error_is_head(1);
    job.every_rank |= every_rank;
    return kith__report(name_host(start(argc, argv)));
}

int kith_init(int *argc, char ***argv)
{
    return init(argc, argv, 0);
}

int kith_init_ranks(int *argc, char ***argv)
{
    return init(argc, argv, 1);
}

/* Objects live until no rank uses them any more. */
static void take_node_down(void)
{
    if (job.failing) /* what is left ends with this process */
        return;
    if (job.every_rank && job.with_mpi)
        kith__ranks_barrier(KITH_FOREVER);
    if (job.ranks.is_leader) {
        kith__agent_stop();
        kith__server_stop();
    }
    if (!job.every_rank && job.with_mpi)
        kith__ranks_dismiss(10000, kith__agent_has_lost);
}

/* That the fork server is gone then is no failure: the last one of this thread is what it was before. */
static void end_node(void)
{
    char before[KITH__OWN_TEXT];

    snprintf(before, sizeof before, "%s", kith_last_error());
    take_node_down();
    kith__fail(0, "%s", before);
}

/* A full disk must not go unnoticed. That there is no stdout at all was somebody's wish. */
static int write_out(void)
{
    int error;

    kith__output_flush();
    if ((error = kith__output_error()) == 0)
        return 0;
    errno = error;
    return error > 0 ? kith__fail_errno(KITH_ENOMEM, "output of the program to stdout cannot be written")
                     : kith__fail(KITH_ENOMEM, "some output of the program to stdout could not be written");
}

/* Something is lost: items that found no room on another node, output. In exit the status is settled, and no
 * handler may call exit again. */
static int tell_loss(int rc)
{
    if (!job.exiting)
        return kith__report(rc);
    if (rc < 0 && !atomic_load(&kith__shared->faults_have_handler))
        kith__tell("%s", kith_last_error());
    return rc;
}

int kith_finalize(void)
{
    int lost;

    if (!job.pid && !kith__me)
        return kith__report(kith__fail(KITH_ENOTINIT, "kith_finalize was called before kith_init")) < 0;
    if (!kith__me && !job.over && getpid() != job.pid)
        return kith__report(kith__fail(
                   KITH_EINVAL,
                   "kith_finalize was called in process %d, which the program has forked itself: only "
                   "the head may end the job",
                   (int)getpid())) < 0;
    if (getpid() != job.pid ||
        (kith__task.running && !job.exiting)) /* KITH_SERIAL=1: the task is in the head */
        return kith__fail(KITH_EINVAL, "kith_finalize was called in a task; only the head may end the job") <
               0;
    if (job.over)
        return kith__fault_count() > 0;
    lost = kith__fault_count() == 0 && kith__remote_last_words() < 0 && tell_loss(KITH_ENOMEM) < 0;
    lost |= !job.exiting && kith__report(write_out()) < 0;
    job.over = 1;
    if (job.exiting)
        kith__progress_quit();
    if (!job.failing && (job.ranks.rank == 0 || (job.every_rank && job.ranks.is_leader)))
        kith__processes_join();
    if (!job.exiting) {
        kith__pools_of_threads_close();
        kith__later_end();
    }
    end_node();
    if (job.ranks.is_leader && !lost) /* of all who print the first is reported */
        lost = tell_loss(kith__output_check()) < 0;
    if (job.ranks.rank == 0 && !job.failing && !lost)
        lost = tell_loss(kith__processes_check()) < 0;
    if (job.exiting)
        return kith__fault_count() > 0;
    close_arena();
    return lost || kith__fault_count() > 0;
}
