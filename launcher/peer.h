/* peer.h: what kith hosts has run on each host, and how the two talk.
 *
 * kith hosts calls "kith peer" by ssh. That tells of its machine, a line each: cpus, memory, processes,
 * files, address (one for each network), port, token, and at the end ready. It then reads
 *
 *     reach INDEX PORT TOKEN ADDRESS...
 *
 * for some other hosts and then "go", tries to connect to all of these, and says of each "reached INDEX
 * ADDRESS" or "unreached INDEX why", and at the end done. Meanwhile it answers who connects to its own port
 * with its token, until stdin ends: of two machines with the same address each would reach itself else. */
#ifndef KITH_PEER_H
#define KITH_PEER_H

enum {
    PEER_TOKEN = 32,    /* hexadecimal digits */
    PEER_ADDRESSES = 8, /* of a host */
    PEER_OTHERS = 16,   /* hosts that one tries to reach */
    PEER_REACH_MS = 3000,
    PEER_LIFE_S = 4000 /* it ends by itself then: more than the longest --timeout */
};

#endif
