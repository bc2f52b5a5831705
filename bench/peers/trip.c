/* trip: messages there and back by raw ZeroMQ, DEALER to ROUTER over tcp with CURVE.
 *     trip answer ADDRESS HOP                          prints the server's public key first
 *     trip ask ADDRESS KEY SIZE COUNT WINDOW HOP
 * WINDOW messages are under way. With one: the median of COUNT trips, in microseconds. With more: thousand
 * messages a second, GB/s each way, and million numbers of 8 bytes a second.
 * HOP, with messages of 8 bytes one at a time: "near" when who asks is not the process with the socket, but
 * one that rings it and is woken by it; "far" likewise for who answers; "both", or "none". */
#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "curve.h"
#include "word.h"

enum { WARM = 1000, MOST = 1000000, LIMIT_S = 80 };
#define END UINT64_MAX

struct hop { /* from the process with the socket, the porter, to another one, and back */
    _Alignas(64) _Atomic uint32_t given; /* how often the porter has given an item */
    _Alignas(64) _Atomic int asleep;
    _Alignas(64) uint64_t item;
    int bell; /* rings when the other one has given it back */
};

static struct hop *hop_new(void)
{
    struct hop *h = shared(sizeof *h);

    if ((h->bell = eventfd(0, 0)) < 0)
        die("no eventfd");
    return h;
}

static void ring(struct hop *h)
{
    uint64_t one = 1;

    if (write(h->bell, &one, sizeof one) != sizeof one)
        die("the bell does not ring");
}

static void hear(struct hop *h)
{
    uint64_t times;

    if (read(h->bell, &times, sizeof times) != sizeof times)
        die("the bell cannot be read");
}

