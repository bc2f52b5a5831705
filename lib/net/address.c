/* address.c: see address.h.
 *
 * A docker0 with the same address on every node makes programs that try each address hang for ever; so a
 * subnet counts only when no two nodes have the same address in it, and bridges are left out from the start.
 * The type veth tells nothing: the only interface of a container is one, and so may be that of a node.
 */
#include "config.h"
#include "net/address.h"
#include "base/env.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void kith__place_text(const struct kith__place *p, char text[KITH__ADDRESS_TEXT])
{
    inet_ntop(p->is_v6 ? AF_INET6 : AF_INET, p->address, text, KITH__ADDRESS_TEXT);
}

static int bits_of(const unsigned char *mask, int bytes)
{
    int bits = 0;

    while (bits < bytes * 8 && mask[bits / 8] & 0x80 >> bits % 8)
        bits++;
    return bits;
}

static int is_within(const unsigned char *address, const unsigned char *net, int prefix)
{
    int whole = prefix / 8, rest = prefix % 8;

    return memcmp(address, net, (size_t)whole) == 0 &&
           (rest == 0 || (address[whole] ^ net[whole]) >> (8 - rest) == 0);
}

static int parse_net(char *text, unsigned char net[16], int *is_v6, int *prefix)
{
    char *slash = strchr(text, '/'), *end;

    if (!slash)
        return 0;
    *slash = '\0';
    *is_v6 = strchr(text, ':') != NULL;
    *prefix = (int)strtol(slash + 1, &end, 10);
    return end != slash + 1 && *end == '\0' && *prefix >= 0 && *prefix <= (*is_v6 ? 128 : 32) &&
           inet_pton(*is_v6 ? AF_INET6 : AF_INET, text, net) == 1;
}

int kith__net_in(const char *nets, const struct kith__place *p)
{
    char copy[1024], *next = copy, *text;
    unsigned char net[16];
    int is_v6, prefix, found = 0;

    snprintf(copy, sizeof copy, "%s", nets);
    while ((text = strsep(&next, ","))) {
        if (!parse_net(text, net, &is_v6, &prefix))
            return kith__fail(KITH_EINVAL,
                              "KITH_NET=\"%s\": give networks as 10.0.0.0/8 or fd00::/8, with commas between",
                              nets);
        found |= is_v6 == p->is_v6 && is_within(p->address, net, prefix);
    }
    return found;
}

int kith__net_check_settings(void)
{
    const struct kith__place nowhere = { .is_v6 = 0 };
    const char *nets = kith__env(KITH__ENV_NET);
    int rc = nets ? kith__net_in(nets, &nowhere) : 0;

    return rc < 0 ? rc : 0;
}

static int has(const char *sysfs, const char *name, const char *what)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/class/net/%s/%s", sysfs, name, what);
    return access(path, F_OK) == 0;
}

int kith__net_is_real(const char *sysfs, const char *name)
{
    static const char *const containers[] = { "docker",  "br-",  "virbr",  "veth",  "lxc",   "lxdbr",  "cni",
                                              "flannel", "cali", "podman", "kube-", "vmnet", "vboxnet" };

    for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++)
        if (strncmp(name, containers[i], strlen(containers[i])) == 0)
            return 0;
    return !has(sysfs, name, "bridge") && !has(sysfs, name, "brport");
}

