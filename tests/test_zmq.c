/* test_zmq.c: the transport over ZeroMQ: two agents' ends of it in one process, and strangers. */
#include "config.h"
#include "check.h"
#include "base/module.h"
#include "net/seal.h"
#include "net/transport.h"
#include "base/system.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <sys/socket.h>
#include <zmq.h>

enum { LANES = 3, MOST = 256 << 10 };

static const struct kith__transport *net;

struct end {
    struct kith__wire *wire;
    struct kith__wire_config c;
    uint16_t ports[KITH__PORTS];
};

static const char *address = "127.0.0.1";

static struct end make(uint32_t node, enum kith__security security, const char *secret)
{
    struct end e = { .c = { .node = node,
                            .nodes = 4,
                            .security = security,
                            .frame_most = MOST,
                            .lanes = LANES,
                            .cut_ms = 1500 } };

    snprintf(e.c.secret, sizeof e.c.secret, "%s", secret);
    CU_ASSERT_EQUAL(net->key_pair(e.c.public_key, e.c.secret_key), 0);
    e.wire = net->open(&e.c);
    CU_ASSERT_PTR_NOT_NULL_FATAL(e.wire);
    CU_ASSERT_EQUAL_FATAL(net->listen(e.wire, address, 0, 0, e.ports), 0);
    CU_ASSERT(e.ports[0] > 0 && e.ports[1] > 0 && e.ports[0] != e.ports[1]);
    return e;
}

/* a knows b, and may say something to it. */
static void introduce(struct end *a, const struct end *b)
{
    net->admit(a->wire, b->c.node, b->c.public_key);
    CU_ASSERT_EQUAL(net->reach(a->wire, b->c.node, address, b->ports, b->c.public_key), 0);
}

static void wait_for(struct kith__wire *w, int ms)
{
    struct pollfd fds[16];
    int n = net->fds(w, fds, 16);

    if (poll(fds, (nfds_t)n, ms) >= 0)
        net->polled(w, fds);
}

/* Sends it within the limit; 1 when that was so. from must be served: it may have to admit the other. */
static int send_within(struct end *from, struct end *to, uint32_t lane, const char *text, int limit_ms)
{
    int64_t until = kith__now_ns() + limit_ms * KITH__MS;
    const void *frame;
    uint32_t peer;

    while (kith__now_ns() < until) {
        if (net->send(from->wire, to->c.node, lane, text, strlen(text), NULL, 0) == 1)
            return 1;
        CU_ASSERT_EQUAL(net->receive(to->wire, &peer, &frame), 0);
        wait_for(from->wire, 5);
    }
    return 0;
}

static size_t receive_within(struct end *e, uint32_t *peer, const void **frame, int limit_ms)
{
    int64_t until = kith__now_ns() + limit_ms * KITH__MS;
    size_t size;

    while ((size = net->receive(e->wire, peer, frame)) == 0 && kith__now_ns() < until)
        wait_for(e->wire, 5);
    return size;
}

/* Until so many were refused at its door: how long a stranger takes to come there is not in our hands. */
static void await_refused(struct end *e, uint64_t count)
{
    int64_t until = kith__now_ns() + SOON * KITH__MS;
    const void *frame;
    uint32_t peer;

    while (net->refused(e->wire) < count && kith__now_ns() < until) {
        CU_ASSERT_EQUAL(net->receive(e->wire, &peer, &frame), 0);
        wait_for(e->wire, 5);
    }
    CU_ASSERT(net->refused(e->wire) >= count);
}

static void expect(struct end *e, uint32_t from, const char *text)
{
    const void *frame = NULL;
    uint32_t peer = 99;
    size_t size = receive_within(e, &peer, &frame, SOON);

    CU_ASSERT_EQUAL_FATAL(size, strlen(text));
    CU_ASSERT_EQUAL(peer, from);
    CU_ASSERT_EQUAL(memcmp(frame, text, size), 0);
}

static void frames_travel(enum kith__security security)
{
    struct end a = make(1, security, "open sesame"), b = make(2, security, "open sesame");

    introduce(&a, &b);
    introduce(&b, &a);
    net->open_door(a.wire);
    net->open_door(b.wire);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        CU_ASSERT(send_within(&a, &b, lane, "to b", SOON));
        expect(&b, 1, "to b");
        CU_ASSERT(send_within(&b, &a, lane, "to a", SOON));
        expect(&a, 2, "to a");
    }
    CU_ASSERT(net->is_connected(a.wire, 2));
    CU_ASSERT_EQUAL(net->refused(a.wire), 0);
    net->close(a.wire, 0);
    net->close(b.wire, 0);
}

