/* run.c: kith run: starts a program on its ranks, by the mpirun that there is. */
#include "config.h"
#include "command.h"
#include "container.h"
#include "here.h"
#include "job.h"
#include "kith.h"
#include "reach.h"
#include "request.h"
#include "say.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- options */

static int set_ranks(void *to, const char *value)
{
    struct request *r = to;

    if (option_number(value, 1, HOST_SLOTS, &r->ranks) == 0)
        return 0;
    say("-n %s: it must be a whole number from 1 to %d", value, HOST_SLOTS);
    return -1;
}

static int set_hostfile(void *to, const char *value)
{
    ((struct request *)to)->hostfile = value;
    return 0;
}

static int set_hosts(void *to, const char *value)
{
    ((struct request *)to)->host_list = value;
    return 0;
}

static int set_oversubscribe(void *to, const char *value)
{
    (void)value;
    return (((struct request *)to)->oversubscribe = 1) - 1;
}

static int set_binding(void *to, const char *value)
{
    ((struct request *)to)->bind_to = value;
    return 0;
}

static int set_mapping(void *to, const char *value)
{
    ((struct request *)to)->map_by = value;
    return 0;
}

static int add_export(void *to, const char *value)
{
    size_t n = strcspn(value, "=");

    if (n == 0) {
        say("-x %s: a variable's name must stand before the =", value);
        return -1;
    }
    line_add(&((struct request *)to)->exports, value);
    return 0;
}

static int set_as_root(void *to, const char *value)
{
    (void)value;
    return (((struct request *)to)->as_root = 1) - 1;
}

static int set_dry_run(void *to, const char *value)
{
    (void)value;
    return (((struct request *)to)->dry_run = 1) - 1;
}

static int add_extra(void *to, const char *value)
{
    line_add(&((struct request *)to)->extra, value);
    return 0;
}

static const struct option options[] = {
    { "-n|-np", "N", "number of ranks; default: all slots of the hosts, or the usable CPUs here", set_ranks },
    { "--hostfile|-hostfile|--machinefile|-machinefile|-f", "FILE", "the hosts to use, a line each: node1 slots=4", set_hostfile },
    { "--host|-host|-H", "LIST", "the same in a word: node1:4,node2:4", set_hosts },
    { "--oversubscribe|-oversubscribe", NULL, "more ranks than slots are right", set_oversubscribe },
    { "--bind-to|-bind-to", "WHAT", "bind each rank to a core, numa ...; default: none, as kith binds its workers", set_binding },
    { "--map-by|-map-by", "WHAT", "slot: fill a host, then the next (default); node: go round", set_mapping },
    { "-x", "NAME[=VALUE]", "a variable for all ranks; those that begin with KITH_ go by themselves", add_export },
    { "--allow-run-as-root|-allow-run-as-root", NULL, "run as root although this is no container", set_as_root },
    { "--pass", "WORD", "a word for mpirun as it is; may be repeated", add_extra },
    { "--dry-run", NULL, "print the call of mpirun, and run nothing", set_dry_run },
    { NULL, NULL, NULL, NULL }
};

/* ---- hosts and slots */

/* The batch system whose job this is, which mpirun asks for its hosts. */
static const char *batch_system(void)
{
    static const struct { const char *variable, *name; } systems[] = {
        { "SLURM_JOB_NODELIST", "Slurm" }, { "LSB_JOBID", "LSF" }, { "PE_HOSTFILE", "Grid Engine" }
    };

    for (size_t i = 0; i < sizeof systems / sizeof systems[0]; i++)
        if (getenv(systems[i].variable))
            return systems[i].name;
    return NULL;
}

static int find_hosts(struct request *r)
{
    int rc = 0;

    if (r->hostfile && r->host_list) {
        say("--hostfile and --host: one of them is enough");
        return -1;
    }
    r->batch = r->hostfile || r->host_list ? NULL : batch_system();
    if (!r->batch && !r->host_list && !r->hostfile)
        r->hostfile = getenv("PBS_NODEFILE");   /* not every mpirun was built to ask PBS */
    if (r->host_list)
        rc = hosts_list(&r->hosts, r->host_list);
    else if (r->hostfile)
        rc = hosts_load(&r->hosts, r->hostfile);
    if (rc < 0)
        say("%s", r->hosts.error);
    for (int i = 0; i < r->hosts.count; i++)
        if (r->hosts.all[i].slots == 0 && here_is(r->hosts.all[i].name))
            r->hosts.all[i].slots = kith_usable_cpus();
    return rc;
}

int request_is_remote(const struct request *r)
{
    for (int i = 0; i < r->hosts.count; i++)
        if (!here_is(r->hosts.all[i].name))
            return 1;
    return r->batch != NULL;
}

