/* curve.h: two ends of a ZeroMQ connection with CURVE, for zmq and trip. The server prints its public key
 * first. (No ZAP handler: any key is let in, which costs nothing either way.) */
#ifndef CURVE_H
#define CURVE_H

#include <zmq.h>

#include "../bench.h"

enum { KEY = 41, PATIENCE_MS = 20000 };

static inline void must(int rc)
{
    if (rc < 0)
        die(zmq_strerror(zmq_errno()));
}

static inline void set(void *socket, int option, const void *value, size_t size)
{
    must(zmq_setsockopt(socket, option, value, size));
}

static inline void set_int(void *socket, int option, int value)
{
    set(socket, option, &value, sizeof value);
}

static inline void *socket_new(void *context, int type)
{
    void *socket = zmq_socket(context, type);

    set_int(socket, ZMQ_RCVTIMEO, PATIENCE_MS);
    set_int(socket, ZMQ_SNDTIMEO, PATIENCE_MS);
    set_int(socket, ZMQ_LINGER, PATIENCE_MS);
    return socket;
}

static inline void serve(void *socket, const char *address)
{
    char public[KEY], secret[KEY];

    must(zmq_curve_keypair(public, secret));
    set_int(socket, ZMQ_CURVE_SERVER, 1);
    set(socket, ZMQ_CURVE_SECRETKEY, secret, KEY - 1);
    must(zmq_bind(socket, address));
    printf("%s\n", public);
    fflush(stdout);
}

static inline void call(void *socket, const char *address, const char *key)
{
    char public[KEY], secret[KEY];

    must(zmq_curve_keypair(public, secret));
    set(socket, ZMQ_CURVE_SERVERKEY, key, KEY - 1);
    set(socket, ZMQ_CURVE_PUBLICKEY, public, KEY - 1);
    set(socket, ZMQ_CURVE_SECRETKEY, secret, KEY - 1);
    must(zmq_connect(socket, address));
}

#endif
