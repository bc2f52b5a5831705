/* open_mpi.c: the command line for Open MPI's mpirun, 4.0 and newer. */
#include "config.h"
#include "local_host.h"
#include "network.h"
#include "base/env.h"
#include "request.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void add_mca(struct line *l, const char *name, const char *value)
{
    line_add(l, "--mca");
    line_add_two(l, name, value);
}

/* ---- parameters that are set already */

/* name = value, and value is no list of what not to take, which begins with ^ and leaves the choice open. */
static int sets(const char *line, const char *name)
{
    size_t n = strlen(name);

    line += strspn(line, " \t");
    if (strncmp(line, name, n) != 0)
        return 0;
    line += n + strspn(line + n, " \t");
    return *line == '=' && line[1 + strspn(line + 1, " \t")] != '^';
}

static int in_file(const char *path, const char *name)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    int found = 0;

    while (f && !found && getline(&line, &room, f) > 0)
        found = sets(line, name);
    free(line);
    if (f)
        fclose(f);
    return found;
}

/* Has the user, or who keeps this machine, set that parameter? Words of the command line would overrule all.
 */
static int is_set(const struct request *r, const char *name)
{
    const char *home = getenv("HOME");
    char text[4096];

    snprintf(text, sizeof text, "OMPI_MCA_%s", name);
    if (getenv(text))
        return 1;
    for (size_t i = 0; i < r->extra.count; i++)
        if (strcmp(r->extra.words[i], name) == 0)
            return 1;
    snprintf(text, sizeof text, "%s/.openmpi/mca-params.conf", home ? home : "");
    return (home && in_file(text, name)) || in_file("/etc/openmpi/openmpi-mca-params.conf", name);
}

/* ---- hosts */

/* node1:4,node2:*, where * is what mpirun finds there. NULL: no memory. */
static char *host_list(const struct hosts *h)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    for (int i = 0; i < h->count; i++) {
        fprintf(f, "%s%s:", i > 0 ? "," : "", h->all[i].name);
        if (h->all[i].slots > 0)
            fprintf(f, "%d", h->all[i].slots);
        else
            putc('*', f);
    }
    fclose(f);
    return text;
}

/* All hosts in one word, unless it is too long for the kernel or has users or addresses of IPv6, which mpirun
 * takes from a file only. */
static int add_hosts(const struct request *r, const struct mpi *m, struct line *l)
{
    enum { WORD = 100000 };
    char *list = host_list(&r->hosts);
    int needs_file = r->hosts.forms & (HOSTS_USER | HOSTS_USER_AT | HOSTS_V6);

    if (list && strlen(list) < WORD && !needs_file) {
        line_add_two(l, "--host", list);
    } else if (r->hostfile && strcmp(r->hostfile, "-") != 0 &&
               !(r->hosts.forms & (HOSTS_COLON | HOSTS_RANGE))) {
        line_add_two(l, "--hostfile", r->hostfile);
    } else {
        log_line("%s: with user names, IPv6 addresses or so many hosts Open MPI needs a hostfile of lines as "
                 "node1 slots=4, not node1:4 or node[1-4]",
                 r->hostfile ? r->hostfile : "--host");
        free(list);
        return -1;
    }
    free(list);
    if (r->hosts.forms & HOSTS_V6 && m->major < 5 && !is_set(r, "regx"))
        add_mca(l, "regx", "naive"); /* its others take host names apart, and do not know colons */
    return 0;
}

/* ---- where ranks run */

static int has_cpus_each(const char *map_by)
{
    return map_by && (strcasestr(map_by, "PE=") != NULL);
}

/* Slots that nobody wrote down are CPUs, as kith counts them; mpirun would count cores. */
static int counts_cpus(const struct request *r)
{
    return !r->batch && (r->hosts.count == 0 || r->slots == 0);
}

static void add_mapping(const struct request *r, const struct mpi *m, struct line *l)
{
    line_add(l, "--map-by");
    line_add_format(l, "%s%s%s", r->map_by ? r->map_by : "slot", r->crowded ? ":OVERSUBSCRIBE" : "",
                    m->major >= 5 && counts_cpus(r) ? ":HWTCPUS" : "");
    if (m->major < 5 && counts_cpus(r))
        line_add(l, "--use-hwthread-cpus");
    /* mpirun would bind one or two ranks to a core each, and all that they fork: workers are bound by kith.
     */
    if (r->bind_to)
        line_add_two(l, "--bind-to", r->bind_to);
    else if (!has_cpus_each(r->map_by))
        line_add_two(l, "--bind-to", "none");
}

/* ---- how ranks talk */

/* On one host shared memory is enough, and mpirun need not look for networks: the start takes a third of the
 * time. */
static void add_shared_memory(const struct request *r, const struct mpi *m, struct line *l)
{
    if (is_set(r, "pml") || is_set(r, "btl") || is_set(r, "mtl") || local_host_has_fabric())
        return;
    add_mca(l, "pml", "ob1");
    add_mca(l, "btl", m->major >= 5 ? "self,sm" : "self,vader");
    if (m->major < 5 && !is_set(r, "btl_vader_single_copy_mechanism") && !local_host_has_single_copy())
        add_mca(l, "btl_vader_single_copy_mechanism", "none");
}

