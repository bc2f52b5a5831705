/* run.c: kith run: starts a program on its ranks, by the mpirun that there is. */
#include "config.h"
#include "command.h"
#include "base/container.h"
#include "local_host.h"
#include "job.h"
#include "kith.h"
#include "program.h"
#include "reach.h"
#include "request.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- checks */

/* A rank that calls mpirun makes as many jobs as there are ranks. The first of them says so. */
static int is_inside_job(void)
{
    static const struct {
        const char *size, *rank;
    } launchers[] = { { "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK" },
                      { "PMI_SIZE", "PMI_RANK" },
                      { "SLURM_STEP_NUM_TASKS", "SLURM_PROCID" } };

    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
        const char *size = getenv(launchers[i].size), *rank = getenv(launchers[i].rank);

        if (!size || atoi(size) < 2)
            continue;
        if (!rank || atoi(rank) == 0)
            log_line("run: this is one of %d ranks of a job already: call kith run from a shell, without "
                     "mpirun or srun",
                     atoi(size));
        return 1;
    }
    return 0;
}

/* Open MPI asks root for a confirmation. Where uid 0 is not the machine's root, or the machine is thrown
 * away, it is given. */
static int check_root(struct request *r, const struct mpi *m)
{
    const char *allow = getenv("OMPI_ALLOW_RUN_AS_ROOT"), *confirm = getenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM");
    const char *contained;

    if (m->kind != OPEN_MPI || geteuid() != 0 || (allow && confirm))
        return 0;
    contained = kith__container();
    r->root_allowed = r->as_root || contained;
    if (!r->root_allowed) {
        log_line("root: a bug in the program could harm this machine: run it as another user, or add "
                 "--allow-run-as-root");
        return -1;
    }
    if (!r->as_root)
        log_info("root: allowed, because this is a container or similar (%s)", contained);
    return 0;
}

static int runs_here(const struct request *r)
{
    for (int i = 0; i < r->hosts.count; i++)
        if (local_host_is(r->hosts.all[i].name))
            return 1;
    return r->hosts.count == 0;
}

/* Somebody who chose another way than ssh knows what is right. */
static int starts_by_ssh(const struct request *r)
{
    static const char *const others[] = { "PBS_JOBID",    "HYDRA_LAUNCHER",         "HYDRA_LAUNCHER_EXEC",
                                          "OMPI_MCA_plm", "OMPI_MCA_plm_rsh_agent", "OMPI_MCA_plm_rsh_args" };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (getenv(others[i]))
            return 0;
    for (size_t i = 0; i < r->extra.count; i++)
        if (strstr(r->extra.words[i], "plm") || strstr(r->extra.words[i], "launcher"))
            return 0;
    return r->hosts.count > 0 && !r->batch && request_is_remote(r);
}

/* MPICH's mpiexec waits for ever when ssh does not get in; Open MPI's ends, and then the reason is looked
 * for. */
static int check_hosts(const struct request *r, const struct mpi *m)
{
    if (!r->by_ssh)
        return 0;
    if (m->kind == MPICH)
        return reach_hosts(&r->hosts, REACH_LOGIN, "hydra_pmi_proxy");
    return reach_hosts(&r->hosts, REACH_PORT, NULL);
}

static void explain_unreachable(const struct request *r, const struct mpi *m)
{
    if (r->by_ssh && reach_hosts(&r->hosts, REACH_RUN, "orted") > 0)
        return;
    log_line(
        "mpirun: it could not start its part on each host: kith hosts shows what may stand in its way "
        "there, as a firewall, a limit, or another version than Open MPI %s; KITH_LOG=debug shows what it "
        "says",
        m->version);
}

/* ---- the command */

/* Each rank is kith first, under the path that it has here. */
static void add_rank(const struct request *r, struct line *l)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    path[n > 0 ? n : 0] = '\0';
    line_add_two(l, n > 0 ? path : "kith", "rank");
    if (r->tag)
        line_add(l, "--tag");
    if (r->survives)
        line_add(l, "--watch");
    line_add(l, "--");
}

/* 1: rank 0 alone runs main, and all others serve it. Where all run main each needs all. */
static int has_head(const char *name)
{
    char path[PATH_MAX];

    return program_find(name, path) == 0 && program_imports(path, "kith_init") &&
           !program_imports(path, "kith_init_ranks");
}