/* More ranks than slots: each host gets one more in turn, up to its max_slots. -1: they do not fit. */
static int crowd(struct request *r)
{
    long left = r->ranks - r->slots;
    int limited = 0, moved = 1;

    for (int i = 0; i < r->hosts.count; i++)
        limited |= r->hosts.all[i].max_slots > 0;
    if (!limited)
        return 0;
    for (; left > 0 && moved; ) {
        moved = 0;
        for (int i = 0; i < r->hosts.count && left > 0; i++) {
            struct host *h = &r->hosts.all[i];

            if (h->max_slots > 0 && h->slots >= h->max_slots)
                continue;
            h->slots++;
            left--;
            moved = 1;
        }
    }
    if (left > 0)
        say("-n %ld: the hosts take %ld ranks by their max_slots", r->ranks, r->ranks - left);
    return left > 0 ? -1 : 0;
}

static int too_many(const struct request *r)
{
    if (r->hostfile)
        say("-n %ld: %s has %d slots: take -n %d, raise slots= there, or add --oversubscribe", r->ranks, r->hostfile, r->slots,
            r->slots);
    else
        say("-n %ld: --host has %d slots: take -n %d, write more behind the colon, or add --oversubscribe", r->ranks, r->slots,
            r->slots);
    return -1;
}

/* Slots that somebody wrote down are a limit; the CPUs of this machine are only a default. */
static int find_slots(struct request *r)
{
    r->slots = r->hosts.count > 0 ? hosts_slots(&r->hosts) : r->batch ? 0 : kith_usable_cpus();
    r->crowded = r->oversubscribe;
    if (r->slots == 0)
        return 0;                       /* mpirun counts */
    if (r->ranks == 0)
        r->ranks = r->slots;
    r->crowded = r->ranks > r->slots;
    if (!r->crowded)
        return 0;
    if (r->hosts.count > 0)
        return r->oversubscribe ? crowd(r) : too_many(r);
    if (!r->oversubscribe)
        say("-n %ld: more ranks than usable CPUs here (%d): they will take turns", r->ranks, r->slots);
    return 0;
}

/* ---- checks */

/* A rank that calls mpirun makes as many jobs as there are ranks. The first of them says so. */
static int is_inside_job(void)
{
    static const struct { const char *size, *rank; } launchers[] = {
        { "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK" }, { "PMI_SIZE", "PMI_RANK" }, { "SLURM_STEP_NUM_TASKS", "SLURM_PROCID" }
    };

    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
        const char *size = getenv(launchers[i].size), *rank = getenv(launchers[i].rank);

        if (!size || atoi(size) < 2)
            continue;
        if (!rank || atoi(rank) == 0)
            say("run: this is one of %d ranks of a job already: call kith run from a shell, without mpirun or srun", atoi(size));
        return 1;
    }
    return 0;
}

/* Open MPI asks root for a confirmation. Where uid 0 is not the machine's root, or the machine is thrown away, it is given. */
static int check_root(struct request *r, const struct mpi *m)
{
    const char *allow = getenv("OMPI_ALLOW_RUN_AS_ROOT"), *confirm = getenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM");
    const char *contained;

    if (m->kind != OPEN_MPI || geteuid() != 0 || (allow && confirm))
        return 0;
    contained = kith__container();
    r->root_allowed = r->as_root || contained;
    if (!r->root_allowed) {
        say("root: a mistake of a program could harm this machine: run it as another user, or add --allow-run-as-root");
        return -1;
    }
    if (!r->as_root)
        say_info("root: allowed, as this is a container or the like (%s)", contained);
    return 0;
}

static int runs_here(const struct request *r)
{
    for (int i = 0; i < r->hosts.count; i++)
        if (here_is(r->hosts.all[i].name))
            return 1;
    return r->hosts.count == 0;
}

static void say_not_executable(const char *name, int error)
{
    size_t n = strlen(name);

    if (error == EISDIR)
        say("%s: it is a directory, not a program", name);
    else if (n > 2 && strcmp(name + n - 2, ".c") == 0)
        say("%s: it is a source, not a program: cc %s $(pkg-config --cflags --libs kith) -o %.*s", name, name, (int)n - 2, name);
    else
        say("%s: it is not executable: chmod +x %s", name, name);
}

/* The kernel may know more formats than these two by itself (binfmt_misc). */
static int has_more_formats(void)
{
    glob_t found;
    int n = glob("/proc/sys/fs/binfmt_misc/*", GLOB_NOSORT, NULL, &found) == 0 ? (int)found.gl_pathc : 0;

    globfree(&found);
    return n > 2;                       /* register and status are always there */
}

/* 1 when the file begins as a script, or as a program for the kind of machine that kith is for. */
static int is_format(const char *path)
{
    unsigned char own[20], its[20];     /* up to the machine, in an ELF header */
    FILE *f = fopen("/proc/self/exe", "re"), *g = fopen(path, "re");
    int known = !f || !g;               /* a program may be executable and not readable */

    if (!known && fread(own, 1, sizeof own, f) == sizeof own) {
        size_t n = fread(its, 1, sizeof its, g);

        known = (n >= 2 && memcmp(its, "#!", 2) == 0) ||
                (n == sizeof its && memcmp(its, own, 6) == 0 && memcmp(its + 18, own + 18, 2) == 0);
    }
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    return known || has_more_formats();
}