/* In a job of Slurm mpirun starts its daemons by srun, which would end them all with the first. */
static void add_recovery(const struct request *r, struct line *l)
{
    line_add(l, "--enable-recovery");
    if (r->batch && strcmp(r->batch, "Slurm") == 0)
        line_set(l, "SLURM_NO_KILL", "set");
}

/* Hosts that somebody has named within a job of Slurm are reached by ssh, with the slots that they were
 * given: by srun they would have those of the job. */
static void leave_slurm(const struct request *r, const struct mpi *m, struct line *l)
{
    static const char *const parts[] = { "ras", "plm" };

    if (m->major >= 5 || r->batch || r->hosts.count == 0 || !getenv("SLURM_JOB_NODELIST"))
        return;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!is_set(r, parts[i]))
            add_mca(l, parts[i], "^slurm");
}

/* A host that is down is noticed after 30 s instead of 500, and the job ends. When it goes on without the
 * host (loss.h), nobody waits for it to be noticed but MPI_Finalize: then after 5 s. */
static void add_keepalive(const struct request *r, const struct mpi *m, struct line *l)
{
    if (r->survives)
        add_recovery(r, l);
    if (m->major >= 5 || is_set(r, "oob_tcp_keepalive_time"))
        return;
    add_mca(l, "oob_tcp_keepalive_time", r->survives ? "2" : "10");
    add_mca(l, "oob_tcp_keepalive_intvl", r->survives ? "1" : "5");
    add_mca(l, "oob_tcp_keepalive_probes", r->survives ? "3" : "4");
}

/* A parameter of Open MPI's network between ranks (btl) and of that between its daemons (oob), where nobody
 * has set one. */
static void add_nets(const struct request *r, const char *what, const char *nets, struct line *l)
{
    static const char *const layers[] = { "btl", "oob" };

    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        char name[40], include[40], exclude[40];

        snprintf(include, sizeof include, "%s_tcp_if_include", layers[i]);
        snprintf(exclude, sizeof exclude, "%s_tcp_if_exclude", layers[i]);
        if (is_set(r, include) || is_set(r, exclude))
            continue;
        snprintf(name, sizeof name, "%s_tcp_if_%s", layers[i], what);
        add_mca(l, name, nets);
    }
}

/* The network that kith would take, too; else without those that lead nowhere. */
static void choose_network(const struct request *r, struct line *l)
{
    const struct hosts *hosts = &r->hosts;
    char without[NETWORK_LIST + 16];
    struct hosts given = { .count = 0 };
    struct network n;

    if (r->batch && strcmp(r->batch, "Slurm") == 0 && network_slurm_hosts(&given) == 0)
        hosts = &given;
    network_choose(hosts, &n);
    hosts_free(&given);
    if (*n.only) {
        add_nets(r, "include", n.only, l);
    } else if (*n.not ) {
        snprintf(without, sizeof without, "127.0.0.0/8,%s", n.not );
        add_nets(r, "exclude", without, l);
    }
}

static int add_network(const struct request *r, struct line *l)
{
    char v4[LOCAL_HOST_NETS], interface[LOCAL_HOST_INTERFACE];
    const char *nets = kith__env(KITH__ENV_NET);

    if (!nets) {
        choose_network(r, l);
        return 0;
    }
    if (local_host_interface(nets, v4, interface) < 0) {
        log_line("KITH_NET=%s: it must be a list of networks, such as 10.0.0.0/8", nets);
        return -1;
    }
    if (*v4) /* it knows no nets of IPv6 */
        add_nets(r, "include", v4, l);
    return 0;
}

/* mpirun hands on its own variables only. The loader's path is for a kith that is not in the system's places.
 */
static void add_environment(struct line *l)
{
    for (char **e = environ; *e; e++) {
        size_t n = strcspn(*e, "=");

        if (strncmp(*e, "KITH_MPIRUN=", 12) == 0 ||
            (strncmp(*e, "KITH_", 5) != 0 && strncmp(*e, "LD_LIBRARY_PATH=", 16) != 0))
            continue;
        line_add(l, "-x");
        line_add_format(l, "%.*s", (int)n, *e);
    }
}

int open_mpi_line(const struct request *r, const struct mpi *m, struct line *l)
{
    line_add(l, m->name);
    if (r->ranks > 0) {
        line_add(l, "-n");
        line_add_format(l, "%ld", r->ranks);
    }
    if (r->hosts.count > 0 && add_hosts(r, m, l) < 0)
        return -1;
    add_mapping(r, m, l);
    leave_slurm(r, m, l);
    if (request_is_remote(r)) {
        add_keepalive(r, m, l);
        if (add_network(r, l) < 0)
            return -1;
        add_environment(l);
        if (r->joblog)
            line_add_two(l, "-x", "KITH_JOBLOG");
    }
    if (!r->batch && r->hosts.count <= 1)
        add_shared_memory(r, m, l);
    if (r->root_allowed)
        line_add(l, "--allow-run-as-root");
    for (size_t i = 0; i < r->exports.count; i++)
        line_add_two(l, "-x", r->exports.words[i]);
    return 0;
}
