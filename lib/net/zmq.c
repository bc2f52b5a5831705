/* zmq.c: the transport over ZeroMQ, tcp: the module kith-net.so. See transport.h.
 *
 * Two PULL sockets listen, one for lane 0 and one for the others, and for each peer and lane there is a PUSH
 * socket: frames go one way on a connection, and who wants to say something connects. So it does not matter
 * who comes first, and nobody has two connections for one purpose. What a connection loses the lanes above
 * send again; so nothing lingers, and nothing is queued for a peer that is not connected (IMMEDIATE), or
 * dropped at a high-water mark (there is none: lanes have windows).
 *
 * Each agent has a key pair. Lane 0 is CURVE's, and the ZAP handler (door.h) admits the public keys of the
 * job's agents, nobody else. The user id that it gives is the node's number, which libzmq attaches to each
 * frame: a frame says truly whose it is. The other lanes carry much, so their frames are sealed (seal.h):
 * libzmq knows nothing of that, and who comes in says a password of the two agents first. Where a peer has no
 * port for them, or libcrypto lacks the algorithms, all lanes are CURVE's.
 */
#include "config.h"
#include "net/door.h"
#include "net/seal.h"
#include "net/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    RECONNECT_MS = 100,
    CONNECT_MS = 600,
    HANDSHAKE_MS = 5000,
    EXTRA_MOST = 64, /* bytes that CURVE, or a seal, adds to a frame */
    DOOR_EVERY = 32,
    MESSAGES_IN_A_ROW = 8
};

enum way { MESSAGES, PIECES }; /* each has a port, KITH__PORTS in all, and threads of I/O of its own: */

static const uint64_t threads[KITH__PORTS] = { 1 << 0, 1 << 1 | 1 << 2 };

enum { THREADS = 3, DOOR = KITH__PORTS, SOCKETS }; /* DOOR: of the sockets, in the order of _fds */

struct peer {
    void **lanes;           /* sockets; NULL: not used yet */
    unsigned char *blocked; /* by lane */
    void *monitor;
    int connected, admitted, is_v6;
    char endpoints[KITH__PORTS][96], public_key[KITH__KEY];
    unsigned char raw_key[KITH__SEAL_KEY];
    struct kith__seal *to, *from; /* NULL: not used yet. They stay, as their numbers go on */
};

struct kith__wire {
    struct kith__wire_config c;
    void *context, *door, *in[KITH__PORTS]; /* door: where libzmq asks whom to admit */
    int is_open, has_frame, seals;
    unsigned char public_key[KITH__SEAL_KEY], secret_key[KITH__SEAL_KEY];
    unsigned received; /* frames since somebody looked at the door */
    unsigned row;      /* frames, so far */
    unsigned idle;     /* bits: nothing is there, until all that is was received */
    uint32_t blocked;  /* lanes */
    uint64_t refused;
    zmq_msg_t frame;
    struct peer *peers;
};

static char why_text[256];

static const char *why(void)
{
    return why_text;
}

static int fail(const char *what)
{
    snprintf(why_text, sizeof why_text, "%s: %s", what, zmq_strerror(errno));
    return -1;
}

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int set_text(void *socket, int option, const char *value)
{
    return zmq_setsockopt(socket, option, value, strlen(value));
}

static int key_pair(char public_key[KITH__KEY], char secret_key[KITH__KEY])
{
    if (!zmq_has("curve")) {
        snprintf(why_text, sizeof why_text,
                 "this libzmq was built without CURVE: install one that has it, or set "
                 "KITH_NET_SECURITY=plain on a private network");
        return -1;
    }
    return zmq_curve_keypair(public_key, secret_key) < 0 ? fail("cannot make a key pair") : 0;
}

/* What all sockets to and from peers have in common. */
static void tune(const struct kith__wire *w, void *socket)
{
    int64_t most = w->c.frame_most + EXTRA_MOST;

    set_int(socket, ZMQ_SNDHWM, 0);
    set_int(socket, ZMQ_RCVHWM, 0);
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_IMMEDIATE, 1);
    set_int(socket, ZMQ_TCP_MAXRT, w->c.cut_ms);
    set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
    set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 1);
    set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, 1);
    set_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
}