static void frames_say_truly_whose_they_are(void)
{
    frames_travel(KITH__CURVE);
}

static void plain_carries_them_too(void)
{
    frames_travel(KITH__PLAIN);
}

static void ipv6_carries_them_too(void)
{
    struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        SKIP("no IPv6 here");
    close(fd);
    address = "::1";
    frames_travel(KITH__CURVE);
    address = "127.0.0.1";
}

static void agent_can_reach_itself(void)
{
    struct end a = make(3, KITH__CURVE, "");

    introduce(&a, &a);
    net->open_door(a.wire);
    CU_ASSERT(send_within(&a, &a, 0, "to me", SOON));
    expect(&a, 3, "to me");
    net->close(a.wire, 0);
}

static void frame_of_256_kib_arrives_whole_and_a_larger_one_never(void)
{
    struct end a = make(1, KITH__CURVE, ""), b = make(2, KITH__CURVE, "");
    unsigned char *bytes = malloc(MOST + 128);
    const void *frame;
    uint32_t peer;

    introduce(&a, &b);
    introduce(&b, &a);
    net->open_door(b.wire);
    CU_ASSERT(send_within(&a, &b, 1, "first", SOON));
    expect(&b, 1, "first");
    for (size_t i = 0; i < MOST + 128; i++)
        bytes[i] = (unsigned char)(i * 7 + (i >> 9));
    CU_ASSERT_EQUAL(net->send(a.wire, 2, 1, bytes, 100, bytes + 100, MOST - 100), 1);
    CU_ASSERT_EQUAL_FATAL(receive_within(&b, &peer, &frame, SOON), MOST);
    CU_ASSERT_EQUAL(memcmp(frame, bytes, MOST), 0);
    CU_ASSERT_EQUAL(net->send(a.wire, 2, 1, bytes, MOST + 128, NULL, 0), 1);
    CU_ASSERT_EQUAL(receive_within(&b, &peer, &frame, 500), 0);
    free(bytes);
    net->close(a.wire, 0);
    net->close(b.wire, 0);
}

static void all_wait_at_the_door_until_it_opens(void)
{
    struct end a = make(1, KITH__CURVE, ""), b = make(2, KITH__CURVE, "");

    introduce(&a, &b);
    CU_ASSERT(!send_within(&a, &b, 0, "too early", 300));
    introduce(&b, &a);
    net->open_door(b.wire);
    CU_ASSERT(send_within(&a, &b, 0, "now", SOON));
    expect(&b, 1, "now");
    net->close(a.wire, 0);
    net->close(b.wire, 0);
}

/* Its frames never end, and another one comes. */
static void talker_keeps_nobody_out(void)
{
    struct end a = make(1, KITH__CURVE, ""), b = make(2, KITH__CURVE, ""), c = make(3, KITH__CURVE, "");
    const void *frame;
    uint32_t peer;
    int64_t until;
    int sent = 0;

    introduce(&a, &b);
    introduce(&b, &a);
    introduce(&b, &c);
    net->open_door(b.wire);
    CU_ASSERT_FATAL(send_within(&a, &b, 0, "blah", SOON));
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(net->send(a.wire, 2, 0, "blah", 4, NULL, 0), 1);
    CU_ASSERT(receive_within(&b, &peer, &frame, SOON) > 0);
    introduce(&c, &b);
    until = kith__now_ns() + SOON * KITH__MS;
    while (!sent && kith__now_ns() < until) {
        sent = net->send(c.wire, 2, 0, "may I", 5, NULL, 0) == 1;
        usleep(200); /* b is slower than a: there is always a next frame */
        if (net->receive(b.wire, &peer, &frame) > 0)
            net->send(a.wire, 2, 0, "blah", 4, NULL, 0);
    }
    CU_ASSERT(sent);
    net->close(a.wire, 0);
    net->close(b.wire, 0);
    net->close(c.wire, 0);
}

/* Its messages never end, and a piece comes. */
static void talker_holds_up_no_piece(void)
{
    struct end a = make(1, KITH__CURVE, ""), b = make(2, KITH__CURVE, "");
    const void *frame;
    uint32_t peer;
    int64_t until;
    size_t size = 0;

    introduce(&a, &b);
    introduce(&b, &a);
    net->open_door(b.wire);
    CU_ASSERT_FATAL(send_within(&a, &b, 0, "blah", SOON));
    expect(&b, 1, "blah");
    CU_ASSERT_FATAL(send_within(&a, &b, 1, "first", SOON));
    expect(&b, 1, "first");
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(net->send(a.wire, 2, 0, "blah", 4, NULL, 0), 1);
    CU_ASSERT_EQUAL(net->send(a.wire, 2, 1, "second", 6, NULL, 0), 1);
    until = kith__now_ns() + SOON * KITH__MS;
    while (size != 6 && kith__now_ns() < until) {
        usleep(200); /* b is slower than a: there is always a next message */
        if ((size = net->receive(b.wire, &peer, &frame)) > 0)
            net->send(a.wire, 2, 0, "blah", 4, NULL, 0);
    }
    CU_ASSERT_EQUAL(size, 6);
    net->close(a.wire, 0);
    net->close(b.wire, 0);
}

