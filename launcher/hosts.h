/* hosts.h: the hosts that a job may use, and how many ranks on each: from a hostfile or from --host.
 *
 * It understands the hostfiles of Open MPI (node1 slots=4 max_slots=8) and of MPICH (node1:4), ranges as
 * Slurm writes them (node[1-4] slots=4), and lists of batch systems that repeat a host for each of its slots.
 */
#ifndef KITH_HOSTS_H
#define KITH_HOSTS_H

#include <stddef.h>

enum {
    HOST_NAME = 255,
    HOST_SLOTS = 1000000
}; /* the longest name; the most slots of a host, and of all together */

struct host {
    char *name;
    char *user;    /* to log in as; NULL: nobody said */
    int slots;     /* 0: nobody said */
    int max_slots; /* no more than so many ranks, not even when asked; 0: no limit */
    int bare;      /* mentions without slots */
    int line;      /* of the file, where it is mentioned first; 0: not from a file */
};

/* What was seen in it that only one MPI reads in a file of its own. */
enum hosts_form {
    HOSTS_COLON = 1,   /* node1:4, or an address of IPv6 in brackets */
    HOSTS_SLOTS = 2,   /* slots=4 */
    HOSTS_USER = 4,    /* user=ann */
    HOSTS_USER_AT = 8, /* ann@node1 */
    HOSTS_V6 = 16,     /* an address of IPv6 as the name of a host */
    HOSTS_RANGE = 32   /* node[1-4]: neither */
};

struct hosts {
    struct host *all; /* each name once, in the order of the file */
    int count;
    int forms;       /* of enum hosts_form */
    int *buckets;    /* where in all a name is: see find in hosts.c */
    size_t room;     /* of buckets */
    char error[400]; /* after a failure: "hosts.txt:3: slots=x is no number" */
};

/* Each fills h, and returns 0, or -1 with h->error set. hosts_free in both cases. A file or list without any
 * host is an error. */
int hosts_read(struct hosts *h, const char *text, size_t size, const char *file);
int hosts_load(struct hosts *h, const char *path); /* "-" is stdin */
int hosts_list(struct hosts *h, const char *list); /* "node1:4,node2" */
void hosts_free(struct hosts *h);

/* The slots of all; 0 when those of one host are not known. */
int hosts_slots(const struct hosts *h);

#endif