/* ------------------------------------------------------------------- who is who */

/* Each frame to p, or from p, is sealed by that. NULL: no memory. */
static struct kith__seal *seal(struct kith__wire *w, struct peer *p, int mine)
{
    struct kith__seal **s = mine ? &p->to : &p->from;

    if (!*s)
        *s = kith__seal_new(w->secret_key, mine ? w->public_key : p->raw_key,
                            mine ? p->raw_key : w->public_key, mine);
    return *s;
}

/* 1: frames can be sealed; 0: all that matters goes by CURVE, or nothing is to be encrypted. */
static int can_seal(struct kith__wire *w)
{
    unsigned char sealed[1 + KITH__SEAL_EXTRA];
    struct kith__seal *s;
    int ok;

    if (w->c.security != KITH__CURVE || !zmq_z85_decode(w->public_key, w->c.public_key) ||
        !zmq_z85_decode(w->secret_key, w->c.secret_key))
        return 0;
    s = kith__seal_new(w->secret_key, w->public_key, w->public_key, 1);
    ok = s && kith__seal_close(s, 0, sealed, "", 1, NULL, 0) == 0;
    kith__seal_free(s);
    return ok;
}

static int is_plain(const struct kith__wire *w, enum way way)
{
    return way == PIECES || w->c.security == KITH__PLAIN;
}

static int secure_server(struct kith__wire *w, enum way way)
{
    if (set_text(w->in[way], ZMQ_ZAP_DOMAIN, "kith") < 0)
        return -1;
    if (is_plain(w, way))
        return set_int(w->in[way], ZMQ_PLAIN_SERVER, 1);
    return set_int(w->in[way], ZMQ_CURVE_SERVER, 1) < 0
               ? -1
               : set_text(w->in[way], ZMQ_CURVE_SECRETKEY, w->c.secret_key);
}

static int secure_client(struct kith__wire *w, void *socket, struct peer *p, enum way way)
{
    char number[16];

    if (is_plain(w, way)) {
        if (w->seals && !seal(w, p, 1))
            return -1;
        snprintf(number, sizeof number, "%u", w->c.node);
        return set_text(socket, ZMQ_PLAIN_USERNAME, number) < 0
                   ? -1
                   : set_text(socket, ZMQ_PLAIN_PASSWORD,
                              w->seals ? kith__seal_password(p->to) : w->c.secret);
    }
    if (set_text(socket, ZMQ_CURVE_SERVERKEY, p->public_key) < 0 ||
        set_text(socket, ZMQ_CURVE_PUBLICKEY, w->c.public_key) < 0)
        return -1;
    return set_text(socket, ZMQ_CURVE_SECRETKEY, w->c.secret_key);
}

static int64_t who_has_key(const struct kith__wire *w, const struct kith__caller *c)
{
    for (uint32_t i = 0; c->sizes[0] == KITH__SEAL_KEY && i < w->c.nodes; i++)
        if (w->peers[i].admitted && kith__door_same(w->peers[i].raw_key, c->credentials[0], KITH__SEAL_KEY))
            return i;
    return -1;
}

static int64_t who_has_password(struct kith__wire *w, const struct kith__caller *c)
{
    const char *secret = w->c.secret;
    char *end;
    unsigned long n = strtoul((const char *)c->credentials[0], &end, 10);

    if (c->sizes[0] == 0 || *end != '\0' || n >= w->c.nodes || !w->peers[n].admitted)
        return -1;
    if (w->c.security == KITH__CURVE) {
        if (!w->seals || !seal(w, &w->peers[n], 0))
            return -1;
        secret = kith__seal_password(w->peers[n].from);
    }
    return *secret && c->sizes[1] == strlen(secret) && kith__door_same(secret, c->credentials[1], c->sizes[1])
               ? (int64_t)n
               : -1;
}