/* Who knows the server's public key and has a pair of its own. */
static void stranger_gets_nothing_in(void)
{
    struct end a = make(1, KITH__CURVE, ""), b = make(2, KITH__CURVE, ""),
               stranger = make(1, KITH__CURVE, "");
    const void *frame;
    uint32_t peer;

    introduce(&a, &b);
    introduce(&b, &a);
    introduce(&stranger, &b);
    net->open_door(b.wire);
    await_refused(&b, 1);
    CU_ASSERT(!send_within(&stranger, &b, 0, "let me in", 1000));
    CU_ASSERT_EQUAL(receive_within(&b, &peer, &frame, 200), 0);
    CU_ASSERT(send_within(&a, &b, 0, "I belong here", SOON));
    expect(&b, 1, "I belong here");
    net->close(stranger.wire, 0);
    net->close(a.wire, 0);
    net->close(b.wire, 0);
}

/* Without any security, or with the wrong one, and with bytes that are no ZeroMQ at all. */
static void unsecured_client_gets_nothing_in(void)
{
    struct end b = make(2, KITH__CURVE, "");
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(b.ports[0]) };
    void *context = zmq_ctx_new(), *s = zmq_socket(context, ZMQ_PUSH);
    char where[64], noise[4096];
    const void *frame;
    uint32_t peer;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), zero = 0;

    net->admit(b.wire, 1, b.c.public_key);
    net->open_door(b.wire);
    snprintf(where, sizeof where, "tcp://127.0.0.1:%u", b.ports[0]);
    zmq_setsockopt(s, ZMQ_LINGER, &zero, sizeof zero);
    CU_ASSERT_EQUAL(zmq_connect(s, where), 0);
    zmq_send(s, "hello", 5, ZMQ_DONTWAIT);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(noise, 0xff, sizeof noise);
    CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    CU_ASSERT(send(fd, noise, sizeof noise, MSG_NOSIGNAL) > 0);
    CU_ASSERT_EQUAL(receive_within(&b, &peer, &frame, 1000), 0);
    close(fd);
    zmq_close(s);
    zmq_ctx_term(context);
    net->close(b.wire, 0);
}

/* A client of b's port for pieces, that says it is node 1. */
static void *knock(void *context, const struct end *b, const char *password)
{
    void *s = zmq_socket(context, ZMQ_PUSH);
    char where[64];
    int zero = 0;

    snprintf(where, sizeof where, "tcp://127.0.0.1:%u", b->ports[1]);
    zmq_setsockopt(s, ZMQ_LINGER, &zero, sizeof zero);
    if (password) {
        zmq_setsockopt(s, ZMQ_PLAIN_USERNAME, "1", 1);
        zmq_setsockopt(s, ZMQ_PLAIN_PASSWORD, password, strlen(password));
    }
    CU_ASSERT_EQUAL(zmq_connect(s, where), 0);
    return s;
}

static void stranger_at_the_door_for_pieces_gets_nothing_in(void)
{
    struct end a = make(1, KITH__CURVE, ""), b = make(2, KITH__CURVE, "");
    void *context = zmq_ctx_new(), *open, *guesses;
    const void *frame;
    uint32_t peer;

    introduce(&b, &a);
    net->open_door(b.wire);
    open = knock(context, &b, NULL);
    guesses = knock(context, &b, "00112233445566778899aabbccddeeff");
    zmq_send(open, "hello", 5, ZMQ_DONTWAIT);
    zmq_send(guesses, "hello", 5, ZMQ_DONTWAIT);
    await_refused(&b, 1);
    CU_ASSERT_EQUAL(receive_within(&b, &peer, &frame, 500), 0);
    zmq_close(open);
    zmq_close(guesses);
    zmq_ctx_term(context);
    net->close(a.wire, 0);
    net->close(b.wire, 0);
}

static struct kith__seal *seal_of(const struct end *a, const struct end *b)
{
    unsigned char secret[KITH__SEAL_KEY], from[KITH__SEAL_KEY], to[KITH__SEAL_KEY];

