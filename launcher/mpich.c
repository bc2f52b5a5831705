/* mpich.c: the command line for MPICH's mpiexec.hydra. It knows no limit of ranks on a host, and no trouble
 * with root. */
#include "config.h"
#include "local_host.h"
#include "base/env.h"
#include "request.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ranks fill a host up to its number, then the next; with 1 behind each they go round. A host whose number
 * only mpirun could know has 1 with this one. */
static int add_hosts(const struct request *r, int go_round, struct line *l)
{
    char *text = NULL;
    size_t size;
    FILE *f;

    if (r->hosts.forms & HOSTS_V6) {
        log_line("%s: MPICH takes no IPv6 addresses: give the hosts names, in /etc/hosts for example",
                 r->hostfile ? r->hostfile : "--host");
        return -1;
    }
    if (r->hosts.forms & (HOSTS_USER | HOSTS_USER_AT)) {
        if (!r->hostfile || strcmp(r->hostfile, "-") == 0 || go_round ||
            (r->hosts.forms & (HOSTS_SLOTS | HOSTS_USER_AT | HOSTS_RANGE))) {
            log_line("%s: for user names MPICH needs a hostfile with lines such as node1:4 user=ann",
                     r->hostfile ? r->hostfile : "--host");
            return -1;
        }
        line_add_two(l, "-f", r->hostfile);
        return 0;
    }
    f = open_memstream(&text, &size);
    for (int i = 0; f && i < r->hosts.count; i++)
        fprintf(f, "%s%s:%d", i > 0 ? "," : "", r->hosts.all[i].name,
                go_round || r->hosts.all[i].slots == 0 ? 1 : r->hosts.all[i].slots);
    if (f)
        fclose(f);
    if (text)
        line_add_two(l, "-hosts", text);
    free(text);
    return 0;
}

static int add_network(struct line *l)
{
    char v4[LOCAL_HOST_NETS], interface[LOCAL_HOST_INTERFACE];
    const char *nets = kith__env(KITH__ENV_NET);
    int found;

    if (!nets)
        return 0;
    found = local_host_interface(nets, v4, interface);
    if (found < 0)
        log_line("KITH_NET=%s: it must be a list of networks, such as 10.0.0.0/8", nets);
    else if (!found)
        log_line("KITH_NET=%s: this machine has no address there", nets);
    else
        line_add_two(l, "-iface", interface);
    return found > 0 ? 0 : -1;
}

/* All variables go to all ranks anyway, so one without a value needs no word. */
static void add_exports(const struct request *r, struct line *l)
{
    for (size_t i = 0; i < r->exports.count; i++) {
        const char *word = r->exports.words[i], *value = strchr(word, '=');

        if (!value)
            continue;
        line_add(l, "-genv");
        line_add_format(l, "%.*s", (int)(value - word), word);
        line_add(l, value + 1);
    }
}

int mpich_line(const struct request *r, const struct mpi *m, struct line *l)
{
    int go_round = r->map_by && strcmp(r->map_by, "node") == 0;

    if (r->map_by && !go_round && strcmp(r->map_by, "slot") != 0) {
        log_line("--map-by %s: with MPICH it is slot (fill a host, then the next) or node (go round)",
                 r->map_by);
        return -1;
    }
    line_add(l, m->name);
    if (r->ranks > 0) {
        line_add(l, "-n");
        line_add_format(l, "%ld", r->ranks);
    }
    if (r->hosts.count > 0 && add_hosts(r, go_round, l) < 0)
        return -1;
    if (r->bind_to)
        line_add_two(l, "-bind-to", r->bind_to);
    if (request_is_remote(r) && add_network(l) < 0)
        return -1;
    add_exports(r, l);
    return 0;
}
