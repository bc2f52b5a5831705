/* network.c: see network.h. */
#include "config.h"
#include "network.h"
#include "capture.h"
#include "local_host.h"
#include "net/subnet.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LOOKED_AT = 32, NETS = 32, SCONTROL_MS = 3000 };

struct nets {
    int count;
    struct kith__subnet all[NETS];
};

/* Those of this machine, of IPv4: Open MPI does not choose among others. real: that may lead to other hosts,
 * or that do not. */
static void collect(const struct ifaddrs *list, int real, struct nets *out)
{
    out->count = 0;
    for (const struct ifaddrs *i = list; i && out->count < NETS; i = i->ifa_next) {
        struct kith__subnet *net = &out->all[out->count];

        if (kith__subnet_of(i, net) && !net->is_v6 && kith__net_is_real("/sys", i->ifa_name) == real)
            out->count++;
    }
}

/* The one that has an address of that name; -1: none. */
static int net_of(const struct nets *nets, const char *name)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *all;
    int found = -1;

    if (getaddrinfo(name, NULL, &hints, &all) != 0)
        return -1;
    for (const struct addrinfo *a = all; a && found < 0; a = a->ai_next) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a->ai_addr;

        for (int i = 0; i < nets->count && found < 0; i++)
            if (kith__subnet_has(&nets->all[i], 0, (const unsigned char *)&in->sin_addr))
                found = i;
    }
    freeaddrinfo(all);
    return found;
}

/* The one in which all are; -1. Of many hosts the first tell. */
static int net_of_all(const struct nets *nets, const struct hosts *h)
{
    int found = -1, looked = 0;

    for (int i = 0; i < h->count && looked < LOOKED_AT; i++) {
        int net;

        if (local_host_is(h->all[i].name))
            continue;
        net = net_of(nets, h->all[i].name);
        if (net < 0 || (looked++ > 0 && net != found))
            return -1;
        found = net;
    }
    return found;
}

static void add(char list[NETWORK_LIST], const struct kith__subnet *net)
{
    char text[KITH__SUBNET_TEXT];
    size_t used = strlen(list);

    kith__subnet_text(net, text);
    snprintf(list + used, NETWORK_LIST - used, "%s%s", used ? "," : "", text);
}

void network_choose(const struct hosts *hosts, struct network *out)
{
    struct ifaddrs *list;
    struct nets nets;
    int net;

    memset(out, 0, sizeof *out);
    if (getifaddrs(&list) != 0)
        return;
    collect(list, 1, &nets);
    net = net_of_all(&nets, hosts);
    if (net >= 0)
        add(out->only, &nets.all[net]);
    collect(list, 0, &nets);
    for (int i = 0; net < 0 && i < nets.count && i < 8; i++)
        add(out->not, &nets.all[i]);
    freeifaddrs(list);
}

int network_slurm_hosts(struct hosts *out)
{
    char scontrol[] = "scontrol", show[] = "show", names[] = "hostnames", *text = malloc(1 << 20);
    char *argv[] = { scontrol, show, names, NULL };
    int rc = -1;

    memset(out, 0, sizeof *out);
    if (text && capture(argv, 1, text, 1 << 20, SCONTROL_MS) == 0)
        rc = hosts_read(out, text, strlen(text), "scontrol");
    free(text);
    return rc;
}
