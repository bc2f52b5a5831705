/* subnet.h: networks as 10.0.0.0/8, and those of the interfaces of this machine. It needs nothing of kith:
 * the command kith has it, too. */
#ifndef KITH_NET_SUBNET_H
#define KITH_NET_SUBNET_H

#include <stddef.h>

struct ifaddrs;
struct sockaddr;

enum { KITH__SUBNET_TEXT = 64 };

struct kith__subnet {
    int is_v6, prefix; /* bits of the address that name the network */
    unsigned char address[16];
};

/* "10.0.0.0/8", "fd00::/8". 1; 0: it is no network. */
int kith__subnet_parse(const char *text, struct kith__subnet *out);

/* As kith__subnet_parse reads it, without the bits that name a host. */
void kith__subnet_text(const struct kith__subnet *net, char text[KITH__SUBNET_TEXT]);

/* 1 when the address of that family lies in it. */
int kith__subnet_has(const struct kith__subnet *net, int is_v6, const unsigned char *address);

/* The address of an interface, with its network. 0: it is down, the loopback, or has none that means
 * something on another host. */
int kith__subnet_of(const struct ifaddrs *interface, struct kith__subnet *out);

/* The bytes of an IPv4 or IPv6 address, and how many; NULL for other families. */
const unsigned char *kith__address_bytes(const struct sockaddr *a, int *count);

/* 1 when the interface of that name is neither a bridge nor something of containers. sysfs: "/sys". */
int kith__net_is_real(const char *sysfs, const char *name);

#endif