/* The number of the node that asks, or -1. libzmq lets in by CURVE, or by PLAIN, as the socket wants. */
static int64_t known(void *wire, const struct kith__caller *c)
{
    struct kith__wire *w = wire;

    if (strcmp(c->mechanism, "CURVE") == 0)
        return w->c.security == KITH__CURVE ? who_has_key(w, c) : -1;
    return strcmp(c->mechanism, "PLAIN") == 0 ? who_has_password(w, c) : -1;
}

/* -------------------------------------------------------------------- sockets */

static void close_socket(void *socket, int linger_ms)
{
    if (!socket)
        return;
    set_int(socket, ZMQ_LINGER, linger_ms);
    zmq_close(socket);
}

static void wire_forget(struct kith__wire *w, uint32_t peer, int linger_ms)
{
    struct peer *p = &w->peers[peer];

    for (uint32_t k = 0; p->lanes && k < w->c.lanes; k++) {
        w->blocked -= p->blocked[k];
        close_socket(p->lanes[k], linger_ms);
    }
    close_socket(p->monitor, 0);
    free(p->lanes);
    free(p->blocked);
    p->lanes = NULL;
    p->blocked = NULL;
    p->monitor = NULL;
    p->connected = 0;
}

static void wire_close(struct kith__wire *w, int linger_ms)
{
    for (uint32_t i = 0; w->peers && i < w->c.nodes; i++)
        wire_forget(w, i, linger_ms);
    if (w->has_frame)
        zmq_msg_close(&w->frame);
    for (int i = 0; i < KITH__PORTS; i++)
        close_socket(w->in[i], 0);
    close_socket(w->door, 0);
    if (w->context)
        zmq_ctx_term(w->context);
    for (uint32_t i = 0; w->peers && i < w->c.nodes; i++) {
        kith__seal_free(w->peers[i].to);
        kith__seal_free(w->peers[i].from);
    }
    free(w->peers);
    free(w);
}

/* The next connections of that socket, made or accepted, are those threads'. */
static void choose_threads(void *socket, enum way way)
{
    zmq_setsockopt(socket, ZMQ_AFFINITY, &threads[way], sizeof threads[way]);
}

static int prepare(struct kith__wire *w)
{
    int sockets = zmq_ctx_get(w->context, ZMQ_SOCKET_LIMIT),
        wanted = 16 + (int)(w->c.nodes * (w->c.lanes + 2));

    zmq_ctx_set(w->context, ZMQ_IO_THREADS, THREADS);
    zmq_ctx_set(w->context, ZMQ_MAX_SOCKETS, wanted < sockets ? wanted : sockets);
    if (!(w->door = kith__door_open(w->context)))
        return fail("cannot make a ZeroMQ socket");
    for (int i = 0; i < KITH__PORTS; i++) {
        if (!(w->in[i] = zmq_socket(w->context, ZMQ_PULL)))
            return fail("cannot make a ZeroMQ socket");
        tune(w, w->in[i]);
        choose_threads(w->in[i], (enum way)i);
        /* Each that has come in and does not say who he is holds a descriptor, and when none is left no peer
         * comes in either. */
        set_int(w->in[i], ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
        if (secure_server(w, (enum way)i) < 0)
            return fail("cannot secure a ZeroMQ socket");
    }
    w->seals = can_seal(w);
    return 0;
}

static struct kith__wire *wire_open(const struct kith__wire_config *config)
{
    struct kith__wire *w = calloc(1, sizeof *w);

    if (!w) {
        fail("cannot open a wire");
        return NULL;
    }
    w->c = *config;
    w->peers = calloc(config->nodes, sizeof *w->peers);
    w->context = zmq_ctx_new();
    if (!w->peers || !w->context || prepare(w) < 0) {
        if (!w->peers || !w->context)
            fail("cannot open a wire");
        wire_close(w, 0);
        return NULL;
    }
    return w;
}

/* Only where it is needed: some systems have no IPv6. */
static int is_v6(const char *address)
{
    return strchr(address, ':') != NULL;
}

static void endpoint(char *to, size_t room, const char *address, const char *port)
{
    snprintf(to, room, is_v6(address) ? "tcp://[%s]:%s" : "tcp://%s:%s", address, port);
}

static void endpoint_of(char *to, size_t room, const char *address, uint16_t number)
{
    char port[8];

    snprintf(port, sizeof port, "%u", number);
    endpoint(to, room, address, port);
}

static int listen_at_one(void *socket, const char *address, uint16_t lo, uint16_t hi, uint16_t *port)
{
    char text[128];
    size_t size = sizeof text;

    if (lo == 0) {
        endpoint(text, sizeof text, address, "*");
        if (zmq_bind(socket, text) < 0 || zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &size) < 0)
            return fail(text);
        *port = (uint16_t)strtoul(strrchr(text, ':') + 1, NULL, 10);
        return 0;
    }
    for (uint32_t n = lo; n <= hi; n++) {
        endpoint_of(text, sizeof text, address, (uint16_t)n);
        if (zmq_bind(socket, text) == 0) {
            *port = (uint16_t)n;
            return 0;
        }
        if (errno != EADDRINUSE && errno != EACCES)
            return fail(text);
    }
    return fail("no free port in KITH_PORTS: widen it, or wait until another job has ended");
}

