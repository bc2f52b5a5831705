/* weather.h: a network between nodes of one process that loses, delays, repeats, cuts and truncates, with a
 * clock that the test moves. */
#ifndef PROTOCOL_WEATHER_H
#define PROTOCOL_WEATHER_H

#include "net/protocol.h"

enum { NODES = 4 }; /* of the tests of the protocol; the simulation has as many as it likes */

#define ANY_NODE UINT32_MAX

extern struct net {
    int64_t now; /* ns */
    struct {
        int lose, repeat, delay, truncate;
    } weather;                 /* of 1000 frames */
    uint64_t rate;             /* bytes a ms that a node can send; 0: any */
    int64_t busy_until[NODES]; /* with what it has to send; with a rate */
    uint64_t fresh_bytes, resent_bytes;
} net;

/* The connection of two nodes is cut, or is back; b ANY_NODE: all of a. And all are back. */
void cut(uint32_t a, uint32_t b, int yes);
void mend(void);

/* A frame of that node is on its way. */
void transmit(const struct kith__out *out, uint32_t from);

/* Those that are due arrive; when the next one is. And the end of all. */
int64_t land(void (*arrived)(uint32_t from, uint32_t to, const void *bytes, size_t size));
void clear_sky(void);

#endif
