/* line.h: a connection between two ranks that stays open: a socket with messages of one size, and by its end
 * a sign that the other side is gone. */
#ifndef KITH_CONN_H
#define KITH_CONN_H

#include "net/address.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { KITH__CONN_FDS = 8 };

struct kith__note {      /* plain bytes */
    uint32_t kind, rank; /* kind is the business of the two sides */
    int32_t value, unused;
    unsigned char secret[16];
};

/* Inside a machine: a socket without a file, named by a number. The caller closes what it gets. -1 and errno
 * on failure. */
int kith__conn_listen(uint64_t name);
int kith__conn_connect(uint64_t name); /* EAGAIN: too many have come, again later */

/* Between machines. *port: which one it got. */
int kith__conn_listen_tcp(uint16_t *port);
int kith__conn_connect_tcp(const struct kith__address *to, int64_t until_ns);
void kith__conn_keep(int fd); /* a peer that is silent for some seconds counts as gone */

int kith__conn_accept(int listener, int64_t until_ns); /* ETIMEDOUT */

/* The process at the other end as the kernel knows it: its pid here. 0: it is of another user, or in another
 * PID namespace. */
pid_t kith__conn_peer(int fd);

/* 1: done; 0: the other side is gone, or does not read. Async-signal-safe without fds. */
int kith__conn_send(int fd, const struct kith__note *note, const int *fds, int n_fds);

/* 1: there is one; 0: the other side is gone; -1: the time is over. *n_fds: room in, how many out. until_ns
 * of kith__now_ns; < 0: no limit. */
int kith__conn_receive(int fd, struct kith__note *note, int *fds, int *n_fds, int64_t until_ns);

#endif