static int wire_listen(struct kith__wire *w, const char *address, uint16_t lo, uint16_t hi,
                       uint16_t ports[KITH__PORTS])
{
    for (int i = 0; i < KITH__PORTS; i++) {
        set_int(w->in[i], ZMQ_IPV6, is_v6(address));
        if ((i == MESSAGES || w->seals || w->c.security == KITH__PLAIN) &&
            listen_at_one(w->in[i], address, lo, hi, &ports[i]) == 0)
            continue;
        if (i == MESSAGES)
            return -1;
        ports[i] = ports[MESSAGES];
    }
    return 0;
}

static int wire_unlisten(struct kith__wire *w, const char *address, const uint16_t ports[KITH__PORTS])
{
    char text[128];

    for (int i = 0; i < KITH__PORTS; i++) {
        endpoint_of(text, sizeof text, address, ports[i]);
        if ((i == MESSAGES || ports[i] != ports[MESSAGES]) && zmq_unbind(w->in[i], text) < 0)
            return fail(text);
    }
    return 0;
}

static void wire_admit(struct kith__wire *w, uint32_t peer, const char *public_key)
{
    struct peer *p = &w->peers[peer];

    p->admitted = w->c.security == KITH__PLAIN || zmq_z85_decode(p->raw_key, public_key) != NULL;
}

static void wire_set_secret(struct kith__wire *w, const char *secret)
{
    snprintf(w->c.secret, sizeof w->c.secret, "%s", secret);
}

static void wire_open_door(struct kith__wire *w)
{
    w->is_open = 1;
}

/* By which port of p that lane goes. */
static enum way way_of(const struct kith__wire *w, const struct peer *p, uint32_t lane)
{
    int has_port = strcmp(p->endpoints[MESSAGES], p->endpoints[PIECES]) != 0;

    return lane > 0 && has_port && (w->seals || w->c.security == KITH__PLAIN) ? PIECES : MESSAGES;
}

/* Adds a socket for that lane of peer. */
static int connect_lane(struct kith__wire *w, struct peer *p, uint32_t number, uint32_t lane)
{
    const enum way way = way_of(w, p, lane);
    void *s = zmq_socket(w->context, ZMQ_PUSH);
    char name[48];

    if (!s)
        return fail("cannot make a ZeroMQ socket");
    tune(w, s);
    choose_threads(s, lane == 0 ? MESSAGES : PIECES);
    set_int(s, ZMQ_IPV6, p->is_v6);
    if (secure_client(w, s, p, way) < 0) {
        zmq_close(s);
        return fail("cannot secure a ZeroMQ socket");
    }
    if (lane == 0 && !p->monitor) {
        snprintf(name, sizeof name, "inproc://monitor-%u", number);
        if (zmq_socket_monitor(s, name, ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED) == 0 &&
            (p->monitor = zmq_socket(w->context, ZMQ_PAIR)))
            zmq_connect(p->monitor, name);
    }
    if (zmq_connect(s, p->endpoints[way]) < 0) {
        zmq_close(s);
        return fail(p->endpoints[way]);
    }
    p->lanes[lane] = s;
    return 0;
}