/* 1 when *p was filled in with an address that could be reached from elsewhere. */
static int fill(struct kith__place *p, const struct ifaddrs *i)
{
    memset(p, 0, sizeof *p);
    if (!i->ifa_addr || !i->ifa_netmask || !(i->ifa_flags & IFF_UP) || i->ifa_flags & IFF_LOOPBACK)
        return 0;
    snprintf(p->interface, sizeof p->interface, "%s", i->ifa_name);
    if (i->ifa_addr->sa_family == AF_INET) {
        memcpy(p->address, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, 4);
        p->prefix = (uint8_t)bits_of(
            (const unsigned char *)&((const struct sockaddr_in *)(const void *)i->ifa_netmask)->sin_addr, 4);
        return 1;
    }
    if (i->ifa_addr->sa_family != AF_INET6)
        return 0;
    p->is_v6 = 1;
    memcpy(p->address, &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr, 16);
    p->prefix =
        (uint8_t)bits_of(((const struct sockaddr_in6 *)(const void *)i->ifa_netmask)->sin6_addr.s6_addr, 16);
    return !(p->address[0] == 0xfe &&
             (p->address[1] & 0xc0) == 0x80); /* link-local: means nothing without its interface */
}

/* Those of IPv4 first: they are what most clusters' names lead to. */
static int collect(const struct ifaddrs *list, const char *nets, struct kith__place out[KITH__PLACES])
{
    int n = 0;

    for (int v6 = 0; v6 < 2; v6++)
        for (const struct ifaddrs *i = list; i && n < KITH__PLACES; i = i->ifa_next) {
            int in;

            if (!fill(&out[n], i) || out[n].is_v6 != v6)
                continue;
            if ((in = nets ? kith__net_in(nets, &out[n]) : kith__net_is_real("/sys", i->ifa_name)) < 0)
                return in;
            n += in;
        }
    return n;
}

int kith__net_addresses(struct kith__place out[KITH__PLACES])
{
    const char *nets = kith__env(KITH__ENV_NET);
    struct ifaddrs *list;
    int n;

    if (getifaddrs(&list) < 0)
        return kith__fail_errno(KITH_EPEER, "cannot list the network interfaces");
    n = collect(list, nets, out);
    freeifaddrs(list);
    if (n == 0 && nets)
        return kith__fail(KITH_EPEER, "no interface of this node has an address in KITH_NET=\"%s\"", nets);
    if (n == 0)
        return kith__fail(KITH_EPEER, "no network interface of this node is up, but for bridges and those of "
                                      "containers; KITH_NET can choose one of these");
    return n;
}

void kith__net_loopback(struct kith__place *out)
{
    memset(out, 0, sizeof *out);
    memcpy(out->address, "\x7f\0\0\1", 4);
    out->prefix = 8;
    memcpy(out->interface, "lo", 2);
}

static int share_subnet(const struct kith__place *a, const struct kith__place *b)
{
    return a->is_v6 == b->is_v6 && a->prefix == b->prefix && is_within(a->address, b->address, a->prefix);
}

static int is_same_address(const struct kith__place *a, const struct kith__place *b)
{
    return a->is_v6 == b->is_v6 && memcmp(a->address, b->address, sizeof a->address) == 0;
}

void kith__net_popularity(const struct kith__place *places, const int *counts, int nodes, int to,
                          int popularity[KITH__PLACES])
{
    const struct kith__place *own = &places[to * KITH__PLACES];

    for (int i = 0; i < counts[to]; i++) {
        int twice = 0;

        popularity[i] = 1;
        for (int node = 0; node < nodes; node++)
            for (int k = 0; node != to && k < counts[node]; k++) {
                popularity[i] += share_subnet(&own[i], &places[node * KITH__PLACES + k]);
                twice |= is_same_address(&own[i], &places[node * KITH__PLACES + k]);
            }
        if (twice)
            popularity[i] = 0;
    }
}

int kith__net_choose(const struct kith__place *places, const int *counts, int from, int to,
                     const int popularity[KITH__PLACES])
{
    int best = -1, best_score = -1;

    for (int i = 0; i < counts[to]; i++) {
        int shared = from == to, score;

        for (int k = 0; k < counts[from]; k++)
            shared |= share_subnet(&places[to * KITH__PLACES + i], &places[from * KITH__PLACES + k]);
        score = popularity[i] == 0 ? 0 : shared ? 1 + popularity[i] : 1;
        if (score > best_score) {
            best = i;
            best_score = score;
        }
    }
    return best;
}
