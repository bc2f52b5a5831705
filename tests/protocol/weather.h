/* weather.h: a network between nodes of one process that loses, delays, repeats, cuts and truncates, with a
 * clock that the test moves. */
#ifndef PROTOCOL_WEATHER_H
#define PROTOCOL_WEATHER_H

#include "net/protocol.h"

enum { NODES = 4 };

extern struct net {
    int64_t now; /* ns */
    struct {
        int lose, repeat, delay, truncate;
    } weather;     /* of 1000 frames */
    uint64_t rate; /* bytes a ms that a node can send; 0: any */
    int cut[NODES][NODES];
    int64_t busy_until[NODES]; /* with what it has to send */
    uint64_t fresh_bytes, resent_bytes;
} net;

/* A frame of that node is on its way. */
void transmit(const struct kith__out *out, uint32_t from);

/* Those that are due arrive; when the next one is. And the end of all. */
int64_t land(void (*arrived)(uint32_t from, uint32_t to, const void *bytes, size_t size));
void clear_sky(void);

#endif
