/* zmq.c: the transport over ZeroMQ, tcp: the module kith-net.so. See transport.h.
 *
 * One PULL socket listens, and for each peer and lane there is a PUSH socket: frames go one way on a
 * connection, and who wants to say something connects. So it does not matter who comes first, and nobody has
 * two connections for one purpose. What a connection loses the lanes above send again; so nothing lingers,
 * and nothing is queued for a peer that is not connected (IMMEDIATE), or dropped at a high-water mark (there
 * is none: lanes have windows).
 *
 * CURVE: each agent has a key pair, and the ZAP handler admits the public keys of the job's agents, nobody
 * else. The user id that it gives is the node's number, which libzmq attaches to each frame: a frame says
 * truly whose it is.
 */
#include "config.h"
#include "net/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    RAW_KEY = 32,
    RECONNECT_MS = 100,
    CONNECT_MS = 600,
    HANDSHAKE_MS = 5000,
    CURVE_EXTRA = 64,
    DOOR_EVERY = 32
};

struct peer {
    void **lanes;           /* sockets; NULL: not used yet */
    unsigned char *blocked; /* by lane */
    void *monitor;
    int connected, admitted, is_v6;
    char endpoints[KITH__PORTS][96], public_key[KITH__KEY];
    unsigned char raw_key[RAW_KEY];
};

struct kith__wire {
    struct kith__wire_config c;
    void *context, *door, *in; /* door: where libzmq asks whom to admit */
    int is_open, has_frame;
    unsigned received; /* frames since somebody looked at the door */
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
    int64_t most = w->c.frame_most + CURVE_EXTRA; /* it counts what CURVE adds */

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

static int secure_server(struct kith__wire *w)
{
    if (set_text(w->in, ZMQ_ZAP_DOMAIN, "kith") < 0)
        return -1;
    if (w->c.security == KITH__PLAIN)
        return set_int(w->in, ZMQ_PLAIN_SERVER, 1);
    return set_int(w->in, ZMQ_CURVE_SERVER, 1) < 0 ? -1
                                                   : set_text(w->in, ZMQ_CURVE_SECRETKEY, w->c.secret_key);
}

static int secure_client(const struct kith__wire *w, void *socket, const struct peer *p)
{
    char number[16];

    if (w->c.security == KITH__PLAIN) {
        snprintf(number, sizeof number, "%u", w->c.node);
        return set_text(socket, ZMQ_PLAIN_USERNAME, number) < 0
                   ? -1
                   : set_text(socket, ZMQ_PLAIN_PASSWORD, w->c.secret);
    }
    if (set_text(socket, ZMQ_CURVE_SERVERKEY, p->public_key) < 0 ||
        set_text(socket, ZMQ_CURVE_PUBLICKEY, w->c.public_key) < 0)
        return -1;
    return set_text(socket, ZMQ_CURVE_SECRETKEY, w->c.secret_key);
}

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
    close_socket(w->in, 0);
    close_socket(w->door, 0);
    if (w->context)
        zmq_ctx_term(w->context);
    free(w->peers);
    free(w);
}