/* 0, or kith's exit status. On other hosts only mpirun can look. */
static int check_program(const char *name)
{
    char path[PATH_MAX], here[PATH_MAX];
    int error;

    if (*name == '\0') {
        say("run: the program's name is empty");
        return EXIT_NOT_FOUND;
    }
    if (program_find(name, path) == 0) {
        if (is_format(path))
            return 0;
        say("%s: it is neither a program for this machine nor a script that begins with #!", name);
        return EXIT_NOT_EXECUTABLE;
    }
    error = errno;
    if (error == EACCES || error == EISDIR) {
        say_not_executable(name, error);
        return EXIT_NOT_EXECUTABLE;
    }
    snprintf(here, sizeof here, "./%s", name);
    if (!strchr(name, '/') && program_find(here, path) == 0)
        say("%s: it is not in PATH; the one in this directory is called ./%s", name, name);
    else if (!strchr(name, '/') && (errno == EACCES || errno == EISDIR))
        say_not_executable(name, errno);
    else
        say("%s: there is no such program%s", name, strchr(name, '/') ? "" : " in PATH");
    return EXIT_NOT_FOUND;
}

/* Somebody who chose another way than ssh knows what is right. */
static int starts_by_ssh(const struct request *r, const struct mpi *m)
{
    static const char *const others[] = {
        "PBS_JOBID", "HYDRA_LAUNCHER", "HYDRA_LAUNCHER_EXEC", "OMPI_MCA_plm", "OMPI_MCA_plm_rsh_agent", "OMPI_MCA_plm_rsh_args"
    };

    (void)m;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (getenv(others[i]))
            return 0;
    for (size_t i = 0; i < r->extra.count; i++)
        if (strstr(r->extra.words[i], "plm") || strstr(r->extra.words[i], "launcher"))
            return 0;
    return r->hosts.count > 0 && !r->batch && request_is_remote(r);
}

/* MPICH's mpiexec waits for ever when ssh does not get in; Open MPI's ends, and then the reason is looked for. */
static int check_hosts(const struct request *r, const struct mpi *m)
{
    if (!starts_by_ssh(r, m))
        return 0;
    if (m->kind == MPICH)
        return reach_hosts(&r->hosts, REACH_LOGIN, "hydra_pmi_proxy");
    return reach_hosts(&r->hosts, REACH_PORT, NULL);
}

static void explain_unreachable(const struct request *r, const struct mpi *m)
{
    if (starts_by_ssh(r, m) && reach_hosts(&r->hosts, REACH_LOGIN, "orted") > 0)
        return;
    say("mpirun: it could not start its part on each host: look for a firewall between them and for other versions than Open MPI %s; "
        "KITH_LOG=debug shows what it says", m->version);
}

/* ---- the command */

static int make_line(struct request *r, const struct mpi *m, struct line *l)
{
    int rc = m->kind == OPEN_MPI ? open_mpi_line(r, m, l) : mpich_line(r, m, l);

    for (size_t i = 0; i < r->extra.count; i++)
        line_add(l, r->extra.words[i]);
    for (char **word = r->program; *word; word++)
        line_add(l, *word);
    return rc;
}

static int start(struct request *r, const struct mpi *m, const struct line *l)
{
    struct words w;
    int status = runs_here(r) ? check_program(r->program[0]) : 0;

    if (status != 0)
        return status;
    if (check_hosts(r, m) > 0)
        return EXIT_OURS;
    words_init(&w, m, request_is_remote(r));
    status = job_run(m, l, &w);
    if (w.unreachable)
        explain_unreachable(r, m);
    return status;
}

static int launch(struct request *r)
{
    struct line l = { .count = 0 };
    int status = EXIT_OURS;
    struct mpi m;
    char *text;

    if (is_inside_job() || find_hosts(r) < 0 || mpi_find(&m) < 0 || find_slots(r) < 0 || check_root(r, &m) < 0)
        return EXIT_OURS;
    if (make_line(r, &m, &l) == 0) {
        text = line_text(&l);
        if (r->dry_run)
            status = puts(text) < 0 ? EXIT_OURS : 0;
        else
            say_info("%s", text);
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
    int at = options_read(options, argc, argv, &r), status;

    if (at == OPTIONS_HELP) {
        command_help(&command_run);
        status = 0;
    } else if (at == OPTIONS_WRONG) {
        status = EXIT_OURS;
    } else if (at == argc) {
        say("run: a program is missing: kith run %s", command_run.arguments);
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

const struct command command_run = {
    "run", "[OPTION...] [--] PROGRAM [ARGUMENT...]", "runs a program on its ranks, here or on several hosts", options, run_main
};
