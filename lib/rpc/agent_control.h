/* agent_control.h: what the other processes of a node do with its agent: they start it, tell it whom it can
 * reach, and stop it. The agent itself is in agent/. It is there when the job has several nodes, or for
 * KITH_TRANSPORT=net.
 */
#ifndef KITH_AGENT_CONTROL_H
#define KITH_AGENT_CONTROL_H

#include "net/address.h"
#include "net/transport.h"

#include <stddef.h>
#include <stdint.h>

enum { KITH__CONTACT_VERSION = 5 };

/* How the agent of a node can be reached: what all nodes tell each other, by MPI. Plain bytes. */
struct kith__contact {
    uint32_t version, security; /* enum kith__security */
    uint32_t cpus, workers;     /* as many workers as a pool has there */
    _Atomic uint32_t lost;      /* 1: the agent here has lost that one. Nobody is told */
    int32_t count;              /* of addresses */
    uint64_t job;               /* that of node 0 counts; so does its secret */
    struct kith__address addresses[KITH__ADDRESSES];
    char public_key[KITH__KEY], secret[KITH__SECRET], host[64];
};

/* KITH_EINVAL: KITH_TRANSPORT, KITH_NET_SECURITY, KITH_PORTS or KITH_NET makes no sense, whether an agent is
 * needed or not. */
int kith__agent_check_settings(void);

/* KITH_PORTS=lo-hi, or one port; 0 to 0: any. 0; KITH_EINVAL. */
int kith__agent_read_ports(uint16_t *lo, uint16_t *hi);

/* 1: this job needs agents: it has several nodes, or KITH_TRANSPORT=net. 0; KITH_EINVAL: KITH_TRANSPORT makes
 * no sense. */
int kith__agent_wanted(void);

/* The memory that the agent shares with the others of its node. _start makes it, too. 0; KITH_ENOMEM. */
int kith__agent_make_shared(void);

/* In the first process of a node, when the fork server runs and node and nodes are known: starts the agent,
 * and waits until it listens. With one node it is introduced to itself. KITH_EPEER, KITH_EINVAL, KITH_ENOMEM
 * with a sentence. */
int kith__agent_start(void);

/* This node's contact, to be told to all others; in the arena. */
const void *kith__agent_contact(size_t *size);
struct kith__contact *kith__own_contact(void); /* for the agent, which fills it in */

/* The contacts of all nodes, in order, size of one each as above: from now on the agent talks to them. */
int kith__agent_introduce(const void *contacts, int nodes);

/* 1: that node is lost to this one. */
int kith__agent_has_lost(int node);

/* The name of that node's host; of this one's, where nodes do not know each other. */
const char *kith__agent_host(uint32_t node);

/* The agent says goodbye and ends. On node 0 that is the end of the job: kith__shared->job_over becomes 1 on
 * all others. Waits for some seconds at most. */
int kith__agent_stop(void);

#endif