static int wire_reach(struct kith__wire *w, uint32_t peer, const char *address,
                      const uint16_t ports[KITH__PORTS], const char *public_key)
{
    struct peer *p = &w->peers[peer];

    if (!p->lanes &&
        (!(p->lanes = calloc(w->c.lanes, sizeof *p->lanes)) || !(p->blocked = calloc(w->c.lanes, 1))))
        return fail("cannot reach a peer");
    for (int i = 0; i < KITH__PORTS; i++)
        endpoint_of(p->endpoints[i], sizeof p->endpoints[i], address, ports[i]);
    p->is_v6 = is_v6(address);
    snprintf(p->public_key, sizeof p->public_key, "%s", public_key);
    return connect_lane(w, p, peer, 0);
}

static int wire_is_connected(struct kith__wire *w, uint32_t peer)
{
    struct peer *p = &w->peers[peer];
    unsigned char event[16];
    char where[128];

    while (p->monitor && zmq_recv(p->monitor, event, sizeof event, ZMQ_DONTWAIT) == 6) {
        p->connected = (event[0] | event[1] << 8) == ZMQ_EVENT_CONNECTED;
        zmq_recv(p->monitor, where, sizeof where, ZMQ_DONTWAIT);
    }
    return p->connected;
}

/* 0, or -1. */
static int make_frame(struct kith__wire *w, struct peer *p, uint32_t lane, zmq_msg_t *frame, const void *head,
                      size_t head_size, const void *body, size_t body_size)
{
    const int sealed = w->seals && way_of(w, p, lane) == PIECES;

    if (zmq_msg_init_size(frame, head_size + body_size + (sealed ? KITH__SEAL_EXTRA : 0)) < 0)
        return fail("cannot send");
    if (sealed) {
        if (kith__seal_close(p->to, lane, zmq_msg_data(frame), head, head_size, body, body_size) == 0)
            return 0;
        zmq_msg_close(frame);
        snprintf(why_text, sizeof why_text, "cannot encrypt");
        return -1;
    }
    memcpy(zmq_msg_data(frame), head, head_size);
    if (body_size > 0)
        memcpy((char *)zmq_msg_data(frame) + head_size, body, body_size);
    return 0;
}

static int wire_send(struct kith__wire *w, uint32_t peer, uint32_t lane, const void *head, size_t head_size,
                     const void *body, size_t body_size)
{
    struct peer *p = &w->peers[peer];
    zmq_msg_t frame;

    if (!p->lanes)
        return -1;
    if ((!p->lanes[lane] && connect_lane(w, p, peer, lane) < 0) ||
        make_frame(w, p, lane, &frame, head, head_size, body, body_size) < 0)
        return -1;
    w->blocked -= p->blocked[lane];
    p->blocked[lane] = 0;
    if (zmq_msg_send(&frame, p->lanes[lane], ZMQ_DONTWAIT) >= 0)
        return 1;
    zmq_msg_close(&frame);
    if (errno != EAGAIN && errno != EINTR)
        return fail("cannot send");
    p->blocked[lane] = 1;
    w->blocked++;
    return 0;
}

/* -------------------------------------------------------------------- receiving */

/* 1: a frame came that way, in w->frame, with its sender; 0: none did. */
static int take_frame(struct kith__wire *w, enum way way, uint32_t *peer)
{
    const char *user;

    for (;;) {
        zmq_msg_init(&w->frame);
        if (zmq_msg_recv(&w->frame, w->in[way], ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&w->frame);
            return 0;
        }
        user = zmq_msg_gets(&w->frame, "User-Id");
        /* A frame of several parts, or of none, was not made by an agent. */
        if (user && *user && !zmq_msg_more(&w->frame) && zmq_msg_size(&w->frame) > 0) {
            *peer = (uint32_t)strtoul(user, NULL, 10);
            return 1;
        }
        zmq_msg_close(&w->frame);
    }
}