static pid_t child(void)
{
    pid_t pid = fork();

    if (pid < 0)
        die("cannot fork");
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* ------------------------------------------------------------------ who answers */

static void echo(void *socket)
{
    zmq_msg_t who, what;

    for (size_t size = 1; size > 0;) {
        zmq_msg_init(&who);
        zmq_msg_init(&what);
        must(zmq_msg_recv(&who, socket, 0));
        must(zmq_msg_recv(&what, socket, 0));
        size = zmq_msg_size(&what);
        if (size > 0) {
            must(zmq_msg_send(&who, socket, ZMQ_SNDMORE));
            must(zmq_msg_send(&what, socket, 0));
        }
        zmq_msg_close(&who);
        zmq_msg_close(&what);
    }
}

static void give_back(struct hop *h)
{
    for (uint32_t i = 1;; i++) {
        word_await(&h->given, i, &h->asleep);
        if (h->item == END)
            return;
        ring(h);
    }
}

static void echo_by(void *socket, struct hop *h)
{
    zmq_pollitem_t list[] = { { socket, 0, ZMQ_POLLIN, 0 }, { NULL, h->bell, ZMQ_POLLIN, 0 } };
    zmq_msg_t who;
    int size = 1;

    zmq_msg_init(&who);
    for (uint32_t given = 0; size > 0;) {
        if (zmq_poll(list, 2, PATIENCE_MS) <= 0)
            die("nobody has asked");
        if (list[1].revents) {
            hear(h);
            must(zmq_msg_send(&who, socket, ZMQ_SNDMORE));
            must(zmq_send(socket, &h->item, sizeof h->item, 0));
        }
        if (list[0].revents) {
            must(zmq_msg_recv(&who, socket, 0));
            must(size = zmq_recv(socket, &h->item, sizeof h->item, 0));
            if (size == 0)
                h->item = END;
            word_set(&h->given, ++given, &h->asleep);
        }
    }
    zmq_msg_close(&who);
}

static void answer(const char *address, int hop)
{
    struct hop *h = hop ? hop_new() : NULL;
    void *context, *socket;

    if (h && child() == 0) {
        give_back(h);
        _exit(0);
    }
    context = zmq_ctx_new();
    socket = socket_new(context, ZMQ_ROUTER);
    serve(socket, address);
    if (h)
        echo_by(socket, h);
    else
        echo(socket);
    zmq_close(socket);
    zmq_ctx_term(context);
}

/* ------------------------------------------------------------------ who asks */

static void carry(void *socket, struct hop *h)
{
    zmq_pollitem_t list[] = { { socket, 0, ZMQ_POLLIN, 0 }, { NULL, h->bell, ZMQ_POLLIN, 0 } };

    for (uint32_t given = 0;;) {
        if (zmq_poll(list, 2, PATIENCE_MS) <= 0)
            die("no answer has come");
        if (list[1].revents) {
            hear(h);
            if (h->item == END)
                return;
            must(zmq_send(socket, &h->item, sizeof h->item, 0));
        }
        if (list[0].revents) {
            must(zmq_recv(socket, &h->item, sizeof h->item, 0));
            word_set(&h->given, ++given, &h->asleep);
        }
    }
}

static void trip(void *socket, struct hop *h, uint64_t x)
{
    uint64_t y;

    if (h) {
        uint32_t given = atomic_load(&h->given);

        h->item = x;
        ring(h);
        word_await(&h->given, given + 1, &h->asleep);
        y = h->item;
    } else {
        must(zmq_send(socket, &x, sizeof x, 0));
        must(zmq_recv(socket, &y, sizeof y, 0));
    }
    if (x != y)
        die("another answer has come");
}

static void one_at_a_time(void *socket, struct hop *h, size_t count)
{
    static double t[MOST];

    for (size_t i = 0; i < WARM; i++)
        trip(socket, h, i);
    for (size_t i = 0; i < count; i++) {
        double start = now();

        trip(socket, h, i);
        t[i] = now() - start;
    }
    say("turn", 1e6 * quantile(t, count, 0.5));
}

static void many(void *socket, size_t size, uint64_t count, uint64_t window)
{
    char *out = calloc(1, size), *in = malloc(size);
    double start;

    trip(socket, NULL, 0); /* they are connected now */
    start = now();
    for (uint64_t sent = 0, come = 0, x; come < count;) {
        if (sent < count && sent - come < window) {
            memcpy(out, &sent, sizeof sent);
            must(zmq_send(socket, out, size, 0));
            sent++;
            continue;
        }
        if (zmq_recv(socket, in, size, 0) != (int)size)
            die("an answer has another size");
        memcpy(&x, in, sizeof x);
        if (x != come++)
            die("answers came in another order");
    }
    start = now() - start;
    say("messages", (double)count / start * 1e-3);
    say("bytes", (double)count * (double)size / start * 1e-9);
    say("numbers", (double)count * (double)size / 8 / start * 1e-6);
    free(in);
    free(out);
}

static void *connect_to(void *context, const char *address, const char *key)
{
    void *socket = socket_new(context, ZMQ_DEALER);

    call(socket, address, key);
    return socket;
}

/* The last one is empty: then who answers ends. */
static void leave(void *context, void *socket)
{
    must(zmq_send(socket, "", 0, 0));
    zmq_close(socket);
    zmq_ctx_term(context);
}

static void ask_by_another(const char *address, const char *key, size_t count)
{
    struct hop *h = hop_new();
    pid_t pid = child();

    if (pid == 0) {
        void *context = zmq_ctx_new(), *socket = connect_to(context, address, key);

        carry(socket, h);
        leave(context, socket);
        _exit(0);
    }
    one_at_a_time(NULL, h, count);
    h->item = END;
    ring(h);
    waitpid(pid, NULL, 0);
}

static void ask(char **argv, size_t size, size_t count, uint64_t window)
{
    void *context = zmq_ctx_new(), *socket = connect_to(context, argv[2], argv[3]);

    if (window > 1)
        many(socket, size, count, window);
    else
        one_at_a_time(socket, NULL, count);
    leave(context, socket);
}

static int is_hop(const char *hop, const char *end)
{
    return !strcmp(hop, end) || !strcmp(hop, "both");
}

int main(int argc, char **argv)
{
    size_t size = number(argc, argv, 4, 8), count = number(argc, argv, 5, 10000);
    uint64_t window = number(argc, argv, 6, 1);

    alarm(LIMIT_S);
    if (argc == 4 && !strcmp(argv[1], "answer"))
        answer(argv[2], is_hop(argv[3], "far"));
    else if (argc == 8 && !strcmp(argv[1], "ask") && size >= 8 && count <= MOST && is_hop(argv[7], "near"))
        ask_by_another(argv[2], argv[3], count);
    else if (argc == 8 && !strcmp(argv[1], "ask") && size >= 8 && count <= MOST)
        ask(argv, size, count, window);
    else
        die("usage: trip answer ADDRESS HOP | ask ADDRESS KEY SIZE COUNT WINDOW HOP");
    return 0;
}
