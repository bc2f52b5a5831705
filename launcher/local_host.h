/* local_host.h: what kith run has to know about this machine. */
#ifndef KITH_LOCAL_HOST_H
#define KITH_LOCAL_HOST_H

/* 1 when name is surely this machine: localhost, its own name, one of its addresses as a number. No name is
 * looked up, so another name of it gives 0. */
int local_host_is(const char *name);

/* 1 when the socket address is one of this machine's. */
struct sockaddr;
int local_host_has_address(const struct sockaddr *address);

/* 1 when there is a device of a fast network (InfiniBand and RoCE, Omni-Path, Slingshot). */
int local_host_has_fabric(void);

/* 1 when processes of one user may read each other's memory with one copy, as Open MPI does. Some containers
 * forbid it. */
int local_host_has_single_copy(void);

/* The interface that has an address in one of the nets "10.0.0.0/8,192.168.1.0/24": 1, and its name; 0 when
 * there is none; -1 when nets makes no sense. v4 gets those of the nets that are no IPv6 ones, in the same
 * form. */
enum { LOCAL_HOST_INTERFACE = 16, LOCAL_HOST_NETS = 256 };
int local_host_interface(const char *nets, char v4[LOCAL_HOST_NETS], char name[LOCAL_HOST_INTERFACE]);

#endif
