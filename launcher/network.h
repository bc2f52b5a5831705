/* network.h: the network that the ranks of a job should take to each other.
 *
 * Open MPI tries every address that a rank has. A bridge of containers has the same one on each host
 * (docker0), and a job whose ranks reach themselves by it waits for ever. */
#ifndef KITH_NETWORK_H
#define KITH_NETWORK_H

#include "hosts.h"

enum { NETWORK_LIST = 512 };

struct network {
    char only[NETWORK_LIST]; /* the network of this machine in which all other hosts have their addresses; "":
                                there is no such */
    char not [NETWORK_LIST]; /* else: those that lead nowhere; "": none is seen */
};

/* The addresses are those that the names stand for here. hosts: those of the job, none when they are not
 * known. */
void network_choose(const struct hosts *hosts, struct network *out);

/* The hosts of a job of Slurm, as scontrol names them. 0; -1: they are not to be had. The caller frees *out
 * by hosts_free. */
int network_slurm_hosts(struct hosts *out);

#endif