    CU_ASSERT(zmq_z85_decode(secret, a->c.secret_key) && zmq_z85_decode(from, a->c.public_key) &&
              zmq_z85_decode(to, b->c.public_key));
    return kith__seal_new(secret, from, to, 1);
}

/* One on the way has seen the password, which lets it in, and all frames, which it can send again. */
static void who_listens_on_the_way_gets_nothing_in(void)
{
    static const char text[] = "of node 1";
    unsigned char sealed[sizeof text + KITH__SEAL_EXTRA], broken[sizeof sealed];
    struct end a = make(1, KITH__CURVE, ""), b = make(2, KITH__CURVE, "");
    struct kith__seal *seal = seal_of(&a, &b);
    void *context = zmq_ctx_new(), *s;
    const void *frame;
    uint32_t peer = 99;

    CU_ASSERT_PTR_NOT_NULL_FATAL(seal);
    introduce(&b, &a);
    net->open_door(b.wire);
    s = knock(context, &b, kith__seal_password(seal));
    CU_ASSERT_EQUAL(kith__seal_close(seal, 1, sealed, text, sizeof text, NULL, 0), 0);
    memcpy(broken, sealed, sizeof broken);
    broken[KITH__SEAL_NONCE] ^= 1;
    zmq_send(s, "not sealed, but long enough to be", 33, 0);
    zmq_send(s, broken, sizeof broken, 0);
    zmq_send(s, sealed, 3, 0);
    zmq_send(s, sealed, sizeof sealed, 0);
    zmq_send(s, sealed, sizeof sealed, 0);
    CU_ASSERT_EQUAL(receive_within(&b, &peer, &frame, SOON), sizeof text);
    CU_ASSERT(peer == 1 && memcmp(frame, text, sizeof text) == 0);
    CU_ASSERT_EQUAL(receive_within(&b, &peer, &frame, 500), 0);
    zmq_close(s);
    zmq_ctx_term(context);
    kith__seal_free(seal);
    net->close(a.wire, 0);
    net->close(b.wire, 0);
}

/* One who says nothing, and one who begins and does not go on. libzmq's own patience is 30 s. */
static void silent_stranger_is_shown_out(void)
{
    static const char greeting[] =
        "\xff\0\0\0\0\0\0\0\x7f\x03\0CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    struct end b = make(2, KITH__CURVE, "");
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(b.ports[0]) };
    int64_t begin = kith__now_ns();

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    net->open_door(b.wire);
    for (size_t said = 0; said <= 64; said += 64) {
        struct pollfd p = { .events = POLLRDHUP };

        p.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CU_ASSERT_EQUAL(connect(p.fd, (struct sockaddr *)&to, sizeof to), 0);
        CU_ASSERT_EQUAL(send(p.fd, greeting, said, MSG_NOSIGNAL), (ssize_t)said);
        CU_ASSERT_EQUAL(poll(&p, 1, 25000), 1);
        close(p.fd);
    }
    CU_ASSERT(kith__now_ns() - begin < 25000 * KITH__MS);
    net->close(b.wire, 0);
}

static void wrong_secret_gets_nothing_in(void)
{
    struct end a = make(1, KITH__PLAIN, "open sesame"), b = make(2, KITH__PLAIN, "open sesame"),
               stranger = make(1, KITH__PLAIN, "open barley"), short_one = make(1, KITH__PLAIN, "o");

    introduce(&a, &b);
    introduce(&b, &a);
    introduce(&stranger, &b);
    introduce(&short_one, &b);
    net->open_door(b.wire);
    await_refused(&b, 2);
    CU_ASSERT(!send_within(&stranger, &b, 0, "let me in", 500));
    CU_ASSERT(!send_within(&short_one, &b, 0, "let me in", 500));
    CU_ASSERT_EQUAL(net->refused(b.wire), 2);
    CU_ASSERT(send_within(&a, &b, 0, "I belong here", SOON));
    expect(&b, 1, "I belong here");
    net->close(short_one.wire, 0);
    net->close(stranger.wire, 0);
    net->close(a.wire, 0);
    net->close(b.wire, 0);
}

/* As when a firewall has room for one port: pieces come with the messages. */
static void one_port_is_enough(void)
{
    struct end a = make(1, KITH__CURVE, ""), b = make(2, KITH__CURVE, "");

    b.ports[1] = b.ports[0];
    introduce(&a, &b);
    introduce(&b, &a);
    net->open_door(b.wire);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        CU_ASSERT(send_within(&a, &b, lane, "to b", SOON));
        expect(&b, 1, "to b");
    }
    net->close(a.wire, 0);
    net->close(b.wire, 0);
}

