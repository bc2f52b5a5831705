/* zmq: raw ZeroMQ, PUSH to PULL over tcp with CURVE. Prints thousand items a second and GB/s, from the first
 * item to the last.
 *     zmq take ADDRESS SIZE COUNT          prints the server's public key first
 *     zmq put ADDRESS KEY SIZE COUNT */
#include "config.h"

#include <string.h>

#include "curve.h"

static void take(void *socket, size_t size, uint64_t count)
{
    char *buf = malloc(size);
    double start = 0.0;

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

static void put(void *socket, size_t size, uint64_t count)
{
    char *buf = calloc(1, size);

    for (uint64_t i = 0; i < count; i++) {
        memcpy(buf, &i, sizeof i);
        must(zmq_send(socket, buf, size, 0));
    }
    free(buf);
}

int main(int argc, char **argv)
{
    int taking = argc == 5 && !strcmp(argv[1], "take"), putting = argc == 6 && !strcmp(argv[1], "put");
    void *context = zmq_ctx_new(), *socket = socket_new(context, taking ? ZMQ_PULL : ZMQ_PUSH);

    if (taking) {
        serve(socket, argv[2]);
        take(socket, number(argc, argv, 3, 8), number(argc, argv, 4, 1));
    } else if (putting) {
        call(socket, argv[2], argv[3]);
        put(socket, number(argc, argv, 4, 8), number(argc, argv, 5, 1));
    } else {
        die("usage: zmq take ADDRESS SIZE COUNT | put ADDRESS KEY SIZE COUNT");
    }
    zmq_close(socket);
    zmq_ctx_term(context);
    return 0;
}
