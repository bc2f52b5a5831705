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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kith__address_text(const struct kith__address *p, char text[KITH__ADDRESS_TEXT])
{
    inet_ntop(p->is_v6 ? AF_INET6 : AF_INET, p->address, text, KITH__ADDRESS_TEXT);
}

int kith__net_in(const char *nets, const struct kith__address *p)
{
    char copy[1024], *next = copy, *text;
    struct kith__subnet net;
    int found = 0;

    snprintf(copy, sizeof copy, "%s", nets);
    while ((text = strsep(&next, ","))) {
        if (!kith__subnet_parse(text, &net))
            return kith__fail(KITH_EINVAL,
                              "KITH_NET=\"%s\": give networks as 10.0.0.0/8 or fd00::/8, separated by commas",
                              nets);
        found |= kith__subnet_has(&net, p->is_v6, p->address);
    }
    return found;
}

int kith__net_check_settings(void)
{
    const struct kith__address nowhere = { .is_v6 = 0 };
    const char *nets = kith__env(KITH__ENV_NET);
    int rc = nets ? kith__net_in(nets, &nowhere) : 0;

    return rc < 0 ? rc : 0;
}

/* 1 when *p was filled in with an address that could be reached from elsewhere. */
static int fill(struct kith__address *p, const struct ifaddrs *i)
{
    struct kith__subnet net;

    memset(p, 0, sizeof *p);
    if (!kith__subnet_of(i, &net))
        return 0;
    snprintf(p->interface, sizeof p->interface, "%s", i->ifa_name);
    memcpy(p->address, net.address, sizeof p->address);
    p->is_v6 = (uint8_t)net.is_v6;
    p->prefix = (uint8_t)net.prefix;
    return 1;
}

/* Those of IPv4 first: they are what most clusters' names lead to. */
static int collect(const struct ifaddrs *list, const char *nets, struct kith__address out[KITH__ADDRESSES])
{
    int n = 0;

    for (int v6 = 0; v6 < 2; v6++)
        for (const struct ifaddrs *i = list; i && n < KITH__ADDRESSES; i = i->ifa_next) {
            int in;

            if (!fill(&out[n], i) || out[n].is_v6 != v6)
                continue;
            if ((in = nets ? kith__net_in(nets, &out[n]) : kith__net_is_real("/sys", i->ifa_name)) < 0)
                return in;
            n += in;
        }
    return n;
}

int kith__net_addresses(struct kith__address out[KITH__ADDRESSES])
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

void kith__net_loopback(struct kith__address *out)
{
    memset(out, 0, sizeof *out);
    memcpy(out->address, "\x7f\0\0\1", 4);
    out->prefix = 8;
    memcpy(out->interface, "lo", 2);
}

static int share_subnet(const struct kith__address *a, const struct kith__address *b)
{
    struct kith__subnet net = { .is_v6 = b->is_v6, .prefix = b->prefix };

    memcpy(net.address, b->address, sizeof net.address);
    return a->prefix == b->prefix && kith__subnet_has(&net, a->is_v6, a->address);
}

static int is_same_address(const struct kith__address *a, const struct kith__address *b)
{
    return a->is_v6 == b->is_v6 && memcmp(a->address, b->address, sizeof a->address) == 0;
}

void kith__net_popularity(const struct kith__address *addresses, const int *counts, int nodes, int to,
                          int popularity[KITH__ADDRESSES])
{
    const struct kith__address *own = &addresses[(size_t)to * KITH__ADDRESSES];

    for (int i = 0; i < counts[to]; i++) {
        int twice = 0;

        popularity[i] = 1;
        for (int node = 0; node < nodes; node++)
            for (int k = 0; node != to && k < counts[node]; k++) {
                popularity[i] += share_subnet(&own[i], &addresses[node * KITH__ADDRESSES + k]);
                twice |= is_same_address(&own[i], &addresses[node * KITH__ADDRESSES + k]);
            }
        if (twice)
            popularity[i] = 0;
    }
}

int kith__net_choose(const struct kith__address *addresses, const int *counts, int from, int to,
                     const int popularity[KITH__ADDRESSES])
{
    int best = -1, best_score = -1;

    for (int i = 0; i < counts[to]; i++) {
        int shared = from == to, score;

        for (int k = 0; k < counts[from]; k++)
            shared |=
                share_subnet(&addresses[to * KITH__ADDRESSES + i], &addresses[from * KITH__ADDRESSES + k]);
        score = popularity[i] == 0 ? 0 : shared ? 1 + popularity[i] : 1;
        if (score > best_score) {
            best = i;
            best_score = score;
        }
    }
    return best;
}