/* Its content and size; 0: it was not sealed by that peer, or came before. */
static size_t open_frame(struct kith__wire *w, enum way way, uint32_t peer, const void **content)
{
    unsigned char *data = zmq_msg_data(&w->frame);
    size_t size = zmq_msg_size(&w->frame);

    if (way == PIECES && w->seals) {
        struct kith__seal *s = seal(w, &w->peers[peer], 0);

        data = s ? kith__seal_open(s, data, &size) : NULL;
    }
    *content = data;
    return data ? size : 0;
}

static size_t next_frame(struct kith__wire *w, enum way way, uint32_t *peer, const void **frame)
{
    while (!(w->idle & 1U << way) && take_frame(w, way, peer)) {
        size_t size = open_frame(w, way, *peer, frame);

        if (size > 0) {
            w->has_frame = 1;
            return size;
        }
        zmq_msg_close(&w->frame);
    }
    return 0;
}

static size_t wire_receive(struct kith__wire *w, uint32_t *peer, const void **frame)
{
    enum way first;
    size_t size;

    if (w->has_frame)
        zmq_msg_close(&w->frame);
    /* Also in a row of frames: where much comes in, it may have no end. */
    if (++w->received == DOOR_EVERY) {
        w->received = 0;
        w->idle = 0;
    }
    if (w->is_open && !(w->idle & 1U << DOOR) && (!w->has_frame || w->received == 0))
        w->refused += kith__door_answer(w->door, known, w);
    w->has_frame = 0;
    /* Messages first, as each of them is short and may be awaited; but they may have no end, either. */
    first = ++w->row % MESSAGES_IN_A_ROW == 0 ? PIECES : MESSAGES;
    if ((size = next_frame(w, first, peer, frame)) == 0)
        size = next_frame(w, first == PIECES ? MESSAGES : PIECES, peer, frame);
    if (size == 0)
        w->idle = 0;
    return size;
}

static int add_fd(void *socket, struct pollfd *fds, int n, int room)
{
    size_t size = sizeof fds->fd;

    if (n == room || zmq_getsockopt(socket, ZMQ_FD, &fds[n].fd, &size) < 0)
        return n;
    fds[n].events = POLLIN;
    fds[n].revents = 0;
    return n + 1;
}

static int wire_fds(struct kith__wire *w, struct pollfd *fds, int room)
{
    int n = 0;

    for (int i = 0; i < KITH__PORTS; i++)
        n = add_fd(w->in[i], fds, n, room);
    if (w->is_open)
        n = add_fd(w->door, fds, n, room);
    for (uint32_t i = 0; w->blocked > 0 && i < w->c.nodes; i++)
        for (uint32_t k = 0; w->peers[i].lanes && k < w->c.lanes; k++)
            if (w->peers[i].blocked[k])
                n = add_fd(w->peers[i].lanes[k], fds, n, room);
    return n;
}

static void wire_polled(struct kith__wire *w, const struct pollfd *fds)
{
    for (int i = 0; i < (w->is_open ? SOCKETS : DOOR); i++)
        w->idle |= fds[i].revents ? 0 : 1U << i;
}

static uint64_t wire_refused(const struct kith__wire *w)
{
    return w->refused;
}

extern const struct kith__transport kith_net_transport;

__attribute__((visibility("default")))
const struct kith__transport kith_net_transport = { .version = KITH__TRANSPORT_VERSION,
                                                    .key_pair = key_pair,
                                                    .open = wire_open,
                                                    .listen = wire_listen,
                                                    .unlisten = wire_unlisten,
                                                    .admit = wire_admit,
                                                    .set_secret = wire_set_secret,
                                                    .open_door = wire_open_door,
                                                    .reach = wire_reach,
                                                    .is_connected = wire_is_connected,
                                                    .forget = wire_forget,
                                                    .send = wire_send,
                                                    .receive = wire_receive,
                                                    .fds = wire_fds,
                                                    .polled = wire_polled,
                                                    .refused = wire_refused,
                                                    .close = wire_close,
                                                    .why = why };
