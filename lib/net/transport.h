/* transport.h: what the node agent needs of a network: a table of functions, so that the library that has
 * them is loaded only when there is a network, and a test can put another in its place.
 *
 * A wire is one agent's end of it: it listens, and has connections to its peers, one for each lane.
 * Connections carry frames one way, whole or not at all; they may be cut and come back. Who comes in is one
 * of those that were admitted, and known by number; until _open_door all wait outside. Nothing here waits.
 */
#ifndef KITH_NET_TRANSPORT_H
#define KITH_NET_TRANSPORT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KITH__KEY = 41,
    KITH__SECRET = 33,
    KITH__PORTS = 2,
    KITH__TRANSPORT_VERSION = 3
}; /* texts with their end */

enum kith__security { KITH__CURVE, KITH__PLAIN };

struct kith__wire_config {
    uint32_t node, nodes;
    enum kith__security security;
    char secret[KITH__SECRET]; /* of the job, for PLAIN */
    char public_key[KITH__KEY], secret_key[KITH__KEY];
    uint32_t frame_most, lanes;
    int cut_ms; /* a connection whose other end does not answer for so long is cut */
};

struct kith__wire;

/* Functions that return int: 0 or more, or -1 and why() says why. */
struct kith__transport {
    uint32_t version;
    int (*key_pair)(char public_key[KITH__KEY], char secret_key[KITH__KEY]);
    struct kith__wire *(*open)(const struct kith__wire_config *config); /* NULL: why() */

    /* Listens at address, a number of IPv4 or IPv6, at ports in [lo, hi] or, for 0, any: one for lane 0, and
     * one for the others. Where only one is free it is said again, and all come there. Again for more
     * addresses. */
    int (*listen)(struct kith__wire *w, const char *address, uint16_t lo, uint16_t hi,
                  uint16_t ports[KITH__PORTS]);
    int (*unlisten)(struct kith__wire *w, const char *address, const uint16_t ports[KITH__PORTS]);

    void (*admit)(struct kith__wire *w, uint32_t peer, const char *public_key);
    void (*set_secret)(struct kith__wire *w, const char *secret);
    void (*open_door)(struct kith__wire *w);
    int (*reach)(struct kith__wire *w, uint32_t peer, const char *address, const uint16_t ports[KITH__PORTS],
                 const char *public_key);
    int (*is_connected)(struct kith__wire *w, uint32_t peer);
    void (*forget)(struct kith__wire *w, uint32_t peer, int linger_ms); /* ends the connections to it */

    /* 1; 0: not now (no connection yet); -1. */
    int (*send)(struct kith__wire *w, uint32_t peer, uint32_t lane, const void *head, size_t head_size,
                const void *body, size_t body_size);

    /* The next frame that came in: its size, and *frame until the next call; 0: none now. */
    size_t (*receive)(struct kith__wire *w, uint32_t *peer, const void **frame);

    /* What to poll for, before the next receive, and the next send where one gave 0. Their number. */
    int (*fds)(struct kith__wire *w, struct pollfd *fds, int room);
    /* What poll has said of all of them. It is not necessary, but each that has nothing is not asked itself.
     */
    void (*polled)(struct kith__wire *w, const struct pollfd *fds);
    uint64_t (*refused)(const struct kith__wire *w); /* strangers, so far */
    void (*close)(struct kith__wire *w, int linger_ms);
    const char *(*why)(void);
};

/* The symbol that a module has: struct kith__transport kith_net_transport. */

#endif
