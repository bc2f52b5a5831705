/* zmq: raw ZeroMQ, PUSH to PULL over tcp with CURVE. Prints thousand items a second and GB/s, from the first
 * item to the last. (No ZAP handler: any key is let in, which costs nothing either way.) zmq take ADDRESS
 * SIZE COUNT          prints the server's public key first zmq put ADDRESS KEY SIZE COUNT */
#include "config.h"

#include <string.h>
#include <zmq.h>

#include "../bench.h"

enum { KEY = 41, PATIENCE_MS = 20000 };

static void must(int rc)
{
    if (rc < 0)
        die(zmq_strerror(zmq_errno()));
}

static void set(void *socket, int option, const void *value, size_t size)
{
    must(zmq_setsockopt(socket, option, value, size));
}

static void set_int(void *socket, int option, int value)
{
    set(socket, option, &value, sizeof value);
}

static void take(void *socket, const char *address, size_t size, uint64_t count)
{
    char public[KEY], secret[KEY], *buf = malloc(size);
    double start = 0.0;

    must(zmq_curve_keypair(public, secret));
    set_int(socket, ZMQ_CURVE_SERVER, 1);
    set(socket, ZMQ_CURVE_SECRETKEY, secret, KEY - 1);
    must(zmq_bind(socket, address));
    printf("%s\n", public);
    fflush(stdout);
    for (uint64_t i = 0, j; i < count; i++) {
        if (zmq_recv(socket, buf, size, 0) != (int)size)
            die("an item did not come, or has another size");
        memcpy(&j, buf, sizeof j);
        if (j != i)
            die("items came in another order");
        if (i == 0)
            start = now();
    }
    start = now() - start;
    say("items", (double)(count - 1) / start * 1e-3);
    say("bytes", (double)(count - 1) * (double)size / start * 1e-9);
    free(buf);
}

static void put(void *socket, const char *address, const char *key, size_t size, uint64_t count)
{
    char public[KEY], secret[KEY], *buf = calloc(1, size);

    must(zmq_curve_keypair(public, secret));
    set(socket, ZMQ_CURVE_SERVERKEY, key, KEY - 1);
    set(socket, ZMQ_CURVE_PUBLICKEY, public, KEY - 1);
    set(socket, ZMQ_CURVE_SECRETKEY, secret, KEY - 1);
    must(zmq_connect(socket, address));
    for (uint64_t i = 0; i < count; i++) {
        memcpy(buf, &i, sizeof i);
        must(zmq_send(socket, buf, size, 0));
    }
    free(buf);
}

int main(int argc, char **argv)
{
    int taking = argc == 5 && !strcmp(argv[1], "take"), putting = argc == 6 && !strcmp(argv[1], "put");
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, taking ? ZMQ_PULL : ZMQ_PUSH);

    set_int(socket, ZMQ_RCVTIMEO, PATIENCE_MS);
    set_int(socket, ZMQ_SNDTIMEO, PATIENCE_MS);
    set_int(socket, ZMQ_LINGER, PATIENCE_MS);
    if (taking)
        take(socket, argv[2], number(argc, argv, 3, 8), number(argc, argv, 4, 1));
    else if (putting)
        put(socket, argv[2], argv[3], number(argc, argv, 4, 8), number(argc, argv, 5, 1));
    else
        die("usage: zmq take ADDRESS SIZE COUNT | put ADDRESS KEY SIZE COUNT");
    zmq_close(socket);
    zmq_ctx_term(context);
    return 0;
}