static int can_survive(const struct mpi *m)
{
    return m->kind == OPEN_MPI && m->major < 5;
}

/* What goes on without a rank has to be kith's own: a program of MPI alone would wait for that rank for ever.
 */
static int survives_loss(const struct request *r, const struct mpi *m)
{
    if (!can_survive(m) || r->on_loss == LOSS_END || !request_is_remote(r))
        return 0;
    return r->on_loss == LOSS_GO_ON || ((r->batch || r->hosts.count > 1) && has_head(r->program[0]));
}

static int check_on_loss(const struct request *r, const struct mpi *m)
{
    if (r->on_loss != LOSS_GO_ON || can_survive(m))
        return 0;
    log_line("--on-loss go-on: %s %s ends a job that has lost a host: this needs Open MPI 4",
             m->kind == MPICH ? "MPICH" : "Open MPI", m->version);
    return -1;
}

/* Workers write it, see lib/pool/joblog.h. It begins anew with each job. */
static int begin_joblog(struct request *r, struct line *l)
{
    char directory[PATH_MAX] = "", path[2 * PATH_MAX];
    int fd;

    if (*r->joblog != '/' && !getcwd(directory, sizeof directory))
        *directory = '\0';
    snprintf(path, sizeof path, "%s%s%s", directory, *r->joblog == '/' ? "" : "/", r->joblog);
    unsetenv("KITH_JOBLOG"); /* this one counts */
    line_set(l, "KITH_JOBLOG", path);
    if (r->dry_run)
        return 0;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        log_line("--joblog %s: it cannot be written: %s", r->joblog, strerror(errno));
        return -1;
    }
    close(fd);
    return 0;
}

static int make_line(struct request *r, const struct mpi *m, struct line *l)
{
    int rc = check_on_loss(r, m);

    if (rc == 0 && r->joblog)
        rc = begin_joblog(r, l);

    if (rc == 0)
        rc = m->kind == OPEN_MPI ? open_mpi_line(r, m, l) : mpich_line(r, m, l);

    for (size_t i = 0; i < r->extra.count; i++)
        line_add(l, r->extra.words[i]);
    if (r->tag || r->survives)
        add_rank(r, l);
    for (char **word = r->program; *word; word++)
        line_add(l, *word);
    return rc;
}

static int start(struct request *r, const struct mpi *m, const struct line *l)
{
    struct mpirun_messages w;
    int status = runs_here(r) ? program_check(r->program[0]) : 0;

    if (status != 0)
        return status;
    if (check_hosts(r, m) > 0)
        return EXIT_OURS;
    mpirun_messages_init(&w, m, request_is_remote(r));
    status = job_run(m, l, &w, r);
    if (w.unreachable && !w.said && !w.asked)
        explain_unreachable(r, m);
    return status;
}

static int launch(struct request *r)
{
    struct line l = { .count = 0 };
    int status = EXIT_OURS;
    struct mpi m;
    char *text;

    if (is_inside_job() || request_find_hosts(r) < 0 || mpi_find(&m) < 0 || request_find_slots(r) < 0 ||
        check_root(r, &m) < 0)
        return EXIT_OURS;
    r->by_ssh = starts_by_ssh(r);
    r->survives = survives_loss(r, &m);
    if (make_line(r, &m, &l) == 0) {
        text = line_text(&l);
        if (r->dry_run)
            status = puts(text) < 0 ? EXIT_OURS : 0;
        else
            log_info("%s", text);
        free(text);
        if (!r->dry_run)
            status = start(r, &m, &l);
    }
    line_free(&l);
    return status;
}

static int run_main(int argc, char **argv)
{
    struct request r = { .ranks = 0 };
    int at = options_read(request_options, argc, argv, &r), status;

    if (at == OPTIONS_HELP) {
        command_help(&command_run);
        status = 0;
    } else if (at == OPTIONS_WRONG) {
        status = EXIT_OURS;
    } else if (at == argc) {
        log_line("run: a program is missing: kith run %s", command_run.arguments);
        status = EXIT_OURS;
    } else {
        r.program = argv + at;
        status = launch(&r);
    }
    hosts_free(&r.hosts);
    line_free(&r.exports);
    line_free(&r.extra);
    return status;
}

const struct command command_run = { "run", "[OPTION...] [--] PROGRAM [ARGUMENT...]",
                                     "runs a program on its ranks, here or on several hosts", request_options,
                                     run_main };
