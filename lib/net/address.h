/* address.h: at which addresses a node can be reached, and which one another node should take. */
#ifndef KITH_NET_ADDRESS_H
#define KITH_NET_ADDRESS_H

#include "net/subnet.h"
#include "net/transport.h"

#include <stddef.h>
#include <stdint.h>

enum { KITH__ADDRESSES = 8, KITH__ADDRESS_TEXT = 46 };

struct kith__address {           /* plain bytes: it travels in a contact */
    unsigned char address[16];   /* in the order of the network */
    uint8_t is_v6, prefix;       /* bits of the address that name its subnet */
    uint16_t ports[KITH__PORTS]; /* where the agent listens; 0: nowhere */
    char interface[16];
};

void kith__address_text(const struct kith__address *p, char text[KITH__ADDRESS_TEXT]);

int kith__net_check_settings(void); /* KITH_EINVAL: KITH_NET is no list of networks */

/* The addresses of the interfaces that are up, but for the loopback and those of bridges and containers: they
 * have the same address on each node, or lead nowhere. KITH_NET=10.0.0.0/8,fd00::/8 takes those in these nets
 * instead. Their number; KITH_EINVAL (KITH_NET makes no sense), KITH_EPEER (none). */
int kith__net_addresses(struct kith__address out[KITH__ADDRESSES]);
void kith__net_loopback(struct kith__address *out); /* 127.0.0.1, for a single node */

/* 1 when address lies in one of the nets of that list, as KITH_NET has them; 0; KITH_EINVAL. */
int kith__net_in(const char *nets, const struct kith__address *p);

/* For each address of node to: in how many nodes' contacts its subnet is; 0 when two have the same address in
 * it. count of all addresses and number of them of each node are at [node * KITH__ADDRESSES] and [node]. */
void kith__net_popularity(const struct kith__address *addresses, const int *counts, int nodes, int to,
                          int popularity[KITH__ADDRESSES]);

/* Which address of node to node from should take: one in a subnet that they share, of these the one that most
 * share; else the first that is nobody else's. -1: to has none. */
int kith__net_choose(const struct kith__address *addresses, const int *counts, int from, int to,
                     const int popularity[KITH__ADDRESSES]);

#endif