static int prepare(struct kith__wire *w)
{
    int sockets = zmq_ctx_get(w->context, ZMQ_SOCKET_LIMIT),
        wanted = 16 + (int)(w->c.nodes * (w->c.lanes + 2));

    zmq_ctx_set(w->context, ZMQ_IO_THREADS, KITH__PORTS);
    zmq_ctx_set(w->context, ZMQ_MAX_SOCKETS, wanted < sockets ? wanted : sockets);
    if (!(w->door = zmq_socket(w->context, ZMQ_REP)) || zmq_bind(w->door, "inproc://zeromq.zap.01") < 0 ||
        !(w->in = zmq_socket(w->context, ZMQ_PULL)))
        return fail("cannot make a ZeroMQ socket");
    tune(w, w->in);
    /* Each that has come in and does not say who he is holds a descriptor, and when none is left no peer
     * comes in either. */
    set_int(w->in, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    return secure_server(w) < 0 ? fail("cannot secure a ZeroMQ socket") : 0;
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

/* The next connections of that socket, made or accepted, are that thread's: pieces are encrypted and
 * decrypted side by side. */
static void choose_thread(void *socket, int thread)
{
    uint64_t mask = UINT64_C(1) << thread;

    zmq_setsockopt(socket, ZMQ_AFFINITY, &mask, sizeof mask);
}

static int listen_at_one(struct kith__wire *w, const char *address, uint16_t lo, uint16_t hi, uint16_t *port)
{
    char text[128];
    size_t size = sizeof text;

    if (lo == 0) {
        endpoint(text, sizeof text, address, "*");
        if (zmq_bind(w->in, text) < 0 || zmq_getsockopt(w->in, ZMQ_LAST_ENDPOINT, text, &size) < 0)
            return fail(text);
        *port = (uint16_t)strtoul(strrchr(text, ':') + 1, NULL, 10);
        return 0;
    }
    for (uint32_t n = lo; n <= hi; n++) {
        endpoint_of(text, sizeof text, address, (uint16_t)n);
        if (zmq_bind(w->in, text) == 0) {
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
    set_int(w->in, ZMQ_IPV6, is_v6(address));
    for (int i = 0; i < KITH__PORTS; i++) {
        choose_thread(w->in, i);
        if (listen_at_one(w, address, lo, hi, &ports[i]) == 0)
            continue;
        if (i == 0)
            return -1;
        ports[i] = ports[i - 1];
    }
    return 0;
}

static int wire_unlisten(struct kith__wire *w, const char *address, const uint16_t ports[KITH__PORTS])
{
    char text[128];

    for (int i = 0; i < KITH__PORTS; i++) {
        endpoint_of(text, sizeof text, address, ports[i]);
        if ((i == 0 || ports[i] != ports[i - 1]) && zmq_unbind(w->in, text) < 0)
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

/* Adds a socket for that lane of peer: those of pieces have a thread of their own, as far as there are. */
static int connect_lane(struct kith__wire *w, struct peer *p, uint32_t number, uint32_t lane)
{
    const int thread = (int)(lane == 0 ? 0 : (lane - 1) % KITH__PORTS);
    void *s = zmq_socket(w->context, ZMQ_PUSH);
    char name[48];

    if (!s)
        return fail("cannot make a ZeroMQ socket");
    tune(w, s);
    choose_thread(s, thread);
    set_int(s, ZMQ_IPV6, p->is_v6);
    if (secure_client(w, s, p) < 0) {
        zmq_close(s);
        return fail("cannot secure a ZeroMQ socket");
    }
    if (lane == 0 && !p->monitor) {
        snprintf(name, sizeof name, "inproc://monitor-%u", number);
        if (zmq_socket_monitor(s, name, ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED) == 0 &&
            (p->monitor = zmq_socket(w->context, ZMQ_PAIR)))
            zmq_connect(p->monitor, name);
    }
    if (zmq_connect(s, p->endpoints[thread]) < 0) {
        zmq_close(s);
        return fail(p->endpoints[thread]);
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

static int wire_send(struct kith__wire *w, uint32_t peer, uint32_t lane, const void *head, size_t head_size,
                     const void *body, size_t body_size)
{
    struct peer *p = &w->peers[peer];
    zmq_msg_t frame;

    if (!p->lanes)
        return -1;
    if (!p->lanes[lane] && connect_lane(w, p, peer, lane) < 0)
        return -1;
    if (zmq_msg_init_size(&frame, head_size + body_size) < 0)
        return fail("cannot send");
    memcpy(zmq_msg_data(&frame), head, head_size);
    if (body_size > 0)
        memcpy((char *)zmq_msg_data(&frame) + head_size, body, body_size);
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

/* ------------------------------------------------------- whom to admit: RFC 27, ZAP */

struct question {
    char id[256], mechanism[16];
    unsigned char credentials[2][64];
    size_t sizes[2];
    int parts;
};

static size_t part(void *socket, void *to, size_t room)
{
    int n = zmq_recv(socket, to, room, ZMQ_DONTWAIT);

    return n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
}

static int has_more(void *socket)
{
    int more = 0;
    size_t size = sizeof more;

    return zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) == 0 && more;
}

/* Parts: version, id, domain, address, identity, mechanism, credentials. 0: nobody asks. */
static size_t hear_question(void *door, struct question *q)
{
    char skipped[256];
    size_t id_size = 0;

    memset(q, 0, sizeof *q);
    for (q->parts = 0; q->parts == 0 || has_more(door); q->parts++)
        switch (q->parts) {
        case 0:
            if (part(door, skipped, sizeof skipped) == 0)
                return 0;
            break;
        case 1: id_size = part(door, q->id, sizeof q->id); break;
        case 5: part(door, q->mechanism, sizeof q->mechanism - 1); break;
        case 6: q->sizes[0] = part(door, q->credentials[0], sizeof q->credentials[0] - 1); break;
        case 7: q->sizes[1] = part(door, q->credentials[1], sizeof q->credentials[1] - 1); break;
        default: part(door, skipped, sizeof skipped);
        }
    return id_size;
}

/* Takes the same time for each wrong secret. */
static int is_same(const unsigned char *a, const unsigned char *b, size_t size)
{
    unsigned char differs = 0;

    for (size_t i = 0; i < size; i++)
        differs |= a[i] ^ b[i];
    return differs == 0;
}

/* The number of the node that asks, or -1. */
static int64_t who_asks(const struct kith__wire *w, const struct question *q)
{
    size_t secret = strlen(w->c.secret);
    char *end;
    unsigned long n;

    if (w->c.security == KITH__CURVE && strcmp(q->mechanism, "CURVE") == 0 && q->sizes[0] == RAW_KEY) {
        for (uint32_t i = 0; i < w->c.nodes; i++)
            if (w->peers[i].admitted && is_same(w->peers[i].raw_key, q->credentials[0], RAW_KEY))
                return i;
        return -1;
    }
    if (w->c.security != KITH__PLAIN || strcmp(q->mechanism, "PLAIN") != 0 || secret == 0 ||
        q->sizes[1] != secret || !is_same((const unsigned char *)w->c.secret, q->credentials[1], secret))
        return -1;
    n = strtoul((const char *)q->credentials[0], &end, 10);
    return q->sizes[0] > 0 && *end == '\0' && n < w->c.nodes && w->peers[n].admitted ? (int64_t)n : -1;
}

static void answer_door(struct kith__wire *w)
{
    struct question q;
    size_t id_size;

    while (w->is_open && (id_size = hear_question(w->door, &q)) > 0) {
        int64_t who = q.parts >= 7 ? who_asks(w, &q) : -1;
        char user[16] = "";

        if (who >= 0)
            snprintf(user, sizeof user, "%u", (unsigned)who);
        else
            w->refused++;
        zmq_send(w->door, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(w->door, q.id, id_size, ZMQ_SNDMORE);
        zmq_send(w->door, who >= 0 ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send(w->door, who >= 0 ? "OK" : "stranger", who >= 0 ? 2 : 8, ZMQ_SNDMORE);
        zmq_send(w->door, user, strlen(user), ZMQ_SNDMORE);
        zmq_send(w->door, "", 0, 0);
    }
}

/* -------------------------------------------------------------------- receiving */

static size_t wire_receive(struct kith__wire *w, uint32_t *peer, const void **frame)
{
    const char *user;

    if (w->has_frame)
        zmq_msg_close(&w->frame);
    /* Also in a row of frames: where much comes in, it may have no end. */
    if (!w->has_frame || ++w->received == DOOR_EVERY) {
        w->received = 0;
        answer_door(w);
    }
    w->has_frame = 0;
    for (;;) {
        zmq_msg_init(&w->frame);
        if (zmq_msg_recv(&w->frame, w->in, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&w->frame);
            return 0;
        }
        user = zmq_msg_gets(&w->frame, "User-Id");
        /* A frame of several parts, or of none, was not made by an agent. */
        if (user && *user && !zmq_msg_more(&w->frame) && zmq_msg_size(&w->frame) > 0)
            break;
        zmq_msg_close(&w->frame);
    }
    w->has_frame = 1;
    *peer = (uint32_t)strtoul(user, NULL, 10);
    *frame = zmq_msg_data(&w->frame);
    return zmq_msg_size(&w->frame);
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
    int n = add_fd(w->in, fds, 0, room);

    if (w->is_open)
        n = add_fd(w->door, fds, n, room);
    for (uint32_t i = 0; w->blocked > 0 && i < w->c.nodes; i++)
        for (uint32_t k = 0; w->peers[i].lanes && k < w->c.lanes; k++)
            if (w->peers[i].blocked[k])
                n = add_fd(w->peers[i].lanes[k], fds, n, room);
    return n;
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
                                                    .refused = wire_refused,
                                                    .close = wire_close,
                                                    .why = why };
