/* subnet.c: see subnet.h. */
#include "config.h"
#include "net/subnet.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_within(const unsigned char *address, const unsigned char *net, int prefix)
{
    int whole = prefix / 8, rest = prefix % 8;

    return memcmp(address, net, (size_t)whole) == 0 &&
           (rest == 0 || (address[whole] ^ net[whole]) >> (8 - rest) == 0);
}

int kith__subnet_has(const struct kith__subnet *net, int is_v6, const unsigned char *address)
{
    return is_v6 == net->is_v6 && is_within(address, net->address, net->prefix);
}

int kith__subnet_parse(const char *text, struct kith__subnet *out)
{
    const char *slash = strchr(text, '/');
    char address[INET6_ADDRSTRLEN], *end;
    long prefix;

    memset(out, 0, sizeof *out);
    if (!slash || (size_t)(slash - text) >= sizeof address || slash[1] < '0' || slash[1] > '9')
        return 0;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    out->is_v6 = strchr(address, ':') != NULL;
    prefix = strtol(slash + 1, &end, 10);
    if (*end != '\0' || prefix > (out->is_v6 ? 128 : 32))
        return 0;
    out->prefix = (int)prefix;
    return inet_pton(out->is_v6 ? AF_INET6 : AF_INET, address, out->address) == 1;
}

void kith__subnet_text(const struct kith__subnet *net, char text[KITH__SUBNET_TEXT])
{
    unsigned char bytes[16];
    size_t used;

    for (int i = 0; i < 16; i++) {
        int bits = net->prefix - i * 8;

        bytes[i] = bits >= 8   ? net->address[i]
                   : bits <= 0 ? 0
                               : (unsigned char)(net->address[i] & 0xff00 >> bits);
    }
    inet_ntop(net->is_v6 ? AF_INET6 : AF_INET, bytes, text, KITH__SUBNET_TEXT);
    used = strlen(text);
    snprintf(text + used, KITH__SUBNET_TEXT - used, "/%d", net->prefix);
}

static int bits_of(const unsigned char *mask, int bytes)
{
    int bits = 0;

    while (bits < bytes * 8 && mask[bits / 8] & 0x80 >> bits % 8)
        bits++;
    return bits;
}

const unsigned char *kith__address_bytes(const struct sockaddr *a, int *count)
{
    const void *p = a;

    *count = a->sa_family == AF_INET ? 4 : 16;
    if (a->sa_family == AF_INET)
        return (const unsigned char *)&((const struct sockaddr_in *)p)->sin_addr;
    if (a->sa_family == AF_INET6)
        return (const unsigned char *)&((const struct sockaddr_in6 *)p)->sin6_addr;
    return NULL;
}

static int is_link_local(const struct kith__subnet *net)
{
    return net->is_v6 && net->address[0] == 0xfe && (net->address[1] & 0xc0) == 0x80;
}

int kith__subnet_of(const struct ifaddrs *interface, struct kith__subnet *out)
{
    const struct sockaddr *a = interface->ifa_addr, *mask = interface->ifa_netmask;
    const unsigned char *bytes;
    int count;

    memset(out, 0, sizeof *out);
    if (!a || !mask || !(bytes = kith__address_bytes(a, &count)) || !(interface->ifa_flags & IFF_UP) ||
        interface->ifa_flags & IFF_LOOPBACK)
        return 0;
    out->is_v6 = a->sa_family == AF_INET6;
    memcpy(out->address, bytes, (size_t)count);
    if (mask->sa_family == a->sa_family)
        out->prefix = bits_of(kith__address_bytes(mask, &count), count);
    return !is_link_local(out); /* that means nothing without its interface */
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