/* Two agents on one machine share a range of three, so the second has one port for all; the third finds none
 * free. */
static void ports_come_from_the_range(void)
{
    struct end a = make(1, KITH__CURVE, "");
    struct kith__wire *w[3];
    uint16_t lo = 0, ports[3][KITH__PORTS] = { { 0 } };

    /* Ports that are free together: near one that the system gave. */
    for (uint16_t first = a.ports[0] > 60000 ? 20000 : (uint16_t)(a.ports[0] + 7); lo == 0; first += 3) {
        int ok = 1;

        for (int i = 0; i < 2; i++) {
            w[i] = net->open(&a.c);
            ok &= net->listen(w[i], "127.0.0.1", first, (uint16_t)(first + 2), ports[i]) == 0;
        }
        w[2] = net->open(&a.c);
        if (ok && ports[0][0] == first && ports[0][1] == first + 1 && ports[1][0] == first + 2) {
            lo = first;
            CU_ASSERT_EQUAL(ports[1][1], first + 2);
            CU_ASSERT_EQUAL(net->listen(w[2], "127.0.0.1", first, (uint16_t)(first + 2), ports[2]), -1);
            CU_ASSERT_PTR_NOT_NULL(strstr(net->why(), "KITH_PORTS"));
        }
        for (int i = 0; i < 3; i++)
            net->close(w[i], 0);
    }
    net->close(a.wire, 0);
}

static void address_that_is_not_ours_is_refused(void)
{
    struct end a = make(1, KITH__CURVE, "");
    uint16_t ports[KITH__PORTS];

    CU_ASSERT_EQUAL(net->listen(a.wire, "203.0.113.1", 0, 0, ports), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(net->why(), "203.0.113.1"));
    net->close(a.wire, 0);
}

static void peer_that_ends_is_not_connected(void)
{
    struct end a = make(1, KITH__CURVE, ""), b = make(2, KITH__CURVE, "");

    introduce(&a, &b);
    introduce(&b, &a);
    net->open_door(b.wire);
    CU_ASSERT(send_within(&a, &b, 0, "hello", SOON));
    expect(&b, 1, "hello");
    CU_ASSERT(net->is_connected(a.wire, 2));
    net->close(b.wire, 0);
    for (int64_t until = kith__now_ns() + SOON * KITH__MS;
         net->is_connected(a.wire, 2) && kith__now_ns() < until;)
        usleep(1000);
    CU_ASSERT(!net->is_connected(a.wire, 2));
    for (int64_t until = kith__now_ns() + SOON * KITH__MS;
         net->send(a.wire, 2, 0, "x", 1, NULL, 0) == 1 && kith__now_ns() < until;)
        usleep(1000);
    CU_ASSERT_EQUAL(net->send(a.wire, 2, 0, "x", 1, NULL, 0), 0);
    net->forget(a.wire, 2, 0);
    CU_ASSERT_EQUAL(net->send(a.wire, 2, 0, "x", 1, NULL, 0), -1);
    net->close(a.wire, 0);
}

static struct test tests[] = {
    TEST_LIKE(frames_say_truly_whose_they_are, "ChallengeResponseTest.test_challengeresponse"),
    TEST(plain_carries_them_too),
    TEST(ipv6_carries_them_too),
    TEST(agent_can_reach_itself),
    TEST(frame_of_256_kib_arrives_whole_and_a_larger_one_never),
    TEST(all_wait_at_the_door_until_it_opens),
    TEST(talker_keeps_nobody_out),
    TEST(talker_holds_up_no_piece),
    TEST_LIKE(stranger_gets_nothing_in, "OtherTest.test_deliver_challenge_auth_failure "
                                        "OtherTest.test_answer_challenge_auth_failure"),
    TEST(unsecured_client_gets_nothing_in),
    TEST(stranger_at_the_door_for_pieces_gets_nothing_in),
    TEST(who_listens_on_the_way_gets_nothing_in),
    TEST(one_port_is_enough),
    TEST(silent_stranger_is_shown_out),
    TEST_LIKE(wrong_secret_gets_nothing_in, "OtherTest.test_deliver_challenge_auth_failure "
                                            "OtherTest.test_answer_challenge_auth_failure"),
    TEST_LIKE(ports_come_from_the_range, "_TestListener.test_multiple_bind"),
    TEST(address_that_is_not_ours_is_refused),
    TEST(peer_that_ends_is_not_connected),
    TEST_END
};

int main(void)
{
    void *module = kith__module("net");

    if (!module || !(net = dlsym(module, "kith_net_transport"))) {
        printf("skipped: %s\n", kith_last_error());
        return 77;
    }
    return run_tests("zmq", tests);
}
