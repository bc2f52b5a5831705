/* request.c: see request.h. */
#include "config.h"
#include "request.h"
#include "local_host.h"
#include "kith.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

/* ---- options */

static int set_ranks(void *to, const char *value)
{
    struct request *r = to;

    if (option_number(value, 1, HOST_SLOTS, &r->ranks) == 0)
        return 0;
    log_line("-n %s: it must be a whole number from 1 to %d", value, HOST_SLOTS);
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
        log_line("-x %s: a variable's name must stand before the =", value);
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

static int set_tag(void *to, const char *value)
{
    (void)value;
    return (((struct request *)to)->tag = 1) - 1;
}

static int set_joblog(void *to, const char *value)
{
    ((struct request *)to)->joblog = value;
    return 0;
}

static int set_on_loss(void *to, const char *value)
{
    struct request *r = to;

    r->on_loss = strcmp(value, "end") == 0 ? LOSS_END : strcmp(value, "go-on") == 0 ? LOSS_GO_ON : LOSS_AUTO;
    if (r->on_loss != LOSS_AUTO)
        return 0;
    log_line("--on-loss %s: it must be end or go-on", value);
    return -1;
}

static int add_extra(void *to, const char *value)
{
    line_add(&((struct request *)to)->extra, value);
    return 0;
}

const struct option request_options[] = {
    { "-n|-np", "N", "number of ranks; default: all slots of the hosts, or the usable CPUs here", set_ranks },
    { "--hostfile|-hostfile|--machinefile|-machinefile|-f", "FILE",
      "the hosts to use, a line each: node1 slots=4, or node[1-4] slots=4", set_hostfile },
    { "--host|-host|-H", "LIST", "the same in a word: node1:4,node2:4, or node[1-2]:4", set_hosts },
    { "--oversubscribe|-oversubscribe", NULL, "allow more ranks than slots", set_oversubscribe },
    { "--bind-to|-bind-to", "WHAT",
      "bind each rank to a core, numa ...; default: none, as kith binds its workers", set_binding },
    { "--map-by|-map-by", "WHAT", "slot: fill a host, then the next (default); node: go round", set_mapping },
    { "-x", "NAME[=VALUE]", "a variable for all ranks; those that begin with KITH_ are always passed",
      add_export },
    { "--allow-run-as-root|-allow-run-as-root", NULL, "run as root outside a container, too", set_as_root },
    { "--pass", "WORD", "a word for mpirun as it is; may be repeated", add_extra },
    { "--tag|-tag", NULL, "put rank and host before each line of output", set_tag },
    { "--joblog", "FILE", "write a line there for each range of tasks that a worker has run", set_joblog },
    { "--on-loss", "WHAT",
      "when a host is lost: end the job, or go-on without it; default: go-on, if the program can",
      set_on_loss },
    { "--dry-run", NULL, "print the call of mpirun, and run nothing", set_dry_run },
    { NULL, NULL, NULL, NULL }
};

/* ---- hosts and slots */

/* The batch system whose job this is, which mpirun asks for its hosts. */
static const char *batch_system(void)
{
    static const struct {
        const char *variable, *name;
    } systems[] = { { "SLURM_JOB_NODELIST", "Slurm" },
                    { "LSB_JOBID", "LSF" },
                    { "PE_HOSTFILE", "Grid Engine" } };

    for (size_t i = 0; i < sizeof systems / sizeof systems[0]; i++)
        if (getenv(systems[i].variable))
            return systems[i].name;
    return NULL;
}

int request_find_hosts(struct request *r)
{
    int rc = 0;

    if (r->hostfile && r->host_list) {
        log_line("--hostfile and --host: one of them is enough");
        return -1;
    }
    r->batch = r->hostfile || r->host_list ? NULL : batch_system();
    if (!r->batch && !r->host_list && !r->hostfile)
        r->hostfile = getenv("PBS_NODEFILE"); /* not every mpirun was built to ask PBS */
    if (r->host_list)
        rc = hosts_list(&r->hosts, r->host_list);
    else if (r->hostfile)
        rc = hosts_load(&r->hosts, r->hostfile);
    if (rc < 0)
        log_line("%s", r->hosts.error);
    for (int i = 0; i < r->hosts.count; i++)
        if (r->hosts.all[i].slots == 0 && local_host_is(r->hosts.all[i].name))
            r->hosts.all[i].slots = kith_usable_cpus();
    return rc;
}

int request_is_remote(const struct request *r)
{
    for (int i = 0; i < r->hosts.count; i++)
        if (!local_host_is(r->hosts.all[i].name))
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
    for (; left > 0 && moved;) {
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
        log_line("-n %ld: the hosts take %ld ranks by their max_slots", r->ranks, r->ranks - left);
    return left > 0 ? -1 : 0;
}

static int too_many(const struct request *r)
{
    if (r->hostfile)
        log_line("-n %ld: %s has %d slots: take -n %d, raise slots= there, or add --oversubscribe", r->ranks,
                 r->hostfile, r->slots, r->slots);
    else
        log_line(
            "-n %ld: --host has %d slots: take -n %d, write more after the colon, or add --oversubscribe",
            r->ranks, r->slots, r->slots);
    return -1;
}

/* Slots that somebody wrote down are a limit; the CPUs of this machine are only a default. */
int request_find_slots(struct request *r)
{
    r->slots = r->hosts.count > 0 ? hosts_slots(&r->hosts) : r->batch ? 0 : kith_usable_cpus();
    r->crowded = r->oversubscribe;
    if (r->slots == 0)
        return 0; /* mpirun counts */
    if (r->ranks == 0)
        r->ranks = r->slots;
    r->crowded = r->ranks > r->slots;
    if (!r->crowded)
        return 0;
    if (r->hosts.count > 0)
        return r->oversubscribe ? crowd(r) : too_many(r);
    if (!r->oversubscribe)
        log_line("-n %ld: more ranks than usable CPUs here (%d): they will take turns", r->ranks, r->slots);
    return 0;
}
